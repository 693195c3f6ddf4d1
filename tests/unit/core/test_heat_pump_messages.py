"""Messages of the heat pump node: what is read of them and what is refused."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, strategies as st

from microgrid_core.contract.heat_pump import (
    HeatPumpReading,
    heat_pump_node_id,
    parse_heat_pump_alerts,
    parse_heat_pump_data,
    parse_heat_pump_online,
)
from microgrid_core.contract.messages import Severity
from microgrid_core.contract.reading import Rejection, RejectReason
from microgrid_core.contract.topics import IDENTIFIER
from microgrid_core.model.heat_pump import HEAT_PUMP

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
MEASURED = (
    *("temp_inlet", "temp_outlet", "temp_ambient", "temp_compressor"),
    *("voltage", "current", "pressure_high", "pressure_low"),
)


def sample(**changes: Any) -> dict[str, Any]:
    """The sample of the source documents."""
    return {
        "device": "hp-1",
        "timestamp": int(NOW.timestamp() * 1000),
        "version": "1.0",
        "temperature": {"inlet": 45.2, "outlet": 50.1, "ambient": 25.0, "compressor": 70.5},
        "electrical": {"voltage": 230.5, "current": 8.5, "power": 1959.25},
        "pressure": {"high": 280, "low": 70},
        "status": {"compressor": True, "fan": True, "defrost": False},
        "alerts": {"voltage": 0, "compressor_temp": 0, "pressure_high": 0, "pressure_low": 0, "current": 0},
        "valid": dict.fromkeys(MEASURED, True),
        **changes,
    }


def read(message: object) -> tuple[HeatPumpReading, ...]:
    """The readings of a message that is accepted."""
    found = parse_heat_pump_data(json.dumps(message).encode(), NOW)
    assert not isinstance(found, Rejection), found
    return found


def test_the_sample_of_the_source_documents() -> None:
    (reading,) = read(sample())
    assert reading.time == NOW
    assert reading.values == {
        "temp_inlet": 45.2,
        "temp_outlet": 50.1,
        "temp_ambient": 25.0,
        "temp_compressor": 70.5,
        "voltage": 230.5,
        "current": 8.5,
        "pressure_high": 280.0,
        "pressure_low": 70.0,
        "compressor_running": True,
        "fan_running": True,
        "defrost_active": False,
    }
    assert reading.lost is None
    assert set(reading.alerts.values()) == {None}
    assert set(reading.values) <= set(HEAT_PUMP.by_key)


@pytest.mark.parametrize("flag", [False, None, "true", 2, 0])
@pytest.mark.parametrize("key", MEASURED)
def test_a_value_counts_only_with_its_flag(key: str, flag: object) -> None:
    (reading,) = read(sample(valid={**sample()["valid"], key: flag}))
    assert [name for name, value in reading.values.items() if value is None] == [key]


def test_without_flags_nothing_is_valid() -> None:
    (reading,) = read({key: value for key, value in sample().items() if key != "valid"})
    assert [name for name, value in reading.values.items() if value is not None] == [
        "compressor_running",
        "fan_running",
        "defrost_active",
    ]


def test_a_value_that_is_no_finite_number_is_not_valid() -> None:
    text = json.dumps(sample()).replace("45.2", "1e999").replace("50.1", '"hot"')
    found = parse_heat_pump_data(text.encode(), NOW)
    assert not isinstance(found, Rejection)
    assert (found[0].values["temp_inlet"], found[0].values["temp_outlet"]) == (None, None)


@pytest.mark.parametrize(
    ("timestamp", "time"),
    [
        (NOW.timestamp() * 1000 - 86_400_000, NOW - timedelta(days=1)),
        (NOW.timestamp() * 1000 + 299_000, NOW + timedelta(seconds=299)),
        (NOW.timestamp() * 1000 + 301_000, None),
        (12345, None),
        (1577836799000, None),
        (-1, None),
        (1e300, None),
        ("now", None),
        (None, None),
    ],
)
def test_a_clock_that_is_not_set_tells_no_time(timestamp: object, time: datetime | None) -> None:
    assert read(sample(timestamp=timestamp))[0].time == time


@pytest.mark.parametrize("wrap", [lambda batch: batch, lambda batch: {"device": "x", "readings": batch}])
def test_buffered_readings_come_as_a_list(wrap: Any) -> None:
    batch = [sample(timestamp=NOW.timestamp() * 1000 - age * 10_000) for age in (2, 1, 0)]
    assert [reading.time for reading in read(wrap(batch))] == [
        NOW - timedelta(seconds=20),
        NOW - timedelta(seconds=10),
        NOW,
    ]


@pytest.mark.parametrize(("told", "lost"), [(7, 7), (0, 0), (True, 1), (False, 0), (-1, None), ("x", None)])
def test_what_the_buffer_lost(told: object, lost: int | None) -> None:
    assert read(sample(overflow=told))[0].lost == lost


def test_alert_levels() -> None:
    (reading,) = read(
        sample(alerts={"voltage": 1, "current": 2, "pressure_low": 0, "fire": 2, "pressure_high": 9})
    )
    assert reading.alerts == {
        "HP_NODE_VOLTAGE": Severity.WARNING,
        "HP_NODE_CURRENT": Severity.CRITICAL,
        "HP_NODE_P_LOW": None,
    }


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (b"", RejectReason.NOT_JSON),
        (b"[", RejectReason.NOT_JSON),
        (b"[]", RejectReason.MISSING_FIELD),
        (b"{}", RejectReason.MISSING_FIELD),
        (b"[1]", RejectReason.WRONG_TYPE),
        (b"5", RejectReason.WRONG_TYPE),
        (b'{"temperature": 5}', RejectReason.WRONG_TYPE),
        (b'{"temperature": {"inlet": NaN}}', RejectReason.NOT_JSON),
        (b'{"device":17,"temperature":[', RejectReason.NOT_JSON),
        (b"\xff\xfe", RejectReason.NOT_UTF8),
        (b"[" * 100_000, RejectReason.TOO_DEEP),
        (b" " * (256 * 1024 + 1), RejectReason.TOO_LARGE),
        (json.dumps([{"status": {}}] * 1025).encode(), RejectReason.BAD_VALUE),
    ],
)
def test_refusals(payload: bytes, reason: RejectReason) -> None:
    refused = parse_heat_pump_data(payload, NOW)
    assert isinstance(refused, Rejection)
    assert refused.reason is reason


@pytest.mark.parametrize(
    ("payload", "online"),
    [
        (b"online", True),
        (b"true", True),
        (b"1", True),
        (b"Offline\n", False),
        (b"false", False),
        (b"0", False),
    ],
)
def test_online(payload: bytes, online: bool) -> None:
    assert parse_heat_pump_online(payload) is online


@pytest.mark.parametrize("payload", [b"", b"maybe", b"online" * 9, b"\xff"])
def test_not_online(payload: bytes) -> None:
    assert isinstance(parse_heat_pump_online(payload), Rejection)


@pytest.mark.parametrize(
    ("message", "alerts"),
    [
        ({"type": "voltage_high", "level": "warning"}, {"HP_NODE_VOLTAGE": Severity.WARNING}),
        ({"type": "current", "severity": 2, "value": 16}, {"HP_NODE_CURRENT": Severity.CRITICAL}),
        ({"type": "compressor_temp", "level": "cleared"}, {"HP_NODE_COMP_HOT": None}),
        ({"pressure_low": 1, "voltage": 0}, {"HP_NODE_P_LOW": Severity.WARNING, "HP_NODE_VOLTAGE": None}),
        ({"alerts": {"pressure_high": 2}}, {"HP_NODE_P_HIGH": Severity.CRITICAL}),
        (
            [{"type": "voltage_low", "level": 1}, {"type": "current", "level": 2}],
            {"HP_NODE_VOLTAGE": Severity.WARNING, "HP_NODE_CURRENT": Severity.CRITICAL},
        ),
    ],
)
def test_alerts(message: object, alerts: dict[str, Severity | None]) -> None:
    assert parse_heat_pump_alerts(json.dumps(message).encode()) == alerts


@pytest.mark.parametrize(
    "message", [{}, [], {"type": "fire", "level": 1}, {"type": "current", "level": 3}, {"type": "current"}, 7]
)
def test_no_alerts(message: object) -> None:
    assert isinstance(parse_heat_pump_alerts(json.dumps(message).encode()), Rejection)


@pytest.mark.parametrize(
    ("device", "node_id"),
    [
        ("001", "heat_pump_001"),
        ("HP-1", "heat_pump_hp-1"),
        ("heatpump_7", "heat_pump_7"),
        ("heat-pump", "heat_pump"),
        ("ESP32 A1:B2", "heat_pump_esp32_a1_b2"),
        ("", None),
        ("ü", None),
        ("../etc", None),
        ("a" * 65, None),
        ("a\n", None),
    ],
)
def test_node_ids(device: str, node_id: str | None) -> None:
    assert heat_pump_node_id(device) == node_id


def test_long_device_ids_stay_apart() -> None:
    ids = {heat_pump_node_id("x" * 50 + str(number)) for number in range(100)}
    assert len(ids) == 100
    assert all(node_id is not None and IDENTIFIER.fullmatch(node_id) for node_id in ids)


@given(st.text(st.characters(codec="ascii"), max_size=70))
def test_every_node_id_is_lawful(device: str) -> None:
    node_id = heat_pump_node_id(device)
    assert node_id is None or re.fullmatch(IDENTIFIER, node_id)


junk = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3),
    max_leaves=8,
)


@given(st.binary(max_size=60), st.dictionaries(st.sampled_from([*sample(), "readings", "overflow"]), junk))
def test_nothing_raises(payload: bytes, changes: dict[str, Any]) -> None:
    for message in (payload, json.dumps(sample(**changes)).encode(), json.dumps([changes]).encode()):
        parse_heat_pump_data(message, NOW)
        parse_heat_pump_alerts(message)
        parse_heat_pump_online(message)
