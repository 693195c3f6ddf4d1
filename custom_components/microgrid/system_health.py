"""System health: the few numbers that tell whether the microgrid is heard and how busy it is."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final

from homeassistant.components import mqtt
from homeassistant.components.system_health import SystemHealthRegistration
from homeassistant.core import HomeAssistant, callback

from .const import DOMAIN

if TYPE_CHECKING:
    from .runtime import MicrogridConfigEntry, MicrogridRuntime

SAMPLE_S: Final = 4.0
"""How long state writes are counted; the page shows the other lines meanwhile."""


@callback
def async_register(hass: HomeAssistant, register: SystemHealthRegistration) -> None:
    """Register the information, with the page that it is about."""
    register.async_register_info(_information, "/config/integrations/integration/microgrid")


@callback
def broker_connected(hass: HomeAssistant) -> bool:
    """Return whether MQTT is set up and its broker can be reached."""
    return bool(hass.config_entries.async_loaded_entries(mqtt.DOMAIN)) and mqtt.is_connected(hass)


async def _information(hass: HomeAssistant) -> dict[str, Any]:
    entries: list[MicrogridConfigEntry] = hass.config_entries.async_loaded_entries(DOMAIN)
    runtimes = [entry.runtime_data for entry in entries]
    swarms = [runtime.swarm for runtime in runtimes]
    nodes = [node for swarm in swarms for node in swarm.nodes.values() if node is not swarm.site]
    return {
        "broker_connected": broker_connected(hass),
        "nodes_known": len(nodes),
        "nodes_online": sum(node.available for node in nodes),
        "messages_received": sum(sum(swarm.received.values()) for swarm in swarms),
        "messages_rejected": sum(sum(swarm.rejected.values()) for swarm in swarms),
        "frames_stored": sum(runtime.historian.received.frames for runtime in runtimes),
        "frames_lost": sum(runtime.historian.received.lost for runtime in runtimes),
        "archive_trouble": next(
            (trouble for runtime in runtimes if (trouble := runtime.historian.trouble)), "–"
        ),
        "state_writes_per_second": _writes_per_second(runtimes),
    }


async def _writes_per_second(runtimes: list[MicrogridRuntime]) -> float:
    """Count the state writes of a few seconds."""
    before = sum(runtime.hub.writes for runtime in runtimes)
    await asyncio.sleep(SAMPLE_S)
    return round((sum(runtime.hub.writes for runtime in runtimes) - before) / SAMPLE_S, 1)
