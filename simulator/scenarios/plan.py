"""What happens in a window: a healthy cluster of four houses, into which a scenario puts its defects.

Times are seconds since the window's begin. House numbers count from 0; house 0 stands next to the gateway.
Arrays over time are on two grids: `STEP_S` of the network for loads and frequencies, `SAMPLE_S` for the rest.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from ..physics.arrays import Floats
from ..physics.battery import CELLS, NOMINAL_CAPACITY_AH
from ..physics.grid import DROOP_HZ_PER_W
from .network import HOUSES, SOURCES, STEP_S, SWARM, Lines

LENGTH_S = 36.0
SAMPLE_S = 0.01
SAMPLES = round(LENGTH_S / SAMPLE_S)
STEPS = round(LENGTH_S / STEP_S)
NODES = HOUSES + 1
"""Gateway and houses, by their CAN numbers: the gateway is 0, house i is i + 1."""

STEP_TIMES_S: Floats = np.arange(STEPS, dtype=np.float64) * STEP_S
SAMPLE_TIMES_S: Floats = np.arange(SAMPLES, dtype=np.float64) * SAMPLE_S
PROBES = 4


@dataclass(frozen=True, slots=True)
class Absence:
    """A node is off the bus; with `reboot` it returns with a new boot id and measured nothing meanwhile."""

    node: int
    begin_s: float
    end_s: float
    reboot: bool
    only: str | None = None
    """The message that is missing; None: all."""


@dataclass(frozen=True, slots=True)
class Babble:
    """A node sends frames of one identifier as fast as it can."""

    node: int
    identifier: int
    begin_s: float
    end_s: float
    frames_per_s: float


@dataclass(slots=True)
class Contactor:
    """The gateway's contactor and what is wrong with it."""

    closed: bool = True
    command_s: float | None = None
    """When the other command comes; None: never."""
    welded: bool = False
    stuck_open: bool = False
    auxiliary_stuck: bool = False
    delay_s: float = 0.03
    """From the command to the movement."""
    waited_s: float | None = None
    """How long it has waited for synchronism at the begin; None: it does not."""
    phase_error_deg: float = 0.0
    """Where a badly set lock settles instead of zero."""
    first_phase_deg: float = 0.0
    """Cluster minus swarm at the begin, while the contactor is open."""


@dataclass(slots=True)
class Plan:
    """All that a window needs; a scenario changes it before it is simulated."""

    rng: np.random.Generator
    lines: Lines
    # AC side; arrays over time are steps × sources, the last source is the swarm
    load_w: Floats
    load_var: Floats
    frequency_shift_hz: Floats
    setpoint_w: Floats
    source_shift_v: Floats
    """Samples × sources: what the regulation adds to the inverter's voltage."""
    internal_loss_w: Floats
    """Samples × houses: drawn from the DC bus by a damaged power stage."""
    # DC side
    cell_capacity_ah: Floats
    """Houses × cells, as the next two."""
    cell_resistance_ohm: Floats
    cell_charge: Floats
    """0 … 1."""
    cell_link_ohm: Floats
    """Samples × houses: resistance between battery and inverter beyond the usual."""
    available_w: Floats
    """Samples × houses: what the modules could give."""
    modules: Floats
    """In series."""
    panel_c: Floats
    room_c: Floats
    probe_c: Floats
    """Houses × probes at the begin."""
    probe_heating_w: Floats
    """Houses × probes: heat from inside beside the current's."""
    probe_share: Floats
    """How well each probe's part of the battery is cooled, 1 for healthy."""
    mosfet_c: Floats
    """At the begin; not a number: settled."""
    mosfet_cooling: Floats
    """1 for a healthy fan."""
    droop_hz_per_w: Floats = field(default_factory=lambda: np.full(SOURCES, DROOP_HZ_PER_W))
    source_v: Floats = field(default_factory=lambda: np.full(SOURCES, 232.0))
    dc_gain: Floats = field(default_factory=lambda: np.full(HOUSES, 4.9))
    """Largest AC voltage that an inverter makes of a volt of its DC bus."""
    stopped: set[int] = field(default_factory=set)
    """Inverters that stand still from the begin."""
    bms_open_s: dict[int, float] = field(default_factory=dict)
    """When the battery management opens, by house."""
    charger_unregulated: dict[int, float] = field(default_factory=dict)
    """From when on a solar charger gives all it can, by house."""
    charge_limit_a: Floats = field(default_factory=lambda: np.full(HOUSES, 100.0))
    charger_limit_a: dict[int, tuple[float, float]] = field(default_factory=dict)
    """Limit of the charger's input current and when it is lost, by house."""
    low_voltage_string: set[int] = field(default_factory=set)
    """Houses whose modules are so few in series that a hot string sags to the battery's voltage."""
    contactor: Contactor = field(default_factory=Contactor)
    # measuring
    offsets: dict[tuple[int, str], Floats] = field(default_factory=dict)
    """By house and metric: what a sensor shows beside the truth, over the samples."""
    limits: dict[tuple[int, str], float] = field(default_factory=dict)
    """Trip limits that the installer set differently, by house and code."""
    preloaded_s: dict[str, float] = field(default_factory=dict)
    """How long a condition had lasted at the begin, by code."""
    # bus
    absences: list[Absence] = field(default_factory=list)
    babbles: list[Babble] = field(default_factory=list)
    frame_error: Floats = field(default_factory=lambda: np.zeros((SAMPLES, NODES)))
    """Samples × nodes: how often a frame of that sender is destroyed, 0 … 1."""
    noisy_house: tuple[int, float] | None = None
    """A house whose inverter's current destroys frames, and how often per ampere."""
    listener: int = NODES - 1
    """House that tells that the gateway is missing, by its CAN number."""
    error_teller: int = 0
    """Node that tells that there are too many errors."""
    errors_before: float = 0.0
    """Errors that each controller counted in the minute before the window."""

    def add_load(
        self, house: int, power_w: Floats | float, begin_s: float, end_s: float = LENGTH_S, var: float = 0.25
    ) -> None:
        """Let a load run between two times; `var` is its reactive share."""
        rows = slice(round(begin_s / STEP_S), round(end_s / STEP_S))
        self.load_w[rows, house] += power_w
        self.load_var[rows, house] += np.asarray(power_w) * var

    def offset(self, house: int, metric: str, values: Floats | float, begin_s: float = 0.0) -> None:
        """Let a sensor be off from a time on."""
        array = self.offsets.setdefault((house, metric), np.zeros(SAMPLES))
        array[round(begin_s / SAMPLE_S) :] += values

    def set_charge(self, house: int, charge: float) -> None:
        """Set the state of charge of a pack, its cells' differences kept."""
        self.cell_charge[house] += charge - self.cell_charge[house].mean()
        np.clip(self.cell_charge[house], 0.004, 0.9995, out=self.cell_charge[house])


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a cluster is drawn from, before a scenario changes it."""

    load_w: float
    charge: float
    sun: float
    line_ohm: float
    coupling_ohm: float
    room_c: float
    swarm_strength: float
    """How many times a house's the inverters beyond the gateway are."""
    capacity_ah: float
    noise: float


