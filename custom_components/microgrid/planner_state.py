"""What the planner remembers over a restart: measured hours, daily figures, scores of models, choices."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from datetime import UTC, date, datetime, timedelta, tzinfo
from types import MappingProxyType
from typing import Any, Final, NamedTuple

import numpy as np

from .core.energy.history import History

MOST_HOURS: Final = 24 * 56
"""Of measurements: the forecasts' quantiles look back 28 days, the replay needs 14 more before them."""
MOST_DAYS: Final = 400
LEAST_COVER: Final = 0.5
"""Share of an hour that must have been measured for it to count."""
_HOUR_S: Final = 3600.0
_FORGOTTEN: Final = math.exp(-1.0 / 24.0)
"""What an hour leaves of being ahead."""
_MOST_GAP_S: Final = 1800.0
"""A power is believed to last no longer than this without another reading."""

type PricesOfHour = Callable[[datetime], tuple[float | None, float | None]]
"""Returns the mean prices of import and export in the hour from a time on, as far as they are known."""


@dataclass(slots=True)
class Hour:
    """What was measured in an hour, kWh; the battery's energy is positive where it gave."""

    load: float = 0.0
    solar: float = 0.0
    battery: float | None = None
    """None unless it was measured as long as the load was."""
    cover: float = 0.0
    """Share of the hour that was measured."""
    stored: float | None = None
    """State of charge of all planned batteries at its end, %."""
    bought: float | None = None
    """Mean price of import in that hour, as it was known then."""
    sold: float | None = None
    peak: float = 0.0
    """Highest import between two readings within it, kW."""
    flexible: float | None = None
    """Part of the load that can be shifted; None unless it was measured as long as the load was."""

    @property
    def whole(self) -> bool:
        """Whether it can be counted with."""
        return self.cover >= LEAST_COVER and self.bought is not None and self.sold is not None

    @property
    def scale(self) -> float:
        """What turns the measured part into the hour."""
        return 1.0 / self.cover if self.cover >= LEAST_COVER else math.nan


def _added(sum_kwh: float | None, cover: float, power_kw: float | None, hours: float) -> float | None:
    """Add a power that held for so long; None once a part of the hour is not known."""
    if power_kw is None or (sum_kwh is None and cover > 0.0):
        return None
    return (sum_kwh or 0.0) + power_kw * hours


@dataclass(frozen=True, slots=True)
class Reading:
    """Powers at an instant, kW; what is not known is None and counts as not measured."""

    load: float | None
    solar: float | None
    battery: float | None
    stored: float | None
    flexible: float | None = None
    """Part of the load that can be shifted."""


