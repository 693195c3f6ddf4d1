"""The audit: whatever is killed, cut or full, in the end everything is found, once, and the hours are right.

Nodes live on clocks that run faster than ours and began some hours ago, so that whole hours pass in a minute.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import subprocess
import sys
import time
import warnings
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from microgrid_core.contract.topics import LOG_ACK, Topic
from script.lab.broker import find_mosquitto
from script.lab.client import HassError
from script.lab.influx import InfluxServer, find_influxd
from script.lab.lab import DOMAIN, SWARM, Lab
from script.lab.neighbourhood import Neighbourhood, Plan
from script.lab.processes import LEASH, LOOPBACK, Child, until
from tests.e2e.audit import Books, archive_faults, influx_faults, statistics_faults
from tests.e2e.broken_line import BrokenLine

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.asyncio,
    pytest.mark.skipif(find_mosquitto() is None, reason="Mosquitto is missing: run script/bootstrap"),
    pytest.mark.skipif(find_influxd() is None, reason="influxd is missing: run script/bootstrap"),
]

SPEED = 120.0
"""Two minutes in a second: an hour takes half a minute."""
BEGAN_AGO = timedelta(hours=20)
"""Longer than everything lasts on the nodes' clocks: none may be ahead of ours."""
PLAN = Plan(houses=4, clusters=2, seed=7, speed=SPEED)
GATEWAY, ITS_HOUSES = "gateway-1", ("house-01", "house-02")
LEAST_HOURS = 3
BREAKDOWN_S = 14.0
"""From the beginning of one breakdown to that of the next; some overlap."""
PATIENCE_S = 150.0
DISK_BYTES = 96 << 20
ROOM = """mount -t tmpfs -o size=$2 tmpfs "$1" && touch "$1/mounted" && exec sleep infinity"""


class Disk:
    """A small disk for the archive, in a name space that outlives Home Assistant; it can be filled."""

    def __init__(self, folder: Path, log: Path) -> None:
        """Mount it over `folder` for those who enter the name space."""
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._room = Child(
            "disk",
            ["unshare", "-rm", "sh", "-c", ROOM, "sh", str(folder), str(DISK_BYTES)],
            log=log,
            cwd=folder,
        )

    @staticmethod
    def possible() -> bool:
        """Return whether this machine lets us mount a file system of our own."""
        try:
            tried = subprocess.run(
                ["unshare", "-rm", "mount", "-t", "tmpfs", "tmpfs", "/mnt"], capture_output=True, check=False
            )
        except FileNotFoundError:
            return False
        return tried.returncode == 0

    @property
    def folder(self) -> Path:
        """The disk as seen from outside."""
        return Path(f"/proc/{self._room.pid}/root{self._folder}")

    async def up(self) -> None:
        """Mount it."""
        self._room.start()
        await until((self.folder / "mounted").exists, 10.0, "the disk to be mounted")

    def enter(self, command: list[str]) -> list[str]:
        """Return a command that sees the disk; the leash is lost on the way and put on again."""
        entered = ["nsenter", "--preserve-credentials", "-U", "-m", "-t", str(self._room.pid), "--"]
        return [*entered, sys.executable, "-I", "-S", str(LEASH), *command]

    def fill(self) -> None:
        """Leave no room at all."""
        with (self.folder / "others").open("wb", buffering=0) as file, contextlib.suppress(OSError):
            while True:
                file.write(bytes(1 << 16))

    def clear(self) -> None:
        """Leave room again."""
        (self.folder / "others").unlink()

    def down(self) -> None:
        """Forget it with all that is on it."""
        self._room.kill()


