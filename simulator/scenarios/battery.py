"""Faults of batteries: cells too high, too low, too hot or too far apart; currents too large."""

from __future__ import annotations

import numpy as np

from ..physics.battery import CELLS
from .inverter import alone, charge_for, fill, other_house, part_cluster, share_load, sunny, take_power
from .network import HOUSES, STEP_S, SWARM
from .plan import PROBES, SAMPLE_S, SAMPLE_TIMES_S, SAMPLES, STEP_TIMES_S, Plan
from .scenario import OUTSIDE, Build, Expect, Scenario, Values, span
from .window import simulate

_ONSET = span(12.0, 18.0, 18.0, 22.0)


def _some_cell(plan: Plan) -> int:
    return int(plan.rng.integers(CELLS))


def _dim(plan: Plan, house: int, share: float = 0.05) -> None:
    plan.available_w[:, house] *= share


# ------------------------------------------------------------------------------------------------------- F010


def _full_weak_cell(plan: Plan, v: Values, house: int) -> Expect:
    """The charge current begins, and one small cell is full long before the others."""
    cell = _some_cell(plan)
    plan.set_charge(house, v["charge"])
    plan.cell_charge[house, cell] = charge_for(v["cell_v"])
    plan.cell_capacity_ah[house, cell] *= v["capacity"]
    plan.cell_resistance_ohm[house, cell] *= v["resistance"]
    _surge_of_sun(plan, house, v["sun_w"], v["onset_s"])
    plan.charger_unregulated[house] = 0.0  # it sees the whole battery, which is far from full
    return Expect(house + 1, onset_s=v["onset_s"])


def _surge_of_sun(plan: Plan, house: int, power_w: float, at_s: float) -> None:
    """A cloud leaves within a few seconds."""
    sunny(plan, house, power_w)
    shade = 0.15 + 0.85 * np.clip((SAMPLE_TIMES_S - at_s) / 1.5, 0.0, 1.0)
    plan.available_w[:, house] *= shade


def _overcharge(plan: Plan, v: Values, house: int) -> Expect:
    sunny(plan, house, v["sun_w"])
    fill(plan, house, charge_for(v["rest_v"]), 0.1)
    plan.cell_resistance_ohm[house] *= v["aged"] * plan.cell_capacity_ah[house] / 280.0
    take_power(plan, house, 300.0)
    plan.charger_unregulated[house] = v["onset_s"]
    plan.limits[house, "F005"] = 60.0  # on such inverters the battery's own limits come first
    return Expect(house + 1, onset_s=v["onset_s"])


def surplus_into(plan: Plan, house: int, rise_hz: float, at_s: float) -> None:
    """The swarm's frequency rises: it has more than it needs."""
    row = round(at_s / STEP_S)
    ramp = np.clip((STEP_TIMES_S[row:] - at_s) / 0.3, 0.0, 1.0)
    plan.frequency_shift_hz[row:, SWARM] += rise_hz * ramp


def _full_backfeed(plan: Plan, v: Values, house: int) -> Expect:
    fill(plan, house, charge_for(v["rest_v"]), 0.1)
    plan.cell_resistance_ohm[house] *= v["aged"] * plan.cell_capacity_ah[house] / 280.0
    sunny(plan, house, 400.0)
    plan.limits[house, "F005"] = 60.0
    surplus_into(plan, house, v["rise_hz"], v["onset_s"])
    return Expect(house + 1, OUTSIDE, v["onset_s"])


