"""Sensors that publish bare numbers: which metric of the site a name on `house/` or `weather/` stands for."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import partial
from types import MappingProxyType

from .metric import Metric
from .rows import Row
from .site import SENSORS, WEATHER

_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}", re.ASCII)


def _row(unit: str, device_class: str, precision: int, dead_band: float, low: float, high: float) -> Row:
    return partial(
        _plain,
        unit=unit,
        device_class=device_class,
        precision=precision,
        dead_band=dead_band,
        minimum=low,
        maximum=high,
    )


_plain: Row = partial(Metric, state_class="measurement", precision=2, dead_band=0.01)
_temperature = _row("°C", "temperature", 1, 0.2, -60.0, 85.0)
_humidity = _row("%", "humidity", 0, 1.0, 0.0, 100.0)
_air_pressure = _row("hPa", "atmospheric_pressure", 0, 1.0, 300.0, 1100.0)
_wind_speed = _row("km/h", "wind_speed", 0, 2.0, 0.0, 400.0)
_rain = _row("mm", "precipitation", 1, 0.1, 0.0, 500.0)

_SUFFIXES: Mapping[str, Row] = MappingProxyType(
    {"_temp": _temperature, "_hum": _humidity, "_press": _air_pressure}
)

WEATHER_METRICS: Mapping[str, Metric] = MappingProxyType(
    {
        quantity: row(key=f"weather_{quantity}", component=WEATHER, influx=f"weather_{quantity}")
        for quantity, row in (
            ("temperature", _temperature),
            ("humidity", _humidity),
            ("wind", _wind_speed),
            ("rain", _rain),
            ("pressure", _air_pressure),
        )
    }
)
"""By the last level of the topic."""


def house_metric(name: str) -> Metric | None:
    """Return the metric of a sensor of the house, unit by the end of its name; None to refuse it."""
    if _NAME.fullmatch(name) is None:
        return None
    row = next((row for suffix, row in _SUFFIXES.items() if name.lower().endswith(suffix)), None)
    return (row or _plain)(
        key=f"house_{name}",
        component=SENSORS,
        name="house_sensor",
        placeholders=(("sensor", _shown(name)),),
        influx=name,
    )


def _shown(name: str) -> str:
    """Return the name as people write it: `outdoor_temp` is Outdoor temp."""
    words = name.replace("_", " ").replace("-", " ").split()
    return " ".join(words).capitalize() or name
