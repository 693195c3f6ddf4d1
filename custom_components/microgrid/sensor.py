"""Sensors: every metric that is not simply on or off."""

from __future__ import annotations

from typing import override

from homeassistant.components.sensor import SensorDeviceClass, SensorEntity, SensorStateClass
from homeassistant.const import UnitOfEnergy
from homeassistant.core import HomeAssistant
from homeassistant.helpers.entity_platform import AddConfigEntryEntitiesCallback

from .core.model.metric import Metric, Value, ValueType
from .core.model.swarm import Node
from .entity import MetricEntity, add_metric_entities
from .runtime import MicrogridConfigEntry, MicrogridRuntime

PARALLEL_UPDATES = 0

# Counters are exact in Wh on the wire; people and the Energy dashboard think in kWh, with these decimals.
_SHOWN_UNITS = {"Wh": (UnitOfEnergy.KILO_WATT_HOUR, 2)}


async def async_setup_entry(
    hass: HomeAssistant, entry: MicrogridConfigEntry, async_add_entities: AddConfigEntryEntitiesCallback
) -> None:
    """Add the sensors of all nodes, now and later."""
    add_metric_entities(entry, async_add_entities, _is_sensor, MetricSensor)


def _is_sensor(metric: Metric) -> bool:
    return metric.value is not ValueType.FLAG


class MetricSensor(MetricEntity, SensorEntity):
    """A number, choice or text of a node."""

    def __init__(self, runtime: MicrogridRuntime, node: Node, metric: Metric) -> None:
        """Take everything from the row of the metric table."""
        super().__init__(runtime, node, metric)
        if metric.device_class:
            self._attr_device_class = SensorDeviceClass(metric.device_class)
        if metric.state_class:
            self._attr_state_class = SensorStateClass(metric.state_class)
        if metric.options:
            self._attr_options = list(metric.options)
        self._attr_native_unit_of_measurement = metric.unit
        self._attr_suggested_unit_of_measurement, self._attr_suggested_display_precision = _SHOWN_UNITS.get(
            metric.unit or "", (None, metric.precision)
        )

    @property
    @override
    def native_value(self) -> Value | None:
        """The newest value; digits that no sensor can tell would only fill the database."""
        value = self.value
        if isinstance(value, float) and self.metric.precision is not None:
            return round(value, self.metric.precision + 1)
        return value
