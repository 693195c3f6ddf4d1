"""What the archive raises."""

from __future__ import annotations

import errno
import sqlite3

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


class ArchiveError(Exception):
    """Base of all errors of the archive."""


class ArchiveUnavailable(ArchiveError):
    """Nothing was acknowledged: the medium refuses writes. Send the same frames again later."""


class ArchiveFull(ArchiveUnavailable):
    """Nothing was acknowledged: the medium has no space left. Free some, or lower the retention."""


class ArchiveDamaged(ArchiveUnavailable):
    """The index is damaged: `Archive.rebuild` makes it again from the files."""


class NewerArchive(Exception):
    """The file was written by a later version: it is left alone."""


class ArchiveBusy(ArchiveError):
    """Another process holds the archive open for writing."""


_INDEX_ERRORS: dict[int, tuple[type[ArchiveUnavailable], str]] = {
    11: (ArchiveDamaged, "it has to be made again"),  # SQLITE_CORRUPT
    13: (ArchiveFull, "free some space"),  # SQLITE_FULL
    26: (ArchiveDamaged, "it has to be made again"),  # SQLITE_NOTADB
}


def index_refused(error: sqlite3.DatabaseError) -> ArchiveUnavailable:
    """Return the error that tells a failed transaction to the caller."""
    kind, remedy = _INDEX_ERRORS.get(
        getattr(error, "sqlite_errorcode", 0) & 0xFF, (ArchiveUnavailable, "try again")
    )
    return kind(f"index: {error}; nothing was acknowledged, {remedy}")


def refused(what: str, error: OSError) -> ArchiveUnavailable:
    """Return the error that tells a failed write to the caller."""
    if error.errno in _FULL:
        return ArchiveFull(f"{what}: {error.strerror}; nothing was acknowledged, free some space")
    return ArchiveUnavailable(f"{what}: {error}; nothing was acknowledged")
