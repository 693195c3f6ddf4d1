"""System health: who reports, what is missing, and whether every tier of the database is fed."""

from __future__ import annotations

from .. import theme
from ..board import Board, data_source, swarm
from ..events import event_list
from ..influxql import NOW, RANGE, SWARM, Query, source
from ..panels import bars, chart, value
from ..store import GATEWAY_ALIVE, HOURS, MINUTES, OWN_BATTERY, SECONDS, Field, field
from ..units import COUNT, PERCENT

_HEARTBEATS = (
    ("Houses", field("house", "load_power"), 1.0, SWARM),
    ("Gateways", field("gateway", GATEWAY_ALIVE), 1.0, SWARM),
    ("Heat pumps", field("heat_pump", "temp_inlet"), 0.0, SWARM),
    ("Scheduled batteries", field("battery", "voltage"), 0.0, f"{SWARM} AND {OWN_BATTERY}"),
)
"""One field that every node of a kind always has, its readings a second (0: not fixed), and whose it is."""

_LOAD = _HEARTBEATS[0][1]
_FEW = ((None, theme.BAD), (1.0, theme.GOOD))


def _nodes_seen(one: Field, name: str, since: str, policy: str, where: str) -> Query:
    inner = (
        f'SELECT last("{one.name}") AS "value" FROM {source(one.measurement, policy)} '
        f'WHERE time > now() - {since} AND {where} GROUP BY "node"'
    )
    return Query(f'SELECT count("value") AS "{name}" FROM ({inner})', name)


def _points(one: Field, name: str, since: str, policy: str) -> Query:
    return Query(
        f'SELECT count("{one.name}") AS "{name}" FROM {source(one.measurement, policy)} '
        f"WHERE time > now() - {since} AND {SWARM}",
        name,
    )


def _coverage(one: Field, per_second: float) -> Query:
    return Query(
        f'SELECT count("{one.name}") / {600 * per_second:g} * 100 AS "Coverage" '
        f"FROM {source(one.measurement, SECONDS)} WHERE {RANGE} AND {SWARM} "
        'GROUP BY time(10m), "node" fill(0)',
        "$tag_node",
    )


_WHO = tuple(
    value(
        f"{name} reporting",
        "How many wrote readings within the last ten minutes, and how many within the day. Normal: both are "
        "equal.",
        COUNT,
        _nodes_seen(one, "now", "10m", SECONDS, where),
        _nodes_seen(one, "today", "24h", SECONDS, where),
        size=(6, 4),
        zones=_FEW,
    )
    for name, one, _, where in _HEARTBEATS
)

_COMPLETE = (
    bars(
        "Readings of the last ten minutes",
        "Seconds with readings, of 600. Normal: 540 … 600, the newest minute is still on its way. A house "
        "that is missing here has not reported for ten minutes; what it measures meanwhile is on its card "
        "and comes later.",
        COUNT,
        Query(
            f'SELECT count("{_LOAD.name}") AS "Seconds" FROM {source(_LOAD.measurement, SECONDS)} '
            f'WHERE {NOW} AND {SWARM} GROUP BY "node"',
            "$tag_node",
        ),
        size=(8, 9),
        zones=((None, theme.BAD), (300.0, theme.WATCH), (480.0, theme.GOOD)),
        scale=(0.0, 600.0),
    ),
    chart(
        "Completeness",
        "Share of the seconds of each ten minutes that are stored, by node. Normal: 100 % but for the "
        "newest. A hole that fills up later was an outage without loss; one that stays was declared lost, "
        "see the overflows below.",
        PERCENT,
        *(_coverage(one, per_second) for _, one, per_second, _ in _HEARTBEATS if per_second),
        size=(16, 9),
        soft=(0.0, 100.0),
        every="10m",
    ),
)

_TIERS = tuple(
    value(
        f"Tier of {name}",
        f"Points of the last {since}. Zero: the tier is not fed, look at the InfluxDB device in Home "
        f"Assistant.",
        COUNT,
        _points(_LOAD, "Points", since, policy),
        size=(8, 4),
        zones=_FEW,
    )
    for name, since, policy in (
        ("seconds", "10m", SECONDS),
        ("minutes", "30m", MINUTES),
        ("hours", "3h", HOURS),
    )
)

_TOLD = (
    event_list(
        "Restarts and losses",
        "What nodes told about themselves. Normal: no overflow at all, a restart only after an update or a "
        "power cut.",
        SWARM,
        "boot|overflow|sync",
    ),
)

BOARD = Board(
    uid="microgrid-health",
    title="Microgrid: system health",
    description="Who reports, what is missing, and whether every tier of the database is fed.",
    variables=(data_source(), swarm()),
    rows=(
        ("Who reports", _WHO),
        ("What is missing", _COMPLETE),
        ("Database", _TIERS),
        ("What nodes told", _TOLD),
    ),
    since="now-24h",
    refresh="1m",
    marks=False,
)
