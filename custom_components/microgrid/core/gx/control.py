"""Guarded writes: what may be written at all, within which limits, and whether the device really took it."""

from __future__ import annotations

import asyncio
import math
from dataclasses import dataclass
from typing import Final

from .errors import (
    NotAllowed,
    NotConfirmed,
    NotSupported,
    NotThere,
    OutOfRange,
    Unreachable,
    WriteRefused,
)
from .table import table
from .transport import LinkState, Transport
from .tree import Change, Leaf, Tree
from .value import Address, Scalar, Value

CONFIRM_S: Final = 5.0
"""So long a device may take to say that it took a value."""
_ECHO_S: Final = 2.0
"""Then it is asked: it tells nothing by itself when the value was the same before."""
_TOLERANCE: Final = 1e-3
"""Settings are stored as 32-bit floats by some devices."""


@dataclass(frozen=True, slots=True)
class Control:
    """A path that we may write."""

    group: str
    """What a person allows: one of GROUPS."""
    name: str
    """What it is called here, with the placeholders of the path."""
    service: str
    path: str
    """With placeholders, as in the table."""
    minimum: float
    maximum: float
    """Where the device names no limits of its own; where it does, both hold."""
    integer: bool = True
    """The type on the D-Bus follows the type in JSON: an integer for a path of integers."""
    release: Scalar = None
    """What gives up an override."""
    override: bool = False
    """Whether it must be released when nobody is there to mind it."""

    def fits(self, value: float) -> bool:
        """Whether the value is of the right type."""
        return not self.integer or float(value).is_integer()


MODE: Final = "mode"
GRID_SETPOINT: Final = "grid_setpoint"
MINIMUM_CHARGE: Final = "minimum_state_of_charge"
SCHEDULED_CHARGING: Final = "scheduled_charging"
RELAYS: Final = "relays"
BATTERY: Final = "battery_power"
GROUPS: Final = (MODE, GRID_SETPOINT, MINIMUM_CHARGE, SCHEDULED_CHARGING, RELAYS, BATTERY)
"""What is allowed or not, one by one."""
SETPOINT, FORCE_CHARGE, MOST_DISCHARGE = "setpoint_override", "force_charge", "maximum_discharge_power"
_SCHEDULE: Final = "/Settings/CGwacs/BatteryLife/Schedule/Charge/{slot}/"
CONTROLS: Final = (
    Control(MODE, "mode", "vebus", "/Mode", 1, 4),
    Control(
        *(GRID_SETPOINT, "grid_setpoint", "settings", "/Settings/CGwacs/AcPowerSetPoint"),
        *(-100_000, 100_000),
        integer=False,
    ),
    Control(
        *(MINIMUM_CHARGE, MINIMUM_CHARGE, "settings", "/Settings/CGwacs/BatteryLife/MinimumSocLimit"),
        *(0, 100),
        integer=False,
    ),
    # -1 … -10 are the days of a slot that is switched off.
    Control(SCHEDULED_CHARGING, "charge_{slot}_day", "settings", f"{_SCHEDULE}Day", -10, 11),
    Control(SCHEDULED_CHARGING, "charge_{slot}_start", "settings", f"{_SCHEDULE}Start", 0, 86_399),
    Control(SCHEDULED_CHARGING, "charge_{slot}_duration", "settings", f"{_SCHEDULE}Duration", 0, 86_400),
    Control(SCHEDULED_CHARGING, "charge_{slot}_target", "settings", f"{_SCHEDULE}Soc", 0, 100),
    Control(SCHEDULED_CHARGING, "charge_{slot}_beyond", "settings", f"{_SCHEDULE}AllowDischarge", 0, 1),
    Control(
        *(BATTERY, SETPOINT, "hub4", "/Overrides/Setpoint", -100_000, 100_000), integer=False, override=True
    ),
    Control(BATTERY, FORCE_CHARGE, "hub4", "/Overrides/ForceCharge", 0, 1, release=0, override=True),
    Control(
        *(BATTERY, MOST_DISCHARGE, "hub4", "/Overrides/MaxDischargePower", -1, 100_000),
        integer=False,
        release=-1,
        override=True,
    ),
    Control(RELAYS, "relay_{n}", "system", "/Relay/{n}/State", 0, 1),
)
"""All that is ever written; what a GX would take besides, resets and reboots among it, is refused."""
_BY_PATH: Final = {(control.service, control.path): control for control in CONTROLS}
_MANY: Final = range(10)
"""No station has more slots or relays."""
_BY_KEY: Final = {
    control.name.format(slot=number, n=number): (control, control.path.format(slot=number, n=number))
    for control in CONTROLS
    for number in (_MANY if "{" in control.path else (0,))
}
"""What each written path is called, e.g. `relay_1`."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Between what a value must lie, in the unit of the path."""

    minimum: float
    maximum: float


