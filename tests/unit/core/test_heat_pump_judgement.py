"""What the readings of a heat pump mean."""

from __future__ import annotations

from typing import Any

import pytest

from microgrid_core.contract.messages import EventState, Severity
from microgrid_core.health.heat_pump import DefrostGuard, HeatPumpWatch, Phase
from microgrid_core.health.limits import Alarm
from microgrid_core.model.metric import Value

NORMAL: dict[str, Value] = {
    "temp_inlet": 45.2,
    "temp_outlet": 50.1,
    "temp_ambient": 7.0,
    "temp_compressor": 70.5,
    "voltage": 230.5,
    "current": 8.5,
    "pressure_high": 280.0,
    "pressure_low": 40.0,
    "compressor_running": True,
    "fan_running": True,
    "defrost_active": False,
}


def running(refrigerant: str | None = "R290") -> HeatPumpWatch:
    """A heat pump that has been running for ten minutes, at t = 600 s."""
    watch = HeatPumpWatch()
    watch.choose(refrigerant, 0.0)
    watch.read(NORMAL, 0.0)
    watch.read(NORMAL, 600.0)
    return watch


def codes(alarms: tuple[Alarm, ...]) -> list[tuple[str, EventState, Severity]]:
    """What was told."""
    return [(alarm.code, alarm.state, alarm.severity) for alarm in alarms]


# ---- derived values ----------------------------------------------------------------------------------------


def test_pressures_become_temperatures_of_the_chosen_refrigerant() -> None:
    found = running().read(NORMAL, 610.0).values
    assert found["condensing_temperature"] == pytest.approx(58.02, abs=0.05)
    assert found["evaporating_temperature"] == pytest.approx(-7.30, abs=0.05)
    assert found["discharge_superheat"] == pytest.approx(70.5 - 58.02, abs=0.05)
    assert found["condensing_approach"] == pytest.approx(58.02 - 50.1, abs=0.05)
    assert found["evaporating_approach"] == pytest.approx(7.0 + 7.30, abs=0.05)
    assert found["pressure_ratio"] == pytest.approx((280 + 14.696) / (40 + 14.696), abs=0.001)
    assert found["carnot_estimate"] == pytest.approx((58.02 + 273.15) / (58.02 + 7.30), abs=0.01)


def test_a_blend_condenses_at_its_bubble_side_and_boils_at_its_dew_side() -> None:
    found = running("R407C").read(NORMAL, 610.0).values
    assert found["condensing_temperature"] == pytest.approx(46.3, abs=0.05)
    assert found["evaporating_temperature"] == pytest.approx(-5.59, abs=0.05)


@pytest.mark.parametrize("name", [None, "R9999"])
def test_without_refrigerant_pressures_stay_pressures(name: str | None) -> None:
    found = running(name).read(NORMAL, 610.0).values
    assert {key for key, value in found.items() if value is not None} == {"pressure_ratio"}


def test_another_refrigerant_counts_at_once() -> None:
    watch = running(None)
    assert watch.choose("R290", 611.0).values["condensing_temperature"] == pytest.approx(58.02, abs=0.05)
    assert watch.choose("R22", 612.0).values["condensing_temperature"] == pytest.approx(51.97, abs=0.05)
    assert watch.choose(None, 613.0).values["condensing_temperature"] is None


def steady_keys(watch: HeatPumpWatch, now: float, **changes: Any) -> bool:
    """Whether what needs a steady machine is told."""
    found = watch.read({**NORMAL, **changes}, now).values
    assert found["condensing_temperature"] is not None
    keys = ("discharge_superheat", "condensing_approach", "evaporating_approach", "pressure_ratio")
    told = {found[key] is not None for key in (*keys, "carnot_estimate")}
    assert len(told) == 1
    return told.pop()


def test_a_machine_is_steady_after_three_minutes() -> None:
    watch = HeatPumpWatch()
    watch.choose("R290", 0.0)
    assert not steady_keys(watch, 0.0)
    assert not steady_keys(watch, 179.0)
    assert steady_keys(watch, 180.0)
    assert not steady_keys(watch, 200.0, compressor_running=False)
    assert not steady_keys(watch, 210.0)
    assert steady_keys(watch, 390.0)


