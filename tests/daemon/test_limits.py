"""Hard limits: whatever a schedule asks, a battery is never used beyond them."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, strategies as st

from microgrid_core.contract.messages import ScheduleMode
from microgrid_core.contract.schedule import Basis, Instruction
from microgrid_daemon.schedule.limits import OVER_REST_S, Guard, Limits, Measured

LIMITS = Limits(soc_min_percent=20.0, soc_max_percent=95.0, max_charge_w=2000.0, max_discharge_w=1000.0)
FINE = Measured(power_w=0.0, soc_percent=60.0, temperature_c=20.0)


def wanted(mode: ScheduleMode, rate_w: float | None = None) -> Instruction:
    """Return what a schedule asks."""
    return Instruction(mode, Basis.INTERVAL, rate_w)


CHARGE = wanted(ScheduleMode.CHARGE, 1500.0)
DISCHARGE = wanted(ScheduleMode.DISCHARGE, 800.0)
FOLLOW = wanted(ScheduleMode.FOLLOW)


@pytest.mark.parametrize("instruction", [CHARGE, DISCHARGE, wanted(ScheduleMode.IDLE)])
def test_within_the_limits_nothing_is_changed(instruction: Instruction) -> None:
    allowed = Guard(LIMITS).allow(instruction, FINE)
    assert (allowed.instruction, allowed.reason) == (instruction, None)


@pytest.mark.parametrize(
    ("instruction", "measured", "reason"),
    [
        (CHARGE, replace(FINE, soc_percent=95.0), "full at 95 %"),
        (DISCHARGE, replace(FINE, soc_percent=20.0), "empty at 20 %"),
        (FOLLOW, replace(FINE, soc_percent=19.0), "empty at 20 %"),
        (CHARGE, replace(FINE, temperature_c=-0.1), "too cold to charge"),
        (DISCHARGE, replace(FINE, temperature_c=50.1), "50.1 °C is above 50 °C"),
        (DISCHARGE, replace(FINE, temperature_c=float("nan")), "above 50 °C"),
        (CHARGE, replace(FINE, soc_percent=None), "state of charge is unknown"),
        (CHARGE, replace(FINE, soc_percent=float("nan")), "state of charge is unknown"),
        (CHARGE, replace(FINE, age_s=61.0), "61 s old"),
        (CHARGE, replace(FINE, age_s=float("nan")), "s old"),
        (CHARGE, replace(FINE, trouble="two masters"), "two masters"),
    ],
)
def test_beyond_a_limit_the_battery_rests(instruction: Instruction, measured: Measured, reason: str) -> None:
    allowed = Guard(LIMITS).allow(instruction, measured)
    assert allowed.instruction.mode is ScheduleMode.IDLE
    assert allowed.instruction.rate_w is None
    assert reason in (allowed.reason or "")


def test_cold_forbids_only_charging() -> None:
    assert Guard(LIMITS).allow(DISCHARGE, replace(FINE, temperature_c=-5.0)).reason is None


def test_power_is_limited_and_said() -> None:
    allowed = Guard(LIMITS).allow(wanted(ScheduleMode.CHARGE, 9000.0), FINE)
    assert (allowed.instruction.rate_w, allowed.reason) == (2000.0, "9000 W is limited to 2000 W")
    assert Guard(LIMITS).allow(FOLLOW, FINE).instruction.rate_w == 1000.0


def test_the_device_may_stop_earlier() -> None:
    """What it discharges nothing below, a schedule need not ask."""
    guard = Guard(LIMITS)
    low = replace(FINE, soc_percent=30.0, floor_percent=30.0)
    assert "empty at 30 %" in (guard.allow(DISCHARGE, low).reason or "")
    assert guard.usable_percent == (32.0, 95.0)
    assert guard.allow(DISCHARGE, replace(low, soc_percent=32.0)).reason is None
    assert Guard(LIMITS).allow(DISCHARGE, replace(low, floor_percent=5.0)).reason is None


@pytest.mark.parametrize(
    ("instruction", "power_w", "rests"),
    [(DISCHARGE, 1101.0, True), (DISCHARGE, 1099.0, False), (CHARGE, -2201.0, True), (CHARGE, 5000.0, False)],
)
def test_more_power_than_may_flow_ends_it(instruction: Instruction, power_w: float, rests: bool) -> None:
    """Not every device can be told a power: what follows the load is stopped when that is too much."""
    guard = Guard(LIMITS)
    much = replace(FINE, power_w=power_w)
    for _ in range(5):
        assert guard.allow(instruction, much, 5.0).reason is None
    assert (guard.allow(instruction, much, 5.0).instruction.mode is ScheduleMode.IDLE) == rests
    # Resting shows nothing, so it is time that ends it.
    for _ in range(int(OVER_REST_S / 60) - 1):
        assert (guard.allow(instruction, FINE, 60.0).reason is not None) == rests
    assert guard.allow(instruction, FINE, 60.0).reason is None


def test_the_rest_ends_by_time_whatever_is_planned_meanwhile() -> None:
    guard = Guard(LIMITS)
    reasons = [guard.allow(DISCHARGE, replace(FINE, power_w=1500.0), 5.0).reason for _ in range(6)]
    assert "rests for 15 min" in (reasons[-1] or "")
    idle = wanted(ScheduleMode.IDLE)
    blind = replace(FINE, soc_percent=None)
    for instruction, measured in ((idle, FINE), (DISCHARGE, blind), (idle, blind)):
        guard.allow(instruction, measured, OVER_REST_S / 3.0 - 5.0)
    assert "rests for 15 min" in (guard.allow(DISCHARGE, FINE, 5.0).reason or "")
    assert guard.allow(DISCHARGE, FINE, 10.0).reason is None


def test_a_peak_is_none() -> None:
    guard = Guard(LIMITS)
    for power_w in [1500.0, 1500.0, 900.0] * 20:
        assert guard.allow(DISCHARGE, replace(FINE, power_w=power_w), 10.0).reason is None


def test_a_bound_is_left_with_a_distance() -> None:
    """Else relays would clatter at 20 %."""
    guard = Guard(LIMITS)
    course = [
        (21.0, True),
        (20.0, False),
        (20.5, False),
        (21.9, False),
        (22.0, True),
        (20.1, True),
        (20.0, False),
    ]
    for soc, used in course:
        allowed = guard.allow(DISCHARGE, replace(FINE, soc_percent=soc))
        assert (allowed.instruction.mode is ScheduleMode.DISCHARGE) == used, soc
    for soc, used in [(94.9, True), (95.0, False), (93.1, False), (93.0, True)]:
        allowed = guard.allow(CHARGE, replace(FINE, soc_percent=soc))
        assert (allowed.instruction.mode is ScheduleMode.CHARGE) == used, soc


@given(
    mode=st.sampled_from(list(ScheduleMode)),
    rate_w=st.none() | st.floats(0.0, 1e6),
    soc=st.none() | st.floats(allow_nan=True, allow_infinity=True),
    temperature=st.none() | st.floats(allow_nan=True, allow_infinity=True),
    age_s=st.floats(allow_nan=True, allow_infinity=True),
)
def test_no_reading_opens_a_limit(
    mode: ScheduleMode, rate_w: float | None, soc: float | None, temperature: float | None, age_s: float
) -> None:
    instruction = (
        Guard(LIMITS).allow(wanted(mode, rate_w), Measured(0.0, soc, temperature, age_s)).instruction
    )
    if instruction.mode is ScheduleMode.IDLE:
        return
    assert age_s <= 60.0 and soc is not None and 0.0 <= soc <= 100.0
    assert temperature is None or temperature <= 50.0
    if instruction.mode is ScheduleMode.CHARGE:
        assert soc < 95.0 and (temperature is None or temperature >= 0.0)
        assert instruction.rate_w is not None and instruction.rate_w <= 2000.0
    else:
        assert soc > 20.0
        assert instruction.rate_w is not None and instruction.rate_w <= 1000.0


@pytest.mark.parametrize(
    ("bounds", "complaint"),
    [
        ({"soc_min_percent": 95.0, "soc_max_percent": 20.0}, "no range"),
        ({"soc_max_percent": 101.0}, "no range"),
        ({"temperature_min_c": 60.0}, "is not below"),
        ({"max_charge_w": -1.0}, "negative"),
    ],
)
def test_bounds_in_the_wrong_order_are_refused(bounds: dict[str, float], complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        Limits(**bounds)
