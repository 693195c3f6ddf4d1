"""An MPP inverter at the public grid: own battery, own PV, and the modes that its priority leads to."""

from __future__ import annotations

import math

import numpy as np

from microgrid_core.model.mpp_inverter import OUTPUT_PRIORITIES

from .battery import LfpPacks
from .counters import EnergyCounters
from .load import HouseholdLoads
from .solar import PvArrays, SunPosition

RATED_W = 5000.0
MAX_CHARGING_A = 60.0
MAX_GRID_CHARGING_A = 30.0
RECHARGE_V, REDISCHARGE_V, UNDER_V, BULK_V, FLOAT_V = 50.0, 54.0, 47.0, 54.4, 53.6
_OWN_USE_W = 45.0
_EFFICIENCY = 0.92
_BACK_TO_GRID, _BACK_TO_BATTERY = 0.25, 0.55  # state of charge
_OUTAGES_PER_DAY = 0.5
_OUTAGE_S = 900.0


class MppInverter:
    """One inverter with what hangs on it."""

    def __init__(self, rng: np.random.Generator) -> None:
        """Begin on the grid or on the battery, as its priority says."""
        self._rng = rng
        pack_side, pv_side, load_side = rng.spawn(3)
        self.pack = LfpPacks(
            pack_side, np.array([0.6]), capacity_ah=200.0, max_charge_a=MAX_CHARGING_A, max_discharge_a=120.0
        )
        self.solar = PvArrays(pv_side, np.array([4400.0]))
        self.loads = HouseholdLoads(load_side, 1)
        self.energy = EnergyCounters(1, "solar", "load")
        self.output_priority = "sbu"
        self.mode = "battery"
        self.grid_v = 231.0
        self.grid_hz = 50.0
        self.output_v = 230.0
        self.output_hz = 50.0
        self.load_w = 300.0
        self.grid_charging_w = 0.0
        self.heat_sink_c = 32.0
        self._outage_s = 0.0
        self._mains = 0.0
        self._battery_allowed = True

    def set_output_priority(self, priority: str) -> None:
        """Choose among `utility`, `solar` and `sbu`."""
        if priority not in OUTPUT_PRIORITIES:
            raise ValueError(f"output priority {priority}: must be one of {', '.join(OUTPUT_PRIORITIES)}")
        self.output_priority = priority

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
        self._mains_step(dt_s)
        self.loads.step(solar_time_s, dt_s)
        self.loads.inrush_w[:] = 0.0
        self.load_w = float(min(self.loads.power_w[0], RATED_W))
        irradiance = self.solar.irradiate(sun, np.array([transmittance]))
        self.solar.shine(irradiance, ambient_c, dt_s)
        pack = self.pack
        charge = float(pack.state_of_charge[0])
        if charge < _BACK_TO_GRID:
            self._battery_allowed = False
        elif charge > _BACK_TO_BATTERY:
            self._battery_allowed = True
        self.mode = self._mode()
        dc_need_w = self.load_w / _EFFICIENCY + _OWN_USE_W
        limit_w = float(pack.charge_limit_a[0] * pack.voltage_v[0])
        if self.mode == "battery":
            self.solar.convert(np.array([dc_need_w + limit_w]))
            self.grid_charging_w = 0.0
            battery_w = dc_need_w - float(self.solar.output_power_w[0])
            self.output_v, self.output_hz = 230.0, 50.0
        else:
            # In line mode the sun serves the load first unless the grid has the highest priority.
            served_w = 0.0 if self.output_priority == "utility" else dc_need_w
            self.solar.convert(np.array([served_w + limit_w]))
            solar_w = float(self.solar.output_power_w[0])
            grid_limit_w = min(MAX_GRID_CHARGING_A * float(pack.voltage_v[0]), limit_w)
            needs_grid = charge < _BACK_TO_BATTERY
            surplus_w = max(0.0, solar_w - served_w)
            self.grid_charging_w = max(0.0, min(grid_limit_w, limit_w - surplus_w)) if needs_grid else 0.0
            battery_w = -(surplus_w + self.grid_charging_w)
            self.output_v, self.output_hz = self.grid_v, self.grid_hz
        if self.mode == "standby":
            battery_w = -float(self.solar.output_power_w[0])
            self.output_v = self.output_hz = self.load_w = self.grid_charging_w = 0.0
        pack.step(np.array([battery_w]), dt_s)
        pack.update_slow(dt_s, 20.0)
        busy = (self.load_w if self.mode == "battery" else self.grid_charging_w) / RATED_W
        target = ambient_c * 0.3 + 24.0 + 30.0 * busy
        self.heat_sink_c += (target - self.heat_sink_c) * (1.0 - math.exp(-dt_s / 300.0))
        self.energy.add(counted_h, self.solar.output_power_w, self.load_w)

    def _mode(self) -> str:
        grid_there = self._outage_s <= 0.0
        can_discharge = float(self.pack.cell_v.min()) > 3.0
        if not grid_there:
            return "battery" if can_discharge else "standby"
        if self.output_priority == "sbu" and self._battery_allowed and can_discharge:
            return "battery"
        return "line"

    def _mains_step(self, dt_s: float) -> None:
        keep = math.exp(-dt_s / 300.0)
        self._mains = keep * self._mains + math.sqrt(1.0 - keep**2) * float(self._rng.normal())
        if self._outage_s > 0.0:
            self._outage_s -= dt_s
        elif self._rng.random() < _OUTAGES_PER_DAY * dt_s / 86_400.0:
            self._outage_s = _OUTAGE_S * float(self._rng.uniform(0.3, 1.7))
        grid_there = self._outage_s <= 0.0
        self.grid_v = 231.0 + 2.0 * self._mains if grid_there else 0.0
        self.grid_hz = 50.0 + 0.01 * self._mains if grid_there else 0.0

    @property
    def charging_a(self) -> float:
        """Current into the battery."""
        return max(0.0, -float(self.pack.current_a[0]))

    @property
    def discharging_a(self) -> float:
        """Current out of the battery."""
        return max(0.0, float(self.pack.current_a[0]))
