"""Snapshots as nodes make them, for the tests of the fault store and of the fault desk."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import replace

from microgrid_core.archive.faults.records import RecordedFault
from microgrid_core.codec.umg1.frame import Kind
from microgrid_core.codec.umg1.records import Snapshot
from microgrid_core.contract.snapshot import SnapshotChunk, SnapshotPart, SnapshotState

from .logs import SCHEMA, SECOND_US, START_US, Node

EVENT_ID = "north.3:5f2a10c4:17"
HOUSE = "house-3"
CHUNK_BYTES = 256


def fault(
    event_id: str = EVENT_ID, node: str = HOUSE, code: str = "F001", at_us: int = START_US
) -> RecordedFault:
    """A fault that was told at once."""
    return RecordedFault(
        event_id, node, code, "critical", at_us, at_us + SECOND_US, values={"inverter_current": 41.5}
    )


def snapshot_file(
    event_id: str = EVENT_ID,
    origin: str = HOUSE,
    state: int = 0,
    seed: int = 1,
    node_id: str = HOUSE,
) -> bytes:
    """An object as a node pins it: schema, what it is about, samples."""
    node = Node(seed=seed, schema=replace(SCHEMA, node=node_id))
    first, *_ = node.start()
    at_us = 20 * SECOND_US
    about = Snapshot(event_id, "F001", origin, at_us, START_US + at_us, 10_000, 10_000, state)
    frames = [first, node.frame(Kind.SNAPSHOT, about.encode()), *node.minutes(1)]
    return b"".join(frame.encode() for frame in frames)


def chunks(
    data: bytes,
    event_id: str = EVENT_ID,
    part: SnapshotPart = SnapshotPart.MEASURED,
    state: SnapshotState = SnapshotState.COMPLETE,
    size: int = CHUNK_BYTES,
) -> Iterator[SnapshotChunk]:
    """Cut an object into what goes over the wire."""
    count = -(-len(data) // size)
    for number in range(count):
        piece = data[number * size : (number + 1) * size]
        yield SnapshotChunk(event_id, part, state, number, count, len(data), zlib.crc32(data), piece)
