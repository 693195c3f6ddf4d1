"""Prices for the energy planner: the shapes in which they are published, the flow, and hostile ones."""

from __future__ import annotations

import asyncio
import json
import math
import random
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from freezegun.api import FrozenDateTimeFactory
from homeassistant.config_entries import SOURCE_RECONFIGURE, SOURCE_USER
from homeassistant.core import HomeAssistant, ServiceCall, ServiceResponse, SupportsResponse
from homeassistant.data_entry_flow import FlowResultType
from homeassistant.exceptions import HomeAssistantError
from pytest_homeassistant_custom_component.common import MockConfigEntry
from pytest_homeassistant_custom_component.typing import MqttMockHAClient

from custom_components import microgrid
from custom_components.microgrid.core.contract.messages import ScheduleCapability, ScheduleMode
from custom_components.microgrid.core.contract.schedule import Schedule, check_schedule
from custom_components.microgrid.core.energy.battery import Battery
from custom_components.microgrid.planner_batteries import Dispatch, Fleet, Reserve
from custom_components.microgrid.planner_money import Question, answer, judge_day, models, review
from custom_components.microgrid.planner_prices import (
    PriceDesk,
    PriceSettings,
    Row,
    SettingsError,
    read_settings,
    rows_of,
    unit_factor,
)
from custom_components.microgrid.planner_site import settled
from custom_components.microgrid.planner_state import Hour, Ledger, Reading

from .planning import TIME_OF_USE, load_kw, set_up, solar_kw

TEXTS = json.loads((Path(microgrid.__file__ or "").parent / "translations" / "en.json").read_text())
BRUSSELS = ZoneInfo("Europe/Brussels")
NOW = datetime(2026, 6, 1, 10, 20, tzinfo=UTC)
HOUR = timedelta(hours=1)
MIDNIGHT = datetime(2026, 5, 31, 22, tzinfo=UTC)
"""In Brussels."""


def hours(count: int = 24, start: datetime = MIDNIGHT) -> list[datetime]:
    """Return the starts of hours."""
    return [start + timedelta(hours=number) for number in range(count)]


def iso(when: datetime) -> str:
    """Write a time as integrations do, with the offset of the house."""
    return when.astimezone(BRUSSELS).isoformat()


SHAPES: dict[str, dict[str, Any]] = {
    "nordpool": {
        "raw_today": [{"start": at, "end": at + timedelta(hours=1), "value": 0.2} for at in hours()],
        "raw_tomorrow": [],
        "today": [0.9] * 24,
    },
    "nordpool numbers": {"today": [0.2] * 24, "tomorrow": []},
    "quarters of an hour": {"today": [0.2] * 96, "tomorrow": None},
    "epex": {"data": [{"start_time": iso(at), "end_time": iso(at), "price_per_kwh": 0.2} for at in hours()]},
    "epex, cents": {"data": [{"start_time": iso(at), "price_ct_per_kwh": 20.0} for at in hours()]},
    "entso-e": {"prices": [{"time": iso(at), "price": 0.2} for at in hours()], "prices_tomorrow": "[]"},
    "tibber": {"prices_today": [{"startsAt": iso(at), "total": 0.2} for at in hours()]},
    "octopus": {"rates": [{"start": at, "end": at, "value_inc_vat": 0.2} for at in hours()]},
    "awattar": {"data": [{"start_timestamp": at.timestamp() * 1000, "marketprice": 200.0} for at in hours()]},
    "times as keys": {"prices": {iso(at): 0.2 for at in hours()}},
    "an answer by area": {"BE": [{"start": iso(at), "end": iso(at), "price": 0.2} for at in hours()]},
    "text of numbers": {"data": [{"start": iso(at), "value": "0.2"} for at in hours()]},
    "something else": {"whatever": [{"from": iso(at), "till": iso(at), "price": 0.2} for at in hours()]},
}


@pytest.mark.parametrize("shape", SHAPES)
def test_shapes(shape: str) -> None:
    """Every common shape gives the price of the hour."""
    rows = rows_of(SHAPES[shape], NOW, BRUSSELS, 1.0)
    assert len(rows) in (24, 96)
    assert rows[0][0] == MIDNIGHT
    assert all(price == pytest.approx(0.2) for _, _, price in rows)


