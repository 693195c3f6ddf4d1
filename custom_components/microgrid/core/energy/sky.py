"""What clouds leave of the sun: from the brightest that each hour was lately, and from the clouds to come."""

from __future__ import annotations

import math
from collections.abc import Mapping

from .clock import HOURS

BRIGHTEST_OF_DAYS = 14
"""A clear hour among so many days is likely, and the sun has not moved far meanwhile."""
_DIMMED, _POWER = 0.75, 3.4
"""Kasten and Czeplak (1980): an overcast sky keeps three quarters away, half a sky very little."""


def left_of_the_sun(cover_percent: float) -> float:
    """Return the share of a clear sky's radiation under a cloud cover of 0 … 100 %."""
    cover = min(max(cover_percent, 0.0), 100.0) / 100.0
    return 1.0 - _DIMMED * math.pow(cover, _POWER)


def brightest(solar_kwh: Mapping[int, float], now: int) -> dict[int, float]:
    """Return the highest yield of each hour of the day (UTC, as the sun does) in the last days, kWh.

    Yields are given by the number of the hour since 1970; `now` is the one that runs.
    """
    best: dict[int, float] = {}
    for number, kwh in solar_kwh.items():
        if now - BRIGHTEST_OF_DAYS * HOURS <= number < now and math.isfinite(kwh):
            best[number % HOURS] = max(best.get(number % HOURS, 0.0), kwh)
    return best


def under_clouds(cover_percent: Mapping[int, float], clear_kwh: Mapping[int, float]) -> dict[int, float]:
    """Return the yield of each hour whose cover is known and whose clear sky is, kWh."""
    return {
        number: clear * left_of_the_sun(cover)
        for number, cover in cover_percent.items()
        if (clear := clear_kwh.get(number % HOURS)) is not None
    }
