"""All that plays along in these tests, and the audit.

What lies on a node's card, up to what was acknowledged, lies in the archive, each frame once, unchanged and
in order.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Collection
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from microgrid_core.codec.can_dbc import GATEWAY
from microgrid_core.codec.umg1.content import content
from microgrid_core.codec.umg1.frame import Frame, Kind
from microgrid_core.codec.umg1.log import Log, log_files, open_log
from microgrid_core.codec.umg1.records import Boot
from microgrid_core.codec.umg1.segment import FileScan
from script.lab.broker import Broker
from script.lab.firmware import FirmwareNode
from tests.cluster.cluster import Cluster
from tests.cluster.home import Home, Position, wait_until


@dataclass(slots=True)
class Stage:
    """All that plays along."""

    broker: Broker
    home: Home
    cluster: Cluster

    @property
    def nodes(self) -> dict[str, FirmwareNode]:
        """By name, the gateway first."""
        return {node.node: node for _, node in sorted(self.cluster.nodes.items())}

    @property
    def gateway(self) -> FirmwareNode:
        """Who speaks for all."""
        return self.cluster.nodes[GATEWAY]


def stop(node: FirmwareNode) -> None:
    """Let it end by itself."""
    asyncio.run(node.stop(5.0))


def frames_by_position(log: Log) -> dict[Position, Frame]:
    """Return all frames in the order of the log."""
    return {(frame.boot_id, frame.seq): frame for frame in log.frames()}


def on_card(node: FirmwareNode) -> dict[Position, Frame]:
    """Return what lies on a node's card now."""
    return frames_by_position(open_log([node.card / "log.umg"]))


def archived(stage: Stage, name: str) -> dict[Position, Frame]:
    """Return what the archive has of a node, each frame of it once."""
    with stage.home.at_rest():  # the files are read more than once
        files = log_files([stage.home.archive.folder / "log" / name])
        log = open_log(files)
        assert not log.damaged and not log.malformed
        # Every file begins with the schemas that were known before it.
        lying = sum(frame.kind != Kind.SCHEMA for path in files for frame in FileScan(path))
        assert lying == int(np.sum(log.index["kind"] != Kind.SCHEMA)), f"{name}: the archive has frames twice"
        return frames_by_position(log)


def boots_of(stage: Stage, name: str) -> set[int]:
    """Return the starts of a node of which anything arrived."""
    return {boot_id for boot_id, _ in stage.home.arrived[name]}


def await_new_boot(stage: Stage, name: str, before: Collection[int]) -> None:
    """Wait until the log of another start arrives."""
    wait_until(lambda: bool(boots_of(stage, name) - set(before)), f"the log of {name}", 60.0)


def assert_complete(
    stage: Stage,
    names: Collection[str] = (),
    *,
    lost: Collection[Position] = (),
    chained: bool = True,
    timeout_s: float = 60.0,
) -> float:
    """Wait until the archive has what lies on the cards (of all nodes) now; return the seconds that it took.

    Nothing is missing but what is `lost`, nothing changed, double or out of order.
    """
    began = time.monotonic()
    cards = {name: on_card(stage.nodes[name]) for name in names or stage.nodes}

    def behind() -> list[str]:
        found = []
        for name, frames in cards.items():
            boot_id, seq = list(frames)[-1]
            place = stage.home.acknowledged(name, boot_id)
            if place is None or place < seq:
                found.append(f"{name}: {place}, its card has {seq} of boot {boot_id:08x}")
        return found

    end = began + timeout_s
    while left := behind():
        assert time.monotonic() < end, f"after {timeout_s:g} s not acknowledged: {'; '.join(left)}"
        time.sleep(0.2)
    took = time.monotonic() - began
    for name, card in cards.items():
        frames = archived(stage, name)
        missing = [place for place in card if place not in frames]
        assert not missing, f"{name}: {len(missing)} frames of the card are not in the archive: {missing[:5]}"
        changed = [place for place, frame in card.items() if frames[place].encode() != frame.encode()]
        assert not changed, f"{name}: differ from the card: {changed[:5]}"
        boots = {boot_id for boot_id, _ in card}
        now = on_card(stage.nodes[name])
        invented = {place for place in frames if place[0] in boots and place not in now}
        assert not chained or not invented, f"{name}: were never on the card: {invented}"
        for boot in stage.home.archive.coverage(name).boots:
            gone = {(boot.boot_id, seq) for first, last in boot.lost for seq in range(first, last + 1)}
            assert not boot.missing and gone <= set(lost), f"{name}: {boot}"
        assert_order(stage, name, lost)
        if chained:
            assert_chain(stage, name, frames, boots)
    return took


def assert_order(stage: Stage, name: str, lost: Collection[Position] = ()) -> None:
    """The log came in the order in which it was written."""
    ended = set[int]()
    for before, after in pairwise(stage.home.arrived[name]):
        if before[0] == after[0]:
            skipped = {(before[0], seq) for seq in range(before[1] + 1, after[1])}
            assert before[1] < after[1], f"{name}: {before} was followed by {after}"
            assert skipped <= set(lost), f"{name}: {before} was followed by {after}"
        else:
            ended.add(before[0])
            assert after[0] not in ended, f"{name}: boot {after[0]:08x} came in pieces"
            assert after[1] == 0, f"{name}: the first of boot {after[0]:08x} is {after[1]}"


def assert_chain(stage: Stage, name: str, frames: dict[Position, Frame], boots: Collection[int]) -> None:
    """Each of these boots says which one was before, and with which frame that one ended."""
    last = {boot_id: seq for boot_id, seq in stage.home.arrived[name] if boot_id in boots}
    told = {frame.boot_id: record for frame in frames.values() if isinstance(record := content(frame), Boot)}
    for before, after in pairwise(last):
        record = told[after]
        assert record.previous_boot_id == before, f"{name}: {after:08x} knows not of {before:08x}"
        assert record.previous_next_seq == last[before] + 1, f"{name}: boot {before:08x} lost its end"


def assert_logs_go_on(stage: Stage) -> None:
    """What houses measure now arrives.

    It need not be of the boot of which something came last: of a house that was just started anew nothing of
    its new boot may be here yet.
    """
    houses = [node for node in stage.nodes.values() if node != stage.gateway]
    written = {node.node: archived(stage, node.node).keys() | on_card(node).keys() for node in houses}

    def without_news() -> list[str]:
        return [
            name
            for name, before in written.items()
            if not any(
                frame.kind == Kind.FAST and place not in before
                for place, frame in archived(stage, name).items()
            )
        ]

    wait_until(lambda: not without_news(), "samples of all houses", 120.0, 1.0)
