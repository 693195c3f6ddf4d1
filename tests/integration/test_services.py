"""The action microgrid.send_command: checked before anything leaves, answered by nodes, told to the user."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any

import pytest
import voluptuous as vol
from homeassistant.core import HomeAssistant
from homeassistant.exceptions import HomeAssistantError, ServiceValidationError
from homeassistant.helpers import device_registry as dr
from pytest_homeassistant_custom_component.common import MockConfigEntry
from pytest_homeassistant_custom_component.typing import MqttMockHAClient

from custom_components.microgrid.const import CONF_NAME, CONF_SWARM, DOMAIN

from .voices import SWARM, Voice

LIMIT = {
    "name": "set_charge_limit",
    "parameters": [{"name": "power_w", "type": "number", "minimum": 0, "maximum": 3000, "unit": "W"}],
}
RESTART = {"name": "restart"}


class Obedient(Voice):
    """A battery that answers commands."""

    answer: Mapping[str, Any] | None = MappingProxyType({"status": "succeeded", "values": {"power_w": 1500}})

    async def ready(self) -> Obedient:
        """Announce itself with its commands and speak."""
        await self.birth(("state_of_charge",), capabilities={"commands": [LIMIT, RESTART]})
        await self.state("online")
        await self.live(state_of_charge=50.0)
        return self


def commands(mqtt_mock: MqttMockHAClient) -> dict[str, dict[str, Any]]:
    """Return what was sent, by node."""
    return {
        call.args[0].split("/")[3]: json.loads(call.args[1])
        for call in mqtt_mock.async_publish.call_args_list
        if call.args[0].endswith("/cmd/set")
    }


async def act(
    hass: HomeAssistant,
    mqtt_mock: MqttMockHAClient,
    nodes: Iterable[Obedient],
    *,
    response: bool = False,
    **data: Any,
) -> Any:
    """Call the action and let the nodes answer."""
    task = hass.async_create_task(
        hass.services.async_call(DOMAIN, "send_command", data, blocking=True, return_response=response)
    )
    for _ in range(20):
        await asyncio.sleep(0)
    sent = commands(mqtt_mock)
    for node in nodes:
        if node.answer and node.node_id in sent:
            node.send("cmd/result", json.dumps({"id": sent[node.node_id]["id"], **node.answer}))
    return await task


@pytest.fixture
async def first(hass: HomeAssistant, entry: MockConfigEntry) -> Obedient:
    """A battery."""
    return await Obedient(hass, "battery-1", "battery", "Cellar").ready()


@pytest.fixture
async def second(hass: HomeAssistant, entry: MockConfigEntry) -> Obedient:
    """Another one."""
    return await Obedient(hass, "battery-2", "battery", "Garage").ready()


def device_of(hass: HomeAssistant, name: str) -> str:
    """Return the id of a device by its name."""
    return next(device.id for device in dr.async_get(hass).devices if device.name == name)


async def test_response(
    hass: HomeAssistant, mqtt_mock: MqttMockHAClient, first: Obedient, second: Obedient
) -> None:
    """Several nodes, by device and by id, each once; every answer comes back."""
    second.answer = {"status": "rejected", "reason": "too warm"}
    result = await act(
        hass,
        mqtt_mock,
        (first, second),
        response=True,
        device_id=[device_of(hass, "Cellar")],
        node=["battery-1", "battery-2"],
        command="set_charge_limit",
        parameters={"power_w": 1500},
    )
    assert result == {
        "results": {
            "battery-1": {"status": "succeeded", "reason": None, "values": {"power_w": 1500}},
            "battery-2": {"status": "rejected", "reason": "too warm", "values": {}},
        }
    }
    sent = commands(mqtt_mock)
    assert sent["battery-1"]["parameters"] == {"power_w": 1500}
    assert len([call for call in mqtt_mock.async_publish.call_args_list if "cmd" in call.args[0]]) == 2


async def test_targets_of_automations(
    hass: HomeAssistant, mqtt_mock: MqttMockHAClient, first: Obedient
) -> None:
    """Devices may also stand under `target`, where those who write automations by hand put them."""
    task = hass.async_create_task(
        hass.services.async_call(
            DOMAIN,
            "send_command",
            {"command": "restart"},
            blocking=True,
            target={"device_id": device_of(hass, "Cellar")},
        )
    )
    for _ in range(20):
        await asyncio.sleep(0)
    sent = commands(mqtt_mock)["battery-1"]
    assert sent["command"] == "restart"
    first.send("cmd/result", json.dumps({"id": sent["id"], "status": "succeeded"}))
    await task


async def test_without_response(hass: HomeAssistant, mqtt_mock: MqttMockHAClient, first: Obedient) -> None:
    """What worked needs no word; what did not is an error that names node and reason."""
    call: dict[str, Any] = {"node": "battery-1", "command": "restart"}
    assert await act(hass, mqtt_mock, (first,), **call) is None
    mqtt_mock.async_publish.reset_mock()
    first.answer = {"status": "failed", "reason": "relay stuck"}
    with pytest.raises(HomeAssistantError, match=r"battery-1: failed \(relay stuck\)"):
        await act(hass, mqtt_mock, (first,), **call)
    mqtt_mock.async_publish.reset_mock()
    first.answer = {"status": "expired"}
    with pytest.raises(HomeAssistantError, match=r"battery-1: expired \(no reason given\)"):
        await act(hass, mqtt_mock, (first,), **call)


async def test_no_answer(hass: HomeAssistant, mqtt_mock: MqttMockHAClient, first: Obedient) -> None:
    """Silence ends with the timeout, and is told either way."""
    first.answer = None
    call: dict[str, Any] = {"node": "battery-1", "command": "restart", "timeout": 1}
    result = await act(hass, mqtt_mock, (first,), response=True, **call)
    told = result["results"]["battery-1"]
    assert told["status"] == "unanswered"
    assert told["reason"] == "Cellar did not answer restart within 1 s"
    with pytest.raises(HomeAssistantError, match="unanswered"):
        await act(hass, mqtt_mock, (first,), **call)


async def test_unloaded_meanwhile(
    hass: HomeAssistant, entry: MockConfigEntry, mqtt_mock: MqttMockHAClient, first: Obedient
) -> None:
    """A reload while a node thinks ends the wait."""
    task = hass.async_create_task(
        hass.services.async_call(
            DOMAIN,
            "send_command",
            {"node": "battery-1", "command": "restart"},
            blocking=True,
            return_response=True,
        )
    )
    for _ in range(20):
        await asyncio.sleep(0)
    await hass.config_entries.async_unload(entry.entry_id)
    result: Any = await task
    assert result["results"]["battery-1"]["status"] == "unanswered"


async def test_an_unexpected_error_is_not_hidden(
    hass: HomeAssistant,
    entry: MockConfigEntry,
    mqtt_mock: MqttMockHAClient,
    first: Obedient,
) -> None:
    """An error that is nobody's answer stays an error."""
    mqtt_mock.async_publish.side_effect = RuntimeError("broken")
    with pytest.raises(RuntimeError, match="broken"):
        await act(hass, mqtt_mock, (first,), response=True, node="battery-1", command="restart")


