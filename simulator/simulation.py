"""Physics and twins in one loop: time passes, messages go out, commands come in."""

from __future__ import annotations

import json
import logging
import math
import random
import selectors
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

from microgrid_core.contract.messages import NodeKind
from microgrid_core.model.kinds import KINDS

from . import state_file
from .clock import SharedClock
from .firmware_link.link import FirmwareLink
from .firmware_link.time_server import TimeServer
from .ledger import Ledger
from .physics.neighbourhood import BATTERY, HEAT_PUMP, STEP_S, Neighbourhood
from .physics.trace import Trace
from .scenarios import SCENARIOS
from .twins import injection, roster
from .twins.capture import Capture
from .twins.connection import Broker, Connection
from .twins.heat_pump import HeatPumpTwin
from .twins.injection import Disturbable, Injector, OnlyFaults
from .twins.log import NodeLog
from .twins.node import NodeTwin
from .twins.recorder import Recorder, schema
from .twins.stage import Stage
from .twins.surroundings import SurroundingsTwin

_LOGGER = logging.getLogger(__name__)
_ROUND_S = 0.05
_FIRMWARE_ROUND_S = 0.01  # the beat of the bus
_MOST_STEPS_PER_S = 1000  # beyond, the steps get longer: about a seventh of a core
_SHARED_STEPS_PER_S = 100
"""With a shared clock nobody waits for us: what is left of the machine is for the others."""
_LONGEST_STEP_S = 10.0
_LONGEST_LAG_S = 2.0
_LONGEST_CATCH_UP_S = 0.2
"""In one round: between two rounds somebody wants to be heard."""
_FAREWELL_S = 1.0
_FLUSH_S = 1.0
_METER_S = 1.0
_EARLY_S = 0.02
"""At least: how long before its end a minute's last sample is taken."""
_QUICKEST_SHARE_S = 0.05
"""Real seconds between the samples of a node whose clock runs faster than ours."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Firmware:
    """Houses and gateways are programs of their own."""

    feed: tuple[str, int]
    """Multicast group and port on the loopback interface."""
    time_server: tuple[str, int] | None = None
    """Where gateways may ask for the time."""
    clock_report: Path | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Everything that can be chosen."""

    broker: Broker = field(default_factory=Broker)
    swarm: str = "demo"
    houses: int = 12
    clusters: int = 3
    seed: int = 1
    speed: float = 1.0
    start_s: float = 10 * 3600.0
    """Local solar time of day at the start."""
    day_of_year: int = 100
    latitude_deg: float = 52.0
    heat_pump_interval_s: float = 10.0
    gateways_carry: bool = False
    """Whether a gateway sends its houses' live values in its own message."""
    trace: Path | None = None
    state: Path | None = None
    firmware: Firmware | None = None
    """None: houses and gateways are played as all other devices are."""
    log: Path | None = None
    """Folder in which the twins of houses and gateways keep their logs."""
    ledger: Path | None = None
    """File for what is true."""
    clock_us: int | None = None
    """UTC of the nodes at the beginning, from when on it runs as fast as the simulation; None: it is ours."""
    shared_clock: Path | None = None
    """A file that tells all programs of a lab what time it is; `speed` is then the fastest that it runs."""

    def __post_init__(self) -> None:
        """Refuse what cannot be."""
        if self.firmware is not None and self.speed != 1.0:
            raise ValueError(f"speed {self.speed:g}: firmware lives in real time, only speed 1 is possible")
        if self.firmware is not None and (self.log, self.ledger, self.clock_us) != (None, None, None):
            raise ValueError("firmware keeps logs and clocks of its own: leave out log, ledger and clock")
        if self.shared_clock is not None and (self.firmware, self.clock_us) != (None, None):
            raise ValueError("a shared clock is the only one: leave out firmware and clock")
        if self.log is not None and not self.log.is_dir():
            raise ValueError(f"{self.log}: there is no such folder; the logs could not be kept there")

    @property
    def clock_rate(self) -> float:
        """Seconds on the nodes' clocks in a simulated second."""
        return 1.0 if self.counts_own_time else 1.0 / self.speed

    @property
    def counts_own_time(self) -> bool:
        """Whether the nodes' clocks, and with them counters, run as fast as the simulation."""
        return self.clock_us is not None or self.shared_clock is not None

    @property
    def step_s(self) -> float:
        """Physics step: 10 ms up to tenfold speed, longer beyond."""
        most = _MOST_STEPS_PER_S if self.shared_clock is None else _SHARED_STEPS_PER_S
        return min(_LONGEST_STEP_S, max(STEP_S, self.speed / most))

    def neighbourhood(self) -> Neighbourhood:
        """Build the physics; raises ValueError or OSError when a file or number does not fit."""
        return Neighbourhood(
            self.houses,
            self.clusters,
            self.seed,
            start_s=self.start_s,
            day_of_year=self.day_of_year,
            latitude_deg=self.latitude_deg,
            speed=1.0 if self.counts_own_time else self.speed,
            trace=Trace(self.trace, self.houses) if self.trace is not None else None,
            controlled_outside=self.firmware is not None,
        )


