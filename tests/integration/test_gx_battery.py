"""A Victron ESS that carries out a schedule: sent by the desk, steered at the fake GX, told in the log."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from homeassistant.core import HomeAssistant
from homeassistant.util import dt as dt_util
from pytest_homeassistant_custom_component.common import MockConfigEntry, async_fire_mqtt_message
from pytest_homeassistant_custom_component.typing import MqttMockHAClient

from custom_components.microgrid import gx_battery
from custom_components.microgrid.const import DOMAIN
from custom_components.microgrid.core.contract.execution import Course
from custom_components.microgrid.core.contract.messages import ScheduleMode
from custom_components.microgrid.core.contract.schedule import INTERVAL, AckStatus, Interval, Schedule
from custom_components.microgrid.gx_battery import GxBattery
from custom_components.microgrid.runtime import MicrogridRuntime
from custom_components.microgrid.schedule_log import Execution, ExecutionStatus
from custom_components.microgrid.schedules import ScheduleRefused
from microgrid_core.gx.value import Address
from simulator.gx.broker_side import BrokerSide
from tests.mosquitto import Mosquitto

from . import gx as world, gx_link as fixtures
from .gx_link import until

broker, gx, site = fixtures.broker, fixtures.living_gx, fixtures.site

SETPOINT = Address("hub4", 0, "/Overrides/Setpoint")
POWER = Address("system", 0, "/Dc/Battery/Power")


@pytest.fixture
async def setup(
    hass: HomeAssistant,
    mqtt_mock: MqttMockHAClient,
    gx: BrokerSide,
    broker: Mosquitto,
    monkeypatch: pytest.MonkeyPatch,
) -> AsyncIterator[Callable[[], Any]]:
    """Sets a swarm up, as often as wanted; what it publishes comes back to it, as from a broker."""
    monkeypatch.setattr(gx_battery, "TICK_S", 0.2)
    monkeypatch.setattr(GxBattery, "_now", staticmethod(clock))

    async def publish(
        topic: str, payload: bytes | str, qos: int, retain: bool, *more: Any, **also: Any
    ) -> None:
        async_fire_mqtt_message(hass, topic, payload, qos, retain=False)

    mqtt_mock.async_publish.side_effect = publish
    entry = MockConfigEntry(
        domain=DOMAIN,
        title="Demo",
        unique_id="demo",
        data={"swarm": "demo", "name": "Demo"},
        subentries_data=[
            fixtures.subentry(broker.port, gx.station.portal, allow_control=True, controls=["battery_power"])
        ],
    )
    entry.add_to_hass(hass)

    async def start() -> tuple[MockConfigEntry, GxBattery]:
        assert await hass.config_entries.async_setup(entry.entry_id)
        runtime: MicrogridRuntime = entry.runtime_data
        (battery,) = runtime.gx_batteries
        await until(lambda: runtime.schedules.capability(battery._node_id), "it takes schedules")
        return entry, battery

    yield start
    await world.unload(hass, entry)


class Times:
    """The interval that is on, whatever the time is while a test runs."""

    began: datetime
    begin: datetime

    def start(self) -> None:
        """Begin now; just before the end of a half hour, with the next one."""
        self.began = dt_util.utcnow()
        soon = self.began + timedelta(minutes=1)
        self.begin = soon.replace(minute=soon.minute // 30 * 30, second=0, microsecond=0)


times = Times()


@pytest.fixture(autouse=True)
def now_is_now() -> None:
    """A test may run long after this file was read."""
    times.start()


def clock(ahead: timedelta = timedelta(0)) -> datetime:
    """The clock of the battery: ten minutes into an interval when a test begins."""
    return times.begin + timedelta(minutes=10) + (dt_util.utcnow() - times.began) + ahead


def shift(battery: GxBattery, by: timedelta) -> None:
    """Let time be further."""
    battery._now = lambda: clock(by)


async def go_on(battery: GxBattery) -> None:
    """Watch what runs for a moment, and let it have gone on like this to its end."""

    def measured() -> list[Course]:
        running = (one for one in battery._courses.values() if one.status is AckStatus.STARTED)
        return [one for one in running if one.seconds > 1.0]

    await until(measured, "it is measured")
    for course in measured():
        whole_s = INTERVAL.total_seconds() - course.joined_s
        energy_ws = course.energy_ws * whole_s / course.seconds
        battery._courses[course.interval.id] = replace(course, seconds=whole_s, energy_ws=energy_ws)


async def while_it_runs(battery: GxBattery) -> None:
    """Let some ticks pass."""
    before_s = battery._courses[0].seconds
    await until(lambda: battery._courses[0].seconds > before_s + 1.0, "it is measured")


def schedule(
    revision: int, *intervals: tuple[ScheduleMode, float | None], default: str = "follow"
) -> Schedule:
    """Intervals one after the other, the first of which is on now."""
    return Schedule(
        schedule_id="test",
        revision=revision,
        issued_at=times.begin,
        valid_until=times.begin + len(intervals) * INTERVAL,
        default=ScheduleMode(default),
        intervals=tuple(
            Interval(number, times.begin + number * INTERVAL, mode, rate_w)
            for number, (mode, rate_w) in enumerate(intervals)
        ),
    )


def log(entry: MockConfigEntry, battery: GxBattery) -> list[Execution]:
    since = dt_util.utcnow() - timedelta(hours=1)
    return list(entry.runtime_data.schedules.executions(battery._node_id, since))


def power(gx: BrokerSide) -> float:
    value = gx.station.items[POWER].value
    assert isinstance(value, int | float)
    return value


async def test_a_schedule_from_the_desk_to_the_battery_and_into_the_log(
    hass: HomeAssistant, setup: Callable[[], Any], gx: BrokerSide
) -> None:
    entry, battery = await setup()
    desk, node_id = entry.runtime_data.schedules, battery._node_id
    able = desk.capability(node_id)
    assert (able.max_charge_w, set(able.modes)) == (2500.0, set(ScheduleMode))
    with pytest.raises(ScheduleRefused, match="not within"):
        await desk.set(node_id, schedule(1, (ScheduleMode.CHARGE, 9000.0)))
    await until(lambda: hass.states.async_entity_ids("calendar"), "and shows its calendar like any other")
    plan = schedule(1, (ScheduleMode.CHARGE, 2000.0), (ScheduleMode.DISCHARGE, 1500.0))
    await desk.set(node_id, plan)
    await until(lambda: abs(power(gx) - 2000.0) < 100.0, "it charges with what was asked for")
    await until(lambda: log(entry, battery)[0].status is ExecutionStatus.STARTED, "that is told")
    assert desk.held(node_id).answer == "accepted"
    assert log(entry, battery)[0].late is True, "it was joined after its start"
    assert "setpoint_override" in entry.runtime_data.gx_controls[next(iter(entry.subentries))].overrides
    await go_on(battery)
    shift(battery, INTERVAL)
    await until(lambda: abs(power(gx) + 1500.0) < 100.0, "the next one discharges")
    first = log(entry, battery)[0]
    assert (first.status, first.requested_w) == (ExecutionStatus.SUCCEEDED, 2000.0)
    assert first.actual_w == pytest.approx(2000.0, rel=0.15)
    await go_on(battery)
    shift(battery, 2 * INTERVAL)
    await until(lambda: gx.station.items[SETPOINT].value is None, "at its end the station is its own again")
    await until(lambda: log(entry, battery)[1].status is ExecutionStatus.SUCCEEDED, "that is told, too")
    second = log(entry, battery)[1]
    assert second.actual_w == pytest.approx(1500.0, rel=0.15)
    lines = entry.runtime_data.gx_controls[next(iter(entry.subentries))].audit
    assert {line.by for line in lines} == {"schedule"}
    assert len(lines) < 12, "corrections are not one line each"


async def test_a_restart_in_the_middle_goes_on_where_it_was(
    hass: HomeAssistant, setup: Callable[[], Any], gx: BrokerSide
) -> None:
    entry, battery = await setup()
    await entry.runtime_data.schedules.set(battery._node_id, schedule(1, (ScheduleMode.IDLE, None)))
    await until(lambda: abs(power(gx)) < 100.0, "it rests")
    await world.unload(hass, entry)
    assert gx.station.items[SETPOINT].value is None, "nobody minds it, so it was released"
    entry, battery = await setup()
    await until(lambda: abs(power(gx)) < 100.0, "it rests again")
    (one,) = log(entry, battery)
    assert one.status is ExecutionStatus.STARTED
    await go_on(battery)
    shift(battery, INTERVAL)
    await until(lambda: log(entry, battery)[0].status is ExecutionStatus.SUCCEEDED, "one final word")


async def test_a_downgrade_in_the_middle_goes_on_where_it_was(
    hass: HomeAssistant, setup: Callable[[], Any], gx: BrokerSide, hass_storage: dict[str, Any]
) -> None:
    entry, battery = await setup()
    await entry.runtime_data.schedules.set(battery._node_id, schedule(1, (ScheduleMode.IDLE, None)))
    await until(lambda: 0 in battery._courses and battery._courses[0].seconds > 0.5, "it runs")
    await world.unload(hass, entry)
    (stored,) = (one["data"] for key, one in hass_storage.items() if ".gx_battery." in key)
    stored["courses"]["0"]["of_later"] = 1
    entry, battery = await setup()
    assert battery._courses[0].seconds > 0.5


@pytest.mark.parametrize(("seconds", "became"), [(60.0, "succeeded"), (0.0, "failed")])
async def test_a_station_may_be_away_for_a_moment(
    hass: HomeAssistant,
    setup: Callable[[], Any],
    broker: Mosquitto,
    gx: BrokerSide,
    monkeypatch: pytest.MonkeyPatch,
    seconds: float,
    became: str,
) -> None:
    monkeypatch.setattr(gx_battery, "GONE_S", seconds)
    entry, battery = await setup()
    await entry.runtime_data.schedules.set(battery._node_id, schedule(1, (ScheduleMode.IDLE, None)))
    await go_on(battery)
    broker.stop()
    await until(lambda: not battery._station.connected, "it is away")
    ticked_at = battery._ticked_at
    await until(lambda: battery._ticked_at != ticked_at, "that is noticed")
    shift(battery, INTERVAL)
    await until(lambda: log(entry, battery)[0].status is not ExecutionStatus.STARTED, "one final word")
    assert log(entry, battery)[0].status.value == became
    assert battery._courses[0].trouble == ("" if became == "succeeded" else "the station is not connected")
    broker.start()


async def test_a_new_plan_goes_on_with_the_interval_that_runs(
    hass: HomeAssistant, setup: Callable[[], Any], gx: BrokerSide, monkeypatch: pytest.MonkeyPatch
) -> None:
    entry, battery = await setup()
    desk, node_id = entry.runtime_data.schedules, battery._node_id
    with monkeypatch.context() as patch:
        patch.setattr(gx_battery, "LATE_S", 3600.0)  # as if it had begun in time
        await desk.set(node_id, schedule(1, (ScheduleMode.CHARGE, 1000.0)))
        await until(lambda: 0 in battery._courses and battery._courses[0].seconds > 1.0, "it runs")
    before = battery._courses[0].seconds
    await desk.set(node_id, schedule(2, (ScheduleMode.CHARGE, 1000.0)))
    await until(lambda: battery._schedule.revision == 2 and battery._courses, "the new plan runs")
    again = battery._courses[0]
    assert (again.late, again.joined_s) == (False, 0.0) and again.seconds >= before
    await until(lambda: log(entry, battery) and log(entry, battery)[0].revision == 2, "that is told")
    assert not log(entry, battery)[0].late
    await desk.set(node_id, schedule(3, (ScheduleMode.DISCHARGE, 900.0)))
    await until(lambda: battery._schedule.revision == 3 and battery._courses, "another order runs")
    other = battery._courses[0]
    assert not other.late and other.joined_s == pytest.approx(600.0, abs=30.0) and other.seconds < before


async def test_a_new_plan_with_the_end_of_an_interval_takes_nothing_from_it(
    hass: HomeAssistant, setup: Callable[[], Any], gx: BrokerSide
) -> None:
    entry, battery = await setup()
    desk, node_id = entry.runtime_data.schedules, battery._node_id
    told: list[tuple[int | None, str]] = []
    desk.on_acknowledgement(lambda node, ack, execution: told.append((ack.revision, ack.status.value)))
    await desk.set(node_id, schedule(1, (ScheduleMode.CHARGE, 1000.0)))
    await until(lambda: abs(power(gx) - 1000.0) < 100.0, "it charges")
    await go_on(battery)
    async with battery._busy:  # before the next tick
        shift(battery, INTERVAL)
        await desk.set(node_id, schedule(2, (ScheduleMode.FOLLOW, None), (ScheduleMode.FOLLOW, None)))
        await until(lambda: battery._schedule.revision == 2, "the new plan is held")
    await until(lambda: (2, "accepted") in told, "that is told")
    assert (1, "succeeded") in told and (1, "superseded") not in told


async def test_what_is_cancelled_is_told_and_the_station_released(
    hass: HomeAssistant, setup: Callable[[], Any], gx: BrokerSide
) -> None:
    entry, battery = await setup()
    desk, node_id = entry.runtime_data.schedules, battery._node_id
    plan = schedule(1, (ScheduleMode.CHARGE, 1000.0), (ScheduleMode.CHARGE, 1000.0))
    await desk.set(node_id, plan)
    await until(lambda: abs(power(gx) - 1000.0) < 100.0, "it charges")
    await until(lambda: log(entry, battery)[0].status is ExecutionStatus.STARTED, "that is told")
    told: list[str] = []
    desk.on_acknowledgement(lambda node, ack, execution: told.append(ack.status.value))
    await desk.cancel(node_id, ScheduleMode.FOLLOW)
    await until(lambda: "accepted" in told, "the station took it")
    assert told == ["received", "cancelled", "cancelled", "accepted"]
    assert [one.status for one in log(entry, battery)] == [ExecutionStatus.CANCELLED] * 2
    await until(lambda: gx.station.items[SETPOINT].value is None, "and is on its own again")


async def test_somebody_else_takes_the_set_point(
    hass: HomeAssistant, setup: Callable[[], Any], gx: BrokerSide
) -> None:
    entry, battery = await setup()
    await entry.runtime_data.schedules.set(battery._node_id, schedule(1, (ScheduleMode.CHARGE, 1000.0)))
    await until(lambda: abs(power(gx) - 1000.0) < 100.0, "it charges")

    def yields() -> bool:
        gx.station.write(SETPOINT, -9000.0)  # also over a value of ours that is on its way
        return bool(battery._yielded == 0)

    await until(yields, "it yields")
    for _ in range(3):
        await battery._work(battery._now())
    assert gx.station.items[SETPOINT].value == -9000.0
    shift(battery, INTERVAL)
    await until(lambda: log(entry, battery)[0].status is ExecutionStatus.FAILED, "and says so")
    assert "somebody else" in log(entry, battery)[0].reasons[0]


async def test_what_somebody_sets_by_hand_is_his_until_the_interval_ends(
    hass: HomeAssistant, setup: Callable[[], Any], gx: BrokerSide
) -> None:
    entry, battery = await setup()
    control = entry.runtime_data.gx_controls[next(iter(entry.subentries))]
    await control.set("setpoint_override", 100.0)  # before the schedule came: that is the last word
    two = schedule(1, (ScheduleMode.CHARGE, 1000.0), (ScheduleMode.CHARGE, 1000.0))
    await entry.runtime_data.schedules.set(battery._node_id, two)
    await until(lambda: abs(power(gx) - 1000.0) < 100.0, "it charges")
    await control.set("setpoint_override", -300.0)
    await while_it_runs(battery)
    assert gx.station.items[SETPOINT].value == -300.0
    shift(battery, INTERVAL)
    await until(lambda: log(entry, battery)[0].status is ExecutionStatus.FAILED, "and says so")
    assert "somebody else" in log(entry, battery)[0].reasons[0]
    await until(lambda: abs(power(gx) - 1000.0) < 100.0, "the next one is carried out")


async def test_a_limit_that_somebody_else_takes_is_his(
    hass: HomeAssistant, setup: Callable[[], Any], gx: BrokerSide
) -> None:
    entry, battery = await setup()
    control = entry.runtime_data.gx_controls[next(iter(entry.subentries))]
    most = Address("hub4", 0, "/Overrides/MaxDischargePower")
    await entry.runtime_data.schedules.set(battery._node_id, schedule(1, (ScheduleMode.FOLLOW, 800.0)))
    await until(lambda: gx.station.items[most].value == 800.0, "no more than that")
    await until(lambda: "maximum_discharge_power" not in control._writing, "that is confirmed")
    gx.station.write(most, 1500.0)
    await until(lambda: gx.station.items[most].value == 1500.0, "it is taken")
    await while_it_runs(battery)
    assert gx.station.items[most].value == 1500.0


async def test_the_same_limit_in_the_next_interval_holds_until_its_end(
    hass: HomeAssistant, setup: Callable[[], Any], gx: BrokerSide
) -> None:
    entry, battery = await setup()
    control = entry.runtime_data.gx_controls[next(iter(entry.subentries))]
    two = schedule(1, (ScheduleMode.FOLLOW, 800.0), (ScheduleMode.FOLLOW, 800.0))
    await entry.runtime_data.schedules.set(battery._node_id, two)

    def held_until() -> str | None:
        held = control.overrides.get("maximum_discharge_power")
        return None if held is None else held.until

    ends = [(times.begin + number * INTERVAL + timedelta(seconds=90)).isoformat() for number in (1, 2)]
    await until(lambda: held_until() == ends[0], "it is held for the first")
    shift(battery, INTERVAL)
    await until(lambda: held_until() == ends[1], "and then for the second")


async def test_a_limit_that_the_station_did_not_take_is_tried_again(
    hass: HomeAssistant, setup: Callable[[], Any], gx: BrokerSide
) -> None:
    entry, battery = await setup()
    most = Address("hub4", 0, "/Overrides/MaxDischargePower")
    access = battery._station.access
    send = access._publish
    access._publish = lambda topic, payload: None  # the line stalls
    await entry.runtime_data.schedules.set(battery._node_id, schedule(1, (ScheduleMode.FOLLOW, 800.0)))
    await until(lambda: 0 in battery._courses and battery._courses[0].trouble, "nobody answers")
    access._publish = send
    await until(lambda: gx.station.items[most].value == 800.0, "said again")


@pytest.mark.parametrize("mode", [ScheduleMode.FOLLOW, ScheduleMode.CHARGE])
async def test_what_somebody_sets_by_hand_outlives_a_schedule_that_is_over(
    hass: HomeAssistant, setup: Callable[[], Any], gx: BrokerSide, mode: ScheduleMode
) -> None:
    entry, battery = await setup()
    control = entry.runtime_data.gx_controls[next(iter(entry.subentries))]
    await entry.runtime_data.schedules.set(battery._node_id, schedule(1, (mode, 800.0)))
    key = "maximum_discharge_power" if mode is ScheduleMode.FOLLOW else "setpoint_override"
    await until(lambda: key in control.overrides, "the schedule is carried out")
    shift(battery, INTERVAL)
    await until(lambda: not control.overrides, "and what it held is released")
    shift(battery, 3 * INTERVAL)
    by_hand = {"setpoint_override": -300.0, "maximum_discharge_power": 1200.0}
    for name, value in by_hand.items():
        await control.set(name, value)
    for _ in range(3):
        await battery._work(battery._now())
    assert {name: held.value for name, held in control.overrides.items()} == by_hand
    assert gx.station.items[SETPOINT].value == -300.0


async def test_following_is_left_to_the_ess(
    hass: HomeAssistant, setup: Callable[[], Any], gx: BrokerSide
) -> None:
    entry, battery = await setup()
    most = Address("hub4", 0, "/Overrides/MaxDischargePower")
    await entry.runtime_data.schedules.set(battery._node_id, schedule(1, (ScheduleMode.FOLLOW, 800.0)))
    await until(lambda: gx.station.items[most].value == 800.0, "no more than that")
    assert gx.station.items[SETPOINT].value is None
    await go_on(battery)
    shift(battery, INTERVAL)
    await until(lambda: gx.station.items[most].value == -1, "released")
    await until(lambda: log(entry, battery)[0].status is ExecutionStatus.SUCCEEDED, "told")
