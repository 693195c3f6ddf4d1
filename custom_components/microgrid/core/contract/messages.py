"""Messages of the contract as values, and their parsers, which never raise on what comes from outside."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Final

from .reading import (
    MAX_FUTURE,
    Fields,
    Refused,
    RejectReason,
    clean_text,
    decode_object,
    decode_text,
    parser,
)
from .topics import IDENTIFIER, PROTOCOL

KEY = re.compile(r"[a-z][a-z0-9_]{0,47}", re.ASCII)
EVENT_ID = re.compile(r"[A-Za-z0-9_.:-]{1,64}", re.ASCII)
CODE = re.compile(r"[A-Z][A-Z0-9_]{1,15}", re.ASCII)
MAX_BOOT_ID = 2**32 - 1
NO_BOOT: Final = 0
"""Boot of what Home Assistant itself concludes about a node."""
MAX_SEQ = 2**32 - 1
_MAX_VALUES = 256
_MAX_NODES = 64
MAX_FAULTS = 32
_MAX_TEXT = 255
_MAX_MAGNITUDE = 2**63
_LEAST_STEP = 1e-6
MAX_POWER_W = 10_000_000

Scalar = float | int | bool | str


class NodeKind(StrEnum):
    """Kinds of nodes that announce themselves."""

    HOUSE = "house"
    GATEWAY = "gateway"
    MPP_INVERTER = "mpp_inverter"
    BATTERY = "battery"
    HEAT_PUMP = "heat_pump"


class ParameterType(StrEnum):
    """Type of a command's parameter."""

    NUMBER = "number"
    BOOLEAN = "boolean"
    CHOICE = "choice"


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter of a command with the limits that its node declared."""

    name: str
    type: ParameterType
    minimum: float | None = None
    maximum: float | None = None
    options: tuple[str, ...] = ()
    unit: str | None = None
    step: float | None = None
    """Numbers between are not taken, counted from `minimum`; None: any."""

    def refusal(self, value: object) -> str | None:
        """Return why `value` is not acceptable, or None."""
        if self.type is ParameterType.BOOLEAN:
            return None if isinstance(value, bool) else f"{self.name} must be true or false"
        if self.type is ParameterType.CHOICE:
            return None if value in self.options else f"{self.name} must be one of {', '.join(self.options)}"
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            return f"{self.name} must be a number"
        if not abs(value) <= _MAX_MAGNITUDE:  # so that NaN fails too
            return f"{self.name} must be a finite number"
        if self.minimum is not None and value < self.minimum:
            return f"{self.name} = {value:g} is below {self.minimum:g}{self._unit}"
        if self.maximum is not None and value > self.maximum:
            return f"{self.name} = {value:g} is above {self.maximum:g}{self._unit}"
        if self.step is not None and not _on_grid(value, self.minimum or 0.0, self.step):
            return f"{self.name} = {value:g} lies between two steps of {self.step:g}{self._unit}"
        return None

    @property
    def _unit(self) -> str:
        return f" {self.unit}" if self.unit else ""


def _on_grid(value: float, low: float, step: float) -> bool:
    steps = (value - low) / step
    # As fine as any device: decimals are rarely exact in binary.
    return abs(steps - round(steps)) < 1e-3


SETTER: Final = "set_"
SETTER_PARAMETER: Final = "value"


@dataclass(frozen=True, slots=True)
class CommandCapability:
    """A command that a node accepts."""

    name: str
    parameters: tuple[Parameter, ...] = ()

    @property
    def sets(self) -> str | None:
        """Return the metric whose value this command sets and which reads it back; None for other commands.

        Such a command is called `set_` and the key of the metric, and its one parameter `value`.
        """
        if [parameter.name for parameter in self.parameters] != [SETTER_PARAMETER]:
            return None
        return self.name.removeprefix(SETTER) if self.name.startswith(SETTER) else None


class ScheduleMode(StrEnum):
    """What a battery does during an interval of a schedule; the order gives the numbers 0 to 3."""

    IDLE = "idle"
    DISCHARGE = "discharge"
    CHARGE = "charge"
    FOLLOW = "follow"
    """Follow the load of the house, by the value curve when the schedule has one."""


@dataclass(frozen=True, slots=True)
class ScheduleCapability:
    """What a node that executes schedules can do."""

    modes: tuple[ScheduleMode, ...]
    max_charge_w: float
    max_discharge_w: float


@dataclass(frozen=True, slots=True)
class Birth:
    """A node announces itself (retained)."""

    kind: NodeKind
    name: str
    boot_id: int
    parent: str | None = None
    protocol: int = PROTOCOL
    hardware: str | None = None
    firmware: str | None = None
    interval_s: float | None = None
    time: datetime | None = None
    metrics: tuple[str, ...] = ()
    log_channels: tuple[str, ...] = ()
    commands: tuple[CommandCapability, ...] = ()
    schedule: ScheduleCapability | None = None
    """None when the node takes no schedules."""


@dataclass(frozen=True, slots=True)
class Live:
    """Newest values of one node."""

    boot_id: int
    seq: int
    time: datetime | None
    """None while the node's clock is not set."""
    values: Mapping[str, Scalar | None]
    """By metric key; None is a value that the node knows to be invalid."""
    faults: tuple[str, ...] | None = None
    """Codes active now; None when the node does not tell."""


