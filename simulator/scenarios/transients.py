"""Limits passed for a moment, by noise or by something that was over by itself: nothing is defective."""

from __future__ import annotations

import numpy as np

from ..physics.battery import CELLS
from .battery import carry_most, surplus_into
from .coupling import agree, waiting
from .inverter import alone, charge_for, fill, pulse, share_load, sunny, take_power
from .network import HOUSES, STEP_S, SWARM
from .plan import PROBES, SAMPLE_S, SAMPLE_TIMES_S, SAMPLES, Absence, Plan
from .scenario import Build, Expect, Scenario, Values, span
from .solar import wide_array
from .window import simulate

_ONSET = span(12.0, 18.0, 18.0, 22.0)
_EARLY = span(12.0, 14.5, 14.5, 16.5)


def _burst(plan: Plan, v: Values, house: int) -> Expect:
    """A spark nearby gets into all fast measurements of a node for some hundredths of a second."""
    begin = round(v["onset_s"] / SAMPLE_S)
    end = begin + round(v["length_s"] / SAMPLE_S)
    sizes = {
        "inverter_current": v["current_a"],
        "inverter_power": 140.0 * v["current_a"],
        "inverter_voltage": 25.0,
        "dc_bus_voltage": 1.5,
        "battery_current": 40.0,
    }
    for key, size in sizes.items():
        values = np.zeros(SAMPLES)
        sign = plan.rng.choice((-1.0, 1.0), end - begin)
        values[begin:end] = size * sign * plan.rng.uniform(0.7, 1.3, end - begin)
        plan.offset(house, key, values)
    return Expect(house + 1, onset_s=v["onset_s"])


def _voltage_bump(level_v: float, sign: float) -> Build:
    """The voltage of everybody stands near its limit and passes it for a moment."""

    def build(plan: Plan, v: Values, house: int) -> Expect:
        plan.dc_gain[:] = 6.0
        plan.source_v[:] = 230.0
        plan.source_v[house] += 1.2 * sign  # so it is this one that tells it
        own = float(simulate(plan, {}, ()).voltage_v[:1000, house].mean())
        plan.source_v += level_v - sign * v["below_v"] - own
        rows = slice(round(v["onset_s"] / SAMPLE_S), round((v["onset_s"] + v["length_s"]) / SAMPLE_S))
        shape = np.sin(np.linspace(0.0, np.pi, rows.stop - rows.start)) ** 0.5
        plan.source_shift_v[rows] += sign * (v["below_v"] + v["above_v"]) * shape[:, None]
        return Expect(house + 1, onset_s=v["onset_s"])

    return build


def _blip(plan: Plan, house: int, keys: tuple[str, ...], v: Values) -> Expect:
    """A converter shows nonsense for some seconds, and is right again."""
    begin, end = round(v["onset_s"] / SAMPLE_S), round((v["onset_s"] + v["length_s"]) / SAMPLE_S)
    for key in keys:
        values = np.zeros(SAMPLES)
        values[begin:end] = v["size"] * plan.rng.uniform(0.9, 1.2)
        plan.offset(house, key, values)
    return Expect(house + 1, onset_s=v["onset_s"])


def _mosfet_blip(plan: Plan, v: Values, house: int) -> Expect:
    return _blip(plan, house, ("mosfet_temperature_1", "mosfet_temperature_2"), v)


def _cell_blip(plan: Plan, v: Values, house: int) -> Expect:
    cells = plan.rng.choice(CELLS, int(plan.rng.integers(1, 5)), replace=False)
    return _blip(plan, house, tuple(f"cell_voltage_{cell + 1}" for cell in cells), v)


def _probe_blip(plan: Plan, v: Values, house: int) -> Expect:
    return _blip(plan, house, (f"battery_temperature_{1 + int(plan.rng.integers(PROBES))}",), v)


def _panel_blip(plan: Plan, v: Values, house: int) -> Expect:
    return _blip(plan, house, ("mppt_input_voltage",), v)


def _charger_lag(plan: Plan, v: Values, house: int) -> Expect:
    """A load goes that the sun fed; until the charger has followed, its current goes into a full battery."""
    sunny(plan, house, v["sun_w"])
    fill(plan, house, charge_for(v["rest_v"]), 0.1)
    plan.cell_link_ohm[:, house] += v["cable_ohm"]
    plan.charge_limit_a[house] = 0.0
    alone(plan, house, 0)
    share_load(plan, 600.0)
    plan.dc_gain[house] = 5.4
    plan.add_load(house, v["sun_w"] * 1.1, 0.0, v["onset_s"], var=0.1)
    return Expect(house + 1, onset_s=v["onset_s"])


