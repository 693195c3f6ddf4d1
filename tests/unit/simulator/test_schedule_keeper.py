"""How the battery's twin takes, runs and acknowledges schedules."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from microgrid_core.contract.encode import schedule_payload
from microgrid_core.contract.messages import ScheduleMode
from microgrid_core.contract.schedule import Acknowledgement, AckStatus, Basis, Interval, Schedule
from simulator.twins.schedule import ScheduleKeeper

NOW = datetime(2026, 5, 1, 10, 0, tzinfo=UTC)
SCHEDULE = Schedule(
    schedule_id="plan-1",
    revision=3,
    issued_at=NOW - timedelta(minutes=5),
    valid_until=NOW + timedelta(hours=4),
    default=ScheduleMode.IDLE,
    intervals=(
        Interval(1, NOW, ScheduleMode.CHARGE, 1000.0),
        Interval(2, NOW + timedelta(minutes=30), ScheduleMode.DISCHARGE, 2000.0),
    ),
)


class Desk:
    """A keeper with a record of its acknowledgements."""

    def __init__(self) -> None:
        self.acks: list[Acknowledgement] = []
        self.keeper = ScheduleKeeper("battery-1-0000", self.acks.append)

    def give(self, schedule: Schedule, now: datetime = NOW) -> AckStatus:
        self.keeper.receive(schedule_payload(schedule), now)
        return self.acks[-1].status

    def statuses(self) -> list[tuple[AckStatus, int | None]]:
        return [(ack.status, ack.interval_id) for ack in self.acks]


def test_without_a_schedule_the_battery_follows_its_house() -> None:
    keeper = Desk().keeper
    task = keeper.advance(NOW, 0.0, 1.0)
    assert (task.mode, task.scheduled) == ("follow", False)
    assert keeper.state(NOW).basis is Basis.NO_SCHEDULE
    assert keeper.state(NOW).mode is ScheduleMode.FOLLOW


def test_intervals_run_and_are_reported() -> None:
    desk = Desk()
    assert desk.give(SCHEDULE) is AckStatus.ACCEPTED
    task = desk.keeper.advance(NOW + timedelta(seconds=1), 0.0, 1.0)
    assert (task.mode, task.power_w, task.scheduled) == ("charge", 1000.0, True)
    desk.keeper.advance(NOW + timedelta(minutes=10), -990.0, 600.0)
    assert desk.keeper.advance(NOW + timedelta(minutes=30), -990.0, 1200.0).mode == "discharge"
    desk.keeper.advance(NOW + timedelta(minutes=45), 100.0, 900.0)  # the battery is empty
    task = desk.keeper.advance(NOW + timedelta(minutes=61), 100.0, 960.0)
    assert (task.mode, task.scheduled) == ("idle", False)
    assert desk.statuses()[2:] == [
        (AckStatus.STARTED, 1),
        (AckStatus.SUCCEEDED, 1),
        (AckStatus.STARTED, 2),
        (AckStatus.FAILED, 2),
    ]
    assert desk.acks[3].actual_rate_w == pytest.approx(990, abs=1)
    assert not desk.acks[2].late and "2000 W" in desk.acks[5].reasons[0]
    assert (desk.keeper.intervals_done, desk.keeper.intervals_failed) == (1, 1)
    assert len({ack.ack_id for ack in desk.acks}) == len(desk.acks)


def test_an_interval_joined_late_says_so() -> None:
    desk = Desk()
    desk.give(SCHEDULE, NOW + timedelta(minutes=10))
    desk.keeper.advance(NOW + timedelta(minutes=10), 0.0, 1.0)
    assert desk.acks[-1].late
    assert desk.keeper.intervals_late == 1


def test_revisions_decide() -> None:
    desk = Desk()
    desk.give(SCHEDULE)
    assert desk.give(SCHEDULE) is AckStatus.ACCEPTED  # the same again
    assert desk.give(replace(SCHEDULE, revision=2)) is AckStatus.SUPERSEDED
    assert desk.give(replace(SCHEDULE, default=ScheduleMode.FOLLOW)) is AckStatus.REJECTED
    desk.keeper.advance(NOW, 0.0, 1.0)
    assert desk.give(replace(SCHEDULE, revision=4)) is AckStatus.ACCEPTED
    assert (AckStatus.SUPERSEDED, 1) in desk.statuses()
    desk.keeper.advance(NOW, 0.0, 1.0)
    assert desk.give(replace(SCHEDULE, revision=5, intervals=())) is AckStatus.ACCEPTED
    assert desk.statuses()[-4:] == [
        (AckStatus.RECEIVED, None),
        (AckStatus.CANCELLED, 1),
        (AckStatus.CANCELLED, None),
        (AckStatus.ACCEPTED, None),
    ]
    assert desk.keeper.revision == 5
    assert desk.keeper.advance(NOW, 0.0, 1.0).mode == "idle"


def test_what_the_unit_cannot_do_is_rejected_with_reasons() -> None:
    desk = Desk()
    too_much = replace(SCHEDULE, intervals=(Interval(1, NOW, ScheduleMode.CHARGE, 9000.0),))
    assert desk.give(too_much) is AckStatus.REJECTED
    assert "9000 W" in desk.acks[-1].reasons[0]
    desk.keeper.receive(b'{"schema":1}', NOW)
    assert desk.acks[-1].status is AckStatus.REJECTED
    before = len(desk.acks)
    desk.keeper.receive(b"", NOW)  # the retained topic was cleared
    assert len(desk.acks) == before
    assert desk.keeper.revision == 0
