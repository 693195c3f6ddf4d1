"""A trend that outliers do not bend: the Theil–Sen slope with Sen's interval."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

CONFIDENCE = 0.95
MINIMUM_POINTS = 6  # with fewer the interval of 95 % has no ends among the slopes


@dataclass(frozen=True, slots=True)
class Slope:
    """Growth per unit of x."""

    value: float
    low: float
    high: float
    """Ends of the interval of 95 % for independent errors."""

    @property
    def certain(self) -> bool:
        """Whether the interval leaves zero out."""
        return self.low > 0 or self.high < 0


def theil_sen(x: NDArray[np.float64], y: NDArray[np.float64]) -> Slope | None:
    """Return the median of the slopes of all pairs; None for fewer than six points.

    `x` has no equal values. The interval: P. K. Sen, "Estimates of the regression coefficient based on
    Kendall's tau", JASA 63 (1968), with the correction for ties of y. Takes 8 n² bytes.
    """
    count = len(x)
    if count < MINIMUM_POINTS:
        return None
    first, second = np.triu_indices(count, 1)
    slopes = np.sort((y[second] - y[first]) / (x[second] - x[first]))
    variance = count * (count - 1) * (2 * count + 5)
    variance -= sum(k * (k - 1) * (2 * k + 5) for k in Counter(y.tolist()).values())
    reach = NormalDist().inv_cdf((1 + CONFIDENCE) / 2) * math.sqrt(variance / 18)
    low = max(round((len(slopes) - reach) / 2) - 1, 0)
    high = min(round((len(slopes) + reach) / 2), len(slopes) - 1)
    return Slope(float(np.median(slopes)), float(slopes[low]), float(slopes[high]))
