"""Settings of nodes as entities: a command that a node declares becomes a number, select, switch or button.

A setting shows what the node reads back and nothing else: between the command and the next message of the
node it stands where it stood.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, override

from homeassistant.components.button import ButtonEntity
from homeassistant.components.number import NumberDeviceClass, NumberEntity, NumberMode
from homeassistant.components.select import SelectEntity
from homeassistant.components.switch import SwitchEntity
from homeassistant.const import EntityCategory
from homeassistant.core import callback
from homeassistant.exceptions import HomeAssistantError, ServiceValidationError
from homeassistant.helpers.entity import Entity
from homeassistant.helpers.entity_platform import AddConfigEntryEntitiesCallback

from .const import DOMAIN
from .core.contract.messages import (
    SETTER_PARAMETER,
    CommandCapability,
    CommandStatus,
    Parameter,
    ParameterType,
    Scalar,
)
from .core.model.metric import Metric
from .core.model.swarm import Change, Node, NodeChanged, NodeRemoved, ValuesChanged
from .entity import NodeEntity

if TYPE_CHECKING:
    from .runtime import MicrogridConfigEntry, MicrogridRuntime

ANSWER_S: Final = 30.0
"""A setting is written, and read back by the node, over a slow line."""
NAMED_BUTTONS: Final = frozenset({"resume_writing"})
NAMED: Final = {
    "number": frozenset(
        {
            "battery_bulk_voltage",
            "battery_float_voltage",
            "battery_recharge_voltage",
            "battery_redischarge_voltage",
            "battery_under_voltage",
            "equalization_over_time",
            "equalization_period",
            "equalization_time",
            "equalization_voltage",
            "max_ac_charging_current",
            "max_charging_current",
            "max_charging_time_cv",
            "max_discharging_current",
        }
    ),
    "select": frozenset({"charger_source_priority", "input_voltage_range", "output_source_priority"}),
    "switch": frozenset(
        {
            "alarm_primary_source_interrupt",
            "backlight",
            "buzzer",
            "equalization_enabled",
            "fault_code_record",
            "lcd_escape",
            "over_temperature_restart",
            "overload_bypass",
            "overload_restart",
            "power_saving",
        }
    ),
}
"""Settings that have names in every language; another one is called as its node calls it."""

type _Make = Callable[[MicrogridRuntime, Node, CommandCapability], CommandEntity | None]


def add_numbers(entry: MicrogridConfigEntry, async_add_entities: AddConfigEntryEntitiesCallback) -> None:
    """Add a number for every setting that is one, now and later."""
    _add(entry, async_add_entities, _setting(ParameterType.NUMBER, CommandNumber))


def add_selects(entry: MicrogridConfigEntry, async_add_entities: AddConfigEntryEntitiesCallback) -> None:
    """Add a select for every setting with choices, now and later."""
    _add(entry, async_add_entities, _setting(ParameterType.CHOICE, CommandSelect))


def add_switches(entry: MicrogridConfigEntry, async_add_entities: AddConfigEntryEntitiesCallback) -> None:
    """Add a switch for every setting that is on or off, now and later."""
    _add(entry, async_add_entities, _setting(ParameterType.BOOLEAN, CommandSwitch))


def add_buttons(entry: MicrogridConfigEntry, async_add_entities: AddConfigEntryEntitiesCallback) -> None:
    """Add a button for every command without parameters, now and later."""
    _add(
        entry,
        async_add_entities,
        lambda runtime, node, command: None if command.parameters else CommandButton(runtime, node, command),
    )


def _add(
    entry: MicrogridConfigEntry, async_add_entities: AddConfigEntryEntitiesCallback, make: _Make
) -> None:
    """Add entities as births declare their commands, and tell them what changes."""
    runtime = entry.runtime_data
    made: dict[str, dict[str, CommandEntity]] = {}

    @callback
    def look(node: Node) -> None:
        known = made.setdefault(node.node_id, {})
        fresh: list[Entity] = []
        for command in node.birth.commands if node.birth else ():
            if command.name not in known and (entity := make(runtime, node, command)) is not None:
                known[command.name] = entity
                fresh.append(entity)
        if fresh:
            async_add_entities(fresh)

    @callback
    def changed(change: Change) -> None:
        if isinstance(change, ValuesChanged):
            for entity in made.get(change.node.node_id, {}).values():
                entity.on_values(change.keys)
        elif isinstance(change, NodeChanged):
            for entity in made.get(change.node.node_id, {}).values():
                entity.on_birth()
            look(change.node)
        elif isinstance(change, NodeRemoved):
            made.pop(change.node.node_id, None)

    for node in runtime.swarm.nodes.values():
        look(node)
    entry.async_on_unload(runtime.swarm.subscribe(changed))


def _setting(
    kind: ParameterType, of: type[CommandNumber | CommandSelect | CommandSwitch]
) -> Callable[[MicrogridRuntime, Node, CommandCapability], CommandEntity | None]:
    """Return what makes the entity of a setting of this type whose metric the node's kind has."""

    def make(runtime: MicrogridRuntime, node: Node, command: CommandCapability) -> CommandEntity | None:
        metric = next((metric for metric in node.kind.metrics if metric.key == command.sets), None)
        if metric is None or command.parameters[0].type is not kind:
            return None
        return of(runtime, node, command, metric)

    return make


