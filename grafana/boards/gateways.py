"""Gateways and CAN: both sides of each contactor, the clusters' exchange, and how the bus fares."""

from __future__ import annotations

from .. import theme
from ..board import Board, clusters, default_variables
from ..events import code_count, event_list
from ..influxql import CLUSTER, kwh_a_day, now, over_time
from ..panels import chart, quantity, value
from ..store import by_quantity, field, fields
from ..units import COUNT, DEGREES, HERTZ, KILOWATT_HOURS, VOLTS, WATTS

_FLOW = field("gateway", "power_flow")
_THIRD = (6, 5)

_NOW = (
    value(
        "Flow to the swarm",
        "Positive while the cluster feeds the others. Zero for long: its contactor is open.",
        WATTS,
        now(_FLOW, where=CLUSTER),
        size=_THIRD,
        zones=theme.DIRECTION,
    ),
    value(
        "Frequency of the cluster",
        "Normal: 49.5 … 50.5 Hz; droop lowers it under load.",
        HERTZ,
        now(field("gateway", "cluster_frequency"), where=CLUSTER),
        size=_THIRD,
        zones=theme.FREQUENCY,
    ),
    value(
        "Voltage of the cluster",
        "Normal: 213 … 247 V. Below 207 V and above 253 V inverters trip.",
        VOLTS,
        now(field("gateway", "cluster_voltage"), where=CLUSTER),
        size=_THIRD,
        zones=theme.AC_VOLTAGE,
    ),
    value(
        "Phase across the contactor",
        "Near zero while it is closed; it closes only within 20°.",
        DEGREES,
        now(field("gateway", "phase_difference"), where=CLUSTER),
        size=_THIRD,
        zones=((None, theme.WATCH), (-20.0, theme.GOOD), (20.0, theme.WATCH)),
    ),
)

_EXCHANGE = (
    chart(
        "Flow to the swarm over time",
        "Above zero a cluster gives, below it takes; the sum is zero but for losses.",
        WATTS,
        over_time(_FLOW, where=CLUSTER, by=("node",)),
        size=(16, 8),
    ),
    chart(
        "Exchanged energy by day",
        "From the counters of the gateways, by day of UTC. Over all clusters both are equal but for losses.",
        KILOWATT_HOURS,
        kwh_a_day("gateway", "energy_exported", where=CLUSTER, name="Exported"),
        kwh_a_day("gateway", "energy_imported", where=CLUSTER, name="Imported"),
        size=(8, 8),
        bars=True,
        every="1d",
        days=14,
    ),
)

_BUS = (
    chart(
        "CAN faults by day",
        "F030: a node went silent; F031: frames with wrong checksums. Normal: none. Many at one node: its "
        "cable or transceiver; at all nodes of a cluster: termination or a babbling node.",
        COUNT,
        code_count(CLUSTER, "F03[01]", ("node", "code")),
        size=(12, 8),
        bars=True,
        every="1d",
        days=14,
    ),
    chart(
        "Synchronisation faults by day",
        "F040: the contactor could not close because both sides would not meet; F041: it is not where it "
        "was sent. Normal: none.",
        COUNT,
        code_count(CLUSTER, "F04[01]", ("node", "code")),
        size=(12, 8),
        bars=True,
        every="1d",
        days=14,
    ),
    event_list(
        "Contactors, synchronisation, restarts",
        "What the gateways and houses told about themselves, newest first. Several restarts of one node a "
        "day: its supply. An overflow: its card or the network could not keep up, and the range is lost.",
        CLUSTER,
        "contactor|sync|boot|overflow",
    ),
)

BOARD = Board(
    uid="microgrid-gateways",
    title="Microgrid: gateways and CAN",
    description="Both sides of each contactor, the clusters' exchange, and how the bus fares.",
    variables=default_variables(clusters()),
    rows=(
        ("Now", _NOW),
        ("Exchange between clusters", _EXCHANGE),
        (
            "All that gateways log",
            tuple(quantity(group, where=CLUSTER, by=("node",)) for group in by_quantity(fields("gateway"))),
        ),
        ("Bus and contactors", _BUS),
    ),
    since="now-24h",
)