def test_a_defrost_and_the_time_after_it_tell_nothing() -> None:
    watch = running()
    assert not steady_keys(watch, 610.0, defrost_active=True, temp_outlet=40.0)
    assert not steady_keys(watch, 620.0)
    assert not steady_keys(watch, 630.0)
    assert steady_keys(watch, 640.0)


def test_what_cannot_be_told_is_left_out() -> None:
    watch = running()
    found = watch.read({**NORMAL, "pressure_high": 48.0, "pressure_low": 40.0}, 610.0).values
    assert found["carnot_estimate"] is None  # less than 5 K of lift
    found = watch.read({**NORMAL, "pressure_high": 30.0, "pressure_low": -14.6}, 620.0).values
    assert found["pressure_ratio"] is None
    found = watch.read({key: NORMAL[key] for key in ("compressor_running", "pressure_high")}, 630.0).values
    assert {key for key, value in found.items() if value is not None} == {"condensing_temperature"}


# ---- defrost guard -----------------------------------------------------------------------------------------


def phase(guard: DefrostGuard) -> Phase:
    """Where it stands now."""
    return guard.phase


def test_recovery_ends_after_three_readings_of_the_old_sign_in_a_row() -> None:
    guard = DefrostGuard()
    guard.read(False, 4.0, True, 0.0)
    guard.read(True, -3.0, True, 10.0)
    assert phase(guard) is Phase.DEFROST
    for now, difference in ((20.0, -2.0), (30.0, 4.0), (40.0, 4.0), (50.0, None), (60.0, 4.0), (70.0, 4.0)):
        guard.read(False, difference, True, now)
        assert phase(guard) is Phase.RECOVERY
    guard.read(False, 4.0, True, 80.0)
    assert phase(guard) is Phase.NORMAL
    assert not guard.inferred


def test_recovery_ends_after_five_minutes_and_starts_over_with_the_flag() -> None:
    guard = DefrostGuard()
    guard.read(False, 4.0, True, 0.0)
    guard.read(True, None, True, 10.0)
    guard.read(False, None, True, 20.0)
    guard.read(True, None, True, 100.0)
    guard.read(False, None, True, 110.0)
    guard.read(False, 0.2, True, 409.0)
    assert phase(guard) is Phase.RECOVERY
    guard.read(False, 0.2, True, 410.0)
    assert phase(guard) is Phase.NORMAL


def test_without_a_flag_a_defrost_is_inferred_from_colder_water() -> None:
    guard = DefrostGuard()
    guard.read(None, 4.0, True, 0.0)
    guard.read(None, -2.0, True, 10.0)
    assert phase(guard) is Phase.DEFROST
    assert guard.inferred
    guard.read(None, 3.0, True, 300.0)
    assert phase(guard) is Phase.RECOVERY


def test_a_stopped_compressor_is_no_defrost() -> None:
    guard = DefrostGuard()
    guard.read(None, 4.0, True, 0.0)
    guard.read(None, -2.0, False, 10.0)
    assert phase(guard) is Phase.NORMAL


def test_cooling_is_no_endless_defrost() -> None:
    guard = DefrostGuard()
    guard.read(None, 4.0, True, 0.0)
    for minute in range(30):
        guard.read(None, -4.0, True, 10.0 + 60.0 * minute)
    assert phase(guard) is Phase.NORMAL


