"""A day becomes one record under its gates, and a discharge between two anchors becomes a capacity."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import asdict, replace
from datetime import date

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from microgrid_core.health.capacity import Capacity, CapacityCounter, Sample
from microgrid_core.health.summary import (
    BatteryDay,
    BatterySamples,
    Floats,
    HeatPumpDay,
    date_of,
    day_of,
    from_json,
    summarise_battery,
    summarise_heat_pump,
    to_json,
)

DAY = 20_700
DAY_S = 86_400.0


def times(step_s: float) -> Floats:
    """A day's times."""
    return np.asarray(DAY * DAY_S + np.arange(0.0, DAY_S, step_s), dtype=np.float64)


def samples(step_s: float = 60.0) -> BatterySamples:
    """A day that rests until noon and is off-grid in the afternoon."""
    time_s = times(step_s)
    into_h = (time_s - DAY * DAY_S) / 3600.0
    off_grid = (into_h >= 14.0) & (into_h < 20.0)
    current = np.where(into_h < 12.0, 2.0, 40.0)
    return BatterySamples(
        time_s=time_s,
        charge_percent=np.interp(into_h, [0.0, 12.0, 24.0], [85.0, 80.0, 30.0]),
        current_a=current,
        cell_spread_v=np.where(into_h < 12.0, 0.012, 0.080),  # load pulls cells apart: that is not drift
        temperature_c=np.where(into_h < 22.0, 24.0, 34.0),
        health_percent=np.where(into_h < 6.0, 98.0, 97.0),
        can_errors=np.floor(into_h),
        can_packets=np.asarray(into_h * 36_000.0, dtype=np.float64),
        off_grid=off_grid.astype(float),
        ac_out_w=np.where(off_grid, 1880.0, 300.0),
        dc_w=np.where(off_grid, 2000.0, 900.0),
        capacity_ah=300.0,
        inverter_w=5000.0,
        identity="v3/1",
    )


def test_a_day_is_summarised_under_its_gates() -> None:
    day = summarise_battery(DAY, samples())
    assert day.coverage == pytest.approx(1.0, abs=0.001)
    assert day.health_percent == 97.0
    assert day.cell_spread_v == pytest.approx(0.012)
    assert day.efficiency_percent == pytest.approx(94.0)
    assert day.off_grid_hours == pytest.approx(6.0, abs=0.02)
    assert day.charge_low_percent == pytest.approx(30.0, abs=0.1)
    assert day.charge_high_percent == 85.0
    assert day.throughput_ah == pytest.approx(12 * 2 + 12 * 40, rel=0.01)
    assert day.temperature_peak_c == 34.0
    assert day.temperature_mean_c == pytest.approx(24.0 + 10.0 * 2.0 / 24.0, abs=0.01)
    assert day.can_errors_per_million == pytest.approx(1e6 / 36_000.0, rel=0.05)
    assert json.loads(json.dumps(to_json(day))) == asdict(day)
    assert from_json(BatteryDay, to_json(day)) == day
    assert date_of(day_of(samples().time_s[5])) == date(2026, 9, 4)


def test_efficiency_needs_the_grid_gone_and_ten_percent_load() -> None:
    given_samples = samples()
    on_grid = replace(given_samples, off_grid=np.zeros_like(given_samples.off_grid))
    assert summarise_battery(DAY, on_grid).efficiency_percent is None
    light = replace(given_samples, inverter_w=20_000.0)
    assert summarise_battery(DAY, light).efficiency_percent is None
    unknown = replace(given_samples, inverter_w=None, capacity_ah=None)
    day = summarise_battery(DAY, unknown)
    assert (day.efficiency_percent, day.cell_spread_v) == (None, None)
    wrong = replace(given_samples, dc_w=given_samples.dc_w / 2.0)
    assert summarise_battery(DAY, wrong).efficiency_percent is None


