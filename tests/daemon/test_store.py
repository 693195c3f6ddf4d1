"""The daemon's file: order, weight and room of the outbox; damage, versions, counters."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from microgrid_daemon.store import MOST_SAID, SAID_S, Store, StoreError, Weight


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """A file with room for ten readings."""
    found = Store(tmp_path / "state.db", most_telemetry=10)
    yield found
    found.close()


def test_messages_leave_in_their_order(store: Store) -> None:
    store.post([("a", b"1"), ("b", b"2")], Weight.TELEMETRY)
    store.post([("c", b"3")], Weight.PROMISE)
    first, second, third = store.waiting(0, 10)
    assert [(one.topic, one.payload) for one in (first, second, third)] == [
        ("a", b"1"),
        ("b", b"2"),
        ("c", b"3"),
    ]
    assert store.waiting(first.id, 1) == [second]
    store.sent([first.id, third.id])
    assert store.waiting(0, 10) == [second]
    assert store.depth() == 1


def test_numbers_are_never_used_twice(store: Store) -> None:
    """A late confirmation must not delete another message."""
    store.post([("a", b"1")], Weight.PROMISE)
    (old,) = store.waiting(0, 10)
    store.sent([old.id])
    store.post([("a", b"2")], Weight.PROMISE)
    (new,) = store.waiting(0, 10)
    assert new.id > old.id


def test_when_room_is_short_the_oldest_readings_go_and_no_promise(store: Store) -> None:
    store.post([("ack", b"first")], Weight.PROMISE)
    for number in range(25):
        store.post([("live", str(number).encode())], Weight.TELEMETRY)
    assert [one.payload for one in store.waiting(0, 100)] == [
        b"first",
        *(str(number).encode() for number in range(15, 25)),
    ]
    assert store.counted("dropped") == 15


def test_nothing_of_a_failed_transaction_stays(store: Store) -> None:
    with pytest.raises(RuntimeError), store.transaction():
        store.post([("a", b"1")], Weight.PROMISE)
        store.count("tries")
        raise RuntimeError
    assert (store.depth(), store.counted("tries")) == (0, 0)


def test_answers_can_be_said_again_for_two_days(tmp_path: Path) -> None:
    now_s = 1_000_000.0
    store = Store(tmp_path / "state.db", wall_s=lambda: now_s)
    store.post([("ack", b"1"), ("event", b"2"), ("ack", b"3"), ("result", b"4")], Weight.PROMISE)
    assert store.said(["ack", "result"], 0, 10) == [], "the broker has none of them"
    store.sent([one.id for one in store.waiting(0, 10)], ["ack", "result"])
    assert store.depth() == 0
    first, *rest = store.said(["ack", "result"], 0, 10)
    assert [one.payload for one in (first, *rest)] == [b"1", b"3", b"4"]
    assert store.said(["ack"], first.id, 1) == [rest[0]]
    now_s += 24 * 3600.0
    store.post([("ack", b"1")], Weight.PROMISE)
    store.sent([one.id for one in store.waiting(0, 10)], ["ack", "result"])
    assert [one.payload for one in store.said(["ack"], 0, 10)] == [b"3", b"1"], "each once"
    store.close()
    store = Store(tmp_path / "state.db", wall_s=lambda: now_s)
    now_s += SAID_S - 3600.0
    assert [one.payload for one in store.said(["ack", "result"], 0, 10)] == [b"1"], "also after a restart"
    store.close()


def test_no_more_answers_are_kept_than_there_is_room_for(store: Store) -> None:
    for first in range(0, 3 * MOST_SAID, 100):
        store.post([("ack", str(number).encode()) for number in range(first, first + 100)], Weight.PROMISE)
        store.sent([one.id for one in store.waiting(0, 1000)], ["ack"])
    said = [int(one.payload) for one in store.said(["ack"], 0, 10_000)]
    assert said == list(range(2 * MOST_SAID, 3 * MOST_SAID)), "the newest"


def test_what_was_written_is_there_after_a_restart(tmp_path: Path) -> None:
    store = Store(tmp_path / "state.db")
    store.post([("a", b"1")], Weight.PROMISE)
    store.count("starts", 3)
    store.close()
    again = Store(tmp_path / "state.db")
    assert (again.depth(), again.counted("starts"), again.moved_aside) == (1, 3, None)
    again.close()


def test_a_damaged_file_is_moved_aside(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    for number in (1, 2):
        path.write_bytes(b"no database at all " * 100)
        store = Store(path)
        assert store.moved_aside == tmp_path / f"state.db.damaged-{number}"
        assert store.moved_aside.read_bytes().startswith(b"no database")
        store.post([("a", b"1")], Weight.PROMISE)
        assert store.depth() == 1
        store.close()


def test_damage_in_the_middle_is_found(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    store = Store(path)
    store.post([("a", bytes(4000))] * 20, Weight.PROMISE)
    store.close()
    content = bytearray(path.read_bytes())
    content[4096 * 3 : 4096 * 12] = b"\xa5" * 4096 * 9
    path.write_bytes(content)
    again = Store(path)
    assert again.moved_aside is not None
    assert again.depth() == 0
    again.close()


def test_a_later_version_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    Store(path).close()
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA user_version = 99")
    connection.close()
    with pytest.raises(StoreError, match="version 99, this release knows 1"):
        Store(path)


def test_a_folder_that_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="check the folder"):
        Store(tmp_path / "nowhere" / "state.db")