def _motor_start(plan: Plan, v: Values, house: int) -> Expect:
    """A large motor starts at low charge; half a second later it runs."""
    alone(plan, house, 0)
    share_load(plan, 700.0)
    plan.source_v += 8.0
    plan.available_w[:, house] *= 0.05
    plan.dc_gain[house] = 6.0
    fill(plan, house, charge_for(v["rest_v"]), 0.1)
    plan.cell_link_ohm[:, house] += v["cable_ohm"]
    begin, end = v["onset_s"], v["onset_s"] + v["length_s"]
    plan.add_load(house, pulse(begin, end, v["load_w"]), begin, end, var=0.1)
    plan.add_load(house, 900.0, end)
    return Expect(house + 1, onset_s=begin)


def _sun_peak(plan: Plan, house: int, v: Values) -> None:
    """The edge of a cloud bundles the sun for some seconds."""
    rise = np.clip((SAMPLE_TIMES_S - v["onset_s"]) / 0.6, 0.0, 1.0)
    fall = np.clip((v["onset_s"] + v["length_s"] - SAMPLE_TIMES_S) / 0.6, 0.0, 1.0)
    plan.available_w[:, house] *= 1.0 + (v["gain"] - 1.0) * np.minimum(rise, fall)


def _cloud_edge(plan: Plan, v: Values, house: int) -> Expect:
    wide_array(plan, house, v["best_a"])
    plan.set_charge(house, 0.5)
    plan.charger_unregulated[house] = 0.0
    _sun_peak(plan, house, v)
    return Expect(house + 1, onset_s=v["onset_s"])


def _short_surplus(plan: Plan, v: Values, house: int) -> Expect:
    plan.limits[house, "F013"] = v["limit_a"]
    sunny(plan, house, 1500.0)
    surplus_into(plan, house, v["rise_hz"], v["onset_s"])
    surplus_into(plan, house, -v["rise_hz"], v["onset_s"] + v["length_s"])
    return Expect(house + 1, onset_s=v["onset_s"])


def _short_draw(plan: Plan, v: Values, house: int) -> Expect:
    carry_most(plan, house, v["limit_a"])
    begin, end = v["onset_s"], v["onset_s"] + v["length_s"]
    plan.add_load(house, pulse(begin, end, v["load_w"]), begin, end, var=0.1)
    return Expect(house + 1, onset_s=begin)


def _end_of_charge(plan: Plan, v: Values, house: int) -> Expect:
    """Healthy cells fan out at the end of charge; the charge ends, and they close up."""
    levels = charge_for(3.40), charge_for(3.40 + v["spread_v"])
    plan.cell_charge[house] = plan.rng.permutation(np.linspace(*levels, CELLS))
    plan.cell_resistance_ohm[house] = plan.cell_resistance_ohm[house].mean()
    order = np.argsort(plan.cell_charge[house])
    plan.cell_resistance_ohm[house, order[-3:]] *= 1.15
    sunny(plan, house, v["sun_w"])
    plan.charger_unregulated[house] = 0.0
    end = v["lead_s"] + v["more_s"]
    plan.available_w[:, house] *= 1.0 - 0.97 * np.clip((SAMPLE_TIMES_S - end) / 2.0, 0.0, 1.0)
    take_power(plan, house, 200.0)
    plan.preloaded_s["F015"] = 60.0 - v["lead_s"]
    return Expect(house + 1)


def _late_heartbeat(plan: Plan, v: Values, house: int) -> Expect:
    """A node is busy with its card for some seconds: its urgent frames go on, its Heartbeat waits."""
    plan.absences.append(
        Absence(house + 1, v["onset_s"], v["onset_s"] + v["busy_s"], reboot=False, only="Heartbeat")
    )
    return Expect(0, onset_s=v["onset_s"])


def _error_burst(plan: Plan, v: Values, house: int) -> Expect:
    """Something sparks for a moment: all frames of half a second are destroyed several times."""
    rows = slice(round(v["onset_s"] / SAMPLE_S), round((v["onset_s"] + v["length_s"]) / SAMPLE_S))
    plan.frame_error[rows] = v["share"]
    plan.errors_before = 20.0
    return Expect(0, onset_s=v["onset_s"])


def _late_synchronism(plan: Plan, v: Values, house: int) -> Expect:
    """The swarm was elsewhere; a moment after the minute is over it comes near, and the contactor closes."""
    waiting(plan, v["lead_s"])
    agree(plan)
    row = round((v["lead_s"] - v["early_s"]) / STEP_S)
    away = np.clip((row - np.arange(len(plan.frequency_shift_hz))) * STEP_S / 2.0, 0.0, 1.0)
    plan.frequency_shift_hz[:, SWARM] += v["away_hz"] * away
    return Expect(0)


def _slow_contactor(plan: Plan, v: Values, house: int) -> Expect:
    plan.contactor.command_s = v["onset_s"]
    plan.contactor.delay_s = v["delay_s"]
    plan.load_w[:, SWARM] += v["flow_w"]
    plan.setpoint_w[:HOUSES] += v["flow_w"] / HOUSES
    return Expect(0, onset_s=v["onset_s"])


_BLIP = {"onset_s": _EARLY, "length_s": span(2.0, 3.0, 3.0, 4.0)}

