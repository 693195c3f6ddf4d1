"""Plans against HiGHS: as cheap as the optimum to rounding, whatever prices, limits and ends there are."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from microgrid_core.energy.planning import Plan, plan, plan_with_demand_charge
from tests.bench.energy_cases import Case, draw, with_negative_prices

pytest.importorskip("highspy")
from tests.bench.energy_oracle import Wanted, optimum

EXACT = 1e-6
GRIDS = ((24, 1.0), (48, 0.5), (96, 0.25), (144, 1 / 12))
QUICK, FULL = range(100), range(1000)


def cost(case: Case, found: Plan) -> float:
    """What the optimum counts: the bill less what stays stored."""
    return found.cost - case.terminal_worth * found.stored_kwh[-1]


def planned(case: Case) -> Plan:
    return plan(case.outlook, case.battery, case.stored_kwh, terminal_worth=case.terminal_worth)


def check(seed: int) -> None:
    case = draw(np.random.default_rng(seed), *GRIDS[seed % len(GRIDS)])
    assert cost(case, planned(case)) == pytest.approx(optimum(case), abs=EXACT, rel=0)


def check_negative(seed: int) -> None:
    dice = np.random.default_rng(10_000 + seed)
    case = with_negative_prices(draw(dice, 48, 0.5), dice)
    assert cost(case, planned(case)) == pytest.approx(optimum(case, Wanted(exclusive=True)), abs=EXACT, rel=0)


def check_end(seed: int) -> None:
    dice = np.random.default_rng(20_000 + seed)
    case = replace(draw(dice, 48, 0.5), terminal_worth=0.0)
    end = case.battery.usable_kwh * float(dice.uniform(0.1, 0.9))
    limits = case.battery.limits(24.0)
    if not case.stored_kwh - limits.down < end < case.stored_kwh + limits.up:
        return
    found = plan(case.outlook, case.battery, case.stored_kwh, terminal_worth=0.0, wanted_kwh=end)
    assert found.stored_kwh[-1] == pytest.approx(end)
    assert found.cost == pytest.approx(optimum(case, Wanted(end_kwh=end)), abs=EXACT, rel=0)


def check_limits(seed: int) -> None:
    dice = np.random.default_rng(30_000 + seed)
    case = draw(dice, 48, 0.5)
    wanted = Wanted(None, float(dice.uniform(0.0, 2.0)), float(dice.uniform(0.5, 2.0)), 0.5)
    limited = replace(
        case.outlook,
        export_limit_kw=wanted.export_limit_kw,
        import_limit_kw=wanted.import_limit_kw,
        over_limit_price=wanted.over_limit_price,
    )
    found = plan(limited, case.battery, case.stored_kwh, terminal_worth=case.terminal_worth)
    assert cost(case, found) == pytest.approx(optimum(case, wanted), abs=EXACT, rel=0)


def check_demand(seed: int) -> None:
    dice = np.random.default_rng(40_000 + seed)
    case = draw(dice, 48, 0.5)
    charge = float(dice.uniform(0.05, 5.0))
    found = plan_with_demand_charge(
        case.outlook,
        case.battery,
        case.stored_kwh,
        charge_per_kw=charge,
        terminal_worth=case.terminal_worth,
    )
    assert found.peak_kw is not None
    assert max(found.grid_kwh) / case.outlook.step_h <= found.peak_kw + 1e-9
    total = cost(case, found) + charge * found.peak_kw
    least = optimum(case, Wanted(demand_charge_per_kw=charge))
    assert total == pytest.approx(least, abs=EXACT, rel=0)


CHECKS = (check, check_negative, check_end, check_limits, check_demand)


@pytest.mark.parametrize("one", CHECKS, ids=lambda one: one.__name__)
def test_as_cheap_as_the_optimum(one: Callable[[int], None]) -> None:
    seeds = QUICK if one is check else QUICK[:20]
    for seed in seeds:
        one(seed)


@pytest.mark.slow
@pytest.mark.parametrize("one", CHECKS, ids=lambda one: one.__name__)
def test_as_cheap_as_the_optimum_a_thousand_times(one: Callable[[int], None]) -> None:
    for seed in FULL:
        one(seed)


def test_a_plain_program_promises_too_much_where_prices_are_negative() -> None:
    """Why the judge needs integers there: without them it charges and discharges at once."""
    promised = gained = 0.0
    for seed in range(5):
        dice = np.random.default_rng(10_000 + seed)
        case = with_negative_prices(draw(dice, 48, 0.5), dice)
        promised += optimum(case)
        gained += optimum(case, Wanted(exclusive=True))
    assert promised < gained - 0.01
