"""A number that an answer rests on, and how numbers are put into sentences."""

from __future__ import annotations

import math
from dataclasses import dataclass

__all__ = ["Fact", "number", "signed"]


@dataclass(frozen=True, slots=True)
class Fact:
    """A piece of evidence: what was measured, where, how much."""

    id: str
    """What it is, in snake case; the same in every answer."""
    meaning: str
    """Noun phrase for an operator."""
    value: float
    unit: str
    """Empty: a plain number."""
    low: float | None = None
    high: float | None = None
    """Ends of the interval of 95 %; None where there is none."""
    node: str | None = None


def number(value: float, unit: str = "") -> str:
    """A number with as many digits as matter."""
    if not math.isfinite(value):
        return "–"
    size = abs(value)
    digits = 0 if size >= 100 else 1 if size >= 10 else 2 if size >= 0.1 or value == 0.0 else 3
    return f"{value:.{digits}f}{f' {unit}' if unit else ''}"


def signed(value: float, unit: str = "") -> str:
    """The same with its sign in any case."""
    return f"{'+' if value >= 0.0 else ''}{number(value, unit)}"
