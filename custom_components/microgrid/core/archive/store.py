"""Files of the log on disk: frames as received, one folder per node, written once and never changed.

A file is an UMG1 segment (contract/log.md, 9) of one UTC day of reception. It begins with the schemas that
were known then, so that it can be read alone. Only the newest file of a node grows; nothing is overwritten
but bytes that were never acknowledged.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from ..codec.umg1.segment import SegmentHeader

SUFFIX = ".umg1"
NODE = re.compile(r"[a-z0-9_-]{1,32}", re.ASCII)
_NAME = re.compile(r"\d{4}-\d\d-\d\d-(\d{6,9})\.umg1", re.ASCII)


def check_node(node: str) -> str:
    """Return the node id when it may be the name of a folder; raises ValueError."""
    if NODE.fullmatch(node) is None:
        raise ValueError(f"node {node!r} does not match {NODE.pattern}")
    return node


def day_of(utc_us: int) -> str:
    """Return the UTC day in ISO form."""
    return datetime.fromtimestamp(utc_us // 1_000_000, UTC).date().isoformat()


class LogFiles:
    """The folders and files below one root."""

    def __init__(self, root: Path) -> None:
        """Work below `root`, which is created when the first file is."""
        self.root = root

    def path(self, node: str, name: str) -> Path:
        """Return the path of a file."""
        return self.root / check_node(node) / name

    @staticmethod
    def name(utc_us: int, number: int) -> str:
        """Return the name of a file created now; `number` rises with every file of a node."""
        return f"{day_of(utc_us)}-{number:06d}{SUFFIX}"

    def listing(self) -> Iterator[tuple[str, int, Path]]:
        """Yield node, number and path of all files that have our names, in the order of their numbers."""
        if not self.root.is_dir():
            return
        for folder in sorted(self.root.iterdir()):
            if NODE.fullmatch(folder.name) is None or not folder.is_dir():
                continue
            named = ((_NAME.fullmatch(path.name), path) for path in folder.iterdir())
            for number, path in sorted((int(match[1]), path) for match, path in named if match):
                yield folder.name, number, path

    @staticmethod
    def header(node: str, number: int, utc_us: int, capacity: int) -> bytes:
        """Return the head of a new file."""
        return SegmentHeader(number, 0, 0, utc_us, 0, node, "", capacity).encode()

    def write(self, path: Path, offset: int, data: bytes) -> None:
        """Put `data` at `offset`, where the good part of the file ends; it is on the medium on return.

        After an OSError the file ends at `offset` again, or behind it with bytes that the next write or the
        recovery replaces.
        """
        new = offset == 0
        if new:
            self._make_folder(path.parent)
        descriptor = os.open(path, os.O_WRONLY | os.O_CLOEXEC | (os.O_CREAT if new else 0), 0o644)
        try:
            found = os.fstat(descriptor).st_size
            if found < offset:
                raise ShortFile(f"{path.name} has {found} bytes, {offset} were written")
            try:
                if found > offset:
                    os.ftruncate(descriptor, offset)
                rest = memoryview(data)
                while rest:
                    done = os.pwrite(descriptor, rest, offset + len(data) - len(rest))
                    rest = rest[done:]
                os.fsync(descriptor)
            except OSError:
                self._cut(descriptor, offset)
                raise
        finally:
            os.close(descriptor)
        if new:
            sync_folder(path.parent)

    @staticmethod
    def read(path: Path, offset: int, size: int) -> bytes:
        """Return bytes of a file; fewer when it is shorter."""
        with path.open("rb") as file:
            file.seek(offset)
            return file.read(size)

    @staticmethod
    def cut(path: Path, size: int) -> None:
        """Shorten a file to the end of its good part."""
        with path.open("r+b") as file:
            file.truncate(size)
            os.fsync(file.fileno())

    def delete(self, path: Path) -> None:
        """Remove a file; it may be gone already."""
        try:
            path.unlink()
        except FileNotFoundError:
            return
        sync_folder(path.parent)

    def _make_folder(self, folder: Path) -> None:
        missing = []
        while not folder.is_dir():
            missing.append(folder)
            folder = folder.parent
        for child in reversed(missing):
            child.mkdir(exist_ok=True)
            sync_folder(child.parent)

    @staticmethod
    def _cut(descriptor: int, size: int) -> None:
        """Give the space of a failed write back; where even this is refused, the next write does it."""
        try:
            os.ftruncate(descriptor, size)
        except OSError:
            return


class ShortFile(OSError):
    """A file is shorter than what was written to it: something else has changed it."""


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
