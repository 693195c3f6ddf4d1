"""A cluster on a bus that behaves badly: every node on a port of its own, the relay, what others see."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import pytest

from microgrid_core.codec.can_dbc import MESSAGES
from script.lab.firmware import reserve_udp_port
from simulator.firmware_link.clock_errors import ClockErrors
from tests.cluster.bad_bus import BadBus, Trouble
from tests.cluster.cluster import CLOCKS_APART_MS, HOUSES, Cluster, Watched, content_of, masters
from tests.cluster.machine import FAIR_LOOKS, HELD_UP, PATIENCE_S, look

GROUP = "239.74.163.2"
NODES = range(HOUSES + 1)
ALL_HOUSES = range(1, HOUSES + 1)
SOON_S = 1.0
"""Within it one of two masters has stopped, and a stopped one is replaced."""
ALONE_S = 4.0
FOLLOW_S = 5.0
"""A clock that follows another master has heard a few FollowUps of it."""


def part(number: int) -> int:
    """Where a node is connected to the relay; 0 is the ear."""
    return number + 1


def islands(*groups: Sequence[int]) -> Trouble:
    """Cut the bus: only nodes of one group hear each other."""
    return Trouble(islands=tuple(tuple(part(number) for number in group) for group in groups))


class Rig:
    """The cluster, each node on a port of its own, and the relay between them."""

    def __init__(self, folder: Path, trouble: Trouble | None = None) -> None:
        """Start everything, on a bus that is in trouble from the beginning."""
        self.folder = folder
        ports = [reserve_udp_port() for _ in range(HOUSES + 2)]
        self.connections = [{"CAN": f"{GROUP}:{port}"} for port in ports]
        self.cluster = Cluster(folder, own=dict(enumerate(self.connections[: HOUSES + 1])))
        self.bus = BadBus(GROUP, [self.cluster.bus.port, *ports], trouble)

    def close(self) -> None:
        """End everything."""
        self.cluster.close()
        self.bus.close()

    @contextmanager
    def in_trouble(self, trouble: Trouble) -> Iterator[None]:
        """Have trouble on the bus for a while."""
        self.bus.set(trouble)
        try:
            yield
        finally:
            self.bus.set(Trouble())

    def measure_clocks(self, seconds: float) -> ClockErrors:
        """Return what the simulator, who knows the true time, sees of the valid clocks."""
        with self.clocks() as errors:
            time.sleep(seconds)
        return errors

    @contextmanager
    def clocks(self) -> Iterator[ClockErrors]:
        """See the valid clocks meanwhile."""
        errors = self.cluster.world.link.clocks = ClockErrors()
        yield errors
        self.cluster.world.link.clocks = ClockErrors()


@dataclass(frozen=True, slots=True)
class Start:
    """What was seen after the power-on: first houses that do not hear their gateway, then all together."""

    alone: Watched
    alone_with_time: int
    """Comparisons of a valid clock of a house before it could know the time."""
    joined: Watched
    boots: dict[int, float]


def beats_of_houses(watched: Watched) -> dict[int, list[tuple[float, int]]]:
    """Return when each house sampled, and the low byte of the Sync."""
    message = MESSAGES["Frequency"]
    return {
        number: [
            (frame.timestamp, int(content_of(message, frame)["sequence"]))
            for frame in watched.of("Frequency")
            if frame.arbitration_id & 0x00F == number
        ]
        for number in ALL_HOUSES
    }


def assert_houses_sample(watched: Watched, left_out: float = 0.02) -> None:
    """A hundred times a second, at hardly any Sync not, at none twice."""
    for number, beats in beats_of_houses(watched).items():
        assert len(beats) / watched.seconds == pytest.approx(100, rel=0.02), f"house {number}"
        steps = [(after - before) % 256 for (_, before), (_, after) in pairwise(beats)]
        assert all(steps), f"house {number} sampled twice at one Sync"
        assert sum(step != 1 for step in steps) <= left_out * len(steps), f"house {number} left some out"


def watch_sampling(
    rig: Rig, seconds: float, check: Callable[[Watched], None] = assert_houses_sample
) -> Watched:
    """Watch until the houses sample as they shall, at most three times.

    A look in which the machine had no processor for a node says nothing about the node, and does not count.
    """
    fair = looks = 0
    patient_until_s = time.monotonic() + PATIENCE_S
    while True:
        seen = look(rig.cluster, seconds)
        looks += 1
        fair += seen.held_up <= HELD_UP
        try:
            check(seen.watched)
        except AssertionError as error:
            print(f"\nlook {looks}, without a processor for {seen.held_up:.1%} of the time: {error}")
            if fair == FAIR_LOOKS or time.monotonic() > patient_until_s:
                raise
        else:
            return seen.watched


def assert_honest(errors: ClockErrors) -> None:
    """All clocks that were said to be valid were within 10 ms, of the truth and of each other."""
    for distribution in (errors.between_houses, errors.of_houses, errors.of_gateways):
        assert distribution.count > 0
        assert distribution.maximum_us <= CLOCKS_APART_MS * 1000


def masters_after(rig: Rig, seconds: float) -> set[int]:
    """Who beats time when so much time has passed."""
    rig.cluster.watch(seconds)
    return masters(rig.cluster.watch(0.5))
