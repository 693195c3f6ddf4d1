"""Diagnostics: all that helps to find a fault from afar, without what names people or places."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict
from datetime import timedelta
from typing import Any, Final
from urllib.parse import urlsplit

from homeassistant.components.diagnostics import REDACTED, async_redact_data
from homeassistant.core import HomeAssistant
from homeassistant.helpers import device_registry as dr
from homeassistant.util import dt as dt_util

from .const import BY_SCHEDULE, CONF_NAME, CONF_SWARM, SUBENTRY_EXPLAINER, SUBENTRY_INFLUX
from .core.contract.schedule import Schedule, digest
from .core.gx.redact import redacted, without_addresses
from .core.model.swarm import Node
from .devices import node_of_device
from .explainer_settings import CONF_BASE_URL
from .gx_control import GxControl
from .gx_station import GxStation, Way
from .influx_flow import CONF_URL
from .runtime import MicrogridConfigEntry, MicrogridRuntime
from .schedules import HeldSchedule, ScheduleDesk
from .system_health import broker_connected

TO_REDACT: Final = {CONF_NAME, CONF_SWARM}
_SERIAL: Final = re.compile(
    r"\b(?=[\w:-]*\d)(?:[0-9A-Fa-f]{2}(?:[:-][0-9A-Fa-f]{2}){3,}|[A-Za-z]{0,4}[0-9A-Fa-f]{8,})\b"
)
"""What looks like a serial number or a hardware address."""
_EXECUTIONS: Final = timedelta(days=2)
"""So far back every interval is told of."""
_PERIODS: Final = {"day": timedelta(days=1), "week": timedelta(days=7), "month": timedelta(days=31)}


async def async_get_config_entry_diagnostics(
    hass: HomeAssistant, entry: MicrogridConfigEntry
) -> dict[str, Any]:
    """Return the state of the whole swarm."""
    runtime = entry.runtime_data
    return {
        **await _surroundings(hass, entry, runtime),
        "nodes": {node.node_id: _node(node) for node in runtime.swarm.nodes.values()},
        "protocol_too_new": dict(runtime.swarm_mqtt.too_new),
        "schedules": {
            "trouble": runtime.schedules.trouble,
            "nodes": {node_id: _schedule(runtime.schedules, node_id) for node_id in runtime.schedules.known},
        },
        "health": {
            "rounds": runtime.guardian.judged,
            "cpu_s": round(runtime.guardian.cpu_s, 3),
            "findings": {
                node_id: [active.rule.id for active in runtime.guardian.active(node_id)]
                for node_id in runtime.swarm.nodes
            },
        },
        "victron_gx": {station.node_id: gx_station(station) for station in runtime.gx.stations.values()},
        "victron_gx_control": {
            control.node_id: gx_control(control) for control in runtime.gx_controls.values()
        },
        "house_sensors_refused": dict(runtime.house_sensors.refused) if runtime.house_sensors else None,
    }


async def async_get_device_diagnostics(
    hass: HomeAssistant, entry: MicrogridConfigEntry, device: dr.AnyDeviceEntry
) -> dict[str, Any]:
    """Return the state of the node that a device stands for."""
    runtime = entry.runtime_data
    node_id = node_of_device(entry, device)
    node = runtime.swarm.nodes.get(node_id) if node_id else None
    return {
        **await _surroundings(hass, entry, runtime),
        "node_id": node_id,
        "node": _node(node) if node else None,
        "schedule": _schedule(runtime.schedules, node_id) if node_id in runtime.schedules.known else None,
        "victron_gx": gx_station(station)
        if node_id and (station := runtime.gx.station_of(node_id)) is not None
        else None,
    }


def gx_station(station: GxStation) -> dict[str, Any]:
    """Return how a Victron GX is reached and all that it told, without what names people or places."""
    settings, access = station.settings, station.access
    return {
        "way": settings.way.value,
        "encrypted": settings.tls if settings.way is Way.MQTT else settings.url.startswith("https:"),
        "login": "token" if (settings.username or "").startswith("token/") else bool(settings.password),
        "state": access.state.value,
        "detail": _of_a_connection(access.detail, settings.host or settings.url),
        "writable": access.writable,
        "paths": len(station.tree),
        "rejected": dict(station.tree.rejected),
        "silent_s": station.tree.silent_s(),
        "tree": redacted(station.tree, settings.portal),
    }


def gx_control(control: GxControl) -> dict[str, Any]:
    """Return what is written to a Victron GX and what is held there; who asked for it stays at home."""
    return {
        "controls": control.keys(),
        "held": {
            key: {**asdict(held), "by": held.by if held.by == BY_SCHEDULE else "somebody"}
            for key, held in control.overrides.items()
        },
        "writes": [
            {**asdict(line), "by": "user" if line.user_id else line.by, "user_id": None}
            for line in control.audit
        ],
    }


async def _surroundings(
    hass: HomeAssistant, entry: MicrogridConfigEntry, runtime: MicrogridRuntime
) -> dict[str, Any]:
    swarm = runtime.swarm
    return {
        "entry": {
            "data": async_redact_data(dict(entry.data), TO_REDACT),
            "options": dict(entry.options),
            "version": f"{entry.version}.{entry.minor_version}",
        },
        "broker_connected": broker_connected(hass),
        "swarm": {
            "nodes_known": len(swarm.nodes) - 1,
            "nodes_online": sum(node.available for node in swarm.nodes.values() if node is not swarm.site),
            "received": dict(swarm.received),
            "rejected": dict(swarm.rejected),
        },
        "state_writes": runtime.hub.writes,
        "archive": {
            "received": asdict(runtime.historian.received),
            "trouble": runtime.historian.trouble,
            "statistics_hours_imported": runtime.statistics.imported,
        },
        "influxdb": {
            "version": runtime.influx.server.version if runtime.influx.server else None,
            "tiers": {step.name: step.made for step in runtime.influx.steps},
            "sent": asdict(runtime.influx.sent),
            "delay_s": runtime.influx.delay_s(),
            "bytes_behind": await runtime.influx.behind(),
            "trouble": _of_a_connection(runtime.influx.trouble, *_told(entry, SUBENTRY_INFLUX, CONF_URL)),
        }
        if runtime.influx.configured
        else None,
        "explainer": {
            "outcomes": dict(runtime.explainer.outcomes),
            "trouble": _of_a_connection(
                runtime.explainer.trouble, *_told(entry, SUBENTRY_EXPLAINER, CONF_BASE_URL)
            ),
            "tokens": asdict(runtime.explainer.ledger.usage),
            "cents": round(runtime.explainer.ledger.total_cents, 3),
        }
        if runtime.explainer.configured
        else None,
    }


def _node(node: Node) -> dict[str, Any]:
    birth = node.birth
    return {
        "kind": node.kind.kind,
        "parent": node.parent_id,
        "name": REDACTED,
        "available": node.available,
        "online": node.online,
        "stale": node.stale,
        "interval_s": node.interval_s,
        "last_seen": node.last_seen.isoformat() if node.last_seen else None,
        "clock_offset_s": node.clock_offset_s,
        "birth": {
            "protocol": birth.protocol,
            "hardware": _without_serials(birth.hardware),
            "firmware": _without_serials(birth.firmware),
            "boot_id": birth.boot_id,
            "metrics": list(birth.metrics),
            "log_channels": list(birth.log_channels),
            "commands": [command.name for command in birth.commands],
            "schedule": birth.schedule is not None,
        }
        if birth
        else None,
        "values": _redacted(node.values),
        "values_rejected": dict(node.values_rejected),
        "metrics": sorted(node.metrics),
        "faults": sorted(node.faults),
    }


def _schedule(desk: ScheduleDesk, node_id: str) -> dict[str, Any]:
    """Return what a node was told to do and what became of it; a schedule's name may name people."""
    held = desk.held(node_id) or HeldSchedule()
    state = held.state
    return {
        "status": desk.status(node_id).value,
        "sent": _document(held.sent),
        "answer": held.answer.value,
        "reasons": [_without_serials(reason) for reason in held.reasons],
        "accepted": _document(held.accepted),
        "state": {
            "mode": state.mode.value,
            "basis": state.basis.value,
            "revision": state.revision,
            "digest": state.digest,
            "interval_id": state.interval_id,
            "rate_w": state.rate_w,
            "heard": held.state_at.isoformat() if held.state_at else None,
        }
        if state
        else None,
        "analytics": {
            name: {**asdict(found), "success_percent": found.success_percent}
            for name, found in ((name, desk.analytics(node_id, period)) for name, period in _PERIODS.items())
        },
        "executions": [
            {
                "start": one.start.isoformat(),
                "revision": one.revision,
                "mode": one.mode.value,
                "requested_w": one.requested_w,
                "actual_w": one.actual_w,
                "status": one.status.value,
                "late_s": one.late_s,
                "reasons": [_without_serials(reason) for reason in one.reasons],
            }
            for one in desk.executions(node_id, dt_util.utcnow() - _EXECUTIONS)
        ],
    }


