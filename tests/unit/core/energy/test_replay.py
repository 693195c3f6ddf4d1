"""Policies replayed: bounds, who may know what, and that the default saves what there is to save."""

from __future__ import annotations

import csv
import gzip
import math
import os
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from microgrid_core.energy.battery import Battery
from microgrid_core.energy.history import History
from microgrid_core.energy.policies import (
    CheapestHours,
    Decide,
    FixedSetPoints,
    NoBattery,
    PerfectForesight,
    Policy,
    Stochastic,
    ValueCurve,
    all_policies,
)
from microgrid_core.energy.replay import Comparison, bill, compare, replay
from tests.unit.core.energy.houses import START, history

BATTERY = Battery(9.0, 5.0, 5.0)
SKIP = 28 * 24
CAUSAL = [one for one in all_policies() if not isinstance(one, PerfectForesight)]


@pytest.mark.parametrize("policy", all_policies(), ids=lambda one: one.name)
@pytest.mark.parametrize("steps_an_hour", [1, 4])
def test_every_policy_keeps_within_the_battery(policy: Policy, steps_an_hour: int) -> None:
    measured = history(9, tariff="dynamic", steps_an_hour=steps_an_hour)
    found = replay(measured, BATTERY, policy)
    limits = BATTERY.limits(measured.step_h)
    assert found.stored_kwh.min() >= -1e-9
    assert found.stored_kwh.max() <= limits.usable + 1e-9
    assert np.abs(np.diff(found.stored_kwh)).max() <= max(limits.up, limits.down) + 1e-9
    into = np.maximum(found.change_kwh, 0.0).sum() / limits.charge_efficiency
    out = np.maximum(-found.change_kwh, 0.0).sum() * limits.discharge_efficiency
    assert found.grid_kwh.sum() == pytest.approx(measured.net_kwh.sum() + into - out)
    assert found.bill.import_kwh - found.bill.export_kwh == pytest.approx(found.grid_kwh.sum())


@pytest.mark.parametrize("policy", CAUSAL, ids=lambda one: one.name)
def test_no_policy_sees_the_future(policy: Policy) -> None:
    """All loads and yields after an hour are changed: what was done up to it stays the same."""
    measured, now = history(16, tariff="dynamic"), 14 * 24 + 7
    dice = np.random.default_rng(5)
    load, solar = measured.load_kwh.copy(), measured.solar_kwh.copy()
    load[now + 1 :] = dice.uniform(0.0, 9.0, len(load) - now - 1)
    solar[now + 1 :] = dice.uniform(0.0, 9.0, len(load) - now - 1)
    other = replace(measured, load_kwh=load, solar_kwh=solar)
    one, two = replay(measured, BATTERY, policy), replay(other, BATTERY, policy)
    assert one.change_kwh[: now + 1] == pytest.approx(two.change_kwh[: now + 1], abs=1e-12)


@pytest.mark.parametrize("policy", CAUSAL, ids=lambda one: one.name)
def test_no_policy_sees_prices_before_they_are_published(policy: Policy) -> None:
    measured, now = history(16, tariff="dynamic"), 14 * 24 + 7  # before 13:00: today's prices alone
    bought = measured.import_price.copy()
    bought[15 * 24 :] = np.random.default_rng(5).uniform(0.0, 2.0, 24)
    one = replay(measured, BATTERY, policy)
    two = replay(replace(measured, import_price=bought), BATTERY, policy)
    assert one.change_kwh[: now + 1] == pytest.approx(two.change_kwh[: now + 1], abs=1e-12)


def test_with_a_flat_tariff_nothing_is_better_than_the_rule_and_plans_are_as_good() -> None:
    planning = (ValueCurve(), Stochastic(), PerfectForesight())
    for one in compare(history(40, 1, "flat"), BATTERY, planning, skip=SKIP):
        assert one.bill == pytest.approx(one.rule, rel=1e-3), one.policy


@pytest.mark.parametrize("tariff", ["time of use", "dynamic"])
def test_the_ladder(tariff: str) -> None:
    """Nobody beats perfect foresight; the default comes next, fixed set-points lose."""
    measured = history(50, 2, tariff)
    found = {one.policy: one for one in compare(measured, BATTERY, all_policies(False), skip=SKIP)}
    least = found[PerfectForesight().name].bill
    assert all(one.bill >= least - 1e-6 for one in found.values())
    default = found[Stochastic(day_ahead=False).name]
    assert default.captured_over_rule > 0.5  # the yield of each day is drawn anew: harder than weather
    assert default.bill < found[FixedSetPoints().name].bill
    assert default.bill < found[CheapestHours().name].bill
    assert found[NoBattery().name].captured == 0.0
    assert found[PerfectForesight().name].captured_over_rule == 1.0
    assert default.saving > 0.0
    assert default.saving_over_rule > 0.0


