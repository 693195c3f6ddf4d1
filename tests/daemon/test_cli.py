"""The command line, as an installer uses it beside an inverter."""

from __future__ import annotations

import asyncio
import json
import runpy
import subprocess
import sys
import threading
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from microgrid_daemon.cli import inverter, main
from microgrid_daemon.transport.serial import open_serial
from simulator.pi30.device import Device
from simulator.pi30.unit import Unit

_ROOT = Path(__file__).parents[2]


class Workshop:
    """A pretended inverter on a terminal, in a thread of its own: the command line has its own event loop."""

    def __init__(self) -> None:
        self.device = Device.__new__(Device)
        self.path = ""
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        assert self._ready.wait(10)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.call_soon(self._plug)
        self._loop.run_forever()
        self._loop.close()

    def _plug(self) -> None:
        self.device = Device(Unit())
        self.path = self.device.plug_into_terminal()
        self._ready.set()

    def close(self) -> None:
        def stop() -> None:
            self.device.unplug()
            self._loop.stop()

        self._loop.call_soon_threadsafe(stop)
        self._thread.join(10)


@pytest.fixture(scope="module")
def shared() -> Iterator[Workshop]:
    """One inverter for all tests: its state is put back before each."""
    workshop = Workshop()
    yield workshop
    workshop.close()


@pytest.fixture
def workshop(shared: Workshop, monkeypatch: pytest.MonkeyPatch) -> Workshop:
    """An inverter on a serial port, and nothing on USB."""
    shared.device.unit.__init__()  # type: ignore[misc]  # as it came from the factory
    shared.device.behaviour.refuses = frozenset()
    shared.device.behaviour.fixed_answer = b""
    monkeypatch.setattr(inverter, "usb_places", list)
    return shared


