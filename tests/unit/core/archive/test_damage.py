"""Files and index that crashes, hands or media have damaged."""

from __future__ import annotations

import contextlib
import random
import sqlite3
from pathlib import Path

import pytest

from microgrid_core.archive.errors import ArchiveDamaged
from microgrid_core.archive.rollup import HOUR, MINUTE
from microgrid_core.codec.umg1.frame import Frame

from .compare import EVER_S, EVER_US, assert_roll_ups, assert_samples
from .conftest import Disk
from .logs import DAY_US, HOUR_US, MINUTE_US, START_US, Node


def fill(disk: Disk, minutes: int = 6, **options: int) -> list[Frame]:
    """An archive of one node; it is closed again."""
    node = Node()
    frames = [*node.start(), *node.minutes(minutes // 2), node.event(), *node.minutes(minutes - minutes // 2)]
    archive = disk.open(**options)
    for at in range(0, len(frames), 5):
        archive.append("h1", frames[at : at + 5])
    archive.roll_up()
    disk.close()
    return frames


@pytest.mark.parametrize("tail", [b"", b"UMG1", b"\0" * 700, b"garbage" * 9])
def test_what_was_written_but_not_entered_is_entered_at_the_start(disk: Disk, tail: bytes) -> None:
    frames = fill(disk)
    node = Node()
    more = [*node.start(), *node.minutes(9)][len(frames) - 1 :]
    (path,) = disk.files()
    good = b"".join(frame.encode() for frame in more)
    with path.open("ab") as file:
        file.write(good + tail)
    size = path.stat().st_size
    archive = disk.open()
    assert archive.findings == []
    assert path.stat().st_size == size - len(tail)
    assert archive.append("h1", more).duplicates == len(more)
    assert archive.verify() == []


def test_a_file_of_a_transaction_that_never_ended_is_adopted(disk: Disk) -> None:
    frames = fill(disk, segment_bytes=3000)
    last = disk.files()[-1]
    late = Node(boot_id=9, seq=77)
    extra = list(late.minutes(1))
    (last.parent / f"{last.name[:11]}000099.umg1").write_bytes(b"".join(frame.encode() for frame in extra))
    archive = disk.open()
    assert archive.append("h1", extra).duplicates == len(extra)
    assert_samples(archive, frames + extra)
    assert_roll_ups(archive, frames + extra)
    archive.append("h1", late.minutes(1))
    assert disk.files()[-1].name.endswith("000100.umg1")


@pytest.mark.parametrize("part", [0.0, 0.3, 0.7, 0.99])
def test_a_truncated_file_loses_only_what_is_gone_and_says_so(disk: Disk, part: float) -> None:
    frames = fill(disk)
    (path,) = disk.files()
    with path.open("r+b") as file:
        file.truncate(int(path.stat().st_size * part))
    archive = disk.open()
    assert len(archive.findings) == 1
    assert "missing" in archive.findings[0].what
    again = archive.append("h1", frames)
    assert again.stored > 0
    assert archive.coverage("h1").boots[0].missing == ()
    assert archive.verify() == []
    assert_samples(archive, frames)
    assert_roll_ups(archive, frames)


def test_a_file_that_is_gone_loses_only_itself(disk: Disk) -> None:
    frames = fill(disk, segment_bytes=3000)
    disk.files()[1].unlink()
    archive = disk.open()
    missing = archive.coverage("h1").boots[0].missing
    assert len(missing) == 1
    assert archive.append("h1", frames).stored == missing[0][1] - missing[0][0] + 1
    assert_samples(archive, frames)


def test_a_file_shortened_under_a_running_archive_is_not_written_on(disk: Disk) -> None:
    frames = fill(disk)
    archive = disk.open()
    (path,) = disk.files()
    with path.open("r+b") as file:
        file.truncate(1000)
    node = Node(boot_id=3, utc_us=Node().utc_us + HOUR_US)
    more = [*node.start(), *node.minutes(1)]
    assert archive.append("h1", more).stored == len(more)
    assert len(disk.files()) == 2
    assert archive.verify() != []
    archive = disk.open()
    assert archive.append("h1", [*frames, *more]).duplicates >= len(more)
    assert archive.verify() == []


@pytest.mark.parametrize("seed", range(8))
def test_flipped_bits_cost_the_frames_they_hit(disk: Disk, seed: int) -> None:
    frames = fill(disk)
    (path,) = disk.files()
    data = bytearray(path.read_bytes())
    rng = random.Random(seed)
    for _ in range(3):
        data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
    path.write_bytes(data)
    archive = disk.open()
    hit = [frame for frame in frames if frame.encode() not in bytes(data)]
    assert_samples(archive, [frame for frame in frames if frame not in hit])
    numbers = " ".join(finding.what for finding in archive.verify())
    assert all(str(frame.seq) in numbers for frame in hit)
    # The index still knows what the frames were; made again, it knows that they are missing.
    archive.rebuild()
    assert archive.verify() == []
    assert archive.append("h1", frames).duplicates == len(frames)


def damage_nothing(path: Path) -> None:
    path.unlink()


def damage_head(path: Path) -> None:
    path.write_bytes(b"not a database" * 100)


def damage_middle(path: Path) -> None:
    data = bytearray(path.read_bytes())
    for page in range(4096, len(data) - 4096, 3 * 4096):
        data[page : page + 64] = bytes(range(64))
    path.write_bytes(data)


def damage_end(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2 + 100])


@pytest.mark.parametrize("damage", [damage_nothing, damage_head, damage_end, damage_middle])
def test_a_damaged_index_is_made_again_from_the_files(disk: Disk, damage: object) -> None:
    frames = fill(disk, minutes=40, segment_bytes=10_000)
    assert callable(damage)
    damage(disk.folder / "index.db")
    archive = disk.open()
    if damage is damage_middle:  # only noticed when the page is needed: the owner asks for it
        archive.rebuild()
    assert archive.append("h1", frames).duplicates == len(frames)
    assert_samples(archive, frames)
    assert_roll_ups(archive, frames)
    assert len(archive.events()) == 1
    assert archive.coverage("h1").boots[0].missing == ()


def test_damage_that_only_a_question_meets_is_told_to_the_next_who_stores(disk: Disk) -> None:
    """Hours of long ago are read, never written: only who stores has the index made again."""
    frames = fill(disk)
    path = disk.folder / "index.db"
    with contextlib.closing(sqlite3.connect(path)) as connection:
        (page,) = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = 'rollup'").fetchone()
        (size,) = connection.execute("PRAGMA page_size").fetchone()
    with path.open("r+b") as file:
        file.seek((page - 1) * size)
        file.write(b"\xa5" * size)
    archive = disk.open()
    assert archive.append("h1", frames).duplicates == len(frames)
    with pytest.raises(sqlite3.DatabaseError):
        archive.queries.history("h1", None, *EVER_S, HOUR)
    with pytest.raises(ArchiveDamaged, match="malformed"):
        archive.append("h1", frames)
    assert archive.append("h1", frames).duplicates == len(frames)  # told once: what can be stored, is
    archive.rebuild()
    assert_roll_ups(archive, frames)


def test_a_rebuild_keeps_what_only_the_index_knew(disk: Disk) -> None:
    frames = fill(disk, minutes=20, segment_bytes=3000)
    archive = disk.open()
    sink = archive.cursor("influx")
    while (delivery := sink.read("h1")) is not None:
        sink.advance("h1", delivery.place)
    before = archive.history("h1", None, *EVER_S, HOUR)["exchange_power"]
    disk.now_us += 3 * DAY_US
    assert archive.enforce_retention().files > 2
    archive.rebuild()
    assert archive.append("h1", frames).duplicates == len(frames)
    after = archive.history("h1", None, *EVER_S, HOUR)["exchange_power"]
    assert after.count.tolist() == before.count.tolist()
    assert archive.cursor("influx").behind() == {}
    assert len(archive.events()) == 1
    # Late frames of the time whose files are gone are still added, and only once.
    node = Node(boot_id=0xC0, utc_us=Node().utc_us + 5 * MINUTE_US, seed=9)
    late = [*node.start(), *node.minutes(2)]
    archive.append("h1", late)
    archive.rebuild()
    archive.append("h1", late)
    found = archive.history("h1", None, *EVER_S, HOUR)["exchange_power"]
    assert found.count.tolist() == [before.count[0] + 120]
    assert archive.series("h1", ["exchange_power"], *EVER_US)["exchange_power"].values.size >= 120


def test_a_damaged_block_of_a_roll_up_costs_that_block(disk: Disk) -> None:
    fill(disk, minutes=130)
    archive = disk.open()
    start_s = START_US // 1_000_000
    with archive.index.write() as connection:
        connection.execute(
            "UPDATE rollup SET data = substr(data, 1, 20) WHERE tier = 0 AND block_s = ?", (start_s,)
        )
    found = archive.history("h1", ["exchange_power"], *EVER_S, MINUTE)["exchange_power"]
    assert found.times_s[0] == start_s + 3600
    assert archive.unreadable.damaged_blocks == 1
    late = Node(boot_id=5, seed=4)
    archive.append("h1", [*late.start(), *late.minutes(1)])
    assert archive.history("h1", ["exchange_power"], *EVER_S, MINUTE)["exchange_power"].times_s[0] == start_s
