"""The action microgrid.setup_energy_dashboard: writes Home Assistant's energy preferences, when asked to."""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import voluptuous as vol
from homeassistant.components.energy.data import (
    DEVICE_CONSUMPTION_SCHEMA,
    ENERGY_SOURCE_SCHEMA,
    EnergyManager,
    EnergyPreferencesUpdate,
    async_get_manager,
)
from homeassistant.components.energy.validate import async_validate
from homeassistant.components.recorder import get_instance
from homeassistant.components.recorder.statistics import get_metadata
from homeassistant.core import HomeAssistant, ServiceCall, ServiceResponse, SupportsResponse, callback
from homeassistant.exceptions import HomeAssistantError, ServiceValidationError
from homeassistant.helpers import config_validation as cv
from homeassistant.util.json import JsonValueType

from .const import DOMAIN
from .core.model.swarm import Node
from .services_history import ATTR_DEVICE, ATTR_NODE, NODE_ID, async_find_node, node_of
from .services_swarm import ATTR_CONFIG_ENTRY, one_swarm

if TYPE_CHECKING:
    from .runtime import MicrogridRuntime

ACTION_SETUP_ENERGY: Final = "setup_energy_dashboard"
ATTR_REPLACE: Final = "replace"

SETUP_ENERGY_SCHEMA: Final = vol.Schema(
    {
        vol.Exclusive(ATTR_DEVICE, "target"): cv.string,
        vol.Exclusive(ATTR_NODE, "target"): NODE_ID,
        vol.Exclusive(ATTR_CONFIG_ENTRY, "target"): cv.string,
        vol.Optional(ATTR_REPLACE, default=False): cv.boolean,
    }
)

_OURS: Final = ("solar", "battery", "grid")
"""Types of sources that are written; gas and water of the user stay."""


@dataclass(frozen=True, slots=True)
class _Counters:
    """Which counters of a kind of node stand for what."""

    solar: str | None = None
    battery: tuple[str, str] | None = None
    """Discharged and charged."""
    grid: tuple[str, str] | None = None
    """Imported and exported."""
    load: str | None = None


_COUNTERS: Final[Mapping[str, _Counters]] = {
    "house": _Counters(
        "mppt_energy",
        ("battery_energy_discharged", "battery_energy_charged"),
        ("energy_imported", "energy_exported"),
        "load_energy",
    ),
    "mpp_inverter": _Counters(solar="pv_energy", load="load_energy"),
    "battery": _Counters(battery=("energy_discharged", "energy_charged")),
    "gateway": _Counters(grid=("energy_imported", "energy_exported")),
}
_OF_A_SITE: Final = ("house", "mpp_inverter", "battery")
"""Not gateways: what passes them was counted at the houses already."""


@callback
def async_register(hass: HomeAssistant) -> None:
    """Register the action."""
    hass.services.async_register(
        DOMAIN,
        ACTION_SETUP_ENERGY,
        _setup_energy,
        schema=SETUP_ENERGY_SCHEMA,
        supports_response=SupportsResponse.OPTIONAL,
    )


