"""A log that lies in many places: files, folders and images of SD cards read as one, in order, by position.

Opening reads everything once and keeps an index (45 bytes a frame), the schemas and the clocks. Frames and
samples are then read from their place, in the order of boots and numbers, wherever they were found.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator, Sequence as Ordered
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from .blocks import Ints
from .clock import BootClock, SyncPoint, sync_point
from .frame import Frame, Kind, Scan
from .reader import Gap, SampleReader, Sequence
from .samples import Samples
from .schema import Schema
from .segment import HEADER_SIZE, MAGIC, FileScan, SegmentHeader
from .wire import Malformed

SECTOR = 512
_SEARCH_BYTES = 1 << 22
_INDEX = np.dtype(
    [
        ("part", np.int32),
        ("kind", np.uint8),
        ("seq", np.uint32),
        ("boot", np.uint32),
        ("schema", np.uint32),
        ("mono_us", np.uint64),
        ("utc_us", np.int64),
        ("position", np.int64),
        ("size", np.uint32),
    ]
)
_BATCH = 4096

Progress = Callable[[int], None]
"""Called with the number of bytes that were read since the last call."""


def _silent(count: int) -> None:
    """Tell nobody."""


@dataclass(frozen=True, slots=True)
class Part:
    """Bytes of a file that hold a segment, or what lies between segments."""

    path: Path
    start: int
    end: int
    header: SegmentHeader | None


@dataclass(frozen=True, slots=True)
class Damage:
    """Bytes that are neither frame nor padding."""

    path: Path
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class BootSummary:
    """What is there of one boot."""

    boot_id: int
    frames: int
    first_seq: int
    last_seq: int
    start_us: int
    """mono of its earliest frame."""
    end_us: int
    """mono of its latest frame (a slow one starts before the fast ones that it follows)."""
    clock: BootClock


def file_size(path: Path) -> int:
    """Bytes of a file or of a block device."""
    with path.open("rb") as file:
        return file.seek(0, 2)


def find_parts(path: Path) -> list[Part]:
    """Return the segments of a file, found by their headers at whole sectors, and what lies around them."""
    size = file_size(path)
    headers: list[tuple[int, SegmentHeader]] = []
    with path.open("rb") as file:
        base = 0
        while base < size:
            # The read is longer than the step: a header may begin in its last bytes.
            file.seek(base)
            data = file.read(_SEARCH_BYTES + HEADER_SIZE)
            at = data.find(MAGIC)
            while 0 <= at < _SEARCH_BYTES:
                if (base + at) % SECTOR == 0:
                    # damaged: its frames are found as those of a part without header
                    with contextlib.suppress(Malformed):
                        headers.append((base + at, SegmentHeader.parse(data[at : at + HEADER_SIZE])))
                at = data.find(MAGIC, at + 1)
            base += _SEARCH_BYTES
    parts = []
    begin = 0
    for number, (start, header) in enumerate(headers):
        if start > begin:
            parts.append(Part(path, begin, start, None))
        following = headers[number + 1][0] if number + 1 < len(headers) else size
        begin = min(following, start + header.capacity) if header.capacity else following
        parts.append(Part(path, start, begin, header))
    if begin < size:
        parts.append(Part(path, begin, size, None))
    return parts


@dataclass(slots=True)
class Log:
    """Frames of any number of files, in order; build it with `open_log`."""

    parts: list[Part] = field(default_factory=list)
    index: NDArray[np.void] = field(default_factory=lambda: np.zeros(0, _INDEX))
    """One row a frame, ordered by boot and seq, without repetitions."""
    schemas: dict[int, Schema] = field(default_factory=dict)
    boots: list[BootSummary] = field(default_factory=list)
    gaps: list[Gap] = field(default_factory=list)
    damaged: list[Damage] = field(default_factory=list)
    duplicates: int = 0
    malformed: list[tuple[Frame, str]] = field(default_factory=list)
    """Frames that do not decode, found so far."""
    unknown_schema: int = 0
    """Sample frames without schema, found so far."""
    progress: Progress = _silent
    """Told of every frame that is read from its place."""

    def clock(self, boot_id: int) -> BootClock:
        """Return the clock of a boot that occurs."""
        return next(boot.clock for boot in self.boots if boot.boot_id == boot_id)

    def utc_us(self, boot_ids: NDArray[np.uint32], mono_us: Ints) -> Ints:
        """Return the corrected UTC of every instant, 0 where its boot never knew the time."""
        utc = np.zeros(len(mono_us), np.int64)
        for boot_id in np.unique(boot_ids):
            of_boot = boot_ids == boot_id
            known = self.clock(int(boot_id)).utc_us(mono_us[of_boot])
            if known is not None:
                utc[of_boot] = known
        return utc

    def select(
        self, kinds: Iterable[int] | None = None, since_us: int | None = None, until_us: int | None = None
    ) -> NDArray[np.void]:
        """Return the rows of the index of these kinds whose frames begin in a window of UTC.

        Frames of boots that never knew the time are in no window.
        """
        rows = self.index
        if kinds is not None:
            rows = rows[np.isin(rows["kind"], [int(kind) for kind in kinds])]
        if since_us is None and until_us is None:
            return rows
        mono_us = np.minimum(rows["mono_us"], 1 << 60).astype(np.int64)
        utc = self.utc_us(rows["boot"], mono_us)
        keep = utc != 0
        if since_us is not None:
            keep &= utc >= since_us
        if until_us is not None:
            keep &= utc < until_us
        chosen: NDArray[np.void] = rows[keep]
        return chosen

    def frames(self, rows: NDArray[np.void] | None = None) -> Iterator[Frame]:
        """Read the frames of these rows (all) from their places."""
        path, file = None, None
        try:
            for row in self.index if rows is None else rows:
                part = self.parts[row["part"]]
                if part.path != path:
                    if file is not None:
                        file.close()
                    path, file = part.path, part.path.open("rb")
                assert file is not None
                position = int(row["position"])
                file.seek(position)
                size = int(row["size"])
                yield from Scan(file.read(size))
                self.progress(size)
        finally:
            if file is not None:
                file.close()

    def chunks(
        self, rows: NDArray[np.void] | None = None, kinds: Iterable[int] = (Kind.FAST, Kind.SLOW)
    ) -> Iterator[tuple[Schema, dict[int, Samples]]]:
        """Yield the samples of these rows (all), as `SampleReader.chunks` does."""
        wanted = [int(kind) for kind in kinds]
        rows = self.index if rows is None else rows
        reader = SampleReader(dict(self.schemas))
        yield from reader.chunks(self.frames(rows[np.isin(rows["kind"], wanted)]), wanted)
        self.malformed += reader.malformed
        self.unknown_schema += reader.unknown_schema


def log_files(paths: Iterable[Path]) -> list[Path]:
    """Return files and, for folders, all files below that look like logs, in the order of their names."""
    found: list[Path] = []
    for path in paths:
        if path.is_dir():
            found += sorted(
                file for file in path.rglob("*") if file.is_file() and file.suffix in (".umg1", ".seg")
            )
        else:
            found.append(path)
    return found


def open_log(paths: Ordered[Path], progress: Progress = _silent) -> Log:
    """Read files (not folders: see `log_files`) once and return the log that they make together."""
    log = Log()
    reader = SampleReader()
    sequence = Sequence()
    points: dict[int, list[SyncPoint]] = {}
    batches: list[NDArray[np.void]] = []
    rows: list[tuple[int, ...]] = []
    for path in paths:
        parts = find_parts(path)
        # Slots of a ring that came round lie in another order than they were written in.
        for part in sorted(parts, key=lambda part: -1 if part.header is None else part.header.number):
            number = len(log.parts)
            log.parts.append(part)
            scan = FileScan(path, part.start, part.end)
            done, first = part.start, None
            for frame in scan:
                progress(frame.position - done)
                done = frame.position
                first = done if first is None else first
                found = points.setdefault(frame.boot_id, [])
                if not sequence.take(frame):
                    continue
                if (point := sync_point(frame)) is not None:
                    found.append(point)
                if frame.kind == Kind.SCHEMA:
                    reader.learn(frame)
                rows.append(
                    (
                        number,
                        frame.kind,
                        frame.seq,
                        frame.boot_id,
                        frame.schema_hash,
                        frame.mono_us,
                        frame.utc_us,
                        frame.position,
                        frame.size,
                    )
                )
                if len(rows) == _BATCH:
                    batches.append(np.array(rows, _INDEX))
                    rows.clear()
            progress(part.end - done)
            # Around the slots of an image lie file tables and files of others: no damage.
            foreign = part.header is None and len(parts) > 1
            log.damaged += [
                Damage(path, start, end)
                for start, end in scan.damaged
                if not (foreign and (first is None or not first < start < done))
            ]
    batches.append(np.array(rows, _INDEX))
    index = np.concatenate(batches)
    clocks = {boot_id: BootClock(found) for boot_id, found in points.items()}
    order = _boot_order(index, clocks)
    rank = np.array([order[int(boot)] for boot in index["boot"]], np.int64)
    log.index = index[np.lexsort((index["seq"], rank))]
    for boot_id in sorted(order, key=order.__getitem__):
        of_boot = log.index[log.index["boot"] == boot_id]
        log.boots.append(
            BootSummary(
                boot_id,
                len(of_boot),
                int(of_boot["seq"][0]),
                int(of_boot["seq"][-1]),
                int(of_boot["mono_us"].min()),
                int(of_boot["mono_us"].max()),
                clocks[boot_id],
            )
        )
    log.gaps = sorted(sequence.gaps(), key=lambda gap: (order[gap.boot_id], gap.first))
    log.duplicates = sequence.duplicates
    log.schemas, log.malformed = reader.schemas, reader.malformed
    return log


def _boot_order(index: NDArray[np.void], clocks: dict[int, BootClock]) -> dict[int, int]:
    """Rank of every boot: by UTC where known; the others stay behind the boot that they were found behind."""
    boots, first = np.unique(index["boot"], return_index=True)
    keys: dict[int, tuple[int, int]] = {}
    latest = 0
    for place, boot in sorted(zip(first.tolist(), boots.tolist(), strict=True)):
        known = clocks[boot].utc_us(np.array([min(int(index["mono_us"][place]), 1 << 60)], np.int64))
        if known is not None:
            latest = int(known[0])
        keys[boot] = (latest, place)
    return {boot: rank for rank, boot in enumerate(sorted(keys, key=keys.__getitem__))}
