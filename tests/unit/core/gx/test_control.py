"""Guarded writes: the allow-list, limits of the device and of ours, confirmation, clear errors."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from microgrid_core.gx.control import (
    CONTROLS,
    GROUPS,
    Limits,
    check,
    control_of,
    find,
    limits,
    named,
    present,
    releasable,
    release,
    same,
    slot_day,
    slot_value,
    write,
)
from microgrid_core.gx.errors import (
    GxError,
    NotAllowed,
    NotConfirmed,
    NotSupported,
    NotThere,
    OutOfRange,
    Unreachable,
    WriteRefused,
)
from microgrid_core.gx.table import table
from microgrid_core.gx.transport import READ_TIMEOUT_S, Link, LinkState
from microgrid_core.gx.tree import Tree
from microgrid_core.gx.value import Address, Scalar, Told, Value

MODE = Address("vebus", 276, "/Mode")
SETPOINT = Address("hub4", 0, "/Overrides/Setpoint")
FORCE = Address("hub4", 0, "/Overrides/ForceCharge")
DISCHARGE = Address("hub4", 0, "/Overrides/MaxDischargePower")
MINIMUM = Address("settings", 0, "/Settings/CGwacs/BatteryLife/MinimumSocLimit")
RELAY = Address("system", 0, "/Relay/1/State")
START = Address("settings", 0, "/Settings/CGwacs/BatteryLife/Schedule/Charge/2/Start")


class Desk(Link):
    """A station in memory that does with writes what a test says."""

    def __init__(self) -> None:
        super().__init__()
        self.tree = Tree()
        self.writable = True
        self.sent: list[tuple[Address, Scalar]] = []
        self.take: Callable[[Address, Scalar], None] = lambda address, value: self.tree.tell(
            address, Told(value)
        )
        self.answers = True
        self.become(LinkState.ONLINE)
        for address, value in {
            MODE: 3,
            SETPOINT: None,
            FORCE: 0,
            DISCHARGE: -1.0,
            MINIMUM: 20.0,
            RELAY: 0,
            START: 0,
        }.items():
            self.tree.tell(address, Told(value))
        self.tree.tell(MINIMUM, Told(20.0, 5.0, 95.0))

    async def run(self) -> None:
        """Nothing to do."""

    async def read(self, address: Address, timeout_s: float = READ_TIMEOUT_S) -> Told:
        """Say what is there."""
        if not self.answers:
            raise Unreachable("nobody answers")
        leaf = self.tree.leaf(address)
        return Told(leaf.value if leaf is not None else None)

    async def write(self, address: Address, value: Scalar) -> None:
        """Do what the test says."""
        self.sent.append((address, value))
        self.take(address, value)


def value(desk: Desk, address: Address) -> Value:
    leaf = desk.tree.leaf(address)
    assert leaf is not None
    return leaf.value


def test_only_these_paths_are_ever_written() -> None:
    allowed = [
        fact for fact in table().facts if (fact.service, fact.path) in {(c.service, c.path) for c in CONTROLS}
    ]
    assert len(allowed) == len(CONTROLS), "each stands in the table"
    assert all(fact.writable for fact in allowed)
    for fact in table().facts:
        if fact.kind == "action" or "MicroGrid" in fact.path or "/Restore/" in fact.path:
            assert fact not in allowed
    assert control_of(Address("battery", 0, "/Nothing")) is None
    assert control_of(Address("vebus", 0, "/SystemReset")) is None
    assert control_of(RELAY) is not None


@pytest.mark.parametrize(
    "path",
    [
        "vebus/276/SystemReset",
        "platform/0/Device/Reboot",
        "vebus/276/MicroGrid/DirectDrivePQ/P",
        "x/0/Unknown",
    ],
)
async def test_everything_else_is_refused(path: str) -> None:
    desk = Desk()
    service, instance, rest = path.split("/", 2)
    address = Address(service, int(instance), f"/{rest}")
    desk.tree.tell(address, Told(0))
    with pytest.raises(NotAllowed, match="allow-list"):
        await write(desk, address, 1)
    assert not desk.sent


@pytest.mark.parametrize(
    ("address", "wanted", "sent"),
    [
        (MODE, 1, 1),
        (MODE, 4.0, 4),
        (SETPOINT, -1500.5, -1500.5),
        (SETPOINT, 1500.0, 1500),
        (SETPOINT, None, None),
        (FORCE, True, 1),
        (DISCHARGE, -1, -1),
        (DISCHARGE, 2000, 2000),
        (MINIMUM, 30, 30),
        (RELAY, 1, 1),
        (START, 7200, 7200),
    ],
)
async def test_what_is_sent(address: Address, wanted: Scalar, sent: Scalar) -> None:
    desk = Desk()
    if wanted is None:
        desk.tree.tell(address, Told(100.0))
    assert await write(desk, address, wanted, confirm_s=0.4) == sent
    ((_, found),) = desk.sent
    assert found == sent
    assert type(found) is type(sent), "the type on the D-Bus follows the type in JSON"


@pytest.mark.parametrize(
    ("address", "wanted", "text"),
    [
        (MODE, 0, "outside 1 … 4"),
        (MODE, 2.5, "whole number"),
        (MODE, "on", "no number"),
        (MODE, None, "no number"),
        (MODE, float("nan"), "no number"),
        (FORCE, None, "no number"),
        (SETPOINT, 1e6, "outside -100000 … 100000"),
        (MINIMUM, 4, "outside 5 … 95"),
        (MINIMUM, 96, "nothing was sent"),
        (START, 86_400, "outside 0 … 86399"),
        (DISCHARGE, -2, "outside -1"),
    ],
)
async def test_what_is_out_of_range(address: Address, wanted: Scalar, text: str) -> None:
    desk = Desk()
    with pytest.raises(OutOfRange, match=text):
        await write(desk, address, wanted)
    assert not desk.sent


def test_limits_of_the_device_and_ours() -> None:
    desk = Desk()
    control = control_of(MINIMUM)
    assert control is not None
    assert limits(control, desk.tree.leaf(MINIMUM)) == Limits(5.0, 95.0)
    desk.tree.tell(MINIMUM, Told(20.0, -50.0, 500.0))
    assert limits(control, desk.tree.leaf(MINIMUM)) == Limits(0.0, 100.0)
    assert limits(control, None) == Limits(0.0, 100.0)


async def test_what_cannot_be_written_now() -> None:
    desk = Desk()
    with pytest.raises(NotThere, match="gx_read"):
        check(desk, Address("vebus", 9, "/Mode"), 1)
    with pytest.raises(NotThere):
        check(desk, Address("system", 0, "/Relay/5/State"), 1)
    desk.tree.tell(Address("vebus", 276, "/ModeIsAdjustable"), Told(0))
    with pytest.raises(NotThere, match="switch or the BMS"):
        check(desk, MODE, 1)
    desk.tree.leave("vebus", 276)
    with pytest.raises(NotThere):
        check(desk, MODE, 1)
    desk.tree.tell(RELAY, Told(None))
    with pytest.raises(NotThere):
        check(desk, RELAY, 1)
    desk.become(LinkState.LOST, "gone")
    with pytest.raises(Unreachable, match="the station is lost"):
        check(desk, FORCE, 1)
    desk.writable = False
    with pytest.raises(NotSupported, match="only reads"):
        check(desk, FORCE, 1)
    assert not desk.sent


async def test_a_device_that_takes_its_time() -> None:
    desk = Desk()

    def later(address: Address, value: Scalar) -> None:
        asyncio.get_running_loop().call_later(0.6, desk.tree.tell, address, Told(value))

    desk.take = later
    assert await write(desk, MODE, 1, confirm_s=1.0) == 1


async def test_a_device_that_refuses() -> None:
    desk = Desk()
    desk.take = lambda address, value: None
    with pytest.raises(NotConfirmed, match="1 was sent, and the device still says 3"):
        await write(desk, MODE, 1, confirm_s=0.3)
    desk.answers = False
    with pytest.raises(NotConfirmed, match="does not say whether"):
        await write(desk, MODE, 1, confirm_s=0.3)


async def test_a_device_that_takes_something_else() -> None:
    desk = Desk()
    desk.take = lambda address, value: desk.tree.tell(address, Told(4))
    with pytest.raises(NotConfirmed, match="still says 4"):
        await write(desk, MODE, 1, confirm_s=0.3)


async def test_overrides_are_released() -> None:
    desk = Desk()
    for address, held, released in ((SETPOINT, 500, None), (FORCE, 1, 0), (DISCHARGE, 100, -1)):
        await write(desk, address, held, confirm_s=0.3)
        assert value(desk, address) == held
        await release(desk, address)
        assert value(desk, address) == released
    with pytest.raises(NotAllowed, match="no override"):
        await release(desk, MODE)
    with pytest.raises(NotAllowed):
        await release(desk, Address("battery", 0, "/Soc"))


async def test_what_could_not_be_given_up_is_not_begun() -> None:
    desk = Desk()
    desk.takes_null = False
    for wanted in (500, None):
        with pytest.raises(WriteRefused, match="use MQTT"):
            await write(desk, SETPOINT, wanted)
    assert not desk.sent
    assert [control.name for control in CONTROLS if not releasable(desk, control)] == ["setpoint_override"]
    assert await write(desk, FORCE, 1, confirm_s=0.3) == 1
    assert await release(desk, FORCE) == 0


def test_what_a_station_has_by_key() -> None:
    desk = Desk()
    assert set(present(desk.tree)) == {
        "mode",
        "setpoint_override",
        "force_charge",
        "maximum_discharge_power",
        "minimum_state_of_charge",
        "relay_1",
        "charge_2_start",
    }
    for key, address in (("mode", MODE), ("relay_1", RELAY), ("charge_2_start", START)):
        leaf = find(desk.tree, key)
        assert leaf is not None
        assert leaf.address == address
        assert named(key) is control_of(address)
    assert find(desk.tree, "relay_0") is None
    for key in ("relay_x", "relay_{n}", "reboot", ""):
        assert named(key) is None
        assert find(desk.tree, key) is None
    desk.tree.leave("vebus", 276)
    assert "mode" not in present(desk.tree)
    desk.tree.tell(Address("vebus", 290, "/Mode"), Told(3))
    leaf = find(desk.tree, "mode")
    assert leaf is not None
    assert leaf.address.instance == 290, "the first one that is there"
    assert {control.group for control in CONTROLS} == set(GROUPS)


def test_days_of_a_slot() -> None:
    for day in (0, 1, 6, 7, 8, 9):
        for on in (True, False):
            assert slot_day(slot_value(day, on)) == (day, on)
    assert (slot_value(0, False), slot_value(7, False), slot_value(0, True)) == (-10, -7, 0)


def test_the_same() -> None:
    assert same(None, None)
    assert not same(0, None)
    assert not same(None, 0)
    assert same(20.000001, 20)
    assert not same(20.1, 20)
    assert same("a", "a")
    assert not same("a", 1)


def test_all_errors_are_of_one_family() -> None:
    for kind in (NotAllowed, NotConfirmed, NotSupported, NotThere, OutOfRange, Unreachable):
        assert issubclass(kind, GxError)
