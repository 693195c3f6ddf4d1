"""What is normal of a metric, in words for the operator and as zones: one line each."""

from __future__ import annotations

from collections.abc import Sequence

from microgrid_core.model.metric import Metric

from . import theme
from .store import label

_NORMAL: dict[str, tuple[str, theme.Steps]] = {
    "inverter_frequency": (
        "Normal: 49.5 … 50.5 Hz. Droop lowers it under load and raises it with surplus",
        theme.FREQUENCY,
    ),
    "inverter_voltage": (
        "Normal: 213 … 247 V; the inverter trips below 207 V and above 253 V",
        theme.AC_VOLTAGE,
    ),
    "dc_bus_voltage": (
        "Normal: 48 … 57.6 V; the inverter trips below 44.8 V and above 58.4 V",
        theme.DC_VOLTAGE,
    ),
    "mosfet_temperature": (
        "Normal: below 80 °C; the inverter trips at 95 °C. A step of many kelvin at once is the sensor",
        theme.INVERTER_TEMPERATURE,
    ),
    "inverter_current": ("Follows the load. Normal: below 26 A (6 kW); short inrush peaks may be higher", ()),
    "inverter_power": ("What the inverter gives to house and cluster; negative while it takes", ()),
    "inverter_apparent_power": (
        "Voltage times current. Well above the power: a poor power factor of the load",
        (),
    ),
    "state_of_charge": (
        "Normal: above 40 %. Below 20 % the house lives on its neighbours",
        theme.STATE_OF_CHARGE,
    ),
    "battery_charging": ("1 while energy flows into the battery", ()),
    "battery_stored_energy": ("State of charge times usable capacity", ()),
    "battery_state_of_health": ("Normal: above 80 %; it falls by a few percent a year", ()),
    "battery_cycles": ("Only grows, by up to one a day. LFP lasts for several thousand", ()),
    "health": ("Normal: above 90 %. Each fault takes 30 %, cells that drift apart take the rest", ()),
    "clock_error": (
        "Normal: below 1 ms; above 10 ms times are not valid. It grows while nobody tells the time",
        (),
    ),
    "battery_current": ("Positive while discharging. Normal: within ±100 A", ()),
    "battery_power": (
        "Positive while discharging. At night it follows the load, in the sun it is negative",
        (),
    ),
    "cell_voltage": (
        "Normal: 3.00 … 3.55 V, all cells close together; the battery trips at 2.80 and 3.65 V",
        theme.CELL_VOLTAGE,
    ),
    "cell_voltage_minimum": (
        "Normal: 3.00 … 3.55 V; the battery trips at 2.80 and 3.65 V",
        theme.CELL_VOLTAGE,
    ),
    "cell_voltage_maximum": ("", theme.CELL_VOLTAGE),
    "cell_voltage_spread": (
        "Normal: below 50 mV. Above 100 mV one cell is weak or the balancer does not work",
        theme.CELL_SPREAD,
    ),
    "battery_temperature": (
        "Normal: 5 … 45 °C, probes within a few kelvin. LFP must not be charged below 0 °C",
        theme.BATTERY_TEMPERATURE,
    ),
    "battery_energy_charged": (
        "Only grows. Each day charged and discharged differ by the losses, about 5 %",
        (),
    ),
    "mppt_input_voltage": (
        "Zero at night; by day near the string's maximum power point. Above its open-circuit voltage: wrong "
        "wiring",
        (),
    ),
    "mppt_input_current": ("Follows the sun; compare with the neighbours under the same sky", ()),
    "mppt_input_power": (
        "Follows the sun; compare with the neighbours under the same sky. Flat at noon: the battery is full",
        (),
    ),
    "mppt_output_voltage": (
        "The voltage of the battery as the charger sees it; 0.3 V above it: a loose or thin cable",
        theme.DC_VOLTAGE,
    ),
    "mppt_output_current": ("Follows the sun until the battery is full", ()),
    "mppt_efficiency": ("Normal: 94 … 98 % in full sun; less at dawn and dusk", ()),
    "mppt_energy": ("Only grows, by day", ()),
    "load_power": ("What the house itself uses", ()),
    "exchange_power": ("Positive while the house feeds the cluster", ()),
    "load_energy": ("Only grows; a step back to zero means that the meter was restarted", ()),
    "energy_exported": ("Only grows; a step back to zero means that the meter was restarted", ()),
    "cluster_frequency": (
        "Normal: 49.5 … 50.5 Hz. With the contactor closed both sides are the same",
        theme.FREQUENCY,
    ),
    "frequency_difference": ("Zero with the contactor closed. It closes only below 0.3 Hz", ()),
    "cluster_voltage": (
        "Normal: 213 … 247 V, on both sides of the contactor; it closes only when they differ by less than "
        "10 %",
        theme.AC_VOLTAGE,
    ),
    "contactor_closed": ("1 while the cluster is joined to the swarm", ()),
    "cluster_power": ("What all inverters of the cluster give", ()),
    "cluster_load_power": ("What all houses of the cluster use", ()),
    "cluster_solar_power": ("Solar power of all houses of the cluster", ()),
    "cluster_state_of_charge": ("Normal: above 40 %", ()),
    "cluster_health": ("That of the worst house. Normal: above 90 %", ()),
    "can_bus_load": ("Normal: below 30 %; above 60 % frames of low priority come late", ()),
    "phase_difference": ("Near zero with the contactor closed; it closes only within 20°", ()),
    "power_flow": ("Positive while the cluster feeds the swarm. Zero for long: the contactor is open", ()),
    "temp_outlet": (
        "Normal while heating: the outlet is 3 … 8 K above the inlet; below it during a defrost",
        (),
    ),
    "temp_compressor": ("Normal: below 85 °C; the alarm is critical at 95 °C", theme.COMPRESSOR_TEMPERATURE),
    "voltage": ("Normal: 48 … 57.6 V for a 16-cell bank", ()),
    "current": ("Positive while discharging", ()),
    "power": ("Positive while discharging", ()),
    "temperature": ("Normal: 5 … 45 °C", theme.BATTERY_TEMPERATURE),
    "stored_energy": ("State of charge times usable capacity", ()),
    "charging": ("1 while energy flows into the battery", ()),
    "grid_voltage": ("Normal: 207 … 253 V; zero means that the grid is away", ()),
    "output_load_percent": ("Normal: below 80 %; above 100 % the inverter trips within seconds", ()),
    "inverter_heat_sink_temperature": ("Normal: below 70 °C", ()),
    "battery_energy_discharged": ("", ()),
    "swarm_frequency": ("", theme.FREQUENCY),
    "swarm_voltage": ("", theme.AC_VOLTAGE),
    "mppt_output_power": ("", ()),
    "temp_inlet": ("", ()),
    "temp_ambient": ("", ()),
    "energy_charged": ("Only grows; a step back to zero means that the meter was restarted", ()),
    "energy_discharged": ("", ()),
    "grid_frequency": ("Normal: 49.8 … 50.2 Hz on the public grid; the inverter's own output is fixed", ()),
    "ac_output_voltage": ("Normal: 225 … 235 V while the inverter runs", ()),
    "ac_output_frequency": ("", ()),
    "ac_output_apparent_power": ("Normal: below the rated power, 5 kVA of the usual device", ()),
    "ac_output_active_power": ("What the loads behind the inverter use", ()),
    "battery_voltage": ("Normal: 48 … 57.6 V for a 16-cell bank", theme.DC_VOLTAGE),
    "battery_charging_current": ("In whole amperes, as the inverter tells it", ()),
    "battery_discharge_current": ("", ()),
    "pv_input_voltage": ("Zero at night; by day 120 … 430 V", ()),
    "pv_input_current": ("", ()),
    "pv_charging_power": ("Solar power follows the sun until the battery is full", ()),
    "pv_energy": ("Only grows, by day", ()),
}


def of(metrics: Sequence[Metric]) -> tuple[str, theme.Steps]:
    """Return a description of a panel that shows these metrics, and the limits that they have in common."""
    found = [_NORMAL.get(_base(metric), ("", ())) for metric in metrics]
    sentences = list(dict.fromkeys(words for words, _ in found if words)) or [_plausible(metrics[0])]
    limits = {zones for _, zones in found}
    shown = dict.fromkeys(label(metric) for metric in metrics)
    names = ", ".join(shown) if len(shown) <= 4 else f"{next(iter(shown))} … {list(shown)[-1]}"
    return f"{names}. {'. '.join(sentences)}.", limits.pop() if len(limits) == 1 else ()


def _base(metric: Metric) -> str:
    return metric.key.rpartition("_")[0] if metric.placeholders else metric.key


def _plausible(metrics: Metric) -> str:
    if metrics.minimum is None or metrics.maximum is None:
        return "No usual range is known: look for what changed"
    return f"Plausible: {metrics.minimum:g} … {metrics.maximum:g} {metrics.unit or ''}".rstrip()
