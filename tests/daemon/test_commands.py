"""Commands over a real broker to a pretended inverter: checked whole, run once, proven, always answered."""

from __future__ import annotations

import asyncio
import json
import random
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from microgrid_core.contract import topics
from microgrid_core.contract.encode import command_payload
from microgrid_core.contract.messages import (
    Birth,
    Command,
    CommandCapability,
    CommandResult,
    CommandStatus,
    Parameter,
    ParameterType,
    Scalar,
    parse_command_result,
)
from microgrid_core.contract.reading import Rejection
from microgrid_core.model.metric import ValueType
from microgrid_core.model.mpp_inverter import MPP_INVERTER
from microgrid_daemon.broker import Connection
from microgrid_daemon.capabilities import QUERIES
from microgrid_daemon.clock import Clock
from microgrid_daemon.collector import Collector
from microgrid_daemon.commands import MOST_PER_MINUTE, MOST_WAITING, CommandDesk, counter
from microgrid_daemon.config import BrokerConfig, InverterConfig
from microgrid_daemon.node import Node
from microgrid_daemon.pi30.decode import Reply
from microgrid_daemon.pi30.models import Family, profile_named
from microgrid_daemon.pi30.settings import SETTINGS, Change, Purpose, value_of
from microgrid_daemon.pi30.table import QUERIES as KNOWN_QUERIES
from microgrid_daemon.store import Store
from simulator.pi30.behaviour import Behaviour
from simulator.pi30.device import Device
from simulator.pi30.unit import Unit
from tests.daemon.home import Home
from tests.daemon.stage import link_to, until, wired
from tests.mosquitto import Mosquitto

NODE = "mpp-1"
EVERYTHING = tuple(sorted(profile_named(Family.MAX).settings))
SOME = ("output_source_priority", "max_ac_charging_current", "battery_float_voltage", "buzzer")
_VECTORS = Path(__file__).parents[2] / "contract" / "vectors" / "mqtt"


def command(
    name: str, value: Scalar | None = None, *, id: str = "ha-1", valid_s: float = 60.0, **more: Scalar
) -> bytes:
    """A command as Home Assistant sends it."""
    parameters: dict[str, Scalar] = {} if value is None else {"value": value}
    expires_at = datetime.now(UTC) + timedelta(seconds=valid_s)
    return command_payload(Command(id, name, {**parameters, **more}, expires_at))


def question(name: str, *, id: str = "ha-1", valid_s: float = 60.0) -> bytes:
    """A command that asks."""
    return command("query", id=id, valid_s=valid_s, command=name)


@dataclass
class House:
    """An inverter, its daemon's parts, and Home Assistant on the other side."""

    device: Device
    home: Home
    store: Store
    collector: Collector
    desk: CommandDesk

    async def send(self, payload: bytes, results: int = 1) -> CommandResult:
        """Send a command; the answer, as the last of so many."""
        self.home.say(NODE, topics.CMD_SET, payload)
        return (await self.results(results))[-1]

    async def results(self, count: int) -> list[CommandResult]:
        async def done() -> bool:
            return len(self.home.said(NODE, topics.CMD_RESULT)) >= count

        await until(done)
        found: list[CommandResult] = self.home.said(NODE, topics.CMD_RESULT)
        assert len(found) == count
        return found

    def counted(self, name: str) -> int:
        return self.store.counted(counter(NODE, name))


@asynccontextmanager
async def a_house(
    mosquitto: Mosquitto,
    home: Home,
    store: Store,
    writes: tuple[str, ...],
    *,
    kind: str = "usb",
    clock: Clock | None = None,
    device: Device | None = None,
    wall_s: Callable[[], float] = time.time,
) -> AsyncIterator[House]:
    """Everything together, after its first round."""
    device = device or Device(Unit())
    connection = Connection(BrokerConfig("127.0.0.1", mosquitto.port), "village", NODE, store)
    node = Node(connection, store, clock or Clock(None), 7, MPP_INVERTER)
    with wired(device, kind) as places:
        link = link_to(places)
        config = InverterConfig(NODE, "Inverter", writes=writes)
        collector = Collector(config, link, node, store, wall_s=wall_s)
        desk = CommandDesk(collector, node, store, clock or Clock(None))
        connection.start()

        async def there() -> bool:
            return connection.connected

        await until(there)
        assert await collector.round()

        async def known() -> bool:
            return bool(home.said(NODE, topics.BIRTH))

        await until(known)
        running = asyncio.create_task(desk.run())
        try:
            yield House(device, home, store, collector, desk)
            assert not running.done()
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
            await connection.stop()
            await link.close()


