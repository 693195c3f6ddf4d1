"""Names of the binary sensors that we use, as in version 3.0.0."""

import esphome.config_validation as cv
from esphome.components import binary_sensor

from . import JkBms

CONFIG_SCHEMA = cv.Schema(
    {
        cv.Required("jk_bms_id"): cv.use_id(JkBms),
        cv.Optional("balancing"): binary_sensor.binary_sensor_schema(),
    }
)


async def to_code(config):
    """The sensors, which nobody updates."""
    if "balancing" in config:
        await binary_sensor.new_binary_sensor(config["balancing"])
