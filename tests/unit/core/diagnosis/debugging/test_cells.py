"""Which cell drifts, why, and when it fails: measured on weeks of batteries by the simulator's physics."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from numpy.typing import NDArray

from microgrid_core.diagnosis.causes import CAUSES
from microgrid_core.diagnosis.debugging.cells import CellHistory, CellImbalance, Imbalance, cell_imbalance

from .batteries import DAY_S, START_S, Batteries

Floats = NDArray[np.float64]
PACKS, DAYS = 24, 42


def cell_of_each(bank: Batteries, rng: np.random.Generator) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """A cell of every pack, as an index."""
    return np.arange(bank.packs), rng.integers(0, 16, bank.packs)


def leaking(bank: Batteries, rng: np.random.Generator) -> NDArray[np.int64]:
    """A cell loses 0.1 to 0.4 % of its charge a day more than the others."""
    pack, cell = cell_of_each(bank, rng)
    bank.leak_a[pack, cell] = rng.uniform(0.012, 0.05, bank.packs)
    return cell + 1


def weak(bank: Batteries, rng: np.random.Generator) -> NDArray[np.int64]:
    """A cell has lost 10 to 25 % of its capacity."""
    pack, cell = cell_of_each(bank, rng)
    left = rng.uniform(0.75, 0.9, bank.packs)
    bank.physics.capacity_ah[pack, cell] *= left
    bank.physics.charge_ah[pack, cell] *= left
    bank.physics.resistance_ohm[pack, cell] *= rng.uniform(1.3, 2.0, bank.packs)
    return cell + 1


def resisting(bank: Batteries, rng: np.random.Generator) -> NDArray[np.int64]:
    """A cell or its connector resists two to four times as much."""
    pack, cell = cell_of_each(bank, rng)
    bank.physics.resistance_ohm[pack, cell] *= rng.uniform(2.2, 4.0, bank.packs)
    return cell + 1


def misread(bank: Batteries, rng: np.random.Generator) -> NDArray[np.int64]:
    """The reading of a cell drifts by up to a millivolt a day."""
    pack, cell = cell_of_each(bank, rng)
    rate = rng.uniform(0.2e-3, 1e-3, bank.packs) * rng.choice([-1.0, 1.0], bank.packs)

    def offset(day: float) -> Floats:
        shown = np.zeros((bank.packs, 16))
        shown[pack, cell] = rate * day
        return shown

    bank.offset_v = offset
    return cell + 1


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (leaking, Imbalance.CHARGE),
        (weak, Imbalance.WEAK_CELL),
        (resisting, Imbalance.RESISTANCE),
        (misread, Imbalance.SENSOR),
    ],
)
def test_the_cell_and_the_reason_are_found(
    change: Callable[[Batteries, np.random.Generator], NDArray[np.int64]], expected: Imbalance
) -> None:
    """Six weeks of 24 packs, each with one cell that is wrong: named right in at least 95 of 100."""
    bank = Batteries(PACKS, DAYS, seed=11)
    truth = change(bank, np.random.default_rng(3))
    answers = [cell_imbalance(history) for history in bank.live()]
    right = sum(answer.cell == cell for answer, cell in zip(answers, truth, strict=True))
    reasons = sum(answer.verdict is expected for answer in answers)
    print(f"{expected}: cell right {right}/{PACKS}, reason right {reasons}/{PACKS}")
    assert right >= 0.95 * PACKS
    assert reasons >= 0.9 * PACKS
    for answer in answers:
        assert answer.cause in CAUSES
        assert answer.steps
        assert f"ell {answer.cell} " in answer.summary
        assert {fact.unit for fact in answer.evidence} <= {"d", "mV", "mV/week", "mΩ", ""}
    if expected is Imbalance.CHARGE:
        assert all(answer.confirmed for answer in answers)
    if expected is Imbalance.SENSOR:
        assert all(answer.confirmed is False for answer in answers)


@pytest.mark.parametrize("span", [(0.2, 0.85), (0.08, 0.99)], ids=["usual", "to both ends"])
def test_nothing_is_invented(span: tuple[float, float]) -> None:
    """Healthy packs, whose cells differ as new ones do, are called healthy: at most 5 % false alarms."""
    packs = 40
    bank = Batteries(packs, DAYS, seed=23, span=span)
    answers = [cell_imbalance(history) for history in bank.live()]
    found = Counter(answer.verdict for answer in answers)
    print(f"healthy packs used between {span}: {dict(found)}")
    assert packs - found[Imbalance.NONE] <= 0.05 * packs
    quiet = next(answer for answer in answers if answer.verdict is Imbalance.NONE)
    assert (quiet.cell, quiet.cause, quiet.failure) == (None, None, None)
    assert quiet.steps == ("Nothing to do.",)


def test_cells_that_all_drift_are_the_balancer() -> None:
    bank = Batteries(PACKS, DAYS, seed=31)
    bank.leak_a[:] = np.abs(np.random.default_rng(5).normal(0.0, 0.04, bank.leak_a.shape))
    found = Counter(cell_imbalance(history).verdict for history in bank.live())
    print(f"all cells leak: {dict(found)}")
    assert found[Imbalance.BALANCER] >= 0.7 * PACKS
    assert found[Imbalance.NONE] <= 0.1 * PACKS
    assert set(found) <= {Imbalance.BALANCER, Imbalance.CHARGE, Imbalance.NONE}


# ------------------------------------------------------------------------------------------------ prediction


def synthetic(
    rng: np.random.Generator, rate_mv: float, days: int, begin_mv: float = 4.0, noise_mv: float = 1.5
) -> CellHistory:
    """A battery whose fifth cell falls behind by so much a day; now and then a day is bad."""
    hours = 24 * days
    times = START_S + 3600.0 * np.arange(hours, dtype=np.float64)
    clock = np.arange(hours, dtype=np.float64) % 24
    current = 20.0 * np.sin(2.0 * np.pi * (clock - 15.0) / 24.0) + rng.normal(0.0, 6.0, hours)
    charge = 55.0 - 25.0 * np.cos(2.0 * np.pi * (clock - 16.0) / 24.0) + rng.normal(0.0, 2.0, hours)
    away = begin_mv + rate_mv * np.arange(hours, dtype=np.float64) / 24.0
    daily = np.repeat(rng.normal(0.0, noise_mv, days), 24)
    cells = 3.28 + 0.001 * (charge - 55.0) - 0.3e-3 * current + rng.normal(0.0, 0.0004, (16, hours))
    cells[4] -= (away + daily) / 1000.0
    bad = np.repeat((rng.random(days) < 0.04) * rng.uniform(10.0, 30.0, days), 24)
    spread = (away + daily + 3.0 + bad) / 1000.0
    bus = cells.sum(axis=0) - 4e-3 * current + rng.normal(0.0, 0.004, hours)
    return CellHistory("house-01", times, cells, cells - 0.002, cells + 0.002, spread, current, charge, bus)


def test_the_date_of_failure_lies_in_its_interval() -> None:
    """A hundred growing imbalances: the line's true crossing of 100 mV is inside 95 % of the intervals."""
    rng = np.random.default_rng(17)
    inside, named, widths, errors = 0, 0, [], []
    count = 100
    for _ in range(count):
        rate, days = rng.uniform(0.25, 1.5), int(rng.integers(28, 60))
        history = synthetic(rng, rate, days)
        answer = cell_imbalance(history)
        named += answer.cell == 5
        spread = next((one for one in answer.crossings if one.what.startswith("the difference")), None)
        if spread is None:
            continue
        true_us = (START_S + DAY_S * (100.0 - 3.0 - 4.0) / rate) * 1e6
        latest = np.inf if spread.latest_utc_us is None else spread.latest_utc_us
        inside += spread.earliest_utc_us <= true_us <= latest
        widths.append((latest - spread.earliest_utc_us) / 86_400e6)
        errors.append(abs(spread.likely_utc_us - true_us) / 86_400e6)
    print(
        f"cell named {named}/{count}; {len(widths)} dates, {inside} inside their interval "
        f"(median width {np.median(widths):.0f} d), median error {np.median(errors):.1f} d"
    )
    assert named >= 0.95 * count
    assert len(widths) >= 0.95 * count
    assert inside >= 0.9 * len(widths)


