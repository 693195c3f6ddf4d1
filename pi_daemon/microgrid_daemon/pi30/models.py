"""Families of inverters and what each can be told: found by QGMN, the general model number.

What a document does not state is not offered: an unknown model is read and never written to.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType

from .table import Layout


class Family(StrEnum):
    """Models that share a document of the vendor."""

    HS = "hs"
    KS = "ks"
    GK = "gk"
    VMII = "vmii"
    VMIII = "vmiii"
    POWMR = "powmr"
    MKS2 = "mks2"
    KING = "king"
    MAX = "max"
    REVO = "revo"
    PI41 = "pi41"


@dataclass(frozen=True, slots=True)
class Range:
    """Voltages that a setting takes: between two ends in steps, or exactly those of a list."""

    low: float = 0.0
    high: float = 0.0
    step: float = 0.1
    only: tuple[float, ...] = ()

    def holds(self, value: float) -> bool:
        """Tell whether the device takes the value."""
        if self.only:
            return any(abs(value - one) < 0.01 for one in self.only)
        steps = (value - self.low) / self.step
        return self.low - 0.01 <= value <= self.high + 0.01 and abs(steps - round(steps)) < 0.01

    def __str__(self) -> str:
        """Say what is possible."""
        if self.only:
            return ", ".join(f"{one:g}" for one in self.only)
        return f"{self.low:g} … {self.high:g} in steps of {self.step:g}"


Ranges = Mapping[str, Mapping[int, Range]]
"""Setting → nominal voltage of the battery → what it takes."""


@dataclass(frozen=True, slots=True)
class Profile:
    """How a family is read and written to."""

    family: Family
    title: str
    layout: Layout = Layout.BASE
    general_models: tuple[str, ...] = ()
    """Numbers of QGMN."""
    model_pattern: str = ""
    """What QMN says, where there is no number."""
    output_priorities: Mapping[int, str] = field(default_factory=dict)
    charger_priorities: Mapping[int, str] = field(default_factory=dict)
    """What the codes of QPIRI and of the setters mean; they are not portable between families."""
    current_commands: Mapping[str, str] = field(default_factory=dict)
    """Setting → format of its command; `m` is the number of the unit in a parallel system."""
    grid_current_limit_a: int = 999
    """99 where the command has two digits for it."""
    ranges: Ranges = field(default_factory=dict)
    around_default_v: float | None = None
    """Where the documents give no ranges: how far a voltage may lie from the default that QDI tells."""
    discharge_limits_a: tuple[int, int] | None = None
    """Least and greatest limit of the discharge current, where there is one."""
    settings: frozenset[str] = frozenset()
    """What may be enabled for writing at all."""


_UTILITY_SOLAR_SBU = {0: "utility", 1: "solar", 2: "sbu"}
_FOUR_CHARGERS = {0: "utility", 1: "solar", 2: "solar_and_utility", 3: "only_solar"}
_THREE_CHARGERS = {1: "solar", 2: "solar_and_utility", 3: "only_solar"}

_VOLTAGES = frozenset(
    {
        "battery_recharge_voltage",
        "battery_redischarge_voltage",
        "battery_under_voltage",
        "battery_bulk_voltage",
        "battery_float_voltage",
    }
)
_COMMON = (
    frozenset(
        {
            "output_source_priority",
            "charger_source_priority",
            "input_voltage_range",
            "max_charging_current",
            "max_ac_charging_current",
            "buzzer",
            "overload_bypass",
            "power_saving",
            "lcd_escape",
            "overload_restart",
            "over_temperature_restart",
            "backlight",
            "alarm_primary_source_interrupt",
            "fault_code_record",
        }
    )
    | _VOLTAGES
)
_EQUALIZATION = frozenset(
    {
        "equalization_enabled",
        "equalization_time_min",
        "equalization_period_d",
        "equalization_voltage",
        "equalization_over_time_min",
        "max_charging_time_cv",
    }
)

_THIRDS_12 = (0.0, 0.3, 0.5, 0.8)
_BACK_TO_GRID = {
    12: Range(only=tuple(11 + volt + part for volt in (0, 1) for part in _THIRDS_12)),
    24: Range(22, 25.5, 0.5),
    48: Range(44, 51, 1),
}
_BACK_TO_BATTERY = {
    12: Range(only=(*(12 + volt + part for volt in (0, 1) for part in _THIRDS_12), 14.0, 14.3, 14.5)),
    24: Range(24, 29, 0.5),
    48: Range(48, 58, 1),
}


def _ranges(
    under: Mapping[int, Range], charge: Mapping[int, Range], equalize: Mapping[int, Range] | None = None
) -> Ranges:
    """Return the ranges of a family with the usual thresholds between grid and battery."""
    found = {
        "battery_recharge_voltage": _BACK_TO_GRID,
        "battery_redischarge_voltage": _BACK_TO_BATTERY,
        "battery_under_voltage": under,
        "battery_bulk_voltage": charge,
        "battery_float_voltage": charge,
    }
    return found if equalize is None else found | {"equalization_voltage": equalize}


_RANGES_KS = _ranges({48: Range(40, 48)}, {48: Range(48, 58.4)}, {24: Range(24, 31.5), 48: Range(48, 61)})
_RANGES_KS_64 = _ranges({48: Range(40, 48)}, {48: Range(48, 64)}, {48: Range(48, 61)})
_RANGES_GK = _ranges(
    {24: Range(21, 24), 48: Range(42, 48)},
    {24: Range(24, 31.5), 48: Range(48, 63)},
    {24: Range(24, 31.5), 48: Range(48, 61)},
)
_VMIII_CHARGE = {24: Range(25, 31.5), 48: Range(48, 61)}
_RANGES_VMIII: Ranges = {
    "battery_recharge_voltage": {24: Range(22, 25.5, 0.5), 48: Range(44, 51, 1)},
    "battery_redischarge_voltage": {24: Range(24, 29, 0.5), 48: Range(48, 58, 1)},
    "battery_under_voltage": {24: Range(21, 24), 48: Range(42, 48)},
    "battery_bulk_voltage": _VMIII_CHARGE,
    "battery_float_voltage": _VMIII_CHARGE,
    "equalization_voltage": _VMIII_CHARGE,
}
_KING_CHARGE = {24: Range(24, 32), 48: Range(48, 64)}
_RANGES_KING: Ranges = {
    "battery_recharge_voltage": {24: Range(22, 28.5, 0.5), 48: Range(44, 57, 1)},
    "battery_redischarge_voltage": {24: Range(24, 33, 0.5), 48: Range(48, 64, 1)},
    "battery_under_voltage": {24: Range(20, 27), 48: Range(40, 54)},
    "battery_bulk_voltage": _KING_CHARGE,
    "battery_float_voltage": _KING_CHARGE,
    "equalization_voltage": _KING_CHARGE,
}


def _currents(both: str, grid: str) -> Mapping[str, str]:
    """Return the commands of the two charging currents."""
    return {"max_charging_current": f"MNCHGC{both}", "max_ac_charging_current": f"MUCHGC{grid}"}


_M3, _M2, _3 = "{m}{value:03d}", "{m}{value:02d}", "{value:03d}"

PROFILES: tuple[Profile, ...] = (
    Profile(
        Family.HS,
        "HS/MS/MSX",
        output_priorities=_UTILITY_SOLAR_SBU,
        charger_priorities=_FOUR_CHARGERS,
        current_commands=_currents(_M3, _M2),
        grid_current_limit_a=99,
        ranges=_RANGES_KS,
        settings=_COMMON,
    ),
    Profile(
        Family.KS,
        "KS/MKS/V",
        general_models=("001", "002", "003", "004", "005", "008", "009", "010", "011", "014", "015"),
        output_priorities=_UTILITY_SOLAR_SBU,
        charger_priorities=_FOUR_CHARGERS,
        current_commands=_currents(_M3, _3),
        ranges=_RANGES_KS,
        settings=_COMMON | _EQUALIZATION,
    ),
    Profile(
        Family.KS,
        "KS/MKS with batteries up to 64 V",
        general_models=("012", "013"),
        output_priorities=_UTILITY_SOLAR_SBU,
        charger_priorities=_FOUR_CHARGERS,
        current_commands=_currents(_M3, _3),
        ranges=_RANGES_KS_64,
        settings=_COMMON | _EQUALIZATION,
    ),
    Profile(
        Family.GK,
        "GK/MK",
        output_priorities=_UTILITY_SOLAR_SBU,
        charger_priorities=_THREE_CHARGERS,
        current_commands=_currents(_3, _3),
        ranges=_RANGES_GK,
        settings=_COMMON | _EQUALIZATION,
    ),
    # Its codes are positions in the menu of its display, which only its owner can read: nothing is written.
    Profile(
        Family.VMII,
        "VMII",
        general_models=("029", "030"),
        output_priorities={1: "sbu"},
        charger_priorities={2: "only_solar"},
    ),
    Profile(
        Family.VMIII,
        "VMIII",
        general_models=("027", "028", "037"),
        output_priorities=_UTILITY_SOLAR_SBU,
        charger_priorities=_THREE_CHARGERS,
        current_commands=_currents(_3, _3),
        ranges=_RANGES_VMIII,
        settings=_COMMON | _EQUALIZATION,
    ),
    Profile(
        Family.POWMR,
        "POWMR",
        model_pattern="POWMR.*",
        output_priorities=_UTILITY_SOLAR_SBU,
        charger_priorities=_THREE_CHARGERS,
        current_commands=_currents(_3, _3),
        settings=_COMMON - _VOLTAGES,
    ),
    Profile(
        Family.MKS2,
        "MKS II",
        general_models=("022", "025"),
        output_priorities=_UTILITY_SOLAR_SBU,
        charger_priorities=_THREE_CHARGERS,
        current_commands=_currents(_M3, _M3),
        ranges={name: {48: volts[48]} for name, volts in _RANGES_KING.items()},
        settings=_COMMON | _EQUALIZATION,
    ),
    Profile(
        Family.MKS2,
        "MKS II with a limit of the discharge",
        general_models=("031", "038", "039"),
        output_priorities=_UTILITY_SOLAR_SBU,
        charger_priorities=_THREE_CHARGERS,
        current_commands=_currents(_M3, _M3),
        ranges={name: {48: volts[48]} for name, volts in _RANGES_KING.items()},
        discharge_limits_a=(30, 120),
        settings=_COMMON | _EQUALIZATION | {"max_discharging_current"},
    ),
    # Its priorities combine two decisions each and have no name of ours.
    Profile(
        Family.KING,
        "KING",
        layout=Layout.KING,
        general_models=("023", "024", "035", "036"),
        current_commands=_currents(_M3, _M2),
        grid_current_limit_a=99,
        ranges=_RANGES_KING,
        settings=(_COMMON | _EQUALIZATION) - {"output_source_priority", "charger_source_priority"},
    ),
    Profile(
        Family.MAX,
        "MAX",
        layout=Layout.MAX,
        general_models=("043", "044", "045"),
        output_priorities=_UTILITY_SOLAR_SBU,
        charger_priorities=_THREE_CHARGERS,
        current_commands=_currents(_M3, _M2),
        around_default_v=4.0,
        discharge_limits_a=(30, 150),
        settings=(_COMMON | _EQUALIZATION | {"max_discharging_current", "battery_control"})
        - {"equalization_voltage"},
    ),
    Profile(Family.REVO, "REVO", layout=Layout.REVO, model_pattern="REVO.*"),
    Profile(
        Family.PI41,
        "LV5048 (PI41)",
        layout=Layout.PI41,
        model_pattern="LV5048.*",
        output_priorities=_UTILITY_SOLAR_SBU,
        charger_priorities=_FOUR_CHARGERS,
        current_commands=_currents(_M3, _M2),
        grid_current_limit_a=99,
        settings=_COMMON - _VOLTAGES,
    ),
)

GENERAL_MODELS: Mapping[str, str] = MappingProxyType(
    {
        "001": "VP-5000",
        "002": "VM-5000",
        "003": "VP-3000",
        "004": "VM-3000",
        "005": "MKS+2000",
        "006": "MLV 3K",
        "007": "PLV 3K",
        "008": "MKS 3KP",
        "009": "KS 3KP",
        "010": "MKS 5KP",
        "011": "KS 5KP",
        "012": "MKS 4-5K 64 V",
        "013": "KS 4-5K 64 V",
        "014": "MKS 4-5K",
        "015": "KS 4-5K",
        "016": "ALFA M",
        "017": "ALFA P",
        "018": "Plus",
        "019": "EPS",
        "020": "EPS",
        "021": "EPS",
        "022": "MKS II",
        "023": "KING",
        "024": "KING",
        "025": "MKS II feed-in",
        "026": "MLV 5K",
        "027": "VMIII",
        "028": "VMIII",
        "029": "VMII",
        "030": "VMII",
        "031": "MKS II",
        "032": "MKS Zero",
        "033": "MKS Zero",
        "034": "MKS Zero",
        "035": "KING",
        "036": "KING",
        "037": "VMIII",
        "038": "MKS II",
        "039": "MKS II",
        "040": "SE",
        "041": "SE",
        "042": "MKS III",
        "043": "MAX 3.6K",
        "044": "MAX 7.2K",
        "045": "MAX 5K LV",
    }
)


def profile_of(
    general_model: str | None, model: str | None = None, protocol: str | None = None
) -> Profile | None:
    """Find the family by QGMN, else by QMN, else by QPI; None for one that nobody described."""
    for profile in PROFILES:
        if general_model is not None and general_model in profile.general_models:
            return profile
    for profile in PROFILES:
        if model and profile.model_pattern and re.fullmatch(profile.model_pattern, model, re.IGNORECASE):
            return profile
    if protocol == "PI41":
        return profile_named(Family.PI41)
    return None


def profile_named(family: Family) -> Profile:
    """Return the profile that somebody chose by its name because the device does not tell."""
    return next(profile for profile in PROFILES if profile.family is family)
