"""The fault desk: follows every fault from the event to the operator.

Recorded at once; the snapshots of all nodes of its cluster are pulled when the window is over; the engine
finds the cause; the operator is told. Each step is on disk before the next one begins, so that after a
restart it goes on where it was. Snapshots that come later are analysed again, without another word.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from homeassistant.core import CALLBACK_TYPE, HomeAssistant, callback
from homeassistant.helpers.event import async_track_time_interval
from homeassistant.util import dt as dt_util

from .const import DOMAIN
from .core.archive.archive import Archive
from .core.archive.errors import ArchiveError, ArchiveFull
from .core.archive.faults.records import (
    Analysis,
    Annotation,
    Member,
    Pull,
    RecordedFault,
    Stage,
    StoredPart,
    best,
)
from .core.archive.faults.store import FaultStore
from .core.codec.umg1.clock import plausible_us
from .core.codec.umg1.records import EVENT_STATES, SEVERITIES
from .core.contract.faults import condition
from .core.contract.messages import EventState, EventType, NodeEvent
from .core.contract.reading import format_time
from .core.contract.snapshot import (
    SnapshotList,
)
from .core.model.logged_event import well_named
from .core.model.swarm import AvailabilityChanged, Change, EventReceived, Swarm
from .fault_analysis import StoredCase
from .fault_shelf import FaultShelf
from .snapshot_puller import SnapshotPuller, missing

if TYPE_CHECKING:
    from .sources.snapshot_mqtt import SnapshotMqtt

_LOGGER = logging.getLogger(__name__)

EVENT_ANALYZED: Final = f"{DOMAIN}_fault_analyzed"

WINDOW_S: Final = 11.0
"""Nodes record for 10 s after a fault."""
FIRST_LOOK_S: Final = 50.0
"""After the event the operator is told with what there is: a gateway has its houses' recordings by then."""
LEAST_S: Final = 20.0
"""But so long is asked at least, also after a restart."""
ROUND_S: Final = 2.0
"""Between two rounds of asking."""
ANNOUNCED_S: Final = 2.0
"""After the start: by then the broker has told who is there, and so who else may have a recording."""
TELL_S: Final = 1.0
"""That automations get to pass the word on. A crash within it repeats the notice, marked as repeated and
with the same event id: a phone replaces what it shows, and a lost alarm is worse than one that comes twice.
"""
LATER_S: Final = 600.0
"""Between two looks for snapshots that were missing when the operator was told."""
BACK_S: Final = 15.0
"""After a node came back it is asked."""
GIVE_UP: Final = timedelta(hours=48)
"""By then a node has overwritten what it could not deliver."""
HISTORY: Final = timedelta(hours=1)
"""What is older when the store is made is no news."""
LOOK_BACK: Final = timedelta(days=8)
"""In the log for faults that a crash kept from being recorded: nodes keep a week."""
RETRY_S: Final = 10.0
MAX_FOLLOWED: Final = 128
"""Faults at a time; others wait on disk."""
MAX_WAITING: Final = 64
"""Told faults that are looked after again, the newest."""
MAX_INTAKE: Final = 1024
MAX_ENDS: Final = 1024
"""Ends that are remembered for faults that only the log will tell."""
MAX_PAST: Final = 500
"""Earlier faults that are compared with."""


type Diagnose = Callable[[StoredCase], Analysis]
"""Finds the cause; runs in the executor."""
type Explain = Callable[[StoredCase, Analysis], Awaitable[Analysis]]
"""Puts it into other words, within a minute; what it returns is stored and told."""


@dataclass(frozen=True, slots=True)
class Known:
    """A fault with what was found of it."""

    fault: RecordedFault
    analysis: Analysis | None


@dataclass(frozen=True, slots=True)
class Details:
    """All that is known of a fault."""

    fault: RecordedFault
    members: tuple[Member, ...]
    parts: tuple[StoredPart, ...]
    analyses: tuple[Analysis, ...]
    annotations: tuple[Annotation, ...]

    @property
    def complete(self) -> bool:
        """Whether every snapshot is whole."""
        return bool(self.parts) and not missing(self.members, self.parts)


@dataclass(frozen=True, slots=True)
class _End:
    """A fault is over."""

    node: str
    code: str
    at_us: int
    late: bool


type _Logged = tuple[str, str, int]
"""Node, code and time of a fault that is over, by the log."""


