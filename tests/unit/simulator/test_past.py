"""The days before a simulation: of the same household, in the same season, by the same clock."""

from __future__ import annotations

import pytest

from simulator.past import meter_hours
from simulator.physics.neighbourhood import Neighbourhood
from simulator.physics.solar import DAY_S

NOON_S = DAY_S / 2.0


def test_days_look_like_those_of_the_simulation() -> None:
    past = meter_hours(2, 600.0, seed=3, start_s=NOON_S + 600.0)
    assert len(past) == 48
    loads, yields = zip(*past, strict=True)
    assert min(loads) > 30.0 and 100.0 < sum(loads) / 48 < 1000.0
    # The last hour ends at noon: the sun was there, and at midnight it was not.
    assert yields[-1] > 20.0 and yields[23] > 20.0
    assert yields[11] == yields[12] == yields[35] == 0.0
    standby_w = float(Neighbourhood(1, 1, seed=3).battery.loads.power_w[0])
    assert min(loads) == pytest.approx(standby_w, rel=0.5)


def test_equal_arguments_give_equal_days() -> None:
    assert meter_hours(1, 0.0, seed=2) == meter_hours(1, 0.0, seed=2, start_s=10 * 3600.0)
    assert meter_hours(1, 0.0, seed=2) != meter_hours(1, 0.0, seed=4)


def test_winter_days_are_darker() -> None:
    """Over the turn of the year as well, in the latitude of the site."""
    summer, winter = (
        sum(solar for _, solar in meter_hours(2, 0.0, day_of_year=day, latitude_deg=55.0)) for day in (172, 1)
    )
    assert winter < 0.5 * summer
