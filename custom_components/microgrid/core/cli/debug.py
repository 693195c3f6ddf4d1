"""`microgrid debug`: the four debugging questions, asked of an archive or of snapshots from a shell."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from .. import debug
from ..archive.archive import read_only
from ..archive.patterns.plain import plain
from ..codec.umg1.log import open_log
from ..diagnosis.debugging.cells import CellImbalance
from ..diagnosis.debugging.disconnection import Disconnection
from ..diagnosis.debugging.fact import Fact, number
from ..diagnosis.debugging.sharing import PowerSharing
from ..diagnosis.debugging.trip import InverterTrip, inverter_trip
from ..diagnosis.engine import diagnose
from ..diagnosis.read import read_case
from .times import time_of, zone_of

FINE, UNUSABLE = 0, 2
_SECOND_US = 1_000_000

_Answer = CellImbalance | Disconnection | InverterTrip | PowerSharing


def add_commands(parser: argparse.ArgumentParser) -> None:
    """Declare a verb for each question."""
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="QUESTION")
    trip = verbs.add_parser(
        "inverter-trip", help="why did it trip, and was its protection right? of a fault's snapshots"
    )
    trip.add_argument("snapshots", type=Path, nargs="+", metavar="SNAPSHOT", help="files that the nodes sent")
    _finish(trip, _trip)
    for name, days, what, run in (
        ("cell-imbalance", debug.CELL_DAYS, "which cell drifts apart, why, and when it fails", _cells),
        ("power-sharing", debug.SHARING_DAYS, "which house is off its droop line, when, with what", _sharing),
    ):
        added = verbs.add_parser(
            name, help=what, description=f"{what}; the last {days} days unless told otherwise"
        )
        _of_archive(added)
        added.add_argument("--from", dest="start_us", type=time_of, metavar="TIME", help="2026-10-01T12:00")
        added.add_argument("--to", dest="end_us", type=time_of, metavar="TIME", help="first instant left out")
        if name == "power-sharing":
            added.add_argument(
                "--timezone",
                type=zone_of,
                default=ZoneInfo("UTC"),
                metavar="NAME",
                help="of hours, default UTC",
            )
        _finish(added, run, days=days)
    added = verbs.add_parser("disconnection", help="was the gateway right to open, close or stay open?")
    _of_archive(added)
    which = added.add_mutually_exclusive_group()
    which.add_argument(
        "--at", dest="at_us", type=time_of, metavar="TIME", help="what it did next to this time"
    )
    which.add_argument("--event", dest="event_id", metavar="ID", help="by the id of its event")
    _finish(added, _disconnection)


def _of_archive(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "archive", type=Path, metavar="ARCHIVE", help="folder with index.db; Home Assistant may be writing it"
    )
    parser.add_argument("--node", required=True, metavar="ID")


def _finish(
    parser: argparse.ArgumentParser, ask: Callable[[argparse.Namespace], _Answer], **more: Any
) -> None:
    parser.add_argument("--json", action="store_true", help="the whole answer, for programs")
    parser.set_defaults(run=_run, ask=ask, **more)


def _run(arguments: argparse.Namespace) -> int:
    try:
        answer = arguments.ask(arguments)
    except (ValueError, LookupError) as error:
        print(f"microgrid: {error.args[0] if error.args else error}", file=sys.stderr)
        return UNUSABLE
    if arguments.json:
        print(json.dumps(plain(answer), ensure_ascii=False, indent=2))
        return FINE
    for line in _lines(answer):
        print(line)
    return FINE


def _trip(arguments: argparse.Namespace) -> InverterTrip:
    case = read_case([open_log([path]) for path in arguments.snapshots])
    record = case.nodes.get(case.node)
    return inverter_trip(diagnose(case), {} if record is None else record.channels)


def _cells(arguments: argparse.Namespace) -> CellImbalance:
    with read_only(arguments.archive) as source:
        return debug.cells(source, arguments.node, *_range(arguments))


def _sharing(arguments: argparse.Namespace) -> PowerSharing:
    start_s, end_s = _range(arguments)
    offset = datetime.fromtimestamp(end_s, arguments.timezone).utcoffset() or timedelta()
    with read_only(arguments.archive) as source:
        return debug.sharing(source, arguments.node, start_s, end_s, offset_s=offset.total_seconds())


def _disconnection(arguments: argparse.Namespace) -> Disconnection:
    now_us = time.time_ns() // 1000
    with read_only(arguments.archive) as source:
        act = debug.find_act(
            source, arguments.node, now_us, at_us=arguments.at_us, event_id=arguments.event_id
        )
        return debug.gateway_act(source, act)


def _range(arguments: argparse.Namespace) -> tuple[int, int]:
    end_s = int(time.time()) if arguments.end_us is None else arguments.end_us // _SECOND_US
    start_s = end_s - arguments.days * debug.DAY_S
    return (start_s if arguments.start_us is None else arguments.start_us // _SECOND_US), end_s


# ---------------------------------------------------------------------------------------- answers for the eye


def _lines(answer: _Answer) -> Iterator[str]:
    yield answer.summary
    yield f"verdict: {answer.verdict}"
    for fact in answer.evidence:
        yield f"  {_fact(fact)}"
    for place, step in enumerate(answer.steps, 1):
        yield f"{place}. {step}"


def _fact(fact: Fact) -> str:
    between = "" if fact.low is None or fact.high is None else f" ({number(fact.low)} … {number(fact.high)})"
    return f"{fact.meaning}: {number(fact.value, fact.unit)}{between}"