def test_a_peak_in_forints_is_a_price() -> None:
    rows = rows_of({"data": [{"start": iso(at), "value": 1600.0} for at in hours()]}, NOW, BRUSSELS, 1.0)
    assert {price for _, _, price in rows} == {1600.0}


@pytest.mark.parametrize(
    ("chosen", "unit", "factor"),
    [
        ("auto", "EUR/kWh", 1.0),
        ("auto", "€/MWh", 0.001),
        ("auto", "ct/kWh", 0.01),
        ("auto", "öre/kWh", 0.01),
        ("auto", None, 1.0),
        ("auto", 7, 1.0),
        ("per_mwh", "EUR/kWh", 0.001),
        ("cents_per_kwh", None, 0.01),
    ],
)
def test_units(chosen: str, unit: object, factor: float) -> None:
    """Units are read where they are told, and the user's word counts more."""
    assert unit_factor(chosen, unit) == pytest.approx(factor)


@pytest.mark.parametrize(("day", "count"), [("2026-03-29", 23), ("2026-10-25", 25), ("2026-06-01", 24)])
def test_days_of_23_and_25_hours(day: str, count: int) -> None:
    """Bare numbers of a day begin at midnight on the wall and never run into the next day."""
    now = datetime.fromisoformat(f"{day}T12:00:00+00:00")
    midnight = datetime.fromisoformat(day).replace(tzinfo=BRUSSELS).astimezone(UTC)
    rows: list[Row] = []
    for numbers in (24, count, 4 * count):
        rows = rows_of({"today": [0.1 + n / 1000 for n in range(numbers)]}, now, BRUSSELS, 1.0)
        assert rows[0][0] == midnight
        end = rows[-1][1]
        assert end is not None and end <= midnight + timedelta(hours=count)
    assert len(rows) == 4 * count


def test_hostile() -> None:
    """Nothing that stands in an attribute raises, hangs, or gives a price that cannot be."""
    nested: Any = []
    for _ in range(500):
        nested = [nested, {"data": nested}]
    loop: dict[str, Any] = {}
    loop["data"] = loop
    odd: list[Any] = ["nan", math.inf, 1e300, True, None, [], {}, "x" * 9]
    never: list[Any] = [None, "", "9" * 99, 1e300, -1e300, math.nan, True, {}, "2026-99-99"]
    fixed: list[Any] = [
        nested,
        loop,
        {"data": [{"start": iso(NOW), "value": bad} for bad in odd]},
        {"data": [{"start": bad, "value": 1} for bad in never]},
        {"data": [{"start": iso(NOW), "value": 0.1}] * 50_000},
        {"today": ["a"] * 24, "tomorrow": [math.nan] * 24},
        {"data": "x" * 100_000, "rates": 5, "prices": None},
        None,
        7,
        "text",
    ]
    for found in fixed:
        for _, _, price in rows_of(found, NOW, BRUSSELS, 1.0):
            assert math.isfinite(price) and abs(price) <= 10_000.0
    dice = random.Random(9)
    names = ["data", "today", "raw_today", "start", "end", "value", "price", "time", "rates", "x"]
    atoms: list[Any] = [
        None,
        True,
        0.1,
        -3,
        1e99,
        math.nan,
        "0.1",
        iso(NOW),
        NOW,
        "",
        "2026-06-01",
        b"x",
        10**400,
    ]

    def thing(depth: int) -> Any:
        match dice.randrange(4 if depth else 1):
            case 1:
                return [thing(depth - 1) for _ in range(dice.randrange(5))]
            case 2 | 3:
                return {dice.choice(names): thing(depth - 1) for _ in range(dice.randrange(5))}
        return dice.choice(atoms)

    for _ in range(3000):
        for _, _, price in rows_of(thing(5), NOW, BRUSSELS, 0.01):
            assert math.isfinite(price) and abs(price) <= 10_000.0


async def test_taxes_export_and_negative_prices(hass: HomeAssistant) -> None:
    """(market + fee) · (1 + tax) + levy; export at the market less what the buyer keeps."""
    rows = [{"start": iso(at), "value": -20.0} for at in hours()]
    hass.states.async_set("sensor.market", "-20", {"data": rows, "unit_of_measurement": "EUR/MWh"})
    settings = read_settings(
        {
            "source": "price_entity",
            "entity_id": "sensor.market",
            "fee": 0.01,
            "tax": 21,
            "levy": 0.1,
            "export_price": -0.005,
            "export_at_market": True,
        }
    )
    desk = PriceDesk(hass, settings, BRUSSELS)
    await desk.refresh(NOW)
    assert desk.trouble is None
    assert desk.price_at(NOW) == pytest.approx(-0.01 * 1.21 + 0.1)
    assert desk.tariff.export_rate.at(NOW) == pytest.approx(-0.025)
    # Nothing holds the sun back here, so plans see what export costs.
    assert desk.tariff.prices(NOW, 5, timedelta(hours=1)).export_price == pytest.approx([-0.025] * 5)


