"""Entities of the energy planner: on a device of its own, so that they come and go with its subentry."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final, override

from homeassistant.components.event import EventEntity
from homeassistant.components.number import NumberEntity, NumberMode
from homeassistant.components.select import SelectEntity
from homeassistant.components.sensor import (
    SensorDeviceClass,
    SensorEntity,
    SensorEntityDescription,
    SensorStateClass,
)
from homeassistant.components.switch import SwitchEntity
from homeassistant.const import PERCENTAGE, EntityCategory
from homeassistant.core import callback
from homeassistant.helpers.device_registry import DeviceEntryType, DeviceInfo
from homeassistant.helpers.entity import Entity
from homeassistant.helpers.entity_platform import AddConfigEntryEntitiesCallback

from .const import DOMAIN, MANUFACTURER, SUBENTRY_PLANNER
from .core.model.swarm import SITE_ID, Change, NodeChanged
from .planner import HAPPENINGS, Planner
from .planner_money import STRATEGIES
from .planner_state import DayFigures
from .planner_view import ACTIONS
from .settlement_desk import MONTH, RANGES, TODAY, SettlementDesk

if TYPE_CHECKING:
    from .runtime import MicrogridConfigEntry

DEVICE = "energy_planner"
NO_FALLBACK = "none"
REASONS = (
    NO_FALLBACK,
    "battery_clock",
    "battery_missing",
    "charge_frozen",
    "charge_implausible",
    "charge_missing",
    "load_frozen",
    "load_missing",
    "prices_missing",
    "prices_stale",
    "prices_unreadable",
    "too_dear",
)
"""Why the rule steers instead of the plan."""
MOST_ROWS = 36
"""Hours of the plan in an attribute: within the 16 kB that Home Assistant takes."""

type State = float | str | datetime | None


@dataclass(frozen=True, kw_only=True)
class PlannerSensorDescription(SensorEntityDescription):
    """A figure of the planner."""

    value_fn: Callable[[Planner], State]
    attributes_fn: Callable[[Planner], dict[str, Any]] | None = None
    money: str = ""
    """What follows the currency in the unit; empty: no money."""


def _yesterday(name: str) -> Callable[[Planner], State]:
    def value(planner: Planner) -> State:
        days = planner.state.days
        figures: DayFigures | None = days[max(days)] if days else None
        found: float | None = None if figures is None else getattr(figures, name)
        return found

    return value


def _rolling(name: str) -> Callable[[Planner], State]:
    return lambda planner: planner.rolling()[name]


def _percent(of: Callable[[Planner], State]) -> Callable[[Planner], State]:
    def value(planner: Planner) -> State:
        found = of(planner)
        return 100.0 * found if isinstance(found, float) else None

    return value


def _next_action(planner: Planner) -> State:
    return None if (found := planner.next_action) is None else found[0]


def _when(planner: Planner) -> dict[str, Any]:
    found = planner.next_action
    return {"start": None if found is None else found[1].astimezone(planner.zone).isoformat()}


def _error(key: str, of: Callable[[Planner], State], **more: Any) -> PlannerSensorDescription:
    """A figure of how right the model is: for those who look for it."""
    return PlannerSensorDescription(
        key=key,
        translation_key=key,
        entity_category=EntityCategory.DIAGNOSTIC,
        entity_registry_enabled_default=False,
        state_class=SensorStateClass.MEASUREMENT,
        value_fn=of,
        **more,
    )


_LEAST_MONEY: Final = 0.005
_MONEY: dict[str, Any] = {"money": " ", "suggested_display_precision": 2}
_SHARE: dict[str, Any] = {"native_unit_of_measurement": PERCENTAGE, "suggested_display_precision": 1}
SENSORS = (
    PlannerSensorDescription(
        key="planner_action",
        translation_key="planner_action",
        device_class=SensorDeviceClass.ENUM,
        options=list(ACTIONS),
        value_fn=lambda planner: planner.action_now,
        attributes_fn=lambda planner: {"reason": planner.reason()},
    ),
    PlannerSensorDescription(
        key="planner_next_action",
        translation_key="planner_next_action",
        device_class=SensorDeviceClass.ENUM,
        options=list(ACTIONS),
        value_fn=_next_action,
        attributes_fn=_when,
    ),
    PlannerSensorDescription(
        key="planner_plan",
        translation_key="planner_plan",
        device_class=SensorDeviceClass.TIMESTAMP,
        value_fn=lambda planner: planner.planned_at,
        attributes_fn=lambda planner: {
            "plan": planner.rows()[:MOST_ROWS],
            "batteries": [member.name for member in planner.fleet.members],
            "reserve_percent": planner.effective_reserve_now,
        },
    ),
    PlannerSensorDescription(
        key="planner_price",
        translation_key="planner_price",
        state_class=SensorStateClass.MEASUREMENT,
        suggested_display_precision=4,
        money="/kWh",
        value_fn=lambda planner: planner.price_now,
    ),
    PlannerSensorDescription(
        key="planner_energy_worth",
        translation_key="planner_energy_worth",
        state_class=SensorStateClass.MEASUREMENT,
        suggested_display_precision=4,
        money="/kWh",
        value_fn=lambda planner: planner.energy_worth,
    ),
    PlannerSensorDescription(
        key="planner_expected_saving",
        translation_key="planner_expected_saving",
        device_class=SensorDeviceClass.MONETARY,
        suggested_display_precision=2,
        money=" ",
        value_fn=lambda planner: None if planner.answer is None else planner.answer.expected_saving,
    ),
    PlannerSensorDescription(
        key="planner_saving_today",
        translation_key="planner_saving_today",
        device_class=SensorDeviceClass.MONETARY,
        suggested_display_precision=2,
        money=" ",
        value_fn=lambda planner: planner.saving_today or 0.0,
    ),
    PlannerSensorDescription(
        key="planner_saving_total",
        translation_key="planner_saving_total",
        device_class=SensorDeviceClass.MONETARY,
        state_class=SensorStateClass.TOTAL,
        suggested_display_precision=2,
        money=" ",
        value_fn=lambda planner: planner.saving_total,
    ),
    PlannerSensorDescription(
        key="planner_fallback",
        translation_key="planner_fallback",
        device_class=SensorDeviceClass.ENUM,
        options=list(REASONS),
        entity_category=EntityCategory.DIAGNOSTIC,
        value_fn=lambda planner: planner.state.fallback or NO_FALLBACK,
    ),
    PlannerSensorDescription(
        key="planner_model",
        translation_key="planner_model",
        entity_category=EntityCategory.DIAGNOSTIC,
        entity_registry_enabled_default=False,
        value_fn=lambda planner: planner.model.version,
        attributes_fn=lambda planner: {
            "scores": {
                version: next(reversed(rows.values()), None) for version, rows in planner.state.scores.items()
            }
        },
    ),
    _error("planner_saving_yesterday", _yesterday("saving"), **_MONEY),
    _error("planner_saving_rolling", _rolling("saving"), **_MONEY),
    _error("planner_over_no_battery", _yesterday("over_no_battery"), **_MONEY),
    _error("planner_over_no_battery_rolling", _rolling("over_no_battery"), **_MONEY),
    _error("planner_missed", _yesterday("missed"), **_MONEY),
    _error("planner_missed_rolling", _rolling("missed"), **_MONEY),
    _error("planner_captured", _percent(_yesterday("captured")), **_SHARE),
    _error("planner_captured_rolling", _percent(_rolling("captured")), **_SHARE),
    _error("planner_nmae", _percent(_yesterday("nmae")), **_SHARE),
    _error("planner_nmae_rolling", _percent(_rolling("nmae")), **_SHARE),
    _error("planner_bias", _percent(_yesterday("bias")), **_SHARE),
    _error("planner_bias_rolling", _percent(_rolling("bias")), **_SHARE),
    _error("planner_naive_ratio", _yesterday("naive_ratio"), suggested_display_precision=2),
    _error("planner_naive_ratio_rolling", _rolling("naive_ratio"), suggested_display_precision=2),
    _error(
        "planner_solar_error",
        _percent(lambda planner: planner.state.solar_errors.get("blend")),
        attributes_fn=lambda planner: {"forecasts": dict(planner.state.solar_errors)},
        **_SHARE,
    ),
)


class PlannerEntity(Entity):
    """An entity of the planner."""

    _attr_has_entity_name = True
    _attr_should_poll = False

    def __init__(self, entry: MicrogridConfigEntry, planner: Planner, key: str) -> None:
        """Link it to the device of the planner."""
        self.planner = planner
        devices = entry.runtime_data.devices
        self._attr_translation_key = key
        self._attr_unique_id = devices.unique_id(DEVICE, key)
        self._attr_device_info = DeviceInfo(
            identifiers={(DOMAIN, devices.unique_id(DEVICE))},
            translation_key=DEVICE,
            manufacturer=MANUFACTURER,
            entry_type=DeviceEntryType.SERVICE,
            via_device_id=devices.device_id(SITE_ID),
        )

    @override
    async def async_added_to_hass(self) -> None:
        """Be told when figures change."""
        self.async_on_remove(self.planner.on_change(self.async_write_ha_state))


class PlannerSensor(PlannerEntity, SensorEntity):
    """A figure of the planner."""

    entity_description: PlannerSensorDescription
    _unrecorded_attributes = frozenset({"plan", "batteries", "scores", "reason"})

    def __init__(
        self, entry: MicrogridConfigEntry, planner: Planner, description: PlannerSensorDescription
    ) -> None:
        """Take everything from the row of the table."""
        super().__init__(entry, planner, description.key)
        self.entity_description = description
        if description.money:
            self._attr_native_unit_of_measurement = f"{planner.currency}{description.money.strip()}"

    @property
    @override
    def native_value(self) -> State:
        """What the planner says; no more digits than money has, and no minus before nothing."""
        value = self.entity_description.value_fn(self.planner)
        if not isinstance(value, float):
            return value
        if self.device_class is SensorDeviceClass.MONETARY and abs(value) < _LEAST_MONEY:
            return 0.0
        return round(value, 5)

    @property
    @override
    def extra_state_attributes(self) -> dict[str, Any] | None:
        """What belongs to it."""
        of = self.entity_description.attributes_fn
        return None if of is None else of(self.planner)


BILL_KEYS = {TODAY: "planner_bill_today", MONTH: "planner_bill_month"}
PAYMENT_KEYS = {TODAY: "planner_payment_today", MONTH: "planner_payment_month"}


class SettlementSensor(PlannerEntity, SensorEntity):
    """Money of the day or month that runs: a total that begins anew with it."""

    _attr_device_class = SensorDeviceClass.MONETARY
    _attr_state_class = SensorStateClass.TOTAL
    _attr_suggested_display_precision = 2

    def __init__(
        self, entry: MicrogridConfigEntry, planner: Planner, desk: SettlementDesk, span: str, key: str
    ) -> None:
        """Know where the figures are."""
        super().__init__(entry, planner, key)
        self.desk = desk
        self.span = span
        self._attr_native_unit_of_measurement = planner.currency

    @override
    async def async_added_to_hass(self) -> None:
        """Be told when it was settled again; plans do not change it."""
        self.async_on_remove(self.desk.on_change(self.async_write_ha_state))

    @property
    @override
    def last_reset(self) -> datetime | None:
        """When the day or month began."""
        return self.desk.begin(self.span)


class ConnectionBill(SettlementSensor):
    """What the common connection costs."""

    def __init__(
        self, entry: MicrogridConfigEntry, planner: Planner, desk: SettlementDesk, span: str
    ) -> None:
        """Take the key from the table."""
        super().__init__(entry, planner, desk, span, BILL_KEYS[span])

    @property
    @override
    def native_value(self) -> float | None:
        """The sum of what the houses pay."""
        return self.desk.bill(self.span)

    @property
    @override
    def extra_state_attributes(self) -> dict[str, Any]:
        """How much of the range was counted, and what stayed inside."""
        if (found := self.desk.settled(self.span)) is None:
            return {}
        return {"hours": found.hours, "inside_kwh": round(found.settlement.inside_kwh, 3)}


class HousePayment(SettlementSensor):
    """What a house owes (+) or gets (-)."""

    def __init__(
        self, entry: MicrogridConfigEntry, planner: Planner, desk: SettlementDesk, span: str, house: str
    ) -> None:
        """Name the house."""
        key = PAYMENT_KEYS[span]
        super().__init__(entry, planner, desk, span, key)
        self._house = house
        self._attr_unique_id = entry.runtime_data.devices.unique_id(DEVICE, key, house)
        self._attr_translation_placeholders = {"house": desk.houses.get(house, house)}

    @property
    @override
    def native_value(self) -> float | None:
        """Of the house; all of them add up to the bill."""
        return self.desk.payment(self.span, self._house)

    @property
    @override
    def extra_state_attributes(self) -> dict[str, Any]:
        """The energies that it pays for."""
        found = self.desk.settled(self.span)
        if found is None or self._house not in found.houses:
            return {"node": self._house}
        place = found.houses.index(self._house)
        return {
            "node": self._house,
            "imported_kwh": round(found.imported_kwh[place], 3),
            "exported_kwh": round(found.exported_kwh[place], 3),
        }


class AutomaticPlanning(PlannerEntity, SwitchEntity):
    """Whether schedules are sent."""

    @property
    @override
    def is_on(self) -> bool:
        """As chosen."""
        return self.planner.automatic

    @override
    async def async_turn_on(self, **kwargs: Any) -> None:
        """Send schedules."""
        await self.planner.choose(automatic=True)

    @override
    async def async_turn_off(self, **kwargs: Any) -> None:
        """Send none, and withdraw what was sent."""
        await self.planner.choose(automatic=False)


class ReserveNumber(PlannerEntity, NumberEntity):
    """What is kept for outages."""

    _attr_native_min_value = 0
    _attr_native_max_value = 100
    _attr_native_step = 1
    _attr_native_unit_of_measurement = PERCENTAGE
    _attr_mode = NumberMode.SLIDER

    @property
    @override
    def native_value(self) -> float:
        """As chosen."""
        return self.planner.reserve

    @property
    @override
    def extra_state_attributes(self) -> dict[str, Any]:
        """What a storm raises it to."""
        return {"in_force": self.planner.effective_reserve_now}

    @override
    async def async_set_native_value(self, value: float) -> None:
        """Keep it and plan with it."""
        await self.planner.choose(reserve=value)


class StrategySelect(PlannerEntity, SelectEntity):
    """What the batteries are for."""

    def __init__(self, entry: MicrogridConfigEntry, planner: Planner, key: str) -> None:
        """Name what can be chosen."""
        super().__init__(entry, planner, key)
        self._attr_options = list(STRATEGIES)

    @property
    @override
    def current_option(self) -> str:
        """As chosen."""
        return self.planner.strategy

    @override
    async def async_select_option(self, option: str) -> None:
        """Keep it and plan with it."""
        await self.planner.choose(strategy=option)


class PlannerEvent(PlannerEntity, EventEntity):
    """What happened in planning: the rule took over, the plan is back, another model, a refusal, a report."""

    _unrecorded_attributes = frozenset({"scores"})

    def __init__(self, entry: MicrogridConfigEntry, planner: Planner, key: str) -> None:
        """Name what can happen."""
        super().__init__(entry, planner, key)
        self._attr_event_types = list(HAPPENINGS)

    @override
    async def async_added_to_hass(self) -> None:
        """Be told what happens."""
        await super().async_added_to_hass()
        self.async_on_remove(self.planner.on_event(self._on_event))

    @callback
    def _on_event(self, kind: str, values: dict[str, Any]) -> None:
        self._trigger_event(kind, values)
        self.async_write_ha_state()


def _add(
    entry: MicrogridConfigEntry,
    async_add_entities: AddConfigEntryEntitiesCallback,
    make: Callable[[Planner], list[Entity]],
) -> None:
    if (planner := entry.runtime_data.planner) is None:
        return
    subentry = next(iter(entry.get_subentries_of_type(SUBENTRY_PLANNER)))
    async_add_entities(make(planner), config_subentry_id=subentry.subentry_id)


def add_sensors(entry: MicrogridConfigEntry, async_add_entities: AddConfigEntryEntitiesCallback) -> None:
    """Add the sensors: those of the plan, and of what is settled, for each house as soon as it is there."""
    _add(
        entry,
        async_add_entities,
        lambda planner: [PlannerSensor(entry, planner, description) for description in SENSORS],
    )
    if (desk := entry.runtime_data.settlement) is None:
        return
    _add(
        entry,
        async_add_entities,
        lambda planner: [ConnectionBill(entry, planner, desk, span) for span in RANGES],
    )
    added: set[str] = set()

    @callback
    def add_houses() -> None:
        new = [house for house in desk.houses if house not in added]
        added.update(new)
        if new:
            _add(
                entry,
                async_add_entities,
                lambda planner: [
                    HousePayment(entry, planner, desk, span, house) for house in new for span in RANGES
                ],
            )

    @callback
    def look(change: Change) -> None:
        if isinstance(change, NodeChanged):
            add_houses()

    entry.async_on_unload(entry.runtime_data.swarm.subscribe(look))
    add_houses()


def add_switches(entry: MicrogridConfigEntry, async_add_entities: AddConfigEntryEntitiesCallback) -> None:
    """Add the switch."""
    _add(entry, async_add_entities, lambda planner: [AutomaticPlanning(entry, planner, "automatic_planning")])


def add_numbers(entry: MicrogridConfigEntry, async_add_entities: AddConfigEntryEntitiesCallback) -> None:
    """Add the number."""
    _add(entry, async_add_entities, lambda planner: [ReserveNumber(entry, planner, "planner_reserve")])


def add_selects(entry: MicrogridConfigEntry, async_add_entities: AddConfigEntryEntitiesCallback) -> None:
    """Add the select."""
    _add(entry, async_add_entities, lambda planner: [StrategySelect(entry, planner, "planner_strategy")])


def add_events(entry: MicrogridConfigEntry, async_add_entities: AddConfigEntryEntitiesCallback) -> None:
    """Add the event entity."""
    _add(entry, async_add_entities, lambda planner: [PlannerEvent(entry, planner, "planner")])
