"""What the neighbourhood remembers from one run to the next."""

from __future__ import annotations

import json
import os
from pathlib import Path

from .physics.neighbourhood import Neighbourhood

_FORMAT = 1


def load(path: Path, site: Neighbourhood) -> bool:
    """Carry on where the last run ended; False when there was none. Raises ValueError for another file."""
    if not path.parent.is_dir():
        raise ValueError(
            f"{path}: the folder {path.parent} does not exist; the state could not be kept there"
        )
    try:
        saved = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return False
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
    return True


def save(path: Path, site: Neighbourhood) -> None:
    """Write the state; a reader sees the old file or the new one, never a part."""
    temporary = path.with_name(f"{path.name}.tmp")
    with temporary.open("w", encoding="utf-8") as file:
        json.dump({"format": _FORMAT, "site": site.snapshot()}, file)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
