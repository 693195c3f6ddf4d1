"""Scenarios played by the twins of a cluster: told, shown, recorded, and forgotten again."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Mapping
from concurrent.futures import Executor, Future
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from microgrid_core.codec.umg1.log import open_log
from microgrid_core.contract.encode import snapshot_get_payload
from microgrid_core.contract.messages import NodeEvent, NodeKind, parse_event
from microgrid_core.contract.snapshot import (
    SnapshotChunk,
    SnapshotGet,
    SnapshotList,
    SnapshotPart,
    SnapshotState,
    parse_snapshot_chunk,
    parse_snapshot_list,
)
from microgrid_core.diagnosis.engine import diagnose
from microgrid_core.diagnosis.read import case_of
from microgrid_core.model.kinds import KINDS
from simulator.physics.neighbourhood import Neighbourhood
from simulator.scenarios import make
from simulator.twins import roster
from simulator.twins.injection import Injector
from simulator.twins.log import NodeLog
from simulator.twins.recorder import Recorder, schema
from simulator.twins.recording import Keeper, recordings
from simulator.twins.stage import Stage

from .test_twins import Wire

CAST = ("gateway-2", "house-05", "house-06", "house-07", "house-08")
START_US = 1_790_000_000_000_000


class AtOnce(Executor):
    """Does everything when it is asked to."""

    def submit(self, work: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Do it now."""
        done: Future[Any] = Future()
        try:
            done.set_result(work(*args, **kwargs))
        except Exception as error:
            done.set_exception(error)
        return done


class Theatre:
    """Two clusters without broker, and time that goes by when it is told to."""

    def __init__(self, log: Path | None = None, houses: int = 8) -> None:
        self.site = Neighbourhood(houses, 2, seed=1)
        self.now_us = START_US
        self.twins = {
            twin.node: twin
            for twin in roster.build(self.site, "demo", random.Random(1), False)
            if twin.snapshots is not None
        }
        self.logs: list[NodeLog] = []
        for node, twin in self.twins.items():
            if log is not None:
                channels = schema(node, "", KINDS[twin.kind], 10_000)
                self.logs.append(NodeLog(log / node, channels, lambda: self.now_us))
                twin.keep(self.logs[-1])
        self.wires: dict[str, Wire] = {}
        for node, twin in self.twins.items():
            self.wires[node] = Wire()
            twin._connection = self.wires[node]  # type: ignore[assignment]  # where the broker would be
        self.stage = Stage(self.site, self.twins, lambda: self.now_us, lambda: 4711, AtOnce())
        self.answers: list[dict[str, Any]] = []
        self.injector = Injector(
            self.site,
            self.twins,
            lambda: 1,
            self.stage,
            lambda answer: self.answers.append(json.loads(answer)),
        )

    def wish(self, **document: object) -> dict[str, Any]:
        """Inject over the wire; returns the answer."""
        self.injector.receive(json.dumps(document).encode())
        self.stage.advance()
        return self.answers.pop()

    def go_on(self, seconds: float, look: Callable[[], None] = lambda: None) -> None:
        """Let time go by."""
        for _ in range(round(seconds / 0.05)):
            self.now_us += 50_000
            self.stage.advance()
            look()

    def events(self, node: str) -> list[NodeEvent]:
        """What a node told."""
        found = [parse_event(payload, datetime.now(UTC)) for payload in self.wires[node].of("event")]
        assert all(isinstance(event, NodeEvent) for event in found)
        return [event for event in found if isinstance(event, NodeEvent)]

    def ask(self, node: str, request: SnapshotGet) -> list[tuple[str, bytes]]:
        """Request something of a node's recordings; returns suffixes and payloads."""
        shelf, wire = self.twins[node].snapshots, self.wires[node]
        assert shelf is not None
        begin = len(wire.sent)
        shelf.asked(snapshot_get_payload(request))
        for _ in range(100):
            shelf.send()
        return [(topic.split("/", 4)[4], payload) for topic, payload, _, _ in wire.sent[begin:]]

    def listed(self, node: str) -> dict[tuple[str, SnapshotPart], SnapshotState]:
        """What a node says that it has."""
        ((_, payload),) = self.ask(node, SnapshotGet())
        found = parse_snapshot_list(payload)
        assert isinstance(found, SnapshotList)
        return {(one.event_id, one.part): one.state for one in found.snapshots}

    def pull(self, node: str, event_id: str, part: SnapshotPart) -> bytes:
        """Fetch an object."""
        data = b""
        for suffix, payload in self.ask(node, SnapshotGet(event_id, part, 0, 256)):
            chunk = parse_snapshot_chunk(suffix, payload)
            assert isinstance(chunk, SnapshotChunk), chunk
            data += chunk.data
        return data


