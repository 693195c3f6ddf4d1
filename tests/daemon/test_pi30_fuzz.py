"""Mutated frames through reader, decoder, settings and metrics: nothing raises, nothing false comes out."""

from __future__ import annotations

import json
import random
import time
from pathlib import Path

import pytest

from microgrid_core.model.guard import plausible
from microgrid_core.model.mpp_inverter import MPP_INVERTER
from microgrid_daemon.pi30 import crc, framing, warnings
from microgrid_daemon.pi30.decode import Reply, decode
from microgrid_daemon.pi30.forms import Values
from microgrid_daemon.pi30.metrics import measure
from microgrid_daemon.pi30.models import PROFILES, Family
from microgrid_daemon.pi30.rejection import Rejection
from microgrid_daemon.pi30.settings import SETTINGS, Known, value_of
from microgrid_daemon.pi30.table import Layout

_VECTORS = json.loads((Path(__file__).parent / "vectors" / "pi30.json").read_text(encoding="utf-8"))
_SEEDS = [(vector["command"], bytes.fromhex(vector["frame"])) for vector in _VECTORS["accepted"]]
_PIECES = (
    b" ",
    b"-",
    b".",
    b"(",
    b"\r",
    b"\n",
    b"\x00",
    b"E",
    b"D",
    b"9" * 30,
    b"1e9",
    b"nan",
    b"\xff",
    b"  ",
)


def _mutated(chance: random.Random, frame: bytes) -> bytes:
    """Change some bytes; mostly with a checksum that fits again, so that the payload is read."""
    message = bytearray(frame[1:-3])
    for _ in range(chance.randrange(1, 6)):
        place = chance.randrange(len(message) + 1)
        match chance.randrange(5):
            case 0:
                message[place:place] = chance.choice(_PIECES)
            case 1:
                del message[place : place + chance.randrange(1, 6)]
            case 2 if place < len(message):
                message[place] = chance.randrange(256)
            case 3:
                words = message.split(b" ")
                chance.shuffle(words)
                message = bytearray(b" ".join(words))
            case _:
                other = chance.choice(_SEEDS)[1]
                message[place:] = other[min(place, len(other)) : -3]
    start = b"(" + bytes(message)
    if chance.random() < 0.75:
        return start + crc.checksum(start) + b"\r"
    return bytes(message) + frame[-3:]


def _fuzz(chance: random.Random, duration_s: float) -> tuple[int, int]:
    """Feed for a while; returns how many frames were read and refused."""
    reader, end = framing.FrameReader(), time.monotonic() + duration_s
    read = refused = 0
    while time.monotonic() < end:
        replies: dict[str, Values] = {}
        for _ in range(20):
            command, seed = chance.choice(_SEEDS)
            layout = chance.choice(list(Layout))
            for frame in reader.feed(_mutated(chance, seed)):
                answer = frame if isinstance(frame, Rejection) else decode(command, frame, layout)
                if isinstance(answer, Reply):
                    replies[command] = answer.values
                    read += 1
                else:
                    assert answer.detail
                    refused += 1
        profile = chance.choice(PROFILES)
        for key, value in measure(replies, profile).values.items():
            assert plausible(MPP_INVERTER.by_key[key], value) is not None
        warnings.interpret(replies.get("QPIWS", {}), chance.choice([*Family, None]))
        known = Known(profile, replies)
        for key in SETTINGS:
            value_of(key, known)
    return read, refused


def test_mutated_frames_do_no_harm() -> None:
    read, refused = _fuzz(random.Random(20261122), 2.0)
    assert read > 200
    assert refused > 200


@pytest.mark.slow
@pytest.mark.timeout(700)
def test_ten_minutes_of_mutated_frames_do_no_harm() -> None:
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    read, refused = _fuzz(random.Random(seed), 600.0)
    print(f"{read} frames read, {refused} refused")
