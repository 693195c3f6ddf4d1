"""By what a fault is known again: code, cause and deciding evidence, without values and times."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from .evidence import Evidence

__all__ = ["PastFault", "fingerprint", "recurrences"]

TOP_EVIDENCE = 3


@dataclass(frozen=True, slots=True)
class PastFault:
    """A fault that was diagnosed before."""

    event_id: str
    node: str
    fingerprint: str
    utc_us: int | None
    confirmed: str | None = None
    """The cause that an operator found; None while nobody said."""


def fingerprint(code: str, cause: str, evidence: Iterable[Evidence]) -> str:
    """Sixteen hex digits from code, cause and the ids of the three strongest pieces of evidence.

    Their order does not count: of two that are nearly as strong either may come first.
    """
    strongest = sorted(each.id for each in list(evidence)[:TOP_EVIDENCE])
    return hashlib.sha256("|".join((code, cause, *strongest)).encode()).hexdigest()[:16]


def recurrences(mark: str, node: str, event_id: str, past: Sequence[PastFault]) -> tuple[PastFault, ...]:
    """Return faults of the same node with the same fingerprint, oldest first; the event itself is none."""
    same = [one for one in past if one.fingerprint == mark and one.node == node and one.event_id != event_id]
    return tuple(sorted(same, key=lambda one: one.utc_us or 0))
