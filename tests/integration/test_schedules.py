"""The schedule desk and its source: what is sent to batteries, what they answer, and what the log keeps."""

from __future__ import annotations

import asyncio
import json
import os
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
from freezegun.api import FrozenDateTimeFactory
from homeassistant.core import HomeAssistant
from homeassistant.exceptions import HomeAssistantError
from homeassistant.helpers import issue_registry as ir
from hypothesis import HealthCheck, given, settings, strategies as st
from pytest_homeassistant_custom_component.common import MockConfigEntry, async_fire_time_changed
from pytest_homeassistant_custom_component.typing import MqttMockHAClient

from custom_components.microgrid.backup import async_post_backup, async_pre_backup
from custom_components.microgrid.const import DOMAIN
from custom_components.microgrid.core.archive.errors import ArchiveFull
from custom_components.microgrid.core.contract.encode import schedule_state_payload
from custom_components.microgrid.core.contract.messages import ScheduleMode
from custom_components.microgrid.core.contract.schedule import (
    Interval,
    Schedule,
    canonical,
    digest,
    schedule_state,
)
from custom_components.microgrid.schedule_log import (
    KEEP,
    KEEP_ACK_IDS,
    Changes,
    Execution,
    ExecutionStatus,
    ScheduleLog,
    analyse,
)
from custom_components.microgrid.schedules import (
    AnswerStatus,
    ScheduleDesk,
    ScheduleRefused,
    ScheduleStatus,
)

from .voices import SWARM, Voice

NOW = datetime(2026, 6, 1, 10, 0, tzinfo=UTC)
HALF_HOUR = timedelta(minutes=30)
CAPABILITY = {"modes": ["discharge", "charge", "follow"], "max_charge_w": 3000, "max_discharge_w": 5000}
NODE = "battery-1"


def plan(revision: int = 1, *rates_w: float, start: datetime = NOW, **more: Any) -> Schedule:
    """A schedule that charges half hour by half hour."""
    intervals = tuple(
        Interval(number, start + number * HALF_HOUR, ScheduleMode.CHARGE, rate)
        for number, rate in enumerate(rates_w or (1000.0, 2000.0, 1500.0))
    )
    document = Schedule(
        f"plan-{revision}", revision, NOW, NOW + timedelta(days=1), ScheduleMode.IDLE, intervals
    )
    return replace(document, **more)


class Battery(Voice):
    """A battery that takes schedules."""

    acks = 0

    async def ready(self) -> Battery:
        """Announce itself."""
        await self.birth(("state_of_charge",), capabilities={"metrics": [], "schedule": CAPABILITY})
        await self.state("online")
        return self

    async def ack(self, status: str, schedule: Schedule, interval: int | None = None, **more: Any) -> str:
        """Acknowledge, and wait for what comes of it; returns the id."""
        ack_id = self.say(status, schedule, interval, **more)
        await self.hass.async_block_till_done()
        return ack_id

    def say(self, status: str, schedule: Schedule, interval: int | None = None, **more: Any) -> str:
        """Acknowledge; returns the id."""
        type(self).acks += 1
        message = {
            "ack_id": f"{self.node_id}-{type(self).acks}",
            "status": status,
            "schedule_id": schedule.schedule_id,
            "revision": schedule.revision,
            **({} if interval is None else {"interval_id": interval}),
            **more,
        }
        self.send("ack", json.dumps(message))
        return str(message["ack_id"])

    async def reports(self, schedule: Schedule | None, now: datetime) -> None:
        """Say what it holds and does."""
        self.send("schedule/state", schedule_state_payload(schedule_state(schedule, now)).decode())
        await self.hass.async_block_till_done()


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
def desk(entry: MockConfigEntry) -> ScheduleDesk:
    """The desk of the entry."""
    found: ScheduleDesk = entry.runtime_data.schedules
    return found


def sent(mqtt_mock: MqttMockHAClient) -> list[tuple[str, bytes, int, bool]]:
    """Schedules that were published."""
    return [
        (call.args[0], call.args[1], call.args[2], call.args[3])
        for call in mqtt_mock.async_publish.call_args_list
        if call.args[0].endswith("/schedule/set")
    ]


