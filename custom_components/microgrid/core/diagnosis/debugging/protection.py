"""Whether a protection acted within its rules: was the limit really passed, for as long as it is set?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..case import Series
from .fact import number
from .limits import HOUSE, Limit, Watch
from .robust import clean

__all__ = ["Act", "Run", "Verdict", "judge", "samples", "watched"]

Floats = NDArray[np.float64]

_SLACK_S = 0.05
"""A beat, the message and the relay."""
_STALE_S = 0.3
"""A run that ended so long before the act did not cause it."""


class Verdict(StrEnum):
    """Whether somebody acted as its rules say."""

    RIGHT = "right"
    TOO_EARLY = "too_early"
    TOO_LATE = "too_late"
    CANNOT_TELL = "cannot_tell"


@dataclass(frozen=True, slots=True)
class Act:
    """A protection that acted, held against its rules."""

    verdict: Verdict
    code: str
    channel: str
    """What was watched; the worst one of several."""
    watch: str
    limit: float
    measured: float | None
    """The extreme value until then; None without samples."""
    unit: str
    delay_s: float
    beyond_s: float | None
    """How long the limit had been passed when it acted; the whole recording is the most that is known."""
    resolution_s: float | None
    """Between samples: nothing shorter can be seen."""
    why: str
    """One sentence."""


class Run(NamedTuple):
    """The last time a condition lasted until an instant."""

    length_s: float
    censored: bool
    """It had begun before the samples did."""


def samples(series: Series | None) -> tuple[Floats, Floats]:
    """Times and values that are known, ascending."""
    if series is None:
        return np.zeros(0), np.zeros(0)
    t = clean(series.t_s)
    x = clean(series.values, t.size)
    good = np.isfinite(t) & np.isfinite(x)
    t, x = t[good], x[good]
    order = np.argsort(t, kind="stable")
    return t[order], x[order]


def period_of(t_s: Floats) -> float:
    """The usual time between samples; infinite for fewer than three."""
    return float(np.median(np.diff(t_s))) if t_s.size > 2 else float("inf")


def lasting(t_s: Floats, flags: NDArray[np.bool_], until_s: float, stale_s: float) -> Run:
    """How long a condition had lasted at an instant; 0 when it had not been there for `stale_s`."""
    seen = int(np.searchsorted(t_s, until_s + 1e-9, side="right"))
    t, on = t_s[:seen], flags[:seen]
    while t.size and not on[-1] and t[-1] > until_s - stale_s:  # the act itself may have ended it
        t, on = t[:-1], on[:-1]
    if not t.size or not on[-1]:
        return Run(0.0, censored=False)
    unset = np.flatnonzero(~on)
    if not unset.size:
        return Run(until_s - float(t[0]), censored=True)
    return Run(until_s - float(t[unset[-1] + 1]), censored=False)


def watched(limit: Limit, channels: Mapping[str, Series]) -> tuple[Floats, Floats, str]:
    """Times, what the protection looks at in its own unit, and the channel that is the worst."""
    found = {name: samples(channels.get(name)) for name in limit.channels}
    found = {name: one for name, one in found.items() if one[0].size}
    if not found:
        return np.zeros(0), np.zeros(0), limit.channels[0]
    times = max((t for t, _ in found.values()), key=len)
    rows = np.array([_at(times, t, x) for t, x in found.values()])
    names = tuple(found)
    if limit.watch is Watch.MAGNITUDE:
        rows = np.abs(rows)
    elif limit.watch is Watch.REVERSE:
        rows = -rows
    if limit.watch is Watch.SPREAD:
        apart = np.abs(rows - np.median(rows, axis=0))
        worst = names[int(np.argmax(apart.max(axis=1)))]
        return times, rows.max(axis=0) - rows.min(axis=0), worst
    if limit.watch is Watch.BELOW:
        return times, rows.min(axis=0), names[int(np.argmin(rows.min(axis=1)))]
    return times, rows.max(axis=0), names[int(np.argmax(rows.max(axis=1)))]


def _at(times: Floats, t: Floats, x: Floats) -> Floats:
    """Values at other instants: the newest known."""
    held: Floats = x[np.maximum(np.searchsorted(t, times + 1e-6, side="right") - 1, 0)]
    return held


def judge(code: str, channels: Mapping[str, Series], limits: Sequence[Limit] | None = None) -> Act | None:
    """Hold a fault of a house, at 0 s, against the limit of its code; None when the code has none."""
    rows = HOUSE.get(code, ()) if limits is None else limits
    acts = [_judge(row, channels) for row in rows]
    if not acts:
        return None
    order = (Verdict.RIGHT, Verdict.TOO_LATE, Verdict.TOO_EARLY, Verdict.CANNOT_TELL)
    return min(acts, key=lambda act: (order.index(act.verdict), -(act.beyond_s or 0.0)))


def _judge(limit: Limit, channels: Mapping[str, Series]) -> Act:
    t, x, channel = watched(limit, channels)
    until = t <= _SLACK_S
    t, x = t[until], x[until]
    period = period_of(t)

    def act(verdict: Verdict, why: str, beyond_s: float | None = None) -> Act:
        measured = None
        if x.size:
            near = x[t >= -max(2.0 * limit.delay_s, 1.0, 2.0 * min(period, 60.0))]
            near = near if near.size else x[-1:]
            measured = float(near.min() if limit.watch is Watch.BELOW else near.max())
        return Act(
            verdict,
            limit.code,
            channel,
            limit.watch.value,
            limit.value,
            measured,
            limit.unit,
            limit.delay_s,
            beyond_s,
            None if period == float("inf") else period,
            why,
        )

    if t.size < 3 or t[-1] < -max(3.0 * period, 1.0):
        return act(Verdict.CANNOT_TELL, f"There are no samples of {channel} right before the fault.")
    sign = -1.0 if limit.watch is Watch.BELOW else 1.0
    beyond = sign * x > sign * limit.value - 1e-9 * abs(limit.value)
    run = lasting(t, beyond, 0.0 + _SLACK_S, max(_STALE_S, 1.5 * period))
    length = max(run.length_s - _SLACK_S, 0.0)
    wanted = f"for {number(limit.delay_s, 's')}"
    value = number(limit.value, limit.unit)
    passed = f"{channel} had been beyond {value} for {number(length, 's')} when the fault was told"
    if run.length_s == 0.0:
        if period > 0.6 * limit.delay_s:
            return act(
                Verdict.CANNOT_TELL,
                f"No sample of {channel} is beyond {value}, but one every {number(period, 's')} does not "
                f"show what lasts {number(limit.delay_s, 's')}.",
                0.0,
            )
        return act(
            Verdict.TOO_EARLY,
            f"{channel} was not beyond {value} before the fault, as it must be {wanted}.",
            0.0,
        )
    blur = period + _SLACK_S
    late_s = limit.delay_s + max(2.0 * blur, 0.25 * limit.delay_s) + 0.1
    if run.censored and length < limit.delay_s - 2.0 * blur:
        return act(
            Verdict.CANNOT_TELL, f"{passed}, as far back as the samples go; it must be {wanted}.", length
        )
    if length > late_s:
        return act(Verdict.TOO_LATE, f"{passed}; {number(limit.delay_s, 's')} is set.", length)
    if length + 2.0 * blur < limit.delay_s:
        return act(Verdict.TOO_EARLY, f"{passed}; it must be {wanted}.", length)
    return act(Verdict.RIGHT, f"{passed}, as it must be {wanted}.", length)
