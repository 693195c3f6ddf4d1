"""What the nodes of one kind log: samples at the rates of the metric table, cut into frames.

Frames begin at whole minutes (fast ones at twelfths of it) of the nodes' clock, a moment early: the count of
an energy meter at the end of an hour belongs to that hour.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from microgrid_core.codec.umg1.frame import Kind
from microgrid_core.codec.umg1.samples import encode_samples
from microgrid_core.codec.umg1.schema import Channel, Schema
from microgrid_core.model.metric import DeviceKind, Metric, ValueType

from ..physics import readings
from ..physics.neighbourhood import Neighbourhood
from .log import CLOCK, NodeLog

_SECOND_US = 1_000_000
_FAST_SPAN_US, _SLOW_SPAN_US = 12 * _SECOND_US, 60 * _SECOND_US
_SPANS_US = tuple(seconds * _SECOND_US for seconds in (60, 120, 300, 600, 1200, 1800, 3600))
"""Of counts: an hour has whole ones."""
_FEWEST = 5
"""Samples of the quickest channel in a frame."""
_NOMINAL_HZ = 50

Floats = NDArray[np.float64]
Read = Callable[[], Floats]
"""Returns units × channels in the metrics' units, not a number where nothing can be measured."""


@dataclass(frozen=True, slots=True)
class _Group:
    """Channels whose samples travel in the same frames."""

    kind: Kind
    span_us: int
    metrics: tuple[Metric, ...]


def _groups(kind: DeviceKind, least_period_us: int) -> list[_Group]:
    """Fast channels, slow ones, and those of a minute, which are written as soon as they are read."""
    found: dict[tuple[Kind, int, bool], list[Metric]] = {}
    for metric in kind.metrics:
        if (log := metric.log) is None:
            continue
        if log.fast:
            key = Kind.FAST, max(_FAST_SPAN_US, _FEWEST * least_period_us), False
        elif log.period_ms * 1000 < _SLOW_SPAN_US:
            key = Kind.SLOW, max(_SLOW_SPAN_US, _FEWEST * least_period_us), False
        else:
            span_us = next((span for span in _SPANS_US if span >= least_period_us), _SPANS_US[-1])
            key = Kind.SLOW, span_us, True
        found.setdefault(key, []).append(metric)
    return [_Group(frame, span_us, tuple(metrics)) for (frame, span_us, _), metrics in found.items()]


def _period_us(metric: Metric, span_us: int, least_period_us: int) -> int:
    assert metric.log is not None
    wanted_us = max(metric.log.period_ms * 1000, least_period_us)
    return span_us // max(1, span_us // wanted_us)


def channel_of(metric: Metric, number: int, period_us: int, *, fast: bool) -> Channel:
    """Return the channel of a metric that is logged."""
    assert metric.log is not None
    exponent = metric.log.exponent
    return Channel(
        number,
        metric.key,
        metric.unit or "",
        period_us,
        exponent=exponent,
        offset=_NOMINAL_HZ * 10**-exponent if metric.device_class == "frequency" else 0,
        fast=fast,
        width=1 if metric.value is ValueType.FLAG else 4,
    )


def schema(node: str, cluster: str, kind: DeviceKind, least_period_us: int) -> Schema:
    """Return the channels of a node with the periods in which they are truly sampled."""
    spans = {
        metric.key: group.span_us for group in _groups(kind, least_period_us) for metric in group.metrics
    }
    logged = (metric for metric in kind.metrics if metric.log is not None)
    channels = [
        channel_of(
            metric,
            number,
            _period_us(metric, spans[metric.key], least_period_us),
            fast=metric.log is not None and metric.log.fast,
        )
        for number, metric in enumerate(logged, 1)
    ]
    return Schema(node, cluster, tuple(channels))


@dataclass(slots=True)
class _Rate:
    """Channels that are sampled together, and what was read since the frame began."""

    period_us: int
    channels: tuple[Channel, ...]
    read: Read
    units: int
    most: int
    """Samples of a whole frame."""
    taken: int = 0
    values: NDArray[np.int64] = field(init=False)
    valid: NDArray[np.bool_] = field(init=False)

    def __post_init__(self) -> None:
        """Make room for a frame."""
        shape = (self.most, self.units, len(self.channels))
        self.values, self.valid = np.zeros(shape, np.int64), np.zeros(shape, np.bool_)

    def take(self, place: int) -> None:
        """Read now; what was missed before stays missing."""
        scale = np.array([channel.scale for channel in self.channels])
        offset = np.array([channel.offset for channel in self.channels])
        found = self.read()
        valid = np.isfinite(found)
        self.values[place] = np.rint(np.where(valid, found, 0.0) / scale).astype(np.int64) - offset
        self.valid[place] = valid
        self.taken = place + 1

    def clear(self) -> None:
        """Begin another frame."""
        self.taken = 0
        self.valid[:] = False


