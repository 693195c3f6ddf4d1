"""A snapshot file as a house writes it, and the numbers that went into it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from microgrid_core.codec.umg1 import can
from microgrid_core.codec.umg1.frame import FLAG_CLOCK, Frame, Kind
from microgrid_core.codec.umg1.records import Clock, Event, Snapshot
from microgrid_core.codec.umg1.samples import encode_samples
from microgrid_core.codec.umg1.schema import Channel, Schema
from microgrid_core.codec.umg1.segment import SegmentHeader
from microgrid_core.codec.umg1.writer import SegmentWriter

BOOT, UTC_US = 0xCAFE0001, 1_760_000_000_000_000
TRIGGER_US = 30_000_000
EVENT_ID = "house3-17,\nwith a line"
FREQUENCY = Channel(1, "frequency", "Hz", 10_000, -3, 1, 50_000, fast=True)
VOLTAGE = Channel(2, "dc_voltage", "V", 100_000, -2, fast=True)
CELL = Channel(3, "cell_1", "V", 1_000_000, -3)
ENERGY = Channel(4, "energy", "Wh", 1_000_000, 0, 10, width=4)
NARROW = Schema("house3", "north", (FREQUENCY, VOLTAGE, CELL))
WIDE = Schema("house3", "north", (FREQUENCY, VOLTAGE, CELL, ENERGY))
CAN_FRAMES = (
    can.CanFrame(30_000_000, 0x101, bytes(range(8))),
    can.CanFrame(30_000_500, can.EXTENDED | 0x18FF0102, b"\x01\x02"),
    can.CanFrame(30_001_000, can.REMOTE | 0x222, b""),
    can.CanFrame(30_002_340, 0x101, bytes(8)),
)


@dataclass(frozen=True)
class Truth:
    """Values from 20 s to 40 s of the node's clock, by channel id, NaN where missing."""

    values: dict[int, NDArray[np.float64]]


def write_snapshot(
    path: Path, schema: Schema = NARROW, trigger_us: int = TRIGGER_US, synchronised: bool = True
) -> Truth:
    """Write the file."""
    rng = np.random.default_rng(7)
    truth: dict[int, list[NDArray[np.float64]]] = {channel.id: [] for channel in schema.channels}
    seq = 900
    with path.open("wb") as file:
        writer = SegmentWriter(
            file, SegmentHeader(0, BOOT, schema.hash, UTC_US, 0, schema.node, schema.cluster, 0)
        )

        def put(kind: Kind, mono_us: int, payload: bytes, flags: int = 0, blocks: int = 0) -> None:
            nonlocal seq
            utc = UTC_US + mono_us if synchronised else 0
            writer.write(Frame(kind, seq, BOOT, schema.hash, mono_us, utc, payload, flags, blocks))
            seq += 1

        put(Kind.SCHEMA, 0, schema.payload)
        snapshot = Snapshot(EVENT_ID, "F005", "house2", trigger_us, UTC_US + trigger_us, 10_000, 10_000, 0)
        put(Kind.SNAPSHOT, trigger_us, snapshot.encode())
        if synchronised:
            put(Kind.TIMESYNC, 20_000_000, Clock(0, 900, 2, 1).encode(), FLAG_CLOCK)
        for start_us in (20_000_000, 30_000_000):
            for fast in (True, False):
                series = {}
                for channel in schema.channels:
                    if channel.fast is fast:
                        count = 10_000_000 // channel.period_us
                        values = (
                            rng.integers(-900, 900, count)
                            if channel.width == 2
                            else rng.integers(10**6, 10**8, count)
                        )
                        valid = rng.random(count) > 0.1
                        series[channel.id] = (values, valid)
                        truth[channel.id].append(np.where(valid, channel.scaled(values), np.nan))
                payload, flags, blocks = encode_samples(
                    schema, Kind.FAST if fast else Kind.SLOW, 10_000, series
                )
                put(Kind.FAST if fast else Kind.SLOW, start_us, payload, flags, blocks)
        put(Kind.EVENT, trigger_us, Event(0, 1, 2, "F005", "e1", ((2, 5840),)).encode())
        put(Kind.EVENT, trigger_us + 5_000_000, Event(0, 2, 0, "F005", "e1").encode())
        put(Kind.EVENT, 25_000_000, Event(1, 2, 1, "F015", "e0").encode())
        put(Kind.CAN, 30_000_000, can.encode(CAN_FRAMES, 30_000_000))
    return Truth({number: np.concatenate(parts) for number, parts in truth.items()})
