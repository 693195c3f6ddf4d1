"""What the physics reports when something begins, ends or happens at a node."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from microgrid_core.contract.messages import EventState, EventType, Scalar, Severity


@dataclass(frozen=True, slots=True)
class Occurrence:
    """One event of a node, without any envelope."""

    node: str
    type: EventType
    state: EventState
    code: str
    severity: Severity
    values: Mapping[str, Scalar | None] = field(default_factory=dict)
