"""The actions set_schedule, get_schedule and cancel_schedule, as automations use them."""

from __future__ import annotations

import asyncio
import json
from datetime import timedelta
from typing import Any

import pytest
import voluptuous as vol
from freezegun.api import FrozenDateTimeFactory
from homeassistant.core import HomeAssistant
from homeassistant.exceptions import HomeAssistantError, ServiceValidationError
from homeassistant.helpers import device_registry as dr
from pytest_homeassistant_custom_component.common import MockConfigEntry
from pytest_homeassistant_custom_component.typing import MqttMockHAClient

from custom_components.microgrid.const import DOMAIN
from custom_components.microgrid.core.contract.schedule import RefusedSchedule, Schedule, parse_schedule

from .test_schedules import NODE, NOW, Battery, sent

SMALL = {"modes": ["charge"], "max_charge_w": 1000, "max_discharge_w": 0}
NIGHT: dict[str, Any] = {
    "start": "2026-06-01T12:00:00Z",
    "end": "2026-06-01T13:30:00Z",
    "mode": "charge",
    "rate_w": 2500,
}


@pytest.fixture(autouse=True)
def ten_o_clock(freezer: FrozenDateTimeFactory) -> FrozenDateTimeFactory:
    """Time stands still until a test moves it."""
    freezer.move_to(NOW)
    return freezer


@pytest.fixture
async def battery(hass: HomeAssistant, entry: MockConfigEntry) -> Battery:
    """A battery."""
    return await Battery(hass, NODE, "battery", "Cellar").ready()


@pytest.fixture
async def small(hass: HomeAssistant, entry: MockConfigEntry) -> Battery:
    """Another one, which can only charge, and little."""
    voice = Battery(hass, "battery-2", "battery", "Garage")
    await voice.greet(capabilities={"schedule": SMALL})
    return voice


def documents(mqtt_mock: MqttMockHAClient) -> dict[str, Schedule]:
    """Schedules that were sent, by node."""
    found = {}
    for topic, payload, _, _ in sent(mqtt_mock):
        schedule = parse_schedule(payload, NOW)
        assert not isinstance(schedule, RefusedSchedule)
        found[topic.split("/")[3]] = schedule
    return found


async def call(
    hass: HomeAssistant,
    mqtt_mock: MqttMockHAClient,
    action: str,
    answers: dict[Battery, tuple[str, list[str]]],
    *,
    response: bool = True,
    **data: Any,
) -> Any:
    """Call an action and let the batteries answer."""
    task = hass.async_create_task(
        hass.services.async_call(DOMAIN, action, data, blocking=True, return_response=response)
    )
    for _ in range(20):
        await asyncio.sleep(0)
    for voice, (status, reasons) in answers.items():
        if voice.node_id in (known := documents(mqtt_mock)):
            voice.say(status, known[voice.node_id], reasons=reasons)
    return await task


def device_of(hass: HomeAssistant, name: str) -> str:
    """Return the id of a device by its name."""
    return next(device.id for device in dr.async_get(hass).devices if device.name == name)


async def test_several_batteries(
    hass: HomeAssistant, mqtt_mock: MqttMockHAClient, battery: Battery, small: Battery
) -> None:
    """One that cannot do it gets nothing and says why; the other one executes it."""
    answer = await call(
        hass,
        mqtt_mock,
        "set_schedule",
        {battery: ("accepted", [])},
        device_id=[device_of(hass, "Cellar")],
        node=["battery-1", "battery-2"],
        intervals=[NIGHT, {"start": "2026-06-01T14:00:00Z", "mode": 1, "rate_w": 3000}],
        schedule_id="night",
    )
    assert answer["results"]["battery-1"] == {
        "status": "accepted",
        "sent": True,
        "reasons": [],
        "schedule_id": "night",
        "revision": 1,
        "intervals": 4,
    }
    refused = answer["results"]["battery-2"]
    assert (refused["status"], refused["sent"]) == ("rejected", False)
    assert len([reason for reason in refused["reasons"] if "2500 W" in reason]) == 3
    assert "interval 3: this node cannot discharge" in refused["reasons"]
    assert list(documents(mqtt_mock)) == ["battery-1"]
    schedule = documents(mqtt_mock)["battery-1"]
    assert [(f"{one.start:%H:%M}", one.mode.value, one.rate_w) for one in schedule.intervals] == [
        ("12:00", "charge", 2500.0),
        ("12:30", "charge", 2500.0),
        ("13:00", "charge", 2500.0),
        ("14:00", "discharge", 3000.0),
    ]
    assert f"{schedule.valid_until:%H:%M}" == "14:30"
    assert schedule.default == "follow"  # it can


