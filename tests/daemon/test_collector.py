"""The collector: what of an inverter reaches the broker, and that nothing stops it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio
from hypothesis import given, strategies as st

from microgrid_core.contract import topics
from microgrid_core.contract.messages import Birth, EventState, EventType, LiveMessage, NodeEvent
from microgrid_core.model.mpp_inverter import MPP_INVERTER
from microgrid_daemon.broker import Connection
from microgrid_daemon.clock import Clock
from microgrid_daemon.collector import Collector, alarms_of
from microgrid_daemon.config import BrokerConfig, InverterConfig
from microgrid_daemon.node import Node
from microgrid_daemon.originals import StoredKeeper
from microgrid_daemon.pi30.models import Family
from microgrid_daemon.store import Store
from simulator.pi30.device import Device
from simulator.pi30.unit import NOON, Unit
from tests.daemon.home import Home
from tests.daemon.stage import link_to, until, wired
from tests.mosquitto import Mosquitto

NODE = "mpp-1"


class Time:
    """A monotonic clock that stands until it is moved."""

    now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def device() -> Iterator[Device]:
    """A healthy inverter."""
    made = Device(Unit())
    yield made
    made.unplug()


@pytest.fixture
def time() -> Time:
    """The collector's clock."""
    return Time()


@pytest_asyncio.fixture
async def connection(mosquitto: Mosquitto, store: Store, home: Home) -> AsyncIterator[Connection]:
    """The node's connection."""
    made = Connection(BrokerConfig("127.0.0.1", mosquitto.port), "village", NODE, store)
    made.start()

    async def there() -> bool:
        return made.connected

    await until(there)
    yield made
    await made.stop()


def _node(connection: Connection, store: Store, boot_id: int = 7) -> Node:
    return Node(connection, store, Clock(None), boot_id, MPP_INVERTER)


@pytest_asyncio.fixture
async def collector(
    device: Device, connection: Connection, store: Store, time: Time
) -> AsyncIterator[Collector]:
    """A collector whose rounds the test makes."""
    with wired(device, "usb") as places:
        link = link_to(places)
        config = InverterConfig(NODE, "Inverter south")
        yield Collector(config, link, _node(connection, store), store, now_s=time)
        await link.close()


async def _lives(home: Home, count: int) -> list[LiveMessage]:
    async def done() -> bool:
        return len(home.said(NODE, topics.LIVE)) >= count

    await until(done)
    return home.said(NODE, topics.LIVE)


async def _events(home: Home, count: int) -> list[NodeEvent]:
    async def done() -> bool:
        return len(home.said(NODE, topics.EVENT)) >= count

    await until(done)
    return home.said(NODE, topics.EVENT)


async def _states(home: Home, *expected: bool) -> None:
    async def done() -> bool:
        return home.said(NODE, topics.STATE)[-len(expected) :] == list(expected)

    await until(done)


async def test_the_first_round_says_who_and_what(collector: Collector, home: Home) -> None:
    assert await collector.round()
    (live,) = await _lives(home, 1)
    assert live.own is not None
    assert live.own.values["battery_voltage"] == NOON["battery_voltage"]
    assert live.own.values["mode"] == "battery"
    assert live.own.values["output_source_priority"] == "sbu"
    assert live.own.values["fault_text"] == "none"
    assert live.own.faults == ()
    (birth,) = home.said(NODE, topics.BIRTH)
    assert isinstance(birth, Birth)
    assert (birth.name, birth.hardware, birth.boot_id) == ("Inverter south", "MAX-7200", 7)
    assert set(live.own.values) <= set(birth.metrics)
    (boot,) = await _events(home, 1)
    assert (boot.type, boot.code) == (EventType.BOOT, "BOOT")
    assert not home.refused


async def test_slower_questions_are_asked_when_due(collector: Collector, device: Device, time: Time) -> None:
    assert await collector.round()
    assert "QBMS" in device.heard, "asked once, refused"
    device.heard.clear()
    time.now_s += 10
    assert await collector.round()
    assert device.heard == ["QMOD", "QPIGS", "QPIGS2"]
    device.heard.clear()
    time.now_s += 55
    assert await collector.round()
    assert device.heard == ["QMOD", "QPIGS", "QPIGS2", "QPIWS"]


async def test_alarms_are_raised_and_cleared_once_also_over_a_restart(
    collector: Collector, device: Device, time: Time, home: Home, connection: Connection, store: Store
) -> None:
    device.unit.warnings = "1" + "0" * 11 + "1" + "0" * 11 + "1" + "0" * 11  # sun, battery low, battery short
    assert await collector.round()
    events = await _events(home, 3)
    raised = {one.code: one for one in events if one.state is EventState.RAISED}
    assert {code: one.type for code, one in raised.items()} == {
        "MPP_12": EventType.ALARM,
        "MPP_24": EventType.FAULT,
    }
    assert raised["MPP_24"].values == {"condition": "battery_short_circuit"}
    (live,) = await _lives(home, 1)
    assert live.own is not None
    assert live.own.faults == ("MPP_24",)
    # The daemon starts anew; one of them is over meanwhile.
    again = _node(connection, store, 8)
    again.note(alarms_of({"bits_set": [24]}, None))
    again.note(alarms_of({"bits_set": [24]}, None))
    cleared = (await _events(home, 4))[3]
    assert (cleared.code, cleared.state, cleared.boot_id) == ("MPP_12", EventState.CLEARED, 8)
    again.note({})
    assert [one.code for one in await _events(home, 5)][3:] == ["MPP_12", "MPP_24"]


