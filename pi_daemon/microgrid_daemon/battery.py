"""A battery on its schedule: the executor says what is planned, the guard what is safe, a driver does it."""

from __future__ import annotations

import asyncio
import logging
import math
import re
import sqlite3
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final, Protocol

from microgrid_core.contract import topics
from microgrid_core.contract.encode import schedule_state_payload
from microgrid_core.contract.messages import (
    Birth,
    EventType,
    NodeKind,
    Scalar,
    ScheduleCapability,
    ScheduleMode,
    Severity,
)
from microgrid_core.contract.schedule import Basis, Instruction, Schedule, ScheduleState
from microgrid_core.energy.battery import Battery as Storage
from microgrid_core.model.battery import BATTERY

from .clock import Clock
from .config import BatteryConfig
from .log import about
from .node import Alarm, Node
from .schedule.executor import Executor, Tally
from .schedule.follow import follow
from .schedule.limits import Allowed, Guard, Measured
from .store import Store
from .thermometer import Thermometer

_LOGGER = logging.getLogger(__name__)
STEP_S = 5.0
MEASURED: Final = ("voltage", "current", "power", "charging", "state_of_charge")
"""Metrics that every battery is announced with."""
_ON_ITS_OWN = (Basis.NO_SCHEDULE, Basis.EXPIRED, Basis.NO_CLOCK)
"""Nobody has planned for this time: a battery that is to rest then is given back instead."""
RETRY_S = 60.0
"""Pause before a driver that could not do what was asked is asked again."""
ALARM_AFTER_S = 60.0
"""So long a battery must be left alone before that is an alarm: at first an inverter is unknown."""
MEET_S = 60.0
"""So long after the start a device may take until its first reading; then what a crash left is released."""
_ALARM = "BATTERY_RELEASED"


@dataclass(frozen=True, slots=True)
class Achieved:
    """What became of an instruction; without trouble the device is set as asked."""

    trouble: str | None = None
    detail: str = ""
    """What the device was set to, for the log."""


class BatteryDriver(Protocol):
    """What a battery must be able to do.

    Nothing of it raises, but `apply` an OperationalError when it could not note what it would change.
    """

    continuous: bool
    """Whether it must be told in every step, because its power follows from what is measured."""
    has_temperature: bool

    @property
    def capability(self) -> ScheduleCapability:
        """Return what can be asked of it; with `follow`, its readings must tell the net load."""

    async def apply(self, instruction: Instruction) -> Achieved:
        """Charge, discharge or rest from now on; `follow` has become one of them."""

    def read(self) -> Measured:
        """Return what the battery says of itself."""

    def values(self) -> dict[str, Scalar | None]:
        """Return metrics of the battery that are known now."""

    async def release(self) -> Achieved:
        """Bring everything back to how it was found; safe to repeat."""


