"""Actions of the fault desk: list_faults, get_fault, analyze_fault, capture_snapshot, annotate_fault."""

from __future__ import annotations

import asyncio
import json
from datetime import datetime
from typing import Any, Final

import voluptuous as vol
from homeassistant.core import HomeAssistant, ServiceCall, ServiceResponse, SupportsResponse, callback
from homeassistant.exceptions import HomeAssistantError, ServiceValidationError
from homeassistant.helpers import config_validation as cv
from homeassistant.util import dt as dt_util
from homeassistant.util.json import JsonObjectType

from .const import DOMAIN
from .core.archive.errors import ArchiveError
from .core.archive.faults.records import Analysis, Annotation, RecordedFault, StoredPart, best
from .core.contract.faults import condition
from .core.contract.messages import EVENT_ID, CommandStatus, Severity
from .core.diagnosis.cause_texts import checks, meaning
from .core.diagnosis.causes import CAUSES
from .fault_analysis import explanation_of
from .fault_desk import Details, FaultDesk, iso
from .services_history import NODE_ID, async_find_node, node_of
from .services_swarm import ATTR_CONFIG_ENTRY, one_swarm
from .snapshot_puller import missing
from .validation import moment

ATTR_EVENT_ID: Final = "event_id"
ATTR_DEVICE: Final = "device_id"
ATTR_NODE: Final = "node"
ATTR_CODE: Final = "code"
ATTR_START: Final = "start"
ATTR_END: Final = "end"
ATTR_LIMIT: Final = "limit"
ATTR_CAUSE: Final = "cause"
ATTR_NOTE: Final = "note"
ATTR_NOTED_SINCE: Final = "noted_since"

COMMAND_CAPTURE: Final = "capture_snapshot"
"""Of nodes that can record without a fault; the result's value `event_id` names the snapshot."""
CODE_CAPTURE: Final = "CAPTURE"
CAPTURE_TIMEOUT_S: Final = 10.0
DEFAULT_LIMIT: Final = 50
MAX_LIMIT: Final = 500
MAX_NOTE: Final = 2000

_EVENT: Final = vol.All(cv.string, vol.Length(min=1, max=64))
_OF_FAULT: Final = {vol.Optional(ATTR_CONFIG_ENTRY): cv.string, vol.Required(ATTR_EVENT_ID): _EVENT}

LIST_SCHEMA: Final = vol.Schema(
    {
        vol.Optional(ATTR_CONFIG_ENTRY): cv.string,
        vol.Optional(ATTR_NODE, default=list): vol.All(cv.ensure_list, vol.Length(max=64), [NODE_ID]),
        vol.Optional(ATTR_CODE, default=list): vol.All(cv.ensure_list, vol.Length(max=64), [cv.string]),
        vol.Optional(ATTR_START): moment,
        vol.Optional(ATTR_END): moment,
        vol.Optional(ATTR_NOTE): vol.All(cv.string, vol.Length(max=MAX_NOTE)),
        vol.Optional(ATTR_NOTED_SINCE): moment,
        vol.Optional(ATTR_LIMIT, default=DEFAULT_LIMIT): vol.All(
            vol.Coerce(int), vol.Range(min=1, max=MAX_LIMIT)
        ),
    }
)
FAULT_SCHEMA: Final = vol.Schema(_OF_FAULT)
ANNOTATE_SCHEMA: Final = vol.All(
    vol.Schema(
        {
            **_OF_FAULT,
            vol.Optional(ATTR_CAUSE): cv.string,
            vol.Optional(ATTR_NOTE): vol.All(cv.string, vol.Length(max=MAX_NOTE)),
        }
    ),
    cv.has_at_least_one_key(ATTR_CAUSE, ATTR_NOTE),
)
CAPTURE_SCHEMA: Final = vol.All(
    vol.Schema(
        {vol.Exclusive(ATTR_DEVICE, "target"): cv.string, vol.Exclusive(ATTR_NODE, "target"): NODE_ID}
    ),
    cv.has_at_least_one_key(ATTR_DEVICE, ATTR_NODE),
)


@callback
def async_register(hass: HomeAssistant) -> None:
    """Register the actions."""
    for name, action, schema, response in (
        ("list_faults", _list_faults, LIST_SCHEMA, SupportsResponse.ONLY),
        ("get_fault", _get_fault, FAULT_SCHEMA, SupportsResponse.ONLY),
        ("analyze_fault", _analyze_fault, FAULT_SCHEMA, SupportsResponse.OPTIONAL),
        ("capture_snapshot", _capture_snapshot, CAPTURE_SCHEMA, SupportsResponse.OPTIONAL),
        ("annotate_fault", _annotate_fault, ANNOTATE_SCHEMA, SupportsResponse.NONE),
    ):
        hass.services.async_register(DOMAIN, name, action, schema=schema, supports_response=response)


