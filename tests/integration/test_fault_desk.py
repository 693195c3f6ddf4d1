"""The fault desk: from the event of a node to the notice for the operator, over every kind of trouble."""

from __future__ import annotations

import asyncio
import errno
import json
import random
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
import voluptuous as vol
from homeassistant.core import Event, HomeAssistant
from homeassistant.exceptions import HomeAssistantError, ServiceValidationError
from homeassistant.util import dt as dt_util
from pytest_homeassistant_custom_component.common import (
    MockConfigEntry,
    async_capture_events,
    async_fire_time_changed,
)
from pytest_homeassistant_custom_component.typing import MqttMockHAClient

from custom_components.microgrid import backup, fault_analysis, fault_desk, runtime
from custom_components.microgrid.const import DOMAIN
from custom_components.microgrid.core.archive.errors import ArchiveDamaged, ArchiveUnavailable
from custom_components.microgrid.core.archive.faults.files import SnapshotFiles
from custom_components.microgrid.core.archive.faults.records import Analysis, Member, Pull, Stage, best
from custom_components.microgrid.core.archive.faults.store import FaultStore
from custom_components.microgrid.core.contract.snapshot import SnapshotChunk, SnapshotPart, SnapshotState
from custom_components.microgrid.core.diagnosis.answers import summary
from custom_components.microgrid.core.diagnosis.report import from_dict
from custom_components.microgrid.fault_analysis import StoredCase, find_cause
from custom_components.microgrid.fault_desk import EVENT_ANALYZED, FaultDesk
from custom_components.microgrid.sources import snapshot_mqtt
from tests.unit.core.archive.logs import HOUR_US, SECOND_US, Node
from tests.unit.core.archive.snapshots import EVENT_ID, HOUSE, snapshot_file

from .recorders import Held, Messages, Recorder, Wire, chunks, fault, messages
from .test_historian import acknowledgements, send, until
from .voices import SWARM

GATEWAY, NEIGHBOUR = "gateway-1", "house-4"
MEASURED, TRAFFIC = SnapshotPart.MEASURED, SnapshotPart.TRAFFIC
WANTED = {(GATEWAY, MEASURED), (GATEWAY, TRAFFIC), (HOUSE, MEASURED), (NEIGHBOUR, MEASURED)}


class Clock:
    """Rises by a second whenever somebody looks."""

    def __init__(self, now_us: int) -> None:
        """Begin."""
        self._now_us = now_us

    def __call__(self) -> int:
        """Return the time."""
        self._now_us += SECOND_US
        return self._now_us


class Engine:
    """Stands for the real one, whose verdicts have tests of their own; remembers what it was asked."""

    def __init__(self) -> None:
        """Have been asked nothing."""
        self.cases: list[StoredCase] = []

    def __call__(self, case: StoredCase) -> Analysis:
        """Conclude something from what is there."""
        self.cases.append(case)
        for path in case.files.values():
            assert path.is_file()
        cause = "F001.neighbour_trip"
        now_us = time.time_ns() // 1000
        return Analysis(
            "test", cause, NEIGHBOUR, 0.9, "It was the neighbour.", "00ff", '{"cause": 1}', now_us
        )


@pytest.fixture(autouse=True)
def hasty() -> Iterator[None]:
    """Minutes become tenths of seconds."""
    with (
        patch.object(fault_desk, "WINDOW_S", 0.05),
        patch.object(fault_desk, "FIRST_LOOK_S", 1.5),
        patch.object(fault_desk, "LEAST_S", 1.5),
        patch.object(fault_desk, "ROUND_S", 0.02),
        patch.object(fault_desk, "ANNOUNCED_S", 0.1),
        patch.object(fault_desk, "RETRY_S", 0.05),
        patch.object(fault_desk, "TELL_S", 0.0),
        patch.object(fault_desk, "BACK_S", 0.05),
        patch.object(snapshot_mqtt, "ANSWER_S", 0.15),
    ):
        yield


@pytest.fixture
def engine() -> Iterator[Engine]:
    """The engine that the desk asks."""
    found = Engine()
    with patch.object(runtime, "find_cause", found):
        yield found


@pytest.fixture
def wire(hass: HomeAssistant, mqtt_mock: MqttMockHAClient) -> Wire:
    """A gateway with two houses."""
    wire = Wire(hass, mqtt_mock)
    wire.add(GATEWAY, "gateway")
    wire.add(HOUSE, "house", GATEWAY)
    wire.add(NEIGHBOUR, "house", GATEWAY)
    return wire


@pytest.fixture
def notices(hass: HomeAssistant) -> list[Event[dict[str, Any]]]:
    """What the operator is told."""
    found: list[Event[dict[str, Any]]] = async_capture_events(hass, EVENT_ANALYZED)
    return found


async def set_up(hass: HomeAssistant, wire: Wire) -> MockConfigEntry:
    """Load the integration, with all nodes there."""
    entry = MockConfigEntry(
        domain=DOMAIN, title="Demo", unique_id=SWARM, data={"swarm": SWARM, "name": "Demo"}
    )
    entry.add_to_hass(hass)
    assert await hass.config_entries.async_setup(entry.entry_id)
    for node in wire.nodes.values():
        await node.greet()
    return entry


