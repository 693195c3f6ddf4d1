"""What alarms are called: limits that were passed, judged here or by a node. Faults have a catalogue."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from .fault import DEFAULT_LANGUAGE
from .faults import fault

ALARM_NAMES: Mapping[str, Mapping[str, str]] = MappingProxyType(
    {
        "HP_COMP_HOT": {
            "en": "Compressor too hot",
            "de": "Verdichter zu heiß",
            "pl": "Sprężarka zbyt gorąca",
        },
        "HP_CURRENT_HIGH": {
            "en": "Current too high",
            "de": "Stromaufnahme zu hoch",
            "pl": "Zbyt duży prąd",
        },
        "HP_PRESSURE_HIGH": {
            "en": "High-side pressure too high",
            "de": "Hochdruck zu hoch",
            "pl": "Zbyt wysokie ciśnienie tłoczenia",
        },
        "HP_PRESSURE_LOW": {
            "en": "Low-side pressure too low",
            "de": "Niederdruck zu niedrig",
            "pl": "Zbyt niskie ciśnienie ssania",
        },
        "HP_VOLTAGE_HIGH": {
            "en": "Supply voltage too high",
            "de": "Versorgungsspannung zu hoch",
            "pl": "Zbyt wysokie napięcie zasilania",
        },
        "HP_VOLTAGE_LOW": {
            "en": "Supply voltage too low",
            "de": "Versorgungsspannung zu niedrig",
            "pl": "Zbyt niskie napięcie zasilania",
        },
        "HP_NODE_COMP_HOT": {
            "en": "Node reports: compressor temperature",
            "de": "Knoten meldet: Verdichtertemperatur",
            "pl": "Węzeł zgłasza: temperatura sprężarki",
        },
        "HP_NODE_CURRENT": {
            "en": "Node reports: current",
            "de": "Knoten meldet: Strom",
            "pl": "Węzeł zgłasza: prąd",
        },
        "HP_NODE_P_HIGH": {
            "en": "Node reports: high-side pressure",
            "de": "Knoten meldet: Hochdruck",
            "pl": "Węzeł zgłasza: wysokie ciśnienie",
        },
        "HP_NODE_P_LOW": {
            "en": "Node reports: low-side pressure",
            "de": "Knoten meldet: Niederdruck",
            "pl": "Węzeł zgłasza: niskie ciśnienie",
        },
        "HP_NODE_VOLTAGE": {
            "en": "Node reports: supply voltage",
            "de": "Knoten meldet: Versorgungsspannung",
            "pl": "Węzeł zgłasza: napięcie zasilania",
        },
    }
)
"""By code and language."""


def condition_name(code: str, language: str) -> str:
    """Return what a fault or an alarm is called in a language, in English when there is no such text."""
    if (names := ALARM_NAMES.get(code)) is None:
        return fault(code).text(language).name
    return names.get(language.replace("_", "-").split("-", 1)[0].lower(), names[DEFAULT_LANGUAGE])
