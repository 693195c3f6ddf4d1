"""A station over the broker on the GX: keepalives, the full picture, changes, reads and writes.

The GX speaks only while somebody keeps it awake (60 s). It tells everything when it is asked to, then what
changes; a heartbeat every 3 s says that it still does. Nothing but the serial number is retained, and a write
gets no answer. When it reboots or is updated the connection breaks, and all begins again.
"""

from __future__ import annotations

import asyncio
import json
import logging
import secrets
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final

from .access import MqttAccess
from .broker import Broker
from .errors import AccessRefused, GxError, Unreachable, WrongCertificate
from .table import table
from .transport import READ_TIMEOUT_S, Link, LinkState
from .tree import Tree
from .value import Address, Gone, Reason, Scalar, Told, parse_address, parse_json, parse_payload, valid_portal

_LOGGER = logging.getLogger(__name__)

_SERIAL: Final = "system/0/Serial"
_ECHO: Final = "full-publish-completed-echo"
_ONLY_ALIVE: Final = b'{"keepalive-options":["suppress-republish"]}'
_NOT_VALUES: Final = frozenset({"heartbeat", "keepalive"})


@dataclass(frozen=True, slots=True)
class Timing:
    """How patient we are, in seconds."""

    keepalive_s: float = 30.0
    """The GX falls asleep after 60."""
    full_publish_s: float = 600.0
    """Everything again: what was missed in between is found so."""
    loading_s: float = 30.0
    """A full publish takes less; then it is asked for again."""
    silent_s: float = 10.0
    """Three heartbeats: then the GX is woken up."""
    dead_s: float = 90.0
    """Then the connection is made anew."""
    polled_s: float = 300.0
    """What is computed only when it is read."""
    first_retry_s: float = 1.0
    last_retry_s: float = 30.0
    discovery_s: float = 10.0
    """The portal id is retained, so it comes at once or never."""


