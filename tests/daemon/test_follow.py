"""Mode `follow`: the same power as the planner's, from what travels with the schedule."""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from microgrid_core.contract.encode import schedule_payload
from microgrid_core.contract.messages import ScheduleCapability, ScheduleMode
from microgrid_core.contract.schedule import (
    Instruction,
    Interval,
    Schedule,
    current_instruction,
    parse_schedule,
)
from microgrid_core.energy.battery import Battery as Storage
from microgrid_core.energy.dispatch import schedule_of
from microgrid_core.energy.planning import DEFAULT_TIE, Outlook, plan
from microgrid_daemon.schedule.follow import FRESH, STEP_H, TIE, curve_of, follow, power

NOW = datetime(2026, 11, 21, 18, 0, tzinfo=UTC)
ALL = ScheduleCapability(tuple(ScheduleMode), 50_000.0, 50_000.0)
STORAGE = Storage(10.0, 5.0, 4.0, 0.95, 0.9, 0.02, 0.1, 0.95)
CURVE = ((10.0, 0.0004), (50.0, 0.0004), (50.002, 0.0001), (95.0, 0.0001))
PRICES = (0.0003, 0.00008)


def test_the_tie_is_the_planners() -> None:
    assert TIE == DEFAULT_TIE


@pytest.mark.parametrize("seed", range(40))
def test_the_power_is_that_of_the_plan(seed: int) -> None:
    """The plan's curve goes through the document and comes back as the same decision."""
    rng = random.Random(seed)
    storage = Storage(
        *(
            rng.uniform(3, 20),
            rng.uniform(1, 6),
            rng.uniform(1, 6),
            rng.uniform(0.85, 1),
            rng.uniform(0.85, 1),
        ),
        *(rng.choice((0.0, 0.03)), rng.uniform(0, 0.3), rng.uniform(0.8, 1.0)),
    )
    bought = [rng.choice((0.12, 0.28, 0.41)) for _ in range(48)]
    outlook = Outlook(0.5, [rng.uniform(-2, 2) for _ in range(48)], bought, [0.08] * 48)
    found = plan(outlook, storage, rng.uniform(0, storage.usable_kwh))
    written = schedule_of(
        found, NOW, storage, ALL, schedule_id="p", revision=1, issued_at=NOW - timedelta(minutes=1)
    )
    schedule = parse_schedule(schedule_payload(written), NOW)
    assert isinstance(schedule, Schedule)
    prices = (bought[0] / 1000.0, 0.08 / 1000.0)
    for _ in range(25):
        stored_kwh, net_kw = rng.uniform(0, storage.usable_kwh), rng.uniform(-8, 8)
        planned_kw = found.power_kw(storage, stored_kwh, net_kw, interval_h=STEP_H)
        percent = storage.state_of_charge_percent(stored_kwh)
        found_w = power(schedule.value_curve, prices, storage, percent, 1000.0 * net_kw)
        # Points have four decimals of a percent: at an edge of the curve that is a watt within a minute.
        assert found_w == pytest.approx(1000.0 * planned_kw, abs=1.5)
    follows = [one for one in schedule.intervals if one.mode is ScheduleMode.FOLLOW]
    for one in follows:
        assert one.prices is not None
        assert one.prices[0] == pytest.approx(bought[one.id] / 1000.0)
        assert one.prices[1] == 0.00008


@pytest.mark.parametrize(
    ("soc", "net_w", "expected_w"),
    [
        (80.0, 1500.0, 1500.0),  # what is stored is worth less than the grid's price
        (80.0, 6000.0, 4000.0),  # all that it can
        (30.0, 1500.0, -3750.0),  # worth more than the grid's price: bought, and not given away
        (30.0, -2000.0, -3750.0),
        (10.0, 1500.0, -3750.0),  # at the reserve nothing is given
        (95.0, -2000.0, 0.0),  # full
    ],
)
def test_energy_is_used_by_its_worth(soc: float, net_w: float, expected_w: float) -> None:
    storage = replace(STORAGE, charge_kw=3.75, charge_efficiency=1.0)
    assert power(CURVE, PRICES, storage, soc, net_w) == pytest.approx(expected_w, abs=0.01)


@pytest.mark.parametrize(("points", "prices"), [((), PRICES), (CURVE, None), ((), None)])
def test_without_a_curve_or_prices_the_meter_is_brought_to_zero(
    points: tuple[tuple[float, float], ...], prices: tuple[float, float] | None
) -> None:
    assert power(points, prices, STORAGE, 30.0, 1500.0) == pytest.approx(1500.0)
    assert power(points, prices, STORAGE, 30.0, -1500.0) == pytest.approx(-1500.0)
    assert power(points, prices, STORAGE, 30.0, 9000.0) == pytest.approx(4000.0)
    assert power(points, prices, STORAGE, 95.0, -1500.0) == 0.0
    assert power(points, prices, STORAGE, 10.0, 1500.0) == 0.0


def _planned(rate_w: float | None, issued_at: datetime) -> tuple[Schedule, Instruction]:
    interval = Interval(1, NOW, ScheduleMode.FOLLOW, rate_w, PRICES)
    schedule = Schedule("p", 1, issued_at, NOW + timedelta(days=1), ScheduleMode.FOLLOW, (interval,), CURVE)
    return schedule, current_instruction(schedule, NOW)


def test_an_old_curve_decides_nothing() -> None:
    fresh, planned = _planned(None, NOW - FRESH)
    assert follow(planned, fresh, NOW, STORAGE, 30.0, 1500.0).mode is ScheduleMode.CHARGE
    old, planned = _planned(None, NOW - FRESH - timedelta(seconds=1))
    done = follow(planned, old, NOW, STORAGE, 30.0, 1500.0)
    assert done.mode is ScheduleMode.DISCHARGE
    assert done.rate_w == pytest.approx(1500.0)
    assert done.interval == planned.interval


def test_a_rate_is_the_most_that_flows() -> None:
    schedule, planned = _planned(700.0, NOW)
    assert follow(planned, schedule, NOW, STORAGE, 80.0, 1500.0).rate_w == 700.0
    assert follow(planned, schedule, NOW, STORAGE, 30.0, 1500.0).rate_w == 700.0
    assert follow(planned, schedule, NOW, STORAGE, 95.0, -500.0).mode is ScheduleMode.IDLE


def test_a_curve_that_says_little_is_one_all_the_same() -> None:
    assert curve_of(((50.0, 0.0003),), STORAGE).lengths == [pytest.approx(STORAGE.usable_kwh)]
    assert curve_of(((0.0, 1.0), (4.0, 0.0003)), replace(STORAGE, reserve=0.5)).slopes == [-0.3]
    assert curve_of(CURVE, replace(STORAGE, capacity_kwh=0.0)).slopes == [0.0]