def _document(schedule: Schedule | None) -> dict[str, Any] | None:
    if schedule is None:
        return None
    return {
        "schedule_id": REDACTED,
        "revision": schedule.revision,
        "digest": digest(schedule),
        "issued_at": schedule.issued_at.isoformat(),
        "valid_until": schedule.valid_until.isoformat(),
        "default": schedule.default.value,
        "intervals": len(schedule.intervals),
        "value_curve": bool(schedule.value_curve),
    }


def _redacted(values: Mapping[str, Any]) -> dict[str, Any]:
    return {
        key: _without_serials(value) if isinstance(value, str) else value
        for key, value in sorted(values.items())
    }


def _told(entry: MicrogridConfigEntry, kind: str, key: str) -> list[str]:
    """Return what the subentries of a kind have under a key."""
    return [found.data[key] for found in entry.get_subentries_of_type(kind) if key in found.data]


def _of_a_connection(text: str | None, *partners: str) -> str | None:
    """Return what is said of a connection without the addresses and names of its partners (host or URL)."""
    if text is None:
        return None
    for partner in partners:
        host = urlsplit(partner).hostname or partner
        for name in (partner, host):
            text = re.sub(rf"(?<![\w.-]){re.escape(name)}(?![\w-])", REDACTED, text, flags=re.IGNORECASE)
    return _without_serials(without_addresses(text))


def _without_serials(text: str | None) -> str | None:
    return None if text is None else _SERIAL.sub(REDACTED, text)
