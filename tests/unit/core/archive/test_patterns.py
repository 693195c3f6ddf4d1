"""Pattern queries against loops over the same generated logs, and what they answer at the edges."""

from __future__ import annotations

import itertools
import statistics
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from fractions import Fraction
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from numpy.typing import NDArray

from microgrid_core.archive.archive import Archive, read_only
from microgrid_core.archive.patterns import cell_drift, cluster_state, faults, frequency, supply
from microgrid_core.archive.patterns.catalogue import PATTERNS, Request, window
from microgrid_core.archive.patterns.plain import iso, plain
from microgrid_core.archive.patterns.recurring import recurring
from microgrid_core.archive.patterns.source import Role, members
from microgrid_core.archive.patterns.trend import theil_sen
from microgrid_core.archive.retention import Retention
from microgrid_core.codec.umg1.frame import Frame, Kind
from microgrid_core.codec.umg1.records import EVENT_STATES, EVENT_TYPES, SEVERITIES, Clock, Event
from microgrid_core.codec.umg1.samples import encode_samples
from microgrid_core.codec.umg1.schema import Channel, Schema

from .conftest import Disk
from .logs import DAY_US, HOUR_US, MINUTE_US, SECOND_US, START_US, Node, Truth, truth

RAISED, CLEARED, MOMENT = (EVENT_STATES.index(name) for name in ("raised", "cleared", "moment"))
FEW = settings(max_examples=20)
POWER = Channel(1, "exchange_power", "W", SECOND_US, width=4)
FREQUENCY = Channel(2, "inverter_frequency", "Hz", SECOND_US // 10, exponent=-3, offset=50_000, fast=True)
EXPORTED = Channel(3, "energy_exported", "Wh", MINUTE_US, width=4)
IMPORTED = Channel(4, "energy_imported", "Wh", MINUTE_US, width=4)
INVERTER = Channel(5, "inverter_power", "W", SECOND_US, width=4)
LOAD = Channel(6, "load_power", "W", SECOND_US, width=4)
CLUSTER_FREQUENCY = Channel(
    7, "cluster_frequency", "Hz", SECOND_US // 10, exponent=-3, offset=50_000, fast=True
)


def house(node: str, *channels: Channel, cluster: str = "c1", **more: Any) -> Node:
    """Return a node that logs these channels."""
    return Node(schema=Schema(node, cluster, channels), **more)


def event(node: Node, code: str, state: int = RAISED, severity: int = 2, kind: int = 0, **more: Any) -> Frame:
    """Return an event of this instant."""
    payload = Event(kind, state, severity, code, f"{node.schema.node}:{node.boot_id:x}:{node.seq}", **more)
    return node.frame(Kind.EVENT, payload.encode())


def slow(node: Node, span_s: int, series: dict[Channel, Iterable[int]]) -> Frame:
    """Return a frame of the next `span_s` with these integers."""
    values = {channel.id: (np.array(list(series[channel]), np.int64), None) for channel in series}
    payload, flags, blocks = encode_samples(
        node.schema, Kind.SLOW, span_s * 1000, values, Clock(0, 500, 3, 1)
    )
    frame = node.frame(Kind.SLOW, payload, flags, blocks)
    node.mono_us += span_s * SECOND_US
    return frame


@contextmanager
def archived(logs: dict[str, list[Frame]], **options: Any) -> Iterator[Archive]:
    """Yield an archive of these logs in a folder of its own, a month after their start."""
    with (
        TemporaryDirectory() as folder,
        Archive(Path(folder), reserve_bytes=0, now_us=lambda: START_US + 30 * DAY_US, **options) as archive,
    ):
        for node, frames in logs.items():
            archive.append(node, frames)
        yield archive


# ----------------------------------------------------------------------------------------------------- faults

HAPPENING = st.tuples(
    st.sampled_from(["h1", "h2"]),
    st.sampled_from(["F001", "F010", "HP_X"]),
    st.sampled_from([RAISED, RAISED, CLEARED, MOMENT]),
    st.integers(0, 2),
    st.sampled_from([0, 0, 1, 2]),  # fault, alarm, contactor
    st.integers(1, 40) | st.integers(3600, 2 * 86_400),
)


def happenings(draws: list[tuple[str, str, int, int, int, int]]) -> tuple[dict[str, list[Frame]], list[Any]]:
    """Return logs and what happened as plain tuples: time, node, code, state, severity, type."""
    nodes = {name: house(name, POWER, boot_id=number) for number, name in enumerate(("h1", "h2"), 1)}
    logs = {
        name: [*node.start(), slow(node, 60, {POWER: [0] * 60})]  # with a clock, or nothing has a time
        for name, node in nodes.items()
    }
    told, now_us = [], MINUTE_US
    for name, code, state, severity, kind, gap_s in draws:
        now_us += gap_s * SECOND_US
        nodes[name].mono_us = now_us
        logs[name].append(event(nodes[name], code, state, severity, kind))
        told.append((START_US + now_us, name, code, state, severity, kind))
    return logs, told


@FEW
@given(
    st.lists(HAPPENING, max_size=30),
    st.integers(0, 10 * 86_400),
    st.integers(1, 20 * 86_400),
    st.sampled_from([None, ("h1",), ("h1", "h2")]),
    st.sampled_from([None, ("F001", "HP_X")]),
    st.sampled_from([None, ("critical",), ("info", "warning")]),
)
def test_faults_are_those_of_a_loop(
    draws: list[Any], start_s: int, length_s: int, nodes: Any, codes: Any, severities: Any
) -> None:
    logs, told = happenings(draws)
    start, end = START_US + start_s * SECOND_US, START_US + (start_s + length_s) * SECOND_US
    inside = [one for one in told if start <= one[0] < end and EVENT_TYPES[one[5]] in ("fault", "alarm")]
    expected = []
    for time, node, code, state, severity, kind in inside:
        if (
            state == CLEARED
            or (nodes and node not in nodes)
            or (codes and code not in codes)
            or (severities and SEVERITIES[severity] not in severities)
        ):
            continue
        ends = [one[0] for one in inside if one[1:4] == (node, code, CLEARED) and one[0] > time]
        cleared = ends[0] if ends else None
        expected.append((time, node, code, SEVERITIES[severity], EVENT_TYPES[kind], cleared))
    with archived(logs) as archive:
        found = faults.faults(archive, start, end, nodes=nodes, codes=codes, severities=severities)
    assert [
        (one.utc_us, one.node, one.code, one.severity, one.type, one.cleared_utc_us) for one in found.faults
    ] == expected
    assert not found.truncated
    for one in found.faults:
        assert one.cluster == "c1"
        if one.cleared_utc_us is not None:
            assert one.duration_s == (one.cleared_utc_us - one.utc_us) / 1e6


def test_a_fault_tells_its_category_and_its_readings_in_units() -> None:
    node = house("h1", POWER, FREQUENCY)
    log = [*node.start(), *node.minutes(1), event(node, "F003", values=((1, 1500), (2, -250), (99, 7)))]
    with archived({"h1": log}) as archive:
        (found,) = faults.faults(archive, START_US, START_US + HOUR_US).faults
    assert found.category == "inverter"
    assert [(one.channel, one.value, one.unit) for one in found.readings] == [
        ("exchange_power", 1500.0, "W"),
        ("inverter_frequency", 49.75, "Hz"),
    ]


def test_too_many_faults_leave_the_oldest_out_and_say_so(monkeypatch: pytest.MonkeyPatch) -> None:
    logs, told = happenings([("h1", "F001", MOMENT, 1, 0, 60)] * 9)
    monkeypatch.setattr(faults, "MAX_EVENTS", 4)
    with archived(logs) as archive:
        found = faults.faults(archive, START_US, START_US + DAY_US)
        assert found.truncated
        assert [one.utc_us for one in found.faults] == [one[0] for one in told[-4:]]
        assert faults.faults(archive, told[-4][0], START_US + DAY_US).truncated is False


def test_a_node_that_nobody_knows_is_named() -> None:
    logs, _ = happenings([])
    with archived(logs) as archive, pytest.raises(ValueError, match=r"no node h7 .* it has h1, h2"):
        faults.faults(archive, START_US, START_US + 1, nodes=("h1", "h7"))


# -------------------------------------------------------------------------------------------------- recurring


@FEW
@given(
    st.lists(HAPPENING, max_size=40),
    st.integers(2, 4),
    st.sampled_from([60, 3600, 86_400, 3 * 86_400]),
)
def test_recurring_faults_are_those_of_a_loop(draws: list[Any], minimum: int, window_s: int) -> None:
    logs, told = happenings(draws)
    zone = ZoneInfo("Europe/Berlin")
    expected = {}
    for node, code in itertools.product(("h1", "h2"), ("F001", "F010", "HP_X")):
        times = [
            one[0] for one in told if one[1:3] == (node, code) and one[3] != CLEARED and one[5] in (0, 1)
        ]
        counts = [sum(a <= b < a + window_s * SECOND_US for b in times) for a in times]
        if counts and max(counts) >= minimum:
            gaps = [(b - a) / 1e6 for a, b in itertools.pairwise(times)]
            hours = [datetime.fromtimestamp(time / 1e6, UTC).astimezone(zone).hour for time in times]
            expected[node, code] = (
                len(times),
                max(counts),
                times[counts.index(max(counts))],
                (min(gaps), statistics.median(gaps), max(gaps)),
                [hours.count(hour) for hour in range(24)],
            )
    with archived(logs) as archive:
        found = recurring(
            archive, START_US, START_US + 90 * DAY_US, minimum=minimum, window_s=window_s, timezone=zone
        )
    assert {
        (one.node, one.code): (
            one.count,
            one.most,
            one.most_start_utc_us,
            (one.shortest_s, one.median_s, one.longest_s),
            list(one.hours),
        )
        for one in found.recurring
    } == expected
    assert [one.count for one in found.recurring] == sorted(
        (one.count for one in found.recurring), reverse=True
    )


def test_once_is_no_recurrence() -> None:
    logs, _ = happenings([])
    with archived(logs) as archive, pytest.raises(ValueError, match="at least twice"):
        recurring(archive, START_US, START_US + 1, minimum=1)


# ---------------------------------------------------------------------------------------------- cluster state


def _around(samples: Truth, at: int, before: int, after: int) -> tuple[float | None, ...]:
    """Return before, at, after, minimum and maximum by looking at every sample."""
    pairs = list(zip(samples.times_us.tolist(), samples.values.tolist(), strict=True))
    earlier = [value for time, value in pairs if at - before <= time < at]
    later = [value for time, value in pairs if at <= time < at + after]
    held = [value for time, value in pairs if at - max(before, 120 * SECOND_US) <= time <= at]
    both = earlier + later
    return (
        statistics.fmean(earlier) if earlier else None,
        held[-1] if held else None,
        statistics.fmean(later) if later else None,
        min(both) if both else None,
        max(both) if both else None,
    )


@settings(max_examples=10)
@given(st.integers(0, 6 * 60_000), st.integers(0, 200_000), st.integers(0, 200_000), st.integers(0, 2**32))
def test_the_state_of_a_cluster_is_that_of_a_loop(
    at_ms: int, before_ms: int, after_ms: int, seed: int
) -> None:
    gateway = house("g1", CLUSTER_FREQUENCY, seed=seed, boot_id=1)
    houses = {
        name: house(name, POWER, FREQUENCY, EXPORTED, seed=seed + number, boot_id=number, missing=0.2)
        for number, name in enumerate(("h1", "h2"), 2)
    }
    stranger = house("h9", POWER, cluster="c2", boot_id=9)
    nodes = {"g1": gateway, **houses, "h9": stranger}
    logs = {name: [*node.start(), *node.minutes(5)] for name, node in nodes.items()}
    at = START_US + at_ms * 1000
    with archived(logs) as archive:
        state = cluster_state.cluster_state(
            archive, "h1", at, before_s=before_ms / 1000, after_s=after_ms / 1000
        )
    assert [(one.node, one.role) for one in state.nodes] == [
        ("g1", "gateway"),
        ("h1", "house"),
        ("h2", "house"),
    ]
    for node in state.nodes:
        samples = truth(logs[node.node], [nodes[node.node].schema])
        expected = {
            name: _around(one, at, before_ms * 1000, after_ms * 1000) for name, one in samples.items()
        }
        expected = {name: told for name, told in expected.items() if any(x is not None for x in told)}
        fine = [one for one in node.channels if one.resolution_s == 0]
        if not expected:  # the log ended before
            assert not fine
            continue
        assert [one.channel for one in fine] == sorted(expected)
        for one in fine:
            told = (one.before, one.at, one.after, one.minimum, one.maximum)
            assert told == pytest.approx(expected[one.channel], nan_ok=False)
            assert one.told_by == node.node


def test_the_state_at_a_fault_is_found_by_its_id() -> None:
    node, other = house("h1", POWER), house("h2", POWER, boot_id=2)
    log = [*node.start(), *node.minutes(2)]
    node.mono_us -= 30 * SECOND_US
    log.append(event(node, "F001"))
    with archived({"h1": log, "h2": [*other.start(), *other.minutes(2)]}) as archive:
        (fault,) = faults.faults(archive, START_US, START_US + HOUR_US).faults
        state = cluster_state.cluster_state_at_fault(archive, fault.event_id, START_US, START_US + HOUR_US)
        assert state.fault == fault
        assert state.utc_us == START_US + 90 * SECOND_US
        assert [node.channels[0].channel for node in state.nodes] == ["exchange_power"] * 2
        with pytest.raises(LookupError, match="no fault or alarm nobody:1:1"):
            cluster_state.cluster_state_at_fault(archive, "nobody:1:1", START_US, START_US + HOUR_US)
        with pytest.raises(LookupError, match="no node h7"):
            cluster_state.cluster_state(archive, "h7", START_US)
        with pytest.raises(ValueError, match="before_s 601"):
            cluster_state.cluster_state(archive, "h1", START_US, before_s=601)


def test_a_house_whose_log_is_missing_is_told_of_by_its_gateway() -> None:
    summary = Schema("g1", "c1", (Channel(1, "inverter_power", "W", SECOND_US, width=4),))
    gateway = house("g1", CLUSTER_FREQUENCY)
    lost = house("h1", POWER, boot_id=2)
    values = {1: (np.arange(60, dtype=np.int64), None)}
    body, flags, blocks = encode_samples(summary, Kind.SLOW, 60_000, values, Clock(0, 500, 3, 1))
    told = Frame(
        Kind.SUMMARY,
        3,
        gateway.boot_id,
        summary.hash,
        0,
        START_US,
        body[:12] + bytes([2]) + b"h1" + body[12:],
        flags,
        blocks,
    )
    log = [*gateway.start(), gateway.frame(Kind.SCHEMA, summary.payload), told]
    with archived({"g1": log, "h1": lost.start()}) as archive:
        state = cluster_state.cluster_state(archive, "h1", START_US + 30 * SECOND_US)
    (channel,) = next(one for one in state.nodes if one.node == "h1").channels
    assert (channel.channel, channel.at, channel.told_by) == ("inverter_power", 30.0, "g1")


def test_without_samples_the_minute_answers(disk: Disk) -> None:
    node = house("h1", POWER)
    log = [*node.start(), *node.minutes(10)]
    archive = disk.open(retention=Retention(raw_s=3600, minute_s=30 * 86_400))
    archive.append("h1", log)
    before = cluster_state.cluster_state(archive, "h1", START_US + 5 * MINUTE_US + 1)
    disk.now_us = START_US + 2 * DAY_US
    archive.enforce_retention()
    archive.enforce_retention()
    after = cluster_state.cluster_state(archive, "h1", START_US + 5 * MINUTE_US + 1)
    assert before.nodes[0].channels[0].resolution_s == 0
    samples = truth(log, [node.schema])["exchange_power"].values
    (channel,) = after.nodes[0].channels
    assert channel.resolution_s == 60
    assert channel.at == pytest.approx(samples[300:360].mean())
    assert channel.before == pytest.approx(samples[240:300].mean())
    assert channel.after == pytest.approx(samples[360:420].mean())
    assert (channel.minimum, channel.maximum) == (samples[240:420].min(), samples[240:420].max())


# ------------------------------------------------------------------------------------------------- cell drift


def _theil_sen(x: list[float], y: list[float]) -> tuple[float, float, float]:
    """The textbook, in plain Python: all slopes, their median, and Sen's ranks."""
    pairs = list(itertools.combinations(zip(x, y, strict=True), 2))
    slopes = sorted((b[1] - a[1]) / (b[0] - a[0]) for a, b in pairs)
    n = len(x)
    ties = [y.count(value) for value in set(y)]
    variance = (n * (n - 1) * (2 * n + 5) - sum(t * (t - 1) * (2 * t + 5) for t in ties)) / 18
    reach = 1.959963984540054 * variance**0.5
    low = max(round((len(slopes) - reach) / 2) - 1, 0)
    high = min(round((len(slopes) + reach) / 2), len(slopes) - 1)
    return statistics.median(slopes), slopes[low], slopes[high]


@FEW
@given(
    st.integers(3, 5),
    st.integers(3, 40),
    st.lists(st.integers(-4, 4), min_size=5, max_size=5),
    st.integers(0, 2**32),
    st.integers(1, 2),
)
def test_the_drift_of_cells_is_that_of_a_loop(
    cells: int, hours: int, slopes: list[int], seed: int, lookback_days: int
) -> None:
    channels = tuple(
        Channel(n + 10, f"cell_voltage_{n + 1}", "V", 600 * SECOND_US, exponent=-4, width=4)
        for n in range(cells)
    )
    node = house("h1", POWER, *channels)
    rng = np.random.default_rng(seed)
    log, table = list(node.start()), []
    for hour in range(hours):
        rows = {
            channel: (33_000 + slopes[n] * hour + rng.integers(-20, 21, 6)).tolist()
            for n, channel in enumerate(channels)
        }
        log.append(slow(node, 3600, rows))
        table.append([statistics.fmean(rows[channel]) / 10 for channel in channels])
    node.mono_us += 20 * MINUTE_US
    log.append(event(node, "F015"))
    log.append(event(node, "F001"))  # of no battery
    with archived({"h1": log}) as archive:
        (drift,) = cell_drift.cell_drift(
            archive, START_US, START_US + 20 * DAY_US, lookback_days=lookback_days
        ).drifts
    first = max(0, hours - 24 * lookback_days + 1) if hours >= 24 * lookback_days else 0
    x = [hour / 24 for hour in range(first, hours)]
    assert drift.fault.code == "F015"
    assert [one.cell for one in drift.cells] == list(range(1, cells + 1))
    certain = {}
    for n, one in enumerate(drift.cells):
        y = [row[n] - statistics.median(row) for row in table[first:]]
        assert one.hours == len(y)
        assert (one.first_mv, one.last_mv) == pytest.approx((y[0], y[-1]), abs=1e-6)
        if len(y) < 6:
            assert one.slope_mv_per_day is None
            continue
        slope, low, high = _theil_sen(x, [round(value, 9) for value in y])
        assert one.slope_mv_per_day == pytest.approx(slope, abs=1e-6)
        assert one.slope_low is not None and one.slope_high is not None
        if len(set(np.round(y, 6))) == len(y):  # ties depend on the last digit of the arithmetic
            assert (one.slope_low, one.slope_high) == pytest.approx((low, high), abs=1e-6)
        if one.slope_low > 0 or one.slope_high < 0:
            certain[one.cell] = abs(one.slope_mv_per_day or 0.0)
    assert drift.drifting == (max(certain, key=lambda cell: certain[cell]) if certain else None)


def test_a_cell_that_leaves_the_others_is_named() -> None:
    channels = tuple(
        Channel(n + 9, f"cell_voltage_{n}", "V", 600 * SECOND_US, exponent=-4, width=4) for n in range(1, 17)
    )
    node = house("h1", POWER, *channels)
    rng = np.random.default_rng(7)
    log = list(node.start())
    for hour in range(72):
        log.append(
            slow(
                node,
                3600,
                {
                    c: 33_000 + rng.integers(-15, 16, 6) - (hour * 5 if c.name.endswith("11") else 0)
                    for c in channels
                },
            )
        )
    log.append(event(node, "F011"))
    with archived({"h1": log}) as archive:
        (drift,) = cell_drift.cell_drift(archive, START_US, START_US + 4 * DAY_US).drifts
    assert drift.drifting == 11
    trend = drift.cells[10]
    assert trend.slope_mv_per_day == pytest.approx(-12, abs=0.2)  # 0.5 mV an hour
    assert trend.slope_low is not None and trend.slope_high is not None
    assert -12.3 < trend.slope_low < trend.slope_high < -11.7


def test_an_outlier_does_not_bend_a_trend() -> None:
    x = np.arange(30, dtype=np.float64)
    y: NDArray[np.float64] = 2 * x
    y[[3, 17]] = 1e6
    slope = theil_sen(x, y)
    assert slope is not None and slope.certain
    assert slope.value == pytest.approx(2)
    assert theil_sen(x[:5], y[:5]) is None
    flat = theil_sen(x, np.zeros(30))
    assert flat is not None and not flat.certain and flat.value == 0


def test_a_fault_without_cells_has_no_drift_and_too_long_a_time_is_refused() -> None:
    node = house("h1", POWER)
    with archived({"h1": [*node.start(), *node.minutes(61), event(node, "F010")]}) as archive:
        (drift,) = cell_drift.cell_drift(archive, START_US, START_US + DAY_US).drifts
        assert (drift.cells, drift.drifting) == ((), None)
        with pytest.raises(ValueError, match="lookback_days 99"):
            cell_drift.cell_drift(archive, START_US, START_US + DAY_US, lookback_days=99)


# -------------------------------------------------------------------------------------------------- frequency


def _outside(samples: Truth, start: int, end: int, low: float, high: float, join: int) -> list[Any]:
    """Return first, last and farthest of every stretch by a loop over all samples."""
    stretches: list[list[tuple[int, float]]] = []
    for time, value in zip(samples.times_us.tolist(), samples.values.tolist(), strict=True):
        if start <= time < end and not low <= value <= high:
            if stretches and time - stretches[-1][-1][0] <= join:
                stretches[-1].append((time, value))
            else:
                stretches.append([(time, value)])
    return [
        (one[0][0], one[-1][0], max((v for _, v in one), key=lambda v: max(low - v, v - high)))
        for one in stretches
    ]


@settings(max_examples=10)
@given(
    st.integers(-60_000, 70 * 60_000),
    st.integers(1, 70 * 60_000),
    st.sampled_from([(49.8, 50.2), (49.9, 50.15), (49.5, 50.3), (48.0, 52.0)]),
    st.sampled_from([0.1, 1.0, 15.0]),
    st.sampled_from([0.0, 2.0]),
    st.integers(0, 2**32),
)
def test_episodes_outside_the_band_are_those_of_a_loop(
    start_ms: int, length_ms: int, band: tuple[float, float], join_s: float, minimum_s: float, seed: int
) -> None:
    nodes = {
        "h1": house("h1", FREQUENCY, seed=seed, missing=0.05, utc_us=START_US + 30 * MINUTE_US),
        "g1": house("g1", CLUSTER_FREQUENCY, seed=seed + 1, boot_id=2, utc_us=START_US + 31 * MINUTE_US),
    }
    logs = {name: [*node.start(), *node.minutes(33)] for name, node in nodes.items()}
    start = START_US + start_ms * 1000
    end = start + length_ms * 1000
    join = round(join_s * SECOND_US)
    expected = {
        (name, *one)
        for name, node in nodes.items()
        for samples in truth(logs[name], [node.schema]).values()
        for one in _outside(samples, start, end, *band, join)
        if one[1] - one[0] >= minimum_s * SECOND_US
    }
    with archived(logs) as archive:
        found = frequency.outside_band(
            archive, start, end, low_hz=band[0], high_hz=band[1], join_s=join_s, minimum_s=minimum_s
        )
    seen = [one for episode in found.episodes for one in episode.sightings]
    got = {(one.node, one.start_utc_us, one.end_utc_us, one.extreme_hz) for one in seen}
    if not found.truncated:
        assert len(seen) == len(expected)
        assert got == expected
        _assert_grouped(found.episodes, join)
    else:
        assert got <= expected


def _assert_grouped(episodes: tuple[frequency.Episode, ...], join: int) -> None:
    """What overlaps is together, what is apart is apart."""
    for one in episodes:
        assert one.grid == "c1"
        assert one.start_utc_us == one.sightings[0].start_utc_us
        assert one.end_utc_us == max(part.end_utc_us for part in one.sightings)
        assert one.first_node == one.sightings[0].node
        assert one.extreme_hz in {part.extreme_hz for part in one.sightings if part.node == one.extreme_node}
        reach = one.sightings[0].end_utc_us
        for part in one.sightings[1:]:
            assert part.start_utc_us <= reach + join
            reach = max(reach, part.end_utc_us)
    for a, b in itertools.pairwise(episodes):
        assert b.start_utc_us > a.end_utc_us + join


def test_without_samples_the_minutes_outside_are_known(disk: Disk) -> None:
    node = house("h1", FREQUENCY, POWER, seed=4)
    log = [*node.start(), *node.minutes(60)]
    archive = disk.open(retention=Retention(raw_s=3600, minute_s=30 * 86_400))
    archive.append("h1", log)
    samples = truth(log, [node.schema])["inverter_frequency"]
    low, high = np.quantile(samples.values, (0.01, 0.99)).tolist()
    disk.now_us = START_US + 2 * DAY_US
    archive.roll_up()
    archive.enforce_retention()
    archive.enforce_retention()
    found = frequency.outside_band(archive, START_US, START_US + DAY_US, low_hz=low, high_hz=high)
    minutes = {
        time // MINUTE_US
        for time, value in zip(samples.times_us.tolist(), samples.values.tolist(), strict=True)
        if not low <= value <= high
    }
    told = {
        minute
        for episode in found.episodes
        for minute in range(episode.start_utc_us // MINUTE_US, episode.end_utc_us // MINUTE_US)
    }
    assert told == minutes
    assert {one.resolution_s for episode in found.episodes for one in episode.sightings} == {60}
    assert min(episode.extreme_hz for episode in found.episodes) == samples.values.min()


def test_a_calm_time_reads_no_samples(monkeypatch: pytest.MonkeyPatch) -> None:
    node = house("h1", FREQUENCY)
    with archived({"h1": [*node.start(), *node.minutes(60)]}) as archive:
        monkeypatch.setattr(Archive, "stream", None)  # would raise when it is called
        assert not frequency.outside_band(
            archive, START_US, START_US + DAY_US, low_hz=40, high_hz=60
        ).episodes
        with pytest.raises(ValueError, match="from 51 to 50 Hz is empty"):
            frequency.outside_band(archive, START_US, START_US + 1, low_hz=51, high_hz=50)


def test_of_a_band_that_is_always_left_only_the_newest_minutes_are_sampled(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    node = house("h1", FREQUENCY)
    monkeypatch.setattr(frequency, "MAX_SAMPLED_MINUTES", 2)
    with archived({"h1": [*node.start(), *node.minutes(5)]}) as archive:
        (episode,) = frequency.outside_band(
            archive, START_US, START_US + DAY_US, low_hz=10, high_hz=11
        ).episodes
    (sighting,) = episode.sightings
    assert (sighting.start_utc_us, sighting.resolution_s) == (START_US, 60)
    assert sighting.end_utc_us == START_US + 5 * MINUTE_US - SECOND_US // 10


# ----------------------------------------------------------------------------------------------------- supply


@given(
    st.dictionaries(st.sampled_from("abcd"), st.integers(0, 9000), max_size=4),
    st.dictionaries(st.sampled_from("abcd"), st.integers(0, 9000), max_size=4),
)
def test_shares_add_up_to_what_was_given_and_taken(given_: dict[str, int], taken: dict[str, int]) -> None:
    flows, balance = supply.share(given_, taken)
    assert balance == sum(given_.values()) - sum(taken.values())
    pool = max(sum(given_.values()), sum(taken.values()))
    for node in "abcd":
        assert sum(one.energy_wh for one in flows if one.giver == node) == pytest.approx(given_.get(node, 0))
        assert sum(one.energy_wh for one in flows if one.taker == node) == pytest.approx(taken.get(node, 0))
    for one in flows:
        gave = Fraction(given_.get(one.giver, max(0, -balance) if one.giver == supply.UNMETERED else 0))
        took = Fraction(taken.get(one.taker, max(0, balance) if one.taker == supply.LOSSES else 0))
        assert one.energy_wh == pytest.approx(float(gave * took / pool))
    assert sum(one.energy_wh for one in flows) == pytest.approx(pool)


POWERS = st.lists(
    st.lists(st.integers(-3000, 3000), min_size=12, max_size=12),  # by ten minutes
    min_size=3,
    max_size=3,
)


@FEW
@given(POWERS, st.integers(0, 3))
def test_who_supplied_whom_is_that_of_a_loop(powers: list[list[int]], restart: int) -> None:
    """Two houses (one told by counters, one by its power) and a gateway, over two hours."""
    counting = house("h1", INVERTER, EXPORTED, IMPORTED)
    measuring = house("h2", POWER, boot_id=2)
    gateway = house("g1", Channel(1, "power_flow", "W", SECOND_US, width=4), boot_id=3)
    logs = {node.schema.node: list(node.start()) for node in (gateway, counting, measuring)}
    expected: dict[int, dict[str, list[float]]] = {0: {}, 1: {}}
    counters = [0, 0]
    for ten, (a, b, c) in enumerate(zip(*powers, strict=True)):
        given_a = [max(a, 0) // 60, max(-a, 0) // 60]  # whole Wh a minute
        rows: tuple[list[int], list[int]] = ([], [])
        for minute in range(10):
            if ten == 2 and minute == 0 and restart:
                counters = [0, 0]
            for row, counter, grown in zip(rows, range(2), given_a, strict=True):
                counters[counter] += grown
                row.append(counters[counter])
        logs["h1"].append(slow(counting, 600, {EXPORTED: rows[0], IMPORTED: rows[1]}))
        logs["h2"].append(slow(measuring, 600, {POWER: [b] * 600}))
        logs["g1"].append(slow(gateway, 600, {gateway.schema.channels[0]: [c] * 600}))
        sums = expected[ten // 6]
        for node, power in (("h2", b), ("swarm", -c)):
            sums.setdefault(node, [0.0, 0.0])[power < 0] += abs(power) / 6
    h1 = truth(logs["h1"], [counting.schema])
    for direction, name in enumerate(("energy_exported", "energy_imported")):
        before: float | None = None
        for time, value in zip(h1[name].times_us.tolist(), h1[name].values.tolist(), strict=True):
            grown = 0.0 if before is None else value - before if value >= before else value
            if before is not None and before > value > 0.5 * before:
                grown = 0.0  # it did not restart at zero: it came back with what it had saved
            expected[(time - START_US) // HOUR_US].setdefault("h1", [0.0, 0.0])[direction] += grown
            before = value
    with archived(logs) as archive:
        found = supply.supply(archive, START_US, START_US + 2 * HOUR_US)
    assert [hour.start_utc_us for hour in found.hours] == [START_US, START_US + HOUR_US]
    for number, hour in enumerate(found.hours):
        got = {one.node: [one.given_wh, one.taken_wh] for one in hour.exchanges}
        assert got.keys() == expected[number].keys()
        for node, energies in expected[number].items():
            assert got[node] == pytest.approx(energies)
        assert {one.node: one.basis for one in hour.exchanges} == {
            "swarm": "power_flow",
            "h1": "counters",
            "h2": "exchange_power",
        }
        gave = sum(one[0] for one in expected[number].values())
        took = sum(one[1] for one in expected[number].values())
        assert hour.balance_wh == pytest.approx(gave - took)
        assert sum(one.energy_wh for one in hour.flows) == pytest.approx(max(gave, took))
        assert hour.missing == ()
    (total,) = found.clusters
    assert (total.cluster, total.hours, total.incomplete_hours) == ("c1", 2, 0)
    assert total.given_wh == pytest.approx(sum(one[0] for sums in expected.values() for one in sums.values()))
    for flow in total.flows:
        assert flow.energy_wh == pytest.approx(
            sum(
                one.energy_wh
                for hour in found.hours
                for one in hour.flows
                if (one.giver, one.taker) == (flow.giver, flow.taker)
            )
        )


def test_a_house_without_meters_is_told_by_inverter_and_load_and_a_silent_one_is_missing() -> None:
    node, silent = house("h1", INVERTER, LOAD), house("h2", POWER, boot_id=2)
    log = list(node.start())
    for minute in range(60):
        load = 1000 if minute < 30 else 3000
        log.append(slow(node, 60, {INVERTER: [2000] * 60, LOAD: [load] * 60}))
    with archived({"h1": log, "h2": silent.start()}) as archive:
        (hour,) = supply.supply(archive, START_US, START_US + HOUR_US).hours
        (exchange,) = hour.exchanges
        assert (exchange.node, exchange.basis) == ("h1", "exchange_power")
        assert (exchange.given_wh, exchange.taken_wh) == pytest.approx((500, 500))
        assert hour.missing == ("h2",)
        assert [one.incomplete_hours for one in supply.supply(archive, START_US, START_US + 1).clusters] == [
            1
        ]
        long = supply.supply(archive, START_US, START_US + 40 * DAY_US)
        assert (long.hours, long.clusters[0].hours) == ((), 1)
        assert supply.supply(archive, START_US, START_US + HOUR_US, clusters=("c1",)).hours == (hour,)
        with pytest.raises(ValueError, match="no cluster c9 in the archive; it has c1"):
            supply.supply(archive, START_US, START_US + 1, clusters=("c9",))


def test_a_power_cut_supplies_nobody_with_the_energy_of_years() -> None:
    """A house comes back with the count that it saved ten minutes before."""
    node = house("h1", INVERTER, EXPORTED, IMPORTED)
    log = list(node.start())
    for minutes in (range(30), range(20, 50)):
        imported = (5_000_000 + 10 * minute for minute in minutes)
        log.append(slow(node, 1800, {EXPORTED: [4_000_000] * 30, IMPORTED: imported}))
    with archived({"h1": log}) as archive:
        (hour,) = supply.supply(archive, START_US, START_US + HOUR_US).hours
    (exchange,) = hour.exchanges
    assert (exchange.given_wh, exchange.taken_wh, exchange.basis) == (0, 580, "counters")


def test_a_house_whose_log_is_missing_supplied_what_its_gateway_heard() -> None:
    heard = Schema("h1", "c1", (INVERTER, LOAD))
    gateway, lost = house("g1", CLUSTER_FREQUENCY), house("h1", INVERTER, LOAD, boot_id=2)
    log = [*gateway.start(), gateway.frame(Kind.SCHEMA, heard.payload)]
    for minute in range(60):
        load = 1000 if minute < 30 else 3000
        values = {
            INVERTER.id: (np.full(60, 2000, np.int64), None),
            LOAD.id: (np.full(60, load, np.int64), None),
        }
        body, flags, blocks = encode_samples(heard, Kind.SUMMARY, 60_000, values, Clock(0, 500, 3, 1), "h1")
        frame = gateway.frame(Kind.SUMMARY, body, flags, blocks)
        log.append(replace(frame, schema_hash=heard.hash))
        gateway.mono_us += MINUTE_US
    with archived({"g1": log, "h1": lost.start()}) as archive:
        (hour,) = supply.supply(archive, START_US, START_US + HOUR_US).hours
    (exchange,) = hour.exchanges
    assert exchange.node == "h1"
    assert (exchange.given_wh, exchange.taken_wh) == pytest.approx((500, 500))
    assert hour.missing == ("swarm",)


# -------------------------------------------------------------------------------------------------- catalogue


def test_every_pattern_runs_by_its_name_on_an_archive_that_another_process_writes() -> None:
    node = house("h1", POWER, FREQUENCY)
    log = [*node.start(), *node.minutes(3), event(node, "F010")]
    with archived({"h1": log}) as archive:
        archive.roll_up()
        with read_only(archive.folder) as source:
            for pattern in PATTERNS.values():
                start, end = window(pattern, None, START_US + HOUR_US, now_us=0)
                request = Request(start_us=start, end_us=end, nodes=("h1",), at_us=START_US + MINUTE_US)
                answer = plain(pattern.run(source, request))
                assert answer == plain(pattern.run(archive, request))
                assert isinstance(answer, dict)
                with pytest.raises(ValueError, match="time range is empty"):
                    pattern.run(source, Request(start_us=5, end_us=5))
            with pytest.raises(ValueError, match="name the id of a fault"):
                PATTERNS["cluster_state"].run(source, Request(start_us=0, end_us=1))


def test_answers_are_plain() -> None:
    exchange = supply.Exchange("h1", 1.5, 0.0, "counters")
    hour = supply.SupplyHour("c1", START_US, (exchange,), ("h2",), 1.5, ())
    assert plain(hour) == {
        "cluster": "c1",
        "start_utc": "2026-11-16T00:00:00.000Z",
        "exchanges": [{"node": "h1", "given_wh": 1.5, "taken_wh": 0.0, "basis": "counters"}],
        "missing": ["h2"],
        "balance_wh": 1.5,
        "flows": [],
    }
    assert iso(START_US + 1234) == "2026-11-16T00:00:00.001Z"


def test_nodes_are_known_by_what_they_log() -> None:
    logs = {
        "p1": house("p1", Channel(1, "soc", "%", SECOND_US)).start(),
        "h1": house("h1", POWER, boot_id=2).start(),
        "g1": house("g1", CLUSTER_FREQUENCY, boot_id=3).start(),
    }
    with archived(logs) as archive:
        found = members(archive)
    assert [(one.node, one.role) for one in found.values()] == [
        ("g1", Role.GATEWAY),
        ("h1", Role.HOUSE),
        ("p1", Role.OTHER),
    ]
