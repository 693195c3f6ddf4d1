"""A published count never falls and never gains more than the hardware can deliver."""

from __future__ import annotations

from dataclasses import asdict, replace

from hypothesis import given, strategies as st

from microgrid_core.model.counter import CounterGuard, CounterState

RATE_W = 12_000.0
SLACK_WH = RATE_W / 12.0

readings = st.lists(
    st.tuples(
        st.floats(0.0, 1e7, allow_nan=False),
        st.floats(-3600.0, 7200.0, allow_nan=False),  # clocks also step back
    ),
    min_size=1,
    max_size=60,
)


def feed(guard: CounterGuard, *readings: tuple[float, float]) -> list[float]:
    """Published counts after (raw, time_s) readings."""
    return [guard.accept(raw, time_s) for raw, time_s in readings]


@given(readings)
def test_whatever_arrives_the_count_never_falls(steps: list[tuple[float, float]]) -> None:
    guard, time_s, before = CounterGuard(RATE_W), 0.0, float("-inf")
    for raw, step_s in steps:
        time_s += step_s
        published = guard.accept(raw, time_s)
        assert published >= before
        before = published


@given(readings)
def test_whatever_arrives_it_never_gains_more_than_possible(steps: list[tuple[float, float]]) -> None:
    guard, time_s = CounterGuard(RATE_W), 0.0
    first, latest_s = guard.accept(*[(steps[0][0], 0.0)][0]), 0.0
    for raw, step_s in steps[1:]:
        time_s += step_s
        latest_s = max(latest_s, time_s)
        possible = RATE_W * latest_s / 3600.0 + SLACK_WH
        assert guard.accept(raw, time_s) - first <= possible * (1 + 1e-9) + 1e-6


@given(readings, st.integers(0, 59))
def test_a_restart_of_the_receiver_changes_nothing_but_a_pending_base(
    steps: list[tuple[float, float]], restart: int
) -> None:
    guard, time_s, before = CounterGuard(RATE_W), 0.0, float("-inf")
    for index, (raw, step_s) in enumerate(steps):
        time_s += step_s
        if index == restart and guard.state is not None:
            guard = CounterGuard(RATE_W, CounterState(**asdict(guard.state)))
        published = guard.accept(raw, time_s)
        assert published >= before - 1e-6
        before = published


def test_an_honest_counter_is_published_as_it_is() -> None:
    counts = [(1000.0 + 3.3 * second, float(second)) for second in range(600)]
    guard = CounterGuard(RATE_W)
    assert feed(guard, *counts) == [raw for raw, _ in counts]
    assert guard.held == 0


