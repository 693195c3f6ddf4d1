"""The action microgrid.get_history: what the archive holds of a node, in as many points as are wanted."""

from __future__ import annotations

import contextlib
from datetime import date, datetime, timedelta
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final

import voluptuous as vol
from homeassistant.core import HomeAssistant, ServiceCall, ServiceResponse, SupportsResponse, callback
from homeassistant.exceptions import HomeAssistantError, ServiceValidationError
from homeassistant.helpers import config_validation as cv, service
from homeassistant.util import dt as dt_util
from homeassistant.util.json import JsonObjectType

from .const import DOMAIN
from .core.archive.archive import Archive
from .core.archive.chart import Curve, chart, resolution_for
from .core.archive.daily import DailySummary, cluster_summary, daily_summary
from .core.archive.errors import ArchiveUnavailable
from .core.archive.rollup import COUNTER_UNITS
from .devices import node_of_device
from .validation import moment

if TYPE_CHECKING:
    from .runtime import MicrogridConfigEntry, MicrogridRuntime

ACTION_GET_HISTORY: Final = "get_history"
ATTR_DEVICE: Final = "device_id"
ATTR_NODE: Final = "node"
ATTR_METRICS: Final = "metrics"
ATTR_START: Final = "start"
ATTR_END: Final = "end"
ATTR_POINTS: Final = "points"

DEFAULT_RANGE: Final = timedelta(days=1)
MAX_RANGE: Final = timedelta(days=3660)
DEFAULT_POINTS: Final = 500
MAX_POINTS: Final = 5000
MAX_METRICS: Final = 32
MAX_VALUES: Final = 40_000
"""Points times metrics: an answer of a few megabytes."""

NODE_ID: Final = vol.All(cv.string, vol.Length(min=1, max=32))
METRICS: Final = vol.All(cv.ensure_list, vol.Length(min=1, max=MAX_METRICS), [cv.string])
POINTS: Final = vol.All(vol.Coerce(int), vol.Range(min=1, max=MAX_POINTS))

GET_HISTORY_SCHEMA: Final = vol.All(
    vol.Schema(
        {
            vol.Exclusive(ATTR_DEVICE, "target"): cv.string,
            vol.Exclusive(ATTR_NODE, "target"): NODE_ID,
            vol.Required(ATTR_METRICS): METRICS,
            vol.Optional(ATTR_START): moment,
            vol.Optional(ATTR_END): moment,
            vol.Optional(ATTR_POINTS, default=DEFAULT_POINTS): POINTS,
        }
    ),
    cv.has_at_least_one_key(ATTR_DEVICE, ATTR_NODE),
)


@callback
def async_register(hass: HomeAssistant) -> None:
    """Register the action."""
    hass.services.async_register(
        DOMAIN,
        ACTION_GET_HISTORY,
        _get_history,
        schema=GET_HISTORY_SCHEMA,
        supports_response=SupportsResponse.ONLY,
    )


async def _get_history(call: ServiceCall) -> ServiceResponse:
    if (device_id := call.data.get(ATTR_DEVICE)) is not None:
        runtime, node_id = node_of(call.hass, device_id)
    else:
        runtime, node_id = await async_find_node(call.hass, call.data[ATTR_NODE])
    end = _utc(call.data.get(ATTR_END)) or dt_util.utcnow()
    start = _utc(call.data.get(ATTR_START)) or end - DEFAULT_RANGE
    return await async_history(
        call.hass, runtime, node_id, call.data[ATTR_METRICS], start, end, call.data[ATTR_POINTS]
    )


def _utc(time: datetime | None) -> datetime | None:
    """Take a time without zone for one of the user's clock."""
    return None if time is None else dt_util.as_utc(time)


@callback
def node_of(hass: HomeAssistant, device_id: str) -> tuple[MicrogridRuntime, str]:
    """Return the node that a device stands for."""
    entry: MicrogridConfigEntry
    device, entry = service.async_get_device_and_config_entry(hass, DOMAIN, device_id)
    node_id = node_of_device(entry, device)
    if node_id is None:
        raise _refused("unknown_node", node=device.name_by_user or device.name or device_id)
    return entry.runtime_data, node_id


async def async_find_node(hass: HomeAssistant, node_id: str) -> tuple[MicrogridRuntime, str]:
    """Return the swarm that knows a node: from its messages, or from its archive alone."""
    entries: list[MicrogridConfigEntry] = hass.config_entries.async_loaded_entries(DOMAIN)
    owners = []
    for entry in entries:
        archive = entry.runtime_data.historian.archive
        if node_id in entry.runtime_data.swarm.nodes or (
            archive is not None and node_id in await hass.async_add_executor_job(archive.nodes)
        ):
            owners.append(entry.runtime_data)
    if not owners:
        raise _refused("unknown_node", node=node_id)
    if len(owners) > 1:
        raise _refused("ambiguous_node", node=node_id)
    return owners[0], node_id


