"""A Victron GX as a node of the swarm: its first contact, reboots, silence, garbage, and its end."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from homeassistant.const import STATE_UNAVAILABLE
from homeassistant.core import HomeAssistant
from homeassistant.helpers import device_registry as dr
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion
from pytest_homeassistant_custom_component.common import MockConfigEntry
from pytest_homeassistant_custom_component.typing import MqttMockHAClient

from custom_components.microgrid.const import DOMAIN, SUBENTRY_GX
from custom_components.microgrid.core.gx.errors import NotAllowed, NotThere
from custom_components.microgrid.core.gx.tree import Leaf
from custom_components.microgrid.core.model.swarm import Node
from custom_components.microgrid.gx_station import GxSettings, GxStation
from simulator.gx.broker_side import BrokerSide
from simulator.gx.site import SimulatedSite
from simulator.gx.station import DEFAULT_PORTAL
from tests.integration import gx as world
from tests.integration.gx import station_of, until
from tests.mosquitto import Mosquitto

broker, site, gx, entry, quick = world.broker, world.site, world.gx, world.entry, world.quick
CHARGE = "sensor.barn_state_of_charge"


async def there(hass: HomeAssistant, entry: MockConfigEntry) -> tuple[GxStation, Node]:
    """Wait until the station is a node."""
    station = station_of(entry)
    await until(hass, lambda: station.node is not None and station.node.available, "the node")
    assert station.node is not None
    return station, station.node


def shows(hass: HomeAssistant, entity_id: str) -> Callable[[], str | None]:
    """Return what reads a state."""

    def read() -> str | None:
        state = hass.states.get(entity_id)
        return None if state is None else state.state

    return read


async def test_a_station_becomes_a_node_with_the_values_of_the_system(
    hass: HomeAssistant, gx: BrokerSide, entry: MockConfigEntry
) -> None:
    station, node = await there(hass, entry)
    assert entry.runtime_data.swarm.nodes[station.node_id] is node
    assert node.kind.kind == "victron_gx"
    assert node.name == "Barn"
    assert node.values["state_of_charge"] == station.tree.value("system", "/Dc/Battery/Soc")
    assert DEFAULT_PORTAL not in node.node_id, "node ids stand in diagnostics"
    devices = dr.async_entries_for_config_entry(dr.async_get(hass), entry.entry_id)
    assert "Barn" in {device.name for device in devices}


async def test_changes_are_told_in_handfuls(
    hass: HomeAssistant, gx: BrokerSide, site: SimulatedSite, entry: MockConfigEntry
) -> None:
    station, _ = await there(hass, entry)
    told: list[tuple[Leaf, ...]] = []
    stop = station.on_change(told.append)
    for step in range(50):
        site.station.set(world.battery_voltage(station), 50.0 + step / 10)
    await until(hass, lambda: station.tree.value("battery", "/Dc/0/Voltage") == 54.9, "the last one")
    await until(hass, lambda: told, "a handful")
    stop()
    voltages = [leaf for leaves in told for leaf in leaves if leaf.path == "/Dc/0/Voltage"]
    assert 1 <= len(voltages) <= 5, "fifty changes are told in few handfuls"


async def test_a_reboot_needs_nobody(hass: HomeAssistant, gx: BrokerSide, entry: MockConfigEntry) -> None:
    station, node = await there(hass, entry)
    state = shows(hass, CHARGE)
    await until(hass, lambda: state() not in (None, STATE_UNAVAILABLE), "a value")
    await hass.async_add_executor_job(gx.stop)
    await until(hass, lambda: state() == STATE_UNAVAILABLE, "unavailable while it is down")
    assert not node.available
    await hass.async_add_executor_job(gx.start)
    await until(hass, lambda: state() != STATE_UNAVAILABLE, "back without a reload")
    assert station_of(entry) is station
    assert station.node is node


async def test_the_broker_of_the_gx_starts_again(
    hass: HomeAssistant, broker: Mosquitto, gx: BrokerSide, entry: MockConfigEntry
) -> None:
    station, node = await there(hass, entry)
    await hass.async_add_executor_job(broker.stop)
    await until(hass, lambda: not node.available, "gone")
    await hass.async_add_executor_job(broker.start)
    await until(hass, lambda: node.available and station.connected, "back")


async def test_a_gx_that_fell_asleep_is_woken(
    hass: HomeAssistant, gx: BrokerSide, entry: MockConfigEntry
) -> None:
    station, node = await there(hass, entry)
    gx.fall_asleep()
    await until(hass, lambda: gx.awake, "awake")
    await until(hass, lambda: node.available and station.connected, "available")


async def test_garbage_is_counted_and_hurts_nobody(
    hass: HomeAssistant, broker: Mosquitto, gx: BrokerSide, entry: MockConfigEntry
) -> None:
    station, node = await there(hass, entry)
    before = {state.entity_id for state in hass.states.async_all()}
    client = Client(CallbackAPIVersion.VERSION2)
    client.connect("127.0.0.1", broker.port)
    client.loop_start()
    for topic, payload in (
        ("battery/x/Soc", b'{"value": 1}'),
        ("battery/512/Soc", b'{"value": NaN}'),
        ("battery/512/Soc", b"\xff\xfe"),
        ("battery/512/Soc", b"{" * 2000),
        ("battery/512/Soc", b'{"value": {"a": [1, 2]}}'),
        ("battery/512/Dc/0/Voltage", b'{"value": "fifty"}'),
        ("battery/512/Dc/0/Power", b'{"value": [1]}'),
        ("vebus/276/State", b'{"value": 4711}'),
        ("vebus/276/Mode", b'{"value": "on"}'),
        ("system/0/Timers/TimeOnGrid", b'{"value": 1e300}'),
        ("platform/0/Firmware/Installed/Version", b'{"value": "' + b"v" * 5000 + b'"}'),
        ("logger/0/Buffer/OldestTimestamp", b'{"value": 99999999999999999}'),
    ):
        client.publish(f"N/{DEFAULT_PORTAL}/{topic}", payload).wait_for_publish(5)
    await until(hass, lambda: sum(station.tree.rejected.values()) >= 4, "counted")
    await until(
        hass,
        lambda: any(
            device.value("/Firmware/Installed/Version") == "v" * 5000
            for device in station.tree.of("platform")
        ),
        "the long text",
    )
    client.disconnect()
    client.loop_stop()
    assert node.available and station.connected
    assert {state.entity_id for state in hass.states.async_all()} >= before
    assert all(len(state.state) <= 255 for state in hass.states.async_all())


async def test_unload_leaves_nothing_behind(
    hass: HomeAssistant, gx: BrokerSide, entry: MockConfigEntry
) -> None:
    station, _ = await there(hass, entry)
    await world.unload(hass, entry)
    assert not station.connected
    names = [task.get_name() for task in asyncio.all_tasks() if station.node_id in task.get_name()]
    assert names == []
    assert shows(hass, CHARGE)() == STATE_UNAVAILABLE


async def test_a_station_that_is_removed_takes_its_devices_along(
    hass: HomeAssistant, gx: BrokerSide, entry: MockConfigEntry
) -> None:
    await there(hass, entry)
    (subentry,) = entry.get_subentries_of_type(SUBENTRY_GX)
    hass.config_entries.async_remove_subentry(entry, subentry.subentry_id)
    await hass.async_block_till_done()
    devices = dr.async_entries_for_config_entry(dr.async_get(hass), entry.entry_id)
    assert {device.name for device in devices} == {"Demo"}


def files_of_stations(entry: MockConfigEntry, storage: Mapping[str, Any]) -> set[str]:
    """What Home Assistant keeps of stations."""
    return {key for key in storage if key.startswith(f"{DOMAIN}.{entry.entry_id}.gx_")}


@pytest.mark.parametrize("what", ["station", "station of a swarm that is not loaded", "swarm"])
async def test_what_was_stored_of_a_station_goes_with_it(
    hass: HomeAssistant, gx: BrokerSide, entry: MockConfigEntry, hass_storage: dict[str, Any], what: str
) -> None:
    await there(hass, entry)
    (subentry,) = entry.get_subentries_of_type(SUBENTRY_GX)
    await entry.runtime_data.gx_batteries[0]._store.async_save({})  # as with the first schedule
    await world.unload(hass, entry)
    assert files_of_stations(entry, hass_storage) == {
        f"{DOMAIN}.{entry.entry_id}.{part}.{subentry.subentry_id}" for part in ("gx_battery", "gx_control")
    }
    if what == "swarm":
        await hass.config_entries.async_remove(entry.entry_id)
    else:
        if what == "station":
            assert await hass.config_entries.async_setup(entry.entry_id)
            await there(hass, entry)
        hass.config_entries.async_remove_subentry(entry, subentry.subentry_id)
        await hass.async_block_till_done()
        if what != "station":
            assert await hass.config_entries.async_setup(entry.entry_id)
    await hass.async_block_till_done()
    assert files_of_stations(entry, hass_storage) == set()


async def test_one_station_that_cannot_be_does_not_cost_the_swarm(
    hass: HomeAssistant, mqtt_mock: MqttMockHAClient, caplog: pytest.LogCaptureFixture
) -> None:
    entry = world.joined(world.subentry(1883, "../x"))
    await world.set_up(hass, entry)
    assert entry.runtime_data.gx.stations == {}
    assert "no portal id" in caplog.text
    await world.unload(hass, entry)


async def test_read_and_write_through_the_station(
    hass: HomeAssistant, gx: BrokerSide, entry: MockConfigEntry
) -> None:
    station, _ = await there(hass, entry)
    assert (await station.read("battery", "/Soc")).value == station.tree.value("battery", "/Soc")
    path = "/Settings/CGwacs/BatteryLife/MinimumSocLimit"
    assert await station.write("settings", path, 25) == 25
    with pytest.raises(NotAllowed):
        await station.write("platform", "/Device/Reboot", 1)
    with pytest.raises(NotThere, match="battery/"):
        station.find("windcharger", "/Dc/0/Voltage")


@pytest.mark.parametrize(
    ("data", "why"),
    [
        ({}, "portal id"),
        ({"portal": "c0619ab12345", "host": "a b"}, "no host"),
        ({"portal": "c0619ab12345", "host": "venus", "port": 0}, "no port"),
        ({"portal": "c0619ab12345", "host": "venus", "fingerprint": "x"}, "SHA-256"),
        ({"portal": "c0619ab12345", "way": "pigeon"}, "pigeon"),
    ],
)
def test_settings_that_cannot_be(data: dict[str, Any], why: str) -> None:
    with pytest.raises(ValueError, match=why):
        GxSettings.from_data(data)


def test_the_password_is_not_printed() -> None:
    settings = GxSettings.from_data({"portal": "c0619ab12345", "host": "venus", "password": "hush"})
    assert "hush" not in repr(settings)
    assert "hush" not in repr(settings.mqtt())
