"""Schedules beyond the golden ones: days of changing clocks, digests, refusals and their reports."""

from __future__ import annotations

import itertools
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, strategies as st

from microgrid_core.contract.encode import acknowledgement_payload, schedule_payload
from microgrid_core.contract.messages import ScheduleCapability, ScheduleMode
from microgrid_core.contract.reading import RejectReason
from microgrid_core.contract.schedule import (
    INTERVAL,
    MAX_REASONS,
    Acknowledgement,
    AckStatus,
    Basis,
    Decision,
    Interval,
    RefusedSchedule,
    Schedule,
    check_schedule,
    current_instruction,
    decide,
    describe_refusal,
    digest,
    parse_acknowledgement,
    parse_schedule,
)
from microgrid_core.model.battery import SCHEDULE_MODES

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
START = datetime(2026, 11, 21, 22, tzinfo=UTC)
CAPABILITY = ScheduleCapability(tuple(ScheduleMode), 3000.0, 5000.0)
SCHEDULE = Schedule(
    schedule_id="plan",
    revision=7,
    issued_at=NOW,
    valid_until=NOW + timedelta(days=1),
    default=ScheduleMode.IDLE,
    intervals=(
        Interval(1, START, ScheduleMode.CHARGE, 2500.5),
        Interval(2, START + INTERVAL, ScheduleMode.FOLLOW),
    ),
    value_curve=((0.0, 0.0004), (100.0, 0.00005)),
)

grid_times = st.integers(0, 400).map(lambda step: NOW + step * INTERVAL)
powers = st.floats(0, 1e7, allow_nan=False)


@st.composite
def schedules(draw: st.DrawFn) -> Schedule:
    """Draw a schedule of right form."""
    starts = draw(st.lists(grid_times, max_size=12, unique=True))
    modes = [draw(st.sampled_from(ScheduleMode)) for _ in starts]
    intervals = [
        Interval(number, start, mode, draw(powers if mode in ("charge", "discharge") else st.none() | powers))
        for number, (start, mode) in enumerate(zip(sorted(starts), modes, strict=True))
    ]
    return Schedule(
        schedule_id=draw(st.from_regex(r"[A-Za-z0-9_.:-]{1,64}", fullmatch=True)),
        revision=draw(st.integers(1, 2**32 - 1)),
        issued_at=NOW,
        valid_until=draw(grid_times),
        default=draw(st.sampled_from((ScheduleMode.IDLE, ScheduleMode.FOLLOW))),
        intervals=tuple(intervals),
        value_curve=tuple(draw(st.lists(st.tuples(st.floats(0, 100), st.floats(-1000, 1000)), max_size=4))),
    )


@given(schedules())
def test_what_is_sent_is_what_is_read(schedule: Schedule) -> None:
    assert parse_schedule(schedule_payload(schedule), NOW) == schedule


@given(schedules(), st.randoms(use_true_random=False))
def test_the_digest_does_not_depend_on_how_a_schedule_is_written(schedule: Schedule, random: Any) -> None:
    document = json.loads(schedule_payload(schedule))
    random.shuffle(document["intervals"])
    shuffled = dict(random.sample(list(document.items()), len(document)))
    other = parse_schedule(json.dumps(shuffled, indent=random.choice((None, 2))).encode(), NOW)
    assert isinstance(other, Schedule)
    assert digest(other) == digest(schedule)
    assert decide(schedule, other) is Decision.SAME


@pytest.mark.parametrize(
    "change",
    [
        {"schedule_id": "other"},
        {"revision": 8},
        {"issued_at": NOW + timedelta(milliseconds=1)},
        {"valid_until": NOW + timedelta(days=2)},
        {"default": ScheduleMode.FOLLOW},
        {"intervals": ()},
        {"intervals": (replace(SCHEDULE.intervals[0], rate_w=2500.6), SCHEDULE.intervals[1])},
        {"intervals": (replace(SCHEDULE.intervals[0], id=3), SCHEDULE.intervals[1])},
        {"value_curve": ()},
        {"value_curve": ((0.0, 0.0004), (100.0, 0.000051))},
    ],
    ids=str,
)
def test_the_digest_covers_everything(change: dict[str, Any]) -> None:
    assert digest(replace(SCHEDULE, **change)) != digest(SCHEDULE)


@given(schedules(), schedules())
def test_of_two_schedules_at_most_one_replaces_the_other(one: Schedule, other: Schedule) -> None:
    there, back = decide(one, other), decide(other, one)
    opposite = {Decision.NEWER: Decision.SUPERSEDED, Decision.SUPERSEDED: Decision.NEWER}
    assert back is opposite.get(there, there)
    assert decide(one, one) is Decision.SAME


