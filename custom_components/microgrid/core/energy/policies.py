"""Ways to steer a battery that replays compare: from a plain rule to a plan that knows its doubts.

A policy is started on a history and then asked step by step. It may look at nothing of the history that was
not known at that step: loads and yields of earlier steps, and published prices. `PerfectForesight` alone is
the bound that may.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from .battery import Battery, Limits, self_consumption
from .clock import HOURS
from .forecast import filled, residual_quantiles, two_leads
from .history import History
from .planning import Outlook, backward, costs_of, pieces_at, plan, usual_worth
from .stochastic import DEFAULT_TIE, Grid
from .tariff import day_ahead_known, repeat_last_day
from .value_curve import Curve, Pieces, act, step_pieces, terminal_curve

Floats = NDArray[np.float64]
Decide = Callable[[int, float, float], float]
"""Step, stored energy, measured net load → wanted change of the stored energy."""

HORIZON_H = 36


class Policy(Protocol):
    """A way to steer."""

    @property
    def name(self) -> str:
        """What tables call it."""

    def start(self, history: History, battery: Battery) -> Decide:
        """Return what decides each step."""


@dataclass(frozen=True, slots=True)
class NoBattery:
    """The battery rests."""

    name: str = "no battery"

    def start(self, history: History, battery: Battery) -> Decide:
        """Return the decision to do nothing."""
        return lambda step, stored, net: 0.0


@dataclass(frozen=True, slots=True)
class SelfConsumption:
    """Surplus into the battery, load out of it: what every inverter does by itself."""

    name: str = "self-consumption rule"

    def start(self, history: History, battery: Battery) -> Decide:
        """Return the decision by the sign of the net load."""
        limits = battery.limits(history.step_h)
        return lambda step, stored, net: self_consumption(net, limits)


@dataclass(frozen=True, slots=True)
class CheapestHours:
    """Charge in the cheapest hours of the day, discharge only where the price is above the day's mean."""

    hours: int = 4
    name: str = "cheapest hours"

    def start(self, history: History, battery: Battery) -> Decide:
        """Return the decision by today's prices."""
        limits = battery.limits(history.step_h)
        days = history.hourly()[0] // HOURS
        prices, cheap, mean, spread = history.import_price, np.zeros(len(history), bool), {}, {}
        for day in np.unique(days).tolist():
            rows = np.flatnonzero(days == day)
            of_day = prices[rows]
            cheap[rows[np.argsort(of_day, kind="stable")[: self.hours * history.steps_an_hour]]] = True
            mean[day], spread[day] = float(of_day.mean()), float(of_day.max())
        losses = limits.charge_efficiency * limits.discharge_efficiency

        def decide(step: int, stored: float, net: float) -> float:
            price, day = float(prices[step]), int(days[step])
            if cheap[step] and spread[day] * losses > price + limits.wear:
                return limits.up
            if net >= 0.0 and price < mean[day] < spread[day]:
                return 0.0
            return self_consumption(net, limits)

        return decide


