"""What houses add up to."""

from __future__ import annotations

from typing import Any

from microgrid_core.model.aggregate import cluster_values, site_values
from microgrid_core.model.kinds import KINDS
from microgrid_core.model.swarm import Node


def node(kind: str, *, there: bool = True, faults: tuple[str, ...] = (), **values: Any) -> Node:
    """A node with these values."""
    made = Node(f"{kind}-1", KINDS[kind], kind, online=there, stale=not there, values=values)
    made.faults = dict.fromkeys(faults)
    return made


def test_power_is_the_sum_and_health_that_of_the_worst() -> None:
    found = cluster_values(
        [
            node("house", inverter_power=100.0, load_power=10, state_of_charge=50.0, health=90.0),
            node("house", inverter_power=-30.0, state_of_charge=70.0, health=40.0, mppt_input_power=5.0),
        ]
    )
    assert found == {
        "cluster_power": 70.0,
        "cluster_load_power": 10,
        "cluster_solar_power": 5.0,
        "cluster_state_of_charge": 60.0,
        "cluster_health": 40.0,
        "houses_online": 2,
    }


def test_only_houses_that_are_there_count() -> None:
    found = cluster_values(
        [node("house", there=False, inverter_power=100.0), node("battery", inverter_power=5.0)]
    )
    assert found["cluster_power"] is None
    assert found["houses_online"] == 0


def test_the_site_takes_in_every_kind() -> None:
    found = site_values(
        [
            node("house", mppt_input_power=1.0, load_power=10.0, battery_power=100.0, state_of_charge=50.0),
            node("mpp_inverter", pv_charging_power=2.0, ac_output_active_power=20.0),
            node("battery", power=-300.0, state_of_charge=20.0, faults=("F001", "F002")),
            node(
                "victron_gx", solar_power=4.0, consumption_power=40.0, battery_power=7.0, state_of_charge=80.0
            ),
            node("gateway", swarm_frequency=50.02),
            node("gateway", swarm_frequency=49.98),
            node("house", there=False, load_power=1e6, state_of_charge=0.0, faults=("F003",)),
        ]
    )
    assert found == {
        "solar_power": 7.0,
        "load_power": 70.0,
        "battery_power": -193.0,
        "state_of_charge": 50.0,
        "lowest_state_of_charge": 20.0,
        "frequency": 50.0,
        "active_faults": 3,
        "nodes_online": 6,
        "nodes_known": 7,
    }


def test_nobody_there() -> None:
    found = site_values([])
    assert found["load_power"] is None
    assert found["nodes_known"] == 0


def test_what_is_no_number_is_left_out() -> None:
    assert (
        cluster_values([node("house", inverter_power=True), node("house", inverter_power="many")])[
            "cluster_power"
        ]
        is None
    )
