"""A gateway: the contactor to the swarm and the houses of the cluster. The logic is in gateway.h."""

from __future__ import annotations

from collections.abc import Callable

import esphome.codegen as cg
import esphome.config_validation as cv
from esphome import pins
from esphome.components import binary_sensor, output
from esphome.components.microgrid_can import CAN_SCHEMA, CONF_MICROGRID_CAN_ID
from esphome.components.microgrid_core import CONF_MICROGRID_ID, NODE_SCHEMA, identifier, microgrid_ns, text
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
)
from esphome.const import CONF_ID, CONF_NAME, CONF_NUMBER, CONF_OUTPUT, CONF_PIN
from esphome.core import CORE, TimePeriod
from esphome.cpp_generator import MockObj
from esphome.types import ConfigType

CODEOWNERS = ["@microgrid"]
DEPENDENCIES = ["microgrid_core", "microgrid_can", "microgrid_log", "microgrid_uplink"]
AUTO_LOAD = ["binary_sensor", "microgrid_measure", "output"]

CONF_AUXILIARY_PIN = "auxiliary_pin"
CONF_AUXILIARY_SENSOR = "auxiliary_sensor"
CONF_CLOSE_ON_DEAD_CLUSTER = "close_on_dead_cluster"
CONF_CLOSE_ON_DEAD_SWARM = "close_on_dead_swarm"
CONF_CLOSING_DELAY = "closing_delay"
CONF_CLOSING_SPREAD = "closing_spread"
CONF_CLUSTER_CROSSINGS = "cluster_crossings"
CONF_CLUSTER_VOLTAGE = "cluster_voltage"
CONF_CONFIRMATION = "confirmation"
CONF_CONTACTOR = "contactor"
CONF_DEAD_HOLD = "dead_hold"
CONF_DEAD_VOLTAGE = "dead_voltage"
CONF_FLOW_CURRENT = "flow_current"
CONF_FREQUENCY_DIFFERENCE = "frequency_difference"
CONF_HOLD = "hold"
CONF_HOUSES = "houses"
CONF_LIMITS = "limits"
CONF_MAX_HOUSES = "max_houses"
CONF_MEASURE = "measure"
CONF_MICROGRID_GATEWAY_ID = "microgrid_gateway_id"
CONF_MINIMUM_OFF = "minimum_off"
CONF_NODE = "node"
CONF_NOMINAL_VOLTAGE = "nominal_voltage"
CONF_OPENING_DELAY = "opening_delay"
CONF_OVER_FREQUENCY = "over_frequency"
CONF_OVER_VOLTAGE = "over_voltage"
CONF_PHASE_ACCURACY = "phase_accuracy"
CONF_PHASE_DIFFERENCE = "phase_difference"
CONF_RECONNECTION = "reconnection"
CONF_SWARM_CROSSINGS = "swarm_crossings"
CONF_SWARM_VOLTAGE = "swarm_voltage"
CONF_SYNCHRONISM = "synchronism"
CONF_TIMEOUT = "timeout"
CONF_UNDER_FREQUENCY = "under_frequency"
CONF_UNDER_VOLTAGE = "under_voltage"
CONF_VOLTAGE_DIFFERENCE = "voltage_difference"

GatewayComponent = microgrid_ns.class_("GatewayComponent", cg.Component)
SynchroniserSettings = microgrid_ns.struct("SynchroniserSettings")
GatewayAnalog = microgrid_ns.enum("GatewayAnalog", is_class=True)
PhaseMeterSide = microgrid_ns.class_("PhaseMeter").enum("Side", is_class=True)
adc_channel_t = cg.global_ns.enum("adc_channel_t")

# What parts that belong to a gateway (such as the uplink) have in their schemas.
GATEWAY_SCHEMA = cv.Schema({cv.GenerateID(CONF_MICROGRID_GATEWAY_ID): cv.use_id(GatewayComponent)})

