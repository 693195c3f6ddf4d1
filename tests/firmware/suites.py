"""The suites of C++ tests as the tests in Python call them; see build.sh."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

HERE = Path(__file__).parent

needs_gtest = pytest.mark.skipif(
    not os.environ.get("GTEST_HEADER") and not Path("/usr/include/gtest/gtest.h").exists(),
    reason="GoogleTest is missing: apt-get install libgtest-dev",
)


def build_suite(suite: str, *arguments: str) -> Path:
    """Build programs of a suite and return the folder they are in."""
    command: list[str | Path] = [HERE / "build.sh", suite, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return Path(done.stdout.strip())
