"""When things happened: clocks of boots from stored synchronisation points, and UTC of chunks."""

from __future__ import annotations

import itertools
import sqlite3
from collections.abc import Iterable, Mapping

import numpy as np

from ..codec.umg1.clock import LATEST_US, BootClock, SyncPoint, plausible_us

_STEP_US = 1_000_000
MAX_MONO_US = LATEST_US  # a later one is nonsense, and no integer of SQLite
_MAX_EXTENT_US = 7 * 86_400_000_000  # of a frame whose time is believed: nodes write one a minute

Interval = tuple[int, int]


def plausible(point: SyncPoint, now_us: int) -> bool:
    """Whether a synchronisation point can be true."""
    return plausible_us(point.utc_us, now_us) and point.mono_us <= MAX_MONO_US


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
    return joined(found)


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


def plausible_pieces(clock: BootClock, first_us: int, end_us: int, now_us: int) -> list[Interval]:
    """Return the same, but nothing for what no node can mean: it has no time, like that of a boot without."""
    if end_us >= MAX_MONO_US or end_us - first_us > _MAX_EXTENT_US:
        return []
    pieces = utc_pieces(clock, first_us, end_us)
    return [piece for piece in pieces if plausible_us(piece[0], now_us) and plausible_us(piece[1], now_us)]


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


def joined(intervals: Iterable[Interval]) -> list[Interval]:
    """Return the intervals in their order, those that meet as one."""
    whole: list[Interval] = []
    for start, end in sorted(intervals):
        if whole and start <= whole[-1][1]:
            whole[-1] = (whole[-1][0], max(whole[-1][1], end))
        else:
            whole.append((start, end))
    return whole