_MOST_HOUSES = 15
_USUAL_HOUSES = 6
"""Of a board: each takes 2.7 kB of its memory."""
_SLOWEST_LOOP_MS = 20
"""What an output that is driven in ESPHome's main loop may be late."""


def _period(name: str, least_ms: int, most_ms: int) -> Callable[[object], TimePeriod]:
    def validate(value: object) -> TimePeriod:
        period: TimePeriod = cv.positive_time_period_milliseconds(value)
        if not least_ms <= period.total_milliseconds <= most_ms:
            raise cv.Invalid(
                f"{name} is {period.total_milliseconds} ms, but must be between {least_ms} and {most_ms} ms"
            )
        return period

    return validate


_IEEE = "IEEE 1547-2018 allows no more for units up to 500 kVA"

_SYNCHRONISM = cv.Schema(
    {
        cv.Optional(CONF_FREQUENCY_DIFFERENCE, default=0.1): between(
            CONF_FREQUENCY_DIFFERENCE, "Hz", 0.01, 0.3, _IEEE
        ),
        cv.Optional(CONF_VOLTAGE_DIFFERENCE, default=3.0): between(
            CONF_VOLTAGE_DIFFERENCE, "%", 0.5, 10.0, _IEEE
        ),
        cv.Optional(CONF_PHASE_DIFFERENCE, default=10.0): between(
            CONF_PHASE_DIFFERENCE, "°", 1.0, 20.0, _IEEE
        ),
        cv.Optional(CONF_PHASE_ACCURACY, default=0.2): between(CONF_PHASE_ACCURACY, "°", 0.0, 5.0),
        cv.Optional(CONF_HOLD, default="500ms"): _period(CONF_HOLD, 100, 5000),
        cv.Optional(CONF_TIMEOUT, default="60s"): _period(CONF_TIMEOUT, 5_000, 3_600_000),
        cv.Optional(CONF_CLOSE_ON_DEAD_SWARM, default=False): cv.boolean,
        cv.Optional(CONF_CLOSE_ON_DEAD_CLUSTER, default=False): cv.boolean,
        cv.Optional(CONF_DEAD_VOLTAGE, default=10.0): between(
            CONF_DEAD_VOLTAGE, "%", 2.0, 20.0, "of the nominal voltage"
        ),
        cv.Optional(CONF_DEAD_HOLD, default="5s"): _period(CONF_DEAD_HOLD, 500, 600_000),
    }
)

_LIMITS = cv.Schema(
    {
        cv.Optional(CONF_UNDER_FREQUENCY, default=47.5): between(CONF_UNDER_FREQUENCY, "Hz", 45.0, 49.5),
        cv.Optional(CONF_OVER_FREQUENCY, default=52.0): between(CONF_OVER_FREQUENCY, "Hz", 50.5, 55.0),
        cv.Optional(CONF_UNDER_VOLTAGE, default=80.0): between(CONF_UNDER_VOLTAGE, "%", 50.0, 95.0),
        cv.Optional(CONF_OVER_VOLTAGE, default=115.0): between(CONF_OVER_VOLTAGE, "%", 105.0, 125.0),
        cv.Optional(CONF_OPENING_DELAY, default="200ms"): _period(CONF_OPENING_DELAY, 20, 10_000),
        cv.Optional(CONF_RECONNECTION, default="60s"): _period(CONF_RECONNECTION, 5_000, 3_600_000),
    }
)


def _contactor_times(config: ConfigType) -> ConfigType:
    delay, spread = config[CONF_CLOSING_DELAY], config[CONF_CLOSING_SPREAD]
    if spread > delay:
        raise cv.Invalid(
            f"{CONF_CLOSING_SPREAD} ({spread}) is longer than {CONF_CLOSING_DELAY} ({delay}): "
            f"no contactor closes before it is told",
            path=[CONF_CLOSING_SPREAD],
        )
    if config[CONF_CONFIRMATION].total_milliseconds <= delay.total_milliseconds + spread.total_milliseconds:
        raise cv.Invalid(
            f"{CONF_CONFIRMATION} ({config[CONF_CONFIRMATION]}) must be longer than {CONF_CLOSING_DELAY} and "
            f"{CONF_CLOSING_SPREAD} together, or each closing is given up",
            path=[CONF_CONFIRMATION],
        )
    if CONF_OUTPUT in config and spread.total_milliseconds < _SLOWEST_LOOP_MS:
        raise cv.Invalid(
            f"{CONF_OUTPUT} is driven in the main loop, up to {_SLOWEST_LOOP_MS} ms late: "
            f"{CONF_CLOSING_SPREAD} must be at least {_SLOWEST_LOOP_MS}ms; or use {CONF_PIN}",
            path=[CONF_CLOSING_SPREAD],
        )
    return config


