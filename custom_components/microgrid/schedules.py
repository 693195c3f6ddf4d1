"""The schedule desk: sends schedules to the batteries and knows what becomes of them.

What a node said is in memory at once and on disk a moment later. A schedule counts from the moment the node
accepts it: until then the one before it is executed, and that is what the log goes on to show.
"""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import Final
from uuid import uuid4

from homeassistant.components import mqtt
from homeassistant.core import CALLBACK_TYPE, HomeAssistant, callback
from homeassistant.exceptions import HomeAssistantError
from homeassistant.helpers.event import async_track_utc_time_change
from homeassistant.util import dt as dt_util

from .const import DOMAIN
from .core.archive.errors import ArchiveError, NewerArchive
from .core.contract.messages import ScheduleCapability, ScheduleMode
from .core.contract.reading import Rejection, RejectReason
from .core.contract.schedule import (
    INTERVAL,
    MAX_REVISION,
    Acknowledgement,
    AckStatus,
    Interval,
    RefusedSchedule,
    Schedule,
    ScheduleState,
    canonical,
    check_schedule,
    digest,
    parse_schedule,
)
from .core.contract.topics import SCHEDULE_SET, Topic
from .core.model.swarm import Change, NodeChanged, Swarm
from .hold_still import hold_still
from .schedule_log import (
    FINAL,
    KEEP_ACK_IDS,
    NOT_DONE,
    REPORT_WITHIN,
    Analytics,
    Changes,
    Document,
    Execution,
    ExecutionStatus,
    ScheduleLog,
    analyse,
    from_us,
    to_us,
)

_LOGGER = logging.getLogger(__name__)

IN_MEMORY: Final = timedelta(days=31)
"""Of executions; older ones are read from the log when somebody asks."""
FAILING_WITHIN: Final = timedelta(days=7)
"""How far back failures in a row are counted."""
CANCELLED_FOR: Final = timedelta(hours=1)
"""Validity of the empty schedule that cancels: behind its end the same default applies, for ever."""
MAX_WAITING: Final = 10_000
"""Changes in memory while the disk refuses: days of a hundred batteries."""

_OF_INTERVALS: Final = {
    AckStatus.STARTED: ExecutionStatus.STARTED,
    AckStatus.SUCCEEDED: ExecutionStatus.SUCCEEDED,
    AckStatus.FAILED: ExecutionStatus.FAILED,
    AckStatus.SUPERSEDED: ExecutionStatus.SUPERSEDED,
    AckStatus.CANCELLED: ExecutionStatus.CANCELLED,
    AckStatus.EXPIRED: ExecutionStatus.EXPIRED,
}


class AnswerStatus(StrEnum):
    """What a node said of the schedule that was sent last."""

    PENDING = "pending"
    RECEIVED = "received"
    """Read; whether it is executed is not said yet."""
    ACCEPTED = "accepted"
    REJECTED = "rejected"
    SUPERSEDED = "superseded"
    """The node holds a newer revision than the one sent."""


_OPEN: Final = frozenset({AnswerStatus.PENDING, AnswerStatus.RECEIVED})
"""The node has not decided."""
_OF_SCHEDULES: Final = {
    AckStatus.RECEIVED: AnswerStatus.RECEIVED,
    AckStatus.ACCEPTED: AnswerStatus.ACCEPTED,
    AckStatus.REJECTED: AnswerStatus.REJECTED,
    AckStatus.EXPIRED: AnswerStatus.REJECTED,
    AckStatus.SUPERSEDED: AnswerStatus.SUPERSEDED,
}


class ScheduleStatus(StrEnum):
    """How it stands with the schedule of a node, in one word."""

    NONE = "none"
    PENDING = "pending"
    RECEIVED = "received"
    ACTIVE = "active"
    REJECTED = "rejected"
    SUPERSEDED = "superseded"
    EXPIRED = "expired"


class ScheduleRefused(HomeAssistantError):
    """A schedule was not sent: the node would refuse it."""

    def __init__(self, node_id: str, reasons: Iterable[str]) -> None:
        """Keep every reason."""
        self.node_id = node_id
        self.reasons = tuple(reasons)
        super().__init__(
            translation_domain=DOMAIN,
            translation_key="schedule_refused",
            translation_placeholders={"node": node_id, "reasons": "; ".join(self.reasons)},
        )


