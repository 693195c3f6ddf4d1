"""ESPHome as an installer calls it."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ESPHOME = ROOT / ".venv-esphome" / "bin" / "esphome"
COMPONENTS = ROOT / "esphome" / "components"

needs_esphome = pytest.mark.skipif(not ESPHOME.exists(), reason="ESPHome is missing: script/bootstrap")


def run_esphome(*arguments: str | Path, data: Path, timeout_s: float = 120.0) -> tuple[int, str]:
    """Run ESPHome with its files in `data`; returns its exit code and what it said."""
    done = subprocess.run(
        [ESPHOME, *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=timeout_s,
        env={**os.environ, "ESPHOME_DATA_DIR": str(data), "ESPHOME_PCH_ENABLE": "0"},
    )
    return done.returncode, done.stdout + done.stderr
