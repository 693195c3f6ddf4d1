"""From a plan to the schedule that a battery takes, and to the sentence that says why."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from microgrid_core.contract.encode import schedule_payload
from microgrid_core.contract.messages import ScheduleCapability, ScheduleMode
from microgrid_core.contract.schedule import Schedule, check_schedule, parse_schedule
from microgrid_core.energy.advice import advise, expect_from, plan_start
from microgrid_core.energy.battery import Battery
from microgrid_core.energy.clock import step_starts
from microgrid_core.energy.dispatch import curve_points, schedule_of
from microgrid_core.energy.explain import explain
from microgrid_core.energy.planning import Outlook, Plan, plan
from microgrid_core.energy.tariff import Fixed, Period, Rate, Tariff, TimeOfUse
from microgrid_core.energy.value_curve import Curve
from tests.bench.energy_cases import draw

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
ALL = ScheduleCapability(tuple(ScheduleMode), 5000.0, 5000.0)
BATTERY = Battery(10.0, 5.0, 5.0, 1.0, 1.0)
LOSSY = Battery(10.0, 5.0, 5.0, 0.9, 0.9)
IDLE, FOLLOW = ScheduleMode.IDLE, ScheduleMode.FOLLOW
CHARGE, DISCHARGE = ScheduleMode.CHARGE, ScheduleMode.DISCHARGE


def schedule(found: Plan, start: datetime = NOW, capability: ScheduleCapability = ALL) -> Schedule:
    return schedule_of(found, start, BATTERY, capability, schedule_id="plan", revision=3, issued_at=start)


def modes(found: Schedule) -> list[tuple[ScheduleMode, float | None]]:
    return [(interval.mode, interval.rate_w) for interval in found.intervals]


def of(
    net: list[float],
    bought: list[float],
    sold: list[float],
    stored: float,
    worth: float = 0.25,
    battery: Battery = BATTERY,
) -> Plan:
    return plan(Outlook(0.5, net, bought, sold), battery, stored, terminal_worth=worth)


def test_each_mode_where_it_belongs() -> None:
    """Cheap: charge from the grid; dear export: give; usual: follow; dearer to come: keep what is there."""
    found = of([0.5, 0.5, 0.5, -0.5], [0.1, 0.3, 0.26, 0.3], [0.0, 0.3, 0.1, 0.1], 5.0, battery=LOSSY)
    assert modes(schedule(found)) == [(CHARGE, 5000.0), (DISCHARGE, 5000.0), (IDLE, None), (FOLLOW, None)]
    assert modes(schedule(of([0.5], [0.3], [0.1], 5.0))) == [(FOLLOW, None)]


@pytest.mark.parametrize("minutes", [5, 15, 30, 60])
def test_steps_of_any_length_become_half_hours(minutes: int) -> None:
    count = 240 // minutes
    share = minutes / 60.0
    found = plan(
        Outlook(share, [0.5 * share] * count, [0.1] * (count // 2) + [0.5] * (count // 2), [0.05] * count),
        BATTERY,
        0.0,
        terminal_worth=0.0,
    )
    made = schedule(found)
    assert len(made.intervals) == 8
    assert made.valid_until == NOW + timedelta(hours=4)
    charged = sum(interval.rate_w or 0.0 for interval in made.intervals if interval.mode is CHARGE) / 2000.0
    assert charged == pytest.approx(1.0, abs=0.01)  # what the dear half takes
    assert [interval.mode for interval in made.intervals[4:]] == [FOLLOW] * 4


def test_a_plan_that_begins_within_a_half_hour() -> None:
    found = of([0.5, 0.5], [0.1, 0.3], [0.0, 0.0], 0.0)
    made = schedule(found, NOW + timedelta(minutes=10))
    assert [interval.start for interval in made.intervals] == [
        NOW + timedelta(minutes=30 * n) for n in range(3)
    ]
    assert made.intervals[0].mode is CHARGE
    assert not check_schedule(made, ALL, NOW)


def test_a_node_that_cannot_follow_gets_powers() -> None:
    simple = ScheduleCapability((IDLE, CHARGE, DISCHARGE), 2000.0, 400.0)
    found = of([0.5, -0.5, 0.001], [0.3] * 3, [0.1] * 3, 5.0)
    made = schedule(found, capability=simple)
    assert modes(made) == [(DISCHARGE, 400.0), (CHARGE, 1000.0), (IDLE, None)]
    assert made.default is IDLE
    assert made.value_curve == ()
    nothing = schedule(found, capability=ScheduleCapability((), 0.0, 0.0))
    assert modes(nothing) == [(IDLE, None)] * 3
    for capability in (simple, ScheduleCapability((), 0.0, 0.0)):
        assert not check_schedule(schedule(found, capability=capability), capability, NOW)


def test_less_than_the_load_is_a_limit_to_following() -> None:
    """Energy for half of the hour's load is kept for dearer hours: follow, but not with everything."""
    found = of([1.0, 1.0, 1.0], [0.3, 0.4, 0.4], [0.0] * 3, 2.5, worth=0.0)
    first = schedule(found).intervals[0]
    assert (first.mode, first.rate_w) == (FOLLOW, 1000.0)


