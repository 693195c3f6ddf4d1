"""A fake Victron GX behind a real broker, in seconds instead of minutes: for core and integration alike."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Iterator

import pytest

from simulator.gx.broker_side import BrokerSide, Habits
from simulator.gx.site import SimulatedSite
from tests.mosquitto import Mosquitto

BROKER = ("max_queued_messages 0", "persistence false")
"""The broker on a GX queues as much as comes."""
PATIENCE = {
    "keepalive_s": 0.5,
    "loading_s": 2.0,
    "first_retry_s": 0.1,
    "last_retry_s": 0.3,
    "discovery_s": 2.0,
}
"""What all tests shorten of the timing of a station."""


@pytest.fixture
def site() -> SimulatedSite:
    """A simulated ESS, standing still."""
    return SimulatedSite()


@contextlib.contextmanager
def published(
    site: SimulatedSite,
    broker: Mosquitto,
    habits: Habits,
    step: Callable[[], None] | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> Iterator[BrokerSide]:
    """The GX of the site, at the broker; with `step` the site goes on."""
    side = BrokerSide(site.station, broker.port, step=step, habits=habits, clock=clock)
    side.start()
    try:
        yield side
    finally:
        side.stop()


async def until(condition: Callable[[], object], what: str, seconds: float = 60.0) -> None:
    """Wait until something is so."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + seconds
    while not condition():
        assert loop.time() < deadline, f"not within {seconds:g} s: {what}"
        await asyncio.sleep(0.02)
