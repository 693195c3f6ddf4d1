"""The engine of rules: durations, hysteresis, gates, gaps, stale values, overrides, restarts, anything."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from hypothesis import given, settings, strategies as st

from microgrid_core.contract.messages import EventState, Severity
from microgrid_core.health.engine import Engine, Finding
from microgrid_core.health.memories import Growth, Happenings
from microgrid_core.health.quantities import each, plain, when
from microgrid_core.health.rule import (
    Comparator,
    Gate,
    Override,
    Quantity,
    Rule,
    RuleError,
    overridden,
    validate,
)
from microgrid_core.health.rules import all_rules
from microgrid_core.health.subject import EACH, Reading

RAISED, CLEARED = EventState.RAISED, EventState.CLEARED

HOT = Rule(
    id="T1",
    name="hot",
    scopes=("house",),
    quantity=plain("temperature", "temperature", "°C"),
    comparator=Comparator.ABOVE,
    threshold=50.0,
    critical=60.0,
    clear=45.0,
    duration_s=60.0,
    severity=Severity.WARNING,
    tier_s=10,
    advice="cool",
)
UNGATED = Gate(text="always", inputs=(), permits=lambda given: True)


@dataclass
class Thing:
    """A subject whose readings a test sets."""

    key: str = "house-01"
    scope: str = "house"
    readings: dict[str, Reading] = field(default_factory=dict)

    def read(self, name: str) -> Reading | None:
        return self.readings.get(name)

    def names(self) -> Iterable[str]:
        return list(self.readings)

    def tell(self, *, stale: Any = False, **values: object) -> Thing:
        self.readings |= {name: Reading(value, stale) for name, value in values.items()}
        return self


class Bench:
    """An engine, one thing and a clock."""

    def __init__(self, *rules: Rule, overrides: dict[str, Override] | None = None) -> None:
        self.rules = rules or (HOT,)
        self.engine = Engine(self.rules, overrides)
        self.thing = Thing()
        self.now = 0.0
        self.utc = 1_790_000_000.0

    def judge(
        self, seconds: float = 10.0, tier_s: int = 10, **values: object
    ) -> list[tuple[EventState, Severity]]:
        self.now += seconds
        self.utc += seconds
        self.thing.tell(**values)
        found = self.engine.judge([self.thing], tier_s, monotonic_s=self.now, utc_s=self.utc)
        return [(finding.state, finding.severity) for finding in found]

    def restart(self, after_s: float) -> None:
        """Another engine goes on from what this one saved, on another monotonic clock."""
        saved = json.loads(json.dumps(self.engine.save()))
        self.engine = Engine(self.rules)
        assert self.engine.load(saved) == 0
        self.now = 5.0
        self.utc += after_s


def test_raised_after_its_duration_and_cleared_below_the_clear_threshold() -> None:
    bench = Bench()
    assert [bench.judge(temperature=51.0) for _ in range(6)] == [[]] * 6
    assert bench.judge(temperature=51.0) == [(RAISED, Severity.WARNING)]
    assert bench.judge(temperature=51.0) == []
    assert bench.judge(temperature=47.0) == []  # between clear and threshold
    (active,) = bench.engine.active
    assert (active.value, active.since_s, active.confirmed_s) == (47.0, 1_790_000_010.0, 0.0)
    assert bench.judge(temperature=45.0) == [(CLEARED, Severity.WARNING)]
    assert bench.engine.active == []


def test_a_value_that_returns_in_between_begins_anew() -> None:
    bench = Bench()
    for _ in range(5):
        bench.judge(temperature=51.0)
    bench.judge(temperature=49.0)
    assert [bench.judge(temperature=51.0) for _ in range(6)] == [[]] * 6
    assert bench.judge(temperature=51.0) == [(RAISED, Severity.WARNING)]


def test_it_gets_critical_and_stays_so_until_it_is_over() -> None:
    bench = Bench()
    for _ in range(7):
        bench.judge(temperature=55.0)
    assert [told for _ in range(7) for told in bench.judge(temperature=61.0)] == [(RAISED, Severity.CRITICAL)]
    assert [told for _ in range(20) for told in bench.judge(temperature=52.0)] == []
    assert bench.judge(temperature=20.0) == [(CLEARED, Severity.CRITICAL)]


@pytest.mark.parametrize("value", [None, math.nan, math.inf, "hot", [1], 10**400])
def test_what_is_no_number_neither_raises_nor_clears(value: object) -> None:
    bench = Bench()
    for _ in range(60):
        assert bench.judge(temperature=value) == []
    for _ in range(7):
        bench.judge(temperature=55.0)
    for _ in range(60):
        assert bench.judge(temperature=value) == []
    assert [active.rule.id for active in bench.engine.active] == ["T1"]


def test_stale_values_neither_raise_nor_clear_and_their_time_does_not_count() -> None:
    bench = Bench()
    for _ in range(4):
        bench.judge(temperature=55.0)
    bench.thing.tell(stale=True, temperature=55.0)
    for _ in range(10):
        bench.judge()
    assert [bench.judge(temperature=55.0) for _ in range(3)] == [[]] * 3
    assert bench.judge(temperature=55.0) == [(RAISED, Severity.WARNING)]
    bench.thing.tell(stale=True, temperature=10.0)
    assert bench.judge(600.0) == []
    assert bench.engine.active[0].confirmed_s == 600.0


def test_a_gap_counts_nothing_and_a_long_one_begins_anew() -> None:
    bench = Bench()
    for _ in range(6):
        bench.judge(temperature=55.0)
    assert bench.judge(300.0, temperature=55.0) == []  # five minutes unseen: 50 s are kept
    assert bench.judge(temperature=55.0) == [(RAISED, Severity.WARNING)]

    bench = Bench()
    for _ in range(6):
        bench.judge(temperature=55.0)
    bench.judge(3600.0, temperature=55.0)
    assert [bench.judge(temperature=55.0) for _ in range(5)] == [[]] * 5
    assert bench.judge(temperature=55.0) == [(RAISED, Severity.WARNING)]


def test_steps_of_either_clock_raise_nothing() -> None:
    bench = Bench()
    bench.judge(temperature=55.0)
    bench.utc += 86_400.0
    assert bench.judge(temperature=55.0) == []
    bench.utc -= 10 * 86_400.0
    assert bench.judge(temperature=55.0) == []
    bench.now -= 500.0
    assert bench.judge(temperature=55.0) == []


def test_a_restart_neither_raises_again_nor_forgets() -> None:
    bench = Bench()
    for _ in range(6):
        bench.judge(temperature=55.0)
    bench.restart(after_s=120.0)
    assert bench.judge(temperature=55.0) == []  # 50 s were kept, the outage counts nothing
    assert bench.judge(temperature=55.0) == [(RAISED, Severity.WARNING)]
    bench.restart(after_s=86_400.0)
    assert [active.rule.id for active in bench.engine.active] == ["T1"]
    assert [told for _ in range(20) for told in bench.judge(temperature=55.0)] == []
    assert bench.judge(temperature=10.0) == [(CLEARED, Severity.WARNING)]


def test_a_closed_gate_stops_pending_and_ends_only_what_it_should() -> None:
    for ends, expected in ((False, []), (True, [(CLEARED, Severity.WARNING)])):
        gate = when("on", ("on",), lambda given: given.flag("on"), ends=ends)
        bench = Bench(replace(HOT, gate=gate))
        for _ in range(6):
            bench.judge(temperature=55.0, on=True)
        bench.judge(on=False)
        assert [bench.judge(on=True) for _ in range(6)] == [[]] * 6
        assert bench.judge() == [(RAISED, Severity.WARNING)]
        assert bench.judge(on=None) == []  # unknown: nothing is judged
        assert bench.judge(on=False) == expected


def test_each_name_is_watched_apart() -> None:
    alarm = Rule(
        id="T2",
        name="alarm",
        scopes=("gx:*",),
        quantity=each("alarm"),
        comparator=Comparator.AT_LEAST,
        threshold=1.0,
        critical=2.0,
        clear=0.0,
        severity=Severity.WARNING,
        tier_s=60,
        advice="look",
        each="^/Alarms/",
    )
    bench = Bench(alarm)
    bench.thing.scope = "gx:tank"
    values = {"/Alarms/A": 1, "/Alarms/B": 0, "/Other": 5}
    assert bench.judge(tier_s=10, **values) == []  # not its tier
    assert bench.judge(tier_s=60, **values) == [(RAISED, Severity.WARNING)]
    assert bench.judge(tier_s=60, **{"/Alarms/B": 2}) == [(RAISED, Severity.CRITICAL)]
    assert {active.element for active in bench.engine.active} == {"/Alarms/A", "/Alarms/B"}
    bench.thing.scope = "house"
    assert bench.judge(tier_s=60, **{"/Alarms/A": 0}) == []


def test_a_rule_says_nothing_while_a_better_one_is_pending_or_raised() -> None:
    better = replace(HOT, id="T3", name="better", threshold=40.0, critical=None, clear=35.0, duration_s=30.0)
    covered = replace(HOT, duration_s=10.0, covered_by=("T3",))
    bench = Bench(better, covered)
    found = [bench.judge(temperature=55.0) for _ in range(8)]
    assert [states for states in found if states] == [[(RAISED, Severity.WARNING)]]
    assert [active.rule.id for active in bench.engine.active] == ["T3"]
    assert bench.engine.forget("house-01")[0].rule.id == "T3"
    assert bench.engine.active == []


def test_overrides_move_thresholds_durations_and_turn_off() -> None:
    bench = Bench(overrides={"T1": Override(threshold=30.0, duration_s=0.0)})
    rule = bench.engine.rule("T1", "house-01")
    assert (rule.threshold, rule.critical, rule.clear) == (30.0, 40.0, 25.0)
    assert bench.judge(temperature=31.0) == [(RAISED, Severity.WARNING)]
    bench.engine.configure({"T1@house-01": Override(enabled=False)})
    assert bench.judge(temperature=31.0) == [(CLEARED, Severity.WARNING)]
    assert bench.judge(temperature=99.0) == []
    bench.engine.configure({"T1@house-02": Override(enabled=False)})
    assert [told for _ in range(7) for told in bench.judge(temperature=99.0)] == [(RAISED, Severity.CRITICAL)]


@pytest.mark.parametrize(
    ("overrides", "text"),
    [
        ({"T9": Override()}, "override T9: there is no such rule"),
        ({"T1": Override(duration_s=-1.0)}, "override T1: rule T1: duration -1 s must not be negative"),
        ({"T1@x": Override(threshold=math.nan)}, "must be finite"),
    ],
)
def test_overrides_that_make_no_sense_are_refused(overrides: dict[str, Override], text: str) -> None:
    engine = Engine([HOT])
    with pytest.raises(RuleError, match=text):
        engine.configure(overrides)


def test_a_subject_that_left_ends_what_it_raised() -> None:
    bench = Bench()
    for _ in range(7):
        bench.judge(temperature=55.0)
    (finding,) = bench.engine.forget("house-01")
    assert isinstance(finding, Finding)
    assert (finding.state, finding.value) == (CLEARED, None)
    assert bench.engine.forget("house-01") == []


# ---- saving ------------------------------------------------------------------------------------------


COUNTED = replace(
    HOT,
    id="T4",
    name="counted",
    quantity=Quantity(
        text="errors", inputs=("count",), memory=lambda: Growth(3600.0, lambda given: given.number("count"))
    ),
    threshold=3.0,
    critical=None,
    clear=0.0,
    duration_s=0.0,
)


def test_memories_survive_a_restart() -> None:
    bench = Bench(COUNTED)
    bench.judge(count=10)
    bench.judge(count=12)
    bench.restart(after_s=60.0)
    assert bench.judge(count=14) == [(RAISED, Severity.WARNING)]


@pytest.mark.parametrize(
    "saved",
    [
        None,
        5,
        [],
        {},
        {"version": 2},
        {"version": 1, "steady_s": "x", "utc_s": 0, "watches": []},
        {"version": 1},
    ],
)
def test_a_saved_state_of_something_else_is_refused_whole(saved: object) -> None:
    assert Engine([HOT]).load(saved) == 1


def test_entries_that_are_not_understood_are_counted_and_those_of_former_rules_are_not() -> None:
    bench = Bench(HOT, COUNTED)
    for _ in range(7):
        bench.judge(temperature=55.0, count=1)
    saved: dict[str, Any] = json.loads(json.dumps(bench.engine.save()))
    good = {row[0]: row for row in saved["watches"]}
    saved["watches"] = [
        *good.values(),
        ["T99", *good["T1"][1:]],
        5,
        [],
        ["T1", "a", "", "warning", [None], 0.0, 0.0, 1.0, None],
        ["T1", "a", "", "loud", [None, None], 0.0, 0.0, 1.0, None],
        ["T1", "a", "", "warning", [True, None], 0.0, 0.0, 1.0, None],
        ["T4", "a", "", None, [None, None], 0.0, 0.0, 1.0, "memory"],
        ["T4", "a", "", None, [None, None], 0.0, 0.0, 1.0, [None, 7, []]],
    ]
    engine = Engine([HOT, COUNTED])
    assert engine.load(saved) == 7
    assert [active.rule.id for active in engine.active] == ["T1"]


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=6) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=20,
)


@settings(max_examples=200, deadline=None)
@given(json_values, st.lists(json_values, max_size=4), st.sampled_from([rule.id for rule in all_rules()]))
def test_whatever_was_saved_the_engine_goes_on(rest: object, rows: list[object], rule: str) -> None:
    engine = Engine(all_rules())
    engine.load(rest)
    row = [rule, "house-01", "", None, [None, None], 0.0, 0.0, None, rest]
    engine.load({"version": 1, "steady_s": 5.0, "utc_s": 5.0, "watches": [row, *rows]})
    thing = Thing().tell(state_of_charge=50.0, clock_error=1.0, restarts=1)
    for tier_s in (10, 60, 300):
        engine.judge([thing], tier_s, monotonic_s=10.0, utc_s=10.0)
    json.dumps(engine.save())


# ---- properties --------------------------------------------------------------------------------------

steps = st.lists(
    st.tuples(
        st.sampled_from([0.0, 5.0, 10.0, 10.0, 10.0, 40.0, 700.0, -50.0]),
        st.sampled_from([20.0, 44.0, 47.0, 51.0, 55.0, 61.0, None, math.nan, "x"]),
        st.booleans(),
        st.booleans(),
    ),
    max_size=60,
)


@settings(max_examples=300, deadline=None)
@given(steps)
def test_whatever_happens_states_follow_each_other(history: list[tuple[float, object, bool, bool]]) -> None:
    """Raised, perhaps worse, cleared; raised on a bad and cleared on a good reading that is not stale."""
    bench = Bench()
    level: Severity | None = None
    bad_for = 0.0
    for seconds, value, stale, restart in history:
        bench.thing.tell(stale=stale, temperature=value)
        found = bench.judge(seconds)
        good = isinstance(value, float) and math.isfinite(value) and not stale
        if good and isinstance(value, float):
            bad_for = bad_for + max(0.0, seconds) if value > 50.0 else 0.0
        for state, severity in found:
            assert good
            assert isinstance(value, float)
            if state is RAISED:
                assert value > 50.0
                assert bad_for >= 60.0
                assert level is not severity
                assert level is not Severity.CRITICAL
                level = severity
            else:
                assert value <= 45.0
                assert level is severity
                level = None
        assert [active.severity for active in bench.engine.active] == ([] if level is None else [level])
        if restart:
            bench.restart(after_s=1.0)


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_all_rules_bear_anything_that_is_told(data: st.DataObject) -> None:
    """No value, of any type under any name of any rule, is an exception; and what is saved can be loaded."""
    rules = data.draw(st.lists(st.sampled_from(all_rules()), min_size=1, max_size=12, unique=True))
    engine = Engine(all_rules())
    things = []
    for number, rule in enumerate(rules):
        names = {*rule.quantity.inputs, *(rule.gate.inputs if rule.gate else ())} - {EACH}
        names |= {"/CanBus/Interface/can0/Statistics", "/Alarms/Ripple", "/ErrorCode"} if rule.each else set()
        things.append((Thing(f"t{number}", rule.scopes[0].replace("*", "tank")), sorted(names)))
    now = 0.0
    for _ in range(6):
        now += data.draw(st.sampled_from([10.0, 60.0, 300.0, 4000.0]))
        for thing, known in things:
            for name in known:
                value = data.draw(st.floats() | st.integers(-5, 2) | st.booleans() | json_values)
                thing.readings[name] = Reading(value, data.draw(st.booleans()))
        for tier_s in (10, 60, 300):
            engine.judge([thing for thing, _ in things], tier_s, monotonic_s=now, utc_s=1.79e9 + now)
    assert Engine(all_rules()).load(json.loads(json.dumps(engine.save()))) == 0


# ---- the table ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rule", "text"),
    [
        (replace(HOT, id="hot"), "rule hot: the id must be a letter, a number"),
        (replace(HOT, name="Hot!"), "rule T1: name 'Hot!' must be small letters"),
        (replace(HOT, scopes=()), "rule T1: it has no scope"),
        (replace(HOT, tier_s=20), "rule T1: tier 20 s must be one of 10, 60, 300"),
        (replace(HOT, clear=51.0), "rule T1: clear 51 is itself > 50"),
        (replace(HOT, critical=49.0), "rule T1: critical 49 lies before the threshold 50"),
        (replace(HOT, severity=Severity.CRITICAL), "rule T1: it is critical from the start"),
        (replace(HOT, threshold=math.inf), "rule T1: threshold inf must be finite"),
        (replace(HOT, advice="pray"), "rule T1: there is no advice pray"),
        (replace(HOT, covered_by=("T8",)), "rule T1: covered by T8, which must stand before it"),
        (replace(HOT, each="a"), "rule T1: `each` and the input . belong together"),
        (replace(HOT, each="(", quantity=each("x")), "rule T1: `each` is no regular expression"),
        (
            replace(HOT, quantity=Quantity(text="x", inputs=())),
            "rule T1: its quantity needs either a formula",
        ),
        (replace(HOT, quantity=plain("colour", "x")), "rule T1: house has no colour"),
    ],
)
def test_a_table_that_contradicts_itself_is_refused_with_the_reason(rule: Rule, text: str) -> None:
    with pytest.raises(RuleError, match=text):
        validate([rule], advice=["cool"], known=lambda scope, name: name == "temperature")


def test_all_problems_of_a_table_are_told_at_once() -> None:
    elsewhere = replace(HOT, id="T2", scopes=("gateway",), covered_by=("T1",))
    with pytest.raises(RuleError) as refused:
        validate([HOT, HOT, elsewhere], advice=["cool"])
    assert refused.value.args == (
        "rule T1: stands twice in the table",
        "rule T1: name hot is another rule's",
        "rule T2: name hot is another rule's",
        "rule T2: covered by T1, which never watches the same subject",
    )
    validate([replace(HOT, gate=UNGATED)], advice=["cool"])


def test_an_input_that_was_not_declared_is_a_mistake_of_the_table() -> None:
    bench = Bench(replace(HOT, quantity=replace(HOT.quantity, inputs=())))
    with pytest.raises(KeyError, match="temperature is not among the inputs"):
        bench.judge(temperature=1.0)


def test_happenings_leave_the_window() -> None:
    rule = replace(
        COUNTED,
        quantity=Quantity(
            text="x", inputs=("on",), memory=lambda: Happenings(100.0, lambda given: given.flag("on"))
        ),
        threshold=0.0,
        clear=0.0,
    )
    bench = Bench(rule)
    bench.judge(on=False)
    assert bench.judge(on=True) == [(RAISED, Severity.WARNING)]
    bench.restart(after_s=10.0)
    assert bench.judge(50.0, on=True) == []
    assert bench.judge(100.0, on=True) == [(CLEARED, Severity.WARNING)]


def test_overridden_leaves_a_rule_without_critical_threshold_without_one() -> None:
    assert overridden(COUNTED, Override(threshold=5.0)).critical is None
    assert overridden(COUNTED, Override()) == COUNTED
