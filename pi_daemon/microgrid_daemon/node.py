"""What one node says in the words of the contract: birth, readings, events that are raised and cleared.

Readings and events go two ways: now, to whoever listens, and into the log, which arrives however long that
takes.
"""

from __future__ import annotations

import itertools
import logging
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass, replace

from microgrid_core.codec.umg1.records import Lost
from microgrid_core.contract import topics
from microgrid_core.contract.encode import birth_payload, event_payload, live_payload
from microgrid_core.contract.messages import (
    Birth,
    EventState,
    EventType,
    Live,
    LiveMessage,
    NodeEvent,
    Scalar,
    Severity,
)
from microgrid_core.model.metric import DeviceKind

from .broker import Connection
from .clock import Clock
from .frame_store import MOST_FRAMES, FrameStore
from .log_sender import LogSender
from .node_log import NodeLog
from .store import Store

_LOGGER = logging.getLogger(__name__)
_ACTIVE = "active"


@dataclass(frozen=True, slots=True)
class Alarm:
    """A condition that lasts."""

    code: str
    type: EventType
    severity: Severity
    text: str
    """Its name in the protocol of the device."""


class Node:
    """One node of the swarm during one run of the daemon."""

    def __init__(
        self,
        connection: Connection,
        store: Store,
        clock: Clock,
        boot_id: int,
        kind: DeviceKind,
        interval_s: float | None = None,
        *,
        most_frames: int = MOST_FRAMES,
    ) -> None:
        """Go on with the log and with the conditions that were active when the daemon ended.

        `interval_s`: usual time between readings, by default that of the kind.
        """
        self.connection = connection
        self.boot_id = boot_id
        self._store = store
        self._clock = clock
        self._sequence = itertools.count(1)
        self._booted = False
        self._key = f"{_ACTIVE} {connection.node} "
        self._frames = FrameStore(store, connection.node, boot_id, most_frames=most_frames)
        self._log = NodeLog(self._frames, clock, kind, interval_s or kind.interval_s)
        self._sender = LogSender(self._frames)
        self._log_trouble = self._note_trouble = ""
        connection.listen(topics.LOG_ACK, self._acknowledged)
        connection.on_listeners(self._sender.connected)

    def announce(self, birth: Birth) -> None:
        """Say who the node is, and once that it started."""
        self.connection.announce(birth_payload(replace(birth, log_channels=self._log.keys)))
        if not self._booted:
            self._booted = True
            self.tell(EventType.BOOT, "BOOT", Severity.INFO, {})

    def live(
        self,
        values: Mapping[str, Scalar | None],
        faults: tuple[str, ...] | None,
        *,
        measured: bool = True,
    ) -> None:
        """Say the newest values, and log them if they were measured just now."""
        if measured:
            self._keep(values)
        live = Live(self.boot_id, next(self._sequence), self._clock.now(), values, faults)
        self.connection.live(live_payload(LiveMessage(live)))

    def pump(self) -> None:
        """Send what waits, of the outbox and of the log; to be called now and then."""
        self.connection.pump()
        if self.connection.connected and (message := self._sender.message()) is not None:
            self.connection.say(topics.LOG, message)

    def _acknowledged(self, payload: bytes) -> None:
        self._sender.acknowledged(payload)
        self.pump()

    def _keep(self, values: Mapping[str, Scalar | None]) -> None:
        """Log readings; a disk that takes none stops nothing else."""
        try:
            with self._store.transaction(durable=False):
                self._make_room()
                self._log.reading(values)
        except sqlite3.OperationalError as error:
            if self._log_trouble != (trouble := str(error)):
                self._log_trouble = trouble
                _LOGGER.error("readings are not logged: %s", trouble, extra={"node": self.connection.node})
        else:
            self._log_trouble = ""

    def _make_room(self) -> None:
        """Lose the oldest part of a log that is full, and say so."""
        for lost in self._frames.make_room() if self._frames.full else ():
            values = {"first_seq": lost.first_seq, "last_seq": lost.last_seq}
            what = (EventType.OVERFLOW, EventState.MOMENT, "OVERFLOW", Severity.WARNING)
            self._tell(*what, values, lost)
            self._store.count("dropped", lost.last_seq - lost.first_seq + 1)

    def tell(
        self, kind: EventType, code: str, severity: Severity, values: Mapping[str, Scalar | None]
    ) -> None:
        """Tell of something that has no duration; what the disk does not take is only in the daemon's log."""
        try:
            self._tell(kind, EventState.MOMENT, code, severity, values)
        except sqlite3.OperationalError as error:
            text = "the event %s is lost: %s"
            _LOGGER.error(text, code, error, extra={"node": self.connection.node})

    def note(self, active: Mapping[str, Alarm]) -> None:
        """Raise what began and clear what ended since the last time, also when that was another run.

        What the disk does not take is raised or cleared as soon as it does.
        """
        try:
            self._note(active)
        except sqlite3.OperationalError as error:
            if self._note_trouble != (trouble := str(error)):
                self._note_trouble = trouble
                _LOGGER.error("alarms wait for the disk: %s", trouble, extra={"node": self.connection.node})
        else:
            self._note_trouble = ""

    def _note(self, active: Mapping[str, Alarm]) -> None:
        before = self._active()
        if before.keys() == active.keys():
            return
        with self._store.transaction():
            for code, alarm in active.items():
                if code not in before:
                    self._remember(code, alarm.type, 1)
                    values = {"condition": alarm.text}
                    self._tell(alarm.type, EventState.RAISED, code, alarm.severity, values)
            for code, kind in before.items():
                if code not in active:
                    self._remember(code, kind, -1)
                    self._tell(kind, EventState.CLEARED, code, Severity.INFO, {})
        self.connection.pump()

    def _active(self) -> Mapping[str, EventType]:
        """Codes and types of what was raised and not cleared."""
        rows = self._store.ask(
            "SELECT substr(name, ?) FROM counter WHERE substr(name, 1, ?) = ? AND value > 0",
            len(self._key) + 1,
            len(self._key),
            self._key,
        )
        return {code: EventType(kind) for kind, code in (row[0].split() for row in rows)}

    def _remember(self, code: str, kind: EventType, by: int) -> None:
        self._store.count(f"{self._key}{kind} {code}", by)

    def _tell(
        self,
        kind: EventType,
        state: EventState,
        code: str,
        severity: Severity,
        values: Mapping[str, Scalar | None],
        lost: Lost | None = None,
    ) -> None:
        """Promise an event to the broker, and log it for when nobody listens there."""
        with self._store.transaction():
            event_id, seq = self._log.event(kind, state, code, severity, lost)
            event = NodeEvent(
                event_id=event_id,
                type=kind,
                state=state,
                code=code,
                severity=severity,
                boot_id=self.boot_id,
                seq=seq,
                time=self._clock.now(),
                values=values,
            )
            self.connection.promise(topics.EVENT, event_payload(event))
        self.connection.pump()
        text = " ".join([code, state, *(f"{key} = {value}" for key, value in values.items())])
        _LOGGER.info("%s", text, extra={"node": self.connection.node, "event": event_id})
