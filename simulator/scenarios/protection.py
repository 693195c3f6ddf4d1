"""Protections of the houses on what their sensors show: which limit was passed when, for how long."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from ..physics.arrays import Flags, Floats
from ..physics.battery import CELLS
from ..physics.protection import RULES
from .network import HOUSES
from .plan import PROBES, SAMPLE_S, Plan
from .sensors import EVERY, Readings

_CLEAR_AFTER_S = 5.0
_CONTEXT = (
    "inverter_frequency",
    "inverter_voltage",
    "inverter_current",
    "inverter_power",
    "dc_bus_voltage",
    "battery_current",
)
"""What a node tells with every fault (esphome/components/microgrid_house/house.cpp)."""
_CELLS = tuple(f"cell_voltage_{number + 1}" for number in range(CELLS))
_PROBES = tuple(f"battery_temperature_{number + 1}" for number in range(PROBES))
_MOSFETS = ("mosfet_temperature_1", "mosfet_temperature_2")


def _stack(readings: Readings, house: int, keys: tuple[str, ...]) -> Floats:
    return np.stack([readings[house + 1, key] for key in keys])


@dataclass(frozen=True, slots=True)
class _Watch:
    """What a rule looks at."""

    keys: tuple[str, ...]
    fold: Callable[[Floats], Floats]
    """From the channels (channels × samples) to the watched value."""


def _highest(values: Floats) -> Floats:
    top: Floats = values.max(axis=0)
    return top


def _lowest(values: Floats) -> Floats:
    bottom: Floats = values.min(axis=0)
    return bottom


def _spread(values: Floats) -> Floats:
    return _highest(values) - _lowest(values)


_WATCHES = {
    "F001": _Watch(("inverter_current",), lambda v: np.abs(v[0])),
    "F002": _Watch(("inverter_voltage",), _highest),
    "F003": _Watch(("inverter_voltage",), _lowest),
    "F004": _Watch(_MOSFETS, _highest),
    "F005": _Watch(("dc_bus_voltage",), _highest),
    "F006": _Watch(("dc_bus_voltage",), _lowest),
    "F010": _Watch(_CELLS, _highest),
    "F011": _Watch(_CELLS, _lowest),
    "F012": _Watch(_PROBES, _highest),
    "F013": _Watch(("battery_current",), lambda v: -v[0]),
    "F014": _Watch(("battery_current",), _highest),
    "F015": _Watch(_CELLS, _spread),
    "F020": _Watch(("mppt_input_voltage",), _highest),
    "F021": _Watch(("mppt_input_current",), _highest),
}


@dataclass(frozen=True, slots=True)
class Trip:
    """A fault that a house told."""

    house: int
    code: str
    t_s: float
    stops: bool
    """The inverter stops."""
    cleared_s: float | None
    values: dict[str, float] = field(default_factory=dict)


def first_lasting(flags: Flags, period_s: float, delay_s: float, before_s: float = 0.0) -> int | None:
    """First sample at which flags have been set for a delay; at the begin they had been for `before_s`."""
    rows = np.arange(len(flags))
    last_unset = np.maximum.accumulate(np.where(flags, -1, rows))
    since_s = np.where(last_unset < 0, before_s + rows * period_s, (rows - last_unset - 1) * period_s)
    lasting = flags & (since_s >= delay_s - 1e-9)
    return int(np.argmax(lasting)) if lasting.any() else None


def trips(plan: Plan, readings: Readings, running: Flags) -> list[Trip]:
    """All faults of all houses that their protections tell in a window, by time."""
    found = list[Trip]()
    for rule in RULES:
        watch = _WATCHES.get(rule.code)
        if watch is None:
            continue
        every = EVERY[watch.keys[0]]
        period_s = every * SAMPLE_S
        sign = 1.0 if rule.limit >= rule.release else -1.0
        for house in range(HOUSES):
            limit = plan.limits.get((house, rule.code), rule.limit)
            release = limit + (rule.release - rule.limit)
            value = watch.fold(_stack(readings, house, watch.keys))
            on = running[::every, house] if rule.while_running else np.ones(len(value), dtype=bool)
            before_s = plan.preloaded_s.get(rule.code, 0.0)
            row = first_lasting((sign * value > sign * limit) & on, period_s, rule.delay_s, before_s)
            if row is None:
                continue
            good = (sign * value < sign * release) | ~on
            calm = first_lasting(good[row:], period_s, _CLEAR_AFTER_S)
            t_s = row * period_s
            values = {
                key: float(readings[house + 1, key][row]) for key in _worst(watch, readings, house, row)
            }
            fast = round(t_s / SAMPLE_S)
            values |= {key: float(readings[house + 1, key][fast]) for key in _CONTEXT}
            found.append(
                Trip(
                    house=house,
                    code=rule.code,
                    t_s=t_s,
                    stops=rule.trips,
                    cleared_s=None if calm is None else t_s + calm * period_s,
                    values={key: value for key, value in values.items() if np.isfinite(value)},
                )
            )
    return sorted(found, key=lambda trip: trip.t_s)


def _worst(watch: _Watch, readings: Readings, house: int, row: int) -> tuple[str, ...]:
    """The channels that a fault is about: of several the extreme ones."""
    values = _stack(readings, house, watch.keys)[:, row]
    if watch.fold is _spread:
        return watch.keys[int(np.argmax(values))], watch.keys[int(np.argmin(values))]
    return (watch.keys[int(np.argmin(values) if watch.fold is _lowest else np.argmax(values))],)
