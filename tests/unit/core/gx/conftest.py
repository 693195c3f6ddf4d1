"""A fake GX behind a real broker, and stations that are closed at the end."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path

import pytest

from microgrid_core.gx.access import MqttAccess
from microgrid_core.gx.mqtt import MqttStation, Timing
from microgrid_core.gx.transport import LinkState, Transport
from simulator.gx.broker_side import BrokerSide, Habits
from simulator.gx.site import SimulatedSite
from tests import gx_side
from tests.mosquitto import Mosquitto, running
from tests.unit.simulator.conftest import enable_socket

site, until = gx_side.site, gx_side.until

QUICK = Timing(silent_s=1.0, dead_s=3.0, polled_s=0.5, **gx_side.PATIENCE)
"""Minutes of a real GX in seconds."""
HABITS = Habits(keepalive_s=2.0, heartbeat_s=0.2)


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Mosquitto]:
    """The broker on a GX."""
    enable_socket()
    with running(tmp_path, *gx_side.BROKER) as mosquitto:
        yield mosquitto


@pytest.fixture
def gx(broker: Mosquitto, site: SimulatedSite) -> Iterator[BrokerSide]:
    """The GX of the site at the broker."""
    with gx_side.published(site, broker, HABITS) as side:
        yield side


@pytest.fixture
async def stations() -> AsyncIterator[Callable[[MqttAccess], MqttStation]]:
    """Makes running stations; at the end they are stopped."""
    tasks: list[asyncio.Task[None]] = []

    def make(access: MqttAccess) -> MqttStation:
        station = MqttStation(access, timing=QUICK)
        tasks.append(asyncio.create_task(station.run()))
        return station

    yield make
    for task in tasks:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError, Exception):
            await task


def plain(port: int) -> MqttAccess:
    """Access without encryption and login."""
    return MqttAccess("127.0.0.1", port, tls=False)


async def online(station: Transport, seconds: float = 60.0) -> None:
    """Wait until the full picture is there."""
    await until(lambda: station.state is LinkState.ONLINE, f"online, but {station.detail}", seconds)


def in_thread(work: Callable[[], None]) -> Awaitable[None]:
    """Do what blocks off the loop."""
    return asyncio.to_thread(work)
