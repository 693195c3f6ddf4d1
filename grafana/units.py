"""Units of the metric tables as Grafana calls them, and the quantity that a unit measures."""

from __future__ import annotations

from dataclasses import dataclass

from grafana_foundation_sdk.models import units


@dataclass(frozen=True, slots=True)
class Unit:
    """How a number is shown."""

    grafana: str
    quantity: str
    """Title of a panel that shows nothing but this unit."""
    decimals: int | None = None


UNITS = {
    "Hz": Unit(units.Hertz, "Frequency", 3),
    "V": Unit(units.Volt, "Voltage", 2),
    "mV": Unit(units.MilliVolt, "Spread", 0),
    "A": Unit(units.Ampere, "Current", 1),
    "W": Unit(units.Watt, "Power"),
    "VA": Unit(units.VoltAmpere, "Apparent power"),
    "Wh": Unit(units.WattHour, "Energy counters"),
    "°C": Unit(units.Celsius, "Temperature", 1),
    "K": Unit("suffix: K", "Temperature difference", 1),
    "%": Unit(units.Percent, "Shares", 1),
    "psi": Unit(units.PSI, "Pressure", 0),
    "°": Unit(units.Degrees, "Phase angle", 1),
    "ms": Unit(units.Milliseconds, "Time", 2),
    "dBm": Unit(units.DecibelMilliWatt, "Signal", 0),
    "s": Unit(units.Seconds, "Duration"),
    "": Unit(units.NoUnit, "States"),
}
"""A metric with a unit that is not in this table stops the generator: add its line here."""

HERTZ, VOLTS, MILLIVOLTS, AMPERES, WATTS = (UNITS[unit] for unit in ("Hz", "V", "mV", "A", "W"))
VOLT_AMPERES, CELSIUS, PERCENT, PSI, DEGREES = (UNITS[unit] for unit in ("VA", "°C", "%", "psi", "°"))
KILOWATT_HOURS = Unit(units.KiloWattHour, "Energy", 2)
KILOVOLT_AMPERE_HOURS = Unit("suffix: kVAh", "Apparent energy", 2)
COUNT = Unit(units.NoUnit, "Count", 0)
FACTOR = Unit(units.NoUnit, "Factor", 2)
SHARE = Unit(units.PercentUnit, "Share", 0)
SECONDS = Unit(units.Seconds, "Time", 0)
