"""What an InfluxDB is fed with, read off an archive."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import numpy as np

from custom_components.microgrid.core.archive.archive import Archive
from custom_components.microgrid.core.influx.tiers import EVENTS
from custom_components.microgrid.influx_feed import Change, Feed, Identity
from microgrid_core.codec.umg1.frame import Kind
from microgrid_core.codec.umg1.records import Clock
from microgrid_core.codec.umg1.samples import encode_samples
from microgrid_core.codec.umg1.schema import Channel, Schema
from tests.unit.core.archive.logs import DAY_US, MINUTE_US, START_US, Node

METER = Channel(1, "load_energy", "Wh", MINUTE_US, width=4)


def test_a_day_with_a_power_cut_has_not_the_energy_of_years(tmp_path: Path) -> None:
    """A house comes back with the count that it saved ten minutes before."""
    node = Node(schema=Schema("h1", "c1", (METER,)))
    frames = node.start()
    for count in (*range(5_000_000, 5_000_300, 10), *range(5_000_200, 5_000_500, 10)):
        samples = {METER.id: (np.array([count], np.int64), None)}
        payload, flags, blocks = encode_samples(node.schema, Kind.SLOW, 60_000, samples, Clock(0, 500, 3, 1))
        frames.append(node.frame(Kind.SLOW, payload, flags, blocks))
        node.mono_us += MINUTE_US
    now_us = START_US + DAY_US
    with Archive(tmp_path, reserve_bytes=0, now_us=lambda: now_us) as archive:
        archive.append("h1", [frame.encode() for frame in frames])
        feed = Feed(archive, "influx", "street", {"h1": Identity("house", "c1")}, now_s=lambda: now_us / 1e6)
        lines = []
        for step in feed.steps():
            if isinstance(step, Change):
                step.make()
            elif step.policy is EVENTS:
                lines += step.lines
    assert lines == [
        b"daily_summary,cluster=c1,node=h1,swarm=street load_energy=580.0 %d" % (START_US * 1000)
    ]


def test_a_server_that_gets_everything_takes_no_memory_for_it(tmp_path: Path) -> None:
    """Two months of hours wait: on the way no more is remembered than of two weeks."""

    def peak(days: int) -> int:
        node = Node(schema=Schema("h1", "c1", (METER,)))
        frames = node.start()
        for hour in range(24 * days):
            samples = {METER.id: (np.array([hour], np.int64), None)}
            clock = Clock(0, 500, 3, 1)
            payload, flags, blocks = encode_samples(node.schema, Kind.SLOW, 60_000, samples, clock)
            frames.append(node.frame(Kind.SLOW, payload, flags, blocks))
            node.mono_us += 60 * MINUTE_US
        now_us = START_US + days * DAY_US
        folder = tmp_path / str(days)
        identities = {"h1": Identity("house", "c1")}
        with Archive(folder, reserve_bytes=0, now_us=lambda: now_us) as archive:
            archive.append("h1", [frame.encode() for frame in frames])
            archive.roll_up()
            archive.cursor("influx").leave_frames()  # events come in pieces of their own
            feed = Feed(archive, "influx", "street", identities, now_s=lambda: now_us / 1e6)
            tracemalloc.start()
            for step in feed.steps():
                if isinstance(step, Change):
                    step.make()
            _, most = tracemalloc.get_traced_memory()
            tracemalloc.stop()
        return most

    assert peak(56) < 1.3 * peak(14)
