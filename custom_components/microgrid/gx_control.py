"""Guarded control of one Victron GX: what is allowed, held, given back, and written down.

The core checks a write and has it confirmed. Here stands who may write what, what must be given back when
nobody is there to mind it, and who wrote what. What is held is on the disk before it is written, so that a
killed Home Assistant gives it back at its next start, unless somebody else has changed it meanwhile.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Collection, Coroutine, Mapping
from dataclasses import asdict, dataclass, fields, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final, Protocol

from homeassistant.core import CALLBACK_TYPE, Context, HassJob, HomeAssistant, callback
from homeassistant.exceptions import HomeAssistantError, ServiceValidationError
from homeassistant.helpers.event import async_track_time_interval
from homeassistant.helpers.storage import Store
from homeassistant.util import dt as dt_util

from .const import BY_SCHEDULE, DOMAIN, EVENT_GX_WRITE, STORAGE_VERSION
from .core.gx import control as guarded
from .core.gx.control import Limits
from .core.gx.errors import (
    GxError,
    NotAllowed,
    NotConfirmed,
    NotSupported,
    NotThere,
    OutOfRange,
    Unreachable,
    WriteRefused,
)
from .core.gx.transport import LinkState, Transport
from .core.gx.tree import Change, Leaf
from .core.gx.value import Address, Scalar, Value, parse_address

_LOGGER = logging.getLogger(__name__)

CONF_ALLOW_CONTROL: Final = "allow_control"
CONF_CONTROLS: Final = "controls"
REPEAT_S: Final = 20.0
"""How often a held override is said again: some firmware gives up one that it does not hear for a minute, and
that is the only dead man's switch that a GX has."""
_RELEASE_S: Final = 12.0
"""So long the release may take when Home Assistant stops: one that is not confirmed takes 5 s, and the others
wait behind it."""
_MAX_AUDIT: Final = 200
_SAVE_S: Final = 2.0
"""The audit log follows so much later; what is held is saved at once."""
_AUTOMATION, _STATION = "automation", "station"
_STOP, _RESTART, _EXPIRY = "stop", "restart", "expiry"


def allowed_by(data: Mapping[str, Any]) -> frozenset[str]:
    """Return the groups of controls that a subentry allows; none unless the user switched control on."""
    return frozenset(data.get(CONF_CONTROLS, ())) if data.get(CONF_ALLOW_CONTROL) else frozenset()


class Outcome(StrEnum):
    """What became of a write."""

    CONFIRMED = "confirmed"
    REFUSED = "refused"
    """Nothing was sent."""
    FAILED = "failed"
    """It was sent, or the station was away; the station did not say that it took it."""
    RELEASED = "released"
    TAKEN_OVER = "taken_over"
    """Somebody else wrote what we held; we let it be."""
    LOST = "lost"
    """The station forgot what we held, by a restart of its own."""


class Station(Protocol):
    """What is needed of a station."""

    @property
    def node_id(self) -> str:
        """Its id in the swarm."""

    @property
    def name(self) -> str:
        """What the user calls it."""

    @property
    def access(self) -> Transport:
        """The way to it."""


@dataclass(frozen=True, slots=True)
class Held:
    """A value that we must give back."""

    address: str
    original: Scalar
    value: Scalar
    low: float | None
    high: float | None
    """What we wrote since this was last saved, and what may still arrive, lies between these."""
    since: str
    until: str | None = None
    """When it is given back at the latest."""
    by: str = ""
    """Who set it last."""

    def ours(self, told: Value) -> bool:
        """Whether this is what we wrote."""
        if self.low is not None and self.high is not None and isinstance(told, int | float):
            return self.low - 1e-3 <= told <= self.high + 1e-3
        return guarded.same(told, self.value)

    @property
    def over(self) -> bool:
        """Whether its time has come."""
        until = None if self.until is None else dt_util.parse_datetime(self.until)
        return until is not None and until <= dt_util.utcnow()


@dataclass(frozen=True, slots=True)
class Written:
    """One line of the audit log."""

    time: str
    control: str
    by: str
    """Name of the user, or what it was: an automation, a schedule, the stop of Home Assistant."""
    user_id: str | None
    before: Any
    after: Any
    outcome: Outcome
    reason: str = ""
    times: int = 1
    """Corrections of a set-point that follow one another are one line."""


