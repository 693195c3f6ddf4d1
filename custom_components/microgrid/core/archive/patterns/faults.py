"""Pattern: all faults and alarms of a time range, each with what ended it."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np

from ...codec.umg1.records import EVENT_STATES, SEVERITIES
from ...codec.umg1.schema import Schema
from ...contract.faults import condition
from ..query import ArchivedEvent
from .source import SECOND_US, Member, Source, chosen, members

MAX_EVENTS = 10_000
"""Of each node asked for, or of all together; older ones of the range are left out and the answer says so."""
TYPES = ("fault", "alarm")
_CLEARED = EVENT_STATES.index("cleared")


@dataclass(frozen=True, slots=True)
class Reading:
    """A value that came with an event."""

    channel: str
    value: float
    unit: str


@dataclass(frozen=True, slots=True)
class FaultRecord:
    """A fault or an alarm."""

    node: str
    cluster: str
    code: str
    category: str
    severity: str
    type: str
    event_id: str
    utc_us: int
    cleared_utc_us: int | None
    """The first `cleared` of the same node and code after it; None when the range has none."""
    duration_s: float | None
    readings: tuple[Reading, ...]


@dataclass(frozen=True, slots=True)
class Faults:
    """Faults of a time range."""

    start_utc_us: int
    end_utc_us: int
    faults: tuple[FaultRecord, ...]
    """In the order of time."""
    truncated: bool
    """Whether older ones were left out."""


def faults(
    source: Source,
    start_us: int,
    end_us: int,
    *,
    nodes: Collection[str] | None = None,
    codes: Collection[str] | None = None,
    severities: Collection[str] | None = None,
) -> Faults:
    """Return what was raised with start ≤ UTC < end. What happened at an unknown time is in no range."""
    found = members(source)
    wanted = None if nodes is None else [member.node for member in chosen(found, nodes)]
    events, truncated = _events(source, start_us, end_us, wanted, codes)
    records: list[FaultRecord] = []
    cleared: dict[tuple[str, str], int] = {}
    scales = _Scales(source)
    for utc_us, event in reversed(events):
        key = event.node, event.event.code
        if event.event.state == _CLEARED:
            cleared[key] = utc_us
            continue
        record = _record(event, utc_us, found.get(event.node), cleared.get(key), scales)
        if severities is None or record.severity in severities:
            records.append(record)
    return Faults(start_us, end_us, tuple(records[::-1]), truncated)


def find_fault(source: Source, event_id: str, start_us: int, end_us: int) -> FaultRecord:
    """Return the fault or alarm with an id; raises LookupError when the range has none."""
    for record in reversed(faults(source, start_us, end_us).faults):
        if record.event_id == event_id:
            return record
    raise LookupError(
        f"no fault or alarm {event_id} in the time range; choose a wider one, or name a node and a time"
    )


def _events(
    source: Source,
    start_us: int,
    end_us: int,
    nodes: Collection[str] | None,
    codes: Collection[str] | None,
) -> tuple[list[tuple[int, ArchivedEvent]], bool]:
    events: list[tuple[int, ArchivedEvent]] = []
    truncated = False
    for node in (None,) if nodes is None else nodes:
        found = source.events(node, start_us, end_us, codes=codes, types=TYPES, limit=MAX_EVENTS + 1)
        truncated |= len(found) > MAX_EVENTS
        events += [(event.utc_us, event) for event in found[-MAX_EVENTS:] if event.utc_us is not None]
    return sorted(events, key=lambda event: event[0]), truncated


class _Scales:
    """Turns the integers of events into values in units; asks for the schemas of a node once."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._schemas: dict[str, dict[int, Schema]] = {}

    def readings(self, event: ArchivedEvent) -> tuple[Reading, ...]:
        """Return the values of an event; those of channels that the schema does not have are left out."""
        if not event.event.values:
            return ()
        if event.node not in self._schemas:
            self._schemas[event.node] = self._source.schemas(event.node)
        schema = self._schemas[event.node].get(event.schema_hash)
        return tuple(
            Reading(channel.name, float(channel.scaled(np.array([integer]))[0]), channel.unit)
            for number, integer in event.event.values
            if schema is not None and (channel := schema.by_id.get(number)) is not None
        )


def _record(
    event: ArchivedEvent, utc_us: int, member: Member | None, cleared_us: int | None, scales: _Scales
) -> FaultRecord:
    number = event.event.severity
    return FaultRecord(
        event.node,
        member.cluster if member else "",
        event.event.code,
        str(condition(event.event.code).category),
        SEVERITIES[number] if number < len(SEVERITIES) else f"severity {number}",
        event.type,
        event.event.event_id,
        utc_us,
        cleared_us,
        None if cleared_us is None else (cleared_us - utc_us) / SECOND_US,
        scales.readings(event),
    )
