"""Chunks of snapshots: golden vectors, hostile bytes, and objects put together again."""

from __future__ import annotations

import random
import zlib
from typing import Any

import pytest
from hypothesis import given, strategies as st

from microgrid_core.contract.encode import snapshot_chunk_payload
from microgrid_core.contract.reading import Rejection
from microgrid_core.contract.snapshot import (
    SnapshotAssembly,
    SnapshotChunk,
    SnapshotPart,
    SnapshotState,
    parse_snapshot_chunk,
)
from microgrid_core.contract.topics import snapshot_chunk
from tests.unit.core.contract.vectors import as_json, load, name_of, payload_of

EVENT_ID = "north.3:5f2a10c4:17"


@pytest.mark.parametrize("case", load("snapshot-chunk")["accepted"], ids=name_of)
def test_golden_chunks_are_read_and_written(case: dict[str, Any]) -> None:
    chunk = parse_snapshot_chunk(case["suffix"], payload_of(case))
    assert isinstance(chunk, SnapshotChunk), chunk
    assert as_json(chunk) | {"data": chunk.data.hex()} == case["parsed"]
    assert snapshot_chunk(chunk.event_id, chunk.number) == case["suffix"]
    if case.get("round_trip"):
        assert snapshot_chunk_payload(chunk) == payload_of(case)


@pytest.mark.parametrize("case", load("snapshot-chunk")["refused"], ids=name_of)
def test_bad_chunks_say_why(case: dict[str, Any]) -> None:
    refusal = parse_snapshot_chunk(case["suffix"], payload_of(case))
    assert isinstance(refusal, Rejection)
    assert refusal.reason == case["reason"]
    assert refusal.detail


@given(st.binary(max_size=64), st.sampled_from(["snapshot/a/0", "snapshot/a/1", "snapshot/\n/0", "x"]))
def test_no_bytes_raise(payload: bytes, suffix: str) -> None:
    assert isinstance(parse_snapshot_chunk(suffix, payload), (Rejection, SnapshotChunk))


@given(st.integers(0, 2**16), st.integers(0, 7), st.binary(min_size=1, max_size=400), st.integers(1, 150))
def test_a_damaged_chunk_is_refused_or_still_makes_sense(at: int, bit: int, data: bytes, size: int) -> None:
    payload = bytearray(snapshot_chunk_payload(chunks_of(data, size)[0]))
    payload[at % len(payload)] ^= 1 << bit
    read = parse_snapshot_chunk(f"snapshot/{EVENT_ID}/0", bytes(payload))
    assert isinstance(read, Rejection) or len(read.data) <= read.object_bytes


def chunks_of(data: bytes, size: int, crc: int | None = None) -> list[SnapshotChunk]:
    """Return an object as a node sends it."""
    pieces = [data[start : start + size] for start in range(0, len(data), size)]
    return [
        SnapshotChunk(
            EVENT_ID,
            SnapshotPart.MEASURED,
            SnapshotState.COMPLETE,
            number,
            len(pieces),
            len(data),
            zlib.crc32(data) if crc is None else crc,
            piece,
        )
        for number, piece in enumerate(pieces)
    ]


@given(st.binary(min_size=1, max_size=2000), st.integers(1, 700), st.randoms(use_true_random=False))
def test_an_object_comes_together_in_any_order(data: bytes, size: int, dice: random.Random) -> None:
    assembly = SnapshotAssembly(EVENT_ID, SnapshotPart.MEASURED)
    assert assembly.missing() == 0
    chunks = chunks_of(data, size)
    dice.shuffle(chunks)
    for taken, chunk in enumerate([*chunks, chunks[0]]):
        assert (assembly.result() is None) == (taken < len(chunks))
        read = parse_snapshot_chunk(snapshot_chunk(EVENT_ID, chunk.number), snapshot_chunk_payload(chunk))
        assert isinstance(read, SnapshotChunk), read
        assert assembly.take(read)
    assert assembly.missing() is None
    assert assembly.result() == data


def test_another_object_begins_anew() -> None:
    assembly = SnapshotAssembly(EVENT_ID, SnapshotPart.MEASURED)
    for chunk in chunks_of(b"first try", 4)[:2]:
        assembly.take(chunk)
    for chunk in reversed(chunks_of(b"second try", 4)):
        assembly.take(chunk)
    assert assembly.result() == b"second try"


def test_an_object_with_a_wrong_crc_is_fetched_again() -> None:
    assembly = SnapshotAssembly(EVENT_ID, SnapshotPart.MEASURED)
    for chunk in chunks_of(b"garbled", 4, crc=1):
        assembly.take(chunk)
    assert assembly.result() is None
    assert assembly.missing() == 0


def test_chunks_of_others_are_left_out() -> None:
    assembly = SnapshotAssembly(EVENT_ID, SnapshotPart.TRAFFIC)
    assert not assembly.take(chunks_of(b"x", 4)[0])
    waiting = SnapshotChunk(EVENT_ID, SnapshotPart.TRAFFIC, SnapshotState.RECORDING, 0, 0, 0, 0, b"")
    assert not assembly.take(waiting)
    assert assembly.missing() == 0
