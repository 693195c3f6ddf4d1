"""Long-term statistics from the archive, in a real recorder, against the ledger of what the nodes wrote."""

from __future__ import annotations

import asyncio
import shutil
import time
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import pytest
from homeassistant.components.recorder import Recorder, get_instance
from homeassistant.components.recorder.models import StatisticMeanType
from homeassistant.components.recorder.statistics import get_metadata, statistics_during_period
from homeassistant.core import HomeAssistant
from pytest_homeassistant_custom_component.common import MockConfigEntry
from pytest_homeassistant_custom_component.typing import MqttMockHAClient

from custom_components.microgrid.const import DOMAIN
from custom_components.microgrid.core.archive.archive import Archive
from custom_components.microgrid.runtime import MicrogridRuntime
from custom_components.microgrid.statistics import SINK, statistic_id
from microgrid_core.codec.umg1.frame import Frame, Kind
from microgrid_core.codec.umg1.records import Clock
from microgrid_core.codec.umg1.samples import encode_samples
from microgrid_core.codec.umg1.schema import Channel, Schema
from tests.unit.core.archive.logs import HOUR_US, MINUTE_US, SECOND_US, Node, truth

from .voices import SWARM, Voice

HOUSE = "house-1"
EXPORTED = "microgrid:demo_house_1_energy_exported"
FREQUENCY = "microgrid:demo_house_1_inverter_frequency"
HOUR_S = 3600

type Row = dict[str, Any]


