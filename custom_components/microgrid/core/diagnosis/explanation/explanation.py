"""An explanation: the six answers in the words that count, both verdicts, and what it took."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from enum import StrEnum
from typing import Any, Final

from ..causes import CAUSES
from ..report import Answers, Report
from .answer import Answer
from .dossier import Dossier
from .spending import NO_TOKENS, Usage

__all__ = ["Explanation", "Outcome", "by_engine", "by_model", "from_dict", "to_dict"]


class Outcome(StrEnum):
    """What became of asking a model."""

    EXPLAINED = "explained"
    REUSED = "reused"
    """A fault of the same kind was explained within a day, and those words fit this one too."""
    OFF = "off"
    """Nobody is to be asked."""
    REPEATED = "repeated"
    """A fault of the same kind was explained within a day, but its numbers are others."""
    BUDGET = "budget"
    PAUSED = "paused"
    """Too many failures in a row."""
    UNREACHABLE = "unreachable"
    UNAUTHORISED = "unauthorised"
    FAILED = "failed"
    """The service answered with an error."""
    DECLINED = "declined"
    """The model did not want to answer."""
    TRUNCATED = "truncated"
    """The model did not come to an end."""
    REFUSED = "refused"
    """The answer did not pass the check."""


IN_MODELS_WORDS: Final = frozenset({Outcome.EXPLAINED, Outcome.REUSED})


@dataclass(frozen=True, slots=True)
class Explanation:
    """What the operator is told. The engine's words stand wherever a model's do not count."""

    outcome: Outcome
    reason: str
    """Why the engine's words stand; empty when a model's do."""
    engine_cause: str
    model_cause: str | None
    """None when no answer counted."""
    answers: Answers
    actions: tuple[str, ...]
    """What to check, of the catalogue, for the verdict that counts."""
    cited: tuple[str, ...] = ()
    """Evidence that the model relied on; E: of the report, T: what it looked up."""
    model: str = ""
    usage: Usage = NO_TOKENS
    cost_cents: float = 0.0
    lookups: int = 0

    @property
    def cause(self) -> str:
        """The verdict that counts: the model's where the engine was unsure and left the choice."""
        return self.engine_cause if self.model_cause is None else self.model_cause

    @property
    def in_models_words(self) -> bool:
        """Whether a model put it into words."""
        return self.outcome in IN_MODELS_WORDS


def by_engine(report: Report, outcome: Outcome, reason: str) -> Explanation:
    """Let the engine's own words stand."""
    return Explanation(outcome, reason, report.cause, None, report.answers, report.actions)


def by_model(dossier: Dossier, answer: Answer, outcome: Outcome = Outcome.EXPLAINED) -> Explanation:
    """Return a checked answer, with the names that people use."""
    report = dossier.report
    words = {question: dossier.readable(text) for question, text in answer.texts.items()}
    actions = report.actions
    if answer.cause != report.cause and answer.cause in CAUSES:
        actions = CAUSES[answer.cause].checks
        words["what_to_do"] = " ".join(actions)
    return Explanation(
        outcome,
        "",
        report.cause,
        answer.cause,
        replace(report.answers, **words),
        actions,
        answer.evidence,
    )


def to_dict(explanation: Explanation) -> dict[str, Any]:
    """Return the explanation as what JSON can hold."""
    plain: dict[str, Any] = {}
    for each in fields(explanation):
        value = getattr(explanation, each.name)
        if isinstance(value, Answers | Usage):
            value = {part.name: getattr(value, part.name) for part in fields(value)}
        plain[each.name] = list(value) if isinstance(value, tuple) else value
    return plain


def from_dict(stored: Mapping[str, Any]) -> Explanation:
    """Read what `to_dict` wrote."""
    return Explanation(
        **{
            **stored,
            "outcome": Outcome(stored["outcome"]),
            "answers": Answers(**stored["answers"]),
            "usage": Usage(**stored["usage"]),
            "actions": tuple(stored["actions"]),
            "cited": tuple(stored["cited"]),
        }
    )
