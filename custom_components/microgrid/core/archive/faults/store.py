"""The fault store: the door to everything in this package.

`faults.db` says what is known, `snapshots/<node>/` holds the objects. All methods block and may be called
from any thread; one process at a time may write. A damaged database is put aside and made again from what
can be read of it and from the files; the caller adds what the log tells with `adopt`.
"""

from __future__ import annotations

import contextlib
import json
import shutil
import sqlite3
import threading
import time
import zlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from ...codec.umg1.frame import Kind, Scan
from ...codec.umg1.records import Snapshot
from ...codec.umg1.wire import Malformed
from ...contract.snapshot import SnapshotChunk, SnapshotPart, SnapshotState
from ..errors import ArchiveDamaged, ArchiveFull, index_refused, refused
from ..recovery import Finding
from .database import Database
from .files import SnapshotFiles
from .records import Analysis, Annotation, Member, Past, Pull, RecordedFault, Stage, StoredPart

RESERVE_BYTES = 64 << 20  # left free for the rest of the machine
MAX_OBJECTS = 4
"""Objects kept of one part of a node's snapshot: one that offers ever new ones must not fill the disk."""
_DATABASE = "faults.db"
_STATES = (SnapshotState.COMPLETE, SnapshotState.PARTIAL, SnapshotState.EXTENDED)  # as the log numbers them
_ADOPTED = "adopted"
# What the files cannot tell again, in the order of its references.
_KEPT = ("fault", "member", "snapshot", "analysis", "annotation", "mark")
_FAULT = (
    "event_id, node, code, severity, at_us, recorded_us, late, cleared_us, gateway, stage, pull, told_us, "
    "readings"
)
_TIME = "ifnull(at_us, recorded_us)"
# What was heard at once has the order in which it came, also where a node set its clock in between.
_ORDER = f"CASE WHEN late THEN {_TIME} ELSE recorded_us END"
_ANALYSIS = "engine, cause, origin, confidence, summary, fingerprint, report, made_us, explanation"
_PART = "number, event_id, node, part, state, name, bytes, crc, stored_us"


def _now_us() -> int:
    return time.time_ns() // 1000


def snapshot_of(data: bytes) -> Snapshot | None:
    """Return what an object says to be about; None when it is no snapshot."""
    for frame in Scan(data):
        if frame.kind == Kind.SNAPSHOT:
            with contextlib.suppress(Malformed):
                return Snapshot.parse(frame.payload)
    return None


