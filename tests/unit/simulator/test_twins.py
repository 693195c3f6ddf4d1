"""What twins say: payloads through the product's own parsers, commands, injections."""

from __future__ import annotations

import json
import random
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from microgrid_core.contract.encode import command_payload, schedule_payload
from microgrid_core.contract.heat_pump import parse_heat_pump_alerts, parse_heat_pump_data
from microgrid_core.contract.messages import (
    Birth,
    Command,
    CommandResult,
    CommandStatus,
    LiveMessage,
    NodeEvent,
    Scalar,
    ScheduleMode,
    Severity,
    parse_birth,
    parse_command_result,
    parse_event,
    parse_live,
)
from microgrid_core.contract.reading import Rejection
from microgrid_core.contract.schedule import (
    Acknowledgement,
    Interval,
    Schedule,
    ScheduleState,
    parse_acknowledgement,
    parse_schedule_state,
)
from microgrid_core.contract.topics import parse_topic
from microgrid_core.model.kinds import KINDS
from simulator.physics.neighbourhood import BATTERY, HEAT_PUMP, MPP, Neighbourhood
from simulator.twins import roster
from simulator.twins.connection import Connection
from simulator.twins.heat_pump import HeatPumpTwin
from simulator.twins.injection import Injector
from simulator.twins.node import NodeTwin


class Wire:
    """Stands where the connection would: keeps what is published."""

    def __init__(self) -> None:
        self.connected = True
        self.sent: list[tuple[str, bytes, int, bool]] = []
        self.dropped_s: list[float] = []

    def publish(self, topic: str, payload: bytes, qos: int = 0, retain: bool = False) -> None:
        self.sent.append((topic, payload, qos, retain))

    def drop(self, duration_s: float) -> None:
        self.dropped_s.append(duration_s)

    def of(self, suffix: str) -> list[bytes]:
        return [payload for topic, payload, _, _ in self.sent if topic.endswith(f"/{suffix}")]


def now() -> datetime:
    return datetime.now(UTC)


@pytest.fixture
def site() -> Neighbourhood:
    site = Neighbourhood(4, 2, seed=1)
    site.step(2)
    return site


def wired(twin: Any) -> Wire:
    wire = Wire()
    twin._connection = wire
    twin._began = True
    return wire


def twins(site: Neighbourhood, carry: bool = False) -> dict[str, NodeTwin]:
    return {twin.node: twin for twin in roster.build(site, "demo", random.Random(1), carry)}


def test_every_node_introduces_itself(site: Neighbourhood) -> None:
    boots = set()
    for node, twin in twins(site).items():
        wire = wired(twin)
        twin.announce()
        assert [item[0].rsplit("/", 1)[1] for item in wire.sent][:2] == ["birth", "state"]
        topic, payload, qos, retained = wire.sent[0]
        parsed = parse_topic(topic)
        assert parsed is not None and (parsed.swarm, parsed.node) == ("demo", node)
        assert (qos, retained) == (1, True)
        birth = parse_birth(payload, now())
        assert isinstance(birth, Birth), birth
        assert birth.parent == site.parent(node)
        assert set(birth.metrics) == set(twin.values()) <= set(KINDS[birth.kind].by_key)
        assert set(birth.log_channels) <= set(birth.metrics)
        assert wire.sent[1][1:] == (b"online", 1, True)
        boots.add(birth.boot_id)
        boot = parse_event(wire.of("event")[0], now())
        assert isinstance(boot, NodeEvent) and boot.code == "BOOT"
    assert len(boots) == 8


def test_live_messages_are_small_whole_and_rising(site: Neighbourhood) -> None:
    for twin in twins(site).values():
        wire = wired(twin)
        for second in range(3):
            twin.due(1000.0 + second * twin.interval_s)
        messages = []
        for payload in wire.of("live"):
            assert len(payload) < 1500
            message = parse_live(payload, now())
            assert isinstance(message, LiveMessage), message
            assert message.own is not None and message.own.values == twin.values()
            messages.append(message.own)
        assert len(messages) == 3
        assert [live.seq for live in messages] == sorted({live.seq for live in messages})
        assert messages[0].faults == ()


