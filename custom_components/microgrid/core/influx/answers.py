"""What a server's answer to a write means, and what is to be done about it."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

MAX_REASON = 300
_DROPPED = re.compile(r"dropped=(\d+)")
_MISSING = ("retention policy not found", "database not found")


class Verdict(StrEnum):
    """What became of a batch."""

    STORED = "stored"
    PARTIAL = "partial"
    """Everything but some bad points is stored; sending it again would only repeat the complaint."""
    REFUSED = "refused"
    """Nothing is stored because of one or more bad lines."""
    TOO_LARGE = "too_large"
    TIER_MISSING = "tier_missing"
    UNAUTHORISED = "unauthorised"
    BUSY = "busy"
    """Nothing is wrong with the bytes: send the same again later."""


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer, understood."""

    verdict: Verdict
    reason: str = ""
    dropped: int = 0
    """Points that the server left out, as far as it says."""
    bad_line: int | None = None
    """Number of the line (from 1) that it refused."""


STORED = Answer(Verdict.STORED)


def interpret(generation: int, status: int, body: str) -> Answer:
    """Return what the answer of a server of generation 1, 2 or 3 to a write means."""
    told = _parse(body)
    if status == 204 or (status == 200 and generation == 3 and told is not None):
        return STORED
    reason = f"{status}: {_reason(told, body)}"[:MAX_REASON]
    if status < 400:
        return Answer(Verdict.BUSY, reason)  # a page of a proxy, which took nothing
    if status in {401, 403}:
        return Answer(Verdict.UNAUTHORISED, reason)
    if status == 413:
        return Answer(Verdict.TOO_LARGE, reason)
    if status == 404 or any(words in body for words in _MISSING):
        return Answer(Verdict.TIER_MISSING, reason)
    if status == 422 or (status == 400 and generation == 1 and _about_points(body)):
        # 1.x says dropped=0 of lines that it could not parse, although they are lost.
        dropped = _DROPPED.search(body)
        return Answer(Verdict.PARTIAL, reason, max(1, int(dropped[1])) if dropped else 1)
    if status == 400 and told is not None:
        return Answer(Verdict.REFUSED, reason, bad_line=_bad_line(told))
    return Answer(Verdict.BUSY, reason)  # also a 400 of a proxy, which says nothing about the lines


def _about_points(body: str) -> bool:
    return "partial write" in body or "unable to parse" in body


def _parse(body: str) -> dict[str, Any] | None:
    try:
        told = json.loads(body)
    except ValueError:
        return None
    return told if isinstance(told, dict) else None


def _reason(told: dict[str, Any] | None, body: str) -> str:
    for key in ("message", "error"):
        if told is not None and isinstance(text := told.get(key), str):
            return text
    return " ".join(body.split()) or "no explanation"


def _bad_line(told: dict[str, Any]) -> int | None:
    data = told.get("data")
    if isinstance(data, list) and data:
        data = data[0]
    number = data.get("line_number") if isinstance(data, dict) else None
    return number if isinstance(number, int) and not isinstance(number, bool) and number > 0 else None