@dataclass(frozen=True, slots=True)
class HeldSchedule:
    """The schedule sent last, what the node said of it, and what the node says it does."""

    sent: Schedule | None = None
    sent_at: datetime | None = None
    answer: AnswerStatus = AnswerStatus.PENDING
    reasons: tuple[str, ...] = ()
    answered_at: datetime | None = None
    accepted: Schedule | None = None
    """What the node executes as far as we know: the newest that it accepted."""
    state: ScheduleState | None = None
    """What the node reports; None before its first word since the start."""
    state_at: datetime | None = None


type Listener = Callable[[str], None]
"""Gets the id of the node whose schedule, state or log changed."""
type AckListener = Callable[[str, Acknowledgement, Execution | None], None]
"""Gets the node, its acknowledgement, and the interval that it is about as the log now has it."""


class ScheduleDesk:
    """Schedules of one swarm."""

    def __init__(self, hass: HomeAssistant, swarm: Swarm, path: Path) -> None:
        """Know whom to send to and where the log lies; nothing is read yet."""
        self._hass = hass
        self._swarm = swarm
        self._path = path
        self._held: dict[str, HeldSchedule] = {}
        self._executions: dict[str, dict[datetime, Execution]] = {}
        self._told: dict[str, OrderedDict[str, None]] = {}
        """Ids of acknowledgements that came before, the oldest first."""
        self._listeners: list[Listener] = []
        self._ack_listeners: list[AckListener] = []
        self._trouble_listeners: list[Callable[[], None]] = []
        self._cancel: list[CALLBACK_TYPE] = []
        self._log: ScheduleLog | None = None
        self._changes = Changes()
        self._writer: asyncio.Task[None] | None = None
        self._writing = asyncio.Lock()
        self.trouble: str | None = None
        """Why nothing is written at the moment."""

    async def async_start(self) -> None:
        """Read what an earlier run left."""
        self._cancel.append(
            async_track_utc_time_change(self._hass, self._grid, minute=(0, 15, 30, 45), second=0)
        )
        self._cancel.append(self._swarm.subscribe(self._changed))
        async with self._writing:
            await self._open()

    async def _open(self) -> None:
        """Open the log and put what it has beneath what was heard since the start."""
        now = dt_util.utcnow()
        try:
            log = await self._hass.async_add_executor_job(ScheduleLog, self._path)
            loaded = await self._hass.async_add_executor_job(log.load, now - IN_MEMORY)
        except (ArchiveError, NewerArchive, OSError) as error:
            self._set_trouble(f"the execution log cannot be opened: {error}")
            return
        self._log = log
        self._set_trouble(None)
        for execution in loaded.executions:
            self._executions.setdefault(execution.node_id, {}).setdefault(execution.start, execution)
        stored = {node: _restored(document, now) for node, document in loaded.documents.items()}
        self._held = stored | self._held
        for node, ids in loaded.acks.items():
            self._told[node] = OrderedDict.fromkeys((*ids, *self._told.get(node, ())))
        for node_id in {*self._held, *self._executions}:
            self._tell(node_id)

    async def async_stop(self) -> None:
        """Write what waits and close."""
        while self._cancel:
            self._cancel.pop()()
        if self._writer is not None:
            await asyncio.gather(self._writer, return_exceptions=True)
        await self._write()
        if self._log is not None:
            log, self._log = self._log, None
            async with self._writing:
                await self._hass.async_add_executor_job(log.close)

    async def hold(self) -> None:
        """Leave the file whole and as it is until `release`: a backup copies it."""
        await hold_still(self._hass, self._writing, self._checkpoint)

    def _checkpoint(self) -> None:
        if (log := self._log) is not None:
            log.checkpoint()

    @callback
    def release(self) -> None:
        """Go on."""
        self._writing.release()
        self._write_soon()

    # ---- asking --------------------------------------------------------------------------------------------

    def capability(self, node_id: str) -> ScheduleCapability | None:
        """Return what a node declared; None when it takes no schedules or is not known."""
        node = self._swarm.nodes.get(node_id)
        return None if node is None else node.schedule

    def held(self, node_id: str) -> HeldSchedule | None:
        """Return what is known of the schedule of a node; None when there never was one."""
        return self._held.get(node_id)

    @property
    def known(self) -> list[str]:
        """Nodes that ever had a schedule, or said something of one."""
        return sorted({*self._held, *self._executions})

    def status(self, node_id: str) -> ScheduleStatus:
        """Return how it stands with the schedule of a node."""
        if (held := self._held.get(node_id)) is None or held.sent is None:
            reported = held.state.revision if held is not None and held.state is not None else None
            return ScheduleStatus.NONE if reported is None else ScheduleStatus.SUPERSEDED
        if held.answer is AnswerStatus.ACCEPTED:
            over = held.sent.valid_until <= dt_util.utcnow()
            return ScheduleStatus.EXPIRED if over else ScheduleStatus.ACTIVE
        return ScheduleStatus(held.answer.value)

    def executions(self, node_id: str, since: datetime) -> tuple[Execution, ...]:
        """Return the intervals of a node from `since` on, those to come included, in the order of time.

        The memory has 31 days; `history` reads what is older.
        """
        now = dt_util.utcnow()
        known = self._executions.get(node_id, {})
        wanted = sorted(start for start in known if start >= since)
        return tuple(_shown(known[start], now) for start in wanted)

    async def history(self, node_id: str, start: datetime, end: datetime) -> tuple[Execution, ...]:
        """Return the intervals of a node that overlap a period: 400 days back, and all that is to come."""
        now = dt_util.utcnow()
        old: tuple[Execution, ...] = ()
        if start < (edge := now - IN_MEMORY) and self._log is not None:
            old = await self._hass.async_add_executor_job(self._log.between, node_id, start, min(end, edge))
        found = {one.start: _shown(one, now) for one in old}
        found |= {one.start: one for one in self.executions(node_id, start - INTERVAL) if one.end > start}
        return tuple(found[at] for at in sorted(found) if at < end)

    def analytics(self, node_id: str, period: timedelta) -> Analytics:
        """Return how well a node kept its schedules over a period that ends now, at most 31 days."""
        now = dt_util.utcnow()
        return analyse(self.executions(node_id, now - period), now)

    def next_execution(self, node_id: str) -> Execution | None:
        """Return the interval that begins next."""
        now = dt_util.utcnow()
        return next(
            (
                one
                for one in self.executions(node_id, now)
                if one.start > now and one.status is ExecutionStatus.PLANNED
            ),
            None,
        )

    def failing(self, node_id: str) -> tuple[Execution, ...]:
        """Return the newest intervals of a node that were not done, back to the last one that was."""
        since = dt_util.utcnow() - FAILING_WITHIN
        judged = [
            one
            for one in self.executions(node_id, since)
            if one.status in NOT_DONE or one.status is ExecutionStatus.SUCCEEDED
        ]
        failed: list[Execution] = []
        for one in reversed(judged):
            if one.status not in NOT_DONE:
                break
            failed.append(one)
        return tuple(reversed(failed))

    @callback
    def on_change(self, listener: Listener) -> CALLBACK_TYPE:
        """Call `listener` when something about the schedule of a node changed, and each quarter hour."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    @callback
    def on_acknowledgement(self, listener: AckListener) -> CALLBACK_TYPE:
        """Call `listener` at each acknowledgement, once, however often it is sent."""
        self._ack_listeners.append(listener)
        return lambda: self._ack_listeners.remove(listener)

    @callback
    def on_trouble(self, listener: Callable[[], None]) -> None:
        """Call `listener` whenever `trouble` changes."""
        self._trouble_listeners.append(listener)

    # ---- sending -------------------------------------------------------------------------------------------

    def next_revision(self, node_id: str) -> int:
        """Return the revision above everything that was sent to a node or that it reports."""
        return self._newest_revision(node_id) + 1

    def check(self, node_id: str, schedule: Schedule) -> list[str]:
        """Return every reason why a schedule is not sent; none when it is fine."""
        now = dt_util.utcnow()
        if node_id not in self._swarm.nodes:
            return [f"no node has the id {node_id}"]
        read = parse_schedule(canonical(schedule), now)
        reasons = list(read.reasons) if isinstance(read, RefusedSchedule) else []
        reasons += check_schedule(schedule, self.capability(node_id), now)
        if schedule.revision <= (newest := self._newest_revision(node_id)):
            reasons.append(f"revision {schedule.revision} is not above {newest}, which is known already")
        return list(dict.fromkeys(reasons))

    async def set(self, node_id: str, schedule: Schedule) -> None:
        """Send a schedule, retained: an absent node finds it later.

        Raises ScheduleRefused, or HomeAssistantError when there is no broker.
        """
        if reasons := self.check(node_id, schedule):
            raise ScheduleRefused(node_id, reasons)
        before = self._held.get(node_id)
        # Noted before it leaves: the answer may be faster than the broker's receipt.
        self._note_sent(node_id, schedule)
        try:
            await mqtt.async_publish(
                self._hass,
                str(Topic(self._swarm.swarm_id, node_id, SCHEDULE_SET)),
                canonical(schedule),
                qos=1,
                retain=True,
            )
        except HomeAssistantError:
            if (held := self._held[node_id]).sent == schedule and held.answer in _OPEN:
                self._hold(node_id, before or HeldSchedule())
            raise

    async def cancel(self, node_id: str, default: ScheduleMode | None = None) -> Schedule:
        """Withdraw what was planned: send a schedule without intervals, and return it.

        The default stays what it was; of a node without schedule it is to follow if it can, or to rest.
        """
        held, capability = self._held.get(node_id), self.capability(node_id)
        if default is None and held is not None and held.accepted is not None:
            default = held.accepted.default
        if default is None:
            follows = capability is not None and ScheduleMode.FOLLOW in capability.modes
            default = ScheduleMode.FOLLOW if follows else ScheduleMode.IDLE
        now = dt_util.utcnow()
        empty = Schedule(
            schedule_id=f"cancel-{uuid4().hex[:12]}",
            revision=self.next_revision(node_id),
            issued_at=now,
            valid_until=now + CANCELLED_FOR,
            default=default,
            intervals=(),
        )
        await self.set(node_id, empty)
        return empty

    async def answer(self, node_id: str, revision: int, timeout_s: float) -> HeldSchedule | None:
        """Wait until a node answered to a revision (or to a later one); None when it did not in time."""
        answered = asyncio.Event()

        @callback
        def look(changed: str) -> None:
            held = self._held.get(node_id)
            if changed != node_id or held is None or held.sent is None:
                return
            if held.sent.revision > revision or held.answer not in _OPEN:
                answered.set()

        stop = self.on_change(look)
        try:
            look(node_id)
            async with asyncio.timeout(timeout_s):
                await answered.wait()
        except TimeoutError:
            return None
        finally:
            stop()
        held = self._held[node_id]
        if held.sent is not None and held.sent.revision > revision:
            return replace(held, answer=AnswerStatus.SUPERSEDED, reasons=("a newer schedule was sent",))
        return held

    # ---- hearing: the source -------------------------------------------------------------------------------

    @callback
    def heard_set(self, node_id: str, schedule: Schedule) -> None:
        """Take a schedule that lies at the broker: our own of an earlier run, or somebody else's."""
        if schedule.revision > self._newest_sent(node_id):
            self._note_sent(node_id, schedule)
            state = self._held[node_id].state
            if state is not None and state.digest == digest(schedule):
                self._accept(node_id, dt_util.utcnow())

    @callback
    def heard_state(self, node_id: str, state: ScheduleState) -> None:
        """Take what a node holds and does."""
        held = self._held.get(node_id) or HeldSchedule()
        self._held[node_id] = held = replace(held, state=state, state_at=dt_util.utcnow())
        sent = held.sent if held.answer in _OPEN else None
        if sent is not None and state.digest == digest(sent):
            self._accept(node_id, state.time or dt_util.utcnow())
        else:
            self._tell(node_id)

    @callback
    def heard_ack(self, node_id: str, ack: Acknowledgement) -> Rejection | None:
        """Take what became of a schedule or of one of its intervals; returns why not."""
        told = self._told.setdefault(node_id, OrderedDict())
        if ack.ack_id in told:
            return Rejection(RejectReason.DUPLICATE, f"acknowledgement {ack.ack_id} of {node_id}")
        told[ack.ack_id] = None
        if len(told) > KEEP_ACK_IDS:
            told.popitem(last=False)
        self._changes.acks[node_id, ack.ack_id] = to_us(dt_util.utcnow())
        execution = None
        if ack.interval_id is not None:
            execution = self._note_execution(node_id, ack)
        elif ack.status in _OF_SCHEDULES:
            self._note_answer(node_id, ack)
        elif ack.status is AckStatus.CANCELLED:
            self._note_cancelled(node_id, ack)
        self._write_soon()
        self._tell(node_id)
        for listener in tuple(self._ack_listeners):
            listener(node_id, ack, execution)
        return None

    # ---- inside --------------------------------------------------------------------------------------------

    def _newest_sent(self, node_id: str) -> int:
        held = self._held.get(node_id)
        return held.sent.revision if held is not None and held.sent is not None else 0

    def _newest_revision(self, node_id: str) -> int:
        held = self._held.get(node_id)
        reported = held.state.revision if held is not None and held.state is not None else None
        return min(max(self._newest_sent(node_id), reported or 0), MAX_REVISION)

    def _note_sent(self, node_id: str, schedule: Schedule) -> None:
        held = self._held.get(node_id) or HeldSchedule()
        self._hold(
            node_id,
            replace(
                held,
                sent=schedule,
                sent_at=dt_util.utcnow(),
                answer=AnswerStatus.PENDING,
                reasons=(),
                answered_at=None,
            ),
        )

    def _note_answer(self, node_id: str, ack: Acknowledgement) -> None:
        """Take the word of a node about a whole schedule; about an older one it is no news."""
        held = self._held.get(node_id)
        if held is None or (sent := held.sent) is None:
            return
        if (ack.schedule_id, ack.revision) != (sent.schedule_id, sent.revision):
            return
        if (answer := _OF_SCHEDULES[ack.status]) is AnswerStatus.ACCEPTED:
            self._accept(node_id, ack.time or dt_util.utcnow())
        elif answer is AnswerStatus.REJECTED or held.answer in _OPEN:
            reasons = ack.reasons or ((ack.status.value,) if answer is AnswerStatus.REJECTED else ())
            at = None if answer is AnswerStatus.RECEIVED else dt_util.utcnow()
            self._hold(node_id, replace(held, answer=answer, reasons=reasons, answered_at=at))

    def _accept(self, node_id: str, at: datetime) -> None:
        """The node executes what was sent: from `at` on its intervals are those of the log."""
        held = self._held[node_id]
        assert held.sent is not None
        if held.accepted != held.sent:
            self._enter(node_id, held.sent, min(at, dt_util.utcnow()))
        self._hold(
            node_id,
            replace(
                held,
                answer=AnswerStatus.ACCEPTED,
                reasons=(),
                answered_at=dt_util.utcnow(),
                accepted=held.sent,
            ),
        )

    def _enter(self, node_id: str, schedule: Schedule, at: datetime) -> None:
        """Put the intervals of a schedule into the log; what was done under the one before it stays."""
        known = self._executions.setdefault(node_id, {})
        planned = {interval.start: interval for interval in schedule.intervals}
        for start, one in tuple(known.items()):
            if one.end > at and one.status is ExecutionStatus.PLANNED and start not in planned:
                del known[start]
                self._changes.intervals[node_id, start] = None
        for start, interval in planned.items():
            if interval.end > at or (start not in known and start >= schedule.issued_at):
                self._keep(_going_on(known.get(start), _planned(node_id, schedule, interval)))

    def _note_execution(self, node_id: str, ack: Acknowledgement) -> Execution | None:
        """Take the word of a node about an interval; None when the log has no such interval."""
        for one in self._executions.get(node_id, {}).values():
            if (one.revision, one.interval_id) == (ack.revision, ack.interval_id) and (
                one.schedule_id == ack.schedule_id
            ):
                break
        else:
            return None
        if one.status in FINAL or (status := _OF_INTERVALS.get(ack.status)) is None:
            return one
        late_s = one.late_s
        if (
            status is ExecutionStatus.STARTED
            and ack.time is not None
            and (late_s is None or (ack.late and not one.late))
        ):
            late_s = min(max((ack.time - one.start).total_seconds(), 0.0), INTERVAL.total_seconds())
        one = replace(
            one,
            status=status,
            actual_w=one.actual_w if ack.actual_rate_w is None else ack.actual_rate_w,
            late=one.late or ack.late,
            late_s=late_s,
            reasons=ack.reasons or one.reasons,
        )
        self._keep(one)
        return one

    def _note_cancelled(self, node_id: str, ack: Acknowledgement) -> None:
        """Take the word of a node that it withdrew a schedule: what was to come of it never will."""
        at = min(ack.time or dt_util.utcnow(), dt_util.utcnow())
        for one in tuple(self._executions.get(node_id, {}).values()):
            of_it = (one.schedule_id, one.revision) == (ack.schedule_id, ack.revision)
            if of_it and one.end > at and one.status is ExecutionStatus.PLANNED:
                self._keep(replace(one, status=ExecutionStatus.CANCELLED))

    def _keep(self, one: Execution) -> None:
        self._executions.setdefault(one.node_id, {})[one.start] = one
        self._changes.intervals[one.node_id, one.start] = one

    def _hold(self, node_id: str, held: HeldSchedule) -> None:
        self._held[node_id] = held
        self._changes.documents[node_id] = _document(held)
        self._write_soon()
        self._tell(node_id)

    def _tell(self, node_id: str) -> None:
        for listener in tuple(self._listeners):
            listener(node_id)

    @callback
    def _changed(self, change: Change) -> None:
        if isinstance(change, NodeChanged):  # it may have learned or unlearned schedules
            self._tell(change.node.node_id)

    @callback
    def _grid(self, now: datetime) -> None:
        """What is next, and what is overdue, depends on the clock."""
        edge = now - IN_MEMORY
        for known in self._executions.values():
            for start in [start for start in known if start < edge]:
                del known[start]
        for node_id in {*self._held, *self._executions}:
            self._tell(node_id)
        self._write_soon()  # what the disk refused is tried again
        if (now.hour, now.minute) == (3, 15) and self._log is not None:
            self._hass.async_create_background_task(self._prune(now), "microgrid prune execution log")

    async def _prune(self, now: datetime) -> None:
        async with self._writing:
            if (log := self._log) is not None:
                try:
                    await self._hass.async_add_executor_job(log.prune, now)
                except ArchiveError as error:
                    self._set_trouble(str(error))

    @callback
    def _write_soon(self) -> None:
        needed = self._changes or self._log is None
        if self._cancel and needed and (self._writer is None or self._writer.done()):
            self._writer = self._hass.async_create_background_task(self._write(), "microgrid execution log")

    async def _write(self) -> None:
        async with self._writing:
            if self._log is None and self._cancel:
                await self._open()
                if self._log is None and self._changes.count > MAX_WAITING:
                    self._changes = Changes()
            while self._changes and (log := self._log) is not None:
                changes, self._changes = self._changes, Changes()
                try:
                    await asyncio.shield(self._hass.async_add_executor_job(partial(log.write, changes)))
                except ArchiveError as error:  # tried again with the next change
                    if changes.count <= MAX_WAITING:
                        self._changes = changes.under(self._changes)
                    self._set_trouble(str(error))
                    return
                self._set_trouble(None)

    @callback
    def _set_trouble(self, trouble: str | None) -> None:
        if trouble is not None and trouble != self.trouble:
            _LOGGER.error("what becomes of schedules is not being stored: %s", trouble)
        changed, self.trouble = trouble != self.trouble, trouble
        for listener in tuple(self._trouble_listeners) if changed else ():
            listener()


