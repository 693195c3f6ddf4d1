"""What explanations may cost: no order of requests, answers and crashes passes a budget."""

from __future__ import annotations

import json
from datetime import datetime, timedelta, timezone

import pytest
from hypothesis import given, strategies as st

from microgrid_core.diagnosis.explanation.breaker import FIRST_PAUSE_S, LONGEST_PAUSE_S, CircuitBreaker
from microgrid_core.diagnosis.explanation.spending import (
    NO_TOKENS,
    PRICES,
    Budget,
    BudgetSpent,
    Ledger,
    Prices,
    Reservation,
    Usage,
    bound_cents,
    cost_cents,
    prices_of,
)

NOON = datetime(2026, 11, 21, 12, tzinfo=timezone(timedelta(hours=1)))
SONNET = PRICES["claude-sonnet-5-5"]


def test_list_prices_are_found_by_the_beginning_of_the_name() -> None:
    assert prices_of("claude-haiku-5-5-20260901") == Prices(0.10, 0.50)
    assert prices_of("somebody-elses") is None


@pytest.mark.parametrize(
    ("model", "cents"), [("claude-haiku-5-5", 0.14), ("claude-sonnet-5-5", 2.8), ("claude-opus-5-5", 5.6)]
)
def test_a_usual_explanation_costs_this_much(model: str, cents: float) -> None:
    assert cost_cents(PRICES[model], Usage(input=8000, output=1200)) == pytest.approx(cents)


def test_the_cache_has_its_own_prices() -> None:
    assert cost_cents(SONNET, Usage(cache_write=1000)) == pytest.approx(0.25)
    assert cost_cents(SONNET, Usage(cache_read=1000)) == pytest.approx(0.02)


@given(
    st.integers(0, 100_000), st.integers(0, 20_000), st.integers(0, 20_000), st.floats(0, 1), st.floats(0, 1)
)
def test_nothing_costs_more_than_its_bound(
    size: int, most: int, added: int, written: float, answered: float
) -> None:
    tokens = size + min(added, 1500)
    cached = int(tokens * written)
    usage = Usage(input=tokens - cached, cache_write=cached, output=int(most * answered))
    assert cost_cents(SONNET, usage) <= bound_cents(SONNET, size, most) + 1e-9


@pytest.mark.parametrize(
    "found", [None, "x", {}, {"input_tokens": -1}, {"input_tokens": "7"}, {"input_tokens": True}]
)
def test_strange_usage_counts_as_none(found: object) -> None:
    assert Usage.of(found) == NO_TOKENS


def test_usage_is_read() -> None:
    found = {
        "input_tokens": 1,
        "output_tokens": 2,
        "cache_creation_input_tokens": 3,
        "cache_read_input_tokens": 4,
        "server_tool_use": None,
    }
    assert Usage.of(found) == Usage(1, 2, 3, 4)
    assert Usage.of(found).tokens_in == 8


def test_a_request_that_could_pass_the_day_is_not_sent() -> None:
    ledger = Ledger(Budget(10.0, 100.0))
    ledger.settle(ledger.reserve(NOON, 6.0), 3.0, Usage(10, 5))
    assert ledger.spent_today(NOON) == 3.0
    ledger.reserve(NOON, 7.0)
    with pytest.raises(BudgetSpent, match=r"10\.00 of 10\.00 cents are spent today"):
        ledger.reserve(NOON, 0.01)
    ledger.reserve(NOON + timedelta(days=1), 10.0)


def test_nor_one_that_could_pass_the_month() -> None:
    ledger = Ledger(Budget(10.0, 25.0))
    for day in range(2):
        ledger.reserve(NOON + timedelta(days=day), 10.0)
    with pytest.raises(BudgetSpent, match="this month"):
        ledger.reserve(NOON + timedelta(days=2), 6.0)
    ledger.reserve(NOON + timedelta(days=10), 6.0)  # December


