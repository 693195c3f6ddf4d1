"""`microgrid log` as a user meets it: what it prints, what it writes, and how it ends."""

from __future__ import annotations

import json
import os
import pty
import re
import subprocess
import sys
import xml.etree.ElementTree as ET
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from microgrid_core.cli import main
from microgrid_core.codec.umg1.log import open_log
from tests.bench.house_log import write_log
from tests.bench.signals import house

ROOT = Path(__file__).resolve().parents[4]
VECTORS = ROOT / "contract" / "vectors" / "umg1"


@dataclass(frozen=True)
class Ended:
    """How a command ended."""

    code: int
    out: str
    err: str


Run = Callable[..., Ended]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs a command line."""

    def run_it(*arguments: str | Path) -> Ended:
        try:
            code = main([str(argument) for argument in arguments])
        except SystemExit as stop:  # argparse
            code = int(stop.code or 0)
        return Ended(code, *capsys.readouterr())

    return run_it


@pytest.fixture(scope="module")
def minutes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Five minutes of a house."""
    path = tmp_path_factory.mktemp("log") / "house1.umg1"
    write_log(path, house(300))
    return path


def test_info(run: Run, minutes: Path) -> None:
    ended = run("log", "info", minutes)
    assert (ended.code, ended.err) == (0, "")
    assert "boot 5eed0001: 2023-11-14T22:13:20.000Z … 2023-11-14T22:18:08.000Z, 32 frames" in ended.out
    assert "clock within 0.4 ms" in ended.out
    assert re.search(r"fast +25 frames", ended.out)
    assert re.search(r"1 frequency +100 Hz  0\.001 Hz", ended.out)


def test_info_for_programs(run: Run, minutes: Path) -> None:
    facts = json.loads(run("log", "info", "--json", minutes).out)
    assert facts["kinds"]["slow"]["frames"] == 5
    assert facts["schemas"][0]["channels"][0]["period_ms"] == 10
    assert facts["missing_frames"] == facts["damaged_bytes"] == 0


def test_a_folder_is_one_log(run: Run, minutes: Path) -> None:
    assert run("log", "info", minutes.parent).out == run("log", "info", minutes).out


def test_verify_of_a_good_log(run: Run, minutes: Path) -> None:
    ended = run("log", "verify", minutes)
    assert ended == Ended(0, f"32 frames and {house(300).count} samples are good; nothing found\n", "")


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("damaged", ["damaged: ", "missing: boot b0070001: seq 3 … 3 (1)"]),
        ("malformed", ["seq 22 (event)", "malformed: 10 more"]),
        ("two-boots", ["missing: boot b0070002: seq 2 … 2 (1)"]),
        ("slot", ["slot.umg1: bytes 1134 … 2047 (914)", "missing: boot b0070001: seq 4 … 4 (1)"]),
    ],
)
def test_verify_finds(name: str, words: list[str], run: Run) -> None:
    ended = run("log", "verify", VECTORS / f"{name}.umg1")
    assert ended.code == 1
    for word in words:
        assert word in ended.out


def test_verify_for_programs(run: Run) -> None:
    ended = run("log", "verify", "--json", VECTORS / "damaged.umg1")
    assert ended.code == 1
    assert len(json.loads(ended.out)["findings"]["missing"]) == 5


def test_what_is_not_written_yet_of_a_slot_is_no_finding(run: Run, minutes: Path, tmp_path: Path) -> None:
    (tmp_path / "slot.umg1").write_bytes(minutes.read_bytes() + bytes(100_000))
    assert run("log", "verify", tmp_path / "slot.umg1").code == 0