def _sense_wire(sign: float, error: str) -> Build:
    """A tap with a poor contact reads between its neighbours: one cell gains what the next one loses."""

    def build(plan: Plan, v: Values, house: int) -> Expect:
        cell = _some_cell(plan)
        row = round(v["onset_s"] / SAMPLE_S)
        flicker = np.repeat(plan.rng.normal(1.0, 0.06, SAMPLES // 100), 100)[row:]
        values = np.zeros(SAMPLES)
        values[row:] = sign * v[error] * np.clip(flicker, 0.85, 1.2)
        plan.offset(house, f"cell_voltage_{cell + 1}", values)
        if cell + 1 < CELLS and plan.rng.random() < 0.3:
            plan.offset(house, f"cell_voltage_{cell + 2}", -v["share"] * values)
        return Expect(house + 1, onset_s=v["onset_s"])

    return build


# ------------------------------------------------------------------------------------------------------- F011


def _empty_weak_cell(plan: Plan, v: Values, house: int) -> Expect:
    cell = _some_cell(plan)
    alone(plan, house, 1)
    share_load(plan, 1500.0)
    _dim(plan, house)
    plan.set_charge(house, v["charge"])
    plan.cell_charge[house, cell] = charge_for(v["cell_v"])
    plan.cell_capacity_ah[house, cell] *= v["capacity"]
    plan.cell_resistance_ohm[house, cell] *= v["resistance"]
    plan.add_load(house, v["load_w"], v["onset_s"], var=0.2)
    return Expect(house + 1, onset_s=v["onset_s"])


def drained(plan: Plan, house: int, rest_v: float) -> None:
    """All cells near their end alike; the inverter's own limit is lower, as some are set."""
    fill(plan, house, charge_for(rest_v), 0.1)
    _dim(plan, house)
    plan.dc_gain[house] = 5.4
    plan.limits[house, "F006"] = 43.2


def _deep_discharge(plan: Plan, v: Values, house: int) -> Expect:
    alone(plan, house, 1)
    share_load(plan, 1500.0)
    drained(plan, house, v["rest_v"])
    plan.add_load(house, v["load_w"], v["onset_s"], var=0.2)
    return Expect(house + 1, onset_s=v["onset_s"])


def _export_empties(plan: Plan, v: Values, house: int) -> Expect:
    """The load comes at a neighbour whose inverter stands still; this one carries it."""
    running = alone(plan, house, 1)
    neighbour = other_house(plan, house)
    while neighbour in running:
        neighbour = other_house(plan, house)
    share_load(plan, 1500.0)
    drained(plan, house, v["rest_v"])
    plan.add_load(neighbour, v["load_w"], v["onset_s"], var=0.2)
    return Expect(house + 1, neighbour + 1, v["onset_s"])


# ------------------------------------------------------------------------------------------------------- F012


def _probe_start(plan: Plan, house: int, probe: int, rate_k_s: float, lead_s: float) -> None:
    """Begin such that a probe passes 60 °C after a while at its rate."""
    plan.probe_c[house, probe] = 60.05 - rate_k_s * lead_s


def _settled_rate(plan: Plan, house: int, probe: int) -> float:
    """How fast a probe warms up at the begin, by the same physics as the window."""
    rise = simulate(plan, {}, ()).probe_c[:, house, probe]
    return float(rise[200] - rise[0]) / 20.0


def _hot_everywhere(plan: Plan, house: int, level_c: float, lead_s: float) -> None:
    """All probes near the limit, the warmest passes it after a while; the rest follows within a degree."""
    spread = plan.rng.uniform(0.2, 1.5, PROBES)
    warmest = int(plan.rng.integers(PROBES))
    spread[warmest] = 0.0
    plan.probe_c[house] = level_c - spread
    rate = _settled_rate(plan, house, warmest)
    plan.probe_c[house] += 60.062 - rate * lead_s - plan.probe_c[house, warmest]


def _bad_cooling(plan: Plan, v: Values, house: int) -> Expect:
    """A closed-up battery that has been cycled as usual for hours."""
    take_power(plan, house, v["power_w"])
    _dim(plan, house)
    plan.probe_share[house] = v["cooling"]
    plan.cell_resistance_ohm[house] *= 1.3
    _hot_everywhere(plan, house, 59.9, v["lead_s"])
    return Expect(house + 1)


def _cell_short(plan: Plan, v: Values, house: int) -> Expect:
    probe = int(plan.rng.integers(PROBES))
    sunny(plan, house, 300.0)
    take_power(plan, house, 250.0)
    plan.probe_c[house] += v["warmer_k"] * plan.rng.uniform(0.0, 1.0, PROBES)
    plan.probe_heating_w[house, probe] = v["heat_w"]
    plan.probe_c[house, probe] = 55.0
    _probe_start(plan, house, probe, _settled_rate(plan, house, probe), v["lead_s"])
    return Expect(house + 1)


def _heavy_current(plan: Plan, v: Values, house: int) -> Expect:
    """The cluster draws so much for so long that the battery heats up; its cooling is as it should be."""
    neighbour = other_house(plan, house)
    alone(plan, house, 1)
    plan.stopped.add(neighbour)
    _dim(plan, house)
    share_load(plan, v["power_w"] * 0.5)
    plan.load_w[:, neighbour] += v["power_w"] * 0.5
    plan.load_var[:, neighbour] += v["power_w"] * 0.1
    plan.stopped = {other for other in range(HOUSES) if other != house}
    plan.source_v += 4.0
    plan.dc_gain[house] = 5.4
    plan.cell_resistance_ohm[house] *= v["aged"]
    _hot_everywhere(plan, house, 59.9, v["lead_s"])
    return Expect(house + 1, neighbour + 1)


def _ambient(plan: Plan, v: Values, house: int) -> Expect:
    plan.room_c[house] = v["room_c"]
    take_power(plan, house, v["power_w"])
    _hot_everywhere(plan, house, 59.9, v["lead_s"])
    return Expect(house + 1)


def _temperature_sensor(plan: Plan, v: Values, house: int) -> Expect:
    plan.offset(house, f"battery_temperature_{1 + int(plan.rng.integers(PROBES))}", v["jump_k"], v["onset_s"])
    return Expect(house + 1, onset_s=v["onset_s"])


# ------------------------------------------------------------------------------------------------ F013, F014


def _charger_overcurrent(plan: Plan, v: Values, house: int) -> Expect:
    """The charger's own limit is gone; the sun is strong enough for more than the battery takes."""
    plan.limits[house, "F013"] = v["limit_a"]
    sunny(plan, house, v["limit_a"] * 52.0 * v["excess"] + 600.0)
    take_power(plan, house, 300.0)
    plan.charge_limit_a[house] = 0.6 * v["limit_a"]
    plan.charger_unregulated[house] = v["onset_s"]
    return Expect(house + 1, onset_s=v["onset_s"])


def _surplus(plan: Plan, v: Values, house: int) -> Expect:
    """The cluster stands alone; a large consumer at a neighbour goes, whose charger goes on giving."""
    plan.limits[house, "F013"] = v["limit_a"]
    sunny(plan, house, v["sun_w"])
    surplus_into(plan, house, v["rise_hz"], v["onset_s"])
    return Expect(house + 1, OUTSIDE, v["onset_s"])


def _surplus_of_house(plan: Plan, v: Values, house: int) -> Expect:
    """A neighbour's set point is pushed up: it exports into the others' batteries."""
    neighbour = other_house(plan, house)
    plan.limits[house, "F013"] = v["limit_a"]
    alone(plan, house, 1)
    plan.stopped = {other for other in range(HOUSES) if other not in (house, neighbour)}
    share_load(plan, 1200.0)
    sunny(plan, house, v["sun_w"])
    row = round(v["onset_s"] / STEP_S)
    ramp = np.clip((STEP_TIMES_S[row:] - v["onset_s"]) / 0.5, 0.0, 1.0)
    plan.frequency_shift_hz[row:, neighbour] += v["rise_hz"] * ramp
    return Expect(house + 1, neighbour + 1, v["onset_s"])


def _current_sensor(sign: float, limit: str) -> Build:
    def build(plan: Plan, v: Values, house: int) -> Expect:
        plan.offset(house, "battery_current", sign * v["jump_a"], v["onset_s"])
        plan.limits[house, limit] = v["limit_a"]
        return Expect(house + 1, onset_s=v["onset_s"])

    return build


def _own_overload(plan: Plan, v: Values, house: int) -> Expect:
    plan.limits[house, "F014"] = v["limit_a"]
    alone(plan, house, 1)
    share_load(plan, 1600.0)
    _dim(plan, house)
    plan.dc_gain[house] = 5.4
    plan.source_v += 3.0
    plan.add_load(house, v["load_w"], v["onset_s"], var=0.1)
    return Expect(house + 1, onset_s=v["onset_s"])


def carry_most(plan: Plan, house: int, limit_a: float) -> None:
    """Let a house give most for the cluster, a little less than its limit; the others have reserves."""
    plan.limits[house, "F014"] = limit_a
    part_cluster(plan)
    _dim(plan, house)
    plan.dc_gain[house] = 5.4
    take_power(plan, house, 0.8 * limit_a * 49.0)


def _shared_overload(plan: Plan, v: Values, house: int) -> Expect:
    """The neighbours can carry on when this inverter has stopped."""
    carry_most(plan, house, v["limit_a"])
    plan.add_load(house, v["load_w"], v["onset_s"], var=0.1)
    return Expect(house + 1, onset_s=v["onset_s"])


def _shortage(plan: Plan, v: Values, house: int) -> Expect:
    plan.limits[house, "F014"] = v["limit_a"]
    running = alone(plan, house, 1)
    culprit = other_house(plan, house)
    while culprit in running:
        culprit = other_house(plan, house)
    share_load(plan, 1600.0)
    _dim(plan, house)
    plan.dc_gain[house] = 5.4
    plan.source_v += 3.0
    plan.add_load(culprit, v["load_w"], v["onset_s"], var=0.1)
    return Expect(house + 1, culprit + 1, v["onset_s"])


# ------------------------------------------------------------------------------------------------------- F015


def _spread(plan: Plan, lead_s: float) -> None:
    """The warning comes after 60 s; most of them have passed."""
    plan.preloaded_s["F015"] = 60.0 - lead_s


def _apart_weak_cell(plan: Plan, v: Values, house: int) -> Expect:
    """At the end of discharge one cell of less capacity is empty first; the current is small."""
    cell = _some_cell(plan)
    plan.set_charge(house, v["charge"])
    plan.cell_capacity_ah[house, cell] *= v["capacity"]
    plan.cell_charge[house, cell] = charge_for(v["cell_v"])
    _dim(plan, house, 0.3)
    take_power(plan, house, v["power_w"])
    _spread(plan, v["lead_s"])
    return Expect(house + 1)


def _balancer(plan: Plan, v: Values, house: int) -> Expect:
    """Cells spread evenly over a few percent, visible at the end of charge or discharge."""
    spread = v["spread"] * plan.rng.permutation(np.linspace(-0.5, 0.5, CELLS))
    plan.cell_charge[house] = np.clip(v["charge"] + spread, 0.004, 0.9995)
    _dim(plan, house, 0.3)
    take_power(plan, house, 500.0)
    _spread(plan, v["lead_s"])
    return Expect(house + 1)


def _link_resistance(plan: Plan, v: Values, house: int) -> Expect:
    cell = _some_cell(plan)
    plan.set_charge(house, v["charge"])
    _dim(plan, house)
    take_power(plan, house, v["power_w"])
    plan.cell_resistance_ohm[house, cell] = v["ohm"]
    # Loads come and go, so that what follows the current can be told from what does not.
    for begin in np.sort(plan.rng.uniform(6.0, 30.0, 4)):
        plan.add_load(house, plan.rng.uniform(400.0, 1000.0), begin, begin + 4.0)
    _spread(plan, v["lead_s"])
    return Expect(house + 1)


def _apart_sense_wire(plan: Plan, v: Values, house: int) -> Expect:
    cell = _some_cell(plan)
    sign = 1.0 if plan.rng.random() < 0.5 else -1.0
    flicker = np.repeat(plan.rng.normal(1.0, 0.05, SAMPLES // 100), 100)
    plan.offset(house, f"cell_voltage_{cell + 1}", sign * v["error_v"] * flicker)
    _spread(plan, v["lead_s"])
    return Expect(house + 1)


SCENARIOS = (
    Scenario(
        "F010.weak_cell",
        {
            "onset_s": _ONSET,
            "charge": span(0.85, 0.93, 0.8, 0.85),
            "cell_v": span(3.585, 3.592, 3.592, 3.597),
            "capacity": span(0.75, 0.9, 0.6, 0.75),
            "resistance": span(2.0, 3.0, 3.0, 4.0),
            "sun_w": span(4800.0, 5800.0, 5800.0, 6800.0),
        },
        _full_weak_cell,
    ),
    Scenario(
        "F010.overcharge",
        {
            "onset_s": _ONSET,
            "sun_w": span(4800.0, 5800.0, 5800.0, 6800.0),
            "rest_v": span(3.58, 3.588, 3.588, 3.594),
            "aged": span(2.2, 2.7, 2.7, 3.2),
        },
        _overcharge,
    ),
    Scenario(
        "F010.backfeed",
        {
            "onset_s": _ONSET,
            "rise_hz": span(1.8, 2.2, 2.2, 2.5),
            "rest_v": span(3.58, 3.588, 3.588, 3.594),
            "aged": span(3.2, 4.0, 4.0, 5.0),
        },
        _full_backfeed,
    ),
    Scenario(
        "F010.sense_wire",
        {"onset_s": _ONSET, "error_v": span(0.45, 0.7, 0.7, 1.0), "share": span(0.2, 0.45, 0.1, 0.2)},
        _sense_wire(1.0, "error_v"),
    ),
    Scenario(
        "F011.weak_cell",
        {
            "onset_s": _ONSET,
            "charge": span(0.15, 0.3, 0.3, 0.4),
            "cell_v": span(2.86, 2.9, 2.9, 2.93),
            "capacity": span(0.6, 0.8, 0.45, 0.6),
            "resistance": span(3.0, 4.0, 4.0, 6.0),
            "load_w": span(7e3, 9e3, 9e3, 11e3),
        },
        _empty_weak_cell,
    ),
    Scenario(
        "F011.deep_discharge",
        {
            "onset_s": _ONSET,
            "rest_v": span(2.835, 2.845, 2.845, 2.855),
            "load_w": span(9e3, 10.5e3, 10.5e3, 12e3),
        },
        _deep_discharge,
    ),
    Scenario(
        "F011.export",
        {
            "onset_s": _ONSET,
            "rest_v": span(2.835, 2.845, 2.845, 2.855),
            "load_w": span(9e3, 10.5e3, 10.5e3, 12e3),
        },
        _export_empties,
    ),
    Scenario(
        "F011.sense_wire",
        {"onset_s": _ONSET, "error_v": span(0.65, 0.9, 0.9, 1.3), "share": span(0.1, 0.3, 0.05, 0.1)},
        _sense_wire(-1.0, "error_v"),
    ),
    Scenario(
        "F012.cooling",
        {
            "power_w": span(2500.0, 4500.0, 4500.0, 5500.0),
            "cooling": span(0.02, 0.05, 0.0, 0.02),
            "lead_s": span(9.0, 16.0, 16.0, 18.0),
        },
        _bad_cooling,
    ),
    Scenario(
        "F012.cell_short",
        {
            "heat_w": span(1200.0, 3500.0, 3500.0, 6000.0),
            "warmer_k": span(2.0, 8.0, 8.0, 12.0),
            "lead_s": span(9.0, 14.0, 14.0, 17.0),
        },
        _cell_short,
    ),
    Scenario(
        "F012.overcurrent",
        {
            "power_w": span(6900.0, 7400.0, 7400.0, 7900.0),
            "aged": span(2.4, 3.0, 3.0, 3.6),
            "lead_s": span(9.0, 16.0, 16.0, 18.0),
        },
        _heavy_current,
    ),
    Scenario(
        "F012.ambient",
        {
            "room_c": span(62.0, 70.0, 70.0, 78.0),
            "power_w": span(200.0, 1000.0, 1000.0, 1500.0),
            "lead_s": span(9.0, 16.0, 16.0, 18.0),
        },
        _ambient,
    ),
    Scenario(
        "F012.sensor",
        {"onset_s": span(12.0, 16.0, 16.0, 18.0), "jump_k": span(45.0, 80.0, 80.0, 120.0)},
        _temperature_sensor,
    ),
    Scenario(
        "F013.mppt_overcurrent",
        {"onset_s": _ONSET, "limit_a": span(60.0, 85.0, 85.0, 110.0), "excess": span(1.25, 1.5, 1.5, 1.8)},
        _charger_overcurrent,
    ),
    Scenario(
        "F013.surplus",
        {
            "onset_s": _ONSET,
            "limit_a": span(55.0, 75.0, 45.0, 55.0),
            "sun_w": span(800.0, 1600.0, 1600.0, 2400.0),
            "rise_hz": span(1.9, 2.3, 2.3, 2.8),
        },
        _surplus,
    ),
    Scenario(
        "F013.surplus/house",
        {
            "onset_s": _ONSET,
            "limit_a": span(45.0, 60.0, 35.0, 45.0),
            "sun_w": span(800.0, 1600.0, 1600.0, 2400.0),
            "rise_hz": span(1.7, 2.1, 2.1, 2.4),
        },
        _surplus_of_house,
    ),
    Scenario(
        "F013.current_sensor",
        {
            "onset_s": _ONSET,
            "limit_a": span(60.0, 85.0, 85.0, 110.0),
            "jump_a": span(130.0, 220.0, 220.0, 320.0),
        },
        _current_sensor(-1.0, "F013"),
    ),
    Scenario(
        "F014.own_overload",
        {
            "onset_s": _ONSET,
            "limit_a": span(80.0, 100.0, 65.0, 80.0),
            "load_w": span(9.5e3, 11.5e3, 11.5e3, 12.5e3),
        },
        _own_overload,
    ),
    Scenario(
        "F014.own_overload/shared",
        {
            "onset_s": _ONSET,
            "limit_a": span(60.0, 75.0, 48.0, 60.0),
            "load_w": span(4.5e3, 6e3, 6e3, 7e3),
        },
        _shared_overload,
    ),
    Scenario(
        "F014.shortage",
        {
            "onset_s": _ONSET,
            "limit_a": span(80.0, 100.0, 65.0, 80.0),
            "load_w": span(9.5e3, 11.5e3, 11.5e3, 12.5e3),
        },
        _shortage,
    ),
    Scenario(
        "F014.current_sensor",
        {
            "onset_s": _ONSET,
            "limit_a": span(100.0, 140.0, 140.0, 180.0),
            "jump_a": span(190.0, 260.0, 260.0, 340.0),
        },
        _current_sensor(1.0, "F014"),
    ),
    Scenario(
        "F015.weak_cell",
        {
            "charge": span(0.14, 0.25, 0.25, 0.35),
            "capacity": span(0.65, 0.85, 0.5, 0.65),
            "cell_v": span(2.9, 3.02, 2.86, 2.9),
            "power_w": span(150.0, 600.0, 600.0, 900.0),
            "lead_s": _ONSET,
        },
        _apart_weak_cell,
    ),
    Scenario(
        "F015.balancer",
        {"charge": span(0.07, 0.1, 0.1, 0.12), "spread": span(0.08, 0.12, 0.12, 0.16), "lead_s": _ONSET},
        _balancer,
    ),
    Scenario(
        "F015.link_resistance",
        {
            "charge": span(0.3, 0.7, 0.7, 0.8),
            "power_w": span(2600.0, 3500.0, 3500.0, 4200.0),
            "ohm": span(2.4e-3, 3.0e-3, 3.0e-3, 3.5e-3),
            "lead_s": _ONSET,
        },
        _link_resistance,
    ),
    Scenario("F015.sense_wire", {"error_v": span(0.13, 0.2, 0.2, 0.25), "lead_s": _ONSET}, _apart_sense_wire),
)