# ---- limits ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("key", "value", "code", "severity", "delay_s"),
    [
        ("voltage", 245.1, "HP_VOLTAGE_HIGH", Severity.WARNING, 5),
        ("voltage", 250.1, "HP_VOLTAGE_HIGH", Severity.CRITICAL, 5),
        ("voltage", 214.9, "HP_VOLTAGE_LOW", Severity.WARNING, 5),
        ("voltage", 209.9, "HP_VOLTAGE_LOW", Severity.CRITICAL, 5),
        ("temp_compressor", 85.1, "HP_COMP_HOT", Severity.WARNING, 30),
        ("temp_compressor", 95.1, "HP_COMP_HOT", Severity.CRITICAL, 30),
        ("current", 12.1, "HP_CURRENT_HIGH", Severity.WARNING, 10),
        ("current", 15.1, "HP_CURRENT_HIGH", Severity.CRITICAL, 10),
        ("pressure_high", 293.0, "HP_PRESSURE_HIGH", Severity.WARNING, 10),
        ("pressure_high", 330.0, "HP_PRESSURE_HIGH", Severity.CRITICAL, 10),
        ("pressure_low", 14.5, "HP_PRESSURE_LOW", Severity.WARNING, 10),
        ("pressure_low", 8.0, "HP_PRESSURE_LOW", Severity.CRITICAL, 10),
    ],
)
def test_the_alert_table(key: str, value: float, code: str, severity: Severity, delay_s: float) -> None:
    watch = running("R290")
    assert watch.read({**NORMAL, key: value}, 610.0).alarms == ()
    assert watch.due == 610.0 + delay_s
    assert codes(watch.poll(610.0 + delay_s)) == [(code, EventState.RAISED, severity)]
    good = {**NORMAL, "pressure_high": 250.0}
    assert codes(watch.read(good, 700.0).alarms) == [(code, EventState.CLEARED, severity)]


def test_normal_work_of_a_high_pressure_refrigerant_is_no_alarm() -> None:
    """400 psi, the fixed limit of the source documents, is 46 °C with R32."""
    watch = running("R32")
    watch.read({**NORMAL, "pressure_high": 420.0, "pressure_low": 100.0}, 610.0)
    assert watch.due is None


def test_a_blend_is_limited_where_it_condenses() -> None:
    """60 °C at the bubble side of R407C is 387 psi; at the dew side it would be 352."""
    watch = running("R407C")
    watch.read({**NORMAL, "pressure_high": 386.0}, 610.0)
    assert watch.due is None
    watch.read({**NORMAL, "pressure_high": 388.0}, 620.0)
    assert watch.due == 630.0


def test_without_refrigerant_there_are_no_pressure_limits() -> None:
    watch = running(None)
    watch.read({**NORMAL, "pressure_high": 900.0, "pressure_low": -10.0}, 610.0)
    assert watch.due is None


def test_a_transcritical_fluid_has_no_condensing_limit() -> None:
    watch = running("R744")
    watch.read({**NORMAL, "pressure_high": 900.0, "pressure_low": 300.0}, 610.0)
    assert watch.due is None


def test_another_refrigerant_clears_the_alarms_of_the_one_before() -> None:
    watch = running("R290")
    watch.read({**NORMAL, "pressure_high": 330.0}, 610.0)
    watch.poll(620.0)
    told = watch.choose("R410A", 630.0).alarms
    assert codes(told) == [("HP_PRESSURE_HIGH", EventState.CLEARED, Severity.CRITICAL)]
    assert watch.choose("R410A", 640.0).alarms == ()


@pytest.mark.parametrize(("key", "value"), [("current", 40.0), ("pressure_low", -5.0)])
def test_inrush_start_and_defrost_are_no_alarms(key: str, value: float) -> None:
    bad = {**NORMAL, key: value}
    watch = HeatPumpWatch()
    watch.choose("R290", 0.0)
    watch.read(bad, 0.0)
    watch.read(bad, 170.0)
    assert watch.due is None
    watch.read({**bad, "defrost_active": True}, 300.0)
    assert watch.due is None
    watch.read(bad, 310.0)  # recovery
    assert watch.due is None
    for now in (320.0, 330.0):
        watch.read(bad, now)
    assert watch.due is not None


def test_a_resting_machine_in_the_frost_is_no_alarm() -> None:
    watch = running("R290")
    watch.read({**NORMAL, "compressor_running": False, "pressure_low": 5.0}, 610.0)
    assert watch.due is None
