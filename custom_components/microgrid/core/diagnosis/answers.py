"""The six questions of an operator, answered in sentences with numbers and times."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime

from ..contract.faults import condition
from .case import Case
from .cause_texts import kind, language_of, meaning
from .causes import CAUSES, UNDETERMINED
from .evidence import BY_ID, Evidence
from .fingerprint import PastFault
from .origin import OUTSIDE
from .report import Answers, Candidate, Confirmed, Link, OnsetTime, Origin, Report

__all__ = ["say", "summary", "which", "write"]

_LATEST_US = 253_402_300_799_000_000


_BOUNDS = {
    "en": ("more than 99 %", "less than 1 %"),
    "de": ("mehr als 99 %", "weniger als 1 %"),
    "pl": ("ponad 99 %", "poniżej 1 %"),
}


_WHICH = {
    "cell_voltage": {"en": "It is cell {}.", "de": "Es ist Zelle {}.", "pl": "To ogniwo {}."},
    "battery_temperature": {
        "en": "It is at probe {}.",
        "de": "Es ist an Fühler {}.",
        "pl": "To przy czujniku {}.",
    },
}
"""By the metric of the channel that was measured."""


def _share(probability: float, language: str = "en") -> str:
    """Nothing is ever quite sure, nor impossible."""
    most, least = _BOUNDS[language]
    if probability > 0.99:
        return most
    return least if probability < 0.01 else f"{100 * probability:.0f} %"


def summary(report: Report, language: str, name: Callable[[str], str]) -> str:
    """Return why it happened, for a telephone: the cause, how sure that is, and in English the clearest sign.

    `name` gives what people call a node.
    """
    language = language_of(language)
    said = f"{meaning(report.cause, language)} ({_share(report.posterior, language)})."
    said = " ".join(
        part
        for part in (said, kind(report.cause, language), which(report.cause, report.evidence, language))
        if part
    )
    # A plain ratio says nothing to somebody who stands in the dark.
    sign = next((one for one in report.evidence if one.weight > 0.0 and one.unit), None)
    if language != "en" or sign is None:
        return said
    value = _number(sign.value, sign.unit).replace("-", "\N{MINUS SIGN}")
    where = "beyond the gateway" if sign.node == OUTSIDE else f"at {name(sign.node)}"
    return f"{said} Clearest sign: {BY_ID[sign.id].meaning}, {value} {where}."


def which(cause: str, evidence: Sequence[Evidence], language: str) -> str:
    """Say which cell or probe it is, where the checks of the cause speak of the named one; else nothing."""
    known = CAUSES.get(cause)
    if known is None or not any("named cell" in check or "named probe" in check for check in known.checks):
        return ""
    for one in evidence:
        channel, _, number = one.channel.rpartition("_")
        if channel in _WHICH and number.isdigit():
            return _WHICH[channel][language].format(number)
    return ""


def _name(node: str) -> str:
    return "the swarm beyond the gateway" if node == OUTSIDE else node


def _when(utc_us: int | None) -> str:
    if utc_us is None or not 0 < utc_us < _LATEST_US:
        return "at an unknown time"
    at = datetime.fromtimestamp(utc_us // 1_000_000, UTC)
    return f"on {at:%Y-%m-%d} at {at:%H:%M:%S}.{utc_us % 1_000_000 // 1000:03d} UTC"


def _number(value: float, unit: str) -> str:
    size = abs(value)
    digits = 0 if size >= 100 else 1 if size >= 10 else 2 if size >= 0.1 or value == 0.0 else 3
    return f"{value:.{digits}f}{f' {unit}' if unit else ''}"


def _relative(t_s: float) -> str:
    if abs(t_s) < 0.0005:
        return "at the moment of the fault"
    amount = f"{abs(t_s) * 1000:.0f} ms" if abs(t_s) < 1.0 else f"{abs(t_s):.1f} s"
    return f"{amount} {'before' if t_s < 0 else 'after'} the fault"


def say(evidence: Evidence) -> str:
    """A piece of evidence as a clause: what, how much, where, when, against what."""
    value = _number(evidence.value, evidence.unit)
    text = f"{BY_ID[evidence.id].meaning}: {value} ({evidence.id}, {_name(evidence.node)}"
    if evidence.baseline is not None:
        text += f", usual {_number(evidence.baseline, evidence.unit)}"
    if evidence.t_s:
        text += f", {_relative(evidence.t_s)}"
    return text + ")"


def write(
    case: Case,
    cause: str,
    candidates: Sequence[Candidate],
    origin: Origin,
    way: Sequence[Link],
    onset: OnsetTime | None,
    evidence: Sequence[Evidence],
    before: Sequence[PastFault],
    found: Sequence[Confirmed],
    measured: Mapping[str, float],
    actions: Sequence[str],
    missing: Sequence[str],
) -> Answers:
    """Answer all six; `found` is what operators found before, `measured` the odds without it."""
    return Answers(
        _what(case, missing),
        _where(case, origin, onset),
        _why(cause, candidates, evidence),
        _how(origin, way),
        _again(before, cause, found, measured),
        " ".join(actions),
    )


def _what(case: Case, missing: Sequence[str]) -> str:
    known = condition(case.code)
    text = next((each for each in known.texts if each.language == "en"), known.texts[0])
    said = f"{case.node} told {case.code} ({text.name}) {_when(case.trigger_utc_us)}. {text.description}"
    if missing:
        said += f" No measurements came from {', '.join(sorted(missing))}."
    return said


def _where(case: Case, origin: Origin, onset: OnsetTime | None) -> str:
    place = "at the node that told it" if origin.node == case.node else f"at {_name(origin.node)}"
    if origin.known:
        said = f"It began {place} (confidence {_share(origin.confidence)})."
    elif origin.node == case.node:
        said = "Where it began is not known."
    else:
        said = f"It may have begun {place} (confidence {_share(origin.confidence)})."
    if onset is None:
        return f"{said} No quantity left its usual values suddenly within the recording."
    spread = (onset.latest_s - onset.earliest_s) / 2.0
    return (
        f"{said} The first deviation was in {onset.channel} of {onset.node}, {_relative(onset.t_s)}"
        f" (± {max(spread, 0.0) * 1000:.0f} ms)."
    )


def _why(cause: str, candidates: Sequence[Candidate], evidence: Sequence[Evidence]) -> str:
    best = next((each for each in candidates if each.cause == cause), None)
    share = "" if best is None else f" ({_share(best.posterior)})"
    if cause == UNDETERMINED or cause not in CAUSES:
        said = f"The measurements do not decide{share}."
    else:
        said = f"{CAUSES[cause].meaning}{share}. {kind(cause, 'en')} {which(cause, evidence, 'en')}".rstrip()
    supporting = [each for each in evidence if each.weight > 0.0][:3]
    if supporting:
        said += " For it: " + "; ".join(say(each) for each in supporting) + "."
    against = [each for each in evidence if each.weight < -0.2][-1:]
    if against:
        said += " Against it: " + say(against[0]) + "."
    rivals = [each for each in candidates if each.cause != cause and each.posterior >= 0.05][:2]
    if rivals:
        said += (
            " Otherwise: " + ", ".join(f"{each.cause} ({_share(each.posterior)})" for each in rivals) + "."
        )
    return said


def _how(origin: Origin, way: Sequence[Link]) -> str:
    if not way and not origin.known:
        return "Whether it came from elsewhere is not known."
    if not way:
        return "It did not spread: it began and ended at the node that told it."
    parts = []
    for link in way:
        doubts = [
            text
            for good, text in (
                (link.structural, "they are not joined"),
                (link.statistical, "one of them shows no deviation"),
                (link.temporal, "the order of times does not fit"),
            )
            if not good
        ]
        verdict = "verified" if not doubts else "not verified: " + ", ".join(doubts)
        parts.append(f"{_name(link.source)} → {_name(link.target)} ({verdict})")
    return "; ".join(parts) + "."


def _again(
    before: Sequence[PastFault], cause: str, found: Sequence[Confirmed], measured: Mapping[str, float]
) -> str:
    if not before:
        return "Not with these signs at this node, as far as is stored."
    last = before[-1]
    said = (
        f"{_times(len(before))} before with the same signs at this node, last {_when(last.utc_us)}"
        f" ({last.event_id})."
    )
    if found:
        said += " Operators found: " + ", ".join(f"{one.cause} ({_times(one.count)})" for one in found) + "."
        first = next(iter(measured))
        said += (
            f" That raised {cause} from {_share(measured[cause])}; the measurements alone say {first}"
            f" ({_share(measured[first])})."
            if first != cause
            else f" The measurements alone say {_share(measured[cause])}."
        )
    return said


def _times(count: int) -> str:
    return f"{count} time{'s' if count > 1 else ''}"