@pytest_asyncio.fixture
async def house(mosquitto: Mosquitto, home: Home, store: Store) -> AsyncIterator[House]:
    """With some settings enabled."""
    async with a_house(mosquitto, home, store, SOME) as made:
        yield made
    assert not home.refused


def _birth(home: Home) -> Birth:
    birth: Birth = home.said(NODE, topics.BIRTH)[-1]
    return birth


# ------------------------------------------------------------------------------------------- what is declared


async def test_nothing_but_questions_without_permission(
    mosquitto: Mosquitto, home: Home, store: Store
) -> None:
    async with a_house(mosquitto, home, store, ()) as house:
        result = await house.send(command("set_output_source_priority", "utility"))
        assert result.status is CommandStatus.REJECTED
        assert "not allowed" in (result.reason or "")
        assert [one.name for one in _birth(home).commands] == ["query"]
        assert house.device.unit.written == []


async def test_the_birth_declares_what_is_allowed_with_its_limits(house: House) -> None:
    commands = {one.name: one.parameters for one in _birth(house.home).commands}
    assert set(commands) == {f"set_{key}" for key in SOME} | {"query", "resume_writing"}
    (priority,) = commands["set_output_source_priority"]
    assert (priority.type, priority.options) == (ParameterType.CHOICE, ("utility", "solar", "sbu"))
    (current,) = commands["set_max_ac_charging_current"]
    assert (current.minimum, current.maximum, current.step, current.unit) == (2.0, 100.0, 2.0, "A")
    (volts,) = commands["set_battery_float_voltage"]
    assert (volts.minimum, volts.maximum, volts.step, volts.unit) == (50.0, 58.0, 0.1, "V")
    (buzzer,) = commands["set_buzzer"]
    assert buzzer.type is ParameterType.BOOLEAN
    assert commands["resume_writing"] == ()


def test_questions_change_nothing() -> None:
    assert {name.upper() for name in QUERIES} <= set(KNOWN_QUERIES)
    assert len(QUERIES) <= 32, "what the contract allows a choice"


async def test_what_is_not_known_is_not_declared_until_it_is(
    mosquitto: Mosquitto, home: Home, store: Store
) -> None:
    device = Device(Unit())
    device.behaviour.refuses = frozenset({"QDI"})
    async with a_house(mosquitto, home, store, SOME, device=device) as house:
        assert "set_battery_float_voltage" not in {one.name for one in house.collector.commands}
        device.behaviour.refuses = frozenset()
        # Before each change it is asked again what limits are drawn from.
        assert (await house.send(command("set_buzzer", False))).status is CommandStatus.SUCCEEDED

        async def declared() -> bool:
            return "set_battery_float_voltage" in {one.name for one in _birth(home).commands}

        await until(declared)
        assert len([one for one in home.said(NODE, topics.EVENT) if one.code == "BOOT"]) == 1


# ----------------------------------------------------------------------------------------------- what is done


def _another(parameter: Parameter, now: Scalar) -> Scalar:
    """A value that the parameter takes and that is not the present one."""
    if parameter.type is ParameterType.BOOLEAN:
        return not now
    if parameter.type is ParameterType.CHOICE:
        return str(next(one for one in parameter.options if one != now))
    assert parameter.step is not None
    assert parameter.maximum is not None
    up = round(float(now) + parameter.step, 1)
    return up if up <= parameter.maximum else round(float(now) - parameter.step, 1)


