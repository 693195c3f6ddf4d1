"""The gateway of a window: it brings the cluster into step, drives the contactor, tells what goes wrong."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np

from ..physics.arrays import Flags, Floats, Indices
from .network import HOUSES
from .plan import LENGTH_S, SAMPLE_S, SAMPLES, Plan
from .window import Window

# As esphome/components/microgrid_gateway/synchroniser.h.
_MAX_FREQUENCY_HZ, _MAX_VOLTAGE_V, _MAX_PHASE_DEG = 0.1, 6.9, 10.0
_HOLD_S, _TIMEOUT_S, _FAULT_AFTER_S = 0.5, 60.0, 2.0
_SLEW_HZ_PER_S, _AUTHORITY_HZ = 0.5, 0.3
_OPEN, CLOSED, _MOVING = 0, 1, 2
_IDLE, _WAITING, _IN_WINDOW, _CLOSING, _FAILED = range(5)


@dataclass(frozen=True, slots=True)
class GatewayEvent:
    """Something that the gateway told."""

    t_s: float
    code: str
    values: dict[str, float] = field(default_factory=dict)
    raised: bool = True


@dataclass(slots=True)
class GatewayStory:
    """What the gateway did; arrays over the samples."""

    shift_hz: Floats
    """By how much it moved the cluster's frequency."""
    driven: Flags
    """The contactor is told to be closed."""
    position: Indices
    """As the message Contactor tells it."""
    synchronisation: Indices
    switched: tuple[tuple[float, bool], ...]
    """When the contacts really moved."""
    events: tuple[GatewayEvent, ...]


def operate(plan: Plan, window: Window) -> GatewayStory:
    """Follow the plan's commands over a window in which the contactor has not moved yet."""
    contactor = plan.contactor
    synchronisation = np.full(SAMPLES, _IDLE)
    shift = np.zeros(SAMPLES)
    events = list[GatewayEvent]()
    driven = np.full(SAMPLES, contactor.closed)
    command_s = contactor.command_s
    if contactor.waited_s is not None:
        command_s = _synchronise(plan, window, shift, synchronisation, events)
    wanted = not contactor.closed
    switched = list[tuple[float, bool]]()
    aux = np.full(SAMPLES, contactor.closed)
    if command_s is None or command_s >= LENGTH_S:
        return GatewayStory(shift, driven, _positions(driven, aux, None), synchronisation, (), tuple(events))
    row = round(command_s / SAMPLE_S)
    driven[row:] = wanted
    broken = contactor.welded or contactor.stuck_open
    moved_s = None if broken else command_s + contactor.delay_s
    if moved_s is not None and moved_s < LENGTH_S:
        switched.append((moved_s, wanted))
        if not contactor.auxiliary_stuck:
            aux[round(moved_s / SAMPLE_S) :] = wanted
            code = "CONTACTOR_CLOSED" if wanted else "CONTACTOR_OPENED"
            events.append(GatewayEvent(moved_s, code))
    fault_s: float | None = None
    differ = aux != driven
    late = command_s + _FAULT_AFTER_S
    if late < LENGTH_S and differ[round(late / SAMPLE_S) - 1]:
        fault_s = late
        events.append(GatewayEvent(late, "F041"))
        if moved_s is not None and not contactor.auxiliary_stuck and moved_s + 1.0 < LENGTH_S:
            events.append(GatewayEvent(moved_s + 1.0, "F041", raised=False))
    positions = _positions(driven, aux, fault_s)
    events.sort(key=lambda event: event.t_s)
    return GatewayStory(shift, driven, positions, synchronisation, tuple(switched), tuple(events))


def _positions(driven: Flags, aux: Flags, fault_s: float | None) -> Indices:
    told = np.where(aux, CLOSED, _OPEN)
    moving = driven != aux
    if fault_s is not None:
        moving[round(fault_s / SAMPLE_S) :] = False
    positions: Indices = np.where(moving, _MOVING, told)
    return positions


def _synchronise(
    plan: Plan, window: Window, shift: Floats, synchronisation: Indices, events: list[GatewayEvent]
) -> float | None:
    """Steer the cluster's frequency and phase to the swarm's; return when the contactor is driven.

    A shift that all inverters share moves the cluster's frequency by itself and no power, so the loop can run
    on the frequencies that there would be without it.
    """
    contactor = plan.contactor
    assert contactor.waited_s is not None
    on = window.running
    own = np.where(on, window.frequency_hz[:, :HOUSES], np.nan)
    free_hz = np.nanmean(own, axis=1)
    swarm_hz = window.frequency_hz[:, HOUSES]
    close_v = np.abs(window.gateway_v[:, 0] - window.gateway_v[:, 1]) < _MAX_VOLTAGE_V
    waited, held = contactor.waited_s, 0.0
    phase, moved = float(window.phase_deg[0]), 0.0
    failed = False
    difference_free = (free_hz - swarm_hz).tolist()
    for row in range(SAMPLES):
        difference = difference_free[row] + moved
        phase = math.remainder(phase + 360.0 * difference * SAMPLE_S, 360.0)
        missing = math.remainder(phase - contactor.phase_error_deg, 360.0)
        asked = max(-0.1, min(0.1, -missing / 360.0)) - difference
        asked = max(-_SLEW_HZ_PER_S * SAMPLE_S, min(_SLEW_HZ_PER_S * SAMPLE_S, asked))
        moved = max(-_AUTHORITY_HZ, min(_AUTHORITY_HZ, moved + asked))
        shift[row] = moved
        ready = abs(difference) < _MAX_FREQUENCY_HZ and abs(phase) < _MAX_PHASE_DEG and bool(close_v[row])
        held = held + SAMPLE_S if ready else 0.0
        synchronisation[row] = _IN_WINDOW if ready else _FAILED if failed else _WAITING
        waited += SAMPLE_S
        if held >= _HOLD_S:
            shift[row:] = moved
            synchronisation[row:] = _CLOSING
            synchronisation[row + 100 :] = _IDLE
            values = {"phase_difference": phase, "frequency_difference": difference, "seconds_waited": waited}
            events.append(GatewayEvent(row * SAMPLE_S, "SYNC_REACHED", values))
            return row * SAMPLE_S
        if waited >= _TIMEOUT_S and not failed:
            failed = True
            values = {"phase_difference": phase, "frequency_difference": difference}
            events.append(GatewayEvent(row * SAMPLE_S, "SYNC_FAILED", values))
            events.append(GatewayEvent(row * SAMPLE_S, "F040", values))
    return None
