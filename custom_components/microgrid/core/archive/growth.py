"""Growth of counters by the hour, as it can be believed: what people see in bars of energy.

The archive takes a counter that falls for one that restarted at zero. Devices also come back with a count
that they saved a while ago, or tell nonsense for a moment; each would be a spike of years. Hours in which
a counter fell, or grew faster than its hardware can, are therefore looked at minute by minute.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from .buckets import Ints
from .query import Floats, History
from .rollup import HOUR, MINUTE, Tier

_HOUR_S = HOUR.bucket_s
_DAY_S = 86_400
_LOOK_BACK_S = (_HOUR_S, _DAY_S, 32 * _DAY_S, 400 * _DAY_S)
"""How far the hour before a range is searched: usually it is the very last one."""
_SLACK_H = 5.0 / 60.0  # many counters move in steps: growth believed beyond what time allows
_RESTARTED = 0.5  # of the count before: a device that restarted at zero cannot have counted more yet


class Source(Protocol):
    """Where roll-ups are read."""

    def history(
        self, node: str, names: Collection[str] | None, start_s: int, end_s: int, tier: Tier
    ) -> dict[str, History]:
        """Return the buckets that begin within start ≤ UTC < end."""


@dataclass(frozen=True, slots=True)
class Growth:
    """Hours of one counter that hold samples; every array has one entry an hour."""

    name: str
    unit: str
    times_s: Ints
    """Start of each hour, UTC."""
    across: Floats
    """Growth since the last sample before the hour: of the time without samples, if there is some."""
    within: Floats
    """Growth in the hour itself."""
    first: Floats
    last: Floats
    """The count at the beginning and at the end, as the device tells it."""
    previous: tuple[int, float] | None
    """Start and last count of the hour before the first one."""

    @property
    def total(self) -> Floats:
        """Growth of each hour since the one before."""
        return self.across + self.within


def believable(before: float, after: float, hours: float, max_rate: float) -> float:
    """Return the growth between two readings, 0 for what the hardware cannot do in that time."""
    possible = max_rate * (hours + _SLACK_H)
    if after >= before:
        return after - before if after - before <= possible else 0.0
    return after if after <= min(possible, _RESTARTED * before) else 0.0


def growth(
    queries: Source, node: str, max_rates: Mapping[str, float], start_s: int, end_s: int
) -> dict[str, Growth]:
    """Return the growth of counters (fastest growth in units per hour by name) in start ≤ UTC < end."""
    result = {}
    for name, history in _with_hour_before(queries, node, max_rates.keys(), start_s, end_s).items():
        first = int(np.searchsorted(history.times_s, start_s))
        if first < len(history.times_s):
            result[name] = _growth(queries, node, history, first, max_rates[name])
    return result


def _with_hour_before(
    queries: Source, node: str, names: Collection[str], start_s: int, end_s: int
) -> dict[str, History]:
    """Return hours of the range and of what lies before it, at least one where there is one."""
    found: dict[str, History] = {}
    wanted = set(names)
    for back_s in _LOOK_BACK_S:
        found |= queries.history(node, wanted, max(0, start_s - back_s), end_s, HOUR)
        wanted = {name for name in wanted if name not in found or found[name].times_s[0] >= start_s}
        if not wanted or start_s <= back_s:
            break
    return found


def _growth(queries: Source, node: str, history: History, first: int, max_rate: float) -> Growth:
    start = max(0, first - 1)
    times, low, last = history.times_s[start:], history.first[start:], history.last[start:]
    gain = history.gain[start:]  # of the first one only what grew within it, when nothing is known before
    across = np.zeros(len(times))
    across[1:] = np.where(low[1:] >= last[:-1], low[1:] - last[:-1], low[1:])
    within = gain - across
    hours = np.diff(times, prepend=times[0]) / _HOUR_S + 1.0  # from any sample of the one to any of the other
    counts = np.concatenate((low[:1], last[:-1]))
    doubtful = ~np.isclose(gain, last - counts, atol=1e-6) | (gain > max_rate * (hours + _SLACK_H))
    skipped = 1 if first else 0
    for at in np.flatnonzero(doubtful).tolist():
        if at < skipped:
            continue
        before = None if at == 0 else (int(times[at - 1]), float(last[at - 1]))
        found = _by_minute(queries, node, history.name, int(times[at]), before, max_rate)
        across[at], within[at] = found or (
            0.0 if before is None else believable(before[1], float(low[at]), float(hours[at]), max_rate),
            believable(float(low[at]), float(last[at]), 1.0, max_rate),
        )
    previous = None if not first else (int(times[0]), float(last[0]))
    cut = slice(skipped, None)
    return Growth(
        history.name, history.unit, times[cut], across[cut], within[cut], low[cut], last[cut], previous
    )


def _by_minute(
    queries: Source, node: str, name: str, hour_s: int, before: tuple[int, float] | None, max_rate: float
) -> tuple[float, float] | None:
    """Return growth before the first sample of an hour and within it; None when the minutes are gone."""
    start_s = hour_s if before is None else before[0]
    minutes = queries.history(node, [name], start_s, hour_s + _HOUR_S, MINUTE).get(name)
    if minutes is None or minutes.times_s[-1] < hour_s:
        return None
    inside = int(np.searchsorted(minutes.times_s, hour_s))
    if before is not None and inside == 0:
        return None
    across = within = 0.0
    for at in range(inside, len(minutes.times_s)):
        if at > 0:
            hours = float(minutes.times_s[at] - minutes.times_s[at - 1]) / _HOUR_S
            grown = believable(float(minutes.last[at - 1]), float(minutes.first[at]), hours, max_rate)
            if at == inside:
                across = grown
            else:
                within += grown
        within += believable(float(minutes.first[at]), float(minutes.last[at]), 1 / 60, max_rate)
    return across, within