async def test_every_setter_is_read_back_by_the_metric_of_its_name(
    mosquitto: Mosquitto, home: Home, store: Store
) -> None:
    async with a_house(mosquitto, home, store, EVERYTHING) as house:
        unit = house.device.unit
        # Within the limits around the defaults, and with room between the thresholds.
        unit.settings.battery_under_voltage, unit.settings.battery_recharge_voltage = 44.0, 48.0
        unit.settings.max_ac_charging_current, unit.settings.max_charging_current = 20, 60
        unit.settings.max_discharging_current = 50
        commands = {one.sets: one for one in house.collector.commands if one.sets is not None}
        assert set(commands) == set(EVERYTHING) - {"battery_control"}, "which is the business of schedules"
        for key, capability in commands.items():
            row, (parameter,) = MPP_INVERTER.by_key[key], capability.parameters
            assert (row.value is ValueType.FLAG) == (parameter.type is ParameterType.BOOLEAN), key
            assert set(parameter.options) <= set(row.options), key
            assert parameter.unit == row.unit, key
        skipped = []
        for number, (key, capability) in enumerate(commands.items(), 1):
            assert house.collector.inverter is not None
            before = house.collector.values[key]
            assert before is not None
            wanted = _another(capability.parameters[0], before)
            result = await house.send(command(capability.name, wanted, id=f"ha-{number}"), number)
            if result.status is CommandStatus.REJECTED:
                skipped.append((key, result.reason))
                continue
            assert result.status is CommandStatus.SUCCEEDED, (key, result)
            assert result.values == {"requested": wanted, "actual": wanted}, key

            async def shown(key: str = key, wanted: Scalar = wanted) -> bool:
                lives = home.said(NODE, topics.LIVE)
                return bool(lives[-1].own.values[key] == wanted)

            await until(shown)
        # Currents are a list: 2, 10, 20 …
        assert [key for key, _ in skipped] == ["max_ac_charging_current"]
        assert "must be one of 2, 10, 20" in (skipped[0][1] or "")
        assert len(unit.written) == len(commands) - 1
    assert not home.refused


async def test_what_is_so_already_is_not_written(house: House) -> None:
    result = await house.send(command("set_output_source_priority", "sbu"))
    assert result.status is CommandStatus.SUCCEEDED
    assert result.reason == "it was so already: nothing was written"
    assert result.values == {"requested": "sbu", "actual": "sbu"}
    assert house.device.unit.written == []


async def test_the_same_setting_waits_five_minutes(house: House) -> None:
    assert (await house.send(command("set_buzzer", False))).status is CommandStatus.SUCCEEDED
    result = await house.send(command("set_buzzer", True, id="ha-2"), 2)
    assert result.status is CommandStatus.REJECTED
    assert "next in" in (result.reason or "")
    assert house.device.unit.written == ["PDa"]
    assert (house.counted("accepted"), house.counted("succeeded"), house.counted("rejected")) == (2, 1, 1)


async def test_a_question_is_answered_with_names(house: House) -> None:
    result = await house.send(question("qmod"))
    assert result.status is CommandStatus.SUCCEEDED
    assert result.values == {"mode": "B", "mode_name": "battery"}
    result = await house.send(question("qflag", id="ha-2"), 2)
    assert "buzzer" in str(result.values["enabled"])
    result = await house.send(question("qbms", id="ha-3"), 3)
    assert result.status is CommandStatus.FAILED
    assert "NAK" in (result.reason or "")
    result = await house.send(question("pf", id="ha-4"), 4)
    assert result.status is CommandStatus.REJECTED


# ------------------------------------------------------------------------------------------- what is not done


@pytest.mark.parametrize(
    ("name", "parameters", "why"),
    [
        ("set_battery_bulk_voltage", {"value": 55.0}, "not allowed here"),
        ("set_no_such_thing", {"value": 1}, "not allowed here"),
        ("set_output_source_priority", {}, "value is missing"),
        ("set_buzzer", {"value": True, "more": 1}, "there is no parameter more"),
        ("resume_writing", {"value": 1}, "there is no parameter value"),
        ("set_output_source_priority", {"value": "wind"}, "utility, solar, sbu"),
        ("set_output_source_priority", {"value": True}, "utility, solar, sbu"),
        ("set_buzzer", {"value": 1}, "true or false"),
        ("set_battery_float_voltage", {"value": "54"}, "must be a number"),
        ("set_battery_float_voltage", {"value": 58.1}, "above 58 V"),
        ("set_battery_float_voltage", {"value": 49.9}, "below 50 V"),
        ("set_battery_float_voltage", {"value": 54.05}, "between two steps"),
        ("set_battery_float_voltage", {"value": 57.0}, "at most battery_bulk_voltage"),
        ("set_max_ac_charging_current", {"value": 4}, "must be one of 2, 10, 20"),
    ],
)
async def test_what_is_wrong_is_refused_in_words(
    house: House, name: str, parameters: dict[str, Any], why: str
) -> None:
    result = await house.send(command(name, **parameters))
    assert (result.id, result.status) == ("ha-1", CommandStatus.REJECTED)
    assert why in (result.reason or "")
    assert house.device.unit.written == []


