"""The archive of all nodes in one folder: the door to everything in this package.

`log/<node>/<day>-<number>.umg1` holds frames as received, `index.db` where they are and what was computed
from them. All methods block and may be called from any thread; one process at a time may write.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import sqlite3
import threading
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..codec.umg1.clock import EARLIEST_US, LATEST_AHEAD_US
from ..codec.umg1.frame import Frame, Kind, Scan
from ..codec.umg1.schema import Schema
from .append import Appended, Appender, Position, acknowledged
from .cursors import Cursor
from .derived import DERIVED, Derived
from .errors import ArchiveBusy, ArchiveDamaged, ArchiveFull, ArchiveUnavailable, index_refused
from .index import Index, node_key
from .query import ArchivedEvent, Coverage, History, Queries, Series
from .reading import Findings
from .recovery import Finding, Recovery, salvage
from .retention import Keeper, Retention, RetentionReport
from .rollup import RollUp, Tier
from .store import LogFiles

SEGMENT_BYTES = 4 << 20  # a house fills two or three a day
RESERVE_BYTES = 64 << 20  # left free for the rest of the machine
_INDEX = "index.db"


def _now_us() -> int:
    return time.time_ns() // 1000


@dataclass(frozen=True, slots=True)
class State:
    """Whether the archive takes frames."""

    available: bool
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Sizes:
    """Bytes on disk."""

    log: int
    index: int
    free: int


class Archive:
    """Frames, roll-ups, events and cursors of all nodes."""

    def __init__(
        self,
        folder: Path,
        *,
        retention: Retention | None = None,
        segment_bytes: int = SEGMENT_BYTES,
        reserve_bytes: int = RESERVE_BYTES,
        derived: Sequence[Derived] = DERIVED,
        now_us: Callable[[], int] = _now_us,
    ) -> None:
        """Open or create the archive and repair what a crash left; raises ArchiveBusy and OSError.

        A damaged index is put aside and made again from the files.
        """
        self.folder = folder
        self.retention = retention or Retention()
        self.reserve_bytes = reserve_bytes
        self.findings: list[Finding] = []
        """What was found and repaired when the archive was opened."""
        self._segment_bytes = segment_bytes
        self._derived = tuple(derived)
        self._now_us = now_us
        self._state = State(True)
        self._maintenance = threading.Lock()
        folder.mkdir(parents=True, exist_ok=True)
        self._lock = _lock(folder)
        self.files = LogFiles(folder / "log")
        try:
            try:
                self._open()
            except (sqlite3.DatabaseError, ArchiveDamaged) as error:
                if isinstance(error, sqlite3.OperationalError) and "no such" not in str(error):
                    raise index_refused(error) from error
                self.findings.append(Finding(str(folder / _INDEX), f"{error}: made again from the files"))
                self._rebuild()
        except BaseException:
            os.close(self._lock)
            raise

    def _open(self) -> None:
        self.index = Index(self.folder / _INDEX)
        try:
            self.findings += Recovery(self.index, self.files, self._now_us()).run()
        except BaseException:
            self.index.close()
            raise
        self._join()

    def _join(self) -> None:
        self.queries = Queries(self.index, self.files, self._derived)
        self._appender = Appender(self.index, self.files, self._segment_bytes)
        self._roll_up = RollUp(self.index, self.files, self._derived)

    def close(self) -> None:
        """Close everything; the archive cannot be used after that."""
        self.index.close()
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1

    def __enter__(self) -> Archive:
        """Use as a context manager."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close."""
        self.close()

    # ------------------------------------------------------------------------------------------ taking frames

    @property
    def state(self) -> State:
        """Whether the last attempt to store went well."""
        return self._state

    def append(self, node: str, frames: Iterable[bytes | Frame], *, in_order: bool = False) -> Appended:
        """Store frames (bytes may hold many); everything stored is durable on return.

        With `in_order` the node sends its log in order from what was acknowledged on: what is missing before
        the last frame is lost, and no longer holds the acknowledgement back. Raises ArchiveFull or
        ArchiveUnavailable and ValueError for an impossible node id. After an error the same frames can be
        sent again; nothing is lost and nothing doubled.
        """
        with self._guarded():
            self._check_space()
            return self._appender.append(node, frames, self._now_us(), in_order=in_order)

    def declare_lost(self, node: str, boot_id: int, first: int, last: int) -> Position | None:
        """Take the report of a node that it overwrote `first` … `last`; return what is acknowledged then."""
        with self._guarded():
            return self._appender.declare_lost(node, boot_id, first, last)

    def acknowledged(self, node: str) -> Position | None:
        """Return up to where the node may forget its log, for its newest boot."""
        with self.index.read() as connection:
            return acknowledged(connection, node)

    @contextlib.contextmanager
    def _guarded(self) -> Iterator[None]:
        """Keep the state in step with what happens within."""
        try:
            yield
        except ArchiveUnavailable as error:
            self._state = State(False, str(error))
            raise
        self._state = State(True)

    def _check_space(self) -> None:
        free = shutil.disk_usage(self.folder).free
        if free < self.reserve_bytes:
            raise ArchiveFull(
                f"{self.folder}: {free >> 20} MiB are free, {self.reserve_bytes >> 20} MiB are "
                f"left to the rest of the "
                "machine; nothing was acknowledged, free some space"
            )

    # ---------------------------------------------------------------------------------------------- questions

    def nodes(self) -> list[str]:
        """Return the ids of all nodes."""
        return self.queries.nodes()

    def schemas(self, node: str) -> dict[int, Schema]:
        """Return the schemas of a node by hash."""
        return self.queries.schemas(node)

    def channels(self, node: str) -> dict[str, str]:
        """Return the units of all channels that have roll-ups, by name."""
        return self.queries.channels(node)

    def series(
        self, node: str, names: Collection[str] | None, start_us: int, end_us: int
    ) -> dict[str, Series]:
        """Return samples with start ≤ UTC < end by channel (names None: all); long ranges: see `stream`."""
        return self.queries.series(node, names, start_us, end_us)

    def stream(
        self, node: str, names: Collection[str] | None, start_us: int, end_us: int
    ) -> Iterator[dict[str, Series]]:
        """Yield samples in pieces of an hour, so that memory is bounded."""
        return self.queries.stream(node, names, start_us, end_us)

    def history(
        self, node: str, names: Collection[str] | None, start_s: int, end_s: int, tier: Tier
    ) -> dict[str, History]:
        """Return the buckets that begin within start ≤ UTC < end, computed up to the newest frame.

        On a medium that takes no writes they are those of the last computation.
        """
        with contextlib.suppress(ArchiveUnavailable):
            self.roll_up(node)
        return self.queries.history(node, names, start_s, end_s, tier)

    def events(
        self,
        node: str | None = None,
        start_us: int | None = None,
        end_us: int | None = None,
        *,
        codes: Collection[str] | None = None,
        types: Collection[str] | None = None,
        limit: int | None = None,
    ) -> list[ArchivedEvent]:
        """Return events of a node or of all in the order of time."""
        return self.queries.events(node, start_us, end_us, codes=codes, types=types, limit=limit)

    def records(self, node: str, kind: Kind) -> list[tuple[int | None, Frame]]:
        """Return UTC and frame of all boots, events or heads of snapshots of a node."""
        return self.queries.records(node, kind)

    def coverage(self, node: str) -> Coverage:
        """Return what is there of a node, what is missing and what was declared lost."""
        return self.queries.coverage(node)

    @property
    def unreadable(self) -> Findings:
        """What could not be read since the last query for samples began."""
        return self.queries.findings

    def cursor(self, name: str) -> Cursor:
        """Return the cursor of a sink; the first call registers it, and the retention waits for it then."""
        return Cursor(name, self.index, self.files)

    # ------------------------------------------------------------------------------------------------- upkeep

    def roll_up(self, node: str | None = None, max_batches: int | None = None) -> int:
        """Compute what arrived since the last call; return the number of batches (an hour or less)."""
        with self.index.read() as connection:
            if node is None:
                nodes = connection.execute("SELECT id, name FROM node ORDER BY id").fetchall()
            else:
                key = node_key(connection, node)
                nodes = [] if key is None else [(key, node)]
        done = 0
        for row in nodes:
            left = None if max_batches is None else max_batches - done
            done += self._roll_up.run(row, left)
        return done

    def enforce_retention(self) -> RetentionReport:
        """Delete what is due; call it every hour or so."""
        with self._maintenance:
            now_us = self._now_us()
            with self.index.write() as connection:
                self._appender.close_old(connection, now_us)
            return Keeper(self.index, self.files, self._roll_up).enforce(self.retention, now_us)

    def checkpoint(self) -> None:
        """Make `index.db` whole without its write-ahead log (before a backup)."""
        self.index.checkpoint()

    def sizes(self) -> Sizes:
        """Return what is used and free on disk."""
        with self.index.read() as connection:
            (log,) = connection.execute("SELECT coalesce(sum(size), 0) FROM file").fetchone()
        index = sum(
            path.stat().st_size for path in self.folder.glob(f"{_INDEX}*") if ".broken" not in path.name
        )
        return Sizes(log, index, shutil.disk_usage(self.folder).free)

    def extent_us(self) -> tuple[int, int] | None:
        """Return the UTC of the oldest and of the newest sample in the files; None when there is none.

        What lies in the future is left out: it is the time of nothing.
        """
        with self.index.read() as connection:
            low, high = connection.execute(
                "SELECT min(utc_first), max(utc_end) FROM chunk "
                "WHERE samples > 0 AND utc_first >= ? AND utc_end <= ?",
                (EARLIEST_US, self._now_us() + LATEST_AHEAD_US),
            ).fetchone()
        return None if low is None else (int(low), int(high))

    def verify(self) -> list[Finding]:
        """Read every file and compare it with the index; returns what is wrong and repairs nothing."""
        found = []
        with self.index.read() as connection:
            chunks = connection.execute(
                "SELECT node.name, file.name, offset, chunk.size, boot_id, first_seq, frames FROM chunk "
                "JOIN file ON file.id = chunk.file JOIN node ON node.id = chunk.node JOIN boot "
                "ON boot.id = chunk.boot "
                "ORDER BY file.id, offset"
            ).fetchall()
        for node, name, offset, size, boot_id, first, count in chunks:
            path = self.files.path(node, name)
            try:
                frames = list(Scan(self.files.read(path, offset, size)))
            except FileNotFoundError:
                frames = []
            got = [(frame.boot_id, frame.seq) for frame in frames]
            missing = sorted({(boot_id, first + at) for at in range(count)} - set(got))
            if missing:
                numbers = ", ".join(str(seq) for _, seq in missing[:5])
                found.append(
                    Finding(
                        str(path),
                        f"{len(missing)} of {count} frames at byte {offset} are damaged: seq {numbers}",
                    )
                )
        return found

    def rebuild(self) -> list[Finding]:
        """Make the index again from the files; what only it knew is copied as far as it is readable."""
        with self._maintenance:
            with contextlib.suppress(sqlite3.DatabaseError, ArchiveUnavailable, ValueError):
                self.roll_up()  # what waits to be added to buckets without files is known to this index alone
            self.index.close()
            before = len(self.findings)
            self._rebuild()
            return self.findings[before:]

    def _rebuild(self) -> None:
        broken = self._put_aside()
        self.index = Index(self.folder / _INDEX)
        if broken is not None:
            self.findings += salvage(broken, self.index)
        self.findings += Recovery(self.index, self.files, self._now_us()).rebuild()
        self._join()

    def _put_aside(self) -> Path | None:
        """Rename the index and its write-ahead log; returns the new name."""
        path = self.folder / _INDEX
        if not path.exists():
            return None
        target = self.folder / f"{_INDEX}.broken"
        for old in self.folder.glob(f"{target.name}*"):
            old.unlink()  # an earlier one was copied from already
        for suffix in ("-wal", "-shm", ""):
            part = self.folder / f"{_INDEX}{suffix}"
            if part.exists():
                part.rename(self.folder / f"{target.name}{suffix}")
        return target


@contextlib.contextmanager
def read_only(folder: Path, derived: Sequence[Derived] = DERIVED) -> Iterator[Queries]:
    """Ask an archive that another process may be writing; roll-ups are those it has computed."""
    path = folder / _INDEX
    if not path.is_file():
        raise FileNotFoundError(f"{folder} holds no archive ({_INDEX} is missing)")
    index = Index(path, read_only=True)
    try:
        yield Queries(index, LogFiles(folder / "log"), derived)
    finally:
        index.close()


def _lock(folder: Path) -> int:
    descriptor = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(descriptor)
        raise ArchiveBusy(f"{folder} is open for writing in another process; close that one first") from error
    return descriptor
