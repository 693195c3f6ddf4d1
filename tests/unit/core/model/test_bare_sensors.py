"""Bare numbers of house and weather: what is read, and what it stands for."""

from __future__ import annotations

import pytest
from hypothesis import given, strategies as st

from microgrid_core.contract.bare_number import parse_bare_number
from microgrid_core.contract.reading import Rejection, RejectReason
from microgrid_core.model.bare_sensors import WEATHER_METRICS, house_metric
from microgrid_core.model.guard import plausible
from microgrid_core.model.site import SITE


@pytest.mark.parametrize(
    ("payload", "number"),
    [(b"23.5", 23.5), (b" -4 \n", -4.0), (b"+.5", 0.5), (b"5.", 5.0), (b"1e-3", 0.001), (b"007", 7.0)],
)
def test_numbers(payload: bytes, number: float) -> None:
    assert parse_bare_number(payload) == number


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (b"", RejectReason.BAD_VALUE),
        (b"nan", RejectReason.BAD_VALUE),
        (b"inf", RejectReason.BAD_VALUE),
        (b"-Infinity", RejectReason.BAD_VALUE),
        (b"1e999", RejectReason.BAD_VALUE),
        (b"23,5", RejectReason.BAD_VALUE),
        (b"23.5 C", RejectReason.BAD_VALUE),
        (b"0x10", RejectReason.BAD_VALUE),
        (b"1_000", RejectReason.BAD_VALUE),
        (b'{"value": 1}', RejectReason.BAD_VALUE),
        ("٣".encode(), RejectReason.BAD_VALUE),
        (b"\xff", RejectReason.NOT_UTF8),
        (b"1" * 33, RejectReason.TOO_LARGE),
    ],
)
def test_no_numbers(payload: bytes, reason: RejectReason) -> None:
    refused = parse_bare_number(payload)
    assert isinstance(refused, Rejection)
    assert refused.reason is reason


@given(st.binary(max_size=40))
def test_nothing_raises(payload: bytes) -> None:
    assert isinstance(parse_bare_number(payload), (float, Rejection))


@pytest.mark.parametrize(
    ("name", "unit", "device_class", "too_much"),
    [
        ("outdoor_temp", "°C", "temperature", 85.1),
        ("Cellar_HUM", "%", "humidity", 100.1),
        ("air_press", "hPa", "atmospheric_pressure", 1100.1),
    ],
)
def test_the_end_of_the_name_tells_the_unit(name: str, unit: str, device_class: str, too_much: float) -> None:
    metric = house_metric(name)
    assert metric is not None
    assert (metric.key, metric.unit, metric.device_class) == (f"house_{name}", unit, device_class)
    assert plausible(metric, too_much) is None
    assert plausible(metric, too_much - 0.2) is not None


def test_any_other_name_is_a_plain_number_with_a_name_for_people() -> None:
    metric = house_metric("co2-living_room")
    assert metric is not None
    assert (metric.unit, metric.device_class) == (None, None)
    assert metric.placeholders == (("sensor", "Co2 living room"),)
    assert plausible(metric, 1e9) == 1e9


@pytest.mark.parametrize("name", ["", "a b", "ü", "a/b", "x" * 65, "a\n", "$SYS"])
def test_unlawful_names(name: str) -> None:
    assert house_metric(name) is None


def test_every_lawful_name_has_something_to_show() -> None:
    metric = house_metric("__")
    assert metric is not None
    assert metric.placeholders == (("sensor", "__"),)


def test_metrics_belong_to_parts_of_the_site() -> None:
    metric = house_metric("x")
    assert metric is not None
    assert {metric.component, *(row.component for row in WEATHER_METRICS.values())} <= set(SITE.components)
    assert {row.name for row in WEATHER_METRICS.values()} == set(WEATHER_METRICS)
