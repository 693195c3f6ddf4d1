"""Pattern: when the frequency left its band, how far, for how long, and who saw it.

From coarse to fine: only hours whose extremes leave the band have their minutes looked at, and only such
minutes their samples, so a calm year costs a year of hours.
"""

from __future__ import annotations

import itertools
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..buckets import Ints
from ..query import Floats, Series
from ..rollup import HOUR, MINUTE, Tier
from .source import SECOND_US, Role, Source, chosen, members

LOW_HZ, HIGH_HZ = 49.8, 50.2  # the standard range of EN 50160 and of the continental grid code is ±0.2 Hz
JOIN_S = 1.0
MAX_EPISODES = 1000
MAX_SAMPLED_MINUTES = 1440
"""Of each channel, the newest: a band that is always left would otherwise read every sample."""
SWARM = "swarm"
_CHANNELS = {
    Role.HOUSE: ("inverter_frequency",),
    Role.GATEWAY: ("cluster_frequency", "swarm_frequency"),
    Role.OTHER: (),
}


@dataclass(frozen=True, slots=True)
class Sighting:
    """What one node saw of an episode."""

    node: str
    channel: str
    start_utc_us: int
    end_utc_us: int
    """First and last sample outside the band; or the ends of the bucket, see `resolution_s`."""
    extreme_hz: float
    """Farthest from the band."""
    resolution_s: int
    """0: from samples. Else no samples are left (or too many minutes would have to be read) and a bucket of
    that length is known to hold samples outside."""


@dataclass(frozen=True, slots=True)
class Episode:
    """A time outside the band on one grid."""

    grid: str
    """The cluster, or `swarm` for the bus between clusters."""
    start_utc_us: int
    end_utc_us: int
    duration_s: float
    extreme_hz: float
    extreme_node: str
    first_node: str
    """Who left the band first, as exact as the clocks of the nodes."""
    sightings: tuple[Sighting, ...]
    """In the order of their starts."""


@dataclass(frozen=True, slots=True)
class OutsideBand:
    """Episodes of a time range."""

    start_utc_us: int
    end_utc_us: int
    low_hz: float
    high_hz: float
    episodes: tuple[Episode, ...]
    """In the order of time."""
    truncated: bool
    """Whether there were more; the oldest were left out."""


def outside_band(
    source: Source,
    start_us: int,
    end_us: int,
    *,
    low_hz: float = LOW_HZ,
    high_hz: float = HIGH_HZ,
    minimum_s: float = 0.0,
    join_s: float = JOIN_S,
    nodes: Collection[str] | None = None,
) -> OutsideBand:
    """Return the episodes with samples below `low_hz` or above `high_hz` within start ≤ UTC < end.

    Samples of a channel that lie outside and at most `join_s` apart are one sighting; it counts when its
    last sample is at least `minimum_s` after its first. Sightings on one grid that overlap or are at most
    `join_s` apart are one episode.
    """
    if not low_hz < high_hz:
        raise ValueError(f"a band from {low_hz:g} to {high_hz:g} Hz is empty")
    band = _Band(low_hz, high_hz)
    join_us = round(join_s * SECOND_US)
    grids: dict[str, list[Sighting]] = {}
    for member in chosen(members(source), nodes):
        for name in _CHANNELS[member.role]:
            channel = _Channel(source, member.node, name, band, join_us)
            grid = SWARM if name == "swarm_frequency" else member.cluster or member.node
            grids.setdefault(grid, []).extend(
                one
                for one in channel.sightings(start_us, end_us)
                if one.end_utc_us - one.start_utc_us >= minimum_s * SECOND_US
            )
    episodes = [one for grid, found in grids.items() for one in _episodes(grid, found, join_us, band)]
    episodes.sort(key=lambda one: (one.start_utc_us, one.grid))
    kept = tuple(episodes[-MAX_EPISODES:])
    return OutsideBand(start_us, end_us, low_hz, high_hz, kept, len(kept) < len(episodes))


@dataclass(frozen=True, slots=True)
class _Band:
    low: float
    high: float

    def left(self, low: Floats, high: Floats) -> NDArray[np.bool_]:
        """Whether values from `low` to `high` leave the band."""
        return (low < self.low) | (high > self.high)

    def distance(self, value: float) -> float:
        """How far outside a value is."""
        return max(self.low - value, value - self.high)