class Stage:
    """Everything that plays along, and how it breaks."""

    def __init__(
        self, lab: Lab, influx: InfluxServer, line: BrokenLine, disk: Disk | None, seed: int
    ) -> None:
        self.lab = lab
        self.influx = influx
        self.line = line
        self.disk = disk
        self.ledger = lab.folder / "ledger.jsonl"
        self.random = random.Random(seed)
        self.told: list[str] = []
        self._began = time.monotonic()

    @property
    def archive(self) -> Path:
        """Where the archive lies, as seen from outside."""
        folder = self.lab.hass.folder / DOMAIN if self.disk is None else self.disk.folder
        return folder / SWARM / "archive"

    def tell(self, what: str) -> None:
        """Remember what happened when, for whoever reads why the audit failed."""
        self.told.append(f"{time.monotonic() - self._began:6.1f} s  {what}")

    @property
    def breakdowns(self) -> Mapping[str, Callable[[float], Awaitable[None]]]:
        """Everything that can break, for some seconds."""
        found = {
            "Home Assistant": self._break_hass,
            "broker": self._break_broker,
            "InfluxDB": self._break_influx,
            "nodes": self._break_nodes,
            "network": self._break_network,
        }
        return found if self.disk is None else found | {"disk": self._break_disk}

    async def _break_hass(self, seconds: float) -> None:
        self.lab.hass.kill()
        await asyncio.sleep(seconds)
        await self.lab.hass.up()

    async def _break_broker(self, seconds: float) -> None:
        self.lab.broker.kill()
        await asyncio.sleep(seconds)
        await self.lab.broker.up()

    async def _break_influx(self, seconds: float) -> None:
        self.influx.kill()
        await asyncio.sleep(seconds)
        await self.influx.up()

    async def _break_nodes(self, seconds: float) -> None:
        self.lab.neighbourhood.kill()
        await asyncio.sleep(seconds)
        self.lab.neighbourhood.start()

    async def _break_network(self, seconds: float) -> None:
        self.line.cut((GATEWAY, *ITS_HOUSES))
        await asyncio.sleep(seconds)
        await self.line.mend()

    async def _break_disk(self, seconds: float) -> None:
        assert self.disk is not None
        await asyncio.to_thread(self.disk.fill)
        await asyncio.sleep(seconds)
        with contextlib.suppress(HassError):  # it may be away itself
            issues = (await self.lab.hass.client.ws("repairs/list_issues"))["issues"]
            self.tell(
                f"issues of a full disk: {[one['issue_id'] for one in issues if one['domain'] == DOMAIN]}"
            )
        self.disk.clear()

    async def begin(self) -> None:
        """Start the nodes again, now that somebody listens, and wait until their logs arrive.

        What they said before nobody heard, and they would say it again after a minute only.
        """
        await self._break_nodes(0.0)
        files = list(self.lab.log.glob("*.umg1"))
        acks = [str(Topic(SWARM, path.stem, LOG_ACK)) for path in files]
        await until(lambda: all(ack in self.lab.watcher.newest for ack in acks), 90.0, "logs of all nodes")

    async def storm(self, rounds: int) -> None:
        """Let everything break once a round, in random order; the next begins while some are still broken."""
        locks = {name: asyncio.Lock() for name in self.breakdowns}

        async def happen(name: str, seconds: float) -> None:
            async with locks[name]:
                self.tell(f"{name} breaks for {seconds:.1f} s")
                await self.breakdowns[name](seconds)
                self.tell(f"{name} is back")

        async with asyncio.TaskGroup() as group:
            for _ in range(rounds):
                order = list(locks)
                self.random.shuffle(order)
                for name in order:
                    group.create_task(happen(name, self.random.uniform(1.0, 1.3 * BREAKDOWN_S)))
                    await asyncio.sleep(self.random.uniform(0.6, 1.2) * BREAKDOWN_S)

    async def restart(self) -> None:
        """Take Home Assistant and broker away together: in the end all that counts is what was kept."""
        self.tell("Home Assistant and broker are restarted")
        self.lab.hass.kill()
        self.lab.broker.kill()
        await self.lab.broker.up()
        await self.lab.hass.up()
        self.tell("Home Assistant runs")


