"""The node itself: who it is, its clock, its readings, what happens at it. All other parts refer to it."""

from __future__ import annotations

import re

import esphome.codegen as cg
import esphome.config_validation as cv
import esphome.final_validate as fv
from esphome.const import CONF_ID, CONF_NAME, CONF_NUMBER, CONF_PROJECT, CONF_VERSION
from esphome.core import CORE
from esphome.types import ConfigType

CODEOWNERS = ["@microgrid"]
AUTO_LOAD = ["preferences"]

CONF_CLUSTER = "cluster"
CONF_HARDWARE = "hardware"
CONF_MICROGRID_ID = "microgrid_id"
CONF_NODE = "node"
CONF_SWARM = "swarm"

microgrid_ns = cg.esphome_ns.namespace("microgrid")
NodeComponent = microgrid_ns.class_("NodeComponent", cg.Component)
Role = microgrid_ns.enum("Role", is_class=True)

# What every other component of the firmware has in its schema.
NODE_SCHEMA = cv.Schema({cv.GenerateID(CONF_MICROGRID_ID): cv.use_id(NodeComponent)})

_IDENTIFIER = re.compile(r"[a-z0-9_-]{1,32}")
_MOST_HOUSES = 15
_LONGEST_TEXT = 64


def identifier(value: object) -> str:
    """A name that may stand in an MQTT topic of the contract."""
    text = cv.string_strict(value)
    if _IDENTIFIER.fullmatch(text) is None:
        raise cv.Invalid(
            f"'{text}' must be 1 to 32 of the characters a-z, 0-9, _ and -: it becomes part of MQTT topics"
        )
    return text


def text(value: object) -> str:
    """What people read, as long as the contract allows."""
    words = cv.string_strict(value)
    if not 0 < len(words) <= _LONGEST_TEXT:
        raise cv.Invalid(f"'{words}' has {len(words)} characters, allowed are 1 to {_LONGEST_TEXT}")
    return words


CONFIG_SCHEMA = cv.Schema(
    {
        cv.GenerateID(): cv.declare_id(NodeComponent),
        cv.Required(CONF_NODE): identifier,
        cv.Required(CONF_NUMBER): cv.int_range(min=0, max=_MOST_HOUSES),
        cv.Required(CONF_CLUSTER): identifier,
        cv.Required(CONF_SWARM): identifier,
        cv.Optional(CONF_NAME): text,
        cv.Optional(CONF_HARDWARE): text,
    }
).extend(cv.COMPONENT_SCHEMA)


def is_gateway(config: ConfigType) -> bool:
    """Whether the whole configuration is that of a gateway."""
    return "microgrid_gateway" in config


def _check_role(config: ConfigType) -> ConfigType:
    whole = fv.full_config.get()
    number = config[CONF_NUMBER]
    if "microgrid_house" in whole and is_gateway(whole):
        raise cv.Invalid(
            "a node is either a house (microgrid_house) or a gateway (microgrid_gateway), not both"
        )
    if is_gateway(whole) and number != 0:
        raise cv.Invalid(
            f"{CONF_NUMBER} is {number}, but a gateway has number 0 on its CAN bus", path=[CONF_NUMBER]
        )
    if not is_gateway(whole) and number == 0:
        raise cv.Invalid(
            f"{CONF_NUMBER} is 0, but that is the gateway's; give each house of a cluster its own "
            f"from 1 to {_MOST_HOUSES}",
            path=[CONF_NUMBER],
        )
    return config


FINAL_VALIDATE_SCHEMA = _check_role


def _hardware() -> str:
    if CORE.is_host:
        return "PC"
    from esphome.components.esp32 import get_board

    return str(get_board())


async def to_code(config: ConfigType) -> None:
    """The hub; its role follows from what else is configured."""
    if CORE.is_host:
        cg.add_build_flag("-O2")  # a demo has fifteen of them on one PC
    role = Role.GATEWAY if is_gateway(CORE.config) else Role.HOUSE
    name = config.get(CONF_NAME) or CORE.friendly_name or config[CONF_NODE]
    firmware = CORE.config["esphome"].get(CONF_PROJECT, {}).get(CONF_VERSION, "0")
    var = cg.new_Pvariable(
        config[CONF_ID],
        role,
        config[CONF_NUMBER],
        config[CONF_NODE],
        config[CONF_CLUSTER],
        config[CONF_SWARM],
        name,
        config.get(CONF_HARDWARE) or _hardware(),
        firmware,
    )
    await cg.register_component(var, config)
