"""Roll-ups: buckets of a minute, an hour and a day, kept exact whatever arrives in whatever order.

There is one mechanism: what arrives (or has its time corrected) marks minutes, and marked minutes are
computed anew from the files. Where the retention took files already, new samples are added to the buckets
instead. Hours are folded from minutes, days from hours. All of it is safe to interrupt: a mark goes in the
transaction that stores its result.
"""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from ..codec.umg1.schema import Channel
from .buckets import Column, Ints, aggregate, combine, empty, fold, pack, unpack
from .derived import Derived
from .index import Index
from .reading import Decoder, Piece, merge_chunks, sample_chunks
from .store import LogFiles

_LOGGER = logging.getLogger(__name__)
_BATCH_HOURS = 1  # decoded together: large enough for numpy, small enough for a Raspberry Pi
_MERGE_CHUNKS = 64
_HOUR_S = 3600
COUNTER_UNITS = frozenset({"Wh", "kWh", "MWh", "varh", "kvarh", "Ah"})


@dataclass(frozen=True, slots=True)
class Tier:
    """One resolution."""

    number: int
    name: str
    bucket_s: int
    block_s: int
    """Buckets of so many seconds are stored together."""

    @property
    def length(self) -> int:
        """Buckets of a block."""
        return self.block_s // self.bucket_s

    def block_of(self, time_s: int) -> int:
        """Return the start of the block that holds a time."""
        return time_s // self.block_s * self.block_s


MINUTE = Tier(0, "minute", 60, 3600)
HOUR = Tier(1, "hour", 3600, 86_400)
DAY = Tier(2, "day", 86_400, 64 * 86_400)
TIERS = (MINUTE, HOUR, DAY)


@dataclass(frozen=True, slots=True)
class ChannelRow:
    """A channel of the index: the same name with another scale is another channel."""

    key: int
    name: str
    unit: str
    numerator: int
    exponent: int
    offset: int
    period_us: int

    @property
    def counter(self) -> bool:
        """Whether the channel counts energy or charge."""
        return self.unit in COUNTER_UNITS


def channel_rows(connection: sqlite3.Connection, node: int) -> list[ChannelRow]:
    """Return the channels that were rolled up."""
    return [
        ChannelRow(*row)
        for row in connection.execute(
            "SELECT id, name, unit, numerator, exponent, offset, period_us FROM channel WHERE "
            "node = ? ORDER BY id",
            (node,),
        )
    ]


class _Blocks:
    """Blocks of one node, loaded once and written once within a transaction."""

    def __init__(self, connection: sqlite3.Connection, node: int) -> None:
        self.connection = connection
        self.node = node
        self.channels = {row.key: row for row in channel_rows(connection, node)}
        self._keys = {
            (row.name, row.unit, row.numerator, row.exponent, row.offset, row.period_us): row.key
            for row in self.channels.values()
        }
        self._held: dict[tuple[int, int, int], Ints] = {}
        self._written: set[tuple[int, int, int]] = set()

    def channel(self, name: str, channel: Channel) -> ChannelRow:
        """Return the row of a channel, a new one if need be."""
        identity = (
            name,
            channel.unit,
            channel.numerator,
            channel.exponent,
            channel.offset,
            channel.period_us,
        )
        if identity not in self._keys:
            key = self.connection.execute(
                "INSERT INTO channel (node, name, unit, numerator, exponent, offset, period_us) "
                "VALUES (?, ?, ?, ?, ?, ?, ?)",
                (self.node, *identity),
            ).lastrowid
            assert key is not None
            self._keys[identity] = key
            self.channels[key] = ChannelRow(key, *identity)
        return self.channels[self._keys[identity]]

    def get(self, tier: Tier, block_s: int, channel: int) -> Ints:
        """Return a block; it may be changed in place when `touch` is called then."""
        place = (tier.number, block_s, channel)
        if place not in self._held:
            row = self.connection.execute(
                "SELECT data FROM rollup WHERE node = ? AND tier = ? AND block_s = ? AND channel = ?",
                (self.node, *place),
            ).fetchone()
            try:
                self._held[place] = empty(tier.length) if row is None else unpack(row[0])
            except ValueError as error:  # the medium: what can be computed again, is
                _LOGGER.warning("Roll-up %s of node %s is left out: %s", place, self.node, error)
                self._held[place] = empty(tier.length)
        return self._held[place]

    def touch(self, tier: Tier, block_s: int, channel: int) -> None:
        """Have a block written."""
        self._written.add((tier.number, block_s, channel))

    def stored(self, tier: Tier, block_s: int) -> set[int]:
        """Return the channels that have a block."""
        rows = self.connection.execute(
            "SELECT channel FROM rollup WHERE node = ? AND tier = ? AND block_s = ?",
            (self.node, tier.number, block_s),
        )
        return {row[0] for row in rows}

    def touched(self, tier: Tier) -> list[tuple[int, int]]:
        """Return block and channel of what was changed."""
        return sorted(
            (block_s, channel) for number, block_s, channel in self._written if number == tier.number
        )

    def raise_into(self, lower: Tier, upper: Tier, lower_floor_s: int) -> None:
        """Fold what changed into the next tier; a block of `lower` is one bucket of `upper`."""
        for block_s, channel in self.touched(lower):
            if block_s < lower_floor_s:
                continue
            row = self.channels[channel]
            above = self.get(upper, upper.block_of(block_s), channel)
            at = (block_s - upper.block_of(block_s)) // upper.bucket_s
            above[:, at : at + 1] = fold(
                self.get(lower, block_s, channel), lower.bucket_s * 1000, row.offset, counter=row.counter
            )
            self.touch(upper, upper.block_of(block_s), channel)

    def save(self) -> None:
        """Write the changed blocks; an empty one is removed."""
        for place in sorted(self._written):
            matrix = self._held[place]
            if matrix[Column.COUNT].any():
                self.connection.execute(
                    "INSERT INTO rollup VALUES (?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET data = "
                    "excluded.data",
                    (self.node, *place, pack(matrix)),
                )
            else:
                self.connection.execute(
                    "DELETE FROM rollup WHERE node = ? AND tier = ? AND block_s = ? AND channel = ?",
                    (self.node, *place),
                )


