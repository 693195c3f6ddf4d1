"""The action microgrid.setup_energy_dashboard: with Home Assistant's real energy and recorder."""

from __future__ import annotations

import time
from typing import Any
from unittest.mock import patch

import numpy as np
import pytest
from homeassistant.components.energy.data import EnergyManager, async_get_manager
from homeassistant.components.energy.validate import EnergyPreferencesValidation, ValidationIssues
from homeassistant.components.recorder import Recorder
from homeassistant.core import HomeAssistant
from homeassistant.exceptions import HomeAssistantError, ServiceValidationError
from homeassistant.helpers import device_registry as dr
from homeassistant.setup import async_setup_component
from pytest_homeassistant_custom_component.common import MockConfigEntry
from pytest_homeassistant_custom_component.typing import MqttMockHAClient, WebSocketGenerator

from custom_components.microgrid.const import DOMAIN
from microgrid_core.codec.umg1.frame import Kind
from microgrid_core.codec.umg1.records import Clock
from microgrid_core.codec.umg1.samples import encode_samples
from microgrid_core.codec.umg1.schema import Channel, Schema
from tests.unit.core.archive.logs import HOUR_US, MINUTE_US, Node

from .voices import Voice

COUNTERS = (
    "mppt_energy",
    "battery_energy_discharged",
    "battery_energy_charged",
    "energy_imported",
    "energy_exported",
    "load_energy",
)


def ident(house: int, key: str) -> str:
    """Return the id of a statistic."""
    return f"microgrid:demo_house_{house}_{key}"


def expected(house: int) -> list[dict[str, Any]]:
    """Return what a house contributes."""
    name = f"House {house}"
    return [
        {
            "type": "solar",
            "stat_energy_from": ident(house, "mppt_energy"),
            "config_entry_solar_forecast": None,
            "name": name,
        },
        {
            "type": "battery",
            "stat_energy_from": ident(house, "battery_energy_discharged"),
            "stat_energy_to": ident(house, "battery_energy_charged"),
            "name": name,
        },
        {
            "type": "grid",
            "stat_energy_from": ident(house, "energy_imported"),
            "stat_energy_to": ident(house, "energy_exported"),
            "cost_adjustment_day": 0.0,
            "name": name,
        },
    ]