@pytest.fixture
async def entry(hass: HomeAssistant, engine: Engine, wire: Wire) -> MockConfigEntry:
    """The integration, listening."""
    return await set_up(hass, wire)


def folder(hass: HomeAssistant) -> Path:
    """Where the store lies."""
    return Path(hass.config.path(DOMAIN, SWARM, "faults"))


def desk(entry: MockConfigEntry) -> FaultDesk:
    """The desk of the entry."""
    found: FaultDesk = entry.runtime_data.faults
    return found


def store(entry: MockConfigEntry) -> FaultStore:
    """The store of the entry, which is open."""
    found = desk(entry).store
    assert found is not None
    return found


def everything_recorded(wire: Wire, event_id: str = EVENT_ID) -> dict[tuple[str, SnapshotPart], bytes]:
    """Have every node record the fault."""
    data = {}
    for seed, (node_id, part) in enumerate(sorted(WANTED)):
        data[node_id, part] = snapshot_file(event_id, seed=seed, node_id=node_id)
        wire.nodes[node_id].hold(event_id, Held(part, data[node_id, part]))
    return data


def raise_fault(node: Recorder, event_id: str = EVENT_ID) -> None:
    """Tell the fault."""
    node.event("fault", "F001", "raised", "critical", event_id, inverter_current=41.5)


async def stage(entry: MockConfigEntry, wanted: Stage, event_id: str = EVENT_ID) -> None:
    """Wait until a fault has come so far."""
    await until(lambda: (found := store(entry).get(event_id)) is not None and found.stage >= wanted)


def content(entry: MockConfigEntry) -> dict[tuple[str, SnapshotPart], bytes]:
    """Return the objects that would be analysed."""
    found = best(store(entry).parts(EVENT_ID))
    return {key: store(entry).read_part(part) for key, part in found.items()}


# ------------------------------------------------------------------------------------------ the usual way


async def test_a_fault_becomes_a_notice(
    hass: HomeAssistant,
    entry: MockConfigEntry,
    wire: Wire,
    engine: Engine,
    notices: list[Event[dict[str, Any]]],
) -> None:
    data = everything_recorded(wire)
    raise_fault(wire.nodes[HOUSE])
    raise_fault(wire.nodes[HOUSE])  # a node may repeat itself
    await stage(entry, Stage.TOLD)
    await hass.async_block_till_done()
    assert content(entry) == data
    (case,) = engine.cases
    assert case.files.keys() == WANTED
    assert set(case.members) == {
        Member(GATEWAY, "gateway"),
        Member(HOUSE, "house"),
        Member(NEIGHBOUR, "house"),
    }
    assert case.fault.values == {"inverter_current": 41.5}
    (notice,) = notices
    assert notice.data == {
        "config_entry_id": entry.entry_id,
        "swarm": SWARM,
        "event_id": EVENT_ID,
        "node": HOUSE,
        "node_name": "House 3",
        "gateway": GATEWAY,
        "code": "F001",
        "code_name": "Inverter overcurrent",
        "severity": "critical",
        "time": "2026-06-01T12:00:00.000Z",
        "late": False,
        "cause": "F001.neighbour_trip",
        "origin": NEIGHBOUR,
        "origin_name": "House 4",
        "confidence": 0.9,
        "summary": "It was the neighbour.",
        "complete": True,
        "repeated": False,
    }
    state = hass.states.get("sensor.house_3_last_fault")
    assert state is not None and (state.state, state.attributes["event_id"]) == ("F001", EVENT_ID)
    state = hass.states.get("sensor.house_3_last_cause")
    assert state is not None and (state.state, state.attributes["confidence"]) == ("F001.neighbour_trip", 0.9)
    state = hass.states.get("sensor.house_4_last_fault")
    assert state is not None and state.state == "none"
    assert hass.states.is_state("sensor.house_4_last_cause", "none")
    recorded = store(entry).get(EVENT_ID)
    assert recorded is not None and (recorded.pull, recorded.gateway) == (Pull.COMPLETE, GATEWAY)

    wire.nodes[HOUSE].event("fault", "F001", "cleared", "critical")
    await until(lambda: (found := store(entry).get(EVENT_ID)) is not None and found.cleared_us)


async def test_nobody_is_asked_before_the_window_is_over(
    hass: HomeAssistant, entry: MockConfigEntry, wire: Wire, engine: Engine
) -> None:
    with patch.object(fault_desk, "WINDOW_S", 60.0):
        raise_fault(wire.nodes[HOUSE])
        await stage(entry, Stage.RECORDED)
        await asyncio.sleep(0.1)
        assert not any(node.asked for node in wire.nodes.values())
        assert await hass.config_entries.async_unload(entry.entry_id)


async def test_what_is_still_recording_is_waited_for(
    entry: MockConfigEntry, wire: Wire, engine: Engine, notices: list[Event[dict[str, Any]]]
) -> None:
    data = everything_recorded(wire)
    held = wire.nodes[NEIGHBOUR].held[EVENT_ID, MEASURED]
    held.state = SnapshotState.RECORDING
    raise_fault(wire.nodes[HOUSE])
    await until(lambda: len(content(entry)) == 3)
    assert not notices
    held.state = SnapshotState.COMPLETE
    await stage(entry, Stage.TOLD)
    assert content(entry) == data and len(engine.cases) == 1


