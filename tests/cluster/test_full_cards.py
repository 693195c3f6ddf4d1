"""A node whose card is full lives on, and writes down later what its memory could hold."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from microgrid_core.archive.query import ArchivedEvent
from microgrid_core.contract.messages import EventState
from script.lab.broker import find_mosquitto
from script.lab.firmware import FirmwareNode
from tests.cluster.home import wait_until
from tests.cluster.stage import Stage, assert_complete, assert_logs_go_on, await_new_boot, boots_of, stop

CARD_FAILING = 2
NO_ROOM_S = 15.0
LONG_NO_ROOM_S = 300.0
MEMORY_LASTS_S = 120.0
"""At least: of a quiet house it lasts longer."""
FULL_CARD = """
card=$1 room=$2
shift 2
mount -t tmpfs -o size=80m tmpfs "$card" && head -c 76M /dev/zero >"$card/others" || exit 1
(until [ -e "$room" ]; do sleep 0.2; done; rm "$card/others") &
exec "$@"
"""
RAISED = 1
"""State of an event in the log."""

pytestmark = pytest.mark.skipif(find_mosquitto() is None, reason="Mosquitto is missing: run script/bootstrap")


@contextmanager
def full_card(stage: Stage, node: FirmwareNode, folder: Path) -> Iterator[Path]:
    """Start a node on a file system of its own, which others filled; yields the file to touch for room."""
    if subprocess.run(["unshare", "-rm", "true"], check=False).returncode != 0:
        pytest.skip("this machine lets nobody mount a file system of their own (unshare -rm)")
    room = folder / "make-room"
    stop(node)
    command = node.command
    node.command = ["unshare", "-rm", "sh", "-c", FULL_CARD, "sh", str(node.card), str(room), *command]
    try:
        node.start()
        yield room
    finally:
        room.touch()
        stop(node)
        node.command = command
        node.start()


def assert_logged(stage: Stage, name: str, boot_id: int) -> tuple[tuple[int, int], ...]:
    """Wait until a start's CARD_FAILED is archived, and its end; return what it lost, all of it told."""
    home = stage.home

    def events(code: str) -> list[ArchivedEvent]:
        return [event for event in home.archive.events(name, codes=[code]) if event.boot_id == boot_id]

    wait_until(lambda: len(events("CARD_FAILED")) >= 2, f"CARD_FAILED of {name} in the archive", 60.0)
    (boot,) = (boot for boot in home.archive.coverage(name).boots if boot.boot_id == boot_id)
    told = [event.event.lost for event in events("OVERFLOW")]
    assert not boot.missing
    assert list(boot.lost) == [(lost.first_seq, lost.last_seq) for lost in told if lost is not None]
    return boot.lost


@pytest.mark.parametrize(
    "seconds",
    [NO_ROOM_S, pytest.param(LONG_NO_ROOM_S, marks=pytest.mark.slow)],
    ids=lambda seconds: f"{seconds:g} s",
)
def test_a_house_without_room_for_its_log_lives_on(stage: Stage, tmp_path: Path, seconds: float) -> None:
    """It says so in its Heartbeat, and writes down later what its memory could hold."""
    home, node = stage.home, stage.nodes["house-04"]
    before = boots_of(stage, node.node)
    with full_card(stage, node, tmp_path) as room:
        time.sleep(seconds)
        states = [beat["card_state"] for beat in stage.cluster.watch(3.0).values("Heartbeat", 4)]
        assert len(states) >= 2 and set(states) == {CARD_FAILING}
        lives = home.of(stage.gateway.node, "live", time.monotonic() - 3.0)
        assert len(lives) >= 2 and all(node.node in heard.message.nodes for heard in lives)
        assert lives[-1].message.nodes[node.node].values["inverter_voltage"] is not None
        assert boots_of(stage, node.node) == before, "it gave out what was on no card"
        room.touch()
        await_new_boot(stage, node.node, before)
        (boot_id,) = boots_of(stage, node.node) - before
        lost = assert_logged(stage, node.node, boot_id)
        assert not lost or seconds > MEMORY_LASTS_S


def test_a_gateway_without_room_for_its_log_serves_its_houses(stage: Stage, tmp_path: Path) -> None:
    home, gateway, began = stage.home, stage.gateway, time.monotonic()
    before = boots_of(stage, gateway.node)
    with full_card(stage, gateway, tmp_path) as room:
        wait_until(lambda: bool(home.events(gateway.node, "CARD_FAILED", began)), "CARD_FAILED", 20.0)
        assert home.events(gateway.node, "CARD_FAILED", began)[0].message.state is EventState.RAISED
        assert_complete(stage, ["house-01", "house-02"], chained=False)
        assert boots_of(stage, gateway.node) == before, "it gave out what was on no card"
        room.touch()
        wait_until(lambda: len(home.events(gateway.node, "CARD_FAILED", began)) >= 2, "its end", 30.0)
        assert home.events(gateway.node, "CARD_FAILED", began)[-1].message.state is EventState.CLEARED
        await_new_boot(stage, gateway.node, before)
        (boot_id,) = boots_of(stage, gateway.node) - before
        assert not assert_logged(stage, gateway.node, boot_id)


def test_the_logs_of_all_houses_go_on(stage: Stage) -> None:
    """Whatever happened to their cards."""
    assert_logs_go_on(stage)
