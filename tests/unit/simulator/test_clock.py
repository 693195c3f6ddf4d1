"""The clock that a lab shares: from the past into the present, faster in between, the same for everybody."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from simulator.clock import Clock, SharedClock
from simulator.simulation import Settings, Simulation
from simulator.twins.connection import Broker

DAY_S = 86_400.0


def behind(seconds: float, speed: float) -> Clock:
    """A clock that began now, so much behind the present, and runs faster ten seconds later."""
    begun = Clock.beginning(time.time() - seconds, speed)
    return replace(begun, faster_from_s=begun.monotonic_s + 10.0)


def test_it_runs_as_usual_then_faster_then_as_usual_again() -> None:
    clock = behind(DAY_S, 100.0)
    begin = clock.monotonic_s
    assert clock.elapsed_s(begin + 4.0) == pytest.approx(4.0)
    assert clock.elapsed_s(begin + 10.0 + 5.0) == pytest.approx(10.0 + 500.0)
    assert clock.pace_at(begin + 5.0) == 1.0
    assert clock.pace_at(begin + 11.0) == 100.0
    # A day takes 864 s, and what passes meanwhile is caught up as well: 99 seconds each second.
    caught_up = begin + 10.0 + DAY_S / 99.0
    assert clock.pace_at(caught_up - 1.0) == 100.0
    assert clock.pace_at(caught_up + 1.0) == 1.0
    present = time.time() - time.monotonic()
    assert clock.utc_at_s(caught_up + 60.0) == pytest.approx(present + caught_up + 60.0, abs=0.05)


def test_it_has_caught_up_however_the_clock_of_the_machine_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = behind(DAY_S, 100.0)
    later = clock.monotonic_s + 2000.0
    shown = clock.utc_at_s(later)
    monkeypatch.setattr("simulator.clock._real_time", lambda: time.time() - 3600.0)
    assert clock.caught_up_at(later)
    assert not clock.caught_up_at(clock.monotonic_s + 11.0)
    assert clock.utc_at_s(later) == shown


def test_it_never_steps_back() -> None:
    clock = behind(1000.0, 50.0)
    shown = [clock.utc_at_s(clock.monotonic_s + 0.1 * tick) for tick in range(600)]
    assert all(later > earlier for earlier, later in pairwise(shown))


def test_a_clock_that_is_not_behind_runs_as_usual() -> None:
    clock = behind(0.0, 50.0)
    assert clock.elapsed_s(clock.monotonic_s + 20.0) == pytest.approx(20.0, abs=0.05)


def test_everybody_reads_the_same_and_sees_when_it_runs_faster(tmp_path: Path) -> None:
    path = tmp_path / "clock.json"
    clock = Clock.beginning(time.time() - DAY_S, 1000.0)
    clock.write(path)
    one, other = SharedClock(path), SharedClock(path)
    before_s, between_s, after_s = one.utc_s(), other.utc_s(), one.utc_s()
    assert before_s - 0.001 <= between_s <= after_s + 0.001
    assert one.pace() == 1.0
    replace(clock, faster_from_s=time.monotonic()).write(path)
    time.sleep(SharedClock.LOOK_S + 0.05)
    assert one.pace() == other.pace() == 1000.0
    assert one.elapsed_s() > 100.0


def test_nodes_live_by_the_shared_clock(tmp_path: Path) -> None:
    """Physics, counters, logs and messages agree on what time it is, and nothing is left out."""
    path = tmp_path / "clock.json"
    begin = datetime(2026, 3, 1, tzinfo=UTC)
    clock = Clock.beginning(begin.timestamp(), 600.0)
    fast = replace(clock, faster_from_s=clock.monotonic_s)
    fast.write(path)
    nowhere = Broker("127.0.0.1", 9)
    settings = Settings(broker=nowhere, houses=1, clusters=1, speed=600.0, shared_clock=path)
    simulation = Simulation(settings)
    house = simulation.site.houses
    simulation.start()
    began_s = time.monotonic()
    while simulation.site.time_s < 1500.0:
        assert time.monotonic() < began_s + 60.0, "it does not go on"
        time.sleep(0.1)
    simulation.stop()

    lived_s = simulation.site.time_s
    now_s = simulation.node_time_us() / 1e6
    assert lived_s <= fast.utc_at_s(time.monotonic()) - begin.timestamp()
    before_s = now_s - lived_s - begin.timestamp()
    assert 0.0 <= before_s <= 600.0 * (began_s - clock.monotonic_s)
    told = simulation._by_name["house-01"].live().time
    assert told is not None
    assert now_s - 1.0 < told.timestamp() < fast.utc_at_s(time.monotonic()) + 1.0
    used_wh = float(house.energy["load"][0])
    assert used_wh > 50.0 * lived_s / 3600.0  # counted in the time of the nodes, not in ours


def test_only_one_clock_counts(tmp_path: Path) -> None:
    path: Any = tmp_path / "clock.json"
    path.write_text(json.dumps({}))
    with pytest.raises(ValueError, match="a shared clock is the only one"):
        Settings(shared_clock=path, clock_us=1)
