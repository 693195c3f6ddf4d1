"""Whatever is written is read back, bit by bit, for any schema and any samples."""

from __future__ import annotations

import io
import struct

import numpy as np
import pytest
from hypothesis import example, given, settings, strategies as st

from microgrid_core.codec.umg1 import can
from microgrid_core.codec.umg1.blocks import decode_block, encode_block
from microgrid_core.codec.umg1.content import content
from microgrid_core.codec.umg1.frame import FLAG_CLOCK, Frame, Kind, Scan
from microgrid_core.codec.umg1.records import OVERFLOW, Boot, Clock, Event, Lost, Snapshot
from microgrid_core.codec.umg1.samples import decode_samples, encode_samples, nominal_count, summary_node
from microgrid_core.codec.umg1.schema import Channel, Schema
from microgrid_core.codec.umg1.segment import SegmentHeader
from microgrid_core.codec.umg1.wire import Cursor
from microgrid_core.codec.umg1.writer import SECTOR, SegmentWriter

U32 = st.integers(0, 2**32 - 1)
U64 = st.integers(0, 2**64 - 1)
I32 = st.integers(-(2**31), 2**31 - 1)
I64 = st.integers(-(2**63), 2**63 - 1)
TEXT = st.text(max_size=40).filter(lambda text: len(text.encode()) <= 255)
KEY = st.from_regex(r"[a-z][a-z0-9_]{0,20}", fullmatch=True)
WIDTHS = st.sampled_from([1, 2, 4])


@st.composite
def channels(draw: st.DrawFn, number: int) -> Channel:
    return Channel(
        number,
        draw(KEY),
        draw(TEXT),
        draw(st.sampled_from([1, 10_000, 100_000, 1_000_000, 10_000_000, 4_294_967_295])),
        draw(st.integers(-18, 18)),
        draw(I32.filter(bool)),
        draw(I32),
        draw(st.booleans()),
        draw(WIDTHS),
    )


@st.composite
def schemas(draw: st.DrawFn) -> Schema:
    numbers = draw(st.lists(st.integers(1, 255), min_size=1, max_size=6, unique=True))
    return Schema(draw(TEXT), draw(TEXT), tuple(draw(channels(number)) for number in numbers))


@st.composite
def series(draw: st.DrawFn, width: int, count: int) -> tuple[np.ndarray, np.ndarray | None]:
    """Samples as they come: noise, ramps, constants and the ends of the range, some of them missing."""
    low, high = -(1 << (8 * width - 1)), (1 << (8 * width - 1)) - 1
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    shape = draw(st.sampled_from(["noise", "narrow", "ramp", "constant", "ends"]))
    values = {
        "noise": rng.integers(low, high + 1, count),
        "narrow": rng.integers(-3, 4, count),
        "ramp": np.clip(np.arange(count) * int(rng.integers(-9, 10)), low, high),
        "constant": np.full(count, int(rng.integers(low, high + 1))),
        "ends": rng.choice([low, high], count),
    }[shape].astype(np.int64)
    present = draw(st.sampled_from([None, 0.0, 0.1, 0.9]))
    return values, None if present is None else rng.random(count) < present


def same(values: np.ndarray, valid: np.ndarray | None, got: np.ndarray, got_valid: np.ndarray | None) -> None:
    mask = np.ones(len(values), np.bool_) if valid is None else valid
    got_mask = np.ones(len(got), np.bool_) if got_valid is None else got_valid
    assert np.array_equal(mask, got_mask)
    assert np.array_equal(values[mask], got[mask])


@given(schemas())
def test_schema(schema: Schema) -> None:
    again = Schema.parse(schema.payload)
    assert again == schema
    assert again.hash == schema.hash


@given(st.data(), WIDTHS, st.integers(1, 70), st.integers(1, 70))
def test_block(data: st.DataObject, width: int, count: int, nominal: int) -> None:
    values, valid = data.draw(series(width, count))
    raw = encode_block(5, values, valid, nominal)
    cursor = Cursor(raw + b"rest")
    block = decode_block(cursor, nominal)
    assert cursor.position == len(raw)
    assert block.channel == 5
    same(values, valid, block.values, block.valid)


