"""UTC of a log, corrected afterwards from its synchronisation points (contract/log.md, 4.2)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from .blocks import Ints
from .frame import FLAG_CLOCK, Frame, Kind
from .records import UNKNOWN_ERROR, Clock, ClockState
from .wire import Cursor, Malformed

LATEST_US = 1 << 60  # 36 000 years: no clock, but what a hostile frame may say
EARLIEST_US = (
    1_577_836_800_000_000  # 2020-01-01: no node is older, an earlier time is a clock that was never set
)
LATEST_AHEAD_US = 86_400_000_000  # the contract's bound for times in the future
_STEP_US = 1_000_000  # a larger jump of utc − mono between points is a step, not drift


@dataclass(frozen=True, slots=True)
class SyncPoint:
    """mono and utc of one instant, with what the node knew about its clock."""

    mono_us: int
    utc_us: int
    drift_ppb: int
    error_us: int


def sync_point(frame: Frame) -> SyncPoint | None:
    """Return the synchronisation point that a frame carries, if it does."""
    if frame.kind != Kind.TIMESYNC and not frame.flags & FLAG_CLOCK:
        return None
    try:
        clock = Clock.read(Cursor(frame.payload))
    except Malformed:
        return None
    if frame.utc_us == 0 or clock.state not in (ClockState.SYNCHRONISED, ClockState.HOLDOVER):
        return None
    if max(frame.mono_us, abs(frame.utc_us)) > LATEST_US:
        return None
    return SyncPoint(frame.mono_us, frame.utc_us, clock.drift_ppb, clock.error_us)


def plausible_us(utc_us: int, now_us: int) -> bool:
    """Whether something that came until now can have happened then."""
    return EARLIEST_US <= utc_us <= now_us + LATEST_AHEAD_US


class BootClock:
    """mono → UTC of one boot."""

    def __init__(self, points: Iterable[SyncPoint]) -> None:
        """Take the points in any order."""
        ordered = sorted({point.mono_us: point for point in points}.values(), key=lambda point: point.mono_us)
        self.points = tuple(ordered)
        self._mono = np.array([point.mono_us for point in ordered], np.int64)
        self._offset = np.array([point.utc_us - point.mono_us for point in ordered], np.int64)
        self._drift = np.array([point.drift_ppb for point in ordered], np.float64)

    def utc_us(self, mono_us: Ints) -> Ints | None:
        """Return UTC in µs for every time of the boot, or None when it never knew the time."""
        if not len(self.points):
            return None
        right = np.searchsorted(self._mono, mono_us)
        left = np.clip(right - 1, 0, len(self._mono) - 1)
        right = np.clip(right, 0, len(self._mono) - 1)
        # Outside, and beside a step, the nearest point goes on with its own drift.
        step = np.abs(self._offset[right] - self._offset[left]) > _STEP_US
        nearer = np.where(mono_us - self._mono[left] <= self._mono[right] - mono_us, left, right)
        alone = (left == right) | step
        base = np.where(alone, nearer, left)
        since = mono_us - self._mono[base]
        # A fast oscillator (positive drift) counts too many microseconds: UTC advances less.
        drifted = self._offset[base] - np.round(since * self._drift[base] * 1e-9).astype(np.int64)
        width = np.maximum(1, self._mono[right] - self._mono[left])
        share = (mono_us - self._mono[left]) / width
        change = self._offset[right] - self._offset[left]
        between = self._offset[left] + np.round(share * change).astype(np.int64)
        utc: Ints = mono_us + np.where(alone, drifted, between)
        return utc

    def error_us(self) -> int | None:
        """Largest error that the node itself estimated, None when it told none."""
        known = [point.error_us for point in self.points if point.error_us != UNKNOWN_ERROR]
        return max(known, default=None)


def boot_clocks(frames: Iterable[Frame]) -> Mapping[int, BootClock]:
    """Return the clock of every boot that occurs."""
    points: dict[int, list[SyncPoint]] = {}
    for frame in frames:
        found = points.setdefault(frame.boot_id, [])
        if (point := sync_point(frame)) is not None:
            found.append(point)
    return {boot_id: BootClock(found) for boot_id, found in points.items()}
