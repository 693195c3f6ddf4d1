"""The report on the fleet: a Victron GX, a house, a battery and a heat pump side by side."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
from homeassistant.core import HomeAssistant
from homeassistant.exceptions import ServiceValidationError
from pytest_homeassistant_custom_component.common import MockConfigEntry, async_fire_mqtt_message
from pytest_homeassistant_custom_component.typing import MqttMockHAClient

from custom_components.microgrid.const import DOMAIN
from custom_components.microgrid.core.contract.encode import birth_payload, live_payload
from custom_components.microgrid.core.contract.messages import Birth, Live, LiveMessage, NodeKind
from microgrid_core.gx.value import Address
from simulator.gx.broker_side import BrokerSide
from simulator.gx.site import SimulatedSite
from tests.mosquitto import Mosquitto

from . import gx as world, gx_link as fixtures
from .gx_link import until

broker, site, gx = fixtures.broker, fixtures.site, fixtures.gx


@pytest.fixture
async def entry(
    hass: HomeAssistant, mqtt_mock: MqttMockHAClient, gx: BrokerSide, broker: Mosquitto
) -> AsyncIterator[MockConfigEntry]:
    """A swarm with one station."""
    made = MockConfigEntry(
        domain=DOMAIN,
        title="Demo",
        unique_id="demo",
        data={"swarm": "demo", "name": "Demo"},
        subentries_data=[fixtures.subentry(broker.port, gx.station.portal)],
    )
    made.add_to_hass(hass)
    assert await hass.config_entries.async_setup(made.entry_id)
    await until(lambda: hass.states.get("sensor.barn_state_of_charge"), "the station is a node")
    yield made
    await world.unload(hass, made)


async def report(hass: HomeAssistant, **data: Any) -> dict[str, Any]:
    answer = await hass.services.async_call(DOMAIN, "fleet_report", data, blocking=True, return_response=True)
    assert isinstance(answer, dict)
    return answer


def house(hass: HomeAssistant, node: str, firmware: str) -> None:
    birth = Birth(NodeKind.HOUSE, node.title(), boot_id=1, firmware=firmware)
    async_fire_mqtt_message(hass, f"microgrid/v1/demo/{node}/birth", birth_payload(birth))
    async_fire_mqtt_message(hass, f"microgrid/v1/demo/{node}/state", b"online")
    live = Live(
        boot_id=1, seq=1, time=None, values={"state_of_charge": 44.0, "mppt_energy": 12_500}, faults=("F010",)
    )
    async_fire_mqtt_message(hass, f"microgrid/v1/demo/{node}/live", live_payload(LiveMessage(live)))


async def test_all_devices_side_by_side(
    hass: HomeAssistant, entry: MockConfigEntry, gx: BrokerSide, site: SimulatedSite
) -> None:
    house(hass, "alder", "1.0.0")
    house(hass, "birch", "1.1.0")
    site.station.set(Address("vebus", 276, "/Alarms/HighTemperature"), 2)
    site.station.set(Address("battery", 512, "/Alarms/LowVoltage"), 1)
    tree = next(iter(entry.runtime_data.gx.stations.values())).tree
    await until(lambda: tree.value("battery", "/Alarms/LowVoltage") == 1, "told")
    await hass.async_block_till_done()
    answer = await report(hass)
    barn, alder, birch = answer["devices"]
    assert (barn["name"], barn["kind"], barn["online"]) == ("Barn", "victron_gx", True)
    assert (barn["firmware"], barn["alarms"], barn["warnings"]) == ("v3.72", 1, 1)
    assert barn["solar_today_kwh"] == 8.0
    assert barn["charge_percent"] == pytest.approx(50.2, abs=1.0)
    assert barn["last_contact"] is not None
    assert (alder["name"], alder["firmware"], alder["charge_percent"]) == ("Alder", "1.0.0", 44.0)
    assert alder["solar_total_kwh"] == 12.5
    assert alder["alarms"] + alder["warnings"] == 1
    assert answer["firmware"] == [
        {"kind": "house", "newest": "1.1.0", "behind": ["alder"], "unknown": []},
        {"kind": "victron_gx", "newest": "v3.72", "behind": [], "unknown": []},
    ]
    assert "| Barn | v3.72 | 1 + 1 |" in answer["markdown"]
    assert "Alder: 1.0.0, 1.1.0 is out" in answer["markdown"]
    assert birch["node_id"] == "birch"


async def test_what_the_maker_offers_counts(
    hass: HomeAssistant, entry: MockConfigEntry, site: SimulatedSite
) -> None:
    site.station.set(Address("platform", 0, "/Firmware/Online/AvailableVersion"), "v3.73")
    tree = next(iter(entry.runtime_data.gx.stations.values())).tree
    await until(lambda: tree.value("platform", "/Firmware/Online/AvailableVersion"), "told")
    answer = await report(hass, kind="victron_gx", config_entry_id=entry.entry_id)
    assert answer["firmware"][0]["newest"] == "v3.73"
    assert answer["firmware"][0]["behind"] == [answer["devices"][0]["node_id"]]
    none = await report(hass, kind=["heat_pump"])
    assert (none["devices"], none["firmware"], none["markdown"]) == ([], [], "There are no devices.")


async def test_a_risk_is_the_guardians(hass: HomeAssistant, entry: MockConfigEntry) -> None:
    guardian = entry.runtime_data.guardian
    guardian.judge()
    (row,) = (await report(hass))["devices"]
    known = guardian.risks.get(row["node_id"])
    assert row["risk"] == (known.score if known is not None and known.confidence else None)


async def test_a_swarm_that_is_not_there(hass: HomeAssistant, entry: MockConfigEntry) -> None:
    with pytest.raises(ServiceValidationError):
        await report(hass, config_entry_id="none")
    await world.unload(hass, entry)
    with pytest.raises(ServiceValidationError):
        await report(hass)
