"""What the fault store keeps, as values."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import IntEnum

from ...contract.messages import Scalar
from ...contract.snapshot import SnapshotPart, SnapshotState


class Stage(IntEnum):
    """How far the fault has come on its way to the operator; it only rises."""

    RECORDED = 0
    PULLING = 1
    PULLED = 2
    """All snapshots are here, or waiting for more is not worth it."""
    DIAGNOSED = 3
    TELLING = 4
    """The operator is being told: found after a crash, it is not known whether that happened."""
    TOLD = 5


class Pull(IntEnum):
    """Whether snapshots are still wanted from the nodes."""

    OPEN = 0
    COMPLETE = 1
    GIVEN_UP = 2


@dataclass(frozen=True, slots=True)
class Member:
    """A node that recorded the fault, or should have."""

    node: str
    kind: str


@dataclass(frozen=True, slots=True)
class RecordedFault:
    """A fault that was raised. Times are UTC in µs."""

    event_id: str
    node: str
    code: str
    severity: str
    """Empty when only snapshots tell of the fault."""
    at_us: int | None
    """When it was raised, by the node; None when it did not know the time."""
    recorded_us: int
    """When it came here."""
    late: bool = False
    """It was found in a log: nobody heard of it when it happened."""
    cleared_us: int | None = None
    gateway: str | None = None
    stage: Stage = Stage.RECORDED
    pull: Pull = Pull.OPEN
    told_us: int | None = None
    values: Mapping[str, Scalar | None] = field(default_factory=dict)
    """Readings that came with the event."""

    @property
    def time_us(self) -> int:
        """When it was, as well as that is known."""
        return self.recorded_us if self.at_us is None else self.at_us


@dataclass(frozen=True, slots=True)
class StoredPart:
    """An object of a snapshot, in a file of its own that never changes."""

    number: int
    event_id: str
    node: str
    part: SnapshotPart
    state: SnapshotState
    name: str
    """Of the file, below the folder of the node."""
    bytes: int
    crc: int
    stored_us: int

    @property
    def whole(self) -> bool:
        """Whether nothing of the window is missing."""
        return self.state in (SnapshotState.COMPLETE, SnapshotState.EXTENDED)


def best(parts: Iterable[StoredPart]) -> dict[tuple[str, SnapshotPart], StoredPart]:
    """Return the one object to be used of each node and part: a whole one, and of these the newest."""
    found: dict[tuple[str, SnapshotPart], StoredPart] = {}
    for part in sorted(parts, key=lambda part: (part.whole, part.number)):
        found[part.node, part.part] = part
    return found


@dataclass(frozen=True, slots=True)
class Analysis:
    """What the engine concluded."""

    engine: str
    """Its version."""
    cause: str
    """Id in the catalogue of causes."""
    origin: str | None
    """Node whose own defect it is."""
    confidence: float
    """0 … 1."""
    summary: str
    fingerprint: str
    """By which the same defect is known again; empty when there is nothing to know it by."""
    report: str
    """All of it, as JSON."""
    made_us: int
    explanation: str = "null"
    """As JSON what a language model made of it; null: nobody was asked."""


@dataclass(frozen=True, slots=True)
class Past:
    """A fault that was analysed before."""

    event_id: str
    node: str
    fingerprint: str
    time_us: int
    cause: str = ""
    """By its newest analysis."""
    confirmed: str | None = None
    """The cause that an operator found, by the newest annotation that names one."""


@dataclass(frozen=True, slots=True)
class Annotation:
    """What the operator found."""

    made_us: int
    author: str | None
    """Id of the user; None when an automation said it."""
    cause: str | None
    """The true cause, by the catalogue; None when only a note was left."""
    note: str
