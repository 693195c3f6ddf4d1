"""Five real nodes and one that babbles: it stops nobody, and is told of."""

from __future__ import annotations

import math
import random
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import pairwise

import can
import pytest

from microgrid_core.codec.can_dbc import BY_IDENTIFIER, GATEWAY, MESSAGES
from script.lab.processes import LOOPBACK
from tests.cluster.cluster import HOUSES, Watched, content_of, masters
from tests.cluster.home import wait_until
from tests.cluster.rig import ALL_HOUSES, GROUP, NODES, Rig, assert_honest, beats_of_houses, watch_sampling

PAUSE_S = 0.3
"""So long a busy machine may not let a process run."""
BABBLE_S = 3.0
BURST = 15
BURST_S = 0.01
"""1500 frames a second, beside the 650 of the cluster: half of what 500 kbit/s carry."""
COUNTED = MESSAGES["Frequency"].identifier
"""By these frames the test counts samples, so they are not imitated."""


def urgent(chance: random.Random) -> can.Message:
    """Syncs of a node 15, with no sense in them."""
    return can.Message(arbitration_id=0x00F, is_extended_id=False, data=chance.randbytes(8))


def anything(chance: random.Random) -> can.Message:
    """Any identifier, also extended ones, and any length."""
    extended = chance.random() < 0.2
    identifier = chance.randrange(1 << 29 if extended else 0x7F0)
    if not extended and identifier & 0x7F0 == COUNTED:
        identifier = 0x7E0
    return can.Message(
        arbitration_id=identifier, is_extended_id=extended, data=chance.randbytes(chance.randrange(9))
    )


def plausible(chance: random.Random) -> can.Message:
    """A message of one of the five, with any content."""
    message = chance.choice([one for one in BY_IDENTIFIER.values() if one.identifier != COUNTED])
    identifier = message.identifier + chance.choice(NODES)
    return can.Message(arbitration_id=identifier, is_extended_id=False, data=chance.randbytes(8))


@contextmanager
def babbling(rig: Rig, what: Callable[[random.Random], can.Message | bytes]) -> Iterator[Callable[[], int]]:
    """Flood the bus; gives the number of frames up to now."""
    ending = threading.Event()
    chance = random.Random(5)
    sent = 0

    def babble() -> None:
        nonlocal sent
        address = (GROUP, rig.cluster.bus.port)
        with rig.cluster.listening() as bus, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as thrower:
            thrower.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton(LOOPBACK))
            while not ending.wait(BURST_S):
                for _ in range(BURST):
                    frame = what(chance)
                    if isinstance(frame, bytes):
                        thrower.sendto(frame, address)
                    else:
                        bus.send(frame)
                    sent += 1

    thread = threading.Thread(target=babble, daemon=True)
    thread.start()
    try:
        yield lambda: sent
    finally:
        ending.set()
        thread.join()


def assert_houses_keep_sampling(watched: Watched) -> None:
    """As assert_houses_sample(), while nonsense says which Sync it is."""
    for number, beats in beats_of_houses(watched).items():
        # Who floods the bus with Syncs pulls at the beat, by 2.5 % at most: see beat.h.
        assert len(beats) / watched.seconds == pytest.approx(100, rel=0.04), f"house {number}"
        longest_s = max(after - before for (before, _), (after, _) in pairwise(beats))
        assert longest_s < PAUSE_S, f"house {number} paused for {longest_s:g} s"


@pytest.mark.parametrize(
    "what",
    [urgent, pytest.param(anything, marks=pytest.mark.slow), plausible],
    ids=lambda what: what.__name__,
)
def test_a_babbling_node_stops_nobody(rig: Rig, what: Callable[[random.Random], can.Message]) -> None:
    for node in rig.cluster.nodes.values():
        node.forget_output()
    with rig.clocks() as errors:
        with babbling(rig, what) as sent:
            watch_sampling(rig, BABBLE_S, assert_houses_keep_sampling)
        assert sent() > 500
        rig.cluster.settle()
    assert_honest(errors)
    wait_until(
        lambda: all("foreign" in node.output() for node in rig.cluster.nodes.values()),
        "all five to tell of foreign frames",
        12.0,
    )


def test_malformed_datagrams_count_as_errors_and_are_a_fault(rig: Rig) -> None:
    errors_before = errors_told(rig)
    with babbling(rig, lambda chance: chance.randbytes(chance.randrange(700))) as sent:
        watched = rig.cluster.watch(BABBLE_S)
        assert masters(watch_sampling(rig, BABBLE_S)) == {GATEWAY}
    alarmed = {
        number
        for number in NODES
        if any(
            (told["fault_code"], told["event_state"]) == (31, 1) for told in watched.values("Fault", number)
        )
    }
    assert alarmed == set(NODES)
    errors = errors_told(rig)
    for number in ALL_HOUSES:
        assert errors[number] - errors_before[number] >= 0.95 * sent()


def errors_told(rig: Rig) -> dict[int, float]:
    """Errors on the bus that each house has counted; told once in six seconds."""
    told: dict[int, float] = {}
    with rig.cluster.listening() as ear:
        end = time.monotonic() + 8.0
        while time.monotonic() < end and len(told) < HOUSES:
            frame = ear.recv(0.1)
            if frame is None or frame.arbitration_id & 0x7F0 != MESSAGES["Counters"].identifier:
                continue
            errors = content_of(MESSAGES["Counters"], frame)["can_errors"]
            if not math.isnan(errors):  # it belongs to one group of six
                told[frame.arbitration_id & 0x00F] = errors
    assert set(told) == set(ALL_HOUSES)
    return told
