"""Appending: file first, then index, then the acknowledgement."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from ..codec.umg1.clock import plausible_us
from ..codec.umg1.frame import Frame, Kind, Scan
from .errors import refused
from .index import Index, ensure_node
from .ingest import Ingest, Placed, Received, load_spans
from .ranges import RangeSet
from .store import LogFiles, ShortFile, check_node, day_of

_BATCH_BYTES = 4 << 20  # written and entered together: bounds memory and the time of one transaction


@dataclass(frozen=True, slots=True)
class Position:
    """A place in the log of a node."""

    boot_id: int
    seq: int


@dataclass(frozen=True, slots=True)
class Gap:
    """Frames of a node that were lost before they came here, first and last included."""

    boot_id: int
    first_seq: int
    last_seq: int


@dataclass(frozen=True, slots=True)
class Appended:
    """What became of frames."""

    acknowledged: Position | None
    """Everything of the node up to here is on disk or declared lost."""
    stored: int
    duplicates: int
    refused: tuple[str, ...]
    """Why bytes were not taken."""
    gaps: tuple[Gap, ...] = ()
    """What the node no longer had; of frames that came in the order of its log."""
    events: tuple[Frame, ...] = ()
    """Events among what was stored now."""
    newest_us: int = 0
    """Newest UTC in the heads of the frames that came, new or not; 0 when none knew one that can be."""


class Appender:
    """Puts frames of nodes into their newest file."""

    def __init__(self, index: Index, files: LogFiles, segment_bytes: int) -> None:
        """Begin a new file every UTC day and when one exceeds `segment_bytes`."""
        self.index = index
        self.files = files
        self.segment_bytes = segment_bytes

    def append(
        self, node: str, frames: Iterable[bytes | Frame], now_us: int, *, in_order: bool = False
    ) -> Appended:
        """Store what is new; it is durable on return.

        With `in_order` the node has promised to send its log from what was acknowledged on, in order:
        whatever is missing before the last frame is lost. Raises ArchiveFull or ArchiveUnavailable when the
        medium refuses; what was stored before that stays stored, and sending everything again is harmless.
        """
        check_node(node)
        stored = duplicates = 0
        reasons: list[str] = []
        last: Frame | None = None
        ends: dict[int, int] = {}
        events: list[Frame] = []
        newest_us = 0
        for batch in _batches(frames, reasons):
            new = self._batch(node, batch, now_us)
            stored += len(new)
            duplicates += len(batch) - len(new)
            events += (frame for frame in new if frame.kind == Kind.EVENT)
            known = (frame.utc_us for frame in batch if plausible_us(frame.utc_us, now_us))
            newest_us = max(newest_us, max(known, default=0))
            last = batch[-1]
            for frame in batch:
                ends[frame.boot_id] = max(frame.seq, ends.get(frame.boot_id, 0))
        gaps = self._declare_gaps(node, ends) if in_order and ends else ()
        with self.index.read() as connection:
            position = acknowledged(connection, node, None if last is None else last.boot_id)
        return Appended(position, stored, duplicates, tuple(reasons), gaps, tuple(events), newest_us)

    def declare_lost(self, node: str, boot_id: int, first: int, last: int) -> Position | None:
        """Remember durably that a node no longer has `first` … `last`; return what is acknowledged then."""
        check_node(node)
        if not 0 <= first <= last <= 0xFFFFFFFF:
            raise ValueError(f"{node}: lost range {first} … {last} is none")
        with self.index.write() as connection:
            received = Received(connection, ensure_node(connection, node))
            received.of(boot_id)[1].add(first, last)
            received.save()
            return acknowledged(connection, node, boot_id)

    def _declare_gaps(self, node: str, ends: Mapping[int, int]) -> tuple[Gap, ...]:
        """Declare lost what is missing before the given ends, and of the boots before them."""
        found: list[Gap] = []
        with self.index.write() as connection:
            key = ensure_node(connection, node)
            received = Received(connection, key)
            wanted = dict(ends)
            for boot_id in ends:
                wanted |= _ends_before(connection, key, boot_id, wanted)
            for boot_id, end in wanted.items():
                held, lost = received.of(boot_id)
                known = RangeSet((*held.ranges(), *lost.ranges()))
                for first, last in known.holes(end):
                    if first <= end:
                        lost.add(first, min(last, end))
                        found.append(Gap(boot_id, first, min(last, end)))
            if found:
                received.save()
        return tuple(found)

    def _batch(self, node: str, batch: list[Frame], now_us: int) -> list[Frame]:
        """Store what is new of a batch, and return it."""
        with self.index.write() as connection:
            key = ensure_node(connection, node)
            received = Received(connection, key)
            fresh = []
            for frame in batch:
                held, _ = received.of(frame.boot_id)
                if frame.seq not in held:
                    held.add(frame.seq, frame.seq)
                    fresh.append(frame)
            if fresh:
                self._store(connection, key, node, fresh, now_us)
                received.save()
        return fresh

    def _store(
        self, connection: sqlite3.Connection, key: int, node: str, frames: list[Frame], now_us: int
    ) -> None:
        encoded = [frame.encode() for frame in frames]
        data = b"".join(encoded)
        file, name, size = self._file(connection, key, now_us, len(data))
        head = b""
        if size == 0:
            schemas = connection.execute("SELECT frame FROM schema WHERE node = ?", (key,)).fetchall()
            number = connection.execute("SELECT number FROM file WHERE id = ?", (file,)).fetchone()[0]
            head = self.files.header(node, number, now_us, self.segment_bytes)
            head += b"".join(schema for (schema,) in schemas)
        try:
            self.files.write(self.files.path(node, name), size, head + data)
        except (ShortFile, FileNotFoundError):
            # Somebody took bytes away. The next start looks into it; from now on a new file is written.
            connection.execute("UPDATE file SET state = 1 WHERE id = ?", (file,))
            self._store(connection, key, node, frames, now_us)
            return
        except OSError as error:
            raise refused(f"{node}/{name}", error) from error
        offset = size + len(head)
        placed = []
        for frame, raw in zip(frames, encoded, strict=True):
            placed.append(Placed(frame, offset))
            offset += len(raw)
        connection.execute("UPDATE file SET size = ? WHERE id = ?", (offset, file))
        Ingest(connection, key, file, now_us).take(placed)

    def _file(self, connection: sqlite3.Connection, key: int, now_us: int, size: int) -> tuple[int, str, int]:
        """Return row, name and size of the file to write to; a new one when the newest is done."""
        self.close_old(connection, now_us, key, size)
        row = connection.execute(
            "SELECT id, name, size FROM file WHERE node = ? AND state = 0 ORDER BY number DESC LIMIT 1",
            (key,),
        ).fetchone()
        if row is not None:
            return row[0], row[1], row[2]
        (number,) = connection.execute("SELECT last_number + 1 FROM node WHERE id = ?", (key,)).fetchone()
        connection.execute("UPDATE node SET last_number = ? WHERE id = ?", (number, key))
        name = self.files.name(now_us, number)
        file = connection.execute(
            "INSERT INTO file (node, number, name, size, state, created_us) VALUES (?, ?, ?, 0, 0, ?)",
            (key, number, name, now_us),
        ).lastrowid
        assert file is not None
        return file, name, 0

    def close_old(
        self, connection: sqlite3.Connection, now_us: int, node: int | None = None, size: int = 0
    ) -> None:
        """Close the growing files of another day, and one that `size` more bytes would make too large."""
        connection.execute(
            "UPDATE file SET state = 1 WHERE state = 0 AND (?1 IS NULL OR node = ?1) "
            "AND (substr(name, 1, 10) <> ?2 OR (size > 0 AND size + ?3 > ?4))",
            (node, day_of(now_us), size, self.segment_bytes),
        )


def _ends_before(
    connection: sqlite3.Connection, node: int, boot_id: int, known: Mapping[int, int]
) -> dict[int, int]:
    """Return the last numbers of the boots before one, as far as something of them is here."""
    ends: dict[int, int] = {}
    while True:
        row = connection.execute(
            "SELECT earlier.boot_id, earlier.next_seq FROM boot JOIN boot AS earlier "
            "ON earlier.node = boot.node AND earlier.boot_id = boot.previous "
            "WHERE boot.node = ? AND boot.boot_id = ? AND earlier.next_seq > 0 "
            "AND EXISTS (SELECT 1 FROM span WHERE span.boot = earlier.id)",
            (node, boot_id),
        ).fetchone()
        if row is None or row[0] in known or row[0] in ends:
            return ends
        boot_id = row[0]
        ends[boot_id] = row[1] - 1


def acknowledged(connection: sqlite3.Connection, node: str, boot_id: int | None = None) -> Position | None:
    """Return up to where a node may forget its log: in the given boot or the newest, or in one before it
    that is not complete yet."""
    row = connection.execute(
        "SELECT boot.id, boot.boot_id, previous FROM boot JOIN node ON node.id = boot.node "
        "WHERE node.name = ?1 "
        "AND (?2 IS NULL OR boot_id = ?2) AND EXISTS (SELECT 1 FROM span WHERE span.boot = boot.id) "
        "ORDER BY boot.id DESC LIMIT 1",
        (node, boot_id),
    ).fetchone()
    position: Position | None = None
    visited = set()
    while row is not None and row[0] not in visited:
        boot, number, previous = row
        visited.add(boot)
        known, lost = load_spans(connection, boot)
        for span in lost.ranges():
            known.add(*span)
        (next_seq,) = connection.execute("SELECT next_seq FROM boot WHERE id = ?", (boot,)).fetchone()
        end = known.contiguous()
        if end is None:
            break  # nothing of this boot was ever seen: the archive began after it
        if position is None or (next_seq is not None and end < next_seq - 1):
            position = Position(number, end)
        row = connection.execute(
            "SELECT boot.id, boot_id, previous FROM boot JOIN node ON node.id = boot.node WHERE "
            "node.name = ? AND boot_id = ?",
            (node, previous),
        ).fetchone()
    return position


def _batches(frames: Iterable[bytes | Frame], reasons: list[str]) -> Iterator[list[Frame]]:
    """Yield frames in batches; bytes may hold many frames each."""
    batch: list[Frame] = []
    size = 0
    for item in frames:
        for frame in _frames(item, reasons):
            batch.append(frame)
            size += frame.size
            if size >= _BATCH_BYTES:
                yield batch
                batch, size = [], 0
    if batch:
        yield batch


def _frames(item: bytes | Frame, reasons: list[str]) -> Iterator[Frame]:
    if isinstance(item, Frame):
        yield item
        return
    scan = Scan(item)
    yield from scan
    reasons.extend(
        f"bytes {start} … {end - 1} of {len(item)} are no frame with a good CRC"
        for start, end in scan.damaged
    )
