"""The Victron GX system as a whole; its services and all other paths live in core/gx.

Keys are ours, values are those of `com.victronenergy.system`. Battery power is positive while discharging
here, the opposite of Victron's sign: the source turns it around.
"""

from __future__ import annotations

from . import rows
from .metric import DeviceKind

SYSTEM_STATES = (
    "off",
    "low_power",
    "fault",
    "bulk",
    "absorption",
    "float",
    "storage",
    "equalize",
    "passthrough",
    "inverting",
    "assisting",
    "power_supply",
    "discharging",
    "sustain",
    "recharge",
    "scheduled_charge",
    "external_control",
    "battery_protect",
)

VICTRON_GX = DeviceKind(
    kind="victron_gx",
    model="Victron GX",
    interval_s=10.0,
    measurements={"": "inverter_data"},
    metrics=(
        rows.state_of_charge(key="state_of_charge", influx="soc"),
        rows.dc_voltage(key="battery_voltage", influx="battery_voltage"),
        rows.current(key="battery_current", influx="battery_current"),
        rows.power(key="battery_power", influx="battery_power"),
        rows.power(key="solar_power", minimum=0.0, influx="pv_power"),
        rows.power(key="grid_power", influx="grid_power"),
        rows.power(key="grid_power_l1", enabled=False),
        rows.power(key="grid_power_l2", enabled=False),
        rows.power(key="grid_power_l3", enabled=False),
        rows.power(key="consumption_power", influx="load_power"),
        rows.power(key="consumption_power_l1", enabled=False),
        rows.power(key="consumption_power_l2", enabled=False),
        rows.power(key="consumption_power_l3", enabled=False),
        rows.ac_voltage(key="ac_output_voltage", enabled=False, influx="voltage"),
        rows.frequency(key="ac_output_frequency", enabled=False, influx="frequency"),
        rows.choice("system_state", *SYSTEM_STATES),
        rows.flag("grid_available", "connectivity"),
        rows.temperature(key="battery_temperature", enabled=False, influx="battery_temperature"),
        rows.ratio(key="minimum_state_of_charge", precision=0, diagnostic=True, enabled=False),
        rows.number(key="notifications_active", state_class=None, diagnostic=True),
    ),
)
