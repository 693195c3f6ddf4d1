"""InfluxQL as the dashboards ask it: always `database.policy.measurement`, always within the chosen swarm.

InfluxDB 3 reads the policy only from the three-part name and refuses it in SHOW statements; functions
are those that 1.6, 2.x and 3 Core share.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from grafana_foundation_sdk.cog import builder, variants
from grafana_foundation_sdk.models import common

from .store import DAILY, DATABASE, EVENTS, SECONDS, Field, field

SOURCE = common.DataSourceRef(type_val="influxdb", uid="${ds}")
TIER = "$tier"
RANGE = "$timeFilter"
NOW = "time > now() - 10m"
"""For panels that tell the present: newer than the slowest log frame, older than any pause of the network."""

SWARM = "\"swarm\" = '$swarm'"
CLUSTER = f'{SWARM} AND "cluster" =~ /^$cluster$/'
HOUSE = f'{CLUSTER} AND "node" =~ /^$house$/'
NODE = f'{SWARM} AND "node" =~ /^$node$/'


def above_zero(one: Field, suffix: str = "") -> str:
    """Condition of a frequency: an inverter that rests tells 0 Hz, which belongs to no mean and no bound."""
    return f'"{one.name}{suffix}" > 0'


@dataclass(frozen=True, slots=True)
class Query(variants.Dataquery, builder.Builder["Query"]):
    """A raw query; `legend` names its series ($tag_node, $col), a table has columns instead."""

    text: str
    legend: str = ""
    table: bool = False
    ref: str = "A"

    def build(self) -> Query:
        """Return itself, as the SDK's builders do."""
        return self

    def to_json(self) -> dict[str, Any]:
        """Return the target of a panel."""
        return {
            "refId": self.ref,
            "datasource": SOURCE,
            "rawQuery": True,
            "query": self.text,
            "resultFormat": "table" if self.table else "time_series",
            "alias": self.legend,
        }


def source(measurement: str, policy: str = TIER) -> str:
    """Return the three-part name of a measurement."""
    return f'"{DATABASE}"."{policy}"."{measurement}"'


def _tags(names: Iterable[str]) -> str:
    return "".join(f', "{name}"' for name in names)


def _columns(fields: Iterable[Field]) -> str:
    return ", ".join(f'mean("{one.name}") AS "{one.label}"' for one in fields)


def over_time(
    *fields: Field, where: str, by: tuple[str, ...] = (), policy: str = TIER, legend: str = ""
) -> Query:
    """Fields of one measurement over the range: a line for each, or with `by` for each of these tags."""
    legend = legend or " ".join(
        [*(f"$tag_{tag}" for tag in by), *(["$col"] if len(fields) > 1 or not by else [])]
    )
    return Query(
        f"SELECT {_columns(fields)} FROM {source(fields[0].measurement, policy)} "
        f"WHERE {RANGE} AND {where} GROUP BY time($__interval){_tags(by)} fill(null)",
        legend,
    )


def total_over_time(
    one: Field, *, where: str, name: str, of: str = "node", by: tuple[str, ...] = ()
) -> Query:
    """Sum over the nodes (or another tag `of`) of their means."""
    inner = (
        f'SELECT mean("{one.name}") AS "value" FROM {source(one.measurement)} '
        f"WHERE {RANGE} AND {where} GROUP BY time($__interval){_tags((*by, of))} fill(none)"
    )
    legend = " ".join(f"$tag_{tag}" for tag in by) or name
    return Query(
        f'SELECT sum("value") AS "{name}" FROM ({inner}) WHERE {RANGE} '
        f"GROUP BY time($__interval){_tags(by)} fill(null)",
        legend,
    )


def now(one: Field, *, where: str, by: tuple[str, ...] = ("node",), legend: str = "") -> Query:
    """Newest value for each tag value."""
    return Query(
        f'SELECT last("{one.name}") AS "{one.label}" FROM {source(one.measurement, SECONDS)} '
        f"WHERE {NOW} AND {where} GROUP BY {_tags(by)[2:]}",
        legend or " ".join(f"$tag_{tag}" for tag in by),
    )


def total_now(
    one: Field, *, where: str, name: str, function: str = "sum", by: tuple[str, ...] = (), of: str = "node"
) -> Query:
    """Sum, mean or extreme over the newest values of all nodes."""
    inner = (
        f'SELECT last("{one.name}") AS "value" FROM {source(one.measurement, SECONDS)} '
        f"WHERE {NOW} AND {where} GROUP BY {_tags((*by, of))[2:]}"
    )
    group = f" GROUP BY {_tags(by)[2:]}" if by else ""
    legend = " ".join(f"$tag_{tag}" for tag in by) or name
    return Query(f'SELECT {function}("value") AS "{name}" FROM ({inner}){group}', legend)


def kwh_a_day(kind: str, key: str, *, where: str, name: str) -> Query:
    """What an energy counter gained on each day (UTC), summed over all nodes."""
    if not field(kind, key).place.counter:
        raise ValueError(f"{kind}: {key} is no counter; its energy by day is not known")
    return Query(
        f'SELECT sum("{key}") / 1000 AS "{name}" FROM {source(DAILY, EVENTS)} '
        f"WHERE {RANGE} AND {where} GROUP BY time(1d) fill(none)",
        name,
    )


def lettered(queries: Iterable[Query]) -> list[Query]:
    """Give the queries of a panel their letters."""
    return [
        Query(query.text, query.legend, query.table, chr(ord("A") + place))
        for place, query in enumerate(queries)
    ]
