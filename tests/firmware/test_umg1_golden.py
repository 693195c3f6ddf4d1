"""The readers of the firmware and of Python find the same in a log, whoever wrote it."""

from __future__ import annotations

import json
import random
import struct
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from microgrid_core.codec.umg1.frame import Kind
from microgrid_core.codec.umg1.samples import encode_samples
from microgrid_core.codec.umg1.schema import Channel, Schema
from microgrid_core.codec.umg1.segment import FileScan
from microgrid_core.codec.umg1.writer import SegmentWriter
from tests.unit.core.codec.mutants import golden, mutant
from tests.unit.core.codec.vectors import FOLDER, NAMES, expected, found

HERE = Path(__file__).parent / "umg1"
WRITTEN = ("kinds", "codings", "sequence", "clock", "boots", "snapshot", "damaged")
"""By the firmware's writer, for the Python reader."""
RECORDS = ("schema", "event", "snapshot", "boot")


@pytest.fixture(scope="module")
def programs() -> Path:
    """Folder of the host programs: the firmware's writers, and what tells what its reader finds."""
    command: list[str | Path] = [HERE / "build.sh", "umg1_decode", "umg1_encode", "umg1_vectors"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr
    return Path(done.stdout.strip())


def joined(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A JSON object; a channel that stands twice in a frame has both runs, as Python has them."""
    made: dict[str, Any] = {}
    for key, value in pairs:
        made[key] = made[key] + value if key in made else value
    return made


def told(decoder: Path, log: Path) -> list[dict[str, Any]]:
    """What the firmware's reader finds, frame by frame in the order of their place."""
    out = subprocess.run([decoder, log], capture_output=True, check=True).stdout
    return [json.loads(line, object_pairs_hook=joined) for line in out.decode().splitlines()]


def compare(decoder: Path, log: Path, wanted: dict[str, Any]) -> None:
    """The firmware's reader finds the wanted frames, samples, records and faults."""
    # Python lists every frame once, where it stands first.
    known = {frame["position"]: frame for frame in wanted["frames"]}
    frames = [frame for frame in told(decoder, log) if frame["offset"] in known]
    assert len(frames) == len(known)
    for frame in frames:
        for key in ("kind", "seq", "boot_id", "schema_hash", "mono_us", "utc_us"):
            assert frame[key] == known[frame["offset"]][key], key
    malformed = {frame["seq"] for frame in frames if frame.get("malformed")}
    assert malformed == set(wanted["malformed"])
    got: dict[Any, list[int | None]] = {}
    for frame in frames:
        for channel, values in frame.get("channels", {}).items():
            got[frame["boot_id"], frame["seq"], int(channel)] = values
    runs = {(run["boot_id"], run["seq"], run["channel"]): run["values"] for run in wanted["samples"]}
    assert got == runs
    records = {(one.pop("boot_id"), one.pop("seq")): one for one in map(dict, wanted["records"])}
    for frame in frames:
        record = records.pop((frame["boot_id"], frame["seq"]), None)
        if frame.get("malformed"):
            continue
        for key in RECORDS:
            if key in frame:
                event = {"lost": None} if key == "event" else {}
                assert record == {key: event | frame[key]}
        if frame["kind"] == Kind.TIMESYNC:
            assert record == {"clock": frame["clock"]}
        if frame["kind"] == Kind.SUMMARY:
            assert record == {"summary": frame["node"]}
        if "can" in frame:
            rows = [[one["mono_us"], one["identifier"], bytes(one["data"]).hex()] for one in frame["can"]]
            assert record == {"can": rows}
    assert records == {}


@pytest.mark.parametrize("name", NAMES)
def test_golden_log(name: str, programs: Path) -> None:
    compare(programs / "umg1_decode", FOLDER / f"{name}.umg1", expected(name))


def test_python_reads_what_the_firmware_wrote(programs: Path, tmp_path: Path) -> None:
    subprocess.run([programs / "umg1_vectors", tmp_path], check=True)
    assert sorted(path.stem for path in tmp_path.iterdir()) == sorted(WRITTEN)
    for name in WRITTEN:
        log = tmp_path / f"{name}.umg1"
        wanted = found(log)
        assert wanted["malformed"] == []
        assert bool(wanted["damaged"]) == (name == "damaged")
        compare(programs / "umg1_decode", log, wanted)


@pytest.mark.parametrize("seed", range(4))
def test_both_readers_take_and_refuse_the_same_mutants(seed: int, programs: Path, tmp_path: Path) -> None:
    """Payloads with a good CRC that somebody changed: the verdicts and all that is left agree."""
    rng = random.Random(seed)
    frames = [frame for _, group in golden() for frame in group]
    schemas = {bytes(frame.payload): frame for frame in frames if frame.kind == Kind.SCHEMA}
    others = [frame for frame in frames if frame.kind != Kind.SCHEMA]
    mutants = [mutant(rng.choice(others), frames, rng) for _ in range(1500)]
    log = tmp_path / "mutants.umg1"
    with log.open("wb") as file:
        writer = SegmentWriter(file)
        for seq, frame in enumerate([*schemas.values(), *mutants]):
            writer.write(replace(frame, seq=seq, boot_id=1, utc_us=0))
    wanted = found(log)
    assert len(wanted["frames"]) == len(schemas) + len(mutants)
    assert len(wanted["malformed"]) > 200  # else the mutants are too tame to prove anything
    compare(programs / "umg1_decode", log, wanted)


SECONDS, START_US, NO_SAMPLE = 120, 1_000_000, -(1 << 63)
SPANS_S = {Kind.FAST: 12, Kind.SLOW: 60}
PERIODS_US = {True: (10_000, 100_000, 1_500_000, 12_000_000), False: (1_000_000, 7_500_000, 60_000_000)}


def random_channel(rng: np.random.Generator, number: int) -> tuple[Channel, np.ndarray]:
    """A channel, and two minutes of it: a walk or the ends of its range, NO_SAMPLE where one is missing."""
    fast, width = bool(rng.random() < 0.5), int(rng.choice([1, 2, 4]))
    period_us = int(rng.choice(PERIODS_US[fast]))
    channel = Channel(number, f"channel_{number}", "°C", period_us, 0, 1, 0, fast, width)
    low, high = -(1 << (8 * width - 1)), (1 << (8 * width - 1)) - 1
    count = SECONDS * 1_000_000 // period_us
    step = int(rng.choice([0, 1, 30, 5000]))
    walk = np.clip(rng.integers(-step, step + 1, count).cumsum(), low, high)
    values = rng.choice([low, high], count) if rng.random() < 0.2 else walk
    return channel, np.where(rng.random(count) < rng.choice([0, 0, 0.1, 0.9]), NO_SAMPLE, values)


@pytest.mark.parametrize("seed", range(12))
def test_both_writers_write_the_same_bytes(seed: int, programs: Path, tmp_path: Path) -> None:
    """Random schemas: equal payloads from firmware and Python, and both readers find in them what went in."""
    rng = np.random.default_rng(seed)
    numbers = rng.choice(np.arange(1, 256), rng.integers(1, 8), replace=False).tolist()
    truth = dict(random_channel(rng, number) for number in numbers)
    schema = Schema("house_1", "", tuple(truth))

    data = struct.pack("<I", len(schema.payload)) + schema.payload
    for values in truth.values():
        data += struct.pack("<I", len(values)) + values.astype("<i8").tobytes()
    (tmp_path / "in").write_bytes(data)
    log = tmp_path / "firmware.umg1"
    subprocess.run([programs / "umg1_encode", tmp_path / "in", log], check=True, capture_output=True)
    written = {(one.kind, one.mono_us): one.payload for one in FileScan(log) if one.kind in SPANS_S}

    own = {}
    runs: dict[tuple[int, int], list[int | None]] = {}
    for kind, span_s in SPANS_S.items():
        for start_s in range(0, SECONDS, span_s):
            series, mono_us = {}, START_US + start_s * 1_000_000
            for channel, values in truth.items():
                window = slice(*(at * 1_000_000 // channel.period_us for at in (start_s, start_s + span_s)))
                inside = values[window]
                valid = inside != NO_SAMPLE
                if channel.fast == (kind is Kind.FAST) and valid.any():
                    series[channel.id] = (np.where(valid, inside, 0), valid)
                    runs[channel.id, mono_us] = [None if one == NO_SAMPLE else int(one) for one in inside]
            if series:
                own[kind, mono_us], _, _ = encode_samples(schema, kind, span_s * 1000, series)
    assert written == own

    wanted = found(log)
    assert {(one["channel"], one["mono_us"]): one["values"] for one in wanted["samples"]} == runs
    compare(programs / "umg1_decode", log, wanted)
