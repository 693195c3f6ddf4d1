"""Time from the network: asks a server every 10 s. For gateways; houses follow their bus."""

from __future__ import annotations

import esphome.codegen as cg
import esphome.config_validation as cv
from esphome.components.microgrid_can import CAN_SCHEMA, CONF_MICROGRID_CAN_ID
from esphome.components.microgrid_core import microgrid_ns
from esphome.const import CONF_ID, CONF_PORT
from esphome.core import CORE
from esphome.types import ConfigType

CODEOWNERS = ["@microgrid"]
DEPENDENCIES = ["microgrid_core", "microgrid_can"]
AUTO_LOAD = ["network"]

CONF_SERVER = "server"

TimeComponent = microgrid_ns.class_("TimeComponent", cg.Component)


def _server(value: object) -> str:
    """A name or an address; host programs look no names up."""
    if CORE.is_host:
        return str(cv.ipv4address(value))
    return str(cv.domain(value))


CONFIG_SCHEMA = CAN_SCHEMA.extend(
    {
        cv.GenerateID(): cv.declare_id(TimeComponent),
        cv.Required(CONF_SERVER): _server,
        cv.Optional(CONF_PORT, default=123): cv.port,
    }
).extend(cv.COMPONENT_SCHEMA)


async def to_code(config: ConfigType) -> None:
    """The client, in the main loop."""
    can = await cg.get_variable(config[CONF_MICROGRID_CAN_ID])
    server = microgrid_ns.time_server(config[CONF_SERVER], config[CONF_PORT])
    var = cg.new_Pvariable(config[CONF_ID], can, server)
    await cg.register_component(var, config)
