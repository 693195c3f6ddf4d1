"""Frames with one sample a channel, of nodes that measure when they like; written without numpy."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from typing import Final

from .frame import FLAG_CLOCK
from .records import Clock
from .wire import put_signed

_SPAN = struct.Struct("<I")
_WITHOUT_RESIDUALS: Final = 15
"""Coding of a block with a single sample (contract/log.md, 4.3)."""


def encode_single(
    span_ms: int, integers: Mapping[int, int], clock: Clock | None = None
) -> tuple[bytes, int, int]:
    """Return (payload, flags, blocks) of a slow frame from one integer by channel id.

    The span must be the period of the channels: then each has one sample, and no count need be told.
    """
    parts = [clock.encode() if clock else b"", _SPAN.pack(span_ms)]
    parts += (bytes((number, _WITHOUT_RESIDUALS)) + put_signed(value) for number, value in integers.items())
    return b"".join(parts), FLAG_CLOCK if clock else 0, len(integers)