async def test_what_came_too_late_is_expired(house: House) -> None:
    result = await house.send(command("set_buzzer", False, valid_s=-0.1))
    assert result.status is CommandStatus.EXPIRED
    assert "valid until" in (result.reason or "")
    assert "here it is" in (result.reason or ""), "who has the wrong clock can be seen"
    # Also while it waited for its turn: the first one is in no hurry.
    house.device.behaviour.delay_s = 0.06
    home, sent = house.home, 4
    for number in range(sent):
        home.say(NODE, topics.CMD_SET, command("query", id=f"q-{number}", valid_s=0.2, command="qpi"))
    home.say(NODE, topics.CMD_SET, command("set_buzzer", False, id="late", valid_s=0.2))
    by_id = {one.id: one for one in await house.results(sent + 2)}
    assert by_id["late"].status is CommandStatus.EXPIRED
    assert house.device.unit.written == []
    assert house.counted("expired") >= 2


async def test_without_a_clock_nobody_knows_what_is_valid(
    mosquitto: Mosquitto, home: Home, store: Store, tmp_path: Path
) -> None:
    clock = Clock(tmp_path / "synchronized")
    async with a_house(mosquitto, home, store, SOME, clock=clock) as house:
        result = await house.send(command("set_buzzer", False))
        assert result.status is CommandStatus.REJECTED
        assert "clock of the daemon is not set" in (result.reason or "")
        (tmp_path / "synchronized").touch()
        assert (
            await house.send(command("set_buzzer", False, id="ha-2"), 2)
        ).status is CommandStatus.SUCCEEDED


async def test_a_command_that_comes_twice_runs_once(mosquitto: Mosquitto, home: Home, store: Store) -> None:
    payload, refused = command("set_buzzer", False), command("set_buzzer", 7, id="ha-2")
    async with a_house(mosquitto, home, store, SOME) as house:
        first = await house.send(payload)
        assert await house.send(payload, 2) == first
        rejected = await house.send(refused, 3)
        house.device.unit.settings.enabled_flags += "a"  # at the display
        assert await house.send(payload, 4) == first, "whatever it is now"
        written = list(house.device.unit.written)
    # Another run of the daemon.
    async with a_house(mosquitto, home, store, SOME) as house:
        assert (await house.results(6))[4:] == [rejected, first], "said again with every new connection"
        home.forget()
        assert await house.send(payload) == first
        assert await house.send(refused, 2) == rejected
        assert house.device.unit.written == []
        assert house.counted("duplicate") == 4
        assert house.counted("succeeded") == 1
    assert written == ["PDa"]


async def test_what_expires_while_it_waits_for_its_turn_is_not_written(house: House) -> None:
    """Schedules and the way back go through the same inverter, and a sick line takes its time."""
    inverter = house.collector.inverter
    assert inverter is not None

    async def taken() -> bool:
        return house.counted("accepted") == 1

    async with inverter._turn:
        house.home.say(NODE, topics.CMD_SET, command("set_buzzer", False, valid_s=1.0))
        await until(taken)
        await asyncio.sleep(1.0)
    (result,) = await house.results(1)
    assert result.status is CommandStatus.EXPIRED
    assert "it was valid until" in (result.reason or "")
    assert house.device.unit.written == []
    assert house.counted("expired") == 1


async def test_what_a_schedule_holds_is_left_to_it(house: House) -> None:
    inverter = house.collector.inverter
    assert inverter is not None
    held = Change("output_source_priority", "utility")
    assert (await inverter.change(held, Purpose.SCHEDULE)).good
    result = await house.send(command("set_output_source_priority", "solar"))
    assert result.status is CommandStatus.REJECTED
    assert "a schedule holds output_source_priority = utility" in (result.reason or "")
    assert (await inverter.restore())[0].good
    result = await house.send(command("set_output_source_priority", "solar", id="ha-2"), 2)
    assert "next in" in (result.reason or ""), "free again, but written a moment ago"


