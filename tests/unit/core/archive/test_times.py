"""Times that no node can mean: they cost nothing, and leave alone what is true."""

from __future__ import annotations

import sqlite3

import pytest

from microgrid_core.archive.retention import Retention
from microgrid_core.archive.rollup import MINUTE
from microgrid_core.codec.umg1.frame import Frame, Kind

from .compare import EVER_S, assert_roll_ups, assert_samples
from .conftest import Disk
from .logs import DAY_US, HOUR_US, MINUTE_US, START_US, Node

YEAR_US = 366 * DAY_US
STRANGE = (36_000 * YEAR_US, 1000 * YEAR_US, 1 << 60, (1 << 60) + 1, 1 << 61, (1 << 64) - 1)


def at(frame: Frame, mono_us: int, seq: int) -> Frame:
    """Return a frame with another time and number."""
    return Frame(
        frame.kind,
        seq,
        frame.boot_id,
        frame.schema_hash,
        mono_us,
        0,
        frame.payload,
        frame.flags,
        frame.blocks,
    )


def with_strange(mono_us: int) -> tuple[list[Frame], list[Frame]]:
    """Return good frames with one among them whose time is another one, and the good ones."""
    node = Node()
    before = [*node.start(), *node.minutes(3)]
    strange = at(before[-2], mono_us, node.seq)
    node.seq += 1
    after = [*node.minutes(3)]
    return [*before, strange, *after], [*before, *after]


def dirty(disk: Disk) -> int:
    """Return how many hours wait to be computed."""
    connection = sqlite3.connect(disk.folder / "index.db")
    try:
        (hours,) = connection.execute("SELECT count(*) FROM dirty").fetchone()
        return int(hours)
    finally:
        connection.close()


@pytest.mark.parametrize("mono_us", STRANGE)
def test_a_jump_of_the_clock_marks_no_time_between(disk: Disk, mono_us: int) -> None:
    frames, good = with_strange(mono_us)
    archive = disk.open()
    done = archive.append("h1", [b"".join(frame.encode() for frame in frames)], in_order=True)
    assert done.stored == len(frames)
    assert dirty(disk) == 1
    assert archive.coverage("h1").undated_frames == 1
    assert archive.extent_us() == (START_US, START_US + 6 * MINUTE_US)
    assert_samples(archive, good)
    assert_roll_ups(archive, good)


def test_a_jump_to_what_can_be_leaves_out_the_hours_between(disk: Disk) -> None:
    node = Node()
    frames = [*node.start(), *node.minutes(2)]
    node.mono_us = 20 * HOUR_US
    frames += node.minutes(2)
    archive = disk.open()
    archive.append("h1", frames)
    assert dirty(disk) == 2
    assert len(archive.coverage("h1").samples_us) == 2
    assert_samples(archive, frames)
    assert_roll_ups(archive, frames)


@pytest.mark.parametrize("mono_us", STRANGE)
def test_files_with_such_times_are_entered_at_the_start(disk: Disk, mono_us: int) -> None:
    """Written but not entered, and again after the loss of the index."""
    frames, good = with_strange(mono_us)
    disk.open().append("h1", frames[:2])
    disk.close()
    with disk.files()[0].open("ab") as file:
        file.write(b"".join(frame.encode() for frame in frames[2:]))
    archive = disk.open()
    assert dirty(disk) == 1
    assert_roll_ups(archive, good)
    archive.rebuild()
    assert dirty(disk) == 1
    assert_samples(archive, good)
    assert_roll_ups(archive, good)


def test_a_span_of_weeks_is_none(disk: Disk) -> None:
    node = Node()
    frames = [*node.start(), *node.minutes(2)]
    slow = frames[-1]
    payload = bytearray(slow.payload)
    payload[12:16] = b"\xff\xff\xff\xff"  # behind the clock record
    long = [
        Frame(Kind.SLOW, node.seq + at, node.boot_id, slow.schema_hash, slow.mono_us, 0, bytes(payload), 1, 1)
        for at in range(3)
    ]
    archive = disk.open()
    archive.append("h1", [*frames, *long])
    assert dirty(disk) == 1
    assert_roll_ups(archive, frames)


def test_the_retention_takes_files_with_such_times(disk: Disk) -> None:
    """When their frames would be thrown away for want of a time; what comes later is kept as ever."""
    frames, _ = with_strange(1000 * YEAR_US)
    archive = disk.open(retention=Retention())
    archive.append("h1", frames)
    disk.now_us += 3 * DAY_US
    assert archive.enforce_retention().files == 0
    disk.now_us += 30 * DAY_US
    assert archive.enforce_retention().files == 1
    assert disk.files() == []
    later = Node(boot_id=2, utc_us=disk.now_us - HOUR_US)
    new = [*later.start(), *later.minutes(3)]
    archive.append("h1", new)
    assert_samples(archive, new)
    assert archive.history("h1", None, EVER_S[0], EVER_S[1], MINUTE)


def test_an_index_that_believed_such_times_is_lived_with(disk: Disk) -> None:
    frames, _ = with_strange(1000 * YEAR_US)
    archive = disk.open(retention=Retention())
    archive.append("h1", frames)
    disk.close()
    connection = sqlite3.connect(disk.folder / "index.db")
    far = START_US + 30_000 * YEAR_US
    connection.execute("UPDATE chunk SET utc_first = ?, utc_end = ? WHERE utc_first IS NULL", (far, far))
    connection.commit()
    connection.close()
    archive = disk.open(retention=Retention())
    assert archive.extent_us() == (START_US, START_US + 6 * MINUTE_US)
    disk.now_us += 40 * DAY_US
    assert archive.enforce_retention().files == 1
    assert archive.queries.floors("h1")[0] * 1_000_000 < disk.now_us
