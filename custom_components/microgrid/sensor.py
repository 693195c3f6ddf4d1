"""Sensors: every metric that is not simply on or off, and the newest fault of houses and gateways."""

from __future__ import annotations

from typing import Any, override

from homeassistant.components.sensor import SensorDeviceClass, SensorEntity, SensorStateClass
from homeassistant.const import UnitOfEnergy
from homeassistant.core import HomeAssistant
from homeassistant.helpers.entity import Entity
from homeassistant.helpers.entity_platform import AddConfigEntryEntitiesCallback

from . import (
    entities_guardian,
    entities_gx,
    entities_planner,
    entities_planner_advice,
    entities_schedules,
)
from .core.contract.faults import condition
from .core.diagnosis.cause_texts import meaning
from .core.model.metric import Metric, Value, ValueType
from .core.model.swarm import Node
from .entity import MetricEntity, ToldEntity, add_metric_entities, add_node_entities
from .fault_desk import FaultDesk, Known, iso
from .runtime import MicrogridConfigEntry, MicrogridRuntime

PARALLEL_UPDATES = 0

NO_FAULT, NOT_YET = "none", "pending"
"""Of the newest fault, while there is none; of its cause, until it was looked for."""

# Counters are exact in Wh on the wire; people and the Energy dashboard think in kWh, with these decimals.
_SHOWN_UNITS = {"Wh": (UnitOfEnergy.KILO_WATT_HOUR, 2)}


async def async_setup_entry(
    hass: HomeAssistant, entry: MicrogridConfigEntry, async_add_entities: AddConfigEntryEntitiesCallback
) -> None:
    """Add the sensors of all nodes, now and later."""
    add_metric_entities(entry, async_add_entities, _is_sensor, MetricSensor)
    add_node_entities(entry, async_add_entities, _fault_sensors)
    entities_gx.add_sensors(hass, entry, async_add_entities)
    entities_guardian.add_sensors(entry, async_add_entities)
    entities_planner.add_sensors(entry, async_add_entities)
    entities_planner_advice.add_sensors(entry, async_add_entities)
    entities_schedules.add_sensors(entry, async_add_entities)


def _fault_sensors(runtime: MicrogridRuntime, node: Node) -> list[Entity]:
    if node.kind.kind not in ("house", "gateway"):
        return []
    return [LastFaultSensor(runtime, node), LastCauseSensor(runtime, node)]


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


class FaultSensor(ToldEntity, SensorEntity):
    """Shows something of the newest fault of a node."""

    @property
    @override
    def teller(self) -> FaultDesk:
        """Who knows of faults and of what was found of them."""
        return self.runtime.faults

    @property
    def _known(self) -> Known | None:
        return self.runtime.faults.latest.get(self.node.node_id)

    @property
    def _without(self) -> str | None:
        """What is shown while no fault is known: only a store that opens can say that there was none."""
        return None if self.runtime.faults.store is None else NO_FAULT


class LastFaultSensor(FaultSensor):
    """The code of the newest fault."""

    _attr_translation_key = "last_fault"

    def __init__(self, runtime: MicrogridRuntime, node: Node) -> None:
        """Name the entity."""
        super().__init__(runtime, node, "last_fault")

    @property
    @override
    def native_value(self) -> str | None:
        """The code; `none` before the first fault."""
        return self._without if self._known is None else self._known.fault.code

    @property
    @override
    def extra_state_attributes(self) -> dict[str, Any] | None:
        """Which fault it is."""
        if (known := self._known) is None:
            return None
        fault = known.fault
        return {
            "name": condition(fault.code).text(self.hass.config.language).name,
            "event_id": fault.event_id,
            "severity": fault.severity or None,
            "time": iso(fault.time_us),
            "cleared": None if fault.cleared_us is None else iso(fault.cleared_us),
            "late": fault.late,
        }


class LastCauseSensor(FaultSensor):
    """What the newest fault came from."""

    _attr_translation_key = "last_cause"
    _unrecorded_attributes = frozenset({"name", "summary"})  # the fault store has them for ever

    def __init__(self, runtime: MicrogridRuntime, node: Node) -> None:
        """Name the entity."""
        super().__init__(runtime, node, "last_cause")

    @property
    @override
    def native_value(self) -> str | None:
        """The id of the cause; `none` before the first fault, `pending` until it is analysed."""
        if self._known is None:
            return self._without
        return NOT_YET if self._known.analysis is None else self._known.analysis.cause

    @property
    @override
    def extra_state_attributes(self) -> dict[str, Any] | None:
        """What was found, and how sure that is."""
        if (known := self._known) is None or (analysis := known.analysis) is None:
            return None
        return {
            "name": meaning(analysis.cause, self.hass.config.language),
            "event_id": known.fault.event_id,
            "origin": analysis.origin,
            "confidence": round(analysis.confidence, 3),
            "summary": analysis.summary,
        }