async def _list_faults(call: ServiceCall) -> ServiceResponse:
    desk = _desk(call)
    start, end = (_microseconds(call.data.get(name)) for name in (ATTR_START, ATTR_END))
    if desk.store is None:
        raise _closed(desk)
    try:
        found = await desk.shelf.read(
            desk.store.faults,
            nodes=call.data[ATTR_NODE],
            codes=call.data[ATTR_CODE],
            start_us=start,
            end_us=end,
            note=call.data.get(ATTR_NOTE),
            noted_since_us=_microseconds(call.data.get(ATTR_NOTED_SINCE)),
            limit=call.data[ATTR_LIMIT],
        )
    except ArchiveError as error:
        raise _closed(desk) from error
    return {
        "faults": [
            _fault(call.hass, desk, fault) | _verdict(call.hass, desk, analysis) for fault, analysis in found
        ]
    }


async def _get_fault(call: ServiceCall) -> ServiceResponse:
    desk = _desk(call)
    return _details(call.hass, desk, await _known(desk, call.data[ATTR_EVENT_ID]))


async def _analyze_fault(call: ServiceCall) -> ServiceResponse:
    desk, event_id = _desk(call), call.data[ATTR_EVENT_ID]
    await _known(desk, event_id)
    try:
        analysis = await desk.analyze(event_id)
    except ArchiveError as error:
        raise _closed(desk) from error
    return {
        ATTR_EVENT_ID: event_id,
        **_verdict(call.hass, desk, analysis),
        "report": json.loads(analysis.report),
    }


async def _annotate_fault(call: ServiceCall) -> None:
    desk, event_id = _desk(call), call.data[ATTR_EVENT_ID]
    found = await _known(desk, event_id)
    cause = call.data.get(ATTR_CAUSE)
    if cause is not None and (cause not in CAUSES or CAUSES[cause].code != found.fault.code):
        known = [one.id for one in CAUSES.values() if one.code == found.fault.code]
        raise _refused("unknown_cause", cause=cause, code=found.fault.code, known=", ".join(known) or "–")
    made_us = _microseconds(dt_util.utcnow())
    assert desk.store is not None and made_us is not None
    annotation = Annotation(made_us, call.context.user_id, cause, call.data.get(ATTR_NOTE, ""))
    try:
        await desk.shelf.write(desk.store.annotate, event_id, annotation)
    except ArchiveError as error:
        raise _closed(desk) from error
    one_swarm(call).fault_watch.look(found.fault.node)


async def _capture_snapshot(call: ServiceCall) -> ServiceResponse:
    """Have a node record, as if there were a fault; the desk then fetches it from the whole cluster."""
    if (device_id := call.data.get(ATTR_DEVICE)) is not None:
        runtime, node_id = node_of(call.hass, device_id)
    else:
        runtime, node_id = await async_find_node(call.hass, call.data[ATTR_NODE])
    if (node := runtime.swarm.nodes.get(node_id)) is None:
        raise _refused("unknown_node", node=node_id)
    if reasons := runtime.commands.check(node, COMMAND_CAPTURE, {}):
        raise _refused("command_refused", reasons="; ".join(reasons))
    try:
        result = await runtime.commands.send(node, COMMAND_CAPTURE, {}, CAPTURE_TIMEOUT_S)
    except asyncio.CancelledError:
        raise _not_executed(node_id, "Microgrid was reloaded") from None
    if result.status is not CommandStatus.SUCCEEDED:
        raise _not_executed(node_id, f"{result.status.value} ({result.reason or 'no reason given'})")
    event_id = result.values.get("event_id")
    if not isinstance(event_id, str) or EVENT_ID.fullmatch(event_id) is None:
        raise _not_executed(node_id, "it names no snapshot")
    now_us = _microseconds(dt_util.utcnow())
    assert now_us is not None
    fault = RecordedFault(event_id, node_id, CODE_CAPTURE, Severity.INFO.value, now_us, now_us)
    try:
        await runtime.faults.record(fault)
    except ArchiveError as error:
        raise _closed(runtime.faults) from error
    return {ATTR_EVENT_ID: event_id, ATTR_NODE: node_id}


