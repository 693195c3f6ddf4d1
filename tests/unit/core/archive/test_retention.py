"""Retention: each tier lives as long as told, nothing needed goes, and late data finds its place."""

from __future__ import annotations

import random

import pytest

from microgrid_core.archive.cursors import Cursor, Delivery
from microgrid_core.archive.retention import Retention
from microgrid_core.archive.rollup import DAY, HOUR, MINUTE
from microgrid_core.codec.umg1.frame import Frame

from .compare import EVER_S, EVER_US, assert_roll_ups, assert_samples
from .conftest import Disk
from .logs import DAY_US, HOUR_US, MINUTE_US, START_US, Node


def test_samples_go_and_everything_else_stays(disk: Disk) -> None:
    node = Node()
    frames = [*node.start(), *node.minutes(30), node.event()]
    archive = disk.open()
    archive.append("h1", frames)
    assert archive.enforce_retention().files == 0  # the file still grows
    disk.now_us += DAY_US + HOUR_US
    report = archive.enforce_retention()
    assert (report.files, report.waiting, report.forced) == (1, [], [])
    assert disk.files() == []
    assert archive.series("h1", None, *EVER_US) == {}
    assert_roll_ups(archive, frames)
    assert len(archive.events()) == 1
    archive = disk.open()
    assert archive.findings == []
    assert archive.append("h1", frames).duplicates == len(frames)
    assert_roll_ups(archive, frames)


@pytest.mark.parametrize("late_minute", [3, 12, 25, 40])
def test_late_frames_of_a_time_whose_files_are_gone_are_added(disk: Disk, late_minute: int) -> None:
    node = Node(missing=0.1)
    frames = [*node.start(), *node.minutes(30)]
    # The energy counter of interleaved frames of one minute cannot be known exactly; whole minutes can.
    late = [
        f for f in frames if f.mono_us // MINUTE_US in (late_minute, late_minute + 1) and f.kind in (1, 2)
    ]
    archive = disk.open()
    archive.append("h1", [frame for frame in frames if frame not in late])
    disk.now_us += 3 * DAY_US
    assert archive.enforce_retention().files == 1
    for frame in late:
        archive.append("h1", [frame])
        archive.roll_up()
    assert_samples(archive, late)
    assert_roll_ups(archive, frames)


def test_late_frames_find_the_finest_tier_that_is_left(disk: Disk) -> None:
    node = Node()
    frames = [*node.start(), *node.minutes(90)]
    late = [frame for frame in frames if frame.seq % 11 == 0 and frame.kind == 2]
    archive = disk.open(retention=Retention(raw_s=3600, minute_s=2 * 86_400, hour_s=4 * 86_400))
    archive.append("h1", [frame for frame in frames if frame not in late])
    disk.now_us = START_US + 3 * DAY_US
    archive.enforce_retention()
    assert archive.history("h1", None, *EVER_S, MINUTE) == {}
    archive.append("h1", late[:2])
    hours = archive.history("h1", ["exchange_power"], *EVER_S, HOUR)["exchange_power"]
    assert hours.count.sum() == (90 - len(late) + 2) * 60
    disk.now_us = START_US + 6 * DAY_US
    archive.enforce_retention()
    disk.now_us += DAY_US
    archive.enforce_retention()
    assert archive.history("h1", None, *EVER_S, HOUR) == {}
    archive.append("h1", late[2:])
    days = archive.history("h1", ["exchange_power"], *EVER_S, DAY)["exchange_power"]
    assert days.count.tolist() == [90 * 60]


def test_a_sink_that_lags_behind_keeps_the_files_until_their_size_forces_them_out(disk: Disk) -> None:
    node = Node()
    archive = disk.open(segment_bytes=5000)
    sink = archive.cursor("influx")
    archive.append("h1", node.start())
    for frame in node.minutes(30):
        archive.append("h1", [frame])
    disk.now_us += 3 * DAY_US
    report = archive.enforce_retention()
    assert report.files == 0
    assert all("influx has not read it" in line for line in report.waiting)
    assert len(report.waiting) == len(disk.files())
    first = sink.read("h1", max_bytes=1)
    assert first is not None
    sink.advance("h1", first.place)
    assert archive.enforce_retention().files == 0
    archive.retention = Retention(raw_bytes=12_000)
    report = archive.enforce_retention()
    assert report.files > 0
    assert len(report.forced) == report.files
    assert sum(path.stat().st_size for path in disk.files()) <= 12_000
    seen = [
        frame.seq
        for delivery in iter(lambda: sink.read("h1", 4000), None)
        for frame in _advance(sink, delivery)
    ]
    assert seen == sorted(set(seen))
    assert archive.enforce_retention().waiting == []
    assert disk.files() == []
    sink.remove()


