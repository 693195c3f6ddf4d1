"""The SQLite database of the fault store: tables, their versions, transactions."""

from __future__ import annotations

import re
import sqlite3
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from ..durable import change_tables, check, connect, prepare_for_writing, transaction, version_of
from ..errors import ArchiveUnavailable, index_refused

VERSION = 1

# Times are UTC in µs. What `snapshot` says can be read from the files again.
TABLES = """
CREATE TABLE fault (
  event_id TEXT PRIMARY KEY,
  node TEXT NOT NULL,
  code TEXT NOT NULL,
  severity TEXT NOT NULL,
  at_us INTEGER,
  recorded_us INTEGER NOT NULL,
  late INTEGER NOT NULL,
  cleared_us INTEGER,
  gateway TEXT,
  stage INTEGER NOT NULL,
  pull INTEGER NOT NULL,
  told_us INTEGER,
  readings TEXT NOT NULL     -- JSON
) WITHOUT ROWID;
CREATE INDEX fault_node ON fault (node, code);
CREATE INDEX fault_time ON fault (ifnull(at_us, recorded_us));
CREATE INDEX fault_unfinished ON fault (stage) WHERE stage < 5;
CREATE INDEX fault_open ON fault (recorded_us) WHERE pull = 0;
CREATE TABLE member (        -- nodes that recorded a fault, or should have
  event_id TEXT NOT NULL REFERENCES fault,
  node TEXT NOT NULL,
  kind TEXT NOT NULL,
  PRIMARY KEY (event_id, node)
) WITHOUT ROWID;
CREATE TABLE snapshot (
  number INTEGER PRIMARY KEY,
  event_id TEXT NOT NULL REFERENCES fault,
  node TEXT NOT NULL,
  part TEXT NOT NULL,
  state TEXT NOT NULL,
  name TEXT NOT NULL,
  bytes INTEGER NOT NULL,
  crc INTEGER NOT NULL,
  stored_us INTEGER NOT NULL,
  UNIQUE (event_id, node, part, bytes, crc)
);
CREATE TABLE incoming (      -- chunks of objects that are being pulled
  event_id TEXT NOT NULL,
  node TEXT NOT NULL,
  part TEXT NOT NULL,
  number INTEGER NOT NULL,
  state TEXT NOT NULL,
  count INTEGER NOT NULL,
  bytes INTEGER NOT NULL,
  crc INTEGER NOT NULL,
  data BLOB NOT NULL,
  PRIMARY KEY (event_id, node, part, number)
) WITHOUT ROWID;
CREATE TABLE analysis (
  number INTEGER PRIMARY KEY,
  event_id TEXT NOT NULL REFERENCES fault,
  engine TEXT NOT NULL,
  cause TEXT NOT NULL,
  origin TEXT,
  confidence REAL NOT NULL,
  summary TEXT NOT NULL,
  fingerprint TEXT NOT NULL,
  report TEXT NOT NULL,
  made_us INTEGER NOT NULL,
  explanation TEXT NOT NULL
);
CREATE INDEX analysis_event ON analysis (event_id);
CREATE TABLE annotation (
  number INTEGER PRIMARY KEY,
  event_id TEXT NOT NULL REFERENCES fault,
  made_us INTEGER NOT NULL,
  author TEXT,
  cause TEXT,
  note TEXT NOT NULL
);
CREATE INDEX annotation_event ON annotation (event_id);
CREATE TABLE mark (          -- what was done once
  name TEXT PRIMARY KEY,
  at_us INTEGER NOT NULL
) WITHOUT ROWID;
"""

_NAMES = frozenset(re.findall(r"CREATE TABLE (\w+)", TABLES))

MIGRATIONS: Mapping[int, str] = {}
"""Statements that turn a version into the next one, by the version that they start from."""


class Database:
    """One connection, guarded by a lock: a fault is rare and its rows are few."""

    def __init__(self, path: Path) -> None:
        """Open or create; raises sqlite3.DatabaseError when it is damaged, NewerArchive when it is newer."""
        self.path = path
        self._lock = threading.RLock()
        self._closed = False
        self._connection = connect(path)
        try:
            prepare_for_writing(self._connection)
            self._prepare()
            check(self._connection, path)
        except BaseException:
            self._connection.close()
            raise

    def _prepare(self) -> None:
        version = version_of(self._connection, self.path, VERSION)
        if version == 0:
            change_tables(self._connection, TABLES, VERSION)
            return
        for step in range(version, VERSION):
            change_tables(self._connection, MIGRATIONS[step], step + 1)
        names = {row[0] for row in self._connection.execute("SELECT name FROM sqlite_master")}
        if lost := sorted(_NAMES - names):
            raise sqlite3.DatabaseError(f"{self.path}: no such table: {', '.join(lost)}")

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """One transaction, durable when the block ends, undone when it raises; they do not nest.

        Raises ArchiveFull, ArchiveDamaged or ArchiveUnavailable when the medium does not take it.
        """
        with self._open(), transaction(self._connection) as connection:
            yield connection

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """Questions; raises as `transaction` does."""
        with self._open():
            try:
                yield self._connection
            except sqlite3.ProgrammingError:
                raise
            except sqlite3.DatabaseError as error:
                raise index_refused(error) from error

    @contextmanager
    def _open(self) -> Iterator[None]:
        with self._lock:
            if self._closed:
                raise ArchiveUnavailable(f"{self.path.name} is closed; try again")
            yield

    def checkpoint(self) -> None:
        """Move everything from the write-ahead log into the file (before a backup)."""
        with self.reading() as connection:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()

    def shrink(self) -> None:
        """Give free pages back to the file system."""
        with self.reading() as connection:
            connection.execute("PRAGMA incremental_vacuum").fetchall()

    def close(self) -> None:
        """Close; the database cannot be used after that."""
        with self._lock:
            self._closed = True
            self._connection.close()
