"""What a Victron GX adds to a fleet: firmware in use and on offer, alarms, and what the sun gave."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from .table import Kind
from .tree import Device, Tree

_ALARM: Final = 2
_CHARGERS: Final = ("solarcharger", "multi", "inverter")


@dataclass(frozen=True, slots=True)
class GxFigures:
    """Of one station; None is unknown."""

    model: str | None
    firmware: str | None
    available_firmware: str | None
    alarms: int
    warnings: int
    solar_today_kwh: float | None
    solar_total_kwh: float | None


def figures(tree: Tree) -> GxFigures:
    """Read the figures of a station."""
    states = [
        leaf.number
        for leaf in tree.leaves()
        if leaf.known is not None and leaf.known.fact.kind is Kind.ALARM and leaf.number
    ]
    return GxFigures(
        model=_text(tree, "/Device/Model"),
        firmware=_text(tree, "/Firmware/Installed/Version"),
        available_firmware=_text(tree, "/Firmware/Online/AvailableVersion"),
        alarms=sum(state >= _ALARM for state in states),
        warnings=sum(0 < state < _ALARM for state in states),
        solar_today_kwh=_sum(tree, "/History/Daily/0/Yield"),
        solar_total_kwh=_sum(tree, "/Yield/User"),
    )


def _text(tree: Tree, path: str) -> str | None:
    value = tree.value("platform", path)
    return value if isinstance(value, str) and value else None


def _devices(tree: Tree) -> Iterable[Device]:
    for service in _CHARGERS:
        yield from tree.of(service)


def _sum(tree: Tree, path: str) -> float | None:
    found = [value for device in _devices(tree) if isinstance(value := device.value(path), int | float)]
    return round(sum(found), 3) if found else None
