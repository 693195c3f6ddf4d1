"""All sensors of the house and the weather, on one connection."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Final

from ..clock import Clock
from ..config import Config
from .house import HouseSensor
from .line import BareLine
from .weather import Weather

_LOGGER = logging.getLogger(__name__)
AFTER_A_FAULT_S: Final = 60.0


async def _again_and_again(run: Callable[[], Awaitable[None]]) -> None:
    """Run, also after a fault of our own: weather that breaks must not restart what holds a battery."""
    while True:
        try:
            return await run()
        except Exception:
            _LOGGER.exception("a sensor broke; it goes on in %g s", AFTER_A_FAULT_S)
            await asyncio.sleep(AFTER_A_FAULT_S)


class Bridge:
    """Runs beside inverters and batteries, and harms none of them when it has to wait."""

    def __init__(self, config: Config, clock: Clock) -> None:
        """Join what is configured; raises OSError for a certificate that cannot be used."""
        self._line = BareLine(config.broker, config.swarm)
        self._sensors = tuple(HouseSensor(one, self._line) for one in config.sensors)
        self._weather = None if config.weather is None else Weather(config.weather, self._line, clock)

    async def run(self) -> None:
        """Go on until cancelled, then disconnect."""
        self._line.start()
        try:
            async with asyncio.TaskGroup() as tasks:
                for sensor in self._sensors:
                    tasks.create_task(_again_and_again(sensor.run))
                if self._weather is not None:
                    tasks.create_task(_again_and_again(self._weather.run))
                await asyncio.Event().wait()  # who is on a topic has nothing to run
        finally:
            await self._line.stop()

    def report(self) -> Sequence[Mapping[str, Any]]:
        """Return what every sensor said last, and what is wrong with it, for the status."""
        readings = [one.reading for one in self._sensors]
        if self._weather is None:
            return [one.report() for one in readings]
        weather = [one.report() for one in self._weather.readings]
        if (trouble := self._weather.trouble) is not None:
            weather = [{**one, "trouble": trouble} for one in weather]
        return [*(one.report() for one in readings), *weather]
