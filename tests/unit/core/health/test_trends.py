"""Ageing is found as exactly as the documentation claims, on many simulated batteries; dates need data."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from microgrid_core.health.ageing import (
    YEAR_D,
    Method,
    Missing,
    Replacement,
    Slope,
    crossings,
    outlook,
    replacement,
    slope_of_capacity,
    slope_of_steps,
    theil_sen,
)
from microgrid_core.health.drift import Chart, DriftState, follow
from microgrid_core.health.risk import RiskInputs, RiskLevel, assess_risk
from microgrid_core.health.rules_trend import CHARGE_DRIFT, EFFICIENCY_DRIFT, LOSS_AT_LEAST, SPREAD_DRIFT
from microgrid_core.health.summary import BatteryDay, HeatPumpDay
from microgrid_core.health.trends import battery_subject, battery_trends, heat_pump_subject, refrigerant_drift

RUNS = 300
LOSS = 2.5
"""Percent per year, the middle of what field studies found (2 … 3)."""


def told(
    rng: np.random.Generator, years: float, loss: float = LOSS, noise: float = 0.0
) -> list[tuple[float, float]]:
    """Whole percents that a BMS tells every day; it starts anywhere within its percent."""
    days = np.arange(0.0, years * YEAR_D)
    health = 99.0 + rng.uniform(0.0, 1.0) - loss * days / YEAR_D + rng.normal(0.0, noise, days.size)
    return [(float(day), float(value)) for day, value in zip(days, np.floor(health), strict=True)]


def counted(rng: np.random.Generator, years: float, loss: float = LOSS) -> list[tuple[float, float]]:
    """Capacities of 1.5 % noise, one a week."""
    days = np.arange(0.0, years * YEAR_D, 7.0)
    health = 99.0 - loss * days / YEAR_D + rng.normal(0.0, 1.5, days.size)
    return [(float(day), float(value)) for day, value in zip(days, health, strict=True)]


def columns(rows: list[tuple[float, float]]) -> tuple[np.ndarray, np.ndarray]:
    return np.array([day for day, _ in rows]), np.array([value for _, value in rows])


@dataclass(frozen=True)
class Scored:
    """Slopes of many simulated batteries."""

    losses: np.ndarray
    covered: float
    found: int


def score(slopes: list[Slope | Missing], truth: float = LOSS) -> Scored:
    good = [slope for slope in slopes if isinstance(slope, Slope)]
    covered = [slope.loss_low <= truth <= slope.loss_high for slope in good]
    return Scored(
        np.array([slope.loss for slope in good]), float(np.mean(covered)) if covered else math.nan, len(good)
    )


def test_the_slope_of_steps_is_exact_without_noise() -> None:
    rng = np.random.default_rng(1)
    for years in (1.5, 2.0, 3.0, 5.0):
        scored = score([slope_of_steps(*columns(told(rng, years)), years * YEAR_D) for _ in range(RUNS)])
        error = np.abs(scored.losses - LOSS).max() if scored.found else math.nan
        print(f"steps, {years:g} years: {scored.found}/{RUNS} with 3 steps, error at most {error:.4f} %/a")
        if scored.found:
            assert error < 0.02
            assert scored.covered == 1.0


@pytest.mark.parametrize("noise", [0.2, 0.5])
def test_the_interval_of_steps_holds_the_truth_with_a_flickering_bms(noise: float) -> None:
    rng = np.random.default_rng(2)
    slopes = [slope_of_steps(*columns(told(rng, 2.0, noise=noise)), 2.0 * YEAR_D) for _ in range(RUNS)]
    scored = score(slopes)
    print(
        f"steps with {noise:g} % noise, 2 years: {scored.found}/{RUNS} found, 10-90 % of runs "
        f"{np.percentile(scored.losses, 10):.2f}-{np.percentile(scored.losses, 90):.2f}, "
        f"held {scored.covered:.3f}"
    )
    assert scored.found > 0.9 * RUNS
    assert scored.covered >= 0.94


@pytest.mark.parametrize(("years", "low", "high"), [(1.0, 1.54, 3.50), (2.0, 2.18, 2.85)])
def test_counted_capacities_reach_the_accuracy_of_the_documentation(
    years: float, low: float, high: float
) -> None:
    rng = np.random.default_rng(3)
    slopes = [slope_of_capacity(*columns(counted(rng, years)), years * YEAR_D) for _ in range(1000)]
    scored = score(slopes)
    p10, p90 = np.percentile(scored.losses, [10, 90])
    print(
        f"capacity, {years:g} years of weeks: {scored.found}/1000 found, 10-90 % of runs {p10:.2f}-{p90:.2f} "
        f"(documented {low}-{high}), held {scored.covered:.3f} (documented 0.94-0.97)"
    )
    assert scored.found == 1000
    assert p10 > low - 0.1
    assert p90 < high + 0.1
    assert scored.covered >= 0.93


def test_a_date_is_never_named_without_enough_data() -> None:
    rng = np.random.default_rng(4)
    named = 0
    for years, noise in [(0.1, 0.0), (0.25, 0.3), (0.49, 0.3), (0.8, 0.0)]:
        for _ in range(RUNS):
            found = outlook(told(rng, years, noise=noise), counted(rng, years), years * YEAR_D)
            assert found.replacement is None
            assert found.missing is not None
            named += 1
    assert outlook([], [], 0.0).missing is Missing.TOO_FEW_STEPS
    assert outlook([], counted(rng, 0.2), 73.0).missing is Missing.TOO_FEW_POINTS
    assert outlook([], [(week * 7.0, 99.0) for week in range(30)], 210.0).missing is Missing.TOO_SHORT
    print(f"{named} batteries of less than a year: no date")


def test_a_battery_that_does_not_age_gets_a_date_only_by_the_luck_of_its_interval() -> None:
    rng = np.random.default_rng(5)
    dates = 0
    for _ in range(RUNS):
        found = outlook(told(rng, 2.0, loss=0.0), counted(rng, 2.0, loss=0.0), 2.0 * YEAR_D)
        dates += found.replacement is not None
    print(f"batteries that do not age at all: {dates}/{RUNS} with a date after 2 years")
    assert dates <= 0.05 * RUNS


def test_replacement_dates_hold_the_truth_as_often_as_the_slopes() -> None:
    rng = np.random.default_rng(6)
    hits, dates, widths = 0, 0, []
    for _ in range(RUNS):
        years = 3.0
        start = rng.uniform(0.0, 1.0)
        days = np.arange(0.0, years * YEAR_D)
        health = 99.0 + start - LOSS * days / YEAR_D
        found = outlook(
            [(float(d), float(v)) for d, v in zip(days, np.floor(health), strict=True)], [], days[-1]
        )
        assert found.replacement is not None
        when = found.replacement
        true_day = (99.0 + start - 80.0) / LOSS * YEAR_D
        dates += 1
        hits += when.low <= true_day <= when.high
        widths.append((when.high - when.low) / YEAR_D)
        assert when.low <= when.likely <= when.high
    print(f"dates after 3 years: {hits}/{dates} hold the truth, width {np.median(widths):.1f} years (median)")
    assert hits >= 0.94 * dates


def test_the_daily_line_that_others_draw_is_worse() -> None:
    """The reason why only steps count: a line through daily whole percents is certain of what is wrong."""
    rng = np.random.default_rng(7)
    covered = []
    for _ in range(40):
        days, values = columns(told(rng, 0.75))
        slope, low, high = theil_sen(days[::3] / YEAR_D, values[::3])
        covered.append(-high <= LOSS <= -low)
        assert isinstance(slope, float)
    print(f"Theil–Sen on daily whole percents, 9 months: held in {np.mean(covered):.2f}")
    assert np.mean(covered) < 0.9


def test_a_leap_of_the_bms_begins_the_series_anew() -> None:
    days = np.arange(1500).astype(np.float64)
    health = np.floor(99.9 - LOSS * days / YEAR_D)
    health[700:] -= 6.0  # a capacity test taught it better
    slope = slope_of_steps(days, health, 1500.0)
    assert isinstance(slope, Slope)
    assert slope.loss == pytest.approx(LOSS, abs=0.02)


def settled(years: float, level: int = 96, step_d: float = 91.0) -> list[tuple[float, float]]:
    """A battery that loses some percent soon, and then no more."""
    return [(float(day), max(100.0 - day // step_d, float(level))) for day in range(round(years * YEAR_D))]


@pytest.mark.parametrize("years", [2.0, 3.0, 5.0, 6.0, 12.0])
@pytest.mark.parametrize(("level", "step_d"), [(96, 91.0), (90, 60.0), (85, 45.0)])
def test_a_battery_that_has_settled_is_not_worn_by_the_loss_of_its_first_year(
    years: float, level: int, step_d: float
) -> None:
    today = round(years * YEAR_D)
    rows = settled(years, level, step_d)
    found = outlook(rows, [], float(today))
    assert found.slope is not None
    assert found.slope.health == pytest.approx(level, abs=0.5)
    if today - (100 - level) * step_d > 3.0 * step_d:
        assert found.missing is Missing.NOT_SIGNIFICANT
        assert not found.slope.significant
    days = [BatteryDay(day=int(day), health_percent=value) for day, value in rows]
    assert battery_trends(days, [], float(today)).risk.score <= assess_risk(RiskInputs(level - 0.5)).score


@pytest.mark.parametrize(("told_now", "worn"), [(82, False), (81, False), (80, True), (79, True)])
def test_replacement_is_due_today_only_when_the_battery_says_so(told_now: int, worn: bool) -> None:
    rows = [
        (float(day), max(100.0 - day // 60.0, float(told_now))) for day in range(60 * (100 - told_now) + 60)
    ]
    today = rows[-1][0]
    found = outlook(rows, [], today)
    assert found.replacement is not None
    assert (found.replacement.likely == today) is worn


def test_crossings_of_a_flickering_value_lie_in_its_middle() -> None:
    days = np.arange(8).astype(np.float64)
    times, levels = crossings(days, np.array([98.0, 98.0, 97.0, 98.0, 97.0, 98.0, 97.0, 97.0]))
    assert times.tolist() == pytest.approx([3.5], abs=1.0)
    assert levels.tolist() == [97.5]
    assert crossings(np.array([]), np.array([]))[0].size == 0


def test_steps_within_a_short_time_are_not_enough() -> None:
    days = np.arange(100).astype(np.float64)
    assert slope_of_steps(days, np.floor(99.0 - days / 20.0), 100.0) is Missing.TOO_SHORT


def test_replacement_of_worn_slow_and_uncertain_batteries() -> None:
    slope = Slope(Method.CAPACITY, 2.5, 2.0, 3.0, 79.0, 100, 700.0)
    assert replacement(slope, 1000.0, 80.0) == Replacement(1000.0, 1000.0, 1000.0)
    assert replacement(replace(slope, health=95.0, loss_low=-0.1), 0.0, 80.0) is Missing.NOT_SIGNIFICANT
    assert (
        replacement(replace(slope, health=99.0, loss=0.5, loss_low=0.4), 0.0, 70.0) is Missing.BEYOND_HORIZON
    )
    late = replacement(replace(slope, health=90.0, loss=1.0, loss_low=0.1), 0.0, 80.0)
    assert isinstance(late, Replacement)
    assert late.high == pytest.approx(20.0 * YEAR_D)
    assert late.likely == pytest.approx(10.0 * YEAR_D)


def test_theil_sen_needs_two_times() -> None:
    with pytest.raises(ValueError, match="two different times"):
        theil_sen(np.array([1.0, 1.0]), np.array([1.0, 2.0]))


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.floats(allow_nan=True), st.floats(allow_nan=True)), max_size=40),
    st.lists(st.tuples(st.floats(-1e4, 1e5), st.floats(0.0, 200.0)), max_size=60),
)
def test_whatever_is_told_gives_an_outlook(
    first: list[tuple[float, float]], second: list[tuple[float, float]]
) -> None:
    with np.errstate(all="ignore"):
        found = outlook(first, second, 20_000.0)
    assert (found.replacement is None) == (found.missing is not None)


# ---- drifts ------------------------------------------------------------------------------------------


def stands(values: Sequence[float | None], chart: Chart | None = None) -> list[DriftState]:
    """The state after each day."""
    chart = chart or Chart(worse=1, least_sigma=0.001)
    return [follow(chart, [("a", value) for value in values[: day + 1]]).state for day in range(len(values))]


def test_drift_is_found_soon_and_seldom_where_there_is_none() -> None:
    rng = np.random.default_rng(8)
    false, delays = 0, []
    chart = Chart(worse=1, least_sigma=0.01)
    for _ in range(100):
        quiet = rng.normal(10.0, 1.0, 365)
        false += any(
            follow(chart, [("a", float(value)) for value in quiet[:day]]).state is DriftState.ALERT
            for day in range(40, 366, 5)
        )
        shifted = [("a", float(value)) for value in (*rng.normal(10.0, 1.0, 60), *rng.normal(12.0, 1.0, 60))]
        delays.append(
            next(
                (day for day in range(1, 61) if follow(chart, shifted[: 60 + day]).state is DriftState.ALERT),
                99,
            )
        )
    print(f"drift: {false}/100 quiet years with an alert; a shift of 2 σ after {np.median(delays):g} days")
    assert np.median(delays) <= 8
    assert np.percentile(delays, 90) <= 25
    assert false <= 10


def test_drift_of_a_rolling_baseline_forgives_the_seasons() -> None:
    days = np.arange(730.0)
    rng = np.random.default_rng(9)
    values = 20.0 + 8.0 * np.sin(2.0 * np.pi * days / YEAR_D) + rng.normal(0.0, 1.0, days.size)
    chart = Chart(worse=1, least_sigma=1.5, rolling=True)
    alerts = sum(
        follow(chart, [("a", float(value)) for value in values[:day]]).state is DriftState.ALERT
        for day in range(60, 731, 10)
    )
    hot = [("a", float(value)) for value in (*values[:400], *(values[400:430] + 10.0))]
    print(f"temperature over two years of seasons: {alerts}/68 decades in alert")
    assert alerts <= 25
    assert follow(chart, hot[:412]).state is DriftState.ALERT


def test_drift_begins_anew_with_another_battery_and_skips_days_without_value() -> None:
    chart = Chart(worse=1, least_sigma=0.1)
    values: list[float | None] = [*[1.0] * 30, *[None] * 5, *[9.0] * 5]
    days = [("a", value) for value in values]
    assert follow(chart, days).state is DriftState.ALERT
    assert follow(chart, days).days == 35
    after = follow(chart, [*days, ("b", 9.0)])
    assert (after.state, after.days, after.cusum) == (DriftState.LEARNING, 1, None)
    assert follow(chart, []).state is DriftState.LEARNING


def test_one_bad_day_is_no_drift_and_a_better_value_neither() -> None:
    assert DriftState.ALERT not in stands([1.0] * 30 + [500.0] + [1.0] * 10, Chart(worse=1, least_sigma=0.1))
    assert set(stands([1.0] * 30 + [0.2] * 30, Chart(worse=1, least_sigma=0.1))[29:]) == {DriftState.OK}
    assert stands([1.0] * 30 + [0.2] * 30, Chart(worse=-1, least_sigma=0.1))[-1] is DriftState.ALERT


# ---- risk --------------------------------------------------------------------------------------------


def test_risk_adds_up_and_what_is_missing_lowers_the_confidence_only() -> None:
    sound = assess_risk(RiskInputs(97.0, 0.01, 0.0, 24.0, 500.0))
    assert (sound.score, sound.level, sound.confidence) == (0, RiskLevel.LOW, 1.0)
    worn = assess_risk(RiskInputs(66.0, 0.2, 1.0, 52.0, 6000.0))
    assert (worn.score, worn.level) == (100, RiskLevel.CRITICAL)
    nothing = assess_risk(RiskInputs())
    assert (nothing.score, nothing.confidence) == (0, 0.0)
    half = assess_risk(RiskInputs(health_percent=78.0))
    assert (half.score, half.level, half.confidence) == (20, RiskLevel.MEDIUM, 0.4)
    assert {factor.name: factor.points for factor in half.factors}["health"] == 20
    assert sum(factor.points for factor in worn.factors) == worn.score


@pytest.mark.parametrize(
    ("health", "points"),
    [(90.0, 0), (89.9, 5), (85.0, 5), (84.0, 10), (80.0, 10), (79.0, 20), (74.9, 30), (69.0, 40)],
)
def test_points_of_health(health: float, points: int) -> None:
    assert assess_risk(RiskInputs(health_percent=health)).score == points


# ---- all together ------------------------------------------------------------------------------------


def test_a_batterys_years_become_an_outlook_drifts_and_readings_for_rules() -> None:
    days = [
        BatteryDay(
            day=day,
            identity="v1/123",
            health_percent=math.floor(99.9 - 5.5 * day / YEAR_D),
            cell_spread_v=0.012 if day < 900 else 0.06,
            temperature_mean_c=24.0,
            temperature_peak_c=30.0,
            efficiency_percent=94.0 if day < 1000 else 90.0,
            off_grid_hours=3.0,
        )
        for day in range(1100)
    ]
    trends = battery_trends(days, [], 1100.0, modules_offline=0.0, cycles=900.0)
    assert trends.outlook.slope is not None
    assert trends.outlook.slope.loss == pytest.approx(5.5, abs=0.02)
    assert trends.outlook.replacement is not None
    assert trends.drifts[SPREAD_DRIFT].state is DriftState.ALERT
    assert trends.drifts[EFFICIENCY_DRIFT].state is DriftState.ALERT
    assert trends.risk.confidence == 1.0
    assert trends.risk.score == 10 + 5
    subject = battery_subject("gx-1/battery/512", trends)
    reading = subject.read(LOSS_AT_LEAST)
    assert reading is not None
    assert reading.value == pytest.approx(5.5, abs=0.5)
    assert SPREAD_DRIFT in set(subject.names())
    assert subject.read("nothing") is None

    changed = [*days, replace(days[-1], day=1100, identity="v2/123")]
    anew = battery_trends(changed, [(500.0, 80.0)], 1101.0)
    assert anew.outlook.slope is None
    assert anew.drifts[SPREAD_DRIFT].state is DriftState.LEARNING
    assert battery_trends([], [], 0.0).risk.confidence == 0.0


def test_efficiency_of_a_day_that_was_hardly_off_grid_does_not_count() -> None:
    days = [BatteryDay(day=day, efficiency_percent=94.0, off_grid_hours=0.1) for day in range(60)]
    assert battery_trends(days, [], 60.0).drifts[EFFICIENCY_DRIFT].days == 0


def heat_pump_days(lost_from: int, rng: np.random.Generator) -> list[HeatPumpDay]:
    """Superheat follows the lift, as in physics; a lost charge raises it."""
    lifts = rng.uniform(25.0, 45.0, 80)
    return [
        HeatPumpDay(
            day=day,
            steady_hours=5.0,
            superheat_k=float(
                12.0 + 0.35 * lifts[day] + rng.normal(0.0, 0.5) + (6.0 if day >= lost_from else 0.0)
            ),
            lift_k=float(lifts[day]),
        )
        for day in range(80)
    ]


def test_lost_refrigerant_shows_in_the_superheat_at_comparable_lift() -> None:
    rng = np.random.default_rng(10)
    assert refrigerant_drift(heat_pump_days(99, rng)).state is not DriftState.ALERT
    drift = refrigerant_drift(heat_pump_days(50, rng)[:60])
    assert drift.state is DriftState.ALERT
    subject = heat_pump_subject("heat-pump-1", drift)
    reading = subject.read(CHARGE_DRIFT)
    assert reading is not None
    assert reading.value == drift.cusum
    assert refrigerant_drift([]).state is DriftState.LEARNING
    assert not list(heat_pump_subject("heat-pump-1", refrigerant_drift([])).names())
    other = [replace(day, identity="b") for day in heat_pump_days(50, rng)[:3]]
    assert refrigerant_drift([*heat_pump_days(50, rng)[:60], *other]).days == 3
