"""A battery on its schedule, driven through the settings of a pretended inverter."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
import pytest_asyncio

from microgrid_core.contract import topics
from microgrid_core.contract.encode import schedule_payload
from microgrid_core.contract.messages import EventState, ScheduleMode
from microgrid_core.contract.schedule import AckStatus, Basis, Instruction, Interval, Schedule
from microgrid_core.model.battery import BATTERY
from microgrid_core.model.mpp_inverter import MPP_INVERTER
from microgrid_daemon.battery import ALARM_AFTER_S, RETRY_S, Battery
from microgrid_daemon.broker import Connection
from microgrid_daemon.clock import Clock
from microgrid_daemon.collector import Collector
from microgrid_daemon.config import BATTERY_WRITES, BatteryConfig, BrokerConfig, InverterConfig
from microgrid_daemon.mpp_battery import MppBattery
from microgrid_daemon.node import Node
from microgrid_daemon.originals import StoredKeeper
from microgrid_daemon.schedule.limits import Limits
from microgrid_daemon.store import Store
from microgrid_daemon.textfile import rendered, series_of
from microgrid_daemon.thermometer import Thermometer
from simulator.pi30.device import Device
from simulator.pi30.unit import NOON, Unit
from tests.daemon.home import Home
from tests.daemon.stage import link_to, until, wired
from tests.daemon.test_collector import Time
from tests.mosquitto import Mosquitto

NODE = "battery-1"
START = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
CONFIG = BatteryConfig(NODE, "Battery", "mpp-1", Limits(max_charge_w=3000, max_discharge_w=3000), 46.0, 56.0)


class Wall(Clock):
    """A wall clock that is moved by hand."""

    def __init__(self) -> None:
        super().__init__(None)
        self.time: datetime | None = START

    @property
    def valid(self) -> bool:
        return self.time is not None

    def now(self) -> datetime | None:
        return self.time


class Stage:
    """An inverter with its collector and its battery."""

    def __init__(
        self, device: Device, collector: Collector, connection: Connection, store: Store, time: Time
    ) -> None:
        self.device, self.collector, self.store, self.time = device, collector, store, time
        self.wall = Wall()
        self.driver = MppBattery(CONFIG, collector, store, now_s=time)
        node = Node(connection, store, self.wall, 7, BATTERY)
        self.battery = Battery(CONFIG, self.driver, node, store, self.wall, now_s=time)

    async def goes_by(self, seconds: float) -> None:
        """Let time go by: a round of questions, and a step."""
        self.time.now_s += seconds
        if self.wall.time is not None:
            self.wall.time += timedelta(seconds=seconds)
        await self.collector.round()
        await self.battery.step()

    @property
    def written(self) -> list[str]:
        return self.device.unit.written


def plan(*modes: tuple[ScheduleMode, float | None], revision: int = 1, start: datetime = START) -> bytes:
    """A schedule with one interval after the other."""
    intervals = tuple(
        Interval(number, start + timedelta(minutes=30 * number), mode, rate_w)
        for number, (mode, rate_w) in enumerate(modes)
    )
    return schedule_payload(
        Schedule("plan", revision, start, start + timedelta(days=1), ScheduleMode.IDLE, intervals)
    )


@pytest.fixture
def readings() -> dict[str, float | int | bool | str | None]:
    """What the inverter measures; to be changed."""
    return dict(NOON)


@pytest_asyncio.fixture
async def stage(
    mosquitto: Mosquitto, store: Store, readings: dict[str, float | int | bool | str | None]
) -> AsyncIterator[Stage]:
    """Not connected to the broker yet."""
    time = Time()
    device = Device(Unit(readings_now=lambda: readings))
    broker = BrokerConfig("127.0.0.1", mosquitto.port)
    connections = [Connection(broker, "village", node, store) for node in ("mpp-1", NODE)]
    with wired(device, "usb") as places:
        link = link_to(places)
        config = InverterConfig("mpp-1", "Inverter", writes=BATTERY_WRITES)
        node = Node(connections[0], store, Clock(None), 7, MPP_INVERTER)
        collector = Collector(config, link, node, store, restores=False, now_s=time, wall_s=time)
        yield Stage(device, collector, connections[1], store, time)
        await link.close()
    for connection in connections:
        await connection.stop()


def _statuses(store: Store) -> list[str]:
    ends = f"/{NODE}/{topics.ACK}"
    found = [message.payload.decode() for message in store.waiting(0, 100) if message.topic.endswith(ends)]
    return [text.partition('"status":"')[2].partition('"')[0] for text in found]


async def test_charging_takes_the_largest_step_that_fits_and_ends_with_restoring(
    stage: Stage, readings: dict[str, float | int | bool | str | None], store: Store
) -> None:
    stage.battery.receive(plan((ScheduleMode.CHARGE, 1200.0)))
    await stage.goes_by(1)
    assert stage.written == ["MUCHGC020", "POP00"], (
        "20 A × 54.4 V ≤ 1200 W; the charger's priority is so already"
    )
    readings |= {"battery_charging_current": 20, "battery_discharge_current": 0}
    for _ in range(180):
        await stage.goes_by(10)
    assert _statuses(store) == ["received", "accepted", "started", "succeeded"]
    assert stage.device.unit.settings.output_source_priority == 2
    assert stage.device.unit.settings.max_ac_charging_current == Unit().settings.max_ac_charging_current
    assert len(stage.written) == 4
    assert StoredKeeper(store).originals(stage.device.unit.serial_number) == {}


async def test_discharge_follows_charge_without_a_detour(stage: Stage) -> None:
    stage.device.unit.settings.output_source_priority = 1
    stage.battery.receive(plan((ScheduleMode.CHARGE, 2000.0), (ScheduleMode.DISCHARGE, 500.0)))
    await stage.goes_by(1)
    assert stage.written == ["POP00"], "30 A is what it was"
    await stage.goes_by(1800)
    assert stage.written == ["POP00", "POP02"]
    await stage.battery.stop()
    assert stage.written == ["POP00", "POP02", "POP01"]


async def test_who_must_wait_to_charge_does_not_discharge_meanwhile(stage: Stage) -> None:
    """A setting is written every five minutes at most; the way back is always open."""
    stage.device.unit.settings.output_source_priority = 1
    stage.battery.receive(plan((ScheduleMode.DISCHARGE, 500.0)))
    await stage.goes_by(1)
    assert stage.written == ["POP02"]
    stage.battery.receive(plan((ScheduleMode.CHARGE, 2000.0), revision=2))
    await stage.goes_by(60)
    assert "written 60 s ago" in (stage.battery.trouble or "")
    assert stage.written == ["POP02", "POP01"]
    for _ in range(4):
        await stage.goes_by(60)
    assert stage.written == ["POP02", "POP01"], "and it is not tried all the time"
    await stage.goes_by(65)
    assert stage.written == ["POP02", "POP01", "POP00"]


async def test_another_power_waits_without_a_detour(stage: Stage) -> None:
    stage.battery.receive(plan((ScheduleMode.CHARGE, 1200.0)))
    await stage.goes_by(1)
    stage.battery.receive(plan((ScheduleMode.CHARGE, 600.0), revision=2))
    await stage.goes_by(60)
    assert stage.written == ["MUCHGC020", "POP00"]
    await stage.goes_by(245)
    assert stage.written == ["MUCHGC020", "POP00", "MUCHGC010"]


async def test_a_limit_wins_and_is_told(
    stage: Stage, readings: dict[str, float | int | bool | str | None], store: Store
) -> None:
    readings["battery_voltage"] = 46.5  # 5 % of its span
    stage.battery.receive(plan((ScheduleMode.DISCHARGE, 500.0)))
    stage.device.unit.settings.output_source_priority = 0
    await stage.goes_by(1)
    await stage.goes_by(1800)
    assert stage.written == []
    assert _statuses(store) == ["received", "accepted", "started", "failed"]
    assert any(b"empty at 10 %" in message.payload for message in store.waiting(0, 100))


async def test_what_does_not_fit_is_not_begun(stage: Stage) -> None:
    stage.battery.receive(plan((ScheduleMode.CHARGE, 100.0)))
    await stage.goes_by(1)
    assert stage.written == []
    achieved = await stage.driver.apply(Instruction(ScheduleMode.CHARGE, Basis.INTERVAL, 100.0))
    assert achieved.trouble == "no step of the charging current fits 100 W, the least is 109 W"
    assert (await stage.driver.apply(Instruction(ScheduleMode.FOLLOW, Basis.GAP))).trouble is not None
    assert (await stage.driver.apply(Instruction(ScheduleMode.CHARGE, Basis.INTERVAL))).trouble is None


async def test_a_device_that_refuses_is_asked_again_later_and_given_back(stage: Stage, store: Store) -> None:
    stage.device.behaviour.refuses = frozenset({"POP00"})
    stage.battery.receive(plan((ScheduleMode.CHARGE, 1200.0)))
    await stage.goes_by(1)
    assert stage.written == ["MUCHGC020", "MUCHGC030"], "half a plan is none"
    heard = stage.device.heard.count("POP00")
    await stage.goes_by(10)
    assert stage.device.heard.count("POP00") == heard
    stage.device.behaviour.refuses = frozenset()
    await stage.goes_by(300)
    assert stage.device.unit.settings.output_source_priority == 0
    assert stage.device.unit.settings.max_ac_charging_current == 20
    assert RETRY_S < 300


async def test_a_plug_that_is_out_for_a_moment_stops_nothing(stage: Stage) -> None:
    """It is out when an interval ends; in the next one the battery does again what is planned."""
    charge = (ScheduleMode.CHARGE, 1200.0)
    stage.battery.receive(plan(charge, (ScheduleMode.IDLE, None), charge))
    await stage.goes_by(1)
    await stage.goes_by(1780)
    stage.time.now_s += 20
    assert stage.wall.time is not None
    stage.wall.time += timedelta(seconds=20)
    stage.device.unplug()
    await stage.battery.step()
    assert "not restored" in (stage.battery.trouble or "")
    inverter = stage.collector.inverter
    await asyncio.sleep(0.1)  # the link looks for the device again
    await stage.goes_by(RETRY_S)
    assert stage.collector.inverter is inverter, "nobody else noticed"
    assert stage.battery.trouble is None
    assert stage.written == ["MUCHGC020", "POP00", "POP02", "MUCHGC030"]
    await stage.goes_by(1800)
    assert stage.battery.trouble is None
    assert stage.written[4:] == ["MUCHGC020", "POP00"]


async def test_on_a_disk_that_takes_nothing_the_battery_is_given_back(
    stage: Stage, store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    """The limits would not be looked at by a daemon that ends, and the inverter would go on charging."""
    found = stage.device.unit.settings
    as_found = (found.output_source_priority, found.max_ac_charging_current)
    stage.battery.receive(plan((ScheduleMode.CHARGE, 1200.0)))
    await stage.goes_by(1)
    assert stage.written == ["MUCHGC020", "POP00"]
    store.ask("PRAGMA query_only = 1")
    await stage.goes_by(5)
    assert stage.battery.trouble == (
        "the course of the schedule cannot be noted: attempt to write a readonly database"
    )
    assert (found.output_source_priority, found.max_ac_charging_current) == as_found
    stage.battery.receive(plan((ScheduleMode.IDLE, None), revision=2))
    assert "a schedule came and is not held" in caplog.text
    stage.device.unit.warnings = "01" + "0" * 34
    for _ in range(60):
        await stage.goes_by(5)
    assert len(stage.written) == 4
    assert "alarms wait for the disk" in caplog.text
    assert (await stage.battery.stop()).trouble is None
    store.ask("PRAGMA query_only = 0")
    await stage.goes_by(5)
    assert stage.battery.trouble is None
    assert stage.written[4:] == ["MUCHGC020", "POP00"], "the disk takes the course again"


async def test_what_another_release_has_changed_is_in_nobodys_way(stage: Stage, store: Store) -> None:
    StoredKeeper(store).remember(stage.device.unit.serial_number, "setting_of_tomorrow", 1)
    stage.battery.receive(plan((ScheduleMode.CHARGE, 1200.0)))
    await stage.goes_by(1)
    assert stage.battery.trouble is None
    assert stage.written == ["MUCHGC020", "POP00"]


async def test_a_second_master_keeps_what_he_set(stage: Stage, store: Store) -> None:
    stage.battery.receive(plan((ScheduleMode.CHARGE, 1200.0)))
    await stage.goes_by(1)
    stage.device.unit.settings.output_source_priority = 1  # at the display
    await stage.goes_by(600)
    assert stage.device.unit.settings.output_source_priority == 1
    assert stage.device.unit.settings.max_ac_charging_current == 30
    await stage.goes_by(ALARM_AFTER_S)
    events = [
        message.payload for message in store.waiting(0, 100) if message.topic.endswith("battery-1/event")
    ]
    assert any(b"BATTERY_RELEASED" in event and b"somebody else has set" in event for event in events)


async def test_without_a_clock_or_an_inverter_nothing_is_done(stage: Stage, store: Store) -> None:
    stage.wall.time = None
    stage.battery.receive(plan((ScheduleMode.CHARGE, 1200.0)))
    await stage.goes_by(1)
    assert stage.written == []
    stage.wall.time = START + timedelta(minutes=1)
    await stage.goes_by(1)
    assert len(stage.written) == 2
    stage.device.behaviour.silent = True
    stage.device.unplug()
    await stage.goes_by(10)
    assert stage.driver.read().trouble == "the inverter does not answer"
    assert (await stage.battery.stop()).trouble is not None
    assert stage.driver.values() == {}
    stage.device.behaviour.silent = False

    async def back() -> bool:
        return await stage.collector.round()

    await until(back)
    await stage.battery.stop()
    assert stage.device.unit.settings.output_source_priority == 2


async def test_a_crash_in_an_interval_writes_nothing_twice(stage: Stage, store: Store) -> None:
    stage.battery.receive(plan((ScheduleMode.CHARGE, 1200.0)))
    await stage.goes_by(1)
    before = list(stage.written)
    connection = stage.battery._node.connection
    node = Node(connection, store, stage.wall, 8, BATTERY)
    later = Battery(CONFIG, stage.driver, node, store, stage.wall, now_s=stage.time)
    stage.collector.inverter = stage.collector.status = None
    await later.step()
    await stage.collector.round()
    await later.step()
    assert stage.written == before
    assert _statuses(store) == ["received", "accepted", "started"]
    await later.stop()
    assert stage.device.unit.settings.output_source_priority == 2


async def test_after_a_crash_nothing_is_given_back_before_the_first_reading(stage: Stage) -> None:
    """The inverter is known a question earlier than what it measures; it still does what is planned."""
    stage.battery.receive(plan((ScheduleMode.CHARGE, 1200.0)))
    await stage.goes_by(1)
    written = list(stage.written)
    again = Stage(stage.device, stage.collector, stage.battery._node.connection, stage.store, stage.time)
    again.wall.time = stage.wall.time
    stage.collector.status = None
    await again.battery.step()
    assert again.battery.trouble == "the inverter does not answer"
    assert stage.written == written
    await again.goes_by(5)
    assert again.battery.trouble is None
    assert stage.written == written, "it is so already"


async def test_home_hears_who_it_is_and_what_it_does(stage: Stage, home: Home) -> None:
    stage.battery._node.connection.start()
    stage.battery.announce()
    await stage.goes_by(1)

    async def heard() -> bool:
        return all(home.said(NODE, suffix) for suffix in (topics.BIRTH, topics.SCHEDULE_STATE))

    await until(heard)
    (birth,) = home.said(NODE, topics.BIRTH)
    assert birth.schedule == stage.driver.capability
    assert home.said(NODE, topics.SCHEDULE_STATE)[-1].basis is Basis.NO_SCHEDULE
    home.say(NODE, topics.SCHEDULE_SET, plan((ScheduleMode.CHARGE, 1200.0)), retain=True)

    async def accepted() -> bool:
        await stage.goes_by(10)
        wanted = [AckStatus.RECEIVED, AckStatus.ACCEPTED, AckStatus.STARTED]
        return [one.status for one in home.said(NODE, topics.ACK)] == wanted

    await until(accepted)

    async def lives() -> bool:
        return bool(home.said(NODE, topics.LIVE)[-1].own.values["schedule_active"])

    await until(lives)
    live = home.said(NODE, topics.LIVE)[-1].own
    assert (live.values["schedule_active"], live.values["charging"]) == (True, True)
    assert (live.values["intervals_done"], live.values["intervals_failed"]) == (0, 0)
    assert live.values["power"] == pytest.approx(-14 * 53.6)
    assert "state_of_charge" not in live.values, "a voltage is no state of charge"
    assert set(live.values) <= set(birth.metrics)
    assert not home.refused
    assert all(one.state is EventState.MOMENT for one in home.said(NODE, topics.EVENT))


class Managed(Unit):
    """A unit whose battery has a management."""

    management = "0 064 0 0 0 560 540 460 0100 0100"

    def _qbms(self) -> str:
        return self.management


async def test_the_state_of_charge_is_what_the_management_tells(stage: Stage) -> None:
    unit = Managed()
    stage.device.unit = unit
    await stage.goes_by(1)
    assert stage.driver.read().soc_percent == 64.0
    assert stage.driver.values()["state_of_charge"] == 64.0
    unit.management = "1" + unit.management[1:]  # not connected: what it says is of yesterday
    await stage.goes_by(10)
    assert stage.driver.read().soc_percent == pytest.approx(76.0), "where 53.6 V lies between 46 and 56 V"
    assert "state_of_charge" not in stage.driver.values()


async def test_without_a_span_nobody_guesses_the_state_of_charge(stage: Stage) -> None:
    stage.driver._config = replace(CONFIG, empty_v=None, full_v=None)
    stage.battery.receive(plan((ScheduleMode.DISCHARGE, 500.0)))
    stage.device.unit.settings.output_source_priority = 0
    await stage.goes_by(1)
    assert stage.driver.read().soc_percent is None
    assert stage.written == []


async def test_in_fault_mode_the_battery_is_left_alone(
    stage: Stage, readings: dict[str, float | int | bool | str | None]
) -> None:
    stage.battery.receive(plan((ScheduleMode.CHARGE, 1200.0)))
    await stage.goes_by(1)
    readings["mode"] = "fault"
    await stage.goes_by(10)
    assert stage.driver.read().trouble == "the inverter is in fault mode"
    assert stage.device.unit.settings.output_source_priority == 2, "given back"


async def test_two_failures_end_all_writing_and_are_told(stage: Stage, store: Store) -> None:
    stage.device.behaviour.accepts_without_effect = True
    stage.battery.receive(plan((ScheduleMode.CHARGE, 1200.0), (ScheduleMode.IDLE, None)))
    await stage.goes_by(1)
    await stage.goes_by(300)
    assert stage.collector.inverter is not None
    assert stage.collector.inverter.stopped
    await stage.goes_by(10)
    assert "two writes in a row failed" in (stage.driver.read().trouble or "")
    await stage.goes_by(ALARM_AFTER_S)
    assert any(b"BATTERY_RELEASED" in message.payload for message in store.waiting(0, 100))
    await stage.goes_by(1500)
    assert _statuses(store) == ["received", "accepted", "started", "failed", "started"]


async def test_what_cannot_be_given_back_is_told_and_tried_again(stage: Stage) -> None:
    stage.battery.receive(plan((ScheduleMode.CHARGE, 1200.0)))
    await stage.goes_by(1)
    stage.device.behaviour.refuses = frozenset({"POP02"})
    assert "not restored: POP02" in ((await stage.battery.stop()).trouble or "")
    stage.device.behaviour.refuses = frozenset()
    assert (await stage.battery.stop()).trouble is None
    assert stage.device.unit.settings.output_source_priority == 2


async def test_a_thermometer_that_was_named_must_speak(
    stage: Stage, readings: dict[str, float | int | bool | str | None], store: Store
) -> None:
    thermometer = Thermometer("house/battery", now_s=stage.time)
    node = stage.battery._node
    stage.battery = Battery(
        CONFIG, stage.driver, node, store, stage.wall, thermometer=thermometer, now_s=stage.time
    )
    stage.battery.receive(plan((ScheduleMode.CHARGE, 1200.0)))
    await stage.goes_by(1)
    assert stage.written == []
    assert "house/battery says none" in (stage.battery.trouble or "")
    thermometer.hear(b"20.5")
    await stage.goes_by(10)
    assert stage.written == ["MUCHGC020", "POP00"]
    thermometer.hear(b"-0.5")
    await stage.goes_by(10)
    assert "too cold to charge" in (stage.battery.trouble or "")
    assert stage.device.unit.settings.output_source_priority == 2
    thermometer.hear(b"55")
    await stage.goes_by(10)
    assert "55.0 °C is above 50 °C" in (stage.battery.trouble or "")


async def test_intervals_are_counted_over_restarts(
    stage: Stage, readings: dict[str, float | int | bool | str | None], store: Store
) -> None:
    stage.device.unit.settings.output_source_priority = 0
    stage.battery.receive(plan(*((ScheduleMode.DISCHARGE, 500.0),) * 4))
    readings |= {"battery_charging_current": 0, "battery_discharge_current": 10}
    await stage.goes_by(60)  # late
    for _ in range(35):
        await stage.goes_by(60)
    readings |= {"battery_discharge_current": 2}
    for _ in range(30):
        await stage.goes_by(60)
    node = stage.battery._node
    stage.battery = Battery(CONFIG, stage.driver, node, store, stage.wall, now_s=stage.time)
    await stage.goes_by(1800)
    tally = stage.battery.tally
    assert (tally.done, tally.failed, tally.late) == (1, 2, 2)
    text = rendered(series_of([], store, [stage.battery]))
    assert 'microgrid_intervals_total{device="battery-1",outcome="failed"} 2.0' in text
    assert 'microgrid_intervals_late_total{device="battery-1"} 2.0' in text


async def test_an_unknown_voltage_charges_nothing(stage: Stage) -> None:
    """With the voltage of now the power would be exceeded at the end of the charge."""
    await stage.goes_by(1)
    inverter = stage.collector.inverter
    assert inverter is not None
    charge = Instruction(ScheduleMode.CHARGE, Basis.INTERVAL, 1200.0)
    inverter.known = replace(inverter.known, replies={**inverter.known.replies, "QPIRI": {}})
    stage.device.behaviour.refuses = frozenset({"QPIRI"})
    assert (await stage.driver.apply(charge)).trouble == "the voltage of the battery is not known"
    assert stage.written == []
    stage.device.behaviour.refuses = frozenset()
    assert (await stage.driver.apply(charge)).trouble is None
    assert stage.written[0] == "MUCHGC020"


async def test_unknown_currents_charge_nothing(stage: Stage) -> None:
    stage.device.behaviour.refuses = frozenset({"QMUCHGCR"})
    await stage.goes_by(1)
    achieved = await stage.driver.apply(Instruction(ScheduleMode.CHARGE, Basis.INTERVAL, 1200.0))
    assert achieved.trouble == "no step of the charging current fits 1200 W"
    assert stage.written == []
