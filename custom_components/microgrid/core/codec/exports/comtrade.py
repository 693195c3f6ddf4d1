"""COMTRADE (IEEE C37.111-2013, IEC 60255-24) of a snapshot: CFG with DAT, or all in one CFF.

One sampling rate, that of the fastest channel; slower channels hold their last sample. Samples stay the
integers of the log in 16 bits, or 32 where they do not fit; a missing one has the smallest integer, which the
standard reserves for that. Events become digital channels.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..umg1.content import content
from ..umg1.frame import Frame, Kind
from ..umg1.log import Log
from ..umg1.records import EVENT_TYPES, Event, Snapshot
from ..umg1.schema import Channel, Schema
from ..umg1.wire import Malformed
from .optional import ExportError

LINE_FREQUENCY_HZ = 50
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LATEST_US = 253_402_300_799_000_000  # the last second of the year 9999
MOST_ROWS = 100_000
"""Twelve times what a node records in 80 s at 100 Hz: one row too fast could fill memory and disk."""
MOST_STATES = 64
"""Digital channels: the trigger, and more codes than there are."""
_STATES = ("complete", "partial", "extended")
# Time quality of C37.118: 4 = within 1 µs … 7 = 1 ms, 8 = 10 ms … B = 10 s, F = not reliable.
_QUALITY = tuple((code, 10.0 ** (power - 6)) for power, code in enumerate("456789AB"))


@dataclass(frozen=True, slots=True)
class Analog:
    """An analogue channel: value = a × integer + b."""

    channel: Channel
    counts: NDArray[np.int64]
    valid: NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Digital:
    """A status channel."""

    name: str
    states: NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Record:
    """All that a COMTRADE record says."""

    station: str
    device: str
    analogs: tuple[Analog, ...]
    digitals: tuple[Digital, ...]
    period_us: int
    count: int
    start: datetime
    trigger: datetime
    quality: str
    header: str

    @property
    def wide(self) -> bool:
        """Whether an integer needs more than 16 bits."""
        return any(
            len(counts := analog.counts[analog.valid]) and np.abs(counts).max() > 0x7FFF
            for analog in self.analogs
        )


def snapshot_record(log: Log) -> Record:
    """Return the record of the snapshot in a log; raises ExportError when there is none to make."""
    frame, snapshot = _snapshot(log)
    trigger_us = snapshot.trigger_mono_us
    rows = log.index[log.index["boot"] == frame.boot_id]
    pieces: dict[tuple[str, int], tuple[Channel, list[Any]]] = {}
    node: Schema | None = None
    for schema, samples in log.chunks(rows):
        node = node or schema
        for one in samples.values():
            valid = np.ones(len(one.values), np.bool_) if one.valid is None else one.valid
            _, parts = pieces.setdefault((schema.node, one.channel.id), (one.channel, []))
            parts.append((one.mono_us(), one.values, valid))
    if node is None:
        raise ExportError(
            f"snapshot {snapshot.event_id}: no sample of boot {frame.boot_id:08x} is in the file"
        )
    period_us = min(channel.period_us for channel, _ in pieces.values())
    first_us, count = _grid(pieces.values(), period_us, snapshot)
    analogs = tuple(
        _hold(channel, parts, first_us, period_us, count)
        for channel, parts in sorted(pieces.values(), key=lambda one: one[0].id)
    )
    clock = log.clock(frame.boot_id)
    utc = clock.utc_us(np.array([first_us, trigger_us], np.int64))
    if utc is not None and (int(utc.min()) < 0 or int(utc.max()) > _LATEST_US):
        utc = None  # no calendar has it
    start_us, event_us = (first_us, trigger_us) if utc is None else (int(utc[0]), int(utc[1]))
    known = (
        f"event: {snapshot.event_id}",
        f"code: {snapshot.code}",
        f"origin: {snapshot.origin}",
        f"node: {node.node}",
        f"boot: {frame.boot_id:08x}",
        f"state: {_STATES[snapshot.state] if snapshot.state < len(_STATES) else snapshot.state}",
        "time: UTC" if utc is not None else "time: unknown, counted from the start of the node",
    )
    return Record(
        node.cluster or node.node,
        f"{node.node}-{frame.boot_id:08x}",
        analogs,
        _digitals(log, rows, snapshot, first_us, period_us, count),
        period_us,
        count,
        _EPOCH + timedelta(microseconds=min(start_us, _LATEST_US)),
        _EPOCH + timedelta(microseconds=min(event_us, _LATEST_US)),
        "F" if utc is None else time_quality(clock.error_us()),
        "\r\n".join(_clean(line, 200) for line in known) + "\r\n",
    )


def time_quality(error_us: int | None) -> str:
    """Return the code of a clock error, F when it is unknown."""
    if error_us is not None:
        for code, bound_s in _QUALITY:
            if error_us <= bound_s * 1e6:
                return code
    return "F"


def _snapshot(log: Log) -> tuple[Frame, Snapshot]:
    for frame in log.frames(log.select([Kind.SNAPSHOT])):
        try:
            found = content(frame)
        except Malformed:
            continue
        if isinstance(found, Snapshot):
            return frame, found
    raise ExportError("the log holds no snapshot; COMTRADE records one fault: give a snapshot file")


def _grid(pieces: Iterable[tuple[Channel, list[Any]]], period_us: int, snapshot: Snapshot) -> tuple[int, int]:
    """Return the first instant and the number of samples: those of the fastest channels within the window."""
    trigger_us = snapshot.trigger_mono_us
    times = np.concatenate(
        [mono for channel, parts in pieces if channel.period_us == period_us for mono, _, _ in parts]
    )
    inside = times[
        (times >= trigger_us - snapshot.before_ms * 1000) & (times <= trigger_us + snapshot.after_ms * 1000)
    ]
    if not len(inside):
        raise ExportError(f"snapshot {snapshot.event_id}: no sample within its window")
    first, last = int(inside.min()), int(inside.max())
    count = (last - first + period_us // 2) // period_us + 1
    if count > MOST_ROWS:
        raise ExportError(
            f"snapshot {snapshot.event_id}: {count} rows at a period of {period_us} µs, at most {MOST_ROWS} "
            "make a record: export CSV"
        )
    return first, count


def _hold(channel: Channel, parts: list[Any], first_us: int, period_us: int, count: int) -> Analog:
    """Bring a channel onto the grid; each sample lasts for the channel's own period."""
    order = np.argsort(np.concatenate([mono for mono, _, _ in parts]), kind="stable")
    mono = np.concatenate([mono for mono, _, _ in parts])[order]
    values = np.concatenate([values for _, values, _ in parts]).astype(np.int64)[order]
    valid = np.concatenate([valid for _, _, valid in parts])[order]
    grid = first_us + np.arange(count, dtype=np.int64) * period_us
    # A sample that came up to half a period late still belongs to its place.
    source = np.searchsorted(mono, grid + period_us // 2, side="right") - 1
    there = source >= 0
    source = np.maximum(source, 0)
    fresh = grid - mono[source] < channel.period_us - period_us // 2
    return Analog(channel, values[source], there & fresh & valid[source])


def _digitals(
    log: Log, rows: NDArray[np.void], snapshot: Snapshot, first_us: int, period_us: int, count: int
) -> tuple[Digital, ...]:
    """One channel for the trigger and one for each code whose events lie in the window."""
    grid = first_us + np.arange(count, dtype=np.int64) * period_us
    states: dict[str, NDArray[np.bool_]] = {"TRIGGER": grid >= snapshot.trigger_mono_us}
    for frame in log.frames(rows[rows["kind"] == Kind.EVENT]):
        try:
            event = content(frame)
        except Malformed:
            continue
        if not isinstance(event, Event):
            continue
        kind = EVENT_TYPES[event.type] if event.type < len(EVENT_TYPES) else f"event{event.type}"
        at = int(np.searchsorted(grid, frame.mono_us))
        name = event.code or kind
        if name not in states:  # what is cleared first was raised before
            if len(states) == MOST_STATES:
                continue
            states[name] = np.full(count, event.state == 2, np.bool_)
        state = states[name]
        if event.state == 0:
            state[at : at + 1] = True
        else:
            state[at:] = event.state == 1
    return tuple(Digital(name, state) for name, state in states.items())


def _clean(text: str, longest: int = 64) -> str:
    """CFG is a file of lines and commas: no text may carry either."""
    return "".join(letter if letter.isprintable() and letter != "," else "_" for letter in text)[:longest]


def _stamp(when: datetime) -> str:
    return when.strftime("%d/%m/%Y,%H:%M:%S.%f")


def cfg(record: Record) -> str:
    """Return the configuration."""
    most = 0x7FFFFFFF if record.wide else 0x7FFF
    lines = [
        f"{_clean(record.station)},{_clean(record.device)},2013",
        f"{len(record.analogs) + len(record.digitals)},{len(record.analogs)}A,{len(record.digitals)}D",
    ]
    for number, analog in enumerate(record.analogs, start=1):
        channel = analog.channel
        a, b = f"{channel.scale:.12g}", f"{channel.offset * channel.scale:.12g}"
        lines.append(
            f"{number},{_clean(channel.name)},,,{_clean(channel.unit, 32)},{a},{b},0,{-most},{most},1,1,P"
        )
    lines += [
        f"{number},{_clean(digital.name)},,,0" for number, digital in enumerate(record.digitals, start=1)
    ]
    lines += [
        f"{LINE_FREQUENCY_HZ}",
        "1",
        f"{1_000_000 / record.period_us:.12g},{record.count}",
        _stamp(record.start),
        _stamp(record.trigger),
        "BINARY32" if record.wide else "BINARY",
        "1",
        "0,0",  # all times are UTC
        f"{record.quality},0",
    ]
    return "\r\n".join(lines) + "\r\n"


def dat(record: Record) -> bytes:
    """Return the samples."""
    counts, missing = (np.dtype("<i4"), -(1 << 31)) if record.wide else (np.dtype("<i2"), -(1 << 15))
    layout = np.dtype(
        [
            ("number", "<u4"),
            ("time", "<u4"),
            ("analog", counts, (len(record.analogs),)),
            ("digital", "<u2", ((len(record.digitals) + 15) // 16,)),
        ]
    )
    rows = np.zeros(record.count, layout)
    rows["number"] = np.arange(1, record.count + 1)
    rows["time"] = np.arange(record.count, dtype=np.int64) * record.period_us
    for column, analog in enumerate(record.analogs):
        rows["analog"][:, column] = np.where(analog.valid, analog.counts, missing)
    for bit, digital in enumerate(record.digitals):
        rows["digital"][:, bit // 16] |= digital.states.astype(np.uint16) << (bit % 16)
    return rows.tobytes()


def cff(record: Record) -> bytes:
    """Return everything as a single file."""
    data = dat(record)
    kind = "BINARY32" if record.wide else "BINARY"
    text = (
        f"--- file type: CFG ---\r\n{cfg(record)}--- file type: INF ---\r\n"
        f"--- file type: HDR ---\r\n{record.header}--- file type: DAT {kind}: {len(data)} ---\r\n"
    )
    return text.encode() + data


def write_comtrade(log: Log, path: Path) -> list[Path]:
    """Write the snapshot to `path`: `.cff` alone, else `.cfg`, `.dat` and `.hdr`; return the files."""
    record = snapshot_record(log)
    if path.suffix.lower() == ".cff":
        contents = {path: cff(record)}
    else:
        contents = {
            path.with_suffix(".cfg"): cfg(record).encode(),
            path.with_suffix(".dat"): dat(record),
            path.with_suffix(".hdr"): record.header.encode(),
        }
    for target, data in contents.items():
        target.write_bytes(data)
    return list(contents)
