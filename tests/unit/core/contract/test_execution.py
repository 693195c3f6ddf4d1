"""When an interval counts as done, and what another schedule goes on with."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from microgrid_core.contract.execution import Course, join, passed_on
from microgrid_core.contract.messages import ScheduleMode
from microgrid_core.contract.schedule import INTERVAL, AckStatus, Interval, Schedule

START = datetime(2026, 11, 22, 12, 30, tzinfo=UTC)


def course(
    interval: Interval, mean_w: float, seconds: float, *, joined_s: float = 0.0, trouble: str = ""
) -> Course:
    return Course(
        interval,
        AckStatus.STARTED,
        seconds=seconds,
        energy_ws=mean_w * seconds,
        trouble=trouble,
        joined_s=joined_s,
    )


@pytest.mark.parametrize(
    ("mode", "mean_w", "seconds", "joined_s", "trouble", "status", "reason"),
    [
        ("charge", -1700.0, 1800.0, 0.0, "", "succeeded", ""),
        ("charge", -1700.0, 1800.0, 0.0, "no grid", "succeeded", ""),
        ("charge", -900.0, 1800.0, 0.0, "", "failed", "mean 900 W of 2000 W"),
        ("charge", 1700.0, 1800.0, 0.0, "", "failed", "mean -1700 W of 2000 W"),
        ("discharge", 2000.0, 300.0, 0.0, "", "failed", "measured for 300 s of 1800 s"),
        ("discharge", 2000.0, 300.0, 1500.0, "", "succeeded", ""),
        ("discharge", 2000.0, 300.0, 600.0, "", "failed", "measured for 300 s of 1200 s"),
        ("idle", 0.0, 1800.0, 0.0, "", "succeeded", ""),
        ("idle", 0.0, 1800.0, 0.0, "no grid", "failed", "no grid"),
        ("follow", 0.0, 0.0, 0.0, "", "failed", "measured for 0 s of 1800 s"),
        ("follow", 300.0, 1800.0, 0.0, "no grid", "succeeded", ""),
    ],
)
def test_what_counts_as_done(
    mode: str, mean_w: float, seconds: float, joined_s: float, trouble: str, status: str, reason: str
) -> None:
    interval = Interval(1, START, ScheduleMode(mode), 2000.0)
    found, reasons = course(interval, mean_w, seconds, joined_s=joined_s, trouble=trouble).judge()
    assert found == status
    assert reason in " ".join(reasons)
    assert bool(reasons) == (status == "failed")


def test_the_mean_power_has_the_sign_of_its_mode() -> None:
    def mean_w(mode: ScheduleMode, seconds: float) -> float | None:
        return course(Interval(1, START, mode, None), -1000.0, seconds).mean_w

    assert mean_w(ScheduleMode.CHARGE, 3.6) == 1000.0
    assert mean_w(ScheduleMode.DISCHARGE, 3.6) == -1000.0
    assert mean_w(ScheduleMode.FOLLOW, 3.6) == 1000.0
    assert mean_w(ScheduleMode.IDLE, 0.0) is None


def joined(interval: Interval, after_s: float, before: Course | None) -> Course:
    return join(interval, START + timedelta(seconds=after_s), before, late_s=5.0)


def test_an_interval_is_joined_in_time_or_late() -> None:
    asked = Interval(1, START, ScheduleMode.CHARGE, 2000.0)
    in_time, late = joined(asked, 4.0, None), joined(asked, 60.0, None)
    assert (in_time.status, in_time.late, in_time.joined_s) == (AckStatus.STARTED, False, 0.0)
    assert (late.status, late.late, late.joined_s) == (AckStatus.STARTED, True, 60.0)


@pytest.mark.parametrize("was_late", [False, True])
def test_another_schedule_goes_on_where_the_one_before_was(was_late: bool) -> None:
    asked = Interval(1, START, ScheduleMode.CHARGE, 2000.0)
    ended = replace(course(asked, -2000.0, 590.0), status=AckStatus.SUPERSEDED, late=was_late, joined_s=7.0)
    same = joined(replace(asked, id=4), 600.0, ended)
    assert same == replace(ended, status=AckStatus.STARTED, interval=replace(asked, id=4))
    other = joined(replace(asked, rate_w=900.0), 600.0, ended)
    assert (other.late, other.seconds, other.joined_s) == (was_late, 0.0, 600.0)
    later = joined(replace(asked, start=START - INTERVAL), 2400.0, ended)
    assert (later.late, later.joined_s) == (True, 4200.0), "that half hour did not run"


def test_what_a_schedule_without_this_time_ended_does_not_go_on() -> None:
    asked = Interval(1, START, ScheduleMode.CHARGE, 2000.0)
    ran = course(asked, -2000.0, 590.0)

    def schedule(*intervals: Interval) -> Schedule:
        return Schedule("s", 1, START, START + 2 * INTERVAL, ScheduleMode.FOLLOW, intervals)

    there, elsewhere = schedule(replace(asked, id=9)), schedule(replace(asked, start=START + INTERVAL))
    assert passed_on([ran], None, there) is ran
    assert passed_on([], ran, there) is ran, "two schedules one after the other"
    assert passed_on([ran], None, elsewhere) is passed_on([], ran, schedule()) is None
    assert passed_on([], None, there) is None