async def test_a_partial_snapshot_is_kept_told_of_and_completed_later(
    hass: HomeAssistant,
    entry: MockConfigEntry,
    wire: Wire,
    engine: Engine,
    notices: list[Event[dict[str, Any]]],
) -> None:
    data = everything_recorded(wire)
    partial = snapshot_file(state=1, seed=99)
    wire.nodes[HOUSE].hold(EVENT_ID, Held(MEASURED, partial, SnapshotState.PARTIAL))
    wire.nodes[NEIGHBOUR].silent = True
    raise_fault(wire.nodes[HOUSE])
    await stage(entry, Stage.TOLD)
    assert content(entry) == {
        key: partial if key == (HOUSE, MEASURED) else data[key] for key in WANTED - {(NEIGHBOUR, MEASURED)}
    }
    assert [notice.data["complete"] for notice in notices] == [False]

    wire.nodes[HOUSE].hold(EVENT_ID, Held(MEASURED, data[HOUSE, MEASURED]))
    wire.nodes[NEIGHBOUR].silent = False
    await wire.nodes[NEIGHBOUR].state("offline")
    await wire.nodes[NEIGHBOUR].state("online")
    await until(lambda: (found := store(entry).get(EVENT_ID)) is not None and found.pull is Pull.COMPLETE)
    assert content(entry) == data
    assert len(store(entry).parts(EVENT_ID)) == 5, "the partial one is kept"
    assert len(store(entry).analyses(EVENT_ID)) == len(engine.cases) == 2
    await hass.async_block_till_done()
    assert len(notices) == 1, "nobody is told twice"


async def test_what_never_comes_is_given_up(
    hass: HomeAssistant, entry: MockConfigEntry, wire: Wire, engine: Engine
) -> None:
    raise_fault(wire.nodes[HOUSE])  # no node has recorded anything
    await stage(entry, Stage.TOLD)
    assert engine.cases[0].files == {}
    with patch.object(fault_desk, "GIVE_UP", timedelta()):
        async_fire_time_changed(hass, dt_util.utcnow() + timedelta(seconds=fault_desk.LATER_S + 1))
        await until(lambda: (found := store(entry).get(EVENT_ID)) is not None and found.pull is Pull.GIVEN_UP)


async def test_a_node_that_keeps_no_snapshots_is_not_asked(
    hass: HomeAssistant, entry: MockConfigEntry, wire: Wire, engine: Engine
) -> None:
    battery = wire.add("battery-1", "battery")
    await battery.greet()
    raise_fault(battery)
    await stage(entry, Stage.TOLD)
    assert not battery.asked


@pytest.mark.parametrize("known", [True, False], ids=["offline", "mute"])
async def test_houses_that_do_not_answer_take_no_time_from_those_that_do(
    hass: HomeAssistant, entry: MockConfigEntry, wire: Wire, engine: Engine, known: bool
) -> None:
    """What trips a house may have switched off its neighbours: the operator waits for those in vain."""
    data = everything_recorded(wire)
    for number in (1, 11, 12, 2, 21):  # by their names before the house that tells the fault
        house = wire.add(f"house-{number}", "house", GATEWAY)
        house.silent = True
        await house.greet()
        if known:
            await house.state("offline")
    with patch.object(snapshot_mqtt, "ANSWER_S", 0.4):
        raise_fault(wire.nodes[HOUSE])
        await stage(entry, Stage.DIAGNOSED)
    told = engine.cases[0].files.keys()
    assert {(GATEWAY, MEASURED), (HOUSE, MEASURED)} <= told
    assert told == data.keys() or not known


async def test_one_transfer_behind_a_gateway_at_a_time(
    entry: MockConfigEntry, wire: Wire, engine: Engine
) -> None:
    """Two faults at once: requests to the three nodes never overlap."""
    everything_recorded(wire)
    everything_recorded(wire, "another")
    at_work: set[str] = set()
    fetch = snapshot_mqtt.SnapshotMqtt._pull

    async def watched(self: Any, node_id: str, *more: Any) -> bool:
        assert not at_work
        at_work.add(node_id)
        try:
            return await fetch(self, node_id, *more)
        finally:
            at_work.clear()

    with patch.object(snapshot_mqtt.SnapshotMqtt, "_pull", watched):
        raise_fault(wire.nodes[HOUSE])
        raise_fault(wire.nodes[NEIGHBOUR], "another")
        await stage(entry, Stage.TOLD)
        await stage(entry, Stage.TOLD, "another")
    assert len(content(entry)) == 4


async def test_a_node_that_announces_itself_while_it_is_asked(
    hass: HomeAssistant, entry: MockConfigEntry, wire: Wire, engine: Engine
) -> None:
    """After a start: two faults ask the same house, before and after its gateway is known."""
    house = wire.add("house-9", "house", GATEWAY)
    house.silent = True
    for event_id in ("one", "two"):
        members = [Member("house-9", "house")]
        store(entry).record(replace(fault(), event_id=event_id, node="house-9"), members)
    pull = desk(entry)._puller.pull
    first = asyncio.create_task(pull("one", {}, Counter()))
    await until(lambda: house.asked)
    await house.greet()
    second = asyncio.create_task(pull("two", {}, Counter()))
    assert not any(await asyncio.gather(first, second))


