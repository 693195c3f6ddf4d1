"""A gateway of the firmware with three houses on a real Mosquitto, heard by Home Assistant's parsers."""

from __future__ import annotations

import asyncio
import json
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from microgrid_core.contract import encode, messages
from microgrid_core.contract.log_batch import LogBatch
from microgrid_core.contract.snapshot import (
    SnapshotAssembly,
    SnapshotChunk,
    SnapshotGet,
    SnapshotList,
    SnapshotPart,
    SnapshotState,
)
from script.lab.broker import Broker, find_mosquitto
from tests.firmware.test_uplink_cpp import build
from tests.listener import Listener
from tests.unit.core.contract.vectors import load, payload_of

GATEWAY = "gateway-1"
HOUSES = ("house-1", "house-2", "house-3")
NODES = (GATEWAY, *HOUSES)
Position = tuple[int, int]

pytestmark = pytest.mark.skipif(find_mosquitto() is None, reason="Mosquitto is missing: run script/bootstrap")


class HomeAssistant(Listener):
    """The other side: stores frames, acknowledges when it wants to."""

    def __init__(self, port: int) -> None:
        """Connect, and stay connected."""
        super().__init__(port, "village", remembered=True)
        self.frames: dict[str, dict[Position, bytes]] = {node: {} for node in NODES}
        self.acknowledges = True
        self.come_back()

    def acknowledge(self, node: str, place: Position) -> None:
        """Say that everything up to here is stored."""
        self.say(node, "log/ack", encode.log_ack_payload(messages.LogAck(*place)), retain=True)

    def log_came(self, node: str, batch: LogBatch) -> None:
        """Keep every frame, and compare it with what came before."""
        assert not batch.damaged
        for frame in batch.frames:
            known = self.frames[node].setdefault((frame.boot_id, frame.seq), bytes(frame.payload))
            assert known == bytes(frame.payload)
        if self.acknowledges:
            last = batch.frames[-1]
            self.acknowledge(node, (last.boot_id, last.seq))


