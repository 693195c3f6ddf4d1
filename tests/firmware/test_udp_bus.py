"""The CAN bus of host programs: frames between the firmware and python-can, both ways."""

from __future__ import annotations

import os
import random
import socket
import struct
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import can
import pytest

pytest.importorskip("msgpack", reason="python-can writes this bus with msgpack, which is missing")

HERE = Path(__file__).parent
GROUP = "239.74.163.2"


def build(program: str) -> Path:
    """Build a program of the suite and return where it is."""
    done = subprocess.run(
        [HERE / "build.sh", "drivers", program], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return Path(done.stdout.strip()) / program


@pytest.fixture
def port() -> int:
    """Tests that run at the same time do not meet."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def loopback_bus(port: int) -> Iterator[can.BusABC]:
    """python-can's bus, held on the loopback interface, where the firmware is."""
    bus = can.Bus(interface="udp_multicast", channel=GROUP, port=port, hop_limit=0)
    with socket.socket(fileno=os.dup(bus.fileno())) as same_socket:
        loopback = socket.inet_aton("127.0.0.1")
        same_socket.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, loopback)
        membership = struct.pack("4s4s", socket.inet_aton(GROUP), loopback)
        same_socket.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, membership)
    try:
        yield bus
    finally:
        bus.shutdown()


class Peer:
    """A process with the firmware's bus."""

    def __init__(self, port: int) -> None:
        """Start it and wait until it hears."""
        command: list[str | Path] = [build("udp_peer"), GROUP, str(port)]
        self._process: subprocess.Popen[str] = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert self.line() == "ready"

    def line(self) -> str:
        """Wait for the next line of its output."""
        assert self._process.stdout is not None
        return self._process.stdout.readline().rstrip("\n")

    def send(self, line: str) -> None:
        """Let it send a frame."""
        assert self._process.stdin is not None
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()

    def close(self) -> str:
        """End it and return its last line, the counters."""
        rest, _ = self._process.communicate(timeout=20)
        assert self._process.returncode == 0
        return rest.splitlines()[-1]

    def kill(self) -> None:
        """End it in any case."""
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            assert pipe is not None
            pipe.close()


@pytest.fixture
def peer(port: int) -> Iterator[Peer]:
    started = Peer(port)
    yield started
    started.kill()


EXTENDED, REMOTE = 1 << 31, 1 << 30

FRAMES = [
    (can.Message(arbitration_id=0, is_extended_id=False), "0 0"),
    (
        can.Message(arbitration_id=0x7EF, is_extended_id=False, data=b"12345678"),
        "7ef 8 31 32 33 34 35 36 37 38",
    ),
    (can.Message(arbitration_id=0x12345678, data=b"\xff"), f"{EXTENDED | 0x12345678:x} 1 ff"),
    (can.Message(arbitration_id=0x123, is_extended_id=False, is_remote_frame=True), f"{REMOTE | 0x123:x} 0"),
]


@pytest.mark.parametrize(("message", "line"), FRAMES, ids=[line for _, line in FRAMES])
def test_a_frame_goes_both_ways(port: int, peer: Peer, message: can.Message, line: str) -> None:
    with loopback_bus(port) as bus:
        bus.send(message)
        assert peer.line() == line
        bus.recv(5)  # python-can hears itself on this bus
        peer.send(line)
        received = bus.recv(5)
        assert received is not None
        assert received.equals(message, timestamp_delta=None, check_channel=False)


def test_a_full_bus_loses_nothing(port: int, peer: Peer) -> None:
    """Two seconds at 560 frames per second, the load of a cluster, in both directions at once."""
    dice = random.Random(2)
    count = 1120
    sent = [(dice.randrange(0x7F0), dice.randbytes(dice.randrange(9))) for _ in range(count)]
    heard: list[tuple[int, bytes]] = []
    with loopback_bus(port) as bus:
        notifier = can.Notifier(bus, [lambda frame: heard.append((frame.arbitration_id, bytes(frame.data)))])
        for identifier, data in sent:
            bus.send(can.Message(arbitration_id=identifier, data=data, is_extended_id=False))
            peer.send(" ".join([f"{identifier:x}", f"{len(data):x}", *(f"{byte:02x}" for byte in data)]))
            time.sleep(1 / 560)
        for identifier, data in sent:
            assert peer.line().split()[:2] == [f"{identifier:x}", f"{len(data):x}"]
        deadline = time.monotonic() + 20
        while len(heard) < 2 * count and time.monotonic() < deadline:
            time.sleep(0.05)
        notifier.stop()
    assert sorted(heard) == sorted(2 * sent), "python-can hears the peer, and itself"
    assert peer.close() == "malformed 0 bus_errors 0 missed 0"


def test_hostile_datagrams_and_error_frames_are_counted(port: int, peer: Peer) -> None:
    dice = random.Random(4)
    with loopback_bus(port) as bus, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as thrower:
        thrower.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton("127.0.0.1"))
        for _ in range(500):
            thrower.sendto(dice.randbytes(dice.randrange(700)), (GROUP, port))
            time.sleep(0.0005)
        bus.send(can.Message(is_error_frame=True))
        bus.send(can.Message(arbitration_id=0x10, is_extended_id=False, is_fd=True, data=bytes(12)))
        bus.send(can.Message(arbitration_id=0x123, is_extended_id=False, data=b"\x01"))
        assert peer.line() == "123 1 01"
    assert peer.close() == "malformed 500 bus_errors 501 missed 0"
