"""What households switch on: standby, fridge, lights and appliances by the hour, with an evening peak."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .arrays import Floats

HOUR_S = 3600.0
_INRUSH_S = 0.15


@dataclass(frozen=True, slots=True)
class Appliance:
    """One kind of appliance as a household uses it."""

    name: str
    power_w: float
    minutes: float
    """Mean duration of a use."""
    uses_per_day: float
    hours: tuple[tuple[float, float, float], ...]
    """When it is used: from hour, to hour, weight."""
    inrush: float = 0.0
    """Extra power at the start as a multiple of the running power (motors)."""


_MEALS = ((6, 8, 2.0), (12, 13, 2.0), (17, 20, 4.0))
_MORNING = ((6, 9, 4.0), (19, 22, 1.0))
_DAY = ((9, 17, 2.0), (17, 21, 1.0))
_EVENING = ((6, 8, 0.6), (18, 23, 5.0))

APPLIANCES = (
    Appliance("kettle", 2000, 3, 4.0, _MEALS),
    Appliance("hob", 1500, 22, 1.6, _MEALS),
    Appliance("oven", 2200, 35, 0.45, ((11, 13, 1.0), (17, 20, 3.0))),
    Appliance("microwave", 1100, 4, 2.0, _MEALS),
    Appliance("dishwasher", 1200, 45, 0.7, ((13, 15, 1.0), (19, 22, 3.0)), inrush=1.0),
    Appliance("washing machine", 700, 70, 0.55, _DAY, inrush=2.0),
    Appliance("dryer", 1600, 50, 0.2, _DAY, inrush=2.0),
    Appliance("vacuum cleaner", 1000, 20, 0.4, _DAY, inrush=2.5),
    Appliance("hair dryer", 1500, 6, 0.7, _MORNING),
    Appliance("water pump", 750, 5, 3.0, ((6, 22, 1.0),), inrush=4.0),
    Appliance("television", 120, 130, 1.3, _EVENING),
    Appliance("computer", 110, 160, 1.5, ((8, 23, 1.0),)),
    Appliance("lights", 140, 190, 1.6, _EVENING),
    Appliance("fridge", 90, 14, 36.0, ((0, 24, 1.0),), inrush=4.0),
)


def _starts_per_s(appliance: Appliance, hour: float) -> float:
    weight = sum(w for low, high, w in appliance.hours if low <= hour < high)
    total = sum((high - low) * w for low, high, w in appliance.hours)
    return appliance.uses_per_day * weight / total / HOUR_S


class HouseholdLoads:
    """Loads of several houses computed together."""

    def __init__(self, rng: np.random.Generator, houses: int) -> None:
        """Draw how much each household uses and when it gets up."""
        self._rng = rng
        self._habit = rng.lognormal(0.0, 0.22, houses)
        self._later_h = rng.normal(0.0, 0.7, houses)
        self._standby_w = rng.uniform(60.0, 130.0, houses)
        shape = (houses, len(APPLIANCES))
        self._power = np.array([item.power_w for item in APPLIANCES]) * rng.uniform(0.85, 1.15, shape)
        self._inrush = np.array([item.inrush for item in APPLIANCES])
        self._mean_s = np.array([item.minutes * 60.0 for item in APPLIANCES])
        self._table = np.array(
            [[_starts_per_s(item, quarter / 4.0) for item in APPLIANCES] for quarter in range(96)]
        )
        self._remaining_s = np.zeros(shape)
        self.power_w = self._standby_w.copy()
        self.inrush_w = np.zeros(houses)
        self._decay = (0.0, 1.0)

    def step(self, time_of_day_s: float, dt_s: float, willing: Floats | float = 1.0) -> None:
        """Switch things on and off; `willing` (0 … 1) is the share of uses not put off to save energy."""
        quarter = ((time_of_day_s / HOUR_S - self._later_h) * 4.0).astype(int) % 96
        chance = self._table[quarter] * (self._habit * willing)[:, None] * dt_s
        chance[:, -1] = self._table[0, -1] * dt_s  # the fridge does not save
        running = self._remaining_s > 0.0
        np.maximum(self._remaining_s - dt_s, 0.0, out=self._remaining_s)
        starting = ~running & (self._rng.random(chance.shape) < chance)
        if starting.any():
            duration = self._mean_s * self._rng.uniform(0.6, 1.4, chance.shape)
            self._remaining_s = np.where(starting, duration, self._remaining_s)
            self.inrush_w += (starting * self._power * self._inrush).sum(axis=1)
        self.power_w = self._standby_w + ((self._remaining_s > 0.0) * self._power).sum(axis=1)

    def decay_inrush(self, dt_s: float) -> None:
        """Let starting currents die away."""
        if self._decay[0] != dt_s:
            self._decay = (dt_s, float(np.exp(-dt_s / _INRUSH_S)))
        self.inrush_w *= self._decay[1]
