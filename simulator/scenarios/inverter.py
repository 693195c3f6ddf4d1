"""Faults of inverters: current, voltage, temperature, DC bus."""

from __future__ import annotations

import numpy as np

from ..physics.arrays import Floats
from ..physics.battery import rest_voltage
from .network import HOUSES, STEP_S, SWARM
from .plan import LENGTH_S, SAMPLE_S, SAMPLE_TIMES_S, SAMPLES, STEP_TIMES_S, Plan
from .scenario import OUTSIDE, Build, Expect, Scenario, Values, span
from .window import simulate

_ONSET = span(12.0, 18.0, 18.0, 22.0)


def other_house(plan: Plan, house: int, *, near: bool = False) -> int:
    """Another house of the cluster, a direct neighbour when `near`."""
    choices = [other for other in range(HOUSES) if other != house and (not near or abs(other - house) == 1)]
    return int(plan.rng.choice(choices))


def part_cluster(plan: Plan) -> None:
    """Open the contactor, so that the cluster carries itself."""
    plan.contactor.closed = False


def alone(plan: Plan, house: int, others: int) -> list[int]:
    """Part the cluster and let only some other inverters run beside one; return these, the nearest first."""
    part_cluster(plan)
    order = sorted((other for other in range(HOUSES) if other != house), key=lambda other: abs(other - house))
    plan.stopped = set(order[others:])
    return order[:others]


def share_load(plan: Plan, total_w: float) -> None:
    """Scale the houses' loads to a sum."""
    plan.load_w[:, :HOUSES] *= total_w / plan.load_w[0, :HOUSES].sum()
    plan.load_var[:, :HOUSES] = 0.2 * plan.load_w[:, :HOUSES]


def take_power(plan: Plan, house: int, power_w: float) -> None:
    """Move an inverter's set point until it carries about this power; the others carry less or more."""
    sources = [source for source in range(HOUSES + plan.contactor.closed) if source not in plan.stopped]
    total = float(plan.load_w[0, : HOUSES + plan.contactor.closed].sum())
    stiffness = np.zeros(HOUSES + 1)
    stiffness[sources] = 1.0 / plan.droop_hz_per_w[sources]
    share = stiffness / stiffness.sum()
    own = total * share[house]
    # Its set point counts less the share of it that everybody takes off again.
    plan.setpoint_w[house] += (power_w - own) / (1.0 - share[house]) - plan.setpoint_w[house]


def pulse(begin_s: float, end_s: float, height: float, tau_s: float | None = None) -> Floats:
    """A load over the network's steps of its time, constant or decaying."""
    times = STEP_TIMES_S[round(begin_s / STEP_S) : round(end_s / STEP_S)]
    if tau_s is None:
        return np.full(len(times), height)
    decayed: Floats = height * np.exp(-(times - times[0]) / tau_s)
    return decayed


# ------------------------------------------------------------------------------------------------------- F001


def _inrush(plan: Plan, v: Values, house: int) -> Expect:
    take_power(plan, house, v["base_w"])
    begin, end = v["onset_s"], min(v["onset_s"] + 8.0 * v["tau_s"], LENGTH_S - 0.1)
    plan.add_load(house, pulse(begin, end, v["inrush_w"], v["tau_s"]), begin, end, var=0.6)
    plan.add_load(house, v["after_w"], begin, var=0.4)
    return Expect(house + 1, onset_s=begin)


def _short(plan: Plan, v: Values, house: int) -> Expect:
    begin = v["onset_s"]
    plan.add_load(house, v["short_w"], begin, begin + v["fuse_s"], var=0.3)
    return Expect(house + 1, onset_s=begin)


def _bridge(plan: Plan, v: Values, house: int) -> Expect:
    row = round(v["onset_s"] / SAMPLE_S)
    plan.source_shift_v[row:, house] -= v["collapse"] * plan.source_v[house]
    plan.internal_loss_w[row:, house] += v["loss_w"]
    return Expect(house + 1, onset_s=v["onset_s"])