# ------------------------------------------------------------------------------------------ restarts


@pytest.mark.parametrize("left_at", list(Stage), ids=lambda stage: stage.name.lower())
async def test_after_a_kill_it_goes_on_where_it_was(
    hass: HomeAssistant, engine: Engine, wire: Wire, notices: list[Event[dict[str, Any]]], left_at: Stage
) -> None:
    """What a killed process leaves is what the store has on disk, at whatever stage."""
    data = everything_recorded(wire)
    before = FaultStore(folder(hass), reserve_bytes=0)
    before.adopt([], 0)
    members = [Member(GATEWAY, "gateway"), Member(HOUSE, "house"), Member(NEIGHBOUR, "house")]
    before.record(fault(), members)
    before.advance(EVENT_ID, left_at)
    if left_at >= Stage.DIAGNOSED:
        before.add_analysis(EVENT_ID, Engine()(StoredCase(fault(), (), {}, ())))
    if left_at >= Stage.PULLED:
        for (node_id, part), content_ in data.items():
            before.store_part(EVENT_ID, node_id, part, SnapshotState.COMPLETE, content_)
        before.set_pull(EVENT_ID, Pull.COMPLETE)
    before.close()

    entry = await set_up(hass, wire)
    await stage(entry, Stage.TOLD)
    await asyncio.sleep(0.1)
    await hass.async_block_till_done()
    assert content(entry) == data
    assert len(store(entry).analyses(EVENT_ID)) == 1
    assert len(engine.cases) == (left_at < Stage.DIAGNOSED)
    told = [notice.data["repeated"] for notice in notices]
    assert told == ([] if left_at is Stage.TOLD else [left_at is Stage.TELLING])

    raise_fault(wire.nodes[HOUSE])  # Home Assistant has forgotten that it heard of it; the store has not
    await asyncio.sleep(0.1)
    await hass.async_block_till_done()
    assert len(notices) == len(told)


async def test_a_stop_at_any_moment_loses_nothing(
    hass: HomeAssistant,
    entry: MockConfigEntry,
    wire: Wire,
    engine: Engine,
    notices: list[Event[dict[str, Any]]],
) -> None:
    """The entry is reloaded again and again while several faults are on their way."""
    rng = random.Random(6)
    events = [EVENT_ID, "second", "third"]
    for event_id in events:
        everything_recorded(wire, event_id)
        raise_fault(wire.nodes[HOUSE], event_id)
    for _ in range(8):
        await asyncio.sleep(rng.random() * 0.1)
        assert await hass.config_entries.async_reload(entry.entry_id)
        for node in wire.nodes.values():
            await node.greet()
    for event_id in events:
        await stage(entry, Stage.TOLD, event_id)
        assert len(store(entry).analyses(event_id)) == 1
        assert len(store(entry).parts(event_id)) == len(WANTED)
    await hass.async_block_till_done()
    assert sorted(notice.data["event_id"] for notice in notices) == sorted(events)
    assert store(entry).findings == []


async def test_a_late_snapshot_that_a_kill_left_unread_is_read_after_the_start(
    hass: HomeAssistant, engine: Engine, wire: Wire, notices: list[Event[dict[str, Any]]]
) -> None:
    """The operator was told without the neighbour's; that came later, and then the process died."""
    data = everything_recorded(wire)
    clock = Clock(int(dt_util.utcnow().timestamp() * 1e6) - 60 * SECOND_US)
    before = FaultStore(folder(hass), reserve_bytes=0, now_us=clock)
    before.adopt([], 0)
    members = [Member(GATEWAY, "gateway"), Member(HOUSE, "house"), Member(NEIGHBOUR, "house")]
    before.record(replace(fault(), recorded_us=clock()), members)
    for node_id, part in sorted(WANTED - {(NEIGHBOUR, MEASURED)}):
        before.store_part(EVENT_ID, node_id, part, SnapshotState.COMPLETE, data[node_id, part])
    verdict = Analysis("test", "undetermined", None, 0.5, "Nobody knows.", "00ff", "null", clock())
    before.add_analysis(EVENT_ID, verdict)
    before.told(EVENT_ID)
    before.store_part(EVENT_ID, NEIGHBOUR, MEASURED, SnapshotState.COMPLETE, data[NEIGHBOUR, MEASURED])
    before.close()

    entry = await set_up(hass, wire)
    await until(lambda: (found := store(entry).get(EVENT_ID)) is not None and found.pull is Pull.COMPLETE)
    await hass.async_block_till_done()
    assert [case.files.keys() for case in engine.cases] == [WANTED]
    assert [one.cause for one in store(entry).analyses(EVENT_ID)] == ["undetermined", "F001.neighbour_trip"]
    assert not notices, "nobody is told twice"


