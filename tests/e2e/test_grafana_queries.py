"""Every query of every panel, variable, mark and alert, on a real InfluxDB: each must return data."""

from __future__ import annotations

import json
import re
import time
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import pytest_asyncio
import yaml

from grafana.alerts import RULES, SOURCE_UID
from microgrid_core.influx.delivery import deliver
from microgrid_core.influx.influxql import Result, ask
from microgrid_core.influx.server import Access
from microgrid_core.influx.tiers import DATABASE
from microgrid_core.influx.v1 import Influx1
from script.lab.influx import InfluxServer
from tests.e2e import grafana_data
from tests.e2e.grafana_data import ASTRAY, EVENT_ID, SILENT, SWARM, WEAK

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="module")]

GRAFANA = Path(__file__).parents[2] / "grafana"
TIERS = ("rp_1s", "rp_1m", "rp_1h")
_UNITS_S = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
_ALL = {"swarm": SWARM, "cluster": ".*", "node": ".*", "house": "house-01", "event": EVENT_ID}
_SOME = {
    "cluster": "(gateway-1|gateway-2)",
    "node": "(house-01|house-02|hp-1|battery-1|mpp-1)",
}
"""What Grafana writes for several chosen values."""
_BATCH = 5000


@dataclass(frozen=True, slots=True)
class Asked:
    """A query as a dashboard asks it."""

    board: str
    panel: str
    text: str
    range_s: int
    least_ms: int
    """Shortest interval of the panel."""

    def __str__(self) -> str:
        """Name of the test."""
        return f"{self.board}/{self.panel}"


def _seconds(duration: str) -> float:
    """Length of 10ms, 30s, 5m, 6h, 14d."""
    found = re.fullmatch(r"(\d+)(ms|[smhd])", duration)
    assert found, duration
    return int(found[1]) * (0.001 if found[2] == "ms" else _UNITS_S[found[2]])


def boards() -> dict[str, dict[str, Any]]:
    """All dashboards as Grafana will read them."""
    return {
        path.stem: json.loads(path.read_text()) for path in sorted((GRAFANA / "dashboards").glob("*.json"))
    }


def panel_queries() -> Iterator[Asked]:
    """The queries of all panels and marks."""
    for name, board in boards().items():
        of_board = board["time"]["from"].removeprefix("now-")
        for panel in board["panels"]:
            for target in panel.get("targets", ()):
                yield Asked(
                    name,
                    f"{panel['title']}/{target['refId']}",
                    target["query"],
                    int(_seconds(panel.get("timeFrom") or of_board)),
                    int(1000 * _seconds(panel.get("interval") or "1s")),
                )
        for mark in board["annotations"]["list"] if "list" in board.get("annotations", {}) else ():
            if name != "snapshot":  # its twenty seconds have the mark of one fault, tested with its panels
                yield Asked(name, mark["name"], mark["target"]["query"], int(_seconds(of_board)), 1000)


def variables() -> Iterator[tuple[str, dict[str, Any]]]:
    """Board and definition of all variables that are asked from the database."""
    for name, board in boards().items():
        yield from ((name, found) for found in board["templating"]["list"] if found["type"] == "query")


def refrigerants() -> dict[str, str]:
    """What the choices of the heat pump's variable stand for."""
    variable = next(
        one for one in boards()["heat-pump"]["templating"]["list"] if one["name"] == "refrigerant"
    )
    return {option["text"]: option["value"] for option in variable["options"]}


@dataclass(frozen=True, slots=True)
class Database:
    """The filled server; `now()` is the end of its data, whatever the time is by then."""

    session: aiohttp.ClientSession
    access: Access
    end_s: int

    async def ask(self, query: str) -> list[Result]:
        """Run a query that has no variables any more."""
        end = datetime.fromtimestamp(self.end_s, UTC).strftime("'%Y-%m-%dT%H:%M:%SZ'")
        query = query.replace("now()", end)
        assert "$" not in query.replace("$/", ""), f"not expanded: {query}"
        return await ask(self.session, self.access, 1, query, database=DATABASE)

    async def panel(self, asked: Asked, **chosen: str) -> list[Result]:
        """Run the query of a panel with some variables chosen."""
        first_s, last_s = self.end_s - asked.range_s, float(self.end_s)
        if asked.board == "snapshot":
            first_s, last_s = self.end_s - 310, self.end_s - 290
        interval_ms = max(asked.least_ms, int((last_s - first_s) * 1000 / 1000))
        texts = {
            "timeFilter": f"time >= {int(first_s)}s AND time <= {int(last_s)}s",
            "__interval": f"{interval_ms}ms",
            "tier": "rp_1s",
            "refrigerant": refrigerants()["R290"],
            **_ALL,
            **chosen,
        }
        return await self.ask(
            re.sub(r"\$\{?(\w+)\}?", lambda found: texts.get(found[1], found[0]), asked.text)
        )


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def database(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Database]:
    """Four hours of a neighbourhood, up to now."""
    end_s = int(time.time()) // 60 * 60
    lines = grafana_data.filled(tmp_path_factory.mktemp("archive"), end_s)
    server = InfluxServer(tmp_path_factory.mktemp("influx"))
    await server.up()
    try:
        async with aiohttp.ClientSession() as session:
            access = Access(server.url)
            sink = Influx1(session, access)
            await sink.provision()
            for policy, found in lines.items():
                for first in range(0, len(found), _BATCH):
                    outcome = await deliver(sink, policy, found[first : first + _BATCH])
                    assert not outcome.dropped, outcome.reason
            yield Database(session, access, end_s)
    finally:
        await server.stop()


