"""Houses together: one plan for all, who pays whom, and loads that can wait."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from numpy.typing import NDArray

from microgrid_core.energy import joint
from microgrid_core.energy.battery import Battery
from microgrid_core.energy.flexible import FlexibleLoad, plan_with_load
from microgrid_core.energy.joint import House, JointPlan, Network, plan_jointly
from microgrid_core.energy.planning import Outlook, plan, usual_worth
from microgrid_core.energy.settlement import Settlement, dual_prices, mid_market
from tests.bench.energy_cases import draw

Floats = NDArray[np.float64]
STEPS, STEP_H = 48, 0.5
seeds = st.integers(0, 2**32 - 1)


def neighbours(seed: int, count: int = 6) -> tuple[list[House], list[float], list[float]]:
    """Houses in two clusters with the same prices, two of them without solar yield or battery."""
    dice = np.random.default_rng(seed)
    cases = [draw(dice, STEPS, STEP_H) for _ in range(count)]
    houses = [
        House(case.outlook.net_kwh, case.battery, case.stored_kwh, number % 2)
        for number, case in enumerate(cases)
    ]
    houses[0] = replace(houses[0], battery=Battery(0.0, 0.0, 0.0), stored_kwh=0.0)
    houses[1] = replace(houses[1], net_kwh=[abs(kwh) for kwh in houses[1].net_kwh])
    return houses, list(cases[0].outlook.import_price), list(cases[0].outlook.export_price)


def worth_of_stored(houses: list[House], found: JointPlan, bought: list[float]) -> float:
    return sum(
        usual_worth(bought, house.battery.limits(STEP_H).discharge_efficiency) * float(levels[-1])
        for house, levels in zip(houses, found.stored_kwh, strict=True)
    )


def test_one_house_alone_is_its_own_optimum() -> None:
    pytest.importorskip("highspy")
    for seed in range(5):
        case = draw(np.random.default_rng(seed), STEPS, STEP_H)
        houses = [House(case.outlook.net_kwh, case.battery, case.stored_kwh)]
        together = plan_jointly(houses, STEP_H, case.outlook.import_price, case.outlook.export_price)
        alone = plan(case.outlook, case.battery, case.stored_kwh)
        assert together.joint
        bought = list(case.outlook.import_price)
        left = usual_worth(bought, case.battery.discharge_efficiency) * alone.stored_kwh[-1]
        assert together.cost - worth_of_stored(houses, together, bought) == pytest.approx(alone.cost - left)


def test_together_is_cheaper_and_keeps_every_limit() -> None:
    pytest.importorskip("highspy")
    houses, bought, sold = neighbours(3)
    together = plan_jointly(houses, STEP_H, bought, sold)
    alone = joint._alone(houses, [Outlook(STEP_H, house.net_kwh, bought, sold) for house in houses])
    saved = alone.cost - worth_of_stored(houses, alone, bought)
    saved -= together.cost - worth_of_stored(houses, together, bought)
    assert saved > 1.0
    assert together.shed_kwh == pytest.approx(0.0, abs=1e-9)
    for house, levels in zip(houses, together.stored_kwh, strict=True):
        limits = house.battery.limits(STEP_H)
        change = np.diff(np.append(house.stored_kwh, levels))
        assert levels.min() >= -1e-6
        assert levels.max() <= limits.usable + 1e-6
        assert change.max() <= limits.up + 1e-6
        assert change.min() >= -limits.down - 1e-6
    grid = together.net_kwh.sum(axis=0)
    energy = np.where(grid >= 0.0, np.array(bought) * grid, np.array(sold) * grid).sum()
    assert energy <= together.cost + 1e-6  # the rest is wear


def test_tie_lines_and_islands_shed_what_cannot_be_served() -> None:
    pytest.importorskip("highspy")
    dark = [
        House([2.0] * 4, Battery(0.0, 0.0, 0.0), 0.0, 0),
        House([-3.0] * 4, Battery(0.0, 0.0, 0.0), 0.0, 1),
    ]
    prices = ([0.3] * 4, [0.1] * 4)
    free = plan_jointly(dark, 1.0, *prices, Network(connection_kw=0.0))
    assert free.shed_kwh == pytest.approx(0.0)
    tight = plan_jointly(dark, 1.0, *prices, Network(tie_kw=0.5, connection_kw=0.0))
    assert tight.shed_kwh == pytest.approx(4 * 1.5)
    lossy = plan_jointly(dark, 1.0, *prices, Network(loss=0.5, connection_kw=0.0))
    assert lossy.shed_kwh == pytest.approx(4 * (2.0 - 3.0 * 0.5 * 0.5))


def test_the_cluster_at_the_connection_has_no_line() -> None:
    pytest.importorskip("highspy")
    near = House([2.0] * 4, Battery(0.0, 0.0, 0.0), 0.0, 0)
    far = replace(near, cluster=7)
    network = Network(tie_kw=1.0, loss=0.1, main=0)
    found = plan_jointly([near, far], 1.0, [0.3] * 4, [0.1] * 4, network)
    assert found.shed_kwh == pytest.approx(4 * (2.0 - 1.0 * 0.9))
    assert found.price_of_house[0] == pytest.approx([0.3] * 4)
    assert min(found.price_of_house[1]) > 2.0, "behind a full line energy is worth what it would be shed for"
    elsewhere = plan_jointly([near], 1.0, [0.3] * 4, [0.1] * 4, replace(network, main=3))
    assert elsewhere.shed_kwh > 0.0


def test_without_a_solver_or_with_negative_prices_each_house_plans_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    houses, bought, sold = neighbours(4)
    negative = plan_jointly(houses, STEP_H, [-0.1, *bought[1:]], sold)
    monkeypatch.setattr(joint, "_solver", lambda: None)
    found = plan_jointly(houses, STEP_H, bought, sold)
    assert not found.joint
    assert not negative.joint
    assert found.net_kwh.shape == found.price_of_house.shape == found.stored_kwh.shape == (6, STEPS)
    single = plan(Outlook(STEP_H, houses[2].net_kwh, bought, sold), houses[2].battery, houses[2].stored_kwh)
    assert found.net_kwh[2] == pytest.approx(single.grid_kwh)


def test_a_solver_that_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> None:
        raise ImportError(name)

    monkeypatch.setattr(joint.importlib, "import_module", missing)
    assert joint._solver() is None


def test_nobody_and_nothing() -> None:
    empty = plan_jointly([], 0.5, [], [])
    assert empty.cost == 0.0
    assert plan_jointly([House([], Battery(5.0, 5.0, 5.0), 1.0)], 0.5, [], []).net_kwh.shape == (1, 0)
    odd = [
        House([1.0, math.nan], Battery(5.0, 5.0, 5.0), math.nan),
        House([1.0], Battery(5.0, 5.0, 5.0), 9.0),
    ]
    assert np.isfinite(plan_jointly(odd, 0.5, [0.3], [0.1, 0.1]).net_kwh).all()


# ------------------------------------------------------------------------------------------------- settlement


def connection(net: Floats, bought: Floats, sold: Floats) -> float:
    together = net.sum(axis=0)
    return float(np.where(together >= 0.0, bought * together, sold * together).sum())


@given(seeds, st.integers(1, 12), st.integers(1, 60), st.booleans(), st.booleans())
@settings(max_examples=100)
def test_payments_add_up_to_the_bill_to_the_cent(
    seed: int, houses: int, steps: int, dual: bool, topped: bool
) -> None:
    dice = np.random.default_rng(seed)
    net = dice.normal(0.0, 2.0, (houses, steps))
    sold = dice.uniform(0.0, 0.2, steps)
    bought = sold + dice.uniform(0.0, 0.3, steps)
    alone = dice.normal(0.0, 5.0, houses).tolist() if topped else None
    if dual:
        found = dual_prices(net, dice.uniform(-0.1, 0.6, net.shape), bought, sold, alone)
    else:
        found = mid_market(net, bought, sold, alone)
    bill = connection(net, bought, sold)
    assert sum(found.payments_cents) == found.bill_cents
    assert abs(sum(found.payments) - bill) <= 0.01
    assert found.inside_kwh >= 0.0


def test_the_middle_of_both_prices() -> None:
    """One house gives 3, one takes 2: they meet at 0.20, and the third kWh is exported."""
    found = mid_market(np.array([[-3.0], [2.0]]), np.array([0.3]), np.array([0.1]))
    assert found.payments == (-0.5, 0.4)
    assert found.inside_kwh == 2.0
    assert found.bill_cents == -10


@given(seeds)
@settings(max_examples=50)
def test_with_the_middle_nobody_pays_more_than_alone(seed: int) -> None:
    """For the same energy: who has batteries moved by a joint plan may pay more, and is topped up."""
    dice = np.random.default_rng(seed)
    net = dice.normal(0.0, 2.0, (5, 24))
    sold = dice.uniform(0.0, 0.2, 24)
    bought = sold + dice.uniform(0.0, 0.3, 24)
    alone = [connection(row[None], bought, sold) for row in net]
    found = mid_market(net, bought, sold)
    assert all(paid <= own + 0.011 for paid, own in zip(found.payments, alone, strict=True))


def test_who_would_lose_is_topped_up_by_those_who_gain() -> None:
    pytest.importorskip("highspy")
    houses, bought, sold = neighbours(8)
    together = plan_jointly(houses, STEP_H, bought, sold, Network(tie_kw=3.0))
    alone = joint._alone(houses, [Outlook(STEP_H, house.net_kwh, bought, sold) for house in houses])
    own = [connection(row[None], np.array(bought), np.array(sold)) for row in alone.net_kwh]
    args = (np.array(bought), np.array(sold), own)
    for found in (
        mid_market(together.net_kwh, *args),
        dual_prices(together.net_kwh, together.price_of_house, *args),
    ):
        assert sum(found.topped_up_cents) == pytest.approx(0, abs=len(houses))
        if found.bill_cents / 100.0 <= sum(own):
            assert all(paid <= was + 0.02 for paid, was in zip(found.payments, own, strict=True))


def test_a_settlement_of_nobody() -> None:
    nobody = np.zeros((0, 3))
    assert mid_market(nobody, np.ones(3), np.ones(3)) == Settlement((), 0, 0.0)
    assert dual_prices(nobody, nobody, np.ones(3), np.ones(3)).payments == ()
    still = mid_market(np.zeros((2, 3)), np.ones(3), np.ones(3), [0.0, 0.0])
    assert still.payments == (0.0, 0.0)
    assert dual_prices(np.full((2, 1), math.nan), np.ones((2, 1)), np.ones(1), np.ones(1)).payments == (
        0.0,
        0.0,
    )


# --------------------------------------------------------------------------------------------- flexible loads


@given(seeds)
@settings(max_examples=30)
def test_a_load_that_can_wait_never_costs_and_runs_as_long(seed: int) -> None:
    dice = np.random.default_rng(seed)
    case = draw(dice, STEPS, STEP_H)
    pump = FlexibleLoad(dice.uniform(0.0, 1.0, STEPS).tolist(), 3.0, 2.0, 1.0)
    net = [kwh + taken for kwh, taken in zip(case.outlook.net_kwh, pump.expected_kwh, strict=True)]
    outlook = replace(case.outlook, net_kwh=net)
    found = plan_with_load(outlook, case.battery, case.stored_kwh, pump)
    assert found.saving >= 0.0
    assert sum(found.load_kwh) == pytest.approx(sum(pump.expected_kwh))
    assert min(found.load_kwh) >= -1e-9
    assert max(found.load_kwh) <= 3.0 * STEP_H + 1e-9
    ahead = np.cumsum(np.subtract(found.load_kwh, pump.expected_kwh))
    assert ahead.max() <= 2.0 + 1e-6
    assert ahead.min() >= -1.0 - 1e-6


def test_a_heat_pump_runs_where_energy_is_cheap() -> None:
    outlook = Outlook(1.0, [1.0] * 6, [0.4, 0.4, 0.1, 0.4, 0.4, 0.4], [0.0] * 6)
    pump = FlexibleLoad([1.0] * 6, 4.0, 2.0, 1.0)
    found = plan_with_load(outlook, Battery(0.0, 0.0, 0.0), 0.0, pump)
    assert found.load_kwh[2] == pytest.approx(4.0)
    assert sum(found.load_kwh[:2]) == sum(found.load_kwh[3:]) == pytest.approx(1.0)
    assert found.saving == pytest.approx(3 * 0.3)
    assert sum(found.plan.grid_kwh) == pytest.approx(6.0)


def test_what_runs_ahead_and_is_lost_is_run_again() -> None:
    outlook = Outlook(1.0, [1.0] * 4, [0.1, 0.4, 0.4, 0.4], [0.0] * 4)
    pump = FlexibleLoad([1.0] * 4, 4.0, 1.0, 0.0, loss=0.2)
    found = plan_with_load(outlook, Battery(0.0, 0.0, 0.0), 0.0, pump)
    assert sum(found.load_kwh) == pytest.approx(4.0 + 0.25)
    assert found.load_kwh[0] == pytest.approx(1.0 + 1.25)


def test_what_already_ran_ahead_is_not_run_again() -> None:
    outlook = Outlook(1.0, [1.0] * 4, [0.1, 0.4, 0.4, 0.4], [0.0] * 4)
    pump = FlexibleLoad([1.0] * 4, 4.0, 2.0, 2.0)
    plans = {
        now: plan_with_load(outlook, Battery(0.0, 0.0, 0.0), 0.0, replace(pump, now_kwh=now)).load_kwh
        for now in (-9.0, -2.0, 0.0, 2.0, math.nan)
    }
    assert sum(plans[2.0]) == pytest.approx(4.0 - 2.0), "at the end it is even"
    assert sum(plans[-2.0]) == sum(plans[-9.0]) == pytest.approx(4.0 + 2.0)
    assert plans[2.0][0] == pytest.approx(1.0), "its store is full"
    assert plans[0.0] == plans[math.nan] and plans[0.0][0] == pytest.approx(3.0)


def test_nonsense_of_a_load_shifts_nothing() -> None:
    outlook = Outlook(1.0, [1.0] * 4, [0.1, 0.4, 0.4, 0.4], [0.0] * 4)
    nonsense = FlexibleLoad([math.nan, 1.0], math.nan, math.inf, math.nan, math.nan)
    found = plan_with_load(outlook, Battery(5.0, 5.0, 5.0), 1.0, nonsense)
    assert found.load_kwh == pytest.approx([0.0] * 4)
    assert plan_with_load(Outlook(1.0, [], [], []), Battery(5.0, 5.0, 5.0), 1.0, nonsense).load_kwh == ()
