"""System health: what the user sees under Settings, System, Repairs, System information."""

from __future__ import annotations

import asyncio

import pytest
from homeassistant.core import HomeAssistant
from homeassistant.setup import async_setup_component
from pytest_homeassistant_custom_component.common import MockConfigEntry, get_system_health_info
from pytest_homeassistant_custom_component.typing import MqttMockHAClient

from custom_components.microgrid import system_health
from custom_components.microgrid.const import DOMAIN

from .voices import Voice


async def test_numbers(
    hass: HomeAssistant,
    entry: MockConfigEntry,
    mqtt_mock: MqttMockHAClient,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Nodes, messages and the state writes of the moment."""
    monkeypatch.setattr(system_health, "SAMPLE_S", 0.2)
    assert await async_setup_component(hass, "system_health", {})
    await Voice(hass, "house-2", "house", "House 2").birth(("load_power",))
    house = Voice(hass, "house-1", "house", "House 1")
    await house.greet(("load_power",))
    await house.live(load_power=1.0)
    house.send("live", "garbage")
    found = await get_system_health_info(hass, DOMAIN)
    writes = hass.async_create_task(found.pop("state_writes_per_second"))
    assert found == {
        "broker_connected": True,
        "nodes_known": 2,
        "nodes_online": 1,
        "messages_received": 4,
        "messages_rejected": 1,
        "frames_stored": 0,
        "frames_lost": 0,
        "archive_trouble": "–",
    }
    await asyncio.sleep(0.05)
    before = entry.runtime_data.hub.writes
    await house.live(load_power=5000.0)
    assert (written := entry.runtime_data.hub.writes - before) > 0
    assert await writes == pytest.approx(written / 0.2)


async def test_broker_away(hass: HomeAssistant, entry: MockConfigEntry, mqtt_mock: MqttMockHAClient) -> None:
    """A broker that cannot be reached is told."""
    assert await async_setup_component(hass, "system_health", {})
    mqtt_mock.connected = False
    found = await get_system_health_info(hass, DOMAIN)
    found.pop("state_writes_per_second").close()
    assert found["broker_connected"] is False


async def test_without_mqtt(hass: HomeAssistant) -> None:
    """Nothing set up, nothing broken."""
    assert await async_setup_component(hass, "system_health", {})
    assert await async_setup_component(hass, DOMAIN, {})
    await hass.async_block_till_done()
    found = await get_system_health_info(hass, DOMAIN)
    found.pop("state_writes_per_second").close()
    assert found["broker_connected"] is False
    assert found["nodes_known"] == 0