def test_a_gateway_can_carry_its_houses(site: Neighbourhood) -> None:
    every = twins(site, carry=True)
    house = wired(every["house-01"])
    every["house-01"].due(1000.0)
    assert house.sent == []
    gateway = wired(every["gateway-1"])
    every["gateway-1"].due(1000.0)
    message = parse_live(gateway.of("live")[0], now())
    assert isinstance(message, LiveMessage)
    assert set(message.nodes) == {"house-01", "house-02"}
    assert message.nodes["house-01"].values == site.values("house-01")


def test_faults_are_told_and_shown(site: Neighbourhood) -> None:
    twin = twins(site)["house-03"]
    wire = wired(twin)
    site.disturb("house-03", "F010", 5.0)
    site.step(2)
    for occurrence in site.take_occurrences():
        twin.tell(occurrence)
    event = parse_event(wire.of("event")[0], now())
    assert isinstance(event, NodeEvent)
    assert (event.code, event.type, event.state, event.severity) == ("F010", "fault", "raised", "critical")
    assert event.values["limit"] == 3.65
    assert twin.live().faults == ("F010",)


def command(
    twin: NodeTwin,
    name: str,
    parameters: Mapping[str, Scalar] | None = None,
    lifetime_s: float = 30,
    identifier: str = "c-1",
) -> CommandResult:
    wire = wired(twin)
    expires = now() + timedelta(seconds=lifetime_s)
    payload = command_payload(Command(identifier, name, parameters or {}, expires))
    twin.handlers()[twin.topic("cmd/set")](payload)
    result = parse_command_result(wire.of("cmd/result")[0])
    assert isinstance(result, CommandResult)
    assert result.id == identifier
    return result


def test_commands_reach_the_physics(site: Neighbourhood) -> None:
    every = twins(site)
    assert command(every["house-01"], "identify").status is CommandStatus.SUCCEEDED
    assert command(every["house-01"], "clear_faults", identifier="c-2").status is CommandStatus.SUCCEEDED
    assert command(every["gateway-2"], "set_contactor", {"closed": False}).status is CommandStatus.SUCCEEDED
    site.step(1)
    assert site.values("gateway-2")["contactor_closed"] is False
    assert command(every[BATTERY], "set_power_limit", {"power": 1500}).status is CommandStatus.SUCCEEDED
    assert site.battery.power_limit_w == 1500.0
    assert (
        command(every[MPP], "set_output_source_priority", {"value": "utility"}).status
        is CommandStatus.SUCCEEDED
    )
    assert site.values(MPP)["output_source_priority"] == "utility"


@pytest.mark.parametrize(
    ("node", "name", "parameters", "lifetime_s", "status", "reason"),
    [
        ("gateway-1", "set_contactor", {"closed": False}, -1, CommandStatus.EXPIRED, "after it expired"),
        ("gateway-1", "self_destruct", {}, 30, CommandStatus.REJECTED, "knows no command"),
        ("gateway-1", "set_contactor", {}, 30, CommandStatus.REJECTED, "closed is missing"),
        ("gateway-1", "set_contactor", {"closed": 1}, 30, CommandStatus.REJECTED, "true or false"),
        ("house-01", "identify", {"loud": True}, 30, CommandStatus.REJECTED, "takes no parameter"),
        (BATTERY, "set_power_limit", {"power": 5001}, 30, CommandStatus.REJECTED, "above 5000"),
        (MPP, "set_output_source_priority", {"value": "wind"}, 30, CommandStatus.REJECTED, "one of"),
    ],
)
def test_commands_are_refused_with_a_reason(
    site: Neighbourhood,
    node: str,
    name: str,
    parameters: dict[str, Scalar],
    lifetime_s: float,
    status: CommandStatus,
    reason: str,
) -> None:
    result = command(twins(site)[node], name, parameters, lifetime_s)
    assert result.status is status
    assert result.reason is not None and reason in result.reason
    site.step(0.1)
    assert site.houses.grid.contactor_closed.all()


def test_a_repeated_command_runs_once(site: Neighbourhood) -> None:
    twin = twins(site)["gateway-1"]
    assert command(twin, "set_contactor", {"closed": False}).status is CommandStatus.SUCCEEDED
    site.gateways.command(0, True)
    assert command(twin, "set_contactor", {"closed": False}).status is CommandStatus.SUCCEEDED
    assert site.gateways.commanded[0]