async def test_a_schedule_is_sent_accepted_and_executed(
    hass: HomeAssistant,
    mqtt_mock: MqttMockHAClient,
    battery: Battery,
    desk: ScheduleDesk,
    freezer: FrozenDateTimeFactory,
) -> None:
    """It counts from the moment the battery accepts it; every interval gets its row in the log."""
    schedule = plan()
    await desk.set(NODE, schedule)
    assert sent(mqtt_mock) == [(f"microgrid/v1/{SWARM}/{NODE}/schedule/set", canonical(schedule), 1, True)]
    assert desk.status(NODE) is ScheduleStatus.PENDING
    assert desk.executions(NODE, NOW) == ()
    await battery.ack("received", schedule)
    assert desk.status(NODE) is ScheduleStatus.RECEIVED
    await battery.ack("accepted", schedule)
    assert desk.status(NODE) is ScheduleStatus.ACTIVE
    assert [one.status for one in desk.executions(NODE, NOW)] == [ExecutionStatus.PLANNED] * 3

    await battery.ack("started", schedule, 0, time="2026-06-01T10:00:04.000Z", requested_rate_w=1000)
    first = desk.executions(NODE, NOW)[0]
    assert (first.status, first.late, first.late_s) == (ExecutionStatus.STARTED, False, 4.0)
    freezer.tick(HALF_HOUR)
    await battery.ack("succeeded", schedule, 0, actual_rate_w=990)
    await battery.ack("started", schedule, 1, late=True, time="2026-06-01T10:40:00.000Z")
    freezer.tick(HALF_HOUR)
    await battery.ack("failed", schedule, 1, actual_rate_w=300, late=True, reasons=["too cold"])
    first, second, third = desk.executions(NODE, NOW)
    assert (first.status, first.requested_kw, first.actual_kw) == (ExecutionStatus.SUCCEEDED, 1.0, 0.99)
    assert (second.status, second.late, second.late_s, second.reason) == (
        ExecutionStatus.FAILED,
        True,
        600.0,
        "too cold",
    )
    assert third.status is ExecutionStatus.PLANNED
    assert desk.executions(NODE, NOW + HALF_HOUR) == (second, third)

    freezer.tick(timedelta(minutes=50))  # the third is over and nobody says a word
    assert desk.executions(NODE, NOW)[2].status is ExecutionStatus.UNREPORTED
    summary = desk.analytics(NODE, timedelta(days=1))
    assert (summary.intervals, summary.done, summary.failed, summary.unreported) == (3, 1, 1, 1)
    assert (summary.late, summary.mean_lateness_s) == (1, 302.0)
    assert summary.success_percent == pytest.approx(100 / 3)
    assert summary.planned_kwh == pytest.approx(2.25)
    assert summary.done_kwh == pytest.approx(0.99 / 2 + 0.3 / 3)
    await battery.ack("succeeded", schedule, 2, actual_rate_w=1500)  # from the outbox of the node, late
    assert desk.executions(NODE, NOW)[2].status is ExecutionStatus.SUCCEEDED


async def test_repetitions_count_once(battery: Battery, desk: ScheduleDesk, entry: MockConfigEntry) -> None:
    """A node may send an acknowledgement again; a last word stays the last."""
    told: list[str] = []
    desk.on_acknowledgement(lambda node_id, ack, execution: told.append(ack.status))
    schedule = plan()
    await desk.set(NODE, schedule)
    ack_id = await battery.ack("accepted", schedule)
    await battery.ack("accepted", schedule, ack_id=ack_id)
    await battery.ack("failed", schedule, 0)
    await battery.ack("succeeded", schedule, 0)
    assert told == ["accepted", "failed", "succeeded"]
    assert desk.executions(NODE, NOW)[0].status is ExecutionStatus.FAILED
    assert entry.runtime_data.swarm.rejected["duplicate"] == 1