async def _setup_energy(call: ServiceCall) -> ServiceResponse:
    """Write the preferences of one node or of the whole site; nothing is changed when it is refused."""
    hass = call.hass
    if not {"energy", "recorder"} <= hass.config.components:
        raise _refused("energy_missing")
    runtime, nodes = await _targets(call)
    await runtime.statistics.async_import()  # what the archive has belongs into the dashboard at once
    known = await get_instance(hass).async_add_executor_job(
        lambda: set(get_metadata(hass, statistic_source=DOMAIN))
    )
    sources, consumers = _preferences(runtime, nodes, known)
    if not sources:
        raise _refused("no_energy_statistics", nodes=", ".join(node.node_id for node in nodes) or "–")
    manager: EnergyManager = await async_get_manager(hass)
    before = deepcopy(manager.data)
    held = before or EnergyManager.default_preferences()
    if (held["energy_sources"] or held["device_consumption"]) and not call.data[ATTR_REPLACE]:
        raise _refused("energy_already_set_up")
    update: EnergyPreferencesUpdate = {
        "energy_sources": ENERGY_SOURCE_SCHEMA(
            [*sources, *(source for source in held["energy_sources"] if source["type"] not in _OURS)]
        ),
        "device_consumption": [
            *(DEVICE_CONSUMPTION_SCHEMA(consumer) for consumer in consumers),
            *(
                consumer
                for consumer in held["device_consumption"]
                if not consumer["stat_consumption"].startswith(f"{DOMAIN}:")
            ),
        ],
    }
    await manager.async_update(update)
    verdict = (await async_validate(hass)).as_dict()
    # Ours come first: what was wrong with the user's own before is not for us to judge.
    issues = [
        issue["type"]
        for found in (
            *verdict["energy_sources"][: len(sources)],
            *verdict["device_consumption"][: len(consumers)],
        )
        for issue in found
    ]
    if issues:
        await manager.async_update(
            {"energy_sources": held["energy_sources"], "device_consumption": held["device_consumption"]}
        )
        raise HomeAssistantError(
            translation_domain=DOMAIN,
            translation_key="energy_invalid",
            translation_placeholders={"issues": ", ".join(sorted(set(issues)))},
        )
    answer: dict[str, JsonValueType] = {"energy_sources": [*sources], "device_consumption": [*consumers]}
    return answer


async def _targets(call: ServiceCall) -> tuple[MicrogridRuntime, list[Node]]:
    """Return the nodes whose energy is wanted: the named one, or all that the site consists of."""
    hass = call.hass
    node_id: str | None = None
    if (device_id := call.data.get(ATTR_DEVICE)) is not None:
        runtime, node_id = node_of(hass, device_id)
    elif (named := call.data.get(ATTR_NODE)) is not None:
        runtime, node_id = await async_find_node(hass, named)
    else:
        runtime = one_swarm(call)
    swarm = runtime.swarm
    if node_id is None or node_id == swarm.site.node_id:
        return runtime, [node for node in swarm.nodes.values() if node.kind.kind in _OF_A_SITE]
    if (node := swarm.nodes.get(node_id)) is None:
        raise _refused("unknown_node", node=node_id)
    return runtime, [node]


def _preferences(
    runtime: MicrogridRuntime, nodes: list[Node], known: set[str]
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Return sources and consumers, of statistics that exist."""
    sources: list[dict[str, Any]] = []
    consumers: list[dict[str, Any]] = []
    for node in nodes:
        counters = _COUNTERS.get(node.kind.kind, _Counters())

        def ids(keys: tuple[str, ...], node_id: str = node.node_id) -> list[str] | None:
            found = [runtime.statistics.id_of(node_id, key) for key in keys]
            return found if known.issuperset(found) else None

        if counters.solar and (solar := ids((counters.solar,))):
            sources.append(
                {
                    "type": "solar",
                    "stat_energy_from": solar[0],
                    "config_entry_solar_forecast": None,
                    "name": node.name,
                }
            )
        if counters.battery and (battery := ids(counters.battery)):
            sources.append(
                {
                    "type": "battery",
                    "stat_energy_from": battery[0],
                    "stat_energy_to": battery[1],
                    "name": node.name,
                }
            )
        if counters.grid and (grid := ids(counters.grid)):
            sources.append(
                {
                    "type": "grid",
                    "stat_energy_from": grid[0],
                    "stat_energy_to": grid[1],
                    "cost_adjustment_day": 0.0,
                    "name": node.name,
                }
            )
        if counters.load and (load := ids((counters.load,))):
            consumers.append({"stat_consumption": load[0], "name": node.name})
    return sources, consumers if len(nodes) > 1 else []


def _refused(key: str, **placeholders: str) -> ServiceValidationError:
    return ServiceValidationError(
        translation_domain=DOMAIN, translation_key=key, translation_placeholders=placeholders
    )
