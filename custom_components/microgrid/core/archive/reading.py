"""Reading chunks back: frames of a time range, and their samples with corrected UTC."""

from __future__ import annotations

import itertools
import sqlite3
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from ..codec.umg1.blocks import Ints
from ..codec.umg1.clock import BootClock
from ..codec.umg1.frame import Frame, Kind, Scan
from ..codec.umg1.samples import Samples, TooManySamples, decode_samples, summary_node
from ..codec.umg1.schema import Channel, Schema
from ..codec.umg1.wire import Malformed
from .derived import Derived, derive
from .ingest import SAMPLE_KINDS, extent_us
from .store import LogFiles
from .timeline import Interval, clocks_of

_MARGIN_US = 2_000_000  # between two points UTC runs almost, not exactly, like mono
_READ_BYTES = 1 << 22
MAX_SAMPLES = 20_000_000  # decoded at a time, of a node and an hour: a house has 14 million a day
_CHUNK = (
    "SELECT file.name, chunk.offset, chunk.size, chunk.boot, boot.boot_id, chunk.mono_first, chunk.mono_end "
    "FROM chunk JOIN file ON file.id = chunk.file JOIN boot ON boot.id = chunk.boot "
)


@dataclass(frozen=True, slots=True)
class Chunk:
    """Where frames lie."""

    name: str
    """Of the file."""
    offset: int
    size: int
    boot: int
    """Row of the boot."""
    boot_id: int
    mono_first: int
    mono_end: int


@dataclass(frozen=True, slots=True)
class Piece:
    """Present samples of one channel with their times."""

    name: str
    """Channel name; `node/name` for what a gateway logged of another node."""
    channel: Channel
    times_us: Ints
    values: Ints


@dataclass(slots=True)
class Findings:
    """What could not be read."""

    damaged_bytes: int = 0
    missing_files: list[str] = field(default_factory=list)
    malformed: list[tuple[Frame, str]] = field(default_factory=list)
    damaged_blocks: int = 0
    """Of roll-ups."""


def sample_chunks(connection: sqlite3.Connection, node: int, start_us: int, end_us: int) -> list[Chunk]:
    """Return the readable chunks that may hold samples of a time range."""
    rows = connection.execute(
        _CHUNK + "WHERE chunk.node = ? AND chunk.utc_end >= ? AND chunk.utc_first < ? "
        "AND chunk.samples > 0 AND chunk.opaque IS NULL ORDER BY chunk.file, chunk.offset",
        (node, start_us - _MARGIN_US, end_us + _MARGIN_US),
    )
    return [Chunk(*row) for row in rows]


def merge_chunks(connection: sqlite3.Connection, node: int, count: int) -> list[tuple[int, int, Chunk]]:
    """Return id, limit and place of chunks that wait to be added to roll-ups without files."""
    rows = connection.execute(
        _CHUNK.replace("SELECT", "SELECT chunk.id, chunk.merge_below_s,", 1)
        + "WHERE chunk.node = ? AND chunk.merge_below_s IS NOT NULL LIMIT ?",
        (node, count),
    )
    return [(row[0], row[1], Chunk(*row[2:])) for row in rows]


def schemas_of(connection: sqlite3.Connection, node: int) -> dict[int, Schema]:
    """Return all schemas of a node by their hash."""
    found = {}
    for (data,) in connection.execute("SELECT frame FROM schema WHERE node = ?", (node,)):
        for frame in Scan(data):
            schema = Schema.parse(frame.payload)
            found[schema.hash] = schema
    return found


def read_frames(files: LogFiles, node: str, chunks: Iterable[Chunk], findings: Findings) -> Iterator[Frame]:
    """Yield the frames of chunks; neighbours in a file are read together."""
    for name, group in itertools.groupby(chunks, key=lambda chunk: chunk.name):
        path = files.path(node, name)
        for offset, size in _joined(group):
            try:
                data = files.read(path, offset, size)
            except FileNotFoundError:
                findings.missing_files.append(name)
                break
            scan = Scan(data)
            yield from scan
            findings.damaged_bytes += sum(end - start for start, end in scan.damaged) + size - len(data)


def _joined(chunks: Iterable[Chunk]) -> Iterator[Interval]:
    start = end = -1
    for chunk in chunks:
        if chunk.offset == end and end - start < _READ_BYTES:
            end += chunk.size
            continue
        if end > start:
            yield start, end - start
        start, end = chunk.offset, chunk.offset + chunk.size
    if end > start:
        yield start, end - start