def empty_columns(found: list[Result]) -> set[str]:
    """Columns that have no value in any series."""
    filled = {
        name for one in found for name in one.columns if any(value is not None for value in one.column(name))
    }
    return {name for one in found for name in one.columns} - filled


@pytest.mark.parametrize("asked", panel_queries(), ids=str)
async def test_every_panel_shows_data(database: Database, asked: Asked) -> None:
    """In each tier, and with all as well as with several chosen."""
    for tier in TIERS if "$tier" in asked.text else TIERS[:1]:
        found = await database.panel(asked, tier=tier)
        assert found, f"{tier}: no data"
        assert not empty_columns(found), tier
    if "/^$" in asked.text:
        assert await database.panel(asked, **{k: v for k, v in _SOME.items() if f"${k}" in asked.text})


async def test_a_misspelt_field_or_measurement_would_be_noticed(database: Database) -> None:
    """The judge itself: what the tests above look for is what goes wrong."""
    (asked,) = [one for one in panel_queries() if str(one) == "house/Power/A"]
    wrong_field = replace(asked, text=asked.text.replace('"input_power"', '"input_powr"'))
    assert await database.panel(wrong_field) == []
    beside_another = replace(asked, text=asked.text.replace("SELECT ", 'SELECT mean("x") AS "x", '))
    assert empty_columns(await database.panel(beside_another)) == {"x"}
    wrong_measurement = replace(asked, text=asked.text.replace('"mppt_data"', '"mppt"'))
    assert await database.panel(wrong_measurement) == []


@pytest.mark.parametrize(("board", "variable"), variables(), ids=str)
async def test_every_variable_has_values(database: Database, board: str, variable: dict[str, Any]) -> None:
    """Each offers what there is to choose."""
    asked = Asked(board, variable["name"], variable["query"], 86_400, 1000)
    found = await database.panel(Asked("variable", asked.panel, asked.text, 86_400, 1000))
    offered = {value for one in found for value in one.column(one.columns[-1])}
    expected = {
        "swarm": {SWARM},
        "cluster": {"gateway-1", "gateway-2"},
        "house": {f"house-{number:02d}" for number in range(1, 5)},
        "event": {EVENT_ID},
        "node": {"hp-1"} if board == "heat-pump" else {"house-01", "battery-1"},
    }[variable["name"]]
    assert expected <= offered


async def test_a_site_without_a_gateway_or_a_house_is_shown(database: Database) -> None:
    """Each swarm is offered, and a house that belongs to no cluster is in the panels."""
    for board, variable in variables():
        if variable["name"] == "swarm":
            found = await database.panel(Asked("variable", "swarm", variable["query"], 86_400, 1000))
            offered = {value for one in found for value in one.column(one.columns[-1])}
            assert offered == {SWARM, "lone", "hut"}, board
    panels = {str(one): one for one in panel_queries()}
    for panel in ("swarm/State of charge by node/A", "swarm/Frequency of the inverters/A"):
        found = await database.panel(panels[panel], swarm="lone")
        assert [one.tags["node"] for one in found] == ["house-09"], panel
    (charge,) = await database.panel(panels["swarm/State of charge/A"], swarm="hut")
    assert charge.column("State of charge") == [44.0]


async def test_an_inverter_that_rests_has_no_frequency(database: Database) -> None:
    """An MPP inverter in standby tells 0 Hz: the mean is that of those that run, and no minute is listed."""
    panels = {str(one): one for one in panel_queries()}
    (mean,) = await database.panel(panels["swarm/Frequency/A"], swarm="lone")
    assert mean.column("Frequency") == [50.0]
    assert await database.panel(panels["faults/Frequency outside the band/A"], swarm="lone") == []


