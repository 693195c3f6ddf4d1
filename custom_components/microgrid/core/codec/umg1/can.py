"""CAN traffic: many frames of few identifiers, each written as what differs from its predecessor."""

from __future__ import annotations

import struct
from collections.abc import Iterable
from dataclasses import dataclass

from .wire import VARINT32_BYTES, Cursor, Malformed, put_signed

EXTENDED, REMOTE, ERROR = 1 << 31, 1 << 30, 1 << 29
TICK_US = 10
_COUNT = struct.Struct("<H")
_IDENTIFIER = struct.Struct("<I")
_MASK_FOLLOWS = 0x80
_MAX_DATA = 8
_MAX_DELTA = (1 << 31) - 1  # ticks: six hours between frames of an identifier


@dataclass(frozen=True, slots=True)
class CanFrame:
    """One frame on the bus."""

    mono_us: int
    """A multiple of 10 µs after the mono of the log frame."""
    identifier: int
    """Bits 28–0 the id; flags EXTENDED, REMOTE, ERROR above."""
    data: bytes


@dataclass(slots=True)
class _Previous:
    ticks: int
    delta: int
    data: bytes


def encode(frames: Iterable[CanFrame], mono_us: int) -> bytes:
    """Return the payload of a can frame whose header says `mono_us`."""
    out = bytearray(_COUNT.size)
    count = 0
    index: dict[int, int] = {}
    previous: list[_Previous] = []
    for frame in frames:
        if len(frame.data) > _MAX_DATA:
            raise ValueError(
                f"CAN frame {frame.identifier:x} has {len(frame.data)} bytes, at most {_MAX_DATA}"
            )
        count += 1
        ticks = (frame.mono_us - mono_us) // TICK_US
        number = index.get(frame.identifier)
        if number is None:
            number = index[frame.identifier] = len(previous)
            if number > 255:
                raise ValueError("more than 256 identifiers in one CAN payload")
            previous.append(_Previous(0, 0, b""))
            out.append(number)
            out += _IDENTIFIER.pack(frame.identifier)
        else:
            out.append(number)
        before = previous[number]
        delta = ticks - before.ticks
        if max(abs(delta), abs(delta - before.delta)) > _MAX_DELTA:
            raise ValueError(f"CAN frame {frame.identifier:x} hours away from the one before it")
        out += put_signed(delta - before.delta)
        size = len(frame.data)
        changed = bytes(new for new, old in zip(frame.data, before.data, strict=False) if new != old)
        if size and len(before.data) == size and len(changed) < size:
            mask = sum(1 << bit for bit in range(size) if frame.data[bit] != before.data[bit])
            out.append(size | _MASK_FOLLOWS)
            out.append(mask)
            out += changed
        else:
            out.append(size)
            out += frame.data
        previous[number] = _Previous(ticks, delta, frame.data)
    _COUNT.pack_into(out, 0, count)
    return bytes(out)


def decode(payload: bytes | memoryview, mono_us: int) -> list[CanFrame]:
    """Read the payload of a can frame whose header says `mono_us`; raises Malformed."""
    cursor = Cursor(payload)
    (count,) = cursor.unpack(_COUNT)
    identifiers: list[int] = []
    previous: list[_Previous] = []
    frames = []
    for _ in range(count):
        number = cursor.byte()
        if number == len(identifiers):
            identifiers.append(cursor.unpack(_IDENTIFIER)[0])
            previous.append(_Previous(0, 0, b""))
        elif number > len(identifiers):
            raise Malformed(f"identifier {number} of {len(identifiers)}")
        before = previous[number]
        change = cursor.signed(VARINT32_BYTES)
        delta = before.delta + change
        if max(abs(delta), abs(change)) > _MAX_DELTA:
            raise Malformed(f"CAN frame {delta} ticks away from the one before it")
        ticks = before.ticks + delta
        length = cursor.byte()
        size = length & 0x0F
        if size > _MAX_DATA:
            raise Malformed(f"CAN frame of {size} bytes")
        if length & _MASK_FOLLOWS:
            if len(before.data) != size:
                raise Malformed("mask without a predecessor of the same length")
            mask = cursor.byte()
            if mask >> size:
                raise Malformed("mask beyond the data")
            data = bytearray(before.data)
            for bit in range(size):
                if mask >> bit & 1:
                    data[bit] = cursor.byte()
            content = bytes(data)
        else:
            content = cursor.take(size)
        previous[number] = _Previous(ticks, delta, content)
        frames.append(CanFrame(mono_us + ticks * TICK_US, identifiers[number], content))
    return frames
