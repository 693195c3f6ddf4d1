"""The whole neighbourhood: balances, determinism, plausible days, faults and gateways."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
import pytest
from numpy.testing import assert_allclose

from microgrid_core.contract.messages import EventState, EventType
from microgrid_core.model.guard import plausible
from microgrid_core.model.kinds import KINDS
from simulator.physics.disturbance import EFFECTS
from simulator.physics.neighbourhood import BATTERY, HEAT_PUMP, MPP, Neighbourhood

KIND_OF = {MPP: "mpp_inverter", BATTERY: "battery", HEAT_PUMP: "heat_pump"}


def kind_of(node: str) -> str:
    return KIND_OF.get(node, "house" if node.startswith("house") else "gateway")


def test_power_balances_in_every_house_and_cluster() -> None:
    site = Neighbourhood(seed=5)
    for _ in range(50):
        site.step(0.2)
        houses, grid = site.houses, site.houses.grid
        battery_w = houses.packs.current_a * houses.packs.voltage_v
        assert_allclose(battery_w + houses.solar.output_power_w, houses.dc_power_w, atol=2.0)
        assert (houses.dc_power_w > grid.power_w).all()  # losses are paid from the battery side
        exchange = grid.power_w - houses.load_served_w
        assert_allclose(grid.gateway_flow_w, np.bincount(houses.cluster, exchange), atol=1e-2)
        assert grid.gateway_flow_w.sum() == pytest.approx(0.0, abs=1e-2)


def test_values_fit_together_on_the_wire() -> None:
    site = Neighbourhood(seed=2)
    site.step(60, 0.1)
    for name in site.house_names:
        values = site.values(name)
        numbers = {key: float(value) for key, value in values.items() if isinstance(value, (int, float))}
        cells = sum(numbers[f"cell_voltage_{cell}"] for cell in range(1, 17))
        assert cells == pytest.approx(numbers["battery_voltage"], abs=0.15)
        solar = numbers["mppt_output_voltage"] * numbers["mppt_output_current"]
        assert solar == pytest.approx(
            0.96 * numbers["mppt_input_voltage"] * numbers["mppt_input_current"], rel=0.02, abs=8
        )
        assert numbers["inverter_power"] == pytest.approx(
            0.97 * numbers["inverter_voltage"] * numbers["inverter_current"], rel=0.03, abs=5
        )
        assert values["battery_charging"] == (numbers["battery_current"] < -0.5)


def test_equal_seeds_give_equal_neighbourhoods_and_others_do_not() -> None:
    first, second, other = Neighbourhood(seed=7), Neighbourhood(seed=7), Neighbourhood(seed=8)
    for site in (first, second, other):
        site.step(30, 0.05)
    assert all(first.values(node) == second.values(node) for node in first.nodes)
    assert first.values("house-01") != other.values("house-01")


def test_reading_values_changes_nothing() -> None:
    watched, alone = Neighbourhood(seed=7), Neighbourhood(seed=7)
    for _ in range(5):
        watched.step(2, 0.05)
        for node in watched.nodes:
            watched.values(node)
    alone.step(10, 0.05)
    assert watched.values("house-03") == alone.values("house-03")


@pytest.mark.parametrize(("seed", "day_of_year"), [(1, 100), (2, 20), (3, 170)])
def test_a_whole_day_is_plausible(seed: int, day_of_year: int) -> None:
    """Every value passes the product's own guard, nothing trips, batteries stay between their ends."""
    site = Neighbourhood(seed=seed, day_of_year=day_of_year)
    counters = {
        (node, metric.key): 0.0
        for node in site.nodes
        for metric in KINDS[kind_of(node)].metrics
        if metric.counter
    }
    sun_seen = night_seen = False
    for _ in range(96):
        site.step(900, 10.0)
        for node in site.nodes:
            table = KINDS[kind_of(node)].by_key
            for key, value in site.values(node).items():
                assert plausible(table[key], value) == value, f"{node} {key} = {value!r}"
                if (node, key) in counters:
                    assert isinstance(value, (int, float)) and value >= counters[node, key]
                    counters[node, key] = value
        charge = site.houses.packs.state_of_charge
        assert charge.min() > 0.08 and charge.max() <= 1.0
        sun = float(site.houses.solar.input_power_w.sum())
        sun_seen, night_seen = sun_seen or sun > 1000.0, night_seen or sun == 0.0
    assert sun_seen and night_seen
    faults = [item for item in site.take_occurrences() if item.type is EventType.FAULT]
    assert not faults


def test_everything_published_is_in_the_metric_table_and_not_derived() -> None:
    site = Neighbourhood(4, 2)
    for node in site.nodes:
        table = KINDS[kind_of(node)].by_key
        for key in site.values(node):
            assert table[key].derive is None, f"{node}: {key} is the receiver's to derive"


def test_full_houses_help_empty_ones() -> None:
    site = Neighbourhood(4, 1, seed=1, start_s=0.0)
    packs = site.houses.packs
    packs.charge_ah[:] = packs.capacity_ah * np.array([0.9, 0.6, 0.6, 0.3])[:, None]
    site.step(600, 0.5)
    assert site.houses.grid.power_w[0] > site.houses.grid.power_w[1] + 300
    assert site.houses.grid.power_w[3] < site.houses.grid.power_w[1] - 300


def test_energy_counters_see_real_time_at_any_speed() -> None:
    slow, fast = Neighbourhood(seed=4), Neighbourhood(seed=4, speed=10.0)
    slow.step(600, 0.1)
    fast.step(600, 0.1)
    slow_wh = slow.values("house-01")["mppt_energy"]
    fast_wh = fast.values("house-01")["mppt_energy"]
    assert isinstance(slow_wh, float) and isinstance(fast_wh, float)
    assert slow_wh > 10.0
    assert fast_wh == pytest.approx(slow_wh / 10.0, abs=0.1)
    assert fast.values("house-01")["uptime"] == pytest.approx(60, abs=2)


