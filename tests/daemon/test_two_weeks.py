"""Two weeks of a battery at an MPP inverter, in simulated time, with everything that goes wrong on a Pi.

Real are the executor, the limits, the driver, the protocol on its line and the file; killed at any moment,
the file of the next process is what the old one had on the disk then. What must hold: every interval is begun
at most once and has exactly one last word; no limit is crossed for longer than it takes to notice; in the end
the inverter is as it was found.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import random
import shutil
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from microgrid_core.contract import topics
from microgrid_core.contract.encode import schedule_payload
from microgrid_core.contract.messages import ScheduleMode
from microgrid_core.contract.schedule import Acknowledgement, Interval, Schedule, parse_acknowledgement
from microgrid_core.model.battery import BATTERY
from microgrid_core.model.mpp_inverter import MPP_INVERTER
from microgrid_daemon import daemon
from microgrid_daemon.battery import Battery
from microgrid_daemon.broker import Connection
from microgrid_daemon.clock import Clock
from microgrid_daemon.collector import Collector
from microgrid_daemon.config import BATTERY_WRITES, BatteryConfig, BrokerConfig, InverterConfig
from microgrid_daemon.mpp_battery import MppBattery
from microgrid_daemon.node import Node
from microgrid_daemon.originals import StoredKeeper
from microgrid_daemon.schedule.limits import OVER, Limits
from microgrid_daemon.store import Store
from microgrid_daemon.thermometer import Thermometer
from microgrid_daemon.transport.link import Link
from simulator.pi30.device import Device
from simulator.pi30.unit import NOON, Settings, Unit
from tests.daemon.stage import link_to, usb_place

STEP_S = 60.0
HALF = timedelta(minutes=30)
LIMITS = Limits(
    soc_min_percent=20.0, soc_max_percent=95.0, max_charge_w=2200.0, max_discharge_w=3000.0, max_age_s=150.0
)
EMPTY_V, FULL_V = 46.0, 56.0
CONFIG = BatteryConfig("battery-1", "Battery", "mpp-1", LIMITS, EMPTY_V, FULL_V)
INVERTER = InverterConfig("mpp-1", "Inverter", interval_s=50.0, writes=BATTERY_WRITES)
CAPACITY_WH = 5120.0
GRACE = 3
"""Steps that noticing a limit may take: a reading, a tolerance of half a minute, a decision."""
LIMITS_SAID = ("empty at", "full at", "is above", "too cold", "flowed", "is not known")
"""Parts of the reasons that are given."""
LAST_WORDS = {"succeeded", "failed", "superseded", "cancelled"}
POWER_MODES = (ScheduleMode.CHARGE, ScheduleMode.DISCHARGE)


def as_found() -> Settings:
    """The sun and the grid feed the load, and only the sun charges."""
    return Settings(output_source_priority=1, charger_source_priority=3)


class House:
    """The inverter with its battery, the load and the sun."""

    def __init__(self, rng: random.Random) -> None:
        self.rng = rng
        self.seconds, self.soc, self.load_w, self.sun_w, self.celsius = 0.0, 60.0, 800.0, 0.0, 15.0
        self.battery_w = 0.0
        self.measured_soc = self.soc
        self.unit = Unit(readings_now=self._readings)
        self.unit.settings = as_found()
        self.device = Device(self.unit)
        self.writes: Counter[tuple[int, str]] = Counter()
        """By day and setting."""
        self._seen = 0

    def _readings(self) -> dict[str, Any]:
        volts = EMPTY_V + self.soc / 100.0 * (FULL_V - EMPTY_V)
        self.measured_soc = self.soc
        amperes = self.battery_w / volts
        return {
            **NOON,
            "mode": "line",
            "battery_voltage": volts,
            "battery_charging_current": max(0, round(-amperes)),
            "battery_discharge_current": max(0, round(amperes)),
        }

    def goes_by(self, seconds: float) -> None:
        """Let energy flow."""
        self.seconds += seconds
        hour = self.seconds / 3600.0 % 24.0
        self.sun_w = max(0.0, 1300.0 * (1.0 - ((hour - 12.0) / 5.0) ** 2))
        if self.rng.random() < 0.1:
            self.load_w = self.rng.choice((200.0, 500.0, 900.0, 1500.0, 2400.0, 4200.0))
        self.celsius = 12.0 + 10.0 * (1.0 - abs(hour - 14.0) / 6.0) + (45.0 if self._hot else 0.0)
        settings = self.unit.settings
        volts = EMPTY_V + self.soc / 100.0 * (FULL_V - EMPTY_V)
        spare_w = self.sun_w - self.load_w
        power_w = min(0.0, -spare_w)  # the sun's surplus always charges
        if settings.output_source_priority == 2:
            power_w = -spare_w
        elif settings.output_source_priority == 0 and settings.charger_source_priority == 2:
            power_w = -settings.max_ac_charging_current * volts
        if (power_w > 0.0 and self.soc <= 2.0) or (power_w < 0.0 and self.soc >= 100.0):
            power_w = 0.0
        self.battery_w = power_w
        self.soc = min(100.0, max(0.0, self.soc - 100.0 * power_w * seconds / 3600.0 / CAPACITY_WH))
        for command in self.unit.written[self._seen :]:
            self.writes[int(self.seconds // 86_400), command.rstrip("0123456789")] += 1
        self._seen = len(self.unit.written)

    @property
    def _hot(self) -> bool:
        return (self.seconds - 13.0 * 3600.0) % 400_000.0 < 4000.0

    @property
    def discharges(self) -> bool:
        """Whether a schedule has it discharge: as found it never does."""
        return self.unit.settings.output_source_priority == 2

    @property
    def charges(self) -> bool:
        """Whether a schedule has the grid charge it."""
        return self.unit.settings.charger_source_priority == 2


class PiClock(Clock):
    """The clock of the Pi: not set after a reboot, and wrong now and then."""

    def __init__(self, begin: datetime, house: House) -> None:
        super().__init__(None)
        self.begin, self.house, self.wrong_by_s, self.is_set = begin, house, 0.0, True

    @property
    def valid(self) -> bool:
        return self.is_set

    @property
    def truth(self) -> datetime:
        """The time that it really is."""
        return self.begin + timedelta(seconds=self.house.seconds)

    def now(self) -> datetime | None:
        return self.truth + timedelta(seconds=self.wrong_by_s) if self.is_set else None

    def unix_s(self) -> float:
        """What the ledger of writes sees, set or not."""
        return (self.truth + timedelta(seconds=self.wrong_by_s)).timestamp()


class Process:
    """The daemon's parts around one file."""

    def __init__(self, path: Path, house: House, clock: PiClock, boot_id: int) -> None:
        self.path = path
        self.store = Store(path)
        broker = BrokerConfig("127.0.0.1", 1)  # never connected: the test empties the outbox itself
        self.link: Link = link_to([usb_place(house.device)])
        nodes = [
            Node(Connection(broker, "village", name, self.store), self.store, clock, boot_id, kind)
            for name, kind in (("mpp-1", MPP_INVERTER), ("battery-1", BATTERY))
        ]
        seconds = self._seconds
        self.house = house
        self.collector = Collector(
            *(INVERTER, self.link, nodes[0], self.store),
            restores=False,
            now_s=seconds,
            wall_s=clock.unix_s,
        )
        self.thermometer = Thermometer("house/battery", now_s=seconds)
        driver = MppBattery(CONFIG, self.collector, self.store, now_s=seconds)
        self.battery = Battery(
            *(CONFIG, driver, nodes[1], self.store, clock), thermometer=self.thermometer, now_s=seconds
        )
        self.healthy = False

    def _seconds(self) -> float:
        return self.house.seconds

    async def work(self) -> None:
        """One round of questions and one step."""
        self.healthy = False
        answered = await self.collector.round()
        await self.battery.step()
        self.healthy = answered

    async def end(self) -> None:
        """Close what the process had open."""
        await self.link.close()
        self.store.close()


