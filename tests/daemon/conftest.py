"""Real parts of the daemon's tests: a Mosquitto that can be killed, who listens there, the daemon's file."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from microgrid_daemon.store import Store
from tests.daemon.home import Home, at_home
from tests.mosquitto import Mosquitto, running


@pytest.fixture
def mosquitto(tmp_path: Path) -> Iterator[Mosquitto]:
    """A running broker; its own queue must not lose what the publisher has delivered."""
    with running(tmp_path, "max_queued_messages 0") as broker:
        yield broker


@pytest.fixture
def home(mosquitto: Mosquitto) -> Iterator[Home]:
    """Home Assistant's side."""
    with at_home(mosquitto.port) as listening:
        yield listening


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """The daemon's file."""
    opened = Store(tmp_path / "daemon.sqlite")
    yield opened
    opened.close()
