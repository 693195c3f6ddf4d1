"""What `microgrid-daemon status` says of a real daemon: to people, to scripts, and when there is none."""

from __future__ import annotations

import json
import signal
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from microgrid_core.contract import topics
from microgrid_core.contract.encode import schedule_payload
from microgrid_core.contract.messages import ScheduleMode
from microgrid_core.contract.schedule import Interval, Schedule
from microgrid_daemon import status
from microgrid_daemon.cli import main
from microgrid_daemon.status import Condition, look
from simulator.pi30.device import Device
from simulator.pi30.unit import Unit
from tests.daemon.home import Home
from tests.daemon.process import CONFIG, started
from tests.daemon.stage import until
from tests.mosquitto import Mosquitto

HOUSE = """\
[[house]]
sensor = "cellar_temp"
file = "{folder}/cellar"
interval_s = 10
"""


class Running:
    """A daemon in a process of its own, and who asks how it is."""

    def __init__(self, folder: Path, text: str) -> None:
        self.config = folder / "daemon.toml"
        self.config.write_text(text)
        self.process = started(self.config)

    def ask(self, capsys: pytest.CaptureFixture[str]) -> tuple[int, dict[str, Any], str]:
        capsys.readouterr()
        code = self.call("--json")
        document = json.loads(capsys.readouterr().out)
        self.call()
        return code, document, capsys.readouterr().out

    def call(self, *words: str) -> int:
        # A parser and an event loop of its own, as at a terminal.
        codes: list[int] = []
        asking = threading.Thread(
            target=lambda: codes.append(main(["status", "--config", str(self.config), *words]))
        )
        asking.start()
        asking.join(20)
        return codes[0]

    def close(self) -> None:
        self.process.kill()
        self.process.wait()


@pytest.fixture
def device() -> Iterator[Device]:
    """A healthy inverter."""
    made = Device(Unit())
    yield made
    made.unplug()


def _schedule() -> bytes:
    now = datetime.now(UTC)
    start = now.replace(minute=now.minute // 30 * 30, second=0, microsecond=0)
    intervals = (
        Interval(1, start, ScheduleMode.IDLE),
        Interval(2, start + timedelta(minutes=30), ScheduleMode.IDLE),
    )
    return schedule_payload(
        Schedule("night", 7, now, start + timedelta(hours=2), ScheduleMode.IDLE, intervals)
    )


@pytest.mark.e2e
async def test_all_is_well_then_something_is_wrong_then_nobody_is_there(
    mosquitto: Mosquitto, home: Home, device: Device, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "synchronized").touch()
    (tmp_path / "cellar").write_text("11.5")
    text = (CONFIG + HOUSE).format(folder=tmp_path, port=mosquitto.port, device=device.plug_into_terminal())
    running = Running(tmp_path, text)
    seen: tuple[int, dict[str, Any], str] = (-1, {}, "")

    async def well() -> bool:
        nonlocal seen
        # Kept until the daemon has subscribed.
        home.say("battery-1", topics.SCHEDULE_SET, _document, retain=True)
        seen = running.ask(capsys)
        return seen[0] == 0 and seen[1]["batteries"][0]["basis"] == "interval"

    _document = _schedule()
    try:
        await until(well)
        code, document, said = seen
        assert document["condition"] == "runs"
        assert document["troubles"] == []
        assert document["pid"] == running.process.pid
        assert document["broker"]["connected"] is True
        assert document["outbox"] == {"waiting": document["outbox"]["waiting"], "dropped": 0}
        (inverter,) = document["inverters"]
        assert (inverter["serial_number"], inverter["model"]) == ("92932105105315", "MAX-7200")
        assert inverter["age_s"] <= 30.0
        (battery,) = document["batteries"]
        assert (battery["schedule_id"], battery["mode"], battery["basis"]) == ("night", "idle", "interval")
        (sensor,) = document["sensors"]
        assert (sensor["topic"], sensor["unit"]) == ("house/cellar_temp", "°C")
        assert f"127.0.0.1:{mosquitto.port}, no TLS: connected" in said
        assert "inverter  mpp-1: 92932105105315, MAX-7200 at " in said
        assert "battery   battery-1: idle (interval), schedule night revision 7 until " in said

        mosquitto.stop()
        device.unplug()

        async def wrong() -> bool:
            nonlocal seen
            seen = running.ask(capsys)
            return seen[0] == 1 and not seen[1]["broker"]["connected"] and seen[1]["inverters"][0]["trouble"]

        await until(wrong)
        code, document, said = seen
        assert "NOT CONNECTED" in said
        assert "WRONG     mpp-1: " in said
        assert any("connection" in line["message"] for line in document["errors"])
        assert "\nlog       " in said

        running.process.send_signal(signal.SIGKILL)
        running.process.wait()
        code, document, said = running.ask(capsys)
        assert (code, document["condition"]) == (3, "stopped")
        assert said.startswith(
            "microgrid-daemon does not run. Start it: sudo systemctl start microgrid-daemon"
        )
    finally:
        running.close()


def test_whoever_says_nothing_for_long_hangs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = tmp_path / "daemon.toml"
    config.write_text((CONFIG + HOUSE).format(folder=tmp_path, port=1, device="/dev/none"))
    path = tmp_path / status.STATUS

    def written(ago_s: float) -> Condition:
        status.write(tmp_path, {"version": "1"})
        document = json.loads(path.read_text())
        path.write_text(json.dumps({**document, "written_s": time.monotonic() - ago_s}))
        return look(path).condition

    assert written(1.0) is Condition.RUNS
    assert written(29.0) is Condition.RUNS
    assert written(31.0) is Condition.HANGS
    assert main(["status", "--config", str(config)]) == 3
    assert "It has said nothing for 31 s: sudo systemctl restart microgrid-daemon" in capsys.readouterr().out
    assert written(-100.0) is Condition.STOPPED, "it is of an earlier boot"
    assert path.stat().st_mode & 0o777 == 0o644


@pytest.mark.parametrize(
    "content",
    ["", "{", "[1]", "[" * 20_000, '{"pid":1}', '{"pid":true,"written_s":1}', "\0"],
    ids=lambda content: content[:9],
)
def test_a_file_that_nobody_can_read_is_a_daemon_that_does_not_run(content: str, tmp_path: Path) -> None:
    path = tmp_path / status.STATUS
    path.write_text(content)
    assert look(path).condition is Condition.STOPPED
    assert look(tmp_path / "none").condition is Condition.STOPPED


def test_the_status_survives_a_document_of_another_release(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = tmp_path / "daemon.toml"
    config.write_text((CONFIG + HOUSE).format(folder=tmp_path, port=1, device="/dev/none"))
    strange: dict[str, Any] = {
        "version": "9",
        "broker": [],
        "outbox": None,
        "inverters": [1, {}],
        "batteries": {},
        "sensors": [{}],
    }
    status.write(tmp_path, strange)
    assert main(["status", "--config", str(config)]) == 0
    assert "microgrid-daemon 9 runs" in capsys.readouterr().out


def test_it_is_found_where_systemd_puts_it() -> None:
    assert status.folder_for(Path("/data"), {"RUNTIME_DIRECTORY": "/run/microgrid"}) == status.RUN_FOLDER
    assert status.folder_for(Path("/data"), {}) == Path("/data")
