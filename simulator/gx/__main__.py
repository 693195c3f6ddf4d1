"""Command line: `python -m simulator.gx --broker HOST:PORT`."""

from __future__ import annotations

import argparse
import signal
import threading
from pathlib import Path

from microgrid_core.gx.recording import load

from .broker_side import BrokerSide, Habits
from .http_side import Dialect, HttpSide
from .site import SimulatedSite
from .station import DEFAULT_PORTAL, Station


def main() -> int:
    """Run until Ctrl-C or SIGTERM."""
    parser = argparse.ArgumentParser(prog="python -m simulator.gx", description=__doc__)
    add = parser.add_argument
    add("--broker", default="127.0.0.1:1883", metavar="HOST:PORT", help="default 127.0.0.1:1883")
    add("--portal", default=DEFAULT_PORTAL, help=f"default {DEFAULT_PORTAL}")
    add("--recording", type=Path, metavar="FOLDER", help="play the files of this folder, over and over")
    add("--chargers", type=int, default=1, help="solar chargers of the simulated site, 500 paths each")
    add("--interval", type=float, default=1.0, metavar="S", help="seconds between steps of the site")
    add("--seed", type=int, default=1, help="equal seeds give equal sites")
    add("--speed", type=float, default=1.0, help="seconds of the recording or the site in one real second")
    add("--http", type=int, metavar="PORT", help="also serve the D-Bus HTTP API here")
    add("--dialect", choices=[dialect.name.lower() for dialect in Dialect], default="newer")
    arguments = parser.parse_args()
    host, _, port = arguments.broker.rpartition(":")
    habits = Habits(step_s=arguments.interval)
    if arguments.recording is not None:
        recording = load(arguments.recording.glob("*.jsonl"))
        station = Station.from_recording(recording, arguments.portal)
        side = BrokerSide(
            station,
            int(port),
            host or "127.0.0.1",
            events=recording.events,
            speed=arguments.speed,
            repeat=True,
            habits=habits,
        )
    else:
        site = SimulatedSite(arguments.seed, portal=arguments.portal, chargers=arguments.chargers)
        station = site.station

        def step() -> None:
            site.step(arguments.interval * arguments.speed)

        side = BrokerSide(station, int(port), host or "127.0.0.1", step=step, habits=habits)
    web = None
    if arguments.http is not None:
        dialect = Dialect[arguments.dialect.upper()]
        web = HttpSide(station, dialect, port=arguments.http)
        web.start()
    over = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: over.set())
    side.start()
    print(
        f"fake GX ready: {arguments.portal}, {len(station.items)} paths, broker {arguments.broker}",
        flush=True,
    )
    over.wait()
    side.stop()
    if web is not None:
        web.stop()
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
