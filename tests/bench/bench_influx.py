"""How fast the InfluxDB sink catches up, beside a bare writer of the same lines, on a real InfluxDB 1.x.

    .venv/bin/python -m tests.bench.bench_influx [--houses 4] [--hours 1]

The bare writer sends the bytes that the sink made, in the same batches, to an empty server: what it takes is
the server's share. The ratio is how much of that pace is left when the lines come from the archive, all
tiers included. The lag is that of the event loop that the sink shares, as it does in Home Assistant.
"""

from __future__ import annotations

import argparse
import asyncio
import tempfile
import time
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import aiohttp
import numpy as np

from custom_components.microgrid.core.archive.archive import Archive
from custom_components.microgrid.core.influx.delivery import deliver
from custom_components.microgrid.core.influx.server import Access
from custom_components.microgrid.core.influx.tiers import Policy
from custom_components.microgrid.core.influx.v1 import Influx1
from custom_components.microgrid.influx_feed import Change, Feed, Identity
from script.lab.influx import InfluxServer
from tests.unit.core.influx.homes import home

BUDGET_REAL_TIME, BUDGET_LAG_MS = 50.0, 100.0
_TICK_S = 0.005

type Batches = list[tuple[Policy, list[bytes]]]


@dataclass(slots=True)
class Lag:
    """How late an event loop wakes up."""

    late_s: list[float] = field(default_factory=list)

    async def watch(self) -> None:
        """Measure until cancelled."""
        while True:
            due = time.perf_counter() + _TICK_S
            await asyncio.sleep(_TICK_S)
            self.late_s.append(time.perf_counter() - due)

    @property
    def p99_ms(self) -> float:
        """99th percentile."""
        return float(np.percentile(self.late_s, 99)) * 1000


def fill(archive: Archive, houses: int, hours: int) -> dict[str, Identity]:
    """Log some hours of each house."""
    begin_us = (time.time_ns() // 3_600_000_000_000 - hours - 1) * 3_600_000_000
    identities = {}
    for number in range(houses):
        node = f"house-{number + 1:02d}"
        log = home("house", node, begin_us, seed=number)
        archive.append(node, [frame.encode() for frame in log.start()])
        for _ in range(hours):
            archive.append(node, [frame.encode() for frame in log.minutes(60)])
        identities[node] = Identity("house", "gate-1")
    archive.roll_up()  # the archive does that anyway, with or without a sink
    return identities


async def feed(
    archive: Archive, identities: dict[str, Identity], url: str
) -> list[tuple[Policy, list[bytes]]]:
    """Do what the sink does; returns what was sent."""
    loop = asyncio.get_running_loop()
    sent = []
    async with aiohttp.ClientSession() as session:
        sink = Influx1(session, Access(url))
        await sink.provision()
        steps = (await loop.run_in_executor(None, Feed, archive, "bench", "street", identities)).steps()
        while (step := await loop.run_in_executor(None, partial(next, steps, None))) is not None:
            if isinstance(step, Change):
                await loop.run_in_executor(None, step.make)
            else:
                outcome = await deliver(sink, step.policy, step.lines)
                assert outcome.dropped == 0, outcome.reason
                sent.append((step.policy, step.lines))
    return sent


async def bare(batches: Batches, url: str) -> float:
    """Send ready bytes and nothing else; returns seconds."""
    async with aiohttp.ClientSession() as session:
        await Influx1(session, Access(url)).provision()
        began = time.perf_counter()
        for policy, lines in batches:
            query = f"db=microgrid&rp={policy.name}&precision={policy.precision}"
            async with session.post(f"{url}/write?{query}", data=b"\n".join(lines)) as answer:
                assert answer.status == 204, await answer.text()
        return time.perf_counter() - began


async def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--houses", type=int, default=4)
    parser.add_argument("--hours", type=int, default=1)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        servers = [InfluxServer(folder / part) for part in ("sink", "bare")]
        try:
            archive = Archive(folder / "archive")
            identities = fill(archive, options.houses, options.hours)
            await servers[0].up()
            lag = Lag()
            watch = asyncio.create_task(lag.watch())
            began = time.perf_counter()
            batches = await feed(archive, identities, servers[0].url)
            took_s = time.perf_counter() - began
            watch.cancel()
            archive.close()
            servers[0].kill()
            await servers[1].up()
            bare_s = await bare(batches, servers[1].url)
        finally:
            for server in servers:
                server.kill()
    lines = sum(len(part) for _, part in batches)
    points = sum(line.count(b"=") - line.split(b" ")[0].count(b"=") for _, part in batches for line in part)
    size = sum(len(line) + 1 for _, part in batches for line in part)
    real_time = options.hours * 3600 / took_s
    print(f"{options.houses} houses, {options.hours} h: {lines} lines, {points} values, {size / 1e6:.1f} MB")
    print(f"sink   {took_s:6.2f} s  {points / took_s:9.0f} values/s")
    print(f"bare   {bare_s:6.2f} s  {points / bare_s:9.0f} values/s   ratio {bare_s / took_s:.2f}")
    print(f"catches up {real_time:.0f} × real time (asked for: {BUDGET_REAL_TIME:.0f})")
    worst_ms = max(lag.late_s) * 1000
    print(f"event loop lag p99 {lag.p99_ms:.1f} ms (at most {BUDGET_LAG_MS:.0f}), max {worst_ms:.0f} ms")


if __name__ == "__main__":
    asyncio.run(main())
