"""What the next two days bring by the hour: a blend of simple members, weighted by how right each was.

Series are hourly, in kWh, 24 a day by the clock on the wall (`clock.by_wall_hour`). An entry for an hour uses
nothing that was not known `lead_h` hours before: 24 for the coming day, 48 beyond it. Values for the past are
therefore what would have been said then, and their errors are honest.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .clock import HOURS

Floats = NDArray[np.float64]
WINDOW_DAYS = 14
"""Of errors that weigh the members."""
QUANTILES = 7
_RESIDUAL_DAYS, _LEAST_RESIDUAL_DAYS = 28, 7
_ERROR_FLOOR = 0.02  # of the mean level: a frozen sensor has no error, and weights are finite all the same
_RIDGE_STRENGTH = 30.0
_RIDGE_FIRST_DAY, _RIDGE_EVERY_DAYS = 28, 7
_RIDGE_LAGS_H = (0, 24, 48, 144, 312)
_RIDGE_SKIP_H = 14 * HOURS  # whose lags are not all known


@dataclass(frozen=True, slots=True)
class Expectation:
    """What is expected of the coming hours, and how far it may be off."""

    net_kwh: Floats
    """Load minus solar yield of each hour."""
    load_kwh: Floats
    solar_kwh: Floats
    errors: Floats
    """Quantiles of actual minus expected net load: 24 hours of the day × QUANTILES."""


def expect(
    load_kwh: Floats,
    solar_kwh: Floats,
    hours: int,
    first_hour: int = 0,
    solar_members: Sequence[Floats] = (),
    present_load_kw: float = 0.0,
) -> Expectation:
    """Return what is expected of the hours after a history.

    `first_hour` is the number of the first hour of the history, its remainder by 24 the hour of the day.
    Further forecasts of the solar yield (`solar_members`, e.g. a weather service's) cover the history and the
    coming hours; NaN where there was none. They are weighed like the others. On the first day nobody knows
    the load of the hours that were never measured: the mean of the others stands for them, and before there
    are others, `present_load_kw`. The sun is not expected before it was seen.
    """
    load = two_leads(load_kwh, hours, first_hour)
    measured = load_kwh[np.isfinite(load_kwh)]
    for lead_h, said in zip((HOURS, 2 * HOURS), load, strict=True):
        said[len(load_kwh) : lead_h] = measured.mean() if len(measured) else present_load_kw
    solar = two_leads(solar_kwh, hours, first_hour, solar_members)
    known = len(load_kwh)
    errors = residual_quantiles(
        filled(load_kwh, first_hour) - filled(solar_kwh, first_hour), (load[0] - solar[0])[:known], first_hour
    )
    ahead = []
    for near, far in (load, solar):
        joined = np.concatenate([near[known : known + HOURS], far[known + HOURS :]])[:hours]
        ahead.append(np.maximum(joined, 0.0))
    return Expectation(ahead[0] - ahead[1], ahead[0], ahead[1], errors)


def two_leads(
    series: Floats, hours: int, first_hour: int = 0, members: Sequence[Floats] = ()
) -> tuple[Floats, Floats]:
    """Return the blend for the history and so many hours more, as known a day and two days before."""
    near, far = (blend(series, lead_h, hours, first_hour, members) for lead_h in (HOURS, 2 * HOURS))
    return near, far


def blend(
    series: Floats, lead_h: int, hours: int = 0, first_hour: int = 0, members: Sequence[Floats] = ()
) -> Floats:
    """Return a blend of the members, each weighted by one over its squared error of the last days."""
    known = len(series)
    if not known and not members:
        return np.zeros(hours)
    truth = filled(series, first_hour)
    padded = np.concatenate([truth, np.full(hours, np.nan)])
    own = [yesterday(padded, lead_h), mean_of_week(padded, lead_h), ridge(padded, known, lead_h, first_hour)]
    others = [_fitted(member, known + hours) for member in members]
    said = np.stack([*own, *others])
    said = np.where(np.isfinite(said), said, own[1])
    wrong = np.abs(said[:, :known] - truth)
    result: Floats = said.mean(axis=0)
    if others:  # before anything was measured they alone know something
        told = np.isfinite(others)
        alone = np.isnan(_lag(padded, lead_h)) & told.any(axis=0)
        result = np.where(
            alone, np.where(told, others, 0.0).sum(axis=0) / np.maximum(told.sum(axis=0), 1), result
        )
    for start, end in _days(known + hours, first_hour):
        last = min(known, start - lead_h)  # of which the truth is known when the day's first hour is forecast
        if last < HOURS:
            continue
        since = max(0, last - WINDOW_DAYS * HOURS)
        level = float(np.abs(truth[since:last]).mean())
        error = wrong[:, since:last].mean(axis=1) + _ERROR_FLOOR * level + 1e-6
        weight = 1.0 / error**2
        result[start:end] = (weight / weight.sum()) @ said[:, start:end]
    return result


def yesterday(series: Floats, lead_h: int = HOURS) -> Floats:
    """Return the value of the same hour, the last day that was known."""
    return np.nan_to_num(_lag(series, lead_h))


def mean_of_week(series: Floats, lead_h: int = HOURS) -> Floats:
    """Return the mean of the same hour of the last seven days that were known."""
    days = np.stack([_lag(series, lead_h + HOURS * day) for day in range(7)])
    there = np.isfinite(days)
    mean: Floats = np.where(there, days, 0.0).sum(axis=0) / np.maximum(there.sum(axis=0), 1)
    return mean


def ridge(series: Floats, known: int, lead_h: int = HOURS, first_hour: int = 0) -> Floats:
    """Return a linear model of the hour (working day, weekend) and of lags, refitted weekly."""
    result = mean_of_week(series, lead_h)
    features = _features(series, lead_h, first_hour, result)
    offset = -first_hour % HOURS  # to the first midnight
    for start in range(offset + _RIDGE_FIRST_DAY * HOURS, len(series), _RIDGE_EVERY_DAYS * HOURS):
        until = min(start - lead_h, known)
        rows = slice(_RIDGE_SKIP_H, until)
        if until - _RIDGE_SKIP_H < _RIDGE_FIRST_DAY * HOURS // 4:
            continue
        centre, spread = features[rows].mean(axis=0), features[rows].std(axis=0) + 1e-9
        scaled, level = (features[rows] - centre) / spread, float(series[rows].mean())
        gram = scaled.T @ scaled + _RIDGE_STRENGTH * np.eye(scaled.shape[1])
        weights = np.linalg.solve(gram, scaled.T @ (series[rows] - level))
        end = min(start + _RIDGE_EVERY_DAYS * HOURS, len(series))
        result[start:end] = (features[start:end] - centre) / spread @ weights + level
    return result


def residual_quantiles(actual: Floats, said: Floats, first_hour: int = 0) -> Floats:
    """Return quantiles of the errors of the last days by the hour of the day, its neighbours included."""
    whole = len(actual) - (first_hour + len(actual)) % HOURS  # up to the last midnight
    start = max(-first_hour % HOURS, whole - _RESIDUAL_DAYS * HOURS)
    if whole - start < _LEAST_RESIDUAL_DAYS * HOURS:
        return np.zeros((HOURS, QUANTILES))
    days = (actual - said)[start:whole].reshape(-1, HOURS)
    around = np.concatenate([days, np.roll(days, 1, axis=1), np.roll(days, -1, axis=1)])
    shares = (np.arange(QUANTILES) + 0.5) / QUANTILES
    quantiles: Floats = np.quantile(around, shares, axis=0).T
    return quantiles


def filled(series: Floats, first_hour: int = 0) -> Floats:
    """Return the series with holes taken from the same hour of the day before; never NaN."""
    values = np.where(np.isfinite(series), series, np.nan)
    holes = np.flatnonzero(np.isnan(values))
    for at in holes.tolist():
        before = values[at - HOURS] if at >= HOURS else np.nan
        if np.isnan(before):
            seen = values[max(0, at - 7 * HOURS) : at]
            seen = seen[np.isfinite(seen)]
            before = seen.mean() if len(seen) else 0.0
        values[at] = before
    return values


def normalised_error(actual: Floats, said: Floats) -> float:
    """Return the mean absolute error as a share of the mean level (nMAE); NaN without any level."""
    level = float(np.abs(actual).mean()) if len(actual) else 0.0
    return float(np.abs(said - actual).mean()) / level if level else float("nan")


def _lag(series: Floats, hours: int) -> Floats:
    result = np.full(len(series), np.nan)
    result[hours:] = series[: max(0, len(series) - hours)]
    return result


def _features(series: Floats, lead_h: int, first_hour: int, week: Floats) -> Floats:
    at = np.arange(len(series)) + first_hour
    hour = np.eye(HOURS)[at % HOURS]
    # Hour numbers count from the ordinal 0, a Sunday; see clock.wall_hours.
    weekend = np.isin((at // HOURS) % 7, (0, 6))
    lags = (np.nan_to_num(_lag(series, lead_h + lag)) for lag in _RIDGE_LAGS_H)
    return np.column_stack([hour, hour * weekend[:, None], week, *lags])


def _fitted(member: Floats, size: int) -> Floats:
    result = np.full(size, np.nan)
    result[: min(size, len(member))] = member[:size]
    return result


def _days(size: int, first_hour: int) -> list[tuple[int, int]]:
    """Return start and end of each day on the wall."""
    cuts = sorted({0, size, *range(-first_hour % HOURS, size, HOURS)})
    return list(itertools.pairwise(cuts))
