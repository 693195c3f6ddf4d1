"""The log of a node: what the daemon measured is in the archive, whoever was away or was killed meanwhile."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from microgrid_core.archive.archive import Archive
from microgrid_core.codec.umg1.frame import Frame, Kind, Scan
from microgrid_core.codec.umg1.records import Boot, Event
from microgrid_core.contract import topics
from microgrid_core.contract.encode import log_ack_payload
from microgrid_core.contract.messages import Birth, EventType, LogAck, NodeKind, Severity
from microgrid_core.model.battery import BATTERY
from microgrid_core.model.mpp_inverter import MPP_INVERTER
from microgrid_daemon import log_sender
from microgrid_daemon.broker import Connection
from microgrid_daemon.clock import Clock
from microgrid_daemon.config import BrokerConfig
from microgrid_daemon.frame_store import FrameStore
from microgrid_daemon.log_sender import MESSAGE_BYTES, LogSender
from microgrid_daemon.node import Node
from microgrid_daemon.node_log import SCHEMA_EVERY_US, NodeLog
from microgrid_daemon.store import Store
from tests.daemon.home import Home
from tests.daemon.stage import until
from tests.mosquitto import Mosquitto

_ROOT = Path(__file__).parents[2]
NODE = "mpp-1"
START = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
BIRTH = Birth(NodeKind.MPP_INVERTER, "Inverter", 1)


class Time(Clock):
    """Both clocks of a Pi, moved by hand; nobody has set the wall's at first if told so."""

    def __init__(self, *, is_set: bool = True) -> None:
        super().__init__(None)
        self.is_set, self.passed_s, self.wrong_by_s = is_set, 0.0, 0.0

    @property
    def valid(self) -> bool:
        return self.is_set

    def now(self) -> datetime | None:
        return START + timedelta(seconds=self.passed_s + self.wrong_by_s) if self.is_set else None

    def mono_ns(self) -> int:
        return round((777.0 + self.passed_s) * 1e9)

    def mono_s(self) -> float:
        return self.passed_s


class Pi:
    """What the daemon has for one node during one run."""

    def __init__(self, store: Store, time: Time, boot_id: int, *, most_frames: int = 10_000) -> None:
        self.store, self.time = store, time
        self.frames = FrameStore(store, NODE, boot_id, most_frames=most_frames)
        self.log = NodeLog(self.frames, time, MPP_INVERTER, 10.0, mono_ns=time.mono_ns)
        self.sender = LogSender(self.frames, now_s=time.mono_s)

    def measures(self, count: int, first: int = 0) -> None:
        """Log readings 10 s apart: the load rises by 1 W each time."""
        for number in range(first, first + count):
            self.log.reading({"ac_output_active_power": 100 + number, "grid_voltage": 230.4, "mode": "line"})
            self.time.passed_s += 10.0

    def delivers(self, archive: Archive, most: int = 1000) -> int:
        """Send until nothing is due; returns how many messages that took."""
        sent = 0
        while sent < most and (message := self.sender.message()) is not None:
            sent += 1
            position = archive.append(NODE, [message], in_order=True).acknowledged
            assert position is not None
            self.sender.acknowledged(log_ack_payload(LogAck(position.boot_id, position.seq)))
        return sent


@pytest.fixture
def archive(tmp_path: Path) -> Iterator[Archive]:
    """Home Assistant's."""
    now_us = round((START + timedelta(days=2)).timestamp() * 1e6)
    with Archive(tmp_path / "archive", reserve_bytes=0, now_us=lambda: now_us) as opened:
        yield opened


def _powers(archive: Archive) -> tuple[list[float], list[float]]:
    """Return the logged powers, and their times in seconds after the beginning."""
    begin_us = round(START.timestamp() * 1e6)
    day_us = 86_400_000_000
    series = archive.series(NODE, ["ac_output_active_power"], begin_us - day_us, begin_us + day_us)
    found = series["ac_output_active_power"]
    return found.values.tolist(), ((found.times_us - begin_us) / 1e6).tolist()


def _pages(frames: FrameStore) -> list[Frame]:
    page = frames.page(1 << 30)
    return [] if page is None else list(Scan(page.data))


# ------------------------------------------------------------------------------------------- what is written


def test_readings_are_in_the_archive_with_their_times(store: Store, archive: Archive) -> None:
    pi = Pi(store, Time(), 7)
    pi.measures(200)
    assert pi.delivers(archive) >= 1
    values, times = _powers(archive)
    assert values == [100.0 + number for number in range(200)]
    assert times == pytest.approx([10.0 * number for number in range(200)], abs=0.001)
    archive.roll_up()
    channels = archive.channels(NODE)
    assert (channels["grid_voltage"], channels["ac_output_active_power"]) == ("V", "W")
    assert "mode" not in channels, "words have no place in a log"
    (boot,) = archive.coverage(NODE).boots
    assert (list(boot.missing), list(boot.lost)) == ([], [])


