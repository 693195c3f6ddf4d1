"""`microgrid query`: the patterns of the archive, asked from a shell."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from ..archive.archive import read_only
from ..archive.patterns.catalogue import PATTERNS, Pattern, Request, window
from ..archive.patterns.cell_drift import CellDrifts
from ..archive.patterns.cluster_state import ClusterState
from ..archive.patterns.faults import Faults
from ..archive.patterns.frequency import OutsideBand
from ..archive.patterns.plain import iso, plain
from ..archive.patterns.recurring import Recurring
from ..archive.patterns.supply import Supply
from ..codec.umg1.records import SEVERITIES
from .times import time_of, zone_of

FINE, UNUSABLE = 0, 2
_MOST_DAYS = 366  # as the action of Home Assistant
_SHOWN_WH = 5.0  # less would read 0.00 kWh; --json has it


def add_commands(parser: argparse.ArgumentParser) -> None:
    """Declare a verb for each pattern."""
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="PATTERN")
    for pattern in PATTERNS.values():
        added = verbs.add_parser(
            pattern.name,
            help=pattern.title,
            description=f"{pattern.title[0].upper()}{pattern.title[1:]}; the last {pattern.days} day(s) "
            "unless told otherwise.",
        )
        added.add_argument(
            "archive",
            type=Path,
            metavar="ARCHIVE",
            help="folder with index.db; Home Assistant may be writing it",
        )
        added.add_argument(
            "--from", dest="start_us", type=time_of, metavar="TIME", help="first instant, 2026-10-01T12:00"
        )
        added.add_argument(
            "--to", dest="end_us", type=time_of, metavar="TIME", help="first instant that is left out"
        )
        for option in pattern.options:
            _OPTIONS[option](added)
        added.add_argument("--json", action="store_true", help="the whole answer, for programs")
        added.set_defaults(run=_run, pattern=pattern)


def _days(text: str) -> float:
    days = float(text)
    if not 0.0 < days <= _MOST_DAYS:
        raise argparse.ArgumentTypeError(f"{text} days are no window: at most {_MOST_DAYS}")
    return days * 86_400


def _flag(name: str, **more: Any) -> Callable[[argparse.ArgumentParser], None]:
    def add(parser: argparse.ArgumentParser) -> None:
        parser.add_argument(name, **more)

    return add


_OPTIONS: dict[str, Callable[[argparse.ArgumentParser], None]] = {
    "nodes": _flag("--node", dest="nodes", action="append", metavar="ID", help="this node; repeatable"),
    "codes": _flag("--code", dest="codes", action="append", metavar="CODE", help="only this one; repeatable"),
    "severities": _flag(
        "--severity", dest="severities", action="append", choices=SEVERITIES, help="only this one; repeatable"
    ),
    "clusters": _flag(
        "--cluster", dest="clusters", action="append", metavar="ID", help="only this one; repeatable"
    ),
    "event_id": _flag("--event", dest="event_id", metavar="ID", help="the fault, as `faults` shows its id"),
    "at_us": _flag("--at", dest="at_us", type=time_of, metavar="TIME", help="with --node instead of a fault"),
    "before_s": _flag("--before", dest="before_s", type=float, metavar="SECONDS", help="default 10"),
    "after_s": _flag("--after", dest="after_s", type=float, metavar="SECONDS", help="default 10"),
    "lookback_days": _flag(
        "--lookback", dest="lookback_days", type=int, metavar="DAYS", help="before each fault, default 7"
    ),
    "low_hz": _flag("--low", dest="low_hz", type=float, metavar="HZ", help="default 49.8"),
    "high_hz": _flag("--high", dest="high_hz", type=float, metavar="HZ", help="default 50.2"),
    "minimum_s": _flag(
        "--at-least", dest="minimum_s", type=float, metavar="SECONDS", help="leave shorter ones out"
    ),
    "minimum": _flag("--times", dest="minimum", type=int, metavar="N", help="within the window, default 3"),
    "window_s": _flag(
        "--window", dest="window_s", type=_days, metavar="DAYS", help="length of the window, default 7"
    ),
    "timezone": _flag(
        "--timezone", dest="timezone", type=zone_of, metavar="NAME", help="of the hours, default UTC"
    ),
}


def _run(arguments: argparse.Namespace) -> int:
    pattern: Pattern = arguments.pattern
    given: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value
        for name in pattern.options
        if (value := getattr(arguments, name)) is not None
    }
    start_us, end_us = window(pattern, arguments.start_us, arguments.end_us, time.time_ns() // 1000)
    with read_only(arguments.archive) as source:
        try:
            answer = pattern.run(source, Request(start_us=start_us, end_us=end_us, **given))
        except (ValueError, LookupError) as error:
            print(f"microgrid: {error}", file=sys.stderr)
            return UNUSABLE
    if arguments.json:
        print(json.dumps(plain(answer), ensure_ascii=False, indent=2))
        return FINE
    empty = True
    for line in _LINES[type(answer)](answer):
        empty = False
        print(line.rstrip())
    if empty:
        print(f"nothing from {iso(start_us)} to {iso(end_us)}")
    if getattr(answer, "truncated", False):
        print("there was more: only the newest are shown", file=sys.stderr)
    return FINE


# ---------------------------------------------------------------------------------------- answers for the eye


def _number(value: float | None, form: str = ".6g") -> str:
    return "–" if value is None else format(value, form)


def _span(seconds: float) -> str:
    """Return a duration in the unit that suits it."""
    for unit, length in (("d", 86_400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:.1f} {unit}"
    return f"{seconds:.3g} s"


def _faults(answer: Faults) -> Iterator[str]:
    for one in answer.faults:
        ended = "" if one.duration_s is None else f"for {_span(one.duration_s)}"
        readings = ", ".join(f"{part.channel} {part.value:g} {part.unit}" for part in one.readings)
        head = f"{iso(one.utc_us)} {one.node:12} {one.code:6} {one.severity:8} {one.event_id:24}"
        yield f"{head} {ended:14} {readings}"


def _cluster_state(answer: ClusterState) -> Iterator[str]:
    what = f"{answer.fault.code} at {answer.fault.node}, " if answer.fault else ""
    yield f"{what}cluster {answer.cluster or '–'}, {iso(answer.utc_us)}"
    yield f"{'':28} {'before':>10} {'at':>10} {'after':>10} {'minimum':>10} {'maximum':>10}"
    for node in answer.nodes:
        yield f"{node.node} ({node.role}){'' if node.channels else ': nothing of that time'}"
        for one in node.channels:
            numbers = (one.before, one.at, one.after, one.minimum, one.maximum)
            source = "" if one.told_by == node.node else f" told by {one.told_by}"
            coarse = f" (buckets of {one.resolution_s} s)" if one.resolution_s else ""
            told = " ".join(f"{_number(number):>10}" for number in numbers)
            yield f"  {one.channel:26} {told} {one.unit}{source}{coarse}"


def _cell_drift(answer: CellDrifts) -> Iterator[str]:
    for drift in answer.drifts:
        verdict = "no cell drifts" if drift.drifting is None else f"cell {drift.drifting} drifts"
        if not drift.cells:
            verdict = "the archive has no cells of that time"
        yield f"{iso(drift.fault.utc_us)} {drift.fault.node} {drift.fault.code}: {verdict}"
        for one in drift.cells:
            slope = (
                "–"
                if one.slope_mv_per_day is None
                else f"{one.slope_mv_per_day:+.2f} mV/day ({one.slope_low:+.2f} … {one.slope_high:+.2f})"
            )
            yield (
                f"  cell {one.cell:2}: {one.first_mv:+7.1f} → {one.last_mv:+7.1f} mV from the median, "
                f"{slope}, {one.hours} h"
            )


def _frequency(answer: OutsideBand) -> Iterator[str]:
    for one in answer.episodes:
        saw = ", ".join(dict.fromkeys(part.node for part in one.sightings))
        coarse = max(part.resolution_s for part in one.sightings)
        length = f"{one.duration_s:.2f} s" if not coarse else f"within {_span(one.duration_s)}"
        yield (
            f"{iso(one.start_utc_us)} {one.grid:12} {length:>14}  {one.extreme_hz:.3f} Hz "
            f"at {one.extreme_node}, first {one.first_node}, seen by {saw}"
        )


def _recurring(answer: Recurring) -> Iterator[str]:
    for one in answer.recurring:
        busiest = max(range(24), key=lambda hour: one.hours[hour])
        yield (
            f"{one.node:12} {one.code:6} {one.count} times, {one.most} within {_span(answer.window_s)} from "
            f"{iso(one.most_start_utc_us)}; {_span(one.shortest_s)} … {_span(one.longest_s)} apart, median "
            f"{_span(one.median_s)}; most often from {busiest:02}:00 ({one.hours[busiest]})"
        )


def _supply(answer: Supply) -> Iterator[str]:
    for total in answer.clusters:
        missing = f", {total.incomplete_hours} of them incomplete" if total.incomplete_hours else ""
        yield (
            f"cluster {total.cluster}: {total.hours} h{missing}; given {total.given_wh / 1000:.2f} kWh, "
            f"taken {total.taken_wh / 1000:.2f} kWh, balance {total.balance_wh / 1000:+.2f} kWh"
        )
        for flow in total.flows:
            if flow.energy_wh < _SHOWN_WH:
                break
            yield f"  {flow.giver:12} → {flow.taker:12} {flow.energy_wh / 1000:8.2f} kWh"


_LINES: dict[type, Callable[[Any], Iterator[str]]] = {
    Faults: _faults,
    ClusterState: _cluster_state,
    CellDrifts: _cell_drift,
    OutsideBand: _frequency,
    Recurring: _recurring,
    Supply: _supply,
}
