"""The bits of QPIWS and the fault codes by name; what warns in one state is a fault in another."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

from .forms import Values
from .models import Family

INVERTER_FAULT_BIT = 1
PV_LOSS_BIT = 0
"""Set all night: never an alarm."""


class Gravity(StrEnum):
    """How grave a bit is."""

    WARNING = "warning"
    FAULT = "fault"
    WITH_INVERTER = "with_inverter"
    """A fault while the inverter reports one (bit 1), else a warning."""
    BY_MODEL = "by_model"
    """Means different things: kept as it came."""


@dataclass(frozen=True, slots=True)
class Bit:
    """One place of QPIWS."""

    place: int
    name: str
    gravity: Gravity


_W, _F, _I, _M = Gravity.WARNING, Gravity.FAULT, Gravity.WITH_INVERTER, Gravity.BY_MODEL

BITS: tuple[Bit, ...] = tuple(
    Bit(place, name, gravity)
    for place, (name, gravity) in enumerate(
        (
            ("pv_loss", _W),
            ("inverter_fault", _F),
            ("bus_over_voltage", _F),
            ("bus_under_voltage", _F),
            ("bus_soft_start_failed", _F),
            ("line_fail", _W),
            ("output_short_circuit", _F),
            ("inverter_voltage_low", _F),
            ("inverter_voltage_high", _F),
            ("over_temperature", _I),
            ("fan_locked", _I),
            ("battery_voltage_high", _I),
            ("battery_low", _W),
            ("reserved", _M),
            ("battery_under_shutdown", _W),
            ("battery_derating", _W),
            ("overload", _I),
            ("eeprom_fault", _W),
            ("inverter_over_current", _F),
            ("inverter_soft_start_failed", _F),
            ("self_test_failed", _F),
            ("dc_voltage_on_output", _F),
            ("battery_open", _F),
            ("current_sensor_failed", _F),
            ("battery_short_circuit", _F),
            ("power_limit", _W),
            ("pv_voltage_high", _W),
            ("mppt_overload_fault", _F),
            ("mppt_overload", _W),
            ("battery_too_low_to_charge", _W),
            ("dc_dc_over_current", _F),
            ("model_31", _M),
            ("model_32", _M),
            ("model_33", _M),
            ("high_ac_input_in_soft_start", _W),
            ("battery_equalizing", _W),
        )
    )
)

# Where a family means something else by a bit.
_OTHERWISE: Mapping[Family, Mapping[int, Bit]] = MappingProxyType(
    {
        Family.HS: {6: Bit(6, "output_short_circuit", _W), 27: Bit(27, "mppt_overload_fault", _W)},
        Family.PI41: {
            6: Bit(6, "output_short_circuit", _W),
            13: Bit(13, "battery_overcharge", _F),
            27: Bit(27, "mppt_overload_fault", _W),
            30: Bit(30, "slave_warning", _W),
        },
    }
)

FAULT_CODES: Mapping[str, str] = MappingProxyType(
    {
        "01": "fan_locked",
        "02": "over_temperature",
        "03": "battery_voltage_high",
        "04": "battery_low",
        "05": "output_short_circuit",
        "06": "output_voltage_high",
        "07": "overload",
        "08": "bus_over_voltage",
        "09": "bus_soft_start_failed",
        "10": "pv_over_current",
        "11": "pv_over_voltage",
        "12": "dc_dc_over_current",
        "13": "battery_discharge_over_current",
        "51": "over_current",
        "52": "bus_under_voltage",
        "53": "inverter_soft_start_failed",
        "55": "dc_voltage_on_output",
        "57": "current_sensor_failed",
        "58": "output_voltage_low",
        "59": "pv_voltage_high",
        "60": "power_feedback",
        "71": "firmware_versions_differ",
        "72": "current_sharing_failed",
        "73": "output_voltages_differ",
        "80": "can_fault",
        "81": "host_lost",
        "82": "synchronization_lost",
        "83": "battery_voltages_differ",
        "84": "ac_inputs_differ",
        "85": "ac_current_unbalanced",
        "86": "output_modes_differ",
    }
)


@dataclass(frozen=True, slots=True)
class Alarms:
    """What a reply to QPIWS says."""

    warnings: tuple[str, ...]
    faults: tuple[str, ...]


def interpret(values: Values, family: Family | None = None) -> Alarms:
    """Name the bits that a decoded QPIWS has set, loss of sun included."""
    otherwise = _OTHERWISE.get(family, {}) if family is not None else {}
    found = values.get("bits_set")
    places = {place for place in found if isinstance(place, int)} if isinstance(found, list) else set()
    warnings: list[str] = []
    faults: list[str] = []
    for usual in BITS:
        bit = otherwise.get(usual.place, usual)
        if bit.place not in places or bit.gravity is Gravity.BY_MODEL:
            continue
        grave = bit.gravity is Gravity.FAULT or (
            bit.gravity is Gravity.WITH_INVERTER and INVERTER_FAULT_BIT in places
        )
        (faults if grave else warnings).append(bit.name)
    return Alarms(tuple(warnings), tuple(faults))


def fault_name(code: str) -> str | None:
    """Name the fault code of QPGS; None for `00` (no fault). One that nobody documented keeps its digits."""
    if code.strip("0") == "":
        return None
    return FAULT_CODES.get(code, f"fault_{code}")
