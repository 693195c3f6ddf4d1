"""What feeds the demo's planner: prices of a market that publishes at 13:00, and the meter of a house."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

from freezegun.api import FrozenDateTimeFactory
from homeassistant.core import HomeAssistant
from homeassistant.setup import async_setup_component
from homeassistant.util import dt as dt_util
from pytest_homeassistant_custom_component.common import (
    MockModule,
    MockPlatform,
    async_fire_mqtt_message,
    async_fire_time_changed,
    mock_integration,
    mock_platform,
)
from pytest_homeassistant_custom_component.typing import MqttMockHAClient

from custom_components.microgrid.planner_prices import PriceDesk, PriceSettings
from script.lab.microgrid_demo.prices import prices_of, published
from script.lab.microgrid_demo.sensor import async_setup_platform
from script.lab.planning import LOAD_ENTITY, PRICE_ENTITY, SOLAR_ENTITY

BERLIN = ZoneInfo("Europe/Berlin")
HOUR = timedelta(hours=1)


def test_a_year_of_prices_is_worth_planning_for() -> None:
    days = [prices_of(date(2026, 1, 1) + timedelta(days=number), BERLIN) for number in range(365)]
    assert {len(day) for day in days} == {23, 24, 25}  # two days of the year have another length
    prices = [price for day in days for _, price in day]
    assert -0.1 < min(prices) < 0.0 < max(prices) < 0.4
    spread = [max(price for _, price in day) - min(price for _, price in day) for day in days]
    assert min(spread) > 0.05
    negative = sum(any(price < 0.0 for _, price in day) for day in days)
    assert 30 < negative < 300
    starts = [start for day in days for start, _ in day]
    assert all(later - earlier == HOUR for earlier, later in pairwise(starts))


def test_the_same_seed_makes_the_same_day() -> None:
    day = date(2026, 6, 1)
    assert prices_of(day, BERLIN) == prices_of(day, BERLIN)
    assert prices_of(day, BERLIN, seed=2) != prices_of(day, BERLIN)


def test_tomorrow_is_published_at_one() -> None:
    before, after = (
        published(datetime(2026, 6, 1, hour, tzinfo=BERLIN).astimezone(UTC), BERLIN) for hour in (12, 13)
    )
    assert len(after) == len(before) + 24 == 72
    assert after[: len(before)] == before


async def test_the_planner_reads_price_and_meter(
    hass: HomeAssistant, mqtt_mock: MqttMockHAClient, freezer: FrozenDateTimeFactory
) -> None:
    """The entities have the names that the demo sets up, and say what the planner understands."""
    await hass.config.async_set_time_zone("Europe/Berlin")
    freezer.move_to(datetime(2026, 6, 1, 10, 20, tzinfo=UTC))
    mock_integration(hass, MockModule("microgrid_demo"))
    mock_platform(hass, "microgrid_demo.sensor", MockPlatform(async_setup_platform=async_setup_platform))
    assert await async_setup_component(hass, "sensor", {"sensor": {"platform": "microgrid_demo"}})
    await hass.async_block_till_done()
    known = dict(prices_of(date(2026, 6, 1), BERLIN))

    def shown() -> float:
        state = hass.states.get(PRICE_ENTITY)
        assert state is not None
        return float(state.state)

    assert shown() == known[datetime(2026, 6, 1, 10, tzinfo=UTC)]
    freezer.move_to(datetime(2026, 6, 1, 11, 0, 1, tzinfo=UTC))
    async_fire_time_changed(hass)
    await hass.async_block_till_done()
    assert shown() == known[datetime(2026, 6, 1, 11, tzinfo=UTC)]

    desk = PriceDesk(
        hass, PriceSettings(source="price_entity", entity_id=PRICE_ENTITY, tax=0.19, levy=0.12), BERLIN
    )
    await desk.refresh(dt_util.utcnow())
    assert desk.trouble is None
    tomorrow = datetime(2026, 6, 2, 17, tzinfo=UTC)
    spot = dict(prices_of(date(2026, 6, 2), BERLIN))[tomorrow]
    assert desk.price_at(tomorrow) == spot * 1.19 + 0.12

    assert hass.states.is_state(LOAD_ENTITY, "unavailable")
    async_fire_mqtt_message(hass, "simulator/demo/meter", "nonsense")
    async_fire_mqtt_message(hass, "simulator/demo/meter", json.dumps({"load_w": 512.3, "solar_w": "much"}))
    await hass.async_block_till_done()
    assert hass.states.is_state(LOAD_ENTITY, "512.3")
    assert hass.states.is_state(SOLAR_ENTITY, "unavailable")
    async_fire_mqtt_message(hass, "simulator/demo/meter", json.dumps({"load_w": 514.0, "solar_w": 0.0}))
    await hass.async_block_till_done()
    assert hass.states.is_state(LOAD_ENTITY, "512.3")  # as good as before
    assert hass.states.is_state(SOLAR_ENTITY, "0.0")
