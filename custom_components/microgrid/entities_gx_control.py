"""Controls of a Victron GX: they exist where the user allowed them and show what the station reads back."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import time
from typing import TYPE_CHECKING, Any, Final, override

from homeassistant.components.button import ButtonEntity
from homeassistant.components.number import NumberDeviceClass, NumberEntity, NumberMode
from homeassistant.components.select import SelectEntity
from homeassistant.components.switch import SwitchEntity
from homeassistant.components.time import TimeEntity
from homeassistant.const import EntityCategory, UnitOfPower, UnitOfRatio, UnitOfTime
from homeassistant.core import callback
from homeassistant.helpers.entity_platform import AddConfigEntryEntitiesCallback

from .core.gx.control import SETPOINT, may_be_written, present, slot_day, slot_value
from .core.gx.enums import ENUMS
from .core.gx.tree import Leaf
from .core.gx.value import Scalar
from .core.model.swarm import Change, NodeChanged
from .entity import NodeEntity

if TYPE_CHECKING:
    from .core.model.swarm import Node
    from .gx_control import GxControl
    from .gx_station import GxStation
    from .runtime import MicrogridConfigEntry, MicrogridRuntime

_MODES: Final = ENUMS["inverter_charger_mode"]
_DAYS: Final = {
    7: "every_day",
    8: "weekdays",
    9: "weekends",
    0: "sunday",
    1: "monday",
    2: "tuesday",
    3: "wednesday",
    4: "thursday",
    5: "friday",
    6: "saturday",
}
_DAY_S: Final = 86_400


@dataclass(frozen=True, slots=True)
class Shown:
    """How one control is shown."""

    name: str
    """Of the translation; the number of a slot or relay becomes a placeholder, counted from 1."""
    number: int | None = None

    @property
    def placeholders(self) -> dict[str, str]:
        """What stands in the name."""
        return {} if self.number is None else {"number": str(self.number + 1)}


def shown(key: str) -> Shown:
    """Return how the control of a key is called: `charge_2_start` is `gx_charge_start` of number 2."""
    digits = [part for part in key.split("_") if part.isdecimal()]
    number = int(digits[0]) if digits else None
    return Shown("gx_" + "_".join(part for part in key.split("_") if not part.isdecimal()), number)


class GxControlEntity(NodeEntity):
    """One control; its state is what the station says, never what was asked for."""

    _attr_entity_category = EntityCategory.CONFIG

    def __init__(
        self, runtime: MicrogridRuntime, station: GxStation, node: Node, control: GxControl, key: str
    ) -> None:
        """Link the control to its station."""
        super().__init__(runtime, node, f"control_{key}")
        self.station = station
        self.control = control
        self.control_key = key
        self._leaf = control.leaf(key)
        named = shown(key)
        self._attr_translation_key = named.name
        self._attr_translation_placeholders = named.placeholders
        # Five slots have thirty entities, and most people use one slot.
        self._attr_entity_registry_enabled_default = not key.startswith("charge_") or named.number == 0

    @property
    @override
    def available(self) -> bool:
        """Whether the station is there and has the path."""
        leaf = self.control.leaf(self.control_key)
        return self.station.connected and leaf is not None and (leaf.valid or self.control_key == SETPOINT)

    @property
    def told(self) -> float | None:
        """What the station says."""
        leaf = self.control.leaf(self.control_key)
        return None if leaf is None else leaf.number

    @override
    async def async_added_to_hass(self) -> None:
        """Follow the station."""
        await super().async_added_to_hass()
        self.async_on_remove(self.station.on_change(self._changed))

    @callback
    def _changed(self, leaves: tuple[Leaf, ...]) -> None:
        before, self._leaf = self._leaf, self.control.leaf(self.control_key)
        # A device that left has no path any more, and told so by the one that it had.
        if not leaves or before in leaves or self._leaf in leaves:
            self.async_write_ha_state()

    async def _send(self, value: Scalar) -> None:
        """Write, in the name of who called; raises HomeAssistantError."""
        await self.control.set(self.control_key, value, context=self._context)
        self.async_write_ha_state()


class GxSelect(GxControlEntity, SelectEntity):
    """A choice."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Take the options from the enumeration."""
        super().__init__(*args, **kwargs)
        self._names: Mapping[int, str] = _DAYS if self.control_key.endswith("_day") else _MODES
        self._attr_options = list(self._names.values())

    @property
    @override
    def current_option(self) -> str | None:
        """What the station says; None for what is no option, as a slot of once a month."""
        if self.told is None:
            return None
        value = slot_day(self.told)[0] if self._names is _DAYS else int(self.told)
        return self._names.get(value)

    @override
    async def async_select_option(self, option: str) -> None:
        """Write the choice; a slot that is off stays off."""
        value = next(number for number, name in self._names.items() if name == option)
        if self._names is _DAYS and self.told is not None:
            value = slot_value(value, slot_day(self.told)[1])
        await self._send(value)


