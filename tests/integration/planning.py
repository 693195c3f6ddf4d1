"""A house with sun and a battery on the wire, for tests of the energy planner: it obeys what it is sent."""

from __future__ import annotations

import json
import math
from datetime import UTC, datetime, timedelta
from typing import Any

from freezegun.api import FrozenDateTimeFactory
from homeassistant.config_entries import ConfigSubentryData
from homeassistant.core import HomeAssistant
from pytest_homeassistant_custom_component.common import MockConfigEntry, async_fire_time_changed
from pytest_homeassistant_custom_component.typing import MqttMockHAClient

from custom_components.microgrid.core.contract.messages import ScheduleMode
from custom_components.microgrid.core.contract.schedule import (
    RefusedSchedule,
    Schedule,
    current_instruction,
    parse_schedule,
)
from custom_components.microgrid.planner import Planner

from .voices import Voice

START = datetime(2026, 6, 1, tzinfo=UTC)
EFFICIENCY = 0.95
TIME_OF_USE: dict[str, Any] = {
    "source": "time_of_use",
    "price": 0.15,
    "export_price": 0.05,
    "periods": [{"price": 0.55, "start": "17:00:00", "end": "22:00:00"}],
}
CAPABILITY = {
    "modes": ["idle", "discharge", "charge", "follow"],
    "max_charge_w": 3000,
    "max_discharge_w": 3000,
}


def planner_entry(**data: Any) -> MockConfigEntry:
    """Return the entry of a swarm with a planner."""
    return MockConfigEntry(
        domain="microgrid",
        title="Demo",
        unique_id="demo",
        data={"swarm": "demo", "name": "Demo"},
        subentries_data=[
            ConfigSubentryData(
                data=TIME_OF_USE | {"reserve": 10, "strategy": "save_money"} | data,
                subentry_type="energy_planner",
                title="Time of use",
                unique_id=None,
            )
        ],
    )


async def set_up(hass: HomeAssistant, **data: Any) -> MockConfigEntry:
    """Add such an entry."""
    await hass.config.async_set_time_zone("UTC")
    entry = planner_entry(**data)
    entry.add_to_hass(hass)
    assert await hass.config_entries.async_setup(entry.entry_id)
    await hass.async_block_till_done()
    return entry


def planner_of(entry: MockConfigEntry) -> Planner:
    """Return its planner."""
    planner = entry.runtime_data.planner
    assert isinstance(planner, Planner)
    return planner


def load_kw(now: datetime) -> float:
    """Return what the house uses: little at night, much in the evening, no day like the other."""
    hour = now.hour + now.minute / 60.0
    evening = 1.6 * math.exp(-(((hour - 19.5) / 2.5) ** 2))
    return 0.45 + evening + 0.06 * math.sin(1.7 * now.timetuple().tm_yday + hour)


def solar_kw(now: datetime) -> float:
    """Return what the sun gives: not enough for the evening."""
    hour = now.hour + now.minute / 60.0
    return max(0.0, 1.2 * math.sin(math.pi * (hour - 6.0) / 12.0)) if 6.0 < hour < 18.0 else 0.0