def test_a_day_without_samples_is_empty_and_gaps_do_not_count() -> None:
    day = summarise_battery(DAY + 1, samples())
    assert day == BatteryDay(day=DAY + 1, identity="v3/1")
    sparse = summarise_battery(DAY, samples(step_s=3600.0))
    assert sparse.coverage == pytest.approx(23 * 600.0 / DAY_S)


def test_columns_of_different_lengths_are_refused() -> None:
    with pytest.raises(ValueError, match="dc_w: "):
        replace(samples(), dc_w=np.zeros(3))


def test_a_heat_pumps_day_counts_while_it_runs_steadily() -> None:
    time_s = times(300.0)
    steady = (np.arange(time_s.size) % 2 == 0).astype(float)
    superheat = np.where(steady == 1.0, 25.0, 3.0)
    day = summarise_heat_pump(DAY, time_s, superheat, np.full(time_s.size, 35.0), steady)
    assert (day.superheat_k, day.lift_k, day.steady_hours) == (25.0, 35.0, 12.0)
    assert from_json(HeatPumpDay, to_json(day)) == day


@pytest.mark.parametrize(
    "stored",
    [{}, {"day": "x"}, {"day": 5, "coverage": "much"}, {"day": True}, {"day": 5, "coverage": math.nan}],
)
def test_a_stored_record_that_is_none_is_refused(stored: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="BatteryDay"):
        from_json(BatteryDay, stored)
    assert from_json(BatteryDay, {"day": 5, "later": 1}) == BatteryDay(day=5)


numbers = st.lists(st.floats(), min_size=30, max_size=30)


@settings(max_examples=60, deadline=None)
@given(st.lists(numbers, min_size=9, max_size=9), st.floats(1.0, 1e4) | st.none())
def test_whatever_was_measured_a_day_has_finite_numbers_or_none(
    columns: list[list[float]], rating: float
) -> None:
    data = [np.array(column) for column in columns]
    with np.errstate(all="ignore"):
        day = summarise_battery(
            DAY,
            BatterySamples(
                time_s=times(60.0)[:30],
                charge_percent=data[0],
                current_a=data[1],
                cell_spread_v=data[2],
                temperature_c=data[3],
                health_percent=data[4],
                can_errors=data[5],
                can_packets=data[6],
                off_grid=np.ones(30),
                ac_out_w=data[7],
                dc_w=data[8],
                capacity_ah=rating,
                inverter_w=rating,
            ),
        )
    assert all(
        value is None or not isinstance(value, float) or not math.isnan(value)
        for value in asdict(day).values()
    )


# ---- capacity ----------------------------------------------------------------------------------------


def cycle(
    true_ah: float,
    rng: np.random.Generator,
    *,
    temperature: float = 24.0,
    step_s: float = 10.0,
    until: float = 15.0,
) -> Iterator[Sample]:
    """Full for a quarter of an hour, discharged with a wandering current; shunt and BMS err a little."""
    shunt = 1.0 + rng.normal(0.0, 0.005)
    charge, now = 100.0, 0.0
    while charge > until:
        current = 0.0 if now < 900.0 else 40.0 + 15.0 * math.sin(now / 700.0)
        yield Sample(
            now,
            current * shunt + rng.normal(0.0, 0.3),
            round(charge + rng.normal(0.0, 0.3), 1) if charge < 99.5 else 100.0,
            56.6 if charge > 99.5 else 52.0,
            56.8,
            temperature,
        )
        charge -= 100.0 * current * step_s / 3600.0 / true_ah
        now += step_s


def count(samples_of_cycle: Iterator[Sample], counter: CapacityCounter | None = None) -> list[Capacity]:
    counter = counter or CapacityCounter(300.0)
    return [found for sample in samples_of_cycle if (found := counter.feed(sample)) is not None]


