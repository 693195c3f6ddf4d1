"""The metric tables against Home Assistant: what it allows together, and that all have names and icons."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from homeassistant.components.binary_sensor import BinarySensorDeviceClass
from homeassistant.components.sensor import SensorDeviceClass, SensorStateClass
from homeassistant.components.sensor.const import DEVICE_CLASS_STATE_CLASSES, DEVICE_CLASS_UNITS

from custom_components.microgrid.core.gx.table import Kind, table
from custom_components.microgrid.core.model.bare_sensors import WEATHER_METRICS, house_metric
from custom_components.microgrid.core.model.kinds import KINDS
from custom_components.microgrid.core.model.metric import Metric, ValueType
from custom_components.microgrid.core.model.refrigerant import REFRIGERANTS
from custom_components.microgrid.entities_gx import is_flag, translation_key
from custom_components.microgrid.entities_planner import (
    BILL_KEYS,
    DEVICE as PLANNER_DEVICE,
    PAYMENT_KEYS,
    SENSORS as PLANNER_SENSORS,
)
from custom_components.microgrid.entities_planner_advice import DAWN_KEY, DUSK_KEY, FLEXIBLE_KEY
from custom_components.microgrid.entities_schedules import SENSORS as SCHEDULE_SENSORS
from custom_components.microgrid.event import ACTIVITIES

ROOT = Path(__file__).resolve().parents[2] / "custom_components" / "microgrid"
LANGUAGES = ("en", "de", "pl")


def tables() -> dict[str, list[Metric]]:
    """Every row that becomes an entity, by the kind of its node."""
    found = {name: list(kind.metrics) for name, kind in KINDS.items()}
    of_house = (house_metric(name) for name in ("cellar_temp", "cellar_hum", "cellar_press", "co2"))
    found["site"] += [*WEATHER_METRICS.values(), *(metric for metric in of_house if metric is not None)]
    return found


TABLES = tables()
OF_OUR_OWN = {
    "binary_sensor": {"health_problem", "online", "problem"},
    "sensor": {"battery_replacement", "estimated_health", "last_cause", "last_fault", "risk"},
}
"""Entities that are no metrics."""
OF_OUR_OWN["sensor"] |= set(SCHEDULE_SENSORS)
OF_OUR_OWN["sensor"] |= {description.key for description in PLANNER_SENSORS} | {DAWN_KEY, DUSK_KEY}
OF_OUR_OWN["sensor"] |= {*BILL_KEYS.values(), *PAYMENT_KEYS.values()}
OF_OUR_OWN["binary_sensor"].add(FLEXIBLE_KEY)
for _fact in table().facts:  # what the numbers of a Victron GX mean
    if _fact.enum is not None and _fact.kind not in (Kind.ACTION, Kind.DATA, Kind.BITS):
        OF_OUR_OWN["binary_sensor" if is_flag(_fact) else "sensor"].add(translation_key(_fact.enum))
ALL = [metric for table in TABLES.values() for metric in table]


def texts(language: str) -> dict[str, Any]:
    """Translations of one language."""
    loaded: dict[str, Any] = json.loads(
        (ROOT / "translations" / f"{language}.json").read_text(encoding="utf-8")
    )
    return loaded


def platform(metric: Metric) -> str:
    """Platform that shows a metric."""
    return "binary_sensor" if metric.value is ValueType.FLAG else "sensor"


@pytest.mark.parametrize("kind", TABLES)
def test_rows_are_allowed(kind: str) -> None:
    """Home Assistant accepts unit, device class and state class of every row together."""
    for metric in TABLES[kind]:
        if metric.value is ValueType.FLAG:
            assert metric.device_class is None or BinarySensorDeviceClass(metric.device_class), metric.key
            assert (metric.unit, metric.state_class) == (None, None), metric.key
        elif metric.value is ValueType.NUMBER:
            state_class = SensorStateClass(metric.state_class) if metric.state_class else None
            if metric.device_class:
                device_class = SensorDeviceClass(metric.device_class)
                allowed = DEVICE_CLASS_STATE_CLASSES[device_class]
                # Home Assistant names no units for money: any currency will do.
                units = DEVICE_CLASS_UNITS.get(device_class, {"USD"})
                assert metric.unit in units, metric.key
                assert state_class is None or state_class in allowed, metric.key
            assert not metric.counter or state_class is SensorStateClass.TOTAL_INCREASING, metric.key
            assert metric.precision is not None, metric.key
        else:
            choice = metric.value is ValueType.CHOICE
            assert (metric.unit, metric.state_class, metric.precision) == (None, None, None), metric.key
            assert bool(metric.options) == (metric.device_class == "enum") == choice, metric.key


@pytest.mark.parametrize("kind", TABLES)
def test_rows_make_sense(kind: str) -> None:
    """Dead-band, digits and range fit each other."""
    for metric in TABLES[kind]:
        if metric.precision is not None:
            assert metric.dead_band * 10**metric.precision >= 0.5, (
                f"{metric.key} writes states that look alike"
            )
            if metric.minimum is not None and metric.maximum is not None:
                assert metric.minimum + 10 * metric.dead_band < metric.maximum, metric.key


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("kind", TABLES)
def test_rows_have_names(kind: str, language: str) -> None:
    """Every row is named in every language, with the placeholders that it fills, and every choice is too."""
    entity = texts(language)["entity"]
    for metric in TABLES[kind]:
        entry = entity[platform(metric)][metric.name]
        assert set(re.findall(r"{(\w+)}", entry["name"])) == {name for name, _ in metric.placeholders}
        if metric.value is ValueType.CHOICE:
            assert entry["state"].keys() == set(metric.options), metric.key


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_name_without_an_entity(language: str) -> None:
    """Nothing is translated that does not exist, and every language has the same texts."""
    entity = texts(language)["entity"]
    for name in ("sensor", "binary_sensor"):
        used = {metric.name for metric in ALL if platform(metric) == name}
        assert set(entity[name]) - used == OF_OUR_OWN[name]
    activities = {activity for of_kind in ACTIVITIES.values() for activity in of_kind}
    assert set(entity["event"]["activity"]["state_attributes"]["event_type"]["state"]) == activities
    assert set(entity["event"]["fault"]["state_attributes"]["event_type"]["state"]) == {"raised", "cleared"}
    refrigerants = {name.lower() for name in REFRIGERANTS}
    assert set(entity["select"]["refrigerant"]["state"]) == {"none"} | refrigerants
    components = {component for kind in KINDS.values() for component in kind.components}
    assert set(texts(language)["device"]) == components | {PLANNER_DEVICE}


@pytest.mark.parametrize("language", LANGUAGES)
def test_names_of_a_device_differ(language: str) -> None:
    """No two entities of a device carry the same name."""
    entity = texts(language)["entity"]
    for kind in KINDS.values():
        for component in ("", *kind.components):
            names = [
                (platform(metric), entity[platform(metric)][metric.name]["name"], metric.placeholders)
                for metric in kind.metrics
                if metric.component == component
            ]
            assert len(names) == len(set(names))


def test_icons() -> None:
    """What has no picture of its own class has one from us, and no icon is left over."""
    icons = json.loads((ROOT / "icons.json").read_text(encoding="utf-8"))["entity"]
    for name in ("sensor", "binary_sensor"):
        rows = [metric for metric in ALL if platform(metric) == name]
        assert set(icons[name]) <= {metric.name for metric in rows} | OF_OUR_OWN[name]
        plain = {m.name for m in rows if m.device_class in (None, "enum")} - {"house_sensor"}
        assert plain - set(icons[name]) == set()


def test_flags_without_a_class_name_their_states() -> None:
    """On and off say nothing about a contactor: flags without a class spell their states."""
    flags = texts("en")["entity"]["binary_sensor"]
    for metric in ALL:
        if metric.value is ValueType.FLAG and metric.device_class is None:
            assert flags[metric.name]["state"].keys() == {"on", "off"}, metric.key
