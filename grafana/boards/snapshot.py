"""Fault snapshot: the ten seconds before and after a fault at 100 Hz, of every node that recorded it."""

from __future__ import annotations

from ..board import Board, data_source, events, swarm
from ..influxql import RANGE, SWARM, Query, over_time, source
from ..normal import of
from ..panels import Panel, chart, rows, within
from ..store import EVENTS, FAULTS, SECONDS, SNAPSHOT, captured, field, label
from ..units import UNITS

_EVENT = f"{SWARM} AND \"event_id\" = '$event'"


def _capture(kind: str, of_whom: str) -> tuple[Panel, ...]:
    """One chart for each captured channel, a line for each node: who moved first, and by how much."""
    found = []
    for metric in captured(kind):
        words, limits = of([metric])
        name = f"{metric.component} {within(label(metric))}".strip()
        unit = UNITS[metric.unit or ""]
        query = Query(
            f'SELECT mean("{metric.key}") AS "{label(metric)}" FROM {source(SNAPSHOT, EVENTS)} '
            f'WHERE {RANGE} AND {_EVENT} GROUP BY time($__interval), "node" fill(none)',
            "$tag_node",
        )
        found.append(chart(f"{of_whom}: {name}", words, unit, query, limits=limits, every="10ms"))
    return tuple(found)


_AROUND = (
    rows(
        "What was told within the window",
        "All events of the swarm in these seconds, in their order. The first is not always the cause: look "
        "who moved first.",
        Query(
            f'SELECT "type", "severity", "code", "node", "state", "event_id" FROM {source(FAULTS, EVENTS)} '
            f"WHERE {RANGE} AND {SWARM} ORDER BY time LIMIT 200",
            table=True,
        ),
        size=(24, 7),
    ),
)

_STATE = tuple(
    chart(
        f"{one.label} side by side",
        words,
        UNITS[one.unit],
        over_time(one, where=SWARM, by=("node",), policy=SECONDS),
        limits=limits,
        size=(8, 8),
        every="1s",
    )
    for one in (
        field("house", "exchange_power"),
        field("house", "state_of_charge"),
        field("house", "cell_voltage_spread"),
    )
    for words, limits in (of([one.place.metric]),)
)

BOARD = Board(
    uid="microgrid-snapshot",
    title="Microgrid: fault snapshot",
    description=(
        "The ten seconds before and after a fault at 100 Hz, of every node that recorded it. Open it from a "
        "row of the fault list: that chooses event and time."
    ),
    variables=(data_source(), swarm(), events()),
    rows=(
        ("What happened", _AROUND),
        ("Houses at 100 Hz", _capture("house", "Houses")),
        ("Gateways at 100 Hz", _capture("gateway", "Gateways")),
        ("State of the cluster, second by second (kept for a day)", _STATE),
    ),
    since="now-20s",
    refresh="",
)
