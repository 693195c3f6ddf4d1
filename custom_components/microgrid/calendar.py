"""Calendars: the schedule of every battery."""

from __future__ import annotations

from homeassistant.core import HomeAssistant
from homeassistant.helpers.entity_platform import AddConfigEntryEntitiesCallback

from . import entities_schedules
from .runtime import MicrogridConfigEntry

PARALLEL_UPDATES = 0


async def async_setup_entry(
    hass: HomeAssistant, entry: MicrogridConfigEntry, async_add_entities: AddConfigEntryEntitiesCallback
) -> None:
    """Add the calendars of all nodes, now and later."""
    entities_schedules.add_calendars(entry, async_add_entities)
