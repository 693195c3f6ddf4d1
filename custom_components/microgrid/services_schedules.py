"""The actions microgrid.set_schedule, get_schedule and cancel_schedule."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final
from uuid import uuid4

import voluptuous as vol
from homeassistant.core import HomeAssistant, ServiceCall, ServiceResponse, SupportsResponse, callback
from homeassistant.exceptions import HomeAssistantError, ServiceValidationError
from homeassistant.helpers import config_validation as cv
from homeassistant.util import dt as dt_util
from homeassistant.util.json import JsonObjectType

from .const import DOMAIN
from .core.contract.messages import EVENT_ID, MAX_POWER_W, ScheduleMode
from .core.contract.reading import format_time
from .core.contract.schedule import (
    DEFAULT_MODES,
    INTERVAL,
    MAX_INTERVALS,
    Interval,
    Schedule,
)
from .schedule_log import KEEP, Analytics, Execution
from .schedules import AnswerStatus, HeldSchedule, ScheduleDesk, ScheduleRefused
from .services_history import ATTR_DEVICE, ATTR_NODE, NODE_ID, async_find_node, node_of
from .validation import moment

if TYPE_CHECKING:
    from .runtime import MicrogridRuntime

ACTION_SET: Final = "set_schedule"
ACTION_GET: Final = "get_schedule"
ACTION_CANCEL: Final = "cancel_schedule"

ATTR_INTERVALS: Final = "intervals"
ATTR_START: Final = "start"
ATTR_END: Final = "end"
ATTR_MODE: Final = "mode"
ATTR_RATE: Final = "rate_w"
ATTR_DEFAULT: Final = "default"
ATTR_VALID_UNTIL: Final = "valid_until"
ATTR_SCHEDULE_ID: Final = "schedule_id"
ATTR_TIMEOUT: Final = "timeout"
ATTR_DAYS: Final = "days"

DEFAULT_TIMEOUT_S: Final = 15.0
MAX_TIMEOUT_S: Final = 120.0
UNANSWERED: Final = "unanswered"
"""Beside what a node can answer: it did not in time; it finds the schedule at the broker when it is back."""
PERIODS: Final[Mapping[str, timedelta]] = {
    "day": timedelta(days=1),
    "week": timedelta(days=7),
    "month": timedelta(days=30),
}


def _mode(value: Any) -> ScheduleMode:
    """Read a mode by its name or by the number that the contract gives it."""
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < len(ScheduleMode):
        return list(ScheduleMode)[value]
    try:
        return ScheduleMode(str(value))
    except ValueError:
        known = ", ".join(f"{number} {mode}" for number, mode in enumerate(ScheduleMode))
        raise vol.Invalid(f"{value} is no mode; known are {known}") from None


_RATE: Final = vol.All(vol.Coerce(float), vol.Range(min=0, max=MAX_POWER_W))
_STRETCH: Final = {
    vol.Required(ATTR_START): moment,
    vol.Optional(ATTR_END): moment,
    vol.Required(ATTR_MODE): _mode,
    vol.Optional(ATTR_RATE): _RATE,
}
_TARGET: Final = {
    vol.Optional(ATTR_DEVICE): vol.All(cv.ensure_list, [cv.string]),
    vol.Optional(ATTR_NODE): vol.All(cv.ensure_list, [NODE_ID]),
}
_DEFAULT: Final = vol.In([mode.value for mode in DEFAULT_MODES])
_TIMEOUT: Final = vol.All(vol.Coerce(float), vol.Range(min=1.0, max=MAX_TIMEOUT_S))

SET_SCHEMA: Final = vol.All(
    vol.Schema(
        {
            **_TARGET,
            vol.Exclusive(ATTR_INTERVALS, "plan"): vol.All(cv.ensure_list, [_STRETCH]),
            vol.Exclusive(ATTR_START, "plan"): moment,
            vol.Optional(ATTR_END): moment,
            vol.Optional(ATTR_MODE): _mode,
            vol.Optional(ATTR_RATE): _RATE,
            vol.Optional(ATTR_DEFAULT): _DEFAULT,
            vol.Optional(ATTR_VALID_UNTIL): moment,
            vol.Optional(ATTR_SCHEDULE_ID): cv.matches_regex(f"^{EVENT_ID.pattern}$"),
            vol.Optional(ATTR_TIMEOUT, default=DEFAULT_TIMEOUT_S): _TIMEOUT,
        }
    ),
    cv.has_at_least_one_key(ATTR_DEVICE, ATTR_NODE),
    cv.has_at_least_one_key(ATTR_INTERVALS, ATTR_START),
)
GET_SCHEMA: Final = vol.All(
    vol.Schema(
        {
            **_TARGET,
            vol.Optional(ATTR_DAYS, default=1): vol.All(vol.Coerce(int), vol.Range(min=0, max=KEEP.days)),
        }
    ),
    cv.has_at_least_one_key(ATTR_DEVICE, ATTR_NODE),
)
CANCEL_SCHEMA: Final = vol.All(
    vol.Schema(
        {
            **_TARGET,
            vol.Optional(ATTR_DEFAULT): _DEFAULT,
            vol.Optional(ATTR_TIMEOUT, default=DEFAULT_TIMEOUT_S): _TIMEOUT,
        }
    ),
    cv.has_at_least_one_key(ATTR_DEVICE, ATTR_NODE),
)

type _Target = tuple[MicrogridRuntime, str]
type _Send = Callable[[ScheduleDesk, str], Awaitable[Schedule]]


@callback
def async_register(hass: HomeAssistant) -> None:
    """Register the actions."""
    for action, handler, schema, response in (
        (ACTION_SET, _set_schedule, SET_SCHEMA, SupportsResponse.OPTIONAL),
        (ACTION_GET, _get_schedule, GET_SCHEMA, SupportsResponse.ONLY),
        (ACTION_CANCEL, _cancel_schedule, CANCEL_SCHEMA, SupportsResponse.OPTIONAL),
    ):
        hass.services.async_register(DOMAIN, action, handler, schema=schema, supports_response=response)


async def _set_schedule(call: ServiceCall) -> ServiceResponse:
    """Send a schedule to every target that can execute it; to the others nothing, with the reasons told."""
    intervals, reasons = _intervals(call.data.get(ATTR_INTERVALS) or [_single(call.data)])
    default: str | None = call.data.get(ATTR_DEFAULT)
    valid_until: datetime | None = call.data.get(ATTR_VALID_UNTIL)

    async def send(desk: ScheduleDesk, node_id: str) -> Schedule:
        capability = desk.capability(node_id)
        end = max((interval.end for interval in intervals), default=dt_util.utcnow())
        follows = capability is not None and ScheduleMode.FOLLOW in capability.modes
        schedule = Schedule(
            schedule_id=call.data.get(ATTR_SCHEDULE_ID) or f"ha-{uuid4().hex[:12]}",
            revision=desk.next_revision(node_id),
            issued_at=dt_util.utcnow(),
            valid_until=end if valid_until is None else dt_util.as_utc(valid_until),
            default=ScheduleMode(default or (ScheduleMode.FOLLOW if follows else ScheduleMode.IDLE)),
            intervals=tuple(intervals),
        )
        if reasons:
            raise ScheduleRefused(node_id, [*reasons, *desk.check(node_id, schedule)])
        await desk.set(node_id, schedule)
        return schedule

    return await _send_to_all(call, send)


async def _cancel_schedule(call: ServiceCall) -> ServiceResponse:
    """Withdraw what was planned for every target."""
    default: str | None = call.data.get(ATTR_DEFAULT)

    async def send(desk: ScheduleDesk, node_id: str) -> Schedule:
        return await desk.cancel(node_id, None if default is None else ScheduleMode(default))

    return await _send_to_all(call, send)


async def _get_schedule(call: ServiceCall) -> ServiceResponse:
    """Return what is planned for every target, and what became of what was."""
    since = dt_util.utcnow() - timedelta(days=call.data[ATTR_DAYS])
    schedules: JsonObjectType = {}
    for runtime, node_id in await _targets(call):
        schedules[node_id] = await _told(runtime, node_id, since)
    return {"schedules": schedules}


async def _send_to_all(call: ServiceCall, send: _Send) -> ServiceResponse:
    """Send to all targets at once and wait for their answers."""
    targets = await _targets(call)
    rows = await asyncio.gather(
        *(_send_and_wait(runtime, node_id, send, call.data[ATTR_TIMEOUT]) for runtime, node_id in targets)
    )
    results: JsonObjectType = {node_id: row for (_, node_id), row in zip(targets, rows, strict=True)}
    if call.return_response:
        return {"results": results}
    failures = [
        f"{node_id}: {row['status']} ({'; '.join(map(str, why)) if (why := _list(row['reasons'])) else '–'})"
        for (_, node_id), row in zip(targets, rows, strict=True)
        if row["status"] != AnswerStatus.ACCEPTED
    ]
    if failures:
        error = HomeAssistantError if any(row["sent"] for row in rows) else ServiceValidationError
        raise error(
            translation_domain=DOMAIN,
            translation_key="schedule_not_accepted",
            translation_placeholders={"failures": " · ".join(failures)},
        )
    return None


def _list(value: object) -> list[object]:
    return list(value) if isinstance(value, list) else []


async def _send_and_wait(
    runtime: MicrogridRuntime, node_id: str, send: _Send, timeout_s: float
) -> JsonObjectType:
    """Return one row of the response."""
    desk = runtime.schedules
    try:
        schedule = await send(desk, node_id)
    except ScheduleRefused as refused:
        return _row(AnswerStatus.REJECTED, refused.reasons)
    except HomeAssistantError as error:  # no broker
        return _row(UNANSWERED, (str(error),))
    held = await desk.answer(node_id, schedule.revision, timeout_s)
    if held is None:
        return _row(UNANSWERED, (f"no answer within {timeout_s:g} s",), schedule)
    return _row(held.answer.value, held.reasons, schedule)


def _row(status: str, reasons: tuple[str, ...], schedule: Schedule | None = None) -> JsonObjectType:
    return {
        "status": str(status),
        "sent": schedule is not None,
        "reasons": list(reasons),
        "schedule_id": None if schedule is None else schedule.schedule_id,
        "revision": None if schedule is None else schedule.revision,
        "intervals": None if schedule is None else len(schedule.intervals),
    }


def _single(data: Mapping[str, Any]) -> dict[str, Any]:
    """Return the one stretch that a call names with fields of its own."""
    if ATTR_MODE not in data:
        raise ServiceValidationError(translation_domain=DOMAIN, translation_key="schedule_without_mode")
    return {key: data[key] for key in (ATTR_START, ATTR_END, ATTR_MODE, ATTR_RATE) if key in data}


def _intervals(stretches: list[dict[str, Any]]) -> tuple[list[Interval], list[str]]:
    """Cut stretches into half hours; times without zone are those of the user's clock."""
    intervals: list[Interval] = []
    reasons: list[str] = []
    for stretch in stretches:
        start = dt_util.as_utc(stretch[ATTR_START])
        end = dt_util.as_utc(stretch[ATTR_END]) if ATTR_END in stretch else start + INTERVAL
        name = f"{format_time(start)} … {format_time(end)}"
        if end <= start:
            reasons.append(f"{name}: the end is not after the start")
        elif (end - start) % INTERVAL:
            reasons.append(f"{name}: not a whole number of half hours")
        elif len(intervals) + (count := (end - start) // INTERVAL) > MAX_INTERVALS:
            reasons.append(f"{name}: more than {MAX_INTERVALS} half hours, which is a week")
        else:
            for number in range(count):
                intervals.append(
                    Interval(
                        len(intervals),
                        start + number * INTERVAL,
                        stretch[ATTR_MODE],
                        stretch.get(ATTR_RATE),
                    )
                )
    return intervals, reasons


async def _targets(call: ServiceCall) -> list[_Target]:
    """Return the nodes that a call names, each once."""
    found = [node_of(call.hass, device_id) for device_id in call.data.get(ATTR_DEVICE, [])]
    found += [await async_find_node(call.hass, node_id) for node_id in call.data.get(ATTR_NODE, [])]
    targets = {(runtime.swarm.swarm_id, node_id): (runtime, node_id) for runtime, node_id in found}
    if not targets:
        raise ServiceValidationError(translation_domain=DOMAIN, translation_key="no_target")
    return list(targets.values())


async def _told(runtime: MicrogridRuntime, node_id: str, since: datetime) -> JsonObjectType:
    desk = runtime.schedules
    horizon = dt_util.utcnow() + KEEP
    held = desk.held(node_id)
    return {
        "status": desk.status(node_id).value,
        "schedule": None if held is None else _held(held),
        "executions": [_execution(one) for one in await desk.history(node_id, since, horizon)],
        "analytics": {name: _analytics(desk.analytics(node_id, period)) for name, period in PERIODS.items()},
    }


def _held(held: HeldSchedule) -> JsonObjectType:
    sent, state = held.sent, held.state
    return {
        "schedule_id": None if sent is None else sent.schedule_id,
        "revision": None if sent is None else sent.revision,
        "sent_at": _time(held.sent_at),
        "valid_until": None if sent is None else _time(sent.valid_until),
        "default": None if sent is None else sent.default.value,
        "answer": held.answer.value,
        "answered_at": _time(held.answered_at),
        "reasons": list(held.reasons),
        "executed_revision": None if held.accepted is None else held.accepted.revision,
        "now": None
        if state is None
        else {
            "mode": state.mode.value,
            "basis": state.basis.value,
            "rate_w": state.rate_w,
            "revision": state.revision,
            "reported_at": _time(held.state_at),
        },
    }


def _execution(one: Execution) -> JsonObjectType:
    return {
        "start": _time(one.start),
        "end": _time(one.end),
        "mode": one.mode.value,
        "status": one.status.value,
        "requested_rate_w": one.requested_w,
        "actual_rate_w": one.actual_w,
        "late": one.late,
        "late_s": one.late_s,
        "reasons": list(one.reasons),
        "schedule_id": one.schedule_id,
        "revision": one.revision,
        "interval_id": one.interval_id,
    }


def _analytics(summary: Analytics) -> JsonObjectType:
    return {
        "intervals": summary.intervals,
        "done": summary.done,
        "failed": summary.failed,
        "expired": summary.expired,
        "unreported": summary.unreported,
        "late": summary.late,
        "success_percent": _rounded(summary.success_percent, 1),
        "mean_lateness_s": _rounded(summary.mean_lateness_s, 1),
        "planned_kwh": round(summary.planned_kwh, 3),
        "done_kwh": round(summary.done_kwh, 3),
    }


def _rounded(value: float | None, digits: int) -> float | None:
    return None if value is None else round(value, digits)


def _time(when: datetime | None) -> str | None:
    return None if when is None else format_time(when)
