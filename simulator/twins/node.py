"""The twin of a node that speaks the contract: birth, state, live values, events, commands."""

from __future__ import annotations

import itertools
import selectors
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from microgrid_core.contract import encode, topics
from microgrid_core.contract.messages import (
    Birth,
    Command,
    CommandCapability,
    CommandResult,
    CommandStatus,
    EventState,
    EventType,
    Live,
    LiveMessage,
    NodeEvent,
    NodeKind,
    Scalar,
    ScheduleCapability,
    Severity,
    parse_command,
)
from microgrid_core.contract.reading import Rejection
from microgrid_core.model.kinds import KINDS

from ..physics.neighbourhood import Neighbourhood
from ..physics.occurrence import Occurrence
from .connection import Broker, Connection, Handler, Will
from .log import NodeLog
from .snapshots import SnapshotShelf

_REMEMBERED_COMMANDS = 32
_RECORDERS = (NodeKind.HOUSE, NodeKind.GATEWAY)
_GARBAGE = (
    b"",
    b"{",
    b"\xff\xfe\x00garbage",
    b"[1,2,3]",
    b'{"boot_id":"one","seq":1,"values":{}}',
    b'{"boot_id":1,"seq":1,"values":{"inverter_power":"a lot","cell_voltage_1":9e99}}',
    b'{"boot_id":1,"seq":-5,"time":"tomorrow","values":{}}',
    b'{"boot_id":1,"seq":1,"time":"2099-01-01T00:00:00.000Z","values":{}}',
)

Values = Mapping[str, Scalar | None]
CommandHandler = Callable[[Mapping[str, Scalar]], Values]


class Refusal(Exception):
    """A command that the device cannot carry out now."""


@dataclass(frozen=True, slots=True)
class Ability:
    """A command that the device carries out: what it declares, and what it does."""

    capability: CommandCapability
    run: CommandHandler
    """Returns values for the result; raises Refusal."""


@dataclass(frozen=True, slots=True)
class Identity:
    """What a node says of itself."""

    kind: NodeKind
    name: str
    hardware: str
    firmware: str
    parent: str | None = None


def utc_now() -> datetime:
    """Time for messages."""
    return datetime.now(UTC)


def from_us(at_us: int) -> datetime:
    """UTC out of µs."""
    return datetime.fromtimestamp(at_us / 1e6, UTC)


