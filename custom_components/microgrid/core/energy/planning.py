"""The plan of one battery: expected load and prices in, changes and worth out, and always an answer."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from operator import le
from statistics import median

from .battery import Battery, Limits, grid_energy
from .envelope import precede as precede_anyhow
from .value_curve import (
    Bands,
    Curve,
    Pieces,
    act,
    act_convex,
    banded_pieces,
    convex,
    hull,
    precede,
    rising,
    step_pieces,
    terminal_curve,
)

DEFAULT_TIE = 0.01
"""Currency per kWh within which a plan keeps to self-consumption; measured on a year of houses."""
TERMINAL_SHARE = 0.9
"""Of the usual import price, what energy left at the end of the horizon counts."""
OVER_LIMIT_PRICE = 10.0
"""Currency per kWh above a limit of the connection: dear enough to be avoided, and never infeasible."""
_MOST_KWH = 1e5
_MOST_PRICE = 1e4
_MOST_EXACT = 200  # steps that the exact form for dents is given, in a row; beyond them the hull is taken
_GOLDEN = (math.sqrt(5.0) - 1.0) / 2.0
_FORCED = 1e3  # currency per kWh above the peak that is being tried


@dataclass(frozen=True, slots=True)
class Outlook:
    """What is expected, one value a step; what is missing or no number is repaired, see `repaired`."""

    step_h: float
    net_kwh: Sequence[float]
    """Load minus solar yield; its length is that of the plan."""
    import_price: Sequence[float]
    export_price: Sequence[float]
    import_limit_kw: float | None = None
    export_limit_kw: float | None = None
    """What is above it is curtailed."""
    over_limit_price: float = OVER_LIMIT_PRICE
    """What import above its limit costs more, per kWh."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What a battery shall do, and what its energy is worth at every step."""

    outlook: Outlook
    limits: Limits
    stored_kwh: tuple[float, ...]
    """Above the reserve, before each step and after the last one."""
    curves: tuple[Curve, ...]
    """Cost to go before each step and after the last one; `curves[t + 1]` decides step t."""
    peak_kw: float | None = None
    """Import that the plan keeps below because of a demand charge."""
    remarks: tuple[str, ...] = ()
    """What had to be repaired in the outlook."""

    @property
    def change_kwh(self) -> list[float]:
        """Change of the stored energy in each step."""
        return [after - before for before, after in pairwise(self.stored_kwh)]

    @property
    def battery_kwh(self) -> list[float]:
        """What the battery gives (+) or takes at the meter's side in each step."""
        into, out = self.limits.charge_efficiency, self.limits.discharge_efficiency
        return [0.0 - grid_energy(change, into, out) for change in self.change_kwh]

    @property
    def grid_kwh(self) -> list[float]:
        """Import (+) or export in each step."""
        return [net - battery for net, battery in zip(self.outlook.net_kwh, self.battery_kwh, strict=True)]

    @property
    def cost(self) -> float:
        """Expected bill with wear, less nothing for what stays stored."""
        return sum(
            evaluate(step_cost, self.limits.down, change) + base
            for (step_cost, base), change in zip(
                map(self._cost, range(self.steps)), self.change_kwh, strict=True
            )
        )

    @property
    def steps(self) -> int:
        """Number of steps."""
        return len(self.outlook.net_kwh)

    def worth(self, step: int = 0) -> float:
        """Return what one more stored kWh is worth before a step, at the level planned there."""
        return self.curves[step].worth(self.stored_kwh[step])

    def act(self, stored_kwh: float, net_kwh: float, step: int = 0, tie: float = DEFAULT_TIE) -> float:
        """Return the change of the stored energy for the load that is really there."""
        net = net_kwh if math.isfinite(net_kwh) else self.outlook.net_kwh[step]
        pieces = pieces_at(self.outlook, step, self.limits, net)
        return act(self.curves[step + 1], stored_kwh, net, pieces, self.limits, tie)

    def power_kw(
        self,
        battery: Battery,
        stored_kwh: float,
        net_kw: float,
        step: int = 0,
        *,
        interval_h: float = 1.0 / 60.0,
        tie: float = DEFAULT_TIE,
    ) -> float:
        """Return the power that the battery should give (+) or take until it is asked again.

        `interval_h` is when that will be. Within a step the same curve decides, whatever the load does.
        """
        limits = battery.limits(interval_h)
        net = net_kw if math.isfinite(net_kw) else self.outlook.net_kwh[step] / self.outlook.step_h
        now = replace(self.outlook, step_h=interval_h)
        pieces = pieces_at(now, step, limits, net * interval_h)
        change = act(self.curves[step + 1], stored_kwh, net * interval_h, pieces, limits, tie)
        return 0.0 - grid_energy(change, limits.charge_efficiency, limits.discharge_efficiency) / interval_h

    def _cost(self, step: int) -> tuple[Pieces, float]:
        """Return the pieces of a step and the cost of its largest discharge, where they begin."""
        outlook, limits, net = self.outlook, self.limits, self.outlook.net_kwh[step]
        start = net - limits.down * limits.discharge_efficiency
        base = limits.wear * limits.down
        for low, high, price in _price_bands(outlook, step):
            if start >= 0.0:
                base += price * max(0.0, min(start, high) - max(low, 0.0))
            else:
                base -= price * max(0.0, min(0.0, high) - max(low, start))
        return pieces_at(outlook, step, limits, net), base


