"""What Victron GX stations cost Home Assistant as a whole, beside the same swarm without them.

    .venv/bin/python -m tests.bench.bench_gx_hass [--seconds 60] [--stations 10]

One Home Assistant with a small swarm, first without stations, then with all of them, each published by a
fake GX in a process of its own through a real Mosquitto. CPU is that of Home Assistant's process, with its
recorder; the difference is what the stations cost.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import platform
import statistics
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import paho.mqtt.publish

from script.lab.broker import Broker
from script.lab.hass import CONFIGURATION, ROOT
from script.lab.lab import DOMAIN, Lab
from script.lab.neighbourhood import Plan
from script.lab.summary import cpu_seconds, rss_mib, wait_until_shown
from tests.bench.bench_gx import fake_gx
from tests.bench.bench_states import METER, Instance

FLOWS = "/api/config/config_entries/subentries/flow"
CHARGERS = 5
"""Of the first station: 2,900 paths. The others have one charger, and 900 paths."""
_SETTLED_S = 30.0
_LOOK_S = 5.0
"""Long enough for whatever a full publish sets off, the commit of the recorder included."""
_REPEATS = 5


@dataclass(frozen=True, slots=True)
class Figures:
    """What was measured."""

    alone_percent: float
    with_percent: float
    large_s: float
    """CPU of taking in the large station, entities made, with the reload of the swarm that comes before."""
    reload_s: float
    """CPU of such a reload alone."""
    again_s: float
    """CPU of its full publish, sent once more."""
    reboot_s: float
    """CPU of its reboot: everything unavailable, connected again, everything told and shown again."""
    large_entities: int
    entities: int
    enabled: int
    lag_p99_ms: float
    lag_max_ms: float
    mib: int
    """What all stations added."""


class Gx:
    """A fake GX with a broker of its own."""

    def __init__(self, folder: Path, number: int, chargers: int) -> None:
        """Know who it is."""
        self.name = f"Station {number}"
        self.portal = f"c0619ab0001{number}"
        self.broker = Broker(folder / f"gx-{number}")
        self._chargers = chargers
        self._running = contextlib.ExitStack()

    async def up(self) -> None:
        """Switch it on."""
        await self.broker.up()
        self._running.callback(self.broker.kill)
        self._running.enter_context(fake_gx(self.broker.port, self.portal, self._chargers))

    def down(self) -> None:
        """Switch it off, its broker with it."""
        self._running.close()

    def publish_all(self) -> None:
        """Have it publish everything, as a keepalive does."""
        paho.mqtt.publish.single(f"R/{self.portal}/keepalive", port=self.broker.port)


async def add(lab: Lab, many: contextlib.ExitStack, number: int, chargers: int) -> Gx:
    """Start a GX, and join it to the swarm as a person would."""
    gx = Gx(lab.folder, number, chargers)
    many.callback(gx.down)
    await gx.up()
    client = lab.hass.client
    (entry,) = await client.ws("config_entries/get", domain=DOMAIN)
    answer = {"name": gx.name, "host": "127.0.0.1", "tls": False, "port": gx.broker.port}
    result = await client.flow(
        FLOWS,
        {"handler": [entry["entry_id"], "victron_gx"]},
        {"next_step_id": "gx_mqtt"},
        answer,
        {},
    )
    if result["type"] != "create_entry":
        raise RuntimeError(f"{gx.name}: {result}")
    return gx


async def cpu_of(lab: Lab, seconds: float) -> float:
    """Return the CPU seconds of Home Assistant in the next `seconds`."""
    began_s = cpu_seconds(lab.hass.pid)
    await asyncio.sleep(seconds)
    return cpu_seconds(lab.hass.pid) - began_s


async def again(lab: Lab, gx: Gx) -> float:
    """Return the CPU seconds of a full publish of a known station, in the middle of some."""
    costs = []
    for _ in range(_REPEATS):
        quiet_s = await cpu_of(lab, _LOOK_S)
        began_s = cpu_seconds(lab.hass.pid)
        await asyncio.to_thread(gx.publish_all)
        await asyncio.sleep(_LOOK_S)
        costs.append(cpu_seconds(lab.hass.pid) - began_s - quiet_s)
    return statistics.median(costs)


async def reboot(lab: Lab, gx: Gx) -> float:
    """Return the CPU seconds of a reboot of a known station."""
    client = lab.hass.client
    registry = await client.ws("config/entity_registry/list_for_display")
    name = gx.name.lower().replace(" ", "_")
    watched = next(row["ei"] for row in registry["entities"] if row["ei"] == f"sensor.{name}_state_of_charge")
    quiet_s = await cpu_of(lab, _LOOK_S) / _LOOK_S
    loop = asyncio.get_running_loop()
    began, began_s = loop.time(), cpu_seconds(lab.hass.pid)
    await asyncio.to_thread(gx.down)
    for away in (True, False):
        if not away:
            await gx.up()
        while True:
            state = await client.get(f"/api/states/{watched}")
            if (state["state"] == "unavailable") is away:
                break
            await asyncio.sleep(1.0)
    await asyncio.sleep(_LOOK_S)
    return cpu_seconds(lab.hass.pid) - began_s - quiet_s * (loop.time() - began)


async def counted(lab: Lab) -> tuple[int, int]:
    """Return the entities in the registry, and those that are enabled."""
    registry = [e for e in await lab.hass.client.ws("config/entity_registry/list") if e["platform"] == DOMAIN]
    return len(registry), sum(e["disabled_by"] is None for e in registry)


async def settled(lab: Lab) -> tuple[int, int]:
    """Wait until no more entities come."""
    before = (0, 0)
    while (now := await counted(lab)) != before:
        before = now
        await asyncio.sleep(3.0)
    return now


async def window(lab: Lab, seconds: float) -> dict[str, float]:
    """Measure Home Assistant for a while."""
    instance = Instance(lab.hass)
    await instance.begin()
    await asyncio.sleep(seconds)
    return await instance.end(seconds)


async def measure(seconds: float, stations: int) -> Figures:
    """Measure without stations, with one, with all."""
    components = (ROOT / "custom_components" / DOMAIN, METER)
    configuration = f"{CONFIGURATION}lag_meter:\n"
    with tempfile.TemporaryDirectory(prefix="microgrid-bench-") as folder, contextlib.ExitStack() as many:
        plan = Plan(houses=2, clusters=1)
        async with Lab(Path(folder), plan, components=components, configuration=configuration) as lab:
            await wait_until_shown(lab, 120)
            await asyncio.sleep(_SETTLED_S)
            alone = await window(lab, seconds)
            small, _ = await settled(lab)
            mib = rss_mib(lab.hass.pid)
            (entry,) = await lab.hass.client.ws("config_entries/get", domain=DOMAIN)
            began_s = cpu_seconds(lab.hass.pid)
            await lab.hass.client.post(f"/api/config/config_entries/entry/{entry['entry_id']}/reload", {})
            await settled(lab)
            reload_s = cpu_seconds(lab.hass.pid) - began_s
            began_s = cpu_seconds(lab.hass.pid)
            first = await add(lab, many, 0, CHARGERS)
            large, _ = await settled(lab)
            large_s = cpu_seconds(lab.hass.pid) - began_s
            await asyncio.sleep(_SETTLED_S)
            again_s = await again(lab, first)
            reboot_s = await reboot(lab, first)
            for number in range(1, stations):
                await add(lab, many, number, 1)
            entities, enabled = await settled(lab)
            await asyncio.sleep(_SETTLED_S)
            together = await window(lab, seconds)
            return Figures(
                alone_percent=alone["cpu_percent"],
                with_percent=together["cpu_percent"],
                large_s=large_s,
                reload_s=reload_s,
                again_s=again_s,
                reboot_s=reboot_s,
                large_entities=large - small,
                entities=entities - small,
                enabled=enabled,
                lag_p99_ms=together["lag_p99_ms"],
                lag_max_ms=together["lag_max_ms"],
                mib=rss_mib(lab.hass.pid) - mib,
            )


def report(figures: Figures, stations: int) -> str:
    """Return the figures as Markdown."""
    cost = figures.with_percent - figures.alone_percent
    load = os.getloadavg()[0]
    return "\n".join(
        (
            f"{os.cpu_count()}-core {platform.machine()}, {platform.system()}, Python "
            f"{platform.python_version()}; load of the machine {load:.1f}.",
            "",
            f"| | swarm alone | with {stations} stations |",
            "|---|---:|---:|",
            f"| CPU of Home Assistant, % of a core | {figures.alone_percent:.1f} | "
            f"{figures.with_percent:.1f} |",
            "",
            f"- Each station: {cost / stations:.2f} % of a core.",
            f"- {figures.entities} entities of stations; {figures.enabled} entities enabled in all; "
            f"{figures.mib} MiB more memory.",
            f"- The loop answers within {figures.lag_p99_ms:.0f} ms (99 %), "
            f"{figures.lag_max_ms:.0f} ms at most.",
            f"- Adding the large station with its {figures.large_entities} entities: {figures.large_s:.1f} s "
            f"of CPU, {figures.reload_s:.1f} s of them for the reload of the swarm and for looking.",
            f"- Its full publish once more: {figures.again_s:.2f} s of CPU; its reboot: "
            f"{figures.reboot_s:.2f} s.",
        )
    )


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="tests.bench.bench_gx_hass", description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0, help="length of each window")
    parser.add_argument("--stations", type=int, default=10)
    arguments = parser.parse_args()
    figures = asyncio.run(measure(arguments.seconds, arguments.stations))
    print(report(figures, arguments.stations))
    return 0


if __name__ == "__main__":
    sys.exit(main())