@given(
    st.integers(0, 2**32 - 1),
    st.sampled_from([(24, 1.0), (96, 0.5), (192, 0.25), (400, 1 / 12), (0, 0.5), (500, 0.5)]),
    st.sets(st.sampled_from(ScheduleMode)),
    st.floats(0.0, 9000.0),
    st.integers(0, 10_000),
)
@settings(max_examples=60)
def test_every_schedule_is_one_that_its_node_takes(
    seed: int, grid: tuple[int, float], able: set[ScheduleMode], most_w: float, second: int
) -> None:
    steps, step_h = grid
    case = draw(np.random.default_rng(seed), max(steps, 24), step_h)
    start = NOW + timedelta(seconds=second)
    outlook = case.outlook if steps else Outlook(step_h, [], [], [])
    capability = ScheduleCapability(tuple(able), most_w, most_w)
    made = schedule_of(
        plan(outlook, case.battery, case.stored_kwh),
        start,
        case.battery,
        capability,
        schedule_id="plan",
        revision=1,
        issued_at=start,
    )
    if steps:
        assert check_schedule(made, capability, start) == ()
    assert parse_schedule(schedule_payload(made), start) == made
    assert len(made.value_curve) <= 64


def test_what_a_step_shall_move_is_moved_in_what_is_left_of_it() -> None:
    prices = [0.05] + [0.4] * 11
    found = plan(Outlook(1.0, [0.0] * 12, prices, prices), Battery(4.0, 5.0, 5.0), 2.0)
    assert found.battery_kwh[0] < -1.9

    def rates(minute: int) -> list[float | None]:
        made = schedule_of(
            found,
            NOW,
            Battery(4.0, 5.0, 5.0),
            ScheduleCapability(tuple(ScheduleMode), 5000.0, 5000.0),
            schedule_id="plan",
            revision=1,
            issued_at=NOW + timedelta(minutes=minute),
        )
        return [one.rate_w for one in made.intervals[:2]]

    (whole, same), (gone, half), (left, right) = rates(0), rates(30), rates(15)
    assert whole == same == pytest.approx(-1000.0 * found.battery_kwh[0], abs=1.0)
    assert gone is None and half == pytest.approx(2.0 * (whole or 0.0), abs=1.0)
    assert left == right == pytest.approx((whole or 0.0) / 0.75, abs=1.0)


