"""Decoded replies to the metrics of an MPP inverter, in the ranges of their table in the core."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from microgrid_core.model.guard import plausible
from microgrid_core.model.metric import Value as MetricValue
from microgrid_core.model.mpp_inverter import BATTERY_TYPES, INPUT_RANGES, MPP_INVERTER

from . import warnings
from .forms import Values
from .models import Profile

_ROWS = MPP_INVERTER.by_key
# Replies and the fields in them that are metrics under the same key.
_SAME = {
    "QPIGS": (
        "grid_voltage",
        "grid_frequency",
        "ac_output_voltage",
        "ac_output_frequency",
        "ac_output_apparent_power",
        "ac_output_active_power",
        "output_load_percent",
        "bus_voltage",
        "battery_voltage",
        "battery_charging_current",
        "battery_discharge_current",
        "battery_capacity_percent",
        "inverter_heat_sink_temperature",
        "pv_input_voltage",
        "pv_input_current",
        "pv_charging_power",
        "load_on",
        "charging",
        "scc_charging",
        "ac_charging",
    ),
    "QPIRI": (
        "max_charging_current",
        "max_ac_charging_current",
        "battery_recharge_voltage",
        "battery_under_voltage",
        "battery_bulk_voltage",
        "battery_float_voltage",
        "battery_redischarge_voltage",
        "max_discharging_current",
        "max_charging_time_cv",
        "ac_output_rating_active_power",
    ),
    "QBEQI": (
        "equalization_time_min",
        "equalization_period_d",
        "equalization_voltage",
        "equalization_over_time_min",
    ),
}
_UTILITY_SOLAR_SBU = {0: "utility", 1: "solar", 2: "sbu"}
_CHARGERS = {0: "utility", 1: "solar", 2: "solar_and_utility", 3: "only_solar"}
_AC_VALUES = ("grid_voltage", "ac_output_voltage", "ac_output_apparent_power", "ac_output_active_power")


@dataclass(frozen=True, slots=True)
class Measured:
    """What one round of questions brought."""

    values: Mapping[str, MetricValue]
    implausible: tuple[str, ...]
    """Metrics whose values cannot be true and were left out."""


def blank(status: Values, mode_name: object) -> bool:
    """Tell whether a QPIGS is one of those with all zeros that some units send while they feed a load."""
    return mode_name in ("line", "battery") and all(status.get(name) == 0 for name in _AC_VALUES)


def measure(replies: Mapping[str, Values], profile: Profile | None = None) -> Measured:
    """Turn decoded replies, by command, into metrics; what is absent stays absent."""
    found: dict[str, object] = {
        name: replies[command][name]
        for command, names in _SAME.items()
        if command in replies
        for name in names
        if name in replies[command]
    }
    status, ratings = replies.get("QPIGS", {}), replies.get("QPIRI", {})
    if "pv_power" in status:  # REVO
        found["pv_charging_power"] = status["pv_power"]
    second_w = replies.get("QPIGS2", {}).get("pv2_charging_power")
    first_w = found.get("pv_charging_power")
    if isinstance(second_w, (int, float)) and isinstance(first_w, (int, float)):
        found["pv_charging_power"] = first_w + second_w
    if "QMOD" in replies:
        found["mode"] = replies["QMOD"].get("mode_name")
    if "QET" in replies:
        found["pv_energy"] = replies["QET"].get("energy_wh")
    if "QLT" in replies:
        found["load_energy"] = replies["QLT"].get("energy_wh")
    output_names = profile.output_priorities if profile is not None else _UTILITY_SOLAR_SBU
    charger_names = profile.charger_priorities if profile is not None else _CHARGERS
    for key, names in (
        ("output_source_priority", output_names),
        ("charger_source_priority", charger_names),
        ("battery_type", dict(enumerate(BATTERY_TYPES))),
        ("input_voltage_range", dict(enumerate(INPUT_RANGES))),
    ):
        if isinstance(code := ratings.get(key), int):
            found[key] = names.get(code)
    if isinstance(equalizing := replies.get("QBEQI", {}).get("equalization_enabled"), int):
        found["equalization_enabled"] = bool(equalizing)
    found |= _switches(replies.get("QFLAG", {})) | _alarms(replies, profile)
    values: dict[str, MetricValue] = {}
    implausible = []
    for key, value in found.items():
        if value is None:
            continue
        checked = plausible(_ROWS[key], value)
        if checked is None:
            implausible.append(key)
        else:
            values[key] = checked
    return Measured(values, tuple(implausible))


def _switches(flags: Values) -> dict[str, object]:
    """Return the switches that the device lists, on or off; a letter without a name is nobody's metric."""
    return {
        name: state
        for key, state in (("enabled", True), ("disabled", False))
        if isinstance(names := flags.get(key), list)
        for name in names
        if isinstance(name, str) and name in _ROWS
    }


def _alarms(replies: Mapping[str, Values], profile: Profile | None) -> dict[str, object]:
    """Count the warnings and name the faults; loss of sun is no alarm, or there would be one every night."""
    if "QPIWS" not in replies:
        return {}
    alarms = warnings.interpret(replies["QPIWS"], profile.family if profile is not None else None)
    mode = replies.get("QMOD", {}).get("mode")
    faults = list(alarms.faults)
    parallel = replies.get("QPGS0", {})
    code = parallel.get("fault_code") if parallel.get("parallel_exists") == 1 else None
    if isinstance(code, str) and (name := warnings.fault_name(code)) is not None and name not in faults:
        faults.append(name)
    return {
        "warnings_active": len([name for name in alarms.warnings if name != "pv_loss"]),
        "fault_active": bool(faults) or mode == "F",
        "fault_text": ", ".join(faults) or ("unknown" if mode == "F" else "none"),
    }
