"""Reading hostile JSON: one cursor that names the path of whatever is wrong."""

from __future__ import annotations

import functools
import json
import math
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any, NoReturn, ParamSpec, TypeVar

_Choice = TypeVar("_Choice", bound=StrEnum)
_P = ParamSpec("_P")
_M = TypeVar("_M")

MAX_PAYLOAD_BYTES = 256 * 1024
MAX_DEPTH = 16
MAX_FUTURE = timedelta(days=1)
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")
# Years 1000 to 2999, so that sums of times cannot overflow; no hour 24, which only newer Pythons read.
_TIME = re.compile(r"[12]\d{3}-\d\d-\d\dT([01]\d|2[0-3]):\d\d:\d\d(\.\d{1,6})?Z", re.ASCII)


class RejectReason(StrEnum):
    """Why a message was refused; each is a counter."""

    BAD_TOPIC = "bad_topic"
    BAD_NODE_ID = "bad_node_id"
    TOO_LARGE = "too_large"
    NOT_UTF8 = "not_utf8"
    NOT_JSON = "not_json"
    TOO_DEEP = "too_deep"
    WRONG_TYPE = "wrong_type"
    MISSING_FIELD = "missing_field"
    BAD_VALUE = "bad_value"
    FUTURE_TIME = "future_time"
    PROTOCOL_TOO_NEW = "protocol_too_new"
    UNKNOWN_NODE = "unknown_node"
    DUPLICATE = "duplicate"
    OUTDATED = "outdated"


@dataclass(frozen=True, slots=True)
class Rejection:
    """A refused message: the reason for the counter, the detail for one log line."""

    reason: RejectReason
    detail: str


class Refused(Exception):
    """Raised inside a parser; never leaves the contract package."""

    def __init__(self, reason: RejectReason, detail: str) -> None:
        """Keep what the rejection needs."""
        super().__init__(detail)
        self.rejection = Rejection(reason, detail)


def parser(parse: Callable[_P, _M]) -> Callable[_P, _M | Rejection]:
    """Turn refusals into values: nothing that a device sends may raise."""

    @functools.wraps(parse)
    def safe(*args: _P.args, **kwargs: _P.kwargs) -> _M | Rejection:
        try:
            return parse(*args, **kwargs)
        except Refused as refused:
            return refused.rejection

    return safe


def _no_constant(name: str) -> NoReturn:
    raise Refused(RejectReason.NOT_JSON, f"{name} is no JSON number")


def _depth(value: object, limit: int) -> bool:
    """Whether `value` nests deeper than `limit`."""
    level: list[object] = [value]
    for _ in range(limit):
        level = [
            item
            for container in level
            if isinstance(container, (dict, list))
            for item in (container.values() if isinstance(container, dict) else container)
        ]
        if not level:
            return False
    return True


def decode_text(payload: bytes, limit: int = MAX_PAYLOAD_BYTES) -> str:
    """Return the payload as text."""
    if len(payload) > limit:
        raise Refused(RejectReason.TOO_LARGE, f"{len(payload)} bytes, at most {limit}")
    try:
        return payload.decode("utf-8")
    except UnicodeDecodeError as error:
        raise Refused(RejectReason.NOT_UTF8, f"byte {error.start} is no UTF-8") from None


def decode_object(payload: bytes) -> Fields:
    """Return the payload as the fields of a JSON object."""
    text = decode_text(payload)
    try:
        value = json.loads(text, parse_constant=_no_constant)
    except RecursionError:
        raise Refused(RejectReason.TOO_DEEP, f"nested deeper than {MAX_DEPTH}") from None
    except ValueError as error:  # also integers of more digits than Python converts
        raise Refused(RejectReason.NOT_JSON, str(error)[:100]) from None
    if not isinstance(value, dict):
        raise Refused(RejectReason.WRONG_TYPE, "the payload is no JSON object")
    if _depth(value, MAX_DEPTH):
        raise Refused(RejectReason.TOO_DEEP, f"nested deeper than {MAX_DEPTH}")
    return Fields(value, "")


def clean_text(value: str, limit: int) -> str:
    """Return the text without control and direction characters, cut to `limit`; lone surrogates replaced."""
    value = value.encode("utf-8", "replace").decode("utf-8")
    return _CONTROL.sub("", value).strip()[:limit].rstrip()


def parse_time(value: str) -> datetime | None:
    """Read an ISO 8601 time in UTC with `Z`; None when it is none."""
    if _TIME.fullmatch(value) is None:
        return None
    try:
        return datetime.fromisoformat(value)
    except ValueError:
        return None


