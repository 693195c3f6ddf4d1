"""How far earlier findings of operators move the odds: the physics stays in charge."""

from __future__ import annotations

import math

from hypothesis import given, strategies as st

from microgrid_core.diagnosis.experience import LEAST, MOST_STEPS, STEP, confirmed, moved
from microgrid_core.diagnosis.fingerprint import PastFault
from microgrid_core.diagnosis.report import Confirmed

NAMES = ("a", "b", "c", "undetermined")
SHARES = st.lists(st.floats(1e-9, 1.0), min_size=4, max_size=4).map(
    lambda shares: {name: share / sum(shares) for name, share in zip(NAMES, shares, strict=True)}
)
FOUND = st.dictionaries(st.sampled_from((*NAMES, "gone")), st.integers(1, 1000)).map(
    lambda counts: [Confirmed(cause, count) for cause, count in counts.items()]
)


def test_findings_are_counted_by_cause() -> None:
    past = [PastFault(str(n), "x", "0" * 16, n, cause) for n, cause in enumerate((None, "b", "a", "b", None))]
    assert confirmed(past) == (Confirmed("b", 2), Confirmed("a", 1))
    assert confirmed([]) == ()


def test_one_confirmation_doubles_the_odds_and_more_than_two_count_as_two() -> None:
    likely = {"a": 0.5, "b": 0.5}
    assert math.isclose(moved(likely, [Confirmed("b", 1)])["b"], 2 / 3)
    assert math.isclose(moved(likely, [Confirmed("b", 2)])["b"], 4 / 5)
    assert moved(likely, [Confirmed("b", 99)]) == moved(likely, [Confirmed("b", 2)])
    assert next(iter(moved(likely, [Confirmed("b", 1)]))) == "b"


@given(SHARES, FOUND)
def test_whatever_was_found_the_physics_stays_in_charge(
    likely: dict[str, float], found: list[Confirmed]
) -> None:
    after = moved(likely, found)
    assert after.keys() == likely.keys()
    assert math.isclose(sum(after.values()), 1.0)
    assert list(after.values()) == sorted(after.values(), reverse=True)
    most = math.exp(STEP * MOST_STEPS) * (1 + 1e-9)
    for cause, share in likely.items():
        assert share / most <= after[cause] <= share * most
        if share < LEAST:
            assert after[cause] <= share * (1 + 1e-9)
    first = max(likely, key=lambda cause: likely[cause])
    if likely[first] > 0.8:
        assert max(after, key=lambda cause: after[cause]) == first
