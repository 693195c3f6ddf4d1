"""The uplink of the firmware: unit tests, fuzzers, and the golden messages of the contract."""

from __future__ import annotations

import functools
import json
import os
import shutil
import subprocess
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.unit.core.contract.vectors import load, name_of, payload_of

HERE = Path(__file__).parent
REQUESTS = ("log-ack", "snapshot-get", "command")
NOW = "2026-11-21T12:00:00.000Z"


@functools.cache
def build(*arguments: str) -> Path:
    """Build programs and return the folder they are in."""
    done = subprocess.run(
        [HERE / "build.sh", "uplink", *arguments], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return Path(done.stdout.strip())


needs_gtest = pytest.mark.skipif(
    not os.environ.get("GTEST_HEADER") and not Path("/usr/include/gtest/gtest.h").exists(),
    reason="GoogleTest is missing: apt-get install libgtest-dev",
)


@needs_gtest
def test_unit_tests_pass() -> None:
    """With -s, prints what the uplink takes of the memory."""
    done = subprocess.run(
        [build("uplink_tests") / "uplink_tests"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout[-4000:]
    print(*(line for line in done.stdout.splitlines() if line.startswith("uplink ")), sep="\n")


@needs_gtest
@pytest.mark.slow
def test_unit_tests_pass_under_sanitizers() -> None:
    program = build("--sanitize", "uplink_tests") / "uplink_tests"
    done = subprocess.run([program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, (done.stdout + done.stderr)[-4000:]


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("clang++") is None, reason="libFuzzer is missing: apt-get install clang")
@pytest.mark.parametrize("fuzzer", ["json_fuzz", "mqtt_fuzz"])
def test_fuzzers_find_nothing(tmp_path: Path, fuzzer: str) -> None:
    """MICROGRID_FUZZ_S: how long (default 60 s)."""
    seconds = os.environ.get("MICROGRID_FUZZ_S", "60")
    command: list[str | Path] = [build("--fuzz") / fuzzer, f"-max_total_time={seconds}", "-max_len=4000"]
    done = subprocess.run([*command, "-timeout=5"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-4000:]


def microseconds(text: str) -> int:
    """Return a time of the vectors as µs since 1970."""
    since = datetime.fromisoformat(text) - datetime(1970, 1, 1, tzinfo=UTC)
    return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds


def read_by_firmware(cases: list[tuple[str, dict[str, Any]]]) -> list[str]:
    """Let the firmware read requests; a line each."""
    lines = [
        f"{message} {microseconds(load(message).get('now', NOW))} :{payload_of(case).hex()}\n"
        for message, case in cases
    ]
    done = subprocess.run(
        [build("uplink_vectors") / "uplink_vectors"],
        input="".join(lines),
        capture_output=True,
        text=True,
        check=True,
    )
    answers = done.stdout.splitlines()
    assert len(answers) == len(cases)
    return answers


def expected_of(message: str, parsed: dict[str, Any]) -> str:
    """Return what the firmware prints of an accepted request, but for the parameters of a command."""
    if message == "log-ack":
        return f"ok {parsed['boot_id']} {parsed['seq']}"
    if message == "snapshot-get":
        return f"ok {parsed['event_id'] or '-'} {parsed['part']} {parsed['first']} {parsed['count']}"
    return f"ok {parsed['id']} {parsed['command']} {microseconds(parsed['expires_at'])}"


def test_the_firmware_accepts_what_the_contract_accepts() -> None:
    cases = [(message, case) for message in REQUESTS for case in load(message)["accepted"]]
    for (message, case), answer in zip(cases, read_by_firmware(cases), strict=True):
        parsed = case["parsed"]
        expected = expected_of(message, parsed)
        assert answer.startswith(expected), name_of(case)
        rest = answer.removeprefix(expected)
        assert (json.loads(rest) if rest else {}) == parsed.get("parameters", {}), name_of(case)


def test_the_firmware_refuses_what_the_contract_refuses() -> None:
    cases = [(message, case) for message in REQUESTS for case in load(message)["refused"]]
    cases += [(message, case) for message in REQUESTS for case in load("hostile")["refused"]]
    for (message, case), answer in zip(cases, read_by_firmware(cases), strict=True):
        assert answer == case["reason"], (message, name_of(case))
