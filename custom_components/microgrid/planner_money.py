"""What the planner computes in the executor: plans by strategy and model, and their worth in money."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta, tzinfo
from typing import Final

import numpy as np

from .core.energy.advice import expect_from, plan_start
from .core.energy.battery import Battery
from .core.energy.clock import HOURS
from .core.energy.flexible import FlexibleLoad, plan_with_load
from .core.energy.forecast import Expectation, filled, normalised_error, two_leads, yesterday
from .core.energy.history import History
from .core.energy.island import IslandPlan, plan_island
from .core.energy.planning import Outlook, Plan, plan, plan_with_demand_charge
from .core.energy.policies import (
    CheapestHours,
    NoBattery,
    PerfectForesight,
    Policy,
    SelfConsumption,
    Stochastic,
    ValueCurve,
    all_policies,
)
from .core.energy.replay import Comparison, Floats, bill, compare, replay
from .core.energy.stochastic import plan_under_uncertainty
from .core.energy.tariff import Prices, Tariff
from .core.energy.value_curve import terminal_curve
from .planner_state import DayFigures, Past
from .planner_street import Street, StreetPlan, plan_street

SAVE_MONEY: Final = "save_money"
SELF_CONSUMPTION: Final = "self_consumption"
CHEAPEST_HOURS: Final = "cheapest_hours"
STRATEGIES: Final = (SAVE_MONEY, SELF_CONSUMPTION, CHEAPEST_HOURS)

REPLAY_DAYS: Final = 14
LEAST_DAYS: Final = 3
"""Below it a replay says nothing."""
_MARGIN, _MARGIN_PER_DAY = 0.005, 0.01
"""Of the rule's bill, and currency a day: less than that is chance."""
MOST_UNKNOWN: Final = 2
"""Hours of a day in which nobody knew what the battery did."""
_HOUR: Final = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Model:
    """A version of the planning model, as it can be replayed and used."""

    version: str
    policy: Stochastic | ValueCurve


def models(day_ahead: bool) -> tuple[Model, ...]:
    """Return the versions there are, the default first; `day_ahead`: tomorrow's prices come at 13:00."""
    return (
        Model("stochastic-1", Stochastic(day_ahead=day_ahead, name="stochastic-1")),
        Model("curve-1", ValueCurve(day_ahead=day_ahead, name="curve-1")),
        Model("stochastic-exact-1", Stochastic(tie=0.0, day_ahead=day_ahead, name="stochastic-exact-1")),
    )


@dataclass(frozen=True, slots=True)
class Shiftable:
    """A load that can run earlier or later, as it was measured in the hours of the question."""

    measured_kwh: Sequence[float]
    most_kw: float
    ahead_kwh: float
    behind_kwh: float
    now_kwh: float
    """How far it is ahead of its usual course, or behind (-)."""


@dataclass(frozen=True, slots=True)
class Question:
    """All that a plan is made from."""

    now: datetime
    zone: tzinfo
    starts: Sequence[datetime]
    load_kwh: Sequence[float]
    solar_kwh: Sequence[float]
    tariff: Tariff
    battery: Battery
    stored_kwh: float
    strategy: str
    model: Model
    peak_kw: float = 0.0
    present_load_kw: float = 0.0
    """Expected until something was measured."""
    solar_members: Mapping[str, tuple[Sequence[datetime], Sequence[float]]] = field(default_factory=dict)
    """Forecasts of others, for the past (as they were said) and the coming hours."""
    shiftable: Shiftable | None = None
    off_grid: bool = False
    street: Street | None = None


