"""A circuit breaker: after several failures in a row nobody is asked for a while, and longer each time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

__all__ = ["CircuitBreaker"]

FAILURES: Final = 3
FIRST_PAUSE_S: Final = 300.0
LONGEST_PAUSE_S: Final = 6 * 3600.0


@dataclass(slots=True)
class CircuitBreaker:
    """Knows how the last attempts went; times are seconds of any clock that does not step back."""

    failures: int = 0
    """In a row."""
    open_until_s: float = float("-inf")

    def closed(self, now_s: float) -> bool:
        """Whether an attempt may be made; after a pause a single failure opens it again."""
        return now_s >= self.open_until_s

    def succeeded(self) -> None:
        """Take note of a success."""
        self.failures = 0

    def failed(self, now_s: float) -> None:
        """Take note of a failure."""
        self.failures += 1
        if self.failures >= FAILURES:
            doublings = min(self.failures - FAILURES, 20)
            self.open_until_s = now_s + min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2.0**doublings)
