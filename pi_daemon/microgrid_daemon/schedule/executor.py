"""Walks a battery through its schedule: once through each interval, one final word about each.

Whatever ends the process, the file knows which schedule is held and how far each interval came.
Acknowledgements are written in the same transaction as the state that they tell, and their ids follow from
it: a repetition can be recognised by whoever reads them.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from microgrid_core.contract.encode import acknowledgement_payload
from microgrid_core.contract.execution import Course, join, passed_on, replaced_as
from microgrid_core.contract.messages import ScheduleCapability, ScheduleMode
from microgrid_core.contract.schedule import (
    Acknowledgement,
    AckStatus,
    Basis,
    Decision,
    Instruction,
    Interval,
    RefusedSchedule,
    Schedule,
    ScheduleState,
    canonical,
    check_schedule,
    current_instruction,
    decide,
    parse_schedule,
    schedule_state,
)

from ..store import Store, Weight

LATE_S: Final = 5.0
"""An interval that was joined later than this was joined late."""
_TALLY: Final = {AckStatus.EXPIRED: "failed", AckStatus.SUCCEEDED: "done", AckStatus.FAILED: "failed"}
"""What is counted of an interval, beside that it was joined late."""


@dataclass(frozen=True, slots=True)
class Tally:
    """Intervals of a battery since its file was begun."""

    done: int
    failed: int
    """Not done as asked, or slept through."""
    late: int
    """Joined after their start, however they ended."""


class Executor:
    """Keeps one schedule of one battery; the caller tells the time and what the battery did."""

    def __init__(
        self,
        store: Store,
        node: str,
        capability: ScheduleCapability,
        ack_topic: str,
        *,
        new_instance: Callable[[], int] = lambda: secrets.randbits(31),
    ) -> None:
        """Go on with what `store` holds; `new_instance` tells apart what a node says with another file."""
        self._store = store
        self._node = node
        self._capability = capability
        self._ack_topic = ack_topic
        with store.transaction():
            if not store.counted("instance"):
                store.count("instance", 1 + new_instance())
        self._prefix = f"{node[:32]}.{store.counted('instance'):08x}"
        self._schedule = self._load()
        self._replaced: Course | None = None
        """What ran when the schedule that is held came, if that has its half hour, too: it goes on there."""

    @property
    def schedule(self) -> Schedule | None:
        """The schedule that is held."""
        return self._schedule

    # --------------------------------------------------------------------------------------------- documents

    def receive(self, payload: bytes, now: datetime | None) -> None:
        """Take a document; `now` is None while the clock is not set. An empty one (topic cleared) is nothing.

        What is held is replaced only by a newer revision that can be executed as a whole.
        """
        if not payload:
            return
        new = parse_schedule(payload, now)
        if isinstance(new, RefusedSchedule):
            self._answer(AckStatus.REJECTED, new.schedule_id, new.revision, now, payload, new.reasons)
            return
        decision = decide(self._schedule, new)
        if decision is Decision.SAME:  # as the broker brings it again and again
            self._answer(AckStatus.ACCEPTED, new.schedule_id, new.revision, now, payload)
            return
        self._answer(AckStatus.RECEIVED, new.schedule_id, new.revision, now, payload)
        if decision is Decision.SUPERSEDED:
            self._answer(AckStatus.SUPERSEDED, new.schedule_id, new.revision, now, payload)
        elif decision is Decision.CONFLICT:
            conflict = (f"revision {new.revision} is held with other content",)
            self._answer(AckStatus.REJECTED, new.schedule_id, new.revision, now, payload, conflict)
        elif faults := check_schedule(new, self._capability, now):
            self._answer(AckStatus.REJECTED, new.schedule_id, new.revision, now, payload, faults)
        else:
            self._hold(new, now, payload)

    def _hold(self, new: Schedule, now: datetime | None, payload: bytes) -> None:
        running = self._running()
        with self._store.transaction() as connection:
            for course in running:
                self._finish(course, replaced_as(course, new, now), now)
            if not new.intervals:
                self._withdraw(now)
            connection.execute(
                "INSERT INTO schedule (node, document) VALUES (?, ?) "
                "ON CONFLICT (node) DO UPDATE SET document = excluded.document",
                (self._node, canonical(new)),
            )
            for table in ("interval", "joined"):
                connection.execute(
                    f"DELETE FROM {table} WHERE node = ? AND revision < ?", (self._node, new.revision)
                )
            self._answer(AckStatus.ACCEPTED, new.schedule_id, new.revision, now, payload)
        self._schedule = new
        self._replaced = passed_on(running, self._replaced, new)

    def _withdraw(self, now: datetime | None) -> None:
        """Say of the schedule held that it is cancelled, if anything of it was still to come."""
        old = self._schedule
        if old is None or not any(now is None or one.end > now for one in old.intervals):
            return
        self._post(
            Acknowledgement(
                ack_id=f"{self._prefix}.{old.revision}.{AckStatus.CANCELLED}",
                status=AckStatus.CANCELLED,
                schedule_id=old.schedule_id,
                revision=old.revision,
                time=now,
            )
        )

    def _load(self) -> Schedule | None:
        rows = self._store.ask("SELECT document FROM schedule WHERE node = ?", self._node)
        if not rows:
            return None
        held = parse_schedule(bytes(rows[0][0]), None)
        return None if isinstance(held, RefusedSchedule) else held

    # --------------------------------------------------------------------------------------------- intervals

    def advance(
        self,
        now: datetime | None,
        *,
        power_w: float | None = None,
        seconds: float = 0.0,
        trouble: str | None = None,
    ) -> Instruction:
        """Book what flowed in the last `seconds`, end and begin intervals, return what to do from now on.

        `trouble` says why the battery did not do what the running interval asks: a limit, a refusal.
        """
        if self._schedule is None:
            return Instruction(ScheduleMode.IDLE, Basis.NO_SCHEDULE)
        instruction = current_instruction(self._schedule, now)
        running = self._running()
        if running and seconds > 0.0:
            with self._store.transaction(durable=False):
                for course in running:
                    self._book(course, power_w, seconds, trouble)
        if now is None:
            return instruction
        courses = self.courses()
        ended = [
            course
            for course in courses.values()
            if course.status is AckStatus.STARTED and course.interval.end <= now
        ]
        missed = [
            one
            for one in self._schedule.intervals
            # What had begun before the schedule was issued was never asked of us.
            if self._schedule.issued_at <= one.start and one.end <= now and one.id not in courses
        ]
        present = instruction.interval
        begins = present is not None and present.id not in courses
        if ended or missed or begins:
            with self._store.transaction():
                for course in ended:
                    self._finish(course, None, now)
                for one in missed:
                    self._begin(Course(one, AckStatus.EXPIRED, late=True), now)
                if present is not None and begins:
                    self._join(present, now)
        if present is not None and not begins and courses[present.id].status is not AckStatus.STARTED:
            # The clock was set back into an interval that is over: it is not run a second time.
            return Instruction(self._schedule.default, Basis.GAP)
        return instruction

    def state(self, now: datetime | None) -> ScheduleState:
        """Return what to publish about the schedule held."""
        return schedule_state(self._schedule, now)

    def tally(self) -> Tally:
        """Return how many intervals were done, failed, and were joined late; repetitions count once."""
        return Tally(*(self._store.counted(self._counter(key)) for key in ("done", "failed", "late")))

    def _counter(self, key: str) -> str:
        return f"intervals {self._node} {key}"

    def courses(self) -> dict[int, Course]:
        """Return how far the intervals of the schedule held came, by their ids, as far as they began."""
        if self._schedule is None:
            return {}
        intervals = {interval.id: interval for interval in self._schedule.intervals}
        return {
            number: Course(intervals[number], AckStatus(status), bool(late), *measured)
            for number, status, late, *measured in self._store.ask(
                "SELECT number, status, late, seconds, energy_ws, trouble, coalesce(after_s, 0.0) "
                "FROM interval LEFT JOIN joined USING (node, revision, number) "
                "WHERE node = ? AND revision = ?",
                self._node,
                self._schedule.revision,
            )
        }

    def _running(self) -> list[Course]:
        return [course for course in self.courses().values() if course.status is AckStatus.STARTED]

    def _book(self, course: Course, power_w: float | None, seconds: float, trouble: str | None) -> None:
        assert self._schedule is not None
        # Who only follows is judged by how long he did: what was in the way counts against him.
        follows = course.interval.mode is ScheduleMode.FOLLOW
        measured_s = 0.0 if power_w is None or (follows and trouble) else seconds
        with self._store.transaction(durable=False) as connection:
            connection.execute(
                "UPDATE interval SET seconds = seconds + ?, energy_ws = energy_ws + ?, "
                "trouble = CASE trouble WHEN '' THEN ? ELSE trouble END "
                "WHERE node = ? AND revision = ? AND number = ?",
                (
                    measured_s,
                    measured_s * (power_w or 0.0),
                    trouble or "",
                    self._node,
                    self._schedule.revision,
                    course.interval.id,
                ),
            )

    def _join(self, interval: Interval, now: datetime) -> None:
        before = self._replaced
        course = join(interval, now, before, late_s=LATE_S)
        if course.late and (before is None or before.interval.start != interval.start):
            self._store.count(self._counter("late"))
        self._begin(course, now)

    def _begin(self, course: Course, now: datetime) -> None:
        schedule = self._schedule
        assert schedule is not None
        key = (self._node, schedule.revision, course.interval.id)
        with self._store.transaction() as connection:
            connection.execute(
                "INSERT INTO interval (node, revision, number, status, late, seconds, energy_ws, trouble) "
                "VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                (*key, course.status, course.late, course.seconds, course.energy_ws, course.trouble),
            )
            if course.joined_s > 0.0:
                connection.execute("INSERT INTO joined VALUES (?, ?, ?, ?)", (*key, course.joined_s))
            self._report(course, course.status, now)

    def _finish(self, course: Course, status: AckStatus | None, now: datetime | None) -> None:
        schedule = self._schedule
        assert schedule is not None
        reasons: tuple[str, ...] = ()
        if status is None:
            status, reasons = course.judge()
        with self._store.transaction() as connection:
            connection.execute(
                "UPDATE interval SET status = ? WHERE node = ? AND revision = ? AND number = ?",
                (status, self._node, schedule.revision, course.interval.id),
            )
            self._report(course, status, now, reasons)

    # --------------------------------------------------------------------------------------- acknowledgements

    def _report(
        self, course: Course, status: AckStatus, now: datetime | None, reasons: tuple[str, ...] = ()
    ) -> None:
        schedule = self._schedule
        assert schedule is not None
        mean_w = None if status is AckStatus.STARTED else course.mean_w
        counted = _TALLY.get(status)
        if counted is not None:
            self._store.count(self._counter(counted))
        idle = course.interval.mode is ScheduleMode.IDLE
        self._post(
            Acknowledgement(
                ack_id=f"{self._prefix}.{schedule.revision}.{course.interval.id}.{status}",
                status=status,
                schedule_id=schedule.schedule_id,
                revision=schedule.revision,
                interval_id=course.interval.id,
                reasons=reasons,
                requested_rate_w=0.0 if idle else course.interval.rate_w,
                actual_rate_w=None if mean_w is None else round(max(0.0, mean_w), 1),
                late=course.late,
                time=now,
            )
        )

    def _answer(
        self,
        status: AckStatus,
        schedule_id: str | None,
        revision: int | None,
        now: datetime | None,
        payload: bytes,
        reasons: tuple[str, ...] = (),
    ) -> None:
        # The id follows from the document, so that the same answer to the same document is one answer.
        document = hashlib.sha256(payload).hexdigest()[:12]
        self._post(
            Acknowledgement(
                ack_id=f"{self._prefix[-8:]}.{document}.{status}",
                status=status,
                schedule_id=schedule_id,
                revision=revision,
                reasons=reasons,
                time=now,
            )
        )

    def _post(self, acknowledgement: Acknowledgement) -> None:
        self._store.post([(self._ack_topic, acknowledgement_payload(acknowledgement))], Weight.PROMISE)