async def test_a_transfer_goes_on_at_the_missing_chunk(
    hass: HomeAssistant, engine: Engine, wire: Wire
) -> None:
    data = everything_recorded(wire)
    pieces = chunks(data[HOUSE, MEASURED])
    before = FaultStore(folder(hass), reserve_bytes=0)
    before.adopt([], 0)
    before.record(fault(), [Member(HOUSE, "house")])
    before.keep_chunks(HOUSE, [pieces[0], pieces[1], pieces[3]])
    before.close()
    entry = await set_up(hass, wire)
    await stage(entry, Stage.TOLD)
    assert content(entry) == data
    asked = [request.first for request in wire.nodes[HOUSE].asked if request.event_id == EVENT_ID]
    assert asked == [2]


async def test_what_a_crash_kept_from_being_recorded_is_found_in_the_log(
    hass: HomeAssistant,
    entry: MockConfigEntry,
    wire: Wire,
    engine: Engine,
    notices: list[Event[dict[str, Any]]],
    mqtt_mock: MqttMockHAClient,
) -> None:
    log = Node(utc_us=int(dt_util.utcnow().timestamp() * 1e6) - 3 * HOUR_US)
    frames = [*log.start(), *log.minutes(1), log.event("F001")]
    with patch.object(FaultDesk, "_take"):  # the desk never hears of it
        send(hass, b"".join(frame.encode() for frame in frames), HOUSE)
        await until(lambda: acknowledgements(mqtt_mock, HOUSE))
        await hass.async_block_till_done()
    assert store(entry).faults() == []
    assert await hass.config_entries.async_reload(entry.entry_id)
    await until(lambda: notices)
    assert (notices[0].data["node"], notices[0].data["late"]) == (HOUSE, True)


@pytest.mark.parametrize("knows_time", [True, False])
async def test_the_faults_before_the_first_start_are_history(
    hass: HomeAssistant,
    entry: MockConfigEntry,
    engine: Engine,
    notices: list[Event[dict[str, Any]]],
    mqtt_mock: MqttMockHAClient,
    knows_time: bool,
) -> None:
    log = Node(utc_us=int(dt_util.utcnow().timestamp() * 1e6) - 3 * HOUR_US, knows_time=knows_time)
    with patch.object(FaultDesk, "_take"):
        frames = [*log.start(), *log.minutes(1), log.event("F001")]
        send(hass, b"".join(frame.encode() for frame in frames), HOUSE)
        await until(lambda: acknowledgements(mqtt_mock, HOUSE))
    assert await hass.config_entries.async_unload(entry.entry_id)
    for path in folder(hass).glob("faults.db*"):
        path.unlink()
    assert await hass.config_entries.async_setup(entry.entry_id)
    await until(lambda: store(entry).faults())
    assert store(entry).unfinished() == [] and not notices
    await Recorder(hass, HOUSE, "house", GATEWAY).greet()
    await until(lambda: hass.states.is_state("sensor.house_3_last_fault", "F001"))


# ------------------------------------------------------------------------------------------ hostility


def spoiled(rng: random.Random) -> Any:
    """Return a way in which chunks suffer: lost, doubled, shuffled, damaged, invented."""

    def spoil(sent: Messages) -> Messages:
        arrived: Messages = []
        for suffix, payload in sent:
            fate = rng.random()
            if fate < 0.15:
                continue
            if fate < 0.3:
                at = rng.randrange(len(payload))
                arrived.append(
                    (suffix, payload[:at] + bytes([payload[at] ^ 1 << rng.randrange(8)]) + payload[at + 1 :])
                )
            elif fate < 0.4:
                arrived.append((suffix, payload[: rng.randrange(len(payload))]))
            else:
                arrived += [(suffix, payload)] * rng.choice((1, 1, 2))
        if rng.random() < 0.5:
            arrived.append((f"snapshot/{EVENT_ID}/{rng.randrange(2**32)}", rng.randbytes(rng.randrange(60))))
        if rng.random() < 0.3:  # of another object, far too many
            wild = SnapshotChunk(EVENT_ID, MEASURED, SnapshotState.COMPLETE, 0, 2**24, 2**24, 7, b"x")
            arrived += messages([wild])
        rng.shuffle(arrived)
        return arrived

    return spoil


@pytest.mark.parametrize("seed", range(4))
async def test_a_bad_line_costs_time_and_nothing_else(
    hass: HomeAssistant, entry: MockConfigEntry, wire: Wire, engine: Engine, seed: int
) -> None:
    data = everything_recorded(wire)
    for node in wire.nodes.values():
        node.spoil = spoiled(random.Random(seed))
    rejected = entry.runtime_data.swarm.rejected
    before = rejected.total()
    with patch.object(fault_desk, "FIRST_LOOK_S", 20.0), patch.object(fault_desk, "LEAST_S", 20.0):
        raise_fault(wire.nodes[HOUSE])
        await stage(entry, Stage.TOLD)
    assert content(entry) == data
    assert rejected.total() > before


