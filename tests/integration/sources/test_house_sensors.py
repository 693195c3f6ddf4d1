"""Bare numbers of house and weather."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from custom_components.microgrid.core.contract.reading import RejectReason
from custom_components.microgrid.core.model.swarm import MetricsAdded

from .conftest import World


async def test_a_number_is_a_value_of_the_site(world: World) -> None:
    world.receive("house/outdoor_temp", "23.5")
    world.receive("weather/wind", b" 12 ")
    site = world.swarm.site
    assert (site.values["house_outdoor_temp"], site.values["weather_wind"]) == (23.5, 12.0)
    assert (site.metrics["house_outdoor_temp"].unit, site.metrics["weather_wind"].unit) == ("°C", "km/h")
    added = [change.metrics[0].key for change in world.told if isinstance(change, MetricsAdded)]
    assert added == ["house_outdoor_temp", "weather_wind"]
    assert not world.swarm.rejected


async def test_retained_values_carry_no_time(world: World) -> None:
    world.receive("house/outdoor_temp", "23.5", retain=True)
    assert "house_outdoor_temp" not in world.swarm.site.metrics
    world.receive("house/outdoor_temp", "23.6")
    assert world.swarm.site.values["house_outdoor_temp"] == 23.6


@pytest.mark.parametrize(
    ("topic", "payload", "reason"),
    [
        ("house/x", "nan", RejectReason.BAD_VALUE),
        ("house/x", "", RejectReason.BAD_VALUE),
        ("house/x_temp", "85.1", RejectReason.BAD_VALUE),
        ("house/x y", "1", RejectReason.BAD_TOPIC),
        ("weather/fog", "1", RejectReason.BAD_TOPIC),
        ("weather/humidity", "101", RejectReason.BAD_VALUE),
        ("house/x", b"\xff", RejectReason.NOT_UTF8),
    ],
)
async def test_refusals_are_counted_by_topic_and_make_no_entity(
    world: World, topic: str, payload: str | bytes, reason: RejectReason
) -> None:
    world.receive(topic, payload)
    world.receive(topic, payload)
    assert world.swarm.rejected == {reason: 2}
    assert world.house_sensors.refused == {topic: 2}
    assert not [change for change in world.told if isinstance(change, MetricsAdded)]


async def test_a_value_is_withdrawn_after_ten_minutes(world: World) -> None:
    world.receive("house/a_temp", "20")
    world.receive("weather/rain", "0")
    await world.pass_time(600)
    assert world.swarm.site.values["house_a_temp"] == 20
    await world.pass_time(31)
    assert "house_a_temp" not in world.swarm.site.values
    assert world.swarm.site.values["weather_rain"] == 0
    await world.pass_time(1200)
    assert "weather_rain" not in world.swarm.site.values
    assert world.swarm.site.available
    world.receive("house/a_temp", "21")
    assert world.swarm.site.values["house_a_temp"] == 21


async def test_a_slow_sensor_has_more_time(world: World) -> None:
    for _ in range(3):
        world.receive("house/a_temp", "20")
        await world.pass_time(300)
    await world.pass_time(1150)
    assert world.swarm.site.values["house_a_temp"] == 20
    await world.pass_time(100)
    assert "house_a_temp" not in world.swarm.site.values


async def test_too_many_names_are_told_once(world: World, warnings: Callable[[], list[str]]) -> None:
    told: list[bool] = []
    stop = world.house_sensors.on_too_many(lambda: told.append(True))
    for number in range(200):
        world.receive(f"house/s{number}", "1")
    assert sum(key.startswith("house_") for key in world.swarm.site.values) == 64
    assert (told, world.house_sensors.too_many) == ([True], True)
    assert world.swarm.rejected == {RejectReason.BAD_TOPIC: 136}
    assert len(warnings()) == 1
    stop()


async def test_after_the_stop_nothing_comes_in(world: World) -> None:
    await world.house_sensors.async_stop()
    world.receive("house/a_temp", "20")
    assert "house_a_temp" not in world.swarm.site.values