def begin_us(hours_ago: int) -> int:
    """Return the top of an hour that is over."""
    return (time.time_ns() // 1000 // HOUR_US - hours_ago) * HOUR_US


@pytest.fixture
async def runtime(recorder_mock: Recorder, hass: HomeAssistant, entry: MockConfigEntry) -> MicrogridRuntime:
    """A loaded swarm with one house, beside a recorder."""
    await Voice(hass, HOUSE, "house", "House 1").greet()
    found: MicrogridRuntime = entry.runtime_data
    return found


async def store(runtime: MicrogridRuntime, frames: Iterable[Frame], node: str = HOUSE) -> int:
    """Put frames into the archive, roll up and import; returns the number of hours."""
    archive = runtime.historian.archive
    assert archive is not None
    await runtime.historian.write(archive.append, node, [frame.encode() for frame in frames])
    await runtime.historian.write(archive.roll_up)
    return await runtime.statistics.async_import()


async def rows(hass: HomeAssistant, wanted: str = EXPORTED) -> list[Row]:
    """Return all hours of a statistic."""

    def read() -> list[Row]:
        found = statistics_during_period(
            hass,
            datetime.fromtimestamp(0, UTC),
            None,
            {wanted},
            "hour",
            None,
            {"mean", "min", "max", "sum", "state"},
        )
        return [dict(row) for row in found.get(wanted, [])]

    return await get_instance(hass).async_add_executor_job(read)


def ledger(frames: Iterable[Frame], name: str = "energy_exported") -> dict[int, float]:
    """Return what a counter has counted (kWh) up to the end of each hour; one that falls began at zero."""
    samples = truth(frames)[name]
    total, sums, before = 0.0, {}, None
    for time_us, value in zip(samples.times_us.tolist(), samples.values.tolist(), strict=True):
        if before is not None:
            total += value - before if value >= before else value
        before = value
        sums[time_us // HOUR_US * HOUR_S] = total / 1000
    return sums


class Meter(Node):
    """A house that counts what it is told to: one sample of one counter a minute."""

    CHANNEL = Channel(3, "energy_exported", "Wh", MINUTE_US, width=4)
    SCHEMA = Schema("h1", "c1", (CHANNEL,))

    def count(self, *values: int) -> list[Frame]:
        """Return frames with one reading a minute."""
        frames = []
        for value in values:
            samples = {self.CHANNEL.id: (np.array([value], np.int64), None)}
            payload, flags, blocks = encode_samples(
                self.schema, Kind.SLOW, 60_000, samples, Clock(0, 500, 3, 1)
            )
            frames.append(self.frame(Kind.SLOW, payload, flags, blocks))
            self.mono_us += MINUTE_US
        return frames


def meter(hours_ago: int, boot_id: int = 1, minutes: int = 0) -> Meter:
    """Return a house that started some hours (and minutes less) ago."""
    return Meter(boot_id=boot_id, utc_us=begin_us(hours_ago) + minutes * MINUTE_US, schema=Meter.SCHEMA)


async def test_hours_equal_the_ledger(hass: HomeAssistant, runtime: MicrogridRuntime) -> None:
    log = Node(utc_us=begin_us(4))
    frames = [*log.start(), *log.minutes(3 * 60)]
    assert await store(runtime, frames)

    expected = ledger(frames)
    found = await rows(hass)
    assert [row["start"] for row in found] == list(expected)
    assert [row["sum"] for row in found] == pytest.approx(list(expected.values()), rel=1e-3)
    assert found[-1]["sum"] > 0.5

    frequency = truth(frames)["inverter_frequency"]
    for row in await rows(hass, FREQUENCY):
        inside = frequency.values[frequency.times_us // HOUR_US * HOUR_S == row["start"]]
        assert row["mean"] == pytest.approx(inside.mean())
        assert (row["min"], row["max"]) == (pytest.approx(inside.min()), pytest.approx(inside.max()))


async def test_what_the_recorder_is_told(hass: HomeAssistant, runtime: MicrogridRuntime) -> None:
    log = Node(utc_us=begin_us(2))
    await store(runtime, [*log.start(), *log.minutes(60)])
    found = await get_instance(hass).async_add_executor_job(
        lambda: {key: meta for key, (_, meta) in get_metadata(hass, statistic_source=DOMAIN).items()}
    )
    assert set(found) == {
        EXPORTED,
        FREQUENCY,
        "microgrid:demo_house_1_exchange_power",
        "microgrid:demo_house_1_battery_power",
    }
    energy, frequency = found[EXPORTED], found[FREQUENCY]
    assert (energy["name"], energy["unit_of_measurement"], energy["unit_class"]) == (
        "House 1 Energy exported",
        "kWh",
        "energy",
    )
    assert (energy["has_sum"], energy["mean_type"]) == (True, StatisticMeanType.NONE)
    assert (frequency["name"], frequency["unit_of_measurement"], frequency["unit_class"]) == (
        "House 1 Inverter Frequency",
        "Hz",
        "frequency",
    )
    assert (frequency["has_sum"], frequency["mean_type"]) == (False, StatisticMeanType.ARITHMETIC)


async def test_late_hours_are_sorted_in(hass: HomeAssistant, runtime: MicrogridRuntime) -> None:
    log = Node(utc_us=begin_us(7))
    frames = [*log.start(), *log.minutes(6 * 60)]
    hours = [[frame for frame in frames if frame.mono_us // HOUR_US == hour] for hour in range(6)]
    await store(runtime, hours[0] + hours[1] + hours[4] + hours[5])
    early = await rows(hass)
    assert len(early) == 6, "hours without data have the growth in between, so that no bar holds all of it"
    steps = np.diff([row["sum"] for row in early])
    assert steps[1] == pytest.approx(steps[2])  # the counter tells how much it was, nobody when
    assert steps.max() < 2 * steps.mean()
    assert len(await rows(hass, FREQUENCY)) == 4, "what was not measured has no mean"

    await store(runtime, hours[3])
    await store(runtime, hours[2])
    expected = ledger(frames)
    assert [row["sum"] for row in await rows(hass)] == pytest.approx(list(expected.values()), rel=1e-3)
    assert len(await rows(hass, FREQUENCY)) == 6


async def test_what_came_before_everything_known(hass: HomeAssistant, runtime: MicrogridRuntime) -> None:
    log = Node(utc_us=begin_us(5))
    frames = [*log.start(), *log.minutes(4 * 60)]
    head = [frame for frame in frames if frame.mono_us < 2 * HOUR_US]
    await store(runtime, [frame for frame in frames if frame not in head])
    await store(runtime, head)
    expected = ledger(frames)
    assert {row["start"]: row["sum"] for row in await rows(hass)} == pytest.approx(expected, rel=1e-3)


async def test_an_hour_again_changes_nothing(hass: HomeAssistant, runtime: MicrogridRuntime) -> None:
    log = Node(utc_us=begin_us(4))
    frames = [*log.start(), *log.minutes(3 * 60)]
    await store(runtime, frames)
    first = await rows(hass), await rows(hass, FREQUENCY)
    assert await runtime.statistics.async_import() == 0
    archive = runtime.historian.archive
    assert archive is not None
    with archive.index.write() as connection:  # as after a crash before the place was noted
        connection.execute("UPDATE sink SET revision = 0 WHERE name = ?", (SINK,))
    assert await runtime.statistics.async_import() >= 3
    assert (await rows(hass), await rows(hass, FREQUENCY)) == first


async def test_a_counter_that_restarts(hass: HomeAssistant, runtime: MicrogridRuntime) -> None:
    """Restarted at zero: what it counts from then on is real, and nothing of before is counted again."""
    log, again = meter(3), meter(3, boot_id=2, minutes=70)
    before = log.count(*range(900_000, 900_000 + 70 * 10, 10))
    after = again.count(*range(10, 510, 10))
    await store(runtime, [*log.start(), *before, *again.start(log), *after])
    sums = [row["sum"] for row in await rows(hass)]
    assert sums == pytest.approx([0.590, 0.690 + 0.500])


@pytest.mark.parametrize("glitch", [0, 5, 899_000, 4_000_000_000 // 2])
async def test_a_counter_that_errs(hass: HomeAssistant, runtime: MicrogridRuntime, glitch: int) -> None:
    """One impossible reading, or a return to a count saved earlier, is no energy of years."""
    log = meter(3)
    counts = list(range(900_000, 900_000 + 120 * 10, 10))
    counts[75] = glitch
    await store(runtime, [*log.start(), *log.count(*counts)])
    sums = [row["sum"] for row in await rows(hass)]
    assert sums[0] == pytest.approx(0.590)
    assert 1.15 < sums[1] < 1.22  # at most the minutes beside it are not counted


async def test_a_counter_that_goes_back(hass: HomeAssistant, runtime: MicrogridRuntime) -> None:
    log, again = meter(3), meter(3, boot_id=2, minutes=60)
    before = log.count(*range(900_000, 900_600, 10))
    after = again.count(*range(900_000, 900_600, 10))  # it had saved its count an hour ago
    await store(runtime, [*log.start(), *before, *again.start(log), *after])
    assert [row["sum"] for row in await rows(hass)] == pytest.approx([0.590, 1.180])


async def test_an_hour_that_is_not_over(hass: HomeAssistant, runtime: MicrogridRuntime) -> None:
    log = meter(2)
    counts = log.count(*range(0, 900, 10))
    halfway = datetime.fromtimestamp(log.utc_us / 1e6 + 5400, UTC)
    with patch("custom_components.microgrid.statistics.dt_util.utcnow", return_value=halfway):
        await store(runtime, [*log.start(), *counts])
        assert len(await rows(hass)) == 1
        assert await runtime.statistics.async_import() == 0
    assert await runtime.statistics.async_import() == 1
    assert [row["sum"] for row in await rows(hass)] == pytest.approx([0.590, 0.890])
    assert await runtime.statistics.async_import() == 0


async def test_statistics_go_on_after_a_restart(
    hass: HomeAssistant, runtime: MicrogridRuntime, entry: MockConfigEntry, mqtt_mock: MqttMockHAClient
) -> None:
    log = Node(utc_us=begin_us(6))
    frames = [*log.start(), *log.minutes(5 * 60)]
    await store(runtime, [frame for frame in frames if frame.mono_us < 2.5 * HOUR_US])
    assert await hass.config_entries.async_unload(entry.entry_id)
    assert await hass.config_entries.async_setup(entry.entry_id)
    hours = await store(entry.runtime_data, [frame for frame in frames if frame.mono_us >= 2.5 * HOUR_US])
    assert hours < 5, "the others were done before"
    assert {row["start"]: row["sum"] for row in await rows(hass)} == pytest.approx(ledger(frames), rel=1e-3)


async def test_a_lost_database_is_filled_again(hass: HomeAssistant, runtime: MicrogridRuntime) -> None:
    log = Node(utc_us=begin_us(6))
    frames = [*log.start(), *log.minutes(5 * 60)]
    await store(runtime, [frame for frame in frames if frame.mono_us < 4 * HOUR_US])
    cleared = asyncio.Event()

    def done() -> None:
        hass.loop.call_soon_threadsafe(cleared.set)

    get_instance(hass).async_clear_statistics([EXPORTED, FREQUENCY], on_done=done)
    await cleared.wait()
    assert await rows(hass) == []
    await store(runtime, [frame for frame in frames if frame.mono_us >= 4 * HOUR_US])
    assert {row["start"]: row["sum"] for row in await rows(hass)} == pytest.approx(ledger(frames), rel=1e-3)
    assert len(await rows(hass, FREQUENCY)) == 5


async def test_a_lost_archive_makes_no_step(
    hass: HomeAssistant, runtime: MicrogridRuntime, entry: MockConfigEntry, mqtt_mock: MqttMockHAClient
) -> None:
    log = meter(6)
    await store(runtime, [*log.start(), *log.count(*range(0, 1200, 10))])  # two hours
    assert await hass.config_entries.async_unload(entry.entry_id)
    folder = Path(hass.config.path(DOMAIN, SWARM, "archive"))
    await hass.async_add_executor_job(shutil.rmtree, folder)
    assert await hass.config_entries.async_setup(entry.entry_id)
    log = meter(2, boot_id=2)
    await store(entry.runtime_data, [*log.start(), *log.count(*range(2400, 3000, 10))])
    sums = [row["sum"] for row in await rows(hass)]
    assert len(sums) == 5
    assert sums[-1] == pytest.approx(2.990)
    assert np.diff(sums).max() < 0.7


async def test_a_node_that_nobody_announced(hass: HomeAssistant, runtime: MicrogridRuntime) -> None:
    """Its log arrived before an outage, its birth is still on the way."""
    log = meter(2)
    await store(runtime, [*log.start(), *log.count(*range(0, 600, 10))], "house-9")
    assert (await rows(hass, "microgrid:demo_house_9_energy_exported"))[0]["sum"] == pytest.approx(0.590)


async def test_the_retention_waits_for_no_statistics(hass: HomeAssistant, runtime: MicrogridRuntime) -> None:
    """They are made of hours: files that are due may go, whatever was imported."""
    log = Node(utc_us=begin_us(24 * 20))
    archive = runtime.historian.archive
    assert archive is not None
    await store(runtime, [*log.start(), *log.minutes(5)])
    log.mono_us += 60 * SECOND_US
    await runtime.historian.write(archive.append, HOUSE, [frame.encode() for frame in log.minutes(1)])
    with archive.index.write() as connection:
        connection.execute("UPDATE file SET state = 1")
    report = await runtime.historian.write(archive.enforce_retention)
    assert (report.files, report.waiting) == (1, [])


async def test_without_a_recorder_nothing_happens(
    hass: HomeAssistant, entry: MockConfigEntry, mqtt_mock: MqttMockHAClient
) -> None:
    log = meter(2)
    archive = entry.runtime_data.historian.archive
    assert isinstance(archive, Archive)
    assert await store(entry.runtime_data, [*log.start(), *log.count(1, 2, 3)]) == 0


@pytest.mark.parametrize(
    ("swarm", "node", "expected"),
    [
        ("demo", "house-1", "microgrid:demo_house_1_load_energy"),
        ("demo", "house_1", "microgrid:demo_house_1_dd358d87_load_energy"),
        ("demo", "_house--1_", "microgrid:demo_house_1_8a8d2d5c_load_energy"),
        ("sunny-street", "a", "microgrid:sunny_street_a_002471e2_load_energy"),
        ("sunny", "street-a", "microgrid:sunny_street_a_load_energy"),
    ],
)
def test_ids_are_lawful_and_differ(swarm: str, node: str, expected: str) -> None:
    assert statistic_id(swarm, node, "load_energy") == expected