def control_of(address: Address) -> Control | None:
    """Return how a path is written; None for one that never is."""
    known = table().find(address.service, address.path)
    return None if known is None else _BY_PATH.get((known.fact.service, known.fact.path))


def may_be_written(leaf: Leaf) -> bool:
    """Whether a path is one of those that are ever written."""
    return leaf.known is not None and (leaf.known.fact.service, leaf.known.fact.path) in _BY_PATH


def named(key: str) -> Control | None:
    """Return how a key is written, whether or not a station has it; None for one that never is."""
    found = _BY_KEY.get(key)
    return None if found is None else found[0]


def find(tree: Tree, key: str) -> Leaf | None:
    """Return the path behind a key; of several devices that have it the first one's."""
    if (found := _BY_KEY.get(key)) is None:
        return None
    control, path = found
    devices = tree.of(control.service)
    return next((leaf for device in devices if (leaf := device.leaves.get(path)) is not None), None)


def present(tree: Tree) -> list[str]:
    """Return the keys of what a station has of all that may be written."""
    return [key for key in _BY_KEY if find(tree, key) is not None]


_SUNDAY_OFF: Final = -10
"""A slot that is switched off keeps its day with a minus sign, and Sunday is 0."""


def slot_day(value: float) -> tuple[int, bool]:
    """Return the day of a slot of scheduled charging (0 is Sunday, 7 every day) and whether it is on."""
    day = int(value)
    return (0, False) if day == _SUNDAY_OFF else (abs(day), day >= 0)


def slot_value(day: int, on: bool) -> int:
    """Return how a GX writes the day of a slot."""
    return day if on else -day or _SUNDAY_OFF


def limits(control: Control, leaf: Leaf | None) -> Limits:
    """Return what both the device and we allow."""
    told = leaf.limits if leaf is not None else None
    if told is None:
        return Limits(control.minimum, control.maximum)
    return Limits(max(control.minimum, told[0]), min(control.maximum, told[1]))


def releasable(transport: Transport, control: Control) -> bool:
    """Whether an override could be given up again over this connection."""
    return not control.override or control.release is not None or transport.takes_null


