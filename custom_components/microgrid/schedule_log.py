"""The execution log: what was asked of each battery in each half hour, and what became of it, on disk.

One row for each battery and half hour, whatever number of schedules replaced each other there: a battery does
one thing at a time. 400 days of one battery are 19,200 rows, about 2 MB.
"""

from __future__ import annotations

import json
import logging
import sqlite3
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Final

from .core.archive.durable import (
    change_tables,
    check,
    connect,
    prepare_for_writing,
    transaction,
    version_of,
)
from .core.archive.errors import index_refused
from .core.contract.messages import ScheduleMode
from .core.contract.schedule import INTERVAL

_LOGGER = logging.getLogger(__name__)

KEEP: Final = timedelta(days=400)
"""Of executions: a year to compare with the same season of the year before."""
KEEP_ACK_IDS: Final = 1024
"""Of each node: more acknowledgements than a week of half hours has, so that no repetition counts twice."""
ON_TIME_S: Final = 5.0
"""An interval that began so soon after its start began with it."""
REPORT_WITHIN: Final = timedelta(minutes=15)
"""After its end an interval without a last word is shown as unreported; one that comes later still counts."""

_VERSION: Final = 1
_TABLES: Final = """
CREATE TABLE interval (
    node TEXT NOT NULL, start_us INTEGER NOT NULL, schedule_id TEXT NOT NULL, revision INTEGER NOT NULL,
    number INTEGER NOT NULL, mode TEXT NOT NULL, requested_w REAL, status TEXT NOT NULL, actual_w REAL,
    late INTEGER NOT NULL, late_s REAL, reasons TEXT NOT NULL, PRIMARY KEY (node, start_us)
) WITHOUT ROWID;
CREATE TABLE document (
    node TEXT PRIMARY KEY, sent BLOB, sent_us INTEGER, status TEXT NOT NULL, reasons TEXT NOT NULL,
    answered_us INTEGER, accepted BLOB
) WITHOUT ROWID;
CREATE TABLE ack (
    node TEXT NOT NULL, ack_id TEXT NOT NULL, at_us INTEGER NOT NULL, PRIMARY KEY (node, ack_id)
) WITHOUT ROWID;
"""
_INTERVAL: Final = (
    "node, start_us, schedule_id, revision, number, "
    "mode, requested_w, status, actual_w, late, late_s, reasons"
)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class ExecutionStatus(StrEnum):
    """What became of an interval."""

    PLANNED = "planned"
    STARTED = "started"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    EXPIRED = "expired"
    """The node woke up, or heard of it, after its end."""
    SUPERSEDED = "superseded"
    CANCELLED = "cancelled"
    UNREPORTED = "unreported"
    """It is over and the node has not told what came of it, so far."""


FINAL: Final = frozenset(
    {
        ExecutionStatus.SUCCEEDED,
        ExecutionStatus.FAILED,
        ExecutionStatus.EXPIRED,
        ExecutionStatus.SUPERSEDED,
        ExecutionStatus.CANCELLED,
    }
)
"""The last word of a node about an interval."""
NOT_DONE: Final = frozenset({ExecutionStatus.FAILED, ExecutionStatus.EXPIRED})
_WITHDRAWN: Final = frozenset({ExecutionStatus.SUPERSEDED, ExecutionStatus.CANCELLED})


@dataclass(frozen=True, slots=True)
class Execution:
    """One half hour of one battery. Rates are positive, the mode tells the direction."""

    node_id: str
    schedule_id: str
    revision: int
    interval_id: int
    start: datetime
    mode: ScheduleMode
    requested_w: float | None = None
    status: ExecutionStatus = ExecutionStatus.PLANNED
    actual_w: float | None = None
    """Mean of what the battery really did, as its node measured it."""
    late: bool = False
    """The node joined it after its start."""
    late_s: float | None = None
    """So long after its start it began, by the clock of the node; also where it took the place of another."""
    reasons: tuple[str, ...] = ()

    @property
    def end(self) -> datetime:
        """When it is over."""
        return self.start + INTERVAL

    @property
    def requested_kw(self) -> float | None:
        """What was asked, kW."""
        return None if self.requested_w is None else self.requested_w / 1000.0

    @property
    def actual_kw(self) -> float | None:
        """What was done in the mean, kW."""
        return None if self.actual_w is None else self.actual_w / 1000.0

    @property
    def reason(self) -> str | None:
        """Why it was not done as asked."""
        return "; ".join(self.reasons) or None

    @property
    def planned_kwh(self) -> float:
        """Energy that was to be moved; nothing was promised for following and for rest."""
        if self.mode not in (ScheduleMode.CHARGE, ScheduleMode.DISCHARGE):
            return 0.0
        return (self.requested_w or 0.0) / 1000.0 * (INTERVAL / timedelta(hours=1))

    @property
    def done_kwh(self) -> float:
        """Energy that was moved of what was planned."""
        if self.mode not in (ScheduleMode.CHARGE, ScheduleMode.DISCHARGE):
            return 0.0
        late_s = self.late_s or 0.0
        missed = timedelta(seconds=late_s if late_s > ON_TIME_S else 0.0)
        ran = INTERVAL - min(INTERVAL, missed)
        return (self.actual_w or 0.0) / 1000.0 * (ran / timedelta(hours=1))


