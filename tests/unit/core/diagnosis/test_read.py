"""Snapshots as nodes send them become one case: one time, all names, the traffic, the events."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from microgrid_core.codec.can_dbc import MESSAGES, encode
from microgrid_core.codec.umg1 import can
from microgrid_core.codec.umg1.frame import FLAG_CLOCK, Frame, Kind
from microgrid_core.codec.umg1.log import open_log
from microgrid_core.codec.umg1.records import Clock, Event, Snapshot
from microgrid_core.codec.umg1.samples import encode_samples
from microgrid_core.codec.umg1.schema import Channel, Schema
from microgrid_core.contract.snapshot import SnapshotPart
from microgrid_core.diagnosis.engine import diagnose
from microgrid_core.diagnosis.read import CaseError, case_of, read_case

EVENT_ID = "north.2:cafe0002:17"
UTC_US = 1_795_000_000_000_000
POWER = Channel(1, "inverter_power", "W", 10_000, fast=True, width=4)
CELL = Channel(2, "cell_voltage_1", "V", 1_000_000, -3)
SWARM = Channel(1, "swarm_frequency", "Hz", 10_000, -3, 1, 50_000, fast=True)
HOUSE, GATEWAY = (POWER, CELL), (SWARM,)


def write(
    path: Path,
    node: str,
    number: int,
    *,
    trigger_s: float = 30.0,
    event_id: str = EVENT_ID,
    synchronised: bool = True,
    traffic: bool = False,
    step: bool = False,
) -> Path:
    """Write a node's part; its clock began `trigger_s` before the fault."""
    boot = 0xCAFE0000 + number
    schema = Schema(node, "north", GATEWAY if traffic else HOUSE)
    start_us = int((trigger_s - 10.0) * 1e6)
    frames: list[Frame] = []

    def put(kind: Kind, mono_us: int, payload: bytes, flags: int = 0, blocks: int = 0) -> None:
        utc = UTC_US + mono_us - int(trigger_s * 1e6) if synchronised else 0
        frames.append(Frame(kind, len(frames), boot, schema.hash, mono_us, utc, payload, flags, blocks))

    put(Kind.SCHEMA, 0, schema.payload)
    origin = node if number == 2 else "2"
    about = Snapshot(
        event_id, "F001", origin, int(trigger_s * 1e6), UTC_US if synchronised else 0, 10_000, 10_000, 0
    )
    put(Kind.SNAPSHOT, int(trigger_s * 1e6), about.encode())
    if synchronised:
        put(Kind.TIMESYNC, start_us, Clock(0, 700 + number, 2, 1).encode(), FLAG_CLOCK)
    if traffic:
        heard = []
        for tick in range(200):
            at = start_us + tick * 100_000
            for other in (1, 2):
                values: dict[str, float | None] = {"boot_id": 0xCAFE0000 + other, "protocol": 1}
                identifier = MESSAGES["Heartbeat"].identifier + other
                heard.append(
                    can.CanFrame(at + other * 1000, identifier, encode(MESSAGES["Heartbeat"], values))
                )
            heard.append(can.CanFrame(at + 5000, can.EXTENDED | 0x123456, b"foreign"))
        put(Kind.CAN, start_us, can.encode(heard, start_us))
    else:
        watts = 1000 + 3000 * step * (np.arange(2000) >= 990)
        fast = encode_samples(schema, Kind.FAST, 20_000, {1: (watts.astype(np.int64), None)})
        put(Kind.FAST, start_us, *fast)
        slow = encode_samples(
            schema, Kind.SLOW, 20_000, {2: (np.full(20, 3300, np.int64), np.arange(20) != 4)}
        )
        put(Kind.SLOW, start_us, *slow)
        if number == 2:
            event = Event(0, 1, 2, "F001", EVENT_ID, ((1, 4000),))
            put(Kind.EVENT, int(trigger_s * 1e6), event.encode())
    path.write_bytes(b"".join(frame.encode() for frame in frames))
    return path


@pytest.fixture
def parts(tmp_path: Path) -> dict[tuple[str, SnapshotPart], Path]:
    """Two houses and the gateway's traffic; their clocks began at different times."""
    return {
        ("oak", SnapshotPart.MEASURED): write(tmp_path / "oak", "oak", 2, trigger_s=30.0, step=True),
        ("elm", SnapshotPart.MEASURED): write(tmp_path / "elm", "elm", 1, trigger_s=4711.25),
        ("gate", SnapshotPart.TRAFFIC): write(tmp_path / "gate", "gate", 0, trigger_s=99.5, traffic=True),
    }