class RollUp:
    """Computes what is marked."""

    def __init__(self, index: Index, files: LogFiles, derived: Sequence[Derived]) -> None:
        """Work on an index and its files."""
        self.index = index
        self.files = files
        self.derived = derived

    def run(self, node: tuple[int, str], max_batches: int | None = None) -> int:
        """Compute marked minutes of a node (row and id); return how many batches that took."""
        done = 0
        while max_batches is None or done < max_batches:
            with self.index.write() as connection:
                if not (self._merge(connection, node) or self._recompute(connection, node)):
                    return done
            done += 1
        return done

    def _floors(self, connection: sqlite3.Connection, node: int) -> tuple[int, int, int]:
        row = connection.execute(
            "SELECT raw_floor_s, minute_floor_s, hour_floor_s FROM node WHERE id = ?", (node,)
        ).fetchone()
        return int(row[0]), int(row[1]), int(row[2])

    def _recompute(self, connection: sqlite3.Connection, node: tuple[int, str]) -> bool:
        key, _ = node
        rows = connection.execute(
            "SELECT hour_s, minutes FROM dirty WHERE node = ? ORDER BY hour_s LIMIT ?", (key, _BATCH_HOURS)
        ).fetchall()
        if not rows:
            return False
        first_s = rows[0][0]
        marked = {hour_s: minutes for hour_s, minutes in rows if hour_s < first_s + _BATCH_HOURS * _HOUR_S}
        masks = {
            hour_s: np.array([minutes >> bit & 1 for bit in range(60)], np.bool_)
            for hour_s, minutes in marked.items()
        }
        minutes = np.concatenate([hour_s // 60 + np.flatnonzero(mask) for hour_s, mask in masks.items()])
        start_us, end_us = int(minutes.min()) * 60_000_000, (int(minutes.max()) + 1) * 60_000_000
        decoder = Decoder(connection, self.files, node, self.derived)
        blocks = _Blocks(connection, key)
        fresh: dict[tuple[int, int], Ints] = {}  # hour and channel → block with only the computed minutes
        chunks = sample_chunks(connection, key, start_us, end_us)
        for row, (ids, columns) in self._by_channel(
            decoder.pieces(chunks, start_us, end_us), blocks, MINUTE.bucket_s
        ):
            for hour_s in masks:
                low, high = np.searchsorted(ids, (hour_s // 60, hour_s // 60 + 60))
                if low < high:
                    block = fresh.setdefault((hour_s, row.key), empty(60))
                    block[:, ids[low:high] - hour_s // 60] = columns[:, low:high]
        for hour_s, mask in masks.items():
            for channel in blocks.stored(MINUTE, hour_s) | {at for hour, at in fresh if hour == hour_s}:
                block = blocks.get(MINUTE, hour_s, channel)
                block[:, mask] = fresh.get((hour_s, channel), empty(60))[:, mask]
                blocks.touch(MINUTE, hour_s, channel)
        self._finish(connection, blocks, masks)
        connection.executemany(
            "DELETE FROM dirty WHERE node = ? AND hour_s = ?", [(key, hour_s) for hour_s in marked]
        )
        return True

    def _merge(self, connection: sqlite3.Connection, node: tuple[int, str]) -> bool:
        key, _ = node
        waiting = merge_chunks(connection, key, _MERGE_CHUNKS)
        if not waiting:
            return False
        decoder = Decoder(connection, self.files, node, self.derived)
        blocks = _Blocks(connection, key)
        _, minute_floor_s, hour_floor_s = self._floors(connection, key)
        hours: set[int] = set()
        for limit_s in sorted({limit for _, limit, _ in waiting}):
            chunks = [chunk for _, limit, chunk in waiting if limit == limit_s]
            # The finest tier that still exists takes the samples; the ones above are folded from it.
            for tier, start_s, end_s in (
                (DAY, 0, min(hour_floor_s, limit_s)),
                (HOUR, hour_floor_s, min(minute_floor_s, limit_s)),
                (MINUTE, minute_floor_s, limit_s),
            ):
                if start_s >= end_s:
                    continue
                pieces = decoder.pieces(chunks, start_s * 1_000_000, end_s * 1_000_000)
                for row, (ids, columns) in self._by_channel(pieces, blocks, tier.bucket_s):
                    times_s = ids * tier.bucket_s
                    hours.update((times_s // _HOUR_S * _HOUR_S).tolist())
                    for block_s in np.unique(times_s // tier.block_s * tier.block_s).tolist():
                        same = np.flatnonzero(times_s // tier.block_s * tier.block_s == block_s)
                        at = (times_s[same] - block_s) // tier.bucket_s
                        block = blocks.get(tier, block_s, row.key)
                        block[:, at] = combine(
                            block[:, at], columns[:, same], row.offset, counter=row.counter
                        )
                        blocks.touch(tier, block_s, row.key)
        self._finish(connection, blocks, hours)
        connection.executemany(
            "UPDATE chunk SET merge_below_s = NULL WHERE id = ?", [(chunk,) for chunk, _, _ in waiting]
        )
        return True

    def _by_channel(
        self, pieces: Iterable[Piece], blocks: _Blocks, bucket_s: int
    ) -> Iterable[tuple[ChannelRow, tuple[Ints, Ints]]]:
        """Aggregate pieces; a channel that comes in several (schemas, boots) is joined by time first."""
        joined: dict[int, list[Piece]] = {}
        for piece in pieces:
            joined.setdefault(blocks.channel(piece.name, piece.channel).key, []).append(piece)
        while joined:
            key, parts = joined.popitem()
            row = blocks.channels[key]
            times = (
                parts[0].times_us if len(parts) == 1 else np.concatenate([part.times_us for part in parts])
            )
            values = parts[0].values if len(parts) == 1 else np.concatenate([part.values for part in parts])
            yield (
                row,
                aggregate(
                    times.astype(np.int64, copy=False),
                    values.astype(np.int64, copy=False),
                    bucket_s * 1_000_000,
                    row.offset,
                    counter=row.counter,
                ),
            )

    def _finish(self, connection: sqlite3.Connection, blocks: _Blocks, hours: Iterable[int]) -> None:
        """Fold upwards, write, and tell the readers of roll-ups which hours changed."""
        _, minute_floor_s, hour_floor_s = self._floors(connection, blocks.node)
        blocks.raise_into(MINUTE, HOUR, minute_floor_s)
        blocks.raise_into(HOUR, DAY, hour_floor_s)
        blocks.save()
        (revision,) = connection.execute("SELECT coalesce(max(revision), 0) + 1 FROM changed").fetchone()
        connection.executemany(
            "INSERT INTO changed VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET revision = excluded.revision",
            [(blocks.node, hour_s, revision) for hour_s in hours],
        )
