"""What an InfluxDB is fed with: lines of every tier and of events, read off the archive by its own cursor.

Everything blocks and belongs in the executor. Asking for the next step says that the one before it is done:
only then the cursor moves. What is sent again overwrites itself. The feed itself only reads; what it wants
changed in the archive are steps too, so that their time is chosen by whoever takes them.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Generator, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Final

import numpy as np
from numpy.typing import NDArray

from .core.archive.archive import Archive
from .core.archive.growth import growth
from .core.archive.query import History, Queries
from .core.archive.rollup import DAY, HOUR, MINUTE
from .core.codec.umg1.frame import Frame, Kind
from .core.codec.umg1.records import Event
from .core.codec.umg1.wire import Malformed
from .core.influx.layout import infer_kind, layout
from .core.influx.line import Column
from .core.influx.points import (
    Subject,
    bucket_lines,
    bucket_means,
    day_lines,
    event_line,
    second_lines,
    seconds,
)
from .core.influx.tiers import EVENTS, HOURS, MINUTES, SECONDS, Policy

BATCH_LINES: Final = 4000
CHANGED_AT_ONCE: Final = 240
"""Hours of nodes that are confirmed together; after a failure so many are sent again."""
ROLL_UP_BATCHES: Final = 1
"""Hours of a node that are rolled up in one change: others wait so long."""
_HOUR_S, _MINUTE_S, _DAY_S = 3600, 60, 86_400
_EARLIEST_US: Final = 1_577_836_800_000_000  # 2020: an earlier time is a clock that was never set
_LATEST_AHEAD_US: Final = 86_400_000_000
_REMEMBER_S: Final = 26 * 3600
"""Of fingerprints: a little more than the tier of seconds keeps."""


@dataclass(frozen=True, slots=True)
class Identity:
    """What a node is and where it belongs."""

    kind: str
    cluster: str


@dataclass(frozen=True, slots=True)
class Parcel:
    """Lines for one tier."""

    policy: Policy
    lines: list[bytes]
    newest_s: float = 0.0
    """Time of the newest reading in it."""


@dataclass(slots=True)
class Change:
    """Something to be done to the archive."""

    work: Callable[[], object]
    result: object = None

    def make(self) -> None:
        """Do it."""
        self.result = self.work()


class Feed:
    """Everything that a server has not got yet. Making one and `restart` change the archive."""

    def __init__(
        self,
        archive: Archive,
        cursor: str,
        swarm: str,
        identities: Mapping[str, Identity],
        *,
        now_s: Callable[[], float] = time.time,
    ) -> None:
        """Register the cursor; `identities` may be changed from outside between steps."""
        self.identities = identities
        self.infer = False
        """Whether nodes without identity are taken for what they log; until then they hold up the rest."""
        self.held = False
        """Whether the last parcels ended before one of those nodes."""
        self._archive = archive
        self._cursor = archive.cursor(cursor)
        self._swarm = swarm
        self._now_s = now_s
        self._prints: dict[tuple[str, int], NDArray[np.int64]] = {}
        """What was sent of the minutes of an hour, by node and hour."""
        self._dated: dict[str, set[int]] = {}
        """Boots whose events of unknown time were sent, once the archive knew it."""

    def behind(self) -> dict[str, int]:
        """Return the bytes of the log that wait, by node."""
        return self._cursor.behind()

    def restart(self) -> None:
        """Begin anew with everything that the archive holds."""
        name = self._cursor.name
        self._cursor.remove()
        self._cursor = self._archive.cursor(name)
        self._prints.clear()
        self._dated.clear()

    def steps(self) -> Generator[Parcel | Change]:
        """Yield what waits, oldest first, and the changes to the archive that belong between."""
        self.held = False
        for node in self._archive.nodes():
            while True:
                yield (some := Change(partial(self._archive.roll_up, node, ROLL_UP_BATCHES)))
                if not some.result:
                    break
        yield from self._roll_ups()
        yield from self._events()
        floor_s = self._now_s() - _REMEMBER_S
        for key in [key for key in self._prints if key[1] < floor_s]:
            del self._prints[key]

    # ------------------------------------------------------------------------------------------- readings

    def _roll_ups(self) -> Iterator[Parcel | Change]:
        while rows := self._changed():
            revision = rows[-1][2]
            hours: dict[str, list[int]] = {}
            for node, hour_s, _ in rows:
                hours.setdefault(node, []).append(hour_s)
            subjects = {node: self._subject(node) for node in hours}
            if not self.infer and None in subjects.values():
                self.held = True
                return
            for node, subject in subjects.items():
                if subject is not None:
                    for start_s, end_s in _runs(sorted(set(hours[node]))):
                        yield from self._run(subject, start_s, end_s)
            yield Change(partial(self._cursor.seen, revision))

    def _changed(self) -> list[tuple[str, int, int]]:
        """Return nodes and hours of the next revisions, each revision whole."""
        rows = self._cursor.changed_hours(CHANGED_AT_ONCE)
        if len(rows) < CHANGED_AT_ONCE:
            return rows
        whole = [row for row in rows if row[2] != rows[-1][2]]
        return whole or self._cursor.changed_hours(1 << 31)

    def _subject(self, node: str) -> Subject | None:
        identity = self.identities.get(node)
        if identity is None and self.infer:
            kind = infer_kind(self._archive.channels(node).keys())
            identity = None if kind is None else Identity(kind, node if kind == "gateway" else "")
        return (
            None if identity is None else Subject(self._swarm, identity.cluster, node, layout(identity.kind))
        )

    def _run(self, subject: Subject, start_s: int, end_s: int) -> Iterator[Parcel]:
        """Yield consecutive hours of one node within one day, in all tiers."""
        queries, node, now_s = self._archive.queries, subject.node, self._now_s()
        names = subject.layout.kind.by_key.keys()
        minutes = queries.history(node, names, start_s, end_s, MINUTE)
        prints = _fingerprints(minutes, start_s, end_s)
        changed = self._changed_minutes(node, start_s, prints)
        finer: dict[str, list[Column]] = {}
        for first_s, last_s in _stretches(changed, start_s, SECONDS.begins_s(now_s)):
            series = queries.series(node, names, first_s * 1_000_000, last_s * 1_000_000)
            columns = seconds(subject, series)
            yield from _parcels(SECONDS, second_lines(subject, columns), last_s)
            for place in subject.layout.derived:
                if (column := columns.get(place.metric.key)) is not None:
                    finer.setdefault(place.metric.key, []).append(column)
        joined = {
            key: Column(
                np.concatenate([part.times for part in parts]),
                np.concatenate([part.values for part in parts]),
            )
            for key, parts in finer.items()
        }
        chosen = {
            name: _only(history, start_s, changed, MINUTES.begins_s(now_s))
            for name, history in minutes.items()
        }
        yield from _parcels(MINUTES, bucket_lines(subject, chosen, _MINUTE_S, joined), end_s)
        first_s = max(start_s, int(HOURS.begins_s(now_s)))
        hours = queries.history(node, names, first_s, end_s, HOUR)
        by_minute = bucket_means(subject.layout, minutes)
        yield from _parcels(HOURS, bucket_lines(subject, hours, _HOUR_S, by_minute), end_s)
        day_s = start_s // _DAY_S * _DAY_S
        days = _believed(queries, subject, day_s, queries.history(node, names, day_s, day_s + _DAY_S, DAY))
        yield from _parcels(EVENTS, day_lines(subject, days), end_s)
        for number, hour_s in enumerate(range(start_s, end_s, _HOUR_S)):
            if hour_s >= now_s - _REMEMBER_S:
                self._prints[node, hour_s] = prints[number * 60 : number * 60 + 60]

    def _changed_minutes(self, node: str, start_s: int, prints: NDArray[np.int64]) -> NDArray[np.bool_]:
        unknown = np.full(60, -1, np.int64)
        before = np.concatenate(
            [
                self._prints.get((node, start_s + number * _HOUR_S), unknown)
                for number in range(len(prints) // 60)
            ]
        )
        changed: NDArray[np.bool_] = (prints != before) & (prints != 0)
        # A clock record also moves the samples of the minute before it a little, which no sum of it may tell.
        changed[:-1] |= changed[1:]
        changed &= prints != 0
        return changed

    # --------------------------------------------------------------------------------------------- events

    def _events(self) -> Iterator[Parcel | Change]:
        for node in self._archive.nodes():
            subject = self._subject(node)
            if subject is None and not self.infer:
                continue
            while (delivery := self._cursor.read(node)) is not None:
                if subject is not None:
                    yield from _parcels(EVENTS, self._event_lines(subject, delivery.frames), 0.0)
                yield Change(partial(self._cursor.advance, node, delivery.place))

    def _event_lines(self, subject: Subject, frames: tuple[Frame, ...]) -> Iterator[bytes]:
        """Yield events with the time that their frames tell, which never changes.

        Events of a boot that did not know the time wait until the archive does.
        """
        node = subject.node
        dated = self._dated.setdefault(node, set())
        fresh = {frame.boot_id for frame in frames if self._has_time(frame)} - dated
        late: list[tuple[int | None, Frame]] = []
        if fresh:
            late = [
                # Later clock records may still move it a little; a whole second is the same after a restart.
                (None if utc_us is None else utc_us // 1_000_000 * 1_000_000, frame)
                for utc_us, frame in self._archive.records(node, Kind.EVENT)
                if frame.boot_id in fresh and not self._has_time(frame)
            ]
            dated |= fresh
        now = [
            (frame.utc_us, frame) for frame in frames if frame.kind == Kind.EVENT and self._has_time(frame)
        ]
        if not late and not now:
            return
        schemas = self._archive.schemas(node)
        for utc_us, frame in (*late, *now):
            try:
                event = Event.parse(frame.payload)
            except Malformed:
                continue
            if utc_us is not None:
                yield event_line(subject, event, schemas.get(frame.schema_hash), utc_us, frame.seq)

    def _has_time(self, frame: Frame) -> bool:
        return _EARLIEST_US <= frame.utc_us <= self._now_s() * 1e6 + _LATEST_AHEAD_US


def _believed(
    queries: Queries, subject: Subject, day_s: int, days: Mapping[str, History]
) -> dict[str, History]:
    """Return a day with what its counters can have grown, as far as its hours are still there."""
    rates = {
        key: rate
        for key, place in subject.layout.places.items()
        if place.counter and (rate := place.metric.max_rate) is not None
    }
    grown = growth(queries, subject.node, rates, day_s, day_s + _DAY_S)
    return dict(days) | {
        name: replace(days[name], gain=np.array([found.total.sum()]))
        for name, found in grown.items()
        if name in days
    }


def _parcels(policy: Policy, lines: Iterator[bytes], newest_s: float) -> Iterator[Parcel]:
    while batch := list(itertools.islice(lines, BATCH_LINES)):
        yield Parcel(policy, batch, newest_s)


def _runs(hours: list[int]) -> Iterator[tuple[int, int]]:
    """Yield stretches of consecutive hours that do not cross midnight (UTC)."""
    start_s = end_s = hours[0]
    for hour_s in hours:
        if hour_s != end_s or hour_s % _DAY_S == 0:
            if end_s > start_s:
                yield start_s, end_s
            start_s = hour_s
        end_s = hour_s + _HOUR_S
    yield start_s, end_s


def _stretches(changed: NDArray[np.bool_], start_s: int, floor_s: float) -> Iterator[tuple[int, int]]:
    """Yield stretches of changed minutes after `floor_s`, none longer than an hour."""
    at = start_s + _MINUTE_S * np.flatnonzero(changed)
    at = at[at >= floor_s]
    for _, group in itertools.groupby(
        enumerate(at.tolist()), key=lambda item: (item[1] - item[0] * _MINUTE_S, item[1] // _HOUR_S)
    ):
        found = [time_s for _, time_s in group]
        yield found[0], found[-1] + _MINUTE_S


def _fingerprints(minutes: Mapping[str, History], start_s: int, end_s: int) -> NDArray[np.int64]:
    """Return a number for each minute that changes with its readings; 0 where there are none."""
    prints = np.zeros((end_s - start_s) // _MINUTE_S, np.int64)
    for name, history in sorted(minutes.items()):
        at = (history.times_s - start_s) // _MINUTE_S
        salt = hash(name)
        for values in (history.count.astype(np.float64), history.mean, history.first, history.last):
            salt = salt * 31 % (1 << 61) + 1
            mixed = np.ascontiguousarray(values).view(np.int64) ^ np.int64(salt)
            prints[at] = prints[at] * np.int64(1_099_511_628_211) + mixed  # as FNV does, wrapping
        prints[at] |= 1
    return prints


def _only(history: History, start_s: int, wanted: NDArray[np.bool_], floor_s: float) -> History:
    """Return the wanted minutes of a history."""
    keep = wanted[(history.times_s - start_s) // _MINUTE_S] & (history.times_s >= floor_s)
    return replace(
        history,
        **{
            name: getattr(history, name)[keep]
            for name in (
                *("times_s", "count", "minimum", "maximum", "mean"),
                *("first", "last", "positive", "negative", "gain"),
            )
        },
    )
