"""Laying frames into a segment, so that a destroyed sector costs two frames at most (contract/log.md, 1)."""

from __future__ import annotations

from typing import BinaryIO

from .frame import Frame
from .segment import SegmentHeader

SECTOR = 512
_FRAMES_PER_SECTOR = 2


class SegmentWriter:
    """Writes frames one after the other, with padding where a sector would hold parts of a third."""

    def __init__(self, file: BinaryIO, header: SegmentHeader | None = None) -> None:
        """Begin at the start of an empty file."""
        self._file = file
        self.position = 0
        self._sector = -1
        self._in_sector = 0
        if header is not None:
            self._put(header.encode())

    def write(self, frame: Frame) -> int:
        """Write a frame and return its position."""
        sector = self.position // SECTOR
        if sector == self._sector and self._in_sector >= _FRAMES_PER_SECTOR:
            self._put(bytes(-self.position % SECTOR))
            sector = self.position // SECTOR
        position = self.position
        self._put(frame.encode())
        last = (self.position - 1) // SECTOR
        self._in_sector = self._in_sector + 1 if last == self._sector else 1
        self._sector = last
        return position

    def _put(self, data: bytes) -> None:
        self._file.write(data)
        self.position += len(data)
