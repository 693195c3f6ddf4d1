"""What the daemon must not forget, in one SQLite file: messages to send, the schedule, settings to restore.

Telemetry may lose its last seconds at a power cut; schedules, acknowledgements and settings never: they are
on the disk when the transaction ends.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path
from typing import Any

VERSION = 1
SAID_S = 48 * 3600.0
"""So long answers can be said again, because whoever they are for may have been away."""
MOST_SAID = 500
"""Of each topic: two days of half hours, each begun and ended, with room for schedules."""
_BUSY_S = 10.0
_CACHE_KIB = 256
"""SQLite would keep 2 MB: nothing here is read twice."""

_TABLES = """
CREATE TABLE outbox (
  id INTEGER PRIMARY KEY AUTOINCREMENT,   -- never used twice, also when the table was empty in between
  weight INTEGER NOT NULL,
  topic TEXT NOT NULL,
  payload BLOB NOT NULL
);
CREATE INDEX outbox_telemetry ON outbox (id) WHERE weight = 0;
CREATE TABLE schedule (
  node TEXT PRIMARY KEY,
  document BLOB NOT NULL
) WITHOUT ROWID;
CREATE TABLE interval (                   -- of the schedules held so far, as far as they began
  node TEXT NOT NULL,
  revision INTEGER NOT NULL,
  number INTEGER NOT NULL,
  status TEXT NOT NULL,
  late INTEGER NOT NULL,
  seconds REAL NOT NULL DEFAULT 0,
  energy_ws REAL NOT NULL DEFAULT 0,
  trouble TEXT NOT NULL DEFAULT '',
  PRIMARY KEY (node, revision, number)
) WITHOUT ROWID;
CREATE TABLE original (                   -- settings as they were found, until they are back
  number INTEGER PRIMARY KEY,
  device TEXT NOT NULL,
  setting TEXT NOT NULL,
  value TEXT NOT NULL,
  UNIQUE (device, setting)
);
CREATE TABLE written (
  device TEXT NOT NULL,
  setting TEXT NOT NULL,
  time_s REAL NOT NULL
);
CREATE TABLE counter (
  name TEXT PRIMARY KEY,
  value INTEGER NOT NULL
) WITHOUT ROWID;
"""

# They came later. An older release leaves them alone, so they need no new version and it can be gone back to.
_MORE_TABLES = """
CREATE TABLE IF NOT EXISTS held (         -- what schedules wrote over the originals
  device TEXT NOT NULL,
  setting TEXT NOT NULL,
  value TEXT NOT NULL,
  before TEXT NOT NULL,                   -- what stood there then, and still does after a crash in between
  PRIMARY KEY (device, setting)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS joined (       -- intervals that were begun after their start
  node TEXT NOT NULL,
  revision INTEGER NOT NULL,
  number INTEGER NOT NULL,
  after_s REAL NOT NULL,
  PRIMARY KEY (node, revision, number)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS command (      -- so that none is run twice
  node TEXT NOT NULL,
  id TEXT NOT NULL,
  payload BLOB NOT NULL,
  until_s REAL NOT NULL,                  -- it may be forgotten from then on
  result BLOB,                            -- NULL until it ended
  PRIMARY KEY (node, id)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS log (          -- UMG1 frames until somebody has them; the newest stays
  node TEXT NOT NULL,
  start INTEGER NOT NULL,                 -- of the daemon, counted: boot ids have no order
  seq INTEGER NOT NULL,
  boot_id INTEGER NOT NULL,
  frame BLOB NOT NULL,
  PRIMARY KEY (node, start, seq)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS said (         -- answers that the broker has, to be said again
  id INTEGER PRIMARY KEY,                 -- that of the outbox
  topic TEXT NOT NULL,
  payload BLOB NOT NULL,
  time_s REAL NOT NULL
);
"""


class StoreError(Exception):
    """The file cannot be used; the text says what to do."""


class Weight(IntEnum):
    """What a message is worth when there is no room for all."""

    TELEMETRY = 0
    """The oldest go first."""
    PROMISE = 1
    """An acknowledgement or an event: kept until the broker has it."""


@dataclass(frozen=True, slots=True)
class Message:
    """A message that waits for the broker."""

    id: int
    topic: str
    payload: bytes


class Store:
    """One file, one thread: everything that touches it runs in the daemon's loop."""

    def __init__(
        self, path: Path, *, most_telemetry: int = 100_000, wall_s: Callable[[], float] = time.time
    ) -> None:
        """Open or create; raises StoreError. A damaged file is moved aside, its name is in `moved_aside`."""
        self._most_telemetry = most_telemetry
        self._wall_s = wall_s
        self.moved_aside: Path | None = None
        try:
            self._connection = self._opened(path)
        except sqlite3.DatabaseError as error:
            if isinstance(error, sqlite3.OperationalError):
                raise StoreError(f"{path}: {error}; check the folder and its owner") from error
            self.moved_aside = _move_aside(path)
            self._connection = self._opened(path)

    def _opened(self, path: Path) -> sqlite3.Connection:
        connection = sqlite3.connect(path, timeout=_BUSY_S, isolation_level=None)
        try:
            connection.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")
            connection.execute("PRAGMA journal_mode = WAL")
            (version,) = connection.execute("PRAGMA user_version").fetchone()
            if version > VERSION:
                raise StoreError(
                    f"{path}: version {version}, this release knows {VERSION}; update the daemon, "
                    "or move the file away"
                )
            if version == 0:
                connection.executescript(
                    f"BEGIN IMMEDIATE; {_TABLES} PRAGMA user_version = {VERSION}; COMMIT;"
                )
            connection.executescript(f"BEGIN IMMEDIATE; {_MORE_TABLES} COMMIT;")
            if (found := connection.execute("PRAGMA quick_check(1)").fetchone()[0]) != "ok":
                raise sqlite3.DatabaseError(found)
        except BaseException:
            connection.close()
            raise
        return connection

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    @property
    def in_transaction(self) -> bool:
        """Whether something was written that is not sure to stay."""
        return self._connection.in_transaction

    @contextmanager
    def transaction(self, *, durable: bool = True) -> Iterator[sqlite3.Connection]:
        """All or nothing; when `durable`, on the disk at the end. Transactions nest into the outermost."""
        connection = self._connection
        if connection.in_transaction:
            yield connection
            return
        connection.execute(f"PRAGMA synchronous = {'FULL' if durable else 'NORMAL'}")
        connection.execute("BEGIN IMMEDIATE")
        try:
            yield connection
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise

    def ask(self, question: str, *parameters: str | float) -> list[tuple[Any, ...]]:
        """Return the rows of a SELECT."""
        return self._connection.execute(question, parameters).fetchall()

    # ------------------------------------------------------------------------------------------------ outbox

    def post(self, messages: Iterable[tuple[str, bytes]], weight: Weight) -> None:
        """Add messages in one transaction; telemetry beyond the limit goes, oldest first, and is counted."""
        with self.transaction(durable=weight is Weight.PROMISE) as connection:
            connection.executemany(
                "INSERT INTO outbox (weight, topic, payload) VALUES (?, ?, ?)",
                ((weight, topic, payload) for topic, payload in messages),
            )
            if weight is Weight.TELEMETRY:
                (count,) = connection.execute("SELECT count(*) FROM outbox WHERE weight = 0").fetchone()
                if (surplus := count - self._most_telemetry) > 0:
                    connection.execute(
                        "DELETE FROM outbox WHERE id IN "
                        "(SELECT id FROM outbox WHERE weight = 0 ORDER BY id LIMIT ?)",
                        (surplus,),
                    )
                    self.count("dropped", surplus)

    def waiting(self, after: int, limit: int) -> Sequence[Message]:
        """Return the oldest messages behind `after`, in the order in which they were added."""
        rows = self._connection.execute(
            "SELECT id, topic, payload FROM outbox WHERE id > ? ORDER BY id LIMIT ?", (after, limit)
        )
        return [Message(*row) for row in rows]

    def sent(self, ids: Iterable[int], answers: Collection[str] = ()) -> None:
        """Forget messages that the broker has; those on the topics of `answers` can be said again."""
        with self.transaction(durable=False) as connection:
            for one in ids:
                for topic, payload in connection.execute(
                    "DELETE FROM outbox WHERE id = ? RETURNING topic, payload", (one,)
                ).fetchall():
                    if topic in answers:
                        self._keep_answer(connection, Message(one, topic, payload))

    def _keep_answer(self, connection: sqlite3.Connection, answer: Message) -> None:
        """Keep what was said, once however often that was, and neither too much nor too long."""
        now_s = self._wall_s()
        connection.execute(
            "DELETE FROM said WHERE topic = ? AND (payload = ? OR time_s < ?)",
            (answer.topic, answer.payload, now_s - SAID_S),
        )
        connection.execute(
            "INSERT INTO said (id, topic, payload, time_s) VALUES (?, ?, ?, ?)",
            (answer.id, answer.topic, answer.payload, now_s),
        )
        connection.execute(
            "DELETE FROM said WHERE id IN "
            "(SELECT id FROM said WHERE topic = ? ORDER BY id DESC LIMIT -1 OFFSET ?)",
            (answer.topic, MOST_SAID),
        )

    def said(self, topics: Collection[str], after: int, limit: int) -> Sequence[Message]:
        """Return answers behind `after` that the broker had within two days, in the order of that time."""
        places = ", ".join("?" * len(topics))
        rows = self._connection.execute(
            f"SELECT id, topic, payload FROM said WHERE topic IN ({places}) AND id > ? AND time_s >= ? "
            "ORDER BY id LIMIT ?",
            (*topics, after, self._wall_s() - SAID_S, limit),
        )
        return [Message(*row) for row in rows]

    def depth(self) -> int:
        """How many messages wait."""
        return int(self._connection.execute("SELECT count(*) FROM outbox").fetchone()[0])

    # ---------------------------------------------------------------------------------------------- counters

    def count(self, name: str, by: int = 1) -> None:
        """Add to a counter that outlives restarts."""
        with self.transaction(durable=False) as connection:
            connection.execute(
                "INSERT INTO counter (name, value) VALUES (?, ?) "
                "ON CONFLICT (name) DO UPDATE SET value = value + excluded.value",
                (name, by),
            )

    def counted(self, name: str) -> int:
        """Return a counter, 0 when nothing was ever added."""
        row = self._connection.execute("SELECT value FROM counter WHERE name = ?", (name,)).fetchone()
        return 0 if row is None else int(row[0])


def _move_aside(path: Path) -> Path:
    """Keep a damaged file for whoever wants to look, under the first free name."""
    number = 1
    while (aside := path.with_name(f"{path.name}.damaged-{number}")).exists():
        number += 1
    path.replace(aside)
    for suffix in ("-wal", "-shm"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)
    return aside
