"""Snapshots of faults over MQTT: asks nodes what they have, and pulls it chunk by chunk."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Final

from homeassistant.components import mqtt
from homeassistant.components.mqtt import ReceiveMessage
from homeassistant.core import CALLBACK_TYPE, HomeAssistant, callback

from ..core.contract.encode import snapshot_get_payload
from ..core.contract.reading import Rejection, RejectReason
from ..core.contract.snapshot import (
    SnapshotAssembly,
    SnapshotChunk,
    SnapshotGet,
    SnapshotList,
    SnapshotPart,
    SnapshotState,
    parse_snapshot_chunk,
    parse_snapshot_list,
)
from ..core.contract.topics import SNAPSHOT_GET, SNAPSHOT_LIST, Topic, parse_topic, subscription
from ..core.model.swarm import Swarm
from .refusals import Refusals

ANSWER_S: Final = 10.0
"""Without a chunk for so long the contract has us ask again."""
ASKS: Final = 3
"""Without any answer before a node is left alone for a while."""
CHUNKS: Final = 16
"""Asked for at a time: 128 kB at most."""
TRANSFER_S: Final = 300.0
"""For one object at a stretch; what came is kept and the next attempt goes on behind it."""
MAX_OBJECT_CHUNKS: Final = 16_384
"""Those of the largest object with chunks of 1 kB; smaller ones are nobody's good will."""
MAX_REBUILDS: Final = 3
"""Of an object while it is pulled: a node may build it anew, but not for ever."""

type Keep = Callable[[Sequence[SnapshotChunk]], Awaitable[None]]
"""Stores chunks, so that an interrupted transfer goes on where it was."""

_NO_OBJECT = (SnapshotState.RECORDING, SnapshotState.UNKNOWN)


@dataclass(frozen=True, slots=True)
class Fetched:
    """How a transfer ended."""

    state: SnapshotState | None
    """As the node says; None when it did not answer or not to the end."""
    data: bytes | None = None
    """The object, when it is whole and its CRC is right."""
    damaged: bool = False
    """All chunks came, but they are not the object: forget them."""


@dataclass(slots=True)
class _Transfer:
    """What is being asked of a node."""

    assembly: SnapshotAssembly
    wanted: set[int] = field(default_factory=set)
    fresh: list[SnapshotChunk] = field(default_factory=list)
    state: SnapshotState | None = None
    of: tuple[int, int, int] | None = None
    rebuilds: int = 0
    something_came: asyncio.Event = field(default_factory=asyncio.Event)

    def take(self, chunk: SnapshotChunk) -> Rejection | None:
        """Take a chunk; returns why not."""
        if (chunk.event_id, chunk.part) != (self.assembly.event_id, self.assembly.part):
            return Rejection(RejectReason.OUTDATED, f"{chunk.part} of {chunk.event_id} is not asked for")
        if chunk.state in _NO_OBJECT:
            self.state = chunk.state
        elif chunk.count > MAX_OBJECT_CHUNKS:
            return Rejection(RejectReason.TOO_LARGE, f"an object of {chunk.count} chunks")
        elif chunk.number not in self.wanted:
            return Rejection(RejectReason.DUPLICATE, f"chunk {chunk.number} is not asked for")
        else:
            of = (chunk.count, chunk.object_bytes, chunk.object_crc)
            self.rebuilds += self.of not in (None, of)
            self.of, self.state = of, chunk.state
            self.assembly.take(chunk)
            self.fresh.append(chunk)
            self.wanted = {number for number in self.wanted if number < chunk.count} - {chunk.number}
        self.something_came.set()
        return None

    @property
    def answered(self) -> bool:
        """Whether everything that was asked for came."""
        return not self.wanted or self.state in _NO_OBJECT


