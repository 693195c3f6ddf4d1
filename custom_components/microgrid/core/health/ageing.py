"""How fast a battery ages and when it is worn: slopes with intervals, and no date without enough data.

A BMS tells health in whole percent. A line through daily values then finds a slope that is not there, and is
sure of it; only the times at which the value steps carry information. A capacity that was counted between two
anchors (`capacity.py`) needs no steps, but is noisy.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

YEAR_D = 365.25
STEPS_NEEDED = 3
STEP_SPAN_D = 180.0
POINTS_NEEDED = 26
"""Capacities, at most one a week: half a year."""
POINT_SPAN_D = 330.0
"""Below, the interval almost never excludes zero, and when it does, it is by luck."""
LONGEST_Y = 20.0
_STEP_WIDTH = (
    1.0  # percent over the span: when, within its whole percent, the first and last step really were
)
_TOLD_WITHIN = 0.5  # percent: so much a whole percent is off; no line through old steps knows it better
_LEAP = 3.0  # percent within a week: the BMS learned its capacity anew, or another battery stands there
_LEAP_D = 7.0
_FLICKER = 15  # values whose median is taken first; a median leaves a clean step where it is
_Z95 = 1.96


class Method(StrEnum):
    """Where the slope comes from."""

    STEPS = "steps"
    CAPACITY = "capacity"


class Missing(StrEnum):
    """Why there is no date."""

    TOO_FEW_STEPS = "too_few_steps"
    TOO_FEW_POINTS = "too_few_points"
    TOO_SHORT = "too_short"
    NOT_SIGNIFICANT = "not_significant"
    """The interval of the slope includes zero."""
    BEYOND_HORIZON = "beyond_horizon"
    """More than 20 years away."""


@dataclass(frozen=True, slots=True)
class Slope:
    """Loss per year with its 95 % interval, and health now, all in percent."""

    method: Method
    loss: float
    loss_low: float
    loss_high: float
    health: float
    points: int
    span_d: float

    @property
    def significant(self) -> bool:
        """Whether the battery loses capacity beyond doubt."""
        return self.loss_low > 0.0


@dataclass(frozen=True, slots=True)
class Replacement:
    """Days (since 1970) at which the end of life is reached."""

    low: float
    likely: float
    high: float
    """Never more than 20 years from now, however uncertain."""


@dataclass(frozen=True, slots=True)
class Outlook:
    """What can be said of a battery's life."""

    slope: Slope | None
    replacement: Replacement | None
    missing: Missing | None
    """Why there is no date; None when there is one."""


def theil_sen(time: Floats, value: Floats) -> tuple[float, float, float]:
    """Median of all pairwise slopes with its 95 % interval (Sen 1968); times must not all be equal."""
    first, second = np.triu_indices(time.size, 1)
    apart = time[second] - time[first]
    usable = apart != 0.0
    slopes = np.sort((value[second] - value[first])[usable] / apart[usable])
    if not slopes.size:
        raise ValueError("Theil–Sen needs two different times")
    count = time.size
    spread = _Z95 * math.sqrt(count * (count - 1) * (2 * count + 5) / 18.0)
    low = max(0, math.floor((slopes.size - spread) / 2.0))
    high = min(slopes.size - 1, math.ceil((slopes.size + spread) / 2.0))
    return float(np.median(slopes)), float(slopes[low]), float(slopes[high])


def crossings(days: Floats, health: Floats) -> tuple[Floats, Floats]:
    """Return when the health passed each whole percent on its way down, and the middle of the step.

    A value that flickers between two numbers crosses halfway between first and last time. The series begins
    anew after a leap.
    """
    health = _calm(health)
    start = 0
    for later in range(1, days.size):
        if abs(health[later] - health[later - 1]) >= _LEAP and days[later] - days[later - 1] <= _LEAP_D:
            start = later
    days, health = days[start:], np.round(health[start:])
    if not days.size:
        return days, health
    times, levels = [], []
    for level in range(int(health[0]) - 1, int(health.min()) - 1, -1):
        below = np.flatnonzero(health <= level)
        above = np.flatnonzero(health > level)
        if above[-1] == days.size - 1:
            break  # it is still above, or back: the step is not done
        first = (days[below[0] - 1] + days[below[0]]) / 2.0
        last = (days[above[-1]] + days[above[-1] + 1]) / 2.0
        times.append((first + last) / 2.0)
        levels.append(level + 0.5)
    return np.array(times, dtype=float), np.array(levels, dtype=float)


