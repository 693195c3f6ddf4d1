"""A case out of the snapshots of a fault: the logs of its nodes, brought to one time and one set of names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..codec.can_dbc import MESSAGES, raw, to_words
from ..codec.can_message import MESSAGE_MASK, NODE_MASK
from ..codec.umg1.can import CanFrame
from ..codec.umg1.content import content
from ..codec.umg1.frame import Kind
from ..codec.umg1.log import Log, open_log
from ..codec.umg1.records import EVENT_STATES, Event, Snapshot
from ..codec.umg1.samples import TooManySamples
from ..codec.umg1.schema import Schema
from ..codec.umg1.wire import Malformed
from ..contract.snapshot import SnapshotPart
from .case import UNPLACED, CanTraffic, Case, CaseEvent, NodeRecord, Series

__all__ = ["CaseError", "case_of", "read_case"]

Floats = NDArray[np.float64]

_RAISED, _CLEARED = EVENT_STATES.index("raised"), EVENT_STATES.index("cleared")
_MOST_LOGS, _MOST_FRAMES, _MOST_BUS_FRAMES = 64, 50_000, 2_000_000
"""Far above what a bus of fifteen houses records in 70 s."""
_LONGEST_MS = 70_000
_MARGIN_S = 12.0
"""Slow frames begin up to a minute before the window; what is further away says nothing of the fault."""


class CaseError(ValueError):
    """The logs do not make a case; says what is wrong and what to do."""


@dataclass(slots=True)
class _Part:
    """One log, and what it says to be about."""

    log: Log
    schema: Schema
    boot_id: int
    about: Snapshot

    def seconds(self, mono_us: NDArray[np.int64], trigger_utc_us: int | None) -> Floats:
        """Since the trigger: by UTC where node and teller know it, else since the node heard of the fault."""
        if trigger_utc_us is not None:
            utc = self.log.clock(self.boot_id).utc_us(mono_us)
            if utc is not None:
                found: Floats = (utc - trigger_utc_us) / 1e6
                return found
        since: Floats = (mono_us - np.int64(min(self.about.trigger_mono_us, 1 << 60))) / 1e6
        return since

    def trigger_utc_us(self) -> int | None:
        """The trigger by this node's clock as it is known afterwards."""
        utc = self.log.clock(self.boot_id).utc_us(
            np.array([min(self.about.trigger_mono_us, 1 << 60)], np.int64)
        )
        if utc is not None:
            return int(utc[0])
        return self.about.trigger_utc_us or None


def _part(log: Log, number: int) -> _Part | None:
    """Take a log; None when it holds no snapshot that can be read."""
    if len(log.index) > _MOST_FRAMES:
        raise CaseError(f"log {number}: {len(log.index)} frames; a snapshot has at most {_MOST_FRAMES}")
    for frame in log.frames(log.select([Kind.SNAPSHOT])):
        try:
            about = content(frame)
        except Malformed:
            continue
        schema = log.schemas.get(frame.schema_hash)
        if schema is None and log.schemas:
            schema = next(iter(log.schemas.values()))
        if isinstance(about, Snapshot) and schema is not None:
            return _Part(log, schema, frame.boot_id, about)
    return None


def read_case(
    logs: Sequence[Log], places: Mapping[str, int] | None = None, kinds: Mapping[str, str] | None = None
) -> Case:
    """Make a case of the parts MEASURED and TRAFFIC of one fault's snapshots, each opened by `open_log`.

    `places` are CAN numbers by node id where they are known; else they are learned from the boot ids in the
    traffic, then from the digits of the ids. `kinds` says who is a `gateway`, else its channels do.
    CaseError when there is no snapshot, or they are of different faults. Missing nodes, channels, samples and
    frames that do not decode are no error.
    """
    if len(logs) > _MOST_LOGS:
        raise CaseError(f"{len(logs)} logs; a cluster has at most 16 nodes with two parts each")
    parts = [part for number, log in enumerate(logs) if (part := _part(log, number)) is not None]
    if not parts:
        raise CaseError(
            "none of the logs holds a snapshot; give the files that the nodes sent for this fault"
        )
    events = sorted({part.about.event_id for part in parts})
    if len(events) > 1:
        raise CaseError(
            f"snapshots of different faults: {', '.join(e[:60] for e in events[:3])}; give those of one"
        )
    teller = next((part for part in parts if part.about.origin == part.schema.node), parts[0])
    trigger = teller.trigger_utc_us()
    if trigger is None:
        trigger = next((found for part in parts if (found := part.trigger_utc_us()) is not None), None)
    frames = [(part, frame) for part in parts for frame in _bus_frames(part)]
    traffic = _traffic(frames, trigger)
    records: dict[str, NodeRecord] = {}
    told: dict[tuple[str, str, int, float], CaseEvent] = {}
    numbers = _numbers(parts, traffic, places or {})
    for part in parts:
        node = part.schema.node
        channels = _channels(part, trigger)
        before = records.get(node)
        if before is not None:
            channels = {**before.channels, **channels}
        kind = (kinds or {}).get(node) or ("gateway" if _is_gateway(part.schema) else "house")
        error_us = part.log.clock(part.boot_id).error_us()
        known = part.log.clock(part.boot_id).points and trigger is not None
        records[node] = NodeRecord(
            node,
            kind,
            numbers[node],
            channels,
            (error_us or 0) / 1e6 if known and error_us is not None else None,
        )
        for event in _events(part, trigger):
            told.setdefault((event.node, event.code, int(event.raised), round(event.t_s, 3)), event)
    about = teller.about
    return Case(
        event_id=about.event_id,
        code=about.code,
        node=_teller(about.origin, records, teller.schema.node),
        trigger_utc_us=trigger,
        before_s=min(about.before_ms, _LONGEST_MS) / 1e3,
        after_s=min(about.after_ms, _LONGEST_MS) / 1e3,
        nodes=records,
        events=tuple(sorted(told.values(), key=lambda event: (event.t_s, event.node, event.code))),
        traffic=traffic,
    )


