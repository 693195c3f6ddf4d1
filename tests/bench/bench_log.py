"""What a day of a house costs in the log, beside other formats: bytes, reading time, encoder.

    .venv/bin/python -m tests.bench.bench_log [--hours 24] [--write docs/log.md]

All formats get the same integers in the same run; sizes and speeds are compared with one another, not with
the clock of a particular machine.
"""

from __future__ import annotations

import argparse
import gc
import os
import platform
import re
import shutil
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from compression import zstd
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asammdf
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from microgrid_core.codec.exports.mf4 import write_mf4
from microgrid_core.codec.exports.tables import tables
from microgrid_core.codec.umg1.log import open_log
from microgrid_core.codec.umg1.reader import SampleReader
from microgrid_core.codec.umg1.segment import HEADER_SIZE, FileScan
from tests.bench.house_log import FAST_S, SLOW_S, write_log
from tests.bench.signals import Integers, Signals, house

ROOT = Path(__file__).resolve().parents[2]
BEGIN, END = "<!-- measured -->", "<!-- end -->"
DAY_S = 86_400
SIZE_BUDGET_MB, ABOVE_BOUND, RAM_BUDGET, DECODE_BUDGET_S = 10.0, 1.15, 16_384, 1.0
RUNS = 5


@dataclass(frozen=True, slots=True)
class Size:
    """Bytes of a format, and what it was allowed to leave out."""

    name: str
    size: int
    remark: str = ""


@dataclass(frozen=True, slots=True)
class Reading:
    """Best time to read all samples into arrays."""

    name: str
    seconds: float
    samples: int


def blocks(signals: Signals) -> Iterator[Integers]:
    """The samples as they lie in frames: 12 s of each fast channel, 60 s of each slow one."""
    for channel in signals.schema.channels:
        values = signals.samples[channel.id]
        step = (FAST_S if channel.fast else SLOW_S) * 1_000_000 // channel.period_us
        for start in range(0, len(values), step):
            yield values[start : start + step]


def varints(values: Integers) -> bytes:
    """First sample and differences as zigzag varints."""
    e = np.diff(values.astype(np.int64), prepend=0)
    u = (e << 1) ^ (e >> 63)
    groups = np.stack([u >> 7 * place & 0x7F for place in range(4)], axis=1)
    length = 1 + (u >> 7 > 0) + (u >> 14 > 0) + (u >> 21 > 0)
    place = np.arange(4)
    groups |= np.where(place < length[:, None] - 1, 0x80, 0)
    return groups[place < length[:, None]].astype(np.uint8).tobytes()


