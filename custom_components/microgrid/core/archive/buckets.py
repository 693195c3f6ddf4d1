"""Buckets of a roll-up: exact integer aggregates that can be folded and combined without loss.

A block is a matrix of one row per column below and one column per bucket, in integers of the channel's
scale, so that the sum of an hour is the sum of its minutes to the last digit.
"""

from __future__ import annotations

import zlib
from enum import IntEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]


class Column(IntEnum):
    """Rows of the matrix."""

    COUNT = 0
    SUM = 1
    NEGATIVE = 2
    """Sum of what is below zero (offset included): the other direction of a power or current."""
    MINIMUM = 3
    MAXIMUM = 4
    FIRST = 5
    LAST = 6
    FIRST_MS = 7
    """Times of the first and last sample, from the start of the bucket."""
    LAST_MS = 8
    GAIN = 9
    """Growth of a counter within the bucket; one that falls has been restarted at zero."""


COLUMNS = len(Column)
_TYPES = "bhiq"  # the narrowest that holds a column
_COMPRESSION = 6


def empty(count: int) -> Ints:
    """Return buckets without samples."""
    return np.zeros((COLUMNS, count), np.int64)


def step(before: NDArray[Any], after: NDArray[Any], offset: int | float) -> NDArray[Any]:
    """Growth of a counter between two readings; `offset` added to a reading counts from zero."""
    grown: NDArray[Any] = np.where(after >= before, after - before, after + offset)
    return grown


def aggregate(
    times_us: Ints, values: Ints, bucket_us: int, offset: int, *, counter: bool
) -> tuple[Ints, Ints]:
    """Return the numbers of the buckets that hold samples (UTC divided by `bucket_us`) and their columns."""
    if len(times_us) and np.any(times_us[1:] < times_us[:-1]):
        order = np.argsort(times_us, kind="stable")
        times_us, values = times_us[order], values[order]
    numbers = times_us // bucket_us
    starts = (
        np.flatnonzero(np.concatenate(([True], numbers[1:] != numbers[:-1]))) if len(numbers) else numbers
    )
    ids = numbers[starts]
    matrix = empty(len(ids))
    if not len(ids):
        return ids, matrix
    ends = np.append(starts[1:], len(values)) - 1
    matrix[Column.COUNT] = ends - starts + 1
    matrix[Column.SUM] = np.add.reduceat(values, starts, dtype=np.int64)
    matrix[Column.NEGATIVE] = np.add.reduceat(
        np.minimum(values + np.int64(offset), 0), starts, dtype=np.int64
    )
    matrix[Column.MINIMUM] = np.minimum.reduceat(values, starts)
    matrix[Column.MAXIMUM] = np.maximum.reduceat(values, starts)
    matrix[Column.FIRST] = values[starts]
    matrix[Column.LAST] = values[ends]
    matrix[Column.FIRST_MS] = (times_us[starts] - ids * bucket_us) // 1000
    matrix[Column.LAST_MS] = (times_us[ends] - ids * bucket_us) // 1000
    if counter:
        grown = np.zeros(len(values), np.int64)
        grown[1:] = step(values[:-1].astype(np.int64), values[1:].astype(np.int64), offset)
        grown[starts] = 0
        matrix[Column.GAIN] = np.add.reduceat(grown, starts)
    return ids, matrix


def fold(matrix: Ints, bucket_ms: int, offset: int, *, counter: bool) -> Ints:
    """Return neighbouring buckets as one: a matrix of a single column."""
    result = empty(1)
    filled = np.flatnonzero(matrix[Column.COUNT])
    if not len(filled):
        return result
    part = matrix[:, filled]
    for column in (Column.COUNT, Column.SUM, Column.NEGATIVE, Column.GAIN):
        result[column] = part[column].sum()
    result[Column.MINIMUM] = part[Column.MINIMUM].min()
    result[Column.MAXIMUM] = part[Column.MAXIMUM].max()
    result[Column.FIRST] = part[Column.FIRST, 0]
    result[Column.LAST] = part[Column.LAST, -1]
    result[Column.FIRST_MS] = part[Column.FIRST_MS, 0] + filled[0] * bucket_ms
    result[Column.LAST_MS] = part[Column.LAST_MS, -1] + filled[-1] * bucket_ms
    if counter:
        result[Column.GAIN] += step(part[Column.LAST, :-1], part[Column.FIRST, 1:], offset).sum()
    return result


