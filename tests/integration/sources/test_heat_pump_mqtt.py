"""Heat pump nodes on their own topics."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from homeassistant.util import dt as dt_util

from custom_components.microgrid.core.contract.reading import RejectReason
from custom_components.microgrid.core.model.swarm import Node

from .conftest import World

NODE = "heat_pump_hp-1"
DATA = "heatpump/hp-1/data"
MEASURED = (
    *("temp_inlet", "temp_outlet", "temp_ambient", "temp_compressor"),
    *("voltage", "current", "pressure_high", "pressure_low"),
)


def sample(age_s: float | None = 0.0, **changes: Any) -> dict[str, Any]:
    """The sample of the source documents, taken some seconds ago; None: the clock is not set."""
    message: dict[str, Any] = {
        "device": "hp-1",
        "timestamp": 5000 if age_s is None else int((dt_util.utcnow().timestamp() - age_s) * 1000),
        "version": "1.0",
        "temperature": {"inlet": 45.2, "outlet": 50.1, "ambient": 7.0, "compressor": 70.5},
        "electrical": {"voltage": 230.5, "current": 8.5, "power": 1959.25},
        "pressure": {"high": 250, "low": 40},
        "status": {"compressor": True, "fan": True, "defrost": False},
        "alerts": {"voltage": 0, "compressor_temp": 0, "pressure_high": 0, "pressure_low": 0, "current": 0},
        "valid": dict.fromkeys(MEASURED, True),
    }
    for key, value in changes.items():
        message[key] = {**message[key], **value} if isinstance(message.get(key), dict) else value
    return message


def heat_pump(world: World) -> Node:
    """The node."""
    return world.swarm.nodes[NODE]


async def test_the_sample_of_the_source_documents(world: World) -> None:
    world.receive(DATA, sample())
    node = heat_pump(world)
    assert node.available
    assert node.name == "Heat pump hp-1"
    assert node.values["temp_outlet"] == 50.1
    assert node.values["apparent_power"] == pytest.approx(1959.25)
    assert node.values["water_temperature_difference"] == pytest.approx(4.9)
    assert node.values["compressor_running"] is True
    assert "power" not in node.values
    assert "condensing_temperature" not in node.values
    assert not world.swarm.rejected


async def test_an_invalid_value_is_withdrawn(world: World) -> None:
    world.receive(DATA, sample())
    await world.pass_time(10)
    world.receive(DATA, sample(valid={"voltage": False}, temperature={"inlet": "broken"}))
    values = heat_pump(world).values
    assert not {"voltage", "apparent_power", "temp_inlet", "water_temperature_difference"} & values.keys()
    assert values["current"] == 8.5


async def test_the_refrigerant_counts_as_soon_as_it_is_chosen(world: World) -> None:
    world.receive(DATA, sample())
    world.settings[NODE, "refrigerant"] = "R290"
    world.heat_pumps.refrigerant_chosen(NODE)
    node = heat_pump(world)
    assert node.values["condensing_temperature"] == pytest.approx(52.5, abs=0.5)
    assert node.values["evaporating_temperature"] == pytest.approx(-7.3, abs=0.1)
    world.settings[NODE, "refrigerant"] = None
    world.heat_pumps.refrigerant_chosen(NODE)
    assert "condensing_temperature" not in node.values
    world.heat_pumps.refrigerant_chosen("site")
    world.heat_pumps.refrigerant_chosen("nobody")


async def test_a_refrigerant_of_an_earlier_run_counts_from_the_first_reading(world: World) -> None:
    world.settings[NODE, "refrigerant"] = "R290"
    world.receive(DATA, sample())
    assert "condensing_temperature" in heat_pump(world).values


async def test_choosing_is_no_sign_of_life(world: World) -> None:
    world.receive(DATA, sample())
    await world.pass_time(3600)
    world.settings[NODE, "refrigerant"] = "R290"
    world.heat_pumps.refrigerant_chosen(NODE)
    assert not heat_pump(world).available


async def test_superheat_needs_a_steady_machine(world: World) -> None:
    world.settings[NODE, "refrigerant"] = "R290"
    world.receive(DATA, sample())
    assert "discharge_superheat" not in heat_pump(world).values
    await world.pass_time(300)
    world.receive(DATA, sample())
    assert heat_pump(world).values["discharge_superheat"] == pytest.approx(18, abs=0.5)
    await world.pass_time(300)
    world.receive(DATA, sample(status={"defrost": True}))
    assert "discharge_superheat" not in heat_pump(world).values
    assert "condensing_temperature" in heat_pump(world).values


# ---- online


async def test_silence_for_two_and_a_half_intervals_is_offline(world: World) -> None:
    world.receive(DATA, sample())
    await world.pass_time(749)
    assert heat_pump(world).available
    await world.pass_time(2)
    assert not heat_pump(world).available
    world.receive(DATA, sample())
    assert heat_pump(world).available


async def test_the_publish_interval_is_learned(world: World) -> None:
    for _ in range(5):
        world.receive(DATA, sample())
        await world.pass_time(20)
    assert heat_pump(world).values["publish_interval"] == 20
    await world.pass_time(25)
    assert heat_pump(world).available
    await world.pass_time(10)
    assert not heat_pump(world).available


async def test_the_last_will_counts_at_once_and_a_reading_revokes_it(world: World) -> None:
    world.receive("heatpump/hp-1/status/online", "online", retain=True)
    assert NODE not in world.swarm.nodes
    world.receive(DATA, sample())
    world.receive("heatpump/hp-1/status/online", "offline")
    assert not heat_pump(world).available
    world.receive("heatpump/hp-1/status/online", "true")
    assert heat_pump(world).available
    world.receive("heatpump/hp-1/status/online", "")
    world.receive("heatpump/hp-1/status/online", "0")
    await world.pass_time(10)
    world.receive(DATA, sample())
    assert heat_pump(world).available
    assert not world.swarm.rejected


# ---- late, repeated, undated


async def test_of_a_buffer_the_newest_reading_is_shown(world: World) -> None:
    world.receive(DATA, [sample(age_s=age, temperature={"outlet": 40.0 + age}) for age in (20, 0, 10)])
    assert heat_pump(world).values["temp_outlet"] == 40.0


async def test_the_past_is_not_shown_as_the_present(world: World) -> None:
    world.receive(DATA, sample(age_s=7200, temperature={"outlet": 30.0}))
    assert heat_pump(world).available
    assert "temp_outlet" not in heat_pump(world).values
    for age_s in (6000, 5000, 4000):
        await world.pass_time(0.1)
        world.receive(DATA, sample(age_s=age_s, temperature={"outlet": 30.0}))
    assert "temp_outlet" not in heat_pump(world).values
    assert heat_pump(world).clock_offset_s is None
    world.receive(DATA, sample(temperature={"outlet": 50.0}))
    await world.pass_time(10)
    world.receive(DATA, sample(age_s=60, temperature={"outlet": 31.0}))
    assert heat_pump(world).values["temp_outlet"] == 50.0


async def test_a_clock_that_runs_behind_hides_nothing(world: World) -> None:
    for outlet in (40.0, 41.0):
        world.receive(DATA, sample(age_s=7200, temperature={"outlet": outlet}))
        await world.pass_time(300)
    assert heat_pump(world).values["temp_outlet"] == 41.0
    assert heat_pump(world).clock_offset_s == pytest.approx(-7200, abs=1)


async def test_repetitions_are_left_out(world: World) -> None:
    message = sample()
    world.receive(DATA, message)
    await world.pass_time(5)
    world.receive(DATA, {**message, "temperature": {"outlet": 1.0}})
    assert heat_pump(world).values["temp_outlet"] == 50.1
    assert world.swarm.rejected == {RejectReason.DUPLICATE: 1}


async def test_without_a_clock_what_arrives_is_the_present(world: World) -> None:
    world.receive(DATA, sample(age_s=None))
    await world.pass_time(5)
    world.receive(DATA, sample(age_s=None, temperature={"outlet": 51.0}))
    assert heat_pump(world).values["temp_outlet"] == 51.0
    assert heat_pump(world).clock_offset_s is None
    now = dt_util.utcnow()
    assert world.recorded == [(NODE, now - timedelta(seconds=5), True), (NODE, now, True)]


async def test_of_a_batch_only_what_has_a_time_or_arrives_now_is_kept(world: World) -> None:
    now = dt_util.utcnow()
    world.receive(DATA, [sample(age_s=None), sample(age_s=20), sample(age_s=None)])
    assert world.recorded == [(NODE, now - timedelta(seconds=20), False)]
    assert world.swarm.rejected == {RejectReason.OUTDATED: 2}
    world.receive(DATA, [sample(age_s=None), sample(age_s=None, temperature={"outlet": 51.0})])
    assert world.recorded[1:] == [(NODE, now, True)]
    assert world.swarm.rejected == {RejectReason.OUTDATED: 3}
    assert heat_pump(world).values["temp_outlet"] == 51.0


async def test_an_undated_reading_that_the_broker_kept_is_not_of_now(world: World) -> None:
    known = sample(age_s=20)
    world.receive(DATA, known)
    world.receive(DATA, [known, sample(age_s=None, temperature={"outlet": 51.0})], retain=True)
    assert heat_pump(world).values["temp_outlet"] == 50.1
    assert len(world.recorded) == 1
    assert world.swarm.rejected == {RejectReason.DUPLICATE: 1, RejectReason.OUTDATED: 1}


@pytest.mark.parametrize("age_s", [None, 3600.0])
async def test_a_retained_reading_of_unknown_or_great_age_is_no_reading(
    world: World, age_s: float | None
) -> None:
    world.receive(DATA, sample(age_s=age_s), retain=True)
    assert NODE not in world.swarm.nodes
    assert world.swarm.rejected == {RejectReason.OUTDATED: 1}


async def test_a_retained_reading_of_a_minute_ago_will_do(world: World) -> None:
    world.receive(DATA, sample(age_s=60), retain=True)
    assert heat_pump(world).values["temp_outlet"] == 50.1


# ---- events


async def test_an_alarm_is_raised_and_cleared(world: World) -> None:
    world.receive(DATA, sample(electrical={"voltage": 252.0}))
    assert world.events() == []
    await world.pass_time(6)
    assert world.events() == [("HP_VOLTAGE_HIGH", "raised", "critical")]
    raised = heat_pump(world).faults["HP_VOLTAGE_HIGH"]
    assert raised is not None
    assert raised.values == {"voltage": 252.0, "limit": 250.0}
    await world.pass_time(4)
    world.receive(DATA, sample())
    assert world.events() == [("HP_VOLTAGE_HIGH", "cleared", "critical")]
    assert heat_pump(world).faults == {}


async def test_a_spike_is_no_alarm_and_a_second_alarm_waits_for_its_cooldown(world: World) -> None:
    world.receive(DATA, sample(electrical={"voltage": 247.0}))
    await world.pass_time(4)
    world.receive(DATA, sample())
    await world.pass_time(10)
    assert world.events() == []
    for _ in range(2):
        world.receive(DATA, sample(electrical={"voltage": 247.0}))
        await world.pass_time(6)
        world.receive(DATA, sample())
        await world.pass_time(6)
    assert [state for _, state, _ in world.events()] == ["raised", "cleared"]
    world.receive(DATA, sample(electrical={"voltage": 247.0}))
    await world.pass_time(290)
    assert world.events() == [("HP_VOLTAGE_HIGH", "raised", "warning")]


async def test_pressure_limits_need_a_refrigerant(world: World) -> None:
    world.receive(DATA, sample(pressure={"high": 330.0}))
    await world.pass_time(60)
    assert world.events() == []
    world.settings[NODE, "refrigerant"] = "R290"
    world.heat_pumps.refrigerant_chosen(NODE)
    await world.pass_time(11)
    assert world.events() == [("HP_PRESSURE_HIGH", "raised", "critical")]
    world.settings[NODE, "refrigerant"] = "R410A"
    world.heat_pumps.refrigerant_chosen(NODE)
    assert world.events() == [("HP_PRESSURE_HIGH", "cleared", "critical")]


async def test_alerts_of_the_node_itself_become_events(world: World) -> None:
    world.receive("heatpump/hp-1/alerts", {"type": "current", "level": "warning"})
    assert world.swarm.rejected == {RejectReason.UNKNOWN_NODE: 1}
    world.receive(DATA, sample(alerts={"current": 1}))
    world.receive("heatpump/hp-1/alerts", {"type": "current", "level": "warning"})
    assert world.events() == [("HP_NODE_CURRENT", "raised", "warning")]
    world.receive("heatpump/hp-1/alerts", {"type": "current", "level": "critical"})
    assert world.events() == [("HP_NODE_CURRENT", "raised", "critical")]
    await world.pass_time(10)
    world.receive(DATA, sample())
    assert world.events() == [("HP_NODE_CURRENT", "cleared", "critical")]
    assert heat_pump(world).faults == {}
    world.receive("heatpump/hp-1/alerts", {"type": "current", "level": "critical"}, retain=True)
    assert world.events() == []


@pytest.mark.parametrize("before", [{}, {"overflow": 4}])
async def test_lost_readings_are_an_event(world: World, before: dict[str, Any]) -> None:
    world.receive(DATA, sample(**before))
    assert world.events() == []
    await world.pass_time(10)
    world.receive(DATA, sample(overflow=9))
    assert world.events() == [("READINGS_LOST", "moment", "warning")]
    assert heat_pump(world).values["readings_lost"] == 9
    await world.pass_time(10)
    world.receive(DATA, sample(overflow=9))
    assert world.events() == []
    await world.pass_time(10)
    world.receive(DATA, sample(overflow=2))  # the node restarted and lost two more
    assert world.events() == [("READINGS_LOST", "moment", "warning")]


# ---- identity


async def test_ids_that_read_the_same_are_refused(world: World) -> None:
    world.receive(DATA, sample())
    world.receive("heatpump/HP-1/data", sample())
    world.receive("heatpump/ü/data", sample())
    assert world.swarm.rejected == {RejectReason.BAD_NODE_ID: 2}
    assert set(world.swarm.nodes) == {"site", NODE}


async def test_invented_heat_pumps_come_to_an_end(world: World) -> None:
    for number in range(100):
        world.receive(f"heatpump/p{number}/data", sample())
    assert len(world.swarm.nodes) == 1 + 64
    assert world.swarm.rejected == {RejectReason.BAD_NODE_ID: 36}


async def test_a_node_of_another_kind_keeps_its_id(world: World) -> None:
    birth = {"protocol": 1, "kind": "battery", "name": "Odd", "boot_id": 1}
    world.node(NODE, "birth", birth)
    world.receive(DATA, sample())
    assert heat_pump(world).kind.kind == "battery"
    assert world.swarm.rejected == {RejectReason.BAD_NODE_ID: 1}


async def test_a_deleted_heat_pump_may_come_back(world: World) -> None:
    world.receive(DATA, sample(electrical={"voltage": 260.0}))
    world.swarm.retire(NODE)
    await world.pass_time(60)
    assert world.events() == []
    world.receive(DATA, sample())
    assert heat_pump(world).values["voltage"] == 230.5


async def test_heat_pumps_of_the_contract_are_judged_too(world: World) -> None:
    birth = {"protocol": 1, "kind": "heat_pump", "name": "Pump", "boot_id": 1, "interval_s": 10}
    world.node("pump", "birth", birth)
    world.node("pump", "state", "online")
    values = {"voltage": 252.0, "pressure_high": 250.0, "condensing_temperature": 33.0}
    world.node("pump", "live", {"boot_id": 1, "seq": 1, "values": values})
    assert world.swarm.nodes["pump"].values["condensing_temperature"] == 33.0  # it knows its refrigerant
    await world.pass_time(6)
    assert world.events() == [("HP_VOLTAGE_HIGH", "raised", "critical")]
    world.settings["pump", "refrigerant"] = "R290"
    world.heat_pumps.refrigerant_chosen("pump")
    assert world.swarm.nodes["pump"].values["condensing_temperature"] == pytest.approx(52.5, abs=0.5)


async def test_an_alarm_judged_here_outlasts_live_messages_and_boots_of_its_node(world: World) -> None:
    birth = {"protocol": 1, "kind": "heat_pump", "name": "Pump", "boot_id": 1, "interval_s": 10}
    world.node("pump", "birth", birth)
    world.node("pump", "state", "online")

    def say(boot_id: int, seq: int, voltage: float) -> set[str]:
        live = {"boot_id": boot_id, "seq": seq, "values": {"voltage": voltage}, "faults": []}
        world.node("pump", "live", live)
        return set(world.swarm.nodes["pump"].faults)

    say(1, 1, 252.0)
    await world.pass_time(6)
    assert say(1, 2, 252.0) == {"HP_VOLTAGE_HIGH"}
    assert say(2, 1, 252.0) == {"HP_VOLTAGE_HIGH"}
    say(2, 2, 230.0)
    await world.pass_time(6)
    assert say(2, 3, 230.0) == set()
    assert [state for _, state, _ in world.events()] == ["raised", "cleared"]


async def test_after_the_stop_nothing_comes_in(world: World) -> None:
    world.receive(DATA, sample(electrical={"voltage": 260.0}))
    await world.heat_pumps.async_stop()
    await world.pass_time(60)
    world.receive(DATA, sample(temperature={"outlet": 1.0}))
    assert world.events() == []
    assert heat_pump(world).values["temp_outlet"] == 50.1
