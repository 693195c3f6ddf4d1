"""Heat pump: temperatures, pressures, power and energy, cycling, alarms with their safe zones."""

from __future__ import annotations

from microgrid_core.health import heat_pump as health
from microgrid_core.model.refrigerant import REFRIGERANTS, Refrigerant

from .. import theme
from ..board import Board, choice, default_variables, nodes
from ..influxql import NODE, RANGE, Query, now, over_time, source
from ..panels import chart, dial, quantity, rows, states, value
from ..store import ALERTS, EVENTS, HOURS, MINUTES, by_quantity, field, fields
from ..units import AMPERES, CELSIUS, COUNT, FACTOR, KILOVOLT_AMPERE_HOURS, PSI, SHARE, VOLT_AMPERES, VOLTS

_INLET, _OUTLET = field("heat_pump", "temp_inlet"), field("heat_pump", "temp_outlet")
_AMBIENT, _COMPRESSOR = field("heat_pump", "temp_ambient"), field("heat_pump", "temp_compressor")
_HIGH, _LOW = field("heat_pump", "pressure_high"), field("heat_pump", "pressure_low")
_VOLTAGE, _CURRENT = field("heat_pump", "voltage"), field("heat_pump", "current")
_POWER = field("heat_pump", "apparent_power")
_RUNNING = field("heat_pump", "compressor_running")
_FAN, _DEFROST = field("heat_pump", "fan_running"), field("heat_pump", "defrost_active")
_BY_NODE = ("node",)


def _bounds(refrigerant: Refrigerant) -> str:
    """Columns with the alarm bounds of a refrigerant, as constants beside the measured pressures.

    A bound beyond the saturation curve of the fluid has no line, as it has no alarm.
    """
    found = []
    for name, one, side, (warning_c, critical_c, _) in (
        ("high", _HIGH, refrigerant.bubble, health._CONDENSING_C),
        ("low", _LOW, refrigerant.dew, health._EVAPORATING_C),
    ):
        for level, bound_c in (("warning", warning_c), ("critical", critical_c)):
            if (psi := side.gauge_psi(bound_c)) is not None:
                found.append(f'mean("{one.name}") * 0 + {psi:.1f} AS "{level} {name}"')
    return ", ".join(found)


_REFRIGERANTS = tuple((name, _bounds(one)) for name, one in sorted(REFRIGERANTS.items()))

_TEMPERATURES = (
    chart(
        "Water and air",
        "Normal while heating: the outlet is 3 … 8 K above the inlet. It falls below the inlet during a "
        "defrost, for 5 … 15 minutes. Above 10 K: too little flow, clean the filter.",
        CELSIUS,
        over_time(_OUTLET, _INLET, _AMBIENT, where=NODE),
    ),
    chart(
        "Compressor",
        "Normal: below 85 °C; the alarm is critical at 95 °C. Rising for weeks at the same outdoor "
        "temperature: refrigerant is missing.",
        CELSIUS,
        over_time(_COMPRESSOR, where=NODE, by=_BY_NODE),
        limits=theme.COMPRESSOR_TEMPERATURE,
        soft=(20.0, 100.0),
    ),
)

_PRESSURES = (
    chart(
        "Pressures and their bounds",
        "Dashed in the alarm colours: where the chosen refrigerant condenses at 60 / 65 °C and boils at −25 "
        "/ −30 °C. Between them all is well. Choose the refrigerant above: a pressure means nothing without "
        "it.",
        PSI,
        over_time(_HIGH, _LOW, where=NODE),
        Query(
            f"SELECT ${{refrigerant}} FROM {source(_HIGH.measurement)} "
            f"WHERE {RANGE} AND {NODE} GROUP BY time($__interval) fill(none)",
            "$col",
        ),
        size=(16, 9),
        named=("warning high", "critical high", "warning low", "critical low"),
    ),
    chart(
        "Pressure ratio",
        "High over low side, absolute. Normal: 2 … 4, higher in frost. Near 1 with a running compressor: "
        "its valves.",
        FACTOR,
        Query(
            f'SELECT (mean("{_HIGH.name}") + 14.7) / (mean("{_LOW.name}") + 14.7) AS "Pressure ratio" '
            f"FROM {source(_HIGH.measurement)} WHERE {RANGE} AND {NODE} "
            'GROUP BY time($__interval), "node" fill(none)',
            "$tag_node",
        ),
        size=(8, 9),
    ),
)

_ENERGY = (
    chart(
        "Apparent power",
        "Voltage times current: the node samples them apart, so this is VA and somewhat above the watts "
        "that are paid.",
        VOLT_AMPERES,
        over_time(_POWER, where=NODE, by=_BY_NODE),
        size=(12, 8),
    ),
    chart(
        "Energy by day",
        "Apparent energy, by day of UTC: an upper bound of the kWh. Normal: grows by a quarter for every 5 "
        "K that it gets colder. A jump at the same weather: defrosting too often, or a heater that helps.",
        KILOVOLT_AMPERE_HOURS,
        Query(
            f'SELECT sum("{_POWER.name}") / 1000 AS "Energy" FROM {source(_POWER.measurement, HOURS)} '
            f'WHERE {RANGE} AND {NODE} GROUP BY time(1d), "node" fill(none)',
            "$tag_node",
        ),
        size=(12, 8),
        bars=True,
        every="1d",
        days=14,
    ),
)

