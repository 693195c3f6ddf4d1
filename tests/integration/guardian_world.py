"""Nodes that live in a Home Assistant whose clock the test turns, with the guardian watching them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

from freezegun.api import FrozenDateTimeFactory
from homeassistant.core import Event, EventStateChangedData, HomeAssistant, State
from homeassistant.helpers import entity_registry as er
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.microgrid.guardian import Guardian

from .voices import Voice

HOUSE: Mapping[str, Any] = {
    "inverter_current": 5.0,
    "mosfet_temperature_1": 34.0,
    "mosfet_temperature_2": 35.0,
    "state_of_charge": 60.0,
    "battery_voltage": 52.6,
    "battery_current": 0.0,
    "battery_stored_energy": 8600.0,
    "battery_state_of_health": 97.0,
    "battery_cycles": 412.0,
    **{f"cell_voltage_{cell}": 3.285 + 0.0005 * cell for cell in range(1, 17)},
    **{f"battery_temperature_{probe}": 20.0 + probe for probe in range(1, 5)},
    "clock_error": 0.3,
    "can_frames_received": 1_000_000,
    "can_errors": 12,
    "card_errors": 0,
    "restarts": 2,
}
GATEWAY: Mapping[str, Any] = {"clock_error": 0.4, "can_bus_load": 13.0, "can_bus_off": 0, "wifi_signal": -60}
MPP: Mapping[str, Any] = {
    "fault_active": False,
    "inverter_heat_sink_temperature": 36.0,
    "output_load_percent": 12.0,
    "battery_charging_current": 0.0,
    "battery_voltage": 52.0,
    "battery_under_voltage": 47.0,
    "grid_voltage": 231.0,
}
BATTERY: Mapping[str, Any] = {
    "state_of_charge": 60.0,
    "voltage": 52.0,
    "current": 0.0,
    "power": 208.0,
    "requested_power": 200.0,
    "schedule_active": True,
    "temperature": 21.0,
    "clock_valid": True,
}
HEALTHY: Mapping[str, Mapping[str, Any]] = {
    "house": HOUSE,
    "gateway": GATEWAY,
    "mpp_inverter": MPP,
    "battery": BATTERY,
}


class World:
    """Turns the clock in steps of ten seconds; every node that is not silent speaks in each."""

    def __init__(self, hass: HomeAssistant, entry: MockConfigEntry, freezer: FrozenDateTimeFactory) -> None:
        """Begin without nodes; states of the entities are noted."""
        self.hass = hass
        self.entry = entry
        self.freezer = freezer
        self.voices: dict[str, Voice] = {}
        self.values: dict[str, dict[str, Any]] = {}
        self.silent: set[str] = set()
        self.every_step: list[Callable[[], None]] = []
        self.told: list[tuple[str, str, str]] = []
        """Entity, event type and rule of each event of health."""
        self._noted: set[tuple[str, str]] = set()
        hass.bus.async_listen("state_changed", self._note)

    @property
    def guardian(self) -> Guardian:
        """The one that is running."""
        guardian = self.entry.runtime_data.guardian
        assert isinstance(guardian, Guardian)
        return guardian

    def take_over(self) -> None:
        """Turn the guardian by hand alone: its timer fires unevenly while the clock is frozen."""
        while len(self.guardian._cancel) > 1:  # the first one follows the swarm
            self.guardian._cancel.pop()()

    async def add(self, node_id: str, kind: str, values: Mapping[str, Any] | None = None) -> None:
        """Let a node appear, in the best of health."""
        voice = self.voices[node_id] = Voice(self.hass, node_id, kind, node_id.capitalize())
        self.values[node_id] = dict(HEALTHY.get(kind, {}) if values is None else values)
        await voice.greet(tuple(self.values[node_id]))

    async def run(self, seconds: float) -> None:
        """Let time pass."""
        self.take_over()
        for _ in range(round(seconds / 10.0)):
            self.freezer.tick(timedelta(seconds=10))
            for happen in self.every_step:
                happen()
            for node_id, voice in self.voices.items():
                if node_id not in self.silent:
                    voice.seq += 1
                    values = self.values[node_id]
                    voice.send(
                        "live", json.dumps({"boot_id": voice.boot_id, "seq": voice.seq, "values": values})
                    )
            await self.hass.async_block_till_done()
            self.entry.runtime_data.swarm.tick()
            self.guardian.judge()
        # Not for all background work: what waits for a time to come would wait for ever.
        days = [] if self.guardian._assessing is None else [self.guardian._assessing]
        await asyncio.gather(*days, *self.guardian._working)
        await self.hass.async_block_till_done()

    def state(self, platform: str, node_id: str, key: str) -> State:
        """Return the state of an entity of a node."""
        unique_id = self.entry.runtime_data.devices.unique_id(node_id, key)
        entity_id = er.async_get(self.hass).async_get_entity_id(platform, "microgrid", unique_id)
        assert entity_id is not None, f"{platform} {key} of {node_id}"
        state = self.hass.states.get(entity_id)
        assert state is not None
        return state

    def problem(self, node_id: str) -> State:
        """Return the problem sensor of a node."""
        return self.state("binary_sensor", node_id, "health_problem")

    def found(self, node_id: str) -> list[str]:
        """Return the rules that are broken at a node."""
        problem = self.problem(node_id)
        assert "findings" in problem.attributes, problem
        return [finding["rule"] for finding in problem.attributes["findings"]]

    def _note(self, event: Event[EventStateChangedData]) -> None:
        state = event.data["new_state"]
        if state is None or not state.entity_id.startswith("event.") or "rule" not in state.attributes:
            return
        if (moment := (state.entity_id, state.state)) not in self._noted:  # else it was only restored
            self._noted.add(moment)
            self.told.append((state.entity_id, state.attributes["event_type"], state.attributes["rule"]))
