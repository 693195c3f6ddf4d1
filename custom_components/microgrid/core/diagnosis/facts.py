"""What all measures share: when it began, who switched off, who was heard; computed once for a case."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from .bus import Bus
from .onset import Baseline
from .origin import Disturbance, Trip, find_disturbance, inverter_trips
from .view import View

__all__ = ["Facts", "Finding", "Measure"]

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Finding:
    """A measured value that speaks for or against causes; its key stands in the table of evidence."""

    key: str
    node: str
    """Whose it is."""
    channel: str
    """Metric key, or what was computed."""
    value: float
    t_s: float = 0.0
    usual: Baseline | None = None
    """Of the very same quantity, in its unit: of a change that of the change."""
    detail: int | None = None
    """Number of the cell, probe or CAN node."""


class Facts:
    """A view, and what was found in it so far."""

    def __init__(self, view: View) -> None:
        """Nothing is computed yet."""
        self.view = view
        self.teller = view.teller
        self.code = view.case.code

    @property
    def bus(self) -> Bus:
        """Decoded traffic."""
        return self.view.bus

    @cached_property
    def trips(self) -> tuple[Trip, ...]:
        """Inverters that stopped giving power."""
        return inverter_trips(self.view)

    @cached_property
    def own_trip_s(self) -> float:
        """When the teller's inverter went off by the fault; a little behind the trigger when it did not."""
        times = [trip.t_s for trip in self.trips if trip.node == self.teller and -0.6 <= trip.t_s <= 1.0]
        return times[0] if times else 0.05

    @cached_property
    def quiet_until_s(self) -> float:
        """End of what may be looked at: the last instant before the own trip changes everything."""
        return self.own_trip_s - 0.012

    @cached_property
    def disturbance(self) -> Disturbance | None:
        """The sudden change of power before the own trip."""
        return find_disturbance(self.view, self.quiet_until_s)

    @cached_property
    def earlier_trips(self) -> tuple[Trip, ...]:
        """Other inverters that stopped before the own one."""
        return tuple(
            trip
            for trip in self.trips
            if trip.node != self.teller and -12.0 < trip.t_s < self.own_trip_s - 0.015
        )


Measure = Callable[[Facts], Iterator[Finding]]
