"""What every board has: variables, links, the marks of faults, numbered panels and stable JSON."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from grafana_foundation_sdk.builders import dashboard
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models import dashboard as models

from . import theme
from .events import event_ids
from .influxql import SOURCE, SWARM, source
from .panels import Panel
from .store import EVENTS, FAULTS, HOURS, MINUTES, SECONDS

TAG = "microgrid"
_MARKS = (
    f'SELECT "event_id", "code", "node" FROM {source(FAULTS, EVENTS)} '
    f"WHERE $timeFilter AND {SWARM} AND \"type\" = 'fault' AND \"state\" = 'raised'"
)


@dataclass(frozen=True, slots=True)
class Board:
    """A dashboard: rows of panels under a title."""

    uid: str
    title: str
    description: str
    variables: tuple[Any, ...]
    rows: tuple[tuple[str, tuple[Panel, ...]], ...]
    since: str = "now-6h"
    refresh: str = "30s"
    marks: bool = True
    """Whether faults are marked in the charts."""

    @property
    def name(self) -> str:
        """Name of the files that are made of it."""
        return self.uid.removeprefix("microgrid-")

    def render(self) -> str:
        """Return the JSON that Grafana imports."""
        builder = (
            dashboard.Dashboard(self.title)
            .uid(self.uid)
            .description(self.description)
            .tags([TAG])
            .time(self.since, "now")
            .refresh(self.refresh)
            .timezone("browser")
            .tooltip(models.DashboardCursorSync.CROSSHAIR)
            .readonly()
            .link(
                dashboard.DashboardLink("Microgrid")
                .type(models.DashboardLinkType.DASHBOARDS)
                .tags([TAG])
                .as_dropdown(True)
                .include_vars(True)
                .keep_time(True)
            )
        )
        for variable in self.variables:
            builder.with_variable(variable)
        for title, panels in self.rows:
            builder.with_row(dashboard.Row(title))
            for panel in panels:
                builder.with_panel(panel)
        found = json.loads(JSONEncoder(sort_keys=True).encode(builder.build()))
        for number, panel in enumerate(found["panels"], 1):  # the SDK leaves panels without, and rows with 0
            panel["id"] = number
        if self.marks:
            found["annotations"] = {"list": [_annotation()]}
        return f"{json.dumps(found, sort_keys=True, indent=1, ensure_ascii=False)}\n"


def _annotation() -> dict[str, Any]:
    return {
        "name": "Faults",
        "enable": True,
        "hide": False,
        "iconColor": theme.BAD,
        "datasource": {"type": "influxdb", "uid": "${ds}"},
        "target": {
            "refId": "Faults",
            "fromAnnotations": True,
            "rawQuery": True,
            "query": _MARKS,
            "textColumn": "code",
            "tagsColumn": "node",
        },
    }


def data_source() -> Any:
    """Which InfluxDB."""
    return dashboard.DatasourceVariable("ds").label("InfluxDB").type("influxdb")


def _values(name: str, label: str, measurement: str, key: str, where: str, *, many: bool) -> Any:
    # SHOW statements name neither database nor policy: InfluxDB 3 refuses them there.
    # Without a measurement all of them are searched.
    of = measurement and f' FROM "{measurement}"'
    query = f'SHOW TAG VALUES{of} WITH KEY = "{key}"{where and f" WHERE {where}"}'
    variable = (
        dashboard.QueryVariable(name)
        .label(label)
        .datasource(SOURCE)
        .query(query)
        .refresh(models.VariableRefresh.ON_DASHBOARD_LOAD)
        .sort(models.VariableSort.ALPHABETICAL_ASC)
        .multi(many)
        .include_all(many)
    )
    if many:
        variable.all_value(".*").current(models.VariableOption(text="All", value="$__all", selected=True))
    return variable


def swarm() -> Any:
    """Which swarm, when one InfluxDB serves several; a swarm may have no house."""
    return _values("swarm", "Swarm", "", "swarm", "", many=False)


def clusters() -> Any:
    """Which clusters, all at first."""
    return _values("cluster", "Cluster", "house_data", "cluster", SWARM, many=True)


def house() -> Any:
    """One house of the chosen clusters."""
    where = f'{SWARM} AND "cluster" =~ /^$cluster$/'
    return _values("house", "House", "house_data", "node", where, many=False)


def nodes(label: str, measurement: str) -> Any:
    """Nodes that write a measurement, all at first."""
    return _values("node", label, measurement, "node", SWARM, many=True)


def events() -> Any:
    """One fault of the time range."""
    return (
        dashboard.QueryVariable("event")
        .label("Event")
        .datasource(SOURCE)
        .query(event_ids())
        .refresh(models.VariableRefresh.ON_TIME_RANGE_CHANGED)
    )


def tier() -> Any:
    """Resolution of the charts: seconds are kept a day, minutes a month, hours a year."""
    choices = (("1 s · 24 h", SECONDS), ("1 min · 30 d", MINUTES), ("1 h · 1 y", HOURS))
    return choice("tier", "Resolution", choices, "Resolution of the charts, and how far back it reaches.")


def choice(name: str, label: str, choices: Sequence[tuple[str, str]], what: str) -> Any:
    """One of a fixed set; the first is chosen at first."""
    options = [
        models.VariableOption(text=text, value=value, selected=not place)
        for place, (text, value) in enumerate(choices)
    ]
    # A comma separates choices, so one inside a choice is escaped.
    query = ", ".join(f"{text} : {value.replace(',', '\\,')}" for text, value in choices)
    variable = dashboard.CustomVariable(name).label(label).values(query).options(options)
    return variable.current(options[0]).description(what)


def default_variables(*more: Any) -> tuple[Any, ...]:
    """Data source and swarm, then what the board adds, then the resolution."""
    return (data_source(), swarm(), *more, tier())
