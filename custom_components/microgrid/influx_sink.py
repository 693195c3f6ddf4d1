"""The InfluxDB sink: sends what the archive holds, at its own pace, and waits when the server cannot.

The archive remembers how far it came, so a server may be away for weeks and lacks nothing afterwards.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import sqlite3
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers.aiohttp_client import async_get_clientsession
from homeassistant.helpers.storage import Store

from .const import DOMAIN
from .core.archive.archive import Archive
from .core.archive.errors import ArchiveError
from .core.influx.answers import Verdict
from .core.influx.connect import connect
from .core.influx.delivery import Postponed, deliver
from .core.influx.server import (
    InfluxError,
    Made,
    Server,
    Sink,
    Step,
    Unauthorised,
    detect,
)
from .core.influx.settings import InfluxSettings
from .influx_feed import Change, Feed, Identity, Parcel

_LOGGER = logging.getLogger(__name__)

INTERVAL_S: Final = 60.0
RETRY_S: Final = 2.0
MAX_RETRY_S: Final = 300.0
BIRTHS_S: Final = 60.0
"""Births are retained: a node that did not show until then after the start is gone for good."""
SAVE_AFTER_S: Final = 10.0
_STORAGE_VERSION: Final = 1
_EXPECTED: Final = (InfluxError, Postponed, ArchiveError, sqlite3.Error, OSError, ValueError)

type Write = Callable[..., Awaitable[Any]]
"""Does something in the executor that changes the archive, when that may be."""


@dataclass(slots=True)
class Sent:
    """What happened since the start."""

    lines: int = 0
    dropped: int = 0
    """Lines that the server refused for good."""
    last_refusal: str = ""
    batches: int = 0
    failures: int = 0
    """Attempts that ended early: the server was away, busy or refused us."""


class InfluxSink:
    """The sink of one swarm."""

    def __init__(
        self,
        hass: HomeAssistant,
        entry_id: str,
        swarm: str,
        settings: InfluxSettings | None,
        *,
        archive: Callable[[], Archive | None],
        write: Write,
        nodes: Callable[[], Mapping[str, Identity]],
        unauthorised: Callable[[], None],
    ) -> None:
        """Know where to read and to write; without settings it only forgets an earlier server."""
        self._hass = hass
        self._swarm = swarm
        self._settings = settings
        self._archive = archive
        self._write = write
        self._nodes = nodes
        self._unauthorised = unauthorised
        self._store: Store[dict[str, Any]] = Store(hass, _STORAGE_VERSION, storage_key(entry_id))
        self._stored: dict[str, Any] = {}
        self._identities: dict[str, Identity] = {}
        self._task: asyncio.Task[None] | None = None
        self._started = 0.0
        self._sink: Sink | None = None
        self._feed: Feed | None = None
        self._fed: Archive | None = None
        self._asked_for_access = False
        self._unsaved = False
        self._listeners: list[Callable[[], None]] = []
        self.server: Server | None = None
        self.steps: list[Step] = []
        """What the last provisioning found and made."""
        self.sent = Sent()
        self.trouble: str | None = None
        """Why nothing is sent at the moment."""
        self.complete_s: float | None = None
        """When (UTC) everything that was there had last been sent."""
        self.newest_s: float | None = None
        """Time of the newest reading that was sent."""

    @property
    def configured(self) -> bool:
        """Whether there is a server to send to."""
        return self._settings is not None

    async def async_start(self) -> None:
        """Begin to send."""
        self._stored = await self._store.async_load() or {}
        self._identities = {node: Identity(*values) for node, values in self._stored.get("nodes", {}).items()}
        self._started = time.monotonic()
        if self._settings is not None or self._stored.get("cursor"):
            self._task = self._hass.async_create_background_task(self._run(), "microgrid influx sink")

    async def async_stop(self) -> None:
        """Stop; what was not confirmed is sent again next time. Call it before the archive is closed."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None
        await self._disconnect()
        if self._unsaved:
            await self._store.async_save(self._stored)

    @staticmethod
    async def async_forget(hass: HomeAssistant, entry_id: str) -> None:
        """Delete what was stored."""
        await Store[dict[str, Any]](hass, _STORAGE_VERSION, storage_key(entry_id)).async_remove()

    @callback
    def on_change(self, listener: Callable[[], None]) -> Callable[[], None]:
        """Call `listener` after each attempt; returns what ends that."""
        self._listeners.append(listener)
        return partial(self._listeners.remove, listener)

    def delay_s(self) -> float | None:
        """Return the age of the oldest reading that may be missing; None while nothing was ever sent."""
        return None if self.complete_s is None else max(0.0, time.time() - self.complete_s)

    async def behind(self) -> int | None:
        """Return the bytes of the log that wait."""
        feed = self._feed
        if feed is None or self._archive() is not self._fed:
            return None
        return sum((await self._hass.async_add_executor_job(feed.behind)).values())

    # ------------------------------------------------------------------------------------------------- inside

    async def _run(self) -> None:
        failures = 0
        while True:
            try:
                finished = await self._attempt()
            except Exception as error:  # what nobody thought of must not end the sink: it would be silent
                if not isinstance(error, _EXPECTED) and self.trouble is None:
                    _LOGGER.exception("sending to InfluxDB failed")
                failures += 1
                self.sent.failures += 1
                self._note_trouble(error)
                await self._disconnect()
                wait_s = min(MAX_RETRY_S, RETRY_S * 2 ** min(failures - 1, 10))
            else:
                if finished:
                    return
                failures = 0
                self._note_success()
                wait_s = INTERVAL_S
            for listener in list(self._listeners):
                listener()
            await asyncio.sleep(wait_s)

    async def _attempt(self) -> bool:
        """Send all there is; returns True when there will never be more to do."""
        archive = self._archive()
        if archive is None:
            raise ArchiveError("the archive is not open")
        await self._settle_cursor(archive)
        if self._settings is None:
            return True
        if self._feed is None or self._fed is not archive:
            make = partial(Feed, archive, self._cursor, self._swarm, self._identities)
            self._feed = await self._write(make)
            self._fed = archive
        if self._sink is None:
            await self._connect(self._settings, self._feed)
        assert self._sink is not None
        self._remember_nodes()
        self._feed.infer = time.monotonic() - self._started > BIRTHS_S
        begun_s = time.time()
        steps = self._feed.steps()
        try:
            while (step := await self._block(partial(next, steps, None))) is not None:
                if isinstance(step, Change):
                    await self._write(step.make)
                else:
                    await self._deliver(self._sink, step)
        finally:
            await self._block(steps.close)
        if not self._feed.held:
            self.complete_s = begun_s
        return False

    async def _deliver(self, sink: Sink, parcel: Parcel) -> None:
        outcome = await deliver(sink, parcel.policy, parcel.lines)
        self.sent.batches += 1
        self.sent.lines += outcome.stored
        if parcel.newest_s:
            self.newest_s = max(self.newest_s or 0.0, min(parcel.newest_s, time.time()))
        if outcome.dropped:
            if not self.sent.dropped:
                _LOGGER.warning(
                    "InfluxDB refused %d points of %s for good: %s; further ones are only counted",
                    outcome.dropped,
                    parcel.policy.name,
                    outcome.reason,
                )
            self.sent.dropped += outcome.dropped
            self.sent.last_refusal = outcome.reason

    async def _connect(self, settings: InfluxSettings, feed: Feed) -> None:
        """Find out who is there and make what is missing; what was just made is filled from the beginning."""
        access = await self._block(settings.access)
        session = async_get_clientsession(self._hass)
        self.server = await detect(session, access)
        sink = await connect(session, access, self.server)
        try:
            self.steps = await sink.provision()
        except BaseException:
            await sink.close()
            raise
        self._sink = sink
        if any(step.made is Made.CREATED for step in self.steps):
            await self._write(feed.restart)
        _LOGGER.info("sending to InfluxDB %s", self.server.version)

    async def _disconnect(self) -> None:
        sink, self._sink = self._sink, None
        if sink is not None:
            await sink.close()

    @property
    def _cursor(self) -> str:
        """Name of the cursor: another server is fed from the beginning."""
        if self._settings is None:
            return ""
        return f"influx-{hashlib.sha256(self._settings.url.encode()).hexdigest()[:12]}"

    async def _settle_cursor(self, archive: Archive) -> None:
        """Have the archive forget the cursor of a server that we send to no longer."""
        before = self._stored.get("cursor", "")
        if before == self._cursor:
            return
        if before:
            await self._write(lambda: archive.cursor(before).remove())
        self._stored = {**self._stored, "cursor": self._cursor}
        await self._store.async_save(self._stored)

    @callback
    def _remember_nodes(self) -> None:
        """Keep what nodes are: those that left may still have readings to be sent, under the same tags."""
        known = dict(self._nodes())
        if known.items() <= self._identities.items():
            return
        self._identities.update(known)
        self._stored = {
            **self._stored,
            "nodes": {node: [found.kind, found.cluster] for node, found in self._identities.items()},
        }
        self._store.async_delay_save(lambda: self._stored, SAVE_AFTER_S)
        self._unsaved = True

    async def _block[T](self, work: Callable[[], T]) -> T:
        """Run what blocks in the executor, to its end also when we are cancelled: it reads the archive."""
        job = self._hass.async_add_executor_job(work)
        try:
            return await asyncio.shield(job)
        except asyncio.CancelledError:
            await asyncio.wait([job])
            raise

    @callback
    def _note_trouble(self, error: Exception) -> None:
        refused = isinstance(error, Unauthorised) or (
            isinstance(error, Postponed) and error.answer.verdict is Verdict.UNAUTHORISED
        )
        if self.trouble is None:
            _LOGGER.warning("nothing is sent to InfluxDB: %s; it will lack nothing later", error)
        self.trouble = str(error) or type(error).__name__
        if refused and not self._asked_for_access:
            self._asked_for_access = True
            self._unauthorised()

    @callback
    def _note_success(self) -> None:
        if self.trouble is not None:
            _LOGGER.info("InfluxDB takes what is sent again")
        self.trouble = None
        self._asked_for_access = False


def storage_key(entry_id: str) -> str:
    """Return where an entry's sink keeps what it has to know after a restart."""
    return f"{DOMAIN}.{entry_id}.influx"
