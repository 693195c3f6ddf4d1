"""When a changed value is worth telling: dead-bands and minimum intervals, in three profiles."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto

from .metric import Metric, Value, ValueType


@dataclass(frozen=True, slots=True)
class Profile:
    """How closely states follow the values."""

    name: str
    interval_s: float
    """Least time between two writes of a slowly moving value."""
    factor: float
    """Multiplies every dead-band."""
    urgent: float
    """A change of this many dead-bands is told at once."""


CALM = Profile("calm", 60.0, 2.0, 10.0)
NORMAL = Profile("normal", 5.0, 1.0, 8.0)
DETAILED = Profile("detailed", 1.0, 0.5, 1.0)
PROFILES = {profile.name: profile for profile in (CALM, NORMAL, DETAILED)}


class Verdict(Enum):
    """What to do with a changed value."""

    TELL = auto()
    WAIT = auto()
    """Worth telling, but not before the interval is over."""
    IGNORE = auto()


@dataclass(slots=True)
class DeadBand:
    """Decides for one metric; remembers what was told last."""

    metric: Metric
    profile: Profile
    interval_s: float
    """The profile's interval, or the user's own."""
    told: Value | None = None
    told_at: float = float("-inf")

    def judge(self, value: Value | None, now: float) -> Verdict:
        """Judge `value` at monotonic time `now` (s)."""
        if value == self.told:
            return Verdict.IGNORE
        if value is None or self.told is None or self.metric.value is not ValueType.NUMBER:
            return Verdict.TELL
        change = abs(float(value) - float(self.told))
        band = self.metric.dead_band * self.profile.factor
        if change < band:
            return Verdict.IGNORE
        if now - self.told_at >= self.interval_s or (band > 0.0 and change >= band * self.profile.urgent):
            return Verdict.TELL
        return Verdict.WAIT

    def tell(self, value: Value | None, now: float) -> None:
        """Remember that `value` was written at `now`."""
        self.told, self.told_at = value, now
