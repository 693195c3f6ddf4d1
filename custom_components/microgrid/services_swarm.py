"""Which swarm an action means: the chosen one, the only one, or all of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from homeassistant.core import ServiceCall, callback
from homeassistant.exceptions import ServiceValidationError
from homeassistant.helpers import service

from .const import DOMAIN

if TYPE_CHECKING:
    from .runtime import MicrogridConfigEntry, MicrogridRuntime

ATTR_CONFIG_ENTRY: Final = "config_entry_id"


@callback
def one_swarm(call: ServiceCall) -> MicrogridRuntime:
    """Return the chosen swarm, or the only one; refuses where there is none, or one must be chosen."""
    found = swarms(call)
    if len(found) != 1:
        raise _refused(len(found))
    return found[0]


@callback
def swarms(call: ServiceCall) -> list[MicrogridRuntime]:
    """Return the chosen swarm, or all that are loaded; refuses where there is none."""
    entries: list[MicrogridConfigEntry] = call.hass.config_entries.async_loaded_entries(DOMAIN)
    if (entry_id := call.data.get(ATTR_CONFIG_ENTRY)) is not None:
        entries = [service.async_get_config_entry(call.hass, DOMAIN, entry_id)]
    if not entries:
        raise _refused(0)
    return [entry.runtime_data for entry in entries]


def _refused(count: int) -> ServiceValidationError:
    return ServiceValidationError(
        translation_domain=DOMAIN,
        translation_key="choose_swarm",
        translation_placeholders={"count": str(count)},
    )
