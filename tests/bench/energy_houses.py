"""Houses to replay policies on: recorded ones and those of the simulator's physics, with prices."""

from __future__ import annotations

import csv
import gzip
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from microgrid_core.energy.history import History
from simulator.physics.load import HouseholdLoads
from simulator.physics.solar import DAY_S, Clouds, PvArrays, sun_position

Floats = NDArray[np.float64]
RECORDING = Path("energy") / "houses5_hourly.csv.gz"
EXPORT_PRICE = 0.08
_START = datetime(2016, 8, 1, tzinfo=UTC)  # as the recording: a Monday, hours by the clock on the wall
_LATITUDE_DEG = 52.0
_FIRST_DAY = 290
_MINUTE_S = 60.0
_HALF_HOUR = 30


def recorded(folder: Path) -> dict[str, History]:
    """Return the five recorded houses on their time-of-use prices; 4 kWp, the largest consumer 5."""
    with gzip.open(folder / RECORDING, "rt", encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))

    def column(name: str) -> Floats:
        return np.array([float(row[name]) for row in rows])

    bought = column("tou_usd_per_kwh")
    sold = np.full(len(rows), EXPORT_PRICE)
    return {
        house: History(
            _START,
            1.0,
            column(f"load_kwh_{house}"),
            (5.0 if house == "b" else 4.0) * column(f"pv_kwh_per_kwp_{house}"),
            bought,
            sold,
        )
        for house in "abcde"
    }


def simulated(houses: int, days: int, seed: int = 1) -> dict[str, History]:
    """Return houses of the simulator from October on, in half hours: appliances, sun and clouds."""
    dice = np.random.default_rng(seed)
    loads = HouseholdLoads(dice.spawn(1)[0], houses)
    clouds = Clouds(dice.spawn(1)[0], 1)
    arrays = PvArrays(dice.spawn(1)[0], dice.uniform(3300.0, 5200.0, houses))
    minutes = round(days * DAY_S / _MINUTE_S)
    load, solar = np.zeros((minutes, houses)), np.zeros((minutes, houses))
    for minute in range(minutes):
        day, second = divmod(minute * _MINUTE_S, DAY_S)
        loads.step(second, _MINUTE_S)
        clouds.step(_MINUTE_S)
        sun = sun_position(_LATITUDE_DEG, _FIRST_DAY + day, second)
        arrays.shine(arrays.irradiate(sun, clouds.transmittance), 12.0, _MINUTE_S)
        arrays.convert(arrays.available_w)
        load[minute], solar[minute] = loads.power_w, arrays.output_power_w
    kwh = 1.0 / 60_000.0 * _HALF_HOUR
    load = load.reshape(-1, _HALF_HOUR, houses).mean(axis=1) * kwh
    solar = solar.reshape(-1, _HALF_HOUR, houses).mean(axis=1) * kwh
    flat = np.full(len(load), 0.3)
    sold = np.full(len(load), EXPORT_PRICE)
    return {
        f"{house + 1:02d}": History(_START, 0.5, load[:, house], solar[:, house], flat, sold)
        for house in range(houses)
    }


def time_of_use(history: History) -> tuple[Floats, Floats]:
    """Return dear evenings and cheap nights."""
    hour = _hours(history) % 24.0
    bought = np.where((hour >= 16.0) & (hour < 21.0), 0.50, np.where(hour < 6.0, 0.18, 0.24))
    return bought, np.full(len(bought), EXPORT_PRICE)


def day_ahead(history: History, seed: int = 7) -> tuple[Floats, Floats]:
    """Return prices of a market with much sun: 1.06 · (spot + 0.4 ct) + 15 ct; export at spot − 0.8 ct."""
    dice = np.random.default_rng(seed)
    hours = _hours(history)
    hour, day = hours % 24.0, (hours // 24.0).astype(int)
    days = int(day.max()) + 1
    level = np.zeros(days)
    for number in range(1, days):
        level[number] = 0.85 * level[number - 1] + dice.normal(0.0, 0.015)
    sun = np.maximum(np.cos((hour - 13.0) / 12.0 * np.pi), 0.0) * dice.uniform(0.0, 1.0, days)[day] * 0.09
    peaks = 0.03 * np.exp(-((hour - 8.0) ** 2) / 4.0) + 0.05 * np.exp(-((hour - 19.0) ** 2) / 6.0)
    noise = dice.normal(0.0, 0.006, days * 24)[(hours + 1e-9).astype(int)]
    spot = 0.085 + level[day] + peaks - sun - 0.01 * (day % 7 > 4) + noise
    sold = np.maximum(spot - 0.008, 0.0)
    return np.maximum(1.06 * (spot + 0.004) + 0.15, sold), sold


def flat(history: History) -> tuple[Floats, Floats]:
    """Return one price at all times."""
    return np.full(len(history), 0.30), np.full(len(history), EXPORT_PRICE)


def _hours(history: History) -> Floats:
    hours: Floats = np.floor(np.arange(len(history)) * history.step_h + 1e-9)
    return hours
