"""The frames of a log in the daemon's file: numbered, kept until acknowledged, the oldest lost first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from microgrid_core.codec.umg1.records import Lost

from .store import Store

MOST_FRAMES: Final = 300_000
"""More than a month of readings every 10 s, some 45 MB."""
_GO_AT_ONCE: Final = 100
"""So small a part of them goes when there is no room: few reports of losses, and few readings lost."""


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """A place in the log of a node."""

    start: int
    """Which start of the daemon it was, counted from 1."""
    seq: int


@dataclass(frozen=True, slots=True)
class Page:
    """Frames in the order of the log."""

    data: bytes
    last: Place
    more: bool
    """Whether others follow."""


class FrameStore:
    """The newest frame stays when everything is acknowledged: from it the next start knows where it ended."""

    def __init__(self, store: Store, node: str, boot_id: int, *, most_frames: int = MOST_FRAMES) -> None:
        """Find what earlier starts left; `boot_id` is that of this one."""
        self.node = node
        self._store = store
        self._most_frames = most_frames
        self._starts: dict[int, Place] = {}
        """The last place of every start of which something is there, by its boot id, oldest first."""
        self._count = 0
        self._acknowledged = Place(0, 0)
        rows = store.ask(
            "SELECT start, boot_id, max(seq), count(*) FROM log WHERE node = ? GROUP BY start ORDER BY start",
            node,
        )
        for start, boot, last, count in rows:
            self._starts[boot] = Place(start, last)
            self._count += count
        self.boot_id = boot_id
        self.previous = next(reversed(self._starts.items()), None)
        """Boot id and last place of the start before this one."""
        self._start = 1 if self.previous is None else self.previous[1].start + 1
        self.next_seq = 0

    @property
    def full(self) -> bool:
        """Whether there is no room for more."""
        return self._count >= self._most_frames

    def add(self, frame: bytes) -> None:
        """Append the frame that has the next number; part of the caller's transaction."""
        place = Place(self._start, self.next_seq)
        with self._store.transaction(durable=False) as connection:
            connection.execute(
                "INSERT INTO log (node, start, seq, boot_id, frame) VALUES (?, ?, ?, ?, ?)",
                (self.node, place.start, place.seq, self.boot_id, frame),
            )
        self._starts[self.boot_id] = place
        self._count += 1
        self.next_seq += 1

    def page(self, most_bytes: int) -> Page | None:
        """Return the oldest frames that nobody acknowledged, at least one; None when there are none."""
        rows = self._store.ask(
            "SELECT start, seq, frame FROM log WHERE node = ? AND (start, seq) > (?, ?) "
            "ORDER BY start, seq LIMIT ?",
            *(self.node, self._acknowledged.start, self._acknowledged.seq),
            most_bytes // _SMALLEST + 1,
        )
        frames: list[bytes] = []
        size = 0
        for _, _, frame in rows:
            if frames and size + len(frame) > most_bytes:
                break
            frames.append(frame)
            size += len(frame)
        if not frames:
            return None
        start, seq, _ = rows[len(frames) - 1]
        return Page(b"".join(frames), Place(start, seq), len(frames) < len(rows))

    def acknowledge(self, boot_id: int, seq: int) -> Place | None:
        """Forget what somebody has; returns up to where, None when it is no news or never was sent."""
        last = self._starts.get(boot_id)
        if last is None or (boot_id == self.boot_id and seq > last.seq):
            return None
        # Of an earlier start a power cut may have taken the last frames from us, not from the receiver.
        place = Place(last.start, min(seq, last.seq))
        if place <= self._acknowledged:
            return None
        self._acknowledged = place
        newest = next(reversed(self._starts.values()))
        self._delete(min(place, Place(newest.start, newest.seq - 1)))
        return place

    def make_room(self) -> Sequence[Lost]:
        """Lose the oldest frames; returns what nobody had acknowledged."""
        [(start, seq)] = self._store.ask(
            "SELECT start, seq FROM log WHERE node = ? ORDER BY start, seq LIMIT 1 OFFSET ?",
            self.node,
            max(1, self._most_frames // _GO_AT_ONCE) - 1,
        )
        rows = self._store.ask(
            "SELECT boot_id, min(seq), max(seq) FROM log WHERE node = ? AND (start, seq) <= (?, ?) "
            "AND (start, seq) > (?, ?) GROUP BY start ORDER BY start",
            *(self.node, start, seq, self._acknowledged.start, self._acknowledged.seq),
        )
        self._delete(Place(start, seq))
        return [Lost(*row) for row in rows]

    def _delete(self, end: Place) -> None:
        """Delete everything up to a place."""
        with self._store.transaction(durable=False) as connection:
            gone = connection.execute(
                "DELETE FROM log WHERE node = ? AND (start, seq) <= (?, ?)", (self.node, end.start, end.seq)
            )
        self._count -= gone.rowcount
        for boot_id, last in list(self._starts.items()):
            if last <= end:
                del self._starts[boot_id]


_SMALLEST: Final = 44
"""Bytes of a frame: its header."""
