"""How far the clocks of the nodes are apart, as somebody sees it who knows the true time."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

_LONGEST_US = 100_000
"""Errors beyond count as this in the percentiles; the maximum is kept exactly."""
_YOUNG_S = 0.5


class Distribution:
    """Absolute errors in whole microseconds."""

    def __init__(self) -> None:
        """Begin without any."""
        self.count = 0
        self.maximum_us = 0.0
        self._bins: NDArray[np.int64] = np.zeros(_LONGEST_US + 1, dtype=np.int64)

    def add(self, errors_us: NDArray[np.float64]) -> None:
        """Count some more."""
        if not errors_us.size:
            return
        absolute = np.abs(errors_us)
        self.count += absolute.size
        self.maximum_us = max(self.maximum_us, float(absolute.max()))
        np.add.at(self._bins, np.minimum(np.ceil(absolute), _LONGEST_US).astype(np.int64), 1)

    def percentile_us(self, percent: float) -> float:
        """The error that so many percent do not exceed, rounded up to a microsecond."""
        if self.count == 0:
            return 0.0
        passed = np.cumsum(self._bins)
        return float(np.searchsorted(passed, percent / 100.0 * self.count))

    def summary(self) -> dict[str, float]:
        """In milliseconds."""
        return {
            "count": self.count,
            "p50_ms": self.percentile_us(50.0) / 1000.0,
            "p95_ms": self.percentile_us(95.0) / 1000.0,
            "max_ms": round(self.maximum_us / 1000.0, 3),
        }


@dataclass(slots=True)
class ClockErrors:
    """Compares, at regular times, what all clocks of the houses showed last."""

    between_houses: Distribution = field(default_factory=Distribution)
    """Each house with each other one."""
    of_houses: Distribution = field(default_factory=Distribution)
    """Against the true time."""
    of_gateways: Distribution = field(default_factory=Distribution)
    _houses: dict[int, tuple[float, float]] = field(default_factory=dict)
    _gateways: dict[int, tuple[float, float]] = field(default_factory=dict)

    def house(self, slot: int, now_s: float, error_us: float | None) -> None:
        """Take the error of a house's clock; None: its time is not valid."""
        self._take(self._houses, slot, now_s, error_us)

    def gateway(self, slot: int, now_s: float, error_us: float | None) -> None:
        """Take the error of a gateway's clock."""
        self._take(self._gateways, slot, now_s, error_us)

    def compare(self, now_s: float) -> None:
        """Count the errors as they are now."""
        houses = self._young(self._houses, now_s)
        self.of_houses.add(houses)
        self.of_gateways.add(self._young(self._gateways, now_s))
        first, second = np.triu_indices(houses.size, 1)
        self.between_houses.add(houses[first] - houses[second])

    def summary(self) -> dict[str, dict[str, float]]:
        """All distributions."""
        return {
            "between_houses": self.between_houses.summary(),
            "houses": self.of_houses.summary(),
            "gateways": self.of_gateways.summary(),
        }

    @staticmethod
    def _take(group: dict[int, tuple[float, float]], slot: int, now_s: float, error_us: float | None) -> None:
        if error_us is None:
            group.pop(slot, None)
        else:
            group[slot] = (now_s, error_us)

    @staticmethod
    def _young(group: dict[int, tuple[float, float]], now_s: float) -> NDArray[np.float64]:
        return np.array([error for taken, error in group.values() if now_s - taken < _YOUNG_S])