async def test_unplugged_is_unavailable_and_comes_back(
    collector: Collector, device: Device, home: Home, time: Time
) -> None:
    assert await collector.round()
    await _states(home, False, True)
    device.behaviour.silent = True
    device.unplug()
    assert not await collector.round()
    await _states(home, True, False)
    assert collector.inverter is None
    assert collector.status is None
    device.behaviour.silent = False

    async def back() -> bool:
        return await collector.round()

    await until(back)
    await _states(home, False, True)
    assert len([one for one in home.said(NODE, topics.EVENT) if one.code == "BOOT"]) == 1


async def test_one_bad_round_is_none_three_are(collector: Collector, device: Device, home: Home) -> None:
    assert await collector.round()
    device.behaviour.refuses = frozenset({"QPIGS"})
    assert not await collector.round()
    assert not await collector.round()
    assert collector.inverter is not None
    assert [round(collector.pause_s(False, 0.0))] == [2]
    assert not await collector.round()
    assert collector.inverter is None
    for _ in range(8):
        await collector.round()
    assert collector.pause_s(False, 0.0) == 60.0
    device.behaviour.refuses = frozenset()
    assert await collector.round()
    assert collector.pause_s(True, 3.0) == 7.0
    assert collector.poll_errors >= 11


async def test_a_frame_that_cannot_be_true_is_dropped(
    connection: Connection, store: Store, home: Home, time: Time
) -> None:
    zero = {**NOON, "grid_voltage": 0, "ac_output_voltage": 0}
    zero |= {"ac_output_apparent_power": 0, "ac_output_active_power": 0}
    device = Device(Unit(readings_now=lambda: zero))
    with wired(device, "serial") as places:
        link = link_to(places)
        node = _node(connection, store)
        collector = Collector(InverterConfig(NODE, "Inverter"), link, node, store, now_s=time)
        assert await collector.round()
        await link.close()
    (live,) = await _lives(home, 1)
    assert live.own is not None
    assert "battery_voltage" not in live.own.values
    assert live.own.values["mode"] == "battery"
    assert collector.status is None


async def test_what_is_measured_no_more_is_said_to_be_unknown(
    connection: Connection, store: Store, home: Home, time: Time
) -> None:
    readings = dict(NOON)
    device = Device(Unit(readings_now=lambda: readings))
    with wired(device, "serial") as places:
        link = link_to(places)
        collector = Collector(
            InverterConfig(NODE, "Inverter"), link, _node(connection, store), store, now_s=time
        )
        assert await collector.round()
        readings["inverter_heat_sink_temperature"] = 999
        for _ in range(4):
            time.now_s += 10
            assert await collector.round()
        await link.close()
    lives = [live.own.values for live in await _lives(home, 5) if live.own is not None]
    told = [values.get("inverter_heat_sink_temperature", "nothing") for values in lives]
    assert told == [NOON["inverter_heat_sink_temperature"], "nothing", "nothing", "nothing", None]
    assert [key for key, value in lives[-1].items() if value is None] == ["inverter_heat_sink_temperature"]


async def test_what_a_schedule_left_behind_is_restored_where_no_battery_does(
    collector: Collector, device: Device, store: Store
) -> None:
    StoredKeeper(store).remember(device.unit.serial_number, "output_source_priority", "solar")
    assert await collector.round()
    assert device.unit.written == ["POP01"]
    assert StoredKeeper(store).originals(device.unit.serial_number) == {}


@given(st.lists(st.integers(-5, 60), max_size=20), st.sampled_from([None, *Family]))
def test_any_bits_give_codes_of_the_contract(places: list[int], family: Family | None) -> None:
    active = alarms_of({"bits_set": places}, family)
    assert all(code == f"MPP_{int(code[4:]):02d}" for code in active)
    assert alarms_of({"bits_set": None}, family) == {}


def test_what_warns_is_a_fault_with_the_inverter() -> None:
    assert alarms_of({"bits_set": [16]}, None)["MPP_16"].type is EventType.ALARM
    both = alarms_of({"bits_set": [1, 16]}, None)
    assert {code: alarm.type for code, alarm in both.items()} == {
        "MPP_01": EventType.FAULT,
        "MPP_16": EventType.FAULT,
    }


def test_a_clock_without_its_marker_is_not_believed(tmp_path: Path) -> None:
    clock = Clock(tmp_path / "synchronized")
    assert clock.now() is None
    (tmp_path / "synchronized").touch()
    assert clock.now() is not None


async def test_what_somebody_else_has_set_is_an_event(
    collector: Collector, device: Device, store: Store, home: Home
) -> None:
    # A schedule had set it, the daemon crashed, and somebody chose another one at the display.
    keeper = StoredKeeper(store)
    keeper.remember(device.unit.serial_number, "output_source_priority", "sbu", "utility")
    device.unit.settings.output_source_priority = 1
    assert await collector.round()
    (told,) = [one for one in await _events(home, 2) if one.code != "BOOT"]
    assert (told.code, told.type, told.state) == ("SETTING_CHANGED", EventType.ALARM, EventState.MOMENT)
    assert told.values == {"setting": "output_source_priority", "held": "utility", "found": "solar"}
    assert device.unit.written == []
    assert keeper.originals(device.unit.serial_number) == {}
    assert keeper.written(device.unit.serial_number) == {}
