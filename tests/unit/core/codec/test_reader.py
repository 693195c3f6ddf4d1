"""Order, gaps, repetitions, clocks, images of media, and the memory of a small machine."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, strategies as st

from microgrid_core.codec.umg1.clock import BootClock, SyncPoint
from microgrid_core.codec.umg1.frame import Frame, Kind
from microgrid_core.codec.umg1.log import find_parts, open_log
from microgrid_core.codec.umg1.reader import Sequence
from microgrid_core.codec.umg1.segment import FileScan, SegmentHeader
from microgrid_core.codec.umg1.writer import SegmentWriter
from tests.bench.house_log import write_log
from tests.bench.signals import house

from .vectors import FOLDER

ROOT = Path(__file__).resolve().parents[4]


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 40)), max_size=120))
def test_gaps_and_repetitions_in_any_order(arrivals: list[tuple[int, int]]) -> None:
    sequence = Sequence()
    seen: set[tuple[int, int]] = set()
    for boot, seq in arrivals:
        assert sequence.take(Frame(Kind.FAST, seq, boot, 0, 0, 0, b"")) == ((boot, seq) not in seen)
        seen.add((boot, seq))
    assert sequence.duplicates == len(arrivals) - len(seen)
    missing = {(gap.boot_id, seq) for gap in sequence.gaps() for seq in range(gap.first, gap.last + 1)}
    wanted = set()
    for boot in {boot for boot, _ in seen}:
        numbers = [seq for its, seq in seen if its == boot]
        wanted |= {(boot, seq) for seq in range(min(numbers), max(numbers))} - seen
    assert missing == wanted
    assert sum(gap.count for gap in sequence.gaps()) == len(missing)


@given(st.integers(-200_000, 200_000), st.lists(st.integers(0, 10**12), min_size=1, max_size=8, unique=True))
def test_a_clock_that_drifts_evenly_is_corrected_everywhere(drift_ppb: int, monos: list[int]) -> None:
    def truth(mono: np.ndarray) -> np.ndarray:
        return 1_700_000_000_000_000 + mono - np.round(mono * drift_ppb * 1e-9).astype(np.int64)

    points = [SyncPoint(mono, int(truth(np.array([mono]))[0]), drift_ppb, 0) for mono in monos]
    asked = np.linspace(0, 1.2e12, 50).astype(np.int64)
    got = BootClock(points).utc_us(asked)
    assert got is not None
    steps = np.abs(np.diff(sorted(monos))) * abs(drift_ppb) * 1e-9
    if not len(steps) or steps.max() < 1_000_000:  # a larger change between points counts as a step
        assert np.abs(got - truth(asked)).max() <= 3


def test_largest_known_error_of_a_clock() -> None:
    points = [SyncPoint(0, 1, 0, 0xFFFFFFFF), SyncPoint(1, 2, 0, 700), SyncPoint(2, 3, 0, 30)]
    assert BootClock(points).error_us() == 700
    assert BootClock(points[:1]).error_us() is None


def ring_image(path: Path) -> list[int]:
    """An SD image: a file system's bytes and three slots of a ring that came round; returns its seqs."""
    capacity = 8192
    image = bytearray(b"\xeb\x3c\x90FAT" + bytes(range(1, 200)) * 20)
    image += bytes(-len(image) % 512)
    seq = 100
    slots = []
    for number in (4, 5, 6):
        slot = SegmentHeader(number, 77, 1, 0, 0, "house1", "", capacity).encode()
        while len(slot) < (6000 if number < 6 else 3000):
            slot += Frame(Kind.FAST, seq, 77, 1, seq, 0, b"\x01" * 80).encode()
            seq += 1
        slots.append(slot.ljust(capacity, b"\0"))
    image += slots[2] + slots[0] + slots[1]  # segment n lies in slot n modulo 3
    image += b"the end of the medium" * 100
    path.write_bytes(image)
    return list(range(100, seq))


def test_image_of_a_medium(tmp_path: Path) -> None:
    valid = ring_image(tmp_path / "card.img")
    log = open_log([tmp_path / "card.img"])
    assert log.index["seq"].tolist() == valid
    assert log.damaged == []
    assert log.gaps == []
    assert sorted(part.header.number for part in log.parts if part.header) == [4, 5, 6]


def test_starts_of_unknown_time_are_ordered_by_segment(tmp_path: Path) -> None:
    """A ring that came round: the newest segment lies before the oldest."""
    parts = [
        SegmentHeader(number, boot, 1, 0, 0, "house1", "", 1024).encode()
        + Frame(Kind.FAST, 0, boot, 1, 0, 0, b"\x01").encode().ljust(512, b"\0")
        for number, boot in ((6, 11), (4, 33), (5, 22))
    ]
    (tmp_path / "card.img").write_bytes(b"".join(parts))
    assert [boot.boot_id for boot in open_log([tmp_path / "card.img"]).boots] == [33, 22, 11]