def plan(
    outlook: Outlook,
    battery: Battery,
    stored_kwh: float,
    *,
    terminal_worth: float | None = None,
    wanted_kwh: float | None = None,
    tie: float = 0.0,
) -> Plan:
    """Return the cheapest plan.

    `stored_kwh` counts above the reserve, as `wanted_kwh` for the end does; levels outside of what is
    possible plan from the nearest one. `terminal_worth` is what a stored kWh counts at the end (default: see
    `usual_worth`).
    """
    outlook, remarks = repaired(outlook)
    limits = battery.limits(outlook.step_h)
    if terminal_worth is None or not math.isfinite(terminal_worth):
        terminal_worth = usual_worth(outlook.import_price, limits.discharge_efficiency)
    if wanted_kwh is not None and not math.isfinite(wanted_kwh):
        wanted_kwh = None
    end = terminal_curve(limits.usable, terminal_worth, wanted_kwh)
    costs = costs_of(outlook, limits)
    smooth = _smooth(outlook)
    curves = backward(costs, end, limits, smooth)
    levels = forward(curves, costs, stored_kwh, outlook.net_kwh, limits, tie, smooth)
    return Plan(outlook, limits, tuple(levels), tuple(curves), remarks=remarks)


def backward(costs: Sequence[Pieces], end: Curve, limits: Limits, smooth: bool = False) -> list[Curve]:
    """Return the curves before each step and after the last one; `smooth`: all steps are convex."""
    curve, curves, dented = end, [end], 0
    up, down = limits.up, limits.down
    if smooth:
        for pieces in reversed(costs):
            curve = precede(curve, pieces, up, down)
            curves.append(curve)
        curves.reverse()
        return curves
    fine = rising(end.slopes)
    for pieces in reversed(costs):
        straight = convex(pieces)
        if fine and straight:
            curve = precede(curve, pieces, up, down)
        elif dented >= _MOST_EXACT:
            curve = precede(_convexified(curve), hull(pieces), up, down)
            fine = True
        else:
            curve = precede_anyhow(curve, pieces, up, down)
            fine = rising(curve.slopes)
            dented += 1
        curves.append(curve)
    curves.reverse()
    return curves


def forward(
    curves: Sequence[Curve],
    costs: Sequence[Pieces],
    stored_kwh: float,
    net_kwh: Sequence[float],
    limits: Limits,
    tie: float,
    smooth: bool = False,
) -> list[float]:
    """Return the stored energy before each step and after the last one, following the curves."""
    action = act_convex if smooth else act
    stored = min(max(stored_kwh, 0.0), limits.usable) if math.isfinite(stored_kwh) else 0.0
    levels = [stored]
    for step, pieces in enumerate(costs):
        stored += action(curves[step + 1], stored, net_kwh[step], pieces, limits, tie)
        stored = min(max(stored, 0.0), limits.usable)  # rounding
        levels.append(stored)
    return levels


