"""Frames with a good CRC and a payload that was changed, and a second opinion on what they hold.

`python -m tests.unit.core.codec.mutants --minutes 10` tries new ones and keeps what differs.
"""

from __future__ import annotations

import argparse
import contextlib
import random
import struct
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from microgrid_core.codec.umg1.blocks import decode_block
from microgrid_core.codec.umg1.content import content
from microgrid_core.codec.umg1.frame import FLAG_CLOCK, Frame, Kind
from microgrid_core.codec.umg1.log import open_log
from microgrid_core.codec.umg1.samples import MAX_FRAME_SAMPLES, decode_samples, nominal_count
from microgrid_core.codec.umg1.schema import Schema
from microgrid_core.codec.umg1.wire import Cursor, Malformed

from .vectors import FOLDER, NAMES

Runs = dict[int, list[list[int | None]]]
_EDGES = (0, 1, 0x7F, 0x80, 0xFF, 0x0F, 0x2F, 0xCF, 0x40)
_SAMPLE_KINDS = (Kind.FAST, Kind.SLOW, Kind.SUMMARY)


def golden() -> list[tuple[Schema | None, list[Frame]]]:
    """The frames of every golden log, with their schema."""
    groups: dict[int, tuple[Schema | None, list[Frame]]] = {}
    for name in NAMES:
        log = open_log([FOLDER / f"{name}.umg1"])
        for frame in log.frames():
            known = log.schemas.get(frame.schema_hash)
            groups.setdefault(frame.schema_hash, (known, []))[1].append(frame)
    return list(groups.values())


def mutant(frame: Frame, others: Sequence[Frame], rng: random.Random) -> Frame:
    """A frame with one to four changes in its payload, or in what its header says about it."""
    payload = bytearray(frame.payload)
    for _ in range(rng.randint(1, 4)):
        at = rng.randrange(len(payload) + 1)
        change = rng.randrange(7)
        if change == 0 and payload:
            payload[at % len(payload)] ^= 1 << rng.randrange(8)
        elif change == 1 and payload:
            payload[at % len(payload)] = rng.choice(_EDGES)
        elif change == 2:
            del payload[at : at + rng.randint(1, 4)]
        elif change == 3:
            payload[at:at] = bytes(rng.choice(_EDGES) for _ in range(rng.randint(1, 4)))
        elif change == 4:
            other = bytes(rng.choice(others).payload)
            payload[at:] = other[rng.randrange(len(other) + 1) :]
        elif change == 5:
            payload[:4] = struct.pack("<I", rng.choice((0, 10, 20, 100, 210, 3000)))
        else:
            payload[at:at] = bytes(payload[at : at + 12])
    flags = frame.flags ^ (rng.random() < 0.05)
    blocks = rng.choice((frame.blocks, frame.blocks, frame.blocks, 1, 2, 3))
    return replace(frame, payload=bytes(payload), flags=flags, blocks=blocks, seq=rng.randrange(1 << 32))


def plainly(frame: Frame, schema: Schema) -> tuple[Runs, bool]:
    """Read a sample frame block by block; also whether all of it could be read."""
    runs: Runs = {}
    taken = 0
    try:
        cursor = Cursor(frame.payload, 12 if frame.flags & FLAG_CLOCK else 0)
        if frame.kind == Kind.SUMMARY:
            cursor.text()
        (span_ms,) = cursor.unpack(struct.Struct("<I"))
        for _ in range(frame.blocks):
            coding = bytes(cursor.data[cursor.position : cursor.position + 2])
            channel = schema.by_id.get(coding[0]) if len(coding) == 2 else None
            if channel is None:
                return runs, False
            nominal = nominal_count(span_ms, channel.period_us)
            if nominal > 65535 and not coding[1] & 0x80:
                return runs, False
            block = decode_block(cursor, nominal)
            taken += len(block.values)
            bound = 1 << (8 * channel.width - 1)
            if taken > MAX_FRAME_SAMPLES or any(not -bound <= value < bound for value in block.values):
                return runs, False
            there = np.ones(len(block.values), np.bool_) if block.valid is None else block.valid
            found = [int(one) if valid else None for one, valid in zip(block.values, there, strict=True)]
            runs.setdefault(channel.id, []).append(found)
    except Malformed:
        return runs, False
    return runs, True


def differences(frames: Sequence[Frame], schema: Schema | None) -> list[Frame]:
    """Frames that the bulk decoder reads otherwise than block by block; whatever it raises comes through."""
    for frame in frames:
        with contextlib.suppress(Malformed):
            content(frame)
    samples = [frame for frame in frames if frame.kind in _SAMPLE_KINDS]
    if schema is None or not samples:
        return []
    found, malformed = decode_samples(samples, schema)
    bad = {id(frame) for frame, _ in malformed}
    wanted = [plainly(frame, schema) for frame in samples]
    wrong = [frame for frame, (_, whole) in zip(samples, wanted, strict=True) if whole == (id(frame) in bad)]
    for channel_id in schema.by_id:
        runs = [run for each, _ in wanted for run in each.get(channel_id, ())]
        got = found.get(channel_id)
        flat: list[int | None] = []
        if got is not None:
            there = np.ones(len(got.values), np.bool_) if got.valid is None else got.valid
            flat = [int(one) if valid else None for one, valid in zip(got.values, there, strict=True)]
        if flat != [value for run in runs for value in run]:
            if len(samples) == 1:
                return samples
            half = len(samples) // 2
            return differences(samples[:half], schema) + differences(samples[half:], schema) or samples
    return wrong


def main() -> int:
    """Try mutants for some minutes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("--keep", type=Path, default=Path("mutants"), help="folder for what differs")
    arguments = parser.parse_args()
    rng = random.Random(arguments.seed)
    groups = golden()
    ends = time.monotonic() + arguments.minutes * 60
    tried = 0
    while time.monotonic() < ends:
        schema, frames = rng.choice(groups)
        batch = [mutant(rng.choice(frames), frames, rng) for _ in range(rng.choice((1, 8, 64)))]
        tried += len(batch)
        if wrong := differences(batch, schema):
            arguments.keep.mkdir(parents=True, exist_ok=True)
            for frame in wrong:
                (arguments.keep / f"{frame.seq:08x}.umg1").write_bytes(frame.encode())
            print(f"{len(wrong)} frames differ after {tried}: see {arguments.keep}")
            return 1
    print(f"{tried} mutants, no difference")
    return 0


if __name__ == "__main__":
    sys.exit(main())
