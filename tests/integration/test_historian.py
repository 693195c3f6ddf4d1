"""The durable path in Home Assistant: what a node logs is on disk before the node hears that it is."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import json
import sqlite3
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from unittest.mock import patch

import pytest
from homeassistant.core import HomeAssistant
from homeassistant.helpers import issue_registry as ir
from homeassistant.util import dt as dt_util
from pytest_homeassistant_custom_component.common import (
    MockConfigEntry,
    async_fire_mqtt_message,
    async_fire_time_changed,
)
from pytest_homeassistant_custom_component.typing import MqttMockHAClient

from custom_components.microgrid import backup, historian as historian_module
from custom_components.microgrid.const import DOMAIN
from custom_components.microgrid.core.archive import store
from custom_components.microgrid.core.archive.append import Appended
from custom_components.microgrid.core.archive.archive import Archive, read_only
from custom_components.microgrid.core.archive.errors import ArchiveUnavailable
from custom_components.microgrid.core.archive.faults.store import FaultStore
from custom_components.microgrid.core.archive.rollup import MINUTE
from custom_components.microgrid.historian import Historian
from custom_components.microgrid.repairs import ARCHIVE_UNAVAILABLE, issue_id
from custom_components.microgrid.schedule_log import ScheduleLog
from tests.unit.core.archive.logs import HOUR_US, SECOND_US, Node

from .voices import SWARM, Voice

HOUSE = "house-1"


def send(hass: HomeAssistant, payload: bytes, node: str = HOUSE) -> None:
    """Send a log message as the node does."""
    async_fire_mqtt_message(hass, f"microgrid/v1/{SWARM}/{node}/log", payload, qos=1)


def acknowledgements(mqtt: MqttMockHAClient, node: str = HOUSE) -> list[dict[str, int]]:
    """Return what the node was told, in order."""
    found = []
    for call in mqtt.async_publish.call_args_list:
        topic, payload, qos, retain = (*call.args, *call.kwargs.values())[:4]
        if topic == f"microgrid/v1/{SWARM}/{node}/log/ack":
            assert (qos, retain) == (1, True)
            found.append(json.loads(payload))
    return found


async def until(condition: Callable[[], object]) -> None:
    """Wait until something is so."""
    async with asyncio.timeout(60):
        while not condition():  # noqa: ASYNC110 - there is no event: the executor and the broker work meanwhile
            await asyncio.sleep(0.01)


@pytest.fixture
async def house(hass: HomeAssistant, entry: MockConfigEntry) -> Voice:
    """A house that is there."""
    voice = Voice(hass, HOUSE, "house", "House 1")
    await voice.greet()
    return voice


def part(entry: MockConfigEntry) -> Historian:
    """Return the historian of the entry."""
    found: Historian = entry.runtime_data.historian
    return found


async def test_frames_are_stored_and_acknowledged(
    hass: HomeAssistant, entry: MockConfigEntry, house: Voice, mqtt_mock: MqttMockHAClient
) -> None:
    log = Node()
    frames = [*log.start(), *log.minutes(2)]
    send(hass, b"".join(frame.encode() for frame in frames[:5]))
    await until(lambda: acknowledgements(mqtt_mock))
    assert acknowledgements(mqtt_mock)[-1] == {"boot_id": log.boot_id, "seq": 4}
    send(hass, b"".join(frame.encode() for frame in frames[3:]))
    await until(lambda: acknowledgements(mqtt_mock)[-1]["seq"] == len(frames) - 1)

    received = part(entry).received
    assert (received.frames, received.duplicates, received.damaged) == (len(frames), 2, 0)
    sizes = await part(entry).sizes()
    assert sizes is not None and sizes.log > 0
    assert await hass.config_entries.async_unload(entry.entry_id)
    with read_only(Path(hass.config.path(DOMAIN, SWARM, "archive"))) as archive:
        coverage = archive.coverage(HOUSE)
    assert [(boot.boot_id, list(boot.received), list(boot.missing)) for boot in coverage.boots] == [
        (log.boot_id, [(0, len(frames) - 1)], [])
    ]


async def test_what_a_node_no_longer_has_is_known(
    hass: HomeAssistant, entry: MockConfigEntry, house: Voice, mqtt_mock: MqttMockHAClient
) -> None:
    """A node sends in the order of its log: what it skips is gone, and holds nothing back."""
    log = Node()
    frames = [*log.start(), *log.minutes(1)]
    send(hass, b"".join(frame.encode() for frame in frames[:3]))
    await until(lambda: acknowledgements(mqtt_mock))
    send(hass, b"".join(frame.encode() for frame in frames[5:]))
    await until(lambda: acknowledgements(mqtt_mock)[-1]["seq"] == len(frames) - 1)
    assert part(entry).received.lost == 2
    archive = part(entry).archive
    assert archive is not None and archive.coverage(HOUSE).boots[0].lost == ((3, 4),)


async def test_a_full_disk_acknowledges_nothing_and_says_so(
    hass: HomeAssistant, entry: MockConfigEntry, house: Voice, mqtt_mock: MqttMockHAClient
) -> None:
    log = Node()
    frames = log.start()
    payload = b"".join(frame.encode() for frame in frames)

    def refuse(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with (
        patch.object(historian_module, "RETRY_S", 0.05),
        patch.object(store.LogFiles, "write", refuse),
    ):
        send(hass, payload)
        await until(lambda: part(entry).trouble)
        issue = ir.async_get(hass).async_get_issue(DOMAIN, issue_id(entry.entry_id, ARCHIVE_UNAVAILABLE))
        assert issue is not None and issue.translation_placeholders is not None
        assert "No space left" in issue.translation_placeholders["reason"]
    assert not acknowledgements(mqtt_mock)
    assert part(entry).received.turned_away == 1

    send(hass, payload)  # the node has heard nothing and sends again
    await until(lambda: acknowledgements(mqtt_mock))
    await until(lambda: part(entry).trouble is None)
    assert ir.async_get(hass).async_get_issue(DOMAIN, issue_id(entry.entry_id, ARCHIVE_UNAVAILABLE)) is None


async def test_what_waits_is_bounded(
    hass: HomeAssistant, entry: MockConfigEntry, house: Voice, mqtt_mock: MqttMockHAClient
) -> None:
    log = Node()
    frames = [frame.encode() for frame in (*log.start(), *log.minutes(3))]
    with patch.object(historian_module, "MAX_WAITING_BYTES", 600):
        for frame in frames:
            send(hass, frame)
        await until(lambda: part(entry).received.frames)
    turned_away = part(entry).received.turned_away
    assert turned_away > 0
    for frame in frames:
        send(hass, frame)
    await until(lambda: part(entry).received.frames == len(frames))
    assert part(entry).received.turned_away == turned_away


async def test_an_archive_in_other_hands_is_opened_later(
    hass: HomeAssistant, mqtt_mock: MqttMockHAClient
) -> None:
    folder = Path(hass.config.path(DOMAIN, SWARM, "archive"))
    entry = MockConfigEntry(
        domain=DOMAIN, title="Demo", unique_id=SWARM, data={"swarm": SWARM, "name": "Demo"}
    )
    entry.add_to_hass(hass)
    with patch.object(historian_module, "RETRY_S", 0.05):
        other = await hass.async_add_executor_job(Archive, folder)
        assert await hass.config_entries.async_setup(entry.entry_id)
        assert "another process" in (part(entry).trouble or "")
        await Voice(hass, HOUSE, "house", "House 1").greet()
        send(hass, Node().start()[0].encode())
        await asyncio.sleep(0.2)
        assert not acknowledgements(mqtt_mock)
        await hass.async_add_executor_job(other.close)
        await until(lambda: acknowledgements(mqtt_mock))
    assert part(entry).trouble is None
    assert await hass.config_entries.async_unload(entry.entry_id)


@pytest.mark.parametrize(
    ("node", "payload", "reason"),
    [
        ("house-1", b"", "bad_value"),
        ("house-1", b"no frame", "bad_value"),
        ("house-1", b"UMG1" * 70_000, "too_large"),
        ("House 1", b"UMG1", "bad_node_id"),
        ("stranger", Node().start()[0].encode(), "unknown_node"),
    ],
)
async def test_what_is_no_log_is_refused_and_counted(
    hass: HomeAssistant, entry: MockConfigEntry, house: Voice, node: str, payload: bytes, reason: str
) -> None:
    before = entry.runtime_data.swarm.rejected[reason]
    send(hass, payload, node)
    await hass.async_block_till_done()
    assert entry.runtime_data.swarm.rejected[reason] == before + 1


async def test_damaged_bytes_between_frames_are_counted(
    hass: HomeAssistant, entry: MockConfigEntry, house: Voice, mqtt_mock: MqttMockHAClient
) -> None:
    log = Node()
    frames = log.start()
    send(hass, frames[0].encode() + b"UMG1 but nothing more" + frames[1].encode())
    await until(lambda: acknowledgements(mqtt_mock))
    assert part(entry).received.damaged == 1
    assert acknowledgements(mqtt_mock)[-1]["seq"] == 1


async def test_roll_ups_and_retention_run_by_themselves(
    hass: HomeAssistant, entry: MockConfigEntry, house: Voice, mqtt_mock: MqttMockHAClient
) -> None:
    log = Node(utc_us=time.time_ns() // 1000 - HOUR_US)
    send(hass, b"".join(frame.encode() for frame in (*log.start(), *log.minutes(3))))
    await until(lambda: acknowledgements(mqtt_mock))
    async_fire_time_changed(hass, dt_util.utcnow() + timedelta(seconds=historian_module.RETENTION_S + 1))
    await hass.async_block_till_done(wait_background_tasks=True)
    archive = part(entry).archive
    assert archive is not None
    end_s = (log.now_us // SECOND_US // 60 + 1) * 60
    history = archive.queries.history(HOUSE, ["exchange_power"], end_s - 600, end_s, MINUTE)
    assert int(history["exchange_power"].count.sum()) == 180


async def test_upkeep_that_the_disk_refuses_is_told(
    hass: HomeAssistant, entry: MockConfigEntry, house: Voice, mqtt_mock: MqttMockHAClient
) -> None:
    send(hass, Node().start()[0].encode())
    await until(lambda: acknowledgements(mqtt_mock))
    with patch.object(Archive, "roll_up", side_effect=ArchiveUnavailable("the disk is read-only")):
        async_fire_time_changed(hass, dt_util.utcnow() + timedelta(seconds=historian_module.ROLL_UP_S + 1))
        await hass.async_block_till_done(wait_background_tasks=True)
    assert part(entry).trouble == "the disk is read-only"


async def test_a_write_ends_although_its_caller_is_cancelled(
    hass: HomeAssistant, entry: MockConfigEntry, house: Voice
) -> None:
    """A thread cannot be cancelled: nobody may write, close or copy the archive while it runs."""
    begun, go_on, done = threading.Event(), threading.Event(), threading.Event()

    def work() -> None:
        begun.set()
        go_on.wait(10)
        done.set()

    writing = asyncio.create_task(part(entry).write(work))
    await until(begun.is_set)
    writing.cancel()
    holding = asyncio.create_task(part(entry).hold())
    await asyncio.sleep(0.05)
    assert not holding.done()
    go_on.set()
    await holding
    assert done.is_set()
    part(entry).release()
    with pytest.raises(asyncio.CancelledError):
        await writing


async def test_frames_need_not_wait_for_a_long_roll_up(
    hass: HomeAssistant, entry: MockConfigEntry, house: Voice, mqtt_mock: MqttMockHAClient
) -> None:
    """Hours that came at once are rolled up a few at a time, and what comes meanwhile goes between."""
    log = Node(utc_us=time.time_ns() // 1000 - 12 * HOUR_US)
    frames = list(log.start())
    for _ in range(11):
        frames += log.minutes(1)
        log.mono_us += HOUR_US - log.mono_us % HOUR_US
    send(hass, b"".join(frame.encode() for frame in frames))
    await until(lambda: acknowledgements(mqtt_mock))
    order: list[str] = []
    roll_up, append = Archive.roll_up, Archive.append

    def rolled(archive: Archive, node: str | None = None, max_batches: int | None = None) -> int:
        if not order:
            hass.loop.call_soon_threadsafe(send, hass, next(log.minutes(1)).encode())
            time.sleep(0.2)  # the frame waits now
        order.append("roll-up")
        return roll_up(archive, node, max_batches)

    def appended(archive: Archive, node: str, frames: list[bytes], *, in_order: bool) -> Appended:
        order.append("frame")
        return append(archive, node, frames, in_order=in_order)

    with patch.object(Archive, "roll_up", rolled), patch.object(Archive, "append", appended):
        async_fire_time_changed(hass, dt_util.utcnow() + timedelta(seconds=historian_module.ROLL_UP_S + 1))
        await hass.async_block_till_done(wait_background_tasks=True)
    assert order.index("frame") < len(order) - 1 - order[::-1].index("roll-up"), order
    assert order.count("roll-up") >= 3


@pytest.mark.parametrize("utc_us", [1, 1 << 60, 1 << 62, (1 << 63) - 1])
async def test_a_time_beyond_all_years_costs_nobody_anything(
    hass: HomeAssistant, entry: MockConfigEntry, house: Voice, mqtt_mock: MqttMockHAClient, utc_us: int
) -> None:
    await Voice(hass, "house-2", "house", "House 2").greet()
    log, other = Node(), Node(boot_id=2)
    strange = replace(log.start()[0], utc_us=utc_us)
    event = replace(log.event(), seq=1, utc_us=utc_us)
    send(hass, strange.encode() + event.encode())
    send(hass, b"".join(frame.encode() for frame in other.start()), "house-2")
    await until(lambda: acknowledgements(mqtt_mock) and acknowledgements(mqtt_mock, "house-2"))
    assert part(entry).received.frames == 4
    figures = await part(entry).figures()
    assert figures is not None and figures.newest is None
    archive = part(entry).archive
    assert archive is not None
    assert await hass.config_entries.async_unload(entry.entry_id)
    assert archive._lock == -1


async def test_what_fails_for_one_node_is_lost_to_no_other(
    hass: HomeAssistant, entry: MockConfigEntry, house: Voice, mqtt_mock: MqttMockHAClient
) -> None:
    """Neither while it is stored nor while it is passed on; its own frames come again."""
    await Voice(hass, "house-2", "house", "House 2").greet()
    historian, append = part(entry), Archive.append
    payload = Node().start()[0].encode()

    def appended(archive: Archive, node: str, frames: list[bytes], *, in_order: bool) -> Appended:
        if node == HOUSE:
            raise ValueError("never thought of")
        return append(archive, node, frames, in_order=in_order)

    with patch.object(Archive, "append", appended):
        send(hass, payload)
        send(hass, payload, "house-2")
        await until(lambda: acknowledgements(mqtt_mock, "house-2"))
    assert (historian.received.turned_away, historian.received.frames) == (1, 1)

    def stumble(node_id: str, *_: object) -> None:
        if node_id == HOUSE:
            raise RuntimeError("a listener")

    historian.on_events(stumble)
    send(hass, payload)
    send(hass, Node(seq=1).start()[0].encode(), "house-2")
    await until(lambda: historian.received.frames == 3)
    assert acknowledgements(mqtt_mock)
    assert await hass.config_entries.async_unload(entry.entry_id)


async def test_the_archive_is_closed_whatever_stopping_meets(
    hass: HomeAssistant, entry: MockConfigEntry, house: Voice
) -> None:
    historian = part(entry)
    archive = historian.archive
    assert archive is not None
    with (
        patch.object(historian, "_store_waiting", side_effect=RuntimeError("no")),
        pytest.raises(RuntimeError, match="no"),
    ):
        await historian.async_stop()
    assert archive._lock == -1


async def test_an_archive_of_a_later_version_is_left_alone(
    hass: HomeAssistant, mqtt_mock: MqttMockHAClient
) -> None:
    """The rest of the integration works, and the user is told."""
    folder = Path(hass.config.path(DOMAIN, SWARM, "archive"))
    Archive(folder).close()
    with contextlib.closing(sqlite3.connect(folder / "index.db")) as connection:
        connection.execute("PRAGMA user_version = 99")
    entry = MockConfigEntry(
        domain=DOMAIN, title="Demo", unique_id=SWARM, data={"swarm": SWARM, "name": "Demo"}
    )
    entry.add_to_hass(hass)
    assert await hass.config_entries.async_setup(entry.entry_id)
    assert part(entry).archive is None and "has version 99" in (part(entry).trouble or "")
    assert ir.async_get(hass).async_get_issue(DOMAIN, issue_id(entry.entry_id, ARCHIVE_UNAVAILABLE))
    assert await hass.config_entries.async_unload(entry.entry_id)


async def test_a_checkpoint_that_fails_keeps_nothing_locked(
    hass: HomeAssistant, entry: MockConfigEntry, house: Voice, mqtt_mock: MqttMockHAClient
) -> None:
    """Of archive, fault store and execution log: what it would have moved lies in the folder, too."""
    runtime = entry.runtime_data
    refuse = sqlite3.OperationalError("disk I/O error")
    with (
        patch.object(Archive, "checkpoint", side_effect=refuse),
        patch.object(FaultStore, "checkpoint", side_effect=refuse),
        patch.object(ScheduleLog, "checkpoint", side_effect=refuse),
    ):
        await backup.async_pre_backup(hass)
    send(hass, Node().start()[0].encode())
    await asyncio.sleep(0.1)
    assert not acknowledgements(mqtt_mock)
    await backup.async_post_backup(hass)
    await until(lambda: acknowledgements(mqtt_mock))
    assert not runtime.historian.held
    assert not runtime.faults.shelf._writing.locked() and not runtime.schedules._writing.locked()
    async with asyncio.timeout(60):
        assert await hass.config_entries.async_unload(entry.entry_id)


def spoil(index: Path, table: str) -> None:
    """Overwrite the first page of a table, as a bad block does."""
    with contextlib.closing(sqlite3.connect(index)) as connection:
        (page,) = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = ?", (table,)).fetchone()
        (size,) = connection.execute("PRAGMA page_size").fetchone()
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    with index.open("r+b") as file:
        file.seek((page - 1) * size)
        file.write(b"\xa5" * size)


@pytest.mark.parametrize("table", ["span", "rollup"])
async def test_an_index_that_breaks_is_made_again(
    hass: HomeAssistant, entry: MockConfigEntry, house: Voice, mqtt_mock: MqttMockHAClient, table: str
) -> None:
    """A restart does not see what broke: whoever meets it has it mended, and the node is answered."""
    log = Node(utc_us=time.time_ns() // 1000 - HOUR_US)
    frames = [*log.start(), *log.minutes(2)]
    send(hass, b"".join(frame.encode() for frame in frames))
    await until(lambda: acknowledgements(mqtt_mock))
    broken = part(entry).archive
    assert broken is not None
    await part(entry).write(broken.roll_up)
    await part(entry).write(broken.checkpoint)
    assert await hass.config_entries.async_unload(entry.entry_id)
    spoil(broken.folder / "index.db", table)
    assert await hass.config_entries.async_setup(entry.entry_id)
    await house.greet()

    opened = part(entry).archive
    more = list(log.minutes(1))
    with patch.object(historian_module, "RETRY_S", 0.05):
        async with asyncio.timeout(60):
            while acknowledgements(mqtt_mock)[-1]["seq"] < more[-1].seq:
                send(hass, b"".join(frame.encode() for frame in more))
                await asyncio.sleep(0.1)
    async_fire_time_changed(hass, dt_util.utcnow() + timedelta(seconds=61))
    await until(lambda: part(entry).archive not in (None, opened))
    archive = part(entry).archive
    assert archive is not None
    start_s = log.utc_us // SECOND_US // 60 * 60
    history = archive.history(HOUSE, ["exchange_power"], start_s, start_s + 300, MINUTE)
    assert history["exchange_power"].count.sum() == 180
    assert archive.verify() == []


async def test_a_backup_given_up_while_it_prepares_keeps_nothing_locked(
    hass: HomeAssistant, entry: MockConfigEntry, house: Voice
) -> None:
    begun, go_on = threading.Event(), threading.Event()

    def slow(_: Archive) -> None:
        begun.set()
        go_on.wait(10)

    with patch.object(Archive, "checkpoint", slow):
        holding = asyncio.create_task(backup.async_pre_backup(hass))
        await until(begun.is_set)
        holding.cancel()
        with pytest.raises(asyncio.CancelledError):
            await holding
        go_on.set()
    await backup.async_post_backup(hass)
    assert not part(entry).held


async def test_nobody_hears_of_a_roll_up_that_an_unload_ended(
    hass: HomeAssistant, entry: MockConfigEntry, house: Voice, mqtt_mock: MqttMockHAClient
) -> None:
    send(hass, Node().start()[0].encode())
    await until(lambda: acknowledgements(mqtt_mock))
    historian, told = part(entry), []
    historian.on_upkeep(lambda: told.append(historian.archive))
    begun, go_on = threading.Event(), threading.Event()

    def slow(*_: object) -> int:
        begun.set()
        go_on.wait(10)
        return 0

    with patch.object(Archive, "roll_up", slow):
        rolling = asyncio.create_task(historian._roll_up(dt_util.utcnow()))
        await until(begun.is_set)
        stopping = asyncio.create_task(hass.config_entries.async_unload(entry.entry_id))
        await until(historian._stopping.is_set)
        go_on.set()
        await rolling
        assert await stopping
    assert told == []