@dataclass(frozen=True, slots=True)
class _Channel:
    source: Source
    node: str
    name: str
    band: _Band
    join_us: int

    def sightings(self, start_us: int, end_us: int) -> list[Sighting]:
        """Return what lies outside, in the order of time."""
        found: list[Sighting] = []
        suspect_minutes: list[int] = []
        first_s, end_s = start_us // SECOND_US, -(-end_us // SECOND_US)
        for hour_s, extreme in self._suspects(first_s, end_s, HOUR):
            stop_s = hour_s + HOUR.bucket_s
            minutes = self._suspects(hour_s, stop_s, MINUTE)
            inside = [minute_s for minute_s, _ in minutes if first_s - 60 < minute_s < end_s]
            if minutes:
                suspect_minutes += inside
            else:
                found.append(self._bucket(hour_s, extreme, HOUR))
        sampled = set(suspect_minutes[-MAX_SAMPLED_MINUTES:])
        found += self._coarse([minute for minute in suspect_minutes if minute not in sampled])
        unseen = set(sampled)
        for run_start_s, run_end_s in _runs(sorted(sampled)):
            for series in self._samples(run_start_s * SECOND_US, run_end_s * SECOND_US):
                outside = self.band.left(series.values, series.values)
                times, values = series.times_us[outside], series.values[outside]
                unseen -= set((times // (60 * SECOND_US) * 60).tolist())
                inside_range = (times >= start_us) & (times < end_us)
                found += self._collected(times[inside_range], values[inside_range])
        found += self._coarse(sorted(unseen))
        return list(self._merged(found))

    def _suspects(self, start_s: int, end_s: int, tier: Tier) -> list[tuple[int, float]]:
        """Return the buckets that overlap the range and leave the band, with their extremes."""
        aligned_s = start_s // tier.bucket_s * tier.bucket_s
        history = self.source.history(self.node, (self.name,), aligned_s, end_s, tier).get(self.name)
        if history is None:
            return []
        outside = self.band.left(history.minimum, history.maximum)
        return [
            (int(time_s), self._farther(float(low), float(high)))
            for time_s, low, high in zip(
                history.times_s[outside], history.minimum[outside], history.maximum[outside], strict=True
            )
        ]

    def _samples(self, start_us: int, end_us: int) -> Iterator[Series]:
        for piece in self.source.stream(self.node, (self.name,), start_us, end_us):
            yield from piece.values()

    def _coarse(self, minutes: list[int]) -> Iterator[Sighting]:
        """Yield minutes of which no sample outside can be read."""
        for start_s, end_s in _runs(minutes):
            for minute_s, extreme in self._suspects(start_s, end_s, MINUTE):
                yield self._bucket(minute_s, extreme, MINUTE)

    def _bucket(self, time_s: int, extreme: float, tier: Tier) -> Sighting:
        start_us = time_s * SECOND_US
        end_us = start_us + tier.bucket_s * SECOND_US
        return Sighting(self.node, self.name, start_us, end_us, extreme, tier.bucket_s)

    def _collected(self, times: Ints, values: Floats) -> Iterator[Sighting]:
        """Yield stretches of samples that are near enough to each other."""
        if not len(times):
            return
        cuts = np.flatnonzero(np.diff(times) > self.join_us) + 1
        for part_times, part in zip(np.split(times, cuts), np.split(values, cuts), strict=True):
            extreme = self._farther(float(part.min()), float(part.max()))
            yield Sighting(self.node, self.name, int(part_times[0]), int(part_times[-1]), extreme, 0)

    def _merged(self, found: list[Sighting]) -> Iterator[Sighting]:
        """Join what the pieces that were read cut apart."""
        found.sort(key=lambda one: one.start_utc_us)
        for one, joined in _chained(found, self.join_us):
            extreme = self._farther(*(part.extreme_hz for part in joined))
            end_us = max(part.end_utc_us for part in joined)
            resolution_s = max(part.resolution_s for part in joined)
            yield Sighting(self.node, self.name, one.start_utc_us, end_us, extreme, resolution_s)

    def _farther(self, *values: float) -> float:
        return max(values, key=self.band.distance)


def _runs(minutes: list[int]) -> Iterator[tuple[int, int]]:
    """Yield start and end (s) of minutes that follow each other."""
    for _, group in itertools.groupby(enumerate(minutes), key=lambda one: one[1] - 60 * one[0]):
        run = [minute for _, minute in group]
        yield run[0], run[-1] + 60


def _chained(found: Iterable[Sighting], join_us: int) -> Iterator[tuple[Sighting, list[Sighting]]]:
    """Yield groups of sightings (in the order of their starts) that overlap or nearly touch."""
    group: list[Sighting] = []
    end_us = 0
    for one in found:
        if group and one.start_utc_us > end_us + join_us:
            yield group[0], group
            group = []
        end_us = max(end_us, one.end_utc_us) if group else one.end_utc_us
        group.append(one)
    if group:
        yield group[0], group


def _episodes(grid: str, sightings: list[Sighting], join_us: int, band: _Band) -> Iterator[Episode]:
    sightings.sort(key=lambda one: (one.start_utc_us, one.node, one.channel))
    for first, group in _chained(sightings, join_us):
        end_us = max(one.end_utc_us for one in group)
        extreme = max(group, key=lambda one: band.distance(one.extreme_hz))
        yield Episode(
            grid,
            first.start_utc_us,
            end_us,
            (end_us - first.start_utc_us) / SECOND_US,
            extreme.extreme_hz,
            extreme.node,
            first.node,
            tuple(group),
        )
