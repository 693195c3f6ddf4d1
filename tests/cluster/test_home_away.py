"""Broker and home that are away, deaf or full: what they missed arrives, once and in order."""

from __future__ import annotations

import asyncio
import time

import pytest

from script.lab.broker import find_mosquitto
from tests.cluster.stage import Stage, assert_complete

pytestmark = pytest.mark.skipif(find_mosquitto() is None, reason="Mosquitto is missing: run script/bootstrap")


def test_the_broker_dies_and_home_does_not_acknowledge(
    stage: Stage, capsys: pytest.CaptureFixture[str]
) -> None:
    home = stage.home
    home.silent = True
    time.sleep(10.0)
    home.silent, home.disk_refuses = False, True
    home.leave()
    time.sleep(10.0)
    stage.broker.kill()
    home.come_back()
    time.sleep(10.0)
    asyncio.run(stage.broker.up())
    time.sleep(5.0)
    places = {name: len(home.arrived[name]) for name in stage.nodes}
    home.disk_refuses = False
    took = assert_complete(stage, timeout_s=120.0)
    with capsys.disabled():
        came = {name: len(home.arrived[name]) - before for name, before in places.items()}
        print(f"\nafter half a minute without acknowledgements {came} frames came within {took:.1f} s;")
        print(f"frames that came again: {dict(home.repeated)}")
    assert home.repeated.total() > 0, "what was not acknowledged was not sent again"
