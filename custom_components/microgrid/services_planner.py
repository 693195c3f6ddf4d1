"""Actions of the energy planner: plan, compare policies, explain, raise the reserve, settle, report."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, Final

import voluptuous as vol
from homeassistant.core import HomeAssistant, ServiceCall, ServiceResponse, SupportsResponse, callback
from homeassistant.exceptions import HomeAssistantError, ServiceValidationError
from homeassistant.helpers import config_validation as cv
from homeassistant.util import dt as dt_util

from .const import DOMAIN
from .planner import Planner
from .planner_money import REPLAY_DAYS
from .planner_site import settle
from .planner_view import advice_at
from .runtime import MicrogridRuntime
from .services_swarm import ATTR_CONFIG_ENTRY, one_swarm, swarms
from .validation import moment

ACTION_PLAN: Final = "plan"
ACTION_COMPARE: Final = "compare_policies"
ACTION_EXPLAIN: Final = "explain_plan"
ACTION_RAISE: Final = "raise_reserve"
ACTION_SETTLE: Final = "settle"
ACTION_REPORT: Final = "planning_report"

ATTR_DAYS: Final = "days"
ATTR_TIME: Final = "time"
ATTR_RESERVE: Final = "reserve"
ATTR_UNTIL: Final = "until"
ATTR_START: Final = "start"
ATTR_END: Final = "end"
ATTR_METHOD: Final = "method"
MID_MARKET, DUAL_PRICES = "mid_market", "dual_prices"
MAX_SETTLED: Final = timedelta(days=56)
MAX_RAISED: Final = timedelta(days=7)

_ENTRY: Final = {vol.Optional(ATTR_CONFIG_ENTRY): cv.string}
_DAYS: Final = vol.All(vol.Coerce(int), vol.Range(1, REPLAY_DAYS))
SCHEMAS: Final = {
    ACTION_PLAN: vol.Schema(_ENTRY),
    ACTION_COMPARE: vol.Schema({**_ENTRY, vol.Optional(ATTR_DAYS, default=REPLAY_DAYS): _DAYS}),
    ACTION_EXPLAIN: vol.Schema({**_ENTRY, vol.Optional(ATTR_TIME): moment}),
    ACTION_RAISE: vol.Schema(
        {
            **_ENTRY,
            vol.Required(ATTR_RESERVE): vol.All(vol.Coerce(float), vol.Range(0.0, 100.0)),
            vol.Required(ATTR_UNTIL): moment,
        }
    ),
    ACTION_SETTLE: vol.Schema(
        {
            **_ENTRY,
            vol.Optional(ATTR_START): moment,
            vol.Optional(ATTR_END): moment,
            vol.Optional(ATTR_METHOD, default=MID_MARKET): vol.In((MID_MARKET, DUAL_PRICES)),
        }
    ),
    ACTION_REPORT: vol.Schema(
        {**_ENTRY, vol.Optional(ATTR_DAYS, default=7): vol.All(vol.Coerce(int), vol.Range(1, 366))}
    ),
}


@callback
def async_register(hass: HomeAssistant) -> None:
    """Register the actions."""
    for name, work in (
        (ACTION_PLAN, _plan),
        (ACTION_COMPARE, _compare),
        (ACTION_EXPLAIN, _explain),
        (ACTION_SETTLE, _settle),
        (ACTION_REPORT, _report),
    ):
        hass.services.async_register(
            DOMAIN, name, work, schema=SCHEMAS[name], supports_response=SupportsResponse.ONLY
        )
    hass.services.async_register(
        DOMAIN,
        ACTION_RAISE,
        _raise,
        schema=SCHEMAS[ACTION_RAISE],
        supports_response=SupportsResponse.OPTIONAL,
    )


async def _plan(call: ServiceCall) -> ServiceResponse:
    """Plan now and return the plan."""
    planner = _planner(call)
    await planner.replan()
    return {
        "plan": [*planner.rows()],
        "action": planner.action_now,
        "reason": planner.reason(),
        "fallback": planner.state.fallback,
        "automatic": planner.automatic,
        "model": planner.model.version,
        "expected_saving": None if planner.answer is None else round(planner.answer.expected_saving, 4),
        "currency": planner.currency,
        "refused": dict(planner.refusals),
        "remarks": planner.remarks,
        **_extra(planner),
    }


def _extra(planner: Planner) -> dict[str, Any]:
    """Return what only some planners have: targets of an island, the load that can be shifted."""
    extra: dict[str, Any] = {}
    if planner.off_grid:
        extra["targets"] = {
            name: planner.target(dusk=dusk) for name, dusk in (("dusk", True), ("dawn", False))
        }
    if planner.settings.flexible is not None:
        extra["flexible"] = {"advice": planner.flexible_advice, **planner.flexible_plan()}
    if planner.settings.solar_forecasts or planner.settings.weather_entity:
        extra["solar_errors"] = dict(planner.state.solar_errors)
    return extra


async def _compare(call: ServiceCall) -> ServiceResponse:
    """Return what each policy would have cost on the measured days."""
    planner = _planner(call)
    days, rows = await planner.compare(call.data[ATTR_DAYS])
    if not rows:
        raise _refused("planner_no_history")
    return {
        "days": days,
        "currency": planner.currency,
        "policies": [
            {
                "policy": row.policy,
                "bill": round(row.bill, 2),
                "saving_percent": _percent(row.saving),
                "saving_over_rule_percent": _percent(row.saving_over_rule),
                "captured_percent": _percent(row.captured),
            }
            for row in rows
        ],
    }


async def _explain(call: ServiceCall) -> ServiceResponse:
    """Say why the battery does what it does, or will do at a time."""
    planner = _planner(call)
    when = _utc(call.data.get(ATTR_TIME)) or dt_util.utcnow()
    found, step = planner.answer, planner.step_at(when)
    if found is None or step is None:
        raise _refused("planner_no_plan", time=dt_util.as_local(when).isoformat(timespec="minutes"))
    return {
        "explanation": planner.reason(when),
        "start": dt_util.as_local(found.start + timedelta(hours=step)).isoformat(),
        "action": planner.action_at(step),
        "fallback": planner.state.fallback,
        **({} if (advice := advice_at(found, step)) is None else {"flexible": advice}),
    }


async def _raise(call: ServiceCall) -> ServiceResponse:
    """Keep more until a time."""
    planner = _planner(call)
    until, now = _utc(call.data[ATTR_UNTIL]), dt_util.utcnow()
    if until is None or not now < until <= now + MAX_RAISED:
        raise _refused("planner_until_wrong", days=str(MAX_RAISED.days))
    await planner.raise_reserve(call.data[ATTR_RESERVE], until)
    return {"reserve": planner.effective_reserve_now, "until": dt_util.as_local(until).isoformat()}


async def _settle(call: ServiceCall) -> ServiceResponse:
    """Say who pays whom for the energy of a range, yesterday unless told otherwise."""
    runtime, planner = _planned(call)
    today = dt_util.start_of_local_day()
    start = _utc(call.data.get(ATTR_START)) or dt_util.start_of_local_day(today - timedelta(hours=12))
    end = _utc(call.data.get(ATTR_END)) or today
    start, end = start.astimezone(UTC), end.astimezone(UTC)
    if not timedelta() < end - start <= MAX_SETTLED:
        raise _refused("planner_range_wrong", days=str(MAX_SETTLED.days))
    if (archive := runtime.historian.archive) is None:
        raise HomeAssistantError(
            translation_domain=DOMAIN,
            translation_key="archive_closed",
            translation_placeholders={"reason": runtime.historian.trouble or "–"},
        )
    houses = {node.node_id: node.name for node in runtime.swarm.nodes.values() if node.kind.kind == "house"}
    method = call.data[ATTR_METHOD]
    dual = {number: dict(prices) for number, prices in planner.state.line_prices.items()}
    found = await call.hass.async_add_executor_job(
        partial(
            settle,
            archive,
            houses,
            dict(planner.state.ledger.hours),
            start,
            end,
            dual=dual if method == DUAL_PRICES else None,
        )
    )
    return {
        "start": start.isoformat(),
        "end": end.isoformat(),
        "hours": found.hours,
        "method": method,
        "currency": planner.currency,
        "bill": found.settlement.bill_cents / 100.0,
        "inside_kwh": round(found.settlement.inside_kwh, 3),
        "houses": [
            {
                "node": house,
                "name": houses[house],
                "payment": payment,
                "imported_kwh": round(imported, 3),
                "exported_kwh": round(exported, 3),
            }
            for house, payment, imported, exported in zip(
                found.houses,
                found.settlement.payments,
                found.imported_kwh,
                found.exported_kwh,
                strict=True,
            )
        ],
    }


async def _report(call: ServiceCall) -> ServiceResponse:
    """Return savings and errors of the last days, as a notification wants them."""
    return _planner(call).report(call.data[ATTR_DAYS])


def _planner(call: ServiceCall) -> Planner:
    return _planned(call)[1]


def _planned(call: ServiceCall) -> tuple[MicrogridRuntime, Planner]:
    """Return the chosen swarm and its planner, or the only swarm that has one."""
    found = [(runtime, runtime.planner) for runtime in swarms(call) if runtime.planner is not None]
    if not found:
        raise _refused("planner_missing")
    if len(found) > 1:
        one_swarm(call)  # says that one must be chosen
    return found[0]


def _utc(when: Any) -> datetime | None:
    if not isinstance(when, datetime):
        return None
    return (when if when.tzinfo else when.replace(tzinfo=dt_util.get_default_time_zone())).astimezone(UTC)


def _percent(share: float) -> float | None:
    return round(100.0 * share, 2) if math.isfinite(share) else None


def _refused(key: str, **placeholders: str) -> ServiceValidationError:
    return ServiceValidationError(
        translation_domain=DOMAIN, translation_key=key, translation_placeholders=placeholders
    )
