"""Panels of what happened: faults and other events, as the nodes told them."""

from __future__ import annotations

from .influxql import RANGE, SWARM, Query, source
from .panels import Panel, rows
from .store import EVENTS, FAULTS

_FAULT = "\"type\" = 'fault'"
_BEGAN = "\"state\" = 'raised'"
SNAPSHOT_ADDRESS = (
    "/d/microgrid-snapshot?${ds:queryparam}&${swarm:queryparam}&var-event=${__data.fields.event_id}"
    "&time=${__value.time}&time.window=20000"
)
"""Opens the snapshot of the fault in a row of a table, ten seconds to each side."""


def fault_count(where: str) -> Query:
    """How many faults were raised."""
    return Query(
        f'SELECT count("event_id") AS "Faults" FROM {source(FAULTS, EVENTS)} '
        f"WHERE {RANGE} AND {where} AND {_FAULT} AND {_BEGAN}",
        "Faults",
    )


def fault_list(where: str, size: tuple[int, int] = (24, 9)) -> Panel:
    """Faults, newest first, each with the way to its snapshot."""
    return rows(
        "Faults in their order",
        "Newest first. Click an event to see the ten seconds before and after it at 100 Hz. Normal: an "
        "empty table.",
        Query(
            f'SELECT "severity", "code", "node", "state", "event_id" FROM {source(FAULTS, EVENTS)} '
            f"WHERE {RANGE} AND {where} AND {_FAULT} ORDER BY time DESC LIMIT 200",
            table=True,
        ),
        size=size,
        link=("event_id", "Ten seconds before and after", SNAPSHOT_ADDRESS),
    )


def event_list(title: str, what: str, where: str, types: str, size: tuple[int, int] = (24, 9)) -> Panel:
    """Events of some types (a regular expression), newest first."""
    return rows(
        title,
        what,
        Query(
            f'SELECT "type", "severity", "code", "node", "state", "event_id" FROM {source(FAULTS, EVENTS)} '
            f'WHERE {RANGE} AND {where} AND "type" =~ /^({types})$/ ORDER BY time DESC LIMIT 200',
            table=True,
        ),
        size=size,
    )


def code_count(where: str, codes: str, by: tuple[str, ...], every: str = "$__interval") -> Query:
    """How often codes (a regular expression) were raised in each interval."""
    tags = ", ".join(f'"{tag}"' for tag in by)
    return Query(
        f'SELECT count("event_id") AS "Times" FROM {source(FAULTS, EVENTS)} '
        f'WHERE {RANGE} AND {where} AND "code" =~ /^({codes})$/ AND {_BEGAN} '
        f"GROUP BY time({every}), {tags} fill(none)",
        " ".join(f"$tag_{tag}" for tag in by),
    )


def recurring(where: str) -> Query:
    """How often each node had each fault."""
    return Query(
        f'SELECT count("event_id") AS "times", last("event_id") AS "last" FROM {source(FAULTS, EVENTS)} '
        f'WHERE {RANGE} AND {where} AND {_FAULT} AND {_BEGAN} GROUP BY "node", "code"',
        table=True,
    )


def event_ids() -> str:
    """Query of a variable: the faults of the time range."""
    return (
        f'SELECT "event_id" FROM {source(FAULTS, EVENTS)} WHERE {RANGE} AND {SWARM} '
        f"AND {_FAULT} AND {_BEGAN} "
        "ORDER BY time DESC LIMIT 500"
    )