async def test_what_the_node_would_refuse_is_not_sent(
    mqtt_mock: MqttMockHAClient, battery: Battery, desk: ScheduleDesk
) -> None:
    """Every reason is given at once."""
    wrong = plan(1, 9000.0, start=NOW + timedelta(minutes=10), valid_until=NOW - HALF_HOUR)
    with pytest.raises(ScheduleRefused) as refused:
        await desk.set(NODE, wrong)
    reasons = " ".join(refused.value.reasons)
    for words in ("9000 W", "not on a half hour", "is over", "ends after valid_until"):
        assert words in reasons
    assert sent(mqtt_mock) == []
    assert desk.held(NODE) is None
    assert desk.check("nobody", plan()) == ["no node has the id nobody"]
    too_many = plan(1, *[1000.0] * 400, valid_until=NOW + timedelta(days=20))
    assert any("400" in reason for reason in desk.check(NODE, too_many))


async def test_a_node_without_the_ability(
    hass: HomeAssistant, entry: MockConfigEntry, desk: ScheduleDesk
) -> None:
    """Only nodes that declared it take schedules."""
    await Voice(hass, "house-1", "house", "House 1").greet()
    assert desk.capability("house-1") is None
    assert desk.check("house-1", plan()) == ["this node takes no schedules"]


async def test_rejected(battery: Battery, desk: ScheduleDesk) -> None:
    """What the node held before goes on, and the reasons are kept."""
    first, second = plan(1), plan(2, 500.0)
    await desk.set(NODE, first)
    await battery.ack("accepted", first)
    await desk.set(NODE, second)
    await battery.ack("rejected", second, reasons=["battery is locked", "too warm"])
    held = desk.held(NODE)
    assert held is not None
    assert (held.sent, held.accepted, held.answer) == (second, first, AnswerStatus.REJECTED)
    assert held.reasons == ("battery is locked", "too warm")
    assert [one.revision for one in desk.executions(NODE, NOW)] == [1, 1, 1]
    assert desk.next_revision(NODE) == 3


async def test_a_newer_schedule_replaces_what_is_to_come(
    battery: Battery, desk: ScheduleDesk, freezer: FrozenDateTimeFactory
) -> None:
    """What was done under the older one stays in the log; what it had planned goes."""
    first = plan(1)
    await desk.set(NODE, first)
    await battery.ack("accepted", first)
    await battery.ack("succeeded", first, 0)
    await battery.ack("started", first, 1)
    freezer.move_to(NOW + timedelta(minutes=40))
    second = plan(2, 700.0, 800.0, start=NOW + 3 * HALF_HOUR)
    await desk.set(NODE, second)
    await battery.ack("superseded", first, 1)
    await battery.ack("accepted", second)
    assert [(one.revision, one.requested_w, one.status.value) for one in desk.executions(NODE, NOW)] == [
        (1, 1000.0, "succeeded"),
        (1, 2000.0, "superseded"),
        (2, 700.0, "planned"),
        (2, 800.0, "planned"),
    ]
    following = desk.next_execution(NODE)
    assert following is not None
    assert following.start == NOW + 3 * HALF_HOUR


@pytest.mark.parametrize(("rate_w", "late_s", "done_kwh"), [(2000.0, 2.0, 1.0), (1000.0, 1200.0, 1.0 / 6.0)])
async def test_a_newer_schedule_in_a_half_hour_makes_nobody_late(
    battery: Battery,
    desk: ScheduleDesk,
    freezer: FrozenDateTimeFactory,
    rate_w: float,
    late_s: float,
    done_kwh: float,
) -> None:
    """What it asks again began with the older one; another power is counted from where it began."""
    first, second = plan(1, 2000.0), plan(2, rate_w)
    await desk.set(NODE, first)
    await battery.ack("accepted", first)
    await battery.ack("started", first, 0, time="2026-06-01T10:00:02.000Z")
    freezer.tick(timedelta(minutes=20))
    await desk.set(NODE, second)
    await battery.ack("superseded", first, 0)
    await battery.ack("accepted", second)
    await battery.ack("started", second, 0, time="2026-06-01T10:20:00.000Z")
    freezer.tick(timedelta(minutes=10))
    await battery.ack("succeeded", second, 0, actual_rate_w=rate_w)
    (one,) = desk.executions(NODE, NOW)
    assert (one.status, one.late, one.late_s) == (ExecutionStatus.SUCCEEDED, False, late_s)
    summary = desk.analytics(NODE, timedelta(days=1))
    assert summary.done_kwh == pytest.approx(done_kwh)
    assert summary.late == 0
    assert (summary.mean_lateness_s or 0.0) <= 2.0