def test_what_has_no_price_is_counted() -> None:
    ledger = Ledger(Budget(0.0, 0.0, requests_a_day=2))
    ledger.reserve(NOON, 0.0)
    ledger.reserve(NOON, 0.0)
    with pytest.raises(BudgetSpent, match="2 requests"):
        ledger.reserve(NOON, 0.0)
    ledger.reserve(NOON + timedelta(hours=13), 0.0)


def test_what_another_service_cost_this_month_stops_nothing_that_is_free() -> None:
    paid = Ledger(Budget(10.0, 100.0))
    paid.settle(paid.reserve(NOON, 6.0), 3.0, Usage(10, 5))
    free = Ledger.from_dict(Budget(0.0, 0.0, requests_a_day=3), paid.to_dict())
    free.settle(free.reserve(NOON, 0.0), 0.0, NO_TOKENS)
    free.reserve(NOON, 0.0)
    assert free.spent_this_month(NOON) == 3.0
    with pytest.raises(BudgetSpent, match="3 requests"):
        free.reserve(NOON, 0.0)


def test_a_crash_between_sending_and_the_answer_counts_the_bound() -> None:
    ledger = Ledger(Budget(10.0, 100.0))
    ledger.reserve(NOON, 8.0)
    again = Ledger.from_dict(ledger.budget, json.loads(json.dumps(ledger.to_dict())))
    assert again == ledger
    with pytest.raises(BudgetSpent):
        again.reserve(NOON, 3.0)


def test_old_days_are_forgotten_and_totals_stay() -> None:
    ledger = Ledger(Budget(10.0, 100.0))
    ledger.settle(ledger.reserve(NOON, 1.0), 0.5, Usage(1, 2, 3, 4))
    ledger.reserve(NOON + timedelta(days=100), 1.0)
    assert len(ledger.days) == len(ledger.requests) == 1
    assert (ledger.total_cents, ledger.usage) == (0.5, Usage(1, 2, 3, 4))


@given(
    st.lists(
        st.tuples(
            st.integers(0, 40), st.floats(0, 8), st.floats(0, 1), st.sampled_from(["answer", "lost", "crash"])
        ),
        max_size=60,
    )
)
def test_no_order_of_events_passes_a_budget(steps: list[tuple[int, float, float, str]]) -> None:
    budget = Budget(10.0, 40.0, 10)
    ledger = Ledger(budget)
    now = NOON
    open_ones: list[Reservation] = []
    truly: dict[str, float] = {}
    for hours, bound, share, what in steps:
        now += timedelta(hours=hours)
        try:
            reservation = ledger.reserve(now, bound)
        except BudgetSpent:
            continue
        truly[reservation.day] = truly.get(reservation.day, 0.0) + bound * share
        if what == "answer":
            ledger.settle(reservation, bound * share, NO_TOKENS)
        elif what == "crash":
            ledger = Ledger.from_dict(budget, json.loads(json.dumps(ledger.to_dict())))
        else:
            open_ones.append(reservation)
        assert all(cents <= budget.day_cents + 1e-6 for cents in truly.values())
        month = now.date().isoformat()[:7]
        assert sum(c for day, c in truly.items() if day.startswith(month)) <= budget.month_cents + 1e-6
        assert ledger.requests[now.date().isoformat()] <= budget.requests_a_day


def test_a_breaker_opens_after_failures_in_a_row_and_longer_each_time() -> None:
    breaker, now = CircuitBreaker(), 1000.0
    breaker.failed(now)
    breaker.failed(now)
    breaker.succeeded()
    for _ in range(3):
        assert breaker.closed(now)
        breaker.failed(now)
    assert not breaker.closed(now + FIRST_PAUSE_S - 1)
    now += FIRST_PAUSE_S
    assert breaker.closed(now)
    breaker.failed(now)
    assert not breaker.closed(now + 2 * FIRST_PAUSE_S - 1)
    for _ in range(50):
        now = breaker.open_until_s
        breaker.failed(now)
    assert breaker.open_until_s - now == LONGEST_PAUSE_S
    breaker.succeeded()
    breaker.failed(breaker.open_until_s)
    assert breaker.closed(breaker.open_until_s)
