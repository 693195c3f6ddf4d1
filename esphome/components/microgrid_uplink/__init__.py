"""The way of a node to Home Assistant: the MQTT contract, for a gateway also in the name of its houses."""

from __future__ import annotations

import esphome.codegen as cg
import esphome.config_validation as cv
import esphome.final_validate as fv
from esphome.components.microgrid_can import CAN_SCHEMA, CONF_MICROGRID_CAN_ID
from esphome.components.microgrid_core import (
    CONF_MICROGRID_ID,
    NODE_SCHEMA,
    identifier,
    is_gateway,
    microgrid_ns,
)
from esphome.components.microgrid_log import LOG_SCHEMA, log_store
from esphome.const import (
    CONF_BROKER,
    CONF_ID,
    CONF_MQTT,
    CONF_PASSWORD,
    CONF_PORT,
    CONF_REBOOT_TIMEOUT,
    CONF_USERNAME,
    PLATFORM_ESP32,
    PLATFORM_HOST,
)
from esphome.core import CORE
from esphome.types import ConfigType

CODEOWNERS = ["@microgrid"]
DEPENDENCIES = ["microgrid_core", "microgrid_can", "microgrid_log"]

CONF_MICROGRID_GATEWAY_ID = "microgrid_gateway_id"
CONF_PARENT = "parent"

UplinkComponent = microgrid_ns.class_("UplinkComponent", cg.Component)
# By name: a house does not load the component of the gateway.
GatewayComponent = microgrid_ns.class_("GatewayComponent", cg.Component)

# On a PC our own client speaks to the broker; on a board ESPHome's mqtt component, which has these itself.
_BROKER_OF_A_PC = (CONF_BROKER, CONF_PORT, CONF_USERNAME, CONF_PASSWORD)


def _check_platform(config: ConfigType) -> ConfigType:
    if not CORE.is_host:
        for key in _BROKER_OF_A_PC:
            if key in config:
                raise cv.Invalid(
                    f"{key} belongs into the block `mqtt:`, which this board uses; "
                    "here it is only for programs of a PC",
                    path=[key],
                )
        return config
    return {CONF_BROKER: "127.0.0.1", CONF_PORT: 1883, CONF_USERNAME: "", CONF_PASSWORD: "", **config}


CONFIG_SCHEMA = cv.All(
    NODE_SCHEMA.extend(CAN_SCHEMA)
    .extend(LOG_SCHEMA)
    .extend(
        {
            cv.GenerateID(): cv.declare_id(UplinkComponent),
            cv.OnlyWith(CONF_MICROGRID_GATEWAY_ID, "microgrid_gateway"): cv.use_id(GatewayComponent),
            cv.Optional(CONF_PARENT): identifier,
            cv.Optional(CONF_BROKER): cv.string_strict,
            cv.Optional(CONF_PORT): cv.port,
            cv.Optional(CONF_USERNAME): cv.string,
            cv.Optional(CONF_PASSWORD): cv.string,
        }
    )
    .extend(cv.COMPONENT_SCHEMA),
    cv.only_on([PLATFORM_ESP32, PLATFORM_HOST]),
    _check_platform,
)


def _check_whole(config: ConfigType) -> ConfigType:
    whole = fv.full_config.get()
    if is_gateway(whole) and CONF_PARENT in config:
        raise cv.Invalid(
            f"{CONF_PARENT} is for a house that speaks for itself; nothing is above a gateway",
            path=[CONF_PARENT],
        )
    if CORE.is_host:
        return config
    if CONF_MQTT not in whole:
        raise cv.Invalid(
            "microgrid_uplink speaks to the broker through ESPHome's mqtt component: "
            "add a block `mqtt:` with broker, username and password"
        )
    if whole[CONF_MQTT][CONF_REBOOT_TIMEOUT].total_milliseconds != 0:
        raise cv.Invalid(
            "without a broker the node must go on logging, and not restart: "
            "set `reboot_timeout: 0s` in the block `mqtt:`"
        )
    return config


FINAL_VALIDATE_SCHEMA = _check_whole


async def to_code(config: ConfigType) -> None:
    """The uplink, joined to its node, its log, and at a gateway to the houses and the bus."""
    core = await cg.get_variable(config[CONF_MICROGRID_ID])
    store = await log_store(config)
    var = cg.new_Pvariable(config[CONF_ID], core, store, config.get(CONF_PARENT, ""))
    await cg.register_component(var, config)
    if CONF_MICROGRID_GATEWAY_ID in config:
        gateway = await cg.get_variable(config[CONF_MICROGRID_GATEWAY_ID])
        can = await cg.get_variable(config[CONF_MICROGRID_CAN_ID])
        cg.add(var.set_houses(gateway.houses(), gateway.relay()))
        cg.add(var.set_bus(can.bus_node()))
    if CORE.is_host:
        cg.add(
            var.set_broker(
                config[CONF_BROKER], config[CONF_PORT], config[CONF_USERNAME], config[CONF_PASSWORD]
            )
        )
    else:
        # ESPHome's mqtt would otherwise wait for the network in the main loop, for seconds at worst.
        cg.add_define("USE_MQTT_IDF_ENQUEUE")
