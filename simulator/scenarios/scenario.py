"""What a scenario is: parameters with their ranges, and what they do to a healthy cluster."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from .plan import Plan
from .truth import OUTSIDE, Split

__all__ = ["OUTSIDE", "Build", "Expect", "Range", "Scenario", "Values", "span"]


@dataclass(frozen=True, slots=True)
class Range:
    """Two ranges of a parameter that do not overlap: one to tune on, one kept apart."""

    tuned: tuple[float, float]
    apart: tuple[float, float]

    def __post_init__(self) -> None:
        """Refuse ranges that share a value."""
        low, high = sorted((self.tuned, self.apart))
        if not (low[0] < low[1] <= high[0] < high[1]):
            raise ValueError(f"ranges {self.tuned} and {self.apart} overlap or are empty")

    def draw(self, split: Split, rng: np.random.Generator) -> float:
        """Draw from one of the two."""
        low, high = self.tuned if split is Split.TUNED else self.apart
        return float(rng.uniform(low, high))


def span(low: float, high: float, apart_low: float, apart_high: float) -> Range:
    """A range to tune on, and one kept apart from it."""
    return Range((low, high), (apart_low, apart_high))


Values = Mapping[str, float]
"""Parameters as drawn."""


@dataclass(frozen=True, slots=True)
class Expect:
    """Who shall tell the code, and why; nodes by CAN number."""

    teller: int
    origin: int | str | None = None
    """None: the teller itself."""
    onset_s: float | None = None
    also: frozenset[int] = frozenset()
    """Other nodes that may tell something before: it belongs to the story."""


Build = Callable[[Plan, Values, int], Expect]
"""Changes a healthy plan for one of its houses (from 0) and says what shall come of it."""


@dataclass(frozen=True, slots=True)
class Scenario:
    """A way to a fault."""

    name: str
    """Id of the cause, and behind a slash the variant if there are several."""
    ranges: Mapping[str, Range]
    build: Build

    @property
    def cause(self) -> str:
        """Id in the catalogue of causes."""
        return self.name.partition("/")[0]

    @property
    def code(self) -> str:
        """The code that it ends in."""
        return self.name.partition(".")[0]
