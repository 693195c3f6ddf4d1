"""What a living swarm costs Home Assistant, beside plain MQTT sensors and beside nothing at all.

    .venv/bin/python -m tests.bench.bench_states [--seconds 120] [--write docs/performance.md]

Three Home Assistants run side by side on one broker and one simulated neighbourhood: bare (connected to the
broker, subscribed to nothing), with this integration, and with hand-written MQTT sensors for the same data.
So all three see the same data at the same time and suffer the same neighbours. CPU is that of the process.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import platform
import sqlite3
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import yaml
from homeassistant.const import __version__ as hass_version

from microgrid_core.model.deadband import NORMAL, PROFILES
from script.lab.hass import CONFIGURATION, ROOT, HomeAssistant
from script.lab.lab import DOMAIN, Lab, add_mqtt
from script.lab.neighbourhood import Plan
from script.lab.processes import free_port
from script.lab.summary import cpu_seconds, rss_mib, wait_until_shown
from tests.bench.plain_mqtt import platforms

METER = Path(__file__).parent / "components" / "lag_meter"
RECORDER_COMMIT_S = 7.0  # the recorder commits every 5 s
BEGIN, END = "<!-- measured -->", "<!-- end -->"
WRITES_BUDGET, CPU_BUDGET = 60.0, 3.0


@dataclass(frozen=True, slots=True)
class Cost:
    """What one Home Assistant did during the window."""

    entities: int
    writes_per_s: float
    cpu_percent: float
    lag_p50_ms: float
    lag_p99_ms: float
    lag_max_ms: float
    rss_mib: int
    database_kib_per_s: float


class Instance:
    """A Home Assistant under measurement."""

    def __init__(self, hass: HomeAssistant) -> None:
        """Know what to measure."""
        self.hass = hass
        self._cpu_s = 0.0
        self._bytes = 0

    async def begin(self) -> None:
        """Begin the window."""
        await self.hass.client.ws("lag_meter/take")
        self._bytes = self._database_bytes()
        self._cpu_s = cpu_seconds(self.hass.pid)

    async def end(self, seconds: float) -> dict[str, float]:
        """End the window; what the database tells comes later."""
        cpu = 100.0 * (cpu_seconds(self.hass.pid) - self._cpu_s) / seconds
        taken = await self.hass.client.ws("lag_meter/take")
        lags = sorted(taken["lags_ms"])
        return {
            "cpu_percent": cpu,
            "lag_p50_ms": lags[len(lags) // 2],
            "lag_p99_ms": lags[int(len(lags) * 0.99)],
            "lag_max_ms": lags[-1],
        }

    async def cost(self, measured: dict[str, float], began: float, ended: float) -> Cost:
        """Add what the recorder wrote between two Unix times."""
        database = sqlite3.connect(f"file:{self._database}?mode=ro", uri=True)
        with contextlib.closing(database):
            (rows,) = database.execute(
                "SELECT count(*) FROM states WHERE last_updated_ts >= ? AND last_updated_ts < ?",
                (began, ended),
            ).fetchone()
        states = await self.hass.client.get("/api/states")
        return Cost(
            entities=sum(not state["entity_id"].startswith("update.") for state in states),
            writes_per_s=rows / (ended - began),
            rss_mib=rss_mib(self.hass.pid),
            database_kib_per_s=(self._database_bytes() - self._bytes) / 1024 / (ended - began),
            **measured,
        )

    @property
    def _database(self) -> Path:
        return self.hass.folder / "home-assistant_v2.db"

    def _database_bytes(self) -> int:
        return sum(path.stat().st_size for path in self.hass.folder.glob("home-assistant_v2.db*"))


async def measure(seconds: float, warm_up_s: float, profile: str, folder: Path) -> dict[str, Cost]:
    """Run the three and return their costs by name."""
    configuration = f"{CONFIGURATION}lag_meter:\n"
    ours = (ROOT / "custom_components" / DOMAIN, METER)
    async with Lab(folder / "ours", Plan(), components=ours, configuration=configuration) as lab:
        say("waiting for the neighbourhood")
        _, problems = await wait_until_shown(lab, 120)
        for problem in problems:
            say(f"not as it should be: {problem}")
        if profile != NORMAL.name:
            await set_profile(lab, profile)
        bare = HomeAssistant(folder / "bare", free_port(), components=(METER,), configuration=configuration)
        sensors = platforms(lab.watcher.newest, lab.watcher.kinds())
        text = configuration + yaml.safe_dump({"mqtt": sensors})
        plain = HomeAssistant(folder / "plain", free_port(), components=(METER,), configuration=text)
        try:
            for hass in (bare, plain):
                await hass.up()
                await add_mqtt(hass, lab.broker)
            instances = {
                "bare": Instance(bare),
                "microgrid": Instance(lab.hass),
                "plain MQTT": Instance(plain),
            }
            say(f"warming up for {warm_up_s:g} s")
            await asyncio.sleep(warm_up_s)
            return await window(instances, seconds)
        finally:
            for hass in (bare, plain):
                await hass.down()


async def window(instances: dict[str, Instance], seconds: float) -> dict[str, Cost]:
    """Measure all instances over the same window."""
    say(f"measuring for {seconds:g} s")
    for instance in instances.values():
        await instance.begin()
    began = time.time()
    await asyncio.sleep(seconds)
    ended = time.time()
    measured = {name: await instance.end(ended - began) for name, instance in instances.items()}
    await asyncio.sleep(RECORDER_COMMIT_S)
    return {name: await instance.cost(measured[name], began, ended) for name, instance in instances.items()}


async def set_profile(lab: Lab, profile: str) -> None:
    """Choose a profile in the options, as a user would."""
    client = lab.hass.client
    entry = (await client.ws("config_entries/get", domain=DOMAIN))[0]["entry_id"]
    answers = {"profile": profile, "heat_pump_topics": True, "house_sensor_topics": True}
    path = "/api/config/config_entries/options/flow"
    await client.flow(path, {"handler": entry}, {"next_step_id": "readings"}, answers)


def table(costs: dict[str, Cost]) -> str:
    """Return the costs as a Markdown table with the ratios."""
    bare, ours, plain = costs["bare"], costs["microgrid"], costs["plain MQTT"]
    rows: list[tuple[str, str, Callable[[Cost], float]]] = [
        ("entities", ".0f", lambda cost: cost.entities),
        ("recorded state writes per second", ".1f", lambda cost: cost.writes_per_s),
        ("growth of the database, KiB/s", ".1f", lambda cost: cost.database_kib_per_s),
        ("CPU, % of one core", ".2f", lambda cost: cost.cpu_percent),
        ("CPU above bare, % of one core", ".2f", lambda cost: cost.cpu_percent - bare.cpu_percent),
        ("event-loop lag, median, ms", ".2f", lambda cost: cost.lag_p50_ms),
        ("event-loop lag, 99 %, ms", ".1f", lambda cost: cost.lag_p99_ms),
        ("event-loop lag, largest, ms", ".0f", lambda cost: cost.lag_max_ms),
        ("memory, MiB", ".0f", lambda cost: cost.rss_mib),
    ]
    lines = ["| | bare | microgrid | plain MQTT | microgrid : plain |", "|---|---:|---:|---:|---:|"]
    for name, form, value in rows:
        ratio = f"1 : {value(plain) / value(ours):.1f}" if value(ours) > 0 else "–"
        cells = " | ".join(format(value(cost), form) for cost in (bare, ours, plain))
        lines.append(f"| {name} | {cells} | {ratio} |")
    return "\n".join(lines)


def verdicts(costs: dict[str, Cost]) -> str:
    """Return how the costs stand to the budgets."""
    ours, bare = costs["microgrid"], costs["bare"]
    checks = (
        ("recorded state writes per second", ours.writes_per_s, WRITES_BUDGET),
        ("CPU above bare, % of one core", ours.cpu_percent - bare.cpu_percent, CPU_BUDGET),
    )
    return "\n".join(
        f"- {name}: {value:.2f}, budget {budget:g}: {'within' if value <= budget else 'OVER'}"
        for name, value, budget in checks
    )


def machine() -> str:
    """Describe the machine and the versions."""
    return (
        f"{os.cpu_count()}-core {platform.machine().replace('_', '-')}, {platform.system()}, "
        f"Python {platform.python_version()}, Home Assistant {hass_version}"
    )


def say(text: str) -> None:
    """Tell the progress without spoiling the table."""
    print(f"bench: {text}", file=sys.stderr, flush=True)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        prog="tests.bench.bench_states", description=(__doc__ or "").splitlines()[0]
    )
    parser.add_argument("--seconds", type=float, default=120.0, help="length of the window (default: 120)")
    parser.add_argument("--warm-up", type=float, default=30.0, help="time before the window (default: 30)")
    parser.add_argument("--profile", choices=sorted(PROFILES), default=NORMAL.name)
    parser.add_argument("--json", action="store_true", help="print the figures as JSON instead of the table")
    parser.add_argument(
        "--write", type=Path, help=f"also replace what stands between {BEGIN} and {END} in a file"
    )
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="microgrid-bench-") as folder:
        costs = asyncio.run(measure(chosen.seconds, chosen.warm_up, chosen.profile, Path(folder)))
    if chosen.json:
        print(
            json.dumps({name: {f: getattr(cost, f) for f in Cost.__slots__} for name, cost in costs.items()})
        )
        return
    heading = f"Profile {chosen.profile}, {chosen.seconds:g} s, {machine()}."
    report = f"{heading}\n\n{table(costs)}\n\n{verdicts(costs)}"
    print(report)
    if chosen.write is not None:
        before, _, rest = chosen.write.read_text().partition(BEGIN)
        _, _, after = rest.partition(END)
        chosen.write.write_text(f"{before}{BEGIN}\n{report}\n{END}{after}")


if __name__ == "__main__":
    main()
