"""Sample frames: building one, and decoding thousands side by side.

Every frame is a *lane*: the same block of all lanes is decoded by one pass of numpy operations, whatever
the number of frames. Blocks that differ from their neighbours (missing samples, odd counts) are decoded one
by one.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .blocks import (
    COUNT_FOLLOWS,
    MAX_PACKED_BITS,
    PACKED,
    VALIDITY_FOLLOWS,
    Bools,
    Ints,
    decode_block,
    encode_block,
    restore,
)
from .frame import FLAG_CLOCK, Frame, Kind
from .records import Clock
from .schema import Channel, Schema
from .wire import Cursor, Malformed, put_text

_SPAN = struct.Struct("<I")
_CLOCK_SIZE = 12
_MAX_SAMPLES = 0xFFFF
MAX_FRAME_SAMPLES = (
    1 << 20
)  # a few bytes can stand for 65535 equal samples: more than this is no log but a bomb
_LATEST_US = 1 << 60  # as in `clock`: times further away are no times
_ONES = np.array([bin(byte).count("1") for byte in range(256)], np.int64)


class TooManySamples(Exception):
    """The frames hold more samples than the caller has room for: decode fewer at a time."""


@dataclass(frozen=True, slots=True)
class Samples:
    """Samples of one channel in many frames, ordered by (boot, seq) as the frames were."""

    channel: Channel
    boot_ids: NDArray[np.uint32]
    """Per frame."""
    starts_us: Ints
    """Per frame: mono of the first sample."""
    counts: Ints
    """Per frame."""
    values: Ints
    """All samples, integers in the channel's unit scale."""
    valid: Bools | None
    """None: all are present."""

    def mono_us(self) -> Ints:
        """Time of every sample on the clock of its boot."""
        ends = np.cumsum(self.counts)
        within = np.arange(len(self.values)) - np.repeat(ends - self.counts, self.counts)
        return np.repeat(self.starts_us, self.counts) + within * self.channel.period_us

    def scaled(self) -> NDArray[np.float64]:
        """Values in the channel's unit, NaN where a sample is missing."""
        scaled = self.channel.scaled(self.values)
        if self.valid is not None:
            scaled[~self.valid] = np.nan
        return scaled