def test_inverters_are_listed(workshop: Workshop, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list", "--serial", workshop.path, "--serial", "/dev/no-such-port"]) == 0
    output = capsys.readouterr().out.splitlines()
    assert output[0] == f"{workshop.path}: 92932105105315, MAX-7200 (MAX), firmware 00079.65, PI30"
    assert "No such file" in output[1]
    assert main(["list"]) == 1
    assert "no inverter answered" in capsys.readouterr().err


def test_a_question_is_answered(workshop: Workshop, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["command", "QPIGS", "--device", workshop.path]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["grid_voltage", "230.1", "V"]
    assert main(["command", "QPIGS", "--json", "--device", workshop.path]) == 0
    assert json.loads(capsys.readouterr().out)["pv_charging_power"] == 1274
    assert main(["command", "QBATCD", "--device", workshop.path]) == 0
    assert main(["command", "QMCHGCR", "--device", workshop.path]) == 0
    assert "10, 20, 30" in capsys.readouterr().out
    workshop.device.unit.warnings = "01" + "0" * 34
    assert main(["command", "QPIWS", "--device", workshop.path]) == 0
    assert "faults: inverter_fault" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("command", "why"), [("POP02", "use `microgrid-daemon set`"), ("QXYZ", "no command")]
)
def test_only_questions_are_asked(
    workshop: Workshop, capsys: pytest.CaptureFixture[str], command: str, why: str
) -> None:
    heard = len(workshop.device.heard)
    assert main(["command", command, "--device", workshop.path]) == 2
    assert why in capsys.readouterr().err
    assert len(workshop.device.heard) == heard


def test_failures_are_told(
    workshop: Workshop, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert main(["command", "QT", "--device", workshop.path]) == 1
    assert "NAK" in capsys.readouterr().err
    assert main(["command", "QMOD"]) == 1
    assert "name a serial port with --device" in capsys.readouterr().err
    several = [inverter.place_of("/dev/hidraw0"), inverter.place_of("/dev/hidraw1")]
    monkeypatch.setattr(inverter, "usb_places", lambda: several)
    assert main(["settings"]) == 1
    assert "choose with --device from /dev/hidraw0, /dev/hidraw1" in capsys.readouterr().err
    workshop.device.behaviour.fixed_answer = b"^0\x1b\xe3\r"
    assert main(["set", "buzzer", "on", "--yes", "--device", workshop.path]) == 1
    assert "PI17/PI18" in capsys.readouterr().err


def test_a_port_in_use_is_told(workshop: Workshop, capsys: pytest.CaptureFixture[str]) -> None:
    line = open_serial(workshop.path)  # as the daemon holds it
    assert main(["command", "QMOD", "--device", workshop.path]) == 1
    assert "in use by another program" in capsys.readouterr().err
    line.close()


def test_settings_are_shown(workshop: Workshop, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["settings", "--device", workshop.path]) == 0
    output = capsys.readouterr().out
    assert "output_source_priority            sbu " in output
    workshop.device.behaviour.refuses = frozenset({"QGMN", "QMN"})
    assert main(["settings", "--device", workshop.path]) == 1
    assert "nothing can be set" in capsys.readouterr().err
    assert main(["settings", "--family", "ks", "--device", workshop.path]) == 0


def test_a_setting_is_changed_and_read_back(workshop: Workshop, capsys: pytest.CaptureFixture[str]) -> None:
    def change(*words: str) -> tuple[int, str]:
        code = main(["set", *words, "--yes", "--device", workshop.path])
        output = capsys.readouterr()
        return code, output.out + output.err

    assert change("output_source_priority", "utility") == (
        0,
        "output_source_priority = utility (was sbu, read back)\n",
    )
    assert change("output_source_priority", "utility")[1].endswith("(was so already)\n")
    assert change("buzzer", "off")[0] == 0
    assert change("battery_float_voltage", "53.0")[0] == 0
    assert change("max_charging_current", "20")[0] == 0
    assert workshop.device.unit.written == ["POP00", "PDa", "PBFT53.0", "MNCHGC0020"]
    assert change("battery_float_voltage", "70")[0] == 1
    assert change("battery_float_voltage", "many")[0] == 2
    assert change("buzzer", "perhaps")[0] == 2
    assert len(workshop.device.unit.written) == 4


def test_a_change_is_asked_for(
    workshop: Workshop, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    arguments = ["set", "buzzer", "off", "--device", workshop.path]
    monkeypatch.setattr("sys.stdin.isatty", lambda: False, raising=False)
    assert main(arguments) == 2
    assert "say --yes" in capsys.readouterr().err
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    monkeypatch.setattr("builtins.input", lambda _: "no")
    assert main(arguments) == 1
    assert workshop.device.unit.written == []
    monkeypatch.setattr("builtins.input", lambda _: "yes")
    assert main(arguments) == 0
    assert workshop.device.unit.written == ["PDa"]


def test_wrong_words_name_the_right_ones(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", ["microgrid-daemon", "dance"])
    with pytest.raises(SystemExit) as stopped:
        runpy.run_module("microgrid_daemon", run_name="__main__")
    assert stopped.value.code == 2
    assert "'list'" in capsys.readouterr().err


def test_an_interruption_is_quiet(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted() -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(inverter, "usb_places", interrupted)
    assert main(["list"]) == 2
    assert capsys.readouterr().err == "microgrid-daemon: interrupted\n"


def test_the_daemon_needs_nothing_of_the_integration() -> None:
    """Nor numpy, which a Pi has no memory to spare for."""
    said = subprocess.run(
        [
            sys.executable,
            "-c",
            "import sys, microgrid_daemon.cli, microgrid_daemon.pi30.metrics;"
            "print(*(name for name in ('numpy', 'homeassistant', 'simulator') if name in sys.modules))",
        ],
        cwd=_ROOT,
        env={"PYTHONPATH": f"{_ROOT}:{_ROOT / 'pi_daemon'}"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert said.stdout.split() == []


def test_the_wheel_runs_alone(tmp_path: Path) -> None:
    """It carries the parts of the core that it imports."""
    pytest.importorskip("hatchling", reason="hatchling is missing: wheels are not built here")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", tmp_path],
        cwd=_ROOT / "pi_daemon",
        capture_output=True,
        check=True,
    )
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path / "site")
        names = archive.namelist()
    assert "microgrid_core/model/mpp_inverter.py" in names
    assert not any(name.startswith(("microgrid_core/archive", "tests")) for name in names)
    codec = {Path(name).name for name in names if name.startswith("microgrid_core/codec")}
    assert codec == {"__init__.py", "frame.py", "records.py", "schema.py", "single.py", "wire.py"}
    program = (
        f"import sys; sys.path.insert(0, {str(tmp_path / 'site')!r})\n"
        "import microgrid_core.contract.encode, microgrid_core.model.kinds, microgrid_daemon.pi30.metrics\n"
        "import microgrid_daemon.log_sender, microgrid_daemon.node_log\n"
        "from microgrid_daemon.cli import main; main(['--help'])"
    )
    said = subprocess.run(
        [sys.executable, "-I", "-S", "-c", program], capture_output=True, text=True, check=False
    )
    assert said.stdout.startswith("usage: microgrid-daemon"), said.stderr
