"""Command line: `python -m simulator --broker HOST:PORT`."""

from __future__ import annotations

import argparse
import json
import logging
import os
import re
import signal
import sys
import time
from datetime import UTC, datetime, timedelta
from ipaddress import AddressValueError, IPv4Address
from pathlib import Path

from microgrid_core.contract.reading import format_time

from . import inject
from .arguments import PASSWORD_VARIABLE, broker, identifier
from .physics.solar import DAY_S
from .simulation import Firmware, Settings, Simulation
from .twins.connection import Broker


def _group(text: str) -> tuple[str, int]:
    host, port = broker(text)
    try:
        multicast = IPv4Address(host).is_multicast
    except AddressValueError:
        multicast = False
    if not multicast:
        raise argparse.ArgumentTypeError(f"{text!r} is no GROUP:PORT such as 239.74.163.1:43112")
    return host, port


def _time_of_day(text: str) -> float:
    if text == "now":
        now = datetime.now().astimezone()
        return now.hour * 3600.0 + now.minute * 60.0 + now.second
    match = re.fullmatch(r"([01]?\d|2[0-3]):([0-5]\d)", text)
    if match is None:
        raise argparse.ArgumentTypeError(f"{text!r} is neither HH:MM nor now")
    return int(match[1]) * 3600.0 + int(match[2]) * 60.0


def _instant(text: str) -> int:
    try:
        instant = datetime.fromisoformat(text)
    except ValueError:
        instant = None
    if instant is None or instant.tzinfo is None:
        raise argparse.ArgumentTypeError(f"{text!r} is no time with zone such as 2026-11-21T00:00Z")
    return round(instant.timestamp() * 1e6)


