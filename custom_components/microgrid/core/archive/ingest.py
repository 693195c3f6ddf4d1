"""Entering frames that lie in a file into the index; part of one transaction."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ..codec.umg1.clock import EARLIEST_US, LATEST_AHEAD_US, SyncPoint, sync_point
from ..codec.umg1.frame import FLAG_CLOCK, Frame, Kind
from ..codec.umg1.records import Boot, Event, Snapshot
from ..codec.umg1.schema import Schema
from ..codec.umg1.wire import Cursor, Malformed
from .ranges import RangeSet
from .timeline import (
    MAX_MONO_US,
    Interval,
    add_points,
    clock_of,
    joined,
    plausible,
    plausible_pieces,
)

CHUNK_FRAMES = 64
_CHUNK_US = 3_600_000_000  # a frame whose mono is further away begins another: its time is another one
SAMPLE_KINDS = frozenset({int(Kind.FAST), int(Kind.SLOW), int(Kind.SUMMARY)})
_RECORD_KINDS = frozenset({int(Kind.EVENT), int(Kind.SNAPSHOT), int(Kind.BOOT)})
_CLOCK_BYTES = 12
_MINUTE_US = 60_000_000


@dataclass(frozen=True, slots=True)
class Placed:
    """A frame and its offset in its file."""

    frame: Frame
    offset: int


@dataclass(slots=True)
class _Chunk:
    """A row of `chunk` in the making."""

    boot_id: int
    first_seq: int
    offset: int
    opaque: int | None
    size: int = 0
    frames: int = 0
    samples: int = 0
    mono_first: int = MAX_MONO_US
    mono_end: int = 0

    def continues(self, placed: Placed, opaque: int | None) -> bool:
        """Whether the frame may join."""
        start, end = extent_us(placed.frame)
        return (
            self.frames < CHUNK_FRAMES
            and placed.frame.boot_id == self.boot_id
            and placed.frame.seq == self.first_seq + self.frames
            and placed.offset == self.offset + self.size
            and opaque == self.opaque
            and max(self.mono_end, end) - min(self.mono_first, start) <= _CHUNK_US
        )

    def add(self, frame: Frame) -> None:
        """Join a frame."""
        start, end = extent_us(frame)
        self.size += frame.size
        self.frames += 1
        self.samples += frame.kind in SAMPLE_KINDS
        self.mono_first = min(self.mono_first, start)
        self.mono_end = max(self.mono_end, end)


def extent_us(frame: Frame) -> Interval:
    """Return when on the clock of its boot a frame begins and ends."""
    start = min(frame.mono_us, MAX_MONO_US)
    if frame.kind not in SAMPLE_KINDS:
        return start, start
    cursor = Cursor(frame.payload, _CLOCK_BYTES if frame.flags & FLAG_CLOCK else 0)
    try:
        if frame.kind == Kind.SUMMARY:
            cursor.text()
        span_ms = int.from_bytes(cursor.take(4), "little")
    except Malformed:
        return start, start
    return start, start + span_ms * 1000


class Ingest:
    """Enters frames of one file of one node."""

    def __init__(self, connection: sqlite3.Connection, node: int, file: int, now_us: int) -> None:
        """Work within the open transaction of `connection`."""
        self.connection = connection
        self.node = node
        self.file = file
        self.now_us = now_us
        (self.floor_s,) = connection.execute("SELECT raw_floor_s FROM node WHERE id = ?", (node,)).fetchone()
        self.hashes = {
            row[0] for row in connection.execute("SELECT hash FROM schema WHERE node = ?", (node,)).fetchall()
        }
        self.boots: dict[int, int] = {}
        self._marked: list[Interval] = []

    def boot(self, boot_id: int) -> int:
        """Return the row of a boot."""
        if boot_id not in self.boots:
            self.boots[boot_id] = ensure_boot(self.connection, self.node, boot_id)
        return self.boots[boot_id]

    def take(self, frames: Iterable[Placed]) -> None:
        """Enter frames that are all new, in the order of their places."""
        chunks: list[_Chunk] = []
        points: dict[int, list[tuple[SyncPoint, int]]] = {}
        records: list[Frame] = []
        for placed in frames:
            frame = placed.frame
            if frame.kind == Kind.SCHEMA:
                self._learn(frame, chunks)
            elif frame.kind in _RECORD_KINDS:
                records.append(frame)
            if (point := sync_point(frame)) is not None and plausible(point, self.now_us):
                points.setdefault(frame.boot_id, []).append((point, frame.seq))
            unknown = frame.kind in SAMPLE_KINDS and frame.schema_hash not in self.hashes
            opaque = frame.schema_hash if unknown else None
            if not chunks or not chunks[-1].continues(placed, opaque):
                chunks.append(_Chunk(frame.boot_id, frame.seq, placed.offset, opaque))
            chunks[-1].add(frame)
        for boot_id, found in points.items():
            boot = self.boot(boot_id)
            for interval in add_points(self.connection, boot, found):
                self._move(boot, interval)
        self._insert(chunks)
        for frame in records:
            self._record(frame)
        self._write_marks()

    def _learn(self, frame: Frame, waiting: Sequence[_Chunk]) -> None:
        """Take a schema; frames that waited for it become readable."""
        try:
            known = Schema.parse(frame.payload).hash
        except Malformed:
            return  # kept as a frame like any other; nothing can be read with it
        if known in self.hashes:
            return
        self.hashes.add(known)
        self.connection.execute("INSERT INTO schema VALUES (?, ?, ?)", (self.node, known, frame.encode()))
        for chunk in waiting:
            if chunk.opaque == known:
                chunk.opaque = None
        rows = self.connection.execute(
            "SELECT id, boot, mono_first, mono_end FROM chunk WHERE node = ? AND opaque = ?",
            (self.node, known),
        ).fetchall()
        self.connection.execute(
            "UPDATE chunk SET opaque = NULL WHERE node = ? AND opaque = ?", (self.node, known)
        )
        for chunk_key, boot, first, end in rows:
            self._await_roll_up(self._pieces(boot, first, end), chunk_key)

    def _insert(self, chunks: Sequence[_Chunk]) -> None:
        for chunk in chunks:
            boot = self.boot(chunk.boot_id)
            pieces = self._pieces(boot, chunk.mono_first, chunk.mono_end)
            cursor = self.connection.execute(
                "INSERT INTO chunk (node, file, offset, size, boot, first_seq, frames, samples, "
                "mono_first, mono_end, "
                "utc_first, utc_end, opaque) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    self.node,
                    self.file,
                    chunk.offset,
                    chunk.size,
                    boot,
                    chunk.first_seq,
                    chunk.frames,
                    chunk.samples,
                    chunk.mono_first,
                    chunk.mono_end,
                    min((start for start, _ in pieces), default=None),
                    max((end for _, end in pieces), default=None),
                    chunk.opaque,
                ),
            )
            if chunk.samples and chunk.opaque is None:
                assert cursor.lastrowid is not None
                self._await_roll_up(pieces, cursor.lastrowid)

    def _move(self, boot: int, interval: Interval) -> None:
        """Correct the UTC of what is stored already within a mono interval."""
        rows = self.connection.execute(
            "SELECT id, samples, mono_first, mono_end, utc_first, utc_end, opaque FROM chunk "
            "WHERE boot = ? AND mono_end >= ? AND mono_first <= ?",
            (boot, *interval),
        ).fetchall()
        for chunk, samples, first, end, utc_first, utc_end, opaque in rows:
            pieces = self._pieces(boot, first, end)
            if not pieces and utc_first is None:
                continue
            earliest = min((start for start, _ in pieces), default=None)
            latest = max((stop for _, stop in pieces), default=None)
            self.connection.execute(
                "UPDATE chunk SET utc_first = ?, utc_end = ? WHERE id = ?", (earliest, latest, chunk)
            )
            if samples and opaque is None:
                if utc_first is None:
                    self._await_roll_up(pieces, chunk)
                else:  # what stands in roll-ups without files stays there as it was counted
                    self._mark([*pieces, (utc_first, utc_end)])
        for record, mono in self.connection.execute(
            "SELECT id, mono FROM record WHERE boot = ? AND mono BETWEEN ? AND ?", (boot, *interval)
        ).fetchall():
            self.connection.execute("UPDATE record SET utc = ? WHERE id = ?", (self._utc(boot, mono), record))

    def _utc(self, boot: int, mono_us: int) -> int | None:
        pieces = self._pieces(boot, mono_us, mono_us)
        return pieces[0][0] if pieces else None

    def _pieces(self, boot: int, first_us: int, end_us: int) -> list[Interval]:
        clock = clock_of(self.connection, boot, first_us, end_us)
        return plausible_pieces(clock, first_us, end_us, self.now_us)

    def _await_roll_up(self, pieces: Sequence[Interval], chunk: int) -> None:
        """Have samples counted for the first time: from the files, or added where the files are gone."""
        self._mark(pieces)
        if any(start < self.floor_s * 1_000_000 for start, _ in pieces):
            self.connection.execute("UPDATE chunk SET merge_below_s = ? WHERE id = ?", (self.floor_s, chunk))

    def _mark(self, pieces: Iterable[Interval]) -> None:
        """Have the minutes of UTC intervals computed again, as far as their files are there."""
        self._marked += pieces

    def _write_marks(self) -> None:
        bits: dict[int, int] = {}
        lowest = max(EARLIEST_US // _MINUTE_US, self.floor_s // 60)
        highest = (self.now_us + LATEST_AHEAD_US) // _MINUTE_US
        for start, end in joined(self._marked):
            first, last = max(start // _MINUTE_US, lowest), min(end // _MINUTE_US, highest)
            if first > last:
                continue
            for hour in range(first // 60, last // 60 + 1):
                low, high = max(first - hour * 60, 0), min(last - hour * 60, 59)
                bits[hour * 3600] = bits.get(hour * 3600, 0) | (2 << high) - (1 << low)
        self.connection.executemany(
            "INSERT INTO dirty VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET minutes = minutes | "
            "excluded.minutes",
            [(self.node, hour_s, minutes) for hour_s, minutes in bits.items()],
        )
        self._marked.clear()

    def _record(self, frame: Frame) -> None:
        boot = self.boot(frame.boot_id)
        code = ""
        try:
            if frame.kind == Kind.EVENT:
                code = Event.parse(frame.payload).code
            elif frame.kind == Kind.SNAPSHOT:
                code = Snapshot.parse(frame.payload).code
            else:
                self._chain(boot, Boot.parse(frame.payload))
        except Malformed:
            code = "?"  # kept with its frame; queries leave it out
        mono = min(frame.mono_us, MAX_MONO_US)
        self.connection.execute(
            "INSERT INTO record (node, boot, seq, kind, mono, utc, code, frame) VALUES (?, ?, "
            "?, ?, ?, ?, ?, ?) "
            "ON CONFLICT DO NOTHING",
            (self.node, boot, frame.seq, frame.kind, mono, self._utc(boot, mono), code, frame.encode()),
        )

    def _chain(self, boot: int, start: Boot) -> None:
        """Remember what a start tells about the boot before it."""
        if not start.previous_boot_id:
            return
        self.connection.execute("UPDATE boot SET previous = ? WHERE id = ?", (start.previous_boot_id, boot))
        previous = ensure_boot(self.connection, self.node, start.previous_boot_id)
        self.connection.execute(
            "UPDATE boot SET next_seq = ? WHERE id = ?", (start.previous_next_seq, previous)
        )


def ensure_boot(connection: sqlite3.Connection, node: int, boot_id: int) -> int:
    """Return the row of a boot, a new one if need be."""
    connection.execute(
        "INSERT INTO boot (node, boot_id) VALUES (?, ?) ON CONFLICT DO NOTHING", (node, boot_id)
    )
    (key,) = connection.execute(
        "SELECT id FROM boot WHERE node = ? AND boot_id = ?", (node, boot_id)
    ).fetchone()
    return int(key)


class Received:
    """Which sequence numbers of a node are there, boot by boot, as the index says."""

    def __init__(self, connection: sqlite3.Connection, node: int) -> None:
        """Load boots as they are asked for."""
        self.connection = connection
        self.node = node
        self._sets: dict[int, tuple[int, RangeSet, RangeSet]] = {}

    def of(self, boot_id: int) -> tuple[RangeSet, RangeSet]:
        """Return what was received of a boot and what the node declared lost."""
        if boot_id not in self._sets:
            boot = ensure_boot(self.connection, self.node, boot_id)
            self._sets[boot_id] = (boot, *load_spans(self.connection, boot))
        return self._sets[boot_id][1:]

    def save(self) -> None:
        """Write what changed."""
        for boot, *sets in self._sets.values():
            for lost, held in enumerate(sets):
                before = set(
                    self.connection.execute(
                        "SELECT first, last FROM span WHERE boot = ? AND lost = ?", (boot, lost)
                    ).fetchall()
                )
                after = set(held.ranges())
                self.connection.executemany(
                    "DELETE FROM span WHERE boot = ? AND lost = ? AND first = ?",
                    [(boot, lost, first) for first, _ in before - after],
                )
                self.connection.executemany(
                    "INSERT INTO span VALUES (?, ?, ?, ?)", [(boot, lost, *span) for span in after - before]
                )


def load_spans(connection: sqlite3.Connection, boot: int) -> tuple[RangeSet, RangeSet]:
    """Return the received and the lost numbers of a boot row."""
    sets = (RangeSet(), RangeSet())
    for lost, first, last in connection.execute("SELECT lost, first, last FROM span WHERE boot = ?", (boot,)):
        sets[lost].add(first, last)
    return sets
