"""The heat pump node: temperatures, electrical values, pressures and run states behind an ESP32.

Voltage and current are not sampled together, so their product is shown as apparent power, never as watts.
Saturation temperatures need the refrigerant that the owner chose; their source
adds them, and what follows from them while the machine runs steadily (see core/health/heat_pump.py).
"""

from __future__ import annotations

from . import derive, rows
from .metric import DeviceKind, Metric

HEAT_PUMP = DeviceKind(
    kind="heat_pump",
    model="Heat pump node",
    interval_s=300.0,
    measurements={"": "sensor_reading"},
    metrics=(
        rows.temperature(key="temp_inlet", name="inlet_temperature", dead_band=0.2, influx="temp_inlet"),
        rows.temperature(key="temp_outlet", name="outlet_temperature", dead_band=0.2, influx="temp_outlet"),
        rows.temperature(
            key="temp_ambient", name="ambient_temperature", dead_band=0.2, influx="temp_ambient"
        ),
        rows.temperature(key="temp_compressor", name="compressor_temperature", influx="temp_compressor"),
        rows.temperature_delta(
            key="water_temperature_difference",
            inputs=("temp_outlet", "temp_inlet"),
            derive=derive.difference("temp_outlet", "temp_inlet"),
        ),
        rows.ac_voltage(key="voltage", influx="voltage"),
        rows.current(key="current", minimum=0.0, maximum=100.0, dead_band=0.1, influx="current"),
        rows.apparent_power(
            key="apparent_power",
            inputs=("voltage", "current"),
            derive=derive.apparent_power("voltage", "current"),
            influx="power",
        ),
        rows.pressure(key="pressure_high", influx="pressure_high"),
        rows.pressure(key="pressure_low", influx="pressure_low"),
        rows.temperature(key="condensing_temperature"),
        rows.temperature(key="evaporating_temperature"),
        rows.temperature_delta(key="discharge_superheat", enabled=False, diagnostic=True),
        rows.temperature_delta(key="condensing_approach", enabled=False, diagnostic=True),
        rows.temperature_delta(key="evaporating_approach", enabled=False, diagnostic=True),
        Metric(
            key="pressure_ratio",
            state_class="measurement",
            precision=2,
            dead_band=0.1,
            enabled=False,
            diagnostic=True,
            minimum=1.0,
            maximum=50.0,
        ),
        Metric(
            key="carnot_estimate",
            state_class="measurement",
            precision=1,
            dead_band=0.2,
            enabled=False,
            diagnostic=True,
            minimum=1.0,
            maximum=100.0,
        ),
        rows.flag("compressor_running", "running", influx="compressor_running"),
        rows.flag("fan_running", "running", influx="fan_running"),
        rows.flag("defrost_active", "running", influx="defrost_active"),
        rows.number(key="readings_lost", state_class="total_increasing", diagnostic=True),
        rows.number(
            key="publish_interval",
            unit="s",
            device_class="duration",
            diagnostic=True,
            enabled=False,
            dead_band=5.0,
        ),
    ),
)
