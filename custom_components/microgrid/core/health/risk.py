"""The risk of a battery as a sum of points that everybody can add up, and how much of it is known."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class RiskLevel(StrEnum):
    """The score in words."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    CRITICAL = "critical"


@dataclass(frozen=True, slots=True)
class RiskInputs:
    """What the score is made of; None is unknown."""

    health_percent: float | None = None
    cell_spread_v: float | None = None
    modules_offline: float | None = None
    temperature_7d_c: float | None = None
    """Mean of the last seven days."""
    cycles: float | None = None


@dataclass(frozen=True, slots=True)
class Factor:
    """One summand."""

    name: str
    value: float | None
    points: int
    """0 when the value is unknown."""
    most: int


@dataclass(frozen=True, slots=True)
class Risk:
    """The score with its summands."""

    score: int
    level: RiskLevel
    confidence: float
    """Share of the points that could be judged, 0 … 1; what is missing lowers this, not the score."""
    factors: tuple[Factor, ...]


_Step = tuple[float, int]


def _rising(value: float, steps: tuple[_Step, ...], beyond: int) -> int:
    return next((points for bound, points in steps if value < bound), beyond)


def _health(value: float) -> int:
    return next(
        (points for bound, points in ((90, 0), (85, 5), (80, 10), (75, 20), (70, 30)) if value >= bound), 40
    )


_FACTORS: Final[tuple[tuple[str, Callable[[RiskInputs], float | None], Callable[[float], int], int], ...]] = (
    ("health", lambda given: given.health_percent, _health, 40),
    (
        "cell_spread",
        lambda given: given.cell_spread_v,
        lambda value: _rising(value, ((0.05, 0), (0.10, 5), (0.15, 15)), 25),
        25,
    ),
    ("modules_offline", lambda given: given.modules_offline, lambda value: 20 if value > 0 else 0, 20),
    (
        "temperature",
        lambda given: given.temperature_7d_c,
        lambda value: _rising(value, ((35.0, 0), (40.0, 2), (45.0, 5), (50.0, 7)), 10),
        10,
    ),
    (
        "cycles",
        lambda given: given.cycles,
        lambda value: _rising(value, ((3000.0, 0), (4000.0, 1), (5000.0, 3)), 5),
        5,
    ),
)
_LEVELS: Final = ((60, RiskLevel.CRITICAL), (40, RiskLevel.HIGH), (20, RiskLevel.MEDIUM))


def assess_risk(given: RiskInputs) -> Risk:
    """Add up the points."""
    factors = tuple(
        Factor(name, value, 0 if value is None else points(value), most)
        for name, read, points, most in _FACTORS
        for value in (read(given),)
    )
    score = sum(factor.points for factor in factors)
    known = sum(factor.most for factor in factors if factor.value is not None)
    level = next((level for bound, level in _LEVELS if score >= bound), RiskLevel.LOW)
    return Risk(score, level, known / sum(factor.most for factor in factors), factors)
