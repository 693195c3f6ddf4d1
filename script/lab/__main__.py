"""script/demo: a living microgrid in a real Home Assistant, on this machine and for nobody else to reach."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import re
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from microgrid_core.gx.recording import load

from .client import HassError
from .errors import LabError
from .hass import RESTART_EXIT_STATUS
from .lab import DASHBOARD, Lab
from .neighbourhood import Plan
from .processes import is_free
from .screenshots import take_screenshots
from .summary import Shown, cpu_seconds, rss_mib, shown, summarize, wait_until_shown

USUAL_PORT = 8123
PATIENCE_S = 90.0
FIRMWARE_PATIENCE_S = 240.0
"""Gateways get the time, then synchronise their clusters one after the other."""
LOOK_S = 5.0
"""Time between two looks at the registry; the rest of the status line is renewed every second."""
PLAIN_LINE_S = 30.0
MOST_HOUSES = 15  # on one bus, see contract/can.md
FASTEST = 600.0
"""A day in less than three minutes; beyond, Home Assistant has no time for what it is asked to do."""
INTERRUPTED = 130  # what shells report after Ctrl-C

WHAT_TO_SEE = """\
  - the first page: the whole neighbourhood, its clusters and every device in it, alive
  - Settings > Devices & services > Microgrid: site > gateway > house > inverter, battery, MPPT
  - Settings > Devices & services > MQTT > Configure: listen to microgrid/v1/# and see what the nodes say
  - the plan of the battery on the first page, and what it saves; who pays whom on the page Energy
  - History of any power or frequency sensor: written when it changes enough, not every second
  - Tools > Actions > Microgrid: Simulate fault; half a minute later, Notifications: what, where and why\
