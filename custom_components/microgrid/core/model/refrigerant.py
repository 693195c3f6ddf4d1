"""Saturation temperatures of refrigerants: at a given pressure, where a heat pump boils and condenses.

1/T (1/K) is a polynomial of ln(p/bar, absolute), highest power first; fitted to reference equations of state
within 0.03 K between -35 °C and the upper bound of each fluid, and not used outside. Dew and bubble side
differ only for blends with a glide (R407C 5 to 6 K, R410A 0.1 K).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

BAR_PER_PSI = 0.06894757
ATMOSPHERE_BAR = 1.01325
_ZERO_C = 273.15
_LOWEST_C = -35.0
_LOWEST_BAR, _HIGHEST_BAR = 0.2, 100.0  # every curve of the table lies within and rises all the way
_BISECTIONS = 50  # halves a range of a few units of ln(p) until only rounding is left


@dataclass(frozen=True, slots=True)
class Saturation:
    """One side (dew or bubble) of the saturation curve of a fluid."""

    coefficients: tuple[float, ...]
    highest_c: float

    def temperature_c(self, gauge_psi: float) -> float | None:
        """Saturation temperature at a gauge pressure; None outside the range of the fit."""
        absolute_bar = gauge_psi * BAR_PER_PSI + ATMOSPHERE_BAR
        if not _LOWEST_BAR <= absolute_bar <= _HIGHEST_BAR:
            return None
        celsius = 1.0 / self._inverse_temperature(math.log(absolute_bar)) - _ZERO_C
        return celsius if _LOWEST_C <= celsius <= self.highest_c else None

    def gauge_psi(self, celsius: float) -> float | None:
        """Gauge pressure at a saturation temperature; None outside the range of the fit."""
        if not _LOWEST_C <= celsius <= self.highest_c:
            return None
        wanted = 1.0 / (celsius + _ZERO_C)
        low, high = math.log(_LOWEST_BAR), math.log(_HIGHEST_BAR)
        for _ in range(_BISECTIONS):
            middle = (low + high) / 2.0
            if self._inverse_temperature(middle) > wanted:
                low = middle
            else:
                high = middle
        return (math.exp(low) - ATMOSPHERE_BAR) / BAR_PER_PSI

    def _inverse_temperature(self, log_bar: float) -> float:
        value = 0.0
        for coefficient in self.coefficients:
            value = value * log_bar + coefficient
        return value


@dataclass(frozen=True, slots=True)
class Refrigerant:
    """A refrigerant and its saturation curve."""

    name: str
    dew: Saturation
    """Where the last drop boils away: the temperature of evaporation at the suction side."""
    bubble: Saturation
    """Where the last gas condenses: the temperature of condensation at the high-pressure side."""


def _fluid(
    name: str,
    dew: tuple[float, ...],
    *,
    bubble: tuple[float, ...] | None = None,
    highest_c: float = 65.0,
) -> Refrigerant:
    return Refrigerant(name, Saturation(dew, highest_c), Saturation(bubble or dew, highest_c))


REFRIGERANTS: Mapping[str, Refrigerant] = MappingProxyType(
    {
        fluid.name: fluid
        for fluid in (
            _fluid(
                "R22", (2.898493778e-07, -1.16218219e-06, -3.45230689e-06, -0.0003966545143, 0.004309586637)
            ),
            _fluid(
                "R32", (4.72447566e-07, -2.743487373e-06, 1.834265834e-06, -0.0004074262358, 0.004522950656)
            ),
            _fluid(
                "R134a",
                (1.891761722e-07, -4.209065598e-07, -5.348094708e-06, -0.0003579550315, 0.004052017361),
            ),
            _fluid(
                "R290", (3.47242575e-07, -1.197514609e-06, -2.989339476e-06, -0.0004261690823, 0.004334283601)
            ),
            _fluid(
                "R407C",
                (4.135785427e-07, -1.627026955e-06, -3.555361331e-06, -0.0003666868839, 0.004233049172),
                bubble=(2.788221894e-07, -1.211020913e-06, -3.07899836e-06, -0.0003963790795, 0.004362517467),
            ),
            _fluid(
                "R410A",
                (6.647649039e-07, -4.11991445e-06, 4.864510828e-06, -0.0004111764322, 0.004518644547),
                bubble=(5.861429294e-07, -3.50712799e-06, 3.163439503e-06, -0.0004092856634, 0.004519392115),
            ),
            _fluid(
                "R600a",
                (1.243257509e-07, 1.697510021e-08, -5.076292341e-06, -0.0003736535807, 0.003830467858),
            ),
            _fluid(
                "R744",
                (2.976859426e-06, -3.4574666e-05, 0.0001471150875, -0.0007766502944, 0.005638645243),
                highest_c=29.0,
            ),
        )
    }
)
"""By name, as in the select of a heat pump."""
