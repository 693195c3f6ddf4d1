"""Topics and payloads: what a GX sends is read, whatever else arrives is a reason, and nothing raises."""

from __future__ import annotations

import json
import math
import struct
from typing import Any

import pytest
from hypothesis import given, strategies as st

from microgrid_core.gx.value import (
    GONE,
    MAX_PAYLOAD_BYTES,
    Address,
    Gone,
    Reason,
    Told,
    clean,
    parse_address,
    parse_json,
    parse_payload,
    shorten,
    valid_portal,
)

JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)


@pytest.mark.parametrize(
    ("payload", "told"),
    [
        (b'{"value":81.0}', Told(81.0)),
        (b'{"value":null}', Told(None)),
        (b'{"value": null}', Told(None)),
        (b'{"value":[]}', Told(None)),  # the D-Bus way to say that there is none
        (b'{"value":3,"min":1,"max":4}', Told(3, 1.0, 4.0)),
        (b'{"value":3,"min":null,"max":"x"}', Told(3)),
        (b'{"value":3,"min":true,"max":1e400}', Told(3)),
        (b'{"value":"text"}', Told("text")),
        (b'{"value":[1,[2,{"a":null}]]}', Told([1, [2, {"a": None}]])),
        (b'{"value":49.79999923706055}', Told(49.8)),
        (b"", GONE),
    ],
)
def test_payloads(payload: bytes, told: Told | Gone) -> None:
    assert parse_payload(payload) == told


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (b"x", Reason.NOT_JSON),
        (b"3", Reason.NO_VALUE),
        (b"{}", Reason.NO_VALUE),
        (b"[1]", Reason.NO_VALUE),
        (b"\xff\xfe", Reason.NOT_UTF8),
        (b'{"value":NaN}', Reason.BAD_VALUE),
        (b'{"value":[1,Infinity]}', Reason.BAD_VALUE),
        (b'{"value":{"a":-Infinity}}', Reason.BAD_VALUE),
        (b'{"value":' + b"9" * 40 + b"}", Reason.BAD_VALUE),
        (b'{"value":' + b"9" * 5000 + b"}", Reason.NOT_JSON),  # Python refuses to read such a number
        (b'{"value":' + b"[" * 100_000, Reason.TOO_LARGE),
        (b'{"value":' + b"[" * 20_000, Reason.TOO_DEEP),
        (b'{"value":' + b"[" * 20 + b"1" + b"]" * 20 + b"}", Reason.TOO_DEEP),
        (b'{"value":"' + b"x" * MAX_PAYLOAD_BYTES + b'"}', Reason.TOO_LARGE),
    ],
)
def test_refused_payloads(payload: bytes, reason: Reason) -> None:
    found = parse_payload(payload)
    # How deep JSON may be before Python gives up differs between its releases.
    assert found is reason or {found, reason} <= {Reason.TOO_DEEP, Reason.NOT_JSON}


def test_a_value_that_is_no_json() -> None:
    assert clean(object()) is Reason.BAD_VALUE


def test_addresses() -> None:
    address = parse_address("battery/512/Dc/0/Voltage")
    assert address == Address("battery", 512, "/Dc/0/Voltage")
    assert str(address) == "battery/512/Dc/0/Voltage"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "battery",
        "battery/512",
        "battery/512/",
        "battery/x/Soc",
        "battery/-1/Soc",
        "battery/²/Soc",
        "battery/4294967296/Soc",
        "battery/99999999999999/Soc",
        "Battery/0/Soc",
        "../0/Soc",
        "battery/0//Soc",
        "battery/0/a\x00b",
        "battery/0/+",
        "battery/0/#",
        "battery/0/" + "x" * 300,
        "/0/Soc",
    ],
)
def test_refused_addresses(text: str) -> None:
    assert parse_address(text) is None


@pytest.mark.parametrize(
    ("portal", "valid"),
    [("c0619ab00001", True), ("", False), ("+", False), ("a/b", False), ("x" * 33, False), (7, False)],
)
def test_portals(portal: object, valid: bool) -> None:
    assert valid_portal(portal) is valid


@given(st.binary(max_size=200))
def test_any_bytes(payload: bytes) -> None:
    assert isinstance(parse_payload(payload), Told | Gone | Reason)
    parse_json(payload)


@given(JSON_VALUES)
def test_any_json(value: Any) -> None:
    found = parse_payload(json.dumps({"value": value}).encode())
    assert isinstance(found, Told | Reason)
    if isinstance(found, Told):
        json.dumps(found.value, allow_nan=False)  # what was taken may go anywhere


@given(st.text(max_size=300))
def test_any_topic(text: str) -> None:
    if (address := parse_address(text)) is not None:
        assert parse_address(str(address)) == address


@given(st.floats(width=32, allow_nan=False, allow_infinity=False))
def test_shortened_floats_are_the_same_single(value: float) -> None:
    short = shorten(value)
    assert struct.pack("f", short) == struct.pack("f", value)
    assert len(repr(short)) <= len(repr(value))


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_doubles_keep_what_they_are_worth(value: float) -> None:
    assert math.isclose(shorten(value), value, rel_tol=1e-7)
