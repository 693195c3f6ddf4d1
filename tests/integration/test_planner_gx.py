"""The planner and a Victron GX: planned like any battery, carried out through guarded control, given back."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest
from homeassistant.config_entries import ConfigSubentryData
from homeassistant.core import HomeAssistant
from homeassistant.util import dt as dt_util
from pytest_homeassistant_custom_component.common import MockConfigEntry, async_fire_mqtt_message
from pytest_homeassistant_custom_component.typing import MqttMockHAClient

from custom_components.microgrid import gx_battery
from custom_components.microgrid.const import DOMAIN
from custom_components.microgrid.core.contract.messages import ScheduleMode
from custom_components.microgrid.planner_state import Hour
from custom_components.microgrid.schedule_log import ExecutionStatus
from microgrid_core.gx.value import Address
from simulator.gx.broker_side import BrokerSide
from tests.mosquitto import Mosquitto

from . import gx as world, gx_link as fixtures
from .gx_link import until

broker, gx, site = fixtures.broker, fixtures.living_gx, fixtures.site

SETPOINT = Address("hub4", 0, "/Overrides/Setpoint")
POWER = Address("system", 0, "/Dc/Battery/Power")
HOUR = timedelta(hours=1)


@pytest.fixture
async def entry(
    hass: HomeAssistant,
    mqtt_mock: MqttMockHAClient,
    gx: BrokerSide,
    broker: Mosquitto,
    monkeypatch: pytest.MonkeyPatch,
) -> AsyncIterator[MockConfigEntry]:
    """A swarm with a station that may be controlled, and a planner; energy is cheap in these two hours."""
    monkeypatch.setattr(gx_battery, "TICK_S", 0.2)

    async def publish(topic: str, payload: Any, qos: int, retain: bool, *more: Any, **also: Any) -> None:
        async_fire_mqtt_message(hass, topic, payload, qos, retain=False)

    mqtt_mock.async_publish.side_effect = publish
    hour = dt_util.utcnow().replace(minute=0, second=0, microsecond=0)
    rows = [{"start": (hour + at * HOUR).isoformat(), "value": 0.02 if at < 2 else 0.6} for at in range(36)]
    hass.states.async_set("sensor.market", "0.02", {"data": rows, "unit_of_measurement": "EUR/kWh"})
    made = MockConfigEntry(
        domain=DOMAIN,
        title="Demo",
        unique_id="demo",
        data={"swarm": "demo", "name": "Demo"},
        subentries_data=[
            fixtures.subentry(broker.port, gx.station.portal, allow_control=True, controls=["battery_power"]),
            ConfigSubentryData(
                data={"source": "price_entity", "entity_id": "sensor.market", "capacity": 20, "reserve": 10},
                subentry_type="energy_planner",
                title="Market",
                unique_id=None,
            ),
        ],
    )
    made.add_to_hass(hass)
    assert await hass.config_entries.async_setup(made.entry_id)
    yield made
    await world.unload(hass, made)


async def test_planned_executed_read_back_and_released(
    hass: HomeAssistant, entry: MockConfigEntry, gx: BrokerSide
) -> None:
    """The plan charges at once, the station obeys within its limits, tells so, and is let go at a word."""
    runtime = entry.runtime_data
    (battery,) = runtime.gx_batteries
    node_id, planner = battery._node_id, runtime.planner
    await until(lambda: runtime.schedules.capability(node_id), "it takes schedules")
    now = dt_util.utcnow()
    for back in range(1, 24 * 9):
        number = int((now - back * HOUR).timestamp()) // 3600
        planner.state.ledger.hours[number] = Hour(1.5, 0.0, 0.0, 1.0, 50.0, 0.6, 0.0)
    planner.state.ledger.hours = dict(sorted(planner.state.ledger.hours.items()))
    await planner.replan()
    assert planner.state.fallback is None
    assert [member.node_id for member in planner.fleet.members] == [node_id]
    assert planner.action_now == "charge" and "from the grid" in planner.reason()
    sent = runtime.schedules.held(node_id).sent
    assert sent.schedule_id.startswith("plan-")
    most = runtime.schedules.capability(node_id).max_charge_w
    first = sent.intervals[0]
    assert first.mode is ScheduleMode.CHARGE and 0.0 < first.rate_w <= most

    def power() -> float:
        value = gx.station.items[POWER].value
        assert isinstance(value, int | float)
        return value

    await until(lambda: abs(power() - first.rate_w) < 150.0, "the station charges with the planned power")
    await until(lambda: runtime.schedules.held(node_id).answer == "accepted", "and has accepted the plan")
    (control,) = runtime.gx_controls.values()
    assert "setpoint_override" in control.overrides
    await until(lambda: {line.by for line in control.audit} == {"schedule"}, "written down when confirmed")
    await until(
        lambda: (planner._sample(dt_util.utcnow()), (planner.fleet.power_kw or 0.0) < -1.0)[1], "seen"
    )
    (started,) = [
        row
        for row in runtime.schedules.executions(node_id, now - HOUR)
        if row.status is ExecutionStatus.STARTED
    ]
    assert started.mode is ScheduleMode.CHARGE
    # Another plan replaces the first one while it runs, and the battery goes on charging.
    await planner.replan()
    await until(lambda: runtime.schedules.held(node_id).answer == "accepted", "the newer one is held")
    assert runtime.schedules.held(node_id).sent.revision > sent.revision
    await until(lambda: abs(power() - first.rate_w) < 200.0, "still charging")
    # Automatic planning is switched off: the station has its own control again.
    await planner.choose(automatic=False)
    await until(lambda: gx.station.items[SETPOINT].value is None, "released")
    await until(lambda: "setpoint_override" not in control.overrides, "and nothing is held")
    assert not planner.state.sent
