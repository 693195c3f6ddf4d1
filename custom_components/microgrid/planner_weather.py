"""The weather forecast as a solar forecast: hours of clouds, and what the roof gave under a clear sky."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Final

from homeassistant.components.weather import (
    ATTR_CONDITION_CLEAR_NIGHT,
    ATTR_CONDITION_CLOUDY,
    ATTR_CONDITION_EXCEPTIONAL,
    ATTR_CONDITION_FOG,
    ATTR_CONDITION_HAIL,
    ATTR_CONDITION_LIGHTNING,
    ATTR_CONDITION_LIGHTNING_RAINY,
    ATTR_CONDITION_PARTLYCLOUDY,
    ATTR_CONDITION_POURING,
    ATTR_CONDITION_RAINY,
    ATTR_CONDITION_SNOWY,
    ATTR_CONDITION_SNOWY_RAINY,
    ATTR_CONDITION_SUNNY,
    ATTR_CONDITION_WINDY,
    ATTR_CONDITION_WINDY_VARIANT,
    DOMAIN,
    SERVICE_GET_FORECASTS,
)
from homeassistant.core import HomeAssistant
from homeassistant.util import dt as dt_util

from .core.energy.sky import brightest, under_clouds

NAME: Final = "weather"
COVER_OF: Final[Mapping[str, float]] = {
    ATTR_CONDITION_CLEAR_NIGHT: 0.0,
    ATTR_CONDITION_SUNNY: 0.0,
    ATTR_CONDITION_WINDY: 10.0,
    ATTR_CONDITION_PARTLYCLOUDY: 50.0,
    ATTR_CONDITION_WINDY_VARIANT: 70.0,
    ATTR_CONDITION_LIGHTNING: 80.0,
    ATTR_CONDITION_CLOUDY: 90.0,
    ATTR_CONDITION_EXCEPTIONAL: 90.0,
    ATTR_CONDITION_RAINY: 100.0,
    ATTR_CONDITION_LIGHTNING_RAINY: 100.0,
    ATTR_CONDITION_SNOWY: 100.0,
    ATTR_CONDITION_SNOWY_RAINY: 100.0,
    ATTR_CONDITION_FOG: 100.0,
    ATTR_CONDITION_HAIL: 100.0,
    ATTR_CONDITION_POURING: 100.0,
}
"""In %, for integrations that tell a condition and no cover."""
_MOST_H: Final = 72
_GAP_H: Final = 6
"""So long a row holds when the next one comes later."""


class SkyDesk:
    """Asks one weather entity."""

    def __init__(
        self, hass: HomeAssistant, entity_id: str, yields: Callable[[], Mapping[int, float]]
    ) -> None:
        """Know whom to ask; `yields` returns the measured kWh by the number of the hour since 1970."""
        self._hass = hass
        self._entity_id = entity_id
        self._yields = yields

    async def hours(self, now: datetime) -> dict[int, float]:
        """Return the yield of the coming hours, kWh; raises what the weather integration raises."""
        answer = await self._hass.services.async_call(
            DOMAIN,
            SERVICE_GET_FORECASTS,
            {"entity_id": self._entity_id, "type": "hourly"},
            blocking=True,
            return_response=True,
        )
        hour = int(now.timestamp() // 3600)
        return under_clouds(cover_of(answer, self._entity_id, hour), brightest(self._yields(), hour))


def cover_of(answer: object, entity_id: str, hour: int) -> dict[int, float]:
    """Return the cloud cover in % of the coming hours that an answer tells; anything may be in it."""
    told = answer.get(entity_id) if isinstance(answer, Mapping) else None
    rows = told.get("forecast") if isinstance(told, Mapping) else None
    found: dict[int, float] = {}
    for row in rows if isinstance(rows, list) else ():
        if not isinstance(row, Mapping) or (cover := _cover(row)) is None:
            continue
        when = dt_util.parse_datetime(at) if isinstance(at := row.get("datetime"), str) else None
        if when is None or when.tzinfo is None:
            continue
        found[int(when.timestamp() // 3600)] = cover
    hours: dict[int, float] = {}
    numbers = sorted(found)
    for number, following in zip(numbers, [*numbers[1:], numbers[-1] + 1] if numbers else [], strict=True):
        for held in range(number, min(following, number + _GAP_H)):
            if hour <= held < hour + _MOST_H:
                hours[held] = found[number]
    return hours


def _cover(row: Mapping[Any, Any]) -> float | None:
    cover = row.get("cloud_coverage")
    if isinstance(cover, (int, float)) and not isinstance(cover, bool) and math.isfinite(cover):
        return min(max(float(cover), 0.0), 100.0)
    condition = row.get("condition")
    return COVER_OF.get(condition) if isinstance(condition, str) else None