SCENARIOS = (
    Scenario(
        "F001.transient",
        {
            "onset_s": _ONSET,
            "length_s": span(0.04, 0.07, 0.07, 0.1),
            "current_a": span(68.0, 100.0, 100.0, 140.0),
        },
        _burst,
    ),
    Scenario(
        "F002.transient",
        {
            "onset_s": _ONSET,
            "length_s": span(0.4, 0.7, 0.7, 1.0),
            "below_v": span(1.5, 3.0, 3.0, 4.5),
            "above_v": span(0.9, 1.4, 1.4, 1.9),
        },
        _voltage_bump(253.0, 1.0),
    ),
    Scenario(
        "F003.transient",
        {
            "onset_s": _ONSET,
            "length_s": span(0.4, 0.7, 0.7, 1.0),
            "below_v": span(1.5, 3.0, 3.0, 4.5),
            "above_v": span(0.9, 1.4, 1.4, 1.9),
        },
        _voltage_bump(207.0, -1.0),
    ),
    Scenario("F004.transient", {**_BLIP, "size": span(70.0, 110.0, 110.0, 150.0)}, _mosfet_blip),
    Scenario(
        "F005.transient",
        {
            "onset_s": _ONSET,
            "sun_w": span(5000.0, 6000.0, 6000.0, 7000.0),
            "rest_v": span(3.585, 3.59, 3.59, 3.596),
            "cable_ohm": span(0.014, 0.017, 0.017, 0.02),
        },
        _charger_lag,
    ),
    Scenario(
        "F006.transient",
        {
            "onset_s": _ONSET,
            "length_s": span(0.6, 0.8, 0.8, 1.0),
            "rest_v": span(3.0, 3.04, 3.04, 3.08),
            "load_w": span(6.4e3, 7e3, 7e3, 7.3e3),
            "cable_ohm": span(0.012, 0.016, 0.016, 0.02),
        },
        _motor_start,
    ),
    Scenario("F010.transient", {**_BLIP, "size": span(0.5, 0.8, 0.8, 1.2)}, _cell_blip),
    Scenario("F011.transient", {**_BLIP, "size": span(-0.9, -0.7, -1.3, -0.9)}, _cell_blip),
    Scenario(
        "F012.transient",
        {"onset_s": _EARLY, "length_s": span(6.2, 7.5, 7.5, 9.0), "size": span(50.0, 80.0, 80.0, 110.0)},
        _probe_blip,
    ),
    Scenario(
        "F013.transient",
        {
            "onset_s": _ONSET,
            "limit_a": span(50.0, 65.0, 40.0, 50.0),
            "rise_hz": span(1.9, 2.3, 2.3, 2.8),
            "length_s": span(1.3, 1.8, 1.8, 2.4),
        },
        _short_surplus,
    ),
    Scenario(
        "F014.transient",
        {
            "onset_s": _ONSET,
            "limit_a": span(60.0, 75.0, 48.0, 60.0),
            "load_w": span(4.5e3, 6e3, 6e3, 7e3),
            "length_s": span(1.15, 1.6, 1.6, 2.2),
        },
        _short_draw,
    ),
    Scenario(
        "F015.transient",
        {
            "spread_v": span(0.097, 0.1, 0.1, 0.103),
            "sun_w": span(2500.0, 3500.0, 3500.0, 4500.0),
            "lead_s": _ONSET,
            "more_s": span(0.5, 2.0, 2.0, 3.0),
        },
        _end_of_charge,
    ),
    Scenario("F020.transient", {**_BLIP, "size": span(130.0, 200.0, 200.0, 300.0)}, _panel_blip),
    Scenario(
        "F021.transient",
        {
            "onset_s": _ONSET,
            "best_a": span(38.0, 41.0, 35.0, 38.0),
            "gain": span(1.2, 1.3, 1.3, 1.4),
            "length_s": span(2.5, 4.0, 4.0, 5.0),
        },
        _cloud_edge,
    ),
    Scenario(
        "F030.transient",
        {"onset_s": span(9.0, 14.0, 14.0, 17.0), "busy_s": span(3.0, 3.5, 3.5, 4.2)},
        _late_heartbeat,
    ),
    Scenario(
        "F031.transient",
        {"onset_s": _ONSET, "length_s": span(0.3, 0.6, 0.6, 0.9), "share": span(0.5, 0.7, 0.7, 0.85)},
        _error_burst,
    ),
    Scenario(
        "F040.transient",
        {"lead_s": _ONSET, "early_s": span(-1.5, -0.5, -0.5, 0.5), "away_hz": span(0.5, 0.7, 0.7, 0.9)},
        _late_synchronism,
    ),
    Scenario(
        "F041.transient",
        {
            "onset_s": _ONSET,
            "delay_s": span(2.03, 2.4, 2.4, 2.9),
            "flow_w": span(500.0, 2000.0, 2000.0, 3500.0),
        },
        _slow_contactor,
    ),
)
