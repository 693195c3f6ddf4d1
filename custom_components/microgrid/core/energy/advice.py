"""The default policy for now: from measurements and a tariff to the plan of the coming hours."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta, tzinfo

import numpy as np
from numpy.typing import NDArray

from .battery import Battery
from .clock import by_wall_hour, step_starts, utc, wall_hours
from .forecast import Expectation, expect
from .planning import Plan
from .policies import HORIZON_H
from .stochastic import DEFAULT_TIE, plan_under_uncertainty
from .tariff import Tariff

Floats = NDArray[np.float64]
_HOUR = timedelta(hours=1)
_REMEMBERED = timedelta(days=60)
"""Of measurements that forecasts are made from: enough for the ridge and the quantiles, and quick."""


def expect_from(
    starts: Sequence[datetime],
    load_kwh: Sequence[float] | Floats,
    solar_kwh: Sequence[float] | Floats,
    now: datetime,
    zone: tzinfo,
    hours: int = HORIZON_H,
    solar_members: Sequence[tuple[Sequence[datetime], Sequence[float]]] = (),
    present_load_kw: float = 0.0,
) -> tuple[Expectation, int]:
    """Return what is expected of the hours from the one that `now` lies in, and the wall hour of the first.

    The measured steps may have any length and holes; those of the hour of `now` and later are left out. Each
    of `solar_members` is another forecast as starts and kWh, for the past (as it was said) and the coming
    hours. `present_load_kw` is expected until something was measured.
    """
    first = _hour(now)
    since = first - _REMEMBERED
    rows = [at for at, start in enumerate(starts) if since <= utc(start) < first]
    kept = [starts[at] for at in rows]
    start, load = by_wall_hour(kept, [load_kwh[at] for at in rows], zone)
    _, solar = by_wall_hour(kept, [solar_kwh[at] for at in rows], zone)
    coming = wall_hours(step_starts(first, max(1, hours), _HOUR), zone)
    first_hour = int(coming[0])
    if not len(load):
        start = first_hour
    gap = (
        first_hour - start - len(load)
    )  # measurements may have stopped some time ago, or the clock was turned back
    load, solar = _ending(load, gap), _ending(solar, gap)
    ahead = int(coming[-1]) - first_hour + 1
    members = [_member(*member, start, len(load) + ahead, zone) for member in solar_members]
    found = expect(load, solar, ahead, start, members, present_load_kw)
    # By the clock on the wall an hour may be missing or come twice.
    at = coming - first_hour
    return Expectation(found.net_kwh[at], found.load_kwh[at], found.solar_kwh[at], found.errors), first_hour


def advise(
    expectation: Expectation,
    first_hour: int,
    tariff: Tariff,
    battery: Battery,
    stored_kwh: float,
    now: datetime,
    tie: float = DEFAULT_TIE,
) -> Plan:
    """Return the plan by the hour, from the hour that `now` lies in; see `plan_start`."""
    prices = tariff.prices(_hour(now), len(expectation.net_kwh), _HOUR)
    return plan_under_uncertainty(
        expectation,
        prices.import_price,
        prices.export_price,
        battery,
        stored_kwh,
        first_hour=first_hour,
        tie=tie,
    )


def plan_start(now: datetime) -> datetime:
    """Return when the first step of a plan made now begins: at the full hour."""
    return _hour(now)


def _hour(now: datetime) -> datetime:
    return utc(now).replace(minute=0, second=0, microsecond=0)


def _ending(series: Floats, gap: int) -> Floats:
    if gap >= 0:
        return np.concatenate([series, np.full(gap, np.nan)])
    return series[: len(series) + gap]


def _member(
    starts: Sequence[datetime], kwh: Sequence[float], first_hour: int, size: int, zone: tzinfo
) -> Floats:
    start, values = by_wall_hour(starts, kwh, zone)
    result = np.full(size, np.nan)
    for at, value in enumerate(values.tolist(), start - first_hour):
        if 0 <= at < size:
            result[at] = value
    return result
