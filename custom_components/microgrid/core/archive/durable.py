"""A durable SQLite file as the stores of the archive open, version and change it."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .errors import NewerArchive, index_refused

_BUSY_S = 30.0


def connect(path: Path) -> sqlite3.Connection:
    """Open or create a file; any thread may use the connection, one at a time."""
    return sqlite3.connect(path, timeout=_BUSY_S, isolation_level=None, check_same_thread=False)


def prepare_for_writing(connection: sqlite3.Connection) -> None:
    """A committed transaction is on the disk; raises sqlite3.DatabaseError when the file is damaged."""
    connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA foreign_keys = ON")


def version_of(connection: sqlite3.Connection, path: Path, known: int) -> int:
    """Return the version of the tables, 0 when there are none; raises NewerArchive beyond `known`."""
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if version > known:
        raise NewerArchive(
            f"{path} has version {version}, this release knows {known}; update it, or move the file away"
        )
    return int(version)


def change_tables(connection: sqlite3.Connection, statements: str, version: int) -> None:
    """Bring the tables to a version, wholly or not at all."""
    try:
        connection.executescript(f"BEGIN IMMEDIATE; {statements} PRAGMA user_version = {version}; COMMIT;")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def check(connection: sqlite3.Connection, path: Path) -> None:
    """Raise sqlite3.DatabaseError when the file is damaged; reads all of it."""
    if (found := connection.execute("PRAGMA quick_check(1)").fetchone()[0]) != "ok":
        raise sqlite3.DatabaseError(f"{path}: {found}")


@contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[sqlite3.Connection]:
    """One transaction, durable when the block ends, undone when it raises; they do not nest.

    Raises ArchiveFull, ArchiveDamaged or ArchiveUnavailable when the medium does not take it.
    """
    try:
        connection.execute("BEGIN IMMEDIATE")
        try:
            yield connection
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise
    except (sqlite3.IntegrityError, sqlite3.ProgrammingError):
        raise  # no fault of the medium
    except sqlite3.DatabaseError as error:
        raise index_refused(error) from error
