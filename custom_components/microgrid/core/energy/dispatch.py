"""A plan as the schedule that a battery executes: half hours with mode and rate, and a value curve."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime, timedelta

from ..contract.messages import ScheduleCapability, ScheduleMode
from ..contract.schedule import (
    DEFAULT_MODES,
    INTERVAL,
    MAX_CURVE_POINTS,
    MAX_INTERVALS,
    MAX_VALUE_PER_WH,
    Interval,
    Schedule,
)
from .battery import Battery, Limits
from .clock import utc
from .planning import Plan
from .value_curve import Curve

_INTERVAL_H = INTERVAL / timedelta(hours=1)
_SAME_SHARE = 0.02  # of the energy an interval could move: nearer to self-consumption than this is `follow`
_LEAST_W = 20.0
_CORNER = 1e-3  # % of charge between the two ends of a corner, for points must rise


@dataclass(frozen=True, slots=True)
class _Part:
    """What a plan wants within an interval, at the meter's side, kWh; discharge positive."""

    battery_kwh: float = 0.0
    followed_kwh: float = 0.0
    """What self-consumption would do."""
    hours: float = 0.0
    bought: float = 0.0
    """Prices per kWh of import and export, times hours."""
    sold: float = 0.0


def schedule_of(
    plan: Plan,
    start: datetime,
    battery: Battery,
    capability: ScheduleCapability,
    *,
    schedule_id: str,
    revision: int,
    issued_at: datetime,
) -> Schedule:
    """Return the schedule of a plan whose first step begins at `start`.

    Steps may be of any length; the half hour that `start` lies in is the first interval. What the first step
    shall move is moved in what is left of it when the schedule is issued, but no more for the load and from
    the sun than these have left. `follow` wherever the plan does what self-consumption would do, with a rate
    where it does less; `charge` from the grid, `discharge` into it; `idle` where it keeps what it has. A node
    that cannot follow gets the planned power instead. Behind the plan and without a clock the default
    applies: follow where the node can, or idle.
    """
    begin = utc(start)
    first = begin - timedelta(minutes=begin.minute % 30, seconds=begin.second, microseconds=begin.microsecond)
    gone_h = (utc(issued_at) - begin) / timedelta(hours=1)
    parts = _parts(plan, (begin - first) / timedelta(hours=1), gone_h)[:MAX_INTERVALS]
    intervals = tuple(
        _interval(number, first + number * INTERVAL, part, capability) for number, part in enumerate(parts)
    )
    follows = ScheduleMode.FOLLOW in capability.modes
    default = ScheduleMode.FOLLOW if follows else ScheduleMode.IDLE
    assert default in DEFAULT_MODES
    return Schedule(
        schedule_id=schedule_id,
        revision=revision,
        issued_at=utc(issued_at),
        valid_until=first + len(parts) * INTERVAL,
        default=default,
        intervals=intervals,
        value_curve=curve_points(plan.curves[min(1, plan.steps)], battery) if follows else (),
    )


