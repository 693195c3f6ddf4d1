"""Heat pump, MPP inverter, Pi battery, sun, loads and traces, one by one."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest

from simulator.physics.heat_pump import R32, R290, HeatPump
from simulator.physics.load import HouseholdLoads
from simulator.physics.mpp import MppInverter
from simulator.physics.neighbourhood import Neighbourhood
from simulator.physics.pi_battery import PiBattery, Task
from simulator.physics.solar import DAY_S, PvArrays, clear_sky_w_m2, sun_position
from simulator.physics.trace import Trace

NOON = sun_position(52.0, 172, DAY_S / 2)
NIGHT = sun_position(52.0, 172, 0.0)


def rng() -> np.random.Generator:
    return np.random.default_rng(1)


@pytest.mark.parametrize(
    ("refrigerant", "psi", "saturation_c"),
    [
        (R290, 20, -20.6),
        (R290, 70, 7.0),
        (R290, 280, 58.0),
        (R32, 40, -21.9),
        (R32, 280, 32.1),
        (R32, 450, 50.9),
    ],
)
def test_pressures_lie_on_the_saturation_curve(refrigerant: object, psi: float, saturation_c: float) -> None:
    assert refrigerant in (R290, R32)
    assert (R290 if refrigerant is R290 else R32).pressure_psi(saturation_c) == pytest.approx(psi, rel=0.005)


def test_heat_pump_cycles_and_its_temperatures_make_sense() -> None:
    pump = HeatPump(rng())
    starts, was_running, checked = 0, False, 0
    for second in range(86_400 // 10):
        pump.step(5.0, 60.0, 0.0, 10.0)
        starts += pump.compressor_running and not was_running
        was_running = pump.compressor_running
        if was_running and not pump.defrost_active and pump._in_state_s > 300.0:
            checked += 1
            assert pump.inlet_c < pump.outlet_c < pump.condensing_c < pump.compressor_c
            assert pump.evaporating_c < pump.ambient_c
            assert pump.pressure_high_psi > 2.0 * pump.pressure_low_psi
            assert 2.0 < pump.heat_w / pump.electrical_w < 6.5
        assert second < 2000 or 18.0 < pump.living_room_c < 25.0
    assert 5 < starts < 60
    assert checked > 500


def test_defrost_only_comes_in_the_cold_and_damp() -> None:
    def defrosts(ambient_c: float, humidity_percent: float) -> int:
        pump, count = HeatPump(rng()), 0
        for _ in range(86_400 // 10):
            was = pump.defrost_active
            pump.step(ambient_c, humidity_percent, 0.0, 10.0)
            count += pump.defrost_active and not was
            if pump.defrost_active:
                assert not pump.fan_running and pump.heat_w < 0.0
        return count

    assert defrosts(-2.0, 95.0) > 3
    assert defrosts(10.0, 95.0) == 0
    assert defrosts(-2.0, 40.0) == 0


def mpp_after(priority: str, charge: float, seconds: int = 600, night: bool = True) -> MppInverter:
    mpp = MppInverter(rng())
    mpp._rng = np.random.default_rng(5)
    mpp.pack.charge_ah[:] = mpp.pack.capacity_ah * charge
    mpp.set_output_priority(priority)
    for _ in range(seconds):
        mpp.step(0.0, NIGHT if night else NOON, 1.0, 10.0, 1.0, 1 / 3600)
    return mpp


def test_output_priority_decides_the_mode() -> None:
    assert mpp_after("sbu", 0.8).mode == "battery"
    assert mpp_after("sbu", 0.2).mode == "line"
    assert mpp_after("utility", 0.8).mode == "line"
    assert mpp_after("utility", 0.8).discharging_a == 0.0
    assert mpp_after("utility", 0.3).grid_charging_w > 100.0
    assert mpp_after("solar", 0.7, night=False).charging_a > 5.0
    with pytest.raises(ValueError, match="must be one of"):
        mpp_after("generator", 0.5)


def test_an_outage_of_the_grid_puts_the_load_on_the_battery() -> None:
    mpp = mpp_after("utility", 0.8)
    mpp._outage_s = 60.0
    mpp.step(0.0, NIGHT, 1.0, 10.0, 1.0, 1 / 3600)
    assert (mpp.mode, mpp.grid_v, mpp.output_v) == ("battery", 0.0, 230.0)
    for _ in range(70):
        mpp.step(0.0, NIGHT, 1.0, 10.0, 1.0, 1 / 3600)
    assert mpp.mode == "line" and mpp.grid_v > 200.0
    mpp.pack.charge_ah[:] = 0.5
    mpp._outage_s = 60.0
    for _ in range(5):
        mpp.step(0.0, NIGHT, 1.0, 10.0, 1.0, 1 / 3600)
    assert (mpp.mode, mpp.output_v) == ("standby", 0.0)


@pytest.mark.parametrize(
    ("task", "expected_w"),
    [
        (Task("idle"), 0.0),
        (Task("discharge", 1500.0), 1500.0),
        (Task("charge", 1200.0), -1200.0),
        (Task("discharge", 5000.0), 2000.0),
    ],
)
def test_pi_battery_does_its_task_within_its_limit(task: Task, expected_w: float) -> None:
    battery = PiBattery(rng())
    battery.power_limit_w = 2000.0
    battery.task = task
    for _ in range(10):
        battery.step(0.0, NIGHT, 1.0, 10.0, 1.0, 1 / 3600)
    assert battery.power_w == pytest.approx(expected_w, abs=15.0)


def test_pi_battery_follows_its_house_and_keeps_a_reserve() -> None:
    battery = PiBattery(rng())
    for _ in range(5):
        battery.step(0.0, NIGHT, 1.0, 10.0, 1.0, 1 / 3600)
    assert battery.power_w == pytest.approx(float(battery.loads.power_w[0]), abs=10.0)
    for _ in range(600):
        battery.step(DAY_S / 2, NOON, 1.0, 10.0, 1.0, 1 / 3600)
    assert battery.power_w < -1000.0
    battery.pack.charge_ah[:] = battery.pack.capacity_ah * 0.09
    battery.step(0.0, NIGHT, 1.0, 10.0, 1.0, 1 / 3600)
    assert battery.power_w == pytest.approx(0.0, abs=1.0)
    with pytest.raises(ValueError, match="must be one of"):
        Task("sell")


def test_the_sun_stands_where_it_should() -> None:
    assert np.degrees(NOON.elevation_rad) == pytest.approx(90 - 52 + 23.45, abs=0.1)
    assert NIGHT.sin_elevation < 0.0 and clear_sky_w_m2(NIGHT.sin_elevation) == 0.0
    assert clear_sky_w_m2(NOON.sin_elevation) == pytest.approx(910, abs=40)
    morning, evening = (sun_position(52.0, 172, hour * 3600.0) for hour in (8, 16))
    assert morning.azimuth_rad == pytest.approx(-evening.azimuth_rad)
    assert morning.azimuth_rad < 0.0


def test_charge_controllers_hold_back_towards_the_open_circuit_voltage() -> None:
    arrays = PvArrays(rng(), np.array([4000.0]))
    arrays.shine(arrays.irradiate(NOON, np.array([1.0])), 20.0, 3600.0)
    arrays.convert(np.array([np.inf]))
    free_v, free_w = arrays.input_voltage_v[0], arrays.output_power_w[0]
    assert 2500.0 < free_w < 4000.0
    assert free_w == pytest.approx(0.96 * arrays.input_voltage_v[0] * arrays.input_current_a[0], rel=0.01)
    arrays.convert(np.array([500.0]))
    assert arrays.output_power_w[0] == 500.0
    assert arrays.input_voltage_v[0] > free_v + 10.0


def test_households_have_an_evening_peak_and_save_when_asked() -> None:
    def kwh_by_hour(willing: float) -> np.ndarray:
        loads, energy = HouseholdLoads(rng(), 60), np.zeros(24)
        for step in range(8640):
            time_s = step * 10.0
            loads.step(time_s, 10.0, willing)
            energy[int(time_s // 3600)] += loads.power_w.mean() * 10.0 / 3.6e6
        return energy

    normal = kwh_by_hour(1.0)
    assert 5.0 < normal.sum() < 12.0
    assert normal[18:21].mean() > 3.0 * normal[1:4].mean()
    assert kwh_by_hour(0.1).sum() < 0.7 * normal.sum()


def write_trace(path: Path, rows: int = 72, pv: bool = True) -> Path:
    header = "local_hour,load_kwh_a,load_kwh_b" + (",pv_kwh_per_kwp_a,pv_kwh_per_kwp_b" if pv else "")
    lines = [header]
    for hour in range(rows):
        sun = 0.5 if 8 <= hour % 24 < 16 else 0.0
        cells = f"2020-04-{9 + hour // 24:02d} {hour % 24:02d}:00,{0.1 * (hour % 24):.2f},2.0"
        lines.append(cells + (f",{sun},{sun}" if pv else ""))
    content = ("\n".join(lines) + "\n").encode()
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)
    return path


@pytest.mark.parametrize("name", ["trace.csv", "trace.csv.gz"])
def test_a_trace_takes_the_place_of_the_generators(tmp_path: Path, name: str) -> None:
    trace = Trace(write_trace(tmp_path / name), 4)
    # 2020 is a leap year: 10 April is day 101.
    assert trace.load_w(101, 10.5 * 3600)[:2] == pytest.approx([1000.0, 2000.0])
    assert trace.load_w(101, 11.0 * 3600)[0] == pytest.approx(1050.0)  # between two hours' middles
    site = Neighbourhood(4, 2, start_s=10.5 * 3600, day_of_year=101, trace=trace)
    site.step(5, 0.1)
    assert site.values("house-02")["load_power"] == pytest.approx(2000, abs=5)
    assert site.houses.solar.available_w[0] / site.houses.solar.peak_w[0] == pytest.approx(0.5, abs=0.05)


def test_a_recorded_house_saves_too_before_its_battery_is_empty(tmp_path: Path) -> None:
    trace = Trace(write_trace(tmp_path / "trace.csv"), 4)
    site = Neighbourhood(4, 2, start_s=0.0, trace=trace)
    site.houses.packs.charge_ah[:] = site.houses.packs.capacity_ah * 0.2
    site.step(6 * 3600, 10.0)
    assert site.houses.packs.state_of_charge.min() > 0.08
    assert site.houses.load_served_w[1] < 1000.0


def test_a_trace_without_pv_leaves_the_sun_to_the_generator(tmp_path: Path) -> None:
    trace = Trace(write_trace(tmp_path / "loads.csv", pv=False), 2)
    assert not trace.has_pv
    site = Neighbourhood(2, 1, trace=trace)
    site.step(5, 0.1)
    assert site.houses.solar.available_w.min() > 50.0


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "no rows"),
        ("a,b\n1,2\n", "needs a column local_hour"),
        ("local_hour,load_kwh_a\n2020-01-01 00:00,much\n", "every cell must be a number"),
    ],
)
def test_a_broken_trace_is_named(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "broken.csv"
    path.write_text(text)
    with pytest.raises(ValueError, match=message):
        Trace(path, 2)
