"""What the site used and yielded before the planner looked: its nodes by the archive, meters by the recorder.

A planner that is told of a meter which Home Assistant has known for long need not begin with nothing.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import datetime
from typing import Final

from homeassistant.const import UnitOfApparentPower, UnitOfPower
from homeassistant.core import HomeAssistant
from sqlalchemy.exc import SQLAlchemyError

from .core.archive.archive import Archive
from .core.archive.errors import ArchiveError
from .planner_settings import PlannerSettings
from .planner_site import archived_hours
from .planner_state import Hour
from .sensor_hours import mean_by_hour

_LOGGER = logging.getLogger(__name__)
_KILO: Final = {"power": UnitOfPower.KILO_WATT, "apparent_power": UnitOfApparentPower.KILO_VOLT_AMPERE}


async def past_hours(
    hass: HomeAssistant, settings: PlannerSettings, archive: Archive | None, start: datetime, end: datetime
) -> Mapping[int, Hour]:
    """Return load and yield of each hour whose load is known, from where the planner reads them now.

    An archive or a recorder that does not answer knows nothing: plans are made without a past as well.
    """
    nodes: Mapping[int, Hour] = {}
    meters: Mapping[str, Mapping[int, float]] = {}
    shifted = "" if settings.flexible is None else settings.flexible.entity_id
    entities = {*filter(None, (settings.load_entity, settings.solar_entity, shifted))}
    try:
        if archive is not None and not (settings.load_entity and settings.solar_entity):
            nodes = await hass.async_add_executor_job(archived_hours, archive, start, end)
        meters = await mean_by_hour(hass, entities, start, end, _KILO)
    except (ArchiveError, SQLAlchemyError) as error:
        _LOGGER.warning("planning without the past of the site: %s", error)

    def metered(entity_id: str) -> Mapping[int, float]:
        return {begin // 3600: max(mean, 0.0) for begin, mean in meters.get(entity_id, {}).items()}

    load, solar = (
        metered(entity_id) if entity_id else {number: getattr(hour, part) for number, hour in nodes.items()}
        for entity_id, part in ((settings.load_entity, "load"), (settings.solar_entity, "solar"))
    )
    flexible = metered(shifted)
    return {
        number: Hour(load=kwh, solar=solar.get(number, 0.0), cover=1.0, flexible=flexible.get(number))
        for number, kwh in load.items()
    }
