"""Control from outside: when inverters run and contactors close is decided by whoever reads the measurements,
such as the firmware of the nodes. The physics only carries it out.
"""

from __future__ import annotations

import numpy as np

from .arrays import Flags
from .gateways import Gateways
from .grid import DroopGrid
from .occurrence import Occurrence
from .protection import RULES, Measured, Protection

_CLOSING_DELAY_S = 0.03  # from the coil to the touch of the contacts


class OutsideProtection(Protection):
    """Lets an inverter run until somebody trips it."""

    def __init__(self, houses: int) -> None:
        """Begin with nobody tripping anything."""
        super().__init__(houses)
        self.tripped: Flags = np.zeros(houses, dtype=bool)
        self._nothing: Flags = np.zeros((len(RULES), houses), dtype=bool)

    def step(self, measured: Measured, running: Flags, dt_s: float) -> tuple[Flags, Flags, Flags]:
        """Nothing is raised or cleared here."""
        return self._nothing, self._nothing, ~self.tripped


class OutsideGateways(Gateways):
    """Contactors that follow their coils, which somebody drives.

    `commanded` is what the coil is told. While a contactor is open and `synchronising`, its cluster's
    frequency is steered to meet the swarm, as the twin of a gateway does it: no message of the bus sets the
    droop of an inverter.
    """

    def __init__(self, rng: np.random.Generator, names: tuple[str, ...], grid: DroopGrid) -> None:
        """Begin with closed contactors, as long as nobody opens them."""
        super().__init__(rng, names, grid)
        self.synchronising: Flags = np.zeros(len(names), dtype=bool)
        self._driven_s = np.zeros(len(names))

    def _operate(self, unit: int, dt_s: float) -> list[Occurrence]:
        grid = self._grid
        closed, driven = bool(grid.contactor_closed[unit]), bool(self.commanded[unit])
        stuck = self.disturbances["contactor_stuck"][unit] > 0.0
        if closed and not driven and not stuck:
            self._switch(unit, False)
        elif not closed and not stuck:
            self._driven_s[unit] = self._driven_s[unit] + dt_s if driven else 0.0
            if self._driven_s[unit] > _CLOSING_DELAY_S:
                self._switch(unit, True)
            elif self.synchronising[unit]:
                self._steer(unit, dt_s)
        return []
