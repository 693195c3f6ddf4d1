"""What clouds leave of the sun, from the brightest that each hour was."""

from __future__ import annotations

import math

import pytest

from microgrid_core.energy.sky import brightest, left_of_the_sun, under_clouds


@pytest.mark.parametrize(("cover", "left"), [(-5, 1.0), (0, 1.0), (50, 0.929), (100, 0.25), (300, 0.25)])
def test_what_is_left_under_clouds(cover: float, left: float) -> None:
    assert left_of_the_sun(cover) == pytest.approx(left, abs=0.001)


def test_the_brightest_of_each_hour_of_two_weeks() -> None:
    now = 24 * 100 + 6
    noon = 24 * 99 + 12
    yields = {noon: 2.0, noon - 24: 3.0, noon - 48: math.nan, noon - 24 * 14: 9.0, now: 9.0, noon + 1: 1.0}
    assert brightest(yields, now) == {12: 3.0, 13: 1.0}


def test_hours_without_a_clear_one_to_compare_with_say_nothing() -> None:
    assert under_clouds({24: 0.0, 25: 100.0, 26: 50.0}, {0: 4.0, 1: 4.0}) == {24: 4.0, 25: 1.0}
