"""Entities of metrics: made when a node first shows a metric, written when a change is worth it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Protocol, override

from homeassistant.const import EntityCategory
from homeassistant.core import CALLBACK_TYPE, callback
from homeassistant.helpers.entity import Entity
from homeassistant.helpers.entity_platform import AddConfigEntryEntitiesCallback

from .core.model.deadband import DeadBand, Profile, Verdict
from .core.model.metric import Metric, Value
from .core.model.swarm import (
    AvailabilityChanged,
    Change,
    FaultsChanged,
    MetricsAdded,
    Node,
    NodeChanged,
    NodeRemoved,
    Swarm,
    ValuesChanged,
)

if TYPE_CHECKING:
    from .runtime import MicrogridConfigEntry, MicrogridRuntime

_LOGGER = logging.getLogger(__name__)


class NodeEntity(Entity):
    """An entity of one node."""

    _attr_has_entity_name = True
    _attr_should_poll = False

    def __init__(self, runtime: MicrogridRuntime, node: Node, key: str, component: str = "") -> None:
        """Link the entity to its node and device; `key` makes it unique."""
        self.runtime = runtime
        self.node = node
        self.key = key
        self._attr_unique_id = runtime.devices.unique_id(node.node_id, key)
        self._attr_device_info = runtime.devices.info(node, component)

    @property
    @override
    def available(self) -> bool:
        """Follow the node."""
        return self.node.available

    @override
    async def async_added_to_hass(self) -> None:
        """Be told what happens to the node."""
        self.runtime.hub.add(self)

    @override
    async def async_will_remove_from_hass(self) -> None:
        """Be told no more."""
        self.runtime.hub.remove(self)

    @callback
    def on_node(self) -> None:
        """Availability or faults of the node changed."""
        self.async_write_ha_state()


class MetricEntity(NodeEntity):
    """An entity that shows one metric."""

    def __init__(self, runtime: MicrogridRuntime, node: Node, metric: Metric) -> None:
        """Take everything from the row of the metric table."""
        super().__init__(runtime, node, metric.key, metric.component)
        self.metric = metric
        self.band = runtime.hub.band(metric)
        self._attr_translation_key = metric.name
        self._attr_translation_placeholders = dict(metric.placeholders)
        self._attr_entity_registry_enabled_default = metric.enabled
        self._attr_entity_category = EntityCategory.DIAGNOSTIC if metric.diagnostic else None

    @property
    def value(self) -> Value | None:
        """The newest value."""
        return self.node.values.get(self.metric.key)


class Teller(Protocol):
    """A part that says when it knows something new of a node."""

    def on_change(self, listener: Callable[[str], None], /) -> CALLBACK_TYPE:
        """Call `listener` with the node; returns the way to stop it."""


class LastingEntity(NodeEntity):
    """Shows what stays true when the node falls silent."""

    @property
    @override
    def available(self) -> bool:
        """Always."""
        return True


class ToldEntity(LastingEntity):
    """Shows what a part knows of a node."""

    @property
    def teller(self) -> Teller:
        """The part that knows it."""
        raise NotImplementedError

    @override
    async def async_added_to_hass(self) -> None:
        """Be told of what is new."""
        await super().async_added_to_hass()
        self.async_on_remove(self.teller.on_change(self._told))

    @callback
    def _told(self, node_id: str) -> None:
        if node_id == self.node.node_id:
            self.on_told()

    @callback
    def on_told(self) -> None:
        """There is something new."""
        self.async_write_ha_state()


class EntityHub:
    """Carries changes of the swarm to the entities that show them."""

    def __init__(self, swarm: Swarm, profile: Profile, interval_s: float) -> None:
        """Follow the swarm."""
        self._swarm = swarm
        self.profile = profile
        self.interval_s = interval_s
        self._metrics: dict[str, dict[str, MetricEntity]] = {}
        self._others: dict[str, list[NodeEntity]] = {}
        self._waiting: set[MetricEntity] = set()
        self._unsubscribe = swarm.subscribe(self._changed)
        self.writes = 0
        """State writes since the start, for the benchmark and the diagnostics."""

    def close(self) -> None:
        """Stop following."""
        self._unsubscribe()

    def band(self, metric: Metric) -> DeadBand:
        """Return the dead-band of a new entity."""
        return DeadBand(metric, self.profile, self.interval_s)

    @callback
    def add(self, entity: NodeEntity) -> None:
        """Start telling an entity."""
        if isinstance(entity, MetricEntity):
            self._metrics.setdefault(entity.node.node_id, {})[entity.metric.key] = entity
            entity.band.tell(entity.value, self._swarm.monotonic())
        else:
            self._others.setdefault(entity.node.node_id, []).append(entity)

    @callback
    def remove(self, entity: NodeEntity) -> None:
        """Stop telling an entity."""
        if isinstance(entity, MetricEntity):
            metrics = self._metrics.get(entity.node.node_id, {})
            if metrics.get(entity.metric.key) is entity:  # and not that of a new node under an old id
                del metrics[entity.metric.key]
            self._waiting.discard(entity)
        elif entity in (others := self._others.get(entity.node.node_id, [])):
            others.remove(entity)

    @callback
    def flush(self) -> None:
        """Write what had to wait for its interval."""
        now = self._swarm.monotonic()
        for entity in tuple(self._waiting):
            self._consider(entity, now)

    @callback
    def _changed(self, change: Change) -> None:
        node_id = change.node.node_id
        if isinstance(change, ValuesChanged):
            entities = self._metrics.get(node_id)
            if entities and change.keys and change.node.available:
                now = self._swarm.monotonic()
                for key in change.keys:
                    if (entity := entities.get(key)) is not None:
                        self._consider(entity, now)
        elif isinstance(change, AvailabilityChanged):
            now_it = "is available" if change.node.available else "is unavailable"
            _LOGGER.info("%s (%s) %s", change.node.name, node_id, now_it)
            for metric_entity in self._metrics.get(node_id, {}).values():
                self._write(metric_entity, float("-inf"))  # what it tells next waits for no interval
            self._tell_others(node_id)
        elif isinstance(change, FaultsChanged):
            self._tell_others(node_id)
        elif isinstance(change, NodeRemoved):  # Home Assistant removes the entities with their device
            self._waiting.difference_update(self._metrics.pop(node_id, {}).values())
            self._others.pop(node_id, None)

    def _tell_others(self, node_id: str) -> None:
        for entity in self._others.get(node_id, ()):
            entity.on_node()

    def _consider(self, entity: MetricEntity, now: float) -> None:
        verdict = entity.band.judge(entity.value, now)
        if verdict is Verdict.WAIT:
            self._waiting.add(entity)
            return
        self._waiting.discard(entity)
        if verdict is Verdict.TELL:
            self._write(entity, now)

    def _write(self, entity: MetricEntity, now: float) -> None:
        entity.band.tell(entity.value, now)
        self.writes += 1
        entity.async_write_ha_state()


def add_metric_entities(
    entry: MicrogridConfigEntry,
    async_add_entities: AddConfigEntryEntitiesCallback,
    wanted: Callable[[Metric], bool],
    make: Callable[[MicrogridRuntime, Node, Metric], MetricEntity],
) -> None:
    """Add the entities of one platform: those of the metrics shown so far and of every metric to come."""
    runtime = entry.runtime_data

    @callback
    def add(node: Node, metrics: Iterable[Metric]) -> None:
        if entities := [make(runtime, node, metric) for metric in metrics if wanted(metric)]:
            async_add_entities(entities)

    @callback
    def changed(change: Change) -> None:
        if isinstance(change, MetricsAdded):
            add(change.node, change.metrics)

    for node in runtime.swarm.nodes.values():
        add(node, node.metrics.values())
    entry.async_on_unload(runtime.swarm.subscribe(changed))


def add_node_entities(
    entry: MicrogridConfigEntry,
    async_add_entities: AddConfigEntryEntitiesCallback,
    make: Callable[[MicrogridRuntime, Node], list[Entity]],
) -> None:
    """Add entities that every node of a kind has, for nodes known and to come."""
    runtime = entry.runtime_data

    @callback
    def add(node: Node) -> None:
        if entities := make(runtime, node):
            async_add_entities(entities)

    @callback
    def changed(change: Change) -> None:
        if isinstance(change, NodeChanged) and change.added:
            add(change.node)

    for node in runtime.swarm.nodes.values():
        add(node)
    entry.async_on_unload(runtime.swarm.subscribe(changed))
