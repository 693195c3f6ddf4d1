"""The tiers of the database: a retention policy of 1.x, a bucket of 2.x, a database of 3.x."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

DATABASE: Final = "microgrid"
_HOUR_S: Final = 3600
_DAY_S: Final = 24 * _HOUR_S
_ON_THE_WAY_S: Final = 600  # a batch that has to wait must not grow too old meanwhile


@dataclass(frozen=True, slots=True)
class Policy:
    """How long readings of one resolution are kept."""

    name: str
    keep_s: int
    """0: for ever."""
    shard_s: int
    """What the server drops in one piece."""
    precision: str = "ms"
    """Of the times that are written: `ms`, or `ns`."""

    @property
    def bucket(self) -> str:
        """Name in 2.x and 3.x, where databases have no policies."""
        return f"{DATABASE}/{self.name}"

    def lasts(self, keep_s: int) -> bool:
        """Whether a server that keeps its readings for `keep_s` (0: for ever) keeps them long enough."""
        return keep_s == 0 or 0 < self.keep_s <= keep_s

    def begins_s(self, now_s: float) -> float:
        """Return the oldest time that is worth sending: earlier points would be refused, or gone at once."""
        return now_s - self.keep_s + _ON_THE_WAY_S if self.keep_s else 0.0


SECONDS = Policy("rp_1s", _DAY_S, _HOUR_S)
MINUTES = Policy("rp_1m", 30 * _DAY_S, _DAY_S)
HOURS = Policy("rp_1h", 53 * 7 * _DAY_S, 7 * _DAY_S)  # 52 weeks are a day short of a year
EVENTS = Policy("events", 0, 52 * 7 * _DAY_S, "ns")

POLICIES: Final = (SECONDS, MINUTES, HOURS, EVENTS)
"""The first one is where queries without a policy look."""
