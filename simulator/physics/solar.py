"""The sun over the site, clouds, PV arrays and what the charge controllers (MPPT) make of them."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from .arrays import Floats

DAY_S = 86_400.0


@dataclass(frozen=True, slots=True)
class SunPosition:
    """Where the sun stands."""

    sin_elevation: float
    elevation_rad: float
    azimuth_rad: float
    """From south, positive to the west."""


def sun_position(latitude_deg: float, day_of_year: float, solar_time_s: float) -> SunPosition:
    """Position from latitude, day and local solar time (Cooper's declination)."""
    latitude = math.radians(latitude_deg)
    declination = math.radians(23.45) * math.sin(2.0 * math.pi * (284.0 + day_of_year) / 365.0)
    hour_angle = 2.0 * math.pi * (solar_time_s / DAY_S - 0.5)
    sin_elevation = math.sin(latitude) * math.sin(declination) + math.cos(latitude) * math.cos(
        declination
    ) * math.cos(hour_angle)
    azimuth = math.atan2(
        math.sin(hour_angle),
        math.cos(hour_angle) * math.sin(latitude) - math.tan(declination) * math.cos(latitude),
    )
    return SunPosition(sin_elevation, math.asin(max(-1.0, min(1.0, sin_elevation))), azimuth)


def clear_sky_w_m2(sin_elevation: float) -> float:
    """Global irradiance on the ground under a clear sky (Haurwitz 1945)."""
    return 1098.0 * sin_elevation * math.exp(-0.057 / sin_elevation) if sin_elevation > 0.01 else 0.0


class Clouds:
    """Share of the clear-sky irradiance that arrives: a front of hours, single clouds over each cluster."""

    def __init__(self, rng: np.random.Generator, places: int) -> None:
        """Begin with the weather of some day."""
        self._rng = rng
        self._front = rng.normal(0.0, 1.0)
        self._single = rng.normal(0.0, 1.0, places)
        self.cover = 0.5
        self.transmittance = np.ones(places)
        self.step(0.0)

    def step(self, dt_s: float) -> None:
        """Advance both processes (Ornstein-Uhlenbeck, exact for any step)."""
        keep = math.exp(-dt_s / (5.0 * 3600.0))
        self._front = keep * self._front + math.sqrt(1.0 - keep**2) * self._rng.normal()
        keep = math.exp(-dt_s / 300.0)
        self._single = keep * self._single + math.sqrt(1.0 - keep**2) * self._rng.normal(
            size=self._single.shape
        )
        self.cover = 1.0 / (1.0 + math.exp(-1.6 * self._front + 0.2))
        # Kasten and Czeplak 1980 for the front; broken cover lets single clouds be seen most.
        broken = 4.0 * self.cover * (1.0 - self.cover)
        front = 1.0 - 0.75 * self.cover**3.4
        self.transmittance = np.clip(
            front * (1.0 - 0.25 * broken * (1.0 + np.tanh(2.0 * self._single))), 0.08, 1.0
        )


class PvArrays:
    """PV arrays of several houses with their charge controllers."""

    _MODULE_VMP_V = 31.5  # 60-cell module at 25 °C
    _MODULE_VOC_V = 38.0
    EFFICIENCY = 0.96
    OWN_USE_W = 3.0

    def __init__(self, rng: np.random.Generator, peak_w: Floats) -> None:
        """Draw tilt and direction of each roof; `peak_w` is the power under standard conditions."""
        arrays = len(peak_w)
        self.peak_w = peak_w
        self._tilt = np.radians(rng.uniform(25.0, 42.0, arrays))
        self._azimuth = np.radians(rng.normal(0.0, 25.0, arrays))
        self._modules = np.full(arrays, 5)
        self._panel_c = np.full(arrays, 15.0)
        self.irradiance_w_m2 = np.zeros(arrays)
        self.available_w = np.zeros(arrays)
        """Power at the maximum power point, before the converter."""
        self.input_voltage_v = np.zeros(arrays)
        self.input_power_w = np.zeros(arrays)
        self.output_power_w = np.zeros(arrays)
        self._vmp = np.zeros(arrays)
        self._voc = np.zeros(arrays)

    def irradiate(self, sun: SunPosition, transmittance: Floats) -> Floats:
        """Irradiance in the plane of each array; the more clouds, the more diffuse."""
        ground = clear_sky_w_m2(sun.sin_elevation) * transmittance
        diffuse_share = np.clip(1.1 - transmittance, 0.15, 1.0)
        incidence = np.sin(self._tilt) * math.cos(sun.elevation_rad) * np.cos(sun.azimuth_rad - self._azimuth)
        incidence = np.maximum(incidence + np.cos(self._tilt) * sun.sin_elevation, 0.0)
        beam = (1.0 - diffuse_share) * np.minimum(incidence / max(sun.sin_elevation, 0.08), 4.0)
        plane: Floats = np.minimum(ground * (beam + diffuse_share * (1.0 + np.cos(self._tilt)) / 2.0), 1250.0)
        return plane

    def shine(self, irradiance_w_m2: Floats, ambient_c: float, dt_s: float) -> None:
        """Set the irradiance; panel temperature follows within minutes."""
        self.irradiance_w_m2 = irradiance_w_m2
        target = ambient_c + 0.03 * irradiance_w_m2
        self._panel_c += (target - self._panel_c) * (1.0 - math.exp(-dt_s / 400.0))
        warm = self._panel_c - 25.0
        sun = irradiance_w_m2 / 1000.0
        self.available_w = 0.9 * self.peak_w * sun * (1.0 - 0.0038 * warm)
        light = 1.0 + 0.045 * np.log(np.maximum(sun, 1e-4))  # weak light lowers the voltage
        self._vmp = self._modules * self._MODULE_VMP_V * np.maximum(light, 0.0) * (1.0 - 0.0035 * warm)
        self._voc = self._modules * self._MODULE_VOC_V * np.maximum(light, 0.0) * (1.0 - 0.0028 * warm)
        lit = irradiance_w_m2 > 1.0
        self._vmp = np.where(lit, self._vmp, 0.0)
        self._voc = np.where(lit, self._voc, 0.0)

    def convert(self, limit_w: Floats) -> None:
        """Deliver at most `limit_w`; a controller that holds back moves towards the open-circuit voltage."""
        possible = np.maximum(self.available_w * self.EFFICIENCY - self.OWN_USE_W, 0.0)
        self.output_power_w = np.minimum(possible, np.maximum(limit_w, 0.0))
        self.input_power_w = np.where(
            self.output_power_w > 0.0, (self.output_power_w + self.OWN_USE_W) / self.EFFICIENCY, 0.0
        )
        used = self.input_power_w / np.maximum(self.available_w, 1.0)
        self.input_voltage_v = self._voc - (self._voc - self._vmp) * np.sqrt(np.clip(used, 0.0, 1.0))

    @property
    def input_current_a(self) -> Floats:
        """Current from the array."""
        current: Floats = self.input_power_w / np.maximum(self.input_voltage_v, 1.0)
        return current
