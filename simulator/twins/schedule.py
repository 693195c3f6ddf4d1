"""How the battery's twin keeps, executes and acknowledges its schedule."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime

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
    check_schedule,
    current_instruction,
    decide,
    parse_schedule,
    schedule_state,
)

from ..physics.pi_battery import MAX_POWER_W, Task

CAPABILITY = ScheduleCapability(tuple(ScheduleMode), MAX_POWER_W, MAX_POWER_W)
_REACHED = 0.8  # share of the requested rate that counts as done
_RATES = (ScheduleMode.CHARGE, ScheduleMode.DISCHARGE)


@dataclass(slots=True)
class _Running:
    """The interval in progress and what came of it so far."""

    schedule: Schedule
    interval: Interval
    late: bool
    energy_ws: float = 0.0
    seconds: float = 0.0

    @property
    def mean_w(self) -> float:
        """Mean power so far, without its sign."""
        return abs(self.energy_ws / self.seconds) if self.seconds else 0.0


class ScheduleKeeper:
    """Holds one schedule and walks through its intervals."""

    def __init__(self, prefix: str, acknowledge: Callable[[Acknowledgement], None]) -> None:
        """`prefix` makes the acknowledgements' ids unique."""
        self._acknowledge = acknowledge
        self._ids = (f"{prefix}-ack-{number}" for number in itertools.count(1))
        self._schedule: Schedule | None = None
        self._running: _Running | None = None
        self.intervals_done = 0
        self.intervals_failed = 0
        self.intervals_late = 0

    @property
    def revision(self) -> int:
        """Revision held, 0 without a schedule."""
        return self._schedule.revision if self._schedule else 0

    def receive(self, payload: bytes, now: datetime) -> None:
        """Take a schedule document; an empty payload (topic cleared) changes nothing."""
        if not payload:
            return
        new = parse_schedule(payload, now)
        if isinstance(new, RefusedSchedule):
            self._answer(AckStatus.REJECTED, new.schedule_id, new.revision, now, reasons=new.reasons)
            return
        decision = decide(self._schedule, new)
        if decision is not Decision.SAME:
            self._answer(AckStatus.RECEIVED, new.schedule_id, new.revision, now)
        status, reasons = AckStatus.ACCEPTED, tuple[str, ...]()
        if decision is Decision.SUPERSEDED:
            status = AckStatus.SUPERSEDED
        elif decision is Decision.CONFLICT:
            status, reasons = AckStatus.REJECTED, (f"revision {new.revision} is held with other content",)
        elif decision is Decision.NEWER:
            reasons = check_schedule(new, CAPABILITY, now)
            if reasons:
                status = AckStatus.REJECTED
            else:
                self._finish(now, AckStatus.SUPERSEDED if new.intervals else AckStatus.CANCELLED)
                if not new.intervals:
                    self._withdraw(now)
                self._schedule = new
        self._answer(status, new.schedule_id, new.revision, now, reasons=reasons)

    def _withdraw(self, now: datetime) -> None:
        """Say of the schedule held that it is cancelled, if anything of it was still to come."""
        old = self._schedule
        if old is not None and any(one.end > now for one in old.intervals):
            self._answer(AckStatus.CANCELLED, old.schedule_id, old.revision, now)

    def instruction(self, now: datetime) -> Instruction:
        """What to do now; without a schedule the battery follows its house."""
        if self._schedule is None:
            return Instruction(ScheduleMode.FOLLOW, Basis.NO_SCHEDULE)
        return current_instruction(self._schedule, now)

    def state(self, now: datetime) -> ScheduleState:
        """What to publish."""
        return replace(schedule_state(self._schedule, now), mode=self.instruction(now).mode)

    def advance(self, now: datetime, power_w: float, seconds: float) -> Task:
        """Begin and end intervals; `power_w` is what flowed in the last `seconds` (discharge positive)."""
        if self._running is not None:
            self._running.energy_ws += power_w * seconds
            self._running.seconds += seconds
        instruction = self.instruction(now)
        interval = instruction.interval
        if self._running is not None and self._running.interval != interval:
            self._finish(now)
        if interval is not None and self._running is None and self._schedule is not None:
            late = (now - interval.start).total_seconds() > 5.0
            self._running = _Running(self._schedule, interval, late)
            self.intervals_late += late
            self._report(AckStatus.STARTED, self._running, now)
        rate = MAX_POWER_W if instruction.rate_w is None else instruction.rate_w
        return Task(instruction.mode.value, rate, interval is not None)

    def _finish(self, now: datetime, status: AckStatus | None = None) -> None:
        running, self._running = self._running, None
        if running is None:
            return
        rate = running.interval.rate_w
        reasons = tuple[str, ...]()
        if status is None:
            status = AckStatus.SUCCEEDED
            if running.interval.mode in _RATES and rate and running.mean_w < _REACHED * rate:
                status = AckStatus.FAILED
                reasons = (f"mean {running.mean_w:.0f} W, requested {rate:.0f} W: battery at its limit",)
            self.intervals_done += status is AckStatus.SUCCEEDED
            self.intervals_failed += status is AckStatus.FAILED
        self._report(status, running, now, reasons)

    def _report(
        self, status: AckStatus, running: _Running, now: datetime, reasons: tuple[str, ...] = ()
    ) -> None:
        started = status is AckStatus.STARTED
        self._answer(
            status,
            running.schedule.schedule_id,
            running.schedule.revision,
            now,
            reasons=reasons,
            interval_id=running.interval.id,
            requested_rate_w=running.interval.rate_w,
            actual_rate_w=None if started else round(running.mean_w),
            late=running.late,
        )

    def _answer(
        self,
        status: AckStatus,
        schedule_id: str | None,
        revision: int | None,
        now: datetime,
        *,
        reasons: tuple[str, ...] = (),
        interval_id: int | None = None,
        requested_rate_w: float | None = None,
        actual_rate_w: float | None = None,
        late: bool = False,
    ) -> None:
        self._acknowledge(
            Acknowledgement(
                ack_id=next(self._ids),
                status=status,
                schedule_id=schedule_id,
                revision=revision,
                interval_id=interval_id,
                reasons=reasons,
                requested_rate_w=requested_rate_w,
                actual_rate_w=actual_rate_w,
                late=late,
                time=now,
            )
        )
