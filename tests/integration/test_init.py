"""The life of an entry: started, without a broker, reloaded, unloaded, removed."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from homeassistant.config_entries import ConfigEntryState
from homeassistant.core import HomeAssistant
from homeassistant.exceptions import HomeAssistantError
from homeassistant.helpers import device_registry as dr, entity_registry as er, issue_registry as ir
from homeassistant.setup import async_setup_component
from homeassistant.util import dt as dt_util
from pytest_homeassistant_custom_component.common import MockConfigEntry, async_fire_time_changed
from pytest_homeassistant_custom_component.typing import MqttMockHAClient, WebSocketGenerator

from custom_components.microgrid.const import CONF_NAME, CONF_SWARM, DOMAIN
from custom_components.microgrid.repairs import BROKER_MISSING, issue_id
from custom_components.microgrid.services import ACTION_SEND_COMMAND
from custom_components.microgrid.sources.swarm_mqtt import SwarmMqtt

from .voices import SWARM, Voice

METRICS = ("load_power", "mppt_energy")


async def test_without_broker(hass: HomeAssistant) -> None:
    """An entry whose MQTT is gone waits, and says what to do; removed, it leaves nothing behind."""
    entry = MockConfigEntry(domain=DOMAIN, unique_id=SWARM, data={CONF_SWARM: SWARM, CONF_NAME: "Demo"})
    entry.add_to_hass(hass)
    await hass.config_entries.async_setup(entry.entry_id)
    assert entry.state is ConfigEntryState.SETUP_RETRY
    assert entry.error_reason_translation_key == "broker_missing"
    issue = ir.async_get(hass).async_get_issue(DOMAIN, issue_id(entry.entry_id, BROKER_MISSING))
    assert issue
    assert issue.severity is ir.IssueSeverity.ERROR
    assert issue.translation_placeholders == {"swarm": SWARM}
    await hass.config_entries.async_remove(entry.entry_id)
    assert not ir.async_get(hass).issues


async def test_broker_found_later(
    hass: HomeAssistant, mqtt_mock: MqttMockHAClient, caplog: pytest.LogCaptureFixture
) -> None:
    """The issue goes when MQTT is there."""
    entry = MockConfigEntry(domain=DOMAIN, unique_id=SWARM, data={CONF_SWARM: SWARM, CONF_NAME: "Demo"})
    entry.add_to_hass(hass)
    ir.async_create_issue(
        hass,
        DOMAIN,
        known := issue_id(entry.entry_id, BROKER_MISSING),
        is_fixable=False,
        severity=ir.IssueSeverity.ERROR,
        translation_key=BROKER_MISSING,
    )
    assert await hass.config_entries.async_setup(entry.entry_id)
    assert ir.async_get(hass).async_get_issue(DOMAIN, known) is None
    assert hass.services.has_service(DOMAIN, ACTION_SEND_COMMAND)
    assert "ERROR" not in caplog.text


async def test_unload_and_load(
    hass: HomeAssistant,
    entry: MockConfigEntry,
    mqtt_mock: MqttMockHAClient,
    hass_storage: dict[str, Any],
) -> None:
    """Unloaded, it hears nothing; loaded again, devices and entities are the same and counters go on."""
    house = Voice(hass, "house-1", "house", "House 1")
    await house.greet(METRICS)
    await house.live(load_power=500.0, mppt_energy=1000.0)
    async_fire_time_changed(hass, dt_util.utcnow() + timedelta(seconds=2))  # what the site has of it
    await hass.async_block_till_done()
    entities = {
        item.entity_id for item in er.async_entries_for_config_entry(er.async_get(hass), entry.entry_id)
    }
    assert "sensor.demo_known_nodes" in entities
    devices = {item.id for item in dr.async_get(hass).devices}

    assert await hass.config_entries.async_unload(entry.entry_id)
    assert entry.state is ConfigEntryState.NOT_LOADED
    assert "house-1/mppt_energy" in hass_storage[f"{DOMAIN}.{entry.entry_id}"]["data"]["counters"]
    await house.live(load_power=800.0)
    state = hass.states.get("sensor.house_1_load_power")
    assert state
    assert state.state == "unavailable"

    assert await hass.config_entries.async_setup(entry.entry_id)
    await hass.async_block_till_done()
    await house.greet(METRICS)
    await house.live(load_power=900.0, mppt_energy=1001.0)
    state = hass.states.get("sensor.house_1_load_power")
    assert state
    assert float(state.state) == 900.0
    assert entities == {
        item.entity_id for item in er.async_entries_for_config_entry(er.async_get(hass), entry.entry_id)
    }
    assert devices == {item.id for item in dr.async_get(hass).devices}


async def test_what_is_said_while_it_unloads_leaves_no_entities_behind(
    hass: HomeAssistant,
    entry: MockConfigEntry,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Entities of the runtime that ends would stand where those of the next belong, and never change."""
    newcomer = Voice(hass, "house-9", "house", "House 9")
    unload_platforms = hass.config_entries.async_unload_platforms

    async def unload_and_hear(*arguments: Any) -> bool:
        unloaded = await unload_platforms(*arguments)
        await newcomer.greet(METRICS)
        await newcomer.live(load_power=100.0)
        return unloaded

    monkeypatch.setattr(hass.config_entries, "async_unload_platforms", unload_and_hear)
    assert await hass.config_entries.async_reload(entry.entry_id)
    await newcomer.greet(METRICS)
    await newcomer.live(load_power=900.0)

    state = hass.states.get("sensor.house_9_load_power")
    assert state
    assert float(state.state) == 900.0
    assert "unique IDs" not in caplog.text


