"""What energy costs: fixed, by the time of use or by a list of prices, with taxes and fees."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Protocol

from .clock import HOURS, step_starts, utc

_MINUTE = timedelta(minutes=1)
_SAMPLE = timedelta(minutes=15)
"""Prices never change within it: the market's shortest interval, and all times of use that are in use."""
_LONGEST = timedelta(hours=1)  # a price without end holds no longer


class PriceSource(Protocol):
    """Where the price of energy comes from."""

    def at(self, when: datetime) -> float | None:
        """Return the price per kWh at an instant (UTC); None where it is not known."""


@dataclass(frozen=True, slots=True)
class Fixed:
    """The same price at all times."""

    price: float

    def at(self, when: datetime) -> float | None:
        """Return the price."""
        return self.price


@dataclass(frozen=True, slots=True)
class Period:
    """When a price of a time-of-use tariff holds, by the clock on the wall."""

    price: float
    start: str = "00:00"
    end: str = "24:00"
    """Before the start: over midnight."""
    weekdays: frozenset[int] = frozenset(range(7))
    """0 = Monday."""
    months: frozenset[int] = frozenset(range(1, 13))
    start_minute: int = field(init=False, repr=False)
    end_minute: int = field(init=False, repr=False)

    def __post_init__(self) -> None:
        """Read the times."""
        object.__setattr__(self, "start_minute", _minute(self.start))
        object.__setattr__(self, "end_minute", _minute(self.end))

    def holds(self, local: datetime) -> bool:
        """Whether it holds at a time on the wall; the part after midnight belongs to the day before."""
        minute = local.hour * 60 + local.minute
        if self.start_minute < self.end_minute:
            return self.start_minute <= minute < self.end_minute and self._on(local)
        if minute >= self.start_minute:
            return self._on(local)
        return minute < self.end_minute and self._on(local - timedelta(days=1))

    def _on(self, day: datetime) -> bool:
        return day.weekday() in self.weekdays and day.month in self.months


@dataclass(frozen=True, slots=True)
class TimeOfUse:
    """Prices by the time of day; the first period that holds counts."""

    zone: tzinfo
    otherwise: float
    periods: tuple[Period, ...] = ()

    def at(self, when: datetime) -> float | None:
        """Return the price by the clock on the wall."""
        local = when.astimezone(self.zone)
        return next((period.price for period in self.periods if period.holds(local)), self.otherwise)


class PriceList:
    """Published prices, such as those of the day-ahead market."""

    def __init__(self, rows: Iterable[tuple[datetime, datetime | None, float]]) -> None:
        """Take rows of start, end (None: until the next one starts, at most an hour) and price, in any order.

        Rows whose price is no number are left out; of two with the same start the later counts.
        """
        known = {utc(start): (end and utc(end), price) for start, end, price in rows if math.isfinite(price)}
        self._starts = sorted(known)
        self._prices = [known[start][1] for start in self._starts]
        self._ends = []
        for number, start in enumerate(self._starts):
            end = known[start][0] or start + _LONGEST
            following = self._starts[number + 1] if number + 1 < len(self._starts) else end
            self._ends.append(min(end, following))

    @property
    def published_until(self) -> datetime | None:
        """End of the last price."""
        return self._ends[-1] if self._ends else None

    def at(self, when: datetime) -> float | None:
        """Return the published price."""
        number = bisect_right(self._starts, when) - 1
        return self._prices[number] if number >= 0 and when < self._ends[number] else None


@dataclass(frozen=True, slots=True)
class Rate:
    """A price with what is added to it: (source + fee) · (1 + tax) + levy, per kWh."""

    source: PriceSource
    fee: float = 0.0
    """Added before tax; negative where the buyer keeps something."""
    tax: float = 0.0
    """Share, such as 0.21."""
    levy: float = 0.0
    """Added after tax: grid fees and duties that are quoted with it."""

    def at(self, when: datetime) -> float | None:
        """Return the price per kWh that is billed."""
        price = self.source.at(when)
        return None if price is None else (price + self.fee) * (1.0 + self.tax) + self.levy

    def mean(self, start: datetime, step: timedelta) -> float | None:
        """Return the mean price of a step; None where a part of it is not known."""
        samples = max(1, round(step / _SAMPLE))
        found = [self.at(start + number * step / samples) for number in range(samples)]
        known = [price for price in found if price is not None]
        return sum(known) / len(known) if len(known) == len(found) else None


