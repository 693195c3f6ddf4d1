"""What the planner advises without commanding: charge of an island, and when a heat pump should run."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from freezegun.api import FrozenDateTimeFactory
from homeassistant.const import STATE_UNKNOWN
from homeassistant.core import HomeAssistant
from homeassistant.helpers import entity_registry as er
from pytest_homeassistant_custom_component.common import MockConfigEntry
from pytest_homeassistant_custom_component.typing import MqttMockHAClient

from custom_components.microgrid.planner_state import Hour, PlannerState

from .planning import START, Home, load_kw, planner_of, set_up, solar_kw
from .voices import Voice

HOUR = timedelta(hours=1)
NIGHT_KWH = sum(load_kw(START + hour * HOUR) for hour in (18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29))


@pytest.fixture
async def home(hass: HomeAssistant, mqtt_mock: MqttMockHAClient, freezer: FrozenDateTimeFactory) -> Home:
    """A house whose clock stands at midnight."""
    freezer.move_to(START)
    return Home(hass, freezer, mqtt_mock)


def entity(hass: HomeAssistant, key: str) -> Any:
    """Return the state of an entity of the planner."""
    (found,) = [
        one.entity_id
        for one in er.async_get(hass).entities.values()
        if one.unique_id.endswith(f"/energy_planner/{key}")
    ]
    return hass.states.get(found)


async def call(hass: HomeAssistant, action: str, **data: Any) -> dict[str, Any]:
    """Call an action of ours and return its answer."""
    answer = await hass.services.async_call("microgrid", action, data, blocking=True, return_response=True)
    assert isinstance(answer, dict)
    return answer


def sent(home: Home) -> list[str]:
    """Return the topics to which schedules or commands were sent."""
    topics = [str(call.args[0]) for call in home.mqtt.async_publish.call_args_list]
    return [topic for topic in topics if topic.endswith(("schedule/set", "cmd/set"))]


# ---- an island ----------------------------------------------------------------


def remember(entry: MockConfigEntry, sun: float, pump: dict[int, float] | None = None) -> None:
    """Put twelve days of measurement into the planner's memory."""
    hours = planner_of(entry).state.ledger.hours
    for back in range(24 * 12, 0, -1):
        at = START - back * HOUR
        taken = (pump or {}).get(at.hour, 0.0)
        row = Hour(load_kw(at) + taken, sun * solar_kw(at), 0.0, 1.0, 50.0, 0.15, 0.05, flexible=taken)
        if pump is not None and 17 <= at.hour < 22:
            row.bought = 0.55
        hours[int(at.timestamp()) // 3600] = row


class Island:
    """Two houses with batteries of their own that share the load by droop."""

    def __init__(self, hass: HomeAssistant, home: Home, charges: tuple[float, float]) -> None:
        """Begin with these charges, %."""
        self.home = home
        self.houses = [Voice(hass, f"house-{number}", "house", f"House {number}") for number in (1, 2)]
        self.capacities = (12.0, 6.0)
        self.charges = charges

    async def speak(self) -> None:
        """Announce the houses, and say what they measure."""
        names = ("load_power", "state_of_charge", "battery_stored_energy")
        for house, capacity, charge in zip(self.houses, self.capacities, self.charges, strict=True):
            await house.greet(names, interval_s=3600)
            watts = round(500 * load_kw(self.home.now))
            stored = 10.0 * capacity * charge
            await house.live(load_power=watts, state_of_charge=charge, battery_stored_energy=stored)


async def test_an_island_gets_targets_and_no_commands(hass: HomeAssistant, home: Home) -> None:
    """At dusk enough for the night, at dawn room for the sun, for each house; nothing is sent to anybody."""
    entry = await set_up(hass, source="off_grid", reserve=10)
    remember(entry, sun=3.0)
    island = Island(hass, home, (40.0, 70.0))
    await island.speak()
    home.mqtt.async_publish.reset_mock()
    await planner_of(entry).replan()
    dusk, dawn = entity(hass, "planner_target_dusk"), entity(hass, "planner_target_dawn")
    assert datetime.fromisoformat(dusk.attributes["time"]) == START + 18 * HOUR
    assert datetime.fromisoformat(dawn.attributes["time"]) == START + 7 * HOUR
    needed = 10.0 + 100.0 * NIGHT_KWH / 0.95 / 18.0
    # With a margin for nights that are worse than expected, and the dim hour before the sun is strong enough.
    assert needed < float(dusk.state) == dusk.attributes["least"] < needed + 10.0
    # Half full at midnight; what the night leaves at dawn is told, and that the sun finds no room for all.
    assert dawn.attributes["expected"] < 50.0
    assert dawn.attributes["most"] < 60.0
    # Both houses should be equally full, so that neither is empty first.
    assert dusk.attributes["batteries"] == {"House 1": float(dusk.state), "House 2": float(dusk.state)}
    answer = await call(hass, "plan")
    assert answer["targets"]["dusk"]["target"] == float(dusk.state)
    row = answer["plan"][17]
    assert row["least_percent"] == float(dusk.state) and "import_price" not in row
    told = await call(hass, "explain_plan", time=(START + 12 * HOUR).isoformat())
    assert "droop shares the load" in told["explanation"] and "dusk (18:00)" in told["explanation"]
    assert entity(hass, "planner_price").state == STATE_UNKNOWN
    assert entity(hass, "planner_fallback").state == "none"
    await home.pass_time(2 * HOUR, HOUR)
    assert sent(home) == []


async def test_a_dull_week_on_an_island(hass: HomeAssistant, home: Home) -> None:
    """What is missing for the night is said beforehand, in kWh."""
    entry = await set_up(hass, source="off_grid", reserve=10)
    remember(entry, sun=0.7)
    island = Island(hass, home, (30.0, 30.0))
    await island.speak()
    await planner_of(entry).replan()
    dusk = entity(hass, "planner_target_dusk")
    assert dusk.attributes["short_kwh"] > 3.0
    assert dusk.attributes["expected"] < float(dusk.state)
    told = await call(hass, "explain_plan", time=(START + 12 * HOUR).isoformat())
    assert "are missing" in told["explanation"]
    # A house that falls silent is left out; the others still have a target.
    await island.houses[0].state("offline")
    await planner_of(entry).replan()
    assert entity(hass, "planner_target_dusk").attributes["batteries"].keys() == {"House 2"}


async def test_schedules_of_the_time_with_a_grid_are_withdrawn(hass: HomeAssistant, home: Home) -> None:
    """Who becomes an island has no schedules left that command power."""
    entry = await set_up(hass, source="off_grid", reserve=10)
    remember(entry, sun=3.0)
    planner_of(entry).state.sent = True
    await home.arrive()
    await planner_of(entry).replan()
    home.listen()
    assert home.schedule is not None and home.schedule.intervals == ()
    assert not planner_of(entry).state.sent
    taken = len(home.taken)
    await home.pass_time(2 * HOUR, HOUR)
    assert len(home.taken) == taken
    # For a storm more is kept: the band rises, and still nothing is sent.
    before = entity(hass, "planner_target_dawn").attributes["least"]
    until = (home.now + timedelta(hours=48)).isoformat()
    await call(hass, "raise_reserve", reserve=60, until=until)
    assert before < 60.0 <= entity(hass, "planner_target_dawn").attributes["least"]
    home.listen()
    assert len(home.taken) == taken


# ---- a load that can be shifted --------------------------------------------------


PUMP = {
    "flexible_entity": "sensor.heat_pump",
    "flexible_power": 2.0,
    "flexible_ahead": 3.0,
    "flexible_behind": 2.0,
}
USUAL = {5: 1.0, 6: 1.0, 17: 1.0, 18: 1.0, 19: 1.0, 20: 1.0}


async def test_a_heat_pump_runs_before_the_dear_hours(hass: HomeAssistant, home: Home) -> None:
    """It is told to run ahead while energy is cheap and to hold when it is dear, and catches up."""
    entry = await set_up(hass, flexible=PUMP)
    remember(entry, sun=1.0, pump=USUAL)
    hass.states.async_set("sensor.heat_pump", "0", {"unit_of_measurement": "W"})
    await home.arrive()
    home.capacity_kwh = 2.0  # it cannot take the evening
    await home.speak()
    assert entity(hass, "planner_flexible").state == STATE_UNKNOWN
    await planner_of(entry).replan()
    shown = entity(hass, "planner_flexible")
    rows = {datetime.fromisoformat(row["start"]).hour: row for row in shown.attributes["plan"][:24]}
    assert sum(row["usual_kwh"] for row in rows.values()) == pytest.approx(6.0, abs=0.5)
    held = [rows[hour] for hour in (17, 18, 19, 20) if rows[hour]["advice"] == "hold"]
    assert len(held) >= 3 and sum(row["kwh"] for row in held) < 0.2
    ahead = [row["kwh"] - row["usual_kwh"] for hour, row in rows.items() if hour < 17]
    assert 2.0 < sum(ahead) <= 3.0, "not further ahead than it may be"
    assert "run" in {rows[hour]["advice"] for hour in range(11, 16)}, "while the sun shines"
    assert shown.attributes["saving"] > 0.5
    assert shown.state == ("on" if rows[0]["advice"] == "run" else "off")
    assert shown.attributes["advice"] == rows[0]["advice"]
    plan = await call(hass, "plan")
    assert plan["flexible"]["advice"] == rows[0]["advice"]
    assert plan["plan"][18]["flexible_kwh"] == rows[18]["kwh"]
    told = await call(hass, "explain_plan", time=(START + 18 * HOUR).isoformat())
    assert told["flexible"] == "hold"
    # The load that the battery is planned for is the shifted one.
    usual = load_kw(START + 18 * HOUR) + 1.0
    assert plan["plan"][18]["load_kwh"] == pytest.approx(usual - 1.0 + rows[18]["kwh"], abs=0.25)


async def test_what_ran_ahead_is_counted(hass: HomeAssistant, home: Home) -> None:
    """Energy that it took earlier than usual is not planned again, and is there after a restart."""
    entry = await set_up(hass, flexible=PUMP)
    remember(entry, sun=1.0, pump=USUAL)
    hass.states.async_set("sensor.heat_pump", "1.5", {"unit_of_measurement": "kVA"})
    await home.arrive()
    await planner_of(entry).replan()
    await home.pass_time(2.5 * HOUR, HOUR / 2)
    planner = planner_of(entry)
    flexible = planner.state.ledger.hours[int(START.timestamp()) // 3600].flexible
    assert flexible == pytest.approx(1.5, abs=0.1)
    # Nothing is usual at night: three kWh in two hours, less what a warm house loses.
    assert planner.state.ahead_kwh == pytest.approx(2.85, abs=0.25)
    assert planner.state.ahead_kwh <= 3.0
    stored = PlannerState.from_stored(planner.state.as_stored())
    assert stored.ahead_kwh == planner.state.ahead_kwh and stored.ahead_at == planner.state.ahead_at
    rows = planner.flexible_plan()["plan"]
    coming = sum(row["kwh"] - row["usual_kwh"] for row in rows[:12])
    assert coming < 1.0, "its store is nearly full"
    # While it tells nothing, nobody takes that for standing still.
    hass.states.async_set("sensor.heat_pump", "unavailable")
    before, at = planner.state.ahead_kwh, int(home.now.timestamp()) // 3600 + 1
    await home.pass_time(3 * HOUR, HOUR / 2)
    assert planner.state.ledger.hours[at].flexible is None and planner.state.ledger.hours[at].whole
    assert 0.8 * before < planner.state.ahead_kwh <= before
    kept = PlannerState.from_stored(planner.state.as_stored()).ledger.hours
    assert kept[at].flexible is None and kept[at].load == pytest.approx(
        planner.state.ledger.hours[at].load, abs=1e-4
    )
