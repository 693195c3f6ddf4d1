"""Cells that drift apart over weeks: which one, why, and when it will pass a limit.

Three things make a cell leave the median, and they show differently. Charge that it lacks shows at any
current and any state of charge, and grows from day to day. Less capacity or more resistance shows under load
and at both ends of the charge. A bad sense wire shows in the cell's reading alone: the DC bus, which another
meter measures, does not follow.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from ..causes import CAUSES
from .fact import Fact, number, signed
from .limits import HOUSE
from .robust import Estimate, Trend, clean, fit, median_of, sigma_of, trend

__all__ = ["CellDrift", "CellHistory", "CellImbalance", "Crossing", "Imbalance", "cell_imbalance"]

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

DAY_S = 86_400.0
_FEWEST_DAYS = 10
_FEWEST_CELLS = 3
"""The median of two says nothing about which of them is off."""
_FLAT = (12.0, 92.0)
"""State of charge in % between which an LFP cell's voltage hardly tells its charge; the ends hide all."""
_CALM_SHARE = 0.35
_CALM_A = (2.0, 30.0)
"""Calm is the third of all hours with the least current, within these."""
_LEAST_GROWTH_MV = 3.0
_LEAST_APART_MV = 10.0
_LEAST_OHM = 0.25e-3
_LEAST_SAG_MV = 6.0
_LEAST_END_MV = 2.0
_LATE_DAYS = 21.0
_OUTLIER = 6.0
"""Standard deviations of the other cells."""
_HALF_A_DAY = 12
_HORIZON_DAYS = 730.0
_LONG_AGO_DAYS = 3650.0
_LARGEST_MV = 2000.0


class Imbalance(StrEnum):
    """What the matter is with a cell."""

    NONE = "none"
    CHARGE = "charge"
    """It holds less or more charge than the others: out of balance."""
    WEAK_CELL = "weak_cell"
    """Less capacity: it runs away at the ends."""
    RESISTANCE = "resistance"
    """It, or its connector, gives way under load."""
    BALANCER = "balancer"
    """Many cells drift: nothing balances them."""
    SENSOR = "sensor"
    """Its reading is wrong."""
    NOT_ENOUGH_DATA = "not_enough_data"


_CAUSES = {
    Imbalance.CHARGE: "F015.balancer",
    Imbalance.WEAK_CELL: "F015.weak_cell",
    Imbalance.RESISTANCE: "F015.link_resistance",
    Imbalance.BALANCER: "F015.balancer",
    Imbalance.SENSOR: "F015.sense_wire",
}


@dataclass(frozen=True, slots=True, eq=False)
class CellHistory:
    """Hours of a battery. What is not known is NaN; signs are those of the model: discharging is positive."""

    node: str
    times_s: Floats
    """Start of each hour, UTC s, shape (hours,)."""
    cells_v: Floats
    """Mean of each cell, shape (cells, hours)."""
    cells_low_v: Floats
    cells_high_v: Floats
    """Extremes of each cell within the hour."""
    spread_v: Floats
    """Largest difference of two cells that lasted for a minute, shape (hours,)."""
    current_a: Floats
    """Mean of the battery, shape (hours,)."""
    state_of_charge: Floats
    """%, shape (hours,)."""
    bus_v: Floats
    """DC bus, by a meter of its own, shape (hours,)."""


@dataclass(frozen=True, slots=True)
class Crossing:
    """When a quantity passes a limit if it goes on as it did."""

    code: str
    what: str
    limit: float
    unit: str
    value: float
    """Of the trend, at the end of the data."""
    per_week: float
    earliest_utc_us: int
    likely_utc_us: int
    latest_utc_us: int | None
    """None: it may also never happen."""
    reached: bool
    """The trend is beyond it already."""


@dataclass(frozen=True, slots=True)
class CellDrift:
    """One cell against the median of all."""

    cell: int
    deviation_mv: float | None
    """At rest, at the end of the data; None when too little is known."""
    drift_mv_per_day: Trend | None
    """At rest."""
    certain: bool
    """Whether chance makes no such drift, even among as many cells."""
    resistance_ohm: Estimate | None
    """Beyond that of the median cell."""
    empty_mv: float | None
    full_mv: float | None
    """Deviation at the lowest and the highest charge of the last weeks, freed of the load, mV."""


