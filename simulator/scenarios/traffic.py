"""The CAN bus of a window: the frames of contract/can.md with their data; destroyed, late, missing ones."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from microgrid_core.codec.can_dbc import MESSAGES, Message, frame_bits
from microgrid_core.diagnosis.case import CanTraffic

from ..physics.arrays import Flags, Floats
from .gateway import GatewayStory
from .network import HOUSES
from .plan import LENGTH_S, NODES, SAMPLE_S, SAMPLES, Babble, Plan
from .sensors import EVERY, Readings
from .window import Window

_BIT_RATE = 500_000.0
_ATTEMPT_S = 0.0004  # error frame and another try
_TRIES = 6  # then the next value of the cycle overwrites it
_LOST_AFTER_S = 3.0
_ERRORS_PER_MINUTE = 100
_REPEATS_S = (0.0, 0.01, 0.03)
_SKIPPED = frozenset({"BulkRequest", "BulkResponse", "Fault"})
_USUAL_LOAD = 0.12
_QUIET_A = 7.0  # below, an inverter switches too softly to be heard in a cable

Words = NDArray[np.uint64]


@dataclass(frozen=True, slots=True)
class BusFault:
    """F030 or F031, told by a node."""

    node: int
    code: str
    t_s: float


@dataclass(frozen=True, slots=True)
class Bus:
    """What was on the bus."""

    t_s: Floats
    identifier: NDArray[np.uint16]
    words: Words
    length: NDArray[np.uint8]
    faults: tuple[BusFault, ...]


@dataclass(frozen=True, slots=True)
class Told:
    """A raised fault that its node sends."""

    node: int
    code: int
    severity: int
    t_s: float


def present(plan: Plan, node: int, t_s: Floats, message: str) -> Flags:
    """Whether a node sends a message."""
    there = np.ones(len(t_s), dtype=bool)
    for absence in plan.absences:
        if absence.node == node and absence.only in (None, message):
            there &= (t_s < absence.begin_s) | (t_s >= absence.end_s)
    return there


class _Values:
    """Signals of the messages out of the readings of a window."""

    def __init__(self, plan: Plan, window: Window, readings: Readings, story: GatewayStory) -> None:
        self._plan, self._window, self._readings, self._story = plan, window, readings, story
        rng = plan.rng
        self.boot_id = rng.integers(1, 2**32, (NODES, 2)).astype(np.float64)
        self._uptime_s = rng.uniform(3e4, 3e6, NODES)
        self._clock_ms = rng.uniform(0.1, 0.6, NODES)
        self._first_error = rng.integers(0, 400, NODES).astype(np.float64)
        self._frames = rng.integers(10**6, 10**8, NODES).astype(np.float64)
        self.counted = np.zeros(SAMPLES)
        """Errors on the bus up to each sample."""

    def __call__(self, node: int, name: str, t_s: Floats) -> Floats | None:
        """A signal at some times; None when it is not known."""
        rows = np.clip((t_s / SAMPLE_S).astype(int), 0, SAMPLES - 1)
        found = self._readings.get((node, name))
        if found is not None:
            measured: Floats = found[np.minimum(rows // EVERY[name], len(found) - 1)]
            return measured
        special = getattr(self, "_" + name, None)
        if special is not None:
            values: Floats = np.broadcast_to(np.asarray(special(node, t_s, rows), np.float64), t_s.shape)
            return values
        return None

    def _reboots(self, node: int, t_s: Floats) -> Floats:
        """How often a node has started again before each time, and when the last start was."""
        count = np.zeros(len(t_s))
        for absence in self._plan.absences:
            if absence.node == node and absence.reboot:
                count += t_s >= absence.end_s
        return count

    def _sequence(self, node: int, t_s: Floats, rows: NDArray[np.int_]) -> Floats:
        value: Floats = np.round(t_s / 0.01) % 256
        return value

    def _bus_live(self, node: int, t_s: Floats, rows: NDArray[np.int_]) -> Floats:
        value: Floats = np.isfinite(self._window.frequency_hz[rows, node - 1]).astype(float)
        return value

    def _inverter_on(self, node: int, t_s: Floats, rows: NDArray[np.int_]) -> Floats:
        value: Floats = self._window.running[rows, node - 1].astype(float)
        return value

    def _battery_connected(self, node: int, t_s: Floats, rows: NDArray[np.int_]) -> Floats:
        value: Floats = self._window.battery_connected[rows, node - 1].astype(float)
        return value

    def _contactor_command(self, node: int, t_s: Floats, rows: NDArray[np.int_]) -> Floats:
        value: Floats = self._story.driven[rows].astype(float)
        return value

    def _contactor_position(self, node: int, t_s: Floats, rows: NDArray[np.int_]) -> Floats:
        value: Floats = self._story.position[rows].astype(float)
        return value

    def _synchronisation(self, node: int, t_s: Floats, rows: NDArray[np.int_]) -> Floats:
        value: Floats = self._story.synchronisation[rows].astype(float)
        return value

    def _boot_id(self, node: int, t_s: Floats, rows: NDArray[np.int_]) -> Floats:
        value: Floats = np.where(self._reboots(node, t_s) > 0, self.boot_id[node, 1], self.boot_id[node, 0])
        return value

    def _protocol(self, node: int, t_s: Floats, rows: NDArray[np.int_]) -> float:
        return 1.0

    def _node_kind(self, node: int, t_s: Floats, rows: NDArray[np.int_]) -> float:
        return float(node > 0)

    def _clock_state(self, node: int, t_s: Floats, rows: NDArray[np.int_]) -> float:
        return 1.0

    def _rank(self, node: int, t_s: Floats, rows: NDArray[np.int_]) -> float:
        return 3.0

    def _clock_error(self, node: int, t_s: Floats, rows: NDArray[np.int_]) -> float:
        return float(self._clock_ms[node])

    def _bus_state(self, node: int, t_s: Floats, rows: NDArray[np.int_]) -> Floats:
        # A frame in nine destroyed outweighs the others: the controller turns passive.
        value: Floats = (self._plan.frame_error[rows, node] > 0.11).astype(float)
        return value

    def _card_state(self, node: int, t_s: Floats, rows: NDArray[np.int_]) -> float:
        return 0.0

    def _inverter_mode(self, node: int, t_s: Floats, rows: NDArray[np.int_]) -> Floats:
        value: Floats = np.where(self._window.running[rows, node - 1], 2.0, 3.0)
        return value

    def _mppt_state(self, node: int, t_s: Floats, rows: NDArray[np.int_]) -> Floats:
        value: Floats = np.where(self._window.charger_a[rows, node - 1] > 0.1, 1.0, 0.0)
        return value

    def _uptime(self, node: int, t_s: Floats, rows: NDArray[np.int_]) -> Floats:
        up: Floats = self._uptime_s[node] + t_s
        for absence in self._plan.absences:
            if absence.node == node and absence.reboot:
                up = np.where(t_s >= absence.end_s, t_s - absence.end_s + 1.0, up)
        return up

    def _restarts(self, node: int, t_s: Floats, rows: NDArray[np.int_]) -> Floats:
        value: Floats = np.full(len(t_s), float(node)) + self._reboots(node, t_s)
        return value

    def _can_errors(self, node: int, t_s: Floats, rows: NDArray[np.int_]) -> Floats:
        value: Floats = (
            np.where(self._reboots(node, t_s) > 0, 0.0, self._first_error[node]) + self.counted[rows]
        )
        return value

    def _can_frames_received(self, node: int, t_s: Floats, rows: NDArray[np.int_]) -> Floats:
        value: Floats = self._frames[node] + 640.0 * t_s
        return value

    def _houses_online(self, node: int, t_s: Floats, rows: NDArray[np.int_]) -> float:
        return float(HOUSES)


def _pack(message: Message, group: int | None, node: int, t_s: Floats, values: _Values) -> Words:
    words = np.zeros(len(t_s), np.uint64)
    signals = list(message.signals)
    if message.selector is not None and message.selector not in signals:
        signals.append(message.selector)
    for signal in signals:
        if signal.group is not None and signal.group != group:
            continue
        if message.selector is not None and signal.name == message.selector.name:
            raw: Floats = np.full(len(t_s), float(group or 0))
        else:
            value = values(node, signal.name, t_s)
            unknown = float(signal.unavailable or 0)
            if value is None:
                raw = np.full(len(t_s), unknown)
            else:
                kept = np.clip(value, signal.minimum, signal.maximum)
                raw = np.round((kept - signal.offset) * signal.denominator / signal.numerator)
                raw = np.where(np.isfinite(value), raw, unknown)
        mask = np.uint64((1 << signal.length) - 1)
        words |= (raw.astype(np.int64).view(np.uint64) & mask) << np.uint64(signal.start)
    return words


def _schedule(plan: Plan, message: Message) -> list[tuple[int, int | None, Floats]]:
    """Sender, group and times of all frames of a cyclic message."""
    senders = [0] if message.by_master or not message.by_house else list(range(not message.by_gateway, NODES))
    cycle_s = message.cycle_ms / 1000.0
    numbers = sorted({signal.group for signal in message.signals if signal.group is not None})
    groups: list[int | None] = [*numbers] if numbers else [None]
    found = list[tuple[int, int | None, Floats]]()
    for node in senders:
        phase_s = node * 0.06 if message.cycle_ms >= 1000 else node * 0.0005
        if message.name == "FollowUp":
            phase_s = 0.02
        times: Floats = np.arange(phase_s, LENGTH_S, cycle_s, dtype=np.float64)
        for at, group in enumerate(groups):
            chosen = times[at :: len(groups)]
            found.append((node, group, chosen[present(plan, node, chosen, message.name)]))
    return found


def bus(plan: Plan, window: Window, readings: Readings, story: GatewayStory, told: tuple[Told, ...]) -> Bus:
    """Make all frames of a window, and the faults of the bus itself."""
    rng = plan.rng
    values = _Values(plan, window, readings, story)
    parts = list[tuple[Floats, int, int, Message, int | None]]()
    for message in MESSAGES.values():
        if message.name in _SKIPPED or not message.cycle_ms:
            continue
        for node, group, times in _schedule(plan, message):
            if len(times):
                parts.append((times, message.identifier + node, node, message, group))
    share = plan.frame_error.copy()
    if plan.noisy_house is not None:
        house, per_ampere = plan.noisy_house
        noise = np.clip((np.abs(window.current_a[:, house]) - _QUIET_A) * per_ampere, 0.0, 0.9)
        share = 1.0 - (1.0 - share) * (1.0 - noise[:, None])
    crowd = _crowd(plan)
    sizes = [len(part[0]) for part in parts]
    sent = np.concatenate([part[0] for part in parts])
    identifier = np.repeat([part[1] for part in parts], sizes).astype(np.uint16)
    senders = np.repeat([part[2] for part in parts], sizes)
    rows = np.clip((sent / SAMPLE_S).astype(int), 0, SAMPLES - 1)
    failing = np.minimum(share[rows, senders], 0.999)
    tries = np.zeros(len(sent))
    hit = np.flatnonzero(failing > 0.0)
    tries[hit] = rng.geometric(1.0 - failing[hit]) - 1.0
    lost = tries >= _TRIES
    errors: Floats = np.bincount(rows, np.minimum(tries, _TRIES), SAMPLES)[:SAMPLES].astype(np.float64)
    # Who is less urgent than a babbling node waits for its pauses.
    for babble, load in crowd:
        during = (sent >= babble.begin_s) & (sent < babble.end_s) & (identifier > babble.identifier)
        lost |= during & (rng.random(len(sent)) < np.clip((load + _USUAL_LOAD - 0.9) / 0.1, 0.0, 0.995))
    late = tries * _ATTEMPT_S + rng.exponential(0.00006, len(sent)) + rng.uniform(0.0, 0.00004, len(sent))
    arrived = sent + late
    errors += _babble_errors(plan, rng)
    values.counted = np.cumsum(errors)
    words = np.concatenate(
        [_pack(message, group, number, times, values) for times, _, number, message, group in parts]
    )
    length = np.repeat([part[3].length for part in parts], sizes).astype(np.uint8)
    blocks = [(arrived[~lost], identifier[~lost], words[~lost], length[~lost])]
    blocks += [_babbled(babble, rng) for babble, _ in crowd]
    blocks += [_fault_frames(one, index, plan) for index, one in enumerate(told)]
    faults = (*_silences(plan, blocks[0]), *_too_many_errors(plan, errors))
    for index, fault in enumerate(faults):
        one = Told(fault.node, int(fault.code[1:]), 1, fault.t_s)
        blocks.append(_fault_frames(one, len(told) + index, plan))
    t_s = np.concatenate([block[0] for block in blocks])
    order = np.argsort(t_s, kind="stable")
    return Bus(
        t_s=t_s[order],
        identifier=np.concatenate([block[1] for block in blocks])[order],
        words=np.concatenate([block[2] for block in blocks])[order],
        length=np.concatenate([block[3] for block in blocks])[order],
        faults=faults,
    )


_Block = tuple[Floats, NDArray[np.uint16], Words, NDArray[np.uint8]]


def _crowd(plan: Plan) -> list[tuple[Babble, float]]:
    return [(babble, babble.frames_per_s * frame_bits(8) / _BIT_RATE) for babble in plan.babbles]


def _babbled(babble: Babble, rng: np.random.Generator) -> _Block:
    count = int((babble.end_s - babble.begin_s) * babble.frames_per_s)
    times = np.sort(rng.uniform(babble.begin_s, babble.end_s, count))
    data = rng.integers(0, 2**63, count, np.uint64)
    return times, np.full(count, babble.identifier, np.uint16), data, np.full(count, 8, np.uint8)


def _babble_errors(plan: Plan, rng: np.random.Generator) -> Floats:
    """Two nodes that send one identifier at once destroy each other's frames."""
    errors = np.zeros(SAMPLES)
    for babble in plan.babbles:
        rows = slice(round(babble.begin_s / SAMPLE_S), round(babble.end_s / SAMPLE_S))
        size = len(errors[rows])
        errors[rows] += rng.poisson(babble.frames_per_s * SAMPLE_S * 0.01, size)
    return errors


