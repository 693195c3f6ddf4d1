"""The network between nodes and the broker, where it can be cut for some of them.

A cut line swallows everything without a word, as a radio that is out of reach does; once it is mended, the
old connections turn out to be dead.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Collection

from script.lab.processes import LOOPBACK

_CONNECT_BYTES = 512


class BrokenLine:
    """Forwards TCP from a port of its own to the broker's; the client's id in MQTT tells the lines apart."""

    def __init__(self, broker_port: int) -> None:
        """Know where the broker listens."""
        self._broker_port = broker_port
        self._cut: frozenset[str] = frozenset()
        self._lines: dict[asyncio.Task[None], str] = {}
        self._server: asyncio.Server | None = None
        self.port = 0

    async def up(self) -> None:
        """Listen."""
        self._server = await asyncio.start_server(self._serve, LOOPBACK, 0)
        self.port = self._server.sockets[0].getsockname()[1]

    async def down(self) -> None:
        """Hang up on everybody."""
        if self._server is not None:
            self._server.close()
        await self._hang_up(list(self._lines))

    def cut(self, nodes: Collection[str]) -> None:
        """Swallow what these nodes say and what is said to them."""
        self._cut = frozenset(nodes)

    async def mend(self) -> None:
        """Let everybody speak again, over new connections."""
        cut, self._cut = self._cut, frozenset()
        await self._hang_up([task for task, node in self._lines.items() if node in cut])

    async def _hang_up(self, tasks: Collection[asyncio.Task[None]]) -> None:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        try:
            first = await reader.read(_CONNECT_BYTES)
            node = self._lines[task] = _node(first)
            to_reader, to_writer = await asyncio.open_connection(LOOPBACK, self._broker_port)
            try:
                if node not in self._cut:
                    to_writer.write(first)
                ways = [
                    asyncio.ensure_future(self._forward(node, reader, to_writer)),
                    asyncio.ensure_future(self._forward(node, to_reader, writer)),
                ]
                try:
                    await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
                finally:
                    for way in ways:
                        way.cancel()
                    await asyncio.gather(*ways, return_exceptions=True)
            finally:
                to_writer.close()
        except OSError, asyncio.CancelledError:
            pass  # the broker is away, or we hang up
        finally:
            self._lines.pop(task, None)
            writer.close()

    async def _forward(self, node: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            while data := await reader.read(1 << 16):
                if node not in self._cut:
                    writer.write(data)
                    await writer.drain()


def _node(first: bytes) -> str:
    """Return the end of the client's id in a CONNECT: the simulator names its connections after the nodes."""
    at = first.find(b"microgrid-simulator-demo-")
    if at < 2:
        return ""
    size = int.from_bytes(first[at - 2 : at])
    return first[at : at + size].decode().removeprefix("microgrid-simulator-demo-")
