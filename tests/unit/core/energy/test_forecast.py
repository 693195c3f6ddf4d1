"""Forecasts that use nothing from the future, weigh who is right, and survive what sensors do."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from microgrid_core.energy.advice import expect_from
from microgrid_core.energy.battery import Battery
from microgrid_core.energy.clock import step_starts
from microgrid_core.energy.forecast import (
    HOURS,
    QUANTILES,
    Floats,
    blend,
    expect,
    filled,
    mean_of_week,
    normalised_error,
    residual_quantiles,
    ridge,
    yesterday,
)
from microgrid_core.energy.policies import Stochastic
from microgrid_core.energy.replay import replay

from .houses import history

DAYS = 60
MONDAY = datetime(2026, 6, 1, tzinfo=UTC).toordinal() * HOURS


def household(days: int = DAYS, seed: int = 1) -> Floats:
    """A load with a shape of the day, working days and weekends, and chance."""
    dice = np.random.default_rng(seed)
    hour = np.arange(days * HOURS)
    weekend = (hour // HOURS) % 7 >= 5
    shape = (
        0.3
        + np.exp(-((hour % HOURS - 19.0) ** 2) / 6.0)
        + 0.8 * weekend * np.exp(-((hour % HOURS - 12.0) ** 2) / 4.0)
    )
    result: Floats = shape + dice.gamma(0.4, 0.4, len(hour))
    return result


@pytest.mark.parametrize("lead_h", [24, 48])
@pytest.mark.parametrize("shift", [0, 7])
def test_nothing_from_the_future_is_used(lead_h: int, shift: int) -> None:
    load = household()
    other = load.copy()
    now = 50 * HOURS + 5
    other[now:] = np.random.default_rng(9).uniform(0.0, 50.0, len(other) - now)
    same, changed = blend(load, lead_h, 0, MONDAY + shift), blend(other, lead_h, 0, MONDAY + shift)
    assert np.array_equal(same[: now + lead_h], changed[: now + lead_h])
    assert not np.allclose(same[now + lead_h :], changed[now + lead_h :])


def test_what_is_said_for_the_future_is_what_replays_say_for_the_past() -> None:
    load = household()
    for now in (40 * HOURS, 45 * HOURS + 13):
        live, replayed = blend(load[:now], 24, 24, MONDAY), blend(load, 24, 0, MONDAY)
        assert live[now:] == pytest.approx(replayed[now : now + 24])


def test_the_blend_is_about_as_good_as_its_best_member() -> None:
    load = household(120)
    scored = slice(35 * HOURS, None)
    members = [yesterday(load), mean_of_week(load), ridge(load, len(load), 24, MONDAY)]
    errors = [normalised_error(load[scored], said[scored]) for said in members]
    blended = normalised_error(load[scored], blend(load, 24, 0, MONDAY)[scored])
    assert blended < 1.1 * min(errors)
    assert blended < 0.8 * errors[0]


def test_a_further_forecast_is_believed_as_far_as_it_is_right() -> None:
    load = household()
    right, wrong = load.copy(), np.full(len(load), 30.0)
    scored = slice(30 * HOURS, None)
    alone = normalised_error(load[scored], blend(load, 24)[scored])
    assert normalised_error(load[scored], blend(load, 24, members=[right])[scored]) < alone / 4
    assert normalised_error(load[scored], blend(load, 24, members=[wrong])[scored]) < 1.05 * alone
    nothing = np.full(3, math.nan)
    assert normalised_error(load[scored], blend(load, 24, members=[nothing])[scored]) < 1.1 * alone


def test_a_stuck_sensor_and_holes_are_no_catastrophe() -> None:
    load = household()
    load[20 * HOURS : 40 * HOURS] = 0.7
    load[45 * HOURS : 45 * HOURS + 30] = math.nan
    assert np.isfinite(blend(load, 24, 36)).all()
    assert filled(load)[45 * HOURS] == load[44 * HOURS]
    assert filled(np.array([math.nan, 2.0, math.inf])).tolist() == [0.0, 2.0, 1.0]


@given(
    st.lists(st.floats(allow_nan=True, allow_infinity=True, width=32), max_size=30 * HOURS).map(np.array),
    st.integers(0, 40),
    st.integers(0, 23),
)
@settings(max_examples=30)
def test_any_history_gives_a_forecast(series: Floats, hours: int, first_hour: int) -> None:
    series = np.clip(series.astype(np.float64), -1e6, 1e6)
    found = expect(series, np.zeros(len(series)), hours, first_hour)
    assert len(found.net_kwh) == hours
    assert np.isfinite(found.net_kwh).all()
    assert found.errors.shape == (HOURS, QUANTILES)
    assert np.isfinite(found.errors).all()


def test_errors_by_the_hour_come_from_it_and_its_neighbours() -> None:
    said = np.zeros(10 * HOURS)
    actual = np.zeros(10 * HOURS)
    actual[12::HOURS] = 3.0
    quantiles = residual_quantiles(actual, said)
    assert quantiles[12, -1] == quantiles[11, -1] == quantiles[13, -1] == 3.0
    assert not quantiles[:, :4].any()
    assert not quantiles[10].any()
    assert not residual_quantiles(actual[: 6 * HOURS], said[: 6 * HOURS]).any()


def test_the_error_measure() -> None:
    assert normalised_error(np.array([1.0, 3.0]), np.array([2.0, 2.0])) == 0.5
    assert math.isnan(normalised_error(np.zeros(3), np.ones(3)))
    assert math.isnan(normalised_error(np.zeros(0), np.zeros(0)))


# ----------------------------------------------------------------------------- from measurements as they come

ZONE = ZoneInfo("Europe/Berlin")


@pytest.mark.parametrize("minutes", [5, 30, 60])
@pytest.mark.parametrize(
    "now", [datetime(2026, 10, 24, 22, 17, tzinfo=UTC), datetime(2026, 3, 28, 20, tzinfo=UTC)]
)
def test_the_coming_hours_over_a_change_of_the_clocks(now: datetime, minutes: int) -> None:
    """A household that eats at seven in the evening does so on the wall, whatever UTC says."""
    step = timedelta(minutes=minutes)
    starts = step_starts(now.replace(minute=0) - timedelta(days=20), 20 * 24 * 60 // minutes, step)
    load = [minutes / 60.0 * (3.0 if start.astimezone(ZONE).hour == 19 else 0.5) for start in starts]
    found, _ = expect_from(starts, load, [0.0] * len(load), now, ZONE, 40)
    assert len(found.net_kwh) == 40
    first = now.replace(minute=0)
    for at, kwh in enumerate(found.net_kwh.tolist()):
        local = (first + timedelta(hours=at)).astimezone(ZONE)
        assert kwh == pytest.approx(3.0 if local.hour == 19 else 0.5, abs=0.15), local


def test_no_measurements_or_old_ones_or_a_clock_turned_back() -> None:
    now = datetime(2026, 6, 10, 12, 30, tzinfo=UTC)
    nothing, hour = expect_from([], [], [], now, UTC, 5)
    assert nothing.net_kwh.tolist() == [0.0] * 5
    assert hour % HOURS == 12
    starts = step_starts(now - timedelta(days=30), 20 * HOURS, timedelta(hours=1))
    old, _ = expect_from(starts, [1.0] * len(starts), [0.0] * len(starts), now, UTC, 5)
    assert old.net_kwh == pytest.approx(np.ones(5), abs=0.02)
    ahead = step_starts(now - timedelta(days=10), 20 * HOURS, timedelta(hours=1))
    known = [1.0] * (10 * HOURS) + [50.0] * (10 * HOURS)  # hours to come must not be used
    early, _ = expect_from(ahead, known, [0.0] * len(known), now, UTC, 5)
    assert early.net_kwh == pytest.approx(np.ones(5), abs=0.02)


def test_the_hour_that_comes_twice_is_not_known_when_it_comes_again() -> None:
    again = datetime(2026, 10, 25, 1, 30, tzinfo=UTC)  # half past two on the wall, for the second time
    starts = step_starts(again.replace(minute=0) - timedelta(days=9), 9 * HOURS, timedelta(hours=1))
    found, first_hour = expect_from(starts, [1.0] * len(starts), [0.0] * len(starts), again, ZONE, 5)
    assert first_hour % HOURS == 2
    assert found.net_kwh == pytest.approx(np.ones(5), abs=0.02)


def test_a_weather_service_is_heard() -> None:
    now = datetime(2026, 6, 30, tzinfo=UTC)
    starts = step_starts(now - timedelta(days=29), 31 * HOURS, timedelta(hours=1))
    dice = np.random.default_rng(4)
    sun = np.array([max(0.0, 6.0 - abs(start.hour - 12)) for start in starts])
    sun *= np.repeat(dice.uniform(0.1, 1.0, 31), HOURS)
    known = 29 * HOURS
    args = (starts[:known], np.full(known, 0.5), sun[:known], now, UTC, 24)
    alone, _ = expect_from(*args)
    helped, _ = expect_from(*args, [(starts, sun.tolist())])
    truth = sun[known : known + 24]
    assert normalised_error(truth, helped.solar_kwh) < 0.3 * normalised_error(truth, alone.solar_kwh)


def test_on_the_first_day_only_the_weather_service_knows() -> None:
    """Nothing was measured, or half a day: what the service says counts whole, not watered down by zeros."""
    now = datetime(2026, 6, 30, 12, tzinfo=UTC)
    starts = step_starts(now, 36, timedelta(hours=1))
    sun = [float(start.hour) for start in starts]
    nothing, _ = expect_from([], [], [], now, UTC, 36, [(starts, sun)])
    assert nothing.solar_kwh.tolist() == sun
    assert nothing.load_kwh.tolist() == [0.0] * 36
    past = step_starts(now - timedelta(hours=6), 6, timedelta(hours=1))
    short, _ = expect_from(past, [0.5] * 6, [1.0] * 6, now, UTC, 36, [(starts, sun), ([], [])])
    assert short.solar_kwh[:18].tolist() == sun[:18]


def test_on_the_first_day_the_load_of_an_unknown_hour_is_like_the_others() -> None:
    nothing = np.zeros(0)
    assert expect(nothing, nothing, 30, present_load_kw=0.4).net_kwh == pytest.approx([0.4] * 30)
    assert expect(nothing, nothing, 30).net_kwh == pytest.approx([0.0] * 30)
    known = np.array([0.2, np.nan, 1.0])
    found = expect(known, np.array([0.0, 0.3, 0.6]), 48, present_load_kw=9.0)
    # From tomorrow on, hours of today are known; the hole is filled with what came before it.
    assert found.load_kwh[:21] == pytest.approx([0.6] * 21)
    assert found.load_kwh[21:24] == pytest.approx([0.2, 0.2, 1.0], abs=0.01)
    assert found.solar_kwh[:21] == pytest.approx([0.0] * 21)
    assert found.load_kwh[24:45] == pytest.approx([0.6] * 21)


def test_replays_hear_the_weather_service_too() -> None:
    """What was said a day before is part of a history, so replays are not worse informed."""
    known = history(40)
    usual = np.tile(known.load_kwh.reshape(-1, HOURS).mean(axis=0), 40)
    known = replace(known, load_kwh=usual, solar_kwh=0.3 * known.solar_kwh)
    heard = replace(known, solar_forecasts=(known.solar_kwh,))
    (said,) = heard.part(24, 48).hourly_forecasts()
    assert said.tolist() == known.solar_kwh[24:72].tolist()
    battery = Battery(9.0, 5.0, 5.0)
    bills = [replay(one, battery, Stochastic(), skip=28 * HOURS).bill.total for one in (known, heard)]
    assert bills[1] < bills[0]
    with pytest.raises(ValueError, match="same number"):
        replace(known, solar_forecasts=(known.solar_kwh[1:],))
