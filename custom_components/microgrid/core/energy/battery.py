"""What a battery can do: energy, power, losses, wear, and the part that is kept for outages."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

_LEAST_EFFICIENCY = 0.3  # below it a reading is broken, not a battery
_MOST_KWH, _LEAST_KWH = 1e6, 1e-6


class Limits(NamedTuple):
    """A battery during one step; energies in kWh inside the battery, above the reserve."""

    usable: float
    """Between the reserve and the ceiling."""
    up: float
    """Most that the stored energy may rise in the step."""
    down: float
    """Most that it may fall."""
    charge_efficiency: float
    discharge_efficiency: float
    wear: float
    """Currency for each kWh taken out."""


@dataclass(frozen=True, slots=True)
class Battery:
    """A battery behind one meter. Nonsense (NaN, negative) counts as zero, so that a plan always exists."""

    capacity_kwh: float
    charge_kw: float
    discharge_kw: float
    charge_efficiency: float = 0.95
    """Stored per kWh taken from the meter's side, one way."""
    discharge_efficiency: float = 0.95
    wear_per_kwh: float = 0.0
    """Currency for each kWh taken out of the store: price of the battery / energy it gives in its life."""
    reserve: float = 0.0
    """Share of the capacity kept for outages, 0 … 1; never planned with."""
    ceiling: float = 1.0
    """Share of the capacity up to which is charged."""

    @property
    def floor_kwh(self) -> float:
        """Stored energy that the reserve is."""
        return _positive(self.capacity_kwh, _MOST_KWH) * _positive(self.reserve, 1.0)

    @property
    def usable_kwh(self) -> float:
        """Energy between reserve and ceiling."""
        most = _positive(self.capacity_kwh, _MOST_KWH) * _positive(self.ceiling, 1.0)
        usable = most - self.floor_kwh
        return usable if usable > _LEAST_KWH else 0.0

    def limits(self, step_h: float) -> Limits:
        """Return what is possible within a step of so many hours."""
        into, out = _efficiency(self.charge_efficiency), _efficiency(self.discharge_efficiency)
        usable = self.usable_kwh
        return Limits(
            usable,
            min(_positive(self.charge_kw, _MOST_KWH) * step_h * into, usable),
            min(_positive(self.discharge_kw, _MOST_KWH) * step_h / out, usable),
            into,
            out,
            _positive(self.wear_per_kwh, _MOST_KWH),
        )

    def stored_kwh(self, state_of_charge_percent: float) -> float:
        """Return the energy above the reserve at a state of charge; the nearest possible one."""
        if not math.isfinite(state_of_charge_percent):
            return 0.0
        stored = _positive(self.capacity_kwh, _MOST_KWH) * state_of_charge_percent / 100.0
        return min(max(stored - self.floor_kwh, 0.0), self.usable_kwh)

    def state_of_charge_percent(self, stored_kwh: float) -> float:
        """Return the state of charge for an energy above the reserve; 0 for a battery without capacity."""
        capacity = _positive(self.capacity_kwh, _MOST_KWH)
        return 100.0 * (self.floor_kwh + stored_kwh) / capacity if capacity else 0.0


def grid_energy(change_kwh: float, charge_efficiency: float, discharge_efficiency: float) -> float:
    """Return what the meter sees of a change of the stored energy: positive when charging."""
    return change_kwh / charge_efficiency if change_kwh >= 0.0 else change_kwh * discharge_efficiency


def self_consumption(net_kwh: float, limits: Limits) -> float:
    """Return the change that brings the meter to zero, not yet limited."""
    if net_kwh < 0.0:
        return -net_kwh * limits.charge_efficiency
    return -net_kwh / limits.discharge_efficiency


def _positive(value: float, most: float) -> float:
    return min(value, most) if value > 0.0 else 0.0  # NaN is not greater than zero


def _efficiency(value: float) -> float:
    return min(max(value, _LEAST_EFFICIENCY), 1.0) if math.isfinite(value) else 1.0
