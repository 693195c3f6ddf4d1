"""Houses that do not share the load as they should: who is off by how much, when it comes and goes, and why.

Every inverter follows its droop line, f = f0 - k P, and all of a cluster have the same frequency. So each
house's line can be read from pairs of frequency and power: k from how both change from minute to minute,
which neither set points nor meters that are off disturb, and f0 from where they stand, freed of what the
energy management moves on purpose with the state of charge.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from .fact import Fact, number, signed
from .robust import Estimate, association, clean, fit, median_of, rotations, sigma_of

__all__ = [
    "Association",
    "HouseHistory",
    "HouseSharing",
    "PowerSharing",
    "Sharing",
    "SharingHistory",
    "power_sharing",
]

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

MINUTE_S, HOUR_S, DAY_S = 60.0, 3600.0, 86_400.0
_BLOCK_S = 6 * HOUR_S
"""Long enough for a line, short against the days that are asked for."""
_FEWEST_MINUTES = 60
_FEWEST_BLOCKS = 6
_OFF_W = 10.0
_LOAD_W = 300.0
"""An inverter that gives less than the one where its line says more than the other is off."""
_OFF_MINUTES = 5
"""One that only passes through zero is not off."""
_SWING_HZ = 2e-3
"""Least spread of the changes of frequency from which a line is read."""
_STEP_HZ = 1e-3
"""Of logged frequencies: nothing finer is known."""
_GAIN_TOLERANCE = 0.1
_OFFSET_TOLERANCE_HZ = 0.02
"""To which inverters are calibrated (at 3 kW)."""
_LEAST_STRAY_W = 300.0
_STRAY_SIGMA = 6.0
_INTERMITTENT = 0.002
"""Part of its minutes that a house may stray before it is called intermittent: three minutes a day."""
_LEAST_MINUTES = 10
_LUCK = 0.01
"""Chance that anything at all is named by luck, shared among what is looked at."""
_DRAWS = 1999
_PEAK_SHARE = 0.5


class Sharing(StrEnum):
    """How the houses share."""

    EVEN = "even"
    DROOP_MISMATCH = "droop_mismatch"
    """A house's droop line is not that of the others."""
    INTERMITTENT = "intermittent"
    """Lines agree, but houses leave them now and then."""
    NOT_ENOUGH_DATA = "not_enough_data"


@dataclass(frozen=True, slots=True, eq=False)
class HouseHistory:
    """Minutes of a house, at the times of all; NaN where nothing is known."""

    node: str
    frequency_hz: Floats
    power_w: Floats
    state_of_charge: Floats


@dataclass(frozen=True, slots=True, eq=False)
class SharingHistory:
    """Minutes of a cluster."""

    cluster: str
    times_s: Floats
    """Start of each minute, UTC s, ascending, shape (minutes,)."""
    houses: Sequence[HouseHistory]
    offset_s: float = 0.0
    """Local time minus UTC, for hours of the day."""
    factors: Mapping[str, Floats] = field(default_factory=dict)
    """What may have to do with it, by name, at the same times: `solar_power`, `can_fault`, `phase` …"""


@dataclass(frozen=True, slots=True)
class HouseSharing:
    """One house's droop line against that of the others."""

    node: str
    gain_hz_per_kw: Estimate | None
    gain_off: float | None
    """Part by which it differs from the median of all; None when that is not certain, or tolerable."""
    offset_hz: Estimate | None
    """No-load frequency against the median of all, at equal charge."""
    offset_off_hz: float | None
    """The same; None when it is within the tolerance or not certain."""
    extra_w: float | None
    """What it gives too much (negative: too little) at the usual frequency, for both reasons."""
    stray_share: float
    """Part of its minutes in which it was off its own line."""
    off_share: float
    """Part in which it gave nothing while the others did."""
    minutes: int


@dataclass(frozen=True, slots=True)
class Association:
    """Something that comes and goes with uneven sharing, beyond luck."""

    factor: str
    correlation: float | None
    """Rank correlation of hours, beyond the hour of the day; of the time of day there is none."""
    luck: float
    """Chance of as much by luck."""
    hours: tuple[int, ...] = ()
    """Local hours with most of it, for the time of day."""


