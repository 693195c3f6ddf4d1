"""Buckets are exact: packed, folded and combined they are what the samples themselves give."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, strategies as st

from microgrid_core.archive.buckets import COLUMNS, Column, aggregate, combine, empty, fold, pack, unpack

samples = st.lists(
    st.tuples(st.integers(0, 59_999), st.integers(-(2**31), 2**31 - 1)),
    max_size=60,
    unique_by=lambda sample: sample[0],
)
MS = 1000


def columns(found: list[tuple[int, int]], bucket_ms: int, *, counter: bool = True) -> np.ndarray:
    """Buckets of one minute of samples (ms, value), dense."""
    times = np.array([time for time, _ in found], np.int64) * MS
    values = np.array([value for _, value in found], np.int64)
    ids, matrix = aggregate(times, values, bucket_ms * MS, 5, counter=counter)
    dense = empty(60_000 // bucket_ms)
    dense[:, ids] = matrix
    return dense


@given(samples)
def test_a_bucket_is_what_a_loop_counts(found: list[tuple[int, int]]) -> None:
    dense = columns(found, 10_000)
    for number in range(6):
        inside = [(t, v) for t, v in sorted(found) if t // 10_000 == number]
        if not inside:
            assert dense[Column.COUNT, number] == 0
            continue
        times, values = [t for t, _ in inside], [v for _, v in inside]
        gain = sum(b - a if b >= a else b + 5 for a, b in itertools.pairwise(values))
        assert dense[:, number].tolist() == [
            len(values),
            sum(values),
            sum(min(v + 5, 0) for v in values),
            min(values),
            max(values),
            values[0],
            values[-1],
            times[0] % 10_000,
            times[-1] % 10_000,
            gain,
        ]


@given(samples)
def test_folding_loses_nothing(found: list[tuple[int, int]]) -> None:
    assert np.array_equal(fold(columns(found, 1000), 1000, 5, counter=True), columns(found, 60_000))


@given(samples, st.integers(0, 60_000))
def test_combining_two_parts_of_a_time_is_the_whole(found: list[tuple[int, int]], border: int) -> None:
    early = columns([s for s in found if s[0] < border], 60_000)
    late = columns([s for s in found if s[0] >= border], 60_000)
    assert np.array_equal(combine(early, late, 5, counter=True), columns(found, 60_000))
    assert np.array_equal(combine(late, early, 5, counter=True), columns(found, 60_000))


@given(samples, st.lists(st.booleans(), min_size=60, max_size=60))
def test_combining_interleaved_parts_is_the_whole_but_for_the_gain(
    found: list[tuple[int, int]], sides: list[bool]
) -> None:
    parts = [[s for s, side in zip(found, sides, strict=False) if side is which] for which in (True, False)]
    whole = combine(columns(parts[0], 60_000), columns(parts[1], 60_000), 5, counter=False)
    expected = columns(found, 60_000)
    assert np.array_equal(whole[: Column.GAIN], expected[: Column.GAIN])


@given(samples, st.sampled_from([1000, 60_000]))
def test_packing_is_lossless(found: list[tuple[int, int]], bucket_ms: int) -> None:
    dense = columns(found, bucket_ms)
    assert np.array_equal(unpack(pack(dense)), dense)


def test_a_damaged_block_says_so() -> None:
    data = pack(empty(60))
    assert unpack(data).shape == (COLUMNS, 60)
    with pytest.raises(ValueError, match="version 09"):
        unpack(b"\x09" + data[1:])
    with pytest.raises(ValueError, match="damaged"):
        unpack(data[:-6])
