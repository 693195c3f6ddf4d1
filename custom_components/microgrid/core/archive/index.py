"""The SQLite index: tables, connections and transactions."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .durable import change_tables, check, connect, prepare_for_writing, transaction, version_of
from .errors import ArchiveDamaged, index_refused

VERSION = 1
_SPARE_READERS = 4

# Times are UTC in µs (`…_us`) or s (`…_s`), mono in µs. What a row of `chunk` says can be read from the files
# again; what roll-ups, records and floors say cannot, once the retention took the files.
_TABLES = """
CREATE TABLE node (
  id INTEGER PRIMARY KEY,
  name TEXT NOT NULL UNIQUE,
  raw_floor_s INTEGER NOT NULL DEFAULT 0,     -- samples before this may be gone from the files
  minute_floor_s INTEGER NOT NULL DEFAULT 0,  -- minutes before this are gone
  hour_floor_s INTEGER NOT NULL DEFAULT 0,    -- hours before this are gone
  last_number INTEGER NOT NULL DEFAULT 0      -- of its files, also of those that are gone
);
CREATE TABLE boot (
  id INTEGER PRIMARY KEY,
  node INTEGER NOT NULL REFERENCES node,
  boot_id INTEGER NOT NULL,
  previous INTEGER,          -- boot id before this one, as its boot frame says
  next_seq INTEGER,          -- seq after the last of this boot, as the boot frame of the next one says
  UNIQUE (node, boot_id)
);
CREATE TABLE span (          -- sequence numbers: received (0) or declared lost by the node (1)
  boot INTEGER NOT NULL REFERENCES boot,
  lost INTEGER NOT NULL,
  first INTEGER NOT NULL,
  last INTEGER NOT NULL,
  PRIMARY KEY (boot, lost, first)
) WITHOUT ROWID;
CREATE TABLE schema (
  node INTEGER NOT NULL REFERENCES node,
  hash INTEGER NOT NULL,
  frame BLOB NOT NULL,
  PRIMARY KEY (node, hash)
) WITHOUT ROWID;
CREATE TABLE file (
  id INTEGER PRIMARY KEY,
  node INTEGER NOT NULL REFERENCES node,
  number INTEGER NOT NULL,
  name TEXT NOT NULL,
  size INTEGER NOT NULL,
  state INTEGER NOT NULL,    -- 0 grows, 1 closed, 2 being deleted
  created_us INTEGER NOT NULL,
  UNIQUE (node, number)
);
CREATE TABLE chunk (         -- frames that follow each other in file and seq
  id INTEGER PRIMARY KEY,
  node INTEGER NOT NULL REFERENCES node,
  file INTEGER NOT NULL REFERENCES file,
  offset INTEGER NOT NULL,
  size INTEGER NOT NULL,
  boot INTEGER NOT NULL REFERENCES boot,
  first_seq INTEGER NOT NULL,
  frames INTEGER NOT NULL,
  samples INTEGER NOT NULL,  -- how many of them hold samples
  mono_first INTEGER NOT NULL,
  mono_end INTEGER NOT NULL,
  utc_first INTEGER,         -- NULL: the boot did not know the time yet
  utc_end INTEGER,
  opaque INTEGER,            -- hash of the schema that is not known yet
  merge_below_s INTEGER      -- samples before this are to be added to roll-ups whose files are gone
);
CREATE INDEX chunk_place ON chunk (file, offset);
CREATE INDEX chunk_time ON chunk (node, utc_end);
CREATE INDEX chunk_mono ON chunk (boot, mono_end);
CREATE INDEX chunk_opaque ON chunk (node, opaque) WHERE opaque IS NOT NULL;
CREATE INDEX chunk_merge ON chunk (node) WHERE merge_below_s IS NOT NULL;
CREATE TABLE sync_point (
  boot INTEGER NOT NULL REFERENCES boot,
  mono INTEGER NOT NULL,
  utc INTEGER NOT NULL,
  drift_ppb INTEGER NOT NULL,
  error_us INTEGER NOT NULL,
  seq INTEGER NOT NULL,
  PRIMARY KEY (boot, mono)
) WITHOUT ROWID;
CREATE TABLE record (        -- events, boots and heads of snapshots: kept for ever
  id INTEGER PRIMARY KEY,
  node INTEGER NOT NULL REFERENCES node,
  boot INTEGER NOT NULL REFERENCES boot,
  seq INTEGER NOT NULL,
  kind INTEGER NOT NULL,
  mono INTEGER NOT NULL,
  utc INTEGER,
  code TEXT NOT NULL,
  frame BLOB NOT NULL,
  UNIQUE (boot, seq)
);
CREATE INDEX record_time ON record (node, kind, utc);
CREATE INDEX record_mono ON record (boot, mono);
CREATE TABLE channel (
  id INTEGER PRIMARY KEY,
  node INTEGER NOT NULL REFERENCES node,
  name TEXT NOT NULL,
  unit TEXT NOT NULL,
  numerator INTEGER NOT NULL,
  exponent INTEGER NOT NULL,
  offset INTEGER NOT NULL,
  period_us INTEGER NOT NULL,
  UNIQUE (node, name, unit, numerator, exponent, offset, period_us)
);
CREATE TABLE rollup (
  node INTEGER NOT NULL REFERENCES node,
  tier INTEGER NOT NULL,
  block_s INTEGER NOT NULL,
  channel INTEGER NOT NULL REFERENCES channel,
  data BLOB NOT NULL,
  PRIMARY KEY (node, tier, block_s, channel)
) WITHOUT ROWID;
CREATE TABLE dirty (         -- minutes to compute from the files, one bit each
  node INTEGER NOT NULL REFERENCES node,
  hour_s INTEGER NOT NULL,
  minutes INTEGER NOT NULL,
  PRIMARY KEY (node, hour_s)
) WITHOUT ROWID;
CREATE TABLE changed (       -- hours whose roll-ups were computed, the newest with the highest revision
  node INTEGER NOT NULL REFERENCES node,
  hour_s INTEGER NOT NULL,
  revision INTEGER NOT NULL,
  PRIMARY KEY (node, hour_s)
) WITHOUT ROWID;
CREATE INDEX changed_revision ON changed (revision);
CREATE TABLE sink (
  name TEXT PRIMARY KEY,
  revision INTEGER NOT NULL DEFAULT 0
) WITHOUT ROWID;
CREATE TABLE cursor (        -- a sink has read everything before this place
  sink TEXT NOT NULL REFERENCES sink ON DELETE CASCADE,
  node INTEGER NOT NULL REFERENCES node,
  number INTEGER NOT NULL,
  offset INTEGER NOT NULL,
  PRIMARY KEY (sink, node)
) WITHOUT ROWID;
"""


class Index:
    """Connections to one index: one that writes, guarded by a lock, and some that read beside it."""

    def __init__(self, path: Path, *, read_only: bool = False) -> None:
        """Open or create the index; raises sqlite3.DatabaseError when it is damaged."""
        self.path = path
        self._lock = threading.RLock()
        self._spare: list[sqlite3.Connection] = []
        self._spare_lock = threading.Lock()
        self._closed = False
        self._damage: sqlite3.DatabaseError | None = None
        """What a question met, until somebody who writes is told."""
        self._writer = None if read_only else self._open_writer()

    def _open_writer(self) -> sqlite3.Connection:
        crashed = self.path.with_name(f"{self.path.name}-wal").exists()  # a clean end removes it
        connection = connect(self.path)
        try:
            prepare_for_writing(connection)
            if version_of(connection, self.path, VERSION) == 0:
                change_tables(connection, _TABLES, VERSION)
            if crashed:
                check(connection, self.path)
        except BaseException:
            connection.close()
            raise
        return connection

    @contextmanager
    def write(self) -> Iterator[sqlite3.Connection]:
        """One transaction, durable when the block ends, undone when it raises; transactions nest into one.

        Raises ArchiveFull, ArchiveDamaged or ArchiveUnavailable when the medium does not take it; also when a
        question met damage since: whoever writes has the index made again.
        """
        with self._lock:
            if self._writer is None or self._closed:
                raise sqlite3.ProgrammingError(f"{self.path} is not open for writing")
            if self._writer.in_transaction:
                yield self._writer
                return
            if (damage := self._damage) is not None:
                self._damage = None
                raise index_refused(damage) from damage
            with transaction(self._writer) as connection:
                yield connection

    @contextmanager
    def read(self) -> Iterator[sqlite3.Connection]:
        """One state of the index, whatever is written meanwhile."""
        with self._spare_lock:
            connection = self._spare.pop() if self._spare else None
        if connection is None:
            connection = connect(self.path)
            connection.execute("PRAGMA query_only = ON")
        connection.execute("BEGIN")
        try:
            yield connection
        except sqlite3.DatabaseError as error:
            if isinstance(index_refused(error), ArchiveDamaged):
                self._damage = error
            raise
        finally:
            connection.execute("ROLLBACK")
            with self._spare_lock:
                keep = not self._closed and len(self._spare) < _SPARE_READERS
                if keep:
                    self._spare.append(connection)
            if not keep:
                connection.close()

    def checkpoint(self) -> None:
        """Move everything from the write-ahead log into the index file (before a backup)."""
        with self._lock:
            if self._writer is not None:
                self._writer.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()

    def shrink(self) -> None:
        """Give free pages back to the file system."""
        with self._lock:
            if self._writer is not None:
                self._writer.execute("PRAGMA incremental_vacuum").fetchall()

    def close(self) -> None:
        """Close all connections."""
        with self._lock, self._spare_lock:
            self._closed = True
            for connection in self._spare:
                connection.close()
            self._spare.clear()
            if self._writer is not None:
                self._writer.close()
                self._writer = None


def node_key(connection: sqlite3.Connection, node: str) -> int | None:
    """Return the row of a node, None when nothing of it was ever stored."""
    row = connection.execute("SELECT id FROM node WHERE name = ?", (node,)).fetchone()
    return None if row is None else int(row[0])


def ensure_node(connection: sqlite3.Connection, node: str) -> int:
    """Return the row of a node, a new one if need be."""
    connection.execute("INSERT INTO node (name) VALUES (?) ON CONFLICT DO NOTHING", (node,))
    key = node_key(connection, node)
    assert key is not None
    return key
