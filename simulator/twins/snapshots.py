"""What a twin has recorded of faults, given out chunk by chunk as contract/mqtt has it (snapshot/get)."""

from __future__ import annotations

import zlib
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from microgrid_core.contract import encode, topics
from microgrid_core.contract.reading import Rejection
from microgrid_core.contract.snapshot import (
    ListedSnapshot,
    SnapshotChunk,
    SnapshotGet,
    SnapshotList,
    SnapshotPart,
    SnapshotState,
    parse_snapshot_get,
)

from .recording import Kept

CHUNK_BYTES = 4096
CHUNKS_A_ROUND = 4
"""Sent at a time: what is cut off meanwhile is asked for again, and nobody else waits long."""
_REMEMBERED = 16
"""Faults; the oldest make room."""

Send = Callable[[str, bytes], None]
"""Publishes under a suffix of the node."""


@dataclass(slots=True)
class _Snapshot:
    """One fault at this node."""

    code: str
    objects: Mapping[SnapshotPart, Kept] | None = None
    """None while it is being recorded."""
    parts: tuple[SnapshotPart, ...] = field(default=(SnapshotPart.MEASURED,))


class SnapshotShelf:
    """The recordings of one node; all methods are called from the loop's thread."""

    def __init__(self, send: Send) -> None:
        """Have nothing yet."""
        self._send = send
        self._held: dict[str, _Snapshot] = {}
        self._answers: deque[tuple[str, bytes]] = deque()

    def record(self, event_id: str, code: str, parts: tuple[SnapshotPart, ...]) -> None:
        """Begin to record a fault."""
        self._held[event_id] = _Snapshot(code, parts=parts)
        while len(self._held) > _REMEMBERED:
            del self._held[next(iter(self._held))]

    def keep(self, event_id: str, objects: Mapping[SnapshotPart, Kept]) -> None:
        """Have the recording of a fault; one that had to make room meanwhile stays away."""
        if (snapshot := self._held.get(event_id)) is not None:
            snapshot.objects = objects

    def drop(self, event_id: str) -> None:
        """Forget a recording that never came to an end."""
        self._held.pop(event_id, None)

    def asked(self, payload: bytes) -> None:
        """Prepare the answer to a request; what was left of an earlier answer is not wanted any more."""
        request = parse_snapshot_get(payload)
        if isinstance(request, Rejection):
            return  # without a readable id there is nobody to answer
        self._answers.clear()
        if request.event_id is None:
            self._answers.append((topics.SNAPSHOT_LIST, encode.snapshot_list_payload(self._list())))
            return
        for chunk in self._chunks(request.event_id, request):
            suffix = topics.snapshot_chunk(request.event_id, chunk.number)
            self._answers.append((suffix, encode.snapshot_chunk_payload(chunk)))

    def cut_off(self) -> None:
        """Forget what was being sent: who still wants it asks again."""
        self._answers.clear()

    def send(self) -> None:
        """Send a little of what waits."""
        for _ in range(min(CHUNKS_A_ROUND, len(self._answers))):
            self._send(*self._answers.popleft())

    def _list(self) -> SnapshotList:
        listed = []
        for event_id, snapshot in reversed(self._held.items()):
            for part in snapshot.parts:
                kept = snapshot.objects.get(part) if snapshot.objects is not None else None
                if kept is not None:
                    size, crc = len(kept.data), zlib.crc32(kept.data)
                    listed.append(ListedSnapshot(event_id, snapshot.code, part, kept.state, size, crc))
                elif snapshot.objects is None:
                    state = SnapshotState.RECORDING
                    listed.append(ListedSnapshot(event_id, snapshot.code, part, state, 0, 0))
        return SnapshotList(tuple(listed))

    def _chunks(self, event_id: str, request: SnapshotGet) -> list[SnapshotChunk]:
        snapshot, part = self._held.get(event_id), request.part
        kept = None if snapshot is None or snapshot.objects is None else snapshot.objects.get(part)
        if kept is None:
            recording = snapshot is not None and snapshot.objects is None and part in snapshot.parts
            state = SnapshotState.RECORDING if recording else SnapshotState.UNKNOWN
            return [SnapshotChunk(event_id, part, state, 0, 0, 0, 0, b"")]
        data, crc = kept.data, zlib.crc32(kept.data)
        count = -(-len(data) // CHUNK_BYTES)
        numbers = range(request.first, min(request.first + request.count, count))
        return [
            SnapshotChunk(
                event_id,
                part,
                kept.state,
                number,
                count,
                len(data),
                crc,
                data[number * CHUNK_BYTES : (number + 1) * CHUNK_BYTES],
            )
            for number in numbers
        ]
