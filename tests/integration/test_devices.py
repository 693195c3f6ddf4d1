"""The device tree: what a user sees under Devices, in whatever order nodes come and however they change."""

from __future__ import annotations

import pytest
from homeassistant.core import HomeAssistant
from homeassistant.helpers import device_registry as dr, entity_registry as er
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.microgrid import async_remove_config_entry_device
from custom_components.microgrid.const import DOMAIN
from custom_components.microgrid.devices import node_of_device

from .voices import Voice

HOUSE_METRICS = ("inverter_frequency", "state_of_charge", "mppt_input_voltage", "mppt_energy", "load_power")


def devices_by_name(hass: HomeAssistant, entry: MockConfigEntry) -> dict[str, dr.AnyDeviceEntry]:
    """All devices of the entry, the parts of nodes included."""
    registry = dr.async_get(hass)
    found: list[dr.AnyDeviceEntry] = [
        *dr.async_entries_for_config_entry(registry, entry.entry_id),
        *dr.async_child_entries_for_config_entry(registry, entry.entry_id),
    ]
    by_name = {device.name or "": device for device in found}
    assert len(by_name) == len(found), "two devices of one name"
    return by_name


def tree(hass: HomeAssistant, entry: MockConfigEntry) -> dict[str, str | None]:
    """Name of each device, with the name of the one that it hangs under."""
    devices = devices_by_name(hass, entry)
    names = {device.id: name for name, device in devices.items()}
    above = {
        name: device.parent_device_id if isinstance(device, dr.ChildDeviceEntry) else device.via_device_id
        for name, device in devices.items()
    }
    return {name: names[device_id] if device_id else None for name, device_id in above.items()}


async def test_site_gateway_house_parts(hass: HomeAssistant, entry: MockConfigEntry) -> None:
    """The tree follows the announced parents; the parts of a house are children of its device."""
    await Voice(hass, "gw-1", "gateway", "Cluster A").greet(("swarm_frequency",))
    await Voice(hass, "house-1", "house", "House 1", "gw-1").greet(HOUSE_METRICS)
    assert tree(hass, entry) == {
        "Demo": None,
        "Cluster A": "Demo",
        "House 1": "Cluster A",
        "Inverter": "House 1",
        "Battery": "House 1",
        "MPPT": "House 1",
    }
    site = devices_by_name(hass, entry)["Demo"]
    assert isinstance(site, dr.DeviceEntry)
    assert site.entry_type is dr.DeviceEntryType.SERVICE
    assert hass.states.get("sensor.house_1_battery_state_of_charge")


async def test_description_of_a_device(hass: HomeAssistant, entry: MockConfigEntry) -> None:
    """Hardware and firmware of the birth are shown; without them the kind gives the model."""
    house = Voice(hass, "house-1", "house", "House 1")
    await house.greet(hardware="ESP32-S3 board 2", firmware="1.4.0")
    await Voice(hass, "gw-1", "gateway", "Cluster A").greet()
    devices = devices_by_name(hass, entry)
    told, silent = devices["House 1"], devices["Cluster A"]
    assert isinstance(told, dr.DeviceEntry)
    assert isinstance(silent, dr.DeviceEntry)
    assert (told.model, told.sw_version) == ("ESP32-S3 board 2", "1.4.0")
    assert (silent.model, silent.sw_version) == ("Cluster gateway", None)


async def test_child_before_its_parent(hass: HomeAssistant, entry: MockConfigEntry) -> None:
    """A house that comes first waits under the site and moves to its gateway."""
    await Voice(hass, "house-1", "house", "House 1", "gw-1").greet(("load_power",))
    assert tree(hass, entry)["House 1"] == "Demo"
    await Voice(hass, "gw-1", "gateway", "Cluster A").greet()
    assert tree(hass, entry)["House 1"] == "Cluster A"


async def test_new_name_and_new_parent(hass: HomeAssistant, entry: MockConfigEntry) -> None:
    """A node keeps its device, entities and history under a new name and a new gateway."""
    await Voice(hass, "gw-1", "gateway", "Cluster A").greet()
    await Voice(hass, "gw-2", "gateway", "Cluster B").greet()
    house = Voice(hass, "house-1", "house", "House 1", "gw-1")
    await house.greet(HOUSE_METRICS)
    before = {device.id for device in devices_by_name(hass, entry).values()}
    house.name, house.parent = "Hill House", "gw-2"
    await house.birth(HOUSE_METRICS)
    shown = tree(hass, entry)
    assert shown["Hill House"] == "Cluster B"
    assert shown["Battery"] == "Hill House"
    assert {device.id for device in devices_by_name(hass, entry).values()} == before
    state = hass.states.get("sensor.house_1_load_power")
    assert state
    assert state.name == "Hill House Load power"