@dataclass(frozen=True, slots=True)
class PowerSharing:
    """The answer."""

    summary: str
    verdict: Sharing
    steps: tuple[str, ...]
    evidence: tuple[Fact, ...]
    cluster: str
    culprits: tuple[str, ...]
    """Houses whose lines are off, the furthest first; of two houses nobody can say which."""
    houses: tuple[HouseSharing, ...]
    charge_hz: float | None
    """By how much the energy management lifts the no-load frequency of a full battery over an empty one's."""
    associations: tuple[Association, ...]
    """Only those beyond luck; the strongest first."""
    looked_at: tuple[str, ...]
    """Factors that were there to be compared."""
    stray_minutes: int
    days: int
    start_utc_us: int | None
    end_utc_us: int | None


def power_sharing(history: SharingHistory) -> PowerSharing:
    """Judge a cluster by some days of it."""
    cluster = _Cluster(history)
    able = [house for house in cluster.houses if house.gains.size >= _FEWEST_BLOCKS]
    if len(able) < 2:
        why = f"frequency and power of {len(able)} houses are known well enough; two are needed"
        return _answer(
            cluster,
            Sharing.NOT_ENOUGH_DATA,
            f"How the houses of {history.cluster} share cannot be told: {why}.",
            ("Ask for a longer time: frequency and power have to move for a day and a half.",),
        )
    cluster.compare(able)
    rows = cluster.rows()
    off = sorted((row for row in rows if row.extra_w is not None), key=lambda row: -abs(row.extra_w or 0.0))
    intermittent = [row for row in rows if _comes_and_goes(row)]
    found, looked = cluster.associations()
    if off:
        verdict, said = Sharing.DROOP_MISMATCH, _mismatch(off, len(able))
    elif intermittent:
        verdict, said = Sharing.INTERMITTENT, ""
    else:
        verdict = Sharing.EVEN
        said = f"The {len(able)} houses of {history.cluster} share as their droop says"
    if intermittent:
        worst = max(intermittent, key=lambda row: row.stray_share + row.off_share)
        share = 100.0 * (worst.stray_share + worst.off_share)
        said += "; besides, " if said else ""
        said += f"{worst.node} leaves its line now and then ({number(share, '%')} of its minutes)"
    if found and verdict is not Sharing.EVEN:
        said += ", " + _with(found)
    steps = _steps(off, intermittent, found, len(able))
    if verdict is Sharing.EVEN:
        found = ()
    return _answer(cluster, verdict, f"{said}.", steps, tuple(row.node for row in off), rows, found, looked)


def _comes_and_goes(row: HouseSharing) -> bool:
    share = row.stray_share + row.off_share
    return share > _INTERMITTENT and share * row.minutes >= _LEAST_MINUTES


def _mismatch(off: Sequence[HouseSharing], able: int) -> str:
    if able == 2:
        return (
            "The two houses follow different droop lines; which of them is off, only a third one could tell"
        )
    parts = []
    for row in off:
        why = []
        if row.offset_off_hz is not None:
            why.append(f"its no-load frequency is {signed(1000.0 * row.offset_off_hz, 'mHz')} off")
        if row.gain_off is not None:
            why.append(f"its droop gain is {signed(100.0 * row.gain_off, '%')} off")
        extra = row.extra_w or 0.0
        much = "too much" if extra > 0.0 else "too little"
        parts.append(f"{row.node} gives about {number(abs(extra), 'W')} {much}: {' and '.join(why)}")
    return "; ".join(parts)


def _with(found: Sequence[Association]) -> str:
    parts = []
    for one in found:
        if one.hours:
            parts.append(f"mostly from {', '.join(f'{hour:02d}:00' for hour in one.hours)}")
        else:
            more = "more" if (one.correlation or 0.0) > 0.0 else "less"
            parts.append(f"{more} often with more {one.factor.replace('_', ' ')}")
    return " and ".join(parts)