def _current_sensor(plan: Plan, v: Values, house: int) -> Expect:
    """A current transformer that jumps: what is computed from it, the power, jumps along."""
    plan.offset(house, "inverter_current", v["jump_a"], v["onset_s"])
    plan.offset(house, "inverter_power", v["jump_a"] * 230.0 * 0.97, v["onset_s"])
    return Expect(house + 1, onset_s=v["onset_s"])


def _trip_of(plan: Plan, neighbour: int, at_s: float) -> None:
    """Let a neighbour's inverter trip at about this time: its fan stands still and it has got hot."""
    warm_up(plan, neighbour, 135.0, at_s - 1.0)


def _neighbour_trip(plan: Plan, v: Values, house: int) -> Expect:
    running = alone(plan, house, int(plan.rng.integers(1, 3)))
    share_load(plan, v["after_w"] * len(running))
    plan.source_v += 4.0
    _trip_of(plan, running[0], v["onset_s"])
    return Expect(house + 1, running[0] + 1, None, frozenset({running[0] + 1}))


def _droop_mismatch(plan: Plan, v: Values, house: int) -> Expect:
    """A neighbour's no-load frequency falls (or rises): it takes what the others must give."""
    culprit = other_house(plan, house, near=True)
    part_cluster(plan)
    row = round(v["onset_s"] / STEP_S)
    ramp = np.clip((STEP_TIMES_S[row:] - v["onset_s"]) / v["ramp_s"], 0.0, 1.0)
    plan.frequency_shift_hz[row:, culprit] -= v["shift_hz"] * ramp
    plan.stopped = {other for other in range(HOUSES) if other not in (house, culprit)}
    return Expect(house + 1, culprit + 1, v["onset_s"])


# ------------------------------------------------------------------------------------------------------- F002


def _regulator(plan: Plan, v: Values, house: int) -> Expect:
    row = round(v["onset_s"] / SAMPLE_S)
    ramp = np.clip((SAMPLE_TIMES_S[row:] - v["onset_s"]) / v["ramp_s"], 0.0, 1.0)
    plan.source_shift_v[row:, house] += v["rise_v"] * ramp
    plan.source_v += v["base_v"] - plan.source_v.mean()
    plan.dc_gain[:] = 6.3
    return Expect(house + 1, onset_s=v["onset_s"])


def _neighbour_regulator(plan: Plan, v: Values, house: int) -> Expect:
    """The culprit measures too little voltage and makes more of it; the neighbours have to bear it."""
    culprit = other_house(plan, house, near=True)
    row = round(v["onset_s"] / SAMPLE_S)
    ramp = np.clip((SAMPLE_TIMES_S[row:] - v["onset_s"]) / v["ramp_s"], 0.0, 1.0)
    plan.source_shift_v[row:, culprit] += v["rise_v"] * ramp
    plan.offset(culprit, "inverter_voltage", -v["blind"] * v["rise_v"] * ramp, v["onset_s"])
    plan.source_v += v["base_v"] - plan.source_v.mean()
    plan.source_v[house] += 1.5
    plan.dc_gain[:] = 6.3
    return Expect(house + 1, culprit + 1, v["onset_s"], frozenset({culprit + 1}))


def _lift(plan: Plan, base_v: float, house: int) -> None:
    """Set the voltage of the cluster, a little higher at one house."""
    plan.source_v += base_v - plan.source_v.mean()
    plan.source_v[house] += 1.5
    plan.dc_gain[:] = np.maximum(plan.dc_gain, 5.7)


def _own_dump(plan: Plan, v: Values, house: int) -> Expect:
    _lift(plan, v["base_v"], house)
    part_cluster(plan)
    plan.add_load(house, v["dump_w"], 0.0, v["onset_s"], var=0.45)
    return Expect(house + 1, onset_s=v["onset_s"])


