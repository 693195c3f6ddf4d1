"""The worth of stored energy as an exact curve of slopes: made backward in time, then asked for actions.

Costs are piecewise linear in the change of the stored energy. A `Curve` is the cost to go over the stored
energy, as segments (slope, length) from empty to full; minus its slope is the worth of one more stored kWh.
While everything is convex, the step from one curve to the one before it is a merge of sorted slopes; where it
is not (negative prices), `envelope.precede` takes over and slopes may fall.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from itertools import accumulate, pairwise
from typing import NamedTuple

from .battery import Limits, self_consumption

SMALL = 1e-12
"""kWh that are nothing."""
_TIE = 1e-9

Pieces = Sequence[tuple[float, float]]
"""Cost of a step, as (slope, length) from the largest discharge to the largest charge."""
Bands = Sequence[tuple[float, float]]
"""Grid tariff of a step, as (energy up to which the price holds in kWh, price), the last one infinite."""


class Curve(NamedTuple):
    """Cost to go over the stored energy; slopes in currency per kWh, lengths in kWh."""

    slopes: list[float]
    lengths: list[float]

    def worth(self, stored_kwh: float) -> float:
        """Return what one more stored kWh is worth here."""
        end = 0.0
        for slope, length in zip(self.slopes, self.lengths, strict=True):
            end += length
            if stored_kwh < end:
                return -slope
        return -self.slopes[-1]

    def value(self, stored_kwh: float) -> float:
        """Return what the stored energy is worth against an empty battery."""
        start = total = 0.0
        for slope, length in zip(self.slopes, self.lengths, strict=True):
            total -= slope * min(max(stored_kwh - start, 0.0), length)
            start += length
        return total


# ------------------------------------------------------------------------------------------- cost of one step


def step_pieces(net_kwh: float, import_price: float, export_price: float, limits: Limits) -> Pieces:
    """Return the cost of a step with one price for import and one for export."""
    _, up, down, into, out, wear = limits
    if net_kwh > 0.0:
        own = min(net_kwh / out, down)  # discharge that only displaces import
        return (
            (export_price * out - wear, down - own),
            (import_price * out - wear, own),
            (import_price / into, up),
        )
    own = min(-net_kwh * into, up)  # charge that only takes surplus
    return (export_price * out - wear, down), (export_price / into, own), (import_price / into, up - own)


def banded_pieces(net_kwh: float, bands: Bands, limits: Limits) -> Pieces:
    """Return the cost of a step for any grid tariff: limits, dearer import above a peak, curtailed export."""
    pieces, grid = [], net_kwh - limits.down * limits.discharge_efficiency
    ways = (
        (net_kwh, limits.discharge_efficiency, limits.wear),
        (net_kwh + limits.up / limits.charge_efficiency, 1.0 / limits.charge_efficiency, 0.0),
    )
    for end, factor, wear in ways:
        for top, price in bands:
            if grid >= end - SMALL:
                break
            stop = min(end, top)
            if stop > grid:
                pieces.append((price * factor - wear, (stop - grid) / factor))
                grid = stop
        grid = end
    return pieces


def rising(slopes: Sequence[float]) -> bool:
    """Whether the slopes never fall: convex."""
    return all(before <= after + SMALL for before, after in pairwise(slopes))


def convex(pieces: Pieces) -> bool:
    """Whether a step's cost is convex: always where no price is negative and import not below export."""
    return rising([slope for slope, length in pieces if length > SMALL])


def hull(pieces: Pieces) -> Pieces:
    """Return the lower convex hull of a step's cost."""
    kept: list[tuple[float, float]] = []
    for slope, length in pieces:
        if length <= SMALL:
            continue
        kept.append((slope, length))
        while len(kept) > 1 and kept[-2][0] >= kept[-1][0]:
            (first, ahead), (second, behind) = kept[-2:]
            kept[-2:] = [((first * ahead + second * behind) / (ahead + behind), ahead + behind)]
    return kept


# ------------------------------------------------------------------------------------------- backward in time


def terminal_curve(usable_kwh: float, worth_per_kwh: float, wanted_kwh: float | None = None) -> Curve:
    """Return the curve at the end of the horizon; a wanted level is a valley with steep sides."""
    if wanted_kwh is None:
        return Curve([-worth_per_kwh], [usable_kwh])
    low = min(max(wanted_kwh, 0.0), usable_kwh)
    return Curve([-1e3, 1e3], [low, usable_kwh - low])