async def test_an_hour_is_billed_at_the_mean_of_its_quarters(hass: HomeAssistant) -> None:
    """Who buys the same all the time pays the mean; an hour that is known in part has no price."""
    rows = [{"start": iso(NOW + timedelta(minutes=15 * n)), "value": 0.2 + 0.1 * n} for n in range(6)]
    hass.states.async_set("sensor.market", "0.2", {"data": rows, "unit_of_measurement": "EUR/kWh"})
    desk = PriceDesk(
        hass,
        read_settings({"source": "price_entity", "entity_id": "sensor.market", "export_price": 0.07}),
        UTC,
    )
    await desk.refresh(NOW)
    bought, sold = desk.of_hour(NOW)
    assert bought == pytest.approx(0.35) and sold == pytest.approx(0.07)
    assert desk.of_hour(NOW - HOUR)[0] is None


async def test_an_action_that_never_answers(hass: HomeAssistant, monkeypatch: pytest.MonkeyPatch) -> None:
    """Prices are missing then, and planning goes on."""
    monkeypatch.setattr("custom_components.microgrid.planner_prices._PATIENCE_S", 0.05)
    never = asyncio.Event()

    async def wait(call: ServiceCall) -> ServiceResponse:
        await never.wait()
        return {}

    hass.services.async_register("script", "prices", wait, supports_response=SupportsResponse.ONLY)
    desk = PriceDesk(hass, read_settings({"source": "price_action", "action": "script.prices"}), UTC)
    async with asyncio.timeout(60.0):
        await desk.refresh(NOW)
    assert desk.trouble == "prices_missing"
    never.set()


async def test_entity_with_the_present_price_only(hass: HomeAssistant) -> None:
    """A price without forecast counts for its hour, and tomorrow for the same one."""
    desk = PriceDesk(hass, PriceSettings("price_entity", entity_id="sensor.market"), UTC)
    hass.states.async_set("sensor.market", "0.31", {"unit_of_measurement": "EUR/kWh"})
    await desk.refresh(NOW)
    assert desk.trouble is None and desk.price_at(NOW) == pytest.approx(0.31)
    hass.states.async_set("sensor.market", "nonsense", {})
    await desk.refresh(NOW + timedelta(hours=4))
    assert desk.trouble == "prices_unreadable"
    hass.states.async_set("sensor.market", "unavailable", {})
    await desk.refresh(NOW + timedelta(hours=5))
    assert desk.trouble == "prices_missing"


async def test_a_present_price_that_changes_within_the_hour_counts_from_then_on(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory
) -> None:
    """Markets of quarter hours: the hour costs their mean; a sensor that is a little late costs nothing."""
    desk = PriceDesk(hass, PriceSettings("price_entity", entity_id="sensor.market"), UTC)
    hour = NOW.replace(minute=0, second=0, microsecond=0)
    for quarter, price in enumerate(("0.9", "0.1", "0.2", "0.3", "0.4")):
        at = hour + (quarter - 1) * timedelta(minutes=15)
        freezer.move_to(at)
        await desk.refresh(at)  # the price of before is still there
        freezer.move_to(at + timedelta(seconds=7))
        hass.states.async_set("sensor.market", price, {"unit_of_measurement": "EUR/kWh"})
    freezer.move_to(hour + timedelta(minutes=59))
    await desk.refresh(hour + timedelta(minutes=59))
    assert desk.of_hour(hour)[0] == pytest.approx(0.25)


