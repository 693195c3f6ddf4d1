"""What a chart wants: a range of time in a number of points, in the finest resolution that has it all."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np

from .buckets import Ints
from .query import Floats, History, Queries, Series
from .rollup import TIERS, Tier

SECOND = "second"
RESOLUTIONS = (SECOND, *(tier.name for tier in TIERS))


@dataclass(frozen=True, slots=True)
class Curve:
    """Buckets of one channel that hold samples, in the order of time."""

    unit: str
    times_s: Ints
    """Start of each bucket, UTC."""
    minimum: Floats
    mean: Floats
    maximum: Floats
    last: Floats
    """The newest of each bucket: what a counter shows."""


@dataclass(frozen=True, slots=True)
class Chart:
    """Curves of a node in one resolution."""

    resolution: str
    bucket_s: int
    curves: dict[str, Curve]


def resolution_for(queries: Queries, node: str, start_s: int, end_s: int, points: int) -> str:
    """Return the finest resolution that still exists for the range and needs at most `points` buckets.

    Days are never refused: there is nothing coarser.
    """
    floors = queries.floors(node)
    if end_s - start_s <= points and start_s >= floors[0]:
        return SECOND
    for tier, floor_s in zip(TIERS[:-1], floors[1:], strict=True):
        if (end_s - start_s) / tier.bucket_s <= points and start_s >= floor_s:
            return tier.name
    return TIERS[-1].name


def chart(
    queries: Queries, node: str, names: Collection[str], start_s: int, end_s: int, resolution: str
) -> Chart:
    """Return what is there in start ≤ UTC < end; a channel without samples is left out."""
    if resolution == SECOND:
        found = queries.series(node, names, start_s * 1_000_000, end_s * 1_000_000)
        return Chart(SECOND, 1, {name: _by_second(series) for name, series in found.items()})
    tier = next(tier for tier in TIERS if tier.name == resolution)
    histories = queries.history(node, names, _begin(start_s, tier), end_s, tier)
    return Chart(tier.name, tier.bucket_s, {name: _curve(found) for name, found in histories.items()})


def _begin(start_s: int, tier: Tier) -> int:
    """Return the start of the bucket that a range begins in: a chart must not begin with a hole."""
    return start_s // tier.bucket_s * tier.bucket_s


def _curve(history: History) -> Curve:
    return Curve(history.unit, history.times_s, history.minimum, history.mean, history.maximum, history.last)


def _by_second(series: Series) -> Curve:
    seconds = series.times_us // 1_000_000
    starts = np.flatnonzero(np.diff(seconds, prepend=seconds[0] - 1))
    counts = np.diff(starts, append=len(seconds))
    return Curve(
        series.unit,
        seconds[starts],
        np.minimum.reduceat(series.values, starts),
        np.add.reduceat(series.values, starts) / counts,
        np.maximum.reduceat(series.values, starts),
        series.values[starts + counts - 1],
    )
