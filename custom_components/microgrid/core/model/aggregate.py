"""What houses add up to: values of a cluster and of the site from those of their available nodes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from .metric import Value

if TYPE_CHECKING:
    from .swarm import Node


def _found(nodes: Iterable[Node], key: str) -> list[float]:
    return [
        float(value)
        for node in nodes
        if isinstance(value := node.values.get(key), (int, float)) and not isinstance(value, bool)
    ]


def _sum(nodes: Sequence[Node], key: str) -> float | None:
    found = _found(nodes, key)
    return sum(found) if found else None


def _mean(nodes: Sequence[Node], key: str) -> float | None:
    found = _found(nodes, key)
    return sum(found) / len(found) if found else None


def _min(nodes: Sequence[Node], key: str) -> float | None:
    return min(_found(nodes, key), default=None)


def cluster_values(children: Iterable[Node]) -> dict[str, Value | None]:
    """Values of a gateway that follow from its houses: power is their sum, health that of the worst."""
    houses = [node for node in children if node.kind.kind == "house" and node.available]
    return {
        "cluster_power": _sum(houses, "inverter_power"),
        "cluster_load_power": _sum(houses, "load_power"),
        "cluster_solar_power": _sum(houses, "mppt_input_power"),
        "cluster_state_of_charge": _mean(houses, "state_of_charge"),
        "cluster_health": _min(houses, "health"),
        "houses_online": len(houses),
    }


def site_values(nodes: Iterable[Node]) -> dict[str, Value | None]:
    """Values of the site. State of charge is the mean of all batteries, each with the same weight."""
    known = list(nodes)
    online = [node for node in known if node.available]
    of_kind = {
        kind: [node for node in online if node.kind.kind == kind]
        for kind in ("house", "gateway", "mpp_inverter", "battery", "victron_gx")
    }
    houses, batteries = of_kind["house"], of_kind["battery"]
    charges = _found([*houses, *batteries, *of_kind["victron_gx"]], "state_of_charge")

    def total(*parts: float | None) -> float | None:
        present = [part for part in parts if part is not None]
        return sum(present) if present else None

    return {
        "solar_power": total(
            _sum(houses, "mppt_input_power"),
            _sum(of_kind["mpp_inverter"], "pv_charging_power"),
            _sum(of_kind["victron_gx"], "solar_power"),
        ),
        "load_power": total(
            _sum(houses, "load_power"),
            _sum(of_kind["mpp_inverter"], "ac_output_active_power"),
            _sum(of_kind["victron_gx"], "consumption_power"),
        ),
        "battery_power": total(
            _sum(houses, "battery_power"),
            _sum(batteries, "power"),
            _sum(of_kind["victron_gx"], "battery_power"),
        ),
        "state_of_charge": sum(charges) / len(charges) if charges else None,
        "lowest_state_of_charge": min(charges, default=None),
        "frequency": _mean(of_kind["gateway"], "swarm_frequency"),
        "active_faults": sum(len(node.faults) for node in known),
        "nodes_online": len(online),
        "nodes_known": len(known),
    }
