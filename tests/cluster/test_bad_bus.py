"""The relay that makes a bus bad: it does what it is told, and nothing else."""

from __future__ import annotations

import socket
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import closing

import pytest

from script.lab.firmware import reserve_udp_port
from script.lab.processes import LOOPBACK
from tests.cluster.bad_bus import BadBus, Trouble

GROUP = "239.74.163.3"
PARTS = 3
FRAMES_PER_S = 700
SECONDS = 3.0


class Node:
    """Somebody on one part, who notes what he hears of others."""

    def __init__(self, port: int) -> None:
        """Listen."""
        self._address = (GROUP, port)
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        loopback = socket.inet_aton(LOOPBACK)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._socket.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, loopback)
        self._socket.bind(self._address)
        membership = struct.pack("4s4s", socket.inet_aton(GROUP), loopback)
        self._socket.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, membership)
        self._socket.settimeout(0.1)
        self.heard: list[tuple[str, int, float]] = []
        """Sender, number and how long it took."""
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._thread.start()

    def say(self, name: str, number: int) -> None:
        """Send one datagram."""
        self._socket.sendto(f"{name} {number} {time.monotonic()}".encode(), self._address)

    def of(self, name: str) -> list[int]:
        """Numbers that came from a sender."""
        return [number for sender, number, _ in self.heard if sender == name]

    def _listen(self) -> None:
        while not self._ending.is_set():
            try:
                sender, number, sent = self._socket.recv(100).decode().split()
            except TimeoutError:
                continue
            self.heard.append((sender, int(number), time.monotonic() - float(sent)))

    def close(self) -> None:
        """Stop listening."""
        self._ending.set()
        self._thread.join()
        self._socket.close()


@pytest.fixture
def bus() -> Iterator[tuple[BadBus, list[Node]]]:
    """The relay, the ear and three nodes."""
    ports = [reserve_udp_port() for _ in range(PARTS + 1)]
    with closing(BadBus(GROUP, ports)) as relay:
        nodes = [Node(port) for port in ports]
        yield relay, nodes
        for node in nodes:
            node.close()


def talk(nodes: list[Node], seconds: float) -> int:
    """Let nodes 1 and 2 speak at once; returns how often each did."""
    count = int(seconds * FRAMES_PER_S)
    begin = time.monotonic()
    for number in range(count):
        nodes[1].say("one", number)
        nodes[2].say("two", number)
        time.sleep(max(0.0, begin + (number + 1) / FRAMES_PER_S - time.monotonic()))
    time.sleep(0.2)
    return count


def test_a_good_bus_passes_all_on_at_once(bus: tuple[BadBus, list[Node]]) -> None:
    relay, nodes = bus
    count = talk(nodes, SECONDS)
    for receiver, sender in ((0, "one"), (0, "two"), (2, "one"), (1, "two"), (3, "one"), (3, "two")):
        assert nodes[receiver].of(sender) == list(range(count))
    took = sorted(seconds for _, _, seconds in nodes[3].heard)
    half, most = took[len(took) // 2], took[len(took) * 99 // 100]
    print(f"\nrelay: 50 % {1000 * half:.2f} ms, 99 % {1000 * most:.2f} ms")
    assert half < 0.002
    assert relay.set(Trouble()).frames == 2 * count


def test_loss_repetition_and_delay_are_as_asked(bus: tuple[BadBus, list[Node]]) -> None:
    relay, nodes = bus
    relay.set(Trouble(loss=0.2, delay_s=0.002, jitter_s=0.005, repeated=0.1))
    count = talk(nodes, SECONDS)
    assert nodes[0].of("one") == list(range(count)), "the ear hears all"
    for receiver, sender in ((2, "one"), (1, "two"), (3, "one"), (3, "two")):
        heard = nodes[receiver].of(sender)
        assert heard == sorted(heard), "frames of one sender do not overtake each other"
        assert len(set(heard)) == pytest.approx(0.8 * count, rel=0.05)
        assert len(heard) == pytest.approx(1.1 * len(set(heard)), rel=0.05)
    order = [(number, sender) for sender, number, _ in nodes[3].heard]
    assert order != sorted(order), "those of several do"
    assert all(seconds >= 0.0019 for sender, _, seconds in nodes[3].heard if sender != "three")


def test_islands_hear_only_themselves(bus: tuple[BadBus, list[Node]]) -> None:
    relay, nodes = bus
    relay.set(Trouble(islands=((1, 3), (2,))))
    count = talk(nodes, 0.3)
    assert nodes[3].of("one") == nodes[0].of("one") == nodes[0].of("two") == list(range(count))
    assert nodes[3].of("two") == [] and nodes[2].of("one") == [] and nodes[1].of("two") == []
    nodes[0].say("ear", 1)
    relay.set(Trouble())
    nodes[1].say("one", count)
    time.sleep(0.2)
    assert nodes[2].of("one") == [count] and nodes[2].of("ear") == [1]
