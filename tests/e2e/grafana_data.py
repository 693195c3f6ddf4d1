"""Data for the dashboards: simulated hours, through the archive, by the line protocol of the product.

Four houses in two clusters with all other devices. Told troubles: house-04 falls silent, house-03 has
a weak cell, the frequency of house-02 leaves its band, the heat pump overheats; everything else is well.
Two small sites beside it have no gateway, and one of them no house.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from grafana.store import SNAPSHOT, captured
from microgrid_core.archive.archive import Archive
from microgrid_core.archive.rollup import DAY, HOUR, MINUTE
from microgrid_core.codec.umg1.frame import Frame, Kind
from microgrid_core.codec.umg1.records import EVENT_STATES, EVENT_TYPES, SEVERITIES, Boot, Clock, Event, Lost
from microgrid_core.codec.umg1.samples import encode_samples
from microgrid_core.codec.umg1.schema import Channel, Schema
from microgrid_core.influx import points, tiers
from microgrid_core.influx.layout import layout
from microgrid_core.influx.line import Column, lines, series_key
from microgrid_core.influx.points import Subject
from microgrid_core.model.kinds import KINDS
from microgrid_core.model.metric import Metric, ValueType
from simulator.physics.neighbourhood import Neighbourhood

SWARM: Final = "demo"
HOUSES, CLUSTERS = 4, 2
PERIOD_S = 10
HOURS_OF_DATA = 4
DARK = "gateway-2"
"""Its cluster has no voltage, and so no frequency, for the last half hour."""
SILENT, WEAK, ASTRAY = "house-04", "house-03", "house-02"
"""Offline for half an hour; one cell 80 mV below the others; inverter at 49.2 Hz for the last minutes."""
SILENT_S, ASTRAY_S, HOT_S = 1800, 240, 600
EVENT_ID = "b001-17"
"""Of the fault that has a snapshot."""
_US = 1_000_000
_FRAME_S = 60
_NO_CLUSTER = "none"
_CLOCK = Clock(0, 500, 3, 1)
_KINDS = {
    "gateway": "gateway",
    "house": "house",
    "mpp": "mpp_inverter",
    "battery": "battery",
    "hp": "heat_pump",
}


def kind_of(node: str) -> str:
    """Kind of a node of the simulator, by its name."""
    return _KINDS[node.rpartition("-")[0]]


def _logged(kind: str) -> list[Metric]:
    """What a node of a kind logs: houses and gateways by their channels, the others all that they measure."""
    metrics = [
        metric
        for metric in KINDS[kind].metrics
        if metric.derive is None and metric.value in (ValueType.NUMBER, ValueType.FLAG)
    ]
    return [metric for metric in metrics if metric.log is not None or kind not in ("house", "gateway")]


def _troubled(node: str, values: dict[str, float], left_s: float) -> dict[str, float]:
    """The told troubles; `left_s` is the time to the end of the data."""
    if node == WEAK:
        values["cell_voltage_7"] -= 0.080
    if node == ASTRAY and left_s <= ASTRAY_S:
        values["inverter_frequency"] = 49.2
    if node == DARK and left_s <= SILENT_S:
        values["cluster_frequency"] = float("nan")
    if kind_of(node) == "heat_pump" and left_s <= HOT_S:
        values["temp_compressor"] = 97.0
    return values


def _added_up(houses: list[dict[str, float]]) -> dict[str, float]:
    """What a gateway makes of the values of its houses."""
    charges = [one["state_of_charge"] for one in houses]
    return {
        "cluster_power": sum(one["inverter_power"] for one in houses),
        "cluster_load_power": sum(one["load_power"] for one in houses),
        "cluster_solar_power": sum(one["mppt_input_voltage"] * one["mppt_input_current"] for one in houses),
        "cluster_state_of_charge": sum(charges) / len(charges),
        "cluster_health": min(one["health"] for one in houses),
    }


@dataclass(slots=True)
class _Node:
    name: str
    schema: Schema
    seq: int = 0

    def frame(self, kind: Kind, payload: bytes, utc_s: float, flags: int = 0, blocks: int = 0) -> Frame:
        """The next frame of the one boot."""
        utc_us = int(utc_s * _US)
        self.seq += 1
        return Frame(kind, self.seq - 1, 0xB001, self.schema.hash, utc_us, utc_us, payload, flags, blocks)


def _schema(name: str, cluster: str) -> Schema:
    """Channels of whole thousandths, which holds whatever the simulator tells."""
    channels = [
        Channel(number, metric.key, metric.unit or "1", PERIOD_S * _US, exponent=-3, width=4)
        for number, metric in enumerate(_logged(kind_of(name)), 1)
    ]
    return Schema(name, cluster or _NO_CLUSTER, tuple(channels))


def _occurrences(end_s: float) -> list[tuple[str, float, Event]]:
    """Events of a lively day: node, time, event."""

    def event(
        node: str,
        ago_s: float,
        kind: str,
        state: str,
        severity: str,
        code: str,
        name: str,
        lost: Lost | None = None,
    ) -> tuple[str, float, Event]:
        numbers = EVENT_TYPES.index(kind), EVENT_STATES.index(state), SEVERITIES.index(severity)
        return (
            node,
            end_s - ago_s,
            Event(*numbers, code, name, ((1, 49_200),) if kind == "fault" else (), lost),
        )

    return [
        event("house-01", 300, "fault", "raised", "critical", "F005", EVENT_ID),
        event("house-01", 200, "fault", "cleared", "critical", "F005", EVENT_ID),
        event("house-01", 7200, "fault", "raised", "critical", "F005", "b001-9"),
        event(WEAK, 3600, "fault", "raised", "warning", "F015", "b001-18"),
        event(WEAK, 5400, "fault", "raised", "warning", "F030", "b001-19"),
        event("gateway-1", 4000, "fault", "raised", "warning", "F040", "b001-20"),
        event("gateway-1", 3900, "contactor", "moment", "info", "opened", "b001-21"),
        event("gateway-1", 3000, "sync", "moment", "info", "closed", "b001-22"),
        event("house-02", 9000, "boot", "moment", "info", "power_on", "b001-23"),
        event("house-02", 8000, "overflow", "moment", "warning", "lost", "b001-24", Lost(0xB000, 1, 9)),
        event("hp-1", 500, "alarm", "raised", "critical", "HP_COMP_HOT", "hp-1-1"),
    ]


def fill_archive(archive: Archive, end_s: int) -> None:
    """Simulate up to a time and let every node log it."""
    seconds = HOURS_OF_DATA * 3600
    site = Neighbourhood(HOUSES, CLUSTERS, seed=1, start_s=9 * 3600.0)
    nodes = {
        name: _Node(name, _schema(name, name if kind_of(name) == "gateway" else site.parent(name) or ""))
        for name in site.nodes
    }
    readings: dict[str, list[dict[str, float]]] = {name: [] for name in nodes}
    for step in range(seconds // PERIOD_S):
        site.step(PERIOD_S, PERIOD_S)
        left_s = seconds - step * PERIOD_S
        clusters: dict[str, list[dict[str, float]]] = {}
        for name, found in readings.items():
            values = {
                key: float(value)
                for key, value in site.values(name).items()
                if isinstance(value, (int, float))
            }
            found.append(_troubled(name, values, left_s))
            if kind_of(name) == "house":
                clusters.setdefault(site.parent(name) or "", []).append(values)
        for gateway, houses in clusters.items():
            readings[gateway][-1] |= _added_up(houses)
    for name, node in nodes.items():
        archive.append(name, _frames(node, readings[name], end_s - seconds))
    for name, at_s, event in _occurrences(end_s):
        archive.append(name, [nodes[name].frame(Kind.EVENT, event.encode(), at_s)])


def _frames(node: _Node, readings: list[dict[str, float]], start_s: int) -> Iterator[Frame]:
    schema = node.schema
    yield node.frame(Kind.SCHEMA, schema.payload, start_s)
    yield node.frame(Kind.BOOT, Boot(1, "1.0", 0, 0).encode(), start_s)
    logged = {channel.id: channel.name for channel in schema.channels}
    matrix = {
        number: np.array([values.get(key, np.nan) for values in readings]) for number, key in logged.items()
    }
    a_frame = _FRAME_S // PERIOD_S
    last = len(readings) - (SILENT_S // PERIOD_S if node.name == SILENT else 0)
    for first in range(0, last, a_frame):
        series = {}
        for number, values in matrix.items():
            part = values[first : first + a_frame]
            there = np.isfinite(part)
            series[number] = np.rint(np.where(there, part, 0.0) * 1000).astype(np.int64), there
        payload, flags, blocks = encode_samples(schema, Kind.SLOW, _FRAME_S * 1000, series, _CLOCK)
        yield node.frame(Kind.SLOW, payload, start_s + first * PERIOD_S, flags, blocks)


def policies(archive: Archive, end_s: int) -> Mapping[tiers.Policy, list[bytes]]:
    """All lines of all nodes by policy."""
    found: dict[tiers.Policy, list[bytes]] = {policy: [] for policy in tiers.POLICIES}
    start_s = end_s - HOURS_OF_DATA * 3600
    for name in archive.nodes():
        schemas = archive.schemas(name)
        cluster = next(iter(schemas.values())).cluster
        subject = Subject(SWARM, "" if cluster == _NO_CLUSTER else cluster, name, layout(kind_of(name)))
        seconds = points.seconds(subject, archive.series(name, None, start_s * _US, end_s * _US))
        minutes = archive.history(name, None, start_s, end_s, MINUTE)
        hours = archive.history(name, None, start_s - 3600, end_s, HOUR)
        days = archive.history(name, None, start_s - 86_400, end_s, DAY)
        means = points.bucket_means(subject.layout, minutes)
        found[tiers.SECONDS] += points.second_lines(subject, seconds)
        found[tiers.MINUTES] += points.bucket_lines(subject, minutes, 60, seconds)
        found[tiers.HOURS] += points.bucket_lines(subject, hours, 3600, means)
        found[tiers.EVENTS] += points.day_lines(subject, days)
        for one in archive.events(name):
            assert one.utc_us is not None
            schema = schemas.get(one.schema_hash)
            found[tiers.EVENTS].append(points.event_line(subject, one.event, schema, one.utc_us, one.seq))
        if kind_of(name) in ("house", "gateway"):
            found[tiers.EVENTS] += _snapshot(subject, end_s - 300)
    return found


def _snapshot(subject: Subject, fault_s: float) -> Iterator[bytes]:
    """Twenty seconds at 100 Hz, as docs/grafana.md defines the measurement."""
    times = np.arange(-1000, 1000, dtype=np.int64) * 10_000_000 + int(fault_s) * 1_000_000_000
    noise = np.random.default_rng(sum(subject.node.encode()))
    columns = {
        metric.key: Column(times, 50.0 + noise.normal(0.0, 0.1, len(times)))
        for metric in captured(subject.layout.kind.kind)
    }
    tags = {"swarm": subject.swarm, "cluster": subject.cluster, "node": subject.node, "event_id": EVENT_ID}
    yield from lines(series_key(SNAPSHOT, tags), columns)


def small_sites(end_s: int) -> Mapping[tiers.Policy, list[bytes]]:
    """Half an hour of a house without a gateway beside an MPP inverter that rests, and of a lone battery."""
    nodes: tuple[tuple[str, str, dict[str, float]], ...] = (
        ("lone", "house-09", {"load_power": 400.0, "inverter_frequency": 50.0, "state_of_charge": 61.0}),
        ("lone", "mpp-9", {"ac_output_frequency": 0.0}),
        ("hut", "battery-9", {"voltage": 52.0, "state_of_charge": 44.0}),
    )
    found: dict[tiers.Policy, list[bytes]] = {tiers.SECONDS: [], tiers.MINUTES: []}
    for policy, step_s in ((tiers.SECONDS, PERIOD_S), (tiers.MINUTES, 60)):
        times = np.arange(end_s - 1800, end_s, step_s, dtype=np.int64)
        for swarm, node, readings in nodes:
            subject = Subject(swarm, "", node, layout(kind_of(node)))
            for key, value in readings.items():
                place = subject.layout.places[key]
                column = Column(times, np.full(len(times), value))
                fields = {place.field + suffix: column for suffix in ("", "_min", "_max")}
                found[policy] += lines(subject.key(place.measurement), fields, 1000)
    return found


def filled(folder: Path, end_s: int) -> Mapping[tiers.Policy, list[bytes]]:
    """Simulate, log, archive, and return the lines."""
    with Archive(folder) as archive:
        fill_archive(archive, end_s)
        found = policies(archive, end_s)
    small = small_sites(end_s)
    return {policy: [*found[policy], *small.get(policy, ())] for policy in found}
