"""The rules for Victron GX systems: the documented ones with their corrections, and what field cases added.

Absolute limits of 48 V systems are nowhere: many systems have 12 or 24 V, and 53 V is an everyday charge.
Paths are those of the D-Bus; current of a battery is positive while charging there.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

from ..contract.messages import Severity
from .memories import Conservation, Growth, Happenings, Rising, StandStill
from .quantities import difference, each, highest, lowest, plain, when
from .rule import Comparator, Gate, Quantity, Rule
from .subject import EACH, PRESENT, SILENT_S, Given, Unusable

_SYSTEM, _BATTERY, _PLATFORM = ("gx:system",), ("gx:battery",), ("gx:platform",)
_VEBUS, _LOGGER = ("gx:vebus",), ("gx:logger",)
_INVERTERS = ("gx:vebus", "gx:multi")
_V, _I, _SOC = "/Dc/0/Voltage", "/Dc/0/Current", "/Soc"
_CAPACITY, _INSTALLED = "/Capacity", "/InstalledCapacity"
_CVL, _LOW_V = "/Info/MaxChargeVoltage", "/Info/BatteryLowVoltage"
_CELL_MAX, _CELL_MIN = "/System/MaxCellVoltage", "/System/MinCellVoltage"
_CONNECTED, _ACTIVE_INPUT = "/Ac/ActiveIn/Connected", "/Ac/ActiveIn/ActiveInput"
_INPUT_TYPES = ("settings:/Settings/SystemSetup/AcInput1", "settings:/Settings/SystemSetup/AcInput2")
_OWN_INPUT_TYPES = ("/Settings/SystemSetup/AcInput1", "/Settings/SystemSetup/AcInput2")
_ON_MODES: Final = (1.0, 3.0)  # charger only, on: the others leave the input alone on purpose
_GRID_TYPE: Final = 1.0
_SOURCES: Final = (1.0, 3.0)  # grid, shore; a generator swings more than half a hertz by nature
_NO_INPUT: Final = 240.0
_DAY_S: Final = 86_400.0
_CAN_STATES: Final = {"ERROR-ACTIVE": 0.0, "ERROR-WARNING": 1.0, "ERROR-PASSIVE": 1.0, "BUS-OFF": 2.0}
CAN_STATISTICS = r"^/CanBus/Interface/[^/]+/Statistics$"
_ALARMS = (
    r"^(?!/Settings/)(.*/)?Alarms/(?!(GridLost|BmsConnectionLost|HighVoltage|HighCellVoltage|HighDcVoltage|CellImbalance"
    r"|ChargeBlocked|DischargeBlocked)$)[^/]+$|^/Alarms/L[123]/[^/]+$|^/Alarms/(High|Low)/State$|^/Alarm$"
)
"""Alarm states; `/Alarms/…/Active` of a tank and all of `/Settings/` are settings: what gives an alarm."""


# ---- helpers -------------------------------------------------------------------------------------------


def _grid_lost(given: Given) -> float | None:
    """1 while an inverter that should be on the grid is not."""
    if given.number(_CONNECTED) == 0.0 or given.number_or(_ACTIVE_INPUT, 0.0) == _NO_INPUT:
        return 1.0
    return 0.0


def _should_be_on_grid(given: Given) -> bool:
    if given.number("/Mode") not in _ON_MODES or given.number_or("/Ac/State/IgnoreAcIn1", 0.0):
        return False
    return _GRID_TYPE in given.numbers((*_INPUT_TYPES, *_OWN_INPUT_TYPES))


_ON_GRID_BY_RIGHT = when(
    "an input is of the type grid, and the inverter is on",
    ("/Mode", "/Ac/State/IgnoreAcIn1", *_INPUT_TYPES, *_OWN_INPUT_TYPES),
    _should_be_on_grid,
    ends=True,
)


def _on_grid(given: Given) -> bool:
    return given.flag(_CONNECTED) and given.number_or("system:/Ac/ActiveIn/Source", 1.0) in _SOURCES


def _off_frequency(given: Given) -> float:
    frequency = given.number("/Ac/ActiveIn/L1/F")
    return abs(frequency - (60.0 if frequency > 55.0 else 50.0))


def _above_limit(given: Given) -> float | None:
    limit = given.number(_CVL)
    return given.number(_V) - limit if limit > 0.0 else None


def _limits_are_its_own(given: Given) -> bool:
    """No battery is at three quarters of its minimum: the limits of a 48 V pack are not of this 24 V one."""
    return given.number(_V) > 0.75 * given.number(_LOW_V) > 0.0


def _mean_cell(given: Given) -> float | None:
    cells = given.number("/System/NrOfCellsPerBattery") * given.number_or("/System/BatteriesSeries", 1.0)
    return given.number(_V) / cells if cells >= 1.0 else None


def _discharge_a(given: Given) -> float:
    return -given.number(_I)


def _capacity_ah(given: Given) -> float:
    """What is installed; drivers that tell it tell as their capacity what is left."""
    installed = given.number_or(_INSTALLED, 0.0)
    return installed if installed > 0.0 else given.number(_CAPACITY)


def _resting(given: Given) -> bool:
    capacity = _capacity_ah(given)
    return capacity > 0.0 and abs(given.number(_I)) < 0.05 * capacity and 20.0 <= given.number(_SOC) <= 90.0


def _loaded(given: Given) -> bool:
    capacity = _capacity_ah(given)
    return capacity > 0.0 and abs(given.number(_I)) > 0.1 * capacity


def _is_active_battery(given: Given) -> bool:
    """Another battery (a starter battery, a second monitor) need not have the inverter's voltage."""
    active = given.optional("system:/ActiveBatteryService")
    if not isinstance(active, str):
        return True
    return active.rpartition("/")[2] == f"{given.number('/DeviceInstance'):.0f}"