class Twin(Protocol):
    """What the loop needs of a twin."""

    def attach(self, broker: Broker, selector: selectors.BaseSelector) -> Connection:
        """Make the connection."""

    def due(self, now: float) -> None:
        """Send what it is time for."""


class Simulation:
    """The neighbourhood on a broker. `run` blocks until `stop`; `start` runs it in a thread of its own."""

    def __init__(self, settings: Settings) -> None:
        """Build everything; nothing is sent before `run`."""
        self.settings = settings
        self.site = settings.neighbourhood()
        resumed = state_file.load(settings.state, self.site) if settings.state is not None else None
        if resumed is not None:
            _LOGGER.info("carrying on from %s", settings.state)
        self._clock_us = settings.clock_us
        if self._clock_us is not None and resumed is not None and resumed.clock_us is not None:
            self._clock_us = resumed.clock_us
        self._shared = SharedClock(settings.shared_clock) if settings.shared_clock is not None else None
        if self._shared is not None:
            self._clock_us = round(self._shared.utc_s() * 1e6)
        self._simulated_until = time.monotonic()
        """The real instant for which the physics stands."""
        self._real_offset_s = time.time() - time.monotonic()
        boot_ids = random.Random(settings.seed * 1_000_003 + time.time_ns() // 1_000_000)
        self._selector = selectors.DefaultSelector()
        firmware = settings.firmware
        self._nodes = roster.build(
            self.site,
            settings.swarm,
            boot_ids,
            settings.gateways_carry,
            only_devices=firmware is not None,
        )
        self._by_name = {twin.node: twin for twin in self._nodes}
        self._logs: list[NodeLog] = []
        self._recorders: list[Recorder] = []
        if settings.log is not None:
            self._keep_logs(settings.log)
        self._ledger: Ledger | None = None
        if settings.ledger is not None:
            now_us = self.node_time_us()
            self._ledger = Ledger(settings.ledger, self.site, self._logs, now_us, resumed=resumed is not None)
        self._next_flush = self._next_meter = 0.0
        self._meter_s = _METER_S
        self._disk = ThreadPoolExecutor(1, "disk")
        self._flushing: Future[None] | None = None
        heat_pump = HeatPumpTwin(self.site, settings.swarm, settings.heat_pump_interval_s)
        self._twins: tuple[Twin, ...] = (*self._nodes, heat_pump, SurroundingsTwin(self.site, settings.swarm))
        if (shared := self._shared) is not None:
            listeners: list[NodeTwin | HeatPumpTwin] = [*self._nodes, heat_pump]
            for twin in listeners:
                twin.utc_now = lambda: datetime.fromtimestamp(shared.utc_s(), UTC)
            # A clock that runs faster wants to be told more often; each minute of the battery, whose energy
            # somebody counts by its power.
            for node in self._nodes:
                node.interval_s = min(node.interval_s, 1.0)
            self._by_name[BATTERY].interval_s = self._meter_s = min(1.0, 60.0 / settings.speed)
        everyone: dict[str, Disturbable] = {**self._by_name, HEAT_PUMP: heat_pump}
        if firmware is not None:
            everyone |= dict.fromkeys((*self.site.house_names, *self.site.gateway_names), OnlyFaults())
        self._helper = ThreadPoolExecutor(1, "stage")
        self.stage: Stage | None = None
        if firmware is None:
            self.stage = Stage(
                self.site, self._by_name, self.node_time_us, lambda: boot_ids.getrandbits(32), self._helper
            )
        self._capture: Capture | None = None
        if firmware is None and settings.step_s == STEP_S and settings.clock_rate == 1.0:
            self._capture = Capture(self.site, self._by_name, self.node_time_us, self._helper)
        self.injector = Injector(
            self.site, everyone, lambda: boot_ids.getrandbits(32), self.stage, self._answer
        )
        self._handle = Connection(
            settings.broker,
            f"microgrid-simulator-{settings.swarm}-inject",
            self._selector,
            handlers={injection.topic(settings.swarm, injection.INJECT): self.injector.receive},
            on_ready=self._announce_scenarios,
        )
        self._connections = [
            *(twin.attach(settings.broker, self._selector) for twin in self._twins),
            self._handle,
        ]
        self._link: FirmwareLink | None = None
        self._time_server: TimeServer | None = None
        self._round_s = _ROUND_S if self._shared is None else _FIRMWARE_ROUND_S
        if firmware is not None:
            self._link = FirmwareLink(self.site, firmware.feed, self._selector, firmware.clock_report)
            self._round_s = _FIRMWARE_ROUND_S
            if firmware.time_server is not None:
                self._time_server = TimeServer(firmware.time_server, self._selector)
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    @property
    def connected(self) -> bool:
        """Whether every twin has its connection."""
        return all(connection.connected for connection in self._connections)

    def run(self) -> None:
        """Simulate until `stop` is called, then leave properly and keep the state."""
        told = lagged = False
        self._simulated_until = time.monotonic()
        for recorder in self._recorders:
            recorder.begin(self.node_time_us())
        try:
            while not self._stop.is_set():
                now = time.monotonic()
                behind_s = self._behind_s(now)
                if behind_s > _LONGEST_LAG_S:
                    if not lagged:
                        _LOGGER.warning("speed %g is more than this machine can do", self.settings.speed)
                    lagged = True
                    if self._shared is None:  # who shares a clock may leave out nothing, and catches up
                        self._simulated_until = now - self._round_s
                        behind_s = self._round_s
                self._simulate(behind_s if self._shared is None else min(behind_s, _LONGEST_CATCH_UP_S))
                if now >= self._next_flush:
                    self._next_flush = now + _FLUSH_S
                    self._flush()
                elif self._flushing is not None and self._flushing.done():
                    self._settle()
                if self._link is not None:
                    self._link.tell()
                    self._link.maintain(now)
                for connection in self._connections:
                    connection.maintain(now)
                for twin in self._twins:
                    twin.due(now)
                if now >= self._next_meter:
                    self._next_meter = now + self._meter_s
                    self._read_meter()
                if not told and self.connected:
                    told = True
                    _LOGGER.info("all %d connections are up", len(self._connections))
                self._serve(now + self._round_s)
        finally:
            self._leave()

    def start(self) -> None:
        """Run in a thread."""
        self._thread = threading.Thread(target=self.run, name="simulation", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End; waits for the thread that `start` made."""
        self._stop.set()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join()
            self._thread = None

    def node_time_us(self) -> int:
        """What the nodes' clocks show: the UTC for which the physics stands, in µs."""
        if self._clock_us is not None:
            return self._clock_us + round(self.site.time_s * 1e6)
        return round((self._simulated_until + self._real_offset_s) * 1e6)

    def _behind_s(self, now: float) -> float:
        """Return how much is to be simulated, in seconds of the present at full speed."""
        if self._shared is None:
            return now - self._simulated_until
        return (self._shared.utc_s() - self.node_time_us() / 1e6) / self.settings.speed

    def _keep_logs(self, folder: Path) -> None:
        """Give houses and gateways their logs."""
        settings = self.settings
        step_us = settings.step_s * settings.clock_rate * 1e6
        least_period_us = max(STEP_S * 1e6, step_us)
        if settings.counts_own_time and settings.speed > 1.0:
            least_period_us = max(least_period_us, settings.speed * _QUICKEST_SHARE_S * 1e6)
        early_us = round(max(_EARLY_S * 1e6, 2.0 * step_us))
        for kind in (NodeKind.GATEWAY, NodeKind.HOUSE):
            logs = []
            for twin in (twin for twin in self._nodes if twin.kind is kind):
                cluster = twin.node if kind is NodeKind.GATEWAY else self.site.parent(twin.node) or ""
                channels = schema(twin.node, cluster, KINDS[kind], round(least_period_us))
                log = NodeLog(folder / f"{twin.node}.umg1", channels, self.node_time_us)
                twin.keep(log)
                logs.append(log)
            self._recorders.append(Recorder(self.site, KINDS[kind], logs, round(least_period_us), early_us))
            self._logs += logs

    def _simulate(self, seconds: float) -> None:
        """Let the physics catch up with whole steps, stopping where something is to be read."""
        step_s, speed = self.settings.step_s, self.settings.speed
        step_us = step_s * self.settings.clock_rate * 1e6
        left = int(seconds * speed / step_s)
        while left > 0:
            steps = left
            if (due_us := self._due_us()) is not None:
                # What is due within half a step is taken now.
                ahead_us = due_us - self.node_time_us() - step_us / 2
                steps = max(1, min(left, math.ceil(ahead_us / step_us)))
            self.site.step(steps * step_s, step_s)
            self._simulated_until += steps * step_s / speed
            left -= steps
            self._look()
        for occurrence in self.site.take_occurrences():
            _LOGGER.info("%s %s %s", occurrence.node, occurrence.code, occurrence.state.value)
            event_id = self._by_name[occurrence.node].tell(occurrence)
            if self._capture is not None:
                self._capture.hear(occurrence, event_id)
        if self._capture is not None:
            self._capture.advance()
        if self.stage is not None:
            self.stage.advance()

    def _answer(self, payload: bytes) -> None:
        """Say what came of an injection."""
        self._handle.publish(injection.topic(self.settings.swarm, injection.RESULT), payload, qos=1)

    def _read_meter(self) -> None:
        """Tell what the smart meter in the house of the Pi's battery shows: no node of ours does."""
        battery = self.site.battery
        shown = {
            "load_w": round(float(battery.loads.power_w[0]), 1),
            "solar_w": round(float(battery.solar.output_power_w[0]), 1),
        }
        topic = injection.topic(self.settings.swarm, "meter")
        self._handle.publish(topic, json.dumps(shown, separators=(",", ":")).encode())

    def _announce_scenarios(self) -> None:
        """Tell who may want to choose what can be played, and where."""
        clusters = self.stage.clusters if self.stage is not None else {}
        offer = {"scenarios": list(SCENARIOS) if clusters else [], "clusters": clusters}
        payload = json.dumps(offer, separators=(",", ":")).encode()
        topic = injection.topic(self.settings.swarm, injection.SCENARIOS)
        self._handle.publish(topic, payload, qos=1, retain=True)

    def _due_us(self) -> int | None:
        """When, on the nodes' clocks, something is to be read."""
        due = [recorder.due_us for recorder in self._recorders]
        if self._capture is not None:
            due.append(self._capture.due_us)
        if self._ledger is not None:
            due.append(self._ledger.due_us)
        return min(due, default=None)

    def _look(self) -> None:
        """Read what is due."""
        now_us = self.node_time_us()
        half_step_us = round(self.settings.step_s * self.settings.clock_rate * 5e5)
        for recorder in self._recorders:
            recorder.sample(now_us + half_step_us)
        if self._capture is not None:
            self._capture.sample(now_us + half_step_us)
        if self._ledger is not None and now_us + half_step_us >= self._ledger.due_us:
            self._ledger.count(now_us + half_step_us)

    def _flush(self) -> None:
        """Begin to put on the disk what a kill may not take, once the last time is done."""
        if not self._logs and self._ledger is None:
            return
        if self._flushing is not None:
            if not self._flushing.done():
                return
            self._settle()
        self._flushing = self._disk.submit(self._prepare())

    def _settle(self) -> None:
        """Wait for the disk; what went wrong there is raised here."""
        flushing, self._flushing = self._flushing, None
        if flushing is not None:
            flushing.result()
            for log in self._logs:
                log.settle()

    def _prepare(self) -> Callable[[], None]:
        """Return what is to be put on the disk: the state first, so that no log is ahead of it."""
        work = []
        now_us = self.node_time_us()
        if self.settings.state is not None:
            clock_us = now_us if self._clock_us is not None else None
            work.append(state_file.prepare(self.settings.state, self.site, clock_us))
        work += [log.prepare() for log in self._logs]
        if self._ledger is not None:
            work.append(self._ledger.prepare(now_us))

        def put() -> None:
            for part in work:
                part()

        return put

    def _serve(self, until: float) -> None:
        """Read what arrives until the next round."""
        left = until - time.monotonic()
        while True:  # once at least: who is busy catching up must not be deaf
            for key, _ in self._selector.select(max(left, 0.0)):
                key.data.read()
            if (left := until - time.monotonic()) <= 0.0:
                return

    def _leave(self) -> None:
        if self._time_server is not None:
            self._time_server.close()
        if self._link is not None:
            self._link.close()
        for connection in self._connections:
            connection.close()
        deadline = time.monotonic() + _FAREWELL_S
        while any(connection.connected for connection in self._connections) and time.monotonic() < deadline:
            self._serve(time.monotonic() + 0.01)
        self._selector.close()
        self._settle()
        self._disk.shutdown()
        self._helper.shutdown(cancel_futures=True)
        for recorder in self._recorders:
            recorder.end(self.node_time_us())
        self._prepare()()
        for log in self._logs:
            log.settle()
            log.close()
        if self._ledger is not None:
            self._ledger.close()
