"""Statistics that single bad values do not bend: medians, trends, associations, each with its uncertainty."""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

__all__ = ["Estimate", "Trend", "association", "clean", "fit", "median_of", "rotations", "sigma_of", "trend"]

Floats = NDArray[np.float64]

CONFIDENCE = 0.95
_MAD_TO_SIGMA = 1.4826
"""Of normally distributed values."""
_FEWEST = 6
"""With fewer values no interval of 95 % has its ends among them."""
_MOST_POINTS = 512
"""Theil-Sen looks at all pairs; more points add time, hardly certainty."""
_LARGEST = 1e11
"""Seconds since 1970 are below it; squares of what is above would lose all digits."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """A value and the ends of the interval that holds it with 95 %."""

    value: float
    low: float
    high: float
    samples: int

    def outside(self, low: float, high: float) -> bool:
        """Whether the whole interval lies on one side of a range."""
        return self.low > high or self.high < low


@dataclass(frozen=True, slots=True)
class Trend:
    """A straight line through values in time."""

    slope: float
    low: float
    high: float
    """Ends of the interval of the slope."""
    middle: float
    """Median of x: there the line is known best."""
    level: float
    """Of the line in the middle."""
    level_error: float
    """Half the interval of the level."""
    sigma: float
    """Spread of the values about the line."""
    samples: int

    @property
    def certain(self) -> bool:
        """Whether the interval leaves standing still out."""
        return self.low > 0.0 or self.high < 0.0

    def at(self, x: float) -> float:
        """The line's value."""
        return self.level + self.slope * (x - self.middle)


def clean(values: object, size: int | None = None) -> Floats:
    """Return a vector of floats with NaN for all that is no plausible number, cut or filled to a size."""
    found = np.asarray(values, np.float64).reshape(-1)
    if size is not None and found.size != size:
        found = np.concatenate((found[:size], np.full(max(size - found.size, 0), np.nan)))
    tidy: Floats = np.where(np.abs(found) < _LARGEST, found, np.nan)  # false for NaN
    return tidy


def sigma_of(values: Floats, floor: float = 0.0) -> float:
    """Standard deviation by the median of absolute deviations, at least the floor; of known values only."""
    known = values[np.isfinite(values)]
    if not known.size:
        return floor
    return max(_MAD_TO_SIGMA * float(np.median(np.abs(known - np.median(known)))), floor)


def median_of(values: Floats, confidence: float = CONFIDENCE) -> Estimate | None:
    """Median with the interval that order statistics give it, whatever the distribution; None below six."""
    known = np.sort(values[np.isfinite(values)])
    size = int(known.size)
    if size < _FEWEST:
        return None
    # Ranks from either end such that the binomial chance to miss the median stays below what is allowed.
    allowed, total, rank = (1.0 - confidence) / 2.0, 0.0, 0
    if size <= 60:
        while (total := total + math.comb(size, rank) / 2.0**size) <= allowed:
            rank += 1
    else:
        rank = math.floor(size / 2.0 - NormalDist().inv_cdf(1.0 - allowed) * math.sqrt(size) / 2.0)
    rank = max(rank, 1)
    return Estimate(float(np.median(known)), float(known[rank - 1]), float(known[size - rank]), size)


