"""Settings of nodes as entities: made when declared, set by command, shown as read back."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from homeassistant.core import HomeAssistant
from homeassistant.exceptions import HomeAssistantError, ServiceValidationError
from homeassistant.helpers import entity_registry as er
from pytest_homeassistant_custom_component.common import MockConfigEntry
from pytest_homeassistant_custom_component.typing import MqttMockHAClient

from custom_components.microgrid.core.model.kinds import KINDS
from custom_components.microgrid.entities_commands import NAMED, NAMED_BUTTONS

from .voices import Voice

TRANSLATIONS = Path(__file__).resolve().parents[2] / "custom_components" / "microgrid" / "translations"


def setter(metric: str, kind: str, **limits: Any) -> dict[str, Any]:
    """Declare a command that sets a metric."""
    return {"name": f"set_{metric}", "parameters": [{"name": "value", "type": kind, **limits}]}


PRIORITY = setter("output_source_priority", "choice", options=["utility", "sbu"])
CURRENT = setter("max_charging_current", "number", minimum=10, maximum=60, step=10, unit="A")
BUZZER = setter("buzzer", "boolean")
RESUME = {"name": "resume_writing"}
QUERY = {"name": "query", "parameters": [{"name": "command", "type": "choice", "options": ["qpigs"]}]}
ALL = [PRIORITY, CURRENT, BUZZER, RESUME, QUERY]


class Inverter(Voice):
    """An inverter that answers commands."""

    async def declare(self, commands: list[dict[str, Any]]) -> None:
        """Announce itself with these commands."""
        await self.birth(capabilities={"metrics": [], "commands": commands})

    async def ready(self) -> Inverter:
        """Announce itself with all commands and speak."""
        await self.declare(ALL)
        await self.state("online")
        await self.live(output_source_priority="utility", max_charging_current=30, buzzer=False)
        return self


@pytest.fixture
async def inverter(hass: HomeAssistant, entry: MockConfigEntry) -> Inverter:
    """An inverter."""
    return await Inverter(hass, "mpp-1", "mpp_inverter", "Shed").ready()


def state_of(hass: HomeAssistant, entity_id: str) -> str:
    """Return a state that must be there."""
    state = hass.states.get(entity_id)
    assert state is not None, entity_id
    return str(state.state)


def sent(mqtt_mock: MqttMockHAClient) -> list[dict[str, Any]]:
    """Commands that were sent."""
    return [
        json.loads(call.args[1])
        for call in mqtt_mock.async_publish.call_args_list
        if call.args[0].endswith("/cmd/set")
    ]


async def act(
    hass: HomeAssistant,
    mqtt_mock: MqttMockHAClient,
    inverter: Inverter,
    action: str,
    entity_id: str,
    answer: dict[str, Any] | None = None,
    **data: Any,
) -> dict[str, Any]:
    """Call an action of an entity, let the inverter answer, return the command."""
    domain, _, service = action.partition(".")
    task = hass.async_create_task(
        hass.services.async_call(domain, service, {"entity_id": entity_id, **data}, blocking=True)
    )
    for _ in range(50):
        await asyncio.sleep(0)
        if sent(mqtt_mock):
            break
    command: dict[str, Any] = {"command": None, "parameters": None}
    if sent(mqtt_mock):
        command = sent(mqtt_mock)[-1]
        inverter.send("cmd/result", json.dumps({"id": command["id"], **(answer or {"status": "succeeded"})}))
    await task
    return {key: command[key] for key in ("command", "parameters")}


async def test_what_is_declared_exists(hass: HomeAssistant, inverter: Inverter) -> None:
    """With the limits of the node and the values that it reads back; queries are no settings."""
    assert state_of(hass, "select.shed_output_source_priority") == "utility"
    number = hass.states.get("number.shed_maximum_charging_current")
    assert number is not None
    assert number.state == "30.0"
    assert {key: number.attributes[key] for key in ("min", "max", "step", "unit_of_measurement")} == {
        "min": 10,
        "max": 60,
        "step": 10,
        "unit_of_measurement": "A",
    }
    assert state_of(hass, "switch.shed_buzzer") == "off"
    assert state_of(hass, "button.shed_resume_writing") == "unknown"
    ours = [
        one for one in hass.states.async_entity_ids(("number", "select", "switch", "button")) if "shed" in one
    ]
    assert len(ours) == 4


@pytest.mark.parametrize(
    ("action", "entity_id", "data", "command", "value", "read_back"),
    [
        (
            "select.select_option",
            "select.shed_output_source_priority",
            {"option": "sbu"},
            "set_output_source_priority",
            "sbu",
            "sbu",
        ),
        (
            "number.set_value",
            "number.shed_maximum_charging_current",
            {"value": 40},
            "set_max_charging_current",
            40,
            "40.0",
        ),
        ("switch.turn_on", "switch.shed_buzzer", {}, "set_buzzer", True, "on"),
        ("switch.turn_off", "switch.shed_buzzer", {}, "set_buzzer", False, "off"),
    ],
)
async def test_set_and_read_back(
    hass: HomeAssistant,
    mqtt_mock: MqttMockHAClient,
    inverter: Inverter,
    action: str,
    entity_id: str,
    data: dict[str, Any],
    command: str,
    value: Any,
    read_back: str,
) -> None:
    """A success alone shows nothing new: only the next message of the node does."""
    before = state_of(hass, entity_id)
    told = await act(hass, mqtt_mock, inverter, action, entity_id, **data)
    assert told == {"command": command, "parameters": {"value": value}}
    assert state_of(hass, entity_id) == before
    await inverter.live(**{command.removeprefix("set_"): value})
    assert state_of(hass, entity_id) == read_back


async def test_button(hass: HomeAssistant, mqtt_mock: MqttMockHAClient, inverter: Inverter) -> None:
    """A command without parameters."""
    told = await act(hass, mqtt_mock, inverter, "button.press", "button.shed_resume_writing")
    assert told == {"command": "resume_writing", "parameters": {}}


async def test_refused_by_the_node(
    hass: HomeAssistant, mqtt_mock: MqttMockHAClient, inverter: Inverter
) -> None:
    """In its words; the state stays."""
    answer = {"status": "rejected", "reason": "the inverter answered NAK"}
    with pytest.raises(HomeAssistantError, match=r"rejected \(the inverter answered NAK\)"):
        await act(
            hass,
            mqtt_mock,
            inverter,
            "select.select_option",
            "select.shed_output_source_priority",
            answer,
            option="sbu",
        )
    assert state_of(hass, "select.shed_output_source_priority") == "utility"


async def test_refused_before_it_leaves(
    hass: HomeAssistant, mqtt_mock: MqttMockHAClient, inverter: Inverter
) -> None:
    """What lies between two steps is no setting."""
    with pytest.raises(ServiceValidationError, match="between two steps"):
        await act(
            hass, mqtt_mock, inverter, "number.set_value", "number.shed_maximum_charging_current", value=45
        )
    assert sent(mqtt_mock) == []


async def test_births_change_what_can_be_set(hass: HomeAssistant, inverter: Inverter) -> None:
    """New limits are shown; what is no longer declared is unavailable, and comes back."""
    wider = setter("max_charging_current", "number", minimum=2, maximum=80)
    await inverter.declare([wider, RESUME])
    number = hass.states.get("number.shed_maximum_charging_current")
    assert number is not None
    assert (number.attributes["min"], number.attributes["max"]) == (2, 80)
    assert state_of(hass, "switch.shed_buzzer") == "unavailable"
    assert state_of(hass, "select.shed_output_source_priority") == "unavailable"
    other = setter("buzzer", "choice", options=["on", "off"])  # the same name with another type
    stepped = setter("max_charging_current", "choice", options=["low", "high"])
    await inverter.declare([stepped, other, PRIORITY])
    assert state_of(hass, "switch.shed_buzzer") == "unavailable"
    assert state_of(hass, "number.shed_maximum_charging_current") == "unavailable"
    assert state_of(hass, "select.shed_output_source_priority") == "utility"
    await inverter.declare(ALL)
    assert state_of(hass, "switch.shed_buzzer") == "off"
    await inverter.state("offline")
    assert state_of(hass, "switch.shed_buzzer") == "unavailable"
    assert state_of(hass, "button.shed_resume_writing") == "unavailable"


async def test_commands_nobody_knows(hass: HomeAssistant, entry: MockConfigEntry) -> None:
    """A setting that nothing reads back is no entity; an unknown button starts disabled."""
    inverter = Inverter(hass, "mpp-2", "mpp_inverter", "Barn")
    unknown = setter("flux", "number", minimum=0, maximum=1)
    other_name = {"name": "set_buzzer", "parameters": [{"name": "on", "type": "boolean"}]}
    await inverter.declare([unknown, other_name, {"name": "self_destruct"}, setter("bus_voltage", "boolean")])
    await inverter.state("online")
    registry = er.async_get(hass)
    ours = {
        one.entity_id: one.disabled_by is not None
        for one in registry.entities.values()
        if one.domain in ("number", "select", "switch", "button") and "mpp-2" in one.unique_id
    }
    assert ours.pop("button.barn_self_destruct") is True
    assert ours == {"switch.barn_bus_voltage": False}
    assert state_of(hass, "switch.barn_bus_voltage") == "unknown"  # a number is neither on nor off


@pytest.mark.parametrize("language", ["en", "de", "pl"])
def test_names(language: str) -> None:
    """Every setting with a name has it in every language, and choices have those of their metric."""
    entity = json.loads((TRANSLATIONS / f"{language}.json").read_text(encoding="utf-8"))["entity"]
    metrics = {metric.name: metric for metric in KINDS["mpp_inverter"].metrics}
    for platform, names in NAMED.items():
        assert names <= metrics.keys()
        assert names | {"setting"} <= entity[platform].keys()
        for name in names if platform == "select" else ():
            assert entity[platform][name]["state"].keys() == set(metrics[name].options)
    assert NAMED_BUTTONS | {"command"} <= entity["button"].keys()
