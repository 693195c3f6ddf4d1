"""The whole daemon as a process, with a pretended inverter on a terminal and a real broker."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from microgrid_core.contract import topics
from microgrid_core.contract.encode import command_payload, schedule_payload
from microgrid_core.contract.messages import Command, CommandStatus, ScheduleMode
from microgrid_core.contract.schedule import AckStatus, Interval, Schedule
from microgrid_daemon import daemon, systemd
from microgrid_daemon.cli import main
from microgrid_daemon.config import Config, InverterConfig, parse
from microgrid_daemon.log import JsonLines, about
from microgrid_daemon.originals import StoredKeeper
from microgrid_daemon.store import Store
from microgrid_daemon.transport.link import Link
from simulator.pi30.device import Device
from simulator.pi30.unit import Unit
from tests.daemon.home import Home
from tests.daemon.process import CONFIG, started
from tests.daemon.stage import until
from tests.mosquitto import Mosquitto


class Process:
    """The daemon, started and stopped."""

    def __init__(self, folder: Path, port: int, device: str) -> None:
        self.folder = folder
        self.config = folder / "daemon.toml"
        self.config.write_text(CONFIG.format(folder=folder, port=port, device=device))
        self._channel = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._channel.bind(str(folder / "notify"))
        self._channel.setblocking(False)
        self.notified: list[str] = []
        self._running: subprocess.Popen[bytes] | None = None
        self.log = folder / "log.jsonl"

    def start(self) -> None:
        with self.log.open("ab") as log:
            self._running = started(
                self.config, log, NOTIFY_SOCKET=str(self.folder / "notify"), WATCHDOG_USEC="2000000"
            )

    async def end(self, number: signal.Signals) -> int:
        assert self._running is not None
        self._running.send_signal(number)
        return await asyncio.to_thread(self._running.wait, 40)

    def told(self, message: str) -> bool:
        while True:
            try:
                self.notified.append(self._channel.recv(256).decode())
            except BlockingIOError:
                return message in self.notified

    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.log.read_text().splitlines()]

    def close(self) -> None:
        self._channel.close()
        if self._running is not None:
            self._running.kill()
            self._running.wait()


@pytest.fixture
def device() -> Device:
    """A healthy inverter."""
    return Device(Unit())


def _half_hour(now: datetime) -> datetime:
    return now.replace(minute=now.minute // 30 * 30, second=0, microsecond=0)


def _charge_now() -> bytes:
    now = datetime.now(UTC)
    start = _half_hour(now)
    intervals = tuple(
        Interval(number, start + timedelta(minutes=30 * number), ScheduleMode.CHARGE, 1200.0)
        for number in range(3)
    )
    valid_until = start + timedelta(hours=3)
    return schedule_payload(Schedule("plan", 1, now, valid_until, ScheduleMode.IDLE, intervals))


@pytest.mark.e2e
async def test_from_birth_to_goodbye_over_a_crash(
    mosquitto: Mosquitto, home: Home, device: Device, tmp_path: Path
) -> None:
    process = Process(tmp_path, mosquitto.port, device.plug_into_terminal())
    before = (device.unit.settings.output_source_priority, device.unit.settings.max_ac_charging_current)
    (tmp_path / "synchronized").touch()

    async def lives() -> bool:
        process.told("WATCHDOG=1")  # read on, the socket holds few
        return all(home.said(node, topics.LIVE) for node in ("mpp-1", "battery-1"))

    async def ready() -> bool:
        return process.told("READY=1") and process.told("WATCHDOG=1")

    async def charging() -> bool:
        return AckStatus.STARTED in statuses() and device.unit.settings.output_source_priority == 0

    def statuses() -> list[AckStatus]:
        return [one.status for one in home.said("battery-1", topics.ACK)]

    try:
        process.start()
        await until(ready)
        await until(lives)
        assert [
            birth.kind for node in ("mpp-1", "battery-1") for birth in home.said(node, topics.BIRTH)[:1]
        ] == [
            "mpp_inverter",
            "battery",
        ]
        began = _half_hour(datetime.now(UTC))
        home.say("battery-1", topics.SCHEDULE_SET, _charge_now(), retain=True)
        await until(charging)
        first = [AckStatus.RECEIVED, AckStatus.ACCEPTED, AckStatus.STARTED]
        assert statuses()[:3] == first or _half_hour(datetime.now(UTC)) != began
        assert "MUCHGC020" in device.unit.written
        # Killed in the middle of an interval: offline by its last will, and the next one goes on.
        await process.end(signal.SIGKILL)

        async def offline() -> bool:
            return all(home.said(node, topics.STATE)[-1] is False for node in ("mpp-1", "battery-1"))

        await until(offline)
        written = list(device.unit.written)
        told = {one.ack_id for one in home.said("battery-1", topics.ACK)}
        home.forget()
        process.start()
        await until(lives)
        assert device.unit.written == written, "it is so already"
        assert await process.end(signal.SIGTERM) == 0
        assert process.told("STOPPING=1")
        metrics = (tmp_path / "microgrid.prom").read_text().splitlines()
        assert 'microgrid_schedule_revision{device="battery-1"} 1.0' in metrics
        assert any(line.startswith("microgrid_outbox_depth ") for line in metrics)
        await until(offline)
    finally:
        process.close()
        device.unplug()
    after = (device.unit.settings.output_source_priority, device.unit.settings.max_ac_charging_current)
    assert after == before
    new = [one.status for one in home.said("battery-1", topics.ACK) if one.ack_id not in told]
    next_begins = _half_hour(datetime.now(UTC)) != began
    assert new == [] or next_begins, "an interval begins once; what is said again is known by its id"
    assert not home.refused
    assert process.lines()[-1]["message"] == "stopped"
    of_the_schedule = [line for line in process.lines() if line.get("schedule") == "plan"]
    assert any(line["revision"] == 1 and line["node"] == "battery-1" for line in of_the_schedule)
    assert any(line["message"] == "a schedule came, and was answered" for line in of_the_schedule)


@pytest.mark.e2e
async def test_a_command_over_a_crash_is_run_once_and_answered(
    mosquitto: Mosquitto, home: Home, device: Device, tmp_path: Path
) -> None:
    process = Process(tmp_path, mosquitto.port, device.plug_into_terminal())
    (tmp_path / "synchronized").touch()

    async def births() -> bool:
        return bool(home.said("mpp-1", topics.LIVE))

    def command(id: str, value: str) -> bytes:
        expires_at = datetime.now(UTC) + timedelta(minutes=2)
        return command_payload(Command(id, "set_output_source_priority", {"value": value}, expires_at))

    async def heard() -> bool:
        return "POP01" in device.heard

    async def answered() -> bool:
        return bool(home.said("mpp-1", topics.CMD_RESULT))

    try:
        process.start()
        await until(births)
        # It is carried out, and its consent never arrives.
        device.behaviour.loses_consent = True
        home.say("mpp-1", topics.CMD_SET, command("ha-1", "solar"))
        await until(heard)
        await process.end(signal.SIGKILL)
        device.behaviour.loses_consent = False
        assert not home.said("mpp-1", topics.CMD_RESULT)
        process.start()
        await until(answered, 60)
        home.say("mpp-1", topics.CMD_SET, command("ha-1", "solar"))

        async def again() -> bool:
            return len(home.said("mpp-1", topics.CMD_RESULT)) == 2

        await until(again)
        assert await process.end(signal.SIGTERM) == 0
    finally:
        process.close()
        device.unplug()
    first, second = home.said("mpp-1", topics.CMD_RESULT)
    assert first == second
    assert (first.id, first.status) == ("ha-1", CommandStatus.SUCCEEDED)
    assert first.values == {"requested": "solar", "actual": "solar"}
    assert device.unit.written == ["POP01"]
    about = [line["message"] for line in process.lines() if line.get("command") == "ha-1"]
    assert any("accepted" in text for text in about)
    assert any("read back after a restart" in text for text in about)
    events = [line for line in process.lines() if line.get("event")]
    assert {line["node"] for line in events} == {"mpp-1", "battery-1"}, "both said that they started"


def _config(folder: Path) -> Config:
    return parse(CONFIG.format(folder=folder, port=1, device="/dev/none"), Path("daemon.toml"), {})


async def test_a_part_that_breaks_ends_the_daemon(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def broken(_: object) -> None:
        raise RuntimeError("on purpose")

    monkeypatch.setattr(daemon.Battery, "step", broken)
    assert not await daemon.run(_config(tmp_path))
    assert "on purpose" in caplog.text
    assert "settings were not given back" in caplog.text, "there is no inverter"


async def test_a_hanging_part_starves_the_watchdog(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    told: list[str] = []
    monkeypatch.setattr(systemd, "notify", told.append)
    parts = daemon.build(_config(tmp_path))
    feeding = asyncio.create_task(daemon.feed_watchdog(parts, 0.01))
    await asyncio.sleep(0.05)
    assert set(told) == {"WATCHDOG=1"}
    parts.collectors[0].round_at_s = time.monotonic() - 2 * daemon.HANG_S
    await asyncio.sleep(0.05)
    count = len(told)
    await asyncio.sleep(0.05)
    feeding.cancel()
    assert len(told) == count
    assert "no sign of life of mpp-1" in caplog.text
    parts.store.close()


async def test_restore_needs_no_broker(tmp_path: Path, device: Device) -> None:
    path = device.plug_into_terminal()
    config = parse(CONFIG.format(folder=tmp_path, port=1, device=path), Path("daemon.toml"), {})
    assert await daemon.restore(config)
    assert device.heard == [], "nothing was changed, so nobody is asked"
    store = Store(tmp_path / daemon.STORE)
    StoredKeeper(store).remember(device.unit.serial_number, "output_source_priority", "solar")
    device.behaviour.refuses = frozenset({"POP01"})
    assert not await daemon.restore(config)
    device.behaviour.refuses = frozenset()
    assert await daemon.restore(config)
    assert device.unit.written == ["POP01"]
    StoredKeeper(store).remember(device.unit.serial_number, "output_source_priority", "sbu", "utility")
    assert await daemon.restore(config), "somebody else has set solar, which stays"
    assert device.unit.written == ["POP01"]
    StoredKeeper(store).remember(device.unit.serial_number, "output_source_priority", "sbu")
    device.unplug()
    assert not await daemon.restore(config)
    store.close()


async def test_one_device_that_breaks_keeps_no_other_from_its_way_back(
    tmp_path: Path, device: Device, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    path = device.plug_into_terminal()
    config = parse(CONFIG.format(folder=tmp_path, port=1, device=path), Path("daemon.toml"), {})
    config = replace(config, inverters=(replace(config.inverters[0], node="broken"), *config.inverters))
    store = Store(tmp_path / daemon.STORE)
    StoredKeeper(store).remember(device.unit.serial_number, "output_source_priority", "solar")
    restore_one = daemon._restore_one

    async def broken(one: InverterConfig, link: Link, store: Store) -> bool:
        if one.node == "broken":
            raise RuntimeError("on purpose")
        return await restore_one(one, link, store)

    monkeypatch.setattr(daemon, "_restore_one", broken)
    assert not await daemon.restore(config)
    assert "on purpose" in caplog.text
    assert device.unit.written == ["POP01"]
    store.close()

    async def breaks(_: object) -> None:
        os.kill(os.getpid(), signal.SIGTERM)
        raise RuntimeError("stopped on purpose")

    monkeypatch.setattr(daemon.Battery, "stop", breaks)
    monkeypatch.setattr(daemon.Battery, "step", breaks)
    caplog.set_level(logging.INFO)
    await daemon.run(config)
    assert "settings were not given back: RuntimeError: stopped on purpose" in caplog.text
    assert "stopped" in caplog.messages, "and everything else was closed"
    device.unplug()


async def test_an_inverter_that_takes_too_long_is_left_for_the_next_start(
    tmp_path: Path, device: Device, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(daemon, "RELEASE_S", 0.05)
    device.behaviour.silent = True
    path = device.plug_into_terminal()
    config = parse(CONFIG.format(folder=tmp_path, port=1, device=path), Path("daemon.toml"), {})
    store = Store(tmp_path / daemon.STORE)
    StoredKeeper(store).remember(device.unit.serial_number, "output_source_priority", "solar")
    store.close()
    assert not await daemon.restore(config)
    assert "not restored within 0.05 s" in caplog.text

    async def hangs(_: object) -> None:
        os.kill(os.getpid(), signal.SIGTERM)
        await asyncio.Event().wait()

    monkeypatch.setattr(daemon.Battery, "step", hangs)
    monkeypatch.setattr(daemon.Battery, "stop", hangs)
    assert await daemon.run(config)
    assert "settings were not given back: not done within 0.05 s" in caplog.text
    assert (tmp_path / "microgrid.prom").exists()
    device.unplug()


def test_a_damaged_file_is_told_and_a_missing_folder_is_a_refusal(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / daemon.STORE).write_bytes(b"this is no database, whatever its name says" * 100)
    daemon.build(_config(tmp_path)).store.close()
    assert "was damaged and is kept as" in caplog.text
    path = tmp_path / "daemon.toml"
    path.write_text(CONFIG.format(folder=tmp_path / "none", port=1, device="/dev/none"))
    assert main(["run", "--config", str(path)]) == 1
    assert "check the folder and its owner" in capsys.readouterr().err
    assert main(["run", "--config", str(tmp_path / "none.toml")]) == 2
    path.write_text(CONFIG.format(folder=tmp_path, port=1, device="/dev/none"))
    assert main(["restore", "--config", str(path)]) == 0


@pytest.fixture
def abstract() -> Iterator[socket.socket]:
    """A socket without a file, as some systems have it."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel:
        channel.bind(f"\0microgrid-test-{os.getpid()}")
        channel.settimeout(60)
        yield channel