_FACTOR_STEPS = {
    "can_fault": "Look at the CAN bus first: cable, plugs, termination, and the faults F030 and F031.",
    "phase": "Check the contactor's contacts and the phase measurement at the gateway.",
    "contactor_open": "See why the cluster was disconnected at those times: microgrid.debug_disconnection.",
    "solar_power": "See whether batteries are full then: a throttled charger changes what a house gives.",
}


def _steps(
    off: Sequence[HouseSharing], intermittent: Sequence[HouseSharing], found: Sequence[Association], able: int
) -> tuple[str, ...]:
    steps = []
    for row in off:
        if row.offset_off_hz is not None:
            change = signed(-1000.0 * row.offset_off_hz, "mHz")
            steps.append(f"Calibrate the no-load frequency of {row.node} by {change}.")
        if row.gain_off is not None and able > 2:
            steps.append(f"Set the droop gain of {row.node} to that of its neighbours.")
    if able == 2 and any(row.gain_off is not None for row in off):  # each to the other's would exchange them
        steps.append("Set the same droop gain at both houses.")
    if off:
        steps.append(
            "Compare the power meter of that house with a clamp meter: one that is off looks the same."
        )
    if intermittent:
        steps += [_FACTOR_STEPS[one.factor] for one in found if one.factor in _FACTOR_STEPS]
        names = ", ".join(row.node for row in intermittent)
        steps.append(f"List the faults and restarts of {names} at the times when it leaves its line.")
    return tuple(steps) or ("Nothing to do.",)


class _House:
    """A house's minutes, made clean."""

    def __init__(self, history: HouseHistory, size: int, steps: NDArray[np.int64], block: Floats) -> None:
        self.node = history.node
        frequency = clean(history.frequency_hz, size)
        self.frequency = np.where((frequency > 40.0) & (frequency < 60.0), frequency, np.nan)
        power = clean(history.power_w, size)
        self.power = np.where(np.abs(power) < 1e5, power, np.nan)
        charge = clean(history.state_of_charge, size)
        self.charge = np.where((charge >= 0.0) & (charge <= 100.0), charge, np.nan)
        self.known: Flags = np.isfinite(self.frequency) & np.isfinite(self.power)
        self.on: Flags = self.known & (np.abs(self.power) > _OFF_W)
        self.gains = self._read_gains(steps, block)
        self.gain: Estimate | None = median_of(self.gains)
        self.used = math.nan
        """Hz/W."""
        self.offset: Estimate | None = None
        self.stray: Flags = np.zeros(size, np.bool_)
        self.off: Flags = np.zeros(size, np.bool_)

    def _read_gains(self, steps: NDArray[np.int64], block: Floats) -> Floats:
        """Hz/W, one of each block: how frequency and power change from minute to minute."""
        good = steps[self.on[steps] & self.on[steps + 1]]
        moved_f = self.frequency[good + 1] - self.frequency[good]
        moved_p = self.power[good + 1] - self.power[good]
        found = []
        for one in np.unique(block[good]):
            inside = block[good] == one
            f, p = moved_f[inside], moved_p[inside]
            if f.size < _FEWEST_MINUTES or float(np.std(f)) < _SWING_HZ:
                continue
            slope = fit(f[:, None], p)
            if slope is not None and slope[0] < -1.0:  # droop falls; flatter than 1 W/Hz is none
                found.append(-1.0 / float(slope[0]))
        return np.array(found)


