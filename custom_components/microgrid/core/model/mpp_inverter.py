"""The MPP/Voltronic inverter behind a Pi: replies of QPIGS, QPIRI, QMOD and QPIWS by their field names.

`battery_capacity_percent` is the inverter's voltage estimate, seen at 82–95 % with a bank at 12 %: it stays a
disabled diagnostic and is never offered as state of charge.
"""

from __future__ import annotations

from . import derive, rows
from .metric import DeviceKind, Metric

MODES = (
    "power_on",
    "standby",
    "line",
    "battery",
    "fault",
    "power_saving",
    "shutdown",
    "charge",
    "bypass",
    "eco",
    "grid",
)
OUTPUT_PRIORITIES = ("utility", "solar", "sbu")
CHARGER_PRIORITIES = ("utility", "solar", "solar_and_utility", "only_solar")
INPUT_RANGES = ("appliance", "ups")
BATTERY_TYPES = ("agm", "flooded", "user", "pylontech", "shinheung", "weco", "soltaro", "bak", "lib", "lic")

_SETTING = {"diagnostic": True, "enabled": False}
_LONGEST_MIN, _LONGEST_D = 900.0, 90.0


def _switches(*keys: str) -> tuple[Metric, ...]:
    return tuple(rows.flag(key, diagnostic=True, enabled=False) for key in keys)


MPP_INVERTER = DeviceKind(
    kind="mpp_inverter",
    model="MPP inverter",
    interval_s=10.0,
    measurements={"": "inverter_data"},
    metrics=(
        # QPIGS
        rows.ac_voltage(key="grid_voltage", influx="grid_voltage"),
        rows.frequency(key="grid_frequency", enabled=False, influx="grid_frequency"),
        rows.ac_voltage(key="ac_output_voltage", influx="voltage"),
        rows.frequency(key="ac_output_frequency", enabled=False, influx="frequency"),
        rows.apparent_power(key="ac_output_apparent_power", enabled=False, influx="apparent_power"),
        rows.power(key="ac_output_active_power", minimum=0.0, influx="power"),
        rows.ratio(key="output_load_percent", precision=0, maximum=300.0, influx="load"),
        rows.number(
            key="bus_voltage", unit="V", device_class="voltage", dead_band=3.0, maximum=1000.0, **_SETTING
        ),
        rows.dc_voltage(key="battery_voltage", influx="battery_voltage"),
        rows.current(key="battery_charging_current", minimum=0.0, influx="battery_charging_current"),
        rows.current(key="battery_discharge_current", minimum=0.0, influx="battery_discharge_current"),
        rows.state_of_charge(key="battery_capacity_percent", device_class=None, **_SETTING),
        rows.temperature(
            key="inverter_heat_sink_temperature",
            name="heat_sink_temperature",
            maximum=150.0,
            influx="temperature",
        ),
        rows.pv_voltage(key="pv_input_voltage", enabled=False, influx="pv_voltage"),
        rows.current(key="pv_input_current", enabled=False, influx="pv_current"),
        rows.power(key="pv_charging_power", name="solar_power", minimum=0.0, influx="pv_power"),
        rows.flag("load_on", "power"),
        rows.flag("charging", "battery_charging"),
        rows.flag("scc_charging", name="solar_charging", enabled=False),
        rows.flag("ac_charging", name="grid_charging", enabled=False),
        rows.energy("pv_energy", name="solar_energy", max_power_w=15_000, influx="pv_energy"),
        rows.energy("load_energy", max_power_w=15_000, influx="load_energy"),
        # QMOD, QPIWS
        rows.choice("mode", *MODES, influx=None),
        rows.number(key="warnings_active", state_class=None, diagnostic=True),
        rows.flag("fault_active", "problem"),
        rows.text("fault_text", name="fault_description", enabled=False),
        # QPIRI
        rows.choice("output_source_priority", *OUTPUT_PRIORITIES, diagnostic=True),
        rows.choice("charger_source_priority", *CHARGER_PRIORITIES, diagnostic=True),
        rows.choice("battery_type", *BATTERY_TYPES, **_SETTING),
        rows.number(
            key="max_charging_current", unit="A", device_class="current", state_class=None, **_SETTING
        ),
        rows.number(
            key="max_ac_charging_current", unit="A", device_class="current", state_class=None, **_SETTING
        ),
        rows.dc_voltage(key="battery_recharge_voltage", state_class=None, **_SETTING),
        rows.dc_voltage(key="battery_under_voltage", state_class=None, **_SETTING),
        rows.dc_voltage(key="battery_bulk_voltage", state_class=None, **_SETTING),
        rows.dc_voltage(key="battery_float_voltage", state_class=None, **_SETTING),
        rows.dc_voltage(key="battery_redischarge_voltage", state_class=None, **_SETTING),
        rows.choice("input_voltage_range", *INPUT_RANGES, **_SETTING),
        rows.number(
            key="max_discharging_current", unit="A", device_class="current", state_class=None, **_SETTING
        ),
        rows.number(
            key="max_charging_time_cv",
            unit="min",
            device_class="duration",
            state_class=None,
            maximum=_LONGEST_MIN,
            **_SETTING,
        ),
        rows.power(key="ac_output_rating_active_power", state_class=None, **_SETTING),
        # QFLAG
        *_switches(
            "buzzer",
            "overload_bypass",
            "power_saving",
            "lcd_escape",
            "overload_restart",
            "over_temperature_restart",
            "backlight",
            "alarm_primary_source_interrupt",
            "fault_code_record",
        ),
        # QBEQI, where one of them may be set
        rows.flag("equalization_enabled", diagnostic=True, enabled=False),
        rows.number(
            key="equalization_time_min",
            name="equalization_time",
            unit="min",
            device_class="duration",
            state_class=None,
            maximum=_LONGEST_MIN,
            **_SETTING,
        ),
        rows.number(
            key="equalization_period_d",
            name="equalization_period",
            unit="d",
            device_class="duration",
            state_class=None,
            maximum=_LONGEST_D,
            **_SETTING,
        ),
        rows.dc_voltage(key="equalization_voltage", state_class=None, **_SETTING),
        rows.number(
            key="equalization_over_time_min",
            name="equalization_over_time",
            unit="min",
            device_class="duration",
            state_class=None,
            maximum=_LONGEST_MIN,
            **_SETTING,
        ),
        # the Pi's own
        rows.power(
            key="battery_discharge_power",
            enabled=False,
            minimum=0.0,
            inputs=("battery_voltage", "battery_discharge_current"),
            derive=derive.product("battery_voltage", "battery_discharge_current"),
        ),
        rows.count("poll_errors"),
        rows.number(key="outbox_depth", **_SETTING),
    ),
)