def check(transport: Transport, address: Address, value: Scalar) -> Scalar:
    """Return the value as it is to be sent.

    Raises NotAllowed, NotThere, OutOfRange, NotSupported, Unreachable, and WriteRefused for an override that
    could not be given up again; nothing is sent.
    """
    control = control_of(address)
    if control is None:
        raise NotAllowed(
            f"{address} is not written: the allow-list has mode, ESS set-point, minimum state of charge, "
            "scheduled charging, ESS overrides and relays"
        )
    if not transport.writable:
        raise NotSupported(
            f"{address}: this connection only reads; {transport.detail or 'use MQTT to write'}"
        )
    if not releasable(transport, control):
        raise WriteRefused(
            f"{address}: only null gives it up again, which this connection cannot send; use MQTT to write it"
        )
    if transport.state not in (LinkState.ONLINE, LinkState.LOADING):
        raise Unreachable(
            f"{address}: the station is {transport.state.value}; nothing was sent, try again when it is back"
        )
    device = transport.tree.devices.get((address.service, address.instance))
    leaf = None if device is None else device.leaves.get(address.path)
    # An override that nobody has set is not valid, and there all the same.
    if device is None or not device.present or leaf is None or (leaf.value is None and not control.override):
        raise NotThere(f"{address}: the station does not have this path now; look it up with gx_read")
    if address.service == "vebus" and device.value("/ModeIsAdjustable") == 0:
        raise NotThere(f"{address}: the mode is set by a switch or the BMS; the GX cannot change it")
    if control.override and value == control.release:
        return value
    return _number(control, leaf, value)


def _number(control: Control, leaf: Leaf, value: Scalar) -> int | float:
    if isinstance(value, bool):
        value = int(value)
    if not isinstance(value, int | float) or not math.isfinite(value):
        raise OutOfRange(f"{leaf.address}: {value!r} is no number")
    if not control.fits(value):
        raise OutOfRange(f"{leaf.address}: {value} is no whole number")
    allowed = limits(control, leaf)
    if not allowed.minimum <= value <= allowed.maximum:
        raise OutOfRange(
            f"{leaf.address}: {value} is outside {allowed.minimum:g} … {allowed.maximum:g}; nothing was sent"
        )
    if (
        leaf.known is not None
        and leaf.known.fact.enum == "inverter_charger_mode"
        and value not in (1, 2, 3, 4)
    ):
        raise OutOfRange(f"{leaf.address}: {value} is no mode")
    return int(value) if control.integer or float(value).is_integer() else float(value)


async def write(
    transport: Transport, address: Address, value: Scalar, *, confirm_s: float = CONFIRM_S
) -> Value:
    """Write one value and wait until the device says that it has it; returns what it says.

    Raises what `check` raises, Unreachable, and NotConfirmed when the device says something else or nothing.
    """
    wanted = check(transport, address, value)
    told: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def listen(change: Change) -> None:
        if change.leaf.address == address and same(change.leaf.value, wanted) and not told.done():
            told.set_result(None)

    stop = transport.tree.subscribe(listen)
    try:
        await transport.write(address, wanted)
        await asyncio.wait({told}, timeout=min(_ECHO_S, confirm_s / 2))
        if told.done():
            return wanted
        left_s = max(0.1, confirm_s - _ECHO_S)
        asked_at = transport.tree.now()
        try:
            answer = (await transport.read(address, timeout_s=left_s)).value
        except Unreachable as error:
            raise NotConfirmed(
                f"{address}: {_shown(wanted)} was sent, and the station does not say whether it took it"
            ) from error
        if same(answer, wanted):
            return answer
        await asyncio.wait({told}, timeout=max(0.0, left_s - (transport.tree.now() - asked_at)))
        if told.done():
            return wanted
        raise NotConfirmed(
            f"{address}: {_shown(wanted)} was sent, and the device still says {_shown(answer)}: it refuses "
            "the value, or something else writes there too"
        )
    finally:
        stop()
        told.cancel()


async def release(transport: Transport, address: Address) -> Value:
    """Give up an override; raises what `write` raises."""
    control = control_of(address)
    if control is None or not control.override:
        raise NotAllowed(f"{address} is no override: there is nothing to release")
    return await write(transport, address, control.release)


def same(told: Value, wanted: Scalar) -> bool:
    """Whether the device says what was written."""
    if told is None or wanted is None:
        return told is wanted
    if isinstance(told, int | float) and isinstance(wanted, int | float):
        return math.isclose(told, wanted, rel_tol=1e-6, abs_tol=_TOLERANCE)
    return bool(told == wanted)


def _shown(value: Value) -> str:
    return "null" if value is None else f"{value}"