class SnapshotMqtt:
    """Asks one node behind a gateway at a time: they share its memory card and its link."""

    def __init__(self, hass: HomeAssistant, swarm: Swarm) -> None:
        """Know whom to ask."""
        self._hass = hass
        self._swarm = swarm
        self._refusals = Refusals(swarm)
        self._lists: dict[str, asyncio.Future[SnapshotList]] = {}
        self._transfers: dict[str, _Transfer] = {}
        self._asking: dict[str, asyncio.Lock] = {}
        """By node."""
        self._turns: dict[str, asyncio.Lock] = {}
        """By gateway."""
        self._unsubscribe: list[CALLBACK_TYPE] = []

    async def async_start(self) -> None:
        """Subscribe."""
        for suffix, receive in ((SNAPSHOT_LIST, self._receive_list), ("snapshot/+/+", self._receive_chunk)):
            topic = subscription(self._swarm.swarm_id, suffix)
            self._unsubscribe.append(await mqtt.async_subscribe(self._hass, topic, receive, 1, encoding=None))

    async def async_stop(self) -> None:
        """Unsubscribe."""
        while self._unsubscribe:
            self._unsubscribe.pop()()

    async def snapshots(self, node_id: str) -> SnapshotList | None:
        """Return what a node has; None when it does not answer."""
        async with self._turn(node_id):
            answer: asyncio.Future[SnapshotList] = self._hass.loop.create_future()
            self._lists[node_id] = answer
            try:
                await self._ask(node_id, SnapshotGet())
                async with asyncio.timeout(ANSWER_S):
                    return await answer
            except TimeoutError:
                return None
            finally:
                del self._lists[node_id]

    async def fetch(
        self, node_id: str, event_id: str, part: SnapshotPart, kept: Iterable[SnapshotChunk], keep: Keep
    ) -> Fetched:
        """Pull an object, behind the chunks that were kept of an earlier attempt."""
        assembly = SnapshotAssembly(event_id, part)
        transfer = _Transfer(assembly)
        for chunk in kept:
            assembly.take(chunk)
            transfer.of, transfer.state = (chunk.count, chunk.object_bytes, chunk.object_crc), chunk.state
        async with self._turn(node_id):
            self._transfers[node_id] = transfer
            try:
                async with asyncio.timeout(TRANSFER_S):
                    whole = await self._pull(node_id, transfer, keep)
            except TimeoutError:
                whole = False
            finally:
                del self._transfers[node_id]
        if transfer.state in _NO_OBJECT:
            return Fetched(transfer.state)
        if not whole:
            return Fetched(None)
        if (data := await self._hass.async_add_executor_job(assembly.result)) is None:
            self.refuse(node_id, f"the CRC of {part} of {event_id} is wrong")
            return Fetched(None, damaged=True)
        return Fetched(transfer.state, data)

    def refuse(self, node_id: str, detail: str) -> None:
        """Count an object that is not what it should be."""
        topic = str(Topic(self._swarm.swarm_id, node_id, "snapshot"))
        self._refusals.refuse(topic, node_id, RejectReason.BAD_VALUE, detail)

    # ------------------------------------------------------------------------------------------------- inside

    @asynccontextmanager
    async def _turn(self, node_id: str) -> AsyncIterator[None]:
        """Have a node, and the gateway that answers for it, to oneself."""
        # The node first: its gateway may become known while somebody waits for its answer.
        async with self._asking.setdefault(node_id, asyncio.Lock()):
            node = self._swarm.nodes.get(node_id)
            gateway = node.parent_id if node is not None and node.parent_id is not None else node_id
            async with self._turns.setdefault(gateway, asyncio.Lock()):
                yield

    async def _pull(self, node_id: str, transfer: _Transfer, keep: Keep) -> bool:
        """Ask until all is there; False when the node falls silent or has nothing."""
        silent = 0
        while (first := transfer.assembly.missing()) is not None:
            if silent == ASKS or transfer.rebuilds > MAX_REBUILDS:
                return False
            last = first + CHUNKS
            transfer.wanted = set(range(first, last if transfer.of is None else min(last, transfer.of[0])))
            request = SnapshotGet(transfer.assembly.event_id, transfer.assembly.part, first, CHUNKS)
            await self._ask(node_id, request)
            await _listen(transfer)
            if transfer.state in _NO_OBJECT:
                return False
            silent = 0 if transfer.fresh else silent + 1
            fresh, transfer.fresh = transfer.fresh, []
            await keep([chunk for chunk in fresh if _belongs(chunk, transfer.of)])
        return True

    async def _ask(self, node_id: str, request: SnapshotGet) -> None:
        topic = str(Topic(self._swarm.swarm_id, node_id, SNAPSHOT_GET))
        await mqtt.async_publish(self._hass, topic, snapshot_get_payload(request), qos=1, retain=False)

    @callback
    def _receive_list(self, message: ReceiveMessage) -> None:
        if (read := self._read(message)) is None:
            return
        node_id, _, payload = read
        listed = parse_snapshot_list(payload)
        if isinstance(listed, Rejection):
            self._refusals.count(message.topic, node_id, listed)
        elif (answer := self._lists.get(node_id)) is None or answer.done():
            self._refusals.refuse(message.topic, node_id, RejectReason.OUTDATED, "nobody asked for it")
        else:
            answer.set_result(listed)

    @callback
    def _receive_chunk(self, message: ReceiveMessage) -> None:
        if (read := self._read(message)) is None:
            return
        node_id, suffix, payload = read
        chunk = parse_snapshot_chunk(suffix, payload)
        if isinstance(chunk, Rejection):
            refused: Rejection | None = chunk
        elif (transfer := self._transfers.get(node_id)) is None:
            refused = Rejection(RejectReason.OUTDATED, "nobody asked for it")
        else:
            refused = transfer.take(chunk)
        if refused is not None:
            self._refusals.count(message.topic, node_id, refused)

    def _read(self, message: ReceiveMessage) -> tuple[str, str, bytes] | None:
        """Return node, suffix and payload of a message from a node that is known."""
        if (topic := parse_topic(message.topic)) is None:
            self._refusals.refuse(message.topic, "", RejectReason.BAD_NODE_ID, "the node id is not lawful")
        elif topic.node not in self._swarm.nodes and topic.node not in self._waited_for:
            self._refusals.refuse(message.topic, "", RejectReason.UNKNOWN_NODE, "it has not announced itself")
        elif message.retain:
            self._refusals.refuse(
                message.topic,
                topic.node,
                RejectReason.OUTDATED,
                "retained, which only births and states may be",
            )
        else:
            payload = message.payload
            return topic.node, topic.suffix, payload.encode() if isinstance(payload, str) else bytes(payload)
        return None

    @property
    def _waited_for(self) -> set[str]:
        """Nodes that we asked: after a restart their births may come later than their answers."""
        return {*self._lists, *self._transfers}


def _belongs(chunk: SnapshotChunk, of: tuple[int, int, int] | None) -> bool:
    return (chunk.count, chunk.object_bytes, chunk.object_crc) == of


async def _listen(transfer: _Transfer) -> None:
    """Wait until everything came that was asked for, or nothing more comes."""
    while not transfer.answered:
        transfer.something_came.clear()
        try:
            async with asyncio.timeout(ANSWER_S):
                await transfer.something_came.wait()
        except TimeoutError:
            return
