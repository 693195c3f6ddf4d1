"""Entities: what a user sees of the readings, flags, faults and choices of the nodes."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from homeassistant.components.mqtt import DOMAIN as MQTT_DOMAIN
from homeassistant.components.select import SERVICE_SELECT_OPTION
from homeassistant.core import Event, EventStateChangedData, HomeAssistant, State
from homeassistant.helpers import entity_registry as er
from homeassistant.helpers.event import async_track_state_change_event
from homeassistant.util import dt as dt_util
from pytest_homeassistant_custom_component.common import (
    MockConfigEntry,
    MockEntityPlatform,
    async_fire_mqtt_message,
    async_fire_time_changed,
)

from custom_components.microgrid.const import DOMAIN
from custom_components.microgrid.core.model.swarm import Change, EventReceived
from custom_components.microgrid.event import FaultEventEntity

from .voices import Voice


class Clock:
    """The monotonic clock of the swarm in the hand of a test."""

    def __init__(self, hass: HomeAssistant, entry: MockConfigEntry) -> None:
        """Take the place of the real one."""
        self.hass = hass
        self.now = 1_000_000.0
        self.wall = dt_util.utcnow()
        entry.runtime_data.swarm.monotonic = lambda: self.now

    async def forward(self, seconds: float) -> None:
        """Let time pass; the integration ticks once at the end of it."""
        self.now += seconds
        self.wall += timedelta(seconds=max(seconds, 1.5))
        async_fire_time_changed(self.hass, self.wall)
        await self.hass.async_block_till_done()


@pytest.fixture
def clock(hass: HomeAssistant, entry: MockConfigEntry) -> Clock:
    """The time of the swarm."""
    return Clock(hass, entry)


@pytest.fixture
def shown(hass: HomeAssistant) -> Callable[[str], State]:
    """The state of an entity that has to be there."""

    def get(entity_id: str) -> State:
        state = hass.states.get(entity_id)
        assert state is not None, f"{entity_id} is not shown"
        return state

    return get


Shown = Callable[[str], State]


def states_of(hass: HomeAssistant, entity_id: str) -> list[str]:
    """Every state that the entity takes from now on."""
    seen: list[str] = []

    def note(event: Event[EventStateChangedData]) -> None:
        if (new := event.data["new_state"]) is not None:
            seen.append(new.state)

    async_track_state_change_event(hass, entity_id, note)
    return seen


@pytest.fixture
async def house(hass: HomeAssistant, entry: MockConfigEntry) -> Voice:
    """A house that is online and has told nothing yet."""
    voice = Voice(hass, "house-1", "house", "House 1")
    await voice.greet(
        (
            "inverter_frequency",
            "inverter_power",
            "state_of_charge",
            "battery_energy_charged",
            "battery_charging",
            "cell_voltage_1",
            "cell_voltage_2",
            "load_power",
        )
    )
    return voice


# ---- numbers, flags and choices ----------------------------------------------------------------------------


async def test_sensor_of_a_row(house: Voice, shown: Shown) -> None:
    """A sensor has name, unit, class and digits of its row of the metric table."""
    await house.live(inverter_frequency=50.0123456)
    state = shown("sensor.house_1_inverter_frequency")
    assert state.state == "50.0123"
    assert state.name == "Inverter Frequency"  # the device above gives the house
    assert state.attributes["unit_of_measurement"] == "Hz"
    assert state.attributes["device_class"] == "frequency"
    assert state.attributes["state_class"] == "measurement"


async def test_derived_and_chosen_values(house: Voice, shown: Shown) -> None:
    """What follows from readings is shown beside them; a choice lists its options."""
    await house.live(inverter_power=2500, load_power=1000)
    assert shown("sensor.house_1_exchange_power").state == "1500.0"
    direction = shown("sensor.house_1_flow_direction")
    assert direction.state == "exporting"
    assert direction.attributes["options"] == ["importing", "idle", "exporting"]


async def test_unknown_until_told(house: Voice, shown: Shown) -> None:
    """Before the first value, and after the node withdrew it, a metric is unknown: neither 0 nor gone."""
    assert shown("sensor.house_1_load_power").state == "unknown"
    assert shown("binary_sensor.house_1_battery_charging").state == "unknown"
    await house.live(load_power=400, battery_charging=True)
    assert shown("sensor.house_1_load_power").state == "400"
    assert shown("binary_sensor.house_1_battery_charging").state == "on"
    await house.live(load_power=None, battery_charging=None)
    assert shown("sensor.house_1_load_power").state == "unknown"
    assert shown("binary_sensor.house_1_battery_charging").state == "unknown"


async def test_implausible_value_is_not_shown(house: Voice, shown: Shown) -> None:
    """A sensor that reads nonsense keeps its last plausible value."""
    await house.live(inverter_frequency=50.0, load_power=400)
    await house.live(inverter_frequency=500.0, load_power="a lot")
    assert shown("sensor.house_1_inverter_frequency").state == "50.0"
    assert shown("sensor.house_1_load_power").state == "400"


async def test_metric_that_was_not_announced(hass: HomeAssistant, house: Voice, shown: Shown) -> None:
    """A node may show more than its birth declared."""
    assert hass.states.get("sensor.house_1_battery_current") is None
    await house.live(battery_current=12.5)
    await hass.async_block_till_done()
    assert shown("sensor.house_1_battery_current").state == "12.5"


async def test_cells_and_diagnostics_wait_for_the_user(
    hass: HomeAssistant, house: Voice, entry: MockConfigEntry, shown: Shown
) -> None:
    """Cells exist as disabled diagnostic entities; their spread is there for everybody."""
    registry = er.async_get(hass)
    await house.live(cell_voltage_1=3.31, cell_voltage_2=3.30)
    cell = registry.async_get("sensor.house_1_battery_cell_1_voltage")
    assert cell is not None
    assert cell.disabled_by is er.RegistryEntryDisabler.INTEGRATION
    assert cell.entity_category == "diagnostic"
    assert hass.states.get(cell.entity_id) is None
    assert float(shown("sensor.house_1_battery_cell_voltage_spread").state) == pytest.approx(10.0)
    registry.async_update_entity(cell.entity_id, disabled_by=None)
    await hass.config_entries.async_reload(entry.entry_id)
    await house.greet(("cell_voltage_1",))
    await house.live(cell_voltage_1=3.32)
    assert shown(cell.entity_id).state == "3.32"


async def test_site_adds_up(hass: HomeAssistant, house: Voice, clock: Clock, shown: Shown) -> None:
    """The site shows sums and means of its nodes and is never unavailable."""
    other = Voice(hass, "house-2", "house", "House 2")
    await other.greet(("load_power", "state_of_charge"))
    await house.live(load_power=600, state_of_charge=40)
    await other.live(load_power=400, state_of_charge=60)
    await clock.forward(1)
    await hass.async_block_till_done()
    assert shown("sensor.demo_load_power").state == "1000.0"
    assert shown("sensor.demo_state_of_charge").state == "50.0"
    assert shown("sensor.demo_nodes_online").state == "2"


# ---- energy ------------------------------------------------------------------------------------------------


async def test_energy_counter(hass: HomeAssistant, house: Voice, shown: Shown) -> None:
    """A counter is fit for the Energy dashboard: total_increasing, in kWh, and it never falls."""
    await house.live(battery_energy_charged=12_000)
    entity_id = "sensor.house_1_battery_energy_charged"
    state = shown(entity_id)
    assert state.attributes["state_class"] == "total_increasing"
    assert state.attributes["device_class"] == "energy"
    assert state.attributes["unit_of_measurement"] == "kWh"
    assert float(state.state) == pytest.approx(12.0)
    options = er.async_get(hass).entities[entity_id].options["sensor"]
    assert options["suggested_display_precision"] == 2  # of the kWh: a morning's yield is not "0 kWh"
    for raw in (0, 5, 9_000_000, 7):
        await house.live(battery_energy_charged=raw)
        assert float(shown(entity_id).state) == pytest.approx(12.0)


async def test_energy_counter_goes_on_after_a_restart(
    hass: HomeAssistant, house: Voice, entry: MockConfigEntry, shown: Shown
) -> None:
    """What was counted before Home Assistant restarted is neither lost nor counted twice."""
    entity_id = "sensor.house_1_battery_energy_charged"
    await house.live(battery_energy_charged=12_000)
    for raw in (3, 4, 5):  # the node restarted and counts from zero
        await house.live(battery_energy_charged=raw)
    counted = float(shown(entity_id).state)
    assert counted >= 12.0
    await hass.config_entries.async_reload(entry.entry_id)
    await house.greet(("battery_energy_charged",))
    await house.live(battery_energy_charged=6)
    assert float(shown(entity_id).state) == pytest.approx(counted, abs=0.01)
    assert float(shown(entity_id).state) >= counted


# ---- availability ------------------------------------------------------------------------------------------


async def test_last_will(
    house: Voice, shown: Shown, hass: HomeAssistant, caplog: pytest.LogCaptureFixture
) -> None:
    """A node that goes is unavailable at once, one that comes back shows newest values; logged once each."""
    caplog.set_level(logging.INFO)
    await house.live(load_power=400)
    seen = states_of(hass, "sensor.house_1_load_power")
    caplog.clear()
    await house.state("offline")
    await house.state("offline")
    assert shown("sensor.house_1_load_power").state == "unavailable"
    assert shown("binary_sensor.house_1_online").state == "off"
    assert shown("binary_sensor.house_1_problem").state == "unavailable"
    await house.state("online")
    await house.live(load_power=500)
    assert shown("sensor.house_1_load_power").state == "500"
    assert shown("binary_sensor.house_1_online").state == "on"
    assert seen[0] == "unavailable"
    assert seen[-1] == "500"
    assert caplog.text.count("House 1 (house-1) is unavailable") == 1
    assert caplog.text.count("House 1 (house-1) is available") == 1


async def test_silence(house: Voice, clock: Clock, shown: Shown, hass: HomeAssistant) -> None:
    """Three missed messages make a node stale, although its last will never came."""
    await house.live(load_power=400)
    await clock.forward(2.0)
    assert shown("sensor.house_1_load_power").state == "400"
    await clock.forward(2.0)
    assert shown("sensor.house_1_load_power").state == "unavailable"
    assert shown("binary_sensor.house_1_online").state == "off"
    seen = states_of(hass, "sensor.house_1_load_power")
    await house.live(load_power=401)
    assert seen == ["401"]  # and not 400 of before the silence
    assert shown("binary_sensor.house_1_online").state == "on"


async def test_online_needs_no_node(house: Voice, shown: Shown, hass: HomeAssistant) -> None:
    """Connectivity is a diagnostic entity that is there in the worst of times; the site has none."""
    await house.state("offline")
    state = shown("binary_sensor.house_1_online")
    assert (state.state, state.attributes["device_class"]) == ("off", "connectivity")
    entity = er.async_get(hass).async_get("binary_sensor.house_1_online")
    assert entity is not None
    assert entity.entity_category == "diagnostic"
    assert hass.states.get("binary_sensor.demo_online") is None


# ---- fewer writes ------------------------------------------------------------------------------------------


async def test_dead_band_and_interval(hass: HomeAssistant, house: Voice, clock: Clock) -> None:
    """Noise is not written, a slow change waits for its interval, a jump is told at once."""
    await house.live(load_power=1000)
    seen = states_of(hass, "sensor.house_1_load_power")
    for power_w, told in (
        (1010, []),
        *((1040, []) for _ in range(3)),
        (1040, ["1040"]),
        (1080, ["1040"]),
        (2000, ["1040", "2000"]),
    ):
        await clock.forward(1)
        await house.live(load_power=power_w)
        assert seen == told


async def test_waiting_value_is_written_without_a_new_message(
    hass: HomeAssistant, clock: Clock, entry: MockConfigEntry
) -> None:
    """What had to wait is shown when its interval is over, also when the node says nothing new."""
    battery = Voice(hass, "battery-1", "battery", "Shed")  # speaks every ten seconds
    await battery.greet(("power",))
    await battery.live(power=1000)
    seen = states_of(hass, "sensor.shed_power")
    await clock.forward(16)
    await battery.live(power=1040)
    await clock.forward(1)
    await battery.live(power=1080)
    assert seen == ["1040"]
    await clock.forward(15)
    assert seen == ["1040", "1080"]


async def test_flags_are_told_at_once(hass: HomeAssistant, clock: Clock, entry: MockConfigEntry) -> None:
    """A contactor does not wait for anything."""
    gateway = Voice(hass, "gw-1", "gateway", "Cluster A")
    await gateway.greet(("contactor_closed",))
    await gateway.live(contactor_closed=True)
    seen = states_of(hass, "binary_sensor.cluster_a_contactor")
    for closed in (False, True, False):
        await gateway.live(contactor_closed=closed)
    assert seen == ["off", "on", "off"]


async def test_detailed_profile_follows_every_step(
    hass: HomeAssistant, entry: MockConfigEntry, house: Voice
) -> None:
    """Who wants detail gets every change beyond half the dead-band, once a second."""
    hass.config_entries.async_update_entry(entry, options={"profile": "detailed"})
    await hass.async_block_till_done()
    clock = Clock(hass, entry)
    await house.greet(("load_power",))
    seen = states_of(hass, "sensor.house_1_load_power")
    for watts in (100, 120, 140, 145, 160):
        await clock.forward(1)
        await house.live(load_power=watts)
    assert seen[-4:] == ["100", "120", "140", "160"]


# ---- faults and events -------------------------------------------------------------------------------------


async def test_problem(house: Voice, shown: Shown, hass: HomeAssistant) -> None:
    """Active faults are named by the catalogue, and the names stay out of the database."""
    assert shown("binary_sensor.house_1_problem").state == "off"
    await house.live(load_power=1, faults=["F010", "F001"])
    state = shown("binary_sensor.house_1_problem")
    assert state.state == "on"
    assert state.attributes["codes"] == ["F001", "F010"]
    assert state.attributes["names"][0] == "Inverter overcurrent"
    assert state.state_info is not None
    assert state.state_info["unrecorded_attributes"] >= {"codes", "names"}
    await house.live(load_power=1, faults=[])
    assert shown("binary_sensor.house_1_problem").state == "off"


async def test_fault_event(house: Voice, shown: Shown, hass: HomeAssistant) -> None:
    """A fault is told with what it means; a repetition of the message is not another fault."""
    seen = states_of(hass, "event.house_1_fault")
    house.event("fault", "F001", "raised", "critical", event_id="x-1", inverter_current=61.5)
    house.event("fault", "F001", "raised", "critical", event_id="x-1", inverter_current=61.5)
    await hass.async_block_till_done()
    assert len(seen) == 1
    attributes = shown("event.house_1_fault").attributes
    assert attributes["event_type"] == "raised"
    assert attributes["code"] == "F001"
    assert attributes["name"] == "Inverter overcurrent"
    assert attributes["category"] == "inverter"
    assert attributes["severity"] == "critical"
    assert attributes["event_id"] == "x-1"
    assert attributes["time"] == "2026-06-01T12:00:00.000Z"
    assert attributes["values"] == {"inverter_current": 61.5}
    assert attributes["advice"]
    assert shown("binary_sensor.house_1_problem").state == "on"
    house.event("fault", "F001", "cleared", "critical")
    await hass.async_block_till_done()
    assert shown("event.house_1_fault").attributes["event_type"] == "cleared"
    assert shown("binary_sensor.house_1_problem").state == "off"


async def test_fault_speaks_the_users_language(house: Voice, shown: Shown, hass: HomeAssistant) -> None:
    """Names and advice are in the language of Home Assistant."""
    hass.config.language = "de"
    house.event("fault", "F001", "raised", "critical")
    await hass.async_block_till_done()
    assert shown("event.house_1_fault").attributes["name"] == "Überstrom am Wechselrichter"


async def test_unknown_fault_code(house: Voice, shown: Shown, hass: HomeAssistant) -> None:
    """A code of newer firmware is shown as what it is."""
    house.event("fault", "F099", "raised", "warning")
    await hass.async_block_till_done()
    attributes = shown("event.house_1_fault").attributes
    assert (attributes["code"], attributes["name"]) == ("F099", "Unknown fault")


async def test_alarm(hass: HomeAssistant, entry: MockConfigEntry, shown: Shown) -> None:
    """A limit that a heat pump passes is told like a fault, with what it means, as severe as the event is."""
    pump = Voice(hass, "pump-1", "heat_pump", "Heat Pump")
    await pump.greet(("temp_compressor",))
    await pump.live(temp_compressor=60)
    pump.event("alarm", "HP_COMP_HOT", "raised", "warning", temp_compressor=88.0, limit=85.0)
    await hass.async_block_till_done()
    attributes = shown("event.heat_pump_fault").attributes
    assert (attributes["name"], attributes["category"]) == ("Compressor too hot", "heat_pump")
    assert attributes["severity"] == "warning"
    assert attributes["description"].startswith("The compressor of the heat pump")
    assert attributes["advice"].startswith("Check that water flows")
    assert attributes["values"] == {"temp_compressor": 88.0, "limit": 85.0}
    problem = shown("binary_sensor.heat_pump_problem")
    assert (problem.state, problem.attributes["names"]) == ("on", ["Compressor too hot"])


async def test_events_stay_when_the_node_goes(house: Voice, shown: Shown, hass: HomeAssistant) -> None:
    """A fault that took the node down can still be read."""
    house.event("fault", "F001", "raised", "critical")
    await hass.async_block_till_done()
    told = shown("event.house_1_fault").state
    await house.state("offline")
    assert shown("event.house_1_fault").state == told


async def test_activity(shown: Shown, hass: HomeAssistant, entry: MockConfigEntry) -> None:
    """A gateway tells of contactor, synchronisation, boots and lost data; a house has no contactor."""
    gateway = Voice(hass, "gw-1", "gateway", "Cluster A")
    await gateway.greet()
    for event_type, code, told in (
        ("contactor", "CONTACTOR_CLOSED", "contactor_closed"),
        ("contactor", "CONTACTOR_OPENED", "contactor_opened"),
        ("sync", "SYNC_STARTED", "sync_started"),
        ("sync", "SYNC_FAILED", "sync_failed"),
        ("sync", "SYNC_REACHED", "sync_reached"),
        ("boot", "WATCHDOG", "boot"),
        ("overflow", "LOG_OVERFLOW", "overflow"),
    ):
        gateway.event(event_type, code)
        await hass.async_block_till_done()
        attributes = shown("event.cluster_a_activity").attributes
        assert (attributes["event_type"], attributes["code"]) == (told, code)
    gateway.event("contactor", "WELDED")  # of newer firmware: nothing that we know a name for
    await hass.async_block_till_done()
    assert shown("event.cluster_a_activity").attributes["code"] == "LOG_OVERFLOW"
    assert shown("event.cluster_a_fault").state == "unknown"


async def test_boot_right_after_birth(hass: HomeAssistant, entry: MockConfigEntry, shown: Shown) -> None:
    """An event that comes while the entity is still being made is not lost."""
    house = Voice(hass, "house-1", "house", "House 1")
    house.send("birth", '{"protocol": 1, "kind": "house", "name": "House 1", "boot_id": 1}')
    house.event("boot", "POWER_ON")
    house.event("fault", "F010", "raised", "warning")
    await hass.async_block_till_done()
    assert shown("event.house_1_activity").attributes["code"] == "POWER_ON"
    assert shown("event.house_1_fault").attributes["code"] == "F010"


async def test_event_before_the_entity_is_there(
    hass: HomeAssistant, entry: MockConfigEntry, house: Voice, shown: Shown
) -> None:
    """However long Home Assistant takes to add an entity, what happened meanwhile is told then."""
    runtime = entry.runtime_data
    entity = FaultEventEntity(runtime, runtime.swarm.nodes["house-1"])
    told: list[Change] = []
    runtime.swarm.subscribe(told.append)
    house.event("fault", "F001", "raised", "critical")
    entity.on_event(next(change.event for change in told if isinstance(change, EventReceived)))
    entity.entity_id = "event.late"
    await MockEntityPlatform(hass, domain="event").async_add_entities([entity])
    assert shown("event.late").attributes["code"] == "F001"


async def test_no_events_of_the_site(hass: HomeAssistant, entry: MockConfigEntry) -> None:
    """The site itself has no faults."""
    assert hass.states.async_entity_ids("event") == []


# ---- choices -----------------------------------------------------------------------------------------------


async def test_refrigerant(hass: HomeAssistant, entry: MockConfigEntry, shown: Shown, mqtt_mock: Any) -> None:
    """The owner names the refrigerant; pressures become temperatures, and the choice is kept."""
    pump = Voice(hass, "pump-1", "heat_pump", "Heat Pump")
    metrics = ("pressure_high", "pressure_low", "compressor_running")
    await pump.greet(metrics)
    entity_id = "select.heat_pump_refrigerant"
    assert shown(entity_id).state == "none"
    assert "r410a" in shown(entity_id).attributes["options"]
    await pump.live(pressure_high=350, pressure_low=120, compressor_running=True)
    assert hass.states.get("sensor.heat_pump_condensing_temperature") is None
    await hass.services.async_call(
        "select", SERVICE_SELECT_OPTION, {"entity_id": entity_id, "option": "r410a"}, blocking=True
    )
    await hass.async_block_till_done()
    assert shown(entity_id).state == "r410a"
    assert 35 < float(shown("sensor.heat_pump_condensing_temperature").state) < 45
    await pump.state("offline")
    assert shown(entity_id).state == "r410a"
    await hass.config_entries.async_reload(entry.entry_id)
    await pump.greet(metrics)
    assert shown(entity_id).state == "r410a"
    await hass.services.async_call(
        "select", SERVICE_SELECT_OPTION, {"entity_id": entity_id, "option": "none"}, blocking=True
    )
    assert shown(entity_id).state == "none"


async def test_sensor_of_the_house(hass: HomeAssistant, entry: MockConfigEntry, shown: Shown) -> None:
    """A bare number on `house/…` is a sensor of that name under the site, weather stands beside it."""
    async_fire_mqtt_message(hass, "house/cellar_temp", "12.5")
    async_fire_mqtt_message(hass, "weather/humidity", "71")
    await hass.async_block_till_done()
    cellar = shown("sensor.demo_sensors_cellar_temp")
    assert (cellar.state, cellar.attributes["unit_of_measurement"]) == ("12.5", "°C")
    assert shown("sensor.demo_weather_humidity").state == "71.0"


async def test_no_refrigerant_without_heat_pumps(hass: HomeAssistant, entry: MockConfigEntry) -> None:
    """Whoever switched the heat pumps off is not asked about them; a house never is."""
    hass.config_entries.async_update_entry(entry, options={"heat_pump_topics": False})
    await hass.async_block_till_done()
    await Voice(hass, "pump-1", "heat_pump", "Heat Pump").greet(("pressure_high",))
    await Voice(hass, "house-1", "house", "House 1").greet()
    assert hass.states.async_entity_ids("select") == []


# ---- life --------------------------------------------------------------------------------------------------


async def test_unloading(hass: HomeAssistant, entry: MockConfigEntry, house: Voice) -> None:
    """An unloaded entry listens no more and leaves its entities unavailable."""
    assert await hass.config_entries.async_unload(entry.entry_id)
    await house.live(load_power=1)
    state = hass.states.get("sensor.house_1_load_power")
    assert state is not None
    assert state.state == "unavailable"
    assert hass.config_entries.async_entries(MQTT_DOMAIN)
    assert not hass.config_entries.async_loaded_entries(DOMAIN)
