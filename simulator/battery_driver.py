"""A simulated battery that `microgrid-daemon` drives like a real one: cells, their BMS, a household, the sun.

Named in the daemon's configuration as `driver = "simulator.battery_driver:SimulatedBattery"`. Left alone it
covers the load of its house and stores the sun's surplus, as home storages do.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

import numpy as np

from .physics.pi_battery import PiBattery, Task
from .physics.solar import DAY_S, Clouds, sun_position

_CELLAR_C = 19.0
_LONGEST_STEP_S = 10.0
_MOST_STEPS = 3000
"""So long a pause is computed in steps of that length; a longer one in longer steps."""
OPTIONS: Mapping[str, tuple[float, float, float]] = {
    "capacity_ah": (10.0, 2000.0, 200.0),
    "state_of_charge_percent": (0.0, 100.0, 55.0),
    "pv_peak_w": (0.0, 100_000.0, 4000.0),
    "latitude": (-66.0, 66.0, 52.0),
    "seed": (0.0, 2.0**32, 1.0),
}
"""Least, greatest and usual value of what may be chosen."""


class SimulatedBattery:
    """One pack of 16 cells in its house; time goes by between two readings as it does outside."""

    follows = True
    has_temperature = True

    def __init__(
        self,
        options: Mapping[str, Any],
        *,
        now_s: Callable[[], float] = time.monotonic,
        begin: datetime | None = None,
    ) -> None:
        """Begin at the time of day that it is; raises ValueError for options."""
        chosen = _checked(options)
        rng = np.random.default_rng(int(chosen["seed"]))
        cloud_side, battery_side = rng.spawn(2)
        self.physics = PiBattery(
            battery_side,
            state_of_charge=chosen["state_of_charge_percent"] / 100.0,
            capacity_ah=chosen["capacity_ah"],
            pv_peak_w=chosen["pv_peak_w"],
        )
        self._clouds = Clouds(cloud_side, 1)
        self._latitude_deg = chosen["latitude"]
        begin = datetime.now() if begin is None else begin
        self._day = begin.timetuple().tm_yday
        self._time_of_day_s = begin.hour * 3600.0 + begin.minute * 60.0 + begin.second
        self._now_s = now_s
        self._at_s = now_s()
        self._step(0.0)

    async def run(self) -> None:
        """There is no connection to keep up."""

    def read(self) -> Mapping[str, float | None]:
        """Return what the battery's sensors tell now."""
        self._catch_up()
        physics, pack = self.physics, self.physics.pack
        return {
            "power_w": round(physics.power_w, 1),
            "voltage_v": round(float(pack.voltage_v[0]), 2),
            "current_a": round(float(pack.current_a[0]), 2),
            "state_of_charge_percent": round(100.0 * float(pack.state_of_charge[0]), 2),
            "temperature_c": round(float(pack.temperature_c[0]), 1),
            "net_load_w": round(physics.net_load_w, 1),
        }

    async def apply(self, mode: str, power_w: float) -> None:
        """Do it from now on, as far as the BMS lets it."""
        self._catch_up()
        self.physics.task = Task(mode, power_w, scheduled=True)

    async def release(self) -> None:
        """Cover the load of the house again."""
        self._catch_up()
        self.physics.task = Task()

    def _catch_up(self) -> None:
        """Let the time go by that has gone by since the last look."""
        seconds, self._at_s = self._now_s() - self._at_s, self._now_s()
        steps = min(_MOST_STEPS, math.ceil(seconds / _LONGEST_STEP_S))
        for _ in range(steps):
            self._step(seconds / steps)

    def _step(self, seconds: float) -> None:
        self._time_of_day_s += seconds
        if self._time_of_day_s >= DAY_S:
            self._time_of_day_s -= DAY_S
            self._day = self._day % 365 + 1
        self._clouds.step(seconds)
        self.physics.step(
            self._time_of_day_s,
            sun_position(self._latitude_deg, self._day, self._time_of_day_s),
            float(self._clouds.transmittance[0]),
            _CELLAR_C,
            seconds,
            seconds / 3600.0,
        )


def _checked(options: Mapping[str, Any]) -> dict[str, float]:
    if unknown := sorted(options.keys() - OPTIONS.keys()):
        raise ValueError(f"there is no option {', '.join(unknown)}; there are {', '.join(OPTIONS)}")
    chosen = {name: usual for name, (_, _, usual) in OPTIONS.items()}
    for name, value in options.items():
        least, greatest, _ = OPTIONS[name]
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not least <= value <= greatest:
            raise ValueError(f"{name} must be a number in {least:g} … {greatest:g}")
        chosen[name] = float(value)
    return chosen
