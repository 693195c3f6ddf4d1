"""Triggers on the page of a device: its faults, as they come, go and are analysed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import voluptuous as vol
from homeassistant.components.device_automation import DEVICE_TRIGGER_BASE_SCHEMA
from homeassistant.config_entries import ConfigEntryState
from homeassistant.const import CONF_DEVICE_ID, CONF_DOMAIN, CONF_PLATFORM, CONF_TYPE
from homeassistant.core import CALLBACK_TYPE, HassJob, HomeAssistant, callback
from homeassistant.helpers import device_registry as dr
from homeassistant.helpers.trigger import TriggerActionType, TriggerInfo
from homeassistant.helpers.typing import ConfigType

from .const import DOMAIN
from .core.contract.messages import Severity
from .devices import node_of_device
from .event import ACTIVITIES
from .runtime import MicrogridConfigEntry
from .trigger import ANALYZED, CLEARED, RAISED, SEVERITIES, async_is_of, async_listen


@dataclass(frozen=True, slots=True)
class _Row:
    """What a type of trigger waits for."""

    moment: str
    severities: tuple[str, ...] = SEVERITIES


_CRITICAL: Final = (Severity.CRITICAL.value,)
TYPES: Final = {
    "fault_raised": _Row(RAISED),
    "critical_fault_raised": _Row(RAISED, _CRITICAL),
    "fault_cleared": _Row(CLEARED),
    "fault_analyzed": _Row(ANALYZED),
    "critical_fault_analyzed": _Row(ANALYZED, _CRITICAL),
}

TRIGGER_SCHEMA: Final = DEVICE_TRIGGER_BASE_SCHEMA.extend({vol.Required(CONF_TYPE): vol.In(TYPES)})


async def async_get_triggers(hass: HomeAssistant, device_id: str) -> list[dict[str, Any]]:
    """Return what a device offers: nodes that tell faults do, their parts and the site do not."""
    if not _tells_faults(hass, device_id):
        return []
    return [
        {CONF_PLATFORM: "device", CONF_DOMAIN: DOMAIN, CONF_DEVICE_ID: device_id, CONF_TYPE: name}
        for name in TYPES
    ]


async def async_attach_trigger(
    hass: HomeAssistant, config: ConfigType, action: TriggerActionType, trigger_info: TriggerInfo
) -> CALLBACK_TYPE:
    """Wait for it; the entry may be loaded again meanwhile."""
    job = HassJob(action, f"microgrid device trigger {trigger_info}")
    row = TYPES[config[CONF_TYPE]]

    @callback
    def on_fault(entry_id: str, node_id: str, fault: dict[str, Any]) -> None:
        if fault["severity"] in row.severities and async_is_of(
            hass, config[CONF_DEVICE_ID], entry_id, node_id
        ):
            hass.async_run_hass_job(
                job,
                {
                    "trigger": {
                        **trigger_info["trigger_data"],
                        **config,
                        "description": f"{fault['code']} at {node_id}",
                        "fault": fault,
                    }
                },
            )

    return async_listen(hass, row.moment, on_fault)


def _tells_faults(hass: HomeAssistant, device_id: str) -> bool:
    device = dr.async_get(hass).async_get(device_id, include_child_devices=False)
    if device is None:
        return False
    entry: MicrogridConfigEntry | None = hass.config_entries.async_get_entry(device.config_entry_id)
    if entry is None or entry.domain != DOMAIN or entry.state is not ConfigEntryState.LOADED:
        return False
    node = entry.runtime_data.swarm.nodes.get(node_of_device(entry, device) or "")
    return node is not None and node.kind.kind in ACTIVITIES