async def test_a_retained_command_is_none(mosquitto: Mosquitto, home: Home, store: Store) -> None:
    home.say(NODE, topics.CMD_SET, command("set_buzzer", False), retain=True)
    async with a_house(mosquitto, home, store, SOME) as house:
        result = await house.send(command("set_buzzer", False, id="ha-2"))
        assert result.id == "ha-2"
        assert house.device.unit.written == ["PDa"]


# -------------------------------------------------------------------------------------- what devices do to it


@pytest.mark.parametrize("kind", ["usb", "serial"])
async def test_whatever_the_device_does_there_is_an_answer(
    mosquitto: Mosquitto, home: Home, store: Store, kind: str
) -> None:
    async with a_house(mosquitto, home, store, (*SOME, "max_charging_current"), kind=kind) as house:
        how = house.device.behaviour
        how.refuses = frozenset({"PDa"})
        result = await house.send(command("set_buzzer", False))
        assert result.status is CommandStatus.FAILED
        assert "the device refused it (NAK), read back True" in (result.reason or "")
        assert result.values == {"requested": False, "actual": True}
        how.refuses = frozenset()
        how.loses_consent = True
        result = await house.send(command("set_max_ac_charging_current", 20, id="ha-2"), 2)
        assert result.status is CommandStatus.SUCCEEDED, "what is read back decides"
        how.loses_consent = False
        how.breaks_crc = 100
        result = await house.send(command("set_output_source_priority", "solar", id="ha-3"), 3)
        assert result.status is CommandStatus.FAILED
        assert "could not be read before" in (result.reason or "")
        how.breaks_crc = 0
        how.fixed_answer = b"(garbage\xff\x00\r"
        result = await house.send(command("set_output_source_priority", "solar", id="ha-4"), 4)
        assert result.status is CommandStatus.FAILED
        how.fixed_answer = b""
        assert await house.collector.round()
        # Nothing was sent, so none of that was a failed write. These are two in a row:
        how.refuses = frozenset({"POP01", "MNCHGC0020"})
        writes: dict[str, Scalar] = {"set_output_source_priority": "solar", "set_max_charging_current": 20}
        for number, (name, value) in enumerate(writes.items(), 5):
            result = await house.send(command(name, value, id=f"ha-{number}"), number)
            assert result.status is CommandStatus.FAILED
            assert "the device refused it (NAK)" in (result.reason or "")
        # Nothing is written until somebody says so.
        result = await house.send(command("set_battery_float_voltage", 53.0, id="ha-7"), 7)
        assert result.status is CommandStatus.REJECTED
        assert "writing stopped after 2 failures" in (result.reason or "")
        assert (await house.send(command("resume_writing", id="ha-8"), 8)).status is CommandStatus.SUCCEEDED
        result = await house.send(command("set_battery_float_voltage", 53.0, id="ha-9"), 9)
        assert result.status is CommandStatus.SUCCEEDED, result
        assert house.device.unit.written == ["MUCHGC020", "PBFT53.0"]


async def test_with_a_device_that_misbehaves_in_every_way_what_is_told_is_true(
    mosquitto: Mosquitto, home: Home, store: Store
) -> None:
    chance, wall_s = random.Random(31), time.time()

    def later() -> float:
        nonlocal wall_s
        wall_s += 301.0  # nothing is too soon
        return wall_s

    habits: list[dict[str, Any]] = [
        {},
        {"refuses_all": True},
        {"loses_consent": True},
        {"accepts_without_effect": True},
        {"breaks_crc": 1},
        {"breaks_crc": 3},
        {"echoes_first": True},
        {"sleeps": True},
        {"noise_before": b"\xff\x00(B", "noise_after": b"\x0a"},
        {"fixed_answer": b"^0\x1b\xe3\r"},
    ]
    async with a_house(mosquitto, home, store, SOME, wall_s=later) as house:
        before = {**house.collector.values}
        for number in range(1, 31):
            house.device.behaviour = Behaviour(**chance.choice(habits))
            key = chance.choice(SOME)
            parameter = {one.name: one for one in house.collector.commands}[f"set_{key}"].parameters[0]
            wanted = _another(parameter, before[key] or 0)
            result = await house.send(command(f"set_{key}", wanted, id=f"ha-{number}"), number)
            assert result.id == f"ha-{number}"
            house.device.behaviour = Behaviour()

            async def there() -> bool:
                return await house.collector.round()

            await until(there)
            inverter = house.collector.inverter
            assert inverter is not None
            kind = SETTINGS[key].kind
            assert isinstance(await inverter.ask(kind.query), Reply)
            now = value_of(key, inverter.known)
            if result.status is CommandStatus.SUCCEEDED:
                assert now == wanted, "what is told was true"
                before[key] = wanted
            else:
                assert result.reason
                before[key] = now if isinstance(now, (bool, int, float, str)) else None
            inverter.resume()
        told = {one.status for one in home.said(NODE, topics.CMD_RESULT)}
        assert told >= {CommandStatus.SUCCEEDED, CommandStatus.FAILED}
    assert not home.refused


