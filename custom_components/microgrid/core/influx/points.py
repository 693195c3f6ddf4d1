"""From archived readings of one node to lines: seconds, buckets of the roll-ups, days and events."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import isnan
from typing import Protocol

import numpy as np

from ..codec.umg1.records import EVENT_STATES, EVENT_TYPES, SEVERITIES, Event
from ..codec.umg1.schema import Schema
from .layout import Layout, Place
from .line import Column, Floats, Ints, line, lines, series_key

DAILY = "daily_summary"
FAULTS = "faults"
_ALERTS = {"heat_pump": "alert"}
"""What events of a kind are called, when not `faults`."""
_SECOND_US = 1_000_000


class Series(Protocol):
    """Samples of a channel, as the archive returns them."""

    @property
    def times_us(self) -> Ints: ...
    @property
    def values(self) -> Floats: ...


class Buckets(Protocol):
    """Buckets of a channel, as the archive returns them."""

    @property
    def times_s(self) -> Ints: ...
    @property
    def minimum(self) -> Floats: ...
    @property
    def maximum(self) -> Floats: ...
    @property
    def mean(self) -> Floats: ...
    @property
    def last(self) -> Floats: ...
    @property
    def gain(self) -> Floats: ...


@dataclass(frozen=True, slots=True)
class Subject:
    """The node that readings are of."""

    swarm: str
    cluster: str
    """Id of its gateway, of a gateway its own; empty when it has none."""
    node: str
    layout: Layout

    def key(self, measurement: str, **tags: str) -> str:
        """Return the series of a measurement."""
        return series_key(
            measurement, {"swarm": self.swarm, "cluster": self.cluster, "node": self.node, **tags}
        )


def seconds(subject: Subject, series: Mapping[str, Series]) -> dict[str, Column]:
    """Return the mean of each second (of counters the last value) by metric key, derived metrics included."""
    found = {
        key: _per_second(series[key], place)
        for key, place in subject.layout.places.items()
        if key in series and len(series[key].times_us)
    }
    return found | derive(subject.layout, found)


def second_lines(subject: Subject, columns: Mapping[str, Column]) -> Iterator[bytes]:
    """Yield the lines of seconds."""
    for measurement, places in subject.layout.by_measurement(columns.keys()):
        fields = {place.field: columns[place.metric.key] for place in places}
        yield from lines(subject.key(measurement), fields, 1000)


def bucket_lines(
    subject: Subject, buckets: Mapping[str, Buckets], bucket_s: int, finer: Mapping[str, Column]
) -> Iterator[bytes]:
    """Yield the lines of buckets: `field` (mean; of counters the last value), `field_min` and `field_max`.

    Derived metrics are computed from the means of the bucket; their extremes are those of `finer`, the same
    metrics in the next finer resolution, where it is there.
    """
    present = {key: buckets[key] for key in subject.layout.places if key in buckets}
    means = bucket_means(subject.layout, present)
    for measurement, places in subject.layout.by_measurement(means.keys()):
        fields: dict[str, Column] = {}
        for place in places:
            key = place.metric.key
            value = means[key]
            if key in present:
                low = Column(value.times, present[key].minimum)
                high = Column(value.times, present[key].maximum)
            else:
                low, high = _extremes(value, finer.get(key), bucket_s)
            fields |= {place.field: value, f"{place.field}_min": low, f"{place.field}_max": high}
        yield from lines(subject.key(measurement), fields, 1000)


def bucket_means(layout: Layout, buckets: Mapping[str, Buckets]) -> dict[str, Column]:
    """Return the value of each bucket by metric key, derived metrics included."""
    found = {
        key: Column(buckets[key].times_s, buckets[key].last if place.counter else buckets[key].mean)
        for key, place in layout.places.items()
        if key in buckets
    }
    return found | derive(layout, found)


def day_lines(subject: Subject, days: Mapping[str, Buckets]) -> Iterator[bytes]:
    """Yield one line a day (UTC): what counters gained, and mean, minimum and maximum of the rest."""
    fields: dict[str, Column] = {}
    for key, place in subject.layout.places.items():
        if (day := days.get(key)) is None:
            continue
        if place.counter:
            fields[key] = Column(day.times_s, day.gain)
        else:
            fields |= {
                f"{key}_mean": Column(day.times_s, day.mean),
                f"{key}_min": Column(day.times_s, day.minimum),
                f"{key}_max": Column(day.times_s, day.maximum),
            }
    yield from lines(subject.key(DAILY), fields, 1_000_000_000)


def event_line(subject: Subject, event: Event, schema: Schema | None, utc_us: int, seq: int) -> bytes:
    """Return the line of an event.

    Two events of a code may share their microsecond: the sequence number keeps them apart, always alike.
    """
    numbers: dict[str, float] = {}
    for number, integer in event.values:
        channel = schema.by_id.get(number) if schema is not None else None
        if channel is not None:
            numbers[channel.name] = float(channel.scaled(np.array([integer]))[0])
        else:
            numbers[f"channel_{number}"] = float(integer)
    if event.lost is not None:
        numbers |= {"lost_first": float(event.lost.first_seq), "lost_last": float(event.lost.last_seq)}
    tags = {
        "code": event.code,
        "severity": _name(SEVERITIES, event.severity),
        "type": _name(EVENT_TYPES, event.type),
    }
    return line(
        subject.key(_ALERTS.get(subject.layout.kind.kind, FAULTS), **tags),
        numbers,
        {"state": _name(EVENT_STATES, event.state), "event_id": event.event_id},
        utc_us * 1000 + seq % 1000,
    )


def derive(layout: Layout, columns: Mapping[str, Column]) -> dict[str, Column]:
    """Return the derived metrics that are not there already, as far as their inputs are."""
    found: dict[str, Column] = {}
    for place in layout.derived:
        metric = place.metric
        inputs = {
            key: column for key in metric.inputs if (column := columns.get(key) or found.get(key)) is not None
        }
        if metric.key in columns or not inputs or metric.derive is None:
            continue
        times = np.unique(np.concatenate([column.times for column in inputs.values()]))
        matrix = np.full((len(inputs), len(times)), np.nan)
        for row, column in enumerate(inputs.values()):
            matrix[row, np.searchsorted(times, column.times)] = column.values
        names = tuple(inputs)
        values = np.full(len(times), np.nan)
        complete = np.isfinite(matrix).all(axis=0).tolist()
        for at, row_values in enumerate(matrix.T.tolist()):
            given = dict(zip(names, row_values, strict=True))
            if not complete[at]:  # an input has no sample here
                given = {name: value for name, value in given.items() if not isnan(value)}
            result = metric.derive(given)
            if isinstance(result, (int, float)):
                values[at] = result
        there = np.isfinite(values)
        if there.any():
            found[metric.key] = Column(times[there], values[there])
    return found


def _per_second(series: Series, place: Place) -> Column:
    numbers = series.times_us // _SECOND_US
    starts = np.flatnonzero(np.concatenate(([True], numbers[1:] != numbers[:-1])))
    ends = np.append(starts[1:], len(numbers))
    if place.counter:
        return Column(numbers[starts], series.values[ends - 1])
    return Column(numbers[starts], np.add.reduceat(series.values, starts) / (ends - starts))


def _extremes(value: Column, finer: Column | None, bucket_s: int) -> tuple[Column, Column]:
    if finer is None or not len(finer.times):
        return value, value
    numbers = finer.times // bucket_s * bucket_s
    starts = np.flatnonzero(np.concatenate(([True], numbers[1:] != numbers[:-1])))
    _, at, found = np.intersect1d(value.times, numbers[starts], assume_unique=True, return_indices=True)
    low, high = value.values.copy(), value.values.copy()
    low[at] = np.minimum.reduceat(finer.values, starts)[found]
    high[at] = np.maximum.reduceat(finer.values, starts)[found]
    return Column(value.times, low), Column(value.times, high)


def _name(names: tuple[str, ...], number: int) -> str:
    return names[number] if number < len(names) else str(number)