class FaultStore:
    """Faults with their snapshots, analyses and annotations."""

    def __init__(
        self, folder: Path, *, reserve_bytes: int = RESERVE_BYTES, now_us: Callable[[], int] = _now_us
    ) -> None:
        """Open or create the store and repair what a crash left; raises ArchiveError or NewerArchive."""
        self.folder = folder
        self.files = SnapshotFiles(folder / "snapshots")
        self.findings: list[Finding] = []
        """What was found and repaired."""
        self._reserve_bytes = reserve_bytes
        self._now_us = now_us
        self._writing = threading.Lock()
        folder.mkdir(parents=True, exist_ok=True)
        try:
            self._open()
        except (sqlite3.DatabaseError, ArchiveDamaged) as error:
            if isinstance(error, sqlite3.OperationalError) and "no such" not in str(error):
                raise index_refused(error) from error
            self.findings.append(Finding(str(folder / _DATABASE), f"{error}: made again from the files"))
            broken = self._put_aside()
            self._database = Database(folder / _DATABASE)
            self._salvage(broken)
            self._compare()

    def _open(self) -> None:
        self._database = Database(self.folder / _DATABASE)
        try:
            self._compare()
        except BaseException:
            self._database.close()
            raise

    def close(self) -> None:
        """Close; the store cannot be used after that."""
        self._database.close()

    def checkpoint(self) -> None:
        """Make the database whole without its write-ahead log (before a backup)."""
        self._database.checkpoint()

    # ------------------------------------------------------------------------------------------ what happened

    def record(self, fault: RecordedFault, members: Iterable[Member] = ()) -> bool:
        """Remember a fault; False when it is known already. Durable on return."""
        with self._database.transaction() as connection:
            return self._record(connection, fault, members)

    def adopt(self, faults: Iterable[RecordedFault], history_before_us: int) -> int:
        """Enter the faults that the log tells; returns how many are new.

        Of an older log than this store, those raised before `history_before_us`, or at a time that nobody
        knows, are history: nobody is told.

        What only snapshots told so far is completed.
        """
        new = 0
        with self._database.transaction() as connection:
            first = connection.execute("SELECT 1 FROM mark WHERE name = ?", (_ADOPTED,)).fetchone() is None
            for fault in faults:
                if connection.execute(
                    "UPDATE fault SET node = ?, code = ?, severity = ?, at_us = ?, late = 1 "
                    "WHERE event_id = ? AND severity = ''",
                    (fault.node, fault.code, fault.severity, fault.at_us, fault.event_id),
                ).rowcount:
                    continue
                history = first and (fault.at_us is None or fault.at_us < history_before_us)
                told = replace(fault, stage=Stage.TOLD, pull=Pull.GIVEN_UP) if history else fault
                new += self._record(connection, told, ())
            if first:
                connection.execute("INSERT INTO mark VALUES (?, ?)", (_ADOPTED, self._now_us()))
        return new

    @property
    def adopted(self) -> bool:
        """Whether what the log told before this store was made has been entered."""
        with self._database.reading() as connection:
            found = connection.execute("SELECT 1 FROM mark WHERE name = ?", (_ADOPTED,)).fetchone()
        return found is not None

    def clear(self, ends: Iterable[tuple[str, str, int]]) -> None:
        """Remember by node, code and time that faults are over: the newest of the code raised before."""
        with self._database.transaction() as connection:
            connection.executemany(
                "UPDATE fault SET cleared_us = ?3 WHERE cleared_us IS NULL AND event_id = (SELECT event_id "
                f"FROM fault WHERE node = ?1 AND code = ?2 AND {_TIME} <= ?3 ORDER BY {_TIME} DESC LIMIT 1)",
                ends,
            )

    def clear_heard(self, node: str, code: str, at_us: int) -> None:
        """Remember that a fault is over whose end was heard at once, at `at_us` by the node's clock.

        It is the newest of the code that was heard before, or that the log told and that was raised before.
        """
        with self._database.transaction() as connection:
            connection.execute(
                "UPDATE fault SET cleared_us = ?3 WHERE cleared_us IS NULL AND event_id = (SELECT event_id "
                f"FROM fault WHERE node = ?1 AND code = ?2 AND (NOT late OR {_TIME} <= ?3) "
                f"ORDER BY {_ORDER} DESC LIMIT 1)",
                (node, code, at_us),
            )

    def set_members(self, event_id: str, gateway: str | None, members: Iterable[Member]) -> None:
        """Remember more nodes that should have recorded a fault, and the gateway of its cluster."""
        with self._database.transaction() as connection:
            connection.execute(
                "UPDATE fault SET gateway = ifnull(?, gateway) WHERE event_id = ?", (gateway, event_id)
            )
            _add_members(connection, event_id, members)

    # -------------------------------------------------------------------------------------------- where it is

    def advance(self, event_id: str, stage: Stage) -> None:
        """Remember how far a fault has come; it never goes back."""
        with self._database.transaction() as connection:
            connection.execute(
                "UPDATE fault SET stage = ? WHERE event_id = ? AND stage < ?", (stage, event_id, stage)
            )

    def begin_telling(self, event_id: str) -> Stage:
        """Remember that the operator is about to be told; returns the stage before."""
        with self._database.transaction() as connection:
            row = connection.execute("SELECT stage FROM fault WHERE event_id = ?", (event_id,)).fetchone()
            if row is None:
                raise LookupError(f"no fault {event_id}")
            if row[0] < Stage.TELLING:
                connection.execute("UPDATE fault SET stage = ? WHERE event_id = ?", (Stage.TELLING, event_id))
        return Stage(row[0])

    def told(self, event_id: str) -> None:
        """Remember that the operator was told."""
        with self._database.transaction() as connection:
            connection.execute(
                "UPDATE fault SET stage = ?, told_us = ifnull(told_us, ?) WHERE event_id = ?",
                (Stage.TOLD, self._now_us(), event_id),
            )

    def set_pull(self, event_id: str, pull: Pull) -> None:
        """Remember whether more snapshots are wanted; what was pulled in part is dropped when not."""
        with self._database.transaction() as connection:
            connection.execute("UPDATE fault SET pull = ? WHERE event_id = ?", (pull, event_id))
            if pull is not Pull.OPEN:
                connection.execute("DELETE FROM incoming WHERE event_id = ?", (event_id,))
        if pull is not Pull.OPEN:
            self._database.shrink()

    def unfinished(self) -> list[str]:
        """Return the faults that the operator was not told of, the oldest first."""
        return self._ids("stage < 5 ORDER BY recorded_us", ())

    def waiting(self, limit: int) -> list[str]:
        """Return the faults that were told but miss snapshots, the newest first."""
        return self._ids("pull = 0 AND stage = 5 ORDER BY recorded_us DESC LIMIT ?", (limit,))

    def _ids(self, condition: str, values: Sequence[Any]) -> list[str]:
        with self._database.reading() as connection:
            rows = connection.execute(f"SELECT event_id FROM fault WHERE {condition}", values).fetchall()
        return [row[0] for row in rows]

    # ---------------------------------------------------------------------------------------------- snapshots

    def keep_chunks(self, node: str, chunks: Sequence[SnapshotChunk]) -> None:
        """Keep chunks of an object that is being pulled; those of another object in its place are dropped."""
        if not chunks:
            return
        self._check_space(sum(len(chunk.data) for chunk in chunks))
        with self._database.transaction() as connection:
            for chunk in chunks:
                key = (chunk.event_id, node, chunk.part)
                of = (chunk.count, chunk.object_bytes, chunk.object_crc)
                connection.execute(
                    "DELETE FROM incoming WHERE (event_id, node, part) = (?, ?, ?) "
                    "AND (count, bytes, crc) <> (?, ?, ?)",
                    (*key, *of),
                )
                connection.execute(
                    "INSERT OR REPLACE INTO incoming VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                    (*key, chunk.number, chunk.state, *of, chunk.data),
                )

    def kept_chunks(self, event_id: str, node: str, part: SnapshotPart) -> list[SnapshotChunk]:
        """Return what there is of an object that is being pulled."""
        with self._database.reading() as connection:
            rows = connection.execute(
                "SELECT state, number, count, bytes, crc, data FROM incoming "
                "WHERE (event_id, node, part) = (?, ?, ?) ORDER BY number",
                (event_id, node, part),
            ).fetchall()
        return [SnapshotChunk(event_id, part, SnapshotState(row[0]), *row[1:]) for row in rows]

    def drop_chunks(self, event_id: str, node: str, part: SnapshotPart) -> None:
        """Forget what there is of an object that is being pulled: it is not what it says."""
        with self._database.transaction() as connection:
            _drop_chunks(connection, event_id, node, part)

    def store_part(
        self, event_id: str, node: str, part: SnapshotPart, state: SnapshotState, data: bytes
    ) -> StoredPart:
        """Store a whole object; one that is stored already is returned. Durable on return.

        Raises ArchiveUnavailable, and ValueError when there have been too many of the same part.
        """
        crc = zlib.crc32(data)
        with self._writing:
            for stored in self.parts(event_id):
                if (stored.node, stored.part, stored.bytes, stored.crc) == (node, part, len(data), crc):
                    self.drop_chunks(event_id, node, part)
                    return stored
            if (
                sum((stored.node, stored.part) == (node, part) for stored in self.parts(event_id))
                >= MAX_OBJECTS
            ):
                self.drop_chunks(event_id, node, part)
                raise ValueError(
                    f"{node} offers more than {MAX_OBJECTS} different objects as {part} of {event_id}"
                )
            self._check_space(len(data))
            now_us = self._now_us()
            name = self.files.name(self._next_number, part, now_us)
            stored = StoredPart(self._next_number, event_id, node, part, state, name, len(data), crc, now_us)
            try:
                self.files.write(self.files.path(node, name), data)
            except OSError as error:
                raise refused(name, error) from error
            self._next_number += 1
            with self._database.transaction() as connection:
                _insert_part(connection, stored)
                _drop_chunks(connection, event_id, node, part)
        return stored

    def parts(self, event_id: str) -> list[StoredPart]:
        """Return the objects of a fault in the order they came."""
        with self._database.reading() as connection:
            rows = connection.execute(
                f"SELECT {_PART} FROM snapshot WHERE event_id = ? ORDER BY number",
                (event_id,),
            ).fetchall()
        return [_part(row) for row in rows]

    def path(self, part: StoredPart) -> Path:
        """Return the file of an object."""
        return self.files.path(part.node, part.name)

    def read_part(self, part: StoredPart) -> bytes:
        """Return an object; raises ArchiveDamaged when the file is not what was stored."""
        try:
            data = self.path(part).read_bytes()
        except OSError as error:
            raise ArchiveDamaged(f"{part.name}: {error}") from error
        if (len(data), zlib.crc32(data)) != (part.bytes, part.crc):
            raise ArchiveDamaged(f"{part.name} is not what was stored: its CRC is wrong")
        return data

    def _check_space(self, more: int) -> None:
        if shutil.disk_usage(self.folder).free < self._reserve_bytes + more:
            raise ArchiveFull(
                f"{self.folder}: {self._reserve_bytes >> 20} MiB are left to the rest of the machine; "
                "nothing was stored, free some space"
            )

    # ------------------------------------------------------------------------------- analyses and annotations

    def add_analysis(self, event_id: str, analysis: Analysis, *, advance: bool = True) -> None:
        """Keep an analysis; with `advance` it is the one that the operator waits for."""
        with self._database.transaction() as connection:
            connection.execute(
                f"INSERT INTO analysis (event_id, {_ANALYSIS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    event_id,
                    analysis.engine,
                    analysis.cause,
                    analysis.origin,
                    analysis.confidence,
                    analysis.summary,
                    analysis.fingerprint,
                    analysis.report,
                    analysis.made_us,
                    analysis.explanation,
                ),
            )
            if advance:
                connection.execute(
                    "UPDATE fault SET stage = ? WHERE event_id = ? AND stage < ?",
                    (Stage.DIAGNOSED, event_id, Stage.DIAGNOSED),
                )

    def analyses(self, event_id: str) -> list[Analysis]:
        """Return the analyses of a fault, the newest last."""
        with self._database.reading() as connection:
            rows = connection.execute(
                f"SELECT {_ANALYSIS} FROM analysis WHERE event_id = ? ORDER BY number",
                (event_id,),
            ).fetchall()
        return [Analysis(*row) for row in rows]

    def past(self, node: str, code: str, before_us: int, limit: int) -> list[Past]:
        """Return earlier faults of a node with what was found of them at last, newest first."""
        with self._database.reading() as connection:
            rows = connection.execute(
                f"SELECT fault.event_id, node, fingerprint, {_TIME}, cause, (SELECT annotation.cause "
                "FROM annotation WHERE annotation.event_id = fault.event_id AND annotation.cause NOT NULL "
                "ORDER BY annotation.number DESC LIMIT 1) FROM fault JOIN analysis ON number = "
                "(SELECT max(number) FROM analysis WHERE analysis.event_id = fault.event_id) "
                f"WHERE node = ? AND code = ? AND {_TIME} < ? AND fingerprint <> '' "
                f"ORDER BY {_TIME} DESC LIMIT ?",
                (node, code, before_us, limit),
            ).fetchall()
        return [Past(*row) for row in rows]

    def annotate(self, event_id: str, annotation: Annotation) -> None:
        """Keep what the operator found; raises LookupError for an unknown fault."""
        if self.get(event_id) is None:
            raise LookupError(f"no fault {event_id}")
        with self._database.transaction() as connection:
            connection.execute(
                "INSERT INTO annotation (event_id, made_us, author, cause, note) VALUES (?, ?, ?, ?, ?)",
                (event_id, annotation.made_us, annotation.author, annotation.cause, annotation.note),
            )

    def annotations(self, event_id: str) -> list[Annotation]:
        """Return what the operator found, the newest last."""
        with self._database.reading() as connection:
            rows = connection.execute(
                "SELECT made_us, author, cause, note FROM annotation WHERE event_id = ? ORDER BY number",
                (event_id,),
            ).fetchall()
        return [Annotation(*row) for row in rows]

    # ---------------------------------------------------------------------------------------------- questions

    def get(self, event_id: str) -> RecordedFault | None:
        """Return a fault."""
        with self._database.reading() as connection:
            row = connection.execute(f"SELECT {_FAULT} FROM fault WHERE event_id = ?", (event_id,)).fetchone()
        return None if row is None else _fault(row)

    def members(self, event_id: str) -> list[Member]:
        """Return the nodes that recorded a fault, or should have."""
        with self._database.reading() as connection:
            rows = connection.execute(
                "SELECT node, kind FROM member WHERE event_id = ? ORDER BY node", (event_id,)
            ).fetchall()
        return [Member(*row) for row in rows]

    def faults(
        self,
        *,
        nodes: Sequence[str] = (),
        codes: Sequence[str] = (),
        start_us: int | None = None,
        end_us: int | None = None,
        note: str | None = None,
        noted_since_us: int | None = None,
        limit: int = 100,
    ) -> list[tuple[RecordedFault, Analysis | None]]:
        """Return faults with start ≤ time < end and the newest analysis of each; the newest fault first.

        With a `note`, only those that somebody annotated with exactly it, not before `noted_since_us`.
        """
        conditions, values = ["1"], list[Any]()
        for column, chosen in (("node", nodes), ("code", codes)):
            if chosen:
                conditions.append(f"{column} IN ({', '.join('?' * len(chosen))})")
                values.extend(chosen)
        for comparison, limit_us in ((">=", start_us), ("<", end_us)):
            if limit_us is not None:
                conditions.append(f"{_TIME} {comparison} ?")
                values.append(limit_us)
        if note is not None:
            conditions.append(
                "EXISTS (SELECT 1 FROM annotation WHERE annotation.event_id = fault.event_id AND note = ? "
                "AND made_us >= ?)"
            )
            values += [note, 0 if noted_since_us is None else noted_since_us]
        with self._database.reading() as connection:
            rows = connection.execute(
                f"SELECT {_FAULT} FROM fault WHERE {' AND '.join(conditions)} "
                f"ORDER BY {_TIME} DESC, event_id LIMIT ?",
                (*values, limit),
            ).fetchall()
            return [(_fault(row), _newest(connection, row[0])) for row in rows]

    def latest(self, node: str | None = None) -> list[tuple[RecordedFault, Analysis | None]]:
        """Return the newest fault of a node, or of every node, with its newest analysis."""
        with self._database.reading() as connection:
            rows = connection.execute(
                f"SELECT {_FAULT}, max({_ORDER}) FROM fault WHERE ?1 IS NULL OR node = ?1 GROUP BY node",
                (node,),
            ).fetchall()
            return [(_fault(row[:-1]), _newest(connection, row[0])) for row in rows]

    def open_faults(self, node: str, severity: str) -> list[tuple[RecordedFault, Analysis | None]]:
        """Return the newest fault of each code at a node, with its newest analysis, where it is neither over
        nor annotated; in the order of codes. An older one of a code is not asked about: it came again since.
        """
        with self._database.reading() as connection:
            rows = connection.execute(
                f"SELECT {_FAULT} FROM (SELECT *, row_number() OVER (PARTITION BY code "
                f"ORDER BY {_ORDER} DESC, recorded_us DESC) AS place FROM fault "
                "WHERE node = ? AND severity = ?) WHERE place = 1 ORDER BY code",
                (node, severity),
            ).fetchall()
            faults = [fault for row in rows if (fault := _fault(row)).cleared_us is None]
            return [
                (fault, _newest(connection, fault.event_id))
                for fault in faults
                if connection.execute(
                    "SELECT 1 FROM annotation WHERE event_id = ?", (fault.event_id,)
                ).fetchone()
                is None
            ]

    # ------------------------------------------------------------------------------------------------- inside

    def _record(
        self, connection: sqlite3.Connection, fault: RecordedFault, members: Iterable[Member]
    ) -> bool:
        new = connection.execute(
            f"INSERT INTO fault ({_FAULT}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) "
            "ON CONFLICT DO NOTHING",
            (
                fault.event_id,
                fault.node,
                fault.code,
                fault.severity,
                fault.at_us,
                fault.recorded_us,
                fault.late,
                fault.cleared_us,
                fault.gateway,
                fault.stage,
                fault.pull,
                fault.told_us,
                json.dumps(dict(fault.values)),
            ),
        ).rowcount
        if new:
            _add_members(connection, fault.event_id, members)
        return bool(new)

    def _put_aside(self) -> Path:
        """Rename the database and its write-ahead log; returns the new name."""
        target = self.folder / f"{_DATABASE}.broken"
        for old in self.folder.glob(f"{target.name}*"):
            old.unlink()  # an earlier one was copied from already
        for suffix in ("-wal", "-shm", ""):
            part = self.folder / f"{_DATABASE}{suffix}"
            if part.exists():
                part.rename(self.folder / f"{target.name}{suffix}")
        return target

    def _salvage(self, broken: Path) -> None:
        """Copy what can be read of a damaged database."""
        try:
            old = sqlite3.connect(f"file:{broken}?mode=ro", uri=True)
        except sqlite3.Error as error:
            self.findings.append(Finding(str(broken), f"nothing could be saved: {error}"))
            return
        with contextlib.closing(old), self._database.transaction() as connection:
            for table in _KEPT:
                count = 0
                try:
                    for row in old.execute(f"SELECT * FROM {table}"):  # a name of our own list
                        marks = ", ".join("?" * len(row))
                        with contextlib.suppress(sqlite3.IntegrityError):  # its fault could not be read
                            connection.execute(f"INSERT OR IGNORE INTO {table} VALUES ({marks})", row)
                            count += 1
                except sqlite3.DatabaseError as error:
                    self.findings.append(
                        Finding(str(broken), f"table {table}: {count} rows saved, then {error}")
                    )
            # The log tells what is missing now; all of it is history.
            connection.execute("DELETE FROM mark WHERE name = ?", (_ADOPTED,))

    def _compare(self) -> None:
        """Make files and database agree: enter the files that no row knows, forget rows without file."""
        self.files.clean()
        with self._database.transaction() as connection:
            rows = {row[0]: _part(row) for row in connection.execute(f"SELECT {_PART} FROM snapshot")}
            self._next_number = max(rows, default=0) + 1
            there = set()
            for number, node, part, path in self.files.listing():
                self._next_number = max(self._next_number, number + 1)
                there.add((node, path.name))
                if number not in rows:
                    self._enter(connection, number, node, part, path)
            for stored in rows.values():
                if (stored.node, stored.name) not in there:
                    connection.execute("DELETE FROM snapshot WHERE number = ?", (stored.number,))
                    self.findings.append(Finding(str(self.path(stored)), "the file is gone"))

    def _enter(
        self, connection: sqlite3.Connection, number: int, node: str, part: SnapshotPart, path: Path
    ) -> None:
        try:
            data = path.read_bytes()
        except OSError as error:
            self.findings.append(Finding(str(path), f"it cannot be read: {error}"))
            return
        if (snapshot := snapshot_of(data)) is None or not 0 <= snapshot.state < len(_STATES):
            self.findings.append(Finding(str(path), "it is no snapshot; it was left where it is"))
            return
        now_us = self._now_us()
        at_us = snapshot.trigger_utc_us or None
        self._record(
            connection,
            RecordedFault(
                snapshot.event_id,
                snapshot.origin,
                snapshot.code,
                "",
                at_us,
                at_us or now_us,
                late=True,
                stage=Stage.TOLD,
                pull=Pull.GIVEN_UP,
            ),
            (),
        )
        if snapshot.origin == node:  # others know it by its number on the bus alone
            connection.execute(
                "UPDATE fault SET node = ? WHERE event_id = ? AND severity = ''", (node, snapshot.event_id)
            )
        stored = StoredPart(
            number,
            snapshot.event_id,
            node,
            part,
            _STATES[snapshot.state],
            path.name,
            len(data),
            zlib.crc32(data),
            now_us,
        )
        with contextlib.suppress(sqlite3.IntegrityError):  # the same object is there under another number
            _insert_part(connection, stored)