def test_a_discharge_from_full_to_low_counts_the_capacity() -> None:
    rng = np.random.default_rng(1)
    errors = []
    for _ in range(12):
        (found,) = count(cycle(276.0, rng))
        errors.append(100.0 * (found.capacity_ah / 276.0 - 1.0))
        assert found.difference_percent >= 60.0
    print(f"capacity of one discharge: error {np.mean(errors):+.2f} % ± {np.std(errors):.2f} %")
    assert abs(np.mean(errors)) < 1.0
    assert np.std(errors) < 1.5


def test_a_charge_from_low_to_full_counts_it_too() -> None:
    backwards = list(cycle(280.0, np.random.default_rng(2)))[::-1]
    turned = [
        replace(sample, time_s=10.0 * number, current_a=-(sample.current_a or 0.0))
        for number, sample in enumerate(backwards)
    ]
    (found,) = count(iter(turned))
    assert found.capacity_ah == pytest.approx(280.0, rel=0.02)


def test_a_cold_battery_a_shallow_discharge_and_a_gap_count_nothing() -> None:
    rng = np.random.default_rng(3)
    assert count(cycle(280.0, rng, temperature=8.0)) == []
    assert count(cycle(280.0, rng, until=45.0)) == []
    holed = [sample for sample in cycle(280.0, rng) if not 5000.0 < sample.time_s < 5100.0]
    assert count(iter(holed)) == []
    short = [sample for sample in cycle(280.0, rng) if not 5000.0 < sample.time_s < 5050.0]
    assert len(count(iter(short))) == 1
    blind = [
        replace(sample, current_a=None if 5000.0 < sample.time_s < 5100.0 else sample.current_a)
        for sample in cycle(280.0, rng)
    ]
    assert count(iter(blind)) == []
    assert count(cycle(280.0, rng), CapacityCounter(1000.0)) == []  # not this battery's nominal capacity


def test_the_knee_of_the_lowest_cell_is_a_low_anchor() -> None:
    rng = np.random.default_rng(4)
    rows = [
        replace(sample, lowest_cell_v=3.05 if (sample.charge_percent or 0.0) < 30.0 else 3.25)
        for sample in cycle(280.0, rng, until=25.0)
    ]
    (found,) = count(iter(rows))
    assert found.difference_percent == pytest.approx(70.0, abs=1.5)


def test_a_count_goes_on_after_a_short_restart() -> None:
    rows = list(cycle(280.0, np.random.default_rng(5)))
    first, second = CapacityCounter(300.0), CapacityCounter(300.0)
    assert count(iter(rows[:900]), first) == []
    second.load(json.loads(json.dumps(first.save())))
    (found,) = count(iter(rows[900:]), second)
    assert found.capacity_ah == pytest.approx(280.0, rel=0.03)
    fresh = CapacityCounter(300.0)
    fresh.load(fresh.save())


@pytest.mark.parametrize(
    "saved",
    [
        {},
        {"last_s": 0, "full_s": "x", "anchor": None, "count": [0, 0, 0]},
        {"last_s": 0, "full_s": 0, "anchor": [], "count": [0, 0, 0]},
        {"last_s": 0, "full_s": 0, "anchor": None, "count": [0, 0]},
        {"last_s": 0, "full_s": math.nan, "anchor": [True, 1.0], "count": [0, 0, 0]},
    ],
)
def test_a_saved_count_of_something_else_is_refused(saved: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="saved count"):
        CapacityCounter(300.0).load(saved)


@pytest.mark.parametrize("nominal", [0.0, -5.0, math.nan, math.inf])
def test_a_nominal_capacity_must_be_one(nominal: float) -> None:
    with pytest.raises(ValueError, match="must be positive"):
        CapacityCounter(nominal)


values = st.none() | st.floats()


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(st.floats(), values, values, values, values, values, values), max_size=40))
def test_whatever_is_fed_a_capacity_is_plausible_or_none(rows: list[tuple[float, ...]]) -> None:
    counter = CapacityCounter(300.0)
    for row in rows:
        found = counter.feed(Sample(*row))
        assert found is None or 90.0 <= found.capacity_ah <= 390.0
