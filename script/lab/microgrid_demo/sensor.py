"""The price of electricity in the demo, in the shape of Home Assistant's price integrations."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, override

from homeassistant.components import mqtt
from homeassistant.components.sensor import SensorDeviceClass, SensorEntity, SensorStateClass
from homeassistant.const import UnitOfPower
from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers.entity_platform import AddEntitiesCallback
from homeassistant.helpers.event import async_track_utc_time_change
from homeassistant.helpers.typing import ConfigType, DiscoveryInfoType
from homeassistant.setup import async_when_setup
from homeassistant.util import dt as dt_util
from homeassistant.util.json import json_loads_object

from .prices import published

METERS = (("Pi house consumption", "load_w"), ("Pi house solar", "solar_w"))
_LEAST_CHANGE_W = 5.0


async def async_setup_platform(
    hass: HomeAssistant,
    config: ConfigType,
    async_add_entities: AddEntitiesCallback,
    discovery_info: DiscoveryInfoType | None = None,
) -> None:
    """Add the price, and the smart meter of the house that the planned battery serves."""
    meters = [MeterPower(name, key) for name, key in METERS]
    async_add_entities([DayAheadPrice(), *meters])

    async def listen(hass: HomeAssistant, component: str) -> None:
        if await mqtt.async_wait_for_mqtt_client(hass):
            await mqtt.async_subscribe(hass, "simulator/+/meter", heard)

    @callback
    def heard(message: mqtt.ReceiveMessage) -> None:
        try:
            shown = json_loads_object(message.payload)
        except ValueError:
            return
        for meter in meters:
            meter.show(shown.get(meter.key))

    async_when_setup(hass, mqtt.DOMAIN, listen)


class MeterPower(SensorEntity):
    """What the meter shows; unavailable until the simulator has said it."""

    _attr_device_class = SensorDeviceClass.POWER
    _attr_native_unit_of_measurement = UnitOfPower.WATT
    _attr_state_class = SensorStateClass.MEASUREMENT
    _attr_suggested_display_precision = 0
    _attr_should_poll = False
    _attr_available = False

    def __init__(self, name: str, key: str) -> None:
        """Take name, and the key in what the simulator says."""
        self._attr_name = name
        self._attr_unique_id = f"microgrid_demo_{key}"
        self.key = key

    @callback
    def show(self, value: object) -> None:
        """Show a new value when it differs enough: the recorder need not keep every watt."""
        if not isinstance(value, int | float):
            return
        before = self._attr_native_value
        if isinstance(before, int | float) and abs(value - before) < _LEAST_CHANGE_W:
            return
        self._attr_available, self._attr_native_value = True, value
        self.async_write_ha_state()


class DayAheadPrice(SensorEntity):
    """What a kWh costs at the exchange; the attribute `data` holds what is published."""

    _attr_name = "Day-ahead price"
    _attr_unique_id = "microgrid_demo_day_ahead_price"
    _attr_icon = "mdi:chart-timeline-variant"
    _attr_should_poll = False
    _attr_native_unit_of_measurement = "EUR/kWh"
    _attr_state_class = SensorStateClass.MEASUREMENT
    _attr_suggested_display_precision = 4
    _unrecorded_attributes = frozenset({"data"})

    @override
    async def async_added_to_hass(self) -> None:
        """Look at the clock, then once an hour."""
        self._look(dt_util.utcnow())
        self.async_on_remove(
            async_track_utc_time_change(self.hass, self._on_the_hour, minute=[0, 15, 30, 45], second=0)
        )

    @callback
    def _on_the_hour(self, now: datetime) -> None:
        self._look(now)
        self.async_write_ha_state()

    @callback
    def _look(self, now: datetime) -> None:
        zone = dt_util.get_default_time_zone()
        hour = timedelta(hours=1)
        known = published(now, zone)
        self._attr_native_value = next((price for start, price in known if start <= now < start + hour), None)
        rows: list[dict[str, Any]] = [
            {
                "start_time": start.astimezone(zone).isoformat(),
                "end_time": (start + hour).astimezone(zone).isoformat(),
                "price_per_kwh": price,
            }
            for start, price in known
        ]
        self._attr_extra_state_attributes = {"data": rows}
