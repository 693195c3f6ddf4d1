"""Binary sensors: the flags of the metric tables, and of each node whether it is online and in trouble."""

from __future__ import annotations

from typing import Any, override

from homeassistant.components.binary_sensor import BinarySensorDeviceClass, BinarySensorEntity
from homeassistant.const import EntityCategory
from homeassistant.core import HomeAssistant
from homeassistant.helpers.entity import Entity
from homeassistant.helpers.entity_platform import AddConfigEntryEntitiesCallback

from . import entities_guardian, entities_gx, entities_planner_advice
from .core.contract.faults import condition
from .core.model.metric import Metric, ValueType
from .core.model.swarm import SITE_ID, Node
from .entity import MetricEntity, NodeEntity, add_metric_entities, add_node_entities
from .runtime import MicrogridConfigEntry, MicrogridRuntime

PARALLEL_UPDATES = 0


async def async_setup_entry(
    hass: HomeAssistant, entry: MicrogridConfigEntry, async_add_entities: AddConfigEntryEntitiesCallback
) -> None:
    """Add the binary sensors of all nodes, now and later."""
    add_metric_entities(entry, async_add_entities, _is_flag, MetricBinarySensor)
    add_node_entities(entry, async_add_entities, _of_node)
    entities_gx.add_binary_sensors(hass, entry, async_add_entities)
    entities_guardian.add_binary_sensors(entry, async_add_entities)
    entities_planner_advice.add_binary_sensors(entry, async_add_entities)


def _is_flag(metric: Metric) -> bool:
    return metric.value is ValueType.FLAG


def _of_node(runtime: MicrogridRuntime, node: Node) -> list[Entity]:
    if node.node_id == SITE_ID:
        return []
    return [OnlineBinarySensor(runtime, node), ProblemBinarySensor(runtime, node)]


class MetricBinarySensor(MetricEntity, BinarySensorEntity):
    """A flag of a node."""

    def __init__(self, runtime: MicrogridRuntime, node: Node, metric: Metric) -> None:
        """Take everything from the row of the metric table."""
        super().__init__(runtime, node, metric)
        if metric.device_class:
            self._attr_device_class = BinarySensorDeviceClass(metric.device_class)

    @property
    @override
    def is_on(self) -> bool | None:
        """The newest value."""
        value = self.value
        return value if isinstance(value, bool) else None


class OnlineBinarySensor(NodeEntity, BinarySensorEntity):
    """Whether the node talks to us."""

    _attr_device_class = BinarySensorDeviceClass.CONNECTIVITY
    _attr_entity_category = EntityCategory.DIAGNOSTIC
    _attr_translation_key = "online"

    def __init__(self, runtime: MicrogridRuntime, node: Node) -> None:
        """Name the entity."""
        super().__init__(runtime, node, "online")

    @property
    @override
    def available(self) -> bool:
        """Silence is what this entity tells."""
        return True

    @property
    @override
    def is_on(self) -> bool:
        """Whether its values are current."""
        return self.node.available


class ProblemBinarySensor(NodeEntity, BinarySensorEntity):
    """Whether the node has active faults, and which."""

    _attr_device_class = BinarySensorDeviceClass.PROBLEM
    _attr_translation_key = "problem"
    _unrecorded_attributes = frozenset({"codes", "names"})

    def __init__(self, runtime: MicrogridRuntime, node: Node) -> None:
        """Name the entity."""
        super().__init__(runtime, node, "problem")

    @property
    @override
    def is_on(self) -> bool:
        """Whether any fault is active."""
        return bool(self.node.faults)

    @property
    @override
    def extra_state_attributes(self) -> dict[str, Any]:
        """The codes of the active faults and what they are called."""
        codes = sorted(self.node.faults)
        language = self.hass.config.language
        return {"codes": codes, "names": [condition(code).text(language).name for code in codes]}
