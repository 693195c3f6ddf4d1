"""What counts of a language model's answer: only what the evidence bears out."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from .dossier import QUESTIONS, Dossier
from .quantities import NUMBER, Quantity

__all__ = ["MAX_CITED", "MAX_TEXT", "Answer", "AnswerRefused", "read_answer", "read_json"]

MAX_TEXT: Final = 600
MAX_CITED: Final = 8
MAX_ANSWER: Final = 20_000
"""Characters."""


class AnswerRefused(ValueError):
    """The answer says something that the evidence does not, or says it in a way that cannot be checked."""


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer that was checked; nodes still have their short names."""

    cause: str
    evidence: tuple[str, ...]
    texts: Mapping[str, str]
    """By question."""


# What a text may consist of: neither mark-up nor addresses, since it is shown in places that understand both.
_PLAIN: Final = re.compile(r"[A-Za-z0-9À-ɏΑ-ωµΩ .,;:!?%()'’\"“”„‚‘«»–—+−±×·°≈≥≤²³/\u00a0-]+")
_ADDRESS: Final = re.compile(r"//|\bwww\b|[A-Za-z0-9]\.[A-Za-z]{2,}", re.IGNORECASE)
_IDENTIFIER: Final = re.compile(r"\b[A-Za-z][A-Za-z]*[0-9][A-Za-z0-9]*\b")


def read_json(text: str) -> object:
    """Return what the model sent as JSON."""
    if len(text) > MAX_ANSWER:
        raise AnswerRefused(f"the answer has more than {MAX_ANSWER} characters")
    try:
        found: object = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise AnswerRefused("the answer is no JSON") from error
    return found


def read_answer(found: object, dossier: Dossier) -> Answer:
    """Check an answer against what was sent; AnswerRefused says what is wrong with it."""
    wanted = {"cause_id", "evidence", *QUESTIONS}
    if not isinstance(found, Mapping) or set(found) != wanted:
        raise AnswerRefused("the answer has not exactly the fields that were asked for")
    cause = found["cause_id"]
    if cause not in dossier.choices:
        raise AnswerRefused("the cause is none of those to choose from")
    cited = _cited(found["evidence"], dossier)
    texts = {question: _text(question, found[question], dossier) for question in QUESTIONS}
    return Answer(str(cause), cited, texts)


def _cited(found: object, dossier: Dossier) -> tuple[str, ...]:
    if not isinstance(found, list) or not 1 <= len(found) <= MAX_CITED:
        raise AnswerRefused(f"1 to {MAX_CITED} pieces of evidence are to be cited")
    for each in found:
        if not isinstance(each, str) or each not in dossier.quantities:
            raise AnswerRefused("evidence is cited that was not sent")
    return tuple(dict.fromkeys(found))


def _text(question: str, found: Any, dossier: Dossier) -> str:
    if not isinstance(found, str) or not found.strip() or len(found) > MAX_TEXT:
        raise AnswerRefused(f"{question}: a text of 1 to {MAX_TEXT} characters is needed")
    text = found.strip()
    if not _PLAIN.fullmatch(text):
        raise AnswerRefused(f"{question}: the text has signs that plain text does not need")
    known = {*dossier.aliases.values(), *dossier.quantities, dossier.report.code}
    for identifier in _IDENTIFIER.findall(text):
        if identifier not in known:
            raise AnswerRefused(f"{question}: {identifier[:12]} is no id that was sent")
    rest = _IDENTIFIER.sub(" ", text)
    if _ADDRESS.search(rest):
        raise AnswerRefused(f"{question}: the text looks like an address")
    allowed = _allowed(dossier)
    for match in NUMBER.finditer(rest):
        value = float(match["digits"].replace(",", "."))
        if not any(each.is_told_by(value, match["unit"] or "") for each in allowed):
            raise AnswerRefused(f"{question}: {match[0][:24]} stands in no evidence")
        following = rest[match.end() : match.end() + 1]
        if following.isalpha() or following == "/":
            raise AnswerRefused(f"{question}: {match[0][:24]} has a unit that was not sent")
    if re.search(r"[0-9]", NUMBER.sub("", rest)):
        raise AnswerRefused(f"{question}: a number is written in a way that cannot be checked")
    return text


def _allowed(dossier: Dossier) -> list[Quantity]:
    return [*(each for found in dossier.quantities.values() for each in found), *dossier.general]
