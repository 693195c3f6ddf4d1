"""kill -9 of Home Assistant at every stage of a fault: analysed once, and the operator is told once."""

from __future__ import annotations

import asyncio
import contextlib
import json
import sqlite3
import threading
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import paho.mqtt.client as paho
import pytest
import pytest_asyncio
from paho.mqtt.enums import CallbackAPIVersion

from microgrid_core.archive.faults.records import Stage
from microgrid_core.contract import encode, topics
from microgrid_core.contract.messages import Birth, EventState, EventType, NodeEvent, NodeKind, Severity
from microgrid_core.contract.snapshot import (
    ListedSnapshot,
    SnapshotChunk,
    SnapshotGet,
    SnapshotList,
    SnapshotPart,
    SnapshotState,
    parse_snapshot_get,
)
from script.lab.hass import CONFIGURATION
from script.lab.lab import DOMAIN, Lab
from script.lab.neighbourhood import Plan
from tests.e2e.nodes import states_of
from tests.unit.core.archive.snapshots import chunks, snapshot_file

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="module")]

HOUSE = "house-77"
PATIENCE_S = 120.0
CHUNK_S = 0.02
"""Between two chunks: long enough to be killed amid a transfer."""
PHONE = """\
automation:
  - alias: Phone stand-in
    mode: queued
    triggers:
      - trigger: event
        event_type: microgrid_fault_analyzed
    actions:
      - action: mqtt.publish
        data:
          topic: phone
          qos: 1
          payload: "{{ trigger.event.data.event_id }} {{ trigger.event.data.repeated }}"
"""


class Recorder:
    """A house with a card in this process, and the phone of the operator."""

    def __init__(self, port: int, swarm: str) -> None:
        """Announce the house and listen."""
        self.notices: Counter[str] = Counter()
        """First ones by event id."""
        self.repeated: Counter[str] = Counter()
        self._objects: dict[str, bytes] = {}
        self._swarm = swarm
        self._answering = threading.Lock()
        self._client = paho.Client(CallbackAPIVersion.VERSION2, client_id=HOUSE)
        self._client.on_connect = self._connected
        self._client.on_message = self._message
        self._client.connect("127.0.0.1", port)
        self._client.loop_start()

    def close(self) -> None:
        """Leave."""
        self._client.disconnect()
        self._client.loop_stop()

    def trip(self, event_id: str) -> None:
        """Tell a fault and have its snapshot."""
        self._objects[event_id] = snapshot_file(event_id, HOUSE, node_id=HOUSE)
        event = NodeEvent(
            event_id,
            EventType.FAULT,
            EventState.RAISED,
            "F001",
            Severity.CRITICAL,
            1,
            len(self._objects),
            None,
            {},
        )
        self._say(topics.EVENT, encode.event_payload(event))

    async def tell(self, event_id: str) -> None:
        """Tell a fault again and again: Home Assistant may not listen yet, and drops repetitions."""
        while True:
            self.trip(event_id)
            await asyncio.sleep(5.0)

    def _say(self, suffix: str, payload: bytes, *, retain: bool = False) -> None:
        self._client.publish(str(topics.Topic(self._swarm, HOUSE, suffix)), payload, 1, retain)

    def _connected(self, client: paho.Client, *_: object) -> None:
        client.subscribe([("phone", 1), (str(topics.Topic(self._swarm, HOUSE, topics.SNAPSHOT_GET)), 1)])
        self._say(topics.BIRTH, encode.birth_payload(Birth(NodeKind.HOUSE, "House 77", 1)), retain=True)
        self._say(topics.STATE, encode.state_payload(True), retain=True)

    def _message(self, _client: paho.Client, _data: object, message: paho.MQTTMessage) -> None:
        if message.topic == "phone":
            event_id, repeated = message.payload.decode().split()
            (self.repeated if repeated == "True" else self.notices)[event_id] += 1
        else:  # not in the client's thread: it sends what is published
            threading.Thread(target=self._answer, args=(message.payload,), daemon=True).start()

    def _answer(self, payload: bytes) -> None:
        request = parse_snapshot_get(payload)
        assert isinstance(request, SnapshotGet)
        with self._answering:
            if request.event_id is None:
                self._say(topics.SNAPSHOT_LIST, encode.snapshot_list_payload(SnapshotList(self._listed())))
                return
            pieces = list(chunks(self._objects[request.event_id], request.event_id, size=64))
            for piece in pieces[request.first : request.first + request.count]:
                suffix = topics.snapshot_chunk(piece.event_id, piece.number)
                self._say(suffix, encode.snapshot_chunk_payload(piece))
                time.sleep(CHUNK_S)

    def _listed(self) -> tuple[ListedSnapshot, ...]:
        listed = []
        for event_id, data in self._objects.items():
            first: SnapshotChunk = next(chunks(data, event_id))
            listed.append(
                ListedSnapshot(
                    event_id,
                    "F001",
                    SnapshotPart.MEASURED,
                    SnapshotState.COMPLETE,
                    first.object_bytes,
                    first.object_crc,
                )
            )
        return tuple(listed)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def phone_lab(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Lab]:
    """A small swarm in a Home Assistant whose automation tells a phone."""
    configuration = CONFIGURATION.replace("automation: !include automations.yaml\n", PHONE)
    async with Lab(
        tmp_path_factory.mktemp("lab"), Plan(houses=1, clusters=1), configuration=configuration
    ) as lab:
        yield lab


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def house(phone_lab: Lab) -> AsyncIterator[Recorder]:
    """A house that records and that Home Assistant knows: it has no log that would tell what was missed."""
    recorder = Recorder(phone_lab.broker.port, phone_lab.watcher.swarm_id)
    deadline = time.monotonic() + PATIENCE_S
    while "last_fault" not in await states_of(phone_lab, HOUSE):
        assert time.monotonic() < deadline, f"{HOUSE} is not shown"
        await asyncio.sleep(0.5)
    yield recorder
    recorder.close()


