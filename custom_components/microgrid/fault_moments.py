"""Passes on that faults come and go, to those who listen longer than an entry is loaded: automations."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers.dispatcher import async_dispatcher_send
from homeassistant.util.signal_type import SignalType

from .const import DOMAIN
from .core.contract.faults import condition
from .core.contract.messages import EventState, EventType
from .core.contract.reading import format_time
from .core.model.swarm import Change, EventReceived, Node, Swarm


@dataclass(frozen=True, slots=True)
class FaultMoment:
    """A fault or an alarm was raised, or is over."""

    entry_id: str
    node: str
    state: EventState
    fault: dict[str, Any]
    """What automations get to see of it, named as in the event of the analysis."""


SIGNAL: Final[SignalType[FaultMoment]] = SignalType(f"{DOMAIN}_fault_moment")
_TYPES: Final = (EventType.FAULT, EventType.ALARM)
_STATES: Final = (EventState.RAISED, EventState.CLEARED)


class FaultMoments:
    """Follows the events of one swarm."""

    def __init__(self, hass: HomeAssistant, entry_id: str, swarm: Swarm) -> None:
        """Begin."""
        self._hass = hass
        self._entry_id = entry_id
        self._swarm_id = swarm.swarm_id
        self.close = swarm.subscribe(self._changed)
        """Stop following."""

    @callback
    def _changed(self, change: Change) -> None:
        if not isinstance(change, EventReceived):
            return
        event = change.event
        if event.type in _TYPES and event.state in _STATES:
            fault = self._fault(change.node, change)
            moment = FaultMoment(self._entry_id, change.node.node_id, event.state, fault)
            async_dispatcher_send(self._hass, SIGNAL, moment)

    def _fault(self, node: Node, change: EventReceived) -> dict[str, Any]:
        event = change.event
        return {
            "config_entry_id": self._entry_id,
            "swarm": self._swarm_id,
            "event_id": event.event_id,
            "node": node.node_id,
            "node_name": node.name,
            "type": event.type.value,
            "code": event.code,
            "code_name": condition(event.code).text(self._hass.config.language).name,
            "severity": event.severity.value,
            "time": None if event.time is None else format_time(event.time),
            "late": change.late,
        }
