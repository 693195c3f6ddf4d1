"""The live swarm: every node with its newest values, and the one stream of changes that all parts listen to.

Sources write into it, everything else subscribes; no part knows another. It is plain Python, knows no clock
but the one it is given, and is used from one thread.
"""

from __future__ import annotations

import logging
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from ..contract.messages import (
    MAX_FAULTS,
    NO_BOOT,
    Birth,
    EventState,
    EventType,
    Live,
    NodeEvent,
    ScheduleCapability,
)
from ..contract.reading import Rejection, RejectReason
from .aggregate import cluster_values, site_values
from .counter import CounterGuard, CounterState
from .freshness import Pulse
from .guard import plausible
from .kinds import KINDS
from .metric import DeviceKind, Metric, Value
from .site import SITE

_LOGGER = logging.getLogger(__name__)

SITE_ID = "site"
OTHER_KEYS = "(other)"
"""Stands for unknown keys when a node has named too many."""
MISSED_INTERVALS = 3
MAX_NODES = 1024
_LOST_INTERVALS = 10.0  # of its node, and a minute at least, until a value that is told no more is unknown
_LOST_S = 60.0
_LOOK_S = 10.0
_MAX_UNKNOWN_KEYS = 64
_REMEMBERED_EVENTS = 4096
_SAVED_EVENTS = 512
_REMEMBERED_BOOTS = 4
_CONFIRMATIONS = 3  # messages in a row that rise among themselves before a count that fell is believed
_LASTING = frozenset({EventType.FAULT, EventType.ALARM})
"""Types of events whose codes are active from raised to cleared."""


@dataclass(slots=True, eq=False)
class Node:
    """One node as known now."""

    node_id: str
    kind: DeviceKind
    name: str
    parent_id: str | None = None
    birth: Birth | None = None
    interval_s: float = 1.0
    missed_intervals: float = MISSED_INTERVALS
    values: dict[str, Value] = field(default_factory=dict)
    """Newest plausible values by metric key, derived ones included."""
    metrics: dict[str, Metric] = field(default_factory=dict)
    """Metrics that this node has shown or declared; grows, never shrinks."""
    faults: dict[str, NodeEvent | None] = field(default_factory=dict)
    """Active codes of faults and alarms, with the event that raised each when it was seen."""
    online: bool = False
    """What its last will says; a node without last will is online once it spoke."""
    stale: bool = True
    clock_offset_s: float | None = None
    """Node clock minus our clock at the newest message; None while it tells no time."""
    last_seen: datetime | None = None
    values_rejected: Counter[str] = field(default_factory=Counter)
    """Implausible or unknown values by metric key."""
    _late: dict[str, NodeEvent] = field(default_factory=dict)
    """Codes that the log has raised and not cleared yet, as far as it was read."""
    _pulses: dict[str, Pulse] = field(default_factory=dict)
    """Of the values that it told itself, by metric key."""
    _look_at: float = 0.0
    """When to look next for values that it tells no more."""
    _last_contact: float | None = None
    _boot_id: int | None = None
    _seq: int = -1
    _old_boots: list[int] = field(default_factory=list)
    _doubted: tuple[int, int, int] | None = None
    """Boot and `seq` of the newest message refused as late, and how many came so in a row, rising."""
    _fell: bool = False
    """Whether it was logged that its messages count from anew."""

    offers: ScheduleCapability | None = None
    """Of a node without birth: what Home Assistant itself carries out for it."""

    @property
    def available(self) -> bool:
        """Whether its values may be shown as current."""
        return self.online and not self.stale

    @property
    def schedule(self) -> ScheduleCapability | None:
        """What it can do with schedules; None when it takes none."""
        return self.offers if self.birth is None else self.birth.schedule


@dataclass(frozen=True, slots=True)
class NodeChanged:
    """A node appeared, or its description (name, parent, firmware, commands) changed."""

    node: Node
    added: bool


@dataclass(frozen=True, slots=True)
class NodeRemoved:
    """A node was retired."""

    node: Node


