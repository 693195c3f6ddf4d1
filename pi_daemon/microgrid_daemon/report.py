"""How the daemon is, as a document for its status file: what it reads, holds and says, and what is wrong."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from microgrid_core.contract.reading import format_time

from . import status
from .battery import Battery
from .broker import Connection
from .clock import Clock
from .collector import Collector
from .config import BrokerConfig
from .log import Recent
from .store import Store
from .transport.link import Link
from .version import own_version

_LOGGER = logging.getLogger(__name__)


@runtime_checkable
class Sensors(Protocol):
    """Whoever says bare numbers."""

    def report(self) -> Sequence[Mapping[str, Any]]:
        """Return topic, value, unit, age and trouble of each."""


class Reporter:
    """Knows the parts and asks them."""

    def __init__(
        self,
        broker: BrokerConfig,
        store: Store,
        clock: Clock,
        recent: Recent,
        *,
        connections: Sequence[Connection],
        inverters: Sequence[tuple[Collector, Link]],
        batteries: Sequence[Battery],
        sensors: Sequence[Sensors] = (),
    ) -> None:
        """Nothing is asked yet."""
        self._broker = broker
        self._store = store
        self._clock = clock
        self._recent = recent
        self._connections = connections
        self._inverters = inverters
        self._batteries = batteries
        self._sensors = sensors
        self._started = datetime.now(UTC)
        self._version = own_version()

    def document(self) -> Mapping[str, Any]:
        """Return everything that is known now."""
        inverters = [_inverter(collector, link) for collector, link in self._inverters]
        batteries = [_battery(battery) for battery in self._batteries]
        away = [one.node for one in self._connections if not one.connected]
        reasons = {one.trouble for one in self._connections if not one.connected and one.trouble is not None}
        address = f"{self._broker.host}:{self._broker.port}"
        broker = {
            "address": address,
            "tls": self._broker.tls,
            "connected": not away,
            "trouble": "; ".join(sorted(reasons)) or None,
        }
        troubles = []
        if away:
            why = f": {broker['trouble']}" if broker["trouble"] else ""
            troubles.append(f"no connection to {address} for {', '.join(away)}{why}")
        if not self._clock.valid:
            troubles.append("the clock is not set: batteries keep their default mode")
        troubles += [
            f"{one['node']}: {one['trouble']}"
            for one in (*inverters, *batteries)
            if one["trouble"] is not None
        ]
        sensors = [reading for one in self._sensors for reading in one.report()]
        # Weather that does not come is one trouble, not five.
        topic_of = {one["trouble"]: one["topic"] for one in sensors if one["trouble"] is not None}
        troubles += [f"{topic}: {why}" for why, topic in topic_of.items()]
        return {
            "version": self._version,
            "started": format_time(self._started),
            "troubles": troubles,
            "clock_set": self._clock.valid,
            "broker": broker,
            "outbox": {"waiting": self._store.depth(), "dropped": self._store.counted("dropped")},
            "inverters": inverters,
            "batteries": batteries,
            "sensors": sensors,
            "errors": list(self._recent.lines),
        }

    async def keep_writing(self, folder: Path) -> None:
        """Write it again and again; whoever cannot be written to is told of once."""
        told = False
        while True:
            try:
                status.write(folder, self.document())
                told = False
            except OSError as error:
                if not told:
                    _LOGGER.warning("%s: %s; `microgrid-daemon status` is blind", folder, error.strerror)
                told = True
            await asyncio.sleep(status.PERIOD_S)


def _inverter(collector: Collector, link: Link) -> dict[str, Any]:
    inverter = collector.inverter
    identity = None if inverter is None else inverter.identity
    age_s = None if collector.success_s is None else max(0.0, time.time() - collector.success_s)
    return {
        "node": collector.config.node,
        "serial_number": None if identity is None else identity.serial_number,
        "model": None if identity is None else identity.model,
        "firmware": None if identity is None else identity.firmware,
        "place": link.place,
        "age_s": None if age_s is None else round(age_s, 1),
        "poll_errors": collector.poll_errors,
        "trouble": collector.trouble or ("not found yet" if identity is None else None),
    }


def _battery(battery: Battery) -> dict[str, Any]:
    state, schedule = battery.state, battery.schedule
    return {
        "node": battery.config.node,
        "schedule_id": None if schedule is None else schedule.schedule_id,
        "revision": None if schedule is None else schedule.revision,
        "valid_until": None if schedule is None else format_time(schedule.valid_until),
        "mode": None if state is None else state.mode.value,
        "basis": None if state is None else state.basis.value,
        "rate_w": None if state is None else state.rate_w,
        "trouble": battery.trouble,
    }
