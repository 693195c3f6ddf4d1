"""Faults of solar chargers: too much voltage from the modules, too much current."""

from __future__ import annotations

import numpy as np

from .battery import drained
from .inverter import take_power
from .network import HOUSES
from .plan import SAMPLE_TIMES_S, Plan
from .scenario import Expect, Scenario, Values, span

_ONSET = span(12.0, 18.0, 18.0, 22.0)


def _unloaded(plan: Plan, house: int, power_w: float) -> None:
    """A nearly full battery takes little: the modules stand close to their open voltage."""
    plan.set_charge(house, 0.985)
    plan.cell_charge[house] = np.clip(plan.cell_charge[house], 0.0, 0.991)
    plan.charge_limit_a[house] = power_w / 52.0
    take_power(plan, house, 150.0)


def _cold_morning(plan: Plan, v: Values, house: int) -> Expect:
    """Six modules a string all over the cluster, frost, and the sun just comes."""
    plan.modules[:] = 6.0
    plan.panel_c = v["panel_c"] + plan.rng.uniform(0.0, 3.0, HOUSES)
    plan.panel_c[house] = v["panel_c"] - 1.0
    plan.room_c[:] = v["panel_c"] + 12.0
    _unloaded(plan, house, v["power_w"])
    rising = 0.35 + 0.65 * np.clip((SAMPLE_TIMES_S - v["onset_s"]) / 5.0, 0.0, 1.0)
    plan.available_w[:] = v["sun_w"] * rising[:, None] * plan.rng.uniform(0.9, 1.05, HOUSES)
    plan.available_w[:, house] = 1.06 * v["sun_w"] * rising
    return Expect(house + 1, onset_s=v["onset_s"])


def _string_error(plan: Plan, v: Values, house: int) -> Expect:
    """One module too many; at usual temperatures, and even while power is taken."""
    plan.modules[house] = np.round(v["modules"])
    plan.panel_c[house] = v["panel_c"]
    _clear_up(plan, house, v["sun_w"], v["onset_s"])
    return Expect(house + 1, onset_s=v["onset_s"])


def _clear_up(plan: Plan, house: int, sun_w: float, at_s: float) -> None:
    """The sun comes out: more light, more voltage."""
    plan.available_w[:, house] = sun_w * (0.05 + 0.95 * np.clip((SAMPLE_TIMES_S - at_s) / 4.0, 0.0, 1.0))


def _voltage_sensor(plan: Plan, v: Values, house: int) -> Expect:
    plan.offset(house, "mppt_input_voltage", v["jump_v"], v["onset_s"])
    return Expect(house + 1, onset_s=v["onset_s"])


def wide_array(plan: Plan, house: int, best_a: float) -> None:
    """Few modules in series, many strings, a strong sun."""
    plan.modules[house] = 3.0
    plan.panel_c[house] = 45.0
    best_v = 3.0 * 31.5 * (1.0 + 0.045 * np.log(4000.0 / 3780.0)) * (1.0 - 0.0035 * 20.0)
    plan.available_w[:, house] = best_a * best_v * plan.available_w[:, house] / plan.available_w[0, house]
    plan.charge_limit_a[house] = 150.0


def _control(plan: Plan, v: Values, house: int) -> Expect:
    wide_array(plan, house, v["best_a"])
    plan.charger_limit_a[house] = (v["kept_a"], v["onset_s"])
    take_power(plan, house, 1200.0)
    return Expect(house + 1, onset_s=v["onset_s"])


def _low_battery_voltage(plan: Plan, v: Values, house: int) -> Expect:
    """A hot short string sags to an empty battery's voltage; its current nears that of a short circuit."""
    drained(plan, house, v["rest_v"])
    plan.modules[house] = 2.0
    plan.panel_c[house] = v["panel_c"]
    plan.low_voltage_string.add(house)
    warm = plan.panel_c[house] - 25.0
    light = 1.0 + 0.045 * np.log(3000.0 / 3780.0)
    best_v = 2.0 * 31.5 * light * (1.0 - 0.0035 * warm)
    plan.available_w[:, house] = v["best_a"] * best_v
    rising = 0.8 + 0.2 * np.clip((SAMPLE_TIMES_S - v["onset_s"]) / 4.0, 0.0, 1.0)
    plan.available_w[:, house] *= rising
    plan.charger_unregulated[house] = 0.0
    take_power(plan, house, v["power_w"])
    return Expect(house + 1, onset_s=v["onset_s"])


def _current_sensor(plan: Plan, v: Values, house: int) -> Expect:
    plan.offset(house, "mppt_input_current", v["jump_a"], v["onset_s"])
    return Expect(house + 1, onset_s=v["onset_s"])


SCENARIOS = (
    Scenario(
        "F020.cold_morning",
        {
            "onset_s": _ONSET,
            "panel_c": span(-26.0, -21.0, -32.0, -26.0),
            "sun_w": span(2600.0, 3400.0, 3400.0, 4200.0),
            "power_w": span(0.0, 30.0, 30.0, 60.0),
        },
        _cold_morning,
    ),
    Scenario(
        "F020.string_error",
        {
            "onset_s": _ONSET,
            "modules": span(7.6, 8.4, 8.6, 9.4),
            "panel_c": span(5.0, 22.0, 22.0, 32.0),
            "sun_w": span(2600.0, 3400.0, 3400.0, 4200.0),
        },
        _string_error,
    ),
    Scenario("F020.sensor", {"onset_s": _ONSET, "jump_v": span(120.0, 200.0, 200.0, 320.0)}, _voltage_sensor),
    Scenario(
        "F021.control",
        {"onset_s": _ONSET, "best_a": span(47.5, 53.0, 53.0, 60.0), "kept_a": span(30.0, 40.0, 40.0, 43.0)},
        _control,
    ),
    Scenario(
        "F021.low_battery_voltage",
        {
            "onset_s": _ONSET,
            "rest_v": span(2.83, 2.95, 2.95, 3.02),
            "panel_c": span(58.0, 68.0, 50.0, 58.0),
            "best_a": span(44.3, 46.5, 46.5, 49.0),
            "power_w": span(1500.0, 2600.0, 2600.0, 3400.0),
        },
        _low_battery_voltage,
    ),
    Scenario(
        "F021.current_sensor", {"onset_s": _ONSET, "jump_a": span(44.0, 70.0, 70.0, 110.0)}, _current_sensor
    ),
)
