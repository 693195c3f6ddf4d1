"""Measures from inside Home Assistant how late its event loop comes to what is due; for benchmarks."""

from __future__ import annotations

from typing import Any

import voluptuous as vol
from homeassistant.components import websocket_api
from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers.typing import ConfigType

DOMAIN = "lag_meter"
PERIOD_S = 0.02


async def async_setup(hass: HomeAssistant, config: ConfigType) -> bool:
    """Start measuring; `lag_meter/take` returns what was measured since it was last called."""
    lags_s: list[float] = []

    @callback
    def beat(due: float) -> None:
        now = hass.loop.time()
        lags_s.append(now - due)
        again = max(due + PERIOD_S, now)
        hass.loop.call_at(again, beat, again)

    @websocket_api.websocket_command({vol.Required("type"): f"{DOMAIN}/take"})
    @callback
    def take(
        hass: HomeAssistant, connection: websocket_api.ActiveConnection, message: dict[str, Any]
    ) -> None:
        connection.send_result(message["id"], {"lags_ms": [round(lag * 1000, 3) for lag in lags_s]})
        lags_s.clear()

    websocket_api.async_register_command(hass, take)
    hass.loop.call_soon(beat, hass.loop.time())
    return True