@dataclass(frozen=True, slots=True)
class CellImbalance:
    """The answer."""

    summary: str
    verdict: Imbalance
    steps: tuple[str, ...]
    evidence: tuple[Fact, ...]
    node: str
    cell: int | None
    cause: str | None
    """Id in the catalogue."""
    confirmed: bool | None
    """Whether the DC bus, which another meter measures, moves with the cell; None: it cannot be seen."""
    failure: Crossing | None
    """What comes first."""
    crossings: tuple[Crossing, ...]
    """The earliest first."""
    cells: tuple[CellDrift, ...]
    days: int
    """With samples at rest."""
    start_utc_us: int | None
    end_utc_us: int | None


def cell_imbalance(history: CellHistory) -> CellImbalance:
    """Judge a battery by some weeks of it."""
    bank = _Bank(history)
    if bank.days.size < _FEWEST_DAYS:
        why = f"{bank.days.size} days with the battery at rest are known; {_FEWEST_DAYS} are needed"
        if bank.cells < _FEWEST_CELLS:
            why = f"{bank.cells} cells are known; {_FEWEST_CELLS} are needed"
        return _answer(
            bank,
            Imbalance.NOT_ENOUGH_DATA,
            f"Whether a cell of {history.node} drifts cannot be told: {why}.",
            steps=(
                "Ask again when more is logged.",
                "See with microgrid.get_history that cells are logged.",
            ),
        )
    verdict, cell = bank.judge()
    if cell is None or verdict is Imbalance.NONE:
        known = [abs(one.deviation_mv) for one in bank.drifts if one.deviation_mv is not None]
        return _answer(
            bank,
            Imbalance.NONE,
            f"No cell of {history.node} leaves the others: over {bank.days.size} days {bank.moved_most()}, "
            "none gives way under load; the largest deviation at rest is "
            f"{number(max(known, default=0.0), 'mV')}.",
            steps=("Nothing to do.",),
        )
    crossings = bank.crossings(cell)
    said = f"{bank.describe(cell, verdict)}; {_when(crossings[0] if crossings else None)}."
    cause = CAUSES[_CAUSES[verdict]]
    steps = tuple(step.replace("the named cell", f"cell {cell}") for step in cause.checks)
    return _answer(bank, verdict, said, cell, steps, crossings)


def _when(failure: Crossing | None) -> str:
    if failure is None:
        return "no limit is in reach within two years as it goes now"
    if failure.reached:
        return f"{failure.what} is beyond {number(failure.limit, failure.unit)} already ({failure.code})"
    latest = "or never" if failure.latest_utc_us is None else f"at the latest {_day(failure.latest_utc_us)}"
    return (
        f"{failure.what} passes {number(failure.limit, failure.unit)} ({failure.code}) probably about "
        f"{_day(failure.likely_utc_us)}, at the earliest {_day(failure.earliest_utc_us)}, {latest}"
    )


def _day(utc_us: int) -> str:
    return str(np.datetime64(utc_us, "us").astype("datetime64[D]"))