def test_a_clock_that_is_set_late_dates_what_came_before(store: Store, archive: Archive) -> None:
    pi = Pi(store, Time(is_set=False), 7)
    pi.measures(30)
    pi.time.is_set = True
    pi.measures(30, first=30)
    pi.delivers(archive)
    values, times = _powers(archive)
    assert values == [100.0 + number for number in range(60)]
    assert times == pytest.approx([10.0 * number for number in range(60)], abs=0.001)


def test_a_step_of_the_clock_moves_nothing_before_it(store: Store, archive: Archive) -> None:
    pi = Pi(store, Time(), 7)
    pi.measures(30)
    pi.time.wrong_by_s = 3600.0
    pi.measures(30, first=30)
    pi.delivers(archive)
    _, times = _powers(archive)
    expected = [10.0 * number + (3600.0 if number >= 30 else 0.0) for number in range(60)]
    assert times == pytest.approx(expected, abs=0.001)


def test_a_start_tells_where_the_one_before_ended(tmp_path: Path, archive: Archive) -> None:
    """Also when everything was acknowledged and forgotten."""
    time, boots = Time(), []
    for boot_id, count in ((900, 20), (5, 0), (70, 10)):  # ids are random: their order says nothing
        store = Store(tmp_path / "pi.sqlite")
        pi = Pi(store, time, boot_id)
        pi.measures(count)
        if boot_id == 900:
            pi.delivers(archive)
            assert len(store.ask("SELECT * FROM log")) == 1
        boots = [Boot.parse(frame.payload) for frame in _pages(pi.frames) if frame.kind == Kind.BOOT]
        store.close()
    assert [(boot.previous_boot_id, boot.previous_next_seq) for boot in boots] == [(900, 22)]
    store = Store(tmp_path / "pi.sqlite")
    pi = Pi(store, time, 6)
    assert pi.delivers(archive) == 1
    store.close()
    assert len(_powers(archive)[0]) == 30
    assert all(not boot.missing and not boot.lost for boot in archive.coverage(NODE).boots)


def test_the_meaning_of_channels_comes_again(store: Store) -> None:
    pi = Pi(store, Time(), 7)
    pi.measures(800)
    kinds = [frame.kind for frame in _pages(pi.frames)]
    assert kinds.count(Kind.SCHEMA) == 3 == 1 + 8_000 // (SCHEMA_EVERY_US // 1_000_000)
    assert kinds[:3] == [Kind.SCHEMA, Kind.BOOT, Kind.SLOW]


def test_a_day_of_an_inverter_is_small(store: Store) -> None:
    pi = Pi(store, Time(), 7)
    values = {key: 23 for key in pi.log.keys if MPP_INVERTER.by_key[key].value == "number"}
    pi.log.reading(values)
    first = len(_pages(pi.frames)[-1].encode())
    assert first * 8640 < 1.5e6


# ---------------------------------------------------------------------------------------------- what is sent


def test_one_message_is_on_its_way_until_it_is_acknowledged(store: Store) -> None:
    pi = Pi(store, Time(), 7)
    pi.measures(400)
    first = pi.sender.message()
    assert first is not None and MESSAGE_BYTES * 0.9 < len(first) <= MESSAGE_BYTES
    assert pi.sender.message() is None
    pi.sender.acknowledged(log_ack_payload(LogAck(7, 3)))
    assert pi.sender.message() is None, "not all of it has arrived"
    pi.time.passed_s += log_sender.REPEAT_S
    again = pi.sender.message()
    assert again is not None and next(iter(Scan(again))).seq == 4
    last = list(Scan(again))[-1].seq
    pi.sender.acknowledged(log_ack_payload(LogAck(7, last)))
    following = pi.sender.message()
    assert following is not None and next(iter(Scan(following))).seq == last + 1, "the rest, at once"


def test_new_readings_go_together_once_a_minute(store: Store) -> None:
    pi = Pi(store, Time(), 7)
    sizes = []
    for number in range(36):
        pi.measures(1, first=number)
        if (message := pi.sender.message()) is not None:
            frames = list(Scan(message))
            sizes.append(sum(frame.kind == Kind.SLOW for frame in frames))
            pi.sender.acknowledged(log_ack_payload(LogAck(7, frames[-1].seq)))
    assert sizes == [1, 6, 6, 6, 6, 6]