def test_systemd_is_told_where_it_listens(abstract: socket.socket, tmp_path: Path) -> None:
    address = f"@microgrid-test-{os.getpid()}"
    assert systemd.notify("READY=1", {"NOTIFY_SOCKET": address})
    assert abstract.recv(64) == b"READY=1"
    assert not systemd.notify("READY=1", {})
    assert not systemd.notify("READY=1", {"NOTIFY_SOCKET": str(tmp_path / "none")})
    assert systemd.watchdog_s({"WATCHDOG_USEC": "120000000"}) == 120.0
    assert systemd.watchdog_s({"WATCHDOG_USEC": "often"}) is None
    assert systemd.watchdog_s({}) is None


def test_a_systemd_that_does_not_read_stops_nobody(abstract: socket.socket) -> None:
    address = f"@microgrid-test-{os.getpid()}"
    for _ in range(5000):
        if not systemd.notify("WATCHDOG=1", {"NOTIFY_SOCKET": address}):
            return
    pytest.fail("the socket took everything")


def test_a_line_of_the_log_is_one_object() -> None:
    record = logging.LogRecord("microgrid_daemon", logging.WARNING, "", 0, 'say "%s"\n', ("x",), None)
    record.node = "mpp-1"
    line = JsonLines().format(record)
    assert "\n" not in line
    read = json.loads(line)
    assert (read["level"], read["message"], read["node"]) == ("warning", 'say "x"\n', "mpp-1")
    with about(command="ha-1", node="other"), about(event="e-1"):
        read = json.loads(JsonLines().format(record))
    assert (read["command"], read["event"], read["node"]) == ("ha-1", "e-1", "mpp-1")
    assert "command" not in json.loads(JsonLines().format(record))
    try:
        raise ValueError("broken")
    except ValueError:
        record.exc_info = sys.exc_info()
    assert "ValueError: broken" in json.loads(JsonLines().format(record))["exception"]
