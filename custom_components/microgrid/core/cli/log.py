"""`microgrid log`: info, verify, repair, cat, export and plot."""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..codec.exports import can_logs, comtrade, csv_files, mf4, parquet
from ..codec.exports.optional import ExportError
from ..codec.exports.tables import SAMPLE_KINDS, tables
from ..codec.umg1.content import Content, content, kind_name
from ..codec.umg1.frame import Frame, Kind
from ..codec.umg1.log import Log, file_size, log_files, open_log
from ..codec.umg1.records import EVENT_STATES, EVENT_TYPES, SEVERITIES, Boot, Clock, Event, Snapshot
from ..codec.umg1.samples import Samples
from ..codec.umg1.schema import Schema
from ..codec.umg1.segment import SegmentHeader
from ..codec.umg1.wire import Malformed
from ..codec.umg1.writer import SegmentWriter
from .plot import plot
from .progress import Progress
from .times import time_of

FINE, FINDINGS = 0, 1
_LISTED = 20  # findings of one sort that are printed; the number of the others follows
_RESETS = ("unknown", "power", "software", "watchdog", "brown-out", "panic", "update")
_SOURCES = ("none", "RTC", "CAN", "network", "GNSS")
_CLOCK_STATES = ("unsynchronised", "synchronised", "holdover")


def add_commands(parser: argparse.ArgumentParser) -> None:
    """Declare the verbs."""
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")

    def verb(name: str, run: Callable[[argparse.Namespace], int], text: str) -> argparse.ArgumentParser:
        added = verbs.add_parser(name, help=text, description=text[0].upper() + text[1:] + ".")
        added.add_argument(
            "paths",
            nargs="+",
            type=Path,
            metavar="LOG",
            help="segment, folder of segments, or image of an SD card",
        )
        added.set_defaults(run=run)
        return added

    def window(added: argparse.ArgumentParser) -> None:
        added.add_argument(
            "--from",
            dest="since_us",
            type=time_of,
            metavar="TIME",
            help="first instant, such as 2026-10-01T12:00",
        )
        added.add_argument(
            "--to", dest="until_us", type=time_of, metavar="TIME", help="first instant that is left out"
        )

    info = verb("info", _info, "say what a log holds")
    info.add_argument("--json", action="store_true", help="for programs")
    check = verb("verify", _verify, "decode everything and list what is damaged or missing")
    check.add_argument("--json", action="store_true", help="for programs")
    repair = verb("repair", _repair, "copy every good frame, in order and once, into a new segment")
    repair.add_argument("-o", "--output", required=True, type=Path, metavar="FILE")
    repair.add_argument("--force", action="store_true", help="replace FILE")
    cat = verb("cat", _cat, "print frames, one a line")
    cat.add_argument(
        "--kind",
        action="append",
        choices=[kind.name.lower() for kind in Kind],
        help="only this kind; may be repeated",
    )
    cat.add_argument("--json", action="store_true", help="one JSON object a line, with all samples")
    window(cat)
    export = verb("export", _export, "write another format")
    export.add_argument("--format", required=True, choices=sorted(_FORMATS), help="target format")
    export.add_argument(
        "-o",
        "--output",
        required=True,
        type=Path,
        metavar="PATH",
        help="a folder for csv and parquet, else a file",
    )
    export.add_argument(
        "--channel", action="append", metavar="KEY", help="only this channel; may be repeated"
    )
    window(export)
    draw = verb("plot", _plot, "draw channels over time")
    draw.add_argument(
        "-o",
        "--output",
        required=True,
        type=Path,
        metavar="FILE",
        help="ends in .svg, or .png where matplotlib is installed",
    )
    draw.add_argument(
        "--channel", action="append", metavar="KEY", help="this channel; may be repeated (default: all)"
    )
    window(draw)


def _open(paths: Iterable[Path]) -> Log:
    files = log_files(paths)
    if not files:
        raise ExportError("no .umg1 or .seg file in " + ", ".join(str(path) for path in paths))
    with Progress("reading", sum(file_size(path) for path in files)) as progress:
        log = open_log(files, progress)
    if not len(log.index):
        raise ExportError(f"no frame of a log in {', '.join(str(path) for path in files)}")
    return log


@contextmanager
def _watched(log: Log, what: str, rows: NDArray[np.void]) -> Iterator[None]:
    """Show how much of the rows was read from the files."""
    with Progress(what, int(rows["size"].sum())) as progress:
        log.progress = progress
        yield


def _utc(utc_us: int) -> str:
    if utc_us == 0:
        return "unknown time"
    return str(np.datetime_as_string(np.datetime64(utc_us, "us"), "ms")) + "Z"


