"""Alert rules: what an operator is called for, as files that Grafana provisions.

Grafana expands `$NAME` in provisioned files from its environment, so nothing but the contact points has a
dollar: times stand in the queries, and texts say `.Labels` where dashboards would say `$labels`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import yaml

from microgrid_core.health import heat_pump as health

from .influxql import above_zero, source
from .store import EVENTS, FAULTS, GATEWAY_ALIVE, MINUTES, OWN_BATTERY, SECONDS, Field, field

SOURCE_UID = "microgrid-influxdb"
"""Of provisioning/datasources; rules know no variables."""
FOLDER = "Microgrid"

_HEAD = (
    "# Written by script/generate grafana from grafana/alerts.py: change it there.\n# See docs/grafana.md, "
    "alerts.\n"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """An alert: `query` is reduced to one number a series, which must stay within bounds."""

    uid: str
    title: str
    query: str
    reducer: str = "last"
    outside: tuple[float, float] | None = None
    above: float | None = None
    below: float | None = None
    window_s: int = 900
    """Range that the query reads; for the display, the times stand in the query."""
    pending: str
    """How long it must last."""
    severity: str
    summary: str
    advice: str
    failure: str = "OK"
    """What an unreachable database means: one rule tells it, the others stay quiet."""

    @property
    def evaluator(self) -> dict[str, Any]:
        """The bound as Grafana writes it."""
        if self.outside is not None:
            return {"type": "outside_range", "params": list(self.outside)}
        if self.above is not None:
            return {"type": "gt", "params": [self.above]}
        if self.below is not None:
            return {"type": "lt", "params": [self.below]}
        raise ValueError(f"alert {self.uid}: it has no bound; give it outside, above or below")


def _newest(one: Field, function: str, since: str, where: str = "") -> str:
    return (
        f'SELECT {function}("{one.name}") AS "value" FROM {source(one.measurement, SECONDS)} '
        f'WHERE {where}time > now() - {since} GROUP BY "node"'
    )


def _minutes_reported(one: Field, of: str = "") -> str:
    """Minutes with readings in each ten of a day; zero where a node that reported that day is silent."""
    return (
        f'SELECT count("{one.name}") AS "value" FROM {source(one.measurement, MINUTES)} '
        f'WHERE {of}time > now() - 24h AND time < now() GROUP BY time(10m), "node" fill(0)'
    )


def _houses_reported(every: str) -> str:
    """Minutes with readings of any house in each `every` of two days; no answer where there was no house.

    The newest ten minutes, which may be on their way, are left out: so the last interval is never empty while
    readings come.
    """
    return (
        f'SELECT count("{_LOAD.name}") AS "value" FROM {source(_LOAD.measurement, MINUTES)} '
        f"WHERE time > now() - {_HEARD_S}s AND time < now() - 10m GROUP BY time({every}) fill(0)"
    )


_HEARD_S = 2 * 86_400
"""How long a house is missed; InfluxDB 3 Core refuses to look back for more than three days."""
_COMPRESSOR = next(limit for limit in health._FIXED if limit.code == "HP_COMP_HOT")
_LOAD = field("house", "load_power")
_FREQUENCY = field("house", "inverter_frequency")
_NODE = "its supply, its card, its cable. What it measures meanwhile stays on its card."
_MODEM = "its supply and its cellular signal. It sends later what its memory can hold."
_PI = (
    "supply and network of its Pi, and `microgrid-daemon status` there. The schedule that it has goes on; "
    "what it measures meanwhile is sent later."
)
_OFFLINE = (
    ("house", "House", _LOAD, "", _NODE),
    ("gateway", "Gateway", field("gateway", GATEWAY_ALIVE), "", _NODE),
    ("heat-pump", "Heat pump", field("heat_pump", "temp_inlet"), "", _MODEM),
    ("battery", "Battery", field("battery", "voltage"), f"{OWN_BATTERY} AND ", _PI),
)

RULES = (
    *(
        Rule(
            uid=f"microgrid-offline-{uid}",
            title=f"{name} offline",
            query=_minutes_reported(one, of),
            below=1.0,
            window_s=86_400,
            pending="10m",  # the newest ten minutes are empty for a moment whenever they begin
            severity="warning",
            summary=f"{name} {{{{ .Labels.node }}}} has not reported for more than ten minutes.",
            advice=f"Look whether its neighbours report. If they do: {remedy}",
        )
        for uid, name, one, of, remedy in _OFFLINE
    ),
    Rule(
        uid="microgrid-silence",
        title="Broker down: no house reports",
        query=_houses_reported("10m"),
        below=1.0,
        window_s=_HEARD_S,
        pending="2m",
        severity="critical",
        summary="No house has reported for ten minutes: the broker, Home Assistant or the network is down.",
        advice="Look at the broker first, then at the MQTT integration of Home Assistant, then at the "
        "InfluxDB entry of Microgrid. Nothing is lost as long as the houses run.",
    ),
    Rule(
        uid="microgrid-influxdb-stale",
        title="InfluxDB stale",
        query=_houses_reported("20m"),
        below=1.0,
        window_s=_HEARD_S,
        pending="5m",
        severity="critical",
        summary="InfluxDB does not answer, or its minutes have stood still for half an hour.",
        advice="Look at the InfluxDB server and its disk, then at the InfluxDB entry of Microgrid in Home "
        "Assistant. The archive keeps everything and catches up.",
        failure="Alerting",
    ),
    Rule(
        uid="microgrid-frequency",
        title="Frequency out of band",
        query=_newest(_FREQUENCY, "mean", "3m", f"{above_zero(_FREQUENCY)} AND "),
        outside=(49.5, 50.5),
        window_s=180,  # logs come up to two minutes late
        pending="1m",
        severity="critical",
        summary='{{ .Labels.node }}: {{ printf "%.2f" .Values.B.Value }} Hz is outside 49.5 … 50.5 Hz.',
        advice="Low: shed load or close the contactor to a cluster with charge. High: the batteries are "
        "full, let solar chargers reduce.",
    ),
    Rule(
        uid="microgrid-compressor-warm",
        title="Compressor warm",
        query=_newest(field("heat_pump", "temp_compressor"), "last", "15m"),
        above=_COMPRESSOR.warning,
        pending="1m",
        severity="warning",
        summary='Heat pump {{ .Labels.node }}: compressor at {{ printf "%.0f" .Values.B.Value }} °C.',
        advice="Look at water flow and filter. If it comes back at mild weather, have the refrigerant "
        "checked.",
    ),
    Rule(
        uid="microgrid-compressor-overheating",
        title="Compressor overheating",
        query=_newest(field("heat_pump", "temp_compressor"), "last", "15m"),
        above=_COMPRESSOR.critical,
        pending="0s",
        severity="critical",
        summary='Heat pump {{ .Labels.node }}: compressor at {{ printf "%.0f" .Values.B.Value }} °C.',
        advice="Switch the heat pump off and let it cool down. Do not start it again before it was checked.",
    ),
    Rule(
        uid="microgrid-cell-spread",
        title="Cell spread",
        query=_newest(field("house", "cell_voltage_spread"), "mean", "10m"),
        above=50.0,  # F015 comes at 100 mV: this is the notice before
        pending="30m",
        severity="warning",
        summary='Battery of {{ .Labels.node }}: cells differ by {{ printf "%.0f" .Values.B.Value }} mV.',
        advice="Let it charge to full so that it can balance. If the spread returns within days, have the "
        "weakest cell and its links checked.",
    ),
    Rule(
        uid="microgrid-critical-fault",
        title="Critical fault",
        query=f'SELECT count("event_id") AS "value" FROM {source(FAULTS, EVENTS)} '
        "WHERE time > now() - 10m AND \"severity\" = 'critical' AND \"state\" = 'raised' "
        'GROUP BY "node", "code"',
        above=0.0,
        window_s=600,
        pending="0s",
        severity="critical",
        summary="{{ .Labels.node }}: {{ .Labels.code }}.",
        advice="Open the fault in the board Fault analysis: its snapshot shows who moved first.",
    ),
)


def _expression(ref: str, **model: Any) -> dict[str, Any]:
    return {
        "refId": ref,
        "relativeTimeRange": {"from": 0, "to": 0},
        "datasourceUid": "__expr__",
        "model": {"refId": ref, "datasource": {"type": "__expr__", "uid": "__expr__"}, **model},
    }


def _provisioned(rule: Rule) -> dict[str, Any]:
    read = {
        "refId": "A",
        "relativeTimeRange": {"from": rule.window_s, "to": 0},
        "datasourceUid": SOURCE_UID,
        "model": {
            "refId": "A",
            "datasource": {"type": "influxdb", "uid": SOURCE_UID},
            "rawQuery": True,
            "resultFormat": "time_series",
            "query": rule.query,
        },
    }
    return {
        "uid": rule.uid,
        "title": rule.title,
        "condition": "C",
        "data": [
            read,
            _expression(
                "B", type="reduce", expression="A", reducer=rule.reducer, settings={"mode": "dropNN"}
            ),
            _expression("C", type="threshold", expression="B", conditions=[{"evaluator": rule.evaluator}]),
        ],
        "for": rule.pending,
        "noDataState": "OK",
        "execErrState": rule.failure,
        "labels": {"severity": rule.severity, "system": "microgrid"},
        "annotations": {"summary": rule.summary, "description": rule.advice},
        "isPaused": False,
    }


def _yaml(content: dict[str, Any]) -> str:
    text = yaml.safe_dump(content, allow_unicode=True, sort_keys=False, width=10_000)
    return f"{_HEAD}---\n{text}"


def rules() -> str:
    """Return the file of all rules."""
    group = {
        "orgId": 1,
        "name": "microgrid",
        "folder": FOLDER,
        "interval": "1m",
        "rules": [_provisioned(rule) for rule in RULES],
    }
    return _yaml({"apiVersion": 1, "groups": [group]})


def contact_points() -> str:
    """Return the file of those who are told; addresses come from Grafana's environment."""
    email = {
        "uid": "microgrid-email",
        "type": "email",
        "settings": {"addresses": "$MICROGRID_ALERT_EMAIL", "singleEmail": True},
    }
    home_assistant = {
        "uid": "microgrid-home-assistant",
        "type": "webhook",
        "settings": {"url": "$MICROGRID_ALERT_WEBHOOK", "httpMethod": "POST"},
    }
    point = {"orgId": 1, "name": "microgrid", "receivers": [email, home_assistant]}
    return _yaml({"apiVersion": 1, "contactPoints": [point]})


def policies() -> str:
    """Return the file of who is told when: one message a node, critical ones again each hour."""
    critical = {
        "receiver": "microgrid",
        "object_matchers": [["severity", "=", "critical"]],
        "group_wait": "10s",
        "repeat_interval": "1h",
    }
    policy = {
        "orgId": 1,
        "receiver": "microgrid",
        "group_by": ["grafana_folder", "alertname", "node"],
        "group_wait": "30s",
        "group_interval": "5m",
        "repeat_interval": "12h",
        "routes": [critical],
    }
    return _yaml({"apiVersion": 1, "policies": [policy]})
