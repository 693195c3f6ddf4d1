"""A limit with two levels, a delay, a hysteresis and a cooldown: one state machine for every alarm."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..contract.messages import EventState, Severity

COOLDOWN_S = 300.0

_LEVELS = (Severity.WARNING, Severity.CRITICAL)


@dataclass(frozen=True, slots=True)
class Limit:
    """When a quantity is out of bounds. It has a direction: `clear`, `warning`, `critical` rise or fall."""

    code: str
    key: str
    """Metric that is watched."""
    warning: float
    critical: float
    clear: float
    """Back within bounds; the distance to `warning` is the hysteresis."""
    delay_s: float
    """How long the quantity must stay beyond a level before it counts."""
    cooldown_s: float = COOLDOWN_S
    """After an alarm was raised, no alarm of the same level before this is over."""

    def __post_init__(self) -> None:
        """Refuse levels out of order."""
        if not (self.clear < self.warning <= self.critical or self.clear > self.warning >= self.critical):
            raise ValueError(
                f"{self.code}: clear {self.clear:g}, warning {self.warning:g}, critical {self.critical:g} "
                "must rise or fall in this order"
            )

    @property
    def above(self) -> bool:
        """Whether large values are bad."""
        return self.warning > self.clear

    def threshold(self, level: Severity) -> float:
        """Return the bound of a level."""
        return self.critical if level is Severity.CRITICAL else self.warning


@dataclass(frozen=True, slots=True)
class Alarm:
    """A limit was passed, got worse, or is kept again."""

    code: str
    state: EventState
    severity: Severity
    key: str
    value: float | None
    """None when the alarm ended because its limit was taken away."""
    threshold: float


class LimitWatch:
    """Watches one limit. Between readings the newest value holds: call `poll` at `due`."""

    __slots__ = ("_beyond_since", "_raised", "_value", "active", "limit")

    def __init__(self, limit: Limit) -> None:
        """Start with everything in order."""
        self.limit = limit
        self.active: Severity | None = None
        """Worst level of the alarm that is on; it stays until the alarm is cleared."""
        self._value: float | None = None
        self._beyond_since: dict[Severity, float] = {}
        self._raised: dict[Severity, float] = {}

    def update(self, value: float | None, now: float) -> Alarm | None:
        """Take a reading at monotonic time `now` (s); None says nothing and leaves an alarm as it is."""
        self._value = value
        for level in _LEVELS:
            if value is None or not self._beyond(value, self.limit.threshold(level)):
                self._beyond_since.pop(level, None)
            else:
                self._beyond_since.setdefault(level, now)
        if value is not None and self.active is not None and not self._beyond(value, self.limit.clear):
            severity, self.active = self.active, None
            return self._alarm(EventState.CLEARED, severity, self.limit.clear)
        return self.poll(now)

    def poll(self, now: float) -> Alarm | None:
        """Raise what has been beyond its limit for long enough."""
        for level in reversed(_LEVELS):
            if (due := self._due(level)) is not None and now >= due:
                self.active = level
                for lower in _LEVELS[: _LEVELS.index(level) + 1]:
                    self._raised[lower] = now
                return self._alarm(EventState.RAISED, level, self.limit.threshold(level))
        return None

    def withdraw(self) -> Alarm | None:
        """End the watch; an alarm that is on is cleared."""
        if self.active is None:
            return None
        severity, self.active = self.active, None
        return Alarm(self.limit.code, EventState.CLEARED, severity, self.limit.key, None, self.limit.clear)

    @property
    def due(self) -> float | None:
        """When `poll` will have something to raise, if the value stays; None for never."""
        return earliest([self._due(level) for level in _LEVELS])

    def _due(self, level: Severity) -> float | None:
        if level not in self._beyond_since or self.active in _LEVELS[_LEVELS.index(level) :]:
            return None
        return max(
            self._beyond_since[level] + self.limit.delay_s,
            self._raised.get(level, float("-inf")) + self.limit.cooldown_s,
        )

    def _beyond(self, value: float, bound: float) -> bool:
        return value > bound if self.limit.above else value < bound

    def _alarm(self, state: EventState, severity: Severity, threshold: float) -> Alarm:
        return Alarm(self.limit.code, state, severity, self.limit.key, self._value, threshold)


def earliest(times: Sequence[float | None]) -> float | None:
    """Return the smallest of the times that are not None."""
    return min((time for time in times if time is not None), default=None)
