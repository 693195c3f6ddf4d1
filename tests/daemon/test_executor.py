"""The executor of schedules: what it does when, what it says about it, and what a crash leaves of both."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings, strategies as st

from microgrid_core.contract.encode import schedule_payload
from microgrid_core.contract.messages import ScheduleCapability, ScheduleMode
from microgrid_core.contract.schedule import (
    Acknowledgement,
    AckStatus,
    Basis,
    Interval,
    Schedule,
    parse_acknowledgement,
)
from microgrid_daemon.schedule.executor import Executor, Tally
from microgrid_daemon.store import Store

T0 = datetime(2026, 3, 28, 22, 0, tzinfo=UTC)
HALF = timedelta(minutes=30)
CAPABILITY = ScheduleCapability(tuple(ScheduleMode), 3000.0, 3000.0)
TOPIC = "microgrid/v1/demo/battery-1/ack"


def schedule(revision: int = 1, *intervals: Interval, start: datetime = T0, hours: float = 24) -> Schedule:
    """Return a schedule that charges in the first half hour and discharges in the second, or another."""
    return Schedule(
        f"plan-{revision}",
        revision,
        start - timedelta(minutes=5),
        start + timedelta(hours=hours),
        ScheduleMode.IDLE,
        intervals
        or (
            Interval(1, start, ScheduleMode.CHARGE, 2000.0),
            Interval(2, start + HALF, ScheduleMode.DISCHARGE, 1500.0),
        ),
    )


class Life:
    """A file and what the broker got out of it."""

    def __init__(self, path: Path) -> None:
        """Begin with an empty file."""
        self.path = path
        self.acks: list[dict[str, Any]] = []
        self._boot()

    def _boot(self) -> None:
        self.store = Store(self.path)
        self.executor = Executor(self.store, "battery-1", CAPABILITY, TOPIC)

    def reboot(self) -> None:
        """Open the file again, as another process would."""
        self.store.close()
        self._boot()

    def deliver(self, *, confirmed: bool = True) -> None:
        """Bring the outbox to the broker; without its confirmation everything is sent again later."""
        for message in self.store.waiting(0, 10_000):
            assert message.topic == TOPIC
            ack = parse_acknowledgement(message.payload, T0 + timedelta(days=365))
            assert isinstance(ack, Acknowledgement)
            self.acks.append(json.loads(message.payload))
            if confirmed:
                self.store.sent([message.id])

    def told(self) -> list[tuple[int | None, str]]:
        """Return intervals and statuses in the order in which they first came."""
        self.deliver()
        once = {ack["ack_id"]: ack for ack in self.acks}
        return [(ack.get("interval_id"), ack["status"]) for ack in once.values()]


@contextmanager
def living(path: Path) -> Iterator[Life]:
    """A battery and its file, closed in the end."""
    life = Life(path)
    try:
        yield life
    finally:
        life.store.close()


@pytest.fixture
def life(tmp_path: Path) -> Iterator[Life]:
    """A battery that holds nothing."""
    with living(tmp_path / "state.db") as found:
        yield found


@pytest.fixture(scope="module")
def deaf(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Life]:
    """One that is told nothing that it could execute."""
    with living(tmp_path_factory.mktemp("fuzz") / "state.db") as found:
        yield found


POWER_W = {ScheduleMode.CHARGE: -1990.0, ScheduleMode.DISCHARGE: 1490.0}


def run(life: Life, start: datetime, end: datetime) -> None:
    """Let time pass for a battery that does nearly what it is told."""
    now, power_w, seconds = start, None, 0.0
    while now < end:
        instruction = life.executor.advance(now, power_w=power_w, seconds=seconds)
        power_w, seconds = POWER_W.get(instruction.mode, 0.0), 60.0
        now += timedelta(seconds=seconds)


def test_intervals_begin_end_and_are_reported(life: Life) -> None:
    life.executor.receive(schedule_payload(schedule()), T0 - HALF)
    assert life.executor.advance(T0 - HALF).basis is Basis.GAP
    run(life, T0, T0 + 3 * HALF)
    assert life.told() == [
        (None, "received"),
        (None, "accepted"),
        (1, "started"),
        (1, "succeeded"),
        (2, "started"),
        (2, "succeeded"),
    ]
    done = next(ack for ack in life.acks if ack["status"] == "succeeded")
    assert (done["requested_rate_w"], done["actual_rate_w"], done["late"]) == (2000.0, 1990.0, False)


def test_a_battery_that_does_not_follow_fails_and_says_why(life: Life) -> None:
    life.executor.receive(schedule_payload(schedule()), T0)
    life.executor.advance(T0)
    life.executor.advance(T0 + 0.9 * HALF, power_w=-500.0, seconds=1600.0, trouble="41.0 °C is too hot")
    life.executor.advance(T0 + HALF)
    failed = life.told()[-2]
    assert failed == (1, "failed")
    reasons = next(ack for ack in life.acks if ack["status"] == "failed")["reasons"]
    assert reasons == ["41.0 °C is too hot", "mean 500 W of 2000 W"]


def test_a_crossing_of_zero_is_no_success(life: Life) -> None:
    """Power in the other direction does not count as the power that was asked for."""
    life.executor.receive(schedule_payload(schedule()), T0)
    life.executor.advance(T0)
    life.executor.advance(T0 + HALF, power_w=2000.0, seconds=1800.0)
    assert (1, "failed") in life.told()
    assert next(ack for ack in life.acks if ack["status"] == "failed")["actual_rate_w"] == 0.0


def test_an_interval_is_joined_late_after_a_reboot_and_told_once(life: Life) -> None:
    life.executor.receive(schedule_payload(schedule()), T0 - HALF)
    life.deliver(confirmed=False)  # the broker got it, we never learned
    life.reboot()
    assert life.executor.advance(T0 + 0.5 * HALF).mode is ScheduleMode.CHARGE
    life.reboot()
    assert life.executor.advance(T0 + 0.6 * HALF).mode is ScheduleMode.CHARGE
    life.executor.advance(T0 + HALF, power_w=-1900.0, seconds=700.0)
    assert life.told()[1:] == [(None, "accepted"), (1, "started"), (1, "succeeded"), (2, "started")]
    assert [ack["late"] for ack in life.acks if ack.get("interval_id") == 1] == [True, True]


def test_what_was_slept_through_is_expired_and_never_run(life: Life) -> None:
    life.executor.receive(schedule_payload(schedule()), T0 - HALF)
    life.reboot()
    assert life.executor.advance(T0 + 5 * HALF).basis is Basis.GAP
    assert life.told()[1:] == [(None, "accepted"), (1, "expired"), (2, "expired")]
    life.executor.advance(T0 + 6 * HALF)
    assert len(life.told()) == 4


def test_what_was_over_before_the_schedule_was_issued_is_nobodys_failure(life: Life) -> None:
    late = replace(schedule(), issued_at=T0 + 1.2 * HALF)
    life.executor.receive(schedule_payload(late), T0 + 1.3 * HALF)
    life.executor.advance(T0 + 1.3 * HALF)
    assert life.told()[1:] == [(None, "accepted"), (2, "started")]


def test_revisions(life: Life) -> None:
    life.executor.receive(schedule_payload(schedule(5)), T0)
    life.executor.advance(T0)
    life.executor.advance(T0 + 0.5 * HALF, power_w=-2000.0, seconds=900.0)
    life.executor.receive(schedule_payload(schedule(4)), T0)
    life.executor.receive(schedule_payload(schedule(5)), T0)
    life.executor.receive(schedule_payload(replace(schedule(5), schedule_id="other")), T0)
    assert life.told() == [
        *((None, "received"), (None, "accepted"), (1, "started")),
        *((None, "received"), (None, "superseded")),
        *((None, "received"), (None, "rejected")),
    ]
    life.executor.receive(schedule_payload(schedule(6)), T0 + 0.5 * HALF)
    assert life.told()[7:] == [(None, "received"), (1, "superseded"), (None, "accepted")]
    assert life.executor.advance(T0 + 0.6 * HALF).mode is ScheduleMode.CHARGE
    assert life.told()[10:] == [(1, "started")]
    assert life.executor.schedule == schedule(6)


def of_interval(life: Life, status: str) -> list[dict[str, Any]]:
    """Return what was told of intervals with a status, each once."""
    life.deliver()
    once = {ack["ack_id"]: ack for ack in life.acks}
    return [ack for ack in once.values() if ack["status"] == status and "interval_id" in ack]


def test_what_a_new_revision_asks_again_goes_on(life: Life) -> None:
    """A planner that sends its plan anew in every half hour makes nobody late."""
    life.executor.receive(schedule_payload(schedule(1)), T0)
    run(life, T0, T0 + 0.4 * HALF)
    life.executor.receive(schedule_payload(schedule(2)), T0 + 0.4 * HALF)
    run(life, T0 + 0.4 * HALF, T0 + 1.4 * HALF)
    rest = Interval(2, T0 + HALF, ScheduleMode.DISCHARGE, 1500.0)
    life.executor.receive(schedule_payload(schedule(3, rest)), T0 + 1.4 * HALF)
    run(life, T0 + 1.4 * HALF, T0 + 2.1 * HALF)
    assert life.executor.tally() == Tally(done=2, failed=0, late=0)
    assert not any(ack["late"] for ack in of_interval(life, "started"))
    assert [ack["actual_rate_w"] for ack in of_interval(life, "succeeded")] == [1990.0, 1490.0]


def test_what_was_measured_before_a_revision_counts_for_the_same_power(life: Life) -> None:
    life.executor.receive(schedule_payload(schedule(1)), T0)
    life.executor.advance(T0)
    life.executor.advance(T0 + 0.9 * HALF, power_w=-2000.0, seconds=1620.0)
    life.executor.receive(schedule_payload(schedule(2)), T0 + 0.9 * HALF)
    life.executor.advance(T0 + 0.9 * HALF)
    life.reboot()
    life.executor.advance(T0 + HALF, power_w=0.0, seconds=180.0)
    (done,) = of_interval(life, "succeeded")
    assert (done["revision"], done["late"], done["actual_rate_w"]) == (2, False, 1800.0)


def test_another_power_in_the_middle_of_a_half_hour_is_judged_from_there(life: Life) -> None:
    life.executor.receive(schedule_payload(schedule(1)), T0)
    run(life, T0, T0 + 0.8 * HALF)
    weaker = Interval(7, T0, ScheduleMode.CHARGE, 500.0)
    life.executor.receive(schedule_payload(schedule(2, weaker)), T0 + 0.8 * HALF)
    life.executor.advance(T0 + 0.8 * HALF)
    life.executor.advance(T0 + HALF, power_w=-490.0, seconds=360.0)
    (done,) = of_interval(life, "succeeded")
    assert (done["interval_id"], done["late"], done["actual_rate_w"]) == (7, False, 490.0)
    assert life.executor.tally().late == 0


@pytest.mark.parametrize("cancelled", [False, True])
def test_a_schedule_that_comes_with_the_end_of_an_interval_takes_nothing_from_it(
    life: Life, cancelled: bool
) -> None:
    """Planners send a new plan with the half hour, and the battery looks every five seconds."""
    life.executor.receive(schedule_payload(schedule(1)), T0)
    run(life, T0, T0 + HALF)
    late = T0 + HALF + timedelta(seconds=2)
    new = schedule(2, Interval(5, T0 + HALF, ScheduleMode.DISCHARGE, 1500.0))
    life.executor.receive(schedule_payload(replace(new, intervals=()) if cancelled else new), late)
    run(life, late, T0 + 2 * HALF)
    assert [(ack["revision"], ack["interval_id"]) for ack in of_interval(life, "succeeded")] == [(1, 1)]
    assert not of_interval(life, "superseded") and not of_interval(life, "cancelled")
    assert life.executor.tally().done == 1


def test_who_joined_late_is_late_once(life: Life) -> None:
    life.executor.receive(schedule_payload(schedule(1)), T0 + 0.2 * HALF)
    life.executor.advance(T0 + 0.2 * HALF)
    for revision in (2, 3):
        life.executor.receive(schedule_payload(schedule(revision)), T0 + 0.4 * HALF)
        life.executor.advance(T0 + 0.4 * HALF)
    assert [ack["late"] for ack in of_interval(life, "started")] == [True, True, True]
    assert life.executor.tally().late == 1


def test_a_schedule_after_one_that_was_withdrawn_is_joined_late(life: Life) -> None:
    life.executor.receive(schedule_payload(schedule(1)), T0)
    life.executor.advance(T0)
    life.executor.receive(withdrawn(2), T0 + 0.1 * HALF)
    life.executor.advance(T0 + 0.1 * HALF)
    life.executor.receive(schedule_payload(schedule(3)), T0 + 0.5 * HALF)
    life.executor.advance(T0 + 0.5 * HALF)
    assert [ack["late"] for ack in of_interval(life, "started")] == [False, True]


def test_of_a_late_interval_half_of_what_was_left_must_be_measured(life: Life) -> None:
    life.executor.receive(schedule_payload(schedule(1)), T0 - HALF)
    life.executor.advance(T0 + 0.5 * HALF)
    life.reboot()
    life.executor.advance(T0 + 0.6 * HALF, power_w=-2000.0, seconds=180.0)
    life.executor.advance(T0 + HALF, power_w=None, seconds=720.0, trouble="the GX is not reached")
    (failed,) = of_interval(life, "failed")
    assert failed["reasons"] == ["the GX is not reached", "measured for 180 s of 900 s"]


def withdrawn(revision: int) -> bytes:
    """A schedule without intervals, as Home Assistant sends it to cancel."""
    return schedule_payload(replace(schedule(revision), intervals=()))


def test_what_is_withdrawn_is_cancelled_once(life: Life) -> None:
    """The interval that runs, and the schedule for all that was to come; what is done stays done."""
    life.executor.receive(schedule_payload(schedule(5)), T0)
    run(life, T0, T0 + 1.5 * HALF)
    told = len(life.told())
    life.executor.receive(withdrawn(6), T0 + 1.5 * HALF)
    life.reboot()
    life.executor.receive(withdrawn(6), T0 + 1.6 * HALF)
    life.executor.receive(withdrawn(7), T0 + 1.6 * HALF)
    assert life.told()[told:] == [
        *((None, "received"), (2, "cancelled"), (None, "cancelled"), (None, "accepted")),
        *((None, "received"), (None, "accepted")),  # there was nothing more to withdraw
    ]
    (of_all,) = {(a["schedule_id"], a["revision"]) for a in life.acks if a["status"] == "cancelled"}
    assert of_all == ("plan-5", 5), "both are about what was withdrawn"
    assert life.executor.advance(T0 + 1.7 * HALF).basis is Basis.GAP


@pytest.mark.parametrize(
    ("now", "cancelled"), [(None, True), (T0 + 0.1 * HALF, True), (T0 + 2 * HALF, False)]
)
def test_only_what_was_still_to_come_can_be_cancelled(
    life: Life, now: datetime | None, cancelled: bool
) -> None:
    life.executor.receive(schedule_payload(schedule(5)), T0)
    life.executor.receive(withdrawn(6), now)
    assert ((None, "cancelled") in life.told()) is cancelled


@pytest.mark.parametrize("payload", [b"", b"{", b"[]", b"\xff", b'{"schema": 1, "revision": 2}', b"{" * 5000])
def test_what_cannot_be_read_changes_nothing(life: Life, payload: bytes) -> None:
    life.executor.receive(schedule_payload(schedule()), T0)
    life.executor.receive(payload, T0)
    assert life.executor.schedule == schedule()
    assert life.told()[2:] == ([(None, "rejected")] if payload else [])


def test_a_schedule_beyond_the_battery_is_refused_whole(life: Life) -> None:
    strong = schedule(
        1, Interval(1, T0, ScheduleMode.CHARGE, 9000.0), Interval(2, T0 + HALF, ScheduleMode.IDLE)
    )
    life.executor.receive(schedule_payload(strong), T0)
    assert life.executor.schedule is None
    assert life.executor.advance(T0).basis is Basis.NO_SCHEDULE
    assert life.told() == [(None, "received"), (None, "rejected")]


def test_without_a_clock_the_default_applies(life: Life) -> None:
    life.executor.receive(schedule_payload(schedule()), None)
    assert life.executor.advance(None).basis is Basis.NO_CLOCK
    assert life.executor.advance(T0 + timedelta(days=3)).basis is Basis.EXPIRED
    assert life.executor.state(None).revision == 1


def test_a_clock_that_is_set_back_runs_nothing_twice(life: Life) -> None:
    life.executor.receive(schedule_payload(schedule()), T0)
    run(life, T0, T0 + 1.5 * HALF)
    again = life.executor.advance(T0 + 0.5 * HALF)
    assert (again.mode, again.basis) == (ScheduleMode.IDLE, Basis.GAP)
    assert Counter(life.told())[(1, "started")] == 1


def test_a_lost_file_begins_another_life(life: Life, tmp_path: Path) -> None:
    """Acknowledgements of a node whose card was changed are no repetitions of those before."""
    life.executor.receive(schedule_payload(schedule()), T0)
    life.executor.advance(T0)
    life.deliver()
    with living(tmp_path / "other.db") as other:
        other.executor.receive(schedule_payload(schedule()), T0)
        other.executor.advance(T0)
        other.deliver()
    assert not {ack["ack_id"] for ack in life.acks} & {ack["ack_id"] for ack in other.acks}


@given(payload=st.binary(max_size=300))
@settings(max_examples=200, deadline=None)
def test_any_bytes_are_answered(deaf: Life, payload: bytes) -> None:
    waiting = deaf.store.depth()
    deaf.executor.receive(payload, T0)
    assert deaf.executor.schedule is None
    assert deaf.store.depth() == waiting + (payload != b"")


@pytest.mark.parametrize("seed", range(2))
def test_two_weeks_of_trouble(life: Life, seed: int) -> None:
    """Crashes, reboots, a deaf broker, a stepping clock, both sides of a change of summer time.

    Every interval is begun at most once and has exactly one last word, whatever is repeated on the way.
    """
    rng = random.Random(seed)
    begin = datetime(2026, 3, 20, tzinfo=UTC)
    now, revision, number = begin, 0, 0
    asked: dict[tuple[int, int], Interval] = {}
    current: Schedule | None = None
    while now < begin + timedelta(days=14):
        if current is None or rng.random() < 0.01:
            revision += 1
            start = now.replace(minute=0, second=0, microsecond=0) + timedelta(hours=1)
            intervals = []
            for slot in range(rng.randint(1, 96)):
                if rng.random() < 0.8:
                    number = (number + 1) % 60_000
                    mode = rng.choice((ScheduleMode.CHARGE, ScheduleMode.DISCHARGE, ScheduleMode.FOLLOW))
                    rate_w = None if mode is ScheduleMode.FOLLOW else rng.uniform(100.0, 3000.0)
                    intervals.append(Interval(number, start + slot * HALF, mode, rate_w))
            current = Schedule(
                f"plan-{revision}",
                revision,
                now,
                start + timedelta(hours=48),
                ScheduleMode.IDLE,
                tuple(intervals) if rng.random() < 0.75 else (),
            )
            asked |= {(revision, one.id): one for one in current.intervals}
        if rng.random() < 0.3:
            life.executor.receive(schedule_payload(current), now)
        clock = None if rng.random() < 0.02 else now
        life.executor.advance(clock, power_w=rng.uniform(-3000.0, 3000.0), seconds=300.0)
        if rng.random() < 0.05:
            life.reboot()
        if rng.random() < 0.3:
            life.deliver(confirmed=rng.random() < 0.7)
        now += timedelta(seconds=rng.choice((300, 300, 300, 300, 600, 7200 if rng.random() < 0.02 else 300)))
        if rng.random() < 0.01:
            now -= timedelta(seconds=rng.uniform(1.0, 2000.0))
    life.deliver()
    once = {ack["ack_id"]: ack for ack in life.acks}
    assert len(once) < len(life.acks), "nothing was repeated: the trouble was none"
    words: dict[tuple[int, int], list[str]] = {}
    for ack in once.values():
        if ack.get("interval_id") is not None:
            words.setdefault((ack["revision"], ack["interval_id"]), []).append(ack["status"])
    assert words.keys() <= asked.keys()
    finals = {AckStatus.SUCCEEDED, AckStatus.FAILED, AckStatus.SUPERSEDED, AckStatus.CANCELLED}
    for key, statuses in words.items():
        if statuses == ["expired"]:
            continue
        assert statuses[0] == "started" and statuses.count("started") == 1, key
        assert (len(statuses) == 2 and statuses[1] in finals) or (
            key[0] == revision and len(statuses) == 1
        ), key
    kinds = Counter(status for statuses in words.values() for status in statuses)
    assert all(kinds[one] for one in ("started", "failed", "superseded", "cancelled", "expired")), kinds


CHILD = """
import sys
from datetime import datetime, timedelta
from pathlib import Path
from tests.daemon.test_executor import CAPABILITY, HALF, TOPIC, T0, schedule
from microgrid_core.contract.encode import schedule_payload
from microgrid_core.contract.messages import ScheduleMode
from microgrid_core.contract.schedule import Interval
from microgrid_daemon.schedule.executor import Executor
from microgrid_daemon.store import Store

