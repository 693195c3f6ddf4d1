"""Triggers of automations for faults: by target, and on the page of a device."""

from __future__ import annotations

from typing import Any

import pytest
import voluptuous as vol
from homeassistant.components import automation
from homeassistant.components.device_automation import DeviceAutomationType
from homeassistant.core import HomeAssistant, ServiceCall
from homeassistant.helpers import (
    area_registry as ar,
    config_validation as cv,
    device_registry as dr,
    entity_registry as er,
)
from homeassistant.helpers.trigger import async_validate_trigger_config
from homeassistant.setup import async_setup_component
from pytest_homeassistant_custom_component.common import (
    MockConfigEntry,
    async_get_device_automations,
    async_mock_service,
)
from pytest_homeassistant_custom_component.typing import WebSocketGenerator

from custom_components.microgrid.const import DOMAIN
from custom_components.microgrid.device_trigger import TYPES
from custom_components.microgrid.event import ACTIVITIES
from custom_components.microgrid.fault_desk import EVENT_ANALYZED
from custom_components.microgrid.trigger import MOMENTS

from .voices import Voice


async def make(hass: HomeAssistant, node_id: str, kind: str, name: str) -> Voice:
    """A node that is there."""
    voice = Voice(hass, node_id, kind, name)
    await voice.greet()
    await hass.async_block_till_done()
    return voice


def device_of(hass: HomeAssistant, entry: MockConfigEntry, node_id: str) -> str:
    """The device of a node."""
    identifier = entry.runtime_data.devices.identifier(node_id)
    device = dr.async_get(hass).async_get_device_by_identifier(identifier, entry.entry_id)
    assert device is not None
    return device.id


@pytest.fixture
async def house(hass: HomeAssistant, entry: MockConfigEntry) -> Voice:
    """A house."""
    return await make(hass, "house-1", "house", "House 1")


@pytest.fixture
async def neighbour(hass: HomeAssistant, entry: MockConfigEntry) -> Voice:
    """Another one."""
    return await make(hass, "house-2", "house", "House 2")


async def automate(hass: HomeAssistant, **trigger: Any) -> list[ServiceCall]:
    """Have an automation wait for a trigger; returns what it did so far."""
    calls: list[ServiceCall] = async_mock_service(hass, "test", "fault")
    action = {"action": "test.fault", "data": {"fault": "{{ trigger.fault }}", "id": "{{ trigger.id }}"}}
    assert await async_setup_component(
        hass, automation.DOMAIN, {automation.DOMAIN: {"triggers": [trigger], "actions": [action]}}
    )
    await hass.async_block_till_done()
    assert hass.states.async_entity_ids_count("automation") == 1
    (state,) = hass.states.async_all("automation")
    assert state.state == "on"
    return calls


def analyzed(hass: HomeAssistant, entry: MockConfigEntry, node: str, severity: str = "critical") -> None:
    """Tell the operator, as the fault desk does."""
    data = {"config_entry_id": entry.entry_id, "node": node, "severity": severity, "code": "F001"}
    hass.bus.async_fire(EVENT_ANALYZED, {**data, "cause": "F001.bridge_fault"})


# ---- what is offered -------------------------------------------


@pytest.mark.parametrize("kind", ACTIVITIES)
async def test_every_kind_of_node_offers_device_triggers(
    hass: HomeAssistant, entry: MockConfigEntry, kind: str
) -> None:
    await make(hass, "node-1", kind, "Node 1")
    device_id = device_of(hass, entry, "node-1")
    found = await async_get_device_automations(hass, DeviceAutomationType.TRIGGER, device_id)
    ours = [one for one in found if one["domain"] == DOMAIN]
    assert [one["type"] for one in ours] == list(TYPES)
    assert {one["device_id"] for one in ours} == {device_id}


async def test_site_parts_and_unloaded_entries_offer_none(
    hass: HomeAssistant, entry: MockConfigEntry, house: Voice
) -> None:
    await house.birth(("inverter_power",))
    await house.live(inverter_power=1.0)
    await hass.async_block_till_done()
    registry = dr.async_get(hass)
    house_id = device_of(hass, entry, "house-1")
    parts = dr.async_entries_for_parent_device(registry, house_id)
    assert parts
    unloaded = MockConfigEntry(domain=DOMAIN)
    unloaded.add_to_hass(hass)
    other = registry.async_get_or_create(config_entry_id=unloaded.entry_id, identifiers={(DOMAIN, "x")})
    for device_id in (device_of(hass, entry, "site"), parts[0].id, other.id):
        found = await async_get_device_automations(hass, DeviceAutomationType.TRIGGER, device_id)
        assert [one for one in found if one["domain"] == DOMAIN] == []


async def test_the_editor_can_describe_the_triggers(
    hass: HomeAssistant, entry: MockConfigEntry, hass_ws_client: WebSocketGenerator
) -> None:
    """What the automation editor asks for: the fields and targets of each, for all of ours."""
    assert await async_setup_component(hass, automation.DOMAIN, {})
    client = await hass_ws_client()
    await client.send_json_auto_id({"type": "trigger_platforms/subscribe"})
    assert (await client.receive_json())["success"]
    descriptions = (await client.receive_json())["event"]
    ours = {name: one for name, one in descriptions.items() if name.startswith(f"{DOMAIN}.")}
    assert ours.keys() == {f"{DOMAIN}.{moment}" for moment in MOMENTS}
    for description in ours.values():
        assert description["target"]["entity"] == [{"integration": DOMAIN, "domain": ["event"]}]
        assert description["fields"]["severity"]["selector"]["select"]["multiple"]


