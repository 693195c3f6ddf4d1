"""The fault catalogue: look up what a code means; codes that it does not have get an honest answer too."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from ._fault_table import CATEGORY_NAMES, ROWS, UNKNOWN_TEXTS
from .fault import DEFAULT_LANGUAGE, Fault, FaultCategory, FaultText
from .messages import Severity

__all__ = ["FAULTS", "LANGUAGES", "Fault", "FaultCategory", "FaultText", "category_name", "fault"]

FAULTS: Mapping[str, Fault] = MappingProxyType({row.code: row for row in ROWS})
LANGUAGES = tuple(text.language for text in UNKNOWN_TEXTS)


def fault(code: str, severity: Severity = Severity.WARNING) -> Fault:
    """Return the fault of a code; for an unknown one a row that says so, with its node's severity."""
    if code in FAULTS:
        return FAULTS[code]
    return Fault(code, FaultCategory.UNKNOWN, severity, "", UNKNOWN_TEXTS)


def category_name(category: FaultCategory, language: str) -> str:
    """Return the name of a category in a language, in English when there is none."""
    names = CATEGORY_NAMES[category]
    return names.get(language.replace("_", "-").split("-", 1)[0].lower(), names[DEFAULT_LANGUAGE])
