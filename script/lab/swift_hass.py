"""Runs Home Assistant by a clock of the lab: `python -I swift_hass.py CLOCK_FILE ARGUMENT…`.

Wall clock and timers follow the file. Waiting for others (sockets, time-outs, threads) stays in real time:
others are programs and people of the present.
"""

from __future__ import annotations

import asyncio
import asyncio.timeouts
import datetime as calendar
import selectors
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import jwt.api_jwt
from homeassistant.util import dt as dt_util

if TYPE_CHECKING:
    from simulator.clock import SharedClock

ROOT = Path(__file__).resolve().parents[2]
FASTEST = 600
"""No clock of the lab runs faster."""
_patient = asyncio.timeouts.timeout


def install(clock: SharedClock) -> None:
    """Let what everybody asks for the time answer by the clock; before Home Assistant itself is loaded."""
    began_s = time.monotonic()

    class OfLab(type):
        """Lets a datetime count as one of `SwiftDatetime`, which has no instances of its own."""

        def __instancecheck__(cls, instance: object) -> bool:
            return isinstance(instance, calendar.datetime)

    class SwiftDatetime(metaclass=OfLab):
        """What the library of tokens needs of the class `datetime`."""

        @staticmethod
        def now(tz: calendar.tzinfo) -> calendar.datetime:
            return calendar.datetime.fromtimestamp(clock.utc_s(), tz)

    def now(time_zone: calendar.tzinfo | None = None) -> calendar.datetime:
        return calendar.datetime.fromtimestamp(clock.utc_s(), time_zone or dt_util.DEFAULT_TIME_ZONE)

    class SwiftSelector(selectors.DefaultSelector):
        """Waits for the next timer of a loop whose seconds are shorter than ours."""

        def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
            # No longer than until the next look at the clock: it may run faster then.
            return super().select(min(timeout / clock.pace(), clock.LOOK_S) if timeout else timeout)

    def loop_s() -> float:
        return began_s + clock.elapsed_s()

    def timer(loop_time: float, timeout: float, timeout_ceiling_threshold: float) -> float:
        return loop_time + timeout * clock.pace()

    def timeout(delay: float | None) -> asyncio.Timeout:
        return _patient(None if delay is None else delay * clock.pace())

    patches: tuple[tuple[object, str, object], ...] = (
        (time, "time", clock.utc_s),
        (time, "time_ns", lambda: int(clock.utc_s() * 1e9)),
        (dt_util, "utcnow", lambda: calendar.datetime.fromtimestamp(clock.utc_s(), calendar.UTC)),
        (dt_util, "now", now),
        (jwt.api_jwt, "datetime", SwiftDatetime),
        (selectors, "DefaultSelector", SwiftSelector),
        (asyncio.timeouts, "timeout", timeout),
        (asyncio, "timeout", timeout),
    )
    for module, name, swift in patches:
        setattr(module, name, swift)

    # These load all others, which bind what is patched above.
    from aiohttp import web_ws
    from homeassistant import runner
    from homeassistant.components.mqtt import client as mqtt
    from homeassistant.components.websocket_api import http

    patches = (
        (runner, "monotonic", loop_s),  # its loop's time
        # Timers of the loop that wait for others: browsers and the broker.
        (web_ws, "calculate_timeout_when", timer),
        (http, "PENDING_MSG_PEAK_TIME", http.PENDING_MSG_PEAK_TIME * FASTEST),
        (mqtt, "TIMEOUT_ACK", mqtt.TIMEOUT_ACK * FASTEST),
    )
    for module, name, swift in patches:
        setattr(module, name, swift)


def main() -> int:
    """Set the clock, then be Home Assistant."""
    sys.path.insert(0, str(ROOT))
    from simulator.clock import SharedClock

    sys.path.remove(str(ROOT))  # Home Assistant would find custom_components twice
    _, path, *arguments = sys.argv
    install(SharedClock(Path(path)))

    sys.argv = ["hass", *arguments]
    from homeassistant.__main__ import main as be_home_assistant

    return be_home_assistant()


if __name__ == "__main__":
    sys.exit(main())
