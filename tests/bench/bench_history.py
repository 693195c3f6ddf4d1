"""History in three stores: this archive, InfluxDB 1.x and the recorder of Home Assistant, with the same data.

    .venv/bin/python -m tests.bench.bench_history [--houses 12] [--hours 24] [--write docs/performance.md]

Ten channels of each house at 1 s, and the hours of a year of one house. Each store is written to as fast as
it takes it: the archive gets log messages of 6 kB and puts every one on disk, InfluxDB batches of 5000 ready
lines, the recorder rows in bulk through its own models, which is faster than it ever writes by itself (that
pace is told too). Answers are compared with numpy before they are timed; times are the best of five.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from unittest.mock import patch

import aiohttp
import numpy as np
from homeassistant.components.recorder import get_instance, history
from homeassistant.components.recorder.db_schema import StateAttributes, States, StatesMeta
from homeassistant.components.recorder.models import StatisticData, StatisticMeanType, StatisticMetaData
from homeassistant.components.recorder.statistics import (
    async_add_external_statistics,
    statistics_during_period,
)
from homeassistant.core import HomeAssistant
from homeassistant.helpers.recorder import async_initialize_recorder
from homeassistant.setup import async_setup_component
from homeassistant.util.ulid import ulid_at_time, ulid_to_bytes
from numpy.typing import NDArray
from pytest_homeassistant_custom_component.common import async_test_home_assistant
from sqlalchemy import insert, text

from custom_components.microgrid.core.influx.influxql import ask
from custom_components.microgrid.core.influx.server import Access
from custom_components.microgrid.core.influx.v1 import Influx1
from microgrid_core.archive.archive import Archive
from microgrid_core.archive.retention import Retention
from microgrid_core.archive.rollup import HOUR, MINUTE
from microgrid_core.codec.umg1.frame import Frame, Kind
from microgrid_core.codec.umg1.records import Boot, Clock
from microgrid_core.codec.umg1.samples import encode_samples
from microgrid_core.codec.umg1.schema import Channel, Schema
from microgrid_core.model.house import HOUSE
from script.lab.influx import InfluxServer
from tests.bench.bench_backfill import batches
from tests.bench.bench_states import machine, say
from tests.bench.day_log import ReferenceLoad
from tests.bench.signals import Floats, Integers

CHANNELS = (
    *("inverter_power", "load_power", "cell_voltage_1", "cell_voltage_2", "battery_temperature_1"),
    *("mosfet_temperature_1", "mppt_input_current", "mppt_output_current", "mppt_output_voltage"),
    "battery_temperature_2",
)
ASKED = "load_power"
BATCH_LINES = 5000
QUARTER_S, DAY_S = 900, 86_400
RUNS = 5
SETTLED_S = 15.0
"""So long nothing must change in the folder of InfluxDB before its size counts."""
RECORDED = 20_000
"""States that go the whole way through the recorder, to learn its pace."""
BEGIN, END = "<!-- history -->", "<!-- end of history -->"
_CLOCK = Clock(0, 400, 3, 1)

type Hours = tuple[NDArray[np.int64], Floats, Floats, Floats]
"""Start (UTC s), mean, minimum and maximum."""


@dataclass(frozen=True, slots=True)
class Data:
    """What all three get: integers of the log by house and channel, from `begin_s` (UTC) on."""

    begin_s: int
    channels: dict[str, Channel]
    seconds: dict[str, dict[str, Integers]]
    year_begin_s: int
    quarters: dict[str, Integers]
    """A sample every quarter of an hour of one house."""

    @property
    def end_s(self) -> int:
        """End of the seconds."""
        return self.begin_s + len(next(iter(self.seconds.values()))[ASKED])

    @property
    def values(self) -> int:
        """Number of values at 1 s."""
        return sum(len(series) for house in self.seconds.values() for series in house.values())

    def scaled(self, house: str, name: str) -> Floats:
        """Return the values of a second channel in its unit."""
        return self.channels[name].scaled(self.seconds[house][name])

    def hours(self, name: str) -> Hours:
        """Return the hours of the year."""
        values = self.channels[name].scaled(self.quarters[name]).reshape(-1, 4)
        times = self.year_begin_s + 3600 * np.arange(len(values))
        return times, values.mean(axis=1), values.min(axis=1), values.max(axis=1)


def make_data(houses: int, seconds: int, days: int) -> Data:
    """Return the data; each house has the day of the reference load at another time of day."""
    load = ReferenceLoad(seconds)
    metrics = [HOUSE.by_key[name] for name in CHANNELS]
    channels = {}
    for number, metric in enumerate(metrics, 1):
        assert metric.log is not None
        channels[metric.key] = Channel(
            number, metric.key, metric.unit or "", 1_000_000, metric.log.exponent, width=4
        )
    of_house = {
        metric.key: np.round(load.metric(metric, 1_000_000) / channels[metric.key].scale).astype(np.int32)
        for metric in metrics
    }
    rng = np.random.default_rng(5)
    quarters = days * DAY_S // QUARTER_S
    now_s = int(time.time()) // DAY_S * DAY_S
    return Data(
        int(time.time()) // 3600 * 3600 - seconds,
        channels,
        {
            f"house-{number + 1:02d}": {
                name: np.roll(values, number * 6007) for name, values in of_house.items()
            }
            for number in range(houses)
        },
        now_s - days * DAY_S,
        {
            name: (
                np.resize(values[:: max(1, QUARTER_S * len(values) // DAY_S)], quarters)
                + rng.integers(-3, 4, quarters)
            ).astype(np.int32)
            for name, values in of_house.items()
        },
    )


@dataclass(slots=True)
class Result:
    """What one store did; seconds, bytes and milliseconds by the name of the row."""

    name: str
    figures: dict[str, float] = field(default_factory=dict)


async def best_ms(work: Callable[[], Awaitable[Any]]) -> float:
    """Return the best time of some runs."""
    found = []
    for _ in range(RUNS):
        began = time.perf_counter()
        await work()
        found.append(time.perf_counter() - began)
    return min(found) * 1000


def same(found: Any, expected: Any) -> None:
    """Raise when an answer is not what numpy says."""
    np.testing.assert_allclose(np.asarray(found, float), np.asarray(expected, float), rtol=1e-9, atol=1e-9)


def minute_means(data: Data, house: str) -> Floats:
    """Return what the minutes of a house are."""
    means: Floats = data.scaled(house, ASKED).reshape(-1, 60).mean(axis=1)
    return means


# ---------------------------------------------------------------------------------------------- our archive


def log(
    schema: Schema, series: dict[str, Integers], begin_s: int, span_s: int, per_frame: int
) -> Iterator[Frame]:
    """Yield the log of a node whose channels are all in frames of `span_s` seconds."""
    seq = 0

    def frame(kind: Kind, at_s: int, payload: bytes, flags: int = 0, blocks: int = 0) -> Frame:
        nonlocal seq
        seq += 1
        at_us = at_s * 1_000_000
        utc_us = begin_s * 1_000_000 + at_us
        return Frame(kind, seq - 1, 0x0B0B, schema.hash, at_us, utc_us, payload, flags, blocks)

    yield frame(Kind.SCHEMA, 0, schema.payload)
    yield frame(Kind.BOOT, 0, Boot(1, "1.0", 0, 0).encode())
    count = len(next(iter(series.values())))
    for number in range(count // per_frame):
        part = slice(number * per_frame, (number + 1) * per_frame)
        samples = {channel.id: (series[channel.name][part], None) for channel in schema.channels}
        yield frame(
            Kind.SLOW, number * span_s, *encode_samples(schema, Kind.SLOW, span_s * 1000, samples, _CLOCK)
        )


def with_period(channels: dict[str, Channel], period_s: int) -> tuple[Channel, ...]:
    """Return the channels with another sampling period."""
    return tuple(
        Channel(found.id, found.name, found.unit, period_s * 1_000_000, found.exponent, width=4)
        for found in channels.values()
    )


async def measure_archive(data: Data, folder: Path) -> Result:
    """Write to our archive and ask it."""
    result = Result("archive")
    figures = result.figures
    schema = Schema("house", "north", with_period(data.channels, 1))
    logs = {
        house: [batch.payload for batch in batches(log(schema, series, data.begin_s, 60, 60))]
        for house, series in data.seconds.items()
    }
    keep_s = (data.end_s - data.year_begin_s) + 40 * DAY_S
    keep = Retention(raw_s=7 * DAY_S, minute_s=30 * DAY_S, hour_s=keep_s)
    with Archive(folder / "day", retention=keep) as archive:
        began = time.perf_counter()
        for at in range(max(map(len, logs.values()))):
            for house, payloads in logs.items():
                if at < len(payloads):
                    archive.append(house, [payloads[at]], in_order=True)
        figures["append"] = time.perf_counter() - began
        archive.roll_up()
        figures["write"] = time.perf_counter() - began
        archive.checkpoint()
        sizes = archive.sizes()
        figures["bytes"] = sizes.log + sizes.index
        queries, house = archive.queries, next(iter(data.seconds))

        async def day() -> Floats:
            end_us = data.end_s * 1_000_000
            return queries.series(house, [ASKED], data.begin_s * 1_000_000, end_us)[ASKED].values

        async def minutes() -> list[Floats]:
            return [
                queries.history(node, [ASKED], data.begin_s, data.end_s, MINUTE)[ASKED].mean
                for node in data.seconds
            ]

        same(await day(), data.scaled(house, ASKED))
        same(await minutes(), [minute_means(data, node) for node in data.seconds])
        figures["day"], figures["minutes"] = await best_ms(day), await best_ms(minutes)
    say("archive: the year")
    schema = Schema("house", "north", with_period(data.channels, QUARTER_S))
    frames = log(schema, data.quarters, data.year_begin_s, DAY_S, DAY_S // QUARTER_S)
    with Archive(folder / "year", retention=keep) as archive:
        began = time.perf_counter()
        archive.append("house-01", frames)
        archive.roll_up()
        figures["year_write"] = time.perf_counter() - began
        times, *expected = data.hours(ASKED)

        async def year() -> list[Floats]:
            found = archive.queries.history("house-01", [ASKED], int(times[0]), int(times[-1]) + 3600, HOUR)[
                ASKED
            ]
            return [found.mean, found.minimum, found.maximum]

        same(await year(), expected)
        figures["year"] = await best_ms(year)
        archive.enforce_retention()
        archive.checkpoint()
        sizes = archive.sizes()
        figures["year_bytes"] = sizes.log + sizes.index
        same(await year(), expected)
    return result


# ------------------------------------------------------------------------------------------------- InfluxDB


@asynccontextmanager
async def influx(folder: Path) -> Any:
    """Run a server that compacts at once, so that its size is the final one."""
    at_once = {
        "INFLUXDB_DATA_CACHE_SNAPSHOT_WRITE_COLD_DURATION": "2s",
        "INFLUXDB_DATA_COMPACT_FULL_WRITE_COLD_DURATION": "2s",
    }
    with patch.dict(os.environ, at_once):
        server = InfluxServer(folder)
    try:
        await server.up()
        yield server
    finally:
        server.kill()


def folder_bytes(folder: Path) -> int:
    """Return what all files below take; InfluxDB makes some larger than what is in them."""
    return sum(path.stat().st_blocks * 512 for path in folder.rglob("*") if path.is_file())


async def settled_bytes(server_folder: Path, timeout_s: float = 180.0) -> int:
    """Wait until the write-ahead log is compacted away; return bytes of data and log."""
    deadline, before, since = time.monotonic() + timeout_s, -1, time.monotonic()
    while time.monotonic() < deadline:
        size = folder_bytes(server_folder / "data") + folder_bytes(server_folder / "wal")
        if size != before:
            before, since = size, time.monotonic()
        elif time.monotonic() - since > SETTLED_S:
            break
        await asyncio.sleep(0.5)
    return before


def lines(columns: dict[str, list[str]], house: str, times_s: NDArray[np.int64]) -> list[bytes]:
    """Return lines of one house."""
    head = f"house_data,cluster=north,node={house},swarm=bench "
    names = list(columns)
    return [
        (
            head + ",".join(f"{name}={value}" for name, value in zip(names, row, strict=True)) + f" {at}"
        ).encode()
        for at, row in zip(times_s.tolist(), zip(*columns.values(), strict=True), strict=True)
    ]


def texts(values: Floats) -> list[str]:
    """Return numbers as people write them."""
    return [repr(round(value, 6)) for value in values.tolist()]


async def measure_influx(data: Data, folder: Path) -> Result:
    """Write to a real InfluxDB and ask it."""
    result = Result("InfluxDB 1.x")
    figures = result.figures
    times_s = np.arange(data.begin_s, data.end_s)
    by_house = [
        lines({name: texts(data.scaled(house, name)) for name in data.channels}, house, times_s)
        for house in data.seconds
    ]
    ordered = [line for together in zip(*by_house, strict=True) for line in together]
    hours: dict[str, list[str]] = {}
    year_s, *_ = data.hours(ASKED)
    for name in data.channels:
        _, mean, low, high = data.hours(name)
        hours |= {name: texts(mean), f"{name}_min": texts(low), f"{name}_max": texts(high)}
    of_year = lines(hours, "house-01", year_s)
    async with influx(folder) as server, aiohttp.ClientSession() as session:
        await Influx1(session, Access(server.url)).provision()

        async def write(policy: str, found: list[bytes]) -> float:
            began = time.perf_counter()
            for at in range(0, len(found), BATCH_LINES):
                body = b"\n".join(found[at : at + BATCH_LINES])
                url = f"{server.url}/write?db=microgrid&rp={policy}&precision=s"
                async with session.post(url, data=body) as answer:
                    assert answer.status == 204, await answer.text()
            return time.perf_counter() - began

        async def select(what: str, policy: str, begin_s: int, end_s: int, more: str = "") -> list[Any]:
            statement = (
                f'SELECT {what} FROM "microgrid"."{policy}"."house_data" '
                f"WHERE time >= {begin_s}s AND time < {end_s}s {more}"
            )
            return await ask(session, Access(server.url), 1, statement)

        figures["write"] = figures["append"] = await write("rp_1m", ordered)
        figures["bytes"] = await settled_bytes(folder)
        house = next(iter(data.seconds))

        async def day() -> list[Any]:
            return await select(ASKED, "rp_1m", data.begin_s, data.end_s, f"AND node = '{house}'")

        async def minutes() -> list[Any]:
            by = "GROUP BY time(1m), node"
            return await select(f"mean({ASKED}) AS mean", "rp_1m", data.begin_s, data.end_s, by)

        same((await day())[0].column(ASKED), data.scaled(house, ASKED))
        same(
            [found.column("mean") for found in await minutes()],
            [minute_means(data, node) for node in data.seconds],
        )
        figures["day"], figures["minutes"] = await best_ms(day), await best_ms(minutes)
        say("InfluxDB: the year")
        figures["year_write"] = await write("rp_1h", of_year)
        figures["year_bytes"] = await settled_bytes(folder) - figures["bytes"]
        times, *expected = data.hours(ASKED)
        columns = (ASKED, f"{ASKED}_min", f"{ASKED}_max")

        async def year() -> list[Any]:
            wanted = ", ".join(columns)
            return await select(
                wanted, "rp_1h", int(times[0]), int(times[-1]) + 3600, "AND node = 'house-01'"
            )

        (found,) = await year()
        for column, values in zip(columns, expected, strict=True):
            np.testing.assert_allclose(found.column(column), values, atol=1e-5)
        figures["year"] = await best_ms(year)
    return result


# ------------------------------------------------------------------------------------------------- recorder


@asynccontextmanager
async def recorder(folder: Path) -> Any:
    """Run a core of Home Assistant with its recorder on an SQLite file."""
    await asyncio.to_thread(folder.mkdir, parents=True)
    async with async_test_home_assistant(config_dir=str(folder)) as hass:
        async_initialize_recorder(hass)
        options = {"db_url": f"sqlite:///{folder / 'home-assistant_v2.db'}", "auto_purge": False}
        assert await async_setup_component(hass, "recorder", {"recorder": options})
        await get_instance(hass).async_block_till_done()
        try:
            yield hass
        finally:
            await hass.async_stop(force=True)


def entity(house: str, name: str) -> str:
    """Return an entity id."""
    return f"sensor.{house.replace('-', '_')}_{name}"


def insert_states(hass: HomeAssistant, data: Data) -> float:
    """Insert changes of all entities in the order of time, by the recorder's models; returns seconds."""
    keys = {}
    columns: dict[tuple[str, str], tuple[list[str], NDArray[np.bool_]]] = {}
    with get_instance(hass).get_session() as session:
        for house in data.seconds:
            for name, channel in data.channels.items():
                meta = StatesMeta(entity_id=entity(house, name))
                attributes = StateAttributes(
                    shared_attrs=f'{{"unit_of_measurement":"{channel.unit}","entity":"{house} {name}"}}',
                    hash=1,
                )
                session.add_all([meta, attributes])
                session.flush()
                keys[house, name] = (meta.metadata_id, attributes.attributes_id)
                values = data.seconds[house][name]
                changed = np.concatenate(([True], values[1:] != values[:-1]))
                columns[house, name] = (texts(data.scaled(house, name)), changed)
        session.commit()
    newest: dict[int, int] = {}
    took = 0.0
    state_id = 0
    for minute_s in range(data.begin_s, data.end_s, 60):
        rows = []
        for at_s in range(minute_s, minute_s + 60):
            at = at_s - data.begin_s
            for place, (meta_id, attributes_id) in keys.items():
                told, changed = columns[place]
                if changed[at]:
                    state_id += 1
                    rows.append(
                        {
                            "state_id": state_id,
                            "state": told[at],
                            "metadata_id": meta_id,
                            "attributes_id": attributes_id,
                            "last_updated_ts": float(at_s),
                            "old_state_id": newest.get(meta_id),
                            "origin_idx": 0,
                            "context_id_bin": ulid_to_bytes(ulid_at_time(at_s)),
                        }
                    )
                    newest[meta_id] = state_id
        began = time.perf_counter()
        with get_instance(hass).get_session() as session:
            session.execute(insert(States), rows)
            session.commit()
        took += time.perf_counter() - began
    return took


