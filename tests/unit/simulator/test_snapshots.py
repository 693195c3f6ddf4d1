"""What a twin answers to requests for its recordings: lists, chunks, resumption, nonsense."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings, strategies as st

from microgrid_core.contract.encode import snapshot_get_payload
from microgrid_core.contract.snapshot import (
    MAX_LISTED,
    SnapshotAssembly,
    SnapshotChunk,
    SnapshotGet,
    SnapshotList,
    SnapshotPart,
    SnapshotState,
    parse_snapshot_chunk,
    parse_snapshot_list,
)
from simulator.twins.recording import Kept
from simulator.twins.snapshots import CHUNK_BYTES, CHUNKS_A_ROUND, SnapshotShelf

MEASURED, TRAFFIC = SnapshotPart.MEASURED, SnapshotPart.TRAFFIC
BOTH = (MEASURED, TRAFFIC)
DATA = random.Random(1).randbytes(20 * CHUNK_BYTES + 17)


class Node:
    """A shelf and what went over its wire."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, bytes]] = []
        self.shelf = SnapshotShelf(lambda suffix, payload: self.sent.append((suffix, payload)))

    def ask(self, request: SnapshotGet) -> None:
        """Receive a request and send all of the answer."""
        self.shelf.asked(snapshot_get_payload(request))
        before = -1
        while before != len(self.sent):
            before = len(self.sent)
            self.shelf.send()
            assert len(self.sent) - before <= CHUNKS_A_ROUND

    def listed(self) -> SnapshotList:
        """What it says that it has."""
        self.ask(SnapshotGet())
        suffix, payload = self.sent[-1]
        assert suffix == "snapshot/list"
        found = parse_snapshot_list(payload)
        assert isinstance(found, SnapshotList), found
        return found

    def chunks(self) -> list[SnapshotChunk]:
        """All chunks that were sent since the last call."""
        found = []
        for suffix, payload in self.sent:
            chunk = parse_snapshot_chunk(suffix, payload)
            assert isinstance(chunk, SnapshotChunk), chunk
            found.append(chunk)
        self.sent.clear()
        return found


@pytest.fixture
def node() -> Node:
    """Somebody who has recorded a fault."""
    node = Node()
    node.shelf.record("fault:1", "F001", BOTH)
    kept = Kept(SnapshotState.COMPLETE, DATA)
    node.shelf.keep("fault:1", {MEASURED: kept, TRAFFIC: Kept(SnapshotState.PARTIAL, b"bus")})
    return node


def test_nothing_happened_and_the_list_says_so() -> None:
    assert Node().listed().snapshots == ()


def test_list_says_what_there_is_the_newest_first(node: Node) -> None:
    node.shelf.record("fault:2", "F010", (MEASURED,))
    assert [(one.event_id, one.code, one.part, one.state, one.bytes) for one in node.listed().snapshots] == [
        ("fault:2", "F010", MEASURED, SnapshotState.RECORDING, 0),
        ("fault:1", "F001", MEASURED, SnapshotState.COMPLETE, len(DATA)),
        ("fault:1", "F001", TRAFFIC, SnapshotState.PARTIAL, 3),
    ]


def test_an_object_comes_in_pieces_and_goes_on_where_it_was(node: Node) -> None:
    assembly = SnapshotAssembly("fault:1", MEASURED)
    asked = []
    while (first := assembly.missing()) is not None:
        asked.append(first)
        node.ask(SnapshotGet("fault:1", MEASURED, first, 8))
        for number, chunk in enumerate(node.chunks()):
            if (len(asked), number) != (1, 5):  # one is lost on its way
                assembly.take(chunk)
    assert assembly.result() == DATA
    assert asked == [0, 5, 13]


def test_what_was_left_of_an_earlier_answer_is_not_sent(node: Node) -> None:
    node.shelf.asked(snapshot_get_payload(SnapshotGet("fault:1", MEASURED, 0, 16)))
    node.shelf.send()
    node.sent.clear()
    node.ask(SnapshotGet("fault:1", MEASURED, 18, 16))
    assert [chunk.number for chunk in node.chunks()] == [18, 19, 20]


@pytest.mark.parametrize(
    ("event_id", "part", "state"),
    [
        ("fault:2", MEASURED, SnapshotState.RECORDING),
        ("fault:2", TRAFFIC, SnapshotState.UNKNOWN),
        ("fault:3", MEASURED, SnapshotState.UNKNOWN),
    ],
)
def test_what_is_not_there_is_said_to_be_so(
    node: Node, event_id: str, part: SnapshotPart, state: SnapshotState
) -> None:
    node.shelf.record("fault:2", "F010", (MEASURED,))
    node.ask(SnapshotGet(event_id, part))
    assert [(chunk.state, chunk.count, chunk.data) for chunk in node.chunks()] == [(state, 0, b"")]


def test_old_ones_make_room_and_a_list_stays_lawful(node: Node) -> None:
    for number in range(100):
        node.shelf.record(f"later:{number}", "F001", BOTH)
    assert len(node.listed().snapshots) <= MAX_LISTED
    node.sent.clear()
    node.shelf.keep("fault:1", {MEASURED: Kept(SnapshotState.COMPLETE, DATA)})  # too late
    node.shelf.drop("later:99")
    node.shelf.drop("never:1")
    assert node.listed().snapshots[0].event_id == "later:98"


@settings(max_examples=200, deadline=None)
@given(st.one_of(st.binary(max_size=300), st.just(b'{"event_id":"fault:1","first":4294967295}')))
def test_nonsense_is_not_answered(payload: bytes) -> None:
    node = Node()
    node.shelf.record("fault:1", "F001", BOTH)
    node.shelf.keep("fault:1", {MEASURED: Kept(SnapshotState.COMPLETE, DATA)})
    node.shelf.asked(payload)
    node.shelf.send()
    assert all(suffix == "snapshot/list" for suffix, _ in node.sent)
