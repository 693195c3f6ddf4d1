"""Short spellings for rows of metric tables: one function for each physical quantity.

The defaults are the field's: dead-bands near the noise of the usual sensor, ranges from the datasheets of
the parts that the houses use (230 V grid, 48 V LFP bank).
"""

from __future__ import annotations

from functools import partial
from typing import Any

from .metric import LogChannel, Metric, ValueType

_MEASUREMENT = "measurement"

Row = partial[Metric]


def _measure(
    unit: str | None, device_class: str | None, precision: int, dead_band: float, low: float, high: float
) -> Row:
    return partial(
        Metric,
        unit=unit,
        device_class=device_class,
        state_class=_MEASUREMENT,
        precision=precision,
        dead_band=dead_band,
        minimum=low,
        maximum=high,
    )


frequency = _measure("Hz", "frequency", 3, 0.005, 0.0, 100.0)
ac_voltage = _measure("V", "voltage", 1, 0.5, 0.0, 400.0)
dc_voltage = _measure("V", "voltage", 2, 0.05, 0.0, 100.0)
pv_voltage = _measure("V", "voltage", 1, 2.0, 0.0, 600.0)
cell_voltage = _measure("V", "voltage", 3, 0.005, 0.0, 5.0)
current = _measure("A", "current", 1, 0.3, -400.0, 400.0)
power = _measure("W", "power", 0, 15.0, -100_000.0, 100_000.0)
apparent_power = _measure("VA", "apparent_power", 0, 15.0, 0.0, 100_000.0)
temperature = _measure("°C", "temperature", 1, 0.5, -50.0, 200.0)
temperature_delta = _measure("K", "temperature_delta", 1, 0.5, -200.0, 200.0)
state_of_charge = _measure("%", "battery", 0, 0.5, 0.0, 100.0)
ratio = _measure("%", None, 1, 1.0, 0.0, 100.0)
pressure = _measure("psi", "pressure", 0, 3.0, -15.0, 1000.0)
angle = _measure("°", None, 1, 2.0, -180.0, 180.0)
stored_energy = _measure("Wh", "energy_storage", 0, 100.0, 0.0, 1_000_000.0)
milliseconds = _measure("ms", "duration", 2, 0.5, 0.0, 3_600_000.0)
signal = _measure("dBm", "signal_strength", 0, 3.0, -120.0, 0.0)
number = _measure(None, None, 0, 1.0, 0.0, 1e9)


def energy(key: str, *, max_power_w: float, **more: Any) -> Metric:
    """Energy counter in Wh; `max_power_w` bounds how fast it can plausibly grow."""
    return Metric(
        key=key,
        unit="Wh",
        device_class="energy",
        state_class="total_increasing",
        precision=0,
        dead_band=10.0,
        minimum=0.0,
        max_rate=max_power_w,
        **{"log": logged(60_000, 0), **more},
    )


def count(key: str, *, per_hour: float = 3.6e6, **more: Any) -> Metric:
    """Count of things since the device started; diagnostic and disabled unless told otherwise."""
    return Metric(
        key=key,
        **{
            "state_class": "total_increasing",
            "precision": 0,
            "dead_band": 1.0,
            "minimum": 0.0,
            "max_rate": per_hour,
            "diagnostic": True,
            "enabled": False,
            **more,
        },
    )


def flag(key: str, device_class: str | None = None, **more: Any) -> Metric:
    """On or off."""
    return Metric(key=key, value=ValueType.FLAG, device_class=device_class, **more)


def choice(key: str, *options: str, **more: Any) -> Metric:
    """One of a fixed set of names."""
    return Metric(key=key, value=ValueType.CHOICE, device_class="enum", options=options, **more)


def text(key: str, **more: Any) -> Metric:
    """Short text of a device, never interpreted."""
    return Metric(key=key, value=ValueType.TEXT, diagnostic=True, **more)


def logged(period_ms: int, exponent: int, *, snapshot: bool = False) -> LogChannel:
    """Log a metric every `period_ms` in units of 10**exponent; around faults at 100 Hz if told so."""
    return LogChannel(period_ms, exponent, snapshot)
