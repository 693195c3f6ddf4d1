"""Disturbances that a person or a test lets loose: offsets on what a sensor sees, for a while."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .arrays import Floats

DISTURBED_CELL = 4  # the fifth of sixteen


@dataclass(frozen=True, slots=True)
class Effect:
    """What one fault code's disturbance adds to which quantity."""

    quantity: str
    offset: float


EFFECTS = {
    "F001": Effect("inverter_current_a", 40.0),
    "F002": Effect("inverter_voltage_v", 30.0),
    "F003": Effect("inverter_voltage_v", -40.0),
    "F004": Effect("mosfet_c", 90.0),
    "F005": Effect("dc_bus_v", 9.0),
    "F006": Effect("dc_bus_v", -10.0),
    "F010": Effect("cell_v", 0.5),
    "F011": Effect("cell_v", -0.7),
    "F012": Effect("battery_c", 50.0),
    "F013": Effect("battery_current_a", -250.0),
    "F014": Effect("battery_current_a", 290.0),
    "F015": Effect("cell_v", -0.15),
    "F020": Effect("pv_v", 270.0),
    "F021": Effect("pv_a", 50.0),
    "F030": Effect("can_silence_s", 10.0),
    "F031": Effect("can_errors_per_s", 50.0),
    "F040": Effect("swarm_frequency_hz", 3.0),
    "F041": Effect("contactor_stuck", 1.0),
}
QUANTITIES = frozenset(effect.quantity for effect in EFFECTS.values())


@dataclass(slots=True)
class _Running:
    """A disturbance that has not ended yet."""

    quantity: str
    unit: int
    offset: float
    left_s: float


class Disturbances:
    """Offsets by quantity, one for each unit, that end by themselves."""

    def __init__(self, units: int) -> None:
        """Begin undisturbed."""
        self._units = units
        self._offsets = {quantity: np.zeros(units) for quantity in QUANTITIES}
        self._running: list[_Running] = []
        self.any = False

    def __getitem__(self, quantity: str) -> Floats:
        """Offset of a quantity for each unit."""
        return self._offsets[quantity]

    def begin(self, code: str, unit: int, duration_s: float) -> None:
        """Disturb one unit for a while; raises KeyError for a code without an effect."""
        effect = EFFECTS[code]
        self._offsets[effect.quantity][unit] += effect.offset
        self._running.append(_Running(effect.quantity, unit, effect.offset, duration_s))
        self.any = True

    def step(self, dt_s: float) -> None:
        """End those whose time is over."""
        if not self._running:
            return
        for running in self._running:
            running.left_s -= dt_s
            if running.left_s <= 0.0:
                self._offsets[running.quantity][running.unit] -= running.offset
        self._running = [running for running in self._running if running.left_s > 0.0]
        self.any = bool(self._running)
