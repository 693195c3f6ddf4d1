"""What the meter in the house of the Pi's battery showed before a simulation begins."""

from __future__ import annotations

from typing import Any

from .physics.neighbourhood import Neighbourhood
from .physics.solar import DAY_S, sun_position

_STEP_S = 120.0
_HOUR_S = 3600.0


def meter_hours(days: int, gap_s: float, **site: Any) -> list[tuple[float, float]]:
    """Return load and solar yield of each hour of some days, W on average, the oldest first.

    The last hour ends `gap_s` before the simulation begins; `site` is what that is made of, see
    `Neighbourhood`. The household has the habits that it has there.
    """
    present = Neighbourhood(1, 1, **site)
    begin = {
        "start_s": (present.solar_time_s - gap_s) % DAY_S,
        "day_of_year": (present.day_of_year - 1 - days) % 365 + 1,
    }
    past = Neighbourhood(1, 1, **site | begin)
    steps = round(_HOUR_S / _STEP_S)
    hours = []
    for _ in range(24 * days):
        load = solar = 0.0
        for _ in range(steps):
            time_of_day, day = past.solar_time_s, past.day_of_year
            past.clouds.step(_STEP_S)
            past.weather.step(day, time_of_day, past.clouds.cover, _STEP_S)
            past.battery.step(
                time_of_day,
                sun_position(past.latitude_deg, day, time_of_day),
                float(past.clouds.transmittance[0]),
                past.weather.temperature_c,
                _STEP_S,
                0.0,
            )
            past.time_s += _STEP_S
            load += float(past.battery.loads.power_w[0])
            solar += float(past.battery.solar.output_power_w[0])
        hours.append((load / steps, solar / steps))
    return hours