@given(st.data(), schemas(), st.integers(1, 5), st.sampled_from([1, 50, 990, 1000, 10_000]))
def test_frames_side_by_side(data: st.DataObject, schema: Schema, frames: int, span_ms: int) -> None:
    """The bulk decoder finds in many frames what was written into each."""
    written: dict[int, list[tuple[np.ndarray, np.ndarray | None]]] = {}
    made = []
    clock = data.draw(st.sampled_from([None, Clock(1, 2, 3, 1)]))
    for seq in range(frames):
        inside = {}
        for channel in schema.channels:
            nominal = nominal_count(span_ms, channel.period_us)
            count = nominal if nominal < 60 and data.draw(st.booleans()) else data.draw(st.integers(1, 20))
            inside[channel.id] = data.draw(series(channel.width, count))
            written.setdefault(channel.id, []).append(inside[channel.id])
        payload, flags, blocks = encode_samples(schema, Kind.FAST, span_ms, inside, clock)
        made.append(Frame(Kind.FAST, seq, 1, schema.hash, seq * 1000, 0, payload, flags, blocks))
    samples, malformed = decode_samples(made, schema)
    assert malformed == []
    for number, runs in written.items():
        got = samples[number]
        assert got.counts.tolist() == [len(values) for values, _ in runs]
        at = 0
        for values, valid in runs:
            window = slice(at, at + len(values))
            same(values, valid, got.values[window], None if got.valid is None else got.valid[window])
            at += len(values)


@example(kind=0, flags=0, seq=0, boot=0, mono=0, utc=0, payload=b"", blocks=0)
@given(
    kind=st.integers(0, 255),
    flags=st.integers(0, 65535),
    seq=U32,
    boot=U32,
    mono=U64,
    utc=I64,
    payload=st.binary(max_size=300),
    blocks=st.integers(0, 65535),
)
def test_frame(
    kind: int, flags: int, seq: int, boot: int, mono: int, utc: int, payload: bytes, blocks: int
) -> None:
    frame = Frame(kind, seq, boot, 7, mono, utc, payload, flags, blocks)
    scan = Scan(b"x" + frame.encode())
    (again,) = scan
    assert scan.damaged == [(0, 1)]
    assert (bytes(again.payload), again.position) == (payload, 1)
    assert again.encode() == frame.encode()


BYTE = st.integers(0, 255)
EVENT = (BYTE, BYTE, TEXT, TEXT, st.lists(st.tuples(BYTE, I32), max_size=9).map(tuple))


@given(
    st.builds(Event, BYTE.filter(lambda kind: kind != OVERFLOW), *EVENT)
    | st.builds(Event, st.just(OVERFLOW), *EVENT, st.builds(Lost, U32, U32, U32))
    | st.builds(Snapshot, TEXT, TEXT, TEXT, U64, I64, U32, U32, st.integers(0, 255))
    | st.builds(Boot, st.integers(0, 255), TEXT, U32, U32)
    | st.builds(Clock, I32, U32, st.integers(0, 255), st.integers(0, 255))
)
def test_record(record: Event | Snapshot | Boot | Clock) -> None:
    kinds = {Event: Kind.EVENT, Snapshot: Kind.SNAPSHOT, Boot: Kind.BOOT, Clock: Kind.TIMESYNC}
    kind = kinds[type(record)]
    assert content(Frame(kind, 0, 0, 0, 0, 0, record.encode())) == record
    if kind != Kind.TIMESYNC:  # it is the clock record
        stamped = Clock(1, 2, 3, 1).encode() + record.encode()
        assert content(Frame(kind, 0, 0, 0, 0, 0, stamped, FLAG_CLOCK)) == record


@pytest.mark.parametrize(("kind", "lost"), [(OVERFLOW, None), (0, Lost(1, 2, 3))])
def test_an_overflow_and_nothing_else_names_what_is_lost(kind: int, lost: Lost | None) -> None:
    with pytest.raises(ValueError, match="event e1: an overflow names the lost frames, nothing else does"):
        Event(kind, 0, 0, "", "e1", (), lost).encode()


CAN_IDENTIFIERS = st.sampled_from([1, 2, 0x7FF, can.EXTENDED | 5, can.REMOTE | 1, can.ERROR | 4])


@given(
    st.lists(st.tuples(st.integers(-500, 5000), CAN_IDENTIFIERS, st.binary(max_size=8)), max_size=60),
    st.integers(10**6, 10**15),
)
def test_can(script: list[tuple[int, int, bytes]], mono_us: int) -> None:
    frames, at = [], mono_us
    for ticks, identifier, payload in script:
        at += ticks * can.TICK_US
        frames.append(can.CanFrame(at, identifier, payload))
    assert can.decode(can.encode(frames, mono_us), mono_us) == frames