def plan_with_demand_charge(
    outlook: Outlook,
    battery: Battery,
    stored_kwh: float,
    *,
    charge_per_kw: float,
    peak_kw: float = 0.0,
    terminal_worth: float | None = None,
    tie: float = 0.0,
) -> Plan:
    """Return the cheapest plan where the highest import of the period costs as well.

    `peak_kw` was reached in the period already and is paid for. The cost is convex in the peak, so it is
    found by golden section.
    """
    outlook, remarks = repaired(outlook)
    limits = battery.limits(outlook.step_h)
    paid = max(peak_kw, 0.0) if math.isfinite(peak_kw) else 0.0
    charge = max(charge_per_kw, 0.0) if math.isfinite(charge_per_kw) else 0.0
    free = plan(outlook, battery, stored_kwh, terminal_worth=terminal_worth, tie=tie)
    low, high = paid, max([paid, *(grid / outlook.step_h for grid in free.grid_kwh)])

    def capped(peak: float) -> Plan:
        tight = replace(outlook, import_limit_kw=peak, over_limit_price=_FORCED)
        return plan(tight, battery, stored_kwh, terminal_worth=terminal_worth, tie=tie)

    if terminal_worth is None:
        terminal_worth = usual_worth(outlook.import_price, limits.discharge_efficiency)

    def cost(found: Plan, peak: float) -> float:
        return found.cost + charge * (peak - paid) - terminal_worth * found.stored_kwh[-1]

    for _ in range(60):
        if high - low < 1e-7:
            break
        one, other = high - _GOLDEN * (high - low), low + _GOLDEN * (high - low)
        if cost(capped(one), one) <= cost(capped(other), other):
            high = other
        else:
            low = one
    best = capped(high)
    return replace(best, peak_kw=high, remarks=remarks)


def usual_worth(import_price: Sequence[float], discharge_efficiency: float) -> float:
    """Return what energy left at the end of a horizon counts: a little less than the usual import price."""
    if not import_price:
        return 0.0
    usual = min(sum(import_price) / len(import_price), median(import_price))
    return max(0.0, TERMINAL_SHARE * discharge_efficiency * usual)


# --------------------------------------------------------------------------------------------- cost of a step


def costs_of(outlook: Outlook, limits: Limits) -> list[Pieces]:
    """Return the cost of every step at its expected load."""
    if outlook.import_limit_kw is not None or outlook.export_limit_kw is not None:
        return [pieces_at(outlook, step, limits, net) for step, net in enumerate(outlook.net_kwh)]
    columns = zip(outlook.net_kwh, outlook.import_price, outlook.export_price, strict=True)
    return [step_pieces(net, bought, sold, limits) for net, bought, sold in columns]


def pieces_at(outlook: Outlook, step: int, limits: Limits, net_kwh: float) -> Pieces:
    """Return the cost of a step of an outlook at any load."""
    if outlook.import_limit_kw is None and outlook.export_limit_kw is None:
        return step_pieces(net_kwh, outlook.import_price[step], outlook.export_price[step], limits)
    bands: Bands = [(high, price) for _, high, price in _price_bands(outlook, step)]
    return banded_pieces(net_kwh, bands, limits)


def _smooth(outlook: Outlook) -> bool:
    """Whether the cost of every step is convex by its prices alone."""
    exports = outlook.export_price
    return (
        min(exports, default=0.0) >= 0.0
        and outlook.over_limit_price >= 0.0
        and all(map(le, exports, outlook.import_price))
    )


def evaluate(pieces: Pieces, down: float, change: float) -> float:
    """Return the cost of a change against that of the largest discharge."""
    total, at = 0.0, -down
    for slope, length in pieces:
        total += slope * min(max(change - at, 0.0), length)
        at += length
    return total


