"""How fast a neighbourhood hands over a day of outage, and what that costs Home Assistant meanwhile.

    .venv/bin/python -m tests.bench.bench_backfill [--hours 24] [--write docs/performance.md]

A real Mosquitto, a real Home Assistant with the integration, and the simulated neighbourhood of twelve
houses, which goes on speaking once a second. Each house and each gateway has a log of real rates (`day_log`)
and offers it as the firmware does: a gateway has one batch of its houses' logs and one of its own on the way,
of 6 kB each, and goes on after `log/ack`. The bus between house and gateway, which is slower, is left out:
this measures Home Assistant.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import socket
import sqlite3
import tempfile
import threading
import time
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion

from microgrid_core.archive.archive import read_only
from microgrid_core.codec.umg1.frame import Frame
from microgrid_core.contract.topics import LOG, LOG_ACK, Topic
from script.lab.hass import CONFIGURATION, ROOT, HomeAssistant
from script.lab.lab import DOMAIN, SWARM, Lab
from script.lab.neighbourhood import Plan
from script.lab.processes import LOOPBACK
from script.lab.summary import cpu_seconds, rss_mib, wait_until_shown
from tests.bench.bench_states import METER, machine, say
from tests.bench.day_log import DAY_S, day_log, frames

BATCH_BYTES = 6144  # RELAY_BYTES and LOG_ROOM_BYTES of the firmware
REPEAT_S = 60.0
HOUSE_BOOT, GATEWAY_BOOT = 0x0B00_0001, 0x0B00_0002
BACKFILL_BUDGET_S, LAG_BUDGET_MS = 300.0, 100.0
BEGIN, END = "<!-- backfill -->", "<!-- end of backfill -->"
_SAMPLE_S = 0.25
_CALM_S = 20.0
_SETTLED_S = 15.0


@dataclass(frozen=True, slots=True)
class Batch:
    """Whole frames, and the position behind which the log goes on."""

    payload: bytes
    boot_id: int
    last_seq: int
    frames: int


def batches(log: Iterable[Frame]) -> Iterator[Batch]:
    """Divide a log as the firmware does: as many whole frames as fit."""
    parts: list[bytes] = []
    size, boot_id, seq = 0, 0, 0
    for frame in log:
        if parts and size + frame.size > BATCH_BYTES:
            yield Batch(b"".join(parts), boot_id, seq, len(parts))
            parts, size = [], 0
        parts.append(frame.encode())
        size, boot_id, seq = size + frame.size, frame.boot_id, frame.seq
    if parts:
        yield Batch(b"".join(parts), boot_id, seq, len(parts))


@dataclass(slots=True)
class Lane:
    """Logs that share one message on the way: those of the houses of a gateway, or its own."""

    waiting: dict[str, deque[Batch]]
    turns: deque[str] = field(init=False)
    on_way: tuple[str, Batch] | None = None
    sent_at: float = 0.0

    def __post_init__(self) -> None:
        """Each node has its turn."""
        self.turns = deque(node for node, batches in self.waiting.items() if batches)

    def next(self) -> None:
        """Put the next batch on its way."""
        self.on_way = None
        if self.turns:
            node = self.turns.popleft()
            self.on_way = (node, self.waiting[node].popleft())
            if self.waiting[node]:
                self.turns.append(node)


class Gateway:
    """The uplink of a gateway: a client of its own on the broker, with two lanes."""

    def __init__(
        self, name: str, port: int, own: Sequence[Batch], houses: dict[str, Sequence[Batch]]
    ) -> None:
        """Connect and subscribe; nothing is offered before `start`."""
        self.lanes = (
            Lane({house: deque(log) for house, log in houses.items()}),
            Lane({name: deque(own)}),
        )
        self.total = len(own) + sum(map(len, houses.values()))
        self.frames = sum(batch.frames for log in (own, *houses.values()) for batch in log)
        self.acknowledged = 0
        self.repeated = 0
        self._lock = threading.Lock()
        self._lane_of = {node: lane for lane in self.lanes for node in lane.waiting}
        self._client = paho.Client(CallbackAPIVersion.VERSION2, client_id=f"backfill-{name}")
        self._client.on_message = self._message
        self._client.on_socket_open = _send_at_once
        self._client.connect(LOOPBACK, port)
        for node in self._lane_of:
            self._client.subscribe(str(Topic(SWARM, node, LOG_ACK)), 1)
        self._client.loop_start()

    def start(self) -> None:
        """Offer the first batches."""
        with self._lock:
            for lane in self.lanes:
                lane.next()
                self._publish(lane)

    def tend(self) -> None:
        """Send again what nobody acknowledged for a minute."""
        with self._lock:
            for lane in self.lanes:
                if lane.on_way is not None and time.monotonic() - lane.sent_at > REPEAT_S:
                    self.repeated += 1
                    self._publish(lane)

    def close(self) -> None:
        """Disconnect."""
        self._client.disconnect()
        self._client.loop_stop()

    @property
    def done(self) -> bool:
        """Whether everything is acknowledged."""
        return self.acknowledged == self.total

    def _publish(self, lane: Lane) -> None:
        if lane.on_way is not None:
            node, batch = lane.on_way
            lane.sent_at = time.monotonic()
            self._client.publish(str(Topic(SWARM, node, LOG)), batch.payload, 1)

    def _message(self, client: paho.Client, userdata: object, message: paho.MQTTMessage) -> None:
        node = message.topic.split("/")[3]
        said = json.loads(message.payload)
        with self._lock:
            lane = self._lane_of[node]
            if lane.on_way is None or lane.on_way[0] != node:
                return
            batch = lane.on_way[1]
            if (said["boot_id"], said["seq"]) == (batch.boot_id, batch.last_seq):
                self.acknowledged += 1
                lane.next()
                self._publish(lane)


def _send_at_once(client: paho.Client, userdata: object, opened: object) -> None:
    """Do as the firmware's socket does; otherwise batches would wait for the kernel's acknowledgements."""
    assert isinstance(opened, socket.socket)
    opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


@dataclass(frozen=True, slots=True)
class Phase:
    """What one stretch of the run cost."""

    name: str
    seconds: float
    cpu_percent: float
    lag_p50_ms: float
    lag_p99_ms: float
    lag_max_ms: float
    rss_mib: int


class Watch:
    """Measures a Home Assistant phase by phase."""

    def __init__(self, hass: HomeAssistant) -> None:
        """Know whom."""
        self.hass = hass
        self.rss_mib = 0
        self._cpu_s = self._began = 0.0

    async def begin(self) -> None:
        """Begin a phase."""
        await self.hass.client.ws("lag_meter/take")
        self.rss_mib = 0
        self._cpu_s, self._began = cpu_seconds(self.hass.pid), time.monotonic()

    def look(self) -> None:
        """Note the largest memory."""
        self.rss_mib = max(self.rss_mib, rss_mib(self.hass.pid))

    async def end(self, name: str, seconds: float | None = None) -> Phase:
        """End a phase; `seconds`: how long it took when the end was noticed late."""
        self.look()
        elapsed = time.monotonic() - self._began
        cpu = 100.0 * (cpu_seconds(self.hass.pid) - self._cpu_s) / elapsed
        lags = sorted((await self.hass.client.ws("lag_meter/take"))["lags_ms"])
        return Phase(
            name,
            elapsed if seconds is None else seconds,
            cpu,
            lags[len(lags) // 2],
            lags[int(len(lags) * 0.99)],
            lags[-1],
            self.rss_mib,
        )


@dataclass(frozen=True, slots=True)
class Report:
    """The result of a run."""

    phases: list[Phase]
    megabytes: float
    frames: int
    messages: int
    repeated: int
    load: float
    """Of the machine before the run, by its own account."""
    hours: float

    @property
    def backfill(self) -> Phase:
        """The phase that the aims are about."""
        return next(phase for phase in self.phases if phase.name == "back-fill")


async def measure(plan: Plan, hours: float, folder: Path, *, wait_for_upkeep: bool = True) -> Report:
    """Run it."""
    load = os.getloadavg()[0]
    seconds = round(hours * 60) * 60
    paths = {kind: day_log(kind, seconds) for kind in ("house", "gateway")}
    configuration = f"{CONFIGURATION}lag_meter:\n"
    ours = (ROOT / "custom_components" / DOMAIN, METER)
    async with Lab(folder, plan, components=ours, configuration=configuration) as lab:
        say("waiting for the neighbourhood")
        for problem in (await wait_until_shown(lab, 120))[1]:
            say(f"not as it should be: {problem}")
        begin_us = (time.time_ns() // 60_000_000_000 * 60 - seconds) * 1_000_000
        gateways = make_gateways(lab.broker.port, plan, paths, begin_us)
        watch = Watch(lab.hass)
        try:
            await watch.begin()
            await asyncio.sleep(_CALM_S)
            phases = [await watch.end("before")]
            phases.append(await backfill(watch, gateways))
            if wait_for_upkeep:
                phases.append(await upkeep(watch, lab.hass.folder))
        finally:
            for gateway in gateways:
                gateway.close()
        stored, offered = frames_stored(lab.hass.folder), sum(gateway.frames for gateway in gateways)
        if stored != offered:
            raise AssertionError(f"{offered} frames were handed over and acknowledged, {stored} are stored")
        sent = [
            path.stat().st_size * count for path, count in zip(paths.values(), _counts(plan), strict=True)
        ]
        return Report(
            phases,
            sum(sent) / 1e6,
            stored,
            sum(gateway.total for gateway in gateways),
            sum(gateway.repeated for gateway in gateways),
            load,
            hours,
        )


def _counts(plan: Plan) -> tuple[int, int]:
    return plan.houses, plan.clusters


def make_gateways(port: int, plan: Plan, paths: dict[str, Path], begin_us: int) -> list[Gateway]:
    """Give every node its log and connect the gateways."""
    house = list(batches(frames(paths["house"], HOUSE_BOOT, begin_us)))
    own = list(batches(frames(paths["gateway"], GATEWAY_BOOT, begin_us)))
    return [
        Gateway(f"gateway-{number}", port, own, dict.fromkeys(houses, house))
        for number, houses in enumerate(plan.clusters_of_houses(), 1)
    ]


async def backfill(watch: Watch, gateways: Sequence[Gateway]) -> Phase:
    """Hand all logs over."""
    say(f"handing over {sum(gateway.total for gateway in gateways)} messages")
    await watch.begin()
    began = told = time.monotonic()
    for gateway in gateways:
        gateway.start()
    while not all(gateway.done for gateway in gateways):
        await asyncio.sleep(_SAMPLE_S)
        watch.look()
        for gateway in gateways:
            gateway.tend()
        if time.monotonic() - told > 20:
            told = time.monotonic()
            share = sum(g.acknowledged for g in gateways) / sum(g.total for g in gateways)
            say(f"{told - began:.0f} s: {share:.0%} acknowledged")
    phase = await watch.end("back-fill")
    say(f"handed over in {phase.seconds:.1f} s, lag {phase.lag_p99_ms:.1f} ms, CPU {phase.cpu_percent:.0f} %")
    return phase


async def upkeep(watch: Watch, folder: Path) -> Phase:
    """Wait until roll-ups and statistics of all that was handed over are there."""
    say("waiting for roll-ups and statistics")
    await watch.begin()
    began = changed = time.monotonic()
    before = -1
    while True:
        await asyncio.sleep(_SAMPLE_S)
        watch.look()
        waiting, rows = await asyncio.to_thread(_unfinished, folder)
        if rows != before or waiting:
            before, changed = rows, time.monotonic()
        elif rows and time.monotonic() - changed > _SETTLED_S:
            return await watch.end("roll-ups, statistics", changed - began)


def _unfinished(folder: Path) -> tuple[int, int]:
    """Return the old hours that wait for roll-ups, and the statistics of ours that the recorder has."""
    hour_ago = int(time.time()) - 3600
    index = sqlite3.connect(f"file:{_archive(folder) / 'index.db'}?mode=ro", uri=True, timeout=30)
    with contextlib.closing(index):
        (waiting,) = index.execute("SELECT count(*) FROM dirty WHERE hour_s < ?", (hour_ago,)).fetchone()
    database = sqlite3.connect(f"file:{folder / 'home-assistant_v2.db'}?mode=ro", uri=True, timeout=30)
    with contextlib.closing(database):
        (rows,) = database.execute(
            "SELECT count(*) FROM statistics JOIN statistics_meta ON statistics_meta.id = metadata_id "
            "WHERE source = ? AND start_ts < ?",
            (DOMAIN, hour_ago),
        ).fetchone()
    return waiting, rows


def frames_stored(folder: Path) -> int:
    """Return how many frames of the logs that were handed over the archive has."""
    with read_only(_archive(folder)) as queries:
        return sum(
            last - first + 1
            for node in queries.nodes()
            for boot in queries.coverage(node).boots
            if boot.boot_id in (HOUSE_BOOT, GATEWAY_BOOT)
            for first, last in boot.received
        )


def _archive(folder: Path) -> Path:
    return folder / DOMAIN / SWARM / "archive"


def table(report: Report) -> str:
    """Return the phases and the verdicts as Markdown."""
    lines = [
        f"{report.messages} messages of at most {BATCH_BYTES} bytes, {report.megabytes:.0f} MB "
        f"({report.hours:g} h), {report.frames} frames; {report.repeated} sent "
        f"twice; load of the machine before the run {report.load:.1f}.",
        "",
        "| | " + " | ".join(phase.name for phase in report.phases) + " |",
        "|---|" + "---:|" * len(report.phases),
    ]
    for name, form, key in (
        ("seconds", ".0f", "seconds"),
        ("event-loop lag, median, ms", ".2f", "lag_p50_ms"),
        ("event-loop lag, 99 %, ms", ".1f", "lag_p99_ms"),
        ("event-loop lag, largest, ms", ".0f", "lag_max_ms"),
        ("CPU of Home Assistant, % of one core", ".0f", "cpu_percent"),
        ("memory of Home Assistant, largest, MiB", ".0f", "rss_mib"),
    ):
        lines.append(
            f"| {name} | " + " | ".join(format(getattr(phase, key), form) for phase in report.phases) + " |"
        )
    whole_s = report.backfill.seconds * 24 / report.hours
    worst_ms = max(phase.lag_p99_ms for phase in report.phases)
    lines += [
        "",
        f"- A day is handed over in {whole_s:.0f} s (at most {BACKFILL_BUDGET_S:.0f}): "
        f"{report.hours * 3600 / report.backfill.seconds:.0f} × real time: "
        f"{_judged(whole_s <= BACKFILL_BUDGET_S)}.",
        f"- Event-loop lag, 99 %, of the worst phase {worst_ms:.1f} ms (at most {LAG_BUDGET_MS:.0f}): "
        f"{_judged(worst_ms <= LAG_BUDGET_MS)}.",
    ]
    return "\n".join(lines)


def _judged(kept: bool) -> str:
    return "kept" if kept else "**missed**"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        prog="tests.bench.bench_backfill", description=(__doc__ or "").splitlines()[0]
    )
    parser.add_argument("--hours", type=float, default=DAY_S / 3600, help="of outage (default: 24)")
    parser.add_argument("--houses", type=int, default=12)
    parser.add_argument("--clusters", type=int, default=3)
    parser.add_argument(
        "--write", type=Path, help=f"also replace what stands between {BEGIN} and {END} in a file"
    )
    parser.add_argument("--keep", type=Path, help="run in this folder and leave it")
    chosen = parser.parse_args()
    plan = Plan(houses=chosen.houses, clusters=chosen.clusters)
    with tempfile.TemporaryDirectory(prefix="microgrid-bench-") as folder:
        report = asyncio.run(measure(plan, chosen.hours, chosen.keep or Path(folder)))
    text = f"{plan.houses} houses, {plan.clusters} gateways; {machine()}.\n\n{table(report)}"
    print(text)
    if chosen.write is not None:
        before, _, rest = chosen.write.read_text().partition(BEGIN)
        _, _, after = rest.partition(END)
        chosen.write.write_text(f"{before}{BEGIN}\n{text}\n{END}{after}")


if __name__ == "__main__":
    main()
