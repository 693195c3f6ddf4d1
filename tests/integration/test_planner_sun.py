"""Solar forecasts of Home Assistant in the plan: believed as far as they were right, missed by nobody."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from unittest.mock import Mock

import pytest
import voluptuous as vol
from freezegun.api import FrozenDateTimeFactory
from homeassistant.config_entries import SOURCE_USER
from homeassistant.core import HomeAssistant, ServiceCall, ServiceResponse, SupportsResponse
from homeassistant.data_entry_flow import FlowResultType
from homeassistant.exceptions import HomeAssistantError
from homeassistant.helpers import config_validation as cv
from homeassistant.util.json import JsonValueType
from pytest_homeassistant_custom_component.common import (
    MockConfigEntry,
    MockModule,
    mock_integration,
    mock_platform,
)
from pytest_homeassistant_custom_component.typing import MqttMockHAClient

from custom_components.microgrid.core.energy.sky import left_of_the_sun
from custom_components.microgrid.planner_solar import hours_of, remember
from custom_components.microgrid.planner_state import Hour
from custom_components.microgrid.planner_weather import cover_of

from .planning import START, Home, load_kw, planner_of, set_up, solar_kw

HOUR = timedelta(hours=1)


def weather(at: datetime) -> float:
    """Every day has another sky."""
    return (0.3, 1.6, 0.9)[at.toordinal() % 3]


class Forecaster:
    """An integration with a solar forecast, as Home Assistant's Energy dashboard asks it."""

    def __init__(self, hass: HomeAssistant, domain: str, planes: int = 1) -> None:
        """Install it with an entry for each plane of the roof."""
        mock_integration(hass, MockModule(domain))
        mock_platform(hass, f"{domain}.energy", Mock(async_get_solar_forecast=self._say))
        hass.config.components.add(domain)
        self.entries = [MockConfigEntry(domain=domain, title=f"Roof {plane}") for plane in range(planes)]
        for entry in self.entries:
            entry.add_to_hass(hass)
        self.answer: Any = {}

    @property
    def ids(self) -> list[str]:
        """The entries as a user chooses them."""
        return [entry.entry_id for entry in self.entries]

    async def _say(self, hass: HomeAssistant, config_entry_id: str) -> Any:
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer

    def know(self, since: datetime, hours: int, share: float = 1.0) -> None:
        """Know the sun of the hours to come, told for half hours and only while it shines."""
        self.answer = {
            "wh_hours": {
                (since + half * HOUR / 2).isoformat(): 500 * share * sun
                for half in range(2 * hours)
                if (sun := sunshine(since + half * HOUR / 2)) > 0.0
            }
        }


def sunshine(at: datetime) -> float:
    """What the roof gives, kW; the same within an hour."""
    return 2.0 * weather(at) * solar_kw(at.replace(minute=0))


@pytest.fixture
async def home(hass: HomeAssistant, mqtt_mock: MqttMockHAClient, freezer: FrozenDateTimeFactory) -> Home:
    """A house whose clock stands at midnight."""
    freezer.move_to(START)
    return Home(hass, freezer, mqtt_mock)


