"""A Victron GX that is none, at a broker of its own, joined to a swarm of Home Assistant."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable

import pytest
from homeassistant.config_entries import ConfigEntryState, ConfigSubentryData
from homeassistant.core import HomeAssistant
from pytest_homeassistant_custom_component.common import MockConfigEntry
from pytest_homeassistant_custom_component.typing import MqttMockHAClient

from custom_components.microgrid.const import DOMAIN
from custom_components.microgrid.core.gx import mqtt as gx_mqtt
from custom_components.microgrid.gx_station import GxStation
from microgrid_core.gx.value import Address
from simulator.gx.broker_side import BrokerSide
from tests.integration import gx_link
from tests.mosquitto import Mosquitto

broker, site, gx, subentry = gx_link.broker, gx_link.site, gx_link.gx, gx_link.subentry


def joined(*subentries: ConfigSubentryData) -> MockConfigEntry:
    """The entry of a swarm with stations."""
    return MockConfigEntry(
        domain=DOMAIN,
        title="Demo",
        unique_id="demo",
        data={"swarm": "demo", "name": "Demo"},
        subentries_data=list(subentries),
    )


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Stations lose patience in seconds instead of minutes."""
    monkeypatch.setattr(gx_mqtt, "Timing", lambda: gx_link.QUICK)


@pytest.fixture
async def entry(
    hass: HomeAssistant, mqtt_mock: MqttMockHAClient, gx: BrokerSide, broker: Mosquitto, quick: None
) -> AsyncIterator[MockConfigEntry]:
    """A swarm with one station."""
    made = joined(subentry(broker.port, gx.station.portal))
    await set_up(hass, made)
    yield made
    await unload(hass, made)


def station_of(entry: MockConfigEntry) -> GxStation:
    """The one station of an entry."""
    (station,) = entry.runtime_data.gx.stations.values()
    assert isinstance(station, GxStation)
    return station


async def set_up(hass: HomeAssistant, entry: MockConfigEntry) -> None:
    """Load an entry."""
    entry.add_to_hass(hass)
    assert await hass.config_entries.async_setup(entry.entry_id)


async def unload(hass: HomeAssistant, entry: MockConfigEntry) -> None:
    """Unload an entry, if it is loaded."""
    await hass.async_block_till_done()
    if entry.state is ConfigEntryState.LOADED:
        assert await hass.config_entries.async_unload(entry.entry_id)


def battery_voltage(station: GxStation) -> Address:
    """Where the voltage of the battery is."""
    return Address("battery", next(station.tree.of("battery")).instance, "/Dc/0/Voltage")


async def until(
    hass: HomeAssistant, condition: Callable[[], object], what: str, seconds: float = 60.0
) -> None:
    """Wait until something is so."""
    await gx_link.until(condition, what, seconds)
    await hass.async_block_till_done()
