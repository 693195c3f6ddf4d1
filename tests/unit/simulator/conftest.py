"""A real broker for the simulator's tests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.mosquitto import Mosquitto, running

try:
    from pytest_socket import enable_socket
except ImportError:  # the oldest Python is tested without Home Assistant's plugin, which forbids sockets

    def enable_socket() -> None:
        """Nobody forbids sockets here."""


@pytest.fixture
def mosquitto(tmp_path: Path) -> Iterator[Mosquitto]:
    """A running broker."""
    enable_socket()
    with running(tmp_path) as broker:
        yield broker
