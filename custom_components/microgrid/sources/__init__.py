"""Where readings come from: each source writes into the swarm and knows nobody else."""

from __future__ import annotations

from typing import Protocol


class Source(Protocol):
    """One way in for readings."""

    async def async_start(self) -> None:
        """Let readings in; the swarm has its listeners by now."""

    async def async_stop(self) -> None:
        """Let no more readings in."""