class NodeTwin:
    """One node on its own connection."""

    def __init__(
        self,
        site: Neighbourhood,
        swarm: str,
        node: str,
        identity: Identity,
        boot_id: int,
        *,
        abilities: Iterable[Ability] = (),
        carried: Iterable[NodeTwin] = (),
        schedule: ScheduleCapability | None = None,
    ) -> None:
        """Build; `carried` are houses whose live values this gateway sends in its own message."""
        self.node = node
        self.interval_s = KINDS[identity.kind].interval_s
        self.next_live = 0.0
        self.phase = 1.0
        """Share of the interval between the first and the second live message: spreads the nodes over it."""
        self.utc_now = utc_now
        """What time it is for this node."""
        self.speaks = True
        """False for a house whose gateway carries its values."""
        self._site = site
        self._swarm = swarm
        self._identity = identity
        self._boot_id = boot_id
        self._seq = itertools.count(1)
        self._events = itertools.count(1)
        self._abilities = {ability.capability.name: ability for ability in abilities}
        self._carried = tuple(carried)
        self._schedule = schedule
        self._results: OrderedDict[str, CommandResult] = OrderedDict()
        self._silent_until = self._garbage_until = 0.0
        self._garbage = itertools.cycle(_GARBAGE)
        self._booted = False
        self._connection: Connection | None = None
        self._log: NodeLog | None = None
        self.snapshots: SnapshotShelf | None = None
        """What it has recorded of faults; None: it is no node that records."""
        if identity.kind in _RECORDERS:
            self.snapshots = SnapshotShelf(lambda suffix, payload: self.publish(suffix, payload, qos=1))

    @property
    def boot_id(self) -> int:
        """Of this start."""
        return self._boot_id

    @property
    def start_us(self) -> int | None:
        """When its clock began to count, by its UTC; None without a log."""
        return None if self._log is None else self._log.start_us

    @property
    def kind(self) -> NodeKind:
        """What it is."""
        return self._identity.kind

    def keep(self, log: NodeLog) -> None:
        """Keep a log from now on; before `attach`."""
        self._log = log
        log.begin(self._boot_id)

    def attach(self, broker: Broker, selector: selectors.BaseSelector) -> Connection:
        """Make the connection."""
        self._connection = Connection(
            broker,
            f"microgrid-simulator-{self._swarm}-{self.node}",
            selector,
            will=Will(self.topic(topics.STATE), encode.state_payload(False)),
            handlers=self.handlers(),
            on_ready=self.announce,
        )
        return self._connection

    def handlers(self) -> dict[str, Handler]:
        """What this node listens to."""
        found: dict[str, Handler] = {self.topic(topics.CMD_SET): self._command}
        if (log := self._log) is not None:
            found[self.topic(topics.LOG_ACK)] = lambda payload: log.acknowledged(payload, time.monotonic())
        if self.snapshots is not None:
            found[self.topic(topics.SNAPSHOT_GET)] = self.snapshots.asked
        return found

    def topic(self, suffix: str) -> str:
        """Topic of this node."""
        return str(topics.Topic(self._swarm, self.node, suffix))

    def publish(self, suffix: str, payload: bytes, *, qos: int = 0, retain: bool = False) -> None:
        """Send on a topic of this node."""
        if self._connection is not None:
            self._connection.publish(self.topic(suffix), payload, qos, retain)

    def announce(self) -> None:
        """Say who we are, then that we are here, then what we measure."""
        self.publish(topics.BIRTH, encode.birth_payload(self.birth()), qos=1, retain=True)
        self.publish(topics.STATE, encode.state_payload(True), qos=1, retain=True)
        if not self._booted:
            self._booted = True
            self.tell(Occurrence(self.node, EventType.BOOT, EventState.MOMENT, "BOOT", Severity.INFO))
        if self._log is not None:
            self._log.connected(time.monotonic())
        if self.snapshots is not None:
            self.snapshots.cut_off()
        self.next_live = 0.0

    def birth(self) -> Birth:
        """Who we are."""
        kind = KINDS[self._identity.kind]
        metrics = tuple(self.values())
        return Birth(
            kind=self._identity.kind,
            name=self._identity.name,
            boot_id=self._boot_id,
            parent=self._identity.parent,
            hardware=self._identity.hardware,
            firmware=self._identity.firmware,
            interval_s=max(self.interval_s, 1.0),  # who speaks more often may also be late
            time=self.utc_now(),
            metrics=metrics,
            log_channels=tuple(key for key in metrics if kind.by_key[key].log is not None),
            commands=tuple(ability.capability for ability in self._abilities.values()),
            schedule=self._schedule,
        )

    def values(self) -> Values:
        """What we measure."""
        return self._site.values(self.node)

    def live(self) -> Live:
        """Newest values in their envelope."""
        faults = self._site.active_faults(self.node)
        return Live(self._boot_id, next(self._seq), self.utc_now(), self.values(), faults)

    def due(self, now: float) -> None:
        """Send what waits in the log, and the live message when it is time; `now` is monotonic."""
        connected = self._connection is not None and self._connection.connected
        if self._log is not None and connected and (frames := self._log.message(now)) is not None:
            self.publish(topics.LOG, frames, qos=1)
        if self.snapshots is not None and connected:
            self.snapshots.send()
        if now < self.next_live:
            return
        # Stay in step with the clock, but never send in a burst what was missed.
        self.next_live = max(self.next_live + self.interval_s, now + self.interval_s * self.phase)
        if (
            not self.speaks
            or now < self._silent_until
            or self._connection is None
            or not self._connection.connected
        ):
            return
        if now < self._garbage_until:
            self.publish(topics.LIVE, next(self._garbage))
            return
        carried = {twin.node: twin.live() for twin in self._carried if now >= twin._silent_until}
        self.publish(topics.LIVE, encode.live_payload(LiveMessage(self.live(), carried)))

    def next_event_id(self) -> str:
        """Return an id that no other event has."""
        return f"{self.node}-{self._boot_id:08x}-{next(self._events)}"

    def tell(self, occurrence: Occurrence, event_id: str | None = None, at_us: int | None = None) -> str:
        """Publish something that happened, by default now and under a new id; returns its id."""
        event_id = event_id or self.next_event_id()
        if self._log is None:
            seq, at = next(self._seq), self.utc_now() if at_us is None else from_us(at_us)
        else:
            seq, at_us = self._log.event(occurrence, event_id, at_us)
            at = from_us(at_us)
        event = NodeEvent(
            event_id=event_id,
            type=occurrence.type,
            state=occurrence.state,
            code=occurrence.code,
            severity=occurrence.severity,
            boot_id=self._boot_id,
            seq=seq,
            time=at,
            values=occurrence.values,
        )
        self.publish(topics.EVENT, encode.event_payload(event), qos=1)
        return event_id

    def be_silent(self, until: float) -> None:
        """Stay connected, send no live values."""
        self._silent_until = until

    def talk_garbage(self, until: float) -> None:
        """Send broken live messages."""
        self._garbage_until = until

    def disconnect(self, duration_s: float) -> None:
        """Lose the network."""
        if self._connection is not None:
            self._connection.drop(duration_s)

    def restart(self, boot_id: int) -> None:
        """Start again with counters at zero."""
        self._site.restart(self.node)
        self._boot_id = boot_id
        self._seq, self._events = itertools.count(1), itertools.count(1)
        self._booted = False
        if self._log is not None:
            self._log.begin(boot_id)
        self.announce()

    def learn(self, ability: Ability) -> None:
        """Carry out one command more; it is declared with the next announcement."""
        self._abilities[ability.capability.name] = ability

    def _command(self, payload: bytes) -> None:
        command = parse_command(payload, self.utc_now())
        if isinstance(command, Rejection):
            return  # without a readable id there is nobody to answer
        if (result := self._results.get(command.id)) is None:
            result = self._execute(command)
            self._results[command.id] = result
            if len(self._results) > _REMEMBERED_COMMANDS:
                self._results.popitem(last=False)
        self.publish(topics.CMD_RESULT, encode.command_result_payload(result), qos=1)

    def _execute(self, command: Command) -> CommandResult:
        def refuse(status: CommandStatus, reason: str) -> CommandResult:
            return CommandResult(command.id, status, reason, {})

        if command.expires_at <= self.utc_now():
            return refuse(CommandStatus.EXPIRED, "the command arrived after it expired")
        if (ability := self._abilities.get(command.command)) is None:
            return refuse(CommandStatus.REJECTED, f"this node knows no command {command.command}")
        declared = {parameter.name: parameter for parameter in ability.capability.parameters}
        for name in declared:
            if name not in command.parameters:
                return refuse(CommandStatus.REJECTED, f"parameter {name} is missing")
        for name, value in command.parameters.items():
            if name not in declared:
                return refuse(CommandStatus.REJECTED, f"{command.command} takes no parameter {name}")
            if (reason := declared[name].refusal(value)) is not None:
                return refuse(CommandStatus.REJECTED, reason)
        try:
            values = ability.run(command.parameters)
        except Refusal as refusal:
            return refuse(CommandStatus.FAILED, str(refusal))
        return CommandResult(command.id, CommandStatus.SUCCEEDED, None, values)