async def test_what_nobody_asked_for_is_refused_and_counted(
    hass: HomeAssistant, entry: MockConfigEntry, wire: Wire
) -> None:
    rejected = entry.runtime_data.swarm.rejected
    good = messages(chunks(snapshot_file()))[0]

    async def refused(
        reason: str, node_id: str, suffix: str, payload: bytes, *, retain: bool = False
    ) -> None:
        before = rejected[reason]
        wire.say(node_id, suffix, payload, retain=retain)
        await hass.async_block_till_done()
        assert rejected[reason] == before + 1, reason

    await refused("outdated", HOUSE, *good)
    await refused("outdated", HOUSE, *good, retain=True)
    await refused("outdated", HOUSE, "snapshot/list", b'{"snapshots": []}')
    await refused("not_json", HOUSE, "snapshot/list", b"{")
    await refused("unknown_node", "stranger", *good)
    await refused("bad_node_id", "House 3", *good)
    await refused("bad_topic", HOUSE, "snapshot/../../etc/passwd".replace("/../../etc", "/.."), good[1])
    await refused("too_large", HOUSE, good[0], bytes(9000))


@pytest.mark.parametrize("lie", ["another event", "no snapshot", "wrong object CRC", "ever new objects"])
async def test_an_object_that_is_a_lie_is_refused(
    hass: HomeAssistant, entry: MockConfigEntry, wire: Wire, engine: Engine, lie: str
) -> None:
    data = everything_recorded(wire)
    liar = wire.nodes[NEIGHBOUR]
    if lie == "another event":
        liar.hold(EVENT_ID, Held(MEASURED, snapshot_file("other")))
    elif lie == "no snapshot":
        liar.hold(EVENT_ID, Held(MEASURED, random.Random(1).randbytes(1000)))
    elif lie == "wrong object CRC":
        true = chunks(data[NEIGHBOUR, MEASURED])

        def forged(sent: Messages) -> Messages:
            return messages(
                SnapshotChunk(
                    EVENT_ID,
                    MEASURED,
                    piece.state,
                    piece.number,
                    piece.count,
                    piece.object_bytes,
                    piece.object_crc ^ 1,
                    piece.data,
                )
                for piece in true
            )

        liar.spoil = forged
    else:
        numbers = iter(range(1000))
        liar.spoil = lambda sent: messages(chunks(snapshot_file(seed=next(numbers)), size=64)[:2])
    before = entry.runtime_data.swarm.rejected.total()
    raise_fault(wire.nodes[HOUSE])
    await stage(entry, Stage.TOLD)
    assert content(entry).keys() == WANTED - {(NEIGHBOUR, MEASURED)}
    if lie != "ever new objects":
        assert entry.runtime_data.swarm.rejected.total() > before
        assert len([request for request in liar.asked if request.event_id]) <= 2, "asked once, not for ever"


# ------------------------------------------------------------------------------------------ disk and backup


async def test_a_refusing_disk_delays_and_loses_nothing(
    hass: HomeAssistant,
    entry: MockConfigEntry,
    wire: Wire,
    engine: Engine,
    notices: list[Event[dict[str, Any]]],
) -> None:
    everything_recorded(wire)
    refusing = True
    record = FaultStore.record

    def moody(self: FaultStore, *args: Any) -> bool:
        if refusing:
            raise ArchiveUnavailable("index: disk I/O error; nothing was acknowledged, try again")
        return record(self, *args)

    with patch.object(FaultStore, "record", moody):
        raise_fault(wire.nodes[HOUSE])
        await until(lambda: desk(entry).trouble)
        assert store(entry).get(EVENT_ID) is None
        refusing = False
        await stage(entry, Stage.TOLD)
    assert len(notices) == 1 and desk(entry).trouble is None