@pytest.mark.parametrize(
    "scenario",
    [
        "F001.neighbour_trip",
        "F004.cooling",
        "F010.sense_wire",
        "F030.node_reset",
        "F031.node_clock",
        "F041.welded",
    ],
)
def test_what_the_nodes_recorded_leads_to_the_truth(tmp_path: Path, scenario: str) -> None:
    theatre = Theatre()
    truth = theatre.wish(id="w1", scenario=scenario, gateway="gateway-2", seed=1)
    assert (truth["ok"], truth["id"], truth["scenario"], truth["seed"]) == (True, "w1", scenario, 1)
    theatre.go_on(60)
    files = {}
    for node in CAST:
        for (event_id, part), state in theatre.listed(node).items():
            if event_id == truth["event_id"]:
                assert state is SnapshotState.COMPLETE
                files[node, part] = tmp_path / f"{node}-{part}"
                files[node, part].write_bytes(theatre.pull(node, event_id, part))
    assert set(files) == {(node, SnapshotPart.MEASURED) for node in CAST} | {
        ("gateway-2", SnapshotPart.TRAFFIC)
    }
    kinds = {node: "gateway" if node.startswith("gateway") else "house" for node in CAST}
    case = case_of(truth["event_id"], truth["code"], truth["node"], kinds, files)
    assert {node: record.place for node, record in case.nodes.items()} == dict(
        zip(CAST, range(5), strict=True)
    )
    report = diagnose(case)
    assert (report.cause, report.origin.node) == (truth["cause"], truth["origin"])


def test_a_fault_is_told_shown_recorded_and_over(tmp_path: Path) -> None:
    theatre = Theatre(tmp_path)
    theatre.go_on(1)
    truth = theatre.wish(scenario="F001.neighbour_trip", gateway="gateway-2", seed=7)
    assert "id" not in truth
    node, told_at = truth["node"], datetime.fromisoformat(truth["time"])
    quiet = theatre.site.values("house-01")
    shown: set[tuple[str, ...]] = set()
    powers: list[object] = []

    def look() -> None:
        shown.add(theatre.site.active_faults(node))
        powers.append(theatre.site.values(node)["inverter_power"])

    theatre.go_on(9.8, look)
    assert theatre.listed(node) == {} and shown == {()}
    theatre.go_on(0.5, look)
    (event,) = [event for event in theatre.events(node) if event.code == truth["code"]]
    assert (event.event_id, event.state.value, event.severity.value) == (
        truth["event_id"],
        "raised",
        "critical",
    )
    assert event.time is not None and abs((event.time - told_at).total_seconds()) < 0.01
    assert event.values["inverter_current"]
    assert theatre.site.active_faults(node) == (truth["code"],)
    assert set(theatre.listed("gateway-2").values()) == {SnapshotState.RECORDING}
    assert truth["event_id"] in {event_id for event_id, _ in theatre.listed("house-05")}
    theatre.go_on(40, look)
    assert theatre.site.active_faults(node) == () and theatre.site.roles == {}
    assert [event.state.value for event in theatre.events(node) if event.code == truth["code"]] == [
        "raised",
        "cleared",
    ]
    assert (
        0.0 in powers and max(float(str(power)) for power in powers) > 3000.0
    )  # it carried much, then nothing
    assert theatre.site.values("house-01") == quiet
    assert theatre.listed("house-01") == {}  # of the other cluster
    for log in theatre.logs:
        log.close()
    assert truth["event_id"].encode() in (tmp_path / node).read_bytes()


