"""The daemon: joins inverters, batteries and broker, runs until told to stop, leaves things as found."""

from __future__ import annotations

import asyncio
import logging
import os
import secrets
import signal
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from microgrid_core.model.battery import BATTERY
from microgrid_core.model.metric import DeviceKind
from microgrid_core.model.mpp_inverter import MPP_INVERTER

from . import status, systemd
from .battery import Achieved, Battery
from .broker import Connection
from .clock import Clock
from .collector import Collector
from .commands import CommandDesk
from .config import BatteryConfig, Config, InverterConfig
from .identity import TRIES, identify
from .inverter import ForeignChange, Inverter
from .log import Recent
from .mpp_battery import MppBattery
from .node import Node
from .originals import StoredKeeper, StoredLedger
from .pi30.rejection import Rejection
from .report import Reporter, Sensors
from .schedule.poll import SchedulePoll
from .store import Store
from .textfile import keep_writing
from .thermometer import FileThermometer, Thermometer
from .transport.link import Link
from .transport.place import Place, place_of, usb_places

if TYPE_CHECKING:
    from .bridge.bridge import Bridge
    from .driver import DrivenBattery
    from .victron_battery import VictronBattery

_LOGGER = logging.getLogger(__name__)
STORE = "daemon.sqlite"
RELEASE_S = 25.0
"""So long the inverters have to take their settings back when we stop; systemd waits longer."""
HANG_S = 300.0
"""A part that has not ended a round for so long hangs: the slowest round of a silent device takes less."""


@dataclass(frozen=True, slots=True)
class Parts:
    """Everything that runs."""

    store: Store
    connections: Sequence[Connection]
    links: Sequence[Link]
    collectors: Sequence[Collector]
    batteries: Sequence[Battery]
    desks: Sequence[CommandDesk]
    stations: Sequence[VictronBattery | DrivenBattery]
    """Drivers with a connection of their own."""
    helpers: Sequence[FileThermometer | SchedulePoll | Bridge]
    """What runs beside, and harms nobody when it has to wait."""

    @property
    def running(self) -> Sequence[Collector | Battery | CommandDesk]:
        """Return what goes round after round."""
        return [*self.collectors, *self.batteries, *self.desks]

    def hang(self, now_s: float) -> list[str]:
        """Name the parts without a sign of life."""
        return [part.config.node for part in self.running if now_s - part.round_at_s > HANG_S]


def build(config: Config) -> Parts:
    """Make the parts; raises StoreError, and OSError for a certificate that cannot be read."""
    store = Store(config.data / STORE)
    if store.moved_aside is not None:
        _LOGGER.error("%s was damaged and is kept as %s; a new one is begun", STORE, store.moved_aside)
    clock = Clock(config.clock_marker)
    boot_id = secrets.randbits(32)
    connections: list[Connection] = []

    def node(name: str, kind: DeviceKind, interval_s: float | None = None) -> Node:
        connections.append(Connection(config.broker, config.swarm, name, store))
        return Node(connections[-1], store, clock, boot_id, kind, interval_s)

    claimed: set[str] = set()
    driven = {battery.inverter for battery in config.batteries}
    links = {
        one.node: Link(_places(one), serial_number=one.serial_number, claimed=claimed)
        for one in config.inverters
    }
    nodes = {one.node: node(one.node, MPP_INVERTER, one.interval_s) for one in config.inverters}
    collectors = {
        one.node: Collector(one, links[one.node], nodes[one.node], store, restores=one.node not in driven)
        for one in config.inverters
    }
    desks = [CommandDesk(collectors[name], inverter, store, clock) for name, inverter in nodes.items()]
    batteries: list[Battery] = []
    stations: list[VictronBattery | DrivenBattery] = []
    helpers: list[FileThermometer | SchedulePoll | Bridge] = []
    for one in config.batteries:
        mine = node(one.node, BATTERY)
        thermometer = _thermometer(one, mine.connection)
        if isinstance(thermometer, FileThermometer):
            helpers.append(thermometer)
        driver: MppBattery | VictronBattery | DrivenBattery
        if one.inverter is not None:
            driver = MppBattery(one, collectors[one.inverter], store)
        else:
            driver = _station(one, store)
            stations.append(driver)
        batteries.append(Battery(one, driver, mine, store, clock, thermometer=thermometer))
        if config.poll is not None:
            is_there = partial(getattr, mine.connection, "connected")
            helpers.append(SchedulePoll(config.poll, one.node, is_there, batteries[-1].receive))
    if config.weather is not None or config.sensors:
        from .bridge.bridge import Bridge  # only here: on most Pis there is nothing to bridge

        helpers.append(Bridge(config, clock))
    lists = (list(links.values()), list(collectors.values()), batteries, desks, stations, helpers)
    return Parts(store, connections, *lists)