def test_a_counter_in_steps_of_a_kilowatt_hour_is_honest_too() -> None:
    guard = CounterGuard(RATE_W)
    # 6 kW for an hour, read each second, told in whole kilowatt hours
    published = [guard.accept(1000.0 * (second // 600), float(second)) for second in range(3601)]
    assert (published[-1], guard.held) == (6000.0, 0)


def test_a_single_glitch_is_held_back_upwards_and_downwards() -> None:
    guard = CounterGuard(RATE_W)
    assert feed(guard, (5000.0, 0), (4e9, 1), (5001.0, 2), (0.0, 3), (5002.0, 4)) == [
        5000.0,
        5000.0,
        5001.0,
        5001.0,
        5002.0,
    ]
    assert guard.held == 2


def test_glitches_that_do_not_agree_are_never_believed() -> None:
    guard = CounterGuard(RATE_W)
    assert set(feed(guard, (5000.0, 0), (4e9, 1), (3e9, 2), (2e9, 3), (1e9, 4), (0.0, 5))) == {5000.0}


def test_zeros_at_wake_up_lose_and_gain_nothing() -> None:
    guard = CounterGuard(RATE_W)
    feed(guard, (5000.0, 0))
    assert set(feed(guard, *((0.0, float(second)) for second in range(1, 20)))) == {5000.0}
    assert feed(guard, *((5000.0, float(second)) for second in range(20, 30)))[-1] == 5000.0
    assert feed(guard, (5001.0, 31.0)) == [5001.0]


def test_a_restart_at_zero_counts_what_was_counted_since() -> None:
    guard = CounterGuard(RATE_W)
    feed(guard, (900_000.0, 0))
    # an hour of darkness, in which the device restarted and delivered 2 kWh
    published = feed(guard, (2000.0, 3600), (2001.0, 3601), (2002.0, 3602), (2003.0, 3603))
    assert published == [900_000.0, 900_000.0, 902_002.0, 902_003.0]


def test_an_older_checkpoint_is_no_gain() -> None:
    guard = CounterGuard(RATE_W)
    feed(guard, (5000.0, 0))
    # 4 990 Wh within an hour would be possible, but it is the old count less what was not saved
    assert feed(guard, (4990.0, 3600), (4990.0, 3601), (4991.0, 3602))[-1] == 5001.0
    assert feed(guard, (4995.0, 3603)) == [5005.0]


def test_an_exchanged_meter_starts_at_no_gain() -> None:
    guard = CounterGuard(RATE_W)
    feed(guard, (5000.0, 0))
    assert feed(guard, (77_000.0, 60), (77_000.0, 61), (77_001.0, 62))[-1] == 5001.0
    assert feed(guard, (77_003.0, 63)) == [5003.0]


def test_growth_during_an_outage_of_the_receiver_counts() -> None:
    state = CounterState(raw=5000.0, time_s=0.0, offset=100.0)
    guard = CounterGuard(RATE_W, replace(state))
    assert feed(guard, (25_000.0, 7200.0)) == [25_100.0]
    assert CounterGuard(RATE_W, replace(state)).accept(5000.0 + 2 * RATE_W + 1.0, 7200.0) == 5100.0


def test_many_small_glitches_do_not_add_up() -> None:
    """A slack for each reading would let a count race at 1 Hz."""
    guard = CounterGuard(RATE_W)
    published = [guard.accept(200.0 * second, float(second)) for second in range(3600)]
    assert published[-1] <= RATE_W + SLACK_WH


def test_an_idle_night_is_no_licence_for_a_glitch_at_dawn() -> None:
    guard = CounterGuard(RATE_W)
    feed(guard, *((5000.0, 60.0 * minute) for minute in range(600)))
    assert feed(guard, (5000.0 + 2 * SLACK_WH, 36_000.0)) == [5000.0]


def polled(power_w: float, lost: int) -> tuple[float, CounterGuard]:
    """A counter that is polled each 300 s, told each 10 s, and answered `lost` polls of an hour not."""
    guard, published = CounterGuard(15_000.0), 0.0
    for time_s in range(0, 7200, 10):
        polled_s = time_s // 300 * 300
        if 3600 <= time_s < 3600 + 300 * lost:
            polled_s = 3300
        published = guard.accept(round(1e6 + power_w * polled_s / 3600.0), float(time_s))
    return published - 1e6, guard


@given(st.floats(0.0, 15_000.0), st.integers(0, 5))
def test_lost_polls_of_a_slow_counter_lose_no_energy(power_w: float, lost: int) -> None:
    counted, _ = polled(power_w, lost)
    assert abs(counted - power_w * 6900.0 / 3600.0) <= 1.0


def test_a_jump_after_lost_polls_is_believed_when_it_stays() -> None:
    counted, guard = polled(11_000.0, 1)
    assert (round(counted), guard.held) == (21_083, 3)


def test_a_glitch_while_a_slow_counter_stands_is_held_back() -> None:
    guard = CounterGuard(RATE_W)
    feed(guard, *((5000.0, 10.0 * step) for step in range(60)))
    assert feed(guard, (5000.0 + 1.5 * SLACK_WH, 600.0), (5000.0, 610.0), (5001.0, 620.0)) == [
        5000.0,
        5000.0,
        5001.0,
    ]
    assert guard.held == 1


def test_a_base_beyond_what_the_time_allows_is_no_gain() -> None:
    guard = CounterGuard(RATE_W)
    feed(guard, *((5000.0, 10.0 * step) for step in range(60)))
    raw = 5000.0 + RATE_W * 600.0 / 3600.0 + 1.0
    assert set(feed(guard, *((raw, 600.0 + step) for step in range(5)))) == {5000.0}


def test_states_saved_before_growth_had_a_time_go_on() -> None:
    saved = {"raw": 5000.0, "time_s": 0.0, "offset": 100.0, "spare": 0.0}
    guard = CounterGuard(RATE_W, CounterState(**saved))
    assert feed(guard, (5000.0, 300.0), (5010.0, 301.0)) == [5100.0, 5110.0]
    assert guard.state is not None
    assert guard.state.grown_s == 301.0
