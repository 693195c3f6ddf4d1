"""What the log tells besides readings: events that nobody heard when they happened, and what was lost.

A node sends its events at once and writes them into its log. Those that Home Assistant missed are told when
the log arrives, marked as late: the history is complete, and an alarm of last night rings no bell that
rang in vain.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import datetime, timedelta
from typing import Final

from homeassistant.core import callback
from homeassistant.util import dt as dt_util

from .core.archive.append import Gap
from .core.contract.messages import EventState, EventType, NodeEvent
from .core.model.logged_event import loss_event
from .core.model.swarm import Swarm

LATE: Final = timedelta(seconds=60)
"""Older events are late: by then the node has sent them over MQTT as well, if anybody listened."""
CAUGHT_UP: Final = timedelta(seconds=180)
"""A log whose newest frame is no older is read to its end: nodes send a message a minute."""

type Loss = tuple[int, int, int]
"""Boot id, first and last seq."""


class LogEvents:
    """Tells the swarm what came with the log."""

    def __init__(self, swarm: Swarm) -> None:
        """Know whom to tell."""
        self._swarm = swarm
        self._gaps: dict[str, list[Gap]] = {}
        """Losses that their nodes have not told yet."""
        self._at_end: set[str] = set()
        """Nodes whose logs are read to their ends."""

    @callback
    def take(self, node_id: str, events: Iterable[NodeEvent], newest: datetime | None) -> None:
        """Tell new events of a log, and what is so now when the log is read to its end."""
        told = [event for event in events if not self._swarm.was_told(node_id, event.event_id)]
        over = _over(told)
        now = dt_util.utcnow()
        for event in told:
            late = event.event_id in over or event.time is None or now - event.time > LATE
            self._swarm.event(node_id, event, late=late)
        if newest is not None and now - newest <= CAUGHT_UP:
            self._at_end.add(node_id)
            self._swarm.settle(node_id)
        else:
            self._at_end.discard(node_id)

    @callback
    def lost(self, node_id: str, gaps: Iterable[Gap]) -> None:
        """Remember what a node no longer had; usually it tells that itself further on in its log."""
        self._gaps.setdefault(node_id, []).extend(gaps)

    @property
    def untold(self) -> Collection[str]:
        """The nodes that lost what they have not told in what there is of their logs."""
        return [node_id for node_id in self._gaps if node_id in self._at_end]

    @callback
    def compare(self, node_id: str, reported: Collection[Loss]) -> None:
        """Tell the losses of a node that its own reports do not name."""
        for gap in self._gaps.pop(node_id, []):
            if not any(
                boot_id == gap.boot_id and first <= gap.first_seq and gap.last_seq <= last
                for boot_id, first, last in reported
            ):
                event = loss_event(node_id, gap.boot_id, gap.first_seq, gap.last_seq)
                if not self._swarm.was_told(node_id, event.event_id):
                    self._swarm.event(node_id, event, late=True)


def _over(events: Iterable[NodeEvent]) -> set[str]:
    """Return the ids of faults and alarms that were raised and cleared again within these events."""
    raised: dict[str, str] = {}
    over = set()
    for event in events:
        if event.type not in (EventType.FAULT, EventType.ALARM):
            continue
        if event.state is EventState.RAISED:
            raised[event.code] = event.event_id
        elif event.state is EventState.CLEARED and event.code in raised:
            over |= {raised.pop(event.code), event.event_id}
    return over
