"""What explanations cost: prices, the most that a request can cost, and a ledger that keeps the budget.

Before a request its upper bound is set aside, and that is on disk before anything is sent: a crash in the
middle leaves the bound counted instead of the true cost, never less.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from math import isfinite
from typing import Any, Final, Self

__all__ = [
    "NO_TOKENS",
    "PRICES",
    "Budget",
    "BudgetSpent",
    "Ledger",
    "Prices",
    "Usage",
    "bound_cents",
    "cost_cents",
    "prices_of",
]

_PER_TOKEN: Final = 100 / 1e6  # USD per million tokens in cents per token
_CACHE_WRITE, _CACHE_READ = 1.25, 0.1  # of the price of input, as the Messages API bills them
_ADDED_TOKENS: Final = 1500
"""What the service adds to a request for tools and for the form of the answer, generously."""
_KEPT_DAYS: Final = 62


@dataclass(frozen=True, slots=True)
class Prices:
    """US dollars per million tokens."""

    input_usd: float
    output_usd: float


PRICES: Final[Mapping[str, Prices]] = {
    "claude-haiku-5-5": Prices(0.10, 0.50),
    "claude-sonnet-5-5": Prices(2.0, 10.0),
    "claude-opus-5-5": Prices(4.0, 20.0),
}
"""List prices of November 2026 by the beginning of the model's name; a subentry may name others."""


def prices_of(model: str) -> Prices | None:
    """Return the list prices of a model, None for an unknown one."""
    return next((prices for name, prices in PRICES.items() if model.startswith(name)), None)


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens of a request, or of many."""

    input: int = 0
    """Neither read from nor written to the cache."""
    output: int = 0
    cache_write: int = 0
    cache_read: int = 0

    @classmethod
    def of(cls, found: object) -> Self:
        """Read the field `usage` of an answer; what is missing or strange counts as none."""
        names = ("input_tokens", "output_tokens", "cache_creation_input_tokens", "cache_read_input_tokens")
        values = [found.get(name) if isinstance(found, Mapping) else None for name in names]
        return cls(*(value if type(value) is int and 0 <= value < 1_000_000_000 else 0 for value in values))

    def __add__(self, other: Usage) -> Usage:
        """Return both together."""
        return Usage(
            self.input + other.input,
            self.output + other.output,
            self.cache_write + other.cache_write,
            self.cache_read + other.cache_read,
        )

    @property
    def tokens_in(self) -> int:
        """All tokens that were read."""
        return self.input + self.cache_write + self.cache_read


NO_TOKENS: Final = Usage()


def cost_cents(prices: Prices, usage: Usage) -> float:
    """Return what tokens cost."""
    read = usage.input + _CACHE_WRITE * usage.cache_write + _CACHE_READ * usage.cache_read
    return (read * prices.input_usd + usage.output * prices.output_usd) * _PER_TOKEN


def bound_cents(prices: Prices, request_bytes: int, max_tokens: int) -> float:
    """Return the most that a request can cost: no token is shorter than a byte, all may be cached."""
    most = Usage(cache_write=request_bytes + _ADDED_TOKENS, output=max_tokens)
    return cost_cents(prices, most)


class BudgetSpent(Exception):
    """A request could pass the budget; it was not sent."""


@dataclass(frozen=True, slots=True)
class Budget:
    """What may be spent, in cents of a US dollar, and how often may be asked."""

    day_cents: float
    month_cents: float
    requests_a_day: int = 50
    """Guards what has no price: local models, and other services of Home Assistant."""


@dataclass(slots=True)
class Ledger:
    """Spent cents and requests by local day; open reservations count as spent."""

    budget: Budget
    days: dict[str, float] = field(default_factory=dict)
    requests: dict[str, int] = field(default_factory=dict)
    total_cents: float = 0.0
    """Since the beginning, without reservations."""
    usage: Usage = NO_TOKENS
    """Since the beginning."""

    def spent_today(self, now: datetime) -> float:
        """Return the cents of today."""
        return self.days.get(now.date().isoformat(), 0.0)

    def spent_this_month(self, now: datetime) -> float:
        """Return the cents of this month."""
        month = now.date().isoformat()[:7]
        return sum(cents for day, cents in self.days.items() if day.startswith(month))

    def reserve(self, now: datetime, cents: float) -> Reservation:
        """Set aside what a request can cost; raises BudgetSpent when that would be more than may be spent."""
        today = now.date().isoformat()
        if self.requests.get(today, 0) >= self.budget.requests_a_day:
            raise BudgetSpent(
                f"{self.budget.requests_a_day} requests were sent today: no more until tomorrow"
            )
        for spent, allowed, span in (
            (self.spent_today(now), self.budget.day_cents, "today"),
            (self.spent_this_month(now), self.budget.month_cents, "this month"),
        ):
            # What is free passes no budget, also when another service was paid for before.
            if cents > 0.0 and spent + cents > allowed:
                raise BudgetSpent(
                    f"{spent:.2f} of {allowed:.2f} cents are spent {span}, and the request may cost "
                    f"{cents:.2f}: raise the budget"
                )
        self._forget_before(now.date() - timedelta(days=_KEPT_DAYS))
        self.days[today] = self.days.get(today, 0.0) + cents
        self.requests[today] = self.requests.get(today, 0) + 1
        return Reservation(today, cents)

    def settle(self, reservation: Reservation, cents: float, usage: Usage) -> None:
        """Put what a request did cost in the place of what was set aside."""
        day = reservation.day
        self.days[day] = max(0.0, self.days.get(day, 0.0) - reservation.cents) + cents
        self.total_cents += cents
        self.usage += usage

    def _forget_before(self, oldest: date) -> None:
        for kept in (self.days, self.requests):
            for day in [day for day in kept if day < oldest.isoformat()]:
                del kept[day]

    def to_dict(self) -> dict[str, Any]:
        """Return what has to be stored."""
        usage = self.usage
        return {
            "days": dict(self.days),
            "requests": dict(self.requests),
            "total_cents": self.total_cents,
            "usage": [usage.input, usage.output, usage.cache_write, usage.cache_read],
        }

    @classmethod
    def from_dict(cls, budget: Budget, stored: Mapping[str, Any]) -> Self:
        """Return the ledger that was stored."""
        return cls(
            budget,
            {str(day): float(cents) for day, cents in stored.get("days", {}).items() if isfinite(cents)},
            {str(day): int(count) for day, count in stored.get("requests", {}).items()},
            float(stored.get("total_cents", 0.0)),
            Usage(*stored.get("usage", ())),
        )


@dataclass(frozen=True, slots=True)
class Reservation:
    """What was set aside for a request."""

    day: str
    cents: float
