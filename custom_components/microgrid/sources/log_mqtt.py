"""The durable path: frames of logs come in over MQTT, and how far they are on disk goes back."""

from __future__ import annotations

from collections.abc import Callable

from homeassistant.components import mqtt
from homeassistant.components.mqtt import ReceiveMessage
from homeassistant.core import CALLBACK_TYPE, HomeAssistant, callback

from ..core.codec.umg1.frame import SYNC
from ..core.contract.encode import log_ack_payload
from ..core.contract.messages import LogAck
from ..core.contract.reading import MAX_PAYLOAD_BYTES, RejectReason
from ..core.contract.topics import LOG, LOG_ACK, Topic, parse_topic, subscription
from ..core.model.swarm import Swarm
from .refusals import Refusals


class LogMqtt:
    """Hands the frames of a swarm's nodes on, and acknowledges them."""

    def __init__(self, hass: HomeAssistant, swarm: Swarm, deliver: Callable[[str, bytes], None]) -> None:
        """Know who stores frames: `deliver` gets the id of the node and what it sent."""
        self._hass = hass
        self._swarm = swarm
        self._deliver = deliver
        self._refusals = Refusals(swarm)
        self._unsubscribe: CALLBACK_TYPE | None = None

    async def async_start(self) -> None:
        """Subscribe."""
        topic = subscription(self._swarm.swarm_id, LOG)
        # QoS 0 from the broker to us: what vanishes is sent again, since nobody acknowledged it. With QoS 1
        # `log/ack` would wait 40 ms behind the acknowledgement of each message (Nagle and delayed ACK).
        self._unsubscribe = await mqtt.async_subscribe(self._hass, topic, self._receive, 0, encoding=None)

    async def async_stop(self) -> None:
        """Unsubscribe."""
        if self._unsubscribe is not None:
            self._unsubscribe()
            self._unsubscribe = None

    @callback
    def acknowledge(self, node_id: str, boot_id: int, seq: int) -> None:
        """Tell a node that everything up to here is on disk; retained: it also hears it after a restart."""
        self._hass.async_create_task(
            mqtt.async_publish(
                self._hass,
                str(Topic(self._swarm.swarm_id, node_id, LOG_ACK)),
                log_ack_payload(LogAck(boot_id, seq)),
                qos=1,
                retain=True,
            ),
            eager_start=True,
        )

    @callback
    def _receive(self, message: ReceiveMessage) -> None:
        payload = message.payload.encode() if isinstance(message.payload, str) else bytes(message.payload)
        if (topic := parse_topic(message.topic)) is None:
            self._refusals.refuse(message.topic, "", RejectReason.BAD_NODE_ID, "the node id is not lawful")
        elif topic.node not in self._swarm.nodes:
            # Its birth is on the way: the node sends again what nobody acknowledged.
            self._refusals.refuse(message.topic, "", RejectReason.UNKNOWN_NODE, "it has not announced itself")
        elif len(payload) > MAX_PAYLOAD_BYTES:
            self._refusals.refuse(
                message.topic,
                topic.node,
                RejectReason.TOO_LARGE,
                f"{len(payload)} bytes, at most {MAX_PAYLOAD_BYTES}",
            )
        elif SYNC not in payload:
            self._refusals.refuse(
                message.topic, topic.node, RejectReason.BAD_VALUE, "there is no frame in it"
            )
        else:
            self._deliver(topic.node, payload)
