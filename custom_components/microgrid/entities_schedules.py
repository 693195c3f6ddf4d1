"""What shows the schedules of batteries: sensors, the calendar, and the event of each acknowledgement."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, override

from homeassistant.components.calendar import CalendarEntity, CalendarEvent
from homeassistant.components.event import EventEntity
from homeassistant.components.sensor import SensorDeviceClass, SensorEntity, SensorStateClass
from homeassistant.const import EntityCategory, UnitOfRatio, UnitOfTime
from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers.entity import Entity
from homeassistant.helpers.entity_platform import AddConfigEntryEntitiesCallback
from homeassistant.helpers.translation import async_get_translations
from homeassistant.util import dt as dt_util

from .const import DOMAIN
from .core.contract.messages import ScheduleMode
from .core.contract.schedule import Acknowledgement, AckStatus
from .core.model.swarm import Change, Node, NodeChanged, NodeRemoved
from .entity import ToldEntity
from .runtime import MicrogridConfigEntry, MicrogridRuntime
from .schedule_log import Execution, ExecutionStatus
from .schedules import ScheduleDesk, ScheduleStatus

if TYPE_CHECKING:
    from homeassistant.util.json import JsonValueType

NO_ACTION: Final = "none"
WEEK: Final = timedelta(days=7)
EVENT_TYPES: Final = tuple(status.value for status in AckStatus)
SENSORS: Final = (
    "schedule_instruction",
    "schedule_lateness",
    "schedule_next_action",
    "schedule_next_start",
    "schedule_status",
    "schedule_success",
)
_PLANNED: Final = frozenset({ExecutionStatus.PLANNED, ExecutionStatus.STARTED})


def add_sensors(entry: MicrogridConfigEntry, async_add_entities: AddConfigEntryEntitiesCallback) -> None:
    """Add the sensors of every node that takes schedules, now and later."""
    _add(
        entry,
        async_add_entities,
        lambda runtime, node: [
            InstructionSensor(runtime, node),
            LatenessSensor(runtime, node),
            NextActionSensor(runtime, node),
            NextStartSensor(runtime, node),
            StatusSensor(runtime, node),
            SuccessSensor(runtime, node),
        ],
    )


def add_events(entry: MicrogridConfigEntry, async_add_entities: AddConfigEntryEntitiesCallback) -> None:
    """Add the event entity of every node that takes schedules, now and later."""
    _add(entry, async_add_entities, lambda runtime, node: [ScheduleEventEntity(runtime, node)])


def add_calendars(entry: MicrogridConfigEntry, async_add_entities: AddConfigEntryEntitiesCallback) -> None:
    """Add the calendar of every node that takes schedules, now and later."""
    _add(entry, async_add_entities, lambda runtime, node: [ScheduleCalendar(runtime, node)])


def _add(
    entry: MicrogridConfigEntry,
    async_add_entities: AddConfigEntryEntitiesCallback,
    make: Callable[[MicrogridRuntime, Node], list[Entity]],
) -> None:
    """Add entities as soon as a node declares that it takes schedules: with its birth, or a later one."""
    runtime = entry.runtime_data
    made: set[str] = set()

    @callback
    def look(node: Node) -> None:
        if node.node_id not in made and runtime.schedules.capability(node.node_id) is not None:
            made.add(node.node_id)
            async_add_entities(make(runtime, node))

    @callback
    def changed(change: Change) -> None:
        if isinstance(change, NodeChanged):
            look(change.node)
        elif isinstance(change, NodeRemoved):
            made.discard(change.node.node_id)

    for node in runtime.swarm.nodes.values():
        look(node)
    entry.async_on_unload(runtime.swarm.subscribe(changed))


class ScheduleEntity(ToldEntity):
    """Follows the schedule of a node. What the log tells stays true when the node falls silent."""

    def __init__(self, runtime: MicrogridRuntime, node: Node, key: str) -> None:
        """Name the entity."""
        super().__init__(runtime, node, key)
        self._attr_translation_key = key

    @property
    @override
    def available(self) -> bool:
        """As long as the node takes schedules."""
        return self.runtime.schedules.capability(self.node.node_id) is not None

    @property
    @override
    def teller(self) -> ScheduleDesk:
        """The desk."""
        return self.runtime.schedules


class StatusSensor(ScheduleEntity, SensorEntity):
    """How it stands with the schedule."""

    _attr_device_class = SensorDeviceClass.ENUM
    _attr_entity_category = EntityCategory.DIAGNOSTIC
    _unrecorded_attributes = frozenset({"reasons"})

    def __init__(self, runtime: MicrogridRuntime, node: Node) -> None:
        """Name the entity."""
        super().__init__(runtime, node, "schedule_status")
        self._attr_options = [status.value for status in ScheduleStatus]

    @property
    @override
    def native_value(self) -> str:
        """The status."""
        return self.runtime.schedules.status(self.node.node_id).value

    @property
    @override
    def extra_state_attributes(self) -> dict[str, Any] | None:
        """Which schedule, and what was said of it."""
        held = self.runtime.schedules.held(self.node.node_id)
        if held is None or (sent := held.sent) is None:
            return None
        return {
            "schedule_id": sent.schedule_id,
            "revision": sent.revision,
            "valid_until": sent.valid_until.isoformat(),
            "intervals": len(sent.intervals),
            "reasons": list(held.reasons),
        }


class SuccessSensor(ScheduleEntity, SensorEntity):
    """Share of the intervals of a week that were done as asked."""

    _attr_native_unit_of_measurement = UnitOfRatio.PERCENTAGE
    _attr_state_class = SensorStateClass.MEASUREMENT
    _attr_suggested_display_precision = 0

    def __init__(self, runtime: MicrogridRuntime, node: Node) -> None:
        """Name the entity."""
        super().__init__(runtime, node, "schedule_success")

    @property
    @override
    def native_value(self) -> float | None:
        """The share; unknown as long as nothing was planned."""
        percent = self.runtime.schedules.analytics(self.node.node_id, WEEK).success_percent
        return None if percent is None else round(percent, 1)

    @property
    @override
    def extra_state_attributes(self) -> dict[str, Any]:
        """The numbers behind it."""
        week = self.runtime.schedules.analytics(self.node.node_id, WEEK)
        return {
            "intervals": week.intervals,
            "failed": week.failed + week.expired,
            "unreported": week.unreported,
            "late": week.late,
            "mean_lateness_s": None if week.mean_lateness_s is None else round(week.mean_lateness_s, 1),
            "planned_kwh": round(week.planned_kwh, 2),
            "done_kwh": round(week.done_kwh, 2),
        }


class LatenessSensor(ScheduleEntity, SensorEntity):
    """How long after their start the intervals of a week began, in the mean; few want to see it."""

    _attr_device_class = SensorDeviceClass.DURATION
    _attr_native_unit_of_measurement = UnitOfTime.SECONDS
    _attr_state_class = SensorStateClass.MEASUREMENT
    _attr_suggested_display_precision = 0
    _attr_entity_category = EntityCategory.DIAGNOSTIC
    _attr_entity_registry_enabled_default = False

    def __init__(self, runtime: MicrogridRuntime, node: Node) -> None:
        """Name the entity."""
        super().__init__(runtime, node, "schedule_lateness")

    @property
    @override
    def native_value(self) -> float | None:
        """The mean of those whose node told when they began."""
        lateness_s = self.runtime.schedules.analytics(self.node.node_id, WEEK).mean_lateness_s
        return None if lateness_s is None else round(lateness_s, 1)

    @property
    @override
    def extra_state_attributes(self) -> dict[str, Any]:
        """How many were joined after their start."""
        return {"late": self.runtime.schedules.analytics(self.node.node_id, WEEK).late}


class NextActionSensor(ScheduleEntity, SensorEntity):
    """What the battery does next."""

    _attr_device_class = SensorDeviceClass.ENUM

    def __init__(self, runtime: MicrogridRuntime, node: Node) -> None:
        """Name the entity."""
        super().__init__(runtime, node, "schedule_next_action")
        self._attr_options = [NO_ACTION, *(mode.value for mode in ScheduleMode)]

    @property
    @override
    def native_value(self) -> str:
        """The mode."""
        following = self.runtime.schedules.next_execution(self.node.node_id)
        return NO_ACTION if following is None else following.mode.value

    @property
    @override
    def extra_state_attributes(self) -> dict[str, Any] | None:
        """When, and how much."""
        if (following := self.runtime.schedules.next_execution(self.node.node_id)) is None:
            return None
        return {"start": following.start.isoformat(), "rate_kw": following.requested_kw}


class NextStartSensor(ScheduleEntity, SensorEntity):
    """When the next interval begins: every half hour, which few want to see."""

    _attr_device_class = SensorDeviceClass.TIMESTAMP
    _attr_entity_registry_enabled_default = False

    def __init__(self, runtime: MicrogridRuntime, node: Node) -> None:
        """Name the entity."""
        super().__init__(runtime, node, "schedule_next_start")

    @property
    @override
    def native_value(self) -> datetime | None:
        """The time."""
        following = self.runtime.schedules.next_execution(self.node.node_id)
        return None if following is None else following.start


class InstructionSensor(ScheduleEntity, SensorEntity):
    """What the node says that it was told to do now, and why. Batteries show the mode as a metric already."""

    _attr_device_class = SensorDeviceClass.ENUM

    def __init__(self, runtime: MicrogridRuntime, node: Node) -> None:
        """Name the entity."""
        super().__init__(runtime, node, "schedule_instruction")
        self._attr_options = [mode.value for mode in ScheduleMode]
        self._attr_entity_registry_enabled_default = all(
            metric.key != "schedule_mode" for metric in node.kind.metrics
        )

    @property
    @override
    def available(self) -> bool:
        """It is the present: nobody knows it of a silent node."""
        return super().available and self.node.available

    @property
    @override
    def native_value(self) -> str | None:
        """The mode."""
        held = self.runtime.schedules.held(self.node.node_id)
        return None if held is None or held.state is None else held.state.mode.value

    @property
    @override
    def extra_state_attributes(self) -> dict[str, Any] | None:
        """Why, and how much."""
        held = self.runtime.schedules.held(self.node.node_id)
        if held is None or (state := held.state) is None:
            return None
        return {
            "basis": state.basis.value,
            "rate_kw": None if state.rate_w is None else state.rate_w / 1000,
            "revision": state.revision,
        }


class ScheduleEventEntity(ScheduleEntity, EventEntity):
    """Tells each acknowledgement once: what became of a schedule or of an interval."""

    def __init__(self, runtime: MicrogridRuntime, node: Node) -> None:
        """Name the entity and its events."""
        super().__init__(runtime, node, "schedule")
        self._attr_event_types = list(EVENT_TYPES)

    @property
    @override
    def available(self) -> bool:
        """Always: what happened stays true."""
        return True

    @override
    async def async_added_to_hass(self) -> None:
        """Be told of acknowledgements, and not of what follows from the clock."""
        self.runtime.hub.add(self)
        self.async_on_remove(self.runtime.schedules.on_acknowledgement(self._on_acknowledgement))

    @callback
    def _on_acknowledgement(self, node_id: str, ack: Acknowledgement, one: Execution | None) -> None:
        if node_id != self.node.node_id:
            return
        attributes: dict[str, JsonValueType] = {
            "schedule_id": ack.schedule_id,
            "revision": ack.revision,
            "reasons": list(ack.reasons),
            "time": None if ack.time is None else ack.time.isoformat(),
            "failures_in_a_row": len(self.runtime.schedules.failing(node_id)),
        }
        if ack.interval_id is not None:
            attributes |= {
                "interval_id": ack.interval_id,
                "late": ack.late,
                "requested_kw": _kw(ack.requested_rate_w),
                "actual_kw": _kw(ack.actual_rate_w),
                "mode": None if one is None else one.mode.value,
                "start": None if one is None else one.start.isoformat(),
            }
        self._trigger_event(ack.status.value, attributes)
        self.async_write_ha_state()


class ScheduleCalendar(ScheduleEntity, CalendarEntity):
    """The half hours of a battery: what is planned, and what became of what was."""

    def __init__(self, runtime: MicrogridRuntime, node: Node) -> None:
        """Name the entity."""
        super().__init__(runtime, node, "schedule")
        self._words: dict[str, str] = {}

    @override
    async def async_added_to_hass(self) -> None:
        """Get the words for the summaries first."""
        self._words = await async_get_translations(self.hass, self.hass.config.language, "entity", [DOMAIN])
        await super().async_added_to_hass()

    @override
    async def async_will_remove_from_hass(self) -> None:
        """Be told no more, neither by the desk nor by the clock."""
        await super().async_will_remove_from_hass()
        await CalendarEntity.async_will_remove_from_hass(self)  # the node's own method ends the chain

    @property
    @override
    def event(self) -> CalendarEvent | None:
        """The interval that runs, or the next one."""
        return None if (one := self._current) is None else self._event(one)

    @property
    @override
    def extra_state_attributes(self) -> dict[str, Any] | None:
        """What became of it so far."""
        return None if (one := self._current) is None else {"outcome": one.status.value}

    @property
    def _current(self) -> Execution | None:
        desk = self.runtime.schedules
        now = dt_util.utcnow()
        running = next(
            (
                one
                for one in desk.executions(self.node.node_id, now - timedelta(hours=1))
                if one.start <= now < one.end and one.status in _PLANNED
            ),
            None,
        )
        return running or desk.next_execution(self.node.node_id)

    @override
    async def async_get_events(
        self, hass: HomeAssistant, start_date: datetime, end_date: datetime
    ) -> list[CalendarEvent]:
        """Return the intervals of a period."""
        found = await self.runtime.schedules.history(self.node.node_id, start_date, end_date)
        return [self._event(one) for one in found]

    def _event(self, one: Execution) -> CalendarEvent:
        summary = self._word("sensor", "schedule_next_action.state", one.mode.value)
        if one.requested_kw:
            summary += f" {one.requested_kw:g} kW"
        lines = []
        if one.status is not ExecutionStatus.PLANNED:
            became = self._word("calendar", "schedule.state_attributes.outcome.state", one.status.value)
            summary += f" · {became}"
        if one.actual_kw is not None:
            lines.append(f"{one.actual_kw:g} kW")
        if one.late and one.late_s is not None:
            lines.append(f"+{one.late_s / 60:.0f} min")
        lines += one.reasons
        return CalendarEvent(
            start=one.start,
            end=one.end,
            summary=summary,
            description="\n".join(lines) or None,
            uid=f"{one.node_id}-{one.start:%Y%m%dT%H%MZ}",
        )

    def _word(self, platform: str, path: str, value: str) -> str:
        return self._words.get(f"component.{DOMAIN}.entity.{platform}.{path}.{value}", value)


def _kw(power_w: float | None) -> float | None:
    return None if power_w is None else power_w / 1000
