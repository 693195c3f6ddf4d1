"""The patterns as InfluxQL give on a real InfluxDB what the archive gives, where both hold the data."""

from __future__ import annotations

import json
import urllib.parse
import urllib.request
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from pytest_socket import enable_socket

from microgrid_core.archive.archive import Archive
from microgrid_core.archive.patterns.catalogue import PATTERNS
from microgrid_core.archive.patterns.faults import faults
from microgrid_core.archive.patterns.frequency import outside_band
from microgrid_core.archive.patterns.influxql import influxql
from microgrid_core.archive.patterns.recurring import recurring
from microgrid_core.archive.patterns.supply import supply
from microgrid_core.archive.rollup import HOUR, MINUTE
from microgrid_core.influx.layout import layout
from microgrid_core.influx.points import Subject, bucket_lines, event_line, second_lines, seconds
from script.lab.influx import InfluxServer, find_influxd
from tests.unit.core.archive.logs import DAY_US, HOUR_US, MINUTE_US, START_US
from tests.unit.core.archive.test_patterns import EXPORTED, FREQUENCY, IMPORTED, LOAD, event, house, slow

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.skipif(find_influxd() is None, reason="influxd is missing: run script/bootstrap"),
]
END_US = START_US + DAY_US
WHEN = f"time >= {START_US * 1000} AND time < {END_US * 1000}"


class Both:
    """An archive and an InfluxDB with the same."""

    def __init__(self, archive: Archive, server: InfluxServer) -> None:
        """Fill the server from the archive."""
        self.archive = archive
        self.url = server.url
        self.query('CREATE DATABASE "microgrid" WITH NAME "rp_1s"')
        for policy in ("rp_1m", "rp_1h", "events"):
            self.query(f'CREATE RETENTION POLICY "{policy}" ON "microgrid" DURATION INF REPLICATION 1')
        start_s, end_s = START_US // 1_000_000, END_US // 1_000_000
        for node in archive.nodes():
            subject = Subject("demo", "g1", node, layout("house"))
            series = archive.series(node, None, START_US, END_US)
            self.write("rp_1s", second_lines(subject, seconds(subject, series)))
            for policy, tier in (("rp_1m", MINUTE), ("rp_1h", HOUR)):
                history = archive.history(node, None, start_s, end_s, tier)
                self.write(policy, bucket_lines(subject, history, tier.bucket_s, {}))
            self.write(
                "events",
                [
                    event_line(subject, one.event, None, one.utc_us, one.seq)
                    for one in archive.events(node)
                    if one.utc_us is not None
                ],
            )

    def query(self, text: str) -> list[dict[str, Any]]:
        """Return the series of an answer."""
        body = urllib.parse.urlencode({"q": text}).encode()
        with urllib.request.urlopen(f"{self.url}/query", body, 30) as answer:
            (result,) = json.load(answer)["results"]
        assert "error" not in result, (text, result)
        series: list[dict[str, Any]] = result.get("series", [])
        return series

    def write(self, policy: str, lines: Any) -> None:
        """Store lines, all or fail."""
        precision = "ns" if policy == "events" else "ms"
        place = f"{self.url}/write?db=microgrid&rp={policy}&precision={precision}"
        with urllib.request.urlopen(place, b"\n".join(lines), 30) as answer:
            assert answer.status == 204


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def both(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Both]:
    """A house with faults and a restless frequency, and one that gives and takes, for some hours."""
    enable_socket()
    folder: Path = tmp_path_factory.mktemp("statements")
    restless = replace(FREQUENCY, exponent=-2, offset=5000)
    node = house("h1", restless, seed=5)
    frames = [*node.start(), *node.minutes(120)]
    for number in range(4):
        node.mono_us = (10 + 20 * number) * MINUTE_US
        frames.append(event(node, "F010", severity=2))
        node.mono_us += MINUTE_US
        frames.append(event(node, "F010", state=2, severity=0))
    frames.append(event(node, "F001"))
    giving = house("h2", EXPORTED, IMPORTED, LOAD, boot_id=2)
    energies = list(giving.start())
    for hour in range(5):
        counts = range(hour * 60, hour * 60 + 60)
        energies.append(
            slow(giving, 3600, {EXPORTED: [7 * n for n in counts], IMPORTED: [n * n for n in counts]})
        )
    server = InfluxServer(folder / "influx")
    await server.up()
    with Archive(folder / "archive", reserve_bytes=0, now_us=lambda: END_US) as archive:
        archive.append("h1", frames)
        archive.append("h2", energies)
        yield Both(archive, server)
    server.kill()


@pytest.fixture(autouse=True)
def sockets(socket_enabled: None) -> None:
    """Home Assistant's plugin forbids them otherwise."""


def _us(text: str) -> int:
    return round(datetime.fromisoformat(text).timestamp() * 1_000_000)


@pytest.mark.parametrize("pattern", PATTERNS)
def test_every_statement_is_understood(both: Both, pattern: str) -> None:
    for statement in influxql(pattern, WHEN, "\"swarm\" = 'demo'"):
        both.query(statement.text)
        assert f'FROM "microgrid"."{"rp_" if "rp_" in statement.text else "events"}' in statement.text
    assert "$timeFilter" in influxql(pattern)[0].text


def test_faults_are_the_same(both: Both) -> None:
    (statement,) = influxql("faults", WHEN)
    (series,) = both.query(statement.text)
    at = series["columns"].index
    told = [
        (row[at("node")], row[at("code")], row[at("severity")], row[at("event_id")])
        for row in series["values"]
    ]
    found = faults(both.archive, START_US, END_US).faults
    assert told == [(one.node, one.code, one.severity, one.event_id) for one in found]
    assert len(told) == 5


def test_recurring_faults_are_the_same(both: Both) -> None:
    (statement,) = influxql("recurring_faults", WHEN)
    told = {
        (one["tags"]["node"], one["tags"]["code"]): one["values"][0][1] for one in both.query(statement.text)
    }
    found = recurring(both.archive, START_US, END_US).recurring
    assert told == {(one.node, one.code): one.count for one in found} == {("h1", "F010"): 4}


def test_minutes_outside_the_band_are_the_same(both: Both) -> None:
    told = {
        _us(row[0]) // MINUTE_US
        for statement in influxql("frequency_outside_band", WHEN)
        for series in both.query(statement.text)
        for row in series["values"]
    }
    found = outside_band(both.archive, START_US, END_US, join_s=30)  # no minute between
    minutes = {
        minute
        for one in found.episodes
        for minute in range(one.start_utc_us // MINUTE_US, one.end_utc_us // MINUTE_US + 1)
    }
    assert told == minutes and told and not found.truncated


def test_energies_are_the_same(both: Both) -> None:
    told = [
        {_us(row[0]): row[1] for series in both.query(statement.text) for row in series["values"]}
        for statement in influxql("who_supplied_whom", WHEN, "\"node\" = 'h2'")[:2]
    ]
    found = {
        hour.start_utc_us: (hour.exchanges[0].given_wh, hour.exchanges[0].taken_wh)
        for hour in supply(both.archive, START_US, END_US).hours
    }
    assert len(found) == 5
    del found[START_US]  # InfluxDB knows no counter before the first hour
    assert {time: (told[0][time], told[1][time]) for time in found} == found
    assert told[0][START_US + HOUR_US] == 7 * 60
