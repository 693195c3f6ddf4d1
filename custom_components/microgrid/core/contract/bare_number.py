"""A bare number as payload, as sensors of the house publish it."""

from __future__ import annotations

import math
import re

from .reading import Refused, RejectReason, decode_text, parser

_MAX_BYTES = 32
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,3})?", re.ASCII)


@parser
def parse_bare_number(payload: bytes) -> float:
    """Read one finite decimal number and nothing else: no comma, no unit, no underscore, no JSON."""
    text = decode_text(payload, _MAX_BYTES).strip()
    if _NUMBER.fullmatch(text) is None:
        raise Refused(RejectReason.BAD_VALUE, "no decimal number such as 23.5")
    if not math.isfinite(number := float(text)):
        raise Refused(RejectReason.BAD_VALUE, "no finite number")
    return number
