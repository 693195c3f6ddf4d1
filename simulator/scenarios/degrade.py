"""What happens to records on their way: channels and nodes that are missing, holes, lost frames, no time."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from microgrid_core.diagnosis.case import CanTraffic, Case, NodeRecord, Series


def degrade(case: Case, rng: np.random.Generator) -> Case:
    """Damage a case in some of the ways that happen; who told the fault keeps its record."""
    for damage in rng.permutation(len(_DAMAGES))[: int(rng.integers(1, 4))]:
        case = _DAMAGES[damage](case, rng)
    return case


def _missing_channels(case: Case, rng: np.random.Generator) -> Case:
    nodes = dict(case.nodes)
    for name, record in case.nodes.items():
        gone = rng.choice(
            sorted(record.channels), size=min(int(rng.integers(0, 4)), len(record.channels)), replace=False
        )
        channels = {key: series for key, series in record.channels.items() if key not in gone}
        nodes[name] = replace(record, channels=channels)
    return replace(case, nodes=nodes)


def _missing_node(case: Case, rng: np.random.Generator) -> Case:
    """A node whose snapshot could not be fetched; its events came by another way."""
    others = [name for name in case.nodes if name != case.node]
    name = others[int(rng.integers(len(others)))]
    return replace(case, nodes={**case.nodes, name: replace(case.nodes[name], channels={})})


def _holes(case: Case, rng: np.random.Generator) -> Case:
    """Blocks of samples that the card lost, here and there."""
    nodes: dict[str, NodeRecord] = {}
    for name, record in case.nodes.items():
        begin = rng.uniform(-10.0, 9.0)
        end = begin + rng.uniform(0.05, 0.6)
        channels = {
            key: Series(each.t_s, np.where((each.t_s >= begin) & (each.t_s < end), np.nan, each.values))
            for key, each in record.channels.items()
        }
        nodes[name] = replace(record, channels=channels)
    return replace(case, nodes=nodes)


def _lost_frames(case: Case, rng: np.random.Generator) -> Case:
    """A recorder that did not keep up."""
    if case.traffic is None:
        return case
    kept = rng.random(len(case.traffic.t_s)) >= rng.uniform(0.005, 0.05)
    traffic = case.traffic
    return replace(
        case,
        traffic=CanTraffic(
            traffic.t_s[kept], traffic.identifier[kept], traffic.data[kept], traffic.length[kept]
        ),
    )


def _no_traffic(case: Case, rng: np.random.Generator) -> Case:
    """The gateway's recording is missing; of faults of the bus itself nothing would be left to judge."""
    bus_matters = case.code in ("F030", "F031", "F041")
    return case if bus_matters else replace(case, traffic=None)


def _more_noise(case: Case, rng: np.random.Generator) -> Case:
    """Long sensor wires of one node."""
    name = sorted(case.nodes)[int(rng.integers(len(case.nodes)))]
    record = case.nodes[name]
    channels = {
        key: Series(each.t_s, each.values + rng.normal(0.0, _NOISE.get(key, 0.0), each.values.shape))
        for key, each in record.channels.items()
    }
    return replace(case, nodes={**case.nodes, name: replace(record, channels=channels)})


_NOISE = {
    "inverter_frequency": 0.004,
    "inverter_voltage": 0.3,
    "inverter_current": 0.12,
    "inverter_power": 30.0,
    "dc_bus_voltage": 0.04,
    "battery_current": 0.3,
}
"""Standard deviations of what is added."""
_DAMAGES = (_missing_channels, _missing_node, _holes, _lost_frames, _no_traffic, _more_noise)
