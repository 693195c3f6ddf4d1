"""The AC side of four houses on a line, their gateway and the swarm behind it, over a whole window at once.

The droop equations of `simulator.physics.grid`, with what faults need beyond it: a source for the swarm, a
droop line of each inverter's own, reactive power and voltage. Between two switching operations all of it is
linear. So a step is exact, and blocks of steps are computed together; only the blocks follow each other.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ..physics.arrays import Flags, Floats
from ..physics.grid import NOMINAL_FREQUENCY_HZ, NOMINAL_VOLTAGE_V, POWER_FILTER_S, expm

HOUSES = 4
SWARM = HOUSES
"""Number of the swarm among the sources."""
SOURCES = HOUSES + 1
GATEWAY_NODE, SWARM_NODE = HOUSES, HOUSES + 1
STEP_S = 0.002
_BLOCK = 20
_DEAD_SHUNT = 1e6  # W/rad: pins the angle of a part that nobody feeds
_TURN = 2.0 * np.pi


@dataclass(frozen=True, slots=True)
class Lines:
    """Reactances of the network."""

    coupling_ohm: float = 0.4
    """From an inverter to its house's terminals."""
    line_ohm: float = 0.15
    """From house to house, and from the first one to the gateway."""
    trunk_ohm: float = 0.3
    swarm_ohm: float = 0.12
    """From the lumped inverters of the swarm to its bus."""


@dataclass(frozen=True, slots=True)
class Switching:
    """Something switches: an inverter stops, or the contactor moves."""

    step: int
    house: int | None = None
    """The inverter that stops; None: it is the contactor."""
    closed: bool = False


@dataclass(frozen=True, slots=True)
class Part:
    """A stretch of time with one topology, and how magnitudes follow in it (see `voltages`)."""

    begin: int
    end: int
    on: Flags
    closed: bool
    live: Flags
    """Nodes whose part of the network is fed."""
    power_from_source: Floats
    power_from_load: Floats
    node_from_source: Floats
    node_from_load: Floats


@dataclass(frozen=True, slots=True)
class Flows:
    """What came out, on the grid of `STEP_S`."""

    power_w: Floats
    """Steps × sources."""
    frequency_hz: Floats
    """Steps × sources; not a number where nobody feeds."""
    node_angle_rad: Floats
    """Steps × nodes (houses, gateway, swarm)."""
    gateway_flow_w: Floats
    parts: tuple[Part, ...]


def _topology(lines: Lines, on: Flags, closed: bool, begin: int) -> Part:
    nodes = HOUSES + 2
    laplacian = np.zeros((nodes, nodes))
    joined = [(GATEWAY_NODE, 0, lines.line_ohm), *((i, i + 1, lines.line_ohm) for i in range(HOUSES - 1))]
    if closed:
        joined.append((GATEWAY_NODE, SWARM_NODE, lines.trunk_ohm))
    for a, b, ohm in joined:
        conductance = NOMINAL_VOLTAGE_V**2 / ohm
        laplacian[[a, b], [a, b]] += conductance
        laplacian[[a, b], [b, a]] -= conductance
    coupling = np.zeros((nodes, SOURCES))
    for source in np.flatnonzero(on):
        ohm = lines.swarm_ohm if source == SWARM else lines.coupling_ohm
        coupling[SWARM_NODE if source == SWARM else source, source] = NOMINAL_VOLTAGE_V**2 / ohm
    cluster_fed = bool(on[:HOUSES].any()) or closed
    live = np.array([cluster_fed] * (HOUSES + 1) + [True])
    inverse = np.linalg.inv(laplacian + np.diag(coupling.sum(axis=1) + np.where(live, 0.0, _DEAD_SHUNT)))
    takes = np.zeros((nodes, SOURCES))  # where the loads are
    takes[:HOUSES, :HOUSES] = np.eye(HOUSES)
    takes[SWARM_NODE, SWARM] = 1.0
    from_source, from_load = inverse @ coupling, -inverse @ takes
    return Part(
        begin=begin,
        end=begin,
        on=on,
        closed=closed,
        live=live,
        power_from_source=np.diag(coupling.sum(axis=0)) - coupling.T @ from_source,
        power_from_load=-coupling.T @ from_load,
        node_from_source=from_source,
        node_from_load=from_load,
    )


def _step_matrices(part: Part, droop_hz_per_w: Floats) -> tuple[Floats, Floats]:
    """State [angle, filtered power] after a step, from the state and from [load, speed]."""
    size = 2 * SOURCES
    whole = np.zeros((2 * size, 2 * size))
    eye = np.eye(SOURCES)
    # Angles in units of 1e-5 rad, so that the norm stays that of the physics.
    whole[:SOURCES, SOURCES:size] = -_TURN * 1e5 * np.diag(np.where(part.on, droop_hz_per_w, 0.0))
    whole[SOURCES:size, :SOURCES] = part.power_from_source / POWER_FILTER_S / 1e5
    whole[SOURCES:size, SOURCES:size] = -eye / POWER_FILTER_S
    whole[:SOURCES, size + SOURCES :] = np.diag(np.where(part.on, 1.0, 0.0))  # speed in the same unit
    whole[SOURCES:size, size : size + SOURCES] = part.power_from_load / POWER_FILTER_S
    solved = expm(whole * STEP_S)
    return solved[:size, :size], solved[:size, size:]


