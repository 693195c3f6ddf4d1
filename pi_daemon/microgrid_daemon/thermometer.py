"""How warm a battery is, where its driver does not know: from a file or from a topic.

A source that was named and says nothing is no licence: the battery is left alone until it speaks again.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from microgrid_core.contract.bare_number import parse_bare_number
from microgrid_core.contract.reading import Rejection

MAX_AGE_S: Final = 300.0
READ_EVERY_S: Final = 30.0
_LIVING: Final = ("/sys/", "/proc/")
"""What stands here is measured when it is read; a file elsewhere is as old as it is."""
_PLAUSIBLE_C: Final = (-40.0, 120.0)
_MILLI_FROM: Final = 1000.0
_MOST_BYTES: Final = 64


class Thermometer:
    """The newest temperature of a source, as long as it holds."""

    def __init__(self, source: str, *, now_s: Callable[[], float] = time.monotonic) -> None:
        """`source` is how it is named to people."""
        self.source = source
        self._now_s = now_s
        self._celsius: float | None = None
        self._at_s = 0.0

    @property
    def celsius(self) -> float | None:
        """The temperature; None when none came, or none that is young enough."""
        return self._celsius if self._now_s() - self._at_s <= MAX_AGE_S else None

    @property
    def trouble(self) -> str | None:
        """Why there is no temperature."""
        if self.celsius is not None:
            return None
        return f"the temperature of the battery is not known: {self.source} says none"

    def hear(self, payload: bytes) -> None:
        """Take a bare number of degrees; whatever else comes says nothing."""
        number = parse_bare_number(payload)
        if not isinstance(number, Rejection):
            self._take(number)

    def _take(self, celsius: float) -> None:
        if _PLAUSIBLE_C[0] <= celsius <= _PLAUSIBLE_C[1]:
            self._celsius, self._at_s = celsius, self._now_s()


class FileThermometer(Thermometer):
    """A file with one number: degrees, or thousandths of them as the kernel writes."""

    def __init__(self, path: Path, *, now_s: Callable[[], float] = time.monotonic) -> None:
        """Nothing is read yet."""
        super().__init__(str(path), now_s=now_s)
        self._path = path

    async def run(self) -> None:
        """Read now and then until cancelled; a sensor on a wire takes most of a second."""
        while True:
            await self.read()
            await asyncio.sleep(READ_EVERY_S)

    async def read(self) -> None:
        """Read once."""
        payload = await asyncio.to_thread(self._content)
        number = parse_bare_number(payload)
        if isinstance(number, Rejection):
            return
        thousandths = b"." not in payload and abs(number) >= _MILLI_FROM
        self._take(number / _MILLI_FROM if thousandths or self._kernel else number)

    @property
    def _kernel(self) -> bool:
        return str(self._path).startswith(_LIVING)

    def _content(self) -> bytes:
        try:
            with self._path.open("rb") as file:
                if not self._kernel and time.time() - self._path.stat().st_mtime > MAX_AGE_S:
                    return b""
                return file.read(_MOST_BYTES)
        except OSError:
            return b""