@dataclass(frozen=True, slots=True)
class Shift:
    """When the load that can be shifted shall run, kWh in each hour."""

    usual_kwh: tuple[float, ...]
    planned_kwh: tuple[float, ...]
    saving: float
    """Of the whole horizon, against the battery alone."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A plan, and what is needed to show and judge it."""

    start: datetime
    plan: Plan
    expectation: Expectation
    prices: Prices
    expected_saving: float
    """Of the next 24 hours against the self-consumption rule, what stays stored counted as well."""
    follows_curve: bool
    """Whether the battery shall follow the value curve; rules need none."""
    shift: Shift | None = None
    island: IslandPlan | None = None
    """Without a grid, the band of charge; the plan then is what droop will do."""
    street: StreetPlan | None = None
    """Where lines between houses count: what each battery does."""
    remarks: tuple[str, ...] = ()
    """What had to be made do with."""


def answer(question: Question) -> Answer:
    """Return the plan by the hour."""
    expectation, first_hour = expect_from(
        question.starts,
        question.load_kwh,
        question.solar_kwh,
        question.now,
        question.zone,
        solar_members=tuple(question.solar_members.values()),
        present_load_kw=question.present_load_kw,
    )
    start = plan_start(question.now)
    prices = question.tariff.prices(start, len(expectation.net_kwh), _HOUR)
    if question.off_grid:
        return _without_grid(question, expectation, first_hour, prices)
    if (shift := _shift(question, expectation, prices)) is not None:
        more = np.subtract(shift.planned_kwh, shift.usual_kwh)
        expectation = replace(
            expectation, net_kwh=expectation.net_kwh + more, load_kwh=expectation.load_kwh + more
        )
    found = _planned(question, expectation, first_hour, prices)
    street: StreetPlan | str | None = None
    if question.street is not None and question.strategy == SAVE_MONEY:
        street = plan_street(question.street, expectation, prices, question.now, question.zone)
    if isinstance(street, StreetPlan):
        found = replace(found, stored_kwh=street.stored_kwh)
    expected = History(
        start,
        1.0,
        expectation.load_kwh,
        expectation.solar_kwh,
        np.array(found.outlook.import_price),
        np.array(found.outlook.export_price),
        question.zone,
    )

    def by(policy: Policy) -> Plan:
        done = replay(expected, question.battery, policy, stored_kwh=question.stored_kwh)
        return replace(found, stored_kwh=(found.stored_kwh[0], *done.stored_kwh.tolist()))

    rule = by(SelfConsumption())
    chosen = {SELF_CONSUMPTION: rule, SAVE_MONEY: found}.get(question.strategy) or by(CheapestHours())
    saving = _cost_of_a_day(rule) - _cost_of_a_day(chosen)
    return Answer(
        start,
        chosen,
        expectation,
        prices,
        saving,
        question.strategy == SAVE_MONEY,
        shift,
        street=street if isinstance(street, StreetPlan) else None,
        remarks=street.remarks if isinstance(street, StreetPlan) else (street,) if street else (),
    )


def _without_grid(question: Question, expectation: Expectation, first_hour: int, prices: Prices) -> Answer:
    """Return the band of charge, and what droop will do by itself."""
    island = plan_island(expectation, question.battery, question.stored_kwh, first_hour=first_hour)
    free = [0.0] * len(expectation.net_kwh)
    limits = question.battery.limits(1.0)
    curve = terminal_curve(limits.usable, 0.0)
    found = Plan(
        Outlook(1.0, expectation.net_kwh.tolist(), free, free),
        limits,
        island.expected_kwh,
        (curve,) * len(island.expected_kwh),
    )
    return Answer(
        plan_start(question.now), found, expectation, prices, 0.0, follows_curve=False, island=island
    )


