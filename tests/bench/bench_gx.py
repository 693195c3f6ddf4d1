"""What a Victron GX costs: the full publish and the changes, beside a bare MQTT client that drops everything.

    .venv/bin/python -m tests.bench.bench_gx [--seconds 60] [--stations 10] [--write docs/performance.md]

A fake GX in a process of its own publishes some 2,900 paths through a real Mosquitto. The bare client is
the same connection (paho-mqtt in an event loop) with nobody behind it: that is the price of MQTT, and the
ratio is what is paid for reading, looking up and keeping every value. CPU is that of this process.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import platform
import subprocess
import sys
import tempfile
import time
import tracemalloc
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from microgrid_core.gx.access import MqttAccess
from microgrid_core.gx.broker import Broker as Line
from microgrid_core.gx.mqtt import MqttStation
from microgrid_core.gx.table import table
from microgrid_core.gx.transport import LinkState
from microgrid_core.gx.tree import Tree
from script.lab.broker import Broker

BEGIN, END = "<!-- gx -->", "<!-- end of gx -->"
ROOT = Path(__file__).resolve().parents[2]
CHARGERS = 5
FULL_BUDGET_S, STEADY_BUDGET_PERCENT, STEADY_RATE = 1.0, 1.0, 30.0
_REPEATS = 5


@dataclass(slots=True)
class Figures:
    """What was measured."""

    paths: int = 0
    table_ms: float = 0.0
    table_kib: float = 0.0
    tree_kib: float = 0.0
    bare_s: float = 0.0
    full_s: float = 0.0
    again_s: float = 0.0
    rate: float = 0.0
    bare_percent: float = 0.0
    steady_percent: float = 0.0
    stations: int = 0
    stations_rate: float = 0.0
    stations_percent: float = 0.0


@contextlib.contextmanager
def fake_gx(port: int, portal: str, chargers: int) -> Iterator[None]:
    """A GX in another process."""
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "simulator.gx", f"--broker=127.0.0.1:{port}"),
            *(f"--portal={portal}", f"--chargers={chargers}"),
        ],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert "ready" in process.stdout.readline()
    try:
        yield
    finally:
        process.terminate()
        process.wait()


async def bare(port: int, portal: str, seconds: float) -> tuple[float, float]:
    """Return CPU seconds of one full publish, and the share of a core of the changes, for nothing."""
    done = asyncio.Event()

    def drop(topic: str, payload: bytes) -> None:
        if topic.endswith("full_publish_completed"):
            done.set()

    line = Line(MqttAccess("127.0.0.1", port, tls=False), f"bare-{portal}", drop)
    await line.connect()
    await line.subscribe(f"N/{portal}/#")
    best = float("inf")
    for _ in range(_REPEATS):
        done.clear()
        began = time.process_time()
        line.publish(f"R/{portal}/keepalive", b"")
        await done.wait()
        best = min(best, time.process_time() - began)
        await asyncio.sleep(0.5)
    began = time.process_time()
    await asyncio.sleep(min(seconds, 50.0))  # it is not kept awake for longer
    percent = 100.0 * (time.process_time() - began) / min(seconds, 50.0)
    line.close()
    return best, percent


async def connected(station: MqttStation) -> asyncio.Task[None]:
    """Run a station until it has the full picture."""
    task = asyncio.create_task(station.run())
    await asyncio.wait({asyncio.create_task(station.wait_complete()), task}, return_when="FIRST_COMPLETED")
    assert station.state is LinkState.ONLINE, station.detail
    return task


async def stop(tasks: list[asyncio.Task[None]]) -> None:
    """End stations."""
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def measure(seconds: float, stations: int) -> Figures:
    """Measure everything."""
    figures = Figures(stations=stations)
    tracemalloc.start()
    began_b = tracemalloc.get_traced_memory()[0]
    table()
    figures.table_kib = (tracemalloc.get_traced_memory()[0] - began_b) / 1024
    tracemalloc.stop()
    figures.table_ms = min(loading_ms() for _ in range(_REPEATS))
    with tempfile.TemporaryDirectory(prefix="microgrid-bench-") as folder:
        broker = Broker(Path(folder))
        await broker.up()
        try:
            with fake_gx(broker.port, "c0619ab00000", CHARGERS):
                await one(broker.port, seconds, figures)
            with contextlib.ExitStack() as many:
                for number in range(stations):
                    many.enter_context(fake_gx(broker.port, f"c0619ab0001{number}", 1))
                await several(broker.port, min(seconds, 30.0), figures)
        finally:
            broker.kill()
    return figures


async def one(port: int, seconds: float, figures: Figures) -> None:
    """Measure one station."""
    portal = "c0619ab00000"
    figures.bare_s, figures.bare_percent = await bare(port, portal, seconds)
    access = MqttAccess("127.0.0.1", port, tls=False, portal=portal)
    best = float("inf")
    for _ in range(_REPEATS):
        station = MqttStation(access)
        began = time.process_time()
        task = await connected(station)
        best = min(best, time.process_time() - began)
        await stop([task])
        figures.paths = len(station.tree)
        await asyncio.sleep(0.5)
    figures.full_s = best
    tracemalloc.start()
    tree = Tree()
    station = MqttStation(access, tree)
    before_b = tracemalloc.get_traced_memory()[0]
    task = await connected(station)
    figures.tree_kib = (tracemalloc.get_traced_memory()[0] - before_b) / 1024
    tracemalloc.stop()
    await stop([task])
    station = MqttStation(access)
    task = await connected(station)
    await asyncio.sleep(1.0)
    accepted, began = station.tree.accepted, time.process_time()
    await asyncio.sleep(seconds)
    figures.steady_percent = 100.0 * (time.process_time() - began) / seconds
    figures.rate = (station.tree.accepted - accepted) / seconds
    figures.again_s = float("inf")
    for _ in range(_REPEATS):
        began = time.process_time()
        station.ask_again()
        await station.wait_complete()
        figures.again_s = min(figures.again_s, time.process_time() - began)
        await asyncio.sleep(0.5)
    await stop([task])


async def several(port: int, seconds: float, figures: Figures) -> None:
    """Measure many stations at once."""
    found = [
        MqttStation(MqttAccess("127.0.0.1", port, tls=False, portal=f"c0619ab0001{number}"))
        for number in range(figures.stations)
    ]
    tasks = [await connected(station) for station in found]
    await asyncio.sleep(1.0)
    accepted = sum(station.tree.accepted for station in found)
    began = time.process_time()
    await asyncio.sleep(seconds)
    figures.stations_percent = 100.0 * (time.process_time() - began) / seconds
    figures.stations_rate = (sum(station.tree.accepted for station in found) - accepted) / seconds
    await stop(tasks)


def loading_ms() -> float:
    """Return the CPU time of reading the table anew."""
    table.cache_clear()
    began = time.process_time()
    table()
    return 1000.0 * (time.process_time() - began)


def report(figures: Figures, load: float) -> str:
    """Return the table."""
    at_30 = figures.steady_percent * STEADY_RATE / figures.rate
    rows = (
        ("full publish, first time, CPU s", figures.bare_s, figures.full_s, ".3f"),
        ("full publish, again, CPU s", figures.bare_s, figures.again_s, ".3f"),
        (f"{figures.rate:.0f} changes/s, % of a core", figures.bare_percent, figures.steady_percent, ".2f"),
    )
    lines = [
        f"{figures.paths} paths; {machine()}; load of the machine before the run {load:.1f}.",
        "",
        "| | bare client | station | ratio |",
        "|---|---:|---:|---:|",
        *(
            f"| {name} | {theirs:{form}} | {ours:{form}} | {ours / theirs:.1f} |"
            for name, theirs, ours, form in rows
        ),
        "",
        f"- Full publish: {figures.full_s:.2f} s of CPU (at most {FULL_BUDGET_S:g}): "
        f"{verdict(figures.full_s, FULL_BUDGET_S)}.",
        f"- At {STEADY_RATE:g} changes a second {at_30:.2f} % of a core (at most {STEADY_BUDGET_PERCENT:g}): "
        f"{verdict(at_30, STEADY_BUDGET_PERCENT)}.",
        f"- {figures.stations} stations, {figures.stations_rate:.0f} changes/s together: "
        f"{figures.stations_percent:.1f} % of a core (at most {STEADY_BUDGET_PERCENT * figures.stations:g}): "
        f"{verdict(figures.stations_percent, STEADY_BUDGET_PERCENT * figures.stations)}.",
        f"- The table of paths is read in {figures.table_ms:.0f} ms, once, and takes "
        f"{figures.table_kib / 1024:.1f} MiB; the tree of a station takes {figures.tree_kib / 1024:.1f} MiB.",
    ]
    return "\n".join(lines)


def verdict(value: float, budget: float) -> str:
    """Say how a figure stands to its budget."""
    return "kept" if value <= budget else "NOT KEPT"


def machine() -> str:
    """Describe the machine."""
    return (
        f"{os.cpu_count()}-core {platform.machine().replace('_', '-')}, {platform.system()}, "
        f"Python {platform.python_version()}"
    )


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--stations", type=int, default=10, choices=range(1, 11))
    parser.add_argument(
        "--write", type=Path, help=f"also replace what stands between {BEGIN} and {END} in a file"
    )
    chosen = parser.parse_args()
    load = os.getloadavg()[0]
    found = report(asyncio.run(measure(chosen.seconds, chosen.stations)), load)
    print(found)
    if chosen.write is not None:
        before, _, rest = chosen.write.read_text().partition(BEGIN)
        _, _, after = rest.partition(END)
        chosen.write.write_text(f"{before}{BEGIN}\n{found}\n{END}{after}")


if __name__ == "__main__":
    main()