def combine(a: Ints, b: Ints, offset: int, *, counter: bool) -> Ints:
    """Return the buckets of two disjoint sets of samples of the same times as one."""
    result = empty(a.shape[1])
    for column in (Column.COUNT, Column.SUM, Column.NEGATIVE):
        result[column] = a[column] + b[column]
    result[Column.MINIMUM] = np.minimum(a[Column.MINIMUM], b[Column.MINIMUM])
    result[Column.MAXIMUM] = np.maximum(a[Column.MAXIMUM], b[Column.MAXIMUM])
    for value, time, earlier in (
        (Column.FIRST, Column.FIRST_MS, a[Column.FIRST_MS] <= b[Column.FIRST_MS]),
        (Column.LAST, Column.LAST_MS, a[Column.LAST_MS] > b[Column.LAST_MS]),
    ):
        result[value] = np.where(earlier, a[value], b[value])
        result[time] = np.where(earlier, a[time], b[time])
    if counter:
        ordered = a[Column.LAST_MS] <= b[Column.FIRST_MS]
        reverse = ~ordered & (b[Column.LAST_MS] <= a[Column.FIRST_MS])
        between = np.where(
            ordered,
            step(a[Column.LAST], b[Column.FIRST], offset),
            step(b[Column.LAST], a[Column.FIRST], offset),
        )
        # Where the two interleave the readings between are gone: the larger growth is the one that saw more.
        mixed = np.maximum.reduce(
            [a[Column.GAIN], b[Column.GAIN], result[Column.LAST] - result[Column.FIRST]]
        )
        result[Column.GAIN] = np.where(ordered | reverse, a[Column.GAIN] + b[Column.GAIN] + between, mixed)
    return np.where(b[Column.COUNT] == 0, a, np.where(a[Column.COUNT] == 0, b, result))


def pack(matrix: Ints) -> bytes:
    """Return a block as bytes: values relative to the bucket's mean, means relative to the one before."""
    columns = matrix.copy()
    count = np.maximum(matrix[Column.COUNT], 1)
    mean = matrix[Column.SUM] // count
    columns[Column.SUM] -= mean * matrix[Column.COUNT]
    for column in (Column.MINIMUM, Column.MAXIMUM, Column.FIRST, Column.LAST):
        columns[column] -= mean
    columns = np.vstack((columns, np.diff(mean, prepend=0)[None, :]))
    parts, types = [], bytearray()
    for row in columns:
        low, high = int(row.min(initial=0)), int(row.max(initial=0))
        kind = next(
            number
            for number in range(4)
            if -(1 << (8 << number) - 1) <= low and high < 1 << (8 << number) - 1
        )
        types.append(kind)
        parts.append(row.astype(f"<{_TYPES[kind]}").tobytes())
    return bytes([1, matrix.shape[1]]) + bytes(types) + zlib.compress(b"".join(parts), _COMPRESSION)


def unpack(data: bytes) -> Ints:
    """Return the block of `pack`; raises ValueError for bytes that are none."""
    if len(data) < 2 + COLUMNS + 1 or data[0] != 1:
        raise ValueError(f"a roll-up block of version {data[:1].hex()}, this release knows 1")
    count, types = data[1], data[2 : 3 + COLUMNS]
    try:
        body = zlib.decompress(data[3 + COLUMNS :])
    except zlib.error as error:
        raise ValueError(f"a roll-up block is damaged: {error}") from error
    rows, at = [], 0
    for kind in types:
        rows.append(np.frombuffer(body, f"<{_TYPES[kind]}", count, at).astype(np.int64))
        at += count << kind
    mean = np.cumsum(rows.pop())
    matrix = np.vstack(rows)
    matrix[Column.SUM] += mean * matrix[Column.COUNT]
    for column in (Column.MINIMUM, Column.MAXIMUM, Column.FIRST, Column.LAST):
        matrix[column] += mean
    return matrix
