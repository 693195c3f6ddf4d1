"""Simple methods that a diagnosis must beat: the commonest cause, the strangest channel, the first alarm.

They know from the catalogue which causes a code has, and nothing else.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from microgrid_core.diagnosis.case import Case, Series
from microgrid_core.diagnosis.causes import CAUSES_OF_CODE

from ..physics.arrays import Floats

_BASELINE_S = (-10.0, -3.0)
_AFTER_S = 0.1
"""What comes later than this after the trigger is the trip, not its cause."""
_ALARM = 8.0
"""Threshold of the cumulated sum, in standard deviations."""
_SLACK = 0.5


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a baseline says."""

    cause: str
    origin: str


def majority(causes: Iterable[str]) -> Mapping[str, str]:
    """The commonest cause of each code among the answers: knowing them, one cannot guess better."""
    counts = Counter(causes)
    best: dict[str, str] = {}
    for cause, _ in counts.most_common():
        best.setdefault(cause.partition(".")[0], cause)
    return best


def _scores(series: Series) -> tuple[Floats, Floats]:
    """Times until the trip, and robust z-scores against the channel's own past; empty when there is none."""
    good = np.isfinite(series.values)
    t_s, values = series.t_s[good], series.values[good]
    past = values[(t_s >= _BASELINE_S[0]) & (t_s < _BASELINE_S[1])]
    inside = (t_s >= _BASELINE_S[1]) & (t_s <= _AFTER_S)
    if len(past) < 3 or not inside.any():
        return np.zeros(0), np.zeros(0)
    middle = float(np.median(past))
    spread = 1.4826 * float(np.median(np.abs(past - middle)))
    steps = np.abs(np.diff(np.unique(values)))
    resolution = float(steps.min()) if len(steps) else 0.0
    scale = max(spread, resolution, 1e-6)
    return t_s[inside], (values[inside] - middle) / scale


def _ranked(case: Case, rank: Callable[[Floats, Floats], float | None]) -> list[tuple[float, str, str]]:
    found = list[tuple[float, str, str]]()
    for name, record in case.nodes.items():
        for key, series in record.channels.items():
            t_s, z = _scores(series)
            value = rank(t_s, z) if len(z) else None
            if value is not None:
                found.append((value, name, key))
    return sorted(found)


def _verdict(case: Case, ranking: list[tuple[float, str, str]]) -> Verdict:
    """The first channel names the node; that and what it measures choose the cause."""
    causes = CAUSES_OF_CODE[case.code]
    if not ranking:
        return Verdict(causes[-1].id, case.node)  # nothing strange: nothing is wrong
    _, node, key = ranking[0]
    kind = "local" if node == case.node else "propagated"
    fitting = [cause for cause in causes if cause.kind.value == kind] or list(causes)
    words = set(key.split("_"))
    best = max(fitting, key=lambda cause: len(words & set(cause.id.partition(".")[2].split("_"))))
    return Verdict(best.id, node)


def robust_z(case: Case) -> Verdict:
    """The channel that left its past the farthest (as RobustScorer of BARO)."""
    return _verdict(case, _ranked(case, lambda _, z: -float(np.abs(z).max())))


def first_alarm(case: Case) -> Verdict:
    """The channel whose two-sided cumulated sum alarms first."""

    def alarm(t_s: Floats, z: Floats) -> float | None:
        found = list[float]()
        for sign in (1.0, -1.0):
            total = np.cumsum(sign * z - _SLACK)
            excess = total - np.minimum(np.minimum.accumulate(total), 0.0)
            over = np.flatnonzero(excess > _ALARM)
            if len(over):
                found.append(float(t_s[over[0]]))
        return min(found, default=None)

    return _verdict(case, _ranked(case, alarm))


BASELINES: Mapping[str, Callable[[Case], Verdict]] = MappingProxyType(
    {"robust-z ranking": robust_z, "first alarm": first_alarm}
)
