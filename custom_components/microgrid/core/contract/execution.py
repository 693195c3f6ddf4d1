"""When an interval of a schedule counts as done: one rule for whoever carries schedules out."""

from __future__ import annotations

from typing import Final

from .messages import ScheduleMode
from .schedule import AckStatus, Interval

REACHED: Final = 0.8
"""Share of the requested power, in the mean, that counts as done: batteries end their charge slowly."""
LEAST_COVERED: Final = 0.5
"""Share of an interval, from where it was joined, that must have been measured to call it done."""
_POWER_MODES: Final = (ScheduleMode.CHARGE, ScheduleMode.DISCHARGE)


def mean_power(mode: ScheduleMode, energy_ws: float, seconds: float) -> float | None:
    """Return the mean power in W as a mode means it, None when nothing was measured.

    `energy_ws` is positive when the battery gave energy; the result is positive in the direction that was
    asked for, and of a mode without direction its size.
    """
    if seconds <= 0.0:
        return None
    mean_w = energy_ws / seconds
    if mode not in _POWER_MODES:
        return abs(mean_w)
    return -mean_w if mode is ScheduleMode.CHARGE else mean_w


def judge(
    interval: Interval, energy_ws: float, seconds: float, *, joined_s: float | None, trouble: str
) -> tuple[AckStatus, tuple[str, ...]]:
    """Return what became of an interval that is over, and why it failed.

    `seconds` of it were measured; it was joined `joined_s` after its start, late or because another schedule
    took its place then (None: late, and nobody noted when), and `trouble` was first in its way.
    """
    reasons = [trouble] if trouble else []
    expected_s = max(0.0, (interval.end - interval.start).total_seconds() - (joined_s or 0.0))
    mean_w = mean_power(interval.mode, energy_ws, seconds)
    if mean_w is None or (joined_s is not None and seconds < LEAST_COVERED * expected_s):
        reasons.append(f"measured for {seconds:.0f} s of {expected_s:.0f} s")
    elif interval.mode in _POWER_MODES and interval.rate_w and mean_w < REACHED * interval.rate_w:
        reasons.append(f"mean {mean_w:.0f} W of {interval.rate_w:.0f} W")
    elif interval.mode in _POWER_MODES or interval.mode is ScheduleMode.FOLLOW:
        return AckStatus.SUCCEEDED, ()  # reached, whatever was in the way for a while
    return (AckStatus.FAILED, tuple(reasons)) if reasons else (AckStatus.SUCCEEDED, ())
