"""Snapshots over MQTT: requests, the list of what a node has, chunks, and how they become an object again."""

from __future__ import annotations

import re
import struct
import zlib
from dataclasses import dataclass, field
from enum import StrEnum

from .messages import CODE, EVENT_ID
from .reading import Fields, Refused, RejectReason, decode_object, parser

MAX_CHUNK_BYTES = 8192
MAX_CHUNKS = 256
"""That one request can ask for."""
DEFAULT_CHUNKS = 16
MAX_LISTED = 64
MAX_OBJECT_BYTES = 16 * 2**20
"""Ample: the largest window, 60 s, has about 300 kB of bus traffic."""
HEADER = struct.Struct("<BBBxIIIII")
VERSION = 1
_MAX_U32 = 2**32 - 1
_TOPIC = re.compile(r"snapshot/([A-Za-z0-9_.:-]{1,64})/(0|[1-9][0-9]{0,9})", re.ASCII)


class SnapshotPart(StrEnum):
    """The two objects of a snapshot; the order gives the numbers on the wire."""

    MEASURED = "measured"
    """Samples at 100 Hz, and what the log had of the same time."""
    TRAFFIC = "traffic"
    """What went over the bus."""


class SnapshotState(StrEnum):
    """How much of the window is there; the order gives the numbers on the wire."""

    COMPLETE = "complete"
    PARTIAL = "partial"
    """Part of the window was already lost."""
    EXTENDED = "extended"
    """Another fault made the window longer."""
    RECORDING = "recording"
    """The window is not over, or the recording is still being fetched from the house."""
    UNKNOWN = "unknown"
    """The node has no such snapshot."""


_PARTS = tuple(SnapshotPart)
_STATES = tuple(SnapshotState)


@dataclass(frozen=True, slots=True)
class SnapshotGet:
    """Asks for chunks of a snapshot, or for the list of all."""

    event_id: str | None = None
    """None asks for the list."""
    part: SnapshotPart = SnapshotPart.MEASURED
    first: int = 0
    count: int = DEFAULT_CHUNKS


@dataclass(frozen=True, slots=True)
class ListedSnapshot:
    """One object that a node has."""

    event_id: str
    code: str
    part: SnapshotPart
    state: SnapshotState
    bytes: int
    crc: int


@dataclass(frozen=True, slots=True)
class SnapshotList:
    """What a node has, newest first."""

    snapshots: tuple[ListedSnapshot, ...]


@dataclass(frozen=True, slots=True)
class SnapshotChunk:
    """A piece of an object; with `state` recording or unknown there is no object yet, and no data."""

    event_id: str
    part: SnapshotPart
    state: SnapshotState
    number: int
    count: int
    object_bytes: int
    object_crc: int
    data: bytes


@parser
def parse_snapshot_get(payload: bytes) -> SnapshotGet:
    """Read a request (the node's side)."""
    fields = decode_object(payload)
    return SnapshotGet(
        event_id=fields.text("event_id", pattern=EVENT_ID) if fields.has("event_id") else None,
        part=fields.choice("part", SnapshotPart) if fields.has("part") else SnapshotPart.MEASURED,
        first=fields.integer("first", 0, _MAX_U32) if fields.has("first") else 0,
        count=fields.integer("count", 1, MAX_CHUNKS) if fields.has("count") else DEFAULT_CHUNKS,
    )


def _listed(fields: Fields) -> ListedSnapshot:
    state = fields.choice("state", SnapshotState)
    if state is SnapshotState.UNKNOWN:
        raise Refused(RejectReason.BAD_VALUE, "a snapshot that is listed is not unknown")
    return ListedSnapshot(
        event_id=fields.text("event_id", pattern=EVENT_ID),
        code=fields.text("code", pattern=CODE),
        part=fields.choice("part", SnapshotPart),
        state=state,
        bytes=fields.integer("bytes", 0, MAX_OBJECT_BYTES),
        crc=fields.integer("crc", 0, _MAX_U32),
    )


@parser
def parse_snapshot_list(payload: bytes) -> SnapshotList:
    """Read what a node has."""
    fields = decode_object(payload)
    return SnapshotList(tuple(_listed(item) for item in fields.objects("snapshots", MAX_LISTED)))


def _refuse_if(wrong: bool, detail: str) -> None:
    if wrong:
        raise Refused(RejectReason.BAD_VALUE, detail)