class Program:
    """The gateway's process."""

    def __init__(self, port: int, folder: Path, frames_per_second: int) -> None:
        """Start it; its logs are in the folder."""
        folder.mkdir(exist_ok=True)
        program = build("uplink_gateway") / "uplink_gateway"
        self._process = subprocess.Popen(
            [program, "127.0.0.1", str(port), str(folder), str(frames_per_second)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def order(self, line: str) -> None:
        """Tell it what happens."""
        assert self._process.stdin is not None
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()

    def status(self) -> dict[str, Any]:
        """Ask for its counters, and for what it wrote."""
        assert self._process.stdout is not None
        self.order("status")
        answer: dict[str, Any] = json.loads(self._process.stdout.readline())
        return answer

    def kill(self) -> None:
        """End it as a power cut would."""
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()

    def quit(self) -> None:
        """Let it say goodbye."""
        self.order("quit")
        assert self._process.wait(10) == 0


def wait_for(condition: Callable[[], object], what: str, seconds: float = 60.0) -> None:
    """Wait until something is true."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"{what} did not happen in time"
        time.sleep(0.02)


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    """Mosquitto on a free port."""
    started = Broker(tmp_path / "broker")
    asyncio.run(started.up())
    yield started
    started.kill()


@pytest.fixture
def hass(broker: Broker) -> Iterator[HomeAssistant]:
    """Home Assistant's side."""
    started = HomeAssistant(broker.port)
    yield started
    started.leave()
    assert not started.refused


@contextmanager
def running(broker: Broker, folder: Path, frames_per_second: int = 50) -> Iterator[Program]:
    """Run the gateway; killed when the test fails."""
    program = Program(broker.port, folder, frames_per_second)
    try:
        yield program
    finally:
        program.kill()


def written(status: dict[str, Any]) -> dict[str, set[Position]]:
    """Return every place of every log."""
    return {
        node: {(boot_id, seq) for boot_id, count in boots for seq in range(count)}
        for node, boots in status["boots"].items()
    }


def assert_all_arrive(hass: HomeAssistant, program: Program, seconds: float = 60.0) -> None:
    """Wait until what is written by now has arrived, and nothing that never was."""
    logs = written(program.status())
    wait_for(
        lambda: all(logs[node] <= hass.frames[node].keys() for node in NODES),
        "the arrival of all frames",
        seconds,
    )
    after = written(program.status())
    assert all(hass.frames[node].keys() <= after[node] for node in NODES)


def test_all_that_is_said_is_understood(broker: Broker, hass: HomeAssistant, tmp_path: Path) -> None:
    with running(broker, tmp_path / "node") as program:
        wait_for(lambda: len(hass.said(GATEWAY, "live")) >= 3, "live messages")
        birth = hass.said(GATEWAY, "birth")[0]
        assert birth.kind is messages.NodeKind.GATEWAY
        assert birth.commands[0].parameters[0].maximum == 100
        house = hass.said("house-2", "birth")[0]
        assert (house.kind, house.parent, house.name) == (messages.NodeKind.HOUSE, GATEWAY, "Haus „2“")
        assert "inverter_power" in house.metrics
        assert "inverter_frequency" in house.log_channels
        live = hass.said(GATEWAY, "live")[-1]
        assert set(live.nodes) == set(HOUSES)
        assert live.own.time is not None
        assert set(house.metrics) >= set(live.nodes["house-2"].values)
        assert isinstance(live.nodes["house-2"].values["battery_charging"], bool)
        assert [event.code for event in hass.said(GATEWAY, "event")] == ["BOOT"]

        program.order("fault 2 6 raised")
        wait_for(lambda: hass.said("house-2", "event"), "the fault")
        event = hass.said("house-2", "event")[0]
        assert (event.code, event.state, event.boot_id) == ("F006", messages.EventState.RAISED, house.boot_id)
        assert event.event_id == f"north.2:{house.boot_id:08x}:0"
        wait_for(
            lambda: hass.said(GATEWAY, "live")[-1].nodes["house-2"].faults == ("F006",), "it in the values"
        )

        program.order("leave 3")
        wait_for(lambda: hass.said("house-3", "state")[-1] is False, "house 3 offline")
        program.order("join 3")
        wait_for(lambda: hass.said("house-3", "state")[-1] is True, "house 3 online")
        program.order("restart 1")
        wait_for(lambda: len({said.boot_id for said in hass.said("house-1", "birth")}) == 2, "its new birth")
        assert program.status()["unwritable"] == 0
        program.quit()
        wait_for(lambda: all(hass.said(node, "state")[-1] is False for node in NODES), "goodbye")


def test_the_last_will_tells_of_a_death(broker: Broker, hass: HomeAssistant, tmp_path: Path) -> None:
    with running(broker, tmp_path / "node") as program:
        wait_for(lambda: hass.said(GATEWAY, "state"), "online")
        program.kill()
        wait_for(lambda: hass.said(GATEWAY, "state")[-1] is False, "offline")


def test_commands_are_obeyed_or_refused(broker: Broker, hass: HomeAssistant, tmp_path: Path) -> None:
    def ask(name: str, percent: float, after_s: float = 30.0, node: str = GATEWAY) -> Any:
        command = messages.Command(
            name, "limit", {"percent": percent}, datetime.now(UTC) + timedelta(seconds=after_s)
        )
        before = len(hass.said(node, "cmd/result"))
        hass.say(node, "cmd/set", encode.command_payload(command))
        wait_for(lambda: len(hass.said(node, "cmd/result")) > before, "a result")
        return hass.said(node, "cmd/result")[-1]

    with running(broker, tmp_path / "node") as program:
        wait_for(lambda: len(hass.said(GATEWAY, "live")) >= 3, "life")
        time.sleep(1.0)  # of its clock, until it is valid
        status = messages.CommandStatus
        assert ask("a", 20) == messages.CommandResult("a", status.SUCCEEDED, None, {})
        assert ask("a", 20).status is status.SUCCEEDED
        assert ask("b", 80) == messages.CommandResult("b", status.FAILED, "it did not move", {})
        assert ask("c", 180).reason == "percent = 180 is above 100 %"
        assert ask("d", 20, -5).status is status.EXPIRED
        assert ask("e", 20, node="house-1").status is status.REJECTED
        assert program.status()["runs"] == 2


def test_snapshots_are_listed_and_fetched(broker: Broker, hass: HomeAssistant, tmp_path: Path) -> None:
    def ask(request: SnapshotGet) -> None:
        hass.say(GATEWAY, "snapshot/get", encode.snapshot_get_payload(request))

    with running(broker, tmp_path / "node") as program:
        wait_for(lambda: hass.said(GATEWAY, "live"), "life")
        program.order("snapshot 100000")
        time.sleep(0.2)
        ask(SnapshotGet())
        wait_for(lambda: hass.said(GATEWAY, "snapshot/list"), "the list")
        listed = hass.said(GATEWAY, "snapshot/list")[0]
        assert isinstance(listed, SnapshotList)
        (only,) = listed.snapshots
        assert (only.bytes, only.state) == (100_000, SnapshotState.COMPLETE)

        assembly = SnapshotAssembly(only.event_id, SnapshotPart.MEASURED)
        while (missing := assembly.missing()) is not None:
            ask(SnapshotGet(only.event_id, first=missing, count=5))
            topic = f"snapshot/{only.event_id}/{min(missing + 4, 12)}"
            wait_for(lambda topic=topic: hass.said(GATEWAY, topic), topic)  # type: ignore[misc] # mypy cannot infer it
            for number in range(13):
                for chunk in hass.said(GATEWAY, f"snapshot/{only.event_id}/{number}"):
                    assembly.take(chunk)
        assert assembly.result() == bytes(i % 251 for i in range(100_000))

        ask(SnapshotGet("north.9:00000001:1"))
        wait_for(lambda: hass.said(GATEWAY, "snapshot/north.9:00000001:1/0"), "the answer")
        chunk = hass.said(GATEWAY, "snapshot/north.9:00000001:1/0")[0]
        assert isinstance(chunk, SnapshotChunk)
        assert chunk.state is SnapshotState.UNKNOWN


def test_withheld_acknowledgements_lose_and_double_nothing(
    broker: Broker, hass: HomeAssistant, tmp_path: Path
) -> None:
    with running(broker, tmp_path / "node", 100) as program:
        hass.acknowledges = False
        wait_for(lambda: all(hass.said(node, "log") for node in (GATEWAY,)), "the first batch")
        time.sleep(2.0)
        assert len(hass.said(GATEWAY, "log")) == 1
        hass.acknowledge(GATEWAY, (1, 2))  # of nobody
        hass.acknowledges = True
        for node in NODES:
            for batch in hass.said(node, "log"):
                hass.acknowledge(node, (batch.frames[-1].boot_id, batch.frames[-1].seq))
        assert_all_arrive(hass, program)
        assert program.status()["acks_ignored"] >= 1


def test_the_broker_may_die_at_any_time(broker: Broker, hass: HomeAssistant, tmp_path: Path) -> None:
    with running(broker, tmp_path / "node", 200) as program:
        for _ in range(2):
            wait_for(lambda: hass.said(GATEWAY, "log"), "a batch")
            broker.kill()
            time.sleep(0.3)
            hass.forget()
            asyncio.run(broker.up())
            wait_for(lambda: all(hass.said(node, "state") for node in NODES), "all announced again")
            assert hass.said("house-3", "birth")
        assert_all_arrive(hass, program)
        status = program.status()
        assert status["connections"] == 3
        assert status["protocol_errors"] == 0


def test_a_killed_gateway_resumes(broker: Broker, hass: HomeAssistant, tmp_path: Path) -> None:
    folder = tmp_path / "node"
    for lifetime_s in (0.2, 0.9, 1.7, 3.0):
        with running(broker, folder, 200) as program:
            time.sleep(lifetime_s)
            program.kill()
    with running(broker, folder, 50) as program:
        assert_all_arrive(hass, program)
        assert len(program.status()["boots"][GATEWAY]) == 5


def test_hostile_messages_change_nothing(broker: Broker, hass: HomeAssistant, tmp_path: Path) -> None:
    """All hostile vectors on all topics of all nodes, many times, then what is too large."""
    payloads = [payload_of(case) for case in load("hostile")["refused"]]
    payloads = [payload for payload in payloads if payload]  # an empty retained one would only clear
    small = [payload for payload in payloads if len(payload) < 3000]
    with running(broker, tmp_path / "node", 100) as program:
        wait_for(lambda: hass.said(GATEWAY, "live"), "life")
        sent = 0
        for _ in range(10):
            for node in NODES:
                for suffix in ("cmd/set", "log/ack", "snapshot/get"):
                    for payload in small:
                        hass.say(node, suffix, payload)
                        sent += 1
        large = [payload for payload in payloads if len(payload) > 5000]
        for payload in large:
            hass.say(GATEWAY, "cmd/set", payload)
        wait_for(lambda: program.status()["refused"] >= sent, "counting them", 30.0)
        wait_for(lambda: program.status()["oversized"] >= len(large), "counting the large ones")
        hass.forget()
        wait_for(lambda: len(hass.said(GATEWAY, "live")) >= 2, "life")
        assert_all_arrive(hass, program)
        status = program.status()
        assert status["runs"] == 0
        assert status["connections"] == 1
        assert not hass.said(GATEWAY, "cmd/result")
        print("longest call of loop():", status["slowest_us"], "µs of the processor")
