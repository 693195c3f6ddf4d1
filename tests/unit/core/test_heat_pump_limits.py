"""A limit with warning, critical, delay, hysteresis and cooldown."""

from __future__ import annotations

import pytest
from hypothesis import given, strategies as st

from microgrid_core.contract.messages import EventState, Severity
from microgrid_core.health.limits import Alarm, Limit, LimitWatch

HIGH = Limit("HP_X", "voltage", warning=245.0, critical=250.0, clear=243.0, delay_s=5.0)
LOW = Limit("HP_Y", "voltage", warning=215.0, critical=210.0, clear=217.0, delay_s=5.0)
RAISED, CLEARED = EventState.RAISED, EventState.CLEARED


def told(alarm: Alarm | None) -> tuple[EventState, Severity] | None:
    """What was told."""
    return None if alarm is None else (alarm.state, alarm.severity)


def test_an_alarm_needs_its_delay_and_its_hysteresis() -> None:
    watch = LimitWatch(HIGH)
    assert watch.update(246.0, 0.0) is None
    assert watch.due == 5.0
    assert watch.update(246.0, 4.9) is None
    assert told(watch.update(246.0, 5.0)) == (RAISED, Severity.WARNING)
    assert watch.update(244.0, 6.0) is None
    assert told(watch.update(243.0, 7.0)) == (CLEARED, Severity.WARNING)
    assert watch.due is None


def test_a_spike_shorter_than_the_delay_is_nothing() -> None:
    watch = LimitWatch(HIGH)
    assert watch.update(260.0, 0.0) is None
    assert watch.update(230.0, 4.0) is None
    assert watch.update(260.0, 6.0) is None
    assert watch.due == 11.0


def test_a_value_that_lasts_becomes_an_alarm_without_another_reading() -> None:
    watch = LimitWatch(HIGH)
    watch.update(251.0, 0.0)
    assert watch.poll(4.0) is None
    alarm = watch.poll(5.0)
    assert alarm == Alarm("HP_X", RAISED, Severity.CRITICAL, "voltage", 251.0, 250.0)
    assert watch.poll(6.0) is None


def test_it_gets_worse_once_and_ends_once() -> None:
    watch = LimitWatch(HIGH)
    watch.update(246.0, 0.0)
    assert told(watch.poll(5.0)) == (RAISED, Severity.WARNING)
    watch.update(251.0, 10.0)
    assert told(watch.poll(15.0)) == (RAISED, Severity.CRITICAL)
    assert watch.update(246.0, 20.0) is None
    assert watch.update(251.0, 30.0) is None
    assert watch.poll(60.0) is None
    assert told(watch.update(240.0, 70.0)) == (CLEARED, Severity.CRITICAL)


def test_an_alarm_that_comes_back_waits_for_the_cooldown() -> None:
    watch = LimitWatch(HIGH)
    watch.update(246.0, 0.0)
    watch.poll(5.0)
    watch.update(240.0, 10.0)
    assert watch.update(246.0, 20.0) is None
    assert watch.poll(304.0) is None
    assert told(watch.poll(305.0)) == (RAISED, Severity.WARNING)


def test_a_worse_one_does_not_wait_for_the_cooldown() -> None:
    watch = LimitWatch(HIGH)
    watch.update(246.0, 0.0)
    watch.poll(5.0)
    watch.update(240.0, 10.0)
    watch.update(255.0, 20.0)
    assert told(watch.poll(25.0)) == (RAISED, Severity.CRITICAL)


def test_limits_below() -> None:
    watch = LimitWatch(LOW)
    watch.update(209.0, 0.0)
    assert told(watch.poll(5.0)) == (RAISED, Severity.CRITICAL)
    assert watch.update(216.0, 6.0) is None
    assert told(watch.update(217.0, 7.0)) == (CLEARED, Severity.CRITICAL)


def test_no_value_says_nothing() -> None:
    watch = LimitWatch(HIGH)
    watch.update(246.0, 0.0)
    assert watch.update(None, 3.0) is None
    assert watch.poll(9.0) is None
    watch.update(246.0, 10.0)
    assert told(watch.poll(15.0)) == (RAISED, Severity.WARNING)
    assert watch.update(None, 20.0) is None
    assert watch.active is Severity.WARNING


def test_a_withdrawn_limit_clears_its_alarm() -> None:
    watch = LimitWatch(HIGH)
    assert watch.withdraw() is None
    watch.update(246.0, 0.0)
    watch.poll(5.0)
    assert told(watch.withdraw()) == (CLEARED, Severity.WARNING)
    assert watch.withdraw() is None


@pytest.mark.parametrize(("clear", "warning", "critical"), [(5, 5, 6), (5, 4, 6), (4, 6, 5)])
def test_levels_out_of_order_are_refused(clear: float, warning: float, critical: float) -> None:
    with pytest.raises(ValueError, match="must rise or fall"):
        Limit("X1", "k", warning=warning, critical=critical, clear=clear, delay_s=0.0)


@given(
    st.sampled_from([HIGH, LOW]),
    st.lists(st.tuples(st.floats(0.1, 400.0), st.none() | st.floats(200, 260)), max_size=60),
)
def test_whatever_comes_the_story_makes_sense(limit: Limit, steps: list[tuple[float, float | None]]) -> None:
    """Raised before cleared, worse but never the same again, and no two of a level within the cooldown."""
    watch, now = LimitWatch(limit), 0.0
    active: Severity | None = None
    raised: dict[Severity, float] = {}
    for step_s, value in steps:
        events = []
        while (due := watch.due) is not None and due <= now + step_s:
            events.append((max(due, now), watch.poll(max(due, now))))
        now += step_s
        events.append((now, watch.update(value, now)))
        for at, alarm in events:
            if alarm is None:
                continue
            if alarm.state is CLEARED:
                assert active is alarm.severity
                active = None
            else:
                assert active is None or (active, alarm.severity) == (Severity.WARNING, Severity.CRITICAL)
                assert at - raised.get(alarm.severity, float("-inf")) >= limit.cooldown_s - 1e-6
                raised[alarm.severity] = at
                active = alarm.severity
    assert watch.active is active
