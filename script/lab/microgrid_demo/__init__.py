"""Only for the demo: an action that lets the simulator play a fault, a stand-in for a phone, a price."""

from __future__ import annotations

from homeassistant.const import Platform
from homeassistant.core import HomeAssistant
from homeassistant.helpers import config_validation as cv, discovery
from homeassistant.helpers.typing import ConfigType

from .faults import Faults
from .phone import PushView, async_find_phone

DOMAIN = "microgrid_demo"
CONFIG_SCHEMA = cv.empty_config_schema(DOMAIN)


async def async_setup(hass: HomeAssistant, config: ConfigType) -> bool:
    """Listen to the simulator and to what is pushed to the phone; tell a price."""
    Faults(hass).async_start()
    hass.http.register_view(PushView())
    async_find_phone(hass)
    hass.async_create_task(discovery.async_load_platform(hass, Platform.SENSOR, DOMAIN, {}, config))
    return True
