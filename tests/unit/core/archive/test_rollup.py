"""Roll-ups equal brute force, in whatever order frames come, and whatever is learnt about time later."""

from __future__ import annotations

import random
import struct
import tracemalloc
from dataclasses import replace

import numpy as np
import pytest

from microgrid_core.archive import reading
from microgrid_core.archive.rollup import DAY, HOUR, MINUTE
from microgrid_core.codec.umg1.frame import Frame, Kind
from microgrid_core.codec.umg1.records import Clock
from microgrid_core.codec.umg1.schema import Channel, Schema

from .compare import EVER_S, EVER_US, assert_roll_ups, assert_samples
from .conftest import Disk
from .logs import HOUR_US, MINUTE_US, SCHEMA, START_US, Node


@pytest.mark.parametrize("step", [1, 7, 10_000])
def test_in_order(disk: Disk, step: int) -> None:
    node = Node(drift_ppb=30_000, missing=0.1)
    frames = [*node.start(), *node.minutes(15)]
    archive = disk.open()
    for at in range(0, len(frames), step):
        archive.append("h1", frames[at : at + step])
        archive.roll_up()
    assert_samples(archive, frames)
    assert_roll_ups(archive, frames)


@pytest.mark.parametrize("seed", range(6))
def test_any_order_with_repetitions_and_two_boots(disk: Disk, seed: int) -> None:
    rng = random.Random(seed)
    first = Node(drift_ppb=-50_000, utc_us=START_US + 47 * MINUTE_US, seed=seed)
    frames = [*first.start(), *first.minutes(20)]
    second = Node(boot_id=0xB002, utc_us=START_US + 69 * MINUTE_US, missing=0.3, seed=seed + 100)
    frames += [*second.start(first), *second.minutes(10)]
    arriving = frames + rng.choices(frames, k=20)
    rng.shuffle(arriving)
    archive = disk.open(segment_bytes=8192)
    while arriving:
        archive.append("h1", [arriving.pop() for _ in range(min(len(arriving), rng.randrange(1, 30)))])
        if rng.random() < 0.4:
            archive.roll_up(max_batches=1)
    assert_samples(archive, frames)
    assert_roll_ups(archive, frames)
    assert len(disk.files()) > 1


def test_time_learnt_late_dates_what_came_before(disk: Disk) -> None:
    node = Node(knows_time=False)
    frames = [*node.start(), *node.minutes(5)]
    archive = disk.open()
    archive.append("h1", frames)
    assert archive.history("h1", None, *EVER_S, MINUTE) == {}
    assert archive.coverage("h1").undated_frames == len(frames)
    node.knows_time = True
    later = list(node.minutes(3))
    archive.append("h1", later)
    assert archive.coverage("h1").undated_frames == 0
    assert_samples(archive, frames + later)
    assert_roll_ups(archive, frames + later)


def test_a_clock_step_moves_only_its_side(disk: Disk) -> None:
    node = Node()
    frames = [*node.start(), *node.minutes(4)]
    archive = disk.open()
    archive.append("h1", frames)
    archive.roll_up()
    node.utc_us += 2 * HOUR_US
    later = list(node.minutes(4))
    archive.append("h1", later)
    assert_samples(archive, frames + later)
    assert_roll_ups(archive, frames + later)


def test_an_impossible_time_is_not_believed(disk: Disk) -> None:
    node = Node(utc_us=START_US + 400 * 24 * HOUR_US)
    archive = disk.open()
    archive.append("h1", [*node.start(), *node.minutes(2)])
    assert archive.coverage("h1").undated_frames > 0
    assert archive.series("h1", None, *EVER_US) == {}


def test_a_schema_that_comes_late_opens_what_waited(disk: Disk) -> None:
    node = Node()
    frames = [*node.start(), *node.minutes(4)]
    archive = disk.open()
    assert archive.append("h1", frames[1:]).stored == len(frames) - 1
    assert archive.coverage("h1").opaque_frames > 0
    assert archive.history("h1", None, *EVER_S, MINUTE) == {}
    archive = disk.open()
    archive.append("h1", frames[:1])
    assert archive.coverage("h1").opaque_frames == 0
    assert_samples(archive, frames)
    assert_roll_ups(archive, frames)