async def test_every_reason_at_once_and_nothing_sent(
    hass: HomeAssistant, mqtt_mock: MqttMockHAClient, first: Obedient, second: Obedient
) -> None:
    """One error lists all that is wrong with all targets; the good ones get nothing either."""
    await second.state("offline")
    with pytest.raises(ServiceValidationError) as refused:
        await act(
            hass,
            mqtt_mock,
            (first, second),
            node=["battery-1", "battery-2", "battery-3"],
            command="set_charge_limit",
            parameters={"power_w": 9000, "speed": 1},
        )
    text = str(refused.value)
    for reason in (
        "battery-1: power_w = 9000 is above 3000 W",
        "battery-1: set_charge_limit has no parameter speed",
        "battery-2: power_w = 9000 is above 3000 W",
        "battery-2 is offline",
        "no node has the id battery-3",
    ):
        assert reason in text
    assert not commands(mqtt_mock)
    with pytest.raises(ServiceValidationError, match="battery-1: set_charge_limit needs power_w"):
        await act(hass, mqtt_mock, (first,), node="battery-1", command="set_charge_limit")


async def test_command_that_was_not_declared(
    hass: HomeAssistant, mqtt_mock: MqttMockHAClient, first: Obedient
) -> None:
    """Refused by default; the error names what there is."""
    with pytest.raises(ServiceValidationError, match="it offers: restart, set_charge_limit"):
        await act(hass, mqtt_mock, (first,), node="battery-1", command="explode")
    assert not commands(mqtt_mock)


