"""Named cursors: every sink reads all frames of all nodes in the order of their arrival, at its own pace."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass

from ..codec.umg1.frame import Frame
from .index import Index, node_key
from .reading import Chunk, Findings, read_frames
from .store import LogFiles

_BEYOND = 1 << 62  # behind every file there will be


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """A place in the log of one node: everything before it has arrived earlier."""

    number: int
    """Of the file."""
    offset: int


@dataclass(frozen=True, slots=True)
class Delivery:
    """Frames of one node and the place behind them, to be given to `advance` once they are dealt with."""

    node: str
    frames: tuple[Frame, ...]
    place: Place
    damaged_bytes: int
    """What could not be read on the way."""


class Cursor:
    """The place of one sink."""

    def __init__(self, name: str, index: Index, files: LogFiles) -> None:
        """Register the sink, at the beginning of everything that is there."""
        self.name = name
        self.index = index
        self.files = files
        with index.write() as connection:
            connection.execute("INSERT INTO sink (name) VALUES (?) ON CONFLICT DO NOTHING", (name,))

    def place(self, node: str) -> Place:
        """Return where the sink stands in the log of a node."""
        with self.index.read() as connection:
            return self._place(connection, node_key(connection, node))

    def _place(self, connection: sqlite3.Connection, node: int | None) -> Place:
        row = connection.execute(
            "SELECT number, offset FROM cursor WHERE sink = ? AND node = ?", (self.name, node)
        ).fetchone()
        return Place(0, 0) if row is None else Place(*row)

    def read(self, node: str, max_bytes: int = 1 << 20) -> Delivery | None:
        """Return the next frames of a node, about `max_bytes` of them; None when there are no more."""
        with self.index.read() as connection:
            key = node_key(connection, node)
            place = self._place(connection, key)
            chunks = []
            size = 0
            for number, end, *row in connection.execute(
                "SELECT file.number, chunk.offset + chunk.size, file.name, chunk.offset, "
                "chunk.size, chunk.boot, "
                "boot.boot_id, mono_first, mono_end FROM file JOIN chunk ON chunk.file = file.id "
                "JOIN boot ON boot.id = chunk.boot WHERE file.node = ? AND file.number >= ? "
                "AND (file.number > ? OR chunk.offset >= ?) ORDER BY file.number, chunk.offset",
                (key, place.number, place.number, place.offset),
            ):
                chunks.append(Chunk(*row))
                place = Place(number, end)
                size += chunks[-1].size
                if size >= max_bytes:
                    break
        if not chunks:
            return None
        findings = Findings()
        frames = tuple(read_frames(self.files, node, chunks, findings))
        return Delivery(node, frames, place, findings.damaged_bytes)

    def deliveries(self, max_bytes: int = 1 << 20) -> Iterator[Delivery]:
        """Yield the next frames of every node that has some, once round; advance after each."""
        with self.index.read() as connection:
            nodes = [row[0] for row in connection.execute("SELECT name FROM node ORDER BY id")]
        for node in nodes:
            if (delivery := self.read(node, max_bytes)) is not None:
                yield delivery

    def advance(self, node: str, place: Place) -> None:
        """Remember durably that everything of a node before `place` is dealt with; never goes back."""
        with self.index.write() as connection:
            key = node_key(connection, node)
            if key is None:
                raise ValueError(f"sink {self.name}: node {node!r} is unknown to the archive")
            connection.execute(
                "INSERT INTO cursor VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE SET number = excluded.number, "
                "offset = excluded.offset WHERE (excluded.number, excluded.offset) > (number, offset)",
                (self.name, key, place.number, place.offset),
            )

    def behind(self) -> dict[str, int]:
        """Return the bytes that wait for the sink, by node."""
        with self.index.read() as connection:
            rows = connection.execute(
                "SELECT node.name, sum(chunk.size) FROM chunk JOIN file ON file.id = chunk.file "
                "JOIN node ON node.id = chunk.node LEFT JOIN cursor ON cursor.node = node.id "
                "AND cursor.sink = ? "
                "WHERE cursor.number IS NULL OR file.number > cursor.number "
                "OR (file.number = cursor.number AND chunk.offset >= cursor.offset) GROUP BY node.name",
                (self.name,),
            ).fetchall()
        return dict(rows)

    def leave_frames(self) -> None:
        """Let the retention delete frames of all nodes: this sink reads nothing but roll-ups."""
        with self.index.write() as connection:
            connection.execute(
                "INSERT INTO cursor SELECT ?, id, ?, 0 FROM node WHERE true ON CONFLICT DO NOTHING",
                (self.name, _BEYOND),
            )

    def changed_hours(self, limit: int = 1000) -> list[tuple[str, int, int]]:
        """Return node, hour (UTC s) and revision of roll-ups computed since `seen`, oldest revision first."""
        with self.index.read() as connection:
            return connection.execute(
                "SELECT node.name, hour_s, changed.revision FROM changed JOIN node ON node.id = changed.node "
                "WHERE changed.revision > (SELECT revision FROM sink WHERE name = ?) "
                "ORDER BY changed.revision, node.name, hour_s LIMIT ?",
                (self.name, limit),
            ).fetchall()

    def seen(self, revision: int) -> None:
        """Remember durably that the roll-ups up to a revision are dealt with."""
        with self.index.write() as connection:
            connection.execute(
                "UPDATE sink SET revision = max(revision, ?) WHERE name = ?", (revision, self.name)
            )

    def remove(self) -> None:
        """Forget the sink; the retention waits for it no longer."""
        with self.index.write() as connection:
            connection.execute("DELETE FROM sink WHERE name = ?", (self.name,))
