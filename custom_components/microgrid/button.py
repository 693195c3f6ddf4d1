"""Buttons: what is done once."""

from __future__ import annotations

from homeassistant.core import HomeAssistant
from homeassistant.helpers.entity_platform import AddConfigEntryEntitiesCallback

from . import entities_commands, entities_gx_control
from .runtime import MicrogridConfigEntry

PARALLEL_UPDATES = 0


async def async_setup_entry(
    hass: HomeAssistant, entry: MicrogridConfigEntry, async_add_entities: AddConfigEntryEntitiesCallback
) -> None:
    """Add the buttons of all nodes, now and later."""
    entities_commands.add_buttons(entry, async_add_entities)
    entities_gx_control.add_buttons(entry, async_add_entities)
