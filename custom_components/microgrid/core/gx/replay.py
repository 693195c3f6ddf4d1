"""A recording as a station, for tests and the demo: it plays, and takes no writes."""

from __future__ import annotations

import asyncio

from .errors import NotSupported, Unreachable
from .recording import Recording
from .transport import READ_TIMEOUT_S, Link, LinkState
from .tree import Tree
from .value import Address, Scalar, Told

_BEAT_S = 1.0


class ReplayStation(Link):
    """Plays a recording into a tree."""

    def __init__(
        self, recording: Recording, tree: Tree | None = None, *, speed: float = 1.0, repeat: bool = False
    ) -> None:
        """Prepare; raises ValueError for a speed that is none."""
        super().__init__()
        if not speed > 0.0:
            raise ValueError(f"{speed} is no speed: write a number above 0")
        self.recording = recording
        self.tree = tree if tree is not None else Tree()
        self.tree.pushed = True
        self._speed = speed
        self._repeat = repeat
        self.rounds = 0
        """How often the recording was played to its end."""

    @property
    def writable(self) -> bool:
        """Nobody is there to take a value."""
        return False

    async def run(self) -> None:
        """Play until cancelled; at the end begin again, or stay as it was then."""
        self.become(LinkState.CONNECTING)
        try:
            while True:
                began = asyncio.get_running_loop().time()
                for address, value in self.recording.initial.items():
                    self.tree.tell(address, Told(value))
                for key, name in self.recording.names.items():
                    self.tree.devices[key].name = name
                self.become(LinkState.ONLINE)
                for event in self.recording.events:
                    await self._wait(began + event.time_s / self._speed)
                    self.tree.tell(event.address, Told(event.value))
                self.rounds += 1
                if not self._repeat:
                    await self._wait(float("inf"))
                await self._wait(began + (self.recording.length_s + 1.0) / self._speed)
        finally:
            self.become(LinkState.STOPPED)

    async def read(self, address: Address, timeout_s: float = READ_TIMEOUT_S) -> Told:
        """Return what was played last; raises Unreachable for what was never there."""
        leaf = self.tree.leaf(address)
        if leaf is None:
            raise Unreachable(f"{address} is not in the recording")
        return Told(leaf.value, leaf.minimum, leaf.maximum)

    async def write(self, address: Address, value: Scalar) -> None:
        """Refuse: raises NotSupported."""
        raise NotSupported(f"{address}: a recording takes no values")

    async def _wait(self, until: float) -> None:
        """Wait, and give signs of life meanwhile."""
        loop = asyncio.get_running_loop()
        while (left_s := until - loop.time()) > 0.0:
            self.tree.alive()
            await asyncio.sleep(min(left_s, _BEAT_S))