def _calm(values: Floats) -> Floats:
    """Running median."""
    half = min(_FLICKER, values.size) // 2
    if not half:
        return values
    windows = np.lib.stride_tricks.sliding_window_view(np.pad(values, half, mode="edge"), 2 * half + 1)
    medians: Floats = np.median(windows, axis=1)
    return medians


def slope_of_steps(days: Floats, health: Floats, today: float) -> Slope | Missing:
    """Slope of whole-percent values, from the times of their steps alone.

    The step that is still to come tells something, too: it comes today at the earliest. Where even the
    slowest line of the interval would have had it by now, the loss of earlier years is none of today.
    """
    times, levels = crossings(days, health)
    if times.size < STEPS_NEEDED:
        return Missing.TOO_FEW_STEPS
    span_d = float(times[-1] - times[0])
    if span_d < STEP_SPAN_D:
        return Missing.TOO_SHORT
    slope, low, high = theil_sen(times / YEAR_D, levels)
    wider = _STEP_WIDTH / (span_d / YEAR_D)
    loss_low = -high - wider
    line = float(np.median(levels - slope * times / YEAR_D)) + slope * today / YEAR_D
    told = float(np.round(np.median(health[-_FLICKER:])))
    if loss_low * (days[-1] - times[-1]) / YEAR_D > 1.0:
        loss_low, line = 0.0, told
    now = min(max(line, told - _TOLD_WITHIN), told + _TOLD_WITHIN)
    return Slope(Method.STEPS, -slope, loss_low, -low + wider, now, times.size, span_d)


def slope_of_capacity(days: Floats, health: Floats, today: float) -> Slope | Missing:
    """Slope of counted capacities in percent of the nominal one; one median for each week."""
    weeks = np.floor(days / 7.0)
    groups = [weeks == week for week in np.unique(weeks)]
    times = np.array([days[group].mean() for group in groups])
    values = np.array([np.median(health[group]) for group in groups])
    if times.size < POINTS_NEEDED:
        return Missing.TOO_FEW_POINTS
    span_d = float(times[-1] - times[0])
    if span_d < POINT_SPAN_D:
        return Missing.TOO_SHORT
    slope, low, high = theil_sen(times / YEAR_D, values)
    now = float(np.median(values - slope * times / YEAR_D)) + slope * today / YEAR_D
    return Slope(Method.CAPACITY, -slope, -high, -low, now, times.size, span_d)


def replacement(slope: Slope, today: float, end_of_life: float) -> Replacement | Missing:
    """When health reaches the end of life; a date only when the loss is beyond doubt."""
    if slope.health <= end_of_life:
        return Replacement(today, today, today)
    if not slope.significant:
        return Missing.NOT_SIGNIFICANT
    left = slope.health - end_of_life
    likely_y = left / slope.loss
    if likely_y > LONGEST_Y:
        return Missing.BEYOND_HORIZON
    low_y, high_y = left / slope.loss_high, min(left / slope.loss_low, LONGEST_Y)
    return Replacement(*(today + years * YEAR_D for years in (low_y, likely_y, high_y)))


def outlook(
    told: Sequence[tuple[float, float]],
    counted: Sequence[tuple[float, float]],
    today: float,
    end_of_life: float = 80.0,
) -> Outlook:
    """Say what can be said.

    `told` are days and whole percents of the BMS, `counted` days and percents of counted capacities, both
    sorted. The narrower interval of the two is believed.
    """
    found = [
        slope_of_steps(*_columns(told), today),
        slope_of_capacity(*_columns(counted), today),
    ]
    slopes = [slope for slope in found if isinstance(slope, Slope)]
    if not slopes:
        first = found[1] if counted and not told else found[0]
        return Outlook(None, None, first if isinstance(first, Missing) else None)
    best = min(slopes, key=lambda slope: slope.loss_high - slope.loss_low)
    when = replacement(best, today, end_of_life)
    if isinstance(when, Missing):
        return Outlook(best, None, when)
    return Outlook(best, when, None)


def _columns(rows: Sequence[tuple[float, float]]) -> tuple[Floats, Floats]:
    """Days and values as arrays; what is out of order or no number is left out."""
    kept: list[tuple[float, float]] = []
    for day, value in rows:
        if (
            math.isfinite(day)
            and math.isfinite(value)
            and 0.0 < value <= 130.0
            and (not kept or day > kept[-1][0])
        ):
            kept.append((day, value))
    return (
        np.array([day for day, _ in kept], dtype=float),
        np.array([value for _, value in kept], dtype=float),
    )
