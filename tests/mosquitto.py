"""A real broker that can be killed and started again, for tests of those who talk to one."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

_START_S = 20.0


def free_port() -> int:
    """A TCP port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Mosquitto:
    """A broker that keeps its port."""

    def __init__(self, program: str, folder: Path, *settings: str) -> None:
        """Choose a free port; `settings` are further lines of its configuration."""
        self.port = free_port()
        self._program = program
        self._configuration = folder / "mosquitto.conf"
        lines = (f"listener {self.port} 127.0.0.1", "allow_anonymous true", *settings)
        self._configuration.write_text("".join(f"{line}\n" for line in lines))
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start, and wait until it listens."""
        self._process = subprocess.Popen(
            [self._program, "-c", str(self._configuration)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        deadline = time.monotonic() + _START_S
        while time.monotonic() < deadline:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            time.sleep(0.05)
        raise RuntimeError(f"{self._program} does not listen on port {self.port}")

    def stop(self) -> None:
        """Stop at once, as a crash would."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None


@contextmanager
def running(folder: Path, *settings: str) -> Iterator[Mosquitto]:
    """A broker that runs; the test is skipped where none is installed."""
    path = f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin"
    if (program := shutil.which("mosquitto", path=path)) is None:
        pytest.skip("mosquitto is not installed; script/bootstrap does it")
    broker = Mosquitto(program, folder, *settings)
    broker.start()
    try:
        yield broker
    finally:
        broker.stop()
