"""From a plan to a case: a window is played until no protection trips any more, and cut around the fault."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from microgrid_core.contract.faults import FAULTS
from microgrid_core.contract.messages import Severity
from microgrid_core.diagnosis.case import Case, CaseEvent, NodeRecord, Series

from ..physics.arrays import Floats
from . import traffic
from .gateway import GatewayStory, operate
from .network import HOUSES, STEP_S
from .plan import LENGTH_S, NODES, SAMPLE_S, Plan
from .protection import Trip, trips
from .sensors import EVERY, Readings, Sensors
from .window import Window, simulate

BEFORE_S = AFTER_S = 10.0
_RELAY_S = 0.01  # from the decision to the inverter's standstill
_MOST_TRIPS = 6
_SEVERITY = {Severity.INFO: 0, Severity.WARNING: 1, Severity.CRITICAL: 2}
GATEWAY = "gateway-1"
_EPOCH_US = 1_795_000_000_000_000


def node_id(number: int) -> str:
    """Id of a node by its CAN number."""
    return GATEWAY if number == 0 else f"house-{number:02d}"


@dataclass(frozen=True, slots=True)
class Event:
    """Something that a node told, in the window's time."""

    node: int
    code: str
    t_s: float
    raised: bool
    values: dict[str, float]


@dataclass(frozen=True, slots=True)
class Played:
    """A window with everything that its nodes measured and told."""

    window: Window
    readings: Readings
    story: GatewayStory
    trips: tuple[Trip, ...]
    events: tuple[Event, ...]
    bus: traffic.Bus | None = None


def play(plan: Plan, noise: float) -> Played:
    """Simulate; who trips stops, and the others carry on with what is left. The bus comes later."""
    sensors = Sensors(plan, noise)
    stops = dict[int, float]()
    window = simulate(plan, stops, ())
    story = operate(plan, window)
    if story.shift_hz.any():
        plan.frequency_shift_hz[:, :HOUSES] += np.repeat(story.shift_hz, round(SAMPLE_S / STEP_S))[:, None]
    if story.shift_hz.any() or story.switched:
        window = simulate(plan, stops, story.switched)
    readings = sensors.read(window)
    found = trips(plan, readings, window.running)
    for _ in range(_MOST_TRIPS):
        new = [trip for trip in found if trip.stops and trip.house not in stops]
        if not new or new[0].t_s > LENGTH_S - 1.0:
            break
        stops[new[0].house] = new[0].t_s + _RELAY_S
        window = simulate(plan, stops, story.switched)
        readings = sensors.read(window)
        found = trips(plan, readings, window.running)
    return Played(window, readings, story, tuple(found), _events(tuple(found), story))


def add_bus(plan: Plan, played: Played) -> Played:
    """Let the nodes send what they measured and told; what is wrong with the bus itself is told then, too."""
    told = tuple(
        traffic.Told(trip.house + 1, int(trip.code[1:]), _SEVERITY[FAULTS[trip.code].severity], trip.t_s)
        for trip in played.trips
    )
    told += tuple(
        traffic.Told(0, int(event.code[1:]), _SEVERITY[FAULTS[event.code].severity], event.t_s)
        for event in played.story.events
        if event.code in FAULTS and event.raised
    )
    bus = traffic.bus(plan, played.window, played.readings, played.story, told)
    events = played.events + tuple(Event(fault.node, fault.code, fault.t_s, True, {}) for fault in bus.faults)
    return replace(played, events=tuple(sorted(events, key=lambda event: event.t_s)), bus=bus)


def _events(found: tuple[Trip, ...], story: GatewayStory) -> tuple[Event, ...]:
    events = [Event(trip.house + 1, trip.code, trip.t_s, True, trip.values) for trip in found]
    events += [
        Event(trip.house + 1, trip.code, trip.cleared_s, False, {})
        for trip in found
        if trip.cleared_s is not None
    ]
    events += [Event(0, event.code, event.t_s, event.raised, event.values) for event in story.events]
    return tuple(sorted(events, key=lambda event: event.t_s))


def first(played: Played, node: int, code: str) -> Event | None:
    """The first time that a node told a code."""
    for event in played.events:
        if event.node == node and event.code == code and event.raised:
            return event
    return None


def cut(plan: Plan, played: Played, trigger: Event, clock_error_s: Floats, event_id: str) -> Case:
    """The snapshot of all nodes around an event, each in its own, slightly wrong time.

    `clock_error_s` has one value for each node: what its clock shows more than the true time.
    """
    told_s = trigger.t_s + float(clock_error_s[trigger.node])
    nodes = {}
    for number in range(NODES):
        shift = float(clock_error_s[number]) - told_s
        channels = {
            key: _series(plan, number, key, values, shift)
            for (node, key), values in played.readings.items()
            if node == number
        }
        bound = max(abs(float(clock_error_s[number])) * 1.3, 2e-4)
        name = node_id(number)
        nodes[name] = NodeRecord(name, "house" if number else "gateway", number, channels, bound)
    events = tuple(
        CaseEvent(
            node=node_id(event.node),
            code=event.code,
            t_s=round(event.t_s + float(clock_error_s[event.node]) - told_s, 6),
            raised=event.raised,
            values=event.values,
        )
        for event in played.events
        if abs(event.t_s - trigger.t_s) <= BEFORE_S
    )
    began_s = told_s - float(clock_error_s[0])
    return Case(
        event_id=event_id,
        code=trigger.code,
        node=node_id(trigger.node),
        trigger_utc_us=_EPOCH_US + int(plan.rng.integers(0, 10**13)),
        before_s=BEFORE_S,
        after_s=AFTER_S,
        nodes=nodes,
        events=tuple(sorted(events, key=lambda event: event.t_s)),
        traffic=None
        if played.bus is None
        else traffic.recording(played.bus, trigger.t_s - BEFORE_S, trigger.t_s + AFTER_S, began_s),
    )


def _series(plan: Plan, number: int, key: str, values: Floats, shift_s: float) -> Series:
    every = EVERY[key]
    t_s = np.arange(len(values)) * (every * SAMPLE_S) + shift_s
    inside = (t_s >= -BEFORE_S) & (t_s < AFTER_S)
    shown = values[inside].copy()
    for absence in plan.absences:
        if absence.node == number and absence.reboot:
            away = (t_s[inside] - shift_s >= absence.begin_s) & (t_s[inside] - shift_s < absence.end_s)
            shown[away] = np.nan
    return Series(np.round(t_s[inside], 5), shown)