def test_a_limit_that_is_passed_already_is_told() -> None:
    answer = cell_imbalance(synthetic(np.random.default_rng(2), 3.0, 45))
    assert answer.failure is not None
    assert answer.failure.reached
    assert "already (F015)" in answer.summary


def test_one_that_comes_back_is_left_alone() -> None:
    """The balancer is at work: deviations shrink."""
    answer = cell_imbalance(synthetic(np.random.default_rng(3), -0.4, 40, begin_mv=17.0))
    assert answer.verdict is Imbalance.NONE
    assert "cell 5 drifts most, +2.60 mV a week, back to the others" in answer.summary


def test_one_that_stands_apart_is_told_without_a_date() -> None:
    answer = cell_imbalance(synthetic(np.random.default_rng(4), 0.0, 40, begin_mv=25.0, noise_mv=0.3))
    assert (answer.verdict, answer.cell) == (Imbalance.CHARGE, 5)
    assert "does not drift" in answer.summary
    assert "no limit is in reach" in answer.summary


def test_neighbours_that_mirror_each_other_share_a_sense_wire() -> None:
    history = synthetic(np.random.default_rng(6), 0.8, 40)
    cells = history.cells_v.copy()
    cells[5] += np.median(cells, axis=0) - cells[4]
    answer = cell_imbalance(replace(history, cells_v=cells, bus_v=np.full_like(history.bus_v, np.nan)))
    assert answer.verdict is Imbalance.SENSOR
    assert answer.cell in (5, 6)
    assert answer.confirmed is None


