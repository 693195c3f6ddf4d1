"""Slow changes of a daily value: EWMA and CUSUM against a baseline; a new firmware or battery begins anew."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

LAMBDA = 0.2
SLACK = 0.5
LIMIT = 5.0
"""In standard deviations of a day; `EWMA_LIMIT` is 3 standard deviations of the mean itself."""
EWMA_LIMIT = 3.0 * float(np.sqrt(LAMBDA / (2.0 - LAMBDA)))
_MAD_TO_SIGMA = 1.4826
_MEDIAN_ERROR = 2.5  # over √n: twice the standard error of a median of n days
_SPREAD_ERROR = 1.2  # over √n: standard error of a spread of n days, as a share
_ONE_DAY_AT_MOST = 4.0  # no single day moves the sum further


class DriftState(StrEnum):
    """What is known."""

    LEARNING = "learning"
    OK = "ok"
    WATCH = "watch"
    """Half of the way."""
    ALERT = "alert"


@dataclass(frozen=True, slots=True)
class Drift:
    """Where a value stands now."""

    state: DriftState
    cusum: float | None
    """In standard deviations; more than 5 is drift. None while it learns."""
    ewma: float | None
    """Mean departure of the last days, in the unit of the value; positive is for the worse."""
    baseline: float | None
    sigma: float | None
    days: int
    """Days with a value since the begin."""


@dataclass(frozen=True, slots=True)
class Chart:
    """How a value is watched."""

    worse: int
    """1 when larger values are worse, -1 when smaller ones are."""
    least_sigma: float
    """What days differ by anyway, even when the baseline happens to be smooth (unit of the value)."""
    baseline_days: int = 28
    rolling: bool = False
    """Whether the baseline follows: for what the seasons move. It then sees weeks, not years."""


def follow(chart: Chart, days: Iterable[tuple[str, float | None]]) -> Drift:
    """Follow a value over its days, oldest first, each with the identity of firmware and battery."""
    learned: deque[float] = deque(maxlen=chart.baseline_days)
    identity: str | None = None
    seen = 0
    cusum = ewma = 0.0
    baseline = sigma = 0.0
    # Four weeks tell a median and a spread no better than this. Without it, every fourth sound battery would
    # be reported within a year.
    uncertain = _MEDIAN_ERROR / float(np.sqrt(chart.baseline_days))
    cautious = 1.0 + _SPREAD_ERROR / float(np.sqrt(chart.baseline_days))
    for now, value in days:
        if now != identity:
            identity, seen, cusum, ewma = now, 0, 0.0, 0.0
            learned.clear()
        if value is None or not np.isfinite(value):
            continue
        seen += 1
        if seen > chart.baseline_days:
            if chart.rolling or seen == chart.baseline_days + 1:
                baseline = float(np.median(learned))
                spread = _MAD_TO_SIGMA * float(np.median(np.abs(np.array(learned) - baseline)))
                sigma = max(spread * cautious, chart.least_sigma)
            departure = chart.worse * (value - baseline)
            ewma = LAMBDA * departure + (1.0 - LAMBDA) * ewma
            scaled = min(departure / sigma, _ONE_DAY_AT_MOST)
            cusum = max(0.0, cusum + scaled - SLACK - uncertain)
        if chart.rolling or seen <= chart.baseline_days:
            learned.append(value)
    if seen <= chart.baseline_days:
        return Drift(DriftState.LEARNING, None, None, None, None, seen)
    if ewma <= EWMA_LIMIT * sigma:
        cusum = min(cusum, LIMIT)  # the sum alone remembers what is long over
    return Drift(_state(cusum), cusum, ewma, baseline, sigma, seen)


def _state(cusum: float) -> DriftState:
    if cusum > LIMIT:
        return DriftState.ALERT
    return DriftState.WATCH if cusum > LIMIT / 2.0 else DriftState.OK
