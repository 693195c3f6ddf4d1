"""Whether protections and gateways were right: limits as the firmware has them, verdicts as physics has."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from numpy.typing import NDArray

from microgrid_core.diagnosis.case import Series
from microgrid_core.diagnosis.causes import CAUSES
from microgrid_core.diagnosis.debugging.disconnection import CHANNELS, Moment, disconnection
from microgrid_core.diagnosis.debugging.limits import GATEWAY, HOUSE, GatewayLimits, Watch
from microgrid_core.diagnosis.debugging.protection import Verdict, judge
from microgrid_core.diagnosis.debugging.robust import Estimate, median_of, trend
from microgrid_core.diagnosis.debugging.trip import TRIPS, inverter_trip
from microgrid_core.diagnosis.engine import diagnose
from simulator.physics.protection import RULES
from simulator.scenarios.library import SCENARIOS, make

Floats = NDArray[np.float64]
ROOT = Path(__file__).resolve().parents[5]
FAST_S: Floats = 0.01 * np.arange(-1000, 1000, dtype=np.float64)


# ---------------------------------------------------------------------------------------------------- limits


def test_limits_of_houses_are_those_of_the_firmware() -> None:
    """Row by row, as the C++ of the houses has them."""
    text = (ROOT / "esphome/components/microgrid_house/protections.h").read_text()
    rows = re.findall(
        r"\{FaultCode::(F\d+), Watch::(\w+), HouseMetric::(\w+), (\d+), \w+, (\w+), (-?[\d.]+)F,\s+-?[\d.]+F,"
        r"\s+([\d']+)\}",
        text,
    )
    ours = [row for rows_ in HOUSE.values() for row in rows_]
    assert len(rows) == len(ours)
    for (code, watch, metric, count, trips, limit, delay_us), row in zip(rows, ours, strict=True):
        assert (code, watch, trips == "true") == (row.code, row.watch.name, row.trips)
        assert (float(limit), int(delay_us.replace("'", "")) / 1e6) == (row.value, row.delay_s)
        assert (metric.lower(), int(count)) == (row.channels[0], len(row.channels))
    assert {row.code for row in ours if row.trips} == set(TRIPS)


def test_limits_of_gateways_are_those_of_the_firmware() -> None:
    text = (ROOT / "esphome/components/microgrid_gateway/synchroniser.h").read_text()

    def setting(name: str) -> float:
        found = re.search(rf" {name}\{{([\d.']+)F?\}}", text)
        assert found, name
        return float(found[1].replace("'", ""))

    for ours, theirs, scale in (
        ("frequency_difference_hz", "frequency_difference_hz", 1.0),
        ("voltage_difference_v", "voltage_difference", 230.0),
        ("phase_difference_deg", "phase_difference_deg", 1.0),
        ("hold_s", "hold_ms", 1e-3),
        ("timeout_s", "timeout_s", 1.0),
        ("reconnection_s", "reconnection_s", 1.0),
        ("under_frequency_hz", "under_frequency_hz", 1.0),
        ("over_frequency_hz", "over_frequency_hz", 1.0),
        ("under_voltage_v", "under_voltage_v", 1.0),
        ("over_voltage_v", "over_voltage_v", 1.0),
        ("opening_delay_s", "opening_delay_ms", 1e-3),
        ("blind_s", "blind_ms", 1e-3),
    ):
        assert getattr(GATEWAY, ours) == pytest.approx(setting(theirs) * scale), ours


def test_limits_that_exclude_everything_are_refused() -> None:
    with pytest.raises(ValueError, match=r"under_voltage_v 300 is not below over_voltage_v 264.5"):
        GatewayLimits(under_voltage_v=300.0)


# ------------------------------------------------------------------------------------------------ protections


def beyond(code: str, lasted_s: float, t_s: Floats = FAST_S) -> dict[str, Series]:
    """A house whose watched quantity passes its limit for so long before the fault."""
    row = HOUSE[code][0]
    calm, bad = (0.9, 1.1) if row.watch is not Watch.BELOW else (1.1, 0.9)
    if row.watch is Watch.REVERSE:
        calm, bad = -calm, -bad
    values = np.where((t_s >= -lasted_s) & (t_s <= 0.02), bad * row.value, calm * row.value)
    return {row.channels[-1]: Series(t_s, values)}


@pytest.mark.parametrize("code", ["F001", "F002", "F003", "F005", "F006", "F013", "F014"])
def test_a_protection_is_held_against_limit_and_delay(code: str) -> None:
    delay = HOUSE[code][0].delay_s
    right = judge(code, beyond(code, delay + 0.02))
    assert right is not None
    assert (right.verdict, right.code) == (Verdict.RIGHT, code)
    assert right.beyond_s == pytest.approx(delay, abs=0.06)
    early = judge(code, beyond(code, -1.0))
    assert early is not None
    assert early.verdict is Verdict.TOO_EARLY
    if delay > 0.2:
        short = judge(code, beyond(code, 0.3 * delay))
        assert short is not None
        assert short.verdict is Verdict.TOO_EARLY
        assert "it must be for" in short.why
    late = judge(code, beyond(code, 2.0 * delay + 1.0))
    assert late is not None
    assert late.verdict is Verdict.TOO_LATE


def test_what_samples_cannot_show_is_not_judged() -> None:
    rare = np.arange(-10.0, 10.0, 0.5, dtype=np.float64)
    act = judge("F001", beyond("F001", -1.0, rare))
    assert act is not None
    assert act.verdict is Verdict.CANNOT_TELL
    assert judge("F001", {}) is not None
    assert judge("F040", {}) is None
    spread = judge(
        "F015",
        {f"cell_voltage_{n}": Series(rare, np.full(rare.size, 3.3 + 0.15 * (n == 3))) for n in (1, 2, 3)},
    )
    assert spread is not None
    assert (spread.verdict, spread.channel) == (Verdict.CANNOT_TELL, "cell_voltage_3")
    assert "as far back as the samples go" in spread.why


def test_the_simulated_protections_are_found_right() -> None:
    """Whatever trips in the simulator does so within its rules, and the answer says that."""
    assert {rule.code: rule.delay_s for rule in RULES if rule.code in HOUSE} == {
        code: rows[0].delay_s for code, rows in HOUSE.items()
    }
    codes = ("F001", "F002", "F003", "F005", "F006", "F010", "F011")  # others have limits of their own there
    verdicts = []
    for name in [next(one for one in SCENARIOS if one.startswith(code)) for code in codes]:
        case, truth = make(name, 4, degraded=False)
        answer = inverter_trip(diagnose(case), case.nodes[case.node].channels)
        verdicts.append(answer.verdict)
        assert (answer.node, answer.code) == (case.node, name[:4])
        assert answer.cause == truth.cause
        assert answer.propagated == (truth.origin != case.node)
        assert answer.steps[: len(CAUSES[answer.cause].checks)] == CAUSES[answer.cause].checks
        assert f"tripped with {answer.code}" in answer.summary
        assert all(np.isfinite(fact.value) for fact in answer.evidence)
    print(f"protections that tripped in the simulator: {[str(one) for one in verdicts]}")
    assert all(one in (Verdict.RIGHT, Verdict.CANNOT_TELL) for one in verdicts)
    assert verdicts.count(Verdict.RIGHT) >= 6


def test_a_trip_without_recordings_says_so() -> None:
    case, _ = make("F001.own_load_inrush", 2, degraded=False)
    answer = inverter_trip(diagnose(case), {})
    assert answer.verdict is Verdict.CANNOT_TELL
    assert "cannot be told" in answer.summary


# --------------------------------------------------------------------------------------------------- gateways


def gateway(t_s: Floats = FAST_S, **changes: Floats | float) -> dict[str, Series]:
    """A gateway with both sides alike until a test changes a channel."""
    rng = np.random.default_rng(1)
    usual = {
        "cluster_frequency": 49.9, "swarm_frequency": 49.9, "cluster_voltage": 230.0, "swarm_voltage": 230.0,
        "phase_difference": 1.0, "power_flow": 800.0,
    }  # fmt: skip
    noise = {"cluster_frequency": 0.002, "swarm_frequency": 0.002}
    return {
        key: Series(t_s, value + changes.get(key, 0.0) + rng.normal(0.0, noise.get(key, 0.05), t_s.size))
        for key, value in usual.items()
    }


def during(since_s: float, amount: float, until_s: float = 0.05, t_s: Floats = FAST_S) -> Floats:
    """A change for a while."""
    return np.where((t_s >= since_s) & (t_s < until_s), amount, 0.0)


@pytest.mark.parametrize(
    ("changes", "verdict", "reason"),
    [
        ({"swarm_frequency": during(-0.3, -3.0)}, Verdict.RIGHT, "swarm_frequency"),
        ({"swarm_voltage": during(-0.3, -200.0)}, Verdict.RIGHT, "swarm_voltage"),
        ({"cluster_voltage": during(-0.3, 60.0)}, Verdict.RIGHT, "cluster_voltage"),
        ({"swarm_frequency": during(-2.0, 3.0)}, Verdict.TOO_LATE, "swarm_frequency"),
        ({}, Verdict.TOO_EARLY, ""),
        ({"power_flow": during(-0.8, -800.0, 10.0)}, Verdict.TOO_EARLY, "contactor"),
    ],
)
def test_an_opening_is_held_against_the_limits(
    changes: Mapping[str, Floats], verdict: Verdict, reason: str
) -> None:
    answer = disconnection("gateway-1", Moment.OPENED, gateway(**changes))
    assert (answer.verdict, answer.reason) == (verdict, reason)
    assert answer.steps
    assert len(answer.watched) == 4


def test_an_opening_that_came_too_soon() -> None:
    limits = GatewayLimits(opening_delay_s=2.0)
    answer = disconnection("g", Moment.OPENED, gateway(swarm_frequency=during(-0.5, -3.0)), limits=limits)
    assert answer.verdict is Verdict.TOO_EARLY
    assert "2.00 s is set" in answer.summary


def test_openings_that_need_no_limits() -> None:
    assert disconnection("g", Moment.COMMANDED, {}).verdict is Verdict.RIGHT
    assert disconnection("g", Moment.DISAGREED, {}).verdict is Verdict.CANNOT_TELL


def test_what_is_not_known_is_not_judged() -> None:
    assert disconnection("g", Moment.OPENED, {}).verdict is Verdict.CANNOT_TELL
    rare = np.arange(-60.0, 5.0, 1.0, dtype=np.float64)
    coarse = disconnection("g", Moment.OPENED, gateway(rare))
    assert coarse.verdict is Verdict.CANNOT_TELL
    assert "too rare" in coarse.summary
    told = disconnection("g", Moment.OPENED, gateway(rare), told={"swarm_frequency": 46.9})
    assert (told.verdict, told.reason) == (Verdict.RIGHT, "swarm_frequency")
    assert "46.9" in told.summary


def test_a_closing_is_held_against_the_window() -> None:
    good = disconnection("g", Moment.CLOSED, gateway())
    assert good.verdict is Verdict.RIGHT
    assert good.within_s is not None
    assert good.within_s > 5.0
    bad = disconnection("g", Moment.CLOSED, gateway(phase_difference=30.0))
    assert (bad.verdict, bad.reason) == (Verdict.TOO_EARLY, "phase_difference")
    dead = disconnection("g", Moment.CLOSED, gateway(swarm_voltage=-230.0))
    assert (dead.verdict, dead.reason) == (Verdict.RIGHT, "swarm")
    assert disconnection("g", Moment.CLOSED, {}).verdict is Verdict.CANNOT_TELL


def test_a_refusal_is_held_against_the_window() -> None:
    off = disconnection("g", Moment.REFUSED, gateway(cluster_frequency=-0.4))
    assert (off.verdict, off.reason) == (Verdict.RIGHT, "frequency_difference")
    assert off.within_s == 0.0
    assert "microgrid.debug_power_sharing" in off.steps[0]
    missed = disconnection("g", Moment.REFUSED, gateway())
    assert missed.verdict is Verdict.TOO_LATE
    assert "should have closed" in missed.summary
    assert disconnection("g", Moment.REFUSED, {}).verdict is Verdict.CANNOT_TELL


def test_the_time_before_it_opened_is_no_time_in_which_it_could_have_closed() -> None:
    """Opened and ordered to close again within the minute: until then both sides were one."""
    fast, slow = np.linspace(-75.0, 5.0, 801), np.linspace(-75.0, 5.0, 81)
    apart, turn = fast > -62.0, 144.0 * (fast + 62.0)
    channels = {
        "cluster_frequency": Series(fast, np.where(apart, 50.4, 50.0)),
        "swarm_frequency": Series(fast, np.full(fast.size, 50.0)),
        "cluster_voltage": Series(slow, np.full(slow.size, 230.0)),
        "swarm_voltage": Series(slow, np.full(slow.size, 230.0)),
        "phase_difference": Series(fast, np.where(apart, (turn + 180.0) % 360.0 - 180.0, 0.0)),
        "contactor_closed": Series(slow, np.where(slow > -62.0, 0.0, 1.0)),
    }
    answer = disconnection("g", Moment.REFUSED, channels)
    assert (answer.verdict, answer.reason) == (Verdict.RIGHT, "frequency_difference")
    assert answer.within_s is not None and answer.within_s < 1.0
    del channels["contactor_closed"]
    assert disconnection("g", Moment.REFUSED, channels).verdict is Verdict.TOO_LATE


@pytest.mark.parametrize(
    ("name", "reason"),
    [("F040.droop_setting", "frequency_difference"), ("F040.phase_lock", "phase_difference")],
)
def test_simulated_gateways_that_could_not_close_were_right(name: str, reason: str) -> None:
    names = [one for one in SCENARIOS if one.startswith(name)]
    right, reasons = 0, []
    for seed in range(6):
        case, _ = make(names[0], seed, degraded=False)
        answer = disconnection(case.node, Moment.REFUSED, case.nodes[case.node].channels)
        right += answer.verdict is Verdict.RIGHT
        reasons.append(answer.reason)
    print(f"{name}: right {right}/6, {reasons}")
    assert right >= 5
    assert reasons.count(reason) >= 4


VALUES = st.floats(allow_nan=True, allow_infinity=True)


@settings(max_examples=150, deadline=None)
@given(
    st.sampled_from(list(Moment)),
    st.dictionaries(st.sampled_from(CHANNELS), st.lists(st.tuples(VALUES, VALUES), max_size=30)),
    st.dictionaries(st.sampled_from(CHANNELS), VALUES),
    st.sampled_from([*HOUSE, "F099"]),
)
def test_nonsense_is_survived(
    moment: Moment, drawn: dict[str, list[tuple[float, float]]], told: dict[str, float], code: str
) -> None:
    channels = {
        key: Series(np.array([t for t, _ in rows]), np.array([x for _, x in rows]))
        for key, rows in drawn.items()
    }
    answer = disconnection("g", moment, channels, told=told)
    assert answer.summary.endswith(".")
    renamed = dict(
        zip(
            (row for rows in HOUSE.values() for one in rows for row in one.channels),
            channels.values(),
            strict=False,
        )
    )
    act = judge(code, renamed)
    assert act is None or act.why.endswith(".")


# ------------------------------------------------------------------------------------------------- statistics


def test_intervals_hold_what_they_promise() -> None:
    """Medians and slopes of 400 draws: the truth lies within at least 92 of 100 intervals of 95 %."""
    rng = np.random.default_rng(2)
    medians, slopes, alike = 0, 0, 0
    for _ in range(400):
        estimate = median_of(rng.standard_t(3, 25))
        assert estimate is not None
        medians += estimate.low <= 0.0 <= estimate.high
        days = np.arange(30.0, dtype=np.float64)
        line = trend(days, 0.5 * days + rng.standard_t(3, 30))
        assert line is not None
        slopes += line.low <= 0.5 <= line.high
        walk = np.convolve(rng.normal(0.0, 1.0, 41), np.full(6, 0.4), "valid")
        slow = trend(np.arange(36.0, dtype=np.float64), walk)
        assert slow is not None
        alike += slow.low <= 0.0 <= slow.high
    shares = [one / 4 for one in (medians, slopes, alike)]
    print("in the interval: medians {:.0f} %, slopes {:.0f} %, of alike errors {:.0f} %".format(*shares))
    assert medians >= 368
    assert slopes >= 372
    assert alike >= 340


def test_too_few_values_have_no_interval() -> None:
    assert median_of(np.array([1.0, np.nan, 2.0])) is None
    assert trend(np.arange(3.0, dtype=np.float64), np.arange(3.0, dtype=np.float64)) is None
    assert trend(np.zeros(20), np.arange(20.0, dtype=np.float64)) is None
    many = trend(np.arange(2000.0, dtype=np.float64), np.arange(2000.0, dtype=np.float64))
    assert many is not None
    assert many.slope == pytest.approx(1.0)
    assert Estimate(1.0, 0.5, 1.5, 9).outside(2.0, 3.0)
    large = median_of(np.arange(500.0, dtype=np.float64))
    assert large is not None
    assert large.low < 249.5 < large.high