def _positive(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0.0 < value <= 1e5:
        raise argparse.ArgumentTypeError(f"{text!r} must be a number above 0")
    return value


def _count(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= 99:
        raise argparse.ArgumentTypeError(f"{text!r} must be a whole number from 1 to 99")
    return int(text)


def _day(text: str) -> int:
    if text == "today":
        return min(datetime.now().astimezone().timetuple().tm_yday, 365)
    if not text.isdecimal() or not 1 <= int(text) <= 365:
        raise argparse.ArgumentTypeError(f"{text!r} must be a day of the year from 1 to 365, or today")
    return int(text)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m simulator", description="Simulate a neighbourhood and its devices on an MQTT broker."
    )
    add = parser.add_argument
    add(
        "--broker",
        type=broker,
        default=("127.0.0.1", 1883),
        metavar="HOST:PORT",
        help="default 127.0.0.1:1883",
    )
    add("--username", help=f"MQTT user; the password comes from {PASSWORD_VARIABLE}")
    add("--swarm", type=identifier, default="demo", help="name in the topics, default demo")
    add("--houses", type=_count, default=12)
    add("--clusters", type=_count, default=3)
    add("--seed", type=int, default=1, help="equal seeds give equal neighbourhoods")
    add("--speed", type=_positive, default=1.0, help="simulated seconds in one real second")
    add(
        "--start",
        type=_time_of_day,
        default=10 * 3600.0,
        metavar="HH:MM|now",
        help="local solar time, default 10:00",
    )
    add("--day", type=_day, default=100, metavar="1…365|today", help="day of the year, default 100")
    add("--latitude", type=float, default=52.0, help="degrees north, default 52")
    add("--heat-pump-interval", type=_positive, default=10.0, metavar="S", help="seconds, default 10")
    add("--gateways-carry", action="store_true", help="gateways send their houses' live values")
    add("--trace", type=Path, metavar="FILE", help="hourly loads and PV yields (.csv or .csv.gz)")
    add("--state", type=Path, metavar="FILE", help="keep charge and counters here from run to run")
    add("--log", type=Path, metavar="FOLDER", help="houses and gateways keep a log here and send it")
    add("--ledger", type=Path, metavar="FILE", help="write what flowed in each hour, and what was logged")
    add(
        "--clock",
        type=_instant,
        metavar="TIME",
        help="UTC in logs begins here and runs as fast as the simulation (default: this machine's)",
    )
    add(
        "--shared-clock",
        type=Path,
        metavar="FILE",
        help="time is what this file says, also to other programs; it runs at most as fast as --speed",
    )
    add(
        "--firmware",
        type=_group,
        metavar="GROUP:PORT",
        help="do not play houses and gateways: feed host programs of their firmware by this multicast group "
        "of the loopback interface",
    )
    add(
        "--time-server",
        type=broker,
        metavar="HOST:PORT",
        help="with --firmware: tell gateways the time here",
    )
    add("--clock-report", type=Path, metavar="FILE", help="with --firmware: write how far clocks are apart")
    add(
        "--dry-run",
        type=_positive,
        metavar="SECONDS",
        help="print one JSON line for each second, without broker",
    )
    add("--verbose", action="store_true", help="also tell about every event and retry")
    return parser


def _dry_run(settings: Settings, seconds: float) -> None:
    """Print the readings of all nodes second by second, as fast as they can be computed."""
    site = settings.neighbourhood()
    begin = datetime.now(UTC)
    for second in range(1, int(seconds) + 1):
        site.step(settings.speed, settings.step_s)
        line = {
            "time": format_time(begin + timedelta(seconds=second)),
            "solar_time": f"{timedelta(seconds=round(site.solar_time_s) % int(DAY_S))}",
            "nodes": {node: site.values(node) for node in site.nodes},
            "occurrences": [f"{item.node} {item.code} {item.state}" for item in site.take_occurrences()],
        }
        print(json.dumps(line, separators=(",", ":")), flush=True)


def _settings(arguments: argparse.Namespace) -> Settings:
    host, port = arguments.broker
    firmware = None
    if arguments.firmware is not None:
        firmware = Firmware(
            feed=arguments.firmware,
            time_server=arguments.time_server,
            clock_report=arguments.clock_report,
        )
    return Settings(
        broker=Broker(host, port, arguments.username, os.environ.get(PASSWORD_VARIABLE)),
        swarm=arguments.swarm,
        houses=arguments.houses,
        clusters=arguments.clusters,
        seed=arguments.seed,
        speed=arguments.speed,
        start_s=arguments.start,
        day_of_year=arguments.day,
        latitude_deg=arguments.latitude,
        heat_pump_interval_s=arguments.heat_pump_interval,
        gateways_carry=arguments.gateways_carry,
        trace=arguments.trace,
        state=arguments.state,
        firmware=firmware,
        log=arguments.log,
        ledger=arguments.ledger,
        clock_us=arguments.clock,
        shared_clock=arguments.shared_clock,
    )


def main() -> int:
    """Run; the exit code is 0 after Ctrl-C or SIGTERM, 2 when the arguments do not fit."""
    if sys.argv[1:2] == ["score"]:
        from .scenarios import score  # only then: a simulation needs no diagnosis

        return score.main(sys.argv[2:])
    if sys.argv[1:2] == ["inject"]:
        return inject.main(sys.argv[2:])
    arguments = _parser().parse_args()
    logging.basicConfig(
        level=logging.DEBUG if arguments.verbose else logging.INFO,
        format="%(asctime)s %(levelname)s %(message)s",
    )
    try:
        settings = _settings(arguments)
        if arguments.dry_run is not None:
            _dry_run(settings, arguments.dry_run)
            return 0
        simulation = Simulation(settings)
    except (ValueError, OSError) as error:
        print(f"simulator: {error}", file=sys.stderr)
        return 2
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: simulation.stop())
    print(
        f"simulator ready: {settings.houses} houses in {settings.clusters} clusters on "
        f"{settings.broker.host}:{settings.broker.port}, swarm {settings.swarm}, speed {settings.speed:g}",
        flush=True,
    )
    began = time.monotonic()
    simulation.run()
    logging.getLogger(__name__).info("stopped after %.0f s", time.monotonic() - began)
    return 0


if __name__ == "__main__":
    sys.exit(main())
