"""Victron GX stations as nodes of the swarm: what each says of the whole system, and whether it is there."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final

from homeassistant.core import CALLBACK_TYPE, HomeAssistant, callback
from homeassistant.helpers.event import async_track_time_interval
from homeassistant.util import dt as dt_util

from ..core.contract.reading import Rejection
from ..core.gx.summary import summary
from ..core.gx.tree import Leaf
from ..core.model.metric import Value
from ..core.model.swarm import Node, Swarm
from ..core.model.victron_gx import VICTRON_GX
from ..gx_station import GxStation, Start

_LOOK: Final = timedelta(seconds=1)
_RECORD_S: Final = 10.0
_HAND_OVER: Final = 6
"""Readings go to the archive a minute at a time: each time is a write to the disk."""

type Record = Callable[[Node, Sequence[tuple[datetime, Mapping[str, Value]]]], None]
"""Keeps dated readings of a node."""


class GxSource:
    """Carries the stations of one entry into the model."""

    def __init__(
        self,
        hass: HomeAssistant,
        swarm: Swarm,
        stations: Iterable[GxStation],
        start: Start,
        record: Record,
    ) -> None:
        """Know the stations, who runs them, and who keeps all that was measured."""
        self.stations: dict[str, GxStation] = {station.subentry_id: station for station in stations}
        """By the id of their subentry."""
        self._hass = hass
        self._swarm = swarm
        self._start = start
        self._record = record
        self._readings: dict[str, list[tuple[datetime, Mapping[str, Value]]]] = {}
        self._recorded_at: dict[str, float] = {}
        # The first to listen: when others hear that a station is there, its node is, too.
        self._unsubscribe: list[CALLBACK_TYPE] = [
            station.on_change(self._listener(station)) for station in self.stations.values()
        ]

    async def async_start(self) -> None:
        """Connect to all stations."""
        if not self.stations:
            return
        self._unsubscribe.append(async_track_time_interval(self._hass, self._look_at_all, _LOOK))
        for station in self.stations.values():
            station.start(self._start)

    async def async_stop(self) -> None:
        """Hang up, and keep what was measured."""
        while self._unsubscribe:
            self._unsubscribe.pop()()
        for station in self.stations.values():
            await station.async_stop()
            if station.node is not None:
                self._hand_over(station.node)

    def station_of(self, node_id: str) -> GxStation | None:
        """Return the station that is a node."""
        return next((station for station in self.stations.values() if station.node_id == node_id), None)

    def _listener(self, station: GxStation) -> Callable[[tuple[Leaf, ...]], None]:
        @callback
        def changed(leaves: tuple[Leaf, ...]) -> None:
            if not leaves:
                self._look(station)

        return changed

    @callback
    def _look_at_all(self, now: datetime) -> None:
        for station in self.stations.values():
            self._look(station)

    def _look(self, station: GxStation) -> None:
        """Tell the swarm how a station is."""
        node = station.node
        if not station.connected:
            if node is not None and node.online:
                self._swarm.set_online(node.node_id, False)
            return
        if node is None or self._swarm.nodes.get(node.node_id) is not node:  # the user may have deleted it
            made = self._swarm.ensure(station.node_id, VICTRON_GX.kind, station.name)
            if isinstance(made, Rejection):
                return
            node = station.node = made
        values = summary(station.tree)
        now = dt_util.utcnow()
        # A value that is not valid any more is withdrawn.
        self._swarm.take(node, {**dict.fromkeys(node.values), **values}, now)
        self._keep(node, now, values)

    def _keep(self, node: Node, now: datetime, values: Mapping[str, Value]) -> None:
        """Keep a reading now and then."""
        at = self._swarm.monotonic()
        if at - self._recorded_at.get(node.node_id, float("-inf")) < _RECORD_S:
            return
        self._recorded_at[node.node_id] = at
        readings = self._readings.setdefault(node.node_id, [])
        readings.append((now, values))
        if len(readings) >= _HAND_OVER:
            self._hand_over(node)

    def _hand_over(self, node: Node) -> None:
        if readings := self._readings.pop(node.node_id, None):
            self._record(node, readings)
