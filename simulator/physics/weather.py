"""Air over the site: temperature by season and hour, humidity, wind, rain and pressure."""

from __future__ import annotations

import math

import numpy as np

from .solar import DAY_S


class Weather:
    """Weather of the whole site (the clouds are the sun's business and come in as cover)."""

    def __init__(self, rng: np.random.Generator) -> None:
        """Draw today's deviation from the season."""
        self._rng = rng
        self._warmer = rng.normal(0.0, 2.0)
        self._wind = rng.normal(0.0, 1.0)
        self._pressure = rng.normal(0.0, 1.0)
        self.temperature_c = 8.0
        self.humidity_percent = 70.0
        self.wind_m_s = 3.0
        self.rain_mm_h = 0.0
        self.pressure_hpa = 1013.0

    def step(self, day_of_year: float, solar_time_s: float, cloud_cover: float, dt_s: float) -> None:
        """Advance to the given time of a year in central Europe."""
        self._warmer = self._drift(self._warmer, 2.0, 86_400.0, dt_s)
        self._wind = self._drift(self._wind, 1.0, 3_600.0, dt_s)
        self._pressure = self._drift(self._pressure, 1.0, 2 * 86_400.0, dt_s)
        season = 9.5 - 10.0 * math.cos(2.0 * math.pi * (day_of_year - 20.0) / 365.0)
        swing = 5.5 * (1.0 - 0.6 * cloud_cover)
        hour = swing * math.cos(
            2.0 * math.pi * (solar_time_s / DAY_S - 14.5 / 24.0)
        )  # warmest at half past two
        self.temperature_c = season + self._warmer + hour
        self.humidity_percent = min(100.0, max(20.0, 62.0 + 28.0 * cloud_cover - 2.5 * hour))
        self.wind_m_s = max(0.0, 3.5 + 1.8 * self._wind)
        self.rain_mm_h = max(0.0, (cloud_cover - 0.85) * 20.0)
        self.pressure_hpa = 1014.0 + 7.0 * self._pressure - 6.0 * (cloud_cover - 0.5)

    def _drift(self, value: float, spread: float, time_s: float, dt_s: float) -> float:
        keep = math.exp(-dt_s / time_s)
        return keep * value + math.sqrt(1.0 - keep**2) * spread * float(self._rng.normal())
