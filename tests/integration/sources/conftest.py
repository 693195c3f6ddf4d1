"""Sources that fill a swarm of their own, without an entry and without entities; the tests turn the clock."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from freezegun.api import FrozenDateTimeFactory
from homeassistant.core import HomeAssistant
from homeassistant.util import dt as dt_util
from pytest_homeassistant_custom_component.common import async_fire_mqtt_message, async_fire_time_changed
from pytest_homeassistant_custom_component.typing import MqttMockHAClient

from custom_components.microgrid.core.contract.messages import CommandResult
from custom_components.microgrid.core.model.swarm import Change, EventReceived, Swarm
from custom_components.microgrid.sources.heat_pump_mqtt import HeatPumpMqtt
from custom_components.microgrid.sources.house_sensors import HouseSensors
from custom_components.microgrid.sources.swarm_mqtt import SwarmMqtt


class World:
    """A swarm, its sources and the broker."""

    def __init__(self, hass: HomeAssistant, freezer: FrozenDateTimeFactory) -> None:
        """Build; nothing listens yet."""
        self.hass = hass
        self.freezer = freezer
        self.told: list[Change] = []
        self.results: list[tuple[str, CommandResult]] = []
        self.settings: dict[tuple[str, str], str | None] = {}
        self.swarm = Swarm(
            "demo", "Demo", monotonic=lambda: dt_util.utcnow().timestamp(), utc_now=dt_util.utcnow
        )
        self.swarm.subscribe(self.told.append)
        self.swarm_mqtt = SwarmMqtt(hass, self.swarm, self._result)
        self.recorded: list[tuple[str, datetime, bool]] = []
        """Nodes and times of all readings that were given to be kept, and whether they came undated."""
        self.heat_pumps = HeatPumpMqtt(
            hass,
            self.swarm,
            lambda node, name: self.settings.get((node, name)),
            lambda node, readings, on_arrival: self.recorded.extend(
                (node.node_id, time, on_arrival) for time, _ in readings
            ),
        )
        self.house_sensors = HouseSensors(hass, self.swarm)
        self.sources = (self.swarm_mqtt, self.heat_pumps, self.house_sensors)

    def _result(self, node_id: str, result: CommandResult) -> None:
        self.results.append((node_id, result))

    def receive(self, topic: str, payload: object, *, retain: bool = False) -> None:
        """Let a message come from the broker."""
        raw = payload if isinstance(payload, (str, bytes)) else json.dumps(payload)
        async_fire_mqtt_message(self.hass, topic, raw, qos=1, retain=retain)

    def node(self, node_id: str, suffix: str, payload: object, *, retain: bool = False) -> None:
        """Let a message of a node of the contract come."""
        self.receive(f"microgrid/v1/demo/{node_id}/{suffix}", payload, retain=retain)

    async def pass_time(self, seconds: float) -> None:
        """Let time pass, second by second where that matters to nobody but us."""
        self.freezer.tick(timedelta(seconds=seconds))
        async_fire_time_changed(self.hass)
        await self.hass.async_block_till_done()
        self.swarm.tick()

    def events(self) -> list[tuple[str, str, str]]:
        """Events since the last question: code, state, severity."""
        found = [change.event for change in self.told if isinstance(change, EventReceived)]
        self.told.clear()
        return [(event.code, event.state.value, event.severity.value) for event in found]


@pytest.fixture
async def world(
    hass: HomeAssistant, mqtt_mock: MqttMockHAClient, freezer: FrozenDateTimeFactory
) -> AsyncIterator[World]:
    """All three sources, listening."""
    freezer.move_to("2026-06-01T12:00:00+00:00")
    made = World(hass, freezer)
    for source in made.sources:
        await source.async_start()
    await hass.async_block_till_done()
    yield made
    for source in made.sources:
        await source.async_stop()


@pytest.fixture
def warnings(caplog: pytest.LogCaptureFixture) -> Callable[[], list[str]]:
    """What our sources had to say in the log."""

    def found(**_: Any) -> list[str]:
        return [
            record.getMessage()
            for record in caplog.records
            if record.name.startswith("custom_components.microgrid") and record.levelname != "DEBUG"
        ]

    return found
