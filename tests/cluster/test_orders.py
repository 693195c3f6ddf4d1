"""What is ordered over MQTT is done, or refused with a reason: the contactor, a recording without a fault."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from microgrid_core.codec.umg1.content import content
from microgrid_core.codec.umg1.frame import Kind
from microgrid_core.codec.umg1.log import open_log
from microgrid_core.codec.umg1.records import Snapshot
from microgrid_core.contract.messages import Birth, CommandResult, CommandStatus
from microgrid_core.contract.snapshot import SnapshotPart, SnapshotState
from script.lab.broker import find_mosquitto
from tests.cluster.home import wait_until
from tests.cluster.stage import Stage

WINDOW_S = 10.0
"""Before and after the order to record."""
PULLED_WITHIN_S = 30.0

pytestmark = pytest.mark.skipif(find_mosquitto() is None, reason="Mosquitto is missing: run script/bootstrap")


def order(stage: Stage, name: str, command: str, **parameters: bool) -> CommandResult:
    """Order until the node is sure of the time: before, it obeys nobody."""
    found = list[CommandResult]()

    def heeded() -> bool:
        found[:] = [stage.home.command(name, command, **parameters)]
        return found[0].status is not CommandStatus.REJECTED

    wait_until(heeded, f"{name} to heed {command}", 60.0, 2.0)
    return found[0]


def test_the_contactor_stays_open_and_the_unknown_is_refused(stage: Stage) -> None:
    """The contactor of the only cluster is open: the swarm is dead. The order to stay so is obeyed."""
    name = stage.gateway.node
    assert order(stage, name, "set_contactor", closed=False).status is CommandStatus.SUCCEEDED
    assert not stage.cluster.world.site.houses.grid.contactor_closed[0]
    refused = stage.home.command(name, "self_destruct")
    assert refused.status is CommandStatus.REJECTED and refused.reason


def test_a_recording_without_a_fault_is_one_of_all_nodes(stage: Stage, tmp_path: Path) -> None:
    """It is ordered of a house; its gateway obeys, and all of the bus record under one id."""
    home, gateway = stage.home, stage.gateway.node
    births = {name: home.said(name, "birth")[-1] for name in stage.nodes}
    for birth in births.values():
        assert isinstance(birth, Birth)
        (declared,) = (command for command in birth.commands if command.name == "capture_snapshot")
        assert not declared.parameters
    time.sleep(WINDOW_S)  # of which the snapshot shall be complete
    done = order(stage, "house-03", "capture_snapshot")
    ordered = time.monotonic()
    assert done.status is CommandStatus.SUCCEEDED, done
    event_id = str(done.values["event_id"])
    assert event_id.startswith(f"{stage.cluster.bus.cluster}.0:{births[gateway].boot_id:08x}:")
    again = home.command(gateway, "capture_snapshot")
    assert again.status is CommandStatus.FAILED and "30 s" in (again.reason or "")

    wanted = {(name, SnapshotPart.MEASURED) for name in stage.nodes} | {(gateway, SnapshotPart.TRAFFIC)}
    listed = dict[tuple[str, SnapshotPart], SnapshotState]()
    while wanted - listed.keys():
        assert time.monotonic() < ordered + WINDOW_S + PULLED_WITHIN_S, wanted - listed.keys()
        for name in sorted({name for name, _ in wanted - listed.keys()}):
            for item in home.snapshots(name):
                if item.event_id == event_id and item.state is not SnapshotState.RECORDING:
                    assert item.code == "CAPTURE"
                    listed[name, item.part] = item.state
        time.sleep(0.2)
    assert set(listed.values()) == {SnapshotState.COMPLETE}
    for name, part in sorted(wanted):
        path = tmp_path / f"{name}-{part}.umg1"
        path.write_bytes(home.fetch(name, event_id, part))
        log = open_log([path])
        (told,) = (content(frame) for frame in log.frames(log.select({Kind.SNAPSHOT})))
        assert isinstance(told, Snapshot)
        assert (told.event_id, told.code) == (event_id, "CAPTURE")
        assert (told.before_ms, told.after_ms) == (1000 * WINDOW_S, 1000 * WINDOW_S)
        assert told.origin == (gateway if name == gateway else "0")
    assert not any(home.events(name, "CAPTURE") for name in stage.nodes), "it is no event"