@dataclass(frozen=True, slots=True)
class Quantity:
    """How a number is shown."""

    unit: str
    step: float
    device_class: NumberDeviceClass | None = None
    factor: float = 1.0
    """What the station counts one of ours as."""


_WATTS: Final = Quantity(UnitOfPower.WATT, 1, NumberDeviceClass.POWER)
_PERCENT: Final = Quantity(UnitOfRatio.PERCENTAGE, 1)
_QUANTITIES: Final = {
    "gx_grid_setpoint": _WATTS,
    "gx_setpoint_override": _WATTS,
    "gx_minimum_state_of_charge": _PERCENT,
    "gx_charge_target": _PERCENT,
    "gx_charge_duration": Quantity(UnitOfTime.MINUTES, 1, NumberDeviceClass.DURATION, 60.0),
}


class GxNumber(GxControlEntity, NumberEntity):
    """A number within the limits that the station names."""

    _attr_mode = NumberMode.BOX

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Take unit and step from the table."""
        super().__init__(*args, **kwargs)
        quantity = _QUANTITIES[shown(self.control_key).name]
        self._factor = quantity.factor
        self._attr_native_unit_of_measurement = quantity.unit
        self._attr_native_step = quantity.step
        self._attr_device_class = quantity.device_class

    @property
    @override
    def native_value(self) -> float | None:
        """What the station says."""
        return None if self.told is None else self.told / self._factor

    @property
    @override
    def native_min_value(self) -> float:
        """The least that the station takes."""
        allowed = self.control.limits(self.control_key)
        return 0.0 if allowed is None else allowed.minimum / self._factor

    @property
    @override
    def native_max_value(self) -> float:
        """The most that the station takes."""
        allowed = self.control.limits(self.control_key)
        return 100.0 if allowed is None else allowed.maximum / self._factor

    @override
    async def async_set_native_value(self, value: float) -> None:
        """Write the number."""
        await self._send(value * self._factor)


class GxSwitch(GxControlEntity, SwitchEntity):
    """A relay, or a slot of scheduled charging."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Name the switch of a slot apart from the choice of its day."""
        super().__init__(*args, **kwargs)
        self._slot = self.control_key.endswith("_day")
        self._turned = self.control_key.endswith("_beyond")
        """The station counts 0 as yes."""
        if self._slot:
            self._attr_unique_id = f"{self._attr_unique_id}_on"
            self._attr_translation_key = "gx_charge"

    @property
    @override
    def is_on(self) -> bool | None:
        """What the station says."""
        if self.told is None:
            return None
        return slot_day(self.told)[1] if self._slot else (self.told != 0) is not self._turned

    @override
    async def async_turn_on(self, **kwargs: Any) -> None:
        """Switch on."""
        await self._turn(True)

    @override
    async def async_turn_off(self, **kwargs: Any) -> None:
        """Switch off."""
        await self._turn(False)

    async def _turn(self, on: bool) -> None:
        if self._slot:
            await self._send(slot_value(slot_day(self.told or 0)[0], on))
        else:
            await self._send(int(on is not self._turned))


class GxTime(GxControlEntity, TimeEntity):
    """The start of a slot, on the clock of the station's time zone."""

    @property
    @override
    def native_value(self) -> time | None:
        """What the station says."""
        if self.told is None:
            return None
        minutes, second = divmod(int(self.told) % _DAY_S, 60)
        return time(*divmod(minutes, 60), second)

    @override
    async def async_set_value(self, value: time) -> None:
        """Write the time."""
        await self._send((value.hour * 60 + value.minute) * 60 + value.second)