def varint_zstd(signals: Signals) -> int:
    """Delta varints of a frame's channel after channel, each frame compressed for itself as in a log."""
    frames: dict[tuple[bool, int], bytearray] = {}
    for channel in signals.schema.channels:
        values = signals.samples[channel.id]
        step = (FAST_S if channel.fast else SLOW_S) * 1_000_000 // channel.period_us
        for start in range(0, len(values), step):
            frame = frames.setdefault((channel.fast, start // step), bytearray())
            frame += varints(values[start : start + step])
    return sum(len(zstd.compress(bytes(frame), level=3)) for frame in frames.values())


def gorilla(values: NDArray[np.float64]) -> int:
    """Bits of a channel by Gorilla (Pelkonen et al., VLDB 2015): XOR of doubles; a regular time is a bit."""
    words = values.view(np.uint64)
    xors = words[1:] ^ words[:-1]
    # Leading zeros by halving; the position of the lowest bit by its logarithm, exact for powers of two.
    leading = np.zeros(len(xors), np.int64)
    rest = xors.copy()
    for shift in (32, 16, 8, 4, 2, 1):
        small = rest >> np.uint64(64 - shift) == 0
        leading[small] += shift
        rest[small] <<= np.uint64(shift)
    leading = np.minimum(leading, 31)
    lowest = xors & (~xors + np.uint64(1))
    trailing = np.zeros(len(xors), np.int64)
    trailing[xors != 0] = np.round(np.log2(lowest[xors != 0].astype(np.float64))).astype(np.int64)
    bits = 64 + 64 + len(values)
    bits += int((xors == 0).sum())
    before_leading, before_trailing = 99, 0
    for lead, trail in zip(leading[xors != 0].tolist(), trailing[xors != 0].tolist(), strict=True):
        if lead >= before_leading and trail >= before_trailing:
            bits += 2 + 64 - before_leading - before_trailing
        else:
            bits += 2 + 5 + 6 + 64 - lead - trail
            before_leading, before_trailing = lead, trail
    return bits


def gorilla_size(signals: Signals) -> int:
    """Bytes of all channels, one stream each."""
    channels = signals.schema.channels
    return sum(gorilla(channel.scaled(signals.samples[channel.id])) for channel in channels) // 8


def entropy_bound(signals: Signals) -> int:
    """Order-0 entropy of the residuals of each channel's best predictor, over the whole recording."""
    total = 0.0
    for values in signals.samples.values():
        x = values.astype(np.int64)
        a, b = x[1:-1], x[:-2]
        candidates = (x[2:] - a, x[2:] - ((a + b) >> 1), x[2:] - (2 * a - b))
        total += min(_entropy_bits(e) for e in candidates)
    return round(total / 8)


def _entropy_bits(e: Integers) -> float:
    _, counts = np.unique(e, return_counts=True)
    return float(-(counts * np.log2(counts / len(e))).sum())


def write_parquet(signals: Signals, folder: Path, compression: str) -> list[Path]:
    """One file a sampling period, integers in DELTA_BINARY_PACKED, without a column of times."""
    paths = []
    periods = sorted({channel.period_us for channel in signals.schema.channels})
    for period_us in periods:
        columns = {
            channel.name: pa.array(signals.samples[channel.id], pa.int32())
            for channel in signals.schema.channels
            if channel.period_us == period_us
        }
        path = folder / f"{period_us}_{compression}.parquet"
        pq.write_table(
            pa.table(columns),
            path,
            use_dictionary=False,
            compression=compression,
            column_encoding=dict.fromkeys(columns, "DELTA_BINARY_PACKED"),
        )
        paths.append(path)
    return paths


def read_umg1(path: Path) -> int:
    """Read all samples chunk by chunk."""
    return sum(
        len(one.values) for _, found in SampleReader().chunks(FileScan(path)) for one in found.values()
    )


def read_parquet(paths: list[Path], threads: bool) -> int:
    """Read all columns into numpy arrays."""
    count = 0
    for path in paths:
        table = pq.read_table(path, use_threads=threads)
        count += sum(len(column.to_numpy()) for column in table.columns)
    return count


def read_mf4(path: Path) -> int:
    """Read all channels as the integers that are stored."""
    with asammdf.MDF(path) as mdf:
        groups: list[Any] = list(mdf.groups)
        wanted = [
            (None, number, index)
            for number, group in enumerate(groups)
            for index in range(1, len(group.channels))
        ]
        return sum(len(signal.samples) for signal in mdf.select(wanted, raw=True, copy_master=False))


def fastest(name: str, read: Callable[[], int]) -> Reading:
    """The best of some runs after a first one that warms caches."""
    samples = read()
    best = float("inf")
    for _ in range(RUNS):
        gc.collect()
        started = time.perf_counter()
        read()
        best = min(best, time.perf_counter() - started)
    return Reading(name, best, samples)


# ---------------------------------------------------------------- encoder


def encoder_input(signals: Signals) -> bytes:
    """What tests/firmware/umg1/umg1_encode reads."""
    payload = signals.schema.payload
    parts = [struct.pack("<I", len(payload)), payload]
    for channel in signals.schema.channels:
        values = signals.samples[channel.id].astype("<i8")
        parts += [struct.pack("<I", len(values)), values.tobytes()]
    return b"".join(parts)


def build(*command: str) -> bool:
    """Run a compiler; False, with its words on standard error, when it fails or is not there."""
    try:
        finished = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    except OSError as error:
        print(f"the firmware's encoder is left out: {error}", file=sys.stderr)
        return False
    if finished.returncode:
        print(f"the firmware's encoder is left out: {finished.stderr}", file=sys.stderr)
    return finished.returncode == 0


def instructions_per_sample(encoder: Path, folder: Path) -> float | None:
    """Instructions of the recorder (putting samples and closing frames) under callgrind, for ten minutes."""
    valgrind = shutil.which("valgrind")
    if valgrind is None:
        return None
    short = house(600)
    (folder / "short.in").write_bytes(encoder_input(short))
    recorder = "esphome::microgrid::Recorder::"
    subprocess.run(
        [
            valgrind,
            "--tool=callgrind",
            "--collect-atstart=no",
            f"--toggle-collect={recorder}put(*",
            f"--toggle-collect={recorder}close(*",
            f"--callgrind-out-file={folder / 'callgrind.out'}",
            encoder,
            folder / "short.in",
            folder / "short.umg1",
        ],
        check=True,
        capture_output=True,
    )
    found = re.search(r"^(?:summary|totals): (\d+)", (folder / "callgrind.out").read_text(), re.MULTILINE)
    if found is None or int(found[1]) == 0:
        return None
    return int(found[1]) / short.count


def recorder_memory(signals: Signals, folder: Path) -> tuple[int, int, int] | None:
    """Bytes of the open frames, of the finished frame and of the object."""
    compiler = os.environ.get("CXX") or shutil.which("g++") or shutil.which("c++")
    if compiler is None:
        return None
    sources = [str(path) for path in sorted((ROOT / "esphome/components/microgrid_core").glob("umg1_*.cpp"))]
    target = folder / "log_memory"
    if not build(
        compiler, "-std=c++20", "-O1", f"-I{ROOT}", "-o", str(target), "tests/bench/log_memory.cpp", *sources
    ):
        return None
    (folder / "schema").write_bytes(signals.schema.payload)
    told = subprocess.run(
        [target, folder / "schema"], check=True, capture_output=True, text=True
    ).stdout.split()
    return int(told[0]), int(told[1]), int(told[2])


# ---------------------------------------------------------------- report


def encoder_report(signals: Signals, folder: Path) -> tuple[list[str], Path | None]:
    """Lines about the firmware's encoder, and the log that it wrote."""
    if not build("bash", "tests/firmware/umg1/build.sh", "umg1_encode"):
        return ["The firmware's encoder could not be built here."], None
    encoder = ROOT / "build" / "umg1" / "umg1_encode"
    log = folder / "firmware.umg1"
    (folder / "day.in").write_bytes(encoder_input(signals))
    subprocess.run([encoder, folder / "day.in", log], check=True, capture_output=True)
    lines = []
    if (count := instructions_per_sample(encoder, folder)) is not None:
        lines.append(
            f"Encoder of the firmware: {count:.0f} instructions a sample (callgrind, host build); "
            f"at 166 samples a second {count * 166 / 1e3:.0f} thousand a second."
        )
    if (memory := recorder_memory(signals, folder)) is not None:
        total = sum(memory)
        lines.append(
            f"RAM of the encoder: {memory[0]} bytes for the open frames + {memory[1]} for the finished one + "
            f"{memory[2]} for the object = {total} (budget {RAM_BUDGET}): {judged(total <= RAM_BUDGET)}."
        )
    return lines, log


def size_table(signals: Signals, found: list[Size], bound: int) -> list[str]:
    """Sizes as a table, largest first."""
    seconds = len(signals.samples[1]) / 100
    lines = ["| format | MB per house-day | × UMG1 | |", "|---|---:|---:|---|"]
    ours = next(one.size for one in found if one.name.startswith("**UMG1"))
    for one in sorted(
        [*found, Size("order-0 entropy", bound, "bound, nothing but the samples")], key=lambda one: -one.size
    ):
        lines.append(
            f"| {one.name} | {one.size * DAY_S / seconds / 1e6:.2f} | {one.size / ours:.2f} | {one.remark} |"
        )
    return lines


def reading_table(found: list[Reading]) -> list[str]:
    """Reading times as a table."""
    lines = ["| reader | s | million samples/s | time × UMG1 |", "|---|---:|---:|---:|"]
    for one in found:
        rate = one.samples / one.seconds / 1e6
        lines.append(
            f"| {one.name} | {one.seconds:.2f} | {rate:.1f} | {one.seconds / found[0].seconds:.2f} |"
        )
    return lines


def measure(hours: float, folder: Path) -> str:
    """Return the report as Markdown."""
    signals = house(round(hours * 60) * 60)
    scale = len(signals.samples[1]) / 100 / DAY_S
    python_log = folder / "python.umg1"
    started = time.perf_counter()
    write_log(python_log, signals)
    python_s = time.perf_counter() - started
    encoder_lines, firmware_log = encoder_report(signals, folder)
    log = firmware_log or python_log
    if (count := read_umg1(log)) != signals.count:
        raise AssertionError(f"{log}: {count} samples of {signals.count}")
    mf4 = folder / "day.mf4"
    write_mf4(tables(open_log([log])), mf4)
    plain, packed = write_parquet(signals, folder, "none"), write_parquet(signals, folder, "zstd")
    used = sum(frame.size for frame in FileScan(log))
    bound = entropy_bound(signals)
    sizes = [
        Size("**UMG1**, file", log.stat().st_size, "frames with their times and checksums, padding"),
        Size("UMG1, frames alone", used, f"without {HEADER_SIZE} bytes of header and the padding"),
        Size(
            "UMG1, channel blocks alone",
            used - overhead(log),
            "the samples without headers: what the bound compares with",
        ),
        Size("raw 16-bit integers", 2 * signals.count, "nothing but the samples"),
        Size(
            "delta varint",
            sum(len(varints(block)) for block in blocks(signals)),
            "in the same blocks, nothing but the samples",
        ),
        Size("delta varint + zstd", varint_zstd(signals), "each frame compressed for itself"),
        Size("Gorilla", gorilla_size(signals), "doubles, one endless stream a channel"),
        Size("MDF4, transposed deflate", mf4.stat().st_size, "16-bit integers, doubles for the times"),
        Size(
            "Parquet, delta", sum(path.stat().st_size for path in plain), "no times, pages of the whole day"
        ),
        Size(
            "Parquet, delta + zstd",
            sum(path.stat().st_size for path in packed),
            "no times, pages of the whole day",
        ),
    ]
    readings = [
        fastest("**UMG1**, numpy", lambda: read_umg1(log)),
        fastest("Parquet, delta: pyarrow, one thread", lambda: read_parquet(plain, threads=False)),
        fastest("Parquet, delta + zstd: pyarrow, all threads", lambda: read_parquet(packed, threads=True)),
        fastest("MDF4: asammdf", lambda: read_mf4(mf4)),
    ]
    whole, blocks_alone = sizes[0].size, sizes[2].size
    machine = f"{os.cpu_count()} cores, {platform.machine()}"
    versions = f"Python {platform.python_version()}, numpy {np.__version__}, pyarrow {pa.__version__}"
    versions += f", asammdf {asammdf.__version__}"
    whole_day = readings[0].seconds / scale
    megabytes = sizes[0].size / scale / 1e6
    verdicts = [
        f"- House-day, lossless: {megabytes:.2f} MB (budget {SIZE_BUDGET_MB:g} MB): "
        f"{judged(megabytes <= SIZE_BUDGET_MB)}.",
        f"- The whole file, with headers, times and checksums that the bound does not have: "
        f"{whole / bound - 1:+.1%} of the order-0 bound (budget +{ABOVE_BOUND - 1:.0%}): "
        f"{judged(whole / bound <= ABOVE_BOUND)}. The channel blocks alone: {blocks_alone / bound - 1:+.1%}.",
        f"- Reading a day, warm: {whole_day:.2f} s (budget {DECODE_BUDGET_S:g} s): "
        f"{judged(whole_day <= DECODE_BUDGET_S)}.",
    ]
    return "\n".join(
        [
            f"{signals.count} samples of {len(signals.samples)} channels ({hours:g} h); {machine}; "
            f"{versions}; best of {RUNS} warm runs.",
            "",
            *size_table(signals, sizes, bound),
            "",
            *reading_table(readings),
            "",
            *verdicts,
            *[f"- {line}" for line in encoder_lines],
            f"- The Python encoder took {python_s / scale:.0f} s for a day.",
        ]
    )


def overhead(log: Path) -> int:
    """Bytes of frames that are not channel blocks: headers, spans, clock records, schema and the like."""
    total = 0
    for frame in FileScan(log):
        total += 44 + (12 if frame.flags & 1 else 0) + 4 if frame.blocks else frame.size
    return total


def judged(kept: bool) -> str:
    """A verdict."""
    return "kept" if kept else "**missed**"


def main() -> int:
    """Measure, print, and with --write put the tables into a page."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--hours", type=float, default=24)
    parser.add_argument(
        "--write", type=Path, metavar="PAGE", help=f"replace what stands between {BEGIN} and {END}"
    )
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="bench-log-") as folder:
        report = measure(arguments.hours, Path(folder))
    print(report)
    if arguments.write:
        page = arguments.write.read_text(encoding="utf-8")
        head, rest = page.split(BEGIN)
        _, tail = rest.split(END)
        arguments.write.write_text(f"{head}{BEGIN}\n{report}\n{END}{tail}", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
