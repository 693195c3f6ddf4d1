"""Logs and snapshots of what the simulator's physics did, for the command line and the page on debugging."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from microgrid_core.archive.archive import Archive
from microgrid_core.codec.umg1.frame import Frame, Kind
from microgrid_core.codec.umg1.records import EVENT_STATES, EVENT_TYPES, Clock, Event, Snapshot
from microgrid_core.codec.umg1.samples import encode_samples
from microgrid_core.codec.umg1.schema import Channel, Schema
from simulator.scenarios.library import make
from tests.unit.core.archive.logs import SECOND_US, Node
from tests.unit.core.diagnosis.debugging.batteries import START_S, Batteries
from tests.unit.core.diagnosis.debugging.clusters import Cluster

Floats = NDArray[np.float64]

CLOCK = Clock(0, 500, 3, 1)
END_S = START_S + 42 * 86_400
_MOST = 32_000


def integers(channel: Channel, values: Floats) -> NDArray[np.int64]:
    """Values as the log has them; what is missing is marked apart."""
    filled = np.where(np.isfinite(values), values, 0.0)
    return np.round(filled / channel.scale).astype(np.int64) - channel.offset


def frames_of(
    node: Node, kind: Kind, series: Mapping[str, Floats], period_s: float, per_frame: int
) -> Iterator[Frame]:
    """Frames of channels that are sampled alike."""
    channels = {channel.name: channel for channel in node.schema.channels}
    begin_us, size = node.mono_us, len(next(iter(series.values())))
    for first in range(0, size, per_frame):
        rows = slice(first, min(first + per_frame, size))
        block = {
            channels[name].id: (integers(channels[name], values[rows]), np.isfinite(values[rows]))
            for name, values in series.items()
        }
        span_ms = round((rows.stop - rows.start) * period_s * 1000)
        clock = CLOCK if kind is Kind.SLOW else None
        payload, flags, blocks = encode_samples(node.schema, kind, span_ms, block, clock)
        yield node.frame(kind, payload, flags, blocks, begin_us + round(first * period_s * SECOND_US))


def logged(node_id: str, period_s: float, series: Mapping[str, tuple[str, int, Floats]]) -> list[bytes]:
    """The log of a node from its channels: unit, decimal places, values."""
    schema = Schema(
        node_id,
        "north",
        tuple(
            Channel(number, name, unit, round(period_s * SECOND_US), exponent=-places, width=4)
            for number, (name, (unit, places, _)) in enumerate(series.items(), 1)
        ),
    )
    node = Node(utc_us=START_S * SECOND_US, schema=schema)
    values = {name: row for name, (_, _, row) in series.items()}
    return [one.encode() for one in (*node.start(), *frames_of(node, Kind.SLOW, values, period_s, 60))]


def battery() -> list[bytes]:
    """Six weeks of a house whose cell 7 loses 0.03 A within itself."""
    bank = Batteries(1, 42, seed=8)
    bank.leak_a[0, 6] = 0.03
    (history,) = bank.live()
    cells = {f"cell_voltage_{number + 1}": ("V", 4, row) for number, row in enumerate(history.cells_v)}
    return logged(
        "house-05",
        3600.0,
        {
            **cells,
            "battery_current": ("A", 2, history.current_a),
            "state_of_charge": ("%", 1, history.state_of_charge),
            "dc_bus_voltage": ("V", 3, history.bus_v),
        },
    )


def houses() -> dict[str, list[bytes]]:
    """Eight days of a cluster in which house-02 stands 70 mHz lower than its neighbours."""
    cluster = Cluster(houses=4, days=8, seed=5)
    cluster.no_load_hz[1] -= 0.07
    return {
        house.node: logged(
            house.node,
            60.0,
            {
                "inverter_frequency": ("Hz", 4, house.frequency_hz),
                "inverter_power": ("W", 1, house.power_w),
                "state_of_charge": ("%", 1, house.state_of_charge),
            },
        )
        for house in cluster.live().houses
    }


def gateway() -> list[bytes]:
    """A gateway that opened because the frequency of the swarm had fallen to 46.5 Hz for 0.4 s."""
    fast = SECOND_US // 10
    schema = Schema(
        "gateway-1",
        "north",
        (
            Channel(1, "cluster_frequency", "Hz", fast, exponent=-3, offset=50_000, fast=True),
            Channel(2, "swarm_frequency", "Hz", fast, exponent=-3, offset=50_000, fast=True),
            Channel(3, "cluster_voltage", "V", SECOND_US, exponent=-1),
            Channel(4, "swarm_voltage", "V", SECOND_US, exponent=-1),
        ),
    )
    node = Node(utc_us=START_S * SECOND_US, schema=schema)
    swarm = np.full(1200, 49.9)
    swarm[596:600] = 46.5
    calm = np.full(120, 230.0)
    frames = [
        *node.start(),
        *frames_of(
            node, Kind.FAST, {"cluster_frequency": np.full(1200, 49.9), "swarm_frequency": swarm}, 0.1, 100
        ),
        *frames_of(node, Kind.SLOW, {"cluster_voltage": calm, "swarm_voltage": calm}, 1.0, 60),
    ]
    node.mono_us = 60 * SECOND_US
    values = ((2, round(46.5 * 1000) - 50_000),)
    opened = Event(
        EVENT_TYPES.index("contactor"),
        EVENT_STATES.index("moment"),
        1,
        "CONTACTOR_OPENED",
        "gateway-1:1:7",
        values,
    )
    return [one.encode() for one in (*frames, node.frame(Kind.EVENT, opened.encode()))]


def write_archive(folder: Path) -> None:
    """All of them in one archive."""
    with Archive(folder, reserve_bytes=0, now_us=lambda: END_S * SECOND_US) as archive:
        archive.append("house-05", battery())
        archive.append("gateway-1", gateway())
        for node, data in houses().items():
            archive.append(node, data)
        archive.roll_up()


def write_snapshots(folder: Path) -> list[Path]:
    """What the nodes of a cluster recorded when a neighbour's trip overloaded an inverter."""
    case, _ = make("F001.neighbour_trip", 3, degraded=False)
    written = []
    for node_id, record in case.nodes.items():
        fast = {name: one for name, one in record.channels.items() if np.median(np.diff(one.t_s)) < 0.05}
        slow = {name: one for name, one in record.channels.items() if name not in fast}
        slow = {name: one for name, one in slow.items() if abs(np.median(np.diff(one.t_s)) - 1.0) < 0.1}
        channels = tuple(
            Channel(
                number,
                name,
                "",
                SECOND_US // 100 if name in fast else SECOND_US,
                exponent=-4,
                fast=name in fast,
                width=4,
            )
            for number, name in enumerate((*fast, *slow), 1)
        )
        trigger_us = 10 * SECOND_US
        node = Node(utc_us=START_S * SECOND_US, schema=Schema(node_id, "north", channels))
        first, *_ = node.start()
        about = Snapshot(
            case.event_id, case.code, case.node, trigger_us, node.utc_us + trigger_us, 10_000, 10_000, 0
        )
        frames = [first, node.frame(Kind.SNAPSHOT, about.encode())]
        for kind, part, period_s in ((Kind.FAST, fast, 0.01), (Kind.SLOW, slow, 1.0)):
            if part:
                grid = np.arange(-10.0, 10.0, period_s, dtype=np.float64)
                rows = {name: np.interp(grid, one.t_s, one.values) for name, one in part.items()}
                frames += frames_of(node, kind, rows, period_s, 500 if kind is Kind.FAST else 20)
        path = folder / f"{node_id}.mglog"
        path.write_bytes(b"".join(frame.encode() for frame in frames))
        written.append(path)
    return written