def test_what_is_logged_meanwhile_is_what_is_played() -> None:
    theatre = Theatre()
    theatre.wish(scenario="F010.sense_wire", gateway="gateway-2", seed=1)
    role = theatre.site.roles["house-05"]
    case, _ = make("F010.sense_wire", 1, degraded=False)
    assert role.value("inverter_frequency") == pytest.approx(
        case.nodes["house-01"].channels["inverter_frequency"].values[0], abs=0.02
    )
    assert role.value("energy_exported") is None
    values = theatre.site.values("house-05")
    cells = [values[f"cell_voltage_{cell}"] for cell in range(1, 17)]
    assert values["battery_voltage"] == pytest.approx(sum(cells), abs=0.01)
    assert theatre.site.values("gateway-2")["contactor_closed"] in (True, False)


@pytest.mark.parametrize(
    ("node", "key"), [("house-07", "inverter_voltage"), ("gateway-2", "swarm_frequency")]
)
def test_the_durable_log_tells_the_same(tmp_path: Path, node: str, key: str) -> None:
    theatre = Theatre(tmp_path)
    kind = theatre.twins[node].kind
    logs = [log for log in theatre.logs if theatre.twins[log.schema.node].kind is kind]
    recorder = Recorder(theatre.site, KINDS[kind], logs, 10_000, 20_000)
    theatre.go_on(1)
    theatre.wish(scenario="F001.neighbour_trip", gateway="gateway-2", seed=7)
    recorder.begin(theatre.now_us)
    shown: list[float] = []
    role = theatre.site.roles[node]
    for _ in range(300):
        theatre.now_us += 10_000
        recorder.sample(theatre.now_us)
        shown.append(role.value(key) or 0.0)
    recorder.end(theatre.now_us)
    for log in theatre.logs:
        log.close()
    logged = [
        samples.scaled()
        for _, found in open_log([tmp_path / node]).chunks()
        for samples in found.values()
        if samples.channel.name == key
    ]
    values = np.concatenate(logged)
    assert len(values) >= 28  # ten in a second
    assert set(np.round(values, 3)) <= set(np.round(shown, 3))


def test_a_node_that_restarts_is_away_and_returns_with_another_boot() -> None:
    theatre = Theatre()
    truth = theatre.wish(scenario="F030.node_reset", gateway="gateway-2", seed=1)
    twin = theatre.twins[truth["origin"]]
    before = twin.boot_id
    blank = []
    theatre.go_on(35, lambda: blank.append(theatre.site.values(twin.node)["inverter_power"] is None))
    assert any(blank) and not all(blank)
    assert twin.boot_id == 4711 != before
    assert theatre.wires[twin.node].of("birth")


def test_one_play_at_a_cluster_and_any_cluster_that_is_free() -> None:
    theatre = Theatre()
    assert theatre.wish(scenario="F010.sense_wire", seed=1)["gateway"] == "gateway-1"
    assert theatre.wish(scenario="F010.sense_wire", seed=1)["gateway"] == "gateway-2"
    assert "still being played" in theatre.wish(scenario="F010.sense_wire")["reason"]
    theatre.go_on(60)
    assert theatre.wish(scenario="F010.sense_wire")["ok"] is True


