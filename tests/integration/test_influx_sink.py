"""The sink against a real InfluxDB 1.x: everything arrives, rightly, whatever fails in between."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any
from unittest.mock import patch

import aiohttp
import numpy as np
import pytest
from homeassistant.config_entries import ConfigSubentryData
from homeassistant.core import HomeAssistant
from pytest_homeassistant_custom_component.common import MockConfigEntry
from pytest_homeassistant_custom_component.typing import MqttMockHAClient

from custom_components.microgrid import backup, influx_sink
from custom_components.microgrid.const import DOMAIN, SUBENTRY_INFLUX
from custom_components.microgrid.core.archive.archive import Archive
from custom_components.microgrid.core.archive.rollup import HOUR, MINUTE
from custom_components.microgrid.core.influx.influxql import Result, ask
from custom_components.microgrid.core.influx.server import Access
from custom_components.microgrid.core.model.kinds import KINDS
from custom_components.microgrid.influx_sink import InfluxSink
from script.lab.influx import InfluxServer, find_influxd
from tests.unit.core.archive.logs import SECOND_US, Node
from tests.unit.core.influx.homes import home

from .influx import until
from .voices import SWARM, Voice

pytestmark = [
    pytest.mark.skipif(find_influxd() is None, reason="influxd is missing"),
    pytest.mark.usefixtures("socket_enabled"),
]
type Fields = dict[str, dict[int, float]]

HOUSE, GATEWAY = "house-1", "gate-1"

# Nobody logs these, and nothing they follow from: they live in states only.
NOT_LOGGED = {
    "house": {
        *("battery_voltage", "battery_charging", "battery_stored_energy", "battery_state_of_health"),
        *("battery_cycles", "health", "clock_error"),
    },
    "gateway": {
        *("contactor_closed", "cluster_power", "cluster_load_power", "cluster_solar_power"),
        *("cluster_state_of_charge", "cluster_health", "can_bus_load", "clock_error"),
    },
}


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[InfluxServer]:
    """A server of its own for each test."""
    found = InfluxServer(tmp_path / "influx")
    await found.up()
    yield found
    found.kill()


@pytest.fixture(autouse=True)
def hurry() -> Iterator[None]:
    """No waiting between attempts."""
    with patch.object(influx_sink, "INTERVAL_S", 0.1), patch.object(influx_sink, "RETRY_S", 0.1):
        yield


def entry_for(server: InfluxServer, **more: Any) -> MockConfigEntry:
    """Return the entry of a swarm with this server."""
    return MockConfigEntry(
        domain=DOMAIN,
        title="Demo",
        unique_id=SWARM,
        data={"swarm": SWARM, "name": "Demo"},
        subentries_data=[
            ConfigSubentryData(
                data={"url": server.url, "verify_tls": True, **more},
                subentry_type=SUBENTRY_INFLUX,
                title="InfluxDB",
                unique_id=None,
            )
        ],
    )


async def start(hass: HomeAssistant, entry: MockConfigEntry) -> None:
    """Set the swarm up, with a house behind a gateway."""
    if entry.entry_id not in {known.entry_id for known in hass.config_entries.async_entries(DOMAIN)}:
        entry.add_to_hass(hass)
    assert await hass.config_entries.async_setup(entry.entry_id)
    await Voice(hass, GATEWAY, "gateway", "North").birth()
    await Voice(hass, HOUSE, "house", "House 1", parent=GATEWAY).birth()


def sink(entry: MockConfigEntry) -> InfluxSink:
    """Return the sink."""
    found: InfluxSink = entry.runtime_data.influx
    return found


def archive(entry: MockConfigEntry) -> Archive:
    """Return the archive."""
    found: Archive | None = entry.runtime_data.historian.archive
    assert found is not None
    return found


async def store(hass: HomeAssistant, entry: MockConfigEntry, node: str, frames: list[Any]) -> None:
    """Put frames into the archive, as the historian does."""
    payloads = [frame.encode() for frame in frames]
    await hass.async_add_executor_job(archive(entry).append, node, payloads)


async def sent(entry: MockConfigEntry) -> None:
    """Wait until all that is in the archive now was sent."""
    now = time.time()
    await until(lambda: (sink(entry).complete_s or 0.0) > now, 60.0)


async def select(server: InfluxServer, policy: str, measurement: str, what: str = "*") -> list[Result]:
    """Return the points of a measurement."""
    async with aiohttp.ClientSession() as session:
        statement = f'SELECT {what} FROM "microgrid"."{policy}"."{measurement}"'
        return await ask(session, Access(server.url), 1, statement)


async def points(server: InfluxServer, policy: str, node: str, measurement: str) -> Fields:
    """Return values by field and time (ms) of one node."""
    found: Fields = {}
    for result in await select(server, policy, measurement):
        for row in result.rows:
            named = dict(zip(result.columns, row, strict=True))
            if named["node"] != node:
                continue
            assert named["swarm"] == SWARM
            assert named["cluster"] == GATEWAY
            for name, value in named.items():
                if name not in {"time", "swarm", "node", "cluster"} and value is not None:
                    found.setdefault(name, {})[named["time"]] = value
    return found


def minutes_ago(minutes: int) -> int:
    """Return a time (µs) that does not begin a second."""
    return (time.time_ns() // 1000 // (60 * SECOND_US) - minutes) * 60 * SECOND_US + 300_000


def per_second(times_us: np.ndarray, values: np.ndarray, *, last: bool) -> dict[int, float]:
    """Return what a second holds, one by one."""
    seconds: dict[int, list[float]] = {}
    for moment, value in zip(times_us.tolist(), values.tolist(), strict=True):
        seconds.setdefault(moment // 1_000_000 * 1000, []).append(value)
    return {at: found[-1] if last else sum(found) / len(found) for at, found in seconds.items()}


@pytest.mark.parametrize(("kind", "node"), [("house", HOUSE), ("gateway", GATEWAY)])
async def test_every_metric_arrives_in_every_tier(
    hass: HomeAssistant, mqtt_mock: MqttMockHAClient, server: InfluxServer, kind: str, node: str
) -> None:
    entry = entry_for(server)
    await start(hass, entry)
    log = home(kind, node, minutes_ago(75))
    await store(hass, entry, node, [*log.start(), *log.minutes(70)])
    await sent(entry)
    assert (sink(entry).sent.dropped, sink(entry).trouble) == (0, None)

    table = KINDS[kind]
    low_us, high_us = log.utc_us - 60 * SECOND_US, log.now_us + 60 * SECOND_US
    kept = archive(entry)
    series = kept.series(node, None, low_us, high_us)
    tiers = {
        "rp_1m": kept.history(node, None, low_us // SECOND_US, high_us // SECOND_US, MINUTE),
        "rp_1h": kept.history(node, None, low_us // SECOND_US - 3600, high_us // SECOND_US, HOUR),
    }
    checked = set()
    for component, measurement in table.measurements.items():
        by_policy = {
            policy: await points(server, policy, node, measurement) for policy in ("rp_1s", "rp_1m", "rp_1h")
        }
        for metric in table.metrics:
            if metric.component != component or metric.influx is None or metric.key in NOT_LOGGED[kind]:
                continue
            number = metric.key.rpartition("_")[2]
            field = f"{metric.influx}_{number}" if metric.placeholders else metric.influx
            for policy, fields in by_policy.items():
                names = {field} if policy == "rp_1s" else {field, f"{field}_min", f"{field}_max"}
                assert names <= fields.keys(), (policy, metric.key)
            checked.add(metric.key)
            if metric.key not in series:
                continue
            found = series[metric.key]
            expected = per_second(found.times_us, found.values, last=metric.counter)
            assert by_policy["rp_1s"][field] == pytest.approx(expected, rel=1e-12), metric.key
            for policy, histories in tiers.items():
                history, fields = histories[metric.key], by_policy[policy]
                times = (history.times_s * 1000).tolist()
                value = history.last if metric.counter else history.mean
                for name, values in (
                    (field, value),
                    (f"{field}_min", history.minimum),
                    (f"{field}_max", history.maximum),
                ):
                    assert fields[name] == dict(zip(times, values.tolist(), strict=True)), (policy, name)
    wanted = {metric.key for metric in table.metrics if metric.influx is not None} - NOT_LOGGED[kind]
    assert checked == wanted


async def test_derived_metrics_are_those_of_the_readings(
    hass: HomeAssistant, mqtt_mock: MqttMockHAClient, server: InfluxServer
) -> None:
    entry = entry_for(server)
    await start(hass, entry)
    log = home("house", HOUSE, minutes_ago(5))
    await store(hass, entry, HOUSE, [*log.start(), *log.minutes(3)])
    await sent(entry)
    house = await points(server, "rp_1s", HOUSE, "house_data")
    inverter = await points(server, "rp_1s", HOUSE, "inverter_data")
    bms = await points(server, "rp_1s", HOUSE, "bms_data")
    assert len(house["exchange_power"]) == 180
    for at, value in house["exchange_power"].items():
        assert value == inverter["power"][at] - house["load_power"][at]
    for at, value in bms["cell_spread"].items():
        cells = [bms[f"cell_voltage_{number}"][at] for number in range(1, 17)]
        assert value == pytest.approx(1000 * (max(cells) - min(cells)))
    minutes = await points(server, "rp_1m", HOUSE, "house_data")
    at = min(minutes["exchange_power"])
    inside = [value for moment, value in house["exchange_power"].items() if at <= moment < at + 60_000]
    assert minutes["exchange_power"][at] == pytest.approx(sum(inside) / len(inside))
    assert minutes["exchange_power_min"][at] == min(inside)
    assert minutes["exchange_power_max"][at] == max(inside)


async def test_events_and_days(
    hass: HomeAssistant, mqtt_mock: MqttMockHAClient, server: InfluxServer
) -> None:
    entry = entry_for(server)
    await start(hass, entry)
    log = home("house", HOUSE, minutes_ago(5))
    early = Node(boot_id=0xA0, utc_us=minutes_ago(8), schema=log.schema, knows_time=False)
    undated = [*early.start(), early.event("F001"), *early.minutes(1)]
    await store(hass, entry, HOUSE, undated)
    frames = [*log.start(), *log.minutes(1), log.event("F002"), log.event("F002"), *log.minutes(1)]
    await store(hass, entry, HOUSE, frames)
    await sent(entry)
    (found,) = await select(server, "events", "faults")
    assert [row[found.columns.index("code")] for row in found.rows] == ["F002", "F002"]
    assert len(set(found.column("event_id"))) == 2
    assert set(found.column("severity")) == {"critical"}
    assert set(found.column("cluster")) == {GATEWAY}

    early.knows_time = True  # from here on the time of all that it logged before is known
    await store(hass, entry, HOUSE, list(early.minutes(1)))
    await sent(entry)
    (found,) = await select(server, "events", "faults")
    assert sorted(found.column("code")) == ["F001", "F002", "F002"]
    (days,) = await select(server, "events", "daily_summary")
    assert "load_energy" in days.columns
    assert "load_power_max" in days.columns


async def test_nothing_is_lost_or_double_when_the_server_dies_and_home_assistant_restarts(
    hass: HomeAssistant, mqtt_mock: MqttMockHAClient, server: InfluxServer
) -> None:
    entry = entry_for(server)
    await start(hass, entry)
    log = home("house", HOUSE, minutes_ago(20))
    await store(hass, entry, HOUSE, [*log.start(), *log.minutes(4), log.event("F001")])
    await sent(entry)

    server.kill()
    await store(hass, entry, HOUSE, [*log.minutes(4), log.event("F002")])
    await until(lambda: sink(entry).trouble)
    behind = await sink(entry).behind()
    assert behind is not None
    assert behind > 0
    assert await hass.config_entries.async_unload(entry.entry_id)
    await start(hass, entry)
    await store(hass, entry, HOUSE, [*log.minutes(4), log.event("F003")])
    await until(lambda: sink(entry).trouble)
    assert sink(entry).complete_s is None
    await server.up()
    await sent(entry)
    await store(hass, entry, HOUSE, list(log.minutes(1)))
    await sent(entry)
    assert await sink(entry).behind() == 0
    assert sink(entry).trouble is None

    found = await points(server, "rp_1s", HOUSE, "house_data")
    series = archive(entry).series(HOUSE, ["load_power"], 0, log.now_us + 1)["load_power"]
    assert len(series.times_us) == 13 * 60
    assert found["load_power"] == pytest.approx(per_second(series.times_us, series.values, last=False))
    (events,) = await select(server, "events", "faults")
    assert events.column("code") == ["F001", "F002", "F003"]


async def test_a_backup_holds_the_cursor_and_the_roll_ups(
    hass: HomeAssistant, mqtt_mock: MqttMockHAClient, server: InfluxServer
) -> None:
    entry = entry_for(server)
    await start(hass, entry)
    log = home("house", HOUSE, minutes_ago(20))
    await store(hass, entry, HOUSE, [*log.start(), *log.minutes(4)])
    await sent(entry)
    server.kill()
    await store(hass, entry, HOUSE, list(log.minutes(1)))
    await until(lambda: sink(entry).trouble)
    await store(hass, entry, HOUSE, [*log.minutes(4), log.event("F001")])
    await backup.async_pre_backup(hass)
    folder = archive(entry).folder

    def files() -> dict[str, bytes]:
        return {
            path.name: path.read_bytes()
            for path in sorted(folder.glob("index.db*"))
            if "-shm" not in path.name
        }

    before = files()
    batches = sink(entry).sent.batches
    await server.up()
    await asyncio.sleep(2.0)  # attempts follow each other at once
    assert files() == before
    await backup.async_post_backup(hass)
    await sent(entry)
    assert sink(entry).sent.batches > batches
    assert await sink(entry).behind() == 0


async def test_late_readings_correct_what_was_sent(
    hass: HomeAssistant, mqtt_mock: MqttMockHAClient, server: InfluxServer
) -> None:
    entry = entry_for(server)
    await start(hass, entry)
    log = home("house", HOUSE, minutes_ago(8))
    frames = [*log.start(), *log.minutes(5)]
    await store(hass, entry, HOUSE, frames[:5] + frames[8:])
    await sent(entry)
    await store(hass, entry, HOUSE, frames[5:8])
    await sent(entry)
    found = await points(server, "rp_1s", HOUSE, "inverter_data")
    series = archive(entry).series(HOUSE, ["inverter_frequency"], 0, log.now_us)["inverter_frequency"]
    assert found["frequency"] == pytest.approx(per_second(series.times_us, series.values, last=False))


async def test_a_type_conflict_costs_its_points_only(
    hass: HomeAssistant, mqtt_mock: MqttMockHAClient, server: InfluxServer
) -> None:
    """Somebody wrote an integer into our field before us."""
    async with aiohttp.ClientSession() as session:
        statement = 'CREATE DATABASE "microgrid" WITH DURATION 24h REPLICATION 1 NAME "rp_1s"'
        await ask(session, Access(server.url), 1, statement)
        at = minutes_ago(5) * 1000
        stranger = f"bms_data,cluster={GATEWAY},node={HOUSE},swarm={SWARM} soc=5i {at}"
        async with session.post(f"{server.url}/write?db=microgrid&rp=rp_1s", data=stranger) as answer:
            assert answer.status == 204
    entry = entry_for(server)
    await start(hass, entry)
    log = home("house", HOUSE, minutes_ago(5))
    await store(hass, entry, HOUSE, [*log.start(), *log.minutes(2)])
    await sent(entry)
    assert sink(entry).sent.dropped > 0
    assert "type conflict" in sink(entry).sent.last_refusal
    delay = hass.states.get("sensor.demo_influxdb_delay")
    assert delay is not None
    assert float(delay.state) < 60.0
    assert len((await points(server, "rp_1s", HOUSE, "house_data"))["load_power"]) == 120
    assert len((await points(server, "rp_1m", HOUSE, "bms_data"))["soc"]) >= 2


async def test_a_dropped_database_is_made_and_filled_again(
    hass: HomeAssistant, mqtt_mock: MqttMockHAClient, server: InfluxServer
) -> None:
    entry = entry_for(server)
    await start(hass, entry)
    log = home("house", HOUSE, minutes_ago(10))
    await store(hass, entry, HOUSE, [*log.start(), *log.minutes(3)])
    await sent(entry)
    async with aiohttp.ClientSession() as session:
        await ask(session, Access(server.url), 1, 'DROP DATABASE "microgrid"')
    await store(hass, entry, HOUSE, list(log.minutes(1)))
    await sent(entry)
    assert len((await points(server, "rp_1s", HOUSE, "house_data"))["load_power"]) == 240


async def test_a_node_that_left_keeps_its_tags(
    hass: HomeAssistant, mqtt_mock: MqttMockHAClient, server: InfluxServer
) -> None:
    entry = entry_for(server)
    await start(hass, entry)
    log = home("house", HOUSE, minutes_ago(10))
    await store(hass, entry, HOUSE, [*log.start(), *log.minutes(1)])
    await sent(entry)
    await Voice(hass, HOUSE, "house", "House 1").leave()
    await store(hass, entry, HOUSE, list(log.minutes(1)))
    await sent(entry)
    assert await hass.config_entries.async_unload(entry.entry_id)
    assert await hass.config_entries.async_setup(entry.entry_id)  # no birth this time
    await store(hass, entry, HOUSE, list(log.minutes(1)))
    await sent(entry)
    assert len((await points(server, "rp_1s", HOUSE, "house_data"))["load_power"]) == 180


async def test_a_node_that_nobody_knows_holds_the_rest_up_for_a_minute_only(
    hass: HomeAssistant, mqtt_mock: MqttMockHAClient, server: InfluxServer
) -> None:
    entry = entry_for(server)
    with patch.object(influx_sink, "BIRTHS_S", 3600.0):
        await start(hass, entry)
        log = home("house", "stranger", minutes_ago(10))
        await store(hass, entry, "stranger", [*log.start(), *log.minutes(1)])
        await until(lambda: sink(entry).server)
        await asyncio.sleep(0.5)
        assert await select(server, "rp_1s", "house_data") == []
        assert sink(entry).delay_s() is None
    with patch.object(influx_sink, "BIRTHS_S", 0.0):
        await sent(entry)
    (found,) = await select(server, "rp_1s", "house_data")
    assert set(found.column("node")) == {"stranger"}
    assert "cluster" not in found.columns


async def test_another_server_gets_everything_and_the_first_is_forgotten(
    hass: HomeAssistant, mqtt_mock: MqttMockHAClient, server: InfluxServer, tmp_path: Path
) -> None:
    entry = entry_for(server)
    await start(hass, entry)
    log = home("house", HOUSE, minutes_ago(10))
    await store(hass, entry, HOUSE, [*log.start(), *log.minutes(2)])
    await sent(entry)
    other = InfluxServer(tmp_path / "other")
    await other.up()
    try:
        (subentry,) = entry.subentries.values()
        hass.config_entries.async_update_subentry(entry, subentry, data={**subentry.data, "url": other.url})
        await hass.async_block_till_done()
        await sent(entry)
        assert len((await points(other, "rp_1s", HOUSE, "house_data"))["load_power"]) == 120
        with archive(entry).index.read() as connection:
            sinks = connection.execute("SELECT count(*) FROM sink WHERE name LIKE 'influx-%'").fetchone()
        assert sinks == (1,)
        hass.config_entries.async_remove_subentry(entry, subentry.subentry_id)
        await hass.async_block_till_done(wait_background_tasks=True)
        assert not sink(entry).configured
        with archive(entry).index.read() as connection:
            sinks = connection.execute("SELECT count(*) FROM sink WHERE name LIKE 'influx-%'").fetchone()
        assert sinks == (0,)
    finally:
        other.kill()
