"""Repairs: what a person is told to put right, and that it goes away when it is right."""

from __future__ import annotations

import json
from datetime import timedelta
from http import HTTPStatus

import pytest
from homeassistant.core import HomeAssistant
from homeassistant.helpers import issue_registry as ir
from homeassistant.setup import async_setup_component
from homeassistant.util import dt as dt_util
from pytest_homeassistant_custom_component.common import MockConfigEntry
from pytest_homeassistant_custom_component.typing import ClientSessionGenerator

from custom_components.microgrid.const import DOMAIN
from custom_components.microgrid.core.contract.reading import format_time
from custom_components.microgrid.repairs import (
    CLOCK_WRONG,
    DATA_LOSS,
    MAX_TOO_NEW,
    PROTOCOL_TOO_NEW,
    TOO_MANY_HOUSE_SENSORS,
    issue_id,
)

from .voices import Voice


def issue(hass: HomeAssistant, entry: MockConfigEntry, kind: str, node_id: str = "") -> ir.IssueEntry | None:
    """Return an issue as the user sees it now."""
    return ir.async_get(hass).async_get_issue(DOMAIN, issue_id(entry.entry_id, kind, node_id))


async def speak(house: Voice, clock_error_s: float | None) -> None:
    """Tell a value, with a clock that is off by so much or with none."""
    house.seq += 1
    time = dt_util.utcnow() + timedelta(seconds=clock_error_s or 0.0)
    message = {"boot_id": 1, "seq": house.seq, "values": {"load_power": float(house.seq)}}
    if clock_error_s is not None:
        message["time"] = format_time(time)
    house.send("live", json.dumps(message))
    await house.hass.async_block_till_done()


@pytest.fixture
async def house(hass: HomeAssistant, entry: MockConfigEntry) -> Voice:
    """A house that is there."""
    voice = Voice(hass, "house-1", "house", "House 1")
    await voice.greet(("load_power",))
    return voice


# ---- the clock of a node ----------------------------------------


@pytest.mark.parametrize(("error_s", "shown"), [(-3600.0, "-3600"), (90.0, "+90")])
async def test_wrong_clock(
    hass: HomeAssistant, entry: MockConfigEntry, house: Voice, error_s: float, shown: str
) -> None:
    """Three messages in a row with a wrong time are worth a word; a right one takes it back."""
    for _ in range(2):
        await speak(house, error_s)
    assert issue(hass, entry, CLOCK_WRONG, "house-1") is None
    await speak(house, error_s)
    told = issue(hass, entry, CLOCK_WRONG, "house-1")
    assert told
    assert told.translation_placeholders
    assert told.translation_placeholders["name"] == "House 1"
    assert abs(float(told.translation_placeholders["offset_s"]) - float(shown)) <= 2.0
    assert told.translation_placeholders["offset_s"][0] == shown[0]
    await speak(house, 1.0)
    assert issue(hass, entry, CLOCK_WRONG, "house-1") is None


@pytest.mark.parametrize("between", [0.0, -59.0, None])
async def test_only_messages_in_a_row_count(
    hass: HomeAssistant, entry: MockConfigEntry, house: Voice, between: float | None
) -> None:
    """A late message now and then, or a node without a clock, is no wrong clock."""
    for error_s in (300.0, 300.0, between, 300.0, 300.0):
        await speak(house, error_s)
    assert issue(hass, entry, CLOCK_WRONG, "house-1") is None


async def test_sums_of_a_gateway_are_no_messages(hass: HomeAssistant, entry: MockConfigEntry) -> None:
    """What Home Assistant adds up itself each second says nothing new about the clock of the gateway."""
    gateway = Voice(hass, "gw-1", "gateway", "Cluster A")
    await gateway.greet(("swarm_frequency",))
    await speak(gateway, 300.0)
    for _ in range(5):
        entry.runtime_data.swarm.tick()
    assert issue(hass, entry, CLOCK_WRONG, "gw-1") is None


async def test_retired_node_takes_its_issues_along(
    hass: HomeAssistant, entry: MockConfigEntry, house: Voice
) -> None:
    """A node that left for good needs no repair."""
    for _ in range(3):
        await speak(house, 300.0)
    house.event("overflow", "LOG_OVERFLOW", from_seq=3, to_seq=9)
    await hass.async_block_till_done()
    assert issue(hass, entry, CLOCK_WRONG, "house-1")
    assert issue(hass, entry, DATA_LOSS, "house-1")
    await house.leave()
    assert not ir.async_get(hass).issues


# ---- lost data --------------------------------------------------


