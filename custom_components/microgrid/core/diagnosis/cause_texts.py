"""What causes mean and what to check first, in the languages of the integration."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from ._causes_de import CAUSES_DE, TRANSIENT_DE
from ._causes_pl import CAUSES_PL, TRANSIENT_PL
from .causes import CAUSES, UNDETERMINED, CauseKind

__all__ = ["LANGUAGES", "checks", "kind", "language_of", "meaning", "not_yet"]

_Texts = Mapping[str, tuple[str, tuple[str, ...]]]

_TRANSIENTS = {"de": TRANSIENT_DE, "pl": TRANSIENT_PL}
_TRANSLATED: Mapping[str, _Texts] = MappingProxyType({"de": CAUSES_DE, "pl": CAUSES_PL})
LANGUAGES = ("en", *_TRANSLATED)

_UNDETERMINED: Mapping[str, tuple[str, tuple[str, ...]]] = MappingProxyType(
    {
        "en": (
            "The measurements do not decide what caused this",
            (
                "Look at the chart of the fault and at what the neighbours told at that time.",
                "If it comes back, fetch the missing snapshots and diagnose again.",
            ),
        ),
        "de": (
            "Die Messwerte entscheiden nicht, was dies verursacht hat",
            (
                "Das Diagramm der Störung ansehen, und was die Nachbarn zu dieser Zeit meldeten.",
                "Wenn sie wiederkommt, die fehlenden Aufzeichnungen holen und neu auswerten.",
            ),
        ),
        "pl": (
            "Pomiary nie rozstrzygają, co to spowodowało",
            (
                "Obejrzyj wykres usterki i to, co w tym czasie zgłaszali sąsiedzi.",
                "Jeśli wróci, pobierz brakujące nagrania i przeanalizuj ponownie.",
            ),
        ),
    }
)


_KINDS: Mapping[CauseKind, Mapping[str, str]] = MappingProxyType(
    {
        CauseKind.LOCAL: {
            "en": "The defect is local.",
            "de": "Der Defekt liegt hier.",
            "pl": "Uszkodzenie jest na miejscu.",
        },
        CauseKind.PROPAGATED: {
            "en": "It came from elsewhere; what tripped is healthy as far as the measurements tell.",
            "de": "Es kam von anderswo; was auslöste, ist nach den Messwerten in Ordnung.",
            "pl": "Przyszło z zewnątrz; to, co zadziałało, jest według pomiarów sprawne.",
        },
        CauseKind.SENSOR: {
            "en": "A measurement was wrong; nothing else happened.",
            "de": "Eine Messung war falsch; sonst ist nichts geschehen.",
            "pl": "Pomiar był błędny; nic więcej się nie stało.",
        },
        CauseKind.NONE: {
            "en": "Nothing points to a defect.",
            "de": "Nichts weist auf einen Defekt hin.",
            "pl": "Nic nie wskazuje na uszkodzenie.",
        },
    }
)
_NOT_YET = {
    "en": "The cause has not been looked for yet",
    "de": "Die Ursache wurde noch nicht gesucht",
    "pl": "Przyczyny jeszcze nie szukano",
}


def language_of(language: str) -> str:
    """Return which of ours a language is: `de-AT` is German, what we do not have is English."""
    found = language.replace("_", "-").split("-", 1)[0].lower()
    return found if found in LANGUAGES else "en"


def meaning(cause: str, language: str) -> str:
    """Return what a cause means, as one sentence without its full stop; of one we do not know, its id."""
    return _texts(cause, language_of(language))[0]


def checks(cause: str, language: str) -> tuple[str, ...]:
    """Return what to look at first."""
    return _texts(cause, language_of(language))[1]


def kind(cause: str, language: str) -> str:
    """Return a sentence on where the defect is; nothing for a cause that we do not know."""
    known = CAUSES.get(cause)
    return "" if known is None else _KINDS[known.kind][language_of(language)]


def not_yet(language: str) -> str:
    """Return what stands in the place of a meaning until there is a verdict."""
    return _NOT_YET[language_of(language)]


def _texts(cause: str, language: str) -> tuple[str, tuple[str, ...]]:
    known = CAUSES.get(cause)
    if known is None:
        return _UNDETERMINED[language] if cause == UNDETERMINED else (cause, ())
    if language == "en":
        return known.meaning, known.checks
    if known.kind is CauseKind.NONE:
        return _TRANSIENTS[language]
    return _TRANSLATED[language][cause]