@dataclass
class Tale:
    """What happened, for the checks and for people."""

    kills: int = 0
    in_the_middle: int = 0
    reboots: int = 0
    outages: int = 0
    jumps: int = 0
    unplugged: int = 0
    acks: list[Acknowledgement] = field(default_factory=list)
    asked: dict[tuple[int, int], Interval] = field(default_factory=dict)
    held: list[tuple[int, datetime]] = field(default_factory=list)
    """Revisions, and when they were held first."""
    reached: Counter[str] = field(default_factory=Counter)
    """Steps in which a limit had the last word."""
    worst: Counter[str] = field(default_factory=Counter)
    """The most steps in a row beyond a limit."""


class Fortnight:
    """The run."""

    def __init__(self, seed: int, folder: Path, begin: datetime) -> None:
        self.rng = random.Random(seed)
        self.house = House(random.Random(seed + 1))
        self.clock = PiClock(begin, self.house)
        self.folder, self.tale = folder, Tale()
        self.boot_id = 1
        self.process = Process(folder / "state-1.db", self.house, self.clock, 1)
        self.broker, self.revision, self.number = True, 0, 0
        self.document: bytes | None = None
        self.repaired_at: dict[str, float] = {}
        self.beyond: Counter[str] = Counter()

    # --------------------------------------------------------------------------------------------- the world

    def plan(self) -> None:
        """Home Assistant plans anew; its clock is right."""
        self.revision += 1
        truth, rng = self.clock.truth, self.rng
        start = (
            truth.replace(minute=truth.minute // 30 * 30, second=0, microsecond=0) + rng.choice((0, 1)) * HALF
        )
        intervals = []
        for slot in range(rng.randint(6, 96)):
            if rng.random() < 0.1:
                continue
            self.number = (self.number + 1) % 65_000
            mode = rng.choice((*POWER_MODES, ScheduleMode.DISCHARGE, ScheduleMode.IDLE))
            rate_w = float(rng.randint(400, 2200)) if mode in POWER_MODES else None
            intervals.append(Interval(self.number, start + slot * HALF, mode, rate_w))
        if rng.random() < 0.05:
            intervals = []  # somebody cancels what was planned
        until = start + 97 * HALF
        schedule = Schedule(
            f"plan-{self.revision}", self.revision, truth, until, ScheduleMode.IDLE, tuple(intervals)
        )
        self.document = schedule_payload(schedule)
        self.tale.asked |= {(self.revision, one.id): one for one in intervals}

    def send(self) -> None:
        """Bring the retained schedule, as after every new connection."""
        if self.broker and self.document is not None:
            self.process.battery.receive(self.document)
            schedule = self.process.battery.schedule
            held = self.tale.held
            if schedule is not None and (not held or held[-1][0] != schedule.revision):
                held.append((schedule.revision, self.clock.truth))

    def listen(self) -> None:
        """Take what waits in the outbox; not every confirmation arrives."""
        if not self.broker:
            return
        store = self.process.store
        for message in store.waiting(0, 500):
            if message.topic.endswith(f"/battery-1/{topics.ACK}"):
                ack = parse_acknowledgement(message.payload, self.clock.truth + timedelta(days=1))
                assert isinstance(ack, Acknowledgement), ack
                self.tale.acks.append(ack)
            if self.rng.random() < 0.9:
                store.sent([message.id])

    def trouble(self) -> None:
        """Let something go wrong, or right again."""
        rng, seconds, device = self.rng, self.house.seconds, self.house.device
        for what, at_s in list(self.repaired_at.items()):
            if seconds >= at_s:
                del self.repaired_at[what]
                match what:
                    case "broker":
                        self.broker = True
                        self.send()
                    case "clock":
                        self.clock.wrong_by_s = 0.0
                    case "unset":
                        self.clock.is_set = True
                    case "refusal":
                        device.behaviour.refuses = frozenset()
                    case _:
                        pass

        def begins(what: str, chance: float, longest_s: float) -> bool:
            if rng.random() >= chance or what in self.repaired_at:
                return False
            self.repaired_at[what] = seconds + rng.uniform(STEP_S, longest_s)
            return True

        if begins("broker", 0.004, 6 * 3600.0):
            self.broker = False
            self.tale.outages += 1
        if begins("clock", 0.002, 3600.0):
            self.clock.wrong_by_s = rng.uniform(-2400.0, 2400.0)
            self.tale.jumps += 1
        if begins("refusal", 0.001, 600.0):
            device.behaviour.refuses = frozenset({rng.choice(("POP00", "POP02", "PCP02", "QPIRI"))})
        if begins("silent thermometer", 0.001, 1800.0):
            pass
        if begins("cable", 0.001, 300.0):
            self.tale.unplugged += 1
            device.unplug()

    # ------------------------------------------------------------------------------------------- the process

    async def step(self) -> None:
        """A minute."""
        self.house.goes_by(STEP_S)
        self.trouble()
        if self.broker and (self.document is None or self.rng.random() < 0.006):
            self.plan()
            self.send()
        if "silent thermometer" not in self.repaired_at:
            self.process.thermometer.hear(f"{self.house.celsius:.2f}".encode())
        if "cable" in self.repaired_at:
            self.house.device.unplug()
        work = asyncio.create_task(self.process.work())
        if self.rng.random() < 0.02:
            await self.kill(work)
        else:
            await work
            self.check()
        self.listen()

    async def kill(self, work: asyncio.Task[None]) -> None:
        """End the process wherever it is; its file is what is on the disk at this moment."""
        for _ in range(self.rng.randint(0, 60)):
            if work.done():
                break
            await asyncio.sleep(0)
        self.tale.kills += 1
        self.tale.in_the_middle += not work.done()
        old = self.process
        self.boot_id += 1
        path = self.folder / f"state-{self.boot_id}.db"
        for suffix in ("", "-wal"):
            with contextlib.suppress(FileNotFoundError):
                shutil.copyfile(f"{old.path}{suffix}", f"{path}{suffix}")
        work.cancel()
        await asyncio.gather(work, return_exceptions=True)
        await old.end()
        for leftover in self.folder.glob(f"{old.path.name}*"):
            leftover.unlink()
        if self.rng.random() < 0.15:
            await self.reboot()
        else:
            await self.after_the_end(path)
        self.process = Process(path, self.house, self.clock, self.boot_id)
        if self.broker:
            self.send()

    async def reboot(self) -> None:
        """A power cut: nobody gives anything back, and the clock is not set for a while."""
        self.tale.reboots += 1
        for _ in range(self.rng.randint(1, 8)):
            self.house.goes_by(STEP_S)
        self.clock.is_set = False
        self.clock.wrong_by_s = 0.0
        self.repaired_at["unset"] = self.house.seconds + self.rng.uniform(0.0, 600.0)

    async def after_the_end(self, path: Path) -> None:
        """What systemd runs when the process has died."""
        if "cable" in self.repaired_at or "refusal" in self.repaired_at or self.rng.random() < 0.3:
            return
        store, link = Store(path), link_to([usb_place(self.house.device)])
        assert await daemon._restore_one(INVERTER, link, store)
        await link.close()
        store.close()
        self.check_as_found()

    # ------------------------------------------------------------------------------------------------ checks

    def check(self) -> None:
        """Nothing is beyond a limit for longer than it takes to notice."""
        house, process = self.house, self.process
        trouble = process.battery.trouble or ""
        self.tale.reached.update(reason for reason in LIMITS_SAID if reason in trouble)
        celsius = process.thermometer.celsius
        beyond = {
            "empty": house.discharges and house.soc <= LIMITS.soc_min_percent,
            "full": house.charges and house.soc >= LIMITS.soc_max_percent,
            "hot": (house.discharges or house.charges) and house.celsius > LIMITS.temperature_max_c,
            "cold": house.charges and house.celsius < LIMITS.temperature_min_c,
            "unknown": (house.discharges or house.charges) and celsius is None,
            "power": house.discharges and house.battery_w > OVER * LIMITS.max_discharge_w,
        }
        disturbed = not process.healthy or {"refusal", "cable"} & self.repaired_at.keys()
        for what, is_so in beyond.items():
            self.beyond[what] = self.beyond[what] + 1 if is_so and not disturbed else 0
            self.tale.worst[what] = max(self.tale.worst[what], self.beyond[what])
            assert self.beyond[what] <= GRACE, (what, house.soc, house.celsius, house.battery_w)
        planned = process.battery._executor.advance(self.clock.now())
        if house.charges and not disturbed:
            rate_w = planned.rate_w or 0.0
            full_v = house.unit.settings.battery_bulk_voltage
            charging = planned.mode is ScheduleMode.CHARGE and process.battery._done is not None
            if charging:
                assert house.unit.settings.max_ac_charging_current * full_v <= min(
                    rate_w, LIMITS.max_charge_w
                )

    def check_as_found(self) -> None:
        """Everything is back, and nothing waits to be brought back."""
        found, now = as_found(), self.house.unit.settings
        for key in BATTERY_WRITES:
            assert getattr(now, key) == getattr(found, key), key

    async def finish(self) -> None:
        """The faults end, the daemon stops as it is told to, and the broker hears the rest."""
        self.repaired_at = dict.fromkeys(self.repaired_at, 0.0)
        self.trouble_is_over()
        for _ in range(3):
            self.house.goes_by(STEP_S)
            await self.process.work()
        assert (await self.process.battery.stop()).trouble is None
        self.check_as_found()
        assert StoredKeeper(self.process.store).originals(self.house.unit.serial_number) == {}
        while self.process.store.depth():
            self.listen()
        self.tally = self.process.battery.tally
        await self.process.end()

    def trouble_is_over(self) -> None:
        """Repair everything."""
        self.house.device.behaviour.refuses = frozenset()
        self.clock.wrong_by_s, self.clock.is_set, self.broker = 0.0, True, True
        self.repaired_at.clear()


def check_words(tale: Tale, end: datetime) -> Counter[str]:
    """Every interval was begun at most once and has one last word; returns how many of each."""
    once = {ack.ack_id: ack for ack in tale.acks}
    assert len(once) < len(tale.acks), "nothing was repeated: the trouble was none"
    words: dict[tuple[int, int], list[Acknowledgement]] = {}
    for ack in once.values():
        if ack.interval_id is not None and ack.revision is not None:
            words.setdefault((ack.revision, ack.interval_id), []).append(ack)
    assert words.keys() <= tale.asked.keys()
    newest = tale.held[-1][0]
    for key, acks in words.items():
        statuses = [ack.status.value for ack in acks]
        if statuses != ["expired"]:
            assert statuses[0] == "started", (key, statuses)
            last = statuses[1:]
            running = key[0] == newest and not last
            assert running or (len(last) == 1 and last[0] in LAST_WORDS), (key, statuses)
        interval = tale.asked[key]
        requested_w = 0.0 if interval.mode is ScheduleMode.IDLE else interval.rate_w
        assert all(ack.requested_rate_w == requested_w for ack in acks), key
        if statuses[-1] == "succeeded":
            assert acks[-1].actual_rate_w is not None
    # Nobody is forgotten: what was held for long enough before and after has its words.
    until = [*(at for _, at in tale.held[1:]), end]
    for (revision, since), last_held in zip(tale.held, until, strict=True):
        for (number, identity), interval in tale.asked.items():
            in_time = interval.start >= since + timedelta(hours=1)
            if number == revision and in_time and interval.end + timedelta(hours=2) <= last_held:
                assert (revision, identity) in words, (revision, identity, interval)
                assert words[revision, identity][-1].status.value != "started"
    return Counter(ack.status.value for acks in words.values() for ack in acks)


@pytest.fixture(params=["Europe/Berlin"])
def summer_time(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A machine whose local time has changes."""
    monkeypatch.setenv("TZ", request.param)
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


async def run(seed: int, days: float, folder: Path, begin: datetime) -> str:
    """Run and check; returns the numbers."""
    fortnight = Fortnight(seed, folder, begin)
    while fortnight.house.seconds < days * 86_400.0:
        await fortnight.step()
    await fortnight.finish()
    tale = fortnight.tale
    words = check_words(tale, fortnight.clock.truth)
    most_written = max(fortnight.house.writes.values(), default=0)
    assert most_written <= 2 * 48, (
        "the ledger keeps a device from being worn out: 48 a day, and the ways back"
    )
    if days >= 14.0:
        assert tale.reached.keys() == set(LIMITS_SAID), "a limit that was never reached was not tried"
    told = fortnight.tally
    assert told.done == words["succeeded"] and told.failed == words["failed"] + words["expired"]
    return json.dumps(
        {
            "seed": seed,
            "days": days,
            "kills": tale.kills,
            "in the middle of a step": tale.in_the_middle,
            "reboots": tale.reboots,
            "broker outages": tale.outages,
            "clock jumps": tale.jumps,
            "unplugged": tale.unplugged,
            "schedules": len(tale.held),
            "acknowledgements": len(tale.acks),
            "distinct": len({ack.ack_id for ack in tale.acks}),
            "words": dict(words),
            "late": told.late,
            "minutes at a limit": dict(tale.reached),
            "setters accepted": len(fortnight.house.unit.written),
            "most writes of a setting in a day": most_written,
            "most steps beyond a limit": dict(tale.worst),
        }
    )


SPRING, AUTUMN = datetime(2026, 3, 27, tzinfo=UTC), datetime(2026, 10, 23, 12, tzinfo=UTC)


@pytest.mark.usefixtures("summer_time")
async def test_a_day_of_trouble(tmp_path: Path) -> None:
    """Around the night in which the clocks go forward."""
    begin = SPRING + timedelta(days=1, hours=12)
    print(await run(int(os.environ.get("MICROGRID_SEED", "1")), 1.0, tmp_path, begin))


@pytest.mark.slow
@pytest.mark.usefixtures("summer_time")
@pytest.mark.parametrize(("seed", "begin"), [(1, SPRING), (2, AUTUMN), (3, SPRING), (4, AUTUMN)])
async def test_two_weeks_of_trouble(tmp_path: Path, seed: int, begin: datetime) -> None:
    """Both nights in which the clocks change, several hundred kills each."""
    print(await run(seed, 14.0, tmp_path, begin))