def _shift(question: Question, expectation: Expectation, prices: Prices) -> Shift | None:
    """Return when the load that can be shifted is cheapest; None where there is none, or it never runs."""
    if (load := question.shiftable) is None or not load.measured_kwh:
        return None
    nothing = [0.0] * len(load.measured_kwh)
    usual, _ = expect_from(question.starts, load.measured_kwh, nothing, question.now, question.zone)
    hours = np.minimum(usual.load_kwh, load.most_kw)
    if hours.max(initial=0.0) <= 0.0:
        return None
    found = plan_with_load(
        Outlook(1.0, expectation.net_kwh.tolist(), prices.import_price, prices.export_price),
        question.battery,
        question.stored_kwh,
        FlexibleLoad(hours.tolist(), load.most_kw, load.ahead_kwh, load.behind_kwh, now_kwh=load.now_kwh),
        tie=question.model.policy.tie,
    )
    return Shift(tuple(hours.tolist()), found.load_kwh, found.saving)


def _planned(question: Question, expectation: Expectation, first_hour: int, prices: Prices) -> Plan:
    tie = question.model.policy.tie
    if question.tariff.demand_charge_per_kw <= 0.0 and isinstance(question.model.policy, Stochastic):
        return plan_under_uncertainty(
            expectation,
            prices.import_price,
            prices.export_price,
            question.battery,
            question.stored_kwh,
            first_hour=first_hour,
            tie=tie,
        )
    outlook = Outlook(1.0, expectation.net_kwh.tolist(), prices.import_price, prices.export_price)
    if question.tariff.demand_charge_per_kw <= 0.0:
        return plan(outlook, question.battery, question.stored_kwh, tie=tie)
    return plan_with_demand_charge(
        outlook,
        question.battery,
        question.stored_kwh,
        charge_per_kw=question.tariff.demand_charge_per_kw,
        peak_kw=question.peak_kw,
        tie=tie,
    )


def _cost_of_a_day(found: Plan) -> float:
    """Return the bill of the first 24 hours, less what is stored at their end."""
    steps = min(HOURS, found.steps)
    outlook, limits = found.outlook, found.limits
    cost = 0.0
    for step in range(steps):
        grid, change = found.grid_kwh[step], found.change_kwh[step]
        price = outlook.import_price[step] if grid >= 0.0 else outlook.export_price[step]
        cost += price * grid + limits.wear * max(0.0, -change)
    # By the same curve for both, so that a full battery is compared fairly with an empty one.
    return cost - found.curves[steps].value(found.stored_kwh[steps]) if steps else cost


@dataclass(frozen=True, slots=True)
class Review:
    """What the days that are over say."""

    figures: DayFigures | None
    days: float
    """That were replayed; 0: too few."""
    scores: Mapping[str, float]
    """Bill of each version less that of the rule, over these days."""
    margin: float
    """Below which a difference is chance."""
    solar_errors: Mapping[str, float | None] = field(default_factory=dict)
    """Of each forecast of the yield, as a share of it."""


def review(past: Past, day_hours: int, battery: Battery, versions: Sequence[Model]) -> Review:
    """Judge the last day of a past (so many hours at its end) and all versions on its last two weeks.

    A demand charge is left out: it is paid once a month, and no version that can be replayed knows of it.
    """
    history = past.history
    scored = min(len(history), REPLAY_DAYS * HOURS)
    if scored < LEAST_DAYS * HOURS:
        return Review(judge_day(past, day_hours, battery), 0.0, {}, 0.0, _solar_errors(past))
    rows = compare(history, battery, [version.policy for version in versions], skip=len(history) - scored)
    days = scored / HOURS
    margin = max(_MARGIN * abs(rows[0].rule), _MARGIN_PER_DAY * days)
    scores = {row.policy: row.bill - row.rule for row in rows}
    return Review(judge_day(past, day_hours, battery), days, scores, margin, _solar_errors(past))