def _compares_with_inverter(given: Given) -> bool:
    return abs(given.number("vebus:/Dc/0/Current")) >= 10.0 and _is_active_battery(given)


def _voltage_differs(given: Given) -> float:
    battery, inverter = given.number(_V), given.number("vebus:/Dc/0/Voltage")
    return abs(battery - inverter) / max(0.01 * battery, 0.5)


def _share_of_limit(given: Given) -> float | None:
    """Current over what the battery allows now."""
    current = given.number(_I)
    limit = given.number("/Info/MaxChargeCurrent" if current >= 0.0 else "/Info/MaxDischargeCurrent")
    return abs(current) / limit if limit >= 1.0 else None


def _contact_age(given: Given) -> float | None:
    """Age of the last contact with VRM over what the log interval allows; None while its clock is ahead."""
    age_s = given.utc_s - given.number("/Vrm/TimeLastContact")
    allowed_s = max(600.0, 3.0 * given.number_or("settings:/Settings/Vrmlogger/LogInterval", 0.0))
    return age_s / allowed_s if age_s > -600.0 else None


_VRM = when(
    "VRM is not switched off",
    ("settings:/Settings/Network/VrmPortal",),
    lambda given: given.number_or("settings:/Settings/Network/VrmPortal", 1.0) != 0.0,
    ends=True,
)


def _update_waits(given: Given) -> float:
    available, installed = (
        given.value(f"/Firmware/{name}") for name in ("Online/AvailableVersion", "Installed/Version")
    )
    if not (isinstance(available, str) and isinstance(installed, str)):
        raise Unusable
    return float(available.strip() != installed.strip())


def _statistics(given: Given) -> Mapping[str, Any]:
    """Statistics of a CAN interface as `ip -json` tells them; raises Unusable for anything else."""
    value = given.value(EACH)
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            raise Unusable from None
    if isinstance(value, list) and len(value) == 1:
        value = value[0]
    if not isinstance(value, Mapping):
        raise Unusable
    return value


