"""Measured-like histories for replays, made by chance."""

from __future__ import annotations

from datetime import UTC, datetime, tzinfo

import numpy as np

from microgrid_core.energy.history import History

START = datetime(2026, 5, 4, tzinfo=UTC)  # a Monday


def history(
    days: int = 50, seed: int = 1, tariff: str = "time of use", steps_an_hour: int = 1, zone: tzinfo = UTC
) -> History:
    """Return a house with solar yield; `tariff` is flat, time of use, or dynamic."""
    dice = np.random.default_rng(seed)
    step_h = 1.0 / steps_an_hour
    at = np.arange(days * 24 * steps_an_hour)
    hour, day = at * step_h % 24.0, (at * step_h // 24.0).astype(int)
    load = 0.3 + np.exp(-((hour - 19.0) ** 2) / 6.0) * dice.uniform(0.6, 1.4, days)[day]
    load += dice.gamma(0.3, 0.5, len(at))
    solar = np.maximum(0.0, 3.0 * np.cos((hour - 12.5) / 7.0 * np.pi / 2.0)) * (np.abs(hour - 12.5) < 7.0)
    solar *= dice.uniform(0.2, 1.0, days)[day]
    if tariff == "flat":
        bought = np.full(len(at), 0.3)
    elif tariff == "time of use":
        bought = np.where((hour >= 16.0) & (hour < 21.0), 0.5, 0.21)
    else:
        bought = 0.2 + 0.08 * np.cos((hour - 19.0) / 12.0 * np.pi * 2.0) + dice.normal(0.0, 0.03, days)[day]
    return History(START, step_h, load * step_h, solar * step_h, bought, np.full(len(at), 0.08), zone)
