"""Commands of Home Assistant to an inverter: each checked whole, run once, proven, and surely answered."""

from __future__ import annotations

import asyncio
import logging
import sqlite3
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from microgrid_core.contract import topics
from microgrid_core.contract.encode import command_result_payload
from microgrid_core.contract.messages import (
    SETTER,
    SETTER_PARAMETER,
    Command,
    CommandResult,
    CommandStatus,
    Scalar,
    parse_command,
)
from microgrid_core.contract.reading import Rejection as Unreadable, format_time

from .capabilities import QUERY, QUESTION, RESUME, refusals
from .clock import Clock
from .collector import Collector
from .inverter import Inverter, Outcome, Status
from .log import about
from .node import Node
from .pi30.forms import Value
from .pi30.rejection import Rejection
from .pi30.settings import SETTINGS, Change, Purpose, same, value_of
from .store import Store, Weight

_LOGGER = logging.getLogger(__name__)

MOST_WAITING: Final = 8
MOST_PER_MINUTE: Final = 60
"""Beyond that nobody is heard: a flood would wear out the card and keep the inverter from its rounds."""
KEPT: Final = timedelta(days=2)
"""So long an answer can be given again; no command is valid for more than a day."""
_WAIT_FOR_INVERTER_S = 60.0
_LONGEST_REASON = 255
_ANY_TIME = datetime(9999, 1, 1, tzinfo=UTC)

COUNTERS: Final = (
    *("accepted", "rejected", "succeeded", "failed", "expired"),
    *("duplicate", "ignored"),
)
"""`ignored` are no commands of the contract, and those of a flood."""


def counter(node: str, name: str) -> str:
    """Return the name of a counter in the store."""
    return f"command {node} {name}"


@dataclass(frozen=True, slots=True)
class _End:
    """How a command ended."""

    status: CommandStatus
    reason: str | None = None
    values: Mapping[str, Scalar | None] | None = None