async def test_cancelled(mqtt_mock: MqttMockHAClient, battery: Battery, desk: ScheduleDesk) -> None:
    """An empty schedule withdraws what was planned; the default stays."""
    await desk.set(NODE, first := plan(4, default=ScheduleMode.FOLLOW))
    await battery.ack("accepted", first)
    empty = await desk.cancel(NODE)
    assert (empty.revision, empty.intervals, empty.default) == (5, (), ScheduleMode.FOLLOW)
    assert json.loads(sent(mqtt_mock)[-1][1])["intervals"] == []
    await battery.ack("accepted", empty)
    assert desk.executions(NODE, NOW) == ()
    assert desk.next_execution(NODE) is None


async def test_a_battery_that_tells_what_it_cancelled(
    battery: Battery, desk: ScheduleDesk, freezer: FrozenDateTimeFactory
) -> None:
    """What ran and what was to come stay in the log as cancelled, and count neither as done nor as failed."""
    await desk.set(NODE, first := plan(4))
    await battery.ack("accepted", first)
    await battery.ack("succeeded", first, 0)
    freezer.move_to(NOW + timedelta(minutes=40))
    await battery.ack("started", first, 1)
    empty = await desk.cancel(NODE)
    await battery.ack("cancelled", first, 1)
    await battery.ack("cancelled", first)
    await battery.ack("accepted", empty)
    assert [one.status.value for one in desk.executions(NODE, NOW)] == ["succeeded", "cancelled", "cancelled"]
    assert desk.next_execution(NODE) is None
    freezer.move_to(NOW + timedelta(hours=3))
    week = desk.analytics(NODE, timedelta(days=7))
    assert (week.intervals, week.done, week.success_percent) == (1, 1, 100.0)
    await desk.set(NODE, again := plan(6, 900.0, start=NOW + 6 * HALF_HOUR))
    await battery.ack("accepted", again)
    following = desk.next_execution(NODE)
    assert following is None or following.requested_w == 900.0
    assert [one.requested_w for one in desk.executions(NODE, NOW + 6 * HALF_HOUR)] == [900.0]


async def test_received_is_no_answer_yet(
    hass: HomeAssistant, battery: Battery, desk: ScheduleDesk, freezer: FrozenDateTimeFactory
) -> None:
    """It is shown; who waits for the answer waits on; a received that comes late takes nothing back."""
    schedule = plan()
    await desk.set(NODE, schedule)
    await battery.ack("received", schedule)
    assert desk.status(NODE) is ScheduleStatus.RECEIVED
    waiting = hass.async_create_task(desk.answer(NODE, schedule.revision, 5.0))
    await asyncio.sleep(0)
    freezer.tick(6)
    assert await waiting is None
    held = desk.held(NODE)
    assert held is not None
    assert held.answered_at is None
    await battery.ack("accepted", schedule)
    assert desk.status(NODE) is ScheduleStatus.ACTIVE
    await battery.ack("received", schedule)
    assert desk.status(NODE) is ScheduleStatus.ACTIVE


async def test_the_state_of_the_node_is_an_answer_too(battery: Battery, desk: ScheduleDesk) -> None:
    """A lost acknowledgement does not matter: the digest tells what the node holds."""
    schedule = plan()
    await desk.set(NODE, schedule)
    await battery.reports(plan(9), NOW)
    assert desk.status(NODE) is ScheduleStatus.PENDING
    assert desk.next_revision(NODE) == 10
    await battery.reports(schedule, NOW)
    assert desk.status(NODE) is ScheduleStatus.ACTIVE
    held = desk.held(NODE)
    assert held is not None
    assert held.state is not None
    assert held.state.digest == digest(schedule)
    assert len(desk.executions(NODE, NOW)) == 3