@pytest.fixture
async def site(recorder_mock: Recorder, hass: HomeAssistant, entry: MockConfigEntry) -> MockConfigEntry:
    """Two houses that logged an hour, and the energy integration."""
    assert await async_setup_component(hass, "energy", {})
    channels = tuple(Channel(at, key, "Wh", MINUTE_US, width=4) for at, key in enumerate(COUNTERS, 1))
    await Voice(hass, "gateway-a", "gateway", "Gateway A").greet()
    for house in (1, 2):
        await Voice(hass, f"house-{house}", "house", f"House {house}", "gateway-a").greet()
        log = Node(
            utc_us=(time.time_ns() // 1000 // HOUR_US - 2) * HOUR_US, schema=Schema("h", "c", channels)
        )
        frames = log.start()
        for minute in range(60):
            samples = {channel.id: (np.array([minute * channel.id], np.int64), None) for channel in channels}
            payload, flags, blocks = encode_samples(
                log.schema, Kind.SLOW, 60_000, samples, Clock(0, 500, 3, 1)
            )
            frames.append(log.frame(Kind.SLOW, payload, flags, blocks))
            log.mono_us += MINUTE_US
        historian = entry.runtime_data.historian
        encoded = [frame.encode() for frame in frames]
        await historian.write(historian.archive.append, f"house-{house}", encoded)
        await historian.write(historian.archive.roll_up)
    return entry


async def act(hass: HomeAssistant, **data: Any) -> dict[str, Any]:
    """Call the action."""
    response = await hass.services.async_call(
        DOMAIN, "setup_energy_dashboard", data, blocking=True, return_response=True
    )
    assert isinstance(response, dict)
    return response


async def manager(hass: HomeAssistant) -> EnergyManager:
    """Return the one who keeps the preferences."""
    found: EnergyManager = await async_get_manager(hass)
    return found


async def test_one_house(
    hass: HomeAssistant, site: MockConfigEntry, hass_ws_client: WebSocketGenerator
) -> None:
    assert await act(hass, node="house-1") == {"energy_sources": expected(1), "device_consumption": []}
    client = await hass_ws_client(hass)
    await client.send_json_auto_id({"type": "energy/validate"})
    verdict = (await client.receive_json())["result"]
    assert verdict["energy_sources"] == [[], [], []], "Home Assistant has nothing to find fault with"
    await client.send_json_auto_id({"type": "energy/get_prefs"})
    kept = (await client.receive_json())["result"]["energy_sources"]
    assert [
        {key: source[key] for key in wanted} for source, wanted in zip(kept, expected(1), strict=True)
    ] == (expected(1))


async def test_the_whole_site(hass: HomeAssistant, site: MockConfigEntry) -> None:
    found = await act(hass, config_entry_id=site.entry_id)
    assert found["energy_sources"] == [*expected(1), *expected(2)]
    assert found["device_consumption"] == [
        {"stat_consumption": ident(house, "load_energy"), "name": f"House {house}"} for house in (1, 2)
    ]
    assert await act(hass, replace=True) == found, "without a choice, the only site there is"
    device = next(
        device
        for device in dr.async_entries_for_config_entry(dr.async_get(hass), site.entry_id)
        if device.name == "House 2"
    )
    assert (await act(hass, device_id=device.id, replace=True))["energy_sources"] == expected(2)


async def test_what_is_there_stays_unless_told(hass: HomeAssistant, site: MockConfigEntry) -> None:
    own: Any = {
        "energy_sources": [
            {"type": "solar", "stat_energy_from": "sensor.roof", "config_entry_solar_forecast": None},
            {
                "type": "water",
                "stat_energy_from": "sensor.well",
                "stat_cost": None,
                "entity_energy_price": None,
                "number_energy_price": None,
            },
        ],
        "device_consumption": [{"stat_consumption": "sensor.sauna"}],
    }
    keeper = await manager(hass)
    await keeper.async_update(own)
    with pytest.raises(ServiceValidationError) as refused:
        await act(hass, node="house-1")
    assert refused.value.translation_key == "energy_already_set_up"
    assert keeper.data is not None
    assert keeper.data["energy_sources"] == own["energy_sources"]

    await act(hass, node="house-1", replace=True)
    assert [source["type"] for source in keeper.data["energy_sources"]] == [
        "solar",
        "battery",
        "grid",
        "water",
    ]
    assert keeper.data["device_consumption"] == own["device_consumption"]


async def test_what_is_found_wrong_is_taken_back(hass: HomeAssistant, site: MockConfigEntry) -> None:
    wrong = EnergyPreferencesValidation()
    wrong.energy_sources.append(ValidationIssues())
    wrong.energy_sources[0].add_issue(hass, "statistics_not_defined", "sensor.roof")
    with (
        patch("custom_components.microgrid.services_energy.async_validate", return_value=wrong),
        pytest.raises(HomeAssistantError) as refused,
    ):
        await act(hass, node="house-1")
    assert refused.value.translation_key == "energy_invalid"
    assert refused.value.translation_placeholders == {"issues": "statistics_not_defined"}
    data = (await manager(hass)).data
    assert data is not None and data["energy_sources"] == []
    await act(hass, node="house-1")


@pytest.mark.parametrize(
    ("data", "reason"),
    [({"node": "gateway-a"}, "no_energy_statistics"), ({"node": "house-7"}, "unknown_node")],
)
async def test_what_cannot_be_set_up(
    hass: HomeAssistant, site: MockConfigEntry, data: dict[str, str], reason: str
) -> None:
    with pytest.raises(ServiceValidationError) as refused:
        await act(hass, **data)
    assert refused.value.translation_key == reason


async def test_without_energy(
    hass: HomeAssistant, entry: MockConfigEntry, mqtt_mock: MqttMockHAClient
) -> None:
    with pytest.raises(ServiceValidationError) as refused:
        await act(hass)
    assert refused.value.translation_key == "energy_missing"


async def test_of_several_sites_one_must_be_chosen(hass: HomeAssistant, site: MockConfigEntry) -> None:
    other = MockConfigEntry(
        domain=DOMAIN, title="Other", unique_id="other", data={"swarm": "other", "name": "Other"}
    )
    other.add_to_hass(hass)
    assert await hass.config_entries.async_setup(other.entry_id)
    with pytest.raises(ServiceValidationError) as refused:
        await act(hass)
    assert refused.value.translation_key == "choose_swarm"
    assert await hass.config_entries.async_unload(other.entry_id)