class CommandEntity(NodeEntity):
    """Sends one command of a node."""

    _attr_entity_category = EntityCategory.CONFIG

    def __init__(
        self, runtime: MicrogridRuntime, node: Node, command: CommandCapability, component: str = ""
    ) -> None:
        """Know the command as it was declared at first."""
        super().__init__(runtime, node, command.name, component)
        self.command = command

    @property
    @override
    def available(self) -> bool:
        """As long as the node is there and declares the command."""
        return super().available and self._declared is not None

    @property
    def _declared(self) -> CommandCapability | None:
        """The command as the newest birth has it."""
        declared = self.node.birth.commands if self.node.birth else ()
        return next((command for command in declared if command.name == self.command.name), None)

    @callback
    def on_values(self, keys: frozenset[str]) -> None:
        """Newest values of the node arrived."""

    @callback
    def on_birth(self) -> None:
        """The node said anew what it can."""
        self._write_state()

    def _write_state(self) -> None:
        if self.hass is not None and self.platform is not None:  # it may be on its way to the platform
            self.async_write_ha_state()

    async def _send(self, parameters: dict[str, Scalar]) -> None:
        """Send the command; raises in words what the node refuses or what went wrong."""
        commands, name = self.runtime.commands, self.command.name
        if reasons := commands.check(self.node, name, parameters):
            raise ServiceValidationError(
                translation_domain=DOMAIN,
                translation_key="command_refused",
                translation_placeholders={"reasons": "; ".join(reasons)},
            )
        result = await commands.send(self.node, name, parameters, ANSWER_S)
        if result.status is not CommandStatus.SUCCEEDED:
            raise HomeAssistantError(
                translation_domain=DOMAIN,
                translation_key="command_not_executed",
                translation_placeholders={
                    "command": name,
                    "failures": f"{self.node.name}: {result.status.value} ({result.reason or '–'})",
                },
            )


class CommandButton(CommandEntity, ButtonEntity):
    """A command without parameters. What we do not know by its name has to be enabled first."""

    def __init__(self, runtime: MicrogridRuntime, node: Node, command: CommandCapability) -> None:
        """Name the entity."""
        super().__init__(runtime, node, command)
        known = command.name in NAMED_BUTTONS
        self._attr_translation_key = command.name if known else "command"
        self._attr_translation_placeholders = {} if known else {"command": _spoken(command.name)}
        self._attr_entity_registry_enabled_default = known

    @override
    async def async_press(self) -> None:
        """Send it."""
        await self._send({})