def _within(statistics: Mapping[str, Any], *path: str) -> object:
    found: object = statistics
    for name in path:
        found = found.get(name) if isinstance(found, Mapping) else None
    return found


def _counter(statistics: Mapping[str, Any], *path: str) -> float:
    """A counter; 0 when the driver of the interface does not count it."""
    value = _within(statistics, *path)
    return float(value) if isinstance(value, (int, float)) and 0 <= value < 1e15 else 0.0


def _can_state(given: Given) -> float:
    state = _within(_statistics(given), "linkinfo", "info_data", "state")
    if state not in _CAN_STATES:
        raise Unusable
    return _CAN_STATES[str(state)]


def _can_stops(given: Given) -> float:
    statistics = _statistics(given)
    return sum(_counter(statistics, "linkinfo", "info_xstats", name) for name in ("bus_off", "error_passive"))


def can_errors(given: Given) -> float:
    """Errors that an interface has counted; raises Unusable."""
    statistics = _statistics(given)
    return sum(_counter(statistics, "stats64", way, "errors") for way in ("rx", "tx"))


def can_packets(given: Given) -> float:
    """Packets that an interface has counted; raises Unusable."""
    statistics = _statistics(given)
    return sum(_counter(statistics, "stats64", way, "packets") for way in ("rx", "tx"))


def _lost(given: Given) -> bool:
    return bool(given.number_or("/Alarms/GridLost", 0.0)) or bool(_grid_lost(given))


def _not_full(charge: str) -> Gate:
    return when("not full: state of charge below 95 %", (charge,), lambda given: given.number(charge) < 95.0)


def _not_empty(charge: str) -> Gate:
    return when("not empty: state of charge above 15 %", (charge,), lambda given: given.number(charge) > 15.0)


# ---- the table -----------------------------------------------------------------------------------------

