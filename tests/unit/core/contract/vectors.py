"""Reads the golden messages of contract/vectors/mqtt (their form is described beside them)."""

from __future__ import annotations

import base64
import dataclasses
import functools
import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from microgrid_core.contract import encode, messages, schedule, snapshot
from microgrid_core.contract.reading import Rejection, format_time

ROOT = Path(__file__).parents[4]
VECTORS = ROOT / "contract" / "vectors" / "mqtt"
SCHEMAS = ROOT / "contract" / "mqtt"

Parse = Callable[[bytes, datetime], Any]
Encode = Callable[[Any], bytes]


def _timeless(parse: Callable[[bytes], Any]) -> Parse:
    return lambda payload, _now: parse(payload)


MESSAGES: dict[str, tuple[Parse, Encode]] = {
    "birth": (messages.parse_birth, encode.birth_payload),
    "state": (_timeless(messages.parse_state), encode.state_payload),
    "live": (messages.parse_live, encode.live_payload),
    "event": (messages.parse_event, encode.event_payload),
    "log-ack": (_timeless(messages.parse_log_ack), encode.log_ack_payload),
    "command": (messages.parse_command, encode.command_payload),
    "command-result": (_timeless(messages.parse_command_result), encode.command_result_payload),
    "snapshot-get": (_timeless(snapshot.parse_snapshot_get), encode.snapshot_get_payload),
    "snapshot-list": (_timeless(snapshot.parse_snapshot_list), encode.snapshot_list_payload),
    "schedule": (schedule.parse_schedule, encode.schedule_payload),
    "schedule-state": (schedule.parse_schedule_state, encode.schedule_state_payload),
    "acknowledgement": (schedule.parse_acknowledgement, encode.acknowledgement_payload),
}
JSON_MESSAGES = tuple(name for name in MESSAGES if name != "state")


@functools.cache
def load(name: str) -> dict[str, Any]:
    """Return a file of vectors."""
    document: dict[str, Any] = json.loads((VECTORS / f"{name}.json").read_text(encoding="utf-8"))
    return document


def cases(kind: str) -> list[tuple[str, dict[str, Any]]]:
    """Return all cases of a kind (accepted, refused) as message and case."""
    return [(message, case) for message in MESSAGES for case in load(message)[kind]]


def name_of(value: object) -> str:
    """Return how pytest calls a message or a case."""
    return str(value["name"]) if isinstance(value, dict) else str(value)


def payload_of(case: dict[str, Any]) -> bytes:
    """Return the bytes on the wire."""
    payload = case["payload"]
    if isinstance(payload, str):
        return payload.encode()
    if "base64" in payload:
        return base64.b64decode(payload["base64"])
    return b"".join(part["text"].encode() * part.get("times", 1) for part in payload["parts"])


def time_of(text: str | None) -> datetime | None:
    """Return a time of the vectors."""
    return None if text is None else datetime.fromisoformat(text)


def parse(message: str, payload: bytes, now: str = "2026-11-21T12:00:00.000Z") -> Any:
    """Read a payload with the reader of its message."""
    return MESSAGES[message][0](payload, datetime.fromisoformat(now))


def as_json(value: Any) -> Any:
    """Return what a reader made of a payload in the form of the vectors: `parsed`."""
    if dataclasses.is_dataclass(value) and not isinstance(value, Rejection):
        return {field.name: as_json(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, datetime):
        return format_time(value.astimezone(UTC))
    if isinstance(value, dict):
        return {key: as_json(item) for key, item in value.items()}
    if isinstance(value, tuple):
        return [as_json(item) for item in value]
    return value
