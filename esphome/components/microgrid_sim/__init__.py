"""Host programs only: measurements come from the simulator, trips and contactor commands go to it."""

from __future__ import annotations

import esphome.codegen as cg
import esphome.config_validation as cv
from esphome.components.microgrid_can import CONF_GROUP, multicast_group
from esphome.components.microgrid_core import CONF_MICROGRID_ID, NODE_SCHEMA, microgrid_ns
from esphome.const import CONF_ID, CONF_PORT
from esphome.core import CORE
from esphome.types import ConfigType

CODEOWNERS = ["@microgrid"]
DEPENDENCIES = ["host", "microgrid_core"]

sim_ns = microgrid_ns.namespace("sim")
SimComponent = sim_ns.class_("SimComponent", cg.Component)
HouseSim = sim_ns.class_("HouseSim")
GatewaySim = sim_ns.class_("GatewaySim")

CONF_GATEWAY_SIM_ID = "gateway_sim_id"
CONF_HOUSE_SIM_ID = "house_sim_id"

# Which component is played with, by which id of ours, and the definition that lets its file in.
_PLAYED = (
    ("microgrid_house", CONF_HOUSE_SIM_ID, "USE_MICROGRID_SIM_HOUSE"),
    ("microgrid_gateway", CONF_GATEWAY_SIM_ID, "USE_MICROGRID_SIM_GATEWAY"),
)

CONFIG_SCHEMA = cv.All(
    NODE_SCHEMA.extend(
        {
            cv.GenerateID(): cv.declare_id(SimComponent),
            cv.GenerateID(CONF_HOUSE_SIM_ID): cv.declare_id(HouseSim),
            cv.GenerateID(CONF_GATEWAY_SIM_ID): cv.declare_id(GatewaySim),
            cv.Optional(CONF_GROUP, default="239.74.163.1"): multicast_group,
            cv.Optional(CONF_PORT, default=43112): cv.port,
        }
    ).extend(cv.COMPONENT_SCHEMA),
    cv.only_on("host"),
)


async def to_code(config: ConfigType) -> None:
    """The connection to the simulator, in the place of the sensors and outputs of the house or gateway."""
    core = await cg.get_variable(config[CONF_MICROGRID_ID])
    var = cg.new_Pvariable(config[CONF_ID], core, config[CONF_GROUP], config[CONF_PORT])
    await cg.register_component(var, config)
    for component, own_id, definition in _PLAYED:
        if component in CORE.config:
            cg.add_define(definition)
            played = await cg.get_variable(CORE.config[component][CONF_ID])
            cg.new_Pvariable(config[own_id], var, played)
