"""Long-term statistics: the hours of the archive, imported into Home Assistant as external statistics.

The recorder's own statistics have a hole wherever Home Assistant did not listen. These are made of what the
nodes logged: hours that arrive late, or are computed anew, are written again, and what follows an hour of a
counter with them, so that its sum goes on without a step.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
import re
import zlib
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from homeassistant.components.recorder import DOMAIN as RECORDER, get_instance
from homeassistant.components.recorder.models import StatisticData, StatisticMeanType, StatisticMetaData
from homeassistant.components.recorder.statistics import (
    StatisticsRow,
    async_add_external_statistics,
    get_last_statistics,
    get_metadata,
    statistics_during_period,
)
from homeassistant.components.recorder.tasks import SynchronizeTask
from homeassistant.const import PERCENTAGE, UnitOfEnergy, UnitOfFrequency, UnitOfPower, UnitOfTemperature
from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers.translation import async_get_translations
from homeassistant.util import dt as dt_util
from homeassistant.util.unit_conversion import (
    EnergyConverter,
    FrequencyConverter,
    PowerConverter,
    TemperatureConverter,
    UnitlessRatioConverter,
)

from .const import DOMAIN
from .core.archive.archive import Archive
from .core.archive.errors import ArchiveError
from .core.archive.growth import Growth, believable, growth
from .core.archive.query import History
from .core.archive.rollup import HOUR
from .core.model.kinds import KINDS
from .core.model.metric import Metric
from .core.model.swarm import Swarm

_LOGGER = logging.getLogger(__name__)

SINK: Final = "statistics"
_HOUR_S: Final = HOUR.bucket_s
_CHANGES: Final = 20_000
"""Hours looked at in one go: those of twelve nodes in two months."""
_ROWS: Final = 1000
"""Rows of one job of the recorder: it does nothing else meanwhile."""


type Write = Callable[..., Awaitable[Any]]
"""Does something in the executor that changes the archive, when that may be."""


@dataclass(frozen=True, slots=True)
class _Shape:
    """How a quantity is kept in statistics."""

    logged: str
    """Unit in the archive."""
    unit: str
    unit_class: str | None
    factor: float = 1.0


_SHAPES: Final[Mapping[str, _Shape]] = {
    "battery": _Shape("%", PERCENTAGE, UnitlessRatioConverter.UNIT_CLASS),
    "energy": _Shape("Wh", UnitOfEnergy.KILO_WATT_HOUR, EnergyConverter.UNIT_CLASS, 1e-3),
    "frequency": _Shape("Hz", UnitOfFrequency.HERTZ, FrequencyConverter.UNIT_CLASS),
    "power": _Shape("W", UnitOfPower.WATT, PowerConverter.UNIT_CLASS),
    "temperature": _Shape("°C", UnitOfTemperature.CELSIUS, TemperatureConverter.UNIT_CLASS),
}
"""By device class; other quantities have no long-term statistics of ours."""

_METRICS: Final = {metric.key: metric for kind in KINDS.values() for metric in kind.metrics}
"""For nodes of the archive that have not announced themselves yet: one key means the same in all kinds."""

_PLAIN_SWARM: Final = re.compile(r"[a-z0-9]+", re.ASCII)
_PLAIN_NODE: Final = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*", re.ASCII)


def statistic_id(swarm_id: str, node_id: str, key: str) -> str:
    """Return the id of a statistic: `microgrid:demo_house_1_load_energy`.

    Statistics know no hyphens and no double underscores. Where leaving them out could make two nodes one, a
    checksum of the ids tells them apart.
    """
    plain = _PLAIN_SWARM.fullmatch(swarm_id) and _PLAIN_NODE.fullmatch(node_id)
    parts = [swarm_id, node_id] if plain else [swarm_id, node_id, _checksum(swarm_id, node_id)]
    return f"{DOMAIN}:{re.sub('[_-]+', '_', '_'.join((*parts, key))).strip('_')}"


def _checksum(swarm_id: str, node_id: str) -> str:
    return f"{zlib.crc32(f'{swarm_id}/{node_id}'.encode()):08x}"


@dataclass(frozen=True, slots=True)
class _Channel:
    """A metric of a node that has statistics."""

    metric: Metric
    shape: _Shape
    statistic_id: str


@dataclass(frozen=True, slots=True)
class _Found:
    """What the archive holds for some work."""

    means: dict[str, History]
    growths: dict[str, Growth]


class StatisticsImporter:
    """Keeps the external statistics of a swarm in step with its archive."""

    def __init__(
        self, hass: HomeAssistant, swarm: Swarm, archive: Callable[[], Archive | None], write: Write
    ) -> None:
        """Know where the hours come from; `archive` returns None while there is none.

        `write` changes the archive when that may be.
        """
        self._hass = hass
        self._swarm = swarm
        self._archive = archive
        self._write = write
        self._running = asyncio.Lock()
        self._written: dict[tuple[str, int], int] = {}
        """Revision of the hours that were written but stand behind one that is not over yet."""
        self._task: asyncio.Task[None] | None = None
        self.imported = 0
        """Hours of nodes written since the start."""

    @callback
    def schedule(self) -> None:
        """Import what changed, soon; while an import runs, the next one waits for the next call."""
        if self._task is None or self._task.done():
            self._task = self._hass.async_create_background_task(self._import(), "microgrid statistics")

    async def async_stop(self) -> None:
        """Let the import that runs go: what it did not finish is done again after the next start."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    def id_of(self, node_id: str, key: str) -> str:
        """Return the id of the statistic of a metric."""
        return statistic_id(self._swarm.swarm_id, node_id, key)

    async def _import(self) -> None:
        try:
            await self.async_import()
        except ArchiveError as error:  # the historian tells the user; what was not done stays marked
            _LOGGER.debug("statistics wait for the archive: %s", error)

    async def async_import(self) -> int:
        """Write what changed since the last call; returns the number of hours of nodes."""
        if RECORDER not in self._hass.config.components:
            return 0
        done = 0
        async with self._running:
            while (archive := self._archive()) is not None:
                count, more = await self._import_some(archive)
                done += count
                if not more:
                    break
        self.imported += done
        return done

    async def _import_some(self, archive: Archive) -> tuple[int, bool]:
        """Write a part of what changed; returns the number of hours and whether there may be more."""
        now_s = int(dt_util.utcnow().timestamp())
        changes: list[tuple[str, int, int]] = await self._write(_changes, archive)
        work: dict[str, set[int]] = {}
        open_revisions = []
        for node_id, hour_s, revision in changes:
            if hour_s + _HOUR_S > now_s:
                open_revisions.append(revision)
            elif self._written.get((node_id, hour_s)) != revision:
                work.setdefault(node_id, set()).add(hour_s)
        end_s = now_s // _HOUR_S * _HOUR_S
        if work:
            existing = await self._existing()
            names = await self._names()
            for node_id, hours in work.items():
                await self._write_node(archive, node_id, hours, end_s, existing, names)
            await self._on_disk()  # or it is done again
        if changes:
            seen = min(open_revisions) - 1 if open_revisions else changes[-1][2]
            await self._write(_seen, archive, seen)
            self._written = {
                (node_id, hour_s): revision
                for node_id, hour_s, revision in changes
                if revision > seen and hour_s + _HOUR_S <= now_s
            }
        return sum(map(len, work.values())), bool(work) and len(changes) == _CHANGES

    async def _existing(self) -> set[str]:
        """Return the ids of our statistics that the recorder has; after the loss of its database, none."""

        def read() -> set[str]:
            return set(get_metadata(self._hass, statistic_source=DOMAIN))

        return await get_instance(self._hass).async_add_executor_job(read)

    async def _names(self) -> dict[str, str]:
        language = self._hass.config.language
        found: dict[str, str] = {}
        for category in ("entity", "device"):
            found |= await async_get_translations(self._hass, language, category, {DOMAIN})
        return found

    async def _write_node(
        self,
        archive: Archive,
        node_id: str,
        hours: set[int],
        end_s: int,
        existing: set[str],
        names: Mapping[str, str],
    ) -> None:
        """Write the given hours of one node, of a new statistic all there are."""
        units = await self._hass.async_add_executor_job(archive.queries.channels, node_id)
        channels = self._channels(node_id, units)
        for known in (True, False):
            some = [channel for channel in channels if (channel.statistic_id in existing) is known]
            if some:
                await self._write_channels(archive, node_id, some, hours if known else None, end_s, names)

    def _channels(self, node_id: str, units: Mapping[str, str]) -> list[_Channel]:
        node = self._swarm.nodes.get(node_id)
        found = []
        for key, unit in units.items():
            metric = (node.kind.by_key if node else _METRICS).get(key)
            shape = _SHAPES.get(metric.device_class or "") if metric else None
            if metric is not None and shape is not None and shape.logged == unit:
                found.append(_Channel(metric, shape, self.id_of(node_id, key)))
        return found

    async def _write_channels(
        self,
        archive: Archive,
        node_id: str,
        channels: list[_Channel],
        hours: set[int] | None,
        end_s: int,
        names: Mapping[str, str],
    ) -> None:
        """Write channels of one node; hours None: all there are."""
        by_key = {channel.metric.key: channel for channel in channels}
        first_s = min(hours) if hours else 0
        found = await self._hass.async_add_executor_job(_read, archive, node_id, by_key, first_s, end_s)
        for key, history in found.means.items():
            await self._queue(node_id, by_key[key], _mean_rows(by_key[key].shape, history, hours), names)
        for key, whole in found.growths.items():
            grown, base = whole, None
            if hours is not None:
                base = await self._base(by_key[key], grown)
                if base is None and grown.previous is not None:
                    # The recorder lacks the hour that these follow: begin at the beginning.
                    again = await self._hass.async_add_executor_job(
                        _read, archive, node_id, {key: by_key[key]}, 0, end_s
                    )
                    grown = again.growths[key]
                    base = await self._base(by_key[key], grown)
            await self._queue(node_id, by_key[key], _sum_rows(by_key[key], grown, base), names)

    async def _base(self, channel: _Channel, grown: Growth) -> _Base | None:
        """Return the row that the first hour follows: of the archive's hour before, or the newest older."""
        first_s = int(grown.times_s[0])
        start_s, end_s = (
            (0, first_s) if grown.previous is None else (grown.previous[0], grown.previous[0] + _HOUR_S)
        )

        def read() -> _Base | None:
            ids = channel.statistic_id
            if grown.previous is None:
                newest = get_last_statistics(self._hass, 1, ids, False, {"sum", "state"}).get(ids, [])
                if not newest or newest[0]["start"] < first_s:
                    return _Base.of(newest)
            rows = statistics_during_period(
                self._hass, _utc(start_s), _utc(end_s), {ids}, "hour", None, {"sum", "state"}
            )
            return _Base.of(rows.get(ids, []))

        return await get_instance(self._hass).async_add_executor_job(read)

    async def _queue(
        self, node_id: str, channel: _Channel, rows: Iterable[StatisticData], names: Mapping[str, str]
    ) -> None:
        """Give rows to the recorder, and wait for it after each large piece."""
        metadata = StatisticMetaData(
            mean_type=StatisticMeanType.NONE if channel.metric.counter else StatisticMeanType.ARITHMETIC,
            has_sum=channel.metric.counter,
            name=self._name(node_id, channel.metric, names),
            source=DOMAIN,
            statistic_id=channel.statistic_id,
            unit_class=channel.shape.unit_class,
            unit_of_measurement=channel.shape.unit,
        )
        for piece in itertools.batched(rows, _ROWS, strict=False):
            async_add_external_statistics(self._hass, metadata, piece)
            if len(piece) == _ROWS:
                await self._on_disk()

    async def _on_disk(self) -> None:
        """Wait until the recorder has stored what it was given.

        Its own `async_block_till_done` takes an empty queue for the end, also while the recorder is at work
        on what it took out last.
        """
        stored: asyncio.Future[None] = self._hass.loop.create_future()
        get_instance(self._hass).queue_task(SynchronizeTask(stored))
        await stored

    def _name(self, node_id: str, metric: Metric, names: Mapping[str, str]) -> str:
        """Return what people call the metric: of which node, of which part of it, in their language."""
        node = self._swarm.nodes.get(node_id)
        prefix = f"component.{DOMAIN}"
        name = names.get(f"{prefix}.entity.sensor.{metric.name}.name", metric.name)
        for placeholder, value in metric.placeholders:
            name = name.replace(f"{{{placeholder}}}", value)
        part = names.get(f"{prefix}.device.{metric.component}.name", "") if metric.component else ""
        return " ".join(word for word in (node.name if node else node_id, part, name) if word)


