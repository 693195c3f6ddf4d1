"""What the days of a battery or a heat pump add up to: ageing, drifts, risk. Pure functions of the days."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from .ageing import Outlook, outlook
from .drift import Chart, Drift, follow
from .risk import Risk, RiskInputs, assess_risk
from .rules_trend import (
    BATTERY_TRENDS,
    CAN_DRIFT,
    CHARGE_DRIFT,
    EFFICIENCY_DRIFT,
    HEAT_PUMP_TRENDS,
    LOSS_AT_LEAST,
    SPREAD_DRIFT,
    THERMAL_DRIFT,
)
from .subject import Reading
from .summary import BatteryDay, HeatPumpDay

_WEEK_D = 7
_STEADY_H = 0.5  # of a day: less says nothing about the machine
_OFF_GRID_H = 0.5
_LIFTS_K = 5.0  # by which lifts must differ before a slope over them means something

_CHARTS: Final[Mapping[str, tuple[str, Chart]]] = {
    SPREAD_DRIFT: ("cell_spread_v", Chart(worse=1, least_sigma=0.004)),
    THERMAL_DRIFT: ("temperature_peak_c", Chart(worse=1, least_sigma=1.5, rolling=True)),
    CAN_DRIFT: ("can_errors_per_million", Chart(worse=1, least_sigma=20.0)),
    EFFICIENCY_DRIFT: ("efficiency_percent", Chart(worse=-1, least_sigma=0.5)),
}
"""Field of the day, and how it is watched."""
_SUPERHEAT: Final = Chart(worse=1, least_sigma=1.0, baseline_days=14)


@dataclass(frozen=True, slots=True)
class BatteryTrends:
    """Everything that is known of a battery's years."""

    outlook: Outlook
    drifts: Mapping[str, Drift]
    risk: Risk


@dataclass(frozen=True, slots=True)
class TrendSubject:
    """Trends as rules see them."""

    key: str
    scope: str
    readings: Mapping[str, float]

    def read(self, name: str) -> Reading | None:
        """Return a trend; None while it is unknown."""
        value = self.readings.get(name)
        return None if value is None else Reading(value)

    def names(self) -> Iterable[str]:
        """Yield the trends that are known."""
        return self.readings


def battery_trends(
    days: Sequence[BatteryDay],
    counted: Sequence[tuple[float, float]],
    today: float,
    *,
    end_of_life: float = 80.0,
    modules_offline: float | None = None,
    cycles: float | None = None,
) -> BatteryTrends:
    """Assess a battery; `counted` are days and capacities in percent of the nominal one, both oldest first.

    After a change of the battery or its firmware only what came since then counts.
    """
    current = _of_today(days)
    begun = current[0].day if current else 0
    told = [(float(day.day), day.health_percent) for day in current if day.health_percent is not None]
    drifts = {
        name: follow(chart, ((day.identity, _gated(day, field)) for day in days))
        for name, (field, chart) in _CHARTS.items()
    }
    looking = outlook(told, [row for row in counted if row[0] >= begun], today, end_of_life)
    week = [day for day in current if today - day.day <= _WEEK_D]
    spreads = [day.cell_spread_v for day in week if day.cell_spread_v is not None]
    temperatures = [day.temperature_mean_c for day in week if day.temperature_mean_c is not None]
    health = told[-1][1] if told else None
    if looking.slope is not None:
        health = min(looking.slope.health, health if health is not None else 100.0)
    return BatteryTrends(
        looking,
        drifts,
        assess_risk(
            RiskInputs(
                health,
                float(np.median(spreads)) if spreads else None,
                modules_offline,
                float(np.mean(temperatures)) if temperatures else None,
                cycles,
            )
        ),
    )


def battery_subject(key: str, trends: BatteryTrends) -> TrendSubject:
    """Return the trends of a battery for the engine of rules."""
    readings = {name: drift.cusum for name, drift in trends.drifts.items() if drift.cusum is not None}
    if trends.outlook.slope is not None:
        readings[LOSS_AT_LEAST] = trends.outlook.slope.loss_low
    return TrendSubject(key, BATTERY_TRENDS, readings)


def refrigerant_drift(days: Sequence[HeatPumpDay]) -> Drift:
    """Drift of the discharge superheat at comparable lift: a hint at lost refrigerant, no more.

    How superheat follows lift is learned from the same first 14 days as the baseline.
    """
    usable = [
        (day.identity, day.superheat_k, day.lift_k)
        for day in days
        if day.superheat_k is not None and day.lift_k is not None and day.steady_hours >= _STEADY_H
    ]
    identity = usable[-1][0] if usable else ""
    first = next((at for at in range(len(usable) - 1, -1, -1) if usable[at][0] != identity), -1) + 1
    rows = [(superheat, lift) for _, superheat, lift in usable[first:]]
    learned = rows[: _SUPERHEAT.baseline_days]
    slope = 0.0
    if len(learned) == _SUPERHEAT.baseline_days and np.ptp([lift for _, lift in learned]) >= _LIFTS_K:
        slope = float(
            np.polyfit([lift for _, lift in learned], [superheat for superheat, _ in learned], 1)[0]
        )
    return follow(_SUPERHEAT, ((identity, superheat - slope * lift) for superheat, lift in rows))


def heat_pump_subject(key: str, drift: Drift) -> TrendSubject:
    """Return the trend of a heat pump for the engine of rules."""
    return TrendSubject(key, HEAT_PUMP_TRENDS, {} if drift.cusum is None else {CHARGE_DRIFT: drift.cusum})


def _of_today(days: Sequence[BatteryDay]) -> list[BatteryDay]:
    """Return the days since firmware or battery changed."""
    current: list[BatteryDay] = []
    for day in days:
        if current and day.identity != current[-1].identity:
            current = []
        current.append(day)
    return current


def _gated(day: BatteryDay, field: str) -> float | None:
    if field == "efficiency_percent" and day.off_grid_hours < _OFF_GRID_H:
        return None
    value: float | None = getattr(day, field)
    return value
