"""The action microgrid.fleet_report: all devices side by side, and who is behind with its firmware."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

import voluptuous as vol
from homeassistant.core import HomeAssistant, ServiceCall, ServiceResponse, SupportsResponse, callback
from homeassistant.helpers import config_validation as cv
from homeassistant.util import dt as dt_util

from .const import DOMAIN
from .core.contract.faults import fault
from .core.contract.messages import NodeEvent, Severity
from .core.gx.fleet import figures
from .core.model.fleet import FleetRow, compare_firmware, markdown
from .core.model.swarm import Node
from .services_swarm import ATTR_CONFIG_ENTRY, swarms

if TYPE_CHECKING:
    from .runtime import MicrogridRuntime

ACTION_FLEET_REPORT: Final = "fleet_report"
ATTR_KIND: Final = "kind"
KINDS: Final = ("victron_gx", "house", "gateway", "mpp_inverter", "battery", "heat_pump")
_SOLAR: Final = {"house": "mppt_energy", "mpp_inverter": "pv_energy"}
"""Counters of solar energy, by kind."""

FLEET_REPORT_SCHEMA: Final = vol.Schema(
    {
        vol.Optional(ATTR_CONFIG_ENTRY): cv.string,
        vol.Optional(ATTR_KIND, default=list(KINDS)): vol.All(cv.ensure_list, [vol.In(KINDS)]),
    }
)


@callback
def async_register(hass: HomeAssistant) -> None:
    """Register the action."""
    hass.services.async_register(
        DOMAIN,
        ACTION_FLEET_REPORT,
        _fleet_report,
        schema=FLEET_REPORT_SCHEMA,
        supports_response=SupportsResponse.ONLY,
    )


@callback
def _fleet_report(call: ServiceCall) -> ServiceResponse:
    kinds: list[str] = call.data[ATTR_KIND]
    rows = [row for runtime in swarms(call) for row in fleet(runtime, kinds)]
    groups = compare_firmware(rows)
    local = [_localised(row) for row in rows]
    return {
        "generated_at": dt_util.utcnow().isoformat(timespec="seconds"),
        "devices": [_told(row) for row in rows],
        "firmware": [
            {
                "kind": group.kind,
                "newest": group.newest,
                "behind": list(group.behind),
                "unknown": list(group.unknown),
            }
            for group in groups
        ],
        "markdown": markdown(local, groups, call.hass.config.language),
    }


def fleet(runtime: MicrogridRuntime, kinds: list[str]) -> list[FleetRow]:
    """Return the devices of a swarm, kind after kind, each by its name."""
    nodes = [node for node in runtime.swarm.nodes.values() if node.kind.kind in kinds]
    nodes.sort(key=lambda node: (kinds.index(node.kind.kind), node.name, node.node_id))
    return [_row(runtime, node) for node in nodes]


def _row(runtime: MicrogridRuntime, node: Node) -> FleetRow:
    risk = runtime.guardian.risks.get(node.node_id)
    known = risk is not None and risk.confidence > 0.0
    severities = [_severity(code, event) for code, event in node.faults.items()]
    alarms = sum(severity is Severity.CRITICAL for severity in severities)
    warnings = len(severities) - alarms
    row = FleetRow(
        node_id=node.node_id,
        name=node.name,
        kind=node.kind.kind,
        online=node.available,
        last_contact=node.last_seen,
        firmware=node.birth.firmware if node.birth is not None else None,
        alarms=alarms,
        warnings=warnings,
        risk=risk.score if risk is not None and known else None,
        risk_level=risk.level.value if risk is not None and known else None,
        charge_percent=_number(node, "state_of_charge"),
        solar_total_kwh=_energy_kwh(node),
    )
    station = runtime.gx.station_of(node.node_id)
    if station is None:
        return row
    found = figures(station.tree)
    return FleetRow(
        **{
            **asdict(row),
            "firmware": found.firmware,
            "available_firmware": found.available_firmware,
            "alarms": found.alarms,
            "warnings": found.warnings,
            "solar_today_kwh": found.solar_today_kwh,
            "solar_total_kwh": found.solar_total_kwh,
        }
    )


def _severity(code: str, event: NodeEvent | None) -> Severity:
    """Return how bad an active code is: as its node said, or as the catalogue does."""
    return fault(code).severity if event is None else event.severity


def _number(node: Node, key: str) -> float | None:
    value = node.values.get(key)
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def _energy_kwh(node: Node) -> float | None:
    key = _SOLAR.get(node.kind.kind)
    if key is None or (value := _number(node, key)) is None:
        return None
    metric = node.metrics.get(key)
    return round(value / 1000.0 if metric is not None and metric.unit == "Wh" else value, 3)


def _localised(row: FleetRow) -> FleetRow:
    seen = row.last_contact
    return FleetRow(**{**asdict(row), "last_contact": None if seen is None else dt_util.as_local(seen)})


def _told(row: FleetRow) -> dict[str, Any]:
    """Return a row as an answer has it."""
    return {
        key: value.isoformat(timespec="seconds") if isinstance(value, datetime) else value
        for key, value in asdict(row).items()
    }