def curve_points(curve: Curve, battery: Battery) -> tuple[tuple[float, float], ...]:
    """Return a curve as pairs of state of charge in % and worth of a stored Wh, both ends of every segment.

    With more segments than fit their middles are given, thinned out evenly.
    """
    usable = battery.usable_kwh
    if usable <= 0.0:
        return ()
    ends, at = [], 0.0
    for slope, length in zip(curve.slopes, curve.lengths, strict=True):
        worth = min(max(-slope / 1000.0, -MAX_VALUE_PER_WH), MAX_VALUE_PER_WH)
        low, high = battery.state_of_charge_percent(at), battery.state_of_charge_percent(at + length)
        at += length
        if high - low > 4 * _CORNER:
            ends.append((min(low, 100.0) + _CORNER, min(high, 100.0) - _CORNER, worth))
    if 2 * len(ends) <= MAX_CURVE_POINTS:
        return tuple((round(percent, 4), worth) for low, high, worth in ends for percent in (low, high))
    every = -(-len(ends) // MAX_CURVE_POINTS)
    return tuple((round((low + high) / 2.0, 4), worth) for low, high, worth in ends[::every])


def _parts(plan: Plan, offset_h: float, gone_h: float) -> list[_Part]:
    """Spread the steps over half hours, which may be longer or shorter; `gone_h` of the first are over."""
    limits, step_h = plan.limits, plan.outlook.step_h
    count = math.ceil((offset_h + plan.steps * step_h) / _INTERVAL_H - 1e-9)
    parts = [_Part()] * count
    for step, planned in enumerate(plan.battery_kwh):
        net_kwh, stored_kwh = plan.outlook.net_kwh[step], plan.stored_kwh[step]
        given, followed = planned, _followed(net_kwh, stored_kwh, limits)
        low, end = offset_h + step * step_h, offset_h + (step + 1) * step_h
        if step == 0 and 0.0 < gone_h < step_h:
            low += gone_h
            left = _followed(net_kwh, stored_kwh, limits, (end - low) / step_h)
            given, followed = _still(given, followed, left), left
        number, length = int(low / _INTERVAL_H + 1e-9), end - low
        while low < end - 1e-9 and number < count:
            high = min(end, (number + 1) * _INTERVAL_H)
            share = (high - low) / length
            before = parts[number]
            parts[number] = _Part(
                before.battery_kwh + given * share,
                before.followed_kwh + followed * share,
                before.hours + high - low,
                before.bought + float(plan.outlook.import_price[step]) * (high - low),
                before.sold + float(plan.outlook.export_price[step]) * (high - low),
            )
            low, number = high, number + 1
    return parts


def _still(given: float, followed: float, left: float) -> float:
    """Return what is still to be given in a step that has begun; `left` is what following would give yet.

    Load and sun of what is over do not come again; what goes beyond them does not depend on the time.
    """
    if given * followed <= 0.0:
        return given
    if abs(given) > abs(followed):
        return given - followed + left
    return math.copysign(min(abs(given), abs(left)), given)


def _followed(net_kwh: float, stored_kwh: float, limits: Limits, share: float = 1.0) -> float:
    """Return what self-consumption would give (+) or take within a share of a step."""
    into, out = limits.charge_efficiency, limits.discharge_efficiency
    if net_kwh >= 0.0:
        return min(net_kwh * share, min(limits.down * share, stored_kwh) * out)
    return -min(-net_kwh * share, min(limits.up * share, limits.usable - stored_kwh) / into)


def _interval(number: int, start: datetime, part: _Part, capability: ScheduleCapability) -> Interval:
    mode, rate_w = _mode(part)
    if mode is ScheduleMode.FOLLOW and mode not in capability.modes:
        mode, rate_w = _fixed(part)
    if mode not in capability.modes:
        return Interval(number, start, ScheduleMode.IDLE)
    most = {
        ScheduleMode.CHARGE: capability.max_charge_w,
        ScheduleMode.DISCHARGE: capability.max_discharge_w,
    }.get(mode, math.inf)
    prices = _prices(part) if mode is ScheduleMode.FOLLOW else None
    return Interval(number, start, mode, None if rate_w is None else min(float(round(rate_w)), most), prices)


def _prices(part: _Part) -> tuple[float, float] | None:
    """Return the mean prices per Wh, for a battery that meets another load than was expected."""
    if not part.hours:
        return None
    prices = tuple(round(total / part.hours / 1000.0, 9) for total in (part.bought, part.sold))
    usable = all(math.isfinite(price) and abs(price) <= MAX_VALUE_PER_WH for price in prices)
    return (prices[0], prices[1]) if usable else None


def _mode(part: _Part) -> tuple[ScheduleMode, float | None]:
    given, followed = part.battery_kwh, part.followed_kwh
    near = max(_SAME_SHARE * abs(followed), _LEAST_W / 1000.0 * part.hours)
    if abs(given - followed) <= near:
        return ScheduleMode.FOLLOW, None
    if abs(given) <= near:
        return ScheduleMode.IDLE, None
    if given * followed > 0.0 and abs(given) < abs(followed):
        return ScheduleMode.FOLLOW, _watts(part)
    return _fixed(part)


def _fixed(part: _Part) -> tuple[ScheduleMode, float | None]:
    if _watts(part) < _LEAST_W:
        return ScheduleMode.IDLE, None
    return (ScheduleMode.DISCHARGE if part.battery_kwh > 0.0 else ScheduleMode.CHARGE), _watts(part)


def _watts(part: _Part) -> float:
    return 1000.0 * abs(part.battery_kwh) / part.hours if part.hours else 0.0
