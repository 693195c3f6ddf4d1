"""Asks one inverter round after round and says what it measures; whatever happens to it, it goes on."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from microgrid_core.contract.messages import (
    Birth,
    CommandCapability,
    EventType,
    NodeKind,
    Scalar,
    Severity,
)
from microgrid_core.model.mpp_inverter import MPP_INVERTER

from .capabilities import declared
from .config import InverterConfig
from .identity import identify
from .inverter import ForeignChange, Inverter
from .node import Alarm, Node
from .originals import StoredKeeper, StoredLedger
from .pi30 import warnings
from .pi30.decode import Reply
from .pi30.forms import Values
from .pi30.metrics import blank, measure
from .pi30.models import Family
from .pi30.rejection import Reason, Rejection
from .pi30.settings import SETTINGS
from .pi30.table import Layout
from .store import Store
from .transport.link import Link

_LOGGER = logging.getLogger(__name__)
_GONE_AFTER = 3
"""Rounds without an answer after which the device counts as gone; at once when it is unplugged."""
_FIRST_PAUSE_S, _LAST_PAUSE_S = 1.0, 60.0
FOREIGN: Final = "SETTING_CHANGED"
"""Code of the event that somebody else has set what a schedule held."""
_SETTINGS_EVERY_S = 600.0
_GONE = (Reason.DISCONNECTED, Reason.NOT_FOUND, Reason.FOREIGN_PROTOCOL)
_STALE_AFTER = 3.0
"""Periods after which an answer says nothing any more, and what is measured no more is said to be unknown."""


@dataclass(frozen=True, slots=True)
class Poll:
    """One question of the plan."""

    command: str
    every_s: float
    """0: in every round."""
    layouts: frozenset[Layout] = frozenset(Layout)


PLAN: Final = (
    Poll("QMOD", 0.0),
    Poll("QPIGS", 0.0),
    Poll("QPIGS2", 0.0, frozenset({Layout.MAX})),
    Poll("QBMS", 0.0),
    Poll("QPIWS", 60.0),
    Poll("QPGS0", 60.0),
    Poll("QET", 300.0),
    Poll("QLT", 300.0),
    Poll("QPIRI", 600.0),
    Poll("QFLAG", 600.0),
    Poll("QDI", 86_400.0),
    Poll("QMCHGCR", 86_400.0),
    Poll("QMUCHGCR", 86_400.0),
)


@dataclass(frozen=True, slots=True)
class Status:
    """The newest QPIGS that can be true, and when it came."""

    values: Values
    at_s: float
    """By the monotonic clock."""


class Collector:
    """One inverter, there or not."""

    def __init__(
        self,
        config: InverterConfig,
        link: Link,
        node: Node,
        store: Store,
        *,
        restores: bool = True,
        plan: tuple[Poll, ...] = PLAN,
        now_s: Callable[[], float] = time.monotonic,
        wall_s: Callable[[], float] = time.time,
    ) -> None:
        """`restores`: brings back at once what a schedule left behind, because no battery will do it."""
        self.config = config
        self.inverter: Inverter | None = None
        """None until it was identified, and while it is gone."""
        self.status: Status | None = None
        self.values: Mapping[str, Scalar | None] = {}
        """What was said last; nothing while it is gone."""
        self.commands: tuple[CommandCapability, ...] = ()
        """What it can be told, as its birth said last; also while it is gone."""
        self.success_s: float | None = None
        """When it answered last, in seconds since 1970."""
        self.poll_errors = 0
        self.round_at_s = now_s()
        """When the last round ended, whatever it brought: a sign of life for the watchdog."""
        self._link = link
        self._node = node
        self._store = store
        self._restores = restores
        self._plan = (*plan, *_of_settings(config.writes, plan))
        self._now_s = now_s
        self._wall_s = wall_s
        self._asked: dict[str, float] = {}
        self._answered: dict[str, float] = {}
        self._refused: set[str] = set()
        self._measured: dict[str, float] = {}
        """When each metric was measured last."""
        self._failures = 0
        self._trouble = ""
        self._there = asyncio.Event()

    @property
    def trouble(self) -> str | None:
        """Why it does not answer; None when it does."""
        return self._trouble or None

    async def run(self) -> None:
        """Go on until cancelled."""
        while True:
            began_s = self._now_s()
            good = await self.round()
            self.round_at_s = self._now_s()
            self._node.pump()
            await asyncio.sleep(self.pause_s(good, self.round_at_s - began_s))

    async def wait_for_inverter(self, longest_s: float) -> Inverter | None:
        """Return the inverter as soon as it is there; None when it does not come."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(longest_s):
                await self._there.wait()
        return self.inverter

    def pause_s(self, good: bool, took_s: float) -> float:
        """Return how long to wait: the rest of the interval, or longer each time that nobody answered."""
        if good:
            return max(0.0, self.config.interval_s - took_s)
        doubled_s = _FIRST_PAUSE_S * 2.0 ** min(self._failures - 1, 6)
        return min(doubled_s, _LAST_PAUSE_S)

    async def round(self) -> bool:
        """Ask what is due and say it; False when the device did not answer."""
        inverter = self.inverter or await self._identified()
        if isinstance(inverter, Rejection):
            return self._failed(inverter)
        failed = await self._ask_what_is_due(inverter)
        if failed is not None:
            return self._failed(failed)
        if self._trouble:
            _LOGGER.info("answers again", extra={"node": self.config.node})
        self._failures, self._trouble = 0, ""
        self._say(inverter, fresh=True)
        return True

    # --------------------------------------------------------------------------------------------- the device

    async def _identified(self) -> Inverter | Rejection:
        found = await identify(self._link, self.config.family)
        if isinstance(found, Rejection):
            return found
        inverter = Inverter(
            self._link,
            found,
            enabled=self.config.writes,
            keeper=StoredKeeper(self._store),
            ledger=StoredLedger(self._store, found.serial_number),
            now=self._wall_s,
            on_foreign=self._tell_foreign,
        )
        _LOGGER.info(
            "inverter %s, %s, at %s",
            found.serial_number,
            found.model,
            self._link.place,
            extra={"node": self.config.node},
        )
        self._asked.clear()
        self._answered.clear()
        self._refused.clear()
        self.inverter = inverter
        if self._restores:
            for outcome in await inverter.restore():
                _LOGGER.warning(
                    "restored %s: %s %s",
                    outcome.change.key,
                    outcome.status,
                    outcome.detail,
                    extra=self._extra,
                )
        for command in inverter.queries:
            # The birth declares limits that the device tells.
            answer = await self._ask(inverter, command)
            if isinstance(answer, Rejection) and answer.reason in _GONE:
                return answer
        self._announce(inverter)
        self._there.set()
        return inverter

    @property
    def _extra(self) -> Mapping[str, str]:
        return {"node": self.config.node}

    def _announce(self, inverter: Inverter) -> None:
        self.commands = declared(inverter)
        self._node.announce(self._birth(inverter))

    def _birth(self, inverter: Inverter) -> Birth:
        found = inverter.identity
        return Birth(
            kind=NodeKind.MPP_INVERTER,
            name=self.config.name,
            boot_id=self._node.boot_id,
            hardware=found.model,
            firmware=found.firmware,
            interval_s=self.config.interval_s,
            metrics=tuple(metric.key for metric in MPP_INVERTER.metrics if metric.derive is None),
            commands=self.commands,
        )

    def _tell_foreign(self, change: ForeignChange) -> None:
        values: Mapping[str, Scalar | None] = {
            "setting": change.key,
            "held": change.held,
            "found": change.found,
        }
        self._node.tell(EventType.ALARM, FOREIGN, Severity.WARNING, values)

    def _failed(self, rejection: Rejection) -> bool:
        self._failures += 1
        self.poll_errors += 1
        if self._trouble != rejection.reason:
            self._trouble = rejection.reason
            _LOGGER.warning("no answer: %s", rejection, extra=self._extra)
        if rejection.reason in _GONE or self._failures >= _GONE_AFTER:
            if self.inverter is not None:
                self._node.connection.withdraw()
            self.inverter = self.status = None
            self._there.clear()
            self.values = {}
        return False

    # ------------------------------------------------------------------------------------------------ a round

    async def _ask_what_is_due(self, inverter: Inverter) -> Rejection | None:
        """Ask by the plan; the rejection of QPIGS, without which a round is none, or of a lost line."""
        profile = inverter.identity.profile
        layout = profile.layout if profile is not None else Layout.BASE
        for poll in self._plan:
            if layout not in poll.layouts or poll.command in self._refused or not self._due(poll):
                continue
            answer = await self._ask(inverter, poll.command)
            if isinstance(answer, Reply):
                continue
            if answer.reason in _GONE or poll.command == "QPIGS":
                return answer
            self._asked[poll.command] = self._now_s()
            if answer.reason in (Reason.REFUSED, Reason.UNSUPPORTED):
                if poll.command not in self._answered:
                    self._refused.add(poll.command)
            else:
                self.poll_errors += 1
        return None

    async def _ask(self, inverter: Inverter, command: str) -> Reply | Rejection:
        answer = await inverter.ask(command)
        if isinstance(answer, Reply):
            self._asked[command] = self._answered[command] = self._now_s()
        return answer

    def _due(self, poll: Poll) -> bool:
        asked_s = self._asked.get(poll.command)
        return asked_s is None or self._now_s() - asked_s >= poll.every_s

    def fresh(self, inverter: Inverter) -> dict[str, Values]:
        """Return the answers that still say something, without a QPIGS that cannot be true."""
        replies = {}
        for poll in self._plan:
            at_s = self._answered.get(poll.command)
            period_s = max(poll.every_s, self.config.interval_s)
            if at_s is not None and self._now_s() - at_s <= _STALE_AFTER * period_s:
                replies[poll.command] = inverter.values()[poll.command]
        if "QPIGS" in replies and blank(replies["QPIGS"], replies.get("QMOD", {}).get("mode_name")):
            del replies["QPIGS"]
        return replies

    def refresh(self) -> None:
        """Say at once what a command has changed."""
        if self.inverter is not None:
            self._say(self.inverter, fresh=False)

    def _say(self, inverter: Inverter, *, fresh: bool) -> None:
        if declared(inverter) != self.commands:
            self._announce(inverter)
        replies = self.fresh(inverter)
        profile = inverter.identity.profile
        if "QPIGS" in replies:
            self.status = Status(replies["QPIGS"], self._answered["QPIGS"])
        else:
            self.poll_errors += 1
        measured = measure(replies, profile)
        if measured.implausible:
            _LOGGER.debug("left out: %s", ", ".join(measured.implausible), extra=self._extra)
        now_s = self._now_s()
        self._measured.update(dict.fromkeys(measured.values, now_s))
        oldest_s = now_s - _STALE_AFTER * self.config.interval_s
        values: dict[str, Scalar | None] = {
            **{key: None for key, at_s in self._measured.items() if at_s < oldest_s},
            **measured.values,
            "poll_errors": self.poll_errors,
            "outbox_depth": self._store.depth(),
        }
        faults: tuple[str, ...] | None = None
        if "QPIWS" in replies:
            active = alarms_of(replies["QPIWS"], profile.family if profile is not None else None)
            self._node.note(active)
            faults = tuple(code for code, alarm in active.items() if alarm.type is EventType.FAULT)
        self.values, self.success_s = values, self._wall_s()
        self._node.live(values, faults, measured=fresh)


