"""What a frame says whose payload is a record, by its kind."""

from __future__ import annotations

from collections.abc import Callable

from . import can
from .frame import FLAG_CLOCK, Frame, Kind
from .records import Boot, Clock, Event, Snapshot
from .schema import Schema
from .wire import Cursor

Content = Schema | Boot | Clock | Event | Snapshot | tuple[can.CanFrame, ...]


def _after_clock(frame: Frame) -> bytes | memoryview:
    """Return the payload behind the clock record that may stand first in it."""
    if not frame.flags & FLAG_CLOCK:
        return frame.payload
    cursor = Cursor(frame.payload)
    Clock.read(cursor)
    return cursor.data[cursor.position :]


_READERS: dict[int, Callable[[Frame], Content]] = {
    Kind.SCHEMA: lambda frame: Schema.parse(frame.payload),
    Kind.EVENT: lambda frame: Event.parse(_after_clock(frame)),
    Kind.TIMESYNC: lambda frame: Clock.read(Cursor(frame.payload)),
    Kind.CAN: lambda frame: tuple(can.decode(_after_clock(frame), frame.mono_us)),
    Kind.SNAPSHOT: lambda frame: Snapshot.parse(_after_clock(frame)),
    Kind.BOOT: lambda frame: Boot.parse(_after_clock(frame)),
}


def content(frame: Frame) -> Content | None:
    """Return the record of a frame, None for samples and unknown kinds; raises Malformed."""
    read = _READERS.get(frame.kind)
    return None if read is None else read(frame)


def kind_name(kind: int) -> str:
    """Return the name of a kind, its number when this reader does not know it."""
    try:
        return Kind(kind).name.lower()
    except ValueError:
        return f"kind {kind}"
