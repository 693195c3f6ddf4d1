"""Answers of the D-Bus HTTP API: both dialects, refusals, and whatever else a server may say."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, strategies as st

from microgrid_core.gx import http_answers as answers
from microgrid_core.gx.http_answers import Failure, Health
from microgrid_core.gx.value import Reason, Told
from tests.unit.core.gx.test_value import JSON_VALUES

OK = {"success": True}


@pytest.mark.parametrize(
    ("parse", "status", "body", "found"),
    [
        (answers.parse_value, 200, {"value": [], **OK}, Told(None)),
        (answers.parse_value, 200, {"value": "[]", **OK}, Told("[]")),
        (answers.parse_value, 200, {"value": 1}, Failure(200, "")),
        (answers.parse_value, 200, OK, Reason.NO_VALUE),
        (answers.parse_value, 500, {"error": "a\n b", "success": False}, Failure(500, "a b")),
        (answers.parse_value, 404, {"error": "e", "value": None, "success": False}, Failure(404, "e")),
        (answers.parse_value, 403, {"error": "e", "message": "m", "hint": "h"}, Failure(403, "e: m: h")),
        (
            answers.parse_root,
            200,
            {"value": {"Dc/0/Voltage": 1.5, "/X": [], "": 1}, **OK},
            {"/Dc/0/Voltage": 1.5, "/X": None},
        ),
        (answers.parse_root, 200, {"value": [], **OK}, Reason.NO_VALUE),
        (
            answers.parse_settings,
            200,
            {"settings": {"/A": {"Value": 1, "Text": "1"}, "/B": 2, "/C": {}}, **OK},
            {"/A": 1},
        ),
        (answers.parse_settings, 200, {"settings": [], **OK}, Reason.NO_VALUE),
        (
            answers.parse_services,
            200,
            {"services": ["com.victronenergy.battery.x", "org.x", 5], **OK},
            ("com.victronenergy.battery.x",),
        ),
        (answers.parse_services, 200, {"services": "x", **OK}, Reason.BAD_ANSWER),
        (answers.parse_health, 200, {"status": "healthy", **OK}, Health(False, "")),
        (answers.parse_health, 503, {"status": "ill"}, Failure(503, "")),
    ],
)
def test_answers(parse: Callable[[int, bytes], object], status: int, body: Any, found: object) -> None:
    assert parse(status, json.dumps(body).encode()) == found


PARSERS = (
    answers.parse_value,
    answers.parse_root,
    answers.parse_settings,
    answers.parse_services,
    answers.parse_health,
)


@given(st.sampled_from(PARSERS), st.integers(100, 599), st.binary(max_size=200))
def test_any_bytes(parse: Callable[[int, bytes], object], status: int, body: bytes) -> None:
    parse(status, body)


@given(
    st.sampled_from(PARSERS),
    st.sampled_from(["value", "settings", "services", "status", "error"]),
    JSON_VALUES,
    st.booleans(),
)
def test_any_json(parse: Callable[[int, bytes], object], field: str, told: Any, success: bool) -> None:
    found = parse(200, json.dumps({field: told, "success": success}).encode())
    if isinstance(found, dict):
        json.dumps(found, allow_nan=False)


@pytest.mark.parametrize(
    ("told", "instance"), [(512, 512), (None, 0), (-1, 0), (2**40, 0), (True, 0), ("7", 0), (1.5, 0)]
)
def test_instances(told: Any, instance: int) -> None:
    assert answers.instance_of({"/DeviceInstance": told}) == instance
