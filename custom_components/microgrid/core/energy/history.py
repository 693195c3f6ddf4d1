"""What was measured: load, solar yield and prices of equal steps, for replays and forecasts."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo

import numpy as np
from numpy.typing import NDArray

from .clock import by_wall_hour, step_starts, wall_hours

Floats = NDArray[np.float64]
Indices = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class History:
    """Measured steps without gaps; energies in kWh a step, prices in currency per kWh."""

    start: datetime
    step_h: float
    load_kwh: Floats
    solar_kwh: Floats
    import_price: Floats
    export_price: Floats
    zone: tzinfo = UTC
    solar_forecasts: tuple[Floats, ...] = ()
    """What others said of the yield a day before, kWh a step; NaN where nothing was said."""

    def __post_init__(self) -> None:
        """Refuse columns of different length and steps that do not fill an hour."""
        lengths = {
            len(column)
            for column in (
                self.load_kwh,
                self.solar_kwh,
                self.import_price,
                self.export_price,
                *self.solar_forecasts,
            )
        }
        if len(lengths) != 1:
            raise ValueError(
                f"a history of columns with {sorted(lengths)} steps: all must have the same number"
            )
        an_hour = round(1.0 / self.step_h) if self.step_h > 0.0 else 0
        if not an_hour or abs(an_hour * self.step_h - 1.0) > 1e-6:
            raise ValueError(
                f"a history in steps of {self.step_h:g} h: an hour must be a whole number of steps"
            )

    def __len__(self) -> int:
        """Return the number of steps."""
        return len(self.load_kwh)

    @property
    def net_kwh(self) -> Floats:
        """Load minus solar yield."""
        return self.load_kwh - self.solar_kwh

    @property
    def steps_an_hour(self) -> int:
        """Number of steps in an hour."""
        return round(1.0 / self.step_h)

    @property
    def days(self) -> float:
        """Its length."""
        return len(self) * self.step_h / 24.0

    def starts(self) -> list[datetime]:
        """Return the starts of the steps in UTC."""
        return step_starts(self.start, len(self), timedelta(hours=self.step_h))

    def hourly(self) -> tuple[Indices, int, Floats, Floats]:
        """Return the wall hour of each step, the first of them, and load and solar yield by the wall hour."""
        starts = self.starts()
        first, load = by_wall_hour(starts, self.load_kwh, self.zone)
        _, solar = by_wall_hour(starts, self.solar_kwh, self.zone)
        return wall_hours(starts, self.zone), first, load, solar

    def hourly_forecasts(self) -> list[Floats]:
        """Return what others said of the yield, by the wall hour."""
        starts = self.starts()
        return [by_wall_hour(starts, said, self.zone)[1] for said in self.solar_forecasts]

    def part(self, first: int, count: int) -> History:
        """Return some of its steps."""
        rows = slice(first, first + count)
        return History(
            self.start + first * timedelta(hours=self.step_h),
            self.step_h,
            self.load_kwh[rows],
            self.solar_kwh[rows],
            self.import_price[rows],
            self.export_price[rows],
            self.zone,
            tuple(said[rows] for said in self.solar_forecasts),
        )
