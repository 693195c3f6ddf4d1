"""An identified inverter: its newest replies, and settings that are changed with proof and can return."""

from __future__ import annotations

import asyncio
import logging
import sqlite3
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from microgrid_core.contract.messages import CommandCapability

from .identity import Identity
from .pi30.decode import Reply
from .pi30.forms import Values
from .pi30.rejection import Rejection
from .pi30.settings import (
    SETTINGS,
    Change,
    Known,
    MemoryKeeper,
    Purpose,
    Refusal,
    RefusalReason,
    RestoreKeeper,
    SettingValue,
    WriteLedger,
    capability,
    offered,
    plan,
    same,
    to_restore,
    value_of,
)
from .transport.link import Link

_LOGGER = logging.getLogger(__name__)
_FAILURES_TO_STOP = 2
# What limits are drawn from, beside what is read back.
_LISTS = ("QMCHGCR", "QMUCHGCR", "QDI")


class Status(StrEnum):
    """What became of a change."""

    DONE = "done"
    """Accepted, and read back."""
    UNCHANGED = "unchanged"
    """It was so already; nothing was written."""
    REFUSED = "refused"
    """Not allowed; nothing was written."""
    EXPIRED = "expired"
    """Nobody wanted it any more when its turn came; nothing was written."""
    FAILED = "failed"
    """It could not be read before, the device refused, or what was read back differs."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a change, and why."""

    change: Change
    status: Status
    before: SettingValue | None = None
    after: SettingValue | None = None
    detail: str = ""
    refusal: RefusalReason | None = None

    @property
    def good(self) -> bool:
        """Whether the setting is now as wanted."""
        return self.status in (Status.DONE, Status.UNCHANGED)


@dataclass(frozen=True, slots=True)
class ForeignChange:
    """A setting that a schedule held and somebody else has set: theirs stays."""

    key: str
    held: SettingValue
    """What the schedule had written."""
    found: SettingValue


