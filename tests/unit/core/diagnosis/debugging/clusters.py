"""Days of a cluster of houses on droop, minute by minute, with whatever a test lets go wrong.

The steady state of the simulator's network: all inverters have one frequency, each follows its own line, and
together they give what the loads take. A test holds it against the simulator's dynamic solution.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from microgrid_core.diagnosis.debugging.sharing import HouseHistory, SharingHistory
from simulator.physics.grid import DROOP_HZ_PER_W

Floats = NDArray[np.float64]

DAY_S = 86_400
START_S = 1_790_000_000 // DAY_S * DAY_S
_SHARING_W = 4000.0
_SHARING_LIMIT_W = 1200.0
"""The energy management of the simulator: fuller houses give more."""


@dataclass(slots=True)
class Cluster:
    """Houses that all do their part until a test changes it."""

    houses: int = 4
    days: int = 10
    seed: int = 1
    gain: Floats = field(init=False)
    """Hz/W of each house."""
    no_load_hz: Floats = field(init=False)
    extra_w: Floats = field(init=False)
    """What a house gives beside its line (houses × minutes); the others take it back."""
    off: NDArray[np.bool_] = field(init=False)
    """Minutes in which a house gives nothing."""
    factors: dict[str, Floats] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Draw a calibrated cluster."""
        rng = np.random.default_rng(self.seed)
        self.gain = DROOP_HZ_PER_W * rng.uniform(0.99, 1.01, self.houses)
        self.no_load_hz = 50.0 + rng.uniform(-0.008, 0.008, self.houses)
        self.extra_w = np.zeros((self.houses, self.minutes))
        self.off = np.zeros((self.houses, self.minutes), np.bool_)

    @property
    def minutes(self) -> int:
        """Of all days."""
        return 1440 * self.days

    @property
    def times_s(self) -> Floats:
        """Start of each minute."""
        return START_S + 60.0 * np.arange(self.minutes, dtype=np.float64)

    def live(self) -> SharingHistory:
        """Return the minutes as they were logged."""
        rng = np.random.default_rng(self.seed + 1)
        clock = np.arange(self.minutes, dtype=np.float64) / 60.0 % 24.0
        usual = (
            350.0 + 900.0 * np.exp(-((clock - 19.0) ** 2) / 8.0) + 400.0 * np.exp(-((clock - 7.0) ** 2) / 3.0)
        )
        load = np.zeros(self.minutes)
        for _ in range(self.houses):
            bursts = np.convolve(
                (rng.random(self.minutes) < 0.01) * rng.uniform(500.0, 3000.0, self.minutes), np.ones(12)
            )[: self.minutes]
            load += usual * rng.uniform(0.6, 1.4) * rng.uniform(0.8, 1.2, self.minutes) + bursts
        walk = np.cumsum(rng.normal(0.0, 0.0006, (self.houses, self.minutes)), axis=1)
        level = 0.6 + rng.uniform(-0.1, 0.1, (self.houses, 1))
        charge = np.clip(level + walk - walk.mean(axis=1, keepdims=True), 0.1, 1.0)
        wanted = np.clip(_SHARING_W * (charge - charge.mean(axis=0)), -_SHARING_LIMIT_W, _SHARING_LIMIT_W)
        gain = self.gain[:, None]
        free_w = self.no_load_hz[:, None] / gain + wanted + self.extra_w
        on = ~self.off
        frequency = (np.sum(free_w * on, axis=0) - load) / np.sum(on / gain, axis=0)
        power = np.where(on, free_w - frequency / gain, 0.0)
        shown_f = frequency + rng.normal(0.0, 0.0004, power.shape)
        shown_p = power + rng.normal(0.0, 4.0, power.shape)
        shown_charge = np.round(100.0 * charge, 1)
        houses = [
            HouseHistory(f"house-{row + 1:02d}", shown_f[row], shown_p[row], shown_charge[row])
            for row in range(self.houses)
        ]
        return SharingHistory("north", self.times_s, houses, 0.0, self.factors)