def remember_days(entry: MockConfigEntry, days: int) -> None:
    """Put days of measurement into the planner's memory."""
    hours = planner_of(entry).state.ledger.hours
    for back in range(24 * days, 0, -1):
        at = START - back * HOUR
        hours[int(at.timestamp()) // 3600] = Hour(load_kw(at), sunshine(at), 0.0, 1.0, 50.0, 0.2, 0.05)


def noon(entry: MockConfigEntry) -> float:
    """Return the yield that is expected at the next noon, kWh."""
    rows = planner_of(entry).rows()
    (found,) = [row["solar_kwh"] for row in rows[:24] if datetime.fromisoformat(row["start"]).hour == 12]
    return float(found)


async def test_a_forecast_that_was_right(hass: HomeAssistant, home: Home) -> None:
    """Two planes add up and are believed for what they said before; without them the past must do."""
    roof = Forecaster(hass, "sunny", planes=2)
    roof.know(START, 48, share=0.5)
    entry = await set_up(hass, solar_forecasts=[*roof.ids, "gone"])
    planner = planner_of(entry)
    remember_days(entry, 20)
    first = int(START.timestamp()) // 3600
    planner.state.said["sunny"] = {
        number: row.solar for number, row in planner.state.ledger.hours.items() if number < first
    }
    await home.arrive()
    await planner.replan()
    truth = sunshine(START + 12 * HOUR)
    assert noon(entry) == pytest.approx(truth, rel=0.05)
    # Nobody answers any more: what was said holds for a day, then the past alone knows.
    roof.answer = TimeoutError("no answer")
    await planner.replan()
    assert noon(entry) == pytest.approx(truth, rel=0.05)
    home.freezer.tick(timedelta(hours=24, minutes=1))
    await planner.replan()
    past = [sunshine(START - timedelta(days=back) + 12 * HOUR) for back in range(1, 15)]
    assert min(past) < noon(entry) < max(past)
    assert abs(noon(entry) - sunshine(START + 36 * HOUR)) > 0.2


async def test_a_forecast_that_was_wrong(hass: HomeAssistant, home: Home) -> None:
    """Three times the sun, every day: it is hardly heard, and the one that was right is."""
    braggart, honest = Forecaster(hass, "braggart"), Forecaster(hass, "honest")
    braggart.know(START, 48, share=3.0)
    honest.know(START, 48)
    entry = await set_up(hass, solar_forecasts=[*braggart.ids, *honest.ids])
    planner = planner_of(entry)
    remember_days(entry, 20)
    for domain, share in (("braggart", 3.0), ("honest", 1.0)):
        planner.state.said[domain] = {
            number: share * row.solar for number, row in planner.state.ledger.hours.items()
        }
    await home.arrive()
    await planner.replan()
    assert noon(entry) == pytest.approx(sunshine(START + 12 * HOUR), rel=0.05)
    # The night after, everybody is told how wrong each was.
    await home.pass_time(timedelta(hours=25), HOUR)
    answer: Any = await hass.services.async_call("microgrid", "plan", {}, blocking=True, return_response=True)
    errors = answer["solar_errors"]
    assert errors["braggart"] > 1.5 and errors["honest"] < 0.2 and errors["blend"] < 0.3
    # What was said is there after a restart.
    said = planner.state.said
    assert await hass.config_entries.async_reload(entry.entry_id)
    await hass.async_block_till_done()
    after = planner_of(entry).state
    assert after.said == said and after.solar_errors == errors


async def test_the_first_day(hass: HomeAssistant, home: Home) -> None:
    """Nothing was measured yet: the forecast is all there is, and it is not watered down."""
    roof = Forecaster(hass, "sunny")
    roof.know(START, 48)
    entry = await set_up(hass, solar_forecasts=roof.ids)
    await home.arrive()
    await planner_of(entry).replan()
    assert noon(entry) == pytest.approx(sunshine(START + 12 * HOUR), rel=0.01)


async def test_the_weather_is_one_more_opinion(hass: HomeAssistant, home: Home) -> None:
    """Clouds to come, over what this roof gave under a clear sky; a mute one stops nothing."""
    skies = (100, 0, 60)

    def cover(at: datetime) -> int:
        return skies[at.toordinal() % 3]

    def under(at: datetime) -> float:
        return 2.0 * left_of_the_sun(cover(at)) * solar_kw(at)

    async def forecast(call: ServiceCall) -> ServiceResponse:
        if call.data["entity_id"] != ["weather.home"]:
            raise HomeAssistantError("nobody knows")
        hours = (START + hour * HOUR for hour in range(0, 48, 3))
        rows: list[JsonValueType] = [
            {"datetime": at.isoformat(), "condition": "?", "cloud_coverage": cover(at)} for at in hours
        ]
        return {"weather.home": {"forecast": rows}}

    schema = vol.Schema({"entity_id": cv.entity_ids, "type": "hourly"})
    hass.services.async_register(
        "weather", "get_forecasts", forecast, schema, supports_response=SupportsResponse.ONLY
    )
    entry = await set_up(hass, weather_entity="weather.home")
    planner = planner_of(entry)
    hours = planner.state.ledger.hours
    for back in range(24 * 20, 0, -1):
        at = START - back * HOUR
        hours[int(at.timestamp()) // 3600] = Hour(load_kw(at), under(at), 0.0, 1.0, 50.0, 0.2, 0.05)
    planner.state.said["weather"] = {number: row.solar for number, row in hours.items()}
    await home.arrive()
    await planner.replan()
    assert noon(entry) == pytest.approx(under(START + 12 * HOUR), rel=0.05)
    answer: Any = await hass.services.async_call("microgrid", "plan", {}, blocking=True, return_response=True)
    assert "solar_errors" in answer

    (subentry,) = entry.subentries.values()
    hass.config_entries.async_update_subentry(
        entry, subentry, data={**subentry.data, "weather_entity": "weather.gone"}
    )
    await hass.async_block_till_done()
    await home.arrive()
    await planner_of(entry).replan()
    assert noon(entry) > 0.0


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (None, {}),
        ({"weather.home": None}, {}),
        ({"weather.home": {"forecast": "sunny"}}, {}),
        ({"weather.home": {"forecast": [7, {}, {"datetime": 7, "cloud_coverage": 5}]}}, {}),
        ({"weather.home": {"forecast": [{"datetime": "soon", "condition": "sunny"}]}}, {}),
        ({"weather.home": {"forecast": [{"datetime": START.isoformat(), "cloud_coverage": True}]}}, {}),
        (
            {"weather.home": {"forecast": [{"datetime": START.isoformat(), "cloud_coverage": 250}]}},
            {0: 100.0},
        ),
        ({"weather.home": {"forecast": [{"datetime": START.isoformat(), "condition": "sunny"}]}}, {0: 0.0}),
        (
            {
                "weather.home": {
                    "forecast": [
                        {"datetime": (START + hour * HOUR).isoformat(), "condition": condition}
                        for hour, condition in ((-1, "fog"), (2, "sunny"), (4, "cloudy"), (100, "sunny"))
                    ]
                }
            },
            {0: 100.0, 1: 100.0, 2: 0.0, 3: 0.0} | dict.fromkeys(range(4, 10), 90.0),
        ),
    ],
)
def test_what_a_weather_entity_answers(answer: object, expected: dict[int, float]) -> None:
    """Rows may be hours apart and hold until the next; what is no cover is none."""
    first = int(START.timestamp()) // 3600
    found = cover_of(answer, "weather.home", first)
    assert {number - first: cover for number, cover in found.items()} == expected


