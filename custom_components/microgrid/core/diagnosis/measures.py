"""Which measures a code is judged by: the physics of what can make it happen."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from . import (
    measures_battery as battery,
    measures_bus as bus,
    measures_gateway as gateway,
    measures_power as power,
    measures_solar as solar,
)
from .facts import Facts, Finding, Measure
from .measures_watch import watched

__all__ = ["MEASURES", "measure"]

_AC: tuple[Measure, ...] = (
    power.shares,
    power.load_step,
    power.trips,
    power.loads,
    power.voltages,
    power.frequency,
)
_DC: tuple[Measure, ...] = (battery.bus_and_cells, battery.battery_flow)

MEASURES: Mapping[str, tuple[Measure, ...]] = MappingProxyType(
    {
        "F001": (watched, *_AC, power.droop, power.current_consistency),
        "F002": (watched, *_AC),
        "F003": (watched, *_AC, *_DC),
        "F004": (watched, power.loads, power.sources, battery.temperatures),
        "F005": (watched, *_AC, power.sources, *_DC, solar.solar),
        "F006": (watched, *_AC, power.sources, *_DC, battery.cells),
        "F010": (watched, power.loads, power.sources, power.frequency, *_DC, battery.cells, solar.solar),
        "F011": (watched, power.loads, power.sources, *_DC, battery.cells),
        "F012": (watched, power.loads, power.sources, battery.temperatures, battery.battery_flow),
        "F013": (watched, *_AC, power.sources, power.afterwards, *_DC, solar.solar),
        "F014": (watched, *_AC, power.sources, power.afterwards, *_DC),
        "F015": (watched, *_DC, battery.cells),
        "F020": (watched, solar.solar),
        "F021": (watched, solar.solar, battery.battery_flow, battery.bus_and_cells),
        "F030": (bus.silences, bus.floods, bus.losses),
        "F031": (bus.silences, bus.floods, bus.losses),
        "F040": (gateway.synchronism,),
        "F041": (gateway.contactor, bus.losses),
    }
)
"""By code."""


def measure(facts: Facts) -> dict[str, Finding]:
    """All values of a case that can be had, by the key of the evidence; what is not known is left out."""
    found: dict[str, Finding] = {}
    for each in MEASURES.get(facts.code, ()):
        for finding in each(facts):
            if finding.value == finding.value and abs(finding.value) < 1e12:
                found[finding.key] = finding
    return found