def _cluster_dump(plan: Plan, v: Values, house: int) -> Expect:
    _lift(plan, v["base_v"], house)
    part_cluster(plan)
    culprit = other_house(plan, house)
    plan.source_v[house] += 1.0
    plan.add_load(culprit, v["dump_w"], 0.0, v["onset_s"], var=0.45)
    return Expect(house + 1, culprit + 1, v["onset_s"], frozenset({culprit + 1}))


def _swarm_dump(plan: Plan, v: Values, house: int) -> Expect:
    _lift(plan, v["base_v"], house)
    strength = plan.droop_hz_per_w[0] / plan.droop_hz_per_w[SWARM]
    plan.add_load(SWARM, v["dump_w"] * (1.0 + strength / HOUSES), 0.0, v["onset_s"], var=0.45)
    return Expect(house + 1, OUTSIDE, v["onset_s"])


def _voltage_sensor(sign: float) -> Build:
    def build(plan: Plan, v: Values, house: int) -> Expect:
        plan.offset(house, "inverter_voltage", sign * v["jump_v"], v["onset_s"])
        return Expect(house + 1, onset_s=v["onset_s"])

    return build


# ------------------------------------------------------------------------------------------------------- F003


def _dc_sag(plan: Plan, v: Values, house: int) -> Expect:
    """A weak battery under a load: the bus falls, and the inverter cannot make its voltage of it."""
    plan.dc_gain[house] = v["dc_gain"]
    plan.set_charge(house, v["charge"])
    plan.available_w[:, house] *= 0.1
    plan.cell_resistance_ohm[house] *= v["aged"] * plan.cell_capacity_ah[house] / 280.0
    alone(plan, house, 0)
    share_load(plan, 500.0)
    plan.source_v += 8.0
    plan.add_load(house, v["load_w"], v["onset_s"], var=0.1)
    return Expect(house + 1, onset_s=v["onset_s"])


def _sink(plan: Plan, base_v: float, house: int) -> None:
    plan.source_v += base_v - plan.source_v.mean()
    plan.source_v[house] -= 0.8


def _own_overload(plan: Plan, v: Values, house: int) -> Expect:
    _sink(plan, v["base_v"], house)
    part_cluster(plan)
    plan.add_load(house, v["load_w"], v["onset_s"], var=v["var"])
    return Expect(house + 1, onset_s=v["onset_s"])


def _cluster_overload(plan: Plan, v: Values, house: int) -> Expect:
    _sink(plan, v["base_v"], house)
    culprit = other_house(plan, house)
    plan.source_v[house] -= 1.0
    part_cluster(plan)
    plan.add_load(culprit, v["load_w"], v["onset_s"], var=v["var"])
    return Expect(house + 1, culprit + 1, v["onset_s"], frozenset({culprit + 1}))


def _line_short(plan: Plan, v: Values, house: int) -> Expect:
    culprit = other_house(plan, house, near=True)
    begin = v["onset_s"]
    _sink(plan, v["base_v"], house)
    plan.source_v[house] -= 1.0
    plan.add_load(culprit, v["short_w"], begin, begin + v["fuse_s"], var=v["var"])
    return Expect(house + 1, culprit + 1, begin, frozenset(range(1, HOUSES + 1)) - {house + 1})


# ------------------------------------------------------------------------------------------------------- F004


def warm_up(plan: Plan, house: int, target_c: float, lead_s: float) -> None:
    """Cool an inverter so badly that it would settle at a temperature, and let it pass 95 °C on its way."""
    heat_k = _heat(plan, house)
    plan.mosfet_cooling[house] = heat_k / (target_c - plan.room_c[house])
    plan.mosfet_c[house] = target_c - (target_c - 95.1) * np.exp(lead_s / 120.0)


def _heat(plan: Plan, house: int) -> float:
    """What the current before the fault adds to the temperature of a well-cooled inverter."""
    amperes = float(simulate(plan, {}, ()).current_a[:1000, house].mean())
    return 6.0 + 0.045 * amperes**2