class _Bank:
    """The cells of a battery, made clean and taken apart."""

    def __init__(self, history: CellHistory) -> None:
        self.history = history
        times = clean(history.times_s)
        volts = np.atleast_2d(np.asarray(history.cells_v, np.float64))
        if volts.size == 0 or times.size == 0:
            volts, times = np.zeros((0, 0)), np.zeros(0)
        size = min(times.size, volts.shape[1])
        order = np.argsort(np.where(np.isfinite(times[:size]), times[:size], np.inf), kind="stable")
        ordered = times[:size][order]
        # a clock that was set back writes an hour twice: the first one counts
        fresh = np.isfinite(ordered) & np.concatenate(([True], np.diff(ordered) > 0.0))[:size]
        self.pick = order[fresh]
        self.times = ordered[fresh]
        volts = np.where((volts > 0.5) & (volts < 5.0), volts, np.nan)[:, self.pick]
        self.cells = int(np.isfinite(volts).any(axis=1).sum())
        self.volts = volts
        known = np.isfinite(volts).sum(axis=0) >= _FEWEST_CELLS
        middle = np.full(self.times.size, np.nan)
        if known.any():
            middle[known] = np.nanmedian(volts[:, known], axis=0)
        self.apart = np.clip(1000.0 * (volts - middle), -_LARGEST_MV, _LARGEST_MV)
        self.current = self._taken(history.current_a)
        charge = self._taken(history.state_of_charge)
        self.charge = np.where((charge >= 0.0) & (charge <= 100.0), charge, np.nan)
        flat = ~np.isfinite(self.charge) | ((self.charge > _FLAT[0]) & (self.charge < _FLAT[1]))
        self.usable: Flags = known & flat
        self.calm: Flags = self.usable & self._calm()
        day = np.floor(self.times / DAY_S)
        counted, counts = np.unique(day[self.calm], return_counts=True)
        self.days = counted[counts >= 2]
        self.day = day
        self.rows_of_day = [np.flatnonzero(day == one) for one in self.days]
        self.calm_of_day = [rows[self.calm[rows]] for rows in self.rows_of_day]
        self.drifts: tuple[CellDrift, ...] = ()
        self.at_rest = np.zeros((len(volts), 0))
        if self.days.size >= _FEWEST_DAYS and self.cells >= _FEWEST_CELLS:
            self._take_apart()
        else:
            self.days = self.days if self.cells >= _FEWEST_CELLS else self.days[:0]

    def _taken(self, values: Floats) -> Floats:
        found = clean(values)
        size = int(self.pick.max()) + 1 if self.pick.size else 0
        taken: Floats = clean(found, max(size, found.size))[self.pick]
        return taken

    def _calm(self) -> Flags:
        amount = np.abs(self.current)
        known = amount[self.usable & np.isfinite(amount)]
        if known.size < 24:
            return np.ones(self.times.size, np.bool_)
        least, most = _CALM_A
        limit = min(max(float(np.quantile(known, _CALM_SHARE)), least), most)
        calm: Flags = np.asarray(amount <= limit, np.bool_)
        return calm

    # ------------------------------------------------------------------------------------------ taking apart

    def _take_apart(self) -> None:
        """Split what each cell deviates by into what the charge, the current and the days make of it."""
        count = len(self.apart)
        drifts = []
        rows = np.full((count, self.days.size), np.nan)
        ends, resistances = [], []
        for cell in range(count):
            freed = self._without_charge(cell)
            resistance = self._resistance(freed)
            load = 1000.0 * (resistance.value if resistance else 0.0) * np.nan_to_num(self.current)
            rows[cell] = self._daily(freed + load)
            ends.append(self._ends(self.apart[cell] + load))
            resistances.append(resistance)
        self.at_rest = rows
        confidence = 1.0 - 0.05 / max(count, 1)
        for cell in range(count):
            found, strict = (trend(self.days, rows[cell], one) for one in (0.95, confidence))
            now = None if found is None else found.at(float(self.days[-1]))
            certain = strict is not None and strict.certain
            drifts.append(CellDrift(cell + 1, now, found, certain, resistances[cell], *ends[cell]))
        self.drifts = tuple(drifts)

    def _without_charge(self, cell: int) -> Floats:
        """The deviation of a cell freed of how it follows the charge."""
        apart: Floats = self.apart[cell]
        use = self.usable & np.isfinite(apart) & np.isfinite(self.charge)
        if use.sum() < 48 or float(np.ptp(np.quantile(self.charge[use], (0.05, 0.95)))) < 8.0:
            return apart
        charge = self.charge[use] / 100.0
        when = (self.times[use] - self.times[0]) / (30.0 * DAY_S)
        columns = [np.ones(use.sum()), when, charge - charge.mean()]
        current = np.where(np.isfinite(self.current[use]), self.current[use], 0.0)
        if np.ptp(current) > 5.0:
            columns.append(current / 50.0)
        found = fit(np.array(columns).T, apart[use])
        if found is None:
            return apart
        charge_all = np.where(np.isfinite(self.charge), self.charge / 100.0 - charge.mean(), 0.0)
        freed: Floats = apart - found[2] * charge_all
        return freed

    def _ends(self, apart: Floats) -> tuple[float | None, float | None]:
        """Median deviation of a cell while the battery was emptiest and fullest."""
        late = self.times > self.times[-1] - _LATE_DAYS * DAY_S
        use = late & np.isfinite(apart) & np.isfinite(self.charge)
        if use.sum() < 100:
            return None, None
        low, high = np.quantile(self.charge[use], (0.08, 0.92))
        if high - low < 25.0:
            return None, None
        empty, full = (
            float(np.median(apart[use & end])) for end in (self.charge <= low, self.charge >= high)
        )
        return empty, full

    def _resistance(self, apart: Floats) -> Estimate | None:
        """What a cell resists beyond the median, Ω: day by day how its deviation follows the current."""
        found = []
        known = self.usable & np.isfinite(apart) & np.isfinite(self.current)
        for rows in self.rows_of_day:
            use = rows[known[rows]]
            if use.size < 8:
                continue
            current, value = self.current[use], apart[use]
            moved = current - current.mean()
            power = float(moved @ moved)
            if power < 25.0 * use.size:  # less than 5 A of standard deviation
                continue
            found.append(-float(moved @ (value - value.mean())) / power / 1000.0)
        return median_of(np.array(found))

    def _daily(self, values: Floats) -> Floats:
        """Median of each day's calm hours."""
        return np.array([_median(values[rows]) for rows in self.calm_of_day])

    # ----------------------------------------------------------------------------------------------- judging

    def judge(self) -> tuple[Imbalance, int | None]:
        """What the matter is, and with which cell."""
        moving = [one for one in self.drifts if self._moves(one)]
        drifting = [one for one in moving if self._leaves(one)]
        resisting = [one for one in self.drifts if self._resists(one)]
        lacking = [one for one in self.drifts if self._lacks(one)]
        if (
            len(moving) >= max(4, self.cells // 4)
            and self._alone(worst := max(moving, key=self._growth)) < 2.0
        ):
            return Imbalance.BALANCER, worst.cell
        if drifting:
            worst = max(drifting, key=self._growth)
            follows = self.bus_follows(worst.cell)
            if self.mirrored(worst.cell) or (follows is not None and follows.high < 0.5):
                return Imbalance.SENSOR, worst.cell
            return (Imbalance.WEAK_CELL if worst in lacking else Imbalance.CHARGE), worst.cell

        if lacking:
            return Imbalance.WEAK_CELL, max(lacking, key=_turn).cell
        if resisting:
            return Imbalance.RESISTANCE, max(
                resisting, key=lambda one: one.resistance_ohm.value if one.resistance_ohm else 0.0
            ).cell
        apart = [one for one in self.drifts if self._stands_apart(one)]
        if apart:
            return Imbalance.CHARGE, max(apart, key=lambda one: abs(one.deviation_mv or 0.0)).cell
        return Imbalance.NONE, None

    def _growth(self, one: CellDrift) -> float:
        """How far its trend carried a cell within the data, mV."""
        return (
            0.0
            if one.drift_mv_per_day is None
            else abs(one.drift_mv_per_day.slope) * float(np.ptp(self.days))
        )

    def _moves(self, one: CellDrift) -> bool:
        """Whether it certainly drifts, and away from the others: one that comes back is being balanced."""
        if one.drift_mv_per_day is None or one.deviation_mv is None or not one.certain:
            return False
        away = math.copysign(1.0, one.drift_mv_per_day.slope) * one.deviation_mv
        return min(self._growth(one), away) >= _LEAST_GROWTH_MV

    def _leaves(self, one: CellDrift) -> bool:
        """Whether it moves beyond what chance, seasons and the balancer do to the others."""
        rest = [
            each.drift_mv_per_day.slope
            for each in self.drifts
            if each.drift_mv_per_day is not None and each is not one
        ]
        others = np.array(rest)
        if one.drift_mv_per_day is None or not others.size:
            return False
        return abs(one.drift_mv_per_day.slope - float(np.median(others))) > 3.0 * sigma_of(others)

    def _stands_apart(self, one: CellDrift) -> bool:
        others = np.array([each.deviation_mv for each in self.drifts if each is not one], np.float64)
        if one.deviation_mv is None or not np.isfinite(others).any():
            return False
        away = abs(one.deviation_mv - float(np.nanmedian(others)))
        return away > max(_LEAST_APART_MV, _OUTLIER * sigma_of(others, 0.5))

    def _alone(self, one: CellDrift) -> float:
        """Its growth as a multiple of the next cell's."""
        rest = [self._growth(each) for each in self.drifts if each is not one]
        return self._growth(one) / max([*rest, 1e-3])

    def _resists(self, one: CellDrift) -> bool:
        found = one.resistance_ohm
        if found is None or found.low < 0.5 * _LEAST_OHM or found.value < _LEAST_OHM:
            return False
        known = [each.resistance_ohm.value for each in self.drifts if each.resistance_ohm and each is not one]
        others = np.array(known)
        strong = float(np.nanquantile(np.abs(self.current), 0.95))
        return bool(
            1000.0 * found.value * strong > _LEAST_SAG_MV
            and found.value > np.median(others) + _OUTLIER * sigma_of(others, 0.02e-3)
        )

    def _lacks(self, one: CellDrift) -> bool:
        """Whether it is below the others when empty and above them when full: it has less capacity."""
        if one.empty_mv is None or one.full_mv is None:
            return False
        turns = np.array([_turn(each) for each in self.drifts if each is not one])
        return bool(
            one.empty_mv < -_LEAST_END_MV
            and one.full_mv > _LEAST_END_MV
            and _turn(one) > np.median(turns) + _OUTLIER * sigma_of(turns, 0.6)
        )

    def bus_follows(self, cell: int) -> Estimate | None:
        """Whether the DC bus moves with a cell: 1 as it must, 0 not at all; None when it cannot be seen.

        The bus lacks what the wiring loses, so the current is taken out; and what the other cells do as well.
        """
        bus = self._taken(self.history.bus_v)
        others = np.delete(self.volts, cell - 1, axis=0)
        rest = 1000.0 * (bus - np.sum(others, axis=0))
        middle = 1000.0 * np.median(others, axis=0)
        use = self.calm & np.isfinite(rest) & np.isfinite(self.apart[cell - 1])
        if use.sum() < 48 or self.days.size < _FEWEST_DAYS:
            return None
        current = np.where(np.isfinite(self.current), self.current, 0.0)
        # what is left for the cell itself on the bus, against the median of the others
        left = rest - middle
        columns = np.array([np.ones(use.sum()), current[use] / 50.0, self.apart[cell - 1][use]])
        found = fit(columns.T, left[use])
        if found is None:
            return None
        freed = self._daily(left - found[1] * current / 50.0)
        seen = self._daily(self.apart[cell - 1])
        both = np.isfinite(freed) & np.isfinite(seen)
        if both.sum() < _FEWEST_DAYS or sigma_of(seen[both]) < 1.0:
            return None
        # slopes of all pairs of days that differ enough
        first, second = np.triu_indices(int(both.sum()), 1)
        x, y = seen[both][second] - seen[both][first], freed[both][second] - freed[both][first]
        far = np.abs(x) > max(float(np.quantile(np.abs(x), 0.7)), 1.0)
        if far.sum() < 6:
            return None
        ratio = y[far] / x[far]
        noise = sigma_of(y[far] - np.median(ratio) * x[far]) / float(np.median(np.abs(x[far])))
        half = 2.0 * noise / math.sqrt(float(both.sum()) / 2.0)
        value = float(np.median(ratio))
        return Estimate(value, value - half, value + half, int(both.sum())) if half < 0.5 else None

    def mirrored(self, cell: int) -> bool:
        """Whether a cell beside deviates by as much the other way: both share the sense wire between them."""
        own = self.at_rest[cell - 1]
        for beside in (cell - 2, cell):
            if not 0 <= beside < len(self.at_rest):
                continue
            both = np.isfinite(own) & np.isfinite(self.at_rest[beside])
            x, y = own[both] - np.median(own[both]), self.at_rest[beside][both]
            if both.sum() < _FEWEST_DAYS or not np.any(x):
                continue
            y = y - np.median(y)
            slope = float(x @ y) / float(x @ x)
            size = math.sqrt(float(x @ x) * float(y @ y))
            if -1.4 < slope < -0.6 and size > 0.0 and float(x @ y) / size < -0.8:
                return True
        return False

    # -------------------------------------------------------------------------------------------- predicting

    def crossings(self, cell: int) -> tuple[Crossing, ...]:
        """Which limits are passed if it goes on like this; the earliest first."""
        spread_mv = 1000.0 * HOUSE["F015"][0].value
        spread = self._peaks(1000.0 * self._taken(self.history.spread_v), np.max)
        high = self._peaks(self._row(self.history.cells_high_v, cell), np.max)
        low = self._peaks(self._row(self.history.cells_low_v, cell), np.min)
        rest = self.days, self.at_rest[cell - 1]
        found = (
            _crossing("F015", "the difference of the cells", "mV", *spread, spread_mv, 1.0),
            _crossing("F015", f"the deviation of cell {cell} at rest", "mV", *rest, spread_mv, 1.0),
            _crossing("F015", f"the deviation of cell {cell} at rest", "mV", *rest, -spread_mv, -1.0),
            _crossing("F010", f"the highest voltage of cell {cell}", "V", *high, HOUSE["F010"][0].value, 1.0),
            _crossing("F011", f"the lowest voltage of cell {cell}", "V", *low, HOUSE["F011"][0].value, -1.0),
        )
        return tuple(
            sorted((one for one in found if one), key=lambda one: (not one.reached, one.likely_utc_us))
        )

    def _row(self, values: Floats, cell: int) -> Floats:
        rows = np.atleast_2d(np.asarray(values, np.float64))
        if cell > len(rows):
            return np.full(self.times.size, np.nan)
        row = self._taken(rows[cell - 1])
        inside: Floats = np.where((row > 0.5) & (row < 5.0), row, np.nan)
        return inside

    def _peaks(self, values: Floats, extreme: Callable[[Floats], np.floating]) -> tuple[Floats, Floats]:
        """The extreme of each day; days of which half is missing are left out."""
        found = []
        days = np.unique(self.day)
        for day in days:
            inside = values[(self.day == day) & np.isfinite(values)]
            found.append(float(extreme(inside)) if inside.size >= _HALF_A_DAY else math.nan)
        return days, np.array(found)

    # ----------------------------------------------------------------------------------------------- telling

    def moved_most(self) -> str:
        """What there was of drift where none is called one, as a clause."""
        moved = [one for one in self.drifts if one.certain and self._growth(one) >= _LEAST_GROWTH_MV]
        if not moved:
            return f"none drifts by more than {number(_LEAST_GROWTH_MV, 'mV')} and chance"
        most = max(moved, key=self._growth)
        slope = most.drift_mv_per_day.slope if most.drift_mv_per_day else 0.0
        way = "as others do" if self._moves(most) else "back to the others"
        return f"cell {most.cell} drifts most, {signed(7.0 * slope, 'mV')} a week, {way}"

    def describe(self, cell: int, verdict: Imbalance) -> str:
        """What the matter is, as a clause with numbers."""
        one = self.drifts[cell - 1]
        drift = (
            "" if one.drift_mv_per_day is None else f"{signed(7.0 * one.drift_mv_per_day.slope, 'mV')} a week"
        )
        weeks = f"over {self.days.size} days at rest"
        node = self.history.node
        if verdict is Imbalance.CHARGE and not self._moves(one):
            away = signed(one.deviation_mv or 0.0, "mV")
            return f"Cell {cell} of {node} stands {away} apart from the others at rest, and does not drift"
        if verdict is Imbalance.CHARGE:
            lot = (
                "loses charge against"
                if one.drift_mv_per_day and one.drift_mv_per_day.slope < 0.0
                else "gains charge against"
            )
            return f"Cell {cell} of {node} {lot} the others ({drift}, {weeks})"
        if verdict is Imbalance.BALANCER:
            return f"The cells of {node} drift apart all over, cell {cell} most ({drift}, {weeks})"
        if verdict is Imbalance.SENSOR:
            return f"The reading of cell {cell} of {node} drifts, not the cell ({drift}, {weeks})"
        if verdict is Imbalance.WEAK_CELL:
            return (
                f"Cell {cell} of {node} has less capacity: {signed(one.empty_mv or 0.0, 'mV')} against the "
                f"others when empty, {signed(one.full_mv or 0.0, 'mV')} when full"
            )
        ohm = 1000.0 * (one.resistance_ohm.value if one.resistance_ohm else 0.0)
        return f"Cell {cell} of {node} gives way under load: it has {number(ohm, 'mΩ')} more than the others"

    def evidence(self, cell: int | None) -> tuple[Fact, ...]:
        """The numbers behind it."""
        facts = [Fact("days", "days with the battery at rest", float(self.days.size), "d")]
        if cell is None:
            return tuple(facts)
        one, node = self.drifts[cell - 1], self.history.node
        if one.deviation_mv is not None:
            away = f"deviation of cell {cell} at rest"
            facts.append(Fact("deviation", away, one.deviation_mv, "mV", node=node))
        if one.drift_mv_per_day is not None:
            slope, low, high = (
                7.0 * value
                for value in (one.drift_mv_per_day.slope, one.drift_mv_per_day.low, one.drift_mv_per_day.high)
            )
            facts.append(Fact("drift", f"drift of cell {cell} at rest", slope, "mV/week", low, high, node))
            alone = "its drift as a multiple of the next cell's"
            facts.append(Fact("drift_alone", alone, self._alone(one), ""))
        if one.resistance_ohm is not None:
            beyond = one.resistance_ohm
            value, low, high = (1000.0 * ohm for ohm in (beyond.value, beyond.low, beyond.high))
            more = f"resistance of cell {cell} beyond that of the median cell"
            facts.append(Fact("resistance", more, value, "mΩ", low, high, node))
        for end, extreme in (("empty", one.empty_mv), ("full", one.full_mv)):
            if extreme is not None:
                more = f"deviation of cell {cell} when the battery is {end}"
                facts.append(Fact(f"when_{end}", more, extreme, "mV", node=node))
        if (follows := self.bus_follows(cell)) is not None:
            more = f"part of the deviation of cell {cell} that the DC bus confirms"
            facts.append(Fact("bus_follows", more, follows.value, "", follows.low, follows.high, node))
        return tuple(facts)


def _turn(one: CellDrift) -> float:
    """By how much a cell rises beyond the median from empty to full, mV."""
    return 0.0 if one.full_mv is None or one.empty_mv is None else one.full_mv - one.empty_mv


def _median(values: Floats) -> float:
    known = values[np.isfinite(values)]
    return float(np.median(known)) if known.size >= 2 else math.nan


def _noon(day: float) -> int:
    """UTC µs; a day's extreme may come at any hour."""
    return round((day + 0.5) * DAY_S * 1e6)


def _crossing(
    code: str, what: str, unit: str, days: Floats, values: Floats, limit: float, side: float
) -> Crossing | None:
    """When the trend of daily values passes a limit; `side` +1: from below. None: not as far as is certain.

    The interval of the slope turns the line about its middle, whose own error is added: so the ends are those
    of the line, not of a single day's value.
    """
    found = trend(days, values)
    if found is None or found.samples < _FEWEST_DAYS or not found.certain or side * found.slope <= 0.0:
        return None
    last = float(days[np.isfinite(values)][-1])
    missing = side * (limit - found.level)
    fast, slow = (found.high, found.low) if side > 0.0 else (-found.low, -found.high)
    likely = found.middle + missing / (side * found.slope)
    if likely - last > _HORIZON_DAYS:
        return None
    earliest = found.middle + (missing - found.level_error) / fast
    latest = found.middle + (missing + found.level_error) / slow
    now = found.at(last)
    return Crossing(
        code,
        what,
        limit,
        unit,
        now,
        7.0 * found.slope,
        _noon(max(earliest, last - _LONG_AGO_DAYS)),
        _noon(max(likely, last - _LONG_AGO_DAYS)),
        None if latest - last > 5.0 * _HORIZON_DAYS else _noon(max(latest, last - _LONG_AGO_DAYS)),
        side * (now - limit) >= 0.0,
    )


def _answer(
    bank: _Bank,
    verdict: Imbalance,
    said: str,
    cell: int | None = None,
    steps: tuple[str, ...] = (),
    crossings: tuple[Crossing, ...] = (),
) -> CellImbalance:
    follows = None if cell is None else bank.bus_follows(cell)
    confirmed = None
    if follows is not None and follows.outside(0.5, 0.5):
        confirmed = follows.value > 0.5
    start, end = (int(time) * 10**6 for time in bank.times[[0, -1]]) if bank.times.size else (None, None)
    return CellImbalance(
        said,
        verdict,
        steps,
        bank.evidence(cell),
        bank.history.node,
        cell,
        _CAUSES.get(verdict),
        confirmed,
        crossings[0] if crossings else None,
        crossings,
        bank.drifts,
        int(bank.days.size),
        start,
        end,
    )
