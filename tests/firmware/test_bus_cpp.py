"""The node on the bus in simulated time: elections, time, faults, cyclic messages; good and bad buses."""

from __future__ import annotations

import os
import shutil
import subprocess
from functools import partial
from pathlib import Path

import pytest

from .suites import build_suite, needs_gtest

HERE = Path(__file__).parent


build = partial(build_suite, "bus")


@needs_gtest
def test_scenarios_keep_the_contract() -> None:
    done = subprocess.run([build("bus_tests") / "bus_tests"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-4000:]


@needs_gtest
@pytest.mark.slow
def test_scenarios_keep_the_contract_under_sanitizers() -> None:
    program = build("--sanitize", "bus_tests") / "bus_tests"
    done = subprocess.run([program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, (done.stdout + done.stderr)[-4000:]


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("clang++") is None, reason="libFuzzer is missing: apt-get install clang")
def test_fuzzer_finds_nothing(tmp_path: Path) -> None:
    """MICROGRID_FUZZ_S: how long (default 60 s)."""
    seconds = os.environ.get("MICROGRID_FUZZ_S", "60")
    command: list[str | Path] = [
        build("--fuzz") / "bus_fuzz",
        f"-max_total_time={seconds}",
        "-max_len=4000",
        "-timeout=10",
    ]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-4000:]
