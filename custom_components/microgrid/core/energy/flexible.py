"""Loads that can run earlier or later, such as a heat pump with its store: planned together with the battery.

The shift is a store of its own: running ahead fills it, running behind empties it. Battery and shift are
planned in turn, each with the other's result as given, until neither gets cheaper; so the pair is never
dearer than the battery alone. It is not always the joint optimum.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from .battery import Battery, Limits
from .planning import Outlook, Plan, backward, plan, repaired, usual_worth
from .value_curve import Pieces, act, step_pieces, terminal_curve

_ROUNDS = 4
_BETTER = 1e-9


@dataclass(frozen=True, slots=True)
class FlexibleLoad:
    """A load that must run as long as planned, but not just then."""

    expected_kwh: Sequence[float]
    """Part of the net load, a step: what it takes when nobody shifts it."""
    most_kw: float
    ahead_kwh: float
    """Electric energy that it may be ahead of the expected: the store is then full."""
    behind_kwh: float
    """Electric energy that it may be behind."""
    loss: float = 0.0
    """Share of what runs ahead that is lost, for a warmer store loses more."""
    now_kwh: float = 0.0
    """By how much it is ahead (+) or behind at the beginning."""


@dataclass(frozen=True, slots=True)
class FlexiblePlan:
    """A battery's plan with the load where it is cheapest."""

    plan: Plan
    """Its net load has the shifted load in it."""
    load_kwh: tuple[float, ...]
    """What the flexible load takes in each step."""
    saving: float
    """Against the battery alone."""


def plan_with_load(
    outlook: Outlook, battery: Battery, stored_kwh: float, load: FlexibleLoad, *, tie: float = 0.0
) -> FlexiblePlan:
    """Plan a battery and a load that can be shifted; at the end of the horizon the load has caught up."""
    outlook, remarks = repaired(outlook)
    expected = _fitting(load, len(outlook.net_kwh), outlook.step_h)
    worth = usual_worth(outlook.import_price, battery.limits(outlook.step_h).discharge_efficiency)

    def total(found: Plan) -> float:
        return found.cost - worth * found.stored_kwh[-1]

    first = best = plan(outlook, battery, stored_kwh, terminal_worth=worth, tie=tie)
    shifted = expected
    for _ in range(_ROUNDS):
        without = [net - taken for net, taken in zip(best.outlook.net_kwh, shifted, strict=True)]
        around = [rest - given for rest, given in zip(without, best.battery_kwh, strict=True)]
        taken = _shift(outlook, load, expected, around)
        together = [rest + more for rest, more in zip(without, taken, strict=True)]
        found = plan(replace(outlook, net_kwh=together), battery, stored_kwh, terminal_worth=worth, tie=tie)
        if total(found) >= total(best) - _BETTER:
            break
        best, shifted = found, taken
    return FlexiblePlan(replace(best, remarks=remarks), tuple(shifted), total(first) - total(best))


def _shift(outlook: Outlook, load: FlexibleLoad, expected: list[float], around: list[float]) -> list[float]:
    """Return the load of each step, cheapest with everything else given."""
    ahead, behind = (
        max(value, 0.0) if math.isfinite(value) else 0.0 for value in (load.ahead_kwh, load.behind_kwh)
    )
    most = max(load.most_kw, 0.0) * outlook.step_h if math.isfinite(load.most_kw) else 0.0
    into = 1.0 - min(max(load.loss, 0.0), 0.9) if math.isfinite(load.loss) else 1.0
    costs: list[Pieces] = []
    limits: list[Limits] = []
    for step, usual in enumerate(expected):
        up, down = max(0.0, most - usual) * into, usual
        one = Limits(ahead + behind, min(up, ahead + behind), min(down, ahead + behind), into, 1.0, 0.0)
        limits.append(one)
        net = around[step] + usual
        costs.append(step_pieces(net, outlook.import_price[step], outlook.export_price[step], one))
    curve = terminal_curve(ahead + behind, 0.0, behind)
    curves = [curve]
    for pieces, one in zip(reversed(costs), reversed(limits), strict=True):
        curve = backward([pieces], curve, one)[0]
        curves.append(curve)
    curves.reverse()
    now = load.now_kwh if math.isfinite(load.now_kwh) else 0.0
    levels = [min(max(behind + now, 0.0), ahead + behind)]
    for step, one in enumerate(limits):
        # Ties go to "as expected": a shift that gains nothing is not made.
        change = act(curves[step + 1], levels[-1], 0.0, costs[step], one)
        levels.append(levels[-1] + change)
    return [
        usual + (change / into if change > 0.0 else change)
        for usual, change in zip(
            expected, (after - before for before, after in pairwise(levels)), strict=True
        )
    ]


def _fitting(load: FlexibleLoad, steps: int, step_h: float) -> list[float]:
    most = max(load.most_kw, 0.0) * step_h if math.isfinite(load.most_kw) else 0.0
    values = [value if math.isfinite(value) else 0.0 for value in load.expected_kwh[:steps]]
    return [min(max(value, 0.0), most) for value in (*values, *[0.0] * (steps - len(values)))]