def healthy(around: Surroundings, rng: np.random.Generator) -> Plan:
    """Draw a cluster with nothing wrong."""
    coupling = around.coupling_ohm
    lines = Lines(coupling, around.line_ohm, 0.3, coupling / around.swarm_strength)
    share = rng.uniform(0.5, 1.5, SOURCES)
    share[SWARM] = around.swarm_strength * rng.uniform(0.8, 1.2)
    load = _wandering(rng, around.load_w * share)
    droop = np.full(SOURCES, DROOP_HZ_PER_W)
    droop[SWARM] /= around.swarm_strength
    shift = np.tile(rng.uniform(-0.008, 0.008, SOURCES), (STEPS, 1))
    scale = around.capacity_ah / NOMINAL_CAPACITY_AH
    shape = (HOUSES, CELLS)
    charge = np.clip(around.charge + rng.uniform(-0.05, 0.05, (HOUSES, 1)), 0.03, 0.98)
    sun = around.sun * rng.uniform(0.85, 1.1, HOUSES)
    peak_w = rng.uniform(3300.0, 5200.0, HOUSES)
    clouds = 1.0 + 0.01 * np.cumsum(rng.normal(0.0, 0.05, (SAMPLES // 100, 1)), axis=0)
    room = around.room_c + rng.uniform(-2.0, 2.0, HOUSES)
    return Plan(
        rng=rng,
        lines=lines,
        load_w=load,
        load_var=0.25 * load,
        frequency_shift_hz=shift,
        setpoint_w=np.append(rng.uniform(-250.0, 250.0, HOUSES), 0.0),
        source_shift_v=np.zeros((SAMPLES, SOURCES)),
        internal_loss_w=np.zeros((SAMPLES, HOUSES)),
        cell_capacity_ah=around.capacity_ah * (0.985 - np.abs(rng.normal(0.0, 0.006, shape))),
        cell_resistance_ohm=rng.uniform(0.25e-3, 0.4e-3, shape) / scale,
        cell_charge=np.clip(charge + rng.normal(0.0, 0.002, shape), 0.004, 0.9995),
        cell_link_ohm=np.zeros((SAMPLES, HOUSES)),
        available_w=0.9 * peak_w * sun * np.repeat(clouds, 100, axis=0),
        modules=np.full(HOUSES, 5.0),
        panel_c=around.room_c + 30.0 * sun,
        room_c=room,
        probe_c=room[:, None] + rng.uniform(1.0, 4.0, (HOUSES, 1)) + rng.normal(0.0, 0.4, (HOUSES, PROBES)),
        probe_heating_w=np.zeros((HOUSES, PROBES)),
        probe_share=np.ones((HOUSES, PROBES)),
        mosfet_c=np.full(HOUSES, np.nan),
        mosfet_cooling=np.ones(HOUSES),
        droop_hz_per_w=droop,
        source_v=230.0 + rng.uniform(-2.0, 6.0) + rng.normal(0.0, 0.4, SOURCES),
        dc_gain=rng.uniform(4.82, 5.0, HOUSES),
    )


def _wandering(rng: np.random.Generator, mean_w: Floats) -> Floats:
    """Household loads: small appliances switch now and then, others wander a little."""
    load = np.tile(mean_w, (STEPS, 1))
    for source in range(SOURCES):
        size = 120.0 if source < HOUSES else 300.0
        for begin in rng.uniform(0.0, LENGTH_S, rng.poisson(4)):
            load[round(begin / STEP_S) :, source] += rng.normal(0.0, size)
        knots = rng.normal(0.0, 12.0, 37)
        load[:, source] += np.interp(STEP_TIMES_S, np.arange(37.0), knots)
    return np.maximum(load, 30.0)
