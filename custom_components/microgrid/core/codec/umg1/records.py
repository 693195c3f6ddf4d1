"""Payloads that are records, not samples: clock, event, boot, snapshot."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from enum import IntEnum

from .wire import Cursor, put_text

_CLOCK = struct.Struct("<iIBBH")
_EVENT = struct.Struct("<BBB")
_VALUE = struct.Struct("<Bi")
_LOST = struct.Struct("<III")
_SNAPSHOT = struct.Struct("<QqIIB")
_BOOT = struct.Struct("<II")
UNKNOWN_ERROR = 0xFFFFFFFF


class ClockSource(IntEnum):
    """Where a node's time comes from."""

    NONE = 0
    RTC = 1
    CAN = 2
    NETWORK = 3
    GNSS = 4


class ClockState(IntEnum):
    """How far a node's time can be trusted."""

    UNSYNCHRONISED = 0
    SYNCHRONISED = 1
    HOLDOVER = 2


@dataclass(frozen=True, slots=True)
class Clock:
    """A clock record; mono and utc stand in the header of its frame."""

    drift_ppb: int
    error_us: int
    source: int
    state: int

    def encode(self) -> bytes:
        """Return the record."""
        return _CLOCK.pack(self.drift_ppb, self.error_us, self.source, self.state, 0)

    @classmethod
    def read(cls, cursor: Cursor) -> Clock:
        """Read a record; raises Malformed."""
        drift_ppb, error_us, source, state, _ = cursor.unpack(_CLOCK)
        return cls(drift_ppb, error_us, source, state)


EVENT_TYPES = ("fault", "alarm", "contactor", "sync", "boot", "overflow")
EVENT_STATES = ("moment", "raised", "cleared")
SEVERITIES = ("info", "warning", "critical")
OVERFLOW = EVENT_TYPES.index("overflow")


@dataclass(frozen=True, slots=True)
class Lost:
    """Frames that were overwritten before they were acknowledged, both ends included."""

    boot_id: int
    first_seq: int
    last_seq: int


@dataclass(frozen=True, slots=True)
class Event:
    """An event; numbers index the names above (a later version may know more)."""

    type: int
    state: int
    severity: int
    code: str
    event_id: str
    values: tuple[tuple[int, int], ...] = ()
    """Channel id and integer."""
    lost: Lost | None = None
    """Of an overflow, and of nothing else."""

    def encode(self) -> bytes:
        """Return the payload."""
        if (self.lost is not None) != (self.type == OVERFLOW):
            raise ValueError(f"event {self.event_id}: an overflow names the lost frames, nothing else does")
        return (
            _EVENT.pack(self.type, self.state, self.severity)
            + put_text(self.code)
            + put_text(self.event_id)
            + bytes([len(self.values)])
            + b"".join(_VALUE.pack(channel, value) for channel, value in self.values)
            + (_LOST.pack(self.lost.boot_id, self.lost.first_seq, self.lost.last_seq) if self.lost else b"")
        )

    @classmethod
    def parse(cls, payload: bytes | memoryview) -> Event:
        """Read a payload; raises Malformed."""
        cursor = Cursor(payload)
        kind, state, severity = cursor.unpack(_EVENT)
        code, event_id = cursor.text(), cursor.text()
        values = []
        for _ in range(cursor.byte()):
            channel, value = cursor.unpack(_VALUE)
            values.append((channel, value))
        lost = Lost(*cursor.unpack(_LOST)) if kind == OVERFLOW else None
        return cls(kind, state, severity, code, event_id, tuple(values), lost)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What a snapshot file is about."""

    event_id: str
    code: str
    origin: str
    trigger_mono_us: int
    trigger_utc_us: int
    before_ms: int
    after_ms: int
    state: int

    def encode(self) -> bytes:
        """Return the payload."""
        return (
            put_text(self.event_id)
            + put_text(self.code)
            + put_text(self.origin)
            + _SNAPSHOT.pack(
                self.trigger_mono_us, self.trigger_utc_us, self.before_ms, self.after_ms, self.state
            )
        )

    @classmethod
    def parse(cls, payload: bytes | memoryview) -> Snapshot:
        """Read a payload; raises Malformed."""
        cursor = Cursor(payload)
        return cls(cursor.text(), cursor.text(), cursor.text(), *cursor.unpack(_SNAPSHOT))


@dataclass(frozen=True, slots=True)
class Boot:
    """A start of the node."""

    reason: int
    firmware: str
    previous_boot_id: int
    previous_next_seq: int

    def encode(self) -> bytes:
        """Return the payload."""
        return (
            bytes([self.reason])
            + put_text(self.firmware)
            + _BOOT.pack(self.previous_boot_id, self.previous_next_seq)
        )

    @classmethod
    def parse(cls, payload: bytes | memoryview) -> Boot:
        """Read a payload; raises Malformed."""
        cursor = Cursor(payload)
        return cls(cursor.byte(), cursor.text(), *cursor.unpack(_BOOT))
