"""The table of paths: whole, consistent, right where the source documents were wrong, found by any path."""

from __future__ import annotations

import re
from collections import Counter
from string import Formatter

import pytest
from hypothesis import given, strategies as st

from microgrid_core.gx.enums import ENUMS
from microgrid_core.gx.table import TIERS_S, Area, Kind, PathFact, table

FACTS = table().facts
PLACEHOLDER = re.compile(r"\{([\w.]+)\}")
EXAMPLE = {
    **{"phase": "L2", "n": "3", "day": "30", "slot": "4", "output": "output_1", "if": "vecan0"},
    **{"alarm": "HighVoltage", "A..H": "B", "0..7": "7"},
}
UNITS = {
    *("V", "A", "W", "VA", "kW", "kWh", "Ah", "Hz", "%", "°C", "°", "g", "rpm", "km", "m", "m/s", "m³", "B"),
    *("ms", "s", "h", "d", "kPa", "hPa", "ppm", "lx", "μg/m³", "W/m²"),
}


def filled(fact: PathFact) -> str:
    """A path of the family."""
    return PLACEHOLDER.sub(lambda found: EXAMPLE[found[1]], fact.path)


def test_every_row_is_sound() -> None:
    assert len(FACTS) > 900
    assert not [key for key, count in Counter((f.service, f.path) for f in FACTS).items() if count > 1]
    assert not [key for key, count in Counter((f.service, f.name) for f in FACTS).items() if count > 1]
    assert not [key for key, count in Counter((f.service, f.key) for f in FACTS).items() if count > 1]
    assert {f.tier_s for f in FACTS} == set(TIERS_S)
    assert {f.area for f in FACTS} == set(Area)
    assert {f.enum for f in FACTS if f.enum} == set(ENUMS)
    for fact in FACTS:
        named = {field for _, field, _, _ in Formatter().parse(fact.name) if field}
        known = table().find(fact.service, filled(fact))
        assert known is not None, fact.path
        assert named <= set(known.placeholders), fact.path
        assert "{" not in known.name
        assert fact.unit is None or fact.unit in UNITS, fact.unit
        if fact.kind in (Kind.ALARM, Kind.FLAG, Kind.CHOICE, Kind.BITS):
            assert fact.options, fact.path
        if fact.kind is Kind.FLAG:
            assert set(fact.options) == {0, 1}, fact.path
        if fact.kind is Kind.ALARM:
            assert set(fact.options) <= {0, 1, 2}, fact.path
        if fact.kind is Kind.ACTION:
            assert not fact.enabled, fact.path
        if fact.kind in (Kind.MEASUREMENT, Kind.DURATION) and fact.unit is None:
            assert "PowerFactor" in fact.path, fact.path


def test_each_row_is_found_by_its_own_paths() -> None:
    for fact in FACTS:
        known = table().find(fact.service, filled(fact))
        assert known is not None
        assert known.fact is fact, (fact.path, known.fact.path)


@pytest.mark.parametrize(
    ("service", "path", "value", "text"),
    [
        ("battery", "/Alarms/HighVoltage", 1, "warning"),
        ("battery", "/Alarms/HighVoltage", 2, "alarm"),
        ("vebus", "/Mode", 3, "on"),
        ("vebus", "/Mode", 1, "charger_only"),
        ("vebus", "/State", 8, "passthrough"),
        ("vebus", "/State", 252, "external_control"),
        ("vebus", "/VebusChargeState", 0, "initialising"),
        ("vebus", "/VebusChargeState", 3, "float"),
        ("system", "/SystemState/State", 256, "discharging"),
        ("system", "/SystemState/State", 261, "battery_protect"),
        ("vebus", "/Ac/ActiveIn/ActiveInput", 0, "ac_input_1"),
        ("vebus", "/Ac/ActiveIn/ActiveInput", 240.0, "disconnected"),
        ("temperature", "/TemperatureType", 2, "generic"),
        ("digitalinput", "/Type", 3, "bilge_pump"),
        ("digitalinput", "/Alarm", 2, "alarm"),
        ("platform", "/Notifications/3/Type", 2, "information"),
        ("hub4", "/Overrides/FeedInExcess", 1, "do_not_feed_in"),
        ("tank", "/Alarms/Low/State", 2, "alarm"),
        ("alternator", "/ErrorCode", 52, "battery_disconnect_request"),
        ("system", "/Control/EssState", 10, "battery_life_off"),
        ("platform", "/Mqtt/Bridges/GXdbus/Connected", True, "yes"),
    ],
)
def test_corrected_meanings(service: str, path: str, value: float, text: str) -> None:
    known = table().find(service, path)
    assert known is not None
    assert known.fact.text(value) == text