class Home:
    """The house, its battery and the clock on the wall of the test."""

    def __init__(
        self,
        hass: HomeAssistant,
        freezer: FrozenDateTimeFactory,
        mqtt: MqttMockHAClient,
        charge: float = 50.0,
    ) -> None:
        """Begin with a battery that is half full."""
        hass.loop.set_debug(False)  # it notes where every task was made, and complains that hours fly by
        self.hass, self.freezer, self.mqtt = hass, freezer, mqtt
        self.battery = Voice(hass, "store", "battery", "Store")
        self.house = Voice(hass, "house-1", "house", "House 1")
        self.capacity_kwh, self.charge = 9.0, charge
        self.power_kw = 0.0
        self.schedule: Schedule | None = None
        self.taken: list[Schedule] = []
        self.cost = 0.0
        self.rule_cost = 0.0
        self.rule_charge = charge
        self.shown: dict[str, Any] = {}
        """What the battery shows instead of the truth."""
        self.loud = True
        self.clock_ahead = timedelta()
        self.load: float | None = None
        """Instead of the usual load."""

    @property
    def now(self) -> datetime:
        """The time."""
        return datetime.now(UTC)

    async def arrive(self, **capability: Any) -> None:
        """Announce house and battery, and say the first values."""
        await self.battery.greet(
            ("state_of_charge", "power", "stored_energy"),
            capabilities={
                "metrics": ["state_of_charge", "power", "stored_energy"],
                "schedule": CAPABILITY | capability,
            },
            interval_s=3600,
        )
        await self.house.greet(("load_power", "mppt_output_voltage", "mppt_output_current"), interval_s=3600)
        await self.speak()

    async def speak(self) -> None:
        """Say what is measured."""
        stored = 10.0 * self.capacity_kwh * self.charge
        values = {"state_of_charge": self.charge, "power": 1000 * self.power_kw, "stored_energy": stored}
        self.battery.seq += 1
        message = {
            "boot_id": self.battery.boot_id,
            "seq": self.battery.seq,
            "time": (self.now + self.clock_ahead).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "values": values | self.shown,
        }
        self.battery.send("live", json.dumps(message))
        await self.hass.async_block_till_done()
        if self.loud:
            load = load_kw(self.now) if self.load is None else self.load
            sun: dict[str, Any] = {
                "mppt_output_voltage": 50.0,
                "mppt_output_current": round(20.0 * solar_kw(self.now), 1),
            }
            await self.house.live(load_power=round(1000 * load), **sun)

    def listen(self) -> None:
        """Take the newest schedule that was sent, and answer as the contract wants it."""
        for call in self.mqtt.async_publish.call_args_list:
            topic, payload = call.args[:2]
            if topic == "microgrid/v1/demo/store/schedule/set":
                read = parse_schedule(payload if isinstance(payload, bytes) else payload.encode(), self.now)
                assert not isinstance(read, RefusedSchedule), read
                if self.schedule is None or read.revision > self.schedule.revision:
                    self.schedule = read
                    self.taken.append(read)
                    ack = {
                        "ack_id": f"ack-{read.revision}",
                        "status": "accepted",
                        "schedule_id": read.schedule_id,
                        "revision": read.revision,
                    }
                    self.battery.send("ack", json.dumps(ack))
        self.mqtt.async_publish.reset_mock()

    def wanted_kw(self, net_kw: float) -> float:
        """Return what the schedule asks for at the load that is there."""
        do = current_instruction(self.schedule, self.now)
        rate = 3.0 if do.rate_w is None else do.rate_w / 1000.0
        if do.mode is ScheduleMode.CHARGE:
            return -rate
        if do.mode is ScheduleMode.DISCHARGE:
            return rate
        return min(max(net_kw, -rate), rate) if do.mode is ScheduleMode.FOLLOW else 0.0

    def price(self) -> tuple[float, float]:
        """Return what import costs and export brings."""
        return (0.55 if 17 <= self.now.hour < 22 else 0.15), 0.05

    def live(self, hours: float) -> tuple[float, float]:
        """Decide for the time to come; return the charge at its end, and that of the rule."""
        net = (load_kw(self.now) if self.load is None else self.load) - solar_kw(self.now)
        charge, self.power_kw, cost = self._step(self.charge, self.wanted_kw(net), net, hours)
        self.cost += cost
        rule_charge, _, cost = self._step(self.rule_charge, net, net, hours)
        self.rule_cost += cost
        return charge, rule_charge

    def _step(
        self, charge: float, wanted_kw: float, net_kw: float, hours: float
    ) -> tuple[float, float, float]:
        stored = self.capacity_kwh * charge / 100.0
        floor = self.capacity_kwh * 0.1
        wanted = min(max(wanted_kw, -3.0), 3.0)
        given = min(wanted * hours, max(0.0, stored - floor) * EFFICIENCY)
        given = max(given, -(self.capacity_kwh - stored) / EFFICIENCY)
        stored -= given / EFFICIENCY if given > 0.0 else given * EFFICIENCY
        grid = net_kw * hours - given
        bought, sold = self.price()
        return 100.0 * stored / self.capacity_kwh, given / hours, (bought if grid > 0.0 else sold) * grid

    async def settle(self) -> None:
        """Let the planner finish what it began."""
        for entry in self.hass.config_entries.async_loaded_entries("microgrid"):
            for _ in range(2):  # the plan, then the day that is over
                await self.hass.async_block_till_done()
                if (planner := entry.runtime_data.planner) is not None:
                    await planner.idle()
        await self.hass.async_block_till_done()

    async def pass_time(self, total: timedelta, step: timedelta = timedelta(minutes=30)) -> None:
        """Live for a while: measure, tell, plan, obey."""
        for _ in range(round(total / step)):
            charge, rule_charge = self.live(step / timedelta(hours=1))
            await self.speak()
            async_fire_time_changed(self.hass)
            await self.settle()
            self.listen()
            self.freezer.tick(step)
            self.charge, self.rule_charge = charge, rule_charge

    async def tick(self, delta: timedelta = timedelta(minutes=1)) -> None:
        """Let a moment pass."""
        self.freezer.tick(delta)
        await self.speak()
        async_fire_time_changed(self.hass)
        await self.settle()
        self.listen()