@pytest.mark.parametrize(
    "zone", ["Europe/Berlin", "Australia/Lord_Howe", "America/St_Johns", "Asia/Kathmandu"]
)
@pytest.mark.parametrize(
    "day", [(2027, 3, 28), (2026, 10, 25), (2027, 4, 4), (2026, 10, 4), (2027, 3, 14), (2026, 11, 1)]
)
def test_a_local_day_of_any_length_is_covered_without_gap(zone: str, day: tuple[int, int, int]) -> None:
    local = datetime(*day, tzinfo=ZoneInfo(zone))
    begin = local.astimezone(UTC)
    end = (local + timedelta(days=1)).astimezone(UTC)  # next local midnight: 23 to 25 hours later
    first = begin - timedelta(minutes=begin.minute % 30)
    count = -(-(end - first) // INTERVAL)
    schedule = replace(
        SCHEDULE,
        issued_at=first,
        valid_until=first + count * INTERVAL,
        intervals=tuple(Interval(n, first + n * INTERVAL, ScheduleMode.CHARGE, 1000.0) for n in range(count)),
    )
    assert check_schedule(schedule, CAPABILITY, first) == ()
    minutes = [begin + timedelta(minutes=n) for n in range(int((end - begin).total_seconds()) // 60)]
    assert len(minutes) in (23 * 60, 24 * 60 - 30, 24 * 60, 24 * 60 + 30, 25 * 60)
    # Asked in local time or in UTC: the answer is the same, whatever the wall clock shows.
    for minute in minutes:
        for now in (minute, minute.astimezone(ZoneInfo(zone))):
            found = current_instruction(schedule, now)
            assert found.basis is Basis.INTERVAL
            assert found.interval is not None
            assert found.interval.id == (minute - first) // INTERVAL


@given(schedules(), st.datetimes(datetime(2026, 11, 21), datetime(2026, 12, 31), timezones=st.just(UTC)))
def test_exactly_one_interval_applies_and_only_while_valid(schedule: Schedule, now: datetime) -> None:
    found = current_instruction(schedule, now)
    covering = [interval for interval in schedule.intervals if interval.start <= now < interval.end]
    if now >= schedule.valid_until:
        assert (found.mode, found.basis) == (schedule.default, Basis.EXPIRED)
    elif covering:
        assert (found.mode, found.rate_w, found.interval) == (
            covering[0].mode,
            covering[0].rate_w,
            covering[0],
        )
    else:
        assert (found.mode, found.basis) == (schedule.default, Basis.GAP)


def test_a_broken_schedule_is_refused_with_every_fault_and_its_id() -> None:
    document = {
        **json.loads(schedule_payload(SCHEDULE)),
        "valid_until": "tomorrow",
        "intervals": [{"id": 1}, {"id": 2, "start": "2026-11-21T22:00:00Z", "mode": "boost"}],
    }
    refused = parse_schedule(json.dumps(document).encode(), NOW)
    assert refused == RefusedSchedule(
        reason=RejectReason.BAD_VALUE,
        detail="valid_until is no UTC time such as 2026-01-31T12:00:00.000Z",
        reasons=(
            "valid_until is no UTC time such as 2026-01-31T12:00:00.000Z",
            "intervals[0].mode is missing",
            "intervals[1].mode is none of idle, discharge, charge, follow",
        ),
        schedule_id="plan",
        revision=7,
    )
    assert describe_refusal(refused.schedule_id, refused.reasons) == (
        "schedule plan: valid_until is no UTC time such as 2026-01-31T12:00:00.000Z and 2 more; "
        "nothing was stored"
    )


def test_a_refusal_reads_as_a_sentence() -> None:
    twice = replace(SCHEDULE, intervals=(SCHEDULE.intervals[0], replace(SCHEDULE.intervals[0], id=12)))
    reasons = check_schedule(twice, CAPABILITY, NOW)
    assert describe_refusal("7f3", reasons) == (
        "schedule 7f3: interval 12 overlaps 1 (22:00–22:30); nothing was stored"
    )
    assert describe_refusal(None, ("x",)) == "schedule without id: x; nothing was stored"


def test_a_power_that_was_left_out_is_a_reason() -> None:
    without = replace(SCHEDULE, intervals=(Interval(5, START, ScheduleMode.DISCHARGE),))
    assert check_schedule(without, CAPABILITY, NOW) == ("interval 5: rate_w is missing",)


@pytest.mark.parametrize("count", [0, 1, MAX_REASONS, MAX_REASONS + 1, 336])
def test_an_acknowledgement_says_how_many_reasons_did_not_fit(count: int) -> None:
    reasons = tuple(f"interval {n} is wrong" for n in range(count))
    ack = Acknowledgement("a-1", AckStatus.REJECTED, "plan", 7, reasons=reasons, time=NOW)
    read = parse_acknowledgement(acknowledgement_payload(ack), NOW)
    assert isinstance(read, Acknowledgement)
    if count <= MAX_REASONS:
        assert read.reasons == reasons
    else:
        assert read.reasons[:-1] == reasons[: MAX_REASONS - 1]
        assert read.reasons[-1] == f"and {count - MAX_REASONS + 1} more"


def test_a_clock_that_steps_never_repeats_or_loses_the_instruction() -> None:
    # What applies depends on the time alone, so stepping there and back gives the same answers.
    times = [START + timedelta(minutes=n) for n in (-1, 0, 29, 30, 59, 60)]
    once = {time: current_instruction(SCHEDULE, time) for time in times}
    for order in itertools.permutations(times):
        assert {time: current_instruction(SCHEDULE, time) for time in order} == once


def test_the_modes_of_the_contract_are_those_of_the_model() -> None:
    assert tuple(ScheduleMode) == SCHEDULE_MODES