async def test_a_start_that_fails_leaves_room_for_the_next(
    hass: HomeAssistant, entry: MockConfigEntry, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever went wrong while the parts were started: without it the swarm is shown again."""

    async def fail(source: SwarmMqtt) -> None:
        raise HomeAssistantError("the broker left")

    with monkeypatch.context() as patched:
        patched.setattr(SwarmMqtt, "async_start", fail)
        assert not await hass.config_entries.async_reload(entry.entry_id)
    assert entry.state is ConfigEntryState.SETUP_ERROR

    assert await hass.config_entries.async_reload(entry.entry_id)
    house = Voice(hass, "house-1", "house", "House 1")
    await house.greet(METRICS)
    await house.live(load_power=900.0)
    state = hass.states.get("sensor.house_1_load_power")
    assert state
    assert float(state.state) == 900.0


async def test_removed_entry_forgets(
    hass: HomeAssistant, entry: MockConfigEntry, hass_storage: dict[str, Any]
) -> None:
    """What was stored for a swarm goes with it."""
    await hass.config_entries.async_unload(entry.entry_id)
    assert f"{DOMAIN}.{entry.entry_id}" in hass_storage
    await hass.config_entries.async_remove(entry.entry_id)
    assert f"{DOMAIN}.{entry.entry_id}" not in hass_storage
    assert not dr.async_get(hass).devices


async def test_two_swarms_side_by_side(hass: HomeAssistant, entry: MockConfigEntry) -> None:
    """Two swarms share neither nodes nor devices, even when their nodes have the same ids."""
    other = MockConfigEntry(domain=DOMAIN, unique_id="other", data={CONF_SWARM: "other", CONF_NAME: "Other"})
    other.add_to_hass(hass)
    assert await hass.config_entries.async_setup(other.entry_id)
    await Voice(hass, "house-1", "house", "House 1").greet(METRICS)
    assert "house-1" in entry.runtime_data.swarm.nodes
    assert "house-1" not in other.runtime_data.swarm.nodes


async def test_deleting_devices(
    hass: HomeAssistant, entry: MockConfigEntry, hass_ws_client: WebSocketGenerator
) -> None:
    """The user may delete the device of a silent node, not that of the site or of a node that speaks."""
    house = Voice(hass, "house-1", "house", "House 1")
    await house.greet(METRICS)
    await house.live(load_power=1.0)
    assert await async_setup_component(hass, "config", {})
    client = await hass_ws_client(hass)
    by_name = {device.name: device for device in dr.async_get(hass).devices}
    for name in ("Demo", "House 1"):
        response = await client.remove_device(by_name[name].id)
        assert "rejected by integration" in response["error"]["message"], name
    await house.state("offline")
    response = await client.remove_device(by_name["House 1"].id)
    assert response["success"], response
    assert "house-1" not in entry.runtime_data.swarm.nodes

    await Voice(hass, "house-2", "house", "House 2").greet(METRICS)
    await hass.config_entries.async_reload(entry.entry_id)  # and the broker did not keep its birth
    await hass.async_block_till_done()
    left = next(device for device in dr.async_get(hass).devices if device.name == "House 2")
    response = await client.remove_device(left.id)
    assert response["success"], response
