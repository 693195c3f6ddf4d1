"""The examples of the page on schedules, executed: batteries accept them, a phone hears what they tell."""

from __future__ import annotations

import asyncio
import json
import re
import shutil
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from freezegun.api import FrozenDateTimeFactory
from homeassistant.core import Context, HomeAssistant
from homeassistant.helpers import config_validation as cv, device_registry as dr
from homeassistant.helpers.script import Script
from homeassistant.setup import async_setup_component
from homeassistant.util import dt as dt_util
from homeassistant.util.yaml import parse_yaml
from pytest_homeassistant_custom_component.common import (
    MockConfigEntry,
    async_fire_time_changed,
    async_mock_service,
)
from pytest_homeassistant_custom_component.typing import MqttMockHAClient

from custom_components.microgrid.core.contract.reading import format_time
from custom_components.microgrid.core.contract.schedule import (
    RefusedSchedule,
    Schedule,
    canonical,
    parse_schedule,
)

from .test_command_entities import Inverter, sent as commands
from .test_schedules import NOW, Battery, plan, sent, until

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "schedules.md"
BLUEPRINTS = ROOT / "blueprints" / "automation" / "microgrid"
EXAMPLES = [
    parse_yaml(text)
    for text in re.findall(r"^```yaml\n(.*?)^```", PAGE.read_text(), re.MULTILINE | re.DOTALL)
]


def example(wanted: Callable[[Any], bool]) -> Any:
    """Return the one example that is meant."""
    (found,) = [one for one in EXAMPLES if wanted(one)]
    return found


def calls(action: str, *fields: str) -> Callable[[Any], bool]:
    """Whether an example is a list of actions that begins with this one and uses these fields."""
    return lambda one: (
        isinstance(one, list) and one[0]["action"] == action and set(fields) <= one[0]["data"].keys()
    )


@pytest.fixture
async def batteries(hass: HomeAssistant, entry: MockConfigEntry) -> list[Battery]:
    """Two batteries."""
    first = await Battery(hass, "battery-1", "battery", "Battery 1").ready()
    second = await Battery(hass, "battery-2", "battery", "Battery 2").ready()
    return [first, second]


def newest(mqtt_mock: MqttMockHAClient) -> dict[str, Schedule]:
    """Schedules sent last, by node."""
    found = {}
    for topic, payload, _, _ in sent(mqtt_mock):
        schedule = parse_schedule(payload, None)
        assert not isinstance(schedule, RefusedSchedule)
        found[topic.split("/")[3]] = schedule
    return found


async def run(
    hass: HomeAssistant, mqtt_mock: MqttMockHAClient, batteries: list[Battery], actions: Any
) -> dict[str, Any]:
    """Run actions as a script does, let the batteries accept, return the variables."""
    script = Script(hass, cv.SCRIPT_SCHEMA(actions), "example", "test")
    known = {voice: newest(mqtt_mock).get(voice.node_id) for voice in batteries}
    task = hass.async_create_task(script.async_run(context=Context()))
    while not task.done():
        await asyncio.sleep(0.01)
        for voice in batteries:
            schedule = newest(mqtt_mock).get(voice.node_id)
            if schedule is not None and schedule != known[voice]:
                known[voice] = schedule
                voice.say("accepted", schedule)
    result = await task
    assert result is not None
    return dict(result.variables)


async def test_actions(hass: HomeAssistant, mqtt_mock: MqttMockHAClient, batteries: list[Battery]) -> None:
    """One stretch, several batteries, a look, and back."""
    variables = await run(
        hass, mqtt_mock, batteries, example(calls("microgrid.set_schedule", "start", "end"))
    )
    row = variables["answer"]["results"]["battery-1"]
    assert (row["status"], row["intervals"]) == ("accepted", 6)

    variables = await run(hass, mqtt_mock, batteries, example(calls("microgrid.set_schedule", "intervals")))
    results = variables["answer"]["results"]
    assert {node: row["status"] for node, row in results.items()} == {
        "battery-1": "accepted",
        "battery-2": "accepted",
    }
    assert [row["intervals"] for row in results.values()] == [11, 11]

    variables = await run(hass, mqtt_mock, batteries, example(calls("microgrid.get_schedule")))
    told = variables["answer"]["schedules"]["battery-1"]
    assert (told["status"], len(told["executions"])) == ("active", 11)
    assert told["analytics"].keys() == {"day", "week", "month"}

    await run(hass, mqtt_mock, batteries, example(calls("microgrid.cancel_schedule")))
    assert newest(mqtt_mock)["battery-1"].intervals == ()
    assert newest(mqtt_mock)["battery-2"].intervals != ()


