"""LFP packs of 16 cells in series: open-circuit curve, resistance, one RC element, unequal cells, balancer.

Current is positive while discharging. Arrays are packs × cells.
"""

from __future__ import annotations

import numpy as np

from .arrays import Flags, Floats

CELLS = 16
NOMINAL_CAPACITY_AH = 280.0
NOMINAL_CELL_V = 3.2
MAX_CHARGE_A, MAX_DISCHARGE_A = 140.0, 200.0
# Rest voltage of a typical 280 Ah LFP cell over its state of charge.
_CHARGE = np.array([0.0, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 0.95, 0.99, 1.0])
_REST_V = np.array([2.50, 3.05, 3.18, 3.22, 3.28, 3.30, 3.33, 3.35, 3.42, 3.60])
_POLARISATION_S = 60.0
_WIRING_OHM = 1.5e-3  # bus bars, fuse and cables of a pack
_RESISTANCE_PER_K = 0.012  # a cold cell resists more
_BALANCE_A = 2.0  # active balancer
_BALANCE_FROM_V = 3.38
_BALANCE_SPREAD_V = 0.005


def rest_voltage(state_of_charge: Floats) -> Floats:
    """Open-circuit voltage of a cell at a state of charge of 0 … 1."""
    voltage: Floats = np.interp(state_of_charge, _CHARGE, _REST_V)
    return voltage


