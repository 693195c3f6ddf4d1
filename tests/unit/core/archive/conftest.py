"""An archive in a folder of its own, with a clock that the test moves."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from microgrid_core.archive.archive import Archive

from .logs import DAY_US, START_US


class Disk:
    """A folder whose archive can be opened again and again."""

    def __init__(self, folder: Path) -> None:
        """Begin with an empty folder, one day after the nodes started."""
        self.folder = folder
        self.now_us = START_US + DAY_US
        self.archive: Archive | None = None

    def open(self, **options: Any) -> Archive:
        """Open the archive; one that is open is closed first."""
        self.close()
        options.setdefault("reserve_bytes", 0)
        self.archive = Archive(self.folder, now_us=lambda: self.now_us, **options)
        return self.archive

    def close(self) -> None:
        """Close the archive if it is open."""
        if self.archive is not None:
            self.archive.close()
            self.archive = None

    def files(self, node: str = "h1") -> list[Path]:
        """Return the files of a node in their order."""
        return sorted((self.folder / "log" / node).glob("*.umg1"))


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    """Return a disk; what is open at the end is closed."""
    disk = Disk(tmp_path / "archive")
    yield disk
    disk.close()
