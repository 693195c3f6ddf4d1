"""Protection of the houses: measured quantities against limits with delays, trips and automatic restart."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from microgrid_core.contract.faults import fault
from microgrid_core.contract.messages import Severity

from .arrays import Flags, Floats

_CLEAR_AFTER_S = 5.0
_RESTART_AFTER_S = 10.0


@dataclass(frozen=True, slots=True)
class Rule:
    """One fault code: when it is raised, when it ends, whether the inverter stops."""

    code: str
    quantity: str
    """Attribute of `Measured`."""
    limit: float
    release: float
    """Value at which the condition counts as gone; below the limit for a maximum, above it for a minimum."""
    delay_s: float
    trips: bool = True
    while_running: bool = False
    """Looked at only while the inverter runs."""

    @property
    def severity(self) -> Severity:
        """Severity by the catalogue."""
        return fault(self.code).severity


RULES = (
    Rule("F001", "inverter_current_a", 39.1, 35.0, 0.02, while_running=True),  # 150 % of 26.1 A
    Rule("F002", "inverter_voltage_v", 253.0, 250.0, 0.2, while_running=True),
    Rule("F003", "inverter_voltage_v", 207.0, 210.0, 0.2, while_running=True),
    Rule("F004", "mosfet_c", 95.0, 80.0, 0.5),
    Rule("F005", "dc_bus_v", 58.4, 57.6, 0.1),  # 16 x 3.65 V
    Rule("F006", "dc_bus_v", 44.8, 46.4, 0.5),  # 16 x 2.80 V
    Rule("F010", "cell_max_v", 3.65, 3.50, 1.0),
    Rule("F011", "cell_min_v", 2.80, 3.00, 1.0),
    Rule("F012", "battery_c", 60.0, 50.0, 5.0),
    Rule("F013", "charge_a", 180.0, 150.0, 1.0),
    Rule("F014", "discharge_a", 220.0, 200.0, 1.0),
    Rule("F015", "cell_spread_v", 0.1, 0.08, 60.0, trips=False),
    Rule("F020", "pv_v", 250.0, 240.0, 0.5, trips=False),
    Rule("F021", "pv_a", 45.0, 40.0, 0.5, trips=False),
    Rule("F030", "can_silence_s", 3.0, 1.0, 0.0, trips=False),
    Rule("F031", "can_errors_per_s", 10.0, 2.0, 2.0, trips=False),
)


@dataclass(slots=True)
class Measured:
    """What the houses' sensors show, one value for each house."""

    inverter_current_a: Floats
    inverter_voltage_v: Floats
    mosfet_c: Floats
    dc_bus_v: Floats
    cell_max_v: Floats
    cell_min_v: Floats
    battery_c: Floats
    charge_a: Floats
    discharge_a: Floats
    cell_spread_v: Floats
    pv_v: Floats
    pv_a: Floats
    can_silence_s: Floats
    can_errors_per_s: Floats


class Protection:
    """All rules of all houses at once (arrays are rules × houses)."""

    def __init__(self, houses: int) -> None:
        """Begin without faults."""
        self.active: Flags = np.zeros((len(RULES), houses), dtype=bool)
        self._timer_s = np.zeros((len(RULES), houses))
        self._tripped_s = np.full(houses, np.inf)
        """Time since the last tripping fault ended; infinite when there was none."""
        # A minimum is a maximum of the negative value.
        self._sign = np.array([[1.0 if rule.limit >= rule.release else -1.0] for rule in RULES])
        self._limit = self._sign * np.array([[rule.limit] for rule in RULES])
        self._release = self._sign * np.array([[rule.release] for rule in RULES])
        self._delay_s = np.array([[rule.delay_s] for rule in RULES])
        self._trips = np.array([rule.trips for rule in RULES])
        self._while_running = np.array([[rule.while_running] for rule in RULES])

    def step(self, measured: Measured, running: Flags, dt_s: float) -> tuple[Flags, Flags, Flags]:
        """Advance; return the rules raised and cleared (rules × houses) and which inverters may run."""
        values = self._sign * np.array([getattr(measured, rule.quantity) for rule in RULES])
        watched = running | ~self._while_running
        over = (values > self._limit) & watched
        good = (values < self._release) | ~watched
        counting = np.where(self.active, good, over)
        if not counting.any() and not self.active.any() and not np.isfinite(self._tripped_s).any():
            self._timer_s[:] = 0.0
            return counting, counting, np.ones(len(running), dtype=bool)
        self._timer_s = np.where(counting, self._timer_s + dt_s, 0.0)
        raised = over & ~self.active & (self._timer_s >= self._delay_s)
        cleared = self.active & (self._timer_s >= _CLEAR_AFTER_S)
        self.active ^= raised | cleared
        self._timer_s[raised | cleared] = 0.0
        tripping = self.active[self._trips].any(axis=0)
        self._tripped_s = np.where(tripping, 0.0, self._tripped_s + dt_s)
        allowed = ~tripping & (self._tripped_s >= _RESTART_AFTER_S)
        self._tripped_s[allowed] = np.inf
        return raised, cleared, allowed

    def clear(self, house: int) -> None:
        """End at the next step what only waits for its time (the operator's command)."""
        self._timer_s[self.active[:, house], house] += _CLEAR_AFTER_S
        if np.isfinite(self._tripped_s[house]):
            self._tripped_s[house] = _RESTART_AFTER_S

    def codes(self, house: int) -> tuple[str, ...]:
        """Codes active at one house."""
        return tuple(rule.code for rule, on in zip(RULES, self.active[:, house], strict=True) if on)