@pytest.mark.parametrize("minute", [0, 15, 30, 50])
def test_a_load_of_which_a_part_is_over_is_not_met_with_more_than_it_is(minute: int) -> None:
    """The plan counts with a whole hour of it; a node that cannot follow would send the rest to the grid."""
    found = plan(Outlook(1.0, [1.0] * 3, [0.4] * 3, [0.05] * 3), BATTERY, 8.0, terminal_worth=0.25)
    simple = ScheduleCapability((IDLE, CHARGE, DISCHARGE), 5000.0, 5000.0)
    for capability, wanted in ((simple, (DISCHARGE, 1000.0)), (ALL, (FOLLOW, None))):
        made = schedule_of(
            found,
            NOW,
            BATTERY,
            capability,
            schedule_id="plan",
            revision=1,
            issued_at=NOW + timedelta(minutes=minute),
        )
        present = made.intervals[minute // 30]
        assert (present.mode, present.rate_w) == wanted


def test_what_goes_beyond_the_load_or_is_kept_for_later_does_not_depend_on_the_time() -> None:
    """At half past, 1 kWh of the hour's 2 kWh of load is still to come."""

    def present(stored: float, bought: float, sold: float) -> tuple[ScheduleMode, float | None]:
        dear = Outlook(1.0, [2.0, 2.0], [bought, 0.5], [sold, 0.0])
        made = schedule_of(
            plan(dear, BATTERY, stored, terminal_worth=0.0),
            NOW,
            BATTERY,
            ALL,
            schedule_id="plan",
            revision=1,
            issued_at=NOW + timedelta(minutes=30),
        )
        return made.intervals[1].mode, made.intervals[1].rate_w

    assert present(2.5, 0.4, 0.0) == (FOLLOW, 1000.0)  # half a kWh: the rest is worth more in the next hour
    assert present(5.0, 0.4, 0.3) == (DISCHARGE, 4000.0)  # a kWh for the load, and one sold


def test_the_curve_of_a_schedule_counts_from_the_reserve_and_by_the_wh() -> None:
    battery = Battery(10.0, 5.0, 5.0, reserve=0.2)
    points = curve_points(Curve([-0.4, -0.1], [2.0, 6.0]), battery)
    assert [round(percent) for percent, _ in points] == [20, 40, 40, 100]
    assert [worth for _, worth in points] == pytest.approx([0.0004, 0.0004, 0.0001, 0.0001])
    many = curve_points(Curve([-1.0 + 0.01 * n for n in range(100)], [0.08] * 100), battery)
    assert len(many) <= 64
    assert all(before[0] < after[0] for before, after in itertools.pairwise(many))
    assert curve_points(Curve([-0.4], [0.0]), Battery(0.0, 1.0, 1.0)) == ()


# ----------------------------------------------------------------------------------------- why, in a sentence

WHY: tuple[tuple[list[float], list[float], list[float], float, str], ...] = (
    (
        [0.5, 0.5],
        [0.1, 0.5],
        [0.0, 0.0],
        0.0,
        "Charges with 5.0 kW from the grid: at 0.100 EUR a stored kWh costs 0.111 and is worth 0.250, "
        "for 0.500 at 13:30.",
    ),
    (
        [-0.5, 0.5],
        [0.5, 0.5],
        [0.1, 0.1],
        0.0,
        "Stores 1.0 kW of surplus: exporting would bring 0.100 EUR, stored it is worth 0.405 per kWh, "
        "for 0.500 at 13:30.",
    ),
    (
        [0.5, 0.5],
        [0.4, 0.4],
        [0.3, 0.1],
        5.0,
        "Gives 5.0 kW, part of it to the grid: 0.300 EUR per kWh is more than the 0.278 that keeping it "
        "is worth.",
    ),
    (
        [0.5, 0.5],
        [0.4, 0.4],
        [0.1, 0.1],
        5.0,
        "Covers 1.0 kW of the load: import costs 0.400 EUR, keeping the energy is worth 0.278 per kWh.",
    ),
    (
        [0.5, 0.5],
        [0.42, 0.5],
        [0.0, 0.0],
        0.0,
        "Rests: the battery is empty down to its reserve, 1.0 kW come from the grid.",
    ),
    (
        [0.5, 0.5],
        [0.42, 0.5],
        [0.0, 0.0],
        0.4,
        "Keeps its energy: import costs 0.420 EUR now, a kWh kept is worth 0.500, for 0.500 at 13:30.",
    ),
    ([-0.5, -0.5], [0.3, 0.3], [0.1, 0.1], 10.0, "Rests: the battery is full, 1.0 kW are exported."),
    (
        [-0.5, -0.1],
        [0.5, 0.5],
        [0.3, 0.1],
        0.0,
        "Rests: exporting brings 0.300 EUR, a stored kWh is worth 0.250.",
    ),
)


@pytest.mark.parametrize(
    ("net", "bought", "sold", "stored", "sentence"), WHY, ids=[row[-1].split(":")[0][:30] for row in WHY]
)
def test_every_reason(
    net: list[float], bought: list[float], sold: list[float], stored: float, sentence: str
) -> None:
    found = of(net, bought, sold, stored, battery=LOSSY)
    assert explain(found, NOW, ZoneInfo("Europe/Berlin"), currency="EUR") == sentence


def test_nothing_to_explain() -> None:
    assert explain(of([], [], [], 0.0), NOW, UTC).startswith("The plan is over")
    empty = plan(Outlook(0.5, [1.0], [0.3], [0.1]), Battery(0.0, 1.0, 1.0), 0.0)
    assert "nothing to plan with" in explain(empty, NOW, UTC)


# ------------------------------------------------------------------------------------ from measurements to it


def test_from_measurements_to_a_schedule() -> None:
    now = datetime(2026, 11, 21, 9, 40, tzinfo=UTC)
    berlin = ZoneInfo("Europe/Berlin")
    starts = step_starts(now - timedelta(days=40), 40 * 48, timedelta(minutes=30))
    load = [0.2 + 0.9 * (start.hour in (17, 18, 19)) for start in starts]
    expectation, first_hour = expect_from(starts, load, [0.0] * len(load), now, berlin)
    dear = TimeOfUse(berlin, 0.2, (Period(0.5, "17:00", "21:00"),))
    found = advise(expectation, first_hour, Tariff(Rate(dear), Rate(Fixed(0.05))), BATTERY, 1.0, now)
    made = schedule(found, plan_start(now))
    assert plan_start(now) == datetime(2026, 11, 21, 9, tzinfo=UTC)
    assert not check_schedule(made, ALL, now)
    charging = [interval.start.hour for interval in made.intervals if interval.mode is CHARGE]
    assert charging
    assert max(hour for hour in charging if hour < 20) < 16  # before five in the evening on the wall
    assert made.value_curve
    evening = found.act(5.0, 1.5, step=7)
    assert evening == pytest.approx(-1.5)


def test_an_empty_battery_has_a_plan_under_uncertainty_too() -> None:
    expectation, first = expect_from([], [], [], NOW, UTC, 5)
    tariff = Tariff(Rate(Fixed(0.3)), Rate(Fixed(0.1)))
    for battery in (Battery(0.0, 1.0, 1.0), Battery(5.0, 0.0, 0.0)):
        assert advise(expectation, first, tariff, battery, 1.0, NOW).change_kwh == pytest.approx([0.0] * 5)
