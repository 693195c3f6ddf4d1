"""Growth of counters: what is believed, by the hour and where something is odd by the minute."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, strategies as st

from microgrid_core.archive.archive import Archive
from microgrid_core.archive.growth import Growth, believable, growth
from microgrid_core.archive.retention import Retention
from microgrid_core.codec.umg1.frame import Frame, Kind
from microgrid_core.codec.umg1.records import Clock
from microgrid_core.codec.umg1.samples import encode_samples
from microgrid_core.codec.umg1.schema import Channel, Schema

from .logs import DAY_US, MINUTE_US, START_US, Node

START_S = START_US // 1_000_000
RATE = 10_000.0  # Wh in an hour
METER = Channel(1, "load_energy", "Wh", MINUTE_US, width=4)


@pytest.fixture
def archive(tmp_path: Path) -> Iterator[Archive]:
    """An archive that the retention leaves alone, long after the readings."""
    day_s = 86_400
    keep = Retention(raw_s=4000 * day_s, minute_s=4000 * day_s, hour_s=4000 * day_s)
    with Archive(tmp_path, retention=keep, reserve_bytes=0, now_us=lambda: START_US + 100 * DAY_US) as opened:
        yield opened


class Meter(Node):
    """Counts what it is told to, a reading a minute; None is a minute without."""

    def readings(self, *counts: int | None) -> list[Frame]:
        """Return the frames of the next minutes."""
        frames = []
        for count in counts:
            if count is not None:
                samples = {METER.id: (np.array([count], np.int64), None)}
                clock = Clock(0, 500, 3, 1)
                payload, flags, blocks = encode_samples(self.schema, Kind.SLOW, 60_000, samples, clock)
                frames.append(self.frame(Kind.SLOW, payload, flags, blocks))
            self.mono_us += MINUTE_US
        return frames


def grown(archive: Archive, *counts: int | None, start_s: int = START_S, hours: int = 48) -> Growth:
    """Store readings and return how the counter grew."""
    node = Meter(schema=Schema("h1", "c1", (METER,)))
    archive.append("h1", [*node.start(), *node.readings(*counts)])
    archive.roll_up()
    return growth(archive.queries, "h1", {"load_energy": RATE}, start_s, START_S + hours * 3600)[
        "load_energy"
    ]


def test_steady_hours(archive: Archive) -> None:
    found = grown(archive, *range(0, 1800, 10))
    assert found.total.tolist() == [590, 600, 600]
    assert found.across.tolist() == [0, 10, 10]
    assert found.previous is None
    assert (found.first.tolist(), found.last.tolist()) == ([0, 600, 1200], [590, 1190, 1790])


def test_the_hour_before_a_range_is_known(archive: Archive) -> None:
    found = grown(archive, *range(0, 1800, 10), start_s=START_S + 7200)
    assert (found.previous, found.total.tolist()) == ((START_S + 3600, 1190.0), [600])


@pytest.mark.parametrize("hours", [3, 30, 24 * 40], ids=lambda hours: f"{hours} hours")
def test_growth_across_a_gap_is_told_apart(archive: Archive, hours: int) -> None:
    counts = [*range(0, 600, 10), *[None] * ((hours - 1) * 60), *range(5000, 5600, 10)]
    found = grown(archive, *counts, start_s=START_S + hours * 3600, hours=hours + 1)
    assert found.previous == (START_S, 590.0)
    assert (found.across.tolist(), found.within.tolist()) == ([4410], [590])


@pytest.mark.parametrize(
    ("counts", "total"),
    [
        ([1000, 1010, 5, 15, 25], 35),  # restarted at zero: it has counted 5 already
        ([100_000, 100_010, 0, 100_020, 100_030], 20),  # one wrong reading: its neighbours are in doubt
        ([100_000, 100_010, 2_000_000_000, 100_020, 100_030], 20),
        ([100_000, 100_010, 99_900, 99_910], 20),  # back to what it had saved
        ([100_000, 190_000, 190_010], 10),  # no hardware can do that in a minute
    ],
)
def test_odd_readings(archive: Archive, counts: list[int], total: int) -> None:
    assert float(grown(archive, *counts).total.sum()) == total


def test_odd_readings_without_minutes(archive: Archive) -> None:
    """Where only the hour is left, what it cannot have counted is left out."""
    node = Meter(schema=Schema("h1", "c1", (METER,)))
    archive.append(
        "h1", [*node.start(), *node.readings(*range(100_000, 100_600, 10), 2_000_000_000, 100_600)]
    )
    archive.roll_up()
    with archive.index.write() as connection:
        connection.execute("DELETE FROM rollup WHERE tier = 0")
    found = growth(archive.queries, "h1", {"load_energy": RATE}, START_S, START_S + 7200)["load_energy"]
    assert found.total.tolist() == [590, 0]


def test_nothing_of_what_is_not_there(archive: Archive) -> None:
    assert growth(archive.queries, "h1", {"load_energy": RATE}, 0, START_S) == {}
    grown(archive, 1, 2, 3)
    assert growth(archive.queries, "h1", {"other": RATE}, 0, START_S + 3600) == {}
    assert growth(archive.queries, "h1", {"load_energy": RATE}, START_S + 7200, START_S + 9000) == {}


@given(st.floats(0, 1e9), st.floats(0, 1e9), st.floats(0, 1000), st.floats(0, 1e5))
def test_growth_is_never_more_than_possible(before: float, after: float, hours: float, rate: float) -> None:
    assert 0 <= believable(before, after, hours, rate) <= rate * (hours + 5 / 60)
