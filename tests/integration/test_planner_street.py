"""Houses with lines between them: planned together with a solver, settled by what lines are worth."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import pytest
from freezegun.api import FrozenDateTimeFactory
from homeassistant.core import HomeAssistant
from pytest_homeassistant_custom_component.common import MockConfigEntry
from pytest_homeassistant_custom_component.typing import MqttMockHAClient

from custom_components.microgrid.core.contract.messages import ScheduleMode
from custom_components.microgrid.core.energy import joint
from custom_components.microgrid.planner_site import settled
from custom_components.microgrid.planner_state import Hour, PlannerState
from custom_components.microgrid.planner_street import NO_HOUSES, NO_SOLVER, StreetDesk

from .planning import START, Home, planner_of, set_up
from .voices import Voice

HOUR = timedelta(hours=1)
LINE_KW = 2.0


def sun_kw(at: datetime) -> float:
    """What the sunny house gives."""
    return 4.0 if 9 <= at.hour < 15 else 0.0


def hours_of_house(house: str) -> dict[int, Hour]:
    """Twelve days: one house with the sun, and one that uses 1 kW in its own cluster."""
    rows: dict[int, Hour] = {}
    for back in range(24 * 12, 0, -1):
        at = START - back * HOUR
        load, sun = (0.3, sun_kw(at)) if house == "house-1" else (1.0, 0.0)
        rows[int(at.timestamp()) // 3600] = Hour(load, sun, cover=1.0)
    return rows


@pytest.fixture
async def home(hass: HomeAssistant, mqtt_mock: MqttMockHAClient, freezer: FrozenDateTimeFactory) -> Home:
    """A house whose clock stands at midnight."""
    freezer.move_to(START)
    return Home(hass, freezer, mqtt_mock)


async def street(hass: HomeAssistant, home: Home, **data: Any) -> MockConfigEntry:
    """Two clusters: the sun shines in one, the battery stands in the other."""
    entry = await set_up(hass, **data)
    for gateway in ("north", "south"):
        await Voice(hass, gateway, "gateway", gateway.title()).birth()
    home.house.parent, home.battery.parent = "north", "south"
    await home.arrive()
    other = Voice(hass, "house-2", "house", "House 2", parent="south")
    await other.greet(("load_power",), interval_s=3600)
    await other.live(load_power=1000)
    planner = planner_of(entry)
    known = {house: hours_of_house(house) for house in ("house-1", "house-2")}

    async def by_node(start: datetime, end: datetime) -> Mapping[str, Mapping[int, Hour]]:
        return known

    # What the archive knows of each house; that it does is tested with real logs in test_planner.
    planner._streets = StreetDesk(planner._seams.clusters, by_node)
    for number in known["house-1"]:
        one, two = (known[house][number] for house in known)
        dear = 17 <= datetime.fromtimestamp(number * 3600).astimezone(START.tzinfo).hour < 22
        planner.state.ledger.hours[number] = Hour(
            one.load + two.load, one.solar, 0.0, 1.0, 50.0, 0.55 if dear else 0.15, 0.05
        )
    return entry


async def test_a_line_is_not_asked_for_more_than_it_carries(hass: HomeAssistant, home: Home) -> None:
    """The battery of the other cluster takes what its line leaves, and its schedule says so."""
    pytest.importorskip("highspy")
    entry = await street(hass, home, lines={"tie_power": LINE_KW})
    planner = planner_of(entry)
    await planner.replan()
    home.listen()
    assert planner.state.fallback is None and planner.answer is not None
    found = planner.answer.street
    assert found is not None and planner.remarks == []
    assert found.plans.keys() == {"store"}
    taken = [-kwh for kwh in found.plans["store"].battery_kwh]
    assert max(taken) == pytest.approx(LINE_KW - 1.0, abs=0.02), (
        "its neighbour needs the other kW of the line"
    )
    assert home.schedule is not None
    charging = [one.rate_w for one in home.schedule.intervals if one.mode is ScheduleMode.CHARGE]
    assert charging and max(rate or 0.0 for rate in charging) <= 1020.0
    answer = await hass.services.async_call("microgrid", "plan", {}, blocking=True, return_response=True)
    assert answer is not None and len(answer["plan"]) == 36  # type: ignore[arg-type]  # a list of rows
    # A line that is told too narrow is remarked upon; the plan goes on.
    planner.settings = replace(planner.settings, tie_kw=0.8)
    await planner.replan()
    (remark,) = planner.remarks
    assert "cannot be served" in remark and planner.answer.street is not None
    # A battery that appears while all this is computed is not left out.
    street_only = replace(planner.answer.street, plans={})
    planner.answer = replace(planner.answer, street=street_only)
    await planner._send(home.now, None)
    home.listen()
    assert home.schedule.schedule_id.startswith("plan-")
    # At the same time without limits, it would take more.
    planner.settings = replace(planner.settings, tie_kw=None)
    await planner.replan()
    assert planner.answer.street is None
    assert max(-kwh for kwh in planner.answer.plan.battery_kwh) > 1.5


async def test_what_a_line_is_worth_is_kept(hass: HomeAssistant, home: Home) -> None:
    """Marginal prices of the planned hours are there for a settlement, over a restart as well."""
    pytest.importorskip("highspy")
    entry = await street(hass, home, lines={"tie_loss": 3.0})
    planner = planner_of(entry)
    await planner.replan()
    first = int(START.timestamp()) // 3600
    prices = planner.state.line_prices[first]
    assert prices.keys() == {"house-1", "house-2", "store"}
    # At night both clusters buy: at the price of the connection and what is lost on the way.
    assert prices["house-1"] == prices["house-2"] == pytest.approx(0.15 / 0.97, abs=1e-4)
    stored = PlannerState.from_stored(planner.state.as_stored())
    assert stored.line_prices == planner.state.line_prices


async def test_without_solver_or_measurements_all_are_one(
    hass: HomeAssistant, home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The plan goes on as one behind one meter, quietly, and says so among its remarks."""
    entry = await street(hass, home, lines={"tie_power": LINE_KW})
    planner = planner_of(entry)
    monkeypatch.setattr(joint, "_solver", lambda: None)
    await planner.replan()
    home.listen()
    assert planner.remarks == [NO_SOLVER] and planner.state.fallback is None
    assert home.schedule is not None and home.schedule.schedule_id.startswith("plan-")

    async def nothing(start: datetime, end: datetime) -> Mapping[str, Mapping[int, Hour]]:
        return {}

    planner._streets = StreetDesk(planner._seams.clusters, nothing)
    await planner.replan()
    answer = await hass.services.async_call("microgrid", "plan", {}, blocking=True, return_response=True)
    assert answer is not None and answer["remarks"] == [NO_HOUSES]


def test_settled_by_what_lines_are_worth() -> None:
    """Who gives behind a full line is paid less, and the payments still add up to the bill to the cent."""
    net = np.array([[-3.0, 0.5, 1.0], [1.0, 1.0, np.nan], [3.0, 1.0, -1.0]])
    rows: list[Hour | None] = [Hour(bought=0.3, sold=0.1) for _ in range(3)]
    names = ("giver", "near", "far")
    lines = np.full((3, 3), np.nan)
    lines[:, 0] = 0.05, 0.05, 0.3
    by_line, plain = (settled(names, net, rows, prices) for prices in (lines, np.full((3, 3), np.nan)))
    for found in (by_line, plain):
        assert sum(found.settlement.payments_cents) == found.settlement.bill_cents
        assert found.settlement.bill_cents == round(100 * (0.3 + 2.5 * 0.3 + 0.0))
    giver, near, far = range(3)
    assert by_line.settlement.payments[giver] > plain.settlement.payments[giver]
    assert by_line.settlement.payments[near] < plain.settlement.payments[near]
    assert by_line.settlement.payments[far] > by_line.settlement.payments[near]
    assert settled(names, net, rows).settlement.bill_cents == by_line.settlement.bill_cents