def test_a_channel_that_gets_another_scale_goes_on(disk: Disk) -> None:
    node = Node(missing=0.2)
    frames = [*node.start(), *node.minutes(2)]
    finer = tuple(replace(c, exponent=c.exponent - 1) if c.unit == "V" else c for c in SCHEMA.channels)
    other = Schema("h1", "c1", finer)
    second = Node(boot_id=7, utc_us=node.utc_us + 90_000_000, schema=other, seed=5)
    later = [*second.start(node), *second.minutes(2)]
    archive = disk.open()
    archive.append("h1", frames + later)
    found = archive.history("h1", ["dc_bus_voltage"], *EVER_S, MINUTE)["dc_bus_voltage"]
    series = archive.series("h1", ["dc_bus_voltage"], *EVER_US)["dc_bus_voltage"]
    for number, start_s in enumerate(found.times_s.tolist()):
        values = series.values[series.times_us // MINUTE_US == start_s // 60]
        assert found.count[number] == len(values)
        assert found.minimum[number] == values.min()
        assert found.maximum[number] == values.max()
        assert np.isclose(found.mean[number], values.mean())
        assert np.isclose(found.positive[number], values[values > 0].sum() / 3600)


def test_power_is_the_product_of_what_is_logged(disk: Disk) -> None:
    node = Node(missing=0.1)
    archive = disk.open()
    archive.append("h1", [*node.start(), *node.minutes(3)])
    series = archive.series("h1", None, *EVER_US)
    voltage, current, power = (
        series[name] for name in ("dc_bus_voltage", "battery_current", "battery_power")
    )
    _, left, right = np.intersect1d(voltage.times_us, current.times_us, return_indices=True)
    assert power.unit == "W"
    assert np.allclose(power.values, voltage.values[left] * current.values[right])
    day = archive.history("h1", ["battery_power"], *EVER_S, DAY)["battery_power"]
    assert np.isclose(day.positive[0], power.values[power.values > 0].sum() / 3600)
    assert np.isclose(day.negative[0], -power.values[power.values < 0].sum() / 3600)


def test_a_gateway_keeps_what_it_saw_of_its_houses_apart(disk: Disk) -> None:
    archive = disk.open()
    gateway = Schema("g1", "c1", SCHEMA.channels)
    node = Node(schema=gateway)
    frames = list(node.start())
    for house in ("h1", "h2"):
        frames.append(node.frame(Kind.SCHEMA, SCHEMA.payload))
        for fast in Node(seed=3).minutes(1):
            clock = Clock(0, 500, 3, 1).encode()
            body = bytes(fast.payload)[12 if fast.flags else 0 :]
            payload = clock + bytes([len(house)]) + house.encode() + body
            frames.append(
                Frame(
                    Kind.SUMMARY,
                    node.seq,
                    node.boot_id,
                    SCHEMA.hash,
                    fast.mono_us,
                    fast.utc_us,
                    payload,
                    1,
                    fast.blocks,
                )
            )
            node.seq += 1
    archive.append("g1", frames)
    found = archive.history("g1", None, *EVER_S, HOUR)
    assert {"h1/exchange_power", "h2/exchange_power", "h1/battery_power"} <= set(found)
    assert found["h1/exchange_power"].count.tolist() == [60]


def test_readers_of_roll_ups_hear_of_every_hour_that_changed(disk: Disk) -> None:
    node = Node(utc_us=START_US + 55 * MINUTE_US)
    frames = [*node.start(), *node.minutes(10)]
    archive = disk.open()
    sink = archive.cursor("statistics")
    archive.append("h1", frames[:15])
    archive.roll_up()
    first = sink.changed_hours()
    assert [hour for _, hour, _ in first] == [START_US // 1_000_000]
    sink.seen(first[-1][2])
    assert sink.changed_hours() == []
    archive.append("h1", frames[15:])
    archive.roll_up()
    assert [hour - START_US // 1_000_000 for _, hour, _ in sink.changed_hours()] == [0, 3600]
    archive = disk.open()
    assert len(archive.cursor("statistics").changed_hours()) == 2


def test_a_frame_that_does_not_decode_spoils_no_other(disk: Disk) -> None:
    node = Node()
    frames = [*node.start(), *node.minutes(3)]
    broken = Frame(
        Kind.SLOW, node.seq, node.boot_id, SCHEMA.hash, 0, START_US, struct.pack("<I", 60_000) + b"\1\2", 0, 3
    )
    archive = disk.open()
    assert archive.append("h1", [*frames, broken]).stored == len(frames) + 1
    assert_samples(archive, frames)
    assert len(archive.unreadable.malformed) == 1
    assert_roll_ups(archive, frames)


def test_a_few_bytes_that_stand_for_billions_of_samples_cost_only_themselves(
    disk: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Most of their frames are left out; what the node logged before is there."""
    monkeypatch.setattr(reading, "MAX_SAMPLES", 3_000_000)
    node = Node()
    good = [*node.start(), *node.minutes(3)]
    bomb = Schema("h1", "c1", tuple(Channel(at, f"c{at}", "V", 1) for at in range(1, 17)))
    blocks = b"".join(bytes((at, 15, 0, 0)) for at in range(1, 17))  # each 65000 zeros
    node.schema = bomb
    frames = [node.frame(Kind.SCHEMA, bomb.payload)]
    frames += [node.frame(Kind.FAST, struct.pack("<I", 65) + blocks, 0, 16) for _ in range(2000)]
    archive = disk.open()
    archive.append("h1", [b"".join(frame.encode() for frame in [*good, *frames])], in_order=True)
    tracemalloc.start()
    try:
        archive.roll_up()
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 100 * 3_000_000
    found = archive.history("h1", None, *EVER_S, HOUR)
    assert found["exchange_power"].count.sum() == 180
    assert 0 < found["c1"].count.sum() * 16 <= 3_000_000 + (1 << 20)
    series = archive.series("h1", ["c16"], *EVER_US)
    assert len(series["c16"].values) == found["c16"].count.sum()
    assert len(archive.unreadable.malformed) == 2000 - found["c1"].count.sum() // 65_000
    assert archive.roll_up() == 0