async def test_unplugged_in_the_middle_of_a_command(house: House) -> None:
    house.device.behaviour.silent_to = frozenset({"POP00"})
    house.home.say(NODE, topics.CMD_SET, command("set_output_source_priority", "utility"))

    async def heard() -> bool:
        return "POP00" in house.device.heard

    await until(heard)
    house.device.behaviour.silent = True
    house.device.unplug()
    (result,) = await house.results(1)
    assert result.status is CommandStatus.FAILED
    assert "nothing could be read back" in (result.reason or "")
    assert result.values["actual"] is None
    # It is noticed that it is gone, and what comes now is not kept for later.

    async def gone() -> bool:
        return not await house.collector.round() and house.collector.inverter is None

    await until(gone)
    result = await house.send(command("set_buzzer", False, id="ha-2"), 2)
    assert result.status is CommandStatus.FAILED
    assert "does not answer: nothing was sent" in (result.reason or "")
    house.device.behaviour.silent = False
    house.device.behaviour.silent_to = frozenset()

    async def back() -> bool:
        return await house.collector.round()

    await until(back)
    result = await house.send(command("set_buzzer", False, id="ha-3"), 3)
    assert result.status is CommandStatus.SUCCEEDED


@pytest.mark.parametrize("arrived", [True, False])
async def test_interrupted_by_a_crash_it_is_answered_and_not_run_again(
    mosquitto: Mosquitto, home: Home, store: Store, arrived: bool
) -> None:
    device = Device(Unit())
    async with a_house(mosquitto, home, store, SOME, device=device) as house:
        device.behaviour.silent_to = frozenset({"POP00"})
        home.say(NODE, topics.CMD_SET, command("set_output_source_priority", "utility"))
        home.say(NODE, topics.CMD_SET, command("query", id="ha-2", command="qpi"))

        async def under_way() -> bool:
            return "POP00" in device.heard and house.counted("accepted") == 2

        await until(under_way)
    device.behaviour.silent_to = frozenset()
    if arrived:
        device.unit.settings.output_source_priority = 0
    async with a_house(mosquitto, home, store, SOME, device=device) as house:
        by_id = {one.id: one for one in await house.results(2)}
        assert by_id["ha-1"].status is (CommandStatus.SUCCEEDED if arrived else CommandStatus.FAILED)
        assert by_id["ha-1"].values == {"requested": "utility", "actual": "utility" if arrived else "sbu"}
        assert "restart" in (by_id["ha-1"].reason or "")
        assert by_id["ha-2"].status is CommandStatus.FAILED
        assert device.unit.written == []


async def test_answers_wait_for_the_broker(house: House, mosquitto: Mosquitto) -> None:
    house.device.behaviour.delay_s = 0.1
    asked = command("set_buzzer", False)
    house.home.say(NODE, topics.CMD_SET, asked)

    async def accepted() -> bool:
        return house.counted("accepted") == 1

    await until(accepted)
    mosquitto.stop()

    async def done() -> bool:
        return house.counted("succeeded") == 1

    await until(done)
    assert house.store.depth() > 0, "the answer waits"
    mosquitto.start()

    async def delivered() -> bool:
        return house.store.depth() == 0

    await until(delivered)
    # The broker has forgotten everything, also who wanted to hear answers: whoever missed one asks again.
    for _ in range(20):
        if house.home.said(NODE, topics.CMD_RESULT):
            break
        house.home.say(NODE, topics.CMD_SET, asked)
        await asyncio.sleep(0.5)
    result = house.home.said(NODE, topics.CMD_RESULT)[0]
    assert result.status is CommandStatus.SUCCEEDED
    assert house.device.unit.written == ["PDa"], "once"


# --------------------------------------------------------------------------------------------- who sends what


