"""The forms that replies take: rows of fields read by their place, lists, bits, and single words.

A form returns the values of a payload, or None when it cannot be an answer to its command, such as the late
reply to an earlier one. A field that is absent or no number is None, never zero.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TypeAlias

Value: TypeAlias = int | float | str | bool | list[int] | list[int | None] | list[str] | None
Values: TypeAlias = dict[str, Value]
Form: TypeAlias = Callable[[str], Values | None]

_INTEGER = re.compile(r"-?[0-9]{1,10}")
_DECIMAL = re.compile(r"-?[0-9]{1,10}\.[0-9]{0,6}|-?\.[0-9]{1,6}")
ABSENT = "-"


def number(token: str) -> int | float | None:
    """Read a number; None for `-` and for what is none."""
    if _INTEGER.fullmatch(token):
        return int(token)
    return float(token) if _DECIMAL.fullmatch(token) else None


def text(token: str) -> str | None:
    """Keep a code whose leading zeros count, or whose digits are bits; None for `-`."""
    return None if token == ABSENT else token


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a row."""

    name: str
    unit: str | None = None
    read: Callable[[str], int | float | str | None] = number
    bits: tuple[str, ...] = ()
    """Names of the flags in a text of bits, first character first."""


@dataclass(frozen=True, slots=True)
class Row:
    """Fields divided by blanks; more and fewer of them are usual and tell models apart."""

    fields: tuple[Field, ...]
    least: int
    """With fewer tokens it is another command's reply."""
    signature: Mapping[int, str] = field(default_factory=dict)
    """Patterns that the tokens at these places have in every reply to the command; `-` always fits."""
    most: int = 99

    def __call__(self, payload: str) -> Values | None:
        """Read by place."""
        tokens = payload.split()
        if not self.least <= len(tokens) <= self.most:
            return None
        for place, pattern in self.signature.items():
            if place < len(tokens) and tokens[place] != ABSENT and not re.fullmatch(pattern, tokens[place]):
                return None
        found: Values = {}
        for column, token in zip(self.fields, tokens, strict=False):
            if not column.name:
                continue
            found[column.name] = column.read(token)
            if column.bits and re.fullmatch(f"[01]{{{len(column.bits)}}}", token):
                found |= {name: bit == "1" for name, bit in zip(column.bits, token, strict=True) if name}
        return found


@dataclass(frozen=True, slots=True)
class ByCount:
    """A reply whose fields depend on how many there are."""

    forms: Mapping[int, Form]
    other: Form

    def __call__(self, payload: str) -> Values | None:
        """Choose and read."""
        return self.forms.get(len(payload.split()), self.other)(payload)


@dataclass(frozen=True, slots=True)
class Word:
    """One word, or a line of text, that fits a pattern; its first group is the value."""

    name: str
    pattern: str
    read: Callable[[str], int | float | str | None] = text

    def __call__(self, payload: str) -> Values | None:
        """Read."""
        match = re.fullmatch(self.pattern, payload.strip())
        return None if match is None else {self.name: self.read(match[1])}


def numbers(payload: str) -> Values | None:
    """Read a list of amperes."""
    tokens = payload.split()
    if not tokens or not all(re.fullmatch(r"[0-9]{2,4}|-", token) for token in tokens):
        return None
    return {"values": [int(token) if token != ABSENT else None for token in tokens]}


@dataclass(frozen=True, slots=True)
class Tokens:
    """Words whose meaning nobody documented."""

    least: int = 1

    def __call__(self, payload: str) -> Values | None:
        """Divide."""
        words = payload.split()
        return {"tokens": words} if len(words) >= self.least else None


def mode(names: Mapping[str, str]) -> Form:
    """Read the letter of a mode of operation."""

    def read(payload: str) -> Values | None:
        letter = payload.strip()
        return {"mode": letter, "mode_name": names.get(letter)} if re.fullmatch("[A-Z]", letter) else None

    return read


def warnings(payload: str) -> Values | None:
    """Read the places of the set bits; at 31 to 33 some models have digits of a fault code."""
    flags = payload.strip()
    if not re.fullmatch(r"[01]{31}[0-9][01]{0,8}|[01]{31}[0-9]{2,3}[01]{0,6}", flags):
        return None
    return {"length": len(flags), "bits_set": [place for place, flag in enumerate(flags) if flag == "1"]}


def flags(names: Mapping[str, str]) -> Form:
    """Read the letters behind E (enabled) and D (disabled); an unknown letter stays as it is."""

    def read(payload: str) -> Values | None:
        match = re.fullmatch(r"(?:E([^ A-Z]*))?(?:D([^ A-Z]*))?", payload.strip())
        if match is None or not payload.strip():
            return None
        enabled, disabled = (
            sorted(names.get(letter, letter) for letter in part or "") for part in match.groups()
        )
        return {"enabled": enabled, "disabled": disabled}

    return read


def serial_number(payload: str) -> Values | None:
    """Read QSID: two digits say how many of the characters that follow are the serial number."""
    match = re.fullmatch(r"([0-9]{2})([0-9A-Za-z]{6,24})", payload.strip())
    if match is None or not 0 < int(match[1]) <= len(match[2]):
        return None
    return {"serial_number": match[2][: int(match[1])]}


def clock(payload: str) -> Values | None:
    """Read YYYYMMDDhhmmss in the device's own zone; None for what is no time (one device loses a digit)."""
    digits = payload.strip()
    if not re.fullmatch(r"[0-9]{12,16}", digits):
        return None
    try:
        return {
            "datetime": datetime.strptime(digits, "%Y%m%d%H%M%S").isoformat() if len(digits) == 14 else None
        }
    except ValueError:
        return {"datetime": None}


def hours(payload: str) -> Values | None:
    """Read a priority for each hour of the day, and the present one and the order on screen where told."""
    digits = payload.split()
    if len(digits) < 24 or not all(re.fullmatch("[0-9]{1,2}", digit) for digit in digits):
        return None
    values = [int(digit) for digit in digits]
    found: Values = {"hours": list(values[:24])}
    if len(values) > 24:
        found["current"] = values[24]
    if len(values) >= 28:
        found["order"] = list(values[25:28])
    return found
