"""What nodes keep of a fault, as files: the samples, events and bus frames of a case in the log's format."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np

from microgrid_core.codec.can_dbc import MESSAGES, raw, to_words
from microgrid_core.codec.can_message import MESSAGE_MASK, NODE_MASK
from microgrid_core.codec.umg1 import can
from microgrid_core.codec.umg1.can import CanFrame
from microgrid_core.codec.umg1.frame import FLAG_CLOCK, Frame, Kind
from microgrid_core.codec.umg1.records import EVENT_STATES, EVENT_TYPES, SEVERITIES, Event, Snapshot
from microgrid_core.codec.umg1.samples import encode_samples
from microgrid_core.codec.umg1.schema import Channel, Schema
from microgrid_core.contract.faults import FAULTS
from microgrid_core.contract.messages import NodeKind
from microgrid_core.contract.snapshot import SnapshotPart, SnapshotState
from microgrid_core.diagnosis.case import CanTraffic, Case, Series
from microgrid_core.model.kinds import KINDS

from .log import CLOCK
from .recorder import channel_of

_SECOND_US = 1_000_000
_FAST_US = 100_000
"""At this period or below, a channel is in the fast group."""
_SAMPLES = 1000
"""Of a channel in one frame."""
_BUS_FRAMES = 1500
"""In one frame: with eight bytes each it has room for four times as many identifiers as a bus has."""

_HEARTBEAT = MESSAGES["Heartbeat"]


@dataclass(frozen=True, slots=True)
class Keeper:
    """A node that keeps recordings."""

    node: str
    cluster: str
    kind: NodeKind
    boot_id: int
    start_us: int
    """UTC of its start: its own clock counts from there."""


@dataclass(frozen=True, slots=True)
class Kept:
    """An object of a snapshot."""

    state: SnapshotState
    data: bytes


Ids = Mapping[tuple[str, str, bool], str]
"""Id of each event that was told, by node, code and whether it was raised."""


def recordings(
    case: Case, keeper: Keeper, ids: Ids, *, from_s: float, to_s: float
) -> dict[SnapshotPart, Kept]:
    """Write what a node keeps of a case; it recorded from `from_s` to `to_s` after the trigger.

    The case must know its time. A gateway has the traffic of the bus, for itself and its houses.
    """
    writer = _Writer(case, keeper, ids, max(from_s, -case.before_s), min(to_s, case.after_s))
    found = {SnapshotPart.MEASURED: writer.measured()}
    if keeper.kind is NodeKind.GATEWAY and case.traffic is not None:
        found[SnapshotPart.TRAFFIC] = writer.traffic(case.traffic)
    return found


def renamed(case: Case, names: Mapping[str, str]) -> Case:
    """Return the case of a cluster whose nodes are called otherwise."""
    return replace(
        case,
        node=names[case.node],
        nodes={names[node]: replace(record, node=names[record.node]) for node, record in case.nodes.items()},
        events=tuple(replace(event, node=names[event.node]) for event in case.events),
    )


def with_boots(traffic: CanTraffic, boots: Mapping[int, tuple[int, ...]]) -> CanTraffic:
    """Return the traffic of nodes with other boot ids: by CAN number, in the order of their starts."""
    signal = _HEARTBEAT.signal("boot_id")
    chosen = traffic.identifier & MESSAGE_MASK == _HEARTBEAT.identifier
    words, senders = to_words(traffic.data).copy(), traffic.identifier & NODE_MASK
    told = raw(signal, words)
    mask = np.uint64(((1 << signal.length) - 1) << signal.start)
    for sender, ids in boots.items():
        rows = np.flatnonzero(chosen & (senders == sender))
        for before, after in zip(dict.fromkeys(told[rows].tolist()), ids, strict=False):
            these = rows[told[rows] == before]
            words[these] = (words[these] & ~mask) | (np.uint64(after) << np.uint64(signal.start))
    data = np.ascontiguousarray(words.astype("<u8")).view(np.uint8).reshape(-1, 8)
    return replace(traffic, data=data)


class _Writer:
    """Makes the frames of one node."""

    def __init__(self, case: Case, keeper: Keeper, ids: Ids, from_s: float, to_s: float) -> None:
        if case.trigger_utc_us is None:
            raise ValueError(f"fault {case.event_id}: without its time no node can have logged it")
        self._case, self._keeper, self._ids = case, keeper, ids
        self._from_s, self._to_s = from_s, to_s
        self._trigger_us = case.trigger_utc_us
        whole = (from_s, to_s) == (-case.before_s, case.after_s)
        self._state = SnapshotState.COMPLETE if whole else SnapshotState.PARTIAL
        kind = KINDS[keeper.kind]
        record = case.nodes[keeper.node]
        self._series = {key: part for key, each in record.channels.items() if (part := self._inside(each))}
        self._schema = Schema(
            keeper.node,
            keeper.cluster,
            tuple(
                channel_of(kind.by_key[key], number, _period_us(series), fast=_period_us(series) <= _FAST_US)
                for number, (key, series) in enumerate(self._series.items(), 1)
            ),
        )

    def measured(self) -> Kept:
        return self._file([*self._samples(), *self._events()])

    def traffic(self, traffic: CanTraffic) -> Kept:
        inside = np.flatnonzero((traffic.t_s >= self._from_s) & (traffic.t_s < self._to_s))
        frames = []
        for begin in range(0, len(inside), _BUS_FRAMES):
            rows = inside[begin : begin + _BUS_FRAMES]
            mono_us = [self._mono_us(float(at_s)) for at_s in traffic.t_s[rows]]
            heard = [
                CanFrame(
                    at_us, int(traffic.identifier[row]), traffic.data[row, : traffic.length[row]].tobytes()
                )
                for at_us, row in zip(mono_us, rows, strict=True)
            ]
            frames.append(self._frame(Kind.CAN, mono_us[0], can.encode(heard, mono_us[0])))
        return self._file(frames)

    def _file(self, content: list[Frame]) -> Kept:
        case = self._case
        begin_us, trigger_us = self._mono_us(self._from_s), self._mono_us(0.0)
        about = Snapshot(
            case.event_id,
            case.code,
            case.node,
            trigger_us,
            self._trigger_us,
            round(case.before_s * 1000),
            round(case.after_s * 1000),
            tuple(SnapshotState).index(self._state),
        )
        frames = [
            self._frame(Kind.SCHEMA, begin_us, self._schema.payload),
            self._frame(Kind.SNAPSHOT, trigger_us, about.encode()),
            self._frame(Kind.TIMESYNC, begin_us, CLOCK.encode(), FLAG_CLOCK),
            *content,
        ]
        numbered = (replace(frame, seq=number).encode() for number, frame in enumerate(frames))
        return Kept(self._state, b"".join(numbered))

    def _frame(self, kind: Kind, mono_us: int, payload: bytes, flags: int = 0, blocks: int = 0) -> Frame:
        keeper = self._keeper
        utc_us = keeper.start_us + mono_us
        return Frame(kind, 0, keeper.boot_id, self._schema.hash, mono_us, utc_us, payload, flags, blocks)

    def _mono_us(self, at_s: float) -> int:
        mono_us = self._trigger_us + round(at_s * 1e6) - self._keeper.start_us
        if mono_us < 0:
            raise ValueError(
                f"{self._keeper.node} had not started {at_s:g} s after fault {self._case.event_id}"
            )
        return mono_us

    def _inside(self, series: Series) -> Series | None:
        inside = (series.t_s >= self._from_s - 1e-6) & (series.t_s < self._to_s)
        return Series(series.t_s[inside], series.values[inside]) if inside.sum() > 1 else None

    def _samples(self) -> Iterator[Frame]:
        """Channels that were sampled together share their frames."""
        together: dict[tuple[float, int, int], list[Channel]] = {}
        for channel in self._schema.channels:
            series = self._series[channel.name]
            key = float(series.t_s[0]), len(series.t_s), channel.period_us
            together.setdefault(key, []).append(channel)
        for (begin_s, length, period_us), channels in together.items():
            kind = Kind.FAST if channels[0].fast else Kind.SLOW
            for first in range(0, length, _SAMPLES):
                count = min(_SAMPLES, length - first)
                series_of = {}
                for channel in channels:
                    values = self._series[channel.name].values[first : first + count]
                    valid = np.isfinite(values)
                    integers = np.rint(np.where(valid, values, 0.0) / channel.scale).astype(np.int64)
                    series_of[channel.id] = integers - channel.offset, None if valid.all() else valid
                span_ms = count * period_us // 1000
                clock = CLOCK if kind is Kind.SLOW else None
                payload, flags, blocks = encode_samples(self._schema, kind, span_ms, series_of, clock)
                mono_us = self._mono_us(begin_s) + first * period_us
                yield self._frame(kind, mono_us, payload, flags, blocks)

    def _events(self) -> Iterator[Frame]:
        """Faults alone: what else a node tells lasts no time."""
        by_name = {channel.name: channel for channel in self._schema.channels}
        for event in self._case.events:
            inside = self._from_s <= event.t_s < self._to_s
            if event.node != self._keeper.node or event.code not in FAULTS or not inside:
                continue
            values = [
                (channel.id, round(value / channel.scale) - channel.offset)
                for key, value in event.values.items()
                if (channel := by_name.get(key)) is not None
            ]
            record = Event(
                EVENT_TYPES.index("fault"),
                EVENT_STATES.index("raised" if event.raised else "cleared"),
                SEVERITIES.index(FAULTS[event.code].severity.value),
                event.code,
                self._ids[event.node, event.code, event.raised],
                tuple(values),
            )
            yield self._frame(Kind.EVENT, self._mono_us(event.t_s), record.encode())


def _period_us(series: Series) -> int:
    return round(float(series.t_s[1] - series.t_s[0]) * 1e6)
