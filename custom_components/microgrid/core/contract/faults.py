"""The fault catalogue: look up what a code means; codes that it does not have get an honest answer too."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from ._fault_table import ALARM_ROWS, CATEGORY_NAMES, FAULT_ROWS, UNKNOWN_TEXTS
from .fault import DEFAULT_LANGUAGE, Condition, Fault, FaultCategory, FaultText
from .messages import Severity

__all__ = [
    "ALARMS",
    "FAULTS",
    "LANGUAGES",
    "Condition",
    "Fault",
    "FaultCategory",
    "FaultText",
    "category_name",
    "condition",
    "fault",
]

FAULTS: Mapping[str, Fault] = MappingProxyType({row.code: row for row in FAULT_ROWS})
ALARMS: Mapping[str, Condition] = MappingProxyType({row.code: row for row in ALARM_ROWS})
LANGUAGES = tuple(text.language for text in UNKNOWN_TEXTS)


def fault(code: str, severity: Severity = Severity.WARNING) -> Fault:
    """Return the fault of a code; for an unknown one a row that says so, with its node's severity."""
    if code in FAULTS:
        return FAULTS[code]
    return Fault(
        code=code, category=FaultCategory.UNKNOWN, threshold="", texts=UNKNOWN_TEXTS, severity=severity
    )


def condition(code: str) -> Condition:
    """Return what the code of a fault or an alarm means; for an unknown one a row that says so."""
    return ALARMS.get(code) or fault(code)


def category_name(category: FaultCategory, language: str) -> str:
    """Return the name of a category in a language, in English when there is none."""
    names = CATEGORY_NAMES[category]
    return names.get(language.replace("_", "-").split("-", 1)[0].lower(), names[DEFAULT_LANGUAGE])
