"""A planner that is told of meters begins with what the recorder has known of them, in a real recorder."""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from homeassistant.components.recorder import Recorder, get_instance
from homeassistant.components.recorder.models import StatisticMeanType
from homeassistant.components.recorder.statistics import async_import_statistics
from homeassistant.core import HomeAssistant
from pytest_homeassistant_custom_component.typing import MqttMockHAClient
from sqlalchemy.exc import OperationalError

from custom_components.microgrid.core.archive.archive import Archive
from custom_components.microgrid.core.archive.errors import ArchiveUnavailable
from custom_components.microgrid.planner_past import past_hours
from custom_components.microgrid.planner_prices import PriceSettings
from custom_components.microgrid.planner_settings import FlexibleSettings, PlannerSettings
from custom_components.microgrid.planner_state import Hour
from custom_components.microgrid.sensor_hours import mean_by_hour

from .planning import planner_of, set_up
from .voices import Voice

LOAD, SOLAR, HEAT = "sensor.house", "sensor.roof", "sensor.boiler"
HOUR = timedelta(hours=1)
DAYS = 9


def top_of_hour() -> datetime:
    return datetime.now(UTC).replace(minute=0, second=0, microsecond=0)


async def remember(
    hass: HomeAssistant,
    entity_id: str,
    mean: Callable[[datetime], float],
    unit: str = "W",
    unit_class: str | None = "power",
) -> None:
    """Let the recorder have known a sensor for days."""
    end = top_of_hour()
    async_import_statistics(
        hass,
        {
            "statistic_id": entity_id,
            "source": "recorder",
            "name": None,
            "unit_of_measurement": unit,
            "unit_class": unit_class,
            "mean_type": StatisticMeanType.ARITHMETIC,
            "has_sum": False,
        },
        [{"start": at, "mean": mean(at)} for at in (end - back * HOUR for back in range(24 * DAYS, 0, -1))],
    )
    await get_instance(hass).async_block_till_done()


def evening(at: datetime) -> float:
    """W: much in the evening, little else."""
    return 300.0 + 1500.0 * math.exp(-(((at.hour - 19) / 2.0) ** 2))


def settings(**more: Any) -> PlannerSettings:
    return PlannerSettings(PriceSettings(), **more)


async def test_the_first_plan_knows_the_evening(
    recorder_mock: Recorder, hass: HomeAssistant, mqtt_mock: MqttMockHAClient
) -> None:
    """Somebody adds a planner and names the meter of years: the first plan is for the life of this house."""
    await remember(hass, LOAD, evening)
    await remember(hass, SOLAR, lambda at: 0.8 if 9 <= at.hour < 15 else 0.0, "kW")
    hass.states.async_set(LOAD, "350", {"unit_of_measurement": "W"})
    hass.states.async_set(SOLAR, "0.1", {"unit_of_measurement": "kW"})
    entry = await set_up(hass, load_entity=LOAD, solar_entity=SOLAR)
    await battery(hass)
    planner = planner_of(entry)
    await planner.replan()
    assert planner.answer is not None
    rows = planner.answer.expectation
    first = planner.answer.start
    for at in range(1, 30):
        hour = first + at * HOUR
        assert rows.load_kwh[at] == pytest.approx(evening(hour) / 1000.0, abs=0.02), hour
        assert rows.solar_kwh[at] == pytest.approx(0.8 if 9 <= hour.hour < 15 else 0.0, abs=0.02), hour
    gives = {(first + at * HOUR).hour for at, kwh in enumerate(planner.answer.plan.battery_kwh) if kwh > 0.5}
    assert gives & {18, 19, 20}


async def test_without_a_past_the_present_stands_for_it(
    recorder_mock: Recorder, hass: HomeAssistant, mqtt_mock: MqttMockHAClient
) -> None:
    """Nobody knows the house yet: it is not planned as if it used nothing."""
    hass.states.async_set(LOAD, "650", {"unit_of_measurement": "W"})
    entry = await set_up(hass, load_entity=LOAD)
    await battery(hass)
    planner = planner_of(entry)
    await planner.replan()
    assert planner.answer is not None
    assert planner.answer.expectation.load_kwh == pytest.approx([0.65] * 36)
    assert planner.answer.expectation.solar_kwh == pytest.approx([0.0] * 36)
    gives = [kwh for kwh in planner.answer.plan.battery_kwh if kwh > 0.0]
    assert max(gives) == pytest.approx(0.65)


