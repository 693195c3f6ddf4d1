"""Swarms without a grid: the band of charge in which nights are served and the sun finds room."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from microgrid_core.energy.battery import Battery
from microgrid_core.energy.forecast import HOURS, QUANTILES, Expectation, Floats
from microgrid_core.energy.island import (
    Turn,
    course,
    least_needed,
    most_useful,
    plan_island,
    shared,
    turns_of,
)

seeds = st.integers(0, 2**32 - 1)


def drawn(seed: int) -> tuple[list[float], Battery, float]:
    """Two days of net load and a battery, by chance."""
    dice = np.random.default_rng(seed)
    hour = np.arange(48)
    sun = np.maximum(0.0, np.sin((hour % 24 - 6.0) / 12.0 * np.pi)) * dice.uniform(0.0, 4.0)
    net = dice.gamma(2.0, 0.3, 48) - sun
    power = dice.choice([0.4, 3.0, 50.0])
    battery = Battery(dice.uniform(0.5, 15.0), power, power, 0.95, 0.93, reserve=0.1)
    return net.tolist(), battery, dice.uniform(0.0, battery.usable_kwh)


@given(seeds, st.integers(0, 47))
@settings(max_examples=60)
def test_the_least_serves_all_that_can_be_served_and_less_does_not(seed: int, step: int) -> None:
    net, battery, _ = drawn(seed)
    limits = battery.limits(1.0)
    least = least_needed(net, limits)[step]

    def unserved(stored: float) -> float:
        return sum(course(net[step:], limits, stored)[1])

    best = unserved(limits.usable)
    assert unserved(least) == pytest.approx(best, abs=1e-9)
    if least > 0.01:
        assert unserved(least - 0.01) > best + 0.005


@given(seeds, st.integers(0, 47))
@settings(max_examples=60)
def test_the_most_leaves_room_for_the_sun_and_more_does_not(seed: int, step: int) -> None:
    net, battery, _ = drawn(seed)
    limits = battery.limits(1.0)
    most = most_useful(net, limits)[step]

    def lost(stored: float) -> float:
        return sum(course(net[step:], limits, stored)[2])

    best = lost(0.0)
    assert lost(most) == pytest.approx(best, abs=1e-9)
    if most < limits.usable - 0.01:
        assert lost(most + 0.01) > best + 0.005


@given(seeds)
@settings(max_examples=40)
def test_energy_is_neither_made_nor_lost(seed: int) -> None:
    net, battery, stored = drawn(seed)
    limits = battery.limits(1.0)
    levels, unserved, curtailed = course(net, limits, stored)
    assert min(levels) >= 0.0
    assert max(levels) <= limits.usable
    for step, change in enumerate(np.diff(levels).tolist()):
        given_kwh = (
            -change * limits.discharge_efficiency if change < 0.0 else -change / limits.charge_efficiency
        )
        assert net[step] + curtailed[step] == pytest.approx(given_kwh + unserved[step])
        assert unserved[step] == 0.0 or curtailed[step] == 0.0


def day(load_kwh: float, sun_kwh: float, doubt: float = 0.0) -> Expectation:
    """A day and a half from noon on: the same load in every hour, sun from six to six."""
    hour = (12 + np.arange(36)) % 24
    sun: Floats = np.where((hour >= 6) & (hour < 18), sun_kwh, 0.0)
    load = np.full(36, load_kwh)
    errors = np.tile(np.linspace(-doubt, doubt, QUANTILES), (HOURS, 1))
    return Expectation(load - sun, load, sun, errors)


def test_the_night_before_it_comes() -> None:
    """Twelve hours with half a kWh each: six kWh are needed at dusk, none are left at dawn."""
    battery = Battery(10.0, 5.0, 5.0, 1.0, 1.0)
    found = plan_island(day(0.5, 2.0), battery, 4.0, first_hour=12)
    assert [(turn.step, turn.dusk) for turn in found.turns] == [(6, True), (18, False), (30, True)]
    dusk, dawn = found.turns[:2]
    assert found.next_turn(dusk=True) == dusk and found.next_turn(dusk=False) == dawn
    assert dusk.target_kwh == dusk.least_kwh == pytest.approx(6.0)
    assert dusk.expected_kwh == pytest.approx(10.0) and dusk.short_kwh == 0.0
    assert dawn.least_kwh == 0.0
    # Eighteen kWh of surplus come with the day: there is never room for all of it.
    assert dawn.most_kwh == 0.0
    assert dawn.spare_kwh == pytest.approx(4.0) and dawn.target_kwh == 0.0
    assert sum(found.unserved_kwh) == 0.0 and sum(found.curtailed_kwh) > 0.0


def test_a_dull_day_asks_for_thrift_before_the_night() -> None:
    battery = Battery(10.0, 5.0, 5.0, 1.0, 1.0, reserve=0.2)
    found = plan_island(day(0.5, 0.6), battery, 2.0, first_hour=12)
    dusk = found.turns[0]
    assert dusk.expected_kwh == pytest.approx(2.6)
    # The night takes six kWh, the next evening three, and the day between gives 1.2 of them.
    assert dusk.target_kwh == dusk.least_kwh == pytest.approx(7.8)
    assert dusk.short_kwh == pytest.approx(5.2)
    assert sum(found.unserved_kwh) == pytest.approx(5.2)


def test_doubt_widens_what_is_kept() -> None:
    """Who knows the night badly keeps more, and who knows the day badly leaves more room."""
    battery = Battery(20.0, 5.0, 5.0, 1.0, 1.0)
    sure, unsure = (plan_island(day(0.5, 1.2, doubt), battery, 5.0, first_hour=12) for doubt in (0.0, 0.3))
    assert unsure.turns[0].least_kwh > sure.turns[0].least_kwh + 1.0
    assert unsure.turns[1].most_kwh < sure.turns[1].most_kwh


def test_no_sun_has_no_turn_and_nothing_needs_nothing() -> None:
    assert turns_of([]) == turns_of([0.0, 0.0]) == []
    assert turns_of([0.0, 2.0, 2.0, 0.01]) == [(1, False), (3, True)]
    nothing = plan_island(day(0.5, 0.0), Battery(0.0, 0.0, 0.0), 3.0)
    assert nothing.turns == () and set(nothing.least_kwh) == {0.0}
    assert Turn(1, False, 5.0, 3.0, 4.0).target_kwh == 5.0, "a served night counts more than lost sun"


@given(
    st.lists(st.tuples(st.floats(0.0, 20.0), st.floats(0.0, 30.0)), max_size=12),
    st.floats(0.0, 1.2),
)
def test_a_target_is_divided_without_rest(batteries: list[tuple[float, float]], share: float) -> None:
    sizes, own = [size for size, _ in batteries], [need for _, need in batteries]
    target = share * sum(sizes)
    for needs in (None, own):
        parts = shared(target, sizes, needs)
        assert sum(parts) == pytest.approx(min(target, sum(sizes)), abs=1e-6)
        assert all(0.0 <= part <= size + 1e-9 for part, size in zip(parts, sizes, strict=True))
    even = shared(target, sizes)
    assert len({round(part / size, 6) for part, size in zip(even, sizes, strict=True) if size > 0.01}) <= 1


def test_who_needs_more_for_its_own_night_has_it_first() -> None:
    assert shared(6.0, [5.0, 5.0], [4.0, 0.0]) == pytest.approx([4.0, 2.0])
    assert shared(2.0, [5.0, 5.0], [4.0, 4.0]) == pytest.approx([1.0, 1.0])
