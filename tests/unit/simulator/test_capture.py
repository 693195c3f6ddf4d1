"""What the twins keep of faults that nobody played: injected ones, as the sensors showed them."""

from __future__ import annotations

import math
from datetime import timedelta
from pathlib import Path
from unittest.mock import patch

import pytest

from microgrid_core.contract import encode, topics
from microgrid_core.contract.messages import Command, CommandResult, CommandStatus, parse_command_result
from microgrid_core.contract.snapshot import SnapshotPart, SnapshotState
from microgrid_core.diagnosis.engine import diagnose
from microgrid_core.diagnosis.read import case_of
from simulator.twins.capture import Capture
from simulator.twins.node import utc_now

from .test_plays import START_US, AtOnce, Theatre

MEASURED = SnapshotPart.MEASURED
CLUSTER = ("gateway-1", "house-01", "house-02", "house-03", "house-04")


class Captured(Theatre):
    """Twins that keep what their physics does, second by second."""

    def __init__(self, log: Path | None = None) -> None:
        super().__init__(log)
        self.capture = Capture(self.site, self.twins, lambda: self.now_us, AtOnce())
        self.told: list[str] = []

    def live(self, seconds: float) -> None:
        """Let the physics and the capture go on, as the simulation's loop does."""
        for step in range(round(seconds * 100)):
            self.site.step(0.01)
            self.now_us += 10_000
            self.capture.sample(self.now_us)
            if step % 5 == 4:
                for occurrence in self.site.take_occurrences():
                    event_id = self.twins[occurrence.node].tell(occurrence)
                    self.told.append(event_id)
                    self.capture.hear(occurrence, event_id)
                self.capture.advance()


def files(theatre: Theatre, event_id: str, folder: Path) -> dict[tuple[str, SnapshotPart], Path]:
    """Pull everything that there is of a fault."""
    found = {}
    for node in CLUSTER:
        found[node, MEASURED] = folder / f"{node}.snapshot"
        found[node, MEASURED].write_bytes(theatre.pull(node, event_id, MEASURED))
    return found


def test_an_injected_fault_is_recorded_by_its_whole_cluster(tmp_path: Path) -> None:
    theatre = Captured()
    theatre.live(11)
    theatre.injector.inject("house-02", fault="F020", duration_s=3.0)
    theatre.live(1)
    (event_id,) = theatre.told
    for node in CLUSTER:
        assert theatre.listed(node) == {(event_id, MEASURED): SnapshotState.RECORDING}
    assert theatre.listed("house-05") == {}
    theatre.live(11)
    for node in CLUSTER:
        assert theatre.listed(node) == {(event_id, MEASURED): SnapshotState.COMPLETE}
    assert theatre.pull("gateway-1", event_id, SnapshotPart.TRAFFIC) == b""  # there is no bus
    kinds = {node: "gateway" if node.startswith("gateway") else "house" for node in CLUSTER}
    case = case_of(event_id, "F020", "house-02", kinds, files(theatre, event_id, tmp_path))
    house = case.nodes["house-02"].channels
    assert len(house["inverter_power"].t_s) == 2000
    jump = house["mppt_input_voltage"]
    assert jump.values[jump.t_s < -1.5].max() < 250.0 < jump.values[(jump.t_s > 0.2) & (jump.t_s < 2.0)].min()
    assert next((event.node, event.code, event.raised) for event in case.events) == ("house-02", "F020", True)
    assert diagnose(case).node == "house-02"


def test_a_node_that_has_just_started_has_a_part(tmp_path: Path) -> None:
    theatre = Captured(tmp_path)
    theatre.live(4)
    theatre.injector.inject("house-03", fault="F004", duration_s=2.0)
    theatre.live(14)
    (event_id,) = theatre.told[:1]
    assert theatre.listed("house-03") == {(event_id, MEASURED): SnapshotState.PARTIAL}
    for log in theatre.logs:
        log.close()


def test_no_more_than_a_few_at_a_time_and_what_is_no_fault_is_none() -> None:
    theatre = Captured()
    theatre.live(1)
    for house in ("house-01", "house-02", "house-03", "house-04"):
        for code in ("F020", "F021"):
            theatre.injector.inject(house, fault=code, duration_s=2.0)
    theatre.site.gateways.command(0, False)
    theatre.live(2)
    assert len(theatre.told) == 9  # with the contactor
    assert len(theatre.listed("gateway-1")) == 6


def test_a_cluster_at_which_a_scenario_is_played_keeps_that_one() -> None:
    theatre = Captured()
    theatre.live(1)
    theatre.wish(scenario="F010.sense_wire", gateway="gateway-1", seed=1)
    theatre.injector.inject("house-01", fault="F020", duration_s=2.0)
    theatre.live(2)
    assert theatre.told and theatre.listed("house-01") == {}


def test_what_cannot_be_written_is_not_promised(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*args: object, **kwargs: object) -> None:
        raise ValueError("house-01 had not started")

    monkeypatch.setattr("simulator.twins.capture.recordings", fail)
    theatre = Captured()
    theatre.live(1)
    theatre.injector.inject("house-01", fault="F020", duration_s=2.0)
    theatre.live(12)
    assert theatre.listed("house-01") == {}
    assert "was not recorded" in caplog.text


def test_time_that_was_missed_is_missing() -> None:
    theatre = Captured()
    theatre.live(5)
    theatre.now_us += 2_000_000
    theatre.live(5)
    series = theatre.capture._rings[0].series("house-01", START_US + 10_000_000)["inverter_power"]
    gone = (series.t_s > -4.99) & (series.t_s < -3.01)
    assert all(math.isnan(value) for value in series.values[gone])
    assert not any(math.isnan(value) for value in series.values[(series.t_s > -2.9) & (series.t_s < 0.0)])


def order(theatre: Theatre, node: str, number: int) -> CommandResult:
    """Command a node to record; return its answer."""
    said: list[bytes] = []
    command = Command(f"c{number}", "capture_snapshot", {}, utc_now() + timedelta(seconds=10))
    twin = theatre.twins[node]
    with patch.object(twin, "publish", lambda suffix, payload, **_: said.append(payload)):
        twin.handlers()[twin.topic(topics.CMD_SET)](encode.command_payload(command))
    result = parse_command_result(said[0])
    assert isinstance(result, CommandResult)
    return result


def test_a_cluster_records_when_it_is_told_to() -> None:
    theatre = Captured()
    theatre.live(11)
    done = order(theatre, "house-03", 1)
    event_id = done.values["event_id"]
    assert done.status is CommandStatus.SUCCEEDED and isinstance(event_id, str)
    theatre.live(1)
    again = order(theatre, "gateway-1", 2)
    assert (again.status, again.reason) == (CommandStatus.FAILED, "recorded 1 s ago, again after 30 s")
    assert order(theatre, "house-05", 3).status is CommandStatus.SUCCEEDED, "another cluster"
    theatre.live(11)
    for node in CLUSTER:
        assert theatre.listed(node) == {(event_id, MEASURED): SnapshotState.COMPLETE}
        assert theatre.pull(node, event_id, MEASURED)
    assert theatre.told == [], "a recording is no fault"
