"""Events as nodes log them, in the words of those that come over MQTT."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np

from ..codec.umg1.clock import plausible_us
from ..codec.umg1.frame import Frame
from ..codec.umg1.records import EVENT_STATES, EVENT_TYPES, SEVERITIES, Event
from ..codec.umg1.schema import Schema
from ..codec.umg1.wire import Malformed
from ..contract.messages import CODE, EVENT_ID, EventState, EventType, NodeEvent, Severity


def well_named(event: Event) -> bool:
    """Whether code and id are what the contract demands of those that come over MQTT."""
    return CODE.fullmatch(event.code) is not None and EVENT_ID.fullmatch(event.event_id) is not None


def logged_event(frame: Frame, schema: Schema | None, now_us: int) -> NodeEvent | None:
    """Return the event of a frame; None when this release does not understand it, or its code or id is none.

    Without the schema it has no values: they are numbers of channels that only the schema names. A time that
    cannot be is left out.
    """
    try:
        event = Event.parse(frame.payload)
    except Malformed:
        return None
    if (
        event.type >= len(EVENT_TYPES)
        or event.state >= len(EVENT_STATES)
        or event.severity >= len(SEVERITIES)
        or not well_named(event)
    ):
        return None
    values: dict[str, float | int] = {}
    for number, integer in event.values:
        channel = schema.by_id.get(number) if schema is not None else None
        if channel is not None:
            values[channel.name] = float(channel.scaled(np.array([integer], np.int64))[0])
    if event.lost is not None:
        values |= {"first_seq": event.lost.first_seq, "last_seq": event.lost.last_seq}
    return NodeEvent(
        event_id=event.event_id,
        type=EventType(EVENT_TYPES[event.type]),
        state=EventState(EVENT_STATES[event.state]),
        code=event.code,
        severity=Severity(SEVERITIES[event.severity]),
        boot_id=frame.boot_id,
        seq=frame.seq,
        time=datetime.fromtimestamp(frame.utc_us / 1e6, UTC) if plausible_us(frame.utc_us, now_us) else None,
        values=values,
    )


def loss_event(node_id: str, boot_id: int, first_seq: int, last_seq: int) -> NodeEvent:
    """Return the event of a loss that the node itself does not tell: its report is among what was lost."""
    return NodeEvent(
        event_id=f"{node_id}:{boot_id}:lost-{first_seq}-{last_seq}",
        type=EventType.OVERFLOW,
        state=EventState.MOMENT,
        code="OVERFLOW",
        severity=Severity.WARNING,
        boot_id=boot_id,
        seq=last_seq,
        time=None,
        values={"first_seq": first_seq, "last_seq": last_seq},
    )