async def add_influx(lab: Lab, influx: InfluxServer) -> None:
    """Give the swarm its InfluxDB, as a user would."""
    (entry,) = await lab.hass.client.ws("config_entries/get", domain=DOMAIN)
    result = await lab.hass.client.flow(
        "/api/config/config_entries/subentries/flow",
        {"handler": [entry["entry_id"], "influxdb"]},
        {"url": influx.url, "verify_tls": True},
        {},
    )
    assert result["type"] == "create_entry", result


@contextlib.asynccontextmanager
async def stage(folder: Path, seed: int) -> AsyncIterator[Stage]:
    """Everything in its place, running."""
    lab = Lab(folder, PLAN)
    influx = InfluxServer(folder / "influx")
    line = BrokenLine(lab.broker.port)
    disk = None
    if Disk.possible():
        disk = Disk(lab.hass.folder / DOMAIN, folder / "disk.log")
    else:
        warnings.warn(
            "this machine lets nobody mount a file system of their own (unshare -rm): the disk stays empty",
            stacklevel=1,
        )
    now = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    # Ten seconds before an hour: counts are written at the end of a minute, and the first one is known.
    clock = (now - BEGAN_AGO - timedelta(seconds=10)).isoformat()
    found = Stage(lab, influx, line, disk, seed)
    async with contextlib.AsyncExitStack() as leaving:
        await line.up()
        leaving.push_async_callback(line.down)
        if disk is not None:
            leaving.callback(disk.down)
            await disk.up()
            lab.hass.command = disk.enter(lab.hass.command)
        lab.neighbourhood = Neighbourhood(
            folder,
            f"{LOOPBACK}:{line.port}",
            PLAN,
            (f"--log={lab.log}", f"--ledger={found.ledger}", f"--clock={clock}"),
        )
        await influx.up()
        leaving.push_async_callback(influx.stop)
        await leaving.enter_async_context(lab)
        await add_influx(lab, influx)
        yield found


async def eventually(what: str, ask: Callable[[], Awaitable[list[str]]], told: list[str]) -> None:
    """Wait until nothing is wrong any more."""
    deadline = time.monotonic() + PATIENCE_S
    while wrong := await ask():
        if time.monotonic() > deadline:
            shown = "\n".join([f"{what}: {len(wrong)} faults", *wrong[:20], "what happened:", *told])
            pytest.fail(shown)
        await asyncio.sleep(2.0)


@pytest.mark.timeout(1800)
@pytest.mark.parametrize(
    ("rounds", "seed"),
    [(1, 59), pytest.param(4, 11, marks=pytest.mark.slow), pytest.param(4, 23, marks=pytest.mark.slow)],
)
async def test_nothing_is_lost_nothing_is_double_and_the_hours_are_right(
    tmp_path: Path, rounds: int, seed: int
) -> None:
    seed = int(os.environ.get("MICROGRID_AUDIT_SEED", seed))
    async with stage(tmp_path, seed) as scene:
        lab = scene.lab
        await scene.begin()
        scene.tell(f"everything runs, seed {seed}")
        await scene.storm(rounds)
        books = Books.open(lab.log, scene.ledger)
        while len(books.hours) < LEAST_HOURS:
            await asyncio.sleep(2.0)
            books = Books.open(lab.log, scene.ledger)
        await scene.restart()
        books = Books.open(lab.log, scene.ledger)
        assert books.unwritten() == []
        scene.tell(
            f"the books are closed: {sum(map(len, books.frames.values()))} frames, hours {books.hours}"
        )

        async def unacknowledged() -> list[str]:
            return books.unacknowledged(lab)

        await eventually("acknowledgements", unacknowledged, scene.told)
        scene.tell("everything is acknowledged")
        wrong = await asyncio.to_thread(archive_faults, books, scene.archive, tmp_path / "copy")
        assert wrong == [], scene.told
        await eventually("statistics", lambda: statistics_faults(books, lab), scene.told)
        scene.tell("the statistics are right")
        await eventually("InfluxDB", lambda: influx_faults(books, lab, scene.influx), scene.told)
        scene.tell("InfluxDB is right")
        assert [record.text for record in lab.hass.log_errors() if record.ours] == [], scene.told
        print("\n".join(scene.told))
