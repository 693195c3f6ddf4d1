"""One colour for each meaning on all dashboards, and the limits that divide normal from not normal."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from microgrid_core.health import heat_pump

Steps = tuple[tuple[float | None, str], ...]
"""Lower bound and colour of each zone; the first has no bound."""

GOOD, WATCH, BAD, CALM = "#56A64B", "#FF9830", "#E02F44", "#8E8E8E"
SOLAR, BATTERY, LOAD, EXCHANGE = "#F2B705", "#37872D", "#3274D9", "#8F5BD6"
HOT, COLD, CLEAR = "#E0752D", "#5794F2", "transparent"
SEVERITY = (CLEAR, CALM, LOAD, GOOD, WATCH, BAD)
"""From what does not matter to what does."""

SERIES: Mapping[str, str] = MappingProxyType(
    {
        "Solar": SOLAR,
        "Solar power": SOLAR,
        "Battery": BATTERY,
        "Battery power": BATTERY,
        "Load": LOAD,
        "Load power": LOAD,
        "Exchange": EXCHANGE,
        "Exchange power": EXCHANGE,
        "Outlet temperature": HOT,
        "Inlet temperature": COLD,
        "Ambient temperature": CALM,
        "Compressor temperature": BAD,
        "High-side pressure": HOT,
        "Low-side pressure": COLD,
        "warning high": WATCH,
        "warning low": WATCH,
        "critical high": BAD,
        "critical low": BAD,
    }
)
"""Colours by the name of a series, wherever it appears."""


def _alarm(code: str) -> Steps:
    """Zones of an alarm of the heat pump, as the integration itself judges it."""
    limit = next(limit for limit in heat_pump._FIXED if limit.code == code)
    return ((None, GOOD), (limit.warning, WATCH), (limit.critical, BAD))


def _band(low_bad: float, low: float, high: float, high_bad: float) -> Steps:
    """Good within `low … high`, bad beyond the outer bounds."""
    return ((None, BAD), (low_bad, WATCH), (low, GOOD), (high, WATCH), (high_bad, BAD))


STATE_OF_CHARGE: Steps = ((None, BAD), (20.0, WATCH), (40.0, GOOD))
FREQUENCY = _band(49.0, 49.5, 50.5, 51.0)
AC_VOLTAGE = _band(207.0, 213.0, 247.0, 253.0)  # F003 and F002
DC_VOLTAGE = _band(44.8, 48.0, 57.6, 58.4)  # F006 and F005
CELL_VOLTAGE = _band(2.80, 3.00, 3.55, 3.65)  # F011 and F010
CELL_SPREAD: Steps = ((None, GOOD), (50.0, WATCH), (100.0, BAD))  # F015
INVERTER_TEMPERATURE: Steps = ((None, GOOD), (80.0, WATCH), (95.0, BAD))  # F004
BATTERY_TEMPERATURE = _band(0.0, 5.0, 45.0, 55.0)
COMPRESSOR_TEMPERATURE = _alarm("HP_COMP_HOT")
COMPRESSOR_CURRENT = _alarm("HP_CURRENT_HIGH")
COUNT_OF_FAULTS: Steps = ((None, GOOD), (1.0, WATCH), (5.0, BAD))
AGE_S: Steps = ((None, GOOD), (120.0, WATCH), (600.0, BAD))
STARTS_PER_HOUR: Steps = ((None, GOOD), (4.0, WATCH), (6.0, BAD))  # six are short cycling
COVERAGE: Steps = ((None, BAD), (50.0, WATCH), (99.0, GOOD))
DIRECTION: Steps = ((None, LOAD), (-50.0, CALM), (50.0, GOOD))
"""Takes from, idles with, gives to the others; within 50 W nobody can tell."""


def mains_voltage() -> Steps:
    """Zones of the supply of a heat pump, from its two alarms."""
    by_code = {limit.code: limit for limit in heat_pump._FIXED}
    low, high = by_code["HP_VOLTAGE_LOW"], by_code["HP_VOLTAGE_HIGH"]
    return _band(low.critical, low.warning, high.warning, high.critical)
