"""A scenario that is wished for on the command line, and its recordings over a link that is cut."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from microgrid_core.contract.encode import snapshot_get_payload
from microgrid_core.contract.snapshot import (
    SnapshotAssembly,
    SnapshotChunk,
    SnapshotGet,
    SnapshotList,
    SnapshotPart,
    SnapshotState,
    parse_snapshot_chunk,
    parse_snapshot_list,
)
from simulator import inject
from simulator.scenarios import SCENARIOS
from simulator.simulation import Settings, Simulation
from simulator.twins.connection import Broker
from tests.mosquitto import Mosquitto, free_port

from .test_simulation import PREFIX, Listener, wait_for

SCENARIO = ["F004.cooling", "--gateway=gateway-2", "--seed=3", "--swarm=test"]


@pytest.fixture
def listener(mosquitto: Mosquitto) -> Iterator[Listener]:
    """Somebody who hears everything."""
    heard = Listener(mosquitto.port)
    yield heard
    heard.close()


@pytest.fixture
def simulation(mosquitto: Mosquitto) -> Iterator[Simulation]:
    """Two clusters."""
    broker = Broker("127.0.0.1", mosquitto.port)
    running = Simulation(Settings(broker=broker, swarm="test", houses=8, clusters=2))
    running.start()
    try:
        wait_for(lambda: running.connected)
        yield running
    finally:
        running.stop()


def chunks(listener: Listener, event_id: str) -> list[SnapshotChunk]:
    """All chunks of a fault that the gateway has sent."""
    prefix = f"{PREFIX}/gateway-2/"
    found = []
    for topic, payload, _ in list(listener.messages):
        if topic.startswith(f"{prefix}snapshot/{event_id}/"):
            chunk = parse_snapshot_chunk(topic.removeprefix(prefix), payload)
            assert isinstance(chunk, SnapshotChunk), chunk
            found.append(chunk)
    return found


def test_a_wish_comes_true_and_its_recording_survives_a_cut(
    mosquitto: Mosquitto, simulation: Simulation, listener: Listener, capsys: pytest.CaptureFixture[str]
) -> None:
    broker = f"--broker=127.0.0.1:{mosquitto.port}"
    wait_for(lambda: listener.of("simulator/test/scenarios"))
    offer = json.loads(listener.of("simulator/test/scenarios")[0])
    assert offer["scenarios"] == list(SCENARIOS)
    assert offer["clusters"]["gateway-2"] == ["house-05", "house-06", "house-07", "house-08"]

    assert inject.main([*SCENARIO, broker]) == 0
    truth = json.loads(capsys.readouterr().out)
    assert (truth["cause"], truth["gateway"], truth["seed"]) == ("F004.cooling", "gateway-2", 3)
    assert inject.main([*SCENARIO, broker]) == 1
    assert "still being played" in capsys.readouterr().err

    event_id, get = truth["event_id"], f"{PREFIX}/gateway-2/snapshot/get"
    wait_for(
        lambda: any(event_id.encode() in event for event in listener.of(f"{PREFIX}/{truth['node']}/event"))
    )

    def ready() -> bool:
        listener.client.publish(get, snapshot_get_payload(SnapshotGet()), 1)
        listed = [
            parse_snapshot_list(payload) for payload in listener.of(f"{PREFIX}/gateway-2/snapshot/list")
        ]
        assert all(isinstance(one, SnapshotList) for one in listed)
        return bool(listed) and any(
            one.event_id == event_id and one.state is SnapshotState.COMPLETE
            for one in listed[-1].snapshots  # type: ignore[union-attr]  # checked above
        )

    wait_for(ready, 60.0)
    assembly = SnapshotAssembly(event_id, SnapshotPart.TRAFFIC)
    listener.client.publish(get, snapshot_get_payload(SnapshotGet(event_id, assembly.part, 0, 256)), 1)
    wait_for(lambda: chunks(listener, event_id))
    simulation.injector.inject("gateway-2", kind="disconnect", duration_s=0.5)
    wait_for(lambda: listener.of(f"{PREFIX}/gateway-2/state")[-1:] == [b"offline"])
    for chunk in chunks(listener, event_id):
        assembly.take(chunk)
    first = assembly.missing()
    assert first, "the cut came too late"
    wait_for(lambda: listener.of(f"{PREFIX}/gateway-2/state")[-1:] == [b"online"])
    listener.client.publish(get, snapshot_get_payload(SnapshotGet(event_id, assembly.part, first, 256)), 1)

    def whole() -> bool:
        for chunk in chunks(listener, event_id):
            assembly.take(chunk)
        return assembly.missing() is None

    wait_for(whole)
    assert assembly.result()


def test_who_is_not_answered_is_told_so(
    mosquitto: Mosquitto, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inject, "_PATIENCE_S", 0.5)
    assert inject.main([*SCENARIO, f"--broker=127.0.0.1:{mosquitto.port}"]) == 1
    assert "no simulation of swarm test answers" in capsys.readouterr().err
    assert inject.main([*SCENARIO, f"--broker=127.0.0.1:{free_port()}", "--username=me"]) == 1
    assert "no broker answers" in capsys.readouterr().err


def test_scenarios_are_listed_and_one_must_be_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert inject.main(["--list"]) == 0
    assert capsys.readouterr().out.split() == list(SCENARIOS)
    with pytest.raises(SystemExit):
        inject.main([])
    assert "which SCENARIO?" in capsys.readouterr().err
