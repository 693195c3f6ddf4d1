"""Hours of any sensors, as the recorder's long-term statistics have them."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime

from homeassistant.components.recorder import get_instance
from homeassistant.components.recorder.statistics import statistics_during_period
from homeassistant.core import HomeAssistant


async def mean_by_hour(
    hass: HomeAssistant,
    entity_ids: Collection[str],
    start: datetime,
    end: datetime,
    units: Mapping[str, str] | None = None,
) -> dict[str, dict[int, float]]:
    """Return the mean of each hour of a range, by entity and by the begin of the hour, seconds since 1970.

    `units` names what to convert to by unit class, as {"power": "kW"}; others are as the sensor shows them.
    Entities without statistics are missing; without a recorder all are.
    """
    if not entity_ids or "recorder" not in hass.config.components:
        return {}
    found = await get_instance(hass).async_add_executor_job(
        statistics_during_period,
        hass,
        start,
        end,
        set(entity_ids),
        "hour",
        None if units is None else dict(units),
        {"mean"},
    )
    return {
        entity: {int(row["start"]): mean for row in rows if (mean := row.get("mean")) is not None}
        for entity, rows in found.items()
        if rows
    }