@pytest.fixture
def desk(store: Store) -> CommandDesk:
    """A desk that nobody runs, for an inverter that was there."""
    connection = Connection(BrokerConfig("127.0.0.1", 1), "village", NODE, store)
    node = Node(connection, store, Clock(None), 7, MPP_INVERTER)
    collector = Collector(InverterConfig(NODE, "Inverter", writes=SOME), link_to([]), node, store)
    return CommandDesk(collector, node, store, Clock(None))


_BUZZER = (CommandCapability("set_buzzer", (Parameter("value", ParameterType.BOOLEAN),)),)


def _answers(store: Store) -> list[CommandResult]:
    read = [parse_command_result(message.payload) for message in store.waiting(0, 10_000)]
    assert not any(isinstance(one, Rejection) for one in read)
    return [one for one in read if isinstance(one, CommandResult)]


def test_a_flood_is_not_heard(desk: CommandDesk, store: Store, caplog: pytest.LogCaptureFixture) -> None:
    for number in range(MOST_PER_MINUTE + 40):
        desk.receive(command("query", id=f"ha-{number}", command="qpi"))
    assert store.counted(counter(NODE, "ignored")) == 40
    assert len(_answers(store)) == MOST_PER_MINUTE
    assert {one.reason for one in _answers(store)} == {
        "the inverter has not answered yet: what it can do is not known"
    }
    assert caplog.text.count("more than") == 1


async def test_few_may_wait(house: House) -> None:
    house.device.behaviour.delay_s = 0.05
    for number in range(MOST_WAITING + 4):
        house.home.say(NODE, topics.CMD_SET, command("query", id=f"ha-{number}", command="qmod"))
    statuses = [one.status for one in await house.results(MOST_WAITING + 4)]
    assert CommandStatus.REJECTED in statuses
    assert statuses.count(CommandStatus.SUCCEEDED) >= MOST_WAITING


def _hostile() -> list[bytes]:
    found = []
    for name in ("hostile", "command"):
        for case in json.loads((_VECTORS / f"{name}.json").read_text(encoding="utf-8"))["refused"]:
            payload = case["payload"]
            if isinstance(payload, str):
                found.append(payload.encode("utf-8", "surrogatepass"))
    assert len(found) > 20
    return found


def test_what_is_no_command_is_counted_and_nothing_else(
    store: Store, monkeypatch: pytest.MonkeyPatch, desk: CommandDesk
) -> None:
    monkeypatch.setattr("microgrid_daemon.commands.MOST_PER_MINUTE", 10**6)
    desk.collector.commands = _BUZZER
    for payload in _hostile():
        # What is right but for its time, which these vectors judge by a clock of their own, is answered.
        desk.receive(payload)
    assert store.counted(counter(NODE, "ignored")) + len(_answers(store)) == len(_hostile())
    assert store.counted(counter(NODE, "accepted")) == 0


def test_whatever_is_broken_in_a_command_nobody_raises(
    store: Store, monkeypatch: pytest.MonkeyPatch, desk: CommandDesk
) -> None:
    monkeypatch.setattr("microgrid_daemon.commands.MOST_PER_MINUTE", 10**6)
    desk.collector.commands = _BUZZER
    chance = random.Random(8)
    spices: list[Any] = [
        None,
        True,
        -1,
        1e308,
        "",
        "x" * 300,
        "\u202e",
        [],
        {},
        [[]],
        {"value": {}},
        "utility",
    ]
    for number in range(1500):
        document = json.loads(command("set_buzzer", False, id=f"ha-{number}"))
        for _ in range(chance.randint(0, 2)):
            document[chance.choice([*document, "more"])] = chance.choice(spices)
        payload = bytearray(json.dumps(document).encode())
        for _ in range(chance.choice([0, 0, 0, 1, 3])):
            payload[chance.randrange(len(payload))] = chance.randrange(256)
        desk.receive(bytes(payload[: chance.choice([len(payload), chance.randrange(len(payload))])]))
    answers = _answers(store)
    ignored, accepted = (store.counted(counter(NODE, name)) for name in ("ignored", "accepted"))
    assert {one.status for one in answers} <= {CommandStatus.REJECTED, CommandStatus.EXPIRED}
    # Few are still right, and wait for somebody who runs them.
    assert 0 < accepted <= MOST_WAITING
    assert ignored + accepted + len(answers) == 1500
