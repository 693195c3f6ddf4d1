"""The scribe: logs the readings of nodes that keep no log, with the times at which they were made.

Heat pump nodes send what they buffered during an outage along with the newest reading. All of it goes into
the archive, once, however often it is sent; the live values take only what tells the present.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime
from typing import Final

from homeassistant.core import HomeAssistant, callback

from .core.archive.archive import Archive
from .core.archive.errors import ArchiveUnavailable
from .core.model.log_channels import ARRIVAL, CLOCK
from .core.model.metric import DeviceKind
from .core.model.reading_log import Reading, ReadingLog, time_us

_LOGGER = logging.getLogger(__name__)

type _Log = tuple[str, bool]
"""A node, and whether the times of its readings are only those of their arrival."""

MAX_WAITING: Final = 20_000
"""Readings in memory while the disk refuses: those of twenty nodes in some hours."""


type Write = Callable[..., Awaitable[None]]
"""Does something in the executor that changes the archive, when that may be."""


class Scribe:
    """Takes readings and has them stored."""

    def __init__(self, hass: HomeAssistant, archive: Callable[[], Archive | None], write: Write) -> None:
        """Know where readings go; `archive` returns None while there is none."""
        self._hass = hass
        self._archive = archive
        self._write = write
        self._logs: dict[_Log, ReadingLog] = {}
        self._waiting: dict[_Log, list[Reading]] = {}
        self._task: asyncio.Task[None] | None = None
        self.dropped = 0
        """Readings that found no room while the disk refused."""

    @callback
    def take(
        self,
        node_id: str,
        kind: DeviceKind,
        readings: Sequence[tuple[datetime, Mapping[str, object]]],
        *,
        on_arrival: bool = False,
    ) -> None:
        """Take readings of a node, dated by its own clock or `on_arrival`, which the log tells."""
        log = (node_id, on_arrival)
        if log not in self._logs:
            clock = ARRIVAL if on_arrival else CLOCK
            self._logs[log] = ReadingLog(node_id, kind, lambda: random.getrandbits(32), clock)
        room = MAX_WAITING - sum(map(len, self._waiting.values()))
        self._waiting.setdefault(log, []).extend(readings[:room])
        if room < len(readings):
            self.dropped += len(readings) - room
            _LOGGER.warning("%d readings of %s are lost: the archive refuses", len(readings) - room, node_id)
        self.store_soon()

    @callback
    def store_soon(self) -> None:
        """Store what waits."""
        if self._waiting and (self._task is None or self._task.done()):
            self._task = self._hass.async_create_background_task(self._store(), "microgrid scribe")

    async def async_stop(self) -> None:
        """Store what waits, before the archive is closed."""
        if self._task is not None:
            await asyncio.gather(self._task, return_exceptions=True)
        await self._store()

    async def _store(self) -> None:
        while self._waiting and (archive := self._archive()) is not None:
            log, waiting = next(iter(self._waiting.items()))
            node_id, _ = log
            readings = waiting.copy()
            try:
                await self._write(_append, archive, node_id, self._logs[log], readings)
            except ArchiveUnavailable as error:
                _LOGGER.debug("readings of %s wait: %s", node_id, error)
                return
            del waiting[: len(readings)]
            if not waiting:
                del self._waiting[log]


def _append(archive: Archive, node_id: str, log: ReadingLog, readings: list[Reading]) -> None:
    """Append the readings that the archive does not have."""
    times = [time_us(time) for time, _ in readings]
    known: set[int] = set()
    for series in archive.series(node_id, None, min(times), max(times) + 1).values():
        known.update(series.times_us.tolist())
    fresh = {at_us: reading for at_us, reading in zip(times, readings, strict=True) if at_us not in known}
    if frames := log.frames(fresh.values()):
        archive.append(node_id, frames)