def test_bus_frames_hours_apart_need_another_payload() -> None:
    far = 10 * (1 << 31)
    with pytest.raises(ValueError, match="CAN frame 5 hours away from the one before it"):
        can.encode([can.CanFrame(0, 5, b""), can.CanFrame(far, 5, b"")], 0)
    can.encode([can.CanFrame(0, 5, b""), can.CanFrame(far - 10, 5, b"")], 0)


@given(st.builds(SegmentHeader, U64, U32, U32, I64, U64, KEY, KEY, U32))
def test_segment_header(header: SegmentHeader) -> None:
    raw = header.encode()
    assert len(raw) == 512
    assert SegmentHeader.parse(raw) == header


def test_a_long_name_is_cut_between_letters() -> None:
    header = SegmentHeader(0, 1, 2, 3, 4, "ü" * 30, "n" * 40, 0)
    again = SegmentHeader.parse(header.encode())
    assert (again.node, again.cluster) == ("ü" * 16, "n" * 32)


@given(st.lists(st.integers(0, 900), min_size=1, max_size=80))
def test_no_sector_holds_more_than_two_frames(sizes: list[int]) -> None:
    file = io.BytesIO()
    writer = SegmentWriter(file)
    for seq, size in enumerate(sizes):
        writer.write(Frame(200, seq, 1, 0, 0, 0, b"\xaa" * size))
    touched: dict[int, set[int]] = {}
    scan = Scan(file.getvalue())
    frames = list(scan)
    assert [frame.seq for frame in frames] == list(range(len(sizes)))
    assert scan.damaged == []
    for frame in frames:
        for sector in range(frame.position // SECTOR, (frame.position + frame.size - 1) // SECTOR + 1):
            touched.setdefault(sector, set()).add(frame.seq)
    assert max(map(len, touched.values())) <= 2


@given(st.data(), st.integers(2, 40), WIDTHS)
@settings(max_examples=60)
def test_the_writer_chooses_the_shortest(data: st.DataObject, count: int, width: int) -> None:
    """No other predictor and parameter, tried one by one, makes a shorter block."""
    values, _ = data.draw(series(width, count))
    shortest = min(len(block) for block in every_block([int(value) for value in values]))
    assert len(encode_block(1, values, None, count)) == shortest


def every_block(values: list[int]) -> list[bytes]:
    """All codings of the samples, by arithmetic on strings of bits."""
    blocks = []
    for predictor in range(4):
        a = b = values[0]
        u = []
        for value in values[1:]:
            e = value - (a, (a + b) // 2, values[0], 2 * a - b)[predictor]
            u.append(2 * e if e >= 0 else -2 * e - 1)
            a, b = value, a
        first = 2 * values[0] if values[0] >= 0 else -2 * values[0] - 1
        head = bytes(2 + max(1, (first.bit_length() + 6) // 7))
        for k in range(15):
            unary = (sum(one >> k for one in u) + len(u) + 7) // 8
            if unary <= 65535:
                blocks.append(head + struct.pack("<H", unary) + bytes(unary + (len(u) * k + 7) // 8))
        blocks.append(head + bytes(1 + (len(u) * max(u).bit_length() + 7) // 8))
    return blocks


def test_largest_block() -> None:
    values = np.arange(65535, dtype=np.int64) % 1000 - 500
    assert np.array_equal(decode_block(Cursor(encode_block(1, values, None, 65535)), 65535).values, values)
    with pytest.raises(ValueError, match="65536 samples in one block"):
        encode_block(1, np.zeros(65536, np.int64), None, 1)


def test_a_value_that_does_not_fit_its_channel_is_refused() -> None:
    schema = Schema("house1", "", (Channel(1, "voltage", "V", 10_000, width=1),))
    with pytest.raises(ValueError, match="voltage: 0 … 128 exceeds 1 bytes"):
        encode_samples(schema, Kind.FAST, 20, {1: (np.array([0, 128]), None)})


def test_summary_keeps_its_node() -> None:
    schema = Schema("house2", "", (Channel(1, "power", "W", 1_000_000),))
    payload, flags, blocks = encode_samples(
        schema, Kind.SUMMARY, 3000, {1: (np.array([1, 2, 3]), None)}, Clock(0, 0, 1, 1), "house2"
    )
    frame = Frame(Kind.SUMMARY, 0, 1, schema.hash, 0, 0, payload, flags, blocks)
    assert summary_node(frame) == "house2"
    samples, malformed = decode_samples([frame], schema)
    assert malformed == []
    assert samples[1].values.tolist() == [1, 2, 3]
