"""Actions: `microgrid.send_command` sends one command to one or several nodes."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final

import voluptuous as vol
from homeassistant.core import (
    HomeAssistant,
    ServiceCall,
    ServiceResponse,
    SupportsResponse,
    callback,
)
from homeassistant.exceptions import HomeAssistantError, ServiceValidationError
from homeassistant.helpers import config_validation as cv, service
from homeassistant.util.json import JsonValueType

from . import (
    services_debug,
    services_energy,
    services_export,
    services_faults,
    services_fleet,
    services_guardian,
    services_gx,
    services_history,
    services_patterns,
    services_planner,
    services_schedules,
)
from .const import DOMAIN
from .core.contract.messages import CommandResult, CommandStatus
from .core.model.swarm import Node
from .devices import node_of_device

if TYPE_CHECKING:
    from .runtime import MicrogridConfigEntry, MicrogridRuntime

ACTION_SEND_COMMAND: Final = "send_command"
ATTR_DEVICE: Final = "device_id"
ATTR_NODE: Final = "node"
ATTR_COMMAND: Final = "command"
ATTR_PARAMETERS: Final = "parameters"
ATTR_TIMEOUT: Final = "timeout"
DEFAULT_TIMEOUT_S: Final = 10.0
MAX_TIMEOUT_S: Final = 120.0

STATUS_UNANSWERED: Final = "unanswered"
"""Beside those a node can give: the command did not leave, or no answer came in time."""

SEND_COMMAND_SCHEMA: Final = vol.All(
    vol.Schema(
        {
            vol.Optional(ATTR_DEVICE): vol.All(cv.ensure_list, [cv.string]),
            vol.Optional(ATTR_NODE): vol.All(cv.ensure_list, [cv.string]),
            vol.Required(ATTR_COMMAND): cv.string,
            vol.Optional(ATTR_PARAMETERS, default=dict): {cv.string: vol.Any(bool, int, float, str)},
            vol.Optional(ATTR_TIMEOUT, default=DEFAULT_TIMEOUT_S): vol.All(
                vol.Coerce(float), vol.Range(min=1.0, max=MAX_TIMEOUT_S)
            ),
        }
    ),
    cv.has_at_least_one_key(ATTR_DEVICE, ATTR_NODE),
)

type _Target = tuple[MicrogridRuntime, Node]


@callback
def async_register_services(hass: HomeAssistant) -> None:
    """Register the actions; they exist as long as the integration does."""
    hass.services.async_register(
        DOMAIN,
        ACTION_SEND_COMMAND,
        _send_command,
        schema=SEND_COMMAND_SCHEMA,
        supports_response=SupportsResponse.OPTIONAL,
    )
    services_patterns.async_register(hass)
    services_history.async_register(hass)
    services_energy.async_register(hass)
    services_planner.async_register(hass)
    services_faults.async_register(hass)
    services_export.async_register(hass)
    services_debug.async_register(hass)
    services_schedules.async_register(hass)
    services_gx.async_register(hass)
    services_fleet.async_register(hass)
    services_guardian.async_register(hass)


async def _send_command(call: ServiceCall) -> ServiceResponse:
    """Send a command to all targets, or to none when one of them would refuse it."""
    command: str = call.data[ATTR_COMMAND]
    parameters: dict[str, Any] = call.data[ATTR_PARAMETERS]
    targets, reasons = _targets(call)
    for runtime, node in targets:
        reasons += runtime.commands.check(node, command, parameters)
    if not targets and not reasons:
        raise ServiceValidationError(translation_domain=DOMAIN, translation_key="no_target")
    if reasons:
        raise ServiceValidationError(
            translation_domain=DOMAIN,
            translation_key="command_refused",
            translation_placeholders={"reasons": "; ".join(reasons)},
        )
    answers = await asyncio.gather(
        *(
            runtime.commands.send(node, command, parameters, call.data[ATTR_TIMEOUT])
            for runtime, node in targets
        ),
        return_exceptions=True,
    )
    results: dict[str, JsonValueType] = {}
    failures: list[str] = []
    for (_, node), answer in zip(targets, answers, strict=True):
        results[node.node_id] = result = _result(answer)
        if result["status"] != CommandStatus.SUCCEEDED:
            failures.append(f"{node.node_id}: {result['status']} ({result['reason'] or 'no reason given'})")
    if call.return_response:
        return {"results": results}
    if failures:
        raise HomeAssistantError(
            translation_domain=DOMAIN,
            translation_key="command_not_executed",
            translation_placeholders={"command": command, "failures": "; ".join(failures)},
        )
    return None


def _result(answer: CommandResult | BaseException) -> dict[str, JsonValueType]:
    """Return one row of the response."""
    if isinstance(answer, CommandResult):
        return {"status": answer.status.value, "reason": answer.reason, "values": dict(answer.values)}
    if isinstance(answer, asyncio.CancelledError):  # the entry was unloaded meanwhile
        return {"status": STATUS_UNANSWERED, "reason": "Microgrid was reloaded", "values": {}}
    if isinstance(answer, HomeAssistantError):
        return {"status": STATUS_UNANSWERED, "reason": str(answer), "values": {}}
    raise answer


def _targets(call: ServiceCall) -> tuple[list[_Target], list[str]]:
    """Return the nodes that a call names, each once, and what is wrong with the names."""
    found: dict[tuple[str, str], _Target] = {}
    reasons: list[str] = []
    for device_id in call.data.get(ATTR_DEVICE, []):
        entry: MicrogridConfigEntry
        device, entry = service.async_get_device_and_config_entry(call.hass, DOMAIN, device_id)
        runtime = entry.runtime_data
        node_id = node_of_device(entry, device)
        if node_id is None or (node := runtime.swarm.nodes.get(node_id)) is None:
            name = device.name_by_user or device.name or device_id
            reasons.append(f"{name} stands for no node that is known now")
        else:
            found[entry.entry_id, node_id] = runtime, node
    entries: list[MicrogridConfigEntry] = call.hass.config_entries.async_loaded_entries(DOMAIN)
    for node_id in call.data.get(ATTR_NODE, []):
        owners = [entry for entry in entries if node_id in entry.runtime_data.swarm.nodes]
        if len(owners) == 1:
            runtime = owners[0].runtime_data
            found[owners[0].entry_id, node_id] = runtime, runtime.swarm.nodes[node_id]
        elif owners:
            reasons.append(f"{node_id} is a node of several swarms; choose its device instead")
        else:
            reasons.append(f"no node has the id {node_id}")
    return list(found.values()), reasons
