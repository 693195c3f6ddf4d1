"""What a node shows while a fault is played at it, instead of what the physics of the site would show."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from microgrid_core.contract.messages import Scalar


class Role(Protocol):
    """The part of one node in a play."""

    def value(self, key: str) -> float | None:
        """A reading at this moment, not a number where nothing was measured; None: the physics goes on."""

    def values(self) -> Mapping[str, Scalar | None]:
        """All readings of this moment that differ from the physics, as the node tells them."""

    def faults(self) -> tuple[str, ...]:
        """Codes of the faults that it has."""