def database_bytes(hass: HomeAssistant) -> int:
    """Return the size of the database, with nothing left in its write-ahead log."""
    with get_instance(hass).get_session() as session:
        session.execute(text("PRAGMA wal_checkpoint(TRUNCATE)")).fetchall()
        session.commit()
    return sum(path.stat().st_size for path in Path(hass.config.config_dir).glob("home-assistant_v2.db*"))


async def recorded_per_second(hass: HomeAssistant) -> float:
    """Return how many states a second go through the recorder when nothing else is to be done."""
    began = time.perf_counter()
    for number in range(RECORDED):
        hass.states.async_set(f"sensor.pace_{number % 120}", str(number), {"unit_of_measurement": "W"})
        if number % 500 == 0:
            await asyncio.sleep(0)
    await get_instance(hass).async_block_till_done()
    return RECORDED / (time.perf_counter() - began)


async def measure_recorder(data: Data, folder: Path) -> Result:
    """Write into the tables of the recorder and ask as Home Assistant does."""
    result = Result("recorder")
    figures = result.figures
    async with recorder(folder) as hass:
        worker = get_instance(hass)

        async def job[T](work: Callable[..., T], *args: Any) -> T:
            return await worker.async_add_executor_job(work, *args)

        empty = await job(database_bytes, hass)
        figures["write"] = figures["append"] = await job(insert_states, hass, data)
        figures["bytes"] = await job(database_bytes, hass) - empty
        house = next(iter(data.seconds))
        # The recorder's range is open on the left.
        span = (datetime.fromtimestamp(data.begin_s - 1, UTC), datetime.fromtimestamp(data.end_s, UTC))

        def states() -> list[Any]:
            asked = entity(house, ASKED)
            return history.state_changes_during_period(hass, *span, asked, no_attributes=True)[asked]

        def means() -> list[Any]:
            # Of states alone: short-term statistics have no minutes. The mean of changes is not that of time.
            statement = text(
                "SELECT metadata_id, CAST(last_updated_ts / 60 AS INTEGER) AS minute, AVG(state + 0.0) "
                "FROM states WHERE metadata_id IN "
                "(SELECT metadata_id FROM states_meta WHERE entity_id LIKE :name) "
                "AND last_updated_ts >= :begin AND last_updated_ts < :end GROUP BY metadata_id, minute"
            )
            bound = {"name": f"%{ASKED}", "begin": data.begin_s, "end": data.end_s}
            with worker.get_session() as session:
                return list(session.execute(statement, bound).all())

        found = await job(states)
        values = data.scaled(house, ASKED)
        same([float(state.state) for state in found], values[np.concatenate(([True], np.diff(values) != 0))])
        assert len(await job(means)) == len(data.seconds) * (data.end_s - data.begin_s) // 60
        figures["day"] = await best_ms(lambda: job(states))
        figures["minutes"] = await best_ms(lambda: job(means))
        say("recorder: the year")
        before = await job(database_bytes, hass)
        began = time.perf_counter()
        for name in data.channels:
            add_year(hass, data, name)
        await worker.async_block_till_done()
        figures["year_write"] = time.perf_counter() - began
        figures["year_bytes"] = await job(database_bytes, hass) - before
        times, *expected = data.hours(ASKED)
        ends = (datetime.fromtimestamp(times[0], UTC), datetime.fromtimestamp(times[-1] + 3600, UTC))
        wanted = f"bench:{ASKED}"

        def year() -> list[Any]:
            found = statistics_during_period(hass, *ends, {wanted}, "hour", None, {"mean", "min", "max"})
            return found[wanted]

        rows = await job(year)
        same([[row[key] for row in rows] for key in ("mean", "min", "max")], expected)
        figures["year"] = await best_ms(lambda: job(year))
        figures["pace"] = await recorded_per_second(hass)
    return result


