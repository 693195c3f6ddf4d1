"""A row of the fault catalogue: what a code of a fault or an alarm means, in every language we speak."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from .messages import Severity

DEFAULT_LANGUAGE = "en"


class FaultCategory(StrEnum):
    """The part of the microgrid that a fault or an alarm belongs to."""

    INVERTER = "inverter"
    BATTERY = "battery"
    SOLAR = "solar"
    COMMUNICATION = "communication"
    SYNCHRONISATION = "synchronisation"
    HEAT_PUMP = "heat_pump"
    UNKNOWN = "unknown"
    """Of codes that are not in the catalogue."""


@dataclass(frozen=True, slots=True)
class FaultText:
    """What people read about a fault or an alarm."""

    language: str
    name: str
    description: str
    advice: str
    """What an operator does first."""


@dataclass(frozen=True, slots=True)
class Condition:
    """The code of something that lasts: a fault, or an alarm, whose events alone know how severe it is."""

    code: str
    category: FaultCategory
    threshold: str
    """The default trip with its unit; empty when unknown."""
    texts: tuple[FaultText, ...]
    """One per language; the first is English."""

    def text(self, language: str) -> FaultText:
        """Return the texts in a language (`de`, also `de-AT`), in English when there are none."""
        primary = language.replace("_", "-").split("-", 1)[0].lower()
        return next((text for text in self.texts if text.language == primary), self.texts[0])


@dataclass(frozen=True, slots=True)
class Fault(Condition):
    """A fault code."""

    severity: Severity
