"""Segments: the header of a file, and reading frames of files without holding them whole."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from .frame import Frame, Scan
from .wire import Malformed

MAGIC = b"UMG1SEG\0"
HEADER_SIZE = 512
_HEADER = struct.Struct("<8sHHIQIIqQ32s32s")
_NAME_SIZE = 32
_READ_BYTES = 1 << 20


def _name(text: str) -> bytes:
    """Return as many whole letters as the header has room for."""
    return text.encode()[:_NAME_SIZE].decode(errors="ignore").encode()


@dataclass(frozen=True, slots=True)
class SegmentHeader:
    """What stands in the first 512 bytes of a segment."""

    number: int
    boot_id: int
    schema_hash: int
    utc_us: int
    mono_us: int
    node: str
    cluster: str
    capacity: int

    def encode(self) -> bytes:
        """Return the 512 bytes."""
        head = _HEADER.pack(
            MAGIC,
            1,
            HEADER_SIZE,
            self.capacity,
            self.number,
            self.boot_id,
            self.schema_hash,
            self.utc_us,
            self.mono_us,
            _name(self.node),
            _name(self.cluster),
        )
        head += bytes(HEADER_SIZE - 4 - len(head))
        return head + struct.pack("<I", zlib.crc32(head))

    @classmethod
    def parse(cls, data: bytes) -> SegmentHeader:
        """Read the first bytes of a segment; raises Malformed."""
        if len(data) < HEADER_SIZE or not data.startswith(MAGIC):
            raise Malformed("no segment header")
        if struct.unpack_from("<I", data, HEADER_SIZE - 4)[0] != zlib.crc32(data[: HEADER_SIZE - 4]):
            raise Malformed("the segment header is damaged")
        _, version, size, capacity, number, boot_id, schema_hash, utc_us, mono_us, node, cluster = (
            _HEADER.unpack_from(data)
        )
        if version != 1 or size != HEADER_SIZE:
            raise Malformed(f"segment version {version}, header of {size} bytes")
        try:
            node, cluster = (raw.rstrip(b"\0").decode("utf-8") for raw in (node, cluster))
        except UnicodeDecodeError as error:
            raise Malformed("node or cluster is no UTF-8") from error
        return cls(number, boot_id, schema_hash, utc_us, mono_us, node, cluster, capacity)


@dataclass(slots=True)
class FileScan:
    """Finds the frames of a file or of a window of it, in memory that does not grow with it."""

    path: Path
    start: int = 0
    end: int | None = None
    """None: to the end of the file."""
    header: SegmentHeader | None = None
    damaged: list[tuple[int, int]] = field(default_factory=list)
    """Ranges of the file that are neither frame nor padding."""
    size: int = 0
    """Bytes of the window, known when it was read."""

    def __iter__(self) -> Iterator[Frame]:
        """Yield the frames; `position` counts from the start of the file."""
        with self.path.open("rb") as file:
            file.seek(self.start)
            left = float("inf") if self.end is None else self.end - self.start
            rest = file.read(int(min(HEADER_SIZE, left)))
            left -= len(rest)
            base = self.start
            try:
                self.header = SegmentHeader.parse(rest)
                rest, base = b"", base + HEADER_SIZE
            except Malformed:
                pass  # frames are found without it; what stands in its place is damage or frames
            while True:
                piece = file.read(int(min(_READ_BYTES, left)))
                left -= len(piece)
                scan = Scan(rest + piece, final=not piece)
                for frame in scan:
                    yield replace(frame, payload=bytes(frame.payload), position=base + frame.position)
                for start, end in scan.damaged:
                    self._note(base + start, base + end)
                rest = bytes(scan.buffer[scan.consumed :])
                base += scan.consumed
                if not piece:
                    self.size = base + len(rest) - self.start
                    return

    def _note(self, start: int, end: int) -> None:
        if self.damaged and self.damaged[-1][1] == start:
            self.damaged[-1] = (self.damaged[-1][0], end)
        else:
            self.damaged.append((start, end))
