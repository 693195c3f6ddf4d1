"""Images: the chart of the newest fault of houses and gateways."""

from __future__ import annotations

from typing import Any, override

from homeassistant.components.image import ImageEntity
from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers.entity import Entity
from homeassistant.helpers.entity_platform import AddConfigEntryEntitiesCallback
from homeassistant.util import dt as dt_util

from .core.archive.errors import ArchiveError
from .core.model.swarm import Node
from .entity import ToldEntity, add_node_entities
from .fault_desk import FaultDesk
from .runtime import MicrogridConfigEntry, MicrogridRuntime

PARALLEL_UPDATES = 0


async def async_setup_entry(
    hass: HomeAssistant, entry: MicrogridConfigEntry, async_add_entities: AddConfigEntryEntitiesCallback
) -> None:
    """Add the charts of all nodes that record faults, now and later."""

    def make(runtime: MicrogridRuntime, node: Node) -> list[Entity]:
        return [FaultChartImage(hass, runtime, node)] if node.kind.kind in ("house", "gateway") else []

    add_node_entities(entry, async_add_entities, make)


class FaultChartImage(ToldEntity, ImageEntity):
    """The chart of a node's newest fault, drawn when it is looked at. It outlives the node's silence."""

    _attr_translation_key = "last_fault_chart"
    _attr_content_type = "image/png"

    def __init__(self, hass: HomeAssistant, runtime: MicrogridRuntime, node: Node) -> None:
        """Name the entity."""
        ToldEntity.__init__(self, runtime, node, "last_fault_chart")
        ImageEntity.__init__(self, hass)
        self._event_id: str | None = None

    @property
    @override
    def teller(self) -> FaultDesk:
        """Who knows of faults and of what was found of them."""
        return self.runtime.faults

    @property
    @override
    def extra_state_attributes(self) -> dict[str, Any]:
        """Which fault it is."""
        return {"event_id": self._event_id}

    @override
    async def async_added_to_hass(self) -> None:
        """Begin with the newest fault of earlier runs."""
        await super().async_added_to_hass()
        self._look()

    @callback
    @override
    def on_told(self) -> None:
        """Show another picture, if there is one."""
        if self._look():
            super().on_told()

    @callback
    def _look(self) -> bool:
        """Take note of the newest fault; True when there is another picture of it."""
        if (known := self.runtime.faults.latest.get(self.node.node_id)) is None:
            return False
        made_us = known.fault.recorded_us if known.analysis is None else known.analysis.made_us
        shown = dt_util.utc_from_timestamp(made_us / 1e6)
        if (shown, known.fault.event_id) == (self._attr_image_last_updated, self._event_id):
            return False
        self._attr_image_last_updated, self._event_id = shown, known.fault.event_id
        return True

    @override
    async def async_image(self) -> bytes | None:
        """Return the chart; None when there was no fault yet, or it cannot be read."""
        if (known := self.runtime.faults.latest.get(self.node.node_id)) is None:
            return None
        try:
            return await self.runtime.fault_charts.chart(known.fault.event_id)
        except ArchiveError:  # the desk told already what is wrong with the store
            return None