def test_samples_without_their_schema(run: Run, minutes: Path, tmp_path: Path) -> None:
    data = minutes.read_bytes()
    (tmp_path / "tail.umg1").write_bytes(data[len(data) // 2 :])
    ended = run("log", "verify", tmp_path / "tail.umg1")
    assert ended.code == 1
    assert "without schema: " in ended.out


def test_repair(run: Run, tmp_path: Path) -> None:
    target = tmp_path / "good.umg1"
    ended = run("log", "repair", VECTORS / "damaged.umg1", "-o", target)
    assert ended.code == 1  # what is missing stays missing
    assert "missing: 5 place(s) could not be restored" in ended.out
    before, after = open_log([VECTORS / "damaged.umg1"]), open_log([target])
    assert [(frame.seq, frame.payload) for frame in after.frames()] == [
        (frame.seq, frame.payload) for frame in before.frames()
    ]
    assert after.damaged == []
    assert after.parts[0].header is not None


def test_repair_joins_and_sorts(run: Run, tmp_path: Path) -> None:
    data = (VECTORS / "every-kind.umg1").read_bytes()
    (tmp_path / "b.umg1").write_bytes(data[:700] + data[1000:])
    (tmp_path / "a.umg1").write_bytes(data)
    ended = run("log", "repair", tmp_path / "a.umg1", tmp_path / "b.umg1", "-o", tmp_path / "c.umg1")
    assert "12 frames" in ended.out
    assert run("log", "verify", tmp_path / "c.umg1").code == 0


def test_repair_does_not_overwrite(run: Run, minutes: Path, tmp_path: Path) -> None:
    (tmp_path / "old.umg1").write_bytes(b"precious")
    ended = run("log", "repair", minutes, "-o", tmp_path / "old.umg1")
    assert ended.code == 2
    assert "exists; --force replaces it" in ended.err
    assert (tmp_path / "old.umg1").read_bytes() == b"precious"
    assert run("log", "repair", minutes, "-o", tmp_path / "old.umg1", "--force").code == 0
    ended = run("log", "repair", minutes, "-o", minutes, "--force")
    assert ended.code == 2
    assert "is one of the inputs" in ended.err


def test_cat(run: Run) -> None:
    ended = run("log", "cat", VECTORS / "every-kind.umg1")
    assert ended.code == 0
    lines = ended.out.splitlines()
    assert len(lines) == 12
    assert lines[5] == (
        "2023-11-14T22:13:20.050Z b0070001:5 event    "
        "fault F005 raised (critical) house1-1, voltage = 260 V, temperature = -0.5 °C"
    )
    assert lines[10].endswith("overflow  moment (warning) house1-2, lost boot b0070000 seq 12 … 4711")


def test_cat_of_a_kind_and_a_time(run: Run, minutes: Path) -> None:
    ended = run(
        "log",
        "cat",
        "--kind",
        "fast",
        "--from",
        "2023-11-14T22:13:55",
        "--to",
        "2023-11-14T23:14:20+01:00",
        minutes,
    )
    assert [line.split()[0] for line in ended.out.splitlines()] == [
        "2023-11-14T22:13:56.000Z",
        "2023-11-14T22:14:08.000Z",
    ]


def test_cat_for_programs(run: Run) -> None:
    ended = run("log", "cat", "--json", VECTORS / "every-kind.umg1")
    lines = [json.loads(line) for line in ended.out.splitlines()]
    assert lines[9]["content"] == {"power": [0, 10, None, -10]}
    assert lines[6]["content"][0] == [60_000, 0x101, "00" * 8]
    assert lines[10]["content"]["lost"] == {"boot_id": 0xB0070000, "first_seq": 12, "last_seq": 4711}
    assert lines[11] == {
        "utc": "2023-11-14T22:13:20.080Z",
        "boot_id": "b0070001",
        "seq": 11,
        "mono_us": 80_000,
        "kind": "kind 200",
        "content": None,
    }


def test_cat_tells_what_is_malformed(run: Run) -> None:
    ended = run("log", "cat", VECTORS / "malformed.umg1")
    assert ended.code == 1
    assert "unknown time b0070001:22 event    malformed: 5 bytes wanted at 4, 3 left" in ended.out


@pytest.mark.parametrize(
    ("name", "files"),
    [
        ("csv", ["house1_1000ms.csv", "house1_10ms.csv", "house2_1000ms.csv"]),
        ("candump", ["out"]),
        ("comtrade", ["out.cfg", "out.dat", "out.hdr"]),
    ],
)
def test_export(name: str, files: list[str], run: Run, tmp_path: Path) -> None:
    folder = tmp_path / "made"
    folder.mkdir()
    target = folder if name == "csv" else folder / "out"
    ended = run("log", "export", "--format", name, "-o", target, VECTORS / "every-kind.umg1")
    assert (ended.code, ended.err) == (0, "")
    assert sorted(path.name for path in folder.iterdir()) == files
    assert sorted(Path(line).name for line in ended.out.splitlines()) == files


@pytest.mark.parametrize("name", ["blf", "mf4", "parquet"])
def test_export_by_other_packages(name: str, run: Run, tmp_path: Path) -> None:
    pytest.importorskip({"blf": "can", "mf4": "asammdf", "parquet": "pyarrow"}[name])
    target = tmp_path / f"out.{name}"
    ended = run("log", "export", "--format", name, "-o", target, VECTORS / "every-kind.umg1")
    assert (ended.code, ended.err) == (0, "")
    assert all(Path(line).stat().st_size for line in ended.out.splitlines())


def test_export_of_chosen_channels(run: Run, minutes: Path, tmp_path: Path) -> None:
    ended = run(
        "log",
        "export",
        "--format",
        "csv",
        "--channel",
        "voltage",
        "--to",
        "2023-11-14T22:13:44Z",
        "-o",
        tmp_path,
        minutes,
    )
    (path,) = ended.out.split()
    lines = Path(path).read_text(encoding="utf-8").splitlines()
    assert lines[0] == "utc,boot_id,mono_us,voltage [V]"
    assert len(lines) == 241


def test_plot(run: Run, minutes: Path, tmp_path: Path) -> None:
    target = tmp_path / "plot.svg"
    ended = run("log", "plot", "--channel", "frequency", "--channel", "cell_1", "-o", target, minutes)
    assert ended.code == 0
    root = ET.parse(target).getroot()
    texts = [node.text for node in root.iter("{http://www.w3.org/2000/svg}text")]
    assert "house1 frequency [Hz]" in texts
    assert "house1 cell_1 [V]" in texts
    assert "2023-11-14T22:13:20Z … 2023-11-14T22:18:19Z" in texts
    assert "22:15:00" in texts or "22:15" in texts
    curves = [
        node.get("d", "")
        for node in root.iter("{http://www.w3.org/2000/svg}path")
        if "V" in node.get("d", "")
    ]
    assert max(len(curve) for curve in curves) > 10_000


def test_plot_without_utc(run: Run, tmp_path: Path) -> None:
    ended = run("log", "plot", "-o", tmp_path / "plot.svg", VECTORS / "extremes.umg1")
    assert ended.code == 0
    assert "time since the start of the node" in (tmp_path / "plot.svg").read_text(encoding="utf-8")


def test_plot_as_png(run: Run, minutes: Path, tmp_path: Path) -> None:
    target = tmp_path / "plot.png"
    ended = run("log", "plot", "--channel", "voltage", "-o", target, minutes)
    try:
        import matplotlib  # noqa: F401 - only whether it is there
    except ImportError:
        assert ended.code == 2
        assert "PNG (SVG needs nothing) needs the package matplotlib" in ended.err
    else:
        assert ended.code == 0
        assert target.read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (["log", "info", "does-not-exist.umg1"], "does-not-exist.umg1: No such file or directory"),
        (["log", "info", str(ROOT / "docs")], "no .umg1 or .seg file in"),
        (["log", "info", str(ROOT / "LICENSE")], "no frame of a log in"),
        (["log", "info"], "the following arguments are required: LOG"),
        (["log"], "the following arguments are required: VERB"),
        (["log", "cat", "--from", "yesterday", "x"], "'yesterday' is no time such as 2026-10-01T12:00:00Z"),
        (["log", "plot", "-o", "x.gif", "{log}"], "x.gif: a picture ends in .svg or .png"),
        (["log", "plot", "--channel", "volts", "-o", "x.svg", "{log}"], "no channel 'volts'; the log has"),
        (["log", "export", "--format", "comtrade", "-o", "x", "{log}"], "the log holds no snapshot"),
        (["log", "export", "--format", "candump", "-o", "x", "{log}"], "nothing of that kind"),
        (["log", "export", "--format", "csv", "-o", "{log}", "{log}"], "File exists"),
        (
            ["log", "plot", "-o", "x.svg", "--from", "2030-01-01", "{log}"],
            "nothing of that kind in the chosen time",
        ),
    ],
)
def test_errors_name_thing_and_remedy(arguments: list[str], word: str, run: Run, minutes: Path) -> None:
    ended = run(*[argument.replace("{log}", str(minutes)) for argument in arguments])
    assert ended.code == 2
    assert word in ended.err
    assert ended.out == ""


