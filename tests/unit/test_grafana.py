"""Dashboards and alerts as files: made from the metric tables, complete, explained, as Grafana wants."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Iterator
from dataclasses import replace
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
import yaml
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.cog.plugins import register_default_plugins
from grafana_foundation_sdk.models import dashboard as models

from grafana import alerts, influxql, normal, panels, store, theme, units
from grafana.board import Board
from grafana.boards import BOARDS
from grafana.render import FOLDERS, files
from microgrid_core.influx.layout import Place
from microgrid_core.model.kinds import KINDS
from microgrid_core.model.refrigerant import REFRIGERANTS
from microgrid_daemon.battery import MEASURED

ROOT = Path(__file__).parents[2]
GRAFANA = ROOT / "grafana"
WITHOUT_QUERY = {"row"}
SHOWN = ("house", "gateway", "heat_pump", "battery", "mpp_inverter")
"""Kinds that are on the boards."""


def loaded(board: Board) -> dict[str, Any]:
    """The committed dashboard."""
    found: dict[str, Any] = json.loads((GRAFANA / "dashboards" / f"{board.name}.json").read_text())
    return found


def shown(board: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Its panels without the titles of rows."""
    yield from (panel for panel in board["panels"] if panel["type"] not in WITHOUT_QUERY)


every_board = pytest.mark.parametrize(
    "board", [loaded(board) for board in BOARDS], ids=[b.uid for b in BOARDS]
)


def test_generated_files_are_what_the_code_says() -> None:
    """Byte by byte, twice alike, and nothing else lies there."""
    wanted = files()
    assert wanted == files()
    there = {
        f"{folder}/{path.name}": path.read_text() for folder in FOLDERS for path in (ROOT / folder).iterdir()
    }
    assert there.keys() == wanted.keys()
    differing = [name for name, text in wanted.items() if there[name] != text]
    assert not differing, "run script/generate grafana"


def test_every_stored_metric_of_the_swarm_is_on_a_panel() -> None:
    """A metric that is logged for years and that nobody can see is a metric that nobody has."""
    queries = " ".join(
        target["query"] for board in BOARDS for panel in shown(loaded(board)) for target in panel["targets"]
    )
    missing = [
        f"{kind}.{field.name}"
        for kind in SHOWN
        for field in store.fields(kind)
        if not re.search(rf'"{field.name}"\) (AS|[+*/])[^/]*"{field.measurement}"', queries)
    ]
    assert not missing


def test_every_stored_metric_has_a_word_on_what_is_normal() -> None:
    """A new row has its plausible range until somebody writes the sentence: this test asks for it."""
    whole = [
        kind for kind in SHOWN if kind != "heat_pump"
    ]  # its panels are written by hand, with their texts
    panels_of = [group for kind in whole for group in store.by_quantity(store.fields(kind))]
    silent = [
        group[0].label
        for group in panels_of
        if re.search(r"Plausible|No usual", normal.of([one.place.metric for one in group])[0])
    ]
    assert not silent


def test_a_new_row_of_a_metric_table_appears_in_the_panel_of_its_unit() -> None:
    """Nothing but the row is written."""
    fields = store.fields("house", "inverter")
    (old,) = [group for group in store.by_quantity(fields) if group[0].name == "power"]
    row = replace(old[0].place.metric, key="inverter_reactive", influx="reactive", placeholders=())
    new = store.Field(Place(row, old[0].measurement, "reactive"), "Reactive power")
    (group,) = [group for group in store.by_quantity([*fields, new]) if group[0].name == "power"]
    panel = panels.quantity(group, where=influxql.HOUSE, of="Inverter").build()
    assert 'mean("reactive") AS "Reactive power"' in panel.targets[0].text


def test_a_metric_with_an_unknown_unit_or_without_readings_is_refused() -> None:
    """The generator stops and says what to do, instead of a panel that stays empty."""
    assert {metric.unit or "" for kind in KINDS.values() for metric in kind.metrics if metric.influx} <= set(
        units.UNITS
    )
    with pytest.raises(
        ValueError, match="gateway: InfluxDB does not hold wifi_signal; give it a log channel"
    ):
        store.field("gateway", "wifi_signal")
    with pytest.raises(ValueError, match="house: load_power is no counter"):
        influxql.kwh_a_day("house", "load_power", where=influxql.HOUSE, name="Load")


@every_board
def test_boards_follow_the_rules(board: dict[str, Any]) -> None:
    """Unique uid and ids, not editable, data source by variable."""
    assert re.fullmatch(r"microgrid-[a-z-]{3,30}", board["uid"])
    assert board["editable"] is False
    assert board["title"].startswith("Microgrid: ")
    assert board["description"].endswith(".")
    assert board["schemaVersion"] >= 41
    identifiers = [panel["id"] for panel in board["panels"]]
    assert identifiers == list(range(1, len(identifiers) + 1))
    names = {variable["name"] for variable in board["templating"]["list"]}
    assert {"ds", "swarm"} <= names
    used = set(re.findall(r"\$\{?([a-z]\w*)", " ".join(query for query in texts(board))))
    assert used - {"timeFilter"} <= names, "a query uses a variable that the board does not have"
    assert names - {"ds"} <= used, "a variable that no query uses"


