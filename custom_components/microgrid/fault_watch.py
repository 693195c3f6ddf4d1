"""Watches which critical faults are open, from the store: what a restart must not make anybody forget."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

from homeassistant.components.http.auth import async_sign_path
from homeassistant.core import HomeAssistant, callback
from homeassistant.util import dt as dt_util

from .const import DOMAIN
from .core.archive.errors import ArchiveError
from .core.archive.faults.records import Analysis, Annotation, RecordedFault
from .core.contract.messages import Severity
from .core.model.swarm import SITE_ID, Change, NodeChanged, NodeRemoved, Swarm

if TYPE_CHECKING:
    from .fault_desk import FaultDesk

REPORT_URL: Final = f"/api/{DOMAIN}/faults"
"""Followed by the entry and the event."""
LINK_LASTS: Final = timedelta(days=90)
"""A signed link; it is made anew at every start and with everything that happens to the fault."""
ACKNOWLEDGED: Final = "acknowledged"
"""The note of those who only say that they know."""


@dataclass(frozen=True, slots=True)
class OpenFault:
    """A critical fault that is neither over nor acknowledged."""

    fault: RecordedFault
    analysis: Analysis | None
    name: str
    """What people call the node."""
    report: str | None
    """Path of its report, signed; None without a web server."""


type Show = Callable[[str, list[OpenFault]], None]
"""Gets a node and all its open faults, one of each code."""


class FaultWatch:
    """Looks again whenever something happens to a fault of a node that is here."""

    def __init__(self, hass: HomeAssistant, entry_id: str, swarm: Swarm, desk: FaultDesk, show: Show) -> None:
        """Follow nodes and faults; a node that has left for good needs no repair."""
        self._hass = hass
        self._entry_id = entry_id
        self._swarm = swarm
        self._desk = desk
        self._show = show
        self._looking: dict[str, asyncio.Task[None]] = {}
        self._again: set[str] = set()
        self._cancel = [swarm.subscribe(self._changed), desk.on_change(self.look)]

    async def async_stop(self) -> None:
        """Stop looking."""
        while self._cancel:
            self._cancel.pop()()
        tasks = list(self._looking.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    @callback
    def look(self, node_id: str) -> None:
        """Look what is open at a node; once more when it is asked meanwhile."""
        if node_id not in self._swarm.nodes or node_id == SITE_ID:
            return
        if node_id in self._looking:
            self._again.add(node_id)
            return
        self._looking[node_id] = self._hass.async_create_background_task(
            self._look(node_id), f"microgrid open faults of {node_id}", eager_start=False
        )

    async def acknowledge(self, event_id: str, author: str | None = None) -> None:
        """Remember that somebody knows of a fault; raises LookupError and ArchiveError."""
        note = Annotation(round(dt_util.utcnow().timestamp() * 1e6), author, None, ACKNOWLEDGED)
        store = self._desk.shelf.opened
        await self._desk.shelf.write(store.annotate, event_id, note)
        if (found := await self._desk.shelf.read(store.get, event_id)) is not None:
            self.look(found.node)

    @callback
    def _changed(self, change: Change) -> None:
        if isinstance(change, NodeChanged) and change.added:
            self.look(change.node.node_id)
        elif isinstance(change, NodeRemoved):
            self._show(change.node.node_id, [])

    async def _look(self, node_id: str) -> None:
        try:
            while True:
                self._again.discard(node_id)
                await self._show_open(node_id)
                if node_id not in self._again:
                    return
        finally:
            del self._looking[node_id]

    async def _show_open(self, node_id: str) -> None:
        try:
            found = await self._desk.shelf.read(
                self._desk.shelf.opened.open_faults, node_id, Severity.CRITICAL.value
            )
        except ArchiveError:  # the desk says what is wrong with the store; what is shown stays
            return
        if node_id in self._swarm.nodes:  # and has not left meanwhile
            name = self._desk.name(node_id)
            self._show(node_id, [OpenFault(*one, name, self._report(one[0].event_id)) for one in found])

    def _report(self, event_id: str) -> str | None:
        if "http" not in self._hass.config.components:
            return None
        path = f"{REPORT_URL}/{self._entry_id}/{quote(event_id, safe='')}"
        return async_sign_path(self._hass, path, LINK_LASTS, use_content_user=True)