@dataclass(frozen=True, slots=True)
class Analytics:
    """How well a battery kept its schedule over a period, without what a newer schedule replaced."""

    intervals: int = 0
    """Those that are over."""
    done: int = 0
    failed: int = 0
    expired: int = 0
    unreported: int = 0
    late: int = 0
    mean_lateness_s: float | None = None
    """Of those whose node told when they began."""
    planned_kwh: float = 0.0
    done_kwh: float = 0.0

    @property
    def success_percent(self) -> float | None:
        """Share of intervals that were done as asked; None when there were none."""
        return 100.0 * self.done / self.intervals if self.intervals else None


def analyse(executions: Iterable[Execution], now: datetime) -> Analytics:
    """Sum up what is over by `now`."""
    over = [one for one in executions if one.end <= now and one.status not in _WITHDRAWN]
    judged = [
        one
        for one in over
        if one.status
        not in (ExecutionStatus.PLANNED, ExecutionStatus.STARTED)  # its last word may still come
    ]
    # One that took the place of another in the middle of its half hour was not joined late.
    lateness = [
        one.late_s for one in judged if one.late_s is not None and (one.late or one.late_s <= ON_TIME_S)
    ]

    def count(status: ExecutionStatus) -> int:
        return sum(one.status is status for one in judged)

    return Analytics(
        intervals=len(judged),
        done=count(ExecutionStatus.SUCCEEDED),
        failed=count(ExecutionStatus.FAILED),
        expired=count(ExecutionStatus.EXPIRED),
        unreported=count(ExecutionStatus.UNREPORTED),
        late=sum(one.late for one in judged),
        mean_lateness_s=sum(lateness) / len(lateness) if lateness else None,
        planned_kwh=sum(one.planned_kwh for one in judged),
        done_kwh=sum(one.done_kwh for one in judged),
    )


@dataclass(frozen=True, slots=True)
class Document:
    """What was sent to a node last and what it said, as the log keeps it; times in µs since 1970."""

    sent: bytes | None = None
    sent_us: int | None = None
    status: str = ""
    reasons: tuple[str, ...] = ()
    answered_us: int | None = None
    accepted: bytes | None = None
    """The document that the node executes."""


@dataclass(slots=True)
class Changes:
    """What is to be written next, the newest of each thing."""

    intervals: dict[tuple[str, datetime], Execution | None] = field(default_factory=dict)
    """None: it was withdrawn before it began."""
    documents: dict[str, Document] = field(default_factory=dict)
    acks: dict[tuple[str, str], int] = field(default_factory=dict)
    """When each came, µs."""

    @property
    def count(self) -> int:
        """How many intervals and acknowledgements wait."""
        return len(self.intervals) + len(self.acks)

    def __bool__(self) -> bool:
        """Whether there is anything."""
        return bool(self.intervals or self.documents or self.acks)

    def under(self, newer: Changes) -> Changes:
        """Return these changes with newer ones over them."""
        return Changes(
            self.intervals | newer.intervals, self.documents | newer.documents, self.acks | newer.acks
        )


@dataclass(frozen=True, slots=True)
class Loaded:
    """What an earlier run left."""

    executions: tuple[Execution, ...]
    documents: Mapping[str, Document]
    acks: Mapping[str, tuple[str, ...]]
    """Ids by node, the oldest first."""


def to_us(when: datetime) -> int:
    """Return a time in µs since 1970, exactly."""
    return (when - _EPOCH) // timedelta(microseconds=1)


def from_us(us: int) -> datetime:
    """Return a time of µs since 1970."""
    return _EPOCH + timedelta(microseconds=us)


