"""A schedule from the action to the calendar, with the simulator's battery at the other end of the wire."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from datetime import timedelta

from freezegun.api import FrozenDateTimeFactory
from homeassistant.core import HomeAssistant
from homeassistant.util import dt as dt_util
from pytest_homeassistant_custom_component.common import (
    MockConfigEntry,
    async_fire_mqtt_message,
    async_fire_time_changed,
)
from pytest_homeassistant_custom_component.typing import MqttMockHAClient

from custom_components.microgrid.const import DOMAIN
from simulator.physics.neighbourhood import BATTERY, Neighbourhood
from simulator.twins.battery import BatteryTwin

from .test_schedules import NOW
from .voices import SWARM

STEP = timedelta(seconds=30)


class Line:
    """Stands where the twin's connection would: what it sends arrives, what is sent to it is handed to it."""

    connected = True

    def __init__(self, hass: HomeAssistant, mqtt_mock: MqttMockHAClient, twin: BatteryTwin) -> None:
        """Join the two."""
        self._hass = hass
        self._mqtt = mqtt_mock
        self._handlers: dict[str, Callable[[bytes], None]] = twin.handlers()
        self._delivered = len(mqtt_mock.async_publish.call_args_list)

    def publish(self, topic: str, payload: bytes, qos: int = 0, retain: bool = False) -> None:
        """From the twin."""
        async_fire_mqtt_message(self._hass, topic, payload, qos=qos)

    def deliver(self) -> None:
        """To the twin."""
        calls = self._mqtt.async_publish.call_args_list[self._delivered :]
        self._delivered += len(calls)
        for call in calls:
            if (handler := self._handlers.get(call.args[0])) is not None:
                payload = call.args[1]
                handler(payload.encode() if isinstance(payload, str) else payload)


async def test_set_accepted_executed_logged_shown(
    hass: HomeAssistant, mqtt_mock: MqttMockHAClient, entry: MockConfigEntry, freezer: FrozenDateTimeFactory
) -> None:
    """Two intervals, the first of them joined late; a third one asks for more than the battery may give."""
    freezer.move_to(NOW + timedelta(minutes=10))
    site = Neighbourhood(1, 1, seed=1)
    twin = BatteryTwin(site, SWARM, boot_id=1)
    line = Line(hass, mqtt_mock, twin)
    twin._connection = line  # type: ignore[assignment]  # the one place where the simulator knows a network
    twin.announce()
    await hass.async_block_till_done()

    async def go_on(until: timedelta) -> None:
        while dt_util.utcnow() < NOW + until:
            line.deliver()
            site.step(STEP.total_seconds(), 10.0)
            freezer.tick(STEP)
            twin.due(time.monotonic())
            async_fire_time_changed(hass, dt_util.utcnow())
            await hass.async_block_till_done()

    stretch = {"start": NOW.isoformat(), "end": (NOW + timedelta(hours=1)).isoformat()}
    task = hass.async_create_task(
        hass.services.async_call(
            DOMAIN,
            "set_schedule",
            {
                "node": BATTERY,
                "intervals": [
                    stretch | {"mode": "charge", "rate_w": 1500},
                    {"start": (NOW + timedelta(hours=1)).isoformat(), "mode": "discharge", "rate_w": 3000},
                ],
            },
            blocking=True,
            return_response=True,
        )
    )
    for _ in range(20):
        await asyncio.sleep(0)
    line.deliver()
    answer = await task
    assert answer is not None
    assert answer["results"] == {
        BATTERY: {
            "status": "accepted",
            "sent": True,
            "reasons": [],
            "schedule_id": entry.runtime_data.schedules.held(BATTERY).sent.schedule_id,
            "revision": 1,
            "intervals": 3,
        }
    }

    await go_on(timedelta(minutes=61))
    site.battery.power_limit_w = 500.0
    await go_on(timedelta(minutes=92))

    told = await hass.services.async_call(
        DOMAIN, "get_schedule", {"node": BATTERY}, blocking=True, return_response=True
    )
    assert told is not None
    schedule = told["schedules"]
    assert isinstance(schedule, dict)
    of_battery = schedule[BATTERY]
    assert isinstance(of_battery, dict)
    executions = of_battery["executions"]
    assert isinstance(executions, list)
    rows = [one for one in executions if isinstance(one, dict)]
    assert [(one["status"], one["late"]) for one in rows] == [
        ("succeeded", True),
        ("succeeded", False),
        ("failed", False),
    ]
    assert [one["late_s"] for one in rows] == [630.0, 0.0, 0.0]
    assert "requested 3000 W" in str(rows[2]["reasons"])

    state = hass.states.get("calendar.battery_1_schedule")
    assert state is not None
    assert state.state == "off"
    calendar = await hass.services.async_call(
        "calendar",
        "get_events",
        {
            "entity_id": "calendar.battery_1_schedule",
            "start_date_time": NOW.isoformat(),
            "end_date_time": (NOW + timedelta(hours=3)).isoformat(),
        },
        blocking=True,
        return_response=True,
    )
    assert calendar is not None
    shown = calendar["calendar.battery_1_schedule"]
    assert isinstance(shown, dict)
    events = shown["events"]
    assert isinstance(events, list)
    assert [event["summary"] for event in events if isinstance(event, dict)] == [
        "Charge 1.5 kW · Done",
        "Charge 1.5 kW · Done",
        "Discharge 3 kW · Failed",
    ]
    success = hass.states.get("sensor.battery_1_schedule_kept_7_days")
    assert success is not None
    assert success.state == "66.7"
