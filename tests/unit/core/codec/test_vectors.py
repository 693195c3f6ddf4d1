"""The codec reads every golden log as the contract says."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from microgrid_core.codec.umg1.log import log_files, open_log

from .vectors import FOLDER, NAMES, expected, found


def in_order(rows: list[Any]) -> list[Any]:
    return sorted(rows, key=lambda row: (row["boot_id"], row["seq"], row.get("channel", 0)))


def test_there_are_vectors() -> None:
    assert {"every-kind", "damaged", "malformed", "extremes", "clock", "two-boots"} <= set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_golden_log(name: str) -> None:
    wanted, got = expected(name), found(FOLDER / f"{name}.umg1")
    assert wanted.pop("about")
    assert wanted.keys() == got.keys()
    for key in wanted:
        rows = key in ("frames", "samples", "records")
        assert (in_order(got[key]) if rows else got[key]) == (
            in_order(wanted[key]) if rows else wanted[key]
        ), key


def test_frames_come_in_the_order_of_boots_and_numbers() -> None:
    frames = found(FOLDER / "two-boots.umg1")["frames"]
    assert [(frame["boot_id"] & 0xF, frame["seq"]) for frame in frames] == [
        (2, 1),
        (2, 3),
        (2, 4),
        (1, 0),
        (1, 1),
        (1, 2),
        (1, 5),
    ]


def test_a_log_may_be_read_from_its_pieces_in_any_order(tmp_path: Path) -> None:
    data = (FOLDER / "every-kind.umg1").read_bytes()
    cut = [frame["position"] for frame in expected("every-kind")["frames"]][5]
    (tmp_path / "b.umg1").write_bytes(data[:cut])
    (tmp_path / "a.umg1").write_bytes(data[cut:])
    log = open_log(log_files([tmp_path]))
    assert log.index["seq"].tolist() == list(range(len(log.index)))
    assert not log.damaged and not log.gaps
    assert sum(1 for _ in log.frames()) == len(log.index)
