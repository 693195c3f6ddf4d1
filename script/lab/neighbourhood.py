"""The simulated neighbourhood as a child process."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from .hass import ROOT
from .processes import Child

# One of each beside the houses and gateways; the simulator adds them by itself.
OTHERS = {"heat_pump": 1, "mpp_inverter": 1, "battery": 1}


@dataclass(frozen=True, slots=True)
class Plan:
    """What is simulated."""

    houses: int = 12
    clusters: int = 3
    seed: int = 1
    speed: float = 1.0
    start: str | None = None
    """Solar time at which the simulation begins: HH:MM or now; None: in the morning."""
    firmware: bool = False
    """Whether houses and gateways are programs of the real firmware."""
    recording: Path | None = None
    """What the Victron GX plays, over and over, instead of a simulated site."""

    @property
    def expected(self) -> dict[str, int]:
        """How many nodes of each kind there will be."""
        return {"house": self.houses, "gateway": self.clusters, **OTHERS}

    def clusters_of_houses(self) -> list[list[str]]:
        """Return the names of the houses of each cluster, as the simulator divides them."""
        found: list[list[str]] = [[] for _ in range(self.clusters)]
        for house in range(self.houses):
            found[house * self.clusters // self.houses].append(f"house-{house + 1:02d}")
        return found

    def arguments(self) -> list[str]:
        """Return it as arguments of the simulator."""
        arguments = [f"--houses={self.houses}", f"--clusters={self.clusters}", f"--seed={self.seed}"]
        arguments.append(f"--speed={self.speed:g}")
        return [*arguments, f"--start={self.start}"] if self.start else arguments


class Neighbourhood(Child):
    """The simulator, speaking to one broker."""

    def __init__(self, folder: Path, broker: str, plan: Plan, extra: Sequence[str] = ()) -> None:
        """Know what to simulate and whom to tell (`broker`: HOST:PORT)."""
        super().__init__(
            "simulator",
            [
                *(sys.executable, "-m", "simulator", f"--broker={broker}"),
                *plan.arguments(),
                f"--state={folder / 'simulator.json'}",
                *extra,
            ],
            log=folder / "simulator.log",
            cwd=folder,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )
