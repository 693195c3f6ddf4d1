"""A log as tables: one for each node and sampling period, a row an instant, a column a channel."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..umg1.blocks import Bools, Ints
from ..umg1.frame import Kind
from ..umg1.log import Log
from ..umg1.samples import Samples
from ..umg1.schema import Channel

SAMPLE_KINDS = (Kind.FAST, Kind.SLOW, Kind.SUMMARY)


@dataclass(frozen=True, slots=True)
class Column:
    """One channel: integers, and which of them are there."""

    channel: Channel
    values: Ints
    valid: Bools | None
    """None: all."""

    def scaled(self) -> NDArray[np.float64]:
        """Values in the channel's unit, NaN where missing."""
        scaled = self.channel.scaled(self.values)
        if self.valid is not None:
            scaled[~self.valid] = np.nan
        return scaled


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of one node and period, in order."""

    node: str
    period_us: int
    boot_ids: NDArray[np.uint32]
    mono_us: Ints
    utc_us: Ints
    """0 where the boot never knew the time."""
    columns: tuple[Column, ...]

    @property
    def name(self) -> str:
        """A name for the table's file: `house1_10ms`."""
        period = f"{self.period_us // 1000}ms" if self.period_us % 1000 == 0 else f"{self.period_us}us"
        return f"{file_name(self.node)}_{period}"


def file_name(text: str) -> str:
    """Return a text from a log as it may stand in the name of a file."""
    return "".join(letter if letter.isalnum() or letter in "_-" else "_" for letter in text) or "_"


def tables(
    log: Log, rows: NDArray[np.void] | None = None, channels: Iterable[str] | None = None
) -> Iterator[Table]:
    """Yield the samples of these rows of the index (all) piece by piece, of the named channels (all)."""
    wanted = None if channels is None else frozenset(channels)
    for schema, samples in log.chunks(rows, SAMPLE_KINDS):
        periods: dict[int, list[Samples]] = {}
        for one in samples.values():
            if wanted is None or one.channel.name in wanted:
                periods.setdefault(one.channel.period_us, []).append(one)
        for period_us, group in periods.items():
            boot_ids, mono_us, columns = _aligned(group)
            yield Table(schema.node, period_us, boot_ids, mono_us, log.utc_us(boot_ids, mono_us), columns)


def _aligned(group: list[Samples]) -> tuple[NDArray[np.uint32], Ints, tuple[Column, ...]]:
    """Bring channels onto common instants."""
    head = group[0]
    boot_ids, mono_us = np.repeat(head.boot_ids, head.counts), head.mono_us()
    if all(_same_instants(head, other) for other in group[1:]):
        return boot_ids, mono_us, tuple(Column(one.channel, one.values, one.valid) for one in group)
    instant = np.dtype([("place", np.int64), ("boot", np.uint32), ("mono", np.int64)])
    # Boots keep the order in which the log has them.
    order = {
        boot: place for place, boot in enumerate(dict.fromkeys(int(b) for one in group for b in one.boot_ids))
    }
    keys = []
    for one in group:
        key = np.empty(len(one.values), instant)
        key["boot"] = np.repeat(one.boot_ids, one.counts)
        key["place"] = np.repeat(np.array([order[int(boot)] for boot in one.boot_ids], np.int64), one.counts)
        key["mono"] = one.mono_us()
        keys.append(key)
    union = np.unique(np.concatenate(keys))
    columns = []
    for one, key in zip(group, keys, strict=True):
        where = np.searchsorted(union, key)
        values = np.zeros(len(union), one.values.dtype)
        valid = np.zeros(len(union), np.bool_)
        values[where] = one.values
        valid[where] = True if one.valid is None else one.valid
        columns.append(Column(one.channel, values, valid))
    return union["boot"], union["mono"], tuple(columns)


def _same_instants(one: Samples, other: Samples) -> bool:
    return (
        np.array_equal(one.counts, other.counts)
        and np.array_equal(one.starts_us, other.starts_us)
        and np.array_equal(one.boot_ids, other.boot_ids)
    )
