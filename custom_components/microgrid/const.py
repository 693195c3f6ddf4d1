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

OPT_KEEP_SAMPLES: Final = "keep_samples_days"
OPT_KEEP_MINUTES: Final = "keep_minutes_days"
OPT_KEEP_HOURS: Final = "keep_hours_days"
KEEP_DAYS: Final = {OPT_KEEP_SAMPLES: 7, OPT_KEEP_MINUTES: 30, OPT_KEEP_HOURS: 366}
"""How long the archive keeps each resolution unless the user says otherwise; days and events stay."""

OPT_HEALTH_RULES: Final = "health_rules"
"""What the user wants otherwise of rules, by their id, or by `id@subject`; taken without a reload."""
OPT_END_OF_LIFE: Final = "battery_end_of_life"
"""State of health (%) at which a battery is to be replaced."""

SUBENTRY_EXPLAINER: Final = "explainer"
SUBENTRY_INFLUX: Final = "influxdb"
SUBENTRY_PLANNER: Final = "energy_planner"
SUBENTRY_GX: Final = "victron_gx"

EVENT_GX_WRITE: Final = "microgrid_gx_write"
"""Somebody wrote to a Victron GX, or somebody else took back what we wrote."""
BY_SCHEDULE: Final = "schedule"
"""Who that was, when it was no person."""

STORAGE_VERSION: Final = 1