_STEPS = (
    f'SELECT difference(mean("{_RUNNING.name}")) AS "step" FROM {source(_RUNNING.measurement, MINUTES)} '
    f'WHERE {RANGE} AND {NODE} GROUP BY time(1m), "node" fill(previous)'
)

_CYCLING = (
    states(
        "Run states",
        "Normal: long runs of the compressor, one defrost in 40 … 120 minutes of frost.",
        *(
            over_time(one, where=NODE, by=_BY_NODE, legend=f"$tag_node: {one.label}")
            for one in (_RUNNING, _FAN, _DEFROST)
        ),
        size=(24, 6),
        words=(("off", theme.CALM), ("on", theme.GOOD)),
    ),
    chart(
        "Starts in each hour",
        "Normal: up to three. Six and more are short cycling, which wears the compressor out: the pump is "
        "too large for the load, or the buffer too small.",
        COUNT,
        # From minutes in every resolution: hours do not show starts. A part of a minute that it ran is part
        # of a step, and over a start these add up to one.
        Query(
            f'SELECT sum("step") AS "Starts" FROM ({_STEPS}) WHERE "step" > 0 AND {RANGE} '
            'GROUP BY time(1h), "node" fill(none)',
            "$tag_node",
        ),
        size=(12, 8),
        bars=True,
        limits=theme.STARTS_PER_HOUR,
        every="1h",
    ),
    chart(
        "Share of the time that it runs",
        "Normal: follows the cold. At 100 % for days it is at its limit and the house will get colder.",
        SHARE,
        Query(
            f'SELECT mean("{_RUNNING.name}") AS "Running" FROM {source(_RUNNING.measurement)} '
            f'WHERE {RANGE} AND {NODE} GROUP BY time(1h), "node" fill(null)',
            "$tag_node",
        ),
        size=(12, 8),
        soft=(0.0, 1.0),
        every="1h",
    ),
)

_ALARMS = (
    dial(
        "Supply voltage",
        "Normal: 215 … 245 V; critical below 210 and above 250 V.",
        VOLTS,
        now(_VOLTAGE, where=NODE),
        zones=theme.mains_voltage(),
        scale=(200.0, 260.0),
    ),
    dial(
        "Compressor temperature",
        "Normal: below 85 °C; critical at 95 °C.",
        CELSIUS,
        now(_COMPRESSOR, where=NODE),
        zones=theme.COMPRESSOR_TEMPERATURE,
        scale=(0.0, 120.0),
    ),
    dial(
        "Current",
        "Normal: below 12 A; critical at 15 A, but for the inrush of a start.",
        AMPERES,
        now(_CURRENT, where=NODE),
        zones=theme.COMPRESSOR_CURRENT,
        scale=(0.0, 20.0),
    ),
    value(
        "Alarms",
        "Alarms within the chosen time. Normal: none.",
        COUNT,
        Query(
            f'SELECT count("event_id") AS "Alarms" FROM {source(ALERTS, EVENTS)} '
            f"WHERE {RANGE} AND {NODE} AND \"state\" = 'raised'",
            "Alarms",
        ),
        size=(6, 6),
        zones=theme.COUNT_OF_FAULTS,
        nothing="0",
    ),
    rows(
        "Alarms in their order",
        "Newest first. The code tells what was out of its safe zone; cleared: it is back.",
        Query(
            f'SELECT "severity", "code", "node", "state", "event_id" FROM {source(ALERTS, EVENTS)} '
            f"WHERE {RANGE} AND {NODE} ORDER BY time DESC LIMIT 200",
            table=True,
        ),
        size=(24, 8),
    ),
)

_NAMED = (
    _INLET,
    _OUTLET,
    _AMBIENT,
    _COMPRESSOR,
    _HIGH,
    _LOW,
    _VOLTAGE,
    _CURRENT,
    _POWER,
    _RUNNING,
    _FAN,
    _DEFROST,
)
_OTHERS = tuple(
    quantity(group, where=NODE, by=_BY_NODE)
    for group in by_quantity(one for one in fields("heat_pump") if one not in _NAMED)
)
"""Of rows that were added to the metric table since."""

BOARD = Board(
    uid="microgrid-heat-pump",
    title="Microgrid: heat pump",
    description="Temperatures, pressures, power and energy, cycling, alarms with their safe zones.",
    variables=default_variables(
        nodes("Heat pump", _INLET.measurement),
        choice(
            "refrigerant",
            "Refrigerant",
            _REFRIGERANTS,
            "What the heat pump is filled with (see its type plate): the bounds of the pressures follow "
            "from it.",
        ),
    ),
    rows=(
        ("Temperatures", _TEMPERATURES),
        ("Pressures", _PRESSURES),
        ("Power and energy", _ENERGY),
        ("Cycling", _CYCLING),
        ("Alarms and safe zones", _ALARMS),
        *((("Other readings", _OTHERS),) if _OTHERS else ()),
    ),
    since="now-24h",
)
