"""Day-ahead prices as a market makes them: dear evenings, cheap noons, below zero when it is sunny."""

from __future__ import annotations

import math
import random
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from typing import Final

PUBLISHED_AT: Final = time(13)
"""On the wall, of the day before."""
_HOUR: Final = timedelta(hours=1)
_BASE: Final = 0.095  # EUR/kWh; about what Central Europe's exchanges paid in 2024 and 2025


def prices_of(day: date, zone: tzinfo, seed: int = 1) -> list[tuple[datetime, float]]:
    """Return start and price (EUR/kWh) of the hours of a day on the wall: 23, 24 or 25 of them.

    The same day and seed give the same prices.
    """
    drawn = random.Random(seed * 1_000_003 + day.toordinal())
    weekend = day.weekday() >= 5
    level = _BASE * drawn.uniform(0.85, 1.15) * (0.85 if weekend else 1.0)
    sun = drawn.uniform(0.045, 0.13) + (0.02 if weekend else 0.0)
    start, end = (
        datetime.combine(day + timedelta(days=more), time(), zone).astimezone(UTC) for more in (0, 1)
    )
    rows = []
    for number in range(round((end - start) / _HOUR)):
        begin = start + number * _HOUR
        hour = begin.astimezone(zone).hour
        price = (
            level
            + 0.035 * _hump(hour, 8.0, 1.6)
            + 0.085 * _hump(hour, 19.0, 2.0)
            - sun * _hump(hour, 13.5, 2.4)
            - 0.02 * _hump(hour, 3.5, 2.5)
            + drawn.gauss(0.0, 0.003)
        )
        rows.append((begin, round(price, 5)))
    return rows


def published(now: datetime, zone: tzinfo, seed: int = 1) -> list[tuple[datetime, float]]:
    """Return what is known at an instant: yesterday, today and, from 13:00 on, tomorrow."""
    local = now.astimezone(zone)
    last = 1 if local.time() >= PUBLISHED_AT else 0
    return [
        row
        for more in range(-1, last + 1)
        for row in prices_of(local.date() + timedelta(days=more), zone, seed)
    ]


def _hump(hour: float, middle: float, width: float) -> float:
    return math.exp(-(((hour - middle) / width) ** 2))