async def battery(hass: HomeAssistant) -> None:
    """Announce a half-full battery of 9 kWh that takes schedules."""
    store = Voice(hass, "store", "battery", "Store")
    capability = {
        "modes": ["idle", "discharge", "charge", "follow"],
        "max_charge_w": 3000,
        "max_discharge_w": 3000,
    }
    keys = ("state_of_charge", "power", "stored_energy")
    await store.greet(keys, capabilities={"metrics": [*keys], "schedule": capability})
    await store.live(state_of_charge=50.0, power=0.0, stored_energy=4500.0)


async def test_meters_are_not_mixed_with_nodes(
    recorder_mock: Recorder, hass: HomeAssistant, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where a meter is named it alone counts; for the rest, the archive's nodes."""
    await remember(hass, LOAD, lambda at: 2.0, "kVA", "apparent_power")
    await remember(hass, HEAT, lambda at: -0.5, "kW")
    end = top_of_hour()
    number = int(end.timestamp()) // 3600 - 1
    asked: list[tuple[datetime, datetime]] = []

    def archived(archive: Archive, start: datetime, end: datetime) -> dict[int, Hour]:
        asked.append((start, end))
        return {number: Hour(load=7.0, solar=3.0, cover=1.0), number + 1: Hour(load=8.0, cover=1.0)}

    monkeypatch.setattr("custom_components.microgrid.planner_past.archived_hours", archived)
    archive: Any = object()
    reach = (end - 3 * HOUR, end)

    heat = FlexibleSettings(HEAT, 2.0, 4.0, 0.0)
    rows = await past_hours(hass, settings(load_entity=LOAD, flexible=heat), archive, *reach)
    assert [*rows] == [number - 2, number - 1, number]
    assert rows[number] == Hour(load=2.0, solar=3.0, cover=1.0, flexible=0.0)
    assert rows[number - 1] == Hour(load=2.0, solar=0.0, cover=1.0, flexible=0.0)

    rows = await past_hours(hass, settings(solar_entity="sensor.unknown"), archive, *reach)
    assert rows == {number: Hour(load=7.0, cover=1.0), number + 1: Hour(load=8.0, cover=1.0)}
    assert asked == [reach] * 2

    both = settings(load_entity=LOAD, solar_entity="sensor.unknown")
    rows = await past_hours(hass, both, archive, *reach)
    assert {row.solar for row in rows.values()} == {0.0}
    assert len(asked) == 2  # nobody asked the archive for what is not wanted of it
    assert await past_hours(hass, settings(), None, *reach) == {}


@pytest.mark.parametrize(
    ("broken", "error"),
    [
        ("planner_past.archived_hours", ArchiveUnavailable("disk full")),
        ("sensor_hours.statistics_during_period", OperationalError("SELECT", {}, OSError("disk I/O error"))),
    ],
)
async def test_a_past_that_cannot_be_read_does_not_keep_from_planning(
    recorder_mock: Recorder,
    hass: HomeAssistant,
    mqtt_mock: MqttMockHAClient,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    broken: str,
    error: Exception,
) -> None:
    def refuse(*_: object) -> None:
        raise error

    monkeypatch.setattr(f"custom_components.microgrid.{broken}", refuse)
    hass.states.async_set(LOAD, "650", {"unit_of_measurement": "W"})
    entry = await set_up(hass, load_entity=LOAD)
    await battery(hass)
    await planner_of(entry).replan()
    assert planner_of(entry).answer is not None
    assert f"planning without the past of the site: {error}" in caplog.text


async def test_without_a_recorder_nothing_is_known(hass: HomeAssistant) -> None:
    assert await mean_by_hour(hass, [LOAD], top_of_hour() - HOUR, top_of_hour()) == {}
