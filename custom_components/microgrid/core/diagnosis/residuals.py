"""What remains when physics is taken out of the measurements: near zero while all is well.

Arrays have the shape (samples,) unless said otherwise; a NaN in gives a NaN out, never an exception.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "LineFit",
    "ac_power_residual_w",
    "battery_current_residual_a",
    "bus_minus_cells_v",
    "cell_minus_median_v",
    "command_mismatch",
    "droop_residual_hz",
    "fit_line",
    "frame_gaps_s",
    "load_balance_w",
    "thermal_residual_k",
]

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

INVERTER_EFFICIENCY = 0.95
"""Usual at half load; datasheets of low-frequency inverters say 0.92 to 0.96."""


def droop_residual_hz(
    frequency_hz: Floats, power_w: Floats, droop_hz_per_w: float, no_load_hz: float = 50.0
) -> Floats:
    """Measured frequency minus that of the droop line, f0 - k P, in Hz."""
    residual: Floats = frequency_hz - (no_load_hz - droop_hz_per_w * power_w)
    return residual


def ac_power_residual_w(power_w: Floats, voltage_v: Floats, current_a: Floats) -> Floats:
    """|P| minus |V I| in W: positive is impossible, strongly negative a reactive or a wrong current."""
    residual: Floats = np.abs(power_w) - np.abs(voltage_v * current_a)
    return residual


def load_balance_w(inverter_w: Floats, load_w: Floats, flow_w: Floats | float = 0.0) -> Floats:
    """What all inverters give minus what all loads and the swarm take, in W; shapes (houses, samples)."""
    given = np.sum(inverter_w, axis=0) - np.sum(load_w, axis=0)
    residual: Floats = given - flow_w
    return residual


def battery_current_residual_a(
    battery_a: Floats,
    bus_v: Floats,
    inverter_w: Floats,
    charger_a: Floats,
    efficiency: float = INVERTER_EFFICIENCY,
) -> Floats:
    """Battery current minus what inverter and charger account for, in A (discharge is positive).

    The inverter takes P / (efficiency V) while it feeds and gives efficiency P / V while it charges.
    """
    usable = np.where(bus_v > 1.0, bus_v, np.nan)
    inverter_a = np.where(inverter_w >= 0.0, inverter_w / efficiency, inverter_w * efficiency) / usable
    residual: Floats = battery_a - (inverter_a - charger_a)
    return residual


def cell_minus_median_v(cells_v: Floats) -> Floats:
    """Each cell minus the median of all in V; shape (cells, samples) in and out."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # a moment at which no cell is known
        median: Floats = np.nanmedian(cells_v, axis=0)
    apart: Floats = cells_v - median
    return apart


def bus_minus_cells_v(bus_v: Floats, cells_v: Floats) -> Floats:
    """DC bus minus the sum of the cells in V; NaN where a cell is missing. Cells (cells, samples)."""
    residual: Floats = bus_v - np.sum(cells_v, axis=0)
    return residual


@dataclass(frozen=True, slots=True)
class LineFit:
    """y = offset + slope x, by least squares on values within three robust deviations."""

    slope: float
    offset: float
    slope_error: float
    """Standard error of the slope."""
    correlation: float
    samples: int


def fit_line(x: Floats, y: Floats, least_span: float) -> LineFit | None:
    """How y follows x: dV/dI is a resistance. None when x hardly moves (its span below `least_span`)."""
    good = np.isfinite(x) & np.isfinite(y)
    x, y = x[good], y[good]
    if x.size < 4 or float(np.ptp(x)) < least_span:
        return None
    dx, dy = x - x.mean(), y - y.mean()
    xx, xy, yy = float(dx @ dx), float(dx @ dy), float(dy @ dy)
    slope = xy / xx
    rest = yy - slope * xy
    error = (max(rest, 0.0) / max(x.size - 2, 1) / xx) ** 0.5
    correlation = xy / (xx * yy) ** 0.5 if yy > 0.0 else 0.0
    return LineFit(slope, float(y.mean() - slope * x.mean()), error, correlation, int(x.size))


def thermal_residual_k(temperature_c: Floats, current_a: Floats, ambient_c: float, k_per_a2: float) -> Floats:
    """Temperature minus what the losses explain once settled, Ta + c I^2, in K."""
    residual: Floats = temperature_c - (ambient_c + k_per_a2 * current_a**2)
    return residual


def command_mismatch(commanded: Floats, position: Floats) -> Flags:
    """Where both are known (0 or 1) and differ."""
    differ: Flags = np.isfinite(commanded) & np.isfinite(position) & ((commanded > 0.5) != (position > 0.5))
    return differ


def frame_gaps_s(t_s: Floats, since_s: float, until_s: float) -> Floats:
    """Silences between frames in s, the one at either end of the window included; shape (frames + 1,)."""
    inside = np.sort(t_s[(t_s >= since_s) & (t_s <= until_s)])
    return np.diff(np.concatenate(([since_s], inside, [until_s])))
