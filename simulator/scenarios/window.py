"""A window simulated: voltages, batteries, chargers, temperatures; protections trip and are played on."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..physics.arrays import Flags, Floats
from ..physics.battery import NOMINAL_CAPACITY_AH, rest_voltage
from ..physics.grid import NOMINAL_VOLTAGE_V
from ..physics.solar import PvArrays
from .network import (
    GATEWAY_NODE,
    HOUSES,
    SOURCES,
    STEP_S,
    SWARM,
    SWARM_NODE,
    Flows,
    Switching,
    flows,
)
from .plan import PROBES, SAMPLE_S, SAMPLE_TIMES_S, SAMPLES, Plan

_PER_SAMPLE = round(SAMPLE_S / STEP_S)
_CYCLE = round(0.02 / STEP_S)  # magnitudes are measured over a period of the mains

_EFFICIENCY = 0.94  # of the inverter, both directions
_IDLE_W, _OFF_W = 28.0, 4.0
_REACTIVE_DROOP = 0.05 / 3000.0  # share of the nominal voltage per var
_SOURCE_OHM = 0.12
_TRANSIENT_OHM, _REGULATION_S = 0.9, 0.4  # before the regulation has followed a change of current
_WIRING_OHM = 1.5e-3
_POLARISATION_S = 60.0
_RESISTANCE_PER_K = 0.012
_BUS_FARAD = 0.02
_BUS_HIGHEST_V = 64.0  # the charger's own hard limit
_CHARGER_S = 0.2
_HEAT_J_PER_K, _LOSS_W_PER_K = 86e3, 8.0  # of a 280 Ah pack
_MOSFET_S, _MOSFET_IDLE_K, _MOSFET_K_PER_A2 = 120.0, 6.0, 0.045  # as physics.thermal
_SHORT_CIRCUIT_SHARE = 1.07  # of the current at the maximum power point
_SLOW = 10  # cells and temperatures on every tenth sample


@dataclass(slots=True)
class Window:
    """What was really there; arrays over time are on the grid of `SAMPLE_S`."""

    power_w: Floats
    """Samples × sources."""
    frequency_hz: Floats
    voltage_v: Floats
    """At each inverter's output, then the swarm's."""
    gateway_v: Floats
    """Cluster side, swarm side."""
    phase_deg: Floats
    gateway_flow_w: Floats
    current_a: Floats
    """Of the inverters, signed like their power."""
    running: Flags
    load_w: Floats
    bus_v: Floats
    battery_a: Floats
    battery_connected: Flags
    cell_v: Floats
    """Slow samples × houses × cells."""
    charge: Floats
    """Slow samples × houses."""
    pv_v: Floats
    pv_a: Floats
    charger_a: Floats
    mosfet_c: Floats
    probe_c: Floats
    """Slow samples × houses × probes."""


def first_order(values: Floats, start: Floats, tau_s: float, step_s: float) -> Floats:
    """Filter along the first axis: y' = (x - y) / tau, by doubling instead of a loop over time."""
    keep = float(np.exp(-step_s / tau_s))
    out = (1.0 - keep) * values
    out[0] = start
    stride, factor = 1, keep
    while stride < len(out) and factor > 1e-12:
        out[stride:] = out[stride:] + factor * out[:-stride]
        stride, factor = 2 * stride, factor * factor
    return out


def _averaged(values: Floats) -> Floats:
    """Mean over the last mains period at each sample."""
    total = np.concatenate((np.zeros((1, *values.shape[1:])), np.cumsum(values, axis=0)))
    ends = np.arange(1, SAMPLES + 1) * _PER_SAMPLE - (_PER_SAMPLE - 1)
    begins = np.maximum(ends - _CYCLE, 0)
    mean: Floats = (total[ends] - total[begins]) / (ends - begins).reshape(-1, *[1] * (values.ndim - 1))
    return mean


