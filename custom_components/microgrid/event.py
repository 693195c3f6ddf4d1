"""Event entities: faults of every node, and what else it does (contactor, synchronisation, boot, loss)."""

from __future__ import annotations

from abc import abstractmethod
from collections import deque
from collections.abc import Mapping
from typing import Any, override

from homeassistant.components.event import EventEntity
from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers.entity import Entity
from homeassistant.helpers.entity_platform import AddConfigEntryEntitiesCallback

from . import entities_guardian, entities_planner, entities_schedules
from .core.contract.faults import condition
from .core.contract.messages import EventState, EventType, NodeEvent
from .core.contract.reading import format_time
from .core.model.swarm import Change, EventReceived, Node, NodeRemoved
from .entity import LastingEntity, add_node_entities
from .runtime import MicrogridConfigEntry, MicrogridRuntime

PARALLEL_UPDATES = 0

RAISED, CLEARED = "raised", "cleared"
_COMMON = ("boot", "overflow")
ACTIVITIES: Mapping[str, tuple[str, ...]] = {
    "house": _COMMON,
    "gateway": (
        "contactor_closed",
        "contactor_opened",
        "sync_started",
        "sync_reached",
        "sync_failed",
        *_COMMON,
    ),
    "heat_pump": _COMMON,
    "mpp_inverter": _COMMON,
    "battery": _COMMON,
}
"""What each kind of node tells beside its faults: code or type of the event in small letters."""

_EARLY = 16  # events that come while the entity is still being added, such as the boot right after a birth


async def async_setup_entry(
    hass: HomeAssistant, entry: MicrogridConfigEntry, async_add_entities: AddConfigEntryEntitiesCallback
) -> None:
    """Add the event entities of all nodes, now and later, and carry the events to them."""
    made: dict[str, list[NodeEventEntity]] = {}

    def make(runtime: MicrogridRuntime, node: Node) -> list[Entity]:
        if node.kind.kind not in ACTIVITIES:
            return []
        made[node.node_id] = [FaultEventEntity(runtime, node), ActivityEventEntity(runtime, node)]
        return [*made[node.node_id]]

    @callback
    def changed(change: Change) -> None:
        if isinstance(change, EventReceived):
            for entity in made.get(change.node.node_id, ()):
                entity.on_event(change.event, late=change.late)
        elif isinstance(change, NodeRemoved):
            made.pop(change.node.node_id, None)

    add_node_entities(entry, async_add_entities, make)
    entry.async_on_unload(entry.runtime_data.swarm.subscribe(changed))
    entities_guardian.add_events(entry, async_add_entities)
    entities_planner.add_events(entry, async_add_entities)
    entities_schedules.add_events(entry, async_add_entities)


class NodeEventEntity(LastingEntity, EventEntity):
    """Shows the newest event of a node."""

    def __init__(self, runtime: MicrogridRuntime, node: Node, key: str, event_types: tuple[str, ...]) -> None:
        """Name the entity and its events."""
        super().__init__(runtime, node, key)
        self._attr_translation_key = key
        self._attr_event_types = list(event_types)
        self._added = False
        self._early: deque[tuple[NodeEvent, bool]] = deque(maxlen=_EARLY)

    @override
    async def async_added_to_hass(self) -> None:
        """Tell what came too early."""
        await super().async_added_to_hass()
        self._added = True
        while self._early:
            event, late = self._early.popleft()
            self.on_event(event, late=late)

    @callback
    def on_event(self, event: NodeEvent, *, late: bool = False) -> None:
        """Show an event when it is one of ours; one that comes late says so."""
        if (event_type := self._event_type(event)) is None:
            return
        if not self._added:
            self._early.append((event, late))
            return
        self._trigger_event(event_type, self._attributes(event) | {"late": late})
        self.async_write_ha_state()

    @abstractmethod
    def _event_type(self, event: NodeEvent) -> str | None:
        """Return what the entity calls an event, or None when it is not one of its own."""

    def _attributes(self, event: NodeEvent) -> dict[str, Any]:
        return {
            "code": event.code,
            "severity": event.severity.value,
            "event_id": event.event_id,
            "time": format_time(event.time) if event.time else None,
            "values": dict(event.values),
        }


class FaultEventEntity(NodeEventEntity):
    """Faults and alarms, as they come and go, with what the catalogue says about them."""

    _unrecorded_attributes = frozenset({"description", "advice"})  # the catalogue has them for ever

    def __init__(self, runtime: MicrogridRuntime, node: Node) -> None:
        """Name the entity."""
        super().__init__(runtime, node, "fault", (RAISED, CLEARED))

    @override
    def _event_type(self, event: NodeEvent) -> str | None:
        if event.type not in (EventType.FAULT, EventType.ALARM):
            return None
        return CLEARED if event.state is EventState.CLEARED else RAISED

    @override
    def _attributes(self, event: NodeEvent) -> dict[str, Any]:
        entry = condition(event.code)
        text = entry.text(self.hass.config.language)
        return super()._attributes(event) | {
            "name": text.name,
            "category": entry.category.value,
            "description": text.description,
            "advice": text.advice,
        }


class ActivityEventEntity(NodeEventEntity):
    """Everything that a node does without being at fault."""

    def __init__(self, runtime: MicrogridRuntime, node: Node) -> None:
        """Name the entity; its events depend on the kind of the node."""
        super().__init__(runtime, node, "activity", ACTIVITIES[node.kind.kind])

    @override
    def _event_type(self, event: NodeEvent) -> str | None:
        for name in (event.code.lower(), event.type.value):
            if name in self.event_types:
                return name
        return None
