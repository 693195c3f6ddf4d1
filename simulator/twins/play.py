"""A labelled fault played at a cluster: its nodes show, tell and record what the scenario simulated.

For half a minute a cluster is the one that the scenario drew; then it goes back to its own physics. Energy
counters run on with the latter all the time.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from microgrid_core.contract.faults import FAULTS
from microgrid_core.contract.messages import EventState, EventType, NodeKind, Scalar, Severity
from microgrid_core.contract.snapshot import SnapshotPart

from ..physics.arrays import Floats
from ..physics.battery import CELLS
from ..physics.occurrence import Occurrence
from ..scenarios.gateway import CLOSED
from ..scenarios.library import Staged
from ..scenarios.plan import LENGTH_S, SAMPLE_S
from ..scenarios.record import AFTER_S, BEFORE_S, Event, cut, node_id
from ..scenarios.sensors import EVERY
from .node import NodeTwin
from .recording import Keeper, Kept, recordings, renamed, with_boots

_LOGGER = logging.getLogger(__name__)

CLEAR_AFTER_S = 5.0
"""What still lasts at the end is cleared so long after it, as protections do."""
_UNKNOWN_START_US = 3_600_000_000
"""A node without a log started so long before the play."""
_CHARGING_A = -0.5


@dataclass(frozen=True, slots=True)
class Telling:
    """An event of the play, in its time, under the id that it will have."""

    event: Event
    at_s: float
    event_id: str


class Role:
    """What one node shows in a play."""

    def __init__(self, play: Play, number: int) -> None:
        """Take the part of a CAN number."""
        self._play = play
        self._number = number
        self._readings: dict[str, Floats] = {
            key: values for (node, key), values in play.staged.played.readings.items() if node == number
        }
        self._absences = [one for one in play.staged.plan.absences if one.node == number and one.reboot]
        self.active: list[str] = []
        """Faults that it has now."""

    def value(self, key: str) -> float | None:
        """A reading at this moment."""
        at_s = self._play.now_s
        if (values := self._readings.get(key)) is None or at_s >= LENGTH_S:
            return None
        if any(absence.begin_s <= at_s < absence.end_s for absence in self._absences):
            return math.nan
        return float(values[min(int(at_s / SAMPLE_S) // EVERY[key], len(values) - 1)])

    def values(self) -> Mapping[str, Scalar | None]:
        """All readings of this moment."""
        if self._play.now_s >= LENGTH_S:
            return {}
        found: dict[str, Scalar | None] = {}
        for key in self._readings:
            value = self.value(key)
            found[key] = value if value is not None and math.isfinite(value) else None
        if self._number == 0:
            row = int(self._play.now_s / SAMPLE_S)
            story = self._play.staged.played.story
            found["contactor_closed"] = bool(story.position[row] == CLOSED)
            found["contactor_commanded"] = bool(story.driven[row])
            return found
        cells = [self.value(f"cell_voltage_{cell}") for cell in range(1, CELLS + 1)]
        whole = [cell for cell in cells if cell is not None and math.isfinite(cell)]
        found["battery_voltage"] = round(sum(whole), 2) if len(whole) == CELLS else None
        current_a = self.value("battery_current")
        found["battery_charging"] = None if current_a is None else current_a < _CHARGING_A
        return found

    def faults(self) -> tuple[str, ...]:
        """Codes of the faults that it has."""
        return tuple(self.active)


class Play:
    """One scenario at one cluster; all methods but `record` are called from the loop's thread."""

    def __init__(
        self,
        staged: Staged,
        cast: Sequence[NodeTwin],
        clock: Callable[[], int],
        new_boot_id: Callable[[], int],
    ) -> None:
        """Begin now; `cast` are gateway and houses along the line, `clock` is the nodes' UTC in µs."""
        self.staged = staged
        self._cast = tuple(cast)
        self._clock = clock
        self._begin_us = clock()
        faults = [event.t_s for event in staged.played.events if event.raised and event.code in FAULTS]
        self._begin_s = max(0.0, min(faults) - BEFORE_S)
        self.roles = {twin.node: Role(self, number) for number, twin in enumerate(cast)}
        self._tellings = self._plan_tellings()
        self._left = list(self._tellings)
        self._boots = {
            absence: new_boot_id()
            for absence in staged.plan.absences
            if absence.reboot and absence.end_s > self._begin_s
        }
        self._silent = [one for one in staged.plan.absences if one.only is None and one.end_s > self._begin_s]
        self._away = list(self._boots)
        self._first_boots = [twin.boot_id for twin in cast]
        self._keepers = [
            Keeper(
                twin.node,
                cast[0].node,
                twin.kind,
                twin.boot_id,
                self._begin_us - _UNKNOWN_START_US if (start := twin.start_us) is None else start,
            )
            for twin in cast
        ]
        self._pinned = [
            telling
            for telling in self._tellings
            if telling.event.raised and telling.event.code in FAULTS and telling.at_s <= LENGTH_S
        ]
        self._shelved = list(self._pinned)

    @property
    def now_s(self) -> float:
        """Time in the scenario's window."""
        return self._begin_s + (self._clock() - self._begin_us) / 1e6

    @property
    def trigger(self) -> Telling:
        """The fault that it is about."""
        return next(telling for telling in self._tellings if telling.event is self.staged.trigger)

    def utc_us(self, at_s: float) -> int:
        """When something of the window happens, by the nodes' UTC."""
        return self._begin_us + round((at_s - self._begin_s) * 1e6)

    def name(self, node: str) -> str:
        """What a node of the scenario is called here; `outside` is nobody."""
        names = {node_id(number): twin.node for number, twin in enumerate(self._cast)}
        return names.get(node, node)

    def record(self) -> dict[str, dict[str, dict[SnapshotPart, Kept]]]:
        """Write what the nodes will have recorded, by event and node; takes a second, for a thread."""
        return {telling.event_id: self._record(telling) for telling in self._pinned}

    def advance(
        self, now: float, recorded: Mapping[str, Mapping[str, Mapping[SnapshotPart, Kept]]] | None
    ) -> bool:
        """Tell what is due, and have what was recorded; False when all is over. `now` is monotonic."""
        at_s = self.now_s
        for absence in [one for one in self._silent if one.begin_s <= at_s]:
            self._silent.remove(absence)
            self._cast[absence.node].be_silent(now + absence.end_s - at_s)
        for absence in [one for one in self._away if one.end_s <= at_s]:
            self._away.remove(absence)
            self._cast[absence.node].restart(self._boots[absence])
        while self._left and self._left[0].at_s <= at_s:
            self._tell(self._left.pop(0))
        for telling in [one for one in self._shelved if recorded is not None and _ready_s(one) <= at_s]:
            self._shelved.remove(telling)
            for twin in self._cast:
                if recorded is not None and twin.snapshots is not None:
                    twin.snapshots.keep(telling.event_id, recorded[telling.event_id][twin.node])
        return bool(self._left or self._shelved or at_s < LENGTH_S)

    def abandon(self) -> None:
        """Leave nothing behind of recordings that nobody will finish."""
        for telling in self._shelved:
            for twin in self._cast:
                if twin.snapshots is not None:
                    twin.snapshots.drop(telling.event_id)

    def _plan_tellings(self) -> list[Telling]:
        """What is told and when: what was going on at the begin, all of the window, what ends behind it."""
        told = list[tuple[float, Event]]()
        lasting: dict[tuple[int, str], Event] = {}
        for event in self.staged.played.events:
            told.append((max(event.t_s, self._begin_s), event))
            if event.code in FAULTS and event.raised:
                lasting[event.node, event.code] = event
            else:
                lasting.pop((event.node, event.code), None)
        end_s = LENGTH_S + CLEAR_AFTER_S
        told += [(end_s, replace(event, t_s=end_s, raised=False, values={})) for event in lasting.values()]
        return [Telling(event, at_s, self._cast[event.node].next_event_id()) for at_s, event in told]

    def _tell(self, telling: Telling) -> None:
        event = telling.event
        twin = self._cast[event.node]
        if event.code in FAULTS:
            active = self.roles[twin.node].active
            if event.raised == (event.code in active):
                return
            (active.append if event.raised else active.remove)(event.code)
        twin.tell(_occurrence(twin.node, event), telling.event_id, self._told_us(telling))
        if telling in self._pinned:  # who hears of it on the bus records, too
            for neighbour in self._cast:
                if neighbour.snapshots is not None:
                    neighbour.snapshots.record(telling.event_id, event.code, _parts(neighbour))
        _LOGGER.info("%s %s %s", twin.node, event.code, "raised" if event.raised else "cleared")

    def _told_us(self, telling: Telling) -> int:
        """When the node says that it was: its clock is a little wrong."""
        return self.utc_us(telling.at_s + float(self.staged.clock_error_s[telling.event.node]))

    def _record(self, telling: Telling) -> dict[str, dict[SnapshotPart, Kept]]:
        staged, event = self.staged, telling.event
        names = {node_id(number): twin.node for number, twin in enumerate(self._cast)}
        drawn = cut(staged.plan, staged.played, event, staged.clock_error_s, telling.event_id)
        case = replace(renamed(drawn, names), trigger_utc_us=self._told_us(telling))
        if case.traffic is not None:
            boots = {
                number: (boot, *(self._boots[one] for one in self._boots if one.node == number))
                for number, boot in enumerate(self._first_boots)
            }
            case = replace(case, traffic=with_boots(case.traffic, boots))
        ids = {
            (self._cast[one.event.node].node, one.event.code, one.event.raised): one.event_id
            for one in self._tellings
        }
        from_s, to_s = self._begin_s - event.t_s, LENGTH_S - event.t_s
        # Clocks that are a little wrong do not make a window that is all there a partial one.
        from_s = -BEFORE_S if from_s < -BEFORE_S + 1e-6 else from_s
        return {
            keeper.node: recordings(case, keeper, ids, from_s=from_s, to_s=to_s) for keeper in self._keepers
        }


def _parts(twin: NodeTwin) -> tuple[SnapshotPart, ...]:
    both = SnapshotPart.MEASURED, SnapshotPart.TRAFFIC
    return both if twin.kind is NodeKind.GATEWAY else both[:1]


def _ready_s(telling: Telling) -> float:
    return min(telling.at_s + AFTER_S, LENGTH_S)


def _occurrence(node: str, event: Event) -> Occurrence:
    kind, state, severity = EventType.FAULT, EventState.MOMENT, Severity.INFO
    if event.code in FAULTS:
        state = EventState.RAISED if event.raised else EventState.CLEARED
        severity = FAULTS[event.code].severity
    elif event.code.startswith("SYNC_"):
        kind = EventType.SYNC
        severity = Severity.WARNING if event.code == "SYNC_FAILED" else Severity.INFO
    else:
        kind = EventType.CONTACTOR
    values: dict[str, Scalar | None] = {
        key: float(np.round(value, 3)) for key, value in event.values.items() if math.isfinite(value)
    }
    return Occurrence(node, kind, state, event.code, severity, values)