def simulate(plan: Plan, stops: dict[int, float], contactor: tuple[tuple[float, bool], ...]) -> Window:
    """Compute a window in which inverters stop (by house) and the contactor switches at given times."""
    on = np.array([house not in plan.stopped for house in range(HOUSES)] + [True])
    switchings = [Switching(round(t / STEP_S), house=house) for house, t in stops.items()]
    switchings += [Switching(round(t / STEP_S), closed=closed) for t, closed in contactor]
    ac = flows(
        plan.lines,
        plan.load_w,
        plan.frequency_shift_hz,
        plan.droop_hz_per_w,
        plan.setpoint_w,
        on,
        plan.contactor.closed,
        tuple(switchings),
        float(np.radians(plan.contactor.first_phase_deg)),
    )
    power = _averaged(ac.power_w)
    running, live = _running(ac)
    battery = _DirectCurrent(plan, power[:, :HOUSES], running)
    voltage = _voltages(plan, ac, power, battery.bus_v)
    magnitude = np.hypot(power, voltage.reactive_var)[:, :HOUSES] / np.maximum(
        voltage.output_v[:, :HOUSES], 50.0
    )
    current = np.where(running, np.copysign(magnitude, power[:, :HOUSES]), 0.0)
    turn = ac.node_angle_rad[::_PER_SAMPLE, GATEWAY_NODE] - ac.node_angle_rad[::_PER_SAMPLE, SWARM_NODE]
    return Window(
        power_w=power,
        frequency_hz=ac.frequency_hz[::_PER_SAMPLE],
        voltage_v=voltage.output_v,
        gateway_v=voltage.gateway_v,
        phase_deg=np.degrees(np.remainder(turn + np.pi, 2.0 * np.pi) - np.pi),
        gateway_flow_w=_averaged(ac.gateway_flow_w),
        current_a=current,
        running=running,
        load_w=_averaged(plan.load_w)[:, :HOUSES] * live[:, None],
        bus_v=battery.bus_v,
        battery_a=battery.current_a,
        battery_connected=battery.connected,
        cell_v=battery.cell_v,
        charge=battery.charge,
        pv_v=battery.pv_v,
        pv_a=battery.pv_a,
        charger_a=battery.charger_a,
        mosfet_c=_mosfets(plan, current),
        probe_c=_probes(plan, battery.current_a),
    )


