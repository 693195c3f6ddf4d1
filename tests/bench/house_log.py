"""A log as the firmware writes it, from the signals of the reference load, by the Python encoder."""

from __future__ import annotations

from pathlib import Path

from microgrid_core.codec.umg1.frame import Frame, Kind
from microgrid_core.codec.umg1.records import Boot, Clock, ClockSource, ClockState
from microgrid_core.codec.umg1.samples import encode_samples
from microgrid_core.codec.umg1.segment import SegmentHeader
from microgrid_core.codec.umg1.writer import SegmentWriter

from .signals import Signals

BOOT_ID = 0x5EED0001
FAST_S, SLOW_S = 12, 60
START_UTC_US = 1_700_000_000_000_000
CLOCK = Clock(drift_ppb=0, error_us=400, source=ClockSource.CAN, state=ClockState.SYNCHRONISED)


def write_log(path: Path, signals: Signals) -> dict[str, int]:
    """Write one segment of 12 s fast and 60 s slow frames, a clock record a minute; return bytes by kind."""
    schema = signals.schema
    sizes = {"fast": 0, "slow": 0, "other": 0}
    fast = {channel.id: channel for channel in schema.channels if channel.fast}
    slow = {channel.id: channel for channel in schema.channels if not channel.fast}
    first = next(iter(fast))
    seconds = len(signals.samples[first]) * fast[first].period_us // 1_000_000
    seq = 0
    with path.open("wb") as file:
        header = SegmentHeader(0, BOOT_ID, schema.hash, START_UTC_US, 0, schema.node, schema.cluster, 1 << 24)
        writer = SegmentWriter(file, header)

        def put(kind: Kind, at_s: int, payload: bytes, flags: int = 0, blocks: int = 0) -> None:
            nonlocal seq
            before = writer.position
            utc_us = START_UTC_US + at_s * 1_000_000
            mono_us = at_s * 1_000_000
            frame = Frame(kind, seq, BOOT_ID, schema.hash, mono_us, utc_us, payload, flags, blocks)
            writer.write(frame)
            sizes[kind.name.lower() if kind in (Kind.FAST, Kind.SLOW) else "other"] += (
                writer.position - before
            )
            seq += 1

        put(Kind.SCHEMA, 0, schema.payload)
        put(Kind.BOOT, 0, Boot(1, "1.0.0", 0, 0).encode())
        for end_s in range(FAST_S, seconds + 1, FAST_S):
            for kind, span_s, channels in ((Kind.FAST, FAST_S, fast), (Kind.SLOW, SLOW_S, slow)):
                if end_s % span_s == 0:
                    start_s = end_s - span_s
                    series = {}
                    for number, channel in channels.items():
                        window = slice(
                            start_s * 1_000_000 // channel.period_us, end_s * 1_000_000 // channel.period_us
                        )
                        series[number] = (signals.samples[number][window], None)
                    clock = CLOCK if kind is Kind.SLOW else None
                    put(kind, start_s, *encode_samples(schema, kind, span_s * 1000, series, clock))
    return sizes