def _row_utc(log: Log, rows: NDArray[np.void]) -> NDArray[np.int64]:
    mono_us = np.minimum(rows["mono_us"], 1 << 60).astype(np.int64)
    return log.utc_us(rows["boot"], mono_us).astype(np.int64)


def _names(names: tuple[str, ...], number: int) -> str:
    return names[number] if number < len(names) else str(number)


# ---------------------------------------------------------------------------------------------------- info


def _boot_facts(log: Log) -> list[dict[str, Any]]:
    facts = []
    for boot in log.boots:
        ends = boot.clock.utc_us(np.array([min(boot.start_us, 1 << 60), min(boot.end_us, 1 << 60)], np.int64))
        error_us = boot.clock.error_us()
        facts.append(
            {
                "boot_id": f"{boot.boot_id:08x}",
                "frames": boot.frames,
                "first_seq": boot.first_seq,
                "last_seq": boot.last_seq,
                "from": None if ends is None else _utc(int(ends[0])),
                "to": None if ends is None else _utc(int(ends[1])),
                "seconds": (boot.end_us - boot.start_us) / 1e6,
                "clock_error_us": error_us,
            }
        )
    return facts


def _info(arguments: argparse.Namespace) -> int:
    log = _open(arguments.paths)
    kinds = {
        kind_name(int(kind)): {"frames": int(np.sum(of_kind)), "bytes": int(log.index["size"][of_kind].sum())}
        for kind in np.unique(log.index["kind"])
        for of_kind in [log.index["kind"] == kind]
    }
    facts = {
        "files": len({part.path for part in log.parts}),
        "segments": sum(part.header is not None for part in log.parts),
        "boots": _boot_facts(log),
        "kinds": kinds,
        "schemas": [
            {
                "hash": f"{schema.hash:08x}",
                "node": schema.node,
                "cluster": schema.cluster,
                "channels": [
                    {
                        "id": one.id,
                        "name": one.name,
                        "unit": one.unit,
                        "period_ms": one.period_us / 1000,
                        "resolution": one.scale,
                    }
                    for one in schema.channels
                ],
            }
            for schema in log.schemas.values()
        ],
        "missing_frames": sum(gap.count for gap in log.gaps),
        "damaged_bytes": sum(damage.end - damage.start for damage in log.damaged),
        "repeated_frames": log.duplicates,
    }
    if arguments.json:
        print(json.dumps(facts, ensure_ascii=False, indent=2))
        return FINE
    print(f"{facts['files']} file(s), {facts['segments']} segment(s)")
    for boot in facts["boots"]:  # type: ignore[attr-defined]
        error = (
            "" if boot["clock_error_us"] is None else f", clock within {boot['clock_error_us'] / 1000:g} ms"
        )
        when = (
            f"{boot['from']} … {boot['to']}"
            if boot["from"]
            else f"{boot['seconds']:.0f} s at an unknown time"
        )
        print(
            f"boot {boot['boot_id']}: {when}, {boot['frames']} frames, "
            f"seq {boot['first_seq']} … {boot['last_seq']}{error}"
        )
    for name, numbers in kinds.items():
        print(f"  {name:10} {numbers['frames']:8} frames {numbers['bytes']:11} bytes")
    for schema in log.schemas.values():
        print(f"node {schema.node} of cluster {schema.cluster or '–'} (schema {schema.hash:08x}):")
        for one in schema.channels:
            print(f"  {one.id:3} {one.name:28} {1e6 / one.period_us:8g} Hz  {one.scale:g} {one.unit}")
    print(
        f"missing frames {facts['missing_frames']}, damaged bytes {facts['damaged_bytes']}, "
        f"repeated frames {log.duplicates}"
    )
    return FINE


# -------------------------------------------------------------------------------------------------- verify


def _check_records(log: Log) -> None:
    """Decode all that is no sample; `log.malformed` grows."""
    for frame in log.frames(log.index[~np.isin(log.index["kind"], [*SAMPLE_KINDS, Kind.SCHEMA])]):
        try:
            content(frame)
        except Malformed as error:
            log.malformed.append((frame, str(error)))


def _findings(log: Log) -> dict[str, list[str]]:
    """Everything that is not as it should be, by sort."""
    found = {
        "damaged": [
            f"{one.path}: bytes {one.start} … {one.end - 1} ({one.end - one.start})" for one in log.damaged
        ],
        "missing": [
            f"boot {one.boot_id:08x}: seq {one.first} … {one.last} ({one.count})" for one in log.gaps
        ],
        "malformed": [
            f"boot {frame.boot_id:08x} seq {frame.seq} ({kind_name(frame.kind)}): {why}"
            for frame, why in log.malformed
        ],
        "without schema": [f"{log.unknown_schema} sample frame(s)"] if log.unknown_schema else [],
    }
    return {sort: lines for sort, lines in found.items() if lines}


