"""The clock of a lab whose time runs faster than ours: one file tells all its programs what time it is."""

from __future__ import annotations

import json
import os
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Self

_real_time = time.time  # script/lab/swift_hass.py replaces the name in `time`
_real_monotonic = time.monotonic


@dataclass(frozen=True, slots=True)
class Clock:
    """Begins in the past at the usual pace, runs faster from a moment on, until it has caught up.

    All programs of a machine share the monotonic clock, so they agree to the microsecond.
    """

    monotonic_s: float
    """When it began, by the monotonic clock of the machine."""
    utc_s: float
    """What it showed then, seconds since 1970."""
    lead_s: float
    """How far ahead of it the present was then: told once, so that all agree when it has caught up."""
    speed: float = 1.0
    faster_from_s: float | None = None
    """From when on it runs faster, by the monotonic clock; None: not yet."""

    @classmethod
    def beginning(cls, utc_s: float, speed: float) -> Self:
        """Return one that begins now."""
        return cls(_real_monotonic(), utc_s, max(_real_time() - utc_s, 0.0), speed)

    def _caught_up_s(self, monotonic_s: float) -> float:
        """Return how much of the lead is made up for at an instant of the monotonic clock; at most all."""
        if self.faster_from_s is None or monotonic_s <= self.faster_from_s:
            return 0.0
        return min((monotonic_s - self.faster_from_s) * (self.speed - 1.0), self.lead_s)

    def elapsed_s(self, monotonic_s: float) -> float:
        """Return how much time it showed since its beginning, at an instant of the monotonic clock."""
        return monotonic_s - self.monotonic_s + self._caught_up_s(monotonic_s)

    def utc_at_s(self, monotonic_s: float) -> float:
        """Return what it shows at an instant of the monotonic clock, seconds since 1970."""
        return self.utc_s + self.elapsed_s(monotonic_s)

    def pace_at(self, monotonic_s: float) -> float:
        """Return how fast it runs."""
        if self.faster_from_s is None or monotonic_s <= self.faster_from_s or self.caught_up_at(monotonic_s):
            return 1.0
        return self.speed

    def caught_up_at(self, monotonic_s: float) -> bool:
        """Return whether it shows the present."""
        return self._caught_up_s(monotonic_s) >= self.lead_s

    def write(self, path: Path) -> None:
        """Tell everybody; a reader never sees half of it."""
        beside = path.with_suffix(".new")
        beside.write_text(json.dumps(asdict(self)))
        beside.rename(path)


class SharedClock:
    """The clock as a file tells it; looked at again now and then."""

    LOOK_S = 0.2
    """Real seconds between two looks; who changes the file names an instant further away than that."""

    def __init__(self, path: Path) -> None:
        """Read it for the first time."""
        self._path = path
        self._looked = -1.0
        self._stamp: tuple[int, int] | None = None
        self._clock = self._read()

    def _read(self) -> Clock:
        # Not `open`, which Home Assistant forbids in its event loop; here it is some bytes, and seldom.
        file = os.open(self._path, os.O_RDONLY)
        try:
            return Clock(**json.loads(os.read(file, 1000)))
        finally:
            os.close(file)

    def now(self) -> Clock:
        """Return it."""
        moment = _real_monotonic()
        if moment - self._looked >= self.LOOK_S:
            self._looked = moment
            found = self._path.stat()
            stamp = found.st_ino, found.st_mtime_ns
            if stamp != self._stamp:
                self._stamp, self._clock = stamp, self._read()
        return self._clock

    def utc_s(self) -> float:
        """Return what time it is."""
        return self.now().utc_at_s(_real_monotonic())

    def elapsed_s(self) -> float:
        """Return how long the lab has lived by its clock."""
        return self.now().elapsed_s(_real_monotonic())

    def pace(self) -> float:
        """Return how fast it runs."""
        return self.now().pace_at(_real_monotonic())
