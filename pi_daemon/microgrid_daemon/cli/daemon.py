"""Verbs for the daemon itself: run it, clean up after it, and check its configuration."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING

from .exit_codes import FAILED, FINE, UNUSABLE

if TYPE_CHECKING:
    from ..config import Config

    Verbs = argparse._SubParsersAction[argparse.ArgumentParser]

DEFAULT_PATH = Path("/etc/microgrid/daemon.toml")

# What a verb works with is imported when it runs: whoever only asks an inverter waits for none of it.


def add_commands(verbs: Verbs) -> None:
    """Add the verbs."""
    verb = verbs.add_parser("run", help="read inverters and keep batteries to their schedules until stopped")
    add_config(verb)
    verb.set_defaults(run=_run)

    verb = verbs.add_parser("restore", help="bring back settings that a schedule changed and a crash left")
    add_config(verb)
    verb.set_defaults(run=_restore)

    verb = verbs.add_parser("check", help="check the configuration and touch nothing")
    add_config(verb)
    verb.set_defaults(run=_check)


def add_config(verb: argparse.ArgumentParser) -> None:
    """Have a verb know where the configuration is."""
    verb.add_argument(
        "--config", metavar="PATH", type=Path, default=DEFAULT_PATH, help=f"usually {DEFAULT_PATH}"
    )


def _loaded(path: Path) -> Config | None:
    from ..config import ConfigError, load

    try:
        return load(path)
    except ConfigError as error:
        print(error, file=sys.stderr)
        return None


async def _run(arguments: argparse.Namespace) -> int:
    from ..daemon import run

    return await _with_config(arguments.config, run)


async def _restore(arguments: argparse.Namespace) -> int:
    from ..daemon import restore

    return await _with_config(arguments.config, restore)


async def _with_config(path: Path, work: Callable[[Config], Awaitable[bool]]) -> int:
    from .. import log
    from ..store import StoreError

    config = _loaded(path)
    if config is None:
        return UNUSABLE
    log.set_up()
    try:
        return FINE if await work(config) else FAILED
    except (StoreError, OSError) as error:
        print(f"microgrid-daemon: {error}", file=sys.stderr)
        return FAILED


async def _check(arguments: argparse.Namespace) -> int:
    config = _loaded(arguments.config)
    if config is None:
        return UNUSABLE
    security = "TLS" if config.broker.tls else "no TLS"
    print(f"swarm {config.swarm}, broker {config.broker.host}:{config.broker.port} ({security})")
    for inverter in config.inverters:
        place = inverter.device or "USB"
        writes = ", ".join(inverter.writes) or "nothing"
        print(
            f"{inverter.node}: inverter at {place}, asked every {inverter.interval_s:g} s, may write {writes}"
        )
    for battery in config.batteries:
        driver = battery.inverter or battery.driver or (f"the GX {battery.gx.host}" if battery.gx else "")
        print(f"{battery.node}: battery driven by {driver}")
    for sensor in config.sensors:
        print(f"house/{sensor.sensor}: from {sensor.file or sensor.topic}")
    if config.weather is not None:
        where = f"{config.weather.latitude:g}, {config.weather.longitude:g}"
        print(f"weather/#: of {where} from {config.weather.url}")
    return FINE