_CONTACTOR = cv.All(
    cv.Schema(
        {
            cv.Exclusive(CONF_PIN, "drive"): pins.internal_gpio_output_pin_schema,
            cv.Exclusive(CONF_OUTPUT, "drive"): cv.use_id(output.BinaryOutput),
            cv.Exclusive(CONF_AUXILIARY_PIN, "auxiliary"): pins.internal_gpio_input_pin_schema,
            cv.Exclusive(CONF_AUXILIARY_SENSOR, "auxiliary"): cv.use_id(binary_sensor.BinarySensor),
            cv.Optional(CONF_CLOSING_DELAY, default="30ms"): _period(CONF_CLOSING_DELAY, 0, 500),
            cv.Optional(CONF_CLOSING_SPREAD, default="10ms"): _period(CONF_CLOSING_SPREAD, 0, 200),
            cv.Optional(CONF_CONFIRMATION, default="300ms"): _period(CONF_CONFIRMATION, 50, 2000),
            cv.Optional(CONF_MINIMUM_OFF, default="5s"): _period(CONF_MINIMUM_OFF, 1000, 600_000),
        }
    ),
    _contactor_times,
)


_CROSSINGS = cv.Schema({cv.Required(CONF_PIN): pins.internal_gpio_input_pin_number})
_ANALOGS = {
    CONF_CLUSTER_VOLTAGE: GatewayAnalog.CLUSTER_VOLTAGE,
    CONF_FLOW_CURRENT: GatewayAnalog.FLOW_CURRENT,
    CONF_SWARM_VOLTAGE: GatewayAnalog.SWARM_VOLTAGE,
}

# All of it: a contactor that cannot be judged is never closed.
_MEASURE = cv.All(
    cv.only_on_esp32,
    cv.Schema(
        {
            cv.Required(CONF_CLUSTER_CROSSINGS): _CROSSINGS,
            cv.Required(CONF_SWARM_CROSSINGS): _CROSSINGS,
            cv.Required(CONF_CLUSTER_VOLTAGE): adc_input("V"),
            cv.Required(CONF_SWARM_VOLTAGE): adc_input("V"),
            # Positive while the cluster feeds the swarm: turn the transformer, or the sign.
            cv.Optional(CONF_FLOW_CURRENT): adc_input("A", LAG),
        }
    ),
    distinct_pins,
)

_HOUSE = cv.Schema(
    {
        cv.Required(CONF_NUMBER): cv.int_range(min=1, max=_MOST_HOUSES),
        # Houses say themselves who they are; this is known before they do.
        cv.Optional(CONF_NODE): identifier,
        cv.Optional(CONF_NAME): text,
    }
)


def _houses(value: object) -> list[ConfigType]:
    houses: list[ConfigType] = cv.ensure_list(_HOUSE)(value)
    for key, what in ((CONF_NUMBER, "number"), (CONF_NODE, "node")):
        seen: dict[object, int] = {}
        for place, house in enumerate(houses):
            if key not in house:
                continue
            if house[key] in seen:
                raise cv.Invalid(
                    f"{what} {house[key]} belongs to house {seen[house[key]] + 1} of this list already; "
                    f"each house of a bus has its own",
                    path=[place, key],
                )
            seen[house[key]] = place
    return houses