class FaultDesk:
    """Takes faults from the swarm and brings them to the operator."""

    def __init__(
        self,
        hass: HomeAssistant,
        entry_id: str,
        swarm: Swarm,
        folder: Path,
        snapshots: SnapshotMqtt,
        archive: Callable[[], Archive | None],
        diagnose: Diagnose,
        explain: Explain,
    ) -> None:
        """Follow the swarm; `archive` returns None while there is none."""
        self._hass = hass
        self._entry_id = entry_id
        self._swarm = swarm
        self._archive = archive
        self._diagnose = diagnose
        self._explain = explain
        self._engine = asyncio.Lock()
        self._intake: list[RecordedFault | _End] = []
        self._ends: dict[tuple[str, str], int] = {}
        """When the newest fault of a node and code ended, of those whose end was heard at once."""
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._listeners: list[Callable[[str], None]] = []
        self._cancel: list[CALLBACK_TYPE] = [swarm.subscribe(self._changed)]
        self._running = False
        self._reconciled = False
        self._read: set[str] = set()
        """Told faults whose snapshots, as far as they are here, are known to have been analysed."""
        self.shelf = FaultShelf(hass, folder)
        self._puller = SnapshotPuller(hass, swarm, self.shelf, snapshots)
        self.latest: dict[str, Known] = {}
        """The newest fault of each node."""

    @property
    def store(self) -> FaultStore | None:
        """The store, None while it cannot be opened."""
        return self.shelf.store

    @property
    def trouble(self) -> str | None:
        """Why nothing is stored at the moment."""
        return self.shelf.trouble

    async def async_start(self) -> None:
        """Open the store, before the first event can come."""
        await self._open()

    @callback
    def resume(self) -> None:
        """Go on with what was not finished; nodes can be asked now."""
        self._running = True
        self._cancel.append(
            async_track_time_interval(
                self._hass, self._look_later, timedelta(seconds=LATER_S), cancel_on_shutdown=True
            )
        )
        self.reconcile_soon()
        self._do("resume", self._resume_at_start)

    async def async_stop(self) -> None:
        """Stop where it is; it goes on after the next start."""
        self._running = False
        while self._cancel:
            self._cancel.pop()()
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if self.store is not None:
            with contextlib.suppress(ArchiveError):  # then the log tells it again
                await self._take_in()
        await self.shelf.close()

    @callback
    def on_change(self, listener: Callable[[str], None]) -> CALLBACK_TYPE:
        """Call `listener` with a node whose newest fault changed; returns the way to stop it."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    @callback
    def reconcile_soon(self) -> None:
        """Look once into the log for faults that were never recorded."""
        if self._running and not self._reconciled:
            self._do("reconcile", self._reconcile)

    # -------------------------------------------------------------------------------------- for those who ask

    async def details(self, event_id: str) -> Details | None:
        """Return all that is known of a fault."""
        if self.store is None:
            return None
        return await self.shelf.read(_details, self.store, event_id)

    async def analyze(self, event_id: str) -> Analysis:
        """Analyse a fault anew with what there is; raises LookupError and ArchiveError."""
        analysis = await self._analyse(event_id, advance=False)
        await self._show(event_id)
        return analysis

    async def record(self, fault: RecordedFault) -> None:
        """Record a fault that no event tells, and follow it; raises ArchiveError."""
        gateway, members = self._puller.cluster(fault.node)
        if await self.shelf.write(self.shelf.opened.record, replace(fault, gateway=gateway), members):
            await self._show(fault.event_id)
            self._follow(fault.event_id)

    # ------------------------------------------------------------------------------------------ what happened

    @callback
    def _changed(self, change: Change) -> None:
        if isinstance(change, EventReceived) and change.event.type is EventType.FAULT:
            self._take(change.node.node_id, change.event, late=change.late)
        elif isinstance(change, AvailabilityChanged) and change.node.available and self._running:
            self._do("back", self._look_when_back)

    @callback
    def _take(self, node_id: str, event: NodeEvent, *, late: bool) -> None:
        now_us = _us(dt_util.utcnow())
        at_us = None if event.time is None else _us(event.time)
        if at_us is not None and not plausible_us(at_us, now_us):
            at_us = None
        if len(self._intake) >= MAX_INTAKE:
            _LOGGER.error("fault %s of %s waits in the log: the disk refuses", event.event_id, node_id)
        elif event.state is EventState.CLEARED:
            self._intake.append(_End(node_id, event.code, at_us or now_us, late))
        elif event.state is EventState.RAISED:
            self._intake.append(
                RecordedFault(
                    event.event_id,
                    node_id,
                    event.code,
                    event.severity.value,
                    at_us,
                    now_us,
                    late=late,
                    values=dict(event.values),
                )
            )
        if self._intake:
            self._do("intake", self._record_all)

    async def _record_all(self) -> None:
        """Record until nothing waits; while the disk refuses, try now and then."""
        while self._intake:
            try:
                await self._take_in()
            except ArchiveError as error:
                await self._mind(error)
                await asyncio.sleep(RETRY_S)
                await self._open()

    async def _take_in(self) -> None:
        while self._intake:
            item = self._intake[0]
            if isinstance(item, RecordedFault):
                await self.record(item)
                ended_us = self._ends.get((item.node, item.code)) if item.late else None
                if ended_us is not None and item.time_us <= ended_us:
                    await self._end(_End(item.node, item.code, ended_us, late=True))
            else:
                await self._end(item)
            del self._intake[0]

    async def _end(self, end: _End) -> None:
        """Remember that a fault is over; an end may be heard before the log tells of the fault itself."""
        store = self.shelf.opened
        if end.late:
            await self.shelf.write(store.clear, [(end.node, end.code, end.at_us)])
        else:
            await self.shelf.write(store.clear_heard, end.node, end.code, end.at_us)
            self._ends.pop((end.node, end.code), None)
            self._ends[end.node, end.code] = end.at_us
            if len(self._ends) > MAX_ENDS:
                del self._ends[next(iter(self._ends))]
        await self._refresh(end.node)

    async def _reconcile(self) -> None:
        """Record what the log tells and nobody recorded: a crash came in between, or the store is new."""
        archive, store = self._archive(), self.store
        if archive is None or store is None:
            return
        now = dt_util.utcnow()
        try:
            start_us = _us(now - LOOK_BACK) if await self.shelf.read(lambda: store.adopted) else None
            faults, ends = await self.shelf.read(_logged, archive, start_us, _us(now))
            new = await self.shelf.write(store.adopt, faults, _us(now - HISTORY))
            await self.shelf.write(store.clear, ends)
        except ArchiveError as error:
            await self._mind(error)
            return
        self._reconciled = True
        if new:
            await self._load()
            await self._resume()

    # ------------------------------------------------------------------------------------- the way of a fault

    @callback
    def _follow(self, event_id: str) -> None:
        if self._running and len(self._tasks) < MAX_FOLLOWED:
            self._do(f"fault {event_id}", partial(self._bring_to_operator, event_id))

    async def _resume_at_start(self) -> None:
        await asyncio.sleep(ANNOUNCED_S)
        await self._resume()

    async def _resume(self) -> None:
        """Follow all that is unfinished."""
        if self.store is None:
            await self._open()
        self.reconcile_soon()
        if self.store is None:
            return
        try:
            for event_id in await self.shelf.read(self.store.unfinished):
                self._follow(event_id)
        except ArchiveError as error:
            await self._mind(error)

    async def _bring_to_operator(self, event_id: str) -> None:
        """Go through the stages that are left; while the disk refuses, try now and then."""
        while self._running:
            try:
                fault = await self.shelf.fault(event_id)
                if fault.stage < Stage.PULLED:
                    await self._gather(fault)
                analyses = await self.shelf.read(self.shelf.opened.analyses, event_id)
                if fault.stage < Stage.DIAGNOSED or not analyses:
                    await self._analyse(event_id, advance=True)
                await self._tell(event_id)
                return
            except LookupError as error:  # the database was lost meanwhile; the log tells the fault again
                _LOGGER.warning("%s", error)
                return
            except ArchiveError as error:
                await self._mind(error)
                await asyncio.sleep(RETRY_S)
                await self._open()

    async def _gather(self, fault: RecordedFault) -> None:
        """Pull the snapshots until all are there or the operator should wait no longer."""
        waited_s = max(0.0, (_us(dt_util.utcnow()) - fault.recorded_us) / 1e6)
        if not fault.late and waited_s < WINDOW_S:
            await asyncio.sleep(WINDOW_S - waited_s)
        await self.shelf.write(self.shelf.opened.advance, fault.event_id, Stage.PULLING)
        silent: Counter[str] = Counter()
        complete = False
        try:
            async with asyncio.timeout(max(FIRST_LOOK_S - max(waited_s, WINDOW_S), LEAST_S)):
                while not complete:
                    complete = await self._puller.pull(fault.event_id, {}, silent)
                    await asyncio.sleep(0 if complete else ROUND_S)
        except TimeoutError:
            _LOGGER.debug("fault %s is analysed without all of its snapshots", fault.event_id)
        except ArchiveFull as error:  # there is room for words still
            await self._mind(error)
        if complete:
            await self.shelf.write(self.shelf.opened.set_pull, fault.event_id, Pull.COMPLETE)
        await self.shelf.write(self.shelf.opened.advance, fault.event_id, Stage.PULLED)

    async def _analyse(self, event_id: str, *, advance: bool) -> Analysis:
        """Find the cause with what there is, and store it; with `advance` the operator can be told."""
        found = await self.details(event_id)
        if found is None or self.store is None:
            raise LookupError(f"no fault {event_id}")
        stored = await self.shelf.read(_stored_case, self.store, found)
        async with self._engine:
            analysis = await self._hass.async_add_executor_job(self._diagnose, stored)
        analysis = await self._explain(stored, analysis)
        await self.shelf.write(self.shelf.opened.add_analysis, event_id, analysis, advance=advance)
        return analysis

    async def _tell(self, event_id: str) -> None:
        """Tell the operator once. Only when a crash left unknown whether it happened, it is repeated."""
        stage = await self.shelf.write(self.shelf.opened.begin_telling, event_id)
        await self._show(event_id)
        news = stage < Stage.TOLD
        if news:
            found = await self.details(event_id)
            assert found is not None
            self._hass.bus.async_fire(EVENT_ANALYZED, self._notice(found, repeated=stage is Stage.TELLING))
        try:
            await asyncio.sleep(TELL_S if news else 0.0)
            await self.shelf.write(self.shelf.opened.told, event_id)
        except asyncio.CancelledError:
            if not self._hass.is_stopping:  # only reloaded: automations go on without us
                await self.shelf.write(self.shelf.opened.told, event_id)
            raise

    def _notice(self, found: Details, *, repeated: bool) -> dict[str, Any]:
        fault, analysis = found.fault, found.analyses[-1]
        return {
            "config_entry_id": self._entry_id,
            "swarm": self._swarm.swarm_id,
            "event_id": fault.event_id,
            "node": fault.node,
            "node_name": self.name(fault.node),
            "gateway": fault.gateway,
            "code": fault.code,
            "code_name": condition(fault.code).text(self._hass.config.language).name,
            "severity": fault.severity,
            "time": iso(fault.time_us),
            "late": fault.late,
            "cause": analysis.cause,
            "origin": analysis.origin,
            "origin_name": None if analysis.origin is None else self.name(analysis.origin),
            "confidence": round(analysis.confidence, 3),
            "summary": analysis.summary,
            "complete": found.complete,
            "repeated": repeated,
        }

    def name(self, node_id: str) -> str:
        """Return what people call a node."""
        node = self._swarm.nodes.get(node_id)
        return node_id if node is None else node.name

    # ------------------------------------------------------------------------------------- what comes later

    @callback
    def _look_later(self, now: datetime) -> None:
        self._do("resume", self._resume)
        self._do("later", self._complete_all)

    async def _look_when_back(self) -> None:
        await asyncio.sleep(BACK_S)
        self._do("later", self._complete_all)

    async def _complete_all(self) -> None:
        """Ask for what was missing when the operator was told."""
        if self.store is None:
            return
        lists: dict[str, SnapshotList | None] = {}
        try:
            for event_id in await self.shelf.read(self.store.waiting, MAX_WAITING):
                await self._complete(event_id, lists)
        except ArchiveError as error:
            await self._mind(error)

    async def _complete(self, event_id: str, lists: dict[str, SnapshotList | None]) -> None:
        fault = await self.shelf.fault(event_id)
        over = _us(dt_util.utcnow() - GIVE_UP) > fault.recorded_us
        before = await self.shelf.read(self.shelf.opened.parts, event_id)
        complete = not over and await self._puller.pull(event_id, lists, Counter())
        parts = await self.shelf.read(self.shelf.opened.parts, event_id)
        analyses = await self.shelf.read(self.shelf.opened.analyses, event_id)
        if parts != before or (event_id not in self._read and _unread(parts, analyses)):
            self._read.discard(event_id)
            await self.analyze(event_id)
        self._read.add(event_id)
        if complete or over:
            pull = Pull.COMPLETE if complete else Pull.GIVEN_UP
            await self.shelf.write(self.shelf.opened.set_pull, event_id, pull)
            self._read.discard(event_id)

    # ------------------------------------------------------------------------------------------------- inside

    @callback
    def _do(self, name: str, work: Callable[[], Any]) -> None:
        """Run one task of a name at a time."""
        if (before := self._tasks.get(name)) is not None and not before.done():
            return
        self._tasks[name] = task = self._hass.async_create_background_task(
            work(), f"microgrid fault desk {name}", eager_start=False
        )
        task.add_done_callback(partial(self._ended, name))

    @callback
    def _ended(self, name: str, task: asyncio.Task[None]) -> None:
        if self._tasks.get(name) is task:  # and not its successor
            del self._tasks[name]

    async def _open(self) -> None:
        if await self.shelf.open():
            try:
                await self._load()
            except ArchiveError as error:
                self.shelf.set_trouble(str(error))

    async def _mind(self, error: ArchiveError) -> None:
        """Take note of a refusal; a damaged store is opened anew, which repairs it."""
        if await self.shelf.mind(error):
            self._reconciled = False
            await self._open()

    async def _load(self) -> None:
        for fault, analysis in await self.shelf.read(self.shelf.opened.latest):
            self.latest[fault.node] = Known(fault, analysis)
            self._tell_listeners(fault.node)

    async def _refresh(self, node_id: str) -> None:
        for fault, analysis in await self.shelf.read(self.shelf.opened.latest, node_id):
            self.latest[node_id] = Known(fault, analysis)
            self._tell_listeners(node_id)

    async def _show(self, event_id: str) -> None:
        await self._refresh((await self.shelf.fault(event_id)).node)
        self.shelf.set_trouble(None)

    @callback
    def _tell_listeners(self, node_id: str) -> None:
        for listener in tuple(self._listeners):
            listener(node_id)


def _details(store: FaultStore, event_id: str) -> Details | None:
    if (fault := store.get(event_id)) is None:
        return None
    return Details(
        fault,
        tuple(store.members(event_id)),
        tuple(store.parts(event_id)),
        tuple(store.analyses(event_id)),
        tuple(store.annotations(event_id)),
    )


def _unread(parts: Sequence[StoredPart], analyses: Sequence[Analysis]) -> bool:
    """Whether a stop came between a snapshot and its analysis."""
    analyzed_us = max((one.made_us for one in analyses), default=0)
    return any(part.stored_us > analyzed_us for part in parts)


def _stored_case(store: FaultStore, found: Details) -> StoredCase:
    fault = found.fault
    return StoredCase(
        fault,
        found.members,
        {key: store.path(part) for key, part in best(found.parts).items()},
        tuple(store.past(fault.node, fault.code, fault.time_us, MAX_PAST)),
    )


def _logged(archive: Archive, start_us: int | None, now_us: int) -> tuple[list[RecordedFault], list[_Logged]]:
    """Return the faults that the log tells, and their ends."""
    faults: list[RecordedFault] = []
    ends: list[_Logged] = []
    for found in archive.events(start_us=start_us, types=(EventType.FAULT.value,)):
        event = found.event
        if event.state >= len(EVENT_STATES) or event.severity >= len(SEVERITIES):
            continue  # of a later version
        if not well_named(event):
            continue
        at_us = found.utc_us
        if at_us is not None and not plausible_us(at_us, now_us):
            at_us = None
        state = EVENT_STATES[event.state]
        if state == EventState.RAISED:
            severity = SEVERITIES[event.severity]
            faults.append(
                RecordedFault(event.event_id, found.node, event.code, severity, at_us, now_us, late=True)
            )
        elif state == EventState.CLEARED and at_us is not None:
            ends.append((found.node, event.code, at_us))
    return faults, ends


def iso(utc_us: int) -> str:
    """Return a time as the contract writes it."""
    return format_time(datetime.fromtimestamp(utc_us / 1e6, UTC))


def _us(time: datetime) -> int:
    return round(time.timestamp() * 1e6)