def texts(board: dict[str, Any]) -> Iterator[str]:
    """All queries of a board, those of its variables and marks too."""
    for panel in shown(board):
        yield from (target["query"] for target in panel["targets"])
    yield from (one["query"] for one in board["templating"]["list"] if one["type"] == "query")
    yield from (one["target"]["query"] for one in board.get("annotations", {}).get("list") or ())


@every_board
def test_panels_explain_themselves(board: dict[str, Any]) -> None:
    """Title, unit, a sentence on what is normal, colours that exist."""
    titles = [panel["title"] for panel in shown(board)]
    assert len(titles) == len(set(titles))
    for panel in shown(board):
        defaults = panel["fieldConfig"]["defaults"]
        assert panel["title"][0].isupper(), panel["title"]
        assert len(panel["description"]) > 20, panel["title"]
        assert panel["description"].endswith("."), panel["title"]
        assert defaults["unit"], panel["title"]
        assert panel["datasource"] == {"type": "influxdb", "uid": "${ds}"}, panel["title"]
        assert 1 <= len(panel["targets"]) <= 6, f"{panel['title']} is overloaded"
        letters = [target["refId"] for target in panel["targets"]]
        assert letters == list("ABCDEF"[: len(letters)]), panel["title"]
        steps = defaults.get("thresholds", {}).get("steps", ())
        assert {step["color"] for step in steps} <= {*theme.SEVERITY, *theme.SERIES.values()}, panel["title"]
        bounds = [step["value"] for step in steps]
        assert bounds[:1] in ([], [None]), panel["title"]
        assert bounds[1:] == sorted(bounds[1:]), panel["title"]


@every_board
def test_panels_lie_beside_each_other(board: dict[str, Any]) -> None:
    """Within 24 columns, and none over another."""
    places = [(panel["title"], panel["gridPos"]) for panel in board["panels"]]
    for title, at in places:
        assert at["x"] + at["w"] <= 24, title
        assert min(at["w"], at["h"]) >= 1, title
    for (one, a), (other, b) in combinations(places, 2):
        apart = (
            a["x"] + a["w"] <= b["x"]
            or b["x"] + b["w"] <= a["x"]
            or a["y"] + a["h"] <= b["y"]
            or b["y"] + b["h"] <= a["y"]
        )
        assert apart, f"{one} lies over {other}"


@every_board
def test_grafana_would_lose_nothing(board: dict[str, Any]) -> None:
    """Read by the classes of Grafana's own schema and written again: a misspelt key would be gone."""
    register_default_plugins()
    known = copy.deepcopy({key: value for key, value in board.items() if key != "annotations"})
    again = json.loads(JSONEncoder(sort_keys=True).encode(models.Dashboard.from_json(known)))
    for before, after in zip(known["panels"], again["panels"], strict=True):
        for panel in (before, after):
            panel.pop("targets", None)  # InfluxDB has no class there
        assert after == before, before["title"]
    assert {**again, "panels": None} == {**known, "panels": None, "annotations": {}}


@every_board
def test_queries_are_portable(board: dict[str, Any]) -> None:
    """Three-part names and nothing that a generation of InfluxDB lacks or reads otherwise."""
    for query in texts(board):
        if query.startswith("SHOW "):
            assert '"."' not in query, query
            continue
        assert set(re.findall(r'FROM "(\w+)"', query)) == {"microgrid"}, query
        assert len(re.findall(r'FROM "', query)) == len(
            re.findall(r'FROM "microgrid"\."(?:rp_1[smh]|events|\$tier)"\."\w+"', query)
        ), query
        assert not re.search(r"\b(HAVING|BETWEEN|ceil|abs)\b", query), query
        assert "$swarm" in query, query


def test_bounds_of_a_refrigerant_are_those_of_its_alarms() -> None:
    """Propane condenses at 60 °C at 292 psi (independent table); carbon dioxide has no bound up there."""
    board = json.loads((GRAFANA / "dashboards" / "heat-pump.json").read_text())
    (variable,) = [one for one in board["templating"]["list"] if one["name"] == "refrigerant"]
    choices = {option["text"]: option["value"] for option in variable["options"]}
    assert choices.keys() == REFRIGERANTS.keys()
    (bound,) = re.findall(r'\+ ([\d.]+) AS "warning high"', choices["R290"])
    assert float(bound) == pytest.approx(292.0, abs=1.0)
    assert "high" not in choices["R744"].replace("pressure_high", "")
    # What Grafana makes of the text of the variable: unescaped commas separate, " : " divides name and value.
    parsed = dict(
        part.replace("\\,", ",").strip().split(" : ", 1)
        for part in re.findall(r"(?:\\,|[^,])+", variable["query"])
    )
    assert parsed == choices