def _of_settings(writes: Sequence[str], plan: Sequence[Poll]) -> list[Poll]:
    """Return what must be asked, too, to show the settings that may be written."""
    asked = {poll.command for poll in plan}
    queries = {SETTINGS[key].kind.query for key in writes if key in SETTINGS}
    return [Poll(query, _SETTINGS_EVERY_S) for query in sorted(queries - asked)]


def alarms_of(alarms: Values, family: Family | None) -> dict[str, Alarm]:
    """Return what QPIWS reports by the code of its bit, `MPP_07`; loss of sun is no alarm."""
    found = alarms.get("bits_set")
    places = [place for place in found if isinstance(place, int)] if isinstance(found, list) else []
    with_inverter = [warnings.INVERTER_FAULT_BIT] if warnings.INVERTER_FAULT_BIT in places else []
    active: dict[str, Alarm] = {}
    for place in places:
        if place == warnings.PV_LOSS_BIT:
            continue
        here = warnings.interpret({"bits_set": [place, *with_inverter]}, family)
        general = place != warnings.INVERTER_FAULT_BIT and bool(with_inverter)
        faults = [name for name in here.faults if not (general and name == "inverter_fault")]
        code = f"MPP_{place:02d}"
        for name in faults:
            active[code] = Alarm(code, EventType.FAULT, Severity.CRITICAL, name)
        for name in here.warnings:
            active[code] = Alarm(code, EventType.ALARM, Severity.WARNING, name)
    return active
