"""What comes on `log` from nodes that write UMG1: whole frames, one after the other."""

from __future__ import annotations

from dataclasses import dataclass

from ..codec.umg1.frame import Frame, Scan
from .reading import MAX_PAYLOAD_BYTES, Refused, RejectReason, parser


@dataclass(frozen=True, slots=True)
class LogBatch:
    """The frames of one message, in the order of the node's log."""

    frames: tuple[Frame, ...]
    damaged: int = 0
    """Bytes that are no good frame; the frames around them count."""


@parser
def parse_log_batch(payload: bytes) -> LogBatch:
    """Read a batch; one without any good frame is refused."""
    if len(payload) > MAX_PAYLOAD_BYTES:
        raise Refused(RejectReason.TOO_LARGE, f"{len(payload)} bytes, at most {MAX_PAYLOAD_BYTES}")
    scan = Scan(payload)
    if not (frames := tuple(scan)):
        raise Refused(RejectReason.BAD_VALUE, "no UMG1 frame")
    return LogBatch(frames, sum(end - start for start, end in scan.damaged))


def log_payload(frames: tuple[Frame, ...]) -> bytes:
    """Write a batch."""
    return b"".join(frame.encode() for frame in frames)