def test_the_bill_in_numbers() -> None:
    measured = history(2).part(17, 2)
    measured = replace(
        measured,
        load_kwh=np.array([2.0, 1.0]),
        solar_kwh=np.array([0.0, 3.0]),
        import_price=np.array([0.5, 0.3]),
        export_price=np.array([0.1, 0.1]),
    )
    battery = Battery(10.0, 5.0, 5.0, 1.0, 0.5, wear_per_kwh=0.01)
    change = np.array([-2.0, 1.0])  # gives 1 kWh, takes 1 kWh
    found = bill(measured, battery, change, np.array([1.0, -1.0]), demand_charge_per_kw=7.0)
    assert found.import_cost == 0.5
    assert found.export_income == pytest.approx(0.1)
    assert found.wear == pytest.approx(0.02)
    assert found.demand_cost == 7.0
    assert found.stored_value == pytest.approx(-1.0 * 0.5 * 0.4)
    assert found.total == pytest.approx(0.5 - 0.1 + 0.02 + 7.0 + 0.2)
    assert measured.start == START + timedelta(hours=17)


def test_a_bill_that_is_an_income_has_shares_too() -> None:
    found = Comparison("better", bill=-12.0, no_battery=10.0, rule=-10.0, perfect=-14.0)
    assert found.saving_over_rule == pytest.approx(0.2)
    assert found.captured == pytest.approx(22.0 / 24.0)
    assert found.captured_over_rule == pytest.approx(0.5)


def test_a_history_that_is_none_is_refused() -> None:
    good = history(2)
    with pytest.raises(ValueError, match=r"\[47, 48\] steps"):
        replace(good, load_kwh=good.load_kwh[1:])
    for step_h in (0.7, 0.0, -1.0, 2.0):
        with pytest.raises(ValueError, match="whole number of steps"):
            replace(good, step_h=step_h)


class Restless:
    """A policy that asks for nonsense."""

    name = "restless"

    def start(self, history: History, battery: Battery) -> Decide:
        return lambda step, stored, net: (math.nan, math.inf, -math.inf, 1e9)[step % 4]


def test_a_replay_survives_its_policy_and_its_battery() -> None:
    measured = history(3)
    found = replay(measured, BATTERY, Restless(), stored_kwh=math.nan)
    assert np.isfinite(found.change_kwh).all()
    for battery in (Battery(0.0, 5.0, 5.0), Battery(9.0, 0.0, 0.0)):
        for policy in all_policies():
            assert replay(measured, battery, policy).change_kwh == pytest.approx(np.zeros(len(measured)))
    empty = measured.part(0, 0)
    for policy in all_policies():
        assert replay(empty, BATTERY, policy).bill.total == 0.0


def test_the_clocks_change_in_a_replay() -> None:
    """A week around the end of summer time, in quarter hours."""
    measured = replace(
        history(12, tariff="dynamic", steps_an_hour=4, zone=ZoneInfo("Europe/Berlin")),
        start=START.replace(month=10, day=18),
    )
    for policy in all_policies():
        assert np.isfinite(replay(measured, BATTERY, policy).bill.total)


# ------------------------------------------------------------------------------------------------ real houses


def recorded(house: str) -> History:
    """A house of the recordings; skips without them."""
    folder = os.environ.get("MICROGRID_RECORDINGS")
    if not folder:
        pytest.skip("MICROGRID_RECORDINGS names no folder: the policies are NOT judged on recorded houses")
    with gzip.open(Path(folder) / "energy" / "houses5_hourly.csv.gz", "rt", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))

    def column(name: str) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
        return np.array([float(row[name]) for row in rows])

    prices = column("tou_usd_per_kwh")
    size = 5.0 if house == "b" else 4.0
    solar = size * column(f"pv_kwh_per_kwp_{house}")
    start = START.replace(year=2016, month=8, day=1)
    return History(start, 1.0, column(f"load_kwh_{house}"), solar, prices, np.full(len(prices), 0.08))


def judge(houses: str, days: int) -> None:
    rule = default = perfect = 0.0
    for house in houses:
        measured = recorded(house).part(0, days * 24)
        (found,) = compare(measured, BATTERY, [Stochastic(day_ahead=False)], skip=SKIP)
        assert found.saving_over_rule > -0.005, house
        rule, default, perfect = rule + found.rule, default + found.bill, perfect + found.perfect
    assert (rule - default) / (rule - perfect) >= 0.85


def test_the_default_on_a_recorded_house() -> None:
    judge("a", 90)


@pytest.mark.slow
def test_the_default_on_all_recorded_houses() -> None:
    judge("abcde", 365)
