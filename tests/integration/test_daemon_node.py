"""The daemon of a Pi and Home Assistant on one wire: what either of them missed is there in the end."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest
from homeassistant.core import HomeAssistant
from pytest_homeassistant_custom_component.common import MockConfigEntry, async_fire_mqtt_message
from pytest_homeassistant_custom_component.typing import MqttMockHAClient

from custom_components.microgrid.const import DOMAIN
from custom_components.microgrid.core.contract import messages, schedule
from custom_components.microgrid.schedule_log import ExecutionStatus
from custom_components.microgrid.schedules import ScheduleDesk
from microgrid_core.contract import topics
from microgrid_core.contract.encode import acknowledgement_payload
from microgrid_core.contract.messages import (
    Birth,
    EventType,
    NodeKind,
    ScheduleCapability,
    ScheduleMode,
    Severity,
)
from microgrid_core.contract.schedule import Acknowledgement, AckStatus
from microgrid_core.model.battery import BATTERY
from microgrid_core.model.metric import DeviceKind
from microgrid_core.model.mpp_inverter import MPP_INVERTER
from microgrid_daemon.broker import HOME_STATUS, Connection
from microgrid_daemon.clock import Clock
from microgrid_daemon.config import BrokerConfig
from microgrid_daemon.node import Node
from microgrid_daemon.store import Store

from .test_historian import acknowledgements, until
from .voices import SWARM

MINUTES = 150
"""Of the outage."""
HALF_HOUR = timedelta(minutes=30)


class PastClock(Clock):
    """The clock of a Pi in a story that is told quickly."""

    def __init__(self, begin: datetime) -> None:
        super().__init__(None)
        self.begin, self.passed_s = begin, 0.0

    def now(self) -> datetime | None:
        return self.begin + timedelta(seconds=self.passed_s)

    def mono_ns(self) -> int:
        return round(self.passed_s * 1e9)


class Wire:
    """Stands where paho would: a broker that confirms everything, and Home Assistant behind it, or nobody."""

    def __init__(self, hass: HomeAssistant, mqtt_mock: MqttMockHAClient) -> None:
        self._hass = hass
        self._mqtt = mqtt_mock
        self._mids = itertools.count(1)
        self._delivered = 0
        self.home_listens = True
        self.live = 0

    def join(self, connection: Connection) -> None:
        """Connect."""
        self._connection = connection
        connection._client = self  # type: ignore[assignment]  # the one place where it meets a network
        connection._loop = self._hass.loop
        connection._begin()

    def subscribe(self, wanted: list[tuple[str, int]]) -> None:
        """Everything is passed on."""

    def publish(self, topic: str, payload: bytes, qos: int = 0, retain: bool = False) -> SimpleNamespace:
        """From the Pi."""
        if self.home_listens:
            self.live += topic.endswith(f"/{topics.LIVE}")
            async_fire_mqtt_message(self._hass, topic, payload, qos=qos)
        mid = next(self._mids)
        if qos:
            self._hass.loop.call_soon(self._connection._confirmed, mid)
        return SimpleNamespace(mid=mid)

    def pass_on(self) -> None:
        """To the Pi."""
        calls = self._mqtt.async_publish.call_args_list[self._delivered :]
        self._delivered += len(calls)
        for call in calls:
            topic, payload = call.args[:2]
            self._connection._hear(topic, payload.encode() if isinstance(payload, str) else payload)


class Pi:
    """One node of the daemon."""

    def __init__(self, folder: Path, node_id: str, kind: DeviceKind, clock: PastClock | None = None) -> None:
        self.store = Store(folder / f"{node_id}.sqlite")
        self.connection = Connection(BrokerConfig("nowhere", 1), SWARM, node_id, self.store)
        self.node = Node(self.connection, self.store, clock or Clock(None), 7, kind)
        if clock is not None:
            self.node._log._mono_ns, self.node._log._began_ns = clock.mono_ns, 0


@pytest.fixture
def make_pi(tmp_path: Path) -> Iterator[Callable[..., Pi]]:
    """Make nodes that are closed in the end."""
    made: list[Pi] = []

    def make(node_id: str, kind: DeviceKind, clock: PastClock | None = None) -> Pi:
        made.append(Pi(tmp_path, node_id, kind, clock))
        return made[-1]

    yield make
    for pi in made:
        pi.store.close()


async def test_what_an_inverter_measured_during_an_outage_is_history(
    hass: HomeAssistant, entry: MockConfigEntry, mqtt_mock: MqttMockHAClient, make_pi: Callable[..., Pi]
) -> None:
    """Each reading once, with the time at which it was made, whether it was also heard live or not."""
    hours = 3
    begin_s = int(time.time()) // 3600 * 3600 - hours * 3600
    clock = PastClock(datetime.fromtimestamp(begin_s, UTC))
    pi = make_pi("mpp-1", MPP_INVERTER, clock)

    def measure(minutes: int) -> None:
        for _ in range(6 * minutes):
            power = 100.0 + clock.passed_s // 60
            pi.node.live({"ac_output_active_power": power, "battery_voltage": 52.4, "mode": "line"}, None)
            clock.passed_s += 10.0

    pi.node.announce(Birth(NodeKind.MPP_INVERTER, "Inverter", 7, metrics=("ac_output_active_power",)))
    measure(MINUTES)
    pi.node.tell(EventType.ALARM, "SETTING_CHANGED", Severity.WARNING, {})
    wire = Wire(hass, mqtt_mock)
    wire.join(pi.connection)
    await hass.async_block_till_done()
    measure(10)  # and now Home Assistant hears it, too
    await hass.async_block_till_done()
    assert wire.live == 60

    def all_stored() -> bool:
        wire.pass_on()
        pi.node.pump()
        return pi.node._frames.page(1) is None

    await until(all_stored)
    last = acknowledgements(mqtt_mock, "mpp-1")[-1]
    assert last["boot_id"] == 7
    assert entry.runtime_data.historian.received.lost == 0
    found = await hass.services.async_call(
        DOMAIN,
        "get_history",
        {
            "node": "mpp-1",
            "metrics": ["ac_output_active_power", "battery_voltage"],
            "start": clock.begin,
            "end": clock.begin + timedelta(minutes=MINUTES + 10),
            "points": MINUTES + 10,
        },
        blocking=True,
        return_response=True,
    )
    assert isinstance(found, dict)
    metrics = found["metrics"]
    assert isinstance(metrics, dict)
    curve, voltage = metrics["ac_output_active_power"], metrics["battery_voltage"]
    assert isinstance(curve, dict) and isinstance(voltage, dict)
    assert found["resolution"] == "minute"
    assert curve["times"] == [begin_s + 60 * minute for minute in range(MINUTES + 10)]
    assert curve["mean"] == pytest.approx([100.0 + minute for minute in range(MINUTES + 10)])
    assert voltage["mean"] == pytest.approx([52.4] * (MINUTES + 10))
    archive = entry.runtime_data.historian.archive
    histories = await hass.async_add_executor_job(
        archive.series,
        "mpp-1",
        ["ac_output_active_power"],
        begin_s * 1_000_000,
        (begin_s + 14_400) * 1_000_000,
    )
    assert len(histories["ac_output_active_power"].values) == 6 * (MINUTES + 10), "nothing twice"
    (event,) = await hass.async_add_executor_job(lambda: archive.events("mpp-1", codes=["SETTING_CHANGED"]))
    assert event.event.event_id.startswith("mpp-1:7:")
    assert entry.runtime_data.swarm.was_told("mpp-1", event.event.event_id)


async def test_what_a_battery_did_while_home_assistant_was_away_is_reported_in_the_end(
    hass: HomeAssistant, entry: MockConfigEntry, mqtt_mock: MqttMockHAClient, make_pi: Callable[..., Pi]
) -> None:
    """The broker took every acknowledgement and nobody heard it; what was heard before counts once."""
    desk: ScheduleDesk = entry.runtime_data.schedules
    now = datetime.now(UTC)
    start = now.replace(minute=now.minute // 30 * 30, second=0, microsecond=0)
    intervals = tuple(
        schedule.Interval(number, start + number * HALF_HOUR, messages.ScheduleMode.CHARGE, 1000.0)
        for number in range(3)
    )
    until_tomorrow = start + timedelta(days=1)
    plan = schedule.Schedule("plan", 1, now, until_tomorrow, messages.ScheduleMode.IDLE, intervals)
    pi = make_pi("battery-1", BATTERY)
    told: list[str] = []
    desk.on_acknowledgement(lambda node_id, ack, execution: told.append(ack.ack_id))

    def say(number: int, status: AckStatus, interval: int | None = None) -> None:
        ack = Acknowledgement(f"battery-1:7:{number}", status, "plan", 1, interval)
        pi.connection.promise(topics.ACK, acknowledgement_payload(replace(ack, time=datetime.now(UTC))))

    wire = Wire(hass, mqtt_mock)
    wire.join(pi.connection)
    capability = ScheduleCapability((ScheduleMode.IDLE, ScheduleMode.CHARGE), 3000.0, 3000.0)
    pi.node.announce(Birth(NodeKind.BATTERY, "Battery", 7, schedule=capability))
    await hass.async_block_till_done()
    await desk.set("battery-1", plan)
    say(1, AckStatus.ACCEPTED)
    say(2, AckStatus.STARTED, 0)
    await hass.async_block_till_done()
    wire.home_listens = False
    say(3, AckStatus.SUCCEEDED, 0)
    say(4, AckStatus.STARTED, 1)
    say(5, AckStatus.FAILED, 1)
    await until(lambda: pi.store.depth() == 0)  # the broker has them
    wire.home_listens = True
    assert told == ["battery-1:7:1", "battery-1:7:2"]

    for _ in range(2):  # as often as it likes
        pi.connection._hear(HOME_STATUS, b"online")
        await until(lambda: pi.connection._again_after is None and not pi.connection._again)
        await hass.async_block_till_done()
        assert told == [f"battery-1:7:{number}" for number in (1, 2, 3, 4, 5)]
    assert [one.status for one in desk.executions("battery-1", start)] == [
        ExecutionStatus.SUCCEEDED,
        ExecutionStatus.FAILED,
        ExecutionStatus.PLANNED,
    ]