class _Cluster:
    """All houses of a cluster, and what they have in common."""

    def __init__(self, history: SharingHistory) -> None:
        self.history = history
        times = clean(history.times_s)
        self.times = times[np.isfinite(times)]
        fresh = np.concatenate(([True], np.diff(self.times) > 0.0))[: self.times.size]
        if self.times.size != times.size or not fresh.all():
            # times that go back: the clock was set; the lists no longer fit them, so nothing is believed
            self.times = np.zeros(0)
        size = self.times.size
        self.block = np.floor(self.times / _BLOCK_S)
        steps = (
            np.flatnonzero(np.abs(np.diff(self.times) - MINUTE_S) < 1.0) if size else np.zeros(0, np.int64)
        )
        self.houses = [_House(house, size, steps.astype(np.int64), self.block) for house in history.houses]
        self.able: list[_House] = []
        self.charge_hz: float | None = None
        self.common = math.nan
        local = self.times + history.offset_s
        self.day = np.floor(local / DAY_S).astype(np.int64)
        self.hour = (np.floor(local / HOUR_S) % 24).astype(np.int64)

    # ------------------------------------------------------------------------------------------------ lines

    def compare(self, able: list[_House]) -> None:
        """Find each house's line, and where it was not on it."""
        self.able = able
        self.common = float(np.median([house.gain.value for house in able if house.gain is not None]))
        for house in able:
            house.used = self.common if house.gain is None else house.gain.value
        free = [np.where(house.on, house.frequency + house.used * house.power, np.nan) for house in able]
        lines = np.array(free)
        charge = np.array([house.charge for house in able])
        usual = np.array([_median(row) for row in lines - _middle(lines)])
        # against the mean, lest who is the median of them change with the charge
        apart = lines - _mean(lines - usual[:, None])
        fuller = (charge - _mean(charge)) / 100.0
        blocks = np.unique(self.block)
        level = np.full((len(able), blocks.size), np.nan)
        rise = np.full_like(level, np.nan)
        for number_, one in enumerate(blocks):
            inside = self.block == one
            for row in range(len(able)):
                values = apart[row, inside]
                values = values[np.isfinite(values)]
                if values.size >= _FEWEST_MINUTES:
                    level[row, number_] = np.median(values)
                    filled = fuller[row, inside]
                    filled = filled[np.isfinite(filled)]
                    rise[row, number_] = np.median(filled) if filled.size else 0.0
        found = _pooled_slope(rise, level)
        slope, error = (0.0, 0.0) if found is None else found
        self.charge_hz = None if found is None else slope
        freed = level - slope * rise
        freed -= np.median([_median(row) for row in freed])
        found_offsets = [median_of(row) for row in freed]
        # what they are measured against, the median of all, errs as its members do
        common = _median(np.array([(one.high - one.low) / 2.0 for one in found_offsets if one is not None]))
        for row, (house, offset) in enumerate(zip(able, found_offsets, strict=True)):
            if offset is None or house.gain is None:
                continue
            load = abs(_median(np.where(house.on, house.power, np.nan)))
            more = 2.0 * error * abs(_median(rise[row]))  # slope and gain err for all blocks alike
            more += common + 0.5 * (house.gain.high - house.gain.low) * load + _STEP_HZ / 2.0
            house.offset = Estimate(offset.value, offset.low - more, offset.high + more, offset.samples)
        self._find_strays(lines, blocks)

    def _find_strays(self, lines: Floats, blocks: Floats) -> None:
        """Minutes in which a house is off its own line of that block, and those in which it gives nothing."""
        at = np.searchsorted(blocks, self.block)
        middle = _middle(lines)
        for row, house in enumerate(self.able):
            own = lines[row] - middle
            level = _by_block(own, self.block, blocks)[at]
            error_w = (own - level) / house.used
            limit_w = max(_LEAST_STRAY_W, _STRAY_SIGMA * sigma_of(error_w))
            house.stray = np.isfinite(error_w) & (np.abs(error_w) > limit_w)
            wanted_w = (middle + level - house.frequency) / house.used
            house.off = _runs(house.known & ~house.on, _OFF_MINUTES) & (np.abs(wanted_w) > _LOAD_W)

    def rows(self) -> tuple[HouseSharing, ...]:
        """Each house against the median of all."""
        return tuple(self._row(house) for house in self.houses)

    def _row(self, house: _House) -> HouseSharing:
        minutes = int(house.known.sum())
        gain_off = offset_off = extra = None
        if house in self.able and house.gain is not None:
            usual = self.common
            if house.gain.outside((1.0 - _GAIN_TOLERANCE) * usual, (1.0 + _GAIN_TOLERANCE) * usual):
                gain_off = house.gain.value / usual - 1.0
            tolerance = _OFFSET_TOLERANCE_HZ
            if house.offset is not None and house.offset.outside(-tolerance, tolerance):
                offset_off = house.offset.value
            if gain_off is not None or offset_off is not None:
                load = float(np.median(house.power[house.on]))
                # on its own line it gives `load`; on that of the others at the same frequency it would give
                wanted = (house.used * load - (offset_off or 0.0)) / usual
                extra = load - wanted
        scale = 1000.0
        gain = None if house.gain is None else _scaled(house.gain, scale)
        return HouseSharing(
            house.node,
            gain,
            gain_off,
            house.offset,
            offset_off,
            extra,
            float(house.stray.sum()) / max(minutes, 1),
            float(house.off.sum()) / max(minutes, 1),
            minutes,
        )

    # ----------------------------------------------------------------------------------------- associations

    @property
    def bad(self) -> Flags:
        """Minutes in which any house strays or is off."""
        flags = np.zeros(self.times.size, np.bool_)
        for house in self.able:
            flags |= house.stray | house.off
        return flags

    def associations(self) -> tuple[tuple[Association, ...], tuple[str, ...]]:
        """What uneven sharing comes and goes with beyond luck; and what was there to be compared."""
        known = np.zeros(self.times.size, np.bool_)
        for house in self.able:
            known |= house.known
        shares = self._by_hour(np.where(known, self.bad.astype(np.float64), np.nan))
        usable = {}
        for name, values in self.history.factors.items():
            course = self._by_hour(clean(values, self.times.size))
            seen = course[np.isfinite(course)]
            if seen.size >= 48 and float(np.ptp(seen)) > 0.0:
                usable[name] = course
        looked = ("time_of_day", *usable)
        busy = int(np.count_nonzero(np.nan_to_num(shares) > 0.0))
        if busy < 5 or shares.shape[0] < _FEWEST_BLOCKS:
            return (), looked
        rng = np.random.default_rng(1)
        limit = _LUCK / len(looked)
        found = []
        hours, luck = _time_of_day(shares, rng)
        if luck < limit:
            found.append(Association("time_of_day", None, luck, hours))
        for name, course in usable.items():
            correlation, luck = association(shares, course, rng, _DRAWS)
            if luck < limit:
                found.append(Association(name, correlation, luck))
        return tuple(sorted(found, key=lambda one: (one.luck, -abs(one.correlation or 1.0)))), looked

    def _by_hour(self, values: Floats) -> Floats:
        """Means of hours, shape (days, 24); NaN where less than a third of the hour is known."""
        if not self.times.size:
            return np.zeros((0, 24))
        days = int(self.day[-1] - self.day[0]) + 1
        cell = (self.day - self.day[0]) * 24 + self.hour
        good = np.isfinite(values)
        count = np.bincount(cell[good], minlength=24 * days)
        total = np.bincount(cell[good], values[good], minlength=24 * days)
        means: Floats = np.where(count >= 20, total / np.maximum(count, 1), np.nan).reshape(days, 24)
        return means


