"""The solar forecasts that Home Assistant has: what they say of the coming hours, and what they said before.

Every integration with a solar forecast for the Energy dashboard gives one. Entries of the same integration
add up, for they are planes of one roof; different integrations are different opinions, each believed as far
as it was right. What counts for that is what was said a day before, so it is kept.
"""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import Any, Final

from homeassistant.components.energy.websocket_api import async_get_energy_platforms
from homeassistant.config_entries import ConfigEntry
from homeassistant.core import HomeAssistant
from homeassistant.util import dt as dt_util

_LOGGER = logging.getLogger(__name__)

DAY_H: Final = 24
KEPT_H: Final = 28 * DAY_H
"""Of what was said before: twice what errors are looked at."""
_AHEAD_H: Final = 14 * DAY_H
_PATIENCE_S: Final = 10.0
_MOST_WH: Final = 1e8  # in an hour: more is no roof
_STALE: Final = timedelta(hours=24)
"""A forecast that nobody renewed for so long says nothing any more."""

type Said = dict[str, dict[int, float]]
"""By integration and number of the hour since 1970: kWh."""
type Member = tuple[Sequence[datetime], Sequence[float]]
type Forecast = Callable[[datetime], Awaitable[Mapping[int, float]]]
"""Returns kWh by the number of the hour since 1970; may raise anything."""
_NO_OTHERS: Final[Mapping[str, Forecast]] = MappingProxyType({})


async def forecasters(hass: HomeAssistant) -> dict[str, Callable[..., Awaitable[Any]]]:
    """Return the integrations that forecast the solar yield, by domain."""
    return dict(await async_get_energy_platforms(hass))


async def entries(hass: HomeAssistant) -> list[ConfigEntry]:
    """Return the config entries that have a solar forecast to give."""
    domains = await forecasters(hass)
    return [entry for entry in hass.config_entries.async_entries() if entry.domain in domains]


class SolarDesk:
    """Asks the chosen forecasts, and remembers."""

    def __init__(
        self, hass: HomeAssistant, entry_ids: Iterable[str], others: Mapping[str, Forecast] = _NO_OTHERS
    ) -> None:
        """Know whom to ask: config entries, and others by name."""
        self._hass = hass
        self._entry_ids = tuple(entry_ids)
        self._others = others
        self._newest: Said = {}
        self._heard: dict[str, datetime] = {}

    async def refresh(self, now: datetime, said: Said) -> None:
        """Ask all, and put into `said` what is kept of their answers; who gives none is left out."""
        if not self._entry_ids and not self._others:
            return
        domains = await forecasters(self._hass) if self._entry_ids else {}
        found: Said = {}
        for name, forecast in self._others.items():
            try:
                async with asyncio.timeout(_PATIENCE_S):
                    found[name] = dict(await forecast(now))
            except Exception as error:  # as below
                _LOGGER.debug("no solar forecast from the %s: %s", name, error)
        for entry_id in self._entry_ids:
            entry = self._hass.config_entries.async_get_entry(entry_id)
            if entry is None or (ask := domains.get(entry.domain)) is None:
                continue
            try:
                async with asyncio.timeout(_PATIENCE_S):
                    answer = await ask(self._hass, entry_id)
            except Exception as error:  # somebody else's code may raise anything: planning goes on without
                _LOGGER.debug("no solar forecast from %s: %s", entry.title, error)
                continue
            hours = hours_of(answer, now)
            planes = found.setdefault(entry.domain, {})
            for number, kwh in hours.items():
                planes[number] = planes.get(number, 0.0) + kwh
        for domain, hours in found.items():
            if hours:
                self._newest[domain], self._heard[domain] = hours, now
        for domain, heard in list(self._heard.items()):
            if now - heard > _STALE:
                del self._heard[domain], self._newest[domain]
        remember(said, self._newest, int(now.timestamp() // 3600))

    def members(self, now: datetime, said: Mapping[str, Mapping[int, float]]) -> dict[str, Member]:
        """Return each forecast for the past, as it was said a day before, and for the coming hours."""
        hour = int(now.timestamp() // 3600)
        members: dict[str, Member] = {}
        for domain, newest in self._newest.items():
            past = {number: kwh for number, kwh in said.get(domain, {}).items() if number < hour}
            rows = sorted((past | {at: kwh for at, kwh in newest.items() if at >= hour}).items())
            members[domain] = (
                [datetime.fromtimestamp(number * 3600.0, UTC) for number, _ in rows],
                [kwh for _, kwh in rows],
            )
        return members


def hours_of(answer: object, now: datetime) -> dict[int, float]:
    """Return the kWh of each hour that an answer covers; anything may be in it.

    As in the Energy dashboard, energy counts in the hour that its time lies in. Hours between the first and
    the last one that are not told, those of the night, have none.
    """
    told = answer.get("wh_hours") if isinstance(answer, Mapping) else None
    if not isinstance(told, Mapping):
        return {}
    hour = int(now.timestamp() // 3600)
    hours: dict[int, float] = {}
    for key, value in told.items():
        when = dt_util.parse_datetime(key) if isinstance(key, str) else None
        if when is None or isinstance(value, bool) or not isinstance(value, (int, float)):
            continue
        if when.tzinfo is None:
            when = when.replace(tzinfo=dt_util.get_default_time_zone())
        number = int(when.timestamp() // 3600)
        if math.isfinite(value) and 0.0 <= value <= _MOST_WH and abs(number - hour) <= _AHEAD_H:
            hours[number] = hours.get(number, 0.0) + value / 1000.0
    if not hours:
        return {}
    return {number: hours.get(number, 0.0) for number in range(min(hours), max(hours) + 1)}


def remember(said: Said, newest: Mapping[str, Mapping[int, float]], hour: int) -> None:
    """Keep what is said of hours a day ahead or more; of nearer ones only what was said first."""
    for domain, hours in newest.items():
        kept = said.setdefault(domain, {})
        for number, kwh in hours.items():
            if number >= hour + DAY_H or (number > hour and number not in kept):
                kept[number] = round(kwh, 4)
    for domain, kept in list(said.items()):
        for number in [number for number in kept if number < hour - KEPT_H]:
            del kept[number]
        if not kept:
            del said[domain]