def _fault_frames(one: Told, number: int, plan: Plan) -> _Block:
    message = MESSAGES["Fault"]
    t_s = one.t_s + 0.0003 + np.array(_REPEATS_S)
    t_s = t_s[present(plan, one.node, t_s, message.name) & (t_s < LENGTH_S)]
    fields = {
        "fault_code": one.code,
        "event_state": 1,
        "severity": one.severity,
        "time_valid": 1,
        "event_number": number,
        "event_time": int(one.t_s * 1e5),
    }
    word = 0
    for name, value in fields.items():
        signal = message.signal(name)
        word |= (value & ((1 << signal.length) - 1)) << signal.start
    count = len(t_s)
    return (
        t_s,
        np.full(count, message.identifier + one.node, np.uint16),
        np.full(count, word, np.uint64),
        np.full(count, message.length, np.uint8),
    )


def _silences(plan: Plan, block: _Block) -> list[BusFault]:
    """F030 of who misses a Heartbeat first: the gateway, or the last house while the gateway is away."""
    t_s, identifier = block[0], block[1]
    heartbeat = MESSAGES["Heartbeat"].identifier
    for_gateway, for_house = list[float](), list[float]()
    for node in range(NODES):
        heard = np.concatenate(([-0.5], np.sort(t_s[identifier == heartbeat + node]), [LENGTH_S]))
        gap = np.flatnonzero(np.diff(heard) > _LOST_AFTER_S)
        if len(gap):
            missed_s = float(heard[gap[0]]) + _LOST_AFTER_S
            (for_house if node == 0 else for_gateway).append(missed_s)
    found = list[BusFault]()
    if for_gateway:
        found.append(BusFault(0, "F030", min(for_gateway)))
    if for_house:
        found.append(BusFault(plan.listener, "F030", min(for_house)))
    return found


def _too_many_errors(plan: Plan, errors: Floats) -> list[BusFault]:
    """F031: every controller sees every error frame; the gateway tells it first."""
    minute = np.cumsum(errors) + plan.errors_before
    over = np.flatnonzero(minute > _ERRORS_PER_MINUTE)
    # Counts are looked at every 10 s (bus_watch.h counts in such slots), but the limit at once.
    return [BusFault(plan.error_teller, "F031", float(over[0]) * SAMPLE_S)] if len(over) else []


def recording(found: Bus, begin_s: float, end_s: float, trigger_s: float) -> CanTraffic:
    """Cut the frames of a snapshot."""
    chosen = (found.t_s >= begin_s) & (found.t_s < end_s)
    data = np.ascontiguousarray(found.words[chosen].astype("<u8")).view(np.uint8).reshape(-1, 8)
    return CanTraffic(
        t_s=np.round(found.t_s[chosen] - trigger_s, 6),
        identifier=found.identifier[chosen],
        data=data,
        length=found.length[chosen],
    )