def command(*arguments: str | Path) -> list[str]:
    return [sys.executable, "-m", "microgrid_core.cli", *map(str, arguments)]


def test_a_reader_that_has_seen_enough_is_no_fault(minutes: Path) -> None:
    shell = (
        " ".join(command("log", "cat", "--json", minutes))
        + " | head -c 100 >/dev/null; echo ${PIPESTATUS[0]}"
    )
    ended = subprocess.run(
        ["bash", "-c", shell], cwd=ROOT, capture_output=True, text=True, check=True, timeout=60
    )
    assert (ended.stdout, ended.stderr) == ("0\n", "")


def test_progress_only_for_a_person(minutes: Path) -> None:
    """A terminal gets a bar and an empty line in the end; a file gets nothing."""
    quiet = subprocess.run(
        command("log", "verify", minutes), cwd=ROOT, capture_output=True, text=True, check=True, timeout=60
    )
    assert quiet.stderr == ""
    parent, child = pty.openpty()
    subprocess.run(
        command("log", "verify", minutes), cwd=ROOT, stdout=subprocess.DEVNULL, stderr=child, check=True
    )
    os.close(child)
    shown = os.read(parent, 65536).decode()
    os.close(parent)
    assert "reading" in shown and "%" in shown
    assert shown.endswith("\r\033[K")
