"""Making files and index agree: at every start, and after the loss of the index from the files alone."""

from __future__ import annotations

import itertools
import sqlite3
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from ..codec.umg1.frame import Frame, Scan
from ..codec.umg1.segment import FileScan
from .index import Index, ensure_node
from .ingest import Ingest, Placed, Received
from .store import LogFiles

_BATCH_FRAMES = 4096


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that was not as it should be, and what was done about it."""

    path: str
    what: str


class Recovery:
    """Compares files and index."""

    def __init__(self, index: Index, files: LogFiles, now_us: int) -> None:
        """Work on an open index."""
        self.index = index
        self.files = files
        self.now_us = now_us
        self.findings: list[Finding] = []

    def run(self) -> list[Finding]:
        """Repair what a crash or a hand from outside left behind."""
        self._finish_deletions()
        known = self._known()
        seen = set()
        for node, number, path in self.files.listing():
            seen.add((node, number))
            row = known.get((node, number))
            try:
                size = path.stat().st_size
            except FileNotFoundError:
                continue
            if row is None:
                self.adopt(node, number, path)
            elif size < row[1]:
                self._forget_behind(row[0], path, size)
            elif size > row[1]:
                self._extend(node, row[0], path, row[1])
        for (node, number), (file, size) in known.items():
            if (node, number) not in seen and size:
                self._forget_behind(file, self.files.root / node / f"{number}", 0)
        return self.findings

    def rebuild(self) -> list[Finding]:
        """Enter all files into an index that knows nothing or what could be saved of its predecessor."""
        with self.index.write() as connection:
            saved = connection.execute("SELECT boot, first, last FROM span WHERE lost = 0").fetchall()
            connection.execute("DELETE FROM span WHERE lost = 0")
            for node, number, path in self.files.listing():
                self.adopt(node, number, path)
            # Buckets of samples whose files are gone were saved complete: nothing is added to them again.
            connection.execute("UPDATE chunk SET merge_below_s = NULL")
            for boot, first, last in saved:
                node, boot_id = connection.execute(
                    "SELECT node, boot_id FROM boot WHERE id = ?", (boot,)
                ).fetchone()
                received = Received(connection, node)
                received.of(boot_id)[0].add(first, last)
                received.save()
        return self.findings

    def adopt(self, node: str, number: int, path: Path) -> None:
        """Enter a file that the index does not know."""
        scan = FileScan(path)
        with self.index.write() as connection:
            key = ensure_node(connection, node)
            file = connection.execute(
                "INSERT INTO file (node, number, name, size, state, created_us) VALUES (?, ?, ?, 0, 1, ?)",
                (key, number, path.name, self.now_us),
            ).lastrowid
            assert file is not None
            # Only the newest file may grow, or a cursor that has passed it would miss what comes.
            connection.execute("UPDATE file SET state = 1 WHERE node = ? AND state = 0", (key,))
            connection.execute(
                "UPDATE node SET last_number = max(last_number, ?) WHERE id = ?", (number, key)
            )
            end = self._enter(connection, key, file, (Placed(frame, frame.position) for frame in scan))
            connection.execute("UPDATE file SET size = ? WHERE id = ?", (max(end, scan.size), file))
        if scan.damaged:
            lost = sum(stop - start for start, stop in scan.damaged)
            self.findings.append(Finding(str(path), f"{lost} bytes are damaged; what is good was entered"))

    def _finish_deletions(self) -> None:
        with self.index.read() as connection:
            rows = connection.execute(
                "SELECT file.id, node.name, file.name FROM file JOIN node ON node.id = "
                "file.node WHERE state = 2"
            ).fetchall()
        for file, node, name in rows:
            self.files.delete(self.files.path(node, name))
            with self.index.write() as connection:
                connection.execute("DELETE FROM file WHERE id = ?", (file,))

    def _known(self) -> dict[tuple[str, int], tuple[int, int]]:
        with self.index.read() as connection:
            rows = connection.execute(
                "SELECT node.name, file.number, file.id, file.size FROM file JOIN node ON node.id = file.node"
            ).fetchall()
        return {(node, number): (file, size) for node, number, file, size in rows}

    def _extend(self, node: str, file: int, path: Path, indexed: int) -> None:
        """Enter whole frames that were written but not entered, and cut off the beginning of another."""
        data = self.files.read(path, indexed, path.stat().st_size - indexed)
        scan = Scan(data)
        with self.index.write() as connection:
            key = ensure_node(connection, node)
            placed = (Placed(frame, indexed + frame.position) for frame in scan)
            end = max(indexed, self._enter(connection, key, file, placed))
            connection.execute("UPDATE file SET size = ? WHERE id = ?", (end, file))
        self.files.cut(path, end)

    def _enter(self, connection: sqlite3.Connection, node: int, file: int, frames: Iterable[Placed]) -> int:
        """Enter the frames that are new; return where the last frame ends."""
        ingest = Ingest(connection, node, file, self.now_us)
        received = Received(connection, node)
        end = 0
        for batch in _batches(frames):
            end = max(end, batch[-1].offset + batch[-1].frame.size)
            ingest.take([placed for placed in batch if _is_new(received, placed.frame)])
        received.save()
        return end

    def _forget_behind(self, file: int, path: Path, size: int) -> None:
        """Take back what is no longer in a file; the numbers count as missing, the roll-ups stay."""
        with self.index.write() as connection:
            rows = connection.execute(
                "SELECT chunk.id, chunk.node, boot.boot_id, first_seq, frames FROM chunk JOIN "
                "boot ON boot.id = chunk.boot "
                "WHERE file = ? AND offset + size > ?",
                (file, size),
            ).fetchall()
            lost = 0
            for chunk, node, boot_id, first, frames in rows:
                received = Received(connection, node)
                received.of(boot_id)[0].remove(first, first + frames - 1)
                received.save()
                connection.execute("DELETE FROM chunk WHERE id = ?", (chunk,))
                lost += frames
            (end,) = connection.execute(
                "SELECT coalesce(max(offset + size), 0) FROM chunk WHERE file = ?", (file,)
            ).fetchone()
            if size:
                connection.execute("UPDATE file SET size = ?, state = 1 WHERE id = ?", (size, file))
            else:
                connection.execute("DELETE FROM file WHERE id = ?", (file,))
        self.findings.append(
            Finding(
                str(path),
                f"the file is shorter than written: up to {lost} frames behind byte {end} are missing",
            )
        )


def _is_new(received: Received, frame: Frame) -> bool:
    held, _ = received.of(frame.boot_id)
    if frame.seq in held:
        return False
    held.add(frame.seq, frame.seq)
    return True


def _batches(frames: Iterable[Placed]) -> Iterator[list[Placed]]:
    source = iter(frames)
    while batch := list(itertools.islice(source, _BATCH_FRAMES)):
        yield batch


# What the files cannot tell again, in the order of its references; `span` because of the files that the
# retention took.
_KEPT = ("node", "boot", "span", "schema", "channel", "record", "rollup", "changed", "sink", "cursor")


def salvage(broken: Path, index: Index) -> list[Finding]:
    """Copy what only the index knew out of a damaged one, as far as it can be read."""
    findings = []
    try:
        old = sqlite3.connect(f"file:{broken}?mode=ro", uri=True)
    except sqlite3.Error as error:
        return [Finding(str(broken), f"nothing could be saved: {error}")]
    try:
        with index.write() as connection:
            for table in _KEPT:
                count, why = _copy(old, connection, table)
                if why:
                    findings.append(Finding(str(broken), f"table {table}: {count} rows saved, then {why}"))
                if table == "node" and why:
                    break  # without the nodes the other rows belong to nobody
    finally:
        old.close()
    return findings


def _copy(old: sqlite3.Connection, new: sqlite3.Connection, table: str) -> tuple[int, str]:
    count = 0
    try:
        rows = old.execute(f"SELECT * FROM {table}")  # a name of our own list
        for row in rows:
            marks = ", ".join("?" * len(row))
            try:
                new.execute(f"INSERT OR IGNORE INTO {table} VALUES ({marks})", row)
            except sqlite3.IntegrityError:
                continue  # refers to a row that could not be read
            count += 1
    except sqlite3.DatabaseError as error:
        return count, str(error)
    return count, ""
