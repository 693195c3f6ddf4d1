"""Properties of every plan: within the battery, balanced, worth that falls with the level."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from microgrid_core.energy.battery import Battery, grid_energy
from microgrid_core.energy.planning import Outlook, plan, plan_with_demand_charge
from microgrid_core.energy.value_curve import Curve, act, convex, hull, step_pieces
from tests.bench.energy_cases import draw, with_negative_prices

seeds = st.integers(0, 2**32 - 1)
anything = st.floats(allow_nan=True, allow_infinity=True)
NEAR = 1e-9


@given(seeds, st.sampled_from([(24, 1.0), (48, 0.5), (96, 0.25), (144, 1 / 12)]), st.booleans())
@settings(max_examples=60)
def test_a_plan_stays_within_the_battery_and_adds_up(
    seed: int, grid: tuple[int, float], negative: bool
) -> None:
    dice = np.random.default_rng(seed)
    case = draw(dice, *grid)
    if negative:
        case = with_negative_prices(case, dice)
    found = plan(case.outlook, case.battery, case.stored_kwh)
    limits = case.battery.limits(case.outlook.step_h)
    assert len(found.stored_kwh) == grid[0] + 1 == len(found.curves)
    assert min(found.stored_kwh) >= -NEAR
    assert max(found.stored_kwh) <= limits.usable + NEAR
    assert max(found.change_kwh) <= limits.up + NEAR
    assert min(found.change_kwh) >= -limits.down - NEAR
    for net, change, meter in zip(case.outlook.net_kwh, found.change_kwh, found.grid_kwh, strict=True):
        moved = grid_energy(change, limits.charge_efficiency, limits.discharge_efficiency)
        assert meter == pytest.approx(net + moved, abs=NEAR)


@given(seeds)
@settings(max_examples=60)
def test_the_fuller_the_less_worth(seed: int) -> None:
    case = draw(np.random.default_rng(seed), 48, 0.5)
    found = plan(case.outlook, case.battery, case.stored_kwh)
    for curve in found.curves:
        assert all(before <= after for before, after in pairwise(curve.slopes))
        assert sum(curve.lengths) == pytest.approx(case.battery.usable_kwh)
        levels = np.linspace(0.0, case.battery.usable_kwh, 9)
        values = [curve.value(level) for level in levels]
        middle = (levels[3] + levels[4]) / 2.0
        slope = (values[4] - values[3]) / (levels[4] - levels[3])
        if curve.worth(levels[3]) == curve.worth(levels[4]):
            assert slope == pytest.approx(curve.worth(middle))
        assert curve.worth(levels[4]) - NEAR <= slope <= curve.worth(levels[3]) + NEAR


@given(seeds, st.floats(0.05, 0.6), st.floats(0.0, 0.7), st.floats(0.01, 0.99))
@settings(max_examples=60)
def test_with_a_flat_tariff_a_plan_is_the_rule(seed: int, price: float, share: float, worth: float) -> None:
    case = draw(np.random.default_rng(seed), 48, 0.5)
    battery = replace(case.battery, wear_per_kwh=0.0)
    limits, steps = battery.limits(0.5), len(case.outlook.net_kwh)
    flat = replace(case.outlook, import_price=[price] * steps, export_price=[price * share] * steps)
    # What is left at the end counts more than its export would bring and less than the import that it saves.
    least, most = price * share / limits.charge_efficiency, price * limits.discharge_efficiency
    found = plan(flat, battery, case.stored_kwh, terminal_worth=least + worth * (most - least))
    stored, rule = case.stored_kwh, []
    for net in flat.net_kwh:
        wanted = -net * limits.charge_efficiency if net < 0.0 else -net / limits.discharge_efficiency
        rule.append(max(-min(limits.down, stored), min(limits.up, limits.usable - stored, wanted)))
        stored += rule[-1]
    assert found.change_kwh == pytest.approx(rule, abs=1e-7)


@given(
    st.lists(anything, max_size=60),
    st.lists(anything, max_size=60),
    st.lists(anything, max_size=60),
    st.tuples(*[anything] * 8),
    anything,
    st.sampled_from([1.0, 0.5, 1 / 12, 0.0, -1.0, math.nan, math.inf]),
    st.one_of(st.none(), anything),
    st.tuples(st.none() | anything, st.none() | anything, anything),
)
@settings(max_examples=200)
def test_there_is_always_an_answer(
    net: list[float],
    bought: list[float],
    sold: list[float],
    numbers: tuple[float, ...],
    stored: float,
    step_h: float,
    wanted: float | None,
    limits: tuple[float | None, float | None, float],
) -> None:
    battery = Battery(*numbers)
    outlook = Outlook(step_h, net, bought, sold, *limits)
    found = plan(outlook, battery, stored, wanted_kwh=wanted)
    assert found.steps == len(net)
    assert all(math.isfinite(level) for level in found.stored_kwh)
    assert all(-1e-6 <= level <= battery.usable_kwh + 1e-6 for level in found.stored_kwh)
    for step in range(found.steps):
        assert math.isfinite(found.act(stored, math.nan, step))
    capped = plan_with_demand_charge(outlook, battery, stored, charge_per_kw=1.0) if len(net) < 5 else found
    assert all(map(math.isfinite, capped.stored_kwh))


@given(seeds, st.floats(0.0, 1e-3), st.floats(0.0, 1e-3))
@settings(max_examples=60)
def test_tiny_batteries_and_negative_prices_are_no_trouble(seed: int, capacity: float, power: float) -> None:
    dice = np.random.default_rng(seed)
    case = with_negative_prices(draw(dice, 24, 1.0), dice)
    found = plan(case.outlook, Battery(capacity, power, power), case.stored_kwh)
    assert all(-1e-9 <= level <= capacity + 1e-9 for level in found.stored_kwh)


@pytest.mark.parametrize(
    "battery",
    [
        Battery(0.0, 5.0, 5.0),
        Battery(10.0, 0.0, 0.0),
        Battery(1e-9, 5.0, 5.0),
        Battery(10.0, 5.0, 5.0, reserve=1.0),
        Battery(10.0, 5.0, 5.0, reserve=0.9, ceiling=0.5),
        Battery(math.nan, math.inf, -3.0, math.nan, 0.0, math.nan),
    ],
    ids=[
        "no capacity",
        "no power",
        "a trace of capacity",
        "all reserve",
        "reserve above the ceiling",
        "nonsense",
    ],
)
def test_a_battery_that_can_nothing_does_nothing(battery: Battery) -> None:
    for bought, sold in ((0.3, 0.1), (-0.3, -0.4)):
        found = plan(Outlook(1.0, [1.0, -1.0] * 12, [bought] * 24, [sold] * 24), battery, 5.0)
        assert found.change_kwh == pytest.approx([0.0] * 24)


def test_nonsense_prices_leave_self_consumption() -> None:
    """No price is known: equal prices everywhere, and a battery that serves its house."""
    found = plan(Outlook(1.0, [-2.0, 1.0, 1.0], [], [math.nan]), Battery(10.0, 5.0, 5.0), 0.0)
    assert found.change_kwh == pytest.approx([1.9, -1 / 0.95, 0.95 * 0.0 - (1.9 - 1 / 0.95)])
    assert "import price: 3 of 3 steps missing" in found.remarks[0]


def test_what_is_missing_is_taken_from_the_same_hour() -> None:
    net = [float(hour) for hour in range(24)] * 2
    outlook = Outlook(1.0, [*net[:30], math.nan, *net[31:]], [0.3] * 24, [0.1] * 48)
    found = plan(outlook, Battery(1.0, 1.0, 1.0), 0.0)
    assert found.outlook.net_kwh[30] == 6.0
    assert list(found.outlook.import_price) == [0.3] * 48
    assert found.remarks == (
        "net load: 1 of 48 steps missing, taken from the same hour of another day",
        "import price: 24 of 48 steps missing, taken from the same hour of another day",
    )


def test_a_level_outside_of_the_limits_counts_as_the_nearest() -> None:
    case = draw(np.random.default_rng(1), 24, 1.0)
    at_odds = plan(case.outlook, case.battery, 1.0, terminal_worth=math.nan, wanted_kwh=math.inf)
    assert at_odds.stored_kwh == plan(case.outlook, case.battery, 1.0).stored_kwh
    for outside, inside in ((-3.0, 0.0), (99.0, case.battery.usable_kwh), (math.nan, 0.0)):
        assert plan(case.outlook, case.battery, outside).stored_kwh == pytest.approx(
            plan(case.outlook, case.battery, inside).stored_kwh
        )


def test_the_measured_load_is_followed_not_the_expected_one() -> None:
    """A dear hour with twice the load: the battery gives twice, for the curve says that it pays."""
    found = plan(
        Outlook(1.0, [1.0, 1.0, 1.0], [0.5, 0.2, 0.2], [0.05] * 3),
        Battery(10.0, 5.0, 5.0),
        6.0,
        terminal_worth=0.0,
    )
    assert found.battery_kwh[0] == pytest.approx(1.0)
    assert found.act(6.0, 2.0) == pytest.approx(-2.0 / 0.95)
    assert found.act(6.0, 0.0) == pytest.approx(0.0)
    assert found.act(6.0, math.nan) == pytest.approx(-1.0 / 0.95)


def test_within_a_step_the_power_follows_the_load() -> None:
    """A dear hour, little energy left: it goes where the load is now, not in equal parts over the hour."""
    battery = Battery(10.0, 5.0, 5.0)
    found = plan(Outlook(1.0, [1.0, 1.0], [0.5, 0.2], [0.05] * 2), battery, 6.0, terminal_worth=0.1)
    assert found.power_kw(battery, 1.0, 3.0) == pytest.approx(3.0)
    assert found.power_kw(battery, 1.0, 9.0) == pytest.approx(5.0)
    assert found.power_kw(battery, 0.0, 3.0) == 0.0
    assert found.power_kw(battery, 1.5, math.nan) == pytest.approx(1.0)
    assert found.power_kw(battery, 1.0, -2.0) == pytest.approx(-2.0)
    assert found.power_kw(battery, 10.0, -2.0) == 0.0


def test_ties_go_to_self_consumption_within_their_tolerance() -> None:
    curve, limits = Curve([-0.3], [10.0]), Battery(10.0, 5.0, 5.0, 0.9, 1.0).limits(1.0)
    pieces = step_pieces(1.0, 0.295, 0.1, limits)
    assert act(curve, 5.0, 1.0, pieces, limits) == 0.0  # half a cent dearer to discharge
    assert act(curve, 5.0, 1.0, pieces, limits, tie=0.01) == -1.0


def test_the_hull_of_a_convex_cost_is_the_cost() -> None:
    limits = Battery(10.0, 5.0, 5.0).limits(1.0)
    pieces = [piece for piece in step_pieces(1.0, 0.3, 0.1, limits) if piece[1] > 0.0]
    assert list(hull(pieces)) == pieces
    dented = step_pieces(1.0, -0.3, -0.4, limits)
    assert not convex(dented)
    assert convex(hull(dented))


def test_long_dents_fall_back_to_the_hull_and_stay_possible() -> None:
    """Two days of negative prices in steps of five minutes: not exact any more, but an answer."""
    steps = 576
    dice = np.random.default_rng(3)
    case = draw(dice, steps, 1 / 12)
    bad = replace(
        case.outlook,
        import_price=[-float(price) for price in dice.uniform(0.01, 0.1, steps)],
        export_price=[-0.2] * steps,
    )
    found = plan(bad, replace(case.battery, wear_per_kwh=0.0), case.stored_kwh)
    nothing = sum(
        net * (bought if net >= 0.0 else sold)
        for net, bought, sold in zip(bad.net_kwh, bad.import_price, bad.export_price, strict=True)
    )
    assert found.cost <= nothing