class LfpPacks:
    """A number of packs computed together."""

    def __init__(
        self,
        rng: np.random.Generator,
        state_of_charge: Floats,
        capacity_ah: float = NOMINAL_CAPACITY_AH,
        max_charge_a: float = MAX_CHARGE_A,
        max_discharge_a: float = MAX_DISCHARGE_A,
    ) -> None:
        """Draw the cells' differences; `state_of_charge` (0 … 1) has one value for each pack."""
        packs = len(state_of_charge)
        shape = (packs, CELLS)
        self.max_charge_a = max_charge_a
        self.max_discharge_a = max_discharge_a
        self.nominal_capacity_ah = capacity_ah
        self.capacity_ah = capacity_ah * (0.985 - np.abs(rng.normal(0.0, 0.006, shape)))
        self.resistance_ohm = (NOMINAL_CAPACITY_AH / capacity_ah) * rng.uniform(0.25e-3, 0.4e-3, shape)
        # Roughly every sixth pack has a cell that aged faster than its neighbours.
        for pack in np.flatnonzero(rng.random(packs) < 1 / 6):
            cell = rng.integers(CELLS)
            self.capacity_ah[pack, cell] *= rng.uniform(0.93, 0.96)
            self.resistance_ohm[pack, cell] *= rng.uniform(1.3, 1.6)
        self.charge_ah = self.capacity_ah * np.clip(
            state_of_charge[:, None] + rng.normal(0.0, 0.003, shape), 0.02, 1
        )
        self.polarisation_v = np.zeros(shape)
        self.temperature_c = np.full(packs, 20.0)
        self.temperature_offset_c = rng.normal(0.0, 0.5, (packs, 4))
        self.throughput_ah = rng.uniform(50.0, 300.0, packs) * capacity_ah
        self.current_a = np.zeros(packs)
        self.balancing: Flags = np.zeros(packs, dtype=bool)
        self._decay = (0.0, 1.0)
        self._source_v = rest_voltage(self.charge_ah / self.capacity_ah)
        self._ohm = self.resistance_ohm
        self._pack_ohm = self._ohm.sum(axis=1) + _WIRING_OHM
        self._bleed_a = np.zeros(shape)
        self.cell_v = self._source_v
        self.voltage_v = self.cell_v.sum(axis=1)
        self.update_slow(0.0)

    def step(self, power_w: Floats, dt_s: float) -> None:
        """Deliver a power (negative: take it up) over `dt_s`; current follows from the terminal voltage."""
        source = self._source_v - self.polarisation_v
        pack_source = source.sum(axis=1)
        under_root = np.maximum(pack_source**2 - 4.0 * self._pack_ohm * power_w, 0.0)
        self.current_a = (pack_source - np.sqrt(under_root)) / (2.0 * self._pack_ohm)
        current = self.current_a[:, None]
        if self._decay[0] != dt_s:
            self._decay = (dt_s, float(np.exp(-dt_s / _POLARISATION_S)))
        self.polarisation_v += (current * self._ohm - self.polarisation_v) * (1.0 - self._decay[1])
        self.charge_ah -= (current + self._bleed_a) * (dt_s / 3600.0)
        np.clip(self.charge_ah, 0.0, self.capacity_ah, out=self.charge_ah)
        self._source_v = rest_voltage(self.charge_ah / self.capacity_ah)
        self.cell_v = self._source_v - self.polarisation_v - current * self._ohm
        self.voltage_v = self.cell_v.sum(axis=1) - self.current_a * _WIRING_OHM

    def update_slow(self, dt_s: float, ambient_c: Floats | float = 20.0) -> None:
        """What changes within minutes: temperature, resistance, balancer, ageing counters."""
        self._source_v = rest_voltage(self.charge_ah / self.capacity_ah)
        self._ohm = self.resistance_ohm * np.exp(-_RESISTANCE_PER_K * (self.temperature_c - 25.0))[:, None]
        self._pack_ohm = self._ohm.sum(axis=1) + _WIRING_OHM
        heat_w = self.current_a**2 * self._ohm.sum(axis=1)
        # 16 cells of 5.4 kg and 1.0 kJ/(kg K) in a box of 8 W/K
        self.temperature_c += (heat_w - 8.0 * (self.temperature_c - ambient_c)) / 86e3 * dt_s
        self.throughput_ah += np.abs(self.current_a) * dt_s / 3600.0
        cell = self._source_v - self.polarisation_v - self.current_a[:, None] * self._ohm
        high, low = cell.max(axis=1), cell.min(axis=1)
        self.balancing = (high > _BALANCE_FROM_V) & (high - low > _BALANCE_SPREAD_V)
        # The balancer moves charge from cells above the mean to those below it; nothing is lost in sum.
        deviation = self._source_v - self._source_v.mean(axis=1, keepdims=True)
        bleed = np.clip(deviation / 0.02, -1.0, 1.0) * _BALANCE_A
        bleed -= bleed.mean(axis=1, keepdims=True)
        self._bleed_a = np.where(self.balancing[:, None], bleed, 0.0)

    @property
    def state_of_charge(self) -> Floats:
        """Usable charge over usable capacity (0 … 1): the first empty and first full cell set the ends."""
        low: Floats = self.charge_ah.min(axis=1)
        high: Floats = (self.capacity_ah - self.charge_ah).min(axis=1)
        share: Floats = low / (low + high)
        return share

    @property
    def stored_energy_wh(self) -> Floats:
        """Energy that the pack can still give (nominal cell voltage)."""
        energy: Floats = self.charge_ah.min(axis=1) * CELLS * NOMINAL_CELL_V
        return energy

    @property
    def state_of_health(self) -> Floats:
        """Usable capacity over the nominal one (0 … 1)."""
        usable = self.charge_ah.min(axis=1) + (self.capacity_ah - self.charge_ah).min(axis=1)
        share: Floats = np.minimum(usable / self.nominal_capacity_ah, 1.0)
        return share

    @property
    def cycles(self) -> Floats:
        """Equivalent full cycles since new."""
        return self.throughput_ah / (2.0 * self.nominal_capacity_ah)

    @property
    def charge_limit_a(self) -> Floats:
        """What the BMS lets in: less from 3.38 V on in the highest cell, less in the cold."""
        full = np.clip((3.43 - self.cell_v.max(axis=1)) / 0.05, 0.0, 1.0)
        cold = np.clip(self.temperature_c / 10.0, 0.0, 1.0)
        limit: Floats = self.max_charge_a * full * cold
        return limit

    @property
    def discharge_limit_a(self) -> Floats:
        """What the BMS lets out: less below 3.0 V in the lowest cell."""
        limit: Floats = self.max_discharge_a * np.clip((self.cell_v.min(axis=1) - 2.85) / 0.15, 0.0, 1.0)
        return limit

    def snapshot(self) -> dict[str, list[object]]:
        """State that a later run can carry on from."""
        return {
            "charge_ah": self.charge_ah.tolist(),
            "temperature_c": self.temperature_c.tolist(),
            "throughput_ah": self.throughput_ah.tolist(),
        }

    def restore(self, saved: dict[str, list[object]]) -> None:
        """Carry on from a snapshot of as many packs; raises ValueError for another number."""
        charge = np.asarray(saved["charge_ah"], dtype=float)
        if charge.shape != self.charge_ah.shape:
            raise ValueError(f"saved packs {charge.shape}, expected {self.charge_ah.shape}")
        self.charge_ah = np.clip(charge, 0.0, self.capacity_ah)
        self.temperature_c = np.asarray(saved["temperature_c"], dtype=float)
        self.throughput_ah = np.asarray(saved["throughput_ah"], dtype=float)
        self.update_slow(0.0)