def _cooling(plan: Plan, v: Values, house: int) -> Expect:
    take_power(plan, house, v["power_w"])
    warm_up(plan, house, v["target_c"], v["lead_s"])
    return Expect(house + 1)


def _export(plan: Plan, v: Values, house: int) -> Expect:
    """A neighbour gives nothing although its house takes a lot; this inverter has carried it for long."""
    running = alone(plan, house, 1)
    neighbour = other_house(plan, house)
    while neighbour in running:
        neighbour = other_house(plan, house)
    share_load(plan, v["need_w"] * 0.6)
    plan.load_w[:, neighbour] += v["need_w"]
    plan.load_var[:, neighbour] += 0.2 * v["need_w"]
    take_power(plan, house, v["power_w"])
    plan.source_v += 5.0
    target = v["room_c"] + _heat(plan, house)
    plan.room_c[house] = v["room_c"]
    plan.mosfet_c[house] = target - (target - 95.1) * np.exp(v["lead_s"] / 120.0)
    return Expect(house + 1, neighbour + 1)


def _temperature_sensor(plan: Plan, v: Values, house: int) -> Expect:
    key = f"mosfet_temperature_{1 + int(plan.rng.integers(2))}"
    plan.offset(house, key, v["jump_k"], v["onset_s"])
    return Expect(house + 1, onset_s=v["onset_s"])


# ------------------------------------------------------------------------------------------------------- F005


def fill(plan: Plan, house: int, charge: float, spread: float) -> None:
    """Set the charge of a pack and shrink its cells' differences to a share of the drawn ones."""
    own = plan.cell_charge[house]
    plan.cell_charge[house] = np.clip(charge + spread * (own - own.mean()), 0.001, 0.9998)


def sunny(plan: Plan, house: int, power_w: float) -> None:
    """Let the modules of a house give so much."""
    plan.available_w[:, house] *= power_w / plan.available_w[0, house]


def charge_for(cell_v: float) -> float:
    """State of charge with a certain rest voltage."""
    grid = np.linspace(0.0, 1.0, 2001)
    return float(np.interp(cell_v, rest_voltage(grid), grid))


def _mppt_regulation(plan: Plan, v: Values, house: int) -> Expect:
    """The charger loses its voltage limit and pushes on through a connection that is not the best."""
    sunny(plan, house, v["sun_w"])
    fill(plan, house, charge_for(v["rest_v"]), 0.1)
    plan.cell_link_ohm[:, house] += v["link_ohm"]
    take_power(plan, house, 300.0)
    plan.charger_unregulated[house] = v["onset_s"]
    return Expect(house + 1, onset_s=v["onset_s"])


def _disconnected(plan: Plan, v: Values, house: int) -> Expect:
    sunny(plan, house, v["sun_w"])
    plan.set_charge(house, v["charge"])
    take_power(plan, house, v["power_w"])
    plan.bms_open_s[house] = v["onset_s"]
    return Expect(house + 1, onset_s=v["onset_s"])


def _backfeed(plan: Plan, v: Values, house: int) -> Expect:
    """The swarm's frequency rises; the inverter takes its surplus into a nearly full battery."""
    fill(plan, house, charge_for(v["rest_v"]), 0.1)
    plan.cell_link_ohm[:, house] += v["link_ohm"]
    sunny(plan, house, 500.0)
    row = round(v["onset_s"] / STEP_S)
    ramp = np.clip((STEP_TIMES_S[row:] - v["onset_s"]) / 0.3, 0.0, 1.0)
    plan.frequency_shift_hz[row:, SWARM] += v["rise_hz"] * ramp
    return Expect(house + 1, OUTSIDE, v["onset_s"])


def _bus_sensor(sign: float) -> Build:
    def build(plan: Plan, v: Values, house: int) -> Expect:
        plan.offset(house, "dc_bus_voltage", sign * v["jump_v"], v["onset_s"])
        return Expect(house + 1, onset_s=v["onset_s"])

    return build


