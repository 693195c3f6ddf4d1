"""The logbook: what was written to a Victron GX, by whom, and what became of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from homeassistant.components.logbook import LOGBOOK_ENTRY_MESSAGE, LOGBOOK_ENTRY_NAME
from homeassistant.core import Event, HomeAssistant, callback

from .const import DOMAIN, EVENT_GX_WRITE

_MESSAGES: Final = {
    "confirmed": "set {control} from {before} to {after}, by {by}",
    "refused": "refused {after} for {control}, by {by}: {reason}",
    "failed": "did not confirm {after} for {control}, by {by}: {reason}",
    "released": "released {control}, which is {after} again, by {by}",
    "taken_over": "has {after} for {control} from somebody else, instead of our {before}",
    "lost": "has forgotten {before} for {control}",
}


@callback
def async_describe_events(
    hass: HomeAssistant,
    async_describe_event: Callable[[str, str, Callable[[Event[dict[str, Any]]], dict[str, str]]], None],
) -> None:
    """Describe our events."""

    @callback
    def describe(event: Event[dict[str, Any]]) -> dict[str, str]:
        data = event.data
        message = _MESSAGES.get(data.get("outcome", ""), "wrote {control}")
        fields = {key: data.get(key) for key in ("control", "before", "after", "by", "reason")}
        return {
            LOGBOOK_ENTRY_NAME: str(data.get("station", data.get("node", DOMAIN))),
            LOGBOOK_ENTRY_MESSAGE: message.format_map(fields),
        }

    async_describe_event(DOMAIN, EVENT_GX_WRITE, describe)