"""


def arguments(argv: list[str] | None = None) -> argparse.Namespace:
    """Read the command line; wrong values end the program with what is allowed."""
    parser = argparse.ArgumentParser(
        prog="script/demo",
        description="Start a simulated neighbourhood, an MQTT broker and Home Assistant with the integration "
        "set up. Ctrl-C ends everything.",
    )
    parser.add_argument(
        "--port",
        type=_port,
        help=f"port of Home Assistant (default: {USUAL_PORT}, or a free one when it is taken)",
    )
    parser.add_argument(
        "--speed",
        type=_speed,
        default=1.0,
        help="seconds in a second, 0.1 to 600 (default: 1); above 1 the demo begins a week ago, and Home "
        "Assistant lives through that week as fast",
    )
    parser.add_argument("--houses", type=_count(1, 99), default=12, help="number of houses (default: 12)")
    parser.add_argument("--clusters", type=_count(1, 99), default=3, help="number of clusters (default: 3)")
    parser.add_argument("--seed", type=int, default=1, help="same seed, same neighbourhood (default: 1)")
    parser.add_argument(
        "--start",
        type=_time,
        metavar="HH:MM|now",
        help="solar time at the beginning (default: 10:00; with --speed above 1: 00:00)",
    )
    parser.add_argument(
        "--keep",
        type=Path,
        metavar="DIR",
        help="keep user, devices and history in DIR, and go on with what is there",
    )
    parser.add_argument(
        "--firmware",
        action="store_true",
        help="houses and gateways are programs of the real firmware, compiled at the first time",
    )
    parser.add_argument(
        "--recording",
        type=_recording,
        metavar="FOLDER",
        help="the Victron GX plays the recording in FOLDER, over and over (*.jsonl, one for each service)",
    )
    what = parser.add_mutually_exclusive_group()
    what.add_argument(
        "--check",
        action="store_true",
        help="on free ports: wait until every node is shown, print one JSON summary, exit 0 or 1",
    )
    what.add_argument(
        "--screenshot", type=Path, metavar="DIR", help="write pictures of the main pages to DIR and end"
    )
    chosen = parser.parse_args(argv)
    if chosen.clusters > chosen.houses:
        parser.error(f"--clusters {chosen.clusters}: there are only {chosen.houses} houses")
    if chosen.firmware and chosen.speed != 1.0:
        parser.error(f"--speed {chosen.speed:g}: firmware lives in real time")
    if chosen.recording is not None and (chosen.firmware or chosen.speed > 1.0):
        parser.error("--recording: there is a Victron GX only with simulated nodes in real time")
    if chosen.firmware and -(-chosen.houses // chosen.clusters) > MOST_HOUSES:
        parser.error(f"--houses {chosen.houses}: a cluster's CAN bus has room for {MOST_HOUSES} houses")
    return chosen


def main() -> int:
    """Run the demo; returns the exit status."""
    chosen = arguments()
    if chosen.port is not None and not is_free(chosen.port):
        taken = LabError(f"port {chosen.port}", "another program listens on it", "choose another --port")
        print(f"script/demo: {taken}", file=sys.stderr)
        return 1
    if chosen.keep is not None:
        folder = chosen.keep.resolve()
    else:
        folder = Path(tempfile.mkdtemp(prefix="microgrid-demo-"))
    remove = chosen.keep is None
    try:
        return asyncio.run(_run(chosen, folder))
    except (LabError, HassError) as error:
        print(f"script/demo: {error}", file=sys.stderr)
        if remove:
            print(f"  logs are kept in {folder}", file=sys.stderr)
        remove = False
        return 1
    finally:
        if remove:
            shutil.rmtree(folder, ignore_errors=True)


async def _run(chosen: argparse.Namespace, folder: Path) -> int:
    batch = chosen.check or chosen.screenshot is not None
    port = chosen.port or (USUAL_PORT if not batch and is_free(USUAL_PORT) else None)
    plan = Plan(
        *(chosen.houses, chosen.clusters, chosen.seed, chosen.speed, chosen.start),
        firmware=chosen.firmware,
        recording=chosen.recording,
    )
    if plan.firmware:
        print("building the firmware; the first time takes a minute ...", file=sys.stderr, flush=True)
    lab = Lab(folder, plan, port=port, demo=True)
    if not lab.broker.is_mosquitto:
        print(
            "script/demo: there is no Mosquitto: amqtt takes its place. It loses messages when their sender"
            " leaves, so restarts are not shown as they would be. Install mosquitto for the real thing.",
            file=sys.stderr,
        )
    work = asyncio.create_task(_work(chosen, lab))
    _end_on_signals(work, lab)
    try:
        return await work
    except asyncio.CancelledError:
        return INTERRUPTED if batch else 0


def _end_on_signals(work: asyncio.Task[int], lab: Lab) -> None:
    """The first signal ends everything in order, the next one at once."""

    def end() -> None:
        if work.cancelling():
            for child in (*lab.firmware.nodes, *lab.children):
                child.kill()
        else:
            work.cancel()

    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, end)


async def _work(chosen: argparse.Namespace, lab: Lab) -> int:
    if not chosen.check:
        print(f"starting {lab.broker.name}, the neighbourhood and Home Assistant ...", flush=True)
    async with lab:
        if chosen.check:
            return await _check(lab, _patience_s(chosen))
        now, problems = await wait_until_shown(lab, _patience_s(chosen))
        for problem in problems:
            print(f"script/demo: {problem}", file=sys.stderr)
        if lab.swift is not None:
            lab.swift.go()
        if chosen.screenshot is not None:
            for path in await take_screenshots(lab, chosen.screenshot.resolve()):
                print(path, flush=True)
            return 0
        _welcome(lab)
        try:
            await _follow(lab, now)
        finally:
            print("\nending ...", flush=True)
    raise AssertionError("unreachable: _follow ends by an exception")


def _patience_s(chosen: argparse.Namespace) -> float:
    return FIRMWARE_PATIENCE_S if chosen.firmware and chosen.check else PATIENCE_S


async def _check(lab: Lab, patience_s: float) -> int:
    summary = await summarize(lab, timeout_s=patience_s)
    print(summary.as_json(), flush=True)
    for problem in summary.problems:
        print(f"script/demo: {problem}", file=sys.stderr)
    return 1 if summary.problems else 0


def _welcome(lab: Lab) -> None:
    login = lab.hass.login
    assert login is not None
    print(
        f"\n  {lab.hass.url}/{DASHBOARD}\n  user {login.username}   password {login.password}\n\n"
        f"What to look at:\n{WHAT_TO_SEE}\n\nCtrl-C ends everything.\n",
        flush=True,
    )


async def _follow(lab: Lab, now: Shown) -> None:
    """Print the status until somebody ends us; a child that ends by itself is an error."""
    terminal = sys.stdout.isatty()
    looked = printed = sampled = time.monotonic()
    cpu = cpu_seconds(lab.hass.pid)
    while True:
        await asyncio.sleep(1.0)
        if not lab.hass.running and lab.hass.exit_status == RESTART_EXIT_STATUS:
            print("\nHome Assistant restarts ...", flush=True)
            await lab.hass.up()
            cpu, sampled = cpu_seconds(lab.hass.pid), time.monotonic()
        for child in lab.children:
            if not child.running:
                raise child.died()
        while lab.deaths:
            print(f"\n{lab.deaths.pop(0)}", file=sys.stderr, flush=True)
        moment = time.monotonic()
        if moment - looked >= LOOK_S:
            with contextlib.suppress(Exception):  # it may be restarting; whether it lives is seen above
                now = await shown(lab)
            looked = moment
        rate = lab.watcher.rate()
        if not terminal and moment - printed < PLAIN_LINE_S:
            continue
        used = cpu_seconds(lab.hass.pid)
        clock = "" if lab.swift is None or lab.swift.caught_up else f"{lab.swift.now:%a %H:%M} · "
        line = (
            f"{clock}{len(now.nodes) - len(now.offline)} of {len(now.nodes)} nodes online · "
            f"{now.enabled} entities · {rate:.0f} messages/s · Home Assistant {rss_mib(lab.hass.pid)} MiB, "
            f"{100 * (used - cpu) / (moment - sampled):.0f} % CPU"
        )
        print(f"\r\033[K{line}" if terminal else line, end="" if terminal else "\n", flush=True)
        cpu, sampled, printed = used, moment, moment


def _port(text: str) -> int:
    return _count(1, 65535)(text)


def _count(least: int, most: int) -> Callable[[str], int]:
    def read(text: str) -> int:
        if not text.isdecimal() or not least <= int(text) <= most:
            raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from {least} to {most}")
        return int(text)

    return read


def _speed(text: str) -> float:
    try:
        speed = float(text)
    except ValueError:
        speed = 0.0
    if not 0.1 <= speed <= FASTEST:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 0.1 to {FASTEST:g}")
    return speed


def _time(text: str) -> str:
    if text != "now" and re.fullmatch(r"([01]?\d|2[0-3]):[0-5]\d", text) is None:
        raise argparse.ArgumentTypeError(f"{text!r} is neither HH:MM nor now")
    return text


def _recording(text: str) -> Path:
    folder = Path(text).resolve()
    try:
        recorded = load(folder.glob("*.jsonl"))
    except OSError as error:
        raise argparse.ArgumentTypeError(f"{text!r} cannot be read: {error.strerror}") from error
    if not recorded.initial:
        raise argparse.ArgumentTypeError(f"{text!r} has no recorded station (*.jsonl, one for each service)")
    return folder


if __name__ == "__main__":
    sys.exit(main())
