"""Talks to a running Home Assistant as its frontend does: REST and WebSocket."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
from collections.abc import Callable
from typing import Any, Self

import aiohttp

Json = Any  # what the interface of Home Assistant sends; read by whoever asked for it
EventListener = Callable[[Json], None]


class HassError(Exception):
    """Home Assistant refused or did not answer."""


class HassClient:
    """One logged-in session; the WebSocket is opened on demand and again after Home Assistant restarted."""

    def __init__(self, base_url: str) -> None:
        """Know where it is; nothing is sent yet."""
        self.base_url = base_url
        self.token = ""
        self._http: aiohttp.ClientSession | None = None
        self._socket: aiohttp.ClientWebSocketResponse | None = None
        self._reader: asyncio.Task[None] | None = None
        self._opening = asyncio.Lock()
        self._ids = itertools.count(1)
        self._answers: dict[int, asyncio.Future[Json]] = {}
        self._listeners: dict[int, EventListener] = {}

    async def __aenter__(self) -> Self:
        """Open the session."""
        return self

    async def __aexit__(self, *exception: object) -> None:
        """Close it."""
        await self.close()

    @property
    def http(self) -> aiohttp.ClientSession:
        """The HTTP session."""
        if self._http is None:
            self._http = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=30))
        return self._http

    async def close(self) -> None:
        """Close both connections."""
        await self.close_socket()
        if self._http is not None:
            await self._http.close()
            self._http = None

    async def close_socket(self) -> None:
        """Close the WebSocket; the next command opens it again."""
        if self._socket is not None:
            with contextlib.suppress(Exception):  # the other side may be dead
                await self._socket.close()
        if self._reader is not None:
            self._reader.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._reader
        self._socket = self._reader = None

    # ---- REST ----------------------------------------------------------------------------------------------

    async def get(self, path: str) -> Json:
        """GET and return the JSON."""
        return await self._request("GET", path)

    async def post(self, path: str, payload: Json) -> Json:
        """POST JSON and return the JSON."""
        return await self._request("POST", path, json=payload)

    async def _request(self, method: str, path: str, **options: Any) -> Json:
        headers = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        try:
            async with self.http.request(
                method, self.base_url + path, headers=headers, **options
            ) as response:
                body = await response.text()
        except (aiohttp.ClientError, TimeoutError) as error:
            raise HassError(f"{method} {path}: {error!r}") from error
        if response.status >= 400:
            raise HassError(f"{method} {path}: {response.status} {body[:500]}")
        return json.loads(body) if body else None

    async def status_of(self, path: str) -> int | None:
        """Return the HTTP status of a GET, None when nobody answers."""
        try:
            async with self.http.get(self.base_url + path) as response:
                return response.status
        except aiohttp.ClientError, TimeoutError:
            return None

    async def flow(self, path: str, start: Json, *answers: Json, tries: int = 1) -> Json:
        """Run a config, options or subentry flow to its end and return the result.

        An answer that the flow complains of is given `tries` times, a second apart.
        """
        result = await self.post(path, start)
        for answer in answers:
            if result["type"] not in ("form", "menu"):
                break
            for _ in range(tries):
                result = await self.post(f"{path}/{result['flow_id']}", answer)
                if not result.get("errors"):
                    break
                await asyncio.sleep(1.0)
            else:
                reason = (result.get("description_placeholders") or {}).get("reason", "")
                raise HassError(f"{path} {start}: {result['errors']} {reason}".rstrip())
        return result

    # ---- WebSocket -----------------------------------------------------------------------------------------

    async def ws(self, type_: str, **fields: Json) -> Json:
        """Send one command and return its result."""
        _, result = await self._send({"type": type_, **fields}, None)
        return result

    async def subscribe(self, listener: EventListener, type_: str, **fields: Json) -> Callable[[], None]:
        """Send a subscribing command; `listener` gets each event until the returned function is called."""
        number, _ = await self._send({"type": type_, **fields}, listener)
        return lambda: self._listeners.pop(number, None) and None

    async def _send(self, message: dict[str, Json], listener: EventListener | None) -> tuple[int, Json]:
        socket = await self._connected()
        number = next(self._ids)
        answer: asyncio.Future[Json] = asyncio.get_running_loop().create_future()
        self._answers[number] = answer
        if listener is not None:
            self._listeners[number] = listener
        try:
            await socket.send_json({"id": number, **message})
            async with asyncio.timeout(30):
                result = await answer
        except (aiohttp.ClientError, TimeoutError, ConnectionError) as error:
            raise HassError(f"{message['type']}: {error!r}") from error
        finally:
            self._answers.pop(number, None)
        if not result["success"]:
            raise HassError(f"{message['type']}: {result['error']}")
        return number, result["result"]

    async def _connected(self) -> aiohttp.ClientWebSocketResponse:
        async with self._opening:
            if self._socket is not None and not self._socket.closed:
                return self._socket
            await self.close_socket()
            try:
                socket = await self.http.ws_connect(
                    self.base_url.replace("http", "ws", 1) + "/api/websocket", max_msg_size=0, heartbeat=20
                )
                await socket.receive_json()
                await socket.send_json({"type": "auth", "access_token": self.token})
                answer = await socket.receive_json()
            except (aiohttp.ClientError, TimeoutError, TypeError) as error:
                raise HassError(f"WebSocket: {error!r}") from error
            if answer["type"] != "auth_ok":
                await socket.close()
                raise HassError(f"WebSocket: {answer}")
            self._socket = socket
            self._listeners.clear()
            self._reader = asyncio.create_task(self._read(socket))
            return socket

    async def _read(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        async for packet in socket:
            if packet.type is not aiohttp.WSMsgType.TEXT:
                break
            content = json.loads(packet.data)
            for message in content if isinstance(content, list) else [content]:
                number = message.get("id")
                if message["type"] == "result" and (answer := self._answers.get(number)) is not None:
                    if not answer.done():
                        answer.set_result(message)
                elif message["type"] == "event" and (listener := self._listeners.get(number)) is not None:
                    listener(message["event"])
        for answer in self._answers.values():
            if not answer.done():
                answer.set_exception(ConnectionError("the WebSocket was closed"))
