"""Listens to everything on the broker: counts messages and knows which nodes announced themselves."""

from __future__ import annotations

import threading
import time
from collections import deque
from datetime import UTC, datetime

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion

from microgrid_core.contract.heat_pump import heat_pump_node_id
from microgrid_core.contract.messages import Birth, parse_birth

from .processes import LOOPBACK

_RATE_WINDOW_S = 5.0
_MAX_TOPICS = 4096
_RECONNECT_S = 10.0


class Watcher:
    """A client of its own, so that what Home Assistant shows can be compared with what was said."""

    def __init__(self, port: int) -> None:
        """Connect in the background; it comes back whenever the broker does."""
        self.messages = 0
        self.births: dict[str, Birth] = {}
        """The newest birth of each node that has one."""
        self.newest: dict[str, bytes] = {}
        """The newest payload of each topic."""
        self.heat_pumps: set[str] = set()
        """Heat pumps that speak on the topics of their own."""
        self.swarm_id = ""
        self._samples: deque[tuple[float, int]] = deque(maxlen=64)
        self._lock = threading.Lock()
        self._client = paho.Client(CallbackAPIVersion.VERSION2, client_id="lab-watcher")
        self._client.on_connect = lambda client, *_: client.subscribe("#", 0)
        self._client.on_message = self._message
        self._client.reconnect_delay_set(1, 2)
        self._client.connect_async(LOOPBACK, port)
        self._client.loop_start()

    def close(self) -> None:
        """Disconnect."""
        self._client.disconnect()
        self._client.loop_stop()

    def kinds(self) -> dict[str, str]:
        """Return the kind of each node by its id."""
        with self._lock:
            return {name: str(birth.kind) for name, birth in self.births.items()} | dict.fromkeys(
                self.heat_pumps, "heat_pump"
            )

    def rate(self) -> float:
        """Return messages per second over the last seconds; call it about once a second."""
        now = time.monotonic()
        self._samples.append((now, self.messages))
        while len(self._samples) > 2 and now - self._samples[1][0] > _RATE_WINDOW_S:
            self._samples.popleft()
        began, count = self._samples[0]
        return (self.messages - count) / (now - began) if now > began else 0.0

    def publish(self, topic: str, payload: str | bytes | None, *, qos: int = 0, retain: bool = False) -> None:
        """Say something and wait until it is on its way (QoS 0) or the broker has it (QoS 1)."""
        deadline = time.monotonic() + _RECONNECT_S
        while not self._client.is_connected() and time.monotonic() < deadline:
            time.sleep(0.1)
        self._client.publish(topic, payload, qos, retain).wait_for_publish(10)

    def _message(self, client: paho.Client, userdata: object, message: paho.MQTTMessage) -> None:
        self.messages += 1
        if message.topic in self.newest or len(self.newest) < _MAX_TOPICS:
            self.newest[message.topic] = message.payload
        parts = message.topic.split("/")
        if parts[0] == "heatpump" and len(parts) > 2:  # its node has no birth
            if (node_id := heat_pump_node_id(parts[1])) is not None:
                with self._lock:
                    self.heat_pumps.add(node_id)
        elif parts[0] == "microgrid" and parts[-1] == "birth" and len(parts) == 5:
            self._birth(parts[2], parts[3], message.payload)

    def _birth(self, swarm_id: str, node_id: str, payload: bytes) -> None:
        with self._lock:
            if not payload:
                self.births.pop(node_id, None)
                return
            birth = parse_birth(payload, datetime.now(UTC))
            if isinstance(birth, Birth):  # tests send others on purpose
                self.births[node_id] = birth
                self.swarm_id = swarm_id
