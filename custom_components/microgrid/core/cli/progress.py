"""A progress bar on standard error, only where a person watches."""

from __future__ import annotations

import sys
import time
from types import TracebackType

_WIDTH = 32
_EVERY_S = 0.1


class Progress:
    """Shows how much of `total` bytes is done; silent when standard error is no terminal."""

    def __init__(self, what: str, total: int) -> None:
        """Begin with nothing done."""
        self._what = what
        self._total = max(1, total)
        self._done = 0
        self._shown_at = 0.0
        self._visible = sys.stderr.isatty()

    def __enter__(self) -> Progress:
        """Return itself."""
        return self

    def __call__(self, count: int) -> None:
        """Add bytes."""
        self._done += count
        now = time.monotonic()
        if self._visible and now - self._shown_at >= _EVERY_S:
            self._shown_at = now
            share = min(1.0, self._done / self._total)
            bar = ("█" * round(share * _WIDTH)).ljust(_WIDTH, "░")
            sys.stderr.write(f"\r{self._what} {bar} {share:4.0%} of {self._total / 1e6:.1f} MB")
            sys.stderr.flush()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Clear the line."""
        if self._visible:
            sys.stderr.write("\r\033[K")
            sys.stderr.flush()