async def test_users_name_is_kept(hass: HomeAssistant, entry: MockConfigEntry) -> None:
    """What the user calls a device outlives a new birth."""
    house = Voice(hass, "house-1", "house", "House 1")
    await house.greet(("load_power",))
    registry = dr.async_get(hass)
    device = devices_by_name(hass, entry)["House 1"]
    registry.async_update_device(device.id, name_by_user="Grandma")
    house.name = "House one"
    await house.birth(("load_power",))
    changed = registry.async_get(device.id)
    assert changed
    assert (changed.name, changed.name_by_user) == ("House one", "Grandma")


async def test_retired_node(hass: HomeAssistant, entry: MockConfigEntry) -> None:
    """A deleted birth takes the device, its parts and all their entities away; its houses move up."""
    gateway = Voice(hass, "gw-1", "gateway", "Cluster A")
    await gateway.greet(("swarm_frequency",))
    house = Voice(hass, "house-1", "house", "House 1", "gw-1")
    await house.greet(HOUSE_METRICS)
    await gateway.leave()
    assert tree(hass, entry)["House 1"] == "Demo"
    assert hass.states.get("sensor.house_1_load_power")
    await house.leave()
    assert tree(hass, entry) == {"Demo": None}
    left = er.async_entries_for_config_entry(er.async_get(hass), entry.entry_id)
    assert [item.entity_id for item in left if "house" in item.entity_id or "cluster" in item.entity_id] == []
    assert not [state for state in hass.states.async_all() if "house_1" in state.entity_id]


async def test_retired_node_comes_back(hass: HomeAssistant, entry: MockConfigEntry) -> None:
    """After it left, a node may announce itself again."""
    house = Voice(hass, "house-1", "house", "House 1")
    await house.greet(HOUSE_METRICS)
    await house.leave()
    await house.greet(HOUSE_METRICS)
    await house.live(load_power=500)
    state = hass.states.get("sensor.house_1_load_power")
    assert state
    assert state.state == "500"


async def test_another_kind_under_an_old_id(
    hass: HomeAssistant, entry: MockConfigEntry, caplog: pytest.LogCaptureFixture
) -> None:
    """A board flashed with another firmware becomes another device in the same breath."""
    node = Voice(hass, "node-1", "house", "Node")
    await node.greet(("load_power", "state_of_charge"))
    node.kind, node.boot_id = "gateway", 2
    await node.greet(("swarm_frequency",))
    await node.live(swarm_frequency=50.0)
    shown = tree(hass, entry)
    assert shown == {"Demo": None, "Node": "Demo"}
    frequency = hass.states.get("sensor.node_swarm_frequency")
    assert frequency
    assert frequency.state == "50.0"
    online = hass.states.get("binary_sensor.node_online")
    assert online
    assert online.state == "on"
    assert hass.states.get("sensor.node_load_power") is None
    assert "does not generate unique IDs" not in caplog.text


@pytest.mark.parametrize("names", [("a", "b"), ("a", "b", "c")])
async def test_parents_in_a_circle(
    hass: HomeAssistant, entry: MockConfigEntry, names: tuple[str, ...]
) -> None:
    """Nodes that name each other as parents hang under the site."""
    for title in ("House", "Home"):  # the second time all of them are known
        for name, parent in zip(names, names[1:] + names[:1], strict=True):
            await Voice(hass, name, "house", f"{title} {name}", parent).greet(("load_power",))
    assert {above for name, above in tree(hass, entry).items() if name != "Demo"} == {"Demo"}


async def test_ids_that_look_like_parts(hass: HomeAssistant, entry: MockConfigEntry) -> None:
    """A node called like the part of another one is a device of its own."""
    await Voice(hass, "house", "house", "House").greet(("battery_current", "state_of_charge"))
    await Voice(hass, "house_battery", "battery", "Big Battery").greet(("current", "state_of_charge"))
    assert tree(hass, entry) == {"Demo": None, "House": "Demo", "Battery": "House", "Big Battery": "Demo"}
    assert hass.states.get("sensor.house_battery_current")
    assert hass.states.get("sensor.big_battery_current")


