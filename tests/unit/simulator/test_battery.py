"""Cells: energy, balance, limits."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose

from simulator.physics.battery import LfpPacks, rest_voltage


def packs(*charge: float, seed: int = 3) -> LfpPacks:
    return LfpPacks(np.random.default_rng(seed), np.array(charge))


def test_rest_voltage_ends() -> None:
    assert_allclose(rest_voltage(np.array([0.0, 0.5, 1.0])), [2.50, 3.29, 3.60])


@pytest.mark.parametrize("power_w", [3000.0, -3000.0])
def test_energy_is_conserved(power_w: float) -> None:
    pack = packs(0.5)
    given_j = chemical_j = heat_j = 0.0
    for _ in range(36_000):
        charge, ohm = pack.charge_ah.copy(), pack._ohm.copy()
        source = rest_voltage(charge / pack.capacity_ah)
        polarisation = pack.polarisation_v.copy()
        pack.step(np.array([power_w]), 0.1)
        current = float(pack.current_a[0])
        given_j += power_w * 0.1
        chemical_j += float((source * (charge - pack.charge_ah)).sum()) * 3600.0
        heat_j += (current**2 * (ohm.sum() + 1.5e-3) + current * polarisation.sum()) * 0.1
    assert chemical_j == pytest.approx(given_j + heat_j, rel=1e-6)
    assert heat_j > 0.005 * abs(given_j)


def test_terminal_power_is_what_was_asked_for() -> None:
    pack = packs(0.3, 0.6, 0.9)
    asked = np.array([4000.0, -2000.0, 500.0])
    pack.step(asked, 0.01)
    assert_allclose(pack.current_a * pack.voltage_v, asked, rtol=1e-3)
    assert pack.current_a[0] > 0.0 > pack.current_a[1]  # discharging is positive
    assert (pack.cell_v[0] < rest_voltage(pack.charge_ah[0] / pack.capacity_ah[0])).all()


def test_state_of_charge_reaches_its_ends_with_the_first_cell() -> None:
    pack = packs(0.5)
    pack.capacity_ah[0] = 280.0
    pack.charge_ah[0] = 140.0
    pack.capacity_ah[0, 5], pack.charge_ah[0, 5] = 200.0, 60.0  # weak, and behind the others
    assert pack.state_of_charge[0] == pytest.approx(60.0 / (60.0 + 140.0))
    assert pack.state_of_health[0] == pytest.approx(200.0 / 280.0)
    pack.charge_ah[0] -= 60.0
    assert pack.state_of_charge[0] == 0.0


def test_balancer_brings_full_cells_together() -> None:
    pack = packs(0.97)
    pack.charge_ah[0] = pack.capacity_ah[0] * 0.985
    pack.charge_ah[0, 7] = pack.capacity_ah[0, 7] * 0.998
    total = pack.charge_ah.sum()

    def spread_v() -> float:
        return float(np.ptp(rest_voltage(pack.charge_ah / pack.capacity_ah)))

    before = spread_v()
    for _ in range(7200):
        pack.update_slow(1.0)
        pack.step(np.array([0.0]), 1.0)
    assert before > 0.1
    assert spread_v() < 0.01
    assert pack.charge_ah.sum() == pytest.approx(total, rel=1e-6)


def test_balancer_rests_in_the_flat_part_of_the_curve() -> None:
    pack = packs(0.5)
    pack.charge_ah[0, 7] *= 0.8
    pack.update_slow(1.0)
    assert not pack.balancing[0]


def test_limits_close_at_both_ends() -> None:
    pack = packs(0.5, 0.999, 0.02)
    for _ in range(3):
        pack.step(np.zeros(3), 1.0)
    assert_allclose(pack.charge_limit_a[[0, 2]], 140.0)
    assert pack.charge_limit_a[1] == 0.0
    assert_allclose(pack.discharge_limit_a[[0, 1]], 200.0)
    assert pack.discharge_limit_a[2] < 100.0


def test_a_pack_carries_on_from_its_snapshot() -> None:
    pack, later = packs(0.4), packs(0.8)
    later.restore(pack.snapshot())
    assert_allclose(later.state_of_charge, pack.state_of_charge)
    with pytest.raises(ValueError, match="expected"):
        packs(0.5, 0.5).restore(pack.snapshot())