def test_an_unreadable_command_gets_no_answer(site: Neighbourhood) -> None:
    twin = twins(site)["gateway-1"]
    wire = wired(twin)
    twin.handlers()[twin.topic("cmd/set")](b"{")
    assert wire.sent == []


def test_the_battery_takes_a_schedule_and_obeys(site: Neighbourhood) -> None:
    twin = twins(site)[BATTERY]
    wire = wired(twin)
    begin = now().replace(minute=now().minute // 30 * 30, second=0, microsecond=0)
    schedule = Schedule(
        schedule_id="plan-1",
        revision=7,
        issued_at=begin,
        valid_until=begin + timedelta(hours=2),
        default=ScheduleMode.IDLE,
        intervals=tuple(
            Interval(number, begin + timedelta(minutes=30 * number), ScheduleMode.CHARGE, 1500.0)
            for number in range(2)
        ),
    )
    twin.due(1000.0)
    twin.handlers()[twin.topic("schedule/set")](schedule_payload(schedule))
    twin.due(1001.0)
    states = [parse_schedule_state(payload, now()) for payload in wire.of("schedule/state")]
    assert [state.basis for state in states if isinstance(state, ScheduleState)] == [
        "no_schedule",
        "interval",
    ]
    acks = [parse_acknowledgement(payload, now()) for payload in wire.of("ack")]
    assert [ack.status for ack in acks if isinstance(ack, Acknowledgement)] == [
        *("received", "accepted", "started")
    ]
    site.step(3)
    values = twin.values()
    assert values["power"] == pytest.approx(-1500, abs=20)
    assert (values["schedule_mode"], values["schedule_revision"], values["schedule_active"]) == (
        "charge",
        7,
        True,
    )


def test_heat_pump_speaks_its_own_form(site: Neighbourhood) -> None:
    twin = HeatPumpTwin(site, "demo", 10.0)
    wire = wired(twin)
    twin.due(1000.0)
    topic, payload, _, _ = wire.sent[0]
    assert topic == "heatpump/hp-1/data"
    reading = json.loads(payload)
    assert set(reading) == {
        "device",
        "timestamp",
        "version",
        "temperature",
        "electrical",
        "pressure",
        "status",
        "alerts",
        "valid",
    }
    assert abs(reading["timestamp"] / 1000.0 - now().timestamp()) < 5.0
    assert set(reading["temperature"]) == {"inlet", "outlet", "ambient", "compressor"}
    assert set(reading["alerts"]) == {
        "voltage",
        "compressor_temp",
        "pressure_high",
        "pressure_low",
        "current",
    }
    assert all(reading["valid"].values()) and len(reading["valid"]) == 8
    parsed = parse_heat_pump_data(payload, now())
    assert not isinstance(parsed, Rejection)
    assert parsed[0].values == site.values(HEAT_PUMP)


def test_heat_pump_keeps_readings_and_counts_what_it_lost(site: Neighbourhood) -> None:
    twin = HeatPumpTwin(site, "demo", 10.0)
    wire = wired(twin)
    wire.connected = False
    for reading in range(103):
        twin.due(1000.0 + 10.0 * reading)
    wire.connected = True
    twin.due(5000.0)
    batch = json.loads(wire.of("data")[0])
    assert len(batch) == 101
    assert batch[-1]["overflow"] == 3
    parsed = parse_heat_pump_data(wire.of("data")[0], now())
    assert not isinstance(parsed, Rejection)
    assert len(parsed) == 101 and parsed[-1].lost == 3
    twin.due(5020.0)
    assert isinstance(json.loads(wire.of("data")[1]), dict)


def test_heat_pump_can_be_disturbed(site: Neighbourhood) -> None:
    twin = HeatPumpTwin(site, "demo", 10.0)
    wire = wired(twin)
    twin.talk_garbage(1005.0)
    twin.due(1000.0)
    assert isinstance(parse_heat_pump_data(wire.of("data")[0], now()), Rejection)
    twin.be_silent(1025.0)
    twin.due(1010.0)
    twin.due(1020.0)
    assert len(wire.of("data")) == 1
    twin.restart(1)  # what it kept is gone, but counted
    twin.due(1030.0)
    parsed = parse_heat_pump_data(wire.of("data")[1], now())
    assert not isinstance(parsed, Rejection) and parsed[0].lost == 2
    twin.disconnect(4.0)
    assert wire.dropped_s == [4.0]


def test_heat_pump_tells_when_a_limit_is_passed(site: Neighbourhood) -> None:
    twin = HeatPumpTwin(site, "demo", 10.0)
    wire = wired(twin)
    for moment, compressor_c in (
        (1000.0, 70.0),
        (1010.0, 88.0),
        (1020.0, 97.0),
        (1030.0, 98.0),
        (1040.0, 60.0),
    ):
        site.heat_pump.compressor_c = compressor_c
        twin.due(moment)
    alerts = [json.loads(payload) for payload in wire.of("alerts")]
    assert [(alert["type"], alert["level"]) for alert in alerts] == [
        ("compressor_temp_high", "warning"),
        ("compressor_temp_high", "critical"),
        ("compressor_temp_high", "cleared"),
    ]
    assert [parse_heat_pump_alerts(payload) for payload in wire.of("alerts")] == [
        {"HP_NODE_COMP_HOT": Severity.WARNING},
        {"HP_NODE_COMP_HOT": Severity.CRITICAL},
        {"HP_NODE_COMP_HOT": None},
    ]
    assert [json.loads(payload)["alerts"]["compressor_temp"] for payload in wire.of("data")] == [
        0,
        1,
        2,
        2,
        0,
    ]


@pytest.fixture
def injector(site: Neighbourhood) -> tuple[Injector, dict[str, NodeTwin], dict[str, Wire]]:
    every = twins(site)
    wires = {node: wired(twin) for node, twin in every.items()}
    return Injector(site, every, lambda: 4711), every, wires


def test_injections(
    site: Neighbourhood,
    injector: tuple[Injector, dict[str, NodeTwin], dict[str, Wire]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    inject, every, wires = injector
    monkeypatch.setattr("simulator.twins.injection.time.monotonic", lambda: 1000.0)
    inject.receive(b'{"node":"house-03","fault":"F006","duration_s":5}')
    site.step(1)
    assert site.active_faults("house-03") == ("F006",)
    inject.receive(b'{"node":"house-01","kind":"silence","duration_s":60}')
    every["house-01"].due(1001.0)
    assert wires["house-01"].of("live") == []
    every["house-01"].due(1061.0)
    assert len(wires["house-01"].of("live")) == 1
    inject.receive(b'{"node":"house-02","kind":"garbage","duration_s":60}')
    for second in range(16):
        every["house-02"].due(1001.0 + second)
    broken = wires["house-02"].of("live")
    assert len(broken) == 16
    refused = [payload for payload in broken if isinstance(parse_live(payload, now()), Rejection)]
    assert len(refused) >= 12
    inject.receive(b'{"node":"gateway-1","kind":"disconnect","duration_s":7}')
    assert wires["gateway-1"].dropped_s == [7.0]
    inject.receive(b'{"node":"house-04","kind":"restart_counters"}')
    birth = parse_birth(wires["house-04"].of("birth")[0], now())
    assert isinstance(birth, Birth) and birth.boot_id == 4711
    assert every["house-04"].live().seq < 5


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"\xff",
        b"[]",
        b'{"node":"house-77","kind":"silence"}',
        b'{"node":"house-01"}',
        b'{"node":"house-01","kind":"silence","duration_s":-1}',
        b'{"node":"house-01","kind":"silence","duration_s":"long"}',
        b'{"node":"house-01","fault":"F999"}',
    ],
)
def test_a_wrong_injection_is_named_and_does_nothing(
    injector: tuple[Injector, dict[str, NodeTwin], dict[str, Wire]],
    payload: bytes,
    caplog: pytest.LogCaptureFixture,
) -> None:
    injector[0].receive(payload)
    assert "nothing was done" in caplog.text


def test_the_wire_stands_for_the_real_connection() -> None:
    assert all(callable(getattr(Connection, name)) for name in ("publish", "drop"))
