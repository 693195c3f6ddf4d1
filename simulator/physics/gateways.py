"""Cluster gateways: the contactor to the swarm bus, closed only when both sides turn together."""

from __future__ import annotations

import math

import numpy as np

from microgrid_core.contract.faults import fault
from microgrid_core.contract.messages import EventState, EventType, Scalar, Severity

from .arrays import Flags, Floats
from .counters import EnergyCounters, Vitals
from .disturbance import Disturbances
from .grid import NOMINAL_VOLTAGE_V, DroopGrid
from .occurrence import Occurrence

# The tight class of IEEE 1547-2018 for closing on a live bus.
_MAX_FREQUENCY_HZ = 0.1
_MAX_VOLTAGE_SHARE = 0.03
_MAX_PHASE_DEG = 10.0
_HOLD_S = 0.5
_SYNC_TIMEOUT_S = 60.0
_STUCK_AFTER_S = 2.0
_SLEW_HZ_PER_S = 0.5
_RELAX_HZ_PER_S = 0.02


class Gateways:
    """All gateways of the swarm."""

    def __init__(self, rng: np.random.Generator, names: tuple[str, ...], grid: DroopGrid) -> None:
        """Begin with closed contactors."""
        self.names = names
        self._grid = grid
        units = len(names)
        self.commanded = np.ones(units, dtype=bool)
        self.cycles = np.zeros(units)
        self.cluster_frequency_hz = np.full(units, 50.0)
        self.swarm_frequency_hz = np.full(units, 50.0)
        self.cluster_voltage_v = np.full(units, NOMINAL_VOLTAGE_V)
        self.swarm_voltage_v = np.full(units, NOMINAL_VOLTAGE_V)
        self.phase_deg = np.zeros(units)
        self.energy = EnergyCounters(units, "exported", "imported")
        self.vitals = Vitals(rng, np.bincount(grid.cluster, minlength=units).tolist())
        self.disturbances = Disturbances(units)
        self._faults: list[set[str]] = [set() for _ in names]
        self._waiting_s = np.zeros(units)
        self._held_s = np.zeros(units)
        self._disagree_s = np.zeros(units)

    def command(self, unit: int, closed: bool) -> None:
        """Ask for the contactor to be closed (once it is safe) or open (at once)."""
        self.commanded[unit] = closed
        self._waiting_s[unit] = self._held_s[unit] = 0.0

    def codes(self, unit: int) -> tuple[str, ...]:
        """Codes active at one gateway."""
        return tuple(sorted(self._faults[unit]))

    def step(self, house_voltage_v: Floats, dt_s: float, counted_h: float) -> list[Occurrence]:
        """Advance after the grid's step."""
        grid, found = self._grid, list[Occurrence]()
        self.disturbances.step(dt_s)
        closed = grid.contactor_closed
        flow = grid.gateway_flow_w
        self.energy.add(counted_h, flow, -flow)
        if closed.all() and self.commanded.all() and not self.disturbances.any and not any(self._faults):
            if grid.synchronising_hz.any():
                self._relax(closed, dt_s)
            return found
        self.measure(house_voltage_v)
        self._relax(closed, dt_s)
        for unit in range(len(self.names)):
            found += self._operate(unit, dt_s)
        return found

    def measure(self, house_voltage_v: Floats) -> None:
        """Read both sides of each contactor."""
        grid = self._grid
        swarm_hz = grid.frequency_at(grid.swarm_node)
        live = np.isfinite(grid.frequency_hz)
        on_bus = live & (grid.component[: grid.houses] == grid.component[grid.swarm_node])
        swarm_v = float(house_voltage_v[on_bus].mean()) if on_bus.any() else 0.0
        for unit in range(len(self.names)):
            gateway = grid.houses + unit
            own = live & (grid.component[: grid.houses] == grid.component[gateway])
            self.cluster_frequency_hz[unit] = grid.frequency_at(gateway)
            self.swarm_frequency_hz[unit] = swarm_hz + self.disturbances["swarm_frequency_hz"][unit]
            self.cluster_voltage_v[unit] = float(house_voltage_v[own].mean()) if own.any() else 0.0
            self.swarm_voltage_v[unit] = swarm_v
            turn = grid.node_angle_rad[gateway] - grid.node_angle_rad[grid.swarm_node]
            self.phase_deg[unit] = math.degrees(math.remainder(turn, 2.0 * math.pi))

    def _relax(self, closed: Flags, dt_s: float) -> None:
        """After closing, let the frequency shift of the synchronising fade."""
        shift = self._grid.synchronising_hz
        faded = np.sign(shift) * np.maximum(np.abs(shift) - _RELAX_HZ_PER_S * dt_s, 0.0)
        self._grid.synchronising_hz = np.where(closed, faded, shift)

    def _operate(self, unit: int, dt_s: float) -> list[Occurrence]:
        grid, found = self._grid, list[Occurrence]()
        closed, commanded = bool(grid.contactor_closed[unit]), bool(self.commanded[unit])
        stuck = self.disturbances["contactor_stuck"][unit] > 0.0
        if closed and not commanded and not stuck:
            found.append(self._switch(unit, False))
        elif not closed and commanded and not stuck:
            found += self._synchronise(unit, dt_s)
        disagrees = stuck and closed != commanded
        self._disagree_s[unit] = self._disagree_s[unit] + dt_s if disagrees else 0.0
        found += self._fault(unit, "F041", bool(self._disagree_s[unit] > _STUCK_AFTER_S))
        late = self._fault(unit, "F040", bool(self._waiting_s[unit] > _SYNC_TIMEOUT_S))
        if late and late[0].state is EventState.RAISED:
            found.append(self._sync(unit, "SYNC_FAILED"))
        return [*found, *late]

    def _synchronise(self, unit: int, dt_s: float) -> list[Occurrence]:
        started = [] if self._waiting_s[unit] else [self._sync(unit, "SYNC_STARTED")]
        self._waiting_s[unit] += dt_s
        own, swarm = self.cluster_frequency_hz[unit], self.swarm_frequency_hz[unit]
        if math.isnan(own) or math.isnan(swarm):  # a dead side has no phase to meet
            ready = True
        else:
            difference = own - swarm
            self._steer(unit, dt_s)
            nominal = self.swarm_voltage_v[unit]
            ready = (
                abs(difference) < _MAX_FREQUENCY_HZ
                and abs(self.cluster_voltage_v[unit] - nominal) < _MAX_VOLTAGE_SHARE * nominal
                and abs(self.phase_deg[unit]) < _MAX_PHASE_DEG
            )
        self._held_s[unit] = self._held_s[unit] + dt_s if ready else 0.0
        if self._held_s[unit] < _HOLD_S:
            return started
        values: dict[str, Scalar | None] = {
            "phase_difference": round(float(self.phase_deg[unit]), 1),
            "seconds_waited": round(float(self._waiting_s[unit]), 1),
        }
        if math.isfinite(own) and math.isfinite(swarm):
            values["frequency_difference"] = round(float(own - swarm), 3)
        self._waiting_s[unit] = self._held_s[unit] = 0.0
        return [*started, self._sync(unit, "SYNC_REACHED", values), self._switch(unit, True)]

    def _steer(self, unit: int, dt_s: float) -> None:
        """Let the cluster turn faster or slower, in proportion to the phase that is missing."""
        difference = self.cluster_frequency_hz[unit] - self.swarm_frequency_hz[unit]
        if math.isnan(difference):
            return
        settle_s = max(1.0, 4.0 * dt_s)
        wanted = max(-0.1, min(0.1, -self.phase_deg[unit] / 360.0 / settle_s))
        change = max(-_SLEW_HZ_PER_S * dt_s, min(_SLEW_HZ_PER_S * dt_s, wanted - difference))
        shift = self._grid.synchronising_hz
        shift[unit] = max(-2.0, min(2.0, shift[unit] + change))

    def _sync(self, unit: int, code: str, values: dict[str, Scalar | None] | None = None) -> Occurrence:
        severity = Severity.WARNING if code == "SYNC_FAILED" else Severity.INFO
        return Occurrence(self.names[unit], EventType.SYNC, EventState.MOMENT, code, severity, values or {})

    def _switch(self, unit: int, closed: bool) -> Occurrence:
        self._grid.contactor_closed[unit] = closed
        self.cycles[unit] += 1
        code = "CONTACTOR_CLOSED" if closed else "CONTACTOR_OPENED"
        values = {
            "phase_difference": round(float(self.phase_deg[unit]), 1),
            "power_flow": round(float(self._grid.gateway_flow_w[unit])),
        }
        return Occurrence(
            self.names[unit], EventType.CONTACTOR, EventState.MOMENT, code, Severity.INFO, values
        )

    def _fault(self, unit: int, code: str, present: bool) -> list[Occurrence]:
        active = self._faults[unit]
        if present == (code in active):
            return []
        (active.add if present else active.discard)(code)
        state = EventState.RAISED if present else EventState.CLEARED
        return [Occurrence(self.names[unit], EventType.FAULT, state, code, fault(code).severity)]
