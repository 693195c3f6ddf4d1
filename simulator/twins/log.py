"""The durable log of a twin: frames in a file, sent one message at a time until they are acknowledged.

It keeps the rules of contract/mqtt (log, log/ack): what is not on disk is not sent, one message is on its
way, and after a start it goes on behind the retained acknowledgement. A kill costs what was not flushed yet.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from microgrid_core.codec.umg1.frame import Frame, Kind, Scan
from microgrid_core.codec.umg1.records import (
    EVENT_STATES,
    EVENT_TYPES,
    OVERFLOW,
    SEVERITIES,
    Boot,
    Clock,
    ClockSource,
    ClockState,
    Event,
    Lost,
)
from microgrid_core.codec.umg1.schema import Schema
from microgrid_core.contract.messages import Severity, parse_log_ack
from microgrid_core.contract.reading import Rejection

from ..physics.occurrence import Occurrence

CLOCK = Clock(0, 1000, ClockSource.NETWORK, ClockState.SYNCHRONISED)
MESSAGE_BYTES = 16 << 10
REPEAT_S, REPEAT_AFTER_CONNECT_S = 60.0, 10.0
LISTENERS_RETURN_S = 60.0
"""How long after a connection nobody may have listened yet to what was sent."""
RETAINED_S = 1.0
"""After a connection the retained acknowledgement comes at once, if there is one."""
FILE_BYTES = 64 << 20
_MOSTLY = 0.75
"""Of the file: what may wait when there is no more room."""
_POWER_ON = 1
_FIRMWARE = "simulator"
_INT32 = 1 << 31


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a frame is in the log and in the file."""

    boot_id: int
    seq: int
    offset: int
    size: int


