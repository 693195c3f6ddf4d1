"""Heat pump nodes on their own topics, and what the readings of every heat pump mean."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from homeassistant.components import mqtt
from homeassistant.components.mqtt import ReceiveMessage
from homeassistant.core import CALLBACK_TYPE, HomeAssistant, callback
from homeassistant.helpers.event import async_call_later
from homeassistant.util import dt as dt_util

from ..core.contract.heat_pump import (
    ALERTS,
    DATA,
    ONLINE,
    ROOT,
    HeatPumpReading,
    heat_pump_node_id,
    parse_heat_pump_alerts,
    parse_heat_pump_data,
    parse_heat_pump_online,
)
from ..core.contract.messages import NO_BOOT, EventState, EventType, NodeEvent, NodeKind, Severity
from ..core.contract.reading import Rejection, RejectReason, clean_text
from ..core.health.heat_pump import HeatPumpWatch, Judgement
from ..core.health.limits import Alarm
from ..core.model.freshness import Rhythm
from ..core.model.swarm import Change, Node, NodeRemoved, Swarm, ValuesChanged
from .refusals import Refusals

REFRIGERANT = "refrigerant"
READINGS_LOST = "READINGS_LOST"

_MAX_HEAT_PUMPS = 64
_REMEMBERED_READINGS = 512  # times of a node; its buffer holds 100
_MISSED_INTERVALS = 2.5
_SHORTEST_INTERVAL_S = 10.0  # the node reads every 10 s
_LONGEST_INTERVAL_S = 3600.0

type _Handler = Callable[[str, ReceiveMessage, bytes], None]
type Record = Callable[[Node, list[tuple[datetime, Mapping[str, object]]], bool], None]
"""Gets a node and all that it measured, of now and of before, and whether it came without a time.

