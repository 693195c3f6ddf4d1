"""When a quantity left what it used to be: robust baselines, steps and ramps, each with its uncertainty."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["BASELINE_S", "Baseline", "Onset", "Ramp", "baseline", "ramp", "step_onset"]

Floats = NDArray[np.float64]

BASELINE_S = (-10.0, -3.0)
"""Relative to the trigger: what is taken as usual."""
_MAD_TO_SIGMA = 1.4826
"""Of normally distributed values."""
_FEWEST = 3
_MOST_SLOPE_POINTS = 160
"""Theil-Sen looks at all pairs; more points add time, hardly certainty."""


@dataclass(frozen=True, slots=True)
class Baseline:
    """What a quantity usually is."""

    median: float
    sigma: float
    """Standard deviation by the median of absolute deviations; never below the `floor` it was asked with."""
    samples: int

    def z(self, value: float) -> float:
        """How many standard deviations a value is away."""
        return (value - self.median) / self.sigma

    def of_change(self) -> Baseline:
        """What the departure from it usually is: nothing, with the same spread."""
        return Baseline(0.0, self.sigma, self.samples)

    def scaled(self, factor: float) -> Baseline:
        """The same in another unit."""
        return Baseline(self.median * factor, self.sigma * factor, self.samples)


@dataclass(frozen=True, slots=True)
class Onset:
    """When a step began."""

    t_s: float
    earliest_s: float
    latest_s: float
    """Both ends of the interval that holds it with about 95 %."""
    height: float
    """From before to behind, in the unit of the quantity."""
    z: float
    """Height in standard deviations of the noise."""


@dataclass(frozen=True, slots=True)
class Ramp:
    """How fast a quantity moves."""

    slope_per_s: float
    low_per_s: float
    high_per_s: float
    """Both ends of the 95 % interval."""

    @property
    def moves(self) -> bool:
        """Whether the interval excludes standing still."""
        return self.low_per_s > 0.0 or self.high_per_s < 0.0


def baseline(
    t_s: Floats, values: Floats, floor: float, window_s: tuple[float, float] = BASELINE_S
) -> Baseline | None:
    """Median and spread within a window; None with fewer than three samples.

    `floor` is the least standard deviation that is believed: the resolution of the channel.
    """
    inside = values[(t_s >= window_s[0]) & (t_s < window_s[1])]
    inside = inside[np.isfinite(inside)]
    if inside.size < _FEWEST:
        return None
    median = float(np.median(inside))
    sigma = _MAD_TO_SIGMA * float(np.median(np.abs(inside - median)))
    return Baseline(median, max(sigma, floor), int(inside.size))


def step_onset(
    t_s: Floats, values: Floats, usual: Baseline, since_s: float, until_s: float, alarm: float = 8.0
) -> Onset | None:
    """First lasting departure from the baseline within a window, or None.

    A two-sided CUSUM (drift of half a standard deviation) gives the alarm; the change point is then the split
    with the largest likelihood ratio between baseline and what came until the alarm, and its interval all
    splits that are not less likely by more than 2 in the logarithm (95 % of a chi-square of one degree).
    """
    inside = (t_s >= since_s) & (t_s <= until_s) & np.isfinite(values)
    t, x = t_s[inside], values[inside]
    if t.size < 2:
        return None
    z = np.clip((x - usual.median) / usual.sigma, -1e6, 1e6)
    # max(0, s + z - k) unrolled: the sum minus its running minimum.
    up, down = np.cumsum(z - 0.5), np.cumsum(-z - 0.5)
    up -= np.minimum.accumulate(np.minimum(up, 0.0))
    down -= np.minimum.accumulate(np.minimum(down, 0.0))
    alarms = np.flatnonzero((up > alarm) | (down > alarm))
    if not alarms.size:
        return None
    at = int(alarms[0])
    sign = 1.0 if up[at] > alarm else -1.0
    end = min(at + 3, t.size)
    start = max(0, at - 200)
    tail = sign * z[start:end]
    # Log-likelihood of "usual until i, another mean from i on": (sum of tail)^2 / 2n.
    sums = np.cumsum(tail[::-1])[::-1]
    counts = np.arange(tail.size, 0, -1)
    likelihood = np.where(sums > 0.0, sums**2 / (2.0 * counts), 0.0)
    best = int(np.argmax(likelihood))
    near = np.flatnonzero(likelihood >= likelihood[best] - 2.0)
    period = float(np.median(np.diff(t))) if t.size > 1 else 0.0
    height = float(np.median(x[start + best : end])) - usual.median
    return Onset(
        float(t[start + best]),
        float(t[start + near[0]]) - period,
        float(t[start + near[-1]]),
        height,
        height / usual.sigma,
    )


def ramp(t_s: Floats, values: Floats) -> Ramp | None:
    """Theil-Sen slope with its 95 % interval (Kendall's, normal approximation); None below 3 samples."""
    good = np.isfinite(values) & np.isfinite(t_s)
    t, x = t_s[good], values[good]
    if t.size < _FEWEST:
        return None
    if t.size > _MOST_SLOPE_POINTS:
        step = -(-t.size // _MOST_SLOPE_POINTS)
        whole = t.size // step * step
        t, x = t[:whole].reshape(-1, step).mean(axis=1), x[:whole].reshape(-1, step).mean(axis=1)
    n = t.size
    first, second = np.triu_indices(n, 1)
    apart = t[second] - t[first]
    slopes = np.sort(((x[second] - x[first])[apart > 0]) / apart[apart > 0])
    if not slopes.size:
        return None
    half = 0.5 * 1.96 * float(np.sqrt(n * (n - 1) * (2 * n + 5) / 18.0))
    middle = (slopes.size - 1) / 2.0
    low = max(0, int(np.floor(middle - half)))
    high = min(slopes.size - 1, int(np.ceil(middle + half)))
    return Ramp(float(np.median(slopes)), float(slopes[low]), float(slopes[high]))