async def test_action(hass: HomeAssistant) -> None:
    """An action is asked for today and tomorrow, and not again while its prices last."""
    asked: list[str] = []

    async def prices(call: ServiceCall) -> ServiceResponse:
        asked.append(call.data["date"])
        if call.data["date"] == "2026-06-02":
            raise HomeAssistantError("not published yet")
        return {"BE": [{"start": iso(at), "end": iso(at), "price": 150.0} for at in hours()]}

    hass.services.async_register("market", "get", prices, supports_response=SupportsResponse.ONLY)
    settings = read_settings(
        {
            "source": "price_action",
            "action": "market.get",
            "action_data": {"date": "today"},
            "unit": "per_mwh",
        }
    )
    desk = PriceDesk(hass, settings, BRUSSELS)
    await desk.refresh(NOW)
    assert asked == ["2026-06-01", "2026-06-02"]
    assert desk.price_at(NOW) == pytest.approx(0.15) and desk.trouble is None
    await desk.refresh(NOW + timedelta(minutes=15))
    assert len(asked) == 2
    await desk.refresh(NOW + timedelta(minutes=45))
    assert len(asked) == 4

    async def broken(call: ServiceCall) -> ServiceResponse:
        raise RuntimeError("not our bug")

    hass.services.async_register("market", "broken", broken, supports_response=SupportsResponse.ONLY)
    desk = PriceDesk(hass, PriceSettings("price_action", action="market.broken"), BRUSSELS)
    await desk.refresh(NOW)
    assert desk.trouble == "prices_missing"
    missing = PriceDesk(hass, PriceSettings("price_action", action="market.gone"), BRUSSELS)
    await missing.refresh(NOW)
    assert missing.trouble == "prices_missing"


@pytest.mark.parametrize(
    ("data", "key"),
    [
        ({"source": "magic"}, "source_unknown"),
        ({"source": "price_action", "action": "nothing"}, "action_unknown"),
        ({"price": "dear"}, "number_wrong"),
        ({"source": "time_of_use", "periods": [{"price": 1, "start": "x", "end": "7"}]}, "period_wrong"),
        ({"periods": [{"price": 1, "start": "07:00", "end": "08:00", "weekdays": ["9"]}]}, "period_wrong"),
    ],
)
def test_settings_that_cannot_be(data: dict[str, Any], key: str) -> None:
    """Each is refused with a key that has a text."""
    with pytest.raises(SettingsError) as caught:
        read_settings(data)
    assert caught.value.key == key
    assert TEXTS["config_subentries"]["energy_planner"]["error"][key]


# ---- the flow ----------------------------------------------------------------


type Result = Any
"""Of a flow: what is in it depends on the step."""


async def begin(hass: HomeAssistant, entry: MockConfigEntry, source: str) -> Result:
    """Start to add a planner with a source of prices."""
    result = await hass.config_entries.subentries.async_init(
        (entry.entry_id, "energy_planner"), context={"source": SOURCE_USER}
    )
    assert result["type"] is FlowResultType.MENU
    return await hass.config_entries.subentries.async_configure(result["flow_id"], {"next_step_id": source})


async def test_flow(hass: HomeAssistant, entry: MockConfigEntry, freezer: FrozenDateTimeFactory) -> None:
    """A user adds prices by the time of day, sees them, and has a planner; later changes the reserve."""
    freezer.move_to(NOW)
    texts = TEXTS["config_subentries"]["energy_planner"]["step"]
    flow = hass.config_entries.subentries
    result: Result = await begin(hass, entry, "time_of_use")
    given = {name: value for name, value in TIME_OF_USE.items() if name != "source"}
    result = await flow.async_configure(result["flow_id"], given)
    assert result["step_id"] == "battery", result
    fields = {str(key) for key in result["data_schema"].schema}
    named = texts["battery"]["data"].keys() | texts["battery"]["sections"].keys()
    assert named - {"solar_forecasts"} == fields  # that one is there when somebody forecasts
    pump = {"flexible_entity": "sensor.pump", "flexible_power": 0, "flexible_ahead": 2}
    result = await flow.async_configure(result["flow_id"], {"flexible": pump})
    assert result["errors"] == {"base": "flexible_wrong"}
    assert "sensor.pump" in result["description_placeholders"]["reason"]
    given = {"reserve": 20, "strategy": "save_money", "flexible": pump | {"flexible_power": 2}}
    result = await flow.async_configure(result["flow_id"], given | {"lines": {"tie_power": 4}})
    assert result["step_id"] == "check"
    table = result["description_placeholders"]["prices"]
    assert table.count("0.5500") == 5 and table.count("0.1500") == 19
    result = await flow.async_configure(result["flow_id"], {})
    assert result["type"] is FlowResultType.CREATE_ENTRY
    await hass.async_block_till_done()
    assert entry.runtime_data.planner.reserve == 20
    chosen = entry.runtime_data.planner.settings
    assert chosen.flexible is not None and chosen.flexible.most_kw == 2.0 and chosen.tie_kw == 4.0
    again = await flow.async_init((entry.entry_id, "energy_planner"), context={"source": SOURCE_USER})
    assert again["type"] is FlowResultType.ABORT and again["reason"] == "already_configured"
    (subentry,) = entry.get_subentries_of_type("energy_planner")
    result = await flow.async_init(
        (entry.entry_id, "energy_planner"),
        context={"source": SOURCE_RECONFIGURE, "subentry_id": subentry.subentry_id},
    )
    result = await flow.async_configure(result["flow_id"], {"next_step_id": "fixed"})
    result = await flow.async_configure(result["flow_id"], {"price": 0.3, "export_price": 0.08})
    result = await flow.async_configure(result["flow_id"], {"reserve": 35, "strategy": "self_consumption"})
    result = await flow.async_configure(result["flow_id"], {})
    assert result["type"] is FlowResultType.ABORT and result["reason"] == "reconfigure_successful"
    await hass.async_block_till_done()
    assert entry.runtime_data.planner.reserve == 35
    assert entry.runtime_data.planner.settings.prices.price == 0.3


