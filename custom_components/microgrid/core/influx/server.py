"""A server: how it is reached, which generation it is, and what every generation can do for us."""

from __future__ import annotations

import base64
import re
import ssl
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final, Protocol
from urllib.parse import urlsplit

import aiohttp

from .answers import Answer
from .tiers import Policy

VERSION_HEADER: Final = "X-Influxdb-Version"
TIMEOUT: Final = aiohttp.ClientTimeout(total=30, connect=10)
_VERSION: Final = re.compile(r"v?(\d+)\.\d+")
_GENERATIONS: Final = frozenset({1, 2, 3})


class InfluxError(Exception):
    """Base of all errors of this package."""


class Unreachable(InfluxError):
    """Nobody answered, or not in time: try again later."""


class NotInflux(InfluxError):
    """Who answered is no InfluxDB that we know."""


class Unauthorised(InfluxError):
    """The server does not accept who we say we are, or does not let us do this."""


class Failed(InfluxError):
    """The server refused a request; the text says which and why."""


@dataclass(frozen=True, slots=True)
class Access:
    """How to reach a server."""

    url: str
    """Without a slash at the end."""
    username: str = ""
    password: str = field(default="", repr=False)
    token: str = field(default="", repr=False)
    organisation: str = ""
    """Name; 2.x only."""
    tls: ssl.SSLContext | None = field(default=None, repr=False)
    """None for http."""

    def check(self) -> None:
        """Raise ValueError for an address that cannot be one, or would put a secret where it is shown."""
        parts = urlsplit(self.url)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise ValueError(f"{self.url!r} is no address: write http://host:8086 or https://host:8086")
        if "@" in parts.netloc or parts.query or parts.fragment:
            raise ValueError("the address must not hold a name, a password or a query: use their own fields")

    def headers(self, generation: int) -> dict[str, str]:
        """Return what tells the server who we are."""
        if generation > 1 and self.token:
            return {"Authorization": f"Token {self.token}"}
        if self.username:
            told = base64.b64encode(f"{self.username}:{self.password}".encode()).decode()
            return {"Authorization": f"Basic {told}"}
        return {}


@dataclass(frozen=True, slots=True)
class Server:
    """Who answered."""

    generation: int
    version: str


class Made(StrEnum):
    """What a step of the provisioning found or did."""

    EXISTS = "exists"
    CREATED = "created"
    CHANGED = "changed"


@dataclass(frozen=True, slots=True)
class Step:
    """One step of the provisioning."""

    name: str
    made: Made


class Sink(Protocol):
    """A server that takes lines."""

    async def provision(self) -> list[Step]:
        """Make the tiers that are missing, step by step; raises an InfluxError that names the step."""

    async def write(self, policy: Policy, body: bytes) -> Answer:
        """Write lines; raises Unreachable."""

    async def close(self) -> None:
        """Release what is held."""


async def detect(session: aiohttp.ClientSession, access: Access) -> Server:
    """Return generation and version; raises Unreachable, NotInflux and Unauthorised."""
    # 3.x wants to know who asks even for its version.
    headers = access.headers(3 if access.token else 1)
    status, headers_got, told = await request(session, access, "GET", "/ping", headers=headers)
    if status in {401, 403}:
        raise Unauthorised(f"{access.url}: {status} to GET /ping")
    version = headers_got.get(VERSION_HEADER, "")
    if not version and isinstance(told, dict):
        version = str(told.get("version", ""))
    found = _VERSION.match(version)
    if status not in {200, 204} or found is None or int(found[1]) not in _GENERATIONS:
        raise NotInflux(
            f"{access.url} answered {status} without a version of InfluxDB 1.x, 2.x or 3.x; check the address"
        )
    return Server(int(found[1]), version)


async def request(
    session: aiohttp.ClientSession,
    access: Access,
    method: str,
    path: str,
    *,
    headers: dict[str, str],
    query: dict[str, str] | None = None,
    data: bytes | dict[str, str] | None = None,
) -> tuple[int, dict[str, str], Any]:
    """Return status, headers and the body: JSON as what it says, everything else as text."""
    try:
        async with session.request(
            method,
            f"{access.url}{path}",
            params=query,
            data=data,
            headers=headers,
            ssl=access.tls if access.tls is not None else True,
            timeout=TIMEOUT,
            allow_redirects=False,
        ) as response:
            text = await response.text(errors="replace")
            told: Any = text
            if "json" in response.headers.get("Content-Type", ""):
                try:
                    told = await response.json(content_type=None)
                except ValueError:
                    told = text
            # The names of headers are known by case-insensitive look-up only.
            known = {VERSION_HEADER: response.headers.get(VERSION_HEADER, "")}
            return response.status, known, told if not isinstance(told, str) else text
    except TimeoutError as error:
        raise Unreachable(f"{access.url} did not answer in time") from error
    except (aiohttp.ClientError, OSError) as error:
        raise Unreachable(f"{access.url}: {describe(error)}") from error


def describe(error: BaseException) -> str:
    """Return what a network error says, or what it is when it says nothing."""
    return str(error) or type(error).__name__
