"""Appending: what is taken, what is refused, and up to where a node may forget."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from microgrid_core.archive.append import Gap, Position
from microgrid_core.archive.archive import Archive
from microgrid_core.archive.errors import ArchiveBusy
from microgrid_core.codec.umg1.frame import Frame, Kind
from microgrid_core.codec.umg1.segment import FileScan

from .compare import assert_samples
from .conftest import Disk
from .logs import DAY_US, START_US, Node


def test_a_message_of_many_frames_is_taken_apart(disk: Disk) -> None:
    node = Node()
    frames = [*node.start(), *node.minutes(2)]
    archive = disk.open()
    done = archive.append("h1", [b"".join(frame.encode() for frame in frames)])
    assert (done.stored, done.duplicates, done.refused) == (len(frames), 0, ())
    assert done.acknowledged == Position(node.boot_id, len(frames) - 1)
    assert_samples(archive, frames)


def test_repetitions_are_dropped_within_a_message_and_across_restarts(disk: Disk) -> None:
    node = Node()
    frames = [*node.start(), *node.minutes(2)]
    archive = disk.open()
    assert archive.append("h1", frames + frames).duplicates == len(frames)
    archive = disk.open()
    done = archive.append("h1", frames)
    assert (done.stored, done.duplicates) == (0, len(frames))
    assert done.acknowledged == Position(node.boot_id, len(frames) - 1)


def test_damaged_bytes_are_refused_and_the_rest_is_kept(disk: Disk) -> None:
    node = Node()
    frames = [frame.encode() for frame in [*node.start(), *node.minutes(1)]]
    frames[3] = frames[3][:60] + bytes([frames[3][60] ^ 4]) + frames[3][61:]
    done = disk.open().append("h1", [b"".join(frames)])
    assert done.stored == len(frames) - 1
    assert len(done.refused) == 1
    assert "good CRC" in done.refused[0]
    assert done.acknowledged == Position(node.boot_id, 2)


@pytest.mark.parametrize("node", ["", "..", "a/b", "H1", "x" * 33, "h1\n"])
def test_a_node_id_that_is_none_is_refused(disk: Disk, node: str) -> None:
    with pytest.raises(ValueError, match="does not match"):
        disk.open().append(node, [])
    assert not (disk.folder / "log").exists()


def test_the_acknowledgement_stops_at_a_gap_and_goes_on_when_it_is_filled_or_declared_lost(
    disk: Disk,
) -> None:
    node = Node()
    frames = [*node.start(), *node.minutes(3)]
    archive = disk.open()
    assert archive.append("h1", frames[:5] + frames[8:]).acknowledged == Position(node.boot_id, 4)
    assert archive.coverage("h1").boots[0].missing == ((5, 7),)
    assert archive.append("h1", frames[5:6]).acknowledged == Position(node.boot_id, 5)
    assert archive.declare_lost("h1", node.boot_id, 6, 7) == Position(node.boot_id, len(frames) - 1)
    boot = disk.open().coverage("h1").boots[0]
    assert (boot.missing, boot.lost) == ((), ((6, 7),))
    assert disk.archive is not None
    assert disk.archive.append("h1", frames[6:7]).stored == 1
    assert disk.archive.coverage("h1").boots[0].lost == ((7, 7),)


def test_what_a_node_skips_in_its_order_is_lost(disk: Disk) -> None:
    """Within a message and between two; the first message of all may begin anywhere."""
    node = Node()
    frames = [*node.start(), *node.minutes(4)]
    archive = disk.open()
    assert archive.append("h1", frames[2:5], in_order=True).gaps == ()
    done = archive.append("h1", frames[7:9] + frames[12:15], in_order=True)
    assert done.gaps == (Gap(node.boot_id, 5, 6), Gap(node.boot_id, 9, 11))
    assert done.acknowledged == Position(node.boot_id, 14)
    assert archive.append("h1", frames[2:5], in_order=True).gaps == ()
    boot = archive.coverage("h1").boots[0]
    assert (boot.missing, boot.lost) == ((), ((5, 6), (9, 11)))


def test_a_later_boot_in_order_says_that_the_end_of_the_earlier_ones_is_lost(disk: Disk) -> None:
    first = Node()
    frames = [*first.start(), *first.minutes(2)]
    second = Node(boot_id=2, utc_us=START_US + DAY_US // 2)
    third = Node(boot_id=3, utc_us=START_US + DAY_US)
    between = [*second.start(first), *second.minutes(1)]
    archive = disk.open()
    archive.append("h1", frames[:-3], in_order=True)
    archive.append("h1", between[:3])
    done = archive.append("h1", third.start(second), in_order=True)
    assert done.acknowledged == Position(3, 1)
    assert set(done.gaps) == {
        Gap(first.boot_id, first.seq - 3, first.seq - 1),
        Gap(2, 3, second.seq - 1),
    }


def test_a_log_that_began_before_the_archive_is_acknowledged_from_its_first_frame(disk: Disk) -> None:
    node = Node(seq=40_000)
    frames = list(node.minutes(1))
    assert disk.open().append("h1", frames).acknowledged == Position(node.boot_id, 40_006)


def test_an_earlier_boot_must_be_complete_before_a_later_one_is_acknowledged(disk: Disk) -> None:
    first = Node()
    frames = [*first.start(), *first.minutes(2)]
    second = Node(boot_id=2, utc_us=START_US + DAY_US // 2)
    later = [*second.start(first), *second.minutes(1)]
    archive = disk.open()
    archive.append("h1", frames[:-3])
    held_back = archive.append("h1", later)
    assert held_back.acknowledged == Position(first.boot_id, first.seq - 4)
    assert archive.coverage("h1").boots[0].missing == ((first.seq - 3, first.seq - 1),)
    archive.append("h1", frames[-3:])
    assert archive.acknowledged("h1") == Position(2, second.seq - 1)


def test_unknown_kinds_and_nonsense_times_are_kept(disk: Disk) -> None:
    archive = disk.open()
    odd = [
        Frame(99, 0, 1, 0, 2**64 - 1, -5, b"abc"),
        Frame(Kind.SCHEMA, 1, 1, 0, 0, 0, b"\x09"),
        Frame(3, 2, 1, 0, 0, 0, b""),
    ]
    assert archive.append("h1", odd).acknowledged == Position(1, 2)
    delivery = archive.cursor("all").read("h1")
    assert delivery is not None
    assert [frame.encode() for frame in delivery.frames] == [frame.encode() for frame in odd]
    assert archive.events() == []


def test_files_close_by_day_and_size_and_each_can_be_read_alone(disk: Disk) -> None:
    node = Node()
    archive = disk.open(segment_bytes=4000)
    archive.append("h1", node.start())
    for frame in node.minutes(10):
        archive.append("h1", [frame])
    disk.now_us += DAY_US
    archive.append("h1", node.minutes(1))
    paths = disk.files()
    assert len(paths) > 2
    assert paths[0].name.startswith("2026-11-17-000001")
    assert paths[-1].name.startswith("2026-11-18-")
    for path in paths:
        scan = FileScan(path)
        assert next(iter(scan)).kind == Kind.SCHEMA
        assert path.stat().st_size <= 4000 or path is paths[-1]


def test_one_process_writes(disk: Disk, tmp_path: Path) -> None:
    disk.open()
    with pytest.raises(ArchiveBusy, match="another process"):
        Archive(disk.folder)


def test_events_keep_their_place_and_get_their_time(disk: Disk) -> None:
    node = Node(knows_time=False)
    frames = [*node.start(), *node.minutes(1), node.event("F005")]
    archive = disk.open()
    archive.append("h1", frames)
    (event,) = archive.events("h1")
    assert (event.event.code, event.type, event.utc_us) == ("F005", "fault", None)
    node.knows_time = True
    moment = node.now_us
    archive.append("h1", [*node.minutes(1), node.event("F010")])
    assert [event.event.code for event in archive.events()] == ["F005", "F010"]
    assert archive.events(codes=["F005"])[0].utc_us == moment
    assert [event.event.code for event in archive.events(start_us=moment + 1)] == ["F010"]
    assert [event.event.code for event in archive.events(limit=1)] == ["F010"]
    assert archive.events(types=["boot"]) == []
    assert len(archive.records("h1", Kind.BOOT)) == 1


def test_the_file_is_on_the_medium_before_the_index_and_both_before_the_acknowledgement(
    disk: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    node = Node()
    archive = disk.open()
    archive.append("h1", node.start())
    frames = list(node.minutes(1))
    (path,) = disk.files()
    before, synced = path.stat().st_size, []
    real = os.fsync

    def watch(descriptor: int) -> None:
        real(descriptor)
        synced.append((os.fstat(descriptor).st_size, archive.coverage("h1").boots[0].received))

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", watch)
        archive.append("h1", frames)
    assert synced == [(before + sum(frame.size for frame in frames), ((0, 1),))]
    assert archive.coverage("h1").boots[0].received == ((0, 8),)
    with archive.index.write() as connection:
        assert connection.execute("PRAGMA synchronous").fetchone() == (2,)  # FULL: a commit is durable
