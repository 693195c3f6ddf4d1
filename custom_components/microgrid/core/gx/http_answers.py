"""Reading the answers of the D-Bus HTTP API in both of its dialects. Whatever arrives, nothing here raises.

The older server only reads and says 500 when the D-Bus fails; the newer one says 404 with a null value, and
answers empty lists where it failed.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Final

from .value import MAX_INSTANCE, Reason, Told, Value, clean, parse_json, valid_path, valid_service

MAX_ANSWER_BYTES: Final = 2 * 1024 * 1024
"""All settings with their texts are some 150 kB."""
MAX_SERVICES: Final = 256
_NAME: Final = re.compile(r"com\.victronenergy\.([a-z][a-z0-9]{0,31})(?:\.[A-Za-z0-9_-]{1,128})?\Z")
_MAX_TEXT: Final = 300


@dataclass(frozen=True, slots=True)
class Failure:
    """An answer that is no success: the status and what the server says about it."""

    status: int
    text: str


@dataclass(frozen=True, slots=True)
class Health:
    """Who answers."""

    newer: bool
    """Whether it is the dialect that may write."""
    version: str


def parse_health(status: int, body: bytes) -> Health | Failure | Reason:
    """Read the answer to GET /health."""
    told = _object(status, body)
    if not isinstance(told, dict):
        return told
    if told.get("status") != "healthy":
        return Failure(status, _text(told.get("status")))
    return Health("uptime_seconds" in told or "version" in told, _text(told.get("version")))


def parse_services(status: int, body: bytes) -> tuple[str, ...] | Failure | Reason:
    """Read the answer to GET /services: full names on the D-Bus. No service at all is a failure."""
    told = _object(status, body)
    if not isinstance(told, dict):
        return told
    names = told.get("services")
    if not isinstance(names, list):
        return Reason.BAD_ANSWER
    found = tuple(name for name in names[:MAX_SERVICES] if isinstance(name, str) and service_type(name))
    return found or Failure(status, "no services: the D-Bus did not answer")


def parse_value(status: int, body: bytes) -> Told | Failure | Reason:
    """Read the answer to GET or POST /value for one path; an empty array is a value that is not valid."""
    told = _object(status, body)
    if not isinstance(told, dict):
        return told
    if "value" not in told:
        return Reason.NO_VALUE
    value = clean(told["value"])
    return value if isinstance(value, Reason) else Told(value)


def parse_root(status: int, body: bytes) -> dict[str, Value] | Failure | Reason:
    """Read the answer to GET /value for `/`: all paths of a service, with the slash they come without."""
    told = _object(status, body)
    if not isinstance(told, dict):
        return told
    values = told.get("value")
    if not isinstance(values, dict):
        return Reason.NO_VALUE
    return _paths(values)


def parse_settings(status: int, body: bytes) -> dict[str, Value] | Failure | Reason:
    """Read the answer to GET /settings: values and texts by path."""
    told = _object(status, body)
    if not isinstance(told, dict):
        return told
    values = told.get("settings")
    if not isinstance(values, dict):
        return Reason.NO_VALUE
    if not values:
        return Failure(status, "no settings: the D-Bus did not answer")
    return _paths(
        {
            path: entry["Value"]
            for path, entry in values.items()
            if isinstance(entry, dict) and "Value" in entry
        }
    )


def service_type(name: str) -> str | None:
    """Return `battery` for `com.victronenergy.battery.socketcan_can0`; None for what is no service."""
    found = _NAME.match(name)
    return found[1] if found is not None and valid_service(found[1]) else None


def instance_of(values: dict[str, Value]) -> int:
    """Return the instance that a service tells; 0 where it tells none, as the GX's own services do."""
    told = values.get("/DeviceInstance")
    return told if isinstance(told, int) and not isinstance(told, bool) and 0 <= told <= MAX_INSTANCE else 0


def _object(status: int, body: bytes) -> dict[str, Any] | Failure | Reason:
    """Return the JSON object of a success."""
    told = parse_json(body, MAX_ANSWER_BYTES)
    if isinstance(told, Reason):
        return Failure(status, "") if status != 200 else told
    if not isinstance(told, dict):
        return Failure(status, "") if status != 200 else Reason.BAD_ANSWER
    if status != 200 or told.get("success") is not True:
        texts = [_text(told.get(field)) for field in ("error", "message", "hint")]
        return Failure(status, ": ".join(text for text in texts if text))
    return told


def _paths(values: dict[str, Any]) -> dict[str, Value]:
    """Return what is readable among many values; one bad value must not cost the others."""
    found: dict[str, Value] = {}
    for key, raw in values.items():
        path = key if key.startswith("/") else f"/{key}"
        value = clean(raw)
        if valid_path(path) and not isinstance(value, Reason):
            found[path] = value
    return found


def _text(value: object) -> str:
    """Return a text that may be shown: short and on one line."""
    return " ".join(value.split())[:_MAX_TEXT] if isinstance(value, str) else ""