async def test_automations(
    hass: HomeAssistant,
    mqtt_mock: MqttMockHAClient,
    batteries: list[Battery],
    freezer: FrozenDateTimeFactory,
) -> None:
    """A phone hears of a failure with its reason; the evening sets the night's schedule."""
    freezer.move_to(NOW)
    notices = async_mock_service(hass, "notify", "send_message")
    automations = [one | {"alias": str(n)} for n, one in enumerate(EXAMPLES) if isinstance(one, dict)]
    assert len(automations) == 2
    assert await async_setup_component(hass, "automation", {"automation": automations})
    schedule = plan()
    await batteries[0].ack("started", schedule, 0)
    assert notices == []
    await batteries[0].ack("failed", schedule, 0, reasons=["too cold", "locked"])
    (notice,) = notices
    assert notice.data["title"] == "Battery 1 does not keep its schedule"
    assert notice.data["message"] == "failed: too cold; locked"
    told = hass.states.get("event.battery_1_schedule")
    assert told is not None
    for state, attributes in (("unavailable", {}), (told.state, told.attributes)):  # as a restart does
        hass.states.async_set("event.battery_1_schedule", state, attributes)
        await hass.async_block_till_done()
    assert len(notices) == 1, "what is restored was told before"

    evening = dt_util.start_of_local_day(NOW) + timedelta(hours=21)
    freezer.move_to(evening)
    await batteries[0].live(state_of_charge=40.0)
    before = newest(mqtt_mock).get("battery-1")
    async_fire_time_changed(hass, evening)
    await until(hass, lambda: newest(mqtt_mock).get("battery-1") != before)
    schedule = newest(mqtt_mock)["battery-1"]
    await batteries[0].ack("accepted", schedule)
    await hass.async_block_till_done()
    night = dt_util.start_of_local_day(NOW) + timedelta(days=1, hours=1)
    assert [interval.start - night for interval in schedule.intervals] == [
        timedelta(minutes=30 * number) for number in range(6)
    ]


async def test_settings(hass: HomeAssistant, mqtt_mock: MqttMockHAClient, entry: MockConfigEntry) -> None:
    """The select of an inverter is where the page says."""
    inverter = Inverter(hass, "mpp-1", "mpp_inverter", "MPP 1")
    await inverter.ready()
    (actions,) = [one for one in EXAMPLES if isinstance(one, list) and one[0]["action"].startswith("select.")]
    script = Script(hass, cv.SCRIPT_SCHEMA(actions), "example", "test")
    task = hass.async_create_task(script.async_run(context=Context()))
    await until(hass, lambda: bool(commands(mqtt_mock)))
    (command,) = commands(mqtt_mock)
    assert command["parameters"] == {"value": "sbu"}
    inverter.send("cmd/result", json.dumps({"id": command["id"], "status": "succeeded"}))
    await task


async def test_blueprint(hass: HomeAssistant, mqtt_mock: MqttMockHAClient, batteries: list[Battery]) -> None:
    """Two failures in a row are told, one is not; nor is what a restart restores; success ends it."""
    told = async_mock_service(hass, "notify", "mobile_app_phone")
    await hass.async_add_executor_job(
        shutil.copytree, BLUEPRINTS, hass.config.path("blueprints/automation/microgrid")
    )
    owner = MockConfigEntry(domain="mobile_app")
    owner.add_to_hass(hass)
    phone = dr.async_get(hass).async_get_or_create(
        config_entry_id=owner.entry_id, identifiers={("mobile_app", "phone")}, name="Phone"
    )
    use = {
        "path": "microgrid/schedule_failed.yaml",
        "input": {"schedules": ["event.battery_1_schedule"], "phones": [phone.id]},
    }
    config = {"automation": {"id": "watch", "alias": "watch", "use_blueprint": use}}
    assert await async_setup_component(hass, "automation", config)
    battery, now = batteries[0], dt_util.utcnow().replace(minute=0, second=0, microsecond=0)
    schedule = plan(1, *[1000.0] * 4, start=now - timedelta(hours=3), issued_at=now - timedelta(hours=4))
    schedule = replace(schedule, valid_until=now + timedelta(hours=9))
    battery.send("schedule/set", canonical(schedule).decode())
    await battery.ack("accepted", schedule, time=format_time(now - timedelta(hours=4)))
    await battery.ack("failed", schedule, 0, reasons=["full"])
    assert told == []
    await battery.ack("started", schedule, 1)
    await battery.ack("failed", schedule, 1, reasons=["too cold"])
    assert told[-1].data["title"] == "Battery 1 does not keep its schedule"
    assert told[-1].data["message"] == "2 intervals in a row: too cold"
    await battery.ack("started", schedule, 2)
    await battery.ack("succeeded", schedule, 2)
    assert told[-1].data["title"] == "Battery 1 keeps its schedule again"
    await battery.ack("rejected", schedule, reasons=["locked"])
    assert told[-1].data["title"] == "Battery 1 rejected its schedule"
    assert told[-1].data["message"] == "locked"
    assert len(told) == 3