async def test_a_schedule_of_somebody_else(battery: Battery, desk: ScheduleDesk, hass: HomeAssistant) -> None:
    """What lies at the broker is what the battery gets, whoever sent it."""
    foreign = plan(7)
    battery.send("schedule/set", canonical(foreign).decode())
    await battery.reports(foreign, NOW)
    assert desk.status(NODE) is ScheduleStatus.ACTIVE
    assert [one.revision for one in desk.executions(NODE, NOW)] == [7, 7, 7]
    battery.send("schedule/set", "")  # cleared: the battery keeps what it has
    battery.send("schedule/set", canonical(plan(3)).decode())  # older
    await hass.async_block_till_done()
    assert desk.next_revision(NODE) == 8


async def test_retained_messages_before_the_birth(
    hass: HomeAssistant, entry: MockConfigEntry, desk: ScheduleDesk
) -> None:
    """The broker may hand them out in any order."""
    battery = Battery(hass, NODE, "battery", "Cellar")
    schedule = plan(3)
    battery.send("schedule/set", canonical(schedule).decode())
    await battery.reports(schedule, NOW)
    assert desk.held(NODE) is None
    await battery.ready()
    assert desk.status(NODE) is ScheduleStatus.ACTIVE


async def test_everything_survives_a_restart(
    hass: HomeAssistant, entry: MockConfigEntry, battery: Battery, desk: ScheduleDesk
) -> None:
    """Documents, answers, executions and the ids of acknowledgements."""
    first, second = plan(1), plan(2, 500.0)
    await desk.set(NODE, first)
    await battery.ack("accepted", first)
    ack_id = await battery.ack("failed", first, 0, actual_rate_w=12.5, reasons=["too cold"])
    await desk.set(NODE, second)
    await battery.ack("rejected", second, reasons=["no"])
    before = desk.executions(NODE, NOW)
    assert await hass.config_entries.async_reload(entry.entry_id)
    await hass.async_block_till_done()
    again: ScheduleDesk = entry.runtime_data.schedules
    assert again is not desk
    assert again.executions(NODE, NOW) == before
    held = again.held(NODE)
    assert held is not None
    assert (held.sent, held.accepted, held.answer, held.reasons) == (
        second,
        first,
        AnswerStatus.REJECTED,
        ("no",),
    )
    told: list[str] = []
    again.on_acknowledgement(lambda node_id, ack, execution: told.append(ack.ack_id))
    await battery.ack("failed", first, 0, ack_id=ack_id)
    assert told == []


async def test_a_damaged_log_is_put_aside(
    hass: HomeAssistant, entry: MockConfigEntry, battery: Battery, caplog: pytest.LogCaptureFixture
) -> None:
    """A new one begins, and the batteries go on."""
    assert await hass.config_entries.async_unload(entry.entry_id)
    path = Path(hass.config.path("microgrid", SWARM, "schedules", "schedules.db"))
    await hass.async_add_executor_job(path.write_bytes, b"this is no database" * 500)
    assert await hass.config_entries.async_setup(entry.entry_id)
    await hass.async_block_till_done()
    assert "the execution log is damaged" in caplog.text
    names = await hass.async_add_executor_job(os.listdir, path.parent)
    assert len([name for name in names if ".damaged-" in name]) == 1
    await battery.ready()
    desk: ScheduleDesk = entry.runtime_data.schedules
    await desk.set(NODE, plan())
    await battery.ack("accepted", plan())
    assert desk.trouble is None
    assert len(desk.executions(NODE, NOW)) == 3


async def test_answer_waits(
    hass: HomeAssistant, battery: Battery, desk: ScheduleDesk, freezer: FrozenDateTimeFactory
) -> None:
    """It returns when the node has spoken, or nothing when it has not in time."""
    schedule = plan()
    await desk.set(NODE, schedule)
    waiting = hass.async_create_task(desk.answer(NODE, 1, 5.0))
    await asyncio.sleep(0)
    freezer.tick(6)  # the clock of the event loop too
    assert await waiting is None
    waiting = hass.async_create_task(desk.answer(NODE, 1, 5.0))
    await battery.ack("accepted", schedule)
    held = await waiting
    assert held is not None
    assert held.answer is AnswerStatus.ACCEPTED