def nominal_count(span_ms: int, period_us: int) -> int:
    """Samples of a channel in a frame of the given span when the block does not tell."""
    return max(1, span_ms * 1000 // period_us)


def encode_samples(
    schema: Schema,
    kind: Kind,
    span_ms: int,
    series: Mapping[int, tuple[Ints, Bools | None]],
    clock: Clock | None = None,
    node: str | None = None,
) -> tuple[bytes, int, int]:
    """Return (payload, flags, blocks) of a fast, slow or summary frame from samples by channel id."""
    parts = [clock.encode() if clock else b""]
    if kind is Kind.SUMMARY:
        parts.append(put_text(node or ""))
    parts.append(_SPAN.pack(span_ms))
    for number, (values, valid) in series.items():
        channel = schema.by_id[number]
        bound = 1 << (8 * channel.width - 1)
        if len(values) and (values.min() < -bound or values.max() >= bound):
            raise ValueError(f"{channel.name}: {values.min()} … {values.max()} exceeds {channel.width} bytes")
        parts.append(encode_block(number, values, valid, nominal_count(span_ms, channel.period_us)))
    return b"".join(parts), FLAG_CLOCK if clock else 0, len(series)


def summary_node(frame: Frame) -> str:
    """Return the node whose samples a summary frame holds; raises Malformed."""
    cursor = Cursor(frame.payload, _CLOCK_SIZE if frame.flags & FLAG_CLOCK else 0)
    return cursor.text()


def _prefix(frame: Frame) -> int:
    """Offset of the span in the payload; raises Malformed."""
    cursor = Cursor(frame.payload, _CLOCK_SIZE if frame.flags & FLAG_CLOCK else 0)
    if frame.kind == Kind.SUMMARY:
        cursor.text()
    if cursor.left < _SPAN.size:
        raise Malformed("the payload ends before its span")
    return cursor.position


class _Lanes:
    """State of the bulk decoder: one cursor per frame into all payloads laid end to end."""

    def __init__(self, frames: Sequence[Frame], schema: Schema, room: int | None) -> None:
        self.schema = schema
        self.room = room
        self.frames = list(frames)
        self.malformed: list[tuple[Frame, str]] = []
        self.found: dict[int, list[tuple[NDArray[np.intp], Ints, Bools | None, Ints]]] = {}
        """By channel: lanes, values (flat), valid (flat), counts."""
        positions = np.zeros(len(self.frames), np.int64)
        spans = np.zeros(len(self.frames), np.int64)
        self.alive = np.ones(len(self.frames), np.bool_)
        sizes = np.array([len(frame.payload) for frame in self.frames], np.int64)
        self.ends = np.cumsum(sizes)
        self.taken = np.zeros(len(self.frames), np.int64)
        """Samples of every lane so far."""
        base = self.ends - sizes
        for lane, frame in enumerate(self.frames):
            try:
                if frame.mono_us > _LATEST_US:
                    raise Malformed(f"mono of {frame.mono_us} µs")
                positions[lane] = _prefix(frame)
                (spans[lane],) = _SPAN.unpack_from(frame.payload, positions[lane])
            except Malformed as error:
                self.fail(lane, str(error))
        self.base = base
        self.at = base + positions + _SPAN.size
        self.spans_ms = spans
        # Sixteen zero bytes more, so that a bounded look ahead never leaves the array.
        self.bytes = np.frombuffer(b"".join(frame.payload for frame in self.frames) + bytes(16), np.uint8)

    def fail(self, lane: int, why: str) -> None:
        if self.alive[lane]:
            self.alive[lane] = False
            self.malformed.append((self.frames[lane], why))

    def _take(self, lanes: NDArray[np.intp], count: int) -> NDArray[np.intp]:
        """Make room for `count` samples in each lane; the lanes that may have them."""
        self.taken[lanes] += count
        for lane in lanes[self.taken[lanes] > MAX_FRAME_SAMPLES]:
            self.fail(int(lane), f"more than {MAX_FRAME_SAMPLES} samples")
        lanes = lanes[self.alive[lanes]]
        if self.room is not None:
            self.room -= len(lanes) * count
            if self.room < 0 and len(self.frames) > 1:
                raise TooManySamples
        return lanes

    def run(self) -> None:
        blocks = np.array([frame.blocks for frame in self.frames], np.int64)
        for number in range(int(blocks.max(initial=0))):
            lanes = np.flatnonzero(self.alive & (blocks > number))
            if not len(lanes):
                return
            for lane in lanes[self.at[lanes] + 2 > self.ends[lanes]]:
                self.fail(int(lane), f"block {number} begins behind the end")
            lanes = lanes[self.alive[lanes]]
            codes = self.bytes[self.at[lanes]].astype(np.int64) << 8 | self.bytes[self.at[lanes] + 1]
            for identity in np.unique(codes >> 8):
                self._block(lanes[codes >> 8 == identity], int(identity))

    def _block(self, lanes: NDArray[np.intp], identity: int) -> None:
        channel = self.schema.by_id.get(identity)
        if channel is None:
            for lane in lanes:
                self.fail(int(lane), f"channel {identity} is not in the schema")
            return
        counts = np.maximum(1, self.spans_ms[lanes] * 1000 // channel.period_us)
        coding = self.bytes[self.at[lanes] + 1].astype(np.int64)
        odd = (coding & (COUNT_FOLLOWS | VALIDITY_FOLLOWS) != 0) | (counts > _MAX_SAMPLES)
        for lane in lanes[odd]:
            self._single(int(lane), channel)
        for count in np.unique(counts[~odd]):
            self._bulk(lanes[~odd & (counts == count)], channel, int(count))

    def _single(self, lane: int, channel: Channel) -> None:
        nominal = nominal_count(int(self.spans_ms[lane]), channel.period_us)
        cursor = Cursor(self.frames[lane].payload, int(self.at[lane] - self.base[lane]))
        try:
            if nominal > _MAX_SAMPLES and not self.bytes[self.at[lane] + 1] & COUNT_FOLLOWS:
                raise Malformed(f"{nominal} samples in one block")
            block = decode_block(cursor, nominal)
            self._check_width(channel, block.values)
            if not len(self._take(np.array([lane], np.intp), len(block.values))):
                return
        except Malformed as error:
            self.fail(lane, f"{channel.name}: {error}")
            return
        self.at[lane] = self.base[lane] + cursor.position
        where = np.array([lane], np.intp)
        self._keep(channel, where, block.values, block.valid, np.array([len(block.values)], np.int64))

    def _bulk(self, lanes: NDArray[np.intp], channel: Channel, count: int) -> None:
        lanes = self._take(lanes, count)
        if not len(lanes):
            return
        coding = self.bytes[self.at[lanes] + 1]
        predictor, k = coding >> 4 & 3, coding & 0x0F
        at = self.at[lanes] + 2
        first, at = self._varints(at)
        if count == 1:
            values = first[:, None]
            good = k == PACKED
        else:
            good = np.ones(len(lanes), np.bool_)
            at = at.copy()
            u: Ints | None = None
            for which, read in ((k == PACKED, self._packed), (k != PACKED, self._rice)):
                chosen = np.flatnonzero(which)
                if len(chosen) == len(lanes):
                    at, u, good = read(at, self.ends[lanes], k, count - 1)
                elif len(chosen):
                    if u is None:
                        u = np.zeros((len(lanes), count - 1), np.int64)
                    at[chosen], u[chosen], good[chosen] = read(
                        at[chosen], self.ends[lanes[chosen]], k[chosen], count - 1
                    )
            assert u is not None
            values = self._restore(first, u, predictor)
        bound = 1 << (8 * channel.width - 1)
        good &= (values.min(axis=1) >= -bound) & (values.max(axis=1) < bound) & (at <= self.ends[lanes])
        for lane in lanes[~good]:
            self.fail(int(lane), f"{channel.name}: the block does not decode")
        if not good.all():
            lanes, at, values = lanes[good], at[good], values[good]
        self.at[lanes] = at
        self._keep(channel, lanes, values.reshape(-1), None, np.full(len(lanes), count, np.int64))

    @staticmethod
    def _restore(first: Ints, u: Ints, predictor: NDArray[np.uint8]) -> Ints:
        """Undo zigzag and predictors; in 32 bits where no sum exceeds them, for half the memory traffic."""
        count = u.shape[1] + 1
        reach = (int(u.max()) // 2 + 1) * count + int(np.abs(first).max())
        if 3 in predictor:
            reach *= count
        kind = np.int32 if reach < 1 << 30 else np.int64
        u, first = u.astype(kind, copy=False), first.astype(kind)
        e = (u >> 1) ^ -(u & 1)
        used = np.unique(predictor)
        if len(used) == 1:
            return restore(first, e, int(used[0]))
        values = np.empty((len(u), count), u.dtype)
        for each in used:
            same = np.flatnonzero(predictor == each)
            values[same] = restore(first[same], e[same], int(each))
        return values

    def _varints(self, at: Ints) -> tuple[Ints, Ints]:
        """Read a zigzag varint in every lane (32-bit integers need at most five bytes)."""
        value = np.zeros(len(at), np.int64)
        open_ = np.ones(len(at), np.bool_)
        for step in range(5):
            byte = self.bytes[np.minimum(at, len(self.bytes) - 1)].astype(np.int64)
            value |= np.where(open_, byte & 0x7F, 0) << 7 * step
            at = at + open_
            open_ &= byte >= 0x80
            if not open_.any():
                break
        at = np.where(open_, np.int64(1) << 62, at)  # does not end: fails the check against the end
        return (value >> 1) ^ -(value & 1), at

    def _gather(self, at: Ints, sizes: Ints) -> tuple[NDArray[np.uint8], Ints]:
        """Copy `sizes` bytes from `at` of every lane behind each other; also where each begins."""
        starts = np.cumsum(sizes) - sizes
        index = np.arange(int(sizes.sum())) + np.repeat(at - starts, sizes)
        return self.bytes[index], starts

    def _bit_fields(self, at: Ints, width: int, count: int) -> NDArray[np.integer[Any]]:
        """Read `count` fields of `width` bits in every lane."""
        size = (width * count + 7) // 8
        bits = np.unpackbits(self.bytes[at[:, None] + np.arange(size)], axis=1, count=width * count)
        bits = bits.reshape(len(at), count, width)
        narrow = np.uint8 if width <= 8 else np.uint16 if width <= 16 else np.int64
        fields: NDArray[np.integer[Any]] = bits[:, :, 0].astype(narrow)
        for bit in range(1, width):
            fields <<= 1
            fields |= bits[:, :, bit]
        return fields

    def _packed(self, at: Ints, ends: Ints, k: Ints, count: int) -> tuple[Ints, Ints, Bools]:
        u = np.zeros((len(at), count), np.int64)
        good = at < ends
        width = np.where(good, self.bytes[np.where(good, at, 0)], 0).astype(np.int64)
        good &= width <= MAX_PACKED_BITS
        after = at + 1 + (width * count + 7) // 8
        good &= after <= ends
        for bits in np.unique(width[good]):
            same = np.flatnonzero(good & (width == bits))
            if bits:
                u[same] = self._bit_fields(at[same] + 1, int(bits), count)
        return np.where(good, after, ends), u, good

    def _rice(self, at: Ints, ends: Ints, k: Ints, count: int) -> tuple[Ints, Ints, Bools]:
        good = at + 2 <= ends
        safe = np.where(good, at, 0)
        unary = self.bytes[safe].astype(np.int64) | self.bytes[safe + 1].astype(np.int64) << 8
        remainders = at + 2 + unary
        k = k.astype(np.int64)
        after = remainders + (k * count + 7) // 8
        good &= (after <= ends) & (unary > 0)
        chosen = np.flatnonzero(good)
        if not len(chosen):
            return ends.copy(), np.zeros((len(at), count), np.int64), good
        stream, starts = self._gather(at[chosen] + 2, unary[chosen])
        right = np.add.reduceat(_ONES[stream], starts) == count
        if not right.all():
            good[chosen[~right]] = False
            return self._rice_of(good, at, ends, k, count)
        # Every set bit ends one quotient.
        places = np.flatnonzero(np.unpackbits(stream)).reshape(len(chosen), count)
        small = int(unary[chosen].max()) << (int(k[chosen].max()) + 3) < 1 << 30
        q: Ints = np.empty((len(chosen), count), np.int32 if small else np.int64)
        np.subtract(places[:, 1:], places[:, :-1], out=q[:, 1:], casting="same_kind")
        q[:, 1:] -= 1
        q[:, 0] = places[:, 0] - starts * 8
        q <<= k[chosen][:, None]
        for bits in np.unique(k[chosen]):
            if bits:
                same = np.flatnonzero(k[chosen] == bits)
                q[same] |= self._bit_fields(remainders[chosen[same]], int(bits), count)
        if len(chosen) == len(at):
            return after, q, good
        u = np.zeros((len(at), count), np.int64)
        u[chosen] = q
        return np.where(good, after, ends), u, good

    def _rice_of(self, lanes: Bools, at: Ints, ends: Ints, k: Ints, count: int) -> tuple[Ints, Ints, Bools]:
        """Read the lanes that have as many quotients as samples; the others are broken."""
        after, u = ends.copy(), np.zeros((len(at), count), np.int64)
        if lanes.any():
            after[lanes], u[lanes], _ = self._rice(at[lanes], ends[lanes], k[lanes], count)
        return after, u, lanes

    @staticmethod
    def _check_width(channel: Channel, values: Ints) -> None:
        bound = 1 << (8 * channel.width - 1)
        if len(values) and (values.min() < -bound or values.max() >= bound):
            raise Malformed(f"a value exceeds {channel.width} bytes")

    def _keep(
        self, channel: Channel, lanes: NDArray[np.intp], values: Ints, valid: Bools | None, counts: Ints
    ) -> None:
        if len(lanes):
            self.found.setdefault(channel.id, []).append((lanes, values, valid, counts))


def decode_samples(
    frames: Iterable[Frame], schema: Schema, room: int | None = None
) -> tuple[dict[int, Samples], list[tuple[Frame, str]]]:
    """Decode frames of one schema into samples by channel id; also return what does not decode, and why.

    A frame with a broken block keeps the channels before it. Raises TooManySamples when several frames hold
    more than `room` samples.
    """
    lanes = _Lanes(list(frames), schema, room)
    lanes.run()
    boots = np.array([frame.boot_id for frame in lanes.frames], np.uint32)
    starts = np.array([min(frame.mono_us, _LATEST_US) for frame in lanes.frames], np.int64)
    result = {}
    for identity, parts in lanes.found.items():
        where, values, valid, counts = parts[0]
        if len(parts) > 1:
            where, values, valid, counts = _in_order(parts)
        result[identity] = Samples(schema.by_id[identity], boots[where], starts[where], counts, values, valid)
    return result, lanes.malformed


def _in_order(
    parts: list[tuple[NDArray[np.intp], Ints, Bools | None, Ints]],
) -> tuple[NDArray[np.intp], Ints, Bools | None, Ints]:
    """Join parts so that the lanes rise; a channel that stands twice in a frame keeps both runs."""
    where = np.concatenate([part[0] for part in parts])
    values = np.concatenate([part[1] for part in parts])
    counts = np.concatenate([part[3] for part in parts])
    valid: Bools | None = None
    if any(part[2] is not None for part in parts):
        valid = np.concatenate(
            [np.ones(len(part[1]), np.bool_) if part[2] is None else part[2] for part in parts]
        )
    order = np.argsort(where, kind="stable")
    starts = np.cumsum(counts) - counts
    sizes = counts[order]
    index = np.arange(int(sizes.sum())) + np.repeat(starts[order] - (np.cumsum(sizes) - sizes), sizes)
    return where[order], values[index], None if valid is None else valid[index], sizes