@pytest.mark.parametrize(
    ("document", "reason"),
    [
        ({"scenario": "F010.sense_wires"}, "did you mean F010.sense_wire"),
        ({"scenario": "x" * 1000}, "is not there; there are 9"),
        ({"scenario": 7}, "scenario: it must be text"),
        ({"scenario": None}, "scenario: it must be text"),
        ({"scenario": "F010.sense_wire", "gateway": "house-01"}, "can be played at gateway-1, gateway-2"),
        ({"scenario": "F010.sense_wire", "gateway": ["gateway-1"]}, "gateway: it must be text"),
        ({"scenario": "F010.sense_wire", "seed": -1}, "seed -1 is not within"),
        ({"scenario": "F010.sense_wire", "seed": 1.5}, "seed: it must be a whole number"),
        ({"scenario": "F010.sense_wire", "seed": True}, "seed: it must be a whole number"),
        ({"scenario": "F010.sense_wire", "id": "a b"}, "id: it must be"),
        ({"scenario": "F010.sense_wire", "pad": "x" * 5000}, "at most 4096"),
        ({"node": "nobody", "fault": "F001"}, "node 'nobody' is not there"),
    ],
)
def test_nonsense_is_refused_with_a_reason(document: Mapping[str, object], reason: str) -> None:
    theatre = Theatre()
    answer = theatre.wish(**document)
    assert answer["ok"] is False and reason in answer["reason"]
    assert theatre.site.roles == {}


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.one_of(
        st.binary(max_size=200),
        st.dictionaries(
            st.sampled_from(["id", "scenario", "gateway", "seed", "node", "fault", "kind", "duration_s"]),
            st.one_of(st.none(), st.integers(), st.floats(), st.text(max_size=20), st.lists(st.integers())),
        ).map(lambda document: json.dumps(document).encode()),
    )
)
def test_anything_is_answered_and_does_no_harm(payload: bytes) -> None:
    theatre = _SHARED
    theatre.injector.receive(payload)
    (answer,) = theatre.answers
    theatre.answers.clear()
    assert answer["ok"] is False and len(answer["reason"]) <= 500
    assert theatre.site.roles == {}


_SHARED = Theatre()


def test_clusters_of_another_size_play_nothing() -> None:
    theatre = Theatre(houses=6)
    assert theatre.stage.clusters == {}
    assert "clusters of 4 houses" in theatre.wish(scenario="F010.sense_wire")["reason"]


def test_a_scenario_that_never_trips_is_said_to_have_failed(monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*args: object, **kwargs: object) -> None:
        raise RuntimeError("none of 60 draws told F010")

    monkeypatch.setattr("simulator.twins.stage.stage", never)
    theatre = Theatre()
    assert (
        theatre.wish(scenario="F010.sense_wire")["reason"]
        == "none of 60 draws told F010; choose another seed"
    )
    assert theatre.stage._booked == {}


def test_recordings_that_cannot_be_written_leave_no_promise(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*args: object, **kwargs: object) -> None:
        raise OSError("no")

    monkeypatch.setattr("simulator.twins.play.recordings", fail)
    theatre = Theatre()
    theatre.wish(scenario="F010.sense_wire", gateway="gateway-1", seed=1)
    theatre.go_on(30)
    assert theatre.site.roles == {} and theatre.listed("house-01") == {}


def test_firmware_plays_no_scenarios() -> None:
    answers: list[bytes] = []
    theatre = Theatre()
    Injector(theatre.site, {}, lambda: 1, None, answers.append).receive(b'{"scenario":"F010.sense_wire"}')
    assert "real firmware" in json.loads(answers[0])["reason"]


def test_a_part_of_a_window_is_said_to_be_one() -> None:
    case, _ = make("F004.cooling", 1, degraded=False)
    assert case.trigger_utc_us is not None
    start_us = case.trigger_utc_us - 20_000_000
    keeper = Keeper("house-01", "gateway-1", NodeKind.HOUSE, 1, start_us)
    ids = {(event.node, event.code, event.raised): f"id:{number}" for number, event in enumerate(case.events)}
    late = recordings(case, keeper, ids, from_s=-10.0, to_s=4.0)[SnapshotPart.MEASURED]
    assert late.state is SnapshotState.PARTIAL
    whole = recordings(case, keeper, ids, from_s=-36.0, to_s=20.0)[SnapshotPart.MEASURED]
    assert whole.state is SnapshotState.COMPLETE and len(whole.data) > len(late.data)
    young = Keeper("house-01", "gateway-1", NodeKind.HOUSE, 1, case.trigger_utc_us - 1_000_000)
    with pytest.raises(ValueError, match="had not started"):
        recordings(case, young, ids, from_s=-10.0, to_s=10.0)


def test_twins_of_single_devices_record_nothing() -> None:
    site = Neighbourhood(4, 1, seed=1)
    kinds = {
        twin.kind: twin.snapshots is not None for twin in roster.build(site, "demo", random.Random(1), False)
    }
    assert kinds == {
        NodeKind.GATEWAY: True,
        NodeKind.HOUSE: True,
        NodeKind.MPP_INVERTER: False,
        NodeKind.BATTERY: False,
    }
