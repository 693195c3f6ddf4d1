"""Backups: archive, fault store and execution log hold still while Home Assistant copies their files."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from homeassistant.core import HomeAssistant
from homeassistant.util.hass_dict import HassKey

from .const import DOMAIN
from .fault_shelf import FaultShelf
from .historian import Historian
from .schedules import ScheduleDesk

if TYPE_CHECKING:
    from .runtime import MicrogridConfigEntry

_HELD: Final[HassKey[list[Historian | FaultShelf | ScheduleDesk]]] = HassKey(f"{DOMAIN}_backup")
"""Also of entries that were unloaded meanwhile: they wait to be let go."""


async def async_pre_backup(hass: HomeAssistant) -> None:
    """Bring every archive into a state that can be copied file by file, and keep it so."""
    held = hass.data.setdefault(_HELD, [])
    entries: list[MicrogridConfigEntry] = hass.config_entries.async_loaded_entries(DOMAIN)
    for entry in entries:
        runtime = entry.runtime_data
        for keeper in (runtime.historian, runtime.faults.shelf, runtime.schedules):
            await keeper.hold()
            held.append(keeper)


async def async_post_backup(hass: HomeAssistant) -> None:
    """Store again."""
    for keeper in hass.data.pop(_HELD, []):
        keeper.release()