async def async_history(
    hass: HomeAssistant,
    runtime: MicrogridRuntime,
    node_id: str,
    metrics: list[str],
    start: datetime,
    end: datetime,
    points: int,
) -> JsonObjectType:
    """Return the history of metrics; raises with the reason what cannot be answered."""
    if not timedelta() < end - start <= MAX_RANGE:
        raise _refused("bad_range", start=start.isoformat(), end=end.isoformat(), days=str(MAX_RANGE.days))
    names = list(dict.fromkeys(metrics))
    if points * len(names) > MAX_VALUES:
        raise _refused("too_much_history", points=str(points), metrics=str(len(names)), limit=str(MAX_VALUES))
    archive = await _rolled_up(runtime, node_id)
    return await hass.async_add_executor_job(
        _read, archive, node_id, names, int(start.timestamp()), int(end.timestamp()), points
    )


async def async_daily_summaries(
    hass: HomeAssistant, runtime: MicrogridRuntime, node_id: str, day: date, days: int
) -> list[DailySummary]:
    """Return the summaries of days (of the user's clock) that end with `day`; a gateway's has its houses."""
    swarm = runtime.swarm
    if (node := swarm.nodes.get(node_id)) is None:
        raise _refused("unknown_node", node=node_id)
    houses = {child.node_id: child.kind for child in swarm.children(node_id) if child.kind.kind == "house"}
    archive = await _rolled_up(runtime, node_id, *houses)
    limits = [
        int(dt_util.start_of_local_day(day - timedelta(days=ago)).timestamp())
        for ago in range(days - 1, -2, -1)
    ]

    def read() -> list[DailySummary]:
        return [
            cluster_summary(archive.queries, node_id, node.kind, houses, start_s, end_s)
            if node.kind.kind == "gateway"
            else daily_summary(archive.queries, node_id, node.kind, start_s, end_s)
            for start_s, end_s in pairwise(limits)
        ]

    return await hass.async_add_executor_job(read)


async def _rolled_up(runtime: MicrogridRuntime, *node_ids: str) -> Archive:
    """Return the archive with everything computed that some nodes have sent."""
    archive = runtime.historian.archive
    if archive is None:
        raise HomeAssistantError(
            translation_domain=DOMAIN,
            translation_key="archive_closed",
            translation_placeholders={"reason": runtime.historian.trouble or "–"},
        )
    if not runtime.historian.held:  # what was computed last is still an answer
        with contextlib.suppress(ArchiveUnavailable):
            for node_id in node_ids:
                await runtime.historian.write(archive.roll_up, node_id)
    return archive


def _read(
    archive: Archive, node_id: str, names: list[str], start_s: int, end_s: int, points: int
) -> JsonObjectType:
    queries = archive.queries
    known = queries.channels(node_id)
    if missing := [name for name in names if name not in known]:
        raise _refused(
            "unknown_metrics",
            node=node_id,
            metrics=", ".join(missing),
            known=", ".join(sorted(known)) or "–",
        )
    resolution = resolution_for(queries, node_id, start_s, end_s, points)
    found = chart(queries, node_id, names, start_s, end_s, resolution)
    return {
        "node": node_id,
        "resolution": found.resolution,
        "bucket_s": found.bucket_s,
        "start": start_s,
        "end": end_s,
        "metrics": {
            name: _curve(found.curves[name]) if name in found.curves else _empty(known[name])
            for name in names
        },
    }


def _curve(curve: Curve) -> JsonObjectType:
    arrays: dict[str, Any] = {
        "times": curve.times_s.tolist(),
        "minimum": curve.minimum.tolist(),
        "mean": curve.mean.tolist(),
        "maximum": curve.maximum.tolist(),
    }
    if curve.unit in COUNTER_UNITS:
        arrays["last"] = curve.last.tolist()
    return {"unit": curve.unit, **arrays}


def _empty(unit: str) -> JsonObjectType:
    return {"unit": unit, "times": [], "minimum": [], "mean": [], "maximum": []}


def _refused(key: str, **placeholders: str) -> ServiceValidationError:
    return ServiceValidationError(
        translation_domain=DOMAIN, translation_key=key, translation_placeholders=placeholders
    )
