"""The weather from Open-Meteo, every ten minutes: what is not of now is not said."""

from __future__ import annotations

import asyncio
import json
import logging
import math
import random
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlencode

from microgrid_core.model.bare_sensors import WEATHER_METRICS

from ..clock import Clock
from ..config import WeatherConfig
from ..http_get import FetchError, get
from .line import BareLine
from .reading import Reading

_LOGGER = logging.getLogger(__name__)
EVERY_S: Final = 600.0
FIRST_RETRY_S: Final = 30.0
TOO_MANY_S: Final = 3600.0
"""Pause after the server said that we ask too often."""
MOST_BYTES: Final = 16 * 1024
MOST_AGE_S: Final = 1800.0
"""Older weather is another weather: Home Assistant forgets it after as long."""
AHEAD_S: Final = 900.0
"""The current values are those of a quarter of an hour that may just have begun."""
_MOST: Final = 1e9
_OK, _TOO_MANY = 200, 429
_PRESSURE: Final = {"sea_level": "pressure_msl", "surface": "surface_pressure"}
_NAMES: Final = {
    "temperature": "temperature_2m",
    "humidity": "relative_humidity_2m",
    "wind": "wind_speed_10m",
    "rain": "rain",
}
"""Names of Open-Meteo by ours."""


class Unusable(Exception):
    """An answer that nothing can be taken from; the text says why."""


class Weather:
    """Asks, and says what came."""

    def __init__(self, config: WeatherConfig, line: BareLine, clock: Clock) -> None:
        """Nothing is asked yet."""
        self.trouble: str | None = None
        """Why the last attempt failed."""
        self.readings = tuple(
            Reading(f"weather/{quantity}", metric, line) for quantity, metric in WEATHER_METRICS.items()
        )
        self._names = {**_NAMES, "pressure": _PRESSURE[config.pressure]}
        self._config = config
        self._line = line
        self._clock = clock
        self._failures = 0

    @property
    def url(self) -> str:
        """Return what is asked."""
        asked = {
            "latitude": f"{self._config.latitude:.4f}",
            "longitude": f"{self._config.longitude:.4f}",
            "current": ",".join(self._names.values()),
            "timeformat": "unixtime",
            "timezone": "GMT",
        }
        return f"{self._config.url}?{urlencode(asked, safe=',')}"

    async def run(self) -> None:
        """Go on until cancelled."""
        while True:
            pause_s = await self.step()
            await asyncio.sleep(pause_s)

    async def step(self) -> float:
        """Ask once, and return when to ask again; not while nobody could hear it."""
        now = self._clock.now()
        if not self._line.connected or now is None:
            return 5.0
        try:
            self._say(await self._current(now.timestamp()))
        except Unusable as error:
            if self.trouble != str(error):
                _LOGGER.warning("no weather: %s", error)
            self.trouble = str(error)
            self._failures += 1
            return self._pause_s(error)
        self.trouble, self._failures = None, 0
        return EVERY_S

    def _pause_s(self, error: Unusable) -> float:
        if isinstance(error, TooOften):
            return TOO_MANY_S
        doubled_s = FIRST_RETRY_S * 2.0 ** min(self._failures - 1, 10)
        return min(doubled_s, EVERY_S) * random.uniform(1.0, 1.2)

    async def _current(self, now_s: float) -> Mapping[str, float]:
        """Return the values of now by our names; raises Unusable."""
        try:
            answer = await get(self.url, most_bytes=MOST_BYTES)
        except FetchError as error:
            raise Unusable(f"{self._config.url}: {error}") from error
        if answer.status == _TOO_MANY:
            raise TooOften(f"{self._config.url}: it was asked too often; next attempt in an hour")
        if answer.status != _OK:
            raise Unusable(
                f"{self._config.url}: status {answer.status}: check `url`, `latitude`, `longitude`"
            )
        return self._read(answer.body, now_s)

    def _read(self, body: bytes, now_s: float) -> Mapping[str, float]:
        try:
            document = json.loads(body)
        except (ValueError, RecursionError) as error:
            raise Unusable("the answer is no JSON") from error
        current, units = _object(document, "current"), _object(document, "current_units")
        at_s = current.get("time")
        if isinstance(at_s, bool) or not isinstance(at_s, (int, float)):
            raise Unusable("the answer does not say of when it is")
        if not -AHEAD_S <= now_s - at_s <= MOST_AGE_S:
            raise Unusable(f"the answer is {(now_s - at_s) / 60:.0f} min old, so it is not said")
        found = {}
        for quantity, name in self._names.items():
            value = current.get(name)
            if isinstance(value, bool) or not isinstance(value, (int, float)):
                continue
            if units.get(name) == WEATHER_METRICS[quantity].unit:
                found[quantity] = float(value) if abs(value) < _MOST else math.nan
        if not found:
            raise Unusable("the answer has no value in the units that were asked for")
        return found

    def _say(self, values: Mapping[str, float]) -> None:
        for reading, quantity in zip(self.readings, WEATHER_METRICS, strict=True):
            if quantity in values:
                reading.take(values[quantity])
            else:
                reading.fail("Open-Meteo does not tell it")


class TooOften(Unusable):
    """The server wants fewer questions."""


def _object(document: Any, key: str) -> Mapping[str, Any]:
    found = document.get(key) if isinstance(document, dict) else None
    if not isinstance(found, dict):
        raise Unusable(f"the answer has no `{key}`")
    return found
