"""Physics and twins in one loop: time passes, messages go out, commands come in."""

from __future__ import annotations

import logging
import random
import selectors
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from . import state_file
from .physics.neighbourhood import HEAT_PUMP, STEP_S, Neighbourhood
from .physics.trace import Trace
from .twins import roster
from .twins.connection import Broker, Connection
from .twins.heat_pump import HeatPumpTwin
from .twins.injection import Disturbable, Injector
from .twins.surroundings import SurroundingsTwin

_LOGGER = logging.getLogger(__name__)
_ROUND_S = 0.05
_MOST_STEPS_PER_S = 1000  # beyond, the steps get longer: about a seventh of a core
_LONGEST_STEP_S = 10.0
_LONGEST_LAG_S = 2.0
_FAREWELL_S = 1.0


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

    @property
    def step_s(self) -> float:
        """Physics step: 10 ms up to tenfold speed, longer beyond."""
        return min(_LONGEST_STEP_S, max(STEP_S, self.speed / _MOST_STEPS_PER_S))

    def neighbourhood(self) -> Neighbourhood:
        """Build the physics; raises ValueError or OSError when a file or number does not fit."""
        return Neighbourhood(
            self.houses,
            self.clusters,
            self.seed,
            start_s=self.start_s,
            day_of_year=self.day_of_year,
            latitude_deg=self.latitude_deg,
            speed=self.speed,
            trace=Trace(self.trace, self.houses) if self.trace is not None else None,
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
        if settings.state is not None and state_file.load(settings.state, self.site):
            _LOGGER.info("carrying on from %s", settings.state)
        boot_ids = random.Random(settings.seed * 1_000_003 + time.time_ns() // 1_000_000)
        self._selector = selectors.DefaultSelector()
        self._nodes = roster.build(self.site, settings.swarm, boot_ids, settings.gateways_carry)
        self._by_name = {twin.node: twin for twin in self._nodes}
        heat_pump = HeatPumpTwin(self.site, settings.swarm, settings.heat_pump_interval_s)
        self._twins: tuple[Twin, ...] = (*self._nodes, heat_pump, SurroundingsTwin(self.site, settings.swarm))
        everyone: dict[str, Disturbable] = {**self._by_name, HEAT_PUMP: heat_pump}
        self.injector = Injector(self.site, everyone, lambda: boot_ids.getrandbits(32))
        inject = Connection(
            settings.broker,
            f"microgrid-simulator-{settings.swarm}-inject",
            self._selector,
            handlers={f"simulator/{settings.swarm}/inject": self.injector.receive},
        )
        self._connections = [
            *(twin.attach(settings.broker, self._selector) for twin in self._twins),
            inject,
        ]
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    @property
    def connected(self) -> bool:
        """Whether every twin has its connection."""
        return all(connection.connected for connection in self._connections)

    def run(self) -> None:
        """Simulate until `stop` is called, then leave properly and keep the state."""
        told = lagged = False
        simulated_until = time.monotonic()
        try:
            while not self._stop.is_set():
                now = time.monotonic()
                if now - simulated_until > _LONGEST_LAG_S:
                    if not lagged:
                        _LOGGER.warning("speed %g is more than this machine can do", self.settings.speed)
                    lagged = True
                    simulated_until = now - _ROUND_S
                simulated_until += self._simulate(now - simulated_until)
                for connection in self._connections:
                    connection.maintain(now)
                for twin in self._twins:
                    twin.due(now)
                if not told and self.connected:
                    told = True
                    _LOGGER.info("all %d connections are up", len(self._connections))
                self._serve(now + _ROUND_S)
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

    def _simulate(self, seconds: float) -> float:
        """Let the physics catch up with whole steps; return the real seconds that they stand for."""
        step_s = self.settings.step_s
        steps = int(seconds * self.settings.speed / step_s)
        if steps <= 0:
            return 0.0
        self.site.step(steps * step_s, step_s)
        for occurrence in self.site.take_occurrences():
            _LOGGER.info("%s %s %s", occurrence.node, occurrence.code, occurrence.state.value)
            self._by_name[occurrence.node].tell(occurrence)
        return steps * step_s / self.settings.speed

    def _serve(self, until: float) -> None:
        """Read what arrives until the next round."""
        while (left := until - time.monotonic()) > 0.0:
            for key, _ in self._selector.select(left):
                key.data.read()

    def _leave(self) -> None:
        for connection in self._connections:
            connection.close()
        deadline = time.monotonic() + _FAREWELL_S
        while any(connection.connected for connection in self._connections) and time.monotonic() < deadline:
            self._serve(time.monotonic() + 0.01)
        self._selector.close()
        if self.settings.state is not None:
            state_file.save(self.settings.state, self.site)
