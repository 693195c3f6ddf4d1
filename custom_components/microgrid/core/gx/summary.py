"""A station in the words of the model: the metrics of `model/victron_gx` from the tree.

Battery current and power change their sign: Victron counts what goes into the battery, we what comes out.
Grid power stays as it is told: positive while taking from the grid.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from ..model.metric import Value
from ..model.victron_gx import SYSTEM_STATES
from .enums import ENUMS
from .tree import Tree

_PHASES: Final = ("L1", "L2", "L3")
_SOLAR: Final = ("PvOnGrid", "PvOnOutput", "PvOnGenset")
_MAINS: Final = (1, 3)
"""Sources of `/Ac/ActiveIn/Source` that are a grid: grid and shore power."""


def summary(tree: Tree) -> dict[str, Value]:
    """Return the metrics that have a value now, by key."""
    found = {key: read(tree) for key, read in _METRICS.items()}
    return {key: value for key, value in found.items() if value is not None}


def _number(tree: Tree, service: str, path: str) -> float | None:
    value = tree.value(service, path)
    return float(value) if isinstance(value, int | float) else None


def _system(path: str, sign: float = 1.0) -> Callable[[Tree], float | None]:
    def read(tree: Tree) -> float | None:
        value = _number(tree, "system", path)
        return None if value is None else sign * value + 0.0  # + 0.0 turns a negative zero into zero

    return read


def _first(service: str, path: str) -> Callable[[Tree], float | None]:
    return lambda tree: _number(tree, service, path)


def _phases(quantity: str) -> Callable[[Tree], float | None]:
    """The sum over the phases that there are."""

    def read(tree: Tree) -> float | None:
        values = [_number(tree, "system", f"/Ac/{quantity}/{phase}/Power") for phase in _PHASES]
        return sum(told) if (told := [value for value in values if value is not None]) else None

    return read


def _solar(tree: Tree) -> float | None:
    """All that the sun gives, on whichever side it is connected; a little below zero is noise of meters."""
    parts = [_number(tree, "system", "/Dc/Pv/Power"), *(_phases(quantity)(tree) for quantity in _SOLAR)]
    told = [part for part in parts if part is not None]
    return max(0.0, sum(told)) if told else None


def _state(tree: Tree) -> str | None:
    value = _number(tree, "system", "/SystemState/State")
    text = None if value is None else ENUMS["system_state"].get(int(value))
    return text if text in SYSTEM_STATES else None


def _grid_available(tree: Tree) -> bool | None:
    source = _number(tree, "system", "/Ac/ActiveIn/Source")
    return None if source is None else int(source) in _MAINS


def _notifications(tree: Tree) -> float | None:
    return _number(tree, "platform", "/Notifications/NumberOfActiveNotifications")


_METRICS: Final[dict[str, Callable[[Tree], Value | None]]] = {
    "state_of_charge": _system("/Dc/Battery/Soc"),
    "battery_voltage": _system("/Dc/Battery/Voltage"),
    "battery_current": _system("/Dc/Battery/Current", -1.0),
    "battery_power": _system("/Dc/Battery/Power", -1.0),
    "battery_temperature": _system("/Dc/Battery/Temperature"),
    "solar_power": _solar,
    "grid_power": _phases("Grid"),
    "consumption_power": _phases("Consumption"),
    **{f"grid_power_{phase.lower()}": _system(f"/Ac/Grid/{phase}/Power") for phase in _PHASES},
    **{f"consumption_power_{phase.lower()}": _system(f"/Ac/Consumption/{phase}/Power") for phase in _PHASES},
    "ac_output_voltage": _first("vebus", "/Ac/Out/L1/V"),
    "ac_output_frequency": _first("vebus", "/Ac/Out/L1/F"),
    "system_state": _state,
    "grid_available": _grid_available,
    "minimum_state_of_charge": _system("/Control/ActiveSocLimit"),
    "notifications_active": _notifications,
}