class _Cutter:
    """One group of channels of all nodes: the frame in progress."""

    def __init__(self, group: _Group, rates: list[_Rate], logs: Sequence[NodeLog], early_us: int) -> None:
        self._group = group
        self._rates = rates
        self._logs = logs
        self._early_us = early_us
        self._start_us = self._end_us = self.due_us = 0

    def begin(self, now_us: int) -> None:
        """Begin a frame that ends where whole ones do."""
        finest_us = min(rate.period_us for rate in self._rates)
        self._open(-(-(now_us + self._early_us) // finest_us) * finest_us - self._early_us)

    def sample(self, now_us: int) -> None:
        """Read what is due."""
        if now_us >= self._end_us:  # overslept
            self.cut(self._end_us)
            self.begin(now_us)
        if now_us < self.due_us:
            return
        left = []
        for rate in self._rates:
            place = (now_us - self._start_us) // rate.period_us
            if rate.taken <= place < self._count(rate):
                rate.take(place)
            if rate.taken < self._count(rate):
                left.append(self._start_us + rate.taken * rate.period_us)
        if left:
            self.due_us = min(left)
        else:
            self.cut(self._end_us)
            self._open(self._end_us)

    def cut(self, end_us: int) -> None:
        """Write the frame as it is."""
        series: list[dict[int, tuple[NDArray[np.int64], NDArray[np.bool_] | None]]] = [{} for _ in self._logs]
        for rate in self._rates:
            for unit, of_unit in enumerate(series):
                for column, channel in enumerate(rate.channels):
                    valid = rate.valid[: rate.taken, unit, column]
                    if valid.any():
                        values = rate.values[: rate.taken, unit, column]
                        of_unit[channel.id] = (values, None if valid.all() else valid)
        span_ms = (end_us - self._start_us) // 1000
        for log, of_unit in zip(self._logs, series, strict=True):
            if of_unit:
                clock = CLOCK if self._group.kind is Kind.SLOW else None
                ordered = dict(sorted(of_unit.items()))
                payload, flags, blocks = encode_samples(log.schema, self._group.kind, span_ms, ordered, clock)
                log.write(self._group.kind, payload, self._start_us, flags=flags, blocks=blocks)
        for rate in self._rates:
            rate.clear()

    def _open(self, start_us: int) -> None:
        span_us = self._group.span_us
        self._start_us = self.due_us = start_us
        self._end_us = ((start_us + self._early_us) // span_us + 1) * span_us - self._early_us

    def _count(self, rate: _Rate) -> int:
        return -(-(self._end_us - self._start_us) // rate.period_us)


class Recorder:
    """Samples all nodes of one kind."""

    def __init__(
        self,
        site: Neighbourhood,
        kind: DeviceKind,
        logs: Sequence[NodeLog],
        least_period_us: int,
        early_us: int,
    ) -> None:
        """Take the nodes' logs, in the order of the site; all have the schema made above."""
        self._site = site
        self._nodes = [log.schema.node for log in logs]
        channels = {channel.name: channel for channel in logs[0].schema.channels}
        self._cutters = []
        for group in _groups(kind, least_period_us):
            by_period: dict[int, list[Channel]] = {}
            for metric in group.metrics:
                channel = channels[metric.key]
                by_period.setdefault(channel.period_us, []).append(channel)
            rates = [
                _Rate(
                    period_us,
                    tuple(found),
                    self._quick(found) if group.kind is Kind.FAST else self._slow(found),
                    len(logs),
                    -(-group.span_us // period_us),
                )
                for period_us, found in by_period.items()
            ]
            self._cutters.append(_Cutter(group, rates, logs, early_us))

    @property
    def due_us(self) -> int:
        """When the next sample is to be taken."""
        return min(cutter.due_us for cutter in self._cutters)

    def begin(self, now_us: int) -> None:
        """Begin to record."""
        for cutter in self._cutters:
            cutter.begin(now_us)

    def sample(self, now_us: int) -> None:
        """Read what is due."""
        for cutter in self._cutters:
            cutter.sample(now_us)

    def end(self, now_us: int) -> None:
        """Write what was not whole yet."""
        for cutter in self._cutters:
            cutter.cut(now_us)

    def _quick(self, channels: list[Channel]) -> Read:
        """Read arrays of all units: as often as a hundred times in a second."""
        site = self._site
        if self._nodes[0] in site.house_names:
            readers = [readings.HOUSE_ARRAYS[channel.name] for channel in channels]
            return lambda: self._acted(channels, np.stack([read(site.houses) for read in readers], axis=1))

        arrays = [readings.GATEWAY_ARRAYS[channel.name] for channel in channels]

        def read_gateways() -> Floats:
            site.gateways.measure(site.houses.voltage_v)
            return self._acted(channels, np.stack([read(site.gateways) for read in arrays], axis=1))

        return read_gateways

    def _acted(self, channels: list[Channel], found: Floats) -> Floats:
        """Put in what is played at some nodes."""
        for unit, node in enumerate(self._nodes):
            if (role := self._site.roles.get(node)) is not None:
                for column, channel in enumerate(channels):
                    if (value := role.value(channel.name)) is not None:
                        found[unit, column] = value
        return found

    def _slow(self, channels: list[Channel]) -> Read:
        names = [channel.name for channel in channels]

        def read() -> Floats:
            found = [self._site.values(node) for node in self._nodes]
            return np.array(
                [[_number(values.get(name)) for name in names] for values in found], dtype=np.float64
            )

        return read


def _number(value: object) -> float:
    return float(value) if isinstance(value, (int, float)) else np.nan
