"""The daemon as a process of its own, as a Pi starts it, and a configuration: one inverter, one battery."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import IO

_ROOT = Path(__file__).parents[2]
CONFIG = """\
swarm = "village"
data = "{folder}"
clock_marker = "{folder}/synchronized"
textfile = "{folder}/microgrid.prom"
[broker]
host = "127.0.0.1"
port = {port}
[[inverters]]
node = "mpp-1"
device = "{device}"
writes = ["output_source_priority", "charger_source_priority", "max_ac_charging_current"]
[[batteries]]
node = "battery-1"
inverter = "mpp-1"
max_charge_w = 3000
max_discharge_w = 3000
empty_v = 46
full_v = 56
"""
"""To be completed with folder, port and device."""


def started(config: Path, log: IO[bytes] | None = None, **environment: str) -> subprocess.Popen[bytes]:
    """Start it; what it says goes into `log`."""
    return subprocess.Popen(
        [sys.executable, "-m", "microgrid_daemon", "run", "--config", config],
        stderr=subprocess.DEVNULL if log is None else log,
        env={**os.environ, "PYTHONPATH": f"{_ROOT}:{_ROOT / 'pi_daemon'}", **environment},
    )
