"""Batteries with a driver from elsewhere: a simulated one on a real schedule, and drivers that misbehave."""

from __future__ import annotations

import asyncio
import json
import signal
import sqlite3
import subprocess
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from microgrid_core.contract import topics
from microgrid_core.contract.messages import ScheduleMode
from microgrid_core.contract.schedule import Acknowledgement, AckStatus, Basis, Instruction
from microgrid_core.energy.battery import Battery as Storage
from microgrid_core.model.battery import BATTERY
from microgrid_daemon import daemon
from microgrid_daemon.battery import Battery
from microgrid_daemon.broker import Connection
from microgrid_daemon.cli import main
from microgrid_daemon.config import BatteryConfig, BrokerConfig, Config, ConfigError, parse
from microgrid_daemon.driver import DrivenBattery, Driver
from microgrid_daemon.node import Node
from microgrid_daemon.originals import StoredKeeper
from microgrid_daemon.schedule.limits import Limits
from microgrid_daemon.store import Store
from simulator.battery_driver import SimulatedBattery
from tests.daemon.home import Home
from tests.daemon.process import started
from tests.daemon.stage import until
from tests.daemon.test_battery import START, Wall, _statuses, plan
from tests.daemon.test_collector import Time
from tests.mosquitto import Mosquitto

NODE = "battery-1"
LIMITS = Limits(max_charge_w=4000, max_discharge_w=4000, soc_min_percent=20.0, soc_max_percent=90.0)
CONFIG = BatteryConfig(NODE, "Cellar", None, LIMITS, storage=Storage(10.0, 4.0, 4.0), driver="here:made")
SIMULATED = '"simulator.battery_driver:SimulatedBattery"'
CHARGE, DISCHARGE = ScheduleMode.CHARGE, ScheduleMode.DISCHARGE
FOLLOW, IDLE = ScheduleMode.FOLLOW, ScheduleMode.IDLE


class Stage:
    """A battery on its schedule, with any driver."""

    def __init__(self, driver: Driver, store: Store, time: Time) -> None:
        self.driver, self.store, self.time, self.wall = driver, store, time, Wall()
        self.driven = DrivenBattery(CONFIG, driver, store)
        connection = Connection(BrokerConfig("127.0.0.1", 1), "village", NODE, store)
        node = Node(connection, store, self.wall, 7, BATTERY)
        self.battery = Battery(CONFIG, self.driven, node, store, self.wall, now_s=time)

    async def goes_by(self, seconds: float) -> None:
        """Let time go by, then let the battery do a step."""
        self.time.now_s += seconds
        assert self.wall.time is not None
        self.wall.time += timedelta(seconds=seconds)
        await self.battery.step()

    @property
    def last_reasons(self) -> list[str]:
        acks = [one for one in self.store.waiting(0, 1000) if one.topic.endswith(topics.ACK)]
        return list(json.loads(acks[-1].payload).get("reasons", []))


# -------------------------------------------------------------------------------------------- a simulated one


def simulated(store: Store, **options: float) -> tuple[Stage, SimulatedBattery]:
    """A pack in its house at noon."""
    time = Time()
    battery = SimulatedBattery(options, now_s=time, begin=START.replace(tzinfo=None))
    return Stage(battery, store, time), battery


async def test_a_day_is_executed_by_cells_and_not_by_numbers(store: Store) -> None:
    stage, simulation = simulated(store, state_of_charge_percent=60)
    stage.battery.receive(plan((CHARGE, 2000.0), (IDLE, None), (DISCHARGE, 1500.0), (FOLLOW, None)))
    soc = [simulation.read()["state_of_charge_percent"] or 0.0]
    power_w: dict[str, set[int]] = {}
    for _ in range(4):
        for _ in range(90):
            await stage.goes_by(20)
            assert stage.battery.state is not None
            told = simulation.read()["power_w"]
            assert told is not None
            power_w.setdefault(stage.battery.state.mode.value, set()).add(round(told / 100.0))
        soc.append(simulation.read()["state_of_charge_percent"] or 0.0)
    await stage.goes_by(20)
    assert _statuses(store) == ["received", "accepted", *("started", "succeeded") * 4]
    assert {-20, 0} >= {min(power_w["charge"])} and 15 in power_w["discharge"]
    assert len(power_w["follow"]) > 3, "the load of a house changes"
    gained, rested, given = soc[1] - soc[0], soc[2] - soc[1], soc[2] - soc[3]
    assert gained == pytest.approx(100 * 0.5 * 2000 / (200 * 51.2), abs=1.5), "1 kWh in 10 kWh"
    assert abs(rested) < 0.1
    assert given == pytest.approx(100 * 0.5 * 1500 / (200 * 51.2), abs=1.5)
    assert stage.battery.tally.done == 4
    assert (await stage.battery.stop()).trouble is None
    assert simulation.physics.task.mode == "follow", "it goes its own way again"


