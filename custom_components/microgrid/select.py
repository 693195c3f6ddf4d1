"""Selects: what a person must tell about a device because it can not be measured."""

from __future__ import annotations

from typing import override

from homeassistant.components.select import SelectEntity
from homeassistant.const import EntityCategory
from homeassistant.core import HomeAssistant
from homeassistant.helpers.entity import Entity
from homeassistant.helpers.entity_platform import AddConfigEntryEntitiesCallback

from . import entities_commands, entities_gx_control, entities_planner
from .core.model.refrigerant import REFRIGERANTS
from .core.model.swarm import Node
from .entity import NodeEntity, add_node_entities
from .runtime import MicrogridConfigEntry, MicrogridRuntime
from .sources.heat_pump_mqtt import REFRIGERANT, HeatPumpMqtt

PARALLEL_UPDATES = 0

_NONE = "none"
_REFRIGERANTS = {name.lower(): name for name in REFRIGERANTS}


async def async_setup_entry(
    hass: HomeAssistant, entry: MicrogridConfigEntry, async_add_entities: AddConfigEntryEntitiesCallback
) -> None:
    """Add the selects of all nodes, now and later."""
    add_node_entities(entry, async_add_entities, _of_node)
    entities_commands.add_selects(entry, async_add_entities)
    entities_gx_control.add_selects(entry, async_add_entities)
    entities_planner.add_selects(entry, async_add_entities)


def _of_node(runtime: MicrogridRuntime, node: Node) -> list[Entity]:
    if runtime.heat_pumps is None or node.kind.kind != "heat_pump":
        return []
    return [RefrigerantSelect(runtime, node, runtime.heat_pumps)]


class RefrigerantSelect(NodeEntity, SelectEntity):
    """The refrigerant of a heat pump: pressures become saturation temperatures once it is known."""

    _attr_entity_category = EntityCategory.CONFIG
    _attr_translation_key = REFRIGERANT

    def __init__(self, runtime: MicrogridRuntime, node: Node, heat_pumps: HeatPumpMqtt) -> None:
        """Name the entity and its options."""
        super().__init__(runtime, node, REFRIGERANT)
        self._attr_options = [_NONE, *_REFRIGERANTS]
        self._heat_pumps = heat_pumps

    @property
    @override
    def available(self) -> bool:
        """The choice is kept here and needs no heat pump that listens."""
        return True

    @property
    @override
    def current_option(self) -> str:
        """What was chosen, or none."""
        name = self.runtime.setting(self.node.node_id, REFRIGERANT)
        return name.lower() if name else _NONE

    @override
    async def async_select_option(self, option: str) -> None:
        """Keep the choice and compute with it from now on."""
        self.runtime.choose(self.node.node_id, REFRIGERANT, _REFRIGERANTS.get(option))
        self._heat_pumps.refrigerant_chosen(self.node.node_id)
        self.async_write_ha_state()
