"""The way of bare numbers to the broker and from it: said once, never kept, for they carry no time."""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Callable
from typing import Any, Final

from paho.mqtt.client import Client, ConnectFlags, DisconnectFlags, MQTTMessage
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from ..broker import MqttClient
from ..config import BrokerConfig

_LOGGER = logging.getLogger(__name__)
MOST_BYTES: Final = 64 * 1024
"""Of a message that somebody else publishes."""

Handler = Callable[[bytes], None]


class BareLine:
    """A connection without a node; every method is called in the event loop."""

    def __init__(self, broker: BrokerConfig, swarm: str) -> None:
        """Prepare; raises OSError for a certificate that cannot be used."""
        self.connected = False
        self._handlers: dict[str, list[Handler]] = {}
        self._loop: asyncio.AbstractEventLoop | None = None
        # Several Pis of a swarm may bridge; nothing is kept for any of them.
        client_id = f"microgrid-bridge-{swarm}-{secrets.token_hex(4)}"
        client = MqttClient(broker, client_id, clean_session=True)
        client.on_connect = self._on_connect
        client.on_disconnect = self._on_disconnect
        client.on_message = self._on_message
        self._client = client

    def listen(self, topic: str, handler: Handler) -> None:
        """Have a topic heard; before `start`."""
        self._handlers.setdefault(topic, []).append(handler)

    def start(self) -> None:
        """Connect as soon as the broker is there, and again whenever it was away."""
        self._loop = asyncio.get_running_loop()
        self._client.begin()

    async def stop(self) -> None:
        """Disconnect."""
        if self._loop is not None:
            self._client.on_disconnect = None
            self._client.disconnect()
            await asyncio.to_thread(self._client.loop_stop)

    def say(self, topic: str, value: float) -> bool:
        """Say a number; False without a connection: it is not said later either."""
        if self.connected:
            self._client.publish(topic, repr(round(value, 3)).encode(), qos=0)
        return self.connected

    # ------------------------------------------------------------------------------------- in paho's thread

    def _pass_on(self, call: Callable[..., None], *arguments: Any) -> None:
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(call, *arguments)

    def _on_connect(
        self, client: Client, userdata: Any, flags: ConnectFlags, code: ReasonCode, more: Properties | None
    ) -> None:
        if not code.is_failure:
            self._pass_on(self._begin)

    def _on_disconnect(
        self, client: Client, userdata: Any, flags: DisconnectFlags, code: ReasonCode, more: Properties | None
    ) -> None:
        self._pass_on(self._end)

    def _on_message(self, client: Client, userdata: Any, message: MQTTMessage) -> None:
        # What was kept for us may be as old as it likes.
        if not message.retain and len(message.payload) <= MOST_BYTES:
            self._pass_on(self._hear, message.topic, message.payload)

    # ------------------------------------------------------------------------------------- in the event loop

    def _begin(self) -> None:
        self.connected = True
        if self._handlers:
            self._client.subscribe([(topic, 0) for topic in self._handlers])

    def _end(self) -> None:
        self.connected = False

    def _hear(self, topic: str, payload: bytes) -> None:
        for handler in self._handlers.get(topic, ()):
            handler(payload)
