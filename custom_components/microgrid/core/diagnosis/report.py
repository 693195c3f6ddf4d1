"""What a diagnosis says, typed; to JSON and back with every field checked."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, is_dataclass
from itertools import pairwise
from math import isfinite
from typing import Any, TypeVar

from .causes import CAUSES, UNDETERMINED
from .evidence import BY_ID, Evidence

__all__ = [
    "ENGINE_VERSION",
    "Answers",
    "Candidate",
    "Confirmed",
    "Link",
    "OnsetTime",
    "Origin",
    "Report",
    "from_dict",
    "to_dict",
]

ENGINE_VERSION = "1.2"
"""Rises whenever the same case may get another verdict."""
_FINGERPRINT = re.compile(r"[0-9a-f]{16}", re.ASCII)
_LONGEST_TEXT = 4000
_MOST_ITEMS = 256


@dataclass(frozen=True, slots=True)
class Candidate:
    """A cause and how likely it is."""

    cause: str
    """Id in the catalogue, or `undetermined`."""
    posterior: float


@dataclass(frozen=True, slots=True)
class Confirmed:
    """What operators found behind earlier faults with the same signs."""

    cause: str
    count: int


@dataclass(frozen=True, slots=True)
class Origin:
    """Where it began."""

    node: str
    """A node of the cluster, or `outside`."""
    confidence: float
    evidence: str
    """Id of the evidence that named it; empty when it is the node that told the fault."""

    @property
    def known(self) -> bool:
        """Whether it is more likely there than not; else it is only the best guess."""
        return self.confidence >= 0.5


@dataclass(frozen=True, slots=True)
class Link:
    """A step of the way from origin to fault, and whether it holds."""

    source: str
    target: str
    structural: bool
    """Both are joined: neighbours on the line, the gateway, or the bus."""
    statistical: bool
    """Both left their usual values."""
    temporal: bool
    """The source not later than the target, as far as the clocks can tell."""

    @property
    def holds(self) -> bool:
        """Whether nothing speaks against it."""
        return self.structural and self.statistical and self.temporal


@dataclass(frozen=True, slots=True)
class OnsetTime:
    """When the first quantity left its usual values."""

    t_s: float
    earliest_s: float
    latest_s: float
    node: str
    channel: str


@dataclass(frozen=True, slots=True)
class Answers:
    """The six questions an operator asks, answered."""

    what_happened: str
    where_did_it_begin: str
    why: str
    how_did_it_spread: str
    has_it_happened_before: str
    what_to_do: str


@dataclass(frozen=True, slots=True)
class Report:
    """The verdict on a case, with all that it rests on."""

    engine_version: str
    event_id: str
    code: str
    node: str
    cause: str
    posterior: float
    candidates: tuple[Candidate, ...]
    """Most likely first; all causes of the code and `undetermined`."""
    origin: Origin
    path: tuple[str, ...]
    """From the origin to the node that told the fault."""
    links: tuple[Link, ...]
    """Between the nodes of the path."""
    onset: OnsetTime | None
    evidence: tuple[Evidence, ...]
    """Strongest for the verdict first."""
    actions: tuple[str, ...]
    answers: Answers
    fingerprint: str
    missing: tuple[str, ...]
    """Nodes that gave no measurements."""
    runtime_s: float
    confirmed: tuple[Confirmed, ...] = ()
    """The most frequent first."""

    @property
    def margin(self) -> float:
        """Posterior of the verdict above that of the next cause."""
        return self.posterior - max(
            (c.posterior for c in self.candidates if c.cause != self.cause), default=0.0
        )


def _plain(value: object) -> Any:
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    if is_dataclass(value) and not isinstance(value, type):
        return {each.name: _plain(getattr(value, each.name)) for each in fields(value)}
    return value


def to_dict(report: Report) -> dict[str, Any]:
    """Return the report as what JSON can hold."""
    plain: dict[str, Any] = _plain(report)
    return plain


# ---------------------------------------------------------------------------------------------- reading

_T = TypeVar("_T")


class _Reader:
    """Takes the fields of one object; what is missing, strange or of the wrong type is an error by name."""

    def __init__(
        self, value: object, where: str, names: tuple[str, ...], later: frozenset[str] = frozenset()
    ) -> None:
        """Check the names of the fields; those that came `later` may be missing."""
        if not isinstance(value, Mapping):
            raise ValueError(f"{where}: {type(value).__name__} instead of an object")
        if strange := [str(name)[:40] for name in value if name not in names]:
            raise ValueError(f"{where}: unknown field {strange[0]!r}; known are {', '.join(names)}")
        if lacking := [name for name in names if name not in value and name not in later]:
            raise ValueError(f"{where}: {lacking[0]} is missing")
        self.value, self.where = value, where

    def text(self, name: str, longest: int = 200) -> str:
        found = self.value[name]
        if not isinstance(found, str) or len(found) > longest:
            raise ValueError(f"{self.where}.{name}: a text of at most {longest} characters is needed")
        return found

    def number(self, name: str, low: float = -1e12, high: float = 1e12) -> float:
        found = self.value[name]
        if (
            isinstance(found, bool)
            or not isinstance(found, int | float)
            or not isfinite(found)
            or not low <= found <= high
        ):
            raise ValueError(f"{self.where}.{name}: {str(found)[:40]} is no number within {low:g} … {high:g}")
        return float(found)

    def maybe_number(self, name: str) -> float | None:
        return None if self.value[name] is None else self.number(name)

    def flag(self, name: str) -> bool:
        found = self.value[name]
        if not isinstance(found, bool):
            raise ValueError(f"{self.where}.{name}: true or false is needed, not {str(found)[:40]}")
        return found

    def items(self, name: str, read: Callable[[object, str], _T]) -> tuple[_T, ...]:
        found = self.value[name]
        if not isinstance(found, list | tuple) or len(found) > _MOST_ITEMS:
            raise ValueError(f"{self.where}.{name}: a list of at most {_MOST_ITEMS} is needed")
        return tuple(read(item, f"{self.where}.{name}[{place}]") for place, item in enumerate(found))


def _names(kind: type) -> tuple[str, ...]:
    return tuple(each.name for each in fields(kind))


def _text(value: object, where: str) -> str:
    if not isinstance(value, str) or len(value) > 400:
        raise ValueError(f"{where}: a text of at most 400 characters is needed")
    return value


def _cause(cause: str, code: str, where: str) -> str:
    if cause != UNDETERMINED and (cause not in CAUSES or CAUSES[cause].code != code):
        raise ValueError(
            f"{where}: {cause[:60]!r} is no cause of {code}; update the catalogue or diagnose again"
        )
    return cause


def _evidence(value: object, where: str) -> Evidence:
    read = _Reader(value, where, _names(Evidence))
    identity = read.text("id")
    if identity not in BY_ID:
        raise ValueError(f"{where}.id: there is no evidence {identity[:20]!r}")
    if read.text("unit") != BY_ID[identity].unit:
        raise ValueError(f"{where}.unit: {identity} is in {BY_ID[identity].unit or 'no unit'}")
    return Evidence(
        identity,
        read.text("node"),
        read.text("channel"),
        read.number("t_s"),
        read.number("value"),
        read.text("unit"),
        read.maybe_number("baseline"),
        read.maybe_number("z"),
        read.number("weight"),
    )


def _candidate(value: object, where: str) -> Candidate:
    read = _Reader(value, where, _names(Candidate))
    return Candidate(read.text("cause"), read.number("posterior", 0.0, 1.0))


def _confirmed(value: object, where: str) -> Confirmed:
    read = _Reader(value, where, _names(Confirmed))
    return Confirmed(read.text("cause"), int(read.number("count", 1.0)))


def _origin(value: object, where: str) -> Origin:
    read = _Reader(value, where, _names(Origin))
    evidence = read.text("evidence")
    if evidence and evidence not in BY_ID:
        raise ValueError(f"{where}.evidence: there is no evidence {evidence[:20]!r}")
    return Origin(read.text("node"), read.number("confidence", 0.0, 1.0), evidence)


def _link(value: object, where: str) -> Link:
    read = _Reader(value, where, _names(Link))
    flags = (read.flag(name) for name in ("structural", "statistical", "temporal"))
    return Link(read.text("source"), read.text("target"), *flags)


def _onset(value: object, where: str) -> OnsetTime:
    read = _Reader(value, where, _names(OnsetTime))
    return OnsetTime(
        read.number("t_s"),
        read.number("earliest_s"),
        read.number("latest_s"),
        read.text("node"),
        read.text("channel"),
    )


def _answers(value: object, where: str) -> Answers:
    read = _Reader(value, where, _names(Answers))
    return Answers(*(read.text(name, _LONGEST_TEXT) for name in _names(Answers)))


def from_dict(value: object) -> Report:
    """Read what `to_dict` wrote; ValueError names the field that is wrong."""
    read = _Reader(value, "report", _names(Report), frozenset({"confirmed"}))  # since engine 1.1
    code = read.text("code")
    candidates = read.items("candidates", _candidate)
    for candidate in candidates:
        _cause(candidate.cause, code, "report.candidates")
    confirmed = read.items("confirmed", _confirmed) if "confirmed" in read.value else ()
    for one in confirmed:
        _cause(one.cause, code, "report.confirmed")
    fingerprint = read.text("fingerprint")
    if not _FINGERPRINT.fullmatch(fingerprint):
        raise ValueError(f"report.fingerprint: {fingerprint[:40]!r} is not 16 digits of lower-case hex")
    onset = read.value["onset"]
    path = read.items("path", _text)
    links = read.items("links", _link)
    if not path or [(a.source, a.target) for a in links] != list(pairwise(path)):
        raise ValueError("report.links: they do not join the nodes of the path one after the other")
    return Report(
        read.text("engine_version"),
        read.text("event_id", 400),
        code,
        read.text("node"),
        _cause(read.text("cause"), code, "report.cause"),
        read.number("posterior", 0.0, 1.0),
        candidates,
        _origin(read.value["origin"], "report.origin"),
        path,
        links,
        None if onset is None else _onset(onset, "report.onset"),
        read.items("evidence", _evidence),
        read.items("actions", _text),
        _answers(read.value["answers"], "report.answers"),
        fingerprint,
        read.items("missing", _text),
        read.number("runtime_s", 0.0),
        confirmed,
    )
