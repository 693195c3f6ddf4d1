"""When things happened: clocks of boots from stored synchronisation points, and UTC of chunks."""

from __future__ import annotations

import itertools
import sqlite3
from collections.abc import Iterable, Mapping

import numpy as np

from ..codec.umg1.clock import BootClock, SyncPoint

EARLIEST_US = (
    1_577_836_800_000_000  # 2020-01-01: no node is older, an earlier time is a clock that was never set
)
LATEST_AHEAD_US = 86_400_000_000  # the contract's bound for times in the future
_STEP_US = 1_000_000
MAX_MONO_US = 1 << 61  # a later one is nonsense, and no integer of SQLite

Interval = tuple[int, int]


def plausible(point: SyncPoint, now_us: int) -> bool:
    """Whether a synchronisation point can be true."""
    return EARLIEST_US <= point.utc_us <= now_us + LATEST_AHEAD_US and point.mono_us <= MAX_MONO_US


def add_points(
    connection: sqlite3.Connection, boot: int, points: Iterable[tuple[SyncPoint, int]]
) -> list[Interval]:
    """Store points with the seq of their frames; return the mono intervals whose UTC they change."""
    found: list[Interval] = []
    for point, seq in points:
        stored = connection.execute(
            "INSERT INTO sync_point VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET utc = excluded.utc, "
            "drift_ppb = excluded.drift_ppb, error_us = excluded.error_us, seq = excluded.seq "
            "WHERE excluded.seq > seq",
            (boot, point.mono_us, point.utc_us, point.drift_ppb, point.error_us, seq),
        ).rowcount
        if not stored:
            continue
        before, after = connection.execute(
            "SELECT (SELECT max(mono) FROM sync_point WHERE boot = :boot AND mono < :mono), "
            "(SELECT min(mono) FROM sync_point WHERE boot = :boot AND mono > :mono)",
            {"boot": boot, "mono": point.mono_us},
        ).fetchone()
        found.append((-1 if before is None else before, MAX_MONO_US if after is None else after))
    return _joined(found)


def clock_of(connection: sqlite3.Connection, boot: int, first_us: int, end_us: int) -> BootClock:
    """Return a clock of the boot that is right from `first_us` to `end_us` (mono)."""
    rows = connection.execute(
        "SELECT mono, utc, drift_ppb, error_us FROM sync_point WHERE boot = :boot "
        "AND mono >= coalesce((SELECT max(mono) FROM sync_point WHERE boot = :boot AND mono <= :first), 0) "
        "AND mono <= coalesce((SELECT min(mono) FROM sync_point WHERE boot = :boot AND mono >= :end), :end) "
        "ORDER BY mono",
        {"boot": boot, "first": first_us, "end": end_us},
    ).fetchall()
    if (
        not rows
    ):  # all points lie before `first_us` and the nearest is not among them: impossible, or none is there
        return BootClock(())
    return BootClock(SyncPoint(*row) for row in rows)


def clocks_of(connection: sqlite3.Connection, extents: Mapping[int, Interval]) -> dict[int, BootClock]:
    """Return clocks by boot row, each right within the given mono interval."""
    return {boot: clock_of(connection, boot, first, end) for boot, (first, end) in extents.items()}


def utc_pieces(clock: BootClock, first_us: int, end_us: int) -> list[Interval]:
    """Return the UTC intervals that a mono interval covers: one, or more where the clock was stepped."""
    marks = {first_us, end_us}
    monos = [point.mono_us for point in clock.points]
    for left, right in itertools.pairwise(monos):
        middle = (left + right) // 2  # beside a step each half belongs to the nearer point
        marks.update((left, middle, middle + 1, right))
    inside = np.array(sorted(mark for mark in marks if first_us <= mark <= end_us), np.int64)
    utc = clock.utc_us(inside)
    if utc is None:
        return []
    pieces: list[list[int]] = []
    before = None
    for mono, time in zip(inside.tolist(), utc.tolist(), strict=True):
        if before is not None and abs((time - before[1]) - (mono - before[0])) <= _STEP_US:
            pieces[-1][0] = min(pieces[-1][0], time)
            pieces[-1][1] = max(pieces[-1][1], time)
        else:
            pieces.append([time, time])
        before = (mono, time)
    return [(start, end) for start, end in pieces]


def thin_points(connection: sqlite3.Connection, boot: int) -> None:
    """Forget the points that no stored chunk needs, but for the first and those beside the chunks."""
    (oldest,) = connection.execute("SELECT min(mono_first) FROM chunk WHERE boot = ?", (boot,)).fetchone()
    limit = MAX_MONO_US if oldest is None else oldest
    connection.execute(
        "DELETE FROM sync_point WHERE boot = :boot "
        "AND mono < (SELECT max(mono) FROM sync_point WHERE boot = :boot AND mono <= :limit) "
        "AND mono > (SELECT min(mono) FROM sync_point WHERE boot = :boot)",
        {"boot": boot, "limit": limit},
    )


def _joined(intervals: list[Interval]) -> list[Interval]:
    joined: list[Interval] = []
    for start, end in sorted(intervals):
        if joined and start <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(joined[-1][1], end))
        else:
            joined.append((start, end))
    return joined