def _station(config: BatteryConfig, store: Store) -> VictronBattery | DrivenBattery:
    if config.driver is not None:
        from .driver import DrivenBattery, made

        return DrivenBattery(config, made(config.driver, config.options), store)
    from .victron_battery import VictronBattery  # only here: a megabyte that a Pi without a GX need not have

    assert config.gx is not None  # the configuration is checked
    return VictronBattery(config, config.gx, store)


def _thermometer(config: BatteryConfig, connection: Connection) -> Thermometer | None:
    if config.temperature_file is not None:
        return FileThermometer(config.temperature_file)
    if config.temperature_topic is None:
        return None
    thermometer = Thermometer(config.temperature_topic)
    connection.overhear(config.temperature_topic, thermometer.hear)
    return thermometer


def _places(inverter: InverterConfig) -> Callable[[], Sequence[Place]]:
    if inverter.device is None:
        return usb_places
    place = place_of(inverter.device)
    return lambda: [place]


async def run(config: Config) -> bool:
    """Run until SIGTERM or SIGINT; False when a part broke, so that somebody starts us again."""
    parts = build(config)
    recent = Recent()
    logging.getLogger(__package__).addHandler(recent)
    reporter = Reporter(
        config.broker,
        parts.store,
        Clock(config.clock_marker),
        recent,
        connections=parts.connections,
        inverters=tuple(zip(parts.collectors, parts.links, strict=True)),
        batteries=parts.batteries,
        sensors=tuple(one for one in parts.helpers if isinstance(one, Sensors)),
    )
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    for connection in parts.connections:
        connection.start()
    for station in parts.stations:
        station.start()
    systemd.notify("READY=1")
    _LOGGER.info("%d inverters, %d batteries", len(parts.collectors), len(parts.batteries))
    broken = await _until(stop, parts, config, reporter)
    systemd.notify("STOPPING=1")
    await _leave(parts)
    logging.getLogger(__package__).removeHandler(recent)
    return not broken


async def _until(stop: asyncio.Event, parts: Parts, config: Config, reporter: Reporter) -> bool:
    """Run all parts; True when one of them ended by itself, which none should."""
    tasks = [asyncio.create_task(part.run()) for part in (*parts.running, *parts.helpers)]
    if (period_s := systemd.watchdog_s()) is not None:
        tasks.append(asyncio.create_task(feed_watchdog(parts, period_s / 4.0)))
    if config.textfile is not None:
        writing = keep_writing(config.textfile, parts.collectors, parts.store, parts.batteries)
        tasks.append(asyncio.create_task(writing))
    folder = status.folder_for(config.data, os.environ)
    tasks.append(asyncio.create_task(reporter.keep_writing(folder)))
    stopping = asyncio.create_task(stop.wait())
    await asyncio.wait([*tasks, stopping], return_when=asyncio.FIRST_COMPLETED)
    broken = not stop.is_set()
    for task in (*tasks, stopping):
        task.cancel()
    for outcome in await asyncio.gather(*tasks, stopping, return_exceptions=True):
        if isinstance(outcome, Exception):
            _LOGGER.error("a part broke", exc_info=outcome)
    return broken


