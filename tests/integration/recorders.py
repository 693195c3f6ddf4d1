"""Nodes that keep snapshots and give them out over MQTT, as the contract has it; well-behaved or not."""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from homeassistant.core import HomeAssistant
from pytest_homeassistant_custom_component.common import async_fire_mqtt_message
from pytest_homeassistant_custom_component.typing import MqttMockHAClient

from custom_components.microgrid.core.archive.faults.records import RecordedFault
from custom_components.microgrid.core.contract.encode import snapshot_chunk_payload, snapshot_list_payload
from custom_components.microgrid.core.contract.snapshot import (
    ListedSnapshot,
    SnapshotChunk,
    SnapshotGet,
    SnapshotList,
    SnapshotPart,
    SnapshotState,
    parse_snapshot_get,
)
from custom_components.microgrid.core.contract.topics import snapshot_chunk
from tests.unit.core.archive.logs import SECOND_US, START_US
from tests.unit.core.archive.snapshots import CHUNK_BYTES, EVENT_ID, HOUSE

from .voices import SWARM, Voice

type Messages = list[tuple[str, bytes]]
"""Suffix and payload."""


@dataclass(slots=True)
class Held:
    """An object of a snapshot."""

    part: SnapshotPart
    data: bytes
    state: SnapshotState = SnapshotState.COMPLETE
    code: str = "F001"


class Recorder(Voice):
    """A house or a gateway with a card."""

    def __init__(self, hass: HomeAssistant, node_id: str, kind: str, parent: str | None = None) -> None:
        """Have nothing yet."""
        super().__init__(hass, node_id, kind, node_id.replace("-", " ").title(), parent)
        self.held: dict[tuple[str, SnapshotPart], Held] = {}
        self.asked: list[SnapshotGet] = []
        self.silent = False
        self.spoil: Callable[[Messages], Messages] = lambda messages: messages
        """What becomes of the chunks of an answer on their way."""

    def hold(self, event_id: str, held: Held) -> None:
        """Have an object."""
        self.held[event_id, held.part] = held

    def answer(self, payload: bytes) -> Messages:
        """Return what is sent upon a request."""
        request = parse_snapshot_get(payload)
        assert isinstance(request, SnapshotGet), request
        self.asked.append(request)
        if self.silent:
            return []
        if request.event_id is None:
            listed = [self._listed(event_id, held) for (event_id, _), held in self.held.items()]
            return [("snapshot/list", snapshot_list_payload(SnapshotList(tuple(listed))))]
        held = self.held.get((request.event_id, request.part))
        if held is None or held.state is SnapshotState.RECORDING:
            state = SnapshotState.UNKNOWN if held is None else held.state
            return messages([SnapshotChunk(request.event_id, request.part, state, 0, 0, 0, 0, b"")])
        pieces = chunks(held.data, request.event_id, held.part, held.state)
        return self.spoil(messages(pieces[request.first : request.first + request.count]))

    @staticmethod
    def _listed(event_id: str, held: Held) -> ListedSnapshot:
        if held.state is SnapshotState.RECORDING:
            return ListedSnapshot(event_id, held.code, held.part, held.state, 0, 0)
        first = chunks(held.data, event_id, held.part)[0]
        return ListedSnapshot(
            event_id, held.code, held.part, held.state, first.object_bytes, first.object_crc
        )


def messages(pieces: Iterable[SnapshotChunk]) -> Messages:
    """Return chunks as they go over the wire."""
    return [(snapshot_chunk(piece.event_id, piece.number), snapshot_chunk_payload(piece)) for piece in pieces]


def chunks(
    data: bytes,
    event_id: str = EVENT_ID,
    part: SnapshotPart = SnapshotPart.MEASURED,
    state: SnapshotState = SnapshotState.COMPLETE,
    size: int = CHUNK_BYTES,
) -> list[SnapshotChunk]:
    """Cut an object into what goes over the wire."""
    pieces = [data[at : at + size] for at in range(0, len(data), size)]
    crc = zlib.crc32(data)
    return [
        SnapshotChunk(event_id, part, state, number, len(pieces), len(data), crc, piece)
        for number, piece in enumerate(pieces)
    ]


def fault() -> RecordedFault:
    """A fault that was told at once, as the store has it."""
    return RecordedFault(EVENT_ID, HOUSE, "F001", "critical", START_US, START_US + SECOND_US)


@dataclass(slots=True)
class Wire:
    """The broker between Home Assistant and the recorders."""

    hass: HomeAssistant
    mqtt: MqttMockHAClient
    nodes: dict[str, Recorder] = field(default_factory=dict)
    commands: dict[str, dict[str, Any]] = field(default_factory=dict)
    """What a node answers to a command, by its name."""

    def __post_init__(self) -> None:
        """Listen to what Home Assistant says."""
        self.mqtt.async_publish.side_effect = self._published

    def add(self, node_id: str, kind: str, parent: str | None = None) -> Recorder:
        """Return a new node."""
        self.nodes[node_id] = node = Recorder(self.hass, node_id, kind, parent)
        return node

    def say(self, node_id: str, suffix: str, payload: bytes, *, retain: bool = False) -> None:
        """Publish for a node."""
        topic = f"microgrid/v1/{SWARM}/{node_id}/{suffix}"
        async_fire_mqtt_message(self.hass, topic, payload, qos=1, retain=retain)

    async def _published(self, topic: str, payload: Any, *args: Any, **kwargs: Any) -> None:
        _, _, _, node_id, suffix = topic.split("/", 4)
        data = payload.encode() if isinstance(payload, str) else bytes(payload)
        if suffix == "snapshot/get" and node_id in self.nodes:
            for name, chunk in self.nodes[node_id].answer(data):
                self.hass.loop.call_soon(self.say, node_id, name, chunk)
        elif suffix == "cmd/set" and (command := json.loads(data))["command"] in self.commands:
            result = json.dumps({"id": command["id"], **self.commands[command["command"]]}).encode()
            self.hass.loop.call_soon(self.say, node_id, "cmd/result", result)
