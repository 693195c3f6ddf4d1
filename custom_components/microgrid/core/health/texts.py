"""What rules are called and what to do about a finding, in the languages of the integration."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from ._texts_de import ADVICE_DE, NAMES_DE
from ._texts_en import NAMES_EN
from ._texts_pl import ADVICE_PL, NAMES_PL
from .advice import ADVICE
from .rule import Rule

NAMES: Final[Mapping[str, Mapping[str, str]]] = MappingProxyType(
    {"en": NAMES_EN, "de": NAMES_DE, "pl": NAMES_PL}
)
ADVICES: Final[Mapping[str, Mapping[str, str]]] = MappingProxyType(
    {"en": ADVICE, "de": ADVICE_DE, "pl": ADVICE_PL}
)


def name_of(rule: Rule, language: str) -> str:
    """Return what people call a rule."""
    return NAMES[_ours(language)][rule.name]


def advice_of(rule: Rule, language: str) -> str:
    """Return what to do about a finding."""
    return ADVICES[_ours(language)][rule.advice]


def _ours(language: str) -> str:
    """Return which of ours a language is: `de-AT` is German, what we do not have is English."""
    found = language.replace("_", "-").split("-", 1)[0].lower()
    return found if found in NAMES else "en"
