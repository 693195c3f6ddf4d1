"""What the planner only advises: how full an island's batteries should be, when a load should run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, override

from homeassistant.components.binary_sensor import BinarySensorEntity
from homeassistant.components.sensor import SensorDeviceClass, SensorEntity, SensorStateClass
from homeassistant.const import PERCENTAGE
from homeassistant.helpers.entity import Entity
from homeassistant.helpers.entity_platform import AddConfigEntryEntitiesCallback

from .const import SUBENTRY_PLANNER
from .entities_planner import MOST_ROWS, PlannerEntity
from .planner import Planner
from .planner_view import RUN

if TYPE_CHECKING:
    from .runtime import MicrogridConfigEntry

DUSK_KEY, DAWN_KEY, FLEXIBLE_KEY = "planner_target_dusk", "planner_target_dawn", "planner_flexible"


class ChargeTarget(PlannerEntity, SensorEntity):
    """How full the batteries should be when the sun goes, or when it comes back; nobody is commanded."""

    _attr_device_class = SensorDeviceClass.BATTERY
    _attr_state_class = SensorStateClass.MEASUREMENT
    _attr_native_unit_of_measurement = PERCENTAGE
    _attr_suggested_display_precision = 0
    _unrecorded_attributes = frozenset({"batteries"})

    def __init__(self, entry: MicrogridConfigEntry, planner: Planner, *, dusk: bool) -> None:
        """Know for when."""
        super().__init__(entry, planner, DUSK_KEY if dusk else DAWN_KEY)
        self._dusk = dusk

    @property
    @override
    def native_value(self) -> float | None:
        """Of all batteries together."""
        found = self.planner.target(dusk=self._dusk)
        return None if found is None else found["target"]

    @property
    @override
    def extra_state_attributes(self) -> dict[str, Any]:
        """When, the band around it, what is expected, what is missing or to spare, and each battery's own."""
        found = self.planner.target(dusk=self._dusk) or {}
        return {name: value for name, value in found.items() if name != "target"}


class FlexibleLoad(PlannerEntity, BinarySensorEntity):
    """Whether the load that can be shifted should run more than usual now: for automations to act on."""

    _unrecorded_attributes = frozenset({"plan"})

    def __init__(self, entry: MicrogridConfigEntry, planner: Planner) -> None:
        """Name it."""
        super().__init__(entry, planner, FLEXIBLE_KEY)

    @property
    @override
    def is_on(self) -> bool | None:
        """Unknown while nothing is known of the load."""
        advice = self.planner.flexible_advice
        return None if advice is None else advice == RUN

    @property
    @override
    def extra_state_attributes(self) -> dict[str, Any]:
        """The advice in three words (run, usual, hold), and the hours to come."""
        found = self.planner.flexible_plan()
        rows = found.pop("plan", [])[:MOST_ROWS]
        return {"advice": self.planner.flexible_advice, **found, "plan": rows}


def _add(
    entry: MicrogridConfigEntry, async_add_entities: AddConfigEntryEntitiesCallback, entities: list[Entity]
) -> None:
    subentry = next(iter(entry.get_subentries_of_type(SUBENTRY_PLANNER)))
    async_add_entities(entities, config_subentry_id=subentry.subentry_id)


def add_sensors(entry: MicrogridConfigEntry, async_add_entities: AddConfigEntryEntitiesCallback) -> None:
    """Add the targets of an island."""
    planner = entry.runtime_data.planner
    if planner is not None and planner.off_grid:
        _add(entry, async_add_entities, [ChargeTarget(entry, planner, dusk=dusk) for dusk in (True, False)])


def add_binary_sensors(
    entry: MicrogridConfigEntry, async_add_entities: AddConfigEntryEntitiesCallback
) -> None:
    """Add the load that can be shifted."""
    planner = entry.runtime_data.planner
    if planner is not None and planner.settings.flexible is not None:
        _add(entry, async_add_entities, [FlexibleLoad(entry, planner)])