def _time_of_day(shares: Floats, rng: np.random.Generator) -> tuple[tuple[int, ...], float]:
    """Hours with most of it, and the chance that they stand out as much by luck.

    An hour of a day counts as bad or not, lest one long episode look like a habit.
    """
    bad = (np.nan_to_num(shares) > 0.0).astype(np.float64)

    def contrast(sets: Floats) -> Floats:
        per_hour = sets.sum(axis=1)
        return np.asarray(per_hour.var(axis=1), np.float64)

    found = float(contrast(bad[None])[0])
    by_luck = contrast(rotations(bad, rng, _DRAWS))
    luck = float((1 + np.count_nonzero(by_luck >= found - 1e-12)) / (_DRAWS + 1))
    per_hour = bad.sum(axis=0)
    hours = tuple(int(hour) for hour in np.flatnonzero(per_hour > _PEAK_SHARE * per_hour.max()))
    return hours, luck


def _runs(flags: Flags, least: int) -> Flags:
    """Flags that are part of a run of at least so many."""
    edges = np.flatnonzero(np.diff(np.concatenate(([0], flags.astype(np.int8), [0]))))
    result = np.zeros(flags.size, np.bool_)
    for first, end in zip(edges[::2], edges[1::2], strict=True):
        result[first:end] = end - first >= least
    return result


