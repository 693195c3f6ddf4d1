"""What each house owes or gets today and this month, kept up to date from the archive."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Final

from homeassistant.core import CALLBACK_TYPE, HomeAssistant, callback
from homeassistant.util import dt as dt_util

from .core.archive.archive import Archive
from .planner_site import Settled, settle
from .planner_state import Hour

TODAY: Final = "today"
MONTH: Final = "month"
RANGES: Final = (TODAY, MONTH)
AGAIN: Final = timedelta(minutes=5)
"""Between two settlements at least; hours come with the nodes' logs, some minutes after they are over."""


class SettlementDesk:
    """Settles the running day and the running month again and again: what comes late is in the next."""

    def __init__(
        self,
        hass: HomeAssistant,
        *,
        archive: Callable[[], Archive | None],
        houses: Callable[[], Mapping[str, str]],
        hours: Callable[[], Mapping[int, Hour]],
    ) -> None:
        """Know where energies (archive), names of houses and prices (hours of the planner) are."""
        self._hass = hass
        self._archive = archive
        self._houses = houses
        self._hours = hours
        self._found: dict[str, tuple[datetime, Settled]] = {}
        self._settled_at: datetime | None = None
        self._settled_for: frozenset[str] = frozenset()
        self._busy = False
        self._listeners: list[Callable[[], None]] = []

    @property
    def houses(self) -> Mapping[str, str]:
        """Names of all houses by id."""
        return self._houses()

    def begin(self, name: str) -> datetime | None:
        """Return when the day or month began that the figures are of; None before there are any."""
        return None if (found := self._found.get(name)) is None else found[0]

    def settled(self, name: str) -> Settled | None:
        """Return who pays whom since then."""
        return None if (found := self._found.get(name)) is None else found[1]

    def payment(self, name: str, house: str) -> float | None:
        """Return what a house owes (+) or gets."""
        found = self.settled(name)
        if found is None or house not in found.houses:
            return None
        return found.settlement.payments[found.houses.index(house)]

    def bill(self, name: str) -> float | None:
        """Return what the connection costs: the sum of what all houses pay."""
        found = self.settled(name)
        return None if found is None else found.settlement.bill_cents / 100.0

    @callback
    def look(self) -> None:
        """Settle again when that was a while ago, or for other houses than there are now."""
        now = dt_util.utcnow()
        new = frozenset(self._houses()) != self._settled_for
        if not self._busy and (new or self._settled_at is None or now - self._settled_at >= AGAIN):
            self._hass.async_create_task(self.refresh(), "microgrid settlement")

    @callback
    def on_change(self, listener: Callable[[], None]) -> CALLBACK_TYPE:
        """Call `listener` when figures may have changed."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    async def refresh(self) -> None:
        """Settle both ranges up to now."""
        if self._busy or (archive := self._archive()) is None:
            return
        self._busy = True
        try:
            await self._settle(archive, dt_util.utcnow())
        finally:
            self._busy = False
        for listener in tuple(self._listeners):
            listener()

    async def _settle(self, archive: Archive, now: datetime) -> None:
        day = dt_util.start_of_local_day()
        houses, hours = tuple(self._houses()), dict(self._hours())
        for name, begin in ((TODAY, day), (MONTH, dt_util.start_of_local_day(day.replace(day=1)))):
            found = await self._hass.async_add_executor_job(
                partial(settle, archive, houses, hours, begin.astimezone(UTC), now)
            )
            self._found[name] = begin, found
        self._settled_at, self._settled_for = now, frozenset(houses)