Its time is that of its arrival then, else that of the node's own clock.
"""


@dataclass(slots=True)
class _Speaker:
    """What is known of a node on the heat pump topics."""

    device: str
    rhythm: Rhythm = field(default_factory=Rhythm)
    seen: OrderedDict[datetime, None] = field(default_factory=OrderedDict)
    """Times of the newest readings."""
    newest: datetime | None = None
    newest_arrival: float = 0.0
    lost: int | None = None
    alerts: dict[str, Severity] = field(default_factory=dict)
    """Alerts that the node reports now."""


@dataclass(slots=True)
class _Watched:
    """A heat pump under watch."""

    watch: HeatPumpWatch = field(default_factory=HeatPumpWatch)
    cancel_poll: CALLBACK_TYPE | None = None


class HeatPumpMqtt:
    """Carries heat pump nodes into the model and adds what their readings mean."""

    def __init__(
        self, hass: HomeAssistant, swarm: Swarm, setting: Callable[[str, str], Any], record: Record
    ) -> None:
        """Know where values go, what the owner chose for a node, and who keeps all that was measured."""
        self._hass = hass
        self._swarm = swarm
        self._setting = setting
        self._record = record
        self._refusals = Refusals(swarm)
        self._speakers: dict[str, _Speaker] = {}
        self._watched: dict[str, _Watched] = {}
        self._writing = False
        """Whether the change being told is our own conclusion or no new reading at all."""
        self._events = 0
        self._unsubscribe: list[CALLBACK_TYPE] = []

    async def async_start(self) -> None:
        """Subscribe to the topics and to the readings of every heat pump."""
        self._unsubscribe.append(self._swarm.subscribe(self._changed))
        handlers: tuple[tuple[str, _Handler], ...] = (
            (DATA, self._data),
            (ONLINE, self._online),
            (ALERTS, self._alerts),
        )
        for suffix, handler in handlers:
            self._unsubscribe.append(
                await mqtt.async_subscribe(
                    self._hass, f"{ROOT}/+/{suffix}", self._entrance(handler), 1, encoding=None
                )
            )

    async def async_stop(self) -> None:
        """Unsubscribe and wait for nothing more."""
        while self._unsubscribe:
            self._unsubscribe.pop()()
        for watched in self._watched.values():
            if watched.cancel_poll is not None:
                watched.cancel_poll()
        self._watched.clear()

    @callback
    def refrigerant_chosen(self, node_id: str) -> None:
        """Judge the newest values anew with the refrigerant that the owner just chose."""
        node = self._swarm.nodes.get(node_id)
        if node is not None and node.kind.kind == NodeKind.HEAT_PUMP:
            self._judge(
                node, self._watch(node_id).choose(self._refrigerant(node_id), self._swarm.monotonic())
            )

    # ---- messages ------------------------------------------------------------------------------------------

    def _entrance(self, handler: _Handler) -> Callable[[ReceiveMessage], None]:
        """Let only messages through whose device id makes a lawful node id, always the same."""

        @callback
        def receive(message: ReceiveMessage) -> None:
            device = message.topic.split("/")[1]
            node_id = heat_pump_node_id(device)
            if node_id is None:
                self._refusals.refuse(message.topic, "", RejectReason.BAD_NODE_ID, "no lawful device id")
                return
            if (speaker := self._speakers.get(node_id)) is not None and speaker.device != device:
                self._refusals.refuse(
                    message.topic,
                    node_id,
                    RejectReason.BAD_NODE_ID,
                    f"it reads as {node_id}, which is {speaker.device}; rename one of the two",
                )
                return
            payload = message.payload
            handler(device, message, payload.encode() if isinstance(payload, str) else bytes(payload))

        return receive

    @callback
    def _data(self, device: str, message: ReceiveMessage, payload: bytes) -> None:
        node_id = heat_pump_node_id(device)
        assert node_id is not None  # the entrance has seen to that
        now = dt_util.utcnow()
        readings = parse_heat_pump_data(payload, now)
        if isinstance(readings, Rejection):
            self._refusals.count(message.topic, node_id, readings)
            return
        speaker = self._speakers.get(node_id)
        if speaker is None and len(self._speakers) >= _MAX_HEAT_PUMPS:
            detail = f"more than {_MAX_HEAT_PUMPS} heat pumps"
            self._refusals.refuse(message.topic, "", RejectReason.BAD_NODE_ID, detail)
            return
        if message.retain and not any(self._recent(node_id, reading.time, now) for reading in readings):
            self._refusals.refuse(message.topic, node_id, RejectReason.OUTDATED, "retained, old or undated")
            return
        name = f"Heat pump {clean_text(device, 40)}"
        node = self._swarm.ensure(node_id, NodeKind.HEAT_PUMP, name, missed_intervals=_MISSED_INTERVALS)
        if isinstance(node, Rejection):
            self._refusals.log(message.topic, node_id, node)
            return
        if speaker is None:
            speaker = self._speakers[node_id] = _Speaker(device)
        self._swarm.received["heat_pump"] += 1
        self._take(node, speaker, message, readings, now)

    def _take(
        self,
        node: Node,
        speaker: _Speaker,
        message: ReceiveMessage,
        readings: tuple[HeatPumpReading, ...],
        now: datetime,
    ) -> None:
        """Show the newest of the readings, unless it is a repetition or from the past."""
        arrival = self._swarm.monotonic()
        dated, undated = [], 0
        for reading in readings:
            if reading.time is None:
                undated += 1
                continue
            if reading.time in speaker.seen:
                detail = f"{node.node_id} at {reading.time.isoformat()}"
                self._refusals.refuse(message.topic, node.node_id, RejectReason.DUPLICATE, detail)
                continue
            speaker.seen[reading.time] = None
            while len(speaker.seen) > _REMEMBERED_READINGS:
                speaker.seen.popitem(last=False)
            dated.append((reading.time, reading))
        if dated:
            self._record(node, [(time, reading.values) for time, reading in dated], False)
            time, reading = max(dated, key=lambda item: item[0])
            current = self._is_current(node.node_id, speaker, time, arrival, now)
        elif readings[-1].time is None and not message.retain:
            # Its clock is not set: what arrives now is read now.
            undated -= 1
            time, reading, current = now, readings[-1], True
            self._record(node, [(now, reading.values)], True)
        else:
            time, reading, current = now, readings[-1], None
        for _ in range(undated):  # nobody knows when they were made
            detail = f"an undated reading of {node.node_id} among others"
            self._refusals.refuse(message.topic, node.node_id, RejectReason.OUTDATED, detail)
        if current is None:
            return
        if not current:
            self._touch(node, now)
            return
        if not message.retain:
            node.clock_offset_s = None if reading.time is None else (reading.time - now).total_seconds()
            self._learn(node, speaker, arrival)
        self._swarm.take(node, self._with_extras(node, speaker, reading), time)
        self._tell_lost(node, speaker, reading)
        for code, level in reading.alerts.items():
            self._alert(node, speaker, code, level)

    def _is_current(
        self, node_id: str, speaker: _Speaker, time: datetime, arrival: float, now: datetime
    ) -> bool:
        """Whether a reading tells the present.

        An old one does not, except from a clock that runs behind: then readings come as slowly as they were
        made, while the contents of a buffer come all at once.
        """
        newest, newest_arrival = speaker.newest, speaker.newest_arrival
        if newest is not None and time <= newest:
            return False
        speaker.newest, speaker.newest_arrival = time, arrival
        if self._recent(node_id, time, now):
            return True
        return newest is not None and arrival - newest_arrival >= 0.5 * (time - newest).total_seconds()

    def _recent(self, node_id: str, time: datetime | None, now: datetime) -> bool:
        node = self._swarm.nodes.get(node_id)
        interval_s = 300.0 if node is None else node.interval_s
        return time is not None and (now - time).total_seconds() <= _MISSED_INTERVALS * interval_s

    def _learn(self, node: Node, speaker: _Speaker, arrival: float) -> None:
        """Learn how often the node publishes, which is how soon silence means that it is gone."""
        speaker.rhythm.arrived(arrival)
        if (interval_s := speaker.rhythm.interval_s) is not None:
            node.interval_s = min(_LONGEST_INTERVAL_S, max(_SHORTEST_INTERVAL_S, interval_s))

    def _with_extras(self, node: Node, speaker: _Speaker, reading: HeatPumpReading) -> dict[str, object]:
        values: dict[str, object] = dict(reading.values)
        if speaker.rhythm.interval_s is not None:
            values["publish_interval"] = round(node.interval_s, 1)
        if reading.lost is not None:
            values["readings_lost"] = reading.lost
        return values

    def _touch(self, node: Node, now: datetime) -> None:
        """Note that the node speaks, though nothing new of the present."""
        self._writing = True
        try:
            self._swarm.take(node, {}, now)
        finally:
            self._writing = False

    @callback
    def _online(self, device: str, message: ReceiveMessage, payload: bytes) -> None:
        node_id = heat_pump_node_id(device)
        assert node_id is not None
        if not payload:
            return
        online = parse_heat_pump_online(payload)
        if isinstance(online, Rejection):
            self._refusals.count(message.topic, node_id, online)
        elif node_id in self._speakers:  # before its first reading there is nothing to be online
            self._swarm.set_online(node_id, online)

    @callback
    def _alerts(self, device: str, message: ReceiveMessage, payload: bytes) -> None:
        node_id = heat_pump_node_id(device)
        assert node_id is not None
        if message.retain:
            self._refusals.refuse(message.topic, node_id, RejectReason.OUTDATED, "retained without a time")
            return
        alerts = parse_heat_pump_alerts(payload)
        if isinstance(alerts, Rejection):
            self._refusals.count(message.topic, node_id, alerts)
            return
        node, speaker = self._swarm.nodes.get(node_id), self._speakers.get(node_id)
        if node is None or speaker is None:
            self._refusals.refuse(message.topic, "", RejectReason.UNKNOWN_NODE, "an alert before any reading")
            return
        for code, level in alerts.items():
            self._alert(node, speaker, code, level)

    # ---- events --------------------------------------------------------------------------------------------

    def _alert(self, node: Node, speaker: _Speaker, code: str, level: Severity | None) -> None:
        """Tell an alert of the node itself when it begins, gets worse or ends."""
        before = speaker.alerts.get(code)
        if level is None:
            if speaker.alerts.pop(code, None) is not None:
                self._tell(node, EventType.ALARM, EventState.CLEARED, code, before or Severity.INFO, {})
        elif before is None or (before is Severity.WARNING and level is Severity.CRITICAL):
            speaker.alerts[code] = level
            self._tell(node, EventType.ALARM, EventState.RAISED, code, level, {})

    def _tell_lost(self, node: Node, speaker: _Speaker, reading: HeatPumpReading) -> None:
        """Tell when the buffer of the node lost readings since the message before."""
        total = reading.lost or 0  # a node that lost nothing need not say so
        before, speaker.lost = speaker.lost, total
        if before is None:
            return  # lost at a time that nobody knows; it is in the count
        lost = total - before if total >= before else total
        if lost:
            values: dict[str, float | None] = {"lost": lost, "lost_total": total}
            self._tell(node, EventType.OVERFLOW, EventState.MOMENT, READINGS_LOST, Severity.WARNING, values)

    def _tell(
        self,
        node: Node,
        kind: EventType,
        state: EventState,
        code: str,
        severity: Severity,
        values: dict[str, float | None],
    ) -> None:
        now = dt_util.utcnow()
        self._events += 1
        self._swarm.event(
            node.node_id,
            NodeEvent(
                event_id=f"{code}-{now.timestamp() * 1000:.0f}-{self._events}",
                type=kind,
                state=state,
                code=code,
                severity=severity,
                boot_id=NO_BOOT,
                seq=self._events,
                time=now,
                values=values,
            ),
        )

    # ---- judgement -----------------------------------------------------------------------------------------

    @callback
    def _changed(self, change: Change) -> None:
        if change.node.kind.kind != NodeKind.HEAT_PUMP:
            return
        if isinstance(change, ValuesChanged):
            if not self._writing:
                node_id, now = change.node.node_id, self._swarm.monotonic()
                self._judge(change.node, self._watch(node_id).read(change.node.values, now))
        elif isinstance(change, NodeRemoved):
            self._speakers.pop(change.node.node_id, None)
            watched = self._watched.pop(change.node.node_id, None)
            if watched is not None and watched.cancel_poll is not None:
                watched.cancel_poll()

    def _watch(self, node_id: str) -> HeatPumpWatch:
        if (watched := self._watched.get(node_id)) is None:
            watched = self._watched[node_id] = _Watched()
            watched.watch.choose(self._refrigerant(node_id), self._swarm.monotonic())
        return watched.watch

    def _refrigerant(self, node_id: str) -> str | None:
        chosen = self._setting(node_id, REFRIGERANT)
        return chosen if isinstance(chosen, str) else None

    def _judge(self, node: Node, judgement: Judgement) -> None:
        """Write what a reading means into the swarm."""
        known = node.node_id in self._speakers or self._refrigerant(node.node_id) is not None
        if known and any(node.values.get(key) != value for key, value in judgement.values.items()):
            self._writing = True
            try:
                self._swarm.conclude(node, judgement.values)
            finally:
                self._writing = False
        self._raise(node, judgement.alarms)

    def _raise(self, node: Node, alarms: tuple[Alarm, ...]) -> None:
        for alarm in alarms:
            values: dict[str, float | None] = {alarm.key: alarm.value, "limit": alarm.threshold}
            self._tell(node, EventType.ALARM, alarm.state, alarm.code, alarm.severity, values)
        self._poll_later(node)

    def _poll_later(self, node: Node) -> None:
        """Come back when a value that stays beyond its limit becomes an alarm."""
        watched = self._watched[node.node_id]
        if watched.cancel_poll is not None:
            watched.cancel_poll()
            watched.cancel_poll = None
        if (due := watched.watch.due) is None:
            return

        @callback
        def poll(_: datetime) -> None:
            watched.cancel_poll = None
            self._raise(node, watched.watch.poll(self._swarm.monotonic()))

        delay_s = max(0.0, due - self._swarm.monotonic())
        watched.cancel_poll = async_call_later(self._hass, delay_s, poll)
