"""Drivers of batteries that this package does not know: their interface, how they are found, and a fence.

A driver is a class (or a function that makes something like it) in any module that the daemon's Python finds,
named in the configuration: `driver = "module:name"`. It needs nothing of this package: all that goes to and
fro are numbers and texts, and what goes wrong is an exception, whose text people see.
"""

from __future__ import annotations

import asyncio
import importlib
import logging
import math
from collections.abc import Callable, Mapping
from typing import Any, Final, Protocol, runtime_checkable

from microgrid_core.contract.messages import Scalar, ScheduleCapability, ScheduleMode
from microgrid_core.contract.schedule import Instruction

from .battery import Achieved
from .config import BatteryConfig
from .originals import StoredKeeper
from .schedule.limits import Measured
from .store import Store

_LOGGER = logging.getLogger(__name__)
READINGS: Final = {
    "power_w": "power",
    "voltage_v": "voltage",
    "current_a": "current",
    "state_of_charge_percent": "state_of_charge",
    "temperature_c": "temperature",
    "net_load_w": None,
    "age_s": None,
}
"""What `read` may tell, and the metric that shows it."""
AGAIN_S: Final = 60.0
CLOSE_S: Final = 5.0
RESTORE_TRIES: Final = 15
"""A second apart: so long a device has to be there after a crash."""
_HELD: Final = "control"


@runtime_checkable
class Driver(Protocol):
    """What a driver must have. Power and current are positive while the battery is being discharged."""

    follows: bool
    """Whether its readings tell `net_load_w`; then schedules may have it follow the load."""
    has_temperature: bool
    """Whether its readings tell `temperature_c`."""

    async def run(self) -> None:
        """Connect, and again whenever the device was away; hang up when cancelled.

        One that has nothing to keep up returns at once. When it raises it is called again a minute later.
        """

    def read(self) -> Mapping[str, float | None]:
        """Return the newest readings by the names of READINGS, at once; without what is not known.

        `net_load_w` is the load of the house less what the sun gives, `age_s` how old the oldest reading is.
        Raises any exception while the battery must be left alone: not reached, in a fault, held by another.
        """

    async def apply(self, mode: str, power_w: float) -> None:
        """Charge or discharge with a power, or rest (`idle`, 0 W), until told otherwise.

        It is called every few seconds, also with what it was told before. Raises any exception when the
        device does not do it.
        """

    async def release(self) -> None:
        """Let the device go its own way, as it was found; safe to repeat. Raises when it cannot."""


Factory = Callable[[Mapping[str, Any]], Driver]
"""Makes a driver of the options in the configuration; opens nothing. Raises ValueError for options."""


def find(place: str) -> Factory:
    """Return what makes the drivers of this name; raises ValueError with the remedy."""
    module_name, _, name = place.partition(":")
    try:
        module = importlib.import_module(module_name)
    except Exception as error:  # whatever foreign code does when it is read
        raise ValueError(
            f"{module_name} cannot be imported ({type(error).__name__}: {error}); it must lie where the "
            "daemon's Python looks for modules"
        ) from error
    found: Any = getattr(module, name, None)
    if not callable(found):
        raise ValueError(f"{module_name} has nothing called {name} that makes drivers")
    factory: Factory = found  # what it makes is looked at below
    return factory


def made(place: str, options: Mapping[str, Any]) -> Driver:
    """Make a driver; raises ValueError for its options, or when it is none."""
    factory = find(place)
    try:
        driver = factory(options)
    except Exception as error:
        raise ValueError(f"{place} does not take these options: {_text(error)}") from error
    if not isinstance(driver, Driver):
        wanted = ("follows", "has_temperature", "run", "read", "apply", "release")
        missing = ", ".join(name for name in wanted if not hasattr(driver, name))
        raise ValueError(f"{place} makes no driver: {missing} is missing")
    return driver


