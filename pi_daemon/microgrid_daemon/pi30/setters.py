"""All commands of PI30 that change something, by the shape of their text, and which of them may ever be sent.

The last gate before the wire: what is not here, or is here as never sent, is not sent.
"""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Setter:
    """One command that changes something."""

    name: str
    parameter: str
    """Pattern of what follows the name."""
    title: str
    never: str = ""
    """Why it is never sent; empty when it may be."""


_VOLTS = r"[0-9]{2}\.[0-9]"
_TOPOLOGY = "a wrong value damages a parallel system: set it at the device"
_SUPPLY = "what the house is fed with is set at the device"

SETTERS: tuple[Setter, ...] = (
    Setter("POP", "0[0-3]", "output source priority"),
    Setter("PCP", "0[0-4]", "charger source priority"),
    Setter("PGR", "0[01]", "range of the input voltage"),
    Setter("MNCHGC", "[0-9]{3,4}", "greatest charging current"),
    Setter("MCHGC", "[0-9]{3}", "greatest charging current, older form"),
    Setter("MUCHGC", "[0-9]{3,4}", "greatest charging current from the grid"),
    Setter("PBCV", _VOLTS, "voltage to return to the grid"),
    Setter("PBDV", _VOLTS, "voltage to return to the battery"),
    Setter("PSDV", _VOLTS, "cut-off voltage"),
    Setter("PCVV", _VOLTS, "bulk voltage"),
    Setter("PBFT", _VOLTS, "float voltage"),
    Setter("PCVT", "[0-9]{3}", "time at bulk voltage"),
    Setter("PE", "[a-z]", "switch on"),
    Setter("PD", "[a-z]", "switch off"),
    Setter("PBEQE", "[01]", "equalization"),
    Setter("PBEQT", "[0-9]{3}", "time of an equalization"),
    Setter("PBEQP", "[0-9]{3}", "days between equalizations"),
    Setter("PBEQV", _VOLTS, "voltage of an equalization"),
    Setter("PBEQOT", "[0-9]{3}", "time after which an equalization is given up"),
    Setter("PBEQA", "[01]", "equalize now"),
    Setter("PBATMAXDISC", "[0-9]{3}", "limit of the discharge current"),
    Setter("PBATCD", "[01]{3}", "whether the battery may be charged and discharged"),
    Setter("DAT", "[0-9]{12}", "clock"),
    Setter("PBT", "0[0-9]", "battery type", "it changes every charging voltage: set it at the device"),
    Setter("F", "50|60", "output frequency", _SUPPLY),
    Setter("V", "[0-9]{3}", "output voltage", _SUPPLY),
    Setter("POPV", "[0-9]{4}", "output voltage, in 0.1 V", _SUPPLY),
    Setter("POPM", "[0-9]{2}", "output mode", _TOPOLOGY),
    Setter("PPCP", "[0-9]{3}", "charger priority of a parallel unit", _TOPOLOGY),
    Setter("PPVOKC", "[01]", "condition for good sun", _TOPOLOGY),
    Setter("PSPB", "[01]", "balance of solar power", _TOPOLOGY),
    Setter("POPLG", "[0-9]{2}", "operation logic", _TOPOLOGY),
    Setter("PF", "", "factory settings", "it erases every setting"),
    Setter("RTEY", "", "erase the counters of the sun", "it erases history"),
    Setter("RTDL", "", "erase the log", "it erases history"),
    Setter("ATE", ".*", "test mode of the factory", "it is for the factory"),
    Setter("BTA", ".*", "calibration of the battery's voltage", "it is for the factory"),
)


def setter_of(command: str) -> Setter | None:
    """Find what a command changes; None for what is none."""
    for setter in SETTERS:
        if re.fullmatch(f"{setter.name}(?:{setter.parameter})", command):
            return setter
    return None


def forbidden(command: str) -> str | None:
    """Return why a command must not be sent, None when it may."""
    setter = setter_of(command)
    if setter is None:
        return f"{command} is no command that changes a setting"
    return f"{command} ({setter.title}) is never sent: {setter.never}" if setter.never else None
