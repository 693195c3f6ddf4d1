"""What the neighbourhood remembers from one run to the next."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from .physics.neighbourhood import Neighbourhood

_FORMAT = 1


@dataclass(frozen=True, slots=True)
class Resumed:
    """An earlier run that the neighbourhood carries on."""

    clock_us: int | None
    """What the nodes' clocks showed at its end (UTC), where they have one of their own."""


def load(path: Path, site: Neighbourhood) -> Resumed | None:
    """Carry on where the last run ended; None when there was none. Raises ValueError for another file."""
    if not path.parent.is_dir():
        raise ValueError(
            f"{path}: the folder {path.parent} does not exist; the state could not be kept there"
        )
    try:
        saved = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except ValueError as error:
        raise ValueError(f"{path}: {error}; delete the file to start afresh") from None
    if not isinstance(saved, dict) or saved.get("format") != _FORMAT:
        raise ValueError(f"{path}: no state of this simulator; delete the file to start afresh")
    try:
        site.restore(saved["site"])
    except (KeyError, ValueError) as error:
        raise ValueError(
            f"{path}: {error}; delete the file or use the same --houses and --clusters"
        ) from None
    clock_us = saved.get("clock_us")
    return Resumed(clock_us if isinstance(clock_us, int) else None)


def save(path: Path, site: Neighbourhood, clock_us: int | None = None) -> None:
    """Write the state as it is now."""
    prepare(path, site, clock_us)()


def prepare(path: Path, site: Neighbourhood, clock_us: int | None = None) -> Callable[[], None]:
    """Take the state as it is now; the returned function writes it, in any thread."""
    text = json.dumps({"format": _FORMAT, "site": site.snapshot(), "clock_us": clock_us})
    return lambda: _write(path, text)


def _write(path: Path, text: str) -> None:
    """Let a reader see the old file or the new one, never a part."""
    temporary = path.with_name(f"{path.name}.tmp")
    with temporary.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
