"""The command line `microgrid query` on an archive, as an operator types it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from microgrid_core.archive.archive import Archive
from microgrid_core.archive.patterns.catalogue import PATTERNS
from microgrid_core.cli import main
from tests.unit.core.archive.logs import DAY_US, START_US, Node

DAY = ["--from", "2026-11-16T00:00", "--to", "2026-11-17T00:00"]
NEEDED = {"cluster_state": ["--node", "h1", "--at", "2026-11-16T00:01:30"]}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An archive of one house with three faults."""
    path = tmp_path_factory.mktemp("archive")
    node = Node(seed=3)
    frames = [*node.start(), *node.minutes(3)]
    for _ in range(3):
        node.mono_us -= 20_000_000
        frames.append(node.event("F010"))
    with Archive(path, reserve_bytes=0, now_us=lambda: START_US + DAY_US) as archive:
        archive.append("h1", frames)
        archive.roll_up()
    return path


@pytest.mark.parametrize("pattern", PATTERNS)
def test_every_pattern_answers_people_and_programs(
    folder: Path, pattern: str, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["query", pattern, str(folder), *DAY, *NEEDED.get(pattern, [])]
    assert main(command) == 0
    assert capsys.readouterr().out.strip()
    assert main([*command, "--json"]) == 0
    assert isinstance(json.loads(capsys.readouterr().out), dict)


def test_what_people_read(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["query", "faults", str(folder), *DAY, "--code", "F010", "--severity", "critical"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 3
    assert lines[0].split()[:4] == ["2026-11-16T00:02:00.000Z", "h1", "F010", "critical"]
    assert main(["query", "recurring_faults", str(folder), *DAY, "--timezone", "Europe/Berlin"]) == 0
    assert "F010   3 times" in (line := capsys.readouterr().out)
    assert "20 s … 20 s apart" in line
    assert "most often from 01:00 (3)" in line
    assert main(["query", "cluster_state", str(folder), *DAY, *NEEDED["cluster_state"], "--before", "3"]) == 0
    told = capsys.readouterr().out
    assert "cluster c1, 2026-11-16T00:01:30.000Z" in told
    assert "inverter_frequency" in told
    assert main(["query", "faults", str(folder), *DAY, "--code", "F001"]) == 0
    assert capsys.readouterr().out == "nothing from 2026-11-16T00:00:00.000Z to 2026-11-17T00:00:00.000Z\n"


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["cluster_state"], "name the id of a fault"),
        (["cluster_state", "--event", "nobody"], "no fault or alarm nobody"),
        (["faults", "--node", "h7"], "no node h7 in the archive; it has h1"),
        (["frequency_outside_band", "--low", "51", "--high", "50"], "is empty"),
        (["recurring_faults", "--times", "1"], "at least twice"),
    ],
)
def test_what_cannot_be_answered_is_told(
    folder: Path, arguments: list[str], reason: str, capsys: pytest.CaptureFixture[str]
) -> None:
    pattern, *options = arguments
    assert main(["query", pattern, str(folder), *DAY, *options]) == 2
    assert reason in capsys.readouterr().err


def test_wrong_usage(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for options in (
        ["--timezone", "Mars/Phobos"],
        ["--low", "50"],
        ["--from", "yesterday"],
        ["--window", "inf"],
        ["--window", "week"],
    ):
        with pytest.raises(SystemExit):
            main(["query", "recurring_faults", str(folder), *options])
    assert main(["query", "faults", str(tmp_path)]) == 2
    assert "holds no archive" in capsys.readouterr().err


@pytest.mark.parametrize("index", [b"", b"torn" * 512], ids=["empty", "torn"])
@pytest.mark.parametrize("command", [["query", "faults"], ["debug", "cell-imbalance", "--node", "h1"]])
def test_an_index_that_cannot_be_read_is_told(
    index: bytes, command: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "index.db").write_bytes(index)
    assert main([*command, str(tmp_path)]) == 2
    assert "the index of the archive cannot be read" in capsys.readouterr().err