@dataclass(frozen=True, slots=True)
class Prices:
    """Prices of steps; behind the published ones they are those of the same hour of the last known day."""

    import_price: list[float]
    export_price: list[float]
    known: int
    """Steps from the start whose prices are both published."""


@dataclass(frozen=True, slots=True)
class Tariff:
    """What a house pays and gets."""

    import_rate: Rate
    export_rate: Rate
    demand_charge_per_kw: float = 0.0
    """For the highest import of a billing period."""
    standing_charge_per_day: float = 0.0
    curtailable: bool = True
    """Solar yield can be held back, so that nobody pays for exporting."""

    def prices(self, start: datetime, count: int, step: timedelta) -> Prices:
        """Return the prices of steps; of a step over several prices their mean."""
        if step < _MINUTE:
            raise ValueError(f"a step of {step.total_seconds():g} s is shorter than a minute")
        starts = step_starts(start, count, step)
        imports = [self.import_rate.mean(at, step) for at in starts]
        exports = [self.export_rate.mean(at, step) for at in starts]
        known = next((n for n, pair in enumerate(zip(imports, exports, strict=True)) if None in pair), count)
        a_day_ago = round(timedelta(hours=HOURS) / step)
        completed = (
            _completed(rate, starts, prices, a_day_ago, step)
            for rate, prices in ((self.import_rate, imports), (self.export_rate, exports))
        )
        import_price, export_price = completed
        if self.curtailable:
            export_price = [max(price, 0.0) for price in export_price]
        return Prices(import_price, export_price, known)


def _completed(
    rate: Rate, starts: Sequence[datetime], prices: Sequence[float | None], a_day: int, step: timedelta
) -> list[float]:
    """Fill unknown prices from a day before, which may lie before the start; NaN where nothing is known."""
    filled: list[float] = []
    for number, price in enumerate(prices):
        found = price
        if found is None and number >= a_day:
            found = filled[number - a_day]
        elif found is None:
            found = rate.mean(starts[number] - timedelta(hours=HOURS), step)
        filled.append(math.nan if found is None else found)
    return filled


def _minute(text: str) -> int:
    """Read a time of day as minutes; raises ValueError."""
    hour, _, minute = text.partition(":")
    if hour.isdigit() and minute.isdigit() and int(minute) < 60 and int(hour) * 60 + int(minute) <= 1440:
        return int(hour) * 60 + int(minute)
    raise ValueError(f"{text!r} is no time of day from 00:00 to 24:00")


def day_ahead_known(
    start: datetime, count: int, step: timedelta, zone: tzinfo, published_hour: int = 13
) -> int:
    """Return how many steps from a start have prices of a day-ahead market, published each day at an hour."""
    local = utc(start).astimezone(zone)
    days = 2 if local.hour >= published_hour else 1
    midnight = (local + timedelta(days=days)).replace(hour=0, minute=0, second=0, microsecond=0)
    return min(count, max(0, math.ceil((midnight.astimezone(UTC) - utc(start)) / step)))


def repeat_last_day(prices: Sequence[float], known: int, count: int, a_day: int) -> list[float]:
    """Return prices of which only the first are known, beyond them those of the same hour a day before.

    `prices` may begin up to a day before the first step that is asked for: the last `count` of them are
    returned.
    """
    before = len(prices) - count
    filled = list(prices[: before + known])
    for at in range(len(filled), before + count):
        filled.append(filled[at - a_day] if at >= a_day else (filled[-1] if filled else math.nan))
    return filled[before:]
