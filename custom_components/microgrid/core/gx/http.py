"""A station over the D-Bus HTTP API (an add-on on the GX, port 8088), read round by round.

Its server has one thread and talks to the D-Bus while we wait, so requests never overlap and a service is
read as a whole. Writing exists in its newer dialect, behind a switch that the owner of the GX sets.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

import aiohttp

from . import http_answers as answers
from .errors import BadAnswer, GxError, NotSupported, NotThere, Unreachable, WriteRefused
from .http_answers import Failure, Health
from .table import table
from .transport import READ_TIMEOUT_S, Link, LinkState
from .tree import Tree
from .value import Address, Reason, Scalar, Told, valid_portal

_LOGGER = logging.getLogger(__name__)

PORT: Final = 8088
_TIMEOUT_S: Final = 10.0
_FAST: Final = frozenset({"system", "vebus", "multi", "inverter", "acsystem", "battery", "grid", "acload"})
"""Read in every round; the rest more rarely."""
_SETTINGS: Final = "settings"
_SYSTEM: Final = "com.victronenergy.system"
_VIRTUAL: Final = "com.victronenergy.battery.virtual_"
_PATIENCE: Final = 3
_READ_ONLY: Final = frozenset({403, 404, 405, 501})
"""How servers say that they do not write."""


@dataclass(frozen=True, slots=True)
class Rhythm:
    """How often what is read, in seconds."""

    round_s: float = 10.0
    slow_s: float = 60.0
    pause_s: float = 0.05
    """Between two requests: others want the server, too."""
    first_retry_s: float = 2.0
    last_retry_s: float = 60.0


class HttpStation(Link):
    """One station over the HTTP API."""

    takes_null = False  # its server takes a null for a field that is missing

    def __init__(
        self,
        session: aiohttp.ClientSession,
        url: str,
        tree: Tree | None = None,
        *,
        allow_writes: bool = False,
        virtual_batteries: bool = False,
        rhythm: Rhythm | None = None,
    ) -> None:
        """Prepare; raises ValueError for an address that cannot be one."""
        super().__init__()
        parts = urlsplit(url)
        if parts.scheme not in {"http", "https"} or not parts.hostname or parts.query or parts.fragment:
            raise ValueError(f"{url!r} is no address: write http://venus.local:{PORT}")
        self.url = url.rstrip("/")
        self.tree = tree if tree is not None else Tree()
        self.health: Health | None = None
        """Who answers; known after the first round."""
        self.rounds = 0
        self._session = session
        self._allow_writes = allow_writes
        self._virtual = virtual_batteries
        self._rhythm = rhythm or Rhythm()
        self._one = asyncio.Lock()
        self._names: tuple[str, ...] = ()
        self._keys: dict[str, tuple[str, int]] = {}
        """Name on the D-Bus → service and instance."""
        self.tree.pushed = False
        self.tree.cycle_s = self._rhythm.round_s

    @property
    def writable(self) -> bool:
        """Whether writes were allowed and the server knows how; its owner's switch shows when it is tried."""
        return self._allow_writes and self.health is not None and self.health.newer

    async def run(self) -> None:
        """Keep the tree up to date until cancelled."""
        await asyncio.to_thread(table)  # a file, and the first value asks for it
        retry_s = self._rhythm.first_retry_s
        self.become(LinkState.CONNECTING)
        slow_at = 0.0
        try:
            while True:
                began = self.tree.now()
                try:
                    slow = began >= slow_at
                    await self._round(slow)
                except GxError as error:
                    _LOGGER.debug("%s: %s", self.url, error)
                    self.become(LinkState.LOST, str(error))
                    await asyncio.sleep(retry_s)
                    retry_s = min(retry_s * 2.0, self._rhythm.last_retry_s)
                    slow_at = 0.0
                    continue
                if slow:
                    slow_at = began + self._rhythm.slow_s
                self.rounds += 1
                retry_s = self._rhythm.first_retry_s
                took_s = self.tree.now() - began
                self.tree.cycle_s = max(self._rhythm.round_s, took_s)
                self.become(LinkState.ONLINE)
                await asyncio.sleep(max(self._rhythm.pause_s, self._rhythm.round_s - took_s))
        finally:
            self.become(LinkState.STOPPED)

    async def introduce(self) -> Health:
        """Find out who answers here; raises Unreachable and BadAnswer."""
        status, body = await self._ask("GET", "/health")
        health = answers.parse_health(status, body)
        if not isinstance(health, Health):
            raise BadAnswer(f"{self.url} is not the D-Bus HTTP API: {_why(health)}")
        self.health = health
        return health

    async def portal(self) -> str:
        """Ask for the id of the GX; raises Unreachable and BadAnswer."""
        told = answers.parse_value(*await self._ask("GET", "/value", {"service": _SYSTEM, "path": "/Serial"}))
        portal = told.value if isinstance(told, Told) else None
        if not isinstance(portal, str) or not valid_portal(portal):
            raise BadAnswer(f"{self.url} does not tell the id of the GX: {_SYSTEM} has no /Serial")
        return portal

    async def read(self, address: Address, timeout_s: float = READ_TIMEOUT_S) -> Told:
        """Ask for one value now; raises Unreachable when nothing comes, NotThere for what is not there."""
        name = self._name_of(address)
        told = answers.parse_value(
            *await self._ask("GET", "/value", {"service": name, "path": address.path}, timeout_s=timeout_s)
        )
        if isinstance(told, Failure):
            raise Unreachable(f"{address}: {_why(told)}")
        if isinstance(told, Reason):
            self.tree.reject(told)
            raise Unreachable(f"{address}: {_why(told)}")
        self.tree.tell(address, told)
        return told

    async def write(self, address: Address, value: Scalar) -> None:
        """Send one value; raises WriteRefused with what the server says."""
        if not self.writable:
            raise NotSupported(f"{self.url} only reads")
        name = self._name_of(address)
        status, body = await self._ask(
            "POST", "/value", body={"service": name, "path": address.path, "value": value}
        )
        told = answers.parse_value(status, body)
        if isinstance(told, Told):
            self.tree.tell(address, told)
            return
        if isinstance(told, Failure) and status in _READ_ONLY:
            raise WriteRefused(
                f"{address}: the GX does not let us write: {_why(told)}; its switch AI_write must be on"
            )
        raise WriteRefused(f"{address}: {_why(told)}")

    # ---- one round -----------------------------------------------------------------------------------------

    async def _round(self, slow: bool) -> None:
        """Read what is due; raises Unreachable and BadAnswer when it is not worth going on."""
        if self.health is None:
            await self.introduce()
            self.become(LinkState.LOADING)
        if slow:
            await self._look_around()
        in_vain = 0
        for name in self._names:
            service = answers.service_type(name)
            if service is None or not (slow or service in _FAST):
                continue
            try:
                await self._take(name, service)
                in_vain = 0
            except Unreachable:
                # One service that hangs must not cost the others; several in a row are a server that is away.
                in_vain += 1
                self.tree.reject(Reason.BAD_ANSWER)
                if in_vain == _PATIENCE:
                    raise
            await asyncio.sleep(self._rhythm.pause_s)

    async def _look_around(self) -> None:
        """Learn which services there are; those that are gone leave the tree."""
        found = answers.parse_services(*await self._ask("GET", "/services"))
        if not isinstance(found, tuple):
            self._count(found)
            raise BadAnswer(f"{self.url}: {_why(found)}")
        self._names = tuple(name for name in found if self._virtual or not name.startswith(_VIRTUAL))
        for name in [name for name in self._keys if name not in self._names]:
            self.tree.leave(*self._keys.pop(name))

    async def _take(self, name: str, service: str) -> None:
        """Read one service as a whole. One that fails may have left just now: the others go on."""
        if service == _SETTINGS:
            values = answers.parse_settings(*await self._ask("GET", "/settings"))
        else:
            values = answers.parse_root(*await self._ask("GET", "/value", {"service": name, "path": "/"}))
        if not isinstance(values, dict):
            self._count(values)
            _LOGGER.debug("%s: %s: %s", self.url, name, _why(values))
            return
        key = (service, answers.instance_of(values))
        if (before := self._keys.get(name)) is not None and before != key:
            self.tree.leave(*before)
        self._keys[name] = key
        for path, value in values.items():
            self.tree.tell(Address(*key, path), Told(value))
        if (device := self.tree.devices.get(key)) is not None:
            device.name = name

    def _name_of(self, address: Address) -> str:
        for name, key in self._keys.items():
            if key == (address.service, address.instance):
                return name
        raise NotThere(f"{address}: the station has no such device")

    def _count(self, failed: Failure | Reason) -> None:
        self.tree.reject(failed if isinstance(failed, Reason) else Reason.BAD_ANSWER)

    async def _ask(
        self,
        method: str,
        path: str,
        query: dict[str, str] | None = None,
        *,
        body: dict[str, Any] | None = None,
        timeout_s: float = _TIMEOUT_S,
    ) -> tuple[int, bytes]:
        """Ask once nobody else does; returns status and body; raises Unreachable."""
        try:
            async with (
                asyncio.timeout(timeout_s),
                self._one,
                self._session.request(
                    method, f"{self.url}{path}", params=query, json=body, allow_redirects=False
                ) as response,
            ):
                parts, size = [], 0
                async for part in response.content.iter_chunked(65536):
                    parts.append(part)
                    size += len(part)
                    if size > answers.MAX_ANSWER_BYTES:
                        self.tree.reject(Reason.TOO_LARGE)
                        raise Unreachable(f"{self.url}{path}: more than {answers.MAX_ANSWER_BYTES} bytes")
                return response.status, b"".join(parts)
        except TimeoutError as error:
            raise Unreachable(f"{self.url}{path}: no answer within {timeout_s:g} s") from error
        except (aiohttp.ClientError, OSError) as error:
            raise Unreachable(f"{self.url}{path}: {str(error) or type(error).__name__}") from error


def _why(failed: Failure | Reason) -> str:
    """Say what was wrong with an answer."""
    if isinstance(failed, Reason):
        return f"the answer is not readable ({failed.value})"
    return f"{failed.status} {failed.text}".strip()
