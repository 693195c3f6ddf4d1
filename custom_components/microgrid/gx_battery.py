"""The battery of a Victron GX as one that takes schedules: carried out here, by the set-point of its ESS.

To everybody else it is a battery like the others: schedules arrive at its topic, retained, so that a restart
finds them again; what is held and what became of each half hour is told at the same topics. Home Assistant
must stay alive for it: when it does not, the station goes back to its own control (see gx_control).
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from homeassistant.components import mqtt
from homeassistant.components.mqtt import ReceiveMessage
from homeassistant.core import HomeAssistant, callback
from homeassistant.exceptions import HomeAssistantError
from homeassistant.helpers.event import async_track_time_interval
from homeassistant.helpers.storage import Store
from homeassistant.util import dt as dt_util

from .const import BY_SCHEDULE, DOMAIN, STORAGE_VERSION
from .core.contract.encode import acknowledgement_payload, schedule_state_payload
from .core.contract.execution import Course, join, passed_on, replaced_as
from .core.contract.messages import ScheduleCapability, ScheduleMode
from .core.contract.schedule import (
    Acknowledgement,
    AckStatus,
    Basis,
    Decision,
    Instruction,
    Interval,
    RefusedSchedule,
    Schedule,
    canonical,
    check_schedule,
    current_instruction,
    decide,
    parse_schedule,
    schedule_state,
)
from .core.contract.topics import ACK, SCHEDULE_SET, SCHEDULE_STATE, Topic
from .core.gx.control import MOST_DISCHARGE, SETPOINT
from .core.gx.steering import MODES, Aim, aim, capability, measure

if TYPE_CHECKING:
    from .core.model.swarm import Swarm
    from .gx_control import GxControl
    from .gx_station import GxStation

_LOGGER = logging.getLogger(__name__)

TICK_S: Final = 5.0
LATE_S: Final = 2 * TICK_S
_DEAD_BAND_W: Final = 50.0
_BAND_W: Final = 2000.0
"""Set-points so near to each other are saved as one."""
_GRACE: Final = timedelta(seconds=90)
"""An override outlives its interval by this at most, should nobody end it."""
GONE_S: Final = 60.0
"""So long a station may be away, as after a restart, and the interval is still carried out."""
_SAVE_S: Final = 60.0
"""So often it is saved how far an interval came: a crash loses no more of it."""
_MAX_OUTBOX: Final = 2000
_COURSE: Final = ("status", "late", "seconds", "energy_ws", "trouble", "joined_s")
"""What is stored of how far an interval came."""


class GxBattery:
    """Carries out the schedules of one station."""

    _now: Callable[[], datetime] = staticmethod(dt_util.utcnow)

    def __init__(
        self, hass: HomeAssistant, entry_id: str, swarm: Swarm, station: GxStation, control: GxControl
    ) -> None:
        """Know the station; nothing runs yet."""
        self._hass = hass
        self._swarm = swarm
        self._station = station
        self._control = control
        self._node_id = station.node_id
        self._store = _store(hass, entry_id, station.subentry_id)
        self._schedule: Schedule | None = None
        self._courses: dict[int, Course] = {}
        self._replaced: Course | None = None
        """What ran when the schedule that is held took the place of another."""
        self._capability: ScheduleCapability | None = None
        self._outbox: list[str] = []
        self._told_state: bytes | None = None
        self._ticked_at: float | None = None
        self._seen_at = hass.loop.time()
        self._saved_at = hass.loop.time()
        self._yielded: int | None = None
        """The interval in which somebody else took what it steers by."""
        self._joined_at: datetime | None = None
        """Since when what runs is carried out, by the clock of the control; None: it ran before the start."""
        self._busy = asyncio.Lock()
        self._cancel: list[Callable[[], None]] = []

    async def async_start(self) -> None:
        """Take up what an earlier run left, and listen; does nothing where it may not control."""
        if not self._control.allows(SETPOINT):
            return
        self._restore(await self._store.async_load() or {})
        topic = str(Topic(self._swarm.swarm_id, self._node_id, SCHEDULE_SET))
        self._cancel += [
            await mqtt.async_subscribe(self._hass, topic, self._received, 1, encoding=None),
            async_track_time_interval(
                self._hass, self._tick, timedelta(seconds=TICK_S), cancel_on_shutdown=True
            ),
        ]

    async def async_stop(self) -> None:
        """Listen no more; what is held at the station the control gives back."""
        if not self._cancel:
            return
        while self._cancel:
            self._cancel.pop()()
        async with self._busy:
            await self._store.async_save(self._stored())

    @staticmethod
    async def async_forget(hass: HomeAssistant, entry_id: str, subentry_id: str) -> None:
        """Delete what was stored of a station."""
        await _store(hass, entry_id, subentry_id).async_remove()

    # ---- documents -----------------------------------------------------------------------------------------

    @callback
    def _received(self, message: ReceiveMessage) -> None:
        payload = message.payload
        document = payload.encode() if isinstance(payload, str) else bytes(payload)
        if document:  # an empty one: somebody cleared the topic, which changes nothing
            self._take(document, self._now())

    def _take(self, document: bytes, now: datetime) -> None:
        """Hold a schedule, or answer why not; it is held only as a whole."""
        new = parse_schedule(document, now)
        if isinstance(new, RefusedSchedule):
            self._answer(AckStatus.REJECTED, new.schedule_id, new.revision, now, document, new.reasons)
            return
        decision = decide(self._schedule, new)
        if decision is not Decision.SAME:
            self._answer(AckStatus.RECEIVED, new.schedule_id, new.revision, now, document, ())
        reasons: tuple[str, ...] = ()
        status = AckStatus.ACCEPTED
        if decision is Decision.SUPERSEDED:
            status = AckStatus.SUPERSEDED
        elif decision is Decision.CONFLICT:
            status, reasons = (
                AckStatus.REJECTED,
                (f"revision {new.revision} is held with other content",),
            )
        elif decision is Decision.NEWER:
            if reasons := check_schedule(new, self._capability, now):
                status = AckStatus.REJECTED
            else:
                self._hold(new, now)
        self._answer(status, new.schedule_id, new.revision, now, document, reasons)
        self._save()
        self._hass.async_create_task(self._work(now), f"microgrid GX schedule {self._node_id}")

    def _hold(self, new: Schedule, now: datetime) -> None:
        running = [course for course in self._courses.values() if course.status is AckStatus.STARTED]
        for course in running:
            self._finish(course, replaced_as(course, new, now), now)
        self._replaced = passed_on(running, self._replaced, new)
        if not new.intervals:
            self._withdraw(now)
        self._schedule, self._courses, self._yielded = new, {}, None

    def _withdraw(self, now: datetime) -> None:
        """Say of the schedule held that it is cancelled, if anything of it was still to come."""
        old = self._schedule
        if old is None or not any(one.end > now for one in old.intervals):
            return
        self._post(
            Acknowledgement(
                ack_id=f"{self._node_id}.{old.revision}.{AckStatus.CANCELLED}",
                status=AckStatus.CANCELLED,
                schedule_id=old.schedule_id,
                revision=old.revision,
                time=now,
            )
        )

    def _answer(
        self,
        status: AckStatus,
        schedule_id: str | None,
        revision: int | None,
        now: datetime,
        document: bytes,
        reasons: tuple[str, ...],
    ) -> None:
        # The id follows from the document: the same answer to the same document is one answer.
        digest = hashlib.sha256(document).hexdigest()[:12]
        self._post(
            Acknowledgement(
                ack_id=f"{self._node_id}.{digest}.{status}",
                status=status,
                schedule_id=schedule_id,
                revision=revision,
                reasons=reasons,
                time=now,
            )
        )

    # ---- intervals -----------------------------------------------------------------------------------------

    @callback
    def _tick(self, now: datetime) -> None:
        self._hass.async_create_task(self._work(self._now()), f"microgrid GX schedule {self._node_id}")

    async def _work(self, now: datetime) -> None:
        """Book what flowed, end and begin intervals, and steer."""
        if self._busy.locked():
            return
        async with self._busy:
            self._offer()
            await self._send()
            if self._schedule is None:
                return
            figures = measure(self._station.tree)
            there = self._station.connected
            wanted = self._instruction(now)
            target = aim(wanted.mode, wanted.rate_w, figures)
            if wanted.basis is Basis.EXPIRED:  # the station has its own control again
                target = Aim(None)
            if there:
                self._seen_at = self._hass.loop.time()
            gone = self._hass.loop.time() - self._seen_at > GONE_S
            trouble = target.trouble if there else "the station is not connected" if gone else ""
            self._book(now, figures.battery_w if there else None, trouble)
            self._advance(now)
            if there:
                await self._steer(wanted, target.setpoint_w)
            if self._hass.loop.time() - self._saved_at >= _SAVE_S:
                self._save()
            await self._send()

    def _instruction(self, now: datetime) -> Instruction:
        """Return what to do; an interval that is over is not run a second time."""
        instruction = current_instruction(self._schedule, now)
        course = None if instruction.interval is None else self._courses.get(instruction.interval.id)
        if course is not None and course.status is not AckStatus.STARTED and self._schedule is not None:
            return Instruction(self._schedule.default, Basis.GAP)
        return instruction

    def _book(self, now: datetime, battery_w: float | None, trouble: str) -> None:
        at = self._hass.loop.time()
        seconds, self._ticked_at = 0.0 if self._ticked_at is None else at - self._ticked_at, at
        seconds = min(seconds, 4 * TICK_S)
        for number, course in self._courses.items():
            if course.status is not AckStatus.STARTED:
                continue
            # Who only follows is judged by how long he did: what was in the way counts against him.
            unseen = battery_w is None or (course.interval.mode is ScheduleMode.FOLLOW and trouble)
            measured_s = 0.0 if unseen else seconds
            self._courses[number] = replace(
                course,
                seconds=course.seconds + measured_s,
                energy_ws=course.energy_ws - measured_s * (battery_w or 0.0),
                trouble=course.trouble or trouble,
            )

    def _advance(self, now: datetime) -> None:
        """End what is over, begin what is on, and tell of what was slept through."""
        schedule = self._schedule
        assert schedule is not None
        changed = False
        for interval in schedule.intervals:
            course = self._courses.get(interval.id)
            if course is not None:
                if course.status is AckStatus.STARTED and interval.end <= now:
                    self._finish(course, None, now)
                    changed = True
            elif interval.start <= now < interval.end:
                passed = self._replaced
                if passed is None or passed.interval.start != interval.start:
                    self._joined_at = dt_util.utcnow()
                self._begin(join(interval, now, passed, late_s=LATE_S), now)
                changed = True
            elif interval.end <= now and interval.start >= schedule.issued_at:
                self._begin(Course(interval, AckStatus.EXPIRED, late=True), now)
                changed = True
        if changed:
            self._save()

    def _begin(self, course: Course, now: datetime) -> None:
        self._courses[course.interval.id] = course
        self._report(course, now)

    def _finish(self, course: Course, status: AckStatus | None, now: datetime) -> None:
        reasons: tuple[str, ...] = ()
        if status is None:
            status, reasons = course.judge()
        ended = self._courses[course.interval.id] = replace(course, status=status)
        self._report(ended, now, reasons)

    def _report(self, course: Course, now: datetime, reasons: tuple[str, ...] = ()) -> None:
        interval = course.interval
        assert self._schedule is not None
        began = course.status is AckStatus.STARTED
        mean_w = None if began else course.mean_w
        self._post(
            Acknowledgement(
                ack_id=f"{self._node_id}.{self._schedule.revision}.{interval.id}.{course.status}",
                status=course.status,
                schedule_id=self._schedule.schedule_id,
                revision=self._schedule.revision,
                interval_id=interval.id,
                reasons=reasons,
                requested_rate_w=0.0 if interval.mode is ScheduleMode.IDLE else interval.rate_w,
                actual_rate_w=None if mean_w is None else round(max(0.0, mean_w), 1),
                late=course.late,
                time=now,
            )
        )

    # ---- the station ---------------------------------------------------------------------------------------

    @callback
    def _offer(self) -> None:
        """Let everybody know that this battery takes schedules, and how much it can."""
        node = self._swarm.nodes.get(self._node_id)
        if node is None or not self._station.connected:
            return
        self._capability = capability(measure(self._station.tree), self._capability)
        self._swarm.offer(node, self._capability)

    async def _steer(self, wanted: Instruction, setpoint_w: float | None) -> None:
        """Bring the station to what is asked for; what it does not take is the trouble of the interval."""
        number = None if wanted.interval is None else wanted.interval.id
        if setpoint_w is not None and self._taken_over(wanted.interval, SETPOINT):
            return
        assert self._schedule is not None
        until = (self._schedule.valid_until if wanted.interval is None else wanted.interval.end) + _GRACE
        try:
            if setpoint_w is None:
                await self._give_back(SETPOINT)
            else:
                held = self._control.overrides.get(SETPOINT)
                leaf = self._control.leaf(SETPOINT)
                now_w = None if leaf is None else leaf.number
                same = held is not None and held.until == until.isoformat()
                if not same or now_w is None or abs(setpoint_w - now_w) >= _DEAD_BAND_W:
                    allowed = self._control.limits(SETPOINT)
                    if allowed is not None:
                        setpoint_w = min(max(setpoint_w, allowed.minimum), allowed.maximum)
                    await self._control.set(SETPOINT, setpoint_w, by=BY_SCHEDULE, until=until, band=_BAND_W)
            await self._limit(wanted, until)
        except HomeAssistantError as error:
            _LOGGER.debug("%s: %s", self._node_id, error)
            if number is not None:
                self._blame(number, f"the station did not take it: {error.translation_key}")

    async def _limit(self, wanted: Instruction, until: datetime) -> None:
        """While it follows, the rate is the most that the battery may give."""
        if wanted.mode is ScheduleMode.FOLLOW and wanted.rate_w is not None:
            if self._taken_over(wanted.interval, MOST_DISCHARGE):
                return
            held, leaf = self._control.overrides.get(MOST_DISCHARGE), self._control.leaf(MOST_DISCHARGE)
            if (
                held is None
                or (held.value, held.until) != (wanted.rate_w, until.isoformat())
                or leaf is None
                or not held.ours(leaf.value)
            ):
                await self._control.set(MOST_DISCHARGE, wanted.rate_w, by=BY_SCHEDULE, until=until)
        else:
            await self._give_back(MOST_DISCHARGE)

    async def _give_back(self, key: str) -> None:
        """Release what a schedule set; what a person or an automation holds is theirs."""
        held = self._control.overrides.get(key)
        if held is not None and held.by == BY_SCHEDULE:
            await self._control.release([key], by=BY_SCHEDULE)

    def _taken_over(self, interval: Interval | None, key: str) -> bool:
        """Whether somebody else set this while we carried the interval out: then it is his until its end."""
        if interval is None:
            return False
        if self._yielded != interval.id:
            last = next((line for line in reversed(self._control.audit) if line.control == key), None)
            when = None if last is None else dt_util.parse_datetime(last.time)
            since = interval.start if self._joined_at is None else max(interval.start, self._joined_at)
            if last is None or when is None or when < since:
                return False
            by_hand = last.outcome == "confirmed" and last.by != BY_SCHEDULE
            beside_us = last.outcome == "taken_over" and key not in self._control.overrides
            if not by_hand and not beside_us:
                return False
            self._yielded = interval.id
        self._blame(interval.id, "somebody else sets the ESS")
        return True

    def _blame(self, number: int, trouble: str) -> None:
        course = self._courses.get(number)
        if course is not None and not course.trouble:
            self._courses[number] = replace(course, trouble=trouble)

    # ---- telling -------------------------------------------------------------------------------------------

    def _post(self, acknowledgement: Acknowledgement) -> None:
        self._outbox = [*self._outbox, acknowledgement_payload(acknowledgement).decode()][-_MAX_OUTBOX:]

    async def _send(self) -> None:
        """Publish what waits; without a broker it goes on waiting."""
        if not mqtt.is_connected(self._hass):
            return
        try:
            while self._outbox:
                await self._publish(ACK, self._outbox[0].encode(), retain=False)
                self._outbox.pop(0)
            state = replace(schedule_state(self._schedule, self._now()), time=None)
            if (payload := schedule_state_payload(state)) != self._told_state and self._schedule is not None:
                await self._publish(SCHEDULE_STATE, payload, retain=True)
                self._told_state = payload
        except HomeAssistantError as error:
            _LOGGER.debug("%s: what became of its schedule is told later: %s", self._node_id, error)

    async def _publish(self, suffix: str, payload: bytes, *, retain: bool) -> None:
        topic = str(Topic(self._swarm.swarm_id, self._node_id, suffix))
        await mqtt.async_publish(self._hass, topic, payload, qos=1, retain=retain)

    # ---- over restarts -------------------------------------------------------------------------------------

    def _save(self) -> None:
        self._saved_at = self._hass.loop.time()
        self._store.async_delay_save(self._stored, 1.0)

    def _stored(self) -> dict[str, Any]:
        known = self._capability
        return {
            "schedule": None if self._schedule is None else canonical(self._schedule).decode(),
            "courses": {
                str(number): {name: getattr(course, name) for name in _COURSE}
                for number, course in self._courses.items()
            },
            "outbox": self._outbox,
            "capability": None if known is None else [known.max_charge_w, known.max_discharge_w],
        }

    def _restore(self, stored: dict[str, Any]) -> None:
        schedule = parse_schedule(text.encode(), None) if (text := stored.get("schedule")) else None
        if isinstance(schedule, Schedule):
            self._schedule = schedule
            intervals = {interval.id: interval for interval in schedule.intervals}
            self._courses = {
                int(number): Course(
                    intervals[int(number)],
                    **{name: course[name] for name in _COURSE if name in course}
                    | {"status": AckStatus(course["status"])},
                )
                for number, course in stored.get("courses", {}).items()
                if int(number) in intervals
            }
        self._outbox = list(stored.get("outbox", ()))
        if most := stored.get("capability"):
            self._capability = ScheduleCapability(MODES, *most)


def _store(hass: HomeAssistant, entry_id: str, subentry_id: str) -> Store[dict[str, Any]]:
    return Store(hass, STORAGE_VERSION, f"{DOMAIN}.{entry_id}.gx_battery.{subentry_id}")
