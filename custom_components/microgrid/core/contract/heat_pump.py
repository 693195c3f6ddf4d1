"""Messages of the heat pump node, kept as its source documents have them; parsers never raise.

Topics `heatpump/{id}/data`, `heatpump/{id}/status/online` and `heatpump/{id}/alerts`. A data message is one
reading, a list of readings, or an object with a list `readings` (what was buffered while the network was
away).
"""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from types import MappingProxyType

from .messages import Scalar, Severity
from .reading import MAX_PAYLOAD_BYTES, Fields, Refused, RejectReason, decode_object, decode_text, parser

ROOT = "heatpump"
DATA = "data"
ONLINE = "status/online"
ALERTS = "alerts"

MAX_READINGS = 1024
_MAX_ALERTS = 16
_MAX_LOST = 2**53
_NODE_PREFIX = "heat_pump"
_NODE_LENGTH = 32
_DIGEST_LENGTH = 8
_DEVICE = re.compile(r"[A-Za-z0-9][A-Za-z0-9 .:_-]{0,63}", re.ASCII)
_NOT_IN_NODE_ID = re.compile(r"[^a-z0-9_-]")
_REPEATED_PREFIX = re.compile(r"^heat[_-]?pump[_-]?")
_CLOCK_SET_FROM = datetime(2020, 1, 1, tzinfo=UTC)
_CLOCK_AHEAD = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class _Measured:
    """Where a measured value stands in the payload, and its validity flag."""

    section: str
    name: str
    flag: str


_MEASURED: Mapping[str, _Measured] = MappingProxyType(
    {
        "temp_inlet": _Measured("temperature", "inlet", "temp_inlet"),
        "temp_outlet": _Measured("temperature", "outlet", "temp_outlet"),
        "temp_ambient": _Measured("temperature", "ambient", "temp_ambient"),
        "temp_compressor": _Measured("temperature", "compressor", "temp_compressor"),
        "voltage": _Measured("electrical", "voltage", "voltage"),
        "current": _Measured("electrical", "current", "current"),
        "pressure_high": _Measured("pressure", "high", "pressure_high"),
        "pressure_low": _Measured("pressure", "low", "pressure_low"),
    }
)
"""By metric key. `electrical.power` is left out: it is V × I of values that were not sampled together."""

_STATUS: Mapping[str, str] = MappingProxyType(
    {"compressor_running": "compressor", "fan_running": "fan", "defrost_active": "defrost"}
)

ALERT_CODES: Mapping[str, str] = MappingProxyType(
    {
        "voltage": "HP_NODE_VOLTAGE",
        "voltage_high": "HP_NODE_VOLTAGE",
        "voltage_low": "HP_NODE_VOLTAGE",
        "compressor_temp": "HP_NODE_COMP_HOT",
        "compressor_temp_high": "HP_NODE_COMP_HOT",
        "pressure_high": "HP_NODE_P_HIGH",
        "pressure_low": "HP_NODE_P_LOW",
        "current": "HP_NODE_CURRENT",
        "current_high": "HP_NODE_CURRENT",
    }
)
"""Codes of the alerts that the node itself reports, by its name for them."""

_LEVELS: Mapping[object, Severity | None] = MappingProxyType(
    {
        0: None,
        1: Severity.WARNING,
        2: Severity.CRITICAL,
        "none": None,
        "ok": None,
        "normal": None,
        "cleared": None,
        "warning": Severity.WARNING,
        "critical": Severity.CRITICAL,
    }
)
_ONLINE: Mapping[str, bool] = MappingProxyType(
    {
        "online": True,
        "true": True,
        "1": True,
        "on": True,
        "offline": False,
        "false": False,
        "0": False,
        "off": False,
    }
)


@dataclass(frozen=True, slots=True)
class HeatPumpReading:
    """One reading of a heat pump node."""

    time: datetime | None
    """None while the node's clock is not set: before 2020, more than five minutes ahead, or not told."""
    values: Mapping[str, Scalar | None]
    """By metric key; None where the node says that the value is not valid, or does not say that it is."""
    alerts: Mapping[str, Severity | None] = field(default_factory=dict)
    """Code and level (None: no alert) of every alert that the node reports on."""
    lost: int | None = None
    """Readings that its full buffer dropped so far; None when it does not tell."""


def heat_pump_node_id(device: str) -> str | None:
    """Return the lawful and stable node id of a device id from a topic; None to refuse it."""
    if _DEVICE.fullmatch(device) is None:
        return None
    own = _REPEATED_PREFIX.sub("", _NOT_IN_NODE_ID.sub("_", device.lower()))
    node_id = f"{_NODE_PREFIX}_{own}" if own else _NODE_PREFIX
    if len(node_id) <= _NODE_LENGTH:
        return node_id
    digest = hashlib.sha256(device.encode()).hexdigest()[:_DIGEST_LENGTH]
    return f"{node_id[: _NODE_LENGTH - _DIGEST_LENGTH - 1]}_{digest}"


def _section(fields: Fields, key: str) -> Fields:
    return fields.object(key) if fields.has(key) else Fields({}, f"{key}.")