def _add_members(connection: sqlite3.Connection, event_id: str, members: Iterable[Member]) -> None:
    connection.executemany(
        "INSERT INTO member VALUES (?, ?, ?) ON CONFLICT DO NOTHING",
        [(event_id, member.node, member.kind) for member in members],
    )


def _insert_part(connection: sqlite3.Connection, stored: StoredPart) -> None:
    connection.execute(
        "INSERT INTO snapshot VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            stored.number,
            stored.event_id,
            stored.node,
            stored.part,
            stored.state,
            stored.name,
            stored.bytes,
            stored.crc,
            stored.stored_us,
        ),
    )


def _drop_chunks(connection: sqlite3.Connection, event_id: str, node: str, part: SnapshotPart) -> None:
    connection.execute(
        "DELETE FROM incoming WHERE (event_id, node, part) = (?, ?, ?)", (event_id, node, part)
    )


def _part(row: Sequence[Any]) -> StoredPart:
    number, event_id, node, part, state, *rest = row
    return StoredPart(number, event_id, node, SnapshotPart(part), SnapshotState(state), *rest)


def _fault(row: Sequence[Any]) -> RecordedFault:
    event_id, node, code, severity, at_us, recorded_us, late, cleared_us, gateway, stage, pull, *rest = row
    told_us, readings = rest
    return RecordedFault(
        event_id,
        node,
        code,
        severity,
        at_us,
        recorded_us,
        bool(late),
        cleared_us,
        gateway,
        Stage(stage),
        Pull(pull),
        told_us,
        json.loads(readings),
    )


def _newest(connection: sqlite3.Connection, event_id: str) -> Analysis | None:
    row = connection.execute(
        f"SELECT {_ANALYSIS} FROM analysis WHERE event_id = ? ORDER BY number DESC LIMIT 1",
        (event_id,),
    ).fetchone()
    return None if row is None else Analysis(*row)
