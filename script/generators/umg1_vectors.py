"""Generator `umg1-vectors`: golden logs for every reader of contract/log.md, in contract/vectors/umg1.

Each `<name>.umg1` is a file of frames and `<name>.json` what a reader must find in it. The writer below is
made from the text of the contract alone, bit by bit and without the product's codec: the vectors judge it.
"""

from __future__ import annotations

import json
import random
import struct
import sys
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .kept import ROOT, keep, run_generator

TARGET = ROOT / "contract" / "vectors" / "umg1"
SCHEMA, FAST, SLOW, EVENT, TIMESYNC, CAN, SNAPSHOT, BOOT, SUMMARY = range(9)
UTC = 1_700_000_000_000_000
SECOND = 1_000_000

Values = Sequence[int | None]


def varint(value: int) -> bytes:
    """7 bits a byte, low group first."""
    out = []
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


def zigzag(value: int) -> int:
    """0, −1, 1, −2 → 0, 1, 2, 3."""
    return 2 * value if value >= 0 else -2 * value - 1


def text(value: str) -> bytes:
    """Length and UTF-8."""
    data = value.encode()
    return bytes([len(data)]) + data


def bits(fields: str) -> bytes:
    """A string of 0 and 1, filled with zeros to whole bytes."""
    fields += "0" * (-len(fields) % 8)
    return bytes(int(fields[at : at + 8], 2) for at in range(0, len(fields), 8))


@dataclass(frozen=True)
class Channel:
    """A channel of a schema."""

    id: int
    name: str
    unit: str = "V"
    numerator: int = 1
    exponent: int = 0
    offset: int = 0
    period_us: int = 10_000
    group: int = 1
    width: int = 2

    def encode(self) -> bytes:
        """As in chapter 2."""
        numbers = (self.numerator, self.exponent, self.offset, self.period_us, self.group, self.width)
        return bytes([self.id]) + text(self.name) + text(self.unit) + struct.pack("<ibiIBB", *numbers)


def schema_payload(channels: Sequence[Channel], node: str = "house1", cluster: str = "north") -> bytes:
    """Chapter 2."""
    head = bytes([1]) + text(node) + text(cluster) + bytes([len(channels)])
    return head + b"".join(channel.encode() for channel in channels)