def _verify(arguments: argparse.Namespace) -> int:
    log = _open(arguments.paths)
    _check_records(log)
    samples = missing = 0
    with _watched(log, "decoding", log.index):
        for _, channels in log.chunks(kinds=SAMPLE_KINDS):
            samples += sum(len(one.values) for one in channels.values())
            missing += sum(int((~one.valid).sum()) for one in channels.values() if one.valid is not None)
    found = _findings(log)
    if arguments.json:
        print(
            json.dumps(
                {"frames": len(log.index), "samples": samples, "findings": found},
                ensure_ascii=False,
                indent=2,
            )
        )
        return FINDINGS if found else FINE
    for sort, lines in found.items():
        for line in lines[:_LISTED]:
            print(f"{sort}: {line}")
        if len(lines) > _LISTED:
            print(f"{sort}: {len(lines) - _LISTED} more")
    absent = f", {missing} of them marked missing" if missing else ""
    verdict = "see above" if found else "nothing found"
    print(f"{len(log.index)} frames and {samples} samples are good{absent}; {verdict}")
    return FINDINGS if found else FINE


# -------------------------------------------------------------------------------------------------- repair


def _repair(arguments: argparse.Namespace) -> int:
    target: Path = arguments.output
    log = _open(arguments.paths)
    if any(target.exists() and part.path.samefile(target) for part in log.parts):
        raise ExportError(f"{target} is one of the inputs; choose another name")
    if target.exists() and not arguments.force:
        raise ExportError(f"{target} exists; --force replaces it")
    first = log.index[0]
    schema = log.schemas.get(int(first["schema"])) or next(iter(log.schemas.values()), None)
    header = SegmentHeader(
        0,
        int(first["boot"]),
        int(first["schema"]),
        int(_row_utc(log, log.index[:1])[0]),
        int(first["mono_us"]),
        schema.node if schema else "",
        schema.cluster if schema else "",
        0,  # in no ring
    )
    with target.open("wb") as file, _watched(log, "writing", log.index):
        writer = SegmentWriter(file, header)
        # A reader needs the schemas before the samples, wherever they were found.
        ahead = log.index[log.index["kind"] == Kind.SCHEMA]
        behind = log.index[log.index["kind"] != Kind.SCHEMA]
        for rows in (ahead, behind):
            for frame in log.frames(rows):
                writer.write(frame)
    print(f"{target}: {len(log.index)} frames, {writer.position} bytes")
    found = _findings(log)
    for sort, lines in found.items():
        print(f"{sort}: {len(lines)} place(s) could not be restored")
    return FINDINGS if found else FINE


# ----------------------------------------------------------------------------------------------------- cat


def _describe(found: Content, log: Log, frame: Frame) -> str:
    """Return a record as a line for the eye."""
    if isinstance(found, Schema):
        return f"{found.node}: {len(found.channels)} channels"
    if isinstance(found, Boot):
        before = f"after boot {found.previous_boot_id:08x}" if found.previous_boot_id else "first boot"
        return f"{_names(_RESETS, found.reason)}, firmware {found.firmware}, {before}"
    if isinstance(found, Clock):
        return (
            f"{_names(_CLOCK_STATES, found.state)} by {_names(_SOURCES, found.source)}, "
            f"drift {found.drift_ppb / 1000:g} ppm, error {found.error_us} µs"
        )
    if isinstance(found, Snapshot):
        return f"{found.event_id} {found.code} of {found.origin}, −{found.before_ms} … +{found.after_ms} ms"
    if isinstance(found, Event):
        schema = log.schemas.get(frame.schema_hash)
        told = []
        for number, integer in found.values:
            channel = schema.by_id.get(number) if schema else None
            if channel is None:
                told.append(f"channel {number} = {integer}")
            else:
                told.append(f"{channel.name} = {channel.scaled(np.array([integer]))[0]:g} {channel.unit}")
        head = f"{_names(EVENT_TYPES, found.type)} {found.code} {_names(EVENT_STATES, found.state)}"
        if (lost := found.lost) is not None:
            told.append(f"lost boot {lost.boot_id:08x} seq {lost.first_seq} … {lost.last_seq}")
        return ", ".join([f"{head} ({_names(SEVERITIES, found.severity)}) {found.event_id}", *told])
    return f"{len(found)} bus frames"


def _json_content(found: Content) -> Any:
    if isinstance(found, Schema):
        return {
            "node": found.node,
            "cluster": found.cluster,
            "channels": [one.name for one in found.channels],
        }
    if isinstance(found, tuple):
        return [[one.mono_us, one.identifier, one.data.hex()] for one in found]
    return dataclasses.asdict(found)