class CommandDesk:
    """Takes the commands of one inverter, one after the other."""

    def __init__(
        self,
        collector: Collector,
        node: Node,
        store: Store,
        clock: Clock,
        *,
        now_s: Callable[[], float] = time.monotonic,
    ) -> None:
        """Listen; commands that a crash interrupted are looked after first."""
        self.config = collector.config
        self.collector = collector
        self._node = node
        self._store = store
        self._clock = clock
        self._now_s = now_s
        self._waiting: deque[Command] = deque()
        self._arrived = asyncio.Event()
        self._heard_at_s: deque[float] = deque(maxlen=MOST_PER_MINUTE)
        self._complained_at_s = -float("inf")
        self._began_at_s: float | None = None
        self._interrupted = self._unanswered()
        node.connection.listen(topics.CMD_SET, self.receive, retained=False)

    @property
    def round_at_s(self) -> float:
        """When the command under way began, now when there is none: a sign of life for the watchdog."""
        return self._now_s() if self._began_at_s is None else self._began_at_s

    # --------------------------------------------------------------------------------------------- what comes

    def receive(self, payload: bytes) -> None:
        """Take what came, whatever it is."""
        at_s = self._now_s()
        if len(self._heard_at_s) == MOST_PER_MINUTE and at_s - self._heard_at_s[0] < 60.0:
            self._ignore(f"more than {MOST_PER_MINUTE} commands within a minute")
            return
        self._heard_at_s.append(at_s)
        now = self._clock.now()
        # Without a clock nothing can be told about its times, but whose answer it wants.
        command = parse_command(payload, now or _ANY_TIME)
        if isinstance(command, Unreadable):
            self._ignore(f"{command.detail} ({command.reason})")
            return
        with about(command=command.id):
            try:
                if not self._repeated(command):
                    self._take(command, payload, now)
            except sqlite3.OperationalError as error:
                _LOGGER.error(
                    "it is not carried out, because it cannot be kept: %s", error, extra=self._extra
                )

    def _repeated(self, command: Command) -> bool:
        """Give the answer of a command that came before; one that is under way answers itself."""
        rows = self._store.ask(
            "SELECT result FROM command WHERE node = ? AND id = ?", self.config.node, command.id
        )
        if not rows:
            return False
        self._count("duplicate")
        (result,) = rows[0]
        if result is not None:
            _LOGGER.info("came again: the same answer", extra=self._extra)
            self._node.connection.promise(topics.CMD_RESULT, result)
        return True

    def _take(self, command: Command, payload: bytes, now: datetime | None) -> None:
        until = max(command.expires_at, now or command.expires_at) + KEPT
        with self._store.transaction() as connection:
            if now is not None:
                # What was kept while the clock was wrong goes, too.
                connection.execute(
                    "DELETE FROM command"
                    " WHERE node = ? AND result IS NOT NULL AND until_s NOT BETWEEN ? AND ?",
                    (self.config.node, now.timestamp(), (now + 2 * KEPT).timestamp()),
                )
            connection.execute(
                "INSERT INTO command (node, id, payload, until_s) VALUES (?, ?, ?, ?)",
                (self.config.node, command.id, payload, until.timestamp()),
            )
        refused = self._refusal(command, now)
        if refused is not None:
            self._finish(command, refused)
            return
        self._count("accepted")
        _LOGGER.info("accepted: %s %s", command.command, _text(command.parameters), extra=self._extra)
        self._waiting.append(command)
        self._arrived.set()

    def _refusal(self, command: Command, now: datetime | None) -> _End | None:
        if now is None:
            why = "the clock of the daemon is not set, so nobody knows whether the command is still valid"
            return _End(CommandStatus.REJECTED, why)
        if (expired := _expired(command, now)) is not None:
            return expired
        if not self.collector.commands:
            return _End(
                CommandStatus.FAILED, "the inverter has not answered yet: what it can do is not known"
            )
        if reasons := refusals(command, self.collector.commands):
            return _End(CommandStatus.REJECTED, "; ".join(reasons))
        if len(self._waiting) >= MOST_WAITING:
            return _End(CommandStatus.REJECTED, f"{MOST_WAITING} commands wait already; send it later")
        return None

    def _ignore(self, why: str) -> None:
        self._count("ignored")
        if self._now_s() - self._complained_at_s >= 60.0:
            self._complained_at_s = self._now_s()
            _LOGGER.warning(
                "no command: %s; further ones are only counted for a minute", why, extra=self._extra
            )

    # ------------------------------------------------------------------------------------------- what is done

    async def run(self) -> None:
        """Go on until cancelled."""
        for command in self._interrupted:
            with about(command=command.id):
                self._finish(command, await self._looked_after(command))
        self._interrupted = ()
        while True:
            await self.step()

    async def step(self) -> None:
        """Wait for a command, run it, and answer."""
        while not self._waiting:
            self._arrived.clear()
            await self._arrived.wait()
        command = self._waiting.popleft()
        self._began_at_s = self._now_s()
        try:
            with about(command=command.id):
                self._finish(command, await self._run(command))
        finally:
            self._began_at_s = None

    async def _run(self, command: Command) -> _End:
        now = self._clock.now()
        if now is not None and (expired := _expired(command, now)) is not None:
            return expired
        inverter = self.collector.inverter
        if inverter is None:
            return _End(CommandStatus.FAILED, "the inverter does not answer: nothing was sent to it")
        if command.command == QUERY:
            return await _asked(inverter, str(command.parameters[QUESTION]).upper())
        if command.command == RESUME:
            inverter.resume()
            return _End(CommandStatus.SUCCEEDED)
        return await self._changed(inverter, command)

    async def _changed(self, inverter: Inverter, command: Command) -> _End:
        key, value = command.command.removeprefix(SETTER), command.parameters[SETTER_PARAMETER]
        if (held := inverter.held(key)) is not None:
            why = f"a schedule holds {key} = {held}: cancel the schedule, or wait for the end of its interval"
            return _End(CommandStatus.REJECTED, why)
        expired: _End | None = None

        def still_valid() -> bool:
            nonlocal expired
            now = self._clock.now()
            expired = None if now is None else _expired(command, now)
            return expired is None

        outcome = await inverter.change(Change(key, value), Purpose.OPERATOR, still_valid=still_valid)
        self.collector.refresh()
        return expired or _ended(outcome)

    async def _looked_after(self, command: Command) -> _End:
        """Say what became of a command that was under way when the daemon ended: it is never run again."""
        why = "the daemon was restarted before it was done; it was not run again"
        key, value = command.command.removeprefix(SETTER), command.parameters.get(SETTER_PARAMETER)
        if not command.command.startswith(SETTER) or key not in SETTINGS or value is None:
            return _End(CommandStatus.FAILED, why)
        inverter = await self.collector.wait_for_inverter(_WAIT_FOR_INVERTER_S)
        if inverter is None:
            return _End(CommandStatus.FAILED, f"{why}, and the inverter does not answer")
        await inverter.ask(SETTINGS[key].kind.query)
        actual = value_of(key, inverter.known)
        values = {"requested": value, "actual": actual}
        if same(actual, value):
            done = "read back after a restart of the daemon"
            return _End(CommandStatus.SUCCEEDED, done, values)
        return _End(CommandStatus.FAILED, why, values)

    # ------------------------------------------------------------------------------------------- what is said

    def _finish(self, command: Command, end: _End) -> None:
        """Keep the answer and send it, both or none; else it waits for the next start."""
        reason = None if end.reason is None else end.reason[:_LONGEST_REASON]
        result = command_result_payload(CommandResult(command.id, end.status, reason, end.values or {}))
        try:
            with self._store.transaction() as connection:
                connection.execute(
                    "UPDATE command SET result = ? WHERE node = ? AND id = ?",
                    (result, self.config.node, command.id),
                )
                self._store.post([(self._node.connection.topic(topics.CMD_RESULT), result)], Weight.PROMISE)
                self._count(end.status)
        except sqlite3.OperationalError as error:
            _LOGGER.error("the answer cannot be kept: %s", error, extra=self._extra)
        level = logging.INFO if end.status is CommandStatus.SUCCEEDED else logging.WARNING
        text = f"{command.command} {_text(command.parameters)}: {end.status}"
        _LOGGER.log(level, "%s", text if reason is None else f"{text}: {reason}", extra=self._extra)
        self._node.connection.pump()

    def _unanswered(self) -> Sequence[Command]:
        rows = self._store.ask(
            "SELECT payload FROM command WHERE node = ? AND result IS NULL ORDER BY until_s, id",
            self.config.node,
        )
        read = (parse_command(payload, _ANY_TIME) for (payload,) in rows)
        return [command for command in read if isinstance(command, Command)]

    def _count(self, name: str) -> None:
        self._store.count(counter(self.config.node, name))

    @property
    def _extra(self) -> Mapping[str, str]:
        return {"node": self.config.node}


