"""The ports of a cluster are its own from the moment they are chosen, long before the nodes open them."""

from __future__ import annotations

import random
import selectors
import socket
import struct
from contextlib import closing
from pathlib import Path

import pytest

from script.lab.firmware import FirmwareNode, Surroundings, oscillator, program, reserve_udp_port
from script.lab.processes import LOOPBACK
from simulator.firmware_link.time_server import TimeServer
from tests.cluster.cluster import NOBODY
from tests.cluster.home import wait_until
from tests.cluster.rig import GROUP

QUESTION = bytes([4 << 3 | 3]) + bytes(39) + struct.pack("!II", 1, 1)


@pytest.mark.parametrize("address", ["", LOOPBACK, GROUP])
def test_nobody_takes_a_reserved_port_by_chance(address: str) -> None:
    port = reserve_udp_port()
    with closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as stranger, pytest.raises(OSError):
        stranger.bind((address, port))


def test_who_knows_of_it_binds_it_and_hears_all() -> None:
    port = reserve_udp_port()
    loopback = socket.inet_aton(LOOPBACK)
    # As a node opens its bus: twice, for several nodes are on one bus.
    nodes = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(2)]
    speaker = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    speaker.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, loopback)
    try:
        for node in nodes:
            node.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            node.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            node.bind(("", port))
            membership = struct.pack("4s4s", socket.inet_aton(GROUP), loopback)
            node.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, membership)
            node.settimeout(60.0)
        speaker.sendto(b"to all", (GROUP, port))
        assert [node.recv(100) for node in nodes] == [b"to all"] * 2
    finally:
        for opened in (*nodes, speaker):
            opened.close()


def test_the_time_server_answers_on_it() -> None:
    address = (LOOPBACK, reserve_udp_port())
    client = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    client.settimeout(60.0)
    with selectors.DefaultSelector() as selector:
        server = TimeServer(address, selector)
        with closing(server), closing(client):
            client.sendto(QUESTION, address)
            for key, _ in selector.select(5.0):
                key.data.read()
            assert len(client.recv(1024)) == 48


def test_two_reservations_differ() -> None:
    ports = [reserve_udp_port() for _ in range(50)]
    assert len(set(ports)) == len(ports)


def test_a_node_that_cannot_open_its_bus_says_so_and_tries_again(tmp_path: Path) -> None:
    with closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as stranger:
        stranger.bind((LOOPBACK, 0))
        surroundings = Surroundings(NOBODY)
        settings = {
            "NUMBER": "1",
            "CLUSTER": "north",
            "BROKER": NOBODY,
            "SIM": surroundings.feed,
            "CAN": f"{GROUP}:{stranger.getsockname()[1]}",
            **oscillator(random.Random(5)),
        }
        house = FirmwareNode(program("house"), tmp_path, "house-01", settings)
        house.start()
        try:
            wait_until(
                lambda: "does not answer: look at its wiring" in house.output(), "it to complain", 15.0
            )
            assert "Controller: error active" not in house.output()
            stranger.close()
            wait_until(lambda: "Controller: error active" in house.output(), "it to try again", 5.0)
        finally:
            house.kill()
    assert house.output().count("does not answer") == 1, "once is enough"
