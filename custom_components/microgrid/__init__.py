"""Microgrid: houses, gateways, heat pumps, inverters and batteries of a neighbourhood as one system."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

from homeassistant.components import mqtt
from homeassistant.const import Platform
from homeassistant.core import HomeAssistant
from homeassistant.exceptions import ConfigEntryNotReady
from homeassistant.helpers import config_validation as cv, device_registry as dr
from homeassistant.helpers.typing import ConfigType

from . import repairs
from .const import DOMAIN, OPT_END_OF_LIFE, OPT_HEALTH_RULES
from .devices import node_of_device, part_of_device
from .frontend import async_register_dashboard
from .runtime import MicrogridConfigEntry, MicrogridRuntime
from .services import async_register_services
from .views import async_register_views
from .websocket_api import async_register_commands

CONFIG_SCHEMA = cv.config_entry_only_config_schema(DOMAIN)
PLATFORMS = [
    Platform.BINARY_SENSOR,
    Platform.BUTTON,
    Platform.CALENDAR,
    Platform.EVENT,
    Platform.IMAGE,
    Platform.NUMBER,
    Platform.SELECT,
    Platform.SENSOR,
    Platform.SWITCH,
    Platform.TIME,
]


async def async_setup(hass: HomeAssistant, config: ConfigType) -> bool:
    """Register actions and the dashboard, which exist without any entry."""
    async_register_services(hass)
    async_register_commands(hass)
    await async_register_dashboard(hass)
    async_register_views(hass)
    return True


async def async_setup_entry(hass: HomeAssistant, entry: MicrogridConfigEntry) -> bool:
    """Set up one swarm."""
    if not await mqtt.async_wait_for_mqtt_client(hass):
        repairs.async_broker_missing(hass, entry)
        raise ConfigEntryNotReady(translation_domain=DOMAIN, translation_key="broker_missing")
    repairs.async_broker_found(hass, entry)
    entry.runtime_data = runtime = await MicrogridRuntime.async_create(hass, entry)
    forwarded = False
    try:
        await hass.config_entries.async_forward_entry_setups(entry, PLATFORMS)
        forwarded = True
        await runtime.async_start()
    except BaseException:
        await runtime.async_stop()
        if forwarded:  # or the next attempt would find its platforms taken
            await hass.config_entries.async_unload_platforms(entry, PLATFORMS)
        raise
    entry.async_on_unload(entry.add_update_listener(_reload_on_change_of(entry)))
    return True


async def async_unload_entry(hass: HomeAssistant, entry: MicrogridConfigEntry) -> bool:
    """Stop one swarm; what it counted is saved.

    It falls silent first: entities that it made while its platforms are unloaded would outlive them, and
    stand in the place of those of the next runtime.
    """
    await entry.runtime_data.async_stop()
    return await hass.config_entries.async_unload_platforms(entry, PLATFORMS)


async def async_remove_entry(hass: HomeAssistant, entry: MicrogridConfigEntry) -> None:
    """Forget what was stored for a swarm that the user removed."""
    repairs.async_forget(hass, entry)
    await MicrogridRuntime.async_forget(hass, entry)


async def async_remove_config_entry_device(
    hass: HomeAssistant, entry: MicrogridConfigEntry, device: dr.AnyDeviceEntry
) -> bool:
    """Let the user delete a device whose node is gone or silent, or a part that its node does not show."""
    node_id = node_of_device(entry, device)
    node = entry.runtime_data.swarm.nodes.get(node_id) if node_id else None
    if node is None:
        return True
    if (part := part_of_device(entry, device)) is not None:
        if (station := entry.runtime_data.gx.station_of(node.node_id)) is None:
            return all(metric.component != part for metric in node.metrics.values())
        if station.has(part):
            return False
        entry.runtime_data.guardian.forget_part(node.node_id, part)
        return True
    if node is entry.runtime_data.swarm.site or node.available:
        return False
    entry.runtime_data.swarm.retire(node.node_id)
    return True


def _reload_on_change_of(
    entry: MicrogridConfigEntry,
) -> Callable[[HomeAssistant, MicrogridConfigEntry], Coroutine[Any, Any, None]]:
    """Reload when the user changed something: Home Assistant also calls listeners for notes of its own."""

    def chosen() -> tuple[object, ...]:
        subentries = {key: dict(subentry.data) for key, subentry in entry.subentries.items()}
        return entry.title, dict(entry.data), without_reload(entry), subentries

    def without_reload(entry: MicrogridConfigEntry) -> dict[str, Any]:
        kept = entry.options.items()
        return {key: value for key, value in kept if key not in (OPT_HEALTH_RULES, OPT_END_OF_LIFE)}

    before = chosen()

    async def changed(hass: HomeAssistant, entry: MicrogridConfigEntry) -> None:
        entry.runtime_data.guardian.configure(entry.options)
        if chosen() != before:
            await hass.config_entries.async_reload(entry.entry_id)

    return changed
