"""Sinks read everything once, in the order of arrival, at their own pace."""

from __future__ import annotations

import random

import pytest

from microgrid_core.archive.cursors import Cursor, Place
from microgrid_core.codec.umg1.frame import Frame

from .conftest import Disk
from .logs import DAY_US, Node


def drain(sink: Cursor, node: str, max_bytes: int) -> list[Frame]:
    """Read all that waits."""
    found: list[Frame] = []
    while (delivery := sink.read(node, max_bytes)) is not None:
        found += delivery.frames
        sink.advance(node, delivery.place)
    return found


@pytest.mark.parametrize("max_bytes", [1, 700, 1 << 20])
def test_every_frame_is_read_once_in_the_order_of_arrival(disk: Disk, max_bytes: int) -> None:
    rng = random.Random(3)
    node = Node()
    frames = [*node.start(), *node.minutes(12)]
    arriving = rng.sample(frames, len(frames))
    archive = disk.open(segment_bytes=3000)
    seen: list[Frame] = []
    at = 0
    while at < len(arriving):
        count = rng.randrange(1, 12)
        archive.append("h1", arriving[at : at + count] + arriving[: at // 2])
        at += count
        if rng.random() < 0.3:
            archive = disk.open(segment_bytes=3000)
        if rng.random() < 0.5:
            seen += drain(archive.cursor("influx"), "h1", max_bytes)
        disk.now_us += DAY_US // 10
    seen += drain(archive.cursor("influx"), "h1", max_bytes)
    assert [frame.seq for frame in seen] == [frame.seq for frame in arriving]


def test_what_was_not_confirmed_comes_again(disk: Disk) -> None:
    node = Node()
    archive = disk.open()
    archive.append("h1", [*node.start(), *node.minutes(1)])
    sink = archive.cursor("influx")
    first, second = sink.read("h1"), disk.open().cursor("influx").read("h1")
    assert first is not None
    assert second is not None
    assert first.place == second.place
    assert first.frames == second.frames


def test_sinks_and_nodes_are_independent(disk: Disk) -> None:
    archive = disk.open()
    one, two = archive.cursor("one"), archive.cursor("two")
    for name in ("h1", "h2"):
        archive.append(name, [*(node := Node()).start(), *node.minutes(1)])
    for delivery in one.deliveries():
        one.advance(delivery.node, delivery.place)
    assert list(one.deliveries()) == []
    assert [delivery.node for delivery in two.deliveries()] == ["h1", "h2"]
    assert one.behind() == {}
    assert set(two.behind()) == {"h1", "h2"}
    assert two.behind()["h1"] == sum(frame.size for frame in next(two.deliveries()).frames)


def test_a_cursor_never_goes_back_and_knows_its_nodes(disk: Disk) -> None:
    archive = disk.open()
    archive.append("h1", Node().start())
    sink = archive.cursor("influx")
    delivery = sink.read("h1")
    assert delivery is not None
    sink.advance("h1", delivery.place)
    sink.advance("h1", Place(0, 0))
    assert sink.place("h1") == delivery.place
    with pytest.raises(ValueError, match="unknown"):
        sink.advance("h9", delivery.place)
    assert sink.read("h9") is None
