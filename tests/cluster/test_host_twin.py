"""A cluster of real firmware: a gateway and four houses, each a process, on a bus of their own.

What is asserted is what anybody on the bus sees, here python-can.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from itertools import pairwise

import pytest

from microgrid_core.codec.can_dbc import (
    BY_IDENTIFIER,
    GATEWAY,
    MESSAGES,
    bus_load,
    frame_bits,
    frames_per_second,
)
from simulator.firmware_link.clock_errors import ClockErrors
from tests.cluster.cluster import HOUSES, SETTLED_S, Cluster, Watched, content_of, masters
from tests.cluster.machine import PATIENCE_S, look

BIT_RATE = 500_000
WATCHED_S = 12.0
STOOD_STILL = 0.005
"""Share of the time in which the machine may stand still, and what is counted still be right."""


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A cluster whose gateway got the time from its server and took office."""
    made = Cluster(tmp_path_factory.mktemp("cluster"))
    try:
        made.settle()
        yield made
    finally:
        made.close()


@pytest.fixture(scope="module")
def watched(cluster: Cluster) -> Watched:
    """What is on the bus when nothing happens, and how far the clocks are apart meanwhile."""
    patient_until_s = time.monotonic() + PATIENCE_S
    while True:
        cluster.world.link.clocks = ClockErrors()
        seen = look(cluster, WATCHED_S)
        if seen.stood_still <= STOOD_STILL or time.monotonic() > patient_until_s:
            return seen.watched
        print(f"\nthe machine stood still for {seen.stood_still:.1%} of the time: once more")


def test_one_master_beats_a_hundred_times_a_second(watched: Watched) -> None:
    assert masters(watched) == {GATEWAY}
    beats = watched.values("Sync", GATEWAY)
    assert len(beats) == pytest.approx(100 * WATCHED_S, rel=0.02)
    steps = [(after["sequence"] - before["sequence"]) % 65536 for before, after in pairwise(beats)]
    assert all(step >= 1 for step in steps), "a beat came twice"
    assert sum(step != 1 for step in steps) <= 0.01 * len(steps)


def test_every_cyclic_message_is_there_as_often_as_it_should(watched: Watched) -> None:
    wrong = []
    for message in MESSAGES.values():
        if not message.cycle_ms:
            continue
        wanted = {
            node
            for node in range(HOUSES + 1)
            if (message.by_gateway if node == GATEWAY else message.by_house)
        }
        if message.by_master:
            wanted = {GATEWAY}
        counted = watched.senders(message.name)
        expected = 1000 * WATCHED_S / message.cycle_ms
        for node in sorted(wanted | set(counted)):
            if node not in wanted or abs(counted[node] - expected) > 1.5 + 0.03 * expected:
                wrong.append(f"{message.name} of node {node}: {counted[node]}, expected {expected:.0f}")
    assert not wrong


def test_the_bus_is_loaded_as_the_contract_computes(watched: Watched) -> None:
    cyclic = [
        frame
        for frame in watched.frames
        if (message := BY_IDENTIFIER.get(frame.arbitration_id & 0x7F0)) and message.cycle_ms
    ]
    assert len(cyclic) / WATCHED_S == pytest.approx(frames_per_second(HOUSES), rel=0.02)
    bits = sum(frame_bits(len(frame.data)) for frame in cyclic)
    assert bits / WATCHED_S / BIT_RATE == pytest.approx(bus_load(HOUSES, BIT_RATE), rel=0.02)


def test_houses_measure_what_the_physics_is(cluster: Cluster) -> None:
    watched = cluster.watch(2.0)
    for number in range(1, HOUSES + 1):
        frequency = watched.values("Frequency", number)[-1]["inverter_frequency"]
        charge = watched.values("HouseState", number)[-1]["state_of_charge"]
        assert frequency == pytest.approx(
            cluster.world.site.houses.measured_frequency_hz[number - 1], abs=0.05
        )
        assert charge == pytest.approx(
            100 * cluster.world.site.houses.packs.state_of_charge[number - 1], abs=0.2
        )


def test_clocks_of_houses_agree_within_a_millisecond(cluster: Cluster, watched: Watched) -> None:
    errors = cluster.world.link.clocks.between_houses.summary()
    print(errors)
    assert errors["count"] > 10 * watched.seconds and errors["p95_ms"] <= 1.0 and errors["max_ms"] <= 10.0


def test_an_overcurrent_is_told_to_the_bus_and_stops_the_inverter(cluster: Cluster) -> None:
    with cluster.listening() as ear:
        cluster.world.site.disturb("house-02", "F001", 1.0)
        end = time.monotonic() + 5.0
        heard = list[dict[str, float]]()
        stopped = False
        while time.monotonic() < end and not (len(heard) >= 3 and stopped):
            frame = ear.recv(0.1)
            if frame is not None and frame.arbitration_id == MESSAGES["Fault"].identifier + 2:
                heard.append(content_of(MESSAGES["Fault"], frame))
            stopped = stopped or not cluster.world.site.houses.grid.inverter_on[1]
    assert stopped
    assert [(told["fault_code"], told["event_state"]) for told in heard[:3]] == [(1, 1)] * 3
    assert heard[0]["time_valid"] == 1


def test_houses_elect_a_master_when_the_gateway_dies(cluster: Cluster) -> None:
    """And leave the office to it again when its clock is better than theirs."""
    gateway = cluster.nodes[GATEWAY]
    with cluster.listening() as ear:
        gateway.kill()
        killed = time.monotonic()
        first = None
        while first is None and time.monotonic() - killed < 5.0:
            frame = ear.recv(0.05)
            if frame is not None and frame.arbitration_id in range(1, HOUSES + 1):
                first = time.monotonic()
    assert first is not None and first - killed < 0.5
    assert len(masters(cluster.watch(2.0))) == 1
    gateway.start()
    cluster.wait_for(lambda seen: masters(seen) == {GATEWAY}, "the gateway to be master again", SETTLED_S)