@pytest.mark.parametrize(
    "payload",
    [b"", b"{}", b'{"boot_id":1,"seq":3}', b'{"boot_id":7,"seq":4000000000}', b'{"boot_id":7,"seq":-1}'],
    ids=["nothing", "empty", "another boot", "never sent", "negative"],
)
def test_what_acknowledges_nothing_forgets_nothing(store: Store, payload: bytes) -> None:
    pi = Pi(store, Time(), 7)
    pi.measures(5)
    assert pi.sender.message() is not None
    pi.sender.acknowledged(payload)
    assert [frame.seq for frame in _pages(pi.frames)] == list(range(7))


def test_who_has_more_than_a_power_cut_left_us_is_believed(tmp_path: Path) -> None:
    store = Store(tmp_path / "pi.sqlite")
    Pi(store, Time(), 7).measures(5)
    store.close()
    store = Store(tmp_path / "pi.sqlite")
    pi = Pi(store, Time(), 8)
    pi.measures(1)
    pi.sender.acknowledged(log_ack_payload(LogAck(7, 60)))
    assert [(frame.boot_id, frame.seq) for frame in _pages(pi.frames)] == [(8, 0), (8, 1), (8, 2)]
    store.close()


# ------------------------------------------------------------------------------------------- what goes wrong


def _node(connection: Connection, store: Store, boot_id: int, *, most_frames: int = 10_000) -> Node:
    return Node(connection, store, Time(), boot_id, MPP_INVERTER, most_frames=most_frames)


def test_a_full_log_loses_its_oldest_part_and_says_so(store: Store, archive: Archive) -> None:
    connection = Connection(BrokerConfig("127.0.0.1", 1), "village", NODE, store)
    node = _node(connection, store, 7, most_frames=1000)
    node.live({"ac_output_active_power": 0}, None)
    archive.append(NODE, _pages(node._frames), in_order=True)  # whose acknowledgement is lost
    for number in range(2500):
        node.live({"ac_output_active_power": number}, None)
    [(count,)] = store.ask("SELECT count(*) FROM log")
    assert 950 <= count <= 1000
    frames = _pages(node._frames)
    told = [Event.parse(frame.payload) for frame in frames if frame.kind == Kind.EVENT]
    lost = [one.lost for one in told if one.lost is not None]
    assert lost and lost[-1].last_seq == frames[0].seq - 1
    assert [one.first_seq for one in lost[1:]] == [one.last_seq + 1 for one in lost[:-1]]
    promised = [one.payload for one in store.waiting(0, 1000) if b'"OVERFLOW"' in one.payload]
    assert store.counted("dropped") == frames[0].seq
    newest = next(one for one in reversed(told) if one.lost is not None)
    assert newest.event_id.encode() in promised[-1], "the broker is promised the same event"
    page = node._frames.page(1 << 30)
    assert page is not None
    archive.append(NODE, [page.data], in_order=True)
    (boot,) = archive.coverage(NODE).boots
    assert list(boot.lost) == [(3, frames[0].seq - 1)] and not boot.missing