async def test_without_room_for_snapshots_the_operator_is_told_all_the_same(
    hass: HomeAssistant,
    entry: MockConfigEntry,
    wire: Wire,
    engine: Engine,
    notices: list[Event[dict[str, Any]]],
) -> None:
    everything_recorded(wire)

    def full(*_: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with patch.object(SnapshotFiles, "write", full):
        raise_fault(wire.nodes[HOUSE])
        await stage(entry, Stage.TOLD)
    assert engine.cases[0].files == {} and [notice.data["complete"] for notice in notices] == [False]


async def test_a_store_in_ruins_is_made_again(
    hass: HomeAssistant,
    entry: MockConfigEntry,
    wire: Wire,
    engine: Engine,
    notices: list[Event[dict[str, Any]]],
) -> None:
    data = everything_recorded(wire)
    raise_fault(wire.nodes[HOUSE])
    await stage(entry, Stage.TOLD)
    assert await hass.config_entries.async_unload(entry.entry_id)
    (folder(hass) / "faults.db").write_bytes(b"ruin" * 5000)
    assert await hass.config_entries.async_setup(entry.entry_id)
    assert content(entry) == data
    assert store(entry).unfinished() == []


async def test_a_store_that_breaks_while_it_is_used_is_made_again(
    hass: HomeAssistant,
    entry: MockConfigEntry,
    wire: Wire,
    engine: Engine,
    notices: list[Event[dict[str, Any]]],
) -> None:
    everything_recorded(wire)
    broken = store(entry)
    advance = FaultStore.advance

    def malformed(self: FaultStore, *args: Any) -> None:
        if self is broken:
            raise ArchiveDamaged("index: database disk image is malformed")
        advance(self, *args)

    with patch.object(FaultStore, "advance", malformed):
        raise_fault(wire.nodes[HOUSE])
        await until(lambda: notices)
    assert store(entry) is not broken
    await stage(entry, Stage.TOLD)
    assert len(notices) == 1


async def test_a_store_that_cannot_be_opened_is_opened_later(
    hass: HomeAssistant, engine: Engine, wire: Wire, notices: list[Event[dict[str, Any]]]
) -> None:
    everything_recorded(wire)
    folder(hass).parent.mkdir(parents=True)
    folder(hass).write_text("in the way")
    entry = await set_up(hass, wire)
    assert desk(entry).store is None and "cannot be opened" in (desk(entry).trouble or "")
    assert await desk(entry).details(EVENT_ID) is None
    raise_fault(wire.nodes[HOUSE])
    await asyncio.sleep(0.1)
    folder(hass).unlink()
    await until(lambda: notices)
    assert desk(entry).trouble is None


async def test_while_the_broker_is_away_nothing_comes_and_later_all_does(
    hass: HomeAssistant, entry: MockConfigEntry, wire: Wire, engine: Engine
) -> None:
    data = everything_recorded(wire)
    ask, away = snapshot_mqtt.SnapshotMqtt._ask, True

    async def fragile(self: Any, *args: Any) -> None:
        if away:
            raise HomeAssistantError("not connected")
        await ask(self, *args)

    with patch.object(snapshot_mqtt.SnapshotMqtt, "_ask", fragile):
        raise_fault(wire.nodes[HOUSE])
        await stage(entry, Stage.PULLING)
        await asyncio.sleep(0.1)
        away = False
        await stage(entry, Stage.TOLD)
    assert content(entry) == data


async def test_a_backup_holds_the_store_still(
    hass: HomeAssistant, entry: MockConfigEntry, wire: Wire, engine: Engine
) -> None:
    everything_recorded(wire)
    await backup.async_pre_backup(hass)
    assert (folder(hass) / "faults.db-wal").stat().st_size == 0
    before = (folder(hass) / "faults.db").read_bytes()
    raise_fault(wire.nodes[HOUSE])
    await asyncio.sleep(0.2)
    assert (folder(hass) / "faults.db").read_bytes() == before
    assert (folder(hass) / "faults.db-wal").stat().st_size == 0
    await backup.async_post_backup(hass)
    await stage(entry, Stage.TOLD)


async def test_an_engine_that_fails_leaves_it_undetermined(caplog: pytest.LogCaptureFixture) -> None:
    with patch.object(fault_analysis, "_diagnose", side_effect=ZeroDivisionError):
        analysis = find_cause(StoredCase(fault(), (), {}, ()))
    assert (analysis.cause, analysis.confidence) == ("undetermined", 0.0)
    assert "the analysis of fault" in caplog.text


def test_a_file_that_cannot_be_read_leaves_the_others(tmp_path: Path) -> None:
    files: dict[tuple[str, SnapshotPart], Path] = {}
    members = tuple(Member(node_id, "house") for node_id in ("house-0", "house-1", "house-2", HOUSE))
    files["house-0", MEASURED] = tmp_path / "on-a-bad-block.umg1"
    files["house-0", MEASURED].mkdir()  # the system refuses to read it
    for node_id, about in (("house-1", EVENT_ID), ("house-2", "another"), (HOUSE, EVENT_ID)):
        files[node_id, MEASURED] = path = tmp_path / f"{node_id}.umg1"
        path.write_bytes(snapshot_file(about, node_id=node_id if node_id != "house-1" else "somebody-else"))
    report = json.loads(find_cause(StoredCase(fault(), members, files, ())).report)
    assert sorted(report["missing"]) == ["house-0", "house-1", "house-2"]


def test_a_fault_of_which_nothing_is_known_began_nowhere() -> None:
    """Who told it is not said to be the origin."""
    analysis = find_cause(StoredCase(fault(), (Member(HOUSE, "house"),), {}, ()))
    assert (analysis.cause, analysis.origin) == ("undetermined", None)


async def test_the_real_engine_is_asked(
    hass: HomeAssistant, wire: Wire, notices: list[Event[dict[str, Any]]]
) -> None:
    entry = await set_up(hass, wire)
    everything_recorded(wire)
    wire.nodes[NEIGHBOUR].silent = True
    garbage = random.Random(3).randbytes(5000)
    damaged = snapshot_file(node_id=GATEWAY) + garbage
    wire.nodes[GATEWAY].hold(EVENT_ID, Held(TRAFFIC, damaged))
    raise_fault(wire.nodes[HOUSE])
    await stage(entry, Stage.TOLD)
    (analysis,) = store(entry).analyses(EVENT_ID)
    report = json.loads(analysis.report)
    assert (report["event_id"], report["code"], report["node"]) == (EVENT_ID, "F001", HOUSE)
    assert report["missing"] == [NEIGHBOUR]
    assert (report["cause"], report["posterior"]) == (analysis.cause, analysis.confidence)
    assert len(analysis.fingerprint) == 16
    assert analysis.summary == summary(from_dict(report), "en", desk(entry).name)

    raise_fault(wire.nodes[HOUSE], "nothing-was-recorded")
    await stage(entry, Stage.TOLD, "nothing-was-recorded")
    report = json.loads(store(entry).analyses("nothing-was-recorded")[0].report)
    assert sorted(report["missing"]) == [GATEWAY, HOUSE, NEIGHBOUR]


# ------------------------------------------------------------------------------------------ actions


async def call(hass: HomeAssistant, action: str, *, answer: bool = True, **data: Any) -> Any:
    """Call an action."""
    return await hass.services.async_call(DOMAIN, action, data, blocking=True, return_response=answer)


@pytest.fixture
async def told(entry: MockConfigEntry, wire: Wire) -> MockConfigEntry:
    """A fault that the operator was told of."""
    everything_recorded(wire)
    raise_fault(wire.nodes[HOUSE])
    await stage(entry, Stage.TOLD)
    return entry


async def test_faults_are_listed_and_shown(hass: HomeAssistant, told: MockConfigEntry) -> None:
    (listed,) = (await call(hass, "list_faults"))["faults"]
    assert (listed["event_id"], listed["cause"], listed["stage"]) == (EVENT_ID, "F001.neighbour_trip", "told")
    assert (await call(hass, "list_faults", node=NEIGHBOUR))["faults"] == []
    assert (await call(hass, "list_faults", code="F002"))["faults"] == []
    assert (await call(hass, "list_faults", start="2026-06-02 00:00:00"))["faults"] == []
    shown = await call(hass, "get_fault", event_id=EVENT_ID)
    assert shown["report"] == {"cause": 1}
    assert shown["missing"] == [] and shown["snapshots"] == "complete"
    assert {(one["node"], one["part"]) for one in shown["objects"]} == {(n, p.value) for n, p in WANTED}
    assert len(shown["analyses"]) == 1 and shown["annotations"] == []


async def test_a_fault_is_analysed_again_and_annotated(
    hass: HomeAssistant, told: MockConfigEntry, engine: Engine, notices: list[Event[dict[str, Any]]]
) -> None:
    answer = await call(hass, "analyze_fault", event_id=EVENT_ID)
    assert answer["origin"] == NEIGHBOUR
    assert len(engine.cases) == 2
    await call(
        hass,
        "annotate_fault",
        answer=False,
        event_id=EVENT_ID,
        cause="F001.bridge_fault",
        note="Replaced it.",
    )
    shown = await call(hass, "get_fault", event_id=EVENT_ID)
    assert len(shown["analyses"]) == 2
    assert [(one["cause"], one["note"]) for one in shown["annotations"]] == [
        ("F001.bridge_fault", "Replaced it.")
    ]
    assert len((await call(hass, "list_faults", note="Replaced it."))["faults"]) == 1
    assert (await call(hass, "list_faults", note="silenced"))["faults"] == []
    assert len(notices) <= 1


@pytest.mark.parametrize(
    ("action", "data", "key"),
    [
        ("get_fault", {"event_id": "nothing"}, "unknown_fault"),
        ("analyze_fault", {"event_id": "nothing"}, "unknown_fault"),
        ("annotate_fault", {"event_id": "nothing", "note": "?"}, "unknown_fault"),
        ("annotate_fault", {"event_id": EVENT_ID, "cause": "F002.nonsense"}, "unknown_cause"),
        ("capture_snapshot", {"node": "nobody"}, "unknown_node"),
        ("capture_snapshot", {"node": HOUSE}, "command_refused"),
    ],
)
async def test_what_cannot_be_done_is_said(
    hass: HomeAssistant, told: MockConfigEntry, action: str, data: dict[str, Any], key: str
) -> None:
    with pytest.raises(ServiceValidationError) as refused:
        await call(hass, action, answer=action != "annotate_fault", **data)
    assert refused.value.translation_key == key


async def test_an_annotation_says_something(hass: HomeAssistant, told: MockConfigEntry) -> None:
    with pytest.raises(vol.Invalid):
        await call(hass, "annotate_fault", answer=False, event_id=EVENT_ID)


async def test_a_closed_store_is_said(hass: HomeAssistant, told: MockConfigEntry) -> None:
    found, desk(told).shelf.store = desk(told).shelf.store, None
    questions: dict[str, dict[str, Any]] = {"list_faults": {}, "get_fault": {"event_id": EVENT_ID}}
    for action, data in questions.items():
        with pytest.raises(HomeAssistantError) as refused:
            await call(hass, action, **data)
        assert refused.value.translation_key == "faults_closed"
    desk(told).shelf.store = found


async def test_a_node_records_when_it_is_told_to(
    hass: HomeAssistant, entry: MockConfigEntry, wire: Wire, engine: Engine
) -> None:
    data = everything_recorded(wire)
    await wire.nodes[HOUSE].birth(capabilities={"commands": [{"name": "capture_snapshot"}]})
    await wire.nodes[HOUSE].live(load_power=1.0)
    wire.commands["capture_snapshot"] = {"status": "succeeded", "values": {"event_id": EVENT_ID}}
    assert await call(hass, "capture_snapshot", node=HOUSE) == {"event_id": EVENT_ID, "node": HOUSE}
    await stage(entry, Stage.TOLD)
    assert content(entry) == data
    assert engine.cases[0].fault.code == "CAPTURE"
    for answer in ({"status": "failed"}, {"status": "succeeded", "values": {"event_id": "../up"}}):
        wire.commands["capture_snapshot"] = answer
        with pytest.raises(HomeAssistantError) as refused:
            await call(hass, "capture_snapshot", node=HOUSE)
        assert refused.value.translation_key == "command_not_executed"