def case_of(
    event_id: str,
    code: str,
    node: str,
    kinds: Mapping[str, str],
    files: Mapping[tuple[str, SnapshotPart], Path],
) -> Case:
    """Make the case of a fault as it was told, out of the stored objects of its nodes.

    Who told what is taken from the arguments, not from the files. `kinds` are those of all nodes of the
    cluster: one without a file is in the case, with nothing known of it but its number on the bus if that can
    be told. CaseError as `read_case`.
    """
    logs = [open_log([files[key]]) for key in sorted(files, key=lambda key: (key[0], str(key[1])))]
    case = read_case(logs, kinds=kinds)
    if case.event_id != event_id:
        raise CaseError(
            f"the files are of {case.event_id[:60]}, not of {event_id[:60]}; pull the snapshots again"
        )
    records = dict(case.nodes)
    absent = tuple(name for name, kind in kinds.items() if name not in records and kind != "gateway")
    places = _places_of_absent(case, absent)
    for name, kind in kinds.items():
        if name not in records:
            records[name] = NodeRecord(name, kind, places.get(name, 0 if kind == "gateway" else UNPLACED))
    return replace(case, code=code, node=node, nodes=records)


def _places_of_absent(case: Case, absent: Sequence[str]) -> dict[str, int]:
    """CAN numbers of houses without a file, as far as they can be told.

    The digits of an id are its number while no house that is known says otherwise; else only who is left over
    alone has the number that is left over alone on the bus.
    """
    houses = [record for record in case.nodes.values() if record.kind == "house"]
    taken = {record.place for record in case.nodes.values()}
    left = set() if case.traffic is None else set(_starts(case.traffic).values()) - taken - {0}
    named = {name: number for name in absent if (number := _digits(name)) is not None and number not in taken}
    if any(_digits(record.node) not in (None, record.place) for record in houses):
        named = {}
    left -= set(named.values())
    rest = [name for name in absent if name not in named]
    if len(rest) == len(left) == 1:
        named[rest[0]] = left.pop()
    return named


def _digits(node: str) -> int | None:
    """The number that an id ends with, such as 7 of `house-07`."""
    found = "".join(filter(str.isdigit, node.rpartition("-")[2])) if node.isascii() else ""
    return int(found) if 0 < len(found) <= 2 else None


def _starts(traffic: CanTraffic) -> dict[int, int]:
    """CAN numbers by the boot ids that their heartbeats named."""
    heartbeat = MESSAGES["Heartbeat"]
    chosen = (traffic.identifier & MESSAGE_MASK == heartbeat.identifier) & (
        traffic.length >= heartbeat.length
    )
    words = to_words(traffic.data[chosen])
    senders = (traffic.identifier[chosen] & NODE_MASK).tolist()
    return dict(zip(raw(heartbeat.signal("boot_id"), words).tolist(), senders, strict=True))


def _is_gateway(schema: Schema) -> bool:
    return any(channel.name == "swarm_frequency" for channel in schema.channels)


def _teller(origin: str, records: Mapping[str, NodeRecord], fallback: str) -> str:
    """The node that told the fault: the snapshot names its id, or its number on the bus."""
    if origin in records:
        return origin
    if origin.isascii() and origin.isdigit() and len(origin) <= 2:
        return next((one.node for one in records.values() if one.place == int(origin)), fallback)
    return origin or fallback


