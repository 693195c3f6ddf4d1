"""The rules on trends: what was found over weeks, as readings of a subject for each battery or heat pump."""

from __future__ import annotations

from typing import Final

from ..contract.messages import Severity
from .quantities import plain
from .rule import Comparator, Quantity, Rule

BATTERY_TRENDS: Final = "trend:battery"
HEAT_PUMP_TRENDS: Final = "trend:heat_pump"

LOSS_AT_LEAST: Final = "health_loss_at_least"
SPREAD_DRIFT: Final = "cell_spread_drift"
THERMAL_DRIFT: Final = "temperature_drift"
CAN_DRIFT: Final = "can_error_drift"
EFFICIENCY_DRIFT: Final = "efficiency_drift"
CHARGE_DRIFT: Final = "refrigerant_drift"
TREND_NAMES: Final = {
    BATTERY_TRENDS: frozenset({LOSS_AT_LEAST, SPREAD_DRIFT, THERMAL_DRIFT, CAN_DRIFT, EFFICIENCY_DRIFT}),
    HEAT_PUMP_TRENDS: frozenset({CHARGE_DRIFT}),
}
"""What a trend subject has to read."""


def _drift(
    rule: str,
    name: str,
    scope: str,
    quantity: Quantity,
    advice: str,
    severity: Severity = Severity.WARNING,
    enabled: bool = True,
) -> Rule:
    return Rule(
        id=rule,
        name=name,
        scopes=(scope,),
        quantity=quantity,
        comparator=Comparator.ABOVE,
        threshold=5.0,
        clear=2.5,
        severity=severity,
        tier_s=300,
        advice=advice,
        enabled=enabled,
    )


def _sum_of(name: str, text: str) -> Quantity:
    return plain(name, f"CUSUM of the daily {text} against its baseline", "σ")


TREND_RULES: Final[tuple[Rule, ...]] = (
    Rule(
        id="D1",
        name="health_falls_fast",
        scopes=(BATTERY_TRENDS,),
        quantity=plain(LOSS_AT_LEAST, "loss of health, lower end of its 95 % interval", "% per year"),
        comparator=Comparator.ABOVE,
        threshold=4.0,
        clear=3.0,
        severity=Severity.WARNING,
        tier_s=300,
        advice="battery_ages",
    ),
    _drift("D2", "cell_spread_drifts", BATTERY_TRENDS, _sum_of(SPREAD_DRIFT, "cell spread"), "cell_spread"),
    _drift(
        "D3", "temperature_drifts", BATTERY_TRENDS, _sum_of(THERMAL_DRIFT, "peak temperature"), "battery_hot"
    ),
    _drift("D4", "can_errors_drift", BATTERY_TRENDS, _sum_of(CAN_DRIFT, "CAN error rate"), "can_bus"),
    _drift(
        "D5",
        "efficiency_drifts",
        BATTERY_TRENDS,
        _sum_of(EFFICIENCY_DRIFT, "loss of the inverter while off-grid"),
        "efficiency",
    ),
    _drift(
        "P5",
        "refrigerant_drifts",
        HEAT_PUMP_TRENDS,
        _sum_of(CHARGE_DRIFT, "discharge superheat at comparable conditions"),
        "refrigerant",
        severity=Severity.INFO,  # advisory, and only for who asks for it
        enabled=False,
    ),
)