@parser
def parse_snapshot_chunk(suffix: str, payload: bytes) -> SnapshotChunk:
    """Read a chunk; `suffix` is its topic behind the node: `snapshot/<id>/<n>`."""
    if (topic := _TOPIC.fullmatch(suffix)) is None:
        raise Refused(RejectReason.BAD_TOPIC, "not snapshot/<id>/<n>")
    if len(payload) > HEADER.size + MAX_CHUNK_BYTES:
        raise Refused(
            RejectReason.TOO_LARGE, f"{len(payload)} bytes, at most {HEADER.size + MAX_CHUNK_BYTES}"
        )
    _refuse_if(len(payload) < HEADER.size, f"{len(payload)} bytes, the header alone has {HEADER.size}")
    version, part, state, number, count, object_bytes, object_crc, crc = HEADER.unpack_from(payload)
    if version > VERSION:
        raise Refused(RejectReason.PROTOCOL_TOO_NEW, f"version {version}, this side reads up to {VERSION}")
    data = payload[HEADER.size :]
    _refuse_if(version < 1, "version 0")
    _refuse_if(part >= len(_PARTS), f"part {part} is not within 0 … {len(_PARTS) - 1}")
    _refuse_if(state >= len(_STATES), f"state {state} is not within 0 … {len(_STATES) - 1}")
    _refuse_if(number != int(topic[2]), f"chunk {number} came as {topic[2]}")
    _refuse_if(crc != zlib.crc32(data), "the CRC of the data is wrong")
    if _STATES[state] in (SnapshotState.RECORDING, SnapshotState.UNKNOWN):
        _refuse_if(bool(data or number or count or object_bytes or object_crc), "there can be no data yet")
    else:
        _check_place(number, count, object_bytes, len(data))
    return SnapshotChunk(
        topic[1], _PARTS[part], _STATES[state], number, count, object_bytes, object_crc, data
    )


def _check_place(number: int, count: int, object_bytes: int, size: int) -> None:
    """All chunks but the last are equally long, and together they are the object."""
    _refuse_if(not 0 < object_bytes <= MAX_OBJECT_BYTES, f"an object of {object_bytes} bytes")
    _refuse_if(number >= count, f"chunk {number} of {count}")
    rest = object_bytes - size
    if number + 1 < count:
        _refuse_if(-(-object_bytes // max(size, 1)) != count or not size, f"{size} bytes in each of {count}")
    else:
        _refuse_if(not 0 < size <= object_bytes, f"the last chunk has {size} of {object_bytes} bytes")
        whole = rest // (count - 1) if count > 1 else 0
        _refuse_if(whole * (count - 1) != rest, f"{rest} bytes in {count - 1} equal chunks")
        _refuse_if(
            count > 1 and not size <= whole <= MAX_CHUNK_BYTES, f"{whole} bytes before the last {size}"
        )


@dataclass(slots=True)
class SnapshotAssembly:
    """Puts the chunks of one part of one node's snapshot together; any order, any repetition, any break."""

    event_id: str
    part: SnapshotPart
    _of: tuple[int, int, int] | None = field(default=None, init=False)
    """Count of chunks, bytes and CRC of the object that the chunks belong to."""
    _chunks: dict[int, bytes] = field(default_factory=dict, init=False)

    def take(self, chunk: SnapshotChunk) -> bool:
        """Keep a chunk; False when it is none of ours, or of what the node does not have yet."""
        if (chunk.event_id, chunk.part) != (self.event_id, self.part) or not chunk.count:
            return False
        of = (chunk.count, chunk.object_bytes, chunk.object_crc)
        if of != self._of:  # the node built the object anew: what was here is of another
            self._of, self._chunks = of, {}
        self._chunks[chunk.number] = chunk.data
        return True

    def missing(self) -> int | None:
        """Return the first chunk that is still missing; None when all are there."""
        if self._of is None:
            return 0
        return next((number for number in range(self._of[0]) if number not in self._chunks), None)

    def result(self) -> bytes | None:
        """Return the object; None while chunks are missing, or when its CRC is wrong: then it begins anew."""
        if self._of is None or self.missing() is not None:
            return None
        whole = b"".join(self._chunks[number] for number in range(self._of[0]))
        if (len(whole), zlib.crc32(whole)) != self._of[1:]:
            self._of, self._chunks = None, {}
            return None
        return whole
