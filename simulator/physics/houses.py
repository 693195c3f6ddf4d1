"""The houses: inverter, battery, solar charger, load and protection of all of them, computed together."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from microgrid_core.contract.messages import EventState, EventType

from .arrays import Floats, Indices
from .battery import LfpPacks
from .counters import EnergyCounters, Vitals
from .disturbance import DISTURBED_CELL, Disturbances
from .grid import NOMINAL_VOLTAGE_V, DroopGrid
from .load import HouseholdLoads
from .occurrence import Occurrence
from .protection import RULES, Measured, Protection
from .solar import PvArrays, SunPosition
from .thermal import Mosfets
from .trace import Trace

_EFFICIENCY = 0.94  # of the inverter, both directions
_IDLE_W = 28.0
_POWER_FACTOR = 0.97
_SOURCE_OHM = 0.12  # of an inverter's output: V falls with its current
_SHARING_W = 4000.0  # set-point shift for a state of charge that is 100 % above the swarm's mean
_SHARING_LIMIT_W = 1200.0
_SHARING_S = 60.0
_SAVE_BELOW, _SAVE_ALL_BELOW = 0.35, 0.15  # state of charge at which households begin to put off uses


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What the houses stand in for a while."""

    day_of_year: float
    solar_time_s: float
    sun: SunPosition
    transmittance: Floats
    """One value for each cluster."""
    ambient_c: float