def judge_day(past: Past, hours: int, battery: Battery, *, forecast: bool = True) -> DayFigures | None:
    """Return what the last hours of a past cost, would have cost, and how right their forecast was.

    None where more than MOST_UNKNOWN hours say nothing of the battery: what it saved in them is not known.
    """
    size = len(past.history)
    if not 0 < hours <= size:
        return None
    limits = battery.limits(1.0)
    day = past.history.part(size - hours, hours)
    at_end = float(past.stored_percent[-1])
    at_begin = float(past.stored_percent[size - hours - 1]) if size > hours else math.nan
    given = _given(past, battery)[size - hours :]
    if np.count_nonzero(np.isnan(given)) > MOST_UNKNOWN:
        return None
    given = np.nan_to_num(given)
    changes = np.where(given >= 0.0, -given / limits.discharge_efficiency, -given * limits.charge_efficiency)
    if not math.isfinite(at_begin):
        at_begin = at_end - 100.0 * float(changes.sum()) / max(battery.capacity_kwh, 1e-6)
    stored = battery.stored_kwh(at_begin)
    found = bill(day, battery, changes, day.net_kwh - given)
    change = battery.capacity_kwh * (at_end - at_begin) / 100.0 if math.isfinite(at_end) else changes.sum()
    # The worth of what is stored by the state of charge: losses are those of the battery, not of a model.
    worth = limits.discharge_efficiency * float(np.median(day.import_price))
    actual = found.total + found.stored_value - worth * float(change)
    none, rule, perfect = (
        replay(day, battery, policy, stored_kwh=stored).bill.total
        for policy in (NoBattery(), SelfConsumption(), PerfectForesight())
    )
    errors = _forecast_error(past.history, hours) if forecast else (None, None, None)
    return DayFigures(actual, none, rule, perfect, *errors)


def _given(past: Past, battery: Battery) -> Floats:
    """Return what the battery gave in each hour, by its charge where its power was not known; else NaN."""
    limits = battery.limits(1.0)
    change = np.diff(past.stored_percent, prepend=math.nan) * battery.capacity_kwh / 100.0
    by_charge = np.where(
        change <= 0.0, -change * limits.discharge_efficiency, -change / limits.charge_efficiency
    )
    return np.where(np.isnan(past.battery_kwh), by_charge, past.battery_kwh)


def _forecast_error(history: History, hours: int) -> tuple[float | None, float | None, float | None]:
    """Return nMAE, bias as a share of the load, and error against `as yesterday`, of the last hours."""
    _, first, load, solar = history.hourly()
    if len(load) < hours + 2 * HOURS:
        return None, None, None
    net = filled(load, first) - filled(solar, first)
    said = two_leads(load, 0, first)[0] - two_leads(solar, 0, first, history.hourly_forecasts())[0]
    truth, forecast, naive = net[-hours:], said[-hours:], yesterday(net)[-hours:]
    level = float(np.abs(truth).mean())
    error, plain = (normalised_error(truth, other) for other in (forecast, naive))
    if not level or not math.isfinite(error):
        return None, None, None
    bias = float((forecast - truth).mean()) / level
    return error, bias, error / plain if plain > 1e-9 else None


def _solar_errors(past: Past) -> dict[str, float | None]:
    """Return how wrong each forecast of the yield was on the last days, as a share of it.

    What the planner makes of all of them, and of its own, is called `blend`.
    """
    _, first, _, solar = past.history.hourly()
    members = past.history.hourly_forecasts()
    truth = filled(solar, first)
    rows = slice(max(0, len(truth) - REPLAY_DAYS * HOURS), None)
    said = [*members, two_leads(solar, 0, first, members)[0]]
    errors: dict[str, float | None] = {}
    for name, column in zip([*past.forecasters, "blend"], said, strict=True):
        known = np.isfinite(column[rows])
        error = normalised_error(truth[rows][known], column[rows][known])
        errors[name] = error if math.isfinite(error) else None
    return errors


def compared(
    history: History, battery: Battery, day_ahead: bool, demand: float, days: int
) -> list[Comparison]:
    """Replay all policies on the last days of a history; from what is before them forecasts learn."""
    skip = max(0, len(history) - days * HOURS)
    return compare(history, battery, all_policies(day_ahead), skip=skip, demand_charge_per_kw=demand)