class GxRelease(NodeEntity, ButtonEntity):
    """Gives back everything that we hold at a station."""

    _attr_entity_category = EntityCategory.CONFIG
    _attr_translation_key = "gx_release"

    def __init__(self, runtime: MicrogridRuntime, node: Node, control: GxControl) -> None:
        """Link the button to the control of the station."""
        super().__init__(runtime, node, "control_release")
        self.control = control

    @override
    async def async_press(self) -> None:
        """Release; raises HomeAssistantError when the station did not confirm it."""
        await self.control.release(context=self._context)


def is_select(key: str) -> bool:
    """Whether a control is a choice."""
    return key == "mode" or key.endswith("_day")


def is_number(key: str) -> bool:
    """Whether a control is a number."""
    return shown(key).name in _QUANTITIES


def is_switch(key: str) -> bool:
    """Whether a control is on or off; the day of a slot also tells whether the slot is."""
    return key.startswith("relay_") or key.endswith(("_day", "_beyond"))


def is_time(key: str) -> bool:
    """Whether a control is a time of day."""
    return key.endswith("_start")


type _Make = type[GxControlEntity]


def add_selects(entry: MicrogridConfigEntry, async_add_entities: AddConfigEntryEntitiesCallback) -> None:
    """Add the choices."""
    _add(entry, async_add_entities, GxSelect, is_select)


def add_numbers(entry: MicrogridConfigEntry, async_add_entities: AddConfigEntryEntitiesCallback) -> None:
    """Add the numbers."""
    _add(entry, async_add_entities, GxNumber, is_number)


def add_switches(entry: MicrogridConfigEntry, async_add_entities: AddConfigEntryEntitiesCallback) -> None:
    """Add the switches."""
    _add(entry, async_add_entities, GxSwitch, is_switch)


def add_times(entry: MicrogridConfigEntry, async_add_entities: AddConfigEntryEntitiesCallback) -> None:
    """Add the times."""
    _add(entry, async_add_entities, GxTime, is_time)


def add_buttons(entry: MicrogridConfigEntry, async_add_entities: AddConfigEntryEntitiesCallback) -> None:
    """Add the button that gives everything back, where something may be held."""
    runtime = entry.runtime_data

    def make(station: GxStation, node: Node, control: GxControl, keys: list[str]) -> None:
        if SETPOINT in keys:
            async_add_entities([GxRelease(runtime, node, control)])

    _watch(entry, make)


def _add(
    entry: MicrogridConfigEntry,
    async_add_entities: AddConfigEntryEntitiesCallback,
    kind: _Make,
    wanted: Callable[[str], bool],
) -> None:
    runtime = entry.runtime_data

    def make(station: GxStation, node: Node, control: GxControl, keys: list[str]) -> None:
        if entities := [kind(runtime, station, node, control, key) for key in keys if wanted(key)]:
            async_add_entities(entities)

    _watch(entry, make)


def _watch(
    entry: MicrogridConfigEntry, make: Callable[[GxStation, Node, GxControl, list[str]], None]
) -> None:
    """Tell `make` of the controls that a station has, those of now and those that appear later."""
    runtime = entry.runtime_data

    def follow(station: GxStation, control: GxControl) -> None:
        known: set[str] = set()

        @callback
        def look(leaves: tuple[Leaf, ...] = ()) -> None:
            if leaves and not any(may_be_written(leaf) for leaf in leaves):
                return
            node = runtime.swarm.nodes.get(station.node_id)
            found = [key for key in present(station.tree) if control.allows(key) and key not in known]
            if node is not None and found:
                known.update(found)
                make(station, node, control, found)

        @callback
        def changed(change: Change) -> None:
            if isinstance(change, NodeChanged) and change.node.node_id == station.node_id:
                look()

        entry.async_on_unload(station.on_change(look))
        entry.async_on_unload(runtime.swarm.subscribe(changed))
        look()

    for subentry_id, control in runtime.gx_controls.items():
        if (station := runtime.gx.stations.get(subentry_id)) is not None:
            follow(station, control)
