"""A CAN bus that behaves badly: parts of a cluster, each on a UDP port, and what goes wrong between them.

Started as a program it relays: a process of its own, so that the physics of a test do not hold it up. The
kernel stamps what it passes on, so a delay is a late stamp, as a busy interrupt of a controller is.
"""

from __future__ import annotations

import heapq
import json
import random
import select
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field

_LOOPBACK = "127.0.0.1"
_MOST_BYTES = 4096
_AT_ONCE = 32
"""Datagrams taken from one part before the others have their turn."""
_RECEIVE_BUFFER = 1 << 20
_SOON_S = 0.00005
"""What is due so soon is sent at once: select() takes longer."""


@dataclass(frozen=True, slots=True)
class Trouble:
    """What happens to a frame on its way to each receiver by itself."""

    loss: float = 0.0
    """Share that does not arrive."""
    delay_s: float = 0.0
    jitter_s: float = 0.0
    """Up to so much more delay. Frames of several senders overtake each other, those of one never do."""
    repeated: float = 0.0
    """Share that arrives twice, running: its last bit was disturbed after a receiver took it."""
    islands: tuple[tuple[int, ...], ...] = ()
    """Parts that hear each other; empty: all do. Who is on no island hears nobody."""


@dataclass(frozen=True, slots=True)
class Relayed:
    """What was done since the last question."""

    frames: int
    """Taken from all parts."""
    delivered: int
    lost: int
    latest_s: float
    """The most by which the relay itself was late."""


class BadBus:
    """The relay's process. Part 0 is an ear: nothing goes wrong on the way to it or from it."""

    def __init__(self, group: str, ports: Sequence[int], trouble: Trouble | None = None) -> None:
        """Begin to relay, with this happening from the first frame on; returns when it does."""
        self._process = subprocess.Popen(
            [sys.executable, __file__, group, *(str(port) for port in ports)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.set(trouble or Trouble())

    def set(self, trouble: Trouble) -> Relayed:
        """Let this happen from now on; tells of the time before."""
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write(json.dumps(asdict(trouble)) + "\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline()
        if not answer:
            raise RuntimeError(f"the relay ended with status {self._process.wait()}")
        return Relayed(**json.loads(answer))

    def close(self) -> None:
        """End it."""
        self._process.communicate(timeout=10)


class _Part:
    """One side of the relay: hears a port, and speaks on it."""

    def __init__(self, group: str, port: int) -> None:
        loopback = socket.inet_aton(_LOOPBACK)
        self._address = (group, port)
        self.ears = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.ears.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.ears.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BUFFER)
        self.ears.bind(self._address)
        membership = struct.pack("4s4s", socket.inet_aton(group), loopback)
        self.ears.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, membership)
        self.ears.setblocking(False)
        self._mouth = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._mouth.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, loopback)
        self._mouth.bind((_LOOPBACK, 0))
        self._own = self._mouth.getsockname()

    def heard(self) -> bytes | None:
        """Return the next datagram of others; None when there is none."""
        try:
            while True:
                datagram, sender = self.ears.recvfrom(_MOST_BYTES)
                if sender != self._own:
                    return datagram
        except BlockingIOError:
            return None

    def tell(self, datagram: bytes) -> None:
        """Send to everybody of the part."""
        self._mouth.sendto(datagram, self._address)


@dataclass(order=True, slots=True)
class _Waiting:
    due_s: float
    number: int
    receiver: int = field(compare=False)
    datagram: bytes = field(compare=False)


class _Relay:
    def __init__(self, parts: Sequence[_Part]) -> None:
        self._parts = parts
        self._chance = random.Random(20)
        self._waiting: list[_Waiting] = []
        self._number = 0
        self._last_due_s: dict[tuple[int, int], float] = {}
        self._count = {"frames": 0, "delivered": 0, "lost": 0}
        self._latest_s = 0.0
        self.set(Trouble())

    def set(self, trouble: Trouble) -> Relayed:
        everybody = tuple(range(1, len(self._parts)))
        islands = trouble.islands or (everybody,)
        self._trouble = trouble
        self._hearing = [
            tuple(receiver for receiver in island if receiver != sender)
            for sender in range(len(self._parts))
            for island in [next((one for one in islands if sender in one), ())]
        ]
        self._hearing[0] = everybody
        told = Relayed(**self._count, latest_s=self._latest_s)
        self._count = dict.fromkeys(self._count, 0)
        self._latest_s = 0.0
        return told

    def run(self) -> None:
        """Relay from the first order until standard input ends."""
        if not self._obey(sys.stdin.readline()):
            return
        parts = {part.ears: number for number, part in enumerate(self._parts)}
        while True:
            left = max(0.0, self._waiting[0].due_s - time.monotonic()) if self._waiting else None
            readable, _, _ = select.select([*parts, sys.stdin], [], [], left)
            for ears, number in parts.items():
                if ears in readable:
                    self._take(number)
            if sys.stdin in readable and not self._obey(sys.stdin.readline()):
                return
            self._deliver()

    def _obey(self, line: str) -> bool:
        """Begin with another trouble and answer; False when nobody is there any more."""
        if line:
            wanted = json.loads(line)
            wanted["islands"] = tuple(tuple(island) for island in wanted["islands"])
            print(json.dumps(asdict(self.set(Trouble(**wanted)))), flush=True)
        return bool(line)

    def _take(self, sender: int) -> None:
        for _ in range(_AT_ONCE):
            datagram = self._parts[sender].heard()
            if datagram is None:
                return
            self._count["frames"] += 1
            if sender == 0:
                for receiver in self._hearing[0]:
                    self._parts[receiver].tell(datagram)
                continue
            self._parts[0].tell(datagram)
            for receiver in self._hearing[sender]:
                self._pass_on(sender, receiver, datagram)

    def _pass_on(self, sender: int, receiver: int, datagram: bytes) -> None:
        trouble, chance = self._trouble, self._chance
        if chance.random() < trouble.loss:
            self._count["lost"] += 1
            return
        delay_s = trouble.delay_s + trouble.jitter_s * chance.random()
        due_s = max(time.monotonic() + delay_s, self._last_due_s.get((sender, receiver), 0.0))
        self._last_due_s[sender, receiver] = due_s
        for _ in range(1 + (chance.random() < trouble.repeated)):
            self._count["delivered"] += 1
            if delay_s == 0.0 and not self._waiting:
                self._parts[receiver].tell(datagram)
            else:
                self._number += 1
                heapq.heappush(self._waiting, _Waiting(due_s, self._number, receiver, datagram))

    def _deliver(self) -> None:
        while self._waiting:
            now = time.monotonic()
            if self._waiting[0].due_s > now + _SOON_S:
                return
            frame = heapq.heappop(self._waiting)
            self._latest_s = max(self._latest_s, now - frame.due_s)
            self._parts[frame.receiver].tell(frame.datagram)


if __name__ == "__main__":
    _Relay([_Part(sys.argv[1], int(port)) for port in sys.argv[2:]]).run()
