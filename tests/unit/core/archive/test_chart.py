"""What a chart is given: against a loop over all samples, for any range."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, strategies as st

from microgrid_core.archive.archive import Archive
from microgrid_core.archive.chart import RESOLUTIONS, SECOND, chart, resolution_for
from microgrid_core.archive.rollup import DAY, HOUR, MINUTE, TIERS

from .logs import START_US, Node, Truth, truth

START_S = START_US // 1_000_000
MINUTES = 150
BUCKET_S = {SECOND: 1} | {tier.name: tier.bucket_s for tier in TIERS}

Fixed = tuple[Archive, dict[str, Truth]]


@pytest.fixture(scope="module")
def logged(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fixed]:
    """Some hours of a node that misses every tenth sample and an hour altogether, rolled up."""
    node = Node(missing=0.1)
    frames = [*node.start(), *node.minutes(MINUTES // 2)]
    node.mono_us += 3_600_000_000
    frames += node.minutes(MINUTES // 2)
    with Archive(tmp_path_factory.mktemp("chart"), reserve_bytes=0) as archive:
        archive.append("h1", frames)
        archive.roll_up()
        yield archive, truth(frames)


@given(
    resolution=st.sampled_from(RESOLUTIONS),
    start_s=st.integers(START_S - 4000, START_S + 15_000),
    length_s=st.integers(1, 12_000),
    name=st.sampled_from(("exchange_power", "inverter_frequency", "energy_exported")),
)
def test_every_bucket_is_what_its_samples_are(
    logged: Fixed, resolution: str, start_s: int, length_s: int, name: str
) -> None:
    archive, samples = logged
    found = chart(archive.queries, "h1", [name], start_s, start_s + length_s, resolution)
    bucket_s = BUCKET_S[resolution]
    assert (found.resolution, found.bucket_s) == (resolution, bucket_s)
    first_s = start_s // bucket_s * bucket_s  # the bucket that the range begins in is whole
    expected: dict[int, list[float]] = {}
    for time_us, value in zip(samples[name].times_us.tolist(), samples[name].values.tolist(), strict=True):
        bucket = time_us // 1_000_000 // bucket_s * bucket_s
        if first_s <= bucket < start_s + length_s:
            expected.setdefault(bucket, []).append(value)
    if not expected:
        assert found.curves == {}
        return
    (curve,) = found.curves.values()
    assert curve.unit == samples[name].channel.unit
    assert curve.times_s.tolist() == list(expected)
    assert curve.minimum.tolist() == [min(values) for values in expected.values()]
    assert curve.maximum.tolist() == [max(values) for values in expected.values()]
    assert curve.last.tolist() == [values[-1] for values in expected.values()]
    means = [sum(values) / len(values) for values in expected.values()]
    np.testing.assert_allclose(curve.mean, means, rtol=1e-12, atol=1e-9)


def test_what_nobody_logged_has_no_curve(logged: Fixed) -> None:
    archive, _ = logged
    for resolution in RESOLUTIONS:
        assert chart(archive.queries, "h1", ["nonsense"], START_S, START_S + 60, resolution).curves == {}
        assert (
            chart(archive.queries, "h2", ["exchange_power"], START_S, START_S + 60, resolution).curves == {}
        )


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Archive]:
    """An archive that knows a node; what it still has of it, a test says."""
    with Archive(tmp_path_factory.mktemp("floors"), reserve_bytes=0) as archive:
        archive.append("h1", Node().start())
        yield archive


_AGES = st.lists(st.integers(0, 100 * DAY.bucket_s), min_size=3, max_size=3).map(sorted)


@given(
    ages=_AGES,
    ago_s=st.integers(1, 120 * DAY.bucket_s),
    length_s=st.integers(1, 120 * DAY.bucket_s),
    points=st.integers(1, 5000),
)
def test_the_finest_resolution_that_fits_and_is_there(
    empty: Archive, ages: list[int], ago_s: int, length_s: int, points: int
) -> None:
    floors = [START_S - age for age in ages]  # samples are gone before minutes, minutes before hours
    with empty.index.write() as connection:
        connection.execute("UPDATE node SET raw_floor_s = ?, minute_floor_s = ?, hour_floor_s = ?", floors)
    start_s, end_s = START_S - ago_s, START_S - ago_s + length_s
    found = resolution_for(empty.queries, "h1", start_s, end_s, points)
    kept_from = dict(zip(RESOLUTIONS, [*floors, -1], strict=True))

    def good(resolution: str) -> bool:
        return length_s <= points * BUCKET_S[resolution] and kept_from[resolution] <= start_s

    assert found == next(filter(good, RESOLUTIONS), DAY.name)


@pytest.mark.parametrize(
    ("length_s", "points", "expected"),
    [
        (60, 60, SECOND),
        (61, 60, MINUTE.name),
        (3600, 60, MINUTE.name),
        (3601, 60, HOUR.name),
        (10 * 365 * 86_400, 10, DAY.name),
    ],
)
def test_a_node_of_which_nothing_was_deleted(
    tmp_path: Path, length_s: int, points: int, expected: str
) -> None:
    with Archive(tmp_path, reserve_bytes=0) as archive:
        found = resolution_for(archive.queries, "stranger", START_S, START_S + length_s, points)
        assert found == expected