@pytest.mark.parametrize(
    "answer",
    [
        None,
        {},
        [],
        {"wh_hours": [1, 2]},
        {"wh_hours": {"tomorrow": 5, "2026-06-01T12:00:00+00:00": "much", 7: 3}},
        {"wh_hours": {"2026-06-01T12:00:00+00:00": float("nan"), "2026-06-01T13:00:00": -5}},
        {"wh_hours": {"1926-06-01T12:00:00+00:00": 5, "2126-06-01T12:00:00+00:00": 5}},
    ],
)
def test_answers_that_cannot_be(answer: object) -> None:
    """What is no forecast is none."""
    assert hours_of(answer, START) == {}


def test_what_is_kept_of_a_forecast() -> None:
    """Of an hour counts what was said a day before; what was said later only where nothing was before."""
    told = {"wh_hours": {(START + hour * HOUR).isoformat(): 1000 for hour in (6, 7, 10, 30)}}
    hours = hours_of(told, START)
    first = int(START.timestamp()) // 3600
    assert hours[first + 6] == 1.0 and hours[first + 8] == 0.0 and first + 5 not in hours
    said: dict[str, dict[int, float]] = {}
    remember(said, {"sunny": hours}, first)
    assert said["sunny"][first + 6] == 1.0 and said["sunny"][first + 30] == 1.0
    later = dict.fromkeys(hours, 2.0)
    remember(said, {"sunny": later}, first + 2)
    assert said["sunny"][first + 6] == 1.0, "nearer than a day: the first word counts"
    assert said["sunny"][first + 30] == 2.0
    remember(said, {"sunny": {}}, first + 100 * 24)
    assert said == {}


async def test_forecasts_to_choose_from(hass: HomeAssistant, entry: MockConfigEntry) -> None:
    """The flow offers what there is, an island as well, and keeps the choice."""
    roof = Forecaster(hass, "sunny")
    flow = hass.config_entries.subentries
    result: Any = await flow.async_init((entry.entry_id, "energy_planner"), context={"source": SOURCE_USER})
    assert "off_grid" in result["menu_options"]
    result = await flow.async_configure(result["flow_id"], {"next_step_id": "off_grid"})
    assert result["step_id"] == "battery"
    fields = {str(key): value for key, value in result["data_schema"].schema.items()}
    assert "strategy" not in fields and "lines" not in fields
    (option,) = fields["solar_forecasts"].config["options"]
    assert option == {"value": roof.ids[0], "label": "Roof 0 (sunny)"}
    result = await flow.async_configure(result["flow_id"], {"reserve": 25, "solar_forecasts": roof.ids})
    assert result["type"] is FlowResultType.CREATE_ENTRY
    await hass.async_block_till_done()
    settings = entry.runtime_data.planner.settings
    assert settings.off_grid and settings.solar_forecasts == tuple(roof.ids)
    assert entry.runtime_data.planner.price_now is None