GX_RULES: Final[tuple[Rule, ...]] = (
    Rule(
        id="C1",
        name="charge_critical",
        scopes=_SYSTEM,
        quantity=plain("/Dc/Battery/Soc", "state of charge", "%"),
        comparator=Comparator.BELOW,
        threshold=10.0,
        clear=12.0,
        duration_s=60.0,
        severity=Severity.CRITICAL,
        tier_s=10,
        advice="charge_soon",
    ),
    Rule(
        id="C2a",
        name="grid_lost_alarm",
        scopes=("gx:vebus", "gx:multi", "gx:acsystem"),
        quantity=plain("/Alarms/GridLost", "grid lost alarm"),
        comparator=Comparator.AT_LEAST,
        threshold=1.0,
        critical=2.0,
        clear=0.0,
        severity=Severity.WARNING,
        tier_s=10,
        advice="grid_lost",
    ),
    Rule(
        id="C2b",
        name="grid_input_lost",
        scopes=_VEBUS,
        quantity=Quantity(
            text="AC input disconnected", inputs=(_CONNECTED, _ACTIVE_INPUT), compute=_grid_lost
        ),
        comparator=Comparator.AT_LEAST,
        threshold=1.0,
        clear=0.0,
        duration_s=60.0,
        severity=Severity.CRITICAL,
        tier_s=10,
        advice="grid_lost",
        gate=_ON_GRID_BY_RIGHT,
        covered_by=("C2a",),
    ),
    Rule(
        id="C3a",
        name="bms_connection_lost_alarm",
        scopes=_INVERTERS,
        quantity=plain("/Alarms/BmsConnectionLost", "BMS connection lost alarm"),
        comparator=Comparator.AT_LEAST,
        threshold=1.0,
        critical=2.0,
        clear=0.0,
        severity=Severity.WARNING,
        tier_s=10,
        advice="bms_connection",
    ),
    Rule(
        id="C3b",
        name="battery_gone",
        scopes=_BATTERY,
        quantity=Quantity(
            text="battery has left the bus, or says that it is not connected",
            inputs=(PRESENT, "/Connected"),
            compute=lambda given: 0.0 if given.flag(PRESENT) and given.number_or("/Connected", 1.0) else 1.0,
        ),
        comparator=Comparator.AT_LEAST,
        threshold=1.0,
        clear=0.0,
        duration_s=60.0,
        severity=Severity.CRITICAL,
        tier_s=10,
        advice="bms_connection",
    ),
    Rule(
        id="C4a",
        name="overvoltage_alarm",
        scopes=("gx:battery", "gx:vebus", "gx:multi", "gx:inverter"),
        quantity=each("alarm high voltage, high cell voltage or high DC voltage"),
        comparator=Comparator.AT_LEAST,
        threshold=1.0,
        critical=2.0,
        clear=0.0,
        severity=Severity.WARNING,
        tier_s=10,
        advice="overvoltage",
        each=r"^/Alarms/(HighVoltage|HighCellVoltage|HighDcVoltage)$",
    ),
    Rule(
        id="C4b",
        name="above_charge_voltage_limit",
        scopes=_BATTERY,
        quantity=Quantity(
            text="voltage above the charge voltage limit", unit="V", inputs=(_V, _CVL), compute=_above_limit
        ),
        comparator=Comparator.ABOVE,
        threshold=0.5,
        clear=0.3,
        duration_s=60.0,
        severity=Severity.CRITICAL,
        tier_s=10,
        advice="overvoltage",
        covered_by=("C4a",),
    ),
    Rule(
        id="C4c",
        name="below_discharge_voltage_limit",
        scopes=_BATTERY,
        quantity=difference(_LOW_V, _V, "voltage below the lowest discharge voltage", "V"),
        comparator=Comparator.ABOVE,
        threshold=0.0,
        clear=-0.3,
        duration_s=60.0,
        severity=Severity.CRITICAL,
        tier_s=10,
        advice="undervoltage",
        gate=when("the limit fits the battery", (_V, _LOW_V), _limits_are_its_own),
    ),
    Rule(
        id="C4d",
        name="mean_cell_voltage_high",
        scopes=_BATTERY,
        quantity=Quantity(
            text="mean cell voltage",
            unit="V",
            inputs=(_V, "/System/NrOfCellsPerBattery", "/System/BatteriesSeries"),
            compute=_mean_cell,
        ),
        comparator=Comparator.ABOVE,
        threshold=3.6,
        clear=3.5,
        duration_s=60.0,
        severity=Severity.CRITICAL,
        tier_s=10,
        advice="overvoltage",
        enabled=False,
    ),
    Rule(
        id="C5a",
        name="can_state",
        scopes=_PLATFORM,
        quantity=Quantity(
            text="CAN controller: 1 warning or passive, 2 bus-off", inputs=(EACH,), compute=_can_state
        ),
        comparator=Comparator.AT_LEAST,
        threshold=1.0,
        critical=2.0,
        clear=0.0,
        severity=Severity.WARNING,
        tier_s=300,
        advice="can_bus",
        each=CAN_STATISTICS,
    ),
    Rule(
        id="C5b",
        name="can_stops",
        scopes=_PLATFORM,
        quantity=Quantity(
            text="times that the CAN controller went passive or off, in 15 min",
            inputs=(EACH,),
            memory=lambda: Growth(900.0, _can_stops),
        ),
        comparator=Comparator.AT_LEAST,
        threshold=1.0,
        clear=0.0,
        severity=Severity.CRITICAL,
        tier_s=300,
        advice="can_bus",
        each=CAN_STATISTICS,
        covered_by=("C5a",),
    ),
    Rule(
        id="C5c",
        name="can_error_rate",
        scopes=_PLATFORM,
        quantity=Quantity(
            text="new CAN errors in 5 min, when more than 0.1 % of the packets",
            inputs=(EACH,),
            memory=lambda: Growth(300.0, can_errors, can_packets, 0.001),
        ),
        comparator=Comparator.AT_LEAST,
        threshold=100.0,
        clear=20.0,
        severity=Severity.CRITICAL,
        tier_s=300,
        advice="can_bus",
        each=CAN_STATISTICS,
        covered_by=("C5a", "C5b"),
    ),
    Rule(
        id="C6",
        name="data_partition",
        scopes=_PLATFORM,
        quantity=highest(
            "data partition: full (above 90 %) or with an error",
            "",
            "/Device/DataPartitionFullError",
            "/Device/DataPartitionError",
        ),
        comparator=Comparator.AT_LEAST,
        threshold=1.0,
        clear=0.0,
        severity=Severity.CRITICAL,
        tier_s=300,
        advice="data_partition",
    ),
    Rule(
        id="W1",
        name="charge_low",
        scopes=_SYSTEM,
        quantity=plain("/Dc/Battery/Soc", "state of charge", "%"),
        comparator=Comparator.BELOW,
        threshold=20.0,
        clear=22.0,
        duration_s=60.0,
        severity=Severity.WARNING,
        tier_s=60,
        advice="charge_soon",
        covered_by=("C1",),
    ),
    Rule(
        id="W2",
        name="health_low",
        scopes=_BATTERY,
        quantity=plain("/Soh", "state of health", "%"),
        comparator=Comparator.BELOW,
        threshold=85.0,
        critical=70.0,
        clear=86.0,
        severity=Severity.WARNING,
        tier_s=300,
        advice="battery_worn",
    ),
    Rule(
        id="W3a",
        name="cell_imbalance_alarm",
        scopes=_BATTERY,
        quantity=plain("/Alarms/CellImbalance", "cell imbalance alarm"),
        comparator=Comparator.AT_LEAST,
        threshold=1.0,
        critical=2.0,
        clear=0.0,
        severity=Severity.WARNING,
        tier_s=60,
        advice="cell_spread",
    ),
    Rule(
        id="W3b",
        name="cell_spread_high",
        scopes=_BATTERY,
        quantity=difference(_CELL_MAX, _CELL_MIN, "highest less lowest cell voltage", "V"),
        comparator=Comparator.ABOVE,
        threshold=0.1,
        critical=0.15,
        clear=0.08,
        duration_s=600.0,
        severity=Severity.WARNING,
        tier_s=60,
        advice="cell_spread",
        gate=when(
            "current below C/20, state of charge 20 … 90 %", (_I, _CAPACITY, _INSTALLED, _SOC), _resting
        ),
        covered_by=("W3a",),
    ),
    Rule(
        id="W4a",
        name="cell_temperature_high",
        scopes=_BATTERY,
        quantity=plain("/System/MaxCellTemperature", "highest cell temperature", "°C"),
        comparator=Comparator.ABOVE,
        threshold=45.0,
        critical=55.0,
        clear=43.0,
        duration_s=60.0,
        severity=Severity.WARNING,
        tier_s=60,
        advice="battery_hot",
    ),
    Rule(
        id="W4b",
        name="cell_temperature_low",
        scopes=_BATTERY,
        quantity=plain("/System/MinCellTemperature", "lowest cell temperature", "°C"),
        comparator=Comparator.BELOW,
        threshold=5.0,
        critical=0.0,
        clear=7.0,
        duration_s=60.0,
        severity=Severity.WARNING,
        tier_s=60,
        advice="battery_cold",
    ),
    Rule(
        id="W4c",
        name="battery_temperature_high",
        scopes=_BATTERY,
        quantity=plain("/Dc/0/Temperature", "battery temperature", "°C"),
        comparator=Comparator.ABOVE,
        threshold=50.0,
        critical=55.0,
        clear=48.0,
        duration_s=60.0,
        severity=Severity.WARNING,
        tier_s=60,
        advice="battery_hot",
        covered_by=("W4a",),
    ),
    Rule(
        id="W5",
        name="grid_frequency",
        scopes=_VEBUS,
        quantity=Quantity(
            text="frequency of the grid away from 50 or 60 Hz",
            unit="Hz",
            inputs=("/Ac/ActiveIn/L1/F",),
            compute=_off_frequency,
        ),
        comparator=Comparator.ABOVE,
        threshold=0.5,
        critical=1.0,
        clear=0.3,
        duration_s=60.0,
        severity=Severity.WARNING,
        tier_s=60,
        advice="grid_frequency",
        gate=when(
            "connected to grid or shore", (_CONNECTED, "system:/Ac/ActiveIn/Source"), _on_grid, ends=True
        ),
    ),
    Rule(
        id="W6a",
        name="vrm_contact_old",
        scopes=_LOGGER,
        quantity=Quantity(
            text="age of the last contact with VRM over 10 min or three log intervals, whichever is more",
            inputs=("/Vrm/TimeLastContact", "settings:/Settings/Vrmlogger/LogInterval"),
            compute=_contact_age,
        ),
        comparator=Comparator.ABOVE,
        threshold=1.0,
        clear=0.9,
        severity=Severity.WARNING,
        tier_s=300,
        advice="vrm",
        gate=_VRM,
    ),
    Rule(
        id="W6b",
        name="vrm_connection_error",
        scopes=_LOGGER,
        quantity=Quantity(
            text="connection error of VRM",
            inputs=("/Vrm/ConnectionError",),
            compute=lambda given: float(given.flag("/Vrm/ConnectionError")),
        ),
        comparator=Comparator.AT_LEAST,
        threshold=1.0,
        clear=0.0,
        duration_s=600.0,
        severity=Severity.WARNING,
        tier_s=300,
        advice="vrm",
        gate=_VRM,
        covered_by=("W6a",),
    ),
    Rule(
        id="W6c",
        name="vrm_buffer_grows",
        scopes=_LOGGER,
        quantity=Quantity(
            text="records that wait for VRM, grown over 30 min without a fall",
            inputs=("/Buffer/Count",),
            memory=lambda: Rising(1800.0, "/Buffer/Count"),
        ),
        comparator=Comparator.AT_LEAST,
        threshold=3.0,
        clear=0.0,
        severity=Severity.WARNING,
        tier_s=300,
        advice="vrm",
        gate=_VRM,
        covered_by=("W6a", "W6b"),
    ),
    Rule(
        id="W7",
        name="firmware_update_available",
        scopes=_PLATFORM,
        quantity=Quantity(
            text="another firmware than the installed one is available",
            inputs=("/Firmware/Online/AvailableVersion", "/Firmware/Installed/Version"),
            compute=_update_waits,
        ),
        comparator=Comparator.AT_LEAST,
        threshold=1.0,
        clear=0.0,
        severity=Severity.INFO,
        tier_s=300,
        advice="firmware_update",
    ),
    Rule(
        id="X2",
        name="values_stand_still",
        scopes=_BATTERY,
        quantity=Quantity(
            text="minutes that state of charge and voltage stood still under more than C/10",
            unit="min",
            inputs=(_SOC, _V, _I, _CAPACITY, _INSTALLED),
            memory=lambda: StandStill((_SOC, _V), _loaded),
        ),
        comparator=Comparator.AT_LEAST,
        threshold=30.0,
        clear=0.0,
        severity=Severity.WARNING,
        tier_s=60,
        advice="values_stand_still",
    ),
    Rule(
        id="X1",
        name="charge_not_conserved",
        scopes=_BATTERY,
        quantity=Quantity(
            text="charge against integrated current over 30 min, over 5 % of the capacity or 3 Ah",
            inputs=(_SOC, _V, _I, _CAPACITY, _INSTALLED),
            memory=lambda: Conservation(_SOC, _V, _discharge_a, _capacity_ah),
        ),
        comparator=Comparator.ABOVE,
        threshold=1.0,
        clear=0.5,
        severity=Severity.WARNING,
        tier_s=60,
        advice="charge_not_conserved",
        covered_by=("X2",),
    ),
    Rule(
        id="X3",
        name="voltages_differ",
        scopes=_BATTERY,
        quantity=Quantity(
            text="battery against inverter voltage, over 1 % or 0.5 V, whichever is more",
            inputs=(_V, "vebus:/Dc/0/Voltage"),
            compute=_voltage_differs,
        ),
        comparator=Comparator.ABOVE,
        threshold=1.0,
        clear=0.7,
        duration_s=120.0,
        severity=Severity.WARNING,
        tier_s=60,
        advice="dc_wiring",
        gate=when(
            "the inverter carries 10 A or more, and this is the battery of the system",
            ("vebus:/Dc/0/Current", "system:/ActiveBatteryService", "/DeviceInstance"),
            _compares_with_inverter,
        ),
    ),
    Rule(
        id="X4",
        name="grid_losses",
        scopes=_VEBUS,
        quantity=Quantity(
            text="losses of the grid in 7 days",
            inputs=(_CONNECTED, _ACTIVE_INPUT, "/Alarms/GridLost"),
            memory=lambda: Happenings(7.0 * _DAY_S, _lost),
        ),
        comparator=Comparator.ABOVE,
        threshold=2.0,
        clear=1.0,
        severity=Severity.WARNING,
        tier_s=10,
        advice="grid_unstable",
        gate=when(_ON_GRID_BY_RIGHT.text, _ON_GRID_BY_RIGHT.inputs, _ON_GRID_BY_RIGHT.permits, ends=False),
    ),
    Rule(
        id="X5a",
        name="modules_offline",
        scopes=_BATTERY,
        quantity=plain("/System/NrOfModulesOffline", "modules offline"),
        comparator=Comparator.AT_LEAST,
        threshold=1.0,
        clear=0.0,
        duration_s=60.0,
        severity=Severity.CRITICAL,
        tier_s=60,
        advice="modules",
    ),
    Rule(
        id="X5b",
        name="modules_blocking",
        scopes=_BATTERY,
        quantity=highest(
            "modules that block charging or discharging",
            "",
            "/System/NrOfModulesBlockingCharge",
            "/System/NrOfModulesBlockingDischarge",
        ),
        comparator=Comparator.AT_LEAST,
        threshold=1.0,
        clear=0.0,
        duration_s=60.0,
        severity=Severity.WARNING,
        tier_s=60,
        advice="modules",
        covered_by=("X5a",),
    ),
    Rule(
        id="X7a",
        name="charge_blocked_alarm",
        scopes=_BATTERY,
        quantity=highest(
            "charge or discharge blocked alarm", "", "/Alarms/ChargeBlocked", "/Alarms/DischargeBlocked"
        ),
        comparator=Comparator.AT_LEAST,
        threshold=1.0,
        critical=2.0,
        clear=0.0,
        severity=Severity.WARNING,
        tier_s=60,
        advice="blocked",
        covered_by=("X5b",),
    ),
    Rule(
        id="X6a",
        name="charge_limit_zero",
        scopes=_BATTERY,
        quantity=plain("/Info/MaxChargeCurrent", "charge current limit", "A"),
        comparator=Comparator.AT_MOST,
        threshold=0.0,
        clear=1.0,
        duration_s=300.0,
        severity=Severity.WARNING,
        tier_s=60,
        advice="blocked",
        gate=_not_full(_SOC),
        covered_by=("X7a", "X5b", "W4b"),
    ),
    Rule(
        id="X6b",
        name="discharge_limit_zero",
        scopes=_BATTERY,
        quantity=plain("/Info/MaxDischargeCurrent", "discharge current limit", "A"),
        comparator=Comparator.AT_MOST,
        threshold=0.0,
        clear=1.0,
        duration_s=300.0,
        severity=Severity.WARNING,
        tier_s=60,
        advice="blocked",
        gate=_not_empty(_SOC),
        covered_by=("X7a", "X5b", "W4b"),
    ),
    Rule(
        id="X7b",
        name="charging_disabled",
        scopes=_SYSTEM,
        quantity=plain("/SystemState/ChargeDisabled", "charging disabled by the system"),
        comparator=Comparator.AT_LEAST,
        threshold=1.0,
        clear=0.0,
        duration_s=300.0,
        severity=Severity.WARNING,
        tier_s=60,
        advice="blocked",
        gate=_not_full("/Dc/Battery/Soc"),
    ),
    Rule(
        id="X7c",
        name="discharging_disabled",
        scopes=_SYSTEM,
        quantity=plain("/SystemState/DischargeDisabled", "discharging disabled by the system"),
        comparator=Comparator.AT_LEAST,
        threshold=1.0,
        clear=0.0,
        duration_s=300.0,
        severity=Severity.WARNING,
        tier_s=60,
        advice="blocked",
        gate=_not_empty("/Dc/Battery/Soc"),
    ),
    Rule(
        id="X8",
        name="station_silent",
        scopes=_SYSTEM,
        quantity=plain(SILENT_S, "silence of the station", "s"),
        comparator=Comparator.ABOVE,
        threshold=30.0,
        clear=10.0,
        severity=Severity.WARNING,
        tier_s=10,
        advice="station_silent",
    ),
    Rule(
        id="X9",
        name="charge_at_limit",
        scopes=_SYSTEM,
        quantity=difference(
            "/Dc/Battery/Soc", "/Control/ActiveSocLimit", "state of charge above the active limit", "%"
        ),
        comparator=Comparator.AT_MOST,
        threshold=2.0,
        clear=4.0,
        duration_s=300.0,
        severity=Severity.INFO,
        tier_s=60,
        advice="charge_at_limit",
        gate=when(
            "there is a limit",
            ("/Control/ActiveSocLimit",),
            lambda given: given.number("/Control/ActiveSocLimit") > 0.0,
            ends=True,
        ),
        covered_by=("W1", "C1"),
    ),
    Rule(
        id="X10a",
        name="device_alarm",
        scopes=("gx:*",),
        quantity=each("any other alarm of a device"),
        comparator=Comparator.AT_LEAST,
        threshold=1.0,
        critical=2.0,
        clear=0.0,
        severity=Severity.WARNING,
        tier_s=60,
        advice="device_alarm",
        each=_ALARMS,
    ),
    Rule(
        id="X10b",
        name="device_error",
        scopes=("gx:*",),
        quantity=Quantity(
            text="error code of a device", inputs=(EACH,), compute=lambda given: float(given.flag(EACH))
        ),
        comparator=Comparator.AT_LEAST,
        threshold=1.0,
        clear=0.0,
        severity=Severity.CRITICAL,
        tier_s=60,
        advice="device_error",
        each=r"^/(VebusError|ErrorCode)$",
    ),
    Rule(
        id="X11",
        name="current_above_limit",
        scopes=_BATTERY,
        quantity=Quantity(
            text="current over the limit of the battery",
            inputs=(_I, "/Info/MaxChargeCurrent", "/Info/MaxDischargeCurrent"),
            compute=_share_of_limit,
        ),
        comparator=Comparator.ABOVE,
        threshold=1.1,
        clear=1.0,
        duration_s=60.0,
        severity=Severity.WARNING,
        tier_s=60,
        advice="overcurrent",
    ),
    Rule(
        id="X12",
        name="cell_voltage_low",
        scopes=_BATTERY,
        quantity=lowest("lowest cell voltage", "V", _CELL_MIN),
        comparator=Comparator.BELOW,
        threshold=3.1,
        critical=3.0,
        clear=3.15,
        duration_s=60.0,
        severity=Severity.WARNING,
        tier_s=60,
        advice="undervoltage",
        gate=when(
            "another cell is above 3.0 V: no titanate cells",
            (_CELL_MAX,),
            lambda given: given.number(_CELL_MAX) > 3.0,
        ),
        covered_by=("C4c",),
    ),
)
