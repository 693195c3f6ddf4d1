"""A cluster of real firmware for tests: a gateway and four houses as processes on the simulated physics."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import selectors
import socket
import struct
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import can
import numpy as np

from microgrid_core.codec.can_dbc import GATEWAY, MESSAGES, Message, decode, to_words
from script.lab.firmware import (
    Bus,
    Firmware,
    FirmwareNode,
    Surroundings,
    oscillator,
    program,
)
from script.lab.processes import LOOPBACK
from simulator.firmware_link.link import FirmwareLink
from simulator.firmware_link.time_server import TimeServer
from simulator.physics.neighbourhood import STEP_S, Neighbourhood

HOUSES = 4
SWARM = "test"
NOBODY = "127.0.0.1:9"
"""No broker listens there: a cluster lives without one."""
OF_NETWORK = 3
"""The rank of a gateway that has the time of its server."""
CLOCKS_APART_MS = 10.0
"""Beyond it no node may call its time valid."""
SETTLED_S = 60.0
"""The gateway asks for the time every 10 s, and takes office when it was better for 10 s."""


class World:
    """The physics of one cluster and a time server, in a thread."""

    def __init__(self, surroundings: Surroundings) -> None:
        """Begin at once."""
        self.site = Neighbourhood(HOUSES, 1, seed=7, controlled_outside=True)
        self._selector = selectors.DefaultSelector()
        group, port = surroundings.feed.split(":")
        self.link = FirmwareLink(self.site, (group, int(port)), self._selector)
        host, time_port = surroundings.time_server.split(":")
        self.time_server = TimeServer((host, int(time_port)), self._selector)
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        due = time.monotonic()
        while not self._ending.is_set():
            due = max(due + STEP_S, time.monotonic() - 0.1)
            self.site.step(STEP_S)
            self.link.tell()
            self.link.maintain(time.monotonic())
            left = due - time.monotonic()
            while True:  # once at least: who is late must not be deaf
                for key, _ in self._selector.select(max(left, 0.0)):
                    key.data.read()
                if (left := due - time.monotonic()) <= 0.0:
                    break

    def close(self) -> None:
        """End."""
        self._ending.set()
        self._thread.join()
        self.link.close()
        self.time_server.close()
        self._selector.close()


@dataclass(slots=True)
class Watched:
    """What was on the bus for a while."""

    seconds: float
    frames: list[can.Message] = field(default_factory=list)

    def of(self, name: str) -> list[can.Message]:
        """All frames of a message."""
        identifier = MESSAGES[name].identifier
        return [frame for frame in self.frames if frame.arbitration_id & 0x7F0 == identifier]

    def senders(self, name: str) -> Counter[int]:
        """How many each node sent."""
        return Counter(frame.arbitration_id & 0x00F for frame in self.of(name))

    def values(self, name: str, node: int) -> list[dict[str, float]]:
        """The content of the frames that a node sent."""
        message = MESSAGES[name]
        return [content_of(message, frame) for frame in self.of(name) if frame.arbitration_id & 0x00F == node]


def content_of(message: Message, frame: can.Message) -> dict[str, float]:
    """Return the signals of a frame by name."""
    data = np.zeros((1, 8), dtype=np.uint8)
    data[0, : len(frame.data)] = list(frame.data)
    return {name: float(values[0]) for name, values in decode(message, to_words(data)).items()}


class Cluster:
    """Five processes and an ear on their bus."""

    def __init__(
        self, folder: Path, broker: str = NOBODY, own: Mapping[int, Mapping[str, str]] | None = None
    ) -> None:
        """Start everything; `own` settings of a node stand above the common ones."""
        own = own or {}
        self.surroundings = Surroundings(broker, SWARM)
        self.bus = Bus("north", "gateway-1")
        chance = random.Random(11)
        shared = {
            "SWARM": SWARM,
            "BROKER": self.surroundings.broker,
            "SIM": self.surroundings.feed,
            "TIME": self.surroundings.time_server,
            "CLUSTER": self.bus.cluster,
            "CAN": self.bus.address,
        }
        built = program("house")
        self.nodes = {
            number: FirmwareNode(
                built,
                folder,
                f"house-{number:02d}",
                {
                    **shared,
                    "NUMBER": str(number),
                    "PARENT": "gateway-1",
                    **oscillator(chance),
                    **own.get(number, {}),
                },
            )
            for number in range(1, HOUSES + 1)
        }
        self.nodes[GATEWAY] = FirmwareNode(
            program("gateway"),
            folder,
            "gateway-1",
            {**shared, "NUMBER": "0", **oscillator(chance), **own.get(GATEWAY, {})},
        )
        self.world = World(self.surroundings)
        self.firmware = Firmware(tuple(self.nodes.values()))
        self.firmware.start()

    @contextlib.contextmanager
    def listening(self) -> Iterator[can.BusABC]:
        """An ear on the bus, and a mouth."""
        group, port = self.bus.address.split(":")
        with (
            can.Bus(interface="udp_multicast", channel=group, port=int(port), fd=False) as ear,
            socket.socket(fileno=os.dup(ear.fileno())) as same_socket,
        ):
            # On the loopback interface, where the firmware is.
            loopback = socket.inet_aton(LOOPBACK)
            same_socket.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, loopback)
            membership = struct.pack("4s4s", socket.inet_aton(group), loopback)
            same_socket.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, membership)
            yield ear

    def watch(self, seconds: float) -> Watched:
        """Listen for a while."""
        found = Watched(seconds)
        with self.listening() as ear:
            end = time.monotonic() + seconds
            while (left := end - time.monotonic()) > 0:
                with contextlib.suppress(can.CanOperationError):  # of what is no frame
                    if (frame := ear.recv(left)) is not None:
                        found.frames.append(frame)
        return found

    def wait_for(self, condition: Callable[[Watched], bool], what: str, timeout_s: float) -> None:
        """Listen until something is the case; who waits in vain says what is instead."""
        end = time.monotonic() + timeout_s
        while not condition(seen := self.watch(1.5)):
            for node in self.nodes.values():
                assert node.running, str(node.died())
            assert time.monotonic() < end, f"waited {timeout_s:g} s for {what}, but {self.describe(seen)}"

    def describe(self, seen: Watched) -> str:
        """Tell who beats time on what ground, and for each node its clock and the last words of its log."""
        ranks = {master: {sync["rank"] for sync in seen.values("Sync", master)} for master in masters(seen)}
        lines = [f"Sync came of (rank) {ranks}, machine's load {os.getloadavg()}"]
        for number, node in self.nodes.items():
            beats = seen.values("Heartbeat", number)
            clocks = [(beat["clock_state"], beat["clock_error"]) for beat in beats]
            lines.append(f"{node.node}: clock (state, ms) {clocks}\n{node.tail(25)}")
        return "\n".join(lines)

    def settle(self, timeout_s: float = SETTLED_S, found: Watched | None = None) -> dict[int, float]:
        """Wait until the gateway gives the time to four houses; returns the boot ids, new with each start.

        What is heard meanwhile is added to `found`.
        """
        boots: dict[int, float] = {}

        def settled(seen: Watched) -> bool:
            boots.clear()
            if found is not None:
                found.frames += seen.frames
            for number in self.nodes:
                for beat in seen.values("Heartbeat", number):
                    # Beyond the limit of 10 ms it is in holdover at best, and nothing is valid.
                    if beat["clock_state"] != 0 and beat["clock_error"] <= CLOCKS_APART_MS:
                        boots[number] = beat["boot_id"]
            ranks = {sync["rank"] for sync in seen.values("Sync", GATEWAY)}
            return masters(seen) == {GATEWAY} and ranks == {OF_NETWORK} and boots.keys() == self.nodes.keys()

        self.wait_for(settled, "the gateway to give the time to four houses", timeout_s)
        return boots

    def close(self) -> None:
        """End everything."""
        asyncio.run(self.firmware.stop())
        self.world.close()


def masters(watched: Watched) -> set[int]:
    """Who beats time."""
    return set(watched.senders("Sync"))