async def test_hostile_messages_are_counted(
    hass: HomeAssistant, entry: MockConfigEntry, battery: Battery, desk: ScheduleDesk
) -> None:
    """Nothing of them gets in."""
    rejected = entry.runtime_data.swarm.rejected
    stranger = Battery(hass, "stranger", "battery", "?")
    await stranger.ack("accepted", plan())
    assert rejected["unknown_node"] == 1
    battery.send("ack", '{"ack_id": "1", "status": "done"}')
    battery.send("ack", "[")
    battery.send("schedule/state", '{"mode": "charge", "basis": "interval", "rate_w": -1}')
    battery.send("schedule/set", '{"schema": 1}')
    battery.send("schedule/set", "x" * 300_000)
    await hass.async_block_till_done()
    assert rejected["bad_value"] == 2
    assert rejected["not_json"] == 1
    assert rejected["missing_field"] == 1
    assert rejected["too_large"] == 1
    assert desk.held(NODE) is None


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=8,
)
FIELDS = st.sampled_from(
    [
        "ack_id",
        "status",
        "schedule_id",
        "revision",
        "interval_id",
        "reasons",
        "late",
        "time",
        "mode",
        "basis",
        "rate_w",
        "digest",
        "intervals",
        "requested_rate_w",
        "actual_rate_w",
        "default",
        "schema",
        "valid_until",
    ]
)
LIKELY = st.sampled_from(
    ("accepted", "started", "failed", "plan-1", 1, 0, "charge", "interval", True, "2026-06-01T10:00:00.000Z")
)


@settings(max_examples=80, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    suffix=st.sampled_from(("ack", "schedule/state", "schedule/set")),
    payload=st.text(max_size=40) | st.dictionaries(FIELDS, LIKELY | JSON, max_size=12).map(json.dumps),
)
async def test_no_payload_raises(
    hass: HomeAssistant,
    battery: Battery,
    desk: ScheduleDesk,
    caplog: pytest.LogCaptureFixture,
    suffix: str,
    payload: str,
) -> None:
    """Whatever nodes send: it is taken or counted."""
    if desk.held(NODE) is None:
        await desk.set(NODE, plan())
    battery.send(suffix, payload)
    await hass.async_block_till_done()
    assert "Traceback" not in caplog.text
    assert len(desk.executions(NODE, NOW - KEEP)) <= 3


# ---- the log alone


@pytest.fixture
def log(tmp_path: Path) -> Iterator[ScheduleLog]:
    """A log of its own."""
    opened = ScheduleLog(tmp_path / "schedules.db")
    yield opened
    opened.close()


def half_hour(start: datetime, status: ExecutionStatus = ExecutionStatus.SUCCEEDED) -> Execution:
    """An execution."""
    return Execution(NODE, "plan-1", 1, 0, start, ScheduleMode.CHARGE, 1000.0, status, 950.0)


def test_the_log_is_bounded(log: ScheduleLog) -> None:
    """400 days of executions, a thousand ids of acknowledgements."""
    old, young = half_hour(NOW - KEEP - HALF_HOUR), half_hour(NOW - KEEP)
    log.write(
        Changes(
            intervals={(NODE, one.start): one for one in (old, young)},
            acks={(NODE, f"ack-{number}"): number for number in range(KEEP_ACK_IDS + 50)},
        )
    )
    assert log.between(NODE, NOW - 2 * KEEP, NOW) == (old, young)
    log.prune(NOW)
    assert log.between(NODE, NOW - 2 * KEEP, NOW) == (young,)
    kept = log.load(NOW).acks[NODE]
    assert (len(kept), kept[0], kept[-1]) == (KEEP_ACK_IDS, "ack-50", f"ack-{KEEP_ACK_IDS + 49}")


