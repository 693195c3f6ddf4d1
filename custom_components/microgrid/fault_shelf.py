"""The fault store as the fault desk uses it: in the executor, one writer at a time, mended when damaged."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from functools import partial
from pathlib import Path

from homeassistant.core import HomeAssistant, callback

from .core.archive.errors import ArchiveDamaged, ArchiveError, NewerArchive
from .core.archive.faults.records import RecordedFault
from .core.archive.faults.store import FaultStore
from .hold_still import hold_still

_LOGGER = logging.getLogger(__name__)


class FaultShelf:
    """Opens the store, keeps it for those who read and write, and says what is wrong with it."""

    def __init__(self, hass: HomeAssistant, folder: Path) -> None:
        """Be closed; `folder` is made when it is not there."""
        self._hass = hass
        self._folder = folder
        self._writing = asyncio.Lock()
        self._listeners: list[Callable[[], None]] = []
        self.store: FaultStore | None = None
        """None while it cannot be opened."""
        self.trouble: str | None = None
        """Why nothing is stored at the moment."""

    @property
    def opened(self) -> FaultStore:
        """The store; raises ArchiveError while there is none."""
        if self.store is None:
            raise ArchiveError(self.trouble or "the fault store is closed")
        return self.store

    @callback
    def on_trouble(self, listener: Callable[[], None]) -> None:
        """Call `listener` whenever `trouble` changes."""
        self._listeners.append(listener)

    async def open(self) -> bool:
        """Open the store unless it is open; True when it was opened now."""
        if self.store is not None:
            return False
        try:
            self.store = await self._hass.async_add_executor_job(FaultStore, self._folder)
        except (ArchiveError, NewerArchive, OSError) as error:
            self.set_trouble(f"the fault store cannot be opened: {error}")
            return False
        self.set_trouble(None)
        for finding in self.store.findings:
            _LOGGER.warning("fault store repaired: %s", finding)
        return True

    async def close(self) -> None:
        """Close the store."""
        if self.store is not None:
            store, self.store = self.store, None
            await self.write(store.close)

    async def mind(self, error: ArchiveError) -> bool:
        """Take note of a refusal; a damaged store is closed, opening it again repairs it. True if it was."""
        self.set_trouble(str(error))
        if not isinstance(error, ArchiveDamaged) or self.store is None:
            return False
        await self.close()
        return True

    @callback
    def set_trouble(self, trouble: str | None) -> None:
        """Remember what is wrong, None when something was stored."""
        if trouble is not None and trouble != self.trouble:
            _LOGGER.error("faults are not being stored: %s", trouble)
        changed, self.trouble = trouble != self.trouble, trouble
        if changed:
            for listener in self._listeners:
                listener()

    async def write[**P, T](self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Do something in the executor that changes the store; it waits while a backup copies the files."""
        async with self._writing:
            job = self._hass.async_add_executor_job(partial(work, *args, **kwargs))
            try:
                return await asyncio.shield(job)
            except asyncio.CancelledError:  # the thread goes on: what it writes into must not be closed
                await asyncio.wait([job])
                raise

    async def read[**P, T](self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Ask the store something in the executor."""
        return await self._hass.async_add_executor_job(partial(work, *args, **kwargs))

    async def fault(self, event_id: str) -> RecordedFault:
        """Return a fault; raises LookupError."""
        if (found := await self.read(self.opened.get, event_id)) is None:
            raise LookupError(f"no fault {event_id}")
        return found

    async def hold(self) -> None:
        """Leave the files whole and as they are until `release`: a backup copies them."""
        await hold_still(self._hass, self._writing, self._checkpoint)

    def _checkpoint(self) -> None:
        if (store := self.store) is not None:
            store.checkpoint()

    @callback
    def release(self) -> None:
        """Go on."""
        self._writing.release()
