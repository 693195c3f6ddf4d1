"""Comparison of an archive with what a loop over all frames gives."""

from __future__ import annotations

import itertools
from collections.abc import Iterable

import numpy as np

from microgrid_core.archive.archive import Archive
from microgrid_core.archive.rollup import COUNTER_UNITS, TIERS
from microgrid_core.codec.umg1.frame import Frame
from microgrid_core.codec.umg1.schema import Schema

from .logs import SCHEMA, START_US, Truth, truth

EVER_US = (START_US - 10**15, START_US + 10**15)
EVER_S = (EVER_US[0] // 1_000_000, EVER_US[1] // 1_000_000)


def assert_samples(archive: Archive, frames: Iterable[Frame], schemas: Iterable[Schema] = (SCHEMA,)) -> None:
    """Every sample of the frames is found, with its corrected time, and no other."""
    expected = truth(frames, schemas)
    found = archive.series("h1", None, *EVER_US)
    assert set(found) - {"battery_power"} == set(expected)
    for name, samples in expected.items():
        assert np.array_equal(found[name].times_us, samples.times_us), name
        assert np.array_equal(found[name].values, samples.values), name


def assert_roll_ups(
    archive: Archive, frames: Iterable[Frame], schemas: Iterable[Schema] = (SCHEMA,), *, gains: bool = True
) -> None:
    """Every bucket of every tier is what numpy gives for the samples of its time."""
    expected = truth(frames, schemas)
    for tier in TIERS:
        found = archive.history("h1", None, *EVER_S, tier)
        assert set(found) - {"battery_power"} == set(expected)
        for name, samples in expected.items():
            buckets = samples.times_us // (tier.bucket_s * 1_000_000) * tier.bucket_s
            history = found[name]
            times = np.unique(buckets)
            assert history.times_s.tolist() == times.tolist(), (tier.name, name)
            before: float | None = None
            for number, time in enumerate(times):
                values = samples.values[buckets == time]
                integers = samples.integers[buckets == time] + samples.channel.offset
                _assert_bucket(samples, values, integers, history, number)
                if gains and samples.channel.unit in COUNTER_UNITS:
                    grown = [before, *values.tolist()] if before is not None else values.tolist()
                    gain = sum(b - a if b >= a else b for a, b in itertools.pairwise(grown))
                    assert history.gain[number] == gain
                    before = float(values[-1])


def _assert_bucket(
    samples: Truth, values: np.ndarray, integers: np.ndarray, history: object, number: int
) -> None:
    def of(name: str) -> float:
        return float(getattr(history, name)[number])

    hours = samples.channel.period_us / 3.6e9
    assert of("count") == len(values)
    assert (of("minimum"), of("maximum")) == (values.min(), values.max())
    assert (of("first"), of("last")) == (values[0], values[-1])
    assert np.isclose(of("mean"), integers.sum() * samples.channel.scale / len(values), rtol=1e-12, atol=0)
    assert np.isclose(
        of("positive"), np.maximum(integers, 0).sum() * samples.channel.scale * hours, rtol=1e-12
    )
    assert np.isclose(
        of("negative"), -np.minimum(integers, 0).sum() * samples.channel.scale * hours, rtol=1e-12
    )
