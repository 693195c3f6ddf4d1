"""Mode `follow`: the power of a battery for the load that is there, by what its energy is worth.

The arithmetic is the planner's own (`core/energy`, the part of it that needs no numpy). Without prices, or
when the curve has grown old, the battery takes the surplus and gives for the load, as every inverter does.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Final

from microgrid_core.contract.messages import ScheduleMode
from microgrid_core.contract.schedule import Instruction, Schedule
from microgrid_core.energy.battery import Battery as Storage, grid_energy, self_consumption
from microgrid_core.energy.value_curve import Curve, act, step_pieces

STEP_H: Final = 1.0 / 60.0
"""Ahead of so much a power is chosen, as in `Plan.power_kw`: towards an edge of the curve it fades out."""
FRESH: Final = timedelta(hours=2)
"""A curve is what energy was worth when it was issued; the evening makes another one of the noon's."""
TIE: Final = 0.01
"""Currency per kWh within which following goes before trading; the planner's own."""
_LEAST_W: Final = 1.0

Points = Sequence[tuple[float, float]]
Prices = tuple[float, float]


def follow(
    planned: Instruction,
    schedule: Schedule | None,
    now: datetime | None,
    storage: Storage,
    soc_percent: float,
    net_w: float,
) -> Instruction:
    """Return what following means now: charge, discharge or rest, with a power at the meter's side."""
    interval = planned.interval
    points: Points = ()
    if schedule is not None and now is not None and now - schedule.issued_at <= FRESH:
        points = schedule.value_curve
    power_w = power(points, None if interval is None else interval.prices, storage, soc_percent, net_w)
    if planned.rate_w is not None:
        power_w = min(max(power_w, -planned.rate_w), planned.rate_w)
    if abs(power_w) < _LEAST_W:
        return replace(planned, mode=ScheduleMode.IDLE, rate_w=None)
    mode = ScheduleMode.DISCHARGE if power_w > 0.0 else ScheduleMode.CHARGE
    return replace(planned, mode=mode, rate_w=abs(power_w))


def power(points: Points, prices: Prices | None, storage: Storage, soc_percent: float, net_w: float) -> float:
    """Return the power in W that the battery should give (+) or take."""
    limits = storage.limits(STEP_H)
    stored_kwh = storage.stored_kwh(soc_percent)
    net_kwh = net_w / 1000.0 * STEP_H
    if points and prices is not None:
        bought, sold = (1000.0 * price for price in prices)
        curve = curve_of(points, storage)
        pieces = step_pieces(net_kwh, bought, sold, limits)
        change = act(curve, stored_kwh, net_kwh, pieces, limits, TIE)
    else:
        most, least = min(limits.up, limits.usable - stored_kwh), -min(limits.down, stored_kwh)
        change = min(max(self_consumption(net_kwh, limits), least), most)
    return 0.0 - 1000.0 * grid_energy(change, limits.charge_efficiency, limits.discharge_efficiency) / STEP_H


def curve_of(points: Points, storage: Storage) -> Curve:
    """Return the curve that `core/energy/dispatch.curve_points` made points of: each rules to half way."""
    percents = [percent for percent, _ in points]
    ends = [0.0, *((low + high) / 2.0 for low, high in pairwise(percents)), 100.0]
    slopes, lengths = [], []
    for (low, high), (_, worth_per_wh) in zip(pairwise(ends), points, strict=True):
        length = storage.stored_kwh(high) - storage.stored_kwh(low)
        if length > 0.0:
            slopes.append(-1000.0 * worth_per_wh)
            lengths.append(length)
    return Curve(slopes, lengths) if slopes else Curve([0.0], [storage.usable_kwh])