def _expired(command: Command, now: datetime) -> _End | None:
    if now < command.expires_at:
        return None
    why = f"it was valid until {format_time(command.expires_at)}, and here it is {format_time(now)}"
    return _End(CommandStatus.EXPIRED, why)


async def _asked(inverter: Inverter, question: str) -> _End:
    answer = await inverter.ask(question)
    if isinstance(answer, Rejection):
        return _End(CommandStatus.FAILED, str(answer))
    values = {name.lower(): _scalar(value) for name, value in answer.values.items()}
    return _End(CommandStatus.SUCCEEDED, None, values)


def _scalar(value: Value) -> Scalar | None:
    if isinstance(value, list):
        return ", ".join(str(one) for one in value)[:_LONGEST_REASON]
    return value


_STATUS: Mapping[Status, CommandStatus] = {
    Status.DONE: CommandStatus.SUCCEEDED,
    Status.UNCHANGED: CommandStatus.SUCCEEDED,
    Status.REFUSED: CommandStatus.REJECTED,
    Status.EXPIRED: CommandStatus.EXPIRED,
    Status.FAILED: CommandStatus.FAILED,
}


def _ended(outcome: Outcome) -> _End:
    reason = (
        "it was so already: nothing was written" if outcome.status is Status.UNCHANGED else outcome.detail
    )
    values: dict[str, Scalar | None] = {"requested": outcome.change.value}
    if outcome.status is not Status.REFUSED:
        values["actual"] = outcome.after
    return _End(_STATUS[outcome.status], reason or None, values)


def _text(parameters: Mapping[str, Scalar]) -> str:
    return ", ".join(f"{name} = {value}" for name, value in parameters.items())