def add_year(hass: HomeAssistant, data: Data, name: str) -> None:
    """Give the hours of a channel to the recorder."""
    metadata = StatisticMetaData(
        mean_type=StatisticMeanType.ARITHMETIC,
        has_sum=False,
        name=name,
        source="bench",
        statistic_id=f"bench:{name}",
        unit_class=None,
        unit_of_measurement=data.channels[name].unit,
    )
    async_add_external_statistics(
        hass,
        metadata,
        [
            StatisticData(start=datetime.fromtimestamp(at, UTC), mean=mean, min=low, max=high)
            for at, mean, low, high in zip(*(column.tolist() for column in data.hours(name)), strict=True)
        ],
    )


# --------------------------------------------------------------------------------------------------- report


ROWS: tuple[tuple[str, str, str, float], ...] = (
    ("write", "writing the day, s", ".1f", 1.0),
    ("bytes", "the day on disk, MB", ".1f", 1e-6),
    ("day", "one house, one channel, the day at 1 s, ms", ".1f", 1.0),
    ("minutes", "all houses, one channel, the day by minutes, ms", ".1f", 1.0),
    ("year_write", "writing the hours, s", ".1f", 1.0),
    ("year_bytes", "the hours on disk, MB", ".2f", 1e-6),
    ("year", "one channel, the hours of the year, ms", ".1f", 1.0),
)


