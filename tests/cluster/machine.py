"""What the machine itself withholds from programs that are watched while they keep time.

A look in which a program had no processor, or in which the whole machine stood still, says nothing about the
program.
"""

from __future__ import annotations

import contextlib
import threading
import time
from dataclasses import dataclass
from pathlib import Path

from tests.cluster.cluster import Cluster, Watched

FAIR_LOOKS = 3
PATIENCE_S = 180.0
"""How long to wait for a machine that has no processor to give."""
HELD_UP = 0.02
"""Share of a look that a program may wait for a processor: as many Syncs may be left out."""
_NAP_S, _PAUSE_S = 0.005, 0.05


class Pauses(contextlib.AbstractContextManager["Pauses"]):
    """How long this process stood still although it wanted to go on: 50 ms at once, or more."""

    def __init__(self) -> None:
        """Nothing was seen yet."""
        self.total_s = self.longest_s = 0.0
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._nap, name="pauses", daemon=True)

    def __enter__(self) -> Pauses:
        """Begin."""
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """End; what was seen stays."""
        self._over.set()
        self._thread.join()

    def _nap(self) -> None:
        before_s = time.monotonic()
        while not self._over.wait(_NAP_S):
            before_s, paused_s = time.monotonic(), time.monotonic() - before_s - _NAP_S
            if paused_s >= _PAUSE_S:
                self.total_s += paused_s
                self.longest_s = max(self.longest_s, paused_s)


def waited_s(cluster: Cluster) -> dict[int, float]:
    """Return how long each node was ready to run and had no processor, in all so far."""
    waited = {node.pid: 0 for node in cluster.nodes.values()}
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):  # it ended meanwhile
            group = int((folder / "stat").read_text().rpartition(")")[2].split()[2])
            if group in waited:
                waits = [(task / "schedstat").read_text().split()[1] for task in (folder / "task").iterdir()]
                waited[group] += sum(map(int, waits))
    return {group: nanoseconds / 1e9 for group, nanoseconds in waited.items()}


@dataclass(frozen=True, slots=True)
class Look:
    """What was on the bus, and which share of the time the machine was no good."""

    watched: Watched
    stood_still: float
    """All of it."""
    held_up: float
    """For one node at least."""


def look(cluster: Cluster, seconds: float) -> Look:
    """Watch for so long."""
    before, began_s = waited_s(cluster), time.monotonic()
    with Pauses() as pauses:
        watched = cluster.watch(seconds)
    took_s, after = time.monotonic() - began_s, waited_s(cluster)
    stood_still = pauses.total_s / took_s
    waited = max(after[node] - before[node] for node in before) / took_s
    return Look(watched, stood_still, max(stood_still, waited))
