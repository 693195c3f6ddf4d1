"""When what of a node's log is sent (contract/mqtt, log): one message, again until it is acknowledged."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

from microgrid_core.contract.messages import parse_log_ack
from microgrid_core.contract.reading import Rejection

from .frame_store import FrameStore, Place

MESSAGE_BYTES: Final = 16 << 10
SEND_EVERY_S: Final = 60.0
"""What fills no message waits so long for more."""
REPEAT_S: Final = 60.0
REPEAT_SOON_S: Final = 10.0
LISTENERS_RETURN_S: Final = 60.0
"""So long after a connection nobody may have listened yet to what was sent: it is said again soon."""
RETAINED_S: Final = 1.0
"""After a connection the retained acknowledgement comes at once, if there is one."""


class LogSender:
    """Knows what to send when; somebody else sends it."""

    def __init__(self, frames: FrameStore, *, now_s: Callable[[], float] = time.monotonic) -> None:
        """Begin with the oldest frame that is there."""
        self._frames = frames
        self._now_s = now_s
        self._in_flight: Place | None = None
        self._more = False
        """Whether another message was waiting behind the last one."""
        self._due_s = 0.0
        self._repeat_soon_until_s = 0.0

    def connected(self) -> None:
        """The broker is there, or who listens: what was sent before may be lost."""
        now_s = self._now_s()
        self._due_s = now_s + RETAINED_S
        self._repeat_soon_until_s = now_s + LISTENERS_RETURN_S

    def message(self) -> bytes | None:
        """Return what to send now, if anything."""
        now_s = self._now_s()
        if now_s < self._due_s or (page := self._frames.page(MESSAGE_BYTES)) is None:
            return None
        self._in_flight, self._more = page.last, page.more
        self._due_s = now_s + (REPEAT_SOON_S if now_s < self._repeat_soon_until_s else REPEAT_S)
        return page.data

    def acknowledged(self, payload: bytes) -> None:
        """Take a `log/ack`."""
        ack = parse_log_ack(payload)
        if isinstance(ack, Rejection):
            return
        place = self._frames.acknowledge(ack.boot_id, ack.seq)
        if place is not None and self._in_flight is not None and place >= self._in_flight:
            self._in_flight = None
            self._due_s = self._now_s() + (0.0 if self._more else SEND_EVERY_S)