def _running(ac: Flows) -> tuple[Flags, Flags]:
    running = np.zeros((SAMPLES, HOUSES), dtype=bool)
    live = np.zeros(SAMPLES, dtype=bool)
    for part in ac.parts:
        rows = slice(-(-part.begin // _PER_SAMPLE), -(-part.end // _PER_SAMPLE))
        running[rows] = part.on[:HOUSES]
        live[rows] = part.live[0]
    return running, live


@dataclass(frozen=True, slots=True)
class _Voltages:
    output_v: Floats
    reactive_var: Floats
    gateway_v: Floats


def _voltages(plan: Plan, ac: Flows, power: Floats, bus_v: Floats) -> _Voltages:
    """Magnitudes by the same network as the angles (fast decoupled load flow), droop of V over Q and I."""
    reactive_load = _averaged(plan.load_var)
    amperes = power / NOMINAL_VOLTAGE_V
    settled = first_order(amperes, amperes[0], _REGULATION_S, SAMPLE_S)
    drop_v = _SOURCE_OHM * amperes + _TRANSIENT_OHM * (amperes - settled)
    drop_v[:, SWARM] *= plan.droop_hz_per_w[SWARM] / plan.droop_hz_per_w[:HOUSES].mean()
    wanted = (plan.source_v + plan.source_shift_v - drop_v) / NOMINAL_VOLTAGE_V
    highest = np.full_like(wanted, np.inf)
    highest[:, :HOUSES] = plan.dc_gain * bus_v / NOMINAL_VOLTAGE_V
    output, reactive = np.zeros_like(wanted), np.zeros_like(wanted)
    gateway = np.zeros((SAMPLES, 2))
    droop = np.full(SOURCES, _REACTIVE_DROOP)
    droop[SWARM] *= plan.droop_hz_per_w[SWARM] / plan.droop_hz_per_w[:HOUSES].mean()
    for part in ac.parts:
        rows = slice(-(-part.begin // _PER_SAMPLE), -(-part.end // _PER_SAMPLE))
        load = reactive_load[rows] * part.live[[*range(HOUSES), SWARM_NODE]]
        own = wanted[rows] - droop * (load @ part.power_from_load.T)
        inside = np.linalg.inv(np.eye(SOURCES) + droop[:, None] * part.power_from_source)
        source = np.minimum(own @ inside.T, highest[rows])
        reactive[rows] = source @ part.power_from_source.T + load @ part.power_from_load.T
        nodes = source @ part.node_from_source.T + load @ part.node_from_load.T
        nodes = nodes * part.live
        # Measured between the filter and the cable, half-way along the coupling.
        terminals = nodes[:, [*range(HOUSES), SWARM_NODE]]
        output[rows] = np.where(part.on, 0.5 * (source + terminals), terminals)
        gateway[rows] = nodes[:, [GATEWAY_NODE, SWARM_NODE]]
    return _Voltages(output * NOMINAL_VOLTAGE_V, reactive, gateway * NOMINAL_VOLTAGE_V)


class _DirectCurrent:
    """Battery, charger and what the inverter takes, of all houses."""

    def __init__(self, plan: Plan, power_w: Floats, running: Flags) -> None:
        taken = np.where(power_w > 0.0, power_w / _EFFICIENCY, power_w * _EFFICIENCY)
        taken = np.where(running, taken + _IDLE_W + plan.internal_loss_w, _OFF_W)
        given = self._charger(plan, taken)
        self.connected: Flags = np.ones((SAMPLES, HOUSES), dtype=bool)
        for house, t_s in plan.bms_open_s.items():
            self.connected[round(t_s / SAMPLE_S) :, house] = False
        self._battery(plan, np.where(self.connected, taken - given, 0.0))
        self._bus(plan, taken, given)
        self._panels(plan, given)

    def _charger(self, plan: Plan, taken: Floats) -> Floats:
        possible = np.maximum(plan.available_w * PvArrays.EFFICIENCY - PvArrays.OWN_USE_W, 0.0)
        used = first_order(taken, taken[0], _CHARGER_S, SAMPLE_S)
        highest_v = rest_voltage(plan.cell_charge).max(axis=1)
        full = np.clip((3.43 - highest_v) / 0.05, 0.0, 1.0)
        limit = np.maximum(used + plan.charge_limit_a * full * 52.0, 0.0)
        for house, t_s in plan.charger_unregulated.items():
            limit[round(t_s / SAMPLE_S) :, house] = np.inf
        given: Floats = np.minimum(possible, limit)
        return given

    def _battery(self, plan: Plan, power_w: Floats) -> None:
        """Current from power and the cells' state; the state is slow and comes from the current before."""
        scale = np.exp(-_RESISTANCE_PER_K * (plan.probe_c.mean(axis=1) - 25.0))
        cell_ohm = plan.cell_resistance_ohm * scale[:, None]
        pack_ohm = cell_ohm.sum(axis=1) + _WIRING_OHM + plan.cell_link_ohm
        current = power_w / 52.0
        slow_s = SAMPLE_TIMES_S[::_SLOW]
        source_v = cells = charge = np.zeros(0)
        for _ in range(3):
            slow = current.reshape(-1, _SLOW, HOUSES).mean(axis=1)
            used_ah = np.cumsum(slow, axis=0) * (SAMPLE_S * _SLOW / 3600.0)
            charge = plan.cell_charge - used_ah[:, :, None] / plan.cell_capacity_ah
            charge = np.clip(charge, 0.0, 1.0)
            step = slow[:, :, None] * cell_ohm
            polarisation = first_order(step, step[0] * 0.6, _POLARISATION_S, SAMPLE_S * _SLOW)
            cells = rest_voltage(charge) - polarisation
            pack = cells.sum(axis=2)
            source_v = np.stack(
                [np.interp(SAMPLE_TIMES_S, slow_s, pack[:, house]) for house in range(HOUSES)], axis=1
            )
            root = np.sqrt(np.maximum(source_v**2 - 4.0 * pack_ohm * power_w, 0.0))
            current = (source_v - root) / (2.0 * pack_ohm)
        self.current_a = current
        self.bus_v = source_v - current * pack_ohm
        self.cell_v = cells - current[::_SLOW, :, None] * cell_ohm
        usable = charge.min(axis=2)
        self.charge = usable / (usable + (1.0 - charge).min(axis=2))

    def _bus(self, plan: Plan, taken: Floats, given: Floats) -> None:
        """Without its battery the bus is a capacitor between charger and inverter."""
        for house, t_s in plan.bms_open_s.items():
            row = round(t_s / SAMPLE_S)
            surplus_j = np.cumsum((given - taken)[row:, house]) * SAMPLE_S
            before = self.bus_v[row - 1, house]
            squared = before**2 + 2.0 * surplus_j / _BUS_FARAD
            self.bus_v[row:, house] = np.sqrt(np.clip(squared, 100.0, _BUS_HIGHEST_V**2))

    def _panels(self, plan: Plan, given: Floats) -> None:
        """Voltage and current of the modules: beside the maximum power point when they must give less."""
        warm = plan.panel_c - 25.0
        sun = np.maximum(plan.available_w / (0.9 * 4200.0), 1e-4)
        light = np.maximum(1.0 + 0.045 * np.log(sun), 0.0)
        best_v = plan.modules * 31.5 * light * (1.0 - 0.0035 * warm)
        open_v = plan.modules * 38.0 * light * (1.0 - 0.0028 * warm)
        drawn = np.where(given > 0.0, (given + PvArrays.OWN_USE_W) / PvArrays.EFFICIENCY, 0.0)
        best_a = plan.available_w / np.maximum(best_v, 1.0)
        used = np.clip(drawn / np.maximum(plan.available_w, 1.0), 0.0, 1.0)
        for house, (limit_a, lost_s) in plan.charger_limit_a.items():
            rows = slice(0, round(lost_s / SAMPLE_S))
            used[rows, house] = np.minimum(used[rows, house], limit_a / np.maximum(best_a[rows, house], 1e-3))
        self.pv_v = open_v - (open_v - best_v) * np.sqrt(used)
        self.pv_a = used * plan.available_w / np.maximum(self.pv_v, 1.0)
        for house in plan.low_voltage_string:
            self._pass_through(house, best_v, best_a)
        self.charger_a = self.pv_v * self.pv_a * PvArrays.EFFICIENCY / np.maximum(self.bus_v, 10.0)

    def _pass_through(self, house: int, best_v: Floats, best_a: Floats) -> None:
        """A charger cannot go below the battery's voltage, nor above what its few modules give."""
        volts = np.maximum(self.bus_v[:, house] + 0.8, 1.0)
        share = volts / best_v[:, house]
        # Left of the maximum power point it rises towards that of a short circuit, right of it it falls.
        left = _SHORT_CIRCUIT_SHARE - (_SHORT_CIRCUIT_SHARE - 1.0) * share**12
        right = np.clip(1.0 - 4.0 * (share - 1.0), 0.0, 1.0)
        self.pv_v[:, house] = volts
        self.pv_a[:, house] = best_a[:, house] * np.where(share < 1.0, left, right)


def _mosfets(plan: Plan, current_a: Floats) -> Floats:
    slow = (current_a**2).reshape(-1, _SLOW, HOUSES).mean(axis=1)
    target = plan.room_c + (_MOSFET_IDLE_K + _MOSFET_K_PER_A2 * slow) / plan.mosfet_cooling
    start = np.where(np.isnan(plan.mosfet_c), target[0], plan.mosfet_c)
    rise = first_order(target - start, np.zeros(HOUSES), _MOSFET_S, SAMPLE_S * _SLOW)
    temperature: Floats = start + rise
    return temperature


def _probes(plan: Plan, battery_a: Floats) -> Floats:
    """Each probe sees a quarter of the battery: heated by current and from inside, cooled by the room."""
    slow = (battery_a**2).reshape(-1, _SLOW, HOUSES).mean(axis=1)
    size = plan.cell_capacity_ah.mean(axis=1)[:, None] / NOMINAL_CAPACITY_AH
    heat = slow[:, :, None] * (plan.cell_resistance_ohm.sum(axis=1) / PROBES)[:, None]
    capacity = _HEAT_J_PER_K * size / PROBES
    loss = _LOSS_W_PER_K * np.sqrt(size) / PROBES * plan.probe_share
    rate = heat + plan.probe_heating_w - loss * (plan.probe_c - plan.room_c[:, None])
    rise: Floats = np.cumsum(rate / capacity, axis=0) * (SAMPLE_S * _SLOW)
    return plan.probe_c + rise
