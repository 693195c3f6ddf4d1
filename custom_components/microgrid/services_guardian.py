"""The action microgrid.health_report: findings, trends and risk of every node, as the guardian knows them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import voluptuous as vol
from homeassistant.core import HomeAssistant, ServiceCall, ServiceResponse, SupportsResponse, callback
from homeassistant.exceptions import ServiceValidationError
from homeassistant.helpers import config_validation as cv
from homeassistant.util import dt as dt_util
from homeassistant.util.json import JsonValueType

from .const import DOMAIN
from .core.health.drift import Drift
from .core.health.rules_trend import CHARGE_DRIFT
from .core.health.summary import date_of
from .core.health.trends import BatteryTrends
from .core.model.swarm import SITE_ID, Node
from .entities_guardian import told, told_risk, told_slope
from .guardian import owner
from .services_swarm import ATTR_CONFIG_ENTRY, swarms

if TYPE_CHECKING:
    from .runtime import MicrogridRuntime

ACTION_HEALTH_REPORT: Final = "health_report"
ATTR_NODE: Final = "node"
MAX_FINDINGS: Final = 200
"""Of one node."""

HEALTH_REPORT_SCHEMA: Final = vol.Schema(
    {
        vol.Optional(ATTR_CONFIG_ENTRY): cv.string,
        vol.Optional(ATTR_NODE): vol.All(cv.ensure_list, [cv.string]),
    }
)


@callback
def async_register(hass: HomeAssistant) -> None:
    """Register the action."""
    hass.services.async_register(
        DOMAIN,
        ACTION_HEALTH_REPORT,
        _health_report,
        schema=HEALTH_REPORT_SCHEMA,
        supports_response=SupportsResponse.ONLY,
    )


@callback
def _health_report(call: ServiceCall) -> ServiceResponse:
    wanted: list[str] | None = call.data.get(ATTR_NODE)
    nodes = [
        (runtime, node)
        for runtime in swarms(call)
        for node in runtime.swarm.nodes.values()
        if node.node_id != SITE_ID and (wanted is None or node.node_id in wanted)
    ]
    for node_id in set(wanted or ()) - {node.node_id for _, node in nodes}:
        raise ServiceValidationError(
            translation_domain=DOMAIN,
            translation_key="unknown_node",
            translation_placeholders={"node": node_id},
        )
    return {
        "generated_at": dt_util.utcnow().isoformat(timespec="seconds"),
        "nodes": [_node(call.hass, runtime, node) for runtime, node in nodes],
    }


def _node(hass: HomeAssistant, runtime: MicrogridRuntime, node: Node) -> dict[str, JsonValueType]:
    guardian, node_id = runtime.guardian, node.node_id
    risk = guardian.risks.get(node_id)
    known = guardian.known
    return {
        "node": node_id,
        "name": node.name,
        "kind": node.kind.kind,
        "findings": [told(hass, active) for active in guardian.active(node_id)[:MAX_FINDINGS]],
        "risk": None if risk is None or risk.confidence == 0.0 else {"score": risk.score, **told_risk(risk)},
        "trends": {
            **{key: _battery(one) for key, one in known.batteries.items() if owner(key) == node_id},
            **{
                key: {"drifts": {CHARGE_DRIFT: _drift(one)}}
                for key, one in known.heat_pumps.items()
                if owner(key) == node_id
            },
        },
    }


def _battery(trends: BatteryTrends) -> dict[str, JsonValueType]:
    outlook = trends.outlook
    when = outlook.replacement
    replacement: dict[str, Any] | None = None
    if when is not None:
        days = {"low": when.low, "likely": when.likely, "high": when.high}
        replacement = {name: date_of(day).isoformat() for name, day in days.items()}
    return {
        "ageing": None
        if outlook.slope is None
        else {"health": outlook.slope.health, **told_slope(outlook.slope)},
        "replacement": replacement,
        "reason": None if outlook.missing is None else outlook.missing.value,
        "drifts": {name: _drift(drift) for name, drift in trends.drifts.items()},
    }


def _drift(drift: Drift) -> dict[str, JsonValueType]:
    return {
        "state": drift.state.value,
        "cusum": drift.cusum,
        "mean_departure": drift.ewma,
        "baseline": drift.baseline,
        "days": drift.days,
    }
