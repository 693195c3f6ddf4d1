"""An air-to-water heat pump heating one house: vapour cycle, on-off control, frost and defrost.

The refrigerant's saturation curve ties pressures to temperatures, so that what a technician derives from the
readings (superheat, approach temperatures) makes sense.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

BAR_PER_PSI = 0.06894757
ATMOSPHERE_BAR = 1.01325


@dataclass(frozen=True, slots=True)
class Refrigerant:
    """Saturation curve: 1/T (in 1/K) as a polynomial of ln(p/bar), highest power first; valid -35 … 65 °C."""

    name: str
    inverse_temperature: tuple[float, ...]

    def pressure_psi(self, saturation_c: float) -> float:
        """Gauge pressure at a saturation temperature, by bisection."""
        target = 1.0 / (saturation_c + 273.15)
        low, high = math.log(0.5), math.log(60.0)
        for _ in range(40):
            middle = (low + high) / 2.0
            value = 0.0
            for coefficient in self.inverse_temperature:
                value = value * middle + coefficient
            low, high = (middle, high) if value > target else (low, middle)
        return (math.exp(low) - ATMOSPHERE_BAR) / BAR_PER_PSI


R290 = Refrigerant(
    "R290", (3.47242575e-07, -1.197514609e-06, -2.989339476e-06, -0.0004261690823, 0.004334283601)
)
R32 = Refrigerant(
    "R32", (4.72447566e-07, -2.743487373e-06, 1.834265834e-06, -0.0004074262358, 0.004522950656)
)
REFRIGERANTS = {refrigerant.name: refrigerant for refrigerant in (R290, R32)}

_FLOW_W_PER_K = 1150.0  # 16.5 litres of water in a minute
_WATER_J_PER_K = 0.55e6  # radiators and a small buffer
_HOUSE_W_PER_K = 160.0
_HOUSE_J_PER_K = 25e6
_RADIATOR_W_PER_K = 230.0
_CARNOT_SHARE = 0.47
_HYSTERESIS_K = 3.0
_MINIMUM_RUN_S = 360.0
_MINIMUM_REST_S = 420.0
_DEFROST_S = 300.0
_FAN_W = 60.0
_STANDBY_W = 18.0
_POWER_FACTOR = 0.93


class HeatPump:
    """The heat pump and the house that it heats."""

    def __init__(self, rng: np.random.Generator, refrigerant: Refrigerant = R290) -> None:
        """Begin at rest in a warm house."""
        self._rng = rng
        self.refrigerant = refrigerant
        self.living_room_c = 21.3
        self.living_room_humidity_percent = 45.0
        self.water_c = 33.0
        self.ambient_c = 8.0
        self.compressor_c = 30.0
        self.condensing_c = 20.0
        self.evaporating_c = 20.0
        self.heat_w = 0.0
        self.electrical_w = _STANDBY_W
        self.frost = 0.0
        """Ice on the evaporator: 1 is when defrosting begins."""
        self.voltage_v = 230.5
        self.compressor_running = False
        self.defrost_active = False
        self._in_state_s = _MINIMUM_REST_S
        self._defrost_s = 0.0
        self._mains = 0.0

    def step(self, ambient_c: float, humidity_percent: float, sun_w_m2: float, dt_s: float) -> None:
        """Advance by `dt_s` (at most 10 s at once, or the controller would overshoot)."""
        while dt_s > 0.0:
            part = min(dt_s, 10.0)
            self._advance(ambient_c, humidity_percent, sun_w_m2, part)
            dt_s -= part

    def _advance(self, ambient_c: float, humidity_percent: float, sun_w_m2: float, dt_s: float) -> None:
        self.ambient_c = ambient_c
        self._in_state_s += dt_s
        self._control(ambient_c)
        if self.defrost_active:
            self._defrost_s += dt_s
            self.frost = max(0.0, self.frost - dt_s / (_DEFROST_S * 0.9))
            self.heat_w, self.electrical_w = -2200.0, 900.0
            condensing, evaporating, compressor = 12.0, 2.0, 45.0  # hot gas melts the ice: valve reversed
        elif self.compressor_running:
            evaporating = ambient_c - 6.5 - 5.0 * self.frost
            self.heat_w = 5600.0 * (1.0 + 0.022 * (evaporating + 5.0)) * (1.0 - 0.1 * self.frost)
            self.heat_w = min(max(self.heat_w, 2500.0), 7500.0)
            condensing = self.outlet_c + 2.5
            lift = max(condensing - evaporating, 15.0)
            cop = _CARNOT_SHARE * (condensing + 273.15) / lift
            self.electrical_w = min(self.heat_w / cop, 2050.0) + _FAN_W
            compressor = condensing + 12.0 + 0.35 * lift
            wet = max(0.0, humidity_percent - 50.0) / 50.0
            if evaporating < -0.5:
                self.frost = min(1.0, self.frost + wet * min(1.0, 0.35 - evaporating / 10.0) * dt_s / 2400.0)
        else:
            self.heat_w, self.electrical_w = 0.0, _STANDBY_W
            condensing = evaporating = ambient_c + 2.0  # pressures equalise at rest
            compressor = ambient_c + 4.0
            if ambient_c > 2.0:
                self.frost = max(0.0, self.frost - dt_s / 3600.0)
        self._follow(condensing, evaporating, compressor, dt_s)
        radiators_w = _RADIATOR_W_PER_K * (self.water_c - self.living_room_c)
        self.water_c += (self.heat_w - radiators_w) / _WATER_J_PER_K * dt_s
        losses_w = _HOUSE_W_PER_K * (self.living_room_c - ambient_c)
        gains_w = 350.0 + 1.2 * sun_w_m2
        self.living_room_c += (radiators_w + gains_w - losses_w) / _HOUSE_J_PER_K * dt_s
        self.living_room_humidity_percent = min(
            80.0, max(20.0, 45.0 + 0.4 * (ambient_c - 8.0) - 2.0 * (self.living_room_c - 21.0))
        )
        keep = math.exp(-dt_s / 600.0)
        self._mains = keep * self._mains + math.sqrt(1.0 - keep**2) * float(self._rng.normal())
        self.voltage_v = 230.5 + 1.5 * self._mains - 0.0012 * self.electrical_w

    def _control(self, ambient_c: float) -> None:
        """Outdoor reset with hysteresis, minimum times, and defrost when the ice is thick."""
        target = 26.0 + 0.75 * max(0.0, 20.0 - ambient_c) + 4.0 * (21.0 - self.living_room_c)
        target = min(max(target, 22.0), 50.0)
        if self.defrost_active:
            if self._defrost_s >= _DEFROST_S or self.frost <= 0.0:
                self.defrost_active = False
        elif self.compressor_running:
            if self.frost >= 1.0:
                self.defrost_active, self._defrost_s = True, 0.0
            elif self.water_c > target + _HYSTERESIS_K and self._in_state_s > _MINIMUM_RUN_S:
                self._switch(False)
        elif self.water_c < target - _HYSTERESIS_K and self._in_state_s > _MINIMUM_REST_S:
            self._switch(True)

    def _switch(self, running: bool) -> None:
        self.compressor_running = running
        self._in_state_s = 0.0

    def _follow(self, condensing: float, evaporating: float, compressor: float, dt_s: float) -> None:
        quick, slow = 1.0 - math.exp(-dt_s / 45.0), 1.0 - math.exp(-dt_s / 300.0)
        self.condensing_c += (min(condensing, 64.0) - self.condensing_c) * quick
        self.evaporating_c += (max(evaporating, -34.0) - self.evaporating_c) * quick
        self.compressor_c += (compressor - self.compressor_c) * slow

    @property
    def fan_running(self) -> bool:
        """The fan rests while the ice melts."""
        return self.compressor_running and not self.defrost_active

    @property
    def inlet_c(self) -> float:
        """Water coming back from the house."""
        return self.water_c - 0.3

    @property
    def outlet_c(self) -> float:
        """Water going to the house."""
        return self.inlet_c + self.heat_w / _FLOW_W_PER_K

    @property
    def current_a(self) -> float:
        """RMS current."""
        return self.electrical_w / (_POWER_FACTOR * self.voltage_v)

    @property
    def pressure_high_psi(self) -> float:
        """Gauge pressure behind the compressor."""
        return self.refrigerant.pressure_psi(self.condensing_c)

    @property
    def pressure_low_psi(self) -> float:
        """Gauge pressure before the compressor."""
        return self.refrigerant.pressure_psi(self.evaporating_c)
