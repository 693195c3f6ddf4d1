"""What only the ESP32 has, on stand-ins of ESP-IDF and ESPHome: its card, and what it keeps in flash."""

from __future__ import annotations

import subprocess
from functools import partial

import pytest

from .suites import build_suite, needs_gtest

build = partial(build_suite, "esp32")


@needs_gtest
def test_unit_tests_pass() -> None:
    done = subprocess.run([build("esp32_tests") / "esp32_tests"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-4000:]


@needs_gtest
@pytest.mark.slow
def test_unit_tests_pass_under_sanitizers() -> None:
    program = build("--sanitize", "esp32_tests") / "esp32_tests"
    done = subprocess.run([program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, (done.stdout + done.stderr)[-4000:]
