"""Readings: the state of the physics by metric key, rounded as the sensors resolve it."""

from __future__ import annotations

import math
from collections.abc import Callable

from microgrid_core.contract.messages import Scalar

from . import mpp as mpp_device
from .arrays import Floats
from .gateways import Gateways
from .grid import DroopGrid
from .heat_pump import HeatPump
from .houses import Houses
from .mpp import MppInverter
from .pi_battery import PiBattery

Readings = dict[str, Scalar | None]

# Key, value of all houses, decimals.
_HOUSE: tuple[tuple[str, Callable[[Houses], Floats], int], ...] = (
    ("inverter_frequency", lambda h: h.measured_frequency_hz, 3),
    ("inverter_voltage", lambda h: h.measured.inverter_voltage_v, 1),
    ("inverter_current", lambda h: h.current_a + h.disturbances["inverter_current_a"], 2),
    ("inverter_power", lambda h: h.grid.power_w, 0),
    ("dc_bus_voltage", lambda h: h.measured.dc_bus_v, 2),
    ("mosfet_temperature_1", lambda h: h.mosfets.temperature_c[:, 0] + h.disturbances["mosfet_c"], 1),
    ("mosfet_temperature_2", lambda h: h.mosfets.temperature_c[:, 1], 1),
    ("state_of_charge", lambda h: 100.0 * h.packs.state_of_charge, 1),
    ("battery_voltage", lambda h: h.packs.voltage_v, 2),
    ("battery_current", lambda h: h.measured_battery_current_a, 2),
    ("battery_energy_charged", lambda h: h.energy["charged"], 1),
    ("battery_energy_discharged", lambda h: h.energy["discharged"], 1),
    ("battery_stored_energy", lambda h: h.packs.stored_energy_wh, 0),
    ("battery_state_of_health", lambda h: 100.0 * h.packs.state_of_health, 1),
    ("battery_cycles", lambda h: h.packs.cycles, 1),
    ("mppt_input_voltage", lambda h: h.measured.pv_v, 1),
    ("mppt_input_current", lambda h: h.measured.pv_a, 2),
    ("mppt_output_voltage", lambda h: h.packs.voltage_v, 2),
    ("mppt_output_current", lambda h: h.solar.output_power_w / h.packs.voltage_v, 2),
    ("mppt_energy", lambda h: h.energy["solar"], 1),
    ("load_power", lambda h: h.load_served_w, 0),
    ("load_energy", lambda h: h.energy["load"], 1),
    ("energy_exported", lambda h: h.energy["exported"], 1),
    ("energy_imported", lambda h: h.energy["imported"], 1),
    ("clock_error", lambda h: h.vitals.clock_error_ms, 2),
    ("card_free", lambda h: h.vitals.card_free_percent, 1),
    ("can_frames_received", lambda h: h.vitals.can_frames, 0),
    ("can_errors", lambda h: h.vitals.can_errors, 0),
    ("restarts", lambda h: h.vitals.restarts, 0),
    ("uptime", lambda h: h.vitals.uptime_s, 0),
)

HOUSE_ARRAYS = {key: read for key, read, _ in _HOUSE}
"""What can be read of all houses at once, before it is rounded."""
GATEWAY_ARRAYS: dict[str, Callable[[Gateways], Floats]] = {
    "cluster_frequency": lambda g: g.cluster_frequency_hz,
    "swarm_frequency": lambda g: g.swarm_frequency_hz,
}


def _number(value: float, decimals: int) -> float | int | None:
    """Round for the wire; None for what can not be measured."""
    if not math.isfinite(value):
        return None
    # + 0.0 turns a negative zero into zero
    return round(float(value), decimals) + 0.0 if decimals else round(float(value))


def house(houses: Houses, unit: int) -> Readings:
    """One house node."""
    found: Readings = {key: _number(value(houses)[unit], decimals) for key, value, decimals in _HOUSE}
    for cell, voltage in enumerate(houses.measured_cell_v[unit], 1):
        found[f"cell_voltage_{cell}"] = _number(voltage, 3)
    air = houses.packs.temperature_c[unit] + houses.disturbances["battery_c"][unit]
    for probe, offset in enumerate(houses.packs.temperature_offset_c[unit], 1):
        found[f"battery_temperature_{probe}"] = _number(air + offset, 1)
    found["battery_charging"] = bool(houses.measured_battery_current_a[unit] < -0.5)
    found["battery_balancing"] = bool(houses.packs.balancing[unit])
    spread_v = float(houses.measured.cell_spread_v[unit])
    faults = len(houses.protection.codes(unit))
    found["health"] = round(max(0.0, 100.0 - 30.0 * faults - 100.0 * max(0.0, spread_v - 0.05)))
    found["clock_valid"] = bool(houses.vitals.clock_error_ms[unit] < 10.0)
    found["card_errors"] = 0
    return found


