"""Droop sharing, power balance and switching of the network."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose

from simulator.physics.grid import DROOP_HZ_PER_W, DroopGrid, expm

CLUSTERS = np.array([0, 0, 0, 0, 1, 1, 1, 1])
LOAD = np.array([900.0, 1500.0, 300.0, 700.0, 4000.0, 100.0, 250.0, 250.0])


def grid(offset_hz: float = 0.0) -> DroopGrid:
    offsets = np.zeros(8)
    offsets[0] = offset_hz
    return DroopGrid(CLUSTERS, offsets)


def run(network: DroopGrid, seconds: float, load: np.ndarray = LOAD, step_s: float = 0.01) -> None:
    for _ in range(round(seconds / step_s)):
        network.step(load, step_s)


def test_exponential_of_a_rotation() -> None:
    assert_allclose(
        expm(np.array([[0.0, -10.0], [10.0, 0.0]])),
        [[np.cos(10), -np.sin(10)], [np.sin(10), np.cos(10)]],
        atol=1e-9,
    )


def test_all_inverters_share_the_whole_load_equally() -> None:
    network = grid()
    run(network, 3.0)
    assert_allclose(network.power_w, LOAD.sum() / 8, atol=0.5)
    assert_allclose(network.frequency_hz, 50.0 - DROOP_HZ_PER_W * 1000.0, atol=1e-4)


def test_an_inverter_set_higher_delivers_more() -> None:
    network = grid(offset_hz=0.02)
    run(network, 5.0)
    # 0.02 Hz are 80 W on its own droop line, of which the mean takes an eighth.
    assert network.power_w[0] - network.power_w[1] == pytest.approx(80.0, abs=0.5)
    assert np.ptp(network.frequency_hz) < 1e-4


def test_power_balances_at_every_instant_of_a_transient() -> None:
    network = grid()
    run(network, 1.0)
    stepped = LOAD + np.array([0, 3000.0, 0, 0, 0, 0, 0, 0])
    for _ in range(100):
        network.step(stepped, 0.01)
        assert network.power_w.sum() == pytest.approx(stepped.sum(), abs=1e-3)
        cluster_flow = np.bincount(CLUSTERS, network.power_w - stepped)
        assert_allclose(network.gateway_flow_w, cluster_flow, atol=1e-3)


def test_a_load_step_shows_first_and_most_at_its_house() -> None:
    network = grid()
    run(network, 1.0)
    before = network.power_w.copy()
    network.step(LOAD + 3000.0 * (np.arange(8) == 1), 0.01)
    change = network.power_w - before
    assert np.argmax(change) == 1
    assert (change[:4] > 100.0).all()  # neighbours answer within the same 10 ms


@pytest.mark.parametrize("step_s", [0.001, 0.05, 0.5])
def test_step_length_does_not_change_the_result(step_s: float) -> None:
    stepped = LOAD + 3000.0 * (np.arange(8) == 1)
    fine, other = grid(0.02), grid(0.02)
    for network, step in ((fine, 0.01), (other, step_s)):
        network.step(LOAD, 0.01)
        run(network, 1.0, stepped, step)
    assert_allclose(other.power_w, fine.power_w, atol=1e-2)
    assert_allclose(other.frequency_hz, fine.frequency_hz, atol=1e-6)


def test_open_contactors_make_islands() -> None:
    network = grid()
    run(network, 1.0)
    network.contactor_closed[1] = False
    run(network, 3.0)
    assert network.gateway_flow_w[1] == 0.0
    assert network.power_w[:4].sum() == pytest.approx(LOAD[:4].sum(), abs=1e-3)
    assert network.power_w[4:].sum() == pytest.approx(LOAD[4:].sum(), abs=1e-3)
    assert network.frequency_at(8) == pytest.approx(50.0 - DROOP_HZ_PER_W * LOAD[:4].mean(), abs=1e-3)
    assert network.frequency_at(10) == pytest.approx(network.frequency_at(8), abs=1e-6)  # the swarm bus


def test_a_tripped_inverter_delivers_nothing_and_its_house_is_fed_by_the_others() -> None:
    network = grid()
    run(network, 1.0)
    network.inverter_on[2] = False
    run(network, 3.0)
    assert network.power_w[2] == 0.0
    assert network.served.all()
    assert network.power_w.sum() == pytest.approx(LOAD.sum(), abs=1e-3)
    network.inverter_on[2] = True
    network.step(LOAD, 0.01)
    assert abs(network.power_w[2]) < 300.0  # meets its terminals without a jump
    run(network, 3.0)
    assert_allclose(network.power_w, LOAD.sum() / 8, atol=0.5)


def test_a_cluster_without_any_source_is_dead() -> None:
    network = grid()
    run(network, 1.0)
    network.contactor_closed[0] = False
    network.inverter_on[:4] = False
    run(network, 0.5)
    assert not network.served[:4].any() and network.served[4:].all()
    assert np.isnan(network.frequency_hz[:4]).all()
    assert np.isnan(network.frequency_at(8))
    assert_allclose(network.power_w[:4], 0.0)


def test_angles_may_turn_for_hours_between_islands() -> None:
    network = grid()
    run(network, 0.5)
    network.contactor_closed[1] = False
    run(network, 3600.0, step_s=5.0)  # 0.1 Hz apart: thousands of turns
    network.recentre()
    difference = network.node_angle_rad[9] - network.node_angle_rad[10]
    assert abs(difference) > 100.0
    # Close when the phases meet, as a gateway would.
    for _ in range(2000):
        turn = np.remainder(network.node_angle_rad[9] - network.node_angle_rad[10] + np.pi, 2 * np.pi) - np.pi
        if abs(turn) < 0.1:
            break
        network.step(LOAD, 0.01)
    network.contactor_closed[1] = True
    network.step(LOAD, 0.01)
    assert np.abs(network.power_w).max() < 20_000.0
    run(network, 3.0)
    assert_allclose(network.power_w, LOAD.sum() / 8, atol=0.5)
