"""Which release this is: the version that its installation wrote beside the package."""

from __future__ import annotations

from pathlib import Path

_PACKAGE = "microgrid_daemon"


def version_in(folder: Path) -> str | None:
    """Return the version of the daemon in a folder of packages; None when there is none."""
    found = [one.stem.partition("-")[2] for one in folder.glob(f"{_PACKAGE}-*.dist-info")]
    return found[0] if len(found) == 1 and (folder / _PACKAGE / "__main__.py").is_file() else None


def own_version() -> str:
    """Return the version that runs."""
    return version_in(Path(__file__).parents[1]) or "source"
