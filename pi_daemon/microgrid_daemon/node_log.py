"""The log of one node: its readings and events as UMG1 frames (contract/log.md) in the daemon's file."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Final

from microgrid_core.codec.umg1.frame import FLAG_CLOCK, Frame, Kind
from microgrid_core.codec.umg1.records import EVENT_STATES, EVENT_TYPES, SEVERITIES, Boot, Event, Lost
from microgrid_core.codec.umg1.schema import Schema
from microgrid_core.codec.umg1.single import encode_single
from microgrid_core.contract.messages import EventState, EventType, Severity
from microgrid_core.model.log_channels import CLOCK, LogChannels, can_be_logged
from microgrid_core.model.metric import DeviceKind, Metric

from .clock import Clock
from .frame_store import FrameStore
from .version import own_version

SCHEMA_EVERY_US: Final = 3_600_000_000
"""Whoever has lost what came before can read on after an hour."""
CLOCK_EVERY_US: Final = 60_000_000
_STEP_US: Final = 50_000
"""Within a minute a clock is not steered by so much: it was set."""
_NO_REASON: Final = 0
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class NodeLog:
    """What one start of the daemon writes; nothing before the first reading or event."""

    def __init__(
        self,
        frames: FrameStore,
        clock: Clock,
        kind: DeviceKind,
        interval_s: float,
        *,
        mono_ns: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        """Log what the kind measures, a reading each `interval_s` or so; `mono_ns` is never set."""
        metrics = [metric for metric in kind.metrics if _is_logged(metric)]
        self.keys = tuple(metric.key for metric in metrics)
        """The channels, for the birth."""
        period_us = round(interval_s * 1e6)
        self._span_ms = period_us // 1000
        self._channels = LogChannels(metrics, period_us)
        self._schema = Schema(frames.node, "", self._channels.channels)
        self._frames = frames
        self._clock = clock
        self._mono_ns = mono_ns
        self._began_ns = mono_ns()
        self._schema_due_us = self._clock_due_us = 0
        self._offset_us: int | None = None
        """UTC less mono, as it was told last."""
        self._last_us = (0, 0)
        """Mono and UTC of the last reading."""

    def reading(self, values: Mapping[str, object]) -> None:
        """Write what was measured just now; part of the caller's transaction."""
        if not (integers := self._channels.integers(values)):
            return
        mono_us, utc_us = self._now()
        self._introduce(mono_us, utc_us)
        clock = CLOCK if utc_us and self._clock_is_due(mono_us, utc_us) else None
        self._add(Kind.SLOW, mono_us, utc_us, *encode_single(self._span_ms, integers, clock))
        self._last_us = (mono_us, utc_us)

    def _clock_is_due(self, mono_us: int, utc_us: int) -> bool:
        """Whether the clock is told with this reading; when it was set, also how it was until then."""
        before_us, offset_us = self._offset_us, utc_us - mono_us
        was_set = before_us is not None and abs(offset_us - before_us) > _STEP_US
        if was_set and self._last_us[1]:
            self._add(Kind.TIMESYNC, *self._last_us, CLOCK.encode(), FLAG_CLOCK)
        if not was_set and mono_us < self._clock_due_us:
            return False
        self._clock_due_us, self._offset_us = mono_us + CLOCK_EVERY_US, offset_us
        return True

    def event(
        self, kind: EventType, state: EventState, code: str, severity: Severity, lost: Lost | None = None
    ) -> tuple[str, int]:
        """Write an event of now; returns its id and its number. Part of the caller's transaction."""
        mono_us, utc_us = self._now()
        self._introduce(mono_us, utc_us)
        seq = self._frames.next_seq
        event_id = f"{self._frames.node}:{self._frames.boot_id}:{seq}"
        numbers = (EVENT_TYPES.index(kind), EVENT_STATES.index(state), SEVERITIES.index(severity))
        self._add(Kind.EVENT, mono_us, utc_us, Event(*numbers, code, event_id, lost=lost).encode())
        return event_id, seq

    def _now(self) -> tuple[int, int]:
        """Return µs since the start, and UTC or 0 while the clock is not set."""
        now = self._clock.now()
        utc_us = 0 if now is None else (now - _EPOCH) // timedelta(microseconds=1)
        return (self._mono_ns() - self._began_ns) // 1000, utc_us

    def _introduce(self, mono_us: int, utc_us: int) -> None:
        """Say what the channels mean, and at first which start this is."""
        if mono_us < self._schema_due_us:
            return
        self._schema_due_us = mono_us + SCHEMA_EVERY_US
        begins = self._frames.next_seq == 0
        self._add(Kind.SCHEMA, mono_us, utc_us, self._schema.payload)
        if begins:
            before = self._frames.previous
            boot_id, next_seq = (0, 0) if before is None else (before[0], before[1].seq + 1)
            boot = Boot(_NO_REASON, own_version(), boot_id, next_seq)
            self._add(Kind.BOOT, mono_us, utc_us, boot.encode())

    def _add(
        self, kind: Kind, mono_us: int, utc_us: int, payload: bytes, flags: int = 0, blocks: int = 0
    ) -> None:
        store = self._frames
        frame = Frame(
            *(kind, store.next_seq, store.boot_id, self._schema.hash, mono_us, utc_us),
            *(payload, flags, blocks),
        )
        store.add(frame.encode())


def _is_logged(metric: Metric) -> bool:
    """Whether it is a reading; what the Pi counts of itself is none."""
    return can_be_logged(metric) and (metric.influx is not None or not metric.diagnostic)