async def test_one_stretch_on_the_clock_of_the_user(
    hass: HomeAssistant, mqtt_mock: MqttMockHAClient, small: Battery
) -> None:
    """Times without zone are local; without an end it is half an hour."""
    await hass.config.async_set_time_zone("Europe/Berlin")
    await call(
        hass,
        mqtt_mock,
        "set_schedule",
        {small: ("accepted", [])},
        node="battery-2",
        start="2026-06-01 14:00:00",
        mode="charge",
        rate_w=500,
        valid_until="2026-06-02 00:00:00",
    )
    schedule = documents(mqtt_mock)["battery-2"]
    assert [f"{one.start:%H:%M}" for one in schedule.intervals] == ["12:00"]
    assert f"{schedule.valid_until:%d %H:%M}" == "01 22:00"
    assert schedule.default == "idle"  # it cannot follow


async def test_rejected_and_unanswered(
    hass: HomeAssistant,
    mqtt_mock: MqttMockHAClient,
    battery: Battery,
    small: Battery,
    freezer: FrozenDateTimeFactory,
) -> None:
    """What the battery says comes back, and so does its silence."""
    answer = await call(
        hass, mqtt_mock, "set_schedule", {battery: ("rejected", ["locked", "too warm"])}, node=NODE, **NIGHT
    )
    assert answer["results"][NODE]["status"] == "rejected"
    assert answer["results"][NODE]["reasons"] == ["locked", "too warm"]
    assert answer["results"][NODE]["sent"] is True

    task = hass.async_create_task(
        hass.services.async_call(
            DOMAIN, "set_schedule", {"node": NODE, "timeout": 3, **NIGHT}, blocking=True, return_response=True
        )
    )
    for _ in range(20):
        await asyncio.sleep(0)
    freezer.tick(4)
    answer = await task
    assert answer is not None
    result = answer["results"]
    assert isinstance(result, dict)
    row = result[NODE]
    assert isinstance(row, dict)
    assert (row["status"], row["revision"], row["reasons"]) == ("unanswered", 2, ["no answer within 3 s"])


async def test_without_a_response_failures_are_errors(
    hass: HomeAssistant, mqtt_mock: MqttMockHAClient, battery: Battery, small: Battery
) -> None:
    """An automation that asks for nothing must not go on as if all were well."""
    data: dict[str, Any] = {"node": [NODE, "battery-2"], "response": False, **NIGHT}
    with pytest.raises(HomeAssistantError, match="battery-1: rejected \\(locked\\) · battery-2: rejected"):
        await call(hass, mqtt_mock, "set_schedule", {battery: ("rejected", ["locked"])}, **data)
    with pytest.raises(ServiceValidationError, match="battery-2: rejected"):
        await call(hass, mqtt_mock, "set_schedule", {}, **(data | {"node": "battery-2"}))
    assert (
        await call(hass, mqtt_mock, "set_schedule", {battery: ("accepted", [])}, **(data | {"node": NODE}))
        is None
    )


@pytest.mark.parametrize(
    ("stretch", "told"),
    [
        ({"end": "2026-06-01T12:00:00Z"}, "the end is not after the start"),
        ({"end": "2026-06-01T12:45:00Z"}, "not a whole number of half hours"),
        ({"end": "2036-06-01T12:00:00Z"}, "more than 336 half hours"),
        ({"start": "2026-06-01T12:10:00Z", "end": "2026-06-01T12:40:00Z"}, "not on a half hour"),
        ({"rate_w": 3500}, "not within 0 … 3000 W"),
        ({"start": "2026-05-01T12:00:00Z", "end": "2026-05-01T12:30:00Z"}, "is over"),
    ],
)
async def test_wrong_intervals(
    hass: HomeAssistant, mqtt_mock: MqttMockHAClient, battery: Battery, stretch: dict[str, Any], told: str
) -> None:
    """Every reason in words; nothing is sent."""
    answer = await call(hass, mqtt_mock, "set_schedule", {}, node=NODE, intervals=[NIGHT | stretch])
    assert any(told in reason for reason in answer["results"][NODE]["reasons"])
    assert documents(mqtt_mock) == {}