async def test_same_devices_after_restart(hass: HomeAssistant, entry: MockConfigEntry) -> None:
    """Unloading and loading the entry finds every device and entity again and makes none twice."""
    gateway = Voice(hass, "gw-1", "gateway", "Cluster A")
    house = Voice(hass, "house-1", "house", "House 1", "gw-1")
    await house.greet(HOUSE_METRICS)
    await gateway.greet(("swarm_frequency",))
    registry = er.async_get(hass)
    devices = {device.id for device in devices_by_name(hass, entry).values()}
    entities = set(registry.entities)
    assert await hass.config_entries.async_reload(entry.entry_id)
    await hass.async_block_till_done()
    restored = hass.states.get("sensor.house_1_load_power")
    assert restored
    assert restored.state == "unavailable"
    await house.greet(HOUSE_METRICS)
    await gateway.greet(("swarm_frequency",))
    await house.live(load_power=750)
    assert {device.id for device in devices_by_name(hass, entry).values()} == devices
    assert set(registry.entities) == entities
    state = hass.states.get("sensor.house_1_load_power")
    assert state
    assert state.state == "750"


async def test_parts_speak_the_users_language(hass: HomeAssistant, entry: MockConfigEntry) -> None:
    """The parts of a house are named in the language of Home Assistant."""
    await hass.config.async_update(language="de")
    await hass.config_entries.async_reload(entry.entry_id)
    await hass.async_block_till_done()
    await Voice(hass, "house-1", "house", "Haus 1").greet(HOUSE_METRICS)
    assert {name for name, above in tree(hass, entry).items() if above == "Haus 1"} == {
        "Wechselrichter",
        "Batterie",
        "MPPT",
    }


async def test_device_that_somebody_removed(hass: HomeAssistant, entry: MockConfigEntry) -> None:
    """A device that vanished behind our back harms nobody and comes back with what the node shows next."""
    house = Voice(hass, "house-1", "house", "House 1")
    await house.greet(("load_power",))
    registry = dr.async_get(hass)
    registry.async_remove_device(devices_by_name(hass, entry)["House 1"].id)
    await house.live(state_of_charge=50)
    assert tree(hass, entry) == {"Demo": None, "House 1": "Demo", "Battery": "House 1"}
    registry.async_remove_device(devices_by_name(hass, entry)["House 1"].id)
    await house.leave()
    assert tree(hass, entry) == {"Demo": None}


async def test_deleting_a_device(hass: HomeAssistant, entry: MockConfigEntry) -> None:
    """Only what is silent or gone may be deleted; the site never."""
    house = Voice(hass, "house-1", "house", "House 1")
    await house.greet(HOUSE_METRICS)
    await house.live(load_power=1)
    registry = dr.async_get(hass)
    devices = devices_by_name(hass, entry)
    assert node_of_device(entry, devices["Battery"]) == "house-1"
    assert not await async_remove_config_entry_device(hass, entry, devices["Demo"])
    assert not await async_remove_config_entry_device(hass, entry, devices["House 1"])
    await house.state("offline")
    assert await async_remove_config_entry_device(hass, entry, devices["House 1"])
    assert "house-1" not in entry.runtime_data.swarm.nodes
    stranger = registry.async_get_or_create(config_entry_id=entry.entry_id, identifiers={("other", "x")})
    assert node_of_device(entry, stranger) is None
    gone = registry.async_get_or_create(
        config_entry_id=entry.entry_id, identifiers={(DOMAIN, f"{entry.entry_id}/gone")}
    )
    assert await async_remove_config_entry_device(hass, entry, gone)


async def test_deleting_a_part_keeps_its_node(hass: HomeAssistant, entry: MockConfigEntry) -> None:
    """A part may go when its node shows nothing of it; the node stays either way."""
    house = Voice(hass, "house-1", "house", "House 1")
    await house.greet(HOUSE_METRICS)
    await house.live(load_power=1)
    await house.state("offline")
    devices = devices_by_name(hass, entry)
    for part in ("MPPT", "Battery"):
        assert not await async_remove_config_entry_device(hass, entry, devices[part])
    of_an_earlier_run = dr.async_get(hass).async_get_or_create(
        config_entry_id=entry.entry_id, identifiers={(DOMAIN, f"{entry.entry_id}/house-1/heat_pump")}
    )
    assert await async_remove_config_entry_device(hass, entry, of_an_earlier_run)
    assert "house-1" in entry.runtime_data.swarm.nodes
