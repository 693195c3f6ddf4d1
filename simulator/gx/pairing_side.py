"""The pairing page of a fake GX: an HTTPS form that makes a token while its pairing mode lasts."""

from __future__ import annotations

import asyncio
import contextlib
import json
import ssl
from urllib.parse import parse_qs

from microgrid_core.gx.access import PAIRING_PATH

from .security import Security

_LOOPBACK = "127.0.0.1"
_MAX_REQUEST_BYTES = 8192
_PATIENCE_S = 10.0
_REASONS = {200: "OK", 400: "Bad Request", 403: "Forbidden", 404: "Not Found", 405: "Method Not Allowed"}


class PairingSide:
    """Serves one path of the web server on a GX."""

    def __init__(self, security: Security, tls: ssl.SSLContext | None = None, port: int = 0) -> None:
        """Know who makes the tokens; without `tls` it speaks plainly, port 0 takes any."""
        self.port = port
        self.asked = 0
        self._security = security
        self._tls = tls
        self._server: asyncio.Server | None = None

    @property
    def host(self) -> str:
        """Where it is, as a host with its port."""
        return f"{_LOOPBACK}:{self.port}"

    async def up(self) -> None:
        """Open."""
        self._server = await asyncio.start_server(self._serve, _LOOPBACK, self.port, ssl=self._tls)
        self.port = self._server.sockets[0].getsockname()[1]

    async def down(self) -> None:
        """Close."""
        if self._server is not None:
            self._server.close()
            self._server = None

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(_PATIENCE_S):
                status, answer = await self._answer(reader)
            body = json.dumps(answer).encode()
            head = (
                f"HTTP/1.1 {status} {_REASONS[status]}\r\nContent-Type: application/json\r\n"
                f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
            )
            writer.write(head.encode() + body)
            await writer.drain()
        except (OSError, ValueError, TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            pass  # no HTTP, or somebody who hung up
        finally:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    async def _answer(self, reader: asyncio.StreamReader) -> tuple[int, dict[str, str]]:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        method, path, _ = head.split("\r\n", 1)[0].split(" ", 2)
        length = next(
            (
                int(line.partition(":")[2])
                for line in head.split("\r\n")
                if line.lower().startswith("content-length:")
            ),
            0,
        )
        if not 0 <= length <= _MAX_REQUEST_BYTES:
            return 400, {"error": "too long"}
        form = parse_qs((await reader.readexactly(length)).decode())
        if path != PAIRING_PATH:
            return 404, {"error": "not found"}
        if method != "POST":
            return 405, {"error": "POST a form"}
        self.asked += 1
        role, device = form.get("role", [""])[0], form.get("device_id", [""])[0]
        token = self._security.pair(role, device)
        return (403, {"error": "not in pairing mode"}) if token is None else (200, token)
