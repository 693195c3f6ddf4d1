"""The Pi-driven battery that executes schedules (see contract/mqtt/README.md, schedules).

Power and current are positive while discharging.
"""

from __future__ import annotations

from . import rows
from .metric import DeviceKind

SCHEDULE_MODES = ("idle", "discharge", "charge", "follow")
"""By number: 0 idle, 1 discharge, 2 charge, 3 follow the load."""

_SETTING = {"diagnostic": True, "enabled": False}

BATTERY = DeviceKind(
    kind="battery",
    model="Battery",
    interval_s=10.0,
    measurements={"": "bms_data"},
    metrics=(
        rows.state_of_charge(key="state_of_charge", influx="soc"),
        rows.dc_voltage(key="voltage", influx="voltage"),
        rows.current(key="current", influx="current"),
        rows.power(key="power", influx="power"),
        rows.temperature(key="temperature", influx="temperature"),
        rows.flag("charging", "battery_charging", influx="charging"),
        rows.energy("energy_charged", max_power_w=30_000, influx="energy_charged"),
        rows.energy("energy_discharged", max_power_w=30_000, influx="energy_discharged"),
        rows.stored_energy(key="stored_energy", enabled=False, influx="stored_energy"),
        rows.choice("schedule_mode", *SCHEDULE_MODES),
        rows.flag("schedule_active", influx=None),
        rows.power(key="requested_power", enabled=False),
        rows.number(key="schedule_revision", state_class=None, **_SETTING),
        rows.number(key="intervals_done", state_class="total_increasing", **_SETTING),
        rows.number(key="intervals_failed", state_class="total_increasing", **_SETTING),
        rows.number(key="intervals_late", state_class="total_increasing", **_SETTING),
        rows.flag("clock_valid", diagnostic=True, enabled=False),
        rows.number(key="outbox_depth", **_SETTING),
    ),
)
