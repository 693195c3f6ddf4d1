"""The command line `microgrid debug`, and the answers that docs/debugging.md shows of it."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import pytest

from microgrid_core.cli import main

from .debug_logs import write_archive, write_snapshots

PAGE = Path(__file__).resolve().parents[4] / "docs" / "debugging.md"
SHOWN = re.findall(r"^```\n\$ microgrid (.*)\n((?:.*\n)*?)^```", PAGE.read_text(), re.MULTILINE)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the archive `ARCHIVE` and the snapshots of a fault."""
    path = tmp_path_factory.mktemp("debug")
    write_archive(path / "ARCHIVE")
    write_snapshots(path)
    return path


def run(folder: Path, monkeypatch: pytest.MonkeyPatch, command: str) -> int:
    """Type a command in the folder."""
    monkeypatch.chdir(folder)
    words = [
        str(path)
        for word in shlex.split(command)
        for path in (sorted(folder.glob(word)) if "*" in word else [word])
    ]
    return main(words)


def test_every_question_is_shown() -> None:
    assert {command.split()[1] for command, _ in SHOWN} == {
        "inverter-trip",
        "disconnection",
        "cell-imbalance",
        "power-sharing",
    }


@pytest.mark.parametrize(("command", "shown"), SHOWN, ids=[command.split()[1] for command, _ in SHOWN])
def test_the_page_shows_what_is_answered(
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    command: str,
    shown: str,
) -> None:
    assert run(folder, monkeypatch, command) == 0
    assert capsys.readouterr().out == shown
    assert run(folder, monkeypatch, f"{command} --json") == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["summary"] == shown.splitlines()[0]
    assert len(answer["steps"]) >= 1


@pytest.mark.parametrize(
    ("command", "reason"),
    [
        ("debug cell-imbalance ARCHIVE --node house-77", "no node house-77 in the archive; it has gateway-1"),
        ("debug cell-imbalance ARCHIVE --node house-01", "logged no cells"),
        (
            "debug cell-imbalance ARCHIVE --node house-05 --from 2020-01-01 --to 2026-01-01",
            "longer than 366 days",
        ),
        (
            "debug power-sharing ARCHIVE --node house-01 --from 2026-02-01 --to 2026-01-01",
            "time range is empty",
        ),
        ("debug disconnection ARCHIVE --node house-01", "is no gateway"),
        ("debug disconnection ARCHIVE --node gateway-1 --event x", "no opening, closing or failed closing x"),
        ("debug disconnection ARCHIVE --node gateway-1 --at 2020-01-01", "within an hour"),
        ("debug inverter-trip ARCHIVE/index.db", "none of the logs holds a snapshot"),
    ],
)
def test_what_cannot_be_answered_is_told(
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    command: str,
    reason: str,
) -> None:
    assert run(folder, monkeypatch, command) == 2
    assert reason in capsys.readouterr().err


def test_hours_of_the_day_are_of_a_time_zone(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        run(folder, monkeypatch, "debug power-sharing ARCHIVE --node house-01 --timezone Nowhere")
    assert "no time zone" in capsys.readouterr().err
