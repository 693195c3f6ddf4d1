"""Triggers of automations: a fault was raised, is over, or was analysed, at any of the chosen targets."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, override

import voluptuous as vol
from homeassistant.const import CONF_OPTIONS, CONF_TARGET
from homeassistant.core import CALLBACK_TYPE, Event, HomeAssistant, callback
from homeassistant.helpers import config_validation as cv, device_registry as dr, entity_registry as er
from homeassistant.helpers.dispatcher import async_dispatcher_connect
from homeassistant.helpers.target import TargetSelection, async_extract_referenced_entity_ids
from homeassistant.helpers.trigger import (
    Trigger,
    TriggerActionRunner,
    TriggerConfig,
    TriggerNotTriggeredReporter,
)
from homeassistant.helpers.typing import ConfigType

from .core.contract.messages import EventState, Severity
from .devices import node_of_device
from .fault_desk import EVENT_ANALYZED
from .fault_moments import SIGNAL, FaultMoment

RAISED, CLEARED, ANALYZED = MOMENTS = ("fault_raised", "fault_cleared", "fault_analyzed")
_STATES: Final[Mapping[str, EventState]] = {RAISED: EventState.RAISED, CLEARED: EventState.CLEARED}

CONF_SEVERITY: Final = "severity"
SEVERITIES: Final = tuple(severity.value for severity in Severity)

SCHEMA: Final = vol.Schema(
    {
        vol.Required(CONF_TARGET): cv.TARGET_FIELDS,
        vol.Optional(CONF_OPTIONS, default=dict): {
            vol.Optional(CONF_SEVERITY, default=list(SEVERITIES)): vol.All(
                cv.ensure_list, vol.Length(min=1), [vol.In(SEVERITIES)]
            )
        },
    }
)

type OnFault = Callable[[str, str, dict[str, Any]], None]
"""Gets the id of the entry, that of the node, and what there is to say of the fault."""


@callback
def async_listen(hass: HomeAssistant, moment: str, listener: OnFault) -> CALLBACK_TYPE:
    """Call `listener` at each such moment, whether or not an entry is loaded by now; returns how to stop."""

    @callback
    def on_moment(told: FaultMoment) -> None:
        if told.state is _STATES[moment]:
            listener(told.entry_id, told.node, told.fault)

    @callback
    def on_analyzed(event: Event) -> None:
        listener(event.data["config_entry_id"], event.data["node"], dict(event.data))

    if moment == ANALYZED:
        return hass.bus.async_listen(EVENT_ANALYZED, on_analyzed)
    return async_dispatcher_connect(hass, SIGNAL, on_moment)


@callback
def async_is_of(hass: HomeAssistant, device_id: str, entry_id: str, node_id: str) -> bool:
    """Whether a device stands for a node, or for a part of it."""
    entry = hass.config_entries.async_get_entry(entry_id)
    device = dr.async_get(hass).async_get(device_id)
    return entry is not None and device is not None and node_of_device(entry, device) == node_id


class FaultTrigger(Trigger):
    """Waits for one kind of moment at the targets."""

    moment: str

    @classmethod
    @override
    async def async_validate_config(cls, hass: HomeAssistant, config: ConfigType) -> ConfigType:
        """Check targets and options."""
        checked: ConfigType = SCHEMA(config)
        return checked

    def __init__(self, hass: HomeAssistant, config: TriggerConfig) -> None:
        """Take the targets as they are named: who belongs to them is looked up when something happens."""
        super().__init__(hass, config)
        self._target = TargetSelection(config.target or {})
        self._severities = (config.options or {}).get(CONF_SEVERITY, SEVERITIES)

    @override
    async def async_attach_runner(
        self, run_action: TriggerActionRunner, did_not_trigger: TriggerNotTriggeredReporter | None = None
    ) -> CALLBACK_TYPE:
        """Begin to wait."""

        @callback
        def on_fault(entry_id: str, node_id: str, fault: dict[str, Any]) -> None:
            if fault["severity"] in self._severities and self._is_target(entry_id, node_id):
                run_action({"fault": fault}, f"{fault['code']} at {node_id}")

        return async_listen(self._hass, self.moment, on_fault)

    def _is_target(self, entry_id: str, node_id: str) -> bool:
        selected = async_extract_referenced_entity_ids(self._hass, self._target, primary_entities_only=False)
        registry = er.async_get(self._hass)
        entities = (
            registry.async_get(name) for name in (*selected.referenced, *selected.indirectly_referenced)
        )
        devices = {entity.device_id for entity in entities if entity is not None and entity.device_id}
        return any(
            async_is_of(self._hass, device_id, entry_id, node_id)
            for device_id in devices | selected.referenced_devices
        )


class FaultRaised(FaultTrigger):
    """A fault or an alarm was raised."""

    moment = RAISED


class FaultCleared(FaultTrigger):
    """A fault or an alarm is over."""

    moment = CLEARED


class FaultAnalyzed(FaultTrigger):
    """The cause of a fault was looked for."""

    moment = ANALYZED


_TRIGGERS: Final[dict[str, type[Trigger]]] = {
    trigger.moment: trigger for trigger in (FaultRaised, FaultCleared, FaultAnalyzed)
}


async def async_get_triggers(hass: HomeAssistant) -> dict[str, type[Trigger]]:
    """Return the triggers."""
    return _TRIGGERS
