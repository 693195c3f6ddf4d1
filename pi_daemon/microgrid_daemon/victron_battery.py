"""The battery of a Victron ESS, through the MQTT broker on its GX.

The GX keeps the power at the grid's meter where it is told (`/Overrides/Setpoint`); a wanted power of the
battery is the load that is there, less that power. Above it the GX itself lets nothing be discharged
(`/Overrides/MaxDischargePower`), also between two of our steps. Both live in its memory and wear nothing. A
GX does not drop them when we are silent: that we hold them stands on our disk before the first is sent.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import Final

from microgrid_core.contract.messages import Scalar, ScheduleCapability, ScheduleMode
from microgrid_core.contract.schedule import Instruction
from microgrid_core.gx import control, steering
from microgrid_core.gx.access import MqttAccess
from microgrid_core.gx.errors import AccessRefused, GxError, WrongCertificate
from microgrid_core.gx.mqtt import MqttStation
from microgrid_core.gx.transport import LinkState
from microgrid_core.gx.tree import Device, Leaf
from microgrid_core.gx.value import Address

from .battery import Achieved
from .config import BatteryConfig
from .originals import StoredKeeper
from .schedule.limits import Measured
from .store import Store

_LOGGER = logging.getLogger(__name__)
SETPOINT: Final = "/Overrides/Setpoint"
MOST_DISCHARGE: Final = "/Overrides/MaxDischargePower"
_HELD: Final = (SETPOINT, MOST_DISCHARGE)
_FREE: Final = {SETPOINT: None, MOST_DISCHARGE: -1}
_REMEMBERED: Final = 3
STEP_W: Final = 20.0
"""Differences that are smaller are not sent."""
AFTER_REFUSAL_S: Final = 3600.0
"""A GX that refuses a login locks us out when it is tried often."""
_ON: Final = 3
_REACHABLE: Final = (LinkState.ONLINE, LinkState.LOADING)


class VictronBattery:
    """Drives a battery through the set-point of its ESS."""

    continuous = True
    has_temperature = True

    def __init__(
        self, config: BatteryConfig, access: MqttAccess, store: Store, station: MqttStation | None = None
    ) -> None:
        """Prepare; nothing is sent before `start`. Raises ValueError for access data that cannot be."""
        self._config = config
        self._station = MqttStation(access) if station is None else station
        self._keeper = StoredKeeper(store)
        self._device = f"gx {access.host}:{access.port}"
        self._holds = bool(self._keeper.originals(self._device))
        self._sent: dict[str, list[float]] = {}
        """What we sent lately, by path: what is not confirmed may arrive late."""
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Connect, and again whenever the GX was away."""
        self._task = asyncio.create_task(self._run())

    async def close(self) -> None:
        """Hang up."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
            self._task = None

    async def _run(self) -> None:
        while True:
            try:
                await self._station.run()
            except (AccessRefused, WrongCertificate) as error:
                text = "%s; tried again in %.0f min, or when the daemon is restarted"
                _LOGGER.error(text, error, AFTER_REFUSAL_S / 60.0, extra={"node": self._config.node})
                await asyncio.sleep(AFTER_REFUSAL_S)

    @property
    def capability(self) -> ScheduleCapability:
        """Return what can be asked: everything, as far as the installer lets it."""
        limits = self._config.limits
        return ScheduleCapability(tuple(ScheduleMode), limits.max_charge_w, limits.max_discharge_w)

    # ----------------------------------------------------------------------------------------------- reading

    def read(self) -> Measured:
        """Return what the GX says; its sign of life confirms what has not changed."""
        station, system = self._station, self._first("system")
        if station.state not in _REACHABLE:
            why = station.detail or station.state.value
            return Measured(age_s=float("inf"), trouble=f"the GX is not reached: {why}")
        if system is None:
            return Measured(age_s=float("inf"), trouble="the GX has not told anything yet")
        figures = steering.measure(station.tree)
        grid_w, charged_w = figures.grid_w, figures.battery_w
        leaves = (system.leaves.get(path) for path in ("/Dc/Battery/Soc", "/Dc/Battery/Power"))
        return Measured(
            power_w=None if charged_w is None else -charged_w,
            soc_percent=figures.charge_percent,
            temperature_c=_number(system.leaves.get("/Dc/Battery/Temperature")),
            age_s=max((station.tree.age_s(leaf) for leaf in leaves if leaf is not None), default=0.0),
            trouble=self._trouble() or figures.obstacle or None,
            net_w=None if grid_w is None or charged_w is None else grid_w - charged_w,
            floor_percent=figures.minimum_percent,
        )

    def values(self) -> dict[str, Scalar | None]:
        """Return what the GX says of the battery."""
        system = self._first("system")
        if system is None or self._station.state not in _REACHABLE:
            return {}
        charged_a = _number(system.leaves.get("/Dc/Battery/Current"))
        charged_w = _number(system.leaves.get("/Dc/Battery/Power"))
        values: dict[str, Scalar | None] = {
            "voltage": _number(system.leaves.get("/Dc/Battery/Voltage")),
            "current": None if charged_a is None else -charged_a,
            "power": None if charged_w is None else -charged_w,
            "charging": None if charged_w is None else charged_w > 0.0,
            "state_of_charge": _number(system.leaves.get("/Dc/Battery/Soc")),
            "temperature": _number(system.leaves.get("/Dc/Battery/Temperature")),
        }
        return {key: value for key, value in values.items() if value is not None}

    def _trouble(self) -> str | None:
        """Why the ESS must be left alone."""
        if self._first("hub4") is None:
            return "the GX has no ESS: install its assistant and switch ESS on"
        if (inverter := self._first("vebus")) is not None:
            if (error := inverter.value("/VebusError")) not in (None, 0):
                return f"the inverter reports VE.Bus error {error}"
            if (mode := inverter.value("/Mode")) not in (None, _ON):
                return f"the inverter is not switched on (mode {mode})"
        if foreign := ", ".join(f"{path} = {value:g}" for path, value in self._foreign().items()):
            return f"something else has set {foreign} at the GX, as Dynamic ESS does: it goes first"
        return None

    def _foreign(self) -> dict[str, float]:
        """Return what holds another value than ours: two masters."""
        found = {}
        for path in _HELD:
            value = _number(self._leaf(path))
            if value is None or control.same(value, _FREE[path]):
                continue  # free, or lost with a restart of the GX
            if self._holds and path not in self._sent:
                continue  # we sent it before we ended
            if not any(control.same(value, sent) for sent in self._sent.get(path, ())):
                found[path] = value
        return found

    def _first(self, service: str) -> Device | None:
        return next(self._station.tree.of(service), None)

    def _leaf(self, path: str) -> Leaf | None:
        device = self._first("hub4")
        return None if device is None else device.leaves.get(path)

    # ------------------------------------------------------------------------------------------------- doing

    async def apply(self, instruction: Instruction) -> Achieved:
        """Move the set-point to where the battery gives or takes this power; resting is a power of 0."""
        measured = self.read()
        if measured.trouble is not None or measured.net_w is None:
            why = measured.trouble or "the GX tells no power of the battery"
            back = await self.release()
            return Achieved("; ".join(filter(None, (why, back.trouble))))
        limits, rate_w = self._config.limits, instruction.rate_w
        discharge_w = charge_w = 0.0
        if instruction.mode is ScheduleMode.DISCHARGE:
            discharge_w = limits.max_discharge_w if rate_w is None else rate_w
        elif instruction.mode is ScheduleMode.CHARGE:
            charge_w = limits.max_charge_w if rate_w is None else rate_w
        elif instruction.mode is not ScheduleMode.IDLE:
            return Achieved(f"{instruction.mode} is nothing that a GX can be told")
        setpoint_w = float(round(measured.net_w - discharge_w + charge_w))
        # Who discharges may cover a load that begins before our next step, up to the hard limit.
        most_w = limits.max_discharge_w if discharge_w else 0.0
        self._hold()
        try:
            # The limit first: in between the battery may rest, and gives nothing that it must not.
            await self._write(MOST_DISCHARGE, most_w)
            await self._write(SETPOINT, setpoint_w)
        except GxError as error:
            back = await self.release()
            return Achieved("; ".join(filter(None, (str(error), back.trouble))))
        return Achieved(detail=f"{setpoint_w:g} W at the grid, at most {most_w:g} W out of the battery")

    def _hold(self) -> None:
        """Note on the disk that there is something to release."""
        if not self._holds:
            for path in _HELD:
                self._keeper.remember(self._device, path, "free")
            self._holds = True

    async def _write(self, path: str, value: float) -> None:
        """Send what differs, and prove it; raises GxError."""
        leaf = self._leaf(path)
        now = _number(leaf)
        near = now is not None and path in self._sent and abs(now - value) < STEP_W
        if near and (value != 0.0 or now == 0.0):
            return
        self._sent[path] = [*self._sent.get(path, ())[-_REMEMBERED:], value]
        await control.write(self._station, self._address(path), value)

    def _address(self, path: str) -> Address:
        device = self._first("hub4")
        return Address("hub4", 0 if device is None else device.instance, path)

    async def release(self) -> Achieved:
        """Free what we hold, but for what something else has set meanwhile: that stays."""
        if not self._holds:
            return Achieved(detail="nothing was held")
        foreign = self._foreign()
        try:
            for path in _HELD:
                value = _number(self._leaf(path))
                if path in foreign or (self._leaf(path) is not None and control.same(value, _FREE[path])):
                    continue
                await control.release(self._station, self._address(path))
        except GxError as error:
            return Achieved(f"not released: {error}")
        for path in _HELD:
            self._keeper.forget(self._device, path)
        self._holds = False
        self._sent.clear()
        return Achieved(detail="the GX is on its own again")

    async def restore(self) -> Achieved:
        """Connect, release what a crash left held, and hang up; within the time that the caller gives."""
        if not self._holds:
            return Achieved(detail="nothing was held")
        self.start()
        try:
            await self._station.wait_complete()
            return await self.release()
        finally:
            await self.close()


def _number(leaf: Leaf | None) -> float | None:
    return None if leaf is None else leaf.number