def report(data: Data, results: list[Result], load: float) -> str:
    """Return the results as Markdown."""
    ours = results[0]
    others = results[1:]
    head = ["", *(found.name for found in results), *(f"archive : {found.name}" for found in others)]
    text = [
        f"{len(data.seconds)} houses, {len(data.channels)} channels, "
        f"{(data.end_s - data.begin_s) / 3600:g} h at 1 s ({data.values / 1e6:.1f} million values); "
        f"hours: one house, {len(data.quarters[ASKED]) // 96} days, mean, minimum and maximum; "
        f"best of {RUNS}; load of the machine before the run {load:.1f}; {machine()}.",
        "",
        f"| {' | '.join(head)} |",
        "|---|" + "---:|" * (len(head) - 1),
    ]
    for key, name, form, factor in ROWS:
        cells = [format(found.figures[key] * factor, form) for found in results]
        cells += [f"1 : {found.figures[key] / ours.figures[key]:.2g}" for found in others]
        text.append(f"| {name} | {' | '.join(cells)} |")
    pace = results[2].figures["pace"]
    text += [
        "",
        f"- Of the archive's {ours.figures['write']:.1f} s for the day {ours.figures['append']:.1f} s are "
        "log messages put on disk one by one, the rest roll-ups; its hours are rolled up from samples every "
        "quarter of an hour.",
        f"- Through the recorder itself go {pace:.0f} states a second on this machine: the day would take "
        f"{data.values / pace / 60:.0f} min.",
        "- The recorder has no minutes: its answer is averaged from states, written when they change.",
    ]
    return "\n".join(text)