def format_time(time: datetime) -> str:
    """Write a time as the contract wants it: UTC, milliseconds, `Z`."""
    return time.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.") + f"{time.microsecond // 1000:03d}Z"


class Fields:
    """The fields of one JSON object; every getter checks type and range or refuses the message."""

    __slots__ = ("_path", "_values")

    def __init__(self, values: dict[str, Any], path: str) -> None:
        """Wrap the object found at `path`."""
        self._values = values
        self._path = path

    def _get(self, key: str) -> Any:
        if key not in self._values:
            raise Refused(RejectReason.MISSING_FIELD, f"{self._path}{key} is missing")
        return self._values[key]

    def _wrong(self, key: str, expected: str) -> Refused:
        return Refused(RejectReason.WRONG_TYPE, f"{self._path}{key} is no {expected}")

    def _bad(self, key: str, why: str) -> Refused:
        return Refused(RejectReason.BAD_VALUE, f"{self._path}{key} {why}")

    def has(self, key: str) -> bool:
        """Whether the field is there and not null."""
        return self._values.get(key) is not None

    def integer(self, key: str, low: int = 0, high: int = 2**53) -> int:
        """An integer within [low, high]."""
        value = self._get(key)
        if isinstance(value, bool) or not isinstance(value, int):
            raise self._wrong(key, "integer")
        if not low <= value <= high:
            raise self._bad(key, f"is not within {low} … {high}")
        return value

    def number(self, key: str, low: float = -math.inf, high: float = math.inf) -> float:
        """A finite number within [low, high]."""
        value = self._get(key)
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise self._wrong(key, "number")
        try:
            value = float(value)
        except OverflowError:
            value = math.inf
        if not math.isfinite(value) or not low <= value <= high:
            raise self._bad(key, f"is not within {low} … {high}")
        return value

    def flag(self, key: str) -> bool:
        """True or false."""
        value = self._get(key)
        if not isinstance(value, bool):
            raise self._wrong(key, "boolean")
        return value

    def text(self, key: str, limit: int = 64, pattern: re.Pattern[str] | None = None) -> str:
        """A text of 1 … `limit` characters after cleaning, matching the pattern when there is one."""
        value = self._get(key)
        if not isinstance(value, str):
            raise self._wrong(key, "text")
        if pattern is not None:
            if pattern.fullmatch(value) is None:
                raise self._bad(key, f"does not match {pattern.pattern}")
            return value
        if not (value := clean_text(value, limit)):
            raise self._bad(key, "is empty")
        return value

    def choice(self, key: str, among: type[_Choice]) -> _Choice:
        """A member of an enumeration by its value."""
        value = self._get(key)
        if not isinstance(value, str):
            raise self._wrong(key, "text")
        try:
            return among(value)
        except ValueError:
            raise self._bad(key, f"is none of {', '.join(among)}") from None

    def numbered_choice(self, key: str, among: type[_Choice]) -> _Choice:
        """A member of an enumeration by its value or by its number, counted from 0."""
        value = self._get(key)
        if isinstance(value, bool) or not isinstance(value, int):
            return self.choice(key, among)
        members = tuple(among)
        if not 0 <= value < len(members):
            raise self._bad(key, f"is not within 0 … {len(members) - 1}")
        return members[value]

    def time(self, key: str, now: datetime | None = None) -> datetime:
        """A UTC time; refused when it lies more than a day after `now`."""
        value = self._get(key)
        if not isinstance(value, str):
            raise self._wrong(key, "text")
        if (time := parse_time(value)) is None:
            raise self._bad(key, "is no UTC time such as 2026-01-31T12:00:00.000Z")
        if now is not None and time > now + MAX_FUTURE:
            raise Refused(RejectReason.FUTURE_TIME, f"{self._path}{key} lies more than a day in the future")
        return time

    def object(self, key: str) -> Fields:
        """A JSON object."""
        value = self._get(key)
        if not isinstance(value, dict):
            raise self._wrong(key, "object")
        return Fields(value, f"{self._path}{key}.")

    def objects(self, key: str, limit: int) -> list[Fields]:
        """A list of at most `limit` JSON objects."""
        found = self.array(key, limit)
        for position, value in enumerate(found):
            if not isinstance(value, dict):
                raise self._wrong(f"{key}[{position}]", "object")
        return [Fields(value, f"{self._path}{key}[{position}].") for position, value in enumerate(found)]

    def array(self, key: str, limit: int) -> list[Any]:
        """A list of at most `limit` things."""
        value = self._get(key)
        if not isinstance(value, list):
            raise self._wrong(key, "list")
        if len(value) > limit:
            raise self._bad(key, f"has {len(value)} items, at most {limit}")
        return value

    def pairs(self, key: str, limit: int) -> Iterator[Fields]:
        """Yield every item of a list of pairs as an object with the fields `0` and `1`."""
        for position, value in enumerate(self.array(key, limit)):
            if not isinstance(value, list) or len(value) != 2:
                raise self._wrong(f"{key}[{position}]", "pair")
            yield Fields(dict(zip("01", value, strict=True)), f"{self._path}{key}[{position}].")

    def texts(self, key: str, limit: int, pattern: re.Pattern[str]) -> tuple[str, ...]:
        """A list of texts that match the pattern."""
        found = self.array(key, limit)
        for position, value in enumerate(found):
            if not isinstance(value, str):
                raise self._wrong(f"{key}[{position}]", "text")
            if pattern.fullmatch(value) is None:
                raise self._bad(f"{key}[{position}]", f"does not match {pattern.pattern}")
        return tuple(found)

    def free_texts(self, key: str, limit: int, length: int) -> tuple[str, ...]:
        """A list of texts of 1 … `length` characters after cleaning."""
        items = {f"{key}[{position}]": value for position, value in enumerate(self.array(key, limit))}
        fields = Fields(items, self._path)
        return tuple(fields.text(item, length) for item in items)

    def items(self, key: str, limit: int) -> Iterator[tuple[str, Any]]:
        """Yield the items of an object field that has at most `limit`."""
        value = self._get(key)
        if not isinstance(value, dict):
            raise self._wrong(key, "object")
        if len(value) > limit:
            raise self._bad(key, f"has {len(value)} items, at most {limit}")
        yield from value.items()
