"""Weeks of batteries by the simulator's physics, as hours of an archive: healthy or with one thing wrong."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from microgrid_core.diagnosis.debugging.cells import CellHistory
from simulator.physics.battery import CELLS, LfpPacks

Floats = NDArray[np.float64]

DAY_S = 86_400
STEP_S = 600
_STEPS = 3600 // STEP_S
START_S = 1_790_000_000 // DAY_S * DAY_S
_WIRING_OHM = 4e-3


@dataclass(slots=True)
class Batteries:
    """A number of packs that live through the same weeks, each with its own loads."""

    packs: int
    days: int
    seed: int
    worn: bool = False
    """Leave in the cells that the simulator lets age faster."""
    span: tuple[float, float] = (0.2, 0.85)
    """Between these the packs are used."""
    leak_a: Floats = field(init=False)
    """Current that a cell loses within itself (packs × cells)."""
    offset_v: Callable[[float], Floats] | None = None
    """What the readings of the cells show too much (packs × cells) on a day."""
    physics: LfpPacks = field(init=False)

    def __post_init__(self) -> None:
        """Draw the packs."""
        rng = np.random.default_rng(self.seed)
        self.physics = LfpPacks(rng, rng.uniform(0.45, 0.65, self.packs))
        if not self.worn:
            fresh = np.random.default_rng(self.seed + 1)
            shape = (self.packs, CELLS)
            self.physics.capacity_ah = 280.0 * (0.985 - np.abs(fresh.normal(0.0, 0.006, shape)))
            self.physics.resistance_ohm = fresh.uniform(0.25e-3, 0.4e-3, shape)
            self.physics.charge_ah = np.minimum(self.physics.charge_ah, self.physics.capacity_ah)
        self.leak_a = np.zeros((self.packs, CELLS))

    def live(self) -> list[CellHistory]:
        """Return the hours of each pack, as they were logged."""
        rng = np.random.default_rng(self.seed + 2)
        physics, hours = self.physics, 24 * self.days
        shape = (self.packs, CELLS, hours)
        mean, low, high = np.zeros(shape), np.full(shape, np.inf), np.full(shape, -np.inf)
        spread, current = np.zeros((self.packs, hours)), np.zeros((self.packs, hours))
        charge, bus = np.zeros((self.packs, hours)), np.zeros((self.packs, hours))
        sun = rng.uniform(0.2, 1.0, (self.days, self.packs))
        burst = np.zeros(self.packs)
        for hour in range(hours):
            day, clock = divmod(hour, 24)
            load = 300.0 + 500.0 * (clock in (6, 7, 12)) + 1500.0 * (17 <= clock <= 21)
            solar = 5000.0 * np.maximum(np.sin(np.pi * (clock - 6.5) / 11.0), 0.0) * sun[day]
            offset = 0.0 if self.offset_v is None else self.offset_v(day + clock / 24.0)
            for _ in range(_STEPS):
                burst = np.where(
                    rng.random(self.packs) < 0.05, rng.uniform(0.0, 3500.0, self.packs), 0.6 * burst
                )
                wanted = load * rng.uniform(0.6, 1.4, self.packs) + burst - solar
                filled = physics.state_of_charge
                wanted = np.where((filled > self.span[1]) & (wanted < 0.0), 30.0, wanted)
                wanted = np.where((filled < self.span[0]) & (wanted > 0.0), -30.0, wanted)
                physics.step(wanted, STEP_S)
                physics.charge_ah -= self.leak_a * (STEP_S / 3600.0)
                physics.update_slow(STEP_S, 18.0)
                shown = np.round(physics.cell_v + offset + rng.normal(0.0, 0.0006, physics.cell_v.shape), 3)
                mean[:, :, hour] += shown / _STEPS
                low[:, :, hour] = np.minimum(low[:, :, hour], shown)
                high[:, :, hour] = np.maximum(high[:, :, hour], shown)
                spread[:, hour] = np.maximum(spread[:, hour], shown.max(axis=1) - shown.min(axis=1))
                current[:, hour] += physics.current_a / _STEPS
                charge[:, hour] += 100.0 * filled / _STEPS
                volts = physics.cell_v.sum(axis=1) - _WIRING_OHM * physics.current_a
                bus[:, hour] += np.round(volts * 1.002 + rng.normal(0.0, 0.01, self.packs), 2) / _STEPS
        times = START_S + 3600.0 * np.arange(hours, dtype=np.float64)
        return [
            CellHistory(
                f"house-{pack:02d}", times, mean[pack], low[pack], high[pack],
                spread[pack], current[pack], np.round(charge[pack], 1), bus[pack],
            )
            for pack in range(self.packs)
        ]  # fmt: skip