def _nullable(samples: Samples) -> list[float | None]:
    """Return scaled values, None where missing."""
    scaled: list[float | None] = list(samples.scaled().tolist())
    for at in np.flatnonzero(~samples.valid) if samples.valid is not None else ():
        scaled[at] = None
    return scaled


def _sample_facts(log: Log, frame: Frame, row: NDArray[np.void]) -> dict[str, list[float | None]]:
    """Values by channel of one sample frame."""
    facts: dict[str, list[float | None]] = {}
    for _, channels in log.chunks(row, [frame.kind]):
        for one in channels.values():
            facts[one.channel.name] = _nullable(one)
    return facts


def _cat(arguments: argparse.Namespace) -> int:
    log = _open(arguments.paths)
    kinds = [Kind[name.upper()] for name in arguments.kind] if arguments.kind else None
    rows = log.select(kinds, arguments.since_us, arguments.until_us)
    times = _row_utc(log, rows)
    bad = 0
    for at, frame in enumerate(log.frames(rows)):
        told: Any = None
        line = ""
        try:
            if frame.kind in SAMPLE_KINDS:
                before = len(log.malformed) + log.unknown_schema
                told = _sample_facts(log, frame, rows[at : at + 1])
                line = ", ".join(f"{name} {_range(values)}" for name, values in told.items())
                if len(log.malformed) + log.unknown_schema > before:
                    raise Malformed(log.malformed[-1][1] if log.malformed else "its schema is not in the log")
            elif (found := content(frame)) is not None:
                told, line = _json_content(found), _describe(found, log, frame)
        except Malformed as error:
            told, line, bad = {"malformed": str(error)}, f"malformed: {error}", bad + 1
        if arguments.json:
            head = {
                "utc": _utc(int(times[at])) if times[at] else None,
                "boot_id": f"{frame.boot_id:08x}",
                "seq": frame.seq,
                "mono_us": frame.mono_us,
                "kind": kind_name(frame.kind),
            }
            print(json.dumps(head | {"content": told}, ensure_ascii=False))
        else:
            place = f"{_utc(int(times[at]))} {frame.boot_id:08x}:{frame.seq}"
            print(f"{place} {kind_name(frame.kind):8} {line}".rstrip())
    return FINDINGS if bad else FINE


def _range(values: list[float | None]) -> str:
    there = [value for value in values if value is not None]
    if not there:
        return f"0 of {len(values)}"
    low, high = min(there), max(there)
    return f"{low:g}" if low == high else f"{low:g} … {high:g}"


# -------------------------------------------------------------------------------------------------- export

_FORMATS = {
    "blf": ".blf",
    "candump": ".log",
    "comtrade": ".cff",
    "csv": "",
    "mf4": ".mf4",
    "parquet": "",
}


def _chosen_rows(log: Log, arguments: argparse.Namespace, kinds: Iterable[int]) -> NDArray[np.void]:
    """Rows of the window; a channel that nobody has is an error, not an empty file."""
    known = {one.name for schema in log.schemas.values() for one in schema.channels}
    for name in getattr(arguments, "channel", None) or ():
        if name not in known:
            raise ExportError(f"no channel {name!r}; the log has {', '.join(sorted(known))}")
    rows = log.select(kinds, arguments.since_us, arguments.until_us)
    if not len(rows):
        raise ExportError("nothing of that kind in the chosen time")
    return rows


def _export(arguments: argparse.Namespace) -> int:
    log = _open(arguments.paths)
    target: Path = arguments.output
    name: str = arguments.format
    if name == "comtrade":
        written = comtrade.write_comtrade(log, target)
    elif name in ("candump", "blf"):
        rows = _chosen_rows(log, arguments, [Kind.CAN])
        written = (can_logs.write_candump if name == "candump" else can_logs.write_blf)(log, target, rows)
    else:
        rows = _chosen_rows(log, arguments, SAMPLE_KINDS)
        with _watched(log, "exporting", rows):
            found = tables(log, rows, arguments.channel)
            if name == "mf4":
                written = mf4.write_mf4(found, target)
            else:
                target.mkdir(parents=True, exist_ok=True)
                written = (csv_files.write_csv if name == "csv" else parquet.write_parquet)(found, target)
    for path in written:
        print(path)
    for frame, why in log.malformed[:_LISTED]:
        print(f"left out: boot {frame.boot_id:08x} seq {frame.seq}: {why}", file=sys.stderr)
    return FINDINGS if log.malformed or log.unknown_schema else FINE


# ---------------------------------------------------------------------------------------------------- plot


def _plot(arguments: argparse.Namespace) -> int:
    log = _open(arguments.paths)
    rows = _chosen_rows(log, arguments, SAMPLE_KINDS)
    with _watched(log, "plotting", rows):
        plot(log, rows, arguments.channel, arguments.output)
    print(arguments.output)
    return FINE