async def test_its_limits_win_and_are_the_reason(store: Store) -> None:
    stage, simulation = simulated(store, state_of_charge_percent=87.5, pv_peak_w=0)
    stage.battery.receive(plan((CHARGE, 4000.0)))
    for _ in range(180):
        await stage.goes_by(10)
        assert (simulation.read()["state_of_charge_percent"] or 0.0) < 91.0
    await stage.goes_by(10)
    assert _statuses(store)[-1] == "failed"
    assert "full at 90 %" in stage.last_reasons[0]


def test_what_goes_in_does_not_all_come_out() -> None:
    """From one state of charge up and back: losses of the cells, and more with those of the inverter."""
    time = Time()
    battery = SimulatedBattery({"pv_peak_w": 0}, now_s=time, begin=START.replace(tzinfo=None))
    begin, cells_wh, grid_wh = battery.physics.pack.state_of_charge[0], [0.0, 0.0], [0.0, 0.0]

    def goes(way: int, mode: str, done: Any) -> None:
        asyncio.run(battery.apply(mode, 3000.0))
        while not done():
            time.now_s += 10.0
            battery.read()
            cells_wh[way] += abs(battery.physics.power_w) * 10.0 / 3600.0
            grid_wh[way] += abs(battery.physics.ac_power_w) * 10.0 / 3600.0

    goes(0, "charge", lambda: battery.physics.pack.state_of_charge[0] >= begin + 0.2)
    goes(1, "discharge", lambda: battery.physics.pack.state_of_charge[0] <= begin)
    assert 0.93 < cells_wh[1] / cells_wh[0] < 0.995
    assert 0.8 < grid_wh[1] / grid_wh[0] < cells_wh[1] / cells_wh[0] - 0.05


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"capacity": 5}, "there is no option capacity; there are capacity_ah"),
        ({"capacity_ah": 5}, "capacity_ah must be a number in 10 … 2000"),
        ({"seed": "one"}, "seed must be a number"),
        ({"pv_peak_w": True}, "pv_peak_w must be a number"),
    ],
)
def test_options_of_the_simulated_battery(options: Mapping[str, Any], why: str) -> None:
    with pytest.raises(ValueError, match=why):
        SimulatedBattery(options)


# ----------------------------------------------------------------------------------------------- as a process

PROCESS = """\
swarm = "village"
data = "{folder}"
clock_marker = ""
[broker]
host = "127.0.0.1"
port = {port}
[[batteries]]
node = "battery-1"
driver = "simulator.battery_driver:SimulatedBattery"
capacity_wh = 10240
max_charge_w = 3000
max_discharge_w = 3000
[batteries.options]
state_of_charge_percent = 60
pv_peak_w = 0
"""


