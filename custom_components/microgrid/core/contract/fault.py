"""One row of the fault catalogue: what a fault code means, in every language that the project speaks."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from .messages import Severity

DEFAULT_LANGUAGE = "en"


class FaultCategory(StrEnum):
    """The part of the microgrid that a fault belongs to."""

    INVERTER = "inverter"
    BATTERY = "battery"
    SOLAR = "solar"
    COMMUNICATION = "communication"
    SYNCHRONISATION = "synchronisation"
    UNKNOWN = "unknown"
    """Of codes that are not in the catalogue."""


@dataclass(frozen=True, slots=True)
class FaultText:
    """What people read about a fault."""

    language: str
    name: str
    description: str
    advice: str
    """What an operator does first."""


@dataclass(frozen=True, slots=True)
class Fault:
    """A fault code."""

    code: str
    category: FaultCategory
    severity: Severity
    threshold: str
    """The default trip with its unit; empty when unknown."""
    texts: tuple[FaultText, ...]
    """One per language; the first is English."""

    def text(self, language: str) -> FaultText:
        """Return the texts in a language (`de`, also `de-AT`), in English when there are none."""
        primary = language.replace("_", "-").split("-", 1)[0].lower()
        return next((text for text in self.texts if text.language == primary), self.texts[0])
