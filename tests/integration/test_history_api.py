"""History on request: the action, the WebSocket commands, and what else the archive shows of itself."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any
from unittest.mock import patch

import numpy as np
import pytest
import voluptuous as vol
from homeassistant.core import HomeAssistant
from homeassistant.exceptions import HomeAssistantError, ServiceValidationError
from homeassistant.helpers import device_registry as dr, issue_registry as ir
from homeassistant.util import dt as dt_util
from pytest_homeassistant_custom_component.common import MockConfigEntry, async_fire_time_changed
from pytest_homeassistant_custom_component.typing import MqttMockHAClient, WebSocketGenerator

from custom_components.microgrid import backup, historian as historian_module, services_history
from custom_components.microgrid.const import (
    DOMAIN,
    OPT_KEEP_HOURS,
    OPT_KEEP_MINUTES,
    OPT_KEEP_SAMPLES,
)
from custom_components.microgrid.core.archive.archive import Archive
from custom_components.microgrid.core.archive.query import History
from custom_components.microgrid.core.archive.rollup import DAY, HOUR, MINUTE, Tier
from custom_components.microgrid.repairs import DATA_LOSS, issue_id
from microgrid_core.codec.umg1.frame import Frame, Kind
from microgrid_core.codec.umg1.records import EVENT_TYPES, Event, Lost
from tests.unit.core.archive.logs import HOUR_US, MINUTE_US, SECOND_US, Node, truth

from .test_historian import acknowledgements, send, until
from .voices import Voice

HOUSE = "house-1"


def begin_us(hours_ago: int) -> int:
    """Return the top of an hour that is over."""
    return (time.time_ns() // 1000 // HOUR_US - hours_ago) * HOUR_US


@pytest.fixture
async def house(hass: HomeAssistant, entry: MockConfigEntry) -> Voice:
    """A house that is there."""
    voice = Voice(hass, HOUSE, "house", "House 1")
    await voice.greet()
    return voice


@pytest.fixture
async def log(hass: HomeAssistant, entry: MockConfigEntry, house: Voice) -> Node:
    """A log of two hours that is stored."""
    node = Node(utc_us=begin_us(3))
    await store(entry, [*node.start(), *node.minutes(120)])
    return node


def archive_of(entry: MockConfigEntry) -> Archive:
    """Return the open archive."""
    archive = entry.runtime_data.historian.archive
    assert isinstance(archive, Archive)
    return archive


async def store(entry: MockConfigEntry, frames: Iterable[Frame], node: str = HOUSE) -> None:
    """Put frames into the archive."""
    payload = [frame.encode() for frame in frames]
    await entry.runtime_data.historian.write(archive_of(entry).append, node, payload)


async def upkeep(hass: HomeAssistant) -> None:
    """Let five minutes go by."""
    async_fire_time_changed(hass, dt_util.utcnow() + timedelta(seconds=historian_module.ROLL_UP_S + 1))
    await hass.async_block_till_done(wait_background_tasks=True)


async def get(hass: HomeAssistant, **data: Any) -> dict[str, Any]:
    """Call the action."""
    response = await hass.services.async_call(
        DOMAIN, "get_history", data, blocking=True, return_response=True
    )
    assert isinstance(response, dict)
    return response


def span(log: Node, minutes: int = 120) -> dict[str, datetime]:
    """Return the range of a log as the action wants it."""
    start = dt_util.utc_from_timestamp(log.utc_us / 1e6)
    return {"start": start, "end": start + timedelta(minutes=minutes)}


# ---------------------------------------------------------------------------------------------- get_history


@pytest.mark.parametrize(("points", "tier"), [(120, MINUTE), (119, HOUR), (2, HOUR), (1, DAY)])
async def test_the_answer_is_what_the_archive_has(
    hass: HomeAssistant, entry: MockConfigEntry, log: Node, points: int, tier: Tier
) -> None:
    asked = ["exchange_power", "energy_exported"]
    found = await get(hass, node=HOUSE, metrics=asked, points=points, **span(log))
    assert (found["resolution"], found["bucket_s"]) == (tier.name, tier.bucket_s)
    start_s = log.utc_us // SECOND_US
    histories: dict[str, History] = await hass.async_add_executor_job(
        archive_of(entry).history,
        HOUSE,
        asked,
        start_s // tier.bucket_s * tier.bucket_s,
        start_s + 7200,
        tier,
    )
    assert list(found["metrics"]) == asked
    for name, history in histories.items():
        curve = found["metrics"][name]
        assert curve["times"] == history.times_s.tolist()
        assert curve["minimum"] == history.minimum.tolist()
        assert curve["mean"] == history.mean.tolist()
        assert curve["maximum"] == history.maximum.tolist()
    assert found["metrics"]["energy_exported"]["last"] == histories["energy_exported"].last.tolist()
    assert "last" not in found["metrics"]["exchange_power"]


async def test_seconds_are_those_of_the_samples(
    hass: HomeAssistant, entry: MockConfigEntry, log: Node
) -> None:
    found = await get(hass, node=HOUSE, metrics="inverter_frequency", points=600, **span(log, 10))
    assert found["resolution"] == "second"
    curve = found["metrics"]["inverter_frequency"]
    again = Node(utc_us=log.utc_us)
    samples = truth([*again.start(), *again.minutes(10)])["inverter_frequency"].values.reshape(600, 10)
    assert curve["times"] == [log.utc_us // SECOND_US + at for at in range(600)]
    assert curve["minimum"] == pytest.approx(samples.min(axis=1))
    assert curve["mean"] == pytest.approx(samples.mean(axis=1))
    assert curve["maximum"] == pytest.approx(samples.max(axis=1))


async def test_seconds_that_are_gone_are_minutes(
    hass: HomeAssistant, entry: MockConfigEntry, log: Node
) -> None:
    with archive_of(entry).index.write() as connection:
        connection.execute("UPDATE node SET raw_floor_s = ?", (log.utc_us // SECOND_US + 60,))
    found = await get(hass, node=HOUSE, metrics="exchange_power", points=600, **span(log, 10))
    assert found["resolution"] == "minute"
    assert len(found["metrics"]["exchange_power"]["times"]) == 10


async def test_a_device_is_as_good_as_an_id(hass: HomeAssistant, entry: MockConfigEntry, log: Node) -> None:
    device = next(
        device
        for device in dr.async_entries_for_config_entry(dr.async_get(hass), entry.entry_id)
        if device.name == "House 1"
    )
    found = await get(hass, device_id=device.id, metrics="exchange_power", **span(log))
    assert (found["node"], found["resolution"]) == (HOUSE, "minute")


async def test_the_last_day_without_a_range(hass: HomeAssistant, entry: MockConfigEntry, log: Node) -> None:
    found = await get(hass, node=HOUSE, metrics="exchange_power", points=24)
    assert found["resolution"] == "hour"
    assert found["end"] - found["start"] == 86_400
    assert len(found["metrics"]["exchange_power"]["times"]) == 2


async def test_a_time_without_data_is_empty(hass: HomeAssistant, entry: MockConfigEntry, log: Node) -> None:
    start = dt_util.utc_from_timestamp(log.utc_us / 1e6) - timedelta(days=9)
    found = await get(hass, node=HOUSE, metrics="exchange_power", start=start, end=start + timedelta(hours=1))
    assert found["metrics"]["exchange_power"] == {
        "unit": "W",
        "times": [],
        "minimum": [],
        "mean": [],
        "maximum": [],
    }


async def test_what_cannot_be_answered(hass: HomeAssistant, entry: MockConfigEntry, log: Node) -> None:
    now = dt_util.utcnow()
    for expected, data in (
        ("unknown_node", {"node": "house-7", "metrics": "exchange_power"}),
        ("unknown_metrics", {"node": HOUSE, "metrics": ["exchange_power", "colour"]}),
        ("bad_range", {"node": HOUSE, "metrics": "exchange_power", "start": now, "end": now}),
        (
            "bad_range",
            {"node": HOUSE, "metrics": "exchange_power", "start": now - timedelta(days=4000), "end": now},
        ),
        ("too_much_history", {"node": HOUSE, "metrics": [f"m{at}" for at in range(9)], "points": 5000}),
    ):
        with pytest.raises(ServiceValidationError) as refused:
            await get(hass, **data)
        assert refused.value.translation_key == expected
    for wrong in (
        {"metrics": "exchange_power"},
        {"node": HOUSE, "device_id": "x", "metrics": "exchange_power"},
        {"node": HOUSE, "metrics": []},
        {"node": HOUSE, "metrics": "exchange_power", "points": 5001},
        {"node": HOUSE, "metrics": ["x"] * 33},
        {"node": HOUSE, "metrics": "exchange_power", "start": "0001-01-01 00:00:00"},
        {"node": HOUSE, "metrics": "exchange_power", "end": "9999-12-31 23:59:59"},
    ):
        with pytest.raises(vol.Invalid):
            await get(hass, **wrong)


async def test_an_archive_that_is_not_open(hass: HomeAssistant, entry: MockConfigEntry, house: Voice) -> None:
    with (
        patch.object(entry.runtime_data.historian, "archive", None),
        pytest.raises(HomeAssistantError) as refused,
    ):
        await get(hass, node=HOUSE, metrics="exchange_power")
    assert refused.value.translation_key == "archive_closed"


async def test_a_name_in_two_swarms_is_ambiguous(
    hass: HomeAssistant, entry: MockConfigEntry, log: Node
) -> None:
    other = MockConfigEntry(
        domain=DOMAIN, title="Other", unique_id="other", data={"swarm": "other", "name": "Other"}
    )
    other.add_to_hass(hass)
    assert await hass.config_entries.async_setup(other.entry_id)
    await store(other, Node().start())
    with pytest.raises(ServiceValidationError) as refused:
        await get(hass, node=HOUSE, metrics="exchange_power")
    assert refused.value.translation_key == "ambiguous_node"
    assert await hass.config_entries.async_unload(other.entry_id)


# ---------------------------------------------------------------------------------------- WebSocket commands


async def test_the_websocket_gives_the_same(
    hass: HomeAssistant, entry: MockConfigEntry, log: Node, hass_ws_client: WebSocketGenerator
) -> None:
    client = await hass_ws_client(hass)
    start_s = log.utc_us // SECOND_US
    question = {"type": "microgrid/history", "node": HOUSE, "metrics": ["exchange_power"], "points": 120}
    await client.send_json_auto_id(question | {"start": start_s, "end": start_s + 7200})
    answer = await client.receive_json()
    assert answer["success"]
    assert answer["result"] == await get(hass, node=HOUSE, metrics="exchange_power", points=120, **span(log))
    for reason, more in (
        ("bad_range", {"start": start_s, "end": start_s}),
        ("unknown_node", {"start": start_s, "end": start_s + 60, "node": "house-7"}),
        (None, {"start": start_s}),
        (None, {"start": start_s, "end": "soon"}),
        (None, {"start": start_s, "end": start_s + 60, "points": 0}),
    ):
        await client.send_json_auto_id(question | more)
        answer = await client.receive_json()
        assert not answer["success"]
        assert answer["error"]["code"] == ("home_assistant_error" if reason else "invalid_format")
        assert answer["error"].get("translation_key") == reason


async def test_days_of_a_house_and_of_its_cluster(
    hass: HomeAssistant, entry: MockConfigEntry, hass_ws_client: WebSocketGenerator
) -> None:
    await Voice(hass, "gateway-a", "gateway", "Gateway A").greet()
    day_us = int(dt_util.start_of_local_day().timestamp()) * SECOND_US - 24 * HOUR_US
    ledgers = []
    for at in (1, 2):
        await Voice(hass, f"house-{at}", "house", f"House {at}", "gateway-a").greet()
        node = Node(utc_us=day_us + 2 * HOUR_US, seed=at)
        frames = [*node.start(), *node.minutes(30), node.event(), *node.minutes(10)]
        cleared = node.frame(Kind.EVENT, Event(0, 2, 2, "F005", f"{at}-cleared").encode())
        await store(entry, [*frames, cleared, *node.minutes(2)], f"house-{at}")
        samples = truth([*frames, cleared])["energy_exported"].integers
        ledgers.append(float(np.where(np.diff(samples) < 0, samples[1:], np.diff(samples)).sum()))
    client = await hass_ws_client(hass)
    yesterday = (dt_util.now() - timedelta(days=1)).date().isoformat()
    found = {}
    for node_id in ("house-1", "gateway-a"):
        await client.send_json_auto_id(
            {"type": "microgrid/daily_summary", "node": node_id, "day": yesterday, "days": 2}
        )
        answer = await client.receive_json()
        assert answer["success"], answer
        before, found[node_id] = answer["result"]
        assert (before["energy_wh"], before["fault_minutes"]) == ({}, 0)
    for impossible in ("0001-01-01", "9999-12-31"):
        await client.send_json_auto_id(
            {"type": "microgrid/daily_summary", "node": "house-1", "day": impossible, "days": 2}
        )
        answer = await client.receive_json()
        assert answer["error"]["code"] == "invalid_format"
    house, cluster = found["house-1"], found["gateway-a"]
    assert house["end"] - house["start"] == 86_400
    assert house["energy_wh"]["energy_exported"] == pytest.approx(ledgers[0], rel=0.05)
    assert cluster["energy_wh"]["energy_exported"] == pytest.approx(sum(ledgers), rel=0.05)
    assert cluster["members"] == ["house-1", "house-2"]
    assert house["fault_minutes"] == 10
    assert cluster["fault_minutes"] == 10, "the same minutes in both houses are ten, not twenty"
    low, high = house["frequency_hz"]["inverter_frequency"]
    assert 40 < low < high < 60
    assert set(house["peak_power_w"]) == {"exchange_power", "battery_power"} & set(house["peak_power_w"])
    assert house["state_of_charge"] is None


# --------------------------------------------------------------------------------------- events from the log


def told(hass: HomeAssistant, entity_id: str = "event.house_1_fault") -> list[tuple[Any, Any]]:
    """Return type and lateness of what an event entity shows."""
    state = hass.states.get(entity_id)
    assert state is not None
    return [(state.attributes.get("event_type"), state.attributes.get("late"))]


def event(log: Node, event_type: str, state: int, code: str, **more: Any) -> Frame:
    """Return an event as a frame."""
    kind = EVENT_TYPES.index(event_type)
    payload = Event(kind, state, 1, code, f"{HOUSE}:{log.boot_id}:{log.seq}", **more).encode()
    return log.frame(Kind.EVENT, payload)


async def test_a_fault_of_last_night_is_known_and_does_not_flash(
    hass: HomeAssistant, entry: MockConfigEntry, house: Voice, mqtt_mock: MqttMockHAClient
) -> None:
    states = []
    hass.bus.async_listen("state_changed", lambda found: states.append(found.data["entity_id"]))
    log = Node(utc_us=begin_us(9), boot_id=1)
    frames = [*log.start(), *log.minutes(1), event(log, "fault", 1, "F005"), *log.minutes(1)]
    send(hass, b"".join(frame.encode() for frame in frames))
    await until(lambda: told(hass) == [("raised", True)])
    fault = hass.states.get("event.house_1_fault")
    assert fault is not None
    assert fault.attributes["time"] == dt_util.utc_from_timestamp(log.utc_us / 1e6 + 60).isoformat(
        timespec="milliseconds"
    ).replace("+00:00", "Z")
    cleared = [event(log, "fault", 2, "F005"), *log.minutes(1)]
    send(hass, b"".join(frame.encode() for frame in cleared))
    await until(lambda: told(hass) == [("cleared", True)])
    assert "binary_sensor.house_1_problem" not in states
    rejected = entry.runtime_data.swarm.rejected["duplicate"]
    send(hass, b"".join(frame.encode() for frame in cleared))
    await until(lambda: entry.runtime_data.historian.received.duplicates >= len(cleared))
    assert entry.runtime_data.swarm.rejected["duplicate"] == rejected


async def test_an_event_that_was_heard_is_not_told_again(
    hass: HomeAssistant, entry: MockConfigEntry, house: Voice, mqtt_mock: MqttMockHAClient
) -> None:
    log = Node(utc_us=begin_us(1), boot_id=1)
    frames = [*log.start(), event(log, "fault", 1, "F005"), *log.minutes(1)]
    house.event("fault", "F005", "raised", "critical", event_id=f"{HOUSE}:1:2")
    await hass.async_block_till_done()
    assert told(hass) == [("raised", False)]
    assert await hass.config_entries.async_unload(entry.entry_id)  # what was told is remembered
    assert await hass.config_entries.async_setup(entry.entry_id)
    await house.greet()
    send(hass, b"".join(frame.encode() for frame in frames))
    await until(lambda: acknowledgements(mqtt_mock))
    await hass.async_block_till_done()
    assert told(hass) == [("raised", False)]


async def test_an_alarm_that_lasts_is_active_once_the_log_is_read(
    hass: HomeAssistant, entry: MockConfigEntry, house: Voice, mqtt_mock: MqttMockHAClient
) -> None:
    log = Node(utc_us=time.time_ns() // 1000 - 30 * MINUTE_US, boot_id=1)
    old = [*log.start(), event(log, "alarm", 1, "CARD_FAILED"), *log.minutes(5)]
    send(hass, b"".join(frame.encode() for frame in old))
    await until(lambda: acknowledgements(mqtt_mock))
    await hass.async_block_till_done()
    assert entry.runtime_data.swarm.nodes[HOUSE].faults == {}
    send(hass, b"".join(frame.encode() for frame in log.minutes(25)))
    await until(lambda: set(entry.runtime_data.swarm.nodes[HOUSE].faults) == {"CARD_FAILED"})
    await hass.async_block_till_done()
    assert hass.states.is_state("binary_sensor.house_1_problem", "on")

    send(hass, event(log, "alarm", 2, "CARD_FAILED").encode())  # a minute later, while nobody listened
    await until(lambda: not entry.runtime_data.swarm.nodes[HOUSE].faults)


@pytest.mark.parametrize("says_so", [True, False], ids=["the node tells", "the node cannot tell"])
async def test_what_was_lost_is_seen_once(
    hass: HomeAssistant, entry: MockConfigEntry, house: Voice, mqtt_mock: MqttMockHAClient, says_so: bool
) -> None:
    log = Node(utc_us=time.time_ns() // 1000 - 10 * MINUTE_US, boot_id=1)
    frames = [*log.start(), *log.minutes(9)]
    send(hass, b"".join(frame.encode() for frame in frames[:10]))
    await until(lambda: acknowledgements(mqtt_mock))
    send(hass, b"".join(frame.encode() for frame in frames[30:]))
    await until(lambda: entry.runtime_data.historian.received.lost == 20)
    if says_so:
        send(hass, event(log, "overflow", 0, "OVERFLOW", lost=Lost(1, 10, 29)).encode())
        await until(lambda: acknowledgements(mqtt_mock)[-1]["seq"] == log.seq - 1)
    await upkeep(hass)
    await upkeep(hass)
    issue = ir.async_get(hass).async_get_issue(DOMAIN, issue_id(entry.entry_id, DATA_LOSS, HOUSE))
    assert issue is not None and issue.translation_placeholders is not None
    assert issue.translation_placeholders["losses"] == "1"
    assert issue.translation_placeholders["lost"] == "first_seq = 10, last_seq = 29"
    assert told(hass, "event.house_1_activity")[0][0] == "overflow"


# ----------------------------------------------------------------------------------- the archive shows itself


async def test_size_and_age_are_sensors(hass: HomeAssistant, entry: MockConfigEntry, log: Node) -> None:
    await upkeep(hass)
    await upkeep(hass)
    values = entry.runtime_data.swarm.site.values
    assert values["archive_size"] > 0
    assert values["archive_free"] > 0
    assert values["archive_age"] == pytest.approx(3 / 24, abs=1.5 / 24)
    assert 3000 < values["archive_delay"] < 7800
    state = hass.states.get("sensor.demo_archive_size")
    assert state is not None and float(state.state) > 0


async def test_a_backup_holds_the_archive_still(
    hass: HomeAssistant, entry: MockConfigEntry, log: Node, mqtt_mock: MqttMockHAClient
) -> None:
    historian = entry.runtime_data.historian
    await get(hass, node=HOUSE, metrics="exchange_power")
    await backup.async_pre_backup(hass)
    folder = archive_of(entry).folder
    assert (folder / "index.db-wal").stat().st_size == 0
    more = Node(boot_id=7, utc_us=begin_us(1))
    before = (folder / "index.db").read_bytes()
    send(hass, b"".join(frame.encode() for frame in (*more.start(), *more.minutes(1))))
    found = await get(hass, node=HOUSE, metrics="exchange_power", points=120, **span(log))
    assert len(found["metrics"]["exchange_power"]["times"]) == 120, "as it was computed before"
    await asyncio.sleep(0.1)
    assert not acknowledgements(mqtt_mock)
    assert (folder / "index.db").read_bytes() == before
    await backup.async_post_backup(hass)
    await until(lambda: acknowledgements(mqtt_mock))
    assert not historian.held
    await backup.async_post_backup(hass)  # a second one does no harm


async def test_a_reload_amid_a_backup_waits(
    hass: HomeAssistant, entry: MockConfigEntry, log: Node, mqtt_mock: MqttMockHAClient
) -> None:
    await backup.async_pre_backup(hass)
    send(hass, Node(boot_id=7, utc_us=begin_us(1)).start()[0].encode())
    unloading = hass.async_create_task(hass.config_entries.async_unload(entry.entry_id))
    await asyncio.sleep(0.05)
    await backup.async_post_backup(hass)
    assert await unloading


async def test_the_user_says_how_long_to_keep(
    hass: HomeAssistant, entry: MockConfigEntry, house: Voice
) -> None:
    retention = archive_of(entry).retention
    assert (retention.raw_s, retention.minute_s, retention.hour_s) == (7 * 86_400, 30 * 86_400, 366 * 86_400)
    menu = await hass.config_entries.options.async_init(entry.entry_id)
    form = await hass.config_entries.options.async_configure(menu["flow_id"], {"next_step_id": "readings"})
    common = {"profile": "normal", "heat_pump_topics": True, "house_sensor_topics": True}
    days = {OPT_KEEP_SAMPLES: 40, OPT_KEEP_MINUTES: 30, OPT_KEEP_HOURS: 400}
    form = await hass.config_entries.options.async_configure(form["flow_id"], common | days)
    assert form["errors"] == {"base": "keep_order"}
    days[OPT_KEEP_MINUTES] = 60
    form = await hass.config_entries.options.async_configure(form["flow_id"], common | days)
    assert form["type"] == "create_entry"
    await hass.async_block_till_done()
    retention = archive_of(entry).retention
    assert (retention.raw_s, retention.minute_s, retention.hour_s) == (40 * 86_400, 60 * 86_400, 400 * 86_400)


def test_an_answer_is_bounded() -> None:
    assert services_history.MAX_VALUES < services_history.MAX_POINTS * services_history.MAX_METRICS