def gateway(gateways: Gateways, grid: DroopGrid, unit: int) -> Readings:
    """One gateway; what its houses add up to is the receiver's sum."""
    vitals = gateways.vitals
    return {
        "cluster_frequency": _number(gateways.cluster_frequency_hz[unit], 3),
        "swarm_frequency": _number(gateways.swarm_frequency_hz[unit], 3),
        "cluster_voltage": _number(gateways.cluster_voltage_v[unit], 1),
        "swarm_voltage": _number(gateways.swarm_voltage_v[unit], 1),
        "phase_difference": _number(gateways.phase_deg[unit], 1),
        "contactor_closed": bool(grid.contactor_closed[unit]),
        "contactor_commanded": bool(gateways.commanded[unit]),
        "contactor_cycles": _number(gateways.cycles[unit], 0),
        "power_flow": _number(grid.gateway_flow_w[unit], 0),
        "energy_exported": _number(gateways.energy["exported"][unit], 1),
        "energy_imported": _number(gateways.energy["imported"][unit], 1),
        "can_bus_load": _number(vitals.can_load_percent[unit], 1),
        "can_frames_received": _number(vitals.can_frames[unit], 0),
        "can_errors": _number(vitals.can_errors[unit], 0),
        "can_bus_off": 0,
        "clock_error": _number(vitals.clock_error_ms[unit], 2),
        "wifi_signal": _number(vitals.wifi_dbm[unit], 0),
        "card_free": _number(vitals.card_free_percent[unit], 1),
        "restarts": _number(vitals.restarts[unit], 0),
        "uptime": _number(vitals.uptime_s[unit], 0),
    }


def mpp_inverter(mpp: MppInverter) -> Readings:
    """The MPP inverter in the resolution of its protocol (whole amperes of the battery)."""
    voltage = float(mpp.pack.voltage_v[0])
    solar_w = float(mpp.solar.output_power_w[0])
    return {
        "grid_voltage": _number(mpp.grid_v, 1),
        "grid_frequency": _number(mpp.grid_hz, 1),
        "ac_output_voltage": _number(mpp.output_v, 1),
        "ac_output_frequency": _number(mpp.output_hz, 1),
        "ac_output_apparent_power": _number(mpp.load_w / 0.96, 0),
        "ac_output_active_power": _number(mpp.load_w, 0),
        "output_load_percent": _number(100.0 * mpp.load_w / mpp_device.RATED_W, 0),
        "bus_voltage": 396 if mpp.mode == "battery" else 380,
        "battery_voltage": _number(voltage, 2),
        "battery_charging_current": _number(mpp.charging_a, 0),
        "battery_discharge_current": _number(mpp.discharging_a, 0),
        # The inverter guesses the charge from the voltage alone.
        "battery_capacity_percent": _number(min(100.0, max(0.0, (voltage - 47.0) / 7.0 * 100.0)), 0),
        "inverter_heat_sink_temperature": _number(mpp.heat_sink_c, 0),
        "pv_input_voltage": _number(mpp.solar.input_voltage_v[0], 1),
        "pv_input_current": _number(mpp.solar.input_current_a[0], 1),
        "pv_charging_power": _number(solar_w, 0),
        "load_on": mpp.mode != "standby",
        "charging": mpp.charging_a > 0.5,
        "scc_charging": solar_w > 1.0,
        "ac_charging": mpp.grid_charging_w > 1.0,
        "pv_energy": _number(mpp.energy["solar"][0], 0),
        "load_energy": _number(mpp.energy["load"][0], 0),
        "mode": mpp.mode,
        "warnings_active": int(mpp.grid_v < 180.0) + int(mpp.solar.input_voltage_v[0] < 60.0),
        "fault_active": False,
        "fault_text": "none",
        "output_source_priority": mpp.output_priority,
        "charger_source_priority": "solar_and_utility",
        "battery_type": "user",
        "max_charging_current": mpp_device.MAX_CHARGING_A,
        "max_ac_charging_current": mpp_device.MAX_GRID_CHARGING_A,
        "battery_recharge_voltage": mpp_device.RECHARGE_V,
        "battery_under_voltage": mpp_device.UNDER_V,
        "battery_bulk_voltage": mpp_device.BULK_V,
        "battery_float_voltage": mpp_device.FLOAT_V,
        "battery_redischarge_voltage": mpp_device.REDISCHARGE_V,
        "input_voltage_range": "ups",
        "max_discharging_current": 0,
        "max_charging_time_cv": 0,
        "ac_output_rating_active_power": mpp_device.RATED_W,
        "poll_errors": 0,
        "outbox_depth": 0,
    }


def battery(device: PiBattery) -> Readings:
    """The Pi's battery; what it knows of its schedule's document is added by its twin."""
    pack = device.pack
    return {
        "state_of_charge": _number(100.0 * pack.state_of_charge[0], 1),
        "voltage": _number(pack.voltage_v[0], 2),
        "current": _number(pack.current_a[0], 1),
        "power": _number(device.power_w, 0),
        "temperature": _number(pack.temperature_c[0], 1),
        "charging": bool(pack.current_a[0] < -0.5),
        "energy_charged": _number(device.energy["charged"][0], 1),
        "energy_discharged": _number(device.energy["discharged"][0], 1),
        "stored_energy": _number(pack.stored_energy_wh[0], 0),
        "schedule_mode": device.task.mode,
        "schedule_active": device.task.scheduled,
        "requested_power": _number(device.requested_w, 0),
        "clock_valid": True,
        "outbox_depth": 0,
    }


def heat_pump(pump: HeatPump) -> Readings:
    """The heat pump's sensors."""
    return {
        "temp_inlet": _number(pump.inlet_c, 1),
        "temp_outlet": _number(pump.outlet_c, 1),
        "temp_ambient": _number(pump.ambient_c, 1),
        "temp_compressor": _number(pump.compressor_c, 1),
        "voltage": _number(pump.voltage_v, 1),
        "current": _number(pump.current_a, 2),
        "pressure_high": _number(pump.pressure_high_psi, 1),
        "pressure_low": _number(pump.pressure_low_psi, 1),
        "compressor_running": pump.compressor_running,
        "fan_running": pump.fan_running,
        "defrost_active": pump.defrost_active,
    }
