"""Nothing is raised where nothing is wrong: recorded systems, and hours of a simulated neighbourhood."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from microgrid_core.gx.tree import Tree
from microgrid_core.gx.value import Address, Told
from microgrid_core.health.subject import DeviceSubject, NodeSubject, Subject
from microgrid_core.model.swarm import Node, Swarm
from simulator.gx.site import SimulatedSite
from simulator.physics.neighbourhood import BATTERY, HEAT_PUMP, MPP, Neighbourhood
from tests.unit.core.health.worlds import GxWorld, World

RECORDINGS = os.environ.get("MICROGRID_RECORDINGS")
KIND_OF = {MPP: "mpp_inverter", BATTERY: "battery", HEAT_PUMP: "heat_pump"}
HOURS = 8.0


class Recorded(World):
    """A recorded system."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.tree = Tree(monotonic=lambda: self.monotonic_s, wall=lambda: self.utc_s)
        self.tree.pushed = True
        self._begun_s = self.monotonic_s
        self._rows: list[tuple[float, Address, object]] = []
        for number, file in enumerate(sorted(folder.glob("*.jsonl"))):
            head, *lines = file.read_text(encoding="utf-8").splitlines()
            service = json.loads(head)["service"].split(".")[2]
            for line in lines:
                row = json.loads(line)
                self._rows.append((row["t"], Address(service, number, row["path"]), row["value"]))
        self._rows.sort(key=lambda row: row[0])
        self.length_s = self._rows[-1][0]
        self._position = 0
        self.every_step.append(self._play)

    def subjects(self) -> Iterable[Subject]:
        return [DeviceSubject("gx-1", self.tree, device) for device in self.tree.devices.values()]

    def _play(self) -> None:
        self.tree.alive()
        while self._position < len(self._rows):
            when, address, value = self._rows[self._position]
            if when > self.monotonic_s - self._begun_s:
                break
            self.tree.tell(address, Told(value))  # type: ignore[arg-type]
            self._position += 1


@pytest.mark.parametrize("system", ["p", "u"])
@pytest.mark.skipif(
    not RECORDINGS, reason="MICROGRID_RECORDINGS names no folder: RECORDED SYSTEMS NOT CHECKED"
)
def test_recorded_systems_raise_nothing(system: str) -> None:
    world = Recorded(Path(str(RECORDINGS)) / "victron" / system)
    world.run(world.length_s + 20.0)
    # What it says last goes on to hold: an hour in which nothing happens is not an anomaly either.
    world.run(3600.0)
    assert world.findings == []
    print(
        f"{system}: {len(list(world.subjects()))} devices, {len(world.tree)} paths, {world.length_s} s, 1 h"
    )


def test_the_made_up_station_raises_nothing_in_hours() -> None:
    world = GxWorld()
    world.put({"battery/512/Dc/0/Current": -4.0})
    assert world.run(6.0 * 3600.0) == []


@pytest.mark.parametrize("current_a", [-60.0, -13.0, 60.0])
def test_a_battery_whose_capacity_is_what_is_left_raises_nothing(current_a: float) -> None:
    """Drivers of many batteries tell what is installed beside it."""
    world = GxWorld()
    world.put({"battery/512/InstalledCapacity": 300.0, "battery/512/Dc/0/Current": current_a})
    world.every_step.append(
        lambda: world.put({"battery/512/Capacity": 3.0 * world.get("battery/512/Soc")}),
    )
    assert world.run(1.75 * 3600.0) == []


class Station(World):
    """The fake GX that the demo shows, moved by the physics."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        self.site = SimulatedSite(seed, wall=lambda: self.utc_s)
        self.tree = Tree(monotonic=lambda: self.monotonic_s, wall=lambda: self.utc_s)
        self.tree.pushed = True
        self.every_step.append(self._live)
        for address in self.site.station.items:
            self._tell(address)
        self.site.station.listen(self._tell)

    def subjects(self) -> Iterable[Subject]:
        return [DeviceSubject("gx-1", self.tree, device) for device in self.tree.devices.values()]

    def _tell(self, address: Address) -> None:
        self.tree.tell(address, Told(self.site.station.items[address].value))

    def _live(self) -> None:
        self.site.step(10.0, 10.0)
        self.tree.alive()
        for address, item in self.site.station.items.items():
            if item.computed is not None and round(self.monotonic_s) % 300 == 0:
                self.tree.tell(address, Told(item.read()))


@pytest.mark.parametrize(
    "seed", [3, pytest.param(1, marks=pytest.mark.slow), pytest.param(2, marks=pytest.mark.slow)]
)
def test_the_simulated_station_raises_nothing(seed: int) -> None:
    world = Station(seed)
    charges = {world.tree.value("battery", "/Soc")}
    world.every_step.append(lambda: charges.add(world.tree.value("battery", "/Soc")))
    world.run(HOURS * 3600.0)
    print(f"seed {seed}: {len(world.tree)} paths, {HOURS:g} h, {len(charges)} states of charge")
    assert [(f.rule.id, f.subject, f.state.value, f.value) for f in world.findings] == []
    assert len(charges) > 20


class Simulated(World):
    """The swarm of a simulated neighbourhood."""

    def __init__(self, seed: int, day_of_year: int) -> None:
        super().__init__()
        self.site = Neighbourhood(
            houses=4, clusters=2, seed=seed, day_of_year=day_of_year, start_s=6.0 * 3600.0
        )
        self.swarm = Swarm(
            "home",
            "Home",
            monotonic=lambda: self.monotonic_s,
            utc_now=lambda: datetime.fromtimestamp(self.utc_s, UTC),
        )
        self.kinds = Counter[str]()
        for name in self.site.nodes:
            kind = KIND_OF.get(name, "house" if name.startswith("house") else "gateway")
            node = self.swarm.ensure(name, kind, name, missed_intervals=100.0)
            assert isinstance(node, Node)
            self.kinds[kind] += 1
        self.lowest_charge = 100.0
        self.every_step.append(self._live)

    def subjects(self) -> Iterable[Subject]:
        return [NodeSubject(node) for node in self.swarm.nodes.values()]

    def _live(self) -> None:
        self.site.step(10.0, 10.0)
        for name in self.site.nodes:
            node = self.swarm.nodes[name]
            self.swarm.take(node, self.site.values(name), datetime.fromtimestamp(self.utc_s, UTC))
            charge = node.values.get("state_of_charge")
            if isinstance(charge, (int, float)):
                self.lowest_charge = min(self.lowest_charge, charge)
        self.swarm.tick()


@pytest.mark.parametrize(
    ("seed", "day_of_year"),
    [
        pytest.param(2, 20),
        pytest.param(1, 100, marks=pytest.mark.slow),
        pytest.param(3, 190, marks=pytest.mark.slow),
    ],
)
def test_a_simulated_neighbourhood_raises_nothing(seed: int, day_of_year: int) -> None:
    world = Simulated(seed, day_of_year)
    world.run(HOURS * 3600.0)
    told = [(f.rule.id, f.subject, f.state.value, f.value, f.time_s - 1_790_000_000) for f in world.findings]
    print(
        f"seed {seed}, day {day_of_year}: {HOURS:g} h, {dict(world.kinds)}, least {world.lowest_charge:.0f} %"
    )
    assert told == []