class GxControl:
    """Writes to one station."""

    def __init__(
        self,
        hass: HomeAssistant,
        entry_id: str,
        subentry_id: str,
        station: Station,
        allowed: Collection[str],
    ) -> None:
        """Prepare; `allowed` are the groups of controls that the user switched on."""
        self._hass = hass
        self._station = station
        self._allowed = frozenset(allowed)
        self._store = _store(hass, entry_id, subentry_id)
        self._held: dict[str, Held] = {}
        self._left: set[str] = set()
        """What an earlier run, or an interrupted release, did not give back."""
        self._lost: set[str] = set()
        """What the station may have forgotten: the connection broke while we held it."""
        self._unanswered: set[str] = set()
        """What was sent and may still arrive: giving it back must be said, whatever the station has now."""
        self._audit: deque[Written] = deque(maxlen=_MAX_AUDIT)
        self._lock = asyncio.Lock()
        self._writing: set[str] = set()
        self._listeners: list[Callable[[], None]] = []
        self._cancel: list[CALLBACK_TYPE] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._stopped = False
        self._loaded = False
        """Whether what an earlier run holds is known here: until then the file is not ours to write."""

    # ---- what is there -------------------------------------------------------------------------------------

    @property
    def node_id(self) -> str:
        """The node of the station."""
        return self._station.node_id

    @property
    def overrides(self) -> Mapping[str, Held]:
        """What is held now, by the key of the control."""
        return self._held

    @property
    def audit(self) -> tuple[Written, ...]:
        """The last writes, the oldest first."""
        return tuple(self._audit)

    def allows(self, key: str) -> bool:
        """Whether the user allowed this control, and it could be given up again."""
        control = guarded.named(key)
        return (
            control is not None
            and control.group in self._allowed
            and guarded.releasable(self._station.access, control)
        )

    def keys(self) -> list[str]:
        """Return what is allowed and there."""
        return [key for key in guarded.present(self._station.access.tree) if self.allows(key)]

    def leaf(self, key: str) -> Leaf | None:
        """Return the path behind a key."""
        return guarded.find(self._station.access.tree, key)

    def limits(self, key: str) -> Limits | None:
        """Return what both the device and we allow."""
        control = guarded.named(key)
        return None if control is None else guarded.limits(control, self.leaf(key))

    def on_change(self, listener: Callable[[], None]) -> Callable[[], None]:
        """Call `listener` when something is held or given back."""
        self._listeners.append(listener)

        def stop() -> None:
            if listener in self._listeners:
                self._listeners.remove(listener)

        return stop

    # ---- life ----------------------------------------------------------------------------------------------

    async def async_start(self) -> None:
        """Read what is held since an earlier run; it is given back as soon as the station is there."""
        stored = await self._store.async_load() or {}
        # A later version may have stored more: overrides are given back after a downgrade, too.
        self._held = {key: Held(**_known(Held, held)) for key, held in stored.get("held", {}).items()}
        self._left = set(self._held)
        self._audit.extend(
            Written(**{**_known(Written, line), "outcome": Outcome(line["outcome"])})
            for line in stored.get("audit", ())
            if line["outcome"] in Outcome
        )
        self._loaded = True
        access = self._station.access
        self._cancel += [
            access.watch(self._link_changed),
            access.tree.subscribe(self._changed),
            async_track_time_interval(
                self._hass, self._beat, timedelta(seconds=REPEAT_S), cancel_on_shutdown=True
            ),
            # Before background tasks are cancelled: the connection to the station is one of them.
            self._hass.async_add_shutdown_job(HassJob(self._finish, "microgrid release of GX overrides")),
        ]
        self._link_changed(access.state)

    async def async_stop(self) -> None:
        """Give back what is held, while the station is still there."""
        while self._cancel:
            self._cancel.pop()()
        await self._finish()

    async def _finish(self) -> None:
        if self._stopped:
            return
        self._stopped = True  # nobody writes any more
        for task in tuple(self._tasks):
            task.cancel()
        if not self._loaded:
            return
        try:
            async with asyncio.timeout(_RELEASE_S):
                await self.release(by=_STOP)
        except TimeoutError, HomeAssistantError:
            _LOGGER.warning(
                "%s did not confirm that it gave up %s; the next start tries again",
                self.node_id,
                ", ".join(self._held),
            )
        await self._save()

    @staticmethod
    async def async_forget(hass: HomeAssistant, entry_id: str, subentry_id: str) -> None:
        """Delete what was stored of a station."""
        await _store(hass, entry_id, subentry_id).async_remove()

    # ---- writing -------------------------------------------------------------------------------------------

    async def set(
        self,
        key: str,
        value: Scalar,
        *,
        context: Context | None = None,
        by: str | None = None,
        hold: bool = False,
        until: datetime | None = None,
        band: float = 0.0,
    ) -> Value:
        """Write one control and return what the station says then.

        Overrides are held: they are given back by `release`, at `until`, and when Home Assistant stops.
        `hold` does the same with a setting, which gets its original value back. A `band` says that values
        around this one will follow: they are not saved one by one.

        Raises ServiceValidationError when nothing was written, HomeAssistantError when it was not confirmed.
        """
        control = guarded.named(key)
        by = by or await self._who(context)
        if control is None or control.group not in self._allowed:
            self._note(key, by, context, None, value, Outcome.REFUSED, "not allowed")
            raise self._error("gx_control_not_allowed", key, value)
        async with self._lock:
            if self._stopped:
                raise self._error("gx_unreachable", key, value)
            leaf = self.leaf(key)
            before = None if leaf is None else leaf.value
            try:
                if leaf is None:
                    raise NotThere(f"the station has no {key} now")
                wanted = guarded.check(self._station.access, leaf.address, value)
            except GxError as error:
                self._note(key, by, context, before, value, Outcome.REFUSED, str(error))
                raise self._explained(error, key, value) from error
            previous = self._held.get(key)
            neutral = control.override and guarded.same(wanted, control.release)
            held: Held | None = None
            if (control.override or hold or previous is not None) and not neutral:
                held = self._to_hold(key, leaf.address, before, wanted, by, until, band)
            try:
                if held is not None:
                    # Before it is written: who is killed now, gives back later what of both the device has.
                    await self._keep(key, held if previous is None else _either(previous, held))
                told = await self._write(key, leaf.address, wanted)
            except GxError as error:
                if held is not None:
                    self._not_written(key, previous, held, answered=_answered(error))
                self._note(key, by, context, before, wanted, Outcome.FAILED, str(error))
                await self._save()
                raise self._explained(error, key, wanted) from error
            self._settled(key)
            self._note(key, by, context, before, told, Outcome.CONFIRMED)
            await self._keep(key, held)
        self._tell()
        return told

    async def release(
        self,
        keys: Collection[str] | None = None,
        *,
        context: Context | None = None,
        by: str | None = None,
    ) -> None:
        """Give back what is held: overrides are given up, settings get their original value.

        What somebody else has changed meanwhile is left to them. Raises HomeAssistantError when the station
        did not confirm one of them; that stays held and is tried again when the station is back.
        """
        by = by or await self._who(context)
        if keys is not None and not self._held.keys() & set(keys):
            return
        await self._give_back(lambda: list(self._held if keys is None else keys), context, by)

    async def _give_back(self, keys: Callable[[], list[str]], context: Context | None, by: str) -> None:
        failed: HomeAssistantError | None = None
        async with self._lock:
            for key in keys():
                try:
                    await self._release(key, context, by)
                except GxError as error:
                    self._left.add(key)
                    failed = self._explained(error, key, None)
            await self._save()
        self._tell()
        if failed is not None:
            raise failed

    async def _release(self, key: str, context: Context | None, by: str) -> None:
        held = self._held.get(key)
        control = guarded.named(key)
        if held is None:
            return
        address = parse_address(held.address)
        if control is None or address is None:  # of an earlier version
            self._drop(key)
            return
        access = self._station.access
        if access.state is not LinkState.ONLINE:
            raise Unreachable(f"the station is {access.state.value}")
        leaf = access.tree.leaf(address)
        now = None if leaf is None else leaf.value
        # What is gone, by a restart of the station, needs no release; nor does a device that left.
        back = control.release if control.override else held.original
        at_rest = guarded.same(now, back)
        if leaf is None or not leaf.device.present or (at_rest and key not in self._unanswered):
            self._drop(key)
            return
        if not at_rest and not held.ours(now):
            self._drop(key)
            self._note(key, by, context, held.value, now, Outcome.TAKEN_OVER)
            return
        try:
            told = await self._write(key, address, back)
        except GxError as error:
            self._note(key, by, context, now, back, Outcome.FAILED, str(error))
            raise
        self._drop(key)
        self._note(key, by, context, now, told, Outcome.RELEASED)

    async def _write(self, key: str, address: Address, value: Scalar) -> Value:
        self._writing.add(key)
        try:
            return await guarded.write(self._station.access, address, value)
        finally:
            self._writing.discard(key)

    def _to_hold(
        self,
        key: str,
        address: Address,
        before: Value,
        value: Scalar,
        by: str,
        until: datetime | None,
        band: float,
    ) -> Held:
        """Return what must be given back once the value is there: the original of before the first write."""
        previous = self._held.get(key)
        number = float(value) if isinstance(value, int | float) else None
        low, high = (None, None) if number is None else (number, number)
        if number is not None and band:
            if previous is not None and previous.ours(number) and previous.low != previous.high:
                low, high = previous.low, previous.high
            else:
                low, high = number - band, number + band
        held = Held(
            address=str(address),
            original=_scalar(before),
            value=value,
            low=low,
            high=high,
            since=dt_util.utcnow().isoformat(),
            until=None if until is None else until.isoformat(),
            by=by,
        )
        if previous is not None:
            held = replace(held, original=previous.original, since=previous.since)
            if band and (low, high) == (previous.low, previous.high) and held.until == previous.until:
                # The band covers it: the record on the disk stays true.
                held = replace(held, value=previous.value)
        return held

    async def _keep(self, key: str, held: Held | None) -> None:
        """Hold this from now on, on the disk as well; None holds nothing."""
        if self._held.get(key) == held:
            return
        if held is None:
            self._drop(key)
        else:
            self._held[key] = held
        await self._save()

    def _not_written(self, key: str, previous: Held | None, held: Held, *, answered: bool) -> None:
        """A write was not confirmed: what the device has, or may still come to have, stays held."""
        leaf = self.leaf(key)
        if not answered:
            self._unanswered.add(key)
        if previous is not None:
            kept = answered and leaf is not None and previous.ours(leaf.value)
            both = _either(previous, held)
            self._held[key] = previous if kept else replace(previous, low=both.low, high=both.high)
        elif answered and leaf is not None and leaf.valid and not held.ours(leaf.value):
            self._drop(key)
        else:
            self._held[key] = held

    def _drop(self, key: str) -> None:
        self._held.pop(key, None)
        self._settled(key)

    def _settled(self, key: str) -> None:
        """It is known what the station has."""
        self._left.discard(key)
        self._lost.discard(key)
        self._unanswered.discard(key)

    # ---- what happens at the station -----------------------------------------------------------------------

    @callback
    def _link_changed(self, state: LinkState) -> None:
        if state is LinkState.ONLINE:
            if self._left or any(held.over for held in self._held.values()):
                self._later(self._catch_up())
        elif not self._stopped:
            self._lost.update(self._held)

    async def _catch_up(self) -> None:
        """Give back what is overdue."""
        if not (due := self._due()):
            return
        by = _RESTART if self._left.issuperset(due) else _EXPIRY
        try:
            await self._give_back(self._due, None, by)  # what is set anew while it waits is not due any more
        except HomeAssistantError as error:
            _LOGGER.warning("%s: %s; it is tried again", self.node_id, error)

    def _due(self) -> list[str]:
        return [key for key, held in self._held.items() if key in self._left or held.over]

    @callback
    def _changed(self, change: Change) -> None:
        """See whether somebody else writes what we hold."""
        address = str(change.leaf.address)
        for key, held in self._held.items():
            if held.address == address and key not in self._writing and key not in self._left:
                self._compare(key, held, change)
                return

    def _compare(self, key: str, held: Held, change: Change) -> None:
        now = change.leaf.value
        if not change.leaf.device.present or held.ours(now):
            return
        control = guarded.named(key)
        forgotten = control is not None and control.override and guarded.same(now, control.release)
        outcome = Outcome.LOST if forgotten and key in self._lost else Outcome.TAKEN_OVER
        self._drop(key)
        self._note(key, _STATION, None, held.value, now, outcome)
        self._later(self._save())
        self._tell()

    @callback
    def _beat(self, now: datetime) -> None:
        """Say held overrides again, and give back those whose time has come."""
        if self._station.access.state is not LinkState.ONLINE or self._stopped:
            return
        if self._left or any(held.over for held in self._held.values()):
            self._later(self._catch_up())
            return
        self._later(self._repeat())

    async def _repeat(self) -> None:
        for key, held in tuple(self._held.items()):
            control, leaf = guarded.named(key), self.leaf(key)
            if control is None or not control.override or leaf is None or self._lock.locked():
                continue
            if held.ours(leaf.value):
                try:
                    await self._station.access.write(leaf.address, _scalar(leaf.value))
                except GxError as error:
                    _LOGGER.debug("%s: %s was not said again: %s", self.node_id, key, error)

    def _later(self, work: Coroutine[Any, Any, None]) -> None:
        task = self._hass.async_create_task(work, f"microgrid GX control {self.node_id}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _who(self, context: Context | None) -> str:
        """Return the name of the user, or what it was without one."""
        if context is None or context.user_id is None:
            return _AUTOMATION
        user = await self._hass.auth.async_get_user(context.user_id)
        return context.user_id if user is None else user.name or context.user_id

    # ---- the audit log -------------------------------------------------------------------------------------

    def _note(
        self,
        key: str,
        by: str,
        context: Context | None,
        before: Value,
        after: Value,
        outcome: Outcome,
        reason: str = "",
    ) -> None:
        """Write down who wrote what; corrections that follow one another are one line and one event."""
        line = Written(
            time=dt_util.utcnow().isoformat(timespec="milliseconds"),
            control=key,
            by=by,
            user_id=None if context is None else context.user_id,
            before=before,
            after=after,
            outcome=outcome,
            reason=reason,
        )
        last = self._audit[-1] if self._audit else None
        if (
            last is not None
            and by == BY_SCHEDULE
            and (last.control, last.by, last.outcome) == (key, by, outcome)
            and outcome is Outcome.CONFIRMED
        ):
            self._audit[-1] = replace(last, time=line.time, after=after, times=last.times + 1)
            return
        self._audit.append(line)
        told = {"station": self._station.name, "node": self.node_id, **asdict(line), "outcome": outcome.value}
        self._hass.bus.async_fire(EVENT_GX_WRITE, told, context=context)
        if not self._stopped:
            self._store.async_delay_save(self._stored, _SAVE_S)

    def _tell(self) -> None:
        for listener in tuple(self._listeners):
            listener()

    async def _save(self) -> None:
        await self._store.async_save(self._stored())

    def _stored(self) -> dict[str, Any]:
        return {
            "held": {key: asdict(held) for key, held in self._held.items()},
            "audit": [{**asdict(line), "outcome": line.outcome.value} for line in self._audit],
        }

    # ---- errors --------------------------------------------------------------------------------------------

    def _explained(self, error: GxError, key: str, value: Value) -> HomeAssistantError:
        name = next((name for kind, name in ERRORS.items() if isinstance(error, kind)), "gx_unreachable")
        return self._error(name, key, value, str(error))

    def _error(self, name: str, key: str, value: Value, reason: str = "") -> HomeAssistantError:
        allowed, leaf = self.limits(key), self.leaf(key)
        sent = name in ("gx_not_confirmed", "gx_unreachable")
        return (HomeAssistantError if sent else ServiceValidationError)(
            translation_domain=DOMAIN,
            translation_key=name,
            translation_placeholders={
                "station": self._station.name,
                "control": key,
                "value": f"{value}",
                "minimum": "?" if allowed is None else f"{allowed.minimum:g}",
                "maximum": "?" if allowed is None else f"{allowed.maximum:g}",
                "told": "nothing" if leaf is None or leaf.value is None else f"{leaf.value}",
                "reason": reason or self._station.access.detail or self._station.access.state.value,
            },
        )


ERRORS: Final[dict[type[GxError], str]] = {
    NotAllowed: "gx_control_not_allowed",
    OutOfRange: "gx_out_of_range",
    NotThere: "gx_not_there",
    NotSupported: "gx_read_only",
    NotConfirmed: "gx_not_confirmed",
    Unreachable: "gx_unreachable",
    WriteRefused: "gx_write_refused",
}
"""The first that fits: special ones stand before general ones."""


def _known(kind: type[Held | Written], stored: Mapping[str, Any]) -> dict[str, Any]:
    return {item.name: stored[item.name] for item in fields(kind) if item.name in stored}


def _either(previous: Held, held: Held) -> Held:
    """Return a record that is true whichever of two the device has."""
    if None in (previous.low, previous.high, held.low, held.high):
        return held
    ends = [end for end in (previous.low, previous.high, held.low, held.high) if end is not None]
    return replace(held, low=min(ends), high=max(ends))


def _answered(error: GxError) -> bool:
    """Whether the device told after a write what it has, so that no late arrival is to be feared."""
    return not isinstance(error, Unreachable) and not isinstance(error.__cause__, Unreachable)


def _scalar(value: Value) -> Scalar:
    return value if value is None or isinstance(value, bool | int | float | str) else None


def _store(hass: HomeAssistant, entry_id: str, subentry_id: str) -> Store[dict[str, Any]]:
    return Store(hass, STORAGE_VERSION, f"{DOMAIN}.{entry_id}.gx_control.{subentry_id}")
