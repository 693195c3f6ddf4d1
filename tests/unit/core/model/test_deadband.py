"""Dead-bands keep states calm and lose no change for ever."""

from __future__ import annotations

import pytest
from hypothesis import given, strategies as st

from microgrid_core.model.deadband import CALM, DETAILED, NORMAL, PROFILES, DeadBand, Profile, Verdict
from microgrid_core.model.metric import Metric, Value, ValueType

POWER = Metric(key="p", unit="W", dead_band=25.0)

values = st.lists(st.one_of(st.none(), st.floats(-5000, 5000)), max_size=50)


def run(
    band: DeadBand, sequence: list[Value | None], start_s: float = 0.0
) -> tuple[list[Value | None], float]:
    """What is written for one value a second; what must wait is judged again each second, as the hub does."""
    told, now, waiting = [], start_s, False
    value: Value | None = None
    for value in sequence:
        now += 1.0
        verdict = band.judge(value, now)
        waiting = verdict is Verdict.WAIT
        if verdict is Verdict.TELL:
            band.tell(value, now)
            told.append(value)
    while waiting:
        now += 1.0
        if (verdict := band.judge(value, now)) is Verdict.TELL:
            band.tell(value, now)
            told.append(value)
        waiting = verdict is Verdict.WAIT
    return told, now


@given(values, st.sampled_from(sorted(PROFILES)))
def test_in_the_end_the_told_value_is_within_the_band_of_the_true_one(
    sequence: list[Value | None], name: str
) -> None:
    profile = PROFILES[name]
    band = DeadBand(POWER, profile, profile.interval_s)
    run(band, sequence)
    if sequence and sequence[-1] is None:
        assert band.told is None
    elif sequence:
        assert isinstance(band.told, float) and isinstance(sequence[-1], float)
        assert abs(band.told - sequence[-1]) < POWER.dead_band * profile.factor


@given(st.lists(st.floats(0, 150), min_size=2, max_size=200))
def test_calm_changes_are_told_once_in_an_interval_at_most(sequence: list[Value | None]) -> None:
    """Changes of up to six dead-bands wait for their turn."""
    band = DeadBand(POWER, NORMAL, 15.0)
    told, end = run(band, sequence)
    assert len(told) <= 1 + end / 15.0 + 1


def test_a_slow_drift_is_told() -> None:
    band = DeadBand(POWER, NORMAL, 15.0)
    told, _ = run(band, [float(watt) for watt in range(100)])
    assert told[0] == 0.0
    assert len(told) == 4


@pytest.mark.parametrize(
    ("profile", "change", "age_s", "verdict"),
    [
        (NORMAL, 24.9, 100.0, Verdict.IGNORE),
        (NORMAL, 25.0, 5.0, Verdict.TELL),
        (NORMAL, 25.0, 4.9, Verdict.WAIT),
        (NORMAL, -200.0, 1.0, Verdict.TELL),
        (NORMAL, 199.0, 1.0, Verdict.WAIT),
        (CALM, 49.0, 100.0, Verdict.IGNORE),
        (CALM, 50.0, 60.0, Verdict.TELL),
        (DETAILED, 12.5, 0.1, Verdict.TELL),
    ],
)
def test_profiles(profile: Profile, change: float, age_s: float, verdict: Verdict) -> None:
    band = DeadBand(POWER, profile, profile.interval_s)
    band.tell(1000.0, 0.0)
    assert band.judge(1000.0 + change, age_s) is verdict


@pytest.mark.parametrize("value_type", [ValueType.FLAG, ValueType.CHOICE, ValueType.TEXT])
def test_what_is_no_number_is_told_at_once(value_type: ValueType) -> None:
    old: Value = False if value_type is ValueType.FLAG else "a"
    new: Value = True if value_type is ValueType.FLAG else "b"
    band = DeadBand(Metric(key="m", value=value_type, options=("a", "b")), CALM, 60.0)
    band.tell(old, 0.0)
    assert band.judge(old, 0.1) is Verdict.IGNORE
    assert band.judge(new, 0.1) is Verdict.TELL


def test_coming_and_going_is_told_at_once() -> None:
    band = DeadBand(POWER, CALM, 60.0)
    assert band.judge(5.0, 0.0) is Verdict.TELL
    band.tell(5.0, 0.0)
    assert band.judge(None, 0.1) is Verdict.TELL


def test_without_a_band_every_change_waits_for_its_interval_only() -> None:
    band = DeadBand(Metric(key="m"), NORMAL, 15.0)
    band.tell(1.0, 0.0)
    assert band.judge(1.000001, 1.0) is Verdict.WAIT
    assert band.judge(1.000001, 15.0) is Verdict.TELL