async def feed_watchdog(parts: Parts, every_s: float) -> None:
    """Tell systemd that we live, as long as every part ends its rounds."""
    while True:
        if hanging := parts.hang(time.monotonic()):
            _LOGGER.error("no sign of life of %s: the watchdog is not fed", ", ".join(hanging))
        else:
            systemd.notify("WATCHDOG=1")
        await asyncio.sleep(every_s)


async def _leave(parts: Parts) -> None:
    """Give settings back, say goodbye, close everything."""
    await asyncio.gather(*(_release(battery) for battery in parts.batteries))
    await asyncio.gather(*(connection.stop() for connection in parts.connections))
    for link in parts.links:
        await link.close()
    for station in parts.stations:
        await station.close()
    parts.store.close()
    _LOGGER.info("stopped")


async def _release(battery: Battery) -> None:
    try:
        async with asyncio.timeout(RELEASE_S):
            trouble = (await battery.stop()).trouble
    except TimeoutError:
        trouble = f"not done within {RELEASE_S:g} s: it is done at the next start"
    except Exception as error:  # the other batteries must be let go, too
        trouble = f"{type(error).__name__}: {error}"
    if trouble is not None:
        _LOGGER.error("settings were not given back: %s", trouble, extra={"node": battery.config.node})


async def restore(config: Config) -> bool:
    """Bring back what schedules changed and a crash left behind; needs no broker, safe to repeat."""
    store = Store(config.data / STORE)
    good = True
    claimed: set[str] = set()
    try:
        (changed,) = store.ask("SELECT count(*) FROM original")[0]
        for one in config.inverters if changed else ():
            link = Link(_places(one), serial_number=one.serial_number, claimed=claimed)
            try:
                async with asyncio.timeout(RELEASE_S):
                    good &= await _restore_one(one, link, store)
            except TimeoutError:
                _LOGGER.error("not restored within %g s", RELEASE_S, extra={"node": one.node})
                good = False
            except Exception:  # the other devices must be restored, too
                _LOGGER.exception("not restored", extra={"node": one.node})
                good = False
            finally:
                await link.close()
        for battery in config.batteries if changed else ():
            if battery.inverter is None:
                good &= await _restore_station(battery, store)
    finally:
        store.close()
    return good


async def _restore_station(battery: BatteryConfig, store: Store) -> bool:
    try:
        async with asyncio.timeout(RELEASE_S):
            outcome = await _station(battery, store).restore()
    except TimeoutError:
        outcome = Achieved(f"the device did not answer within {RELEASE_S:g} s")
    except Exception as error:  # the other devices must be restored, too
        outcome = Achieved(f"{type(error).__name__}: {error}")
    if outcome.trouble is not None:
        _LOGGER.error("not restored: %s", outcome.trouble, extra={"node": battery.node})
    return outcome.trouble is None


async def _restore_one(config: InverterConfig, link: Link, store: Store) -> bool:
    found = await identify(link, config.family, tries=TRIES)
    if isinstance(found, Rejection):
        _LOGGER.error("not restored: %s", found, extra={"node": config.node})
        return False
    ledger = StoredLedger(store, found.serial_number)

    def tell(change: ForeignChange) -> None:
        text = "somebody else has set %s = %s: it stays"
        _LOGGER.warning(text, change.key, change.found, extra={"node": config.node})

    inverter = Inverter(link, found, keeper=StoredKeeper(store), ledger=ledger, on_foreign=tell)
    outcomes = await inverter.restore()
    for outcome in outcomes:
        text = "restored %s: %s %s"
        _LOGGER.warning(text, outcome.change.key, outcome.status, outcome.detail, extra={"node": config.node})
    return all(outcome.good for outcome in outcomes)
