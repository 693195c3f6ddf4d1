"""Temperature of the inverters' transistors: one time constant above the air, heated by current squared."""

from __future__ import annotations

import math

import numpy as np

from .arrays import Floats

_TIME_CONSTANT_S = 120.0
_IDLE_HEAT_K = 6.0  # rise of an idling bridge
_HEAT_K_PER_A2 = 0.045  # 26 A (6 kW) raise it by another 30 K


class Mosfets:
    """Two sensors on each inverter's heat sink."""

    def __init__(self, rng: np.random.Generator, inverters: int) -> None:
        """Draw how well each heat sink is mounted."""
        self._rise = rng.normal(1.0, 0.06, (inverters, 2))
        self.temperature_c = np.full((inverters, 2), 25.0)

    def step(self, current_a: Floats, ambient_c: float, cooling: Floats | float, dt_s: float) -> None:
        """Advance; `cooling` is 1 for a healthy fan, less for a failed one."""
        heat = (_IDLE_HEAT_K + _HEAT_K_PER_A2 * current_a**2) / cooling
        target = ambient_c + self._rise * heat[:, None]
        self.temperature_c += (target - self.temperature_c) * (1.0 - math.exp(-dt_s / _TIME_CONSTANT_S))