def max_houses(config: ConfigType) -> int:
    """How many there is memory for: those with the numbers 1 to this."""
    usual = _MOST_HOUSES if CORE.is_host else _USUAL_HOUSES
    listed = max((int(house[CONF_NUMBER]) for house in config[CONF_HOUSES]), default=0)
    return int(config.get(CONF_MAX_HOUSES, max(usual, listed)))


def _houses_have_room(config: ConfigType) -> ConfigType:
    for place, house in enumerate(config[CONF_HOUSES]):
        if house[CONF_NUMBER] > max_houses(config):
            raise cv.Invalid(
                f"{CONF_NUMBER} is {house[CONF_NUMBER]}, but {CONF_MAX_HOUSES} is {max_houses(config)}: "
                f"the gateway has memory for houses 1 to {max_houses(config)}",
                path=[CONF_HOUSES, place, CONF_NUMBER],
            )
    return config


def _slip_can_close(config: ConfigType) -> ConfigType:
    """A phase that is within the limit however early or late the contacts touch must exist."""
    limits = config[CONF_SYNCHRONISM]
    contactor = config[CONF_CONTACTOR]
    slip_hz = limits[CONF_FREQUENCY_DIFFERENCE]
    usable_deg = 2 * (limits[CONF_PHASE_DIFFERENCE] - limits[CONF_PHASE_ACCURACY])
    usable_deg -= 2 * 360 * slip_hz * contactor[CONF_CLOSING_SPREAD].total_milliseconds / 1000
    if usable_deg <= 0:
        raise cv.Invalid(
            f"a slip of {slip_hz:g} Hz turns further within {CONF_CLOSING_SPREAD} than "
            f"{CONF_PHASE_DIFFERENCE} allows; lower {CONF_FREQUENCY_DIFFERENCE}",
            path=[CONF_SYNCHRONISM, CONF_FREQUENCY_DIFFERENCE],
        )
    return config


CONFIG_SCHEMA = cv.All(
    NODE_SCHEMA.extend(CAN_SCHEMA)
    .extend(LOG_SCHEMA)
    .extend(
        {
            cv.GenerateID(): cv.declare_id(GatewayComponent),
            cv.Optional(CONF_NOMINAL_VOLTAGE, default=230.0): between(
                CONF_NOMINAL_VOLTAGE, "V", 100.0, 400.0
            ),
            cv.Optional(CONF_CONTACTOR, default={}): _CONTACTOR,
            cv.Optional(CONF_SYNCHRONISM, default={}): _SYNCHRONISM,
            cv.Optional(CONF_LIMITS, default={}): _LIMITS,
            cv.Optional(CONF_MEASURE): _MEASURE,
            cv.Optional(CONF_HOUSES, default=[]): _houses,
            cv.Optional(CONF_MAX_HOUSES): cv.int_range(min=1, max=_MOST_HOUSES),
        }
    )
    .extend(cv.COMPONENT_SCHEMA),
    _houses_have_room,
    _slip_can_close,
)


def _has_auxiliary(config: ConfigType) -> bool:
    """A contactor of which nothing is said here is the simulator's, with an auxiliary contact."""
    contactor = config[CONF_CONTACTOR]
    own = CONF_PIN in contactor or CONF_OUTPUT in contactor
    return not own or CONF_AUXILIARY_PIN in contactor or CONF_AUXILIARY_SENSOR in contactor