# ------------------------------------------------------------------------------------------ whatever comes in


def whole(answer: CellImbalance) -> None:
    """An answer that can be shown."""
    assert answer.summary.endswith(".")
    assert answer.steps
    for fact in answer.evidence:
        assert np.isfinite(fact.value)
    for crossing in answer.crossings:
        assert crossing.earliest_utc_us <= crossing.likely_utc_us
        assert crossing.latest_utc_us is None or crossing.likely_utc_us <= crossing.latest_utc_us


def nothing(node: str = "house-01", hours: int = 0, cells: int = 16) -> CellHistory:
    """No value at all."""
    empty, rows = np.full(hours, np.nan), np.full((cells, hours), np.nan)
    times = START_S + 3600.0 * np.arange(hours, dtype=np.float64)
    return CellHistory(node, times, rows, rows, rows, empty, empty, empty, empty)


@pytest.mark.parametrize("hours", [0, 1, 24, 2000])
def test_what_is_not_there_is_not_judged(hours: int) -> None:
    answer = cell_imbalance(nothing(hours=hours))
    assert answer.verdict is Imbalance.NOT_ENOUGH_DATA
    assert answer.cell is None
    whole(answer)


def test_a_week_is_not_enough() -> None:
    answer = cell_imbalance(synthetic(np.random.default_rng(1), 2.0, 7))
    assert answer.verdict is Imbalance.NOT_ENOUGH_DATA
    assert "10 are needed" in answer.summary


def test_two_cells_are_not_enough() -> None:
    history = synthetic(np.random.default_rng(1), 1.0, 30)
    pair = [rows[:2] for rows in (history.cells_v, history.cells_low_v, history.cells_high_v)]
    answer = cell_imbalance(replace(history, cells_v=pair[0], cells_low_v=pair[1], cells_high_v=pair[2]))
    assert answer.verdict is Imbalance.NOT_ENOUGH_DATA
    assert "2 cells are known" in answer.summary


@pytest.mark.parametrize("lost", ["current_a", "state_of_charge", "bus_v", "spread_v"])
def test_a_drift_is_found_without_a_channel(lost: str) -> None:
    """Current, charge, bus or spread may be unknown: only what hangs on it is."""
    history = synthetic(np.random.default_rng(8), 0.8, 40)
    unknown: dict[str, Any] = {lost: np.full(history.times_s.size, np.nan)}
    answer = cell_imbalance(replace(history, **unknown))
    assert (answer.verdict, answer.cell) == (Imbalance.CHARGE, 5)
    whole(answer)


def test_a_missing_cell_and_gaps_do_not_shift_the_numbers() -> None:
    history = synthetic(np.random.default_rng(9), 0.8, 50)
    cells = history.cells_v.copy()
    cells[1] = np.nan
    cells[:, 300:420] = np.nan
    keep = np.random.default_rng(1).random(history.times_s.size) > 0.2
    cells[:, ~keep] = np.nan
    answer = cell_imbalance(replace(history, cells_v=cells))
    assert (answer.verdict, answer.cell) == (Imbalance.CHARGE, 5)


def test_a_clock_that_was_set_back_changes_nothing() -> None:
    history = synthetic(np.random.default_rng(10), 0.8, 40)
    times = history.times_s.copy()
    times[500:] -= 7200.0  # two hours are there twice
    assert cell_imbalance(replace(history, times_s=times)).cell == 5
    assert cell_imbalance(replace(history, times_s=times[::-1])).days >= 38


VALUES = st.sampled_from([0.0, 3.3, 3.31, -1.0, 5.5, 1e300, np.nan, np.inf, -np.inf])


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_nonsense_is_survived(data: st.DataObject) -> None:
    """Any size, any value, any times: an answer comes out, and it can be shown."""
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
    hours = data.draw(st.integers(0, 500))
    palette = np.array(data.draw(st.lists(VALUES, min_size=1, max_size=6)))
    share = data.draw(st.sampled_from([0.02, 0.3, 1.0]))

    def spoiled(values: Floats) -> Floats:
        out = np.where(rng.random(values.shape) < share, rng.choice(palette, values.shape), values)
        cut = data.draw(st.integers(0, 3))
        return out[..., cut:] if cut and out.ndim == 1 else out

    good = synthetic(rng, 0.8, max(hours // 24, 1))
    times = spoiled(good.times_s) if data.draw(st.booleans()) else good.times_s
    whole(
        cell_imbalance(
            CellHistory(
                "house-01",
                times,
                *(spoiled(rows) for rows in (good.cells_v, good.cells_low_v, good.cells_high_v)),
                *(spoiled(row) for row in (good.spread_v, good.current_a, good.state_of_charge, good.bus_v)),
            )
        )
    )
