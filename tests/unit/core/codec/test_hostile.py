"""Nothing in a file stops the reader, makes it invent frames, or makes it take more memory than it may."""

from __future__ import annotations

import io
import struct

import numpy as np
import pytest
from hypothesis import given, strategies as st

from microgrid_core.codec.umg1.content import content
from microgrid_core.codec.umg1.frame import Frame, Kind, Scan
from microgrid_core.codec.umg1.reader import SampleReader
from microgrid_core.codec.umg1.samples import MAX_FRAME_SAMPLES, decode_samples, summary_node
from microgrid_core.codec.umg1.schema import Channel, Schema
from microgrid_core.codec.umg1.segment import SegmentHeader
from microgrid_core.codec.umg1.wire import Malformed
from microgrid_core.codec.umg1.writer import SegmentWriter

from .vectors import FOLDER, expected

SCHEMA = Schema(
    "house1",
    "",
    (
        Channel(1, "a", "V", 10_000, fast=True, width=2),
        Channel(2, "b", "V", 10_000, fast=True, width=4),
        Channel(3, "c", "V", 1, fast=True, width=1),
    ),
)


def frame(payload: bytes, kind: int = Kind.FAST, flags: int = 0, blocks: int = 3, seq: int = 0) -> Frame:
    return Frame(kind, seq, 1, SCHEMA.hash, 0, 0, payload, flags, blocks)


@given(
    st.binary(max_size=200), st.integers(0, 2000), st.booleans(), st.sampled_from([Kind.FAST, Kind.SUMMARY])
)
def test_random_payload(payload: bytes, span_ms: int, clock: bool, kind: Kind) -> None:
    """Random bytes decode to something within the widths, or are reported."""
    made = frame(struct.pack("<I", span_ms) + payload, kind, int(clock))
    samples, malformed = decode_samples([made, made], SCHEMA)
    assert {id(bad) for bad, _ in malformed} <= {id(made)}
    for one in samples.values():
        bound = 1 << (8 * one.channel.width - 1)
        assert len(one.values) == one.counts.sum()
        assert np.all((one.values >= -bound) & (one.values < bound))


BLOCK = st.tuples(st.integers(0, 4), st.integers(0, 255), st.binary(max_size=30)).map(
    lambda parts: bytes(parts[:2]) + parts[2]
)


@given(st.lists(BLOCK, max_size=4), st.sampled_from([10, 20, 100]))
def test_almost_blocks(blocks: list[bytes], span_ms: int) -> None:
    made = frame(struct.pack("<I", span_ms) + b"".join(blocks), blocks=len(blocks))
    decode_samples([made], SCHEMA)


@given(st.integers(0, 8), st.binary(max_size=120))
def test_random_record(kind: int, payload: bytes) -> None:
    made = frame(payload, kind)
    try:
        content(made)
        if kind == Kind.SUMMARY:
            summary_node(made)
    except Malformed as error:
        assert str(error)


@given(st.binary(max_size=600))
def test_random_header(data: bytes) -> None:
    with pytest.raises(Malformed):
        SegmentHeader.parse(b"UMG1SEG\0" + data)


@given(st.lists(st.binary(max_size=40) | st.just(b"UMG1\x01") | st.just(b"UMG1"), max_size=20).map(b"".join))
def test_random_bytes_are_no_frames(data: bytes) -> None:
    scan = Scan(data)
    assert list(scan) == []
    assert sum(end - start for start, end in scan.damaged) >= len(data) - data.count(0)


@given(st.data())
def test_what_a_scan_finds_does_not_depend_on_where_it_is_cut(data: st.DataObject) -> None:
    """Reading piece by piece finds what reading whole does, damage included."""
    raw = (FOLDER / "damaged.umg1").read_bytes()[512:]
    whole = Scan(raw)
    wanted = [(one.seq, one.position) for one in whole]
    cuts = [*sorted(data.draw(st.lists(st.integers(0, len(raw)), max_size=12))), len(raw)]
    got, rest, base, before = [], b"", 0, 0
    damaged = set()
    for number, cut in enumerate(cuts):
        scan = Scan(rest + raw[before:cut], final=number == len(cuts) - 1)
        got += [(one.seq, base + one.position) for one in scan]
        for start, end in scan.damaged:
            damaged |= set(range(base + start, base + end))
        rest, base, before = bytes(scan.buffer[scan.consumed :]), base + scan.consumed, cut
    assert got == wanted
    missed = {at for start, end in whole.damaged for at in range(start, end)} - damaged
    assert all(raw[at] == 0 for at in missed)  # a zero alone in a piece is padding


@pytest.mark.parametrize("name", ["every-kind", "missing-samples"])
def test_truncation_at_every_byte_loses_no_complete_frame(name: str) -> None:
    raw = (FOLDER / f"{name}.umg1").read_bytes()
    ends = [frame["position"] + frame["size"] for frame in expected(name)["frames"]]
    for cut in range(len(raw) + 1):
        assert sum(1 for _ in Scan(raw[:cut])) == sum(end <= cut for end in ends), cut


def test_a_destroyed_sector_costs_two_frames_at_most() -> None:
    rng = np.random.default_rng(3)
    file = io.BytesIO()
    writer = SegmentWriter(file)
    for seq, size in enumerate(rng.choice([0, 5, 30, 200, 460, 700, 1500], 60)):
        writer.write(frame(rng.bytes(size), seq=seq))
    raw = file.getvalue()
    lost = []
    for sector in range(0, len(raw), 512):
        spoiled = bytearray(raw)
        spoiled[sector : sector + 512] = rng.bytes(512)
        lost.append(60 - sum(1 for _ in Scan(spoiled)))
    assert max(lost) == 2


def test_every_single_flipped_bit_is_noticed() -> None:
    raw = frame(b"payload").encode()
    for bit in range(len(raw) * 8):
        spoiled = bytearray(raw)
        spoiled[bit // 8] ^= 1 << bit % 8
        assert list(Scan(spoiled)) == []


BOMB = b"\x01\x8f\xff\xff\x00\x00"  # 65535 equal samples in six bytes


def test_a_bomb_is_refused() -> None:
    made = frame(struct.pack("<I", 10) + BOMB * 10_000, blocks=10_000)
    samples, malformed = decode_samples([made], SCHEMA)
    assert [why for _, why in malformed] == [f"more than {MAX_FRAME_SAMPLES} samples"]
    assert len(samples[1].values) <= MAX_FRAME_SAMPLES


def test_many_large_frames_are_decoded_a_few_at_a_time() -> None:
    made = [frame(struct.pack("<I", 10) + BOMB * 15, blocks=15, seq=seq) for seq in range(40)]
    schema = frame(SCHEMA.payload, Kind.SCHEMA)
    sizes = [len(samples[1].values) for _, samples in SampleReader().chunks([schema, *made])]
    assert sum(sizes) == 40 * 15 * 65535
    assert max(sizes) <= 1 << 22


def test_times_that_are_no_times() -> None:
    made = Frame(
        Kind.FAST, 0, 1, SCHEMA.hash, 2**64 - 1, -(2**63), struct.pack("<I", 10) + b"\x01\x0f\x00", 0, 1
    )
    assert [why for _, why in decode_samples([made], SCHEMA)[1]] == [f"mono of {2**64 - 1} µs"]