class Houses:
    """All houses of the swarm; arrays have one value for each house."""

    def __init__(
        self,
        rng: np.random.Generator,
        names: tuple[str, ...],
        cluster: Indices,
        trace: Trace | None,
        protection: Protection,
    ) -> None:
        """Draw the houses' differences."""
        houses = len(names)
        self.names = names
        self.cluster = cluster
        weather_side, battery_side, load_side, sensor_side = rng.spawn(4)
        # Calibrated to 0.02 Hz at 3 kW.
        self.grid = DroopGrid(cluster, rng.uniform(-0.01, 0.01, houses))
        self.packs = LfpPacks(battery_side, rng.uniform(0.45, 0.75, houses))
        self.solar = PvArrays(weather_side, rng.uniform(3300.0, 5200.0, houses))
        self.loads = HouseholdLoads(load_side, houses)
        self.mosfets = Mosfets(rng, houses)
        self.protection = protection
        self.disturbances = Disturbances(houses)
        self.vitals = Vitals(rng, np.bincount(cluster)[cluster].tolist())
        self.energy = EnergyCounters(houses, "load", "solar", "charged", "discharged", "exported", "imported")
        self._trace = trace
        self._sensor_side = sensor_side
        self._voltage_offset_v = rng.normal(0.0, 0.5, houses)
        self._frequency_noise_hz = np.zeros(houses)
        self._voltage_noise_v = np.zeros(houses)
        self.load_w = self.loads.power_w.copy()
        self.load_served_w = self.load_w
        self.current_a = np.zeros(houses)
        self.voltage_v = np.full(houses, NOMINAL_VOLTAGE_V)
        self.dc_power_w = np.zeros(houses)
        self.measured = self._measure()

    def step(self, dt_s: float, counted_h: float) -> list[Occurrence]:
        """Everything that follows the mains cycle; `counted_h` is what the energy counters see of it."""
        grid, packs = self.grid, self.packs
        self.load_w = self.loads.power_w + self.loads.inrush_w
        self.loads.decay_inrush(dt_s)
        grid.step(self.load_w, dt_s)
        self.load_served_w = np.where(grid.served, self.load_w, 0.0)
        power = grid.power_w
        self.current_a = power / (_POWER_FACTOR * NOMINAL_VOLTAGE_V)
        own = NOMINAL_VOLTAGE_V + self._voltage_offset_v - _SOURCE_OHM * self.current_a
        if grid.inverter_on.all():
            self.voltage_v = own
        else:
            elsewhere = own[grid.inverter_on].mean() if grid.inverter_on.any() else 0.0
            self.voltage_v = np.where(grid.inverter_on, own, np.where(grid.served, elsewhere, 0.0))
        self.dc_power_w = np.where(power > 0.0, power / _EFFICIENCY, power * _EFFICIENCY)
        self.dc_power_w = self.dc_power_w + np.where(grid.inverter_on, _IDLE_W, 4.0)
        self.solar.convert(self.dc_power_w + packs.charge_limit_a * packs.voltage_v)
        packs.step(self.dc_power_w - self.solar.output_power_w, dt_s)
        battery_w = packs.current_a * packs.voltage_v
        exchange_w = power - self.load_served_w
        self.energy.add(
            counted_h,
            self.load_served_w,
            self.solar.output_power_w,
            -battery_w,
            battery_w,
            exchange_w,
            -exchange_w,
        )
        self.disturbances.step(dt_s)
        self.measured = self._measure()
        return self._protect(dt_s)

    def tick(self, around: Surroundings, dt_s: float) -> None:
        """Everything slower than a second."""
        packs, grid = self.packs, self.grid
        charge = packs.state_of_charge
        willing = np.clip((charge - _SAVE_ALL_BELOW) / (_SAVE_BELOW - _SAVE_ALL_BELOW), 0.1, 1.0)
        if self._trace is None:
            self.loads.step(around.solar_time_s, dt_s, willing)
        else:
            self.loads.power_w = willing * self._trace.load_w(around.day_of_year, around.solar_time_s)
        if self._trace is not None and self._trace.has_pv:
            share = self._trace.pv_per_peak(around.day_of_year, around.solar_time_s)
            irradiance = share * 1000.0 / 0.87  # heat and dust take 13 % between sun and converter
        else:
            irradiance = self.solar.irradiate(around.sun, around.transmittance[self.cluster])
        self.solar.shine(irradiance, around.ambient_c, dt_s)
        self.mosfets.step(self.current_a, 18.0 + 0.3 * (around.ambient_c - 10.0), 1.0, dt_s)
        packs.update_slow(dt_s, 18.0 + 0.3 * (around.ambient_c - 10.0))
        # Energy management: fuller houses take more of the common load, so that nobody runs empty alone.
        component = grid.component[: grid.houses]
        size = int(component.max()) + 1
        mean = np.bincount(component, charge, size) / np.maximum(np.bincount(component, minlength=size), 1)
        wanted = np.clip(_SHARING_W * (charge - mean[component]), -_SHARING_LIMIT_W, _SHARING_LIMIT_W)
        grid.setpoint_w += (wanted - grid.setpoint_w) * (1.0 - np.exp(-dt_s / _SHARING_S))
        grid.recentre()
        self._frequency_noise_hz = self._sensor_side.normal(0.0, 0.002, grid.houses)
        self._voltage_noise_v = self._sensor_side.normal(0.0, 0.15, grid.houses)

    @property
    def measured_frequency_hz(self) -> Floats:
        """Frequency as the node's capture unit sees it; not a number where the network is dead."""
        return self.grid.frequency_hz + self._frequency_noise_hz

    @property
    def measured_cell_v(self) -> Floats:
        """Cell voltages as the BMS sees them (houses × cells)."""
        if not self.disturbances.any:
            return self.packs.cell_v
        cells = self.packs.cell_v.copy()
        cells[:, DISTURBED_CELL] += self.disturbances["cell_v"]
        return cells

    @property
    def measured_battery_current_a(self) -> Floats:
        """Battery current as the BMS sees it."""
        return self.packs.current_a + self.disturbances["battery_current_a"]

    def _measure(self) -> Measured:
        """Read the sensors; a dead bus reads 0 V whatever disturbs it."""
        offset = self.disturbances
        cells = self.measured_cell_v
        high, low = cells.max(axis=1), cells.min(axis=1)
        battery_a = self.measured_battery_current_a
        voltage = self.voltage_v + self._voltage_noise_v + offset["inverter_voltage_v"]
        return Measured(
            inverter_current_a=np.abs(self.current_a) + offset["inverter_current_a"],
            inverter_voltage_v=np.where(self.voltage_v > 0.0, voltage, 0.0),
            mosfet_c=self.mosfets.temperature_c.max(axis=1) + offset["mosfet_c"],
            dc_bus_v=self.packs.voltage_v + offset["dc_bus_v"],
            cell_max_v=high,
            cell_min_v=low,
            battery_c=self.packs.temperature_c + offset["battery_c"],
            charge_a=-battery_a,
            discharge_a=battery_a,
            cell_spread_v=high - low,
            pv_v=self.solar.input_voltage_v + offset["pv_v"],
            pv_a=self.solar.input_current_a + offset["pv_a"],
            can_silence_s=offset["can_silence_s"],
            can_errors_per_s=offset["can_errors_per_s"],
        )

    def _protect(self, dt_s: float) -> list[Occurrence]:
        raised, cleared, allowed = self.protection.step(self.measured, self.grid.inverter_on, dt_s)
        if (allowed != self.grid.inverter_on).any():
            self.grid.inverter_on = allowed.copy()
        if not raised.any() and not cleared.any():
            return []
        found = []
        for changed, state in ((raised, EventState.RAISED), (cleared, EventState.CLEARED)):
            for row, house in np.argwhere(changed):
                rule = RULES[row]
                value = float(getattr(self.measured, rule.quantity)[house])
                values = {rule.quantity: round(value, 3), "limit": rule.limit}
                found.append(
                    Occurrence(self.names[house], EventType.FAULT, state, rule.code, rule.severity, values)
                )
        return found