@pytest.mark.parametrize(
    ("service", "path", "kind", "unit"),
    [
        ("tank", "/Alarms/High/Active", Kind.NUMBER, "%"),  # a threshold, not a state
        ("system", "/Control/VebusSoc", Kind.FLAG, None),  # no choice of source
        ("system", "/Control/ExtraBatteryCurrent", Kind.FLAG, None),  # no amperes
        ("pvinverter", "/Ac/L1/Power", Kind.MEASUREMENT, "W"),  # not kW
        ("logger", "/Vrm/TimeLastContact", Kind.TIME, None),
        ("platform", "/CanBus/Interface/can0/Statistics", Kind.DATA, None),
        ("vebus", "/Energy/AcIn1ToAcOut", Kind.TOTAL, "kWh"),
        ("battery", "/Errors/SmartLithium/Voltage", Kind.FLAG, None),
        ("vebus", "/SystemReset", Kind.ACTION, None),
        ("system", "/DynamicEss/Restrictions", Kind.BITS, None),
    ],
)
def test_traps(service: str, path: str, kind: Kind, unit: str | None) -> None:
    known = table().find(service, path)
    assert known is not None
    assert (known.fact.kind, known.fact.unit) == (kind, unit)


def test_bits_and_unknown_numbers() -> None:
    known = table().find("system", "/DynamicEss/Restrictions")
    assert known is not None
    assert known.fact.bits(3) == ("battery_to_grid", "grid_to_battery")
    assert known.fact.bits(0) == ()
    assert known.fact.text(99) is None
    assert known.fact.text(1.5) is None
    assert known.fact.text("1") is None


def test_placeholders_are_filled_in() -> None:
    known = table().find("battery", "/Distributor/A/Fuse/3/Alarms/Blown")
    assert known is not None
    assert known.name == "Distributor A fuse 3 blown alarm"
    assert known.placeholders == {"distributor": "A", "fuse": "3"}
    plain = table().find("battery", "/Soc")
    assert plain is not None
    assert plain.name == "State of charge"


def test_classes_are_those_of_home_assistant() -> None:
    sensor = pytest.importorskip("homeassistant.components.sensor.const", reason="not on the oldest Python")
    for fact in FACTS:
        if fact.device_class is not None and fact.kind is not Kind.TIME:
            units = sensor.DEVICE_CLASS_UNITS[sensor.SensorDeviceClass(fact.device_class)]
            assert fact.unit in units, (fact.path, fact.device_class, fact.unit)
        if fact.device_class is not None and fact.state_class is not None:
            classes = sensor.DEVICE_CLASS_STATE_CLASSES[sensor.SensorDeviceClass(fact.device_class)]
            assert fact.state_class in classes, (fact.path, fact.device_class, fact.state_class)
    known = table().find("battery", "/Soc")
    assert known is not None
    assert (known.fact.device_class, known.fact.state_class) == ("battery", "measurement")


def test_only_what_is_computed_is_polled() -> None:
    assert [fact.path for fact in FACTS if fact.polled] == ["/CanBus/Interface/{if}/Statistics"]


@pytest.mark.parametrize(
    ("service", "path"),
    [
        ("battery", "/Nothing"),
        ("battery", "/Soc/More"),
        ("battery", "/Voltages/Cell"),
        ("battery", "/Voltages/CellX"),
        ("battery", "/Voltages/Cell12345"),
        ("battery", "/Voltages/Cell٣"),
        ("vebus", "/Ac/Out/L4/V"),
        ("battery", "/Distributor/I/Alarms/ConnectionLost"),
        ("nobody", "/Soc"),
    ],
)
def test_what_is_not_in_the_table(service: str, path: str) -> None:
    assert table().find(service, path) is None


def test_rows_of_all_services() -> None:
    known = table().find("nobody", "/ProductName")
    assert known is not None
    assert known.fact.service == "*"
    assert len(list(table().of("battery"))) > 100


@given(st.text(max_size=40), st.text(max_size=200))
def test_any_path_may_be_asked_for(service: str, path: str) -> None:
    table().find(service, f"/{path}")