def prediction(predictor: int, a: int, b: int, first: int) -> int:
    """The table of 4.3."""
    return (a, (a + b) // 2, first, 2 * a - b)[predictor]


def block(
    channel: int, values: Values, nominal: int, predictor: int = 0, k: int = 2, mask: bool = False
) -> bytes:
    """A channel block in the wanted coding; `mask` writes the validity even where all is there."""
    present = [value for value in values if value is not None]
    coding = predictor << 4 | (k if len(present) > 1 else 15)
    out = b""
    if len(values) != nominal:
        coding |= 0x80
        out += struct.pack("<H", len(values))
    if mask or len(present) < len(values):
        coding |= 0x40
        out += bits("".join("0" if value is None else "1" for value in values))
    if present:
        out += varint(zigzag(present[0]))
    if len(present) > 1:
        a = b = present[0]
        u = []
        for value in present[1:]:
            u.append(zigzag(value - prediction(predictor, a, b, present[0])))
            a, b = value, a
        if k == 15:
            width = max(u).bit_length()
            out += bytes([width]) + bits("".join(f"{one:0{width}b}" for one in u) if width else "")
        else:
            unary = bits("".join("0" * (one >> k) + "1" for one in u))
            out += struct.pack("<H", len(unary)) + unary
            out += bits("".join(f"{one & (1 << k) - 1:0{k}b}" for one in u) if k else "")
    return bytes([channel, coding]) + out


def clock(drift_ppb: int = 0, error_us: int = 500, source: int = 2, state: int = 1) -> bytes:
    """The record of 4.1."""
    return struct.pack("<iIBBH", drift_ppb, error_us, source, state, 0)


def frame(
    kind: int, seq: int, boot: int, schema_hash: int, mono: int, utc: int, payload: bytes, **more: int
) -> bytes:
    """Chapter 1."""
    flags, blocks = more.get("flags", 0), more.get("blocks", 0)
    head = (
        b"UMG1",
        more.get("version", 1),
        kind,
        flags,
        len(payload),
        blocks,
        seq,
        boot,
        schema_hash,
        mono,
        utc,
    )
    without = struct.pack("<4sBBHHHIIIQqI", *head, 0) + payload
    return without[:40] + struct.pack("<I", zlib.crc32(without)) + payload


def segment_header(number: int, boot: int, schema_hash: int, utc: int, mono: int, capacity: int = 0) -> bytes:
    """Chapter 9."""
    head = b"UMG1SEG\0" + struct.pack("<HHIQIIqQ", 1, 512, capacity, number, boot, schema_hash, utc, mono)
    head += b"house1".ljust(32, b"\0") + b"north".ljust(32, b"\0") + bytes(396)
    return head + struct.pack("<I", zlib.crc32(head))


@dataclass
class Vector:
    """A file that grows frame by frame, and what is to be found in it."""

    about: str
    channels: tuple[Channel, ...]
    boot: int = 0xB0070001
    utc: int | None = UTC
    """UTC at mono 0, None = unknown."""
    data: bytearray = field(default_factory=bytearray)
    seq: int = 0
    found: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Start with nothing found."""
        self.schema = schema_payload(self.channels)
        self.hash = zlib.crc32(self.schema)
        self.found = {"about": self.about, "frames": [], "samples": [], "records": []}
        self.found |= {"damaged": [], "gaps": [], "duplicates": 0, "malformed": []}

    def header(self, capacity: int = 0) -> None:
        """Write the header of a segment."""
        self.data += segment_header(0, self.boot, self.hash, self.utc or 0, 0, capacity)
        self.found["header"] = {
            "number": 0,
            "boot_id": self.boot,
            "schema_hash": self.hash,
            "utc_us": self.utc or 0,
        }
        self.found["header"] |= {"mono_us": 0, "node": "house1", "cluster": "north", "capacity": capacity}

    def put(self, kind: int, mono: int, payload: bytes, record: Any = None, **more: int) -> bytes:
        """Write a frame that a reader finds, with the record that it decodes to."""
        schema_hash = more.pop("schema", self.hash)
        utc = more.pop("utc", 0 if self.utc is None else self.utc + mono)
        raw = frame(kind, self.seq, self.boot, schema_hash, mono, utc, payload, **more)
        self.found["frames"].append(
            {"position": len(self.data), "kind": kind, "seq": self.seq, "boot_id": self.boot}
        )
        self.found["frames"][-1] |= {
            "mono_us": mono,
            "utc_us": utc,
            "schema_hash": schema_hash,
            "size": len(raw),
        }
        if record is not None:
            self.found["records"].append({"boot_id": self.boot, "seq": self.seq} | record)
        self.data += raw
        self.seq += 1
        return raw

    def put_schema(self) -> None:
        """Write the schema frame."""
        channels = [channel.__dict__ for channel in self.channels]
        self.put(
            SCHEMA, 0, self.schema, {"schema": {"node": "house1", "cluster": "north", "channels": channels}}
        )

    def put_samples(
        self,
        mono: int,
        span_ms: int,
        *series: tuple[int, Values, int, int],
        kind: int = FAST,
        clock_record: bytes = b"",
        utc_found: int | None = -1,
        **more: int,
    ) -> None:
        """Write samples as (channel, values, predictor, k); `utc_found`: corrected UTC of the first."""
        periods = {channel.id: channel.period_us for channel in self.channels}
        payload = clock_record + struct.pack("<I", span_ms)
        for number, values, predictor, k in series:
            nominal = max(1, span_ms * 1000 // periods[number])
            payload += block(number, values, nominal, predictor, k)
            run = {"boot_id": self.boot, "seq": self.seq, "channel": number, "mono_us": mono}
            corrected = (None if self.utc is None else self.utc + mono) if utc_found == -1 else utc_found
            self.found["samples"].append(run | {"utc_us": corrected, "values": list(values)})
        self.put(kind, mono, payload, flags=1 if clock_record else 0, blocks=len(series), **more)

    def put_sync(
        self, mono: int, drift_ppb: int = 0, error_us: int = 500, state: int = 1, **more: int
    ) -> None:
        """Write a timesync frame."""
        record = {"drift_ppb": drift_ppb, "error_us": error_us, "source": 2, "state": state}
        more["flags"] = 1
        self.put(TIMESYNC, mono, clock(drift_ppb, error_us, 2, state), {"clock": record}, **more)


def ramp(count: int, start: int = 0, step: int = 1) -> list[int]:
    """A straight line."""
    return [start + step * i for i in range(count)]


FAST_V = Channel(1, "voltage", "V", 1, -2, 0, 10_000, 1, 2)
SLOW_T = Channel(2, "temperature", "°C", 1, -1, 0, 1_000_000, 0, 2)
TWO = (FAST_V, SLOW_T)


def every_kind() -> Vector:
    """One frame of every kind, and one of a kind that nobody knows yet."""
    vector = Vector("one frame of every kind, and one of a kind of a later version", TWO)
    vector.header()
    vector.put_schema()
    boot = {"reason": 1, "firmware": "1.2.3-β", "previous_boot_id": 7, "previous_next_seq": 9}
    vector.put(BOOT, 0, b"\x01" + text("1.2.3-β") + struct.pack("<II", 7, 9), {"boot": boot})
    vector.put_sync(0)
    vector.put_samples(
        0, 100, (1, [23000, 23001, 22999, 23003, 23000, 22990, 23010, 23000, 23000, 23001], 1, 2)
    )
    vector.put_samples(0, 3000, (2, [251, 252, 252], 0, 0), kind=SLOW, clock_record=clock())
    event = {
        "type": 0,
        "state": 1,
        "severity": 2,
        "code": "F005",
        "event_id": "house1-1",
        "values": [[1, 26000], [2, -5]],
        "lost": None,
    }
    payload = (
        bytes([0, 1, 2]) + text("F005") + text("house1-1") + b"\x02" + struct.pack("<BiBi", 1, 26000, 2, -5)
    )
    vector.put(EVENT, 50_000, payload, {"event": event})
    vector.put(CAN, 60_000, *can_traffic(60_000))
    snapshot = {"event_id": "house1-1", "code": "F005", "origin": "house2", "trigger_mono_us": 50_000}
    snapshot |= {"trigger_utc_us": UTC + 50_000, "before_ms": 10_000, "after_ms": 10_000, "state": 1}
    payload = text("house1-1") + text("F005") + text("house2")
    payload += struct.pack("<QqIIB", 50_000, UTC + 50_000, 10_000, 10_000, 1)
    vector.put(SNAPSHOT, 50_000, payload, {"snapshot": snapshot})
    other = (Channel(9, "power", "W", 10, 0, -100, 1_000_000, 0, 2),)
    other_schema = schema_payload(other, "house2")
    channels = [channel.__dict__ for channel in other]
    record = {"schema": {"node": "house2", "cluster": "north", "channels": channels}}
    vector.put(SCHEMA, 70_000, other_schema, record, schema=zlib.crc32(other_schema))
    payload = text("house2") + struct.pack("<I", 4000) + block(9, [100, 101, None, 99], 4, 3, 15)
    run = {"boot_id": vector.boot, "seq": vector.seq, "channel": 9, "mono_us": 70_000, "utc_us": UTC + 70_000}
    vector.found["samples"].append(run | {"values": [100, 101, None, 99]})
    vector.put(SUMMARY, 70_000, payload, {"summary": "house2"}, schema=zlib.crc32(other_schema), blocks=1)
    lost = {"boot_id": 0xB0070000, "first_seq": 12, "last_seq": 4711}
    event = {"type": 5, "state": 0, "severity": 1, "code": "", "event_id": "house1-2", "values": []}
    payload = bytes([5, 0, 1]) + text("") + text("house1-2") + b"\0" + struct.pack("<III", *lost.values())
    vector.put(EVENT, 75_000, payload, {"event": event | {"lost": lost}})
    vector.put(200, 80_000, b"of a later version")
    return vector


def can_traffic(mono: int) -> tuple[bytes, dict[str, Any]]:
    """Payload and record of a can frame: new and known identifiers, masks, all flags, every length."""
    extended, remote, error = 1 << 31, 1 << 30, 1 << 29
    script: list[tuple[int, int, bytes, bool]] = [  # ticks, identifier, data, with mask
        (0, 0x101, bytes(8), False),
        (100, 0x101, bytes([0, 0, 1, 0, 0, 0, 0, 9]), True),
        (200, 0x101, bytes([0, 0, 1, 0, 0, 0, 0, 9]), True),
        (150, extended | 0x18FF0102, b"\x01\x02\x03", False),
        (299, 0x101, b"\xff", False),
        (301, remote | 0x7FF, b"", False),
        (302, error | 0x004, bytes(range(8)), False),
        (400, extended | 0x18FF0102, b"\x01\x02\x04", False),
        (90_000, extended | 0x18FF0102, b"\x01\x03\x04", True),
    ]
    order: list[int] = []
    before: dict[int, tuple[int, int, bytes]] = {}
    payload = struct.pack("<H", len(script))
    frames = []
    for ticks, identifier, data, masked in script:
        if identifier not in order:
            order.append(identifier)
            before[identifier] = (0, 0, b"")
            payload += bytes([len(order) - 1]) + struct.pack("<I", identifier)
        else:
            payload += bytes([order.index(identifier)])
        last_ticks, last_delta, last = before[identifier]
        delta = ticks - last_ticks
        payload += varint(zigzag(delta - last_delta))
        if masked:
            differ = [i for i in range(len(data)) if data[i] != last[i]]
            payload += bytes([len(data) | 0x80, sum(1 << i for i in differ), *(data[i] for i in differ)])
        else:
            payload += bytes([len(data)]) + data
        before[identifier] = (ticks, delta, data)
        frames.append([mono + 10 * ticks, identifier, data.hex()])
    return payload, {"can": frames}


def missing_samples() -> Vector:
    """Gaps inside blocks and counts that differ from the nominal one."""
    vector = Vector("missing samples and odd counts", TWO)
    vector.header()
    vector.put_schema()
    vector.put_sync(0)
    patterns: list[list[int | None]] = [
        [None, 5, 6, 7, 8, 9, 10, 11, 12, 13],
        [5, 6, 7, 8, 9, 10, 11, 12, 13, None],
        [None, None, None, None, -4, None, None, None, None, None],
        [None] * 10,
        [1, None, 2, None, 3, None, 4, None, 5, None],
        [1, 2, 3],
        [7],
        [1, 2, 3, None, 5, 6, 7, 8, 9, 10, 11, 12],
        [None] * 17,
        [*ramp(10)],
    ]
    for number, pattern in enumerate(patterns):
        vector.put_samples(number * 100_000, 100, (1, pattern, number % 4, (2, 15, 0)[number % 3]))
    vector.put_samples(2 * SECOND, 500, (2, [33], 0, 0), kind=SLOW)  # shorter than a period: one sample
    return vector


def extremes() -> Vector:
    """Largest and smallest integers of each width, through all predictors."""
    channels = tuple(Channel(width, f"width_{width}", width=width) for width in (1, 2, 4))
    vector = Vector(
        "extreme values of each width through all predictors; identifiers at their limits", channels
    )
    vector.boot = 0xFFFFFFFF
    vector.utc = None
    vector.header()
    vector.put_schema()
    for predictor in range(4):
        for first in (-1, 0):  # minimum or maximum first
            series = []
            for width in (1, 2, 4):
                low = -(1 << (8 * width - 1))
                both = [low, -low - 1] if first else [-low - 1, low]
                series.append((width, both * 5, predictor, 15))
            vector.put_samples(0, 100, *series)
    vector.put_samples(
        (1 << 50) - 1, 100, (1, [127] * 10, 1, 14), (2, [-32768] * 10, 2, 14), (4, [1 << 30] * 10, 0, 14)
    )
    # Small residuals of large values: sums of two samples exceed 32 bits.
    for predictor in range(4):
        top = [(1 << 31) - 1 - step for step in (0, 3, 1, 2, 0, 5, 4, 4, 1, 0)]
        vector.put_samples(1000 + predictor, 100, (4, top, predictor, 2))
        vector.put_samples(2000 + predictor, 100, (4, [-one - 1 for one in top], predictor, 2))
    vector.found["gaps"].append({"boot_id": vector.boot, "first": vector.seq, "last": 0xFFFFFFFD})
    vector.seq = 0xFFFFFFFE
    vector.put_samples(1 << 50, 100, (1, ramp(10), 0, 0))
    vector.put_samples((1 << 50) + 100_000, 100, (1, ramp(10), 0, 0))
    return vector


def codings() -> Vector:
    """Every predictor with every k, on noise; also where it is not the shortest."""
    vector = Vector("every predictor with every k", TWO)
    vector.header()
    vector.put_schema()
    vector.put_sync(0)
    noise = random.Random(1)
    at = 0
    for predictor in range(4):
        for k in range(16):
            spread = 1 << min(k, 12)
            values = [noise.randint(-spread, spread) for _ in range(21)]
            vector.put_samples(at, 210, (1, values, predictor, k))
            at += 210_000
    for predictor in range(4):  # width 0: every residual is zero
        constant = ramp(21, 5, 3) if predictor == 3 else [5] * 21
        if predictor == 3:
            constant[1:] = [5] * 20
        vector.put_samples(at, 210, (1, constant, predictor, 15))
        at += 210_000
    return vector


def clock_steps() -> Vector:
    """Times before, between and behind synchronisation points, drift, a step, a boot that never knew."""
    vector = Vector("clock: drift, step, hold-over, unknown", (FAST_V,))
    vector.header()
    vector.put_schema()

    def at(mono_s: int, utc_found: int | None) -> None:
        vector.put_samples(mono_s * SECOND, 20, (1, [mono_s, mono_s], 0, 0), utc=0, utc_found=utc_found)

    at(10, UTC + 10 * SECOND + 900)  # before the first point (90 s): its drift, 10 ppm fast
    vector.put_sync(20 * SECOND, state=0, utc=1)  # unsynchronised: no point
    vector.put_sync(100 * SECOND, drift_ppb=10_000, utc=UTC + 100 * SECOND)
    vector.put_sync(200 * SECOND, drift_ppb=10_000, utc=UTC + 200 * SECOND - 2000, state=2)
    at(150, UTC + 150 * SECOND - 1000)  # half way: interpolated
    at(200, UTC + 200 * SECOND - 2000)  # on the point
    vector.put_sync(300 * SECOND, drift_ppb=-20_000, utc=UTC + 400 * SECOND)  # a step of 100 s
    at(210, UTC + 210 * SECOND - 2100)  # beside the step: each side keeps its own
    at(290, UTC + 390 * SECOND - 200)
    at(400, UTC + 500 * SECOND + 2000)  # behind the last
    vector.boot += 1
    vector.seq = 0
    vector.put_schema()
    at(5, None)
    return vector


def two_boots() -> Vector:
    """A restart, frames out of order, twice and not at all; the later boot stands first."""
    vector = Vector("two boots, the later one first; gaps, repetitions, wrong order", (FAST_V,))
    second, first = vector.boot, vector.boot + 1
    vector.utc = UTC + 3600 * SECOND
    vector.put_schema()
    vector.put_sync(0)
    vector.put_samples(0, 20, (1, [1, 2], 0, 0))
    vector.seq += 2
    repeated = vector.put(
        BOOT, 0, b"\x02" + text("1") + struct.pack("<II", first, 6), boot_record(2, "1", first, 6)
    )
    vector.boot, vector.seq, vector.utc = first, 1, UTC
    vector.put_sync(0)
    vector.seq = 4
    vector.put_samples(40_000, 20, (1, [7, 8], 0, 0))
    vector.seq = 3
    vector.put_samples(20_000, 20, (1, [5, 6], 0, 0))
    vector.data += repeated
    vector.found["duplicates"] = 1
    vector.found["gaps"] = [
        {"boot_id": first, "first": 2, "last": 2},
        {"boot_id": second, "first": 3, "last": 4},
    ]
    return vector


def boot_record(reason: int, firmware: str, previous: int, next_seq: int) -> dict[str, Any]:
    """What a boot frame decodes to."""
    numbers = {"previous_boot_id": previous, "previous_next_seq": next_seq}
    return {"boot": {"reason": reason, "firmware": firmware} | numbers}


def damaged() -> Vector:
    """Flipped bits, a destroyed sector, false sync words, an unfinished end."""
    vector = Vector("damage of every sort between good frames", (FAST_V,))
    vector.header()
    vector.put_schema()
    vector.put_sync(0)
    damages: list[tuple[int, int]] = []

    def spoil(change: Callable[[bytearray], None]) -> None:
        """Write a frame that is destroyed afterwards, so that nobody finds it."""
        start = len(vector.data)
        raw = bytearray(
            frame(FAST, vector.seq, vector.boot, vector.hash, 0, 0, bytes(range(1, 60)), blocks=1)
        )
        change(raw)
        vector.data += raw
        damages.append((start, len(vector.data)))
        vector.found["gaps"].append({"boot_id": vector.boot, "first": vector.seq, "last": vector.seq})
        vector.seq += 1

    def good() -> None:
        vector.put_samples(vector.seq * 20_000, 20, (1, [vector.seq, vector.seq + 1], 0, 0))

    def set_byte(at: int, value: int) -> Callable[[bytearray], None]:
        def change(raw: bytearray) -> None:
            raw[at] = value

        return change

    good()
    spoil(set_byte(50, 0xAA))  # payload
    good()
    spoil(set_byte(0, 0))  # sync
    good()
    spoil(set_byte(8, 0xFF))  # length: reaches into the next frames
    good()
    spoil(set_byte(4, 2))  # version
    good()
    spoil(set_byte(40, 0))  # CRC
    good()
    vector.data += bytes(700)  # padding is no damage
    good()
    start = len(vector.data)
    vector.data += b"UMG1" * 30 + b"UMG1\x01\x00"  # sync words of nothing
    damages.append((start, len(vector.data)))
    good()
    inner = frame(FAST, 99, vector.boot, vector.hash, 0, 0, b"\0")
    vector.put(200, 0, inner)  # a good frame inside a good frame is payload
    good()
    start = len(vector.data)
    vector.data += bytes([0xE5]) * 512  # a destroyed sector
    damages.append((start, len(vector.data)))
    good()
    start = len(vector.data)
    vector.data += frame(FAST, vector.seq, vector.boot, vector.hash, 0, 0, bytes(range(1, 200)), blocks=1)[
        :150
    ]
    damages.append((start, len(vector.data)))
    vector.found["damaged"] = [list(span) for span in damages]
    return vector


def malformed() -> Vector:
    """Frames with a good CRC whose payload breaks the format: a reader says so and goes on."""
    vector = Vector("payloads that break the format behind a good CRC", TWO)
    vector.header()
    vector.put_schema()
    span = struct.pack("<I", 100)
    good = block(1, ramp(10), 10)
    payloads = [
        b"",
        span[:3],
        span,  # says one block, has none
        span + b"\x01",
        span + block(77, ramp(10), 10),  # a channel that the schema does not have
        span + good[:-1],
        span + good + b"\x01\x02",  # the second block ends early
        span + b"\x01\x02" + b"\x80" * 5 + b"\x00" + good[3:],  # varint of six bytes
        span + b"\x01\x02\xff\xff\xff\xff\x0f" + good[3:],  # value exceeds its width
        span + b"\x01\x02\x00" + struct.pack("<H", 5000),  # unary part beyond the end
        span
        + b"\x01\x02\x00"
        + struct.pack("<H", 2)
        + b"\xff\x00"
        + bytes(3),  # eight quotients for nine residuals
        span + b"\x01\x02\x00" + struct.pack("<H", 2) + b"\xff\xff" + bytes(3),  # sixteen
        span + b"\x01\x0f\x00\x29" + bytes(60),  # packed in 41 bits
        span + b"\x01\xcf\xff\xff" + bytes(8),  # count without its validity
        struct.pack("<I", 0xFFFFFFFF) + good,  # 429 million samples
        span + block(1, ramp(10), 10)[:2],
        struct.pack("<I", 10) + b"\x01\x02\x00",  # one sample, but k is not 15
        span + b"\x01\x8f\x00\x00",  # a count of 0
    ]
    for payload in payloads:
        blocks = 2 if payload == payloads[6] else 1
        vector.found["malformed"].append(vector.seq)
        if blocks == 2:
            run = {"boot_id": vector.boot, "seq": vector.seq, "channel": 1, "mono_us": 0, "utc_us": None}
            vector.found["samples"].append(run | {"values": ramp(10)})
        vector.put(FAST, 0, payload, blocks=blocks)
    for kind, payload in (
        (SCHEMA, b"\x02" + vector.schema[1:]),
        (SCHEMA, vector.schema[:-1]),
        (SCHEMA, schema_payload((FAST_V, FAST_V))),
        (EVENT, b"\0\0\0\x05F00"),
        (EVENT, b"\0\0\0\x01\xff\0\0"),
        (EVENT, b"\5\0\0\0\0\0" + bytes(11)),  # an overflow without all of its numbers
        (CAN, b"\x01\x00\x05"),
        (CAN, b"\x01\x00\x00\x01\x00\x00\x00\x00\x88\xff" + bytes(8)),
        (SNAPSHOT, b"\0\0\0"),
        (CAN, b"\x01\x00\x00\x01\x00\x00\x00\xfe\xff\xff\xff\x1f\x00"),  # a time beyond 32 bits
        (BOOT, b"\1\0"),
        (SUMMARY, b"\xff"),
    ):
        vector.found["malformed"].append(vector.seq)
        vector.put(kind, 0, payload, blocks=1 if kind == SUMMARY else 0)
    vector.put_samples(0, 100, (1, ramp(10), 0, 2), utc_found=None)
    return vector


def slot() -> Vector:
    """A slot of a ring: two starts in one segment, a destroyed sector, a frame that stands there twice."""
    vector = Vector(
        "a slot of a ring: two starts, a destroyed sector, a repeated frame, zeros behind the end", (FAST_V,)
    )
    first = vector.boot

    def next_sector() -> None:
        vector.data += bytes(-len(vector.data) % 512)

    def start(previous: int, next_seq: int) -> None:
        vector.put_schema()
        payload = b"\x01" + text("1.0") + struct.pack("<II", previous, next_seq)
        vector.put(BOOT, 0, payload, boot_record(1, "1.0", previous, next_seq))
        next_sector()
        vector.put_sync(0)

    vector.header(capacity=4096)
    start(0, 0)
    vector.put_samples(0, 20, (1, [1, 2], 0, 0))
    place = len(vector.data)  # padding before damage cannot be told from it
    next_sector()
    vector.data += bytes([0xE5]) * 512
    vector.found["damaged"] = [[place, len(vector.data)]]
    vector.found["gaps"] = [{"boot_id": first, "first": vector.seq, "last": vector.seq}]
    vector.seq += 1
    place = len(vector.data)
    vector.put_samples(40_000, 20, (1, [5, 6], 0, 0))
    vector.data += vector.data[place:]  # a bad block: written again behind it
    vector.found["duplicates"] = 1
    next_sector()
    next_seq = vector.seq
    vector.boot, vector.seq, vector.utc = first + 1, 0, UTC + 3600 * SECOND
    start(first, next_seq)
    vector.put_samples(0, 20, (1, [7, 8], 0, 0))
    vector.data += bytes(4096 - len(vector.data))
    return vector


VECTORS = {
    "every-kind": every_kind,
    "missing-samples": missing_samples,
    "extremes": extremes,
    "codings": codings,
    "clock": clock_steps,
    "two-boots": two_boots,
    "damaged": damaged,
    "malformed": malformed,
    "slot": slot,
}


def render() -> dict[Path, bytes]:
    """Return the content of every file."""
    files = {}
    for name, build in VECTORS.items():
        vector = build()
        files[TARGET / f"{name}.umg1"] = bytes(vector.data)
        lines = []
        for key, value in vector.found.items():
            rows = value if isinstance(value, list) and value and isinstance(value[0], dict) else None
            shown = json.dumps(value, ensure_ascii=False)
            if rows is not None:  # one line for each, for the eye and for a diff
                shown = (
                    "[\n    " + ",\n    ".join(json.dumps(row, ensure_ascii=False) for row in rows) + "\n  ]"
                )
            lines.append(f'  "{key}": {shown}')
        files[TARGET / f"{name}.json"] = ("{\n" + ",\n".join(lines) + "\n}\n").encode()
    return files


def main(check: bool) -> int:
    """Write the vectors, or with `check` only compare; return the exit status."""
    return keep(render(), "the generator", "umg1-vectors", check=check)


if __name__ == "__main__":
    sys.exit(run_generator(__doc__, main))