@pytest.mark.parametrize("code", sorted(EFFECTS))
def test_every_disturbance_raises_its_fault_and_passes(code: str) -> None:
    site = Neighbourhood(4, 2, seed=1)
    site.step(1)
    node = "gateway-2" if code in ("F040", "F041") else "house-03"
    duration = 65.0 if code in ("F040", "F015") else 8.0
    site.disturb(node, code, duration)
    site.step(duration + 30.0, 0.05)
    found = [(item.node, item.code, item.state) for item in site.take_occurrences()]
    raised, cleared = (node, code, EventState.RAISED), (node, code, EventState.CLEARED)
    assert found.index(raised) < found.index(cleared)
    assert site.active_faults(node) == ()
    assert site.houses.grid.inverter_on.all() and site.houses.grid.contactor_closed.all()


def test_a_critical_fault_stops_the_inverter_and_it_returns_by_itself() -> None:
    site = Neighbourhood(4, 2, seed=1)
    site.step(1)
    site.disturb("house-02", "F006", 5.0)
    site.step(3)
    assert site.values("house-02")["inverter_power"] == 0
    assert site.active_faults("house-02") == ("F006",)
    load = site.values("house-02")["load_power"]
    assert isinstance(load, int) and load > 0  # fed by the neighbours
    site.step(30, 0.02)
    assert site.houses.grid.inverter_on.all()


def test_a_fault_can_be_cleared_early_only_when_its_cause_is_gone() -> None:
    site = Neighbourhood(4, 2, seed=1)
    site.step(1)
    site.disturb("house-02", "F005", 3.0)
    site.step(2)
    site.houses.protection.clear(1)
    site.step(0.1)
    assert site.active_faults("house-02") == ("F005",)
    site.step(2)
    site.houses.protection.clear(1)
    site.step(0.1)
    assert site.active_faults("house-02") == ()


def gateway_events(site: Neighbourhood) -> list[str]:
    return [item.code for item in site.take_occurrences() if item.node == "gateway-1"]


@pytest.mark.parametrize("step_s", [0.01, 0.2, 1.0])
def test_a_gateway_opens_at_once_and_closes_in_step(step_s: float) -> None:
    site = Neighbourhood(6, 2, seed=3)
    site.step(2, step_s)
    site.gateways.command(0, False)
    site.step(10, step_s)
    assert gateway_events(site) == ["CONTACTOR_OPENED"]
    assert site.values("gateway-1")["power_flow"] == 0
    assert site.values("gateway-1")["cluster_frequency"] != site.values("gateway-1")["swarm_frequency"]
    site.gateways.command(0, True)
    site.step(20, step_s)
    assert gateway_events(site) == ["SYNC_STARTED", "SYNC_REACHED", "CONTACTOR_CLOSED"]
    assert (np.abs(site.houses.grid.power_w) < 6000).all()
    site.step(200, 0.5)
    assert not site.houses.grid.synchronising_hz.any()
    assert site.values("gateway-1")["contactor_cycles"] == 2


def test_a_gateway_closes_on_a_dead_bus() -> None:
    site = Neighbourhood(4, 2, seed=3)
    for unit in range(2):
        site.gateways.command(unit, False)
    site.step(5)
    assert site.values("gateway-1")["swarm_frequency"] is None
    site.gateways.command(0, True)
    site.step(2)
    assert site.values("gateway-1")["contactor_closed"] is True
    assert site.values("gateway-2")["swarm_frequency"] is not None


def test_a_node_that_restarts_loses_its_counters() -> None:
    site = Neighbourhood(4, 2)
    site.step(60, 0.1)
    site.restart("house-02")
    assert site.values("house-02")["load_energy"] == 0
    assert site.values("house-02")["restarts"] == 1
    assert site.values("house-01")["load_energy"] != 0


def test_a_later_run_carries_on() -> None:
    site, later = Neighbourhood(4, 2, seed=1), Neighbourhood(4, 2, seed=1)
    site.step(600, 0.5)
    later.restore(site.snapshot())
    for key in ("state_of_charge", "load_energy", "mppt_energy", "battery_cycles"):
        assert later.values("house-01")[key] == site.values("house-01")[key]
    with pytest.raises(ValueError, match="packs"):
        Neighbourhood(5, 2).restore(site.snapshot())
    with pytest.raises(ValueError, match="houses"):
        later.restore({})


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (lambda site: site.disturb("house-01", "F999", 1.0), "no disturbance"),
        (lambda site: site.disturb("house-01", "F040", 1.0), "gateway-1"),
        (lambda site: site.disturb("gateway-1", "F006", 1.0), "house-01"),
    ],
)
def test_what_cannot_be_disturbed_is_said(wrong: Callable[[Neighbourhood], None], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        wrong(Neighbourhood(4, 2))


def test_numbers_that_make_no_neighbourhood_are_refused() -> None:
    with pytest.raises(ValueError, match="at least one house"):
        Neighbourhood(2, 3)
    with pytest.raises(KeyError, match="house-99"):
        Neighbourhood(2, 1).values("house-99")


def test_houses_are_computed_together() -> None:
    """Forty-eight houses cost far less than forty-eight times one: no loop over houses in the fast path."""

    def cost(houses: int) -> float:
        site = Neighbourhood(houses, 1)
        site.step(0.1)
        best = float("inf")
        for _ in range(5):
            begin = time.process_time()
            site.step(0.5)
            best = min(best, time.process_time() - begin)
        return best

    ratio = cost(48) / cost(1)
    print(f"48 houses cost {ratio:.1f} times one house")
    assert ratio < 16
