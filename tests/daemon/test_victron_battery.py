"""A Victron ESS on its schedule, over a real Mosquitto: powers, limits, other masters, and the way back."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest
import pytest_asyncio

from microgrid_core.contract.messages import ScheduleMode
from microgrid_core.contract.schedule import Basis, Instruction
from microgrid_core.energy.battery import Battery as Storage
from microgrid_core.gx.access import MqttAccess
from microgrid_core.gx.mqtt import MqttStation, Timing
from microgrid_core.model.battery import BATTERY
from microgrid_daemon import daemon
from microgrid_daemon.battery import ALARM_AFTER_S, Battery
from microgrid_daemon.broker import Connection
from microgrid_daemon.config import BatteryConfig, BrokerConfig, Config
from microgrid_daemon.node import Node
from microgrid_daemon.originals import StoredKeeper
from microgrid_daemon.schedule.limits import Limits
from microgrid_daemon.store import Store
from microgrid_daemon.victron_battery import VictronBattery
from simulator.gx.broker_side import BrokerSide
from tests.daemon.ess import MOST_DISCHARGE, SETPOINT, Ess, at_broker
from tests.daemon.stage import until
from tests.daemon.test_battery import Wall, _statuses, plan
from tests.daemon.test_collector import Time
from tests.mosquitto import Mosquitto

NODE = "battery-1"
LIMITS = Limits(max_charge_w=2500, max_discharge_w=3000, soc_min_percent=15.0)
STORAGE = Storage(10.0, 2.5, 3.0)
CHARGE, DISCHARGE = ScheduleMode.CHARGE, ScheduleMode.DISCHARGE
FOLLOW, IDLE = ScheduleMode.FOLLOW, ScheduleMode.IDLE


class Stage:
    """An ESS with its GX, and a battery that drives it."""

    def __init__(self, ess: Ess, side: BrokerSide, port: int, store: Store) -> None:
        self.ess, self.side, self.store = ess, side, store
        self.time, self.wall = Time(), Wall()
        self.access = MqttAccess("127.0.0.1", port, tls=False)
        self.config = BatteryConfig(NODE, "ESS", None, LIMITS, gx=self.access, storage=STORAGE)
        self.connection = Connection(BrokerConfig("127.0.0.1", port), "village", NODE, store)
        self.boot()

    def boot(self) -> None:
        """Begin as another process would."""
        timing = Timing(silent_s=1.0, dead_s=2.0, last_retry_s=0.5, first_retry_s=0.1)
        station = MqttStation(self.access, timing=timing)
        self.driver = VictronBattery(self.config, self.access, self.store, station)
        node = Node(self.connection, self.store, self.wall, 7, BATTERY)
        self.battery = Battery(self.config, self.driver, node, self.store, self.wall, now_s=self.time)
        self.driver.start()

    async def goes_by(self, seconds: float) -> None:
        """Let time go by, and let the battery do a step when what the GX says has arrived."""
        self.time.now_s += seconds
        assert self.wall.time is not None
        self.wall.time += timedelta(seconds=seconds)

        async def arrived() -> bool:
            told = self.driver.read()
            return told.power_w == self.ess.battery_w and told.soc_percent == self.ess.soc

        await until(arrived)
        await self.battery.step()


@pytest_asyncio.fixture
async def stage(mosquitto: Mosquitto, store: Store) -> AsyncIterator[Stage]:
    """Its GX is connected and has told everything."""
    ess = Ess()
    with at_broker(ess, mosquitto.port) as side:
        made = Stage(ess, side, mosquitto.port, store)
        await made.driver._station.wait_complete()
        yield made
        await made.driver.close()


async def test_powers_are_those_of_the_battery_whatever_the_load(stage: Stage) -> None:
    stage.battery.receive(plan((CHARGE, 1200.0), (DISCHARGE, 2000.0), (IDLE, None)))
    await stage.goes_by(1)
    assert stage.ess.battery_w == -1200.0
    stage.ess.load_w = 2500.0
    stage.ess.regulate()
    assert stage.ess.battery_w == 0.0, "the load is not fed from a battery that is to charge"
    await stage.goes_by(5)
    assert stage.ess.battery_w == -1200.0
    for _ in range(170):
        await stage.goes_by(10)
    await stage.goes_by(100)
    assert stage.ess.battery_w == 2000.0
    stage.ess.load_w = 9000.0
    stage.ess.regulate()
    assert stage.ess.battery_w == LIMITS.max_discharge_w, "the hard limit stands in the GX itself"
    for _ in range(180):
        await stage.goes_by(10)
    assert stage.ess.battery_w == 0.0, "rests"
    assert _statuses(stage.store) == [
        *("received", "accepted"),
        *("started", "succeeded", "started", "succeeded", "started"),
    ]
    assert stage.battery.tally.done == 2
    assert stage.ess.worst_discharge_w <= LIMITS.max_discharge_w
    assert (await stage.battery.stop()).trouble is None
    assert stage.ess.free


async def test_following_brings_the_meter_to_zero_and_stays_within_the_limits(stage: Stage) -> None:
    ess = stage.ess
    stage.battery.receive(plan((FOLLOW, None)))
    await stage.goes_by(1)
    assert ess.battery_w == 1000.0
    assert ess.value(SETPOINT) == 0.0
    ess.load_w = 1700.0
    ess.regulate()
    assert ess.battery_w == 1700.0, "between two steps the GX follows by itself"
    ess.load_w, ess.sun_w = 500.0, 2100.0
    ess.regulate()
    await stage.goes_by(5)
    assert ess.battery_w == -1600.0
    ess.sun_w = 6000.0
    ess.regulate()
    await stage.goes_by(5)
    assert ess.battery_w == -LIMITS.max_charge_w
    ess.sun_w, ess.soc = 0.0, 15.0
    ess.regulate()
    await stage.goes_by(5)
    assert ess.battery_w == 0.0, "empty by our limit, which is above the GX's"
    ess.sun_w = 1500.0
    ess.regulate()
    await stage.goes_by(5)
    assert ess.battery_w == -1000.0, "an empty battery still takes the surplus"


async def test_the_least_charge_of_the_gx_counts(stage: Stage) -> None:
    stage.ess.floor, stage.ess.soc = 30.0, 30.0
    stage.ess.regulate()
    stage.battery.receive(plan((DISCHARGE, 1000.0)))
    await stage.goes_by(1)
    assert stage.driver.read().floor_percent == 30.0
    assert "empty at 30 %" in (stage.battery.trouble or "")
    assert stage.ess.value(MOST_DISCHARGE) == 0.0


async def test_heat_ends_everything(stage: Stage) -> None:
    stage.battery.receive(plan((FOLLOW, None)))
    await stage.goes_by(1)
    stage.ess.set("system", 0, "/Dc/Battery/Temperature", 50.5)

    async def told() -> bool:
        return stage.driver.read().temperature_c == 50.5

    await until(told)
    await stage.goes_by(5)
    assert stage.ess.battery_w == 0.0
    assert "50.5 °C is above 50 °C" in (stage.battery.trouble or "")


async def test_at_the_end_of_the_schedule_the_gx_is_on_its_own(stage: Stage) -> None:
    stage.battery.receive(plan((CHARGE, 1000.0)))
    await stage.goes_by(1)
    assert not stage.ess.free
    await stage.goes_by(1800)
    assert stage.ess.battery_w == 0.0, "in a gap it rests"
    await stage.goes_by(86_400)
    assert stage.ess.free
    assert stage.ess.battery_w == 950.0, "its own set-point"
    assert StoredKeeper(stage.store).originals(stage.driver._device) == {}


async def test_a_crash_is_released_by_the_next_process(stage: Stage, mosquitto: Mosquitto) -> None:
    stage.battery.receive(plan((DISCHARGE, 1000.0)))
    await stage.goes_by(1)
    await stage.driver.close()  # without a farewell
    assert not stage.ess.free
    stage.boot()
    await stage.driver._station.wait_complete()
    await stage.goes_by(1)
    assert stage.driver.read().trouble is None, "what we set ourselves is no second master"
    assert stage.ess.battery_w == 1000.0
    await stage.driver.close()
    config = Config(
        "village", BrokerConfig("127.0.0.1", mosquitto.port), (), (stage.config,), data=_folder(stage.store)
    )
    assert await daemon.restore(config)
    assert stage.ess.free
    assert await daemon.restore(config), "safe to repeat"


def _folder(store: Store) -> Path:
    """Where the file of a store lies."""
    return Path(store.ask("PRAGMA database_list")[0][2]).parent


async def test_another_master_goes_first(stage: Stage, store: Store) -> None:
    stage.battery.receive(plan((DISCHARGE, 1000.0)))
    await stage.goes_by(1)
    stage.ess.set("hub4", 0, "/Overrides/Setpoint", -750.0)

    async def noticed() -> bool:
        return stage.driver.read().trouble is not None

    await until(noticed)
    assert "/Overrides/Setpoint = -750" in (stage.driver.read().trouble or "")
    await stage.goes_by(5)
    await stage.goes_by(ALARM_AFTER_S)
    assert stage.ess.value(SETPOINT) == -750.0, "theirs stays"
    assert stage.ess.value(MOST_DISCHARGE) == -1, "ours goes"
    assert any(b"BATTERY_RELEASED" in message.payload for message in store.waiting(0, 100))
    stage.ess.set("hub4", 0, "/Overrides/Setpoint", None)

    async def alone() -> bool:
        return stage.driver.read().trouble is None

    await until(alone)
    await stage.goes_by(5)
    assert stage.ess.battery_w == 1000.0


@pytest.mark.parametrize(
    ("service", "instance", "path", "value", "trouble"),
    [
        ("settings", 0, "/Settings/CGwacs/Hub4Mode", 3, "external control"),
        ("system", 0, "/Ac/ActiveIn/Source", 240, "the grid is not connected"),
        ("system", 0, "/Ac/Grid/L1/Power", None, "nothing measures the grid"),
        ("vebus", 276, "/Mode", 1, "not switched on"),
        ("vebus", 276, "/VebusError", 11, "VE.Bus error 11"),
    ],
)
async def test_an_ess_that_cannot_is_left_alone(
    stage: Stage, service: str, instance: int, path: str, value: int | None, trouble: str
) -> None:
    stage.battery.receive(plan((CHARGE, 1000.0)))
    await stage.goes_by(1)
    assert not stage.ess.free
    stage.ess.set(service, instance, path, value)

    async def noticed() -> bool:
        return trouble in (stage.driver.read().trouble or "")

    await until(noticed)
    await stage.goes_by(5)
    assert stage.ess.free


async def test_a_gx_that_goes_and_comes_back(stage: Stage) -> None:
    stage.battery.receive(plan((CHARGE, 1000.0)))
    await stage.goes_by(1)
    stage.side.stop()

    async def gone() -> bool:
        return stage.driver.read().trouble is not None

    await until(gone)
    assert stage.driver.values() == {}
    assert "not released" in ((await stage.driver.release()).trouble or "")
    stage.ess.set("hub4", 0, "/Overrides/Setpoint", None)  # lost with its restart
    stage.side.start()

    async def back() -> bool:
        return stage.driver.read().trouble is None

    await until(back)
    await stage.goes_by(61)
    assert stage.ess.battery_w == -1000.0


async def test_a_gx_that_refuses_a_value_costs_nothing(stage: Stage) -> None:
    stage.ess.station.items[SETPOINT].writable = False
    stage.battery.receive(plan((DISCHARGE, 1000.0)))
    await stage.goes_by(1)
    assert "still says null" in (stage.battery.trouble or "")
    assert stage.ess.free


async def test_a_station_without_ess_or_meter_is_not_steered(stage: Stage) -> None:
    stage.side.drop("hub4", 0)

    async def noticed() -> bool:
        return "no ESS" in (stage.driver.read().trouble or "")

    await until(noticed)
    told = await stage.driver.apply(Instruction(CHARGE, Basis.INTERVAL, 100.0))
    assert "no ESS" in (told.trouble or "")


async def test_what_is_declared_and_said(stage: Stage) -> None:
    assert stage.driver.capability.modes == tuple(ScheduleMode)
    assert stage.driver.values() == {
        "voltage": 52.0,
        "current": pytest.approx(950 / 52.0),
        "power": 950.0,
        "charging": False,
        "state_of_charge": 60.0,
        "temperature": 21.0,
    }
