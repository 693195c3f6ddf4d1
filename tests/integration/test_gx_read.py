"""The action microgrid.gx_read, and the diagnostics of a Victron GX."""

from __future__ import annotations

import json
from typing import Any

import pytest
from homeassistant.core import HomeAssistant
from homeassistant.exceptions import HomeAssistantError, ServiceValidationError
from homeassistant.helpers import device_registry as dr
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.microgrid.diagnostics import (
    async_get_config_entry_diagnostics,
    async_get_device_diagnostics,
)
from simulator.gx.broker_side import BrokerSide
from simulator.gx.site import SimulatedSite
from tests.integration import gx as world
from tests.integration.gx import station_of, until

broker, site, gx, entry, quick = world.broker, world.site, world.gx, world.entry, world.quick


@pytest.fixture(autouse=True)
async def connected(hass: HomeAssistant, entry: MockConfigEntry) -> None:
    """Everything is there."""
    station = station_of(entry)
    await until(hass, lambda: station.node is not None and station.connected, "connected")


async def read(hass: HomeAssistant, **data: Any) -> dict[str, Any]:
    answer = await hass.services.async_call("microgrid", "gx_read", data, blocking=True, return_response=True)
    assert isinstance(answer, dict)
    json.dumps(answer)
    return dict(answer)


async def test_a_path_with_what_it_means(hass: HomeAssistant, gx: BrokerSide) -> None:
    gx.reads.clear()
    answer = await read(hass, service="vebus", path="/State")
    assert answer["station"] == "Barn"
    assert answer["service"].startswith("vebus/")
    assert answer["meaning"] == "bulk" or isinstance(answer["meaning"], str)
    assert answer["area"] == "inverter"
    assert not any(path.endswith("/State") for path in gx.reads), "what was told need not be asked for"


async def test_it_is_asked_for_on_demand(hass: HomeAssistant, gx: BrokerSide) -> None:
    gx.reads.clear()
    answer = await read(hass, service="battery", path="/Dc/0/Voltage", refresh=True)
    assert answer["unit"] == "V"
    assert any(path.endswith("/Dc/0/Voltage") for path in gx.reads)


async def test_what_never_notifies_is_asked_for(
    hass: HomeAssistant, gx: BrokerSide, entry: MockConfigEntry
) -> None:
    path = "/CanBus/Interface/can0/Statistics"
    answer = await read(hass, service="platform/0", path=path, refresh=True)
    assert "packets" in json.dumps(answer["value"])


async def test_all_below_a_path(hass: HomeAssistant, entry: MockConfigEntry) -> None:
    answer = await read(hass, service="battery", path="/Alarms/")
    assert answer["paths"]["/Alarms/HighTemperature"] == 0
    assert all(path.startswith("/Alarms/") for path in answer["paths"])
    assert len((await read(hass, service="battery", path="/"))["paths"]) > len(answer["paths"])


async def test_a_device_names_its_service(hass: HomeAssistant, entry: MockConfigEntry) -> None:
    devices = {d.name: d.id for d in dr.async_entries_for_config_entry(dr.async_get(hass), entry.entry_id)}
    answer = await read(hass, device_id=devices["Barn Pylontech battery"], path="/Soc")
    assert answer["unit"] == "%"
    assert answer["service"].startswith("battery/")
    assert (await read(hass, node=station_of(entry).node_id, service="battery", path="/Soc")) is not None
    with pytest.raises(ServiceValidationError, match="vebus/"):
        await read(hass, device_id=devices["Barn"], path="/Soc")
    with pytest.raises(ServiceValidationError) as error:
        await read(hass, device_id=devices["Demo"], path="/Soc")
    assert error.value.translation_key == "gx_no_station"


@pytest.mark.parametrize(
    ("data", "key"),
    [
        ({"service": "windcharger", "path": "/Dc/0/Voltage"}, "gx_path_missing"),
        ({"service": "battery/999", "path": "/Soc"}, "gx_path_missing"),
        ({"service": "battery", "path": "Soc"}, "gx_path_missing"),
        ({"service": "Battery!", "path": "/Soc"}, "gx_path_missing"),
        ({"service": "battery", "path": "/#"}, "gx_path_missing"),
    ],
)
async def test_what_cannot_be_is_refused(hass: HomeAssistant, data: dict[str, Any], key: str) -> None:
    with pytest.raises(ServiceValidationError) as error:
        await read(hass, **data)
    assert error.value.translation_key == key


async def test_a_gx_that_does_not_answer(
    hass: HomeAssistant, gx: BrokerSide, monkeypatch: pytest.MonkeyPatch, entry: MockConfigEntry
) -> None:
    with pytest.raises(HomeAssistantError) as error:
        await read(hass, service="battery", path="/NoSuchPath")
    assert error.value.translation_key == "gx_read_failed"


async def test_diagnostics_hold_everything_but_secrets(
    hass: HomeAssistant, gx: BrokerSide, site: SimulatedSite, entry: MockConfigEntry
) -> None:
    station = station_of(entry)
    found = (await async_get_config_entry_diagnostics(hass, entry))["victron_gx"][station.node_id]
    assert found["state"] == "online"
    assert found["paths"] == len(station.tree) == sum(len(d["paths"]) for d in found["tree"].values())
    battery = next(key for key in found["tree"] if key.startswith("battery/"))
    assert found["tree"][battery]["paths"]["/Soc"] == station.tree.value("battery", "/Soc")
    text = json.dumps(found)
    assert station.settings.portal not in text
    assert "HQ2301ABCDE" not in text
    for device in dr.async_entries_for_config_entry(dr.async_get(hass), entry.entry_id):
        told = await async_get_device_diagnostics(hass, entry, device)
        assert (told["victron_gx"] is not None) is (device.name != "Demo")
