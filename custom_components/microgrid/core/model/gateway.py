"""The cluster gateway: contactor between a cluster of houses and the swarm bus.

`power_flow` is positive while the cluster feeds the swarm. `cluster_*` metrics marked as aggregates are
computed by the swarm from the houses behind the gateway (see aggregate.py).
"""

from __future__ import annotations

from . import derive, rows
from .metric import DeviceKind

GATEWAY = DeviceKind(
    kind="gateway",
    model="Cluster gateway",
    interval_s=1.0,
    measurements={"": "gateway_data"},
    metrics=(
        rows.frequency(
            key="cluster_frequency",
            log=rows.logged(100, -3, snapshot=True),
            influx="cluster_frequency",
            minimum=40.0,
            maximum=60.0,
        ),
        rows.frequency(
            key="swarm_frequency",
            log=rows.logged(100, -3, snapshot=True),
            influx="swarm_frequency",
            minimum=40.0,
            maximum=60.0,
        ),
        rows.frequency(
            key="frequency_difference",
            minimum=-20.0,
            maximum=20.0,
            inputs=("cluster_frequency", "swarm_frequency"),
            derive=derive.difference("cluster_frequency", "swarm_frequency"),
            influx="frequency_delta",
        ),
        rows.ac_voltage(
            key="cluster_voltage", log=rows.logged(1000, -1, snapshot=True), influx="cluster_voltage"
        ),
        rows.ac_voltage(
            key="swarm_voltage",
            enabled=False,
            log=rows.logged(1000, -1, snapshot=True),
            influx="swarm_voltage",
        ),
        rows.angle(
            key="phase_difference",
            enabled=False,
            diagnostic=True,
            log=rows.logged(1000, -1, snapshot=True),
            influx="phase_difference",
        ),
        rows.flag("contactor_closed", log=rows.logged(1000, 0), influx="contactor_closed"),
        rows.flag("contactor_commanded", enabled=False, diagnostic=True),
        rows.count("contactor_cycles", per_hour=3600),
        rows.power(key="power_flow", log=rows.logged(1000, 0, snapshot=True), influx="power_flow"),
        rows.choice(
            "flow_direction",
            *derive.FLOW_DIRECTIONS,
            inputs=("power_flow",),
            derive=derive.flow_direction("power_flow"),
        ),
        rows.energy("energy_exported", max_power_w=50_000, influx="energy_exported"),
        rows.energy("energy_imported", max_power_w=50_000, influx="energy_imported"),
        rows.power(key="cluster_power", log=rows.logged(1000, 0), influx="cluster_power"),
        rows.power(key="cluster_load_power", log=rows.logged(1000, 0), influx="cluster_load"),
        rows.power(key="cluster_solar_power", log=rows.logged(1000, 0), influx="cluster_solar"),
        rows.state_of_charge(
            key="cluster_state_of_charge", log=rows.logged(10_000, -1), influx="cluster_soc"
        ),
        rows.ratio(key="cluster_health", precision=0, log=rows.logged(60_000, 0), influx="cluster_health"),
        rows.number(key="houses_online", state_class="measurement"),
        rows.ratio(
            key="can_bus_load",
            diagnostic=True,
            enabled=False,
            log=rows.logged(60_000, -1),
            influx="can_bus_load",
        ),
        rows.count("can_frames_received"),
        rows.count("can_errors"),
        rows.count("can_bus_off"),
        rows.milliseconds(
            key="clock_error",
            enabled=False,
            diagnostic=True,
            log=rows.logged(60_000, -2),
            influx="clock_error",
        ),
        rows.signal(key="wifi_signal", diagnostic=True, enabled=False),
        rows.ratio(key="card_free", enabled=False, diagnostic=True),
        rows.count("restarts", per_hour=3600),
        rows.number(
            key="uptime",
            unit="s",
            device_class="duration",
            dead_band=60.0,
            enabled=False,
            diagnostic=True,
            state_class=None,
        ),
    ),
)
