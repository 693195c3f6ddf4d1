"""The battery-backed clock DS3231: time at a cold start, exact by its 1 Hz output."""

from __future__ import annotations

import esphome.codegen as cg
import esphome.config_validation as cv
from esphome import pins
from esphome.components import i2c
from esphome.components.microgrid_can import CAN_SCHEMA, CONF_MICROGRID_CAN_ID
from esphome.components.microgrid_core import CONF_MICROGRID_ID, NODE_SCHEMA, microgrid_ns
from esphome.const import CONF_ID
from esphome.types import ConfigType

CODEOWNERS = ["@microgrid"]
DEPENDENCIES = ["i2c", "microgrid_core", "microgrid_can"]

CONF_EDGE_PIN = "edge_pin"

RtcComponent = microgrid_ns.class_("RtcComponent", cg.Component, i2c.I2CDevice)

CONFIG_SCHEMA = cv.All(
    NODE_SCHEMA.extend(CAN_SCHEMA)
    .extend(
        {
            cv.GenerateID(): cv.declare_id(RtcComponent),
            # The output SQW is an open drain: give the pin a pull-up.
            cv.Required(CONF_EDGE_PIN): pins.internal_gpio_input_pullup_pin_schema,
        }
    )
    .extend(i2c.i2c_device_schema(0x68))
    .extend(cv.COMPONENT_SCHEMA),
    cv.only_on_esp32,
)


async def to_code(config: ConfigType) -> None:
    """The chip between I²C, its interrupt and the clock."""
    core = await cg.get_variable(config[CONF_MICROGRID_ID])
    can = await cg.get_variable(config[CONF_MICROGRID_CAN_ID])
    edge_pin = await cg.gpio_pin_expression(config[CONF_EDGE_PIN])
    var = cg.new_Pvariable(config[CONF_ID], core, can, edge_pin)
    await cg.register_component(var, config)
    await i2c.register_i2c_device(var, config)
