"""The door of a fake GX: takes connections as its broker does, checks the login, passes on to Mosquitto.

Mosquitto knows neither the delays nor the lock-out of a GX, so the login is judged here. The door can also
behave as bad networks do: fall silent without hanging up, or hang up on everybody.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import subprocess
from dataclasses import dataclass
from pathlib import Path

from .security import Security

_LOOPBACK = "127.0.0.1"
_CONNECT, _CONNACK_REFUSED = 0x10, bytes((0x20, 0x02, 0x00, 0x05))
_MAX_CONNECT_BYTES = 4096


@dataclass(frozen=True, slots=True)
class Greeting:
    """The login in an MQTT CONNECT."""

    packet: bytes
    username: str | None
    password: str | None


class Doorman:
    """Listens on one port, in front of a broker that lets everybody in."""

    def __init__(
        self, broker_port: int, security: Security, tls: ssl.SSLContext | None = None, port: int = 0
    ) -> None:
        """Know whom to let in; port 0 takes any."""
        self.port = port
        self.refused = 0
        self._broker_port = broker_port
        self._security = security
        self._tls = tls
        self._server: asyncio.Server | None = None
        self._lines: set[asyncio.Task[None]] = set()
        self._flowing = asyncio.Event()
        self._flowing.set()

    async def up(self) -> None:
        """Open the door."""
        self._server = await asyncio.start_server(self._serve, _LOOPBACK, self.port, ssl=self._tls)
        self.port = self._server.sockets[0].getsockname()[1]

    async def down(self) -> None:
        """Close the door and hang up on everybody: the GX reboots."""
        if self._server is not None:
            self._server.close()
            self._server = None
        await self.hang_up()

    async def hang_up(self) -> None:
        """Break all connections."""
        lines = list(self._lines)
        for line in lines:
            line.cancel()
        await asyncio.gather(*lines, return_exceptions=True)

    def freeze(self) -> None:
        """Pass nothing on any more, without a word: a half-open connection."""
        self._flowing.clear()

    def thaw(self) -> None:
        """Pass on again what comes from now on, and what waited."""
        self._flowing.set()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._lines.add(task)
        try:
            greeting = await read_greeting(reader)
            if not self._security.admits(greeting.username, greeting.password):
                self.refused += 1
                await asyncio.sleep(self._security.refusal_s)
                writer.write(_CONNACK_REFUSED)
                await writer.drain()
                return
            to_reader, to_writer = await asyncio.open_connection(_LOOPBACK, self._broker_port)
            try:
                to_writer.write(greeting.packet)
                ways = [
                    asyncio.ensure_future(self._forward(reader, to_writer)),
                    asyncio.ensure_future(self._forward(to_reader, writer)),
                ]
                try:
                    await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
                finally:
                    for way in ways:
                        way.cancel()
                    await asyncio.gather(*ways, return_exceptions=True)
            finally:
                to_writer.close()
        except (OSError, ValueError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass  # no MQTT, no broker, or we hang up
        finally:
            self._lines.discard(task)
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    async def _forward(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            while data := await reader.read(1 << 16):
                await self._flowing.wait()
                writer.write(data)
                await writer.drain()


async def read_greeting(reader: asyncio.StreamReader) -> Greeting:
    """Read a CONNECT of MQTT 3.1.1; raises ValueError for anything else."""
    head = await reader.readexactly(1)
    size, shift = 0, 0
    while True:
        byte = await reader.readexactly(1)
        head += byte
        size |= (byte[0] & 0x7F) << shift
        shift += 7
        if not byte[0] & 0x80:
            break
        if shift > 21:
            raise ValueError("this is no MQTT")
    if head[0] != _CONNECT or not 10 <= size <= _MAX_CONNECT_BYTES:
        raise ValueError("this is no CONNECT")
    body = await reader.readexactly(size)
    flags = body[7]
    rest = body[10:]

    def text() -> str:
        nonlocal rest
        length = int.from_bytes(rest[:2], "big")
        found, rest = rest[2 : 2 + length], rest[2 + length :]
        return found.decode()

    text()  # the client's id
    if flags & 0x04:  # a last will
        text()
        text()
    username = text() if flags & 0x80 else None
    password = text() if flags & 0x40 else None
    return Greeting(head + body, username, password)


def certificate(folder: Path) -> ssl.SSLContext:
    """Make a key and a certificate that signs itself, as each GX has; raises OSError without openssl."""
    key, public = folder / "venus.key", folder / "venus.crt"
    subprocess.run(
        [
            *(
                "openssl",
                "req",
                "-x509",
                "-newkey",
                "ec",
                "-pkeyopt",
                "ec_paramgen_curve:prime256v1",
                "-nodes",
            ),
            *("-subj", "/CN=venus.local", "-days", "2", "-keyout", str(key), "-out", str(public)),
        ],
        check=True,
        capture_output=True,
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(public, key)
    return context
