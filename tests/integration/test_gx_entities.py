"""Entities of a Victron GX: every path of the table that is present gets the right one, and few states."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from homeassistant.components.sensor import SensorDeviceClass
from homeassistant.components.sensor.const import DEVICE_CLASS_STATE_CLASSES, DEVICE_CLASS_UNITS
from homeassistant.const import STATE_UNAVAILABLE, STATE_UNKNOWN
from homeassistant.core import HomeAssistant
from homeassistant.helpers import device_registry as dr, entity_registry as er
from pytest_homeassistant_custom_component.common import MockConfigEntry
from pytest_homeassistant_custom_component.typing import MqttMockHAClient

import custom_components.microgrid
from custom_components.microgrid import async_remove_config_entry_device
from custom_components.microgrid.core.gx.enums import ENUMS
from custom_components.microgrid.core.gx.table import Kind, PathFact, table
from custom_components.microgrid.core.gx.tree import Leaf
from custom_components.microgrid.core.model.kinds import KINDS
from custom_components.microgrid.entities_gx import is_flag, translation_key
from custom_components.microgrid.gx_station import GxStation
from microgrid_core.gx.recording import load
from microgrid_core.gx.value import Address
from simulator.gx.broker_side import BrokerSide
from simulator.gx.site import SimulatedSite
from simulator.gx.station import DEFAULT_PORTAL, Station
from tests.integration import gx as world
from tests.integration.gx import station_of, until
from tests.integration.gx_link import HABITS
from tests.mosquitto import Mosquitto

broker, site, gx, entry, quick = world.broker, world.site, world.gx, world.entry, world.quick

FOLDER = Path(os.environ.get("MICROGRID_RECORDINGS", "/nonexistent")) / "victron"
TEXTS = Path(custom_components.microgrid.__file__).parent / "translations"


async def there(hass: HomeAssistant, entry: MockConfigEntry) -> GxStation:
    """Wait until the station is connected and all its entities are made."""
    station = station_of(entry)
    await until(hass, lambda: station.node is not None and station.connected, "connected")
    return station


def entity_of(hass: HomeAssistant, entry: MockConfigEntry, leaf: Leaf) -> er.RegistryEntry | None:
    """The entity of a path."""
    assert leaf.known is not None
    platform = "binary_sensor" if is_flag(leaf.known.fact) else "sensor"
    unique_id = f"{entry.entry_id}/{station_of(entry).node_id}/{leaf.address}"
    registry = er.async_get(hass)
    entity_id = registry.async_get_entity_id(platform, "microgrid", unique_id)
    return registry.async_get(entity_id) if entity_id else None


def state_of(hass: HomeAssistant, found: er.RegistryEntry) -> str:
    """What an entity shows."""
    state = hass.states.get(found.entity_id)
    assert state is not None, found.entity_id
    return state.state


def check_all(hass: HomeAssistant, entry: MockConfigEntry) -> int:
    """Every path of the table that has a value has its entity; returns how many there are."""
    count = 0
    for leaf in station_of(entry).tree.leaves():
        if leaf.known is None or not leaf.valid:
            continue
        fact = leaf.known.fact
        found = entity_of(hass, entry, leaf)
        if fact.kind in (Kind.ACTION, Kind.DATA):
            assert found is None, f"{leaf.address} shows nothing"
            continue
        assert found is not None, f"{leaf.address} has no entity"
        check(hass, found, leaf, fact)
        count += 1
    return count


def check(hass: HomeAssistant, found: er.RegistryEntry, leaf: Leaf, fact: PathFact) -> None:
    """The entity of a path is what the table says of it."""
    where = f"{leaf.address} ({found.entity_id})"
    assert leaf.known is not None
    assert found.original_name == leaf.known.name, where
    assert (found.disabled_by is None) is fact.enabled, where
    assert found.device_id is not None, where
    state = hass.states.get(found.entity_id)
    assert (state is None) is not fact.enabled, where
    if fact.enum is not None:
        assert found.translation_key == f"gx_{fact.enum}", where
    if is_flag(fact):
        if state is not None:
            assert state.state == ("on" if leaf.number else "off"), where
        return
    assert found.unit_of_measurement == (None if fact.enum else fact.unit), where
    if fact.kind in (Kind.ALARM, Kind.CHOICE):
        assert found.original_device_class == SensorDeviceClass.ENUM, where
        assert found.capabilities is not None, where
        assert set(found.capabilities["options"]) == set(ENUMS[str(fact.enum)].values()), where
    else:
        assert found.original_device_class == fact.device_class, where
        assert (found.capabilities or {}).get("state_class") == fact.state_class, where
    if state is None:
        return
    assert state.state != STATE_UNAVAILABLE, where
    if fact.options and fact.kind is not Kind.BITS:
        assert state.state == (fact.text(leaf.value) or STATE_UNKNOWN), where
    elif fact.kind in (Kind.MEASUREMENT, Kind.TOTAL, Kind.NUMBER, Kind.DURATION):
        assert float(state.state) == pytest.approx(leaf.number, abs=0.01), where


async def test_every_path_of_the_simulated_station(
    hass: HomeAssistant, gx: BrokerSide, entry: MockConfigEntry
) -> None:
    await there(hass, entry)
    assert check_all(hass, entry) > 200
    of_paths = f"{entry.entry_id}/{station_of(entry).node_id}/"
    without_value = [
        item.entity_id
        for item in er.async_entries_for_config_entry(er.async_get(hass), entry.entry_id)
        if item.unique_id.startswith(of_paths)
        and (state := hass.states.get(item.entity_id)) is not None
        and state.state in (STATE_UNAVAILABLE, STATE_UNKNOWN)
        and item.unique_id.count("/") > 2  # those of paths; the station's own have no slashes
    ]
    assert without_value == []


async def test_devices_hang_under_the_station(
    hass: HomeAssistant, gx: BrokerSide, entry: MockConfigEntry
) -> None:
    station = await there(hass, entry)
    devices = {
        device.name: device
        for device in dr.async_entries_for_config_entry(dr.async_get(hass), entry.entry_id)
    }
    barn, battery = devices["Barn"], devices["Barn Pylontech battery"]
    assert barn.via_device_id == devices["Demo"].id
    assert battery.via_device_id == barn.id
    assert battery.manufacturer == "Victron Energy"
    battery_entities = er.async_entries_for_device(er.async_get(hass), battery.id)
    assert "sensor.barn_pylontech_battery_state_of_charge" in {e.entity_id for e in battery_entities}
    assert all(name == "Demo" or name.startswith("Barn") for name in devices if name)
    assert len(devices) == 2 + len(station.tree.devices)


async def test_names_differ_within_a_device(
    hass: HomeAssistant, gx: BrokerSide, entry: MockConfigEntry
) -> None:
    await there(hass, entry)
    registry = er.async_get(hass)
    for device in dr.async_entries_for_config_entry(dr.async_get(hass), entry.entry_id):
        names = [
            (item.domain, item.original_name)
            for item in er.async_entries_for_device(registry, device.id, include_disabled_entities=True)
            if item.disabled_by is None
        ]
        assert len(names) == len(set(names)), sorted(name for name in names if names.count(name) > 1)


async def test_states_follow_with_dead_band_and_alarms_at_once(
    hass: HomeAssistant, gx: BrokerSide, site: SimulatedSite, entry: MockConfigEntry
) -> None:
    station = await there(hass, entry)
    battery = next(station.tree.of("battery"))
    voltage = battery.leaves["/Dc/0/Voltage"]
    found = entity_of(hass, entry, voltage)
    assert found is not None
    before = float(state_of(hass, found))
    writes = entry.runtime_data.hub.writes
    for step in range(1, 21):
        site.station.set(Address("battery", battery.instance, "/Dc/0/Voltage"), before + step * 0.001)
    await until(hass, lambda: voltage.number == pytest.approx(before + 0.02), "the last one")
    alarm = entity_of(hass, entry, battery.leaves["/Alarms/HighTemperature"])
    assert alarm is not None
    site.station.set(Address("battery", battery.instance, "/Alarms/HighTemperature"), 2)
    await until(hass, lambda: state_of(hass, alarm) == "alarm", "the alarm")
    assert float(state_of(hass, found)) == before, "less than the dead-band"
    site.station.set(Address("battery", battery.instance, "/Dc/0/Voltage"), before + 2.0)
    await until(
        hass,
        lambda: float(state_of(hass, found)) == pytest.approx(before + 2.0, abs=0.01),
        "a jump is told at once",
    )
    assert entry.runtime_data.hub.writes - writes < 20, "twenty changes are not twenty writes"


async def test_a_device_that_leaves_is_unavailable_and_comes_back(
    hass: HomeAssistant, gx: BrokerSide, site: SimulatedSite, entry: MockConfigEntry
) -> None:
    station = await there(hass, entry)
    grid = next(station.tree.of("grid"))
    found = entity_of(hass, entry, grid.leaves["/Ac/L1/Power"])
    assert found is not None and state_of(hass, found) != STATE_UNAVAILABLE
    gx.drop("grid", grid.instance)
    await until(hass, lambda: state_of(hass, found) == STATE_UNAVAILABLE, "the meter is gone")
    registry = dr.async_get(hass)
    devices = {d.name: d for d in dr.async_entries_for_config_entry(registry, entry.entry_id)}
    assert await async_remove_config_entry_device(hass, entry, devices["Barn Grid meter"])
    assert not await async_remove_config_entry_device(hass, entry, devices["Barn Pylontech battery"])
    assert not await async_remove_config_entry_device(hass, entry, devices["Barn"])
    site.station.set(Address("grid", grid.instance, "/Ac/L1/Power"), 321.0)
    await until(hass, lambda: state_of(hass, found) == "321.0", "the meter is back")


def test_home_assistant_knows_the_units() -> None:
    """Device class, unit and state class of every row go together."""
    for fact in table().facts:
        if fact.device_class in (None, "timestamp") or fact.enum is not None:
            continue
        device_class = SensorDeviceClass(str(fact.device_class))
        assert fact.unit in DEVICE_CLASS_UNITS[device_class], f"{fact.service} {fact.path}"
        if fact.state_class is not None:
            assert fact.state_class in DEVICE_CLASS_STATE_CLASSES[device_class], f"{fact.service} {fact.path}"


@pytest.mark.parametrize("language", ["en", "de", "pl"])
def test_what_numbers_mean_is_said_in_every_language(language: str) -> None:
    texts = json.loads((TEXTS / f"{language}.json").read_text(encoding="utf-8"))["entity"]
    for fact in table().facts:
        if fact.enum is None or fact.kind in (Kind.ACTION, Kind.DATA, Kind.BITS):
            continue
        flag = is_flag(fact)
        told = texts["binary_sensor" if flag else "sensor"][translation_key(fact.enum)]["state"]
        wanted = {"on", "off"} if flag else set(fact.options.values())
        assert told.keys() == wanted, fact.enum
        assert all(text.strip() for text in told.values()), fact.enum


@pytest.fixture(params=sorted({file.parent for file in FOLDER.rglob("*.jsonl")}), ids=lambda f: f.name)
def recording(request: pytest.FixtureRequest, broker: Mosquitto) -> Iterator[BrokerSide]:
    """A recorded station at the broker."""
    recorded = load(request.param.glob("*.jsonl"))
    side = BrokerSide(Station.from_recording(recorded, DEFAULT_PORTAL), broker.port, habits=HABITS)
    side.start()
    yield side
    side.stop()


@pytest.mark.skipif(
    not FOLDER.is_dir(),
    reason="MICROGRID_RECORDINGS names no folder with victron/: ENTITIES OF REAL STATIONS ARE NOT CHECKED",
)
async def test_every_path_of_a_recorded_station(
    hass: HomeAssistant, mqtt_mock: MqttMockHAClient, broker: Mosquitto, quick: None, recording: BrokerSide
) -> None:
    entry = world.joined(world.subentry(broker.port, DEFAULT_PORTAL))
    await world.set_up(hass, entry)
    await there(hass, entry)
    assert check_all(hass, entry) > 50
    await world.unload(hass, entry)


def test_kinds_do_not_collide() -> None:
    """No metric of the station's own is called like an enumeration of its paths."""
    names = {metric.name for kind in KINDS.values() for metric in kind.metrics}
    assert not any(name.startswith("gx_") for name in names)
