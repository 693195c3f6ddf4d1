"""The usual time between arrivals, and when it has been missed."""

from __future__ import annotations

from microgrid_core.model.freshness import Rhythm


def rhythm(*times: float, enough: int = 3) -> Rhythm:
    """What was learned from arrivals at these times."""
    learned = Rhythm(enough)
    for time in times:
        learned.arrived(time)
    return learned


def test_nothing_is_known_before_enough_arrivals() -> None:
    assert rhythm().interval_s is None
    assert rhythm(0, 10, 20).interval_s is None
    assert rhythm(0, 10, 20, 30).interval_s == 10
    assert rhythm(0, 10, enough=1).interval_s == 10


def test_an_outage_does_not_change_the_rhythm() -> None:
    assert rhythm(0, 10, 20, 30, 40, 7200, 7210).interval_s == 10


def test_a_new_rhythm_is_learned() -> None:
    assert rhythm(0, 10, 20, 30, 40, 50, 350, 650, 950).interval_s == 300


def test_missing_is_never_sooner_than_the_least_time() -> None:
    fast, slow = rhythm(0, 1, 2, 3), rhythm(0, 300, 600, 900)
    assert not fast.missed(603, 5, 600)
    assert fast.missed(604, 5, 600)
    assert not slow.missed(900 + 1500, 5, 600)
    assert slow.missed(900 + 1501, 5, 600)
    assert not rhythm().missed(1e9, 5, 600)
