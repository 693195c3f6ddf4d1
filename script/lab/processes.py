"""Child processes that always end: each in a process group of its own, on a leash, output in a file."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from .errors import LabError

LEASH = Path(__file__).with_name("leash.py")
LOOPBACK = "127.0.0.1"


class Child:
    """A program that runs beside us and can be started again after it ended."""

    def __init__(
        self, name: str, command: Sequence[str], *, log: Path, cwd: Path, env: Mapping[str, str] | None = None
    ) -> None:
        """Remember what to start; `name` is what people call it."""
        self.name = name
        self.command = list(command)
        self.log = log
        self.log_start = 0
        """Where in the log the present run begins, or what is looked at of it (bytes)."""
        self._cwd = cwd
        self._env = dict(os.environ if env is None else env)
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """The process id; only while started."""
        if self._process is None:
            raise RuntimeError(f"{self.name} was not started")
        return self._process.pid

    @property
    def exit_status(self) -> int | None:
        """What it ended with; None before the start and while it runs."""
        return None if self._process is None else self._process.poll()

    @property
    def running(self) -> bool:
        """Whether it was started and has not ended."""
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """Start it; its output goes to the end of the log."""
        if self.running:
            raise RuntimeError(f"{self.name} runs already")
        self.log.parent.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as output:
            self.log_start = output.tell()
            self._process = subprocess.Popen(
                [sys.executable, "-I", "-S", str(LEASH), *self.command],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd=self._cwd,
                env=self._env,
                start_new_session=True,  # Ctrl-C reaches us alone, and we end the children in order
            )

    def forget_output(self) -> None:
        """Look only at what it prints from now on."""
        self.log_start = self.log.stat().st_size

    def output(self) -> str:
        """Return what the present run printed."""
        with self.log.open("rb") as file:
            file.seek(self.log_start)
            return file.read().decode(errors="replace")

    def tail(self, lines: int = 15) -> str:
        """Return the last lines that it printed."""
        return "\n".join(self.output().splitlines()[-lines:]) if self.log.exists() else ""

    def died(self) -> LabError:
        """Tell that it ended by itself."""
        return LabError(
            self.name,
            f"it ended with status {self.exit_status}; its last words:\n{self.tail()}",
            f"read {self.log}",
        )

    def kill(self) -> None:
        """End it at once, with everything it started, as a power cut would."""
        self._signal(signal.SIGKILL)
        if self._process is not None:
            self._process.wait()

    def ask_to_end(self) -> None:
        """Ask it to end, without waiting."""
        if self.running:
            self._signal(signal.SIGTERM)

    async def stop(self, grace_s: float = 20.0) -> None:
        """Ask it to end; kill it and everything it started when it does not in time."""
        if self._process is None:
            return
        if self.running:
            self.ask_to_end()
            with contextlib.suppress(TimeoutError):
                await until(lambda: not self.running, grace_s, f"{self.name} to end", poll_s=0.05)
        self.kill()  # also what it left behind in its group

    def _signal(self, number: signal.Signals) -> None:
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, number)


async def until(condition: Callable[[], bool], timeout_s: float, what: str, *, poll_s: float = 0.2) -> None:
    """Wait until `condition` holds; TimeoutError names `what` when it does not in time."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"waited {timeout_s:g} s for {what}")
        await asyncio.sleep(poll_s)


def is_free(port: int) -> bool:
    """Return whether nobody listens on a loopback port."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
    return True


def free_port(preferred: int | None = None) -> int:
    """Return a free loopback port: `preferred` when it can be had."""
    if preferred is not None and is_free(preferred):
        return preferred
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        port: int = probe.getsockname()[1]
        return port


def accepts(port: int) -> bool:
    """Return whether somebody answers on a loopback port."""
    try:
        with socket.create_connection((LOOPBACK, port), timeout=1.0):
            return True
    except OSError:
        return False
