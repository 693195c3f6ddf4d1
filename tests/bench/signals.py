"""The reference load of the log: synthetic signals of one house as the integers that its firmware logs.

166 samples a second (14.35 million a day): frequency at 100 Hz, voltages and currents at 10 Hz, cells,
temperatures and MPPT at 1 Hz, state of charge at 0.1 Hz. The noise of the frequency capture (5 mHz) makes
most of the bytes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from microgrid_core.codec.umg1.schema import Channel, Schema

Floats = NDArray[np.float64]
Integers = NDArray[np.signedinteger[Any]]
CAPTURE_NOISE_HZ, DROOP_NOISE_HZ = 0.005, 0.015


@dataclass(frozen=True, slots=True)
class Signals:
    """Channels of a house and their samples, by channel id."""

    schema: Schema
    samples: dict[int, Integers]

    @property
    def count(self) -> int:
        """Samples of all channels."""
        return sum(len(values) for values in self.samples.values())


def first_order(x: Floats, a: float) -> Floats:
    """y[n] = a·y[n−1] + x[n], by doubling: each pass adds as many past samples as all passes before."""
    y = x
    step = 1
    while step < len(x) and (gain := a**step) > 1e-16:
        longer = y.copy()
        longer[step:] += gain * y[:-step]
        y = longer
        step *= 2
    return y


def _wandering(
    count: int, period_s: float, time_constant_s: float, deviation: float, rng: np.random.Generator
) -> Floats:
    """Ornstein–Uhlenbeck noise."""
    a = float(np.exp(-period_s / time_constant_s))
    return first_order(rng.standard_normal(count) * (deviation * (1 - a * a) ** 0.5), a)


def _load_w(duration_s: int, rng: np.random.Generator) -> Floats:
    """Consumption at 10 Hz: a base load, appliances that come and go, noise."""
    count = duration_s * 10
    power = np.full(count, 600.0)
    for _ in range(max(1, duration_s * 18 // 3600)):
        start, length = rng.integers(0, count), int(rng.exponential(180) * 10)
        watts = rng.choice([60, 120, 400, 900, 2000, 2200]) * rng.choice([1, 1, 1, 0.3])
        power[start : start + length] += watts
    return power + _wandering(count, 0.1, 20, 40, rng)


def _channel(number: int, name: str, unit: str, exponent: int, rate_hz: float, offset: int = 0) -> Channel:
    return Channel(
        number, name, unit, round(1_000_000 / rate_hz), exponent, offset=offset, fast=rate_hz >= 10, width=2
    )


def house(duration_s: int = 86_400, seed: int = 1) -> Signals:
    """Return the signals of `duration_s` seconds, a multiple of 60."""
    rng = np.random.default_rng(seed)
    rows: list[tuple[str, str, int, float, int, Floats]] = []

    def log(name: str, unit: str, exponent: int, rate_hz: float, values: Floats, offset: int = 0) -> None:
        rows.append((name, unit, exponent, rate_hz, offset, values))

    ten, one = duration_s * 10, duration_s
    time_s = np.arange(ten) / 10
    power = _load_w(duration_s, rng)
    voltage = 230 - 0.8 * power / 1000 + _wandering(ten, 0.1, 5, 0.25, rng) + rng.standard_normal(ten) * 0.08
    clouds = _wandering(ten, 0.1, 60, 1, rng) > 0.8
    pv_power = 1500 * np.clip(np.sin(np.pi * (time_s / duration_s * 0.6 + 0.2)), 0, 1) * (1 - 0.3 * clouds)
    battery = (power / 0.92 - pv_power) / 52.0
    charge = 0.7 - np.cumsum(battery) * 0.1 / 3600 / 280
    dc = 16 * (3.30 + 0.02 * (charge - 0.5)) - battery * 0.012 + rng.standard_normal(ten) * 0.010
    felt = np.repeat(power, 10)
    felt = first_order((felt - felt[0]) * 0.02, 0.98) + felt[0]
    deviation = (
        -0.5 * felt / 6000
        + _wandering(duration_s * 100, 0.01, 0.5, DROOP_NOISE_HZ, rng)
        + rng.standard_normal(duration_s * 100) * CAPTURE_NOISE_HZ
    )
    log("frequency", "Hz", -3, 100, deviation, offset=50_000)
    log("voltage", "V", -2, 10, voltage)
    log("current", "A", -2, 10, power / voltage + rng.standard_normal(ten) * 0.02)
    log("dc_voltage", "V", -2, 10, dc)
    log("battery_current", "A", -2, 10, battery + rng.standard_normal(ten) * 0.05)

    slow_battery, slow_charge, slow_pv = battery.reshape(-1, 10).mean(axis=1), charge[::10], pv_power[::10]
    for cell in range(1, 17):
        resistance, spread = 0.0007 * (1 + 0.1 * rng.standard_normal()), 0.004 * rng.standard_normal()
        volts = 3.30 + spread + 0.02 * (slow_charge - 0.5) - slow_battery * resistance
        log(f"cell_{cell}", "V", -3, 1, volts + rng.standard_normal(one) * 0.0006)
    heat = first_order((power[::10] / 1000) ** 2 * 0.8 / 120, 1 - 1 / 120)
    for sensor in range(1, 3):
        warmth = 30 + heat + _wandering(one, 1, 200, 0.5, rng) + rng.standard_normal(one) * 0.05
        log(f"mosfet_temperature_{sensor}", "°C", -1, 1, warmth)
    for sensor in range(1, 5):
        warmth = 24 + _wandering(one, 1, 2000, 1, rng) + rng.standard_normal(one) * 0.05
        log(f"cell_temperature_{sensor}", "°C", -1, 1, warmth)
    log("pv_voltage", "V", -2, 1, 95 - slow_pv / 1500 * 6 + rng.standard_normal(one) * 0.1)
    log("pv_current", "A", -2, 1, slow_pv / 90 + rng.standard_normal(one) * 0.02)
    log("mppt_voltage", "V", -2, 1, dc[::10] + 0.1 + rng.standard_normal(one) * 0.02)
    log("mppt_current", "A", -2, 1, slow_pv * 0.97 / 53 + rng.standard_normal(one) * 0.02)
    log("state_of_charge", "%", -1, 0.1, charge[::100] * 100)

    channels, samples = [], {}
    for number, (name, unit, exponent, rate_hz, offset, values) in enumerate(rows, start=1):
        channels.append(_channel(number, name, unit, exponent, rate_hz, offset))
        samples[number] = np.round(values / 10.0**exponent).astype(np.int32)
    return Signals(Schema("house1", "cluster1", tuple(channels)), samples)
