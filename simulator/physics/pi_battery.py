"""A battery behind a Pi: follows its house's load and sun, or the rate that its schedule asks for."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from microgrid_core.model.battery import SCHEDULE_MODES

from .battery import LfpPacks
from .counters import EnergyCounters
from .load import HouseholdLoads
from .solar import PvArrays, SunPosition

MAX_POWER_W = 5000.0
INVERTER_OWN_W = 20.0
INVERTER_LOSS = 0.04  # of the power, a usual low-frequency inverter in its middle range
_RESERVE = 0.10  # state of charge that stays in the battery


@dataclass(frozen=True, slots=True)
class Task:
    """What the battery is to do now."""

    mode: str = "follow"
    """One of SCHEDULE_MODES."""
    power_w: float = MAX_POWER_W
    """Rate of charge or discharge, upper limit of `follow`."""
    scheduled: bool = False

    def __post_init__(self) -> None:
        """Refuse a mode that the battery does not know."""
        if self.mode not in SCHEDULE_MODES:
            raise ValueError(f"battery mode {self.mode}: must be one of {', '.join(SCHEDULE_MODES)}")


class PiBattery:
    """One pack and the household it serves."""

    def __init__(
        self,
        rng: np.random.Generator,
        state_of_charge: float = 0.55,
        capacity_ah: float = 200.0,
        pv_peak_w: float = 4000.0,
    ) -> None:
        """Begin half full; the BMS lets half of the capacity flow in an hour, and a little more out."""
        pack_side, pv_side, load_side = rng.spawn(3)
        self.pack = LfpPacks(
            pack_side,
            np.array([state_of_charge]),
            capacity_ah=capacity_ah,
            max_charge_a=0.5 * capacity_ah,
            max_discharge_a=0.55 * capacity_ah,
        )
        self.solar = PvArrays(pv_side, np.array([pv_peak_w]))
        self.loads = HouseholdLoads(load_side, 1)
        self.energy = EnergyCounters(1, "charged", "discharged")
        self.task = Task()
        self.power_limit_w = MAX_POWER_W
        self.requested_w = 0.0
        self.power_w = 0.0

    @property
    def net_load_w(self) -> float:
        """Load of the house less what the sun gives."""
        return float(self.loads.power_w[0] - self.solar.output_power_w[0])

    @property
    def ac_power_w(self) -> float:
        """What the inverter makes of the battery's power: less when it gives, more when it takes."""
        lost_w = INVERTER_OWN_W + INVERTER_LOSS * abs(self.power_w) if self.power_w else 0.0
        return self.power_w - lost_w

    def step(
        self,
        solar_time_s: float,
        sun: SunPosition,
        transmittance: float,
        ambient_c: float,
        dt_s: float,
        counted_h: float,
    ) -> None:
        """Advance."""
        self.loads.step(solar_time_s, dt_s)
        self.loads.inrush_w[:] = 0.0
        self.solar.shine(self.solar.irradiate(sun, np.array([transmittance])), ambient_c, dt_s)
        self.solar.convert(np.array([np.inf]))
        limit = min(self.task.power_w, self.power_limit_w)
        surplus = self.net_load_w
        self.requested_w = {
            "idle": 0.0,
            "discharge": limit,
            "charge": -limit,
            "follow": min(max(surplus, -limit), limit),
        }[self.task.mode]
        pack = self.pack
        voltage = float(pack.voltage_v[0])
        may_give = float(pack.discharge_limit_a[0]) * voltage if pack.state_of_charge[0] > _RESERVE else 0.0
        may_take = float(pack.charge_limit_a[0]) * voltage
        asked = min(max(self.requested_w, -may_take), may_give)
        pack.step(np.array([asked]), dt_s)
        pack.update_slow(dt_s, 19.0)
        self.power_w = float(pack.current_a[0] * pack.voltage_v[0])
        self.energy.add(counted_h, -self.power_w, self.power_w)
