"""Takes the place of syssi's jk_modbus where there is no network; knows the options that we use."""

import esphome.codegen as cg
import esphome.config_validation as cv
from esphome.components import uart
from esphome.const import CONF_ID

DEPENDENCIES = ["uart"]
MULTI_CONF = True

JkModbus = cg.esphome_ns.namespace("jk_modbus").class_("JkModbus", uart.UARTDevice, cg.Component)

CONFIG_SCHEMA = cv.Schema({cv.GenerateID(): cv.declare_id(JkModbus)}).extend(uart.UART_DEVICE_SCHEMA)


async def to_code(config):
    """Nothing is generated: the test looks at the configuration."""
    cg.new_Pvariable(config[CONF_ID])