store = Store(Path(sys.argv[1]))
executor = Executor(store, "battery-1", CAPABILITY, TOPIC)
step = int(sys.argv[2])
while step < 4000:
    if executor.schedule is None:
        intervals = (Interval(n, T0 + n * HALF, ScheduleMode.CHARGE, 1000.0) for n in range(300))
        executor.receive(schedule_payload(schedule(1, *intervals, hours=160)), T0)
    executor.advance(T0 + timedelta(minutes=2 * step), power_w=-1000.0, seconds=120.0)
    step += 1
    print(step, flush=True)
"""


def test_a_kill_at_any_moment_costs_no_word(tmp_path: Path) -> None:
    """A process that is killed again and again walks through 250 intervals."""
    path, step = tmp_path / "state.db", 0
    rng = random.Random(7)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    for _ in range(8):
        child = subprocess.Popen(
            [sys.executable, "-c", CHILD, str(path), str(step)],
            stdout=subprocess.PIPE,
            env=environment,
            text=True,
        )
        assert child.stdout is not None
        goal = step + rng.randint(200, 600)
        for line in child.stdout:
            step = int(line)
            if step >= goal:
                break
        child.send_signal(signal.SIGKILL)
        child.wait()
        child.stdout.close()
    with living(path) as life:
        life.deliver()
    words = Counter((ack.get("interval_id"), ack["status"]) for ack in life.acks)
    assert set(words.values()) == {1}
    over = (step * 2 - 30) // 30
    assert over > 50
    for number in range(1, over):
        assert words[(number, "started")] == 1, number
        assert words[(number, "succeeded")] + words[(number, "failed")] == 1, number