def _price_bands(outlook: Outlook, step: int) -> list[tuple[float, float, float]]:
    """Return from, to and price of each band of the grid energy."""
    bands = []
    low = -math.inf
    if outlook.export_limit_kw is not None:
        low = -max(0.0, outlook.export_limit_kw) * outlook.step_h
        bands.append((-math.inf, low, 0.0))
    bands.append((low, 0.0, outlook.export_price[step]))
    if outlook.import_limit_kw is None:
        bands.append((0.0, math.inf, outlook.import_price[step]))
    else:
        top, price = max(0.0, outlook.import_limit_kw) * outlook.step_h, outlook.import_price[step]
        bands += [(0.0, top, price), (top, math.inf, price + outlook.over_limit_price)]
    return bands


def _convexified(curve: Curve) -> Curve:
    kept = hull(list(zip(curve.slopes, curve.lengths, strict=True)))
    return Curve([slope for slope, _ in kept], [length for _, length in kept])


# ---------------------------------------------------------------------------------------------------- repairs


def repaired(outlook: Outlook) -> tuple[Outlook, tuple[str, ...]]:
    """Return an outlook that can be planned with, and what was changed in it.

    A missing value becomes that of the same hour of the day before, or after; without any it is zero, and
    with equal prices everywhere a battery keeps to self-consumption.
    """
    step_h = outlook.step_h
    steps = len(outlook.net_kwh)
    if (
        0.0 < step_h <= 24.0
        and len(outlook.import_price) == steps == len(outlook.export_price)
        and _sound(outlook.net_kwh, _MOST_KWH)
        and _sound(outlook.import_price, _MOST_PRICE)
        and _sound(outlook.export_price, _MOST_PRICE)
        and outlook.import_limit_kw == _limit(outlook.import_limit_kw)
        and outlook.export_limit_kw == _limit(outlook.export_limit_kw)
        and 0.0 <= outlook.over_limit_price <= _MOST_PRICE
    ):
        return outlook, ()
    remarks = []
    if not 0.0 < step_h <= 24.0:
        remarks.append(f"a step of {step_h} h cannot be: 1 h is taken")
        step_h = 1.0
    day = max(1, round(24.0 / step_h))
    columns = []
    for name, values, most in (
        ("net load", outlook.net_kwh, _MOST_KWH),
        ("import price", outlook.import_price, _MOST_PRICE),
        ("export price", outlook.export_price, _MOST_PRICE),
    ):
        column, missing = filled_by_day(values, steps, day, most)
        columns.append(column)
        if missing:
            remarks.append(
                f"{name}: {missing} of {steps} steps missing, taken from the same hour of another day"
            )
    net_kwh, import_price, export_price = columns
    over_limit_price = outlook.over_limit_price
    return Outlook(
        step_h,
        net_kwh,
        import_price,
        export_price,
        _limit(outlook.import_limit_kw),
        _limit(outlook.export_limit_kw),
        over_limit_price if 0.0 <= over_limit_price <= _MOST_PRICE else OVER_LIMIT_PRICE,
    ), tuple(remarks)


def _limit(limit_kw: float | None) -> float | None:
    """Return a limit of the connection; none where it is no number that can be."""
    return limit_kw if limit_kw is not None and 0.0 <= limit_kw < math.inf else None


def _sound(values: Sequence[float], most: float) -> bool:
    # A sum is not finite when one of its terms is not; NaN passes no comparison.
    return not values or (math.isfinite(sum(values)) and max(values) <= most and min(values) >= -most)


def filled_by_day(
    values: Sequence[float], steps: int, day: int, most: float = _MOST_KWH
) -> tuple[list[float], int]:
    """Return so many steps, what is missing taken from the same step of another day, and its number."""
    good = [value if -most <= value <= most else None for value in values[:steps]]
    good += [None] * (steps - len(good))
    missing = good.count(None)
    filled: list[float | None] = list(good)
    for at in range(day, steps):
        if filled[at] is None:
            filled[at] = filled[at - day]
    for at in range(steps - day - 1, -1, -1):
        if filled[at] is None:
            filled[at] = filled[at + day]
    known = [value for value in filled if value is not None]
    usual = median(known) if known else 0.0
    return [usual if value is None else value for value in filled], missing