@contextmanager
def process(folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    """The daemon as it is started on a Pi."""
    running = started(folder / "daemon.toml")
    try:
        yield running
    finally:
        running.kill()
        running.wait()


async def test_the_daemon_drives_it_without_hardware(
    mosquitto: Mosquitto, home: Home, tmp_path: Path
) -> None:
    (tmp_path / "daemon.toml").write_text(PROCESS.format(folder=tmp_path, port=mosquitto.port))
    now = datetime.now(UTC)
    start = now.replace(minute=now.minute // 30 * 30, second=0, microsecond=0)
    document = plan((CHARGE, 2000.0), (CHARGE, 2000.0), start=start)
    home.say(NODE, topics.SCHEDULE_SET, document, retain=True)

    def told() -> list[AckStatus]:
        return [ack.status for ack in home.said(NODE, topics.ACK) if isinstance(ack, Acknowledgement)]

    def power_w() -> float:
        lives = home.said(NODE, topics.LIVE)
        return float(lives[-1].own.values.get("power") or 0.0) if lives else 0.0

    async def charges() -> bool:
        return AckStatus.STARTED in told() and power_w() < -1500.0

    with process(tmp_path) as running:
        await until(charges)
        assert AckStatus.FAILED not in told()
        ended = datetime.now(UTC) >= start + timedelta(minutes=30)  # the first may have expired then
        assert told()[:3] == [AckStatus.RECEIVED, AckStatus.ACCEPTED, AckStatus.STARTED] or ended
        running.send_signal(signal.SIGTERM)
        assert await asyncio.to_thread(running.wait, 20) == 0
    opened = Store(tmp_path / daemon.STORE)
    assert StoredKeeper(opened).originals(f"driver {NODE}") == {}, "it was given back"
    opened.close()


# --------------------------------------------------------------------------------------------- that misbehave


class Wilful:
    """A driver that does what a test wants."""

    follows = False
    has_temperature = True

    def __init__(self, options: Mapping[str, Any] | None = None) -> None:
        self.readings: Any = {
            "power_w": 0.0,
            "state_of_charge_percent": 50,
            "temperature_c": 20.0,
            "voltage_v": None,
        }
        self.refuses: Exception | None = None
        self.keeps: Exception | None = None
        self.orders: list[tuple[str, float]] = []
        self.runs = 0

    async def run(self) -> None:
        self.runs += 1
        raise OSError("no such device")

    def read(self) -> Mapping[str, float | None]:
        if isinstance(self.readings, Exception):
            raise self.readings
        found: Mapping[str, float | None] = self.readings
        return found

    async def apply(self, mode: str, power_w: float) -> None:
        if self.refuses is not None:
            raise self.refuses
        self.orders.append((mode, power_w))

    async def release(self) -> None:
        if self.keeps is not None:
            raise self.keeps
        self.orders.append(("release", 0.0))


@pytest_asyncio.fixture
async def wilful(store: Store) -> AsyncIterator[Stage]:
    """It charges with 1 kW."""
    stage = Stage(Wilful(), store, Time())
    stage.battery.receive(plan((CHARGE, 1000.0), (DISCHARGE, 500.0)))
    await stage.goes_by(1)
    yield stage


def _own(stage: Stage) -> Wilful:
    assert isinstance(stage.driver, Wilful)
    return stage.driver


async def test_it_is_told_again_and_again_what_to_do(wilful: Stage) -> None:
    await wilful.goes_by(5)
    assert _own(wilful).orders == [("charge", 1000.0)] * 2
    assert wilful.driven.values() == {
        "power": 0.0,
        "charging": False,
        "state_of_charge": 50.0,
        "temperature": 20.0,
    }
    assert ScheduleMode.FOLLOW not in wilful.driven.capability.modes
    for _ in range(400):
        await wilful.goes_by(5)
    assert _own(wilful).orders[-1] == ("discharge", 500.0)


@pytest.mark.parametrize(
    ("readings", "why"),
    [
        (OSError("no answer from 192.168.1.7"), "no answer from 192.168.1.7"),
        (KeyError(), "KeyError"),
        ({"power_w": float("nan")}, "power_w is nan, which is no number"),
        ({"power_w": "much"}, "power_w is 'much', which is no number"),
        ({"power_w": True}, "power_w is True, which is no number"),
        ({"soc": 50}, "the driver tells soc; known are power_w, voltage_v"),
        (None, "'NoneType' object is not iterable"),
        ({"power_w": 0.0}, "the state of charge is unknown"),
        ({"state_of_charge_percent": 50, "age_s": 100}, "readings are 100 s old"),
        ({"state_of_charge_percent": 50, "temperature_c": 61}, "61.0 °C is above 50 °C"),
    ],
    ids=lambda value: None if isinstance(value, str) else type(value).__name__,
)
async def test_what_cannot_be_read_has_the_battery_rest(wilful: Stage, readings: Any, why: str) -> None:
    _own(wilful).readings = readings
    await wilful.goes_by(5)
    assert why in (wilful.battery.trouble or "")
    assert _own(wilful).orders[-1] in {("release", 0.0), ("idle", 0.0)}


async def test_what_it_refuses_is_the_reason_of_the_failure(wilful: Stage) -> None:
    own = _own(wilful)
    own.refuses = TimeoutError("the inverter keeps its own mode")
    for _ in range(181):
        await wilful.goes_by(10)
    assert "failed" in _statuses(wilful.store)
    assert 25 < own.orders.count(("release", 0.0)) < 35, "tried, and given back, once a minute"
    own.refuses, own.keeps = None, OSError("unplugged")
    for _ in range(7):
        await wilful.goes_by(10)
    assert own.orders[-1] == ("discharge", 500.0), "tried again after a minute"
    assert (await wilful.battery.stop()).trouble == "not released: unplugged"
    assert StoredKeeper(wilful.store).originals(f"driver {NODE}"), "it is not forgotten that it is held"


async def test_a_device_is_not_touched_before_it_was_read(store: Store) -> None:
    """After a crash it still does what is planned; but one that is never read is given back."""
    own = Wilful()
    StoredKeeper(store).remember(f"driver {NODE}", "control", "free")
    own.readings, good = OSError("not there yet"), own.readings
    stage = Stage(own, store, Time())
    stage.battery.receive(plan((CHARGE, 1000.0)))
    for _ in range(4):
        await stage.goes_by(5)
    assert own.orders == []
    assert stage.battery.trouble == "not there yet"
    own.readings = good
    await stage.goes_by(5)
    assert own.orders == [("charge", 1000.0)]
    again = Wilful()
    again.readings = OSError("never there")
    stage = Stage(again, store, Time())
    for _ in range(13):
        await stage.goes_by(5)
    assert again.orders == [("release", 0.0)]


async def test_more_than_may_flow_is_never_asked(wilful: Stage) -> None:
    for rate_w in (None, 99_000.0):
        await wilful.driven.apply(Instruction(DISCHARGE, Basis.INTERVAL, rate_w))
        assert _own(wilful).orders[-1] == ("discharge", LIMITS.max_discharge_w)


async def test_a_connection_that_breaks_is_begun_again(
    wilful: Stage, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("microgrid_daemon.driver.AGAIN_S", 0.01)
    wilful.driven.start()

    async def again() -> bool:
        return _own(wilful).runs >= 3

    await until(again)
    await wilful.driven.close()
    assert "the driver broke" in caplog.text


async def test_what_cannot_be_noted_is_not_begun(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    stage, simulation = simulated(store, state_of_charge_percent=60)
    stage.battery.receive(plan((CHARGE, 2000.0)))

    def refused(*_: object) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    with monkeypatch.context() as patched:
        patched.setattr(StoredKeeper, "remember", refused)
        await stage.goes_by(20)
    assert stage.battery.trouble == "what would be changed cannot be noted: database or disk is full"
    assert simulation.physics.task.mode == "follow", "it goes its own way"
    await stage.goes_by(60)
    assert stage.battery.trouble is None


async def test_what_a_crash_left_is_released_by_the_next_process(
    wilful: Stage, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("microgrid_daemon.driver.RESTORE_TRIES", 2)
    monkeypatch.setattr("microgrid_daemon.driver.asyncio.sleep", _no_time)
    left = Wilful()
    monkeypatch.setattr("microgrid_daemon.driver.made", lambda place, options: left)
    wilful.store.close()
    config = Config("village", BrokerConfig("127.0.0.1", 1), (), (CONFIG,), tmp_path)
    left.keeps = OSError("still away")
    assert not await daemon.restore(config)
    left.keeps = None
    assert await daemon.restore(config)
    assert left.orders == [("release", 0.0)]
    assert await daemon.restore(config), "and never again"
    assert left.orders == [("release", 0.0)]


_SLEEP = asyncio.sleep


async def _no_time(_seconds: float) -> None:
    await _SLEEP(0)


# --------------------------------------------------------------------------------------- in the configuration


def _faults(battery: str) -> str:
    text = f'swarm = "village"\n[broker]\nhost = "h"\n[[batteries]]\nnode = "b"\n{battery}'
    try:
        parse(text + "max_charge_w = 1\nmax_discharge_w = 1\n", Path("daemon.toml"), {})
    except ConfigError as error:
        return str(error)
    return ""


def no_driver(options: Mapping[str, Any]) -> object:
    """Make something that is none."""
    return object()


@pytest.mark.parametrize(
    ("battery", "why"),
    [
        ('driver = "magic"\n', "daemon.toml:6: batteries[0].driver: must be mpp, victron, or the place of a"),
        ('driver = "no_such_module:X"\n', "no_such_module cannot be imported (ModuleNotFoundError"),
        ('driver = "math:X"\n', "math has nothing called X that makes drivers"),
        ('driver = "tests.daemon.test_driver:no_driver"\n', "makes no driver: follows, has_temperature, run"),
        (
            f"driver = {SIMULATED}\ncapacity_wh = 1\noptions = {{ seed = -1 }}\n",
            "does not take these options: seed must be a number in",
        ),
        (f"driver = {SIMULATED}\n", "that needs capacity_wh; add it"),
        ('driver = "tests.daemon.test_driver:Wilful"\noptions = 7\n', "options = 7: must be a table"),
        (
            'driver = "tests.daemon.test_driver:Wilful"\ninverter = "i"\n',
            "batteries[0].inverter: is of no use with the driver tests.daemon.test_driver:Wilful",
        ),
        ('driver = "mpp"\ninverter = "i"\noptions = {}\n', "options: is of no use with the driver mpp"),
    ],
)
def test_faults_of_drivers_are_named(battery: str, why: str) -> None:
    assert why in _faults(battery)


def test_a_driver_in_the_configuration(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert _faults('driver = "tests.daemon.test_driver:Wilful"\n') == ""
    (tmp_path / "daemon.toml").write_text(PROCESS.format(folder=tmp_path, port=1883))
    assert main(["check", "--config", str(tmp_path / "daemon.toml")]) == 0
    assert f"{NODE}: battery driven by simulator.battery_driver:SimulatedBattery" in capsys.readouterr().out
