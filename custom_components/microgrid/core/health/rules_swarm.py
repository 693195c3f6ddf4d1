"""The rules for our own nodes: houses (H), gateways (G), heat pumps (P), MPP inverters (M), Pi batteries (B).

They stand on the keys of the metric tables in core/model. What the firmware protects against
(faults) and the limits of a heat pump (`heat_pump.py`) are not repeated: rules find what comes before.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from ..contract.messages import Severity
from .memories import Conservation, Growth, ShortCycles, StandStill
from .quantities import absent, difference, highest, lowest, plain, when
from .rule import Comparator, Quantity, Rule
from .subject import Given

_HOUSE, _GATEWAY, _HEAT_PUMP = ("house",), ("gateway",), ("heat_pump",)
_MPP, _BATTERY = ("mpp_inverter",), ("battery",)
_PROBES: Final = tuple(f"battery_temperature_{probe}" for probe in range(1, 5))
_MOSFETS: Final = ("mosfet_temperature_1", "mosfet_temperature_2")
_DAY_S: Final = 86_400.0
_NOMINAL_CELLS_V: Final = 51.2  # 16 LFP cells: how the nodes turn charge into stored energy
_SLEEPS_BELOW_V: Final = 100.0  # mains that is not there says nothing about its quality
_LIGHT_LOAD_A: Final = 8.0
_HIGH_POWER_W: Final = 200.0


def _capacity_ah(given: Given) -> float:
    """Capacity from the stored energy, which is told in steps; unknown near empty, where steps are coarse."""
    charge = given.number("state_of_charge")
    if charge < 10.0:
        return 0.0
    return (
        given.number("stored_energy" if _is_pi(given) else "battery_stored_energy")
        / _NOMINAL_CELLS_V
        / (charge / 100.0)
    )


def _is_pi(given: Given) -> bool:
    return "stored_energy" in given.inputs


def _house_resting(given: Given) -> bool:
    capacity = _capacity_ah(given)
    return (
        capacity > 0.0
        and abs(given.number("battery_current")) < 0.05 * capacity
        and 20.0 <= given.number("state_of_charge") <= 90.0
    )


def _running_steadily(given: Given) -> bool:
    return given.flag("compressor_running") and not given.number_or("defrost_active", 0.0)


def _not_following(given: Given) -> float:
    requested, actual = given.number("requested_power"), given.number("power")
    return abs(actual - requested) / max(0.2 * abs(requested), 200.0)


def _can_follow(given: Given) -> bool:
    """The ends of the charge and the cold bind a battery more than its schedule does."""
    return (
        given.flag("schedule_active")
        and 20.0 <= given.number("state_of_charge") <= 90.0
        and given.number_or("temperature", 20.0) >= 10.0
    )


def _silent(rule: str, name: str, scopes: tuple[str, ...], duration_s: float, tier_s: int) -> Rule:
    return Rule(
        id=rule,
        name=name,
        scopes=scopes,
        quantity=absent("offline, or silent for longer than three of its intervals"),
        comparator=Comparator.AT_LEAST,
        threshold=1.0,
        clear=0.0,
        duration_s=duration_s,
        severity=Severity.WARNING,
        tier_s=tier_s,
        advice="node_silent",
    )


def _grown(name: str, text: str, window_s: float) -> Quantity:
    return Quantity(
        text=text, inputs=(name,), memory=lambda: Growth(window_s, lambda given: given.number(name))
    )


def _can(rule: str, name: str, scopes: tuple[str, ...]) -> Rule:
    return Rule(
        id=rule,
        name=name,
        scopes=scopes,
        quantity=Quantity(
            text="new CAN errors in 5 min, when more than 0.1 % of the frames",
            inputs=("can_errors", "can_frames_received"),
            memory=lambda: Growth(
                300.0,
                lambda given: given.number("can_errors"),
                lambda given: given.number("can_frames_received"),
                0.001,
            ),
        ),
        comparator=Comparator.AT_LEAST,
        threshold=100.0,
        clear=20.0,
        severity=Severity.WARNING,
        tier_s=60,
        advice="can_bus",
    )


def _clock(rule: str, name: str, scopes: tuple[str, ...]) -> Rule:
    return Rule(
        id=rule,
        name=name,
        scopes=scopes,
        quantity=plain("clock_error", "clock error", "ms"),
        comparator=Comparator.ABOVE,
        threshold=10.0,
        clear=5.0,
        duration_s=60.0,
        severity=Severity.WARNING,
        tier_s=60,
        advice="clock",
    )


def _charge(rule: str, name: str, scopes: tuple[str, ...]) -> Rule:
    return Rule(
        id=rule,
        name=name,
        scopes=scopes,
        quantity=plain("state_of_charge", "state of charge", "%"),
        comparator=Comparator.BELOW,
        threshold=10.0,
        clear=12.0,
        duration_s=60.0,
        severity=Severity.WARNING,
        tier_s=60,
        advice="charge_soon",
    )


def _conserved(
    rule: str, name: str, scopes: tuple[str, ...], keys: tuple[str, str, str], covered: str
) -> Rule:
    voltage, current, stored = keys
    return Rule(
        id=rule,
        name=name,
        scopes=scopes,
        quantity=Quantity(
            text="charge against integrated current over 30 min, over 5 % of the capacity or 3 Ah",
            inputs=("state_of_charge", voltage, current, stored),
            memory=lambda: Conservation(
                "state_of_charge", voltage, lambda given: given.number(current), _capacity_ah
            ),
        ),
        comparator=Comparator.ABOVE,
        threshold=1.0,
        clear=0.5,
        severity=Severity.WARNING,
        tier_s=60,
        advice="charge_not_conserved",
        covered_by=(covered,),
    )


def _still(rule: str, name: str, scopes: tuple[str, ...], keys: tuple[str, str, str]) -> Rule:
    voltage, current, stored = keys

    def moving(given: Given) -> bool:
        capacity = _capacity_ah(given)
        return capacity > 0.0 and abs(given.number(current)) > 0.1 * capacity

    return Rule(
        id=rule,
        name=name,
        scopes=scopes,
        quantity=Quantity(
            text="minutes that state of charge and voltage stood still under more than C/10",
            unit="min",
            inputs=("state_of_charge", voltage, current, stored),
            memory=lambda: StandStill(("state_of_charge", voltage), moving),
        ),
        comparator=Comparator.AT_LEAST,
        threshold=30.0,
        clear=0.0,
        severity=Severity.WARNING,
        tier_s=60,
        advice="values_stand_still",
    )


_HOUSE_KEYS = ("battery_voltage", "battery_current", "battery_stored_energy")
_PI_KEYS = ("voltage", "current", "stored_energy")

_HOT = Rule(
    id="H3",
    name="house_battery_hot",
    scopes=_HOUSE,
    quantity=highest("highest battery temperature", "°C", *_PROBES),
    comparator=Comparator.ABOVE,
    threshold=45.0,
    critical=55.0,
    clear=43.0,
    duration_s=60.0,
    severity=Severity.WARNING,
    tier_s=60,
    advice="battery_hot",
)
_COLD = Rule(
    id="H4",
    name="house_battery_cold",
    scopes=_HOUSE,
    quantity=lowest("lowest battery temperature", "°C", *_PROBES),
    comparator=Comparator.BELOW,
    threshold=5.0,
    critical=0.0,
    clear=7.0,
    duration_s=60.0,
    severity=Severity.WARNING,
    tier_s=60,
    advice="battery_cold",
)

SWARM_RULES: Final[tuple[Rule, ...]] = (
    _charge("H1", "house_charge_low", _HOUSE),
    Rule(
        id="H2",
        name="house_cell_spread",
        scopes=_HOUSE,
        quantity=plain("cell_voltage_spread", "highest less lowest cell voltage", "mV"),
        comparator=Comparator.ABOVE,
        threshold=100.0,
        critical=150.0,
        clear=80.0,
        duration_s=600.0,
        severity=Severity.WARNING,
        tier_s=60,
        advice="cell_spread",
        gate=when(
            "current below C/20, state of charge 20 … 90 %",
            ("state_of_charge", "battery_current", "battery_stored_energy"),
            _house_resting,
        ),
    ),
    _HOT,
    _COLD,
    Rule(
        id="H5",
        name="house_fan",
        scopes=_HOUSE,
        quantity=highest("transistor temperature", "°C", *_MOSFETS),
        comparator=Comparator.ABOVE,
        threshold=60.0,
        critical=75.0,
        clear=52.0,
        duration_s=600.0,
        severity=Severity.WARNING,
        tier_s=60,
        advice="fan",
        gate=when(
            "inverter current below 8 A",
            ("inverter_current",),
            lambda given: abs(given.number("inverter_current")) < _LIGHT_LOAD_A,
        ),
    ),
    _clock("H6", "house_clock", _HOUSE),
    _can("H7", "house_can_errors", _HOUSE),
    Rule(
        id="H8",
        name="house_card_errors",
        scopes=_HOUSE,
        quantity=_grown("card_errors", "new errors of the memory card in 1 h", 3600.0),
        comparator=Comparator.AT_LEAST,
        threshold=1.0,
        clear=0.0,
        severity=Severity.WARNING,
        tier_s=300,
        advice="card",
    ),
    Rule(
        id="H9",
        name="node_restarts",
        scopes=(*_HOUSE, *_GATEWAY),
        quantity=_grown("restarts", "restarts in 24 h", _DAY_S),
        comparator=Comparator.AT_LEAST,
        threshold=3.0,
        clear=0.0,
        severity=Severity.WARNING,
        tier_s=300,
        advice="restarts",
    ),
    Rule(
        id="H10",
        name="house_battery_health",
        scopes=_HOUSE,
        quantity=plain("battery_state_of_health", "state of health", "%"),
        comparator=Comparator.BELOW,
        threshold=85.0,
        critical=70.0,
        clear=86.0,
        duration_s=3600.0,
        severity=Severity.WARNING,
        tier_s=300,
        advice="battery_worn",
    ),
    _still("H11", "house_values_stand_still", _HOUSE, _HOUSE_KEYS),
    _conserved("H12", "house_charge_not_conserved", _HOUSE, _HOUSE_KEYS, "H11"),
    Rule(
        id="H13",
        name="house_solar_efficiency",
        scopes=_HOUSE,
        quantity=plain("mppt_efficiency", "efficiency of the solar charger", "%"),
        comparator=Comparator.BELOW,
        threshold=85.0,
        clear=88.0,
        duration_s=900.0,
        severity=Severity.WARNING,
        tier_s=60,
        advice="solar_charger",
        gate=when(
            "more than 200 W of sun",
            ("mppt_input_power",),
            lambda given: given.number("mppt_input_power") > _HIGH_POWER_W,
        ),
    ),
    _silent("H14", "house_silent", _HOUSE, 60.0, 10),
    _clock("G1", "gateway_clock", _GATEWAY),
    _can("G2", "gateway_can_errors", _GATEWAY),
    Rule(
        id="G3",
        name="gateway_can_off",
        scopes=_GATEWAY,
        quantity=_grown("can_bus_off", "times that the CAN controller went off, in 15 min", 900.0),
        comparator=Comparator.AT_LEAST,
        threshold=1.0,
        clear=0.0,
        severity=Severity.CRITICAL,
        tier_s=60,
        advice="can_bus",
    ),
    Rule(
        id="G4",
        name="gateway_can_load",
        scopes=_GATEWAY,
        quantity=plain("can_bus_load", "load of the CAN bus", "%"),
        comparator=Comparator.ABOVE,
        threshold=60.0,
        clear=50.0,
        duration_s=300.0,
        severity=Severity.WARNING,
        tier_s=60,
        advice="can_load",
    ),
    Rule(
        id="G5",
        name="contactor_chatters",
        scopes=_GATEWAY,
        quantity=_grown("contactor_cycles", "cycles of the contactor in 1 h", 3600.0),
        comparator=Comparator.AT_LEAST,
        threshold=6.0,
        clear=1.0,
        severity=Severity.WARNING,
        tier_s=60,
        advice="contactor",
    ),
    Rule(
        id="G6",
        name="gateway_wifi_weak",
        scopes=_GATEWAY,
        quantity=plain("wifi_signal", "Wi-Fi signal", "dBm"),
        comparator=Comparator.BELOW,
        threshold=-85.0,
        clear=-80.0,
        duration_s=600.0,
        severity=Severity.INFO,
        tier_s=60,
        advice="wifi",
    ),
    _silent("G7", "gateway_silent", _GATEWAY, 60.0, 10),
    Rule(
        id="P1",
        name="heat_pump_short_cycles",
        scopes=_HEAT_PUMP,
        quantity=Quantity(
            text="days of seven with six starts within 60 min, median period 15 min or less",
            inputs=("compressor_running", "defrost_active"),
            memory=lambda: ShortCycles("compressor_running", "defrost_active"),
        ),
        comparator=Comparator.AT_LEAST,
        threshold=3.0,
        clear=1.0,
        severity=Severity.WARNING,
        tier_s=60,
        advice="short_cycles",
    ),
    Rule(
        id="P2",
        name="heat_pump_fan",
        scopes=_HEAT_PUMP,
        quantity=Quantity(
            text="fan stands still",
            inputs=("fan_running",),
            compute=lambda given: 1.0 - given.number("fan_running"),
        ),
        comparator=Comparator.AT_LEAST,
        threshold=1.0,
        clear=0.0,
        duration_s=120.0,
        severity=Severity.CRITICAL,
        tier_s=60,
        advice="fan",
        gate=when(
            "compressor runs, no defrost",
            ("compressor_running", "defrost_active"),
            _running_steadily,
            ends=True,
        ),
    ),
    Rule(
        id="P3",
        name="heat_pump_flow",
        scopes=_HEAT_PUMP,
        quantity=plain("water_temperature_difference", "outlet less inlet temperature", "K"),
        comparator=Comparator.ABOVE,
        threshold=12.0,
        clear=9.0,
        duration_s=600.0,
        severity=Severity.WARNING,
        tier_s=60,
        advice="water_flow",
        gate=when("compressor runs, no defrost", ("compressor_running", "defrost_active"), _running_steadily),
    ),
    _silent("P4", "heat_pump_silent", _HEAT_PUMP, 60.0, 60),
    Rule(
        id="M1",
        name="mpp_fault",
        scopes=_MPP,
        quantity=plain("fault_active", "fault of the inverter"),
        comparator=Comparator.AT_LEAST,
        threshold=1.0,
        clear=0.0,
        severity=Severity.CRITICAL,
        tier_s=10,
        advice="device_error",
    ),
    Rule(
        id="M2",
        name="mpp_fan",
        scopes=_MPP,
        quantity=plain("inverter_heat_sink_temperature", "heat sink temperature", "°C"),
        comparator=Comparator.ABOVE,
        threshold=60.0,
        clear=52.0,
        duration_s=600.0,
        severity=Severity.WARNING,
        tier_s=60,
        advice="fan",
        gate=when(
            "load below 20 %, charging below 10 A",
            ("output_load_percent", "battery_charging_current"),
            lambda given: (
                given.number("output_load_percent") < 20.0 and given.number("battery_charging_current") < 10.0
            ),
        ),
    ),
    Rule(
        id="M3",
        name="mpp_hot",
        scopes=_MPP,
        quantity=plain("inverter_heat_sink_temperature", "heat sink temperature", "°C"),
        comparator=Comparator.ABOVE,
        threshold=75.0,
        critical=85.0,
        clear=70.0,
        duration_s=60.0,
        severity=Severity.WARNING,
        tier_s=60,
        advice="inverter_hot",
        covered_by=("M2",),
    ),
    Rule(
        id="M4",
        name="mpp_overload",
        scopes=_MPP,
        quantity=plain("output_load_percent", "load", "%"),
        comparator=Comparator.ABOVE,
        threshold=100.0,
        critical=110.0,
        clear=90.0,
        duration_s=30.0,
        severity=Severity.WARNING,
        tier_s=10,
        advice="overload",
    ),
    Rule(
        id="M5",
        name="mpp_battery_voltage_low",
        scopes=_MPP,
        quantity=difference(
            "battery_under_voltage", "battery_voltage", "voltage below the cut-off that is set", "V"
        ),
        comparator=Comparator.ABOVE,
        threshold=0.0,
        clear=-0.5,
        duration_s=60.0,
        severity=Severity.CRITICAL,
        tier_s=10,
        advice="undervoltage",
    ),
    Rule(
        id="M6",
        name="mpp_mains_voltage",
        scopes=_MPP,
        quantity=Quantity(
            text="mains voltage away from 230 V",
            unit="V",
            inputs=("grid_voltage",),
            compute=lambda given: abs(given.number("grid_voltage") - 230.0),
        ),
        comparator=Comparator.ABOVE,
        threshold=23.0,
        clear=20.0,
        duration_s=60.0,
        severity=Severity.WARNING,
        tier_s=60,
        advice="mains_voltage",
        gate=when(
            "there is mains",
            ("grid_voltage",),
            lambda given: given.number("grid_voltage") > _SLEEPS_BELOW_V,
            ends=True,
        ),
    ),
    Rule(
        id="M7",
        name="mpp_poll_errors",
        scopes=_MPP,
        quantity=_grown("poll_errors", "new errors of the serial line in 5 min", 300.0),
        comparator=Comparator.AT_LEAST,
        threshold=10.0,
        clear=1.0,
        severity=Severity.WARNING,
        tier_s=60,
        advice="serial_line",
    ),
    _silent("M8", "mpp_silent", _MPP, 60.0, 10),
    _charge("B1", "battery_charge_low", _BATTERY),
    replace(
        _HOT,
        id="B2",
        name="battery_hot",
        scopes=_BATTERY,
        quantity=plain("temperature", "battery temperature", "°C"),
    ),
    replace(
        _COLD,
        id="B3",
        name="battery_cold",
        scopes=_BATTERY,
        quantity=plain("temperature", "battery temperature", "°C"),
    ),
    _still("B4", "battery_values_stand_still", _BATTERY, _PI_KEYS),
    _conserved("B5", "battery_charge_not_conserved", _BATTERY, _PI_KEYS, "B4"),
    Rule(
        id="B6",
        name="battery_clock",
        scopes=_BATTERY,
        quantity=Quantity(
            text="clock not valid",
            inputs=("clock_valid",),
            compute=lambda given: 1.0 - given.number("clock_valid"),
        ),
        comparator=Comparator.AT_LEAST,
        threshold=1.0,
        clear=0.0,
        duration_s=300.0,
        severity=Severity.WARNING,
        tier_s=60,
        advice="clock",
    ),
    Rule(
        id="B7",
        name="battery_not_following",
        scopes=_BATTERY,
        quantity=Quantity(
            text="power away from what was asked, over 20 % or 200 W",
            inputs=("requested_power", "power"),
            compute=_not_following,
        ),
        comparator=Comparator.ABOVE,
        threshold=1.0,
        clear=0.7,
        duration_s=600.0,
        severity=Severity.WARNING,
        tier_s=60,
        advice="not_following",
        gate=when(
            "a schedule is active, charge 20 … 90 %, 10 °C or warmer",
            ("schedule_active", "state_of_charge", "temperature"),
            _can_follow,
            ends=True,
        ),
    ),
    Rule(
        id="B8",
        name="battery_intervals_failed",
        scopes=_BATTERY,
        quantity=_grown("intervals_failed", "failed intervals of the schedule in 24 h", _DAY_S),
        comparator=Comparator.AT_LEAST,
        threshold=2.0,
        clear=0.0,
        severity=Severity.WARNING,
        tier_s=300,
        advice="not_following",
    ),
    Rule(
        id="B9",
        name="outbox_grows",
        scopes=(*_BATTERY, *_MPP),
        quantity=plain("outbox_depth", "records that wait to be sent"),
        comparator=Comparator.ABOVE,
        threshold=1000.0,
        clear=100.0,
        duration_s=600.0,
        severity=Severity.WARNING,
        tier_s=60,
        advice="outbox",
    ),
    _silent("B10", "battery_silent", _BATTERY, 60.0, 10),
)
