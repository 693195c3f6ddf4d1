"""Sets of sequence numbers, kept as ranges."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable

Range = tuple[int, int]
"""First and last, both included."""


class RangeSet:
    """A set of integers; its size in memory is the number of its ranges."""

    __slots__ = ("_firsts", "_lasts")

    def __init__(self, ranges: Iterable[Range] = ()) -> None:
        """Take ranges in any order."""
        self._firsts: list[int] = []
        self._lasts: list[int] = []
        for first, last in ranges:
            self.add(first, last)

    def __bool__(self) -> bool:
        """Whether anything is in the set."""
        return bool(self._firsts)

    def __contains__(self, number: int) -> bool:
        """Whether the number is in the set."""
        return self.end_of(number) is not None

    def end_of(self, number: int) -> int | None:
        """Return the end of the range that holds the number, None when none does."""
        at = bisect_right(self._firsts, number) - 1
        return self._lasts[at] if at >= 0 and self._lasts[at] >= number else None

    def add(self, first: int, last: int) -> None:
        """Add `first` … `last`."""
        low = bisect_left(self._lasts, first - 1)  # ranges that touch join
        high = bisect_right(self._firsts, last + 1)
        if low < high:
            first = min(first, self._firsts[low])
            last = max(last, self._lasts[high - 1])
        self._firsts[low:high] = [first]
        self._lasts[low:high] = [last]

    def remove(self, first: int, last: int) -> None:
        """Take `first` … `last` out."""
        low = bisect_left(self._lasts, first)
        high = bisect_right(self._firsts, last)
        if low >= high:
            return
        rest = []
        if self._firsts[low] < first:
            rest.append((self._firsts[low], first - 1))
        if self._lasts[high - 1] > last:
            rest.append((last + 1, self._lasts[high - 1]))
        self._firsts[low:high] = [begin for begin, _ in rest]
        self._lasts[low:high] = [end for _, end in rest]

    def ranges(self) -> tuple[Range, ...]:
        """Return the ranges in order; no two of them touch."""
        return tuple(zip(self._firsts, self._lasts, strict=True))

    def holes(self, end: int | None = None) -> tuple[Range, ...]:
        """Return what is missing between the first and the last member, or up to `end` (included)."""
        found = [(last + 1, first - 1) for last, first in zip(self._lasts, self._firsts[1:], strict=False)]
        if end is not None and self._lasts and self._lasts[-1] < end:
            found.append((self._lasts[-1] + 1, end))
        return tuple(found)

    def contiguous(self) -> int | None:
        """Return the end of the first range: everything up to here is there, None when nothing is."""
        return self._lasts[0] if self._lasts else None
