"""One channel block: predictors, split Rice and packed residuals (contract/log.md, 4.3).

This is the plain form, block by block: the encoder, and the decoder of the rare blocks that `samples` does
not decode in bulk.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .wire import VARINT32_BYTES, Cursor, Malformed, put_signed

COUNT_FOLLOWS, VALIDITY_FOLLOWS = 0x80, 0x40
PACKED = 15
MAX_PACKED_BITS = 40
_U16 = struct.Struct("<H")

Ints = NDArray[np.signedinteger[Any]]
Bools = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Block:
    """Decoded samples of one channel in one frame."""

    channel: int
    values: Ints
    """One integer per sample; 0 where it is missing."""
    valid: Bools | None
    """None: all are present."""


def _residuals(x: Ints) -> Ints:
    """Zigzag residuals of samples 1 … m−1 by all predictors: (4, m−1)."""
    a = x[:-1]
    b = np.concatenate((a[:1], a[:-1]))
    e = x[1:] - np.stack((a, (a + b) >> 1, np.full_like(a, x[0]), 2 * a - b))
    u: Ints = (e << 1) ^ (e >> 63)
    return u


def _cheapest(u: Ints) -> tuple[int, int]:
    """Return the predictor and k that take the fewest bytes; the first of equals."""
    count = u.shape[1]
    widths = [int(top).bit_length() for top in u.max(axis=1)]
    tried = min(PACKED, max(widths) + 1)  # a larger k only lengthens the remainders
    quotients = (u[:, :, None] >> np.arange(tried)).sum(axis=1)
    unary = (quotients + count + 7) // 8
    cost = 2 + unary + (count * np.arange(tried) + 7) // 8
    cost[unary > 0xFFFF] = np.iinfo(np.int64).max
    packed = np.array([[1 + (count * width + 7) // 8] for width in widths])
    predictor, k = divmod(int(np.argmin(np.concatenate((cost, packed), axis=1))), tried + 1)
    return predictor, PACKED if k == tried else k


def _bits(values: Ints, width: int) -> bytes:
    """Pack `width` bits of each value, most significant first."""
    if width == 0 or not len(values):
        return b""
    shifts = np.arange(width - 1, -1, -1)
    return np.packbits(((values[:, None] >> shifts) & 1).astype(np.uint8).ravel()).tobytes()


def encode_block(channel: int, samples: Ints, valid: Bools | None, nominal: int) -> bytes:
    """Return the shortest block for the samples; `nominal` is the count that needs no telling."""
    count = len(samples)
    if not 1 <= count <= 0xFFFF:
        raise ValueError(f"channel {channel}: {count} samples in one block, 1 … 65535 are possible")
    head = 0
    prefix = b""
    if count != nominal:
        head |= COUNT_FOLLOWS
        prefix += _U16.pack(count)
    present = samples.astype(np.int64)
    if valid is not None and not valid.all():
        head |= VALIDITY_FOLLOWS
        prefix += np.packbits(valid).tobytes()
        present = present[valid]
    if not len(present):
        return bytes([channel, head | VALIDITY_FOLLOWS | PACKED]) + prefix
    first = put_signed(int(present[0]))
    if len(present) == 1:
        return bytes([channel, head | PACKED]) + prefix + first
    candidates = _residuals(present)
    predictor, k = _cheapest(candidates)
    u = candidates[predictor]
    start = bytes([channel, head | predictor << 4 | k]) + prefix + first
    if k == PACKED:
        width = int(u.max()).bit_length()
        return start + bytes([width]) + _bits(u, width)
    quotients = u >> k
    unary = np.zeros(int(quotients.sum()) + len(u), np.uint8)
    unary[np.cumsum(quotients + 1) - 1] = 1
    stream = np.packbits(unary).tobytes()
    return start + _U16.pack(len(stream)) + stream + _bits(u & ((1 << k) - 1), k)


def unpack(data: bytes, count: int, width: int) -> Ints:
    """Read `count` values of `width` bits."""
    if width == 0:
        return np.zeros(count, np.int64)
    bits = np.unpackbits(np.frombuffer(data, np.uint8), count=count * width).reshape(count, width)
    value = np.zeros(count, np.int64)
    for column in range(width):
        value = (value << 1) | bits[:, column]
    return value


def restore(first: Ints, residuals: Ints, predictor: int) -> Ints:
    """Undo a predictor for lanes side by side: `first` (n,), `residuals` (n, m−1) → samples (n, m)."""
    lanes, count = residuals.shape
    x = np.empty((lanes, count + 1), residuals.dtype)
    x[:, 0] = first
    if predictor == 0:
        np.cumsum(residuals, axis=1, dtype=residuals.dtype, out=x[:, 1:])
        x[:, 1:] += first[:, None]
    elif predictor == 2:
        np.add(residuals, first[:, None], out=x[:, 1:])
    elif predictor == 3:
        np.cumsum(np.cumsum(residuals, axis=1, dtype=residuals.dtype), axis=1, out=x[:, 1:])
        x[:, 1:] += first[:, None]
    else:
        # Recursive and rounding: all lanes advance in lockstep, one row of the transpose per sample.
        rows = np.ascontiguousarray(residuals.T)
        y = np.empty((count + 1, lanes), residuals.dtype)
        y[0] = a = b = first
        for i in range(count):
            row = y[i + 1]
            np.add(a, b, out=row)
            np.right_shift(row, 1, out=row)
            np.add(row, rows[i], out=row)
            b, a = a, row
        x[:] = y.T
    return x


def decode_block(cursor: Cursor, nominal: int) -> Block:
    """Read one block; raises Malformed."""
    channel, coding = cursor.byte(), cursor.byte()
    count = cursor.unpack(_U16)[0] if coding & COUNT_FOLLOWS else nominal
    if count == 0:
        raise Malformed("a block of no samples")
    predictor, k = coding >> 4 & 3, coding & 0x0F
    valid: Bools | None = None
    present = count
    if coding & VALIDITY_FOLLOWS:
        bitmap = np.frombuffer(cursor.take((count + 7) // 8), np.uint8)
        valid = np.unpackbits(bitmap, count=count).astype(np.bool_)
        present = int(valid.sum())
    if present < 2 and k != PACKED:
        raise Malformed(f"{present} samples, but residuals are announced")
    if present == 0:
        return Block(channel, np.zeros(count, np.int64), np.zeros(count, np.bool_))
    first = np.array([cursor.signed(VARINT32_BYTES)], np.int64)
    if present == 1:
        values = first
    else:
        residuals = _read_residuals(cursor, present - 1, k)
        values = restore(first, residuals[None, :], predictor)[0]
    if valid is None:
        return Block(channel, values, None)
    spread = np.zeros(count, np.int64)
    spread[valid] = values
    return Block(channel, spread, valid)


def _read_residuals(cursor: Cursor, count: int, k: int) -> Ints:
    if k == PACKED:
        width = cursor.byte()
        if width > MAX_PACKED_BITS:
            raise Malformed(f"packed width {width}, at most {MAX_PACKED_BITS}")
        u = unpack(cursor.take((count * width + 7) // 8), count, width)
    else:
        unary = np.unpackbits(np.frombuffer(cursor.take(cursor.unpack(_U16)[0]), np.uint8))
        ones = np.flatnonzero(unary)
        if len(ones) != count:
            raise Malformed(f"{len(ones)} quotients for {count} residuals")
        quotients = np.diff(ones, prepend=-1) - 1
        u = (quotients << k) | unpack(cursor.take((count * k + 7) // 8), count, k)
    return (u >> 1) ^ -(u & 1)
