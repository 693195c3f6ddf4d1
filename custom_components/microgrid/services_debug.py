"""Actions for who looks for a fault: inverter tripped, cluster disconnected, cells apart, uneven sharing.

Each reads, in the executor, a bounded part of the archive or of the fault store and answers with a summary,
what to check first, and the numbers behind it.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from functools import partial
from math import isfinite
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import voluptuous as vol
from homeassistant.core import HomeAssistant, ServiceCall, ServiceResponse, SupportsResponse, callback
from homeassistant.exceptions import HomeAssistantError, ServiceValidationError
from homeassistant.helpers import config_validation as cv
from homeassistant.util import dt as dt_util

from .const import DOMAIN
from .core import debug
from .core.archive.errors import ArchiveError, ArchiveUnavailable
from .core.archive.faults.records import RecordedFault, best
from .core.archive.faults.store import FaultStore
from .core.archive.patterns.plain import plain
from .core.archive.patterns.source import Source
from .core.diagnosis.case import Case, Series
from .core.diagnosis.debugging.limits import GatewayLimits
from .core.diagnosis.debugging.trip import TRIPS, InverterTrip, inverter_trip
from .fault_analysis import StoredCase, case_of_stored, find_cause, report_of
from .sensor_hours import mean_by_hour
from .services_history import NODE_ID, async_find_node, node_of
from .services_swarm import ATTR_CONFIG_ENTRY, one_swarm
from .validation import moment

if TYPE_CHECKING:
    from .runtime import MicrogridRuntime

ATTR_DEVICE: Final = "device_id"
ATTR_NODE: Final = "node"
ATTR_EVENT_ID: Final = "event_id"
ATTR_AT: Final = "at"
ATTR_START: Final = "start"
ATTR_END: Final = "end"
ATTR_LIMITS: Final = "limits"
ATTR_WEATHER: Final = "weather"

MAX_WEATHER: Final = 8
_SNAPSHOT_S: Final = 70.0
"""No snapshot reaches further from its fault."""
_MAX_PAST: Final = 100

_EVENT: Final = vol.All(cv.string, vol.Length(min=1, max=64))
_TARGET: Final = {
    vol.Exclusive(ATTR_DEVICE, "target"): cv.string,
    vol.Exclusive(ATTR_NODE, "target"): NODE_ID,
}
_RANGE: Final = {vol.Optional(ATTR_START): moment, vol.Optional(ATTR_END): moment}


def _within(low: float, high: float) -> Any:
    return vol.All(vol.Coerce(float), vol.Range(min=low, max=high))


_LIMITS: Final = vol.Schema(
    {
        vol.Optional("frequency_difference"): _within(0.01, 0.3),
        vol.Optional("voltage_difference"): _within(1, 30),
        vol.Optional("phase_difference"): _within(1, 20),
        vol.Optional("hold"): _within(0.1, 5),
        vol.Optional("under_frequency"): _within(45, 50),
        vol.Optional("over_frequency"): _within(50, 55),
        vol.Optional("under_voltage"): _within(100, 230),
        vol.Optional("over_voltage"): _within(230, 300),
        vol.Optional("opening_delay"): _within(0.02, 10),
    }
)
_LIMIT_FIELDS: Final = {
    "frequency_difference": "frequency_difference_hz",
    "voltage_difference": "voltage_difference_v",
    "phase_difference": "phase_difference_deg",
    "hold": "hold_s",
    "under_frequency": "under_frequency_hz",
    "over_frequency": "over_frequency_hz",
    "under_voltage": "under_voltage_v",
    "over_voltage": "over_voltage_v",
    "opening_delay": "opening_delay_s",
}

TRIP_SCHEMA: Final = vol.All(
    vol.Schema(
        {
            vol.Optional(ATTR_CONFIG_ENTRY): cv.string,
            vol.Exclusive(ATTR_EVENT_ID, "target"): _EVENT,
            **_TARGET,
        }
    ),
    cv.has_at_least_one_key(ATTR_EVENT_ID, ATTR_DEVICE, ATTR_NODE),
)
DISCONNECTION_SCHEMA: Final = vol.All(
    vol.Schema(
        {
            **_TARGET,
            vol.Exclusive(ATTR_EVENT_ID, "moment"): _EVENT,
            vol.Exclusive(ATTR_AT, "moment"): moment,
            vol.Optional(ATTR_LIMITS, default=dict): _LIMITS,
        }
    ),
    cv.has_at_least_one_key(ATTR_DEVICE, ATTR_NODE),
)
CELL_SCHEMA: Final = vol.All(
    vol.Schema({**_TARGET, **_RANGE}), cv.has_at_least_one_key(ATTR_DEVICE, ATTR_NODE)
)
SHARING_SCHEMA: Final = vol.All(
    vol.Schema(
        {
            **_TARGET,
            **_RANGE,
            vol.Optional(ATTR_WEATHER, default=list): vol.All(
                cv.ensure_list, vol.Length(max=MAX_WEATHER), [cv.entity_id]
            ),
        }
    ),
    cv.has_at_least_one_key(ATTR_DEVICE, ATTR_NODE),
)


@callback
def async_register(hass: HomeAssistant) -> None:
    """Register the actions."""
    for name, action, schema in (
        ("debug_inverter_trip", _inverter_trip, TRIP_SCHEMA),
        ("debug_disconnection", _disconnection, DISCONNECTION_SCHEMA),
        ("debug_cell_imbalance", _cell_imbalance, CELL_SCHEMA),
        ("debug_power_sharing", _power_sharing, SHARING_SCHEMA),
    ):
        hass.services.async_register(
            DOMAIN, name, action, schema=schema, supports_response=SupportsResponse.ONLY
        )


# ---------------------------------------------------------------------------------------------- inverter trip


async def _inverter_trip(call: ServiceCall) -> ServiceResponse:
    """Answer for a fault by its id, or for the newest of a house that stops its inverter."""
    if (event_id := call.data.get(ATTR_EVENT_ID)) is not None:
        runtime, node = one_swarm(call), None
    else:
        runtime, node = await _target(call)
    store = runtime.faults.store
    if store is None:
        raise _faults_closed(runtime)
    work = partial(_trip, store, runtime.historian.archive, event_id, node)
    try:
        return await call.hass.async_add_executor_job(work)
    except ArchiveError as error:
        raise _faults_closed(runtime) from error


def _trip(
    store: FaultStore, archive: Source | None, event_id: str | None, node: str | None
) -> dict[str, Any]:
    fault = _fault(store, event_id, node)
    stored = _stored(store, fault)
    analyses = store.analyses(fault.event_id)
    report = report_of(analyses[-1]) if analyses else None
    if report is None:  # not analysed yet: what is here must do for an answer
        report = report_of(find_cause(stored))
    if report is None:
        raise _refused("no_answer", reason=f"what is stored of fault {fault.event_id} cannot be analysed")
    case = case_of_stored(stored)
    record = case.nodes.get(fault.node)
    channels: Mapping[str, Series] = record.channels if record is not None else {}
    if not channels and archive is not None:
        with contextlib.suppress(ArchiveUnavailable):
            channels = debug.house_channels(archive, fault.node, fault.time_us)
    answer: InverterTrip = inverter_trip(report, channels)
    return {"utc": _iso(fault.time_us), **_tidy(plain(answer))}


def _fault(store: FaultStore, event_id: str | None, node: str | None) -> RecordedFault:
    if event_id is None:
        assert node is not None
        newest = store.faults(nodes=[node], codes=TRIPS, limit=1)
        if not newest:
            raise _refused("no_trip", node=node, codes=", ".join(TRIPS))
        return newest[0][0]
    fault = store.get(event_id)
    if fault is None:
        raise _refused("unknown_fault", event_id=event_id)
    if fault.code not in TRIPS:
        raise _refused("no_trip_code", event_id=event_id, code=fault.code, codes=", ".join(TRIPS))
    return fault


def _stored(store: FaultStore, fault: RecordedFault) -> StoredCase:
    files = {key: store.path(part) for key, part in best(store.parts(fault.event_id)).items()}
    past = tuple(store.past(fault.node, fault.code, fault.time_us, _MAX_PAST))
    return StoredCase(fault, tuple(store.members(fault.event_id)), files, past)


# ---------------------------------------------------------------------------------------------- disconnection


async def _disconnection(call: ServiceCall) -> ServiceResponse:
    runtime, node = await _target(call)
    try:
        limits = GatewayLimits(
            **{_LIMIT_FIELDS[name]: value for name, value in call.data[ATTR_LIMITS].items()}
        )
    except ValueError as error:
        raise _refused("no_answer", reason=str(error)) from error
    work = partial(
        _judge_gateway,
        runtime.faults.store,
        _archive(runtime),
        node,
        at_us=_microseconds(call.data.get(ATTR_AT)),
        event_id=call.data.get(ATTR_EVENT_ID),
        limits=limits,
    )
    return await _asked(call.hass, runtime, work)


def _judge_gateway(
    store: FaultStore | None,
    archive: Source,
    node: str,
    *,
    at_us: int | None,
    event_id: str | None,
    limits: GatewayLimits,
) -> dict[str, Any]:
    now_us = _microseconds(dt_util.utcnow())
    assert now_us is not None
    act = debug.find_act(archive, node, now_us, at_us=at_us, event_id=event_id)
    snapshot = None if store is None else _snapshot(store, act)
    answer = debug.gateway_act(archive, act, snapshot=snapshot, limits=limits)
    return {ATTR_EVENT_ID: act.event_id, "utc": _iso(act.utc_us), **_tidy(plain(answer))}


def _snapshot(store: FaultStore, act: debug.GatewayAct) -> Mapping[str, Series] | None:
    """The gateway's channels, in s since what it did, of a snapshot that covers it: of any fault."""
    reach_us = round(_SNAPSHOT_S * 1e6)
    with contextlib.suppress(ArchiveError):
        for fault, _ in store.faults(start_us=act.utc_us - reach_us, end_us=act.utc_us + reach_us, limit=20):
            if act.node not in {member.node for member in store.members(fault.event_id)}:
                continue
            case: Case = case_of_stored(_stored(store, fault))
            record = case.nodes.get(act.node)
            if record is None or not record.channels or case.trigger_utc_us is None:
                continue
            shift_s = (case.trigger_utc_us - act.utc_us) / 1e6
            moved = {key: Series(one.t_s + shift_s, one.values) for key, one in record.channels.items()}
            if any(one.t_s.size and one.t_s[0] < -1.0 and one.t_s[-1] > -0.2 for one in moved.values()):
                return moved
    return None