@dataclass(frozen=True, slots=True)
class _Seen:
    """What a planning policy may know at each step, prepared for all of them."""

    history: History
    battery: Battery
    hours: NDArray[np.int64]
    first_hour: int
    near: Floats
    """Expected net load by the wall hour, known a day before."""
    far: Floats
    actual: Floats
    day_ahead: bool

    @staticmethod
    def of(history: History, battery: Battery, day_ahead: bool) -> _Seen:
        hours, first, load, solar = history.hourly()
        loads = two_leads(load, 0, first)
        yields = two_leads(solar, 0, first, history.hourly_forecasts())
        actual = filled(load, first) - filled(solar, first)
        return _Seen(
            history, battery, hours, first, loads[0] - yields[0], loads[1] - yields[1], actual, day_ahead
        )

    def expected(self, step: int) -> Floats:
        """Return the expected net load of the coming hours, that of the step first."""
        at = int(self.hours[step]) - self.first_hour
        return np.concatenate([self.near[at : at + HOURS], self.far[at + HOURS : at + HORIZON_H]])

    def prices(self, step: int, hours: int) -> tuple[list[float], list[float]]:
        """Return the hourly prices that are known at a step; beyond them those of the last known day."""
        history = self.history
        an_hour = history.steps_an_hour
        count = min(hours, -(-(len(history) - step) // an_hour))
        known = count
        if self.day_ahead:
            now = history.start + step * timedelta(hours=history.step_h)
            known = day_ahead_known(now, count, timedelta(hours=1), history.zone)
        back = min(HOURS, step // an_hour)
        columns = []
        for prices in (history.import_price, history.export_price):
            rows = prices[step - back * an_hour : step + count * an_hour]
            # Of each hour the mean; the last one may be cut off by the end of the history.
            sums = np.add.reduceat(rows, np.arange(0, len(rows), an_hour))
            sizes = np.diff(np.append(np.arange(0, len(rows), an_hour), len(rows)))
            columns.append(repeat_last_day((sums / sizes).tolist(), known, count, HOURS))
        return columns[0], columns[1]

    def measured(self, step: int, net_kwh: float, limits: Limits) -> Pieces:
        """Return the cost of the step at the load that is really there."""
        history = self.history
        return step_pieces(
            net_kwh, float(history.import_price[step]), float(history.export_price[step]), limits
        )


@dataclass(frozen=True, slots=True)
class ValueCurve:
    """A plan for the expected load, redone every hour; the measured load follows its curve."""

    tie: float = 0.01
    day_ahead: bool = True
    """Prices of tomorrow are known from 13:00 on; False: always, as with a time-of-use tariff."""
    name: str = "plan, value curve"

    def start(self, history: History, battery: Battery) -> Decide:
        """Return the decision by the curve after the hour."""
        seen = _Seen.of(history, battery, self.day_ahead)
        hourly = battery.limits(1.0)

        def curve_after(step: int) -> Curve:
            net = seen.expected(step).tolist()
            bought, sold = seen.prices(step, len(net))
            outlook = Outlook(1.0, net[: len(bought)], bought, sold)
            costs = costs_of(outlook, hourly)
            worth = usual_worth(bought, hourly.discharge_efficiency)
            return backward(costs[1:], terminal_curve(hourly.usable, worth), hourly)[0]

        return _by_curve(seen, curve_after, self.tie)


@dataclass(frozen=True, slots=True)
class Stochastic:
    """The default: a plan over quantiles of the forecast's errors, redone hourly, followed by its curve."""

    tie: float = DEFAULT_TIE
    day_ahead: bool = True
    name: str = "stochastic plan (default)"

    def start(self, history: History, battery: Battery) -> Decide:
        """Return the decision by the curve after the hour."""
        seen = _Seen.of(history, battery, self.day_ahead)
        limits = battery.limits(1.0)
        if limits.usable <= 0.0:
            return lambda step, stored, net: 0.0
        grid = Grid(limits)
        errors: dict[int, Floats] = {}

        def quantiles(hour: int) -> Floats:
            day = hour // HOURS
            if day not in errors:
                until = max(0, day * HOURS - seen.first_hour)
                errors.clear()
                errors[day] = residual_quantiles(seen.actual[:until], seen.near[:until], seen.first_hour)
            return errors[day]

        def curve_after(step: int) -> Curve:
            net = seen.expected(step)
            bought, sold = seen.prices(step, len(net))
            hour = int(seen.hours[step])
            rows = quantiles(hour)[(hour + np.arange(len(bought))) % HOURS]
            worth = usual_worth(bought, limits.discharge_efficiency)
            values = grid.values(net[: len(bought)], bought, sold, rows, worth)
            return grid.curve(deque(values, maxlen=1)[0])

        return _by_curve(seen, curve_after, self.tie)


@dataclass(frozen=True, slots=True)
class FixedSetPoints:
    """The planned power of the hour whatever the load: what most planners do. Here to show what it costs."""

    day_ahead: bool = True
    name: str = "plan, fixed set-points"

    def start(self, history: History, battery: Battery) -> Decide:
        """Return the planned change."""
        seen = _Seen.of(history, battery, self.day_ahead)
        planned: dict[int, float] = {}

        def decide(step: int, stored: float, net: float) -> float:
            hour = int(seen.hours[step])
            if hour not in planned:
                expected = seen.expected(step).tolist()
                bought, sold = seen.prices(step, len(expected))
                found = plan(Outlook(1.0, expected[: len(bought)], bought, sold), battery, stored)
                planned.clear()
                planned[hour] = found.change_kwh[0] if found.steps else 0.0
            return planned[hour] * history.step_h

        return decide


@dataclass(frozen=True, slots=True)
class PerfectForesight:
    """The whole history known beforehand: the bound that nobody can beat."""

    name: str = "perfect foresight"

    def start(self, history: History, battery: Battery) -> Decide:
        """Return the changes of the cheapest plan there is."""
        worth = float(np.median(history.import_price)) if len(history) else 0.0
        outlook = Outlook(
            history.step_h,
            history.net_kwh.tolist(),
            history.import_price.tolist(),
            history.export_price.tolist(),
        )
        limits = battery.limits(history.step_h)
        worth *= limits.discharge_efficiency
        curves = plan(outlook, battery, 0.0, terminal_worth=worth).curves

        def decide(step: int, stored: float, net: float) -> float:
            return act(curves[step + 1], stored, net, pieces_at(outlook, step, limits, net), limits)

        return decide


def _by_curve(seen: _Seen, curve_after: Callable[[int], Curve], tie: float) -> Decide:
    """Return what asks for a curve at the beginning of every hour and follows it."""
    limits = seen.battery.limits(seen.history.step_h)
    held: list[tuple[int, Curve]] = []

    def decide(step: int, stored: float, net: float) -> float:
        hour = int(seen.hours[step])
        if not held or held[0][0] != hour:
            held[:] = [(hour, curve_after(step))]
        return act(held[0][1], stored, net, seen.measured(step, net, limits), limits, tie)

    return decide


def all_policies(day_ahead: bool = True) -> tuple[Policy, ...]:
    """Return the policies of the tables, from doing nothing to the bound."""
    return (
        NoBattery(),
        SelfConsumption(),
        CheapestHours(),
        FixedSetPoints(day_ahead),
        ValueCurve(day_ahead=day_ahead),
        Stochastic(day_ahead=day_ahead),
        PerfectForesight(),
    )
