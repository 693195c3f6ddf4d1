"""A house: what it measures, watches and stops. The logic is in house.h, this is its schema."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import esphome.codegen as cg
import esphome.config_validation as cv
import esphome.final_validate as fv
from esphome import pins
from esphome.components import binary_sensor, sensor
from esphome.components.microgrid_can import CAN_SCHEMA, CONF_MICROGRID_CAN_ID
from esphome.components.microgrid_core import CONF_MICROGRID_ID, NODE_SCHEMA, microgrid_ns
from esphome.components.microgrid_log import LOG_SCHEMA, log_store
from esphome.components.microgrid_measure import (
    CONF_LAG,
    CONF_PER_VOLT,
    LAG,
    adc1_channel,
    adc_input,
    between,
    distinct_pins,
    include_drivers,
    with_unit,
)
from esphome.const import CONF_DELAY, CONF_ID, CONF_NUMBER, CONF_PIN, CONF_SENSORS, CONF_TIMEOUT
from esphome.core import CORE
from esphome.cpp_generator import MockObj
from esphome.types import ConfigType

CODEOWNERS = ["@microgrid"]
DEPENDENCIES = ["microgrid_core", "microgrid_can", "microgrid_log"]
AUTO_LOAD = ["sensor", "binary_sensor", "microgrid_measure"]

CONF_AC_CURRENT = "ac_current"
CONF_AC_VOLTAGE = "ac_voltage"
CONF_BALANCING = "balancing"
CONF_BATTERY = "battery"
CONF_BATTERY_CONNECTED = "battery_connected"
CONF_BATTERY_CURRENT = "battery_current"
CONF_BMS = "bms"
CONF_CAPACITY = "capacity"
CONF_CELL_VOLTAGES = "cell_voltages"
CONF_CHARGING_ABOVE = "charging_above"
CONF_CYCLES = "cycles"
CONF_CURRENT_POSITIVE = "current_positive"
CONF_DC_BUS_VOLTAGE = "dc_bus_voltage"
CONF_EDGES = "edges"
CONF_EMPTY_VOLTAGE = "empty_voltage"
CONF_ENABLED = "enabled"
CONF_ENERGY = "energy"
CONF_EXCHANGE = "exchange"
CONF_FREQUENCY = "frequency"
CONF_FULL_CURRENT = "full_current"
CONF_FULL_VOLTAGE = "full_voltage"
CONF_IDENTIFY_PIN = "identify_pin"
CONF_INVERTER_ON = "inverter_on"
CONF_LIMIT = "limit"
CONF_LOAD = "load"
CONF_MEASURE = "measure"
CONF_MICROGRID_HOUSE_ID = "microgrid_house_id"
CONF_PROTECTIONS = "protections"
CONF_RATED_CURRENT = "rated_current"
CONF_RELEASE = "release"
CONF_RESTART_AFTER = "restart_after"
CONF_SENSOR = "sensor"
CONF_STATE_OF_CHARGE = "state_of_charge"
CONF_STATE_OF_HEALTH = "state_of_health"
CONF_TEMPERATURES = "temperatures"
CONF_TRIP = "trip"
CONF_TRIP_PIN = "trip_pin"
CONF_ZERO = "zero"

HouseComponent = microgrid_ns.class_("HouseComponent", cg.Component)
HouseMetric = microgrid_ns.enum("HouseMetric", is_class=True)
HouseSettings = microgrid_ns.struct("HouseSettings")
ChargeSettings = microgrid_ns.class_("ChargeCounter").struct("Settings")
ProtectionSettings = microgrid_ns.struct("ProtectionSettings")
LoadSource = microgrid_ns.enum("LoadSource", is_class=True)
AnalogRole = microgrid_ns.enum("AnalogRole", is_class=True)
AdcInput = microgrid_ns.struct("AdcInput")

# What parts that belong to a house (such as a simulator) have in their schemas.
HOUSE_SCHEMA = cv.Schema({cv.GenerateID(CONF_MICROGRID_HOUSE_ID): cv.use_id(HouseComponent)})

CELLS = 16
PROBES = 4

# Metrics that sensors may give. Energy counters are counted by the house itself unless a meter does.
SENSOR_METRICS = (
    "inverter_frequency",
    "inverter_voltage",
    "inverter_current",
    "inverter_power",
    "dc_bus_voltage",
    "mosfet_temperature_1",
    "mosfet_temperature_2",
    "state_of_charge",
    "battery_voltage",
    "battery_current",
    "battery_energy_charged",
    "battery_energy_discharged",
    "battery_stored_energy",
    "battery_state_of_health",
    "battery_cycles",
    *(f"cell_voltage_{cell}" for cell in range(1, CELLS + 1)),
    *(f"battery_temperature_{probe}" for probe in range(1, PROBES + 1)),
    "mppt_input_voltage",
    "mppt_input_current",
    "mppt_output_voltage",
    "mppt_output_current",
    "mppt_energy",
    "load_power",
    "load_energy",
    "energy_exported",
    "energy_imported",
)


@dataclass(frozen=True, slots=True)
class Protection:
    """Usual settings of a row of PROTECTIONS (protections.h); a test compares them."""

    code: int
    lower: bool
    unit: str
    trips: bool
    limit: float
    release: float
    delay_us: int
    least: float
    most: float
    """Between these a limit makes sense."""

    @property
    def from_zero(self) -> bool:
        """Whether it watches a magnitude, of a current or a spread: its release is a share of the limit."""
        return self.unit == "A" or self.code == _SPREAD


_SPREAD = 15  # of the cell voltages

PROTECTIONS: dict[str, Protection] = {
    "F001": Protection(1, False, "A", True, 39.15, 35.0, 20_000, 1.0, 300.0),
    "F002": Protection(2, False, "V", True, 253.0, 250.0, 200_000, 100.0, 300.0),
    "F003": Protection(3, True, "V", True, 207.0, 210.0, 200_000, 60.0, 250.0),
    "F004": Protection(4, False, "°C", True, 95.0, 80.0, 500_000, 40.0, 150.0),
    "F005": Protection(5, False, "V", True, 58.4, 57.6, 100_000, 10.0, 160.0),
    "F006": Protection(6, True, "V", True, 44.8, 46.4, 500_000, 8.0, 150.0),
    "F010": Protection(10, False, "V", True, 3.65, 3.50, 1_000_000, 2.0, 5.0),
    "F011": Protection(11, True, "V", True, 2.80, 3.00, 1_000_000, 1.0, 4.0),
    "F012": Protection(12, False, "°C", True, 60.0, 50.0, 5_000_000, 20.0, 100.0),
    "F012_low": Protection(12, True, "°C", True, -20.0, -15.0, 5_000_000, -40.0, 20.0),
    "F013": Protection(13, False, "A", True, 180.0, 150.0, 1_000_000, 0.5, 650.0),
    "F014": Protection(14, False, "A", True, 220.0, 200.0, 1_000_000, 0.5, 650.0),
    "F015": Protection(15, False, "V", False, 0.100, 0.080, 60_000_000, 0.005, 1.0),
    "F020": Protection(20, False, "V", False, 250.0, 240.0, 500_000, 10.0, 800.0),
    "F021": Protection(21, False, "A", False, 45.0, 40.0, 500_000, 0.5, 650.0),
}

_OVERCURRENT = 1.5  # F001 is 150 % of the rated current
_LONGEST_DELAY_MS = 600_000


def _release(name: str, usual: Protection, config: ConfigType, limit: float) -> float:
    """As given, or at the usual distance from the limit; on its safe side, and where a fault can end."""
    if CONF_RELEASE not in config:
        return limit * usual.release / usual.limit if usual.from_zero else limit + usual.release - usual.limit
    release = float(config[CONF_RELEASE])
    path = [CONF_PROTECTIONS, name, CONF_RELEASE]
    if usual.from_zero and release <= 0:
        raise cv.Invalid(
            f"{name}: release {release:g} {usual.unit} is not above 0 {usual.unit}: the fault would not end",
            path=path,
        )
    if release < limit if usual.lower else release > limit:
        side, wanted = ("below", "above") if usual.lower else ("above", "below")
        raise cv.Invalid(
            f"{name}: release {release:g} {usual.unit} is {side} its limit of {limit:g} {usual.unit}; "
            f"a fault ends {wanted} the limit",
            path=path,
        )
    return release


def _complete_protections(config: ConfigType) -> ConfigType:
    """Limits and releases that are not given: F001 follows from the rated current."""
    usual_limits = {name: usual.limit for name, usual in PROTECTIONS.items()}
    chosen = dict(config[CONF_PROTECTIONS])
    if CONF_RATED_CURRENT in config:
        usual_limits["F001"] = config[CONF_RATED_CURRENT] * _OVERCURRENT
        chosen.setdefault("F001", _protection("F001", PROTECTIONS["F001"])({}))
    for name, settings in chosen.items():
        limit = settings.get(CONF_LIMIT, usual_limits[name])
        release = _release(name, PROTECTIONS[name], settings, limit)
        chosen[name] = {**settings, CONF_LIMIT: limit, CONF_RELEASE: release}
    return {**config, CONF_PROTECTIONS: chosen}


def _protection(name: str, usual: Protection) -> cv.Schema:
    delay = cv.All(
        cv.positive_time_period_microseconds,
        cv.Range(max=cv.TimePeriod(milliseconds=_LONGEST_DELAY_MS)),
    )
    return cv.Schema(
        {
            cv.Optional(CONF_ENABLED, default=True): cv.boolean,
            cv.Optional(CONF_TRIP, default=usual.trips): cv.boolean,
            cv.Optional(CONF_LIMIT): between(f"{name}: limit", usual.unit, usual.least, usual.most),
            cv.Optional(CONF_RELEASE): with_unit(usual.unit),
            cv.Optional(CONF_DELAY, default=f"{usual.delay_us}us"): delay,
        }
    )


def _voltage_before_current(config: ConfigType) -> ConfigType:
    if CONF_AC_CURRENT in config and CONF_AC_VOLTAGE not in config:
        raise cv.Invalid(f"{CONF_AC_CURRENT} needs {CONF_AC_VOLTAGE}: cycles are counted by the voltage")
    return config


_ZERO_VOLT = {cv.Optional(CONF_ZERO, default=0.0): between(CONF_ZERO, "V", 0.0, 3.3)}

MEASURE_SCHEMA = cv.All(
    cv.only_on_esp32,
    cv.Schema(
        {
            cv.Optional(CONF_FREQUENCY): cv.Schema(
                {
                    cv.Required(CONF_PIN): pins.internal_gpio_input_pin_number,
                    # A rectangle has both; a detector that gives a pulse at each crossing has "rising" ones.
                    cv.Optional(CONF_EDGES, default="both"): cv.one_of("both", "rising", lower=True),
                }
            ),
            cv.Optional(CONF_AC_VOLTAGE): adc_input("V"),
            cv.Optional(CONF_AC_CURRENT): adc_input("A", LAG),
            cv.Optional(CONF_DC_BUS_VOLTAGE): adc_input("V", _ZERO_VOLT),
            cv.Optional(CONF_BATTERY_CURRENT): adc_input("A", _ZERO_VOLT),
        }
    ),
    cv.has_at_least_one_key(
        CONF_FREQUENCY, CONF_AC_VOLTAGE, CONF_AC_CURRENT, CONF_DC_BUS_VOLTAGE, CONF_BATTERY_CURRENT
    ),
    _voltage_before_current,
    distinct_pins,
)


def _followed(value: object) -> ConfigType:
    """A sensor by its id alone, or with settings of its own."""
    if not isinstance(value, dict):
        value = {CONF_SENSOR: value}
    return _FOLLOWED(value)


_FOLLOWED = cv.Schema(
    {
        cv.Required(CONF_SENSOR): cv.use_id(sensor.Sensor),
        cv.Optional(CONF_TIMEOUT): cv.positive_time_period_milliseconds,
    }
)


def _list_of(count: int, what: str) -> Callable[[object], list[ConfigType]]:
    def validate(value: object) -> list[ConfigType]:
        items = cv.ensure_list(_followed)(value)
        if not 1 <= len(items) <= count:
            raise cv.Invalid(f"{len(items)} {what}, but a house has 1 to {count}")
        return list(items)

    return validate


BMS_SCHEMA = cv.Schema(
    {
        cv.Optional(CONF_CELL_VOLTAGES): _list_of(CELLS, "cell voltages"),
        cv.Optional(CONF_TEMPERATURES): _list_of(PROBES, "temperatures"),
        cv.Optional("voltage"): _followed,
        cv.Optional("current"): _followed,
        # Most count the current into the battery as positive; the log has it the other way round.
        cv.Optional(CONF_CURRENT_POSITIVE, default="charging"): cv.one_of(
            "charging", "discharging", lower=True
        ),
        cv.Optional(CONF_STATE_OF_CHARGE): _followed,
        cv.Optional(CONF_STATE_OF_HEALTH): _followed,
        cv.Optional(CONF_CYCLES): _followed,
        cv.Optional(CONF_BALANCING): cv.use_id(binary_sensor.BinarySensor),
    }
)

BATTERY_SCHEMA = cv.Schema(
    {
        # For counting the state of charge where no BMS tells it.
        cv.Optional(CONF_CAPACITY): between(CONF_CAPACITY, "Ah", 1, 2000),
        cv.Optional(CONF_ENERGY): between(CONF_ENERGY, "Wh", 10, 200_000),
        cv.Optional(CONF_FULL_VOLTAGE, default=55.2): between(CONF_FULL_VOLTAGE, "V", 5, 160),
        cv.Optional(CONF_FULL_CURRENT, default=14.0): between(CONF_FULL_CURRENT, "A", 0.1, 200),
        cv.Optional(CONF_EMPTY_VOLTAGE, default=44.8): between(CONF_EMPTY_VOLTAGE, "V", 5, 160),
        cv.Optional(CONF_CHARGING_ABOVE, default=0.5): between(CONF_CHARGING_ABOVE, "A", 0.01, 10),
    }
)

_LOAD_SOURCES = {
    "inverter": LoadSource.INVERTER,
    "exchange": LoadSource.EXCHANGE,
    "meter": LoadSource.METER,
}


def _bms_metrics(bms: ConfigType) -> dict[str, tuple[ConfigType, float]]:
    """Sensor and factor of each metric that the BMS gives."""
    found: dict[str, tuple[ConfigType, float]] = {}
    for number, item in enumerate(bms.get(CONF_CELL_VOLTAGES, ()), 1):
        found[f"cell_voltage_{number}"] = (item, 1.0)
    for number, item in enumerate(bms.get(CONF_TEMPERATURES, ()), 1):
        found[f"battery_temperature_{number}"] = (item, 1.0)
    sign = -1.0 if bms.get(CONF_CURRENT_POSITIVE) == "charging" else 1.0
    for key, metric, factor in (
        ("voltage", "battery_voltage", 1.0),
        ("current", "battery_current", sign),
        (CONF_STATE_OF_CHARGE, "state_of_charge", 1.0),
        (CONF_STATE_OF_HEALTH, "battery_state_of_health", 1.0),
        (CONF_CYCLES, "battery_cycles", 1.0),
    ):
        if key in bms:
            found[metric] = (bms[key], factor)
    return found


# Which metric each input of `measure` is.
_MEASURED = {
    CONF_FREQUENCY: ("inverter_frequency",),
    CONF_AC_VOLTAGE: ("inverter_voltage",),
    CONF_AC_CURRENT: ("inverter_current", "inverter_power"),
    CONF_DC_BUS_VOLTAGE: ("dc_bus_voltage",),
    CONF_BATTERY_CURRENT: ("battery_current",),
}


def _one_source_each(config: ConfigType) -> ConfigType:
    sources: dict[str, str] = {}

    def claim(metric: str, source: str) -> None:
        if metric in sources:
            raise cv.Invalid(
                f"{metric} comes from {sources[metric]} and from {source}; leave one of them out"
            )
        sources[metric] = source

    for part in config.get(CONF_MEASURE, {}):
        for metric in _MEASURED[part]:
            claim(metric, CONF_MEASURE)
    for metric in _bms_metrics(config.get(CONF_BMS, {})):
        claim(metric, CONF_BMS)
    for metric in config[CONF_SENSORS]:
        claim(metric, CONF_SENSORS)
    metered = "load_power" in sources
    if (config[CONF_LOAD] == "exchange") != (CONF_EXCHANGE in config):
        raise cv.Invalid(
            f"{CONF_LOAD}: exchange and the sensor {CONF_EXCHANGE} belong together: give both or neither"
        )
    if metered and config[CONF_LOAD] != "meter":
        raise cv.Invalid(f"load_power comes from {sources['load_power']}; then {CONF_LOAD} must be 'meter'")
    return config


CONFIG_SCHEMA = cv.All(
    NODE_SCHEMA.extend(CAN_SCHEMA)
    .extend(LOG_SCHEMA)
    .extend(
        {
            cv.GenerateID(): cv.declare_id(HouseComponent),
            cv.Optional(CONF_MEASURE): MEASURE_SCHEMA,
            cv.Optional(CONF_SENSORS, default={}): cv.Schema(
                {cv.Optional(metric): _followed for metric in SENSOR_METRICS}
            ),
            cv.Optional(CONF_BMS): BMS_SCHEMA,
            cv.Optional(CONF_TIMEOUT, default="60s"): cv.positive_time_period_milliseconds,
            cv.Optional(CONF_LOAD, default="inverter"): cv.one_of(*_LOAD_SOURCES, lower=True),
            cv.Optional(CONF_EXCHANGE): _followed,
            cv.Optional(CONF_INVERTER_ON): cv.use_id(binary_sensor.BinarySensor),
            cv.Optional(CONF_BATTERY_CONNECTED): cv.use_id(binary_sensor.BinarySensor),
            cv.Optional(CONF_BATTERY, default={}): BATTERY_SCHEMA,
            cv.Optional(CONF_RATED_CURRENT): between(CONF_RATED_CURRENT, "A", 1, 200),
            cv.Optional(CONF_PROTECTIONS, default={}): cv.Schema(
                {cv.Optional(name): _protection(name, usual) for name, usual in PROTECTIONS.items()}
            ),
            cv.Optional(CONF_RESTART_AFTER): cv.All(
                cv.positive_time_period_milliseconds,
                cv.Range(min=cv.TimePeriod(seconds=1), max=cv.TimePeriod(hours=24)),
            ),
            cv.Optional(CONF_TRIP_PIN): pins.internal_gpio_output_pin_schema,
            cv.Optional(CONF_IDENTIFY_PIN): pins.internal_gpio_output_pin_schema,
        }
    )
    .extend(cv.COMPONENT_SCHEMA),
    _one_source_each,
    _complete_protections,
)


def _load_meter(config: ConfigType) -> ConfigType:
    """Whoever measures the load: a sensor here, or on a PC the simulator."""
    whole = fv.full_config.get()
    metered = "load_power" in config[CONF_SENSORS] or "microgrid_sim" in whole
    if config[CONF_LOAD] == "meter" and not metered:
        raise cv.Invalid(
            f"{CONF_LOAD} is 'meter', but no sensor gives load_power; name it under {CONF_SENSORS}",
            path=[CONF_LOAD],
        )
    number = whole["microgrid_core"][CONF_NUMBER]
    if not 1 <= number <= 15:
        raise cv.Invalid(f"a house needs a {CONF_NUMBER} from 1 to 15 in microgrid_core, not {number}")
    return config


FINAL_VALIDATE_SCHEMA = _load_meter


def _metric_enum(name: str) -> MockObj:
    return getattr(HouseMetric, name.upper())


def _house_settings(config: ConfigType) -> cg.StructInitializer:
    battery = config[CONF_BATTERY]
    charge = cg.StructInitializer(
        ChargeSettings,
        ("capacity_mah", round(battery.get(CONF_CAPACITY, 0) * 1000)),
        ("full_mv", round(battery[CONF_FULL_VOLTAGE] * 1000)),
        ("full_ma", round(battery[CONF_FULL_CURRENT] * 1000)),
        ("empty_mv", round(battery[CONF_EMPTY_VOLTAGE] * 1000)),
    )
    return cg.StructInitializer(
        HouseSettings,
        ("load", _LOAD_SOURCES[config[CONF_LOAD]]),
        ("charging_above_a", battery[CONF_CHARGING_ABOVE]),
        ("charge", charge),
        ("battery_energy_wh", round(battery.get(CONF_ENERGY, 0))),
    )


def _add_protections(var: MockObj, config: ConfigType) -> None:
    for name, settings in config[CONF_PROTECTIONS].items():
        usual = PROTECTIONS[name]
        initializer = cg.StructInitializer(
            ProtectionSettings,
            ("enabled", settings[CONF_ENABLED]),
            ("trips", settings[CONF_TRIP]),
            ("limit", settings[CONF_LIMIT]),
            ("release", settings[CONF_RELEASE]),
            ("delay_us", settings[CONF_DELAY].total_microseconds),
        )
        cg.add(var.set_protection(usual.code, usual.lower, initializer))


async def _add_followed(var: MockObj, config: ConfigType) -> None:
    async def follow(call: MockObj, item: ConfigType, factor: float, *before: object) -> None:
        source = await cg.get_variable(item[CONF_SENSOR])
        timeout = item.get(CONF_TIMEOUT, config[CONF_TIMEOUT])
        cg.add(call(*before, source, factor, timeout.total_milliseconds))

    for metric, (item, factor) in _bms_metrics(config.get(CONF_BMS, {})).items():
        await follow(var.follow, item, factor, _metric_enum(metric))
    for metric, item in config[CONF_SENSORS].items():
        await follow(var.follow, item, 1.0, _metric_enum(metric))
    if CONF_EXCHANGE in config:
        await follow(var.follow_exchange, config[CONF_EXCHANGE], 1.0)
    if CONF_BALANCING in config.get(CONF_BMS, {}):
        balancing = await cg.get_variable(config[CONF_BMS][CONF_BALANCING])
        cg.add(var.follow(HouseMetric.BATTERY_BALANCING, balancing))
    for key, call in (
        (CONF_INVERTER_ON, var.set_inverter_contact),
        (CONF_BATTERY_CONNECTED, var.set_battery_contact),
    ):
        if key in config:
            cg.add(call(await cg.get_variable(config[key])))


def _add_measurements(var: MockObj, measure: ConfigType) -> None:
    if CONF_FREQUENCY in measure:
        frequency = measure[CONF_FREQUENCY]
        cg.add(var.local_input().set_zero_crossing(frequency[CONF_PIN], frequency[CONF_EDGES] == "both"))
    # In the order of sampling: a current right behind its voltage.
    for key, role in (
        (CONF_AC_VOLTAGE, AnalogRole.AC_VOLTAGE),
        (CONF_AC_CURRENT, AnalogRole.AC_CURRENT),
        (CONF_DC_BUS_VOLTAGE, AnalogRole.DC_BUS_VOLTAGE),
        (CONF_BATTERY_CURRENT, AnalogRole.BATTERY_CURRENT),
    ):
        if key not in measure:
            continue
        item = measure[key]
        initializer = cg.StructInitializer(
            AdcInput,
            ("role", role),
            ("channel", adc1_channel(item[CONF_PIN])),
            ("per_volt", item[CONF_PER_VOLT]),
            ("zero_volt", item.get(CONF_ZERO, 0.0)),
        )
        cg.add(var.local_input().adc().add(initializer))
        if CONF_LAG in item:
            cg.add(var.local_input().adc().set_current_lag(item[CONF_LAG].total_microseconds))


async def to_code(config: ConfigType) -> None:
    """The house between node, bus and log."""
    core = await cg.get_variable(config[CONF_MICROGRID_ID])
    can = await cg.get_variable(config[CONF_MICROGRID_CAN_ID])
    log = await log_store(config)
    var = cg.new_Pvariable(config[CONF_ID], core, can, log, _house_settings(config))
    await cg.register_component(var, config)
    _add_protections(var, config)
    if CONF_RESTART_AFTER in config:
        cg.add(var.set_restart_after(config[CONF_RESTART_AFTER].total_milliseconds))
    await _add_followed(var, config)
    for key, call in ((CONF_TRIP_PIN, var.set_trip_pin), (CONF_IDENTIFY_PIN, var.set_identify_pin)):
        if key in config:
            cg.add(call(await cg.gpio_pin_expression(config[key])))
    if CORE.is_esp32:
        include_drivers()
    if CONF_MEASURE in config:
        _add_measurements(var, config[CONF_MEASURE])