# --------------------------------------------------------------------------------------------- cells, sharing


async def _cell_imbalance(call: ServiceCall) -> ServiceResponse:
    runtime, node = await _target(call)
    archive = _archive(runtime)
    start_s, end_s = _span(call, debug.CELL_DAYS)
    await _roll_up(runtime)
    work = partial(debug.cells, archive, node, start_s, end_s)
    return await _asked(call.hass, runtime, lambda: _tidy(plain(work())))


async def _power_sharing(call: ServiceCall) -> ServiceResponse:
    runtime, node = await _target(call)
    archive = _archive(runtime)
    start_s, end_s = _span(call, debug.SHARING_DAYS)
    weather = await _weather(call.hass, call.data[ATTR_WEATHER], start_s, end_s)
    await _roll_up(runtime)
    offset = dt_util.now().utcoffset() or timedelta()
    work = partial(
        debug.sharing, archive, node, start_s, end_s, offset_s=offset.total_seconds(), factors=weather
    )
    return await _asked(call.hass, runtime, lambda: _tidy(plain(work())))


async def _weather(
    hass: HomeAssistant, entity_ids: list[str], start_s: int, end_s: int
) -> dict[str, tuple[Any, Any]]:
    """Hours of sensors from the recorder's statistics: starts and means, by entity."""
    if not entity_ids:
        return {}
    begin, end = dt_util.utc_from_timestamp(start_s), dt_util.utc_from_timestamp(end_s)
    found = await mean_by_hour(hass, entity_ids, begin, end)
    if missing := [entity for entity in entity_ids if entity not in found]:
        raise _refused("no_statistics", entities=", ".join(missing))
    return {
        entity: (np.array([*hours], np.float64), np.array([*hours.values()], np.float64))
        for entity, hours in found.items()
    }