class Ledger:
    """Hours of measurement, integrated from readings as they come."""

    def __init__(self, rows: Mapping[int, Hour] | None = None) -> None:
        """Go on with earlier rows, by the number of the hour since 1970."""
        self.hours: dict[int, Hour] = dict(rows or {})
        self._before: tuple[float, Reading] | None = None

    def take(self, now: datetime, reading: Reading, bought: float | None, sold: float | None) -> None:
        """Count the time since the last reading with the powers that held then."""
        at = now.timestamp()
        if self._before is not None:
            since, held = self._before
            if held.load is not None and since < at:
                self._spread(since, min(at, since + _MOST_GAP_S), held)
        row = self.hours.setdefault(int(at // _HOUR_S), Hour())
        row.stored = reading.stored if reading.stored is not None else row.stored
        row.bought = row.bought if bought is None else bought
        row.sold = row.sold if sold is None else sold
        self._before = at, reading
        for number in sorted(self.hours)[:-MOST_HOURS]:
            del self.hours[number]

    def _spread(self, since: float, until: float, held: Reading) -> None:
        load, solar, battery = held.load or 0.0, held.solar or 0.0, held.battery or 0.0
        while since < until:
            number = int(since // _HOUR_S)
            end = min(until, (number + 1) * _HOUR_S)
            share = (end - since) / _HOUR_S
            row = self.hours.setdefault(number, Hour())
            row.load += max(load, 0.0) * share
            row.solar += max(solar, 0.0) * share
            row.battery = _added(row.battery, row.cover, held.battery, share)
            flexible = None if held.flexible is None else max(held.flexible, 0.0)
            row.flexible = _added(row.flexible, row.cover, flexible, share)
            row.cover += share
            row.peak = max(row.peak, load - solar - battery)
            since = end

    def fill(self, rows: Mapping[int, Hour], prices: PricesOfHour) -> None:
        """Take rows of another memory (archive, recorder) for hours that were not measured here."""
        for number, row in rows.items():
            held = self.hours.get(number)
            if held is None or held.cover < LEAST_COVER:
                if held is not None:
                    row.bought, row.sold, row.stored = held.bought, held.sold, held.stored
                if row.bought is None or row.sold is None:
                    row.bought, row.sold = prices(datetime.fromtimestamp(number * _HOUR_S, UTC))
                self.hours[number] = row

    def measured(self, before: datetime) -> Measured:
        """Return the hours before an instant, for forecasts."""
        last = int(before.timestamp() // _HOUR_S)
        known = [
            (number, row)
            for number, row in sorted(self.hours.items())
            if number < last and row.cover >= LEAST_COVER
        ]
        return Measured(
            [datetime.fromtimestamp(number * _HOUR_S, UTC) for number, _ in known],
            [row.load * row.scale for _, row in known],
            [row.solar * row.scale for _, row in known],
            [math.nan if row.flexible is None else row.flexible * row.scale for _, row in known],
        )

    def solar(self) -> dict[int, float]:
        """Return the yield of each hour that was measured, kWh."""
        return {
            number: row.solar * row.scale for number, row in self.hours.items() if row.cover >= LEAST_COVER
        }

    def history(
        self,
        since: datetime,
        until: datetime,
        zone: tzinfo,
        said: Mapping[str, Mapping[int, float]] = MappingProxyType({}),
    ) -> Past | None:
        """Return the hours of a range without a hole longer than a night, None when there are too few.

        Holes are filled from the day before; the range is cut at its beginning until it can be counted with.
        `said` are forecasts of the yield as they were said a day before, by the number of the hour.
        """
        first, last = (int(at.timestamp() // _HOUR_S) for at in (since, until))
        rows = [self.hours.get(number) for number in range(first, last)]
        good = np.array([row is not None and row.whole for row in rows], bool)
        start = _usable_from(good)
        if len(good) - start < 24:
            return None
        columns = np.full((6, len(rows) - start), np.nan)
        for at, row in enumerate(rows[start:]):
            if row is not None and row.whole:
                assert row.bought is not None and row.sold is not None
                columns[:, at] = (
                    row.load * row.scale,
                    row.solar * row.scale,
                    row.bought,
                    row.sold,
                    math.nan if row.battery is None else row.battery * row.scale,
                    math.nan if row.stored is None else row.stored,
                )
        for at in range(columns.shape[1]):
            if math.isnan(columns[0, at]):
                columns[:, at] = columns[:, at - 24 if at >= 24 else at - 1]
        begin = datetime.fromtimestamp((first + start) * _HOUR_S, UTC)
        numbers = range(first + start, last)
        forecasts = (np.array([one.get(number, math.nan) for number in numbers]) for one in said.values())
        heard = {
            name: column for name, column in zip(said, forecasts, strict=True) if np.isfinite(column).any()
        }
        history = History(
            begin, 1.0, columns[0], columns[1], columns[2], columns[3], zone, tuple(heard.values())
        )
        return Past(history, columns[4], columns[5], tuple(heard))


class Measured(NamedTuple):
    """Hours that were measured, for forecasts; kWh."""

    starts: Sequence[datetime]
    load: Sequence[float]
    solar: Sequence[float]
    flexible: Sequence[float]


@dataclass(frozen=True, slots=True, eq=False)
class Past:
    """A history, and what the batteries really did in it."""

    history: History
    battery_kwh: np.ndarray[Any, np.dtype[np.float64]]
    stored_percent: np.ndarray[Any, np.dtype[np.float64]]
    """At the end of each hour."""
    forecasters: tuple[str, ...] = ()
    """Names of the history's forecasts of the yield."""


@dataclass(frozen=True, slots=True)
class DayFigures:
    """What a day cost and would have cost, and how right the forecast was."""

    actual: float
    no_battery: float
    rule: float
    perfect: float
    nmae: float | None = None
    bias: float | None = None
    naive_ratio: float | None = None
    """Error against that of `as yesterday`; below 1 the forecast is the better one."""

    @property
    def saving(self) -> float:
        """Against the self-consumption rule."""
        return self.rule - self.actual

    @property
    def over_no_battery(self) -> float:
        """Saving against no battery."""
        return self.no_battery - self.actual

    @property
    def missed(self) -> float:
        """What perfect foresight would have saved more."""
        return self.actual - self.perfect

    @property
    def captured(self) -> float | None:
        """Share of the possible saving against no battery."""
        possible = self.no_battery - self.perfect
        return (self.no_battery - self.actual) / possible if abs(possible) > 1e-6 else None


@dataclass(slots=True)
class PlannerState:
    """Everything that is saved."""

    automatic: bool | None = None
    """Chosen at the entity, as the next two; None: as set up."""
    reserve: float | None = None
    """In %."""
    strategy: str | None = None
    raised_to: float | None = None
    raised_until: float | None = None
    """Of a storm: a higher reserve and when it ends, seconds since 1970."""
    model: str = ""
    """Version in use; empty: the first of the table."""
    wins: dict[str, int] = field(default_factory=dict)
    """Days in a row that a version in the shadow was cheaper than the one in use."""
    scores: dict[str, dict[str, float]] = field(default_factory=dict)
    """By version and day: its bill over the replayed days less that of the rule."""
    too_dear: bool = False
    """The plan lost money against the rule; the rule steers until it is cheaper again."""
    fallback: str | None = None
    days: dict[str, DayFigures] = field(default_factory=dict)
    saving_total: float = 0.0
    month: str = ""
    peak_kw: float = 0.0
    """Highest import of the month so far."""
    reported: str = ""
    """Day of the last weekly report."""
    sent: bool = False
    """Whether batteries hold schedules of the planner."""
    ahead_kwh: float = 0.0
    """How far the load that can be shifted is ahead of its usual course, or behind (-)."""
    ahead_at: int = 0
    """Number of the hour up to which that is counted."""
    line_prices: dict[int, dict[str, float]] = field(default_factory=dict)
    """Planned marginal price of each house's line, by hour; only where lines are planned."""
    capacities: dict[str, float] = field(default_factory=dict)
    """What each battery holds when full, as it last told, kWh."""
    said: dict[str, dict[int, float]] = field(default_factory=dict)
    """What solar forecasts said a day before, by integration and hour."""
    solar_errors: dict[str, float | None] = field(default_factory=dict)
    """Of each forecast on the last days, and of the blend, as a share of the yield."""
    ledger: Ledger = field(default_factory=Ledger)

    def count_shift(
        self, hour: int, usual_kwh: Mapping[int, float], ahead_kwh: float, behind_kwh: float
    ) -> None:
        """Count by how much the load that can be shifted is ahead, of each hour before one.

        `usual_kwh` is what it would have taken, by hour, as it was expected when that hour was planned. A
        house that was heated ahead cools again, so within a day it is forgotten.
        """
        for number in range(max(self.ahead_at, hour - 24), hour):
            row = self.ledger.hours.get(number)
            if (
                row is not None
                and row.flexible is not None
                and row.cover >= LEAST_COVER
                and number in usual_kwh
            ):
                more = row.flexible * row.scale - usual_kwh[number]
                self.ahead_kwh = min(max(self.ahead_kwh + more, -behind_kwh), ahead_kwh)
            self.ahead_kwh *= _FORGOTTEN
        self.ahead_at = hour

    def keep_line_prices(self, first: int, prices: Mapping[str, Sequence[float]]) -> None:
        """Keep the prices of an hour and the next one, which another plan may correct."""
        for step in (0, 1):
            self.line_prices[first + step] = {name: round(row[step], 5) for name, row in prices.items()}
        for number in sorted(self.line_prices)[:-MOST_HOURS]:
            del self.line_prices[number]

    def add_day(self, day: date, figures: DayFigures) -> None:
        """Keep the figures of a day that is over, once."""
        if day.isoformat() in self.days:
            return
        self.days[day.isoformat()] = figures
        self.saving_total += figures.saving
        for old in sorted(self.days)[:-MOST_DAYS]:
            del self.days[old]

    def last_days(self, count: int, before: date) -> list[DayFigures]:
        """Return the figures of so many days before a day, as far as they are there."""
        since = (before - timedelta(days=count)).isoformat()
        return [figures for day, figures in self.days.items() if since <= day < before.isoformat()]

    def as_stored(self) -> dict[str, Any]:
        """Return it as it is saved."""
        plain = {
            item.name: getattr(self, item.name)
            for item in fields(self)
            if item.name not in ("days", "ledger", "wins", "scores", "said", "line_prices", "capacities")
        }
        return plain | {
            "wins": dict(self.wins),
            "capacities": dict(self.capacities),
            "scores": {version: dict(rows) for version, rows in self.scores.items()},
            "days": {day: asdict(figures) for day, figures in self.days.items()},
            "line_prices": {str(number): dict(prices) for number, prices in self.line_prices.items()},
            "said": {
                domain: {str(number): kwh for number, kwh in hours.items()}
                for domain, hours in self.said.items()
            },
            "hours": {str(number): _packed(row) for number, row in self.ledger.hours.items()},
        }

    @classmethod
    def from_stored(cls, stored: Mapping[str, Any]) -> PlannerState:
        """Read what was saved; unknown names of a later version are left out."""
        known = {item.name for item in fields(cls)} - {"days", "ledger", "said", "line_prices"}
        rows = {int(number): Hour(*row) for number, row in stored.get("hours", {}).items()}
        days = {day: DayFigures(**row) for day, row in stored.get("days", {}).items()}
        return cls(
            **{name: value for name, value in stored.items() if name in known},
            days=days,
            line_prices={
                int(number): dict(prices) for number, prices in stored.get("line_prices", {}).items()
            },
            said={
                domain: {int(number): kwh for number, kwh in hours.items()}
                for domain, hours in stored.get("said", {}).items()
            },
            ledger=Ledger(rows),
        )


def mean_of(values: Iterable[float | None]) -> float | None:
    """Return the mean of what is there."""
    known = [value for value in values if value is not None and math.isfinite(value)]
    return sum(known) / len(known) if known else None


def _packed(row: Hour) -> list[float | None]:
    values = (getattr(row, item.name) for item in fields(row))
    return [None if value is None else round(value, 5) for value in values]


def _usable_from(good: np.ndarray[Any, np.dtype[np.bool_]]) -> int:
    """Return from where on no hole is longer than twelve hours."""
    start, run = 0, 0
    for at in range(len(good) - 1, -1, -1):
        run = 0 if good[at] else run + 1
        if run > 12:
            start = at + run
            break
    while start < len(good) and not good[start]:
        start += 1
    return start
