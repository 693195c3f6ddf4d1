"""The live swarm: order, repetition, staleness, faults, and what it tells its listeners."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, strategies as st

from microgrid_core.contract.messages import (
    Birth,
    EventState,
    EventType,
    Live,
    NodeEvent,
    NodeKind,
    Severity,
)
from microgrid_core.contract.reading import Rejection, RejectReason
from microgrid_core.model.metric import Metric
from microgrid_core.model.swarm import (
    MAX_NODES,
    OTHER_KEYS,
    AvailabilityChanged,
    Change,
    EventReceived,
    FaultsChanged,
    MetricsAdded,
    NodeChanged,
    NodeRemoved,
    Swarm,
    ValuesChanged,
)

HOUSE = Birth(kind=NodeKind.HOUSE, name="House 1", boot_id=1, metrics=("load_power",))
GATEWAY = Birth(kind=NodeKind.GATEWAY, name="Gateway A", boot_id=1)


class World:
    """A swarm with a clock of its own, and all that it told."""

    def __init__(self) -> None:
        """Start with an empty swarm."""
        self.now_s = 1000.0
        self.told: list[Change] = []
        self.swarm = self.start()

    def start(self, **more: Any) -> Swarm:
        """A swarm that tells us everything."""
        self.swarm = Swarm("demo", "Demo", monotonic=lambda: self.now_s, utc_now=self.utc_now, **more)
        self.swarm.subscribe(self.told.append)
        return self.swarm

    def utc_now(self) -> datetime:
        """The time of day."""
        return datetime(2026, 6, 1, tzinfo=UTC) + timedelta(seconds=self.now_s)

    def pass_time(self, seconds: float) -> None:
        """Let time pass, with a tick each second."""
        end = self.now_s + seconds
        while self.now_s < end:
            self.now_s = min(end, self.now_s + 1.0)
            self.swarm.tick()

    def of(self, *kinds: type[Change]) -> list[Change]:
        """What was told of these kinds since the last question; the site left out."""
        found = [c for c in self.told if isinstance(c, kinds) and c.node is not self.swarm.site]
        self.told.clear()
        return found


@pytest.fixture
def world() -> World:
    """A world with one house that is online."""
    made = World()
    made.swarm.announce("house-1", HOUSE)
    made.swarm.set_online("house-1", True)
    made.told.clear()
    return made


def live(seq: int, boot_id: int = 1, faults: tuple[str, ...] | None = None, **values: Any) -> Live:
    """A live message."""
    return Live(boot_id, seq, None, values, faults)


def event(
    event_id: str,
    code: str = "F001",
    state: EventState = EventState.RAISED,
    kind: EventType = EventType.FAULT,
    severity: Severity = Severity.WARNING,
) -> NodeEvent:
    """An event."""
    return NodeEvent(event_id, kind, state, code, severity, 1, 1, None, {})


def reason(answer: object) -> RejectReason | None:
    """Why it was refused."""
    return answer.reason if isinstance(answer, Rejection) else None


# ---- order -------------------------------------------------------------------------------------------------


def test_repeated_and_late_messages_are_left_out(world: World) -> None:
    swarm = world.swarm
    assert swarm.live("house-1", live(5, load_power=500)) is None
    assert reason(swarm.live("house-1", live(5, load_power=600))) is RejectReason.DUPLICATE
    assert reason(swarm.live("house-1", live(4, load_power=700))) is RejectReason.OUTDATED
    assert swarm.nodes["house-1"].values["load_power"] == 500
    assert swarm.rejected == {RejectReason.DUPLICATE: 1, RejectReason.OUTDATED: 1}


def test_a_new_boot_starts_over_and_the_old_one_is_late(world: World) -> None:
    swarm = world.swarm
    swarm.live("house-1", live(900, boot_id=1, load_power=1))
    assert swarm.live("house-1", live(0, boot_id=2, load_power=2)) is None
    assert reason(swarm.live("house-1", live(901, boot_id=1, load_power=3))) is RejectReason.OUTDATED
    assert swarm.live("house-1", live(1, boot_id=2, load_power=4)) is None
    assert swarm.nodes["house-1"].values["load_power"] == 4


def restarted_gateway(world: World, seqs: Iterable[int], boot_id: int = 1) -> list[RejectReason | None]:
    """What becomes of messages about a house, counted from anew."""
    return [reason(world.swarm.live("house-1", live(seq, boot_id, load_power=seq))) for seq in seqs]


def test_a_count_that_starts_again_is_believed_once_three_messages_agree(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    late = RejectReason.OUTDATED
    world.swarm.live("house-1", live(1_780_000_000, load_power=500))
    assert restarted_gateway(world, [1, 2, 3, 4]) == [late, late, None, None]
    assert world.swarm.nodes["house-1"].values["load_power"] == 4
    world.swarm.live("house-1", live(1_780_000_000))
    assert restarted_gateway(world, [1, 2, 3]) == [late, late, None]
    assert [record.levelname for record in caplog.records] == ["WARNING"], "it is told once"
    assert "house-1 went back from boot 1, message 1780000000, to boot 1, message 3" in caplog.text


@pytest.mark.parametrize("seqs", [[3, 2, 1, 2], [1, 1, 1, 1], [1, 1, 2, 2]])
def test_late_messages_that_do_not_rise_stay_late(world: World, seqs: list[int]) -> None:
    world.swarm.live("house-1", live(900))
    assert set(restarted_gateway(world, seqs)) == {RejectReason.OUTDATED}


def test_late_messages_between_good_ones_stay_late(world: World) -> None:
    for seq in range(1, 20):
        assert world.swarm.live("house-1", live(900 + seq)) is None
        assert restarted_gateway(world, [seq]) == [RejectReason.OUTDATED]


def test_a_stray_message_does_not_end_the_boot_that_the_birth_names(world: World) -> None:
    late = RejectReason.OUTDATED
    world.swarm.live("house-1", live(5, boot_id=1))
    world.swarm.live("house-1", live(1, boot_id=999))
    assert restarted_gateway(world, [6, 7, 8, 9], boot_id=1) == [late, late, None, None]
    assert set(restarted_gateway(world, range(10), boot_id=999)) == {late}


def test_a_new_birth_brings_its_boot_back(world: World) -> None:
    world.swarm.live("house-1", live(5, boot_id=1))
    world.swarm.live("house-1", live(1, boot_id=999))
    world.swarm.announce("house-1", replace(HOUSE, time=world.utc_now()))
    assert world.swarm.live("house-1", live(6, boot_id=1)) is None
    assert reason(world.swarm.live("house-1", live(2, boot_id=999))) is RejectReason.OUTDATED


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 6)), max_size=30))
def test_in_whatever_order_messages_come_time_never_runs_backwards(order: list[tuple[int, int]]) -> None:
    """But for a sender that keeps to a lower count, of the running boot or of that which the birth names."""
    world = World()
    world.swarm.announce("house-1", HOUSE)
    running, newest, ended = None, -1, set[int]()
    row: list[tuple[int, int]] = []  # late messages since the last one shown, as long as they rise
    for boot_id, seq in order:
        shown = world.swarm.live("house-1", live(seq, boot_id)) is None
        if boot_id == running and seq == newest:
            assert not shown, "a repetition"
            continue
        if boot_id in ended if boot_id != running else seq < newest:
            may_insist = boot_id in (running, HOUSE.boot_id)
            if may_insist and row[-1:] != [(boot_id, seq)]:
                rises = bool(row) and row[-1][0] == boot_id and row[-1][1] < seq
                row = [*(row if rises else ()), (boot_id, seq)]
            assert shown == (may_insist and len(row) >= 3), "time ran backwards"
        else:
            assert shown
        if shown:
            if running is not None and boot_id != running:
                ended.add(running)
            ended.discard(boot_id)
            running, newest, row = boot_id, seq, []


def test_unknown_nodes_and_the_site_are_refused(world: World) -> None:
    swarm = world.swarm
    for node_id in ("house-9", "site"):
        assert reason(swarm.live(node_id, live(1))) is RejectReason.UNKNOWN_NODE
        assert reason(swarm.set_online(node_id, True)) is RejectReason.UNKNOWN_NODE
        assert reason(swarm.event(node_id, event("e"))) is RejectReason.UNKNOWN_NODE
    assert swarm.rejected == {RejectReason.UNKNOWN_NODE: 6}
    assert reason(swarm.announce("site", HOUSE)) is RejectReason.BAD_NODE_ID
    assert swarm.site.available


# ---- births ------------------------------------------------------------------------------------------------


def test_a_repeated_birth_tells_nothing(world: World) -> None:
    world.swarm.announce("house-1", HOUSE)
    assert world.told == []


def test_a_changed_birth_is_told_and_keeps_the_values(world: World) -> None:
    world.swarm.live("house-1", live(1, load_power=5))
    world.told.clear()
    world.swarm.announce("house-1", Birth(kind=NodeKind.HOUSE, name="Home", boot_id=2, parent="gateway-a"))
    node = world.swarm.nodes["house-1"]
    assert world.of(NodeChanged, NodeRemoved) == [NodeChanged(node, False)]
    assert (node.name, node.parent_id, node.values["load_power"]) == ("Home", "gateway-a", 5)
    assert world.swarm.children("gateway-a") == [node]


def test_a_node_of_another_kind_is_a_new_node(world: World) -> None:
    old = world.swarm.nodes["house-1"]
    world.swarm.announce("house-1", Birth(kind=NodeKind.BATTERY, name="Shed", boot_id=1))
    new = world.swarm.nodes["house-1"]
    assert world.of(NodeChanged, NodeRemoved) == [NodeRemoved(old), NodeChanged(new, True)]


@pytest.mark.parametrize("parent", ["house-1", "site"])
def test_a_node_is_not_its_own_parent(world: World, parent: str) -> None:
    world.swarm.announce("house-1", Birth(kind=NodeKind.HOUSE, name="Odd", boot_id=1, parent=parent))
    assert world.swarm.nodes["house-1"].parent_id is None


def test_invented_nodes_come_to_an_end() -> None:
    swarm = World().swarm
    answers = [swarm.announce(f"n{number}", HOUSE) for number in range(MAX_NODES + 5)]
    assert len(swarm.nodes) == MAX_NODES
    assert [reason(answer) for answer in answers[-6:]] == [RejectReason.BAD_NODE_ID] * 6


def test_declared_metrics_are_shown_with_those_that_follow_from_them() -> None:
    world = World()
    world.swarm.announce(
        "house-1", Birth(kind=NodeKind.HOUSE, name="H", boot_id=1, metrics=("battery_voltage", "no_such"))
    )
    (added,) = world.of(MetricsAdded)
    assert isinstance(added, MetricsAdded)
    assert [metric.key for metric in added.metrics] == ["battery_voltage", "battery_power"]


def test_retiring_forgets_the_node_and_its_counters(world: World) -> None:
    world.swarm.live("house-1", live(1, load_energy=1000.0))
    assert list(world.swarm.counter_states()) == ["house-1/load_energy"]
    world.swarm.retire("house-1")
    world.swarm.retire("house-1")
    world.swarm.retire("site")
    assert len(world.of(NodeRemoved)) == 1
    assert world.swarm.counter_states() == {}
    assert list(world.swarm.nodes) == ["site"]


# ---- values ------------------------------------------------------------------------------------------------


def test_implausible_and_unknown_values_are_counted_and_the_others_taken(world: World) -> None:
    world.swarm.live("house-1", live(1, load_power=500, state_of_charge=101, nonsense=1))
    node = world.swarm.nodes["house-1"]
    assert node.values == {"load_power": 500}
    assert node.values_rejected == {"state_of_charge": 1, "nonsense": 1}


def test_null_withdraws_a_value_and_what_follows_from_it(world: World) -> None:
    world.swarm.live("house-1", live(1, battery_voltage=52.0, battery_current=10.0))
    node = world.swarm.nodes["house-1"]
    assert node.values["battery_power"] == 520.0
    world.swarm.live("house-1", live(2, battery_current=None))
    assert node.values == {"battery_voltage": 52.0}


def test_a_derived_value_cannot_be_sent(world: World) -> None:
    world.swarm.live("house-1", live(1, battery_power=9.0))
    assert "battery_power" not in world.swarm.nodes["house-1"].values
    assert world.swarm.nodes["house-1"].values_rejected == {"battery_power": 1}


def test_only_what_differs_is_told_as_changed(world: World) -> None:
    world.swarm.live("house-1", live(1, load_power=500, state_of_charge=50))
    world.told.clear()
    world.swarm.live("house-1", live(2, load_power=501, state_of_charge=50))
    (change,) = world.of(ValuesChanged)
    assert isinstance(change, ValuesChanged)
    assert change.keys == {"load_power"}


def test_counters_are_guarded_by_our_clock(world: World) -> None:
    """A node whose clock was not set jumps by decades when it is: no licence for a glitch."""
    swarm = world.swarm
    for seq, (time, count) in enumerate(
        [(datetime(1971, 1, 1, tzinfo=UTC), 1000.0), (datetime(2026, 6, 1, tzinfo=UTC), 9e9)]
    ):
        swarm.live("house-1", Live(1, seq, time, {"load_energy": count}))
    node = swarm.nodes["house-1"]
    assert node.values["load_energy"] == 1000.0
    assert node.values_rejected == {"load_energy": 1}


def test_counters_go_on_after_a_restart_of_the_receiver(world: World) -> None:
    world.swarm.live("house-1", live(1, load_energy=900_000.0))
    states = world.swarm.counter_states()
    swarm = world.start(counters=states)
    swarm.announce("house-1", HOUSE)
    assert swarm.counter_states() == states
    swarm.live("house-1", live(2, load_energy=5.0))  # a glitch
    assert swarm.nodes["house-1"].values["load_energy"] == 900_000.0


def test_the_clock_of_a_node_is_compared_with_ours(world: World) -> None:
    world.swarm.live("house-1", Live(1, 1, world.utc_now() + timedelta(seconds=90), {}))
    assert world.swarm.nodes["house-1"].clock_offset_s == 90.0
    world.swarm.live("house-1", live(2))
    assert world.swarm.nodes["house-1"].clock_offset_s is None


def test_conclusions_are_no_sign_of_life(world: World) -> None:
    world.pass_time(10)
    node = world.swarm.nodes["house-1"]
    assert not node.available
    world.swarm.conclude(node, {"load_power": 5, "nonsense": 1})
    assert (node.values, node.available) == ({"load_power": 5}, False)


def test_the_site_can_be_given_metrics(world: World) -> None:
    metric = Metric(key="house_attic_temp", component="sensors")
    world.swarm.define(world.swarm.site, metric)
    world.swarm.define(world.swarm.site, metric)
    world.swarm.conclude(world.swarm.site, {"house_attic_temp": 31.0})
    assert [change for change in world.told if isinstance(change, MetricsAdded)] == [
        MetricsAdded(world.swarm.site, (metric,))
    ]
    assert world.swarm.site.values["house_attic_temp"] == 31.0
    world.pass_time(5)
    assert world.swarm.site.values["house_attic_temp"] == 31.0
    assert world.swarm.site.available


# ---- values that are told no more --------------------------------------------------------------------------


def told_each_second(world: World, seconds: int, first_seq: int, **more: Any) -> None:
    """A house that always tells its load, and perhaps more."""
    for seq in range(first_seq, first_seq + seconds):
        world.swarm.live("house-1", live(seq, load_power=500, **more))
        world.pass_time(1)


def test_a_value_that_is_told_no_more_is_withdrawn_with_what_follows_from_it(world: World) -> None:
    node = world.swarm.nodes["house-1"]
    told_each_second(world, 20, 1, battery_voltage=52.0, battery_current=10.0, load_energy=9000.0)
    world.swarm.announce("house-1", replace(HOUSE, boot_id=2))
    for seq in range(100):
        world.swarm.live("house-1", live(seq, boot_id=2, load_power=500, battery_voltage=52.0))
        world.pass_time(1)
        if seq == 50:
            assert node.values["battery_power"] == 520.0, "a minute is too soon"
    assert node.values == {"load_power": 500, "battery_voltage": 52.0, "load_energy": 9000.0}
    assert world.swarm.counter_states().keys() == {"house-1/load_energy"}
    world.swarm.live("house-1", live(100, boot_id=2, battery_current=2.0))
    assert node.values["battery_power"] == 104.0


def test_a_value_that_is_implausible_for_long_is_withdrawn(world: World) -> None:
    told_each_second(world, 1, 1, state_of_charge=99.8)
    told_each_second(world, 50, 2, state_of_charge=100.4)
    assert world.swarm.nodes["house-1"].values["state_of_charge"] == 99.8
    told_each_second(world, 20, 52, state_of_charge=100.4)
    assert "state_of_charge" not in world.swarm.nodes["house-1"].values


def test_a_value_that_is_told_seldom_stays(world: World) -> None:
    """A quarter of an hour apart, from the first time on, and also after it came twice in a row once."""
    for quarter in range(4):
        more: dict[str, Any] = {"mosfet_temperature_1": 40.0 + quarter}
        world.swarm.live("house-1", live(10_000 * quarter + 1, **more))
        world.swarm.live("house-1", live(10_000 * quarter + 2, **(more if quarter == 2 else {})))
        for second in range(900):
            world.swarm.live("house-1", live(10_000 * quarter + 3 + second, load_power=500))
            world.pass_time(1)
            assert world.swarm.nodes["house-1"].values["mosfet_temperature_1"] == 40.0 + quarter


def test_an_outage_does_not_make_a_value_a_slow_one(world: World) -> None:
    told_each_second(world, 20, 1, state_of_charge=50)
    world.pass_time(7200)
    told_each_second(world, 20, 100, state_of_charge=50)
    told_each_second(world, 75, 200)
    assert "state_of_charge" not in world.swarm.nodes["house-1"].values


def test_ten_intervals_of_a_slow_node_may_pass(world: World) -> None:
    world.swarm.announce("house-1", replace(HOUSE, interval_s=60.0))
    seq = 0
    for seq in range(1, 20):
        world.swarm.live("house-1", live(seq, load_power=500, state_of_charge=50))
        world.pass_time(60)
    for more in range(1, 10):
        world.swarm.live("house-1", live(seq + more, load_power=500))
        world.pass_time(60)
        assert "state_of_charge" in world.swarm.nodes["house-1"].values
    world.pass_time(70)
    assert "state_of_charge" not in world.swarm.nodes["house-1"].values


def test_what_was_worked_out_is_withdrawn_by_who_did(world: World) -> None:
    node = world.swarm.nodes["house-1"]
    world.swarm.conclude(node, {"health": 90.0})
    told_each_second(world, 100, 1)
    assert node.values["health"] == 90.0


# ---- availability ------------------------------------------------------------------------------------------


def test_three_missed_intervals_make_a_node_stale_and_one_message_brings_it_back(world: World) -> None:
    node = world.swarm.nodes["house-1"]
    world.swarm.live("house-1", live(1))
    world.pass_time(3)
    assert node.available
    world.pass_time(1)
    assert not node.available
    world.pass_time(60)
    assert len(world.of(AvailabilityChanged)) == 1
    world.swarm.live("house-1", live(2))
    assert node.available
    assert len(world.of(AvailabilityChanged)) == 1


def test_the_last_will_counts_at_once(world: World) -> None:
    node = world.swarm.nodes["house-1"]
    world.swarm.live("house-1", live(1))
    world.swarm.set_online("house-1", False)
    assert not node.available
    world.swarm.set_online("house-1", False)
    world.swarm.set_online("house-1", True)
    assert node.available
    assert len(world.of(AvailabilityChanged)) == 2


def test_a_node_is_there_only_with_birth_and_state() -> None:
    world = World()
    world.swarm.announce("house-1", HOUSE)
    assert not world.swarm.nodes["house-1"].available
    world.swarm.live("house-1", live(1))
    assert not world.swarm.nodes["house-1"].available
    world.swarm.set_online("house-1", True)
    assert world.swarm.nodes["house-1"].available


def test_a_node_tells_its_own_interval() -> None:
    world = World()
    world.swarm.announce("house-1", Birth(kind=NodeKind.HOUSE, name="H", boot_id=1, interval_s=60.0))
    world.swarm.set_online("house-1", True)
    world.pass_time(180)
    assert world.swarm.nodes["house-1"].available
    world.pass_time(2)
    assert not world.swarm.nodes["house-1"].available


def test_nodes_without_births_are_there_once_they_speak() -> None:
    world = World()
    node = world.swarm.ensure("heat_pump_1", "heat_pump", "Heat pump 1", missed_intervals=2.5)
    assert not isinstance(node, Rejection)
    assert not node.available
    world.swarm.take(node, {"voltage": 230.0}, world.utc_now())
    assert node.available
    world.pass_time(750)
    assert node.available
    world.pass_time(2)
    assert not node.available
    assert world.swarm.ensure("heat_pump_1", "heat_pump", "Another") is node
    assert reason(world.swarm.ensure("heat_pump_1", "battery", "No")) is RejectReason.BAD_NODE_ID


# ---- events ------------------------------------------------------------------------------------------------


def test_an_event_is_told_once(world: World) -> None:
    assert world.swarm.event("house-1", event("e1")) is None
    assert reason(world.swarm.event("house-1", event("e1"))) is RejectReason.DUPLICATE
    world.swarm.announce("house-2", HOUSE)
    assert world.swarm.event("house-2", event("e1")) is None  # ids are unique at their node
    assert len(world.of(EventReceived)) == 2


@pytest.mark.parametrize("kind", [EventType.FAULT, EventType.ALARM])
def test_faults_and_alarms_are_active_until_cleared(world: World, kind: EventType) -> None:
    node = world.swarm.nodes["house-1"]
    raised = event("e1", kind=kind)
    world.swarm.event("house-1", raised)
    assert node.faults == {"F001": raised}
    worse = event("e2", kind=kind, severity=Severity.CRITICAL)
    world.swarm.event("house-1", worse)
    assert node.faults == {"F001": worse}
    world.swarm.event("house-1", event("e3", kind=kind, state=EventState.CLEARED))
    world.swarm.event("house-1", event("e4", kind=kind, state=EventState.CLEARED))
    assert node.faults == {}
    assert len(world.of(FaultsChanged)) == 3


def test_other_events_make_no_fault(world: World) -> None:
    world.swarm.event("house-1", event("e1", kind=EventType.CONTACTOR))
    world.swarm.event("house-1", event("e2", state=EventState.MOMENT))
    assert world.swarm.nodes["house-1"].faults == {}


def test_live_tells_which_faults_are_active_but_not_which_alarms(world: World) -> None:
    node = world.swarm.nodes["house-1"]
    world.swarm.event("house-1", event("e1", "F001"))
    world.swarm.event("house-1", event("e2", "A100", kind=EventType.ALARM))
    world.swarm.live("house-1", live(1, faults=("F002",)))
    assert set(node.faults) == {"F002", "A100"}
    world.told.clear()
    world.swarm.live("house-1", live(2, faults=("F002",)))
    world.swarm.live("house-1", live(3))
    assert world.of(FaultsChanged) == []
    world.swarm.live("house-1", live(0, boot_id=2, faults=()))  # a new boot knows nothing of old alarms
    assert node.faults == {}


def test_invented_names_and_codes_come_to_an_end(world: World) -> None:
    node = world.swarm.nodes["house-1"]
    for seq in range(1, 9):
        values = {f"invented_{seq}_{number}": 1 for number in range(256)}
        world.swarm.live("house-1", Live(1, seq, None, {**values, "state_of_charge": 101}))
    assert len(node.values_rejected) <= 64 + 2
    assert node.values_rejected["invented_1_0"] == 1
    assert node.values_rejected[OTHER_KEYS] == 8 * 256 - 64
    assert node.values_rejected["state_of_charge"] == 8
    for number in range(100):
        world.swarm.event("house-1", event(f"e{number}", f"F{number:03d}"))
        world.swarm.event("house-1", event(f"a{number}", f"A{number:03d}", kind=EventType.ALARM), late=True)
    assert list(node.faults) == [f"F{number:03d}" for number in range(32)]
    world.swarm.event("house-1", event("worse", "F000", severity=Severity.CRITICAL))
    assert node.faults["F000"] is not None
    assert node.faults["F000"].severity is Severity.CRITICAL
    world.swarm.event("house-1", event("end", "F000", EventState.CLEARED))
    world.swarm.event("house-1", event("one more", "F099"))
    assert list(node.faults)[-1] == "F099"
    world.swarm.live("house-1", live(100, faults=()))
    world.swarm.settle("house-1")
    assert list(node.faults) == [f"A{number:03d}" for number in range(68, 100)]
    assert world.swarm.rejected == {}


# ---- sums --------------------------------------------------------------------------------------------------


def test_a_gateway_shows_the_sum_of_its_houses(world: World) -> None:
    world.swarm.announce("gateway-a", GATEWAY)
    world.swarm.announce("house-1", Birth(kind=NodeKind.HOUSE, name="H", boot_id=1, parent="gateway-a"))
    world.swarm.live("house-1", live(1, inverter_power=700.0))
    world.swarm.tick()
    assert world.swarm.nodes["gateway-a"].values["cluster_power"] == 700.0
    assert world.swarm.site.values["nodes_online"] == 1


def test_what_a_gateway_measures_itself_is_not_overwritten(world: World) -> None:
    world.swarm.announce(
        "gateway-a", Birth(kind=NodeKind.GATEWAY, name="G", boot_id=1, metrics=("cluster_power",))
    )
    world.swarm.live("gateway-a", live(1, cluster_power=123.0))
    world.swarm.tick()
    assert world.swarm.nodes["gateway-a"].values["cluster_power"] == 123.0
    assert world.swarm.nodes["gateway-a"].values["houses_online"] == 0


def test_the_site_counts_messages(world: World) -> None:
    world.swarm.live("house-1", live(1, load_power="much"))
    world.swarm.live("house-1", live(1))
    world.swarm.tick()
    counted = {key: world.swarm.site.values[key] for key in ("messages_received", "messages_rejected")}
    assert counted == {"messages_received": 3, "messages_rejected": 1}
    assert world.swarm.site.values["values_rejected"] == 1


def test_a_listener_may_leave_while_it_is_told(world: World) -> None:
    heard: list[Change] = []

    def once(change: Change) -> None:
        heard.append(change)
        leave()

    leave = world.swarm.subscribe(once)
    world.swarm.live("house-1", live(1, load_power=1))
    world.swarm.live("house-1", live(2, load_power=2))
    assert len(heard) == 1


def test_many_events_are_remembered_but_not_for_ever(world: World) -> None:
    def sent(numbers: Iterable[int]) -> list[object]:
        return [world.swarm.event("house-1", event(f"e{number}")) for number in numbers]

    assert set(sent(range(5000))) == {None}
    assert {reason(answer) for answer in sent(range(4990, 5000))} == {RejectReason.DUPLICATE}