# ---------------------------------------------------------------------------------------------------- answers


def _fault(hass: HomeAssistant, desk: FaultDesk, fault: RecordedFault) -> JsonObjectType:
    text = condition(fault.code).text(hass.config.language)
    return {
        "event_id": fault.event_id,
        "node": fault.node,
        "node_name": desk.name(fault.node),
        "gateway": fault.gateway,
        "code": fault.code,
        "name": text.name,
        "severity": fault.severity or None,
        "time": iso(fault.time_us),
        "cleared": None if fault.cleared_us is None else iso(fault.cleared_us),
        "late": fault.late,
        "stage": fault.stage.name.lower(),
        "snapshots": fault.pull.name.lower(),
    }


def _verdict(hass: HomeAssistant, desk: FaultDesk, analysis: Analysis | None) -> JsonObjectType:
    if analysis is None:
        return {"cause": None, "origin": None, "confidence": None, "summary": None}
    language, explanation = hass.config.language, explanation_of(analysis)
    by_model = explanation is not None and explanation.in_models_words
    return {
        "cause": analysis.cause,
        "cause_meaning": meaning(analysis.cause, language) if analysis.cause in CAUSES else None,
        "check_first": [*checks(analysis.cause, language)],
        "origin": analysis.origin,
        "origin_name": None if analysis.origin is None else desk.name(analysis.origin),
        "confidence": round(analysis.confidence, 3),
        "summary": analysis.summary,
        "engine": analysis.engine,
        # Both verdicts: where the engine was unsure, the model may have chosen another of its causes.
        "engine_cause": analysis.cause if explanation is None else explanation.engine_cause,
        "model_cause": None if explanation is None else explanation.model_cause,
        "words_of": "language_model" if by_model else "engine",
        "explanation": json.loads(analysis.explanation),
        "analyzed": iso(analysis.made_us),
    }


def _details(hass: HomeAssistant, desk: FaultDesk, found: Details) -> JsonObjectType:
    newest = found.analyses[-1] if found.analyses else None
    text = condition(found.fault.code).text(hass.config.language)
    wanting = sorted(missing(found.members, found.parts))
    return {
        **_fault(hass, desk, found.fault),
        **_verdict(hass, desk, newest),
        "description": text.description,
        "advice": text.advice,
        "values": dict(found.fault.values),
        "nodes": [{"node": member.node, "kind": member.kind} for member in found.members],
        "objects": [_part(part, used=part in best(found.parts).values()) for part in found.parts],
        "missing": [{"node": node, "part": part.value} for node, part in wanting],
        "report": None if newest is None else json.loads(newest.report),
        "analyses": [_verdict(hass, desk, analysis) for analysis in found.analyses],
        "annotations": [
            {"time": iso(one.made_us), "author": one.author, "cause": one.cause, "note": one.note}
            for one in found.annotations
        ],
    }


def _part(part: StoredPart, *, used: bool) -> JsonObjectType:
    return {
        "node": part.node,
        "part": part.part.value,
        "state": part.state.value,
        "bytes": part.bytes,
        "stored": iso(part.stored_us),
        "used": used,
    }


# ----------------------------------------------------------------------------------------------------- inside


def _desk(call: ServiceCall) -> FaultDesk:
    return one_swarm(call).faults


async def _known(desk: FaultDesk, event_id: str) -> Details:
    if desk.store is None:
        raise _closed(desk)
    try:
        found = await desk.details(event_id)
    except ArchiveError as error:
        raise _closed(desk) from error
    if found is None:
        raise _refused("unknown_fault", event_id=event_id)
    return found


def _microseconds(time: datetime | None) -> int | None:
    """Take a time without zone for one of the user's clock."""
    return None if time is None else round(dt_util.as_utc(time).timestamp() * 1e6)


def _closed(desk: FaultDesk) -> HomeAssistantError:
    return HomeAssistantError(
        translation_domain=DOMAIN,
        translation_key="faults_closed",
        translation_placeholders={"reason": desk.trouble or "–"},
    )


def _not_executed(node_id: str, why: str) -> HomeAssistantError:
    return HomeAssistantError(
        translation_domain=DOMAIN,
        translation_key="command_not_executed",
        translation_placeholders={"command": COMMAND_CAPTURE, "failures": f"{node_id}: {why}"},
    )


def _refused(key: str, **placeholders: Any) -> ServiceValidationError:
    return ServiceValidationError(
        translation_domain=DOMAIN, translation_key=key, translation_placeholders=placeholders
    )