async def test_prices_of_currencies_with_small_units(
    hass: HomeAssistant, entry: MockConfigEntry, freezer: FrozenDateTimeFactory
) -> None:
    """Forints and won are no mistakes: what a kWh costs there is taken, and shown before it is kept."""
    freezer.move_to(NOW)
    hass.config.currency = "KRW"
    flow = hass.config_entries.subentries
    result: Result = await begin(hass, entry, "fixed")
    result = await flow.async_configure(result["flow_id"], {"price": 153.5, "export_price": 90})
    assert result["step_id"] == "battery", result
    result = await flow.async_configure(result["flow_id"], {"wear": 25, "demand_charge": 8320})
    assert result["step_id"] == "check", result
    table = result["description_placeholders"]["prices"]
    assert "KRW/kWh" in table and table.count("153.5000 | 90.0000") == 24
    result = await flow.async_configure(result["flow_id"], {})
    assert result["type"] is FlowResultType.CREATE_ENTRY


async def test_flow_with_an_entity(
    hass: HomeAssistant, entry: MockConfigEntry, freezer: FrozenDateTimeFactory
) -> None:
    """An entity that gives no prices is refused with the reason; once it does, the flow goes on."""
    freezer.move_to(NOW)
    flow = hass.config_entries.subentries
    errors = TEXTS["config_subentries"]["energy_planner"]["error"]
    result: Result = await begin(hass, entry, "price_entity")
    for state, attributes, error in (
        (None, {}, "prices_missing"),
        ("unavailable", {}, "prices_missing"),
        ("cheap", {"data": "soon"}, "prices_unreadable"),
        ("0.2", {"data": [{"start": iso(NOW - timedelta(days=3)), "value": 1}]}, "prices_stale"),
    ):
        if state is not None:
            hass.states.async_set("sensor.market", state, attributes)
        result = await flow.async_configure(result["flow_id"], {"entity_id": "sensor.market"})
        assert result["errors"] == {"base": error} and errors[error]
        assert result["description_placeholders"]["reason"] == "sensor.market"
    hass.states.async_set("sensor.market", "0.2", SHAPES["entso-e"])
    result = await flow.async_configure(result["flow_id"], {"entity_id": "sensor.market", "levy": 0.1})
    assert result["step_id"] == "battery"
    result = await flow.async_configure(result["flow_id"], {})
    assert result["description_placeholders"]["prices"].count("0.3000") == 12  # tomorrow is not published


async def test_settings_of_an_earlier_version(hass: HomeAssistant, mqtt_mock: MqttMockHAClient) -> None:
    """A planner that cannot be read leaves the swarm without one, not the user without a swarm."""
    entry = await set_up(hass, source="magic")
    assert entry.runtime_data.planner is None


# ---- days of 23 and 25 hours -----------------------------------------------------


