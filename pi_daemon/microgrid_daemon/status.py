"""How the daemon is, in a small file: replaced as a whole, read by `microgrid-daemon status`."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

STATUS: Final = "status.json"
RUN_FOLDER: Final = Path("/run/microgrid")
"""RuntimeDirectory= of the unit: gone as soon as the service is stopped, and never on the SD card."""
PERIOD_S: Final = 5.0
_MOST_BYTES = 256 * 1024
_LATE_S = 6 * PERIOD_S


class Condition(StrEnum):
    """What the file says of the process that wrote it."""

    RUNS = "runs"
    HANGS = "hangs"
    """The process is there and has not written for long."""
    STOPPED = "stopped"


@dataclass(frozen=True, slots=True)
class Seen:
    """What the file tells now."""

    condition: Condition
    document: Mapping[str, Any] = field(default_factory=dict)
    age_s: float = 0.0

    @property
    def version(self) -> str | None:
        """Return the version of the process."""
        version = self.document.get("version")
        return version if isinstance(version, str) else None

    @property
    def pid(self) -> int | None:
        """Return the number of the process."""
        return _pid(self.document)


def folder_for(data: Path, environment: Mapping[str, str]) -> Path:
    """Return the folder where the daemon writes: its own under /run when systemd made one, else its data."""
    given = environment.get("RUNTIME_DIRECTORY", "").partition(":")[0]
    return Path(given) if given else data


def write(folder: Path, document: Mapping[str, Any]) -> None:
    """Replace the file at once, readable for everybody: it holds no secret. Raises OSError."""
    path = folder / STATUS
    beside = path.with_name(f"{STATUS}.tmp")
    signed = {**document, "pid": os.getpid(), "written_s": time.monotonic()}
    beside.write_text(json.dumps(signed, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    beside.chmod(0o644)
    beside.replace(path)


def look(path: Path) -> Seen:
    """Read the file and judge who wrote it, by the clock that never jumps; never raises."""
    try:
        with path.open("rb") as file:
            document = json.loads(file.read(_MOST_BYTES))
    except (OSError, ValueError, RecursionError):
        return Seen(Condition.STOPPED)
    written_s = document.get("written_s") if isinstance(document, dict) else None
    if not isinstance(written_s, (int, float)) or (pid := _pid(document)) is None:
        return Seen(Condition.STOPPED)
    age_s = time.monotonic() - written_s
    if age_s < 0.0 or not Path(f"/proc/{pid}").exists():  # of an earlier boot, or its writer is gone
        return Seen(Condition.STOPPED, document, max(0.0, age_s))
    return Seen(Condition.HANGS if age_s > _LATE_S else Condition.RUNS, document, age_s)


def _pid(document: Mapping[str, Any]) -> int | None:
    pid = document.get("pid")
    return pid if isinstance(pid, int) and not isinstance(pid, bool) and pid > 0 else None
