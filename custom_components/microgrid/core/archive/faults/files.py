"""Files of snapshots: one for each object, one folder for each node, written once and never changed."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

from ...contract.snapshot import SnapshotPart
from ..store import NODE, check_node, day_of, sync_folder

_NAME = re.compile(r"\d{4}-\d\d-\d\d-(\d{6,12})-(measured|traffic)\.umg1", re.ASCII)
_UNFINISHED = ".new"


class SnapshotFiles:
    """The folders and files below one root."""

    def __init__(self, root: Path) -> None:
        """Work below `root`, which is created when the first file is."""
        self.root = root

    def path(self, node: str, name: str) -> Path:
        """Return the path of a file."""
        return self.root / check_node(node) / name

    @staticmethod
    def name(number: int, part: SnapshotPart, utc_us: int) -> str:
        """Return the name of a file stored now; `number` rises with every file."""
        return f"{day_of(utc_us)}-{number:06d}-{part}.umg1"

    def listing(self) -> Iterator[tuple[int, str, SnapshotPart, Path]]:
        """Yield number, node, part and path of all files that have our names."""
        if not self.root.is_dir():
            return
        for folder in sorted(self.root.iterdir()):
            if NODE.fullmatch(folder.name) is None or not folder.is_dir():
                continue
            for path in sorted(folder.iterdir()):
                if match := _NAME.fullmatch(path.name):
                    yield int(match[1]), folder.name, SnapshotPart(match[2]), path

    def write(self, path: Path, data: bytes) -> None:
        """Make a file, whole or not at all; it is on the medium on return. Raises OSError."""
        if not path.parent.is_dir():
            path.parent.mkdir(parents=True, exist_ok=True)
            sync_folder(path.parent.parent)
        unfinished = path.with_name(f"{path.name}{_UNFINISHED}")
        try:
            with unfinished.open("wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            unfinished.rename(path)
        except OSError:
            unfinished.unlink(missing_ok=True)
            raise
        sync_folder(path.parent)

    def clean(self) -> None:
        """Remove what a crash left unfinished."""
        if self.root.is_dir():
            for path in self.root.glob(f"*/*{_UNFINISHED}"):
                path.unlink()
