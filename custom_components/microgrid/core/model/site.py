"""The site: what the whole swarm adds up to, and how its messages fare. Nothing of it is on the wire."""

from __future__ import annotations

from . import rows
from .metric import DeviceKind

SENSORS, WEATHER = "sensors", "weather"

SITE = DeviceKind(
    kind="site",
    model="Microgrid",
    interval_s=1.0,
    components=(SENSORS, WEATHER),
    measurements={"": "analysis", SENSORS: "sensor_reading", WEATHER: "sensor_reading"},
    metrics=(
        rows.power(key="solar_power", dead_band=100.0, influx="solar_power"),
        rows.power(key="load_power", dead_band=100.0, influx="load_power"),
        rows.power(key="battery_power", dead_band=100.0, influx="battery_power"),
        rows.state_of_charge(key="state_of_charge", influx="soc"),
        rows.state_of_charge(key="lowest_state_of_charge", influx="soc_min"),
        rows.frequency(key="frequency", influx="frequency"),
        rows.number(key="active_faults", state_class="measurement", influx="active_faults"),
        rows.number(key="nodes_online", state_class="measurement"),
        rows.number(key="nodes_known", state_class=None, diagnostic=True),
        rows.count("messages_received", dead_band=100.0, per_hour=1e9),
        rows.count("messages_rejected", enabled=True, per_hour=1e9),
        rows.count("values_rejected", per_hour=1e9),
        rows.number(
            key="archive_size",
            unit="MB",
            device_class="data_size",
            precision=1,
            state_class="measurement",
            diagnostic=True,
        ),
        rows.number(
            key="archive_free",
            unit="GB",
            device_class="data_size",
            precision=1,
            state_class="measurement",
            diagnostic=True,
        ),
        rows.number(
            key="archive_age",
            unit="d",
            device_class="duration",
            precision=1,
            state_class="measurement",
            diagnostic=True,
        ),
        rows.number(
            key="archive_delay",
            unit="s",
            device_class="duration",
            dead_band=60.0,
            state_class="measurement",
            diagnostic=True,
        ),
        rows.number(
            key="influx_delay",
            unit="s",
            device_class="duration",
            dead_band=60.0,
            state_class="measurement",
            diagnostic=True,
        ),
        rows.count("influx_points", dead_band=1000.0, per_hour=1e9),
        rows.count("influx_points_refused", per_hour=1e9),
        rows.count("influx_failures"),
        rows.count("explanation_tokens_read", per_hour=1e9),
        rows.count("explanation_tokens_written", per_hour=1e9),
        rows.number(
            key="explanation_cost",
            unit="USD",
            device_class="monetary",
            dead_band=0.001,
            precision=3,
            state_class="total",
            diagnostic=True,
        ),
    ),
)