@dataclass(frozen=True, slots=True)
class _Base:
    """The row of a counter that new ones follow."""

    time_s: int
    sum: float
    state: float | None

    @classmethod
    def of(cls, rows: list[StatisticsRow]) -> _Base | None:
        """Return the newest of some rows."""
        if not rows:
            return None
        newest = rows[-1]
        return cls(int(newest["start"]), newest.get("sum") or 0.0, newest.get("state"))


def _changes(archive: Archive) -> list[tuple[str, int, int]]:
    cursor = archive.cursor(SINK)
    cursor.leave_frames()
    return cursor.changed_hours(_CHANGES)


def _seen(archive: Archive, revision: int) -> None:
    archive.cursor(SINK).seen(revision)


def _read(
    archive: Archive, node_id: str, channels: Mapping[str, _Channel], first_s: int, end_s: int
) -> _Found:
    """Read hours from `first_s` on: those of counters together with the one before."""
    queries = archive.queries
    means = [key for key, channel in channels.items() if not channel.metric.counter]
    rates = {key: rate for key, channel in channels.items() if (rate := channel.metric.max_rate) is not None}
    return _Found(
        queries.history(node_id, means, first_s, end_s, HOUR),
        growth(queries, node_id, rates, first_s, end_s),
    )


def _mean_rows(shape: _Shape, history: History, hours: set[int] | None) -> Iterator[StatisticData]:
    for time_s, mean, low, high in zip(
        history.times_s.tolist(),
        (history.mean * shape.factor).tolist(),
        (history.minimum * shape.factor).tolist(),
        (history.maximum * shape.factor).tolist(),
        strict=True,
    ):
        if hours is None or time_s in hours:
            yield StatisticData(start=_utc(time_s), mean=mean, min=low, max=high)