@dataclass(frozen=True, slots=True)
class MetricsAdded:
    """A node shows metrics for the first time."""

    node: Node
    metrics: tuple[Metric, ...]


@dataclass(frozen=True, slots=True)
class ValuesChanged:
    """Newest values of a node arrived; `keys` names those that differ from before."""

    node: Node
    keys: frozenset[str]


@dataclass(frozen=True, slots=True)
class AvailabilityChanged:
    """A node went silent or came back."""

    node: Node


@dataclass(frozen=True, slots=True)
class FaultsChanged:
    """The set of active fault codes of a node changed."""

    node: Node


@dataclass(frozen=True, slots=True)
class EventReceived:
    """A node reported an event, told once for each event id."""

    node: Node
    event: NodeEvent
    late: bool = False
    """It was found in the log of the node: it is over, or has lasted for a while."""


Change = (
    NodeChanged
    | NodeRemoved
    | MetricsAdded
    | ValuesChanged
    | AvailabilityChanged
    | FaultsChanged
    | EventReceived
)
Listener = Callable[[Change], None]


def _has_room(active: Mapping[str, NodeEvent | None], code: str) -> bool:
    return code in active or len(active) < MAX_FAULTS


class Swarm:
    """All nodes of one site."""

    def __init__(
        self,
        swarm_id: str,
        name: str,
        *,
        monotonic: Callable[[], float],
        utc_now: Callable[[], datetime],
        counters: Mapping[str, CounterState] | None = None,
        events: Iterable[str] = (),
    ) -> None:
        """Start with the site alone.

        Of an earlier run: `counters` are the guard states by `node/metric`, `events` the ids already told.
        """
        self.swarm_id = swarm_id
        self.received: Counter[str] = Counter()
        """Messages taken, by what they were."""
        self.rejected: Counter[str] = Counter()
        """Messages refused, by reason."""
        self.monotonic = monotonic
        self._utc_now = utc_now
        self._listeners: list[Listener] = []
        self._nodes: dict[str, Node] = {}
        self._events: OrderedDict[str, None] = OrderedDict.fromkeys(events)
        self._saved = dict(counters or {})
        self._counters: dict[str, CounterGuard] = {}
        self.site = Node(SITE_ID, SITE, name, online=True, stale=False)
        self._nodes[SITE_ID] = self.site

    # ---- reading -------------------------------------------------------------------------------------------

    @property
    def nodes(self) -> Mapping[str, Node]:
        """All nodes by id, the site included."""
        return self._nodes

    def children(self, node_id: str) -> list[Node]:
        """Return the nodes whose parent is `node_id`."""
        return [node for node in self._nodes.values() if node.parent_id == node_id]

    def counter_states(self) -> dict[str, CounterState]:
        """Return what must be saved so that counters go on after a restart."""
        states = dict(self._saved)
        states.update({key: guard.state for key, guard in self._counters.items() if guard.state is not None})
        return states

    def events_told(self) -> list[str]:
        """Return what must be saved so that no event is told again after a restart, the newest last."""
        return list(self._events)[-_SAVED_EVENTS:]

    def was_told(self, node_id: str, event_id: str) -> bool:
        """Return whether an event came before, over MQTT or in a log."""
        return f"{node_id}/{event_id}" in self._events

    def subscribe(self, listener: Listener) -> Callable[[], None]:
        """Call `listener` on every change from now on; returns the way to stop it."""
        self._listeners.append(listener)

        def unsubscribe() -> None:
            if listener in self._listeners:
                self._listeners.remove(listener)

        return unsubscribe

    def close(self) -> None:
        """Tell nobody any more."""
        self._listeners.clear()

    # ---- writing: the sources ------------------------------------------------------------------------------

    def reject(self, rejection: Rejection) -> None:
        """Count a message that a parser refused."""
        self.rejected[rejection.reason] += 1

    def announce(self, node_id: str, birth: Birth) -> Node | Rejection:
        """A node told what it is. A node that changes its kind is a new node under the old id."""
        node = self._nodes.get(node_id)
        if node is not None and node.kind.kind != birth.kind:
            if node is self.site:
                return self._refuse(RejectReason.BAD_NODE_ID, f"{SITE_ID} is reserved")
            self.retire(node_id)
            node = None
        parent = birth.parent if birth.parent not in (node_id, SITE_ID) else None
        self.received["birth"] += 1
        if node is None:
            created = self._create(node_id, KINDS[birth.kind], birth.name, parent)
            if isinstance(created, Rejection):
                return created
            node, added = created, True
        elif node.birth == birth:
            return node
        else:
            added = False
        if birth.boot_id in node._old_boots:  # it is the running one after all
            node._old_boots = [boot_id for boot_id in node._old_boots if boot_id != birth.boot_id]
        node.birth, node.name, node.parent_id = birth, birth.name, parent
        node.interval_s = birth.interval_s or node.kind.interval_s
        self._tell(NodeChanged(node, added))
        self._show(node, birth.metrics)
        return node

    def ensure(
        self, node_id: str, kind: str, name: str, *, missed_intervals: float = MISSED_INTERVALS
    ) -> Node | Rejection:
        """Return the node of a source without births, made when it is new."""
        node = self._nodes.get(node_id)
        if node is None:
            created = self._create(node_id, KINDS[kind], name, None)
            if isinstance(created, Rejection):
                return created
            node = created
            node.missed_intervals = missed_intervals
            self._tell(NodeChanged(node, True))
        elif node.kind.kind != kind:
            return self._refuse(RejectReason.BAD_NODE_ID, f"{node_id} is a {node.kind.kind}, not a {kind}")
        return node

    def offer(self, node: Node, capability: ScheduleCapability | None) -> None:
        """A node without birth takes schedules from now on, or no more."""
        if node.offers != capability:
            node.offers = capability
            self._tell(NodeChanged(node, False))

    def retire(self, node_id: str) -> None:
        """A node left for good."""
        if node_id == SITE_ID:
            return
        node = self._nodes.pop(node_id, None)
        if node is None:
            return
        node.online = False
        prefix = f"{node_id}/"
        for table in (self._counters, self._saved):
            for key in [key for key in table if key.startswith(prefix)]:
                del table[key]
        self._tell(NodeRemoved(node))

    def set_online(self, node_id: str, online: bool) -> Rejection | None:
        """Take the last will of a node (or its opposite)."""
        if (node := self._nodes.get(node_id)) is None or node is self.site:
            return self._refuse(RejectReason.UNKNOWN_NODE, f"state of unknown node {node_id}")
        self.received["state"] += 1
        before, node.online = node.available, online
        if online and node._last_contact is None:
            self._touch(node)
        elif node.available != before:
            self._tell(AvailabilityChanged(node))
        return None

    def live(self, node_id: str, live: Live) -> Rejection | None:
        """Take the newest values of a node; repeated and late messages are counted and left out."""
        if (node := self._nodes.get(node_id)) is None or node is self.site:
            return self._refuse(RejectReason.UNKNOWN_NODE, f"values of unknown node {node_id}")
        if (reason := self._order(node, live.boot_id, live.seq)) is not None:
            return self._refuse(reason, f"{node_id} boot {live.boot_id} seq {live.seq}")
        self.received["live"] += 1
        now = self._utc_now()
        node.clock_offset_s = None if live.time is None else (live.time - now).total_seconds()
        self.take(node, live.values, now)  # measured just now, whatever its clock says
        if live.faults is not None:
            self._set_faults(node, live.faults, live.boot_id)
        return None

    def take(self, node: Node, values: Mapping[str, object], time: datetime) -> None:
        """Take values that a node measured at `time`; None withdraws one. Also for sources without births."""
        accepted = self._accept(node, values, time)
        self._feel(node, values, accepted)
        self._store(node, accepted)
        if node.stale:
            self._withdraw_lost(node)
        self._touch(node)  # last: a node that comes back must not be shown with the values of before

    def conclude(self, node: Node, values: Mapping[str, object]) -> None:
        """Take values that a source worked out for a node: the node itself did not speak."""
        self._store(node, self._accept(node, values, self._utc_now()))

    def define(self, node: Node, metric: Metric) -> None:
        """Add a metric that the node's kind does not know, such as a sensor of the house."""
        if metric.key not in node.metrics:
            node.metrics[metric.key] = metric
            self._tell(MetricsAdded(node, (metric,)))

    def event(self, node_id: str, event: NodeEvent, *, late: bool = False) -> Rejection | None:
        """Take an event; an id seen before is a repetition.

        One that comes `late` makes no code active: whether it still is, `settle` tells when the log of the
        node is read to its end.
        """
        if (node := self._nodes.get(node_id)) is None or node is self.site:
            return self._refuse(RejectReason.UNKNOWN_NODE, f"event of unknown node {node_id}")
        key = f"{node_id}/{event.event_id}"
        if key in self._events:
            return self._refuse(RejectReason.DUPLICATE, f"event {event.event_id} of {node_id}")
        self._events[key] = None
        if len(self._events) > _REMEMBERED_EVENTS:
            self._events.popitem(last=False)
        self.received["event"] += 1
        if event.type in _LASTING and late:
            if event.state is EventState.RAISED:
                node._late.pop(event.code, None)
                node._late[event.code] = event
                if len(node._late) > MAX_FAULTS:
                    del node._late[next(iter(node._late))]
            elif event.state is EventState.CLEARED:
                node._late.pop(event.code, None)
                self._end(node, event)
        elif event.type in _LASTING:
            node._late.pop(event.code, None)
            active = dict(node.faults)
            if event.state is EventState.RAISED and _has_room(active, event.code):
                active[event.code] = event
            elif event.state is EventState.CLEARED:
                active.pop(event.code, None)
            if active != node.faults:  # also when a code that was active got worse
                node.faults = active
                self._tell(FaultsChanged(node))
        self._tell(EventReceived(node, event, late))
        return None

    def _end(self, node: Node, cleared: NodeEvent) -> None:
        """Take a code for over when it was raised before this late event."""
        raised = node.faults.get(cleared.code)
        if raised and raised.time and cleared.time and raised.time <= cleared.time:
            node.faults = {code: event for code, event in node.faults.items() if code != cleared.code}
            self._tell(FaultsChanged(node))

    def settle(self, node_id: str) -> None:
        """The log of a node is read to its end: what it raised and did not clear is so now.

        Live messages name the faults that are active, so that the log adds their events only. They do not
        name alarms: those of the running boot become active.
        """
        if (node := self._nodes.get(node_id)) is None or not node._late:
            return
        boots = {node._boot_id, node.birth.boot_id if node.birth else None}
        active = dict(node.faults)
        for code, event in node._late.items():
            if code in active:
                active[code] = active[code] or event
            elif event.type is EventType.ALARM and event.boot_id in boots and _has_room(active, code):
                active[code] = event
        node._late.clear()
        if active != node.faults:
            node.faults = active
            self._tell(FaultsChanged(node))

    def tick(self) -> None:
        """Once a second: find silent nodes and values that are told no more, add up clusters and the site."""
        now = self.monotonic()
        for node in self._nodes.values():
            if node is self.site or node.stale or node._last_contact is None:
                continue
            if now >= node._look_at:
                self._withdraw_lost(node)
            if now - node._last_contact > node.interval_s * node.missed_intervals + 0.5:
                before = node.available
                node.stale = True
                if before:
                    self._tell(AvailabilityChanged(node))
        for node in list(self._nodes.values()):
            if node.kind.kind == "gateway":
                declared = node.birth.metrics if node.birth else ()  # what it measures itself stands
                sums = cluster_values(self.children(node.node_id))
                self._store(node, {key: value for key, value in sums.items() if key not in declared})
        self._store(self.site, self._site_values())

    # ---- inside --------------------------------------------------------------------------------------------

    def _site_values(self) -> dict[str, Value | None]:
        members = [node for node in self._nodes.values() if node is not self.site]
        values = site_values(members)
        values["messages_received"] = sum(self.received.values())
        values["messages_rejected"] = sum(self.rejected.values())
        values["values_rejected"] = sum(sum(node.values_rejected.values()) for node in members)
        return values

    def _refuse(self, reason: RejectReason, detail: str) -> Rejection:
        rejection = Rejection(reason, detail)
        self.reject(rejection)
        return rejection

    def _create(self, node_id: str, kind: DeviceKind, name: str, parent: str | None) -> Node | Rejection:
        if node_id == SITE_ID:
            return self._refuse(RejectReason.BAD_NODE_ID, f"{SITE_ID} is reserved")
        if len(self._nodes) >= MAX_NODES:
            return self._refuse(RejectReason.BAD_NODE_ID, f"more than {MAX_NODES} nodes")
        node = Node(node_id, kind, name, parent, interval_s=kind.interval_s)
        self._nodes[node_id] = node
        return node

    def _accept(self, node: Node, values: Mapping[str, object], time: datetime) -> dict[str, Value | None]:
        """Return the plausible values; the others are counted and left out."""
        accepted: dict[str, Value | None] = {}
        time_s = time.timestamp()
        for key, raw in values.items():
            metric = node.metrics.get(key) or node.kind.by_key.get(key)
            if metric is None or metric.derive is not None:
                known = metric is not None or key in node.values_rejected
                named = known or len(node.values_rejected) < _MAX_UNKNOWN_KEYS
                node.values_rejected[key if named else OTHER_KEYS] += 1
                continue
            if raw is None:
                accepted[key] = None
            elif (value := plausible(metric, raw)) is None:
                node.values_rejected[key] += 1
            else:
                accepted[key] = self._count(node, metric, float(value), time_s) if metric.counter else value
        return accepted

    def _feel(self, node: Node, told: Mapping[str, object], accepted: Mapping[str, Value | None]) -> None:
        """Note which values are still told; what is not plausible is no news of them."""
        now = self.monotonic()
        for key in told:
            pulse = node._pulses.get(key)
            if key not in accepted:
                if pulse is not None:
                    pulse.refused()
            elif pulse is not None:
                pulse.told(now)
            else:
                node._pulses[key] = Pulse(now)

    def _withdraw_lost(self, node: Node) -> None:
        """Withdraw what a node tells no more; a count stays what it was."""
        now = self.monotonic()
        node._look_at = now + _LOOK_S
        at_least_s = max(_LOST_S, _LOST_INTERVALS * node.interval_s)
        lost = [key for key, pulse in node._pulses.items() if pulse.lost(now, at_least_s)]
        for key in lost:
            del node._pulses[key]
        lost = [key for key in lost if key in node.values and not node.metrics[key].total]
        if lost:
            self._store(node, dict.fromkeys(lost))

    def _order(self, node: Node, boot_id: int, seq: int) -> RejectReason | None:
        """Put a message in order; a new boot starts over, an earlier boot is late.

        A sender that keeps to a lower count is believed in the end: a gateway that restarted without a clock
        counts from 1 for houses that run on, and a stray message must not end the boot that the birth names.
        """
        if boot_id == node._boot_id:
            if seq == node._seq:
                return RejectReason.DUPLICATE
            if seq < node._seq and not self._insists(node, boot_id, seq):
                return RejectReason.OUTDATED
        elif boot_id in node._old_boots:
            running = node.birth.boot_id if node.birth else None
            if boot_id != running or not self._insists(node, boot_id, seq):
                return RejectReason.OUTDATED
        if boot_id != node._boot_id:
            old = [*node._old_boots, *(() if node._boot_id is None else (node._boot_id,))]
            node._old_boots = [old_id for old_id in old if old_id != boot_id][-_REMEMBERED_BOOTS:]
            node._boot_id = boot_id
        node._seq = seq
        node._doubted = None
        return None

    @staticmethod
    def _insists(node: Node, boot_id: int, seq: int) -> bool:
        """Whether enough late messages came in a row, rising among themselves; repetitions do not count."""
        doubted_boot, doubted_seq, count = node._doubted or (None, 0, 0)
        if (boot_id, seq) == (doubted_boot, doubted_seq):
            return False
        count = count + 1 if boot_id == doubted_boot and seq > doubted_seq else 1
        node._doubted = boot_id, seq, count
        if count < _CONFIRMATIONS:
            return False
        if not node._fell:
            node._fell = True
            _LOGGER.warning(
                "%s went back from boot %s, message %d, to boot %d, message %d, and keeps to it: its gateway "
                "restarted without a clock, or two senders share its name",
                node.node_id,
                node._boot_id,
                node._seq,
                boot_id,
                seq,
            )
        return True

    def _touch(self, node: Node) -> None:
        before = node.available
        node._last_contact = self.monotonic()
        node.last_seen = self._utc_now()
        node.stale = False
        if node.birth is None:
            node.online = True
        if node.available != before:
            self._tell(AvailabilityChanged(node))

    def _count(self, node: Node, metric: Metric, raw: float, time_s: float) -> float:
        key = f"{node.node_id}/{metric.key}"
        guard = self._counters.get(key)
        if guard is None:
            assert metric.max_rate is not None
            guard = self._counters[key] = CounterGuard(metric.max_rate, self._saved.pop(key, None))
        held = guard.held
        value = guard.accept(raw, time_s)
        if guard.held != held:
            node.values_rejected[metric.key] += 1
        return value

    def _show(self, node: Node, keys: Iterable[str]) -> None:
        """Make metrics visible, with those derived from them."""
        new = [node.kind.by_key[key] for key in keys if key in node.kind.by_key and key not in node.metrics]
        for metric in new:
            node.metrics[metric.key] = metric
        while derived := [
            metric
            for metric in node.kind.metrics
            if metric.derive
            and metric.key not in node.metrics
            and any(key in node.metrics for key in metric.inputs)
        ]:
            for metric in derived:
                node.metrics[metric.key] = metric
            new += derived
        if new:
            self._tell(MetricsAdded(node, tuple(new)))

    def _store(self, node: Node, values: Mapping[str, Value | None]) -> None:
        """Put values in, derive what follows from them, tell what changed."""
        changed: set[str] = set()
        fresh: list[str] = []
        for key, value in values.items():
            if key not in node.metrics and value is not None:
                fresh.append(key)
            if self._put(node, key, value):
                changed.add(key)
        if fresh:
            self._show(node, fresh)
        if changed:
            for metric in node.kind.metrics:  # rows stand after their inputs
                if metric.derive is not None and not changed.isdisjoint(metric.inputs):
                    derived = metric.derive(node.values)
                    if derived is not None:
                        derived = plausible(metric, derived)
                    if self._put(node, metric.key, derived):
                        changed.add(metric.key)
        self._tell(ValuesChanged(node, frozenset(changed)))

    @staticmethod
    def _put(node: Node, key: str, value: Value | None) -> bool:
        if value is None:
            return node.values.pop(key, None) is not None
        if node.values.get(key) == value:
            return False
        node.values[key] = value
        return True

    def _set_faults(self, node: Node, codes: tuple[str, ...], boot_id: int) -> None:
        """Take the codes of a live message, which names no alarms: cleared or a new boot ends those.

        An alarm that was judged here lasts until it is cleared here: the node knows nothing of it.
        """
        alarms = [
            code
            for code, event in node.faults.items()
            if event is not None and event.type is EventType.ALARM and event.boot_id in (boot_id, NO_BOOT)
        ]
        active = {code: node.faults.get(code) for code in (*codes, *alarms)}
        if active.keys() != node.faults.keys():
            node.faults = active
            self._tell(FaultsChanged(node))

    def _tell(self, change: Change) -> None:
        for listener in tuple(self._listeners):
            listener(change)
