"""Messages of the contract as payloads: the counterpart of the parsers, for whoever sends."""

from __future__ import annotations

import json
import math
import zlib
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from .messages import (
    Birth,
    Command,
    CommandCapability,
    CommandResult,
    Live,
    LiveMessage,
    LogAck,
    NodeEvent,
    Parameter,
    Scalar,
)
from .reading import format_time
from .schedule import MAX_REASONS, Acknowledgement, Schedule, ScheduleState, canonical
from .snapshot import (
    HEADER,
    VERSION,
    ListedSnapshot,
    SnapshotChunk,
    SnapshotGet,
    SnapshotList,
    SnapshotPart,
    SnapshotState,
)

_Json = dict[str, Any]


def _present(document: _Json) -> _Json:
    """Leave out the fields that are None."""
    return {key: value for key, value in document.items() if value is not None}


def _payload(document: _Json) -> bytes:
    """Write compact JSON without the fields that are None."""
    text = json.dumps(_present(document), ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return text.encode("utf-8", "replace")


def _time(time: datetime | None) -> str | None:
    return None if time is None else format_time(time)


def _scalars(values: Mapping[str, Scalar | None]) -> _Json:
    """Return the values; a number that is none (NaN, infinity) is invalid, which the wire calls null."""
    return {
        key: None if isinstance(value, float) and not math.isfinite(value) else value
        for key, value in values.items()
    }


def _parameter(parameter: Parameter) -> _Json:
    return _present(
        {
            "name": parameter.name,
            "type": parameter.type,
            "minimum": parameter.minimum,
            "maximum": parameter.maximum,
            "options": list(parameter.options) or None,
            "unit": parameter.unit,
            "step": parameter.step,
        }
    )


def _command_capability(command: CommandCapability) -> _Json:
    return {"name": command.name, "parameters": [_parameter(parameter) for parameter in command.parameters]}


def birth_payload(birth: Birth) -> bytes:
    """Write a birth message."""
    capabilities: _Json = {
        "metrics": list(birth.metrics),
        "log_channels": list(birth.log_channels),
        "commands": [_command_capability(command) for command in birth.commands],
    }
    if birth.schedule is not None:
        capabilities["schedule"] = {
            "modes": list(birth.schedule.modes),
            "max_charge_w": birth.schedule.max_charge_w,
            "max_discharge_w": birth.schedule.max_discharge_w,
        }
    return _payload(
        {
            "protocol": birth.protocol,
            "kind": birth.kind,
            "name": birth.name,
            "parent": birth.parent,
            "hardware": birth.hardware,
            "firmware": birth.firmware,
            "boot_id": birth.boot_id,
            "interval_s": birth.interval_s,
            "time": _time(birth.time),
            "capabilities": capabilities,
        }
    )


def state_payload(online: bool) -> bytes:
    """Write the state; the last will is `state_payload(False)`."""
    return b"online" if online else b"offline"


def _live(live: Live) -> _Json:
    return _present(
        {
            "boot_id": live.boot_id,
            "seq": live.seq,
            "time": _time(live.time),
            "values": _scalars(live.values),
            "faults": None if live.faults is None else list(live.faults),
        }
    )


def live_payload(message: LiveMessage) -> bytes:
    """Write a live message."""
    document = _live(message.own) if message.own is not None else {}
    if message.nodes:
        document["nodes"] = {name: _live(live) for name, live in message.nodes.items()}
    return _payload(document)


def event_payload(event: NodeEvent) -> bytes:
    """Write an event."""
    return _payload(
        {
            "event_id": event.event_id,
            "type": event.type,
            "state": event.state,
            "code": event.code,
            "severity": event.severity,
            "boot_id": event.boot_id,
            "seq": event.seq,
            "time": _time(event.time),
            "values": _scalars(event.values),
        }
    )


def log_ack_payload(ack: LogAck) -> bytes:
    """Write the receiver's log cursor."""
    return _payload({"boot_id": ack.boot_id, "seq": ack.seq})


def command_payload(command: Command) -> bytes:
    """Write a command."""
    return _payload(
        {
            "id": command.id,
            "command": command.command,
            "parameters": dict(command.parameters),
            "expires_at": format_time(command.expires_at),
        }
    )


def command_result_payload(result: CommandResult) -> bytes:
    """Write the answer to a command."""
    return _payload(
        {"id": result.id, "status": result.status, "reason": result.reason, "values": _scalars(result.values)}
    )


def snapshot_get_payload(request: SnapshotGet) -> bytes:
    """Write a request for chunks; without an event id, for the list."""
    usual = SnapshotGet()
    return _payload(
        {
            "event_id": request.event_id,
            "part": None if request.part is usual.part else request.part,
            "first": None if request.first == usual.first else request.first,
            "count": None if request.count == usual.count else request.count,
        }
    )


def _listed(snapshot: ListedSnapshot) -> _Json:
    return {
        "event_id": snapshot.event_id,
        "code": snapshot.code,
        "part": snapshot.part,
        "state": snapshot.state,
        "bytes": snapshot.bytes,
        "crc": snapshot.crc,
    }


def snapshot_list_payload(listed: SnapshotList) -> bytes:
    """Write what a node has."""
    return _payload({"snapshots": [_listed(snapshot) for snapshot in listed.snapshots]})


def snapshot_chunk_payload(chunk: SnapshotChunk) -> bytes:
    """Write a chunk; its topic is `topics.snapshot_chunk(event_id, number)`."""
    header = HEADER.pack(
        VERSION,
        list(SnapshotPart).index(chunk.part),
        list(SnapshotState).index(chunk.state),
        chunk.number,
        chunk.count,
        chunk.object_bytes,
        chunk.object_crc,
        zlib.crc32(chunk.data),
    )
    return header + chunk.data


def schedule_payload(schedule: Schedule) -> bytes:
    """Write a schedule; its digest is the SHA-256 of these bytes."""
    return canonical(schedule)


def schedule_state_payload(state: ScheduleState) -> bytes:
    """Write what a node holds and does."""
    return _payload(
        {
            "schedule_id": state.schedule_id,
            "revision": state.revision,
            "digest": state.digest,
            "interval_id": state.interval_id,
            "mode": state.mode,
            "rate_w": state.rate_w,
            "basis": state.basis,
            "time": _time(state.time),
        }
    )


def _few(reasons: tuple[str, ...]) -> list[str]:
    """Return at most as many reasons as fit; the last then says how many are missing."""
    if len(reasons) <= MAX_REASONS:
        return list(reasons)
    kept = MAX_REASONS - 1
    return [*reasons[:kept], f"and {len(reasons) - kept} more"]


def acknowledgement_payload(ack: Acknowledgement) -> bytes:
    """Write an acknowledgement."""
    return _payload(
        {
            "ack_id": ack.ack_id,
            "schedule_id": ack.schedule_id,
            "revision": ack.revision,
            "interval_id": ack.interval_id,
            "status": ack.status,
            "reasons": _few(ack.reasons),
            "requested_rate_w": ack.requested_rate_w,
            "actual_rate_w": ack.actual_rate_w,
            "late": ack.late,
            "time": _time(ack.time),
        }
    )
