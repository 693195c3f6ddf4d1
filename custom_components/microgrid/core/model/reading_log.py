"""A log for nodes that keep none: their readings as UMG1 frames, so that they are kept like all others.

One frame holds one reading, since these nodes measure when they like; its clock is UTC from the first frame
on. A reading that is older than the one before begins another boot: time within a boot only goes forward.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime

from ..codec.umg1.frame import Frame, Kind
from ..codec.umg1.records import Clock
from ..codec.umg1.schema import Schema
from ..codec.umg1.single import encode_single
from .log_channels import CLOCK, LogChannels, can_be_logged
from .metric import DeviceKind

Reading = tuple[datetime, Mapping[str, object]]
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def time_us(time: datetime) -> int:
    """Return a time as the log has it."""
    return round((time - _EPOCH).total_seconds() * 1000) * 1000


class ReadingLog:
    """Writes the log of one node."""

    def __init__(
        self, node_id: str, kind: DeviceKind, new_boot: Callable[[], int], clock: Clock = CLOCK
    ) -> None:
        """Log the numbers and flags that the node measures; `new_boot` returns ids that were never used."""
        period_us = round(kind.interval_s * 1e6)
        self._span_ms = period_us // 1000
        logged = (metric for metric in kind.metrics if can_be_logged(metric) and metric.influx is not None)
        self._channels = LogChannels(logged, period_us)
        self._schema = Schema(node_id, "", self._channels.channels)
        self._new_boot = new_boot
        self._clock = clock
        self._boot_id = 0
        self._seq = 0
        self._newest_us: int | None = None

    def frames(self, readings: Iterable[Reading]) -> list[Frame]:
        """Return the frames of readings; what is implausible or unknown is left out."""
        frames: list[Frame] = []
        for time, values in sorted(readings, key=lambda reading: reading[0]):
            if not (integers := self._channels.integers(values)):
                continue
            at_us = time_us(time)
            first = self._newest_us is None or at_us <= self._newest_us
            if first:
                self._boot_id, self._seq = self._new_boot(), 0
                frames.append(self._frame(Kind.SCHEMA, at_us, self._schema.payload))
            payload, flags, blocks = encode_single(self._span_ms, integers, self._clock if first else None)
            frames.append(self._frame(Kind.SLOW, at_us, payload, flags, blocks))
            self._newest_us = at_us
        return frames

    def _frame(self, kind: Kind, at_us: int, payload: bytes, flags: int = 0, blocks: int = 0) -> Frame:
        frame = Frame(kind, self._seq, self._boot_id, self._schema.hash, at_us, at_us, payload, flags, blocks)
        self._seq += 1
        return frame