# ------------------------------------------------------------------------------------------------------- F006


def _empty(plan: Plan, house: int, cell_v: float) -> None:
    """A pack near its end with all cells alike."""
    fill(plan, house, charge_for(cell_v), 0.1)
    plan.available_w[:, house] *= 0.05
    plan.dc_gain[house] = 5.4


def _low_charge(plan: Plan, v: Values, house: int) -> Expect:
    _empty(plan, house, v["rest_v"])
    alone(plan, house, 1)
    share_load(plan, v["base_w"])
    plan.add_load(house, v["load_w"], v["onset_s"], var=0.2)
    return Expect(house + 1, onset_s=v["onset_s"])


def _weak_cell(plan: Plan, v: Values, house: int) -> Expect:
    cell = int(plan.rng.integers(16))
    alone(plan, house, 0)
    _empty(plan, house, v["rest_v"])
    share_load(plan, 250.0)
    plan.source_v += 8.0
    plan.dc_gain[house] = 6.0
    plan.cell_capacity_ah[house, cell] *= v["capacity"]
    plan.cell_resistance_ohm[house, cell] *= v["resistance"]
    plan.add_load(house, v["load_w"], v["onset_s"], var=0.2)
    return Expect(house + 1, onset_s=v["onset_s"])


def _loose_busbar(plan: Plan, v: Values, house: int) -> Expect:
    plan.available_w[:, house] *= 0.05
    plan.dc_gain[house] = 5.9
    take_power(plan, house, v["base_w"])
    row = round(v["onset_s"] / SAMPLE_S)
    flicker = 1.0 + 0.05 * np.repeat(plan.rng.normal(0.0, 1.0, SAMPLES // 10), 10)[row:]
    ramp = np.clip((SAMPLE_TIMES_S[row:] - v["onset_s"]) / v["ramp_s"], 0.0, 1.0)
    plan.cell_link_ohm[row:, house] += v["ohm"] * ramp * np.clip(flicker, 0.6, 1.4)
    return Expect(house + 1, onset_s=v["onset_s"])


def _export_after_trip(plan: Plan, v: Values, house: int) -> Expect:
    running = alone(plan, house, 1)
    _empty(plan, house, v["rest_v"])
    plan.cell_resistance_ohm[house] *= plan.cell_capacity_ah[house] / 280.0
    used_ah = v["after_w"] / 2.0 / 43.0 * v["onset_s"] / 3600.0
    plan.cell_charge[house] += used_ah / plan.cell_capacity_ah[house].mean()
    plan.source_v += 5.0
    share_load(plan, v["after_w"] * len(running))
    _trip_of(plan, running[0], v["onset_s"])
    return Expect(house + 1, running[0] + 1, None, frozenset({running[0] + 1}))


SCENARIOS = (
    Scenario(
        "F001.own_load_inrush",
        {
            "onset_s": _ONSET,
            "base_w": span(2800.0, 4200.0, 4200.0, 5200.0),
            "inrush_w": span(20e3, 27e3, 27e3, 33e3),
            "tau_s": span(0.08, 0.2, 0.2, 0.3),
            "after_w": span(700.0, 1800.0, 1800.0, 2600.0),
        },
        _inrush,
    ),
    Scenario(
        "F001.own_load_inrush/short",
        {"onset_s": _ONSET, "short_w": span(20e3, 32e3, 32e3, 42e3), "fuse_s": span(0.05, 0.12, 0.12, 0.2)},
        _short,
    ),
    Scenario(
        "F001.bridge_fault",
        {"onset_s": _ONSET, "collapse": span(0.25, 0.45, 0.45, 0.6), "loss_w": span(2e3, 5e3, 5e3, 7e3)},
        _bridge,
    ),
    Scenario(
        "F001.current_sensor", {"onset_s": _ONSET, "jump_a": span(38.0, 70.0, 70.0, 110.0)}, _current_sensor
    ),
    Scenario(
        "F001.neighbour_trip",
        {"onset_s": _ONSET, "after_w": span(9.6e3, 11.5e3, 11.5e3, 13e3)},
        _neighbour_trip,
    ),
    Scenario(
        "F001.droop_mismatch",
        {"onset_s": _ONSET, "shift_hz": span(3.0, 4.5, 4.5, 6.0), "ramp_s": span(0.2, 1.5, 1.5, 3.0)},
        _droop_mismatch,
    ),
    Scenario(
        "F002.voltage_regulator",
        {
            "onset_s": _ONSET,
            "base_v": span(239.0, 243.0, 243.0, 246.0),
            "rise_v": span(36.0, 48.0, 48.0, 56.0),
            "ramp_s": span(0.05, 1.0, 1.0, 2.0),
        },
        _regulator,
    ),
    Scenario(
        "F002.own_load_dump",
        {
            "onset_s": _ONSET,
            "base_v": span(249.0, 252.0, 252.0, 254.0),
            "dump_w": span(8e3, 11e3, 11e3, 14e3),
        },
        _own_dump,
    ),
    Scenario(
        "F002.cluster_load_dump",
        {
            "onset_s": _ONSET,
            "base_v": span(249.0, 252.0, 252.0, 254.0),
            "dump_w": span(8e3, 11e3, 11e3, 14e3),
        },
        _cluster_dump,
    ),
    Scenario(
        "F002.swarm_load_dump",
        {
            "onset_s": _ONSET,
            "base_v": span(249.0, 252.0, 252.0, 254.0),
            "dump_w": span(8e3, 11e3, 11e3, 14e3),
        },
        _swarm_dump,
    ),
    Scenario(
        "F002.neighbour_regulator",
        {
            "onset_s": _ONSET,
            "base_v": span(246.5, 248.5, 248.5, 250.0),
            "rise_v": span(30.0, 42.0, 42.0, 50.0),
            "blind": span(0.5, 0.8, 0.8, 1.1),
            "ramp_s": span(0.05, 1.0, 1.0, 2.0),
        },
        _neighbour_regulator,
    ),
    Scenario(
        "F002.voltage_sensor",
        {"onset_s": _ONSET, "jump_v": span(28.0, 60.0, 60.0, 100.0)},
        _voltage_sensor(1.0),
    ),
    Scenario(
        "F003.dc_sag",
        {
            "onset_s": _ONSET,
            "dc_gain": span(4.36, 4.42, 4.42, 4.47),
            "charge": span(0.1, 0.16, 0.08, 0.1),
            "aged": span(3.5, 4.5, 4.5, 5.5),
            "load_w": span(5.6e3, 6.6e3, 6.6e3, 7.2e3),
        },
        _dc_sag,
    ),
    Scenario(
        "F003.own_overload",
        {
            "onset_s": _ONSET,
            "base_v": span(218.0, 223.0, 214.0, 218.0),
            "load_w": span(9e3, 12e3, 12e3, 14e3),
            "var": span(0.3, 0.6, 0.6, 0.8),
        },
        _own_overload,
    ),
    Scenario(
        "F003.cluster_overload",
        {
            "onset_s": _ONSET,
            "base_v": span(218.0, 223.0, 214.0, 218.0),
            "load_w": span(9e3, 12e3, 12e3, 14e3),
            "var": span(0.3, 0.6, 0.6, 0.8),
        },
        _cluster_overload,
    ),
    Scenario(
        "F003.line_short",
        {
            "onset_s": _ONSET,
            "base_v": span(217.0, 221.0, 213.0, 217.0),
            "short_w": span(7e3, 10e3, 10e3, 13e3),
            "fuse_s": span(0.25, 0.4, 0.4, 0.6),
            "var": span(1.0, 1.5, 1.5, 2.0),
        },
        _line_short,
    ),
    Scenario(
        "F003.voltage_sensor",
        {"onset_s": _ONSET, "jump_v": span(30.0, 70.0, 70.0, 120.0)},
        _voltage_sensor(-1.0),
    ),
    Scenario(
        "F004.cooling",
        {
            "power_w": span(2500.0, 4200.0, 4200.0, 5500.0),
            "target_c": span(108.0, 135.0, 135.0, 170.0),
            "lead_s": _ONSET,
        },
        _cooling,
    ),
    Scenario(
        "F004.export",
        {
            "need_w": span(2500.0, 4000.0, 4000.0, 5000.0),
            "power_w": span(7500.0, 8000.0, 8000.0, 8300.0),
            "room_c": span(42.0, 47.0, 47.0, 51.0),
            "lead_s": _ONSET,
        },
        _export,
    ),
    Scenario(
        "F004.sensor", {"onset_s": _ONSET, "jump_k": span(70.0, 110.0, 110.0, 160.0)}, _temperature_sensor
    ),
    Scenario(
        "F005.mppt_regulation",
        {
            "onset_s": _ONSET,
            "sun_w": span(3600.0, 4500.0, 4500.0, 5500.0),
            "rest_v": span(3.535, 3.56, 3.56, 3.575),
            "link_ohm": span(0.015, 0.022, 0.022, 0.03),
        },
        _mppt_regulation,
    ),
    Scenario(
        "F005.battery_disconnected",
        {
            "onset_s": _ONSET,
            "sun_w": span(2500.0, 4000.0, 4000.0, 5500.0),
            "charge": span(0.7, 0.9, 0.9, 0.98),
            "power_w": span(200.0, 1200.0, 1200.0, 1800.0),
        },
        _disconnected,
    ),
    Scenario(
        "F005.backfeed",
        {
            "onset_s": _ONSET,
            "rest_v": span(3.55, 3.565, 3.565, 3.575),
            "link_ohm": span(0.018, 0.025, 0.025, 0.03),
            "rise_hz": span(1.6, 2.1, 2.1, 2.6),
        },
        _backfeed,
    ),
    Scenario("F005.sensor", {"onset_s": _ONSET, "jump_v": span(8.0, 16.0, 16.0, 30.0)}, _bus_sensor(1.0)),
    Scenario(
        "F006.low_charge",
        {
            "onset_s": _ONSET,
            "rest_v": span(2.845, 2.87, 2.87, 2.885),
            "base_w": span(500.0, 1000.0, 1000.0, 1500.0),
            "load_w": span(10e3, 12e3, 12e3, 13e3),
        },
        _low_charge,
    ),
    Scenario(
        "F006.weak_cell",
        {
            "onset_s": _ONSET,
            "rest_v": span(2.94, 2.97, 2.97, 3.0),
            "capacity": span(0.6, 0.8, 0.45, 0.6),
            "resistance": span(28.0, 36.0, 36.0, 44.0),
            "load_w": span(6.2e3, 6.8e3, 6.8e3, 7.3e3),
        },
        _weak_cell,
    ),
    Scenario(
        "F006.loose_busbar",
        {
            "onset_s": _ONSET,
            "base_w": span(3.5e3, 4.5e3, 4.5e3, 5.5e3),
            "ohm": span(0.1, 0.12, 0.12, 0.14),
            "ramp_s": span(0.05, 2.0, 2.0, 4.0),
        },
        _loose_busbar,
    ),
    Scenario(
        "F006.export_after_trip",
        {
            "onset_s": _ONSET,
            "rest_v": span(2.862, 2.874, 2.874, 2.88),
            "after_w": span(6.5e3, 7.5e3, 7.5e3, 8.3e3),
        },
        _export_after_trip,
    ),
    Scenario("F006.sensor", {"onset_s": _ONSET, "jump_v": span(8.0, 16.0, 16.0, 30.0)}, _bus_sensor(-1.0)),
)
