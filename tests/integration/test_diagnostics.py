"""Diagnostics: enough to find a fault from afar, nothing that names people or places."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
from homeassistant.config_entries import ConfigSubentryData
from homeassistant.core import HomeAssistant
from homeassistant.helpers import device_registry as dr
from homeassistant.util import dt as dt_util
from pytest_homeassistant_custom_component.common import MockConfigEntry
from pytest_homeassistant_custom_component.components.diagnostics import (
    get_diagnostics_for_config_entry,
    get_diagnostics_for_device,
)
from pytest_homeassistant_custom_component.typing import ClientSessionGenerator, MqttMockHAClient

from custom_components.microgrid.diagnostics import _of_a_connection, _without_serials
from custom_components.microgrid.schedules import ScheduleDesk

from . import gx as world
from .test_schedules import Battery, plan
from .voices import Voice


@pytest.fixture
async def house(hass: HomeAssistant, entry: MockConfigEntry) -> Voice:
    """A house of somebody, with a serial number."""
    voice = Voice(hass, "house-1", "house", "Family Kowalski")
    await voice.birth(("load_power",), hardware="ESP32-S3 A0B1C2D3E4F5", firmware="1.4.0")
    await voice.state("online")
    await voice.live(load_power=500.0, nonsense=1.0, faults=["F001"])
    return voice


async def test_entry(
    hass: HomeAssistant, entry: MockConfigEntry, house: Voice, hass_client: ClientSessionGenerator
) -> None:
    """The whole swarm: counters by reason, writes, and each node with its values."""
    house.send("live", "garbage")
    await Voice(hass, "new-1", "house", "New").birth(protocol=9)
    found = await get_diagnostics_for_config_entry(hass, hass_client, entry)
    text = json.dumps(found)
    assert "Kowalski" not in text
    assert "A0B1C2D3E4F5" not in text
    assert "Demo" not in text
    assert '"demo"' not in text
    assert found["entry"]["data"] == {"name": "**REDACTED**", "swarm": "**REDACTED**"}
    assert found["broker_connected"] is True
    assert found["swarm"]["nodes_known"] == found["swarm"]["nodes_online"] == 1
    assert found["swarm"]["rejected"] == {"not_json": 1, "protocol_too_new": 1}
    assert found["swarm"]["received"]["live"] == 1
    assert found["state_writes"] > 0
    assert found["protocol_too_new"].keys() == {"new-1"}
    assert found["house_sensors_refused"] == {}
    node = found["nodes"]["house-1"]
    assert node["values"]["load_power"] == 500.0
    assert node["values_rejected"] == {"nonsense": 1}
    assert node["faults"] == ["F001"]
    assert node["birth"]["firmware"] == "1.4.0"
    assert node["birth"]["hardware"] == "ESP32-S3 **REDACTED**"
    assert found["nodes"]["site"]["birth"] is None


async def test_device(
    hass: HomeAssistant, entry: MockConfigEntry, house: Voice, hass_client: ClientSessionGenerator
) -> None:
    """A device tells of its own node only, even when that node is not known now."""
    device = next(device for device in dr.async_get(hass).devices if device.name == "Family Kowalski")
    found = await get_diagnostics_for_device(hass, hass_client, entry, device)
    assert found["node_id"] == "house-1"
    assert found["node"]["kind"] == "house"
    assert "nodes" not in found
    await hass.config_entries.async_reload(entry.entry_id)
    await hass.async_block_till_done()
    found = await get_diagnostics_for_device(hass, hass_client, entry, device)
    assert found["node"] is None


async def test_schedules(
    hass: HomeAssistant, entry: MockConfigEntry, hass_client: ClientSessionGenerator
) -> None:
    """What was sent, answered and done, of the swarm and of one device, without names and serial numbers."""
    battery = await Battery(hass, "battery-1", "battery", "Cellar of Kowalski").ready()
    desk: ScheduleDesk = entry.runtime_data.schedules
    now = dt_util.utcnow()
    start = now.replace(minute=now.minute // 30 * 30, second=0, microsecond=0)
    until = start + timedelta(days=1)
    schedule = plan(
        3, 1000.0, 2000.0, start=start, issued_at=start, valid_until=until, schedule_id="kowalski-3"
    )
    await desk.set("battery-1", schedule)
    await battery.ack("accepted", schedule)
    await battery.ack("failed", schedule, 0, actual_rate_w=120, reasons=["unit 92932105105315 says no"])
    await battery.reports(schedule, now)
    found = await get_diagnostics_for_config_entry(hass, hass_client, entry)
    device = next(d for d in dr.async_get(hass).devices if d.name == "Cellar of Kowalski")
    of_device = await get_diagnostics_for_device(hass, hass_client, entry, device)
    assert "owalski" not in json.dumps(found)
    assert found["schedules"]["trouble"] is None
    shown = found["schedules"]["nodes"]["battery-1"]
    assert shown == of_device["schedule"]
    assert (shown["status"], shown["answer"]) == ("active", "accepted")
    assert (shown["sent"]["revision"], shown["sent"]["intervals"]) == (3, 2)
    assert shown["sent"] == shown["accepted"]
    assert shown["state"]["digest"] == shown["sent"]["digest"]
    assert shown["analytics"]["week"]["intervals"] == 0, "none is over yet"
    assert [(one["status"], one["actual_w"], one["reasons"]) for one in shown["executions"]] == [
        ("failed", 120.0, ["unit **REDACTED** says no"]),
        ("planned", None, []),
    ]


async def test_who_does_not_answer_is_not_named(
    hass: HomeAssistant,
    mqtt_mock: MqttMockHAClient,
    hass_client: ClientSessionGenerator,
    socket_enabled: None,
) -> None:
    """What went wrong with a connection is told; where the other end is, is not."""
    address = "http://127.0.0.1:9"
    partners = (
        ("victron_gx", {"way": "http", "url": address, "portal": "c0619ab12345"}),
        ("influxdb", {"url": address, "verify_tls": True}),
    )
    entry = world.joined(
        *(
            ConfigSubentryData(data=data, subentry_type=kind, title=kind, unique_id=None)
            for kind, data in partners
        )
    )
    await world.set_up(hass, entry)
    await world.until(
        hass,
        lambda: entry.runtime_data.influx.trouble and world.station_of(entry).access.detail,
        "both are missing",
    )
    found = await get_diagnostics_for_config_entry(hass, hass_client, entry)
    (station,) = found["victron_gx"].values()
    for told in (station["detail"], found["influxdb"]["trouble"]):
        assert "Cannot connect" in told
        assert "127.0.0.1" not in told
    await world.unload(hass, entry)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (None, None),
        ("https://nas.kowalski.example:8086 did not answer", "**REDACTED** did not answer"),
        (
            "Cannot connect to host NAS.kowalski.example:8086 ssl:default [nasty]",
            "Cannot connect to host **REDACTED**:8086 ssl:default [nasty]",
        ),
        ("not subnas.kowalski.example, but 10.0.0.7", "not subnas.kowalski.example, but **REDACTED**"),
    ],
)
def test_partners_of_connections(text: str | None, shown: str | None) -> None:
    """Neither the address nor its host is told, in whatever words."""
    assert _of_a_connection(text, "https://nas.kowalski.example:8086") == shown


async def test_texts_of_a_node(hass: HomeAssistant, entry: MockConfigEntry) -> None:
    """Without options for other topics there is nothing to tell of them."""
    hass.config_entries.async_update_entry(entry, options={"house_sensor_topics": False})
    await hass.async_block_till_done()
    assert entry.runtime_data.house_sensors is None


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (None, None),
        ("ESP32-S3 board 2", "ESP32-S3 board 2"),
        ("2026.10.4", "2026.10.4"),
        ("a4:cf:12:9b:00:01", "**REDACTED**"),
        ("rev 3 SN00123456789", "rev 3 **REDACTED**"),
        ("Raspberry Pi 4 10000000abcdef01", "Raspberry Pi 4 **REDACTED**"),
        ("charging", "charging"),
    ],
)
def test_serial_numbers(text: str | None, shown: str | None) -> None:
    """What looks like a serial number goes, what tells a model stays."""
    assert _without_serials(text) == shown
