"""One node's connection to the broker: its last will, its birth, and the outbox that loses nothing.

The broker's confirmation says nothing of Home Assistant, which hears only what is said while it is there. So
answers are kept for two days after it, and said again whenever Home Assistant or the connection comes back:
whoever has one drops it by its id.

A connection has one last will, so every node has a connection of its own. paho works in its own thread: its
callbacks only pass on to the event loop, which alone touches the store and the table of what is in flight.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import sqlite3
from collections.abc import Callable
from typing import Any, Final

from paho.mqtt.client import Client, ConnectFlags, DisconnectFlags, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, LogLevel, MQTTErrorCode
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from microgrid_core.contract import topics
from microgrid_core.contract.encode import state_payload

from .config import BrokerConfig
from .store import Store, Weight
from .tls import CLOSED, context, remedy

_LOGGER = logging.getLogger(__name__)
WINDOW: Final = 20
"""Messages of the outbox that are on their way at the same time."""
AGAIN: Final = 5
"""Answers on their way at the same time that are said again: nobody waits for them."""
HOME_STATUS: Final = "homeassistant/status"
"""Where Home Assistant says that it is there, after every connection and when it listens again."""
_ONLINE: Final = b"online"
_ANSWERS: Final = (topics.ACK, topics.CMD_RESULT)
_KEEPALIVE_S = 30
_FIRST_RETRY_S, _LAST_RETRY_S = 1, 60
_GOODBYE_S = 3.0

Handler = Callable[[bytes], None]


class MqttClient(Client):
    """paho, which forgets why a connection could not be made."""

    def __init__(self, broker: BrokerConfig, client_id: str, *, clean_session: bool) -> None:
        """Prepare; raises OSError for a certificate that cannot be used."""
        super().__init__(CallbackAPIVersion.VERSION2, client_id=client_id, clean_session=clean_session)
        self.failure: str | None = None
        """Why the last attempt failed, or the last connection ended."""
        self.reconnect_delay_set(_FIRST_RETRY_S, _LAST_RETRY_S)
        if broker.user is not None:
            self.username_pw_set(broker.user, broker.password)
        if broker.tls:
            self.tls_set_context(context(broker))
        self.on_log = self._note
        self._address = (broker.host, broker.port)

    def begin(self) -> None:
        """Connect as soon as the broker is there, and again whenever it was away, in a thread of its own."""
        self.connect_async(*self._address, _KEEPALIVE_S)
        self.loop_start()

    def reconnect(self) -> MQTTErrorCode:
        """Try it, and remember what was wrong."""
        self.failure = None
        try:
            return super().reconnect()
        except OSError as error:
            self.failure = remedy(error)  # the error itself would keep the socket open
            raise

    def _note(self, client: Client, userdata: Any, level: int, text: str) -> None:
        if level == LogLevel.MQTT_LOG_ERR:  # a broker that refuses a certificate says so only when we read
            self.failure = remedy(text)


class Connection:
    """Speaks for one node; every method is called in the event loop."""

    def __init__(self, broker: BrokerConfig, swarm: str, node: str, store: Store) -> None:
        """Prepare; nothing is sent before `start`."""
        self.node = node
        self.connected = False
        self.trouble: str | None = None
        """Why there is no connection, and what to do."""
        self._broker = broker
        self._swarm = swarm
        self._store = store
        self._prefix = self.topic("")
        self._handlers: dict[str, Handler] = {}
        self._unretained: set[str] = set()
        """Topics on which only what is said now counts."""
        self._overheard: set[str] = set()
        """Topics of others: what the broker kept there may be as old as it likes."""
        self._retained: dict[str, bytes] = {}
        self._birth: bytes | None = None
        self._online = False
        self._in_flight: dict[int, int] = {}
        self._unconfirmed: set[int] = set()
        """What was said with QoS 1 and is not of the outbox."""
        self._after = 0
        """Up to this row the outbox was looked at since the connection began."""
        self._done: list[int] = []
        self._answers = tuple(self.topic(suffix) for suffix in _ANSWERS)
        self._again: set[int] = set()
        """Answers that are on their way once more."""
        self._again_after: int | None = None
        """Up to this row answers were said again; None: there is nothing to repeat."""
        self._on_listeners: list[Callable[[], None]] = []
        self._quiet = asyncio.Event()
        """Set while nothing is on its way."""
        self._quiet.set()
        self._told: set[str] = set()
        self._loop: asyncio.AbstractEventLoop | None = None
        client = MqttClient(broker, f"microgrid-daemon-{swarm}-{node}", clean_session=False)
        client.max_inflight_messages_set(2 * WINDOW)
        client.will_set(self.topic(topics.STATE), state_payload(False), qos=1, retain=True)
        client.on_connect = self._on_connect
        client.on_connect_fail = self._on_connect_fail
        client.on_disconnect = self._on_disconnect
        client.on_publish = self._on_publish
        client.on_message = self._on_message
        self._client = client

    def topic(self, suffix: str) -> str:
        """Return a topic of this node."""
        return str(topics.Topic(self._swarm, self.node, suffix))

    def listen(self, suffix: str, handler: Handler, *, retained: bool = True) -> None:
        """Have a topic of this node heard, without what the broker kept if not `retained`; before `start`."""
        self._handlers[self.topic(suffix)] = handler
        if not retained:
            self._unretained.add(self.topic(suffix))

    def overhear(self, topic: str, handler: Handler) -> None:
        """Have a topic heard that is none of a node, as of a sensor, while it is said; before `start`."""
        self._handlers[topic] = handler
        self._overheard.add(topic)

    def on_listeners(self, listener: Callable[[], None]) -> None:
        """Call `listener` whenever there are new ears: the broker's or Home Assistant's."""
        self._on_listeners.append(listener)

    def start(self) -> None:
        """Connect as soon as the broker is there, and again whenever it was away."""
        self._loop = asyncio.get_running_loop()
        self._client.begin()

    async def stop(self) -> None:
        """Say goodbye, give what waits a moment to leave, and disconnect."""
        if self._loop is None:
            return
        self.withdraw()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_GOODBYE_S):
                await self._quiet.wait()
        self.connected = False
        self._client.on_disconnect = None  # what comes now is no loss
        self._client.disconnect()
        await asyncio.to_thread(self._client.loop_stop)
        self._flush()

    # ------------------------------------------------------------------------------------------- what is said

    def announce(self, birth: bytes) -> None:
        """Say who the node is and that it is there, now and after every new connection."""
        self._online = True
        self._birth = birth
        if self.connected:
            self._say_who()

    def withdraw(self) -> None:
        """Say that the node is not there: unplugged, or we stop."""
        self._online = False
        if self.connected:
            self._say_state()

    def retain(self, suffix: str, payload: bytes) -> None:
        """Say what holds until something else is said."""
        self._retained[suffix] = payload
        if self.connected:
            self._say(suffix, payload)

    def live(self, payload: bytes) -> None:
        """Say the newest values; without a connection nobody hears them."""
        if self.connected:
            self._client.publish(self.topic(topics.LIVE), payload, qos=0)

    def say(self, suffix: str, payload: bytes) -> None:
        """Say something whose sender waits for an answer, and says it again without one."""
        if self.connected:
            self._publish(suffix, payload, retain=False)

    def promise(self, suffix: str, payload: bytes) -> None:
        """Say what must arrive, however long that takes."""
        self._store.post([(self.topic(suffix), payload)], Weight.PROMISE)
        self.pump()

    def pump(self) -> None:
        """Send of the outbox what there is room for, in the order in which it was written.

        What a transaction has not brought to the disk yet waits for the next call.
        """
        while self.connected and not self._store.in_transaction and len(self._in_flight) < WINDOW:
            page = self._store.waiting(self._after, WINDOW)
            if not page:
                return
            for message in page:
                if len(self._in_flight) >= WINDOW:
                    return
                self._after = message.id
                if message.topic.startswith(self._prefix):
                    sent = self._client.publish(message.topic, message.payload, qos=1)
                    self._in_flight[sent.mid] = message.id
                    self._quiet.clear()

    def _repeat(self) -> None:
        """Say again what there is room for of the answers that somebody may have missed."""
        while self.connected and self._again_after is not None and len(self._again) < AGAIN:
            page = self._store.said(self._answers, self._again_after, AGAIN - len(self._again))
            if not page:
                self._again_after = None
                return
            for message in page:
                self._again_after = message.id
                self._again.add(self._client.publish(message.topic, message.payload, qos=1).mid)

    # ------------------------------------------------------------------------------------ in the event loop

    def _begin(self) -> None:
        self.connected, self.trouble = True, None
        self._told.clear()
        self._in_flight.clear()
        self._unconfirmed.clear()
        self._again.clear()
        self._after = 0
        _LOGGER.info("connected to %s:%d", self._broker.host, self._broker.port, extra={"node": self.node})
        # With QoS 0 the broker keeps nothing while we are away.
        topics_heard = (*self._handlers, HOME_STATUS)
        self._client.subscribe([(topic, 0 if topic in self._overheard else 1) for topic in topics_heard])
        self._say_who()
        self._listened()
        self.pump()

    def _listened(self) -> None:
        """Somebody listens anew, and may have missed what was said before."""
        self._flush()  # what was confirmed just before counts
        self._again_after = 0
        self._repeat()
        for listener in self._on_listeners:
            listener()

    def _say_who(self) -> None:
        if self._birth is not None:
            self._say(topics.BIRTH, self._birth)
        self._say_state()
        for suffix, payload in self._retained.items():
            self._say(suffix, payload)

    def _say_state(self) -> None:
        self._say(topics.STATE, state_payload(self._online))

    def _say(self, suffix: str, payload: bytes) -> None:
        self._publish(suffix, payload, retain=True)

    def _publish(self, suffix: str, payload: bytes, *, retain: bool) -> None:
        self._unconfirmed.add(self._client.publish(self.topic(suffix), payload, qos=1, retain=retain).mid)
        self._quiet.clear()

    def _end(self, code: str, failure: str | None) -> None:
        if self.connected:
            self.trouble = f"the connection is lost: {failure or code}"
            _LOGGER.warning("%s", self.trouble, extra={"node": self.node})
        else:
            self._complain(CLOSED if failure is None or "reset by peer" in failure else failure)
        self.connected = False
        self._in_flight.clear()
        self._unconfirmed.clear()
        self._again.clear()
        self._quiet.set()

    def _complain(self, why: str) -> None:
        """Say each reason once until the next connection."""
        self.trouble = why
        if why not in self._told:
            self._told.add(why)
            address = f"{self._broker.host}:{self._broker.port}"
            _LOGGER.warning("no connection to %s: %s; trying again", address, why, extra={"node": self.node})

    def _confirmed(self, mid: int) -> None:
        self._unconfirmed.discard(mid)
        if mid in self._again:
            self._again.remove(mid)
            self._repeat()
            return
        row = self._in_flight.pop(mid, None)
        if not self._in_flight and not self._unconfirmed:
            self._quiet.set()
        if row is None:
            return
        if not self._done and self._loop is not None:
            self._loop.call_soon(self._flush)  # what is confirmed together goes in one transaction
        self._done.append(row)

    def _flush(self) -> None:
        if self._done:
            done, self._done = self._done, []
            try:
                self._store.sent(done, self._answers)
            except sqlite3.OperationalError as error:  # they go out again with the next connection
                text = "what the broker has stays in the outbox: %s"
                _LOGGER.error(text, error, extra={"node": self.node})
            self.pump()

    def _hear(self, topic: str, payload: bytes) -> None:
        if topic == HOME_STATUS:
            if payload == _ONLINE:
                self._listened()
            return
        if (handler := self._handlers.get(topic)) is not None:
            handler(payload)

    def _refuse_retained(self, topic: str) -> None:
        _LOGGER.warning("%s: ignored, because it was retained; clear it", topic, extra={"node": self.node})

    # ------------------------------------------------------------------------------------- in paho's thread

    def _pass_on(self, call: Callable[..., None], *arguments: Any) -> None:
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(call, *arguments)

    def _on_connect(
        self, client: Client, userdata: Any, flags: ConnectFlags, code: ReasonCode, more: Properties | None
    ) -> None:
        if code.is_failure:
            self._client.failure = remedy(str(code))  # it is closed next, and that says nothing
            self._pass_on(self._complain, self._client.failure)
        else:
            self._pass_on(self._begin)

    def _on_connect_fail(self, client: Client, userdata: Any) -> None:
        self._pass_on(self._complain, self._client.failure or "nobody answers there")

    def _on_disconnect(
        self, client: Client, userdata: Any, flags: DisconnectFlags, code: ReasonCode, more: Properties | None
    ) -> None:
        self._pass_on(self._end, str(code), self._client.failure)

    def _on_publish(
        self, client: Client, userdata: Any, mid: int, code: ReasonCode, more: Properties
    ) -> None:
        self._pass_on(self._confirmed, mid)

    def _on_message(self, client: Client, userdata: Any, message: MQTTMessage) -> None:
        if message.retain and message.topic in self._overheard:
            return
        if message.retain and message.topic in self._unretained:
            self._pass_on(self._refuse_retained, message.topic)
            return
        self._pass_on(self._hear, message.topic, message.payload)
