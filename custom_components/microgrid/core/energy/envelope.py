"""The step back in time where costs are not convex: the exact lower envelope, with numpy.

With negative prices a battery gains by wasting, and the cost of a step has a dent. At the best change either
the cost of the step or the curve after it has a corner that bends upward, so the curve before the step is the
lowest of some shifted copies of both. It turns convex again a few steps earlier, mostly, and the fast form
takes over.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from .value_curve import SMALL, Curve, Pieces

Floats = NDArray[np.float64]
_ROUNDS = 12  # of finding crossings; two or three are usual
_SAME = 1e-11


def precede(curve: Curve, pieces: Pieces, up: float, down: float) -> Curve:
    """Return the curve one step earlier, whatever the shapes."""
    xs, ys = _corners(zip(*curve, strict=True), 0.0)
    ds, fs = _corners(pieces, -down)
    usable = float(xs[-1])
    copies = [(xs - ds[at], ys + fs[at]) for at in _upward(ds, fs)]
    copies += [((xs[at] - ds)[::-1], (ys[at] + fs)[::-1]) for at in _upward(xs, ys)]
    grid = np.concatenate([(0.0, usable), *(np.clip(at, 0.0, usable) for at, _ in copies)])
    grid, left, right = _ends(grid, copies)
    for _ in range(_ROUNDS):
        crossings = _crossings(grid, left, right)
        if not len(crossings):
            break
        grid, left, right = _ends(np.concatenate([grid, crossings]), copies)
    lowest = np.append(left.min(axis=0), right[:, -1].min())
    lowest[1:-1] = np.minimum(lowest[1:-1], right[:, :-1].min(axis=0))
    return _curve(grid, lowest)


def _corners(segments: Iterable[tuple[float, float]], start: float) -> tuple[Floats, Floats]:
    """Return positions and costs of the corners."""
    used = [(slope, length) for slope, length in segments if length > SMALL]
    xs = np.cumsum([start, *(length for _, length in used)])
    return xs, np.cumsum([0.0, *(slope * length for slope, length in used)])


def _ends(grid: Floats, copies: Sequence[tuple[Floats, Floats]]) -> tuple[Floats, Floats, Floats]:
    """Return the sorted grid, and each copy at both ends of its intervals; infinite beyond its reach."""
    ordered = np.sort(grid)
    kept = ordered[np.append(True, np.diff(ordered) > _SAME)]
    values = np.array([np.interp(kept, *copy) for copy in copies])
    starts, ends = np.array([copy[0][0] for copy in copies]), np.array([copy[0][-1] for copy in copies])
    there = (starts[:, None] <= kept[:-1] + _SAME) & (ends[:, None] >= kept[1:] - _SAME)
    return kept, np.where(there, values[:, :-1], np.inf), np.where(there, values[:, 1:], np.inf)


def _upward(xs: Floats, ys: Floats) -> list[int]:
    """Numbers of the corners that can hold a minimum: those that bend upward, and the ends."""
    slopes = np.diff(ys) / np.diff(xs)
    bends = np.flatnonzero(np.diff(slopes) > 0.0) + 1
    return [0, *bends.tolist(), len(xs) - 1]


def _crossings(grid: Floats, left: Floats, right: Floats) -> Floats:
    """Return where the copy that is lowest left of an interval meets the one lowest right of it."""
    every = np.arange(left.shape[1])
    # Of copies that are equal at an end the one that is lower at the other end rules the interval.
    one = np.lexsort((right, left), axis=0)[0]
    other = np.lexsort((left, right), axis=0)[0]
    ahead = left[other, every] - left[one, every]
    behind = right[one, every] - right[other, every]
    crossing = (ahead > _SAME) & (behind > _SAME)
    share = ahead[crossing] / (ahead[crossing] + behind[crossing])
    width = np.diff(grid)[crossing]
    within = (share * width > 2 * _SAME) & ((1.0 - share) * width > 2 * _SAME)
    found: Floats = (grid[:-1][crossing] + share * width)[within]
    return found


def _curve(grid: Floats, values: Floats) -> Curve:
    reached = np.isfinite(values)  # rounding may leave a sliver that no copy reaches
    lengths = np.diff(grid[reached])
    slopes = np.diff(values[reached]) / lengths
    kept_slopes, kept_lengths = [float(slopes[0])], [float(lengths[0])]
    for slope, length in zip(slopes[1:].tolist(), lengths[1:].tolist(), strict=True):
        before = kept_lengths[-1]
        # Two segments that differ by rounding are one, or the curve would gain corners for ever.
        if abs(slope - kept_slopes[-1]) * min(before, length) < _SAME:
            kept_slopes[-1] = (kept_slopes[-1] * before + slope * length) / (before + length)
            kept_lengths[-1] += length
        else:
            kept_slopes.append(slope)
            kept_lengths.append(length)
    return Curve(kept_slopes, kept_lengths)
