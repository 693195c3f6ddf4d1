"""Diagnostics: all that helps to find a fault from afar, without what names people or places."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from homeassistant.components.diagnostics import REDACTED, async_redact_data
from homeassistant.core import HomeAssistant
from homeassistant.helpers import device_registry as dr

from .const import CONF_NAME, CONF_SWARM
from .core.model.swarm import Node
from .devices import node_of_device
from .runtime import MicrogridConfigEntry, MicrogridRuntime
from .system_health import broker_connected

TO_REDACT: Final = {CONF_NAME, CONF_SWARM}
_SERIAL: Final = re.compile(
    r"\b(?=[\w:-]*\d)(?:[0-9A-Fa-f]{2}(?:[:-][0-9A-Fa-f]{2}){3,}|[A-Za-z]{0,4}[0-9A-Fa-f]{8,})\b"
)
"""What looks like a serial number or a hardware address."""


async def async_get_config_entry_diagnostics(
    hass: HomeAssistant, entry: MicrogridConfigEntry
) -> dict[str, Any]:
    """Return the state of the whole swarm."""
    runtime = entry.runtime_data
    return {
        **_surroundings(hass, entry, runtime),
        "nodes": {node.node_id: _node(node) for node in runtime.swarm.nodes.values()},
        "protocol_too_new": dict(runtime.swarm_mqtt.too_new),
        "house_sensors_refused": dict(runtime.house_sensors.refused) if runtime.house_sensors else None,
    }


async def async_get_device_diagnostics(
    hass: HomeAssistant, entry: MicrogridConfigEntry, device: dr.AnyDeviceEntry
) -> dict[str, Any]:
    """Return the state of the node that a device stands for."""
    runtime = entry.runtime_data
    node_id = node_of_device(entry, device)
    node = runtime.swarm.nodes.get(node_id) if node_id else None
    return {
        **_surroundings(hass, entry, runtime),
        "node_id": node_id,
        "node": _node(node) if node else None,
    }


def _surroundings(
    hass: HomeAssistant, entry: MicrogridConfigEntry, runtime: MicrogridRuntime
) -> dict[str, Any]:
    swarm = runtime.swarm
    return {
        "entry": {
            "data": async_redact_data(dict(entry.data), TO_REDACT),
            "options": dict(entry.options),
            "version": f"{entry.version}.{entry.minor_version}",
        },
        "broker_connected": broker_connected(hass),
        "swarm": {
            "nodes_known": len(swarm.nodes) - 1,
            "nodes_online": sum(node.available for node in swarm.nodes.values() if node is not swarm.site),
            "received": dict(swarm.received),
            "rejected": dict(swarm.rejected),
        },
        "state_writes": runtime.hub.writes,
    }


def _node(node: Node) -> dict[str, Any]:
    birth = node.birth
    return {
        "kind": node.kind.kind,
        "parent": node.parent_id,
        "name": REDACTED,
        "available": node.available,
        "online": node.online,
        "stale": node.stale,
        "interval_s": node.interval_s,
        "last_seen": node.last_seen.isoformat() if node.last_seen else None,
        "clock_offset_s": node.clock_offset_s,
        "birth": {
            "protocol": birth.protocol,
            "hardware": _without_serials(birth.hardware),
            "firmware": _without_serials(birth.firmware),
            "boot_id": birth.boot_id,
            "metrics": list(birth.metrics),
            "log_channels": list(birth.log_channels),
            "commands": [command.name for command in birth.commands],
            "schedule": birth.schedule is not None,
        }
        if birth
        else None,
        "values": _redacted(node.values),
        "values_rejected": dict(node.values_rejected),
        "metrics": sorted(node.metrics),
        "faults": sorted(node.faults),
    }


def _redacted(values: Mapping[str, Any]) -> dict[str, Any]:
    return {
        key: _without_serials(value) if isinstance(value, str) else value
        for key, value in sorted(values.items())
    }


def _without_serials(text: str | None) -> str | None:
    return None if text is None else _SERIAL.sub(REDACTED, text)