async def test_data_loss_until_confirmed(
    hass: HomeAssistant, entry: MockConfigEntry, house: Voice, hass_client: ClientSessionGenerator
) -> None:
    """Losses are counted, survive a reload, and go when the user has taken note."""
    assert await async_setup_component(hass, "repairs", {})
    house.event("overflow", "LOG_OVERFLOW", from_seq=3, to_seq=9, note="[click](http://example.org)")
    await hass.async_block_till_done()
    house.event("overflow", "LOG_OVERFLOW", "moment", "warning", hours=1.5)
    await hass.async_block_till_done()
    await hass.config_entries.async_reload(entry.entry_id)
    told = issue(hass, entry, DATA_LOSS, "house-1")
    assert told
    assert told.is_fixable
    assert told.is_persistent
    assert told.translation_placeholders == {
        "name": "House 1",
        "node": "house-1",
        "losses": "2",
        "lost": "hours = 1.5",
        "time": "2026-06-01T12:00:00+00:00",
    }

    client = await hass_client()
    response = await client.post(
        "/api/repairs/issues/fix", json={"handler": DOMAIN, "issue_id": told.issue_id}
    )
    assert response.status == HTTPStatus.OK
    form = await response.json()
    assert (form["type"], form["step_id"]) == ("form", "confirm")
    assert form["description_placeholders"]["lost"] == "hours = 1.5"
    response = await client.post(f"/api/repairs/issues/fix/{form['flow_id']}", json={})
    assert (await response.json())["type"] == "create_entry"
    assert issue(hass, entry, DATA_LOSS, "house-1") is None


async def test_text_of_a_node_is_not_shown(hass: HomeAssistant, entry: MockConfigEntry, house: Voice) -> None:
    """Numbers tell the range, without them the code does; texts of a node do not reach Markdown."""
    house.event("overflow", "LOG_OVERFLOW", from_seq=3, to_seq=9, note="[click](http://example.org)")
    await hass.async_block_till_done()
    told = issue(hass, entry, DATA_LOSS, "house-1")
    assert told
    assert told.translation_placeholders
    assert told.translation_placeholders["lost"] == "from_seq = 3, to_seq = 9"
    house.event("overflow", "LOG_OVERFLOW", note="[click](http://example.org)", whole=True)
    await hass.async_block_till_done()
    told = issue(hass, entry, DATA_LOSS, "house-1")
    assert told
    assert told.translation_placeholders
    assert told.translation_placeholders["lost"] == "LOG_OVERFLOW"


async def test_other_events_are_no_loss(hass: HomeAssistant, entry: MockConfigEntry, house: Voice) -> None:
    """A fault is the event entity's, not a repair."""
    house.event("fault", "F001", "raised", "critical")
    await hass.async_block_till_done()
    assert not ir.async_get(hass).issues


# ---- later protocol ---------------------------------------------


async def test_protocol_too_new(hass: HomeAssistant, entry: MockConfigEntry) -> None:
    """A node of a later protocol is named; the issue goes when it speaks ours, or leaves, or on unload."""
    first, second = (Voice(hass, f"new-{number}", "house", "New") for number in (1, 2))
    await first.birth(protocol=2)
    await second.birth(protocol=2)
    told = issue(hass, entry, PROTOCOL_TOO_NEW, "new-1")
    assert told
    assert told.translation_placeholders == {"node": "new-1", "swarm": "demo", "supported": "1"}
    await first.birth()
    assert issue(hass, entry, PROTOCOL_TOO_NEW, "new-1") is None
    assert issue(hass, entry, PROTOCOL_TOO_NEW, "new-2")
    await hass.config_entries.async_unload(entry.entry_id)
    assert not ir.async_get(hass).issues


async def test_flood_of_new_nodes(hass: HomeAssistant, entry: MockConfigEntry) -> None:
    """Invented nodes do not bury the user."""
    entry.runtime_data.repairs.show_too_new({f"node-{number:03}": "protocol 9" for number in range(100)})
    assert len(ir.async_get(hass).issues) == MAX_TOO_NEW


# ---- house sensors, and the end ---------------------------------


async def test_too_many_house_sensors(hass: HomeAssistant, entry: MockConfigEntry) -> None:
    """The limit is told; removing the entry removes what is told of it, and nothing of another entry."""
    entry.runtime_data.repairs.too_many_house_sensors(256)
    told = issue(hass, entry, TOO_MANY_HOUSE_SENSORS)
    assert told
    assert told.translation_placeholders == {"limit": "256"}
    ir.async_create_issue(
        hass,
        DOMAIN,
        "of_another_entry",
        is_fixable=False,
        severity=ir.IssueSeverity.WARNING,
        translation_key="x",
    )
    house = Voice(hass, "house-1", "house", "House 1")
    await house.greet(("load_power",))
    house.event("overflow", "LOG_OVERFLOW")
    await hass.async_block_till_done()
    await hass.config_entries.async_remove(entry.entry_id)
    assert set(ir.async_get(hass).issues) == {(DOMAIN, "of_another_entry")}