@pytest.mark.parametrize(
    ("data", "what"),
    [
        ({"command": "restart"}, "at least one"),
        ({"node": "battery-1"}, "command"),
        ({"node": "battery-1", "command": "restart", "timeout": 0}, "timeout"),
        ({"node": "battery-1", "command": "restart", "timeout": 121}, "timeout"),
        ({"node": "battery-1", "command": "restart", "parameters": {"a": [1]}}, "parameters"),
    ],
)
async def test_malformed_call(
    hass: HomeAssistant, entry: MockConfigEntry, data: dict[str, Any], what: str
) -> None:
    """A call that makes no sense is refused by its schema."""
    with pytest.raises(vol.Invalid, match=what):
        await hass.services.async_call(DOMAIN, "send_command", data, blocking=True)


async def test_devices_that_are_no_target(
    hass: HomeAssistant, entry: MockConfigEntry, mqtt_mock: MqttMockHAClient, first: Obedient
) -> None:
    """No device, an unknown one, one of a node that is not known now, the site: each has its own words."""

    async def error(device_id: list[str]) -> str:
        with pytest.raises(ServiceValidationError) as refused:
            await act(hass, mqtt_mock, (), device_id=device_id, command="restart")
        return str(refused.value)

    assert "at least one device" in await error([])
    assert "0123" in await error(["0123"])
    assert "site does not offer restart" in await error([device_of(hass, "Demo")])
    await hass.config_entries.async_reload(entry.entry_id)
    await hass.async_block_till_done()
    assert "Cellar stands for no node that is known now" in await error([device_of(hass, "Cellar")])


async def test_part_of_a_house(
    hass: HomeAssistant, entry: MockConfigEntry, mqtt_mock: MqttMockHAClient
) -> None:
    """The battery of a house stands for the house."""
    house = Obedient(hass, "house-1", "house", "House 1")
    await house.birth(capabilities={"commands": [RESTART], "metrics": ["state_of_charge"]})
    await house.state("online")
    await house.live(state_of_charge=50.0)
    part = next(
        device.id
        for device in dr.async_child_entries_for_config_entry(dr.async_get(hass), entry.entry_id)
        if device.name == "Battery"
    )
    result = await act(hass, mqtt_mock, (house,), response=True, device_id=part, command="restart")
    assert result["results"]["house-1"]["status"] == "succeeded"


async def test_one_id_in_two_swarms(
    hass: HomeAssistant, entry: MockConfigEntry, mqtt_mock: MqttMockHAClient, first: Obedient
) -> None:
    """An id that two swarms have cannot tell which is meant."""
    other = MockConfigEntry(domain=DOMAIN, unique_id="other", data={CONF_SWARM: "other", CONF_NAME: "Other"})
    other.add_to_hass(hass)
    assert await hass.config_entries.async_setup(other.entry_id)
    birth = entry.runtime_data.swarm.nodes["battery-1"].birth
    other.runtime_data.swarm.announce("battery-1", birth)
    assert other.runtime_data.swarm.swarm_id != SWARM
    with pytest.raises(ServiceValidationError, match="battery-1 is a node of several swarms"):
        await act(hass, mqtt_mock, (first,), node="battery-1", command="restart")