class DrivenBattery:
    """A battery behind a driver: nothing that it raises or tells hurts the daemon."""

    continuous = True

    def __init__(self, config: BatteryConfig, driver: Driver, store: Store) -> None:
        """That something is held stands in the file, so that it is given back after a crash."""
        self.has_temperature = bool(driver.has_temperature)
        self._config = config
        self._driver = driver
        self._keeper = StoredKeeper(store)
        self._device = f"driver {config.node}"
        self._holds = bool(self._keeper.originals(self._device))
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Have the driver connect."""
        self._task = asyncio.create_task(self._run())

    async def close(self) -> None:
        """Have it hang up."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task], timeout=CLOSE_S)
            self._task = None

    async def _run(self) -> None:
        while True:
            try:
                return await self._driver.run()
            except Exception:
                _LOGGER.exception("the driver broke", extra={"node": self._config.node})
            await asyncio.sleep(AGAIN_S)

    @property
    def capability(self) -> ScheduleCapability:
        """Return what can be asked: up to what the installer declared."""
        limits = self._config.limits
        modes = [mode for mode in ScheduleMode if mode is not ScheduleMode.FOLLOW or self._driver.follows]
        return ScheduleCapability(tuple(modes), limits.max_charge_w, limits.max_discharge_w)

    def read(self) -> Measured:
        """Return what the driver tells."""
        readings, trouble = self._readings()
        return Measured(
            power_w=readings.get("power_w"),
            soc_percent=readings.get("state_of_charge_percent"),
            temperature_c=readings.get("temperature_c"),
            age_s=max(0.0, readings.get("age_s", 0.0)) if trouble is None else math.inf,
            trouble=trouble,
            net_w=readings.get("net_load_w"),
        )

    def values(self) -> dict[str, Scalar | None]:
        """Return the metrics among its readings."""
        readings, _ = self._readings()
        values: dict[str, Scalar | None] = {
            metric: readings[name] for name, metric in READINGS.items() if metric and name in readings
        }
        if "power_w" in readings:
            values["charging"] = readings["power_w"] < 0.0
        return values

    def _readings(self) -> tuple[Mapping[str, float], str | None]:
        """Return readings that are numbers; or none, and why."""
        try:
            told = dict(self._driver.read())
        except Exception as error:
            return {}, _text(error)
        if unknown := sorted(map(str, told.keys() - READINGS.keys())):
            return {}, f"the driver tells {', '.join(unknown)}; known are {', '.join(READINGS)}"
        readings: dict[str, float] = {}
        for name, value in told.items():
            if value is None:
                continue
            if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
                return {}, f"the driver tells that {name} is {value!r}, which is no number"
            readings[name] = float(value)
        return readings, None

    async def apply(self, instruction: Instruction) -> Achieved:
        """Have the driver do it; resting is a power of 0."""
        limits, rate_w = self._config.limits, instruction.rate_w
        most_w = {
            ScheduleMode.CHARGE: limits.max_charge_w,
            ScheduleMode.DISCHARGE: limits.max_discharge_w,
        }.get(instruction.mode, 0.0)
        power_w = most_w if rate_w is None else min(rate_w, most_w)
        if not self._holds:
            self._keeper.remember(self._device, _HELD, "free")
            self._holds = True
        try:
            await self._driver.apply(instruction.mode.value, power_w)
        except Exception as error:
            back = await self.release()
            return Achieved("; ".join(filter(None, (_text(error), back.trouble))))
        return Achieved(detail=f"{power_w:g} W")

    async def release(self) -> Achieved:
        """Have it let go, if anything is held."""
        if not self._holds:
            return Achieved(detail="nothing was held")
        try:
            await self._driver.release()
        except Exception as error:
            return Achieved(f"not released: {_text(error)}")
        self._keeper.forget(self._device, _HELD)
        self._holds = False
        return Achieved(detail="it goes its own way again")

    async def restore(self) -> Achieved:
        """Connect, release what a crash left held, and hang up; within the time that the caller gives."""
        if not self._holds:
            return Achieved(detail="nothing was held")
        self.start()
        try:
            outcome = await self.release()
            for _ in range(RESTORE_TRIES):
                if outcome.trouble is None:
                    break
                await asyncio.sleep(1.0)
                outcome = await self.release()
            return outcome
        finally:
            await self.close()


def _text(error: Exception) -> str:
    return str(error).strip() or type(error).__name__