def _number(fields: Fields, key: str) -> float | None:
    """Return a finite number; None for anything else, which is how a broken sensor looks."""
    try:
        return fields.number(key)
    except Refused:
        return None


def _flag(fields: Fields, key: str) -> bool | None:
    """Return a flag, which the node may also write as 0 or 1."""
    try:
        return fields.flag(key)
    except Refused:
        number = _number(fields, key)
        return bool(number) if number in (0.0, 1.0) else None


def _time(fields: Fields, now: datetime) -> datetime | None:
    milliseconds = _number(fields, "timestamp")
    if milliseconds is None or not 0.0 <= milliseconds < 1e14:  # up to the year 5138, which datetime can hold
        return None
    time = datetime.fromtimestamp(milliseconds / 1000.0, UTC)
    return time if _CLOCK_SET_FROM <= time <= now + _CLOCK_AHEAD else None


def _alert_levels(fields: Fields) -> dict[str, Severity | None]:
    """Read `{"voltage": 1, …}`; the worst of several names for one code counts, unknown names do not."""
    found: dict[str, Severity | None] = {}
    for name, code in ALERT_CODES.items():
        if not fields.has(name):
            continue
        try:
            level = _LEVELS[fields.integer(name, 0, 2)]
        except Refused:
            continue
        if found.get(code) is not Severity.CRITICAL:
            found[code] = level or found.get(code)
    return found


def _lost(fields: Fields) -> int | None:
    flag = _flag(fields, "overflow")
    number = _number(fields, "overflow")
    if number is None:  # a mere flag tells that something was lost, if not how much
        return None if flag is None else int(flag)
    return math.floor(number) if 0.0 <= number <= _MAX_LOST else None


def _reading(fields: Fields, now: datetime) -> HeatPumpReading:
    valid = _section(fields, "valid")
    sections = {name: _section(fields, name) for name in ("temperature", "electrical", "pressure")}
    values: dict[str, Scalar | None] = {
        key: _number(sections[where.section], where.name) if _flag(valid, where.flag) else None
        for key, where in _MEASURED.items()
    }
    status = _section(fields, "status")
    values.update({key: _flag(status, name) for key, name in _STATUS.items()})
    return HeatPumpReading(
        time=_time(fields, now),
        values=values,
        alerts=_alert_levels(_section(fields, "alerts")),
        lost=_lost(fields),
    )


def _looks_like_reading(fields: Fields) -> bool:
    return any(fields.has(key) for key in ("temperature", "electrical", "pressure", "status"))


def _decode(payload: bytes, key: str) -> Fields:
    """Return the payload as fields; a bare list becomes the list field `key`."""
    text = decode_text(payload, MAX_PAYLOAD_BYTES)
    if text.lstrip().startswith("["):
        payload = f'{{"{key}":{text}}}'.encode()
    return decode_object(payload)


@parser
def parse_heat_pump_data(payload: bytes, now: datetime) -> tuple[HeatPumpReading, ...]:
    """Read a data message: at least one reading, in the order of the message."""
    fields = _decode(payload, "readings")
    group = fields.objects("readings", MAX_READINGS) if fields.has("readings") else [fields]
    if not group:
        raise Refused(RejectReason.MISSING_FIELD, "readings is empty")
    for item in group:
        if not _looks_like_reading(item):
            raise Refused(
                RejectReason.MISSING_FIELD, "a reading without temperature, electrical, pressure, status"
            )
    return tuple(_reading(item, now) for item in group)


@parser
def parse_heat_pump_online(payload: bytes) -> bool:
    """Read the last will of the node or its opposite."""
    online = _ONLINE.get(decode_text(payload, 16).strip().lower())
    if online is None:
        raise Refused(RejectReason.BAD_VALUE, "neither online nor offline")
    return online


@parser
def parse_heat_pump_alerts(payload: bytes) -> Mapping[str, Severity | None]:
    """Read alerts: `{"type": "voltage_high", "level": "warning"}`, a list of these, or levels by name."""
    fields = _decode(payload, "alerts")
    if not fields.has("alerts"):
        group = [fields]
    else:
        try:
            group = [fields.object("alerts")]
        except Refused:
            group = fields.objects("alerts", _MAX_ALERTS)
    found: dict[str, Severity | None] = {}
    for item in group:
        found.update(_single_alert(item) if item.has("type") else _alert_levels(item))
    if not found:
        raise Refused(RejectReason.BAD_VALUE, f"none of the alerts {', '.join(ALERT_CODES)}")
    return found


def _single_alert(fields: Fields) -> dict[str, Severity | None]:
    name = fields.text("type").lower()
    if (code := ALERT_CODES.get(name)) is None:
        raise Refused(RejectReason.BAD_VALUE, f"type is none of {', '.join(ALERT_CODES)}")
    key = "level" if fields.has("level") else "severity"
    try:
        level: object = fields.integer(key, 0, 2)
    except Refused:
        level = fields.text(key).lower()
    if level not in _LEVELS:
        raise Refused(RejectReason.BAD_VALUE, f"{key} is none of 0, 1, 2, none, warning, critical")
    return {code: _LEVELS[level]}
