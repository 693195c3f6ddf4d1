"""How often something comes, learned from its arrivals, and when it has been away for too long."""

from __future__ import annotations

from collections import deque
from statistics import median

_ASSUMED_S = 900.0  # between two tellings of a value that came once: as seldom as any device speaks
_MISSED_SPACINGS = 4.0

_REMEMBERED = 5  # spacings; an outage among them does not move the median


class Rhythm:
    """The usual time between arrivals."""

    __slots__ = ("_enough", "_spacings", "last")

    def __init__(self, enough: int = 3) -> None:
        """Know nothing yet, and be sure of the rhythm after `enough` spacings."""
        self._enough = enough
        self.last: float | None = None
        """Monotonic time (s) of the newest arrival."""
        self._spacings: deque[float] = deque(maxlen=_REMEMBERED)

    def arrived(self, now: float) -> None:
        """Something came at monotonic time `now` (s)."""
        if self.last is not None:
            self._spacings.append(now - self.last)
        self.last = now

    @property
    def interval_s(self) -> float | None:
        """Median time between the newest arrivals; None while there are not enough."""
        return median(self._spacings) if len(self._spacings) >= self._enough else None

    def missed(self, now: float, intervals: float, at_least_s: float) -> bool:
        """Whether it has been away for so many intervals, and not less than `at_least_s`."""
        return self.last is not None and now - self.last > max(
            at_least_s, intervals * (self.interval_s or 0.0)
        )


class Pulse:
    """When a value was told last, and how far apart that usually is: two numbers, for thousands of values."""

    __slots__ = ("_last", "_spacing_s")

    def __init__(self, now: float) -> None:
        """It was told for the first time, at monotonic time `now` (s)."""
        self._last = now
        self._spacing_s = _ASSUMED_S

    def told(self, now: float) -> None:
        """It was told again; a long pause is forgotten by and by."""
        self._spacing_s = max(now - self._last, 0.5 * self._spacing_s)
        self._last = now

    def refused(self) -> None:
        """It was told, though as something that cannot be true: it is no slow one."""
        self._spacing_s *= 0.5

    def lost(self, now: float, at_least_s: float) -> bool:
        """Whether it was not told for far longer than usual, and not less than `at_least_s`."""
        return now - self._last > max(at_least_s, _MISSED_SPACINGS * self._spacing_s)
