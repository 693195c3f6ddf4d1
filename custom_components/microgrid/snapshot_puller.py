"""Pulls the recordings of a fault: knows who should have one and asks for what is missing."""

from __future__ import annotations

import contextlib
import logging
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Final

from homeassistant.core import HomeAssistant
from homeassistant.exceptions import HomeAssistantError

from .core.archive.faults.records import Member, RecordedFault, StoredPart, best
from .core.archive.faults.store import snapshot_of
from .core.contract.snapshot import (
    ListedSnapshot,
    SnapshotChunk,
    SnapshotList,
    SnapshotPart,
    SnapshotState,
)
from .core.model.swarm import Swarm
from .fault_shelf import FaultShelf

if TYPE_CHECKING:
    from .sources.snapshot_mqtt import SnapshotMqtt

_LOGGER = logging.getLogger(__name__)

MAX_MEMBERS: Final = 64
_MAX_REFUSED: Final = 1024
_RECORDERS: Final = ("house", "gateway")
"""Kinds of nodes that keep snapshots."""


def missing(members: Iterable[Member], parts: Iterable[StoredPart]) -> set[tuple[str, SnapshotPart]]:
    """Return which objects are not there or not whole; what went over a bus, the gateway has for all."""
    there = {key for key, part in best(parts).items() if part.whole}
    wanted = set()
    for member in members:
        if member.kind in _RECORDERS:
            wanted.add((member.node, SnapshotPart.MEASURED))
        if member.kind == "gateway":
            wanted.add((member.node, SnapshotPart.TRAFFIC))
    return wanted - there


class SnapshotPuller:
    """Asks the nodes of a cluster for what they recorded."""

    def __init__(self, hass: HomeAssistant, swarm: Swarm, shelf: FaultShelf, snapshots: SnapshotMqtt) -> None:
        """Store on `shelf` what comes through `snapshots`."""
        self._hass = hass
        self._swarm = swarm
        self._shelf = shelf
        self._snapshots = snapshots
        self._refused: set[tuple[str, ListedSnapshot]] = set()

    def cluster(self, node_id: str) -> tuple[str | None, list[Member]]:
        """Return the gateway of a node and all that share its bus, as far as they are known now."""
        node = self._swarm.nodes.get(node_id)
        if node is None:
            return None, []
        gateway = self._swarm.nodes.get(node.parent_id or "") if node.kind.kind != "gateway" else node
        if gateway is None or gateway.kind.kind != "gateway" or node.kind.kind not in _RECORDERS:
            return None, [Member(node_id, node.kind.kind)]
        houses = [one for one in self._swarm.children(gateway.node_id) if one.kind.kind == "house"]
        nodes = {one.node_id: one for one in (gateway, node, *houses[:MAX_MEMBERS])}
        return gateway.node_id, [Member(one.node_id, one.kind.kind) for one in nodes.values()]

    async def pull(self, event_id: str, lists: dict[str, SnapshotList | None], silent: Counter[str]) -> bool:
        """Pull what the nodes have of a fault; True when nothing is missing any more.

        `lists` are what nodes have just told; `silent` counts, over the rounds, who did not answer.
        Raises LookupError and ArchiveError.
        """
        fault = await self._shelf.fault(event_id)
        members = await self._members(fault)
        matter = (fault.node, fault.gateway)
        # Who does not answer costs seconds, and the operator waits: who is there, and matters, comes first.
        for member in sorted(
            members,
            key=lambda one: (silent[one.node], self._is_away(one.node), one.node not in matter),
        ):
            if silent[member.node] and self._is_away(member.node):
                continue  # it is asked again when it is back
            parts = await self._shelf.read(self._shelf.opened.parts, event_id)
            if member.node not in {node for node, _ in missing(members, parts)}:
                continue
            if member.node not in lists:
                with contextlib.suppress(HomeAssistantError):  # the broker is away
                    lists[member.node] = await self._snapshots.snapshots(member.node)
            if (listed := lists.get(member.node)) is None:
                silent[member.node] += 1
                continue
            there = {(part.node, part.part, part.bytes, part.crc) for part in parts}
            for item in listed.snapshots:
                if (
                    item.event_id == event_id
                    and item.state is not SnapshotState.RECORDING
                    and (member.node, item.part, item.bytes, item.crc) not in there
                    and (member.node, item) not in self._refused
                ):
                    await self._fetch(member.node, item)
        parts = await self._shelf.read(self._shelf.opened.parts, event_id)
        return bool(members) and not missing(members, parts)

    def _is_away(self, node_id: str) -> bool:
        """Whether a node is known not to be there."""
        node = self._swarm.nodes.get(node_id)
        return node is not None and not node.available

    async def _fetch(self, node_id: str, item: ListedSnapshot) -> None:
        """Pull and store one object."""
        store, event_id, part = self._shelf.opened, item.event_id, item.part

        async def keep(chunks: Sequence[SnapshotChunk]) -> None:
            await self._shelf.write(store.keep_chunks, node_id, chunks)

        kept = await self._shelf.read(store.kept_chunks, event_id, node_id, part)
        try:
            fetched = await self._snapshots.fetch(node_id, event_id, part, kept, keep)
        except HomeAssistantError as error:
            _LOGGER.debug("%s of %s at %s: %s", part, event_id, node_id, error)
            return
        wrong = "is not what was announced" if fetched.damaged else None
        if fetched.data is not None and fetched.state is not None:
            about = await self._hass.async_add_executor_job(snapshot_of, fetched.data)
            if about is None or about.event_id != event_id:
                wrong = "is no snapshot of this fault"
            else:
                try:
                    await self._shelf.write(
                        store.store_part, event_id, node_id, part, fetched.state, fetched.data
                    )
                except ValueError as error:
                    wrong = str(error)
        if wrong is not None:
            self._snapshots.refuse(node_id, f"{part} of {event_id} {wrong}")
            await self._shelf.write(store.drop_chunks, event_id, node_id, part)
            if len(self._refused) >= _MAX_REFUSED:
                self._refused.clear()
            self._refused.add((node_id, item))

    async def _members(self, fault: RecordedFault) -> list[Member]:
        """Return who should have recorded a fault; nodes announce themselves one after the other."""
        gateway, now = self.cluster(fault.node)
        known = await self._shelf.read(self._shelf.opened.members, fault.event_id)
        if len(known) <= MAX_MEMBERS and not set(now) <= set(known):
            await self._shelf.write(self._shelf.opened.set_members, fault.event_id, gateway, now)
            known = await self._shelf.read(self._shelf.opened.members, fault.event_id)
        return known
