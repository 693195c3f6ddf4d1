"""Why there is no value: what came from the wire was refused, or nothing came."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Reason(StrEnum):
    """Why a request brought no value; each is a counter."""

    TOO_SHORT = "too_short"
    TOO_LONG = "too_long"
    NO_START = "no_start"
    ECHO = "echo"
    BAD_CRC = "bad_crc"
    NOT_ASCII = "not_ascii"
    WRONG_SHAPE = "wrong_shape"
    FOREIGN_PROTOCOL = "foreign_protocol"
    REFUSED = "refused"
    SILENCE = "silence"
    UNSUPPORTED = "unsupported"
    DISCONNECTED = "disconnected"
    NOT_FOUND = "not_found"


@dataclass(frozen=True, slots=True)
class Rejection:
    """No value: the reason for the counter, the detail for one line of the log."""

    reason: Reason
    detail: str

    def __str__(self) -> str:
        """Return the line for the log."""
        return f"{self.detail} ({self.reason})"
