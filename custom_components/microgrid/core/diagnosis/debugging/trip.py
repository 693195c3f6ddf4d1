"""An inverter tripped: what the diagnosis found, and whether the protection was right to stop it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ...contract.faults import condition
from ..answers import which
from ..case import Series
from ..causes import CAUSES, UNDETERMINED
from ..evidence import BY_ID
from ..report import Candidate, Report
from .fact import Fact, number
from .protection import Act, Verdict, judge

__all__ = ["TRIPS", "InverterTrip", "inverter_trip"]

TRIPS = ("F001", "F002", "F003", "F004", "F005", "F006", "F010", "F011", "F012", "F013", "F014")
"""Codes that stop an inverter."""

_VERDICTS = {
    Verdict.RIGHT: "The protection acted within its rules",
    Verdict.TOO_EARLY: "The protection acted although its limit was not passed for long enough",
    Verdict.TOO_LATE: "The protection acted later than it is set",
    Verdict.CANNOT_TELL: "Whether the protection was right cannot be told",
}
_CHECKS = {
    Verdict.TOO_EARLY: (
        "Compare limit and delay of {code} at the node with those that this answer assumes.",
        "Compare {channel} with another meter: a measurement that the log does not show may have tripped it.",
    ),
    Verdict.TOO_LATE: ("Compare limit and delay of {code} at the node with those that this answer assumes.",),
}
_UNRECORDED = "Fetch the snapshots of this fault: without them only what the fault itself told is known."


@dataclass(frozen=True, slots=True)
class InverterTrip:
    """The answer."""

    summary: str
    verdict: Verdict
    """Of the protection."""
    steps: tuple[str, ...]
    """What to check, the most likely first."""
    evidence: tuple[Fact, ...]
    event_id: str
    node: str
    code: str
    name: str
    cause: str
    """Id in the catalogue, or `undetermined`."""
    confidence: float
    origin: str
    propagated: bool
    """It began elsewhere."""
    path: tuple[str, ...]
    others: tuple[Candidate, ...]
    """What else it may be, from 5 % on."""
    protection: Act | None
    missing: tuple[str, ...]
    """Nodes that gave no measurements."""


def inverter_trip(report: Report, channels: Mapping[str, Series]) -> InverterTrip:
    """Answer from the report of a fault and the channels of the node that told it, in s since the fault."""
    act = judge(report.code, channels)
    verdict = Verdict.CANNOT_TELL if act is None else act.verdict
    name = condition(report.code).text("en").name
    cause = CAUSES.get(report.cause)
    why = "why, the measurements do not decide" if cause is None else _lower(cause.meaning)
    sure = "" if report.cause == UNDETERMINED else f" ({_share(report.posterior)} sure)"
    elsewhere = report.origin.node != report.node and report.origin.known
    place = f", beginning at {report.origin.node}" if elsewhere else ""
    said = f"{report.node} tripped with {report.code} ({name}){place}: {why}{sure}. "
    said += f"{named} " if (named := which(report.cause, report.evidence, "en")) else ""
    said += f"{_VERDICTS[verdict]}{'.' if act is None else f': {_lower(act.why)}'}"
    steps = list(report.actions)
    if act is not None:
        steps += [one.format(code=act.code, channel=act.channel) for one in _CHECKS.get(verdict, ())]
    if report.missing:
        steps.append(_UNRECORDED)
    return InverterTrip(
        said,
        verdict,
        tuple(dict.fromkeys(steps)),
        _evidence(report, act),
        report.event_id,
        report.node,
        report.code,
        name,
        report.cause,
        round(report.posterior, 4),
        report.origin.node,
        elsewhere,
        report.path,
        tuple(one for one in report.candidates if one.cause != report.cause and one.posterior >= 0.05),
        act,
        report.missing,
    )


def _share(probability: float) -> str:
    """Nothing is ever quite sure."""
    return "more than 99 %" if probability > 0.99 else f"{100.0 * probability:.0f} %"


def _lower(sentence: str) -> str:
    """A sentence as a clause; the names of things keep their capitals."""
    first, _, _ = sentence.partition(" ")
    return sentence if first[1:] != first[1:].lower() else sentence[:1].lower() + sentence[1:]


def _evidence(report: Report, act: Act | None) -> tuple[Fact, ...]:
    facts = []
    if act is not None and act.measured is not None:
        worst = f"extreme of {act.channel} before the fault, against a limit of {number(act.limit, act.unit)}"
        facts.append(Fact("limit_measured", worst, act.measured, act.unit, node=report.node))
    if act is not None and act.beyond_s is not None:
        least = f"how long that limit was passed, against a delay of {number(act.delay_s, 's')}"
        facts.append(Fact("limit_passed_for", least, act.beyond_s, "s", node=report.node))
    facts += [
        Fact(one.id, BY_ID[one.id].meaning, one.value, one.unit, node=one.node) for one in report.evidence
    ]
    return tuple(facts)