def _advance(sink: Cursor, delivery: Delivery) -> tuple[Frame, ...]:
    sink.advance(delivery.node, delivery.place)
    return delivery.frames


def test_files_of_unknown_time_wait_longer(disk: Disk) -> None:
    node = Node(knows_time=False)
    archive = disk.open()
    archive.append("h1", [*node.start(), *node.minutes(2)])
    disk.now_us += 10 * DAY_US
    assert "time is not known" in archive.enforce_retention().waiting[0]
    disk.now_us += 30 * DAY_US
    assert archive.enforce_retention().files == 1


def test_a_file_whose_schema_is_missing_waits_too(disk: Disk) -> None:
    node = Node()
    frames = [*node.start(), *node.minutes(2)]
    archive = disk.open()
    archive.append("h1", frames[1:])
    disk.now_us += 3 * DAY_US
    assert "schema is not known" in archive.enforce_retention().waiting[0]
    archive.append("h1", frames[:1])
    assert archive.enforce_retention().files == 1
    assert_roll_ups(archive, frames)


def test_tiers_are_bounded_by_size_too(disk: Disk) -> None:
    node = Node()
    archive = disk.open(retention=Retention(raw_s=60, minute_bytes=1, hour_bytes=1))
    archive.append("h1", [*node.start(), *node.minutes(150)])
    disk.now_us = START_US + 5 * DAY_US
    report = archive.enforce_retention()
    assert report.blocks > 0
    assert archive.history("h1", ["exchange_power"], *EVER_S, DAY)["exchange_power"].count.tolist() == [
        150 * 60
    ]
    assert archive.history("h1", None, *EVER_S, MINUTE) == {}
    assert archive.history("h1", None, *EVER_S, HOUR) == {}


def test_an_order_of_tiers_that_would_lose_data_is_refused() -> None:
    with pytest.raises(ValueError, match="at least as long"):
        Retention(raw_s=100, minute_s=10)


def test_synchronisation_points_go_with_their_files(disk: Disk) -> None:
    node = Node(drift_ppb=20_000)
    archive = disk.open(segment_bytes=5000)
    frames = [*node.start(), *node.minutes(60)]
    for at in range(0, len(frames), 10):
        archive.append("h1", frames[at : at + 10])
    disk.now_us += 5 * DAY_US
    archive.enforce_retention()
    with archive.index.read() as connection:
        (points,) = connection.execute("SELECT count(*) FROM sync_point").fetchone()
    assert points == 2
    more = [*node.minutes(5)]
    archive.append("h1", more)
    assert_roll_ups(archive, frames + more)


@pytest.mark.parametrize("seed", range(5))
def test_files_may_go_at_any_time_while_frames_come_in_any_order(disk: Disk, seed: int) -> None:
    rng = random.Random(seed)
    node = Node(missing=0.2, utc_us=START_US + 50 * MINUTE_US, seed=seed)
    frames = [*node.start(), *node.minutes(20)]
    arriving = [*rng.sample(frames[1:], len(frames) - 1), frames[0]]  # the schema first
    archive = disk.open()
    gone = 0
    while arriving:
        archive.append("h1", [arriving.pop() for _ in range(min(len(arriving), rng.randrange(1, 25)))])
        if rng.random() < 0.4:
            disk.now_us += 2 * DAY_US
            gone += archive.enforce_retention().files
        if rng.random() < 0.2:
            archive = disk.open()
    assert gone > 0
    # How a counter grew between readings that were never in files together is not known; all else is exact.
    assert_roll_ups(archive, frames, gains=False)
