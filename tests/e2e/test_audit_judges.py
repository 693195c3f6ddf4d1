"""The audit's own judges: each finds what was made wrong on purpose."""

from __future__ import annotations

from pathlib import Path

import pytest

from microgrid_core.archive.archive import Archive
from microgrid_core.codec.umg1.frame import Frame, Scan
from microgrid_core.model.kinds import KINDS
from simulator.ledger import Truth
from simulator.twins.log import NodeLog
from simulator.twins.recorder import schema
from tests.e2e.audit import Books, archive_faults, deviations

pytestmark = pytest.mark.e2e

NODE = "house-01"
HOURS = {"2026-11-21T10:00:00Z": 2000.0, "2026-11-21T11:00:00Z": 3000.0}


@pytest.fixture
def written(tmp_path: Path) -> list[Frame]:
    """Two boots of a node."""
    (tmp_path / "log").mkdir()
    path = tmp_path / "log" / f"{NODE}.umg1"
    log = NodeLog(path, schema(NODE, "gateway-1", KINDS["house"], 10_000), lambda: 1_794_787_200_000_000)
    for boot_id in (0xB1, 0xB2):
        log.begin(boot_id)
    log.close()
    return list(Scan(path.read_bytes()))


def faults(tmp_path: Path, stored: list[Frame]) -> list[str]:
    """Archive some frames and judge."""
    with Archive(tmp_path / "archive") as archive:
        archive.append(NODE, stored)
    books = Books.open(tmp_path / "log", tmp_path / "no-ledger")
    return archive_faults(books, tmp_path / "archive", tmp_path / "copy")


def test_a_whole_archive_is_whole(tmp_path: Path, written: list[Frame]) -> None:
    assert faults(tmp_path, [*written, *written[:2]]) == []


@pytest.mark.parametrize("gone", [1, 4, 5])
def test_a_missing_frame_is_found(tmp_path: Path, written: list[Frame], gone: int) -> None:
    assert any("missing" in fault for fault in faults(tmp_path, [*written[:gone], *written[gone + 1 :]]))


def test_frames_that_lie_there_twice_are_found(tmp_path: Path, written: list[Frame]) -> None:
    assert faults(tmp_path, written) == []
    (file,) = (tmp_path / "archive" / "log" / NODE).glob("*.umg1")
    file.write_bytes(file.read_bytes() + written[4].encode())
    books = Books.open(tmp_path / "log", tmp_path / "no-ledger")
    assert archive_faults(books, tmp_path / "archive", tmp_path / "again") == [
        f"{NODE}: 5 frames for 4 positions: some are double"
    ]


def test_a_boot_that_never_was_is_found(tmp_path: Path, written: list[Frame]) -> None:
    path = tmp_path / "log" / f"{NODE}.umg1"
    path.write_bytes(path.read_bytes()[: written[3].position])
    assert faults(tmp_path, written) == [f"{NODE}: 1 invented boots: [{0xB2}]"]


def test_a_frame_that_only_the_ledger_knows_is_found(tmp_path: Path, written: list[Frame]) -> None:
    books = Books.open(tmp_path / "log", tmp_path / "no-ledger")
    assert Books(books.frames, Truth(last_seq={(NODE, 0xB1): 2, (NODE, 0xB2): 2}), ()).unwritten() == []
    assert len(Books(books.frames, Truth(last_seq={(NODE, 0xB2): 3}), ()).unwritten()) == 1


@pytest.mark.parametrize(
    ("got", "wrong"),
    [
        ({}, []),
        ({"2026-11-21T10:00:00Z": 2003.0}, []),
        ({"2026-11-21T10:00:00Z": 2003.2}, ["2026-11-21T10:00:00Z"]),
        ({"2026-11-21T11:00:00Z": 2990.0}, ["2026-11-21T11:00:00Z", "all"]),
        ({"2026-11-21T10:00:00Z": 1990.0, "2026-11-21T11:00:00Z": 3010.0}, list(HOURS)),
        ({"2026-11-21T11:00:00Z": None}, ["2026-11-21T11:00:00Z", "all"]),
    ],
)
def test_an_hour_that_is_off_is_found(got: dict[str, float | None], wrong: list[str]) -> None:
    hours = {hour: energy for hour, energy in {**HOURS, **got}.items() if energy is not None}
    assert [told.split()[2].rstrip(":") for told in deviations(NODE, "load_energy", HOURS, hours)] == wrong
