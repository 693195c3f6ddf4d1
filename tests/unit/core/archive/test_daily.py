"""The summary of a day, against sums over every sample and a clock that ticks through its events."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from hypothesis import given, settings, strategies as st
from numpy.typing import NDArray

from microgrid_core.archive.archive import Archive
from microgrid_core.archive.daily import cluster_summary, daily_summary
from microgrid_core.codec.umg1.frame import Frame, Kind
from microgrid_core.codec.umg1.records import EVENT_STATES, EVENT_TYPES, Clock, Event
from microgrid_core.codec.umg1.samples import encode_samples
from microgrid_core.codec.umg1.schema import Channel, Schema
from microgrid_core.model.gateway import GATEWAY
from microgrid_core.model.house import HOUSE

from .logs import MINUTE_US, SECOND_US, START_US, Node

START_S = START_US // SECOND_US
HOURS = 6
CLOCK = Clock(0, 500, 3, 1)

_HOUSE = (
    Channel(1, "load_power", "W", 10 * SECOND_US, width=4),
    Channel(2, "inverter_frequency", "Hz", 10 * SECOND_US, exponent=-3, offset=50_000),
    Channel(3, "state_of_charge", "%", 10 * SECOND_US, exponent=-1),
    Channel(4, "load_energy", "Wh", MINUTE_US, width=4),
    Channel(5, "energy_exported", "Wh", MINUTE_US, width=4),
)
_GATEWAY = (
    Channel(1, "cluster_frequency", "Hz", 10 * SECOND_US, exponent=-3, offset=50_000),
    Channel(2, "power_flow", "W", 10 * SECOND_US, width=4),
    Channel(3, "energy_exported", "Wh", MINUTE_US, width=4),
)


@dataclass(slots=True)
class Samples:
    """What a node wrote, by channel: seconds since START_S and values."""

    times_s: dict[str, NDArray[np.int64]]
    values: dict[str, NDArray[np.float64]]

    def within(self, name: str, first_s: int, end_s: int) -> NDArray[np.float64]:
        """Return the values of a range."""
        inside = (self.times_s[name] >= first_s) & (self.times_s[name] < end_s)
        return self.values[name][inside]

    def grown(self, name: str, first_s: int, end_s: int) -> float:
        """Return what a counter that was never restarted grew."""
        inside, before = self.within(name, first_s, end_s), self.within(name, 0, first_s)
        return float(inside[-1] - (before[-1] if len(before) else inside[0]))

    def covered(self, first_s: int, end_s: int) -> int:
        """Return the hours with samples."""
        return len(
            {
                time_s // 3600
                for times_s in self.times_s.values()
                for time_s in times_s.tolist()
                if first_s <= time_s < end_s
            }
        )


def write(archive: Archive, name: str, channels: Sequence[Channel], seed: int, silent: set[int]) -> Samples:
    """Log some hours of a node, but for the silent ones; return what was written."""
    rng = np.random.default_rng(seed)
    node = Node(schema=Schema(name, "c1", tuple(channels)), seed=seed)
    frames = node.start()
    found: dict[str, list[tuple[NDArray[np.int64], NDArray[np.float64]]]] = {}
    counts = {channel.name: int(rng.integers(0, 10_000)) for channel in channels}
    for minute in range(HOURS * 60):
        series = {}
        for channel in channels:
            size = MINUTE_US // channel.period_us
            if channel.unit == "Wh":
                counts[channel.name] += int(rng.integers(0, 30))
                integers = np.array([counts[channel.name]], np.int64)
            else:
                integers = rng.integers(0 if channel.unit == "%" else -900, 900, size)
            series[channel.id] = (integers, None)
            if minute // 60 not in silent:
                times_s = minute * 60 + np.arange(size) * (60 // size)
                found.setdefault(channel.name, []).append((times_s, channel.scaled(integers)))
        if minute // 60 not in silent:
            payload, flags, blocks = encode_samples(node.schema, Kind.SLOW, 60_000, series, CLOCK)
            frames.append(node.frame(Kind.SLOW, payload, flags, blocks))
        node.mono_us += MINUTE_US
    archive.append(name, frames)
    archive.roll_up(name)
    return Samples(
        {key: np.concatenate([times for times, _ in parts]) for key, parts in found.items()},
        {key: np.concatenate([values for _, values in parts]) for key, parts in found.items()},
    )


@contextmanager
def new_archive() -> Iterator[Archive]:
    """An archive for one example."""
    with tempfile.TemporaryDirectory() as folder, Archive(Path(folder), reserve_bytes=0) as archive:
        yield archive


def peak(values: NDArray[np.float64]) -> float:
    """Return the largest magnitude."""
    return float(np.abs(values).max())


_SEEDS = st.integers(0, 1 << 30)
_SILENT = st.sets(st.integers(0, HOURS - 1), max_size=HOURS - 1)


@settings(max_examples=15)
@given(seed=_SEEDS, silent=_SILENT, first=st.integers(0, HOURS - 1), length=st.integers(1, HOURS))
def test_a_house(seed: int, silent: set[int], first: int, length: int) -> None:
    with new_archive() as archive:
        samples = write(archive, "h1", _HOUSE, seed, silent)
        first_s, end_s = first * 3600, (first + length) * 3600
        found = daily_summary(archive.queries, "h1", HOUSE, START_S + first_s, START_S + end_s)
    assert (found.node, found.members) == ("h1", ())
    assert (found.start_s, found.end_s) == (START_S + first_s, START_S + end_s)
    assert found.hours_covered == samples.covered(first_s, end_s)
    if not found.hours_covered:
        assert (found.energy_wh, found.peak_power_w, found.state_of_charge) == ({}, {}, None)
        assert found.frequency_hz == {}
        return
    names = ("load_energy", "energy_exported")
    assert found.energy_wh == {name: samples.grown(name, first_s, end_s) for name in names}
    power = samples.within("load_power", first_s, end_s)
    assert found.peak_power_w.keys() == {"load_power"}
    assert abs(found.peak_power_w["load_power"]) == peak(power)
    assert found.peak_power_w["load_power"] in power, "with its sign"
    charge = samples.within("state_of_charge", first_s, end_s)
    assert found.state_of_charge == (charge.min(), charge.max())
    frequency = samples.within("inverter_frequency", first_s, end_s)
    assert found.frequency_hz == {"inverter_frequency": (frequency.min(), frequency.max())}
    assert found.fault_minutes == 0


@settings(max_examples=8)
@given(seed=_SEEDS, silent=st.tuples(_SILENT, _SILENT))
def test_a_cluster(seed: int, silent: tuple[set[int], set[int]]) -> None:
    with new_archive() as archive:
        own = write(archive, "g1", _GATEWAY, seed, set())
        houses = {
            name: write(archive, name, _HOUSE, seed + number, skipped)
            for number, (name, skipped) in enumerate(zip(("h1", "h2"), silent, strict=True), 1)
        }
        first_s, end_s = 3600, HOURS * 3600
        span = (START_S + first_s, START_S + end_s)
        kinds = dict.fromkeys(houses, HOUSE)
        found = cluster_summary(archive.queries, "g1", GATEWAY, kinds, *span)
    assert found.members == ("h1", "h2")
    assert found.hours_covered == min(part.covered(first_s, end_s) for part in (own, *houses.values()))
    speaking = [part for part in houses.values() if part.covered(first_s, end_s)]
    expected = {"cluster_energy_exported": own.grown("energy_exported", first_s, end_s)}
    for name in ("load_energy", "energy_exported"):
        if speaking:
            expected[name] = sum(part.grown(name, first_s, end_s) for part in speaking)
    assert found.energy_wh == expected
    frequency = own.within("cluster_frequency", first_s, end_s)
    assert found.frequency_hz == {"cluster_frequency": (frequency.min(), frequency.max())}
    assert abs(found.peak_power_w["cluster_power_flow"]) == peak(own.within("power_flow", first_s, end_s))
    if not speaking:
        assert "load_power" not in found.peak_power_w
        assert found.state_of_charge is None
        return
    sums = np.zeros(HOURS * 60)
    for part in speaking:
        for minute in range(first_s // 60, end_s // 60):
            values = part.within("load_power", minute * 60, minute * 60 + 60)
            sums[minute] += values.mean() if len(values) else 0.0
    assert np.isclose(abs(found.peak_power_w["load_power"]), peak(sums), rtol=1e-12)
    charges = np.concatenate([part.within("state_of_charge", first_s, end_s) for part in speaking])
    assert found.state_of_charge == (charges.min(), charges.max())


# --------------------------------------------------------------------------------------------------- faults


@dataclass(frozen=True, slots=True)
class Told:
    """An event, `at_s` seconds after START_S."""

    at_s: int
    boot: int
    kind: str
    state: str
    code: str


def naive_minutes(told: Sequence[Told], first_s: int, end_s: int) -> int:
    """Tick through the seconds; what is active in one makes its minute count."""
    active: dict[str, int] = {}
    minutes: set[int] = set()
    for second in range(end_s):
        for event in (event for event in told if event.at_s == second and event.kind in ("fault", "alarm")):
            active = {code: boot for code, boot in active.items() if boot == event.boot}
            if event.state == "raised":
                active.setdefault(event.code, event.boot)
                minutes.update({second // 60} if second >= first_s else ())
            elif event.state == "cleared":
                active.pop(event.code, None)
        if second >= first_s and active:
            minutes.add(second // 60)
    return len(minutes)


_EVENTS = st.lists(
    st.builds(
        Told,
        at_s=st.integers(0, 3 * 3600),
        boot=st.just(0),
        kind=st.sampled_from(("fault", "alarm", "contactor")),
        state=st.sampled_from(EVENT_STATES),
        code=st.sampled_from(("F001", "F002")),
    ),
    max_size=12,
)


@settings(max_examples=40)
@given(events=_EVENTS, restart_s=st.integers(0, 3 * 3600), first=st.integers(0, 1), length=st.integers(1, 2))
def test_minutes_with_faults(events: list[Told], restart_s: int, first: int, length: int) -> None:
    """A fault lasts until it is cleared, or until the next boot speaks of faults, or to the end."""
    told = [
        Told(event.at_s, int(event.at_s >= restart_s), event.kind, event.state, event.code)
        for event in sorted(events, key=lambda event: event.at_s)
    ]
    first_s, end_s = first * 3600, (first + length) * 3600
    with new_archive() as archive:
        archive.append("h1", list(event_frames(told, restart_s)))
        found = daily_summary(archive.queries, "h1", HOUSE, START_S + first_s, START_S + end_s)
    assert found.fault_minutes == naive_minutes(told, first_s, end_s)


def event_frames(told: Sequence[Told], restart_s: int) -> Iterator[Frame]:
    """Yield the log of a node that was restarted once and always knew the time."""
    schema = Schema("h1", "c1", _HOUSE)
    boots = [
        Node(boot_id=0xB001, utc_us=START_US, schema=schema),
        Node(boot_id=0xB002, utc_us=START_US + restart_s * SECOND_US, schema=schema),
    ]
    for number, node in enumerate(boots):
        yield from node.start(boots[0] if number else None)
        payload, flags, blocks = encode_samples(schema, Kind.SLOW, 60_000, {}, CLOCK)
        yield node.frame(Kind.SLOW, payload, flags, blocks)
        for event in (event for event in told if event.boot == number):
            record = Event(
                EVENT_TYPES.index(event.kind),
                EVENT_STATES.index(event.state),
                2,
                event.code,
                f"{number}-{node.seq}",
            )
            mono_us = START_US + event.at_s * SECOND_US - node.utc_us
            yield node.frame(Kind.EVENT, record.encode(), mono_us=mono_us)