class NodeLog:
    """The log of one node; all methods are called from the loop's thread, but for what `prepare` returns."""

    def __init__(
        self, path: Path, schema: Schema, clock: Callable[[], int], *, file_bytes: int = FILE_BYTES
    ) -> None:
        """Open what an earlier run left; `clock` is the node's UTC in µs."""
        self._path = path
        self.schema = schema
        self._clock = clock
        self._file_bytes = file_bytes
        self._file = path.open("r+b" if path.exists() else "w+b", buffering=0)
        self._waiting: deque[_Place] = deque()
        """On disk, and not known to be acknowledged."""
        self._unwritten: list[Frame] = []
        self._writing: list[Frame] = []
        """On their way to the disk."""
        self._order: dict[int, int] = {}
        """Rank of every boot of which a frame may wait."""
        self._in_flight: _Place | None = None
        self._send_at = 0.0
        self._repeat_soon_until = 0.0
        self.boot_id = self._next_seq = self._start_us = 0
        data = self._file.read()
        end = 0
        for frame in Scan(data):
            self._place(frame, frame.position)
            self.boot_id, self._next_seq, end = frame.boot_id, frame.seq + 1, frame.position + frame.size
        self._size = end
        self._file.truncate(end)  # what a kill cut off
        self.last = (self.boot_id, self._next_seq - 1) if end else None
        """Boot and seq of the last frame that is on disk, or on its way there."""

    def begin(self, boot_id: int) -> None:
        """Start the node."""
        boot = Boot(_POWER_ON, _FIRMWARE, self.boot_id, self._next_seq)
        self.boot_id, self._next_seq, self._start_us = boot_id, 0, self._clock()
        self.write(Kind.SCHEMA, self.schema.payload, self._start_us)
        self.write(Kind.BOOT, boot.encode(), self._start_us)
        self.write(Kind.TIMESYNC, CLOCK.encode(), self._start_us, flags=1)

    def write(
        self, kind: Kind, payload: bytes, utc_us: int, *, flags: int = 0, blocks: int = 0
    ) -> int | None:
        """Append a frame that began at `utc_us`; returns its seq, None when that was before the start."""
        mono_us = utc_us - self._start_us
        if mono_us < 0:
            return None
        seq = self._next_seq
        self._next_seq += 1
        self._unwritten.append(
            Frame(kind, seq, self.boot_id, self.schema.hash, mono_us, utc_us, payload, flags, blocks)
        )
        return seq

    @property
    def start_us(self) -> int:
        """When the node started, by its UTC."""
        return self._start_us

    def event(self, occurrence: Occurrence, event_id: str, at_us: int | None = None) -> tuple[int, int]:
        """Log what happened, by default now; returns its seq and the node's UTC in µs."""
        channels = {channel.name: channel for channel in self.schema.channels}
        values = []
        for name, value in occurrence.values.items():
            if (channel := channels.get(name)) is not None and isinstance(value, (int, float)):
                integer = round(value / channel.scale) - channel.offset
                if -_INT32 <= integer < _INT32:
                    values.append((channel.id, integer))
        now_us = self._clock() if at_us is None else at_us
        record = Event(
            EVENT_TYPES.index(occurrence.type.value),
            EVENT_STATES.index(occurrence.state.value),
            SEVERITIES.index(occurrence.severity.value),
            occurrence.code,
            event_id,
            tuple(values),
        )
        seq = self.write(Kind.EVENT, record.encode(), max(now_us, self._start_us))
        assert seq is not None
        return seq, now_us

    def prepare(self) -> Callable[[], None]:
        """Take what was written since; the returned function puts it on the disk, in any thread.

        Disks take their time, and neither sampling nor sending may wait for them.
        """
        assert not self._writing, "one after the other"
        self._writing, self._unwritten = self._unwritten, []
        if not self._writing:
            return lambda: None
        self.last = (self._writing[-1].boot_id, self._writing[-1].seq)
        data, descriptor, at = (
            b"".join(frame.encode() for frame in self._writing),
            self._file.fileno(),
            self._size,
        )

        def put() -> None:
            done = 0
            while done < len(data):
                done += os.pwrite(descriptor, data[done:], at + done)
            os.fsync(descriptor)

        return put

    def settle(self) -> None:
        """Say that it is on the disk: now it may be sent."""
        for frame in self._writing:
            self._place(frame, self._size)
            self._size += frame.size
        self._writing = []
        if self._size > self._file_bytes:
            self._make_room()

    def flush(self) -> None:
        """Have on disk what was written, at once."""
        self.prepare()()
        self.settle()

    def close(self) -> None:
        """Flush and leave."""
        self.flush()
        self._file.close()

    # --- sending

    def connected(self, now: float) -> None:
        """Say that the acknowledgement is about to come, or that what was sent may be lost."""
        self._send_at = now + (RETAINED_S if self._in_flight is None else REPEAT_AFTER_CONNECT_S)
        self._repeat_soon_until = now + LISTENERS_RETURN_S

    def acknowledged(self, payload: bytes, now: float) -> None:
        """Forget what the receiver has on its disk."""
        ack = parse_log_ack(payload)
        if isinstance(ack, Rejection) or (rank := self._order.get(ack.boot_id)) is None:
            return
        while self._waiting:
            first = self._waiting[0]
            if (self._order[first.boot_id], first.seq) > (rank, ack.seq):
                break
            self._waiting.popleft()
            if first is self._in_flight:
                self._in_flight, self._send_at = None, now

    def message(self, now: float) -> bytes | None:
        """Return what to send now, if anything."""
        if not self._waiting or now < self._send_at:
            return None
        begin, size = self._waiting[0].offset, 0
        for place in self._waiting:
            if size and size + place.size > MESSAGE_BYTES:
                break
            size += place.size
            self._in_flight = place
        self._send_at = now + (REPEAT_AFTER_CONNECT_S if now < self._repeat_soon_until else REPEAT_S)
        return os.pread(self._file.fileno(), size, begin)

    # --- inside

    @property
    def _waiting_bytes(self) -> int:
        return self._size - self._waiting[0].offset if self._waiting else 0

    def _place(self, frame: Frame, offset: int) -> None:
        self._order.setdefault(frame.boot_id, len(self._order))
        self._waiting.append(_Place(frame.boot_id, frame.seq, offset, frame.size))

    def _make_room(self) -> None:
        """Forget what is acknowledged; when that is not enough, lose the oldest half, and say so."""
        lost: dict[int, tuple[int, int]] = {}
        enough = self._waiting_bytes <= _MOSTLY * self._file_bytes
        while not enough and self._waiting_bytes > self._file_bytes // 2:
            place = self._waiting.popleft()
            if place is self._in_flight:
                self._in_flight = None
            lost[place.boot_id] = (lost.get(place.boot_id, (place.seq, 0))[0], place.seq)
        begin = self._waiting[0].offset if self._waiting else self._size
        kept = os.pread(self._file.fileno(), self._size - begin, begin)
        temporary = self._path.with_name(f"{self._path.name}.tmp")
        with temporary.open("wb") as file:
            file.write(kept)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(self._path)
        self._file.close()
        self._file = self._path.open("r+b", buffering=0)
        self._waiting = deque(
            _Place(place.boot_id, place.seq, place.offset - begin, place.size) for place in self._waiting
        )
        self._in_flight = None  # its answer is still understood; at worst it is sent twice
        self._size = len(kept)
        for boot_id, (first, last) in lost.items():
            record = Event(
                OVERFLOW,
                EVENT_STATES.index("moment"),
                SEVERITIES.index(Severity.WARNING.value),
                "OVERFLOW",
                f"{self.schema.node}-{boot_id:08x}-lost-{first}-{last}",
                lost=Lost(boot_id, first, last),
            )
            self.write(Kind.EVENT, record.encode(), max(self._clock(), self._start_us))
