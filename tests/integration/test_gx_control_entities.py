"""Controls of a GX as entities: only what was allowed, what the station reads back, and clear refusals."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any, Final

import pytest
from homeassistant.config_entries import SOURCE_RECONFIGURE
from homeassistant.core import Context, Event, HomeAssistant
from homeassistant.data_entry_flow import FlowResultType
from homeassistant.exceptions import HomeAssistantError, ServiceValidationError
from homeassistant.helpers import entity_registry as er
from pytest_homeassistant_custom_component.common import MockConfigEntry, MockUser, async_capture_events
from pytest_homeassistant_custom_component.typing import MqttMockHAClient

import custom_components.microgrid as integration
from custom_components.microgrid import logbook
from custom_components.microgrid.const import DOMAIN, EVENT_GX_WRITE, SUBENTRY_GX
from custom_components.microgrid.core.gx.control import CONTROLS, GROUPS
from custom_components.microgrid.diagnostics import async_get_config_entry_diagnostics
from custom_components.microgrid.entities_gx_control import (
    is_number,
    is_select,
    is_switch,
    is_time,
    shown,
)
from custom_components.microgrid.gx_control import ERRORS
from microgrid_core.gx.value import Address
from simulator.gx.broker_side import BrokerSide
from simulator.gx.site import SimulatedSite
from tests.mosquitto import Mosquitto

from . import gx as world, gx_link as fixtures
from .gx_link import until

broker, site, gx = fixtures.broker, fixtures.site, fixtures.gx

MODE = Address("vebus", 276, "/Mode")
MINIMUM = Address("settings", 0, "/Settings/CGwacs/BatteryLife/MinimumSocLimit")
RELAY = Address("system", 0, "/Relay/1/State")
DAY, START, DURATION, TARGET, BEYOND = (
    Address("settings", 0, f"/Settings/CGwacs/BatteryLife/Schedule/Charge/0/{name}")
    for name in ("Day", "Start", "Duration", "Soc", "AllowDischarge")
)
WRITES: Final[tuple[tuple[str, str, dict[str, Any], Address, int, str], ...]] = (
    ("select.inverter_charger_mode", "select_option", {"option": "charger_only"}, MODE, 1, "charger_only"),
    (
        "number.grid_set_point",
        "set_value",
        {"value": -500},
        Address("settings", 0, "/Settings/CGwacs/AcPowerSetPoint"),
        -500,
        "-500",
    ),
    ("number.minimum_state_of_charge", "set_value", {"value": 35}, MINIMUM, 35, "35"),
    ("switch.relay_2", "turn_on", {}, RELAY, 1, "on"),
    ("switch.relay_2", "turn_off", {}, RELAY, 0, "off"),
    ("switch.scheduled_charging_1", "turn_on", {}, DAY, 7, "on"),
    ("select.scheduled_charging_1_day", "select_option", {"option": "sunday"}, DAY, 0, "sunday"),
    ("switch.scheduled_charging_1", "turn_off", {}, DAY, -10, "off"),
    ("number.scheduled_charging_1_duration", "set_value", {"value": 90}, DURATION, 5400, "90.0"),
    ("number.scheduled_charging_1_target", "set_value", {"value": 80}, TARGET, 80, "80"),
    ("switch.scheduled_charging_1_use_above_target", "turn_off", {}, BEYOND, 1, "off"),
    ("time.scheduled_charging_1_start", "set_value", {"time": "02:30:00"}, START, 9000, "02:30:00"),
)
"""Entity, action, its data, where it must arrive at the GX and as what, and the state then."""


@pytest.fixture
def allowed() -> Mapping[str, Any]:
    """What the user allowed."""
    return {"allow_control": True, "controls": list(GROUPS)}


@pytest.fixture
async def entry(
    hass: HomeAssistant,
    mqtt_mock: MqttMockHAClient,
    gx: BrokerSide,
    broker: Mosquitto,
    allowed: Mapping[str, Any],
) -> AsyncIterator[MockConfigEntry]:
    """A swarm with one station, connected."""
    made = MockConfigEntry(
        domain=DOMAIN,
        title="Demo",
        unique_id="demo",
        data={"swarm": "demo", "name": "Demo"},
        subentries_data=[fixtures.subentry(broker.port, gx.station.portal, **allowed)],
    )
    made.add_to_hass(hass)
    assert await hass.config_entries.async_setup(made.entry_id)
    await until(lambda: hass.states.get("sensor.barn_state_of_charge"), "the station is a node")
    await hass.async_block_till_done()
    yield made
    await world.unload(hass, made)


def controls(hass: HomeAssistant, entry: MockConfigEntry) -> dict[str, er.RegistryEntry]:
    """Entities of controls by the end of their unique id."""
    found = er.async_entries_for_config_entry(er.async_get(hass), entry.entry_id)
    return {one.unique_id.rpartition("/control_")[2]: one for one in found if "/control_" in one.unique_id}


async def call(hass: HomeAssistant, domain: str, action: str, data: dict[str, Any], **more: Any) -> None:
    await hass.services.async_call(domain, action, data, blocking=True, **more)


def shows(hass: HomeAssistant, entity_id: str) -> str:
    state = hass.states.get(entity_id)
    assert state is not None, entity_id
    return state.state


@pytest.mark.parametrize(
    ("allowed", "keys"),
    [
        ({}, set()),
        ({"allow_control": False, "controls": list(GROUPS)}, set()),
        ({"allow_control": True, "controls": ["relays"]}, {"relay_0", "relay_1"}),
        (
            {"allow_control": True, "controls": ["mode", "battery_power"]},
            {"mode", "setpoint_override", "release"},
        ),
    ],
)
async def test_only_what_was_allowed_exists(
    hass: HomeAssistant, entry: MockConfigEntry, keys: set[str]
) -> None:
    assert set(controls(hass, entry)) == keys


async def test_the_controls_and_what_they_write(
    hass: HomeAssistant, entry: MockConfigEntry, gx: BrokerSide
) -> None:
    made = controls(hass, entry)
    assert sum(one.disabled_by is None for one in made.values()) == 6 + 1 + 6, "one slot, and what is no slot"
    assert shows(hass, "select.barn_inverter_charger_mode") == "on"
    for entity_id, action, data, address, there, state in WRITES:
        domain, name = entity_id.split(".")
        await call(hass, domain, action, {"entity_id": f"{domain}.barn_{name}", **data})
        assert gx.station.items[address].value == there, entity_id
        told = shows(hass, f"{domain}.barn_{name}")
        assert told == state or float(told) == float(state), entity_id


async def test_the_state_is_what_the_station_says(
    hass: HomeAssistant, entry: MockConfigEntry, gx: BrokerSide, site: SimulatedSite
) -> None:
    mode = "select.barn_inverter_charger_mode"
    site.station.ignored.add(MODE)
    with pytest.raises(HomeAssistantError) as failed:
        await call(hass, "select", "select_option", {"entity_id": mode, "option": "off"})
    assert failed.value.translation_key == "gx_not_confirmed"
    assert shows(hass, mode) == "on"
    gx.station.set(MODE, 2)
    await until(lambda: shows(hass, mode) == "inverter_only", "somebody turned the switch at the device")
    await hass.async_add_executor_job(gx.drop, "vebus", 276)
    await until(lambda: shows(hass, mode) == "unavailable", "the device left")


async def test_limits_come_from_the_payload(
    hass: HomeAssistant, entry: MockConfigEntry, gx: BrokerSide, site: SimulatedSite
) -> None:
    site.station.limit(MINIMUM, 15.0, 85.0)
    site.station.set(MINIMUM, 30.0)
    entity_id = "number.barn_minimum_state_of_charge"
    await until(lambda: (state := hass.states.get(entity_id)) and state.attributes["max"] == 85.0, "told")
    with pytest.raises(ServiceValidationError):
        await call(hass, "number", "set_value", {"entity_id": entity_id, "value": 90})
    assert not gx.writes


async def test_an_override_is_released_by_a_button_and_by_the_end(
    hass: HomeAssistant, entry: MockConfigEntry, gx: BrokerSide
) -> None:
    setpoint = Address("hub4", 0, "/Overrides/Setpoint")
    number = "number.barn_grid_set_point_override"
    assert shows(hass, number) == "unknown"
    user = MockUser(name="Installer", is_owner=True).add_to_hass(hass)
    events: list[Event[dict[str, Any]]] = async_capture_events(hass, EVENT_GX_WRITE)
    context = Context(user_id=user.id)
    await call(hass, "number", "set_value", {"entity_id": number, "value": 1200}, context=context)
    assert float(shows(hass, number)) == 1200
    assert (events[0].data["by"], events[0].data["station"]) == ("Installer", "Barn")
    described: list[dict[str, str]] = []
    logbook.async_describe_events(hass, lambda domain, kind, describe: described.append(describe(events[0])))
    assert described == [{"name": "Barn", "message": "set setpoint_override from None to 1200, by Installer"}]
    found = (await async_get_config_entry_diagnostics(hass, entry))["victron_gx_control"]
    (told,) = found.values()
    assert told["held"]["setpoint_override"]["value"] == 1200
    assert (told["writes"][0]["by"], told["writes"][0]["user_id"]) == ("user", None)
    assert "Installer" not in json.dumps(found), "who it was stays at home"
    await call(hass, "button", "press", {"entity_id": "button.barn_release_overrides"})
    assert gx.station.items[setpoint].value is None
    await until(lambda: shows(hass, number) == "unknown", "given up")
    await call(hass, "number", "set_value", {"entity_id": number, "value": 800})
    await world.unload(hass, entry)
    assert gx.station.items[setpoint].value is None


@pytest.mark.parametrize("allowed", [{}])
async def test_control_is_allowed_in_the_settings_of_the_station(
    hass: HomeAssistant, entry: MockConfigEntry
) -> None:
    (subentry,) = entry.get_subentries_of_type(SUBENTRY_GX)
    flows = hass.config_entries.subentries
    menu = await flows.async_init(
        (entry.entry_id, SUBENTRY_GX),
        context={"source": SOURCE_RECONFIGURE, "subentry_id": subentry.subentry_id},
    )
    assert "gx_control" in menu["menu_options"]
    form = await flows.async_configure(menu["flow_id"], {"next_step_id": "gx_control"})
    assert form["type"] is FlowResultType.FORM
    done = await flows.async_configure(form["flow_id"], {"allow_control": True, "controls": ["mode"]})
    assert done["type"] is FlowResultType.ABORT
    await hass.async_block_till_done()
    await until(lambda: set(controls(hass, entry)) == {"mode"}, "the control is there after the reload")
    (subentry,) = entry.get_subentries_of_type(SUBENTRY_GX)
    assert subentry.data["host"] == "127.0.0.1", "the way to it stays"


@pytest.mark.parametrize("language", ["en", "de", "pl"])
def test_every_control_has_its_names(language: str) -> None:
    root = Path(integration.__file__).parent
    texts = json.loads((root / "translations" / f"{language}.json").read_text(encoding="utf-8"))
    icons = json.loads((root / "icons.json").read_text(encoding="utf-8"))["entity"]
    keys = {control.name.format(slot=0, n=0) for control in CONTROLS} - {
        "force_charge",
        "maximum_discharge_power",
    }
    wanted = {
        "select": {shown(key).name for key in keys if is_select(key)},
        "number": {shown(key).name for key in keys if is_number(key)},
        "switch": {shown(key).name for key in keys if is_switch(key)} - {"gx_charge_day"} | {"gx_charge"},
        "time": {shown(key).name for key in keys if is_time(key)},
        "button": {"gx_release"},
    }
    for domain, names in wanted.items():
        named = {name for name in texts["entity"][domain] if name.startswith("gx_")}
        assert named == names, domain
        assert {name for name in icons[domain] if name.startswith("gx_")} == names, domain
    assert set(texts["selector"]["gx_controls"]["options"]) == set(GROUPS)
    errors = {name for name in texts["exceptions"] if name.startswith("gx_")}
    assert {"gx_control_not_allowed", *ERRORS.values()} <= errors
    every = [key for key in keys if any(test(key) for test in (is_select, is_number, is_switch, is_time))]
    assert set(every) == keys, "each control is shown somewhere"
