"""What a diagnosis is made of: what the nodes of a cluster measured, told and sent around a fault."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

UNPLACED = 99
"""Place of a house whose number on the bus nobody knows."""


@dataclass(frozen=True, slots=True, eq=False)
class Series:
    """A channel of a node around the fault."""

    t_s: NDArray[np.float64]
    """Seconds since the trigger by the common time, ascending, shape (samples,)."""
    values: NDArray[np.float64]
    """In the unit of the metric; NaN where a sample is missing; same shape."""


@dataclass(frozen=True, slots=True, eq=False)
class CanTraffic:
    """What was on the CAN bus of the cluster."""

    t_s: NDArray[np.float64]
    """Seconds since the trigger, ascending, shape (frames,)."""
    identifier: NDArray[np.uint16]
    """11 bits: contract/can.md says what they mean; shape (frames,)."""
    data: NDArray[np.uint8]
    """Shape (frames, 8); zeros behind the length."""
    length: NDArray[np.uint8]
    """Data bytes of each frame, shape (frames,)."""


@dataclass(frozen=True, slots=True)
class CaseEvent:
    """An event that a node told within the window."""

    node: str
    code: str
    t_s: float
    raised: bool
    """False: it ended."""
    values: Mapping[str, float] = field(default_factory=dict)
    """By the names of the fault catalogue."""


@dataclass(frozen=True, slots=True, eq=False)
class NodeRecord:
    """What is known of one node. A node that gave no snapshot has no channels."""

    node: str
    kind: str
    """`house` or `gateway`."""
    place: int
    """Along the line of the cluster as its CAN number says: neighbours differ by one; 0 is the gateway."""
    channels: Mapping[str, Series] = field(default_factory=dict)
    """By the key of the metric in the model, e.g. `inverter_power`, `cell_voltage_7`."""
    clock_error_s: float | None = None
    """How far its time may be off; None when it had none."""


@dataclass(frozen=True, slots=True, eq=False)
class Case:
    """A fault and all that is known around it. Signs are those of the model: a source's power is positive."""

    event_id: str
    code: str
    node: str
    """Who told the fault."""
    trigger_utc_us: int | None
    """When the fault was told; None when the node did not know the time."""
    before_s: float
    after_s: float
    nodes: Mapping[str, NodeRecord]
    """By node id: the houses and the gateway of the cluster."""
    events: tuple[CaseEvent, ...] = ()
    """In the order of their times."""
    traffic: CanTraffic | None = None
