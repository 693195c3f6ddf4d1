"""Names shared by the Home Assistant side."""

from __future__ import annotations

from typing import Final

DOMAIN: Final = "microgrid"
MANUFACTURER: Final = "Microgrid"

CONF_SWARM: Final = "swarm"
CONF_NAME: Final = "name"

OPT_PROFILE: Final = "profile"
OPT_INTERVAL: Final = "state_interval"
OPT_HEAT_PUMPS: Final = "heat_pump_topics"
OPT_HOUSE_SENSORS: Final = "house_sensor_topics"

STORAGE_VERSION: Final = 1