def trend(x: Floats, y: Floats, confidence: float = CONFIDENCE) -> Trend | None:
    """Theil-Sen line with Sen's interval, widened where neighbours err alike; None below six points.

    The interval: P. K. Sen, "Estimates of the regression coefficient based on Kendall's tau", JASA 63 (1968).
    What neighbouring residuals have in common counts as in S. Yue and C. Wang (Water Resources Management 18,
    2004): the variance of Kendall's S grows by (1 + r) / (1 - r).
    """
    good = np.isfinite(x) & np.isfinite(y)
    x, y = x[good], y[good]
    if x.size > _MOST_POINTS:
        step = -(-x.size // _MOST_POINTS)
        whole = x.size // step * step
        x, y = x[:whole].reshape(-1, step).mean(axis=1), y[:whole].reshape(-1, step).mean(axis=1)
    size = int(x.size)
    if size < _FEWEST:
        return None
    first, second = np.triu_indices(size, 1)
    apart = x[second] - x[first]
    slopes = np.sort((y[second] - y[first])[apart > 0.0] / apart[apart > 0.0])
    if slopes.size < size:
        return None  # hardly any two values are of different times
    slope, middle = float(np.median(slopes)), float(np.median(x))
    rest = y - slope * (x - middle)
    level = float(np.median(rest))
    sigma = sigma_of(rest)
    alike = _alike(rest - level)
    widened = (1.0 + alike) / (1.0 - alike)
    normal = NormalDist().inv_cdf((1.0 + confidence) / 2.0)
    reach = normal * math.sqrt(size * (size - 1) * (2 * size + 5) / 18.0 * widened)
    low = max(round((slopes.size - reach) / 2.0) - 1, 0)
    high = min(round((slopes.size + reach) / 2.0), slopes.size - 1)
    # the median of normal values errs 1.2533 times as much as their mean
    error = normal * 1.2533 * sigma * math.sqrt(widened / size)
    return Trend(slope, float(slopes[low]), float(slopes[high]), middle, level, error, sigma, size)


def _alike(rest: Floats) -> float:
    """Correlation of neighbouring residuals, 0 … 0.8."""
    power = float(rest @ rest)
    if power <= 0.0:
        return 0.0
    found = float(rest[1:] @ rest[:-1]) / power
    return min(max(found, 0.0), 0.8)


def fit(columns: Floats, values: Floats, rounds: int = 4) -> Floats | None:
    """Coefficients of a linear model by Huber's weights; None when the columns do not tell them apart.

    Columns (samples, coefficients), values (samples,), all of them known.
    """
    if values.size <= 2 * columns.shape[1]:
        return None
    weights = np.ones(values.size)
    found = np.zeros(columns.shape[1])
    for _ in range(rounds):
        root = np.sqrt(weights)
        found, _, rank, _ = np.linalg.lstsq(columns * root[:, None], values * root, rcond=1e-9)
        if rank < columns.shape[1]:
            return None
        rest = np.abs(values - columns @ found)
        limit = 1.5 * max(_MAD_TO_SIGMA * float(np.median(rest)), 1e-12)
        weights = np.minimum(1.0, limit / np.maximum(rest, 1e-15))
    coefficients: Floats = found
    return coefficients


# ---------------------------------------------------------------------------------------------- associations


def rotations(values: Floats, rng: np.random.Generator, count: int) -> Floats:
    """Return what chance would make of values by day and hour: every day turned by hours of its own.

    Shape (days, hours) in, (count, days, hours) out: what an hour has in common with the next one stays.
    """
    days, hours = values.shape
    turns = rng.integers(0, hours, (count, days, 1))
    picked = (np.arange(hours) + turns) % hours
    turned: Floats = np.take_along_axis(np.broadcast_to(values, (count, days, hours)), picked, axis=2)
    return turned


def association(values: Floats, factor: Floats, rng: np.random.Generator, count: int) -> tuple[float, float]:
    """How values follow a factor beyond the hour of the day: rank correlation and chance of as much by luck.

    Both (days, hours) with NaN where unknown. The usual course of the day is taken out of both, and chance is
    what whole days exchanged with each other give. (NaN, 1) when there is too little to compare.
    """
    left, right = _ranks_beyond_hour(values), _ranks_beyond_hour(factor)
    both = np.isfinite(left) & np.isfinite(right)
    if both.sum() < 24 or both.any(axis=1).sum() < _FEWEST:
        return math.nan, 1.0
    left, right = np.where(both, left, 0.0), np.where(both, right, 0.0)
    found = _correlation(left, right[None])[0]
    order = np.array([rng.permutation(len(right)) for _ in range(count)])
    by_luck = _correlation(left, right[order])
    return float(found), float((1 + np.count_nonzero(np.abs(by_luck) >= abs(found) - 1e-12)) / (count + 1))


def _ranks_beyond_hour(values: Floats) -> Floats:
    """Ranks of what is left when every hour's median is taken out; NaN stays."""
    known = np.isfinite(values)
    middle = np.zeros(values.shape[1])
    for hour in np.flatnonzero(known.any(axis=0)):
        middle[hour] = np.median(values[known[:, hour], hour])
    rest = np.where(known, values - middle, np.nan)
    flat = rest[known]
    # values that are equal share a rank
    _, inverse, counts = np.unique(np.round(flat, 12), return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2.0)[inverse.reshape(-1)]
    result = np.full(values.shape, np.nan)
    result[known] = ranks - ranks.mean() if ranks.size else ranks
    return result


def _correlation(left: Floats, right: Floats) -> Floats:
    size = np.sqrt(float((left**2).sum()) * (right**2).sum(axis=(1, 2)))
    product = np.einsum("dh,cdh->c", left, right)
    correlation: Floats = np.where(size > 0.0, product / np.where(size > 0.0, size, 1.0), 0.0)
    return correlation