@dataclass(frozen=True, slots=True)
class LiveMessage:
    """A live message: the node's own values and, from a gateway, those of its houses."""

    own: Live | None
    nodes: Mapping[str, Live] = field(default_factory=dict)


class EventType(StrEnum):
    """What an event tells."""

    FAULT = "fault"
    ALARM = "alarm"
    CONTACTOR = "contactor"
    SYNC = "sync"
    BOOT = "boot"
    OVERFLOW = "overflow"


class EventState(StrEnum):
    """Whether a condition began, ended, or the event has no duration."""

    RAISED = "raised"
    CLEARED = "cleared"
    MOMENT = "moment"


class Severity(StrEnum):
    """How much it matters."""

    INFO = "info"
    WARNING = "warning"
    CRITICAL = "critical"


@dataclass(frozen=True, slots=True)
class NodeEvent:
    """Something happened at a node."""

    event_id: str
    type: EventType
    state: EventState
    code: str
    severity: Severity
    boot_id: int
    seq: int
    time: datetime | None
    values: Mapping[str, Scalar | None]


@dataclass(frozen=True, slots=True)
class LogAck:
    """The receiver has everything of this boot up to `seq` on disk (retained)."""

    boot_id: int
    seq: int


@dataclass(frozen=True, slots=True)
class Command:
    """A command to a node."""

    id: str
    command: str
    parameters: Mapping[str, Scalar]
    expires_at: datetime


class CommandStatus(StrEnum):
    """How a command ended."""

    SUCCEEDED = "succeeded"
    FAILED = "failed"
    REJECTED = "rejected"
    EXPIRED = "expired"


@dataclass(frozen=True, slots=True)
class CommandResult:
    """The answer to a command."""

    id: str
    status: CommandStatus
    reason: str | None
    values: Mapping[str, Scalar | None]


def _scalars(fields: Fields, key: str) -> dict[str, Scalar | None]:
    found: dict[str, Scalar | None] = {}
    for name, read in fields.items(key, _MAX_VALUES):
        value = read
        if KEY.fullmatch(name) is None:
            raise Refused(RejectReason.BAD_VALUE, f"{key}: a name does not match {KEY.pattern}")
        if isinstance(value, str):
            value = clean_text(value, _MAX_TEXT)
        elif isinstance(value, (int, float)) and abs(value) > _MAX_MAGNITUDE:  # 1e400 reads as infinity
            raise Refused(RejectReason.BAD_VALUE, f"{key}.{name} is beyond 64 bits")
        elif isinstance(value, (dict, list)):
            raise Refused(RejectReason.WRONG_TYPE, f"{key}.{name} is no scalar")
        found[name] = value
    return found