def _settings(config: ConfigType) -> cg.StructInitializer:
    nominal_v = config[CONF_NOMINAL_VOLTAGE]
    closing, contactor, opening = config[CONF_SYNCHRONISM], config[CONF_CONTACTOR], config[CONF_LIMITS]

    def share(part: ConfigType, key: str) -> float:
        return float(part[key]) / 100 * nominal_v

    def ms(part: ConfigType, key: str) -> int:
        return int(part[key].total_milliseconds)

    return cg.StructInitializer(
        SynchroniserSettings,
        ("nominal_voltage_v", nominal_v),
        ("frequency_difference_hz", closing[CONF_FREQUENCY_DIFFERENCE]),
        ("voltage_difference", closing[CONF_VOLTAGE_DIFFERENCE] / 100),
        ("phase_difference_deg", closing[CONF_PHASE_DIFFERENCE]),
        ("phase_accuracy_deg", closing[CONF_PHASE_ACCURACY]),
        ("hold_ms", ms(closing, CONF_HOLD)),
        ("closing_delay_ms", ms(contactor, CONF_CLOSING_DELAY)),
        ("closing_spread_ms", ms(contactor, CONF_CLOSING_SPREAD)),
        ("confirmation_ms", ms(contactor, CONF_CONFIRMATION)),
        ("timeout_s", ms(closing, CONF_TIMEOUT) // 1000),
        ("minimum_off_s", ms(contactor, CONF_MINIMUM_OFF) // 1000),
        ("reconnection_s", ms(opening, CONF_RECONNECTION) // 1000),
        ("auxiliary_contact", _has_auxiliary(config)),
        ("close_on_dead_swarm", closing[CONF_CLOSE_ON_DEAD_SWARM]),
        ("close_on_dead_cluster", closing[CONF_CLOSE_ON_DEAD_CLUSTER]),
        ("dead_voltage_v", share(closing, CONF_DEAD_VOLTAGE)),
        ("dead_hold_ms", ms(closing, CONF_DEAD_HOLD)),
        ("under_frequency_hz", opening[CONF_UNDER_FREQUENCY]),
        ("over_frequency_hz", opening[CONF_OVER_FREQUENCY]),
        ("under_voltage_v", share(opening, CONF_UNDER_VOLTAGE)),
        ("over_voltage_v", share(opening, CONF_OVER_VOLTAGE)),
        ("opening_delay_ms", ms(opening, CONF_OPENING_DELAY)),
    )


def _add_measurements(var: MockObj, measure: ConfigType) -> None:
    for key, side in (
        (CONF_CLUSTER_CROSSINGS, PhaseMeterSide.CLUSTER),
        (CONF_SWARM_CROSSINGS, PhaseMeterSide.SWARM),
    ):
        cg.add(var.local_input().capture().set_pin(side, measure[key][CONF_PIN]))
    for key, role in _ANALOGS.items():
        if key not in measure:
            continue
        item = measure[key]
        cg.add(var.local_input().adc().set_input(role, adc1_channel(item[CONF_PIN]), item[CONF_PER_VOLT]))
        if CONF_LAG in item:
            cg.add(var.local_input().adc().set_current_lag(item[CONF_LAG].total_microseconds))


async def to_code(config: ConfigType) -> None:
    """The gateway between node, bus and log."""
    core = await cg.get_variable(config[CONF_MICROGRID_ID])
    can = await cg.get_variable(config[CONF_MICROGRID_CAN_ID])
    log = await log_store(config)
    var = cg.new_Pvariable(config[CONF_ID], core, can, log, _settings(config))
    await cg.register_component(var, config)
    cg.add_build_flag(f"-DMICROGRID_MAX_HOUSES={max_houses(config)}")
    for house in config[CONF_HOUSES]:
        cg.add(var.set_house(house[CONF_NUMBER], house.get(CONF_NODE, ""), house.get(CONF_NAME, "")))
    contactor = config[CONF_CONTACTOR]
    for key, call in ((CONF_PIN, var.set_contactor_pin), (CONF_AUXILIARY_PIN, var.set_auxiliary_pin)):
        if key in contactor:
            cg.add(call(await cg.gpio_pin_expression(contactor[key])))
    if CONF_OUTPUT in contactor:
        cg.add(var.set_contactor_output(await cg.get_variable(contactor[CONF_OUTPUT])))
    if CONF_AUXILIARY_SENSOR in contactor:
        cg.add(var.set_auxiliary_sensor(await cg.get_variable(contactor[CONF_AUXILIARY_SENSOR])))
    if CORE.is_esp32:
        include_drivers()
    if CONF_MEASURE in config:
        _add_measurements(var, config[CONF_MEASURE])