class SettingEntity(CommandEntity):
    """A command that sets one metric."""

    named: frozenset[str]

    def __init__(
        self, runtime: MicrogridRuntime, node: Node, command: CommandCapability, metric: Metric
    ) -> None:
        """Take the name from the metric."""
        super().__init__(runtime, node, command, metric.component)
        self.metric = metric
        known = metric.name in self.named
        self._attr_translation_key = metric.name if known else "setting"
        self._attr_translation_placeholders = {} if known else {"setting": _spoken(metric.key)}
        self._take(command.parameters[0])

    def _take(self, parameter: Parameter) -> None:
        """Take the limits that the node declares."""

    @property
    @override
    def available(self) -> bool:
        """Also only while the command has the type that this entity is made for."""
        return super().available and self._parameter is not None

    @property
    def _parameter(self) -> Parameter | None:
        """The parameter as the newest birth has it; None when it is none that this entity is made for."""
        if (declared := self._declared) is None or declared.sets != self.metric.key:
            return None
        parameter = declared.parameters[0]
        return parameter if parameter.type is self.command.parameters[0].type else None

    @override
    @callback
    def on_birth(self) -> None:
        """Limits may have changed."""
        if (parameter := self._parameter) is not None:
            self._take(parameter)
        super().on_birth()

    @override
    @callback
    def on_values(self, keys: frozenset[str]) -> None:
        """Show what the node reads back."""
        if self.metric.key in keys:
            self._write_state()

    async def _set(self, value: Scalar) -> None:
        await self._send({SETTER_PARAMETER: value})


class CommandNumber(SettingEntity, NumberEntity):
    """A setting with a number."""

    named = NAMED["number"]
    _attr_mode = NumberMode.BOX

    @override
    def _take(self, parameter: Parameter) -> None:
        assert parameter.minimum is not None  # numbers without limits are no birth
        assert parameter.maximum is not None
        self._attr_native_min_value = parameter.minimum
        self._attr_native_max_value = parameter.maximum
        self._attr_native_step = parameter.step or 10.0 ** -(self.metric.precision or 0)
        self._attr_native_unit_of_measurement = self.metric.unit or parameter.unit
        if self.metric.device_class in set(NumberDeviceClass):
            self._attr_device_class = NumberDeviceClass(self.metric.device_class)

    @property
    @override
    def native_value(self) -> float | None:
        """What the node reads back."""
        value = self.node.values.get(self.metric.key)
        return float(value) if isinstance(value, (int, float)) else None

    @override
    async def async_set_native_value(self, value: float) -> None:
        """Set it."""
        await self._set(value)


class CommandSelect(SettingEntity, SelectEntity):
    """A setting with choices."""

    named = NAMED["select"]

    @override
    def _take(self, parameter: Parameter) -> None:
        self._attr_options = list(parameter.options)

    @property
    @override
    def current_option(self) -> str | None:
        """What the node reads back; unknown when it is none of what may be chosen."""
        value = self.node.values.get(self.metric.key)
        return value if isinstance(value, str) and value in self.options else None

    @override
    async def async_select_option(self, option: str) -> None:
        """Set it."""
        await self._set(option)


class CommandSwitch(SettingEntity, SwitchEntity):
    """A setting that is on or off."""

    named = NAMED["switch"]

    @property
    @override
    def is_on(self) -> bool | None:
        """What the node reads back."""
        value = self.node.values.get(self.metric.key)
        return value if isinstance(value, bool) else None

    @override
    async def async_turn_on(self, **kwargs: Any) -> None:
        """Set it."""
        await self._set(True)

    @override
    async def async_turn_off(self, **kwargs: Any) -> None:
        """Reset it."""
        await self._set(False)


def _spoken(key: str) -> str:
    """Return a key as words: `resume_writing` is `Resume writing`."""
    return key.replace("_", " ").capitalize()