def _run(state: Floats, step: Floats, drive: Floats, inputs: Floats) -> Floats:
    """States before each step and behind the last one: the linear recurrence, a block at a time."""
    steps, size = inputs.shape[0], len(state)
    blocks = -(-steps // _BLOCK)
    forced = np.zeros((blocks * _BLOCK, size))
    forced[:steps] = inputs @ drive.T
    forced = forced.reshape(blocks, _BLOCK, size)
    powers = np.empty((_BLOCK + 1, size, size))
    powers[0] = np.eye(size)
    within = np.zeros((blocks, _BLOCK + 1, size))
    for i in range(_BLOCK):
        powers[i + 1] = step @ powers[i]
        within[:, i + 1] = within[:, i] @ step.T + forced[:, i]
    begins = np.empty((blocks + 1, size))
    begins[0] = state
    last, ends = powers[_BLOCK], within[:, _BLOCK]
    for block in range(blocks):
        begins[block + 1] = last @ begins[block] + ends[block]
    if blocks == 0:
        return begins
    inside = begins[:-1] @ powers[:_BLOCK].reshape(_BLOCK * size, size).T
    inside = inside.reshape(blocks, _BLOCK, size) + within[:, :_BLOCK]
    trajectory: Floats = np.concatenate((inside.reshape(-1, size), begins[-1:]))[: steps + 1]
    return trajectory


def _balance(part: Part, load_w: Floats, speed: Floats, droop: Floats) -> Floats:
    """State at rest: equal speed, power by the droop lines."""
    power = np.zeros(SOURCES)
    cluster = np.arange(SOURCES) < HOUSES
    for inside in [np.ones(SOURCES, dtype=bool)] if part.closed else [cluster, ~cluster]:
        on = inside & part.on
        if on.any():
            stiffness = 1.0 / (_TURN * droop[on])
            common = ((speed[on] * stiffness).sum() - load_w[inside].sum()) / stiffness.sum()
            power[on] = (speed[on] - common) * stiffness
    angle = np.linalg.lstsq(part.power_from_source, power - part.power_from_load @ load_w, rcond=None)[0]
    return np.concatenate((angle * 1e5, power))


def flows(
    lines: Lines,
    load_w: Floats,
    frequency_shift_hz: Floats,
    droop_hz_per_w: Floats,
    setpoint_w: Floats,
    on: Flags,
    closed: bool,
    switchings: tuple[Switching, ...],
    first_phase_rad: float = 0.0,
) -> Flows:
    """Solve; loads and shifts of no-load frequency are steps × sources, held over a step each."""
    steps = len(load_w)
    power, frequency = np.empty((steps, SOURCES)), np.empty((steps, SOURCES))
    angles = np.empty((steps, HOUSES + 2))
    speed = _TURN * (frequency_shift_hz + droop_hz_per_w * setpoint_w)
    parts = list[Part]()
    state: Floats | None = None
    on = on.copy()
    borders = [*sorted((s for s in switchings if 0 < s.step < steps), key=lambda s: s.step), None]
    begin = 0
    for border in borders:
        end = steps if border is None else border.step
        part = _topology(lines, on.copy(), closed, begin)
        loads = load_w[begin:end] * part.live[[*range(HOUSES), SWARM_NODE]]
        if state is None:
            state = _balance(part, loads[0], speed[0], droop_hz_per_w)
            if not closed:
                state[:HOUSES] += first_phase_rad * 1e5
        if end > begin:
            step, drive = _step_matrices(part, droop_hz_per_w)
            inputs = np.concatenate((loads, speed[begin:end] * 1e5), axis=1)
            states = _run(state, step, drive, inputs)
            state = states[-1]
            angle, filtered = states[:-1, :SOURCES] * 1e-5, states[:-1, SOURCES:]
            power[begin:end] = angle @ part.power_from_source.T + loads @ part.power_from_load.T
            angles[begin:end] = angle @ part.node_from_source.T + loads @ part.node_from_load.T
            frequency[begin:end] = _frequencies(
                part,
                NOMINAL_FREQUENCY_HZ
                + frequency_shift_hz[begin:end]
                - droop_hz_per_w * (filtered - setpoint_w),
            )
            parts.append(replace(part, end=end))
        begin = end
        if border is None:
            break
        if border.house is None:
            if border.closed and not closed:
                # Parts that were apart turned by whole turns against each other; those drive no currents.
                turns = np.round((angles[begin - 1, GATEWAY_NODE] - angles[begin - 1, SWARM_NODE]) / _TURN)
                state[:HOUSES] -= turns * _TURN * 1e5
            closed = border.closed
        else:
            on[border.house] = False
            state[SOURCES + border.house] = 0.0
    trunk = angles[:, GATEWAY_NODE] - angles[:, SWARM_NODE]
    joined = np.zeros(steps, dtype=bool)
    for part in parts:
        joined[part.begin : part.end] = part.closed
    flow = np.where(joined, trunk * NOMINAL_VOLTAGE_V**2 / lines.trunk_ohm, 0.0)
    return Flows(power, frequency, angles, flow, tuple(parts))


def _frequencies(part: Part, own_hz: Floats) -> Floats:
    """What one sees at each source's terminals: its own, or that of those which feed them."""
    groups = [list(range(SOURCES))] if part.closed else [list(range(HOUSES)), [SWARM]]
    for group in groups:
        running = [source for source in group if part.on[source]]
        resting = [source for source in group if not part.on[source]]
        if resting:
            own_hz[:, resting] = own_hz[:, running].mean(axis=1, keepdims=True) if running else np.nan
    return own_hz
