"""Frames: building one, and finding all good ones in any bytes."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import IntEnum

SYNC = b"UMG1"
VERSION = 1
HEADER = struct.Struct("<4sBBHHHIIIQqI")
MAX_PAYLOAD = 0xFFFF
FLAG_CLOCK = 0x0001
_CRC_OFFSET = HEADER.size - 4
_NO_CRC = b"\0\0\0\0"


class Kind(IntEnum):
    """Kinds of frames."""

    SCHEMA = 0
    FAST = 1
    SLOW = 2
    EVENT = 3
    TIMESYNC = 4
    CAN = 5
    SNAPSHOT = 6
    BOOT = 7
    SUMMARY = 8


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame with a good CRC."""

    kind: int
    """A member of Kind, or a number of a later version."""
    seq: int
    boot_id: int
    schema_hash: int
    mono_us: int
    utc_us: int
    """0 = unknown."""
    payload: bytes | memoryview
    flags: int = 0
    blocks: int = 0
    position: int = 0
    """Offset of the frame in the bytes it was found in."""

    @property
    def size(self) -> int:
        """Bytes of header and payload."""
        return HEADER.size + len(self.payload)

    def encode(self) -> bytes:
        """Return the frame as on the wire."""
        if len(self.payload) > MAX_PAYLOAD:
            raise ValueError(f"payload of {len(self.payload)} bytes, at most {MAX_PAYLOAD}")
        fields = (
            SYNC,
            VERSION,
            self.kind,
            self.flags,
            len(self.payload),
            self.blocks,
            self.seq,
            self.boot_id,
            self.schema_hash,
            self.mono_us,
            self.utc_us,
        )
        crc = zlib.crc32(self.payload, zlib.crc32(HEADER.pack(*fields, 0)))
        return HEADER.pack(*fields, crc) + bytes(self.payload)


@dataclass(slots=True)
class Scan:
    """Finds the good frames of a buffer; `damaged` tells what lay between them.

    `final` says that no more bytes follow: an unfinished frame at the end is then damage, else it is left
    for the next buffer and `consumed` stops before it.
    """

    buffer: bytes | bytearray | memoryview
    start: int = 0
    final: bool = True
    consumed: int = 0
    damaged: list[tuple[int, int]] = field(default_factory=list)
    """Ranges [start, end) of bytes that are neither frame nor zero padding."""

    def __iter__(self) -> Iterator[Frame]:
        """Yield the frames in the order of their place."""
        view = memoryview(self.buffer)
        data = self.buffer if isinstance(self.buffer, (bytes, bytearray)) else bytes(self.buffer)
        position = clean = self.consumed = self.start
        end = len(data)
        while True:
            found = data.find(SYNC, position)
            if found < 0:
                # The last bytes may be the beginning of a sync word.
                rest = end if self.final else max(position, end - len(SYNC) + 1)
                self._note(data, clean, rest)
                self.consumed = rest
                return
            frame, size = self._frame(view, found, end)
            if frame is not None:
                self._note(data, clean, found)
                position = clean = self.consumed = found + size
                yield frame
            elif size > end - found and not self.final:
                self._note(data, clean, found)
                self.consumed = found
                return
            else:
                position = found + 1

    @staticmethod
    def _frame(view: memoryview, found: int, end: int) -> tuple[Frame | None, int]:
        """Return the frame at `found` or None, and the bytes that it has or would need."""
        if end - found < HEADER.size:
            return None, HEADER.size
        (_, version, kind, flags, length, blocks, seq, boot_id, schema_hash, mono_us, utc_us, crc) = (
            HEADER.unpack_from(view, found)
        )
        if version != VERSION:
            return None, 0
        size = HEADER.size + length
        if found + size > end:
            return None, size
        payload = view[found + HEADER.size : found + size]
        head = zlib.crc32(_NO_CRC, zlib.crc32(view[found : found + _CRC_OFFSET]))
        if zlib.crc32(payload, head) != crc:
            return None, 0
        return (
            Frame(kind, seq, boot_id, schema_hash, mono_us, utc_us, payload, flags, blocks, found),
            size,
        )

    def _note(self, data: bytes | bytearray, start: int, end: int) -> None:
        if end > start and data.count(0, start, end) != end - start:
            self.damaged.append((start, end))
