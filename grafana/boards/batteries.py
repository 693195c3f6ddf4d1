"""Fleet of batteries: all of them side by side, so that the weak one stands out."""

from __future__ import annotations

from .. import theme
from ..board import Board, default_variables, nodes
from ..influxql import NODE, RANGE, SWARM, Query, now, over_time, source, total_now, total_over_time
from ..panels import bars, chart, quantity, value
from ..store import DAILY, EVENTS, by_quantity, field, fields
from ..units import CELSIUS, KILOWATT_HOURS, MILLIVOLTS, PERCENT, VOLTS, WATTS

_CHARGE = field("house", "state_of_charge")
_POWER = field("house", "battery_power")
_SPREAD = field("house", "cell_voltage_spread")
_LOWEST, _HIGHEST = field("house", "cell_voltage_minimum"), field("house", "cell_voltage_maximum")
_TEMPERATURE = field("house", "battery_temperature_1")
_BY_NODE = ("node",)


def _a_day(key: str, other: str, name: str) -> Query:
    """Energy counters of the batteries of houses and of those on a Pi bear different keys."""
    return Query(
        f'SELECT sum("{key}") / 1000 AS "{name} (houses)", sum("{other}") / 1000 AS "{name} (others)" '
        f"FROM {source(DAILY, EVENTS)} WHERE {RANGE} AND {NODE} GROUP BY time(1d) fill(none)",
        "$col",
    )


_NOW = (
    value(
        "Mean state of charge",
        "Of all chosen batteries. Normal: above 40 % at dusk.",
        PERCENT,
        total_now(_CHARGE, where=NODE, name="State of charge", function="mean"),
        size=(4, 6),
        zones=theme.STATE_OF_CHARGE,
    ),
    value(
        "Power",
        "Sum; positive while discharging.",
        WATTS,
        total_now(_POWER, where=NODE, name="Battery"),
        size=(4, 6),
        zones=((None, theme.BATTERY),),
    ),
    value(
        "Largest cell spread",
        "The worst battery decides. Normal: below 50 mV.",
        MILLIVOLTS,
        total_now(_SPREAD, where=NODE, name="Cell spread", function="max"),
        size=(4, 6),
        zones=theme.CELL_SPREAD,
    ),
    bars(
        "State of charge",
        "Side by side: one far from its neighbours works for them, or does not work at all.",
        PERCENT,
        now(_CHARGE, where=NODE),
        size=(12, 6),
        zones=theme.STATE_OF_CHARGE,
        scale=(0.0, 100.0),
        upright=True,
    ),
)

_COURSE = (
    chart(
        "State of charge over time",
        "Normal: up in the sun, down at night, all in step.",
        PERCENT,
        over_time(_CHARGE, where=NODE, by=_BY_NODE),
        limits=theme.STATE_OF_CHARGE,
        soft=(0.0, 100.0),
    ),
    chart(
        "Power of the fleet",
        "Sum over all; positive while discharging.",
        WATTS,
        total_over_time(_POWER, where=NODE, name="Battery"),
    ),
    chart(
        "Energy by day",
        "Charged and discharged, by day of UTC. Normal: discharged is 92 … 98 % of charged over a week.",
        KILOWATT_HOURS,
        _a_day("battery_energy_charged", "energy_charged", "Charged"),
        _a_day("battery_energy_discharged", "energy_discharged", "Discharged"),
        size=(24, 8),
        bars=True,
        every="1d",
        days=14,
    ),
)

_CELLS = (
    chart(
        "Cell spread over time",
        "Normal: below 50 mV, up to 100 mV for minutes near full. Large under load only: a cell or link "
        "with high resistance; large when full or empty only: a cell with less capacity.",
        MILLIVOLTS,
        over_time(_SPREAD, where=NODE, by=_BY_NODE),
        limits=theme.CELL_SPREAD,
        soft=(0.0, 120.0),
    ),
    chart(
        "Lowest and highest cell",
        "Normal: 3.00 … 3.55 V; batteries trip at 2.80 and 3.65 V.",
        VOLTS,
        over_time(_LOWEST, where=NODE, by=_BY_NODE, legend="$tag_node lowest"),
        over_time(_HIGHEST, where=NODE, by=_BY_NODE, legend="$tag_node highest"),
        limits=theme.CELL_VOLTAGE,
    ),
    bars(
        "Cell spread now",
        "Who is next to be looked at. Normal: below 50 mV.",
        MILLIVOLTS,
        now(_SPREAD, where=NODE),
        zones=theme.CELL_SPREAD,
        scale=(0.0, 150.0),
    ),
    bars(
        "Temperature now",
        "First probe of each battery. Normal: 5 … 45 °C, all of one site within a few kelvin.",
        CELSIUS,
        now(_TEMPERATURE, where=NODE),
        zones=theme.BATTERY_TEMPERATURE,
        scale=(-10.0, 60.0),
    ),
)

_SCHEDULED = tuple(
    quantity(group, where=NODE, by=_BY_NODE, of="Battery") for group in by_quantity(fields("battery"))
)
_INVERTERS = tuple(
    quantity(group, where=SWARM, by=_BY_NODE, of="MPP inverter")
    for group in by_quantity(fields("mpp_inverter"))
)

BOARD = Board(
    uid="microgrid-batteries",
    title="Microgrid: fleet of batteries",
    description="All batteries side by side, so that the weak one stands out.",
    variables=default_variables(nodes("Battery", _CHARGE.measurement)),
    rows=(
        ("Now", _NOW),
        ("Course", _COURSE),
        ("Cells and temperatures", _CELLS),
        ("All that scheduled batteries tell", _SCHEDULED),
        ("Batteries behind MPP inverters", _INVERTERS),
    ),
    since="now-24h",
)
