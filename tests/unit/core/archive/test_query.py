"""Questions while others write, over ranges, and what they cost."""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import pytest

from microgrid_core.archive.archive import read_only
from microgrid_core.archive.query import tier_for
from microgrid_core.archive.retention import Retention
from microgrid_core.archive.rollup import DAY, HOUR, MINUTE
from microgrid_core.archive.store import LogFiles

from .compare import EVER_S, EVER_US, assert_roll_ups, assert_samples
from .conftest import Disk
from .logs import DAY_US, HOUR_US, MINUTE_US, SECOND_US, START_US, Node, truth


@pytest.mark.parametrize(
    ("start", "end"),
    [
        (0, 1),
        (0, MINUTE_US),
        (59 * SECOND_US, 61 * SECOND_US),
        (5 * MINUTE_US + 1, HOUR_US - 1),
        (-DAY_US, DAY_US),
    ],
)
def test_a_range_has_its_samples_and_no_others(disk: Disk, start: int, end: int) -> None:
    node = Node(drift_ppb=15_000, missing=0.1)
    frames = [*node.start(), *node.minutes(90)]
    archive = disk.open()
    archive.append("h1", frames)
    found = archive.series(
        "h1", ["inverter_frequency", "exchange_power", "nonsense"], START_US + start, START_US + end
    )
    for name in ("inverter_frequency", "exchange_power"):
        samples = truth(frames)[name]
        inside = (samples.times_us >= START_US + start) & (samples.times_us < START_US + end)
        if not inside.any():
            assert name not in found
            continue
        assert np.array_equal(found[name].times_us, samples.times_us[inside])
        assert np.array_equal(found[name].values, samples.values[inside])
    assert "nonsense" not in found


def test_pieces_join_to_the_whole(disk: Disk) -> None:
    node = Node(missing=0.1)
    archive = disk.open()
    archive.append("h1", [*node.start(), *node.minutes(50)])
    whole = archive.series("h1", None, *EVER_US)
    parts = list(archive.queries.stream("h1", None, *EVER_US, piece_us=7 * MINUTE_US))
    assert len(parts) > 6
    for name, series in whole.items():
        assert np.array_equal(
            np.concatenate([part[name].values for part in parts if name in part]), series.values
        )


def test_a_short_range_reads_little_of_a_long_log(disk: Disk, monkeypatch: pytest.MonkeyPatch) -> None:
    node = Node()
    archive = disk.open()
    archive.append("h1", [*node.start(), *node.minutes(300)])
    total = archive.sizes().log
    read = []
    real = LogFiles.read

    def counted(path: Path, offset: int, size: int) -> bytes:
        read.append(size)
        return real(path, offset, size)

    monkeypatch.setattr(LogFiles, "read", staticmethod(counted))
    middle = START_US + 150 * MINUTE_US
    assert (
        archive.series("h1", ["exchange_power"], middle, middle + MINUTE_US)["exchange_power"].values.size
        == 60
    )
    assert 0 < sum(read) < total / 8


def test_unknown_nodes_have_nothing(disk: Disk) -> None:
    archive = disk.open()
    assert archive.series("h9", None, *EVER_US) == {}
    assert archive.history("h9", None, *EVER_S, MINUTE) == {}
    assert archive.coverage("h9").boots == ()
    assert archive.events("h9") == []
    assert archive.acknowledged("h9") is None
    assert archive.nodes() == []
    assert archive.schemas("h9") == {}
    assert archive.channels("h9") == {}


def test_the_resolution_follows_the_points_wanted() -> None:
    assert tier_for(0, 3600, 100) is MINUTE
    assert tier_for(0, 86_400 * 7, 500) is HOUR
    assert tier_for(0, 86_400 * 365, 500) is DAY
    assert tier_for(0, 86_400 * 365, 1) is DAY


def test_coverage_tells_the_holes_in_time(disk: Disk) -> None:
    node = Node()
    first = [*node.start(), *node.minutes(5)]
    lost = list(node.minutes(10))
    later = list(node.minutes(5))
    archive = disk.open()
    archive.append("h1", first + later)
    coverage = archive.coverage("h1")
    assert coverage.boots[0].missing == ((lost[0].seq, lost[-1].seq),)
    (_, end), (start, _) = coverage.samples_us
    assert (end - START_US) // MINUTE_US == 5
    assert (start - START_US) // MINUTE_US == 15
    assert coverage.boots[0].acknowledged == first[-1].seq


def test_the_growth_of_a_counter_over_an_outage_is_not_lost(disk: Disk) -> None:
    node = Node(seed=8)
    frames = [*node.start(), *node.minutes(2)]
    gone = list(node.minutes(4 * 60))
    frames += list(node.minutes(2))
    archive = disk.open()
    archive.append("h1", frames)
    assert gone
    assert_roll_ups(archive, frames)
    late = archive.history("h1", ["energy_exported"], START_US // SECOND_US + 4 * 3600, EVER_S[1], MINUTE)
    whole = archive.history("h1", ["energy_exported"], *EVER_S, MINUTE)
    assert late["energy_exported"].gain.tolist() == whole["energy_exported"].gain[2:].tolist()


def test_readers_see_whole_states_while_others_write_and_delete(disk: Disk) -> None:
    node = Node()
    frames = [*node.start(), *node.minutes(120)]
    archive = disk.open(segment_bytes=6000)
    stop = threading.Event()
    failures: list[BaseException] = []

    def read() -> None:
        seen = 0
        while not stop.is_set():
            try:
                series = archive.series("h1", ["exchange_power"], *EVER_US)
                count = series["exchange_power"].values.size if series else 0
                assert count % 60 == 0
                assert count >= seen
                seen = count
                found = archive.queries.history("h1", ["exchange_power"], *EVER_S, MINUTE)
                assert all((part.count == 60).all() for part in found.values())
                archive.coverage("h1")
            except BaseException as error:
                failures.append(error)
                return

    threads = [threading.Thread(target=read) for _ in range(2)]
    for thread in threads:
        thread.start()
    try:
        for at in range(0, len(frames), 7):
            archive.append("h1", frames[at : at + 7])
            if at % 70 == 0:
                archive.roll_up()
                archive.enforce_retention()
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert failures == []
    assert_samples(archive, frames)
    archive.retention = Retention(raw_bytes=1)
    archive.enforce_retention()
    assert len(disk.files()) == 1  # the one that grows
    assert_roll_ups(archive, frames)


def test_another_process_may_read_beside_the_writer(disk: Disk, tmp_path: Path) -> None:
    node = Node()
    frames = [*node.start(), *node.minutes(3), node.event()]
    archive = disk.open()
    archive.append("h1", frames)
    archive.roll_up()
    with read_only(disk.folder) as queries:
        assert queries.nodes() == ["h1"]
        assert queries.series("h1", ["exchange_power"], *EVER_US)["exchange_power"].values.size == 180
        assert queries.history("h1", ["exchange_power"], *EVER_S, MINUTE)["exchange_power"].count.sum() == 180
        assert len(queries.events()) == 1
        archive.append("h1", node.minutes(1))
        assert queries.series("h1", ["exchange_power"], *EVER_US)["exchange_power"].values.size == 240
    with pytest.raises(FileNotFoundError, match="holds no archive"), read_only(tmp_path):
        pass