class Battery:
    """One battery on its schedule."""

    def __init__(
        self,
        config: BatteryConfig,
        driver: BatteryDriver,
        node: Node,
        store: Store,
        clock: Clock,
        *,
        thermometer: Thermometer | None = None,
        now_s: Callable[[], float] = time.monotonic,
    ) -> None:
        """Join the parts; goes on with the schedule that is held. A thermometer stands for the driver's."""
        self.config = config
        self._thermometer = thermometer
        self.round_at_s = now_s()
        """When the last step ended: a sign of life for the watchdog."""
        self.state: ScheduleState | None = None
        """What applied at the last step."""
        self._driver = driver
        self._node = node
        self._store = store
        self._clock = clock
        self._now_s = now_s
        connection = node.connection
        ack_topic = connection.topic(topics.ACK)
        self._executor = Executor(store, config.node, driver.capability, ack_topic)
        self._guard = Guard(config.limits)
        self._begun_at_s = self._stepped_at_s = now_s()
        self._met = False
        """Whether the device has been read since the start."""
        self._live_at_s = -float("inf")
        self._done: Instruction | None = None
        """What the driver was asked for last, if it managed."""
        self._tried: Instruction | None = None
        self._failure: str | None = None
        self._next_try_s = -float("inf")
        self._trouble: str | None = None
        self._released_since_s: float | None = None
        self._said: ScheduleState | None = None
        connection.listen(topics.SCHEDULE_SET, self.receive)

    def announce(self) -> None:
        """Say who the battery is."""
        self._node.announce(
            Birth(
                kind=NodeKind.BATTERY,
                name=self.config.name,
                boot_id=self._node.boot_id,
                interval_s=BATTERY.interval_s,
                time=self._clock.now(),
                metrics=(
                    *MEASURED,
                    *(("temperature",) if self._thermometer or self._driver.has_temperature else ()),
                    *("schedule_mode", "schedule_active", "requested_power", "schedule_revision"),
                    *("intervals_done", "intervals_failed", "intervals_late"),
                    *("clock_valid", "outbox_depth"),
                ),
                schedule=self._driver.capability,
            )
        )

    def receive(self, payload: bytes) -> None:
        """Take a schedule document; one that the disk does not take is not held."""
        try:
            self._executor.receive(payload, self._clock.now())
        except sqlite3.OperationalError as error:
            _LOGGER.error("a schedule came and is not held: %s", error, extra=self._extra)
            return
        _LOGGER.info("a schedule came, and was answered", extra=self._extra)
        self._node.connection.pump()
        self._said = None

    @property
    def trouble(self) -> str | None:
        """Why the battery does not do what is planned; None when it does."""
        return self._trouble

    @property
    def tally(self) -> Tally:
        """How many intervals were done, failed, and were joined late."""
        return self._executor.tally()

    @property
    def schedule(self) -> Schedule | None:
        """The schedule that is held."""
        return self._executor.schedule

    async def run(self) -> None:
        """Go on until cancelled."""
        self.announce()
        while True:
            with about(**self._plan):
                await self.step()
            self.round_at_s = self._now_s()
            await asyncio.sleep(STEP_S)

    async def step(self) -> None:
        """Book what flowed, find what applies, see what is safe, do it, say it."""
        at_s = self._now_s()
        seconds, self._stepped_at_s = at_s - self._stepped_at_s, at_s
        now = self._clock.now()
        measured = self._measured()
        # Old readings are no measurement of these seconds.
        power_w = measured.power_w if measured.age_s <= self.config.limits.max_age_s else None
        unbooked: str | None = None
        try:
            planned = self._executor.advance(now, power_w=power_w, seconds=seconds, trouble=self._trouble)
        except sqlite3.OperationalError as error:
            # What cannot be noted is not done: nobody would know of it after a crash.
            planned, unbooked = _LET_GO, f"the course of the schedule cannot be noted: {error}"
        allowed = self._allowed(planned, measured, now, seconds)
        trouble = allowed.reason or unbooked
        wanted = allowed.instruction
        if measured.trouble or (planned.mode is ScheduleMode.IDLE and planned.basis in _ON_ITS_OWN):
            wanted = _LET_GO
        self._met = self._met or math.isfinite(measured.age_s)
        # After a crash it still does what is planned: giving it back before it was read would wear it.
        meets = not self._met and at_s - self._begun_at_s < MEET_S
        if not meets and (self._done is None or not _same(wanted, self._done) or self._steers(wanted)):
            trouble = await self._do(wanted, measured) or trouble
        self._tell_trouble(trouble, planned, measured)
        self._say(planned, measured)

    def _measured(self) -> Measured:
        measured = self._driver.read()
        if (thermometer := self._thermometer) is None:
            return measured
        trouble = measured.trouble or thermometer.trouble
        return replace(measured, temperature_c=thermometer.celsius, trouble=trouble)

    def _allowed(
        self, planned: Instruction, measured: Measured, now: datetime | None, seconds: float
    ) -> Allowed:
        """Return what is done of the plan: the limits have the last word, also on what following means."""
        wanted = planned
        if planned.mode is ScheduleMode.FOLLOW and self._guard.refusal(measured) is None:
            soc_percent, net_w, storage = measured.soc_percent, measured.net_w, self._storage()
            if soc_percent is None or net_w is None or storage is None:
                rest = replace(planned, mode=ScheduleMode.IDLE, rate_w=None)
                allowed = self._guard.allow(rest, measured, seconds)
                return replace(allowed, reason="the load of the house is not known")
            wanted = follow(planned, self._executor.schedule, now, storage, soc_percent, net_w)
        return self._guard.allow(wanted, measured, seconds)

    def _storage(self) -> Storage | None:
        """Return the battery as far as it may be used now."""
        storage, limits = self.config.storage, self.config.limits
        if storage is None:
            return None
        floor, ceiling = self._guard.usable_percent
        return replace(
            storage,
            charge_kw=limits.max_charge_w / 1000.0,
            discharge_kw=limits.max_discharge_w / 1000.0,
            reserve=floor / 100.0,
            ceiling=ceiling / 100.0,
        )

    def _steers(self, wanted: Instruction) -> bool:
        return self._driver.continuous and wanted is not _LET_GO

    async def stop(self) -> Achieved:
        """Let go of the battery."""
        self._done = None
        return await self._driver.release()

    async def _do(self, wanted: Instruction, measured: Measured) -> str | None:
        """Have the driver do it, at most once a minute while it cannot; return why it did not."""
        again = self._tried is not None and (
            _same(wanted, self._tried) or (self._steers(wanted) and wanted.mode is self._tried.mode)
        )
        if again and self._failure is not None and self._now_s() < self._next_try_s:
            return self._failure
        # Who is not there was not asked: no need to wait when he is back.
        self._tried = wanted if math.isfinite(measured.age_s) else None
        let_go = wanted is _LET_GO
        try:
            achieved = await (self._driver.release() if let_go else self._driver.apply(wanted))
        except sqlite3.OperationalError as error:
            achieved = Achieved(f"what would be changed cannot be noted: {error}")
        if achieved.trouble is None:
            # Small steps of the power are no news.
            news = self._done is None or wanted.mode is not self._done.mode
            level = logging.INFO if news or not self._steers(wanted) else logging.DEBUG
            _LOGGER.log(level, "%s: %s", wanted.mode, achieved.detail or "done", extra=self._extra)
            self._done = wanted
        else:
            self._done = None
            self._next_try_s = self._now_s() + RETRY_S
        self._failure = achieved.trouble
        return achieved.trouble

    # ------------------------------------------------------------------------------------------- what is said

    @property
    def _extra(self) -> dict[str, object]:
        return {"node": self.config.node, **self._plan}

    @property
    def _plan(self) -> dict[str, object]:
        """What lines of the log tell of the schedule that is held."""
        held = self._executor.schedule
        return {} if held is None else {"schedule": held.schedule_id, "revision": held.revision}

    @property
    def _revision(self) -> int | None:
        return None if self._executor.schedule is None else self._executor.schedule.revision

    def _tell_trouble(self, trouble: str | None, planned: Instruction, measured: Measured) -> None:
        # A warning for every tenth of a degree would bury what is new.
        if trouble is not None and _kind(trouble) != _kind(self._trouble or ""):
            _LOGGER.warning("%s was planned: %s", planned.mode, trouble, extra=self._extra)
        self._trouble = trouble
        if measured.trouble is None:
            self._released_since_s = None
            self._node.note({})
            return
        if self._released_since_s is None:
            self._released_since_s = self._now_s()
        if self._now_s() - self._released_since_s >= ALARM_AFTER_S:
            self._node.note({_ALARM: Alarm(_ALARM, EventType.ALARM, Severity.WARNING, measured.trouble)})

    def _say(self, planned: Instruction, measured: Measured) -> None:
        now = self._clock.now()
        state = replace(
            self._executor.state(now),
            mode=planned.mode,
            basis=planned.basis,
            rate_w=planned.rate_w,
            interval_id=None if planned.interval is None else planned.interval.id,
        )
        self.state = state
        if self._said is None or replace(state, time=None) != replace(self._said, time=None):
            self._said = state
            self._node.connection.retain(topics.SCHEDULE_STATE, schedule_state_payload(state))
        self._node.pump()
        if self._now_s() - self._live_at_s < BATTERY.interval_s:
            return
        self._live_at_s = self._now_s()
        tally = self.tally
        celsius = None if self._thermometer is None else self._thermometer.celsius
        self._node.live(
            {
                **self._driver.values(),
                **({} if celsius is None else {"temperature": celsius}),
                "schedule_mode": planned.mode.value,
                "schedule_active": planned.basis is Basis.INTERVAL,
                "requested_power": planned.rate_w,
                "schedule_revision": self._revision,
                "intervals_done": tally.done,
                "intervals_failed": tally.failed,
                "intervals_late": tally.late,
                "clock_valid": now is not None,
                "outbox_depth": self._store.depth(),
            },
            None,
        )


_NUMBER: Final = re.compile(r"-?[0-9]+(\.[0-9]+)?")
_LET_GO: Final = Instruction(ScheduleMode.IDLE, Basis.NO_SCHEDULE)
"""Not to rest: the device goes back to how it was found."""


def _kind(trouble: str) -> str:
    """Return a reason without its numbers."""
    return _NUMBER.sub("", trouble)


def _same(one: Instruction, other: Instruction) -> bool:
    """Whether the device has nothing to do between the two."""
    let_go = (one is _LET_GO) is (other is _LET_GO)
    return let_go and one.mode is other.mode and one.rate_w == other.rate_w