def ask(lab: Lab, question: str, *values: str) -> list[tuple[Any, ...]]:
    """Read the store as it is on disk."""
    path: Path = lab.hass.folder / DOMAIN / lab.watcher.swarm_id / "faults" / "faults.db"
    with contextlib.suppress(sqlite3.OperationalError):  # not there yet
        connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=5)
        with contextlib.closing(connection):
            return connection.execute(question, values).fetchall()
    return []


def stage_of(lab: Lab, event_id: str) -> int:
    """Return how far a fault has come; -1 when it is not recorded."""
    rows = ask(lab, "SELECT stage FROM fault WHERE event_id = ?", event_id)
    return int(rows[0][0]) if rows else -1


def chunks_of(lab: Lab, event_id: str) -> int:
    """Return how many chunks wait for the rest."""
    return int(ask(lab, "SELECT count(*) FROM incoming WHERE event_id = ?", event_id)[0][0])


async def until(condition: Callable[[], bool], what: str, poll_s: float = 0.002) -> None:
    """Wait until something is so on disk."""
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline, f"waited {PATIENCE_S:g} s for {what}"
        await asyncio.sleep(poll_s)


@pytest.mark.parametrize(
    "killed_at", ["recorded", "pulling", "amid a transfer", "diagnosed", "telling", "told"]
)
async def test_a_fault_survives_a_kill(phone_lab: Lab, house: Recorder, killed_at: str) -> None:
    lab, event_id = phone_lab, f"killed:{killed_at.replace(' ', '_')}"
    stage = Stage.PULLING if killed_at == "amid a transfer" else Stage[killed_at.upper()]
    telling = asyncio.create_task(house.tell(event_id))
    await until(lambda: stage_of(lab, event_id) >= stage, killed_at)
    telling.cancel()
    if killed_at == "amid a transfer":
        await until(lambda: chunks_of(lab, event_id) > 0, "a chunk")
    lab.hass.kill()
    left_at = stage_of(lab, event_id)
    await lab.hass.up()
    await until(lambda: stage_of(lab, event_id) == Stage.TOLD, "the end", 0.5)
    await asyncio.sleep(2.0)
    analyses = ask(lab, "SELECT report FROM analysis WHERE event_id = ?", event_id)
    assert len(analyses) == 1
    assert json.loads(analyses[0][0])["event_id"] == event_id
    assert len(ask(lab, "SELECT name FROM snapshot WHERE event_id = ?", event_id)) == 1
    assert house.notices[event_id] <= 1
    if left_at == Stage.TELLING:  # nobody can know whether the word came through: it is repeated, and says so
        assert house.repeated[event_id] == 1
    else:
        assert (house.notices[event_id], house.repeated[event_id]) == (1, 0)
    assert not [record for record in lab.hass.log_errors() if record.ours]
