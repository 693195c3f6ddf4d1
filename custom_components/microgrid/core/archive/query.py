"""Questions to the archive: samples, roll-ups, events, and what is there at all."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..codec.umg1.frame import Frame, Kind, Scan
from ..codec.umg1.records import EVENT_TYPES, Event
from ..codec.umg1.schema import Schema
from ..codec.umg1.wire import Malformed
from .buckets import Column, Ints, empty, step, unpack
from .derived import Derived
from .index import Index, node_key
from .ingest import load_spans
from .ranges import Range
from .reading import Decoder, Findings, Piece, sample_chunks, schemas_of
from .rollup import DAY, TIERS, ChannelRow, Tier, channel_rows
from .store import LogFiles

Floats = NDArray[np.float64]
_PIECE_US = 3_600_000_000  # samples are read an hour at a time


@dataclass(frozen=True, slots=True)
class Series:
    """Samples of one channel in the order of time."""

    name: str
    unit: str
    times_us: Ints
    values: Floats


@dataclass(frozen=True, slots=True)
class History:
    """Buckets of one channel that hold samples, in the order of time; every array has one entry a bucket."""

    name: str
    unit: str
    bucket_s: int
    times_s: Ints
    """Start of each bucket, UTC."""
    count: Ints
    minimum: Floats
    maximum: Floats
    mean: Floats
    first: Floats
    last: Floats
    positive: Floats
    """Integral over time of what is above zero in units times hours: Wh of a power, Ah of a current."""
    negative: Floats
    """The same of what is below zero, as a positive number."""
    gain: Floats
    """Growth of a counter since the bucket before, 0 for what is none. It is what was told: `growth` tells
    what can be believed."""


@dataclass(frozen=True, slots=True)
class ArchivedEvent:
    """An event of a node."""

    node: str
    boot_id: int
    seq: int
    utc_us: int | None
    """None while the node did not know the time."""
    event: Event
    schema_hash: int

    @property
    def type(self) -> str:
        """Name of the type."""
        return (
            EVENT_TYPES[self.event.type] if self.event.type < len(EVENT_TYPES) else f"type {self.event.type}"
        )


@dataclass(frozen=True, slots=True)
class BootCoverage:
    """What is there of one boot of a node."""

    boot_id: int
    received: tuple[Range, ...]
    lost: tuple[Range, ...]
    """Declared lost by the node and not received either."""
    missing: tuple[Range, ...]
    """Neither received nor declared lost."""
    acknowledged: int | None
    utc_us: tuple[int, int] | None
    """Of the samples that are still in files."""


@dataclass(frozen=True, slots=True)
class Coverage:
    """What is there of a node."""

    boots: tuple[BootCoverage, ...]
    samples_us: tuple[Range, ...]
    """UTC intervals of samples in files; a hole of more than a minute separates them."""
    undated_frames: int
    """Frames whose boot did not know the time yet, or told one that cannot be."""
    opaque_frames: int
    """Frames whose schema is not known yet."""


@dataclass(slots=True)
class Queries:
    """Reads beside the writer; every call sees one state, a stream one state a piece."""

    index: Index
    files: LogFiles
    derived: Sequence[Derived]
    findings: Findings = field(default_factory=Findings)
    """What could not be read since the last call for samples began."""

    def nodes(self) -> list[str]:
        """Return the ids of all nodes."""
        with self.index.read() as connection:
            return [row[0] for row in connection.execute("SELECT name FROM node ORDER BY name")]

    def schemas(self, node: str) -> dict[int, Schema]:
        """Return the schemas of a node by hash."""
        with self.index.read() as connection:
            key = node_key(connection, node)
            return {} if key is None else schemas_of(connection, key)

    def channels(self, node: str) -> dict[str, str]:
        """Return the units of all channels with roll-ups by name."""
        with self.index.read() as connection:
            key = node_key(connection, node)
            return {} if key is None else {row.name: row.unit for row in channel_rows(connection, key)}

    def floors(self, node: str) -> tuple[int, int, int]:
        """Return from when on (UTC s) samples, minutes and hours of a node are complete; 0: all of them."""
        with self.index.read() as connection:
            row = connection.execute(
                "SELECT raw_floor_s, minute_floor_s, hour_floor_s FROM node WHERE name = ?", (node,)
            ).fetchone()
        return (0, 0, 0) if row is None else (int(row[0]), int(row[1]), int(row[2]))

    def series(
        self, node: str, names: Collection[str] | None, start_us: int, end_us: int
    ) -> dict[str, Series]:
        """Return the samples with start ≤ UTC < end by channel name; names None: all channels."""
        parts: dict[str, list[Series]] = {}
        for part in self.stream(node, names, start_us, end_us):
            for name, found in part.items():
                parts.setdefault(name, []).append(found)
        return {
            name: Series(
                name,
                found[-1].unit,
                np.concatenate([part.times_us for part in found]),
                np.concatenate([part.values for part in found]),
            )
            for name, found in parts.items()
        }

    def stream(
        self, node: str, names: Collection[str] | None, start_us: int, end_us: int, piece_us: int = _PIECE_US
    ) -> Iterator[dict[str, Series]]:
        """Yield the same piece by piece in the order of time; memory is that of one piece."""
        wanted = None if names is None else frozenset(names)
        self.findings = Findings()
        with self.index.read() as connection:
            key = node_key(connection, node)
            low, high = connection.execute(
                "SELECT min(utc_first), max(utc_end) FROM chunk WHERE node = ?", (key,)
            ).fetchone()
        if key is None or low is None:
            return
        at = max(start_us, low)
        while at < end_us and at <= high:
            stop = min(end_us, (at // piece_us + 1) * piece_us)
            with self.index.read() as connection:
                chunks = sample_chunks(connection, key, at, stop)
                decoder = Decoder(connection, self.files, (key, node), self.derived)
                found: dict[str, list[Piece]] = {}
                for piece in decoder.pieces(chunks, at, stop, wanted):
                    found.setdefault(piece.name, []).append(piece)
            self.findings.damaged_bytes += decoder.findings.damaged_bytes
            self.findings.missing_files += decoder.findings.missing_files
            self.findings.malformed += decoder.findings.malformed
            if found:
                yield {name: _series(name, pieces) for name, pieces in found.items()}
            at = stop

    def history(
        self, node: str, names: Collection[str] | None, start_s: int, end_s: int, tier: Tier
    ) -> dict[str, History]:
        """Return the buckets that begin within start ≤ UTC < end by channel name; names None: all."""
        with self.index.read() as connection:
            key = node_key(connection, node)
            if key is None:
                return {}
            rows = [row for row in channel_rows(connection, key) if names is None or row.name in names]
            result: dict[str, list[tuple[ChannelRow, Ints, Ints]]] = {}
            for row in rows:
                blocks = connection.execute(
                    "SELECT block_s, data FROM rollup WHERE node = ? AND tier = ? AND block_s "
                    ">= ? AND block_s < ? "
                    "AND channel = ? ORDER BY block_s",
                    (key, tier.number, tier.block_of(start_s), end_s, row.key),
                ).fetchall()
                if not blocks:
                    continue
                if row.counter:  # its growth in the first bucket began before it
                    before = connection.execute(
                        "SELECT block_s, data FROM rollup WHERE node = ? AND tier = ? AND "
                        "block_s < ? AND channel = ? "
                        "ORDER BY block_s DESC LIMIT 1",
                        (key, tier.number, blocks[0][0], row.key),
                    ).fetchone()
                    blocks = [*([before] if before else ()), *blocks]
                times = np.concatenate(
                    [np.arange(block_s, block_s + tier.block_s, tier.bucket_s) for block_s, _ in blocks]
                )
                matrix = np.concatenate([self._unpack(data, tier) for _, data in blocks], axis=1)
                filled = matrix[Column.COUNT] > 0
                result.setdefault(row.name, []).append((row, times[filled], matrix[:, filled]))
        found = {name: _history(name, parts, tier.bucket_s) for name, parts in result.items()}
        return {
            name: part
            for name, whole in found.items()
            if len((part := _within(whole, start_s, end_s)).times_s)
        }

    def _unpack(self, data: bytes, tier: Tier) -> Ints:
        try:
            return unpack(data)
        except ValueError:
            self.findings.damaged_blocks += 1
            return empty(tier.length)

    def events(
        self,
        node: str | None = None,
        start_us: int | None = None,
        end_us: int | None = None,
        *,
        codes: Collection[str] | None = None,
        types: Collection[str] | None = None,
        limit: int | None = None,
    ) -> list[ArchivedEvent]:
        """Return events in the order of time, those of unknown time first; a limit keeps the newest."""
        conditions, values = ["kind = ?"], [int(Kind.EVENT)]
        bound: list[Any] = values
        for condition, value in (("node.name = ?", node), ("utc >= ?", start_us), ("utc < ?", end_us)):
            if value is not None:
                conditions.append(condition)
                bound.append(value)
        if codes is not None:
            conditions.append(f"code IN ({', '.join('?' * len(codes))})")
            bound.extend(codes)
        query = (
            "SELECT node.name, boot.boot_id, utc, frame FROM record JOIN node ON node.id = record.node "
            f"JOIN boot ON boot.id = record.boot WHERE {' AND '.join(conditions)} ORDER BY utc "
            f"DESC, record.id DESC"
        )
        found: list[ArchivedEvent] = []
        with self.index.read() as connection:
            for name, boot_id, utc, data in connection.execute(query, bound):
                for frame in Scan(data):
                    try:
                        event = Event.parse(frame.payload)
                    except Malformed:
                        continue
                    archived = ArchivedEvent(name, boot_id, frame.seq, utc, event, frame.schema_hash)
                    if types is None or archived.type in types:
                        found.append(archived)
                if limit is not None and len(found) >= limit:
                    break
        return found[::-1]

    def records(self, node: str, kind: Kind) -> list[tuple[int | None, Frame]]:
        """Return UTC and frame of all boots, events or snapshot heads of a node in the order of arrival."""
        with self.index.read() as connection:
            rows = connection.execute(
                "SELECT utc, frame FROM record WHERE node = (SELECT id FROM node WHERE name = "
                "?) AND kind = ? ORDER BY id",
                (node, int(kind)),
            ).fetchall()
        return [(utc, frame) for utc, data in rows for frame in Scan(data)]

    def coverage(self, node: str) -> Coverage:
        """Return what is there of a node."""
        with self.index.read() as connection:
            key = node_key(connection, node)
            boots = []
            for boot, boot_id, next_seq, low, high in connection.execute(
                "SELECT boot.id, boot_id, next_seq, min(utc_first), max(utc_end) FROM boot "
                "LEFT JOIN chunk ON chunk.boot = boot.id AND chunk.samples > 0 WHERE boot.node = ? "
                "GROUP BY boot.id ORDER BY boot.id",
                (key,),
            ).fetchall():
                received, lost = load_spans(connection, boot)
                known = load_spans(connection, boot)[0]
                for first, last in lost.ranges():
                    known.add(first, last)
                for first, last in received.ranges():
                    lost.remove(first, last)
                boots.append(
                    BootCoverage(
                        boot_id,
                        received.ranges(),
                        lost.ranges(),
                        known.holes(None if next_seq is None else next_seq - 1),
                        known.contiguous(),
                        None if low is None else (low, high),
                    )
                )
            intervals = connection.execute(
                "SELECT utc_first, utc_end FROM chunk WHERE node = ? AND samples > 0 AND "
                "utc_first IS NOT NULL "
                "ORDER BY utc_first",
                (key,),
            )
            samples: list[list[int]] = []
            for start, end in intervals:
                if samples and start <= samples[-1][1] + 60_000_000:
                    samples[-1][1] = max(samples[-1][1], end)
                else:
                    samples.append([start, end])
            undated, opaque = connection.execute(
                "SELECT coalesce(sum(frames) FILTER (WHERE utc_first IS NULL), 0), "
                "coalesce(sum(frames) FILTER (WHERE opaque IS NOT NULL), 0) FROM chunk WHERE node = ?",
                (key,),
            ).fetchone()
        return Coverage(tuple(boots), tuple((start, end) for start, end in samples), undated, opaque)


def tier_for(start_s: int, end_s: int, points: int) -> Tier:
    """Return the finest tier that shows a time range with at most `points` buckets."""
    return next((tier for tier in TIERS if (end_s - start_s) / tier.bucket_s <= points), DAY)


def _scaled(row: ChannelRow, values: NDArray[Any]) -> Floats:
    scaled: Floats = values * float(row.numerator)
    return scaled / 10.0**-row.exponent if row.exponent < 0 else scaled * 10.0**row.exponent


def _series(name: str, pieces: list[Piece]) -> Series:
    times = np.concatenate([piece.times_us for piece in pieces])
    parts = []
    for piece in pieces:
        row = ChannelRow(
            0, name, "", piece.channel.numerator, piece.channel.exponent, piece.channel.offset, 0
        )
        parts.append(_scaled(row, piece.values + np.int64(piece.channel.offset)))
    values = np.concatenate(parts)
    if np.any(times[1:] < times[:-1]):
        order = np.argsort(times, kind="stable")
        times, values = times[order], values[order]
    return Series(name, pieces[-1].channel.unit, times, values)


def _history(name: str, parts: list[tuple[ChannelRow, Ints, Ints]], bucket_s: int) -> History:
    """Scale the buckets of all versions of a channel and join those of the same time."""
    histories = [_scaled_history(name, *part, bucket_s) for part in parts]
    whole = histories[0]
    for other in histories[1:]:
        whole = _joined(whole, other)
    return whole


def _scaled_history(name: str, row: ChannelRow, times: Ints, matrix: Ints, bucket_s: int) -> History:
    count = matrix[Column.COUNT]
    total = matrix[Column.SUM] + count * row.offset
    hours = row.period_us / 3_600_000_000
    gain = matrix[Column.GAIN].copy()
    if row.counter and len(gain) > 1:
        gain[1:] += step(matrix[Column.LAST, :-1], matrix[Column.FIRST, 1:], row.offset)
    low, high = Column.MINIMUM, Column.MAXIMUM
    if row.numerator < 0:
        low, high = high, low
    positive, negative = _directions(row, total, matrix[Column.NEGATIVE], hours)
    return History(
        name,
        row.unit,
        bucket_s,
        times,
        count,
        _scaled(row, matrix[low] + row.offset),
        _scaled(row, matrix[high] + row.offset),
        _scaled(row, total) / count,
        _scaled(row, matrix[Column.FIRST] + row.offset),
        _scaled(row, matrix[Column.LAST] + row.offset),
        positive,
        negative,
        _scaled(row, gain),
    )


def _directions(row: ChannelRow, total: Ints, negative: Ints, hours: float) -> tuple[Floats, Floats]:
    above, below = _scaled(row, total - negative) * hours, -_scaled(row, negative) * hours
    return (above, below) if row.numerator > 0 else (-below, -above)


def _joined(a: History, b: History) -> History:
    """Join the buckets of two versions of a channel (it got another scale or period)."""
    times = np.union1d(a.times_s, b.times_s)

    def spread(source: History, values: NDArray[Any], absent: float) -> Floats:
        out = np.full(len(times), absent, np.float64)
        out[np.searchsorted(times, source.times_s)] = values
        return out

    counts = [spread(part, part.count, 0) for part in (a, b)]
    in_b = counts[1] > 0  # the later version has the last word
    in_a = counts[0] > 0
    total = counts[0] + counts[1]

    def added(field_a: Floats, field_b: Floats) -> Floats:
        return spread(a, field_a, 0) + spread(b, field_b, 0)

    return History(
        a.name,
        b.unit,
        a.bucket_s,
        times,
        total.astype(np.int64),
        np.minimum(spread(a, a.minimum, np.inf), spread(b, b.minimum, np.inf)),
        np.maximum(spread(a, a.maximum, -np.inf), spread(b, b.maximum, -np.inf)),
        (spread(a, a.mean, 0) * counts[0] + spread(b, b.mean, 0) * counts[1]) / total,
        np.where(in_a, spread(a, a.first, 0), spread(b, b.first, 0)),
        np.where(in_b, spread(b, b.last, 0), spread(a, a.last, 0)),
        added(a.positive, b.positive),
        added(a.negative, b.negative),
        added(a.gain, b.gain),
    )


def _within(history: History, start_s: int, end_s: int) -> History:
    low, high = np.searchsorted(history.times_s, (start_s, end_s))
    cut = slice(int(low), int(high))
    return History(
        history.name,
        history.unit,
        history.bucket_s,
        history.times_s[cut],
        history.count[cut],
        history.minimum[cut],
        history.maximum[cut],
        history.mean[cut],
        history.first[cut],
        history.last[cut],
        history.positive[cut],
        history.negative[cut],
        history.gain[cut],
    )
