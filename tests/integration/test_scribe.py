"""Readings of nodes without a log: kept with the times at which they were made, each once."""

from __future__ import annotations

import errno
import json
import time
from typing import Any
from unittest.mock import patch

import pytest
from homeassistant.core import HomeAssistant
from homeassistant.util import dt as dt_util
from pytest_homeassistant_custom_component.common import MockConfigEntry, async_fire_mqtt_message
from pytest_homeassistant_custom_component.typing import MqttMockHAClient

from custom_components.microgrid import scribe as scribe_module
from custom_components.microgrid.core.archive import store
from custom_components.microgrid.core.archive.archive import Archive
from custom_components.microgrid.core.archive.query import Series
from custom_components.microgrid.core.archive.rollup import HOUR
from custom_components.microgrid.core.model.kinds import KINDS
from microgrid_core.codec.umg1.frame import Frame
from microgrid_core.codec.umg1.records import UNKNOWN_ERROR, Clock, ClockSource
from microgrid_core.codec.umg1.wire import Cursor
from microgrid_core.model.kinds import KINDS as CORE_KINDS
from microgrid_core.model.reading_log import ReadingLog

from .sources.test_heat_pump_mqtt import DATA, NODE, sample
from .test_historian import until


def now_ms() -> int:
    """Return the time with the digits that a payload has."""
    return int(dt_util.utcnow().timestamp() * 1000)


def say(hass: HomeAssistant, *at_ms: int, **changes: Any) -> None:
    """Let the heat pump send readings of some times: each says in its inlet temperature which it is."""
    readings = [
        sample(**changes) | {"timestamp": at, "temperature": {"inlet": number, "outlet": 50.25}}
        for number, at in enumerate(at_ms, 20)
    ]
    payload: Any = readings[0] if len(readings) == 1 else readings
    async_fire_mqtt_message(hass, DATA, json.dumps(payload), qos=1)


def archive_of(entry: MockConfigEntry) -> Archive:
    """Return the open archive."""
    archive = entry.runtime_data.historian.archive
    assert isinstance(archive, Archive)
    return archive


async def kept(hass: HomeAssistant, entry: MockConfigEntry) -> dict[str, Series]:
    """Return all samples of the heat pump."""
    return await hass.async_add_executor_job(archive_of(entry).series, NODE, None, 0, 1 << 60)


async def stored(hass: HomeAssistant, entry: MockConfigEntry, count: int) -> dict[str, Series]:
    """Wait until so many readings are kept."""
    await hass.async_block_till_done()
    await until(lambda: not entry.runtime_data.scribe._waiting and not entry.runtime_data.historian.held)
    found = await kept(hass, entry)
    assert {len(series.times_us) for series in found.values()} == {count}
    return found


async def test_readings_are_kept_as_they_were(
    hass: HomeAssistant, entry: MockConfigEntry, mqtt_mock: MqttMockHAClient
) -> None:
    at = now_ms()
    say(hass, at)
    found = await stored(hass, entry, 1)
    assert {name: (series.values[0], series.unit) for name, series in found.items()} == {
        "temp_inlet": (20.0, "°C"),
        "temp_outlet": (50.25, "°C"),
        "voltage": (230.5, "V"),
        "current": (8.5, "A"),
        "pressure_high": (250.0, "psi"),
        "pressure_low": (40.0, "psi"),
        "compressor_running": (1.0, ""),
        "fan_running": (1.0, ""),
        "defrost_active": (0.0, ""),
    }
    assert {series.times_us[0] for series in found.values()} == {at * 1000}


async def test_what_was_buffered_is_kept_in_its_place(
    hass: HomeAssistant, entry: MockConfigEntry, mqtt_mock: MqttMockHAClient
) -> None:
    at = now_ms()
    say(hass, at - 60_000)
    await stored(hass, entry, 1)
    buffered = range(at - 7_260_000, at - 3_660_000, 60_000)  # an hour, before what came already
    say(hass, *buffered)
    found = await stored(hass, entry, 61)
    assert found["temp_inlet"].times_us.tolist() == [1000 * when for when in (*buffered, at - 60_000)]
    history = await hass.async_add_executor_job(
        archive_of(entry).history, NODE, ["temp_outlet"], 0, at // 1000 + 3600, HOUR
    )
    assert int(history["temp_outlet"].count.sum()) == 61


async def test_a_repetition_is_kept_once(
    hass: HomeAssistant, entry: MockConfigEntry, mqtt_mock: MqttMockHAClient
) -> None:
    at = now_ms()
    say(hass, at)
    await stored(hass, entry, 1)
    assert await hass.config_entries.async_unload(entry.entry_id)  # nobody remembers what was sent
    assert await hass.config_entries.async_setup(entry.entry_id)
    say(hass, at)
    say(hass, at + 1000)
    found = await stored(hass, entry, 2)
    assert found["temp_inlet"].times_us.tolist() == [at * 1000, (at + 1000) * 1000]


async def test_readings_wait_for_the_disk(
    hass: HomeAssistant,
    entry: MockConfigEntry,
    mqtt_mock: MqttMockHAClient,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    at = now_ms() - 60_000
    scribe = entry.runtime_data.scribe
    with patch.object(store.LogFiles, "write", refuse), patch.object(scribe_module, "MAX_WAITING", 2):
        for second in range(3):
            say(hass, at + second * 1000)
            await hass.async_block_till_done()
        await hass.async_block_till_done(wait_background_tasks=True)
        assert await kept(hass, entry) == {}
        assert scribe.dropped == 1
        assert "1 readings of heat_pump_hp-1 are lost" in caplog.text
    scribe.store_soon()
    await hass.async_block_till_done(wait_background_tasks=True)
    await stored(hass, entry, 2)


async def test_a_reading_without_a_time_is_kept_with_that_of_its_arrival_and_marked(
    hass: HomeAssistant, entry: MockConfigEntry, mqtt_mock: MqttMockHAClient
) -> None:
    say(hass, dated := now_ms() - 1000)
    await stored(hass, entry, 1)
    with patch.object(Archive, "append", autospec=True, side_effect=Archive.append) as append:
        say(hass, 5000)
        found = await stored(hass, entry, 2)
    first_us, second_us = found["voltage"].times_us.tolist()
    assert first_us == dated * 1000
    assert abs(second_us - now_ms() * 1000) < 60e6
    (_, reading) = append.call_args.args[2]
    clock = Clock.read(Cursor(reading.payload))
    assert (clock.source, clock.error_us) == (ClockSource.NONE, UNKNOWN_ERROR)


def test_a_log_goes_forward() -> None:
    """Within a boot; a reading of before begins another one."""
    boots = iter((7, 9))
    log = ReadingLog("hp", CORE_KINDS["heat_pump"], lambda: next(boots))
    now = dt_util.utc_from_timestamp(int(time.time()))
    early = dt_util.utc_from_timestamp(int(time.time()) - 500)
    frames: list[Frame] = log.frames(
        [(now, {"voltage": 230.0}), (now, {"colour": 1}), (early, {"voltage": 1})]
    )
    frames += log.frames([(early, {"voltage": 229.0}), (now, {"voltage": "high", "current": 1e9})])
    assert [(frame.boot_id, frame.seq) for frame in frames] == [(7, 0), (7, 1), (7, 2), (9, 0), (9, 1)]
    assert log.frames([]) == []


def test_every_kind_has_channels() -> None:
    for kind in KINDS:
        ReadingLog("n", CORE_KINDS[kind], lambda: 1)
