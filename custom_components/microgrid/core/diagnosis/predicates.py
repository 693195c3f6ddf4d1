"""What speaks for and against a cause, as data: soft thresholds on measured values, and their log-weights."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import exp, isfinite, log
from types import MappingProxyType

from ._weights import MODEL_ROWS
from .causes import UNDETERMINED

__all__ = [
    "MODELS",
    "REQUIRED",
    "RULED_OUT",
    "STANDS_OUT",
    "CauseModel",
    "CodeModel",
    "Predicate",
    "posterior",
    "ruled_out",
    "scores",
]


@dataclass(frozen=True, slots=True)
class Predicate:
    """A measured value is beyond a threshold, `high`; towards `low` it is less and less so."""

    key: str
    """Of the evidence."""
    low: float
    high: float

    def truth(self, value: float | None) -> float:
        """-1 false, 1 true, 0 undecided or not known."""
        if value is None or not isfinite(value):
            return 0.0
        share = (value - self.low) / (self.high - self.low)  # high below low: true when the value is small
        return 2.0 * min(max(share, 0.0), 1.0) - 1.0


@dataclass(frozen=True, slots=True)
class CauseModel:
    """What the predicates of a code mean for one of its causes."""

    cause: str
    bias: float
    """Log-odds that no evidence changes: how much more or less usual it is."""
    weights: tuple[tuple[int, float], ...]
    """Predicate and natural logarithm of the odds: added when it is true, taken away when it is false.

    Positive weights support the cause, negative ones contradict it."""


@dataclass(frozen=True, slots=True)
class CodeModel:
    """All predicates and causes of a code."""

    code: str
    predicates: tuple[Predicate, ...]
    causes: tuple[CauseModel, ...]


RULED_OUT = 6.0
"""Log-odds lost by a required predicate that is false."""

REQUIRED: Mapping[str, tuple[Predicate, ...]] = MappingProxyType(
    {
        "F001.neighbour_trip": (Predicate("neighbour_trip", 100.0, 300.0),),
        "F006.export_after_trip": (Predicate("neighbour_trip", 100.0, 300.0),),
        "F030.gateway_reset": (Predicate("silent_gateway", 0.2, 0.8),),
        "F030.node_reset": (Predicate("silent_gateway", 0.8, 0.2),),
        "F030.babbling_node": (Predicate("flood", 40.0, 160.0),),
        "F030.open_cable": (Predicate("silence_returned", 0.8, 0.2),),
        "F031.babbling_node": (Predicate("flood", 40.0, 160.0),),
        "F031.termination": (Predicate("flood", 160.0, 40.0),),
        "F031.node_clock": (Predicate("flood", 160.0, 40.0),),
        "F031.switching_noise": (Predicate("flood", 160.0, 40.0),),
        "F041.welded": (Predicate("ordered_closed", 0.8, 0.2),),
        "F041.stuck_open": (Predicate("ordered_closed", 0.2, 0.8),),
    }
)
"""What a cause makes no sense without, by cause; the weights say what else supports or contradicts it."""


STANDS_OUT: Mapping[str, Predicate] = MappingProxyType({"F001": Predicate("current_rise", 2.0, 6.0)})
"""By code, what all of its causes come with: without it nothing stands out, and nothing is decided.

A limit that is set too low, or a load that crept up to it, has none of the causes of a sudden overcurrent.
"""


def ruled_out(cause: str, values: Mapping[str, float]) -> float:
    """Log-odds that a cause loses because something that it needs is not so; 0 while that is not known."""
    needed = [*REQUIRED.get(cause, ())]
    if (common := STANDS_OUT.get(cause.partition(".")[0])) is not None:
        needed.append(common)
    return RULED_OUT * sum(max(0.0, -each.truth(values.get(each.key))) for each in needed)


MODELS: Mapping[str, CodeModel] = {
    code: CodeModel(
        code,
        tuple(Predicate(*row) for row in predicates),
        tuple(CauseModel(*row) for row in causes),
    )
    for code, predicates, causes in MODEL_ROWS
}


def scores(model: CodeModel, values: Mapping[str, float]) -> dict[str, float]:
    """Log-odds of every cause of a code by the values that are known."""
    truths = [predicate.truth(values.get(predicate.key)) for predicate in model.predicates]
    return {
        each.cause: each.bias
        + sum(weight * truths[index] for index, weight in each.weights)
        - ruled_out(each.cause, values)
        for each in model.causes
    }


def posterior(scored: Mapping[str, float]) -> dict[str, float]:
    """Probabilities, most likely first, `undetermined` among them.

    It has the log-odds of what nothing is known about: as likely as all causes together without evidence.
    """
    odds = {**scored, UNDETERMINED: log(max(len(scored), 1))}
    most = max(odds.values())
    shares = {cause: exp(value - most) for cause, value in odds.items()}
    total = sum(shares.values())
    return dict(
        sorted(((cause, share / total) for cause, share in shares.items()), key=lambda item: -item[1])
    )