def _planned(node_id: str, schedule: Schedule, interval: Interval) -> Execution:
    return Execution(
        node_id=node_id,
        schedule_id=schedule.schedule_id,
        revision=schedule.revision,
        interval_id=interval.id,
        start=interval.start,
        mode=interval.mode,
        requested_w=interval.rate_w,
    )


def _going_on(before: Execution | None, planned: Execution) -> Execution:
    """Return an execution that goes on with what is asked already, if that is so: it began when that did."""
    if before is None or (before.mode, before.requested_w) != (planned.mode, planned.requested_w):
        return planned
    return replace(planned, late=before.late, late_s=before.late_s)


def _shown(one: Execution, now: datetime) -> Execution:
    """Return an execution as it looks at `now`: one that is over without a last word is unreported."""
    if one.status not in FINAL and one.end + REPORT_WITHIN <= now:
        return replace(one, status=ExecutionStatus.UNREPORTED)
    return one


def _document(held: HeldSchedule) -> Document:
    return Document(
        sent=None if held.sent is None else canonical(held.sent),
        sent_us=None if held.sent_at is None else to_us(held.sent_at),
        status=held.answer.value,
        reasons=held.reasons,
        answered_us=None if held.answered_at is None else to_us(held.answered_at),
        accepted=None if held.accepted is None else canonical(held.accepted),
    )


def _restored(document: Document, now: datetime) -> HeldSchedule:
    def read(payload: bytes | None) -> Schedule | None:
        schedule = None if payload is None else parse_schedule(payload, now)
        return None if isinstance(schedule, RefusedSchedule) else schedule

    return HeldSchedule(
        sent=read(document.sent),
        sent_at=None if document.sent_us is None else from_us(document.sent_us),
        answer=AnswerStatus(document.status),
        reasons=document.reasons,
        answered_at=None if document.answered_us is None else from_us(document.answered_us),
        accepted=read(document.accepted),
    )