async def test_what_no_schema_takes(
    hass: HomeAssistant, mqtt_mock: MqttMockHAClient, battery: Battery
) -> None:
    """Nonsense is refused before anything is looked at."""
    nonsense: list[dict[str, Any]] = [
        {"node": NODE},
        {"node": NODE, **NIGHT, "mode": "explode"},
        {"node": NODE, **NIGHT, "mode": 4},
        {"node": NODE, **NIGHT, "rate_w": -1},
        {"node": NODE, **NIGHT, "intervals": [NIGHT]},
        {"node": NODE, **NIGHT, "default": "charge"},
        {**NIGHT},
    ]
    for data in nonsense:
        with pytest.raises(vol.Invalid):
            await call(hass, mqtt_mock, "set_schedule", {}, **data)
    with pytest.raises(ServiceValidationError, match="mode"):
        await call(hass, mqtt_mock, "set_schedule", {}, node=NODE, start="2026-06-01T12:00:00Z")
    with pytest.raises(ServiceValidationError, match="nobody"):
        await call(hass, mqtt_mock, "set_schedule", {}, node="nobody", **NIGHT)
    with pytest.raises(ServiceValidationError):
        await call(hass, mqtt_mock, "get_schedule", {}, node=[])
    assert documents(mqtt_mock) == {}


async def test_get_and_cancel(
    hass: HomeAssistant, mqtt_mock: MqttMockHAClient, battery: Battery, freezer: FrozenDateTimeFactory
) -> None:
    """What is planned, what became of it, and how well it went; then no more of it."""
    await call(hass, mqtt_mock, "set_schedule", {battery: ("accepted", [])}, node=NODE, **NIGHT)
    schedule = documents(mqtt_mock)[NODE]
    freezer.move_to(NOW + timedelta(hours=2, minutes=10))
    await battery.ack("started", schedule, 0, time="2026-06-01T12:00:02.000Z")
    await battery.reports(schedule, NOW + timedelta(hours=2, minutes=10))
    freezer.tick(timedelta(minutes=25))
    await battery.ack("failed", schedule, 0, actual_rate_w=100.0, reasons=["too cold"])
    answer = await call(hass, mqtt_mock, "get_schedule", {}, node=NODE)
    told = answer["schedules"][NODE]
    assert json.loads(json.dumps(told)) == told
    assert (told["status"], told["schedule"]["answer"]) == ("active", "accepted")
    assert told["schedule"]["now"]["basis"] == "interval"
    assert [(one["status"], one["actual_rate_w"]) for one in told["executions"]] == [
        ("failed", 100.0),
        ("planned", None),
        ("planned", None),
    ]
    assert told["executions"][0]["reasons"] == ["too cold"]
    assert told["analytics"]["week"] == {
        "intervals": 1,
        "done": 0,
        "failed": 1,
        "expired": 0,
        "unreported": 0,
        "late": 0,
        "success_percent": 0.0,
        "mean_lateness_s": 2.0,
        "planned_kwh": 1.25,
        "done_kwh": 0.05,
    }
    answer = await call(
        hass, mqtt_mock, "cancel_schedule", {battery: ("accepted", [])}, node=NODE, default="idle"
    )
    assert answer["results"][NODE]["revision"] == 2
    assert documents(mqtt_mock)[NODE].default == "idle"
    answer = await call(hass, mqtt_mock, "get_schedule", {}, node=NODE)
    assert [one["status"] for one in answer["schedules"][NODE]["executions"]] == ["failed"]


async def test_a_node_without_schedule(
    hass: HomeAssistant, mqtt_mock: MqttMockHAClient, battery: Battery
) -> None:
    """It has none, and that is no error."""
    answer = await call(hass, mqtt_mock, "get_schedule", {}, node=NODE, days=0)
    told = answer["schedules"][NODE]
    assert (told["status"], told["schedule"], told["executions"]) == ("none", None, [])