def rules() -> list[dict[str, Any]]:
    """The committed alert rules."""
    (group,) = yaml.safe_load((GRAFANA / "alerting" / "rules.yaml").read_text())["groups"]
    found: list[dict[str, Any]] = group["rules"]
    return found


def test_alerts_say_what_is_wrong_and_what_to_do() -> None:
    """Unique, short enough for Grafana, one severity of two, told in two sentences."""
    assert len({rule["uid"] for rule in rules()}) == len(rules()) >= 9
    for rule in rules():
        assert re.fullmatch(r"[a-z-]{1,40}", rule["uid"])
        assert rule["labels"]["severity"] in ("warning", "critical")
        assert rule["annotations"]["summary"].endswith(".")
        assert rule["annotations"]["description"].endswith(".")
        per_node = '"node"' in rule["data"][0]["model"]["query"]
        assert (".Labels.node" in rule["annotations"]["summary"]) == per_node


def test_the_database_is_missed_by_one_alert_only() -> None:
    """A dead InfluxDB must not look like a dead neighbourhood."""
    assert [rule["uid"] for rule in rules() if rule["execErrState"] == "Alerting"] == [
        "microgrid-influxdb-stale"
    ]
    assert {rule["noDataState"] for rule in rules()} == {"OK"}


def test_an_alert_needs_a_bound() -> None:
    """It is refused before Grafana would."""
    with pytest.raises(ValueError, match="alert microgrid-frequency: it has no bound"):
        (rule,) = [rule for rule in alerts.RULES if rule.uid == "microgrid-frequency"]
        _ = replace(rule, outside=None).evaluator


def test_only_placeholders_are_expanded() -> None:
    """Grafana replaces every $NAME of a provisioned file: one in a query or a text would vanish."""
    found = {
        f"{folder}/{path.name}": set(re.findall(r"\$\S+", path.read_text()))
        for folder in ("alerting", "provisioning/datasources", "provisioning/dashboards")
        for path in (GRAFANA / folder).glob("*.yaml")
    }
    names = {name for values in found.values() for name in values}
    assert not found["alerting/rules.yaml"] | found["alerting/policies.yaml"]
    assert names == {
        "$MICROGRID_ALERT_EMAIL",
        "$MICROGRID_ALERT_WEBHOOK",
        "$MICROGRID_INFLUXDB_PASSWORD",
        "$MICROGRID_INFLUXDB_TOKEN",
        "$MICROGRID_INFLUXDB_URL",
        "$MICROGRID_INFLUXDB_USER",
        "$NAMES",
    }


def test_rules_policies_and_data_source_know_each_other() -> None:
    """The rules ask the provisioned source, the policy tells the provisioned contact."""
    sources = yaml.safe_load((GRAFANA / "provisioning" / "datasources" / "microgrid.yaml").read_text())
    assert {source["uid"] for source in sources["datasources"]} == {alerts.SOURCE_UID}
    asked = {step["datasourceUid"] for rule in rules() for step in rule["data"]}
    assert asked == {alerts.SOURCE_UID, "__expr__"}
    contacts = yaml.safe_load((GRAFANA / "alerting" / "contact-points.yaml").read_text())
    policies = yaml.safe_load((GRAFANA / "alerting" / "policies.yaml").read_text())
    names = {point["name"] for point in contacts["contactPoints"]}
    for policy in policies["policies"]:
        assert policy["receiver"] in names
        assert all(route["receiver"] in names for route in policy["routes"])


def test_the_page_tells_of_every_board_alert_and_captured_channel() -> None:
    """What it says can go wrong only in its sentences."""
    page = (ROOT / "docs" / "grafana.md").read_text()
    for board in BOARDS:
        assert f"images/grafana/{board.name}.svg" in page
    for rule in rules():
        assert rule["title"] in page
    captured = [metric.key for kind in KINDS for metric in store.captured(kind)]
    assert len(captured) == 12
    assert all(f"`{key}`" in page for key in captured)


def test_batteries_are_missed_by_what_their_daemon_tells() -> None:
    """A Pi knows no stored energy: a rule that waits for it would never see a battery, nor miss one."""
    (rule,) = [rule for rule in rules() if rule["uid"] == "microgrid-offline-battery"]
    (panel,) = [
        panel
        for board in BOARDS
        for panel in shown(loaded(board))
        if panel["title"] == "Scheduled batteries reporting"
    ]
    fields = {store.field("battery", key).name for key in MEASURED}
    for query in (rule["data"][0]["model"]["query"], *(target["query"] for target in panel["targets"])):
        assert set(re.findall(r'(?:count|last)\("(\w+)"\)', query)) - {"value"} <= fields, query
        assert "\"cluster\" = ''" in query, query  # not the battery of a house
