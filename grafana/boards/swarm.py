"""Swarm overview: what the neighbourhood makes, uses, stores and exchanges, and whether all is well."""

from __future__ import annotations

from .. import theme
from ..board import Board, clusters, default_variables
from ..events import fault_count, fault_list
from ..influxql import CLUSTER, above_zero, kwh_a_day, now, over_time, total_now, total_over_time
from ..panels import bars, chart, value
from ..store import field
from ..units import COUNT, HERTZ, KILOWATT_HOURS, PERCENT, WATTS

_SOLAR = field("house", "mppt_input_power")
_LOAD = field("house", "load_power")
_BATTERY = field("house", "battery_power")
_EXCHANGE = field("house", "exchange_power")
_CHARGE = field("house", "state_of_charge")
_FREQUENCY = field("house", "inverter_frequency")
_RUNNING = f"{CLUSTER} AND {above_zero(_FREQUENCY)}"
_FLOW = field("gateway", "power_flow")
_SMALL = (4, 4)

_NOW = (
    value(
        "Solar",
        "What all solar chargers of the chosen clusters give now. Zero at night.",
        WATTS,
        total_now(_SOLAR, where=CLUSTER, name="Solar"),
        size=_SMALL,
        zones=((None, theme.SOLAR),),
    ),
    value(
        "Load",
        "What all houses use now.",
        WATTS,
        total_now(_LOAD, where=CLUSTER, name="Load"),
        size=_SMALL,
        zones=((None, theme.LOAD),),
    ),
    value(
        "Batteries",
        "What all batteries give now; negative while they are charged.",
        WATTS,
        total_now(_BATTERY, where=CLUSTER, name="Battery"),
        size=_SMALL,
        zones=((None, theme.BATTERY),),
    ),
    value(
        "State of charge",
        "Mean of all batteries. Normal: above 40 %; below 20 % the night will be dark.",
        PERCENT,
        total_now(_CHARGE, where=CLUSTER, name="State of charge", function="mean"),
        size=_SMALL,
        zones=theme.STATE_OF_CHARGE,
    ),
    value(
        "Frequency",
        "Mean of all inverters that run. Normal: 49.5 … 50.5 Hz.",
        HERTZ,
        total_now(_FREQUENCY, where=_RUNNING, name="Frequency", function="mean"),
        size=_SMALL,
        zones=theme.FREQUENCY,
    ),
    value(
        "Faults",
        "Faults raised within the chosen time. Normal: none.",
        COUNT,
        fault_count(CLUSTER),
        size=_SMALL,
        zones=theme.COUNT_OF_FAULTS,
        nothing="0",
    ),
)

_CLUSTERS = (
    bars(
        "State of charge by cluster",
        "Mean of the batteries of each cluster. A cluster far below the others is short of sun or of an "
        "open contactor.",
        PERCENT,
        total_now(_CHARGE, where=CLUSTER, name="State of charge", function="mean", by=("cluster",)),
        size=(8, 6),
        zones=theme.STATE_OF_CHARGE,
        scale=(0.0, 100.0),
    ),
    bars(
        "Flow to the swarm",
        "What each cluster gives to the others (positive) or takes (negative). All zero: the contactors are "
        "open.",
        WATTS,
        now(_FLOW, where=CLUSTER, by=("cluster",)),
        size=(8, 6),
        zones=theme.DIRECTION,
    ),
    value(
        "Frequency by cluster",
        "Mean of the inverters of each cluster. Equal while the contactors are closed.",
        HERTZ,
        total_now(_FREQUENCY, where=_RUNNING, name="Frequency", function="mean", by=("cluster",)),
        size=(8, 6),
        zones=theme.FREQUENCY,
    ),
)

_HOUSES = (
    bars(
        "State of charge by node",
        "Newest of each house, and of each battery that is a node itself. Who is missing here has not "
        "reported for ten minutes.",
        PERCENT,
        now(_CHARGE, where=CLUSTER),
        zones=theme.STATE_OF_CHARGE,
        scale=(0.0, 100.0),
        upright=True,
    ),
    bars(
        "Who supplies whom now",
        "What each house gives to its cluster (positive, green) or takes from it (negative, blue).",
        WATTS,
        now(_EXCHANGE, where=CLUSTER),
        zones=theme.DIRECTION,
        upright=True,
    ),
)

_COURSE = (
    chart(
        "Power balance",
        "Sums over all houses. In the sun solar covers load and charges; at night batteries follow the load.",
        WATTS,
        total_over_time(_SOLAR, where=CLUSTER, name="Solar"),
        total_over_time(_LOAD, where=CLUSTER, name="Load"),
        total_over_time(_BATTERY, where=CLUSTER, name="Battery"),
        size=(16, 9),
    ),
    chart(
        "Energy by day",
        "From the counters of the houses, by day of UTC. Normal: solar a little above load.",
        KILOWATT_HOURS,
        kwh_a_day("house", "mppt_energy", where=CLUSTER, name="Solar"),
        kwh_a_day("house", "load_energy", where=CLUSTER, name="Load"),
        size=(8, 9),
        bars=True,
        every="1d",
        days=14,
    ),
    chart(
        "Frequency of the inverters",
        "Normal: 49.5 … 50.5 Hz, all houses of a closed cluster on one line. One that leaves it is out of "
        "synchronism.",
        HERTZ,
        over_time(_FREQUENCY, where=_RUNNING, by=("node",)),
        limits=theme.FREQUENCY,
        soft=(49.4, 50.6),
    ),
    chart(
        "Who supplied whom",
        "What each house gave to its cluster (above zero) or took from it (below), stacked: both sides are "
        "equal but for losses.",
        WATTS,
        over_time(_EXCHANGE, where=CLUSTER, by=("node",)),
        stacked=True,
    ),
)

BOARD = Board(
    uid="microgrid-swarm",
    title="Microgrid: swarm overview",
    description="What the neighbourhood makes, uses, stores and exchanges, and whether all is well.",
    variables=default_variables(clusters()),
    rows=(
        ("Now", _NOW),
        ("Clusters", _CLUSTERS),
        ("Houses", _HOUSES),
        ("Course", _COURSE),
        ("Faults", (fault_list(CLUSTER),)),
    ),
)