class Inverter:
    """One inverter behind a link."""

    def __init__(
        self,
        link: Link,
        identity: Identity,
        *,
        enabled: Iterable[str] = (),
        keeper: RestoreKeeper | None = None,
        ledger: WriteLedger | None = None,
        now: Callable[[], float] = time.time,
        on_foreign: Callable[[ForeignChange], None] = lambda _: None,
    ) -> None:
        """Join the parts; `enabled` names the settings that may be written, none by default.

        `keeper` holds what must be restored, `ledger` what was written lately: where schedules run, both must
        outlive a restart. `now` is the time in seconds since 1970. `on_foreign` is told once of what somebody
        else has set while a schedule held it; it is not restored.
        """
        self.link = link
        self.identity = identity
        self.known = Known(identity.profile)
        self.stopped = False
        """Set after two failed writes in a row: nothing but restoring is written until somebody clears it."""
        self.enabled = frozenset(enabled)
        """Names of the settings that may be written."""
        self._keeper = keeper if keeper is not None else MemoryKeeper()
        self._ledger = ledger if ledger is not None else WriteLedger()
        self._now = now
        self._on_foreign = on_foreign
        self._failures = 0
        self._written: dict[str, SettingValue] = {}
        """What schedules wrote, with proof, in this run."""
        self._attempted: dict[str, SettingValue] = {}
        """What they tried to write last: it may arrive late."""
        self._told: dict[str, SettingValue] = {}
        self._changing: str | None = None
        self._turn = asyncio.Lock()
        """Commands and schedules change one setting after the other."""

    async def ask(self, command: str) -> Reply | Rejection:
        """Ask, and remember the answer for decisions about settings."""
        answer = await self.link.request(command)
        if isinstance(answer, Reply):
            self.known = replace(self.known, replies={**self.known.replies, command: answer.values})
            self._leave_to_others()
        return answer

    def values(self) -> Mapping[str, Values]:
        """Return the newest replies by command."""
        return self.known.replies

    @property
    def queries(self) -> Sequence[str]:
        """What must be asked to know the enabled settings and their limits."""
        settings = offered(self.known, self.enabled)
        return sorted({setting.kind.query for setting in settings} | set(_LISTS)) if settings else ()

    @property
    def capabilities(self) -> tuple[CommandCapability, ...]:
        """Return the commands that change enabled settings, as far as their limits are known."""
        settings = offered(self.known, self.enabled)
        found = (capability(setting, self.known) for setting in settings)
        return tuple(one for one in found if one is not None)

    def held(self, key: str) -> SettingValue | None:
        """Return what a schedule has written to a setting and will bring back; None for one that is free."""
        return self._keeper.written(self.identity.serial_number).get(key)

    def foreign_changes(self) -> Mapping[str, SettingValue | None]:
        """Return settings as last seen that somebody changed since a schedule wrote them: two masters."""
        return {
            key: seen
            for key, wanted in self._written.items()
            if (seen := value_of(key, self.known)) is not None
            and key != self._changing
            and not same(seen, wanted)
            and not same(seen, self._attempted.get(key))
        }

    def _leave_to_others(self) -> None:
        """Forget what to bring back where somebody else has set it, also while we did not run."""
        serial_number = self.identity.serial_number
        originals = self._keeper.originals(serial_number)
        before = self._keeper.before(serial_number)
        foreign = {key: self._written[key] for key in self.foreign_changes()}
        for key, written in self._keeper.written(serial_number).items():
            seen = value_of(key, self.known) if key in SETTINGS and key != self._changing else None
            # A crash between the disk and the device leaves there what we had written before.
            ours = (written, before.get(key), originals.get(key), self._written.get(key))
            if seen is not None and not any(same(seen, one) for one in ours):
                foreign[key] = written
        for key, written in foreign.items():
            seen = value_of(key, self.known)
            if key in originals:
                self._keeper.forget(serial_number, key)
            if seen is not None and not same(seen, self._told.get(key)):
                self._told[key] = seen
                self._on_foreign(ForeignChange(key, written, seen))

    async def change(
        self,
        change: Change,
        purpose: Purpose = Purpose.OPERATOR,
        *,
        still_valid: Callable[[], bool] = lambda: True,
    ) -> Outcome:
        """Make a change if it is allowed and due, and prove it by reading back.

        `still_valid` is asked last of all before something is written: waiting and reading take their time.
        """
        async with self._turn:
            return await self._change(change, purpose, still_valid)

    async def _change(
        self, change: Change, purpose: Purpose, still_valid: Callable[[], bool] = lambda: True
    ) -> Outcome:
        setting = SETTINGS.get(change.key)
        if setting is not None:
            # Old knowledge decides nothing: the display has buttons, too.
            looked = await self.ask(setting.kind.query)
            if isinstance(looked, Rejection):
                # Nothing was sent, so it is no failed write: a line may be lost for a second.
                return Outcome(change, Status.FAILED, detail=f"could not be read before: {looked}")
            await self._learn_limits()
        command = plan(change, self.known, self.enabled, purpose)
        if isinstance(command, Refusal):
            return _refused(change, command)
        before = value_of(change.key, self.known)
        if same(before, change.value):
            self._settled(change, purpose)
            return Outcome(change, Status.UNCHANGED, before, before)
        if (refusal := self._not_now(change, purpose)) is not None:
            return _refused(change, refusal)
        if not still_valid():
            return Outcome(change, Status.EXPIRED, before, before)
        try:
            if purpose is Purpose.SCHEDULE and before is not None:
                # On disk before the device: a crash in between must not lose what to return to.
                self._keeper.remember(self.identity.serial_number, change.key, before, change.value)
                self._attempted[change.key] = change.value
            self._ledger.note(change.key, self._now())
        except sqlite3.OperationalError as error:
            if purpose is not Purpose.RESTORE:
                why = f"nothing was written, because it could not be noted before: {error}"
                return Outcome(change, Status.FAILED, before, before, why)
            # The way back must be open whatever the disk does; the ledger has counted it in memory.
            _LOGGER.error("%s goes back to %s, which could not be noted: %s", change.key, change.value, error)
        self._changing = change.key
        try:
            answer = await self.link.request(command)
            said = answer if isinstance(answer, Rejection) else answer.values["ack"]
            # A lost consent is no failure and a consent no proof: what is read back decides.
            after = await self._read_back(change.key)
        finally:
            self._changing = None
        if not same(after, change.value):
            why = "the device refused it (NAK)" if said is False else f"answered {said}"
            found = "nothing could be read back" if after is None else f"read back {after}"
            self._failures += 1
            self.stopped |= self._failures >= _FAILURES_TO_STOP
            return Outcome(change, Status.FAILED, before, after, f"{command}: {why}, {found}")
        self._failures = 0
        if purpose is Purpose.SCHEDULE:
            self._written[change.key] = change.value
        self._settled(change, purpose)
        return Outcome(change, Status.DONE, before, after)

    async def restore(self) -> list[Outcome]:
        """Bring back what schedules changed; safe to repeat, needs nothing but the device."""
        async with self._turn:
            return await self._restore()

    async def _restore(self) -> list[Outcome]:
        serial_number = self.identity.serial_number
        found = self._keeper.originals(serial_number)
        queries = sorted({SETTINGS[key].kind.query for key in found if key in SETTINGS})
        answers = {query: await self.ask(query) for query in queries}
        # A setting that nobody could read may still be as a schedule left it, whatever was read before.
        seen = {query: answer.values for query, answer in answers.items() if isinstance(answer, Reply)}
        originals = self._keeper.originals(serial_number)  # without what somebody else has set
        ours = {key: value for key, value in originals.items() if key in SETTINGS}  # not of another release
        wanted = to_restore(ours, replace(self.known, replies=seen))
        outcomes = [await self._change(change, Purpose.RESTORE) for change in wanted]
        due = {change.key for change in wanted}
        for key in ours:
            if key not in due:
                self._forget(key)
        return outcomes

    def clear(self) -> None:
        """Allow writing again after it was stopped."""
        self.stopped = False
        self._failures = 0

    def resume(self) -> None:
        """Go on as after a restart: write again, and take what somebody else has set as it is."""
        self.clear()
        for key in self.foreign_changes():
            self._forget(key)

    async def _learn_limits(self) -> None:
        """Ask once for the lists that limits are drawn from."""
        for query in _LISTS:
            if query not in self.known.replies:
                await self.ask(query)

    async def _read_back(self, key: str) -> SettingValue | None:
        answer = await self.ask(SETTINGS[key].kind.query)
        return value_of(key, self.known) if isinstance(answer, Reply) else None

    def _not_now(self, change: Change, purpose: Purpose) -> Refusal | None:
        if purpose is Purpose.RESTORE:
            return None
        if self.stopped:
            return Refusal(
                RefusalReason.STOPPED,
                f"{change.key}: writing stopped after {_FAILURES_TO_STOP} failures in a row",
            )
        return self._ledger.check(change.key, self._now())

    def _settled(self, change: Change, purpose: Purpose) -> None:
        if purpose is Purpose.RESTORE:
            self._forget(change.key)
        elif purpose is Purpose.OPERATOR:
            # What somebody wants from now on is what schedules return to.
            originals = self._keeper.originals(self.identity.serial_number)
            if change.key in originals:
                self._forget(change.key)

    def _forget(self, key: str) -> None:
        self._keeper.forget(self.identity.serial_number, key)
        for known in (self._written, self._attempted, self._told):
            known.pop(key, None)


def _refused(change: Change, refusal: Refusal) -> Outcome:
    return Outcome(change, Status.REFUSED, detail=refusal.detail, refusal=refusal.reason)
