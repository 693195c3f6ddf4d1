"""What houses and gateways keep of the faults that the site's physics tells: the seconds around, at 100 Hz.

As real nodes have it, who hears of a fault keeps the ten seconds before and after it. What they measured is
what the sensors of this physics show, so an injected disturbance looks like a broken sensor. There is no bus
here, and so nothing of its traffic.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor, Future
from dataclasses import dataclass
from functools import partial

import numpy as np

from microgrid_core.contract.faults import FAULTS
from microgrid_core.contract.messages import (
    CommandCapability,
    EventState,
    EventType,
    NodeKind,
    Scalar,
    Severity,
)
from microgrid_core.contract.snapshot import SnapshotPart
from microgrid_core.diagnosis.case import Case, CaseEvent, NodeRecord, Series

from ..physics import readings
from ..physics.arrays import Floats
from ..physics.neighbourhood import Neighbourhood
from ..physics.occurrence import Occurrence
from ..scenarios.record import AFTER_S, BEFORE_S
from ..scenarios.sensors import GATEWAY_CHANNELS, HOUSE_CHANNELS
from .node import Ability, NodeTwin, Refusal, Values
from .recording import Ids, Keeper, Kept, recordings

_SECOND_US = 1_000_000
_HELD_S = 30.0
_MOST_PINS = 6
"""At a time, as the firmware has it."""
_UNKNOWN_START_US = 3_600_000_000
_APART_US = 30_000_000
"""Between two recordings by command at a cluster, as the firmware has it."""
_BY_COMMAND = "CAPTURE"

_LOGGER = logging.getLogger(__name__)

_Values = Callable[[], Floats]
_Recorded = dict[str, dict[SnapshotPart, Kept]]
"""By node."""


class _Ring:
    """The newest samples of some nodes: slots × nodes × channels."""

    def __init__(self, period_us: int, nodes: tuple[str, ...], keys: tuple[str, ...], read: _Values) -> None:
        self.period_us = period_us
        self.nodes = nodes
        self.keys = keys
        self.due_us = 0
        self._read = read
        self._size = round(_HELD_S * _SECOND_US / period_us)
        self._taken = np.full(self._size, -1, np.int64)
        self._values = np.full((self._size, len(nodes), len(keys)), np.nan)

    def sample(self, now_us: int) -> None:
        """Read when it is time."""
        if now_us < self.due_us:
            return
        number = now_us // self.period_us
        self.due_us = (number + 1) * self.period_us
        self._taken[number % self._size] = number
        self._values[number % self._size] = self._read()

    def series(self, node: str, trigger_us: int) -> dict[str, Series]:
        """Return what was sampled around a fault; not a number where nothing was."""
        first = -(-(trigger_us - round(BEFORE_S * 1e6)) // self.period_us)
        numbers = np.arange(first, (trigger_us + round(AFTER_S * 1e6)) // self.period_us)
        slots = numbers % self._size
        values = self._values[slots, self.nodes.index(node)]
        values[self._taken[slots] != numbers] = np.nan
        t_s = (numbers * self.period_us - trigger_us) / 1e6
        return {key: Series(t_s, values[:, column]) for column, key in enumerate(self.keys)}


@dataclass(slots=True)
class _Pin:
    """A fault, or a command, about which the seconds around are being recorded."""

    event_id: str
    occurrence: Occurrence
    at_us: int
    cluster: tuple[str, ...]
    writing: Future[_Recorded] | None = None


class Capture:
    """Rings of all nodes, and the faults that are being recorded; all methods belong to the loop's thread."""

    def __init__(
        self,
        site: Neighbourhood,
        twins: Mapping[str, NodeTwin],
        clock: Callable[[], int],
        executor: Executor,
    ) -> None:
        """Take the twins by node; `clock` is the nodes' UTC in µs."""
        self._site = site
        self._twins = twins
        self._clock = clock
        self._executor = executor
        self._begin_us = clock()
        self._pins: list[_Pin] = []
        self._events: list[tuple[int, str, Occurrence]] = []
        """Faults of the last seconds: when, under which id, what."""
        self._commanded_us: dict[str, int] = {}
        """When a cluster recorded by command, by its gateway."""
        for twin in twins.values():
            if twin.kind in (NodeKind.HOUSE, NodeKind.GATEWAY):
                twin.learn(Ability(CommandCapability("capture_snapshot"), partial(self._record_now, twin)))
        houses, gateways = site.house_names, site.gateway_names
        fast = tuple(channel.key for channel in HOUSE_CHANNELS if channel.every == 1)
        slow = tuple(channel.key for channel in HOUSE_CHANNELS if channel.every > 1)
        readers = [readings.HOUSE_ARRAYS[key] for key in fast]
        self._rings = (
            _Ring(10_000, houses, fast, lambda: np.stack([read(site.houses) for read in readers], axis=1)),
            _Ring(_SECOND_US, houses, slow, lambda: self._all(houses, slow)),
            _Ring(100_000, gateways, tuple(c.key for c in GATEWAY_CHANNELS), self._gateways),
        )

    @property
    def due_us(self) -> int:
        """When the next sample is to be taken."""
        return min(ring.due_us for ring in self._rings)

    def sample(self, now_us: int) -> None:
        """Read what is due."""
        for ring in self._rings:
            ring.sample(now_us)

    def hear(self, occurrence: Occurrence, event_id: str) -> None:
        """Begin to record when a fault is told; a cluster at which a scenario is played records that one."""
        if occurrence.code not in FAULTS:
            return
        self._events.append((self._clock(), event_id, occurrence))
        if occurrence.state is EventState.RAISED and self._refusal(self._cluster(occurrence.node)) is None:
            self._pin(occurrence, event_id)

    def advance(self) -> None:
        """Write what is over, and have what is written."""
        now_us = self._clock()
        self._events = [one for one in self._events if one[0] > now_us - 3 * AFTER_S * 1e6]
        for pin in list(self._pins):
            if pin.writing is None and now_us >= pin.at_us + AFTER_S * 1e6:
                pin.writing = self._executor.submit(_write, self._case(pin), self._keepers(pin), self._ids())
            elif pin.writing is not None and pin.writing.done():
                self._pins.remove(pin)
                self._have(pin, pin.writing)

    def _record_now(self, twin: NodeTwin, parameters: Mapping[str, Scalar]) -> Values:
        """Carry out capture_snapshot."""
        cluster = self._cluster(twin.node)
        now_us = self._clock()
        if (before_us := self._commanded_us.get(cluster[0])) is not None and now_us < before_us + _APART_US:
            raise Refusal(
                f"recorded {(now_us - before_us) / 1e6:.0f} s ago, again after {_APART_US // 1_000_000} s"
            )
        if (reason := self._refusal(cluster)) is not None:
            raise Refusal(reason)
        self._commanded_us[cluster[0]] = now_us
        event_id = twin.next_event_id()
        about = Occurrence(twin.node, EventType.FAULT, EventState.RAISED, _BY_COMMAND, Severity.INFO, {})
        self._pin(about, event_id)
        return {"event_id": event_id}

    def _cluster(self, node: str) -> tuple[str, ...]:
        """Return the gateway of a node and its houses."""
        gateway = self._site.parent(node) or node
        houses = (house for house in self._site.house_names if self._site.parent(house) == gateway)
        return gateway, *houses

    def _refusal(self, cluster: tuple[str, ...]) -> str | None:
        """Return why nothing can be recorded now."""
        if len(self._pins) >= _MOST_PINS:
            return f"all {_MOST_PINS} windows are in use"
        if any(node in self._site.roles for node in cluster):
            return "a scenario is being played here"
        return None

    def _pin(self, about: Occurrence, event_id: str) -> None:
        cluster = self._cluster(about.node)
        self._pins.append(_Pin(event_id, about, self._clock(), cluster))
        for node in cluster:
            if (shelf := self._twins[node].snapshots) is not None:
                shelf.record(event_id, about.code, (SnapshotPart.MEASURED,))

    def _case(self, pin: _Pin) -> Case:
        records = {}
        for place, node in enumerate(pin.cluster):
            rings = [ring for ring in self._rings if node in ring.nodes]
            channels = {key: each for ring in rings for key, each in ring.series(node, pin.at_us).items()}
            records[node] = NodeRecord(node, "house" if place else "gateway", place, channels)
        events = [
            CaseEvent(
                told.node,
                told.code,
                (at_us - pin.at_us) / 1e6,
                told.state is EventState.RAISED,
                {key: value for key, value in told.values.items() if isinstance(value, float)},
            )
            for at_us, _, told in self._events
            if told.node in pin.cluster
        ]
        about = pin.occurrence
        return Case(
            pin.event_id, about.code, about.node, pin.at_us, BEFORE_S, AFTER_S, records, tuple(events)
        )

    def _keepers(self, pin: _Pin) -> list[tuple[Keeper, float]]:
        """Return who keeps it, and since when it recorded."""
        found = []
        for node in pin.cluster:
            twin = self._twins[node]
            start_us = pin.at_us - _UNKNOWN_START_US if twin.start_us is None else twin.start_us
            keeper = Keeper(node, pin.cluster[0], twin.kind, twin.boot_id, start_us)
            from_s = (max(self._begin_us, start_us) - pin.at_us) / 1e6
            found.append((keeper, max(-BEFORE_S, from_s)))
        return found

    def _ids(self) -> Ids:
        return {
            (told.node, told.code, told.state is EventState.RAISED): event_id
            for _, event_id, told in self._events
        }

    def _have(self, pin: _Pin, writing: Future[_Recorded]) -> None:
        shelves = {node: self._twins[node].snapshots for node in pin.cluster}
        try:
            recorded = writing.result()
        except ValueError:  # a node that restarted meanwhile, or whose sensors show what no log can hold
            _LOGGER.exception("fault %s was not recorded", pin.event_id)
            recorded = {}
        for node, shelf in shelves.items():
            if shelf is not None and node in recorded:
                shelf.keep(pin.event_id, recorded[node])
            elif shelf is not None:
                shelf.drop(pin.event_id)

    def _all(self, nodes: tuple[str, ...], keys: tuple[str, ...]) -> Floats:
        found = [self._site.values(node) for node in nodes]
        return np.array([[_number(values.get(key)) for key in keys] for values in found])

    def _gateways(self) -> Floats:
        gateways, grid = self._site.gateways, self._site.houses.grid
        gateways.measure(self._site.houses.voltage_v)
        columns = {
            "cluster_frequency": gateways.cluster_frequency_hz,
            "swarm_frequency": gateways.swarm_frequency_hz,
            "cluster_voltage": gateways.cluster_voltage_v,
            "swarm_voltage": gateways.swarm_voltage_v,
            "phase_difference": gateways.phase_deg,
            "power_flow": grid.gateway_flow_w,
        }
        return np.stack([columns[channel.key] for channel in GATEWAY_CHANNELS], axis=1)


def _write(case: Case, keepers: Sequence[tuple[Keeper, float]], ids: Ids) -> _Recorded:
    return {
        keeper.node: recordings(case, keeper, ids, from_s=from_s, to_s=AFTER_S) for keeper, from_s in keepers
    }


def _number(value: object) -> float:
    return float(value) if isinstance(value, (int, float)) else np.nan