def test_a_case_of_three_nodes(parts: dict[tuple[str, SnapshotPart], Path]) -> None:
    case = read_case([open_log([path]) for path in parts.values()])
    assert (case.event_id, case.code, case.node) == (EVENT_ID, "F001", "oak")
    assert case.trigger_utc_us == UTC_US
    assert {node: (record.kind, record.place) for node, record in case.nodes.items()} == {
        "oak": ("house", 2),
        "elm": ("house", 1),
        "gate": ("gateway", 0),
    }
    for node in ("oak", "elm"):
        power = case.nodes[node].channels["inverter_power"]
        assert power.t_s[0] == pytest.approx(-10.0) and power.t_s.size == 2000
        cell = case.nodes[node].channels["cell_voltage_1"].values
        assert np.isnan(cell[4]) and cell[5] == pytest.approx(3.3)
    oak = case.nodes["oak"].channels["inverter_power"]
    assert oak.t_s[int(np.argmax(oak.values > 3000.0))] == pytest.approx(-0.1)
    assert case.nodes["elm"].clock_error_s == pytest.approx(0.000701)
    (told,) = case.events
    assert (told.node, told.code, told.raised, dict(told.values)) == (
        "oak",
        "F001",
        True,
        {"inverter_power": 4000.0},
    )
    assert told.t_s == pytest.approx(0.0)
    assert case.traffic is not None
    assert set(case.traffic.identifier.tolist()) == {MESSAGES["Heartbeat"].identifier + n for n in (1, 2)}
    assert case.traffic.t_s[0] == pytest.approx(-9.999)
    assert diagnose(case).node == "oak"


def test_who_never_knew_the_time_is_placed_by_hearing_of_the_fault(tmp_path: Path) -> None:
    logs = [
        open_log([write(tmp_path / "oak", "oak", 2)]),
        open_log([write(tmp_path / "elm", "elm", 1, trigger_s=77.0, synchronised=False)]),
    ]
    case = read_case(logs)
    elm = case.nodes["elm"]
    assert elm.clock_error_s is None
    assert elm.channels["inverter_power"].t_s[0] == pytest.approx(-10.0)


def test_a_stored_fault_has_all_nodes_of_the_cluster(parts: dict[tuple[str, SnapshotPart], Path]) -> None:
    kinds = {"oak": "house", "elm": "house", "gate": "gateway", "house-07": "house"}
    case = case_of(EVENT_ID, "F001", "oak", kinds, parts)
    assert case.nodes["house-07"].place == 7 and not case.nodes["house-07"].channels
    assert "house-07" in diagnose(case).missing
    with pytest.raises(CaseError, match="pull the snapshots again"):
        case_of("north.2:cafe0002:18", "F001", "oak", kinds, parts)


def test_a_house_without_a_snapshot_has_the_number_that_is_left(
    parts: dict[tuple[str, SnapshotPart], Path], tmp_path: Path
) -> None:
    """By the digits of its id while they are the rule, else when no other node can have it."""
    del parts["elm", SnapshotPart.MEASURED]
    kinds = {"oak": "house", "elm": "house", "gate": "gateway", "house-07": "house"}

    def places(of: dict[str, str]) -> dict[str, int]:
        return {
            node: record.place for node, record in case_of(EVENT_ID, "F001", "oak", of, parts).nodes.items()
        }

    assert places(kinds) == {"oak": 2, "gate": 0, "elm": 1, "house-07": 7}
    assert places({**kinds, "fir": "house"}) == {"oak": 2, "gate": 0, "elm": 99, "fir": 99, "house-07": 7}
    parts["house-05", SnapshotPart.MEASURED] = parts.pop(("oak", SnapshotPart.MEASURED))
    write(tmp_path / "oak", "house-05", 2, step=True)
    kinds = {"house-05": "house", "house-01": "house", "house-09": "house", "gate": "gateway"}
    assert places(kinds) == {"house-05": 2, "gate": 0, "house-01": 99, "house-09": 99}
    del kinds["house-01"]
    assert places(kinds)["house-09"] == 1


def test_faults_are_not_mixed(tmp_path: Path) -> None:
    logs = [
        open_log([write(tmp_path / "oak", "oak", 2)]),
        open_log([write(tmp_path / "elm", "elm", 1, event_id="north.1:cafe0001:3")]),
    ]
    with pytest.raises(CaseError, match="different faults"):
        read_case(logs)


def test_no_snapshot_is_a_clear_error(tmp_path: Path) -> None:
    (tmp_path / "empty").write_bytes(bytes(4096))
    with pytest.raises(CaseError, match="none of the logs holds a snapshot"):
        read_case([open_log([tmp_path / "empty"])])
    with pytest.raises(CaseError, match="at most 16 nodes"):
        read_case([open_log([tmp_path / "empty"])] * 65)


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_damaged_snapshots_make_a_case_or_a_clear_error(
    data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("damage")
    logs = []
    for node, number, traffic in (("oak", 2, False), ("gate", 0, True)):
        path = write(folder / node, node, number, traffic=traffic)
        whole = bytearray(path.read_bytes())
        for _ in range(data.draw(st.integers(0, 6))):
            whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
        path.write_bytes(whole[: data.draw(st.integers(0, len(whole)))])
        logs.append(open_log([path]))
    try:
        case = read_case(logs)
    except CaseError as error:
        assert str(error)
        return
    assert diagnose(case).code == case.code