def test_withdrawn_intervals_leave_the_log(log: ScheduleLog) -> None:
    """They were never asked for in the end."""
    one = half_hour(NOW)
    log.write(Changes(intervals={(NODE, NOW): one}))
    assert log.load(NOW).executions == (one,)
    log.write(Changes(intervals={(NODE, NOW): None}))
    assert log.load(NOW).executions == ()


def test_analytics_leave_out_what_was_replaced() -> None:
    """Neither a success nor a failure."""
    statuses = (ExecutionStatus.SUPERSEDED, ExecutionStatus.CANCELLED, ExecutionStatus.PLANNED)
    executions = [half_hour(NOW - HALF_HOUR, status) for status in statuses]
    assert analyse(executions, NOW).success_percent is None
    assert analyse([*executions, half_hour(NOW - HALF_HOUR)], NOW).success_percent == 100.0
    assert analyse([half_hour(NOW)], NOW).intervals == 0  # not over


async def until(hass: HomeAssistant, condition: Callable[[], bool]) -> None:
    """Wait for what the executor does; the clock of the event loop stands still."""
    for _ in range(12_000):
        if condition():
            return
        await hass.async_add_executor_job(time.sleep, 0.005)
    pytest.fail("nothing came of it")


def rows(path: Path) -> int:
    """Count the executions in a log."""
    with closing(sqlite3.connect(path)) as connection:
        (count,) = connection.execute("SELECT count(*) FROM interval").fetchone()
        return int(count)


async def test_a_backup_finds_the_log_whole(
    hass: HomeAssistant, entry: MockConfigEntry, battery: Battery, desk: ScheduleDesk
) -> None:
    """Nothing is written while its file is copied; what came meanwhile is written then."""
    schedule = plan()
    await desk.set(NODE, schedule)
    await battery.ack("accepted", schedule)
    await async_pre_backup(hass)
    path = Path(hass.config.path("microgrid", SWARM, "schedules", "schedules.db"))
    before = await hass.async_add_executor_job(path.read_bytes)
    battery.say("failed", schedule, 0)
    for _ in range(100):
        await asyncio.sleep(0)
    assert await hass.async_add_executor_job(path.read_bytes) == before
    wal = path.with_name(f"{path.name}-wal")
    assert (await hass.async_add_executor_job(wal.stat)).st_size == 0
    assert desk.executions(NODE, NOW)[0].status is ExecutionStatus.FAILED  # people see it at once
    await async_post_backup(hass)
    await until(hass, lambda: wal.stat().st_size > 0)


