"""Three readers of CAN messages agree: the firmware's C++, the integration's numpy, and cantools as judge."""

from __future__ import annotations

import json
import math
import os
import random
import subprocess
from pathlib import Path
from typing import Any

import cantools
import numpy as np
import pytest
from cantools.database.can import Database
from cantools.database.namedsignalvalue import NamedSignalValue

from microgrid_core.codec.can_dbc import BY_IDENTIFIER, decode, encode, gather, to_words
from script.generators import can_bus

ROOT = Path(__file__).resolve().parents[2]
HERE = Path(__file__).parent / "can"
VECTORS = ROOT / "contract" / "vectors" / "can" / "frames.json"
RANDOM_FRAMES = 300
"""Of each message."""


def build(*arguments: str) -> Path:
    """Build programs and return the folder they are in."""
    done = subprocess.run([HERE / "build.sh", *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return Path(done.stdout.strip())


@pytest.fixture(scope="module")
def judge() -> Database:
    """The DBC as cantools reads it."""
    database = cantools.database.load_file(ROOT / "contract" / "microgrid.dbc", frame_id_mask=0x7F0)
    assert isinstance(database, Database)
    return database


def in_cpp(frames: list[tuple[int, bytes]], *arguments: str) -> list[dict[str, Any]]:
    """What the generated C++ reads in frames."""
    program = build(*arguments, "dbc_round_trip") / "dbc_round_trip"
    lines = "".join(f"{identifier:x} {data.hex()}\n" for identifier, data in frames)
    done = subprocess.run([program], input=lines, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def by_judge(judge: Database, identifier: int, data: bytes) -> dict[str, float | None]:
    """Values by cantools; None for what is not available."""
    message = judge.get_message_by_frame_id(identifier)
    named = message.decode(data, decode_choices=True)
    plain = message.decode(data, decode_choices=False)
    assert isinstance(named, dict) and isinstance(plain, dict)
    return {
        name: None
        if isinstance(named[name], NamedSignalValue) and str(named[name]) == "not_available"
        else float(value)
        for name, value in plain.items()
        if isinstance(value, int | float)
    }


def random_frames(judge: Database) -> list[tuple[int, bytes]]:
    """Any bits in every message; groups that do not exist are left to the unit tests."""
    dice = random.Random(7)
    found = []
    for message in judge.messages:
        selector = next((one for one in message.signals if one.is_multiplexer), None)
        groups = sorted({group for one in message.signals for group in one.multiplexer_ids or ()})
        for _ in range(RANDOM_FRAMES):
            word = dice.getrandbits(8 * message.length)
            if selector is not None:
                mask = (1 << selector.length) - 1 << selector.start
                word = word & ~mask | dice.choice(groups) << selector.start
            found.append((message.frame_id | dice.randrange(16), word.to_bytes(message.length, "little")))
    dice.shuffle(found)
    return found


def assert_same(ours: float | None, theirs: float | None, precision: float, where: str) -> None:
    """Equal, or both unknown."""
    if theirs is None or ours is None:
        assert ours is None and theirs is None, where
    else:
        assert ours == pytest.approx(theirs, rel=precision, abs=1e-6), where


@pytest.mark.parametrize("sanitize", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_cpp_agrees_with_cantools(judge: Database, sanitize: bool) -> None:
    golden = json.loads(VECTORS.read_text())["frames"]
    frames = [(row["identifier"], bytes.fromhex(row["data"])) for row in golden]
    wanted_raw = [row["raw"] for row in golden]
    frames += (more := random_frames(judge))
    for identifier, data in more:
        plain = judge.get_message_by_frame_id(identifier).decode(data, decode_choices=False, scaling=False)
        assert isinstance(plain, dict)
        wanted_raw.append(plain)
    found = in_cpp(frames, *(["--sanitize"] if sanitize else []))
    assert len(found) == len(frames)
    for (identifier, data), raws, ours in zip(frames, wanted_raw, found, strict=True):
        where = f"{identifier:03x} {data.hex()}"
        message = judge.get_message_by_frame_id(identifier)
        assert (ours["message"], ours["node"]) == (message.name, identifier & 15)
        assert ours["cycle_ms"] == (message.cycle_time or 0)
        assert ours["raw"] == raws, where
        assert ours["same"], where
        theirs = by_judge(judge, identifier, data)
        for name, value in ours["value"].items():
            assert_same(value, theirs[name], 1e-6, f"{where} {name}")
        used = {
            bit
            for one in message.signals
            if one.name in raws
            for bit in range(one.start, one.start + one.length)
        }
        kept = int.from_bytes(data, "little") & sum(1 << bit for bit in used)
        assert int.from_bytes(bytes.fromhex(ours["packed"]), "little") == kept, where


def test_numpy_agrees_with_cantools(judge: Database) -> None:
    frames = random_frames(judge)
    identifiers = np.array([identifier for identifier, _ in frames], np.uint32)
    lengths = np.array([len(data) for _, data in frames], np.uint8)
    data = np.frombuffer(b"".join(data.ljust(8, b"\xff") for _, data in frames), np.uint8).reshape(-1, 8)
    seen = 0
    for batch in gather(identifiers, lengths, data):
        values = decode(batch.message, batch.words)
        for place, row in enumerate(batch.rows):
            identifier, one = frames[row]
            theirs = by_judge(judge, identifier, one)
            assert batch.nodes[place] == identifier & 15
            for name, column in values.items():
                value = None if math.isnan(column[place]) else float(column[place])
                assert_same(value, theirs.get(name), 1e-12, f"{identifier:03x} {one.hex()} {name}")
            seen += 1
    assert seen == len(frames)


def test_python_packs_as_cantools_does(judge: Database) -> None:
    packed = 0
    for identifier, data in random_frames(judge):
        message = BY_IDENTIFIER[identifier & 0x7F0]
        theirs = by_judge(judge, identifier, data)
        if any(
            value is not None
            and not (message.signal(name).minimum <= value <= message.signal(name).maximum and value < 2**53)
            for name, value in theirs.items()
        ):
            continue  # only what a sender may send
        again = by_judge(judge, identifier, encode(message, theirs))
        assert again == pytest.approx(theirs, rel=1e-12)
        packed += 1
    assert packed > 1000


def test_cpp_and_numpy_read_foreign_groups_alike() -> None:
    """A group of a later version: nothing is known but its number."""
    data = (0xF | 0x123456789ABCDE0).to_bytes(8, "little")
    (found,) = in_cpp([(0x523, data)])
    assert found["raw"] == {"counter_group": 15}
    words = to_words(np.frombuffer(data, np.uint8).reshape(1, 8))
    values = decode(BY_IDENTIFIER[0x520], words)
    assert {name for name, column in values.items() if not np.isnan(column).any()} == {"counter_group"}


@pytest.mark.parametrize(
    ("line", "wrong", "complaint"),
    [
        ("0|16@1- (0.001,50)", "0|16@1- (0.003,50)", "Frequency.inverter_frequency: the factor"),
        ("0|16@1- (0.001,50)", "7|16@0- (0.001,50)", "Frequency.inverter_frequency: is not a little-endian"),
        ("[17.233|82.767]", "[17.232|82.767]", "Frequency.inverter_frequency: a value in its range"),
        ("[17.233|82.767]", "[17.233|90]", "Frequency.inverter_frequency: the range"),
        ("BO_ 1792 ", "BO_ 2032 ", "BulkResponse: identifier"),
        ("BO_ 512 ", "BO_ 513 ", "Frequency: identifier"),
        ('"GenMsgCycleTime" BO_ 768 100', '"GenMsgCycleTime" BO_ 768 0', "Inverter: has a cycle time"),
        ('VAL_ 256 rank 0 "unsyn', 'VAL_ 256 rank 0 "un', "Master.rank: its names differ"),
    ],
)
def test_generator_refuses_what_it_cannot_express(line: str, wrong: str, complaint: str) -> None:
    text = (ROOT / "contract" / "microgrid.dbc").read_text()
    assert line in text
    old, new = line.removeprefix("BO_ ").strip(), wrong.removeprefix("BO_ ").strip()
    for prefix in ("CM_ BO_", "CM_ SG_", "VAL_", '"SentBy" BO_', '"GenMsgCycleTime" BO_'):
        text = text.replace(f"{prefix} {old} ", f"{prefix} {new} ")
    database = cantools.database.load_string(text.replace(line, wrong), "dbc")
    assert isinstance(database, Database)
    problems = list(can_bus.problems(database))
    assert any(problem.startswith(complaint) for problem in problems), problems


@pytest.mark.skipif(
    not os.environ.get("GTEST_HEADER") and not Path("/usr/include/gtest/gtest.h").exists(),
    reason="GoogleTest is missing: apt-get install libgtest-dev",
)
@pytest.mark.parametrize("sanitize", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_unit_tests_pass(sanitize: bool) -> None:
    program = build(*(["--sanitize"] if sanitize else []), "dbc_test") / "dbc_test"
    done = subprocess.run([program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-4000:]
