"""A RangeSet is a set."""

from __future__ import annotations

from hypothesis import given, strategies as st

from microgrid_core.archive.ranges import RangeSet

steps = st.lists(
    st.tuples(st.booleans(), st.integers(0, 40), st.integers(0, 9)).map(lambda s: (s[0], s[1], s[1] + s[2])),
    max_size=30,
)


@given(steps)
def test_adding_and_removing_ranges(actions: list[tuple[bool, int, int]]) -> None:
    ranges, plain = RangeSet(), set[int]()
    for add, first, last in actions:
        (ranges.add if add else ranges.remove)(first, last)
        change = set(range(first, last + 1))
        plain = plain | change if add else plain - change
    assert {n for first, last in ranges.ranges() for n in range(first, last + 1)} == plain
    assert all(
        left[1] + 1 < right[0] for left, right in zip(ranges.ranges(), ranges.ranges()[1:], strict=False)
    )
    assert [n in ranges for n in range(60)] == [n in plain for n in range(60)]
    missing = set(range(min(plain), max(plain))) - plain if plain else set()
    assert {n for first, last in ranges.holes() for n in range(first, last + 1)} == missing
    if plain:
        assert ranges.contiguous() == next(n for n in range(min(plain), 60) if n + 1 not in plain)
        assert ranges.holes(60)[-1][1] == 60
    else:
        assert ranges.contiguous() is None
