"""Fault analysis: what happened, where it comes back, and what announced it."""

from __future__ import annotations

from .. import theme
from ..board import Board, clusters, data_source, swarm
from ..events import code_count, fault_count, fault_list, recurring
from ..influxql import CLUSTER, RANGE, Query, above_zero, source
from ..panels import chart, rows, value
from ..store import HOURS, MINUTES, Field, field
from ..units import CELSIUS, COUNT, HERTZ, MILLIVOLTS

_FREQUENCY = field("house", "inverter_frequency")
_LOW, _HIGH = 49.5, 50.5


def _raised(severity: str) -> Query:
    query = fault_count(f"{CLUSTER} AND \"severity\" = '{severity}'")
    return Query(query.text.replace('"Faults"', f'"{severity}"'), severity)


_OVERVIEW = (
    value(
        "Critical",
        "Faults by which a unit tripped or must not be left alone. Normal: none.",
        COUNT,
        _raised("critical"),
        size=(4, 8),
        zones=((None, theme.GOOD), (1.0, theme.BAD)),
        nothing="0",
    ),
    value(
        "Warnings",
        "Faults that the unit goes on with. A few a month are no reason for concern.",
        COUNT,
        _raised("warning"),
        size=(4, 8),
        zones=((None, theme.GOOD), (1.0, theme.WATCH)),
        nothing="0",
    ),
    chart(
        "Faults by code",
        "How often each code was raised a day. A code that comes daily is worth a look at the list of "
        "recurring faults.",
        COUNT,
        code_count(CLUSTER, "F.*", ("code",)),
        size=(16, 8),
        bars=True,
        stacked=True,
        every="1d",
    ),
)

_AGAIN = (
    rows(
        "Recurring faults",
        "How often each node had each fault within the chosen time. Three times the same: the cause is "
        "still there.",
        recurring(CLUSTER),
        size=(12, 9),
        coloured=("times", ((None, theme.CALM), (3.0, theme.WATCH), (10.0, theme.BAD))),
    ),
    rows(
        "Frequency outside the band",
        "Minutes in which an inverter left 49.5 … 50.5 Hz, with the extremes; a lowest of zero: it stopped. "
        "Normal: an empty table.",
        Query(
            f'SELECT "node", "{_FREQUENCY.name}_min" AS "lowest", "{_FREQUENCY.name}_max" AS "highest" '
            f"FROM {source(_FREQUENCY.measurement, MINUTES)} WHERE {RANGE} AND {CLUSTER} "
            f"AND {above_zero(_FREQUENCY, '_max')} "
            f'AND ("{_FREQUENCY.name}_min" < {_LOW} OR "{_FREQUENCY.name}_max" > {_HIGH}) '
            "ORDER BY time DESC LIMIT 200",
            table=True,
        ),
        size=(12, 9),
        unit=HERTZ,
    ),
)


def _hourly(one: Field, function: str) -> Query:
    extreme = f"{one.name}_{function}"
    return Query(
        f'SELECT {function}("{extreme}") AS "{one.label}" FROM {source(one.measurement, HOURS)} '
        f'WHERE {RANGE} AND {CLUSTER} GROUP BY time($__interval), "node" fill(null)',
        "$tag_node",
    )


_BEFORE = (
    chart(
        "Cell drift before battery faults",
        "Largest cell spread of each hour. Normal: below 50 mV and level. A line that climbs for days ends "
        "in F015, F010 or F011, whose marks are in the chart.",
        MILLIVOLTS,
        _hourly(field("house", "cell_voltage_spread"), "max"),
        limits=theme.CELL_SPREAD,
        every="1h",
    ),
    chart(
        "Hottest power stage",
        "Hottest reading of each hour. Normal: below 80 °C. Warmer from week to week at the same load: "
        "dust, or the fan.",
        CELSIUS,
        _hourly(field("house", "mosfet_temperature_1"), "max"),
        limits=theme.INVERTER_TEMPERATURE,
        every="1h",
    ),
)

BOARD = Board(
    uid="microgrid-faults",
    title="Microgrid: fault analysis",
    description="What happened, where it comes back, and what announced it.",
    variables=(data_source(), swarm(), clusters()),
    rows=(
        ("Overview", _OVERVIEW),
        ("Faults", (fault_list(CLUSTER, (24, 10)),)),
        ("What comes back", _AGAIN),
        ("What announced it", _BEFORE),
    ),
    since="now-30d",
    refresh="5m",
)
