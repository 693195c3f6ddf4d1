"""Cards that are changed, damaged or cut off cost what was damaged, and nothing else."""

from __future__ import annotations

import os
import random
from pathlib import Path

import pytest

from microgrid_core.archive.append import Gap
from microgrid_core.codec.umg1.log import open_log
from script.lab.broker import find_mosquitto
from tests.cluster.home import wait_until
from tests.cluster.stage import (
    Stage,
    assert_complete,
    assert_logs_go_on,
    await_new_boot,
    boots_of,
    on_card,
    stop,
)

SECTOR = 512

pytestmark = pytest.mark.skipif(find_mosquitto() is None, reason="Mosquitto is missing: run script/bootstrap")


def test_another_card(stage: Stage, tmp_path: Path) -> None:
    """The node begins a log on it; what it had said on the old one stays said."""
    assert_complete(stage, ["house-01"])
    node = stage.nodes["house-01"]
    before = boots_of(stage, node.node)
    stop(node)
    node.card.rename(tmp_path / "card")
    node.start()
    await_new_boot(stage, node.node, before)
    assert_complete(stage, ["house-01"])


def test_damage_on_a_card_costs_what_was_damaged(stage: Stage) -> None:
    """A sector that was not pulled yet cannot be read any more; home finds out which frames are lost."""
    node = stage.nodes["house-03"]
    assert_complete(stage, [node.node])
    stop(stage.gateway)
    # One stays behind the damage: of a start whose last frames are gone nobody knows that they were.
    wait_until(lambda: len(on_card(node)) >= len(stage.home.arrived[node.node]) + 4, "more frames", 60.0, 1.0)
    stop(node)
    log = open_log([node.card / "log.umg"])
    at = len(stage.home.arrived[node.node]) + 1
    sector = int(log.index["position"][at]) // SECTOR * SECTOR
    ends = log.index["position"] + log.index["size"]
    hit = log.index[(log.index["position"] < sector + SECTOR) & (ends > sector)]
    lost = {(int(row["boot"]), int(row["seq"])) for row in hit}
    assert 1 <= len(lost) <= 2 and not lost & set(stage.home.arrived[node.node])
    with (node.card / "log.umg").open("r+b") as file:
        file.seek(sector)
        file.write(random.Random(3).randbytes(SECTOR))
    node.start()
    stage.gateway.start()
    assert_complete(stage, [node.node], lost=lost, timeout_s=120.0)
    gone = {(gap.boot_id, seq) for gap in stage.home.gaps[node.node] for seq in ranged(gap)}
    assert gone == lost


def ranged(gap: Gap) -> range:
    """Return the seqs of a gap."""
    return range(gap.first_seq, gap.last_seq + 1)


def test_a_log_that_was_cut_off_is_gone_on_with(stage: Stage) -> None:
    """The end and most of the room of the file are missing, also of what home has: fsck may leave it so."""
    node = stage.nodes["house-02"]
    assert_complete(stage, [node.node])
    before = boots_of(stage, node.node)
    stop(node)
    log = open_log([node.card / "log.umg"])
    at = len(stage.home.arrived[node.node]) - 4
    os.truncate(node.card / "log.umg", int(log.index["position"][at]) + 20)
    node.start()
    await_new_boot(stage, node.node, before)
    assert_complete(stage, [node.node], chained=False)


def test_the_logs_of_all_houses_go_on(stage: Stage) -> None:
    """Whatever happened to their cards."""
    assert_logs_go_on(stage)