def _optional_time(fields: Fields, now: datetime) -> datetime | None:
    return fields.time("time", now) if fields.has("time") else None


def _credible_time(fields: Fields, now: datetime) -> datetime | None:
    time = fields.time("time") if fields.has("time") else None
    return time if time is not None and time <= now + MAX_FUTURE else None


def _parameter(fields: Fields) -> Parameter:
    kind = fields.choice("type", ParameterType)
    number = kind is ParameterType.NUMBER
    if kind is ParameterType.CHOICE:
        if not (options := fields.texts("options", 32, KEY)):
            raise Refused(RejectReason.BAD_VALUE, "a choice without options")
    else:
        options = ()
    parameter = Parameter(
        name=fields.text("name", pattern=KEY),
        type=kind,
        minimum=fields.number("minimum") if number else None,
        maximum=fields.number("maximum") if number else None,
        options=options,
        unit=fields.text("unit", 8) if fields.has("unit") else None,
        step=fields.number("step", _LEAST_STEP) if number and fields.has("step") else None,
    )
    low, high = parameter.minimum, parameter.maximum
    if low is not None and high is not None and low > high:
        raise Refused(RejectReason.BAD_VALUE, f"{parameter.name}: minimum is above maximum")
    return parameter


def _command_capability(fields: Fields) -> CommandCapability:
    parameters = fields.objects("parameters", 16) if fields.has("parameters") else []
    return CommandCapability(
        name=fields.text("name", pattern=KEY),
        parameters=tuple(_parameter(item) for item in parameters),
    )


def _schedule_capability(fields: Fields) -> ScheduleCapability:
    modes = fields.texts("modes", len(ScheduleMode), KEY)
    if not set(modes) <= set(ScheduleMode):
        raise Refused(RejectReason.BAD_VALUE, f"schedule.modes: only {', '.join(ScheduleMode)} are modes")
    return ScheduleCapability(
        modes=tuple(mode for mode in ScheduleMode if mode in modes),
        max_charge_w=fields.number("max_charge_w", 0.0, MAX_POWER_W),
        max_discharge_w=fields.number("max_discharge_w", 0.0, MAX_POWER_W),
    )


@parser
def parse_birth(payload: bytes, now: datetime) -> Birth:
    """Read a birth message; a time more than a day after `now` counts as absent.

    A birth comes once: refused by a receiver whose clock is not set yet, its node would never be heard.
    """
    fields = decode_object(payload)
    protocol = fields.integer("protocol", 1, 2**16)
    if protocol > PROTOCOL:
        raise Refused(RejectReason.PROTOCOL_TOO_NEW, f"protocol {protocol}, this side reads up to {PROTOCOL}")
    metrics: tuple[str, ...] = ()
    log_channels: tuple[str, ...] = ()
    commands: tuple[CommandCapability, ...] = ()
    schedule: ScheduleCapability | None = None
    if fields.has("capabilities"):
        capabilities = fields.object("capabilities")
        if capabilities.has("metrics"):
            metrics = capabilities.texts("metrics", _MAX_VALUES, KEY)
        if capabilities.has("log_channels"):
            log_channels = capabilities.texts("log_channels", _MAX_VALUES, KEY)
        if capabilities.has("commands"):
            commands = tuple(_command_capability(item) for item in capabilities.objects("commands", 32))
        if capabilities.has("schedule"):
            schedule = _schedule_capability(capabilities.object("schedule"))
    return Birth(
        protocol=protocol,
        kind=fields.choice("kind", NodeKind),
        name=fields.text("name"),
        boot_id=fields.integer("boot_id", 0, MAX_BOOT_ID),
        parent=fields.text("parent", pattern=IDENTIFIER) if fields.has("parent") else None,
        hardware=fields.text("hardware") if fields.has("hardware") else None,
        firmware=fields.text("firmware") if fields.has("firmware") else None,
        interval_s=fields.number("interval_s", 0.1, 86400.0) if fields.has("interval_s") else None,
        time=_credible_time(fields, now),
        metrics=metrics,
        log_channels=log_channels,
        commands=commands,
        schedule=schedule,
    )