async def test_a_disk_that_refuses(
    hass: HomeAssistant,
    entry: MockConfigEntry,
    battery: Battery,
    desk: ScheduleDesk,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Said once; everything goes on in memory, and is written when the disk takes it again."""
    schedule = plan()
    with patch.object(ScheduleLog, "write", side_effect=ArchiveFull("no space left")):
        await desk.set(NODE, schedule)
        await battery.ack("accepted", schedule)
        await battery.ack("failed", schedule, 0)
        await until(hass, lambda: desk.trouble == "no space left")
        issue_id = f"schedule_log_unavailable_{entry.entry_id}"
        assert ir.async_get(hass).async_get_issue(DOMAIN, issue_id) is not None
    assert caplog.text.count("what becomes of schedules is not being stored") == 1
    async_fire_time_changed(hass, NOW + timedelta(minutes=15))
    await until(hass, lambda: desk.trouble is None)
    assert ir.async_get(hass).async_get_issue(DOMAIN, issue_id) is None
    before = desk.executions(NODE, NOW)
    assert await hass.config_entries.async_reload(entry.entry_id)
    assert entry.runtime_data.schedules.executions(NODE, NOW) == before


async def test_a_log_that_cannot_be_opened(
    hass: HomeAssistant, entry: MockConfigEntry, battery: Battery, desk: ScheduleDesk
) -> None:
    """A repair says so; when it can be, it has what it had before and what was heard meanwhile."""
    await desk.set(NODE, first := plan(1))
    await battery.ack("accepted", first)
    ack_id = await battery.ack("failed", first, 0)
    assert await hass.config_entries.async_unload(entry.entry_id)
    full = patch(
        "custom_components.microgrid.schedules.ScheduleLog",
        side_effect=OSError(28, "No space left on device"),
    )
    with full:
        assert await hass.config_entries.async_setup(entry.entry_id)
        await hass.async_block_till_done()
        issue_id = f"schedule_log_unavailable_{entry.entry_id}"
        issue = ir.async_get(hass).async_get_issue(DOMAIN, issue_id)
        assert issue is not None
        assert issue.translation_placeholders is not None
        assert "cannot be opened: [Errno 28] No space left" in issue.translation_placeholders["reason"]
        await battery.ready()
        blind: ScheduleDesk = entry.runtime_data.schedules
        await blind.set(NODE, second := plan(2, 500.0, start=NOW + HALF_HOUR))
        await battery.ack("accepted", second)
        assert [one.requested_w for one in blind.executions(NODE, NOW)] == [500.0]
    async_fire_time_changed(hass, NOW + timedelta(minutes=15))
    await until(hass, lambda: ir.async_get(hass).async_get_issue(DOMAIN, issue_id) is None)
    assert [(one.requested_w, one.status.value) for one in blind.executions(NODE, NOW)][:2] == [
        (1000.0, "failed"),
        (500.0, "planned"),
    ]
    told: list[str] = []
    blind.on_acknowledgement(lambda node_id, ack, execution: told.append(ack.ack_id))
    await battery.ack("failed", first, 0, ack_id=ack_id)
    assert told == [], "that was before"
    before = blind.executions(NODE, NOW)
    assert await hass.config_entries.async_reload(entry.entry_id)
    assert entry.runtime_data.schedules.executions(NODE, NOW) == before


async def test_a_broker_that_refuses(
    mqtt_mock: MqttMockHAClient, battery: Battery, desk: ScheduleDesk
) -> None:
    """What did not leave is not waited for."""
    first = plan(1)
    await desk.set(NODE, first)
    await battery.ack("accepted", first)
    mqtt_mock.async_publish.side_effect = HomeAssistantError("not connected")
    with pytest.raises(HomeAssistantError, match="not connected"):
        await desk.set(NODE, plan(2))
    held = desk.held(NODE)
    assert held is not None
    assert (held.sent, held.answer) == (first, AnswerStatus.ACCEPTED)


async def test_history_joins_memory_and_disk(
    hass: HomeAssistant, battery: Battery, desk: ScheduleDesk, freezer: FrozenDateTimeFactory
) -> None:
    """What is older than the memory is read from the log; the memory is bounded."""
    schedule = plan(1, 1000.0)
    await desk.set(NODE, schedule)
    await battery.ack("accepted", schedule)
    await battery.ack("succeeded", schedule, 0)
    later = NOW + timedelta(days=40)
    freezer.move_to(later)
    async_fire_time_changed(hass, later)
    await hass.async_block_till_done()
    assert desk.executions(NODE, NOW) == ()
    await battery.ready()
    newer = plan(2, 500.0, start=later, issued_at=later, valid_until=later + HALF_HOUR)
    await desk.set(NODE, newer)
    await battery.ack("accepted", newer)
    found = await desk.history(NODE, NOW, later + HALF_HOUR)
    assert [(one.revision, one.status.value) for one in found] == [(1, "succeeded"), (2, "planned")]
    assert len(await desk.history(NODE, NOW + timedelta(minutes=10), later)) == 1  # it overlaps
    assert await desk.history(NODE, NOW + HALF_HOUR, later) == ()
    path = Path(hass.config.path("microgrid", SWARM, "schedules", "schedules.db"))
    await until(hass, lambda: rows(path) == 2)
    freezer.move_to(at := later.replace(hour=3, minute=15) + timedelta(days=400))
    async_fire_time_changed(hass, at)
    await until(hass, lambda: rows(path) == 1)
    assert [one.revision for one in await desk.history(NODE, NOW, later + HALF_HOUR)] == [2]
