"""A fake Victron GX at a real broker for the tests of Home Assistant's side, and patience."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from homeassistant.config_entries import ConfigSubentryData
from homeassistant.core import HomeAssistant

from custom_components.microgrid.const import SUBENTRY_GX
from custom_components.microgrid.core.gx.access import MqttAccess
from custom_components.microgrid.core.gx.mqtt import MqttStation, Timing
from custom_components.microgrid.core.gx.transport import LinkState
from simulator.gx.broker_side import BrokerSide, Habits
from simulator.gx.site import SimulatedSite
from tests import gx_side
from tests.mosquitto import Mosquitto, running

site, until = gx_side.site, gx_side.until

QUICK = Timing(silent_s=2.0, dead_s=6.0, polled_s=5.0, **gx_side.PATIENCE)
"""Minutes of a real GX in seconds."""
HABITS = Habits(heartbeat_s=0.2, step_s=0.1)


@pytest.fixture
def broker(tmp_path: Path, socket_enabled: None) -> Iterator[Mosquitto]:
    """The broker on a GX."""
    with running(tmp_path, *gx_side.BROKER) as mosquitto:
        yield mosquitto


@pytest.fixture
def gx(broker: Mosquitto, site: SimulatedSite) -> Iterator[BrokerSide]:
    """The GX of the site at the broker."""
    with gx_side.published(site, broker, HABITS) as side:
        yield side


@pytest.fixture
def living_gx(broker: Mosquitto, site: SimulatedSite) -> Iterator[BrokerSide]:
    """The GX of a site that goes on."""
    with gx_side.published(site, broker, HABITS, step=lambda: site.step(0.1)) as side:
        yield side


@pytest.fixture
async def link(hass: HomeAssistant, gx: BrokerSide, broker: Mosquitto) -> AsyncIterator[MqttStation]:
    """A connection to it, with the full picture."""
    station = MqttStation(MqttAccess("127.0.0.1", broker.port, tls=False), timing=QUICK)
    task = asyncio.create_task(station.run())
    await until(lambda: station.state is LinkState.ONLINE, "online")
    yield station
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


def subentry(port: int, portal: str, **more: object) -> ConfigSubentryData:
    """The subentry of a station called Barn."""
    return ConfigSubentryData(
        data={"way": "mqtt", "host": "127.0.0.1", "port": port, "tls": False, "portal": portal, **more},
        subentry_type=SUBENTRY_GX,
        title="Barn",
        unique_id=portal,
    )
