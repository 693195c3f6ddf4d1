"""Nodes that were away, or cut off from power: what lies on their cards arrives, once and in order."""

from __future__ import annotations

import random
import time

import pytest

from script.lab.broker import find_mosquitto
from tests.cluster.stage import Stage, assert_complete, stop

KILLS = 8
MANY_KILLS = 50
AWAY_S = 30.0
LONG_AWAY_S = 600.0

pytestmark = pytest.mark.skipif(find_mosquitto() is None, reason="Mosquitto is missing: run script/bootstrap")


@pytest.mark.parametrize(
    "seconds",
    [AWAY_S, pytest.param(LONG_AWAY_S, marks=pytest.mark.slow)],
    ids=lambda seconds: f"{seconds:g} s",
)
def test_a_gateway_that_was_away_brings_what_houses_kept(
    stage: Stage, seconds: float, capsys: pytest.CaptureFixture[str]
) -> None:
    stop(stage.gateway)
    places = {name: len(stage.home.arrived[name]) for name in stage.nodes}
    time.sleep(seconds)
    assert places == {name: len(stage.home.arrived[name]) for name in stage.nodes}
    stage.gateway.start()
    took = assert_complete(stage, timeout_s=120.0)
    with capsys.disabled():
        came = {name: len(stage.home.arrived[name]) - before for name, before in places.items()}
        print(f"\nafter {seconds:g} s without gateway {came} frames came within {took:.1f} s")


@pytest.mark.parametrize("kills", [KILLS, pytest.param(MANY_KILLS, marks=pytest.mark.slow)])
def test_power_cuts_lose_nothing_that_was_on_a_card(
    stage: Stage, kills: int, capsys: pytest.CaptureFixture[str]
) -> None:
    chance = random.Random(kills)
    killed = list[str]()
    for _ in range(kills):
        time.sleep(chance.uniform(0.2, 4.0))
        node = chance.choice(list(stage.nodes.values()))
        node.kill()
        killed.append(node.node)
        time.sleep(chance.uniform(0.0, 0.5))
        node.start()
    took = assert_complete(stage, timeout_s=120.0)
    with capsys.disabled():
        print(f"\nkilled {', '.join(killed)}; all there {took:.1f} s afterwards")
