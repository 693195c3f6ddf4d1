"""Batteries with a day or two ahead of them, drawn by chance: the same for tests and benchmarks."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from microgrid_core.energy.battery import Battery
from microgrid_core.energy.planning import Outlook


@dataclass(frozen=True, slots=True)
class Case:
    """Everything that a plan is made from."""

    outlook: Outlook
    battery: Battery
    stored_kwh: float
    terminal_worth: float


def draw(dice: np.random.Generator, steps: int, step_h: float) -> Case:
    """Draw a house with solar yield, day-ahead prices and a battery."""
    hour = (np.arange(steps) * step_h) % 24.0
    load = 0.3 + 0.25 * np.exp(-((hour - 8.0) ** 2) / 4.0) + np.exp(-((hour - 19.0) ** 2) / 6.0)
    load = np.maximum(load + dice.gamma(1.2, 0.25, steps), 0.05)
    solar = np.maximum(5.0 * np.exp(-((hour - 13.0) ** 2) / 8.0) * dice.uniform(0.2, 1.0), 0.0)
    solar *= dice.uniform(0.6, 1.0, steps)
    hours = int(np.ceil(steps * step_h)) + 1
    spot = 0.1 + 0.06 * np.sin((np.arange(hours) - 14.0) / 24.0 * 4.0 * np.pi) + dice.normal(0.0, 0.02, hours)
    spot = spot[(np.arange(steps) * step_h).astype(int)]
    usable, power = dice.uniform(2.0, 14.0), dice.uniform(1.0, 6.0)
    battery = Battery(
        usable / 0.9,
        power,
        power * dice.uniform(0.8, 1.2),
        dice.uniform(0.85, 1.0),
        dice.uniform(0.85, 1.0),
        wear_per_kwh=float(dice.choice([0.0, 0.01, 0.05])),
        reserve=0.1,
    )
    outlook = Outlook(
        step_h,
        ((load - solar) * step_h).tolist(),
        (np.maximum(spot, 0.0) * 1.06 + 0.13).tolist(),
        np.maximum(spot - 0.01, 0.0).tolist(),
    )
    return Case(outlook, battery, float(usable * dice.uniform(0.0, 1.0)), float(dice.uniform(0.0, 0.25)))


def with_negative_prices(case: Case, dice: np.random.Generator) -> Case:
    """Make some hours in a row pay for taking energy; half the time exporting costs there, too."""
    steps = len(case.outlook.net_kwh)
    first, count = int(dice.integers(0, max(1, steps - 6))), int(dice.integers(4, 20))
    bought, sold = list(case.outlook.import_price), list(case.outlook.export_price)
    exporting_costs = dice.random() < 0.5
    for step in range(first, min(steps, first + count)):
        bought[step] = -float(dice.uniform(0.01, 0.1))
        sold[step] = bought[step] - 0.01 if exporting_costs else min(sold[step], bought[step])
    return replace(case, outlook=replace(case.outlook, import_price=bought, export_price=sold))