async def measure(houses: int, seconds: int, days: int, folder: Path) -> str:
    """Measure all three, one after the other."""
    load = os.getloadavg()[0]
    data = make_data(houses, seconds, days)
    results = []
    for name, work in (
        ("archive", measure_archive),
        ("influx", measure_influx),
        ("recorder", measure_recorder),
    ):
        say(f"{name}: the day")
        results.append(await work(data, folder / name))
    return report(data, results, load)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        prog="tests.bench.bench_history", description=(__doc__ or "").splitlines()[0]
    )
    parser.add_argument("--houses", type=int, default=12)
    parser.add_argument("--hours", type=int, default=24, help="at 1 s (default: 24)")
    parser.add_argument("--days", type=int, default=365, help="of hours (default: 365)")
    parser.add_argument(
        "--write", type=Path, help=f"also replace what stands between {BEGIN} and {END} in a file"
    )
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="microgrid-bench-") as folder:
        found = asyncio.run(measure(chosen.houses, chosen.hours * 3600, chosen.days, Path(folder)))
    print(found)
    if chosen.write is not None:
        before, _, rest = chosen.write.read_text().partition(BEGIN)
        _, _, after = rest.partition(END)
        chosen.write.write_text(f"{before}{BEGIN}\n{found}\n{END}{after}")


if __name__ == "__main__":
    main()
