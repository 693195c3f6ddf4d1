"""Takes the place of syssi's jk_bms where there is no network; knows the options that we use."""

import esphome.codegen as cg
import esphome.config_validation as cv
from esphome.components.jk_modbus import JkModbus
from esphome.const import CONF_ID

DEPENDENCIES = ["jk_modbus"]
MULTI_CONF = True

JkBms = cg.esphome_ns.namespace("jk_bms").class_("JkBms", cg.PollingComponent)

CONFIG_SCHEMA = cv.Schema(
    {cv.GenerateID(): cv.declare_id(JkBms), cv.Required("jk_modbus_id"): cv.use_id(JkModbus)}
).extend(cv.polling_component_schema("5s"))


async def to_code(config):
    """Nothing is generated: the test looks at the configuration."""
    cg.new_Pvariable(config[CONF_ID])
