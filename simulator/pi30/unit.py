"""The state of a pretended inverter: what it answers to queries, and what setters change in it."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

from microgrid_core.contract.messages import Scalar
from microgrid_core.model.mpp_inverter import OUTPUT_PRIORITIES

from ..physics import mpp as mpp_device, readings
from ..physics.mpp import MppInverter

ACK: Final = "ACK"
NAK: Final = "NAK"
Readings = Mapping[str, Scalar | None]

_MODES = {
    "power_on": "P",
    "standby": "S",
    "line": "L",
    "battery": "B",
    "fault": "F",
    "power_saving": "H",
    "shutdown": "D",
}
# A sunny noon: the load and the battery live on the sun.
NOON: Readings = {
    "grid_voltage": 230.1,
    "grid_frequency": 50.0,
    "ac_output_voltage": 230.0,
    "ac_output_frequency": 50.0,
    "ac_output_apparent_power": 512,
    "ac_output_active_power": 487,
    "output_load_percent": 10,
    "bus_voltage": 398,
    "battery_voltage": 53.6,
    "battery_charging_current": 14,
    "battery_discharge_current": 0,
    "battery_capacity_percent": 87,
    "inverter_heat_sink_temperature": 41,
    "pv_input_current": 4.2,
    "pv_input_voltage": 303.4,
    "pv_charging_power": 1274,
    "load_on": True,
    "charging": True,
    "scc_charging": True,
    "ac_charging": False,
    "pv_energy": 4_812_300,
    "load_energy": 3_907_100,
    "mode": "battery",
}


@dataclass
class Settings:
    """What setters change; the defaults are those of the pretended inverter of the neighbourhood."""

    output_source_priority: int = 2
    charger_source_priority: int = 2
    input_voltage_range: int = 1
    battery_type: int = 2
    max_charging_current: int = int(mpp_device.MAX_CHARGING_A)
    max_ac_charging_current: int = int(mpp_device.MAX_GRID_CHARGING_A)
    battery_recharge_voltage: float = mpp_device.RECHARGE_V
    battery_redischarge_voltage: float = mpp_device.REDISCHARGE_V
    battery_under_voltage: float = mpp_device.UNDER_V
    battery_bulk_voltage: float = mpp_device.BULK_V
    battery_float_voltage: float = mpp_device.FLOAT_V
    max_charging_time_cv: int = 0
    max_discharging_current: int = 0
    battery_control: str = "000"
    enabled_flags: str = "akxyz"
    disabled_flags: str = "bjuv"
    equalization: dict[str, float] = field(
        default_factory=lambda: {"E": 0, "T": 60, "P": 30, "V": 56.4, "OT": 120, "A": 0}
    )


_CHARGING_STEPS = tuple(range(10, 130, 10))
_GRID_CHARGING_STEPS = (2, *range(10, 110, 10))

# Setters that change a number or a word: pattern, attribute, how to read the digits, and what is taken.
_NUMBERS: tuple[tuple[str, str, Callable[[str], float], Callable[[float], bool]], ...] = (
    (r"POP0(\d)", "output_source_priority", int, lambda code: code <= 2),
    (r"PCP0(\d)", "charger_source_priority", int, lambda code: 1 <= code <= 3),
    (r"PGR0(\d)", "input_voltage_range", int, lambda code: code <= 1),
    (r"PBT0(\d)", "battery_type", int, lambda code: code <= 2),
    (r"MNCHGC\d?(\d{3})", "max_charging_current", int, lambda amperes: amperes in _CHARGING_STEPS),
    (r"MUCHGC0?(\d{2,3})", "max_ac_charging_current", int, lambda amperes: amperes in _GRID_CHARGING_STEPS),
    (r"PBCV(\d\d\.\d)", "battery_recharge_voltage", float, lambda volts: 44 <= volts <= 51),
    (r"PBDV(\d\d\.\d)", "battery_redischarge_voltage", float, lambda volts: volts == 0 or 48 <= volts <= 58),
    (r"PSDV(\d\d\.\d)", "battery_under_voltage", float, lambda volts: 40 <= volts <= 48),
    (r"PCVV(\d\d\.\d)", "battery_bulk_voltage", float, lambda volts: 48 <= volts <= 61),
    (r"PBFT(\d\d\.\d)", "battery_float_voltage", float, lambda volts: 48 <= volts <= 61),
    (r"PCVT(\d{3})", "max_charging_time_cv", int, lambda minutes: minutes <= 900 and minutes % 5 == 0),
    (r"PBATMAXDISC(\d{3})", "max_discharging_current", int, lambda amperes: amperes <= 150),
)


class Unit:
    """One pretended inverter, a MAX of 5 kW unless told otherwise."""

    def __init__(
        self,
        serial_number: str = "92932105105315",
        *,
        general_model: str = "044",
        readings_now: Callable[[], Readings] = lambda: NOON,
        set_priority: Callable[[str], None] = lambda _: None,
    ) -> None:
        """Answer with what `readings_now` measures; `set_priority` is told what feeds the load first."""
        self.serial_number = serial_number
        self.general_model = general_model
        self.settings = Settings()
        self.warnings = "0" * 36
        self.protocol = "PI30"
        self.written: list[str] = []
        """Setters that were accepted, in their order: each wears the memory of the device."""
        self._readings_now = readings_now
        self._set_priority = set_priority

    @classmethod
    def of(cls, inverter: MppInverter, serial_number: str = "92932105105315") -> Unit:
        """Return a unit that measures a simulated inverter and steers it."""
        unit = cls(
            serial_number,
            readings_now=lambda: readings.mpp_inverter(inverter),
            set_priority=inverter.set_output_priority,
        )
        unit.settings.output_source_priority = OUTPUT_PRIORITIES.index(inverter.output_priority)
        return unit

    def answer(self, command: str) -> str:
        """Return the payload of the reply to a command."""
        if command.startswith("Q"):
            query = getattr(self, f"_{command.lower()}", None)
            return str(query()) if query is not None else NAK
        return ACK if self._set(command) else NAK

    # ----------------------------------------------------------------------------------------------- queries

    def _qpi(self) -> str:
        return self.protocol

    def _qid(self) -> str:
        return self.serial_number[:14]

    def _qsid(self) -> str:
        return f"{len(self.serial_number):02d}{self.serial_number:0<20}"

    def _qgmn(self) -> str:
        return self.general_model

    def _qmn(self) -> str:
        return "MKS2-5000" if self.general_model != "044" else "MAX-7200"

    def _qvfw(self) -> str:
        return "VERFW:00079.65"

    def _qmod(self) -> str:
        return _MODES[str(self._readings_now()["mode"])]

    def _qpiws(self) -> str:
        line_fails = float(self._readings_now()["grid_voltage"] or 0.0) < 180.0
        return self.warnings[:5] + ("1" if line_fails else self.warnings[5]) + self.warnings[6:]

    def _qpigs(self) -> str:
        now = self._readings_now()
        value = {key: float(number) for key, number in now.items() if isinstance(number, (int, float))}
        status = "".join(
            "1" if flag else "0"
            for flag in (
                False,
                False,
                False,
                now["load_on"],
                False,
                now["charging"],
                now["scc_charging"],
                now["ac_charging"],
            )
        )
        return (
            f"{value['grid_voltage']:05.1f} {value['grid_frequency']:04.1f}"
            f" {value['ac_output_voltage']:05.1f} {value['ac_output_frequency']:04.1f}"
            f" {value['ac_output_apparent_power']:04.0f} {value['ac_output_active_power']:04.0f}"
            f" {value['output_load_percent']:03.0f} {value['bus_voltage']:03.0f}"
            f" {value['battery_voltage']:05.2f}"
            f" {value['battery_charging_current']:03.0f} {value['battery_capacity_percent']:03.0f}"
            f" {value['inverter_heat_sink_temperature']:04.0f} {value['pv_input_current']:04.1f}"
            f" {value['pv_input_voltage']:05.1f} 00.00 {value['battery_discharge_current']:05.0f} {status}"
            f" 00 00 {value['pv_charging_power']:05.0f} 010"
        )

    def _qpigs2(self) -> str:
        return "00.0 000.0 00000 "

    def _qpiri(self) -> str:
        now = self.settings
        return (
            "230.0 21.7 230.0 50.0 21.7 5000 5000 48.0"
            f" {now.battery_recharge_voltage:04.1f} {now.battery_under_voltage:04.1f}"
            f" {now.battery_bulk_voltage:04.1f} {now.battery_float_voltage:04.1f} {now.battery_type}"
            f" {now.max_ac_charging_current:03d} {now.max_charging_current:03d} {now.input_voltage_range}"
            f" {now.output_source_priority} {now.charger_source_priority} 9 01 0 0"
            f" {now.battery_redischarge_voltage:04.1f} 0 1 {now.max_charging_time_cv:03d} 0"
            f" {now.max_discharging_current:03d}"
        )

    def _qflag(self) -> str:
        return f"E{self.settings.enabled_flags}D{self.settings.disabled_flags}"

    def _qdi(self) -> str:
        return "230.0 50.0 0030 44.0 54.0 56.4 46.0 060 0 0 2 0 0 0 0 0 1 1 1 0 1 0 54.0 0 1 000 000"

    def _qmchgcr(self) -> str:
        return " ".join(f"{step:03d}" for step in _CHARGING_STEPS)

    def _qmuchgcr(self) -> str:
        return " ".join(f"{step:03d}" for step in _GRID_CHARGING_STEPS)

    def _qbeqi(self) -> str:
        now = self.settings.equalization
        return (
            f"{now['E']:.0f} {now['T']:03.0f} {now['P']:03.0f} 080 021 {now['V']:05.2f} 224 {now['OT']:03.0f}"
            f" {now['A']:.0f} 0234"
        )

    def _qbatcd(self) -> str:
        return self.settings.battery_control

    def _qet(self) -> str:
        return f"{float(self._readings_now()['pv_energy'] or 0.0):08.0f}"

    def _qlt(self) -> str:
        return f"{float(self._readings_now()['load_energy'] or 0.0):08.0f}"

    # ----------------------------------------------------------------------------------------------- setters

    def _set(self, command: str) -> bool:
        taken = self._set_number(command) or self._set_flag(command) or self._set_other(command)
        if taken:
            self.written.append(command)
        return taken

    def _set_number(self, command: str) -> bool:
        for pattern, attribute, read, takes in _NUMBERS:
            if match := re.fullmatch(pattern, command):
                value = read(match[1])
                if not takes(value):
                    return False
                setattr(self.settings, attribute, value)
                if attribute == "output_source_priority":
                    self._set_priority(OUTPUT_PRIORITIES[int(value)])
                return True
        return False

    def _set_flag(self, command: str) -> bool:
        match = re.fullmatch(r"P([ED])([a-z])", command)
        now = self.settings
        if match is None or match[2] not in now.enabled_flags + now.disabled_flags:
            return False
        letter = match[2]
        now.enabled_flags = "".join(sorted(set(now.enabled_flags) - {letter}))
        now.disabled_flags = "".join(sorted(set(now.disabled_flags) - {letter}))
        if match[1] == "E":
            now.enabled_flags = "".join(sorted(now.enabled_flags + letter))
        else:
            now.disabled_flags = "".join(sorted(now.disabled_flags + letter))
        return True

    def _set_other(self, command: str) -> bool:
        if match := re.fullmatch(r"PBEQ(OT|[ETPVA])(\d+(?:\.\d)?)", command):
            self.settings.equalization[match[1]] = float(match[2])
            return True
        if match := re.fullmatch(r"PBATCD([01]{3})", command):
            self.settings.battery_control = match[1]
            return True
        return False
