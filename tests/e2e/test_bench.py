"""The benchmarks of the history still run, at sizes at which their figures mean nothing."""

from __future__ import annotations

from pathlib import Path
from unittest.mock import patch

import pytest
from pytest_socket import enable_socket

from script.lab.broker import find_mosquitto
from script.lab.influx import find_influxd
from script.lab.neighbourhood import Plan
from tests.bench import bench_backfill, bench_history, day_log

pytestmark = pytest.mark.e2e


@pytest.mark.parametrize("kind", ["house", "gateway"])
def test_a_day_is_encoded_once(tmp_path: Path, kind: str) -> None:
    path = day_log.day_log(kind, 600, tmp_path)
    written = path.stat().st_mtime_ns
    assert day_log.day_log(kind, 600, tmp_path) == path
    assert path.stat().st_mtime_ns == written
    frames = list(day_log.frames(path, 7, 1_800_000_000_000_000))
    assert {frame.boot_id for frame in frames} == {7}
    assert min(frame.utc_us for frame in frames) == 1_800_000_000_000_000
    batches = list(bench_backfill.batches(frames))
    assert max(len(batch.payload) for batch in batches) <= bench_backfill.BATCH_BYTES
    assert b"".join(batch.payload for batch in batches) == b"".join(frame.encode() for frame in frames)


@pytest.mark.skipif(find_mosquitto() is None, reason="mosquitto is not installed")
async def test_back_fill(tmp_path: Path) -> None:
    enable_socket()
    with patch.object(bench_backfill, "_CALM_S", 1.0):
        report = await bench_backfill.measure(
            Plan(houses=2, clusters=1), 0.2, tmp_path, wait_for_upkeep=False
        )
    assert [phase.name for phase in report.phases] == ["before", "back-fill"]
    assert report.repeated == 0
    assert report.messages > 0
    table = bench_backfill.table(report)
    assert "A day is handed over in" in table


@pytest.mark.skipif(find_influxd() is None, reason="influxd is missing")
async def test_history(tmp_path: Path) -> None:
    enable_socket()
    with patch.multiple(bench_history, RECORDED=500, SETTLED_S=1.0):
        table = await bench_history.measure(2, 600, 2, tmp_path)
    rows = {line.split("|")[1].strip(): line for line in table.splitlines() if line.startswith("| ")}
    assert {name for _, name, _, _ in bench_history.ROWS} <= rows.keys()
    assert "states a second" in table
