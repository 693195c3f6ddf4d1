"""The gateway's firmware: unit tests, summaries as the Python reader sees them, random input."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections import defaultdict
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from microgrid_core.codec.umg1.frame import Kind
from microgrid_core.codec.umg1.log import open_log
from microgrid_core.codec.umg1.samples import decode_samples, summary_node
from microgrid_core.model.house import HOUSE

from .suites import build_suite, needs_gtest

HERE = Path(__file__).parent
_CARD_BYTES = 2_000_000_000
"""The smallest card that a gateway is sold with; half of it is the log."""
_OWN_LOG_BYTES_PER_DAY = 3_000_000
"""More than the gateway's own channels take: 10 Hz of two frequencies, a few at 1 Hz, events."""
_RING_DAYS = 30


build = partial(build_suite, "gateway")


@needs_gtest
def test_unit_tests_pass() -> None:
    """With -s, prints how well it closes."""
    done = subprocess.run(
        [build("gateway_tests") / "gateway_tests"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout[-4000:]
    shown = ("closings:", "phase from crossings")
    print(*(line for line in done.stdout.splitlines() if line.startswith(shown)), sep="\n")


@needs_gtest
@pytest.mark.slow
def test_unit_tests_pass_under_sanitizers() -> None:
    program = build("--sanitize", "gateway_tests") / "gateway_tests"
    done = subprocess.run([program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, (done.stdout + done.stderr)[-4000:]


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("clang++") is None, reason="libFuzzer is missing: apt-get install clang")
def test_fuzzer_finds_nothing(tmp_path: Path) -> None:
    """MICROGRID_FUZZ_S: how long (default 60 s)."""
    seconds = os.environ.get("MICROGRID_FUZZ_S", "60")
    command: list[str | Path] = [
        build("--fuzz") / "gateway_fuzz",
        f"-max_total_time={seconds}",
        "-max_len=4000",
        "-timeout=5",
    ]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-4000:]


def _truth(path: Path) -> dict[str, dict[int, list[int | None]]]:
    """What the houses told, by house and second: the integer of each channel."""
    found: dict[str, dict[int, list[int | None]]] = defaultdict(dict)
    for line in path.read_text().splitlines():
        house, second, *values = line.split()
        found[house][int(second)] = [None if value == "-" else int(value) for value in values]
    return found


def test_summaries_are_what_the_houses_told(tmp_path: Path) -> None:
    """Each sample of six hours of four houses, read back by the reader of Home Assistant's side."""
    log_path, truth_path = tmp_path / "gateway.umg1", tmp_path / "truth.txt"
    program = build("summary_log") / "summary_log"
    done = subprocess.run(
        [program, log_path, truth_path, "21600"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    print(done.stdout.strip())

    truth = _truth(truth_path)
    log = open_log([log_path])
    assert not log.gaps
    assert not log.malformed
    frames = list(log.frames())
    metrics = {metric.key for metric in HOUSE.metrics}
    seen: dict[str, dict[int, dict[int, int]]] = defaultdict(lambda: defaultdict(dict))
    order: dict[int, int] = {}
    for frame in frames:
        if frame.kind != Kind.SUMMARY:
            continue
        house = summary_node(frame)
        schema = log.schemas[frame.schema_hash]
        assert schema.node == house
        assert schema.cluster == "north"
        order = {channel.id: place for place, channel in enumerate(schema.channels)}
        assert {channel.name for channel in schema.channels} <= metrics
        samples, malformed = decode_samples([frame], schema)
        assert not malformed
        for found in samples.values():
            seconds = found.mono_us() // 1_000_000
            present = np.ones(len(found.values), bool) if found.valid is None else found.valid
            for second, value in zip(seconds[present].tolist(), found.values[present].tolist(), strict=True):
                seen[house][second][order[found.channel.id]] = value

    assert set(seen) == set(truth)
    for house, told in truth.items():
        first, last = min(seen[house]), max(seen[house])
        # The first and the last minute may be incomplete: they are in no frame.
        assert first - min(told) < 60
        assert max(told) - last <= 60
        wanted = {
            second: {place: value for place, value in enumerate(values) if value is not None}
            for second, values in told.items()
            if first <= second <= last
        }
        assert dict(seen[house]) == {second: values for second, values in wanted.items() if values}

    match = re.search(r"([\d.]+) MB/day", done.stdout)
    assert match is not None
    per_day = float(match[1]) * 1e6 + _OWN_LOG_BYTES_PER_DAY
    print(f"ring of {_RING_DAYS} days: {per_day * _RING_DAYS / 1e6:.0f} MB of {_CARD_BYTES / 2e6:.0f} MB")
    assert per_day * _RING_DAYS < _CARD_BYTES / 2
