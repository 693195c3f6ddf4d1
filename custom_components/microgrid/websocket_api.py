"""WebSocket commands: history for charts, without the detour over states."""

from __future__ import annotations

from typing import Any, Final

import voluptuous as vol
from homeassistant.components import websocket_api
from homeassistant.core import HomeAssistant, callback
from homeassistant.util import dt as dt_util

from .core.archive.daily import DailySummary
from .services_history import (
    DEFAULT_POINTS,
    METRICS,
    NODE_ID,
    POINTS,
    async_daily_summaries,
    async_find_node,
    async_history,
)
from .validation import day

TYPE_HISTORY: Final = "microgrid/history"
TYPE_DAILY: Final = "microgrid/daily_summary"
MAX_DAYS: Final = 366
TIME_S: Final = vol.All(vol.Coerce(int), vol.Range(min=0, max=32_503_680_000))
"""UTC in seconds, up to the year 3000."""


@callback
def async_register_commands(hass: HomeAssistant) -> None:
    """Register the commands."""
    websocket_api.async_register_command(hass, _history)
    websocket_api.async_register_command(hass, _daily_summary)


@websocket_api.websocket_command(
    {
        vol.Required("type"): TYPE_HISTORY,
        vol.Required("node"): NODE_ID,
        vol.Required("metrics"): METRICS,
        vol.Required("start"): TIME_S,
        vol.Required("end"): TIME_S,
        vol.Optional("points", default=DEFAULT_POINTS): POINTS,
    }
)
@websocket_api.async_response
async def _history(
    hass: HomeAssistant, connection: websocket_api.ActiveConnection, msg: dict[str, Any]
) -> None:
    """Send the history of metrics of a node; what is refused is told with the reason."""
    runtime, node_id = await async_find_node(hass, msg["node"])
    connection.send_result(
        msg["id"],
        await async_history(
            hass,
            runtime,
            node_id,
            msg["metrics"],
            dt_util.utc_from_timestamp(msg["start"]),
            dt_util.utc_from_timestamp(msg["end"]),
            msg["points"],
        ),
    )


@websocket_api.websocket_command(
    {
        vol.Required("type"): TYPE_DAILY,
        vol.Required("node"): NODE_ID,
        vol.Optional("day"): day,
        vol.Optional("days", default=1): vol.All(vol.Coerce(int), vol.Range(min=1, max=MAX_DAYS)),
    }
)
@websocket_api.async_response
async def _daily_summary(
    hass: HomeAssistant, connection: websocket_api.ActiveConnection, msg: dict[str, Any]
) -> None:
    """Send summaries of days of a house, or of a gateway with its cluster, the newest last."""
    runtime, node_id = await async_find_node(hass, msg["node"])
    summaries = await async_daily_summaries(
        hass, runtime, node_id, msg.get("day") or dt_util.now().date(), msg["days"]
    )
    connection.send_result(msg["id"], [_as_dict(summary) for summary in summaries])


def _as_dict(summary: DailySummary) -> dict[str, Any]:
    return {
        "node": summary.node,
        "members": list(summary.members),
        "start": summary.start_s,
        "end": summary.end_s,
        "energy_wh": dict(summary.energy_wh),
        "peak_power_w": dict(summary.peak_power_w),
        "state_of_charge": summary.state_of_charge,
        "frequency_hz": {key: list(extremes) for key, extremes in summary.frequency_hz.items()},
        "fault_minutes": summary.fault_minutes,
        "hours_covered": summary.hours_covered,
    }