def _sum_rows(channel: _Channel, grown: Growth, base: _Base | None) -> Iterator[StatisticData]:
    """Yield the hours of a counter; growth in hours without samples is spread evenly over them."""
    factor = channel.shape.factor
    across = grown.across.tolist()
    total, before_s, state = 0.0, None, None
    if base is not None:
        total, before_s, state = base.sum, base.time_s, base.state
        if grown.previous is None and state is not None and channel.metric.max_rate is not None:
            # The archive began anew: the counter itself tells what happened in between.
            hours = (int(grown.times_s[0]) - base.time_s) / _HOUR_S
            across[0] = believable(state / factor, float(grown.first[0]), hours, channel.metric.max_rate)
    for time_s, gap, inside, last in zip(
        grown.times_s.tolist(), across, grown.within.tolist(), grown.last.tolist(), strict=True
    ):
        missing = range(before_s + _HOUR_S, time_s, _HOUR_S) if before_s is not None else range(0)
        for missing_s in missing:
            total += gap * factor / len(missing)
            yield StatisticData(start=_utc(missing_s), sum=total)
        total += (inside if missing else inside + gap) * factor
        state, before_s = last * factor, time_s
        yield StatisticData(start=_utc(time_s), state=state, sum=total)


def _utc(time_s: int) -> datetime:
    return datetime.fromtimestamp(time_s, UTC)
