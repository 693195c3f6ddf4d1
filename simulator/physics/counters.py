"""Energy counters and the small statistics every node keeps about itself."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from microgrid_core.codec.can_dbc import bus_load, frames_per_second

from .arrays import Floats

BIT_RATE = 500_000


class EnergyCounters:
    """Counters in Wh by name, one for each unit; only positive power counts."""

    def __init__(self, units: int, *names: str) -> None:
        """Begin at zero."""
        self._names = names
        self._index = {name: number for number, name in enumerate(names)}
        self._wh = np.zeros((len(names), units))
        self._power = np.zeros((len(names), units))

    def add(self, hours: float, *powers: Floats | float) -> None:
        """Count powers in the order of the names for a part of an hour."""
        for row, power in zip(self._power, powers, strict=True):
            row[:] = power
        np.maximum(self._power, 0.0, out=self._power)
        self._wh += self._power * hours

    def __getitem__(self, name: str) -> Floats:
        """Energy of one counter for each unit."""
        row: Floats = self._wh[self._index[name]]
        return row

    def reset(self, unit: int) -> None:
        """Forget what one unit counted (a device that lost its memory)."""
        self._wh[:, unit] = 0.0

    def snapshot(self) -> dict[str, list[float]]:
        """State that a later run can carry on from."""
        return {name: self[name].tolist() for name in self._names}

    def restore(self, saved: dict[str, list[float]]) -> None:
        """Carry on; counters that the snapshot does not know begin at zero."""
        for name in self._names:
            values = np.asarray(saved.get(name, 0.0), dtype=float)
            if values.shape == self._wh.shape[1:]:
                self._wh[self._index[name]] = values


class Vitals:
    """Clock, card, bus and radio of a group of nodes, in real time."""

    def __init__(self, rng: np.random.Generator, houses_on_bus: Sequence[int]) -> None:
        """Draw what differs from node to node; `houses_on_bus` has one number a node."""
        units = len(houses_on_bus)
        self._rng = rng
        self._units = units
        self._frames_per_s = np.array([frames_per_second(houses) for houses in houses_on_bus])
        self.uptime_s = np.zeros(units)
        self.can_frames = np.zeros(units)
        self.can_errors = np.zeros(units)
        self.can_load_percent = 100.0 * np.array(
            [min(1.0, bus_load(houses, BIT_RATE)) for houses in houses_on_bus]
        )
        self.clock_error_ms = np.full(units, 0.3)
        self.card_free_percent = rng.uniform(70.0, 95.0, units)
        self.wifi_dbm = rng.uniform(-72.0, -52.0, units)
        self._wifi_mean = self.wifi_dbm.copy()
        self.restarts = np.zeros(units)

    def step(self, dt_s: float) -> None:
        """Advance by real seconds."""
        self.uptime_s += dt_s
        self.can_frames += self._frames_per_s * dt_s
        self.can_errors += self._rng.poisson(dt_s / 1800.0, self._units)
        keep = np.exp(-dt_s / 60.0)
        spread = np.sqrt(1.0 - keep**2)
        self.clock_error_ms = np.abs(
            0.3 + keep * (self.clock_error_ms - 0.3) + 0.1 * spread * self._rng.normal(size=self._units)
        )
        self.wifi_dbm = (
            self._wifi_mean
            + keep * (self.wifi_dbm - self._wifi_mean)
            + 2.5 * spread * self._rng.normal(size=self._units)
        )
        self.can_load_percent = 13.2 + keep * (self.can_load_percent - 13.2)
        self.can_load_percent = self.can_load_percent + 0.4 * spread * self._rng.normal(size=self._units)

    def restart(self, unit: int) -> None:
        """One node starts again."""
        self.uptime_s[unit] = self.can_frames[unit] = self.can_errors[unit] = 0.0
        self.restarts[unit] += 1
