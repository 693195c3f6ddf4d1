"""The time, and whether it may be believed: a Pi without a battery for its clock starts in the past."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path


class Clock:
    """UTC, or None while nobody has set the clock."""

    def __init__(self, marker: Path | None) -> None:
        """`marker` is there as soon as the clock is right; without one it is always believed."""
        self._marker = marker

    @property
    def valid(self) -> bool:
        """Whether the clock is set."""
        return self._marker is None or self._marker.exists()

    def now(self) -> datetime | None:
        """Return the time, None while the clock is not set."""
        return datetime.now(UTC) if self.valid else None
