"""Reading what a GX says: topics, payloads and values. Whatever arrives, nothing here raises."""

from __future__ import annotations

import json
import math
import re
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final, NamedTuple, TypeAlias

Value: TypeAlias = "bool | int | float | str | Sequence[Value] | Mapping[str, Value] | None"
"""A value of the D-Bus; None is one that is not valid now."""
Scalar: TypeAlias = bool | int | float | str | None

MAX_PAYLOAD_BYTES: Final = 64 * 1024
"""Statistics of a CAN interface have some 4 kB, the list of Wi-Fi networks some 20 kB."""
MAX_PATH_CHARACTERS: Final = 256
MAX_INSTANCE: Final = 2**32 - 1
_MAX_DEPTH: Final = 12
_MAX_INTEGER: Final = 2**64
_PORTAL: Final = re.compile(r"[0-9A-Za-z]{1,32}\Z")
_SERVICE: Final = re.compile(r"[a-z][a-z0-9_]{0,31}\Z")
_PATH: Final = re.compile(r"(?:/[^/\x00-\x1f\x7f#+]+)+\Z")
_INVALID: Final = (b'{"value":null}', b'{"value": null}')


class Reason(StrEnum):
    """Why something was refused; each is a counter."""

    BAD_TOPIC = "bad_topic"
    TOO_LARGE = "too_large"
    NOT_UTF8 = "not_utf8"
    NOT_JSON = "not_json"
    TOO_DEEP = "too_deep"
    NO_VALUE = "no_value"
    BAD_VALUE = "bad_value"
    TREE_FULL = "tree_full"
    """More devices or paths than any GX has."""
    BAD_ANSWER = "bad_answer"
    """An HTTP answer that is not what was asked for."""


class Address(NamedTuple):
    """One value of one device; `battery/512/Soc`."""

    service: str
    instance: int
    path: str

    def __str__(self) -> str:
        """Write it as in a topic."""
        return f"{self.service}/{self.instance}{self.path}"


class Told(NamedTuple):
    """A value and the limits that came with it."""

    value: Value
    minimum: float | None = None
    maximum: float | None = None


@dataclass(frozen=True, slots=True)
class Gone:
    """An empty payload: the device left the bus."""


GONE: Final = Gone()
NOTHING: Final = Told(None)


def parse_address(text: str) -> Address | None:
    """Read `service/instance/path`."""
    service, _, rest = text.partition("/")
    instance, slash, path = rest.partition("/")
    if (
        not slash
        or _SERVICE.match(service) is None
        or not (instance.isascii() and instance.isdecimal())
        or len(instance) > 10
        or (number := int(instance)) > MAX_INSTANCE
        or not valid_path(slash + path)
    ):
        return None
    return Address(service, number, slash + path)


def valid_portal(text: object) -> bool:
    """Whether this may be the id of a GX: it becomes part of topics."""
    return isinstance(text, str) and _PORTAL.match(text) is not None


def valid_path(path: str) -> bool:
    """Whether this may be a path of a service."""
    return len(path) <= MAX_PATH_CHARACTERS and _PATH.match(path) is not None


def valid_service(service: str) -> bool:
    """Whether this may be the type of a service."""
    return _SERVICE.match(service) is not None


def parse_payload(payload: bytes) -> Told | Gone | Reason:
    """Read `{"value": …, "min": …, "max": …}`; an empty payload is a device that left."""
    if not payload:
        return GONE
    if payload in _INVALID:
        return NOTHING
    message = parse_json(payload)
    if isinstance(message, Reason):
        return message
    if not isinstance(message, dict) or "value" not in message:
        return Reason.NO_VALUE
    value = clean(message["value"])
    if isinstance(value, Reason):
        return value
    if len(message) == 1:
        return Told(value)
    return Told(value, _bound(message.get("min")), _bound(message.get("max")))


def parse_json(payload: bytes, limit: int = MAX_PAYLOAD_BYTES) -> Any | Reason:
    """Read JSON of a size and depth that a GX sends."""
    if len(payload) > limit:
        return Reason.TOO_LARGE
    try:
        return json.loads(payload.decode())
    except UnicodeDecodeError:
        return Reason.NOT_UTF8
    except ValueError:
        return Reason.NOT_JSON
    except RecursionError:
        return Reason.TOO_DEEP


def clean(value: object, depth: int = 0) -> Value | Reason:
    """Return a value as the tree holds it: finite, of bounded depth, without the noise of 32-bit floats.

    An empty array is how the D-Bus says that there is no value.
    """
    if value is None or isinstance(value, bool | str):
        return value
    if isinstance(value, int):
        return value if -_MAX_INTEGER < value < _MAX_INTEGER else Reason.BAD_VALUE
    if isinstance(value, float):
        return shorten(value) if math.isfinite(value) else Reason.BAD_VALUE
    if depth >= _MAX_DEPTH:
        return Reason.TOO_DEEP
    if isinstance(value, list):
        if not value and depth == 0:
            return None
        items = [clean(item, depth + 1) for item in value]
        return next((item for item in items if isinstance(item, Reason)), items)
    if isinstance(value, dict):
        fields = {str(key): clean(item, depth + 1) for key, item in value.items()}
        return next((item for item in fields.values() if isinstance(item, Reason)), fields)
    return Reason.BAD_VALUE


def shorten(value: float) -> float:
    """Return the shortest number of the same 32-bit float, if the value is one: 49.79999923706055 is 49.8."""
    if value.is_integer() or not _is_single(value):
        return value
    for digits in (6, 7, 8):
        short = float(f"{value:.{digits}g}")
        if _single(short) == value:
            return short
    return value


def _is_single(value: float) -> bool:
    return 1e-30 < abs(value) < 3e38 and _single(value) == value


def _single(value: float) -> float:
    found: float = struct.unpack("f", struct.pack("f", value))[0]
    return found


def _bound(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return float(value) if abs(value) < _MAX_INTEGER else None