# ----------------------------------------------------------------------------------------------------- inside


async def _target(call: ServiceCall) -> tuple[MicrogridRuntime, str]:
    if (device_id := call.data.get(ATTR_DEVICE)) is not None:
        return node_of(call.hass, device_id)
    return await async_find_node(call.hass, call.data[ATTR_NODE])


def _archive(runtime: MicrogridRuntime) -> Source:
    archive = runtime.historian.archive
    if archive is None:
        raise HomeAssistantError(
            translation_domain=DOMAIN,
            translation_key="archive_closed",
            translation_placeholders={"reason": runtime.historian.trouble or "–"},
        )
    return archive.queries


async def _roll_up(runtime: MicrogridRuntime) -> None:
    """Have the archive sum up what came last; what was summed up before is still an answer."""
    archive = runtime.historian.archive
    if archive is not None and not runtime.historian.held:
        with contextlib.suppress(ArchiveUnavailable):
            await runtime.historian.write(archive.roll_up)


async def _asked(
    hass: HomeAssistant, runtime: MicrogridRuntime, work: Callable[[], dict[str, Any]]
) -> dict[str, Any]:
    try:
        return await hass.async_add_executor_job(work)
    except (ValueError, LookupError) as error:
        raise _refused("no_answer", reason=str(error.args[0] if error.args else error)) from error
    except ArchiveError as error:
        raise HomeAssistantError(
            translation_domain=DOMAIN,
            translation_key="archive_closed",
            translation_placeholders={"reason": runtime.historian.trouble or str(error)},
        ) from error


