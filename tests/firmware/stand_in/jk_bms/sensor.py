"""Names of the sensors that we use, as in version 3.0.0."""

import esphome.config_validation as cv
from esphome.components import sensor

from . import JkBms

NAMES = (
    *(f"cell_voltage_{cell}" for cell in range(1, 25)),
    "total_voltage",
    "state_of_charge",
    "charging_cycles",
    "temperature_sensor_1",
    "temperature_sensor_2",
)

CONFIG_SCHEMA = cv.Schema(
    {
        cv.Required("jk_bms_id"): cv.use_id(JkBms),
        **{cv.Optional(name): sensor.sensor_schema() for name in NAMES},
    }
)


async def to_code(config):
    """The sensors, which nobody updates."""
    for name in NAMES:
        if name in config:
            await sensor.new_sensor(config[name])
