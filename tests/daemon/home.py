"""Home Assistant as the daemon's tests need it: it reads what nodes say of schedules, and keeps logs."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

from paho.mqtt.client import Client, MQTTMessage

from microgrid_core.codec.umg1.frame import Frame
from microgrid_core.contract import topics
from microgrid_core.contract.encode import log_ack_payload
from microgrid_core.contract.log_batch import LogBatch
from microgrid_core.contract.messages import LogAck
from microgrid_core.contract.reading import Rejection
from microgrid_core.contract.schedule import parse_acknowledgement, parse_schedule_state
from tests.listener import Heard, Listener

_PARSERS = {topics.SCHEDULE_STATE: parse_schedule_state, topics.ACK: parse_acknowledgement}


class Home(Listener):
    """Hears everything of the swarm `village`."""

    def __init__(self, port: int, swarm: str, *, remembered: bool = False) -> None:
        super().__init__(port, swarm, remembered=remembered)
        self.frames: dict[str, dict[tuple[int, int], Frame]] = {}
        """Of each node what was logged, by boot and number, in the order of its arrival."""
        self.log_messages: list[tuple[str, LogBatch]] = []
        self.acknowledges = True

    def log_came(self, node: str, batch: LogBatch) -> None:
        self.log_messages.append((node, batch))
        kept = self.frames.setdefault(node, {})
        for frame in batch.frames:
            kept.setdefault((frame.boot_id, frame.seq), frame)
        if self.acknowledges:
            self.acknowledge(node)

    def announce(self) -> None:
        """Say that Home Assistant is there, as it does whenever it listens again."""
        self._client.publish("homeassistant/status", b"online")

    def acknowledge(self, node: str) -> None:
        """Say how far we have the log of a node."""
        boot_id, seq = next(reversed(self.frames[node]))
        self.say(node, topics.LOG_ACK, log_ack_payload(LogAck(boot_id, seq)), retain=True)

    def _message(self, _client: Client, _data: object, message: MQTTMessage) -> None:
        topic = topics.parse_topic(message.topic)
        parse = None if topic is None else _PARSERS.get(topic.suffix)
        if topic is None or parse is None:
            super()._message(_client, _data, message)
            return
        read = parse(message.payload, datetime.now(UTC))
        with self._lock:
            if isinstance(read, Rejection):
                self.refused.append((message.topic, read))
            else:
                self.heard.append(Heard(time.monotonic(), topic.node, topic.suffix, read))


@contextmanager
def at_home(port: int) -> Iterator[Home]:
    """Listen for a while."""
    home = Home(port, "village", remembered=True)
    home.come_back()
    try:
        yield home
    finally:
        home.leave()
