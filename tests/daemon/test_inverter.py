"""Changing settings on a device: proof by reading back, the way back, and knowing when to stop."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import replace

import pytest
import pytest_asyncio

from microgrid_daemon.identity import Identity, identify
from microgrid_daemon.inverter import ForeignChange, Inverter, Status
from microgrid_daemon.pi30.settings import (
    Change,
    MemoryKeeper,
    Purpose,
    RefusalReason,
    WriteLedger,
    WriteLimits,
)
from simulator.pi30.device import Device
from simulator.pi30.unit import Unit
from tests.daemon.stage import link_to, until, wired

_ENABLED = ("output_source_priority", "charger_source_priority", "max_charging_current", "buzzer")
SBU, UTILITY, SOLAR = (Change("output_source_priority", name) for name in ("sbu", "utility", "solar"))


class Clock:
    """A clock that stands until it is moved."""

    def __init__(self) -> None:
        self.time_s = 1_000_000.0

    def __call__(self) -> float:
        return self.time_s


class Switching(Unit):
    """Does something when it is written to: the relay of one that does makes others hang or drop the line."""

    def __init__(self, then: Callable[[], object]) -> None:
        super().__init__()
        self._then = then

    def answer(self, command: str) -> str:
        said = super().answer(command)
        if not command.startswith("Q"):
            self._then()
        return said


@pytest.fixture
def device() -> Device:
    """A healthy inverter."""
    return Device(Unit())


@pytest.fixture
def clock() -> Clock:
    """The time of the ledger."""
    return Clock()


@pytest.fixture
def keeper() -> MemoryKeeper:
    """What must return."""
    return MemoryKeeper()


@pytest_asyncio.fixture
async def inverter(device: Device, clock: Clock, keeper: MemoryKeeper) -> AsyncIterator[Inverter]:
    """The inverter, with some settings enabled."""
    with wired(device, "usb") as places:
        link = link_to(places)
        identity = await identify(link)
        assert isinstance(identity, Identity)
        yield Inverter(link, identity, enabled=_ENABLED, keeper=keeper, ledger=WriteLedger(), now=clock)
        await link.close()


async def test_a_change_is_proven_by_reading_back(inverter: Inverter, device: Device) -> None:
    outcome = await inverter.change(UTILITY)
    assert (outcome.status, outcome.before, outcome.after) == (Status.DONE, "sbu", "utility")
    assert outcome.good
    assert device.unit.settings.output_source_priority == 0
    assert device.unit.written == ["POP00"]


async def test_what_is_so_already_is_not_written(inverter: Inverter, device: Device) -> None:
    outcome = await inverter.change(SBU)
    assert outcome.status is Status.UNCHANGED
    assert outcome.good
    assert device.unit.written == []


async def test_what_is_not_enabled_is_not_written(inverter: Inverter, device: Device) -> None:
    for change in (Change("battery_bulk_voltage", 55.0), Change("no_such_setting", 1)):
        outcome = await inverter.change(change)
        assert outcome.status is Status.REFUSED
        assert not outcome.good
        assert outcome.refusal in (RefusalReason.NOT_ENABLED, RefusalReason.NOT_OFFERED)
    assert device.unit.written == []


async def test_writes_keep_their_distance(inverter: Inverter, device: Device, clock: Clock) -> None:
    assert (await inverter.change(UTILITY)).good
    early = await inverter.change(SOLAR)
    assert (early.status, early.refusal) == (Status.REFUSED, RefusalReason.TOO_SOON)
    assert (await inverter.change(Change("buzzer", False))).good  # another setting
    clock.time_s += WriteLimits().least_interval_s
    assert (await inverter.change(SOLAR)).good
    assert device.unit.written == ["POP00", "PDa", "POP01"]


async def test_consent_without_effect_is_a_failure(inverter: Inverter, device: Device, clock: Clock) -> None:
    device.behaviour.accepts_without_effect = True
    for _ in range(2):
        assert not inverter.stopped
        outcome = await inverter.change(UTILITY)
        assert outcome.status is Status.FAILED
        assert "read back sbu" in outcome.detail
        clock.time_s += 300.0
    assert inverter.stopped
    device.behaviour.accepts_without_effect = False
    outcome = await inverter.change(UTILITY)
    assert (outcome.status, outcome.refusal) == (Status.REFUSED, RefusalReason.STOPPED)
    inverter.clear()
    assert (await inverter.change(UTILITY)).good


async def test_a_lost_consent_is_no_failure(inverter: Inverter, device: Device) -> None:
    device.behaviour.loses_consent = True
    outcome = await inverter.change(UTILITY)
    assert outcome.status is Status.DONE
    assert device.unit.settings.output_source_priority == 0


async def test_a_refusal_of_the_device_is_told(inverter: Inverter, device: Device) -> None:
    device.behaviour.refuses = frozenset({"POP00"})
    outcome = await inverter.change(UTILITY)
    assert outcome.status is Status.FAILED
    assert "NAK" in outcome.detail


async def test_without_a_look_nothing_is_written(inverter: Inverter, device: Device) -> None:
    device.behaviour.refuses = frozenset({"QPIRI"})
    outcome = await inverter.change(UTILITY)
    assert outcome.status is Status.FAILED
    assert "could not be read before" in outcome.detail
    assert device.unit.written == []


async def test_what_was_not_written_is_no_failed_write(
    inverter: Inverter, device: Device, keeper: MemoryKeeper
) -> None:
    """A plug that is out for a second must not stop all writing until somebody comes."""
    for change in (UTILITY, Change("max_charging_current", 20)):
        assert (await inverter.change(change, Purpose.SCHEDULE)).good
    device.unplug()
    assert [one.status for one in await inverter.restore()] == [Status.FAILED, Status.FAILED]
    assert not inverter.stopped

    async def back() -> bool:
        return all(one.good for one in await inverter.restore())

    await until(back)
    assert not inverter.stopped
    assert dict(keeper.originals(inverter.identity.serial_number)) == {}


async def test_what_schedules_changed_returns(
    inverter: Inverter, device: Device, keeper: MemoryKeeper
) -> None:
    serial = inverter.identity.serial_number
    await inverter.change(UTILITY, Purpose.SCHEDULE)
    await inverter.change(Change("max_charging_current", 20), Purpose.SCHEDULE)
    assert dict(keeper.originals(serial)) == {"output_source_priority": "sbu", "max_charging_current": 60}
    # Another process, after a crash: it knows only what was kept, and nothing is enabled.
    later = Inverter(inverter.link, inverter.identity, keeper=keeper)
    outcomes = await later.restore()
    assert [(outcome.change.key, outcome.status) for outcome in outcomes] == [
        ("max_charging_current", Status.DONE),
        ("output_source_priority", Status.DONE),
    ]
    assert device.unit.settings.output_source_priority == 2
    assert device.unit.settings.max_charging_current == 60
    assert dict(keeper.originals(serial)) == {}
    assert await later.restore() == []


async def test_the_way_back_is_tried_until_it_worked(
    inverter: Inverter, device: Device, keeper: MemoryKeeper
) -> None:
    serial = inverter.identity.serial_number
    await inverter.change(UTILITY, Purpose.SCHEDULE)
    device.behaviour.refuses = frozenset({"POP02"})
    for _ in range(3):
        (outcome,) = await inverter.restore()
        assert outcome.status is Status.FAILED
    assert dict(keeper.originals(serial)) == {"output_source_priority": "sbu"}
    device.behaviour.refuses = frozenset()
    (outcome,) = await inverter.restore()  # also when writing is stopped
    assert outcome.status is Status.DONE
    # Somebody brought it back at the display: nothing to write, and it is forgotten.
    inverter.clear()
    keeper.remember(serial, "output_source_priority", "sbu")
    assert await inverter.restore() == []
    assert dict(keeper.originals(serial)) == {}


@pytest.mark.parametrize("loss", ["falls silent", "is unplugged"])
async def test_what_could_not_be_read_again_is_not_forgotten(
    inverter: Inverter, device: Device, keeper: MemoryKeeper, loss: str
) -> None:
    """The setter arrived and nothing after it: what was read before says nothing of the setting."""

    def lose_the_line() -> None:
        if loss == "falls silent":
            device.behaviour.silent = True
        else:
            asyncio.get_running_loop().call_soon(device.unplug)

    device.unit = Switching(lose_the_line)
    serial = inverter.identity.serial_number
    assert (await inverter.change(UTILITY, Purpose.SCHEDULE)).status is Status.FAILED
    assert device.unit.settings.output_source_priority == 0
    (outcome,) = await inverter.restore()
    assert outcome.status is Status.FAILED
    assert dict(keeper.originals(serial)) == {"output_source_priority": "sbu"}

    device.behaviour.silent = False
    device.unit = Unit()
    device.unit.settings.output_source_priority = 0

    async def back() -> bool:
        return all(one.good for one in await inverter.restore())

    await until(back)
    assert device.unit.settings.output_source_priority == 2
    assert dict(keeper.originals(serial)) == {}


async def test_what_another_release_has_changed_is_kept_for_it(
    inverter: Inverter, keeper: MemoryKeeper
) -> None:
    serial = inverter.identity.serial_number
    keeper.remember(serial, "setting_of_tomorrow", 1)
    assert await inverter.restore() == []
    assert dict(keeper.originals(serial)) == {"setting_of_tomorrow": 1}


async def test_what_the_operator_wants_is_not_undone(
    inverter: Inverter, device: Device, keeper: MemoryKeeper, clock: Clock
) -> None:
    await inverter.change(UTILITY, Purpose.SCHEDULE)
    clock.time_s += 300.0
    await inverter.change(SOLAR, Purpose.OPERATOR)
    assert await inverter.restore() == []
    assert device.unit.settings.output_source_priority == 1


async def test_a_second_master_is_noticed(inverter: Inverter, device: Device) -> None:
    await inverter.change(UTILITY, Purpose.SCHEDULE)
    await inverter.ask("QPIRI")
    assert inverter.foreign_changes() == {}
    device.unit.settings.output_source_priority = 1  # at the display
    await inverter.ask("QPIRI")
    assert inverter.foreign_changes() == {"output_source_priority": "solar"}
    assert inverter.values()["QPIRI"]["output_source_priority"] == 1


async def test_the_last_gate_holds_when_a_profile_is_wrong(inverter: Inverter, device: Device) -> None:
    profile = inverter.identity.profile
    assert profile is not None
    for command in ("PF", "F50"):
        wrong = replace(profile, current_commands={"max_charging_current": command})
        broken = Inverter(inverter.link, replace(inverter.identity, profile=wrong), enabled=_ENABLED)
        outcome = await broken.change(Change("max_charging_current", 20))
        assert outcome.status is Status.REFUSED
        back = await broken.change(Change("max_charging_current", 20), Purpose.RESTORE)
        assert back.status is Status.REFUSED
        assert "never sent" in back.detail
    assert device.unit.written == []


async def test_what_somebody_else_has_set_stays_and_is_told_once(
    inverter: Inverter, device: Device, keeper: MemoryKeeper, clock: Clock
) -> None:
    serial = inverter.identity.serial_number
    told: list[ForeignChange] = []
    holder = Inverter(
        inverter.link, inverter.identity, enabled=_ENABLED, keeper=keeper, now=clock, on_foreign=told.append
    )
    assert (await holder.change(UTILITY, Purpose.SCHEDULE)).good
    assert holder.held("output_source_priority") == "utility"
    device.unit.settings.output_source_priority = 1  # at the display
    for _ in range(2):
        await holder.ask("QPIRI")
    assert told == [ForeignChange("output_source_priority", "utility", "solar")]
    assert holder.held("output_source_priority") is None
    assert dict(keeper.originals(serial)) == {}
    assert await holder.restore() == []
    assert device.unit.settings.output_source_priority == 1
    # Until somebody says that all is well, it counts as a second master.
    assert holder.foreign_changes() == {"output_source_priority": "solar"}
    holder.resume()
    assert holder.foreign_changes() == {}
    clock.time_s += 300.0
    assert (await holder.change(UTILITY, Purpose.SCHEDULE)).good
    assert dict(keeper.originals(serial)) == {"output_source_priority": "solar"}


async def test_what_somebody_has_set_while_we_were_away_is_not_restored_over(
    inverter: Inverter, device: Device, keeper: MemoryKeeper, clock: Clock
) -> None:
    assert (await inverter.change(UTILITY, Purpose.SCHEDULE)).good
    device.unit.settings.output_source_priority = 1  # at the display, after a crash
    told: list[ForeignChange] = []
    later = Inverter(inverter.link, inverter.identity, keeper=keeper, on_foreign=told.append)
    assert await later.restore() == []
    assert told == [ForeignChange("output_source_priority", "utility", "solar")]
    assert device.unit.settings.output_source_priority == 1
    assert later.foreign_changes() == {}, "a new run begins with what it finds"


async def test_a_write_that_arrives_late_is_our_own(
    inverter: Inverter, device: Device, keeper: MemoryKeeper, clock: Clock
) -> None:
    assert (await inverter.change(UTILITY, Purpose.SCHEDULE)).good
    clock.time_s += 300.0
    device.behaviour.accepts_without_effect = True
    assert not (await inverter.change(SOLAR, Purpose.SCHEDULE)).good
    device.behaviour.accepts_without_effect = False
    device.unit.settings.output_source_priority = 1
    await inverter.ask("QPIRI")
    assert inverter.foreign_changes() == {}
    assert [one.status for one in await inverter.restore()] == [Status.DONE]
    assert device.unit.settings.output_source_priority == 2
