"""How far an interval of a schedule came, and when it counts as done: for whoever carries schedules out."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from .messages import ScheduleMode
from .schedule import AckStatus, Interval, Schedule

REACHED: Final = 0.8
"""Share of the requested power, in the mean, that counts as done: batteries end their charge slowly."""
LEAST_COVERED: Final = 0.5
"""Share of an interval, from where it was joined, that must have been measured to call it done."""
_POWER_MODES: Final = (ScheduleMode.CHARGE, ScheduleMode.DISCHARGE)


@dataclass(frozen=True, slots=True)
class Course:
    """How far an interval came."""

    interval: Interval
    status: AckStatus
    late: bool = False
    seconds: float = 0.0
    """So much of it was measured."""
    energy_ws: float = 0.0
    """Positive when the battery gave energy."""
    trouble: str = ""
    """The first reason why it was not done as asked."""
    joined_s: float = 0.0
    """So long after its start what is measured began: late, or because another schedule replaced it then."""

    @property
    def mean_w(self) -> float | None:
        """Mean power in W, None when nothing was measured.

        Positive in the direction that was asked for; of a mode without direction its size.
        """
        if self.seconds <= 0.0:
            return None
        given_w = self.energy_ws / self.seconds
        if self.interval.mode not in _POWER_MODES:
            return abs(given_w)
        return -given_w if self.interval.mode is ScheduleMode.CHARGE else given_w

    def judge(self) -> tuple[AckStatus, tuple[str, ...]]:
        """Return what became of it, now that it is over, and why it failed."""
        asked = self.interval
        reasons = [self.trouble] if self.trouble else []
        expected_s = max(0.0, (asked.end - asked.start).total_seconds() - self.joined_s)
        mean_w = self.mean_w
        if mean_w is None or self.seconds < LEAST_COVERED * expected_s:
            reasons.append(f"measured for {self.seconds:.0f} s of {expected_s:.0f} s")
        elif asked.mode in _POWER_MODES and asked.rate_w and mean_w < REACHED * asked.rate_w:
            reasons.append(f"mean {mean_w:.0f} W of {asked.rate_w:.0f} W")
        elif asked.mode in _POWER_MODES or asked.mode is ScheduleMode.FOLLOW:
            return AckStatus.SUCCEEDED, ()  # reached, whatever was in the way for a while
        return (AckStatus.FAILED, tuple(reasons)) if reasons else (AckStatus.SUCCEEDED, ())


def replaced_as(course: Course, new: Schedule, now: datetime | None) -> AckStatus | None:
    """Return what becomes of what runs when a new schedule comes; None when it is over, and to be judged.

    A plan comes with the half hour, and whoever carries schedules out looks every few seconds.
    """
    if now is not None and course.interval.end <= now:
        return None
    return AckStatus.SUPERSEDED if new.intervals else AckStatus.CANCELLED


def passed_on(running: Iterable[Course], before: Course | None, new: Schedule) -> Course | None:
    """Return what a new schedule that has its time, too, goes on with: what ran, or was passed on before."""
    latest = next(iter(running), before)
    return latest if latest and any(one.start == latest.interval.start for one in new.intervals) else None


def join(interval: Interval, now: datetime, before: Course | None, *, late_s: float) -> Course:
    """Begin an interval, or go on with it where the schedule before had it, too.

    `before` is what was passed on to this schedule. More than `late_s` after its start an
    interval is joined late; one that another schedule began in time is not.
    """
    joined_s = (now - interval.start).total_seconds()
    if before is None or before.interval.start != interval.start:
        late = joined_s > late_s
        return Course(interval, AckStatus.STARTED, late, joined_s=joined_s if late else 0.0)
    if (before.interval.mode, before.interval.rate_w) == (interval.mode, interval.rate_w):
        return replace(before, interval=interval, status=AckStatus.STARTED)
    return Course(interval, AckStatus.STARTED, before.late, joined_s=joined_s)
