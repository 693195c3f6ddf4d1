"""What is known of a made fault and shall be found: the label of a scenario."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

OUTSIDE = "outside"
"""Stands for whatever lies beyond the gateway."""


class Split(StrEnum):
    """Which ranges a scenario's parameters are drawn from; no parameter's two ranges overlap."""

    TUNED = "tuned"
    APART = "apart"


@dataclass(frozen=True, slots=True)
class Truth:
    """Why the fault of a case happened."""

    cause: str
    """Id in the catalogue of causes."""
    origin: str
    """Node whose own defect or load it is; `outside` for the swarm beyond the gateway."""
    kind: str
    """As in the catalogue: local, propagated, sensor or none."""
    path: tuple[str, ...]
    """From the origin to the node that told the fault; one node when they are the same."""
    onset_s: float | None
    """Of the first deviation, since the trigger; None when it began before the window."""