def _middle(rows: Floats) -> Floats:
    """Median of the known rows at each instant; NaN where fewer than two are known."""
    result = np.full(rows.shape[1], np.nan)
    enough = np.isfinite(rows).sum(axis=0) >= 2
    if enough.any():
        result[enough] = np.nanmedian(rows[:, enough], axis=0)
    return result


def _median(values: Floats) -> float:
    known = values[np.isfinite(values)]
    return float(np.median(known)) if known.size else math.nan


def _by_block(values: Floats, block: Floats, blocks: Floats) -> Floats:
    """Median of each block."""
    return np.array([_median(values[block == one]) for one in blocks])


def _mean(rows: Floats) -> Floats:
    known = np.isfinite(rows)
    count = known.sum(axis=0)
    total = np.where(known, rows, 0.0).sum(axis=0)
    mean: Floats = np.where(count > 0, total / np.maximum(count, 1), np.nan)
    return mean


def _pooled_slope(x: Floats, y: Floats) -> tuple[float, float] | None:
    """How y follows x within the houses (houses × blocks), the same for all; None unless it surely does."""
    good = np.isfinite(x) & np.isfinite(y)
    if good.sum() < 4 * _FEWEST_BLOCKS:
        return None
    left, right = [], []
    for row in range(len(x)):
        inside = good[row]
        if inside.sum() >= 3:
            left.append(x[row, inside] - np.median(x[row, inside]))
            right.append(y[row, inside] - np.median(y[row, inside]))
    if not left:
        return None
    a, b = np.concatenate(left), np.concatenate(right)
    power = float(a @ a)
    if power < a.size * 0.005**2:  # half a per cent of charge
        return None
    slope = fit(a[:, None], b)
    if slope is None:
        return None
    error = sigma_of(b - slope[0] * a) / math.sqrt(power)
    return (float(slope[0]), error) if abs(slope[0]) > 4.0 * error else None


def _scaled(one: Estimate, factor: float) -> Estimate:
    return Estimate(one.value * factor, one.low * factor, one.high * factor, one.samples)


def _answer(
    cluster: _Cluster,
    verdict: Sharing,
    said: str,
    steps: tuple[str, ...],
    culprits: tuple[str, ...] = (),
    rows: tuple[HouseSharing, ...] = (),
    found: tuple[Association, ...] = (),
    looked: tuple[str, ...] = (),
) -> PowerSharing:
    facts = []
    for row in rows:
        if (gain := row.gain_hz_per_kw) is not None:
            what = f"droop gain of {row.node}"
            value, low, high = (1000.0 * one for one in (gain.value, gain.low, gain.high))
            facts.append(Fact("droop_gain", what, value, "mHz/kW", low, high, row.node))
        if (offset := row.offset_hz) is not None:
            what = f"no-load frequency of {row.node} against the others"
            value, low, high = (1000.0 * one for one in (offset.value, offset.low, offset.high))
            facts.append(Fact("no_load_frequency", what, value, "mHz", low, high, row.node))
        if row.stray_share > 0.0:
            what = f"minutes in which {row.node} was off its line"
            facts.append(Fact("off_its_line", what, 100.0 * row.stray_share, "%", node=row.node))
        if row.off_share > 0.0:
            what = f"minutes in which {row.node} gave nothing while the others did"
            facts.append(Fact("gave_nothing", what, 100.0 * row.off_share, "%", node=row.node))
    for one in found:
        if one.correlation is not None:
            what = f"rank correlation of uneven sharing with {one.factor}, beyond the time of day"
            facts.append(Fact("goes_with", what, one.correlation, ""))
    times = cluster.times
    start, end = (int(time) * 10**6 for time in times[[0, -1]]) if times.size else (None, None)
    return PowerSharing(
        said,
        verdict,
        steps,
        tuple(facts),
        cluster.history.cluster,
        culprits,
        rows,
        cluster.charge_hz,
        found,
        looked,
        int(cluster.bad.sum()),
        int(np.unique(cluster.day).size),
        start,
        end,
    )
