"""One MQTT connection of a twin: last will, reconnecting with backoff, served by the simulation's loop."""

from __future__ import annotations

import contextlib
import logging
import random
import selectors
import socket
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from paho.mqtt.client import Client, ConnectFlags, DisconnectFlags, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

_LOGGER = logging.getLogger(__name__)
_KEEPALIVE_S = 30
_FIRST_RETRY_S, _LAST_RETRY_S = 0.5, 15.0
_CONNECT_TIMEOUT_S = 3.0
_QUEUED_MESSAGES = 200  # acknowledged messages kept while the broker is away

Handler = Callable[[bytes], None]


@dataclass(frozen=True, slots=True)
class Broker:
    """Where the broker is and who we are to it."""

    host: str = "127.0.0.1"
    port: int = 1883
    username: str | None = None
    password: str | None = None


@dataclass(frozen=True, slots=True)
class Will:
    """What the broker says when the twin is gone."""

    topic: str
    payload: bytes


class Connection:
    """One client; all methods are called from the loop's thread."""

    def __init__(
        self,
        broker: Broker,
        client_id: str,
        selector: selectors.BaseSelector,
        *,
        will: Will | None = None,
        handlers: Mapping[str, Handler] | None = None,
        on_ready: Callable[[], None] | None = None,
    ) -> None:
        """Prepare; `handlers` are called by topic, `on_ready` after each connect and subscribe."""
        self._broker = broker
        self._selector = selector
        self._handlers = dict(handlers or {})
        self._on_ready = on_ready
        self.will = will
        self.connected = False
        self.name = client_id
        self._retry_s = _FIRST_RETRY_S
        self._next_try = 0.0
        self._next_misc = 0.0
        self._told = False
        client = Client(CallbackAPIVersion.VERSION2, client_id=client_id)
        client.connect_timeout = _CONNECT_TIMEOUT_S
        client.max_queued_messages_set(_QUEUED_MESSAGES)
        if broker.username is not None:
            client.username_pw_set(broker.username, broker.password)
        if will is not None:
            client.will_set(will.topic, will.payload, qos=1, retain=True)
        client.on_connect = self._connected
        client.on_disconnect = self._disconnected
        client.on_message = self._message
        client.on_socket_open = self._socket_open
        client.on_socket_close = self._socket_close
        self._client = client

    def publish(self, topic: str, payload: bytes, qos: int = 0, retain: bool = False) -> None:
        """Send; without a connection QoS 0 is lost and QoS 1 waits."""
        if self.connected or qos > 0:
            self._client.publish(topic, payload, qos=qos, retain=retain)

    def read(self) -> None:
        """Take what has arrived."""
        self._client.loop_read()

    def maintain(self, now: float) -> None:
        """Connect, finish writing, keep alive; called a few times a second with the monotonic time."""
        if self._client.socket() is None:
            if now >= self._next_try:
                self._connect(now)
            return
        if self._client.want_write():
            self._client.loop_write()
        if now >= self._next_misc:
            self._next_misc = now + 1.0
            self._client.loop_misc()

    def drop(self, duration_s: float) -> None:
        """Lose the network for a while, without a word to the broker."""
        self._next_try = time.monotonic() + duration_s
        if isinstance(connection := self._client.socket(), socket.socket):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Leave properly: the will's message first, so that nobody has to wait for it."""
        if self.connected:
            if self.will is not None:
                self._client.publish(self.will.topic, self.will.payload, qos=1, retain=True)
            self._client.disconnect()
            self._client.loop_write()

    def _connect(self, now: float) -> None:
        self._back_off(now)
        try:
            self._client.connect(self._broker.host, self._broker.port, _KEEPALIVE_S)
        except OSError as error:
            self._complain(f"cannot reach the broker at {self._broker.host}:{self._broker.port}: {error}")

    def _back_off(self, now: float) -> None:
        self._next_try = max(self._next_try, now + self._retry_s * random.uniform(0.8, 1.2))
        self._retry_s = min(self._retry_s * 2.0, _LAST_RETRY_S)

    def _complain(self, text: str) -> None:
        """Say it once until the next connection."""
        _LOGGER.log(logging.DEBUG if self._told else logging.WARNING, "%s: %s; trying again", self.name, text)
        self._told = True

    def _connected(
        self,
        client: Client,
        userdata: Any,
        flags: ConnectFlags,
        code: ReasonCode,
        properties: Properties | None,
    ) -> None:
        if code.is_failure:
            self._complain(f"the broker refuses the connection: {code}")
            return
        self.connected, self._told, self._retry_s = True, False, _FIRST_RETRY_S
        if self._handlers:
            client.subscribe([(topic, 1) for topic in self._handlers])
        if self._on_ready is not None:
            self._on_ready()

    def _disconnected(
        self,
        client: Client,
        userdata: Any,
        flags: DisconnectFlags,
        code: ReasonCode,
        properties: Properties | None,
    ) -> None:
        if self.connected and code.is_failure:
            self._complain("the connection is lost")
        self.connected = False
        self._back_off(time.monotonic())

    def _message(self, client: Client, userdata: Any, message: MQTTMessage) -> None:
        if (handler := self._handlers.get(message.topic)) is not None:
            handler(message.payload)

    def _socket_open(self, client: Client, userdata: Any, connection: Any) -> None:
        self._selector.register(connection, selectors.EVENT_READ, self)

    def _socket_close(self, client: Client, userdata: Any, connection: Any) -> None:
        with contextlib.suppress(KeyError, ValueError):
            self._selector.unregister(connection)
