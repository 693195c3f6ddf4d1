"""Prices by the clock on the wall, with taxes, on days of 23 and 25 hours, in steps of any length."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, strategies as st

from microgrid_core.energy.clock import by_wall_hour, step_starts, wall_hours
from microgrid_core.energy.tariff import (
    Fixed,
    Period,
    PriceList,
    Rate,
    Tariff,
    TimeOfUse,
    day_ahead_known,
    repeat_last_day,
)

BERLIN = ZoneInfo("Europe/Berlin")
HOUR = timedelta(hours=1)
STEPS = [timedelta(minutes=minutes) for minutes in (5, 15, 30, 60)]
DAYS = {
    23: datetime(2026, 3, 29, tzinfo=BERLIN),
    24: datetime(2026, 6, 1, tzinfo=BERLIN),
    25: datetime(2026, 10, 25, tzinfo=BERLIN),
}
EVENING = TimeOfUse(BERLIN, 0.2, (Period(0.5, "17:00", "21:00"), Period(0.1, "22:00", "06:00")))


@pytest.mark.parametrize("step", STEPS, ids=str)
@pytest.mark.parametrize("hours", DAYS)
def test_a_time_of_use_keeps_to_the_wall_on_days_of_changing_clocks(hours: int, step: timedelta) -> None:
    count = round(hours * HOUR / step)
    found = Tariff(Rate(EVENING), Rate(Fixed(0.08))).prices(DAYS[hours], count, step)
    per_hour = round(HOUR / step)
    assert found.known == count == len(found.import_price)
    assert found.import_price.count(0.5) == 4 * per_hour
    assert found.import_price.count(0.1) == (6 + hours - 24 + 2) * per_hour  # the night is shorter or longer
    starts = step_starts(DAYS[hours], count, step)
    assert starts[-1].astimezone(BERLIN) + step == DAYS[hours] + timedelta(days=1)
    dear = [
        start.astimezone(BERLIN).hour
        for start, price in zip(starts, found.import_price, strict=True)
        if price == 0.5
    ]
    assert set(dear) == {17, 18, 19, 20}


def test_a_period_over_midnight_belongs_to_the_day_that_it_begins_on() -> None:
    friday = TimeOfUse(UTC, 0.3, (Period(0.1, "22:00", "02:00", frozenset({4}), frozenset({11})),))
    assert friday.at(datetime(2026, 11, 20, 23, tzinfo=UTC)) == 0.1
    assert friday.at(datetime(2026, 11, 21, 1, 59, tzinfo=UTC)) == 0.1  # Saturday
    assert friday.at(datetime(2026, 11, 21, 2, tzinfo=UTC)) == 0.3
    assert friday.at(datetime(2026, 11, 21, 23, tzinfo=UTC)) == 0.3
    assert friday.at(datetime(2026, 12, 4, 23, tzinfo=UTC)) == 0.3  # not its month


@pytest.mark.parametrize("text", ["7", "25:00", "24:01", "aa:00", "10:60", "", "-1:00"])
def test_a_time_that_is_none_is_named(text: str) -> None:
    with pytest.raises(ValueError, match="no time of day"):
        Period(0.1, text)


def test_tax_fee_and_levy() -> None:
    assert Rate(Fixed(0.10), fee=0.004, tax=0.06, levy=0.15).at(DAYS[24]) == pytest.approx(
        1.06 * 0.104 + 0.15
    )


def rows(start: datetime, prices: list[float]) -> list[tuple[datetime, datetime | None, float]]:
    return [(start + number * HOUR, None, price) for number, price in enumerate(prices)]


def test_published_prices_and_what_comes_behind_them() -> None:
    start = datetime(2026, 11, 20, 0, tzinfo=UTC)
    prices = [0.01 * hour for hour in range(24)]
    listed = PriceList(rows(start, prices))
    found = Tariff(Rate(listed), Rate(listed, fee=-0.05)).prices(start + 20 * HOUR, 30, HOUR)
    assert listed.published_until == start + 24 * HOUR
    assert found.known == 4
    expected = [*prices[20:], *prices, *prices[:2]]
    assert found.import_price == pytest.approx(expected)
    assert found.export_price == pytest.approx([max(0.0, price - 0.05) for price in expected])


def test_without_curtailment_exporting_may_cost() -> None:
    tariff = Tariff(Rate(Fixed(-0.1)), Rate(Fixed(-0.2)), curtailable=False)
    assert tariff.prices(DAYS[24], 2, HOUR).export_price == [-0.2, -0.2]


def test_a_price_list_is_sorted_cleaned_and_ends() -> None:
    start = datetime(2026, 11, 20, tzinfo=UTC)
    listed = PriceList(
        [
            (start + HOUR, start + 2 * HOUR, 0.2),
            (start, None, 0.1),
            (start + 3 * HOUR, None, math.nan),
            (start + HOUR, start + 90 * timedelta(minutes=1), 0.3),
        ]
    )
    assert listed.at(start + 59 * timedelta(minutes=1)) == 0.1
    assert listed.at(start + HOUR) == 0.3
    assert listed.at(start + 95 * timedelta(minutes=1)) is None
    assert listed.at(start - HOUR) is None
    assert PriceList([]).published_until is None
    assert Tariff(Rate(PriceList([])), Rate(Fixed(0.0))).prices(start, 2, HOUR).known == 0


def test_a_long_step_has_the_mean_of_quarter_hours() -> None:
    start = datetime(2026, 11, 20, tzinfo=UTC)
    quarter = timedelta(minutes=15)
    listed = PriceList([(start + n * quarter, start + (n + 1) * quarter, 0.1 * n) for n in range(4)])
    tariff = Tariff(Rate(listed), Rate(Fixed(0.0)))
    assert tariff.prices(start, 1, HOUR).import_price == pytest.approx([0.15])
    assert tariff.prices(start, 12, timedelta(minutes=5)).import_price[::3] == pytest.approx(
        [0.0, 0.1, 0.2, 0.3]
    )
    with pytest.raises(ValueError, match="shorter than a minute"):
        tariff.prices(start, 1, timedelta(seconds=10))


def test_day_ahead_prices_are_known_until_midnight_and_from_one_on_a_day_longer() -> None:
    for hour, known in ((0, 24), (12, 12), (13, 35), (23, 25)):
        assert day_ahead_known(DAYS[24] + hour * HOUR, 48, HOUR, BERLIN) == known
    assert day_ahead_known(DAYS[25], 48, HOUR, BERLIN) == 25
    assert day_ahead_known(DAYS[23], 48, HOUR, BERLIN) == 23


@given(st.lists(st.floats(-1.0, 1.0), min_size=1, max_size=80), st.integers(0, 80), st.integers(1, 80))
def test_unknown_prices_repeat_the_last_day(prices: list[float], known: int, count: int) -> None:
    count = min(count, len(prices))
    known = min(known, count)
    found = repeat_last_day(prices, known, count, 24)
    own = prices[len(prices) - count :]
    assert len(found) == count
    assert found[:known] == own[:known]
    for at in range(max(known, 24), count):
        assert found[at] == found[at - 24] or at - 24 < 0


def test_nothing_that_is_not_known_shows() -> None:
    assert all(map(math.isnan, repeat_last_day([0.1, 0.2], 0, 2, 24)))
    assert repeat_last_day([0.5, 0.1, 0.2], 0, 2, 24) == [0.5, 0.5]


@pytest.mark.parametrize("hours", DAYS)
def test_every_day_on_the_wall_has_24_hours(hours: int) -> None:
    starts = step_starts(DAYS[hours], hours * 2 + 4, HOUR / 2)
    first, energy = by_wall_hour(starts, [1.0] * len(starts), BERLIN)
    assert first % 24 == 0
    assert len(energy) == 26
    assert energy[0] == energy[3] == 2.0  # kWh an hour from half hours
    assert math.isnan(energy[2]) == (hours == 23)
    assert len(wall_hours(starts, BERLIN)) == len(starts)


def test_holes_are_nan_and_part_of_an_hour_is_scaled() -> None:
    start = datetime(2026, 6, 1, tzinfo=UTC)
    starts = [start, start + HOUR / 2, start + 1.5 * HOUR, start + 3 * HOUR, start + 3.5 * HOUR]
    first, energy = by_wall_hour(starts, [1.0, 2.0, 3.0, 1.0, math.inf], UTC)
    assert first == start.toordinal() * 24
    assert energy[:2].tolist() == [3.0, 6.0]
    assert math.isnan(energy[2])
    assert energy[3] == 2.0
    assert by_wall_hour([], [], UTC)[1].size == 0
    assert by_wall_hour([start], [2.0], UTC)[1].tolist() == [2.0]