@parser
def parse_state(payload: bytes) -> bool:
    """Read `online` or `offline`."""
    text = decode_text(payload, 16)
    if text not in ("online", "offline"):
        raise Refused(RejectReason.BAD_VALUE, "state is neither online nor offline")
    return text == "online"


def _live(fields: Fields, now: datetime) -> Live:
    return Live(
        boot_id=fields.integer("boot_id", 0, MAX_BOOT_ID),
        seq=fields.integer("seq", 0, MAX_SEQ),
        time=_optional_time(fields, now),
        values=_scalars(fields, "values"),
        faults=fields.texts("faults", MAX_FAULTS, CODE) if fields.has("faults") else None,
    )


@parser
def parse_live(payload: bytes, now: datetime) -> LiveMessage:
    """Read a live message; at least one of `values` and `nodes` is there."""
    fields = decode_object(payload)
    nodes: dict[str, Live] = {}
    if fields.has("nodes"):
        group = fields.object("nodes")
        for name, _ in fields.items("nodes", _MAX_NODES):
            if IDENTIFIER.fullmatch(name) is None:
                raise Refused(RejectReason.BAD_NODE_ID, f"nodes: a name does not match {IDENTIFIER.pattern}")
            nodes[name] = _live(group.object(name), now)
    own = _live(fields, now) if fields.has("values") or not nodes else None
    return LiveMessage(own, nodes)


@parser
def parse_event(payload: bytes, now: datetime) -> NodeEvent:
    """Read an event."""
    fields = decode_object(payload)
    return NodeEvent(
        event_id=fields.text("event_id", pattern=EVENT_ID),
        type=fields.choice("type", EventType),
        state=fields.choice("state", EventState) if fields.has("state") else EventState.MOMENT,
        code=fields.text("code", pattern=CODE),
        severity=fields.choice("severity", Severity),
        boot_id=fields.integer("boot_id", 0, MAX_BOOT_ID),
        seq=fields.integer("seq", 0, MAX_SEQ),
        time=_optional_time(fields, now),
        values=_scalars(fields, "values") if fields.has("values") else {},
    )


@parser
def parse_log_ack(payload: bytes) -> LogAck:
    """Read the receiver's log cursor (the node's side)."""
    fields = decode_object(payload)
    return LogAck(
        boot_id=fields.integer("boot_id", 0, MAX_BOOT_ID),
        seq=fields.integer("seq", 0, MAX_SEQ),
    )


@parser
def parse_command(payload: bytes, now: datetime) -> Command:
    """Read a command (the node's side)."""
    fields = decode_object(payload)
    parameters: dict[str, Scalar] = {}
    if fields.has("parameters"):
        for name, value in _scalars(fields, "parameters").items():
            if value is None:
                raise Refused(RejectReason.WRONG_TYPE, f"parameters.{name} is null")
            parameters[name] = value
    return Command(
        id=fields.text("id", pattern=EVENT_ID),
        command=fields.text("command", pattern=KEY),
        parameters=parameters,
        expires_at=fields.time("expires_at", now),
    )


@parser
def parse_command_result(payload: bytes) -> CommandResult:
    """Read the answer to a command."""
    fields = decode_object(payload)
    return CommandResult(
        id=fields.text("id", pattern=EVENT_ID),
        status=fields.choice("status", CommandStatus),
        reason=fields.text("reason", _MAX_TEXT) if fields.has("reason") else None,
        values=_scalars(fields, "values") if fields.has("values") else {},
    )
