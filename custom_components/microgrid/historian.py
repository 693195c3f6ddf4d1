"""The historian: keeps every frame that nodes log, and tells each node what it may forget.

Frames wait in a queue of bounded size and are stored in groups by one worker; a node is answered after its
frames are on disk. What finds the queue full, or a disk that refuses, is not answered: the node keeps it and
sends again.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import sqlite3
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Final

from homeassistant.core import CALLBACK_TYPE, HomeAssistant, callback
from homeassistant.helpers.event import async_call_later, async_track_time_interval

from .core.archive.append import Appended, Gap, Position
from .core.archive.archive import Archive, Sizes
from .core.archive.errors import ArchiveDamaged, ArchiveError, ArchiveUnavailable, NewerArchive
from .core.archive.retention import Retention
from .core.codec.umg1.frame import Frame
from .core.codec.umg1.records import Event
from .core.contract.messages import NodeEvent
from .core.model.logged_event import logged_event
from .hold_still import hold_still

_LOGGER = logging.getLogger(__name__)

MAX_WAITING_BYTES: Final = 8 << 20
"""Of frames in memory: minutes of a large swarm, or a second of one that catches up."""
RETRY_S: Final = 10.0
ROLL_UP_S: Final = 300.0
ROLL_UP_BATCHES: Final = 1
"""Hours of a node that are rolled up at a time: frames that come meanwhile wait so long, not for all."""
FIRST_ROLL_UP_S: Final = 60.0
"""After the start: most nodes have sent by then what they kept meanwhile."""
RETENTION_S: Final = 3600.0
MEND_S: Final = 3600.0
"""Between two repairs of the index at least: a medium that breaks what was just made is none for a third."""

type Acknowledge = Callable[[str, Position], None]
type EventsListener = Callable[[str, list[NodeEvent], datetime | None], None]
"""Gets a node, new events of its log, and the time of the newest frame that came."""
type GapsListener = Callable[[str, tuple[Gap, ...]], None]


@dataclass(slots=True)
class Received:
    """What came in since the start."""

    frames: int = 0
    duplicates: int = 0
    damaged: int = 0
    """Stretches of bytes that are no frames."""
    refused_events: int = 0
    """Events with a code or id that is none, or that a later version understands; they are kept as logged."""
    lost: int = 0
    """Frames that their nodes no longer had."""
    turned_away: int = 0
    """Messages that found the queue full or the disk unwilling; their nodes send them again."""


@dataclass(frozen=True, slots=True)
class Figures:
    """How large and how old the archive is."""

    bytes_used: int
    bytes_free: int
    oldest: datetime | None
    newest: datetime | None
    """Samples in the files; older ones live on as minutes, hours and days."""


@dataclass(slots=True)
class _Waiting:
    """Payloads per node, in the order they came."""

    payloads: dict[str, list[bytes]] = field(default_factory=dict)
    size: int = 0

    def add(self, node_id: str, payload: bytes) -> None:
        self.payloads.setdefault(node_id, []).append(payload)
        self.size += len(payload)


class Historian:
    """The archive, joined to Home Assistant."""

    def __init__(
        self, hass: HomeAssistant, folder: Path, acknowledge: Acknowledge, retention: Retention
    ) -> None:
        """Know where the archive lies, how long it keeps what, and how to answer a node."""
        self._hass = hass
        self._folder = folder
        self._acknowledge = acknowledge
        self._retention = retention
        self._waiting = _Waiting()
        self._worker: asyncio.Task[None] | None = None
        self._stopping = asyncio.Event()
        self._cancel: list[CALLBACK_TYPE] = []
        self._listeners: list[Callable[[], None]] = []
        self._on_events: list[EventsListener] = []
        self._on_gaps: list[GapsListener] = []
        self._on_upkeep: list[Callable[[], None]] = []
        self.archive: Archive | None = None
        """None while it cannot be opened."""
        self._writing = asyncio.Lock()
        self._rolling_up = False
        self._mended_at: float | None = None
        self.received = Received()
        self.trouble: str | None = None
        """Why nothing is stored at the moment."""

    async def async_start(self) -> None:
        """Open the archive, now or as soon as that is possible, and begin to store."""
        await self._open()
        self._cancel.append(async_call_later(self._hass, FIRST_ROLL_UP_S, self._roll_up))
        for interval_s, work in ((ROLL_UP_S, self._roll_up), (RETENTION_S, self._enforce_retention)):
            self._cancel.append(
                async_track_time_interval(
                    self._hass, work, timedelta(seconds=interval_s), cancel_on_shutdown=True
                )
            )

    async def async_stop(self) -> None:
        """Store what waits and close."""
        while self._cancel:
            self._cancel.pop()()
        self._stopping.set()
        try:
            if self._worker is not None:
                # Not cancelled: the executor would go on writing into what is being closed.
                await asyncio.wait([self._worker])
            if self.archive is None:
                async with self._writing:
                    pass  # what is being mended is there afterwards
            if self.archive is not None:
                await self._store_waiting()
        finally:
            if self.archive is not None:
                archive, self.archive = self.archive, None
                await self.write(archive.close)

    @callback
    def on_trouble(self, listener: Callable[[], None]) -> None:
        """Call `listener` whenever `trouble` changes."""
        self._listeners.append(listener)

    @callback
    def on_events(self, listener: EventsListener) -> None:
        """Call `listener` with the events of every log that is stored."""
        self._on_events.append(listener)

    @callback
    def on_gaps(self, listener: GapsListener) -> None:
        """Call `listener` when a node no longer had a part of its log."""
        self._on_gaps.append(listener)

    @callback
    def on_upkeep(self, listener: Callable[[], None]) -> None:
        """Call `listener` when roll-ups were computed."""
        self._on_upkeep.append(listener)

    @callback
    def take(self, node_id: str, payload: bytes) -> None:
        """Take frames of a node; it hears of them when they are on disk."""
        if self._waiting.size + len(payload) > MAX_WAITING_BYTES:
            self.received.turned_away += 1
            return
        self._waiting.add(node_id, payload)
        if self._worker is None or self._worker.done():
            self._worker = self._hass.async_create_background_task(self._store(), "microgrid historian")

    async def sizes(self) -> Sizes | None:
        """Return what the archive takes on disk."""
        if self.archive is None:
            return None
        return await self._hass.async_add_executor_job(self.archive.sizes)

    async def figures(self) -> Figures | None:
        """Return how large and how old the archive is."""
        if (archive := self.archive) is None:
            return None
        return await self._hass.async_add_executor_job(_figures, archive)

    async def losses(self, node_id: str) -> list[tuple[int, int, int]]:
        """Return what a node itself reported as lost: boot id, first and last seq."""
        if (archive := self.archive) is None:
            return []
        return await self._hass.async_add_executor_job(_losses, archive, node_id)

    @property
    def held(self) -> bool:
        """Whether the archive must not be changed now, or is being changed."""
        return self._writing.locked()

    async def write[**P, T](self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Do something in the executor that changes the archive; it waits while a backup copies the files.

        Begun, it ends before anything else is written, also when the caller is cancelled.
        """
        async with self._writing:
            job = self._hass.async_add_executor_job(partial(work, *args, **kwargs))
            try:
                return await asyncio.shield(job)
            except asyncio.CancelledError:
                await asyncio.wait([job])
                raise

    async def hold(self) -> None:
        """Leave the files of the archive whole and as they are until `release`: a backup copies them.

        What nodes send meanwhile waits; what finds no more room they send again.
        """
        await hold_still(self._hass, self._writing, self._checkpoint)

    @callback
    def release(self) -> None:
        """Go on."""
        self._writing.release()

    # ------------------------------------------------------------------------------------------------- inside

    def _checkpoint(self) -> None:
        if (archive := self.archive) is not None:
            archive.checkpoint()

    async def _open(self) -> None:
        try:
            self.archive = await self._hass.async_add_executor_job(
                partial(Archive, self._folder, retention=self._retention)
            )
        except (ArchiveError, NewerArchive, OSError) as error:
            self._set_trouble(f"the archive cannot be opened: {error}")
            return
        self._set_trouble(None)
        for finding in self.archive.findings:
            _LOGGER.warning("archive repaired: %s", finding)

    async def _store(self) -> None:
        """Store until nothing waits; while the disk refuses, try now and then."""
        while self._waiting.size:
            if self.archive is not None and await self._store_waiting():
                continue
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(RETRY_S):
                    await self._stopping.wait()
                return
            if self.archive is None:
                await self._open()

    async def _store_waiting(self) -> bool:
        """Store what waits; returns False when the disk refused."""
        assert self.archive is not None
        taken, self._waiting = self._waiting, _Waiting()
        while taken.payloads:
            node_id, payloads = next(iter(taken.payloads.items()))
            try:
                appended = await self.write(self.archive.append, node_id, payloads, in_order=True)
            except ArchiveUnavailable as error:
                self.received.turned_away += sum(map(len, taken.payloads.values()))
                await self._mind(error)
                return False
            except Exception:  # what one node sends must not cost the others theirs
                self.received.turned_away += len(payloads)
                _LOGGER.exception("log of %s: %d messages could not be stored", node_id, len(payloads))
                del taken.payloads[node_id]
                continue
            del taken.payloads[node_id]
            try:
                await self._pass_on(self.archive, node_id, appended)
            except Exception:
                _LOGGER.exception("log of %s: stored, but its news could not be passed on", node_id)
        self._set_trouble(None)
        return True

    async def _pass_on(self, archive: Archive, node_id: str, appended: Appended) -> None:
        """Answer the node and tell those who listen."""
        self._note(node_id, appended)
        events: list[NodeEvent] = []
        if appended.events:
            events = await self._hass.async_add_executor_job(
                _events, archive, node_id, appended.events, time.time_ns() // 1000
            )
            self.received.refused_events += len(appended.events) - len(events)
        newest = _time(appended.newest_us) if appended.newest_us else None
        for tell_events in self._on_events:
            tell_events(node_id, events, newest)
        if appended.gaps:
            for tell_gaps in self._on_gaps:
                tell_gaps(node_id, appended.gaps)

    @callback
    def _note(self, node_id: str, appended: Appended) -> None:
        self.received.frames += appended.stored
        self.received.duplicates += appended.duplicates
        self.received.damaged += len(appended.refused)
        for gap in appended.gaps:
            self.received.lost += gap.last_seq - gap.first_seq + 1
            _LOGGER.warning(
                "log of %s: %d to %d of boot %08x are lost: it no longer had them",
                node_id,
                gap.first_seq,
                gap.last_seq,
                gap.boot_id,
            )
        for reason in appended.refused[:1]:
            _LOGGER.warning("log of %s: %s", node_id, reason)
        if appended.acknowledged is not None:
            self._acknowledge(node_id, appended.acknowledged)

    async def _roll_up(self, now: datetime) -> None:
        if (archive := self.archive) is not None and not self._rolling_up:
            self._rolling_up = True
            try:
                async with self._reporting():
                    for node_id in await self._hass.async_add_executor_job(archive.nodes):
                        # One that is mended meanwhile is another one.
                        while not self._stopping.is_set() and self.archive is archive:
                            began_s = self._hass.loop.time()
                            if await self.write(archive.roll_up, node_id, ROLL_UP_BATCHES) < ROLL_UP_BATCHES:
                                break
                            if self._waiting.size:  # half of the time belongs to what arrives
                                await asyncio.sleep(self._hass.loop.time() - began_s)
            finally:
                self._rolling_up = False
            if self._stopping.is_set():
                return
            for listener in self._on_upkeep:
                listener()

    async def _enforce_retention(self, now: datetime) -> None:
        if self.archive is not None:
            async with self._reporting():
                report = await self.write(self.archive.enforce_retention)
                for forced in report.forced:
                    _LOGGER.warning("archive: %s was deleted to stay within its size", forced)

    @contextlib.asynccontextmanager
    async def _reporting(self) -> AsyncIterator[None]:
        """Turn a refusing disk into trouble that the user sees."""
        try:
            yield
        except ArchiveUnavailable as error:
            await self._mind(error)

    async def _mind(self, error: ArchiveUnavailable) -> None:
        """Take note of a refusal; a damaged index is made again, since a restart may not notice it."""
        self._set_trouble(str(error))
        if not isinstance(error, ArchiveDamaged) or self.archive is None:
            return
        now = self._hass.loop.time()
        if self._mended_at is not None and now < self._mended_at + MEND_S:
            return
        self._mended_at = now
        archive, self.archive = self.archive, None
        try:
            self.archive = await self.write(self._mend, archive)
        except (ArchiveError, NewerArchive, sqlite3.Error, OSError) as failure:
            self._set_trouble(f"the archive cannot be opened: {failure}")

    def _mend(self, archive: Archive) -> Archive:
        """Make the index again; return another archive, so that whoever held the old one takes notice."""
        try:
            for finding in archive.rebuild():
                _LOGGER.warning("archive repaired: %s", finding)
        finally:
            archive.close()
        return Archive(self._folder, retention=self._retention)

    @callback
    def _set_trouble(self, trouble: str | None) -> None:
        if (self.trouble is None) != (trouble is None):
            if trouble is not None:
                _LOGGER.error("readings are not being stored: %s; nodes keep theirs meanwhile", trouble)
            else:
                _LOGGER.info("readings are being stored in %s", self._folder)
        changed, self.trouble = trouble != self.trouble, trouble
        if changed:
            for listener in self._listeners:
                listener()


def _events(archive: Archive, node_id: str, frames: tuple[Frame, ...], now_us: int) -> list[NodeEvent]:
    schemas = archive.schemas(node_id)
    found = (logged_event(frame, schemas.get(frame.schema_hash), now_us) for frame in frames)
    return [event for event in found if event is not None]


def _losses(archive: Archive, node_id: str) -> list[tuple[int, int, int]]:
    events: list[Event] = [found.event for found in archive.events(node_id, types=["overflow"])]
    return [
        (event.lost.boot_id, event.lost.first_seq, event.lost.last_seq)
        for event in events
        if event.lost is not None
    ]


def _figures(archive: Archive) -> Figures:
    sizes, extent = archive.sizes(), archive.extent_us()
    return Figures(
        sizes.log + sizes.index,
        sizes.free,
        _time(extent[0]) if extent else None,
        _time(extent[1]) if extent else None,
    )


def _time(utc_us: int) -> datetime:
    return datetime.fromtimestamp(utc_us / 1e6, UTC)
