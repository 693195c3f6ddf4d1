"""Steps of time: counted in UTC, priced and lived by the clock on the wall, with days of 23 and 25 hours."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta, tzinfo
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Indices = NDArray[np.int64]
HOURS = 24


def step_starts(start: datetime, count: int, step: timedelta) -> list[datetime]:
    """Return the starts of steps in UTC; adding in UTC never repeats or skips an hour."""
    first = utc(start)
    return [first + number * step for number in range(count)]


def utc(when: datetime) -> datetime:
    """Return a time in UTC; one without zone is UTC already."""
    return when.astimezone(UTC) if when.tzinfo else when.replace(tzinfo=UTC)


def wall_hours(starts: Sequence[datetime], zone: tzinfo) -> Indices:
    """Return for each start the number of its hour on the wall, 24 a day whatever the clocks do."""
    hours = []
    for start in starts:
        local = utc(start).astimezone(zone)
        hours.append(local.toordinal() * HOURS + local.hour)
    return np.array(hours, np.int64)


def by_wall_hour(
    starts: Sequence[datetime], kwh: Sequence[float] | Floats, zone: tzinfo
) -> tuple[int, Floats]:
    """Return the first wall hour and the energy of every wall hour from there on.

    The hour that comes twice in autumn is the mean of both, the one that spring skips and holes are NaN; an
    hour of which steps are missing is scaled up from those that are there.
    """
    hours = wall_hours(starts, zone)
    if not len(hours):
        return 0, np.zeros(0)
    values = np.asarray(kwh, np.float64)
    first = int(hours.min())
    at = hours - first
    size = int(at.max()) + 1
    good = np.isfinite(values)
    sums = np.bincount(at[good], values[good], size)
    counts = np.bincount(at[good], minlength=size)
    steps_an_hour = max(1.0, 3600.0 / _step_s(starts))
    with np.errstate(invalid="ignore", divide="ignore"):
        return first, np.where(counts > 0, sums / counts * steps_an_hour, np.nan)


def _step_s(starts: Sequence[datetime]) -> float:
    gaps = [(after - before).total_seconds() for before, after in pairwise(starts)]
    return min((gap for gap in gaps if gap >= 1.0), default=3600.0)