def _span(call: ServiceCall, days: int) -> tuple[int, int]:
    end = _utc(call.data.get(ATTR_END)) or dt_util.utcnow()
    start = _utc(call.data.get(ATTR_START)) or end - timedelta(days=days)
    return int(start.timestamp()), int(end.timestamp())


def _utc(time: datetime | None) -> datetime | None:
    """Take a time without zone for one of the user's clock."""
    return None if time is None else dt_util.as_utc(time)


def _microseconds(time: datetime | None) -> int | None:
    return None if (utc := _utc(time)) is None else round(utc.timestamp() * 1e6)


def _iso(utc_us: int) -> str:
    return f"{np.datetime_as_string(np.datetime64(utc_us, 'us'), 'ms')}Z"


def _tidy(value: Any) -> Any:
    """Numbers with seven digits, which all of them are worth; None for those that are none."""
    if isinstance(value, bool | np.bool_):
        return bool(value)
    if isinstance(value, float):
        return float(f"{value:.7g}") if isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(key): _tidy(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [_tidy(part) for part in value]
    return str(value) if isinstance(value, str) else value


def _faults_closed(runtime: MicrogridRuntime) -> HomeAssistantError:
    return HomeAssistantError(
        translation_domain=DOMAIN,
        translation_key="faults_closed",
        translation_placeholders={"reason": runtime.faults.trouble or "–"},
    )


def _refused(key: str, **placeholders: str) -> ServiceValidationError:
    return ServiceValidationError(
        translation_domain=DOMAIN, translation_key=key, translation_placeholders=placeholders
    )
