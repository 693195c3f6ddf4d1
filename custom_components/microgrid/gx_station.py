"""One Victron GX: how it is reached, the connection that is kept, and what changed since the last look.

A GX tells up to thirty changes a second. They are gathered and told in handfuls, so that nobody does anything
thirty times.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

import aiohttp
from homeassistant.core import CALLBACK_TYPE, callback

from .core.gx.access import TLS_PORT, Login, MqttAccess
from .core.gx.control import write as guarded_write
from .core.gx.errors import AccessRefused, NotThere, WrongCertificate
from .core.gx.http import HttpStation
from .core.gx.mqtt import MqttStation
from .core.gx.transport import LinkState, Transport
from .core.gx.tree import Change, Leaf, Tree
from .core.gx.value import Address, Scalar, Told, Value, valid_path, valid_portal, valid_service
from .core.model.swarm import Node

_LOGGER = logging.getLogger(__name__)

CONF_WAY: Final = "way"
CONF_PORTAL: Final = "portal"
CONF_HOST: Final = "host"
CONF_PORT: Final = "port"
CONF_TLS: Final = "tls"
CONF_USERNAME: Final = "username"
CONF_PASSWORD: Final = "password"
CONF_FINGERPRINT: Final = "fingerprint"
CONF_URL: Final = "url"

NODE_PREFIX: Final = "gx_"
_GATHER_S: Final = 0.5
"""Changes are told this much later, together."""
_AGAIN_S: Final = 60.0
"""After a failure that nobody thought of."""

type Start = Callable[[Coroutine[Any, Any, None], str], asyncio.Task[None]]
"""Runs something for as long as the entry is loaded, or until it is cancelled."""


class Way(StrEnum):
    """Ways to a station."""

    MQTT = "mqtt"
    HTTP = "http"


@dataclass(frozen=True, slots=True)
class GxSettings:
    """How a station is reached, as its subentry keeps it."""

    portal: str
    """Id of the GX in VRM and in topics."""
    way: Way = Way.MQTT
    host: str = ""
    port: int = TLS_PORT
    tls: bool = True
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    fingerprint: str | None = None
    """Of the certificate that the GX showed when it was set up."""
    url: str = ""
    """Of the HTTP API."""

    @classmethod
    def from_data(cls, data: Mapping[str, Any]) -> GxSettings:
        """Read the data of a subentry, which may hold more; raises ValueError for what cannot be."""
        if not valid_portal(portal := data.get(CONF_PORTAL)):
            raise ValueError(f"{portal!r} is no portal id: 12 hexadecimal digits, as in VRM")
        settings = cls(
            portal=str(portal),
            way=Way(data.get(CONF_WAY, Way.MQTT)),
            host=data.get(CONF_HOST, ""),
            port=int(data.get(CONF_PORT, TLS_PORT)),
            tls=bool(data.get(CONF_TLS, True)),
            username=data.get(CONF_USERNAME),
            password=data.get(CONF_PASSWORD),
            fingerprint=data.get(CONF_FINGERPRINT),
            url=data.get(CONF_URL, ""),
        )
        if settings.way is Way.MQTT:
            settings.mqtt().check()
        return settings

    @property
    def node_id(self) -> str:
        """The station in the swarm: the same when it is added anew, and without the portal id in clear."""
        return NODE_PREFIX + hashlib.sha256(self.portal.encode()).hexdigest()[:10]

    def mqtt(self) -> MqttAccess:
        """Return the way over the broker of the GX."""
        login = None
        if self.password:
            login = (
                Login(self.username, self.password) if self.username else Login.with_password(self.password)
            )
        return MqttAccess(self.host, self.port, self.tls, login, self.fingerprint, self.portal)

    def access(self, session: aiohttp.ClientSession, *, allow_writes: bool = False) -> Transport:
        """Return the connection; raises ValueError for an address that cannot be one.

        `allow_writes` is for the HTTP API; over MQTT there is the allow-list alone.
        """
        if self.way is Way.HTTP:
            return HttpStation(session, self.url, allow_writes=allow_writes)
        return MqttStation(self.mqtt())


class GxStation:
    """One station, reached for as long as its entry is loaded."""

    def __init__(
        self,
        subentry_id: str,
        name: str,
        settings: GxSettings,
        access: Transport,
        refused: Callable[[GxStation], None],
    ) -> None:
        """Know the way; `refused` is told when only a person can help."""
        self.subentry_id = subentry_id
        self.name = name
        self.settings = settings
        self.node_id = settings.node_id
        self.node: Node | None = None
        """Its node in the swarm; None before the first contact."""
        self.access = access
        self._refused = refused
        self._changed: dict[Leaf, None] = {}
        self._listeners: list[Callable[[tuple[Leaf, ...]], None]] = []
        self._timer: asyncio.TimerHandle | None = None
        self._task: asyncio.Task[None] | None = None
        self._unsubscribe: list[CALLBACK_TYPE] = []

    @property
    def tree(self) -> Tree:
        """All that it told."""
        return self.access.tree

    @property
    def connected(self) -> bool:
        """Whether the tree shows the present: connected, all of it told, and signs of life since."""
        return self.access.state is LinkState.ONLINE

    @callback
    def on_change(self, listener: Callable[[tuple[Leaf, ...]], None]) -> CALLBACK_TYPE:
        """Tell `listener` the paths that changed; none of them when the connection came or went."""
        self._listeners.append(listener)

        @callback
        def stop() -> None:
            if listener in self._listeners:
                self._listeners.remove(listener)

        return stop

    def find(self, service: str, path: str) -> Address:
        """Return where `path` of a `service` is, named as `battery` or `battery/512`; raises NotThere.

        Without an instance it is the first device that has the path, or the first one at all: there are paths
        that exist only when they are asked for.
        """
        kind, slash, text = service.partition("/")
        if not valid_service(kind) or not valid_path(path) or (slash and not text.isdecimal()):
            raise NotThere(f"{service} {path} is no path: write it like battery, /Soc or battery/512, /Soc")
        devices = [device for device in self.tree.of(kind) if not slash or device.instance == int(text)]
        if not devices:
            there = ", ".join(f"{name}/{number}" for name, number in sorted(self.tree.devices))
            raise NotThere(f"{self.name} has no {service} now; it has {there or 'told nothing yet'}")
        device = next((device for device in devices if path in device.leaves), devices[0])
        return Address(device.service, device.instance, path)

    def has(self, name: str) -> bool:
        """Whether a device, named as `battery/512`, is on its bus."""
        return any(
            f"{device.service}/{device.instance}" == name and device.present
            for device in self.tree.devices.values()
        )

    async def read(self, service: str, path: str) -> Told:
        """Ask the station for one value now; raises GxError."""
        return await self.access.read(self.find(service, path))

    async def write(self, service: str, path: str, value: Scalar) -> Value:
        """Write one of the few paths that may be, and wait until the device says that it has it.

        Returns what it says; raises GxError.
        """
        return await guarded_write(self.access, self.find(service, path), value)

    # ---- the connection ------------------------------------------------------------------------------------

    @callback
    def start(self, start: Start) -> None:
        """Connect, and stay connected."""
        self._unsubscribe = [self.tree.subscribe(self._gather), self.access.watch(self._linked)]
        self._task = start(self._run(), f"microgrid GX {self.node_id}")

    async def async_stop(self) -> None:
        """Hang up."""
        while self._unsubscribe:
            self._unsubscribe.pop()()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None

    async def _run(self) -> None:
        while True:
            try:
                await self.access.run()
            except (AccessRefused, WrongCertificate) as error:
                _LOGGER.warning("%s: %s", self.name, error)
                self._refused(self)
                return
            except Exception:  # a mistake of ours in one station's data must not end the station
                _LOGGER.exception("%s: the connection failed; it is tried again", self.name)
            await asyncio.sleep(_AGAIN_S)

    def _gather(self, change: Change) -> None:
        self._changed[change.leaf] = None
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(_GATHER_S, self._tell)

    def _linked(self, state: LinkState) -> None:
        if state is LinkState.ONLINE:
            _LOGGER.info("%s is connected", self.name)
        elif state is LinkState.LOST:
            _LOGGER.debug("%s is not connected: %s", self.name, self.access.detail)
        self._tell_all(())

    @callback
    def _tell(self) -> None:
        """Tell what was gathered."""
        self._timer = None
        changed, self._changed = tuple(self._changed), {}
        self._tell_all(changed)

    def _tell_all(self, changed: tuple[Leaf, ...]) -> None:
        for listener in tuple(self._listeners):
            try:
                listener(changed)
            except Exception:  # one listener's mistake must not keep the news from the others
                _LOGGER.exception("a listener failed on news of %s", self.name)
