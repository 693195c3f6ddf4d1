"""Pattern: faults that come again and again at the same node."""

from __future__ import annotations

import itertools
import statistics
from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo

from .faults import FaultRecord, faults
from .source import DAY_S, SECOND_US, Source

MINIMUM = 3
WINDOW_S = 7 * DAY_S


@dataclass(frozen=True, slots=True)
class Recurrence:
    """A code that a node raised at least `minimum` times within one window."""

    node: str
    cluster: str
    code: str
    category: str
    count: int
    """In the whole range."""
    most: int
    """The largest number in any window; a window holds start ≤ time < start + length."""
    most_start_utc_us: int
    """Where the first such window begins: at a fault."""
    first_utc_us: int
    last_utc_us: int
    shortest_s: float
    median_s: float
    longest_s: float
    """Times between one and the next, over the whole range."""
    hours: tuple[int, ...]
    """How many fell into each of the 24 hours of the day, in the time zone asked for."""


@dataclass(frozen=True, slots=True)
class Recurring:
    """What recurs in a time range."""

    start_utc_us: int
    end_utc_us: int
    minimum: int
    window_s: float
    recurring: tuple[Recurrence, ...]
    """The most frequent first."""
    truncated: bool
    """Whether there were more faults than one query looks at; the oldest were left out."""


def recurring(
    source: Source,
    start_us: int,
    end_us: int,
    *,
    minimum: int = MINIMUM,
    window_s: float = WINDOW_S,
    nodes: Collection[str] | None = None,
    codes: Collection[str] | None = None,
    severities: Collection[str] | None = None,
    timezone: tzinfo = UTC,
) -> Recurring:
    """Return the codes that a node raised at least `minimum` (≥ 2) times within `window_s`."""
    if minimum < 2:
        raise ValueError(f"minimum {minimum}: what recurs happens at least twice")
    found = faults(source, start_us, end_us, nodes=nodes, codes=codes, severities=severities)
    groups: dict[tuple[str, str], list[FaultRecord]] = {}
    for record in found.faults:
        groups.setdefault((record.node, record.code), []).append(record)
    result = []
    for records in groups.values():
        times = [record.utc_us for record in records]
        most, most_start_us = _densest(times, round(window_s * SECOND_US))
        if most >= minimum:
            result.append(_recurrence(records[0], times, most, most_start_us, timezone))
    result.sort(key=lambda one: (-one.count, one.node, one.code))
    return Recurring(start_us, end_us, minimum, window_s, tuple(result), found.truncated)


def _densest(times: list[int], window_us: int) -> tuple[int, int]:
    """Return the largest number of times in a window, and where the first such window begins."""
    most, most_start, end = 0, 0, 0
    for start, time in enumerate(times):
        while end < len(times) and times[end] < time + window_us:
            end += 1
        if end - start > most:
            most, most_start = end - start, time
    return most, most_start


def _recurrence(
    example: FaultRecord, times: list[int], most: int, most_start_us: int, timezone: tzinfo
) -> Recurrence:
    intervals = [(b - a) / SECOND_US for a, b in itertools.pairwise(times)]
    hours = [0] * 24
    for time in times:
        hours[datetime.fromtimestamp(time / SECOND_US, UTC).astimezone(timezone).hour] += 1
    return Recurrence(
        example.node,
        example.cluster,
        example.code,
        example.category,
        len(times),
        most,
        most_start_us,
        times[0],
        times[-1],
        min(intervals),
        statistics.median(intervals),
        max(intervals),
        tuple(hours),
    )
