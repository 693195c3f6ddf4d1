"""The worth of stored energy when the forecast may be wrong: a dynamic program over quantiles of its errors.

The best change is chosen for each quantile by itself and only its cost is averaged: a battery sees the load
when it acts. So more is kept in store than a plan for the average would keep. States are a grid; the slopes
that come out are made to rise and drive `value_curve.act` on the measured load like those of a plan.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from .battery import Battery, Limits
from .clock import HOURS
from .forecast import Expectation
from .planning import Outlook, Plan, costs_of, forward, repaired, usual_worth
from .value_curve import Curve, terminal_curve

Floats = NDArray[np.float64]
LEVELS = 46
DEFAULT_TIE = 0.005
"""Currency per kWh within which the default policy keeps to self-consumption; measured on houses."""
_FORBIDDEN = 1e6


class Grid:
    """The changes between levels of a battery, within an hour; made once and used for every plan."""

    def __init__(self, limits: Limits) -> None:
        """Tabulate the changes, what the meter sees of them and where they lead."""
        levels = np.linspace(0.0, limits.usable, LEVELS)
        self.levels = levels
        self.width = float(levels[1])
        down = min(int(limits.down / self.width + 1e-9), LEVELS - 1)
        up = min(int(limits.up / self.width + 1e-9), LEVELS - 1)
        moves = np.arange(-down, up + 1)
        change = moves * self.width
        self.meter = np.where(
            change >= 0.0, change / limits.charge_efficiency, change * limits.discharge_efficiency
        )
        self.wear = np.where(change < 0.0, -limits.wear * change, 0.0)
        target = np.arange(LEVELS) + moves[:, None]
        self.penalty = np.where((target < 0) | (target >= LEVELS), _FORBIDDEN, 0.0)
        self.target = np.clip(target, 0, LEVELS - 1)

    def values(
        self,
        net_kwh: Floats,
        import_price: Sequence[float],
        export_price: Sequence[float],
        errors: Floats,
        terminal_worth: float,
    ) -> Iterator[Floats]:
        """Yield the cost to go at each level, after the last hour first and after the first hour last.

        `errors` has a row of quantiles for each hour.
        """
        value = -terminal_worth * self.levels
        yield value
        for hour in range(len(net_kwh) - 1, 0, -1):
            meter = self.meter[:, None] + (net_kwh[hour] + errors[hour])
            bought, sold = import_price[hour], export_price[hour]
            cost = np.where(meter >= 0.0, bought * meter, sold * meter) + self.wear[:, None]
            reached = value[self.target] + self.penalty
            # Changes come first: the smallest over whole rows is found fastest.
            value = (cost[:, :, None] + reached[:, None, :]).min(axis=0).mean(axis=0)
            yield value

    def curve(self, value: Floats) -> Curve:
        """Return a cost to go as a curve: the fuller, the less one more kWh is worth."""
        slopes = np.maximum.accumulate(np.diff(value) / self.width)
        return Curve(slopes.tolist(), [self.width] * (LEVELS - 1))


def plan_under_uncertainty(
    expectation: Expectation,
    import_price: Sequence[float],
    export_price: Sequence[float],
    battery: Battery,
    stored_kwh: float,
    *,
    first_hour: int = 0,
    terminal_worth: float | None = None,
    tie: float = DEFAULT_TIE,
) -> Plan:
    """Return a plan by the hour whose curves know how wrong the forecast may be.

    `first_hour` is the wall hour that begins now. The planned levels follow the expected load; whoever
    controls asks `Plan.act` with the load that is really there.
    """
    outlook, remarks = repaired(Outlook(1.0, expectation.net_kwh.tolist(), import_price, export_price))
    limits = battery.limits(1.0)
    if terminal_worth is None:
        terminal_worth = usual_worth(outlook.import_price, limits.discharge_efficiency)
    hours = len(outlook.net_kwh)
    if limits.usable > 0.0 and hours:
        errors = np.nan_to_num(expectation.errors)[(first_hour + np.arange(hours)) % HOURS]
        grid = Grid(limits)
        net = np.array(outlook.net_kwh)
        values = grid.values(net, outlook.import_price, outlook.export_price, errors, terminal_worth)
        after = [grid.curve(value) for value in values][::-1]
        curves = [after[0], *after]  # nobody asks for the one before the first hour: its load is measured
    else:
        curves = [terminal_curve(limits.usable, terminal_worth)] * (hours + 1)
    costs = costs_of(outlook, limits)
    levels = forward(curves, costs, stored_kwh, outlook.net_kwh, limits, tie)
    return Plan(outlook, limits, tuple(levels), tuple(curves), remarks=remarks)