@pytest.mark.parametrize("name", refrigerants())
async def test_bounds_of_every_refrigerant_are_drawn(database: Database, name: str) -> None:
    """Each choice of the variable makes a query that works, with the upper bound above the lower one."""
    asked = next(one for one in panel_queries() if "${refrigerant}" in one.text)
    (found,) = await database.panel(asked, refrigerant=refrigerants()[name])
    bounds = {
        column: next(value for value in found.column(column) if value is not None)
        for column in found.columns
        if column != "time"
    }
    assert bounds
    assert sorted(bounds, key=lambda column: bounds[column]) == [
        column
        for column in ("critical low", "warning low", "warning high", "critical high")
        if column in bounds
    ]


async def test_the_sum_of_the_swarm_is_the_sum_of_its_houses(database: Database) -> None:
    """Solar of the overview against every house's own reading; a house that is silent counts no more."""
    swarm = {str(one): one for one in panel_queries()}
    (total,) = await database.panel(swarm["swarm/Solar/A"])
    alone = await database.ask(
        'SELECT last("input_power") AS "value" FROM "microgrid"."rp_1s"."mppt_data" '
        'WHERE time > now() - 10m GROUP BY "node"'
    )
    assert {one.tags["node"] for one in alone} == {"house-01", "house-02", "house-03"}
    assert total.column("Solar") == [pytest.approx(sum(one.column("value")[0] for one in alone))]


def fires(rule: dict[str, Any], found: list[Result]) -> set[tuple[str, ...]]:
    """Evaluate an alert as Grafana does: the last value of each series is compared; tags of what fires."""
    by_ref = {step["refId"]: step["model"] for step in rule["data"]}
    assert (by_ref["B"]["type"], by_ref["B"]["expression"], by_ref["B"]["reducer"]) == ("reduce", "A", "last")
    assert (by_ref["C"]["type"], by_ref["C"]["expression"], rule["condition"]) == ("threshold", "B", "C")
    (condition,) = by_ref["C"]["conditions"]
    bounds = condition["evaluator"]["params"]
    kinds: dict[str, Callable[[float], bool]] = {
        "gt": lambda value: value > bounds[0],
        "lt": lambda value: value < bounds[0],
        "outside_range": lambda value: not bounds[0] <= value <= bounds[1],
    }
    beyond = kinds[condition["evaluator"]["type"]]
    return {
        tuple(one.tags.values())
        for one in found
        if beyond([value for value in one.column("value") if value is not None][-1])
    }


def provisioned() -> dict[str, dict[str, Any]]:
    """The alert rules as Grafana will read them."""
    content = yaml.safe_load((GRAFANA / "alerting" / "rules.yaml").read_text())
    return {rule["uid"]: rule for group in content["groups"] for rule in group["rules"]}


_EXPECTED: dict[str, set[tuple[str, ...]]] = {
    "microgrid-offline-house": {(SILENT,)},
    "microgrid-frequency": {(ASTRAY,)},
    "microgrid-compressor-warm": {("hp-1",)},
    "microgrid-compressor-overheating": {("hp-1",)},
    "microgrid-cell-spread": {(WEAK,)},
    "microgrid-critical-fault": {("F005", "house-01")},
}
"""What the told troubles set off; all other rules stay quiet."""


@pytest.mark.parametrize("uid", [rule.uid for rule in RULES])
async def test_every_alert_reads_data_and_fires_for_the_troubled_alone(database: Database, uid: str) -> None:
    """Four of everything are well: only what was told to misbehave is reported."""
    rule = provisioned()[uid]
    (read,) = (step for step in rule["data"] if step["datasourceUid"] == SOURCE_UID)
    found = await database.ask(read["model"]["query"])
    assert found, "no data"
    assert fires(rule, found) == _EXPECTED.get(uid, set())


@pytest.mark.parametrize("uid", ["microgrid-silence", "microgrid-influxdb-stale"])
async def test_silence_of_everybody_is_an_alert_by_itself(database: Database, uid: str) -> None:
    """Soon after the last reading, and a day later; not where there was no house for two days."""
    rule = provisioned()[uid]
    (read,) = (step for step in rule["data"] if step["datasourceUid"] == SOURCE_UID)
    for later_s in (40 * 60, 86_400):
        later = Database(database.session, database.access, database.end_s + later_s)
        assert fires(rule, await later.ask(read["model"]["query"])) == {()}
    no_house = read["model"]["query"].replace("WHERE", "WHERE \"swarm\" = 'hut' AND")
    assert await database.ask(no_house) == []
    assert rule["noDataState"] == "OK"
