"""Logs for the tests of the archive: nodes that write frames, and what these mean without an archive."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from microgrid_core.codec.umg1.clock import boot_clocks
from microgrid_core.codec.umg1.frame import Frame, Kind
from microgrid_core.codec.umg1.records import Boot, Clock, Event
from microgrid_core.codec.umg1.samples import decode_samples, encode_samples
from microgrid_core.codec.umg1.schema import Channel, Schema

START_US = 1_794_787_200_000_000  # 2026-11-16 00:00 UTC
SECOND_US = 1_000_000
MINUTE_US = 60 * SECOND_US
HOUR_US = 3600 * SECOND_US
DAY_US = 24 * HOUR_US

POWER = Channel(1, "exchange_power", "W", SECOND_US, width=4)
FREQUENCY = Channel(2, "inverter_frequency", "Hz", SECOND_US // 10, exponent=-3, offset=50_000, fast=True)
ENERGY = Channel(3, "energy_exported", "Wh", 10 * SECOND_US, width=4)
VOLTAGE = Channel(4, "dc_bus_voltage", "V", SECOND_US, exponent=-2)
CURRENT = Channel(5, "battery_current", "A", SECOND_US, exponent=-2)
SCHEMA = Schema("h1", "c1", (POWER, FREQUENCY, ENERGY, VOLTAGE, CURRENT))


@dataclass(slots=True)
class Node:
    """Writes frames like a house: in a minute six fast ones of 10 s and a slow one with the clock."""

    boot_id: int = 0xB001
    utc_us: int = START_US
    """When the node started."""
    schema: Schema = SCHEMA
    seed: int = 1
    seq: int = 0
    mono_us: int = 0
    drift_ppb: int = 0
    missing: float = 0.0
    """Share of samples that are missing."""
    knows_time: bool = True
    _rng: np.random.Generator = field(init=False)
    _energy: int = 0

    def __post_init__(self) -> None:
        """Seed the noise."""
        self._rng = np.random.default_rng(self.seed)

    @property
    def now_us(self) -> int:
        """UTC as the node has it, with the error of its oscillator."""
        return self.utc_us + self.mono_us - round(self.mono_us * self.drift_ppb * 1e-9)

    def frame(
        self, kind: Kind, payload: bytes, flags: int = 0, blocks: int = 0, mono_us: int | None = None
    ) -> Frame:
        """Return the next frame."""
        mono = self.mono_us if mono_us is None else mono_us
        utc = self.utc_us + mono - round(mono * self.drift_ppb * 1e-9) if self.knows_time else 0
        frame = Frame(kind, self.seq, self.boot_id, self.schema.hash, mono, utc, payload, flags, blocks)
        self.seq += 1
        return frame

    def start(self, previous: Node | None = None) -> list[Frame]:
        """Return the frames of a start."""
        boot = Boot(1, "1.0", previous.boot_id if previous else 0, previous.seq if previous else 0)
        return [self.frame(Kind.SCHEMA, self.schema.payload), self.frame(Kind.BOOT, boot.encode())]

    def event(self, code: str = "F005") -> Frame:
        """Return an event at this instant."""
        return self.frame(Kind.EVENT, Event(0, 1, 2, code, f"{self.boot_id:x}-{self.seq}").encode())

    def minutes(self, count: int) -> Iterator[Frame]:
        """Yield the frames of the next minutes."""
        for _ in range(count):
            begin = self.mono_us
            for _ in range(6):
                yield self._samples(Kind.FAST, 10_000, self.mono_us)
                self.mono_us += 10 * SECOND_US
            yield self._samples(Kind.SLOW, 60_000, begin)

    def _samples(self, kind: Kind, span_ms: int, mono_us: int) -> Frame:
        series = {}
        for channel in self.schema.channels:
            if channel.fast != (kind is Kind.FAST):
                continue
            count = max(1, span_ms * 1000 // channel.period_us)
            noise = np.cumsum(self._rng.integers(-9, 10, count))
            if channel.unit == "Wh":
                values = self._energy + np.cumsum(self._rng.integers(0, 4, count))
                self._energy = (
                    int(values[-1]) if self._rng.random() > 0.02 else 0
                )  # now and then it is restarted
            else:
                values = noise
            valid = self._rng.random(count) >= self.missing if self.missing else None
            series[channel.id] = (values.astype(np.int64), valid)
        clock = Clock(self.drift_ppb, 500, 3, 1) if self.knows_time and kind is Kind.SLOW else None
        payload, flags, blocks = encode_samples(self.schema, kind, span_ms, series, clock)
        return self.frame(kind, payload, flags, blocks, mono_us)


@dataclass(frozen=True, slots=True)
class Truth:
    """Samples of a channel, straight from the codec."""

    channel: Channel
    times_us: NDArray[np.int64]
    integers: NDArray[np.int64]

    @property
    def values(self) -> NDArray[np.float64]:
        """In the channel's unit."""
        return (self.integers + self.channel.offset) * self.channel.numerator / 10.0**-self.channel.exponent


def truth(frames: Iterable[Frame], schemas: Iterable[Schema] = (SCHEMA,)) -> dict[str, Truth]:
    """Return all samples with the UTC that the format demands, in the order of time."""
    unique = sorted({(f.boot_id, f.seq): f for f in frames}.values(), key=lambda f: (f.boot_id, f.seq))
    clocks = boot_clocks(unique)
    parts: dict[str, list[tuple[Channel, NDArray[np.int64], NDArray[np.int64]]]] = {}
    for schema in schemas:
        for frame in unique:
            if frame.kind not in (Kind.FAST, Kind.SLOW) or frame.schema_hash != schema.hash:
                continue
            for samples in decode_samples([frame], schema)[0].values():
                utc = clocks[frame.boot_id].utc_us(samples.mono_us())
                if utc is None:
                    continue
                valid = np.ones(len(utc), np.bool_) if samples.valid is None else samples.valid
                parts.setdefault(samples.channel.name, []).append(
                    (samples.channel, utc[valid], samples.values[valid])
                )
    result = {}
    for name, found in parts.items():
        times = np.concatenate([part[1] for part in found])
        values = np.concatenate([part[2] for part in found])
        order = np.argsort(times, kind="stable")
        result[name] = Truth(found[0][0], times[order].astype(np.int64), values[order].astype(np.int64))
    return result
