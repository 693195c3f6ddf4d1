"""Residuals are zero on what they model, NaN where nothing is known; onsets are found where they were put."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, strategies as st

from microgrid_core.diagnosis.onset import Baseline, baseline, ramp, step_onset
from microgrid_core.diagnosis.residuals import (
    ac_power_residual_w,
    battery_current_residual_a,
    bus_minus_cells_v,
    cell_minus_median_v,
    command_mismatch,
    droop_residual_hz,
    fit_line,
    frame_gaps_s,
    load_balance_w,
    thermal_residual_k,
)

T = np.round(np.arange(-10.0, 2.0, 0.01), 4)


def test_droop_residual_is_the_shift_of_the_line() -> None:
    power = np.array([0.0, 2000.0, 6000.0, np.nan])
    measured = 50.02 - 0.25e-3 * power
    found = droop_residual_hz(measured, power, 0.25e-3)
    assert found[:3] == pytest.approx([0.02] * 3) and np.isnan(found[3])


def test_power_beyond_voltage_times_current_is_positive() -> None:
    assert ac_power_residual_w(np.array([2300.0]), np.array([230.0]), np.array([9.0])) == pytest.approx(230.0)


def test_what_inverters_give_is_what_loads_and_swarm_take() -> None:
    given_w, taken_w = np.array([[1000.0], [2000.0]]), np.array([[500.0], [1500.0]])
    assert load_balance_w(given_w, taken_w, np.array([1000.0])) == pytest.approx(0.0)


@pytest.mark.parametrize(
    ("power_w", "battery_a"), [(1000.0, 1000.0 / 0.95 / 50.0 - 5.0), (-1000.0, -950.0 / 50.0 - 5.0)]
)
def test_battery_current_is_accounted_for_in_both_directions(power_w: float, battery_a: float) -> None:
    found = battery_current_residual_a(
        np.array([battery_a]), np.array([50.0]), np.array([power_w]), np.array([5.0])
    )
    assert found == pytest.approx(0.0)


def test_no_bus_voltage_gives_no_residual() -> None:
    assert np.isnan(battery_current_residual_a(np.ones(1), np.zeros(1), np.ones(1), np.ones(1))).all()


def test_cells_against_their_median_and_the_bus() -> None:
    cells = np.full((16, 2), 3.3)
    cells[4, 0] = 3.2
    cells[:, 1] = np.nan
    apart = cell_minus_median_v(cells)
    assert apart[4, 0] == pytest.approx(-0.1) and apart[0, 0] == pytest.approx(0.0)
    assert np.isnan(apart[:, 1]).all()
    residual = bus_minus_cells_v(np.array([52.7, 52.7]), cells)
    assert residual[0] == pytest.approx(0.0) and np.isnan(residual[1])


def test_a_line_is_a_resistance() -> None:
    current = np.linspace(0.0, 40.0, 50)
    line = fit_line(current, 53.0 - 0.012 * current, 4.0)
    assert line is not None
    assert line.slope == pytest.approx(-0.012) and line.offset == pytest.approx(53.0)
    assert fit_line(np.full(50, 3.0), current, 4.0) is None
    assert fit_line(np.full(50, np.nan), current, 4.0) is None


def test_temperature_beyond_what_losses_explain() -> None:
    assert thermal_residual_k(np.array([70.0]), np.array([20.0]), 25.0, 0.05) == pytest.approx(25.0)


def test_commands_differ_only_where_both_are_known() -> None:
    found = command_mismatch(np.array([1.0, 1.0, np.nan, 0.0]), np.array([1.0, 0.0, 0.0, 1.0]))
    assert found.tolist() == [False, True, False, True]


def test_gaps_count_both_ends_of_the_window() -> None:
    assert frame_gaps_s(np.array([1.0, 2.0, 7.0]), 0.0, 10.0).tolist() == [1.0, 1.0, 5.0, 3.0]
    assert frame_gaps_s(np.zeros(0), 0.0, 10.0).tolist() == [10.0]


def test_a_baseline_is_not_moved_by_outliers_and_never_finer_than_its_floor() -> None:
    values = np.full(T.size, 230.0)
    values[::10] = 400.0
    usual = baseline(T, values, 0.2)
    assert usual is not None and usual.median == 230.0 and usual.sigma == 0.2
    assert usual.z(231.0) == pytest.approx(5.0)
    assert baseline(T, np.full(T.size, np.nan), 0.2) is None


@given(st.integers(0, 2**31), st.floats(-2.0, 0.5), st.sampled_from([-1.0, 1.0]), st.floats(6.0, 200.0))
def test_a_step_is_found_where_it_is(seed: int, at_s: float, sign: float, height: float) -> None:
    values = np.random.default_rng(seed).normal(0.0, 1.0, T.size)
    values[at_s <= T] += sign * height
    usual = baseline(T, values, 0.1)
    assert usual is not None
    found = step_onset(T, values, usual, -3.0, 1.5, alarm=16.0)
    assert found is not None
    assert abs(found.t_s - at_s) < 0.05
    assert found.earliest_s <= found.t_s <= found.latest_s
    assert np.sign(found.height) == sign


@pytest.mark.parametrize("seed", range(20))
def test_noise_is_no_step(seed: int) -> None:
    values = np.random.default_rng(seed).normal(50.0, 0.003, T.size)
    usual = baseline(T, values, 0.001)
    assert usual is not None
    assert step_onset(T, values, usual, -3.0, 0.0, alarm=14.0) is None


def test_a_ramp_with_its_interval() -> None:
    t = np.arange(0.0, 10.0, dtype=np.float64)
    values = 20.0 + 0.5 * t + np.random.default_rng(2).normal(0.0, 0.05, t.size)
    values[3] = 90.0
    found = ramp(t, values)
    assert found is not None
    assert found.low_per_s <= 0.5 <= found.high_per_s and found.moves
    assert found.slope_per_s == pytest.approx(0.5, abs=0.05)
    assert ramp(t[:2], values[:2]) is None


@given(
    st.lists(st.floats(allow_nan=True, allow_infinity=True, width=32), max_size=60), st.floats(0.001, 10.0)
)
def test_onsets_survive_anything(values: list[float], floor: float) -> None:
    x = np.array(values)
    x[~np.isfinite(x)] = np.nan
    t = np.linspace(-10.0, 1.0, x.size)
    usual = baseline(t, x, floor) or Baseline(0.0, floor, 0)
    step_onset(t, x, usual, -3.0, 1.0)
    ramp(t, x)