@pytest.mark.parametrize(("day", "count"), [("2026-03-29", 23), ("2026-10-25", 25)])
def test_plans_and_judgements_of_odd_days(day: str, count: int) -> None:
    """A day with an hour less or more is planned hour by hour and billed whole."""
    midnight = datetime.fromisoformat(day).replace(tzinfo=BRUSSELS)
    begin, end = midnight.astimezone(UTC), (midnight + timedelta(days=1)).astimezone(UTC)
    assert end - begin == timedelta(hours=count)
    ledger = Ledger()
    for back in range(1, 20 * 24):
        at = end - timedelta(hours=back)
        dear = 17 <= at.astimezone(BRUSSELS).hour < 22
        row = Hour(load_kw(at), solar_kw(at), 0.0, 1.0, 50.0, 0.5 if dear else 0.15, 0.05)
        ledger.hours[int(at.timestamp()) // 3600] = row
    past = ledger.history(end - timedelta(days=56), end, BRUSSELS)
    assert past is not None
    battery = Battery(9.0, 3.0, 3.0, reserve=0.1)
    found = review(past, count, battery, models(day_ahead=False)[:2])
    assert found.figures is not None and found.scores["stochastic-1"] < 0.0
    # An idle battery costs exactly what none costs.
    assert found.figures.actual == pytest.approx(found.figures.no_battery)
    assert found.figures.perfect <= found.figures.rule + 1e-9
    starts, load, solar, _ = ledger.measured(begin)
    settings = read_settings(TIME_OF_USE)
    planned = answer(
        Question(
            now=begin + timedelta(minutes=20),
            zone=BRUSSELS,
            starts=starts,
            load_kwh=load,
            solar_kwh=solar,
            tariff=PriceDesk(None, settings, BRUSSELS).tariff,  # type: ignore[arg-type]  # nothing is fetched
            battery=battery,
            stored_kwh=4.0,
            strategy="save_money",
            model=models(day_ahead=False)[0],
        )
    )
    assert planned.start == begin and planned.plan.steps == 36
    evening = [price for price in planned.plan.outlook.import_price[:count] if price > 0.5]
    assert len(evening) == 5, "five dear hours by the clock on the wall"


def test_demand_charge_and_the_other_model() -> None:
    """With a demand charge the battery keeps the peak down; without, each version gives a plan of its own."""
    begin = datetime(2026, 6, 1, tzinfo=UTC)
    starts = [begin - timedelta(hours=back) for back in range(20 * 24, 0, -1)]
    battery = Battery(9.0, 3.0, 3.0, reserve=0.1)

    def peak(demand: float, version: int = 0) -> float:
        settings = read_settings(TIME_OF_USE | {"demand_charge": demand})
        found = answer(
            Question(
                now=begin,
                zone=UTC,
                starts=starts,
                load_kwh=[load_kw(at) for at in starts],
                solar_kwh=[solar_kw(at) for at in starts],
                tariff=PriceDesk(None, settings, UTC).tariff,  # type: ignore[arg-type]  # nothing is fetched
                battery=battery,
                stored_kwh=1.0,
                strategy="save_money",
                model=models(day_ahead=False)[version],
            )
        )
        assert len(found.plan.stored_kwh) == 37
        return max(found.plan.grid_kwh)

    assert peak(50.0) < 0.6 * min(peak(0.0), peak(0.0, 1))


# ---- several batteries -----------------------------------------------------------


@dataclass
class Store:
    """A battery as the planner asks it."""

    node_id: str
    capability: ScheduleCapability
    capacity_kwh: float | None
    charge_percent: float | None
    name: str = "Store"
    power_kw: float | None = 0.5
    clock_offset_s: float | None = None
    taken: list[Schedule] = field(default_factory=list)

    def next_revision(self) -> int:
        """Count."""
        return len(self.taken) + 1

    async def publish(self, schedule: Schedule) -> None:
        """Take it."""
        self.taken.append(schedule)

    async def cancel(self) -> None:
        """Nothing is planned any more."""
        self.taken.clear()


def test_batteries_share_what_is_planned() -> None:
    """Two batteries are one to the plan; each gets its part, within what it declared."""
    every, some = tuple(ScheduleMode), (ScheduleMode.IDLE, ScheduleMode.CHARGE, ScheduleMode.FOLLOW)
    large = Store("large", ScheduleCapability(every, 3000.0, 3000.0), 9.0, 40.0)
    small = Store("small", ScheduleCapability(some, 1000.0, 500.0), None, 80.0)
    fleet = Fleet.of([large, small], 6.0)
    assert fleet.capacity_kwh == 12.0 and fleet.charge_percent == pytest.approx(50.0)
    assert fleet.power_kw == 1.0 and fleet.trouble() is None
    assert ScheduleMode.DISCHARGE not in fleet.capability.modes
    reserve = Reserve(90.0, charge_to=True)
    sent = Dispatch(fleet, fleet.battery(10.0, 0.0), reserve, NOW, NOW, taking=True).rule()
    for store, rate in ((large, 3000.0), (small, 1000.0)):
        schedule = sent[store.node_id]
        assert check_schedule(schedule, store.capability, NOW) == ()
        charging = [one for one in schedule.intervals if one.mode is ScheduleMode.CHARGE]
        assert {one.rate_w for one in charging} == {rate}
        assert len(charging) == 3, "5 kWh with 4 kW take an hour and a half"
    assert Fleet.of([], 6.0).trouble() == "battery_missing"
    small.charge_percent = None
    assert Fleet.of([large, small], 6.0).trouble() == "charge_missing"


def test_what_a_battery_holds_is_remembered() -> None:
    """An empty battery does not tell what it holds when full; what others hold is not divided anew."""
    every = ScheduleCapability(tuple(ScheduleMode), 3000.0, 3000.0)
    known, empty = Store("known", every, 5.0, 50.0), Store("empty", every, None, 4.0)
    assert Fleet.of([known, empty], 15.0).capacities_kwh == (5.0, 10.0)
    assert Fleet.of([known, empty], 0.0, {"empty": 8.0}).capacities_kwh == (5.0, 8.0)
    # Without any idea of it a storm fills what it can until the next plan.
    alone, until = Fleet.of([empty], 0.0), NOW + timedelta(minutes=30)
    assert alone.trouble() == "charge_missing"
    dispatch = Dispatch(alone, alone.battery(10.0, 0.0), Reserve(90.0, charge_to=True), NOW, until)
    (sent,) = dispatch.rule().values()
    modes = [one.mode for one in sent.intervals if one.start < NOW + HOUR]
    assert modes == [ScheduleMode.CHARGE, ScheduleMode.CHARGE, ScheduleMode.FOLLOW]


def test_a_battery_at_its_reserve_rests_whatever_sun_is_expected() -> None:
    """The sun that yesterday promised does not give the reserve away; what is measured counts."""
    settings, battery = read_settings(TIME_OF_USE), Battery(10.0, 3.0, 3.0, reserve=0.3)
    begin = datetime(2026, 6, 2, 9, tzinfo=UTC)
    starts = [begin - back * HOUR for back in range(10 * 24, 0, -1)]
    found = answer(
        Question(
            now=begin,
            zone=UTC,
            starts=starts,
            load_kwh=[0.5] * len(starts),
            solar_kwh=[2.0 if 6 <= at.hour < 18 else 0.0 for at in starts],
            tariff=PriceDesk(None, settings, UTC).tariff,  # type: ignore[arg-type]  # nothing is fetched
            battery=battery,
            stored_kwh=0.0,
            strategy="save_money",
            model=models(day_ahead=False)[0],
        )
    )
    assert found.plan.outlook.net_kwh[0] < 0.0
    until = begin + timedelta(minutes=30)

    def modes(charge: float, *, taking: bool) -> list[ScheduleMode]:
        store = Store("store", ScheduleCapability(tuple(ScheduleMode), 3000.0, 3000.0), 10.0, charge)
        dispatch = Dispatch(Fleet.of([store], 0.0), battery, Reserve(30.0), begin, until, taking=taking)
        return [one.mode for one in dispatch.planned(found)["store"].intervals][:2]

    follow, idle = ScheduleMode.FOLLOW, ScheduleMode.IDLE
    assert modes(25.0, taking=True) == [idle, follow]
    assert modes(25.0, taking=False) == [follow, follow] == modes(31.0, taking=True)


def test_each_battery_rests_at_the_reserve_whatever_the_others_have() -> None:
    """One that is down to its reserve does not give it away because another is full."""
    every = ScheduleCapability(tuple(ScheduleMode), 3000.0, 3000.0)
    low, full = Store("low", every, 10.0, 30.0), Store("full", every, 10.0, 90.0)
    until = NOW + timedelta(minutes=30)

    def dispatch(*, taking: bool) -> Dispatch:
        fleet = Fleet.of([low, full], 0.0)
        return Dispatch(fleet, fleet.battery(30.0, 0.0), Reserve(30.0), NOW, until, taking=taking)

    follow, idle = ScheduleMode.FOLLOW, ScheduleMode.IDLE
    for taking, first in ((True, idle), (False, follow)):
        sent = dispatch(taking=taking).rule()
        modes = [one.mode for one in sent["low"].intervals]
        assert (modes[0], modes[2]) == (first, follow)
        assert {one.mode for one in sent["full"].intervals} == {follow}
    assert dispatch(taking=True).resting(None) == {"low"} and not dispatch(taking=False).resting(None)
    full.charge_percent = 29.0
    assert dispatch(taking=True).resting(None) == {"low", "full"}


def test_a_day_whose_battery_is_unknown_is_not_judged() -> None:
    """A silent battery has not done nothing: its charge says what it did, or nobody knows."""
    begin = datetime(2026, 6, 1, tzinfo=UTC)
    battery = Battery(10.0, 3.0, 3.0, 0.95, 0.95)

    def figures(silent: range, *, charge: bool) -> float | None:
        ledger, stored = Ledger(), 80.0
        for number in range(48):
            gives = 1.0 if number % 24 >= 18 else -1.0 if 10 <= number % 24 < 16 else 0.0
            stored -= 10.0 * (gives / 0.95 if gives > 0 else gives * 0.95)
            ledger.hours[int(begin.timestamp()) // 3600 + number] = Hour(
                load=1.0,
                solar=2.0 if 10 <= number % 24 < 16 else 0.0,
                battery=None if number in silent else gives,
                cover=1.0,
                stored=stored if charge or number not in silent else None,
                bought=0.5 if number % 24 >= 18 else 0.1,
                sold=0.02,
            )
        past = ledger.history(begin, begin + 48 * HOUR, UTC)
        assert past is not None
        judged = judge_day(past, 24, battery, forecast=False)
        return None if judged is None else judged.actual

    known = figures(range(0), charge=True)
    assert known is not None
    assert figures(range(42, 48), charge=True) == pytest.approx(known, abs=0.02)
    assert figures(range(42, 48), charge=False) is None


def test_what_is_known_in_part_is_not_known() -> None:
    """A battery that was silent for some minutes of an hour leaves its energy unknown, not the load."""
    ledger, begin = Ledger(), datetime(2026, 6, 1, 10, tzinfo=UTC)
    for minute in range(121):
        reading = Reading(1.0, 0.0, None if minute == 30 else 2.0, 50.0)
        ledger.take(begin + timedelta(minutes=minute), reading, 0.3, 0.1)
    first, second = (ledger.hours[int(begin.timestamp()) // 3600 + n] for n in (0, 1))
    assert first.load == pytest.approx(1.0) and first.battery is None
    assert second.load == pytest.approx(1.0) and second.battery == pytest.approx(2.0)


# ---- settlement -----------------------------------------------------------------


def test_settlement_adds_up() -> None:
    """Payments add up to the bill of the connection within a cent, and nobody pays more than alone."""
    dice = np.random.default_rng(4)
    for _ in range(50):
        houses, count = int(dice.integers(1, 13)), 24
        net = dice.normal(0.3, 1.5, (houses, count))
        net[dice.random(net.shape) < 0.05] = np.nan
        rows: list[Hour | None] = [
            Hour(bought=float(0.1 + dice.random()), sold=float(0.1 * dice.random())) for _ in range(count)
        ]
        rows[3] = None  # an hour whose price nobody knew
        found = settled(tuple(f"house-{n}" for n in range(houses)), net, rows)
        kept = [at for at in range(count) if at != 3]
        priced = [row for row in rows if row is not None]
        bought, sold = (np.array([getattr(row, name) for row in priced]) for name in ("bought", "sold"))
        together = np.nan_to_num(net[:, kept]).sum(axis=0)
        bill = float(np.where(together > 0, bought * together, sold * together).sum())
        assert abs(sum(found.settlement.payments) - bill) <= 0.01
        alone = np.nan_to_num(net[:, kept])
        bills = np.where(alone > 0, bought * alone, sold * alone).sum(axis=1)
        assert all(pay <= own + 0.011 for pay, own in zip(found.settlement.payments, bills, strict=True))
