"""Five real nodes of which one errs: it has the number of another, stops for a while, or a wrong time."""

from __future__ import annotations

import os
import random
import signal
import threading
import time
from pathlib import Path

import pytest

from microgrid_core.codec.can_dbc import GATEWAY
from script.lab.firmware import FirmwareNode, oscillator, program
from tests.cluster.cluster import CLOCKS_APART_MS, HOUSES, SETTLED_S, SWARM, Watched, masters
from tests.cluster.home import wait_until
from tests.cluster.rig import FOLLOW_S, NODES, SOON_S, Rig, assert_honest, beats_of_houses, watch_sampling

INTRUDER = HOUSES + 1
"""The place on the relay of a house that comes later."""
LOST_S = 3.0
"""Without a Heartbeat for so long a node is missed (F030)."""
RETURN_S = 25.0
"""Who gave way to another with its number listens for 10 to 20 s; its log tells of it within a second."""


def test_of_two_houses_with_one_number_one_is_silent_until_the_other_left(rig: Rig) -> None:
    house = rig.cluster.nodes[2]
    intruder = FirmwareNode(
        program("house"),
        rig.folder,
        "house-05",
        {
            "SWARM": SWARM,
            "CLUSTER": rig.cluster.bus.cluster,
            "BROKER": rig.cluster.surroundings.broker,
            "SIM": rig.cluster.surroundings.feed,
            "NUMBER": "2",
            "PARENT": "gateway-1",
            **rig.connections[INTRUDER],
            **oscillator(random.Random(3)),
        },
    )
    own_boot = rig.cluster.settle()[2]

    def speakers() -> set[bool]:
        """Whether the frames of number 2 are those of the house."""
        beats = rig.cluster.watch(2.5).values("Heartbeat", 2)
        return {beat["boot_id"] == own_boot for beat in beats}

    for node in (house, intruder):
        node.log.touch()
        node.forget_output()
    intruder.start()
    try:
        wait_until(lambda: len(speakers()) == 1, "one of the two to speak alone", 2 * RETURN_S)
        assert len(speakers()) == 1, "the other comes back by mistake"
        watch_sampling(rig, 2.0)
        assert any("Another node has our number 2" in node.output() for node in (house, intruder))
    finally:
        intruder.kill()
    wait_until(lambda: speakers() == {True}, "the house to come back", RETURN_S)
    wait_until(
        lambda: "Nobody else has our number 2" in house.output() or "Another node" not in house.output(),
        "it to say so",
        5.0,
    )


def suspend(rig: Rig, number: int, seconds: float, after_s: float) -> tuple[Watched, Watched]:
    """Stop a process for a while, as a debugger or an overloaded machine does; returns what was heard
    meanwhile and afterwards.
    """
    group = rig.cluster.nodes[number].pid
    awake = threading.Timer(seconds, os.killpg, (group, signal.SIGCONT))
    awake.start()
    os.killpg(group, signal.SIGSTOP)
    stopped = time.time()
    try:
        watched = rig.cluster.watch(seconds + after_s)
    finally:
        awake.join()
    meanwhile, afterwards = Watched(seconds), Watched(after_s)
    for frame in watched.frames:
        (meanwhile if frame.timestamp < stopped + seconds else afterwards).frames.append(frame)
    return meanwhile, afterwards


def told_of_lost_nodes(watched: Watched, state: int) -> set[int]:
    """Who told that somebody is missing, or no longer is."""
    return {
        number
        for number in NODES
        if any(
            (told["fault_code"], told["event_state"]) == (30, state)
            for told in watched.values("Fault", number)
        )
    }


def test_a_suspended_house_is_missed_and_samples_nothing_twice(rig: Rig) -> None:
    others = {GATEWAY, 1, 2, 4}
    watched, back = suspend(rig, 3, LOST_S + 2.0, 3.0)
    assert told_of_lost_nodes(watched, 1) >= others
    assert {number for number, beats in beats_of_houses(watched).items() if beats} >= others - {GATEWAY}
    assert told_of_lost_nodes(back, 2) >= others
    number_of_ticks = {number: len(beats) for number, beats in beats_of_houses(back).items()}
    assert number_of_ticks[3] <= 1.03 * back.seconds * 100, "it makes up for what it missed"
    watch_sampling(rig, 2.0)


def test_a_suspended_master_is_replaced_and_steps_back_in(rig: Rig) -> None:
    with rig.clocks() as errors:
        stopped = time.time()
        watched, back = suspend(rig, GATEWAY, 2.0, SOON_S)
        first = min(frame.timestamp for frame in watched.of("Sync") if frame.arbitration_id != GATEWAY)
        assert first - stopped < 0.5
        for number, beats in beats_of_houses(back).items():
            assert len(beats) <= 1.05 * back.seconds * 100 + 1, f"house {number} sampled at both masters"
        assert masters(rig.cluster.watch(FOLLOW_S)) == {GATEWAY}
    assert_honest(errors)


# --- Clocks that are wrong

HOUR_NS = 3_600_000_000_000


def test_a_server_that_is_suddenly_an_hour_off_is_not_believed(rig: Rig) -> None:
    """An answer or two of it; only eight that agree would move a clock that was sure."""
    server = rig.cluster.world.time_server
    server.ahead_ns = HOUR_NS
    try:
        with rig.clocks() as errors:
            watched = rig.cluster.watch(12.0)
    finally:
        server.ahead_ns = 0
    assert_honest(errors)
    assert masters(watched) == {GATEWAY}
    for number in NODES:
        assert all(beat["clock_state"] != 0 for beat in watched.values("Heartbeat", number))


@pytest.mark.slow
def test_a_server_that_was_an_hour_off_from_the_start_misleads_all_alike(tmp_path: Path) -> None:
    """Nobody can know better; but the houses agree, and when it is corrected nobody is left behind."""
    rig = Rig(tmp_path)
    try:
        rig.cluster.world.time_server.ahead_ns = HOUR_NS
        rig.cluster.settle(2 * SETTLED_S)
        misled = rig.measure_clocks(5.0)
        assert misled.of_houses.count and misled.between_houses.maximum_us <= CLOCKS_APART_MS * 1000
        assert misled.of_houses.maximum_us == pytest.approx(HOUR_NS / 1000, rel=1e-5)
        rig.cluster.world.time_server.ahead_ns = 0
        # Eight answers, one in 10 s, until the gateway believes it; then its houses, a FollowUp a second.
        wait_until(
            lambda: 0 < rig.measure_clocks(1.0).of_houses.maximum_us < CLOCKS_APART_MS * 1000,
            "the houses to know the true time",
            180.0,
        )
        rig.cluster.settle()
        assert_honest(rig.measure_clocks(5.0))
    finally:
        rig.close()
