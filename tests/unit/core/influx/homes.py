"""Houses and gateways that log every channel of their tables, at a time of the test's choice."""

from __future__ import annotations

from microgrid_core.codec.umg1.schema import Channel, Schema
from microgrid_core.model.kinds import KINDS
from tests.unit.core.archive.logs import Node

# In integers of the channel: values that derived metrics can be computed from.
_BASES = {
    "inverter_frequency": 50_000,
    "cluster_frequency": 50_000,
    "swarm_frequency": 49_980,
    "dc_bus_voltage": 5_120,
    "mppt_input_voltage": 1_400,
    "mppt_input_current": 600,
    "mppt_output_voltage": 5_200,
    "mppt_output_current": 1_500,
}


def schema_of(kind: str, node: str) -> Schema:
    """Return a schema with a channel for each metric that the kind logs."""
    metrics = [metric for metric in KINDS[kind].metrics if metric.log is not None]
    channels = []
    for number, metric in enumerate(metrics, 1):
        assert metric.log is not None
        base = 3_300 + number if metric.key.startswith("cell_voltage") else _BASES.get(metric.key, 0)
        channels.append(
            Channel(
                number,
                metric.key,
                metric.unit or "",
                metric.log.period_ms * 1000,
                exponent=metric.log.exponent,
                offset=base,
                fast=metric.log.fast,
                width=4,
            )
        )
    return Schema(node, "north", tuple(channels))


def home(kind: str, node: str, utc_us: int, seed: int = 1) -> Node:
    """Return a node that writes frames."""
    return Node(utc_us=utc_us, schema=schema_of(kind, node), seed=seed)