def _channels(part: _Part, trigger: int | None) -> dict[str, Series]:
    """All channels of a log near its fault, in time order."""
    pieces: dict[str, list[tuple[Floats, Floats]]] = {}
    reach_before = min(part.about.before_ms, _LONGEST_MS) / 1e3 + _MARGIN_S
    reach_after = min(part.about.after_ms, _LONGEST_MS) / 1e3 + _MARGIN_S
    try:
        for _, found in part.log.chunks():
            for samples in found.values():
                of_boot = np.repeat(samples.boot_ids, samples.counts) == part.boot_id
                if not of_boot.any():
                    continue
                t = part.seconds(samples.mono_us(), trigger)
                near = of_boot & (t >= -reach_before) & (t <= reach_after)
                if near.any():
                    pieces.setdefault(samples.channel.name, []).append((t[near], samples.scaled()[near]))
    except (Malformed, TooManySamples) as error:
        raise CaseError(
            f"the log of {part.schema.node} does not decode: {error}; pull its snapshot again"
        ) from error
    channels = {}
    for name, list_ in pieces.items():
        t, values = np.concatenate([one[0] for one in list_]), np.concatenate([one[1] for one in list_])
        order = np.argsort(t, kind="stable")
        channels[name] = Series(t[order], values[order])
    return channels


def _events(part: _Part, trigger: int | None) -> list[CaseEvent]:
    """Raised and cleared events of a log."""
    found = []
    for frame in part.log.frames(part.log.select([Kind.EVENT])):
        try:
            event = content(frame)
        except Malformed:
            continue
        if (
            not isinstance(event, Event)
            or event.state not in (_RAISED, _CLEARED)
            or frame.boot_id != part.boot_id
        ):
            continue
        if frame.mono_us > 1 << 60:
            continue
        at = float(part.seconds(np.array([frame.mono_us], np.int64), trigger)[0])
        schema = part.log.schemas.get(frame.schema_hash, part.schema)
        values = {
            schema.by_id[channel].name: float(schema.by_id[channel].scaled(np.array([value], np.int64))[0])
            for channel, value in event.values
            if channel in schema.by_id
        }
        if abs(at) <= _LONGEST_MS / 1e3:
            found.append(CaseEvent(part.schema.node, event.code, at, event.state == _RAISED, values))
    return found


def _bus_frames(part: _Part) -> list[CanFrame]:
    found: list[CanFrame] = []
    for frame in part.log.frames(part.log.select([Kind.CAN])):
        if frame.boot_id != part.boot_id or frame.mono_us > 1 << 60:
            continue
        try:
            record = content(frame)
        except Malformed:
            continue
        if isinstance(record, tuple):
            found += record
        if len(found) > _MOST_BUS_FRAMES:
            raise CaseError(
                f"the traffic of {part.schema.node} has more than {_MOST_BUS_FRAMES} frames: no snapshot"
            )
    return found


def _traffic(frames: Sequence[tuple[_Part, CanFrame]], trigger: int | None) -> CanTraffic | None:
    """The traffic of the part that has most of it; several recorders heard the same."""
    if not frames:
        return None
    count: dict[int, int] = {}
    for part, _ in frames:
        count[id(part)] = count.get(id(part), 0) + 1
    best = max(count, key=lambda key: count[key])
    part = next(one for one, _ in frames if id(one) == best)
    kept = [frame for one, frame in frames if one is part and frame.identifier <= MESSAGE_MASK | NODE_MASK]
    kept = [frame for frame in kept if abs(frame.mono_us) < 1 << 61]
    if not kept:
        return None
    t = part.seconds(np.array([frame.mono_us for frame in kept], np.int64), trigger)
    order = np.argsort(t, kind="stable")
    data = np.frombuffer(b"".join(bytes(frame.data).ljust(8, b"\0") for frame in kept), np.uint8).reshape(
        -1, 8
    )
    return CanTraffic(
        t[order],
        np.array([frame.identifier for frame in kept], np.uint16)[order],
        data[order],
        np.array([len(frame.data) for frame in kept], np.uint8)[order],
    )


def _numbers(parts: Sequence[_Part], traffic: CanTraffic | None, given: Mapping[str, int]) -> dict[str, int]:
    """CAN numbers: as given, by the boot ids of heartbeats, by the digits of the id, any that is free."""
    boots = {} if traffic is None else _starts(traffic)
    numbers: dict[str, int] = {}
    for part in parts:
        node = part.schema.node
        if node in numbers:
            continue
        number = given.get(node, boots.get(part.boot_id))
        if number is None:
            number = 0 if _is_gateway(part.schema) else _digits(node)
        if number is None or number in numbers.values():
            number = next(free for free in range(1, 99) if free not in numbers.values())
        numbers[node] = number
    return numbers