def precede(curve: Curve, pieces: Pieces, up: float, down: float) -> Curve:
    """Return the curve one step earlier; both the curve and the pieces must be convex."""
    slopes, lengths = curve.slopes[:], curve.lengths[:]
    for slope, length in pieces:  # infimal convolution: merge the mirrored slopes
        if length > SMALL:
            at = bisect_left(slopes, -slope)
            if at < len(slopes) and slopes[at] == -slope:
                lengths[at] += length
            else:
                slopes.insert(at, -slope)
                lengths.insert(at, length)
    # It now spans [-up, usable + down]: cut back to what a battery can hold.
    cut, first = up, 0
    while first < len(lengths) - 1 and lengths[first] <= cut + 1e-15:
        cut -= lengths[first]
        first += 1
    lengths[first] -= cut
    cut, last = down, len(lengths) - 1
    while last > first and lengths[last] <= cut + 1e-15:
        cut -= lengths[last]
        last -= 1
    lengths[last] -= cut
    return Curve(slopes[first : last + 1], lengths[first : last + 1])


# ------------------------------------------------------------------------------------------------- one action


def act(
    curve: Curve, stored_kwh: float, net_kwh: float, pieces: Pieces, limits: Limits, tie: float = 0.0
) -> float:
    """Return the change of the stored energy for the curve after the step and the load that is there.

    Changes whose regret per kWh is at most `tie` count as equal; of them the one nearest to self-consumption
    is taken, so that ties never end in idling and forecasts that are nearly wrong cost nearly nothing.
    """
    if limits.usable <= SMALL:
        return 0.0
    if rising(curve.slopes) and convex(pieces):
        return act_convex(curve, stored_kwh, net_kwh, pieces, limits, tie)
    stored = min(max(stored_kwh, 0.0), limits.usable)
    return _act_anyhow(curve, stored, self_consumption(net_kwh, limits), pieces, limits, tie)


def act_convex(
    curve: Curve, stored_kwh: float, net_kwh: float, pieces: Pieces, limits: Limits, tie: float = 0.0
) -> float:
    """As `act`, for a curve and pieces that are known to be convex."""
    usable = limits.usable
    if usable <= SMALL or not pieces:
        return 0.0
    stored = min(max(stored_kwh, 0.0), usable)
    wanted = self_consumption(net_kwh, limits)
    slopes, lengths = curve
    low, high = max(0.0, stored - limits.down), min(usable, stored + limits.up)
    piece, piece_end = 0, stored - limits.down + pieces[0][1]
    while piece < len(pieces) - 1 and piece_end <= low + SMALL:
        piece += 1
        piece_end += pieces[piece][1]
    segment, segment_end = 0, lengths[0]
    while segment < len(lengths) - 1 and segment_end <= low + SMALL:
        segment += 1
        segment_end += lengths[segment]
    at, from_here, to_here = low, low, high
    while at < high - SMALL:
        slope = pieces[piece][0] + slopes[segment]
        end = min(piece_end, segment_end, high)
        if slope < -tie - _TIE:
            from_here = end
        elif slope > tie + _TIE:
            to_here = at
            break
        at = end
        if piece_end <= at + SMALL:
            if piece == len(pieces) - 1:
                break
            piece += 1
            piece_end += pieces[piece][1]
        if segment_end <= at + SMALL:
            if segment == len(lengths) - 1:
                break
            segment += 1
            segment_end += lengths[segment]
    return min(max(wanted, from_here - stored), max(to_here - stored, from_here - stored))


def _act_anyhow(
    curve: Curve, stored: float, wanted: float, pieces: Pieces, limits: Limits, tie: float
) -> float:
    """Try every corner of a cost that is not convex."""
    ends = [0.0, *accumulate(curve.lengths)]
    values = [0.0, *accumulate(slope * length for slope, length in zip(*curve, strict=True))]
    corners = [-limits.down, *(x - limits.down for x in accumulate(length for _, length in pieces))]
    costs = [0.0, *accumulate(slope * length for slope, length in pieces)]
    low, high = max(-limits.down, -stored), min(limits.up, limits.usable - stored)

    def cost(change: float) -> float:
        own = _interpolate(corners, costs, change) + _interpolate(ends, values, stored + change)
        return own + (tie + _TIE) * abs(change - wanted)

    tried = (*corners, *(end - stored for end in ends), low, high, min(max(wanted, low), high), 0.0)
    return min((change for change in tried if low <= change <= high), key=cost, default=0.0)


def _interpolate(xs: Sequence[float], ys: Sequence[float], x: float) -> float:
    if x <= xs[0]:
        return ys[0]
    if x >= xs[-1]:
        return ys[-1]
    after = bisect_left(xs, x)
    x0, x1 = xs[after - 1], xs[after]
    return ys[after - 1] + (ys[after] - ys[after - 1]) * ((x - x0) / (x1 - x0) if x1 > x0 else 0.0)
