"""A cluster for each file of tests: with its home, or on a bus that behaves badly."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from microgrid_core.codec.can_dbc import GATEWAY
from script.lab.broker import Broker
from tests.cluster.bad_bus import Trouble
from tests.cluster.cluster import SWARM, Cluster, Watched
from tests.cluster.home import Home, wait_until
from tests.cluster.rig import ALL_HOUSES, ALONE_S, Rig, Start, islands
from tests.cluster.stage import Stage

HERE = Path(__file__).parent
RIGS = ("test_troubled_bus.py", "test_babbling_node.py", "test_erring_nodes.py")
"""A flooded bus and its relay take the processor that others need to beat in time: one of them at a time."""


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """For `--dist loadgroup`: files stay in one piece, and those with a rig follow each other."""
    for item in items:
        if item.path.parent == HERE:
            group = "rigs" if item.path.name in RIGS else item.path.stem
            item.add_marker(pytest.mark.xdist_group(group))


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """A cluster in office, and a home that listens."""
    folder = tmp_path_factory.mktemp("home")
    broker = Broker(folder / "broker")
    asyncio.run(broker.up())
    home = Home(broker.port, folder / "archive", SWARM)
    cluster = Cluster(folder, broker.address)
    try:
        cluster.settle()
        made = Stage(broker, home, cluster)
        wait_until(lambda: home.arrived.keys() == made.nodes.keys(), "the logs of all", 30.0)
        yield made
        assert not home.refused
    finally:
        cluster.close()
        home.close()
        broker.kill()


@pytest.fixture(scope="module")
def power_on(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Rig, Start]]:
    rig = Rig(tmp_path_factory.mktemp("bus"), islands([GATEWAY], ALL_HOUSES))
    try:
        alone = rig.cluster.watch(ALONE_S)
        with_time = rig.cluster.world.link.clocks.of_houses.count
        rig.bus.set(Trouble())
        joined = Watched(0.0)
        boots = rig.cluster.settle(found=joined)
        yield rig, Start(alone, with_time, joined, boots)
    finally:
        rig.close()


@pytest.fixture
def rig(power_on: tuple[Rig, Start]) -> Iterator[Rig]:
    """Each test begins with a good bus and leaves everybody alive, with the start it had."""
    made, start = power_on
    yield made
    assert made.cluster.settle() == start.boots, "somebody was started anew"