class MqttStation(Link):
    """One station over MQTT."""

    def __init__(self, access: MqttAccess, tree: Tree | None = None, timing: Timing | None = None) -> None:
        """Prepare; raises ValueError for access data that cannot be."""
        super().__init__()
        access.check()
        self.access = access
        self.tree = tree if tree is not None else Tree()
        self.tree.pushed = True
        self.portal = access.portal
        """Id of the GX; known after the first contact."""
        self.fingerprint: str | None = None
        """Of the certificate that the GX showed."""
        self.full_publishes = 0
        self.connects = 0
        self._timing = timing or Timing()
        self._broker: Broker | None = None
        self._prefix = ""
        self._echo: str | None = None
        self._asked_at = 0.0
        self._sweep_since: float | None = None
        self._complete = asyncio.Event()
        self._found: asyncio.Future[str] | None = None
        self._readers: dict[Address, list[asyncio.Future[Told]]] = {}
        self._client_id = f"microgrid-{secrets.token_hex(6)}"

    @property
    def writable(self) -> bool:
        """The GX decides on each path."""
        return True

    async def run(self) -> None:
        """Keep the tree up to date until cancelled; raises AccessRefused and WrongCertificate."""
        await asyncio.to_thread(table)  # a file, and the first value asks for it
        retry_s = self._timing.first_retry_s
        try:
            while True:
                self.become(LinkState.CONNECTING, self.detail)
                connects = self.connects
                try:
                    await self._serve()
                except (AccessRefused, WrongCertificate) as error:
                    self.become(LinkState.REFUSED, str(error))
                    raise
                except GxError as error:
                    _LOGGER.debug("%s: %s", self.access.host, error)
                    self.become(LinkState.LOST, str(error))
                if self.connects > connects:
                    retry_s = self._timing.first_retry_s
                await asyncio.sleep(retry_s)
                retry_s = min(retry_s * 2.0, self._timing.last_retry_s)
        finally:
            if self.state is not LinkState.REFUSED:
                self.become(LinkState.STOPPED)

    async def read(self, address: Address, timeout_s: float = READ_TIMEOUT_S) -> Told:
        """Ask for one value now; raises Unreachable when nothing comes."""
        waiting: asyncio.Future[Told] = asyncio.get_running_loop().create_future()
        self._readers.setdefault(address, []).append(waiting)
        try:
            self._publish(f"R/{self.portal}/{address}", b"")
            return await asyncio.wait_for(waiting, timeout_s)
        except TimeoutError as error:
            raise Unreachable(f"{address}: the GX does not tell it within {timeout_s:g} s") from error
        finally:
            waiting.cancel()
            readers = self._readers.get(address, [])
            if waiting in readers:
                readers.remove(waiting)
            if not readers:
                self._readers.pop(address, None)

    async def write(self, address: Address, value: Scalar) -> None:
        """Send one value; the GX answers only by telling the new value, and only if it changed."""
        self._publish(f"W/{self.portal}/{address}", json.dumps({"value": value}).encode())

    async def introduce(self) -> MqttAccess:
        """Connect once, learn the portal id and the certificate, and hang up; raises what `run` raises."""
        broker = Broker(self.access, self._client_id, self._receive)
        try:
            await broker.connect()
            portal = self.portal or await self._discover(broker)
            return replace(self.access, portal=portal, fingerprint=broker.fingerprint)
        finally:
            broker.close()

    def ask_again(self) -> None:
        """Ask for everything again."""
        self._echo = secrets.token_hex(4)
        self._asked_at = self.tree.now()
        self._complete.clear()
        options = json.dumps({"keepalive-options": [{_ECHO: self._echo}]})
        self._publish(f"R/{self.portal}/keepalive", options.encode())

    async def wait_complete(self) -> None:
        """Wait until the first, or the next, full picture is there."""
        await self._complete.wait()

    # ---- one connection ------------------------------------------------------------------------------------

    async def _serve(self) -> None:
        broker = Broker(self.access, self._client_id, self._receive)
        try:
            await broker.connect()
            self._broker = broker
            self.fingerprint = broker.fingerprint
            if self.portal is None:
                self.portal = await self._discover(broker)
            self._prefix = f"N/{self.portal}/"
            await broker.subscribe(f"{self._prefix}#")
            self.connects += 1
            self.become(LinkState.LOADING)
            await self._keep_awake(broker)
        finally:
            self._broker = None
            broker.close()

    async def _discover(self, broker: Broker) -> str:
        """Learn the portal id from the one retained topic."""
        found: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._found = found
        try:
            await broker.subscribe(f"N/+/{_SERIAL}")
            done, _ = await asyncio.wait(
                {found, broker.closed},
                timeout=self._timing.discovery_s,
                return_when=asyncio.FIRST_COMPLETED,
            )
            if found not in done:
                raise Unreachable(f"{self.access.host} is a broker, but no GX told its portal id")
            broker.unsubscribe(f"N/+/{_SERIAL}")
            return found.result()
        finally:
            self._found = None
            found.cancel()

    async def _keep_awake(self, broker: Broker) -> None:
        """Do what is due until the connection breaks or the GX is silent for too long; raises Unreachable."""
        timing, now = self._timing, self.tree.now()
        self.ask_again()
        began, keepalive_at, full_at = now, now + timing.keepalive_s, now + timing.full_publish_s
        poll_at = now + timing.loading_s
        beat_s = min(
            1.0, timing.keepalive_s / 4, timing.silent_s / 4, timing.polled_s / 4, timing.loading_s / 4
        )
        while True:
            done, _ = await asyncio.wait({broker.closed}, timeout=beat_s)
            if done:
                raise Unreachable(broker.closed.result())
            looked, now = now, self.tree.now()
            if now - looked > 2.0 * beat_s:
                # It was us who stood still, and what was said meanwhile may still come: silence goes on from
                # where it was.
                began = now - max(0.0, looked - max(began, self.tree.alive_at or began))
            silent_s = now - max(began, self.tree.alive_at or began)
            if silent_s > timing.dead_s:
                raise Unreachable(f"the GX was silent for {timing.dead_s:g} s")
            if silent_s > timing.silent_s:
                self.become(LinkState.SILENT, f"the GX gives no sign of life since {silent_s:.0f} s")
            elif self.state is LinkState.SILENT:
                self.become(LinkState.ONLINE if self._complete.is_set() else LinkState.LOADING)
            late = not self._complete.is_set() and now - self._asked_at > timing.loading_s
            asleep = self.state is LinkState.SILENT and now - self._asked_at > timing.silent_s
            if late or asleep or now >= full_at:
                self.ask_again()
                full_at, keepalive_at = now + timing.full_publish_s, now + timing.keepalive_s
            elif now >= keepalive_at:
                self._publish(f"R/{self.portal}/keepalive", _ONLY_ALIVE)
                keepalive_at = now + timing.keepalive_s
            if self._sweep_since is not None and now - self._sweep_since > timing.loading_s:
                self.tree.sweep(self._sweep_since)
                self._sweep_since = None
            if now >= poll_at:
                poll_at = now + timing.polled_s
                for topic in self._polled():
                    self._publish(f"R/{self.portal}/{topic}", b"")

    def _polled(self) -> Iterator[str]:
        """Yield what must be read to be known: statistics of the CAN interfaces that there are."""
        for device in self.tree.of("platform"):
            paths = {path for path, leaf in device.leaves.items() if leaf.known and leaf.known.fact.polled}
            paths |= {
                f"/CanBus/Interface/{name}/Statistics"
                for name in can_interfaces(device.value("/CanBus/Interfaces"))
            }
            for path in sorted(paths):
                yield str(Address(device.service, device.instance, path))

    def _publish(self, topic: str, payload: bytes) -> None:
        if self._broker is None or self.portal is None:
            raise Unreachable(f"{self.access.host} is not connected: {self.detail or self.state.value}")
        self._broker.publish(topic, payload)

    # ---- what arrives --------------------------------------------------------------------------------------

    def _receive(self, topic: str, payload: bytes) -> None:
        """Take one message; whatever it is, this does not raise."""
        if self._found is not None:
            self._learn(topic, payload)
            return
        if not topic.startswith(self._prefix):
            self.tree.reject(Reason.BAD_TOPIC)
            return
        rest = topic[len(self._prefix) :]
        if rest in _NOT_VALUES:
            self.tree.alive()
            return
        if rest == "full_publish_completed":
            self._completed(payload)
            return
        address = parse_address(rest)
        if address is None:
            self.tree.reject(Reason.BAD_TOPIC)
            return
        told = parse_payload(payload)
        if isinstance(told, Reason):
            self.tree.reject(told)
        elif isinstance(told, Gone):
            self.tree.alive()
            self.tree.leave(address.service, address.instance)
        else:
            self.tree.tell(address, told)
            for waiting in self._readers.pop(address, ()):
                if not waiting.done():
                    waiting.set_result(told)

    def _learn(self, topic: str, payload: bytes) -> None:
        """Take the portal id, from the topic and the payload alike."""
        portal = topic.removeprefix("N/").removesuffix(f"/{_SERIAL}")
        if topic != f"N/{portal}/{_SERIAL}" or not valid_portal(portal):
            self.tree.reject(Reason.BAD_TOPIC)
            return
        told = parse_payload(payload)
        if not isinstance(told, Told) or told.value != portal:
            self.tree.reject(told if isinstance(told, Reason) else Reason.BAD_VALUE)
            return
        if self._found is not None and not self._found.done():
            self._found.set_result(portal)

    def _completed(self, payload: bytes) -> None:
        """A full publish is over: ours, if it says so. Older firmware echoes nothing, so any counts there."""
        message = parse_json(payload)
        if isinstance(message, Reason):
            self.tree.reject(message)
            return
        echo = message.get(_ECHO) if isinstance(message, dict) else None
        self.tree.alive()
        if echo is not None and echo != self._echo:
            return  # another client's
        if not self._complete.is_set():
            self.full_publishes += 1
            self._complete.set()
            if echo is None:
                self._sweep_since = self._asked_at  # when ours, too, is surely over
            else:
                self.tree.sweep(self._asked_at)
        if self.state is not LinkState.ONLINE:
            self.become(LinkState.ONLINE)


def can_interfaces(value: object) -> Iterator[str]:
    """Yield the names in `/CanBus/Interfaces`: a list, or JSON of one, of names or of objects with a name."""
    if isinstance(value, str):
        parsed = parse_json(value.encode(errors="replace"))
        value = None if isinstance(parsed, Reason) else parsed
    for item in value if isinstance(value, list) else ():
        name = item.get("interface") if isinstance(item, dict) else item
        if isinstance(name, str) and name.isascii() and name.isalnum() and len(name) <= 16:
            yield name


async def probe(access: MqttAccess, timing: Timing | None = None) -> MqttAccess:
    """Find out whether and how a GX answers here: for the dialogue that sets a station up.

    Returns the access with its portal id and the fingerprint of its certificate; raises Unreachable,
    AccessRefused and WrongCertificate.
    """
    return await MqttStation(access, timing=timing).introduce()
