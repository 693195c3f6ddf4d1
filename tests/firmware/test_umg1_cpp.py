"""The C++ side of the log format: its unit tests, its host programs, and a writer killed over and over."""

from __future__ import annotations

import json
import os
import random
import shutil
import struct
import subprocess
import time
import zlib
from collections import defaultdict
from pathlib import Path

import pytest

HERE = Path(__file__).parent / "umg1"
SLOTS = "64"  # of 64 kB: the killed writers together stay below one round of the ring
MISSING = -(2**63)


def build(*arguments: str) -> Path:
    """Build programs and return the folder they are in."""
    done = subprocess.run([HERE / "build.sh", *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return Path(done.stdout.strip())


@pytest.fixture(scope="module")
def programs() -> Path:
    """Folder of the host programs."""
    return build("umg1_encode", "umg1_decode", "umg1_writer", "umg1_vectors")


needs_gtest = pytest.mark.skipif(
    not os.environ.get("GTEST_HEADER") and not Path("/usr/include/gtest/gtest.h").exists(),
    reason="GoogleTest is missing: apt-get install libgtest-dev",
)


@needs_gtest
def test_unit_tests_pass() -> None:
    done = subprocess.run([build("umg1_tests") / "umg1_tests"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-4000:]


@needs_gtest
@pytest.mark.slow
def test_unit_tests_pass_under_sanitizers() -> None:
    program = build("--sanitize", "umg1_tests") / "umg1_tests"
    done = subprocess.run([program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, (done.stdout + done.stderr)[-4000:]


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("clang++") is None, reason="libFuzzer is missing: apt-get install clang")
def test_fuzzer_finds_nothing(tmp_path: Path) -> None:
    """MICROGRID_FUZZ_S: how long (default 60 s); new inputs are kept in build/umg1-corpus."""
    folder = build("--fuzz")
    kept = folder.parent / "umg1-corpus"
    kept.mkdir(exist_ok=True)
    seconds = os.environ.get("MICROGRID_FUZZ_S", "60")
    command: list[str | Path] = [
        folder / "umg1_fuzz",
        f"-max_total_time={seconds}",
        "-max_len=20000",
        "-timeout=5",
        kept,
        HERE / "corpus",
    ]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-4000:]


def test_vectors_are_the_same_on_every_run(programs: Path, tmp_path: Path) -> None:
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
        subprocess.run([programs / "umg1_vectors", tmp_path / name], check=True)
    files = sorted(path.name for path in (tmp_path / "first").iterdir())
    assert files
    for file in files:
        assert (tmp_path / "first" / file).read_bytes() == (tmp_path / "second" / file).read_bytes()


def _text(value: str) -> bytes:
    return bytes([len(value.encode())]) + value.encode()


def test_samples_come_back_from_the_programs(programs: Path, tmp_path: Path) -> None:
    """Samples → umg1_encode → umg1_decode → the same samples, at their times."""
    dice = random.Random(1)
    channels = [
        (1, "frequency", 10_000, 1, 2),
        (2, "current", 100_000, 1, 4),
        (9, "temperature", 1_000_000, 0, 1),
    ]
    schema = bytes([1]) + _text("house_1") + _text("") + bytes([len(channels)])
    truth: dict[int, list[int | None]] = {}
    data = b""
    for identifier, name, period_us, group, width in channels:
        schema += bytes([identifier]) + _text(name) + _text("")
        schema += struct.pack("<ibiIBB", 1, 0, 0, period_us, group, width)
        limit = 2 ** (8 * width - 1)
        count = 120_000_000 // period_us
        values = [None if dice.random() < 0.05 else dice.randrange(-limit, limit) for _ in range(count)]
        truth[identifier] = values
        data += struct.pack("<I", count) + struct.pack(
            f"<{count}q", *(MISSING if v is None else v for v in values)
        )
    (tmp_path / "in").write_bytes(struct.pack("<I", len(schema)) + schema + data)
    subprocess.run(
        [programs / "umg1_encode", tmp_path / "in", tmp_path / "out"], check=True, capture_output=True
    )
    decoded = subprocess.run(
        [programs / "umg1_decode", tmp_path / "out"], check=True, capture_output=True, text=True
    )
    found: dict[int, list[int | None]] = defaultdict(list)
    for number, line in enumerate(decoded.stdout.splitlines()):
        frame = json.loads(line)
        assert frame["seq"] == number
        assert frame["schema_hash"] == zlib.crc32(schema)
        for identifier, values in frame.get("channels", {}).items():
            period_us = next(c[2] for c in channels if c[0] == int(identifier))
            assert frame["mono_us"] == 1_000_000 + len(found[int(identifier)]) * period_us
            found[int(identifier)] += values
    assert found == truth


def _kill_loop(programs: Path, medium: Path, kills: int) -> None:
    """Kill the writer at random moments; nothing that it called durable may be missing afterwards."""
    dice = random.Random(2)
    written: dict[int, int] = {}
    previous = (0, 0)
    acknowledged = 0
    for _ in range(kills):
        writer = subprocess.Popen(
            [programs / "umg1_writer", "write", medium, SLOTS], stdout=subprocess.PIPE, text=True
        )
        assert writer.stdout is not None
        words = writer.stdout.readline().split()
        time.sleep(dice.random() * 0.02)
        writer.kill()
        lines = [line.split() for line in writer.stdout if line.endswith("\n")]
        writer.stdout.close()
        writer.wait()
        assert words[:1] == ["boot"], "the log could not be opened after a kill"
        boot = int(words[1])
        # The boot before ended at its last good frame, whether that was acknowledged or not.
        assert int(words[3]) == previous[0]
        assert int(words[4]) >= previous[1]
        written[boot] = max([1, *(int(line[1]) for line in lines if line[0] == "durable")])
        previous = (boot, written[boot] + 1)
        lost = [line for line in lines if line[0] == "lost"]
        if lost:  # the ring came round: older boots may be gone, and this one's beginning
            written = {boot: written[boot]}

        read = subprocess.run(
            [programs / "umg1_writer", "read", medium, SLOTS], capture_output=True, text=True, check=False
        )
        assert read.returncode == 0, read.stdout[-200:]
        found: dict[int, set[int]] = defaultdict(set)
        for line in read.stdout.splitlines():
            frame = line.split()
            found[int(frame[1])].add(int(frame[2]))
        for boot_id, durable in written.items():
            begin = min(found[boot_id], default=durable + 1) if lost else 0
            missing = set(range(begin, durable + 1)) - found[boot_id]
            assert not missing, f"boot {boot_id}: {sorted(missing)[:5]} of {durable} are gone"
        acknowledged += written[boot] - 1
    assert acknowledged > kills, "the writer was killed before it wrote anything: the test proves nothing"


def test_kill_9_loses_nothing_acknowledged(programs: Path, tmp_path: Path) -> None:
    """MICROGRID_KILLS: how often (default 30)."""
    _kill_loop(programs, tmp_path / "medium", int(os.environ.get("MICROGRID_KILLS", "30")))


@pytest.mark.slow
def test_300_kills_lose_nothing_acknowledged(programs: Path, tmp_path: Path) -> None:
    _kill_loop(programs, tmp_path / "medium", 300)