class Decoder:
    """Decodes the samples of chunks of one node within one state of the index."""

    def __init__(
        self,
        connection: sqlite3.Connection,
        files: LogFiles,
        node: tuple[int, str],
        derived: Sequence[Derived],
    ) -> None:
        """Take row and id of the node."""
        self.connection = connection
        self.files = files
        self.node, self.node_name = node
        self.derived = derived
        self.schemas = schemas_of(connection, self.node)
        self.findings = Findings()

    def pieces(
        self, chunks: Sequence[Chunk], start_us: int, end_us: int, names: Collection[str] | None = None
    ) -> Iterator[Piece]:
        """Yield the samples with start ≤ UTC < end, of the named channels or of all.

        Frames beyond MAX_SAMPLES are left out and counted as malformed: a few bytes can stand for millions.
        """
        room = MAX_SAMPLES
        clocks = self._clocks(chunks)
        groups: dict[tuple[int, int, str], list[Frame]] = {}
        for frame in self._near(chunks, clocks, start_us, end_us):
            try:
                subject = summary_node(frame) if frame.kind == Kind.SUMMARY else ""
            except Malformed as error:
                self.findings.malformed.append((frame, str(error)))
                continue
            groups.setdefault((frame.schema_hash, frame.kind, subject), []).append(frame)
        for (schema_hash, _, subject), frames in groups.items():
            schema = self.schemas.get(schema_hash)
            if schema is None:
                continue
            frames.sort(key=lambda frame: (frame.boot_id, frame.seq))
            for samples in self._decoded(frames, schema, room):
                room -= _count(samples)
                times = _Times(clocks)
                for found in [*samples.values(), *derive(self.derived, schema, samples)]:
                    name = f"{subject}/{found.channel.name}" if subject else found.channel.name
                    if names is not None and name not in names:
                        continue
                    utc, chosen = times.of(found, start_us, end_us)
                    values = found.values
                    if chosen is not None:
                        if found.valid is not None:
                            chosen = chosen & found.valid
                        utc, values = utc[chosen], values[chosen]
                    elif found.valid is not None:
                        utc, values = utc[found.valid], values[found.valid]
                    if len(utc):
                        yield Piece(name, found.channel, utc, values)

    def _decoded(self, frames: list[Frame], schema: Schema, room: int) -> Iterator[dict[int, Samples]]:
        """Yield the samples of frames: all at once, or in parts up to `room` samples where they are more."""
        waiting = [frames]
        while waiting:
            some = waiting.pop()
            if room <= 0:
                why = f"more than {MAX_SAMPLES} samples at a time"
                self.findings.malformed += [(frame, why) for frame in some]
                continue
            try:
                samples, malformed = decode_samples(some, schema, room)
            except TooManySamples:
                half = len(some) // 2
                waiting += [some[half:], some[:half]]
                continue
            self.findings.malformed += malformed
            room -= _count(samples)
            yield samples

    def _clocks(self, chunks: Sequence[Chunk]) -> dict[int, BootClock]:
        """Return clocks by boot id, right wherever the chunks lie."""
        extents: dict[int, Interval] = {}
        boot_ids = {}
        for chunk in chunks:
            first, end = extents.get(chunk.boot, (chunk.mono_first, chunk.mono_end))
            extents[chunk.boot] = (min(first, chunk.mono_first), max(end, chunk.mono_end))
            boot_ids[chunk.boot] = chunk.boot_id
        return {boot_ids[boot]: clock for boot, clock in clocks_of(self.connection, extents).items()}

    def _near(
        self, chunks: Sequence[Chunk], clocks: dict[int, BootClock], start_us: int, end_us: int
    ) -> Iterator[Frame]:
        """Yield the sample frames that may reach into the time range."""
        for _, batch in itertools.groupby(
            enumerate(read_frames(self.files, self.node_name, chunks, self.findings)),
            key=lambda item: item[0] >> 12,
        ):
            frames = [frame for _, frame in batch if frame.kind in SAMPLE_KINDS and frame.boot_id in clocks]
            extents = np.array([extent_us(frame) for frame in frames], np.int64).reshape(-1, 2)
            boots = np.array([frame.boot_id for frame in frames], np.uint32)
            wanted = np.ones(len(frames), np.bool_)
            for boot_id in np.unique(boots):
                clock = clocks[int(boot_id)]
                same = boots == boot_id
                first, last = clock.utc_us(extents[same, 0]), clock.utc_us(extents[same, 1])
                if first is None or last is None:
                    wanted[same] = False
                elif not _stepped(clock):
                    wanted[same] = (last >= start_us - _MARGIN_US) & (first < end_us + _MARGIN_US)
            yield from itertools.compress(frames, wanted)


def _count(samples: Mapping[int, Samples]) -> int:
    return sum(len(found.values) for found in samples.values())


def _stepped(clock: BootClock) -> bool:
    offsets = np.array([point.utc_us - point.mono_us for point in clock.points], np.int64)
    return bool((np.abs(np.diff(offsets)) > 1_000_000).any())


class _Times:
    """UTC of samples; channels that share their instants share the work."""

    def __init__(self, clocks: dict[int, BootClock]) -> None:
        self._clocks = clocks
        self._known: dict[tuple[int, bytes, bytes, bytes], tuple[Ints, NDArray[np.bool_] | None]] = {}

    def of(self, samples: Samples, start_us: int, end_us: int) -> tuple[Ints, NDArray[np.bool_] | None]:
        """Return UTC and which samples lie in the range (None: all)."""
        key = (
            samples.channel.period_us,
            samples.starts_us.tobytes(),
            samples.counts.tobytes(),
            samples.boot_ids.tobytes(),
        )
        if key not in self._known:
            mono = samples.mono_us()
            utc = mono
            boots = np.unique(samples.boot_ids)
            if len(boots) == 1:
                utc = self._convert(int(boots[0]), mono)
            elif len(boots):
                of_sample = np.repeat(samples.boot_ids, samples.counts)
                utc = np.empty_like(mono)
                for boot_id in boots:
                    same = of_sample == boot_id
                    utc[same] = self._convert(int(boot_id), mono[same])
            inside = (utc >= start_us) & (utc < end_us)
            self._known[key] = (utc, None if inside.all() else inside)
        return self._known[key]

    def _convert(self, boot_id: int, mono: Ints) -> Ints:
        utc = self._clocks[boot_id].utc_us(mono)
        assert utc is not None  # frames of boots without time were left out
        return utc
