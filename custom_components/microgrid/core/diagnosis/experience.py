"""What operators found of earlier faults with the same signs, and how far that moves the odds.

The physics stays in charge: a cause that the measurements all but exclude is not helped, and however often it
was confirmed, its odds rise at most fourfold. So experience decides between causes that the measurements
leave open, and changes no verdict that is clear.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from math import exp, log

from .fingerprint import PastFault
from .report import Confirmed

__all__ = ["LEAST", "MOST_STEPS", "STEP", "confirmed", "moved"]

STEP = log(2.0)
"""Log-odds that one confirmation adds: twice as likely as before."""
MOST_STEPS = 2
LEAST = 0.05
"""A cause that is less likely by the measurements alone is left where it is."""


def confirmed(before: Iterable[PastFault]) -> tuple[Confirmed, ...]:
    """Count the causes that operators found behind these faults, the most frequent first."""
    counts = Counter(one.confirmed for one in before if one.confirmed is not None)
    return tuple(
        Confirmed(cause, count)
        for cause, count in sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    )


def moved(likely: Mapping[str, float], found: Sequence[Confirmed]) -> dict[str, float]:
    """Return the probabilities with the experience in them, most likely first."""
    factors = {one.cause: exp(STEP * min(one.count, MOST_STEPS)) for one in found}
    shares = {
        cause: share * (factors.get(cause, 1.0) if share >= LEAST else 1.0) for cause, share in likely.items()
    }
    total = sum(shares.values())
    return dict(
        sorted(((cause, share / total) for cause, share in shares.items()), key=lambda item: -item[1])
    )