class ScheduleLog:
    """The file; every method blocks, any thread may call, one at a time."""

    def __init__(self, path: Path) -> None:
        """Open or create it; a damaged file is put aside. Raises ArchiveError, NewerArchive or OSError."""
        self._path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            self._connection = self._open()
        except sqlite3.OperationalError as error:  # locked, or the disk refuses: the file may be well
            raise index_refused(error) from error
        except sqlite3.DatabaseError as error:
            aside = path.with_name(f"{path.name}.damaged-{int(time.time())}")
            path.rename(aside)
            for rest in ("-wal", "-shm"):
                path.with_name(path.name + rest).unlink(missing_ok=True)
            _LOGGER.error("the execution log is damaged (%s): kept as %s, a new one begins", error, aside)
            self._connection = self._open()

    def _open(self) -> sqlite3.Connection:
        connection = connect(self._path)
        try:
            check(connection, self._path)
            prepare_for_writing(connection)
            if version_of(connection, self._path, _VERSION) < _VERSION:
                change_tables(connection, _TABLES, _VERSION)
        except BaseException:
            connection.close()
            raise
        return connection

    def close(self) -> None:
        """Close; it cannot be used after that."""
        self._connection.close()

    def checkpoint(self) -> None:
        """Make the file whole without its write-ahead log (before a backup)."""
        self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def load(self, since: datetime) -> Loaded:
        """Return executions that begin at `since` or later, every document and every ack id kept."""
        acks: dict[str, list[str]] = {}
        for node, ack_id in self._connection.execute("SELECT node, ack_id FROM ack ORDER BY at_us, ack_id"):
            acks.setdefault(node, []).append(ack_id)
        documents = {
            node: Document(sent, sent_us, status, tuple(json.loads(reasons)), answered_us, accepted)
            for node, sent, sent_us, status, reasons, answered_us, accepted in self._connection.execute(
                "SELECT node, sent, sent_us, status, reasons, answered_us, accepted FROM document"
            )
        }
        rows = self._connection.execute(
            f"SELECT {_INTERVAL} FROM interval WHERE start_us >= ?", (to_us(since),)
        )
        return Loaded(
            tuple(map(_execution, rows)), documents, {node: tuple(ids) for node, ids in acks.items()}
        )

    def between(self, node_id: str, start: datetime, end: datetime) -> tuple[Execution, ...]:
        """Return executions of a node that overlap a period, in the order of time."""
        rows = self._connection.execute(
            f"SELECT {_INTERVAL} FROM interval WHERE node = ? AND start_us > ? AND start_us < ? "
            "ORDER BY start_us",
            (node_id, to_us(start - INTERVAL), to_us(end)),
        )
        return tuple(map(_execution, rows))

    def write(self, changes: Changes) -> None:
        """Write, wholly or not at all; on the disk on return. Raises ArchiveUnavailable."""
        gone = [(node, to_us(start)) for (node, start), kept in changes.intervals.items() if kept is None]
        kept = [_row(execution) for execution in changes.intervals.values() if execution is not None]
        with transaction(self._connection) as connection:
            connection.executemany("DELETE FROM interval WHERE node = ? AND start_us = ?", gone)
            connection.executemany(
                f"INSERT OR REPLACE INTO interval ({_INTERVAL}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                kept,
            )
            connection.executemany(
                "INSERT OR REPLACE INTO document VALUES (?, ?, ?, ?, ?, ?, ?)",
                [
                    (
                        node,
                        document.sent,
                        document.sent_us,
                        document.status,
                        json.dumps(document.reasons),
                        document.answered_us,
                        document.accepted,
                    )
                    for node, document in changes.documents.items()
                ],
            )
            connection.executemany(
                "INSERT OR REPLACE INTO ack VALUES (?, ?, ?)",
                [(node, ack_id, at_us) for (node, ack_id), at_us in changes.acks.items()],
            )

    def prune(self, now: datetime) -> None:
        """Forget what is older than is kept."""
        with transaction(self._connection) as connection:
            connection.execute("DELETE FROM interval WHERE start_us < ?", (to_us(now - KEEP),))
            connection.execute(
                "DELETE FROM ack WHERE (node, ack_id) IN (SELECT node, ack_id FROM (SELECT node, ack_id, "
                "row_number() OVER (PARTITION BY node ORDER BY at_us DESC) AS place FROM ack) "
                "WHERE place > ?)",
                (KEEP_ACK_IDS,),
            )


def _execution(row: tuple[object, ...]) -> Execution:
    node, start_us, schedule_id, revision, number, mode, requested_w, status, actual_w, late, late_s, why = (
        row
    )
    return Execution(
        node_id=str(node),
        schedule_id=str(schedule_id),
        revision=int(str(revision)),
        interval_id=int(str(number)),
        start=from_us(int(str(start_us))),
        mode=ScheduleMode(str(mode)),
        requested_w=_number(requested_w),
        status=ExecutionStatus(str(status)),
        actual_w=_number(actual_w),
        late=bool(late),
        late_s=_number(late_s),
        reasons=tuple(json.loads(str(why))),
    )


def _number(value: object) -> float | None:
    return None if value is None else float(str(value))


def _row(one: Execution) -> tuple[object, ...]:
    return (
        one.node_id,
        to_us(one.start),
        one.schedule_id,
        one.revision,
        one.interval_id,
        one.mode.value,
        one.requested_w,
        one.status.value,
        one.actual_w,
        int(one.late),
        one.late_s,
        json.dumps(one.reasons),
    )
