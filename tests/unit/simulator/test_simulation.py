"""The running simulation on a real broker, and its command line."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion

from simulator.simulation import Settings, Simulation
from simulator.twins.connection import Broker
from tests.mosquitto import Mosquitto

ROOT = Path(__file__).parents[3]
PREFIX = "microgrid/v1/test"


class Listener:
    """Hears everything on the broker."""

    def __init__(self, port: int) -> None:
        self.messages: list[tuple[str, bytes, bool]] = []
        self._lock = threading.Lock()
        self.client = Client(CallbackAPIVersion.VERSION2)
        self.client.on_connect = lambda client, *_: client.subscribe("#", 1)
        self.client.on_message = self._message
        self.client.reconnect_delay_set(1, 1)
        self.client.connect("127.0.0.1", port)
        self.client.loop_start()

    def _message(self, client: Client, userdata: Any, message: MQTTMessage) -> None:
        with self._lock:
            self.messages.append((message.topic, message.payload, message.retain))

    def of(self, topic: str) -> list[bytes]:
        with self._lock:
            return [payload for heard, payload, _ in self.messages if heard == topic]

    def forget(self) -> None:
        with self._lock:
            self.messages.clear()

    def close(self) -> None:
        self.client.disconnect()
        self.client.loop_stop()


def wait_for(condition: Callable[[], object], seconds: float = 30.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "did not happen in time"
        time.sleep(0.02)


def settings(port: int, **more: Any) -> Settings:
    return Settings(broker=Broker("127.0.0.1", port), swarm="test", houses=4, clusters=2, **more)


@pytest.fixture
def listener(mosquitto: Mosquitto) -> Iterator[Listener]:
    heard = Listener(mosquitto.port)
    yield heard
    heard.close()


def test_all_nodes_live_and_leave_properly(mosquitto: Mosquitto, listener: Listener, tmp_path: Path) -> None:
    state = tmp_path / "state.json"
    simulation = Simulation(settings(mosquitto.port, speed=20.0, state=state))
    nodes = [f"house-{number:02d}" for number in range(1, 5)] + [
        "gateway-1",
        "gateway-2",
        "mpp-1",
        "battery-1",
    ]
    simulation.start()
    try:
        wait_for(lambda: all(listener.of(f"{PREFIX}/{node}/live") for node in nodes))
        wait_for(lambda: len(listener.of(f"{PREFIX}/house-01/live")) >= 3)
        assert listener.of(f"{PREFIX}/battery-1/schedule/state")
        assert listener.of("heatpump/hp-1/status/online") == [b"online"]
        assert isinstance(json.loads(listener.of("heatpump/hp-1/data")[0]), dict)
        wait_for(lambda: listener.of("house/living_room_temp"))
        for topic in ("house/outdoor_temp", "weather/pressure", "weather/rain", "weather/wind"):
            assert all(-50.0 < float(value) < 1100.0 for value in listener.of(topic))
    finally:
        simulation.stop()
    wait_for(lambda: all(listener.of(f"{PREFIX}/{node}/state")[-1] == b"offline" for node in nodes))
    wait_for(lambda: listener.of("heatpump/hp-1/status/online")[-1] == b"offline")

    energy = simulation.site.values("house-01")["mppt_energy"]
    assert isinstance(energy, float) and energy > 0.0
    again = Simulation(settings(mosquitto.port, state=state))
    assert again.site.values("house-01")["mppt_energy"] == energy
    state.write_text("{}")
    with pytest.raises(ValueError, match="delete the file"):
        Simulation(settings(mosquitto.port, state=state))
    state.write_text("not JSON")
    with pytest.raises(ValueError, match="delete the file"):
        Simulation(settings(mosquitto.port, state=state))


def test_commands_and_injections_come_in(mosquitto: Mosquitto, listener: Listener) -> None:
    simulation = Simulation(settings(mosquitto.port))
    simulation.start()
    try:
        wait_for(lambda: simulation.connected)
        command = {
            "id": "c1",
            "command": "set_contactor",
            "parameters": {"closed": False},
            "expires_at": "2099-01-01T00:00:00.000Z",
        }
        listener.client.publish(f"{PREFIX}/gateway-1/cmd/set", json.dumps(command))
        command["expires_at"] = time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime(time.time() + 60))
        listener.client.publish(f"{PREFIX}/gateway-1/cmd/set", json.dumps(command))
        wait_for(lambda: listener.of(f"{PREFIX}/gateway-1/cmd/result"))
        wait_for(
            lambda: any(b"CONTACTOR_OPENED" in event for event in listener.of(f"{PREFIX}/gateway-1/event"))
        )
        # The first one expires in the far future, which nobody means: refused without an answer.
        assert len(listener.of(f"{PREFIX}/gateway-1/cmd/result")) == 1

        inject = {"node": "house-02", "fault": "F005", "duration_s": 2}
        listener.client.publish("simulator/test/inject", json.dumps(inject))
        wait_for(lambda: any(b'"F005"' in event for event in listener.of(f"{PREFIX}/house-02/event")))

        inject = {"node": "house-03", "kind": "disconnect", "duration_s": 3}
        listener.client.publish("simulator/test/inject", json.dumps(inject))
        wait_for(lambda: listener.of(f"{PREFIX}/house-03/state")[-1:] == [b"offline"])  # the last will
        simulation.injector.inject("house-03", fault="F020", duration_s=10.0)
        wait_for(lambda: listener.of(f"{PREFIX}/house-03/state")[-1:] == [b"online"])
        # What happened while it was away is told late, but told.
        wait_for(lambda: any(b'"F020"' in event for event in listener.of(f"{PREFIX}/house-03/event")))
    finally:
        simulation.stop()


def test_everybody_comes_back_after_the_broker_died(mosquitto: Mosquitto) -> None:
    simulation = Simulation(settings(mosquitto.port))
    simulation.start()
    try:
        wait_for(lambda: simulation.connected)
        mosquitto.stop()
        wait_for(lambda: not any(connection.connected for connection in simulation._connections))
        mosquitto.start()
        wait_for(lambda: simulation.connected, 60.0)
        listener = Listener(mosquitto.port)
        try:
            # The broker forgot everything: births are retained again.
            wait_for(
                lambda: listener.of(f"{PREFIX}/house-01/birth") and listener.of(f"{PREFIX}/house-01/live")
            )
        finally:
            listener.close()
    finally:
        simulation.stop()


def simulator(*arguments: str, **more: Any) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "simulator", *arguments],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        **more,
    )


def test_dry_run_prints_a_line_for_each_second_the_same_each_time() -> None:
    arguments = ("--dry-run", "3", "--houses", "4", "--clusters", "2", "--speed", "60", "--start", "12:30")
    outputs = [simulator(*arguments).communicate(timeout=60)[0] for _ in range(2)]
    first, second = ([json.loads(line) for line in output.splitlines()] for output in outputs)
    assert len(first) == 3
    assert first[0]["solar_time"] == "12:31:00"
    assert len(first[0]["nodes"]) == 9
    assert [line["nodes"] for line in first] == [line["nodes"] for line in second]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_command_line_says_when_it_is_ready_and_ends_cleanly(mosquitto: Mosquitto, number: int) -> None:
    process = simulator("--broker", f"127.0.0.1:{mosquitto.port}", "--houses", "2", "--clusters", "1")
    assert process.stdout is not None
    assert "simulator ready: 2 houses in 1 clusters" in process.stdout.readline()
    process.send_signal(number)
    _, errors = process.communicate(timeout=30)
    assert process.returncode == 0
    assert "Traceback" not in errors


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--broker", "somewhere:port"), "HOST:PORT"),
        (("--houses", "0"), "from 1 to 99"),
        (("--houses", "2", "--clusters", "5"), "at least one house"),
        (("--start", "25:00"), "neither HH:MM nor now"),
        (("--speed", "-1"), "above 0"),
        (("--day", "400"), "day of the year"),
        (("--swarm", "Bad Name"), "must match"),
        (("--trace", "nowhere.csv"), "nowhere.csv"),
        (("--state", "nowhere/state.json"), "does not exist"),
    ],
)
def test_wrong_arguments_are_named(arguments: tuple[str, ...], message: str) -> None:
    process = simulator(*arguments)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 2
    assert message in errors and "Traceback" not in errors
