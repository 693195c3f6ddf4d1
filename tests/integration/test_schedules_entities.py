"""What users see of schedules: sensors, calendar, events of acknowledgements, repairs."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from freezegun.api import FrozenDateTimeFactory
from homeassistant.core import HomeAssistant
from homeassistant.helpers import entity_registry as er, issue_registry as ir
from pytest_homeassistant_custom_component.common import MockConfigEntry, async_fire_time_changed

from custom_components.microgrid.const import DOMAIN
from custom_components.microgrid.schedules import ScheduleDesk

from .test_schedules import HALF_HOUR, NODE, NOW, Battery, plan
from .voices import Voice


@pytest.fixture(autouse=True)
def ten_o_clock(freezer: FrozenDateTimeFactory) -> FrozenDateTimeFactory:
    """Time stands still until a test moves it."""
    freezer.move_to(NOW)
    return freezer


@pytest.fixture
async def battery(hass: HomeAssistant, entry: MockConfigEntry) -> Battery:
    """A battery."""
    return await Battery(hass, NODE, "battery", "Cellar").ready()


@pytest.fixture
def desk(entry: MockConfigEntry) -> ScheduleDesk:
    """The desk of the entry."""
    found: ScheduleDesk = entry.runtime_data.schedules
    return found


def state_of(hass: HomeAssistant, entity_id: str) -> str:
    """Return a state that must be there."""
    state = hass.states.get(entity_id)
    assert state is not None, entity_id
    return str(state.state)


async def events(hass: HomeAssistant, hours: float = 4) -> list[dict[str, Any]]:
    """Return what the calendar shows."""
    answer = await hass.services.async_call(
        "calendar",
        "get_events",
        {
            "entity_id": "calendar.cellar_schedule",
            "start_date_time": (NOW - HALF_HOUR).isoformat(),
            "end_date_time": (NOW + timedelta(hours=hours)).isoformat(),
        },
        blocking=True,
        return_response=True,
    )
    assert answer is not None
    calendar = answer["calendar.cellar_schedule"]
    assert isinstance(calendar, dict)
    found = calendar["events"]
    assert isinstance(found, list)
    return [dict(event) for event in found if isinstance(event, dict)]


async def test_sensors(
    hass: HomeAssistant, battery: Battery, desk: ScheduleDesk, freezer: FrozenDateTimeFactory
) -> None:
    """Status, share of a week, what is next."""
    assert state_of(hass, "sensor.cellar_schedule_status") == "none"
    assert state_of(hass, "sensor.cellar_next_action") == "none"
    assert state_of(hass, "sensor.cellar_schedule_kept_7_days") == "unknown"
    schedule = plan(1, 1000.0, 1500.0)
    await desk.set(NODE, schedule)
    assert state_of(hass, "sensor.cellar_schedule_status") == "pending"
    await battery.ack("received", schedule)
    assert state_of(hass, "sensor.cellar_schedule_status") == "received"
    await battery.ack("accepted", schedule)
    assert state_of(hass, "sensor.cellar_schedule_status") == "active"
    following = hass.states.get("sensor.cellar_next_action")
    assert following is not None
    assert (following.state, following.attributes["rate_kw"]) == ("charge", 1.5)
    await battery.ack("started", schedule, 0)
    await battery.ack("succeeded", schedule, 0)
    freezer.move_to(NOW + HALF_HOUR)
    async_fire_time_changed(hass, NOW + HALF_HOUR)
    await hass.async_block_till_done()
    assert state_of(hass, "sensor.cellar_next_action") == "none"
    assert state_of(hass, "sensor.cellar_schedule_kept_7_days") == "100.0"
    freezer.move_to(NOW + timedelta(days=2))
    async_fire_time_changed(hass, NOW + timedelta(days=2))
    await hass.async_block_till_done()
    assert state_of(hass, "sensor.cellar_schedule_status") == "expired"
    assert state_of(hass, "sensor.cellar_schedule_kept_7_days") == "50.0"  # the second was never reported


async def test_noise_is_disabled(hass: HomeAssistant, battery: Battery) -> None:
    """A battery shows its mode as a metric; times change each half hour."""
    registry = er.async_get(hass)
    for key, disabled in {
        "schedule_instruction": True,
        "schedule_next_start": True,
        "schedule_lateness": True,
        "schedule_status": False,
        "schedule_success": False,
        "schedule_next_action": False,
    }.items():
        (found,) = [one for one in registry.entities.values() if one.unique_id.endswith(f"{NODE}/{key}")]
        assert (found.disabled_by is not None) is disabled, key


async def test_ability_comes_with_a_later_birth(hass: HomeAssistant, entry: MockConfigEntry) -> None:
    """A node that learns schedules gets the entities; one that unlearns them shows them as unavailable."""
    inverter = Voice(hass, "inverter-1", "mpp_inverter", "Shed")
    await inverter.greet()
    assert hass.states.get("calendar.shed_schedule") is None
    able = {"schedule": {"modes": ["charge"], "max_charge_w": 1000, "max_discharge_w": 0}}
    await inverter.birth(capabilities=able)
    assert state_of(hass, "calendar.shed_schedule") == "off"
    assert state_of(hass, "sensor.shed_instruction") == "unknown"  # no metric tells it
    await inverter.birth(firmware="2")
    assert state_of(hass, "calendar.shed_schedule") == "unavailable"


async def test_calendar(
    hass: HomeAssistant, battery: Battery, desk: ScheduleDesk, freezer: FrozenDateTimeFactory
) -> None:
    """Past intervals say what became of them, those to come what is planned."""
    schedule = plan(1, 1000.0, 2000.0, 1500.0)
    await desk.set(NODE, schedule)
    assert await events(hass) == []  # nobody accepted it so far
    await battery.ack("accepted", schedule)
    await battery.ack("started", schedule, 0, late=True, time="2026-06-01T10:10:00.000Z")
    assert state_of(hass, "calendar.cellar_schedule") == "on"
    await battery.ack("succeeded", schedule, 0, actual_rate_w=980)
    freezer.move_to(NOW + timedelta(minutes=61))
    await battery.ack("failed", schedule, 1, actual_rate_w=100, reasons=["too cold"])
    assert [(event["summary"], event.get("description")) for event in await events(hass)] == [
        ("Charge 1 kW · Done", "0.98 kW\n+10 min"),
        ("Charge 2 kW · Failed", "0.1 kW\ntoo cold"),
        ("Charge 1.5 kW", None),
    ]
    assert len(await events(hass, 1)) == 2
    freezer.move_to(NOW + timedelta(minutes=95))
    async_fire_time_changed(hass, NOW + timedelta(minutes=95))
    await hass.async_block_till_done()
    assert state_of(hass, "calendar.cellar_schedule") == "off"


@pytest.mark.parametrize(("language", "summary"), [("de", "Laden 1 kW"), ("pl", "Ładowanie 1 kW")])
async def test_calendar_speaks_the_language_of_the_user(
    hass: HomeAssistant, entry: MockConfigEntry, desk: ScheduleDesk, language: str, summary: str
) -> None:
    """Like everything else."""
    hass.config.language = language
    battery = await Battery(hass, NODE, "battery", "Cellar").ready()
    await desk.set(NODE, plan(1, 1000.0))
    await battery.ack("accepted", plan(1, 1000.0))
    (entity_id,) = hass.states.async_entity_ids("calendar")
    state = hass.states.get(entity_id)
    assert state is not None
    assert state.attributes["message"] == summary


async def test_each_acknowledgement_is_an_event_once(
    hass: HomeAssistant, battery: Battery, desk: ScheduleDesk
) -> None:
    """For automations: what, of which interval, and why."""
    schedule = plan()
    await desk.set(NODE, schedule)
    await battery.ack("accepted", schedule)
    ack_id = await battery.ack(
        "failed", schedule, 1, reasons=["too cold"], requested_rate_w=2000, actual_rate_w=100
    )
    state = hass.states.get("event.cellar_schedule")
    assert state is not None
    attributes = dict(state.attributes)
    assert attributes["event_type"] == "failed"
    assert attributes["reasons"] == ["too cold"]
    assert (attributes["mode"], attributes["requested_kw"], attributes["actual_kw"]) == ("charge", 2.0, 0.1)
    assert attributes["start"] == (NOW + HALF_HOUR).isoformat()
    await battery.ack("failed", schedule, 1, ack_id=ack_id)
    again = hass.states.get("event.cellar_schedule")
    assert again is not None
    assert again.last_updated == state.last_updated


async def test_repair_of_a_rejected_schedule(
    hass: HomeAssistant, battery: Battery, desk: ScheduleDesk, entry: MockConfigEntry
) -> None:
    """Reasons as code and the name plainly: nothing is formatted. It goes with the next acceptance."""
    issue_id = f"schedule_rejected_{entry.entry_id}_{NODE}"
    battery.name = "Cellar [x](http://x) <b>"
    await battery.ready()
    await desk.set(NODE, plan(1))
    await battery.ack("rejected", plan(1), reasons=["`locked` [x](http://x) <b>"])
    issue = ir.async_get(hass).async_get_issue(DOMAIN, issue_id)
    assert issue is not None
    assert issue.translation_placeholders is not None
    assert issue.translation_placeholders["reasons"] == "`'locked' [x](http://x) <b>`"
    assert issue.translation_placeholders["name"] == "Cellar xhttp://x b"
    await desk.set(NODE, plan(2))
    await battery.ack("accepted", plan(2))
    assert ir.async_get(hass).async_get_issue(DOMAIN, issue_id) is None


async def test_repair_of_repeated_failure(
    hass: HomeAssistant,
    battery: Battery,
    desk: ScheduleDesk,
    entry: MockConfigEntry,
    freezer: FrozenDateTimeFactory,
) -> None:
    """Three in a row, found again after a restart, gone with the first one that is done."""
    issue_id = f"schedule_failing_{entry.entry_id}_{NODE}"
    schedule = plan(1, *[1000.0] * 5)
    await desk.set(NODE, schedule)
    await battery.ack("accepted", schedule)
    for number, status in enumerate(("failed", "expired", "failed")):
        assert ir.async_get(hass).async_get_issue(DOMAIN, issue_id) is None
        freezer.tick(HALF_HOUR)
        await battery.ack(status, schedule, number, reasons=["too cold"])
    issue = ir.async_get(hass).async_get_issue(DOMAIN, issue_id)
    assert issue is not None
    assert issue.translation_placeholders is not None
    assert issue.translation_placeholders["count"] == "3"
    assert await hass.config_entries.async_reload(entry.entry_id)
    await hass.async_block_till_done()
    assert ir.async_get(hass).async_get_issue(DOMAIN, issue_id) is not None
    await battery.ready()
    freezer.tick(HALF_HOUR)
    await battery.ack("succeeded", schedule, 3)
    assert ir.async_get(hass).async_get_issue(DOMAIN, issue_id) is None