@pytest.mark.parametrize(
    "options", [{"severity": []}, {"severity": ["deadly"]}, {"code": "F001"}, {"severity": 7}]
)
async def test_nonsense_is_refused(
    hass: HomeAssistant, entry: MockConfigEntry, options: dict[str, Any]
) -> None:
    trigger = {"trigger": "microgrid.fault_raised", "target": {"area_id": "north"}}
    await async_validate_trigger_config(hass, cv.TRIGGER_SCHEMA([trigger]))
    with pytest.raises(vol.Invalid):
        await async_validate_trigger_config(hass, cv.TRIGGER_SCHEMA([{**trigger, "options": options}]))
    with pytest.raises(vol.Invalid):  # of what?
        await async_validate_trigger_config(hass, cv.TRIGGER_SCHEMA([{"trigger": trigger["trigger"]}]))


# ---- by target -------------------------------------------------


async def test_a_raised_fault_of_a_target(
    hass: HomeAssistant, entry: MockConfigEntry, house: Voice, neighbour: Voice
) -> None:
    target = {"device_id": device_of(hass, entry, "house-1")}
    calls = await automate(hass, trigger="microgrid.fault_raised", target=target, id="wanted")
    neighbour.event("fault", "F001", "raised", "critical")
    house.event("boot", "POWER_ON")
    house.event("fault", "F001", "cleared", "critical")
    house.event("fault", "F001", "raised", "critical", "house-1:1:9")
    await hass.async_block_till_done()
    (call,) = calls
    assert call.data["id"] == "wanted"
    assert call.data["fault"] == {
        "config_entry_id": entry.entry_id,
        "swarm": "demo",
        "event_id": "house-1:1:9",
        "node": "house-1",
        "node_name": "House 1",
        "type": "fault",
        "code": "F001",
        "code_name": "Inverter overcurrent",
        "severity": "critical",
        "time": "2026-06-01T12:00:00.000Z",
        "late": False,
    }


async def test_over_and_by_severity(hass: HomeAssistant, entry: MockConfigEntry, house: Voice) -> None:
    (event_id,) = (
        found.entity_id
        for found in er.async_entries_for_device(er.async_get(hass), device_of(hass, entry, "house-1"))
        if found.entity_id == "event.house_1_fault"
    )
    calls = await automate(
        hass,
        trigger="microgrid.fault_cleared",
        target={"entity_id": event_id},
        options={"severity": "warning"},
    )
    for code, severity in (("F001", "critical"), ("F015", "warning")):
        house.event("fault", code, "raised", severity)
        house.event("fault", code, "cleared", severity)
    house.event("alarm", "LOW_CHARGE", "raised", "warning")
    house.event("alarm", "LOW_CHARGE", "cleared", "warning")
    await hass.async_block_till_done()
    assert [(call.data["fault"]["type"], call.data["fault"]["code"]) for call in calls] == [
        ("fault", "F015"),
        ("alarm", "LOW_CHARGE"),
    ]


async def test_an_analysed_fault_in_an_area_that_changes(
    hass: HomeAssistant, entry: MockConfigEntry, house: Voice, neighbour: Voice
) -> None:
    """Who belongs to a target is looked up at that moment."""
    north = ar.async_get(hass).async_create("North")
    calls = await automate(hass, trigger="microgrid.fault_analyzed", target={"area_id": north.id})
    analyzed(hass, entry, "house-1")
    await hass.async_block_till_done()
    assert calls == []
    registry = dr.async_get(hass)
    registry.async_update_device(device_of(hass, entry, "house-1"), area_id=north.id)
    for node in ("house-1", "house-2"):
        analyzed(hass, entry, node)
    await hass.async_block_till_done()
    (call,) = calls
    assert (call.data["fault"]["node"], call.data["fault"]["cause"]) == ("house-1", "F001.bridge_fault")


# ---- of a device -----------------------------------------------


@pytest.mark.parametrize(
    ("wanted", "count"),
    [
        ("fault_raised", 2),
        ("critical_fault_raised", 1),
        ("fault_cleared", 2),
        ("fault_analyzed", 2),
        ("critical_fault_analyzed", 1),
    ],
)
async def test_device_triggers(
    hass: HomeAssistant, entry: MockConfigEntry, house: Voice, neighbour: Voice, wanted: str, count: int
) -> None:
    device_id = device_of(hass, entry, "house-1")
    calls = await automate(
        hass, trigger="device", domain=DOMAIN, device_id=device_id, type=wanted, id="of the device"
    )
    # An automation lives longer than an entry is loaded.
    assert await hass.config_entries.async_reload(entry.entry_id)
    await house.greet()
    await neighbour.greet()
    for node in (house, neighbour):
        for code, severity in (("F001", "critical"), ("F015", "warning")):
            node.event("fault", code, "raised", severity)
            node.event("fault", code, "cleared", severity)
            analyzed(hass, entry, node.node_id, severity)
    await hass.async_block_till_done()
    assert len(calls) == count
    assert {call.data["id"] for call in calls} == {"of the device"}
    assert {call.data["fault"]["node"] for call in calls} == {"house-1"}
    if count == 1:
        assert calls[0].data["fault"]["severity"] == "critical"


async def test_a_removed_entry_leaves_automations_alone(
    hass: HomeAssistant, entry: MockConfigEntry, house: Voice
) -> None:
    device_id = device_of(hass, entry, "house-1")
    calls = await automate(hass, trigger="device", domain=DOMAIN, device_id=device_id, type="fault_analyzed")
    assert await hass.config_entries.async_remove(entry.entry_id)
    analyzed(hass, entry, "house-1")
    await hass.async_block_till_done()
    assert calls == []
