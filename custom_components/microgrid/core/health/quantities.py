"""Short ways to write the quantities and gates that many rules share."""

from __future__ import annotations

from collections.abc import Callable

from .rule import Gate, Quantity
from .subject import EACH, PRESENT, Given


def plain(name: str, text: str, unit: str = "") -> Quantity:
    """One reading as it is."""
    return Quantity(text=text, unit=unit, inputs=(name,), compute=lambda given: given.number(name))


def each(text: str, unit: str = "") -> Quantity:
    """The reading that a rule with `each` is judging."""
    return Quantity(text=text, unit=unit, inputs=(EACH,), compute=lambda given: given.number(EACH))


def highest(text: str, unit: str, *names: str) -> Quantity:
    """The highest of the readings that there are."""
    return Quantity(text=text, unit=unit, inputs=names, compute=lambda given: max(given.numbers(names)))


def lowest(text: str, unit: str, *names: str) -> Quantity:
    """The lowest of the readings that there are."""
    return Quantity(text=text, unit=unit, inputs=names, compute=lambda given: min(given.numbers(names)))


def difference(minuend: str, subtrahend: str, text: str, unit: str) -> Quantity:
    """One reading less another."""
    return Quantity(
        text=text,
        unit=unit,
        inputs=(minuend, subtrahend),
        compute=lambda given: given.number(minuend) - given.number(subtrahend),
    )


def absent(text: str) -> Quantity:
    """1 while the device is not there."""
    return Quantity(text=text, inputs=(PRESENT,), compute=lambda given: 1.0 - given.number(PRESENT))


def when(text: str, inputs: tuple[str, ...], permits: Callable[[Given], bool], *, ends: bool = False) -> Gate:
    """A gate."""
    return Gate(text=text, inputs=inputs, permits=permits, ends=ends)
