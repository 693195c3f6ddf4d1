"""Schedules over MQTT: what lies at the broker for each node, what nodes hold, and what became of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from homeassistant.components import mqtt
from homeassistant.components.mqtt import ReceiveMessage
from homeassistant.core import CALLBACK_TYPE, HomeAssistant, callback
from homeassistant.util import dt as dt_util

from ..core.contract.reading import Rejection, RejectReason
from ..core.contract.schedule import (
    Acknowledgement,
    RefusedSchedule,
    Schedule,
    ScheduleState,
    parse_acknowledgement,
    parse_schedule,
    parse_schedule_state,
)
from ..core.contract.topics import ACK, SCHEDULE_SET, SCHEDULE_STATE, parse_topic, subscription
from ..core.model.swarm import MAX_NODES, Change, NodeChanged, NodeRemoved, Swarm
from .refusals import Refusals

type _Handler = Callable[[str, ReceiveMessage, bytes], None]


@dataclass(slots=True)
class _Early:
    """What came before the birth of a node, the newest of each."""

    schedule: Schedule | None = None
    state: ScheduleState | None = None


class ScheduleMqtt:
    """Carries what nodes of a swarm say about their schedules to the desk."""

    def __init__(
        self,
        hass: HomeAssistant,
        swarm: Swarm,
        *,
        on_set: Callable[[str, Schedule], None],
        on_state: Callable[[str, ScheduleState], None],
        on_ack: Callable[[str, Acknowledgement], Rejection | None],
        is_known: Callable[[str], bool],
    ) -> None:
        """Know who is told; `is_known` tells nodes that had a schedule before this start."""
        self._hass = hass
        self._swarm = swarm
        self._on_set = on_set
        self._on_state = on_state
        self._on_ack = on_ack
        self._is_known = is_known
        self._refusals = Refusals(swarm)
        self._early: dict[str, _Early] = {}
        """Of nodes without a birth so far: retained messages may come in any order."""
        self._unsubscribe: list[CALLBACK_TYPE] = []

    async def async_start(self) -> None:
        """Subscribe."""
        self._unsubscribe.append(self._swarm.subscribe(self._changed))
        handlers: tuple[tuple[str, _Handler], ...] = (
            (SCHEDULE_SET, self._set),
            (SCHEDULE_STATE, self._state),
            (ACK, self._ack),
        )
        for suffix, handler in handlers:
            topic = subscription(self._swarm.swarm_id, suffix)
            self._unsubscribe.append(
                await mqtt.async_subscribe(self._hass, topic, self._entrance(handler), 1, encoding=None)
            )

    async def async_stop(self) -> None:
        """Unsubscribe."""
        while self._unsubscribe:
            self._unsubscribe.pop()()

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
    def _set(self, node_id: str, message: ReceiveMessage, payload: bytes) -> None:
        if not payload:  # the topic was cleared, which changes nothing at the node
            return
        schedule = parse_schedule(payload, dt_util.utcnow())
        if isinstance(schedule, RefusedSchedule):
            self._refusals.count(message.topic, node_id, schedule)
        elif node_id in self._swarm.nodes:
            self._on_set(node_id, schedule)
        elif (early := self._wait(node_id, message)) is not None:
            early.schedule = schedule

    @callback
    def _state(self, node_id: str, message: ReceiveMessage, payload: bytes) -> None:
        if not payload:  # a retained state that somebody deleted says nothing
            return
        state = parse_schedule_state(payload, dt_util.utcnow())
        if isinstance(state, Rejection):
            self._refusals.count(message.topic, node_id, state)
        elif node_id in self._swarm.nodes:
            self._on_state(node_id, state)
        elif (early := self._wait(node_id, message)) is not None:
            early.state = state

    @callback
    def _ack(self, node_id: str, message: ReceiveMessage, payload: bytes) -> None:
        if message.retain:
            self._refusals.refuse(
                message.topic, node_id, RejectReason.OUTDATED, "retained, which acknowledgements must not be"
            )
            return
        ack = parse_acknowledgement(payload, dt_util.utcnow())
        if isinstance(ack, Rejection):
            self._refusals.count(message.topic, node_id, ack)
        elif node_id not in self._swarm.nodes and not self._is_known(node_id):
            self._refusals.refuse(
                message.topic, "", RejectReason.UNKNOWN_NODE, f"acknowledgement of unknown node {node_id}"
            )
        elif (refused := self._on_ack(node_id, ack)) is not None:
            self._refusals.count(message.topic, node_id, refused)

    def _wait(self, node_id: str, message: ReceiveMessage) -> _Early | None:
        if node_id not in self._early and len(self._early) >= MAX_NODES:
            self._refusals.refuse(
                message.topic, "", RejectReason.UNKNOWN_NODE, f"{node_id} has not announced itself"
            )
            return None
        return self._early.setdefault(node_id, _Early())

    @callback
    def _changed(self, change: Change) -> None:
        if isinstance(change, NodeChanged):
            early = self._early.pop(change.node.node_id, None)
            if early is not None and early.schedule is not None:
                self._on_set(change.node.node_id, early.schedule)
            if early is not None and early.state is not None:
                self._on_state(change.node.node_id, early.state)
        elif isinstance(change, NodeRemoved):
            self._early.pop(change.node.node_id, None)