def test_header_across_the_border_of_a_read(tmp_path: Path) -> None:
    path = tmp_path / "card.img"
    header = SegmentHeader(1, 2, 3, 0, 0, "house1", "", 0).encode()
    path.write_bytes(bytes((1 << 22) - 512) + header + bytes(100) + header[:100])
    parts = find_parts(path)
    assert [(part.start, part.header is not None) for part in parts] == [(0, False), ((1 << 22) - 512, True)]


def test_damage_in_a_slot_hides_nothing_behind_it(tmp_path: Path) -> None:
    valid = ring_image(tmp_path / "card.img")
    data = bytearray((tmp_path / "card.img").read_bytes())
    start = data.index(b"UMG1SEG\0") + 1024
    data[start : start + 512] = b"\xe5" * 512
    (tmp_path / "card.img").write_bytes(data)
    log = open_log([tmp_path / "card.img"])
    assert len(valid) - len(log.index) == sum(gap.count for gap in log.gaps) > 0
    assert len(log.damaged) == 1


def test_a_window_of_time(tmp_path: Path) -> None:
    write_log(tmp_path / "a.umg1", house(600))
    log = open_log([tmp_path / "a.umg1"])
    since = 1_700_000_000_000_000 + 120_000_000
    rows = log.select([Kind.FAST], since, since + 60_000_000)
    assert [int(row["mono_us"]) for row in rows] == [120_000_000 + 12_000_000 * i for i in range(5)]
    (chunk,) = log.chunks(rows)
    assert chunk[1][1].mono_us()[0] == 120_000_000
    assert len(chunk[1][1].values) == 6000


MEASURE = """
import re, sys
from pathlib import Path
from microgrid_core.codec.umg1.log import open_log
from microgrid_core.codec.umg1.reader import SampleReader
from microgrid_core.codec.umg1.segment import FileScan
count = 0
path = Path(sys.argv[1])
source = open_log([path]) if sys.argv[2] == "log" else None
chunks = source.chunks() if source else SampleReader().chunks(FileScan(path))
for _, channels in chunks:
    for samples in channels.values():
        count += len(samples.values)
# Not ru_maxrss: that begins with the size of the parent.
print(count, int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) // 1024)
"""


def test_a_house_day_fits_into_a_small_machine(tmp_path: Path) -> None:
    """24 times the same hour: 14.35 million samples in at most 150 MiB, numpy and interpreter included."""
    signals = house(3600)
    hour, day = tmp_path / "hour.umg1", tmp_path / "day.umg1"
    write_log(hour, signals)
    frames = list(FileScan(hour))
    with day.open("wb") as file:
        writer = SegmentWriter(file)
        for number in range(24):
            for frame in frames:
                moved = frame.mono_us + number * 3_600_000_000
                writer.write(replace(frame, seq=frame.seq + number * len(frames), mono_us=moved))
    for way in ("scan", "log"):
        out = subprocess.run(
            [sys.executable, "-c", MEASURE, str(day), way],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=True,
            timeout=100,
        ).stdout.split()
        assert int(out[0]) == 24 * signals.count == 14_351_040
        print(f"{way}: {out[1]} MiB")
        assert int(out[1]) <= 150


def test_no_frame_of_a_golden_log_is_read_differently_by_position() -> None:
    log = open_log([FOLDER / "every-kind.umg1"])
    scanned = list(FileScan(FOLDER / "every-kind.umg1"))
    read = list(log.frames())
    assert [(one.seq, bytes(one.payload)) for one in read] == [(one.seq, one.payload) for one in scanned]


@pytest.mark.parametrize("boot_id", [0, 7])
def test_a_segment_of_many_starts(boot_id: int, tmp_path: Path) -> None:
    """Starts share a segment: in a ring, whose header names the first; in an archive, which names none."""
    data = SegmentHeader(3, boot_id, 0, 0, 0, "house1", "", 4096).encode()
    arrivals = [(7, 5), (7, 3), (8, 1), (7, 4)]
    for boot, seq in arrivals:
        data += Frame(Kind.FAST, seq, boot, 1, seq, 0, b"\x01" * 20).encode()
    (tmp_path / "day.umg1").write_bytes(data.ljust(4096, b"\0"))
    log = open_log([tmp_path / "day.umg1"])
    assert sorted(zip(log.index["boot"].tolist(), log.index["seq"].tolist(), strict=True)) == sorted(arrivals)
    assert log.gaps == []
    assert log.damaged == []
