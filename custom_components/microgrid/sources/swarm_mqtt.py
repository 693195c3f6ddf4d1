"""Nodes of our own contract: births, states, live values, events and command results over MQTT."""

from __future__ import annotations

from collections.abc import Callable

from homeassistant.components import mqtt
from homeassistant.components.mqtt import ReceiveMessage
from homeassistant.core import CALLBACK_TYPE, HomeAssistant, callback
from homeassistant.util import dt as dt_util

from ..core.contract.messages import (
    CommandResult,
    Live,
    parse_birth,
    parse_command_result,
    parse_event,
    parse_live,
    parse_state,
)
from ..core.contract.reading import Rejection, RejectReason
from ..core.contract.topics import BIRTH, CMD_RESULT, EVENT, LIVE, STATE, parse_topic, subscription
from ..core.model.swarm import MAX_NODES, Swarm
from .refusals import Refusals

type _Handler = Callable[[str, ReceiveMessage, bytes], None]


class SwarmMqtt:
    """Carries the messages of one swarm into the model."""

    def __init__(
        self, hass: HomeAssistant, swarm: Swarm, on_command_result: Callable[[str, CommandResult], None]
    ) -> None:
        """Know where values go and who waits for the answers to commands."""
        self.too_new: dict[str, str] = {}
        """Nodes whose birth speaks a later protocol than ours, with what it said."""
        self._hass = hass
        self._swarm = swarm
        self._on_command_result = on_command_result
        self._refusals = Refusals(swarm)
        self._too_new_listeners: list[Callable[[], None]] = []
        self._early_states: dict[str, bool] = {}
        """Of nodes without a birth so far: retained messages may come in any order."""
        self._unsubscribe: list[CALLBACK_TYPE] = []

    async def async_start(self) -> None:
        """Subscribe; Home Assistant renews the subscriptions whenever the broker comes back."""
        handlers: tuple[tuple[str, int, _Handler], ...] = (
            (BIRTH, 1, self._birth),
            (STATE, 1, self._state),
            (LIVE, 0, self._live),
            (EVENT, 1, self._event),
            (CMD_RESULT, 1, self._command_result),
        )
        for suffix, qos, handler in handlers:
            self._unsubscribe.append(
                await mqtt.async_subscribe(
                    self._hass,
                    subscription(self._swarm.swarm_id, suffix),
                    self._entrance(handler),
                    qos,
                    encoding=None,
                )
            )

    async def async_stop(self) -> None:
        """Unsubscribe."""
        while self._unsubscribe:
            self._unsubscribe.pop()()

    @callback
    def on_too_new(self, listener: Callable[[], None]) -> CALLBACK_TYPE:
        """Call `listener` whenever `too_new` changes; returns the way to stop it."""
        self._too_new_listeners.append(listener)
        return lambda: self._too_new_listeners.remove(listener)

    def _entrance(self, handler: _Handler) -> Callable[[ReceiveMessage], None]:
        """Let only messages with a lawful node id through to `handler`."""

        @callback
        def receive(message: ReceiveMessage) -> None:
            if (topic := parse_topic(message.topic)) is None:
                self._refusals.refuse(
                    message.topic, "", RejectReason.BAD_NODE_ID, "the node id is not lawful"
                )
                return
            payload = message.payload
            handler(topic.node, message, payload.encode() if isinstance(payload, str) else bytes(payload))

        return receive

    @callback
    def _birth(self, node_id: str, message: ReceiveMessage, payload: bytes) -> None:
        if not payload:  # the retained birth was deleted: the node left for good
            self._early_states.pop(node_id, None)
            self._set_too_new(node_id, None)
            self._swarm.retire(node_id)
            return
        birth = parse_birth(payload, dt_util.utcnow())
        if isinstance(birth, Rejection):
            self._refusals.count(message.topic, node_id, birth)
            if birth.reason is RejectReason.PROTOCOL_TOO_NEW:
                self._set_too_new(node_id, birth.detail)
            return
        self._set_too_new(node_id, None)
        node = self._swarm.announce(node_id, birth)
        if isinstance(node, Rejection):
            self._refusals.log(message.topic, node_id, node)
        elif (online := self._early_states.pop(node_id, None)) is not None:
            self._swarm.set_online(node_id, online)

    @callback
    def _state(self, node_id: str, message: ReceiveMessage, payload: bytes) -> None:
        if not payload:  # a retained state that somebody deleted says nothing
            self._early_states.pop(node_id, None)
            return
        online = parse_state(payload)
        if isinstance(online, Rejection):
            self._refusals.count(message.topic, node_id, online)
            return
        if (refused := self._swarm.set_online(node_id, online)) is None:
            return
        self._refusals.log(message.topic, node_id, refused)
        if node_id in self._early_states or len(self._early_states) < MAX_NODES:
            self._early_states[node_id] = online

    @callback
    def _live(self, node_id: str, message: ReceiveMessage, payload: bytes) -> None:
        if self._kept_by_broker(node_id, message):
            return
        live = parse_live(payload, dt_util.utcnow())
        if isinstance(live, Rejection):
            self._refusals.count(message.topic, node_id, live)
            return
        if live.own is not None:
            self._take(message.topic, node_id, live.own)
        elif (sender := self._swarm.nodes.get(node_id)) is not None and sender is not self._swarm.site:
            self._swarm.take(sender, {}, dt_util.utcnow())  # it speaks for others, so it is there
        for child_id, values in live.nodes.items():
            child = self._swarm.nodes.get(child_id)
            if child is not None and child.parent_id != node_id:
                self._refusals.refuse(
                    message.topic,
                    node_id,
                    RejectReason.BAD_NODE_ID,
                    f"{child_id} names {child.parent_id or 'nobody'} as its parent, not {node_id}",
                )
                continue
            self._take(message.topic, child_id, values)

    @callback
    def _event(self, node_id: str, message: ReceiveMessage, payload: bytes) -> None:
        if self._kept_by_broker(node_id, message):
            return
        event = parse_event(payload, dt_util.utcnow())
        if isinstance(event, Rejection):
            self._refusals.count(message.topic, node_id, event)
        elif (refused := self._swarm.event(node_id, event)) is not None:
            self._refusals.log(message.topic, node_id, refused)

    @callback
    def _command_result(self, node_id: str, message: ReceiveMessage, payload: bytes) -> None:
        if self._kept_by_broker(node_id, message):
            return
        result = parse_command_result(payload)
        if isinstance(result, Rejection):
            self._refusals.count(message.topic, node_id, result)
        else:
            self._on_command_result(node_id, result)

    def _take(self, topic: str, node_id: str, live: Live) -> None:
        if (refused := self._swarm.live(node_id, live)) is not None:
            self._refusals.log(topic, node_id, refused)

    def _kept_by_broker(self, node_id: str, message: ReceiveMessage) -> bool:
        """Refuse a message that the contract forbids to retain: it would show the past as the present."""
        if message.retain:
            self._refusals.refuse(
                message.topic, node_id, RejectReason.OUTDATED, "retained, which only births and states may be"
            )
        return message.retain

    def _set_too_new(self, node_id: str, detail: str | None) -> None:
        if self.too_new.get(node_id) == detail or (detail is not None and len(self.too_new) >= MAX_NODES):
            return
        if detail is None:
            del self.too_new[node_id]
        else:
            self.too_new[node_id] = detail
        for listener in tuple(self._too_new_listeners):
            listener()