def test_a_disk_that_takes_nothing_stops_nothing_else(
    store: Store, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    connection = Connection(BrokerConfig("127.0.0.1", 1), "village", NODE, store)
    node = _node(connection, store, 7)
    node.live({"ac_output_active_power": 1}, None)
    [(pages,)] = store.ask("PRAGMA page_count")
    store.ask(f"PRAGMA max_page_count = {pages}")
    for number in range(200):
        node.live({"ac_output_active_power": number}, None)
    assert [record.message for record in caplog.records if "not logged" in record.message] == [
        "readings are not logged: database or disk is full"
    ]
    store.ask("PRAGMA max_page_count = 1000000")
    node.live({"ac_output_active_power": 5}, None)
    frames = _pages(node._frames)
    assert [frame.seq for frame in frames] == sorted({frame.seq for frame in frames})
    assert frames[-1].kind == Kind.SLOW


def test_wherever_a_file_ends_the_log_goes_on(tmp_path: Path) -> None:
    """A file system that lost the end of the file, at a place of chance."""
    rng = random.Random(8)
    whole = tmp_path / "whole.sqlite"
    store = Store(whole)
    Pi(store, Time(), 7).measures(300)
    store.close()
    data = whole.read_bytes()
    lost = 0
    for number in range(40):
        path = tmp_path / f"{number}.sqlite"
        path.write_bytes(data[: rng.randrange(len(data))])
        store = Store(path)
        lost += store.moved_aside is not None
        pi = Pi(store, Time(), 8)
        pi.measures(3)
        frames = _pages(pi.frames)
        assert [frame.seq for frame in frames if frame.boot_id == 8] == list(range(5))
        store.close()
    assert lost > 0


# ----------------------------------------------------------------------------------- with a broker, and kills


async def test_home_assistant_gets_what_happened_while_it_was_away(
    mosquitto: Mosquitto, home: Home, store: Store
) -> None:
    connection = Connection(BrokerConfig("127.0.0.1", mosquitto.port), "village", NODE, store)
    node = Node(connection, store, Clock(None), 7, MPP_INVERTER)
    node.announce(BIRTH)
    for number in range(2000):
        node.live({"ac_output_active_power": number}, None)
    node.tell(EventType.ALARM, "SETTING_CHANGED", Severity.WARNING, {"setting": "buzzer"})
    connection.start()

    async def all_there() -> bool:
        node.pump()
        return len(home.frames.get(NODE, ())) == 2000 + 2 + 2

    await until(all_there)
    assert list(home.frames[NODE]) == [(7, seq) for seq in range(2004)], "the oldest first"
    (birth,) = home.said(NODE, topics.BIRTH)[-1:]
    assert {"ac_output_active_power", "battery_voltage", "charging"} <= set(birth.log_channels)
    assert max(sum(frame.size for frame in batch.frames) for _, batch in home.log_messages) <= MESSAGE_BYTES
    logged = [
        Event.parse(frame.payload).event_id
        for frame in home.frames[NODE].values()
        if frame.kind == Kind.EVENT
    ]
    assert logged == [event.event_id for event in home.said(NODE, topics.EVENT)], "known by their ids"
    await connection.stop()
    assert not home.refused


async def test_what_nobody_acknowledged_comes_again_when_home_assistant_is_back(
    mosquitto: Mosquitto, home: Home, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_sender, "RETAINED_S", 0.05)
    home.acknowledges = False
    connection = Connection(BrokerConfig("127.0.0.1", mosquitto.port), "village", "battery-1", store)
    node = Node(connection, store, Clock(None), 7, BATTERY)
    node.announce(BIRTH)
    node.live({"power": 1200.0}, None)
    connection.start()

    async def came(count: int) -> bool:
        node.pump()
        return len(home.log_messages) >= count

    await until(lambda: came(1))
    home.acknowledges = True
    home.announce()
    await until(lambda: came(2))
    assert home.log_messages[0][1].frames == home.log_messages[1][1].frames

    async def forgotten() -> bool:
        return node._frames.page(MESSAGE_BYTES) is None

    await until(forgotten)
    await connection.stop()


async def test_nothing_is_lost_by_kills_and_a_broker_that_is_away(
    mosquitto: Mosquitto, home: Home, tmp_path: Path
) -> None:
    path, last = tmp_path / "pi.sqlite", 1500

    def started() -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [sys.executable, "-m", "tests.daemon.logger", path, str(mosquitto.port), str(last)],
            cwd=_ROOT,
            env={**os.environ, "PYTHONPATH": f"{_ROOT}:{_ROOT / 'pi_daemon'}"},
        )

    async def reached(count: int) -> None:
        async def done() -> bool:
            return path.exists() and _made(path) >= count

        await until(done, 60)

    process = started()
    try:
        for killed_at in (200, 500, 700):
            await reached(killed_at)
            process.send_signal(signal.SIGKILL)
            process.wait()
            process = started()
        await reached(900)
        mosquitto.stop()
        await reached(1200)
        process.send_signal(signal.SIGKILL)
        process.wait()
        mosquitto.start()
        process = started()
        assert await asyncio.to_thread(process.wait, 60) == 0
    finally:
        process.kill()
        process.wait()
    frames = home.frames[NODE]
    archive_path = tmp_path / "archive"
    with Archive(archive_path, reserve_bytes=0) as archive:
        archive.append(NODE, list(frames.values()), in_order=True)
        now_us = round(datetime.now(UTC).timestamp() * 1e6)
        hour_us = 3_600_000_000
        series = archive.series(NODE, ["ac_output_active_power"], now_us - hour_us, now_us + hour_us)
        boots = archive.coverage(NODE).boots
    assert sorted(series["ac_output_active_power"].values.tolist()) == list(range(1, last + 1))
    assert len(boots) == 5
    assert all(not boot.missing and not boot.lost for boot in boots)


def _made(path: Path) -> int:
    """Return how many readings the process has made; 0 before it has a file."""
    connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    try:
        row = connection.execute("SELECT value FROM counter WHERE name = 'made'").fetchone()
    except sqlite3.OperationalError:
        return 0
    finally:
        connection.close()
    return 0 if row is None else int(row[0])
