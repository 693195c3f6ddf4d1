"""Sensors of the house: a number in a file, as of a 1-wire thermometer, or in messages of somebody else."""

from __future__ import annotations

import asyncio
import json
import time
from pathlib import Path
from typing import Final

from microgrid_core.contract.bare_number import parse_bare_number
from microgrid_core.contract.reading import Rejection
from microgrid_core.model.bare_sensors import house_metric

from ..config import SensorConfig
from .line import MOST_BYTES, BareLine
from .reading import Reading

MOST_AGE_S: Final = 600.0
"""A file that nobody has written for so long tells nothing about now."""
_MEASURED_WHEN_READ: Final = ("/sys/", "/proc/")
_ONE_WIRE: Final = "/sys/bus/w1/"
_RESET: Final = b"85000"
"""What a DS18B20 says when it lost its power before it measured."""


class NoNumber(Exception):
    """There is none; the text says why."""


class HouseSensor:
    """One sensor on `house/<name>`."""

    def __init__(self, config: SensorConfig, line: BareLine) -> None:
        """Have its topic heard, if it has one."""
        metric = house_metric(config.sensor)
        assert metric is not None  # the configuration is checked
        self.config = config
        self.reading = Reading(f"house/{config.sensor}", metric, line)
        if config.topic is not None:
            line.listen(config.topic, self.take)

    def take(self, payload: bytes) -> None:
        """Say what a payload tells."""
        try:
            number = number_in(payload, self.config.field)
        except NoNumber as error:
            self.reading.fail(str(error))
            return
        self.reading.take(number * self.config.scale + self.config.offset)

    async def run(self) -> None:
        """Read the file now and then until cancelled; who is on a topic has nothing to do."""
        if self.config.file is None:
            return
        while True:
            try:
                # A sensor on a wire takes most of a second.
                self.take(await asyncio.to_thread(content_of, self.config.file))
            except NoNumber as error:
                self.reading.fail(str(error))
            await asyncio.sleep(self.config.interval_s)


def content_of(path: Path) -> bytes:
    """Return what stands in a file now; raises NoNumber."""
    try:
        with path.open("rb") as file:
            age_s = time.time() - path.stat().st_mtime
            if not str(path).startswith(_MEASURED_WHEN_READ) and age_s > MOST_AGE_S:
                raise NoNumber(f"{path}: written {age_s / 60:.0f} min ago; does its program run?")
            content = file.read(MOST_BYTES)
    except OSError as error:
        raise NoNumber(f"{path}: {error.strerror}; is the sensor connected, and readable for us?") from error
    if str(path).startswith(_ONE_WIRE) and content.strip() == _RESET:
        raise NoNumber(f"{path}: 85 °C is what a sensor says that lost its power: look at its wires")
    return content


def number_in(payload: bytes, field: str | None) -> float:
    """Return the number in a payload, bare or at a place of a JSON object as `a.b`; raises NoNumber."""
    if field is None:
        number = parse_bare_number(payload)
        if isinstance(number, Rejection):
            raise NoNumber(f"{number.detail}; for a place in JSON name its `field`")
        return number
    try:
        value = json.loads(payload)
    except (ValueError, RecursionError) as error:
        raise NoNumber("no JSON") from error
    for step in field.split("."):
        if not isinstance(value, dict) or step not in value:
            raise NoNumber(f"there is no `{field}` in it")
        value = value[step]
    number = parse_bare_number(json.dumps(value).strip('"').encode())
    if isinstance(number, Rejection):
        raise NoNumber(f"`{field}` is no number")
    return number
