"""What Home Assistant hears of nodes over MQTT, read by the contract's own parsers, and what it says back."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion

from microgrid_core.contract import messages, topics
from microgrid_core.contract.log_batch import LogBatch, parse_log_batch
from microgrid_core.contract.reading import Rejection
from microgrid_core.contract.snapshot import parse_snapshot_chunk, parse_snapshot_list


@dataclass(frozen=True, slots=True)
class Heard:
    """A message that was understood."""

    at: float
    """time.monotonic() of its arrival."""
    node: str
    suffix: str
    message: Any


class Listener:
    """One client, which connects again by itself."""

    def __init__(self, port: int, swarm: str, *, remembered: bool = False) -> None:
        """Connect, as soon as the broker is there; it may keep for us what we miss (`remembered`)."""
        self.heard: list[Heard] = []
        self.refused: list[tuple[str, Rejection]] = []
        """Topic and reason of what nobody must say."""
        self.swarm = swarm
        self._port = port
        self._lock = threading.Lock()
        self._client = Client(
            CallbackAPIVersion.VERSION2, client_id="home-assistant", clean_session=not remembered
        )
        self._client.on_connect = lambda client, *_: client.subscribe(f"{topics.ROOT}/#", 1)
        self._client.on_message = self._message
        self._client.reconnect_delay_set(1, 1)

    def come_back(self) -> None:
        """Connect; a broker that is away is waited for."""
        self._client.connect_async("127.0.0.1", self._port)
        self._client.loop_start()

    def leave(self) -> None:
        """Disconnect."""
        self._client.disconnect()
        self._client.loop_stop()

    def of(self, node: str, suffix: str, since: float = 0.0) -> list[Heard]:
        """Return what came under a topic, from a time.monotonic() on."""
        with self._lock:
            return [
                heard
                for heard in self.heard
                if (heard.node, heard.suffix) == (node, suffix) and heard.at >= since
            ]

    def said(self, node: str, suffix: str) -> list[Any]:
        """Return the messages of a topic."""
        return [heard.message for heard in self.of(node, suffix)]

    def forget(self) -> None:
        """Look only at what comes from now on."""
        with self._lock:
            self.heard.clear()

    def say(self, node: str, suffix: str, payload: bytes, *, retain: bool = False) -> None:
        """Publish under a node's topic."""
        self._client.publish(str(topics.Topic(self.swarm, node, suffix)), payload, 1, retain)

    def log_came(self, node: str, batch: LogBatch) -> None:
        """Do with a piece of a node's log what this Home Assistant does; in the client's thread."""
        raise NotImplementedError

    def _message(self, _client: Client, _data: object, message: MQTTMessage) -> None:
        at = time.monotonic()
        topic = topics.parse_topic(message.topic)
        assert topic is not None, message.topic
        parsed = _parse(topic.suffix, message.payload)
        if parsed is None:
            return
        with self._lock:
            if isinstance(parsed, Rejection):
                self.refused.append((message.topic, parsed))
                return
            self.heard.append(Heard(at, topic.node, topic.suffix, parsed))
        if isinstance(parsed, LogBatch):
            self.log_came(topic.node, parsed)


def _parse(suffix: str, payload: bytes) -> Any:
    """Read what a node said; None for what we said ourselves."""
    now = datetime.now(UTC)
    match suffix.split("/"):
        case ["birth"]:
            return messages.parse_birth(payload, now)
        case ["state"]:
            return messages.parse_state(payload)
        case ["live"]:
            return messages.parse_live(payload, now)
        case ["event"]:
            return messages.parse_event(payload, now)
        case ["log"]:
            return parse_log_batch(payload)
        case ["cmd", "result"]:
            return messages.parse_command_result(payload)
        case ["snapshot", "list"]:
            return parse_snapshot_list(payload)
        case ["snapshot", _, _]:
            return parse_snapshot_chunk(suffix, payload)
        case _:
            return None
